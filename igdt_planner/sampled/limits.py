"""Limits of the network and of grid-forming units under samples: by how much each is left, and what moves it.

Effects are those of AC power flow linearised at 1 pu, so that they say where to go; AC power flow says how far it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from igdt_planner.ac.powerflow import Floats, Ints
from igdt_planner.ac.violations import TOLERANCE_PU
from igdt_planner.sampled.flow import Flow, reach_of
from igdt_planner.sampled.policy import ModePolicy
from igdt_planner.sampled.realisations import Samples

Complex = npt.NDArray[np.complex128]

GROUND = 1e9
"""Admittance that holds the voltage of a source, as a multiple of the largest one of a line."""
LEAST_RATING_KA = 1e-9
"""Rating that a line counts as having where it may carry nothing."""


@dataclass(frozen=True)
class Worst:
    """The worst limit of each sample and period that leaves one.

    Attributes
    ----------
    rows : array, shape (rows,)
        Numbers of samples times periods.
    excess : array, shape (rows,)
        By how much the limit is left: pu of a voltage, share of a rating, MW or Mvar of a unit.
    effect : complex array, shape (rows, buses)
        Change of the excess by a MW (real part) and a Mvar (imaginary part) more at a bus.
    current : array of int, shape (rows,)
        1 where the limit is the rating of a line, else 0.
    """

    rows: Ints
    excess: Floats
    effect: Complex
    current: Ints


@dataclass(frozen=True)
class Limits:
    """The limits of one mode of a plan; effects are known for some buses, the columns."""

    policy: ModePolicy
    columns: Ints

    def excesses(self, found: Flow, samples: Samples) -> Floats:
        """By how much every limit is left, rows by limits: voltages, currents, then what grid-forming units give."""
        case, ac = self.policy.forecast.case, found.ac
        low, high = (case.buses[name].to_numpy(float) for name in ("vm_min_pu", "vm_max_pu"))
        rating = np.maximum(case.lines["max_i_ka"].to_numpy(float) * samples.line_rating, LEAST_RATING_KA)
        loading = (found.by_sample(ac.i_ka) / rating).reshape(ac.i_ka.shape)
        left = [ac.vm_pu - high, low - ac.vm_pu, loading - 1.0]
        if self.policy.forecast.islanded:
            reach, source = reach_of(self.policy, found.dispatched), np.isfinite(found.dispatched.source_vm_pu)
            p, q = found.by_sample(ac.source_p_mw), found.by_sample(ac.source_q_mvar)
            beyond = (p - reach.p_max, reach.p_min - p, q - reach.q_max, reach.q_min - q)
            left += [np.where(source, part, -np.inf).reshape(ac.vm_pu.shape) for part in beyond]
        every = np.hstack(left)
        return np.where(np.isnan(every), -np.inf, every)

    def worst(self, found: Flow, excess: Floats) -> Worst:
        """The worst limit of every sample and period that leaves one."""
        rows = np.flatnonzero(excess.max(axis=1) > TOLERANCE_PU)
        place, period = excess[rows].argmax(axis=1), rows % found.shape[1]
        case, (buses, lines) = self.policy.forecast.case, (found.ac.vm_pu.shape[1], found.ac.i_ka.shape[1])
        effect = np.empty((len(rows), len(self.columns)), dtype=complex)
        groups = np.searchsorted([buses, 2 * buses, 2 * buses + lines], place, side="right")
        at = np.flatnonzero(groups <= 1)
        bus, sign = place[at] % buses, np.where(groups[at] == 0, 1.0, -1.0)
        scale = sign / case.buses["vn_kv"].to_numpy(float)[bus] ** 2
        effect[at] = scale[:, None] * self.impedance(period[at], bus)
        at = np.flatnonzero(groups == 2)
        line = place[at] - 2 * buses
        start, end = (ends[line] for ends in self.policy.forecast.line_ends)
        share = (self.impedance(period[at], start) - self.impedance(period[at], end)) / self.ohm[line][:, None]
        flow = (found.ac.p_mw + 1j * found.ac.q_mvar)[rows[at], line]
        loading = 1.0 + excess[rows[at], place[at]]
        effect[at] = (loading * flow / np.abs(flow) ** 2)[:, None] * share
        at = np.flatnonzero(groups == 3)
        kind, bus = np.divmod(place[at] - 2 * buses - lines, buses)
        sign = np.array([-1.0, 1.0, -1.0j, 1.0j])[kind]
        effect[at] = sign[:, None] * self.policy.together[period[at], bus][:, self.columns]
        return Worst(rows, excess[rows, place], effect, (groups == 2).astype(np.int64))

    @property
    def ohm(self) -> Complex:
        """Impedance of every line."""
        lines = self.policy.forecast.case.lines
        return np.asarray(lines["r_ohm"].to_numpy(float) + 1j * lines["x_ohm"].to_numpy(float), dtype=complex)

    def impedance(self, period: Ints, bus: Ints) -> Complex:
        """Voltage of a bus in a period by currents into the columns, ohm; 0 at sources and at dead buses."""
        topology, matrices = self.impedances
        return np.asarray(matrices[topology[period], bus], dtype=complex)

    @cached_property
    def impedances(self) -> tuple[Ints, Complex]:
        """Topology of every period, and the impedances of each of them, shape (topologies, buses, columns)."""
        operation, (start, end) = self.policy.worst, self.policy.worst.line_ends
        buses, held = len(operation.bus_ids), operation.is_source | ~operation.ac.energised
        states, topology = np.unique(np.hstack([operation.line_on, held]), axis=0, return_inverse=True)
        own, injected, found = np.arange(buses), np.eye(buses, dtype=complex)[:, self.columns], []
        for state in states:
            on, ground = state[: len(start)], GROUND * state[len(start) :]
            i, j, y = start[on], end[on], 1.0 / self.ohm[on]
            values = np.concatenate([y, y, -y, -y, ground * np.abs(y).max(initial=1.0)])
            at = np.concatenate([i, j, i, j, own]), np.concatenate([i, j, j, i, own])
            factored = splu(coo_array((values, at), shape=(buses, buses)).tocsc())
            found.append(np.asarray(factored.solve(injected), dtype=complex))
        return np.asarray(topology, dtype=np.int64).ravel(), np.array(found)
