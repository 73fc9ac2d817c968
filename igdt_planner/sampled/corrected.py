"""Limits kept by what may be dispatched, all samples at once: reactive power, then active power, then shedding.

Where a limit is left, units move it back, each in proportion to its effect, within what it can give. DG, and storage
with an inverter, give or take reactive power; where that is not enough, DG that may be curtailed is turned down, or up
to what it has available; where that is not enough either, load is shed if the model lets it, or served again. The worst
limit of each sample and period comes first; AC power flow then says what is left, until nothing is, or nothing helps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from igdt_planner.ac.powerflow import Bools, Floats, Ints
from igdt_planner.ac.violations import TOLERANCE_PU
from igdt_planner.sampled.flow import Flow, solved_again
from igdt_planner.sampled.limits import Limits, Worst
from igdt_planner.sampled.policy import Dispatched, ModePolicy
from igdt_planner.sampled.realisations import Samples

ROUNDS = 40
"""Most AC power flows that a sample and period gets until its limits are kept."""
MARGIN = 0.5 * TOLERANCE_PU
"""How far inside its limit a value is moved."""
LEAST_EFFECT, LEAST_MOVE = 1e-9, 1e-9
"""Effect per MW below which a bus does not count, and what counts as not moved."""


def corrected(policy: ModePolicy, found: Flow, samples: Samples) -> Flow:
    """A flow whose limits are kept as far as its recourse can; what keeps them stays as it is."""
    columns = [column for column, _ in (*policy.forecast.dg, *policy.forecast.ess)]
    if sheds(policy):
        columns = list(range(len(policy.forecast.bus_ids)))
    limits = Limits(policy, np.array(sorted(set(columns)), dtype=np.int64))
    for _ in range(ROUNDS if columns else 0):
        excess = limits.excesses(found, samples)
        if not (excess > TOLERANCE_PU).any():
            break
        dispatched, rows = moved(policy, found, limits.worst(found, excess), limits.columns)
        if not len(rows):
            break
        found = solved_again(policy, replace(found, dispatched=dispatched), rows)
    return found


def sheds(policy: ModePolicy) -> bool:
    """Whether load may be shed."""
    return policy.forecast.islanded or policy.forecast.setting.shedding


def ranks(policy: ModePolicy) -> Ints:
    """Place of every bus in the order in which load is shed, from 0 up: by what a MWh of it counts in the objective."""
    buses = policy.forecast.case.buses
    names = {"ens": "priority", "lost_load_cost": "value_of_lost_load_per_mwh"}
    counted = np.zeros(len(buses))
    for term in policy.forecast.plan.model.objective:
        if term.term in names and term.mode in (None, policy.forecast.mode):
            counted = counted + term.weight * buses[names[term.term]].to_numpy(float)
    return np.asarray(np.unique(counted, return_inverse=True)[1], dtype=np.int64).ravel()


def moved(policy: ModePolicy, found: Flow, worst: Worst, columns: Ints) -> tuple[Dispatched, Ints]:
    """What may be dispatched moved against the worst limits; and the rows in which anything was."""
    given, shape = found.dispatched, found.dispatched.served.shape
    at = np.unravel_index(worst.rows, shape[:2])

    def of(values: Floats | Bools) -> Floats:
        """Values of the columns in the rows that leave a limit."""
        return np.asarray(np.broadcast_to(values, shape)[at][:, columns], dtype=float)

    by_p, by_q, shedding = worst.effect.real, worst.effect.imag, float(sheds(policy))
    by_share = -shedding * (by_p * of(given.load_p) + by_q * of(given.load_q))
    elsewhere = 1.0 - of(policy.worst.dg_is_slack)  # a DG that forms the grid gives what AC power flow says
    vars_of_storage, free = of(policy.storage_q_max), of(~policy.must_take) * elsewhere
    moves = {
        "dg_q": (of(given.q_min), of(given.q_max), by_q * elsewhere, 0 * worst.current),
        "ess_q": (-vars_of_storage, vars_of_storage, by_q * (1.0 - of(policy.worst.ess_is_slack)), 0 * worst.current),
        "dg_p": (0.0 * free, of(given.available_p), by_p * free, 1 - worst.current),
        "served": (0.0 * free, 1.0 + 0.0 * free, by_share, 0 * worst.current),
    }
    low, high, effect = (np.hstack(part) for part in list(zip(*moves.values(), strict=True))[:3])
    turn = np.hstack([np.repeat(turn[:, None], len(columns), axis=1) for *_, turn in moves.values()])
    rank = ranks(policy)[columns]
    turn[:, -len(columns) :] = 2 + np.where(by_share > 0.0, rank, rank.max() - rank)
    now = np.hstack([of(getattr(given, name)) for name in moves])
    size = np.where(np.abs(effect) > LEAST_EFFECT, np.abs(effect), 0.0)
    room = np.tile(of(policy.worst.ac.energised), len(moves))
    room *= np.maximum(np.where(effect > 0.0, now - low, high - now), 0.0)
    left, steps = worst.excess + MARGIN, np.zeros(size.shape)
    for first in range(3 + int(rank.max())):
        own = np.where(turn == first, size, 0.0)
        step = shared(own, room, left)
        left, steps = np.maximum(left - (own * step).sum(axis=1), 0.0), steps + step
    changed = {}
    for name, values in zip(moves, np.split(now - np.sign(effect) * steps, len(moves), axis=1), strict=True):
        changed[name] = np.array(np.broadcast_to(getattr(given, name), shape))
        changed[name][at[0][:, None], at[1][:, None], columns] = values
    return replace(given, **changed), worst.rows[(steps > LEAST_MOVE).any(axis=1)]


def shared(size: Floats, room: Floats, wanted: Floats) -> Floats:
    """Steps in proportion to effects, none beyond its room, that together have the effect wanted; all, if too little.

    All arrays are rows by units, ``wanted`` is one number a row. The level is that of water poured into vessels: units
    fill up one after the other, in the order in which they reach their room.
    """
    level_when_full = np.divide(room, size, out=np.zeros_like(room), where=size > 0.0)
    order = np.argsort(level_when_full, axis=1)
    own, space, full = (np.take_along_axis(values, order, axis=1) for values in (size, room, level_when_full))
    filled_before = np.cumsum(own * space, axis=1) - own * space
    growth = np.cumsum((own**2)[:, ::-1], axis=1)[:, ::-1]
    reached = filled_before + full * growth >= wanted[:, None]
    first = reached.argmax(axis=1)[:, None]
    before, rate = (np.take_along_axis(values, first, axis=1) for values in (filled_before, growth))
    level = np.divide(wanted[:, None] - before, rate, out=np.zeros_like(rate), where=rate > 0.0)
    enough = reached.any(axis=1)[:, None]
    return np.where(size > 0.0, np.where(enough, np.minimum(level * size, room), room), 0.0)
