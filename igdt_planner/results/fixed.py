"""Plans as they stand: sites, topology and storage schedule stay, and alpha is what they survive within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from igdt_planner.errors import InputError, is_number
from igdt_planner.infogap.worst_case import Sense
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_from_dict, plan_to_dict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = [
    "beta",
    "budget",
    "alpha",
    "alpha_bound",
    "alpha_limit",
    "objective",
    "model_objective",
    "verdict",
    "all_vertices",
]
NUMBERS = ["beta", "budget", "alpha", "alpha_bound", "objective", "model_objective"]


@dataclass(frozen=True)
class FixedCurve(Saved):
    """How much uncertainty one plan survives for which budget.

    Attributes
    ----------
    plan : Plan
        As it was given.
    sense : "robust" or "opportunity"
    base_objective : float or None
        Cost that beta refers to, in the model's unit; None where that would be the one of a plan that AC power flow
        refuses, and then there are no budgets.
    worst_case : str
        How the worst case is known.
    table : DataFrame
        ``beta, budget, alpha, alpha_bound, alpha_limit, objective, model_objective, verdict, all_vertices``: the alpha
        that AC power flow confirms (NaN where the plan is over the budget at the forecast already), the one of the
        relaxation, which this plan does not exceed where all vertices were tried, and the cost at the worst point.
    """

    plan: Plan
    sense: Sense
    base_objective: float | None
    worst_case: str
    table: pd.DataFrame

    def plot(self) -> Figure:
        """Alpha over the acceptable cost, with the interval up to what the relaxation of this plan's dispatch gives."""
        from igdt_planner.report.curve import curve_figure  # matplotlib is slow to load
        from igdt_planner.report.style import entitled

        robust = self.sense == "robust"
        title = "Robustness of one plan as it stands" if robust else "Opportuneness of one plan as it stands"
        tables = (self.table, None) if robust else (None, self.table)
        case = self.worst_case.split(", justified")[0].split(":")[0]
        words = f"{self.plan.case.name}, {self.plan.model.name}; {'worst' if robust else 'best'} case: {case}"
        return curve_figure(*tables, unit=self.plan.model.unit, title=entitled(title, self.plan), subtitle=words)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "robustness",
                "sense": self.sense,
                "base_objective": self.base_objective,
                "worst_case": self.worst_case,
                "plan": plan_to_dict(self.plan),
                "points": self.table.to_dict("records"),
            }
        )


def fixed_from_dict(document: Mapping[str, Any]) -> FixedCurve:
    """A curve of a fixed plan from its JSON document.

    Raises
    ------
    InputError
        When the document is not one of this schema.
    """
    points, given, base = (document.get(name) for name in ("points", "plan", "base_objective"))
    right = document.get("schema") == SCHEMA and document.get("kind") == "robustness"
    if not right or not isinstance(points, list) or not isinstance(given, Mapping):
        raise InputError.of(f"not a robustness document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    plan = plan_from_dict(given)
    needed = ("beta",) if base is None else ("beta", "budget")
    for number, point in enumerate(points):
        if not isinstance(point, Mapping) or set(point) != set(COLUMNS):
            raise InputError.of(f"robustness document: a point has {', '.join(COLUMNS)}", path=f"/points/{number}")
        for name in NUMBERS:
            if not (is_number(point[name]) or (point[name] is None and name not in needed)):
                raise InputError.of(f"robustness document: {name} must be a number", path=f"/points/{number}/{name}")
    sense: Any = document.get("sense")
    if sense not in ("robust", "opportunity") or not (is_number(base) or (base is None and plan.refused)):
        raise InputError.of(
            "robustness document: sense is robust or opportunity, base_objective a number", path="/sense"
        )
    base = None if base is None else float(base)
    return FixedCurve(plan, sense, base, str(document.get("worst_case", "")), table_of(points))


def table_of(points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points as a table; what is not there is NaN."""
    return pd.DataFrame(list(points), columns=COLUMNS).astype(dict.fromkeys(NUMBERS, "float64"))
