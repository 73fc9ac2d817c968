"""Batched AC power flow of radial networks: backward/forward sweeps over many plans at once.

All plans are swept along one forest, the frame, so that a step of the sweep is one operation on a row of plans. A plan
whose own forest is another one is compensated: currents around the loops cancel the currents of its open lines, and
voltages across its open lines close the loops. This turns the method of Shirmohammadi et al. (IEEE Trans. Power Syst.
3(2), 1988, doi:10.1109/59.192932) around: there compensation closes loops, here it opens them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from igdt_planner.search.impedance import FewPlans
from igdt_planner.search.network import Bools, Complexes, Floats, Frame, Ints, RadialNetwork

TOLERANCE = 1e-10
"""Largest change of a voltage in the last sweep, pu."""

MAX_SWEEPS = 500
"""Sweeps that a plan may take: enough for a lowest voltage of 0.51 pu, where each brings it only 4.5 % closer."""

ROUNDS = (8, 2, 2, 2, 2, 4, 4)
"""Sweeps after which finished plans are set aside, so that they need not wait for slow ones; then doubling."""

CHUNK = 512
"""Flows swept together; what they need stays in the cache."""


FEW = 2_000
"""Flows times buses up to which a product with the matrix of each plan is faster than sweeps line by line."""


@dataclass(frozen=True)
class RadialFlow:
    """AC state of every plan under every load; NaN where there is none.

    Attributes
    ----------
    converged : array of bool, shape (plans, loads)
        False where the topology is not radial or no AC solution was found.
    loss_mw : array, shape (plans, loads)
    v : array of complex, shape (plans, loads, buses)
        Voltage, pu.
    current : array of complex, shape (plans, loads, lines)
        Current from ``from_bus`` to ``to_bus``, pu; 0 in open lines up to rounding.
    """

    converged: Bools
    loss_mw: Floats
    v: Complexes
    current: Complexes


def radial_power_flow(
    network: RadialNetwork, line_on: Bools, load: Complexes, *, max_sweeps: int = MAX_SWEEPS
) -> RadialFlow:
    """AC power flow of every topology under every load.

    Parameters
    ----------
    network : RadialNetwork
    line_on : array of bool, shape (plans, lines)
    load : array of complex, shape (loads, buses) or (plans, loads, buses)
        Constant power drawn, pu; generation is negative. What is drawn at a root flows in no line.
    max_sweeps : int
        Limit on backward/forward sweeps; fewer give up earlier on plans close to voltage collapse.

    Returns
    -------
    RadialFlow
        From sweeps until no voltage changes by more than 1e-10 pu. A plan has not converged when its topology is not
        radial, when its changes stop shrinking, or at the limit.

    Raises
    ------
    ValueError
        Arrays of a shape other than stated.
    """
    plans, loads, buses = len(line_on), load.shape[-2], network.n_bus
    if line_on.shape != (plans, network.n_line) or load.shape not in ((loads, buses), (plans, loads, buses)):
        raise ValueError(f"line_on of shape {line_on.shape} and load of shape {load.shape} do not fit the network")
    if plans == 1 or plans * loads * buses <= FEW:
        return _few(network, line_on, load, max_sweeps)
    batch = _Batch(network, line_on, load)
    for sweeps in _rounds(max_sweeps):
        batch.advance(sweeps)
    return batch.result()


def _few(network: RadialNetwork, line_on: Bools, load: Complexes, max_sweeps: int) -> RadialFlow:
    few = FewPlans(network, line_on, load)
    few.advance(_rounds(max_sweeps), TOLERANCE)
    converged = few.change <= TOLERANCE
    v, current = (np.where(converged[..., None], values, np.nan) for values in (few.v, few.current))
    loss = network.base_mva * (current.real**2 + current.imag**2) @ network.r
    return RadialFlow(converged, np.asarray(loss), v, current)


def _rounds(max_sweeps: int) -> Iterator[int]:
    rounds, sweeps = iter(ROUNDS), 0
    while max_sweeps > 0:
        sweeps = min(next(rounds, 2 * sweeps), max_sweeps)
        max_sweeps -= sweeps
        yield sweeps


class _Batch:
    """All flows: buses, lines and loops in rows, in the order of the frame, and flows in columns."""

    def __init__(self, network: RadialNetwork, line_on: Bools, load: Complexes) -> None:
        self.network, self.shape = network, (len(line_on), load.shape[-2])
        self.frame = network.frame
        self.opened, self.inverse, radial = _openings(self.frame, line_on)
        self.plan, scenario = np.divmod(np.arange(self.shape[0] * self.shape[1]), self.shape[1])
        self.load, self.load_row = load.reshape(-1, network.n_bus), scenario
        if load.ndim == 3:
            self.load_row = np.arange(len(self.plan))
        self.v = np.ones((network.n_bus, len(self.plan)), dtype=complex)
        self.v[: len(network.root)] = network.v_root[:, None]
        self.current = np.zeros((network.n_line, len(self.plan)), dtype=complex)
        self.change = np.where(radial, np.inf, np.nan)[self.plan]

    def advance(self, sweeps: int) -> None:
        """Sweep what has not converged; what does not come closer is given up: its change becomes NaN."""
        todo = np.flatnonzero(self.change > TOLERANCE)
        before = self.change[todo]
        for begin in range(0, len(todo), CHUNK):
            at = todo[begin : begin + CHUNK]
            chunk = self.chunk(at)
            self.change[at] = chunk.sweep(sweeps)
            self.v[:, at], self.current[:, at] = chunk.v, chunk.current
        self.change[todo[~(self.change[todo] < before)]] = np.nan

    def chunk(self, at: Ints) -> _Chunk:
        """The flows in the given columns."""
        load = self.load[self.load_row[at]].T[self.frame.bus]
        opened, inverse = self.opened.take(self.plan[at], axis=-1), self.inverse.take(self.plan[at], axis=-1)
        return _Chunk(self.network, self.frame, load, self.v.take(at, axis=-1), opened, inverse)

    def result(self) -> RadialFlow:
        """The flows in the order of the network."""
        network, converged = self.network, self.change <= TOLERANCE
        self.v[:, ~converged] = self.current[:, ~converged] = np.nan
        bus, line = np.argsort(self.frame.bus), np.argsort(self.frame.line)
        v, current = self.v[bus], self.current[line]
        parts = current.view(float)
        parts *= self.frame.sign[line, None]
        loss = network.base_mva * (network.r @ parts**2).reshape(-1, 2).sum(axis=1)
        return RadialFlow(
            converged=converged.reshape(self.shape),
            loss_mw=loss.reshape(self.shape),
            v=v.T.reshape(*self.shape, network.n_bus),
            current=current.T.reshape(*self.shape, network.n_line),
        )


def _openings(frame: Frame, line_on: Bools) -> tuple[Ints, Floats, Bools]:
    """How the plans differ from the frame.

    Returns the places of their open lines, shape (loops, plans), the inverse of the loops of the frame at these lines,
    shape (loops, loops, plans), and whether each plan is radial: as many lines open as there are loops, and none of the
    loops left closed, so that the inverse exists. It does so exactly: in every step of the elimination all entries are
    -1, 0 or 1.
    """
    size = len(frame.loops)
    is_open = ~line_on[:, frame.line]
    radial = is_open.sum(axis=1) == size
    opened = np.zeros((len(line_on), size), dtype=np.int64)
    opened[radial] = np.nonzero(is_open[radial])[1].reshape(np.count_nonzero(radial), size)
    at_opened = frame.loops[:, opened].transpose(1, 0, 2)
    radial &= np.linalg.slogdet(at_opened)[0] != 0.0
    inverse = np.zeros(at_opened.shape)
    inverse[radial] = np.linalg.inv(at_opened[radial])
    return np.ascontiguousarray(opened.T), np.ascontiguousarray(inverse.transpose(1, 2, 0)), radial


class _Chunk:
    """A chunk of flows and its work space: to allocate that anew for every sweep costs more than to fill it.

    Real matrices meet voltages and currents as ``view(float)``, where a flow has two columns.
    """

    def __init__(
        self, network: RadialNetwork, frame: Frame, load: Complexes, v: Complexes, opened: Ints, inverse: Floats
    ) -> None:
        roots, buses, flows = len(network.root), network.n_bus, v.shape[1]
        self.frame, self.load, self.v = frame, load, v
        self.z = (network.r + 1j * network.x)[frame.line, None]
        rows = np.zeros((roots + network.n_line, flows), dtype=complex)
        self.draw, self.current, self.outside = rows[:buses], rows[roots:], rows[buses:]
        self.work = np.empty_like(self.current)
        self.compensated = bool((opened < buses - roots).any())
        self.at_opened = opened * flows + np.arange(flows)
        self.inverse = np.repeat(inverse, 2, axis=2)

    def sweep(self, count: int) -> Floats:
        """Sweep ``count`` times; the largest change of a voltage in the last sweep, shape (flows,)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for _ in range(count):
                before = self.v.copy()
                self.backward()
                self.forward()
            step = (self.v - before).view(float)
            change: Floats = np.abs(step, out=step).max(axis=0).reshape(-1, 2).max(axis=1)
        return change

    def backward(self) -> None:
        """Currents drawn at the present voltages."""
        np.conjugate(np.divide(self.load, self.v, out=self.draw), out=self.draw)
        rows = list(self.draw.view(float))
        for child, parent in reversed(self.frame.links):
            rows[parent] += rows[child]
        self.outside[:] = 0.0
        if self.compensated:
            in_opened = self.current.reshape(-1).take(self.at_opened).view(float)
            around = np.einsum("ijc,ic->jc", self.inverse, in_opened)
            self.current -= np.matmul(self.frame.loops.T, around, out=self.work.view(float)).view(complex)

    def forward(self) -> None:
        """Voltages that the present currents leave."""
        drop = np.multiply(self.z, self.current, out=self.work)
        if self.compensated:
            around = self.frame.loops @ drop.view(float)
            around.view(complex)[:] -= self.frame.gap[:, None]
            across_opened = np.einsum("ijc,jc->ic", self.inverse, around)
            drop.reshape(-1)[self.at_opened] -= across_opened.view(complex)
        rows, drops = list(self.v.view(float)), list(drop.view(float))
        for (child, parent), row in zip(self.frame.links, drops, strict=False):
            np.subtract(rows[parent], row, out=rows[child])
