"""Rules on the AC state of the network: solution, voltages, currents, and dead buses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU, Limit, bounded, found, where
from igdt_planner.plan import Violation

VOLTAGE = Limit("voltage", "bus", "bus {id} at", "pu", TOLERANCE_PU)
CURRENT = Limit("rating", "line", "line {id} carrying", "kA", 0.0)


def solved(operation: Operation) -> Iterator[Violation]:
    """AC power flow has a solution."""
    for row in np.flatnonzero(~operation.ac.converged).tolist():
        text = "AC power flow has no solution, so limits and objective cannot be judged"
        yield found(operation, "no_ac_solution", row, "mode", 0, text)


def voltages(operation: Operation) -> Iterator[Violation]:
    """Every energised bus lies within its voltage limits."""
    buses, ac = operation.case.buses, operation.ac
    lower, upper = buses["vm_min_pu"].to_numpy(float), buses["vm_max_pu"].to_numpy(float)
    yield from bounded(operation, VOLTAGE, operation.bus_ids, ac.vm_pu, lower, upper, ac.energised)


def currents(operation: Operation) -> Iterator[Violation]:
    """Every line with a rating carries no more than it; the tolerance is a share of the rating."""
    factor = operation.dispatch.realisation.table(
        "line_rating", operation.line_ids.tolist(), operation.periods.tolist()
    )
    rating, i_ka = operation.case.lines["max_i_ka"].to_numpy(float) * factor, operation.ac.i_ka
    judged = operation.ac.converged[:, None] & (i_ka > rating * (1.0 + TOLERANCE_PU))
    yield from bounded(operation, CURRENT, operation.line_ids, i_ka, 0.0, rating, judged)


def dead_load(operation: Operation) -> Iterator[Violation]:
    """Load at a dead bus is shed whole."""
    schedule = operation.schedule
    left = np.hypot(operation.load_p - schedule.shed_p, operation.load_q - schedule.shed_q)
    for row, column in where(operation.dead & ~(left <= TOLERANCE_MW)):
        bus, load = operation.bus_ids[column], operation.load_p[row, column]
        value, limit = schedule.shed_p[row, column], load
        text = f"bus {bus} has no source but only {value:.4f} of its {load:.4f} MW load (or of its Mvar) is shed"
        yield found(operation, "dead_load", row, "bus", bus, text, value, limit, "MW")


def dead_units(operation: Operation) -> Iterator[Violation]:
    """DG and storage at a dead bus neither give nor take."""
    schedule = operation.schedule
    for kind, output in (
        ("DG", np.hypot(schedule.dg_p, schedule.dg_q)),
        ("storage", np.hypot(schedule.charge + schedule.discharge, schedule.ess_q)),
    ):
        for row, column in where(operation.dead & ~(output <= TOLERANCE_MW)):
            bus, value = operation.bus_ids[column], output[row, column]
            text = f"{kind} at bus {bus} runs with {value:.4f} MVA but no unit forms a grid there"
            yield found(operation, "dead_unit", row, "dg" if kind == "DG" else "ess", bus, text, value, 0.0, "MVA")
