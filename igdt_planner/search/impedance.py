"""AC power flow of a few radial plans: sweeps as products with the bus impedance matrix of each.

The sweeps of :mod:`igdt_planner.search.radial_flow` written down another way: there a sweep is one operation a line on
all plans, here it is one on the whole network a plan, which pays where there are few plans.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from igdt_planner.search.network import Bools, Complexes, Floats, RadialNetwork


class FewPlans:
    """Plans under loads, shape (plans, loads, ...), in the order of the network.

    Attributes
    ----------
    change : array, shape (plans, loads)
        Largest change of a voltage in the last sweep, pu; NaN where there is no AC solution.
    v : array of complex, shape (plans, loads, buses)
    current : array of complex, shape (plans, loads, lines)
    """

    def __init__(self, network: RadialNetwork, line_on: Bools, load: Complexes) -> None:
        self.network, plans = network, len(line_on)
        self.load = np.broadcast_to(load, (plans, *load.shape[-2:]))
        radial, self.compensation = openings(network, line_on)
        half = network.loop_drops - 0.5 * (network.loop_impedances @ self.compensation)
        opened = half.transpose(0, 2, 1) @ self.compensation
        self.impedance = network.frame_impedances - opened - opened.transpose(0, 2, 1)
        self.v_unloaded = (network.v_frame - network.frame.gap @ self.compensation)[:, None]
        self.v = np.broadcast_to(self.v_unloaded, self.load.shape)
        self.change = np.where(radial[:, None], np.inf, np.full(self.load.shape[:2], np.nan))

    def advance(self, rounds: Iterable[int], tolerance: float) -> None:
        """Sweep until nothing changes; what does not come closer from round to round is given up."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for sweeps in rounds:
                before = self.change
                if not (before > tolerance).any():
                    return
                for _ in range(sweeps):
                    last, self.v = self.v, self.v_unloaded - self.draw @ self.impedance
                step = np.abs(np.ascontiguousarray(self.v - last).view(float)).max(axis=2)
                self.change = np.where(step < before, step, np.where(before <= tolerance, before, np.nan))

    @property
    def draw(self) -> Complexes:
        """Currents drawn at the present voltages, pu."""
        return np.asarray(np.conj(self.load / self.v))

    @property
    def current(self) -> Complexes:
        """Currents from ``from_bus`` to ``to_bus``, pu."""
        draw = self.draw
        around = draw @ self.compensation.transpose(0, 2, 1)
        return np.asarray(self.network.frame_currents(draw) - around @ self.network.loops)


def openings(network: RadialNetwork, line_on: Bools) -> tuple[Bools, Floats]:
    """Which plans are radial, and the current around each loop that cancels what is drawn in their open lines.

    Shapes (plans,) and (plans, loops, buses): a current for every loop per unit drawn at every bus.
    """
    size = len(network.loops)
    radial = (~line_on).sum(axis=1) == size
    opened = np.zeros((len(line_on), size), dtype=np.int64)
    opened[radial] = np.nonzero(~line_on[radial])[1].reshape(np.count_nonzero(radial), size)
    at_opened = network.loops[:, opened].transpose(1, 2, 0)
    radial &= np.linalg.slogdet(at_opened)[0] != 0.0
    compensation = np.zeros((len(line_on), size, network.n_bus))
    compensation[radial] = np.linalg.solve(at_opened[radial], network.paths[opened[radial]])
    return radial, compensation
