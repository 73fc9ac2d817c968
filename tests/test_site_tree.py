"""Bounds by branching on sites against brute force on a feeder small enough for it."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand import hand

from igdt_planner.case import load_case
from igdt_planner.igdt import horizon
from igdt_planner.milp import Options, branch, relax, solve
from igdt_planner.model import load_model, override
from igdt_planner.problem import Problem, hold, no_rows
from igdt_planner.site_tree import Node, PartLp, Radius, SiteTree, Zones, cost_problem, limited
from igdt_planner.solve import compiled
from igdt_planner.study import resolve


@pytest.fixture(scope="module")
def problem() -> Problem:
    """The hand-solvable feeder of four buses: where does one DG stand, and which line is open?"""
    return compiled(resolve(load_case("feeder4"), hand("connected"))).problem


def relaxation(problem: Problem, sites: tuple[int, ...]) -> float:
    """The LP bound at decided sites, by another path: the relaxation of the whole problem."""
    values = np.isin(problem.decisive, problem.decisive[list(sites)]).astype(float)
    held = hold(problem, problem.decisive, values)
    return relax(held, no_rows(len(problem.cost)), Options(), 1e-5, time.monotonic() + 60.0, rounds=40)[2]


def tree_of(problem: Problem, cutoff: float, **options: Any) -> SiteTree:
    tree = SiteTree(problem, None, cutoff, Options(gap=1e-3, **options))
    tree.search(time.monotonic() + 60.0)
    return tree


def test_bound_is_reached_and_never_above_the_optimum(problem: Problem) -> None:
    answer, _ = solve(problem, None, Options(time_limit_s=60.0, gap=2e-3), None, lambda event: None)
    assert answer.value is not None
    tree = tree_of(problem, answer.value * (1.0 - 2e-3))
    assert answer.value * (1.0 - 2e-3) <= tree.bound() <= answer.value


def test_site_sets_are_bounded_as_by_the_whole_relaxation(problem: Problem) -> None:
    lowest = min(relaxation(problem, (site,)) for site in range(len(problem.decisive)))
    tree = tree_of(problem, lowest * (1.0 - 1e-3))
    assert lowest * (1.0 - 2e-3) <= tree.bound()


def test_two_lanes_prove_what_one_proves(problem: Problem) -> None:
    cutoff = relaxation(problem, (1,)) * 0.98
    one, two = tree_of(problem, cutoff), tree_of(problem, cutoff, threads=2)
    assert one.bound() == pytest.approx(two.bound(), rel=2e-3)


def test_bound_of_wrong_duals_is_lower_and_never_wrong(problem: Problem) -> None:
    tree = SiteTree(problem, None, 1.0, Options())
    lp: PartLp = tree.lanes[0][0]
    node = Node(((0, 1),), np.full((len(tree.columns), 1), -np.inf))
    best = lp.at(node, np.inf, 12)[0][0]
    _, duals = lp.solve()
    assert duals is not None
    rng = np.random.default_rng(0)
    for scale in (1e-9, 1e-6, 1e-3, 1.0):
        wrong = duals + scale * rng.standard_normal(len(duals))
        assert lp.bounds(wrong)[0] <= best + 1e-9


def test_zones_are_nested_and_hold_every_site(problem: Problem) -> None:
    zones = Zones(len(problem.decisive), problem.zones)
    assert sorted(zones.members[zones.whole].tolist()) == list(range(len(problem.decisive)))
    for number, (left, right) in enumerate(zones.joins):
        joined = zones.members[zones.count + number]
        assert sorted(joined.tolist()) == sorted([*zones.members[left], *zones.members[right]])


def test_columns_get_bounds_that_cut_nothing_off(problem: Problem) -> None:
    bounded = limited(problem)
    assert np.isfinite(bounded.lower).all() and np.isfinite(bounded.upper).all()
    free, _ = solve(problem, None, Options(time_limit_s=30.0, gap=5e-3), None, lambda event: None)
    assert free.x is not None
    assert np.all(free.x >= bounded.lower - 1e-6) and np.all(free.x <= bounded.upper + 1e-6)


def test_infeasible_children_are_closed(problem: Problem) -> None:
    nothing = replace(problem, upper=np.where(np.isin(np.arange(len(problem.cost)), problem.sites), 0.0, problem.upper))
    tree = tree_of(nothing, 1e9)
    assert tree.bound() > 0.0


def question(model: Any) -> Problem:
    """The least-cost problem behind a robust question on a feeder of four buses."""
    study = resolve(load_case("feeder4"), model)
    return cost_problem(compiled(study.ask(horizon(study, "robust", 1.0))).problem)[0]


@pytest.mark.parametrize("quantity", ["load", "dg_availability"])
def test_bounds_at_other_radii_are_bounds_there(quantity: str) -> None:
    problem = question(override(load_model("dual_mode"), {"uncertain": [{"quantity": quantity}], "ess.max_units": 0}))

    def root(*at: float) -> np.ndarray:
        tree = SiteTree(problem, Radius(problem.alpha, problem.built, at), 1e9, Options(gap=1e-4))
        return tree.work(tree.lanes[0], tree.open[0])[0].sum(axis=0)

    far = 0.3
    moved = root(0.05, far)
    assert moved[1] <= root(far)[0] * (1.0 + 1e-6)
    assert moved[1] >= moved[0]


def test_branch_and_bound_claims_nothing_above_its_cutoff() -> None:
    problem = compiled(resolve(load_case("ieee16"), load_model("reconfiguration"))).problem
    answer, cuts = solve(problem, None, Options(gap=1e-4), None, lambda event: None)
    assert answer.value is not None
    cutoff = 0.99 * answer.value
    told: list[float] = []
    options = Options(gap=1e-4, cutoff=cutoff)
    _, _, bound, _ = branch(problem, cuts, None, options, time.monotonic() + 30.0, lambda e: told.append(e["bound"]))
    assert max([bound, *told]) <= cutoff


def test_column_bounds_serve_every_radius() -> None:
    problem = question(override(load_model("dual_mode"), {"uncertain": [{"quantity": "load"}], "ess.max_units": 0}))
    near, far = (
        SiteTree(problem, Radius(problem.alpha, problem.built, (at,)), 1e9, Options()).lanes[0] for at in (0.05, 0.3)
    )
    for one, other in zip(near, far, strict=True):
        assert one.radius is not None
        free = np.arange(len(one.part.cost)) != one.radius.alpha
        assert np.array_equal(one.part.upper[free], other.part.upper[free])
        assert np.isfinite(one.part.upper).all()
