"""A robustness curve: one plan per beta, and the baseline they are measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from igdt_planner.errors import InputError
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.unserved import not_served_mwh

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = [
    "beta",
    "budget",
    "alpha",
    "alpha_bound",
    "alpha_floor",
    "alpha_limit",
    "objective",
    "objective_forecast",
    "price_of_robustness",
    "gap",
    "verdict",
    "status",
]


@dataclass(frozen=True)
class Curve(Saved):
    """Robust plans by increasing beta.

    Attributes
    ----------
    baseline : Plan
    plans : tuple of Plan
        One a beta, in increasing order.
    """

    baseline: Plan
    plans: tuple[Plan, ...]

    @property
    def sense(self) -> Literal["robust", "opportunity"]:
        """What its plans answer."""
        return "opportunity" if any(plan.kind == "opportunity" for plan in self.plans) else "robust"

    @property
    def table(self) -> pd.DataFrame:
        """One row a beta: budget, alpha, its bound and floor, AC-verified objectives (model's unit), gap, status.

        ``price_of_robustness`` is what the plan costs more than the baseline if the forecast comes true, as a share;
        ``not_served_<mode>_mwh`` is the demand that it leaves unserved where its objective is taken.
        """
        return pd.DataFrame([row(plan) for plan in self.plans], columns=[*COLUMNS, *not_served_mwh(self.baseline)])

    def to_dict(self) -> dict[str, Any]:
        """One JSON document: the baseline and the runs, each a plan document."""
        runs = [plan_to_dict(plan) for plan in self.plans]
        return {"schema": SCHEMA, "kind": "sweep", "baseline": plan_to_dict(self.baseline), "runs": runs}

    def plot(self, opportunity: Curve | None = None) -> Figure:
        """Alpha over the acceptable cost, each plan with the interval up to its bound.

        Parameters
        ----------
        opportunity : Curve, optional
            Opportunity plans against the same baseline, drawn dashed to the left of it; a curve of such plans is drawn
            like that by itself.

        Returns
        -------
        Figure
        """
        from igdt_planner.report.curve import curve_figure  # matplotlib is slow to load
        from igdt_planner.report.style import entitled

        model = self.baseline.model
        averse = self.sense == "robust"
        windfall = opportunity.table if opportunity is not None else None
        tables = (self.table, windfall) if averse else (None, self.table)
        title = "Robustness curve" if averse else "Opportuneness curve"
        words = f"{self.baseline.case.name}, {model.name}"
        return curve_figure(*tables, unit=model.unit, title=entitled(title, self.baseline), subtitle=words)


def curve_from_dict(document: Mapping[str, Any]) -> Curve:
    """A curve from its JSON document.

    Raises
    ------
    InputError
        When the document is not a curve of this schema.
    """
    if document.get("schema") != SCHEMA or document.get("kind") != "sweep" or "baseline" not in document:
        raise InputError.of(f"not a curve document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    runs = document.get("runs")
    if not isinstance(runs, list):
        raise InputError.of("curve document: runs must be a list of plans", path="/runs", got=type(runs).__name__)
    plans = tuple(plan_from_dict(run) for run in runs)
    return Curve(plan_from_dict(document["baseline"]), plans)


def curves_from_dict(document: Mapping[str, Any]) -> dict[str, Curve]:
    """Several curves from one JSON document, by the name of their model.

    Raises
    ------
    InputError
        When one is not a curve of this schema.
    """
    curves = document.get("curves")
    if not isinstance(curves, list) or not all(isinstance(curve, Mapping) for curve in curves):
        raise InputError.of("sweeps document: curves must be a list of curves", path="/curves")
    return {curve.baseline.model.name: curve for curve in map(curve_from_dict, curves)}


def row(plan: Plan) -> dict[str, Any]:
    """The curve's row of one robust plan."""
    fields = plan.robustness
    verdict = plan.ac.verdict if plan.ac else "not_checked"
    forecast, base = fields.get("objective_forecast"), fields.get("base_objective")
    price = forecast / base - 1.0 if forecast is not None and base else None
    own = {"objective": plan.objective, "gap": plan.gap, "verdict": verdict, "status": plan.status}
    own |= {"price_of_robustness": price, **not_served_mwh(plan)}
    return clean({**{name: fields.get(name) for name in COLUMNS}, **own})
