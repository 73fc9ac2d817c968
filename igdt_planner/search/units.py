"""Generators in closed form: where they stand best in a given tree, and what they deliver there.

As long as the currents drawn by loads stand still, the losses of a tree are a quadratic function of what generators
deliver. Its matrix holds path resistances: the resistance that the ways of two buses to the root share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igdt_planner.search.network import Complexes, Floats, Ints, RadialNetwork
from igdt_planner.search.tree import Tree

SWEEPS = 12
"""Rounds of coordinate descent over the powers of the generators of one plan: few stand, and they converge fast."""


@dataclass(frozen=True, eq=False)
class Units:
    """Generators that may be placed: at most one a bus, and ``count`` of them.

    A site is one number: that of the bus, plus the number of all buses for every technology before its own.

    Attributes
    ----------
    count : int
        0 where nothing is to be placed.
    buses : array of int, shape (candidates,)
        Where they may stand, by number of the bus.
    p_max, q_min, q_max : array, shape (technologies, periods)
        What one may deliver, pu.
    n_bus : int
        Buses of the network.
    worth : array, shape (technologies, periods)
        What active power delivered is worth besides the losses that it saves, as a multiple of losses.
    price : array, shape (technologies,)
        What a generator costs, as pu hours of losses.
    optional : bool
        Whether fewer may be placed, because they cost.
    """

    count: int
    buses: Ints
    p_max: Floats
    q_min: Floats
    q_max: Floats
    n_bus: int
    worth: Floats
    price: Floats
    optional: bool

    @property
    def sites(self) -> Ints:
        """All sites: every technology at every bus."""
        return np.asarray(np.add.outer(self.buses, self.n_bus * np.arange(len(self.price))).ravel())

    def bus(self, sites: Ints) -> Ints:
        """The bus of every site."""
        return np.asarray(sites % self.n_bus)

    def technology(self, sites: Ints) -> Ints:
        """The technology of every site."""
        return np.asarray(sites // self.n_bus)

    def apart(self, sites: Ints) -> Ints:
        """The sites, of those at one bus the first alone."""
        return sites[np.sort(np.unique(self.bus(sites), return_index=True)[1])]


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Losses of one tree as a function of what generators deliver, at currents and voltages that stand still.

    Attributes
    ----------
    resistance : array, shape (buses, buses)
        Path resistances, pu.
    draw, drop : array of complex, shape (periods, buses)
        Currents that loads draw, and path resistances times these.
    unit : array of complex, shape (periods, buses)
        Current of one pu of active power delivered; one of reactive power is -j times that.
    hours : array, shape (periods,)
    """

    resistance: Floats
    draw: Complexes
    drop: Complexes
    unit: Complexes
    hours: Floats

    def total(self) -> float:
        """Losses without generators, pu hours."""
        return float(self.hours @ (self.draw.conj() * self.drop).real.sum(axis=1))

    def best(self, units: Units, sites: Ints) -> tuple[Floats, Complexes]:
        """The powers that lose least at each of some sets of sites, and what they save, pu hours of losses.

        Parameters
        ----------
        units : Units
        sites : array of int, shape (sets, count)

        Returns
        -------
        array, shape (sets,)
        array of complex, shape (sets, periods, count)
            Power delivered, pu.
        """
        buses, kinds = units.bus(sites), units.technology(sites)
        twice = np.concatenate([buses, buses], axis=1)
        unit = self.unit[:, buses].transpose(1, 0, 2)
        unit = np.concatenate([unit, -1j * unit], axis=2)
        between = self.resistance[twice[:, :, None], twice[:, None, :]][:, None]
        matrix = (unit.conj()[..., None] * between * unit[..., None, :]).real
        linear = (unit.conj() * self.drop[:, twice].transpose(1, 0, 2)).real
        power = within(matrix, linear, *limits(units, kinds))
        gain = 2.0 * (linear * power).sum(axis=2) - np.einsum("sti,stij,stj->st", power, matrix, power)
        count = sites.shape[1]
        gain += np.einsum("skt,stk->st", units.worth[kinds], power[..., :count])
        return gain @ self.hours - units.price[kinds].sum(axis=1), power[..., :count] + 1j * power[..., count:]


def limits(units: Units, kinds: Ints) -> tuple[Floats, Floats]:
    """Least and largest active, then reactive power of generators by technology, shape (sets, periods, 2 count)."""
    p_max, q_min, q_max = units.p_max[kinds], units.q_min[kinds], units.q_max[kinds]
    both = np.concatenate([0.0 * p_max, q_min], axis=1), np.concatenate([p_max, q_max], axis=1)
    return both[0].transpose(0, 2, 1), both[1].transpose(0, 2, 1)


SETTLED = 1e-4
"""Share of the largest limit: once no power moves by more, what the losses miss is of its second order."""
SINGULAR = 1e-12
"""Added to a diagonal so that generators at the same place of no resistance do not stop it."""


def within(matrix: Floats, linear: Floats, lower: Floats, upper: Floats) -> Floats:
    """Minimum of ``x' matrix x - 2 linear x`` within bounds, batched over leading axes.

    Solved outright where the bounds do not bind anywhere, else by coordinate descent from there.

    A generator at a root reduces no losses: it delivers nothing.
    """
    x = np.zeros_like(linear)
    diagonal = np.einsum("...ii->...i", matrix)
    movable = np.flatnonzero((upper > lower).any(axis=tuple(range(upper.ndim - 1))))
    inner = matrix[..., movable[:, None], movable] + SINGULAR * np.eye(len(movable))
    x[..., movable] = np.linalg.solve(inner, linear[..., movable, None])[..., 0]
    if ((x >= lower) & (x <= upper)).all():
        return x
    first = np.ascontiguousarray(np.moveaxis(np.clip(x, lower, upper), -1, 0))
    towards, rows = np.moveaxis(linear, -1, 0), np.ascontiguousarray(np.moveaxis(matrix, (-2, -1), (0, 1)))
    share = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0.0)
    for _ in range(SWEEPS):
        before = first.copy()
        for i in movable.tolist():
            free = first[i] + (towards[i] - (rows[i] * first).sum(axis=0)) * share[..., i]
            np.minimum(np.maximum(free, lower[..., i]), upper[..., i], out=first[i])
        if np.abs(first - before).max() <= SETTLED * np.abs(upper).max():
            break
    return np.moveaxis(first, 0, -1)


def quadratic(network: RadialNetwork, tree: Tree, draw: Complexes, v: Complexes, hours: Floats) -> Quadratic:
    """Losses of a tree around currents drawn and voltages, both of shape (periods, buses)."""
    through = network.paths - tree.loops.T @ network.paths[tree.open_lines]
    resistance = (through.T * network.r) @ through
    return Quadratic(resistance, draw, draw @ resistance, 1.0 / v.conj(), hours)


def best_sites(losses: Quadratic, units: Units, sites: Ints) -> Ints:
    """Sites reached by moving one generator at a time to its best bus, until none moves; missing ones are added first.

    Where generators cost, one that does not pay is left out.

    Parameters
    ----------
    losses : Quadratic
    units : Units
    sites : array of int, shape (at most count,)
    """
    while len(sites) < units.count:
        sites = moved(losses, units, np.append(sites, units.sites[0]), len(sites))
    idle, place = 0, 0
    while idle < len(sites):
        better = moved(losses, units, sites, place)
        idle = idle + 1 if np.array_equal(better, sites) else 1
        sites, place = better, (place + 1) % len(sites)
    while units.optional and len(sites):
        fewer = np.array([np.delete(sites, place) for place in range(len(sites))])
        saved = losses.best(units, fewer)[0]
        if saved.max() < losses.best(units, sites[None])[0][0]:
            break
        sites = fewer[int(saved.argmax())]
    return sites


def moved(losses: Quadratic, units: Units, sites: Ints, place: int) -> Ints:
    """The sites with one generator where it is worth most."""
    others = np.delete(sites, place)
    free = units.sites[~np.isin(units.bus(units.sites), units.bus(others))]
    sets = np.repeat(sites[None], len(free), axis=0)
    sets[:, place] = free
    best: Ints = sets[int(losses.best(units, sets)[0].argmax())]
    return best
