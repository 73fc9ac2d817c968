"""What one more unit or switch buys: alpha of every change beside that of the study as it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from igdt_planner.report.style import BLUE, INK, MUTED, RED, headline, new_figure, styled

TITLE = "What one more buys"
BAR = 0.4
"""Inches that one bar takes."""


@styled
def worth_figure(table: pd.DataFrame, title: str = TITLE, subtitle: str = "") -> Figure:
    """Draw alpha of every change as a bar, the interval up to its bound, and alpha as it is as a line.

    Parameters
    ----------
    table : DataFrame
        Of :class:`igdt_planner.results.worth.Worth`: ``change, alpha, alpha_bound, gain, verdict``, at first as it is.
    title, subtitle : str

    Returns
    -------
    Figure
    """
    rows = np.arange(len(table))
    height = 1.95 + BAR * len(table)
    figure = new_figure(7.6, height)
    axes = figure.add_axes((0.25, 1.1 / height, 0.7, BAR * len(table) / height))
    alpha, bound = (table[name].to_numpy(float) for name in ("alpha", "alpha_bound"))
    known, sound = np.isfinite(alpha), table["verdict"].eq("feasible").to_numpy(bool)
    refused, open_ = known & ~sound, known & np.isfinite(bound) & (bound > alpha)
    axes.barh(rows[known & sound], alpha[known & sound], height=0.62, color=BLUE, alpha=0.75, label="alpha survived")
    if refused.any():
        label = "not confirmed by AC power flow"
        axes.barh(rows[refused], alpha[refused], height=0.62, fc="white", ec=RED, lw=1.5, label=label)
    if open_.any():
        width = bound[open_] - alpha[open_]
        label = "between plan and proven bound"
        axes.barh(rows[open_], width, left=alpha[open_], height=0.2, color=BLUE, alpha=0.35, label=label)
    if known[0]:
        axes.axvline(float(alpha[0]), color=INK, lw=0.8, ls=":")
    for row, own in zip(rows, table.to_dict("records"), strict=True):
        end = float(np.nanmax([alpha[row], bound[row], 0.0])) if known[row] else 0.0
        words = f"{own['alpha']:.4f}" if known[row] else "no alpha"
        words += f"   {own['gain']:+.4f}" if row and np.isfinite(own["gain"]) else ""
        colour = INK if known[row] else MUTED
        axes.annotate(words, (end, row), (4.0, 0.0), textcoords="offset points", va="center", fontsize=8, color=colour)
    axes.set_yticks(rows, table["change"].tolist())
    axes.set_ylim(len(table) - 0.4, -0.6)
    ends = np.concatenate([alpha[known], bound[open_]])
    axes.set_xlim(0.0, 1.25 * float(ends.max(initial=0.0)) or 1.0)
    axes.set_xlabel("alpha, and its gain on the study as it is")
    axes.grid(axis="y", visible=False)
    if known.any():
        axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.5 / (BAR * len(table))), ncols=3, fontsize=8)
    headline(figure, title, subtitle)
    return figure
