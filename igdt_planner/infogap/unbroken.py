"""Robust answers that the adversary does not break: what breaks one joins its question, else alpha is lowered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from igdt_planner.errors import SolverError
from igdt_planner.infogap.generation import at_costliest, generated
from igdt_planner.infogap.recourse import Attack
from igdt_planner.infogap.stated import is_stated
from igdt_planner.infogap.survival import Limit
from igdt_planner.plan import Violation
from igdt_planner.results.document import realisation_to_dict
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Direction

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

BREAKS = 12
"""Most times that what breaks an answer is taken up."""
ENDS = {"budget": "the budget is spent", "physical": "a quantity is at the end of its physical range"}
"""What ends alpha, in words, where no limit of the network or the model does."""


def unbroken(
    question: Question,
    solved: Solved,
    left: Left,
    starts: list[Mapping[str, float]],
    deadline: float,
    scenarios: list[Direction],
) -> tuple[Solved, Left | None]:
    """An answer that the adversary does not break: what breaks it joins the question as a scenario.

    When time is up, or nothing is left to decide, alpha is lowered to what the same plan survives there.
    """
    found: Left | None = left
    for _ in range(BREAKS):
        if found is None or not found[1]:
            break
        question.attack = attacked(question, found)
        if question.attack is None or not question.breaks(question.attack):
            break
        scenarios.append(question.attack.direction)
        if time.monotonic() < deadline and not solved.cancelled and not is_stated(question.study):
            solved, found = generated(question, [found[0].binaries, *starts], deadline, scenarios)
        else:
            found = lowered(question, found, question.attack)
    return solved, found


def attacked(question: Question, left: Left) -> Attack | None:
    """The worst that the adversary finds inside an alpha; None where it came to no end."""
    decisions, alpha, run, _ = left
    try:
        return question.recourse(decisions, question.held(run.schedule)).attacked(alpha)
    except SolverError as error:
        question.study = question.study.warn([f"the adversary did not come to an end: {error}"])
        return None


def lowered(question: Question, left: Left, attack: Attack) -> Left | None:
    """What the plan of an answer survives in the direction that breaks it, too."""
    decisions, alpha, run, _ = left
    question.schedule, question.direction = question.held(run.schedule), attack.direction
    least = question.recourse(decisions, question.schedule).along(attack.around, question.asked.budget, alpha)
    survived = question.kept("redispatch", decisions, least, time.monotonic())
    return at_costliest(question, survived) if survived is not None else question.surviving(None)


def end_of(question: Question, alpha: float, limit: Limit, broken: Violation | None) -> dict[str, Any]:
    """What ends an alpha: the limit with its place, in words too, and the point of the set at which it does."""
    by_network = limit in ("network", "limits") and question.limiting is not None
    direction = question.limiting if by_network and question.limiting is not None else question.direction
    point = question.found.uncertainty.realise(direction, alpha, question.study.realisation)
    names = ("kind", "mode", "period", "component", "id", "message")
    place = dict.fromkeys(names) | {"kind": limit, "message": ENDS.get(limit, "")}
    if broken is not None:
        place = {name: getattr(broken, name) for name in names}
    return place | {"point": realisation_to_dict(point)}
