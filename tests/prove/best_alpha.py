"""The alphas of all decisions of a question: what a bound of alpha must not contradict."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.prove.choices import Closed, Sites, all_sites, open_of, topologies
from tests.prove.dispatch import Schedule
from tests.prove.grid import Grid
from tests.prove.questions import asked, question
from tests.prove.radius import NEAR, Costs, Decisions, Radius, Robust
from tests.prove.reference import Bounds, Enumeration, Reference, finite, infinite, investment
from tests.prove.sets import Point, Uncertainty

WORSE = "worse than others"
"""What is said to end an alpha of which no more is known than that others reach more."""
ENOUGH_S = 150.0
"""After this time no further decisions are tried, s."""
AHEAD = 1e-3
"""Decisions count where they reach this share of alpha more than the best known."""
RAYS = 40
"""Points along which an opportunity is sought, besides the ends of all quantities."""
SEEK_S = 10.0
"""After this time no further ray is tried for decisions, s."""


@dataclass(frozen=True)
class Known:
    """An alpha that decisions reach; ``broken`` (infinite: none) is one that they are proven not to reach."""

    sites: Sites
    open_lines: Mapping[str, tuple[int, ...]]
    held: float
    broken: float
    limit: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "dg": [list(site) for site in self.sites.dg],
            "ess": [list(site) for site in self.sites.ess],
            "open_lines": {mode: list(lines) for mode, lines in self.open_lines.items()},
            "held": finite(self.held),
            "broken": finite(self.broken),
            "limit": self.limit,
        }


def known_of(row: Mapping[str, Any]) -> Known:
    """What a document holds."""
    sites = Sites(*(tuple((bus, name) for bus, name in row[kind]) for kind in ("dg", "ess")))
    lines = {mode: tuple(own) for mode, own in row["open_lines"].items()}
    return Known(sites, lines, infinite(row["held"]), infinite(row["broken"]), row["limit"])


def refer(seed: int) -> dict[str, Any]:
    """The reference of the question of a seed as a document."""
    begun = time.monotonic()
    attempt, budget, forecast = asked(seed)
    _, model, sense = question(seed, attempt)
    entries = model["uncertain"]
    found = [each.document() for each in alphas(forecast, entries, sense, budget, seed)]
    best = forecast.best
    return {
        "attempt": attempt,
        "sense": sense,
        "budget": budget,
        "best": [finite(best.primal), finite(best.dual)],
        "alphas": found,
        "seconds": round(time.monotonic() - begun, 2),
    }


def alphas(forecast: Reference, entries: Any, sense: str, budget: float, seed: int) -> Iterator[Known]:
    """What decisions reach, those of least cost at the forecast first; of worse ones only that they are worse."""
    grid, best, begun = forecast.grid, math.nan, time.monotonic()
    for cost, sites, closed in decided(forecast):
        if time.monotonic() - begun > ENOUGH_S or (sense == "robust" and cost.dual > budget):
            return
        lines = {mode: open_of(grid, own) for mode, own in closed.items()}
        uncertainty = Uncertainty(grid, entries, sites)
        if sense == "robust":
            radius = robust(grid, sites, closed, uncertainty, budget, seed, best)
            best = max(radius.held, 0.0 if math.isnan(best) else best)
        else:
            radius = Seeking(grid, sites, closed, uncertainty, budget, seed).radius(best)
            best = min(radius.held, math.inf if math.isnan(best) else best)
        yield Known(sites, lines, radius.held, radius.broken, radius.limit)


def decided(forecast: Reference) -> list[tuple[Bounds, Sites, dict[str, Closed]]]:
    """All sites and topologies, by their least cost at the forecast."""
    grid = forecast.grid
    found = []
    for sites in all_sites(grid):
        for chosen in itertools.product(*(topologies(grid, mode) for mode in grid.modes.values())):
            closed = dict(zip(grid.modes, chosen, strict=True))
            cost = forecast.of(sites, {mode: open_of(grid, own) for mode, own in closed.items()})
            if cost is not None and cost.primal < math.inf:
                found.append((cost, sites, closed))
    return sorted(found, key=lambda each: each[0].primal)


def robust(
    grid: Grid,
    sites: Sites,
    closed: Mapping[str, Closed],
    uncertainty: Uncertainty,
    budget: float,
    seed: int,
    known: float,
) -> Radius:
    """The radius of decisions, with storage as it is best at the forecast; only that it is less than a known one."""
    schedules: dict[str, Schedule] = {}
    if sites.ess:
        whole = Enumeration(grid)
        schedules = {name: whole.best(mode, sites, closed[name])[1] for name, mode in grid.modes.items()}
    tried = Robust(Costs(grid, Decisions(sites, closed, schedules)), uncertainty, budget, seed)
    ahead = known * (1.0 + AHEAD) + NEAR
    if ahead < uncertainty.top:
        look = tried.look(ahead)
        if tried.breaks(look.bounds):
            return Radius(0.0, ahead, look.point, WORSE)
    return tried.radius()


class Seeking:
    """The least alpha at which some point of a set lets the cost of decisions fall to a budget, from above."""

    def __init__(
        self,
        grid: Grid,
        sites: Sites,
        closed: Mapping[str, Closed],
        uncertainty: Uncertainty,
        budget: float,
        seed: int = 0,
    ) -> None:
        self.grid, self.sites, self.closed = grid, sites, closed
        self.uncertainty, self.budget = uncertainty, budget
        rng = random.Random(f"seeking {seed}")
        self.rays = [self.joined(series, end) for series in uncertainty.series() for end in uncertainty.extremes()]
        self.rays = rng.sample(self.rays, min(len(self.rays), 2 * RAYS))
        vertices = [uncertainty.own(t) for t in range(uncertainty.periods)]
        self.rays += [tuple(rng.choice(own) for own in vertices) for _ in range(RAYS // 2)]
        self.rays += [uncertainty.inside(rng) for _ in range(RAYS // 2)]
        self.costs = None if sites.ess else Costs(grid, Decisions(sites, closed, {}))
        self.paid = investment(grid, sites)

    @staticmethod
    def joined(series: Point, own: Point) -> Point:
        """A point of what binds periods together and what does not."""
        return tuple({**one, **other} for one, other in zip(series, own, strict=True))

    def radius(self, known: float) -> Radius:
        """The least alpha over all rays; infinite where no ray comes to the budget before a known alpha."""
        best = self.uncertainty.top if math.isnan(known) else min(self.uncertainty.top, known * (1.0 - AHEAD))
        found, point, begun = False, self.rays[0], time.monotonic()
        for ray in self.rays:
            if time.monotonic() - begun > SEEK_S:
                break
            if self.cost(ray, best) <= self.budget:
                found, point, best = True, ray, self.along(ray, best)
        return Radius(best if found else math.inf, math.inf, point, "budget" if found else "")

    def along(self, ray: Point, alpha: float) -> float:
        """The least alpha of a ray that is within the budget at one, by halves."""
        low, high = 0.0, alpha
        while high - low > 0.5 * NEAR:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.cost(ray, middle) <= self.budget else (middle, high)
        return high

    def cost(self, ray: Point, alpha: float) -> float:
        """Cost of the best dispatch at a point, accepted by the own power flow."""
        factors = [self.uncertainty.factors(deviation, alpha) for deviation in ray]
        if self.costs is not None:
            return self.paid + sum(self.costs.at(t, own).primal for t, own in enumerate(factors))
        whole = Enumeration(self.grid.realised(factors))
        return self.paid + sum(
            whole.run(mode, self.sites, self.closed[name]).bounds.primal for name, mode in self.grid.modes.items()
        )
