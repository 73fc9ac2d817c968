"""Shapes of an uncertainty set: how far the deviations of one quantity may go together, per unit of alpha.

A shape is a set ``D`` of series ``d`` of deviations, one number a period, as shares of the forecast; at horizon alpha a
quantity deviates by any series of ``alpha D``. Every shape holds 0 and is star-shaped, so the sets are nested
(Ben-Haim, Info-Gap Decision Theory, 2006, ch. 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from math import comb

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from igdt_planner.model import Uncertain

Floats = npt.NDArray[np.float64]

ZERO = 1e-12
"""A deviation below is none."""
MOST_VERTICES = 4096
"""More vertices of one shape are not listed."""
MOST_PIECES = 64
"""More convex pieces of one shape are not listed."""


Pair = tuple[Floats, Floats]
"""A point of a shape, and one that may lie a little outside: the hull of all of the latter holds the shape."""
MOST_BALL_PERIODS = 6
"""Periods up to which a polytope is put around a ball."""
LATTICE = {1: 1, 2: 64, 3: 20, 4: 14, 5: 8, 6: 5}
"""Steps along an edge of the lattice of directions, by the number of periods."""


def different(points: list[Floats]) -> list[Floats]:
    """Points, each once."""
    return list({tuple(point.tolist()): point for point in points}.values())


@cache
def sphere(periods: int) -> tuple[list[Floats], float]:
    """Unit vectors without negative entries, and the factor by which their hull with 0 must grow to hold them all."""
    steps = LATTICE[periods]
    lattice = [point for point in product(range(steps + 1), repeat=periods) if sum(point) == steps]
    unit = [np.array(point) / np.linalg.norm(point) for point in lattice]
    if periods == 1:
        return unit, 1.0
    hull = ConvexHull(np.vstack([np.zeros(periods), *unit]))
    distance = -hull.equations[:, -1]
    return unit, float(1.0 / distance[distance > ZERO].min())


@dataclass(frozen=True)
class Shape:
    """The shape of one quantity over periods of ``hours``; see :class:`igdt_planner.model.Uncertain` for formulas."""

    entry: Uncertain
    hours: Floats

    @property
    def common(self) -> bool:
        """Whether all buses or units deviate alike; else each on its own, by a series of the shape."""
        norm = self.entry.shape == "minkowski" and self.entry.norm != "infinity"
        return norm or self.entry.shape in ("energy", "budgeted")

    @property
    def curved(self) -> bool:
        """Whether the set is a ball, which has no vertices."""
        return self.entry.shape == "energy" or (self.entry.shape == "minkowski" and self.entry.norm == 2)

    @property
    def box(self) -> bool:
        """Whether every period deviates on its own."""
        infinity = self.entry.shape == "minkowski" and self.entry.norm == "infinity"
        return infinity or self.entry.shape in ("fractional", "envelope", "interval")

    @property
    def of_boxes(self) -> bool:
        """Whether the set is a box or several: then the worst of what costs more to one side is a vertex."""
        return self.box or self.entry.shape == "budgeted"

    def pieces(self) -> list[npt.NDArray[np.bool_]] | None:
        """Periods that may deviate, by convex piece of the set: all, but where a budget lets few; None if too many."""
        periods, few = len(self.hours), self.entry.gamma or 0
        if self.entry.shape != "budgeted" or few >= periods:
            return [np.ones(periods, dtype=bool)]
        if comb(periods, few) > MOST_PIECES:
            return None
        return [np.isin(np.arange(periods), chosen) for chosen in combinations(range(periods), few)]

    def reach(self) -> tuple[Floats, Floats]:
        """Farthest deviation of every period down and up, both as numbers of 0 or more."""
        entry, ones = self.entry, np.ones(len(self.hours))
        size = entry.weight * {
            "envelope": np.array(entry.psi or ones),
            "slope": np.cumsum(self.hours),
            "energy": 1.0 / np.sqrt(self.hours),
        }.get(entry.shape, ones)
        down, up = size.copy(), size.copy()
        if entry.shape == "interval":
            down, up = size * (entry.down or 0.0), size * (entry.up or 0.0)
        return down * (entry.direction != "up"), up * (entry.direction != "down")

    def gauge(self, series: Floats) -> float:
        """The smallest alpha whose set holds a series; infinite where none does."""
        down, up = self.reach()
        barred = np.where(series < 0.0, down, up) <= 0.0
        if np.any(barred & (np.abs(series) > ZERO)):
            return np.inf
        w, shape = self.entry.weight, self.entry.shape
        if not w:
            return 0.0
        if shape == "slope":
            return float(np.max(np.abs(np.diff(series, prepend=0.0)) / self.hours) / w)
        if shape == "energy":
            return float(np.sqrt(np.sum(self.hours * series**2)) / w)
        if self.common and shape == "minkowski":
            return float(np.linalg.norm(series, float(self.entry.norm or 2)) / w)
        if shape == "budgeted" and np.count_nonzero(np.abs(series) > ZERO) > (self.entry.gamma or 0):
            return np.inf
        size = np.where(series < 0.0, down, up)
        return float(np.max(np.divide(np.abs(series), size, out=np.zeros_like(series), where=size > 0.0)))

    def slopes(self) -> list[tuple[Floats, float]]:
        """Steps between periods, from 0 before the first one, and how large each may be."""
        if self.entry.shape != "slope":
            return []
        steps = np.eye(len(self.hours)) - np.eye(len(self.hours), k=-1)
        return [(step, float(self.entry.weight * hours)) for step, hours in zip(steps, self.hours, strict=True)]

    def tangent(self, series: Floats) -> tuple[Floats, float] | None:
        """The face of a ball, or of norm 1, in the direction of a series, and how far the set goes along it."""
        if self.entry.shape == "energy":
            return self.hours * series / float(np.sqrt(np.sum(self.hours * series**2))), self.entry.weight
        if self.entry.shape != "minkowski" or self.entry.norm == "infinity":
            return None
        along = np.sign(series) if self.entry.norm == 1 else series / float(np.linalg.norm(series))
        return along, self.entry.weight

    def extreme(self, gradient: Floats) -> Floats:
        """The series of the shape that goes farthest along a gradient: ``argmax gradient . d``."""
        down, up = self.reach()
        best = np.where(gradient > 0.0, up, np.where(gradient < 0.0, -down, 0.0))
        gain = gradient * best
        if self.box:
            return best
        if self.entry.shape == "slope":
            return self._steepest(gradient)
        if self.entry.shape == "energy":
            pulled = np.where(gain > 0.0, gradient, 0.0) / self.hours
            size = float(np.sqrt(np.sum(self.hours * pulled**2)))
            return self.entry.weight * pulled / size if size else pulled
        if self.curved:
            pulled = np.where(gain > 0.0, gradient, 0.0)
            size = float(np.linalg.norm(pulled))
            return self.entry.weight * pulled / size if size else pulled
        deviating = 1 if self.entry.shape == "minkowski" else self.entry.gamma or 0
        chosen = np.argsort(-gain, kind="stable")[:deviating]
        series = np.zeros(len(gradient))
        series[chosen] = best[chosen]
        return series

    def _steepest(self, gradient: Floats) -> Floats:
        """The extreme series of bounded slope, as a small linear program."""
        steps = np.eye(len(gradient)) - np.eye(len(gradient), k=-1)
        bound = self.entry.weight * self.hours
        down, up = self.reach()
        found = linprog(
            -gradient,
            A_ub=np.vstack([steps, -steps]),
            b_ub=np.concatenate([bound, bound]),
            bounds=list(zip((-down).tolist(), up.tolist(), strict=True)),
        )
        return np.asarray(found.x, dtype=float)

    def vertices(self) -> list[Pair] | None:
        """All extreme points, 0 too where a side is barred; None where there are too many.

        Of a ball, points of it and of a polytope around it.
        """
        if self.curved:
            down, up = (bool(side.any()) for side in self.reach())
            if down and up and len(self.hours) > 1:
                return None
            pairs = [pair for side, moves in ((-1.0, down), (1.0, up)) if moves for pair in self._ball(side) or ()]
            nothing = np.zeros(len(self.hours))
            return [*pairs, (nothing, nothing)] if pairs else None
        points = self._corners()
        return None if points is None else [(point, point) for point in points]

    def _corners(self) -> list[Floats] | None:
        """The vertices of a polytope; None where there are too many."""
        down, up = self.reach()
        sides = [sorted({-lo if lo else 0.0, hi}) for lo, hi in zip(down.tolist(), up.tolist(), strict=True)]
        if self.box:
            wide = float(np.prod([len(side) for side in sides]))
            return [np.array(point) for point in product(*sides)] if wide <= MOST_VERTICES else None
        if self.entry.shape == "slope":
            if self.entry.direction != "both" or 2.0 ** len(sides) > MOST_VERTICES:
                return None
            ways = product(*[(-1.0, 1.0)] * len(sides))
            return [np.cumsum(np.array(way) * self.hours) * self.entry.weight for way in ways]
        deviating = 1 if self.entry.shape == "minkowski" else min(self.entry.gamma or 0, len(sides))
        points = []
        for chosen in combinations(range(len(sides)), deviating):
            for values in product(*(sides[t] for t in chosen)):
                point = np.zeros(len(sides))
                point[list(chosen)] = values
                points.append(point)
                if len(points) > MOST_VERTICES:
                    return None
        return different(points)

    def farthest(self, side: float) -> list[Pair] | None:
        """The vertices that count where more of a deviation to one side (-1 or 1) is never better.

        Of a ball, points of it and of a polytope around it; None where these would be too many.
        """
        if self.curved:
            return self._ball(side)
        return [(point, point) for point in self._outermost(side)]

    def _ball(self, side: float) -> list[Pair] | None:
        """Points of a ball to one side, each with the point of a polytope that holds all of that side of the ball."""
        down, up = self.reach()
        towards = up if side > 0.0 else -down
        if not towards.any():
            return [(towards, towards)]
        if len(towards) > MOST_BALL_PERIODS:
            return None
        unit, enlarged = sphere(len(towards))
        return [(towards * point, towards * point * enlarged) for point in unit]

    def _outermost(self, side: float) -> list[Floats]:
        """The vertices of a polytope that count to one side."""
        down, up = self.reach()
        towards = up if side > 0.0 else -down
        if self.box:
            return [towards]
        if self.entry.shape == "slope":
            return [self._steepest(np.full(len(towards), side))]
        deviating = 1 if self.entry.shape == "minkowski" else min(self.entry.gamma or 0, len(towards))
        points = []
        for chosen in combinations(range(len(towards)), deviating):
            point = np.zeros(len(towards))
            point[list(chosen)] = towards[list(chosen)]
            points.append(point)
        return different(points)

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Random series inside the shape, shape (count, periods); independent numbers where it is a box."""
        down, up = self.reach()
        periods = len(self.hours)
        if self.box:
            return rng.uniform(-down, up, (count, periods))
        if self.entry.shape == "slope":
            steps = rng.uniform(-1.0, 1.0, (count, periods)) * self.entry.weight * self.hours
            return self._kept(np.cumsum(steps, axis=1))
        if self.entry.shape == "budgeted":
            order = np.argsort(rng.random((count, periods)), axis=1)
            chosen = order < (self.entry.gamma or 0)
            return np.where(chosen, rng.uniform(-down, up, (count, periods)), 0.0)
        radius = rng.random((count, 1)) ** (1.0 / periods)
        if self.curved:
            points = rng.standard_normal((count, periods))
            points /= np.linalg.norm(points, axis=1, keepdims=True)
            points /= np.sqrt(self.hours) if self.entry.shape == "energy" else 1.0
        else:
            points = rng.laplace(size=(count, periods))
            points /= np.abs(points).sum(axis=1, keepdims=True)
        return self._kept(radius * points * self.entry.weight)

    def _kept(self, series: Floats) -> Floats:
        """Series on the sides to which the quantity may deviate."""
        sign = {"down": -1.0, "up": 1.0}.get(self.entry.direction)
        return series if sign is None else sign * np.abs(series)
