"""Uncertainty sets of a question, read from its JSON form: their vertices, and points between these.

A point is one mapping a period, from quantity and component to a deviation per unit of alpha (a share of the forecast).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.prove.choices import Sites
from tests.prove.grid import AVAILABILITY, EVERY, Factors, Grid

Deviation = Mapping[tuple[str, int], float]
Point = tuple[Deviation, ...]
BALL_STEPS = {1: 1, 2: 8, 3: 4, 4: 3}
"""Steps of the lattice of directions in one orthant, by the number of periods."""
ZERO = 1e-9
"""A deviation below is none."""
PRICE_LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""The least cost is concave in prices: their worst need be no vertex."""


@dataclass(frozen=True)
class Quantity:
    """One uncertain quantity: its farthest deviations by period, and what binds periods together.

    ``worse`` is -1 where less is never better, because it only takes choices away; else 0.
    """

    name: str
    shape: str
    size: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    most: float
    parts: tuple[int, ...]
    worse: int

    @property
    def levels(self) -> tuple[tuple[float, ...], ...]:
        """Deviations of every period that count as its vertices."""
        sides = list(zip(self.low, self.high, strict=True))
        if self.name == "price":
            return tuple(
                tuple(dict.fromkeys((high if level > 0.0 else -low) * level for level in PRICE_LEVELS))
                for low, high in sides
            )
        return tuple(
            (low,) if self.worse else tuple(dict.fromkeys(side)) for low, high in sides for side in [(low, high)]
        )

    @property
    def common(self) -> bool:
        """Whether all components deviate alike, by one series over periods."""
        return self.shape in ("energy", "ball", "cross") or self.shape.startswith("few")

    def series(self) -> list[tuple[float, ...]]:
        """Extreme series of a set that binds periods together; of a ball, points of a lattice."""
        nothing = (0.0,) * len(self.low)
        if self.shape in ("energy", "ball"):
            return [*self._ball(), nothing]
        deviating = 1 if self.shape == "cross" else int(self.shape.removeprefix("few"))
        found = [nothing]
        for chosen in itertools.combinations(range(len(self.low)), min(deviating, len(self.low))):
            for values in itertools.product(*(self.levels[t] for t in chosen)):
                at = dict(zip(chosen, values, strict=True))
                found.append(tuple(at.get(t, 0.0) for t in range(len(self.low))))
        return list(dict.fromkeys(found))

    def _ball(self) -> Iterator[tuple[float, ...]]:
        periods, steps = len(self.low), BALL_STEPS[len(self.low)]
        for shares in itertools.product(range(steps + 1), repeat=periods):
            if sum(shares) != steps:
                continue
            norm = math.sqrt(sum(share**2 for share in shares))
            ends = [
                tuple(dict.fromkeys(end * share / norm for end in (self.low[t], self.high[t])))
                for t, share in enumerate(shares)
            ]
            yield from itertools.product(*((end[0],) if self.worse else end for end in ends))

    @property
    def reach(self) -> tuple[float, ...]:
        """Farthest deviation of every period to either side."""
        return tuple(max(-low, high) for low, high in zip(self.low, self.high, strict=True))

    def steepest(self, slopes: Sequence[float]) -> tuple[float, ...]:
        """The series of a ball that goes farthest along slopes, on the sides to which it may go."""
        sides = zip(slopes, self.low, self.high, self.reach, strict=True)
        pulls = [slope * size if (high if slope > 0.0 else low) else 0.0 for slope, low, high, size in sides]
        norm = math.hypot(*pulls)
        return tuple(pull / norm * size if norm else 0.0 for pull, size in zip(pulls, self.reach, strict=True))

    def inside(self, rng: random.Random) -> tuple[float, ...]:
        """A random series of the set."""
        values = [rng.uniform(low, high) for low, high in zip(self.low, self.high, strict=True)]
        if not self.common:
            return tuple(values)
        if self.shape.startswith("few"):
            chosen = rng.sample(range(len(values)), min(int(self.shape.removeprefix("few")), len(values)))
            return tuple(value if t in chosen else 0.0 for t, value in enumerate(values))
        shares = [value / size if size else 0.0 for value, size in zip(values, self.reach, strict=True)]
        norm = sum(map(abs, shares)) if self.shape == "cross" else math.sqrt(sum(share**2 for share in shares))
        scale = rng.random() ** 0.3 / max(norm, 1e-9)
        return tuple(scale * share * size for share, size in zip(shares, self.reach, strict=True))

    def gauge(self, series: Sequence[float]) -> float:
        """The smallest alpha whose set holds a series; infinite where none does."""
        reach = [-low if d < 0.0 else high for d, low, high in zip(series, self.low, self.high, strict=True)]
        if any(abs(d) > ZERO and not size for d, size in zip(series, reach, strict=True)):
            return math.inf
        shares = [abs(d) / size if size else 0.0 for d, size in zip(series, reach, strict=True)]
        if self.shape.startswith("few") and sum(share > ZERO for share in shares) > int(self.shape.removeprefix("few")):
            return math.inf
        if self.shape == "cross":
            return sum(shares)
        return math.hypot(*shares) if self.shape in ("energy", "ball") else max(shares)


class Uncertainty:
    """The set of a question over what a plan builds."""

    def __init__(self, grid: Grid, entries: Iterable[Mapping[str, Any]], sites: Sites) -> None:
        self.periods = len(grid.periods)
        self.quantities = [quantity(grid, entry, sites) for entry in entries]
        self.most = {each.name: each.most for each in self.quantities}

    @property
    def top(self) -> float:
        """The alpha at which the first quantity stands at its physical range, whatever side of it may matter."""
        ends = [1.0 / -min(q.low) for q in self.quantities if min(q.low) < 0.0]
        ends += [(q.most - 1.0) / max(q.high) for q in self.quantities if max(q.high) > 0.0]
        return min(ends)

    def factors(self, deviation: Deviation, alpha: float) -> Factors:
        """Factors on the forecasts at a radius, within their physical range."""
        return {key: min(max(0.0, 1.0 + alpha * d), self.most[key[0]]) for key, d in deviation.items() if d}

    def gauge(self, factors: Sequence[Factors]) -> float:
        """The smallest alpha whose set holds a point, given by factors on the forecasts by period."""
        series = [(q, [at[q.name, part] - 1.0 for at in factors]) for q in self.quantities for part in q.parts]
        return max((q.gauge(own) for q, own in series), default=0.0)

    def own(self, t: int) -> list[Deviation]:
        """Vertices of what deviates in a period without regard to others."""
        keys = [((q.name, part), q.levels[t]) for q in self.quantities if not q.common for part in q.parts]
        return [
            dict(zip([key for key, _ in keys], values, strict=True))
            for values in itertools.product(*(levels for _, levels in keys))
        ]

    def series(self) -> list[Point]:
        """Extreme points of what binds periods together."""
        bound = [q for q in self.quantities if q.common]
        return [
            tuple({(q.name, EVERY): one[t] for q, one in zip(bound, chosen, strict=True)} for t in range(self.periods))
            for chosen in itertools.product(*(q.series() for q in bound))
        ]

    def extremes(self) -> list[Point]:
        """Every quantity at the same end everywhere: all points of them that do not bind periods together."""
        free = [q for q in self.quantities if not q.common]
        return [
            tuple(
                {(q.name, part): (q.low, q.high)[end][t] for q, end in zip(free, ends, strict=True) for part in q.parts}
                for t in range(self.periods)
            )
            for ends in itertools.product((1, 0), repeat=len(free))
        ]

    def inside(self, rng: random.Random) -> Point:
        """A random point."""
        found: list[dict[tuple[str, int], float]] = [{} for _ in range(self.periods)]
        for q in self.quantities:
            for part in (EVERY,) if q.common else q.parts:
                for t, value in enumerate(q.inside(rng)):
                    found[t][q.name, part] = value
        return tuple(found)

    def size(self) -> int:
        """Dispatches of one period that all vertices need."""
        series = self.series()
        return sum(len(self.own(t)) * len({tuple(s[t].items()) for s in series}) for t in range(self.periods))


def quantity(grid: Grid, entry: Mapping[str, Any], sites: Sites) -> Quantity:
    """An uncertain quantity from its JSON form."""
    hours, weight, shape = [period.hours for period in grid.periods], entry.get("weight", 1.0), entry["shape"]
    sizes = {
        "envelope": list(entry.get("psi") or ()),
        "energy": [1.0 / math.sqrt(each) for each in hours],
    }.get(shape, [1.0] * len(hours))
    down, up = (entry["down"], entry["up"]) if shape == "interval" else (1.0, 1.0)
    down, up = down * (entry["direction"] != "up"), up * (entry["direction"] != "down")
    norm = {1: "cross", 2: "ball", "infinity": "box"}[entry["norm"]] if shape == "minkowski" else "box"
    kind = {"energy": "energy", "budgeted": f"few{entry.get('gamma')}"}.get(shape, norm)
    parts, worse = components(grid, entry["quantity"], sites)
    return Quantity(
        entry["quantity"],
        kind,
        weight,
        tuple(-weight * down * size for size in sizes),
        tuple(weight * up * size for size in sizes),
        entry.get("physical_max", 2.0),
        parts,
        worse,
    )


def components(grid: Grid, name: str, sites: Sites) -> tuple[tuple[int, ...], int]:
    """What of a plan a quantity touches, and whether less of it only takes choices away."""
    if name == "price":
        return (EVERY,), 0
    if name == "load":
        return tuple(bus.id for bus in grid.buses.values() if bus.p or bus.q), 0
    if name == "line_rating":
        return tuple(line.id for line in grid.lines.values() if math.isfinite(line.i_max)), -1
    units = {bus: unit for bus, unit in sites.dg_at(grid).items() if AVAILABILITY[unit.source] == name}
    return tuple(units), 0 if any(unit.must_take for unit in units.values()) else -1
