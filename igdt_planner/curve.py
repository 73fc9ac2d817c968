"""A robustness curve: one plan per beta, and the baseline they are measured against."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from igdt_planner.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.errors import InputError
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

    def to_dict(self) -> dict[str, Any]:
        """One JSON document: the baseline and the runs, each a plan document."""
        runs = [plan_to_dict(plan) for plan in self.plans]
        return {"schema": SCHEMA, "kind": "sweep", "baseline": plan_to_dict(self.baseline), "runs": runs}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as CSV, whole or not at all."""
        return write_csv(self.table, Path(path))


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
    verdict = plan.ac.verdict if plan.ac else "not_checked"
    own = {"objective": plan.objective, "gap": plan.gap, "verdict": verdict, "status": plan.status}
    return clean({**{name: plan.robustness.get(name) for name in COLUMNS}, **own})
