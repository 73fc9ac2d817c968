"""The info-gap question: alpha as a variable, what it does to every quantity in each scenario, and the budget."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import source_limits
from igdt_planner.model import AVAILABILITY
from igdt_planner.plan import value_at


def add_uncertainty(m: Any) -> None:
    """Declare alpha and its products with what is built, or the deviations that a recourse problem is asked about."""
    study, horizon = m.study, m.study.horizon
    if study.deviating:
        m.deviation = pyo.Var(sorted(study.deviating))
    if horizon is None:
        return
    m.alpha = pyo.Var(bounds=(horizon.alpha_lb, horizon.alpha_ub))
    if study.deviating:
        add_decided_deviations(m)
    available = set(AVAILABILITY.values())
    if study.dg and any(available & set(scenario) for scenario in horizon.scenarios):
        m.alpha_built = pyo.Var(m.dg_sites, bounds=(0.0, horizon.alpha_ub))
        m.alpha_built_upper = pyo.Constraint(m.dg_sites, rule=alpha_built_upper)
        m.alpha_built_alpha = pyo.Constraint(m.dg_sites, rule=alpha_built_alpha)
        m.alpha_built_lower = pyo.Constraint(m.dg_sites, rule=alpha_built_lower)
        m.alpha_built_count = pyo.Constraint(rule=alpha_built_count)


def add_decided_deviations(m: Any) -> None:
    """Declare the deviations that are decided with an opportunity, and their products with what is built."""
    study, horizon = m.study, m.study.horizon
    for key in m.deviation:
        m.deviation[key].setlb(-1.0)
        m.deviation[key].setub(study.uncertain(key[0]).physical_max - 1.0)
    m.deviation_within = pyo.Constraint(range(len(horizon.within)), rule=deviation_within)
    few = [key for key in m.deviation if key[0] in horizon.in_few]
    if few:
        m.deviates = pyo.Var(horizon.in_few, study.periods, domain=pyo.Binary)
        m.deviation_where = pyo.Constraint(few, range(2), rule=deviation_where)
        m.few_deviate = pyo.Constraint(horizon.in_few, rule=few_deviate)
    units = [
        (bus, tech, t)
        for (bus, tech), unit in study.dg.items()
        for t in study.periods
        if (AVAILABILITY[unit.source], bus, t) in study.deviating
    ]
    m.deviation_built = pyo.Var(units)
    m.deviation_product = pyo.Constraint(units, range(4), rule=deviation_product)


def deviation_within(m: Any, n: int) -> Any:
    """(G11) ``sum g_k deviation_k <= h alpha``: a face of the uncertainty set. Enforced over: faces."""
    factors, most = m.study.horizon.within[n]
    return sum(g * m.deviation[key] for key, g in factors.items()) <= most * m.alpha


def deviation_where(m: Any, quantity: str, component: int, t: int, side: int) -> Any:
    """(G12) ``-deviates <= deviation <= (physical_max - 1) deviates``.

    Enforced over: components and periods of quantities that deviate in few periods, both sides.
    """
    most = m.study.uncertain(quantity).physical_max - 1.0
    deviation, deviates = m.deviation[quantity, component, t], m.deviates[quantity, t]
    return deviation >= -deviates if side == 0 else deviation <= most * deviates


def few_deviate(m: Any, quantity: str) -> Any:
    """(G13) ``sum deviates <= gamma``. Enforced over: quantities that deviate in few periods."""
    return sum(m.deviates[quantity, t] for t in m.study.periods) <= m.study.horizon.in_few[quantity]


def deviation_product(m: Any, bus: int, tech: str, t: int, side: int) -> Any:
    """(G14) ``deviation_built = build_dg deviation``, by the four planes of its envelope; exact, as it is 0 or 1.

    Enforced over: DG sites, periods, sides of the envelope.
    """
    quantity = AVAILABILITY[m.study.dg[bus, tech].source]
    built, build, deviation = m.deviation_built[bus, tech, t], m.build_dg[bus, tech], m.deviation[quantity, bus, t]
    most = m.study.uncertain(quantity).physical_max - 1.0
    return (
        built >= -build,
        built <= most * build,
        built >= deviation - most * (1.0 - build),
        built <= deviation + (1.0 - build),
    )[side]


def slope(b: Any, quantity: str, component: int, t: int) -> float:
    """Change of a quantity per unit of alpha in the scenario of a block; 0 where alpha is not asked for."""
    horizon = b.study.horizon
    return 0.0 if horizon is None else value_at(horizon.scenarios[b.scenario].get(quantity, 0.0), component, t, 0.0)


def factor(b: Any, quantity: str, component: int, t: int) -> Any:
    """What a forecast is multiplied by: a number, ``1 + slope alpha``, or the deviation that is asked about."""
    m, study = b.model(), b.study
    realised = b.realisation.at(quantity, component, t)
    if (quantity, component, t) in study.deviating:
        return realised + m.deviation[quantity, component, t]
    change = slope(b, quantity, component, t)
    return realised + change * m.alpha if change else realised


def load_factor(b: Any, kind: str, i: int, t: int) -> Any:
    """Factor on the active or reactive load of a bus; a model never lets both of its factors deviate."""
    return factor(b, "load", i, t) * factor(b, f"{kind}_load", i, t)


def dg_capacity(b: Any, bus: int, tech: str, t: int) -> Any:
    """(G1) Capacity of a site: ``build_dg (1 + slope alpha)``, its product carried by ``alpha_built``.

    Where deviations are decided, ``build_dg + deviation_built``. In a recourse problem all sites are built.
    Enforced over: DG sites, periods.
    """
    m, quantity = b.model(), AVAILABILITY[b.study.dg[bus, tech].source]
    if (quantity, bus, t) in b.study.deviating:
        if b.study.horizon is None:
            return factor(b, quantity, bus, t)
        return b.realisation.at(quantity, bus, t) * m.build_dg[bus, tech] + m.deviation_built[bus, tech, t]
    realised, change = b.realisation.at(quantity, bus, t), slope(b, quantity, bus, t)
    return realised * m.build_dg[bus, tech] + (change * m.alpha_built[bus, tech] if change else 0.0)


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


def add_price_products(b: Any) -> None:
    """Declare the products of alpha with bought power where the price deviates with it, relaxed to their envelope."""
    keys = [(i, t) for i in b.mode.sources for t in b.periods if slope(b, "price", i, t)]
    if keys:
        b.alpha_bought = pyo.Var(keys)
        b.price_product = pyo.Constraint(keys, range(4), rule=price_product)


def price_product(b: Any, i: int, t: int, side: int) -> Any:
    """(G10) ``alpha_bought = alpha p_source``, relaxed to the four planes of its envelope over their ranges.

    It is exact at a single alpha, and where the site tree holds a radius.
    Enforced over: sources, periods where the price deviates with alpha, sides of the envelope.
    """
    horizon, alpha, bought = b.study.horizon, b.model().alpha, b.p_source[i, t]
    least, most = source_limits(b.study, b.mode, i)
    lower = side < 2
    a, p = (
        ((horizon.alpha_lb, least), (horizon.alpha_ub, most))[side % 2]
        if lower
        else (((horizon.alpha_ub, least), (horizon.alpha_lb, most))[side % 2])
    )
    plane = a * bought + alpha * p - a * p
    return b.alpha_bought[i, t] >= plane if lower else b.alpha_bought[i, t] <= plane


def price_change(b: Any, i: int, t: int) -> Any:
    """Bought power times what its price deviates by, as a share of the forecast."""
    realised, change = b.realisation.at("price", i, t) - 1.0, slope(b, "price", i, t)
    return realised * b.p_source[i, t] + (change * b.alpha_bought[i, t] if change else 0.0)


def squared_rating_factor(b: Any, line: int, t: int) -> Any:
    """Factor on a squared rating: squared itself, its chord over the range of alpha, or asked about as it is."""
    study, horizon = b.study, b.study.horizon
    if ("line_rating", line, t) in study.deviating:
        return 1.0 + b.model().deviation["line_rating", line, t]
    change = slope(b, "line_rating", line, t)
    if not change:
        return b.realisation.at("line_rating", line, t) ** 2
    low, high = ((1.0 + change * alpha) ** 2 for alpha in (horizon.alpha_lb, horizon.alpha_ub))
    rise = (high - low) / max(horizon.alpha_ub - horizon.alpha_lb, 1e-12)
    return low + rise * (b.model().alpha - horizon.alpha_lb)


def tie_stages(b: Any) -> None:
    """Tie a further scenario to the first one in what is decided before the uncertain values are known."""
    stages = b.study.model.stages
    if stages.topology == "here_and_now":
        b.same_topology = pyo.Constraint(b.lines, b.topologies, rule=same_topology)
    if stages.storage == "here_and_now" and b.study.ess:
        b.same_schedule = pyo.Constraint(b.model().ess_sites, b.periods, ("charge", "discharge"), rule=same_schedule)


def same_topology(b: Any, line: int, k: int) -> Any:
    """(G8) ``line_on = line_on`` of the first scenario. Enforced over: lines, topologies of further scenarios."""
    return b.line_on[line, k] == b.model().mode[b.mode.name].line_on[line, k]


def same_schedule(b: Any, bus: int, tech: str, t: int, way: str) -> Any:
    """(G9) ``p_charge``, ``p_discharge`` as in the first scenario.

    Enforced over: ESS sites, periods of further scenarios.
    """
    own, first = (getattr(block, f"p_{way}")[bus, tech, t] for block in (b, b.model().mode[b.mode.name]))
    return own == first


def add_objective(m: Any, costs: list[tuple[Any, Any]]) -> None:
    """Minimise the mean or the largest of the costs (container, cost), or put all under the budget and move alpha."""
    if m.study.horizon is None and not m.study.costliest:
        m.objective = pyo.Objective(expr=sum(cost for _, cost in costs) / len(costs))
        return
    for container, cost in costs:
        container.cost = pyo.Expression(expr=cost)
    if m.study.costliest:
        m.costliest = pyo.Var()
        for container, _ in costs:
            container.below_costliest = pyo.Constraint(rule=below_costliest)
        m.objective = pyo.Objective(expr=m.costliest)
        return
    for container, _ in costs:
        container.within_budget = pyo.Constraint(rule=within_budget)
    m.objective = pyo.Objective(rule=radius)


def within_budget(container: Any) -> Any:
    """(G5) ``cost <= budget``. Enforced over: scenarios."""
    return container.cost <= container.model().study.horizon.budget


def below_costliest(container: Any) -> Any:
    """(G15) ``cost <= costliest``, which is minimised in place of the mean. Enforced over: samples."""
    return container.cost <= container.model().costliest


def radius(m: Any) -> Any:
    """(G6) Maximise alpha (written ``min -alpha``) when averse to risk, minimise it when seeking. Enforced once."""
    return -m.alpha if m.study.horizon.sense == "robust" else m.alpha
