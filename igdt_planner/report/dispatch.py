"""The dispatch stack: what covers the load over time, and what storage holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.plan import Factors, Plan
from igdt_planner.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    entitled,
    headline,
    legend_columns,
    new_figure,
    styled,
)
from igdt_planner.report.text import LEAST, share_of
from igdt_planner.report.views import DispatchView, dispatch_view

SUPPLY_COLOURS = {
    "DG": GREEN,
    "storage discharging": PURPLE,
    "substation": BLUE,
    "load not served": "#f3d9c7",
}
CHARGE_COLOUR = "#c3b1e8"
LEGEND: dict[str, Any] = {"fontsize": 8, "handlelength": 1.2, "columnspacing": 1.4}


@styled
def dispatch_figure(plan: Plan) -> Figure:
    """Draw what covers the load in each mode, storage charging below zero, and stored energy on the same time axis.

    Parameters
    ----------
    plan : Plan
        With a dispatch and an AC verdict.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        Where the plan has no dispatch.
    """
    views = [dispatch_view(plan, mode) for mode in plan.model.modes]
    storage = any(view.capacity_mwh > 0 for view in views)
    figure = new_figure(5.2 * len(views) + 0.6, 6.0 if storage else 4.4)
    rows = (3.0, 1.15) if storage else (1.0,)
    panels = figure.subplots(
        len(rows), len(views), sharex="col", sharey="row", squeeze=False, gridspec_kw={"height_ratios": rows}
    )
    for column, view in enumerate(views):
        _draw_power(panels[0][column], view)
        if storage:
            _draw_energy(panels[1][column], view)
        panels[-1][column].set_xlabel("time, h")
    panels[0][0].set_ylabel("power, MW")
    if storage:
        panels[1][0].set_ylabel("stored, MWh")
    _place(figure, panels[0], plan)
    return figure


def _place(figure: Figure, panels: Sequence[Axes], plan: Plan) -> None:
    """Title, legend of what any panel shows, and room for both."""
    width, height = figure.get_size_inches()
    entries = {
        words: handle for axes in panels for handle, words in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    columns = legend_columns([(handle, words) for words, handle in entries.items()], width - 0.1, **LEGEND)
    figure.legend(
        list(entries.values()), list(entries), loc="upper left", bbox_to_anchor=(0.05 / width, 1 - 0.55 / height),
        ncols=columns, **LEGEND,
    )  # fmt: skip
    headline(figure, entitled("Dispatch", plan), f"{plan.case.title or plan.case.name}, {_realisation(plan)}")
    top = 1.14 + 0.18 * -(-len(entries) // columns)
    figure.subplots_adjust(
        left=0.72 / width, right=0.985, top=1 - top / height, bottom=0.55 / height, wspace=0.06, hspace=0.12
    )


def _draw_power(axes: Axes, view: DispatchView) -> None:
    style: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.8}
    edges = np.append(view.start_h, view.start_h[-1] + view.duration_h[-1])
    axes.stairs(view.load, edges, color=INK, lw=1.6, baseline=None, label="load", zorder=3)
    top = np.zeros(len(view.start_h))
    for name, power in view.supply.items():
        if (power > LEAST).any():
            axes.bar(view.start_h, power, view.duration_h, bottom=top, color=SUPPLY_COLOURS[name], label=name, **style)
        top = top + power
    if (view.charge > LEAST).any():
        axes.bar(view.start_h, -view.charge, view.duration_h, color=CHARGE_COLOUR, label="storage charging", **style)
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.use_sticky_edges = False
    axes.margins(x=0.02, y=0.05)
    axes.grid(axis="x", visible=False)
    axes.set_title(view.mode.capitalize(), pad=20)
    at: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(_served(view), xytext=(0, 7), size=8.5, color=MUTED, **at)


def _served(view: DispatchView) -> str:
    """What of the demand is served, at the peak and over all periods."""
    served = view.served
    if served is None or served.served_mwh is None or served.peak_served_mw is None:
        return ""
    power = share_of(served.peak_served_mw, served.peak_demand_mw, "MW")
    return f"served {power} at the peak; {share_of(served.served_mwh, served.demand_mwh, 'MWh')}"


def _draw_energy(axes: Axes, view: DispatchView) -> None:
    """Energy at the ends of the periods, joined; capacity as a dashed line."""
    times = np.append(view.start_h[:1], view.start_h + view.duration_h)
    energy = np.append(view.energy_start_mwh, view.energy_mwh)
    axes.fill_between(times, energy, color=PURPLE, alpha=0.18, lw=0)
    axes.plot(times, energy, color=PURPLE, marker="o", ms=4, mec="white")
    axes.axhline(view.capacity_mwh, color=PURPLE, lw=1, ls="--")
    axes.annotate(
        "capacity", (1, view.capacity_mwh), (-2, -3), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="top", size=7.5, color=PURPLE,
    )  # fmt: skip
    axes.set_ylim(bottom=0.0, top=1.15 * max(view.capacity_mwh, float(energy.max()), 1e-9))


def _realisation(plan: Plan) -> str:
    """Where in the uncertainty set the dispatch stands, in words."""
    if plan.dispatch is None or not plan.robustness:
        return "at the forecast"
    point = plan.dispatch.realisation
    end = "worst" if plan.kind == "robust" else "best"
    moved = [
        f"{name.replace('_', ' ').replace('dg', 'DG')} {spread(factors)} %"
        for name, factors in vars(point).items()
        if factors != 1.0
    ]
    return f"{end} case: {', '.join(moved) or 'the forecast'}{' of the forecast' if moved else ''}"


def spread(factors: Factors) -> str:
    """Factors in percent: one number, or the least and the largest."""
    values = [factors] if isinstance(factors, float | int) else list(factors.values())
    low, high = 100 * min(values, default=1.0), 100 * max(values, default=1.0)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"
