"""Networks without lines, substations that feed nobody but themselves, and no load at all: plans by hand, no traceback.

The network of one bus draws 0.5 MW and 0.2 Mvar in its first hour at 50 USD, half of that in its second at 30 USD.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hand import inline, uncertain

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.interchange.csv_folder import write_csv_folder
from igdt_planner.model import Model, load_model, override
from igdt_planner.report.results import report_plan
from igdt_planner.solver.parts import parts
from igdt_planner.solver.solve import compiled
from igdt_planner.study import resolve

BUS = {"id": 1, "vn_kv": 11.0, "p_mw": 0.5, "q_mvar": 0.2, "vm_min_pu": 0.9, "vm_max_pu": 1.1}
HOURS = [
    {"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 1.0, "price_per_mwh": 50.0},
    {"period": 2, "start_h": 1.0, "duration_h": 1.0, "load": 0.5, "price_per_mwh": 30.0},
]
ONE: dict[str, Any] = {
    "name": "one",
    "base_mva": 1.0,
    "buses": [BUS],
    "lines": [],
    "substations": [{"bus": 1, "vm_pu": 1.0}],
    "profile": HOURS,
}
TWO = ONE | {
    "name": "two",
    "buses": [BUS, BUS | {"id": 2, "p_mw": 1.0}],
    "substations": [{"bus": 1, "vm_pu": 1.0}, {"bus": 2, "vm_pu": 1.02}],
}
"""Two substations and no line: each feeds itself alone."""
NOTHING = ONE | {"name": "nothing", "buses": [BUS | {"p_mw": 0.0, "q_mvar": 0.0}]}

UNIT = {"name": "gas", "p_mw": 0.2, "q_max_mvar": 0.1, "generation_cost_per_mwh": 40.0}
AT_THE_SUBSTATION = {"dg": {"max_units": 1, "buses": [1], "technologies": [UNIT]}}
BUYING: dict[str, Any] = {
    "name": "buying",
    "unit": "USD",
    "modes": {"connected": {"weight": 1.0}},
    "objective": [{"term": name, "mode": "connected"} for name in ("energy_cost", "generation_cost")],
    "solver": {"gap": 1e-4, "time_limit_s": 10.0},
}
SERVING = (
    BUYING
    | AT_THE_SUBSTATION
    | {
        "unit": "MWh",
        "modes": {"islanded": {"weight": 1.0}},
        "objective": [{"term": "ens", "mode": "islanded"}],
    }
)
LOSING = BUYING | {"unit": "MWh", "objective": [{"term": "losses", "mode": "connected"}]}


def aside() -> dict[str, Any]:
    """feeder4 and a second substation, of 1 MW and 0.3 Mvar at the peak, that no line joins to anything."""
    case = inline()
    case["buses"].append(case["buses"][0] | {"id": 5, "p_mw": 1.0, "q_mvar": 0.3})
    case["substations"].append({"bus": 5, "vm_pu": 1.0})
    return case


def asked(kind: str, case: dict[str, Any], model: dict[str, Any], **study: Any) -> dict[str, Any]:
    """The answer of the contract, which must be JSON."""
    request = {"schema": "igdt-planner/1", "case": {"inline": case}, "model": {"inline": model}}
    answer = ip.run(request | {"study": {"kind": kind, **study}})
    return json.loads(json.dumps(answer, allow_nan=False))  # type: ignore[no-any-return]


def require_optimal(plan: ip.Plan, objective: float) -> None:
    assert plan.status == "optimal"
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert plan.objective == pytest.approx(objective, abs=1e-9)


@pytest.mark.parametrize(
    ("losses", "topology"),
    [("none", "fixed"), ("objective", "static"), ("balance", "fixed"), ("balance", "dynamic")],
)
def test_one_bus_pays_for_what_it_draws(losses: str, topology: str) -> None:
    model = BUYING | {"losses": losses, "modes": {"connected": {"weight": 1.0, "topology": topology}}}
    plan = ip.solve(ONE, model)
    require_optimal(plan, 0.5 * 50.0 + 0.25 * 30.0)
    assert plan.bound == pytest.approx(32.5, rel=1e-6)
    assert plan.open_lines == {"connected": {1: (), 2: ()}}


def test_one_bus_by_contract() -> None:
    answer = asked("solve", ONE, BUYING)
    assert answer["status"] == "optimal" and answer["error"] is None
    assert answer["runs"][0]["objective"] == pytest.approx(32.5)


def test_one_bus_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder, whose table of lines has a header alone, to tables and pictures."""
    write_csv_folder(ip.case_to_dict(ip.load_case(ONE)), tmp_path / "case", "# by hand\n")
    model = tmp_path / "model.toml"
    model.write_text(
        'name = "m"\nunit = "USD"\nobjective = [{ term = "energy_cost", mode = "connected" }]\n'
        '[modes.connected]\nweight = 1.0\ntopology = "fixed"\n',
        encoding="utf-8",
    )
    command = ["igdt-planner", "solve", str(tmp_path / "case"), str(model), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "32.5000 USD" in capsys.readouterr().out
    assert list((tmp_path / "out").glob("*.png"))


def test_unit_at_the_only_bus() -> None:
    """In the first hour 0.2 MW at 40 USD take the place of power at 50 USD; in the second power costs 30 USD."""
    require_optimal(ip.solve(ONE, BUYING | AT_THE_SUBSTATION), 0.3 * 50.0 + 0.2 * 40.0 + 0.25 * 30.0)


@pytest.mark.parametrize("islanded", [{}, {"topology": "dynamic"}, {"radial": False}], ids=["tree", "dynamic", "loops"])
def test_island_of_one_bus(islanded: dict[str, Any]) -> None:
    """0.2 of 0.5 MW and 0.2 of 0.25 MW are served: reactive power of 0.08 Mvar is within 0.1."""
    require_optimal(ip.solve(ONE, SERVING | {"modes": {"islanded": {"weight": 1.0, **islanded}}}), 0.35)


def test_robust_island_of_one_bus() -> None:
    """Of 0.75 (1 + alpha) MWh asked for 0.4 are served, so 1.1 times 0.35 MWh lets alpha be 0.035 / 0.75."""
    plan = ip.robust(ONE, SERVING | uncertain("load"), 0.1)
    require_optimal(plan, 1.1 * 0.35)
    assert plan.robustness["alpha"] == pytest.approx(0.035 / 0.75, rel=1e-6)


def test_question_about_one_bus_is_answered_and_drawn(tmp_path: Path) -> None:
    """All of the cost is proportional to the load, so alpha is beta."""
    plan = ip.robust(ONE, BUYING | uncertain("load"), 0.1)
    assert plan.robustness["alpha"] == pytest.approx(0.1, rel=1e-6)
    assert plan.robustness["alpha_bound"] == pytest.approx(0.1, rel=1e-6)
    assert any(path.suffix == ".png" for path in report_plan(plan, tmp_path))
    again = ip.check(ip.load_plan(ip.save_plan(plan, tmp_path / "plan.json")))
    assert again.ac is not None and again.ac.verdict == "feasible"


@pytest.mark.slow
def test_plan_of_one_bus_is_tried() -> None:
    plan = ip.robust(ONE, BUYING | uncertain("load"), 0.1)
    assert ip.evidence(plan, samples=20).holds
    assert ip.robustness(plan, [0.2]).table["alpha"].tolist() == pytest.approx([0.2], rel=1e-3)
    assert ip.drivers(plan).quantities["alpha_alone"].tolist() == pytest.approx([0.1], rel=1e-3)
    lucky = ip.opportunity(ONE, BUYING | uncertain("load"), 0.1)
    assert lucky.robustness["alpha"] == pytest.approx(0.1, rel=1e-6)


@pytest.mark.slow
def test_curve_and_front_of_one_bus_by_contract() -> None:
    curve = asked("sweep", ONE, BUYING | uncertain("load"), betas=[0.1, 0.2])
    assert [run["alpha"] for run in curve["runs"]] == pytest.approx([0.1, 0.2], rel=1e-6)
    front = asked("pareto", ONE, LOSING, objectives=["losses", "energy_cost"], points=2)
    assert front["error"] is None and front["runs"][0]["objective"] == 0.0


@pytest.mark.parametrize("study", [{"kind": "search"}, {"kind": "pareto", "objectives": ["losses", "switching"]}])
def test_search_of_one_bus_is_refused_in_words(study: dict[str, Any]) -> None:
    method = {"method": "hybrid"} if study["kind"] == "pareto" else {}
    answer = asked(case=ONE, model=LOSING, **study, **method)
    assert "no radial topology to search" in answer["error"]["message"]


def test_limit_on_operations_where_there_are_none() -> None:
    limited = {"modes": {"connected": {"weight": 1.0, "topology": "dynamic", "max_switching_operations": 1}}}
    require_optimal(ip.solve(ONE, LOSING | limited), 0.0)


def test_substations_that_no_line_joins() -> None:
    """1.5 MW at 50 USD and 0.75 MW at 30 USD; each holds its own voltage."""
    plan = ip.solve(TWO, BUYING)
    require_optimal(plan, 1.5 * 50.0 + 0.75 * 30.0)
    assert plan.ac is not None
    assert plan.ac.buses.groupby("bus")["vm_pu"].first().tolist() == pytest.approx([1.0, 1.02])


def model_of_losses() -> Model:
    return override(load_model(LOSING), {"periods": "peak"})


def test_substation_aside_changes_nothing_elsewhere() -> None:
    """Neither the best topology of feeder4 nor its proof: a part of the problem without decisions is no end of it."""
    alone, beside = ip.solve("feeder4", model_of_losses()), ip.solve(aside(), model_of_losses())
    assert beside.open_lines == alone.open_lines == {"connected": {2: (3,)}}
    require_optimal(beside, alone.objective or 0.0)
    assert beside.gap is not None and beside.gap <= 1e-4


def test_substation_aside_pays_for_what_it_draws() -> None:
    case = aside()
    case["profile"] = [row | {"price_per_mwh": price} for row, price in zip(case["profile"], (50.0, 30.0), strict=True)]
    without = case | {"buses": case["buses"][:-1], "substations": case["substations"][:-1]}
    plan, rest = ip.solve(case, BUYING), ip.solve(without, BUYING)
    require_optimal(plan, (rest.objective or 0.0) + 0.5 * 50.0 + 1.0 * 30.0)


def test_substation_aside_is_searched_like_any_network() -> None:
    assert ip.search(aside(), model_of_losses(), evaluations=100).open_lines == {"connected": {2: (3,)}}


@pytest.mark.parametrize("model", [BUYING, LOSING, SERVING], ids=["money", "losses", "island"])
def test_without_load_nothing_is_spent(model: dict[str, Any]) -> None:
    require_optimal(ip.solve(NOTHING, model), 0.0)


def test_lines_that_carry_nothing_keep_their_cones() -> None:
    """Flows of 0 and the current of a line are joined by its cone alone; the site tree keeps them in one part."""
    case = inline() | {"profile": HOURS[:1]}
    case["buses"] = [bus | {"p_mw": 0.0, "q_mvar": 0.0} for bus in case["buses"]]
    problem = compiled(resolve(ip.load_case(case), load_model(BUYING | {"losses": "objective"}))).problem
    (part,) = [part for part, _ in parts(problem, problem.sites) if len(part.cones.i_sq)]
    assert len(part.cones.i_sq) == 6 and part.cones.p_flow.min() >= 0
    require_optimal(ip.solve(case, BUYING | {"losses": "objective"}), 0.0)


def test_without_load_a_load_cannot_deviate() -> None:
    answer = asked("robust", NOTHING, BUYING | uncertain("load"), beta=0.1)
    assert [field["path"] for field in answer["error"]["fields"]] == ["/model/uncertain/0/quantity"]
