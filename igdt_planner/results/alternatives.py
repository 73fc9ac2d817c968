"""A robust plan beside its alternatives: the plans, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from igdt_planner.errors import InputError
from igdt_planner.plan import Plan, Status
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict, records
from igdt_planner.results.document_schema import Number, Part, shape_of
from igdt_planner.results.result_document import plans_at, require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Approach = shape_of(
    "Approach",
    {
        "approach": str,
        "objective_forecast": Number,
        "objective_worst": Number,
        "objective_expected": Number,
        "mean": Number,
        "q0.95": Number,
        "share_over_budget": Number,
        "share_broken": Number,
        "solve_s": float,
        "status": Status,
    },
)
"""The row of one plan."""


@dataclass(frozen=True)
class Alternatives(Saved):
    """Plans of one case by different approaches, run in the same samples.

    Attributes
    ----------
    plans : mapping of str to Plan
        ``deterministic`` (least cost at the forecast), ``stochastic`` (least mean cost over a few points like them, a
        two-stage program), ``static robust`` (least cost at the worst point of the radius) and ``info-gap`` (largest
        alpha within the budget). Each has its dispatch at the forecast and at its worst point of the radius; none where
        there is no such dispatch.
    table : DataFrame
        ``approach, objective_forecast, objective_worst, objective_expected, mean, q0.95, share_over_budget,
        share_broken, solve_s, status``: cost by AC at the forecast and at the worst point of the radius; mean cost of
        the points of the stochastic program, each dispatched at least cost; mean, quantile and share over budget of
        samples inside the radius, run by the policy of :mod:`igdt_planner.sampled.policy`; share of them that leave a
        limit.
    radius, budget : float or None
        Budget in the model's unit. None where AC power flow refuses the deterministic plan, which stands alone then.
    samples, seed : int
    """

    plans: Mapping[str, Plan]
    table: pd.DataFrame
    radius: float | None
    budget: float | None
    samples: int
    seed: int

    @property
    def unit(self) -> str:
        """Unit of all costs."""
        return next(iter(self.plans.values())).model.unit

    def plot(self) -> Figure:
        """Cost of every plan at the forecast, in the samples and at the worst point, and the budget."""
        from igdt_planner.report.alternatives import alternatives_figure  # matplotlib is slow to load

        return alternatives_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document; the runs are plan documents."""
        own = {"radius": self.radius, "budget": self.budget, "samples": self.samples, "seed": self.seed}
        runs = {name: plan_to_dict(plan) for name, plan in self.plans.items()}
        return clean({"schema": SCHEMA, "kind": "alternatives", **own, "rows": records(self.table), "runs": runs})


class AlternativesDocument(Part):
    """What their document holds."""

    radius: Number
    budget: Number
    samples: int
    seed: int
    rows: list[Approach]  # type: ignore[valid-type]
    runs: dict[str, dict[str, Any]]


def alternatives_from_dict(document: Mapping[str, Any]) -> Alternatives:
    """Alternatives from their JSON document: all of them, plans included.

    Raises
    ------
    InputError
        When the document is not one of this schema, or its rows are not those of its runs.
    """
    require_result(document, "alternatives", AlternativesDocument)
    plans, table = plans_at(document, "runs"), rows_as_table(document["rows"], Approach)
    if table["approach"].tolist() != list(plans) or not plans:
        raise InputError.of("alternatives document: rows and runs are of the same approaches", path="/rows")
    return Alternatives(plans, table, *(document[name] for name in ("radius", "budget", "samples", "seed")))
