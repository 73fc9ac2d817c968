"""What the shapes of an uncertainty set look like: two periods in the plane, and extreme series over six."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.model import Uncertain
from igdt_planner.report.style import BLUE, FAINT, INK, MUTED, headline, new_figure, styled
from igdt_planner.shapes import Shape

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
PERIODS, SERIES = 6, 14
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
    rows = -(-len(entries) // 2)
    height = 0.95 + 1.95 * rows
    figure = new_figure(10.4, height)
    for number, (name, entry) in enumerate(entries.items()):
        left, row = 0.055 + 0.5 * (number % 2), number // 2
        base = 1.0 - (0.95 + 1.95 * row + 1.42) / height
        plane = figure.add_axes((left, base, 1.42 / 10.4, 1.42 / height))
        fan = figure.add_axes((left + 0.19, base, 0.24, 1.42 / height))
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
    """All pairs of deviations that the shape holds, by its gauge on a lattice."""
    most = max(float(reach.max()) for reach in shape.reach()) or 1.0
    lattice = np.linspace(-WIDE * most, WIDE * most, 121)
    inside = np.array([[shape.gauge(np.array([x, y])) <= 1.0 + 1e-9 for x in lattice] for y in lattice])
    axes.axhline(0.0, color=FAINT, lw=1.0)
    axes.axvline(0.0, color=FAINT, lw=1.0)
    thin = inside.sum() <= 4 * len(lattice)
    if thin:
        for points in shape.vertices() or []:
            axes.plot([0.0, points[0][0]], [0.0, points[0][1]], color=BLUE, lw=3)
    else:
        axes.contourf(lattice, lattice, inside.astype(float), levels=[0.5, 1.5], colors=[BLUE], alpha=0.3)
    axes.plot(0.0, 0.0, "o", ms=3, color=INK)
    axes.set_aspect("equal")
    axes.set_xlim(lattice[0], lattice[-1])
    axes.set_ylim(lattice[0], lattice[-1])
    axes.set_xlabel("d_1", labelpad=1)
    axes.set_ylabel("d_2", labelpad=-3)
    axes.grid(visible=False)


def _fan(axes: Axes, shape: Shape) -> None:
    """Extreme series along random gradients, as steps, and how far each period may go on its own."""
    rng = np.random.default_rng(0)
    down, up = shape.reach()
    edges = np.arange(PERIODS + 1) + 0.5
    axes.stairs(up, edges, baseline=-down, fill=True, color=FAINT)
    for gradient in rng.standard_normal((SERIES, PERIODS)):
        axes.stairs(shape.extreme(gradient), edges, baseline=None, color=BLUE, lw=1.0, alpha=0.45)
    axes.axhline(0.0, color=MUTED, lw=0.8)
    axes.set_xlim(0.5, PERIODS + 0.5)
    axes.set_xlabel("period", labelpad=1)
    axes.grid(visible=False)
