"""The conic relaxation against paper, against tangents and against plans; what is closed or called infeasible."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand import hand
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from igdt_planner.case import load_case
from igdt_planner.model import Model, load_model
from igdt_planner.solver import part_bound
from igdt_planner.solver.conic import FIXED, Multipliers, cone_rows, decided, lagrangian, least, limited, relaxed
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import solve
from igdt_planner.solver.part_bound import Leaf, PartBound, Zones
from igdt_planner.solver.problem import Array, Cones, Problem, Rows, hold, no_rows
from igdt_planner.solver.refine import refine, relax
from igdt_planner.solver.solve import Compiled, compiled
from igdt_planner.study import resolve

NO_SITES = np.empty(0, dtype=np.int64)
INF = float("inf")


def soon() -> float:
    """A deadline that is never met."""
    return time.monotonic() + 60.0


def relaxation(problem: Problem) -> tuple[Array, float]:
    """Point and bound of the conic relaxation."""
    cones = cone_rows(problem)
    point, multipliers, infeasible = relaxed(problem, cones, 0.0, soon())
    assert not infeasible
    constant, reduced, _ = lagrangian(problem.rows, cones, problem.cost, multipliers)
    return point, constant + least(reduced, *limited(problem.rows, problem.lower, problem.upper)) + problem.offset


# On paper.

I_SQ, P_FLOW, Q_FLOW, ON, V_SQ = range(5)


def one_cone(
    cost: dict[int, float], *, v_ub: float | None = None, switched: bool = False, **limits: tuple[float, float]
) -> Problem:
    """A line that carries P + jQ = 0.3 + 0.4j pu; ``w`` is below ``1.25 on``, and below the voltage with ``v_ub``."""
    columns = {"i": (0.0, 9.0), "p": (0.3, 0.3), "q": (0.4, 0.4), "on": (0.0, 1.0), "v": (0.0, v_ub or 2.0)} | limits
    below_switch = sparse.csr_matrix([[0.0, 0.0, 0.0, -1.25, 1.0]])
    return Problem(
        cost=np.array([cost.get(column, 0.0) for column in range(5)]),
        offset=0.0,
        rows=Rows(below_switch, np.array([-INF]), np.array([0.0 if switched else INF])),
        lower=np.array([low for low, _ in columns.values()]),
        upper=np.array([high for _, high in columns.values()]),
        integer=np.array([False, False, False, True, False]),
        cones=Cones(
            i_sq=np.array([I_SQ]),
            p_flow=np.array([P_FLOW]),
            q_flow=np.array([Q_FLOW]),
            on=np.array([ON]),
            v_sq=np.array([-1 if v_ub is None else V_SQ]),
            v_sq_ub=np.array([1.25]),
            switched=np.array([switched]),
            weight=np.array([1.0]),
        ),
        sites=NO_SITES,
        decisive=NO_SITES,
        zones=np.empty((0, 2), dtype=np.int64),
    )


CLOSED, HALF = (1.0, 1.0), (0.5, 0.5)
CHEAP, PRICED_SWITCH, PRICED_VOLTAGE = {I_SQ: 1.0}, {I_SQ: 1.0, ON: 0.8}, {I_SQ: 1.0, V_SQ: 1.0}
PAPER: dict[str, tuple[Problem, float, dict[int, float]]] = {
    # i = 0.25 / (1.25 on)
    "a closed line": (one_cone(CHEAP, on=CLOSED), 0.2, {I_SQ: 0.2}),
    "a line half closed": (one_cone(CHEAP, on=HALF), 0.4, {I_SQ: 0.4}),
    # least of 0.2 / on + 0.8 on, where 0.2 / on^2 = 0.8
    "a line whose state has a price": (one_cone(PRICED_SWITCH), 0.8, {I_SQ: 0.4, ON: 0.5}),
    "a voltage below the switch": (one_cone(CHEAP, v_ub=1.0, on=CLOSED), 0.25, {I_SQ: 0.25, V_SQ: 1.0}),
    "a switch below the voltage": (one_cone(CHEAP, v_ub=1.0, on=HALF), 0.4, {I_SQ: 0.4}),
    "a voltage held below the switch by a row": (
        one_cone(CHEAP, v_ub=1.0, switched=True, on=HALF),
        0.4,
        {I_SQ: 0.4, V_SQ: 0.625},
    ),
    # least of 0.25 / v + v, where 0.25 / v^2 = 1
    "a voltage that has a price": (one_cone(PRICED_VOLTAGE, v_ub=1.0, on=CLOSED), 1.0, {I_SQ: 0.5, V_SQ: 0.5}),
}


@pytest.mark.parametrize("name", PAPER)
def test_optimum_is_the_one_on_paper(name: str) -> None:
    problem, value, wanted = PAPER[name]
    point, bound = relaxation(problem)
    assert bound == pytest.approx(value, rel=1e-5)
    assert bound <= value * (1.0 + 1e-9)
    assert {column: point[column] for column in wanted} == pytest.approx(wanted, rel=1e-2)


# Against plans and tangents.

HAND = ["switching", "connected", "islanded"]


def of_case(case: str, model: Model) -> Compiled:
    return compiled(resolve(load_case(case), model))


def best(problem: Problem) -> Array:
    """A plan within 1e-4 of the optimum."""
    answer, _ = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert answer.x is not None and answer.status == "optimal"
    return answer.x


@pytest.mark.parametrize("name", HAND)
def test_bound_at_decided_integers_is_the_cost_of_the_plan(name: str) -> None:
    problem = of_case("feeder4", hand(name)).problem
    integers = np.flatnonzero(problem.integer)
    binaries = best(problem)[integers]
    value = refine(problem, no_rows(len(problem.cost)), binaries, Options(), soon()).value
    decided_plan = hold(problem, integers, np.round(binaries))
    assert relaxation(decided_plan)[1] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("case", "model"),
    [*(("feeder4", hand(name)) for name in HAND), ("ieee16", load_model("reconfiguration"))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_bound_lies_between_that_of_tangents_and_the_optimum(case: str, model: Model) -> None:
    problem = of_case(case, model).problem
    optimum = float(problem.cost @ best(problem) + problem.offset)
    by_tangents = relax(problem, no_rows(len(problem.cost)), Options(), soon(), 1e-8)[2]
    _, bound = relaxation(problem)
    assert bound >= by_tangents - 1e-4 * abs(by_tangents)
    assert bound <= optimum + 1e-6 * abs(optimum)


# What the rows decide.


def columns(main: Compiled, *words: str) -> list[int]:
    """Columns whose name holds one of some words."""
    return [position for position, name in enumerate(main.names) if any(word in name for word in words)]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("switching", ["arc[2,", "size[p,2,", "size[q,2,", "i_sq[2,", "v_arc[2,"]),
        ("islanded", ["p_flow[2,", "q_flow[2,"]),
    ],
    ids=["on parent arcs", "by line"],
)
def test_an_open_line_carries_nothing(name: str, own: list[str]) -> None:
    main = of_case("feeder4", hand(name))
    switch, flows = columns(main, "line_on[2,"), columns(main, *own)
    problem = hold(main.problem, np.array(switch), np.zeros(len(switch)))
    lower, upper, feasible = decided(problem.rows, *limited(problem.rows, problem.lower, problem.upper))
    assert feasible
    assert len(flows) >= len(own)
    assert not lower[flows].any() and not upper[flows].any()
    assert np.any(upper - lower > FIXED), "something is left to decide"


def test_buses_without_a_parent_are_a_contradiction() -> None:
    main = of_case("feeder4", hand("switching"))
    lines = columns(main, "line_on[")
    problem = hold(main.problem, np.array(lines), np.zeros(len(lines)))
    assert not decided(problem.rows, problem.lower, problem.upper)[2]
    assert decided(main.problem.rows, main.problem.lower, main.problem.upper)[2]


@pytest.mark.parametrize("name", HAND)
def test_column_bounds_keep_the_best_plan(name: str) -> None:
    problem = of_case("feeder4", hand(name)).problem
    plan = best(problem)
    integers = np.flatnonzero(problem.integer)
    held = hold(problem, integers, np.round(plan[integers]))
    lower, upper = limited(held.rows, held.lower, held.upper)
    assert np.isfinite(lower).all() and np.isfinite(upper).all()
    lower, upper, feasible = decided(held.rows, lower, upper)
    assert feasible
    assert np.all(plan >= lower - 1e-6) and np.all(plan <= upper + 1e-6)


WHOLES = st.integers(-3, 3)
SLACK = st.sampled_from([0.0, 0.0, 1.0, INF])


@st.composite
def rows_with_a_point(draw: st.DrawFn) -> tuple[Rows, Array, Array, Array]:
    """A few rows with small whole coefficients, column bounds, and a point that keeps them all, often at a limit."""
    many, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))

    def drawn(values: st.SearchStrategy[Any], length: int) -> Array:
        return np.array(draw(st.lists(values, min_size=length, max_size=length)), dtype=float)

    point = drawn(WHOLES, many)
    matrix = drawn(WHOLES, many * height).reshape(height, many)
    activity = matrix @ point
    rows = Rows(sparse.csr_matrix(matrix), activity - drawn(SLACK, height), activity + drawn(SLACK, height))
    return rows, point - drawn(SLACK, many), point + drawn(SLACK, many), point


@settings(max_examples=200, deadline=None)
@given(rows_with_a_point())
def test_no_known_point_is_cut_off(drawn: tuple[Rows, Array, Array, Array]) -> None:
    rows, lower, upper, point = drawn
    for low, high in (limited(rows, lower, upper), (lower, upper)):
        assert np.all(low <= point + 1e-9) and np.all(point <= high + 1e-9)
        low, high, feasible = decided(rows, low, high)
        assert feasible
        assert np.all(low <= point + 1e-9) and np.all(point <= high + 1e-9)


# What is called infeasible.


def part_of(problem: Problem) -> PartBound:
    return PartBound(problem, Zones(0, problem.zones), None)


OPEN = Leaf(np.array([-np.inf]))


def test_a_current_that_its_limit_forbids_is_proven_infeasible() -> None:
    """A quarter of a current is needed at the least, whatever the switch: no single row says so."""
    problem = one_cone(CHEAP, i=(0.0, 0.19))
    leaf = part_of(problem).at((), OPEN, 0, soon())
    assert leaf.values[0] == np.inf and leaf.point is None
    allowed = part_of(one_cone(CHEAP, i=(0.0, 0.21))).at((), OPEN, 0, soon())
    assert allowed.values[0] == pytest.approx(0.2, rel=1e-4) and allowed.point is not None


def test_the_word_of_the_solver_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = one_cone(PRICED_SWITCH)

    def liar(*arguments: Any) -> tuple[Array, Multipliers, bool]:
        point, multipliers, infeasible = relaxed(*arguments)
        assert not infeasible
        return point, multipliers, True

    monkeypatch.setattr(part_bound, "relaxed", liar)
    leaf = part_of(problem).at((), OPEN, 0, soon())
    assert leaf.point is not None
    assert leaf.values[0] == pytest.approx(0.8, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_no_multipliers_prove_a_feasible_problem_infeasible(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def liar(problem: Problem, cones: sparse.csr_matrix, *_: Any) -> tuple[Array, Multipliers, bool]:
        wild = Multipliers(rng.normal(size=len(problem.rows.lower)), rng.normal(size=cones.shape[0]))
        return np.zeros(len(problem.cost)), wild, True

    monkeypatch.setattr(part_bound, "relaxed", liar)
    for problem in (one_cone(PRICED_SWITCH, v_ub=1.0), of_case("feeder4", hand("islanded")).problem):
        part = PartBound(replace(problem, decisive=NO_SITES, sites=NO_SITES), Zones(0, problem.zones[:0]), None)
        leaf = part.at((), OPEN, 0, soon())
        assert leaf.point is not None and leaf.values[0] < np.inf
