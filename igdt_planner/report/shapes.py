"""What the shapes of an uncertainty set look like: two periods in the plane, and extreme series over six."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.infogap.shapes import Shape
from igdt_planner.model import Uncertain
from igdt_planner.report.style import BLUE, FAINT, INK, MUTED, ORANGE, headline, new_figure, styled

FORMULAS: dict[str, str] = {
    "fractional": "|d_t| \u2264 w",
    "envelope": "|d_t| \u2264 w \u03c8_t",
    "interval": "\u2212w down \u2264 d_t \u2264 w up",
    "slope": "|d_t \u2212 d_(t\u22121)| \u2264 w h_t",
    "energy": "\u03a3 h_t d_t\u00b2 \u2264 w\u00b2",
    "minkowski": "(\u03a3 |d_t|^norm)^(1/norm) \u2264 w",
    "budgeted": "|d_t| \u2264 w, \u2264 gamma of them not 0",
}
"""Every shape per unit of alpha, as :class:`igdt_planner.model.Uncertain` states it."""
PERIODS, SERIES = 6, 7
SIDE, PITCH, HEAD = 1.35, 2.2, 0.95
"""Inches: a panel's height, from row to row, and above the first row."""
RAYS = 64
"""Directions in which the edge of a shape is looked for."""
WIDE = 1.35
"""Half the width of the plane, in units of the largest deviation."""


@styled
def shapes_figure(
    entries: Mapping[str, Uncertain], title: str = "Shapes of the uncertainty set", subtitle: str = ""
) -> Figure:
    """Draw shapes at alpha = 1, a row each: the set of two periods of one hour, and extreme series over six.

    Parameters
    ----------
    entries : mapping of str to Uncertain
        What to draw, by name. An envelope of two or of six periods is drawn in the plane by its first two.
    title, subtitle : str

    Returns
    -------
    Figure
    """
    height = HEAD + PITCH * -(-len(entries) // 2)
    figure = new_figure(10.4, height)
    for number, (name, entry) in enumerate(entries.items()):
        left, base = 0.055 + 0.5 * (number % 2), 1.0 - (HEAD + PITCH * (number // 2) + SIDE) / height
        plane = figure.add_axes((left, base, SIDE / 10.4, SIDE / height))
        fan = figure.add_axes((left + 0.185, base, 0.24, SIDE / height))
        plane.set_title(f"{name}:  {FORMULAS[entry.shape]}", fontsize=9)
        _plane(plane, Shape(over(entry, 2), np.ones(2)))
        _fan(fan, Shape(over(entry, PERIODS), np.ones(PERIODS)))
    headline(figure, title, subtitle)
    return figure


def over(entry: Uncertain, periods: int) -> Uncertain:
    """The same shape over some number of periods: an envelope goes on with its last value."""
    if entry.psi is None:
        return entry
    longer = (*entry.psi, *[entry.psi[-1]] * periods)[:periods]
    return entry.model_copy(update={"psi": longer})


def _plane(axes: Axes, shape: Shape) -> None:
    """All pairs of deviations that the shape holds: the hull of its extreme points, or its axes where not convex."""
    most = max(float(reach.max()) for reach in shape.reach()) or 1.0
    axes.axhline(0.0, color=FAINT, lw=1.0)
    axes.axvline(0.0, color=FAINT, lw=1.0)
    if shape.entry.shape == "budgeted" and shape.entry.gamma == 1:
        for x, y in (point for point, _ in shape.vertices() or []):
            axes.plot([0.0, x], [0.0, y], color=BLUE, lw=3, alpha=0.6)
    else:
        angles = 2.0 * np.pi * (np.arange(RAYS) + 0.5) / RAYS
        x, y = np.array([shape.extreme(np.array([np.cos(angle), np.sin(angle)])) for angle in angles]).T
        axes.fill(x, y, color=BLUE, alpha=0.3, lw=0)
    axes.plot(0.0, 0.0, "o", ms=3, color=INK)
    axes.set_aspect("equal")
    axes.set_xlim(-WIDE * most, WIDE * most)
    axes.set_ylim(-WIDE * most, WIDE * most)
    axes.set_xticks([-most, 0.0, most], [f"{-most:.2g}", "0", f"{most:.2g}"])
    axes.set_yticks([-most, 0.0, most], [f"{-most:.2g}", "0", f"{most:.2g}"])
    axes.set_xlabel("d_1", labelpad=0)
    axes.set_ylabel("d_2", labelpad=-4)
    axes.grid(visible=False)


def _fan(axes: Axes, shape: Shape) -> None:
    """Extreme series along random gradients, one of them in front, and how far each period may go on its own."""
    gradients = np.random.default_rng(0).standard_normal((SERIES, PERIODS))
    down, up = shape.reach()
    periods = np.arange(PERIODS) + 1
    axes.stairs(up, np.arange(PERIODS + 1) + 0.5, baseline=-down, fill=True, color=FAINT)
    for gradient in gradients:
        axes.plot(periods, shape.extreme(gradient), ".-", color=BLUE, lw=0.8, ms=4, alpha=0.35)
    axes.plot(periods, shape.extreme(gradients[0]), "o-", color=ORANGE, lw=1.8, ms=4)
    axes.axhline(0.0, color=MUTED, lw=0.8)
    axes.use_sticky_edges = False
    axes.margins(y=0.08)
    axes.set_xlim(0.5, PERIODS + 0.5)
    axes.set_xlabel("period", labelpad=1)
    axes.grid(visible=False)
