"""Fronts: dominance and volumes by hand, the epsilon-constraint method against all topologies, and what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand import with_cells
from hypothesis import given, settings
from hypothesis import strategies as st

import igdt_planner as ip
from igdt_planner.dominance import crowding, dominated, hypervolume
from igdt_planner.epsilon import trace
from igdt_planner.model import load_model, override
from igdt_planner.report.figures import front_figure
from igdt_planner.report.text import comparison, front_summary
from igdt_planner.results.front import front_from_dict
from igdt_planner.search import radial_topologies
from igdt_planner.search.fronts import FRONTS, search_front
from igdt_planner.search.problem import problem_of
from igdt_planner.search.radial_flow import radial_power_flow
from igdt_planner.study import resolve

RECONFIGURATION = load_model("reconfiguration")
NAMES = ["losses", "switching"]


# Dominance


def test_dominated_by_hand() -> None:
    points = np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])
    assert dominated(points, points).tolist() == [False, False, True, False]


def test_hypervolume_by_hand() -> None:
    """Two rectangles that overlap: 2 x 1 + 1 x 2 - 1 x 1; and a box with a corner cut out."""
    assert hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0])) == pytest.approx(3.0)
    assert hypervolume(np.array([[0.0, 0.0, 0.0], [0.5, 0.5, -1.0]]), np.ones(3)) == pytest.approx(1.25)
    assert hypervolume(np.array([[3.0, 0.0]]), np.array([3.0, 3.0])) == 0.0


def test_crowding_by_hand() -> None:
    spread = crowding(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]]))
    assert spread.tolist() == [np.inf, 2.0, np.inf]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=6))
def test_hypervolume_counts_unit_cubes(points: list[tuple[int, int, int]]) -> None:
    array = np.array(points, dtype=float)
    cubes = itertools.product(range(5), repeat=3)
    filled = sum(any(all(p <= c for p, c in zip(point, cube, strict=True)) for point in points) for cube in cubes)
    assert hypervolume(array, np.full(3, 5.0)) == pytest.approx(filled)


def test_hypervolume_against_pymoo() -> None:
    indicators = pytest.importorskip("pymoo.indicators.hv")
    points = np.random.default_rng(0).uniform(size=(20, 3))
    assert hypervolume(points, np.ones(3)) == pytest.approx(indicators.HV(ref_point=np.ones(3))(points))


def test_limits_whose_answer_is_known_are_not_solved() -> None:
    """Plans (1, 4), (2, 2), (4, 1) under limits 4, 3.25, 2.5, 1.75, 1: a solve each at 4, 3.25 and 1.75."""
    plans, asked = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0]]), []

    def solve(limits: Any) -> Any:
        asked.append(float(limits[0]))
        within = plans[plans[:, 1] <= limits[0]]
        return within[within[:, 0].argmin()]

    trace(plans[[0, 2]], 5, solve)
    assert asked == [4.0, 3.25, 1.75]


# Fronts


@pytest.fixture(scope="module")
def true_front() -> Any:
    """Losses and operations of every topology of ieee16 that no other dominates: from none to the best network."""
    network = (problem := problem_of(resolve(ip.load_case("ieee16"), RECONFIGURATION))).network
    every = radial_topologies(network)
    flow = radial_power_flow(network, every, problem.loads)
    points = np.stack([flow.loss_mw[:, 0], (every != network.closed).sum(axis=1)], axis=1)
    points = points[flow.converged[:, 0]]
    kept = points[~dominated(points, points)]
    return kept[np.argsort(kept[:, 0])]


@pytest.fixture(scope="module")
def proven() -> ip.Front:
    return ip.pareto("ieee16", RECONFIGURATION, NAMES, points=9, time_limit_s=10.0)


def test_proven_points_lie_on_the_front_of_all_topologies(proven: ip.Front, true_front: Any) -> None:
    """The grid of nine limits steps over none of them, and every bound holds."""
    assert len(true_front) >= 3
    assert proven.points == pytest.approx(true_front, rel=1e-5)
    for plan, point in zip(proven.plans, proven.points, strict=True):
        better = true_front[true_front[:, 1] <= point[1] * (1.0 + 1e-9)]
        assert plan.bound is not None and plan.bound <= better[:, 0].min() * (1.0 + 1e-9)
        assert plan.gap is not None and plan.gap < 0.05
        assert plan.ac is not None and plan.ac.verdict == "feasible"


def test_front_is_saved_shown_and_drawn(proven: ip.Front) -> None:
    again = front_from_dict(json.loads(json.dumps(proven.to_dict())))
    assert again.to_dict() == proven.to_dict()
    assert "switching, operations" in front_summary(proven)
    assert len(front_figure([proven, again]).axes) == 1
    table = ip.compare_fronts([proven, again])
    assert table["hypervolume"].nunique() == 1 and (table["dominated"] == 0).all()
    assert "hypervolume" in comparison(table)


@pytest.mark.parametrize("method", FRONTS)
def test_search_finds_the_front_of_all_topologies(method: str, true_front: Any) -> None:
    both = [{"term": name, "mode": "connected"} for name in NAMES]
    model = override(RECONFIGURATION, {"objective": both, "unit": "u"})
    problem = problem_of(resolve(ip.load_case("ieee16"), model))
    found, used = search_front(problem, np.eye(2), method, 9, 400, seed=1)
    assert 0 < used <= 400
    points = np.array([one.values for one in found])
    reference = true_front.max(axis=0) * 1.05
    assert hypervolume(points, reference) >= 0.95 * hypervolume(true_front, reference)
    again, _ = search_front(problem, np.eye(2), method, 9, 400, seed=1)
    assert [one.choice.key for one in again] == [one.choice.key for one in found]


def test_plans_of_a_search_front_are_judged_like_any_plan() -> None:
    model = override(
        RECONFIGURATION,
        {"dg.max_units": 1, "dg.technologies": [{"name": "gas", "p_mw": 2.0, "generation_cost_per_mwh": 80.0}]},
    )
    case = with_cells("ieee16", "profile", price_per_mwh=60.0, emissions_t_per_mwh=0.4)
    front = ip.pareto(case, model, ["cost", "emissions", "losses"], method="hybrid", points=2, evaluations=300)
    assert front.plans and front.units == ("money", "tCO2", "MWh")
    for plan, point in zip(front.plans, front.points, strict=True):
        again = ip.check(plan)
        assert again.ac is not None and again.ac.verdict == "feasible"
        assert point[0] == pytest.approx(sum(term.value for term in again.ac.terms if term.unit == "money"))
    assert not dominated(front.points, front.points).any()


@pytest.mark.slow
def test_front_over_both_modes_by_milp() -> None:
    """Where the search has no say, the MILP finds the range itself."""
    from hand import hand

    front = ip.pareto("feeder4", hand("islanded"), ["ens", "losses"], points=3, time_limit_s=20.0)
    assert front.method == "milp" and len(front.plans) >= 1
    assert all(plan.ac is not None and plan.ac.verdict == "feasible" for plan in front.plans)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"objectives": ["loses", "emissions"]}, "no objective 'loses'.*did you mean losses"),
    "one": ({"objectives": ["losses"]}, "at least two"),
    "twice": ({"objectives": ["losses", "losses"]}, "stands twice"),
    "method": ({"objectives": NAMES, "method": "nsga"}, "no method 'nsga'"),
    "points": ({"objectives": NAMES, "points": 1}, "points 1"),
    "evaluations": ({"objectives": NAMES, "evaluations": 0}, "evaluations 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_front(name: str) -> None:
    options, message = BAD[name]
    with pytest.raises(ip.InputError, match=message):
        ip.pareto("ieee33", "reconfiguration", **options)


def test_fronts_of_different_objectives_are_not_compared(proven: ip.Front) -> None:
    other = ip.Front(("losses", "emissions"), "milp", ())
    with pytest.raises(ip.InputError, match="same objectives"):
        ip.compare_fronts([proven, other])


def test_command_writes_fronts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from igdt_planner.cli import app

    arguments = ["pareto", "feeder4", "reconfiguration", "--objectives", "losses,switching", "--method", "milp,mtta"]
    app([*arguments, "--points", "3", "--evaluations", "200", "--out", str(tmp_path)], standalone_mode=False)
    assert "hypervolume" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"fronts.csv", "fronts.png"} | {f"front_{m}.{e}" for m in ("milp", "mtta") for e in ("csv", "json")}


# Limits on terms


def with_limit(**limit: Any) -> ip.Model:
    return override(RECONFIGURATION, {"limits": [limit]})


def test_limit_on_a_term_is_kept_and_proven() -> None:
    """Of all topologies with at most 2 operations (one exchange) this one loses least, by enumeration."""
    plan = ip.solve("ieee16", with_limit(term="switching", at_most=2))
    problem = problem_of(resolve(ip.load_case("ieee16"), RECONFIGURATION))
    every = radial_topologies(problem.network)
    near = every[(every != problem.network.closed).sum(axis=1) <= 2]
    flow = radial_power_flow(problem.network, near, problem.loads)
    assert plan.objective == pytest.approx(float(np.nanmin(flow.loss_mw)), rel=1e-5)
    assert plan.status == "optimal"


def test_limit_that_cannot_be_kept_is_named() -> None:
    plan = ip.solve("ieee16", with_limit(term="losses", at_most=0.3))
    assert plan.status == "infeasible"
    assert "without the limits on terms" in plan.explanation and "losses 0.466" in plan.explanation


def test_ac_check_holds_a_plan_to_its_limits() -> None:
    plan = ip.solve("ieee16", RECONFIGURATION)
    document = ip.plan_to_dict(plan)
    document["model"]["limits"] = [{"term": "losses", "mode": "connected", "at_most": 0.4}]
    verdict = ip.check(ip.plan_from_dict(document)).ac
    assert verdict is not None and verdict.verdict == "violated"
    assert [fault.kind for fault in verdict.violations] == ["term_limit"]
    assert "above the limit of 0.4 MWh" in verdict.violations[0].message


BAD_LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "mode": ({"term": "losses", "mode": "islanded", "at_most": 1.0}, "names mode islanded"),
    "investment": ({"term": "investment_cost", "mode": "connected", "at_most": 1.0}, "has no such term"),
}


@pytest.mark.parametrize("name", BAD_LIMITS)
def test_bad_limit(name: str) -> None:
    limit, message = BAD_LIMITS[name]
    with pytest.raises(ip.InputError, match=message):
        ip.solve("ieee16", with_limit(**limit))


def test_search_keeps_limits_on_terms() -> None:
    """Least losses of all 50,751 topologies with at most 1.06 pu, by enumeration: 144.578 kW."""
    plan = ip.search("ieee33", with_limit(term="voltage_deviation", at_most=1.06), evaluations=200)
    assert plan.objective == pytest.approx(0.1445781, rel=1e-5)


def test_front_by_the_json_contract() -> None:
    request: dict[str, Any] = {
        "schema": "igdt-planner/1",
        "case": {"name": "feeder4"},
        "model": {"name": "reconfiguration"},
        "study": {"kind": "pareto", "objectives": ["losses", "switching"], "method": "hybrid", "evaluations": 200},
    }
    response = ip.run(request)
    assert response["error"] is None and len(response["runs"]) == 2
    assert {run["kind"] for run in response["runs"]} == {"search"}
    request["study"]["objectives"] = ["losses", "swithing"]
    error = ip.run(request)["error"]
    assert error["code"] == "bad_input" and error["fields"][0]["path"] == "/study/objectives/1"
