"""What the search family solves: a radial network, connected all the time, with generators to be placed.

A choice is a tree and sites; what the generators deliver follows from it in closed form, so that every algorithm
searches the same space and is judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.model import AVAILABILITY, DgTechnology, Fix, Term, TermName
from igdt_planner.search.network import Bools, Complexes, Floats, Ints, RadialNetwork, loads_of, network_of
from igdt_planner.search.radial_flow import RadialFlow, radial_power_flow
from igdt_planner.search.reconfiguration import MAX_SWEEPS, violations
from igdt_planner.search.terms import Batch, Rates, measured, total_mw
from igdt_planner.search.tree import Tree, base_tree
from igdt_planner.search.units import Quadratic, Units, quadratic
from igdt_planner.study import Study


@dataclass(frozen=True, eq=False)
class Choice:
    """A radial topology, and the buses of the generators in increasing order."""

    tree: Tree
    sites: Ints

    @property
    def key(self) -> tuple[frozenset[int], tuple[int, ...]]:
        """Equal for equal choices."""
        return frozenset(self.tree.open_lines.tolist()), tuple(sorted(self.sites.tolist()))


@dataclass(frozen=True, eq=False)
class Verdict:
    """What AC power flow says of a choice.

    Attributes
    ----------
    objective : float
        Infinite without an AC solution.
    violation : float
        Of voltage limits and ratings: pu of voltage and shares of ratings, summed, and shares of limits on terms.
    values : array, shape (terms,)
        Of the terms that the problem asks for; infinite without an AC solution.
    """

    objective: float
    violation: float
    values: Floats

    def sums(self, weights: Floats) -> Floats:
        """Weighted sums of the terms; infinite without an AC solution."""
        if not np.isfinite(self.objective):
            return np.full(weights.shape[:-1], np.inf)
        return np.asarray(weights @ self.values)

    def beats(self, other: Verdict, margin: float = 1e-9) -> bool:
        """Whether it is better by more than rounding; within limits is better than outside."""
        return (self.violation, self.objective) < (other.violation, other.objective - margin * abs(other.objective))


@dataclass(frozen=True, eq=False)
class Judged(Verdict):
    """A choice with what AC power flow says of it.

    Attributes
    ----------
    choice : Choice
    power : array of complex, shape (periods, count)
        Power delivered at the sites, pu.
    v : array of complex, shape (periods, buses)
        Voltages, pu; 1 without an AC solution.
    """

    choice: Choice
    power: Complexes
    v: Complexes


@dataclass(frozen=True, eq=False)
class SearchProblem:
    """Least weighted sum of terms over trees and sites.

    Attributes
    ----------
    network : RadialNetwork
    loads : array of complex, shape (periods, buses)
        Power drawn, pu.
    hours : array, shape (periods,)
    units : Units
    rates : Rates
    terms : tuple of str
        What plans are measured by.
    weights : array, shape (terms,)
        The objective is the terms by these.
    limited, at_most : array, shape (limits, terms) and (limits,)
        Sums of terms that have a limit, and the limits.
    """

    network: RadialNetwork
    loads: Complexes
    hours: Floats
    units: Units
    rates: Rates
    terms: tuple[TermName, ...]
    weights: Floats
    limited: Floats
    at_most: Floats

    @property
    def flat(self) -> Complexes:
        """Voltages before anything is known of them."""
        return np.ones_like(self.loads)

    def quadratic(self, tree: Tree, v: Complexes) -> Quadratic:
        """Losses of a tree around voltages, as a function of what generators deliver."""
        return quadratic(self.network, tree, np.conj(self.loads / v), v, self.hours)

    def power(self, choice: Choice, v: Complexes) -> Complexes:
        """Powers of the generators that lose least around voltages, pu, shape (periods, count)."""
        if not len(choice.sites):
            return np.zeros((len(self.hours), 0), dtype=complex)
        powers: Complexes = self.quadratic(choice.tree, v).best(self.units, choice.sites[None])[1]
        return np.asarray(powers[0])

    def judge(self, choices: Sequence[Choice], powers: Sequence[Complexes]) -> list[Judged]:
        """AC power flow of choices with given powers, in one batch."""
        if not choices:
            return []
        loads = np.repeat(self.loads[None], len(choices), axis=0)
        for load, choice, power in zip(loads, choices, powers, strict=True):
            load[:, self.units.bus(choice.sites)] -= power
        line_on = np.array([choice.tree.line_on for choice in choices])
        flow = radial_power_flow(self.network, line_on, loads, max_sweeps=MAX_SWEEPS)
        solved = np.asarray(flow.converged.all(axis=1))
        raw = self.measured(choices, powers, line_on, flow)
        values = np.where(solved[:, None], raw, np.inf)
        objective = np.where(solved, raw @ self.weights, np.inf)
        violation = np.where(solved, violations(self.network, flow) + self.excess(raw), np.inf)
        v = np.where(solved[:, None, None], flow.v, 1.0)
        rows = zip(objective.tolist(), violation.tolist(), values, choices, powers, v, strict=True)
        return [Judged(*row) for row in rows]

    def measured(
        self, choices: Sequence[Choice], powers: Sequence[Complexes], line_on: Bools, flow: RadialFlow
    ) -> Floats:
        """Terms of every plan, shape (plans, terms)."""
        dg = np.array([total_mw(self.network, power) for power in powers])
        demand = np.broadcast_to(total_mw(self.network, self.loads), dg.shape)
        kinds = [self.units.technology(choice.sites) for choice in choices]
        by_unit = [(self.network.base_mva * power.real, own) for power, own in zip(powers, kinds, strict=True)]
        costs, emitted = (
            np.array([power @ rate[own] for power, own in by_unit])
            for rate in (self.rates.dg_cost, self.rates.dg_emissions)
        )
        built = np.array([self.rates.annual_cost[own].sum() for own in kinds])
        batch = Batch(self.network, self.hours, self.rates, line_on, demand, dg, costs, emitted, built, flow)
        return measured(batch, self.terms)

    def excess(self, values: Floats) -> Floats:
        """By which shares every plan exceeds limits on terms, summed."""
        if not len(self.at_most):
            return np.zeros(len(values))
        above = values @ self.limited.T - self.at_most - LIMIT_ROUNDING * np.abs(self.at_most)
        return np.asarray((np.maximum(above, 0.0) / np.maximum(np.abs(self.at_most), LEAST_LIMIT)).sum(axis=1))

    @property
    def least_losses(self) -> bool:
        """Whether nothing but losses is to be reduced, which is what closed forms do."""
        priced = [term for term, weight in zip(self.terms, self.weights, strict=True) if weight]
        return priced == ["losses"] and not len(self.at_most)


def problem_of(study: Study, *, dynamic: bool = False) -> SearchProblem:
    """The search problem of a study.

    Parameters
    ----------
    study : Study
    dynamic : bool
        Whether a topology for every period may be asked for; a limit on operations is the caller's then.

    Raises
    ------
    InputError
        The study asks for what the search does not decide: islands, storage, shedding, stated
        decisions, or topologies by period where they are not expected; or the network has no radial topology.
    """
    refuse(study, dynamic)
    (loads, hours), model, settings = loads_of(study), study.model, study.modes["connected"].settings
    try:
        network = network_of(study)
        if settings.topology == "fixed":
            network = replace(network, switchable=np.zeros(network.n_line, dtype=bool))
        base_tree(network)
        if not (network.switchable.any() or study.dg):
            raise ValueError("no line has a switch, and nothing is to be placed")
    except ValueError as error:
        raise InputError.of(f"there is no radial topology to search: {error}", path="/case") from None
    sums: list[list[tuple[TermName, float]]] = [[(entry.term, weight_of(study, entry)) for entry in model.objective]]
    sums += [[(term, weight) for term, _, weight in model.limited(limit)] for limit in model.limits]
    most = [limit.at_most for limit in model.limits]
    if settings.max_switching_operations is not None and settings.topology != "dynamic":
        sums.append([("switching", 1.0)])
        most.append(float(settings.max_switching_operations))
    terms = tuple(sorted({term for each in sums for term, _ in each}))
    rows = np.zeros((len(sums), len(terms)))
    for row, each in zip(rows, sums, strict=True):
        for term, weight in each:
            row[terms.index(term)] += weight
    rates, weight_by_term = rates_of(study), dict(zip(terms, rows[0].tolist(), strict=True))
    units = units_of(study, rates, weight_by_term)
    return SearchProblem(network, loads, hours, units, rates, terms, rows[0], rows[1:], np.array(most))


def weight_of(study: Study, entry: Term) -> float:
    """Weight of a term in the objective."""
    return entry.weight * (1.0 if entry.mode is None else study.modes[entry.mode].settings.weight)


ALL_BUSES = -1
"""No bus: what is realised for all of them."""


def rates_of(study: Study) -> Rates:
    """What energy and generators cost and emit."""
    periods = study.periods.values()
    price = np.array([period.price_per_mwh for period in periods])
    emitted = np.array([period.emissions_t_per_mwh for period in periods])
    dg_cost, dg_emissions, annual_cost = (
        np.array([getattr(technology, name) for technology in technologies_of(study)])
        for name in ("generation_cost_per_mwh", "emissions_t_per_mwh", "annual_cost")
    )
    return Rates(price, emitted, dg_cost, dg_emissions, annual_cost)


def technologies_of(study: Study) -> list[DgTechnology]:
    """The technologies that may be placed, in the order of the model."""
    return list(study.model.dg.technologies) if study.dg else []


def units_of(study: Study, rates: Rates, weights: Mapping[TermName, float]) -> Units:
    """The generators that a study may place, and what they are worth beside the losses that they save."""
    place = {bus: k for k, bus in enumerate(study.buses)}
    buses = np.array(sorted({place[bus] for bus, _ in study.dg}), dtype=np.int64)
    technologies, periods = technologies_of(study), study.periods
    shape = len(technologies), len(periods)
    share = np.array([[period.share[kind.source] for period in periods.values()] for kind in technologies])
    factor = [[study.realisation.at(AVAILABILITY[kind.source], ALL_BUSES, t) for t in periods] for kind in technologies]
    steady = np.array(factor).reshape(shape) / study.base_mva
    p_max, q_min, q_max = (
        np.array([getattr(kind, name) for kind in technologies])[:, None] * steady
        for name in ("p_mw", "q_min_mvar", "q_max_mvar")
    )
    p_max = p_max * share.reshape(shape)
    limited = {term for limit in study.model.limits for term, _ in study.model.summands(limit.term)}
    paid = bool(weights.get("investment_cost")) or "investment_cost" in limited
    optional = paid and bool(rates.annual_cost.any())
    worth, price = np.zeros(p_max.shape), np.zeros(len(technologies))
    if optional or len(technologies) > 1:
        worth, price = worth_of(study, rates, weights)
    count = min(study.model.dg.max_units, len(buses))
    return Units(count, buses, p_max, q_min, q_max, len(study.buses), worth, price, optional)


def worth_of(study: Study, rates: Rates, weights: Mapping[TermName, float]) -> tuple[Floats, Floats]:
    """What power delivered is worth as a multiple of losses, and what generators cost as pu hours of losses."""
    bought = weights.get("energy_cost", 0.0) * rates.price + weights.get("emissions", 0.0) * rates.emissions
    own = weights.get("generation_cost", 0.0) * rates.dg_cost + weights.get("emissions", 0.0) * rates.dg_emissions
    lost = float(np.mean(bought)) + weights.get("losses", 0.0)
    if lost <= 0.0:
        return np.zeros((len(own), len(bought))), np.zeros(len(own))
    price = weights.get("investment_cost", 0.0) * rates.annual_cost / (lost * study.base_mva)
    return np.asarray((bought - own[:, None]) / lost), np.asarray(price)


LIMIT_ROUNDING, LEAST_LIMIT = 1e-9, 1e-6
"""Share of a limit on a term that rounding may exceed; least limit to which shares refer."""


def refuse(study: Study, dynamic: bool) -> None:
    """Refuse what the search does not decide, all of it at once."""
    model, findings = study.model, []

    def fault(message: str, path: str, got: object) -> None:
        findings.append(Finding(f"the search family {message}", path, got))

    for name in sorted(set(study.modes) - {"connected"}):
        fault(f"runs the connected mode alone; the model has {name} too", f"/model/modes/{name}", name)
    connected = study.modes.get("connected")
    if connected is None:
        fault("runs the connected mode; the model has none", "/model/modes", sorted(study.modes))
    else:
        settings = connected.settings
        if settings.topology == "dynamic" and not dynamic:
            fault("traces fronts with one topology for all periods", "/model/modes/connected/topology", "dynamic")
        if settings.topology == "dynamic" and model.limits:
            fault("keeps no limits on terms with a topology for every period", "/model/limits", None)
        if settings.shedding:
            fault("sheds no load", "/model/modes/connected/shedding", True)
    if study.ess:
        fault("places no storage", "/model/ess/max_units", model.ess.max_units)
    if any(technology.must_take for technology in study.dg.values()):
        fault("curtails DG where that loses less", "/model/dg/technologies", "must_take")
    if model.fix != Fix():
        fault("decides all sites and switches itself", "/model/fix", None)
    if findings:
        raise InputError(findings)
