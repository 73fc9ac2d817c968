"""A topology for every period: the cheapest way through a pool of good ones, operations priced or limited.

Searches of the whole, with what operations cost and without, and of single periods fill the pool; every topology of it
is judged by AC power flow in every period; dynamic programming finds the best series of them. Sites are those of the
best plans with one topology, so that no series is worse than such a plan.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from igdt_planner.model import TermName
from igdt_planner.search.archive import Pool, lines_of
from igdt_planner.search.network import Floats, Ints
from igdt_planner.search.problem import Choice, Judged, SearchProblem
from igdt_planner.search.run import Run
from igdt_planner.search.tree import Tree, base_tree

KEPT = 30
"""Topologies of every search that go into the pool."""
ALONE = 6
"""Periods that are searched alone, evenly by their load."""


@dataclass(frozen=True, eq=False)
class Series:
    """A topology for every period, or a single one for all of them.

    Attributes
    ----------
    trees : list of Tree
        Empty where nothing was found.
    sites : array of int
        Buses of the generators.
    within : bool
        Whether it keeps all limits.
    """

    trees: list[Tree]
    sites: Ints
    within: bool = True


def search_series(
    problem: SearchProblem,
    algorithm: Callable[[Run], None],
    evaluations: int,
    rng: np.random.Generator,
    limit: int | None,
    on_better: Callable[[Judged], object] | None = None,
) -> tuple[Series, Run]:
    """The best series of topologies, and the run that found the best single one.

    Parameters
    ----------
    problem : SearchProblem
        A weight of ``switching`` in it is the price of an operation, against the base topology and between periods.
    algorithm : callable
    evaluations : int
        AC power flows, one for each plan and period: half for the whole, half for others; the pool comes on top.
    rng : Generator
    limit : int, optional
        On operations.
    on_better : callable, optional
        Is told of better plans with one topology.
    """
    counted = [term == "switching" for term in problem.terms]
    free = replace(problem, weights=np.where(counted, 0.0, problem.weights))
    share = max(len(problem.hours), evaluations // 2)
    asked = problem if limit is None else with_operations(problem, limit)
    whole = Run(asked, share, rng, on_better=on_better, archive=Pool(KEPT))
    others = [free, *(period_of(free, t) for t in typical(problem))]
    runs = [Run(other, max(len(other.hours), share // len(others)), rng, archive=Pool(KEPT)) for other in others]
    for own in (whole, *runs):
        algorithm(own)
    trees, sites = pooled([whole, *runs]), sites_of([whole, runs[0]])
    whole.used += sum(own.used for own in runs) + len(sites) * len(trees) * len(problem.hours)
    return best_series(free, trees, sites, float(problem.weights @ counted), limit), whole


def best_series(
    problem: SearchProblem, trees: list[Tree], sites: list[Ints], price: float, limit: int | None
) -> Series:
    """The cheapest series of topologies, with the sites that it is cheapest at; operations are priced beside."""
    line_on = np.array([problem.network.closed, *(tree.line_on for tree in trees)])
    changes = (line_on[:, None] != line_on[None]).sum(axis=2)
    best, found = np.inf, Series([], np.empty(0, dtype=np.int64))
    for built in sites:
        costs = np.array([costs_of(period_of(problem, t), trees, built) for t in range(len(problem.hours))])
        way = cheapest_way(costs, changes[1:, 1:], changes[0, 1:], price, limit)
        if way is None:
            continue
        operations = changes[0, 1 + way[0]] + sum(changes[1 + a, 1 + b] for a, b in itertools.pairwise(way))
        total = float(costs[np.arange(len(way)), way].sum() + price * operations)
        if total < best:
            best, found = total, Series([trees[k] for k in way], built)
    return found


def pooled(runs: list[Run]) -> list[Tree]:
    """The base topology, and the best ones of all runs, each once."""
    trees = {lines_of(tree): tree for tree in [base_tree(runs[0].problem.network)]}
    for own in runs:
        assert isinstance(own.archive, Pool)
        trees |= {key: plan.choice.tree for key, plan in own.archive.plans.items()}
    return list(trees.values())


def sites_of(runs: list[Run]) -> list[Ints]:
    """The sites of the best plans of some runs, each once."""
    sites = {tuple(run.best.choice.sites.tolist()): run.best.choice.sites for run in runs if run.best is not None}
    return list(sites.values())


def with_operations(problem: SearchProblem, limit: int) -> SearchProblem:
    """The problem with a limit on operations against the base topology."""
    terms: tuple[TermName, ...] = (*problem.terms, "switching")
    padded = np.pad(problem.limited, ((0, 0), (0, 1)))
    own = np.eye(len(terms))[-1:]
    return replace(
        problem,
        terms=terms,
        weights=np.append(problem.weights, 0.0),
        limited=np.vstack([padded, own]),
        at_most=np.append(problem.at_most, float(limit)),
    )


def typical(problem: SearchProblem) -> list[int]:
    """Periods of evenly spread load."""
    order = np.argsort(problem.loads.real.sum(axis=1), kind="stable")
    return sorted({int(order[k]) for k in np.linspace(0, len(order) - 1, min(ALONE, len(order))).round().astype(int)})


def period_of(problem: SearchProblem, t: int) -> SearchProblem:
    """The problem of one period alone."""
    units, rates, one = problem.units, problem.rates, slice(t, t + 1)
    return replace(
        problem,
        loads=problem.loads[one],
        hours=problem.hours[one],
        units=replace(
            units,
            p_max=units.p_max[:, one],
            q_min=units.q_min[:, one],
            q_max=units.q_max[:, one],
            worth=units.worth[:, one],
        ),
        rates=replace(rates, price=rates.price[one], emissions=rates.emissions[one]),
    )


def costs_of(problem: SearchProblem, trees: list[Tree], sites: Ints) -> Floats:
    """Objective of topologies in one period; infinite outside limits."""
    choices = [Choice(tree, sites) for tree in trees]
    powers = [problem.power(choice, problem.flat) for choice in choices]
    judged = problem.judge(choices, powers)
    return np.array([one.objective if one.violation == 0.0 else np.inf for one in judged])


def cheapest_way(costs: Floats, changes: Ints, first: Ints, price: float, limit: int | None) -> list[int] | None:
    """The topology of every period that costs least, operations included; None where nothing keeps the limit.

    Parameters
    ----------
    costs : array, shape (periods, topologies)
    changes : array of int, shape (topologies, topologies)
        Operations from one topology to another.
    first : array of int, shape (topologies,)
        Operations from the base topology.
    price : float
        Of an operation.
    limit : int, optional
        On operations in all.
    """
    periods, count = costs.shape
    most = int(first.max() + (periods - 1) * changes.max())
    most = most if limit is None else min(most, limit)
    used = np.arange(most + 1) if limit is not None else np.zeros(1, dtype=int)
    best = np.full((len(used), count), np.inf)
    for k in range(count):
        if first[k] <= most:
            best[first[k] if limit is not None else 0, k] = costs[0, k] + price * first[k]
    came: list[Ints] = []
    for t in range(1, periods):
        reach, origin = np.full_like(best, np.inf), np.zeros(best.shape, dtype=np.int64)
        for before in range(count):
            left = used[:, None] - (changes[before] if limit is not None else 0)
            moved = np.where(left >= 0, best[np.maximum(left, 0), before], np.inf) + price * changes[before]
            better = moved < reach
            reach[better], origin[better] = moved[better], before
        came.append(origin)
        best = reach + costs[t]
    row, k = (int(index) for index in np.unravel_index(int(best.argmin()), best.shape))
    if not np.isfinite(best[row, k]):
        return None
    way = [k]
    for origin in reversed(came):
        before = int(origin[row, way[-1]])
        row -= int(changes[before, way[-1]]) if limit is not None else 0
        way.append(before)
    return way[::-1]
