"""The network as the search sees it: per-unit arrays, and a forest by which all other forests are described."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from igdt_planner.model import ModeName
from igdt_planner.study import Study

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RadialNetwork:
    """A network that is run radially, in per unit on ``base_mva``; buses and lines are numbered 0, 1, ...

    Attributes
    ----------
    base_mva : float
    from_bus, to_bus : array of int, shape (lines,)
        Ends of every line; parallel lines are allowed.
    r, x : array, shape (lines,)
        Series impedance.
    switchable, closed : array of bool, shape (lines,)
        Whether the line may change its state, and its state in the base topology.
    i_max : array, shape (lines,)
        Largest current, infinite where there is no rating.
    v_min, v_max : array, shape (buses,)
        Limits of the voltage magnitude.
    root : array of int, shape (roots,)
        Substation buses; each feeds a tree of its own.
    v_root : array, shape (roots,)
        Voltage magnitude held there, at angle zero.

    Raises
    ------
    ValueError
        When a bus has no path to a root even with every line closed.
    """

    base_mva: float
    from_bus: Ints
    to_bus: Ints
    r: Floats
    x: Floats
    switchable: Bools
    closed: Bools
    i_max: Floats
    v_min: Floats
    v_max: Floats
    root: Ints
    v_root: Floats

    def __post_init__(self) -> None:
        if len(self.frame.bus) != self.n_bus:
            raise ValueError(f"{self.n_bus - len(self.frame.bus)} buses have no path to a root")

    @property
    def n_bus(self) -> int:
        """Number of buses."""
        return len(self.v_min)

    @property
    def n_line(self) -> int:
        """Number of lines, open or closed."""
        return len(self.from_bus)

    @cached_property
    def frame(self) -> Frame:
        """A forest of least depth over all lines."""
        return grow(self, np.ones(self.n_line, dtype=bool))

    @cached_property
    def loops(self) -> Floats:
        """Fundamental loops of the frame, shape (loops, lines).

        One loop for each line outside the frame, along that line; a path between two roots is a loop too. An entry is
        the current in a line per unit of current around the loop: 1, -1 against the direction of the line, or 0.
        """
        loops = np.empty_like(self.frame.loops)
        loops[:, self.frame.line] = self.frame.loops * self.frame.sign
        return loops

    @cached_property
    def loop_bits(self) -> list[int]:
        """The loops that every line is part of, as the bits of a number: to exchange lines is to add these modulo 2."""
        return [sum(1 << int(loop) for loop in np.flatnonzero(column)) for column in self.loops.T]

    @cached_property
    def paths(self) -> Floats:
        """Current in every line of the frame per unit of current drawn at every bus, shape (lines, buses)."""
        roots = len(self.root)
        fed = np.eye(self.n_bus)[self.frame.bus]
        for child, parent in reversed(self.frame.links):
            fed[parent] += fed[child]
        feeding = slice(self.n_bus - roots)
        paths = np.zeros((self.n_line, self.n_bus))
        paths[self.frame.line[feeding]] = fed[roots:] * self.frame.sign[feeding, None]
        return paths

    @cached_property
    def frame_impedances(self) -> Complexes:
        """Voltage drop at every bus per unit of current drawn at every bus, along the frame, shape (buses, buses)."""
        return np.asarray((self.paths.T * (self.r + 1j * self.x)) @ self.paths)

    @cached_property
    def loop_drops(self) -> Complexes:
        """Voltage drop around every loop per unit of current drawn at every bus, along the frame."""
        return np.asarray((self.loops * (self.r + 1j * self.x)) @ self.paths)

    @cached_property
    def loop_impedances(self) -> Complexes:
        """Voltage drop around every loop per unit of current around every loop, shape (loops, loops)."""
        return np.asarray((self.loops * (self.r + 1j * self.x)) @ self.loops.T)

    @cached_property
    def v_frame(self) -> Complexes:
        """Voltages along the frame where nothing is drawn, shape (buses,)."""
        v = np.zeros(self.n_bus, dtype=complex)
        v[: len(self.root)] = self.v_root
        for child, parent in self.frame.links:
            v[child] = v[parent]
        return v[np.argsort(self.frame.bus)]

    def frame_currents(self, draw: Complexes) -> Complexes:
        """Currents in the frame.

        Parameters
        ----------
        draw : array of complex, shape (..., buses)
            Current drawn at every bus, pu.

        Returns
        -------
        array of complex, shape (..., lines)
            Current from ``from_bus`` to ``to_bus``, pu; 0 outside the frame.
        """
        return np.asarray(draw @ self.paths.T)


@dataclass(frozen=True, eq=False)
class Frame:
    """A spanning forest and the order that it gives to buses and lines.

    Attributes
    ----------
    bus : array of int, shape (buses,)
        Roots first, then parents before children.
    parent : array of int, shape (buses - roots,)
        Place in ``bus`` of the parent of every bus that is not a root.
    line : array of int, shape (lines,)
        First the line that feeds each bus, in the order of the buses, then the lines outside the forest.
    sign : array, shape (lines,)
        -1 where the line points towards the root, otherwise 1.
    loops : array, shape (loops, lines)
        Fundamental loops; lines in the order of ``line`` and pointing away from the root.
    gap : array, shape (loops,)
        Sum of the voltage drops around every loop, pu: 0 unless it joins roots of different voltage.
    """

    bus: Ints
    parent: Ints
    line: Ints
    sign: Floats
    loops: Floats
    gap: Floats

    @cached_property
    def links(self) -> list[tuple[int, int]]:
        """Places of every bus that is not a root and of its parent, for loops in Python; parents first."""
        roots = len(self.bus) - len(self.parent)
        return list(enumerate(self.parent.tolist(), start=roots))


def network_of(study: Study, mode: ModeName = "connected") -> RadialNetwork:
    """The network of a study in one mode; buses and lines keep the order of the study.

    Raises
    ------
    ValueError
        When a bus has no path to a source, as in islanded mode.
    """
    buses, lines, sources = study.buses.values(), study.lines.values(), study.modes[mode].sources
    place = {bus: k for k, bus in enumerate(study.buses)}
    return RadialNetwork(
        base_mva=study.base_mva,
        from_bus=np.array([place[line.i] for line in lines], dtype=np.int64),
        to_bus=np.array([place[line.j] for line in lines], dtype=np.int64),
        r=np.array([line.r for line in lines], dtype=float),
        x=np.array([line.x for line in lines], dtype=float),
        switchable=np.array([line.switchable for line in lines], dtype=bool),
        closed=np.array([line.closed for line in lines], dtype=bool),
        i_max=np.sqrt([line.i_sq_ub for line in lines]),
        v_min=np.sqrt([bus.v_sq_lb for bus in buses]),
        v_max=np.sqrt([bus.v_sq_ub for bus in buses]),
        root=np.array([place[bus] for bus in sources], dtype=np.int64),
        v_root=np.sqrt(list(sources.values())),
    )


def loads_of(study: Study, mode: ModeName = "connected") -> tuple[Complexes, Floats]:
    """Load in every period at the study's realisation, pu, shape (periods, buses), and the hours of every period."""
    demand, periods = study.modes[mode], study.periods.values()
    loads = [
        [complex(demand.p_load[bus, period.id], demand.q_load[bus, period.id]) for bus in study.buses]
        for period in periods
    ]
    factor = study.realisation.table("load", list(study.buses), list(study.periods))
    return np.asarray(factor * np.array(loads), dtype=np.complex128), np.array([period.hours for period in periods])


def grow(network: RadialNetwork, line_on: Bools) -> Frame:
    """Breadth-first forest from the roots over the lines that are on; buses out of reach are left out.

    Parameters
    ----------
    network : RadialNetwork
    line_on : array of bool, shape (lines,)
    """
    lines = np.flatnonzero(line_on)
    neighbours: list[list[tuple[int, int, float]]] = [[] for _ in range(network.n_bus)]
    ends = zip(lines.tolist(), network.from_bus[lines].tolist(), network.to_bus[lines].tolist(), strict=True)
    for line, i, j in ends:
        neighbours[i].append((j, line, 1.0))
        neighbours[j].append((i, line, -1.0))
    bus: list[int] = network.root.tolist()
    known = set(bus)
    tree: list[tuple[int, int, float]] = []
    for place, i in enumerate(bus):
        for j, line, sign in neighbours[i]:
            if j not in known:
                known.add(j)
                bus.append(j)
                tree.append((place, line, sign))
    return _frame(network, bus, tree)


def _frame(network: RadialNetwork, bus: list[int], tree: list[tuple[int, int, float]]) -> Frame:
    parent = np.array([place for place, _, _ in tree], dtype=np.int64)
    feeding = np.array([line for _, line, _ in tree], dtype=np.int64)
    outside = np.setdiff1d(np.arange(network.n_line), feeding)
    sign = np.concatenate([[sign for _, _, sign in tree], np.ones(len(outside))])
    ends = np.zeros((network.n_bus, len(outside)))
    ends[network.from_bus[outside], np.arange(len(outside))] += 1.0
    ends[network.to_bus[outside], np.arange(len(outside))] -= 1.0
    roots = len(network.root)
    around = ends[bus]
    for child, (place, _, _) in reversed(list(enumerate(tree, start=roots))):
        around[place] += around[child]
    return Frame(
        bus=np.array(bus),
        parent=parent,
        line=np.concatenate([feeding, outside]),
        sign=sign,
        loops=np.hstack([around[roots:].T, np.eye(len(outside))]),
        gap=network.v_root @ around[:roots],
    )
