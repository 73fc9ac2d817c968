"""Evidence drawn: what samples inside the uncertainty set cost, and how sharp its edge is."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from igdt_planner.report.style import BLUE, INK, MUTED, ORANGE, RED, headline, new_figure, styled
from igdt_planner.results.evidence import Evidence

BINS = 40


@styled
def evidence_figure(found: Evidence, title: str = "Evidence") -> Figure:
    """Draw the cost of all samples inside against the budget, and the share of rays over budget by radius.

    Parameters
    ----------
    found : Evidence
    title : str

    Returns
    -------
    Figure
    """
    figure = new_figure(9.6, 4.4)
    inside, edge = figure.subplots(1, 2)
    _inside(inside, found)
    _edge(edge, found)
    figure.subplots_adjust(left=0.08, right=0.985, bottom=0.24, top=0.8, wspace=0.24)
    words = f"{found.over_budget} of {found.samples:,} samples inside alpha = {found.alpha:.4g} exceed the budget"
    headline(figure, title, words)
    return figure


def _inside(axes: Axes, found: Evidence) -> None:
    """Histogram of what samples cost, in the worst colour where they cost too much."""
    known = found.objective[np.isfinite(found.objective)]
    marks = {"forecast": (found.plan.robustness.get("objective_forecast"), MUTED), "budget": (found.budget, INK)}
    ends = [*known.tolist(), *(value for value, _ in marks.values() if value is not None)]
    edges = np.linspace(min(ends), max(ends) + 1e-9 * abs(max(ends)), BINS + 1).tolist()
    axes.hist(known[known <= found.budget], edges, color=BLUE, alpha=0.75, label="samples inside alpha")
    axes.hist(known[known > found.budget], edges, color=RED, label="over budget" if found.over_budget else None)
    for name, (value, colour) in marks.items():
        if value is not None:
            axes.axvline(value, color=colour, lw=1.4, ls="-" if name == "budget" else "--", label=name)
    axes.set_xlabel(f"cost by AC power flow, {found.plan.model.unit}")
    axes.set_ylabel("samples")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=3, fontsize=8)


def _edge(axes: Axes, found: Evidence) -> None:
    """Share of rays over budget, and of those that leave a limit, by radius."""
    rays = found.rays.sort_values("radius")
    radius, broken = rays["radius"].to_numpy(float), rays["broken"].to_numpy(float) / rays["rays"].to_numpy(float)
    axes.plot(radius, rays["share_over_budget"], "o-", color=BLUE, ms=6, mec="white", label="over budget")
    if broken.any():
        axes.plot(radius, broken, "s--", color=ORANGE, ms=5, mec="white", label="leave a limit")
    axes.axvline(1.0, color=INK, lw=1.0, label="alpha of the plan")
    axes.set_ylim(bottom=-0.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("radius, as a multiple of alpha")
    axes.set_ylabel("share of rays near the worst case")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=3, fontsize=8)
