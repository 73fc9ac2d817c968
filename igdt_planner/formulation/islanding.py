"""Islanded topology: the substation is lost, every energised island is fed from a grid-forming root."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.radiality import add_arcs, arcs_into, net_commodity, other_end, stated_state
from igdt_planner.formulation.siting import sites_at


def add_islands(b: Any) -> None:
    """Declare roots and energised buses of an islanded mode; trees where the mode is radial, any islands where it is not."""
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
    else:
        b.energised_mesh = pyo.Constraint(b.buses, b.topologies, rule=energised_mesh)
        b.mesh_switch = pyo.Constraint(b.arcs, b.topologies, rule=mesh_switch)
    b.dead_is_shed = pyo.Constraint(b.buses, b.periods, rule=dead_is_shed)


def root_needs_source(b: Any, i: int, k: int) -> Any:
    """(I1) A root is a bus with a grid-forming unit: ``root <= sum build_dg + sum build_ess``. Enforced over: buses, topologies."""
    m = b.model()
    dg = sum(m.build_dg[key] for key in sites_at(b.study.dg, i) if b.study.dg[key].grid_forming)
    ess = sum(m.build_ess[key] for key in sites_at(b.study.ess, i) if b.study.ess[key].grid_forming)
    return b.root[i, k] - dg - ess <= 0.0


def energised_tree(b: Any, i: int, k: int) -> Any:
    """(I2) Energised is a root or the child of one parent: ``energised = root + sum_arcs_in arc``. Enforced over: buses, topologies."""
    return b.energised[i, k] == b.root[i, k] + arcs_into(b, i, k)


def energised_mesh(b: Any, i: int, k: int) -> Any:
    """(I3) Where loops are allowed a root is energised: ``energised >= root``. Enforced over: buses, topologies."""
    return b.energised[i, k] >= b.root[i, k]


def island_commodity_lower(b: Any, i: int, k: int) -> Any:
    """(I4) Energised buses consume what only roots feed in: ``sum_in f - sum_out f >= energised - n root``. Enforced over: buses, topologies."""
    return net_commodity(b, i, k) >= b.energised[i, k] - len(b.study.buses) * b.root[i, k]


def island_commodity_upper(b: Any, i: int, k: int) -> Any:
    """(I5) Nothing but an energised bus consumes: ``sum_in f - sum_out f <= energised``. Enforced over: buses, topologies."""
    return net_commodity(b, i, k) <= b.energised[i, k]


def commodity_upper_island(b: Any, line: int, child: int, k: int) -> Any:
    """(I6) The commodity follows parent arcs: ``f <= (n - 1) arc``. Enforced over: arcs, topologies."""
    return b.commodity[line, child, k] <= (len(b.study.buses) - 1) * b.arc[line, child, k]


def arc_switch_island(b: Any, line_id: int, k: int) -> Any:
    """(I7) A switch that is ours to choose is closed only as a parent arc: ``arc_ij + arc_ji = line_on``; a line whose state is given
    carries an arc where its bus is energised: ``arc_ij + arc_ji = energised`` if closed, 0 if open. Enforced over: lines, topologies.
    """
    line = b.study.lines[line_id]
    arcs = b.arc[line_id, line.i, k] + b.arc[line_id, line.j, k]
    state = stated_state(b, line_id, k)
    if state is None:
        return arcs == b.line_on[line_id, k]
    return arcs == (b.energised[line.i, k] if state else 0.0)


def mesh_switch(b: Any, line: int, child: int, k: int) -> Any:
    """(I8) Where loops are allowed the commodity uses closed lines: ``arc <= line_on``. Enforced over: arcs, topologies."""
    return b.arc[line, child, k] <= b.line_on[line, k]


def energised_alike(b: Any, line: int, bus: int, k: int) -> Any:
    """(I9) A closed line joins buses in the same state: ``energised_i - energised_j <= 1 - line_on``. Enforced over: arcs, topologies."""
    return b.energised[bus, k] - b.energised[other_end(b, line, bus), k] <= 1.0 - b.line_on[line, k]


def dead_is_shed(b: Any, i: int, t: int) -> Any:
    """(I10) Load is served only where energised: ``demand - shed <= demand_ub energised``. Enforced over: buses, periods."""
    load = b.mode.p_load[i, t]
    if load <= 0.0:
        return pyo.Constraint.Skip
    served = load * b.load_factor - b.p_shed[i, t]
    return served <= load * b.load_factor_ub * b.energised[i, b.topology_of[t]]
