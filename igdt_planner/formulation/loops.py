"""Angles of voltages where loops are allowed: around a loop they add up to nothing, so no power runs in a circle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import angle_envelope


@dataclass(frozen=True)
class Angle:
    """The condition ``start - end = atan2(x P - r Q, v - r P - x Q)`` of one line, where it is closed, and period.

    ``start`` and ``end`` are the angles at both ends, ``v_sq`` the squared voltage where the flows are counted. All but
    the impedance (per unit) are Pyomo variables.
    """

    start: Any
    end: Any
    p_flow: Any
    q_flow: Any
    v_sq: Any
    on: Any
    r: float
    x: float


def add_angles(b: Any) -> list[Angle]:
    """Declare the angles of one mode where it may have loops and knows losses; return the conditions on them."""
    if not b.mode.islanded or b.mode.settings.radial or b.study.model.losses != "balance":
        return []
    b.envelope = {line: angle_envelope(b.study, b.mode, b.study.lines[line]) for line in b.lines}
    b.angle_ub = sum(across for _, _, across in b.envelope.values())
    b.angle = pyo.Var(b.buses, b.periods, bounds=(-b.angle_ub, b.angle_ub))
    b.angle_upper = pyo.Constraint(b.lines, b.periods, rule=angle_upper)
    b.angle_lower = pyo.Constraint(b.lines, b.periods, rule=angle_lower)
    return [angle_of(b, line, t) for line in b.lines for t in b.periods]


def angle_of(b: Any, line_id: int, t: int) -> Angle:
    """The condition on the angles at both ends of a line."""
    line = b.study.lines[line_id]
    flows = b.p_flow[line_id, line.j, t], b.q_flow[line_id, line.j, t]
    on = b.line_on[line_id, b.topology_of[t]]
    return Angle(b.angle[line.i, t], b.angle[line.j, t], *flows, b.v_sq[line.i, t], on, line.r, line.x)


def sheared(b: Any, line: int, t: int) -> Any:
    """``angle_i - angle_j - a (x P - r Q)``: what the angle across a line differs from its linear part."""
    angle, (slope, _, _) = angle_of(b, line, t), b.envelope[line]
    return angle.start - angle.end - slope * (angle.x * angle.p_flow - angle.r * angle.q_flow)


def spread(b: Any, line: int, t: int) -> Any:
    """``c + 2 angle_ub (1 - line_on)``: by how much it may differ; anyhow on an open line."""
    return b.envelope[line][1] + 2.0 * b.angle_ub * (1.0 - b.line_on[line, b.topology_of[t]])


def angle_upper(b: Any, line: int, t: int) -> Any:
    """(F17) ``angle_i - angle_j - a (x P - r Q) <= c + 2 angle_ub (1 - line_on)``, a and c from the voltage limits.

    Enforced over: lines, periods, where loops are allowed and losses stand in the balance.
    """
    return sheared(b, line, t) <= spread(b, line, t)


def angle_lower(b: Any, line: int, t: int) -> Any:
    """(F18) ``angle_i - angle_j - a (x P - r Q) >= -c - 2 angle_ub (1 - line_on)``: the other side.

    Enforced over: lines, periods, where loops are allowed and losses stand in the balance.
    """
    return sheared(b, line, t) >= -spread(b, line, t)
