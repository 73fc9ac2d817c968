"""What becomes of a plan at samples by its stated recourse: rules for all at once, then an exact dispatch one by one.

Sites, topology and storage schedule stay; the rest is dispatched when the sample is known. The rules of
:mod:`igdt_planner.sampled` come first: whatever they keep within limits and budget by AC power flow has a dispatch that
does. Where they fail the plan need not: such samples are dispatched by the solver, and AC power flow judges that too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from igdt_planner.budget import exceeds
from igdt_planner.errors import SolverError
from igdt_planner.infogap.fixed_plan import decisions_in, held_in
from igdt_planner.plan import Plan
from igdt_planner.sampled import RULES, Samples, operate_samples, realisation_of
from igdt_planner.session import Session

MOST, MOST_VALUES = 100, 20_000
"""Samples of a plan that are dispatched exactly, and these times buses, periods and modes: it takes up to minutes."""
ENOUGH = 5
"""Samples that truly break after which no more are dispatched: the plan is broken, whatever becomes of the others."""


@dataclass(frozen=True)
class Answered:
    """What became of samples.

    Attributes
    ----------
    objective : array, shape (samples,)
        NaN where AC power flow has no solution.
    breaks : mapping of str to array of bool, shape (samples,)
        Samples that leave a limit, by kind.
    steps : mapping of str to int
        Samples by what answered them: a rule that kept limits and budget, the exact dispatch (``redispatched``), or
        rules that kept neither, and no more (``not_redispatched``).
    """

    objective: npt.NDArray[np.float64]
    breaks: dict[str, npt.NDArray[np.bool_]]
    steps: dict[str, int]

    @property
    def broken(self) -> npt.NDArray[np.bool_]:
        """Samples that leave any limit."""
        return np.asarray(np.any(list(self.breaks.values()), axis=0), dtype=bool)


class Redispatch:
    """Runs a robust plan at samples; its solver starts when an exact dispatch is first asked for."""

    def __init__(self, plan: Plan, on_event: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.plan, self.on_event = plan, on_event
        self.budget = float(plan.robustness["budget"])
        size = len(plan.case.buses) * len(plan.case.profile) * len(plan.model.modes)
        self.left, self.confirmed = min(MOST, max(1, MOST_VALUES // size)), 0
        self.ended = False
        self.session: Session | None = None

    def __enter__(self) -> Redispatch:
        return self

    def __exit__(self, *_: object) -> None:
        if self.session is not None:
            self.session.solver.close()

    def inside(self, samples: Samples) -> Answered:
        """What becomes of samples inside alpha."""
        found, left = self.by_rules(samples)
        done = 0
        for place in left.tolist():
            if self.left <= 0 or self.confirmed >= ENOUGH:
                break
            self.left -= 1
            kept = self.dispatched(found, samples, place)
            done += kept is not None
            self.confirmed += kept is False
        found.steps.update(redispatched=done, not_redispatched=len(left) - done)
        return found

    def beyond(self, rays: Samples) -> Answered:
        """What becomes of rays beyond alpha; the first is dispatched exactly until it is known to have ended."""
        found, left = self.by_rules(rays)
        kept = self.dispatched(found, rays, 0) if 0 in left and not self.ended else None
        self.ended = self.ended or kept is False
        done = int(kept is not None)
        found.steps.update(redispatched=done, not_redispatched=len(left) - done)
        return found

    def by_rules(self, samples: Samples) -> tuple[Answered, npt.NDArray[np.int64]]:
        """Every sample by the first rule that keeps limits and budget, else by the policy; and those of the latter."""
        left = np.arange(len(samples))
        steps: dict[str, int] = dict.fromkeys(RULES, 0)
        found: Answered | None = None
        for rule in RULES:
            if not len(left):
                break
            outcome = operate_samples(self.plan, samples.at(left), self.on_event if found is None else None, rule)
            kept = ~(outcome.broken | exceeds(outcome.objective, self.budget))
            steps[rule] = int(kept.sum())
            if found is None:
                breaks = {kind: values.copy() for kind, values in outcome.breaks.items()}
                found = Answered(outcome.objective.copy(), breaks, steps)
            settle(found, left[kept], outcome.objective[kept])
            left = left[~kept]
        assert found is not None
        return found, left

    def dispatched(self, found: Answered, samples: Samples, place: int) -> bool | None:
        """Whether the exact dispatch at a sample keeps limits and budget; None where the solver came to no end.

        One that keeps the limits at a lower cost, or where rules do not, replaces what they found.
        """
        session, plan = self.opened(), self.plan
        at_sample = session.study.realise(realisation_of(plan, samples, place))
        try:
            run = session.dispatch(decisions_in(session.study, plan), at_sample, held_in(session.study, plan))
        except SolverError:
            return None
        if run is None or run.verdict.verdict != "feasible" or run.verdict.objective is None:
            return False
        cost = np.array([run.verdict.objective])
        if found.broken[place] or cost[0] < found.objective[place]:
            settle(found, np.array([place]), cost)
        return not bool(exceeds(cost, self.budget)[0])

    def opened(self) -> Session:
        """The session with the solver, on one thread, whatever solver found the plan."""
        if self.session is None:
            own = self.plan.model.solver.model_copy(update={"name": "highs", "threads": 1})
            model = self.plan.model.model_copy(update={"solver": own})
            self.session = Session(self.plan.case, model, None, None, None)
        return self.session


def settle(found: Answered, places: npt.NDArray[np.int64], objective: npt.NDArray[np.float64]) -> None:
    """Samples that are known to keep every limit at a cost."""
    found.objective[places] = objective
    for values in found.breaks.values():
        values[places] = False
