"""Information gap: what must hold for every answer, without an oracle, and which questions are refused."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand import hand, inline, uncertain

import igdt_planner as ip
from igdt_planner.baseline import baseline
from igdt_planner.infogap.proof import tightened
from igdt_planner.infogap.question import Question, answer
from igdt_planner.infogap.unbroken import attacked
from igdt_planner.infogap.worst_case import ambiguity, corner, question_of
from igdt_planner.model import override
from igdt_planner.plan import Plan
from igdt_planner.session import Candidate, Session

BETAS = [0.0, 0.1, 0.4, 1.0]


def stated(plan: Plan) -> dict[str, Any]:
    """The setting that fixes a model to a plan's sites and topology."""
    lines = {mode: next(iter(by_period.values())) for mode, by_period in plan.open_lines.items()}
    return {
        "fix.dg": plan.dg[["bus", "technology"]].to_dict("records"),
        "fix.ess": plan.ess[["bus", "technology"]].to_dict("records"),
        "fix.open_lines": {mode: list(open_) for mode, open_ in lines.items()},
    }


@pytest.fixture(scope="module", params=["connected", "islanded"])
def curve(request: pytest.FixtureRequest) -> ip.Curve:
    return ip.sweep("feeder4", hand(request.param), [0.4, 0.0, 1.0, 0.1])


def test_curve_is_sorted_and_starts_at_nothing(curve: ip.Curve) -> None:
    table = curve.table
    assert table["beta"].tolist() == BETAS
    assert table["alpha"].iloc[0] == pytest.approx(0.0, abs=1e-3)
    assert curve.baseline.kind == "solve"


def test_alpha_does_not_fall_with_beta(curve: ip.Curve) -> None:
    table = curve.table
    assert (table["alpha"] >= 0).all()
    assert table["alpha"].is_monotonic_increasing
    assert table["alpha_bound"].is_monotonic_increasing
    assert (table["alpha_bound"] >= table["alpha"]).all()


def test_every_plan_keeps_its_budget(curve: ip.Curve) -> None:
    base = curve.baseline.objective
    assert base is not None
    for beta, plan in zip(BETAS, curve.plans, strict=True):
        fields = plan.robustness
        assert fields["beta"] == beta
        assert fields["base_objective"] == base
        assert fields["base_bound"] == curve.baseline.bound
        assert fields["budget"] == pytest.approx((1 + beta) * base, rel=1e-12)
        assert plan.objective is not None and plan.objective <= fields["budget"] * (1 + 1e-9)
        assert plan.objective >= 0.995 * fields["budget"]
        assert plan.ac is not None and plan.ac.verdict == "feasible"
        assert fields["objective_forecast"] <= plan.objective + 1e-9


def test_the_worst_case_is_the_corner_and_no_attack_breaks_it(curve: ip.Curve) -> None:
    for plan in curve.plans:
        assert plan.dispatch is not None and plan.dispatch_forecast is not None
        assert plan.dispatch.realisation.dg_availability == pytest.approx(1 - plan.robustness["alpha"])
        assert plan.dispatch.realisation.load == 1
        assert plan.dispatch_forecast.realisation.dg_availability == 1
        worst = plan.robustness["worst_case"]
        assert "DG down" in worst["corner"] and "justified" in worst["corner"]
        if plan.robustness["alpha"] > 0:  # a radius of 0 leaves nothing to attack
            assert worst["vertices_attacked"] >= 30
            assert worst["costliest_attack"] <= plan.robustness["budget"] * (1 + 1e-6)
        assert worst["broken"] is False
        assert plan.warnings == ()


def test_storage_does_not_use_what_lies_in_the_future(curve: ip.Curve) -> None:
    for plan in curve.plans[1:]:
        assert plan.dispatch is not None and plan.dispatch_forecast is not None
        schedule = ["p_charge_mw", "p_discharge_mw", "energy_mwh"]
        difference = plan.dispatch.ess[schedule] - plan.dispatch_forecast.ess[schedule]
        assert difference.abs().to_numpy().max(initial=0.0) < 1e-6


def test_gap_of_alpha(curve: ip.Curve) -> None:
    assert curve.plans[0].gap is None
    for plan in curve.plans[1:]:
        assert plan.gap is not None and plan.gap <= 1e-3
        assert plan.status == "optimal"
        assert plan.bound == plan.robustness["alpha_bound"]


@pytest.mark.slow
def test_plan_of_one_beta_holds_at_every_larger_one() -> None:
    """Fixed by ``fix``, the plan reaches at least its alpha there, and never more than the plan chosen anew."""
    model = hand("connected")
    with Session(ip.load_case("feeder4"), model, None, None, None) as session:
        base = baseline(session)
        plan, anew = (answer(session, "robust", beta, None, base, (), 0.5).plan for beta in (0.2, 1.0))
    with Session(ip.load_case("feeder4"), override(model, stated(plan)), None, None, None) as session:
        own = baseline(session)
        assert own.plan.objective == pytest.approx(base.plan.objective, rel=1e-6)
        again, larger = (answer(session, "robust", beta, None, own, (), 0.5).plan for beta in (0.2, 1.0))
    assert again.robustness["alpha"] == pytest.approx(plan.robustness["alpha"], rel=1e-3)
    assert again.robustness["alpha"] < larger.robustness["alpha"] < anew.robustness["alpha"]


def test_floor_is_what_the_proven_bound_would_buy() -> None:
    plan = ip.robust("feeder4", hand("connected", {"losses": "balance", "solver.gap": 0.02}), 0.2)
    fields = plan.robustness
    assert plan.bound_of == "ac"
    assert 0.0 < fields["alpha_floor"] <= fields["alpha"] <= fields["alpha_bound"]


@pytest.mark.slow
@pytest.mark.parametrize("sense", ["robust", "opportunity"])
def test_weight_scales_alpha(sense: str) -> None:
    """A quantity that deviates twice as much per unit of alpha reaches the budget at half of it."""
    ask: Callable[..., Plan] = getattr(ip, sense)
    once, twice = (
        ask("feeder4", hand("islanded", uncertain("load", weight=weight)), 0.2).robustness["alpha"]
        for weight in (1.0, 2.0)
    )
    assert twice == pytest.approx(once / 2, rel=1e-3)


UNBOUNDED = {
    "no DG to be uncertain": {"dg.max_units": 0},
    "less load is no harm": uncertain("load", direction="down"),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_nothing_uncertain_binds(name: str) -> None:
    plan = ip.robust("feeder4", hand("connected", UNBOUNDED[name]), 0.1)
    assert plan.status == "optimal"
    assert plan.robustness["alpha_limit"] == "unbounded"
    assert plan.robustness["alpha"] is None
    assert plan.robustness["alpha_bound"] is None
    assert plan.ac is not None and plan.ac.verdict == "feasible"


@pytest.mark.parametrize(("quantity", "limit"), [("dg_availability", 1.0), ("load", 0.5)])
def test_physical_limit(quantity: str, limit: float) -> None:
    """More than everything can never be lost: DG falls to 0, load rises to ``physical_max`` times the forecast."""
    plan = ip.robust("feeder4", hand("islanded", uncertain(quantity)), budget=100.0)
    assert plan.status == "optimal"
    assert plan.robustness["alpha_limit"] == "physical"
    assert plan.robustness["alpha"] == plan.robustness["alpha_bound"] == limit


@pytest.mark.parametrize(("sense", "name", "budget"), [("robust", "islanded", 1.0), ("opportunity", "connected", 1e-4)])
def test_budget_out_of_reach_is_a_result(sense: str, name: str, budget: float) -> None:
    plan = getattr(ip, sense)("feeder4", hand(name), budget=budget)
    assert plan.status == "infeasible"
    assert plan.robustness["alpha"] is None
    assert "infeasible" in plan.explanation and "budget" in plan.explanation


def test_time_limit_still_gives_the_baseline_at_alpha_0_or_better() -> None:
    with Session(ip.load_case("feeder4"), hand("connected"), None, None, None) as session:
        base = baseline(session)
        session.time_limit_s = 0.01
        plan = answer(session, "robust", 0.2, None, base, (), 0.5).plan
    assert plan.status in ("feasible", "optimal")
    assert plan.robustness["alpha"] >= 0.0
    assert plan.ac is not None and plan.ac.verdict == "feasible"


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[Session, Candidate]]:
    with Session(ip.load_case("feeder4"), hand("islanded"), None, None, None) as session:
        yield session, answer(session, "robust", 0.1, None, baseline(session), (), 0.5)


def test_adversary_can_break_what_is_not_robust(asked: tuple[Session, Candidate]) -> None:
    """An alpha far beyond the one found must not survive the attack."""
    session, found = asked
    fields = found.plan.robustness
    assert found.decisions is not None
    known = ambiguity(session.study, "robust")
    question = question_of(session.study, known, "robust", fields["budget"])
    run = session.dispatch(found.decisions, session.study.realise(corner(known, fields["alpha"])))
    assert run is not None
    against = Question(session, question, known, 0.1, found)
    inside, outside = (
        attacked(against, (found.decisions, alpha, run, "redispatch")) for alpha in (fields["alpha"], 0.5)
    )
    assert inside is not None and not against.breaks(inside)
    assert outside is not None and against.breaks(outside)
    assert outside.cost > fields["budget"]


NEGATIVE_PRICE = inline()
NEGATIVE_PRICE["profile"][1]["price_per_mwh"] = -5.0

BOUGHT = {"unit": "money", "objective": [{"term": "energy_cost", "mode": "connected"}]}
REFUSED: dict[str, tuple[Any, Any, str, str]] = {
    "price beside must-take DG": (
        NEGATIVE_PRICE,
        hand("connected", BOUGHT | {"dg.technologies.0.must_take": True} | uncertain("dg_availability", "price")),
        "/model/dg/technologies",
        "dg_5mw",
    ),
    "negative price": (
        NEGATIVE_PRICE,
        hand("connected", BOUGHT | uncertain("load", "price")),
        "/case/profile",
        "period 2 has -5",
    ),
    "nothing uncertain": ("feeder4", hand("switching"), "/model/uncertain", "no uncertain quantity"),
    "no weight": ("feeder4", hand("islanded", uncertain("load", weight=0.0)), "/model/uncertain/0/weight", "are 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_opportunity_without_a_corner_is_refused(name: str) -> None:
    case, model, path, word = REFUSED[name]
    with pytest.raises(ip.InputError) as caught:
        ip.opportunity(case, model, 0.1)
    assert caught.value.findings[0].path == path
    assert word in caught.value.findings[0].message


BAD_QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "either beta or a budget"),
    "both": ({"beta": 0.1, "budget": 2.0}, "either beta or a budget"),
    "negative": ({"beta": -0.1}, "beta -0.1 must be a number of 0 or more"),
    "not a number": ({"beta": math.nan}, "beta nan must be a number of 0 or more"),
    "infinite": ({"beta": math.inf}, "beta inf must be a number of 0 or more"),
    "budget of nothing": ({"budget": 0.0}, "budget 0 must be positive"),
    "infinite budget": ({"budget": math.inf}, "budget inf must be positive"),
}


@pytest.mark.parametrize("name", BAD_QUESTIONS)
@pytest.mark.parametrize("sense", ["robust", "opportunity"])
def test_bad_question(name: str, sense: str) -> None:
    question, message = BAD_QUESTIONS[name]
    with pytest.raises(ip.InputError, match=message):
        getattr(ip, sense)("feeder4", hand("islanded"), **question)


def test_opportunity_for_nothing_is_refused() -> None:
    with pytest.raises(ip.InputError, match="beta 1 leaves no positive cost"):
        ip.opportunity("feeder4", hand("islanded"), 1.0)


def test_grid_names_every_fault() -> None:
    with pytest.raises(ip.InputError) as caught:
        ip.sweep("feeder4", hand("islanded"), [0.1, -1.0, 0.1, math.nan])
    assert [fault.path for fault in caught.value.findings] == ["/study/betas/1", "/study/betas/2", "/study/betas/3"]
    assert "stands twice" in caught.value.findings[1].message
    with pytest.raises(ip.InputError, match="betas is empty"):
        ip.sweep("feeder4", hand("islanded"), [])


def test_grid_of_numpy_numbers(tmp_path: Path) -> None:
    curve = ip.sweep("feeder4", hand("islanded"), np.arange(2))
    again = ip.load_curve(curve.save(tmp_path / "curve.json"))
    assert isinstance(again, ip.Curve) and again.table["beta"].tolist() == [0.0, 1.0]
    for beta in (True, np.True_, "0.1", None):
        with pytest.raises(ip.InputError, match="is no number"):
            ip.sweep("feeder4", hand("islanded"), [beta])  # type: ignore[list-item]


PLENTY = {"dg.technologies.0.p_mw": 20.0, "dg.technologies.0.q_max_mvar": 10.0}


def test_relative_budget_of_a_baseline_that_costs_nothing_is_refused() -> None:
    with pytest.raises(ip.InputError, match="baseline objective is 0") as caught:
        ip.robust("feeder4", hand("islanded", PLENTY), 0.1)
    assert caught.value.findings[0].path == "/study/beta"


def test_absolute_budget_needs_no_baseline_that_costs() -> None:
    """20 MW for 10 MW: 1 MWh is lost in the second hour when 9 MW are left, alpha 0.55."""
    plan = ip.robust("feeder4", hand("islanded", PLENTY | {"ess.max_units": 0}), budget=1.0)
    assert plan.robustness["alpha"] == pytest.approx(0.55, rel=0.01)


def renumbered() -> dict[str, Any]:
    case = inline()
    for bus in case["buses"]:
        bus["id"] = 10 * bus["id"] + 7
    for line in case["lines"]:
        line["from_bus"], line["to_bus"] = 10 * line["to_bus"] + 7, 10 * line["from_bus"] + 7
    for substation in case["substations"]:
        substation["bus"] = 10 * substation["bus"] + 7
    return case | {"buses": case["buses"][::-1], "lines": case["lines"][::-1]}


@pytest.mark.parametrize(
    ("changed", "dg_bus"),
    [(renumbered(), 37), (inline() | {"base_mva": 0.7}, 3)],
    ids=["buses renumbered, lines turned", "another power base"],
)
@pytest.mark.slow
def test_names_and_bases_do_not_matter(changed: dict[str, Any], dg_bus: int) -> None:
    original, same = (ip.robust(case, hand("connected"), budget=0.002875) for case in ("feeder4", changed))
    assert same.dg["bus"].tolist() == [dg_bus]
    assert same.open_lines == original.open_lines
    for name in ("alpha", "alpha_bound", "base_objective", "objective_forecast"):
        assert same.robustness[name] == pytest.approx(original.robustness[name], rel=2e-4)


def in_money(scale: float) -> tuple[dict[str, Any], ip.Model]:
    """feeder4 with energy at 50 and 80 a MWh, own generation at 30 and a DG to pay for, in another currency."""
    case = inline()
    for period, price in zip(case["profile"], (50.0, 80.0), strict=True):
        period["price_per_mwh"] = price * scale
    settings = {
        "unit": "money",
        "losses": "balance",
        "objective": [{"term": "investment_cost"}]
        + [{"term": term, "mode": "connected"} for term in ("energy_cost", "generation_cost")],
        "dg.technologies.0.investment_cost": 1000.0 * scale,
        "dg.technologies.0.lifetime_years": 10.0,
        "dg.technologies.0.generation_cost_per_mwh": 30.0 * scale,
    }
    return case, hand("connected", settings)


@pytest.mark.slow
def test_currency_does_not_matter() -> None:
    ours, theirs = (ip.robust(*in_money(scale), 0.1) for scale in (1.0, 150.0))
    assert ours.dg["bus"].tolist() == theirs.dg["bus"].tolist() == [3]
    assert ours.open_lines == theirs.open_lines
    assert theirs.robustness["alpha"] == pytest.approx(ours.robustness["alpha"], rel=2e-4)
    assert theirs.robustness["base_objective"] == pytest.approx(150 * ours.robustness["base_objective"], rel=1e-6)
    assert theirs.objective == pytest.approx(150 * (ours.objective or 0.0), rel=1e-5)


def test_bound_of_a_curve_falls_to_that_of_a_larger_budget() -> None:
    """No plan survives more at a smaller budget: the bound 0.3 at the larger one holds for the smaller one too."""
    plan = ip.robust("feeder4", hand("islanded"), 0.1)
    asked = [
        dataclasses.replace(plan, bound=bound, gap=bound / alpha - 1.0, robustness=plan.robustness | facts)
        for alpha, bound in ((0.2, 0.5), (0.25, 0.3), (0.4, 0.6))
        for facts in ({"alpha": alpha, "alpha_bound": bound},)
    ]
    first, second, third = tightened(asked, 0.6)
    assert [one.bound for one in (first, second, third)] == [0.3, 0.3, 0.6]
    assert [one.robustness["alpha_bound"] for one in (first, second, third)] == [0.3, 0.3, 0.6]
    assert first.gap == pytest.approx(0.5) and first.status == "optimal"
    assert second.gap == pytest.approx(0.2) and third.gap == pytest.approx(0.5)
