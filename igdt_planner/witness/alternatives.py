"""A robust plan beside its alternatives: what each costs when the forecast is right, wrong and worst."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from igdt_planner.baseline import baseline
from igdt_planner.budget import exceeds
from igdt_planner.case import Case, load_case
from igdt_planner.errors import Finding, InputError, is_number, is_whole
from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.fixed_plan import held_in
from igdt_planner.infogap.question import answer, without_budget
from igdt_planner.infogap.recourse import Recourse
from igdt_planner.infogap.worst_case import Ambiguity, alpha_limit, ambiguity, corner
from igdt_planner.model import Model, load_model
from igdt_planner.outcome import settled
from igdt_planner.plan import Plan, Realisation
from igdt_planner.results.alternatives import Alternatives, Approach
from igdt_planner.sampled import operate_samples, require_sampling
from igdt_planner.session import Candidate, OnEvent, Session
from igdt_planner.study import Direction
from igdt_planner.witness.evidence import within
from igdt_planner.witness.two_stage import static_robust, two_stage

ROBUST_SHARE, STATIC_SHARE, STOCHASTIC_SHARE = 0.3, 0.2, 0.25
"""Shares of the time limit of info-gap, static robust and stochastic plan; the rest is the baseline's."""
MOST_SCENARIOS = 200


def alternatives(
    case: str | os.PathLike[str] | Mapping[str, Any] | Case,
    model: str | os.PathLike[str] | Mapping[str, Any] | Model,
    beta: float = 0.1,
    *,
    radius: float | None = None,
    samples: int = 10_000,
    scenarios: int = 10,
    seed: int = 0,
    time_limit_s: float | None = None,
    on_event: OnEvent | None = None,
) -> Alternatives:
    """Solve a case in four ways and run all plans in the same samples.

    Deterministically, as a two-stage stochastic program, as a static robust problem and by info-gap.

    Parameters
    ----------
    case, model, on_event
        As for :func:`igdt_planner.solve`; the model names what is uncertain.
    beta : float
        The budget is ``(1 + beta)`` times the cost of the deterministic plan.
    radius : float, optional
        At whose worst point costs are minimised and compared, and inside which samples are drawn; the alpha of the
        info-gap plan unless given. The worst point is the corner, where the model's structure justifies one, else the
        costliest that the adversary finds for each plan.
    scenarios : int
        Samples over which the stochastic program minimises the mean cost: each is a copy of the problem.
    samples, seed : int
        Uniform samples, as those of :func:`igdt_planner.evidence`; the same seed draws the same.
    time_limit_s : float, optional
        Of all searches together.

    Raises
    ------
    InputError
        Bad input, or no deterministic plan to compare with. One that AC power flow refuses comes back alone.
    """
    require_numbers(beta, radius, samples, scenarios, seed)
    with Session(load_case(case), load_model(model), time_limit_s, None, on_event) as session:
        found = ambiguity(session.study, "robust")
        base = baseline(session, 1.0 - ROBUST_SHARE - STATIC_SHARE - STOCHASTIC_SHARE)
        if base.plan.status == "refused":
            return refused(base.plan, radius, samples, seed)
        robust, budget = largest_alpha(session, base, beta)
        radius = alpha_of(robust.plan) if radius is None else radius
        require_physical(radius, alpha_limit(found.uncertainty, "robust", found.doubted))
        static = static_robust(session, found, radius, starts_of([robust, base]), STATIC_SHARE)
        drawn = found.uncertainty.draw(np.random.default_rng(seed), scenarios)
        points = [found.uncertainty.realise(direction, radius) for direction in drawn]
        stochastic = two_stage(session, points, starts_of([robust, static, base]), STOCHASTIC_SHARE)
        candidates = {"deterministic": base, "stochastic": stochastic, "static robust": static, "info-gap": robust}
        plans = {name: at_both_ends(session, candidate, found, radius) for name, candidate in candidates.items()}
        expected = {name: expected_cost(session, one, found, drawn, radius) for name, one in candidates.items()}
    rows = [
        row(name, plan, radius, budget, samples, seed)
        | {"objective_expected": expected[name], "status": candidates[name].plan.status}
        for name, plan in plans.items()
    ]
    return Alternatives(plans, pd.DataFrame(rows, columns=list(Approach.model_fields)), radius, budget, samples, seed)


def alpha_of(plan: Plan) -> float:
    """The alpha of the info-gap plan, at which all plans are compared where no radius is stated.

    Raises
    ------
    InputError
        There is no such plan, or no alpha ends it.
    """
    alpha = plan.robustness.get("alpha")
    if alpha is None:
        unbounded = plan.robustness.get("alpha_limit") == "unbounded"
        why = "nothing uncertain touches it" if unbounded else plan.explanation or plan.status
        message = f"the info-gap plan has no alpha to compare at ({why}): state a radius"
        raise InputError.of(message, path="/study/radius")
    return float(alpha)


def starts_of(known: Sequence[Candidate]) -> list[Mapping[str, float]]:
    """Plans for the stochastic program to start from, each set of sites and lines once."""
    starts = {
        (k.decisions.dg, k.decisions.ess, repr(k.decisions.open_lines)): k.decisions for k in known if k.decisions
    }
    return [decisions.binaries for decisions in starts.values()]


def require_numbers(beta: float, radius: float | None, samples: int, scenarios: int, seed: int) -> None:
    """Refuse numbers that make no sense; all faults at once."""
    findings = require_sampling(samples, seed)
    for name, value in (("beta", beta), ("radius", radius)):
        if value is not None and not (is_number(value) and 0.0 <= value < math.inf):
            findings.append(Finding(f"{name} {value!r} must be a number of 0 or more", f"/study/{name}", value))
    if not is_whole(scenarios) or not 1 <= scenarios <= MOST_SCENARIOS:
        message = f"scenarios {scenarios} must be 1 to {MOST_SCENARIOS}: each is a copy of the problem"
        findings.append(Finding(message, "/study/scenarios", scenarios))
    if findings:
        raise InputError(findings)


def refused(base: Plan, radius: float | None, samples: int, seed: int) -> Alternatives:
    """The deterministic plan alone, which AC refuses: without its cost there is no budget for the others."""
    plan = without_budget(base)
    only = {"approach": "deterministic", "solve_s": plan.seconds, "status": plan.status}
    table = pd.DataFrame([only], columns=list(Approach.model_fields))
    return Alternatives({"deterministic": plan}, table, radius, None, samples, seed)


def largest_alpha(session: Session, base: Candidate, beta: float) -> tuple[Candidate, float]:
    """The info-gap plan, and the budget that goes from the deterministic one to it."""
    if base.plan.objective is None or base.decisions is None:
        raise InputError.of(f"no deterministic plan to compare with: {base.plan.explanation}", path="/model")
    robust = answer(session, "robust", beta, None, base, (), ROBUST_SHARE)
    session.beta = None
    return robust, (1.0 + beta) * base.plan.objective


def require_physical(radius: float, most: float) -> None:
    """Refuse a radius at which a quantity would leave its physical range."""
    if radius > most:
        message = f"radius {radius:g} is beyond {most:g}, where a quantity stands at its physical range"
        raise InputError.of(message, path="/study/radius", got=radius)


def expected_cost(
    session: Session, candidate: Candidate, found: Ambiguity, drawn: Sequence[Direction], radius: float
) -> float:
    """Mean cost of a plan over points, each dispatched at least cost; NaN where it cannot be run at one of them."""
    if candidate.decisions is None or candidate.plan.dispatch is None:
        return math.nan
    schedule = held_in(session.study, candidate.plan)
    costs, _ = Recourse(session, candidate.decisions, found, schedule).costs(drawn, radius)
    return float(np.mean(costs)) if np.isfinite(costs).all() else math.nan


def at_both_ends(session: Session, candidate: Candidate, found: Ambiguity, radius: float) -> Plan:
    """A plan with its dispatch at the forecast and at its worst point of a radius, its storage schedule kept.

    The schedule is that of the plan's own dispatch: at the worst point of the two robust ones. Objective and verdict
    are those at the worst point, of which nothing is proven; a robust plan of that alpha stays as it is.
    """
    begun, plan, decisions = time.monotonic(), candidate.plan, candidate.decisions
    if decisions is None or plan.dispatch is None or plan.robustness.get("alpha") == radius:
        return plan
    schedule = held_in(session.study, plan)
    forecast = session.dispatch(decisions, session.study, schedule)
    worst = session.dispatch(
        decisions, session.study.realise(worst_point(session, decisions, found, schedule, radius)), schedule
    )
    words = f"dispatched at the worst point of radius {radius:g}, for comparison with other plans"
    moved = dataclasses.replace(
        plan,
        status="feasible" if worst is not None else "no_plan",
        objective=worst.verdict.objective if worst is not None else None,
        model_objective=worst.cost if worst is not None else None,
        bound=None,
        gap=None,
        dispatch=worst.dispatch if worst is not None else None,
        ac=worst.verdict if worst is not None else None,
        dispatch_forecast=forecast.dispatch if forecast is not None else None,
        ac_forecast=forecast.verdict if forecast is not None else None,
        redispatched=True,
        decided_by="redispatch",
        steps=(),
        warnings=(*plan.warnings, words),
        seconds=plan.seconds + time.monotonic() - begun,
        explanation="" if worst is not None else plan.explanation,
    )
    return settled(moved)


def worst_point(
    session: Session, decisions: Decisions, found: Ambiguity, schedule: Mapping[str, float] | None, radius: float
) -> Realisation:
    """The corner of a radius, or the costliest point that the adversary finds for decisions."""
    if found.corner:
        return corner(found, radius)
    return found.uncertainty.realise(Recourse(session, decisions, found, schedule).worst(radius).direction, radius)


def row(name: str, plan: Plan, radius: float, budget: float, samples: int, seed: int) -> dict[str, Any]:
    """The table's row of one plan; NaN where it has no dispatch."""
    values: dict[str, Any] = {"approach": name, "solve_s": plan.seconds}
    for key, verdict in (("objective_forecast", plan.ac_forecast), ("objective_worst", plan.ac)):
        accepted = verdict is not None and verdict.verdict == "feasible"
        values[key] = verdict.objective if verdict is not None and accepted else math.nan
    if plan.dispatch is None or plan.dispatch_forecast is None:
        return values
    outcome = operate_samples(plan, within(plan, radius, samples, np.random.default_rng(seed)))
    return values | {
        "mean": float(np.mean(outcome.objective)),
        "q0.95": float(np.quantile(outcome.objective, 0.95)),
        "share_over_budget": float(exceeds(outcome.objective, budget).mean()),
        "share_broken": float(outcome.broken.mean()),
    }
