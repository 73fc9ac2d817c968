"""The objective: weighted terms, each one short function that returns a raw value in its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.infogap import price_change
from igdt_planner.formulation.siting import sites_at
from igdt_planner.formulation.storage import q_ess
from igdt_planner.study import Study, StudyMode


def objective_expression(container: Any) -> Any:
    """(C0) ``sum_k weight_k mode_weight_k term_k``: the objective in the model's unit. Enforced over: scenarios."""
    study = container.model().study
    total: Any = 0.0
    for term in study.model.objective:
        weight = term.weight * (1.0 if term.mode is None else study.modes[term.mode].settings.weight)
        total = total + weight * term_value(container, term.term, term.mode)
    return total


def term_limit(container: Any, k: int) -> Any:
    """(C12) ``sum mode_weight term <= at_most``, or ``term <= at_most`` of one mode.

    Enforced over: limits, scenarios.
    """
    model = container.model().study.model
    limit = model.limits[k]
    total = sum(weight * term_value(container, term, mode) for term, mode, weight in model.limited(limit))
    if isinstance(total, float | int):
        return pyo.Constraint.Feasible  # nothing of the kind can occur, and limits below 0 were refused
    return total <= limit.at_most


def term_value(container: Any, term: str, mode: str | None) -> Any:
    """Raw value of a term in a scenario: of a mode, or of the whole plan."""
    return investment_cost(container.model()) if mode is None else TERMS[term](container.mode[mode])


def mwh(b: Any, t: int) -> float:
    """Energy in MWh of one per-unit power over a period."""
    return float(b.study.periods[t].hours * b.study.base_mva)


def worth_of_energy(study: Study, mode: StudyMode) -> float:
    """What a MWh lost in a mode can cost at most, in the unit of the objective.

    Where alpha is the objective it is a share of the budget. Where the objective prices no energy it is the weight of
    the mode: losses still decide what is feasible.
    """
    periods, dg = study.periods.values(), study.dg.values()
    emissions = [p.emissions_t_per_mwh for p in periods] + [tech.emissions_t_per_mwh for tech in dg]
    rates = {
        "losses": 1.0,
        "ens": max(bus.priority for bus in study.buses.values()),
        "lost_load_cost": max(bus.value_of_lost_load for bus in study.buses.values()),
        "energy_cost": max(abs(p.price_per_mwh) for p in periods),
        "generation_cost": max((tech.generation_cost_per_mwh for tech in dg), default=0.0),
        "emissions": max(emissions),
    }
    terms = [term for term in study.model.objective if term.mode == mode.name]
    worth = sum(term.weight * rates.get(term.term, 0.0) for term in terms) or 1.0
    budget = abs(study.horizon.budget) if study.horizon is not None else 1.0
    return mode.settings.weight * worth / (budget or 1.0)


def losses(b: Any) -> Any:
    """(C1) ``sum r l dt``: line losses in MWh; 0 in a lossless model."""
    if b.study.model.losses == "none":
        return 0.0
    return sum(b.study.lines[a[0]].r * mwh(b, t) * b.i_sq[a, t] for a in b.branches for t in b.periods)


def ens(b: Any) -> Any:
    """(C2) ``sum priority shed dt``: energy not served in MWh, weighted by the priority of each bus."""
    if not b.mode.shedding:
        return 0.0
    return sum(b.study.buses[i].priority * mwh(b, t) * b.p_shed[i, t] for i in b.buses for t in b.periods)


def lost_load_cost(b: Any) -> Any:
    """(C3) ``sum value_of_lost_load shed dt``: money."""
    if not b.mode.shedding:
        return 0.0
    return sum(b.study.buses[i].value_of_lost_load * mwh(b, t) * b.p_shed[i, t] for i in b.buses for t in b.periods)


def energy_cost(b: Any) -> Any:
    """(C4) ``sum price p_source dt``: money for energy bought at the substations, a credit where it flows back.

    Where the price deviates, its change times what is bought comes on top.
    """
    prices = {t: period.price_per_mwh for t, period in b.study.periods.items()}
    keys = [(i, t) for i in b.mode.sources for t in b.periods]
    return sum(prices[t] * mwh(b, t) * (b.p_source[i, t] + price_change(b, i, t)) for i, t in keys)


def generation_cost(b: Any) -> Any:
    """(C5) ``sum generation_cost p_dg dt``: money for energy from DG."""
    dg = b.study.dg
    return sum(dg[i, k].generation_cost_per_mwh * mwh(b, t) * b.p_dg[i, k, t] for i, k in dg for t in b.periods)


def investment_cost(m: Any) -> Any:
    """(C6) ``sum annual_cost build``: annualised money for DG and ESS."""
    dg = sum(tech.annual_cost * m.build_dg[key] for key, tech in m.study.dg.items())
    return dg + sum(tech.annual_cost * m.build_ess[key] for key, tech in m.study.ess.items())


def emissions(b: Any) -> Any:
    """(C7) ``sum rate_grid p_source dt + sum rate_dg p_dg dt``: tCO2."""
    dg, periods = b.study.dg, b.study.periods
    bought = sum(
        periods[t].emissions_t_per_mwh * mwh(b, t) * b.p_source[i, t] for i in b.mode.sources for t in b.periods
    )
    return bought + sum(dg[i, k].emissions_t_per_mwh * mwh(b, t) * b.p_dg[i, k, t] for i, k in dg for t in b.periods)


def voltage_deviation(b: Any) -> Any:
    """(C8) ``sum deviation``: pu, over buses and periods."""
    return sum(b.v_deviation.values())


def switching(b: Any) -> Any:
    """(C9) ``sum switched``: operations against the base topology and between periods."""
    return sum(b.switched.values())


TERMS: dict[str, Callable[[Any], Any]] = {
    "losses": losses,
    "ens": ens,
    "lost_load_cost": lost_load_cost,
    "energy_cost": energy_cost,
    "generation_cost": generation_cost,
    "emissions": emissions,
    "voltage_deviation": voltage_deviation,
    "switching": switching,
}


def p_injection(b: Any, i: int, t: int) -> Any:
    """(C10) Active injection of a bus: ``sum p_dg + sum p_discharge - sum p_charge + p_shed``.

    Enforced over: buses, periods.
    """
    dg = sum(b.p_dg[key, t] for key in sites_at(b.study.dg, i))
    ess = sum(b.p_discharge[key, t] - b.p_charge[key, t] for key in sites_at(b.study.ess, i))
    return dg + ess + (b.p_shed[i, t] if b.mode.shedding else 0.0)


def q_injection(b: Any, i: int, t: int) -> Any:
    """(C11) Reactive injection of a bus: ``sum q_dg + sum q_ess + p_shed Q_load / P_load``.

    Enforced over: buses, periods.
    """
    units = sum(b.q_dg[key, t] for key in sites_at(b.study.dg, i))
    units += sum(q_ess(b, key, t) for key in sites_at(b.study.ess, i))
    load = b.mode.p_load[i, t]
    power_factor = b.mode.q_load[i, t] / load if load > 0.0 else 0.0
    return units + (power_factor * b.p_shed[i, t] if b.mode.shedding else 0.0)
