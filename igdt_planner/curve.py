"""A robustness curve: one plan per beta, and the baseline they are measured against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from igdt_planner.document import clean
from igdt_planner.plan import Plan
from igdt_planner.report.tables import write_csv

COLUMNS = [
    "beta",
    "budget",
    "alpha",
    "alpha_bound",
    "alpha_floor",
    "alpha_limit",
    "objective",
    "objective_forecast",
    "gap",
    "verdict",
    "status",
]


@dataclass(frozen=True)
class Curve:
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
    def table(self) -> pd.DataFrame:
        """One row a beta: budget, alpha, its bound and floor, AC-verified objectives (model's unit), gap, status."""
        return pd.DataFrame([row(plan) for plan in self.plans], columns=COLUMNS)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as CSV, whole or not at all."""
        return write_csv(self.table, Path(path))


def row(plan: Plan) -> dict[str, Any]:
    """The curve's row of one robust plan."""
    verdict = plan.ac.verdict if plan.ac else "not_checked"
    own = {"objective": plan.objective, "gap": plan.gap, "verdict": verdict, "status": plan.status}
    return clean({**{name: plan.robustness.get(name) for name in COLUMNS}, **own})
