"""Saved documents of every kind: how each is read, what it says, and what it leaves in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from igdt_planner.errors import InputError
from igdt_planner.report.evidence_text import calibration_summary, evidence_summary, probabilistic_summary
from igdt_planner.report.results import (
    pictured,
    report_alternatives,
    report_calibration,
    report_curves,
    report_drivers,
    report_fronts,
    report_plan,
    report_probabilistic,
    report_robustness,
    report_table,
    report_worth,
)
from igdt_planner.report.robustness_text import (
    alternatives_summary,
    comparison_summary,
    drivers_summary,
    fixed_summary,
    tradeoff_summary,
    worth_summary,
)
from igdt_planner.report.text import comparison, curve_summary, front_summary, summary, warnings_of
from igdt_planner.results.alternatives import alternatives_from_dict
from igdt_planner.results.calibration import calibration_from_dict
from igdt_planner.results.comparison import comparison_from_dict
from igdt_planner.results.curve import Curve, curve_from_dict, curves_from_dict
from igdt_planner.results.document import SCHEMA, plan_from_dict
from igdt_planner.results.drivers import drivers_from_dict
from igdt_planner.results.evidence import evidence_from_dict
from igdt_planner.results.fixed import fixed_from_dict
from igdt_planner.results.front import Front, compare_fronts, front_from_dict, fronts_from_dict
from igdt_planner.results.probabilistic import probabilistic_from_dict
from igdt_planner.results.tradeoff import tradeoff_from_dict
from igdt_planner.results.worth import worth_from_dict


def report_document(document: Mapping[str, Any], folder: Path) -> tuple[str, list[Path]]:
    """Say what a saved document says, and write what it shows.

    Returns
    -------
    str
        The text that is printed after computing it.
    list of Path
        The files written.

    Raises
    ------
    InputError
        When the document is damaged, or of an unknown kind.
    """
    kind = str(document.get("kind"))
    if document.get("schema") == SCHEMA and "open_lines" not in document and kind not in REPORTS:
        message = f"a document of kind {kind} cannot be drawn: report draws plans, and kinds {', '.join(REPORTS)}"
        raise InputError.of(message, path="/kind", got=kind)
    report = REPORTS.get(kind, PLAN)
    found = report.read(document)
    return report.tell(found), report.write(found, folder)


def curves_summary(curves: Mapping[str, Curve]) -> str:
    """Curves in words: of each its baseline, the plan worth a picture, and the table."""
    texts = []
    for curve in curves.values():
        texts.append(summary(curve.baseline))
        if curve.plans:
            texts += [
                summary(pictured(curve)),
                curve_summary(curve.table, kind=curve.sense) + warnings_of(*curve.plans),
            ]
    return "\n\n".join(text.rstrip() for text in texts) + "\n"


def fronts_summary(fronts: Sequence[Front]) -> str:
    """Fronts in words, and how they compare."""
    shown = [front_summary(front) for front in fronts]
    if len(fronts) > 1 and any(front.plans for front in fronts):
        shown.append(comparison(compare_fronts(fronts)))
    return "\n".join(shown).rstrip() + "\n"


class Report(NamedTuple):
    """How a document of one kind is read, what it says, and what it leaves in a folder."""

    read: Callable[[Mapping[str, Any]], Any]
    tell: Callable[[Any], str]
    write: Callable[[Any, Path], list[Path]]


PLAN = Report(plan_from_dict, summary, report_plan)
REPORTS: dict[Any, Report] = {
    "sweep": Report(lambda document: {"": curve_from_dict(document)}, curves_summary, report_curves),
    "sweeps": Report(curves_from_dict, curves_summary, report_curves),
    "robustness": Report(fixed_from_dict, fixed_summary, report_robustness),
    "comparison": Report(comparison_from_dict, comparison_summary, report_robustness),
    "tradeoff": Report(tradeoff_from_dict, tradeoff_summary, lambda found, to: report_table(found, to, "tradeoff")),
    "drivers": Report(drivers_from_dict, drivers_summary, report_drivers),
    "worth": Report(worth_from_dict, worth_summary, report_worth),
    "evidence": Report(evidence_from_dict, evidence_summary, lambda found, to: report_table(found, to, "evidence")),
    "calibration": Report(calibration_from_dict, calibration_summary, report_calibration),
    "alternatives": Report(alternatives_from_dict, alternatives_summary, report_alternatives),
    "probabilistic": Report(probabilistic_from_dict, probabilistic_summary, report_probabilistic),
    "pareto": Report(lambda document: [front_from_dict(document)], fronts_summary, report_fronts),
    "fronts": Report(fronts_from_dict, fronts_summary, report_fronts),
}
"""The kinds of documents that are no plans."""
