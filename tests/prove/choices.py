"""Every choice of sites and topologies of a model, and the pieces of a network that do not feel each other."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.prove.grid import Choice, Dg, Ess, Grid, Mode

Site = tuple[int, str]
Closed = frozenset[int]
"""Ids of closed lines."""


@dataclass(frozen=True)
class Sites:
    """What stands where: pairs of bus and technology, sorted."""

    dg: tuple[Site, ...] = ()
    ess: tuple[Site, ...] = ()

    def dg_at(self, grid: Grid) -> dict[int, Dg]:
        """The technology of each DG by its bus."""
        known = {unit.name: unit for unit in grid.dg.technologies}
        return {bus: known[name] for bus, name in self.dg}

    def ess_at(self, grid: Grid) -> dict[int, Ess]:
        """The technology of each storage unit by its bus."""
        known = {unit.name: unit for unit in grid.ess.technologies}
        return {bus: known[name] for bus, name in self.ess}

    def among(self, buses: Iterable[int]) -> Sites:
        """The units at some buses."""
        there = set(buses)
        return Sites(*(tuple(site for site in sites if site[0] in there) for sites in (self.dg, self.ess)))


@dataclass(frozen=True)
class Piece:
    """A tree that feels nothing of the rest of the network.

    Attributes
    ----------
    mode : str
    root : int
        Where the tree begins: a substation, or the bus that forms the grid of an island.
    v_root : float or None
        Voltage that the root holds, pu; None in an island where it is free within the limits.
    arcs : tuple of (line, parent, child)
        Parents before children.
    buses : tuple of int
        Buses whose loads and units belong to the piece: a substation's belong to a piece of their own.
    sites : Sites
        Units at these buses.
    periods : tuple of int
        Positions of the periods; one where no storage links them.
    reserve : int or None
        Bus of storage that forms the grid and so must hold a hundredth of its energy in every period (rule I13).
    bound_only : bool
        Whether its cost is a bound for AC, which knows no such reserve, and no way to run the piece.
    """

    mode: str
    root: int
    v_root: float | None
    arcs: tuple[tuple[int, int, int], ...]
    buses: tuple[int, ...]
    sites: Sites
    periods: tuple[int, ...]
    reserve: int | None = None
    bound_only: bool = False


@dataclass(frozen=True)
class Dead:
    """An island, or a bus of one, without a source: all its load is shed."""

    mode: str
    buses: tuple[int, ...]


Way = tuple[Piece | Dead, ...]
"""Pieces to be run together."""


def all_sites(grid: Grid) -> list[Sites]:
    """Every set of sites that the model may build."""
    return [Sites(dg, ess) for dg in _site_sets(grid.dg) for ess in _site_sets(grid.ess)]


def _site_sets(choice: Choice) -> list[tuple[Site, ...]]:
    if choice.stated is not None:
        return [tuple(sorted(choice.stated))]
    names = [unit.name for unit in choice.technologies]
    return [
        tuple(zip(buses, chosen, strict=True))
        for units in range(min(choice.max_units, len(choice.buses)) + 1)
        for buses in itertools.combinations(choice.buses, units)
        for chosen in itertools.product(names, repeat=units)
    ]


def topologies(grid: Grid, mode: Mode) -> list[Closed]:
    """Every topology that a mode may have for all periods: radial, connected ones with one source a tree."""
    base = frozenset(line.id for line in grid.lines.values() if line.closed)
    if mode.name in grid.open_lines:
        return [frozenset(grid.lines) - set(grid.open_lines[mode.name])]
    if mode.topology == "fixed":
        return [base]
    free = [line.id for line in grid.lines.values() if line.switchable]
    locked = base - set(free)
    sets = (locked | set(chosen) for size in range(len(free) + 1) for chosen in itertools.combinations(free, size))
    return [closed for closed in sets if is_allowed(grid, mode, closed)]


def is_allowed(grid: Grid, mode: Mode, closed: Closed) -> bool:
    """Whether closed lines make a forest, and where connected each of its trees holds one substation."""
    trees = components(grid, closed)
    if len(closed) != len(grid.buses) - len(trees):
        return False
    return mode.islanded or all(len(tree & grid.sources.keys()) == 1 for tree in trees)


def components(grid: Grid, closed: Closed) -> list[frozenset[int]]:
    """Sets of buses that hang together, by their smallest bus."""
    group = {bus: {bus} for bus in grid.buses}
    for line in closed:
        joined = group[grid.lines[line].i] | group[grid.lines[line].j]
        for bus in joined:
            group[bus] = joined
    return sorted({frozenset(part) for part in group.values()}, key=min)


def arcs_from(grid: Grid, closed: Closed, root: int) -> tuple[tuple[int, int, int], ...]:
    """Lines of the tree at a root as (line, parent, child), parents before children."""
    found: list[tuple[int, int, int]] = []
    reached = [root]
    for parent in reached:
        for line in sorted(closed):
            ends = grid.lines[line].i, grid.lines[line].j
            child = ends[0] if parent == ends[1] else ends[1]
            if parent in ends and child not in reached:
                reached.append(child)
                found.append((line, parent, child))
    return tuple(found)


def parts(grid: Grid, mode: Mode, sites: Sites, closed: Closed) -> list[list[Way]]:
    """The parts of a network in a mode, each with the ways to run it: the least cost is the sum of the best ways."""
    trees = components(grid, closed)
    if mode.islanded:
        return [_island_ways(grid, mode, sites, closed, tree) for tree in trees]
    feeders = [piece for tree in trees for piece in _feeders(grid, mode, sites, closed, tree)]
    return [[_by_period(grid, piece)] for piece in feeders]


def _feeders(grid: Grid, mode: Mode, sites: Sites, closed: Closed, tree: frozenset[int]) -> Iterator[Piece]:
    """A substation alone, and each feeder that begins there."""
    (root,) = tree & grid.sources.keys()
    every = _all_periods(grid)
    yield Piece(mode.name, root, grid.sources[root], (), (root,), sites.among([root]), every)
    arcs = arcs_from(grid, closed, root)
    for first in [arc for arc in arcs if arc[1] == root]:
        below = {first[2]}
        for _, parent, child in arcs:
            if parent in below:
                below.add(child)
        inside = tuple(arc for arc in arcs if arc[2] in below)
        yield Piece(mode.name, root, grid.sources[root], inside, tuple(sorted(below)), sites.among(below), every)


def _island_ways(grid: Grid, mode: Mode, sites: Sites, closed: Closed, tree: frozenset[int]) -> list[Way]:
    """Dead, or live by a unit that forms a grid. Which one matters for what it must hold: energy, or a voltage."""
    here = sites.among(tree)
    dg = sorted(bus for bus, unit in here.dg_at(grid).items() if unit.forming)
    ess = sorted({bus for bus, unit in here.ess_at(grid).items() if unit.forming} - set(dg))
    ways: list[Way] = [(Dead(mode.name, tuple(sorted(tree))),)]
    for root in (dg if mode.vm is not None else dg[:1]) or ess:
        reserve = root if root in ess and grid.keeps_reserve(mode) else None
        arcs = arcs_from(grid, closed, root)
        piece = Piece(mode.name, root, mode.vm, arcs, tuple(sorted(tree)), here, _all_periods(grid), reserve)
        ways.append(_by_period(grid, piece))
        if reserve is not None:
            ways.append((dataclasses.replace(piece, reserve=None, bound_only=True),))
    return ways


def _by_period(grid: Grid, piece: Piece) -> Way:
    """A piece with storage as a whole, one without as one piece a period."""
    if piece.sites.ess:
        return (piece,)
    return tuple(dataclasses.replace(piece, periods=(number,)) for number in piece.periods)


def _all_periods(grid: Grid) -> tuple[int, ...]:
    return tuple(range(len(grid.periods)))


def count(grid: Grid) -> int:
    """Number of combinations of sites and topologies of all modes."""
    return len(all_sites(grid)) * math.prod(len(topologies(grid, mode)) for mode in grid.modes.values())


def open_of(grid: Grid, closed: Closed) -> tuple[int, ...]:
    """Lines that are open where these are closed."""
    return tuple(sorted(set(grid.lines) - closed))
