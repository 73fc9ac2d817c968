"""Probabilistic power flow drawn: how the cost is distributed, and the band of voltages along the feeder."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igdt_planner.report.style import BLUE, CYCLE, FAINT, INK, MUTED, entitled, headline, new_figure, styled
from igdt_planner.results.probabilistic import Probabilistic

BANDS = ((0.01, 0.99, 0.18), (0.05, 0.95, 0.3))
"""Quantiles between which a voltage lies, and how strongly that is shaded."""


@styled
def probabilistic_figure(found: Probabilistic, title: str = "Probabilistic power flow") -> Figure:
    """Draw the distribution function of the objective, and quantiles of the lowest voltage of the day by bus.

    Parameters
    ----------
    found : Probabilistic
    title : str

    Returns
    -------
    Figure
    """
    figure = new_figure(9.6, 4.4)
    cost, voltage = figure.subplots(1, 2)
    _cost(cost, found)
    _voltage(voltage, found)
    figure.subplots_adjust(left=0.08, right=0.985, bottom=0.24, top=0.8, wspace=0.24)
    outside = f"outside voltage limits with a chance of {100 * found.share_outside_voltage_limits:.3g} %"
    over = "" if found.share_over_budget is None else f", over budget {100 * found.share_over_budget:.3g} %"
    headline(figure, entitled(title, found.plan), f"{found.samples:,} samples: {outside}{over}")
    return figure


def _cost(axes: Axes, found: Probabilistic) -> None:
    known = np.sort(found.objective[np.isfinite(found.objective)])
    axes.plot(known, (np.arange(len(known)) + 0.5) / found.samples, color=BLUE, lw=1.8, label="share of samples below")
    if found.budget is not None:
        axes.axvline(found.budget, color=INK, lw=1.2, label="budget")
    axes.set_xlabel(f"objective by AC power flow, {found.plan.model.unit}")
    axes.set_ylim(0.0, 1.02)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=2, fontsize=8)


def _voltage(axes: Axes, found: Probabilistic) -> None:
    table = found.voltages
    for mode, colour in zip(dict.fromkeys(table["mode"]), CYCLE, strict=False):
        rows = table[table["mode"] == mode]
        place = np.arange(len(rows))
        for low, high, strength in BANDS:
            band = rows[f"vm_min_q{low:g}_pu"], rows[f"vm_min_q{high:g}_pu"]
            axes.fill_between(place, *band, color=colour, alpha=strength, lw=0)
        axes.plot(place, rows["vm_min_q0.5_pu"], color=colour, lw=1.5, label=f"{mode}: median, 90 and 98 %")
        axes.set_xticks(place[:: max(1, len(rows) // 12)], rows["bus"].to_list()[:: max(1, len(rows) // 12)])
    limits = found.plan.case.buses["vm_min_pu"].to_numpy(float)
    axes.axhline(float(limits.max()), color=MUTED, lw=1.0, ls="--", label="lower limit")
    axes.grid(color=FAINT)
    axes.set_xlabel("bus")
    axes.set_ylabel("lowest voltage of the day, pu")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=2, fontsize=8)
