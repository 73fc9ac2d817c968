"""The baseline: least cost at the forecast, dispatched, judged by AC power flow, and mended where that says no."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping

from igdt_planner.formulation.solution import read_decisions
from igdt_planner.infeasible import explain
from igdt_planner.loose import LOOSE_SHARE, unplaced
from igdt_planner.outcome import CANNOT_BE_RUN, blank_plan, plan_of, settled
from igdt_planner.plan import Plan, warned
from igdt_planner.repair import accept, decided
from igdt_planner.session import Candidate, Session
from igdt_planner.solver.solve import Solved
from igdt_planner.starts import hard_to_beat, searched, starts_of
from igdt_planner.starved import starved
from igdt_planner.unserved import nothing_served

LATEST = 0.8
"""Share of the time limit that the baseline of a question may use as long as its gap is too large for beta."""


def baseline(
    session: Session, share: float = 1.0, start: Mapping[str, float] | None = None, beta: float | None = None
) -> Candidate:
    """Solve at the forecast in a share of the time limit, from a start if one is known, dispatch and judge.

    Where the budget of a question depends on it by ``beta``, a plan too poor for that gets more of the time.
    """
    begun, study = time.monotonic(), session.study
    session.on_event({"kind": "started"})
    known = searched(study) if start is None else None
    found = start if known is None else known.binaries
    solved = session.solver.solve(
        study,
        time_limit_s=session.limit(share),
        gap=session.gap,
        starts=starts_of(study, found),
        seek=not found or not hard_to_beat(study),
        rest_gap=LOOSE_SHARE * beta if beta else math.inf,
        latest_s=session.limit(LATEST),
    )
    if not solved.values:
        return Candidate(none_found(session, solved, solved.answer.seconds < session.limit(share)), None)
    kept = accept(session, solved, read_decisions(solved.formulation, solved.values, solved.binaries))
    plan = plan_of(study, solved, kept.decisions, kept.run.dispatch, kept.run.verdict, session.asked_gap)
    plan = settled(decided(plan, kept.step, kept.steps))
    plan = warned(plan, (*starved(plan), *nothing_served(plan), *unplaced(plan)))
    seconds = time.monotonic() - begun
    plan = dataclasses.replace(plan, redispatched=kept.step not in ("milp", "none"), seconds=seconds)
    session.finished(plan)
    return Candidate(plan, kept.decisions)


def left_after(session: Session, base: Plan, share: float) -> float:
    """Share of the time limit that a question has left: the solve of its baseline may have used more than its own."""
    seconds = base.steps[0].seconds if base.steps else base.seconds
    return min(1.0 - share, max(1.0 - LATEST, 1.0 - seconds / session.limit(1.0)))


def none_found(session: Session, solved: Solved, in_time: bool) -> Plan:
    """Why a solve found no plan: none exists, AC power flow can run none of those tried, or time was up."""
    plan = blank_plan(session.study, "solve", solved)
    if plan.status == "infeasible":
        return dataclasses.replace(plan, explanation=explain(session.study, session.solver))
    if plan.status == "no_plan" and in_time:
        return dataclasses.replace(plan, status="refused", explanation=CANNOT_BE_RUN)
    return plan
