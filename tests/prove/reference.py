"""The global reference: every set of sites and every topology, each dispatched by SCIP, each answer run by AC."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.prove.choices import Closed, Dead, Piece, Sites, Way, all_sites, open_of, parts, topologies
from tests.prove.dispatch import Dispatched, Schedule, dead, dispatch, magnitude
from tests.prove.flow import run
from tests.prove.grid import Grid, Mode

PIECE_S = 20.0
"""Time limit of SCIP for one piece, s."""
VIOLATION = 1e-6
"""Largest violation (pu, or share of a rating) at which a point of SCIP's is one."""


@dataclass(frozen=True)
class Bounds:
    """Least cost known and proven bound; both infinite where it is proven that no dispatch exists."""

    primal: float
    dual: float

    def plus(self, other: Bounds) -> Bounds:
        """The bounds of two that are run together."""
        if math.inf in (self.dual, other.dual):
            return NONE
        return Bounds(self.primal + other.primal, self.dual + other.dual)


NONE = Bounds(math.inf, math.inf)


@dataclass(frozen=True)
class Run:
    """One mode at some sites and topology: bounds, and by how much AC power flow finds the primal point violated."""

    mode: str
    sites: Sites
    open_lines: tuple[int, ...]
    bounds: Bounds
    violation: float = 0.0
    fault: str = ""


@dataclass(frozen=True)
class Reference:
    """The reference of a feeder: every run, and the seconds that they took."""

    grid: Grid
    runs: tuple[Run, ...]
    seconds: float

    def of(self, sites: Sites, open_lines: dict[str, tuple[int, ...]]) -> Bounds | None:
        """Bounds of given sites and topologies; None where they are not among the choices."""
        found = [each for each in self.runs if each.sites == sites and each.open_lines == open_lines.get(each.mode)]
        if len(found) != len(self.grid.modes):
            return None
        return total([paid(self.grid, sites), *(each.bounds for each in found)])

    @property
    def best(self) -> Bounds:
        """Bounds of the optimum over all sites and topologies."""
        return least(self.at(sites) for sites in dict.fromkeys(each.sites for each in self.runs))

    def at(self, sites: Sites) -> Bounds:
        """Bounds of the optimum at given sites, every mode at its best topology."""
        modes = (
            least(each.bounds for each in self.runs if each.sites == sites and each.mode == mode)
            for mode in self.grid.modes
        )
        return total([paid(self.grid, sites), *modes])

    @property
    def worst(self) -> Run:
        """The run whose primal point is violated most."""
        return max(self.runs, key=lambda each: each.violation)

    def document(self) -> dict[str, Any]:
        """The reference as JSON: null for what is infinite."""
        rows = [
            {
                "mode": each.mode,
                "dg": [list(site) for site in each.sites.dg],
                "ess": [list(site) for site in each.sites.ess],
                "open_lines": list(each.open_lines),
                "primal": finite(each.bounds.primal),
                "dual": finite(each.bounds.dual),
                "violation": finite(float(f"{each.violation:.2g}")),
                "fault": each.fault if each.violation > VIOLATION else "",
            }
            for each in self.runs
        ]
        best = self.best
        return {"best": [finite(best.primal), finite(best.dual)], "seconds": round(self.seconds, 2), "runs": rows}


def from_document(grid: Grid, document: Mapping[str, Any]) -> Reference:
    """The reference that a document holds."""
    runs = tuple(
        Run(
            row["mode"],
            Sites(*(tuple((bus, name) for bus, name in row[kind]) for kind in ("dg", "ess"))),
            tuple(row["open_lines"]),
            Bounds(infinite(row["primal"]), infinite(row["dual"])),
            infinite(row["violation"]),
            row["fault"],
        )
        for row in document["runs"]
    )
    return Reference(grid, runs, document["seconds"])


def finite(value: float) -> float | None:
    """A number for JSON, to nine digits."""
    return float(f"{value:.10g}") if math.isfinite(value) else None


def infinite(value: float | None) -> float:
    """The number that JSON held."""
    return math.inf if value is None else value


def total(bounds: Iterable[Bounds]) -> Bounds:
    """Bounds of all together."""
    summed = Bounds(0.0, 0.0)
    for one in bounds:
        summed = summed.plus(one)
    return summed


def least(bounds: Iterable[Bounds]) -> Bounds:
    """Bounds of the best of several."""
    known = list(bounds)
    return Bounds(min((b.primal for b in known), default=math.inf), min((b.dual for b in known), default=math.inf))


def investment(grid: Grid, sites: Sites) -> float:
    """Annual cost of all units, weighted."""
    annual = [unit.annual for unit in sites.dg_at(grid).values()] + [
        unit.annual for unit in sites.ess_at(grid).values()
    ]
    return grid.weights.get(("investment_cost", None), 0.0) * sum(annual)


def paid(grid: Grid, sites: Sites) -> Bounds:
    """The investment as bounds of itself."""
    return Bounds(investment(grid, sites), investment(grid, sites))


def size_of(grid: Grid) -> float:
    """What all energy would cost, without signs: a size for absolute tolerances."""
    every, buses = tuple(range(len(grid.periods))), tuple(grid.buses)
    pieces = [Piece(name, 0, None, (), buses, Sites(), every) for name in grid.modes]
    return sum(magnitude(grid, grid.modes[piece.mode], piece) for piece in pieces)


class Enumeration:
    """Runs every choice; a piece that stands in several is dispatched once."""

    def __init__(self, grid: Grid, piece_s: float = PIECE_S) -> None:
        self.grid, self.piece_s = grid, piece_s
        self.known: dict[Piece | Dead, Dispatched] = {}

    def reference(self) -> Reference:
        """Every set of sites, mode and topology."""
        begun = time.monotonic()
        runs = [
            self.run(mode, sites, closed)
            for mode in self.grid.modes.values()
            for closed in topologies(self.grid, mode)
            for sites in all_sites(self.grid)
        ]
        return Reference(self.grid, tuple(runs), time.monotonic() - begun)

    def best(self, mode: Mode, sites: Sites, closed: Closed) -> tuple[Bounds, Schedule]:
        """SCIP's bounds of one mode at given sites and topology, and its best point: the best way of each part."""
        bounds, schedule = Bounds(0.0, 0.0), Schedule()
        for ways in parts(self.grid, mode, sites, closed):
            tried = [self.way(way) for way in ways]
            bounds = bounds.plus(least(own for own, _ in tried))
            schedule.update(min(tried, key=lambda way: way[0].primal)[1])
        return bounds, schedule

    def run(self, mode: Mode, sites: Sites, closed: Closed) -> Run:
        """The same, judged by AC power flow."""
        bounds, schedule = self.best(mode, sites, closed)
        violation, fault = 0.0, ""
        if bounds.primal < math.inf:
            outcome = run(self.grid, mode, sites, closed, schedule)
            violation, fault = outcome.worst, outcome.fault
            bounds = Bounds(outcome.cost if violation <= VIOLATION else math.inf, bounds.dual)
        return Run(mode.name, sites, open_of(self.grid, closed), bounds, violation, fault)

    def way(self, way: Way) -> tuple[Bounds, Schedule]:
        """One way to run a part."""
        schedule, pieces = Schedule(), [self.piece(piece) for piece in way]
        for piece in pieces:
            schedule.update(piece.schedule)
        return total(Bounds(piece.primal, piece.dual) for piece in pieces), schedule

    def piece(self, piece: Piece | Dead) -> Dispatched:
        """A piece, from memory where it was dispatched before."""
        if piece not in self.known:
            self.known[piece] = self.solve(piece)
        return self.known[piece]

    def solve(self, piece: Piece | Dead) -> Dispatched:
        """A piece by SCIP; of one that only bounds, the bound."""
        if isinstance(piece, Dead):
            return dead(self.grid, piece)
        if not (piece.arcs or piece.sites.dg or piece.sites.ess or self.grid.buses[piece.root].p):
            return Dispatched(0.0, 0.0, Schedule())
        solved = dispatch(self.grid, piece, self.piece_s)
        return Dispatched(math.inf, solved.dual, Schedule(), solved.seconds) if piece.bound_only else solved
