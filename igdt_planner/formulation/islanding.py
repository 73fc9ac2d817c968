"""Islanded topology: the substation is lost, every energised island is fed from a grid-forming root."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import load_factor_ub, voltage_limits
from igdt_planner.formulation.infogap import load_factor
from igdt_planner.formulation.limits import available, available_ub, operations_count, state_before
from igdt_planner.formulation.radiality import add_arcs, arcs_into, net_commodity, parent, stated_state
from igdt_planner.formulation.siting import sites_at
from igdt_planner.formulation.storage import energy_before

RESERVE = 0.01
"""Share of its energy below which an ESS forms no grid, where others rely on it."""


def add_islands(b: Any) -> None:
    """Declare roots and energised buses of an islanded mode; trees where it is radial, any islands where it is not."""
    add_arcs(b)
    b.root = pyo.Var(b.buses, b.topologies, domain=pyo.Binary)
    b.energised = pyo.Var(b.buses, b.topologies, bounds=(0.0, 1.0))
    b.root_needs_source = pyo.Constraint(b.buses, b.topologies, rule=root_needs_source)
    b.island_commodity = pyo.Constraint(b.buses, b.topologies, rule=island_commodity_lower)
    b.island_commodity_root = pyo.Constraint(b.buses, b.topologies, rule=island_commodity_upper)
    b.commodity_upper_island = pyo.Constraint(b.arcs, b.topologies, rule=commodity_upper_island)
    b.energised_alike = pyo.Constraint(b.arcs, b.topologies, rule=energised_alike)
    if b.mode.settings.radial:
        b.energised_tree = pyo.Constraint(b.buses, b.topologies, rule=energised_tree)
        b.arc_switch_island = pyo.Constraint(b.lines, b.topologies, rule=arc_switch_island)
        if operations_count(b):
            free = [(line, k) for line, k in b.line_on if stated_state(b, line, k) is None]
            b.live_line_is_arc = pyo.Constraint(free, rule=live_line_is_arc)
            b.dead_line_stays = pyo.Constraint(free, rule=dead_line_stays)
    else:
        b.energised_mesh = pyo.Constraint(b.buses, b.topologies, rule=energised_mesh)
        b.mesh_switch = pyo.Constraint(b.arcs, b.topologies, rule=mesh_switch)
    b.dead_is_shed = pyo.Constraint(b.buses, b.periods, rule=dead_is_shed)


def add_island_units(b: Any) -> None:
    """Tie the units of an islanded mode to its energised buses."""
    study = b.study
    must_take = [key for key, tech in study.dg.items() if tech.must_take]
    b.dead_storage = pyo.Constraint(sorted({bus for bus, _ in study.ess}), b.periods, rule=dead_storage)
    if must_take:
        b.must_take_live = pyo.Constraint(must_take, b.periods, rule=must_take_live)
    others_rely = not all(tech.grid_forming for tech in (*study.dg.values(), *study.ess.values()))
    if others_rely or b.mode.settings.vm_pu is not None:
        b.root_keeps_energy = pyo.Constraint(forming_buses(b, "ess"), b.periods, rule=root_keeps_energy)


def add_set_point(b: Any) -> None:
    """Hold the voltage of roots where the mode states one, and say which unit of an island is its root."""
    if b.mode.settings.vm_pu is None:
        return
    by_dg, by_ess = (forming_buses(b, kind) for kind in ("dg", "ess"))
    forming = sorted({*by_dg, *by_ess})
    b.root_voltage_upper = pyo.Constraint(forming, b.periods, rule=root_voltage_upper)
    b.root_voltage_lower = pyo.Constraint(forming, b.periods, rule=root_voltage_lower)
    if by_dg and by_ess:
        b.dg_led = pyo.Var(b.buses, b.topologies, bounds=(0.0, 1.0))
        b.led_alike = pyo.Constraint(b.arcs, b.topologies, rule=led_alike)
        b.led_by_storage = pyo.Constraint(by_ess, b.topologies, rule=led_by_storage)
        b.led_by_dg = pyo.Constraint(by_dg, b.topologies, rule=led_by_dg)


def forming_buses(b: Any, kind: str) -> list[int]:
    """Buses where a grid-forming DG or ESS may be built."""
    return sorted({bus for (bus, _), tech in getattr(b.study, kind).items() if tech.grid_forming})


def forming_built(b: Any, bus: int, kind: str) -> Any:
    """Number of grid-forming DG or ESS built at a bus."""
    sites, build = getattr(b.study, kind), getattr(b.model(), f"build_{kind}")
    return sum(build[key] for key in sites_at(sites, bus) if sites[key].grid_forming)


def root_needs_source(b: Any, i: int, k: int) -> Any:
    """(I1) A root is a bus with a grid-forming unit: ``root <= sum build_dg + sum build_ess``.

    Enforced over: buses, topologies.
    """
    return b.root[i, k] - forming_built(b, i, "dg") - forming_built(b, i, "ess") <= 0.0


def energised_tree(b: Any, i: int, k: int) -> Any:
    """(I2) Energised is a root or the child of one parent: ``energised = root + sum_arcs_in arc``.

    Enforced over: buses, topologies.
    """
    return b.energised[i, k] == b.root[i, k] + arcs_into(b, i, k)


def energised_mesh(b: Any, i: int, k: int) -> Any:
    """(I3) Where loops are allowed a root is energised: ``energised >= root``. Enforced over: buses, topologies."""
    return b.energised[i, k] >= b.root[i, k]


def island_commodity_lower(b: Any, i: int, k: int) -> Any:
    """(I4) Energised buses consume what only roots feed in: ``sum_in f - sum_out f >= energised - n root``.

    Enforced over: buses, topologies.
    """
    return net_commodity(b, i, k) >= b.energised[i, k] - len(b.study.buses) * b.root[i, k]


def island_commodity_upper(b: Any, i: int, k: int) -> Any:
    """(I5) Only an energised bus consumes: ``sum_in f - sum_out f <= energised``. Enforced over: buses, topologies."""
    return net_commodity(b, i, k) <= b.energised[i, k]


def commodity_upper_island(b: Any, line: int, child: int, k: int) -> Any:
    """(I6) The commodity follows parent arcs: ``f <= (n - 1) arc``. Enforced over: arcs, topologies."""
    return b.commodity[line, child, k] <= (len(b.study.buses) - 1) * b.arc[line, child, k]


def arc_switch_island(b: Any, line_id: int, k: int) -> Any:
    """(I7) A closed line is one parent arc, unless it joins dead buses. Enforced over: lines, topologies.

    A line whose state is given carries an arc where its bus is energised: ``arc_ij + arc_ji = energised`` if closed, 0
    if open. One that is ours to switch is opened between dead buses, ``arc_ij + arc_ji = line_on``; where operations
    count it may stay closed there, ``arc_ij + arc_ji <= line_on``, and the last two rows of this family say when.
    """
    arcs, state = both_arcs(b, line_id, k), stated_state(b, line_id, k)
    if state is not None:
        return arcs == (b.energised[b.study.lines[line_id].i, k] if state else 0.0)
    return arcs <= b.line_on[line_id, k] if operations_count(b) else arcs == b.line_on[line_id, k]


def both_arcs(b: Any, line_id: int, k: int) -> Any:
    """Sum of the two parent arcs of a line."""
    line = b.study.lines[line_id]
    return b.arc[line_id, line.i, k] + b.arc[line_id, line.j, k]


def mesh_switch(b: Any, line: int, child: int, k: int) -> Any:
    """(I8) Where loops are allowed the commodity uses closed lines: ``arc <= line_on``.

    Enforced over: arcs, topologies.
    """
    return b.arc[line, child, k] <= b.line_on[line, k]


def energised_alike(b: Any, line: int, bus: int, k: int) -> Any:
    """(I9) A closed line joins buses in the same state: ``energised_i - energised_j <= 1 - line_on``.

    Enforced over: arcs, topologies.
    """
    return b.energised[bus, k] - b.energised[parent(b, line, bus), k] <= 1.0 - b.line_on[line, k]


def dead_is_shed(b: Any, i: int, t: int) -> Any:
    """(I10) Load is served only where energised: ``demand - shed <= demand_ub energised``.

    Enforced over: buses with load, periods.
    """
    load = b.mode.p_load[i, t]
    if load <= 0.0:
        return pyo.Constraint.Skip
    served = load * load_factor(b, "active", i, t) - b.p_shed[i, t]
    return served <= load * load_factor_ub(b.study) * b.energised[i, b.topology_of[t]]


def dead_storage(b: Any, i: int, t: int) -> Any:
    """(I11) Storage rests at a dead bus: ``sum_k p_charge + p_discharge <= p_rated_max energised``.

    It holds for a live one because no ESS does both at once. Enforced over: ESS buses, periods.
    """
    sites = sites_at(b.study.ess, i)
    rated = max(b.study.ess[key].p_mw for key in sites) / b.study.base_mva
    exchanged = sum(b.p_charge[key, t] + b.p_discharge[key, t] for key in sites)
    return exchanged <= rated * b.energised[i, b.topology_of[t]]


def must_take_live(b: Any, bus: int, tech: str, t: int) -> Any:
    """(I12) DG that must be taken is, where energised: ``p >= available - available_ub (1 - energised)``.

    Enforced over: must-take DG sites, periods.
    """
    dead = 1.0 - b.energised[bus, b.topology_of[t]]
    return b.p_dg[bus, tech, t] >= available(b, bus, tech, t) - available_ub(b, bus, tech, t) * dead


def root_keeps_energy(b: Any, i: int, t: int) -> Any:
    """(I13) An ESS that forms a grid has energy to do so: ``reserve (root - sum build_dg) <= sum_k energy[t-1]``.

    The reserve is a hundredth of what the smallest ESS holds. Enforced over: buses of grid-forming ESS, periods, where
    some technology cannot form a grid, or the mode has a set point of voltage.
    """
    sites = [key for key in sites_at(b.study.ess, i) if b.study.ess[key].grid_forming]
    reserve = RESERVE * min(b.study.ess[key].energy_mwh for key in sites) / b.study.base_mva
    alone = b.root[i, b.topology_of[t]] - forming_built(b, i, "dg")
    return reserve * alone <= sum(energy_before(b, *key, t) for key in sites)


def live_line_is_arc(b: Any, line: int, k: int) -> Any:
    """(I14) A closed line between live buses is a parent arc: ``line_on - arc_ij - arc_ji <= 1 - energised``.

    Enforced over: lines that are ours to switch, topologies, where operations count.
    """
    return b.line_on[line, k] - both_arcs(b, line, k) <= 1.0 - b.energised[b.study.lines[line].i, k]


def dead_line_stays(b: Any, line: int, k: int) -> Any:
    """(I15) A line between dead buses is closed only if it was: ``line_on - arc_ij - arc_ji <= line_on_before``.

    What was closed has no loop. Enforced over: lines that are ours to switch, topologies, where operations count.
    """
    return b.line_on[line, k] - both_arcs(b, line, k) <= state_before(b, line, k)


def root_voltage_upper(b: Any, i: int, t: int) -> Any:
    """(I16) A root holds the set point: ``v <= vm^2 + (v_ub - vm^2) (1 - root)``.

    Enforced over: buses of grid-forming sites, periods, where the mode has a set point.
    """
    held, highest = b.mode.settings.vm_pu**2, voltage_limits(b.study, b.mode, i)[1]
    return b.v_sq[i, t] <= held + (highest - held) * (1.0 - b.root[i, b.topology_of[t]])


def root_voltage_lower(b: Any, i: int, t: int) -> Any:
    """(I17) The same from below: ``v >= vm^2 - (vm^2 - v_lb) (1 - root)``.

    Enforced over: buses of grid-forming sites, periods, where the mode has a set point.
    """
    held, lowest = b.mode.settings.vm_pu**2, voltage_limits(b.study, b.mode, i)[0]
    return b.v_sq[i, t] >= held - (held - lowest) * (1.0 - b.root[i, b.topology_of[t]])


def led_alike(b: Any, line: int, bus: int, k: int) -> Any:
    """(I18) Joined buses have the same root: ``dg_led_i - dg_led_j <= 1 - line_on``.

    Enforced over: arcs, topologies, where the mode has a set point and both DG and ESS may form grids.
    """
    return b.dg_led[bus, k] - b.dg_led[parent(b, line, bus), k] <= 1.0 - b.line_on[line, k]


def led_by_storage(b: Any, i: int, k: int) -> Any:
    """(I19) An island whose root is an ESS is not led by DG: ``dg_led <= 1 - root + sum forming build_dg``.

    Enforced over: buses of grid-forming ESS, topologies, where the mode has a set point and both may form grids.
    """
    return b.dg_led[i, k] + b.root[i, k] - forming_built(b, i, "dg") <= 1.0


def led_by_dg(b: Any, i: int, k: int) -> Any:
    """(I20) An island with a DG that can form its grid is led by DG: ``dg_led >= sum build_dg + energised - 1``.

    Enforced over: buses of grid-forming DG, topologies, where the mode has a set point and both may form grids.
    """
    return b.dg_led[i, k] >= forming_built(b, i, "dg") + b.energised[i, k] - 1.0
