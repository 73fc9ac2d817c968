"""An infeasible study, explained: which family of limits stands in the way, and where it is missed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pyomo.environ as pyo

from igdt_planner.case import Case
from igdt_planner.errors import SolverError
from igdt_planner.formulation.cost import term_value
from igdt_planner.solver.solve import Solved, Solver
from igdt_planner.study import Study, study_of

EXPLAIN_S = 20.0
"""Time limit of each trial without a family of limits."""
FAR = 1e9
"""Limit on a term that keeps nobody from a plan."""
WIDE_PU = (0.5, 1.5)
"""Voltage limits that keep nobody from a plan."""


def explain(study: Study, solver: Solver) -> str:
    """Say which limits, if lifted, would allow a plan, and what that plan would look like there.

    Every trial lifts one family (limits on terms, voltage limits, line ratings) and solves the rest.
    """
    families: list[tuple[str, Study, Callable[[Study, Study, Solved], str]]] = [
        ("voltage limits", study_of(without_voltage_limits(study.case), study.model), worst_voltage),
        ("line ratings", study_of(without_ratings(study.case), study.model), worst_loading),
    ]
    if study.model.limits:
        wide = tuple(limit.model_copy(update={"at_most": FAR}) for limit in study.model.limits)
        lifted = study_of(study.case, study.model.model_copy(update={"limits": wide}))
        families.insert(0, ("limits on terms", lifted, exceeded))
    for family, lifted, worst in families:
        try:
            solved = solver.solve(lifted, time_limit_s=EXPLAIN_S, gap=1.0, quiet=True)
        except SolverError:
            continue
        if solved.answer.x is not None:
            return f"proven infeasible; without the {family} there is a plan: {worst(study, lifted, solved)}"
    return "proven infeasible: nothing keeps every limit, with or without voltage limits and line ratings"


def without_voltage_limits(case: Case) -> Case:
    """The case with wide voltage limits."""
    return dataclasses.replace(case, buses=case.buses.assign(vm_min_pu=WIDE_PU[0], vm_max_pu=WIDE_PU[1]))


def without_ratings(case: Case) -> Case:
    """The case with unlimited lines."""
    return dataclasses.replace(case, lines=case.lines.assign(max_i_ka=math.nan))


def worst_voltage(study: Study, lifted: Study, solved: Solved) -> str:
    """The bus and period farthest outside the true limits, by the model's voltages."""
    worst = (0.0, "")
    for name in lifted.modes:
        block = solved.formulation.model.mode[name]
        for (bus, t), variable in block.v_sq.items():
            vm = max(0.0, solved.values.get(variable.name, study.buses[bus].v_sq_lb)) ** 0.5
            low, high = study.buses[bus].v_sq_lb ** 0.5, study.buses[bus].v_sq_ub ** 0.5
            short = max(low - vm, vm - high)
            side = f"below {low:.4g}" if vm < low else f"above {high:.4g}"
            worst = max(worst, (short, f"bus {bus} at {vm:.4f} pu, {short:.4f} pu {side} pu ({name}, period {t})"))
    return worst[1]


def exceeded(study: Study, lifted: Study, solved: Solved) -> str:
    """Every limit on a term that the plan of least objective exceeds, by the model's values."""
    m = solved.formulation.model
    for variable in m.component_data_objects(pyo.Var):
        variable.set_value(solved.values.get(variable.name, 0.0), skip_validation=True)
    found = []
    for limit in study.model.limits:
        parts = study.model.limited(limit)
        value = sum(weight * pyo.value(term_value(m, term, mode)) for term, mode, weight in parts)
        if value > limit.at_most:
            found.append(f"{limit.term} {value:.4g}, limit {limit.at_most:.4g}")
    return "; ".join(found)


def worst_loading(study: Study, lifted: Study, solved: Solved) -> str:
    """The line and period farthest above its rating, by the model's currents."""
    worst = (0.0, "")
    for name in lifted.modes:
        block = solved.formulation.model.mode[name]
        for (line, _, t), variable in block.i_sq.items() if study.model.losses != "none" else ():
            share = (max(0.0, solved.values.get(variable.name, 0.0)) / study.lines[line].i_sq_ub) ** 0.5
            worst = max(worst, (share, f"line {line} needs {share:.3g} times its rating ({name}, period {t})"))
    return worst[1]
