"""Everything a result leaves in a folder: plan JSON, tables, pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from igdt_planner.comparison import Comparison, comparison_from_dict
from igdt_planner.curve import Curve, curve_from_dict, curves_from_dict
from igdt_planner.document import SCHEMA, plan_from_dict, save_plan, to_json
from igdt_planner.errors import InputError
from igdt_planner.evidence import Evidence
from igdt_planner.fixed import FixedCurve, fixed_from_dict
from igdt_planner.front import Front, compare_fronts, front_from_dict, fronts_from_dict
from igdt_planner.plan import Plan
from igdt_planner.report.base import base_state
from igdt_planner.report.files import write_whole
from igdt_planner.report.tables import write_csv, write_plan_tables


def report_plan(plan: Plan, folder: Path, name: str | None = None) -> list[Path]:
    """Write tables and pictures of a plan below ``folder``; a plan without dispatch leaves none.

    Returns
    -------
    list of Path
        The files written.
    """
    from igdt_planner.report import figures  # matplotlib is slow to load

    if plan.dispatch is None:
        return []
    stem = name or plan.kind
    before = base_state(plan.case, periods=plan.model.periods)
    pictured_by = {
        "feeder": figures.feeder_figure(plan, before),
        "voltage": figures.voltage_figure(plan, before),
        "dispatch": figures.dispatch_figure(plan),
    }
    pictures = [figures.save_png(figure, folder / f"{stem}_{kind}.png") for kind, figure in pictured_by.items()]
    return [*write_plan_tables(plan, folder / f"{stem}_tables"), *pictures]


def report_curve(curve: Curve, folder: Path) -> list[Path]:
    """Write a curve: baseline and one plan a beta as JSON, the table as CSV, the curve, and pictures of two plans.

    The robust plan pictured is the one at beta 0.1, else the first above 0, else the first.
    """
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = [save_plan(curve.baseline, folder / "baseline.json")]
    written.append(write_whole(folder / "curve.json", to_json(curve.to_dict()).encode()))
    written += report_plan(curve.baseline, folder, "baseline")
    for plan in curve.plans:
        written.append(save_plan(plan, folder / f"robust_beta_{plan.robustness['beta']:g}.json"))
    if curve.plans:
        written.append(write_csv(curve.table, folder / "curve.csv"))
        written.append(figures.save_png(curve.plot(), folder / "curve.png"))
        written += report_plan(pictured(curve), folder, "robust")
    return written


def report_curves(curves: Mapping[str, Curve], folder: Path) -> list[Path]:
    """Write curves; of several each has a folder of its name."""
    several = len(curves) > 1
    return [
        path for name, curve in curves.items() for path in report_curve(curve, folder / name if several else folder)
    ]


def report_robustness(found: FixedCurve | Comparison, folder: Path) -> list[Path]:
    """Write the curve of a plan as it stands, or of several and where they cross: as JSON, as CSV, and its picture."""
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = [found.save(folder / "robustness.json"), found.save(folder / "robustness.csv")]
    if isinstance(found, Comparison):
        written.append(write_csv(found.crossings, folder / "crossings.csv"))
    return [*written, figures.save_png(found.plot(), folder / "robustness.png")]


def report_fronts(fronts: Sequence[Front], folder: Path) -> list[Path]:
    """Write fronts: each as JSON and its table as CSV, how they compare, and all of them in one picture."""
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = []
    for front in fronts:
        stem = folder / f"front_{front.method}"
        written.append(write_whole(stem.with_suffix(".json"), to_json(front.to_dict()).encode()))
        written.append(write_csv(front.table.map(plain_cell), stem.with_suffix(".csv")))
    if any(front.plans for front in fronts):
        written.append(write_csv(compare_fronts(fronts), folder / "fronts.csv"))
        written.append(figures.save_png(figures.front_figure(fronts), folder / "fronts.png"))
    return written


def report_evidence(found: Evidence, folder: Path) -> list[Path]:
    """Write evidence: as JSON, its rays as CSV, and its picture."""
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = [found.save(folder / "evidence.json"), write_csv(found.rays, folder / "evidence.csv")]
    return [*written, figures.save_png(figures.evidence_figure(found), folder / "evidence.png")]


def report_document(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write what a saved document shows: a plan, curves, robustness of given plans, or fronts.

    Raises
    ------
    InputError
        When the document is damaged, or of a kind that holds too little for a picture.
    """
    kind = document.get("kind")
    if kind in REPORTS:
        return REPORTS[kind](document, folder)
    if document.get("schema") == SCHEMA and "open_lines" not in document:
        message = f"a document of kind {kind} cannot be drawn: report draws plans, and kinds {', '.join(REPORTS)}"
        raise InputError.of(message, path="/kind", got=kind)
    return report_plan(plan_from_dict(document), folder)


REPORTS: dict[Any, Callable[[Mapping[str, Any], Path], list[Path]]] = {
    "sweep": lambda document, folder: report_curve(curve_from_dict(document), folder),
    "sweeps": lambda document, folder: report_curves(curves_from_dict(document), folder),
    "robustness": lambda document, folder: report_robustness(fixed_from_dict(document), folder),
    "comparison": lambda document, folder: report_robustness(comparison_from_dict(document), folder),
    "pareto": lambda document, folder: report_fronts([front_from_dict(document)], folder),
    "fronts": lambda document, folder: report_fronts(fronts_from_dict(document), folder),
}
"""How a document of each kind but a plan is read and drawn."""


def plain_cell(value: Any) -> Any:
    """A cell as a spreadsheet takes it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def pictured(curve: Curve) -> Plan:
    """The robust plan worth a picture."""
    above = [plan for plan in curve.plans if plan.robustness["beta"] > 0.0]
    exact = [plan for plan in above if plan.robustness["beta"] == 0.1]
    return (exact or above or list(curve.plans))[0]
