"""HiGHS as the other modules call it: a linear program with its options, more rows, an LP run from the last basis."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from igdt_planner.solver.problem import Array, Problem, Rows, stack

DEAREST = 1e3
"""Cost of the dearest column above which a linear program is scaled: HiGHS gives up where multipliers are too large."""
ASTRAY = (
    highspy.HighsModelStatus.kNotset,
    highspy.HighsModelStatus.kUnknown,
    highspy.HighsModelStatus.kIterationLimit,
    highspy.HighsModelStatus.kSolveError,
)
"""Status of an LP that is neither solved nor proven anything."""


@dataclass(frozen=True)
class Options:
    """Limits of one solve.

    ``starts`` are values of the integer columns to try first, ``seek`` says whether to look for other plans while the
    bound is raised; branch and bound may stop where nothing below ``cutoff`` is left, and after ``nodes`` in all. A
    plan that is not ``exact`` has its cost right, but not every loss that costs nothing. Where an objective (of a
    question: alpha, with its sign) is known to be reached, bounds ``beyond`` it are all that is wanted. Where the gap
    is above ``rest_gap``, the time limit is ``latest_s``, if that is longer.
    """

    time_limit_s: float = 60.0
    gap: float = 1e-3
    threads: int = 1
    seed: int = 0
    presolve: bool = True
    starts: tuple[Array, ...] = ()
    seek: bool = True
    exact: bool = True
    cutoff: float = np.inf
    nodes: int | None = None
    beyond: float | None = None
    rest_gap: float = np.inf
    latest_s: float = 0.0

    @property
    def longest_s(self) -> float:
        """The time limit whatever the gap."""
        return max(self.time_limit_s, self.latest_s)


def to_highs(problem: Problem, cuts: Rows, options: Options, *, integral: bool) -> Any:
    """A HiGHS object that holds the problem and its tangents."""
    rows = stack(problem.rows, cuts)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(problem.cost), len(rows.lower)
    lp.col_cost_, lp.offset_ = problem.cost, problem.offset
    lp.col_lower_, lp.col_upper_ = problem.lower, problem.upper
    lp.row_lower_, lp.row_upper_ = rows.lower, rows.upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = (
        rows.matrix.indptr,
        rows.matrix.indices,
        rows.matrix.data,
    )
    if integral:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in problem.integer]
    highs = highspy.Highs()
    set_option(highs, "log_to_console", False)
    set_option(highs, "threads", options.threads)
    set_option(highs, "parallel", "on" if options.threads > 1 else "off")
    set_option(highs, "random_seed", options.seed)
    dearest = float(np.abs(problem.cost).max(initial=0.0))
    if dearest > DEAREST and not integral:
        set_option(highs, "user_objective_scale", -int(np.ceil(np.log2(dearest / DEAREST))))
    if not options.presolve:
        set_option(highs, "presolve", "off")
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refused the model")
    return highs


def set_option(highs: Any, name: str, value: object) -> None:
    """Set a HiGHS option; a name or value that HiGHS does not take is an error, not silence."""
    if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
        raise ValueError(f"HiGHS does not take option {name} = {value}")


def append(highs: Any, rows: Rows) -> None:
    """Append rows to a loaded model."""
    matrix = rows.matrix
    content = (matrix.nnz, matrix.indptr[:-1], matrix.indices, matrix.data)
    if highs.addRows(len(rows.lower), rows.lower, rows.upper, *content) == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refused rows")


def start_from(highs: Any, basis: Any) -> None:
    """Start from the basis of a model with the same columns and nearly the same rows; None: from nothing.

    HiGHS makes a basis of what is none; rows beyond those known are basic.
    """
    if basis is None or not basis.valid:
        return
    known, rows = highspy.HighsBasis(), list(basis.row_status)[: highs.getNumRow()]
    known.valid = known.alien = True
    known.col_status = basis.col_status
    known.row_status = rows + [highspy.HighsBasisStatus.kBasic] * (highs.getNumRow() - len(rows))
    highs.setBasis(known)


def solve_lp(highs: Any, deadline: float) -> tuple[Any, Array | None, float]:
    """Run an LP from the last basis: status, point if optimal, value."""
    set_option(highs, "time_limit", highs.getRunTime() + max(1.0, deadline - time.monotonic()))
    highs.run()
    if highs.getModelStatus() in ASTRAY:  # a warm start that leads nowhere: start afresh
        highs.clearSolver()
        highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:  # so says presolve, at times of what is not
        set_option(highs, "presolve", "off")
        highs.clearSolver()
        highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        return status, None, -np.inf
    return status, np.array(highs.getSolution().col_value), float(highs.getInfo().objective_function_value)
