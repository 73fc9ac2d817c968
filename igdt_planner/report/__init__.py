"""What people see: tables, text and pictures of plans and curves."""

from igdt_planner.report.base import base_state
from igdt_planner.report.curve import curve_figure
from igdt_planner.report.dispatch import dispatch_figure
from igdt_planner.report.feeder import feeder_figure
from igdt_planner.report.layout import feeder_layout
from igdt_planner.report.style import save_png, save_svg
from igdt_planner.report.tables import plan_tables, write_csv, write_plan_tables
from igdt_planner.report.text import curve_summary, summary
from igdt_planner.report.voltage import voltage_figure

__all__ = [
    "base_state",
    "curve_figure",
    "curve_summary",
    "dispatch_figure",
    "feeder_figure",
    "feeder_layout",
    "plan_tables",
    "save_png",
    "save_svg",
    "summary",
    "voltage_figure",
    "write_csv",
    "write_plan_tables",
]
