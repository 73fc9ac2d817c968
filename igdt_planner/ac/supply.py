"""What of the demand a dispatch serves, by bus and by mode, and islands in which nothing moves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Bools, Floats
from igdt_planner.ac.violations import TOLERANCE_MW
from igdt_planner.plan import Supply


def supplied(buses: pd.DataFrame, operations: tuple[Operation, ...]) -> pd.DataFrame:
    """The table of buses, all modes together, with what every bus asks for and gets, and whether its island is idle."""
    return buses.assign(
        demand_mw=np.concatenate([demand(one).ravel() for one in operations]),
        served_mw=np.concatenate([(demand(one) - not_served(one)).ravel() for one in operations]),
        idle=np.concatenate([idle(one).ravel() for one in operations]),
    )


def supply(operation: Operation) -> Supply:
    """Demand and what of it is served in one mode; nothing is known of it where any period has no AC solution."""
    asked, lost = demand(operation), not_served(operation)
    peak = int(asked.sum(axis=1).argmax())
    energy = float((asked * operation.hours).sum()), float((lost * operation.hours).sum())
    power = float(asked[peak].sum()), float(lost[peak].sum())
    solved = bool(operation.ac.converged.all())
    return Supply(
        mode=operation.mode,
        demand_mwh=energy[0],
        served_mwh=energy[0] - energy[1] if solved else None,
        not_served_mwh=energy[1] if solved else None,
        peak_period=int(operation.periods[peak]),
        peak_demand_mw=power[0],
        peak_served_mw=power[0] - power[1] if solved else None,
        peak_not_served_mw=power[1] if solved else None,
    )


def demand(operation: Operation) -> Floats:
    """Active load in MW, shape (periods, buses); a negative load is generation and asks for nothing."""
    return np.maximum(operation.load_p, 0.0)


def not_served(operation: Operation) -> Floats:
    """What of the demand is not met, MW; NaN in periods without an AC solution."""
    return np.where(operation.ac.converged[:, None], np.minimum(operation.unserved, demand(operation)), np.nan)


def idle(operation: Operation) -> Bools:
    """Buses of islands that a unit holds at a voltage while nothing there gives or takes power.

    A substation without load is no such source: behind it is a grid.
    """
    if not operation.islanded:
        return np.zeros(operation.load_p.shape, dtype=bool)
    schedule, ac = operation.schedule, operation.ac
    moved = np.stack(
        [
            np.hypot(operation.load_p - schedule.shed_p, operation.load_q - schedule.shed_q),
            np.hypot(ac.source_p_mw, ac.source_q_mvar),
            np.hypot(operation.dg_p, operation.dg_q),
            schedule.charge + schedule.discharge,
        ]
    )
    moves: Bools = moved.max(axis=0) > TOLERANCE_MW
    quiet = np.zeros(moves.shape, dtype=bool)
    for row, island in enumerate(operation.islands):
        quiet[row] = np.bincount(island, weights=moves[row])[island] == 0.0
    return quiet & ac.energised
