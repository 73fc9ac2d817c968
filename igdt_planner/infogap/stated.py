"""Robust questions in which nothing is left to decide: the adversary alone answers them, a relaxation bounds them."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from igdt_planner.infogap.closing import above
from igdt_planner.infogap.generation import at_costliest
from igdt_planner.solver.solve import Solved
from igdt_planner.starts import as_stated
from igdt_planner.study import Direction, Study

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

FARTHER = 4
"""Most times that a question is asked a little beyond what is reached."""


def is_stated(study: Study) -> bool:
    """Whether sites and topology of a connected network are stated, and it has no storage to be scheduled."""
    fix, connected = study.model.fix, study.modes.get("connected")
    if connected is None or len(study.modes) > 1 or study.ess:
        return False
    switched = connected.settings.topology != "fixed" and any(line.switchable for line in study.lines.values())
    return (fix.dg is not None or not study.dg) and (not switched or "connected" in fix.open_lines)


def farthest(question: Question, deadline: float) -> tuple[Solved, Left | None]:
    """How far the stated plan goes, and the bound that the relaxation of its question proves."""
    asked, decisions = question.asked, question.base.decisions or as_stated(question.study)
    solved = question.solve(asked, [], deadline, seek=False)
    reach = question.recourse(decisions, None).reach(asked.budget, min(asked.alpha_ub, question.bound))
    if reach.alpha < 0.0:
        return solved, question.surviving(None)
    question.direction = reach.attack.direction
    left = question.kept("redispatch", decisions, reach.alpha, time.monotonic())
    left = at_costliest(question, left) if left is not None else question.surviving(None)
    question.reached = left[1] if left is not None else 0.0
    tighten(question, reach.attack.direction, deadline)
    return solved, left


def tighten(question: Question, direction: Direction, deadline: float) -> None:
    """Bound alpha by the point that ends it: a little farther along its direction no dispatch may exist.

    There alpha is held, so that periods are proven one by one.
    """
    asked = dataclasses.replace(question.asked, scenarios=(direction,))
    for stuck in range(FARTHER):
        again = above(question, asked, question.reached, 0, stuck)
        if again is None or time.monotonic() > deadline:
            break
        question.solve(again, [], deadline)
