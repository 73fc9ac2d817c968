"""The robustness curve: how much uncertainty is survived for which acceptable cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from igdt_planner.report.marks import ROW, label_ends, mark_crossings
from igdt_planner.report.style import BLUE, CYCLE, GREEN, INK, MUTED, RED, headline, new_figure, styled
from igdt_planner.report.views import curve_view, unanswered

ENVELOPE = "#6b7785"
FIXED = tuple(colour for colour in CYCLE if colour not in (BLUE, GREEN, RED))
TALL = 3.02
"""Inches from the least alpha to the largest."""
DOT = 3.0 / 72.0
"""Inches from the middle of a dot to its edge: an interval that is shorter hides beneath it."""


MARK_STEP = 0.02
"""Between marks of several curves at one budget, as a share of the height of the axes."""


class Drawn(NamedTuple):
    """Points that have been drawn, rows that have none, their colour, and whether there is a shaded area between."""

    unanswered: pd.DataFrame
    points: pd.DataFrame
    colour: str
    shaded: bool


@styled
def curve_figure(
    robust: pd.DataFrame | None,
    opportunity: pd.DataFrame | None = None,
    fixed: Mapping[str, pd.DataFrame] | None = None,
    crossings: pd.DataFrame | None = None,
    *,
    unit: str = "",
    title: str = "Robustness curve",
    subtitle: str = "",
) -> Figure:
    """Draw alpha over the acceptable cost, with beta on a second axis.

    Parameters
    ----------
    robust : DataFrame or None
        Columns ``beta``, ``budget``, ``alpha``, ``alpha_bound`` and ``verdict``. Every row is drawn as the interval
        from the plan's alpha to the bound that no plan exceeds. Shaded is what these intervals leave open in between:
        a plan holds at every larger budget too, and a bound at every smaller one.
    opportunity : DataFrame, optional
        The same columns for the opportuneness, drawn dashed to the left; there the bound lies below the plan.
    fixed : mapping of str to DataFrame, optional
        The same columns for plans kept as they are, by name, each named at its end. The re-optimised envelope turns
        grey then.
    crossings : DataFrame, optional
        ``beta, budget, alpha, below, above``: where fixed plans cross, numbered and told in words below the curve.
    unit : str
        Unit of the budget.
    title, subtitle : str

    Returns
    -------
    Figure
    """
    marked = crossings if crossings is not None else pd.DataFrame()
    height, width = 5.4 + ROW * len(marked), 0.875 if not fixed else 0.7
    figure = new_figure(7.6, height)
    axes = figure.add_axes((0.095, (1.16 + ROW * len(marked)) / height, width, TALL / height))
    drawn: list[Drawn] = []
    if robust is not None:
        points, colour = curve_view(robust), ENVELOPE if fixed else BLUE
        drawn.append(Drawn(unanswered(robust), points, colour, _shade(axes, points, colour, rising=True)))
        name = "robustness: survived for certain (at the points)" if not fixed else "plans chosen anew"
        _draw(axes, points, colour, "-", name)
    ends = []
    for (name, table), own in zip((fixed or {}).items(), cycle(FIXED), strict=False):
        drawn.append(Drawn(unanswered(table), curve_view(table), own, False))
        _draw(axes, drawn[-1].points, own, "-")
        ends.append((name, drawn[-1].points, own))
    if opportunity is not None:
        points = curve_view(opportunity)
        drawn.append(Drawn(unanswered(opportunity), points, GREEN, _shade(axes, points, GREEN, rising=False)))
        _draw(axes, points, GREEN, "--", "opportuneness: needed for a windfall")
    points = pd.concat([line.points for line in drawn], ignore_index=True)
    axes.set_xlabel(f"acceptable cost, {unit}" if unit else "acceptable cost")
    names = [
        w for w, known in (("survived", robust is not None or fixed), ("needed", opportunity is not None)) if known
    ]
    axes.set_ylabel(f"alpha: deviation from the forecast that is {' or '.join(names)}")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    _mark_unanswered(axes, drawn)
    _finish(axes, points, drawn)
    label_ends(axes, ends)
    mark_crossings(axes, marked, unit)
    _beta_axis(axes, points, base_of(drawn[0].points, -1.0 if not fixed and robust is None else 1.0))
    headline(figure, title, subtitle)
    return figure


def _shade(axes: Axes, points: pd.DataFrame, colour: str, *, rising: bool) -> bool:
    """Shade what plans that AC confirmed, and bounds, leave open between neighbouring budgets, if there is anything."""
    x, bound = points["budget"].to_numpy(float), points["alpha_bound"].to_numpy(float)[1:]
    plan = points["alpha"].where(points["feasible"]).ffill().to_numpy(float)[:-1]
    floor, ceiling = (np.nan_to_num(plan), bound) if rising else (bound, plan)
    known = np.isfinite(floor) & np.isfinite(ceiling)
    height = np.where(known, ceiling - floor, 0.0)
    axes.bar(x[:-1], height, np.diff(x), np.where(known, floor, 0.0), align="edge", color=colour, alpha=0.1, lw=0)
    return bool((height > 0.0).any())


def _draw(axes: Axes, points: pd.DataFrame, colour: str, dashes: str, label: str = "") -> None:
    """Plans as a line with dots, intervals up to the bound as bars; a plan that AC refused is hollow and red."""
    x, alpha, low, high = (points[name].to_numpy(float) for name in ("budget", "alpha", "low", "high"))
    known = np.isfinite(alpha)
    axes.vlines(x, low, high, color=colour, lw=5, alpha=0.35, zorder=2)
    axes.plot(x[known], alpha[known], color=colour, ls=dashes, lw=1.8, zorder=3)
    sound = points["feasible"].to_numpy(bool)
    axes.plot(x[known & sound], alpha[known & sound], "o", ms=6, color=colour, mec="white", zorder=4)
    refused = known & ~sound
    axes.plot(x[refused], alpha[refused], "o", ms=6, mfc="white", mec=RED, mew=1.5, zorder=4)
    if label and known.any():
        line, dot = dashes if known.sum() > 1 else "none", "o" if (known & sound).any() else "none"
        axes.plot([], [], color=colour, ls=line, lw=1.8, marker=dot, ms=6, mec="white", label=label)


def _mark_unanswered(axes: Axes, drawn: Sequence[Drawn]) -> None:
    """Marks at the lower edge where no alpha is within the budget, at the upper one where nothing limits it."""
    for label, marker, unlimited in (("no alpha at this cost", "x", False), ("alpha without limit", "^", True)):
        for place, line in enumerate(drawn, start=1):
            budget = line.unanswered.loc[line.unanswered["unlimited"] == unlimited, "budget"]
            if budget.empty:
                continue
            height = np.full(len(budget), 1.0 - MARK_STEP * place if unlimited else MARK_STEP * place)
            edge = axes.get_xaxis_transform()
            axes.plot(budget, height, marker, color=line.colour, ms=5, zorder=4, label=label, transform=edge)
            label = ""


def _finish(axes: Axes, points: pd.DataFrame, drawn: Sequence[Drawn]) -> None:
    """Limits of the axes, and a legend of what can be seen and has no name yet."""
    if points.empty:
        axes.text(
            0.5, 0.5, "no point of the curve has a plan or a bound", transform=axes.transAxes, ha="center", color=MUTED
        )
        return
    bottom, top = min(0.0, float(points["low"].min())), 1.08 * float(points["high"].max()) or 1.0
    axes.set_ylim(bottom=bottom, top=top)
    hidden = (top - bottom) * DOT / TALL
    bands = [line.colour for line in drawn if (line.points["high"] - line.points["low"] > hidden).any()]
    if bands:
        axes.vlines([], [], [], color=_shared(bands), lw=5, alpha=0.35, label="between plan and proven bound")
    areas = [line.colour for line in drawn if line.shaded]
    if areas:
        axes.fill_between([], [], color=_shared(areas), alpha=0.1, lw=0, label="where alpha lies between the points")
    if not points.loc[points["alpha"].notna(), "feasible"].all():
        axes.plot([], [], "o", ms=6, mfc="white", mec=RED, mew=1.5, label="not confirmed by AC power flow")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.16), ncols=2, fontsize=8)


def _shared(colours: Sequence[str]) -> str:
    """The colour that stands for several in a legend: their own where they agree."""
    return colours[0] if len(set(colours)) == 1 else MUTED


def base_of(points: pd.DataFrame, towards: float) -> float | None:
    """The base objective that budgets refer to, where the rows agree on it."""
    base = (points["budget"] / (1.0 + towards * points["beta"])).dropna()
    agreed = len(base) > 0 and np.allclose(base, base.iloc[0], rtol=1e-6)
    return float(base.iloc[0]) if agreed else None


def _beta_axis(axes: Axes, points: pd.DataFrame, base: float | None) -> None:
    """A second axis in percent of the base objective, which is marked where the curve goes to both sides of it."""
    if base is None:
        return
    zero = base

    def to_beta(cost: Any) -> Any:
        return 100.0 * (cost / zero - 1.0)

    def to_cost(beta: Any) -> Any:
        return zero * (1.0 + beta / 100.0)

    second = axes.secondary_xaxis("top", functions=(to_beta, to_cost))
    second.set_xlabel("beta: allowed deviation of cost, %", labelpad=6)
    second.xaxis.set_major_formatter(FuncFormatter(lambda beta, _: f"{beta:+.3g}" if abs(beta) > 1e-9 else "0"))
    if points["budget"].min() < zero:
        axes.axvline(zero, color=INK, lw=0.8, zorder=1)
        axes.text(zero, 0.99, " baseline", transform=axes.get_xaxis_transform(), va="top", fontsize=8, color=MUTED)
