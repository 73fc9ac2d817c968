"""Voltage against electrical distance from the source, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from igdt_planner.plan import AcVerdict, Plan
from igdt_planner.report.style import BLUE, INK, MUTED, ORANGE, RED, entitled, headline, new_figure, styled
from igdt_planner.report.views import FeederView, before_view, plan_view

BEFORE = "#9aa5b1"
CLOSE = 0.06
"""Share of the height within which two names would overlap."""
COLOURS = {"connected": BLUE, "islanded": ORANGE}


@styled
def voltage_figure(plan: Plan, before: AcVerdict | None = None, *, period: int | None = None) -> Figure:
    """Draw the voltage of every bus against its distance from the source that feeds it, one panel per mode.

    Parameters
    ----------
    plan : Plan
        With an AC verdict.
    before : AcVerdict, optional
        The case as it is, drawn in grey.
    period : int, optional
        Period shown; by default the one of the largest load.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        Where the plan has no AC verdict.
    """
    views = [plan_view(plan, mode, period) for mode in plan.model.modes]
    base = None if before is None else before_view(plan.case, before, period)
    figure = new_figure(5.6 * len(views) + 0.6, 4.9)
    panels = figure.subplots(1, len(views), sharey=True, squeeze=False)[0]
    for axes, view in zip(panels, views, strict=True):
        _draw_panel(axes, view, base)
    _fit_voltages(panels, views if base is None else [*views, base])
    for axes, view in zip(panels, views, strict=True):
        _name_lowest(axes, [view] if base is None else [base, view])
    panels[0].set_ylabel("voltage, pu")
    subtitle = f"{plan.case.title or plan.case.name}, period {views[0].period}"
    headline(figure, entitled("Voltage along the feeder", plan), subtitle)
    figure.subplots_adjust(left=0.72 / figure.get_figwidth(), right=0.985, top=0.8, bottom=0.115, wspace=0.1)
    return figure


def _draw_panel(axes: Axes, view: FeederView, base: FeederView | None) -> None:
    profiles = [(view, "plan", COLOURS[view.mode])]
    if base is not None:
        profiles.insert(0, (base, "before", BEFORE))
    handles = []
    for profile, name, colour in profiles:
        _draw_profile(axes, profile, colour)
        handles.append(Line2D([], [], color=colour, marker="o", ms=3.5, label=_words(profile, name)))
    _draw_limits(axes, view)
    axes.set_title(view.mode.capitalize(), pad=8)
    axes.set_xlabel("distance from the source along closed lines, ohm")
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.01, 0.985), ncols=3, fontsize=8, handlelength=1.6)


def _draw_profile(axes: Axes, view: FeederView, colour: str) -> None:
    """Lines between neighbouring buses, and the buses."""
    live = view.buses[view.buses["vm_pu"].notna()]
    if live.empty:
        axes.text(
            0.5, 0.5, "no bus has supply", transform=axes.transAxes, ha="center", va="center", color=MUTED, zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 3.0},
        )  # fmt: skip
        return
    points = live[["distance_ohm", "vm_pu"]]
    fed = view.lines[view.lines["closed"] & view.lines["live"]]
    ends = [points.loc[fed[end]].to_numpy(float) for end in ("from_bus", "to_bus")]
    axes.add_collection(LineCollection(list(np.stack(ends, axis=1)), colors=colour, linewidths=1.3, zorder=2))
    axes.plot(points["distance_ohm"], points["vm_pu"], "o", ms=3.5, color=colour, mec="white", mew=0.4, zorder=3)


def _name_lowest(axes: Axes, views: Sequence[FeederView]) -> None:
    """Name the bus of the lowest voltage of each profile, below it; above it where another name stands close below."""
    low, high = axes.get_ylim()
    tables = [view.buses[view.buses["vm_pu"].notna()] for view in views]
    named = [table.iloc[int(table["vm_pu"].to_numpy(float).argmin())] for table in tables if len(table)]
    for bus in named:
        x, y = float(bus["distance_ohm"]), float(bus["vm_pu"])
        above = any(0.0 < y - other["vm_pu"] < CLOSE * (high - low) for other in named)
        axes.annotate(
            f"bus {bus.name}", (x, y), (0, 5 if above else -5), ha="center", va="bottom" if above else "top",
            textcoords="offset points", size=7.5, color=INK, zorder=5,
        )  # fmt: skip


def _draw_limits(axes: Axes, view: FeederView) -> None:
    """Limits as dashed lines where all buses share them."""
    shared = view.buses[["vm_min_pu", "vm_max_pu"]].drop_duplicates().to_numpy(float)
    for limit in shared[0] if len(shared) == 1 else ():
        axes.axhline(limit, color=RED, lw=1, ls="--", zorder=1)
        place: dict[str, Any] = {"xy": (0, limit), "xycoords": ("axes fraction", "data")}
        axes.annotate("limit", xytext=(4, 2), textcoords="offset points", size=7.5, color=RED, **place)


def _fit_voltages(panels: Sequence[Axes], views: Sequence[FeederView]) -> None:
    """Make room for all voltages, and for the limits unless these would flatten the profile."""
    columns = ["vm_pu", "vm_min_pu", "vm_max_pu"]
    drawn = np.concatenate([view.buses[columns].to_numpy(float).ravel() for view in views])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    panels[0].set_ylim(low - 0.08 * (high - low), high + 0.05 * (high - low))
    for axes in panels:
        axes.set_xlim(left=0.0)
        axes.margins(x=0.05)


def _words(view: FeederView, name: str) -> str:
    voltages = view.buses["vm_pu"].dropna()
    return f"{name}: lowest {voltages.min():.4f} pu" if len(voltages) else f"{name}: no supply"
