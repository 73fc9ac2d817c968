"""Whether power can flow back to a substation, and up to which alpha it cannot."""

from __future__ import annotations

import numpy as np

from igdt_planner.infogap.uncertainty import UncertaintySet
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.study import Study, StudyMode

ACTIVE_LOADS: tuple[Quantity, ...] = ("load", "active_load")
REACTIVE_LOADS: tuple[Quantity, ...] = ("load", "reactive_load")
"""What active and reactive power that loads take are multiplied by."""
HALVES = 50
"""How often the range of alpha is halved in which power begins to flow back."""


def alpha_without_export(study: Study, uncertainty: UncertaintySet, most: float) -> float:
    """The largest alpha up to ``most`` at which no point of the set lets power flow back; below 0 where one does at 0.

    Units give most where availability is highest and loads take least where they are lowest, so that one comparison a
    period decides, and what flows back at an alpha does at every larger one.
    """
    if not flows_back(study, uncertainty, most):
        return most
    if flows_back(study, uncertainty, 0.0):
        return -1.0
    low, high = 0.0, most
    for _ in range(HALVES):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if flows_back(study, uncertainty, middle) else (middle, high)
    return low


def flows_back(study: Study, uncertainty: UncertaintySet, alpha: float) -> bool:
    """Whether units and negative loads may give more than is taken in some period, at any point of the set at a radius.

    A price below 0 counts too: there a higher one is not dearer.
    """
    if any(period.price_per_mwh < 0.0 for period in study.periods.values()):
        return True
    connected = [mode for mode in study.modes.values() if not mode.islanded]
    return any(
        given(study, uncertainty, t, alpha) > taken(uncertainty, mode, t, alpha)
        for mode in connected
        for t in study.periods
    )


def given(study: Study, uncertainty: UncertaintySet, t: int, alpha: float) -> float:
    """Most that DG and storage give in a period, per unit: the largest of each, as often as the model allows."""
    dg = [
        unit.p_mw * study.periods[t].share[unit.source] * factors(uncertainty, AVAILABILITY[unit.source], t, alpha)[1]
        for unit in study.dg.values()
    ]
    ess = [unit.p_mw for unit in study.ess.values()]
    units = study.model.dg.max_units * max(dg, default=0.0) + study.model.ess.max_units * max(ess, default=0.0)
    return units / study.base_mva


def taken(uncertainty: UncertaintySet, mode: StudyMode, t: int, alpha: float) -> float:
    """Least that loads take in a period, per unit, net of those that give; nothing where they may be shed."""
    if mode.shedding:
        return 0.0
    least, most = load_factors(uncertainty, ACTIVE_LOADS, t, alpha)
    return sum(load * (least if load > 0.0 else most) for (_, at), load in mode.p_load.items() if at == t)


def load_factors(
    uncertainty: UncertaintySet, quantities: tuple[Quantity, ...], t: int, alpha: float
) -> tuple[float, float]:
    """The smallest and the largest factor of loads that several quantities multiply, in a period, at a radius."""
    ranges = [factors(uncertainty, quantity, t, alpha) for quantity in quantities]
    least, most = (float(np.prod(side)) for side in zip(*ranges, strict=True))
    return least, most


def factors(uncertainty: UncertaintySet, quantity: Quantity, t: int, alpha: float) -> tuple[float, float]:
    """The smallest and the largest factor on a forecast in a period, at a radius."""
    shape = uncertainty.shapes.get(quantity)
    if shape is None:
        return 1.0, 1.0
    place, radius = uncertainty.periods.index(t), uncertainty.held.get(quantity, alpha)
    down, up = (float(side[place]) for side in shape.reach())
    least = max(0.0, 1.0 - down * radius) if down else 1.0
    return least, min(1.0 + up * radius, shape.entry.physical_max) if up else 1.0
