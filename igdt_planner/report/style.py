"""How every picture looks, and how it is written: same input, same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from igdt_planner.plan import Plan
from igdt_planner.report.files import write_whole

P = ParamSpec("P")

INK: Final = "#1f2933"
MUTED: Final = "#7b8794"
FAINT: Final = "#e4e7eb"
BLUE: Final = "#0b66a8"
ORANGE: Final = "#d9730d"
GREEN: Final = "#2f855a"
RED: Final = "#c53030"
PURPLE: Final = "#6b46c1"
CYCLE: Final = (BLUE, ORANGE, GREEN, PURPLE, RED, "#0f8b8d", "#8d6e0f", "#a13670")

VOLTAGE_MAP: Final = "RdYlBu"
VOLTAGE_LIMITS: Final = (0.90, 1.10)

RC: Final[dict[Any, Any]] = {
    "svg.hashsalt": "igdt_planner",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the package's style whatever the user's own matplotlib settings are."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            return draw(*args, **kwargs)

    return in_style


class Picture(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        return _rendered(self, "png", {"Software": None}, dpi=100)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no global state knows."""
    figure = Picture(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: str | Path, dpi: int = 150) -> Path:
    """Write a figure as PNG, whole or not at all."""
    return write_whole(path, _rendered(figure, "png", {"Software": None}, dpi))


def save_svg(figure: Figure, path: str | Path) -> Path:
    """Write a figure as SVG, whole or not at all; all text in it is escaped."""
    return write_whole(path, _rendered(figure, "svg", {"Date": None, "Creator": None}, 72))


def _rendered(figure: Figure, kind: str, metadata: dict[str, Any], dpi: int) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def headline(figure: Figure, title: str, subtitle: str = "", top: float = 0.12) -> None:
    """Title and subtitle in the upper left corner, ``top`` inches from the edge, small enough to fit."""
    width, height = figure.get_size_inches()
    for text, size, down, weight, colour in ((title, 13.0, 0.0, "bold", INK), (subtitle, 9.5, 0.27, "normal", MUTED)):
        fitting = min(size, 72 * (width - 0.3) / (0.65 * max(len(text), 1)))
        place = (0.16 / width, 1 - (top + down) / height)
        figure.text(*place, text, ha="left", va="top", size=fitting, weight=weight, color=colour)


Entry = tuple[Any, str]
"""What a legend shows, and its words."""


def legend_columns(entries: Sequence[Entry], width: float, **style: Any) -> int:
    """As many columns of a legend as fit into so many inches."""
    handles, labels = [handle for handle, _ in entries], [words for _, words in entries]
    for columns in range(len(entries), 1, -1):
        figure = new_figure(width, 1.0)
        box = figure.legend(handles, labels, ncols=columns, **style).get_window_extent()
        if box.width <= figure.bbox.width:
            return columns
    return 1


def entitled(title: str, plan: Plan) -> str:
    """A title that says where AC power flow refuses the plan that is drawn."""
    return f"{title}, refused by AC" if plan.refused else title


def bare(axes: Axes) -> None:
    """No frame, ticks or grid, for drawings without axes."""
    axes.set_axis_off()
    axes.grid(False)
