"""Energy storage: power, energy and the recursion between periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation import polygon

CAPABILITY_POLYGON = 32
"""Sides of the polygon around the apparent-power circle of an inverter: its corners lie 0.5 % outside."""


@dataclass(frozen=True)
class Circle:
    """The condition ``(discharge - charge)^2 + q^2 <= (radius on)^2`` of one inverter and period.

    All but the radius are Pyomo variables; the radius is in per unit.
    """

    discharge: Any
    charge: Any
    q: Any
    on: Any
    radius: float


def add_storage(b: Any) -> list[Circle]:
    """Declare powers and stored energy of one mode; return the circles of inverters, for tangents.

    ESS without a build decision stay at zero.
    """
    sites = b.model().ess_sites
    b.p_charge = pyo.Var(sites, b.periods, domain=pyo.NonNegativeReals)
    b.p_discharge = pyo.Var(sites, b.periods, domain=pyo.NonNegativeReals)
    b.energy = pyo.Var(sites, b.periods, domain=pyo.NonNegativeReals)
    b.charge_limit = pyo.Constraint(sites, b.periods, rule=charge_limit)
    b.discharge_limit = pyo.Constraint(sites, b.periods, rule=discharge_limit)
    b.energy_limit = pyo.Constraint(sites, b.periods, rule=energy_limit)
    b.energy_recursion = pyo.Constraint(sites, b.periods, rule=energy_recursion)
    b.energy_end = pyo.Constraint(sites, rule=energy_end)
    if b.needs_charge_binary:
        b.charging = pyo.Var(sites, b.periods, domain=pyo.Binary)
        b.charge_or = pyo.Constraint(sites, b.periods, rule=charge_or)
        b.or_discharge = pyo.Constraint(sites, b.periods, rule=or_discharge)
    return add_reactive_storage(b)


def add_reactive_storage(b: Any) -> list[Circle]:
    """Declare the reactive power of inverters with a rating of apparent power; return their circles."""
    study = b.study
    sites = [key for key, tech in study.ess.items() if tech.sn_mva is not None]
    if not sites:
        return []
    radius = {key: study.ess[key].sn_mva / study.base_mva for key in sites}
    b.q_ess = pyo.Var(sites, b.periods, bounds=lambda _, bus, tech, t: (-radius[bus, tech], radius[bus, tech]))
    b.ess_capability = pyo.Constraint(sites, b.periods, range(CAPABILITY_POLYGON), rule=ess_capability)
    return [
        Circle(b.p_discharge[key, t], b.p_charge[key, t], b.q_ess[key, t], b.model().build_ess[key], radius[key])
        for key in sites
        for t in b.periods
    ]


def q_ess(b: Any, key: Any, t: int) -> Any:
    """Reactive power of a site: 0 where its technology exchanges none."""
    return b.q_ess[key, t] if b.study.ess[key].sn_mva is not None else 0.0


def rated_p(b: Any, key: Any) -> Any:
    """Rated power of a site in per unit times its build decision."""
    return b.study.ess[key].p_mw / b.study.base_mva * b.model().build_ess[key]


def charge_limit(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B1) ``p_charge <= p_rated build_ess``. Enforced over: ESS sites, periods."""
    return b.p_charge[bus, tech, t] <= rated_p(b, (bus, tech))


def discharge_limit(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B2) ``p_discharge <= p_rated build_ess``. Enforced over: ESS sites, periods."""
    return b.p_discharge[bus, tech, t] <= rated_p(b, (bus, tech))


def energy_limit(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B3) ``energy <= energy_rated build_ess``. Enforced over: ESS sites, periods."""
    ess = b.study.ess[bus, tech]
    return b.energy[bus, tech, t] <= ess.energy_mwh / b.study.base_mva * b.model().build_ess[bus, tech]


def energy_recursion(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B4) ``energy[t] = energy[t-1] + eta_c p_charge dt - p_discharge dt / eta_d``.

    Enforced over: ESS sites, periods.
    """
    ess, hours = b.study.ess[bus, tech], b.study.periods[t].hours
    gained = ess.eta_charge * b.p_charge[bus, tech, t] - b.p_discharge[bus, tech, t] / ess.eta_discharge
    return b.energy[bus, tech, t] == energy_before(b, bus, tech, t) + hours * gained


def energy_before(b: Any, bus: int, tech: str, t: int) -> Any:
    """Stored energy at the beginning of a period."""
    earlier = [period for period in b.study.periods if period < t]
    return b.energy[bus, tech, max(earlier)] if earlier else energy_start(b, bus, tech)


def energy_start(b: Any, bus: int, tech: str) -> Any:
    """Energy at the start of what is built at a site."""
    return b.study.ess[bus, tech].energy_start_mwh / b.study.base_mva * b.model().build_ess[bus, tech]


def energy_end(b: Any, bus: int, tech: str) -> Any:
    """(B5) ``energy[T] >= energy_start`` or ``=``, where the technology asks for it. Enforced over: ESS sites."""
    ess = b.study.ess[bus, tech]
    if ess.energy_end == "free":
        return pyo.Constraint.Skip
    start, last = energy_start(b, bus, tech), b.energy[bus, tech, max(b.study.periods)]
    return last == start if ess.energy_end == "equal_start" else last >= start


def charge_or(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B6) ``p_charge <= p_rated charging``. Enforced over: ESS sites, periods, where burning energy could pay."""
    return b.p_charge[bus, tech, t] <= b.study.ess[bus, tech].p_mw / b.study.base_mva * b.charging[bus, tech, t]


def or_discharge(b: Any, bus: int, tech: str, t: int) -> Any:
    """(B7) ``p_discharge <= p_rated (1 - charging)``.

    Enforced over: ESS sites, periods, where burning energy could pay.
    """
    resting = 1.0 - b.charging[bus, tech, t]
    return b.p_discharge[bus, tech, t] <= b.study.ess[bus, tech].p_mw / b.study.base_mva * resting


def ess_capability(b: Any, bus: int, tech: str, t: int, side: int) -> Any:
    """(B8) ``(p_discharge - p_charge) cos a + q sin a <= sn build_ess``, a polygon around ``p^2 + q^2 <= sn^2``.

    A plan keeps the circle itself: where it leaves it, tangents are added. Enforced over: ESS sites with ``sn_mva``,
    periods, sides.
    """
    (cosine, sine), key = polygon.side(side, CAPABILITY_POLYGON), (bus, tech)
    along = cosine * (b.p_discharge[key, t] - b.p_charge[key, t]) + sine * b.q_ess[key, t]
    return along <= b.study.ess[key].sn_mva / b.study.base_mva * b.model().build_ess[key]
