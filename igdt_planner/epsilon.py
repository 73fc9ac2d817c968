"""The epsilon-constraint method: a front as a series of least values of one objective under limits on the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from igdt_planner.dominance import Floats

ROUNDING = 1e-9
"""Share of a limit within which a value keeps it."""


def trace(payoff: Floats, points: int, solve: Callable[[Floats], Floats | None]) -> None:
    """Solve under a grid of limits, the loosest first, and leave out limits whose answer is known.

    Parameters
    ----------
    payoff : array, shape (objectives, objectives)
        Row j: all objectives where objective j is least. The limits run between the least and largest of each column.
    points : int
        Limits of every objective but the first.
    solve : callable
        The plan of least first objective under limits on the others: its objectives, or None where there is none.

    Notes
    -----
    An answer under looser limits that keeps tighter ones is their answer too; where there is none under looser limits,
    there is none under tighter ones (Mavrotas, Applied Mathematics and Computation 213(2), 2009,
    doi:10.1016/j.amc.2009.03.037).
    """
    low, high = payoff.min(axis=0)[1:], payoff.max(axis=0)[1:]
    grids = [np.unique(np.linspace(most, least, points))[::-1] for least, most in zip(low, high, strict=True)]
    answered: list[tuple[Floats, Floats | None]] = []
    for each in itertools.product(*grids):
        limits = np.array(each)
        looser = [point for known, point in answered if (limits <= known).all()]
        if any(point is None or keeps(point[1:], limits) for point in looser):
            continue
        answered.append((limits, solve(limits)))


def keeps(values: Floats, limits: Floats) -> bool:
    """Whether values lie within limits but for rounding."""
    return bool((values <= limits + ROUNDING * np.abs(limits)).all())
