"""Violations in plain words, and the one comparison that all limits share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Bools, Floats, Ints
from igdt_planner.plan import Violation

TOLERANCE_PU = 1e-6
"""Of voltages in per unit, and of currents as a share of the rating."""

TOLERANCE_MW = 1e-6
"""One watt, one var; of energies one watt-hour."""


@dataclass(frozen=True)
class Limit:
    """What a limit is called: the text names the component and ends where the value follows, ``"bus {id} at"``."""

    kind: str
    component: str
    text: str
    unit: str
    tolerance: float = TOLERANCE_MW


def bounded(
    operation: Operation, limit: Limit, ids: Ints, values: Floats, lower: ArrayLike, upper: ArrayLike, judged: ArrayLike
) -> Iterator[Violation]:
    """Violations of ``lower <= values <= upper`` where ``judged``; a NaN is a violation, a NaN limit is none.

    All arrays broadcast to periods by ids.
    """
    low = np.broadcast_to(np.nan_to_num(np.asarray(lower, dtype=float), nan=-np.inf), values.shape)
    high = np.broadcast_to(np.nan_to_num(np.asarray(upper, dtype=float), nan=np.inf), values.shape)
    fits = (values >= low - limit.tolerance) & (values <= high + limit.tolerance)
    for row, column in where(~fits & np.asarray(judged, dtype=bool)):
        below = values[row, column] < low[row, column]
        value, bound = values[row, column], (low if below else high)[row, column]
        shown = contrast(value, bound)
        text = f"{limit.text.format(id=ids[column])} {shown[0]} {limit.unit}"
        text += f" is {'below' if below else 'above'} {shown[1]} {limit.unit}"
        yield found(operation, limit.kind, row, limit.component, ids[column], text, value, bound, limit.unit)


def found(
    operation: Operation,
    kind: str,
    row: int,
    component: str,
    number: int,
    text: str,
    value: float = 0.0,
    limit: float = 0.0,
    unit: str = "",
) -> Violation:
    """A violation in the period of position ``row``; the text is completed by mode and period."""
    period = int(operation.periods[row])
    message = f"{text} ({operation.mode}, period {period})"
    return Violation(kind, operation.mode, period, component, int(number), float(value), float(limit), unit, message)


def where(mask: Bools) -> Iterator[tuple[int, int]]:
    """Positions (row, column) where a mask is true."""
    for row, column in zip(*np.nonzero(mask), strict=True):
        yield int(row), int(column)


def contrast(value: float, limit: float) -> tuple[str, str]:
    """Two numbers with as many decimals as it takes to tell them apart, at least four."""
    texts = "", ""
    for digits in range(4, 12):
        texts = f"{value:.{digits}f}", f"{limit:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts
