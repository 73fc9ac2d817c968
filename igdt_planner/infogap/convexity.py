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
from igdt_planner.infogap.export import ACTIVE_LOADS, REACTIVE_LOADS, factors, load_factors
from igdt_planner.infogap.limit_points import Fed, LimitPoints
from igdt_planner.infogap.shapes import Floats
from igdt_planner.model import AVAILABILITY


def is_convex(points: LimitPoints, decisions: Decisions, alpha: float) -> bool:
    """Whether power flows one way on every line of a connected network, at every point of the set at a radius.

    No islands, no rating that deviates, no price or weight below 0, no deviation of voltages that counts, and no
    voltage of a root above a highest one.
    """
    study, model = points.study, points.study.model
    highest = min(bus.v_sq_ub for bus in study.buses.values())
    counted = {term.term for term in model.objective} | {limit.term for limit in model.limits}
    return (
        set(study.modes) == {"connected"}
        and "line_rating" not in points.uncertainty.shapes
        and "voltage_deviation" not in counted
        and all(period.price_per_mwh >= 0.0 for period in study.periods.values())
        and all(term.weight >= 0.0 for term in model.objective)
        and all(np.nanmax(tree.root_sq) <= highest for tree in points.trees)
        and all(np.all(least >= 0.0) for tree in points.trees for least in taken_behind(points, decisions, tree, alpha))
    )


def taken_behind(points: LimitPoints, decisions: Decisions, tree: Fed, alpha: float) -> tuple[Floats, Floats]:
    """Least active and reactive power that is taken behind every line, per unit, each of shape (periods, lines)."""
    given = [given_at_most(points, decisions, t, alpha) for t in points.study.periods]
    taken = [taken_at_least(points, tree, t, alpha) for t in points.study.periods]
    p, q = np.moveaxis(np.array(taken) - np.array(given), 1, 0)
    return p[tree.periods] @ tree.on_way, q[tree.periods] @ tree.on_way


def taken_at_least(points: LimitPoints, tree: Fed, t: int, alpha: float) -> Floats:
    """Least active and reactive power that loads take in a period, per unit, shape (2, buses); some give instead."""
    mode, least = tree.mode, np.zeros((2, len(points.buses)))
    for row, loads, quantities in ((0, mode.p_load, ACTIVE_LOADS), (1, mode.q_load, REACTIVE_LOADS)):
        low, high = load_factors(points.uncertainty, quantities, t, alpha)
        for bus, place in points.place.items():
            kept = 0.0 if mode.shedding else loads[bus, t] * low
            least[row, place] = kept if loads[bus, t] > 0.0 else loads[bus, t] * high
    return least


def given_at_most(points: LimitPoints, decisions: Decisions, t: int, alpha: float) -> Floats:
    """Most active and reactive power that units built give in a period, per unit, shape (2, buses)."""
    study, most = points.study, np.zeros((2, len(points.buses)))
    for site in decisions.dg:
        unit = study.dg[site.bus, site.technology]
        share = (
            study.periods[t].share[unit.source] * factors(points.uncertainty, AVAILABILITY[unit.source], t, alpha)[1]
        )
        most[:, points.place[site.bus]] += unit.p_mw * share, unit.q_max_mvar * max(share, 1.0)
    for site in decisions.ess:
        store = study.ess[site.bus, site.technology]
        most[:, points.place[site.bus]] += store.p_mw, store.sn_mva or 0.0
    return most / study.base_mva
