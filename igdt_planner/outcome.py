"""From what a solve found to the Plan a user gets: statuses, gaps, what AC refuses, and bounds that hold."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import pandas as pd

from igdt_planner.formulation.solution import Decisions
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Status
from igdt_planner.results.document import DG_COLUMNS, ESS_COLUMNS
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Study, planned_profile

CANNOT_BE_RUN = "what the relaxation allows cannot be run by AC power flow; of other plans nothing is proven"
ROUNDING = 1e-6
"""What solvers leave open: of a cost as a share, of alpha as it is."""
SPAN_PU = 0.05
"""Voltage from one end of a feeder to the other: the flow on it moves by as large a share as the voltage of this."""


def blank_plan(study: Study, kind: str, solved: Solved | None, decisions: Decisions | None = None) -> Plan:
    """A plan without dispatch: what a solve without result reports, or what the judge reads decisions from."""
    answer = solved.answer if solved else None
    status: Status = "no_plan" if answer is None else answer.status
    if solved is not None and solved.cancelled:
        status = "cancelled"
    return Plan(
        kind=kind,
        case=study.case,
        model=study.model,
        status=status,
        open_lines=decisions.open_lines if decisions else {},
        dg=dg_table(study, decisions),
        ess=ess_table(study, decisions),
        dispatch=None,
        dispatch_forecast=None,
        objective=None,
        model_objective=None,
        bound=finite_or_none(answer.bound) if answer else None,
        bound_of=bound_of(study),
        gap=None,
        ac=None,
        ac_forecast=None,
        redispatched=False,
        seconds=answer.seconds if answer else 0.0,
        warnings=study.warnings,
        explanation=explanation(status),
    )


def explanation(status: Status) -> str:
    """Why there is no plan, in a sentence; empty where there is one."""
    return {
        "infeasible": "proven infeasible: no sites, topology and dispatch keep every limit of the case and the model",
        "no_plan": "the time limit ended the search before it found a plan; the problem is not proven infeasible",
        "cancelled": "cancelled before a plan was found",
    }.get(status, "")


def plan_of(
    study: Study, solved: Solved, decisions: Decisions, dispatch: Dispatch, verdict: AcVerdict, asked_gap: float
) -> Plan:
    """The baseline plan of a solve: objective by AC, gap between like and like; not yet :func:`settled`."""
    answer = solved.answer
    of = bound_of(study)
    reached = verdict.objective if of == "ac" else answer.value
    gap = relative_gap(reached, answer.bound)
    status: Status = "optimal" if gap is not None and gap <= asked_gap else "feasible"
    return Plan(
        kind="solve",
        case=study.case,
        model=study.model,
        status="cancelled" if solved.cancelled else status,
        open_lines=decisions.open_lines,
        dg=dg_table(study, decisions),
        ess=ess_table(study, decisions),
        dispatch=dispatch,
        dispatch_forecast=dispatch,
        objective=verdict.objective,
        model_objective=answer.value,
        bound=finite_or_none(answer.bound),
        bound_of=of,
        gap=gap,
        ac=verdict,
        ac_forecast=verdict,
        redispatched=False,
        seconds=answer.seconds,
        warnings=study.warnings,
    )


def settled(plan: Plan) -> Plan:
    """A plan as every verb tells it: what AC refuses has no objective, and no bound contradicts its plan."""
    return refused(plan) if plan.refused else under_bound(plan)


def refused(plan: Plan, why: str = "") -> Plan:
    """A plan that AC power flow refuses: without objective, gap and alpha, in words; bound and dispatch stay."""
    known = plan.explanation if plan.status == "refused" else ""
    none = dict.fromkeys(("alpha", "alpha_floor", "alpha_limit", "objective_forecast", "in_words"))
    return dataclasses.replace(
        plan,
        status="cancelled" if plan.status == "cancelled" else "refused",
        objective=None,
        gap=None,
        robustness=plan.robustness | none if plan.robustness else {},
        explanation=why or known or refusal(plan),
    )


def refusal(plan: Plan) -> str:
    """What AC power flow objects to, what was tried, and how little of a limit is broken at least."""
    worst, others = plan.least_violation, len(plan.violations) - 1
    if worst is None:
        return "refused by AC power flow"
    where = " at the forecast" if plan.ac is not None and worst not in plan.ac.violations else ""
    words = [f"refused by AC power flow{where}: {worst.message}" + (f", and {others} more" if others else "")]
    if plan.steps:
        words.append(f"tried: {', '.join(dict.fromkeys(step.step for step in plan.steps))}")
    if math.isfinite(worst.excess):
        words.append(f"the least violation found is {100.0 * worst.excess:.2g} % of that limit")
    return "; ".join(words)


def under_bound(plan: Plan) -> Plan:
    """A plan whose bound of the AC problem does not lie on the wrong side of it.

    Within what tolerances explain, the bound is that of the plan itself; beyond, it is wrong: said loudly, and the
    plan has failed, though AC power flow accepts it.
    """
    asked = plan.kind in ("robust", "opportunity")
    own, bound = plan.robustness.get("alpha") if asked else plan.objective, plan.bound
    if plan.bound_of != "ac" or own is None or bound is None or plan.status == "failed":
        return plan
    beyond = own - bound if plan.kind == "robust" else bound - own
    if beyond <= 0.0:
        return plan
    if beyond > (tolerated_alpha(plan, own) if asked else tolerated(plan)):
        what, side = "alpha" if asked else "objective", "BELOW" if plan.kind == "robust" else "ABOVE"
        words = f"THE BOUND LIES {side} THE {what.upper()}: bound {bound:.9g}, {what} {own:.9g}; please report this"
        return dataclasses.replace(plan, status="failed", gap=None, warnings=(*plan.warnings, words))
    fields = plan.robustness | {"alpha_bound": own} if asked else plan.robustness
    return dataclasses.replace(plan, bound=own, gap=None if plan.gap is None else 0.0, robustness=fields)


def tolerated(plan: Plan) -> float:
    """By how much a bound may lie above a cost by AC: as far as rounding and the tolerances of AC move flows.

    AC accepts voltages that miss their limit by ``tolerance_pu`` and powers that do by ``tolerance_mw``. What flows
    moves by as large a share as the one is of :data:`SPAN_PU` and the other of the load.
    """
    return share_moved(plan) * size_of(plan)


def tolerated_alpha(plan: Plan, alpha: float) -> float:
    """By how much an alpha may lie beyond its bound: as far as the tolerances move a limit, or the cost its budget."""
    fields, moved = plan.robustness, tolerated(plan)
    slack = abs(float(fields["budget"]) - float(fields["objective_forecast"] or 0.0))
    return ROUNDING + alpha * (share_moved(plan) + (moved / max(slack, moved) if moved else 0.0))


def share_moved(plan: Plan) -> float:
    """Share of what flows that rounding and the tolerances of AC power flow may move."""
    assert plan.ac is not None
    load_mw = max(load for _, load in loads(plan))
    return ROUNDING + plan.ac.tolerance_pu / SPAN_PU + (plan.ac.tolerance_mw / load_mw if load_mw else 0.0)


def size_of(plan: Plan) -> float:
    """What the terms of a cost are without their signs, in the model's unit.

    What is bought less what is sold may be little, or nothing: its size is that, and what the whole load would be.
    """
    assert plan.ac is not None
    rates = {"energy_cost": "price_per_mwh", "emissions": "emissions_t_per_mwh"}
    whole = {
        term: sum(abs(row[rate]) * row["duration_h"] * load for row, load in loads(plan))
        for term, rate in rates.items()
    }
    return sum(abs(term.weight) * (abs(term.value) + whole.get(term.term, 0.0)) for term in plan.ac.terms)


def loads(plan: Plan) -> list[tuple[dict[str, float], float]]:
    """Rows of the profile that a plan is made for, each with the load of all buses, MW."""
    peak_mw = float(plan.case.buses["p_mw"].abs().sum())
    return [(row, abs(float(row["load"])) * peak_mw) for row in planned_profile(plan.case, plan.model)]


def bound_of(study: Study) -> Literal["ac", "linear"]:
    """Which problem the MILP's bound belongs to."""
    return "ac" if study.model.losses == "balance" else "linear"


def relative_gap(value: float | None, bound: float) -> float | None:
    """``(value - bound) / |value|``, not below 0; None without a value or a bound, or where the value is 0."""
    if value is None or not math.isfinite(bound) or abs(value) < 1e-12:
        return 0.0 if value is not None and math.isfinite(bound) and abs(value - bound) < 1e-8 else None
    return max(0.0, (value - bound) / abs(value))


def finite_or_none(value: float) -> float | None:
    """A number, or None where there is none."""
    return value if math.isfinite(value) else None


def dg_table(study: Study, decisions: Decisions | None) -> pd.DataFrame:
    """Built DG with ratings in SI."""
    rows: list[Any] = []
    for site in decisions.dg if decisions else ():
        tech = study.dg[site.bus, site.technology]
        rows.append((site.bus, tech.name, tech.p_mw, tech.q_min_mvar, tech.q_max_mvar))
    return pd.DataFrame(rows, columns=DG_COLUMNS)


def ess_table(study: Study, decisions: Decisions | None) -> pd.DataFrame:
    """Built ESS with ratings in SI."""
    rows: list[Any] = []
    for site in decisions.ess if decisions else ():
        tech = study.ess[site.bus, site.technology]
        rows.append((site.bus, tech.name, tech.p_mw, tech.energy_mwh))
    return pd.DataFrame(rows, columns=ESS_COLUMNS)
