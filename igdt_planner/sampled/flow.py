"""AC power flow of sampled dispatches, and shedding until the units that form a grid can give what it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np

from igdt_planner.ac.powerflow import AcSolution, Bools, Floats, Ints, power_flow
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU
from igdt_planner.sampled.policy import Dispatched, ModePolicy

ROUNDS = 6
"""AC power flows that a sample and period gets until its islands are in balance."""


@dataclass(frozen=True)
class Flow:
    """A dispatch of one mode with its AC state, arrays of samples by periods by buses or lines."""

    dispatched: Dispatched
    ac: AcSolution
    shape: tuple[int, int]

    def by_sample(self, values: Floats) -> Floats:
        """Rows of the AC state as samples by periods."""
        return values.reshape(*self.shape, *values.shape[1:])


@dataclass(frozen=True)
class Reach:
    """What the unit at each grid-forming bus can deliver, MW and Mvar; samples by periods by buses."""

    p_min: Floats
    p_max: Floats
    q_min: Floats
    q_max: Floats


def flow(policy: ModePolicy, dispatched: Dispatched) -> Flow:
    """AC power flow of a dispatch; in islands with load shed or restored until every grid-forming unit is in reach.

    Where such a unit must give more than it can, the share ``1 - excess / served`` of the island's load stays, in MW or
    Mvar, whichever is less; losses fall with it, so that once is nearly always enough. Where it gives less than it must
    (storage keeps to its schedule) load is restored likewise. Where buses of the island leave their voltage limits on
    one side alone, the voltage that the unit holds is moved by as much.
    """
    samples, periods, _ = dispatched.served.shape
    ac = _solve(policy, dispatched, np.arange(samples * periods))
    if not policy.forecast.islanded:
        return Flow(dispatched, ac, (samples, periods))
    reach, together = reach_of(policy, dispatched), policy.together
    for _ in repeat(None, ROUNDS - 1):
        served = np.clip(dispatched.served * _factor(dispatched, ac, reach, together), 0.0, 1.0)
        source = dispatched.source_vm_pu + _voltage_shift(policy, dispatched, ac)
        moved = (served != dispatched.served) | (np.isfinite(source) & (source != dispatched.source_vm_pu))
        rows = np.flatnonzero(moved.any(axis=2).ravel())
        if not len(rows):
            break
        dispatched = replace(dispatched, served=served, source_vm_pu=source)
        ac = _merged(ac, _solve(policy, dispatched, rows), rows)
    return Flow(dispatched, ac, (samples, periods))


def reach_of(policy: ModePolicy, dispatched: Dispatched) -> Reach:
    """What the units at grid-forming buses can deliver together: DG what it has, storage its schedule, no vars."""
    storage, dg = policy.storage, policy.worst.dg_is_slack
    fixed_p, fixed_q = storage + dispatched.dg_p, dispatched.dg_q
    lowest = np.where(_must_take(policy), dispatched.available_p, 0.0)
    return Reach(
        np.where(dg, storage + lowest, fixed_p),
        np.where(dg, storage + dispatched.available_p, fixed_p),
        np.where(dg, dispatched.q_min, fixed_q),
        np.where(dg, dispatched.q_max, fixed_q),
    )


def _must_take(policy: ModePolicy) -> Bools:
    mask = np.zeros(len(policy.forecast.bus_ids), dtype=bool)
    mask[[column for column, technology in policy.forecast.dg if technology.must_take]] = True
    return mask


def _factor(dispatched: Dispatched, ac: AcSolution, reach: Reach, together: Floats) -> Floats:
    """What every bus's share of served load is multiplied by; 1 where its island is in balance, or has no solution."""
    shape = dispatched.served.shape
    source = np.isfinite(dispatched.source_vm_pu) & ac.converged.reshape(*shape[:2], 1)
    cut, raised = np.zeros(shape), np.full(shape, np.inf)
    for delivered, low, high, load in (
        (ac.source_p_mw, reach.p_min, reach.p_max, dispatched.load_p),
        (ac.source_q_mvar, reach.q_min, reach.q_max, dispatched.load_q),
    ):
        given = np.where(source, delivered.reshape(shape), 0.0)
        served = np.einsum("stb,tbc->stc", dispatched.served * load, together)
        over = np.where(source & (given > high + TOLERANCE_MW), given - high, 0.0)
        under = np.where(source & (given < low - TOLERANCE_MW), low - given, 0.0)
        over, under = (np.einsum("stb,tbc->stc", part, together) for part in (over, under))
        cut = np.maximum(cut, _share(over, served))
        raised = np.minimum(raised, np.where(under > 0.0, _share(under, served), np.inf))
    raised = np.where(np.isfinite(raised), raised, 0.0)
    return np.where(cut > 0.0, 1.0 - np.minimum(cut, 1.0), 1.0 + raised)


def _voltage_shift(policy: ModePolicy, dispatched: Dispatched, ac: AcSolution) -> Floats:
    """By how much the voltage of every grid-forming unit is moved, pu; samples by periods by buses."""
    buses, shape = policy.forecast.case.buses, dispatched.served.shape
    lower, upper = buses["vm_min_pu"].to_numpy(float), buses["vm_max_pu"].to_numpy(float)
    vm, shift = np.nan_to_num(ac.vm_pu.reshape(shape), nan=1.0), np.zeros(shape)
    known = np.isfinite(ac.vm_pu).reshape(shape)
    over, under = (np.where(known, part, 0.0) for part in (vm - upper, lower - vm))
    for column in np.flatnonzero(np.isfinite(dispatched.source_vm_pu).any(axis=(0, 1))).tolist():
        island = policy.together[:, column] > 0.0
        high, low = (np.where(island, part, 0.0).max(axis=2) for part in (over, under))
        high, low = (np.where(part > TOLERANCE_PU, part, 0.0) for part in (high, low))
        room = np.maximum(upper[column] - dispatched.source_vm_pu[:, :, column], 0.0)
        shift[:, :, column] = np.where(high > 0.0, np.where(low > 0.0, 0.0, -high), np.minimum(low, room))
    return shift


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > TOLERANCE_MW)


def _solve(policy: ModePolicy, dispatched: Dispatched, rows: Ints) -> AcSolution:
    """AC power flow of some rows, each a sample and a period."""
    buses = dispatched.served.shape[2]
    period = rows % dispatched.served.shape[1]

    def of(values: Floats) -> Floats:
        return values.reshape(-1, buses)[rows]

    p_mw, q_mvar, source = (
        of(dispatched.dg_p) + policy.storage[period],
        of(dispatched.dg_q),
        of(dispatched.source_vm_pu),
    )
    if policy.forecast.islanded:  # the units at a grid-forming bus are the source itself
        elsewhere = ~np.isfinite(source)
        p_mw, q_mvar = np.where(elsewhere, p_mw, 0.0), np.where(elsewhere, q_mvar, 0.0)
    net_p = p_mw - of(dispatched.served * dispatched.load_p)
    net_q = q_mvar - of(dispatched.served * dispatched.load_q)
    return power_flow(policy.forecast.case, policy.forecast.line_on[period], net_p, net_q, source)


def _merged(before: AcSolution, after: AcSolution, rows: Ints) -> AcSolution:
    """An AC state with some rows replaced."""
    merged = {}
    for name, values in vars(before).items():
        merged[name] = values.copy()
        merged[name][rows] = getattr(after, name)
    return AcSolution(**merged)
