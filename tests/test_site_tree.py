"""Bounds by branching on sites against brute force on a feeder small enough for it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand import REFERENCE, hand

from igdt_planner.case import load_case
from igdt_planner.infogap.worst_case import horizon
from igdt_planner.model import load_model, override
from igdt_planner.solver.conic import Multipliers, lagrangian, limited, relaxed
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import branch, no_tree, solve
from igdt_planner.solver.part_bound import Leaf, PartBound, Radius, Units, Zones
from igdt_planner.solver.problem import Array, Problem, hold, no_rows
from igdt_planner.solver.refine import relax
from igdt_planner.solver.site_tree import SiteTree, cost_problem
from igdt_planner.solver.solve import compiled
from igdt_planner.study import resolve

CONIC = 1e-5
"""Share by which a bound may lie below another of the same relaxation, as interior point says of itself."""


@pytest.fixture(scope="module")
def problem() -> Problem:
    """The hand-solvable feeder of four buses: where does one DG stand, and which line is open?"""
    return compiled(resolve(load_case("feeder4"), hand("connected"))).problem


@pytest.fixture(scope="module")
def optimum(problem: Problem) -> float:
    """Least cost by branch and bound alone."""
    answer, _ = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert answer.value is not None
    return answer.value


def soon() -> float:
    """A deadline that is never met."""
    return time.monotonic() + 60.0


def held_at(problem: Problem, sites: Sequence[int]) -> Problem:
    return hold(problem, problem.decisive, np.isin(np.arange(len(problem.decisive)), sites).astype(float))


def linear_bound(problem: Problem) -> float:
    """The bound of the relaxation by another path: an LP of the whole problem with tangents."""
    return relax(problem, no_rows(len(problem.cost)), Options(), soon(), 1e-8)[2]


def tree_of(problem: Problem, cutoff: float, threads: int = 1) -> SiteTree:
    tree = SiteTree(problem, None, cutoff, np.inf, threads, soon())
    tree.search()
    return tree


def bounds(part: PartBound, units: Units = (), level: int = 0) -> Array:
    """Bounds of a part with nothing held but its units, one a radius."""
    return part.at(units, Leaf(np.full(part.radii, -np.inf)), level, soon()).values


def total(tree: SiteTree, units: Units, level: int = 0) -> Array:
    return np.sum([bounds(part, units, level) for part in tree.parts], axis=0)


def test_bound_reaches_its_cutoff_and_never_the_optimum(problem: Problem, optimum: float) -> None:
    tree = tree_of(problem, optimum * (1.0 - 2e-3))
    assert optimum * (1.0 - 2e-3) <= tree.bound() <= optimum


def test_without_a_cutoff_the_bound_is_the_optimum(problem: Problem, optimum: float) -> None:
    tree = tree_of(problem, np.inf)
    assert optimum * (1.0 - 1e-3) <= tree.bound() <= optimum * (1.0 + 1e-6)


@pytest.mark.parametrize("sites", [(), (0,), (1,), (2,)], ids=str)
def test_decided_sites_are_bounded_as_by_tangents_and_below_their_optimum(
    problem: Problem, sites: tuple[int, ...]
) -> None:
    held = held_at(problem, sites)
    answer, _ = solve(held, Options(gap=1e-4), None, lambda event: None)
    assert answer.value is not None
    units = tuple((site, 1) for site in sites) or ((len(problem.decisive) - 1, 0),)
    bound = total(SiteTree(problem, None, np.inf, np.inf, 1, soon()), units)[0]
    assert linear_bound(held) * (1.0 - CONIC) <= bound <= answer.value * (1.0 + 1e-6)


def test_a_zone_is_bounded_below_each_of_its_sites(problem: Problem) -> None:
    tree = SiteTree(problem, None, np.inf, np.inf, 1, soon())
    inside = [total(tree, ((site, 1),))[0] for site in range(len(problem.decisive))]
    assert total(tree, ())[0] <= total(tree, ((tree.zones.whole, 1),))[0] * (1.0 + CONIC)
    assert total(tree, ((tree.zones.whole, 1),))[0] <= min(inside) * (1.0 + CONIC)


def test_two_threads_prove_what_one_proves(problem: Problem, optimum: float) -> None:
    cutoff = optimum * 0.98
    one, two = tree_of(problem, cutoff), tree_of(problem, cutoff, threads=2)
    assert min(one.bound(), two.bound()) >= cutoff
    assert max(one.bound(), two.bound()) <= optimum


def test_bound_of_wrong_multipliers_is_lower_and_never_wrong(problem: Problem) -> None:
    part = SiteTree(problem, None, np.inf, np.inf, 1, soon()).parts[0]
    held, feasible = part.held(((0, 1),), (), 0)
    assert feasible
    _, found, _ = relaxed(held, part.cones, 0.0, soon())
    best = part.bounds(held, found, 0)[0]
    least_cost, _ = solve(held, Options(gap=1e-5), None, lambda event: None)
    assert least_cost.value is not None
    rng = np.random.default_rng(0)
    for scale in (1e-9, 1e-6, 1e-3, 1.0):
        wrong = Multipliers(
            found.rows + scale * rng.standard_normal(len(found.rows)),
            found.cones + scale * rng.standard_normal(len(found.cones)),
        )
        assert part.bounds(held, wrong, 0)[0] <= least_cost.value
        assert scale < 1e-3 or part.bounds(held, wrong, 0)[0] < best


def test_mended_multipliers_have_the_right_signs(problem: Problem) -> None:
    part = SiteTree(problem, None, np.inf, np.inf, 1, soon()).parts[0]
    rng = np.random.default_rng(0)
    wrong = Multipliers(rng.standard_normal(len(part.part.rows.lower)), rng.standard_normal(part.cones.shape[0]))
    constant, _, mended = lagrangian(part.part.rows, part.cones, part.part.cost, wrong)
    assert np.isfinite(constant)
    assert np.all(mended.rows[np.isinf(part.part.rows.lower)] <= 0.0)
    assert np.all(mended.rows[np.isinf(part.part.rows.upper)] >= 0.0)
    cones = mended.cones.reshape(-1, 4)
    assert np.all(cones[:, 0] >= np.linalg.norm(cones[:, 1:], axis=1))


def test_zones_are_nested_and_hold_every_site(problem: Problem) -> None:
    zones = Zones(len(problem.decisive), problem.zones)
    assert sorted(zones.members[zones.whole].tolist()) == list(range(len(problem.decisive)))
    for number, (left, right) in enumerate(zones.joins):
        joined = zones.members[zones.count + number]
        assert sorted(joined.tolist()) == sorted([*zones.members[left], *zones.members[right]])


def test_columns_get_bounds_that_cut_nothing_off(problem: Problem) -> None:
    lower, upper = limited(problem.rows, problem.lower, problem.upper)
    assert np.isfinite(lower).all() and np.isfinite(upper).all()
    free, _ = solve(problem, Options(gap=5e-3), None, lambda event: None)
    assert free.x is not None
    assert np.all(free.x >= lower - 1e-6) and np.all(free.x <= upper + 1e-6)


def test_infeasible_children_are_closed(problem: Problem) -> None:
    nothing = replace(problem, upper=np.where(np.isin(np.arange(len(problem.cost)), problem.sites), 0.0, problem.upper))
    tree = SiteTree(nothing, None, np.inf, np.inf, 1, soon())
    for part in tree.parts:
        leaf = part.at(((0, 1),), Leaf(np.full(1, -np.inf)), 0, soon())
        assert leaf.point is None and leaf.values[0] == np.inf
    tree.search()
    assert 0.0 < tree.bound() < np.inf
    assert all(node.units in ((), ((tree.zones.whole, 0),)) for node in tree.settled if np.isfinite(node.total))


def question(model: Any) -> Problem:
    """The least-cost problem behind a robust question on a feeder of four buses."""
    study = resolve(load_case("feeder4"), model)
    return cost_problem(compiled(study.ask(horizon(study, "robust", 1.0))).problem)[0]


def dual_mode(quantity: str) -> Problem:
    return question(override(load_model("dual_mode"), {"uncertain": [{"quantity": quantity}], "ess.max_units": 0}))


def tree_at(problem: Problem, *at: float) -> SiteTree:
    return SiteTree(problem, Radius(problem.alpha, problem.products, problem.factors, at), np.inf, np.inf, 1, soon())


@pytest.mark.parametrize("quantity", ["load", "dg_availability"])
@pytest.mark.parametrize("units", [(), ((0, 1),)], ids=["anywhere", "at a site"])
@pytest.mark.parametrize("level", [0, 1])
def test_bounds_at_other_radii_are_bounds_there(quantity: str, units: Units, level: int) -> None:
    problem, radii = dual_mode(quantity), (0.3, 0.05)
    both = total(tree_at(problem, *radii), units, level)
    for value, alpha in zip(both, radii, strict=True):
        assert value <= total(tree_at(problem, alpha), units)[0] * (1.0 + CONIC)
    assert both[0] > both[1] * (1.0 - CONIC)
    assert both[level] == pytest.approx(total(tree_at(problem, radii[level]), units)[0], rel=CONIC)


@pytest.mark.parametrize("row", REFERENCE["hand_connected"]["robust"], ids=lambda row: f"budget {row['budget_mwh']}")
def test_radii_beyond_the_one_reached_are_proven_from_far_to_near_and_that_one_never_is(row: dict[str, Any]) -> None:
    costs, alpha = question(hand("connected")), row["alpha"]
    radius = Radius(costs.alpha, costs.products, costs.factors, (1.5 * alpha, 1.1 * alpha, 1.001 * alpha, alpha))
    tree = SiteTree(costs, radius, row["budget_mwh"], np.inf, 1, soon())
    proven: list[float | None] = []
    tree.search(None, lambda tree: proven.append(tree.radius_bound(radius, row["budget_mwh"])))
    assert tree.level == 2
    assert proven[-1] == radius.at[2]
    known = [alpha for alpha in proven if alpha is not None]
    assert known == sorted(known, reverse=True)


def test_a_radius_that_a_plan_reaches_is_not_proven_out_of_reach() -> None:
    row = REFERENCE["hand_connected"]["robust"][0]
    costs = question(hand("connected"))
    radius = Radius(costs.alpha, costs.products, costs.factors, (0.999 * row["alpha"], 0.9 * row["alpha"], 0.0))
    tree = SiteTree(costs, radius, row["budget_mwh"], np.inf, 1, soon())
    tree.search()
    assert tree.level == 0
    assert tree.radius_bound(radius, row["budget_mwh"]) is None


def test_branch_and_bound_claims_nothing_above_its_cutoff() -> None:
    problem = compiled(resolve(load_case("ieee16"), load_model("reconfiguration"))).problem
    answer, cuts = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert answer.value is not None
    cutoff = 0.99 * answer.value
    told: list[float] = []
    options = Options(gap=1e-4, cutoff=cutoff)
    _, _, bound, _ = branch(problem, cuts, None, options, time.monotonic() + 30.0, lambda e: told.append(e["bound"]))
    assert max([bound, *told]) <= cutoff


def test_column_bounds_serve_every_radius() -> None:
    problem = dual_mode("load")
    near, far = (tree_at(problem, at).parts for at in (0.05, 0.3))
    for one, other in zip(near, far, strict=True):
        assert one.radius is not None
        assert np.array_equal(one.lower, other.lower) and np.array_equal(one.upper, other.upper)
        assert np.isfinite(one.upper).all() and np.isfinite(one.lower).all()
        alpha = one.radius.alpha
        assert one.lower[alpha] == problem.lower[problem.alpha] and one.upper[alpha] == problem.upper[problem.alpha]
        for radius, part in ((0.05, one), (0.3, other)):
            held, feasible = part.held(((0, 1),), (), 0)
            assert feasible and held.lower[alpha] == held.upper[alpha] == radius


@pytest.mark.parametrize("name", ["connected", "islanded", "switching"])
def test_bound_of_a_decided_plan_is_below_its_cost_and_close(name: str) -> None:
    """The dispatch is that of token prices; the bound is not."""
    problem = compiled(resolve(load_case("feeder4"), hand(name))).problem
    found, _ = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert found.x is not None
    integers = np.flatnonzero(problem.integer)
    decided = hold(problem, integers, np.round(found.x[integers]))
    answer, _ = solve(decided, Options(), None, lambda event: None, prove=no_tree)
    assert answer.value is not None and answer.nodes == 0
    assert answer.value * (1.0 - 1e-5) <= answer.bound <= answer.value
    assert answer.bound <= linear_bound(decided) * (1.0 + 1e-6)


def test_a_start_is_a_plan_however_short_the_time(problem: Problem) -> None:
    """A large problem may spend its time on the relaxation; what it was given to start from is dispatched before."""
    found, _ = solve(problem, Options(gap=1e-4), None, lambda event: None)
    assert found.x is not None
    start = np.round(found.x[problem.integer])
    events: list[str] = []
    answer, _ = solve(
        problem, Options(time_limit_s=1e-2, starts=(start,)), None, lambda event: events.append(event["kind"])
    )
    assert answer.value == pytest.approx(found.value, rel=1e-6)
    assert events[0] == "incumbent"
