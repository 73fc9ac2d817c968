"""The highest point of a concave function over a convex set that is known by its extreme points alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from igdt_planner.infogap.shapes import Floats

ASKED = 60
"""Most points at which the function is asked."""
CLOSED = 1e-6
"""Share of the value between it and its bound below which the peak counts as known."""
CORNERS = 60
"""Most extreme points that are taken up between two points asked."""


@dataclass(frozen=True)
class Peak:
    """The best point asked, its value, a bound that the function exceeds nowhere, and the number of points asked."""

    point: Floats
    value: float
    bound: float
    asked: int

    @property
    def closed(self) -> bool:
        """Whether no point is noticeably higher."""
        return self.bound - self.value <= CLOSED * abs(self.value)


def peak(
    ask: Callable[[Floats], tuple[float, Floats]],
    extreme: Callable[[Floats], Floats],
    start: Floats,
    tolerance: float,
) -> Peak:
    """Cutting planes, over the hull of ever more extreme points.

    Every point asked gives a plane above the function. The highest point under all planes is asked next (Kelley, J.
    SIAM 8, 1960); it is a mixture of extreme points, taken up as the prices of the planes ask for them (Dantzig and
    Wolfe, 1960).

    Parameters
    ----------
    ask : callable
        Value and slope at a point; a value that is not finite ends the search there.
    extreme : callable
        The point of the set that goes farthest along a slope.
    start : array, shape (numbers,)
        A point of the set.
    tolerance : float
        Share of the value by which the bound may exceed it in the end.
    """
    point, best, value, bound = start, start, -np.inf, np.inf
    corners, slopes, levels = [start], np.empty((0, len(start))), np.empty(0)
    for asked in range(1, ASKED + 1):
        own, slope = ask(point)
        if own > value:
            best, value = point, own
        if not np.isfinite(own):
            return Peak(best, value, value, asked)
        slopes, levels = np.vstack([slopes, slope]), np.append(levels, own - slope @ point)
        margin = tolerance * abs(value)
        point, top = under(slopes, levels, corners, extreme, 0.5 * margin)
        bound = min(bound, top)
        if bound - value <= margin:
            break
    return Peak(best, value, max(bound, value), asked)


def under(
    slopes: Floats, levels: Floats, corners: list[Floats], extreme: Callable[[Floats], Floats], margin: float
) -> tuple[Floats, float]:
    """The highest point under planes ``level + slope . d``, and a bound of its height; adds to the corners."""
    bound = np.inf
    for _ in range(CORNERS):
        point, height, weights = mixture(slopes, levels, np.array(corners))
        steepest = weights @ slopes
        corner = extreme(steepest)
        bound = min(bound, float(weights @ levels + steepest @ corner))
        if bound - height <= margin:
            break
        corners.append(corner)
    return point, bound


def mixture(slopes: Floats, levels: Floats, corners: Floats) -> tuple[Floats, float, Floats]:
    """The mixture of corners that is highest under planes, its height, and the weights of the planes that hold it."""
    scale = max(float(np.abs(levels).max()), 1e-12)
    planes, count = len(levels), len(corners)
    found = linprog(
        np.append(-1.0, np.zeros(count)),
        A_ub=np.hstack([np.ones((planes, 1)), -(slopes / scale) @ corners.T]),
        b_ub=levels / scale,
        A_eq=np.append(0.0, np.ones(count))[None],
        b_eq=[1.0],
        bounds=[(None, None), *[(0.0, None)] * count],
    )
    shares = np.clip(np.asarray(found.x, dtype=float)[1:], 0.0, None)
    weights = np.clip(-np.asarray(found.ineqlin.marginals, dtype=float), 0.0, None)
    shares, weights = shares / shares.sum(), weights / weights.sum()
    point = shares @ corners
    return point, float(np.min(levels + slopes @ point)), weights
