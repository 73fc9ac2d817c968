"""The feeder one-line: what is closed, what is built, how heavily loaded, at which voltage; before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

from igdt_planner.plan import AcVerdict, Plan
from igdt_planner.report.placing import dense, place_badge, place_label
from igdt_planner.report.routes import Points
from igdt_planner.report.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    VOLTAGE_LIMITS,
    VOLTAGE_MAP,
    Entry,
    bare,
    entitled,
    headline,
    legend_columns,
    new_figure,
    styled,
)
from igdt_planner.report.text import share_of
from igdt_planner.report.views import FeederView, before_view, plan_view

MARGIN = 1.0
"""Free space around the buses, in lengths of a median line."""

UNIT_IN = (0.16, 0.62)
"""Smallest and largest length of a median line on paper, inches."""

MAX_WIDTH_IN, LEFT_IN, BAR_IN, TITLE_IN, GAP_IN = 12.6, 0.1, 0.9, 0.7, 0.62
LABEL_FROM_PT = 9.0
"""Buses smaller than this carry no number."""

WIDTHS_PT = (1.0, 5.0)
"""Line width at no current and at the largest."""

LEGEND: dict[str, Any] = {"fontsize": 8, "handlelength": 1.8, "columnspacing": 1.4}
BusState = Literal["live", "part", "dead"]
Colour = tuple[float, float, float, float]
WHITE: Colour = (1.0, 1.0, 1.0, 1.0)
DASHES = (0, (3, 2))
SLIVER = 1e-3
"""Share of a bus's demand that is too small to be drawn."""


@dataclass(frozen=True)
class Scale:
    """What all panels share: extent in lengths of a line, inches of that length, colours, and what is drawn widest."""

    x: tuple[float, float]
    y: tuple[float, float]
    unit_in: float
    colours: Colormap
    voltages: Normalize
    full: float
    rated: bool

    @property
    def bus_pt(self) -> float:
        """Diameter of a bus."""
        return min(17.0, 0.52 * 72 * self.unit_in)


@styled
def feeder_figure(
    plan: Plan,
    before: AcVerdict | None = None,
    *,
    period: int | None = None,
    limits: tuple[float, float] = VOLTAGE_LIMITS,
) -> Figure:
    """Draw the feeder as it is and as planned, one panel per mode, all on the same coordinates and scales.

    Parameters
    ----------
    plan : Plan
        With an AC verdict.
    before : AcVerdict, optional
        The case as it is, judged by AC power flow.
    period : int, optional
        Period shown; by default the one of the largest load.
    limits : pair of float
        Voltages of the first and last colour, pu. They are fixed so that pictures can be compared.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        Where the plan has no AC verdict.
    """
    views = [plan_view(plan, mode, period) for mode in plan.model.modes]
    if before is not None:
        views.insert(0, before_view(plan.case, before, period))
    scale = _scale(views, limits)
    entries = _entries(views, scale)
    figure, panels, columns = _panels(len(views), scale, entries)
    headline(figure, entitled(plan.case.title or plan.case.name, plan), _subtitle(plan))
    for axes, view in zip(panels, views, strict=True):
        draw_feeder(axes, view, scale)
    _colour_bar(figure, scale, _foot_in(entries, columns))
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="lower left", ncols=columns, **LEGEND)
    return figure


def draw_feeder(axes: Axes, view: FeederView, scale: Scale) -> None:
    """Draw one state of a feeder."""
    bare(axes)
    axes.set_xlim(*scale.x)
    axes.set_ylim(*scale.y)
    _panel_title(axes, view)
    for number, route in view.routes.items():
        _draw_line(axes, view.lines.loc[number], route, scale)
    _draw_buses(axes, view, scale)
    badges = _draw_sites(axes, view, scale)
    if scale.bus_pt >= LABEL_FROM_PT:
        _number_open_lines(axes, view, badges, scale)


def _panel_title(axes: Axes, view: FeederView) -> None:
    voltages = view.buses["vm_pu"].dropna()
    worst = f", lowest voltage {voltages.min():.4f} pu at bus {voltages.idxmin()}" if len(voltages) else ", no supply"
    at: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(view.title, xytext=(6, 26), size=10.5, weight="bold", **at)
    axes.annotate(f"period {view.period}{worst}", xytext=(6, 13), size=8.5, color=MUTED, **at)
    axes.annotate(_served(view), xytext=(6, 1), size=8.5, color=MUTED, **at)


def _served(view: FeederView) -> str:
    """What of the demand is served, in the period shown and over all of them."""
    supply = view.served
    if supply is None:
        return ""
    if supply.served_mwh is None:
        return "what is served is not known"
    when = "at the peak" if view.period == supply.peak_period else f"in period {view.period}"
    power = share_of(float(view.buses["served_mw"].sum()), float(view.buses["demand_mw"].sum()), "MW")
    return f"served {power} {when}; {share_of(supply.served_mwh, supply.demand_mwh, 'MWh')}"


def _draw_line(axes: Axes, line: Any, route: Points, scale: Scale) -> None:
    """Closed lines solid, open ones dashed, those that the plan switches in colour, those without supply pale."""
    moved = line.closed != line.in_service
    if not line.closed:
        axes.plot(*route.T, color=ORANGE if moved else MUTED, lw=1.1, ls=DASHES, zorder=1)
        return
    colour = MUTED if not line.live else BLUE if moved else INK
    share = (line.loading if scale.rated else line.i_ka) / scale.full
    axes.plot(*route.T, color=colour, lw=_width_pt(share), solid_capstyle="round", zorder=2)


def _width_pt(share: float) -> float:
    """Width of a line that carries this share of what is drawn widest; overloads grow a little further."""
    low, high = WIDTHS_PT
    return low + (high - low) * min(share, 1.2) if np.isfinite(share) else low


def _number_open_lines(axes: Axes, view: FeederView, badges: list[Points], scale: Scale) -> None:
    """Numbers of open lines, beside them wherever most is free."""
    point = 1 / (72 * scale.unit_in)
    dots = np.vstack([view.buses[["x", "y"]].to_numpy(float), *badges])
    for number in view.lines.index[~view.lines["closed"]].tolist():
        others = [dense(route) for other, route in view.routes.items() if other != number]
        half_size = point * np.array([2.1 * len(str(number)), 3.2])
        x, y = place_label(view.routes[number], np.vstack([dots, *others]), half_size, 2.5 * point)
        colour = ORANGE if view.lines.loc[number, "in_service"] else MUTED
        axes.text(x, y, str(number), ha="center", va="center", size=6.5, color=colour, zorder=9)


def _draw_buses(axes: Axes, view: FeederView, scale: Scale) -> None:
    for bus, row in view.buses.iterrows():
        at, state = (float(row["x"]), float(row["y"])), _state(row)
        fill = scale.colours(scale.voltages(row["vm_pu"])) if state in ("live", "part") else WHITE
        station = bus in view.substations
        shape, edge = "s" if station else "o", MUTED if state == "dead" else INK
        thick = 2.2 if station or _outside(row) else 0.8
        axes.plot(*at, marker=shape, ms=scale.bus_pt, mfc=WHITE if state == "part" else fill, mec="none", zorder=5)
        if state == "part":
            axes.plot(*at, marker=_slice(row["share"], shape), ms=scale.bus_pt, mfc=fill, mec="none", zorder=5)
        axes.plot(*at, marker=shape, ms=scale.bus_pt, mfc="none", mec=edge, mew=thick, zorder=5)
        if scale.bus_pt >= LABEL_FROM_PT:
            _number_bus(axes, str(bus), at, fill, state, scale)


def _number_bus(axes: Axes, number: str, at: tuple[float, float], fill: Colour, state: BusState, scale: Scale) -> None:
    """The number of a bus, legible on its colour; in a pie it gets a white disc."""
    if state == "part":
        axes.plot(*at, marker="o", ms=0.6 * scale.bus_pt, mfc=WHITE, mec="none", zorder=5)
    dark = state == "live" and float(np.dot(fill[:3], (0.299, 0.587, 0.114))) < 0.55
    colour = "white" if dark else MUTED if state == "dead" else INK
    axes.text(*at, number, ha="center", va="center_baseline", size=0.42 * scale.bus_pt, color=colour, zorder=6)


def _state(row: pd.Series) -> BusState:
    """Whether a bus gets what it asks for, a part of it, or nothing."""
    if row["share"] <= SLIVER:
        return "dead"
    return "part" if row["share"] < 1.0 - SLIVER else "live"


def _outside(row: pd.Series) -> bool:
    """Whether a bus has a voltage, and it is outside its limits."""
    return bool(row["vm_pu"] < row["vm_min_pu"] - 1e-6 or row["vm_pu"] > row["vm_max_pu"] + 1e-6)


def _slice(share: float, shape: str) -> MarkerStyle:
    """A slice of a marker, clockwise from the top, that covers a share of the full angle."""
    angles = np.linspace(0.0, 2.0 * np.pi * share, 721)
    rim = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    if shape == "s":
        rim /= np.abs(rim).max(axis=1, keepdims=True)
    return MarkerStyle(Path([(0.0, 0.0), *rim, (0.0, 0.0)]))


def _draw_sites(axes: Axes, view: FeederView, scale: Scale) -> list[Points]:
    """Badges of units beside their buses, on the side where most is free; a ring where a unit forms the grid."""
    reach = max(0.62, 1.2 * scale.bus_pt / (72 * scale.unit_in))
    drawn = [view.buses[["x", "y"]].to_numpy(float), *(dense(route) for route in view.routes.values())]
    badges: list[Points] = []
    for buses, letter, colour in ((view.dg, "G", GREEN), (view.ess, "S", PURPLE)):
        for bus in buses:
            start = view.buses.loc[bus, ["x", "y"]].to_numpy(float)
            badges.append(place_badge(start, np.vstack(drawn + badges), reach)[None])
            forming = bus in view.forming and (letter == "G" or bus not in view.dg)
            axes.plot(*np.vstack([start, badges[-1]]).T, color=colour, lw=1.2, zorder=3)
            _draw_badge(axes, badges[-1][0], letter, colour, scale, ring=forming)
    return badges


def _draw_badge(axes: Axes, at: Points, letter: str, colour: str, scale: Scale, *, ring: bool) -> None:
    axes.plot(
        *at, marker="o" if letter == "G" else "s", ms=0.92 * scale.bus_pt, mfc=colour, zorder=7,
        mec=INK if ring else "white", mew=2.0 if ring else 0.8,
    )  # fmt: skip
    size = 0.5 * scale.bus_pt
    x, y = at
    axes.text(x, y, letter, ha="center", va="center_baseline", size=size, color="white", weight="bold", zorder=8)


def _scale(views: Sequence[FeederView], limits: tuple[float, float]) -> Scale:
    places = views[0].buses[["x", "y"]].to_numpy(float)
    drawn = np.concatenate([places, *(route for view in views for route in view.routes.values())])
    low, high = drawn.min(axis=0) - MARGIN, drawn.max(axis=0) + MARGIN
    width, height = high - low
    columns = len(views) if height > width else 1
    unit_in = float(np.clip((MAX_WIDTH_IN - LEFT_IN - BAR_IN) / (columns * width), *UNIT_IN))
    flows = pd.concat([view.lines[view.lines["closed"]] for view in views])
    rated = bool(flows["loading"].notna().all())
    full = 1.0 if rated else float(flows["i_ka"].max())
    return Scale(
        x=(float(low[0]), float(high[0])),
        y=(float(low[1]), float(high[1])),
        unit_in=unit_in,
        colours=mpl.colormaps[VOLTAGE_MAP],
        voltages=Normalize(*limits, clip=True),
        full=full if full > 0 else 1.0,
        rated=rated,
    )


def _panels(count: int, scale: Scale, entries: Sequence[Entry]) -> tuple[Figure, list[Axes], int]:
    """A figure of exactly the size that its panels and legend need, and the columns of that legend.

    Panels stand under each other, or side by side where they are tall.
    """
    width = (scale.x[1] - scale.x[0]) * scale.unit_in
    height = (scale.y[1] - scale.y[0]) * scale.unit_in
    columns = count if height > width else 1
    rows = count // columns
    panel = (max(width, 4.2), height + GAP_IN)
    wide = LEFT_IN + columns * panel[0] + BAR_IN
    legend = legend_columns(entries, wide, **LEGEND)
    foot = _foot_in(entries, legend)
    size = (wide, rows * panel[1] + TITLE_IN + foot)
    figure = new_figure(*size)
    axes = []
    for k in range(count):
        left = LEFT_IN + (k % columns) * panel[0]
        bottom = foot + (rows - 1 - k // columns) * panel[1]
        axes.append(figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1])))
    return figure, axes, legend


def _foot_in(entries: Sequence[Entry], columns: int) -> float:
    """Height of a legend with so many columns."""
    return 0.25 + 0.2 * -(-len(entries) // columns)


def _colour_bar(figure: Figure, scale: Scale, foot: float) -> None:
    width, height = figure.get_size_inches()
    low, high = (foot + 0.2) / height, 1 - (TITLE_IN + 0.55) / height
    bar = figure.add_axes((1 - 0.72 / width, low, 0.14 / width, high - low))
    figure.colorbar(ScalarMappable(scale.voltages, scale.colours), cax=bar)
    bar.set_title("voltage, pu", size=8.5, weight="normal", loc="center", pad=9)
    bar.grid(False)


def _entries(views: Sequence[FeederView], scale: Scale) -> list[Entry]:
    """The legend: what is in the picture, and nothing else."""
    lines, buses = (pd.concat([getattr(view, name) for view in views]) for name in ("lines", "buses"))
    closed, moved = lines["closed"], lines["closed"] != lines["in_service"]
    states = set(buses.apply(_state, axis=1))
    largest = "its rating" if scale.rated else f"{1e3 * scale.full:.0f} A"
    drawn = {
        f"widest at {largest}": (_mark(color=INK, lw=3), (closed & lines["live"]).any()),
        "closed by the plan": (_mark(color=BLUE, lw=3), (closed & moved & lines["live"]).any()),
        "line without supply": (_mark(color=MUTED, lw=1), (closed & ~lines["live"]).any()),
        "opened by the plan": (_mark(color=ORANGE, lw=1.1, ls=DASHES), (~closed & moved).any()),
        "open": (_mark(color=MUTED, lw=1.1, ls=DASHES), (~closed & ~moved).any()),
        "substation": (_mark("s", mec=INK, mfc=FAINT, mew=2), any(view.substations for view in views)),
        "DG": (_mark("o", mfc=GREEN, mec="white"), any(view.dg for view in views)),
        "storage": (_mark("s", mfc=PURPLE, mec="white"), any(view.ess for view in views)),
        "forms the island's grid": (_forming(views), any(view.forming for view in views)),
        "bus served in part": ((_mark("o", mfc="white", mec=INK), _mark(_slice(0.35, "o"), mfc=INK)), "part" in states),
        "bus without supply": (_mark("o", mfc="white", mec=MUTED), "dead" in states),
        "outside voltage limits": (_mark("o", mfc=FAINT, mec=INK, mew=2), buses.apply(_outside, axis=1).any()),
    }
    return [(handle, words) for words, (handle, there) in drawn.items() if there]


def _forming(views: Sequence[FeederView]) -> Line2D:
    """A unit that forms a grid, as the first one is drawn."""
    by_dg = any(bus in view.dg for view in views for bus in view.forming)
    return _mark("o" if by_dg else "s", mfc=GREEN if by_dg else PURPLE, mec=INK, mew=1.5)


def _mark(marker: str | MarkerStyle = "", **style: Any) -> Line2D:
    """A line of the legend, or with a marker that alone."""
    return Line2D([], [], **({"color": "none", "marker": marker} if marker else {}) | style)


def _subtitle(plan: Plan) -> str:
    alpha = plan.robustness.get("alpha")
    state = f"{plan.kind} plan, model {plan.model.name}"
    return state if alpha is None else f"{state}, drawn at alpha = {alpha:.4f}"
