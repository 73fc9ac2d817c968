"""A decided problem asked at many points: linear programs from one basis, inside the solver process.

Columns of deviation are held where they are asked; their reduced costs say how the cost changes with them. Where the
linear program believes losses that do not exist, the point is dispatched exactly: a relaxation judges nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import highspy
import numpy as np

from igdt_planner.errors import SolverError
from igdt_planner.solver.decided import reach
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
    tangents,
    with_tokens,
)
from igdt_planner.solver.refine import LEAST_TOLERANCE, dispatched, runs_as_it_is

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
    """

    problem: Problem | None
    options: Options
    columns: Index
    values: Array
    priced: Index
    costs: Array


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


Found = tuple[float, Array, Array, float]
"""Cost, gradient, priced values and violation at one point."""


class Probe:
    """One decided problem in HiGHS, with the tangents of all points asked so far."""

    def __init__(self, problem: Problem, options: Options) -> None:
        self.problem, self.moved = problem, reach(problem.rows, problem.cones.i_sq)
        self.start(options)

    def start(self, options: Options, tolerance: float = TOLERANCE) -> None:
        """Hold the problem without a basis, and without tangents."""
        problem = self.problem
        priced = with_tokens(problem.cost, problem.cones.i_sq, problem.cones.weight, problem.charging)
        self.highs = to_highs(replace(problem, cost=priced), no_rows(len(priced)), options, integral=False)
        set_option(self.highs, "primal_feasibility_tolerance", tolerance)
        set_option(self.highs, "dual_feasibility_tolerance", tolerance)

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
        """Cost, gradient and priced values at one point; asked afresh where what was asked before leads astray."""
        deadline = time.monotonic() + points.options.time_limit_s
        for options, tolerance in ((None, TOLERANCE), (points.options, TOLERANCE), (points.options, COARSE)):
            if options is not None:
                self.start(replace(options, presolve=tolerance == TOLERANCE), tolerance)
            found = self.attempt(points, n, deadline)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                reason = f"overran its time limit of {points.options.time_limit_s:g} s"
                raise SolverError(f"the dispatch at a point of the uncertainty set {reason}")
        status = self.highs.modelStatusToString(self.highs.getModelStatus())
        raise SolverError(f"the dispatch at a point of the uncertainty set ended with {status}")

    def attempt(self, points: Points, n: int, deadline: float) -> Found | None:
        """The answer at a point; None where HiGHS has none, or too late."""
        held, prices = points.values[n], points.costs[n]
        self.highs.changeColsBounds(len(held), points.columns.astype(np.int32), held, held)
        if len(prices):
            self.highs.changeColsCost(len(prices), points.priced.astype(np.int32), prices)
        for _ in range(ROUNDS):
            status, x, value = solve_lp(self.highs, deadline)
            if status == highspy.HighsModelStatus.kInfeasible:
                return np.inf, np.zeros(len(held)), np.zeros(len(prices)), np.inf
            if x is None or time.monotonic() > deadline:
                return None
            missed = tangents(self.problem, x, max(CONE_TOLERANCE * abs(value), LEAST_TOLERANCE))
            fresh = stack(missed, circle_tangents(self.problem.circles, x, len(x), CIRCLE_TOLERANCE))
            if not len(fresh.lower):
                break
            append(self.highs, fresh)
        assert x is not None
        gradient = np.array(self.highs.getSolution().col_dual)[points.columns]
        cost = self.problem.cost.copy()
        cost[points.priced] = prices
        if runs_as_it_is(self.problem, x, self.moved):
            return float(cost @ x) + self.problem.offset, gradient, x[points.priced], 0.0
        asked = hold(replace(self.problem, cost=cost), points.columns, held)
        return self.exact(asked, x, points, gradient, deadline)

    def exact(self, asked: Problem, x: Array, points: Points, gradient: Array, deadline: float) -> Found:
        """The AC-exact dispatch at a point of the relaxation; its gradient is that of the relaxation: a guess."""
        found = dispatched(asked, x, no_rows(len(x)), points.options, deadline)
        if found.x is not None:
            return found.value, gradient, found.x[points.priced], 0.0
        violation = max((np.inf if one is None else one.violation for one in found.dispatches), default=np.inf)
        return np.inf, gradient, np.zeros(len(points.priced)), float(violation)
