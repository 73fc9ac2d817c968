"""Power balance and voltage drop on switched lines (linearised DistFlow; with losses in the balance: branch flow)."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import line_bounds, one_way, voltage_drop_slack, voltage_limits


def add_distflow(b: Any) -> None:
    """Declare flows and voltages of one mode, balances, voltage drops and the switching of flows."""
    study, mode = b.study, b.mode
    bounds = {line.id: line_bounds(study, mode, line).flow_ub for line in study.lines.values()}
    b.p_flow = pyo.Var(b.lines, b.periods, bounds=lambda _, line, t: (-bounds[line], bounds[line]))
    b.q_flow = pyo.Var(b.lines, b.periods, bounds=lambda _, line, t: (-bounds[line], bounds[line]))
    b.v_sq = pyo.Var(b.buses, b.periods, bounds=lambda _, i, t: voltage_limits(study, mode, i))
    b.p_source = pyo.Var(sorted(mode.sources), b.periods)
    b.q_source = pyo.Var(sorted(mode.sources), b.periods)
    b.flow_ub = bounds
    b.balance_p = pyo.Constraint(b.buses, b.periods, rule=balance_p)
    b.balance_q = pyo.Constraint(b.buses, b.periods, rule=balance_q)
    b.voltage_drop_lower = pyo.Constraint(b.lines, b.periods, rule=voltage_drop_lower)
    b.voltage_drop_upper = pyo.Constraint(b.lines, b.periods, rule=voltage_drop_upper)
    b.p_open_forward = pyo.Constraint(b.lines, b.periods, rule=p_open_forward)
    b.p_open_reverse = pyo.Constraint(b.lines, b.periods, rule=p_open_reverse)
    b.q_open_forward = pyo.Constraint(b.lines, b.periods, rule=q_open_forward)
    b.q_open_reverse = pyo.Constraint(b.lines, b.periods, rule=q_open_reverse)


def i_sq(b: Any, line: int, t: int) -> Any:
    """Squared current where losses stand in the balance, else 0."""
    return b.i_sq[line, t] if b.study.model.losses == "balance" else 0.0


def balance_p(b: Any, i: int, t: int) -> Any:
    """(F1) Active balance: ``sum_in (P - r l) - sum_out P + source + injection = demand``; what is shed is injected.

    Enforced over: buses, periods.
    """
    arriving = sum(b.p_flow[line, t] - b.study.lines[line].r * i_sq(b, line, t) for line in b.lines_to[i])
    leaving = sum(b.p_flow[line, t] for line in b.lines_from[i])
    source = b.p_source[i, t] if i in b.mode.sources else 0.0
    return arriving - leaving + source + b.p_injection[i, t] == b.mode.p_load[i, t] * b.load_factor


def balance_q(b: Any, i: int, t: int) -> Any:
    """(F2) Reactive balance: ``sum_in (Q - x l) - sum_out Q + source + injection = demand``; what is shed is injected.

    Enforced over: buses, periods.
    """
    arriving = sum(b.q_flow[line, t] - b.study.lines[line].x * i_sq(b, line, t) for line in b.lines_to[i])
    leaving = sum(b.q_flow[line, t] for line in b.lines_from[i])
    source = b.q_source[i, t] if i in b.mode.sources else 0.0
    return arriving - leaving + source + b.q_injection[i, t] == b.mode.q_load[i, t] * b.load_factor


def drop(b: Any, line_id: int, t: int) -> Any:
    """``v_j - v_i + 2 (r P + x Q) - (r^2 + x^2) l``, zero on a closed line."""
    line = b.study.lines[line_id]
    along = 2.0 * (line.r * b.p_flow[line_id, t] + line.x * b.q_flow[line_id, t])
    return b.v_sq[line.j, t] - b.v_sq[line.i, t] + along - (line.r**2 + line.x**2) * i_sq(b, line_id, t)


def voltage_drop_upper(b: Any, line: int, t: int) -> Any:
    """(F3) ``v_j - v_i + 2(rP + xQ) - z^2 l <= M_up (1 - line_on)``, M from the voltage limits.

    Enforced over: lines, periods.
    """
    upper, _ = voltage_drop_slack(b.study, b.mode, b.study.lines[line])
    return drop(b, line, t) <= upper * (1.0 - b.line_on[line, b.topology_of[t]])


def voltage_drop_lower(b: Any, line: int, t: int) -> Any:
    """(F4) ``v_j - v_i + 2(rP + xQ) - z^2 l >= -M_down (1 - line_on)``. Enforced over: lines, periods."""
    _, lower = voltage_drop_slack(b.study, b.mode, b.study.lines[line])
    return drop(b, line, t) >= -lower * (1.0 - b.line_on[line, b.topology_of[t]])


def p_open_forward(b: Any, line: int, t: int) -> Any:
    """(F5) ``P <= P_ub line_on`` (the parent arc where power flows one way). Enforced over: lines, periods."""
    return b.p_flow[line, t] <= b.flow_ub[line] * switch_towards(b, line, t, forward=True)


def p_open_reverse(b: Any, line: int, t: int) -> Any:
    """(F6) ``P >= -P_ub line_on`` (the parent arc where power flows one way). Enforced over: lines, periods."""
    return b.p_flow[line, t] >= -b.flow_ub[line] * switch_towards(b, line, t, forward=False)


def q_open_forward(b: Any, line: int, t: int) -> Any:
    """(F7) ``Q <= Q_ub line_on`` (the parent arc where power flows one way). Enforced over: lines, periods."""
    return b.q_flow[line, t] <= b.flow_ub[line] * switch_towards(b, line, t, forward=True)


def q_open_reverse(b: Any, line: int, t: int) -> Any:
    """(F8) ``Q >= -Q_ub line_on`` (the parent arc where power flows one way). Enforced over: lines, periods."""
    return b.q_flow[line, t] >= -b.flow_ub[line] * switch_towards(b, line, t, forward=False)


def switch_towards(b: Any, line_id: int, t: int, *, forward: bool) -> Any:
    """The switch that must be closed for power to flow in one direction of a line."""
    k = b.topology_of[t]
    if not one_way(b.study, b.mode):
        return b.line_on[line_id, k]
    line = b.study.lines[line_id]
    return b.arc[line_id, line.j, k] if forward else b.arc[line_id, line.i, k]
