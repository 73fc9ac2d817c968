"""Questions of prices or ratings to one point of the set: least cost at a held alpha, where products are exact.

A plan that reaches alpha meets the budget at every point that smaller alphas have too. So wherever the least cost of
all plans at one point is proven to be over the budget, alpha is bounded by the radius of that point, whether or not it
is the worst of its set. For an opportunity the point is the best of its set, and alpha is bounded from below.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.session import DISPATCH_GAP, DISPATCH_S
from igdt_planner.solver.solve import Solved
from igdt_planner.study import Horizon, Study

if TYPE_CHECKING:
    from igdt_planner.infogap.question import Question

SEARCH_SHARE = 0.4
"""Share of the time in which better plans are looked for; the rest goes to the bound."""
NEARER = 0.5
"""Of the gap asked for in alpha, the part that the cost at a point may miss."""
FARTHER, ROUNDING = 0.9, 1e-6
"""Of the gap asked for, how far beyond an alpha no plan must be; and by how much alphas may differ by rounding."""


def asked_by_cost(question: Question, asked: Horizon) -> bool:
    """Whether a question is answered here: one point, with what the MILP would relax, at any alpha."""
    return question.relaxed and len(asked.scenarios) == 1 and asked.alpha_lb == 0.0


def by_cost(
    question: Question, asked: Horizon, starts: list[Mapping[str, float]], deadline: float, study: Study
) -> Solved | None:
    """The plan that goes farthest along the direction of a question, with its alpha; its bound is taken in.

    Begun from the baseline's decisions and improved by the least cost just beyond the alpha that they reach, until none
    is within the budget there; then all beyond is excluded by the site tree. None where the baseline reaches nothing.
    """
    begun, search = time.monotonic(), Search(question, asked, study)
    if question.base.decisions is None or not search.improved(question.base.decisions):
        return None
    until = begun + SEARCH_SHARE * (deadline - begun)
    solved = search.least_cost(starts, until)
    while search.improved(search.decisions_of(solved)) and not solved.cancelled and time.monotonic() < until:
        solved = search.least_cost(starts, until)
    if not solved.cancelled and not search.closed():
        search.bound_beyond(deadline)
    while not (solved.cancelled or search.closed()) and time.monotonic() < deadline:  # no site is open to a tree
        solved = search.least_cost(starts, deadline)
        if not search.improved(search.decisions_of(solved)):
            break
    return search.dispatched(cancelled=solved.cancelled)


class Search:
    """Least costs along the direction of a question, and the decisions that go farthest, with their alpha."""

    def __init__(self, question: Question, asked: Horizon, study: Study) -> None:
        self.question, self.asked, self.study = question, asked, study
        self.session, self.direction = question.session, asked.scenarios[0]
        self.robust = asked.sense == "robust"
        self.alpha = -math.inf if self.robust else math.inf
        self.decisions: Decisions | None = None

    def at(self, alpha: float) -> Study:
        """The study at the point of the direction at a radius."""
        realised = self.question.found.uncertainty.realise(self.direction, alpha, self.study.realisation)
        return self.study.realise(realised)

    def better(self, alpha: float, other: float) -> bool:
        """Whether an alpha is more than rounding better than another."""
        return (alpha - other if self.robust else other - alpha) > ROUNDING

    def beyond(self) -> float:
        """The radius, a little beyond the alpha that is reached, at which no plan must be within the budget."""
        step = FARTHER * self.session.asked_gap * self.alpha + ROUNDING
        return min(self.alpha + step, self.asked.alpha_ub) if self.robust else max(0.0, self.alpha - step)

    def closed(self) -> bool:
        """Whether the bound is as near to the alpha that is reached as the gap asks for."""
        bound, beyond = self.question.bound, self.beyond()
        return not (self.better(bound, beyond) if self.robust else self.better(beyond, bound))

    def improved(self, decisions: Decisions | None) -> bool:
        """Take in decisions; whether they go farther than those known."""
        if decisions is None or (self.decisions and decisions.as_fix(self.study) == self.decisions.as_fix(self.study)):
            return False
        alpha = self.reached(decisions)
        if alpha < 0.0 or not self.better(alpha, self.alpha):
            return False
        self.decisions, self.alpha = decisions, alpha
        return True

    def reached(self, decisions: Decisions) -> float:
        """The alpha that decisions reach along the direction, by the model's own losses; below 0 where none."""
        asked, losses = self.asked, self.study.model.losses
        recourse = self.question.recourse(decisions, None, losses)
        if not self.robust:
            return float(recourse.needed(self.direction, asked.budget, asked.alpha_ub))
        (cost,), _ = recourse.costs([self.direction], 0.0)
        return float(recourse.along(self.direction, asked.budget, asked.alpha_ub)) if cost <= asked.budget else -1.0

    def least_cost(self, starts: list[Mapping[str, float]], deadline: float) -> Solved:
        """The least cost of all plans beyond; over the budget it bounds alpha, as the sets are nested."""
        assert self.decisions is not None
        budget, base, alpha = self.asked.budget, self.question.base.plan.objective, self.beyond()
        share = abs(budget - base) / abs(budget) if base is not None and budget else 1.0
        solved = self.session.solver.solve(
            self.at(alpha),
            time_limit_s=max(1.0, deadline - time.monotonic()),
            gap=NEARER * self.session.asked_gap * min(1.0, share),
            starts=[self.decisions.binaries, *starts],
            quiet=True,
        )
        if solved.answer.status == "infeasible" or solved.answer.bound > self.asked.budget:
            self.take(alpha)
        return solved

    def take(self, alpha: float) -> None:
        """Take in that no plan is within the budget at a radius."""
        question = self.question
        unknown = math.isinf(question.bound)
        question.bound = alpha if unknown else (min if self.robust else max)(question.bound, alpha)
        question.session.on_event({"kind": "bound", "bound": question.bound})

    def decisions_of(self, solved: Solved) -> Decisions | None:
        """What a solve decided."""
        if solved.answer.x is None:
            return None
        return read_decisions(solved.formulation, solved.values, solved.binaries)

    def bound_beyond(self, deadline: float) -> None:
        """Bounds beyond the alpha that is reached, by the site tree, whose products with alpha are exact."""
        asked = dataclasses.replace(self.asked, alpha_lb=0.0)
        solved = self.session.solver.solve(
            self.question.posed(asked, self.study),
            time_limit_s=max(1.0, deadline - time.monotonic()),
            gap=self.session.gap,
            beyond=self.alpha,
        )
        self.question.take_bound(asked, solved)

    def dispatched(self, *, cancelled: bool) -> Solved:
        """The decisions dispatched at the alpha that they reach, as the answer of the question.

        Where a limit of the network ends alpha, rounding may leave no dispatch there; at the forecast there is one.
        """
        run = self.run_at(self.alpha)
        if run.answer.x is None and self.robust and not run.cancelled:
            run = self.run_at(0.0)
        side = -1.0 if self.robust else 1.0
        answer = dataclasses.replace(
            run.answer, status="feasible", value=side * self.alpha, bound=side * self.question.bound
        )
        values = run.values | {"alpha": self.alpha}
        return dataclasses.replace(run, answer=answer, values=values, cancelled=run.cancelled or cancelled)

    def run_at(self, alpha: float) -> Solved:
        """The decisions as they run at the point of the direction at a radius."""
        assert self.decisions is not None
        at = self.at(alpha)
        return self.session.solver.solve(
            at.decide(self.decisions.as_fix(at), at.model.losses),
            time_limit_s=DISPATCH_S,
            gap=DISPATCH_GAP,
            starts=[self.decisions.binaries],
            explore=False,
            bounded=False,
            quiet=True,
        )
