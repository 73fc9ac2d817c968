"""A decided problem asked at many points: linear programs from one basis, inside the solver process.

Columns of deviation are held where they are asked; their reduced costs say how the cost changes with them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np

from igdt_planner.errors import SolverError
from igdt_planner.milp import LEAST_TOLERANCE, Options, append, set_option, solve_lp, to_highs
from igdt_planner.problem import Array, Index, Problem, no_rows, tangents

CONE_TOLERANCE = 1e-8
"""Loss that one cone may miss, as a share of the cost."""
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
    """Cost at every point (infinite where the decisions cannot be run), its gradient, and the values priced."""

    cost: Array
    gradient: Array
    bought: Array


class Probe:
    """One decided problem in HiGHS, with the tangents of all points asked so far."""

    def __init__(self, problem: Problem, options: Options) -> None:
        self.problem = problem
        self.highs = to_highs(problem, no_rows(len(problem.cost)), options, integral=False)
        set_option(self.highs, "primal_feasibility_tolerance", 1e-9)
        set_option(self.highs, "dual_feasibility_tolerance", 1e-9)

    def ask(self, points: Points) -> Reply:
        """All points, one after another.

        Raises
        ------
        SolverError
            The dispatch at a point overran its time limit, or ended without an answer otherwise.
        """
        rows = [self.at(points, n) for n in range(len(points.values))]
        cost, gradient, bought = (np.array(column) for column in zip(*rows, strict=True))
        return Reply(cost, gradient, bought)

    def at(self, points: Points, n: int) -> tuple[float, Array, Array]:
        """Cost, gradient and priced values at one point."""
        held, prices = points.values[n], points.costs[n]
        self.highs.changeColsBounds(len(held), points.columns.astype(np.int32), held, held)
        if len(prices):
            self.highs.changeColsCost(len(prices), points.priced.astype(np.int32), prices)
        deadline = time.monotonic() + points.options.time_limit_s
        for _ in range(ROUNDS):
            status, x, value = solve_lp(self.highs, deadline)
            if status == highspy.HighsModelStatus.kInfeasible:
                return np.inf, np.zeros(len(held)), np.zeros(len(prices))
            late = time.monotonic() > deadline
            if x is None or late:
                limit = f"overran its time limit of {points.options.time_limit_s:g} s"
                reason = limit if late else f"ended with {self.highs.modelStatusToString(status)}"
                raise SolverError(f"the dispatch at a point of the uncertainty set {reason}")
            fresh = tangents(self.problem, x, max(CONE_TOLERANCE * abs(value), LEAST_TOLERANCE))
            if not len(fresh.lower):
                break
            append(self.highs, fresh)
        assert x is not None
        reduced = np.array(self.highs.getSolution().col_dual)
        return value, reduced[points.columns], x[points.priced]
