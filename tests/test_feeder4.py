"""Every number of cases/feeder4/reference.toml, worked out by hand in its SOURCE.md, found again by the planner.

Impedances are such that AC confirms each figure within half a percent, or two where it is a difference of near equals.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hand import REFERENCE, hand, uncertain

import igdt_planner as ip
from igdt_planner.baseline import baseline
from igdt_planner.infogap.question import answer
from igdt_planner.plan import Plan
from igdt_planner.session import Candidate, Session

AC, DIFFERENCE, EXACT = 5e-3, 2e-2, 2e-4
SWITCHING, CONNECTED, ISLANDED = (REFERENCE[f"hand_{name}"] for name in ("switching", "connected", "islanded"))


def open_lines(plan: Plan) -> dict[str, list[int]]:
    """Open lines by mode of a plan with one topology."""
    found = {mode: {tuple(lines) for lines in by_period.values()} for mode, by_period in plan.open_lines.items()}
    assert all(len(topologies) == 1 for topologies in found.values())
    return {mode: list(topologies.pop()) for mode, topologies in found.items()}


def asked(session: Session, base: Candidate, row: dict[str, Any], sense: Any) -> Plan:
    """The answer to one row of the reference, judged by AC and unbroken."""
    plan = answer(session, sense, None, row["budget_mwh"], base, (), 0.5).plan
    assert plan.kind == sense
    assert plan.status == "optimal"
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert plan.ac_forecast is not None and plan.ac_forecast.verdict == "feasible"
    assert plan.objective is not None and plan.objective <= row["budget_mwh"] * (1 + 1e-9)
    assert plan.robustness["budget"] == row["budget_mwh"]
    assert plan.robustness["alpha_limit"] == "budget"
    assert not plan.robustness["worst_case"]["broken"]
    return plan


def test_switching() -> None:
    plan = ip.solve("feeder4", hand("switching"))
    assert plan.status == "optimal"
    assert open_lines(plan) == {"connected": SWITCHING["open_lines"]}
    assert plan.model_objective == pytest.approx(SWITCHING["losses_mwh"], rel=EXACT)
    assert plan.objective == pytest.approx(SWITCHING["losses_mwh"], rel=AC)
    assert plan.bound_of == "linear"


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_losses_of_every_topology(line: int) -> None:
    """Table (a), column S: losses of both periods are 1.25 * 0.000125 S."""
    by_hand = {1: 140, 2: 84, 3: 68, 4: 180}[line] * 1.25 * 0.000125
    with Session(*loaded(hand("switching", {"fix.open_lines": {"connected": [line]}})), None, None, None) as session:
        plan = baseline(session).plan
    assert plan.model_objective == pytest.approx(by_hand, rel=EXACT)
    assert plan.objective == pytest.approx(by_hand, rel=AC)


def loaded(model: ip.Model) -> tuple[ip.Case, ip.Model]:
    return ip.load_case("feeder4"), model


@pytest.fixture(scope="module")
def connected() -> Iterator[tuple[Session, Candidate]]:
    with Session(*loaded(hand("connected")), None, None, None) as session:
        yield session, baseline(session)


def test_siting(connected: tuple[Session, Candidate]) -> None:
    plan = connected[1].plan
    assert plan.status == "optimal"
    assert plan.dg["bus"].tolist() == [CONNECTED["dg_bus"]]
    assert open_lines(plan) == {"connected": CONNECTED["open_lines"]}
    assert plan.model_objective == pytest.approx(CONNECTED["losses_mwh"], rel=EXACT)
    assert plan.objective == pytest.approx(CONNECTED["losses_mwh"], rel=AC)
    assert plan.dispatch is not None
    assert plan.dispatch.dg["p_mw"].tolist() == pytest.approx([3.0, 5.0], rel=AC)


@pytest.mark.parametrize("row", CONNECTED["robust"], ids=lambda row: f"budget {row['budget_mwh']}")
def test_robust_siting_and_switching(connected: tuple[Session, Candidate], row: dict[str, Any]) -> None:
    """The larger budget calls for the other topology: the reversal of preference."""
    plan = asked(*connected, row, "robust")
    assert plan.dg["bus"].tolist() == [row["dg_bus"]]
    assert open_lines(plan) == {"connected": row["open_lines"]}
    assert plan.robustness["alpha"] == pytest.approx(row["alpha"], rel=DIFFERENCE)
    assert plan.robustness["alpha_bound"] == pytest.approx(row["alpha"], rel=EXACT)
    assert plan.robustness["alpha"] <= plan.robustness["alpha_bound"]


@pytest.mark.parametrize("row", CONNECTED["opportunity"], ids=lambda row: f"budget {row['budget_mwh']}")
def test_opportunity_siting_and_switching(connected: tuple[Session, Candidate], row: dict[str, Any]) -> None:
    plan = asked(*connected, row, "opportunity")
    assert plan.dg["bus"].tolist() == [row["dg_bus"]]
    assert open_lines(plan) == {"connected": row["open_lines"]}
    assert plan.robustness["alpha"] == pytest.approx(row["alpha"], rel=DIFFERENCE)
    assert plan.robustness["alpha_bound"] == pytest.approx(row["alpha"], rel=EXACT)
    assert plan.robustness["alpha_bound"] <= plan.robustness["alpha"]


def test_robust_at_the_printed_budget_of_beta(connected: tuple[Session, Candidate]) -> None:
    session, base = connected
    by_beta = answer(session, "robust", 0.1, None, base, (), 0.5).plan
    budget = by_beta.robustness["budget"]
    assert budget == pytest.approx(1.1 * base.plan.objective, rel=1e-12)
    by_budget = answer(session, "robust", None, budget, base, (), 0.5).plan
    assert by_budget.robustness["alpha"] == pytest.approx(by_beta.robustness["alpha"], rel=1e-3)
    assert open_lines(by_budget) == open_lines(by_beta)


@pytest.fixture(scope="module")
def islanded() -> Iterator[tuple[Session, Candidate]]:
    with Session(*loaded(hand("islanded")), None, None, None) as session:
        yield session, baseline(session)


def test_storage(islanded: tuple[Session, Candidate]) -> None:
    plan = islanded[1].plan
    assert plan.status == "optimal"
    assert (len(plan.dg), len(plan.ess)) == (1, 1)
    assert plan.model_objective == pytest.approx(ISLANDED["ens_mwh"], rel=EXACT)
    assert plan.objective == pytest.approx(ISLANDED["ens_mwh"], rel=AC)
    assert plan.dispatch is not None
    assert plan.dispatch.ess["p_charge_mw"].tolist() == pytest.approx([2.0, 0.0], abs=2e-2)
    assert plan.dispatch.ess["p_discharge_mw"].tolist() == pytest.approx([0.0, 1.2], abs=2e-2)
    assert plan.dispatch.ess["energy_mwh"].tolist() == pytest.approx([1.6, 0.0], abs=2e-2)


def test_without_storage() -> None:
    plan = ip.solve("feeder4", hand("islanded", {"ess.max_units": 0}))
    assert plan.model_objective == pytest.approx(ISLANDED["ens_without_storage_mwh"], rel=EXACT)
    assert plan.objective == pytest.approx(ISLANDED["ens_without_storage_mwh"], rel=AC)


def islanded_rows(sense: str) -> list[Any]:
    return [pytest.param(row, id=" and ".join(row["uncertain"])) for row in ISLANDED[sense]]


@pytest.mark.parametrize("row", islanded_rows("robust"))
def test_robust_islanded(row: dict[str, Any]) -> None:
    model = hand("islanded", uncertain(*row["uncertain"]))
    with Session(*loaded(model), None, None, None) as session:
        plan = asked(session, baseline(session), row, "robust")
    assert plan.robustness["alpha"] == pytest.approx(row["alpha"], rel=DIFFERENCE)
    assert plan.robustness["alpha_bound"] == pytest.approx(row["alpha"], rel=EXACT)


@pytest.mark.parametrize("row", islanded_rows("opportunity"))
def test_opportunity_islanded(islanded: tuple[Session, Candidate], row: dict[str, Any]) -> None:
    plan = asked(*islanded, row, "opportunity")
    assert plan.robustness["alpha"] == pytest.approx(row["alpha"], rel=DIFFERENCE)
    assert plan.robustness["alpha_bound"] == pytest.approx(row["alpha"], rel=EXACT)


def test_budgets_of_the_reference_are_those_of_its_betas() -> None:
    for row in ISLANDED["robust"]:
        assert row["budget_mwh"] == pytest.approx((1 + row["beta"]) * ISLANDED["ens_mwh"])
    for row in ISLANDED["opportunity"]:
        assert row["budget_mwh"] == pytest.approx((1 - row["beta"]) * ISLANDED["ens_mwh"])
