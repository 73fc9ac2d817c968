"""Global optimum of the dispatch of one piece by SCIP, on the exact AC equations of a tree.

Baran and Wu's branch flow with signed flows at the receiving end is exact in a tree: for every line from parent p to
child c, ``v_p = v_c + 2 (r P + x Q) + (r^2 + x^2) l`` and ``l v_c = P^2 + Q^2``, with v and l squared. Nothing of it is
relaxed: SCIP branches until its bounds meet, and both are kept.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyscipopt

from tests.prove.choices import Dead, Piece
from tests.prove.grid import Bus, Grid, Mode, Period

GAP, ABSOLUTE_GAP = 1e-5, 2e-8
"""Distances of SCIP's bounds at which it stops: as a share of them, and of what all energy of a piece would cost."""
FEASIBILITY = 1e-7
RESERVE = 0.01
Quantity = dict[tuple[int, int], float]
"""A value in pu by bus and position of the period."""


@dataclass
class Schedule:
    """How units run, in pu by (bus, position of the period); ``v_root`` names the buses that form islands."""

    p_dg: Quantity = field(default_factory=dict)
    q_dg: Quantity = field(default_factory=dict)
    charge: Quantity = field(default_factory=dict)
    discharge: Quantity = field(default_factory=dict)
    q_ess: Quantity = field(default_factory=dict)
    shed: Quantity = field(default_factory=dict)
    v_root: Quantity = field(default_factory=dict)

    def update(self, other: Schedule) -> None:
        """Add what another piece does."""
        for name in self.__dataclass_fields__:
            getattr(self, name).update(getattr(other, name))


@dataclass(frozen=True)
class Dispatched:
    """SCIP's answer: the cost of the best point (infinite: none found), its bound, and the point."""

    primal: float
    dual: float
    schedule: Schedule
    seconds: float = 0.0

    @property
    def infeasible(self) -> bool:
        """Whether it is proven that there is no point."""
        return self.dual == math.inf


def dead(grid: Grid, island: Dead) -> Dispatched:
    """The cost of an island that serves nothing."""
    mode = grid.modes[island.mode]
    shed = {(bus, t): grid.load(bus, t)[0] for bus in island.buses for t in range(len(grid.periods))}
    cost = sum(p * shed_cost(grid, mode, grid.buses[bus], grid.periods[t]) for (bus, t), p in shed.items())
    return Dispatched(cost, cost, Schedule(shed=shed))


def shed_cost(grid: Grid, mode: Mode, bus: Bus, period: Period) -> float:
    """What one pu not served at a bus in a period weighs in the objective."""
    per_mwh = grid.weight("ens", mode) * bus.priority + grid.weight("lost_load_cost", mode) * bus.lost_load
    return per_mwh * period.hours * grid.s_mva


def magnitude(grid: Grid, mode: Mode, piece: Piece) -> float:
    """What the energy of a piece would weigh without signs: a size to measure absolute gaps by."""
    total = 0.0
    for t in piece.periods:
        period, per_pu = grid.periods[t], grid.periods[t].hours * grid.s_mva
        bought = abs(period.price) * grid.weight("energy_cost", mode)
        bought += period.emissions * grid.weight("emissions", mode)
        lost = 0.01 * grid.weight("losses", mode)
        for bus in piece.buses:
            load = abs(grid.load(bus, t)[0])
            total += load * ((bought + lost) * per_pu + shed_cost(grid, mode, grid.buses[bus], period))
    return total


def dispatch(grid: Grid, piece: Piece, time_limit_s: float) -> Dispatched:
    """Least cost of a piece by SCIP."""
    return _Dispatch(grid, piece).solve(time_limit_s)


class _Dispatch:
    """One SCIP model; every method adds rows of one kind."""

    def __init__(self, grid: Grid, piece: Piece) -> None:
        self.grid, self.piece, self.mode = grid, piece, grid.modes[piece.mode]
        self.scip = pyscipopt.Model()
        self.scip.hideOutput()
        self.dg, self.ess = piece.sites.dg_at(grid), piece.sites.ess_at(grid)
        self.cost: list[Any] = []
        self.variables: dict[str, dict[tuple[int, int], Any]] = defaultdict(dict)
        for t in piece.periods:
            self.units(t)
            self.network(t)
        for bus in self.ess:
            self.storage(bus)

    def variable(self, name: str, bus: int, t: int, low: float, high: float) -> Any:
        """A new variable of a bus and period; a column to read the schedule from."""
        added = self.scip.addVar(f"{name}_{bus}_{t}", lb=low, ub=high)
        self.variables[name][bus, t] = added
        return added

    def units(self, t: int) -> None:
        """DG and load shedding of a period, with their costs."""
        grid, mode, period = self.grid, self.mode, self.grid.periods[t]
        per_pu = period.hours * grid.s_mva
        for bus, unit in self.dg.items():
            most, capacity = grid.available(bus, unit, t), grid.capacity(bus, unit, t)
            p = self.variable("p_dg", bus, t, most if unit.must_take else 0.0, most)
            self.variable("q_dg", bus, t, unit.q_min * capacity, unit.q_max * capacity)
            per_mwh = grid.weight("generation_cost", mode) * unit.cost
            self.cost.append((per_mwh + grid.weight("emissions", mode) * unit.emissions) * per_pu * p)
        for bus in self.piece.buses if mode.shedding else ():
            load = grid.load(bus, t)[0]
            if load > 0.0:
                shed = self.variable("shed", bus, t, 0.0, load)
                self.cost.append(shed_cost(grid, mode, grid.buses[bus], period) * shed)
        for bus, store in self.ess.items():
            held = grid.held[bus] if grid.held is not None else None
            charge = self.variable("charge", bus, t, *((held.charge,) * 2 if held else (0.0, store.p)))
            discharge = self.variable("discharge", bus, t, *((held.discharge,) * 2 if held else (0.0, store.p)))
            if store.sn is not None:
                q, net = self.variable("q_ess", bus, t, -store.sn, store.sn), discharge - charge
                self.scip.addCons(net * net + q * q <= store.sn**2)

    def storage(self, bus: int) -> None:
        """Stored energy of a unit over all periods; it charges or discharges. A schedule that stands is kept."""
        held = self.grid.held[bus] if self.grid.held is not None else None
        unit, stored = self.ess[bus], held.before if held else self.ess[bus].start
        forms = bus == self.piece.reserve
        reserve = min((other.energy for other in self.grid.ess.technologies if other.forming), default=0.0) * RESERVE
        if forms and stored < reserve:
            self.scip.addCons(self.scip.addVar("without_reserve", lb=0.0, ub=0.0) >= 1.0)
        if held:
            return
        for t in self.piece.periods:
            hours = self.grid.periods[t].hours
            charge, discharge = self.variables["charge"][bus, t], self.variables["discharge"][bus, t]
            one_way = self.scip.addVar(f"charging_{bus}_{t}", vtype="B")
            self.scip.addCons(charge <= unit.p * one_way)
            self.scip.addCons(discharge <= unit.p * (1 - one_way))
            last = t == self.piece.periods[-1]
            low = reserve if forms and not last else 0.0
            if last and unit.end != "free":
                low = max(low, unit.start)
            high = unit.start if last and unit.end == "equal_start" else unit.energy
            after = self.scip.addVar(f"energy_{bus}_{t}", lb=low, ub=high)
            self.scip.addCons(
                after == stored + unit.eta_charge * hours * charge - hours / unit.eta_discharge * discharge
            )
            stored = after

    def network(self, t: int) -> None:
        """Flows and voltages of a period, and what they cost."""
        grid, mode, piece, period = self.grid, self.mode, self.piece, self.grid.periods[t]
        per_pu = period.hours * grid.s_mva
        bought = grid.price(t) * grid.weight("energy_cost", mode) + period.emissions * grid.weight("emissions", mode)
        ranges = flow_ranges(grid, piece, t)
        p: dict[int, Any] = {bus: self.scip.addVar(f"P_{bus}_{t}", lb=r[0], ub=r[1]) for bus, r in ranges.items()}
        q: dict[int, Any] = {bus: self.scip.addVar(f"Q_{bus}_{t}", lb=r[2], ub=r[3]) for bus, r in ranges.items()}
        i_sq = {bus: self.scip.addVar(f"l_{bus}_{t}", lb=0.0, ub=r[4]) for bus, r in ranges.items()}
        for bus in {piece.root, *piece.buses}:
            held = piece.v_root if bus == piece.root else None
            limits = grid.buses[bus]
            low, high = (limits.v_min, limits.v_max) if held is None else (held, held)
            self.variable("v_sq", bus, t, low**2, high**2)
        v = {bus: self.variables["v_sq"][bus, t] for bus in {piece.root, *piece.buses}}
        sent: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
        for line, parent, child in piece.arcs:
            r, x = grid.lines[line].r, grid.lines[line].x
            into_p, into_q = p[child] + r * i_sq[child], q[child] + x * i_sq[child]
            sent[parent].append((into_p, into_q))
            drop = 2.0 * (r * p[child] + x * q[child]) + (r**2 + x**2) * i_sq[child]
            self.scip.addCons(v[parent] == v[child] + drop)
            self.scip.addCons(i_sq[child] * v[child] == p[child] * p[child] + q[child] * q[child])
            if grid.weight("losses", mode):
                self.cost.append(grid.weight("losses", mode) * per_pu * r * i_sq[child])
        for bus in {piece.root, *piece.buses}:
            given_p, given_q = self.injection(bus, t) if bus in piece.buses else (0.0, 0.0)
            need_p = pyscipopt.quicksum(flow[0] for flow in sent[bus]) - given_p
            need_q = pyscipopt.quicksum(flow[1] for flow in sent[bus]) - given_q
            if bus != piece.root:
                self.scip.addCons(p[bus] == need_p)
                self.scip.addCons(q[bus] == need_q)
            elif mode.islanded:
                self.scip.addCons(need_p == 0.0)
                self.scip.addCons(need_q == 0.0)
            else:
                self.cost.append(bought * per_pu * need_p)

    def injection(self, bus: int, t: int) -> tuple[Any, Any]:
        """What load and units at a bus give together."""
        held = self.variables
        load_p, load_q = self.grid.load(bus, t)
        load_q *= self.mode.reactive
        shed = held["shed"].get((bus, t), 0.0)
        store = held["discharge"].get((bus, t), 0.0) - held["charge"].get((bus, t), 0.0)
        p = held["p_dg"].get((bus, t), 0.0) + store + shed - load_p
        q = held["q_dg"].get((bus, t), 0.0) + held["q_ess"].get((bus, t), 0.0) - load_q
        return p, q + shed * (load_q / load_p) if load_p > 0.0 else q

    def solve(self, time_limit_s: float) -> Dispatched:
        """SCIP's two bounds and its best point."""
        size = magnitude(self.grid, self.mode, self.piece) or 1.0
        self.scip.setObjective(pyscipopt.quicksum(self.cost) * (1.0 / size))
        settings = {
            "limits/time": time_limit_s,
            "limits/gap": GAP,
            "limits/absgap": ABSOLUTE_GAP,
            "numerics/feastol": FEASIBILITY,
            "parallel/maxnthreads": 1,
        }
        self.scip.setParams(settings)
        self.scip.optimize()
        status, found = self.scip.getStatus(), self.scip.getNSols() > 0
        if status == "infeasible":
            return Dispatched(math.inf, math.inf, Schedule(), self.scip.getSolvingTime())
        primal = self.scip.getObjVal() * size if found else math.inf
        dual = self.scip.getDualbound() * size
        schedule = self.schedule() if found else Schedule()
        return Dispatched(primal, min(primal, dual), schedule, self.scip.getSolvingTime())

    def schedule(self) -> Schedule:
        """The best point, moved into its limits where SCIP's tolerance left them."""
        value = {
            name: {
                key: min(max(self.scip.getVal(variable), variable.getLbOriginal()), variable.getUbOriginal())
                for key, variable in by_key.items()
            }
            for name, by_key in self.variables.items()
        }
        root = self.piece.root
        v_root = {(root, t): value["v_sq"][root, t] ** 0.5 for t in self.piece.periods if self.mode.islanded}
        names = ("p_dg", "q_dg", "charge", "discharge", "q_ess", "shed")
        return Schedule(**{name: value.get(name, {}) for name in names}, v_root=v_root)


def flow_ranges(grid: Grid, piece: Piece, t: int) -> Mapping[int, tuple[float, float, float, float, float]]:
    """Ranges of the received flow of the line to each bus, and of its squared current: from the leaves to the root.

    What a line delivers is what lies below takes, less what it gives, plus losses between none and those of the
    largest current; the current is at most its rating and ``(P^2 + Q^2) / v`` at the lowest voltage. In an island
    where nothing gives reactive power, nothing flows: any current would need some (x > 0, no load gives any). Within
    its tolerance SCIP would let the root of it flow.
    """
    dg, ess, mode = piece.sites.dg_at(grid), piece.sites.ess_at(grid), grid.modes[piece.mode]
    if mode.islanded and not any(unit.q_max > 0.0 for unit in dg.values()) and not any(s.sn for s in ess.values()):
        return {child: (0.0, 0.0, 0.0, 0.0, 0.0) for _, _, child in piece.arcs}
    taken: dict[int, list[float]] = {}
    for bus in {piece.root, *piece.buses}:
        own = bus in piece.buses
        load_p, load_q = grid.load(bus, t) if own else (0.0, 0.0)
        load_q *= mode.reactive
        least = 0.0 if mode.shedding and load_p > 0.0 else 1.0
        low_p, high_p = min(least * load_p, load_p), load_p
        low_q, high_q = min(least * load_q, load_q), max(least * load_q, load_q)
        if own and bus in dg:
            most, capacity = grid.available(bus, dg[bus], t), grid.capacity(bus, dg[bus], t)
            low_p, high_p = low_p - most, high_p - (most if dg[bus].must_take else 0.0)
            low_q, high_q = low_q - dg[bus].q_max * capacity, high_q - dg[bus].q_min * capacity
        if own and bus in ess:
            low_p, high_p = low_p - ess[bus].p, high_p + ess[bus].p
            low_q, high_q = low_q - (ess[bus].sn or 0.0), high_q + (ess[bus].sn or 0.0)
        taken[bus] = [low_p, high_p, low_q, high_q]
    ranges = {}
    for line, parent, child in reversed(piece.arcs):
        low_p, high_p, low_q, high_q = taken[child]
        r, x, rating = grid.lines[line].r, grid.lines[line].x, grid.rating(line, t)
        largest = max(low_p**2, high_p**2) + max(low_q**2, high_q**2)
        i_sq = min(rating**2, largest / grid.buses[child].v_min ** 2)
        ranges[child] = (low_p, high_p, low_q, high_q, i_sq)
        below = taken[parent]
        taken[parent] = [below[0] + low_p, below[1] + high_p + r * i_sq, below[2] + low_q, below[3] + high_q + x * i_sq]
    return ranges
