"""Any other MILP solver that Pyomo knows by name, in place of HiGHS branch and bound."""

from __future__ import annotations

import time
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo

from igdt_planner.errors import SolverError
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import Emit
from igdt_planner.solver.problem import Array, Problem, Rows, stack


def pyomo_branch(name: str) -> Any:
    """A branch and bound with the signature of :func:`igdt_planner.solver.milp.branch` that calls a Pyomo solver."""

    def branch(
        problem: Problem, cuts: Rows, start: Array | None, options: Options, deadline: float, emit: Emit
    ) -> tuple[Any, Array | None, float, int]:
        """Status, integer columns, bound and nodes (always 0: Pyomo does not tell)."""
        model = to_pyomo(problem, stack(problem.rows, cuts))
        try:
            answer = pyo.SolverFactory(name).solve(
                model, load_solutions=False, timelimit=max(1.0, deadline - time.monotonic())
            )
        except Exception as error:  # solvers raise whatever they like
            raise SolverError(f"solver {name}: {error}") from None
        found = answer.solver.termination_condition
        if found == pyo.TerminationCondition.infeasible:
            return highspy.HighsModelStatus.kInfeasible, None, np.inf, 0
        if not len(answer.solution):
            return highspy.HighsModelStatus.kUnknown, None, -np.inf, 0
        model.solutions.load_from(answer)
        columns = np.flatnonzero(problem.integer)
        values = np.round([float(pyo.value(model.x[int(column)], exception=False) or 0.0) for column in columns])
        bound = answer.problem.lower_bound
        return highspy.HighsModelStatus.kOptimal, values, float(bound) if bound is not None else -np.inf, 0

    return branch


def to_pyomo(problem: Problem, rows: Rows) -> Any:
    """Arrays as a Pyomo model."""
    model = pyo.ConcreteModel()
    kinds = {True: pyo.Integers, False: pyo.Reals}
    model.x = pyo.Var(
        range(len(problem.cost)),
        domain=lambda m, i: kinds[bool(problem.integer[i])],
        bounds=lambda m, i: (finite(problem.lower[i]), finite(problem.upper[i])),
    )
    matrix = rows.matrix

    def row(m: Any, r: int) -> Any:
        span = slice(matrix.indptr[r], matrix.indptr[r + 1])
        body = sum(value * m.x[int(c)] for c, value in zip(matrix.indices[span], matrix.data[span], strict=True))
        return pyo.inequality(finite(rows.lower[r]), body, finite(rows.upper[r]))

    filled = [r for r in range(len(rows.lower)) if matrix.indptr[r + 1] > matrix.indptr[r]]
    model.row = pyo.Constraint(filled, rule=row)
    model.cost = pyo.Objective(
        expr=sum(float(c) * model.x[i] for i, c in enumerate(problem.cost) if c) + problem.offset
    )
    return model


def finite(value: Any) -> float | None:
    """A bound as Pyomo takes it."""
    return float(value) if np.isfinite(value) else None
