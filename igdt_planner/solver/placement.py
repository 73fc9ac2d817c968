"""Early plans: units placed greedily from a relaxation at one topology, then swapped while that pays.

Works on arrays alone. With switches held a relaxation is small, so that sites are valued by linear programs in one
HiGHS instance, one after the other from the last basis. They only rank: a plan is run exactly before it counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from igdt_planner.solver.decided import Network, switched_network
from igdt_planner.solver.highs import Options, append, solve_lp, to_highs
from igdt_planner.solver.problem import (
    Array,
    Index,
    Problem,
    Switches,
    hold,
    no_rows,
    with_tokens,
)
from igdt_planner.solver.ranges import line_tangents

ROUNDS, MISSED = 12, 1e-5
"""Most rounds of tangents at one choice of sites, and the loss that all cones may miss, as a share of the cost."""
SHARE = 1e-3
"""Share of a unit at a site that makes the site worth a trial."""
TRIALS = 4
"""Sites tried in the place of one unit, the likeliest first."""
BETTER = 2e-5
"""Improvement that is more than the tolerance of the values compared, as a share of the cost."""

Sites = frozenset[int]
"""Places among the sites of a problem at which units stand."""


@dataclass(frozen=True)
class Valued:
    """What sites cost by the relaxation (infinite where they cannot be run), the share of a unit at each, the point."""

    cost: float
    shares: Array
    point: Array


class Placement:
    """Sites at one topology.

    Parameters
    ----------
    problem : Problem
    topology : array
        Of the columns of all switches.
    options : Options
    deadline : float
        Nothing is begun after it.
    """

    def __init__(self, problem: Problem, topology: Array, options: Options, deadline: float) -> None:
        self.problem, self.topology, self.deadline = problem, topology, deadline
        self.network = switched_network(hold(problem, switch_columns(problem), topology))
        place = np.full(len(problem.cost), -1)
        place[self.network.columns] = np.arange(len(self.network.columns))
        self.sites = problem.sites[place[problem.sites] >= 0]
        self.columns = place[self.sites]
        self.program = program = ranking(self.network)
        self.lower, self.upper = program.lower[self.columns], program.upper[self.columns]
        self.highs = to_highs(program, no_rows(len(program.cost)), options, integral=False)
        self.known: dict[Sites, Valued] = {}

    def at(self, sites: Sites, *, more: bool) -> Valued:
        """Units at some sites, and ``more`` or none elsewhere."""
        if not more and sites in self.known:
            return self.known[sites]
        lower = self.lower.copy()
        lower[list(sites)] = 1.0
        upper = np.maximum(self.upper if more else self.lower, lower)
        self.highs.changeColsBounds(len(self.columns), self.columns.astype(np.int32), lower, upper)
        found = self.solved()
        if not more:
            self.known[sites] = found
        return found

    def solved(self) -> Valued:
        """The linear program between the present bounds, with tangents until little loss is missed."""
        program, lines = self.program, self.network.lines
        found = Valued(np.inf, np.zeros(len(self.columns)), np.zeros(len(program.cost)))
        for _ in range(ROUNDS):
            if time.monotonic() > self.deadline:
                break
            _, x, _ = solve_lp(self.highs, self.deadline)
            if x is None:
                break
            cost = float(program.cost @ x) + program.offset  # HiGHS says a scaled one once its time was up
            found = Valued(cost, x[self.columns], x)
            short = np.clip(lines.current(x) - x[lines.i_sq], 0.0, None) * lines.weight
            allowed = MISSED * abs(cost)
            if short.sum() <= allowed:
                break
            chosen = np.flatnonzero(short > allowed / len(short))
            append(self.highs, line_tangents(lines, x, chosen, len(x), equal=False))
        return found

    def greedy(self) -> Sites:
        """Units at the likeliest sites, one after the other, each kept where it pays."""
        chosen, relaxed = self.stated(), self.at(self.stated(), more=True)
        refused: set[int] = set()
        while time.monotonic() < self.deadline:
            site = next((site for site in likeliest(relaxed) if site not in chosen | refused), None)
            if site is None:
                break
            if self.pays(chosen | {site}, chosen):
                chosen, refused = chosen | {site}, set()
                relaxed = self.at(chosen, more=True)
            else:
                refused.add(site)
        return chosen

    def swapped(self, sites: Sites) -> Sites:
        """Sites after one unit has been moved, changed, dropped or added, as long as that pays."""
        while time.monotonic() < self.deadline:
            released = (*sorted(sites - self.stated()), None)
            better = next((found for one in released if (found := self.without(sites, one)) is not None), None)
            if better is None:
                break
            sites = better
        return sites

    def without(self, sites: Sites, released: int | None) -> Sites | None:
        """The best of what may stand in the place of one unit, or besides all; None where no move can pay."""
        kept = sites - {released} if released is not None else sites
        relaxed = self.at(kept, more=True)
        if not self.less(relaxed.cost, self.at(sites, more=False).cost):
            return None
        tried = [kept | {site} for site in likeliest(relaxed) if site not in kept][:TRIALS]
        best = min((kept, *tried), key=lambda trial: self.at(trial, more=False).cost)
        return best if self.pays(best, sites) else None

    def stated(self) -> Sites:
        """Sites at which a unit has to stand."""
        return frozenset(np.flatnonzero(self.lower > 0.5).tolist())

    def pays(self, sites: Sites, others: Sites) -> bool:
        """Whether sites cost less than others."""
        return self.less(self.at(sites, more=False).cost, self.at(others, more=False).cost)

    def less(self, cost: float, other: float) -> bool:
        """Whether a cost lies below another one by more than tolerances."""
        return cost < other - BETTER * abs(other) if np.isfinite(other) else cost < other

    def ranked(self) -> Iterator[tuple[float, Array]]:
        """All that was valued, the least cost first: cost and integer columns of the problem."""
        for sites, valued in sorted(self.known.items(), key=lambda item: (item[1].cost, sorted(item[0]))):
            if np.isfinite(valued.cost):
                yield valued.cost, self.integers(sites, valued)

    def integers(self, sites: Sites, valued: Valued) -> Array:
        """Integer columns of units at sites; storage works as it does on balance."""
        problem = self.problem
        x = self.network.point(valued.point)
        stored = problem.ways >= 0
        x[problem.ways[stored]] = (x[problem.charging] >= x[problem.discharging])[stored]
        x[self.sites] = np.isin(np.arange(len(self.sites)), list(sites))
        x[switch_columns(problem)] = self.topology
        return np.round(x[problem.integer])


def ranking(network: Network) -> Problem:
    """The linear program that ranks sites: losses and charging have their token prices.

    What an inverter of storage adds in reactive power says little of where it stands, and makes this slow: it is 0.
    """
    program, lines = network.program, network.lines
    cost = with_tokens(program.cost, lines.i_sq, lines.weight, program.charging)
    lower, upper, idle = program.lower.copy(), program.upper.copy(), program.circles.q[program.circles.on >= 0]
    lower[idle] = upper[idle] = 0.0
    return replace(program, cost=cost, lower=lower, upper=upper)


def likeliest(relaxed: Valued) -> list[int]:
    """Sites of which a relaxation builds a share, the largest first."""
    order = np.argsort(-relaxed.shares, kind="stable")
    return [int(site) for site in order if relaxed.shares[site] > SHARE]


def switch_columns(problem: Problem) -> Index:
    """Columns of the switches of all topologies."""
    return np.concatenate([graph.columns for graph in problem.switches] or [np.empty(0, dtype=np.int64)])


def nearest_topology(problem: Problem, point: Array) -> Array:
    """The switches of a point as trees: of every graph the edges most closed there, but those that close a loop."""
    near = np.clip(point, problem.lower, problem.upper)
    found = [spanning(graph, near[graph.columns]) for graph in problem.switches]
    return np.concatenate(found) if found else np.empty(0)


def spanning(graph: Switches, weights: Array) -> Array:
    """1 for the edges of a tree of greatest weight (Kruskal), 0 for the others."""
    closed, tree = np.zeros(len(weights)), {int(node): int(node) for node in np.unique(graph.ends)}

    def root(node: int) -> int:
        while tree[node] != node:
            node = tree[node]
        return node

    for edge in np.argsort(-weights, kind="stable").tolist():
        i, j = (root(int(node)) for node in graph.ends[edge])
        if i != j and weights[edge] > 0.0:
            tree[i], closed[edge] = j, 1.0
    return closed
