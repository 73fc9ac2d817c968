"""What a schedule leads to: a backward/forward sweep of our own, every limit, and the cost that follows."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

from tests.prove.choices import Closed, Sites, arcs_from, components
from tests.prove.dispatch import Schedule, shed_cost
from tests.prove.grid import Grid, Mode

SWEEPS = 400
STEP = 1e-13


@dataclass(frozen=True)
class Outcome:
    """Cost of a mode by AC power flow, the largest violation (pu, or share of a rating), and what is violated."""

    cost: float
    worst: float
    fault: str


class Run:
    """One mode under a schedule: sums cost and keeps the largest violation."""

    def __init__(self, grid: Grid, mode: Mode, sites: Sites, closed: Closed, schedule: Schedule) -> None:
        self.grid, self.mode, self.closed, self.schedule = grid, mode, closed, copy.deepcopy(schedule)
        self.dg, self.ess = sites.dg_at(grid), sites.ess_at(grid)
        self.cost, self.worst, self.fault = 0.0, 0.0, ""

    def outcome(self) -> Outcome:
        """Cost and violations over all periods."""
        for t in range(len(self.grid.periods)):
            for tree in components(self.grid, self.closed):
                self.tree(t, tree)
        for bus in self.ess if self.grid.held is None else ():
            self.storage(bus)
        return Outcome(self.cost, self.worst, self.fault)

    def broken(self, by: float, what: str) -> None:
        """Note a violation; none where ``by`` is not positive."""
        if not by <= self.worst:  # NaN, where there is no power flow, is the worst of all
            self.worst, self.fault = (math.inf if math.isnan(by) else by), what

    def tree(self, t: int, tree: frozenset[int]) -> None:
        """A tree of closed lines in a period: dead, or run from its source."""
        held = self.schedule.v_root
        sources = {bus: held[bus, t] for bus in tree if (bus, t) in held}
        if not self.mode.islanded:
            sources = {bus: self.grid.sources[bus] for bus in tree & self.grid.sources.keys()}
        if len(sources) > 1:
            self.broken(math.inf, f"several sources in one tree in period {t + 1}")
        for root, voltage in list(sources.items())[:1]:
            if self.mode.islanded and self.mode.vm is not None:
                self.broken(abs(voltage - self.mode.vm), f"set point of bus {root} in period {t + 1}")
            self.live(t, root, voltage)
        for bus in sorted(tree):
            self.unit_limits(t, bus, live=bool(sources))

    def unit_limits(self, t: int, bus: int, live: bool) -> None:
        """Shedding, DG and storage of a bus within their limits, and what they cost."""
        self.shedding(t, bus, live)
        if bus in self.dg:
            self.generation(t, bus, live)
        if bus in self.ess:
            self.exchange(t, bus, live)

    def shedding(self, t: int, bus: int, live: bool) -> None:
        """No more is shed than the load, and at a dead bus all of it."""
        grid, mode, period = self.grid, self.mode, self.grid.periods[t]
        load, shed = grid.load(bus, t)[0], self.schedule.shed.get((bus, t), 0.0)
        if not live:
            self.broken(abs(load - shed), f"load at dead bus {bus} in period {t + 1}")
        most = load if mode.shedding else 0.0
        self.broken(max(-shed, shed - most), f"shedding at bus {bus} in period {t + 1}")
        self.cost += shed * shed_cost(grid, mode, grid.buses[bus], period)

    def generation(self, t: int, bus: int, live: bool) -> None:
        """DG gives between nothing (all, where it must be taken) and what is there; at a dead bus nothing."""
        grid, unit, period = self.grid, self.dg[bus], self.grid.periods[t]
        p, q = self.schedule.p_dg.get((bus, t), 0.0), self.schedule.q_dg.get((bus, t), 0.0)
        most, capacity = (grid.available(bus, unit, t), grid.capacity(bus, unit, t)) if live else (0.0, 0.0)
        least, q_min, q_max = most if unit.must_take else 0.0, unit.q_min * capacity, unit.q_max * capacity
        self.broken(max(least - p, p - most, q_min - q, q - q_max), f"DG {bus}, period {t + 1}")
        per_mwh = grid.weight("generation_cost", self.mode) * unit.cost
        per_mwh += grid.weight("emissions", self.mode) * unit.emissions
        self.cost += per_mwh * p * period.hours * grid.s_mva

    def exchange(self, t: int, bus: int, live: bool) -> None:
        """Storage charges or discharges within its ratings; at a dead bus it rests."""
        unit, schedule, key = self.ess[bus], self.schedule, (bus, t)
        charge, discharge = schedule.charge.get(key, 0.0), schedule.discharge.get(key, 0.0)
        q, p_max = schedule.q_ess.get(key, 0.0), unit.p if live else 0.0
        what = f"storage {bus}, period {t + 1}"
        self.broken(max(-charge, -discharge, charge - p_max, discharge - p_max), what)
        self.broken(min(charge, discharge), f"{what}, both ways")
        if unit.sn is None or not live:
            self.broken(abs(q), f"reactive power of {what}")
        else:
            self.broken(math.hypot(discharge - charge, q) - unit.sn, f"apparent power of {what}")

    def storage(self, bus: int) -> None:
        """Stored energy of a unit stays within its limits and ends as it must."""
        unit, energy = self.ess[bus], self.ess[bus].start
        for t, period in enumerate(self.grid.periods):
            charge = self.schedule.charge.get((bus, t), 0.0)
            discharge = self.schedule.discharge.get((bus, t), 0.0)
            energy += period.hours * (unit.eta_charge * charge - discharge / unit.eta_discharge)
            self.broken(max(-energy, energy - unit.energy), f"energy of storage {bus} in period {t + 1}")
        if unit.end != "free":
            self.broken(unit.start - energy, f"energy of storage {bus} at the end")
        if unit.end == "equal_start":
            self.broken(energy - unit.start, f"energy of storage {bus} at the end")

    def injection(self, t: int, bus: int) -> complex:
        """What load and units give at a bus, pu."""
        schedule, key, (p, q) = self.schedule, (bus, t), self.grid.load(bus, t)
        load = complex(p, q if self.mode.reactive else 0.0)
        served = load * (1.0 - schedule.shed.get(key, 0.0) / load.real) if load.real else load
        units = schedule.p_dg.get(key, 0.0) + schedule.discharge.get(key, 0.0) - schedule.charge.get(key, 0.0)
        return complex(units, schedule.q_dg.get(key, 0.0) + schedule.q_ess.get(key, 0.0)) - served

    def live(self, t: int, root: int, voltage: float) -> None:
        """Power flow of a tree, its limits, and what its source must give."""
        grid, period = self.grid, self.grid.periods[t]
        arcs = arcs_from(grid, self.closed, root)
        given = {bus: self.injection(t, bus) for bus in (root, *(arc[2] for arc in arcs))}
        v, current = sweep(grid, arcs, given, root, voltage)
        for bus, value in v.items():
            limits = grid.buses[bus]
            self.broken(max(limits.v_min - abs(value), abs(value) - limits.v_max), f"bus {bus}, period {t + 1}")
        for line, _, child in arcs:
            size, most = abs(current[child]), grid.rating(line, t)
            self.broken(size / most - 1.0, f"line {line}, period {t + 1}")
            loss = grid.lines[line].r * size**2
            self.cost += grid.weight("losses", self.mode) * loss * period.hours * grid.s_mva
        flows = sum((v[root] * current[child].conjugate() for _, parent, child in arcs if parent == root), 0j)
        source = flows - given[root]
        if self.mode.islanded:
            self.form(t, root, source)
        else:
            per_mwh = grid.weight("energy_cost", self.mode) * grid.price(t)
            per_mwh += grid.weight("emissions", self.mode) * period.emissions
            self.cost += per_mwh * source.real * period.hours * grid.s_mva

    def form(self, t: int, root: int, source: complex) -> None:
        """A DG that forms a grid gives what its island needs; storage keeps its schedule, so nothing may be left."""
        key, schedule = (root, t), self.schedule
        if root in self.dg and self.dg[root].forming:
            schedule.p_dg[key] = schedule.p_dg.get(key, 0.0) + source.real
            schedule.q_dg[key] = schedule.q_dg.get(key, 0.0) + source.imag
        elif root in self.ess and self.ess[root].forming:
            schedule.q_ess[key] = schedule.q_ess.get(key, 0.0) + source.imag
            self.broken(abs(source.real), f"balance of storage {root}, period {t + 1}")
        else:
            self.broken(math.inf, f"no unit forms a grid at bus {root}")


def sweep(
    grid: Grid, arcs: tuple[tuple[int, int, int], ...], given: dict[int, complex], root: int, voltage: float
) -> tuple[dict[int, complex], dict[int, complex]]:
    """Voltages by bus and current of the line to each bus; NaN where the sweep does not settle."""
    v = dict.fromkeys((root, *(child for _, _, child in arcs)), complex(voltage))
    current: dict[int, complex] = {}
    for _ in range(SWEEPS):
        current = {bus: -(given[bus] / v[bus]).conjugate() for bus in v}
        for _, parent, child in reversed(arcs):
            if parent != root:
                current[parent] += current[child]
        step = 0.0
        for line, parent, child in arcs:
            new = v[parent] - complex(grid.lines[line].r, grid.lines[line].x) * current[child]
            step, v[child] = max(step, abs(new - v[child])), new
        if step < STEP:
            return v, current
    return dict.fromkeys(v, complex(math.nan)), current


def run(grid: Grid, mode: Mode, sites: Sites, closed: Closed, schedule: Schedule) -> Outcome:
    """Cost and violations of a mode under a schedule, by AC power flow."""
    return Run(grid, mode, sites, closed, schedule).outcome()
