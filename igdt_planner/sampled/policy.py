"""How a plan is run when quantities turn out otherwise than forecast.

Sites, topology and storage schedule are the plan's. Between its two dispatches, at the forecast and at the worst case,
the operator goes as far as the quantities of the *same period* have gone; nothing of later periods is used.

- A unit goes ``theta = (f - 1) / (f_worst - 1)``, kept within 0 and 1, where ``f`` is the factor on its availability:
  ``p = min((1 - theta) p_forecast + theta p_worst, available)``, and the same for ``q`` within its range. Where the
  worst case leaves its availability as it is, it goes as far as its island. Must-take DG gives what is available.
- Reactive power of storage goes as far as its island, within what its inverter has left beside its schedule.
- An island goes as far as its balance has: ``theta = sum(theta swing) / sum(swing)`` over its DG and its loads, where
  the swing is the MW by which the worst case moves each. Each bus is served ``(1 - theta) s_forecast + theta s_worst``
  of its load, where ``s`` is the share that the dispatch serves.
- Where AC power flow then asks more of the unit that forms the grid than it can give, its island sheds more, bus by
  bus, until it can; where it can give more, the island goes back towards the shares served at the forecast,
  as far as it can; where a voltage of the island is too high or too low, the unit holds a lower or higher one, unless
  the model states what it holds (:mod:`igdt_planner.sampled.flow`).

It keeps no other limit: evidence goes on from here (:mod:`igdt_planner.sampled.corrected`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Bools, Floats
from igdt_planner.sampled.realisations import Samples


@dataclass(frozen=True)
class Dispatched:
    """One mode of a plan under samples: arrays of samples by periods by buses, in MW, Mvar and pu.

    ``served`` is the share of its load that each bus gets; ``available_p``, ``q_min`` and ``q_max`` are what the DG at
    the bus can give.
    """

    load_p: Floats
    load_q: Floats
    served: Floats
    dg_p: Floats
    dg_q: Floats
    available_p: Floats
    q_min: Floats
    q_max: Floats
    ess_q: Floats
    source_vm_pu: Floats


@dataclass(frozen=True)
class ModePolicy:
    """The two dispatches of one mode that the policy goes between, and the realisation of the second."""

    forecast: Operation
    worst: Operation
    at_worst: Samples

    @property
    def together(self) -> Floats:
        """1 where two buses share an island, shape (periods, buses, buses)."""
        islands = self.forecast.islands
        return np.asarray(islands[:, :, None] == islands[:, None, :], dtype=float)

    @property
    def storage(self) -> Floats:
        """What storage gives by its schedule, MW, shape (periods, buses)."""
        return self.forecast.schedule.discharge - self.forecast.schedule.charge

    @property
    def storage_rating(self) -> Floats:
        """Rating of the inverter of the storage at each bus, MVA; 0 where it exchanges no vars, shape (buses,)."""
        rating = np.zeros(len(self.forecast.bus_ids))
        for column, technology in self.forecast.ess:
            rating[column] = technology.sn_mva or 0.0
        return rating

    @property
    def storage_q_max(self) -> Floats:
        """Reactive power that inverters of storage have left beside its schedule, Mvar, shape (periods, buses)."""
        return np.sqrt(np.maximum(self.storage_rating**2 - self.storage**2, 0.0))

    @property
    def must_take(self) -> Bools:
        """Buses whose DG must be taken, shape (buses,)."""
        mask = np.zeros(len(self.forecast.bus_ids), dtype=bool)
        mask[[column for column, technology in self.forecast.dg if technology.must_take]] = True
        return mask

    def dispatch(self, samples: Samples) -> Dispatched:
        """Output, served load and source voltages, before AC power flow has its say."""
        forecast, buses = self.forecast, len(self.forecast.bus_ids)
        profile = forecast.profile["load"].to_numpy(float)[:, None]
        load_p = profile * forecast.case.buses["p_mw"].to_numpy(float) * samples.active_load
        load_q = profile * forecast.case.buses["q_mvar"].to_numpy(float) * samples.reactive_load
        load_q = load_q * forecast.setting.reactive
        theta, available = self._units(samples)
        shape = (len(samples), len(forecast.periods), buses)

        def spread(values: Floats) -> Floats:
            """Values of units as values of buses."""
            out = np.zeros(shape)
            out[:, :, [column for column, _ in forecast.dg]] = values
            return out

        at_buses, most = spread(theta), spread(available)
        way = self._islands(at_buses, load_p)
        at_buses = np.where(spread(self.at_worst.dg == 1.0) > 0.0, way, at_buses)
        factor = samples.dg
        q_min = spread(factor * np.array([technology.q_min_mvar for _, technology in forecast.dg]))
        q_max = spread(factor * np.array([technology.q_max_mvar for _, technology in forecast.dg]))
        dg_p = np.clip(between(forecast.dg_p, self.worst.dg_p, at_buses), 0.0, most)
        dg_p = np.where(self.must_take & self.alive, most, dg_p * self.alive)
        dg_q = np.clip(between(forecast.dg_q, self.worst.dg_q, at_buses), q_min, q_max) * self.alive
        served = between(*self._shares, way) * self.alive
        ess_q = np.clip(between(forecast.ess_q, self.worst.ess_q, way), -self.storage_q_max, self.storage_q_max)
        source = between(forecast.schedule.source_vm_pu, self.worst.schedule.source_vm_pu, way)
        source = np.where(np.isnan(source), self.worst.schedule.source_vm_pu, source)
        whole = np.broadcast_to
        return Dispatched(
            whole(load_p, shape),
            whole(load_q, shape),
            served,
            dg_p,
            dg_q,
            most,
            q_min,
            q_max,
            ess_q * self.alive,
            whole(source, shape),
        )

    @property
    def alive(self) -> Bools:
        """Buses that have a source in the worst case, shape (periods, buses)."""
        return self.worst.ac.energised

    @property
    def served_at_forecast(self) -> Floats:
        """Share of its load that each bus is served at the forecast, shape (periods, buses)."""
        return served_share(self.forecast) * self.alive

    @property
    def _shares(self) -> tuple[Floats, Floats]:
        """Share of its load that each bus is served, in either dispatch."""
        return served_share(self.forecast), served_share(self.worst)

    def _units(self, samples: Samples) -> tuple[Floats, Floats]:
        """How far each unit has gone to its worst case, and what it has available in MW, shape (..., units)."""
        return progress(samples.dg, self.at_worst.dg), self._forecast_mw * samples.dg

    @property
    def _forecast_mw(self) -> Floats:
        """What each unit has available by forecast, MW, shape (periods, units)."""
        units = [technology for _, technology in self.forecast.dg]
        share = self.forecast.profile[[technology.source for technology in units]].to_numpy(float)
        return np.asarray(share * np.array([technology.p_mw for technology in units]), dtype=float)

    def _islands(self, theta: Floats, load_p: Floats) -> Floats:
        """How far the balance of each bus's island has gone to its worst case."""
        together = self.together
        unit_swing = np.zeros(self.forecast.load_p.shape)
        unit_swing[:, [column for column, _ in self.forecast.dg]] = (
            np.abs(self.at_worst.dg[0] - 1.0) * self._forecast_mw
        )
        at_forecast, at_worst = self.forecast.load_p, self.worst.load_p
        load_swing = np.abs(at_worst - at_forecast)
        load_way = progress(load_p, at_worst, at_forecast)
        gone = np.einsum("stb,tbc->stc", theta * unit_swing + load_way * load_swing, together)
        whole = np.einsum("tb,tbc->tc", unit_swing + load_swing, together)
        return np.asarray(np.divide(gone, whole, out=np.zeros_like(gone), where=whole > 0.0), dtype=float)


def served_share(operation: Operation) -> Floats:
    """Share of its load that each bus is served, 1 where it has none, 0 where it is dead, shape (periods, buses)."""
    left = operation.load_p - operation.schedule.shed_p
    share = np.divide(left, operation.load_p, out=np.ones_like(left), where=operation.load_p != 0.0)
    return np.where(operation.ac.energised, share, 0.0)


def progress(value: Floats, worst: Floats, start: Floats | float = 1.0) -> Floats:
    """How far values have gone from a start to the worst case, within 0 and 1; 0 where the worst case does not move."""
    whole = np.asarray(worst - start, dtype=float)
    gone = value - start
    way = np.divide(gone, whole, out=np.zeros(np.broadcast_shapes(gone.shape, whole.shape)), where=whole != 0.0)
    return np.asarray(np.clip(way, 0.0, 1.0), dtype=float)


def between(start: Floats, end: Floats, theta: Floats) -> Floats:
    """The point a share of the way from a start to an end."""
    return (1.0 - theta) * start + theta * end
