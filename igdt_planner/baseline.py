"""The baseline: least cost at the forecast, dispatched, judged by AC power flow, and mended where that says no."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from igdt_planner.formulation.solution import read_decisions
from igdt_planner.infeasible import explain
from igdt_planner.outcome import blank_plan, plan_of
from igdt_planner.plan import warned
from igdt_planner.repair import accept, decided
from igdt_planner.session import Candidate, Session
from igdt_planner.starts import hard_to_beat, searched, untouched
from igdt_planner.starved import starved

CANNOT_BE_RUN = "what the relaxation allows cannot be run by AC power flow; of other plans nothing is proven"


def baseline(session: Session, share: float = 1.0, start: Mapping[str, float] | None = None) -> Candidate:
    """Solve at the forecast in a share of the time limit, from a start if one is known, dispatch and judge."""
    begun, study = time.monotonic(), session.study
    session.on_event({"kind": "started"})
    known = searched(study) if start is None else None
    found = start if known is None else known.binaries
    solved = session.solver.solve(
        study,
        time_limit_s=session.limit(share),
        gap=session.gap,
        starts=[found or untouched(study)],
        seek=not found or not hard_to_beat(study),
    )
    if solved.answer.x is None:
        plan = blank_plan(study, "solve", solved)
        if plan.status == "infeasible":
            plan = dataclasses.replace(plan, explanation=explain(study, session.solver))
        elif plan.status == "no_plan" and solved.answer.seconds < session.limit(share):
            plan = dataclasses.replace(plan, explanation=CANNOT_BE_RUN)
        return Candidate(plan, None)
    kept = accept(session, solved, read_decisions(solved.formulation, solved.values, solved.binaries))
    plan = plan_of(study, solved, kept.decisions, kept.run.dispatch, kept.run.verdict, session.asked_gap)
    plan = decided(plan, kept.step, kept.steps)
    plan = warned(plan, starved(plan))
    seconds = time.monotonic() - begun
    plan = dataclasses.replace(plan, redispatched=kept.step not in ("milp", "none"), seconds=seconds)
    session.finished(plan)
    return Candidate(plan, kept.decisions)
