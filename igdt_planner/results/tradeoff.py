"""The trade-off between two uncertainties under one budget: the front of their alphas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
from pydantic import Field

from igdt_planner.errors import InputError
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict
from igdt_planner.results.document_schema import Number, Part, Verdict, faults, shape_of
from igdt_planner.results.result_document import plan_at, require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Tradeoff(Saved):
    """How much of one uncertainty is survived beside how much of another.

    Attributes
    ----------
    baseline : Plan
        Whose objective the budget refers to; its model names the two quantities.
    beta : float
    table : DataFrame
        ``alpha_<first>, bound_<first>, objective, verdict, alpha_<second>``, one row a point: the alpha of the first
        quantity with the second one at its worst within an alpha of its own, its bound, and the cost there in the
        model's unit; where no alpha of the first was found, that of the plan that takes the second one farthest. NaN
        where nothing limits the first quantity. No row where AC power flow refuses the baseline.
    """

    baseline: Plan
    beta: float
    table: pd.DataFrame

    @property
    def budget(self) -> float | None:
        """What the worst case may cost, in the model's unit; None where AC power flow refuses the baseline."""
        objective = self.baseline.objective
        return None if objective is None else (1.0 + self.beta) * objective

    def plot(self, together: float | None = None) -> Figure:
        """The front of the two alphas with the intervals up to its bound.

        Parameters
        ----------
        together : float, optional
            The alpha of both under equal weights, marked on the diagonal.
        """
        from igdt_planner.report.style import entitled  # matplotlib is slow to load
        from igdt_planner.report.tradeoff import TITLE, tradeoff_figure

        plan = self.baseline
        words = f"{plan.case.name}, {plan.model.name}: {100.0 * self.beta:.3g} % of extra cost"
        return tradeoff_figure(self.table, together, entitled(TITLE, plan), words)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document, the baseline included."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "tradeoff",
                "beta": self.beta,
                "budget": self.budget,
                "baseline": plan_to_dict(self.baseline),
                "points": self.table.to_dict("records"),
            }
        )


class TradeoffDocument(Part):
    """What the document of a trade-off holds; its points by the quantities of the baseline."""

    beta: Annotated[float, Field(ge=0.0)]
    baseline: dict[str, Any]
    points: list[dict[str, Any]]


def point_of(first: str, second: str) -> type[Part]:
    """A point of the trade-off between two quantities, its fields in the order of the table."""
    numbers = {f"alpha_{first}": Number, f"bound_{first}": Number, "objective": Number}
    return shape_of("Point", numbers | {"verdict": Verdict, f"alpha_{second}": float})


def tradeoff_from_dict(document: Mapping[str, Any]) -> Tradeoff:
    """A trade-off from its JSON document: all of it.

    Raises
    ------
    InputError
        When the document is not one of this schema, or its baseline has no objective or not two uncertain quantities.
    """
    require_result(document, "tradeoff", TradeoffDocument)
    baseline = plan_at(document, "baseline")
    quantities = [entry.quantity for entry in baseline.model.uncertain]
    told = baseline.objective is not None or baseline.status == "refused"
    if len(quantities) != 2 or not told:
        message = "tradeoff document: the baseline has an objective, or is refused, and two uncertain quantities"
        raise InputError.of(message, path="/baseline", got=len(quantities))
    point = point_of(*quantities)
    points = document["points"]
    if bool(points) != (baseline.objective is not None):
        message = "tradeoff document: it has points where the baseline has an objective, and none elsewhere"
        raise InputError.of(message, path="/points", got=len(points))
    if findings := [found for n, own in enumerate(points) for found in faults(point, own, "tradeoff", f"/points/{n}")]:
        raise InputError(findings)
    return Tradeoff(baseline, document["beta"], rows_as_table(points, point))
