"""A decided problem asked at many points, part by part, inside the solver process.

Parts are moments that nothing joins. Each keeps its linear program with tangents and basis of the points before, and
what it answered. Columns of deviation are held where they are asked; their reduced costs say how the cost changes with
them. Where the linear program believes losses that do not exist, the part is dispatched exactly: a relaxation judges
nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import highspy
import numpy as np

from igdt_planner.errors import SolverError
from igdt_planner.solver.decided import Network, decided_network
from igdt_planner.solver.highs import Options, append, set_option, solve_lp, to_highs
from igdt_planner.solver.problem import (
    CIRCLE_TOLERANCE,
    Array,
    Index,
    Problem,
    circle_tangents,
    hold,
    no_rows,
    stack,
    with_tokens,
)
from igdt_planner.solver.ranges import line_tangents
from igdt_planner.solver.refine import FLOATING, LEAST_TOLERANCE, burns, dispatched_part, exceeds

CONE_TOLERANCE = 1e-8
"""Loss that one cone may miss, as a share of the cost."""
TOLERANCE, COARSE = 1e-9, 1e-7
"""Tolerance of rows and reduced costs, and the one that is asked for at last."""
ROUNDS = 40
"""Most rounds of tangents at one point."""


@dataclass(frozen=True)
class Points:
    """Points to be asked.

    Attributes
    ----------
    problem : Problem or None
        Its integer columns are held; None asks the problem of the last points again.
    options : Options
        Threads, seed, and time limit of one point; a process never changes its number of threads.
    columns, values : array, shape (deviations,) and (points, deviations)
        Columns of deviation and where they are held.
    priced, costs : array, shape (priced,) and (points, priced)
        Columns whose cost deviates, and their cost.
    exact : bool
        Whether points at which cones float are dispatched; else the relaxation answers: it leads, and proves nothing.
    """

    problem: Problem | None
    options: Options
    columns: Index
    values: Array
    priced: Index
    costs: Array
    exact: bool = True


@dataclass(frozen=True)
class Reply:
    """Cost at every point, its gradient, the values priced, and by how much limits are broken at least, per unit.

    Where the decisions cannot be run the cost is infinite; the violation is infinite too where even the relaxation
    cannot, or no dispatch was found.
    """

    cost: Array
    gradient: Array
    bought: Array
    violation: Array


class Found(NamedTuple):
    """Cost, gradient, priced values and violation of a part, or of all, at one point."""

    cost: float
    gradient: Array
    bought: Array
    violation: float


class Probe:
    """One decided problem: its parts, and where the columns asked for have their places in them."""

    def __init__(self, points: Points) -> None:
        assert points.problem is not None
        self.problem = points.problem
        forecast = hold(self.problem, points.columns, np.zeros(len(points.columns)))
        highs = to_highs(forecast, no_rows(len(forecast.cost)), points.options, integral=False)
        _, x, _ = solve_lp(highs, time.monotonic() + points.options.time_limit_s)
        self.parts: list[Part] = []
        self.network: Network | None = None
        if x is not None:  # what lives, and which way: both follow from the decisions
            self.network = decided_network(self.problem, x)
            self.parts = [Part(self.network, columns, points) for columns in self.network.parts()]

    def ask(self, points: Points) -> Reply:
        """All points, one after another.

        Raises
        ------
        SolverError
            The dispatch at a point overran its time limit, or ended without an answer otherwise.
        """
        rows = [self.at(points, n) for n in range(len(points.values))]
        cost, gradient, bought, violation = (np.array(column) for column in zip(*rows, strict=True))
        return Reply(cost, gradient, bought, violation)

    def at(self, points: Points, n: int) -> Found:
        """Cost, gradient and priced values at one point."""
        held, prices = points.values[n], points.costs[n]
        gradient, bought = np.zeros(len(held)), np.zeros(len(prices))
        if self.network is None:
            return Found(np.inf, gradient, bought, np.inf)
        rest = self.network.rest[points.priced]
        cost = self.network.program.offset + float((prices - self.problem.cost[points.priced]) @ rest)
        violation, deadline = 0.0, time.monotonic() + points.options.time_limit_s
        for part in self.parts:
            found = part.answer(held[part.deviating], prices[part.bought], deadline, exact=points.exact)
            cost, violation = cost + found.cost, max(violation, found.violation)
            gradient[part.deviating] += found.gradient
            bought[part.bought] = found.bought
        return Found(cost, gradient, bought + rest, violation)


class Part:
    """Some columns of a decided network in HiGHS, with the tangents of all points asked so far, and the answers."""

    def __init__(self, whole: Network, columns: Index, points: Points) -> None:
        self.network, self.options = whole.part(columns), points.options
        place = np.full(len(whole.rest), -1)
        place[whole.columns[columns]] = np.arange(len(columns))
        self.deviating = np.flatnonzero(place[points.columns] >= 0)
        self.bought = np.flatnonzero(place[points.priced] >= 0)
        self.columns, self.priced = place[points.columns[self.deviating]], place[points.priced[self.bought]]
        self.tangents = no_rows(len(columns))
        self.answers: dict[tuple[bytes, bytes, bool], Found] = {}
        self.start()

    def start(self, tolerance: float = TOLERANCE, *, presolve: bool = True) -> None:
        """Hold the program without a basis."""
        program, lines = self.network.program, self.network.lines
        priced = replace(program, cost=with_tokens(program.cost, lines.i_sq, lines.weight, program.charging))
        options = replace(self.options, presolve=presolve)
        self.highs: Any = to_highs(priced, self.tangents, options, integral=False)
        set_option(self.highs, "primal_feasibility_tolerance", tolerance)
        set_option(self.highs, "dual_feasibility_tolerance", tolerance)

    def answer(self, values: Array, prices: Array, deadline: float, *, exact: bool) -> Found:
        """Cost, gradient and priced values where deviations and prices are held: from memory, or asked.

        Raises
        ------
        SolverError
            There is no answer, or none in time.
        """
        key = values.tobytes(), prices.tobytes(), exact
        if key not in self.answers:
            self.answers[key] = self.asked(values, prices, deadline, exact=exact)
        return self.answers[key]

    def asked(self, values: Array, prices: Array, deadline: float, *, exact: bool) -> Found:
        """The same, asked; afresh where what was asked before leads astray."""
        for again, tolerance in ((False, TOLERANCE), (True, TOLERANCE), (True, COARSE)):
            if again:
                self.tangents = no_rows(len(self.network.program.cost))
                self.start(tolerance, presolve=tolerance == TOLERANCE)
            found = self.attempt(values, prices, deadline, exact=exact)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                reason = f"overran its time limit of {self.options.time_limit_s:g} s"
                raise SolverError(f"the dispatch at a point of the uncertainty set {reason}")
        status = self.highs.modelStatusToString(self.highs.getModelStatus())
        raise SolverError(f"the dispatch at a point of the uncertainty set ended with {status}")

    def attempt(self, values: Array, prices: Array, deadline: float, *, exact: bool) -> Found | None:
        """The answer where HiGHS has one in time."""
        network, none = self.network, (np.zeros(len(values)), np.zeros(len(prices)))
        self.highs.changeColsBounds(len(values), self.columns.astype(np.int32), values, values)
        if len(prices):
            self.highs.changeColsCost(len(prices), self.priced.astype(np.int32), prices)
        for _ in range(ROUNDS):
            status, x, value = solve_lp(self.highs, deadline)
            if status == highspy.HighsModelStatus.kInfeasible:
                return Found(np.inf, *none, np.inf)
            if x is None or time.monotonic() > deadline:
                return None
            short = (network.lines.current(x) - x[network.lines.i_sq]) * network.lines.weight
            missing = np.flatnonzero(short > max(CONE_TOLERANCE * abs(value), LEAST_TOLERANCE))
            rounding = circle_tangents(network.program.circles, x, len(x), CIRCLE_TOLERANCE)
            if not len(missing) and not len(rounding.lower):
                break
            fresh = stack(line_tangents(network.lines, x, missing, len(x), equal=False), rounding)
            self.tangents = stack(self.tangents, fresh)
            append(self.highs, fresh)
        assert x is not None
        gradient = np.array(self.highs.getSolution().col_dual)[self.columns]
        cost = network.program.cost.copy()
        cost[self.priced] = prices
        here = replace(network, program=hold(replace(network.program, cost=cost), self.columns, values))
        if not exact or runs(here, x):
            return Found(float(cost @ x), gradient, x[self.priced], 0.0)
        found = dispatched_part(here, x, self.options, deadline)
        if found is not None and found.feasible:
            return Found(found.cost, gradient, found.x[self.priced], 0.0)
        return Found(np.inf, *none, np.inf if found is None else found.violation)


def runs(network: Network, x: Array) -> bool:
    """Whether a point of a relaxation is a dispatch, but for loops: no cone floats, nothing is burned or exceeded."""
    lines, program = network.lines, network.program
    floats = float((np.clip(x[lines.i_sq] - lines.current(x), 0.0, None) * lines.reach).sum())
    return not (floats > FLOATING or burns(program, x) or exceeds(program, x))
