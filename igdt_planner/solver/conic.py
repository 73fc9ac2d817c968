"""The relaxation of a problem with its loss cones exact, by conic interior point, and bounds that need not trust it.

Works on arrays alone. Integer columns are free between their bounds. A bound is computed from the multipliers of rows
and cones over the column bounds: multipliers that are a little wrong make it a little lower and never wrong. That
nothing is feasible is believed only where the multipliers prove it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import clarabel
import numpy as np
from scipy import sparse

from igdt_planner.solver.problem import Array, Problem, Rows

GAP, FEASIBILITY = 1e-8, 1e-8
"""Gap, as a share of the scale of the objective, and infeasibility at which interior point stops."""
LEAST_TIME_S = 1.0
"""Time that a solve gets even after the deadline, so that it says something."""
FIXED = 1e-12
"""Distance between column bounds that leaves nothing to decide."""
CONTRADICTION = 1e-7
"""Distance by which column bounds from rows may cross, and what a proof that nothing is feasible exceeds."""
LEAST_ENTRY = 1e-9
"""A smaller entry of a row may be rounding, and says nothing of its column."""
PASSES = 3
"""Passes over the rows from which column bounds are taken."""


@dataclass(frozen=True)
class Multipliers:
    """Of rows (positive where the lower limit pushes, negative the upper) and of cone rows."""

    rows: Array
    cones: Array


def cone_rows(problem: Problem) -> sparse.csr_matrix:
    """Four rows a cone: ``i w >= P^2 + Q^2`` is ``i + w >= |(i - w, 2 P, 2 Q)|``.

    ``w`` is below the voltage and below ``v_sq_ub on``: a cone each, one where the voltage is itself below the other.
    """
    cones, columns = problem.cones, len(problem.cost)
    by_voltage = np.flatnonzero(cones.v_sq >= 0)
    by_switch = np.flatnonzero((cones.v_sq < 0) | ~cones.switched)
    number = np.concatenate([by_voltage, by_switch])
    w = np.concatenate([cones.v_sq[by_voltage], cones.on[by_switch]])
    factor = np.concatenate([np.ones(len(by_voltage)), cones.v_sq_ub[by_switch]])
    first, one = 4 * np.arange(len(number)), np.ones(len(number))
    entries = [
        (first, cones.i_sq[number], one),
        (first, w, factor),
        (first + 1, cones.i_sq[number], one),
        (first + 1, w, -factor),
        (first + 2, cones.p_flow[number], 2.0 * one),
        (first + 3, cones.q_flow[number], 2.0 * one),
    ]
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    return sparse.csr_matrix((value, (row, column)), shape=(4 * len(number), columns))


def relaxation(problem: Problem, deadline: float) -> tuple[Array, float, Array]:
    """A point of the relaxation with its cones exact but for tolerances, a bound of the problem, multipliers of rows.

    The bound is infinite where nothing is feasible, and minus infinity where the multipliers prove nothing.
    """
    cones = cone_rows(problem)
    lower, upper, feasible = decided(problem.rows, *limited(problem.rows, problem.lower, problem.upper))
    if not feasible:
        return problem.lower, np.inf, np.zeros(len(problem.rows.lower))
    point, multipliers, infeasible = relaxed(replace(problem, lower=lower, upper=upper), cones, 0.0, deadline)
    cost = np.zeros_like(problem.cost) if infeasible else problem.cost
    constant, reduced, _ = lagrangian(problem.rows, cones, cost, multipliers)
    bound = constant + least(reduced, lower, upper)
    if infeasible:
        return point, np.inf if bound > CONTRADICTION else -np.inf, multipliers.rows
    return point, bound + problem.offset, multipliers.rows


def relaxed(
    problem: Problem, cones: sparse.csr_matrix, scale: float, deadline: float
) -> tuple[Array, Multipliers, bool]:
    """A point of the relaxation, its multipliers, and whether they are said to prove that there is none.

    Columns whose bounds leave nothing to decide are left out, and so are rows and cones over them alone. Cut by the
    deadline, the multipliers still bound the problem, only less well.
    """
    lower, upper, rows = problem.lower, problem.upper, problem.rows
    free = np.flatnonzero(upper - lower > FIXED)
    point: Array = np.where(upper - lower > FIXED, 0.0, lower)
    matrix, shift = sparse.csr_matrix(rows.matrix[:, free]), rows.matrix @ point
    low, high, used = rows.lower - shift, rows.upper - shift, np.diff(matrix.indptr) > 0
    equal = np.flatnonzero(used & (low == high))
    below = np.flatnonzero(used & (low != high) & np.isfinite(high))
    above = np.flatnonzero(used & (low != high) & np.isfinite(low))
    over_free = sparse.csr_matrix(cones[:, free])
    alive = np.repeat(np.diff(over_free.indptr).reshape(-1, 4).sum(axis=1) > 0, 4)
    capped, floored = np.flatnonzero(np.isfinite(upper[free])), np.flatnonzero(np.isfinite(lower[free]))
    unit = sparse.identity(len(free), format="csr")
    parts = [
        (matrix[equal], high[equal]),
        (matrix[below], high[below]),
        (-matrix[above], -low[above]),
        (unit[capped], upper[free][capped]),
        (-unit[floored], -lower[free][floored]),
        (-over_free[alive], (cones @ point)[alive]),
    ]
    ends = np.cumsum([0, *(len(side) for _, side in parts)])
    kinds = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(int(ends[5] - ends[1]))]
    kinds += [clarabel.SecondOrderConeT(4)] * (int(alive.sum()) // 4)
    found = clarabel.DefaultSolver(
        sparse.csc_matrix((len(free), len(free))),
        problem.cost[free],
        sparse.vstack([part for part, _ in parts], format="csc"),
        np.concatenate([side for _, side in parts]),
        kinds,
        settings(scale, deadline),
    ).solve()
    point[free] = np.nan_to_num(found.x)
    multipliers = np.nan_to_num(found.z)
    equals, belows, aboves, _, _, cone = (multipliers[a:b] for a, b in pairwise(ends))
    of_rows, of_cones = np.zeros(len(rows.lower)), np.zeros(len(alive))
    of_rows[equal] = -equals
    of_rows[below] -= belows
    of_rows[above] += aboves
    of_cones[alive] = cone
    return point, Multipliers(of_rows, of_cones), found.status == clarabel.SolverStatus.PrimalInfeasible


def settings(scale: float, deadline: float) -> clarabel.DefaultSettings:
    """One thread, so that solves run side by side and the same input gives the same point."""
    out = clarabel.DefaultSettings()
    out.verbose, out.max_threads = False, 1
    out.time_limit = max(LEAST_TIME_S, deadline - time.monotonic())
    out.tol_gap_rel, out.tol_gap_abs, out.tol_feas = GAP, GAP * abs(scale), FEASIBILITY
    return out


def lagrangian(
    rows: Rows, cones: sparse.csr_matrix, cost: Array, multipliers: Multipliers
) -> tuple[float, Array, Multipliers]:
    """Constant and reduced costs whose least value over the column bounds bounds the problem from below.

    Multipliers of a wrong sign, or outside their cone, are mended first; the mended ones are returned.
    """
    duals = multipliers.rows
    duals = np.where(np.isfinite(rows.lower), duals, np.minimum(duals, 0.0))
    duals = np.where(np.isfinite(rows.upper), duals, np.maximum(duals, 0.0))
    of_cones = multipliers.cones.reshape(-1, 4).copy()
    of_cones[:, 0] = np.maximum(of_cones[:, 0], np.linalg.norm(of_cones[:, 1:], axis=1))
    side = np.where(duals > 0, rows.lower, rows.upper)
    constant = float(duals[duals != 0] @ side[duals != 0])
    reduced = cost - rows.matrix.T @ duals - cones.T @ of_cones.ravel()
    return constant, reduced, Multipliers(duals, of_cones.ravel())


def least(reduced: Array, lower: Array, upper: Array) -> float:
    """Smallest value of reduced costs over column bounds."""
    priced = reduced != 0.0
    return float(np.minimum(reduced[priced] * lower[priced], reduced[priced] * upper[priced]).sum())


def implied(rows: Rows, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Column bounds that follow from single rows and the bounds of their other columns."""
    matrix = rows.matrix.tocoo()
    row, column, value = matrix.row, matrix.col, matrix.data
    least_value = np.where(value > 0, value * lower[column], value * upper[column])
    most_value = np.where(value > 0, value * upper[column], value * lower[column])
    found_lower, found_upper = lower.copy(), upper.copy()
    for activity, limit, sign in ((least_value, rows.upper, 1.0), (most_value, rows.lower, -1.0)):
        open_ended = ~np.isfinite(activity)
        known = np.where(open_ended, 0.0, activity)
        others_open = np.bincount(row, weights=open_ended, minlength=len(limit))[row] - open_ended
        rest = np.bincount(row, weights=known, minlength=len(limit))[row] - known
        usable = (others_open == 0) & np.isfinite(limit[row]) & (np.abs(value) > LEAST_ENTRY)
        bound = (limit[row] - rest)[usable] / value[usable]
        from_above = sign * value[usable] > 0
        np.minimum.at(found_upper, column[usable][from_above], bound[from_above])
        np.maximum.at(found_lower, column[usable][~from_above], bound[~from_above])
    return found_lower, found_upper


def limited(rows: Rows, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Column bounds, taken from the rows where none are stated."""
    for _ in range(PASSES):
        found_lower, found_upper = implied(rows, lower, upper)
        lower, upper = (
            np.where(np.isfinite(lower), lower, found_lower),
            np.where(np.isfinite(upper), upper, found_upper),
        )
    return lower, upper


def decided(rows: Rows, lower: Array, upper: Array) -> tuple[Array, Array, bool]:
    """Column bounds, closed where the rows leave nothing to decide, and whether the rows leave anything at all."""
    for _ in range(PASSES):
        found_lower, found_upper = implied(rows, lower, upper)
        if np.any(found_lower > upper + CONTRADICTION) or np.any(found_upper < lower - CONTRADICTION):
            return lower, upper, False
        found_lower, found_upper = np.maximum(lower, found_lower), np.minimum(upper, found_upper)
        closed = found_upper - found_lower <= FIXED
        lower, upper = np.where(closed, found_upper, lower), np.where(closed, found_upper, upper)
    return lower, upper, True
