"""Words on a curve: which plan a line belongs to, and where two lines cross."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from igdt_planner.report.style import INK, MUTED

ROW = 0.19
"""Inches that one line of words below a curve takes."""
APART = 0.055
"""Least distance between names at the ends of lines, as a share of the height."""
LONGEST = 20
"""Characters of a name that stand beside a line."""


def label_ends(axes: Axes, ends: Sequence[tuple[str, pd.DataFrame, str]]) -> None:
    """Name lines at their last point, to the right of the axes, moved apart where they end close together.

    Parameters
    ----------
    axes : Axes
        With its limits set.
    ends : sequence
        Name, points (``budget, alpha``) and colour of every line.
    """
    known = [(name, points[points["alpha"].notna()], colour) for name, points, colour in ends]
    last = [(name, points.iloc[-1], colour) for name, points, colour in known if len(points)]
    low, high = axes.get_ylim()
    last.sort(key=lambda end: float(end[1]["alpha"]))
    heights = spread([(float(point["alpha"]) - low) / (high - low) for _, point, _ in last])
    for (name, point, colour), height in zip(last, heights, strict=True):
        words = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026"
        axes.text(
            1.035, height, words, transform=axes.transAxes, va="center", fontsize=8.5, color=colour, weight="bold"
        )
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((point["budget"], point["alpha"])))
        ends_at = ([x + 0.01, 1.03], [y, height])
        axes.add_line(Line2D(*ends_at, transform=axes.transAxes, color=colour, lw=0.7, alpha=0.6, clip_on=False))


def spread(heights: Sequence[float]) -> list[float]:
    """Increasing heights moved apart, together no farther up than the top."""
    out: list[float] = []
    for height in heights:
        out.append(max(height, out[-1] + APART) if out else height)
    return [height - max(0.0, out[-1] - 1.0) for height in out]


def mark_crossings(axes: Axes, crossings: pd.DataFrame, unit: str) -> None:
    """Number the crossings on the curve, and tell below it who is safer on either side of each."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = float(figure.get_size_inches()[1])
    for number, row in enumerate(crossings.to_dict("records"), 1):
        budget, alpha = row["budget"], max(0.0, float(np.nan_to_num(row["alpha"])))
        axes.vlines(budget, axes.get_ylim()[0], alpha, color=INK, lw=0.8, ls=":", zorder=1)
        axes.plot(budget, alpha, "o", ms=13, mfc="white", mec=INK, mew=1.0, zorder=5)
        axes.text(budget, alpha, str(number), ha="center", va="center", fontsize=8, weight="bold", zorder=6)
        where = f"at {budget:.4g}" if np.isfinite(row["alpha"]) else f"near {budget:.4g}"
        words = (
            f"{number}  cross {where} {unit} ({100.0 * row['beta']:+.3g} %), alpha {alpha:.3g}: "
            f"below it {row['below']} is safer, above it {row['above']}"
        )
        y = (0.14 + ROW * (len(crossings) - number)) / height
        figure.text(0.02, y, words, fontsize=min(8.5, 72 * 7.3 / (0.58 * len(words))), color=INK, va="center")
    axes.tick_params(axis="x", color=MUTED)
