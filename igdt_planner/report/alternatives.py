"""Alternatives drawn: what each plan costs at the forecast, in the samples, and at the worst point."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from igdt_planner.report.style import BLUE, GREEN, INK, MUTED, ORANGE, RED, entitled, headline, new_figure, styled
from igdt_planner.results.alternatives import Alternatives

ROW = 0.5
"""Inches that one plan takes."""
MARKS = {
    "objective_forecast": ("o", MUTED, "at the forecast"),
    "objective_expected": ("D", GREEN, "mean of the stochastic program's points"),
    "mean": ("s", BLUE, "mean of all samples"),
    "q0.95": ("|", ORANGE, "not exceeded by 95 % of them"),
    "objective_worst": ("X", RED, "at the worst point"),
}
"""How each cost of the table is drawn."""


@styled
def alternatives_figure(found: Alternatives, title: str = "A robust plan beside its alternatives") -> Figure:
    """Draw every plan's costs on one line, and the budget.

    Parameters
    ----------
    found : Alternatives
    title : str

    Returns
    -------
    Figure
    """
    names = found.table["approach"].tolist()
    rows, height = np.arange(len(names)), 1.9 + ROW * len(names)
    figure = new_figure(7.6, height)
    axes = figure.add_axes((0.17, 1.05 / height, 0.79, ROW * len(names) / height))
    costs = found.table[list(MARKS)].to_numpy(float)
    for row, own in enumerate(costs):
        known = own[np.isfinite(own)]
        if len(known):
            axes.hlines(row, known.min(), known.max(), color=MUTED, lw=1.0, alpha=0.5, zorder=1)
        else:
            words = "refused by AC" if found.plans[names[row]].refused else "no plan"
            axes.text(0.5, row, words, transform=axes.get_yaxis_transform(), ha="center", va="center", color=MUTED)
    for (marker, colour, label), own in zip(MARKS.values(), costs.T, strict=True):
        axes.scatter(own, rows, s=48, marker=marker, color=colour, label=label, zorder=3)
    if found.budget is not None:
        axes.axvline(found.budget, color=INK, lw=1.2, label="budget")
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"cost, {found.unit}")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.21, -0.48 / (ROW * len(names))), ncols=3, fontsize=8)
    radius = "no radius" if found.radius is None else f"radius {found.radius:.4g}"
    words = f"{found.samples:,} samples inside {radius}, seed {found.seed}"
    headline(figure, entitled(title, found.plans["deterministic"]), words)
    return figure
