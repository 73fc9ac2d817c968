"""Column-and-constraint generation: alpha from both sides where no corner of the set is known to be the worst."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.infogap.closing import LEAST_RISE, NARROWED, above
from igdt_planner.infogap.recourse import Recourse
from igdt_planner.infogap.survival import SPENT, excess_of
from igdt_planner.outcome import bound_of
from igdt_planner.session import schedule_of
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Direction

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

SCENARIOS = 24
"""Most scenarios that column-and-constraint generation takes up."""
NEAR, SAME = 1e-3, 1e-8
"""Deviations closer than this add no scenario: to a question over a range of alpha, and to one at a single alpha."""


def generated(question: Question, starts: list[Mapping[str, float]], deadline: float) -> tuple[Solved, Left | None]:
    """Column-and-constraint generation: the MILP over scenarios, the adversary who adds the one that breaks it.

    The MILP knows some points of the set, so its bound of alpha holds; what the adversary leaves is reached. Where
    the topology may wait, one topology for all points reaches alpha, and one for each point bounds it.
    """
    session, gap = question.session, question.session.asked_gap
    scenarios = [question.found.first]
    best: tuple[float, Decisions, Mapping[str, float] | None, Direction] | None = None
    narrowed, rises, stuck, asked, question.reached = 0, 0, 0, question.asked, -math.inf
    study = question.study.switched_once()
    switched = any(mode.settings.topology != "fixed" for mode in question.study.modes.values())
    waits = switched and question.study.model.stages.topology == "wait_and_see"
    last, deadline = deadline, 0.5 * (time.monotonic() + deadline) if waits else deadline
    while True:
        asked = dataclasses.replace(asked, scenarios=tuple(scenarios))
        solved = question.solve(asked, starts, deadline, study)
        question.scenarios = len(scenarios)
        if solved.answer.x is None:
            stuck += 1
            again = (
                above(question, asked, question.reached, rises, stuck) if solved.answer.status == "no_plan" else None
            )
            if again is None or not 0 < narrowed < NARROWED or solved.cancelled or time.monotonic() > deadline:
                break
            asked, narrowed = again, narrowed + 1
            continue
        decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
        schedule = question.held(schedule_of(solved.values))
        most = min(question.asked.alpha_ub, abs(solved.answer.value or 0.0))
        exact = Recourse(session, decisions, question.found, schedule).reach(question.asked.budget, most)
        if best is None or exact.alpha > best[0]:
            best = exact.alpha, decisions, schedule, exact.attack.direction
        reach, losses = exact, question.study.model.losses
        if bound_of(question.study) == "linear":  # the adversary of a model is one of its own losses
            reach = Recourse(session, decisions, question.found, schedule, losses).reach(question.asked.budget, most)
        rises = rises + 1 if narrowed and reach.alpha >= asked.alpha_lb else 0
        question.reached = max(question.reached, reach.alpha)
        if best[0] >= 0.0:
            session.on_event({"kind": "incumbent", "alpha": best[0], "bound": question.bound})
        closed = question.bound - question.reached <= gap * max(question.reached, LEAST_RISE)
        over = solved.cancelled or time.monotonic() > deadline or len(scenarios) == SCENARIOS
        nearest = min(distance(question, reach.attack.direction, scenario) for scenario in scenarios)
        known = not reach.limited or nearest <= (NEAR if asked.alpha_lb < asked.alpha_ub else SAME)
        if closed or over or (known and not (question.relaxed and narrowed < NARROWED)):
            break
        if known:  # nothing new breaks the plan: what is left open is left open by relaxed products with alpha
            again = above(question, asked, question.reached, rises, stuck)
            if again == asked:
                stuck += 1
                again = above(question, asked, question.reached, rises, stuck)
            if again is None:
                break
            asked, narrowed = again, narrowed + 1
        else:
            scenarios.append(reach.attack.direction)
        starts = [decisions.binaries, *starts]
    if waits:
        question.bound = math.inf
        question.solve(dataclasses.replace(question.asked, scenarios=tuple(scenarios)), starts, last)
    if best is None or best[0] < 0.0:
        return solved, question.surviving(None)
    alpha, decisions, question.schedule, question.direction = best
    left = under_all(question, scenarios, decisions, alpha) or question.surviving(None)
    if left is not None:
        left = at_costliest(question, left)
    if left is not None and bound_of(question.study) == "ac":
        question.reached = left[1]
    return solved, left


def under_all(question: Question, scenarios: Sequence[Direction], decisions: Decisions, promised: float) -> Left | None:
    """What AC leaves of an alpha at every scenario known, the worst of which decides."""
    left = question.kept("redispatch", decisions, promised, time.monotonic())
    for direction in scenarios:
        if left is None:
            break
        worst, question.direction = question.direction, direction
        run = question.run_at(decisions, left[1])
        if excess_of(run, question.asked) <= 0.0:
            question.direction = worst
        else:
            left = question.kept("redispatch", decisions, left[1], time.monotonic())
    return left


def at_costliest(question: Question, left: Left) -> Left | None:
    """The same at the point that costs most at its alpha, where the network and not the budget ends it."""
    decisions, alpha, run, step = left
    asked, limiting = question.asked, question.direction
    if -excess_of(run, asked) <= SPENT * asked.budget:
        return left
    question.direction = Recourse(question.session, decisions, question.found, question.schedule).worst(alpha).direction
    dearer = question.run_at(decisions, alpha)
    if excess_of(dearer, asked) > 0.0:
        return question.kept("redispatch", decisions, alpha, time.monotonic())
    question.limiting = limiting
    return decisions, alpha, dearer or run, step


def distance(question: Question, one: Direction, other: Direction) -> float:
    """Largest difference between the deviations of two directions."""
    deviations = question.found.uncertainty.deviations
    return max(
        float(np.abs(deviations(one, q, c) - deviations(other, q, c)).max())
        for q, c in question.found.uncertainty.series()
    )
