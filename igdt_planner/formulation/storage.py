"""Energy storage: power, energy and the recursion between periods."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo


def add_storage(b: Any) -> None:
    """Declare charging, discharging and stored energy of one mode. ESS without a build decision stay at zero."""
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
