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


def moved(policy: ModePolicy, found: Flow, worst: Worst, columns: Ints) -> tuple[Dispatched, Ints]:
    """What may be dispatched moved against the worst limits; and the rows in which anything was."""
    given, shape = found.dispatched, found.dispatched.served.shape
    at = np.unravel_index(worst.rows, shape[:2])

    def of(values: Floats | Bools) -> Floats:
        """Values of the columns in the rows that leave a limit."""
        return np.asarray(np.broadcast_to(values, shape)[at][:, columns], dtype=float)

    alive = of(policy.worst.ac.energised)
    by_p, by_q = worst.effect.real, worst.effect.imag
    by_share = -(by_p * of(given.load_p) + by_q * of(given.load_q)) * float(sheds(policy))
    forming = of(policy.worst.dg_is_slack)  # such a unit gives what AC power flow says
    vars_of_storage = of(policy.storage_q_max)
    moves = {
        "dg_q": (of(given.q_min), of(given.q_max), by_q * (1.0 - forming)),
        "ess_q": (-vars_of_storage, vars_of_storage, by_q * (1.0 - of(policy.worst.ess_is_slack))),
        "dg_p": (0.0, of(given.available_p), by_p * (1.0 - forming) * of(~policy.must_take)),
        "served": (0.0, 1.0, by_share),
    }
    left, far, changed = worst.excess + MARGIN, np.zeros(len(worst.rows), dtype=bool), {}
    for name, (low, high, effect) in moves.items():
        now, size = of(getattr(given, name)), np.where(np.abs(effect) > LEAST_EFFECT, np.abs(effect), 0.0)
        room = alive * np.maximum(np.where(effect > 0.0, now - low, high - now), 0.0)
        step = shared(size, room, left)
        left = np.maximum(left - (size * step).sum(axis=1), 0.0)
        values = np.array(np.broadcast_to(getattr(given, name), shape))
        values[at[0][:, None], at[1][:, None], columns] = now - np.sign(effect) * step
        changed[name] = values
        far |= (step > LEAST_MOVE).any(axis=1)
    return replace(given, **changed), worst.rows[far]


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
