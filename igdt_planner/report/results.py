"""Everything a result leaves in a folder: plan JSON, tables, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from igdt_planner.plan import Plan
from igdt_planner.report.base import base_state
from igdt_planner.report.files import write_whole
from igdt_planner.report.tables import Tabled, write_csv, write_plan_tables
from igdt_planner.results.alternatives import Alternatives
from igdt_planner.results.calibration import Calibration
from igdt_planner.results.comparison import Comparison
from igdt_planner.results.curve import Curve
from igdt_planner.results.document import save_plan, to_json
from igdt_planner.results.drivers import Drivers
from igdt_planner.results.fixed import FixedCurve
from igdt_planner.results.front import Front, compare_fronts
from igdt_planner.results.probabilistic import Probabilistic
from igdt_planner.results.worth import Worth

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawn(Tabled, Protocol):
    """A result with a document, a table and a picture."""

    def save(self, path: Path) -> Path:
        """Write the document or the table."""

    def plot(self) -> Figure:
        """Draw the result."""


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

    The plan pictured beside the baseline is the one at beta 0.1, else the first above 0, else the first.
    """
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = [save_plan(curve.baseline, folder / "baseline.json")]
    written.append(write_whole(folder / "curve.json", to_json(curve.to_dict()).encode()))
    written += report_plan(curve.baseline, folder, "baseline")
    for plan in curve.plans:
        written.append(save_plan(plan, folder / f"{curve.sense}_beta_{plan.robustness['beta']:g}.json"))
    if curve.plans:
        written.append(write_csv(curve.table, folder / "curve.csv"))
        written.append(figures.save_png(curve.plot(), folder / "curve.png"))
        written += report_plan(pictured(curve), folder, curve.sense)
    return written


def report_curves(curves: Mapping[str, Curve], folder: Path) -> list[Path]:
    """Write curves; of several each has a folder of its name."""
    several = len(curves) > 1
    return [
        path for name, curve in curves.items() for path in report_curve(curve, folder / name if several else folder)
    ]


def report_robustness(found: FixedCurve | Comparison, folder: Path) -> list[Path]:
    """Write the curve of a plan as it stands, or of several and where they cross: as JSON, as CSV, and its picture."""
    written = report_table(found, folder, "robustness")
    if isinstance(found, Comparison):
        written.append(write_csv(found.crossings, folder / "crossings.csv"))
    return written


def report_drivers(found: Drivers, folder: Path) -> list[Path]:
    """Write what drives alpha: as JSON, quantities and terms as CSV, and its picture."""
    return [*report_table(found, folder, "drivers"), write_csv(found.terms, folder / "drivers_terms.csv")]


def report_worth(found: Worth, folder: Path) -> list[Path]:
    """Write what one more buys: as JSON, as CSV, its picture, and the plan of each change as JSON."""
    return [*report_table(found, folder, "worth"), *save_plans(found.plans, folder)]


def report_table(found: Drawn, folder: Path, stem: str) -> list[Path]:
    """Write a result: all of it as JSON, its table as CSV, and its picture."""
    from igdt_planner.report import figures  # matplotlib is slow to load

    written = [found.save(folder / f"{stem}.json"), found.save(folder / f"{stem}.csv")]
    return [*written, figures.save_png(found.plot(), folder / f"{stem}.png")]


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


def report_calibration(found: Calibration, folder: Path) -> list[Path]:
    """Write a calibration: as JSON, as CSV its shares and the alphas that would have held, and its picture."""
    return [*report_table(found, folder, "calibration"), write_csv(found.alphas, folder / "calibration_alphas.csv")]


def report_alternatives(found: Alternatives, folder: Path) -> list[Path]:
    """Write alternatives: as JSON, as CSV, their picture, and each plan as JSON."""
    return [*report_table(found, folder, "alternatives"), *save_plans(found.plans, folder)]


def report_probabilistic(found: Probabilistic, folder: Path) -> list[Path]:
    """Write a probabilistic power flow: as JSON, its distributions and voltages as CSV, and its picture."""
    written = report_table(found, folder, "probabilistic")
    return [*written, write_csv(found.voltages, folder / "probabilistic_voltages.csv")]


def save_plans(plans: Mapping[str, Plan], folder: Path) -> list[Path]:
    """Write plans as JSON, each in a file of its name."""
    return [save_plan(plan, folder / f"{name.replace(' ', '_')}.json") for name, plan in plans.items()]


def plain_cell(value: Any) -> Any:
    """A cell as a spreadsheet takes it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def pictured(curve: Curve) -> Plan:
    """The robust plan worth a picture."""
    above = [plan for plan in curve.plans if plan.robustness["beta"] > 0.0]
    exact = [plan for plan in above if plan.robustness["beta"] == 0.1]
    return (exact or above or list(curve.plans))[0]
