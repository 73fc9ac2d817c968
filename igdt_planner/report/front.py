"""Fronts: the choice between two objectives, with what is proven below them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.errors import InputError
from igdt_planner.report.style import CYCLE, headline, new_figure, styled
from igdt_planner.results.front import Front

MARKERS = ("o", "s", "^", "D", "v")
LARGEST = 11.0
"""Size of the first front's markers; the next are smaller, so that what lies on top of each other is seen."""


@styled
def front_figure(fronts: Sequence[Front], title: str = "Fronts", subtitle: str = "") -> Figure:
    """Draw fronts of the same objectives, a panel for every pair of objectives.

    A bar on a point reaches down to the proven bound of the first objective under the limits that the point keeps.

    Parameters
    ----------
    fronts : sequence of Front
    title, subtitle : str

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        The fronts have different objectives, or there is none.
    """
    if len({front.objectives for front in fronts}) != 1:
        raise InputError.of("only fronts of the same objectives can be drawn together", path="/study/objectives")
    names, units = fronts[0].objectives, fronts[0].units
    pairs = list(combinations(range(len(names)), 2))
    figure = new_figure(5.4 * len(pairs) + 0.6, 4.6)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (y, x) in zip(panels, pairs, strict=True):
        looks = zip(CYCLE * len(fronts), MARKERS * len(fronts), strict=False)
        for number, (front, (colour, marker)) in enumerate(zip(fronts, looks, strict=False)):
            _draw(axes, front, x, y, colour, marker, LARGEST - 2.0 * (number % 4))
        axes.set_xlabel(f"{names[x]}, {units[x]}")
        axes.set_ylabel(f"{names[y]}, {units[y]}")
    panels[0].legend(loc="upper left", bbox_to_anchor=(-0.02, -0.14), ncols=3, fontsize=8)
    figure.subplots_adjust(left=0.8 / figure.get_figwidth(), right=0.985, bottom=0.24, top=0.86, wspace=0.24)
    headline(figure, title, subtitle)
    return figure


def _draw(axes: Axes, front: Front, x: int, y: int, colour: str, marker: str, size: float) -> None:
    """Points as a staircase of two objectives: between them nothing was found."""
    points = front.points
    order = np.lexsort((points[:, y], points[:, x]))
    words = f"{front.method}, {len(points)} plan{'' if len(points) == 1 else 's'}"
    if len(front.objectives) == 2:
        axes.step(points[order, x], points[order, y], where="post", color=colour, lw=1.0, alpha=0.6)
    axes.plot(points[order, x], points[order, y], marker, color=colour, ms=size, mec="white", label=words)
    if y == 0:
        bounds = [(point[x], plan.bound, point[y]) for plan, point in zip(front.plans, points, strict=True)]
        proven = [(at, low, high) for at, low, high in bounds if low is not None]
        for at, low, high in proven:
            axes.vlines(at, low, high, color=colour, lw=4, alpha=0.35)
        if proven:
            axes.vlines([], [], [], color=colour, lw=4, alpha=0.35, label="down to the proven bound")
