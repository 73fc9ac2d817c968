"""What a plan survives as it stands: its decisions held, an adversary against it, AC power flow as the judge."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

from igdt_planner.ac.check import require_whole
from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.best_point import sought
from igdt_planner.infogap.generation import at_costliest
from igdt_planner.infogap.question import NO_BUDGET, REDISPATCH, Left, Question
from igdt_planner.infogap.recourse import BREAK, Recourse
from igdt_planner.infogap.worst_case import Sense, ambiguity, justification, matters, question_of
from igdt_planner.model import Site
from igdt_planner.plan import Plan
from igdt_planner.results.fixed import COLUMNS, FixedCurve, table_of
from igdt_planner.session import Candidate, OnEvent, Session
from igdt_planner.study import Study


def fixed_curve(
    plan: Plan, betas: Sequence[float], base_objective: float | None, sense: Sense, on_event: OnEvent | None
) -> FixedCurve:
    """The curve of one plan; ``base_objective`` is the one of its own question, or its own cost, unless stated.

    A plan that AC refuses has no cost that a budget could refer to.

    Raises
    ------
    InputError
        The plan has no dispatch, is damaged, or costs nothing, or its model has no uncertain quantity.
    """
    if sense not in ("robust", "opportunity"):
        raise InputError.of(f"sense {sense} is neither robust nor opportunity", path="/study/sense", got=sense)
    if plan.dispatch is None or (plan.objective is None and not plan.refused):
        raise InputError.of(f"the plan has no dispatch that could be judged (status {plan.status})", path="/dispatch")
    require_whole(plan)
    base = base_of(plan) if base_objective is None else base_objective
    if plan.refused and math.isinf(base):
        return refused_curve(plan, betas, None, sense)
    if not 0.0 < base < math.inf:
        message = f"the base objective is {base:g}: a relative budget needs a positive one"
        raise InputError.of(message, path="/study/base_objective", got=base)
    with Session(plan.case, plan.model, None, None, on_event) as session:
        found = ambiguity(session.study, sense)
        decisions, held = decisions_in(session.study, plan), held_in(session.study, plan)
        recourse = Recourse(session, decisions, found, held)
        if not recourse.runs and plan.refused:
            return refused_curve(plan, betas, base, sense)
        if not recourse.runs:
            message = "the sites, topology and storage schedule of the plan cannot be run at the forecast"
            raise InputError.of(message, path="/dispatch")
        candidate = Candidate(plan, decisions)
        points = []
        for beta in sorted(betas):
            budget = (1.0 + beta if sense == "robust" else 1.0 - beta) * base
            asked = Question(session, question_of(session.study, found, sense, budget), found, beta, candidate)
            asked.schedule = held
            points.append(point_of(asked, decisions, recourse))
            session.on_event({"kind": "finished", "alpha": points[-1]["alpha"], "bound": points[-1]["alpha_bound"]})
    return FixedCurve(plan, sense, base, justification(found, sense), table_of(rising(points, sense)))


def refused_curve(plan: Plan, betas: Sequence[float], base: float | None, sense: Sense) -> FixedCurve:
    """The curve of a plan that AC refuses: no alpha at any budget, and no budget without a base."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"verdict": "violated"}
    side = 1.0 if sense == "robust" else -1.0
    budgets = {beta: None if base is None else (1.0 + side * beta) * base for beta in sorted(betas)}
    points = [row | {"beta": beta, "budget": budget} for beta, budget in budgets.items()]
    why = f"{NO_BUDGET}\n{plan.explanation}" if base is None else plan.explanation
    return FixedCurve(plan, sense, base, why, table_of(points))


def base_of(plan: Plan) -> float:
    """Cost that beta refers to in a plan's own question: its baseline's, or of a baseline its own; infinite without."""
    known = (plan.robustness.get("base_objective"), plan.objective, math.inf)
    return next(cost for cost in known if cost is not None)


def rising(points: list[dict[str, Any]], sense: Sense) -> list[dict[str, Any]]:
    """Points by increasing beta; what is survived within a smaller budget counts within a larger one too."""
    kept: list[dict[str, Any]] = []
    for point in points:
        before = kept[-1] if kept and sense == "robust" else None
        lost = before is not None and (before["alpha"] or 0.0) > (point["alpha"] or 0.0)
        if before is not None and lost and point["alpha_limit"] != "unbounded":
            known = ("alpha", "objective", "model_objective", "verdict")
            point = point | {name: before[name] for name in known}
        kept.append(point)
    return kept


def point_of(asked: Question, decisions: Decisions, recourse: Recourse) -> dict[str, Any]:
    """One point: what the adversary leaves of alpha, and then AC power flow."""
    horizon, found = asked.asked, asked.found
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"beta": asked.beta, "budget": horizon.budget, "alpha_limit": "budget", "verdict": "not_checked"}
    if not matters(asked.study, decisions.dg, found):
        (cost,), _ = recourse.costs([found.first], 0.0)
        if cost > horizon.budget * (1.0 + BREAK):
            return row
        limiting = recourse.limiting(horizon.alpha_ub) if horizon.sense == "robust" else None
        if limiting is None or not limiting.violation:
            return row | {"alpha_limit": "unbounded"}
    if horizon.sense == "robust":
        reached, attack, _, proven = recourse.reach(horizon.budget, horizon.alpha_ub)
        asked.direction, bound = attack.direction, reached
    elif found.corner:
        reached, proven = recourse.needed(found.first, horizon.budget, horizon.alpha_ub), True
        bound = reached
    else:
        reached, proven = best_point_of(asked, decisions)
        bound = min(asked.bound, reached)
    row["all_vertices"] = proven
    if reached < 0.0:
        return row
    (forecast,), _ = recourse.costs([asked.direction], 0.0)
    slope = max(abs(horizon.budget - forecast), 1e-6 * horizon.budget) / max(reached, 1e-6)
    survived = asked.survive(horizon, decisions, reached, slope)
    row["alpha_bound"] = bound if proven else None
    left: Left | None = (decisions, *survived, REDISPATCH) if survived is not None else None
    if left is not None and horizon.sense == "robust" and not found.corner:
        left = at_costliest(asked, left)
    if left is None:
        return row | {"verdict": "violated"}
    _, alpha, run, _ = left
    return row | {
        "alpha": alpha,
        "alpha_limit": asked.limit(decisions, alpha, run)[0],
        "objective": run.verdict.objective,
        "model_objective": run.cost,
        "verdict": run.verdict.verdict,
    }


def best_point_of(asked: Question, decisions: Decisions) -> tuple[float, bool]:
    """The least alpha at which a point of the set lets a plan meet the budget, below 0 where none does; if proven."""
    deadline = time.monotonic() + asked.session.limit(1.0)
    study = asked.study.decide(decisions.as_fix(asked.study))
    solved, alpha = sought(asked, study, [decisions.binaries], deadline, asked.schedule)
    if math.isinf(alpha):
        return -1.0, solved.answer.status == "infeasible"
    return alpha, alpha - asked.bound <= asked.session.asked_gap * alpha


def decisions_in(study: Study, plan: Plan) -> Decisions:
    """What a plan decides, as a solve would have it."""
    dg, ess = (
        tuple(Site(bus=int(bus), technology=str(name)) for bus, name in zip(t["bus"], t["technology"], strict=True))
        for t in (plan.dg, plan.ess)
    )
    binaries = {f"build_dg[{site.bus},{site.technology}]": 1.0 for site in dg}
    binaries |= {f"build_ess[{site.bus},{site.technology}]": 1.0 for site in ess}
    binaries |= {
        f"mode[{mode}].line_on[{line},{t}]": 1.0
        for mode, by_period in plan.open_lines.items()
        for t, opened in by_period.items()
        for line in study.lines
        if line not in opened
    }
    return Decisions(dg, ess, plan.open_lines, binaries)


def held_in(study: Study, plan: Plan) -> dict[str, float] | None:
    """The schedule of a plan's storage, where it stands before the uncertain values are known."""
    return schedule_in(study, plan) if study.model.stages.storage == "here_and_now" else None


def schedule_in(study: Study, plan: Plan) -> dict[str, float]:
    """Charging and discharging of a plan's storage, per unit, by the names of the formulation."""
    assert plan.dispatch is not None
    technology = dict(zip(plan.ess["bus"], plan.ess["technology"], strict=True))
    return {
        f"mode[{row['mode']}].{way}[{row['bus']},{technology[row['bus']]},{row['period']}]": max(0.0, row[f"{way}_mw"])
        / study.base_mva
        for row in plan.dispatch.ess.to_dict("records")
        for way in ("p_charge", "p_discharge")
    }


def alone(plan: Plan, quantity: str) -> Plan:
    """The plan with one uncertain quantity of its model alone."""
    kept = tuple(entry for entry in plan.model.uncertain if entry.quantity == quantity)
    return dataclasses.replace(plan, model=plan.model.model_copy(update={"uncertain": kept}))
