"""Calibration drawn: the share of past days that an alpha would have held."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from igdt_planner.report.style import BLUE, INK, MUTED, headline, new_figure, styled
from igdt_planner.results.calibration import Calibration


@styled
def calibration_figure(found: Calibration, title: str = "What alpha held of the past") -> Figure:
    """Draw the share of days on which no forecast was further off than alpha, over alpha.

    Days that lie inside no alpha keep the line below 100 %.

    Parameters
    ----------
    found : Calibration
    title : str

    Returns
    -------
    Figure
    """
    figure = new_figure(7.6, 4.0)
    axes = figure.add_axes((0.095, 0.24, 0.875, 0.56))
    both, worse = (found.days[name].to_numpy(float) for name in ("needed_alpha", "needed_alpha_worse"))
    finite = np.concatenate([both, worse])[np.isfinite(np.concatenate([both, worse]))]
    end = 1.08 * max([*finite.tolist(), found.alpha or 0.0]) or 1.0
    axes.stairs(
        *held(both, end), baseline=None, color=MUTED, lw=5.0, alpha=0.45, label="no error beyond alpha, to either side"
    )
    axes.stairs(*held(worse, end), baseline=None, color=BLUE, lw=2.0, label="none to the side that is worse")
    words = ", ".join(name for name in found.table["quantity"] if name != "all")
    subtitle = f"{len(found.days)} days of {words}"
    if found.alpha is not None and found.share_of_days_held is not None:
        axes.axvline(found.alpha, color=INK, lw=1.0, label="alpha judged")
        axes.plot([found.alpha], [found.share_of_days_held], "o", ms=6, color=BLUE, mec="white", zorder=4)
        subtitle += f": alpha = {found.alpha:.4g} held on {found.share_of_days_held:.1%}"
    axes.set_xlim(0.0, end)
    axes.set_ylim(-0.02, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("alpha")
    axes.set_ylabel("share of past days")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.2), ncols=2, fontsize=8)
    headline(figure, title, subtitle)
    return figure


def held(needed: np.ndarray, end: float) -> tuple[list[float], list[float]]:
    """Share of days held between the alphas they need, and these alphas from 0 to the end of the axis."""
    counts = pd.Series(needed[np.isfinite(needed)]).value_counts().sort_index()
    shares = (counts.cumsum() / len(needed)).tolist()
    return [0.0, *shares], [0.0, *counts.index.tolist(), end]
