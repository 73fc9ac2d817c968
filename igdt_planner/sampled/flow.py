"""AC power flow of sampled dispatches, and shedding until the units that form a grid can give what it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from igdt_planner.ac.powerflow import AcSolution, Floats, Ints, power_flow
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU
from igdt_planner.sampled.policy import Dispatched, ModePolicy

ROUNDS, RESTORING = 6, 2
"""AC power flows that a sample and period gets until its islands are in balance; after how many load is restored."""


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


def flow(policy: ModePolicy, dispatched: Dispatched, balancing: bool = True) -> Flow:
    """AC power flow of a dispatch; in islands with load shed or restored until every grid-forming unit is in reach.

    ``balancing`` is whether load is. Where such a unit must give more than it can, so much of it is shed; losses fall
    with it, so that once is nearly always enough. Buses that the dispatch serves in part come first, then those of
    least priority, least value of lost load, lowest voltage (where losses are largest). Where it gives less than it
    must (storage keeps to its schedule), all buses are served more. Where it can give more, the island goes back
    towards the shares that are served at the forecast, as far as it can. Where buses of the island leave their voltage
    limits on one side alone, the voltage that the unit holds is moved by as much, unless the model states it.
    """
    samples, periods, _ = dispatched.served.shape
    ac = _solve(policy, dispatched, np.arange(samples * periods))
    return _settled(policy, Flow(dispatched, ac, (samples, periods)), balancing)


def solved_again(policy: ModePolicy, changed: Flow, rows: Ints) -> Flow:
    """A flow whose dispatch was changed in some rows, each a sample and a period, solved anew; its load stays shed."""
    ac = _merged(changed.ac, _solve(policy, changed.dispatched, rows), rows)
    return _settled(policy, replace(changed, ac=ac), balancing=False)


def _settled(policy: ModePolicy, found: Flow, balancing: bool) -> Flow:
    """A flow whose islands are balanced, if asked for, and whose sources hold the voltage that limits ask for."""
    if not policy.forecast.islanded:
        return found
    dispatched, ac = found.dispatched, found.ac
    reach, served = reach_of(policy, dispatched), dispatched.served
    for attempt in range(ROUNDS - 1):
        if balancing:
            factor = _factor(policy, dispatched, ac, reach)
            served = np.clip(dispatched.served * factor, 0.0, 1.0)
            if attempt < RESTORING:
                served = np.where(factor == 1.0, _restored(policy, dispatched, ac, reach), served)
        source = dispatched.source_vm_pu + _voltage_shift(policy, dispatched, ac)
        moved = (served != dispatched.served) | (np.isfinite(source) & (source != dispatched.source_vm_pu))
        rows = np.flatnonzero(moved.any(axis=2).ravel())
        if not len(rows):
            break
        dispatched = replace(dispatched, served=served, source_vm_pu=source)
        ac = _merged(ac, _solve(policy, dispatched, rows), rows)
    return Flow(dispatched, ac, found.shape)


def reach_of(policy: ModePolicy, dispatched: Dispatched) -> Reach:
    """What the units at grid-forming buses can deliver together: DG what it has, storage its schedule.

    Storage gives the vars that its inverter has left, where it forms the grid; elsewhere those of its dispatch.
    """
    storage, dg = policy.storage, policy.worst.dg_is_slack
    fixed_p, room = storage + dispatched.dg_p, policy.storage_q_max
    lowest = np.where(policy.must_take, dispatched.available_p, 0.0)
    return Reach(
        np.where(dg, storage + lowest, fixed_p),
        np.where(dg, storage + dispatched.available_p, fixed_p),
        np.where(dg, dispatched.ess_q + dispatched.q_min, dispatched.dg_q - room),
        np.where(dg, dispatched.ess_q + dispatched.q_max, dispatched.dg_q + room),
    )


def _factor(policy: ModePolicy, dispatched: Dispatched, ac: AcSolution, reach: Reach) -> Floats:
    """What every bus's share of served load is multiplied by; 1 where its island is in balance, or has no solution."""
    shape, together = dispatched.served.shape, policy.together
    source = np.isfinite(dispatched.source_vm_pu) & ac.converged.reshape(*shape[:2], 1)
    order = _order(policy, dispatched, ac)
    kept, raised = np.ones(shape), np.full(shape, np.inf)
    for delivered, low, high, load in (
        (ac.source_p_mw, reach.p_min, reach.p_max, dispatched.load_p),
        (ac.source_q_mvar, reach.q_min, reach.q_max, dispatched.load_q),
    ):
        given, served = np.where(source, delivered.reshape(shape), 0.0), dispatched.served * load
        over = np.where(source & (given > high + TOLERANCE_MW), given - high, 0.0)
        under = np.where(source & (given < low - TOLERANCE_MW), low - given, 0.0)
        for column in np.flatnonzero(over.any(axis=(0, 1))).tolist():
            own = np.where(together[:, column] > 0.0, np.maximum(served, 0.0), 0.0)
            kept = np.minimum(kept, _kept(own, over[:, :, column, None], order))
        whole, under = (np.einsum("stb,tbc->stc", part, together) for part in (served, under))
        raised = np.minimum(raised, np.where(under > 0.0, _share(under, whole), np.inf))
    return np.where(kept < 1.0, kept, 1.0 + np.where(np.isfinite(raised), raised, 0.0))


def _order(policy: ModePolicy, dispatched: Dispatched, ac: AcSolution) -> Ints:
    """Buses in the order in which they are shed, along the last axis."""
    buses, shape = policy.forecast.case.buses, dispatched.served.shape
    whole = (dispatched.served <= 0.0) | (dispatched.served >= 1.0)
    worth = [np.broadcast_to(buses[name].to_numpy(float), shape) for name in ("value_of_lost_load_per_mwh", "priority")]
    return np.lexsort((ac.vm_pu.reshape(shape), *worth, whole), axis=-1)


def _kept(load: Floats, over: Floats, order: Ints) -> Floats:
    """Share of the load of each bus that stays where so much must go, one bus after the other."""
    own = np.take_along_axis(load, order, axis=2)
    gone = np.clip(over - (np.cumsum(own, axis=2) - own), 0.0, own)
    kept = np.empty_like(load)
    np.put_along_axis(kept, order, 1.0 - _share(gone, own), axis=2)
    return kept


def _restored(policy: ModePolicy, dispatched: Dispatched, ac: AcSolution, reach: Reach) -> Floats:
    """Shares of served load, back towards those at the forecast as far as grid-forming units have room, MW and Mvar."""
    served, together = dispatched.served, policy.together
    source = np.isfinite(dispatched.source_vm_pu) & ac.converged.reshape(*served.shape[:2], 1)
    shed = np.maximum(policy.served_at_forecast - served, 0.0)
    back = np.einsum("stb,tbc->stc", source.astype(float), together)
    for delivered, high, load in (
        (ac.source_p_mw, reach.p_max, dispatched.load_p),
        (ac.source_q_mvar, reach.q_max, dispatched.load_q),
    ):
        left = np.where(source, high - delivered.reshape(served.shape), 0.0)
        room, asked = (np.einsum("stb,tbc->stc", part, together) for part in (left, shed * load))
        back = np.minimum(back, np.where(asked > TOLERANCE_MW, _share(np.maximum(room, 0.0), asked), 1.0))
    return np.asarray(served + back * shed, dtype=float)


def _voltage_shift(policy: ModePolicy, dispatched: Dispatched, ac: AcSolution) -> Floats:
    """By how much the voltage of every grid-forming unit is moved, pu; samples by periods by buses."""
    buses, shape = policy.forecast.case.buses, dispatched.served.shape
    if policy.forecast.setting.vm_pu is not None:
        return np.zeros(shape)
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
        of(dispatched.dg_q + dispatched.ess_q),
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
