"""What one more unit or switch buys in alpha: a robust plan of each change, at one budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from igdt_planner.errors import Finding, InputError
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict
from igdt_planner.results.document_schema import Part
from igdt_planner.results.result_document import plans_at, require_result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ["change", "alpha", "alpha_bound", "gain", "verdict"]
NUMBERS = ["alpha", "alpha_bound", "gain"]


@dataclass(frozen=True)
class Worth(Saved):
    """Robust plans of a study as it is, and with one more of something.

    Attributes
    ----------
    plans : mapping of str to Plan
        By what was changed; the first one is the study as it is, whose budget all of them keep.
    """

    plans: Mapping[str, Plan]

    @property
    def as_it_is(self) -> Plan:
        """The plan that changes are measured against."""
        return next(iter(self.plans.values()))

    @property
    def table(self) -> pd.DataFrame:
        """One row a change: ``change, alpha, alpha_bound, gain, verdict``; the gain is against the study as it is.

        NaN where a study has no plan, or nothing uncertain touches it.
        """
        rows = [
            (change, plan.robustness.get("alpha"), plan.robustness.get("alpha_bound"), None, verdict_of(plan))
            for change, plan in self.plans.items()
        ]
        table = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(NUMBERS, "float64"))
        return table.assign(gain=table["alpha"] - table["alpha"].iloc[0])

    def plot(self) -> Figure:
        """Alpha of every change as a bar, with the interval up to its bound."""
        from igdt_planner.report.style import entitled  # matplotlib is slow to load
        from igdt_planner.report.worth import TITLE, worth_figure

        plan = self.as_it_is
        budget = plan.robustness.get("budget")
        words = f"{plan.case.name}, {plan.model.name}"
        words += "" if budget is None else f": budget {budget:.4g} {plan.model.unit}"
        return worth_figure(self.table, entitled(TITLE, plan), words)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document; the runs are plan documents."""
        runs = {change: plan_to_dict(plan) for change, plan in self.plans.items()}
        return clean({"schema": SCHEMA, "kind": "worth", "rows": self.table.to_dict("records"), "runs": runs})


class WorthDocument(Part):
    """What its document holds; the rows follow from the runs."""

    runs: dict[str, dict[str, Any]]


def worth_from_dict(document: Mapping[str, Any]) -> Worth:
    """The worth of one more from its JSON document: all of it, plans included.

    Raises
    ------
    InputError
        When the document is not one of this schema, or a plan in it is no robust one; every fault at once.
    """
    require_result(document, "worth", WorthDocument)
    plans = plans_at(document, "runs")
    if not plans:
        raise InputError.of("worth document: there is no run", path="/runs")
    others = {change: plan.kind for change, plan in plans.items() if plan.kind != "robust"}
    if others:
        words = "worth document: a run is a robust plan"
        raise InputError([Finding(words, f"/runs/{change}/kind", kind) for change, kind in others.items()])
    return Worth(plans)


def verdict_of(plan: Plan) -> str:
    """Verdict of AC power flow on a plan."""
    return plan.ac.verdict if plan.ac is not None else "not_checked"
