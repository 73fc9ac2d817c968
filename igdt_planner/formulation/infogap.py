"""The info-gap question: alpha as a variable, the corner of the uncertainty set, the budget."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo


def add_uncertainty(m: Any) -> None:
    """Declare alpha and what it does to loads and DG; without a question both stand at the study's realisation."""
    study, horizon = m.study, m.study.horizon
    if horizon is None:
        m.load_factor = pyo.Expression(expr=study.realisation.load)
        m.dg_capacity = pyo.Expression(
            m.dg_sites, rule=lambda m, *key: study.realisation.dg_availability * m.build_dg[key]
        )
        return
    m.alpha = pyo.Var(bounds=(0.0, horizon.alpha_ub))
    m.load_factor = pyo.Expression(expr=1.0 + horizon.deviation.get("load", 0.0) * m.alpha)
    if horizon.deviation.get("dg_availability", 0.0) and study.dg:
        m.alpha_built = pyo.Var(m.dg_sites, bounds=(0.0, horizon.alpha_ub))
        m.alpha_built_upper = pyo.Constraint(m.dg_sites, rule=alpha_built_upper)
        m.alpha_built_alpha = pyo.Constraint(m.dg_sites, rule=alpha_built_alpha)
        m.alpha_built_lower = pyo.Constraint(m.dg_sites, rule=alpha_built_lower)
        m.alpha_built_count = pyo.Constraint(rule=alpha_built_count)
    m.dg_capacity = pyo.Expression(m.dg_sites, rule=dg_capacity)


def dg_capacity(m: Any, bus: int, tech: str) -> Any:
    """(G1) Capacity at the corner: ``build_dg (1 + deviation alpha)``, its product carried by ``alpha_built``.

    Enforced over: DG sites.
    """
    deviation = m.study.horizon.deviation.get("dg_availability", 0.0)
    return m.build_dg[bus, tech] + (deviation * m.alpha_built[bus, tech] if deviation else 0.0)


def alpha_built_upper(m: Any, bus: int, tech: str) -> Any:
    """(G2) ``alpha_built <= alpha_ub build_dg``. Enforced over: DG sites."""
    return m.alpha_built[bus, tech] <= m.study.horizon.alpha_ub * m.build_dg[bus, tech]


def alpha_built_alpha(m: Any, bus: int, tech: str) -> Any:
    """(G3) ``alpha_built <= alpha``. Enforced over: DG sites."""
    return m.alpha_built[bus, tech] <= m.alpha


def alpha_built_lower(m: Any, bus: int, tech: str) -> Any:
    """(G4) ``alpha_built >= alpha - alpha_ub (1 - build_dg)``. Enforced over: DG sites."""
    return m.alpha_built[bus, tech] >= m.alpha - m.study.horizon.alpha_ub * (1.0 - m.build_dg[bus, tech])


def alpha_built_count(m: Any) -> Any:
    """(G7) ``sum alpha_built >= N_dg alpha - alpha_ub (N_dg - sum build_dg)``: S1 times ``alpha_ub - alpha``.

    Without it a relaxation that spreads DG over many buses sees no deviation at all. Enforced once.
    """
    count, alpha_ub = m.study.model.dg.max_units, m.study.horizon.alpha_ub
    unused = count - sum(m.build_dg.values())
    return sum(m.alpha_built.values()) >= count * m.alpha - alpha_ub * unused


def add_objective(m: Any, cost: Any) -> None:
    """Minimise the cost, or put it under the budget and move alpha."""
    horizon = m.study.horizon
    if horizon is None:
        m.objective = pyo.Objective(expr=cost)
        return
    m.cost = pyo.Expression(expr=cost)
    m.within_budget = pyo.Constraint(rule=within_budget)
    m.objective = pyo.Objective(rule=radius)


def within_budget(m: Any) -> Any:
    """(G5) ``cost <= budget``. Enforced once an info-gap problem."""
    return m.cost <= m.study.horizon.budget


def radius(m: Any) -> Any:
    """(G6) Maximise alpha (written ``min -alpha``) when averse to risk, minimise it when seeking. Enforced once."""
    return -m.alpha if m.study.horizon.sense == "robust" else m.alpha
