"""What units and lines can deliver: DG capability, shedding, ratings, switching operations, voltage deviation."""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation import polygon
from igdt_planner.formulation.bounds import dg_factor_ub
from igdt_planner.formulation.distflow import switch
from igdt_planner.formulation.infogap import dg_capacity, load_factor, squared_rating_factor

DEVIATION_TANGENTS = 9
"""Tangents of the deviation below 1 pu: with a limit of 0.9 pu they miss it by at most 2e-5 pu."""
LEAST_TOUCH_PU = 0.5
"""No tangent touches below: nothing is run there."""
RATING_POLYGON = 16
"""Sides of the polygon around the apparent-power circle of a rated line."""


def add_generation(b: Any) -> None:
    """Declare DG output of one mode and its capability."""
    sites = b.model().dg_sites
    b.p_dg = pyo.Var(sites, b.periods, domain=pyo.NonNegativeReals)
    b.q_dg = pyo.Var(sites, b.periods)
    b.dg_capacity = pyo.Expression(sites, b.periods, rule=dg_capacity)
    b.dg_available = pyo.Constraint(sites, b.periods, rule=dg_available)
    b.dg_q_upper = pyo.Constraint(sites, b.periods, rule=dg_q_upper)
    b.dg_q_lower = pyo.Constraint(sites, b.periods, rule=dg_q_lower)


def dg_available(b: Any, bus: int, tech: str, t: int) -> Any:
    """(D1) ``p <= share(t) p_rated capacity``; equal where the DG is must-take. Enforced over: DG sites, periods.

    ``capacity`` is ``build_dg``, times the deviation of its availability in an info-gap problem. In islanded mode what
    must be taken depends on which buses live, so the other side is a row of islanding.
    """
    given, most = b.p_dg[bus, tech, t], available(b, bus, tech, t)
    return given == most if b.study.dg[bus, tech].must_take and not b.mode.islanded else given <= most


def available(b: Any, bus: int, tech: str, t: int) -> Any:
    """Available power of a site."""
    unit = b.study.dg[bus, tech]
    return b.study.periods[t].share[unit.source] * unit.p_mw / b.study.base_mva * b.dg_capacity[bus, tech, t]


def available_ub(b: Any, bus: int, tech: str, t: int) -> float:
    """Most that a site can have available."""
    unit = b.study.dg[bus, tech]
    return float(b.study.periods[t].share[unit.source] * unit.p_mw / b.study.base_mva * dg_factor_ub(b.study))


def dg_q_upper(b: Any, bus: int, tech: str, t: int) -> Any:
    """(D2) ``q <= q_max capacity``. Enforced over: DG sites, periods."""
    return b.q_dg[bus, tech, t] <= b.study.dg[bus, tech].q_max_mvar / b.study.base_mva * b.dg_capacity[bus, tech, t]


def dg_q_lower(b: Any, bus: int, tech: str, t: int) -> Any:
    """(D3) ``q >= q_min capacity``. Enforced over: DG sites, periods."""
    return b.q_dg[bus, tech, t] >= b.study.dg[bus, tech].q_min_mvar / b.study.base_mva * b.dg_capacity[bus, tech, t]


def add_shedding(b: Any) -> None:
    """Declare shed load of one mode; reactive load is shed with it at the power factor of the bus."""
    if not b.mode.shedding:
        return
    b.p_shed = pyo.Var(b.buses, b.periods, domain=pyo.NonNegativeReals)
    b.shed_limit = pyo.Constraint(b.buses, b.periods, rule=shed_limit)


def shed_limit(b: Any, i: int, t: int) -> Any:
    """(D4) ``p_shed <= demand``. Enforced over: buses, periods where load may be shed."""
    return b.p_shed[i, t] <= max(0.0, b.mode.p_load[i, t]) * load_factor(b, "active", i, t)


def add_ratings(b: Any) -> None:
    """Limits of rated lines: of apparent power where losses (and with them currents) are not in the balance.

    There L1 holds the rating; where it deviates, a row of its own does.
    """
    rated = [branch for branch in b.branches if math.isfinite(b.study.lines[branch[0]].i_sq_ub)]
    if b.study.model.losses == "balance":
        if b.study.uncertain("line_rating") is not None and rated:
            b.rating_deviates = pyo.Constraint(rated, b.periods, rule=rating_deviates)
        return
    if rated:
        b.rating = pyo.Constraint(rated, b.periods, range(RATING_POLYGON), rule=rating)


def rating(b: Any, line: int, child: int, t: int, side: int) -> Any:
    """(D5) ``P cos a + Q sin a <= S_ub``, a polygon around ``P^2 + Q^2 <= S_ub^2``.

    Enforced over: branches of rated lines, periods, sides.
    """
    cosine, sine = polygon.side(side, RATING_POLYGON)
    along = cosine * b.p_flow[line, child, t] + sine * b.q_flow[line, child, t]
    return along <= math.sqrt(b.study.lines[line].i_sq_ub) * switch(b, line, child, t)


def rating_deviates(b: Any, line: int, child: int, t: int) -> Any:
    """(D11) ``l <= imax^2 (1 + slope alpha)^2``, its square replaced by its chord over the range of alpha.

    Enforced over: branches of rated lines, periods, where ratings are uncertain.
    """
    return b.i_sq[line, child, t] <= b.study.lines[line].i_sq_ub * squared_rating_factor(b, line, t)


def add_switching(b: Any) -> None:
    """Count switching operations where they are limited or priced."""
    if not operations_count(b):
        return
    b.switched = pyo.Var(b.lines, b.topologies, bounds=(0.0, 1.0))
    b.switched_on = pyo.Constraint(b.lines, b.topologies, rule=switched_on)
    b.switched_off = pyo.Constraint(b.lines, b.topologies, rule=switched_off)
    if b.switched and b.mode.settings.max_switching_operations is not None:
        b.switching_limit = pyo.Constraint(rule=switching_limit)


def operations_count(b: Any) -> bool:
    """Whether switching operations of a mode are limited or priced."""
    asked = b.study.model.asks("switching", b.mode.name)
    return asked or b.mode.settings.max_switching_operations is not None


def state_before(b: Any, line: int, k: int) -> Any:
    """State of a line before a topology begins: the base state, or the topology before."""
    earlier = [other for other in b.topologies if other < k]
    return b.line_on[line, max(earlier)] if earlier else float(b.study.lines[line].closed)


def switched_on(b: Any, line: int, k: int) -> Any:
    """(D6) ``switched >= line_on - line_on_before``. Enforced over: lines, topologies, where operations count."""
    return b.switched[line, k] >= b.line_on[line, k] - state_before(b, line, k)


def switched_off(b: Any, line: int, k: int) -> Any:
    """(D7) ``switched >= line_on_before - line_on``. Enforced over: lines, topologies, where operations count."""
    return b.switched[line, k] >= state_before(b, line, k) - b.line_on[line, k]


def switching_limit(b: Any) -> Any:
    """(D8) ``sum switched <= max_switching_operations``. Enforced once a mode that limits operations."""
    return sum(b.switched.values()) <= b.mode.settings.max_switching_operations


def add_voltage_deviation(b: Any) -> None:
    """Declare the deviation of voltages from 1 pu where the objective or a limit asks for it."""
    if not b.study.model.asks("voltage_deviation", b.mode.name):
        return
    b.v_deviation = pyo.Var(b.buses, b.periods, domain=pyo.NonNegativeReals)
    b.voltage_below = pyo.Constraint(b.buses, b.periods, range(DEVIATION_TANGENTS), rule=voltage_below)
    b.voltage_above = pyo.Constraint(b.buses, b.periods, rule=voltage_above)


def voltage_below(b: Any, i: int, t: int, k: int) -> Any:
    """(D9) ``deviation >= 1 - V_k / 2 - v / (2 V_k)``, the tangent of ``1 - sqrt(v)`` at ``V_k`` from 1 down to V_lb.

    Enforced over: buses, periods, tangents.
    """
    lowest = min(1.0, max(LEAST_TOUCH_PU, math.sqrt(b.study.buses[i].v_sq_lb)))
    touch = 1.0 - (1.0 - lowest) * k / (DEVIATION_TANGENTS - 1)
    return b.v_deviation[i, t] >= 1.0 - touch / 2.0 - b.v_sq[i, t] / (2.0 * touch)


def voltage_above(b: Any, i: int, t: int) -> Any:
    """(D10) ``deviation >= (v - 1) / (1 + V_ub)``, above 1 pu a lower bound of ``V - 1``.

    Enforced over: buses, periods.
    """
    return b.v_deviation[i, t] >= (b.v_sq[i, t] - 1.0) / (1.0 + math.sqrt(b.study.buses[i].v_sq_ub))
