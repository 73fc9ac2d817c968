"""What the search family solves: a radial network, connected all the time, with generators to be placed.

A choice is a tree and sites; what the generators deliver follows from it in closed form, so that every algorithm
searches the same space and is judged alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.model import Fix
from igdt_planner.search.network import Complexes, Floats, Ints, RadialNetwork, loads_of, network_of
from igdt_planner.search.radial_flow import RadialFlow, radial_power_flow
from igdt_planner.search.reconfiguration import MAX_SWEEPS, violations
from igdt_planner.search.tree import Tree
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
class Judged:
    """A choice with what AC power flow says of it.

    Attributes
    ----------
    choice : Choice
    power : array of complex, shape (periods, count)
        Power delivered at the sites, pu.
    objective : float
        Infinite without an AC solution.
    violation : float
        Of voltage limits and ratings: pu of voltage and shares of ratings, summed.
    v : array of complex, shape (periods, buses)
        Voltages, pu; 1 without an AC solution.
    """

    choice: Choice
    power: Complexes
    objective: float
    violation: float
    v: Complexes

    def beats(self, other: Judged, margin: float = 1e-9) -> bool:
        """Whether it is better by more than rounding; within limits is better than outside."""
        return (self.violation, self.objective) < (other.violation, other.objective * (1.0 - margin))


@dataclass(frozen=True, eq=False)
class SearchProblem:
    """Least weighted losses and voltage deviation over trees and sites.

    Attributes
    ----------
    network : RadialNetwork
    loads : array of complex, shape (periods, buses)
        Power drawn, pu.
    hours : array, shape (periods,)
    units : Units
    losses_weight, deviation_weight : float
        Of the losses in MWh, and of the deviation of voltages from 1 pu, summed over buses and periods.
    """

    network: RadialNetwork
    loads: Complexes
    hours: Floats
    units: Units
    losses_weight: float = 1.0
    deviation_weight: float = 0.0

    @property
    def flat(self) -> Complexes:
        """Voltages before anything is known of them."""
        return np.ones_like(self.loads)

    def quadratic(self, tree: Tree, v: Complexes) -> Quadratic:
        """Losses of a tree around voltages, as a function of what generators deliver."""
        return quadratic(self.network, tree, np.conj(self.loads / v), v, self.hours)

    def power(self, choice: Choice, v: Complexes) -> Complexes:
        """Powers of the generators that lose least around voltages, pu, shape (periods, count)."""
        if not self.units.count:
            return np.zeros((len(self.hours), 0), dtype=complex)
        powers: Complexes = self.quadratic(choice.tree, v).best(self.units, choice.sites[None])[1]
        return np.asarray(powers[0])

    def judge(self, choices: Sequence[Choice], powers: Sequence[Complexes]) -> list[Judged]:
        """AC power flow of choices with given powers, in one batch."""
        loads = np.repeat(self.loads[None], len(choices), axis=0)
        for load, choice, power in zip(loads, choices, powers, strict=True):
            load[:, choice.sites] -= power
        line_on = np.array([choice.tree.line_on for choice in choices])
        flow = radial_power_flow(self.network, line_on, loads, max_sweeps=MAX_SWEEPS)
        solved = np.asarray(flow.converged.all(axis=1))
        objective = np.where(solved, self.objective(flow), np.inf)
        violation = np.where(solved, violations(self.network, flow), np.inf)
        v = np.where(solved[:, None, None], flow.v, 1.0)
        rows = zip(choices, powers, objective.tolist(), violation.tolist(), v, strict=True)
        return [Judged(*row) for row in rows]

    def objective(self, flow: RadialFlow) -> Floats:
        """Objective of every plan."""
        value = self.losses_weight * (flow.loss_mw @ self.hours)
        if self.deviation_weight:
            value = value + self.deviation_weight * np.abs(np.abs(flow.v) - 1.0).sum(axis=(1, 2))
        return np.asarray(value)


def problem_of(study: Study) -> SearchProblem:
    """The search problem of a study.

    Raises
    ------
    InputError
        The study asks for what the search does not decide: islands, storage, several technologies, topologies by
        period, or terms other than losses and voltage deviation; or the network has no radial topology.
    """
    refuse(study)
    try:
        network = network_of(study)
        loads, hours = loads_of(study)
        losses, deviation = (weight_of(study, term) for term in SEARCHED_TERMS)
        return SearchProblem(network, loads, hours, units_of(study), losses, deviation)
    except ValueError as error:
        raise InputError.of(f"the case has no radial topology to search: {error}", path="/case") from None


def weight_of(study: Study, term: str) -> float:
    """Weight of a term of the connected mode in the objective."""
    own = sum(entry.weight for entry in study.model.objective if entry.term == term)
    return own * study.modes["connected"].settings.weight


def units_of(study: Study) -> Units:
    """The generators that a study may place."""
    place = {bus: k for k, bus in enumerate(study.buses)}
    buses = np.array(sorted({place[bus] for bus, _ in study.dg}), dtype=np.int64)
    technology = next(iter(study.dg.values()), None)
    share = np.array([period.dg_share for period in study.periods.values()]) * study.realisation.dg_availability
    p, least_q, most_q = (
        (technology.p_mw, technology.q_min_mvar, technology.q_max_mvar) if technology is not None else (0.0, 0.0, 0.0)
    )
    scale = share / study.base_mva
    count = min(study.model.dg.max_units, len(buses))
    return Units(count, buses, p * scale, least_q * scale, most_q * scale)


SEARCHED_TERMS = ("losses", "voltage_deviation")


def refuse(study: Study) -> None:
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
        if settings.topology != "static":
            fault("finds one topology for all periods", "/model/modes/connected/topology", settings.topology)
        if settings.max_switching_operations is not None:
            limit = settings.max_switching_operations
            fault("does not count operations", "/model/modes/connected/max_switching_operations", limit)
        if settings.shedding:
            fault("sheds no load", "/model/modes/connected/shedding", True)
    if study.ess:
        fault("places no storage", "/model/ess/max_units", model.ess.max_units)
    if len(model.dg.technologies) > 1 and study.dg:
        names = [technology.name for technology in model.dg.technologies]
        fault("places one technology of DG", "/model/dg/technologies", names)
    if any(technology.must_take for technology in study.dg.values()):
        fault("curtails DG where that loses less", "/model/dg/technologies", "must_take")
    for number, entry in enumerate(model.objective):
        if entry.term not in SEARCHED_TERMS and entry.weight:
            known = " and ".join(SEARCHED_TERMS)
            fault(f"minimises {known}, not {entry.term}", f"/model/objective/{number}/term", entry.term)
    if model.fix != Fix():
        fault("decides all sites and switches itself", "/model/fix", None)
    if findings:
        raise InputError(findings)
