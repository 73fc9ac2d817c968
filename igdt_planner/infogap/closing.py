"""Questions whose products with alpha are relaxed: asked again just beyond what is reached, where they are exact."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING

from igdt_planner.formulation.solution import read_decisions
from igdt_planner.infogap.survival import BUDGET_TOLERANCE
from igdt_planner.outcome import bound_of
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Horizon

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

NARROWED, WIDER = 12, 8.0
"""Most times that a question is asked again close above what is reached, where products with alpha are relaxed, and by
what factor the range of alpha grows with every rise."""
LEAST_RISE = 1e-4
"""By what share of alpha, at least, a smaller range begins above what is reached."""


def above(question: Question, asked: Horizon, reached: float, rises: int, stuck: int) -> Horizon | None:
    """The question just above what is reached (opportunity: below): exact there, as alpha is held.

    Where nothing survives there, nothing does beyond. With every rise in turn the range is wider, so that a long
    way is not gone in small steps; where the solver is stuck, because what it tolerates is more than the rise, it
    begins farther above, or half-way to the bound. None where the bound leaves no range.
    """
    rise = rise_asked(question) * WIDER**stuck
    if asked.sense == "opportunity":
        high, least = reached * (1.0 - rise) - BUDGET_TOLERANCE, question.bound
        wide = high * rise * WIDER**rises if rises else 0.0
        return dataclasses.replace(asked, alpha_lb=max(least, high - wide), alpha_ub=high) if high > least else None
    low = max(0.0, reached) + rise * max(LEAST_RISE, reached) + BUDGET_TOLERANCE
    most = min(question.asked.alpha_ub, question.bound)
    low = low if low < most else 0.5 * (max(0.0, reached) + most)
    wide = low * rise * WIDER**rises if rises else 0.0
    open_still = most - reached > rise_asked(question) * max(reached, LEAST_RISE)
    return dataclasses.replace(asked, alpha_lb=low, alpha_ub=min(most, low + wide)) if open_still else None


def rise_asked(question: Question) -> float:
    """The share of alpha that may be left open."""
    return 0.9 * max(question.session.asked_gap, LEAST_RISE)


def attained(question: Question, solved: Solved, left: Left | None) -> float:
    """The alpha of what a solve found in the terms of the bound: what AC leaves, or that of a linear model."""
    survived = left[1] if left is not None else None
    alpha = survived if bound_of(question.study) == "ac" else modelled(question, solved)
    return alpha if alpha is not None else (-math.inf if question.asked.sense == "robust" else math.inf)


def modelled(question: Question, solved: Solved) -> float | None:
    """The alpha that a model gives its decisions, with alpha held where the MILP relaxes products with it."""
    if solved.answer.x is None or question.exact or not question.relaxed:
        return abs(solved.answer.value or 0.0) if solved.answer.x is not None else None
    asked, decisions = question.asked, read_decisions(solved.formulation, solved.values, solved.binaries)
    recourse = question.recourse(decisions, None, question.study.model.losses)
    if asked.sense == "robust":
        alpha = recourse.reach(asked.budget, asked.alpha_ub).alpha
    else:
        alpha = recourse.needed(question.found.first, asked.budget, asked.alpha_ub)
    return alpha if alpha >= 0.0 else None


def narrowed(question: Question, left: Left, deadline: float) -> Left:
    """Ask again for a larger alpha (opportunity: a smaller one) than was reached, until none is found."""
    rises, stuck, side = 0, 0, 1.0 if question.asked.sense == "robust" else -1.0
    for _ in range(NARROWED):
        asked = above(question, question.asked, question.reached, rises, stuck)
        if asked is None or time.monotonic() > deadline:
            break
        solved = question.solve(asked, [left[0].binaries], deadline)
        again = question.mended(solved) if solved.answer.x is not None else None
        if again is not None and side * again[1] > side * left[1]:
            left = again
        further = attained(question, solved, again)
        if side * further > side * question.reached:
            question.reached, rises = further, rises + 1
        elif rises:
            rises = 0
        else:
            stuck += 1
    return left
