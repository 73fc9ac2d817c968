"""Finding plans: sites by the value of a relaxed network, then topology at fixed sites, mode by mode.

Works on arrays alone. The columns that link otherwise independent parts of a problem (the sites) are decided by a local
search in which every candidate is valued by one warm-started LP per part and the LP's reduced costs say which swaps are
worth a try.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import highspy
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from igdt_planner.milp import (
    Array,
    Cones,
    Index,
    Options,
    Problem,
    Rows,
    append,
    branch,
    entries,
    hold,
    no_rows,
    only_over,
    refine,
    relax,
    select,
    stack,
    tangents,
    to_highs,
)

SITES_TRIED = 3
"""Sites valued of every kind (same cost, same count rule) when one is added, the most promising by reduced cost."""
SITE_SETS_KEPT = 1
"""Site sets that are solved with their topology."""
ROUNDS, ROUND_S, SCOUT_GAP = 4, 25.0, 4e-3
"""Rounds of branch and bound a part may take, the longest of each, and the gap at which a part is good enough."""


def scout_plans(problem: Problem, options: Options, deadline: float) -> Iterator[Array]:
    """Yield integer columns of promising plans, best first, until the deadline."""
    problem = at_unit_voltage(problem)
    fixed = problem.sites[problem.lower[problem.sites] == problem.upper[problem.sites]]
    free = np.setdiff1d(problem.sites, fixed)
    if not len(free):
        yield from plans_at(problem, options, deadline)
        return
    valued = SiteSearch(problem, options).run(time.monotonic() + 0.5 * (deadline - time.monotonic()))
    for _, sites in valued[:SITE_SETS_KEPT]:
        if time.monotonic() < deadline:
            yield from plans_at(hold(problem, problem.sites, sites), options, deadline)


def at_unit_voltage(problem: Problem) -> Problem:
    """The problem with every current taken at 1 pu: bounds nothing, but is tighter relaxed, so plans come sooner."""
    cones = problem.cones
    return replace(
        problem, cones=replace(cones, v_sq=np.full_like(cones.v_sq, -1), v_sq_ub=np.ones_like(cones.v_sq_ub))
    )


def plans_at(problem: Problem, options: Options, deadline: float) -> Iterator[Array]:
    """Topologies at fixed sites: every part on its own, a whole plan after every round in which one improved."""
    split = [(PartPlan(part, options), columns) for part, columns in parts(problem)]
    for _ in range(ROUNDS):
        improved = [plan.improve(deadline) for plan, _ in split]
        if not any(improved) or any(plan.best is None for plan, _ in split):
            return
        values = problem.lower.copy()
        for plan, columns in split:
            values[columns] = plan.best
        yield values[problem.integer]


class PartPlan:
    """The best plan of one part: branch and bound, exact losses of what it found, again with their tangents."""

    def __init__(self, part: Problem, options: Options) -> None:
        self.part, self.options = part, replace(options, gap=SCOUT_GAP)
        self.cuts = no_rows(len(part.cost))
        self.best: Array | None = None
        self.value, self.bound = np.inf, -np.inf

    def improve(self, deadline: float) -> bool:
        """One more round; whether it found a better plan."""
        now = time.monotonic()
        if now >= deadline or (self.best is not None and self.value - self.bound <= SCOUT_GAP * abs(self.value)):
            return False
        if self.best is None:
            _, _, _, self.cuts = relax(self.part, self.cuts, self.options, 1e-3, deadline, rounds=30)
        _, binaries, bound, _ = branch(
            self.part, self.cuts, None, self.options, min(deadline, now + ROUND_S), lambda _: None
        )
        if binaries is None:
            return False
        self.bound = max(self.bound, bound)
        x, value, exact = refine(self.part, self.cuts, binaries, self.options, deadline + 5.0)
        self.cuts = stack(self.cuts, exact)
        if x is None or value >= self.value:
            return False
        self.best, self.value = x, value
        return True


def parts(problem: Problem, linking: Index | None = None) -> list[tuple[Problem, Index]]:
    """Independent parts of a problem once the held columns (or the linking ones) are known, with their columns."""
    held = problem.lower == problem.upper
    apart = held.copy()
    if linking is not None:
        apart[:] = False
        apart[linking] = True
    free = np.flatnonzero(~apart)
    pattern = entries(problem.rows, free)
    count, label = csgraph.connected_components(pattern.T @ pattern, directed=False)
    out = []
    for number in range(count):
        own = free[label == number]
        columns = with_cones(problem, own) if linking is None else np.concatenate([own, linking])
        out.append((part_of(problem, own, columns, linking is None), columns))
    return out


def with_cones(problem: Problem, own: Index) -> Index:
    """A part's own columns, and the held ones (lines without a switch) that its loss cones refer to."""
    cones = problem.cones
    mine = np.isin(cones.i_sq, own)
    named = np.concatenate([cones.p_flow[mine], cones.q_flow[mine], cones.on[mine], cones.v_sq[mine]])
    return np.union1d(own, named[named >= 0])


def part_of(problem: Problem, own: Index, columns: Index, drop_held: bool) -> Problem:
    """The rows and cones over one part's own columns; held columns outside it move to the right-hand side."""
    rows = select(problem.rows, np.diff(entries(problem.rows, own).indptr) > 0)
    shift: Array = np.zeros(len(rows.lower))
    if drop_held:
        rest = np.setdiff1d(np.arange(len(problem.cost)), columns)
        values = np.where(problem.lower[rest] == problem.upper[rest], problem.lower[rest], 0.0)
        shift = np.asarray(rows.matrix[:, rest] @ values).ravel()
    position = np.full(len(problem.cost) + 1, -1)
    position[columns] = np.arange(len(columns))
    cones = problem.cones
    mine = np.isin(cones.i_sq, own)
    return Problem(
        cost=np.where(np.isin(columns, own), problem.cost[columns], 0.0),
        offset=0.0,
        rows=Rows(sparse.csr_matrix(rows.matrix[:, columns]), rows.lower - shift, rows.upper - shift),
        lower=problem.lower[columns],
        upper=problem.upper[columns],
        integer=problem.integer[columns],
        cones=Cones(
            i_sq=position[cones.i_sq[mine]],
            p_flow=position[cones.p_flow[mine]],
            q_flow=position[cones.q_flow[mine]],
            on=position[cones.on[mine]],
            v_sq=position[cones.v_sq[mine]],
            v_sq_ub=cones.v_sq_ub[mine],
            switched=cones.switched[mine],
            weight=cones.weight[mine],
        ),
        sites=np.flatnonzero(np.isin(columns, problem.sites)),
        decisive=np.flatnonzero(np.isin(columns, problem.decisive)),
        zones=problem.zones,
    )


class PartValue:
    """Value of one part at given sites: a warm LP whose tangents are shared by all site sets."""

    def __init__(self, part: Problem, options: Options) -> None:
        self.part = part
        _, _, _, cuts = relax(part, no_rows(len(part.cost)), options, 3e-3, time.monotonic() + 30.0, rounds=20)
        self.highs: Any = to_highs(part, cuts, options, integral=False)
        self.columns = part.sites.astype(np.int32)

    def at(self, sites: Array) -> tuple[float, Array]:
        """LP value (infinite where infeasible) and the reduced costs of the sites."""
        self.highs.changeColsBounds(len(sites), self.columns, sites, sites)
        for _ in range(3):
            self.highs.run()
            if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return np.inf, np.zeros(len(sites))
            solution = self.highs.getSolution()
            value = self.highs.getInfo().objective_function_value
            fresh = tangents(
                self.part,
                np.array(solution.col_value),
                3e-3 * max(abs(value), 1e-3) / max(1, len(self.part.cones.weight)),
            )
            if not len(fresh.lower):
                break
            append(self.highs, fresh)
        return value, np.array(solution.col_dual)[self.columns]


def kinds_of(cost: Array, rules: sparse.csr_matrix) -> list[tuple[float, int]]:
    """What sets a site apart from others: its own cost and the first rule that counts it."""
    columns = sparse.csc_matrix(rules)
    first = [int(columns.indices[start]) if end > start else -1 for start, end in pairwise(columns.indptr)]
    return list(zip(cost.tolist(), first, strict=True))


class SiteSearch:
    """Local search over site sets: swaps proposed by reduced costs, valued by relaxed networks."""

    def __init__(self, problem: Problem, options: Options) -> None:
        self.problem = problem
        self.sites = problem.sites
        self.rules = only_over(problem, self.sites)
        self.kinds = kinds_of(problem.cost[self.sites], entries(self.rules, self.sites))
        self.values = [PartValue(part, options) for part, columns in parts(problem, self.sites)]
        self.known: dict[bytes, tuple[float, Array]] = {}

    def value(self, sites: Array) -> tuple[float, Array]:
        """Relaxed cost of a site set and the reduced cost of every site there."""
        key = sites.tobytes()
        if key not in self.known:
            own = self.problem.cost[self.sites]
            answers = [part.at(sites) for part in self.values]
            self.known[key] = (float(own @ sites) + sum(v for v, _ in answers), own + sum(d for _, d in answers))
        return self.known[key]

    def allowed(self, sites: Array) -> bool:
        """Whether a site set keeps the rules on counts and the bounds of its columns."""
        within = np.all((sites >= self.problem.lower[self.sites]) & (sites <= self.problem.upper[self.sites]))
        activity = self.rules.matrix[:, self.sites] @ sites
        return bool(
            within and np.all(activity <= self.rules.upper + 1e-9) and np.all(activity >= self.rules.lower - 1e-9)
        )

    def run(self, deadline: float) -> list[tuple[float, Array]]:
        """Site sets found, best first."""
        best = self.grow(self.problem.lower[self.sites].copy(), deadline)
        improved = True
        while improved and time.monotonic() < deadline:
            improved = False
            for out in np.flatnonzero(best > 0.5).tolist():
                candidate = self.swap(best, out, deadline)
                if self.value(candidate)[0] < self.value(best)[0] - 1e-7:
                    best, improved = candidate, True
        ranked = sorted(((v, key) for key, (v, _) in self.known.items() if np.isfinite(v)), key=lambda item: item[0])
        return [(v, np.frombuffer(key)) for v, key in ranked if self.allowed(np.frombuffer(key))]

    def grow(self, sites: Array, deadline: float) -> Array:
        """Add the site that pays most, until none does."""
        while time.monotonic() < deadline:
            best = min(self.additions(sites), key=lambda s: self.value(s)[0], default=None)
            if best is None or self.value(best)[0] >= self.value(sites)[0] - 1e-7:
                return sites
            sites = best
        return sites

    def additions(self, sites: Array) -> list[Array]:
        """The most promising site sets with one site more, of every kind."""
        _, reduced = self.value(sites)
        tried: Counter[tuple[float, int]] = Counter()
        out = []
        for column in np.argsort(reduced, kind="stable").tolist():
            more = sites.copy()
            more[column] = 1.0
            if sites[column] < 0.5 and tried[self.kinds[column]] < SITES_TRIED and self.allowed(more):
                tried[self.kinds[column]] += 1
                out.append(more)
        return out

    def swap(self, sites: Array, out: int, deadline: float) -> Array:
        """The best set found by closing one site and opening another."""
        without = sites.copy()
        without[out] = 0.0
        if not self.allowed(without):
            return sites
        candidates = [s for s in self.additions(without) if time.monotonic() < deadline]
        return min([sites, without, *candidates], key=lambda s: self.value(s)[0])
