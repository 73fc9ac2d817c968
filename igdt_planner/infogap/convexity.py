"""Whether the points at which a plan holds are a convex set, so that vertices of the uncertainty set prove all of it.

They are where power flows one way. From a point of the relaxation, with its injections kept, currents that flows do not
cause are taken away, from the leaves to the root and again: every flow towards the leaves and every current falls, none
below 0, and every voltage rises, none above that of the root. The limit is the AC power flow, and it keeps whatever the
relaxation keeps, at no higher cost. The relaxation is convex in loads and availabilities: what holds at the vertices
holds between them.
"""

from __future__ import annotations

import numpy as np

from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.export import ACTIVE_LOADS, factors
from igdt_planner.infogap.limit_points import Fed, LimitPoints
from igdt_planner.infogap.shapes import Floats
from igdt_planner.infogap.uncertainty import UncertaintySet
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.study import Study

REACTIVE_LOADS: tuple[Quantity, ...] = ("load", "reactive_load")
"""What reactive power that loads take is multiplied by."""


def is_convex(study: Study, decisions: Decisions, points: LimitPoints, alpha: float) -> bool:
    """Whether power flows one way on every line of a connected network, at every point of the set at a radius.

    No islands, no rating that deviates, no price or weight below 0, no deviation of voltages that counts, and no
    voltage of a root above a highest one.
    """
    model, highest = study.model, min(bus.v_sq_ub for bus in study.buses.values())
    counted = {term.term for term in model.objective} | {limit.term for limit in model.limits}
    return (
        set(study.modes) == {"connected"}
        and "line_rating" not in points.uncertainty.shapes
        and "voltage_deviation" not in counted
        and all(period.price_per_mwh >= 0.0 for period in study.periods.values())
        and all(term.weight >= 0.0 for term in model.objective)
        and all(np.nanmax(tree.root_sq) <= highest for tree in points.trees)
        and all(
            np.all(least >= 0.0)
            for tree in points.trees
            for least in taken_behind(study, decisions, points, tree, alpha)
        )
    )


def taken_behind(
    study: Study, decisions: Decisions, points: LimitPoints, tree: Fed, alpha: float
) -> tuple[Floats, Floats]:
    """Least active and reactive power that is taken behind every line, per unit, each of shape (periods, lines)."""
    uncertainty, mode = points.uncertainty, tree.mode
    least_p, least_q = (np.zeros((len(tree.periods), len(points.buses))) for _ in range(2))
    every = list(study.periods)
    for row, n in enumerate(tree.periods):
        t = every[n]
        for taken, loads, quantities in (
            (least_p, mode.p_load, ACTIVE_LOADS),
            (least_q, mode.q_load, REACTIVE_LOADS),
        ):
            low, high = product(uncertainty, quantities, t, alpha)
            for bus, place in points.place.items():
                load = loads[bus, t]
                kept = 0.0 if mode.shedding else load * low
                taken[row, place] += kept if load > 0.0 else load * high
        for site in decisions.dg:
            unit = study.dg[site.bus, site.technology]
            share = study.periods[t].share[unit.source] * factors(uncertainty, AVAILABILITY[unit.source], t, alpha)[1]
            least_p[row, points.place[site.bus]] -= unit.p_mw * share / study.base_mva
            least_q[row, points.place[site.bus]] -= unit.q_max_mvar * max(share, 1.0) / study.base_mva
        for site in decisions.ess:
            store = study.ess[site.bus, site.technology]
            least_p[row, points.place[site.bus]] -= store.p_mw / study.base_mva
            least_q[row, points.place[site.bus]] -= (store.sn_mva or 0.0) / study.base_mva
    return least_p @ tree.on_way, least_q @ tree.on_way


def product(uncertainty: UncertaintySet, quantities: tuple[Quantity, ...], t: int, alpha: float) -> tuple[float, float]:
    """The smallest and the largest product of the factors of some quantities in a period, at a radius."""
    ranges = [factors(uncertainty, quantity, t, alpha) for quantity in quantities]
    low, high = (float(np.prod(side)) for side in zip(*ranges, strict=True))
    return low, high
