"""Early plans: units placed greedily at one topology and swapped, beside all choices there are."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from networks import town

import igdt_planner as ip
from igdt_planner.model import override
from igdt_planner.solver.highs import Options
from igdt_planner.solver.placement import Placement, nearest_topology, spanning
from igdt_planner.solver.problem import Switches
from igdt_planner.solver.solve import compiled
from igdt_planner.starts import untouched
from igdt_planner.study import resolve

FEW = (8, 13, 20, 24)
"""Hours of the day that are enough: morning, noon, evening, night."""


def short_town(**settings: Any) -> tuple[dict[str, Any], ip.Model]:
    """The town's feeder over four periods of six hours."""
    case, model = town()
    hours = [case["profile"][hour - 1] for hour in FEW]
    case["profile"] = [hour | {"period": t, "start_h": 6.0 * t, "duration_h": 6.0} for t, hour in enumerate(hours, 1)]
    return case, override(ip.load_model(model), settings)


@pytest.fixture(scope="module")
def placement() -> Placement:
    """Up to 2 PV of 1 MW at four buses."""
    case, model = short_town(**{"dg.buses": [3, 7, 15, 20], "ess": {"max_units": 0}})
    study = resolve(ip.load_case(case), model)
    main = compiled(study)
    start = untouched(study)
    point = np.array([start.get(name, 0.0) for name in main.names])
    return Placement(main.problem, nearest_topology(main.problem, point), Options(), np.inf)


def test_greedy_and_swaps_find_the_best_of_all_sites(placement: Placement) -> None:
    every = [frozenset(sites) for count in range(3) for sites in combinations(range(len(placement.sites)), count)]
    cost = {sites: placement.at(sites, more=False).cost for sites in every}
    best = min(cost, key=lambda sites: cost[sites])
    assert len(best) == 2 and cost[best] < 0.97 * cost[frozenset()]
    assert cost[placement.swapped(placement.greedy())] == pytest.approx(cost[best], rel=2e-5)
    for poor in (frozenset[int](), max((s for s in every if len(s) == 2), key=lambda sites: cost[sites])):
        assert cost[placement.swapped(poor)] == pytest.approx(cost[best], rel=2e-5)


def test_what_may_be_built_besides_bounds_it(placement: Placement) -> None:
    nothing = frozenset[int]()
    one = min(placement.at(frozenset({site}), more=False).cost for site in range(len(placement.sites)))
    assert placement.at(nothing, more=True).cost < one < placement.at(nothing, more=False).cost


def test_tree_of_greatest_weight() -> None:
    """A ring of three lines from the root -1: the weakest stays open; a line of weight 0 is never closed."""
    ring = Switches(np.arange(4), np.array([[-1, 1], [1, 2], [2, -1], [2, 3]]), feeds_all=True)
    assert spanning(ring, np.array([0.9, 0.2, 0.8, 1.0])).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert spanning(ring, np.array([0.0, 0.2, 0.8, 1.0])).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_units_are_placed_before_the_relaxation_stands() -> None:
    events: list[dict[str, Any]] = []
    plan = ip.solve(*short_town(), on_event=events.append)
    kinds = [event["kind"] for event in events]
    nothing, early = (event["objective"] for event in events if event["kind"] == "incumbent")
    assert kinds[:4] == ["started", "incumbent", "incumbent", "bound"]
    assert early < 0.95 * nothing and plan.status == "optimal"
    assert early == pytest.approx(plan.objective, rel=1e-3)
    assert len(plan.dg) == 2 and plan.warnings == ()


@pytest.mark.slow
def test_town_has_a_plan_with_units() -> None:
    plan = ip.solve(*town())
    assert plan.gap is not None and plan.gap < 5e-3
    assert (len(plan.dg), len(plan.ess)) == (2, 1)
