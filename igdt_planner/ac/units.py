"""Rules on DG, storage, shedding and grid-forming units in every period.

A unit that forms the grid of an island is judged by what AC power flow makes it deliver, not by its schedule.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Bools, Floats
from igdt_planner.ac.topology import listed
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU, Limit, bounded, contrast, found, where
from igdt_planner.plan import Violation

DG_POWER = Limit("dg_power", "dg", "DG at bus {id} giving", "MW")
DG_REACTIVE = Limit("dg_reactive", "dg", "DG at bus {id} giving", "Mvar")
CHARGE = Limit("ess_power", "ess", "storage at bus {id} charging with", "MW")
DISCHARGE = Limit("ess_power", "ess", "storage at bus {id} discharging with", "MW")
ESS_REACTIVE = Limit("ess_reactive", "ess", "storage without sn_mva at bus {id} giving", "Mvar")
ESS_APPARENT = Limit("ess_reactive", "ess", "storage at bus {id} running with", "MVA")
ENERGY = Limit("ess_energy", "ess", "storage at bus {id} holding", "MWh")
ENERGY_END = Limit("ess_energy_end", "ess", "storage at bus {id} holding at the end", "MWh")
SET_POINT = Limit("set_point", "bus", "bus {id} forms the grid at", "pu", TOLERANCE_PU)
SHED = Limit("shed", "bus", "bus {id} shedding", "MW")
SHED_REACTIVE = Limit("shed", "bus", "bus {id} shedding", "Mvar")


def dg_power(operation: Operation) -> Iterator[Violation]:
    """Energised DG gives between nothing (all, where it must be taken) and what is available."""
    columns = [column for column, _ in operation.dg]
    rated = np.array([technology.p_mw for _, technology in operation.dg])
    must_take = np.array([technology.must_take for _, technology in operation.dg], dtype=bool)
    sources = [technology.source for _, technology in operation.dg]
    available = operation.profile[sources].to_numpy(float) * operation.dg_factor * rated
    yield from bounded(
        operation,
        DG_POWER,
        operation.bus_ids[columns],
        operation.dg_p[:, columns],
        np.where(must_take, available, 0.0),
        available,
        ~operation.dead[:, columns],
    )


def dg_reactive(operation: Operation) -> Iterator[Violation]:
    """Reactive power of energised DG lies in its range.

    The range follows the uncertain availability, but not the profile: an inverter gives vars at night.
    """
    columns = [column for column, _ in operation.dg]
    lower = np.array([technology.q_min_mvar for _, technology in operation.dg]) * operation.dg_factor
    upper = np.array([technology.q_max_mvar for _, technology in operation.dg]) * operation.dg_factor
    values = operation.dg_q[:, columns]
    yield from bounded(
        operation, DG_REACTIVE, operation.bus_ids[columns], values, lower, upper, ~operation.dead[:, columns]
    )


def ess_power(operation: Operation) -> Iterator[Violation]:
    """Charging and discharging power of storage lie between 0 and the rating."""
    columns, schedule = _storage(operation), operation.schedule
    rated = np.array([technology.p_mw for _, technology in operation.ess])
    ids = operation.bus_ids[columns]
    yield from bounded(operation, CHARGE, ids, schedule.charge[:, columns], 0.0, rated, True)
    yield from bounded(operation, DISCHARGE, ids, schedule.discharge[:, columns], 0.0, rated, True)


def ess_one_way(operation: Operation) -> Iterator[Violation]:
    """Storage does not charge and discharge at once."""
    charge, discharge = operation.schedule.charge, operation.schedule.discharge
    for row, column in where((charge > TOLERANCE_MW) & (discharge > TOLERANCE_MW)):
        bus, value = operation.bus_ids[column], min(charge[row, column], discharge[row, column])
        text = f"storage at bus {bus} charges and discharges at once, both with {value:.4f} MW or more"
        yield found(operation, "ess_one_way", row, "ess", bus, text, value, 0.0, "MW")


def ess_energy(operation: Operation) -> Iterator[Violation]:
    """Stored energy lies between 0 and the capacity."""
    columns = _storage(operation)
    capacity = np.array([technology.energy_mwh for _, technology in operation.ess])
    values = operation.schedule.energy[:, columns]
    yield from bounded(operation, ENERGY, operation.bus_ids[columns], values, 0.0, capacity, True)


def ess_balance(operation: Operation) -> Iterator[Violation]:
    """``energy[t] = energy[t-1] + eta_charge * p_charge * dt - p_discharge * dt / eta_discharge``."""
    schedule, hours, before = operation.schedule, operation.hours[:, 0], _energy_before(operation)
    for column, technology in operation.ess:
        gain = technology.eta_charge * schedule.charge[:, column] * hours
        loss = schedule.discharge[:, column] * hours / technology.eta_discharge
        due, stated = before[:, column] + gain - loss, schedule.energy[:, column]
        for row in np.flatnonzero(~(np.abs(stated - due) <= TOLERANCE_MW)).tolist():
            bus, shown = operation.bus_ids[column], contrast(stated[row], due[row])
            text = f"storage at bus {bus} is said to hold {shown[0]} MWh but its powers leave {shown[1]} MWh"
            yield found(operation, "ess_balance", row, "ess", bus, text, stated[row], due[row], "MWh")


def ess_end(operation: Operation) -> Iterator[Violation]:
    """Storage ends as its technology says."""
    last = np.arange(len(operation.periods))[:, None] == len(operation.periods) - 1
    for column, technology in operation.ess:
        start = technology.energy_start_mwh
        lower = start if technology.energy_end != "free" else -np.inf
        upper = start if technology.energy_end == "equal_start" else np.inf
        energy = operation.schedule.energy[:, [column]]
        yield from bounded(operation, ENERGY_END, operation.bus_ids[[column]], energy, lower, upper, last)


def ess_follows_schedule(operation: Operation) -> Iterator[Violation]:
    """Storage that forms a grid delivers its schedule, because its energy follows from it."""
    schedule = operation.schedule
    due, delivered = schedule.discharge - schedule.charge, operation.ac.source_p_mw - schedule.dg_p
    for row, column in where(operation.ess_is_slack & ~(np.abs(delivered - due) <= TOLERANCE_MW)):
        bus, shown = operation.bus_ids[column], contrast(delivered[row, column], due[row, column])
        text = (
            f"storage at bus {bus} forms the grid and would deliver {shown[0]} MW but its schedule says {shown[1]} MW"
        )
        value, limit = delivered[row, column], due[row, column]
        yield found(operation, "ess_follows_schedule", row, "ess", bus, text, value, limit, "MW")


def ess_reactive(operation: Operation) -> Iterator[Violation]:
    """Storage exchanges no reactive power, or with its active power no more than the rating of its inverter."""
    columns = _storage(operation)
    ratings = [np.nan if technology.sn_mva is None else technology.sn_mva for _, technology in operation.ess]
    rated, ids, q = np.array(ratings, dtype=float), operation.bus_ids[columns], operation.ess_q[:, columns]
    net = (operation.schedule.discharge - operation.schedule.charge)[:, columns]
    yield from bounded(operation, ESS_REACTIVE, ids, q, 0.0, 0.0, np.isnan(rated))
    yield from bounded(operation, ESS_APPARENT, ids, np.hypot(net, q), 0.0, rated, ~np.isnan(rated))


def forming_unit(operation: Operation) -> Iterator[Violation]:
    """A grid-forming bus hosts a DG that can form a grid, or storage that can and has energy to do so."""
    if not operation.islanded:
        return
    has_energy = (_energy_before(operation) > TOLERANCE_MW) | (operation.schedule.discharge > TOLERANCE_MW)
    able = np.zeros(operation.is_source.shape, dtype=bool)
    for column, dg in operation.dg:
        able[:, column] |= dg.grid_forming
    for column, ess in operation.ess:
        able[:, column] |= ess.grid_forming & has_energy[:, column]
    for row, column in where(operation.is_source & ~able):
        bus = operation.bus_ids[column]
        text = f"bus {bus} forms a grid but holds no DG able to, and no storage able to with energy left"
        yield found(operation, "forming_unit", row, "bus", bus, text)


def one_source(operation: Operation) -> Iterator[Violation]:
    """An island has one grid-forming bus."""
    if not operation.islanded:
        return
    for row, island in enumerate(operation.islands):
        sources = np.bincount(island, weights=operation.is_source[row])
        for number in np.flatnonzero(sources > 1).tolist():
            ids = operation.bus_ids[(island == number) & operation.is_source[row]].tolist()
            text = f"buses {listed(ids)} form the grid of the same island"
            yield found(operation, "one_source", row, "bus", ids[0], text, len(ids), 1.0, "sources")


def set_point(operation: Operation) -> Iterator[Violation]:
    """The grid-forming bus of an island holds the voltage that the model states, if it states one."""
    held = operation.setting.vm_pu
    if not operation.islanded or held is None:
        return
    vm_pu = operation.schedule.source_vm_pu
    yield from bounded(operation, SET_POINT, operation.bus_ids, vm_pu, held, held, operation.is_source)


def shed_allowed(operation: Operation) -> Iterator[Violation]:
    """Load is shed in islanded mode, and in connected mode where the model allows it."""
    if operation.islanded or operation.setting.shedding:
        return
    shed = np.hypot(operation.schedule.shed_p, operation.schedule.shed_q)
    for row, column in where(~(shed <= TOLERANCE_MW)):
        bus, value = operation.bus_ids[column], shed[row, column]
        text = f"bus {bus} sheds {value:.4f} MVA but the model allows no shedding"
        yield found(operation, "shed_allowed", row, "bus", bus, text, value, 0.0, "MVA")


def shed_range(operation: Operation) -> Iterator[Violation]:
    """No more is shed than the load, and nothing of the opposite sign."""
    for limit, shed, load in (
        (SHED, operation.schedule.shed_p, operation.load_p),
        (SHED_REACTIVE, operation.schedule.shed_q, operation.load_q),
    ):
        lower, upper = np.minimum(load, 0.0), np.maximum(load, 0.0)
        yield from bounded(operation, limit, operation.bus_ids, shed, lower, upper, True)


def shed_power_factor(operation: Operation) -> Iterator[Violation]:
    """What is shed has the power factor of the load: its distance from the line of the load is below 1 VA."""
    schedule, size = operation.schedule, np.hypot(operation.load_p, operation.load_q)
    off: Floats = np.abs(schedule.shed_q * operation.load_p - schedule.shed_p * operation.load_q)
    wrong: Bools = ~(off <= TOLERANCE_MW * size)
    for row, column in where(wrong):
        bus, value = operation.bus_ids[column], off[row, column] / size[row, column]
        text = f"bus {bus} sheds {value:.4f} MVA off the power factor of its load"
        yield found(operation, "shed_power_factor", row, "bus", bus, text, value, 0.0, "MVA")


def _storage(operation: Operation) -> list[int]:
    return [column for column, _ in operation.ess]


def _energy_before(operation: Operation) -> Floats:
    """Stored energy at the start of every period, MWh."""
    start = np.zeros(len(operation.bus_ids))
    for column, technology in operation.ess:
        start[column] = technology.energy_start_mwh
    return np.vstack([start, operation.schedule.energy[:-1]])
