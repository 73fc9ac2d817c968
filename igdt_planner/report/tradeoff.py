"""Two uncertainties under one budget: how much of one may be survived beside how much of the other."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from igdt_planner.errors import InputError
from igdt_planner.report.style import BLUE, MUTED, RED, headline, new_figure, styled

TITLE = "Trade-off between two uncertainties"


@styled
def tradeoff_figure(
    table: pd.DataFrame,
    together: float | None = None,
    title: str = TITLE,
    subtitle: str = "",
) -> Figure:
    """Draw the front between two alphas, the proven bound above it, and the alpha that both share.

    Parameters
    ----------
    table : DataFrame
        Of :class:`igdt_planner.results.tradeoff.Tradeoff`: ``alpha_<first>, bound_<first>, objective, verdict,
        alpha_<second>``.
    together : float, optional
        The alpha of both under equal weights, on the diagonal.
    title, subtitle : str

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        When the table is not one of a trade-off.
    """
    first, second = alphas(table)
    table = table.sort_values(f"alpha_{second}")
    x, y = (table[f"alpha_{name}"].to_numpy(float) for name in (second, first))
    bound = table[f"bound_{first}"].to_numpy(float)
    figure = new_figure(6.0, 5.0)
    axes = figure.add_axes((0.13, 0.22, 0.83, 0.62))
    axes.fill_between(x, 0.0, y, color=BLUE, alpha=0.08, lw=0)
    axes.vlines(x, y, bound, color=BLUE, lw=5, alpha=0.35, label="between plan and proven bound")
    axes.plot(x, y, "-", color=BLUE, lw=1.8, label="front: the budget holds within")
    sound = table["verdict"].eq("feasible").to_numpy(bool)
    axes.plot(x[sound], y[sound], "o", ms=6, color=BLUE, mec="white")
    if not sound.all():
        axes.plot(
            x[~sound], y[~sound], "o", ms=6, mfc="white", mec=RED, mew=1.5, label="not confirmed by AC power flow"
        )
    if together is not None:
        axes.plot([0.0, together], [0.0, together], ls=":", color=MUTED)
        axes.plot(together, together, "D", ms=7, color=RED, mec="white", label=f"both alike: alpha {together:.3g}")
    axes.set_xlabel(f"alpha of {second}")
    axes.set_ylabel(f"alpha of {first}")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    if table.empty:
        axes.text(0.5, 0.5, "no point: there is no budget", transform=axes.transAxes, ha="center", color=MUTED)
    else:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.08, -0.13), ncols=2, fontsize=8)
    headline(figure, title, subtitle)
    return figure


def alphas(table: pd.DataFrame) -> tuple[str, str]:
    """Names of the first and the second quantity of a trade-off."""
    names = [str(name).removeprefix("alpha_") for name in table.columns if str(name).startswith("alpha_")]
    first = [name for name in names if f"bound_{name}" in table.columns]
    if len(names) != 2 or len(first) != 1 or "verdict" not in table.columns:
        raise InputError.of(
            "not a table of a trade-off: it has two alphas, a bound of one, and verdicts", path="/table"
        )
    return first[0], next(name for name in names if name != first[0])
