"""An infeasible study, explained: which family of limits stands in the way, and where it is missed."""

from __future__ import annotations

import dataclasses
import math

from igdt_planner.case import Case
from igdt_planner.errors import SolverError
from igdt_planner.solve import Solved, Solver
from igdt_planner.study import Study, resolve

EXPLAIN_S = 20.0
"""Time limit of each trial without a family of limits."""
WIDE_PU = (0.5, 1.5)
"""Voltage limits that keep nobody from a plan."""


def explain(study: Study, solver: Solver) -> str:
    """Say which limits, if lifted, would allow a plan, and what that plan would look like there.

    Every trial lifts one family (voltage limits, line ratings) and solves the rest.
    """
    for family, lift, worst in (
        ("voltage limits", without_voltage_limits, worst_voltage),
        ("line ratings", without_ratings, worst_loading),
    ):
        lifted = resolve(lift(study.case), study.model)
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


def worst_loading(study: Study, lifted: Study, solved: Solved) -> str:
    """The line and period farthest above its rating, by the model's currents."""
    worst = (0.0, "")
    for name in lifted.modes:
        block = solved.formulation.model.mode[name]
        for (line, _, t), variable in block.i_sq.items() if study.model.losses != "none" else ():
            share = (max(0.0, solved.values.get(variable.name, 0.0)) / study.lines[line].i_sq_ub) ** 0.5
            worst = max(worst, (share, f"line {line} needs {share:.3g} times its rating ({name}, period {t})"))
    return worst[1]
