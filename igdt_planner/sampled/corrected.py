"""Limits of the network kept by the units: reactive power first, then active power, all samples at once.

Where a voltage or a current leaves its limit, units move it back, each in proportion to its effect by AC power flow
linearised at 1 pu, within what it can give. DG, and storage with an inverter, give or take reactive power; where that
is not enough, DG that may be curtailed is turned down, or up to what it has available. The worst limit of each sample
and period comes first; AC power flow then says what is left, until nothing is, or no unit can help.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Bools, Floats, Ints
from igdt_planner.ac.violations import TOLERANCE_PU
from igdt_planner.sampled.flow import Flow, solved_again
from igdt_planner.sampled.policy import Dispatched, ModePolicy
from igdt_planner.sampled.realisations import Samples

Complex = npt.NDArray[np.complex128]

ROUNDS = 20
"""Most AC power flows that a sample and period gets until its limits are kept."""
MARGIN = 0.5 * TOLERANCE_PU
"""How far inside its limit a value is moved, per unit."""
GROUND = 1e9
"""Admittance that holds the voltage of a source, as a multiple of the largest one of a line."""
LEAST_RATING_KA = 1e-9
"""Rating that a line counts as having where it may carry nothing."""
LEAST_EFFECT, LEAST_MOVE_MW = 1e-9, 1e-9
"""Effect per MW below which a unit does not count, and what counts as not moved."""


@dataclass(frozen=True)
class Worst:
    """The worst limit of samples and periods: by how much it is left, per unit, and its change per MW and Mvar.

    ``effect`` is complex, shape (rows, units): its real part is the change of the excess by active power of a unit,
    its imaginary part that by reactive power.
    """

    rows: Ints
    excess: Floats
    effect: Complex


def corrected(policy: ModePolicy, found: Flow, samples: Samples) -> Flow:
    """A flow whose limits are kept as far as units can; what keeps them stays as it is."""
    columns = np.array(sorted({column for column, _ in (*policy.forecast.dg, *policy.forecast.ess)}), dtype=np.int64)
    impedance: Complex | None = None
    for _ in range(ROUNDS if len(columns) else 0):
        excess = excesses(policy, found, samples)
        if not (excess > TOLERANCE_PU).any():
            break
        if impedance is None:
            impedance = impedances(policy.worst, columns)
        dispatched, rows = moved(policy, found, worst_of(policy, found, excess, impedance), columns)
        if not len(rows):
            break
        found = solved_again(policy, replace(found, dispatched=dispatched), rows)
    return found


def impedances(operation: Operation, columns: Ints) -> Complex:
    """Voltages by currents into some buses, ohm, by period; 0 at sources and where there is none."""
    lines, (start, end) = operation.case.lines, operation.line_ends
    buses, held = len(operation.bus_ids), operation.is_source | ~operation.ac.energised
    admittance = 1.0 / (lines["r_ohm"].to_numpy(float) + 1j * lines["x_ohm"].to_numpy(float))
    injected = np.eye(buses, dtype=complex)[:, columns]
    known: dict[bytes, Complex] = {}
    for on, fixed in zip(operation.line_on, held, strict=True):
        key = on.tobytes() + fixed.tobytes()
        if key not in known:
            i, j, y = start[on], end[on], admittance[on]
            own, ground = np.arange(buses), GROUND * float(np.abs(admittance).max(initial=1.0)) * fixed
            values = np.concatenate([y, y, -y, -y, ground.astype(complex)])
            at = np.concatenate([i, j, i, j, own]), np.concatenate([i, j, j, i, own])
            factored = splu(coo_array((values, at), shape=(buses, buses)).tocsc())
            known[key] = np.asarray(factored.solve(injected), dtype=complex)
    return np.array([known[on.tobytes() + fixed.tobytes()] for on, fixed in zip(operation.line_on, held, strict=True)])


def excesses(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    """By how much every limit is left, per unit, rows by upper voltages, lower voltages and currents; NaN is none."""
    case, ac = policy.forecast.case, found.ac
    low, high = (case.buses[name].to_numpy(float) for name in ("vm_min_pu", "vm_max_pu"))
    rating = np.maximum(case.lines["max_i_ka"].to_numpy(float) * samples.line_rating, LEAST_RATING_KA)
    loading = (found.by_sample(ac.i_ka) / rating).reshape(ac.i_ka.shape)
    left = np.hstack([ac.vm_pu - high, low - ac.vm_pu, loading - 1.0])
    return np.where(np.isnan(left), -np.inf, left)


def worst_of(policy: ModePolicy, found: Flow, excess: Floats, impedance: Complex) -> Worst:
    """The worst limit of every sample and period that leaves one."""
    rows = np.flatnonzero(excess.max(axis=1) > TOLERANCE_PU)
    place, period = excess[rows].argmax(axis=1), rows % found.shape[1]
    case, buses = policy.forecast.case, len(policy.forecast.bus_ids)
    effect = np.empty((len(rows), impedance.shape[2]), dtype=complex)
    voltage, bus = place < 2 * buses, place % buses
    kv_sq = case.buses["vn_kv"].to_numpy(float)[bus] ** 2
    sign = np.where(place < buses, 1.0, -1.0)
    effect[voltage] = (sign / kv_sq)[voltage, None] * impedance[period, bus][voltage]
    if not voltage.all():
        at, line = np.flatnonzero(~voltage), place[~voltage] - 2 * buses
        start, end = policy.forecast.line_ends
        ohm = (case.lines["r_ohm"].to_numpy(float) + 1j * case.lines["x_ohm"].to_numpy(float))[line]
        share = impedance[period[at], start[line]] - impedance[period[at], end[line]]
        flow = (found.ac.p_mw + 1j * found.ac.q_mvar)[rows[at], line]
        loading = 1.0 + excess[rows[at], place[at]]
        effect[at] = (loading * flow / np.abs(flow) ** 2 / ohm)[:, None] * share
    return Worst(rows, excess[rows, place], effect)


def moved(policy: ModePolicy, found: Flow, worst: Worst, columns: Ints) -> tuple[Dispatched, Ints]:
    """Units moved against the worst limits; and the rows in which any was."""
    given, shape = found.dispatched, found.dispatched.served.shape
    at = np.unravel_index(worst.rows, shape[:2])

    def of(values: Floats | Bools) -> Floats:
        """Values of the units in the rows that leave a limit."""
        return np.asarray(np.broadcast_to(values, shape)[at][:, columns], dtype=float)

    alive = of(policy.worst.ac.energised)
    vars_of_storage = of(policy.storage_q_max) * alive
    free = of(~policy.must_take) * alive
    ranges = {
        "dg_q": (of(given.q_min) * alive, of(given.q_max) * alive, worst.effect.imag),
        "ess_q": (-vars_of_storage, vars_of_storage, worst.effect.imag),
        "dg_p": (0.0 * free, of(given.available_p) * free, worst.effect.real),
    }
    left, far, changed = worst.excess + MARGIN, np.zeros(len(worst.rows), dtype=bool), {}
    for name, (low, high, effect) in ranges.items():
        now = of(getattr(given, name))
        room = np.maximum(np.where(effect > 0.0, now - low, high - now), 0.0)
        if name == "dg_p":
            room *= free
        size = np.where(np.abs(effect) > LEAST_EFFECT, np.abs(effect), 0.0)
        step = shared(size, room, left)
        left = left - (size * step).sum(axis=1)
        values = np.array(np.broadcast_to(getattr(given, name), shape))
        values[at[0][:, None], at[1][:, None], columns] = now - np.sign(effect) * step
        changed[name] = values
        far |= (step > LEAST_MOVE_MW).any(axis=1)
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
