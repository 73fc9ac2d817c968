"""Robust answers that the adversary does not break: what breaks one joins its question, else alpha is lowered."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from igdt_planner.errors import SolverError
from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.generation import at_costliest, generated
from igdt_planner.infogap.recourse import Attack
from igdt_planner.infogap.stated import is_stated
from igdt_planner.infogap.survival import Limit, excess_of
from igdt_planner.plan import AcVerdict, Violation
from igdt_planner.results.document import realisation_to_dict
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Direction, Study

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

PLACE = ("kind", "mode", "period", "component", "id", "message")
"""What names a limit."""
BREAKS = 12
"""Most times that what breaks an answer is taken up."""
ROUNDING = 1e-6
"""Share of the budget by which costs may differ by rounding."""
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
        if question.attack is None:
            break
        if not question.breaks(question.attack):
            found = dearer(question, found, question.attack)
            break
        question.broken = True
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


def dearer(question: Question, left: Left, attack: Attack) -> Left:
    """The same answer at the point that the adversary found to cost most, where it costs more there."""
    decisions, alpha, run, step = left
    if attack.cost <= (run.verdict.objective or 0.0) + ROUNDING * abs(question.asked.budget):
        return left
    before, question.direction = question.direction, attack.direction
    there = question.run_at(decisions, alpha)
    if there is None or excess_of(there, question.asked) > 0.0:
        question.direction = before
        return left
    question.limiting = question.limiting or before
    return decisions, alpha, there, step


def lowered(question: Question, left: Left, attack: Attack) -> Left | None:
    """What the plan of an answer survives in the direction that breaks it, too."""
    decisions, alpha, run, _ = left
    question.schedule, question.direction = question.held(run.schedule), attack.direction
    least = question.recourse(decisions, question.schedule).along(attack.around, question.asked.budget, alpha)
    survived = question.kept("redispatch", decisions, least, time.monotonic())
    return at_costliest(question, survived) if survived is not None else question.surviving(None)


def end_of(
    question: Question, decisions: Decisions, alpha: float, limit: Limit, broken: Violation | None
) -> dict[str, Any]:
    """What ends an alpha: the limit with its place, in words too, and the point of the set at which it does."""
    direction, place = question.direction, {"kind": limit, "message": ENDS.get(limit, "")}
    if limit in ("network", "limits"):
        direction = question.limiting or direction
        costliest, question.direction = question.direction, direction
        run = question.run_at(decisions, alpha) if broken is None else None
        question.direction = costliest
        if broken is not None:
            place = {name: getattr(broken, name) for name in PLACE}
        elif run is not None:
            place = nearest_limit(question.study, run.verdict)
    point = question.found.uncertainty.realise(direction, alpha, question.study.realisation)
    return dict.fromkeys(PLACE) | place | {"point": realisation_to_dict(point)}


def nearest_limit(study: Study, verdict: AcVerdict) -> dict[str, Any]:
    """The limit of a voltage or a rating that a dispatch is nearest to: beyond, even the relaxation has none."""
    found: list[tuple[float, dict[str, Any]]] = []
    for row in verdict.buses[verdict.buses["energised"]].to_dict("records"):
        bus, vm_pu = study.buses[row["bus"]], row["vm_pu"]
        for bound, side in ((math.sqrt(bus.v_sq_lb), 1.0), (math.sqrt(bus.v_sq_ub), -1.0)):
            words = f"bus {bus.id} at {vm_pu:.4f} pu reaches its limit of {bound:.4f} pu"
            found.append(
                (side * (vm_pu - bound), {"kind": "voltage", "component": "bus", "id": bus.id} | at(row, words))
            )
    for row in verdict.lines[verdict.lines["loading"].notna()].to_dict("records"):
        words = f"line {row['line']} at {100.0 * row['loading']:.1f} % reaches its rating"
        found.append(
            (1.0 - row["loading"], {"kind": "rating", "component": "line", "id": row["line"]} | at(row, words))
        )
    return min(found, key=lambda one: one[0], default=(0.0, {}))[1]


def at(row: Mapping[Any, Any], words: str) -> dict[str, Any]:
    """Mode and period of a row, and words completed by them."""
    where = f" ({row['mode']}, period {row['period']})"
    return {"mode": row["mode"], "period": int(row["period"]), "message": words + where}
