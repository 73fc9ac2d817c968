"""Which points dominate which, and how much of a box they dominate together; every objective is minimised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDING = 1e-9
"""Share of a value below which two are the same."""


def dominated(points: Floats, by: Floats, rounding: float = ROUNDING) -> Bools:
    """Which points another set dominates: nowhere worse, somewhere better by more than rounding.

    Parameters
    ----------
    points, by : array, shape (points, objectives)
    rounding : float
        Share of a value below which two are the same.

    Returns
    -------
    array of bool, shape (points,)
    """
    slack = rounding * np.abs(points)[:, None]
    nowhere_worse: Bools = np.all(by[None] <= points[:, None] + slack, axis=2)
    somewhere_better: Bools = np.any(by[None] < points[:, None] - slack, axis=2)
    return np.asarray(np.any(nowhere_worse & somewhere_better, axis=1))


def hypervolume(points: Floats, reference: Floats) -> float:
    """Volume that points dominate below a reference, exactly, by slices along the last objective.

    Parameters
    ----------
    points : array, shape (points, objectives)
    reference : array, shape (objectives,)
        Points that are not below it in every objective count for nothing.
    """
    points = points[(points < reference).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    tops = np.append(points[1:, -1], reference[-1])
    slices = [
        (top - point[-1]) * hypervolume(points[: number + 1, :-1], reference[:-1])
        for number, (point, top) in enumerate(zip(points, tops, strict=True))
        if top > point[-1]
    ]
    return float(sum(slices))


def crowding(points: Floats) -> Floats:
    """How far apart the neighbours of every point lie, summed over objectives by their ranges; infinite at the ends."""
    count, objectives = points.shape
    total = np.zeros(count)
    for column in range(objectives):
        order = np.argsort(points[:, column], kind="stable")
        sorted_values = points[order, column]
        total[order[[0, -1]]] = np.inf
        span = sorted_values[-1] - sorted_values[0]
        if span > 0.0:
            total[order[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / span
    return total
