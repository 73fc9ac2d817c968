"""From what a solve found to the Plan a user gets: statuses, gaps, and the fields of an info-gap answer."""

from __future__ import annotations

import math
from typing import Any, Literal

import pandas as pd

from igdt_planner.formulation.solution import Decisions
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Status, warned
from igdt_planner.results.document import DG_COLUMNS, ESS_COLUMNS
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Study
from igdt_planner.unserved import nothing_served


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
    """The baseline plan of a solve: objective by AC, gap between like and like."""
    answer = solved.answer
    of = bound_of(study)
    reached = verdict.objective if of == "ac" else answer.value
    gap = relative_gap(reached, answer.bound)
    feasible = verdict.verdict == "feasible"
    status: Status = "optimal" if feasible and gap is not None and gap <= asked_gap else "feasible"
    plan = Plan(
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
    return warned(plan, nothing_served(plan))


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
