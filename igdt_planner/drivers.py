"""What drives alpha: which uncertain quantity, and which term of the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from igdt_planner.plan import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTITIES = ["quantity", "alpha_alone", "cost_alone", "rise_alone"]
TERMS = ["term", "mode", "unit", "weight", "forecast", "worst", "rise"]


@dataclass(frozen=True)
class Drivers:
    """What drives the alpha of a robust plan.

    Attributes
    ----------
    plan : Plan
    quantities : DataFrame
        ``quantity, alpha_alone, cost_alone, rise_alone``: the alpha that the plan would reach if this quantity alone
        deviated, what it costs if this quantity alone is at its worst within the plan's own alpha, and how much more
        that is than at the forecast, in the model's unit; the costliest first.
    terms : DataFrame
        ``term, mode, unit, weight, forecast, worst, rise``: every term by AC power flow at the forecast and at the
        worst point, in its own unit, and what its change adds to the objective.
    """

    plan: Plan
    quantities: pd.DataFrame
    terms: pd.DataFrame

    def plot(self) -> Figure:
        """A tornado of the quantities, and one of the terms."""
        from igdt_planner.report.drivers import drivers_figure  # matplotlib is slow to load

        model, alpha = self.plan.model, self.plan.robustness["alpha"]
        words = f"{self.plan.case.name}, {model.name}: alpha {alpha:.3g}"
        return drivers_figure(self.quantities, self.terms, unit=model.unit, subtitle=words)
