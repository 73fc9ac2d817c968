"""Plans from relaxations: ways through graphs, the best known plan of a feeder, and plans that keep the rules."""

import time
from functools import cache

import numpy as np
import pytest
from hand import hand

from igdt_planner.case import load_case
from igdt_planner.model import Model, load_model
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import solve
from igdt_planner.solver.plunge import path
from igdt_planner.solver.problem import Array, Problem, no_rows
from igdt_planner.solver.refine import refine
from igdt_planner.solver.site_tree import SiteTree
from igdt_planner.solver.solve import compiled
from igdt_planner.study import resolve

BEST_LOSSES_MWH = 0.1395513
"""Of ieee33 over an hour: 139.5513 kW."""
SHIPPED = ("reconfiguration", "dual_mode")


def edges(drawing: str) -> tuple[Array, Array]:
    """Ends of edges written as ``1-2 2/3``, and which are closed: those with a dash."""
    names = drawing.split()
    ends = [[int(node) for node in name.replace("/", "-").split("-")] for name in names]
    return np.array(ends, dtype=np.int64), np.array(["-" in name for name in names])


WAYS: dict[str, tuple[str, int, int, list[int]]] = {
    "one edge": ("1-2", 1, 2, [0]),
    "a chain": ("1-2 2-3 3-4", 1, 4, [2, 1, 0]),
    "a chain from its other end": ("1-2 2-3 3-4", 4, 1, [0, 1, 2]),
    "a branch to pass by": ("1-2 2-5 2-3 5-6", 1, 3, [2, 0]),
    "an open edge": ("1-2 2/3 3-4", 1, 4, []),
    "round an open edge": ("1-2 2/3 2-4 4-3", 1, 3, [3, 2, 0]),
    "the shorter way of two": ("1-2 2-3 3-4 1-4", 1, 4, [3]),
    "no way at all": ("1-2 3-4", 1, 4, []),
    "nowhere to go": ("1-2", 1, 1, []),
    "the root of all trees": ("0-2 0-3", 2, 3, [1, 0]),
}


@pytest.mark.parametrize("name", WAYS)
def test_path_between_two_nodes_is_named_by_its_edges_from_the_far_end(name: str) -> None:
    drawing, start, end, wanted = WAYS[name]
    assert path(*edges(drawing), start, end) == wanted


@cache
def problem_of(case: str, model: str) -> Problem:
    chosen: Model = load_model(model) if model in SHIPPED else hand(model)
    return compiled(resolve(load_case(case), chosen)).problem


def proposals(problem: Problem, threads: int = 1, most: int = 1) -> list[Array]:
    """Integer columns of the first plans that a tree proposes; it is left after ``most`` of them."""
    found: list[Array] = []

    def propose(binaries: Array) -> float:
        found.append(binaries)
        return -np.inf if len(found) >= most else np.inf

    SiteTree(problem, None, np.inf, np.inf, threads, time.monotonic() + 120.0).search(propose)
    return found


def cost(problem: Problem, binaries: Array) -> float:
    """Cost of a plan run exactly; infinite where it breaks a rule."""
    return refine(problem, no_rows(len(problem.cost)), binaries, Options(), time.monotonic() + 60.0).value


def test_plunge_at_the_root_finds_the_best_topology_of_a_feeder() -> None:
    problem = problem_of("ieee33", "reconfiguration")
    assert len(SiteTree(problem, None, np.inf, np.inf, 1, time.monotonic() + 120.0).parts) == 1
    (first,) = proposals(problem)
    assert cost(problem, first) == pytest.approx(BEST_LOSSES_MWH, rel=1e-4)


PLUNGED = [
    ("feeder4", "switching"),
    ("feeder4", "connected"),
    ("feeder4", "islanded"),
    ("feeder4", "dual_mode"),
    ("ieee16", "reconfiguration"),
    ("ieee33", "reconfiguration"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "model"), PLUNGED)
def test_every_proposal_keeps_the_rules(case: str, model: str) -> None:
    problem = problem_of(case, model)
    found = proposals(problem, most=3)
    assert found
    integers = problem.integer
    for binaries in found:
        assert np.array_equal(binaries, np.round(binaries))
        assert np.all(binaries >= problem.lower[integers]) and np.all(binaries <= problem.upper[integers])
        assert np.isfinite(cost(problem, binaries))


@pytest.mark.parametrize(("case", "model"), PLUNGED)
@pytest.mark.slow
def test_the_same_input_gives_the_same_proposals(case: str, model: str) -> None:
    problem = problem_of(case, model)
    once, again = (proposals(problem, threads=2, most=3) for _ in range(2))
    assert [binaries.tobytes() for binaries in once] == [binaries.tobytes() for binaries in again]


@pytest.mark.parametrize("model", ["switching", "connected", "islanded"])
def test_first_plan_of_a_small_feeder_is_no_worse_than_the_tenth_above_the_best(model: str) -> None:
    problem = problem_of("feeder4", model)
    answer, _ = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert answer.value is not None
    first = cost(problem, proposals(problem)[0])
    assert answer.value * (1.0 - 1e-4) <= first <= 1.1 * answer.value
