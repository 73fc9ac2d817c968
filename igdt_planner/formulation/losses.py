"""Losses of lines: a squared current ``i_sq`` above the cone ``P^2 + Q^2``, approximated from outside by tangents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import i_sq_limit, voltage_limits
from igdt_planner.formulation.cost import worth_of_energy
from igdt_planner.formulation.distflow import switch
from igdt_planner.formulation.radiality import parent
from igdt_planner.study import Line


@dataclass(frozen=True)
class Cone:
    """The condition ``i_sq * w >= P^2 + Q^2`` of one branch and period, as Pyomo variables.

    ``w`` is the smaller of the sending-end voltage ``v_sq`` and ``v_sq_ub * on``; without losses in the balance
    ``v_sq`` is None and ``v_sq_ub`` is 1. ``switched`` says that ``v_sq`` is a voltage handed down an arc, which a row
    holds below ``v_sq_ub * on``. ``weight`` is what a unit of ``i_sq`` can cost, in the unit of the objective; it says
    which cones matter. ``p_back`` and ``q_back`` are the parts of sizes that run back, None where flows are by line.
    ``line`` is the line in per unit, ``ends`` its bus where power is counted and the other one.
    """

    i_sq: Any
    p_flow: Any
    q_flow: Any
    on: Any
    v_sq: Any
    v_sq_ub: float
    switched: bool
    weight: float
    line: Line
    ends: tuple[int, int]
    p_back: Any = None
    q_back: Any = None


def add_currents(b: Any) -> None:
    """Declare the squared currents of one mode, unless it is lossless."""
    if b.study.model.losses == "none":
        return
    b.i_sq_ub = {line: i_sq_limit(b.study, b.mode, line) for line in b.lines}
    b.i_sq = pyo.Var(b.branches, b.periods, bounds=lambda b, line, child, t: (0.0, b.i_sq_ub[line]))


def add_losses(b: Any) -> list[Cone]:
    """Tie squared currents to switches and flows by first tangents; return the cones for more tangents."""
    if b.study.model.losses == "none":
        return []
    b.current_open = pyo.Constraint(b.branches, b.periods, rule=current_open)
    b.loss_tangent = pyo.Constraint(b.branches, b.periods, rule=loss_tangent)
    return [cone(b, line, child, t) for line, child in b.branches for t in b.periods]


def cone(b: Any, line_id: int, child: int, t: int) -> Cone:
    """The loss cone of one branch and period."""
    study, line = b.study, b.study.lines[line_id]
    in_balance = study.model.losses == "balance"
    sending = parent(b, line_id, child)
    v_sq = b.v_sq[sending, t] if b.by_line else b.v_arc[line_id, child, t]
    return Cone(
        i_sq=b.i_sq[line_id, child, t],
        p_flow=b.p_flow[line_id, child, t] if b.by_line else b.size["p", line_id, child, t],
        q_flow=b.q_flow[line_id, child, t] if b.by_line else b.size["q", line_id, child, t],
        on=switch(b, line_id, child, t),
        v_sq=v_sq if in_balance else None,
        v_sq_ub=voltage_limits(study, b.mode, sending)[1] if in_balance else 1.0,
        switched=in_balance and not b.by_line,
        weight=line.r * study.periods[t].hours * study.base_mva * worth_of_energy(study, b.mode),
        line=line,
        ends=(sending, child),
        p_back=None if b.by_line else b.back["p", line_id, child, t],
        q_back=None if b.by_line else b.back["q", line_id, child, t],
    )


def current_open(b: Any, line: int, child: int, t: int) -> Any:
    """(L1) ``l <= l_ub on``: no current on an open line, the rating on a closed one.

    Enforced over: branches, periods.
    """
    return b.i_sq[line, child, t] <= b.i_sq_ub[line] * switch(b, line, child, t)


def loss_tangent(b: Any, line: int, child: int, t: int) -> Any:
    """(L2) ``l >= 2 (P0/w0) P + 2 (Q0/w0) Q - ((P0^2 + Q0^2)/w0^2) w``, the perspective tangent at (P0, Q0, w0).

    ``w`` is ``v_sq_ub on`` or the sending-end voltage, whichever is smaller there. This one stands at the forecast load
    of the receiving bus and at ``w0 = v_sq_ub``; the solve adds others where the relaxation needs them. Enforced over:
    branches, periods.
    """
    c = cone(b, line, child, t)
    p0, q0, w0 = b.mode.p_load[child, t], b.mode.q_load[child, t], c.v_sq_ub
    if p0 == q0 == 0.0:
        return pyo.Constraint.Skip
    k_p, k_q, k_w = tangent(p0, q0, w0)
    return c.i_sq >= k_p * c.p_flow + k_q * c.q_flow - k_w * w0 * c.on


def tangent(p0: float, q0: float, w0: float) -> tuple[float, float, float]:
    """Coefficients of P, Q and w in the tangent of ``(P^2 + Q^2) / w`` at (P0, Q0, w0)."""
    return 2.0 * p0 / w0, 2.0 * q0 / w0, (p0 * p0 + q0 * q0) / (w0 * w0)
