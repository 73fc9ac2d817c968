"""Plans over points of the uncertain quantities: least on average, and least at the costliest of a whole radius."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np

from igdt_planner.baseline import baseline
from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.infogap.question import repeated
from igdt_planner.infogap.recourse import Recourse
from igdt_planner.infogap.worst_case import Ambiguity, corner
from igdt_planner.outcome import blank_plan, settled
from igdt_planner.plan import Realisation
from igdt_planner.session import Candidate, Session, schedule_of
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Study

Starts = Sequence[Mapping[str, float]]

MOST_POINTS = 24
"""Most points that a static robust plan is asked to withstand."""


def two_stage(session: Session, points: Sequence[Realisation], starts: Starts, share: float) -> Candidate:
    """Least mean cost over some points: sites, topology and schedule before, dispatch after the point is known.

    Its dispatch is the one at the forecast. ``share`` is that of the session's time limit.
    """
    begun = time.monotonic()
    solved = over_points(session, session.study.expect(points), starts, session.limit(share))
    return at_forecast(session, solved, decisions_of(solved), begun)


def static_robust(session: Session, found: Ambiguity, radius: float, starts: Starts, share: float) -> Candidate:
    """Least cost at the worst point of a radius: what a robust counterpart with a chosen set asks for.

    At the corner where there is one, with the dispatch there; else by column-and-constraint generation, with the
    dispatch at the forecast.
    """
    study = session.study
    if not found.corner:
        return generated(session, found, radius, starts, share)
    session.study = study.realise(corner(found, radius))
    try:
        return baseline(session, share)
    finally:
        session.study = study


def generated(session: Session, found: Ambiguity, radius: float, starts: Starts, share: float) -> Candidate:
    """Least cost at the costliest point known, to which the adversary adds until the plan costs no more anywhere."""
    begun, study = time.monotonic(), session.study.switched_once()
    deadline, directions = begun + session.limit(share), [found.first]
    best: tuple[float, Solved, Decisions] | None = None
    while True:
        points = [found.uncertainty.realise(direction, radius) for direction in directions]
        solved = over_points(session, study.withstand(points), starts, max(1.0, deadline - time.monotonic()))
        decisions = decisions_of(solved)
        if decisions is None:
            break
        recourse = Recourse(session, decisions, found, held(study, solved))
        attack, known = recourse.worst(radius), float(np.max(recourse.costs(directions, radius)[0]))
        if best is None or attack.cost < best[0]:
            best = attack.cost, solved, decisions
        over = solved.cancelled or time.monotonic() > deadline or len(directions) == MOST_POINTS
        if over or attack.cost <= known + session.asked_gap * abs(known):
            break
        directions.append(attack.direction)
        starts = [decisions.binaries, *starts]
    if best is not None:
        _, solved, decisions = best
    return at_forecast(session, solved, decisions, begun)


def over_points(session: Session, study: Study, starts: Starts, time_limit_s: float) -> Solved:
    """Solve a study over several points, from known plans."""
    return session.solver.solve(
        study,
        time_limit_s=time_limit_s,
        gap=session.gap,
        starts=[repeated(start, len(study.samples)) for start in starts],
        explore=False,
        exact=False,
    )


def decisions_of(solved: Solved) -> Decisions | None:
    """Sites, topology and schedule that were found, if any were."""
    return None if solved.answer.x is None else read_decisions(solved.formulation, solved.values, solved.binaries)


def held(study: Study, solved: Solved) -> Mapping[str, float] | None:
    """The schedule of storage that was found, where it stands before the uncertain values are known."""
    return schedule_of(solved.values) if study.model.stages.storage == "here_and_now" else None


def at_forecast(session: Session, solved: Solved, decisions: Decisions | None, begun: float) -> Candidate:
    """The plan of decisions, dispatched at the forecast."""
    study = session.study
    plan = blank_plan(study, "solve", solved, decisions)
    run = session.dispatch(decisions, study, held(study, solved)) if decisions is not None else None
    if run is not None:
        plan = dataclasses.replace(
            plan,
            status="feasible",
            objective=run.verdict.objective,
            model_objective=solved.answer.value,
            bound=None,
            dispatch=run.dispatch,
            dispatch_forecast=run.dispatch,
            ac=run.verdict,
            ac_forecast=run.verdict,
            redispatched=True,
            decided_by="redispatch",
        )
        plan = settled(plan)
    return Candidate(dataclasses.replace(plan, seconds=time.monotonic() - begun), decisions)
