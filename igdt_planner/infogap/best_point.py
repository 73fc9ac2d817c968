"""Opportunities where no corner is known to be the best point of the set: it is decided with the plan."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from igdt_planner.formulation.solution import read_decisions
from igdt_planner.infogap.shapes import Floats
from igdt_planner.infogap.uncertainty import ALIKE, members
from igdt_planner.infogap.worst_case import WORSE, Ambiguity
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.outcome import bound_of
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Deviation, Direction, Study, Within

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Left, Question

NONE = 1e-9
"""A decided deviation below is none."""

Series = Mapping[tuple[Quantity, int], Floats]
"""Deviations by series, each of shape (periods,)."""


class BestPoint:
    """What is decided with an opportunity besides the plan: a point of the set, and the faces that it keeps."""

    def __init__(self, study: Study, found: Ambiguity) -> None:
        self.study, self.found, self.uncertainty = study, found, found.uncertainty
        self.members = {quantity: members(study, quantity) for quantity in self.uncertainty.shapes}
        self.series = [
            (q, c) for q, c in self.uncertainty.series() if c in self.members[q] or (c == ALIKE and self.members[q])
        ]

    def keys(self) -> frozenset[Deviation]:
        """The deviations that are decided."""
        return frozenset((q, c, t) for q, own in self.members.items() for c in own for t in self.uncertainty.periods)

    def in_few(self) -> dict[Quantity, int]:
        """Quantities that may deviate in few periods, and in how many."""
        shapes = self.uncertainty.shapes
        return {q: shape.entry.gamma or 0 for q, shape in shapes.items() if shape.entry.shape == "budgeted"}

    def sides(self, quantity: Quantity) -> tuple[Floats, Floats]:
        """How far a quantity may go down and up; where one side is known to be worse, to the other one alone."""
        down, up = self.uncertainty.shapes[quantity].reach()
        if quantity in self.found.doubted:
            return down, up
        return (0.0 * down, up) if WORSE[quantity] < 0.0 else (down, 0.0 * up)

    def faces(self) -> list[Within]:
        """The faces of boxes and slopes, and what makes those deviate alike who do."""
        found = []
        for quantity, component in self.series:
            down, up = self.sides(quantity)
            unit = np.eye(len(down))
            for t in range(len(unit)):
                found.append(self.face(quantity, component, unit[t], float(up[t])))
                found.append(self.face(quantity, component, -unit[t], float(down[t])))
            for rise, most in self.uncertainty.shapes[quantity].slopes():
                found += [self.face(quantity, component, side * rise, most) for side in (-1.0, 1.0)]
            first, *others = self.members[quantity]
            for other in others if component == ALIKE else ():
                for t in self.uncertainty.periods:
                    apart = {(quantity, first, t): 1.0, (quantity, other, t): -1.0}
                    found += [Within(apart, 0.0), Within({key: -g for key, g in apart.items()}, 0.0)]
        return found

    def face(self, quantity: Quantity, component: int, factors: Floats, most: float) -> Within:
        """A face of one series."""
        at = self.members[quantity][0] if component == ALIKE else component
        pairs = zip(self.uncertainty.periods, factors.tolist(), strict=True)
        return Within({(quantity, at, t): g for t, g in pairs if g}, most)

    def read(self, values: Mapping[str, float]) -> Series:
        """The point that was decided, rounding taken away."""
        found = {}
        for quantity, component in self.series:
            at = self.members[quantity][0] if component == ALIKE else component
            series = np.array([values[f"deviation[{quantity},{at},{t}]"] for t in self.uncertainty.periods])
            series *= np.array([round(values.get(f"deviates[{quantity},{t}]", 1.0)) for t in self.uncertainty.periods])
            if self.idle(quantity, component, values):
                found[quantity, component] = np.zeros(len(series))
                continue
            down, up = self.sides(quantity)
            inside = np.clip(series, np.where(down > 0.0, -np.inf, 0.0), np.where(up > 0.0, np.inf, 0.0))
            found[quantity, component] = np.where(np.abs(inside) < NONE, 0.0, inside)
        return found

    def idle(self, quantity: Quantity, component: int, values: Mapping[str, float]) -> bool:
        """Whether a series is the availability of units at a bus where none is built."""
        built = [round(values[f"build_dg[{bus},{name}]"]) for bus, name in self.study.dg if bus == component]
        return quantity in AVAILABILITY.values() and component != ALIKE and not any(built)

    def gauge(self, point: Series) -> float:
        """The smallest alpha whose set holds a point."""
        return max((self.uncertainty.shapes[q].gauge(series) for (q, _), series in point.items()), default=0.0)

    def direction(self, point: Series, alpha: float) -> Direction:
        """The direction in which a point lies, which it reaches at alpha."""
        return self.uncertainty.direction({key: series / alpha for key, series in point.items()})

    def left(self, point: Series, alpha: float) -> list[Within]:
        """Faces of curved shapes and of norm 1 that a point leaves at alpha."""
        found = []
        for (quantity, component), series in point.items():
            shape = self.uncertainty.shapes[quantity]
            tangent = shape.tangent(series) if shape.gauge(series) > alpha else None
            if tangent is not None:
                found.append(self.face(quantity, component, *tangent))
        return found


def sought(
    question: Question,
    study: Study,
    starts: list[Mapping[str, float]],
    deadline: float,
    schedule: Mapping[str, float] | None = None,
) -> tuple[Solved, float]:
    """The least alpha at which some point of the set meets the budget: point and plan are decided together.

    Faces of balls are taken in where the point found leaves them; fewer faces ask for less alpha, so that the bound
    that the question takes in holds. Infinite where no point of the set does.
    """
    best = BestPoint(study, question.found)
    needed, known, kept = math.inf, best.faces(), None
    while True:
        asked = dataclasses.replace(question.asked, scenarios=({},), within=tuple(known), in_few=best.in_few())
        solved = question.session.solver.solve(
            study.deviate(best.keys()).ask(asked),
            time_limit_s=max(1.0, deadline - time.monotonic()),
            gap=0.5 * question.session.asked_gap,
            starts=starts,
            hold=schedule,
            explore=False,
            bounds_only=True,
        )
        question.take_bound(asked, solved)
        if solved.answer.x is None:
            return kept or solved, needed
        if math.isinf(question.bound):
            question.bound = 0.0  # the solver had no time for a bound, but no opportunity needs less
        point = best.read(solved.values)
        alpha = best.gauge(point)
        if alpha < needed:
            kept, needed = solved, alpha
            question.direction = best.direction(point, alpha) if alpha else question.found.first
        if needed < math.inf:
            question.session.on_event({"kind": "incumbent", "alpha": needed, "bound": question.bound})
        fresh = best.left(point, max(question.bound, 0.0))
        closed = needed < math.inf and needed - question.bound <= question.session.asked_gap * needed
        if closed or not fresh or solved.cancelled or time.monotonic() > deadline:
            return kept or solved, needed
        known += fresh


def at_best_point(question: Question, solved: Solved, alpha: float) -> Left | None:
    """What AC leaves of an opportunity, in the direction of the point that was decided with its plan."""
    if solved.answer.x is None or math.isinf(alpha):
        return None
    decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
    left = question.kept("redispatch", decisions, alpha, time.monotonic())
    question.reached = alpha if bound_of(question.study) == "linear" or left is None else left[1]
    return left
