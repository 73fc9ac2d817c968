"""What drives alpha: which uncertain quantity, and which term of the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from igdt_planner.errors import InputError
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict
from igdt_planner.results.document_schema import Number, Part
from igdt_planner.results.result_document import plan_at, require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Quantity(Part):
    """What one uncertain quantity does alone."""

    quantity: str
    alpha_alone: Number
    cost_alone: Number
    rise_alone: Number


class Term(Part):
    """What one term of the objective adds."""

    term: str
    mode: str | None
    unit: str
    weight: float
    forecast: float
    worst: float
    rise: float


QUANTITIES, TERMS = list(Quantity.model_fields), list(Term.model_fields)


@dataclass(frozen=True)
class Drivers(Saved):
    """What drives the alpha of a robust plan.

    Attributes
    ----------
    plan : Plan
    quantities : DataFrame
        ``quantity, alpha_alone, cost_alone, rise_alone``: the alpha that the plan would reach if this quantity alone
        deviated (NaN where it never reaches the budget), what it costs if this quantity alone is at its worst within
        the plan's own alpha, and how much more that is than at the forecast, in the model's unit; the costliest first.
    terms : DataFrame
        ``term, mode, unit, weight, forecast, worst, rise``: every term by AC power flow at the forecast and at the
        worst point, in its own unit, and what its change adds to the objective.
    """

    plan: Plan
    quantities: pd.DataFrame
    terms: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """The quantities, one row each."""
        return self.quantities

    def plot(self) -> Figure:
        """A tornado of the quantities, and one of the terms."""
        from igdt_planner.report.drivers import drivers_figure  # matplotlib is slow to load

        model, alpha = self.plan.model, self.plan.robustness["alpha"]
        words = f"{self.plan.case.name}, {model.name}: alpha {alpha:.3g}"
        return drivers_figure(self.quantities, self.terms, unit=model.unit, subtitle=words)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document, the plan included."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "drivers",
                "plan": plan_to_dict(self.plan),
                "quantities": self.quantities.to_dict("records"),
                "terms": self.terms.to_dict("records"),
            }
        )


class DriversDocument(Part):
    """What their document holds."""

    plan: dict[str, Any]
    quantities: list[Quantity]
    terms: list[Term]


def drivers_from_dict(document: Mapping[str, Any]) -> Drivers:
    """Drivers from their JSON document: all of them.

    Raises
    ------
    InputError
        When the document is not one of this schema, or its plan no robust one with an alpha.
    """
    require_result(document, "drivers", DriversDocument)
    plan = plan_at(document, "plan")
    if plan.robustness.get("alpha") is None:
        raise InputError.of("drivers document: the plan has no alpha", path="/plan/alpha")
    quantities, terms = document["quantities"], document["terms"]
    return Drivers(plan, rows_as_table(quantities, Quantity), rows_as_table(terms, Term))
