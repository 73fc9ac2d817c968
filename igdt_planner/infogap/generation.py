"""Column-and-constraint generation: alpha from both sides where no corner of the set is known to be the worst."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.infogap.closing import LEAST_RISE, NARROWED, above
from igdt_planner.infogap.recourse import Reach
from igdt_planner.infogap.survival import SPENT, excess_of
from igdt_planner.outcome import bound_of
from igdt_planner.session import schedule_of
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Direction, Horizon

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

SCENARIOS = 24
"""Most scenarios that column-and-constraint generation takes up."""
FORECAST: Direction = {}
"""The scenario without deviation: a storage schedule made for other points need not keep it."""
NEAR, SAME = 1e-3, 1e-8
"""Deviations closer than this add no scenario: to a question over a range of alpha, and to one at a single alpha."""


def generated(
    question: Question, starts: list[Mapping[str, float]], deadline: float, scenarios: list[Direction]
) -> tuple[Solved, Left | None]:
    """Column-and-constraint generation: the MILP over scenarios, the adversary who adds the one that breaks it.

    The MILP knows some points of the set, so its bound of alpha holds; what the adversary leaves is reached. Where
    the topology may wait, one topology for all points reaches alpha, and one for each point bounds it.
    """
    gap, best = question.session.asked_gap, None
    narrowed, rises, stuck, asked, question.reached = 0, 0, 0, question.asked, -math.inf
    study = question.study.switched_once()
    switched = any(mode.settings.topology != "fixed" for mode in question.study.modes.values())
    waits = switched and question.study.model.stages.topology == "wait_and_see"
    last, deadline = deadline, 0.5 * (time.monotonic() + deadline) if waits else deadline
    while True:
        asked = dataclasses.replace(asked, scenarios=tuple(scenarios))
        solved = question.solve(asked, starts, deadline, study)
        question.scenarios = len(scenarios)
        over = solved.cancelled or time.monotonic() > deadline
        again: Horizon | None = None
        if solved.answer.x is None:
            if solved.answer.status == "no_plan" and 0 < narrowed < NARROWED and not over:
                again, stuck = farther(question, asked, rises, stuck)
            if again is None:
                break
            asked, narrowed = again, narrowed + 1
            continue
        own = attacked(question, solved)
        best = own if best is None or own.exact.alpha > best.exact.alpha else best
        rises = rises + 1 if narrowed and own.reach.alpha >= asked.alpha_lb else 0
        question.reached = max(question.reached, own.reach.alpha)
        if best.exact.alpha >= 0.0:
            question.session.on_event({"kind": "incumbent", "alpha": best.exact.alpha, "bound": question.bound})
        closed = question.bound - question.reached <= gap * max(question.reached, LEAST_RISE)
        fresh = own.reach.attack.direction
        if own.reach.alpha < 0.0 and FORECAST not in scenarios:
            fresh = FORECAST
        nearest = min(distance(question, fresh, scenario) for scenario in scenarios)
        known = not own.reach.limited or nearest <= (NEAR if asked.alpha_lb < asked.alpha_ub else SAME)
        over = over or time.monotonic() > deadline or len(scenarios) == SCENARIOS
        if closed or over or (known and narrowed == NARROWED):
            break
        if (
            known
        ):  # nothing new breaks the plan: what is left open is left open by what is relaxed over a range of alpha
            again, stuck = farther(question, asked, rises, stuck)
            if again is None:
                break
            asked, narrowed = again, narrowed + 1
        else:
            scenarios.append(fresh)
        starts = [own.decisions.binaries, *starts]
    if waits:
        question.bound = math.inf
        question.solve(dataclasses.replace(question.asked, scenarios=tuple(scenarios)), starts, last)
    return solved, left_of(question, scenarios, best)


class Attacked(NamedTuple):
    """What a MILP decided, how far it goes with exact losses, and how far with those of the bound."""

    decisions: Decisions
    schedule: Mapping[str, float] | None
    exact: Reach
    reach: Reach


def attacked(question: Question, solved: Solved) -> Attacked:
    """What a solve decided, and what the adversary leaves of its alpha."""
    decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
    schedule, budget = question.held(schedule_of(solved.values)), question.asked.budget
    most = min(question.asked.alpha_ub, question.bound)  # farther than what a MILP cut by its time found, it may be
    exact = question.recourse(decisions, schedule).reach(budget, most)
    if bound_of(question.study) == "ac":
        return Attacked(decisions, schedule, exact, exact)
    losses = question.study.model.losses  # the adversary of a model is one of its own losses
    reach = question.recourse(decisions, schedule, losses).reach(budget, most)
    return Attacked(decisions, schedule, exact, reach)


def farther(question: Question, asked: Horizon, rises: int, stuck: int) -> tuple[Horizon | None, int]:
    """The next question above what is reached, and how often the solver was stuck: none is asked twice."""
    again = above(question, asked, question.reached, rises, stuck)
    if again != asked:
        return again, stuck
    again = above(question, asked, question.reached, rises, stuck + 1)
    return (again if again != asked else None), stuck + 1


def left_of(question: Question, scenarios: Sequence[Direction], best: Attacked | None) -> Left | None:
    """What AC leaves of the best that was found; else what stands without it."""
    left: Left | None = None
    if best is not None and best.exact.alpha >= 0.0:
        question.schedule, question.direction = best.schedule, best.exact.attack.direction
        left = under_all(question, scenarios, best.decisions, best.exact.alpha)
        left = at_costliest(question, left) if left is not None else None
    left = left or question.surviving(None)
    if left is not None and bound_of(question.study) == "ac":
        question.reached = left[1]
    return left


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
    question.direction = question.recourse(decisions, question.schedule).worst(alpha).direction
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
