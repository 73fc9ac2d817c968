"""Every picture, and how it is written to a file."""

from igdt_planner.report.alternatives import alternatives_figure
from igdt_planner.report.calibration import calibration_figure
from igdt_planner.report.curve import curve_figure
from igdt_planner.report.dispatch import dispatch_figure
from igdt_planner.report.drivers import drivers_figure
from igdt_planner.report.evidence import evidence_figure
from igdt_planner.report.feeder import feeder_figure
from igdt_planner.report.front import front_figure
from igdt_planner.report.probabilistic import probabilistic_figure
from igdt_planner.report.shapes import shapes_figure
from igdt_planner.report.style import save_png, save_svg
from igdt_planner.report.tradeoff import tradeoff_figure
from igdt_planner.report.voltage import voltage_figure
from igdt_planner.report.worth import worth_figure

__all__ = [
    "alternatives_figure",
    "calibration_figure",
    "curve_figure",
    "dispatch_figure",
    "drivers_figure",
    "evidence_figure",
    "feeder_figure",
    "front_figure",
    "probabilistic_figure",
    "save_png",
    "save_svg",
    "shapes_figure",
    "tradeoff_figure",
    "voltage_figure",
    "worth_figure",
]
