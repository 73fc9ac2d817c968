"""How far decisions go: the largest alpha at which every point of the set can be dispatched within the budget.

Storage keeps its schedule, so that periods and modes do not feel each other: a point is run period by period, and what
one period costs is kept. A point breaks a plan only where the proven bound of its cost says so, and is held only by a
dispatch that the own power flow accepts.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.prove.choices import Closed, Dead, Piece, Sites
from tests.prove.dispatch import GAP, Dispatched, Schedule
from tests.prove.grid import EVERY, Factors, Grid, Held
from tests.prove.reference import Bounds, Enumeration, investment
from tests.prove.sets import Deviation, Point, Quantity, Uncertainty

LOOSE = 2e-6
"""By how much limits may be missed (pu, and share of a rating), as the AC check of the package allows."""
BETWEEN = 200
"""Random points, each for one period where nothing binds periods together."""
NEAR = 1e-5
"""Distance of two alphas that are the same."""
ROUNDS = 60
CLIMBS, SLOPE = 3, 0.1
"""Steps of a climb over a ball, and the share of its reach over which slopes are taken."""
THIRDS = 7
"""Steps towards the worst price of a period."""
KEY = 12
"""Digits of a factor by which dispatches are kept."""


@dataclass(frozen=True)
class Decisions:
    """What a plan decides before anything is known; a schedule of storage by mode where there is storage."""

    sites: Sites
    closed: Mapping[str, Closed]
    schedules: Mapping[str, Schedule]


@dataclass(frozen=True)
class Look:
    """The bounds of the cost of a point."""

    bounds: Bounds
    point: Point


@dataclass(frozen=True)
class Radius:
    """An alpha at which all points tried are held, and one at which a point is proven to break, infinite where none."""

    held: float
    broken: float
    point: Point
    limit: str


class Again(Enumeration):
    """An enumeration that remembers pieces for as long as nothing that they feel turns out otherwise."""

    def __init__(self, grid: Grid, t: int, pieces: dict[tuple[Any, ...], Dispatched]) -> None:
        super().__init__(grid)
        self.t, self.pieces = t, pieces

    def piece(self, piece: Piece | Dead) -> Dispatched:
        """A piece, from memory where it was dispatched before under the same factors."""
        lines = {arc[0] for arc in piece.arcs} if isinstance(piece, Piece) else set()
        parts = {"line_rating": lines, "price": {EVERY}}
        felt = sorted(
            (name, part, round(value, KEY))
            for (name, part), value in self.grid.factors[0].items()
            if part == EVERY or part in parts.get(name, piece.buses)
        )
        key = (self.t, piece, *felt)
        if key not in self.pieces:
            self.pieces[key] = self.solve(piece)
        return self.pieces[key]


class Costs:
    """Least cost of decisions, period by period."""

    def __init__(self, grid: Grid, decisions: Decisions) -> None:
        self.grid, self.decisions = loosened(grid), decisions
        self.known: dict[tuple[Any, ...], Bounds] = {}
        self.pieces: dict[tuple[Any, ...], Dispatched] = {}
        self.paid = investment(grid, decisions.sites)

    def at(self, t: int, factors: Factors) -> Bounds:
        """Bounds of a period in all modes."""
        key = (t, *sorted((name, part, round(value, KEY)) for (name, part), value in factors.items()))
        if key not in self.known:
            self.known[key] = self.dispatched(t, factors)
        return self.known[key]

    def dispatched(self, t: int, factors: Factors) -> Bounds:
        """The same, dispatched."""
        total, decisions = Bounds(0.0, 0.0), self.decisions
        for name, mode in self.grid.modes.items():
            grid = self.grid.at(t, factors, self.held(name, t))
            run = Again(grid, t, self.pieces).run(mode, decisions.sites, decisions.closed[name])
            total = total.plus(run.bounds)
        return total

    def held(self, mode: str, t: int) -> dict[int, Held] | None:
        """What storage does in a period of a mode; it rests where its island is dead."""
        units, schedule = self.decisions.sites.ess_at(self.grid), self.decisions.schedules.get(mode)
        if not units or schedule is None:
            return None
        found = {}
        for bus, unit in units.items():
            before = unit.start
            for earlier, period in enumerate(self.grid.periods[:t]):
                charge, discharge = self.working(schedule, bus, earlier)
                before += period.hours * (unit.eta_charge * charge - discharge / unit.eta_discharge)
            found[bus] = Held(*self.working(schedule, bus, t), before)
        return found

    @staticmethod
    def working(schedule: Schedule, bus: int, t: int) -> tuple[float, float]:
        """What a storage unit takes and gives in a period of a schedule."""
        return schedule.charge.get((bus, t), 0.0), schedule.discharge.get((bus, t), 0.0)


def loosened(grid: Grid) -> Grid:
    """A grid whose limits may be missed by a little."""
    buses = {
        bus: at if bus in grid.sources else dataclasses.replace(at, v_min=at.v_min - LOOSE, v_max=at.v_max + LOOSE)
        for bus, at in grid.buses.items()
    }
    lines = {number: dataclasses.replace(at, i_max=at.i_max * (1.0 + LOOSE)) for number, at in grid.lines.items()}
    return dataclasses.replace(grid, buses=buses, lines=lines)


class Robust:
    """Decisions under all vertices of a set and points between these."""

    def __init__(self, costs: Costs, uncertainty: Uncertainty, budget: float, seed: int = 0) -> None:
        self.costs, self.uncertainty, self.budget = costs, uncertainty, budget
        self.periods = range(uncertainty.periods)
        self.series = uncertainty.series()
        rng = random.Random(f"between {seed}")
        inside = [uncertainty.inside(rng) for _ in range(BETWEEN // len(self.periods))]
        self.bound_together = any(q.common for q in uncertainty.quantities)
        self.points = inside if self.bound_together else []
        between: list[Point] = [] if self.bound_together else inside
        self.own = [uncertainty.own(t) + [point[t] for point in between] for t in self.periods]
        self.suspects = uncertainty.extremes()

    def radius(self, most: float = math.inf) -> Radius:
        """Down from the largest alpha, along one ray after the other that breaks."""
        alpha, broken, limit = min(self.uncertainty.top, most), math.inf, ""
        last: Point = ()
        for _ in range(ROUNDS):
            look = self.look(alpha)
            if look.bounds.primal <= self.budget:
                return Radius(alpha, broken, last, limit)
            low, high = self.along(look.point, alpha)
            if high <= alpha:
                broken, last = min(broken, high), look.point
                limit = "network" if self.at(look.point, high).dual == math.inf else "budget"
            alpha = min(low, alpha) - self.margin(low)
            if alpha <= 0.0:
                break
        return Radius(0.0 if alpha <= 0.0 else math.nan, broken, last, limit)

    def margin(self, alpha: float) -> float:
        """How far below an alpha that is not proven to break the gap of SCIP leaves nothing open."""
        spare = self.budget - self.at(({},) * len(self.periods), 0.0).primal
        return 0.2 * NEAR + 2.0 * GAP * abs(self.budget) * alpha / max(spare, GAP * abs(self.budget))

    def breaks(self, bounds: Bounds) -> bool:
        """Whether it is proven that a point cannot be run within the budget."""
        return bounds.dual > self.budget

    def at(self, point: Point, alpha: float) -> Bounds:
        """Bounds of a point at a radius."""
        total = Bounds(self.costs.paid, self.costs.paid)
        for t in self.periods:
            total = total.plus(self.period(t, point[t], alpha))
            if total.dual == math.inf:
                break
        return total

    def period(self, t: int, deviation: Deviation, alpha: float) -> Bounds:
        """Bounds of a period at a radius."""
        return self.costs.at(t, self.uncertainty.factors(deviation, alpha))

    def along(self, point: Point, alpha: float) -> tuple[float, float]:
        """Two alphas of a ray, by halves: the larger one is proven to break (infinite: none is), the other is not."""
        self.suspects.insert(0, point)
        low, high = 0.0, alpha if self.breaks(self.at(point, alpha)) else math.inf
        while high - low > 0.5 * NEAR and high < math.inf:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.breaks(self.at(point, middle)) else (middle, high)
        return low if high < math.inf else alpha, high

    def look(self, alpha: float) -> Look:
        """A point that breaks at a radius, suspects first; else the one that costs most."""
        for point in self.suspects:
            bounds = self.at(point, alpha)
            if self.breaks(bounds):
                return Look(bounds, point)
        worst = Look(Bounds(-math.inf, -math.inf), ())
        for look in self.looks(alpha):
            if self.breaks(look.bounds):
                return look
            worst = max(worst, look, key=lambda each: each.bounds.primal)
        return worst

    def looks(self, alpha: float) -> Iterator[Look]:
        """The worst point beside every series that binds periods together, climbs of balls, and random points."""
        nothing: Deviation = {}
        top = Look(Bounds(-math.inf, -math.inf), ())
        for series in self.series:
            total, point = Bounds(self.costs.paid, self.costs.paid), []
            for t in self.periods:
                tried = [{**own, **series[t]} for own in self.own[t]]
                found = [self.period(t, deviation, alpha) for deviation in tried]
                point.append(max(zip(tried, found, strict=True), key=lambda each: each[1].dual)[0])
                worst = Bounds(max(b.primal for b in found), max(b.dual for b in found))
                total = total.plus(worst)
                if total.dual == math.inf:
                    point += [nothing] * (len(self.periods) - len(point))
                    break
            look = Look(total, tuple(point))
            top = max(top, look, key=lambda each: each.bounds.primal)
            yield look
        yield from self.dearest(top.point, alpha)
        yield from self.climb(top.point, alpha)
        for point in self.points:
            yield Look(self.at(point, alpha), point)

    def dearest(self, point: Point, alpha: float) -> Iterator[Look]:
        """A point at the prices that cost most beside the rest of it, by thirds: the cost is concave in them."""
        prices = [q for q in self.uncertainty.quantities if q.name == "price" and not q.common]
        if prices and point:
            found = tuple(self.at_dearest(t, point[t], alpha, prices[0]) for t in self.periods)
            yield Look(self.at(found, alpha), found)

    def at_dearest(self, t: int, deviation: Deviation, alpha: float, price: Quantity) -> Deviation:
        """The same of one period."""
        low, high = price.low[t], price.high[t]

        def cost(value: float) -> float:
            return self.period(t, {**deviation, (price.name, EVERY): value}, alpha).dual

        best = deviation.get((price.name, EVERY), 0.0)
        for _ in range(THIRDS):
            third = (high - low) / 3.0
            best = max((best, low + third, high - third), key=cost)
            low, high = (low + third, high) if cost(low + third) < cost(high - third) else (low, high - third)
        return {**deviation, (price.name, EVERY): best}

    def climb(self, point: Point, alpha: float) -> Iterator[Look]:
        """From a point to the ones of its balls that its slopes show."""
        balls = [q for q in self.uncertainty.quantities if q.shape in ("energy", "ball")]
        for _ in range(CLIMBS if balls else 0):
            further = [dict(at) for at in point]
            for q in balls:
                for t, value in enumerate(q.steepest([self.slope(q, t, point[t], alpha) for t in self.periods])):
                    further[t][q.name, EVERY] = value
            point = tuple(further)
            yield Look(self.at(point, alpha), point)

    def slope(self, q: Quantity, t: int, deviation: Deviation, alpha: float) -> float:
        """How the cost of a period changes with a deviation; none where it cannot be run."""
        step, key = SLOPE * q.reach[t], (q.name, EVERY)
        ends = [
            self.period(t, {**deviation, key: deviation.get(key, 0.0) + side * step}, alpha).primal
            for side in (-0.5, 0.5)
        ]
        slope = (ends[1] - ends[0]) / step if step else 0.0
        return slope if math.isfinite(slope) else 0.0
