"""What became of a robust plan under samples of its uncertainty set, and on rays through its worst case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from igdt_planner.budget import exceeds
from igdt_planner.errors import InputError
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict, records
from igdt_planner.results.document_schema import Number, Part
from igdt_planner.results.result_document import numbers, plan_at, require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


STEPS = ("corrected", "all_available", "redispatched", "not_redispatched")
"""What answered a sample, but for the policy alone: two rules, the exact dispatch, or nothing."""


class Ray(Part):
    """The rays at one radius."""

    radius: float
    alpha: float
    rays: int
    over_budget: int
    share_over_budget: float
    worst_objective: Number
    broken: int
    corrected: int = 0
    all_available: int = 0
    redispatched: int = 0
    not_redispatched: int = 0


@dataclass(frozen=True)
class Evidence(Saved):
    """What became of a robust plan under samples of its uncertainty set, run by its stated recourse.

    Attributes
    ----------
    plan : Plan
    samples, seed : int
    objective : array, shape (samples,)
        Cost of every sample inside the set by AC power flow, in the model's unit; NaN where it has no solution.
    breaks : mapping of str to int
        Samples inside that leave a limit, by kind of violation.
    rays : DataFrame
        ``radius, alpha, rays, over_budget, share_over_budget, worst_objective, broken`` and the steps below: the same
        rays at every radius (a multiple of the plan's alpha); ``broken`` counts those that leave a limit.
    steps : mapping of str to int
        Samples inside by what answered them, the first of: ``policy`` (:mod:`igdt_planner.sampled.policy`);
        ``corrected`` (limits are then kept, :mod:`igdt_planner.sampled.corrected`); ``all_available`` (as that, from
        all that DG has and all load served); ``redispatched`` (exactly, by the solver, whether that kept limits and
        budget or not); ``not_redispatched`` (no rule kept them, and there were too many to dispatch). Beyond alpha the
        first ray alone is dispatched exactly, until it breaks. Empty in documents saved before it was told.
    """

    plan: Plan
    samples: int
    seed: int
    objective: Floats
    breaks: Mapping[str, int]
    rays: pd.DataFrame
    steps: Mapping[str, int] = field(default_factory=dict)

    @property
    def alpha(self) -> float:
        """Radius of the uncertainty set."""
        return float(self.plan.robustness["alpha"])

    @property
    def budget(self) -> float:
        """What no sample inside may cost more than, in the model's unit."""
        return float(self.plan.robustness["budget"])

    @property
    def over_budget(self) -> int:
        """Samples inside that cost more than the budget, or have no AC solution."""
        return int(np.count_nonzero(exceeds(self.objective, self.budget)))

    @property
    def worst_objective(self) -> float:
        """Largest cost inside."""
        return float(np.max(self.objective))

    @property
    def not_redispatched(self) -> int:
        """Samples and rays inside that the rules did not keep, and that were not dispatched exactly."""
        within = self.rays[self.rays["radius"] <= 1.0]
        return self.steps.get("not_redispatched", 0) + int(within["not_redispatched"].sum())

    @property
    def findings(self) -> tuple[str, ...]:
        """What speaks against the plan, in words; empty where nothing does."""
        found = []
        if self.over_budget:
            found.append(f"{self.over_budget} of {self.samples} samples inside alpha exceed the budget")
        for kind, count in self.breaks.items():
            if count:
                found.append(f"{count} of {self.samples} samples inside alpha leave a limit: {kind}")
        within = self.rays[self.rays["radius"] <= 1.0]
        if self.not_redispatched:
            count = self.not_redispatched
            found.append(f"{count} samples and rays were not re-dispatched: the plan may have a dispatch there")
        for name, words in (("over_budget", "exceed the budget"), ("broken", "leave a limit")):
            if count := int(within[name].sum()):
                found.append(f"{count} rays at or below alpha {words}")
        return tuple(found)

    @property
    def holds(self) -> bool:
        """Whether nothing inside alpha exceeds the budget or leaves a limit."""
        return not self.findings

    @property
    def table(self) -> pd.DataFrame:
        """The rays, one row a radius."""
        return self.rays

    def plot(self) -> Figure:
        """Cost of all samples against the budget, and the share of rays over it by radius."""
        from igdt_planner.report.evidence import evidence_figure  # matplotlib is slow to load

        return evidence_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document, the plan and the cost of every sample included."""
        sound = self.objective[np.isfinite(self.objective)]
        return clean(
            {
                "schema": SCHEMA,
                "kind": "evidence",
                "case": self.plan.case.name,
                "model": self.plan.model.name,
                "unit": self.plan.model.unit,
                "holds": self.holds,
                "findings": list(self.findings),
                "alpha": self.alpha,
                "budget": self.budget,
                "samples": self.samples,
                "seed": self.seed,
                "over_budget": self.over_budget,
                "share_over_budget": self.over_budget / self.samples,
                "worst_objective": self.worst_objective,
                "mean_objective": float(sound.mean()) if len(sound) else None,
                "breaks": dict(self.breaks),
                "steps": dict(self.steps),
                "rays": records(self.rays),
                "objective": self.objective.tolist(),
                "plan": plan_to_dict(self.plan),
            }
        )


class EvidenceDocument(Part):
    """What its document holds; all else in it follows from these."""

    plan: dict[str, Any]
    samples: int
    seed: int
    objective: list[Number]
    breaks: dict[str, int]
    rays: list[Ray]
    steps: dict[str, int] = Field(default_factory=dict)


def evidence_from_dict(document: Mapping[str, Any]) -> Evidence:
    """Evidence from its JSON document: all of it.

    Raises
    ------
    InputError
        When the document is not one of this schema, has not a cost for each sample, or its plan no alpha or budget.
    """
    require_result(document, "evidence", EvidenceDocument)
    plan, samples = plan_at(document, "plan"), document["samples"]
    for name in ("alpha", "budget"):
        if plan.robustness.get(name) is None:
            raise InputError.of(f"evidence document: the plan has no {name}", path=f"/plan/{name}")
    objective = numbers(document["objective"])
    if len(objective) != samples or not samples:
        message = f"evidence document: there are {len(objective)} costs of {samples} samples"
        raise InputError.of(message, path="/objective", got=len(objective))
    rays = rows_as_table([Ray.model_validate(row).model_dump() for row in document["rays"]], Ray)
    breaks, steps = dict(document["breaks"]), dict(document.get("steps", {}))
    return Evidence(plan, samples, document["seed"], objective, breaks, rays, steps)
