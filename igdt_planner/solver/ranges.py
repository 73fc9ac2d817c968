"""What intervals of units' outputs leave to flows, currents and voltages, and the secants that follow from it.

Works on the arrays of a decided network, in which every true state satisfies ``l w = P^2 + Q^2``.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from igdt_planner.solver.conic import implied
from igdt_planner.solver.decided import Lines, Network
from igdt_planner.solver.problem import Array, Index, Rows

PASSES, SETTLED, STILL = 60, 1e-3, 1e-8
"""Most passes over rows and lines; the share of a range, and the change, below which they end."""
ROUNDING, FLOW_ROUNDING = 1e-9, 1e-12
"""By what bounds are widened in every pass, and squares of flows, so that rounding cuts nothing off."""
CROSSED = 1e-6
"""By what bounds must cross to contradict each other."""
NO_CURRENT = 1e-6
"""Squared current below which a line says nothing of its voltage."""


def narrowed(network: Network, lower: Array, upper: Array) -> tuple[Array, Array] | None:
    """Column bounds that follow from rows and from the loss equation of every line; None where they contradict.

    Bottom-up from the outputs: balance rows pass on what a bus takes, the loss equation what its line loses.
    """
    rows, lines = network.program.rows, network.lines
    lower, upper = lower.copy(), upper.copy()
    for _ in range(PASSES):
        found_lower, found_upper = implied(rows, lower, upper)
        of_lines(lines, found_lower, found_upper)
        found_lower = np.maximum(lower, found_lower - ROUNDING * (1.0 + np.abs(found_lower)))
        found_upper = np.minimum(upper, found_upper + ROUNDING * (1.0 + np.abs(found_upper)))
        if np.any(found_lower > found_upper + CROSSED):
            return None
        low, high = np.minimum(found_lower, found_upper), np.maximum(found_lower, found_upper)
        with np.errstate(invalid="ignore"):
            moved, width = np.nan_to_num(np.maximum(low - lower, upper - high), posinf=np.inf), upper - lower
        settled = np.all(moved <= SETTLED * np.where(np.isfinite(width), width, 1.0) + STILL)
        lower, upper = low, high
        if settled:
            break
    return lower, upper


def of_lines(lines: Lines, lower: Array, upper: Array) -> None:
    """Tighten bounds in place by ``l w = P^2 + Q^2``."""
    w_low = np.where(lines.v_sq >= 0, lower[lines.v_sq], lines.nominal)
    w_high = np.where(lines.v_sq >= 0, upper[lines.v_sq], lines.nominal)
    p_low, p_high = square(lower[lines.p], upper[lines.p])
    q_low, q_high = square(lower[lines.q], upper[lines.q])
    with np.errstate(divide="ignore", invalid="ignore"):
        raise_to(lower, lines.i_sq, (p_low + q_low) / w_high)
        lower_to(upper, lines.i_sq, (p_high + q_high) / w_low)
        most = upper[lines.i_sq] * w_high
        for flow, other in ((lines.p, q_low), (lines.q, p_low)):
            size = np.sqrt(np.maximum(0.0, most - other) + FLOW_ROUNDING)
            raise_to(lower, flow, -size)
            lower_to(upper, flow, size)
        at = np.flatnonzero((lines.v_sq >= 0) & (lower[lines.i_sq] > NO_CURRENT))
        raise_to(lower, lines.v_sq[at], ((p_low + q_low) / upper[lines.i_sq])[at])
        lower_to(upper, lines.v_sq[at], ((p_high + q_high) / lower[lines.i_sq])[at])


def square(low: Array, high: Array) -> tuple[Array, Array]:
    """Least and largest square over ranges."""
    least = np.where((low <= 0.0) & (high >= 0.0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return least**2, np.maximum(np.abs(low), np.abs(high)) ** 2


def raise_to(bounds: Array, columns: Index, values: Array) -> None:
    """Raise lower bounds to values, where these are numbers."""
    np.maximum.at(bounds, columns, np.where(np.isfinite(values), values, -np.inf))


def lower_to(bounds: Array, columns: Index, values: Array) -> None:
    """Lower upper bounds to values, where these are numbers."""
    np.minimum.at(bounds, columns, np.where(np.isfinite(values), values, np.inf))


def secants(lines: Lines, lower: Array, upper: Array, columns: int) -> Rows:
    """(L3) Rows that forbid losses which do not exist: ``l w <= P^2 + Q^2``, both sides replaced by planes.

    ``P^2 <= (Pl + Ph) P - Pl Ph`` on a range, and ``l w`` is above ``l wl + Ll w - Ll wl`` and ``l wh + Lh w - Lh wh``
    (McCormick). Lines whose ranges are not finite have none.
    """
    p_low, p_high, q_low, q_high = lower[lines.p], upper[lines.p], lower[lines.q], upper[lines.q]
    known = np.isfinite(p_low + p_high + q_low + q_high + upper[lines.i_sq])
    has_v = lines.v_sq >= 0
    entries: list[tuple[Index, Index, Array]] = []
    sides: list[Array] = []
    count = 0
    for bounds, chosen in ((lower, known), (upper, known & has_v)):
        k = np.flatnonzero(chosen)
        number = count + np.arange(len(k))
        at, current = lines.v_sq[k], bounds[lines.i_sq[k]]
        w = np.where(at >= 0, bounds[at], lines.nominal[k])
        entries += [
            (number, lines.i_sq[k], w),
            (number, lines.p[k], -(p_low + p_high)[k]),
            (number, lines.q[k], -(q_low + q_high)[k]),
            (number[at >= 0], at[at >= 0], current[at >= 0]),
        ]
        sides.append(np.where(at >= 0, current * w, 0.0) - (p_low * p_high + q_low * q_high)[k])
        count += len(k)
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.csr_matrix((value, (row, column)), shape=(count, columns))
    return Rows(matrix, np.full(count, -np.inf), np.concatenate(sides))


def line_tangents(lines: Lines, x: Array, chosen: Index, columns: int, *, equal: bool) -> Rows:
    """(L4) Tangents of ``l w = P^2 + Q^2`` at the flows and voltages of a point: rows below the cone, or equations.

    ``l >= 2 P0/w0 P + 2 Q0/w0 Q - (P0^2 + Q0^2)/w0^2 w``; as an equation it is the first-order part of the loss
    equation at a point that satisfies it.
    """
    k = lines.select(chosen)
    w, current = np.maximum(k.width(x), 1e-6), k.current(x)
    number, has_v = np.arange(len(chosen)), k.v_sq >= 0
    entries = [
        (number, k.i_sq, np.ones(len(chosen))),
        (number, k.p, -2.0 * x[k.p] / w),
        (number, k.q, -2.0 * x[k.q] / w),
        (number[has_v], k.v_sq[has_v], (current / w)[has_v]),
    ]
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    side = np.where(has_v, 0.0, -current)
    matrix = sparse.csr_matrix((value, (row, column)), shape=(len(chosen), columns))
    return Rows(matrix, side, side if equal else np.full(len(chosen), np.inf))
