"""Topology of a mode: which lines are closed, and why they form trees rooted at the substations."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.model import Fix, ModeName


def add_topology(b: Any) -> None:
    """Declare ``line_on`` and what the case or the user states of it."""
    b.line_on = pyo.Var(b.lines, b.topologies, domain=pyo.Binary)
    for line, k in b.line_on:
        state = stated_state(b, line, k)
        if state is not None:
            b.line_on[line, k].setlb(float(state))
            b.line_on[line, k].setub(float(state))


def stated_state(b: Any, line_id: int, k: int) -> bool | None:
    """State of a line that is not ours to choose: fixed by the user, by the mode, or because it has no switch."""
    line, fix = b.study.lines[line_id], b.study.model.fix
    stated = open_lines_stated(fix, b.mode.name, k)
    if stated is not None:
        return line_id not in stated
    if b.mode.settings.topology == "fixed" or not line.switchable:
        return bool(line.closed)
    return None


def open_lines_stated(fix: Fix, mode: ModeName, k: int) -> tuple[int, ...] | None:
    """Open lines that the user stated for a mode and period, or None."""
    stated = fix.open_lines.get(mode)
    return stated.get(k) if isinstance(stated, dict) else stated


def add_arcs(b: Any) -> None:
    """Declare parent arcs ``arc[line, child, k]`` and the fictitious commodity that runs along them."""
    ends = [(line.id, child) for line in b.study.lines.values() for child in (line.i, line.j)]
    size = float(len(b.study.buses))
    b.arcs = pyo.Set(initialize=ends, dimen=2)
    b.arc = pyo.Var(b.arcs, b.topologies, bounds=(0.0, 1.0))
    b.commodity = pyo.Var(b.arcs, b.topologies, bounds=(0.0, size))


def add_radiality(b: Any) -> None:
    """Spanning forest of a connected network: every tree holds exactly one substation."""
    add_arcs(b)
    b.one_parent = pyo.Constraint(b.buses, b.topologies, rule=one_parent)
    b.arc_switch = pyo.Constraint(b.lines, b.topologies, rule=arc_switch)
    fed = [bus for bus in b.buses if bus not in b.mode.sources]
    b.commodity_balance = pyo.Constraint(fed, b.topologies, rule=commodity_balance)
    b.commodity_upper = pyo.Constraint(b.arcs, b.topologies, rule=commodity_upper)
    b.commodity_lower = pyo.Constraint(b.arcs, b.topologies, rule=commodity_lower)


def arcs_into(b: Any, bus: int, k: int) -> Any:
    """Sum of the parent arcs that end at a bus."""
    return sum(b.arc[line, bus, k] for line in b.lines_at[bus])


def net_commodity(b: Any, bus: int, k: int) -> Any:
    """Commodity that arrives at a bus less what leaves it."""
    arriving = sum(b.commodity[line, bus, k] for line in b.lines_at[bus])
    return arriving - sum(b.commodity[line, parent(b, line, bus), k] for line in b.lines_at[bus])


def parent(b: Any, line_id: int, child: int) -> int:
    """The bus at the other end of a line."""
    line = b.study.lines[line_id]
    return int(line.j if child == line.i else line.i)


def one_parent(b: Any, i: int, k: int) -> Any:
    """(R1) Every bus but a source has one parent: ``sum_arcs_in arc = 1``, a source none.

    Enforced over: buses, topologies.
    """
    if not b.lines_at[i]:  # a source: a case refuses any other bus that no line reaches
        return pyo.Constraint.Feasible
    return arcs_into(b, i, k) == (0.0 if i in b.mode.sources else 1.0)


def arc_switch(b: Any, line_id: int, k: int) -> Any:
    """(R2) A closed line is one parent arc: ``arc_ij + arc_ji = line_on``. Enforced over: lines, topologies."""
    line = b.study.lines[line_id]
    return b.arc[line_id, line.i, k] + b.arc[line_id, line.j, k] == b.line_on[line_id, k]


def commodity_balance(b: Any, i: int, k: int) -> Any:
    """(R3) Every fed bus consumes one unit of the commodity: ``sum_in f - sum_out f = 1``.

    Enforced over: fed buses, topologies.
    """
    return net_commodity(b, i, k) == 1.0


def commodity_upper(b: Any, line: int, child: int, k: int) -> Any:
    """(R4) The commodity follows parent arcs: ``f <= n arc`` with n the number of buses it can serve.

    Enforced over: arcs, topologies.
    """
    return b.commodity[line, child, k] <= (len(b.study.buses) - max(1, len(b.mode.sources))) * b.arc[line, child, k]


def commodity_lower(b: Any, line: int, child: int, k: int) -> Any:
    """(R5) A parent arc carries at least what its child consumes: ``f >= arc``. Enforced over: arcs, topologies."""
    return b.commodity[line, child, k] >= b.arc[line, child, k]
