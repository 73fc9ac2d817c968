"""Every objective term of a model, recomputed from an AC solution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Floats
from igdt_planner.ac.topology import count_switching
from igdt_planner.model import TERM_UNITS, Investment, Term, TermName
from igdt_planner.plan import Plan, TermValue, Violation

TERM_TOLERANCE, LEAST_LIMIT = 1e-5, 1e-6
"""Share by which a limit on a term may be missed, and least size of what it is a share of."""


def term_values(plan: Plan, operations: tuple[Operation, ...]) -> tuple[TermValue, ...]:
    """Value, unit and weight of every objective term; all modes together where a term names none."""
    return tuple(_term_value(plan, term, operations) for term in plan.model.objective)


def _term_value(plan: Plan, term: Term, operations: tuple[Operation, ...]) -> TermValue:
    weight = term.weight * (1.0 if term.mode is None else plan.model.modes[term.mode].weight)
    value = _raw(plan, term.term, term.mode, operations)
    return TermValue(term.term, term.mode, value, TERM_UNITS[term.term], weight)


def _raw(plan: Plan, term: TermName, mode: str | None, operations: tuple[Operation, ...]) -> float:
    if term == "investment_cost":
        return investment_cost(plan)
    return float(sum(OPERATING[term](operation) for operation in operations if mode in (None, operation.mode)))


def limits_kept(plan: Plan, operations: tuple[Operation, ...]) -> Iterator[Violation]:
    """Terms stay within the limits that the model states, but for a share of what they sum up."""
    for number, limit in enumerate(plan.model.limits):
        parts = plan.model.limited(limit)
        values = [weight * _raw(plan, term, mode, operations) for term, mode, weight in parts]
        value, size = sum(values), max(abs(limit.at_most), sum(map(abs, values)), LEAST_LIMIT)
        if value > limit.at_most + TERM_TOLERANCE * size:
            where = f" ({limit.mode})" if limit.mode else ""
            unit = TERM_UNITS.get(limit.term, "money")
            text = f"{limit.term} of {value:.6g} {unit} is above the limit of {limit.at_most:.6g} {unit}{where}"
            yield Violation("term_limit", limit.mode or "", 0, "model", number, value, limit.at_most, unit, text)


def losses(operation: Operation) -> float:
    """Energy lost in lines, MWh."""
    return float(np.sum(operation.ac.loss_mw * operation.hours))


def ens(operation: Operation) -> float:
    """Energy not served, MWh, by priority of the bus."""
    priority = operation.case.buses["priority"].to_numpy(float)
    return float(np.sum(priority * operation.unserved * operation.hours))


def lost_load_cost(operation: Operation) -> float:
    """Value of the energy not served, money."""
    value = operation.case.buses["value_of_lost_load_per_mwh"].to_numpy(float)
    return float(np.sum(value * operation.unserved * operation.hours))


def energy_cost(operation: Operation) -> float:
    """Energy bought at substations, money; what flows back earns the same price. Islanded, nothing is bought."""
    factor = operation.dispatch.realisation.table("price", operation.bus_ids.tolist(), operation.periods.tolist())
    return _bought(operation, "price_per_mwh", factor)


def generation_cost(operation: Operation) -> float:
    """Cost of running DG, money."""
    energy = (operation.dg_p * operation.hours).sum(axis=0)
    return float(sum(dg.generation_cost_per_mwh * energy[column] for column, dg in operation.dg))


def emissions(operation: Operation) -> float:
    """Emissions of bought energy and of DG, tCO2; what flows back is credited."""
    energy = (operation.dg_p * operation.hours).sum(axis=0)
    local = sum(dg.emissions_t_per_mwh * energy[column] for column, dg in operation.dg)
    return _bought(operation, "emissions_t_per_mwh") + float(local)


def voltage_deviation(operation: Operation) -> float:
    """Sum of abs(V - 1) over energised buses and periods, pu."""
    return float(np.nansum(np.abs(operation.ac.vm_pu - 1.0)))


def investment_cost(plan: Plan) -> float:
    """Annualised cost of everything built, money."""
    choices = ((plan.model.dg.technologies, plan.dg), (plan.model.ess.technologies, plan.ess))
    return sum(_annual_cost(technologies, list(units["technology"])) for technologies, units in choices)


def _annual_cost(technologies: tuple[Investment, ...], names: list[str]) -> float:
    cost = {getattr(technology, "name", ""): technology.annual_cost for technology in technologies}
    return sum(cost.get(name, 0.0) for name in names)


def _bought(operation: Operation, rate: str, factor: Floats | float = 1.0) -> float:
    """Energy from substations times a rate of the profile and a factor on it."""
    if operation.islanded:
        return 0.0
    per_mwh = operation.profile[rate].to_numpy(float)[:, None]
    return float(np.sum(per_mwh * factor * operation.ac.source_p_mw * operation.hours))


OPERATING: dict[str, Callable[[Operation], float]] = {
    "losses": losses,
    "ens": ens,
    "lost_load_cost": lost_load_cost,
    "energy_cost": energy_cost,
    "generation_cost": generation_cost,
    "emissions": emissions,
    "voltage_deviation": voltage_deviation,
    "switching": count_switching,
}
