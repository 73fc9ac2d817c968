"""Power balance and voltage drop on switched lines (linearised DistFlow; with losses in the balance: branch flow)."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import flow_limit, power_given, voltage_drop_slack, voltage_limits
from igdt_planner.formulation.infogap import load_factor
from igdt_planner.formulation.radiality import parent

POWERS = ("p", "q")


def add_distflow(b: Any) -> None:
    """Declare flows and voltages of one mode, balances, voltage drops and the switching of flows."""
    study, mode = b.study, b.mode
    b.v_sq = pyo.Var(b.buses, b.periods, bounds=lambda _, i, t: voltage_limits(study, mode, i))
    b.p_source = pyo.Var(sorted(mode.sources), b.periods)
    b.q_source = pyo.Var(sorted(mode.sources), b.periods)
    add = add_line_flows if b.by_line else add_fed_flows
    add(b)
    b.balance_p = pyo.Constraint(b.buses, b.periods, rule=balance_p)
    b.balance_q = pyo.Constraint(b.buses, b.periods, rule=balance_q)


def add_line_flows(b: Any) -> None:
    """Flows by line, as islands have them: either way on each, big-M where it is open."""
    b.flow_ub = {line: flow_limit(b.study, b.mode, line) for line in b.lines}
    b.p_flow = pyo.Var(b.branches, b.periods, bounds=lambda b, line, child, t: (-b.flow_ub[line], b.flow_ub[line]))
    b.q_flow = pyo.Var(b.branches, b.periods, bounds=lambda b, line, child, t: (-b.flow_ub[line], b.flow_ub[line]))
    b.voltage_drop_lower = pyo.Constraint(b.lines, b.periods, rule=voltage_drop_lower)
    b.voltage_drop_upper = pyo.Constraint(b.lines, b.periods, rule=voltage_drop_upper)
    b.p_open_forward = pyo.Constraint(b.branches, b.periods, rule=p_open_forward)
    b.p_open_reverse = pyo.Constraint(b.branches, b.periods, rule=p_open_reverse)
    b.q_open_forward = pyo.Constraint(b.branches, b.periods, rule=q_open_forward)
    b.q_open_reverse = pyo.Constraint(b.branches, b.periods, rule=q_open_reverse)


def add_fed_flows(b: Any) -> None:
    """Flows where every bus has one parent: their size and what of it runs back to the parent; voltages along arcs.

    ``v_arc`` is the parent's voltage on the parent arc and 0 on others, ``v_highest`` is above every voltage.
    """
    study, mode = b.study, b.mode
    fed = [bus for bus in b.buses if bus not in mode.sources]
    highest = {(line, child): voltage_limits(study, mode, parent(b, line, child))[1] for line, child in b.branches}
    given = dict(zip(POWERS, power_given(study, mode), strict=True))
    b.flow_ub = {line: flow_limit(study, mode, line) for line in b.lines}
    b.size = pyo.Var(POWERS, b.branches, b.periods, bounds=lambda b, power, line, child, t: (0.0, b.flow_ub[line]))
    b.back = pyo.Var(POWERS, b.branches, b.periods, bounds=lambda _, power, line, child, t: (0.0, given[power]))
    b.p_flow = pyo.Expression(b.branches, b.periods, rule=lambda b, *at: b.size["p", at] - 2.0 * b.back["p", at])
    b.q_flow = pyo.Expression(b.branches, b.periods, rule=lambda b, *at: b.size["q", at] - 2.0 * b.back["q", at])
    b.v_arc = pyo.Var(b.branches, b.periods, bounds=lambda _, line, child, t: (0.0, highest[line, child]))
    b.v_highest = pyo.Var(b.periods, bounds=(0.0, max(voltage_limits(study, mode, bus)[1] for bus in b.buses)))
    b.size_open = pyo.Constraint(POWERS, b.branches, b.periods, rule=size_open)
    b.back_within = pyo.Constraint(POWERS, b.branches, b.periods, rule=back_within)
    b.voltage_fed = pyo.Constraint(fed, b.periods, rule=voltage_fed)
    b.v_arc_open = pyo.Constraint(b.branches, b.periods, rule=v_arc_open)
    b.v_arc_upper = pyo.Constraint(b.branches, b.periods, rule=v_arc_upper)
    b.v_arc_lower = pyo.Constraint(b.branches, b.periods, rule=v_arc_lower)
    b.below_highest = pyo.Constraint(fed, b.periods, rule=below_highest)
    b.highest_rise = pyo.Constraint(b.periods, rule=highest_rise)


def i_sq(b: Any, branch: tuple[int, int], t: int) -> Any:
    """Squared current where losses stand in the balance, else 0."""
    return b.i_sq[branch, t] if b.study.model.losses == "balance" else 0.0


def balance_p(b: Any, i: int, t: int) -> Any:
    """(F1) Active balance: ``sum_in (P - r l) - sum_out P + source + injection = demand``; what is shed is injected.

    Enforced over: buses, periods.
    """
    arriving = sum(b.p_flow[a, t] - b.study.lines[a[0]].r * i_sq(b, a, t) for a in b.branches_to[i])
    leaving = sum(b.p_flow[a, t] for a in b.branches_from[i])
    source = b.p_source[i, t] if i in b.mode.sources else 0.0
    return arriving - leaving + source + b.p_injection[i, t] == b.mode.p_load[i, t] * load_factor(b, "active", i, t)


def balance_q(b: Any, i: int, t: int) -> Any:
    """(F2) Reactive balance: ``sum_in (Q - x l) - sum_out Q + source + injection = demand``; what is shed is injected.

    Enforced over: buses, periods.
    """
    arriving = sum(b.q_flow[a, t] - b.study.lines[a[0]].x * i_sq(b, a, t) for a in b.branches_to[i])
    leaving = sum(b.q_flow[a, t] for a in b.branches_from[i])
    source = b.q_source[i, t] if i in b.mode.sources else 0.0
    return arriving - leaving + source + b.q_injection[i, t] == b.mode.q_load[i, t] * load_factor(b, "reactive", i, t)


def along(b: Any, branch: tuple[int, int], t: int) -> Any:
    """``2 (r P + x Q) - (r^2 + x^2) l``: what the squared voltage loses on a branch."""
    line = b.study.lines[branch[0]]
    flows = 2.0 * (line.r * b.p_flow[branch, t] + line.x * b.q_flow[branch, t])
    return flows - (line.r**2 + line.x**2) * i_sq(b, branch, t)


def drop(b: Any, line_id: int, t: int) -> Any:
    """``v_j - v_i + 2 (r P + x Q) - (r^2 + x^2) l``, zero on a closed line."""
    line = b.study.lines[line_id]
    return b.v_sq[line.j, t] - b.v_sq[line.i, t] + along(b, (line_id, line.j), t)


def voltage_drop_upper(b: Any, line: int, t: int) -> Any:
    """(F3) ``v_j - v_i + 2(rP + xQ) - z^2 l <= M_up (1 - line_on)``, M from the voltage limits.

    Enforced over: lines, periods, where flows are by line.
    """
    upper, _ = voltage_drop_slack(b.study, b.mode, b.study.lines[line])
    return drop(b, line, t) <= upper * (1.0 - b.line_on[line, b.topology_of[t]])


def voltage_drop_lower(b: Any, line: int, t: int) -> Any:
    """(F4) ``v_j - v_i + 2(rP + xQ) - z^2 l >= -M_down (1 - line_on)``.

    Enforced over: lines, periods, where flows are by line.
    """
    _, lower = voltage_drop_slack(b.study, b.mode, b.study.lines[line])
    return drop(b, line, t) >= -lower * (1.0 - b.line_on[line, b.topology_of[t]])


def switch(b: Any, line: int, child: int, t: int) -> Any:
    """What must be on for power to flow through a branch: its parent arc, or the line where flows are by line."""
    k = b.topology_of[t]
    return b.line_on[line, k] if b.by_line else b.arc[line, child, k]


def p_open_forward(b: Any, line: int, child: int, t: int) -> Any:
    """(F5) ``P <= P_ub line_on``. Enforced over: branches, periods, where flows are by line."""
    return b.p_flow[line, child, t] <= b.flow_ub[line] * switch(b, line, child, t)


def p_open_reverse(b: Any, line: int, child: int, t: int) -> Any:
    """(F6) ``P >= -P_ub line_on``. Enforced over: branches, periods, where flows are by line."""
    return b.p_flow[line, child, t] >= -b.flow_ub[line] * switch(b, line, child, t)


def q_open_forward(b: Any, line: int, child: int, t: int) -> Any:
    """(F7) ``Q <= Q_ub line_on``. Enforced over: branches, periods, where flows are by line."""
    return b.q_flow[line, child, t] <= b.flow_ub[line] * switch(b, line, child, t)


def q_open_reverse(b: Any, line: int, child: int, t: int) -> Any:
    """(F8) ``Q >= -Q_ub line_on``. Enforced over: branches, periods, where flows are by line."""
    return b.q_flow[line, child, t] >= -b.flow_ub[line] * switch(b, line, child, t)


def voltage_fed(b: Any, i: int, t: int) -> Any:
    """(F9) ``v_i = sum_arcs_in (v_arc - 2(rP + xQ) + z^2 l)``: one parent, so no big-M.

    Enforced over: fed buses, periods, where flows are on parent arcs.
    """
    return b.v_sq[i, t] == sum(b.v_arc[a, t] - along(b, a, t) for a in b.branches_to[i])


def v_arc_open(b: Any, line: int, child: int, t: int) -> Any:
    """(F10) ``v_arc <= v_ub arc``. Enforced over: branches, periods, where flows are on parent arcs."""
    return b.v_arc[line, child, t] <= b.v_arc[line, child, t].ub * switch(b, line, child, t)


def v_arc_upper(b: Any, line: int, child: int, t: int) -> Any:
    """(F11) ``v_arc <= v_parent - v_lb (1 - arc)``.

    Enforced over: branches, periods, where flows are on parent arcs.
    """
    bus = parent(b, line, child)
    lowest, _ = voltage_limits(b.study, b.mode, bus)
    return b.v_arc[line, child, t] <= b.v_sq[bus, t] - lowest * (1.0 - switch(b, line, child, t))


def v_arc_lower(b: Any, line: int, child: int, t: int) -> Any:
    """(F12) ``v_arc >= v_parent - v_ub (1 - arc)``.

    Enforced over: branches, periods, where flows are on parent arcs.
    """
    bus = parent(b, line, child)
    return b.v_arc[line, child, t] >= b.v_sq[bus, t] - b.v_arc[line, child, t].ub * (1.0 - switch(b, line, child, t))


def size_open(b: Any, power: str, line: int, child: int, t: int) -> Any:
    """(F13) ``size <= S_ub arc``, where ``P = size - 2 back``.

    Enforced over: P and Q, branches, periods, where flows are on parent arcs.
    """
    return b.size[power, line, child, t] <= b.flow_ub[line] * switch(b, line, child, t)


def back_within(b: Any, power: str, line: int, child: int, t: int) -> Any:
    """(F14) ``back <= size``: what runs back to the parent is part of the flow.

    Enforced over: P and Q, branches, periods, where flows are on parent arcs and anything can give power.
    """
    if not b.back[power, line, child, t].ub:
        return pyo.Constraint.Skip
    return b.back[power, line, child, t] <= b.size[power, line, child, t]


def below_highest(b: Any, i: int, t: int) -> Any:
    """(F15) ``v_i <= v_highest``. Enforced over: fed buses, periods, where flows are on parent arcs."""
    return b.v_sq[i, t] <= b.v_highest[t]


def highest_rise(b: Any, t: int) -> Any:
    """(F16) ``v_highest <= v_source + sum 2(r back_P + x back_Q) + z^2 l``: only power that runs back lifts a voltage.

    A path from the highest source or any other meets every line once at most, and no term is negative. A relaxation, in
    which arcs are shares, could lift voltages for nothing otherwise, and losses are small where voltages are high.
    Enforced over: periods, where flows are on parent arcs.
    """

    def rise(line_id: int, child: int) -> Any:
        line = b.study.lines[line_id]
        back = 2.0 * (line.r * b.back["p", line_id, child, t] + line.x * b.back["q", line_id, child, t])
        return back + (line.r**2 + line.x**2) * i_sq(b, (line_id, child), t)

    return b.v_highest[t] <= max(b.mode.sources.values()) + sum(rise(*branch) for branch in b.branches)
