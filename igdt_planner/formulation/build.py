"""The problem as its written statement reads: decisions, modes, terms, question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from igdt_planner.formulation.bounds import lowest_load
from igdt_planner.formulation.cost import objective_expression, p_injection, q_injection, term_limit
from igdt_planner.formulation.distflow import add_distflow
from igdt_planner.formulation.infogap import add_objective, add_price_products, add_uncertainty, tie_stages
from igdt_planner.formulation.islanding import add_island_units, add_islands, add_set_point
from igdt_planner.formulation.limits import (
    add_generation,
    add_ratings,
    add_shedding,
    add_switching,
    add_voltage_deviation,
)
from igdt_planner.formulation.losses import Cone, add_currents, add_losses
from igdt_planner.formulation.radiality import add_radiality, add_topology, parent
from igdt_planner.formulation.siting import add_siting
from igdt_planner.formulation.storage import Circle, add_storage
from igdt_planner.solvers import require_solver
from igdt_planner.study import Study, StudyMode


@dataclass(frozen=True)
class Formulation:
    """A Pyomo model of a study, and the loss cones and capability circles that want tangents."""

    model: Any
    study: Study
    cones: tuple[Cone, ...]
    circles: tuple[Circle, ...]


def build(study: Study) -> Formulation:
    """Write a study as a Pyomo MILP.

    Parameters
    ----------
    study : Study
        In per unit; with a horizon the info-gap question is asked instead of the least cost.

    Returns
    -------
    Formulation
        ``model`` has one block a mode, ``model.mode[name]``; they meet in ``build_dg``, ``build_ess``, alpha and cost.
        Further scenarios of an info-gap question, or further samples, repeat them, ``model.further[s].mode[name]``.

    Raises
    ------
    InputError
        The model names a solver that is not there.
    """
    require_solver(study.model.solver.name)
    m = pyo.ConcreteModel(study.model.name)
    m.study = study
    add_siting(m, study)
    add_uncertainty(m)
    count = len(study.horizon.scenarios) if study.horizon is not None else max(1, len(study.samples))
    m.further = pyo.Block(range(1, count))
    containers = [m, *(m.further[s] for s in range(1, count))]
    cones: list[Cone] = []
    circles: list[Circle] = []
    for scenario, container in enumerate(containers):
        container.mode = pyo.Block(list(study.modes))
        for name, mode in study.modes.items():
            block = container.mode[name]
            add_mode(block, study, mode, scenario)
            cones, circles = cones + block.cones, circles + block.circles
            if scenario:
                tie_stages(container.mode[name])
        if study.model.limits:
            container.term_limit = pyo.Constraint(range(len(study.model.limits)), rule=term_limit)
    add_objective(m, [(container, objective_expression(container)) for container in containers])
    return Formulation(m, study, tuple(cones), tuple(circles))


def add_mode(b: Any, study: Study, mode: StudyMode, scenario: int) -> None:
    """Write one mode into its block, with its loss cones and circles; flows of an island are by line.

    Others are on parent arcs. In an island any bus may be the root, and loops may be allowed.
    """
    b.by_line, b.scenario = mode.islanded, scenario
    b.realisation = study.samples[scenario] if study.samples else study.realisation
    declare_sets(b, study, mode)
    add_topology(b)
    add_shedding(b)
    if mode.islanded:
        add_islands(b)
    else:
        add_radiality(b)
    add_generation(b)
    b.circles = add_storage(b)
    if mode.islanded:
        add_island_units(b)
    b.p_injection = pyo.Expression(b.buses, b.periods, rule=p_injection)
    b.q_injection = pyo.Expression(b.buses, b.periods, rule=q_injection)
    add_currents(b)
    add_distflow(b)
    if mode.islanded:
        add_set_point(b)
    add_price_products(b)
    b.cones = add_losses(b)
    add_ratings(b)
    add_switching(b)
    add_voltage_deviation(b)


def declare_sets(b: Any, study: Study, mode: StudyMode) -> None:
    """Sets of one mode and the neighbourhood of each bus."""
    dynamic = mode.settings.topology == "dynamic"
    first = min(study.periods)
    b.study, b.mode = study, mode
    b.buses = pyo.Set(initialize=list(study.buses))
    b.lines = pyo.Set(initialize=list(study.lines))
    b.periods = pyo.Set(initialize=list(study.periods))
    b.topologies = pyo.Set(initialize=list(study.periods) if dynamic else [first])
    b.topology_of = {t: t if dynamic else first for t in study.periods}
    b.lines_at = {i: [line.id for line in study.lines.values() if i in (line.i, line.j)] for i in study.buses}
    declare_branches(b)
    b.needs_charge_binary = burning_may_pay(study)


def declare_branches(b: Any) -> None:
    """Directed ways of power, (line, child): both directions where every bus has one parent, else one a line."""
    both = [(line.id, child) for line in b.study.lines.values() for child in (line.i, line.j)]
    one = [(line.id, line.j) for line in b.study.lines.values()]
    names = one if b.by_line else [(line, child) for line, child in both if child not in b.mode.sources]
    b.branches = pyo.Set(initialize=names, dimen=2)
    b.branches_to = {i: [(line, child) for line, child in names if child == i] for i in b.buses}
    b.branches_from = {i: [(line, child) for line, child in names if parent(b, line, child) == i] for i in b.buses}


def burning_may_pay(study: Study) -> bool:
    """Whether a storage could gain by charging and discharging at once.

    It could where power may be unwanted, as must-take DG, negative loads and negative prices make it, where a higher
    load brings voltages closer to 1 pu, or where a bus has to stay below what a substation holds.
    """
    highest = max((v_sq for mode in study.modes.values() for v_sq in mode.sources.values()), default=0.0)
    return (
        any(tech.must_take for tech in study.dg.values())
        or any(lowest_load(mode) < 0.0 for mode in study.modes.values())
        or any(period.price_per_mwh < 0.0 for period in study.periods.values())
        or any(study.model.asks("voltage_deviation", mode.name) for mode in study.modes.values())
        or any(bus.v_sq_ub < highest for bus in study.buses.values())
    )
