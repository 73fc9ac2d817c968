"""What drives alpha: a tornado of the uncertain quantities and of the terms of the cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.report.style import BLUE, GREEN, RED, headline, new_figure, styled

BAR = 0.36
"""Inches that one bar takes."""


@styled
def drivers_figure(
    quantities: pd.DataFrame,
    terms: pd.DataFrame,
    *,
    unit: str = "",
    title: str = "What drives alpha",
    subtitle: str = "",
) -> Figure:
    """Draw what each quantity, and each term, adds to the objective between the forecast and the worst point.

    Above, a quantity at its worst within the plan's alpha while the others stay at their forecast, and the alpha that
    the plan would reach if it alone deviated. Below, every term at the plan's worst point. Longest bars on top.

    Parameters
    ----------
    quantities, terms : DataFrame
        Of :class:`igdt_planner.results.drivers.Drivers`.
    unit : str
        Unit of the objective.
    title, subtitle : str

    Returns
    -------
    Figure
    """
    quantities = quantities.sort_values("rise_alone", key=abs, ascending=False)
    terms = terms.sort_values("rise", key=abs, ascending=False)
    rows = len(quantities) + len(terms)
    height = 2.55 + BAR * rows
    figure = new_figure(7.6, height)
    upper = BAR * (len(quantities) + 0.4) / height
    lower = BAR * (len(terms) + 0.4) / height
    top = figure.add_axes((0.25, 1.0 - 0.98 / height - upper, 0.7, upper))
    bottom = figure.add_axes((0.25, 0.5 / height, 0.7, lower), sharex=top)
    limits = [f"alone: {survived(alpha)}" for alpha in quantities["alpha_alone"]]
    _bars(top, quantities["quantity"].tolist(), quantities["rise_alone"].tolist(), limits)
    named = zip(terms["term"], terms["mode"], strict=True)
    names = [f"{term}, {mode}" if isinstance(mode, str) else term for term, mode in named]
    _bars(bottom, names, terms["rise"].tolist(), [""] * len(terms))
    rises = np.concatenate([quantities["rise_alone"].to_numpy(float), terms["rise"].to_numpy(float), [0.0]])
    span = float(np.ptp(rises)) or 1.0
    top.set_xlim(float(rises.min()) - 0.02 * span, float(rises.max()) + 0.42 * span)
    top.tick_params(labelbottom=False)
    top.set_title("each quantity at its worst, the others at their forecast", fontsize=9)
    bottom.set_title("each term at the worst point of all", fontsize=9)
    bottom.set_xlabel(f"rise of the objective, {unit}" if unit else "rise of the objective")
    headline(figure, title, subtitle)
    return figure


def survived(alpha: float) -> str:
    """An alpha in words; there is none where nothing can reach the budget."""
    return f"alpha {alpha:.3g}" if np.isfinite(alpha) else "no limit"


def _bars(axes: Axes, names: Sequence[str], rises: Sequence[float], words: Sequence[str]) -> None:
    """Bars from the top down, each with its rise and words at its end."""
    rows = range(len(names))
    colours = [RED if rise > 0.0 else GREEN for rise in rises]
    axes.barh(rows, rises, height=0.62, color=colours, alpha=0.75)
    axes.axvline(0.0, color=BLUE, lw=0.8)
    for row, rise, word in zip(rows, rises, words, strict=True):
        text = f"{rise:+.3g}" + (f"   {word}" if word else "")
        axes.annotate(text, (max(rise, 0.0), row), (4.0, 0.0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(list(rows), list(names))
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.grid(axis="y", visible=False)
