"""A topology for every period: the cheapest way by brute force, and static against dynamic on the same data."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import igdt_planner as ip
from igdt_planner.model import load_model, override
from igdt_planner.search.dynamic import cheapest_way

DYNAMIC = override(load_model("reconfiguration"), {"periods": "all", "modes.connected.topology": "dynamic"})


@pytest.mark.parametrize("limit", [None, 0, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_cheapest_way_by_brute_force(seed: int, limit: int | None) -> None:
    rng = np.random.default_rng(seed)
    costs, states = rng.uniform(size=(4, 4)), rng.integers(0, 2, (5, 3))
    changes = np.abs(states[:, None] - states[None]).sum(axis=2)
    price = 0.1 * seed

    def cost(way: tuple[int, ...]) -> float:
        steps = changes[0, 1 + way[0]] + sum(changes[1 + a, 1 + b] for a, b in itertools.pairwise(way))
        return np.inf if limit is not None and steps > limit else float(costs[range(4), way].sum() + price * steps)

    best = min(map(cost, itertools.product(range(4), repeat=4)))
    way = cheapest_way(costs, changes[1:, 1:], changes[0, 1:], price, limit)
    assert np.isinf(best) if way is None else cost(tuple(way)) == pytest.approx(best)


def windy(case: str) -> ip.Case:
    """A case whose load and DG do not move together, so that the best topology may change."""
    given = ip.load_case(case)
    hours = {"period": [1, 2, 3], "start_h": [0.0, 1.0, 2.0], "load": [0.5, 1.0, 0.7], "dg": [1.0, 0.0, 0.0]}
    return dataclasses.replace(given, profile=given.profile.iloc[[0, 0, 0]].reset_index(drop=True).assign(**hours))


@pytest.mark.slow
def test_dynamic_is_never_worse_than_static_and_operations_cost() -> None:
    technology = {"name": "wind", "p_mw": 8.0, "q_max_mvar": 0.0}
    sited = override(DYNAMIC, {"dg.max_units": 1, "dg.buses": [16], "dg.technologies": [technology]})
    static = override(sited, {"modes.connected.topology": "static"})
    two = override(sited, {"modes.connected.max_switching_operations": 2})
    found = {
        name: ip.search(windy("ieee16"), model, evaluations=300, seed=0)
        for name, model in {"free": sited, "static": static, "few": two}.items()
    }
    for plan in found.values():
        assert plan.ac is not None and plan.ac.verdict == "feasible" and plan.objective is not None
    losses = {name: plan.objective or 0.0 for name, plan in found.items()}
    assert losses["free"] < losses["static"] * (1.0 - 1e-3)
    assert losses["free"] <= losses["few"] * (1.0 + 1e-6)
    opened = found["few"].open_lines["connected"]
    lines = ip.load_case("ieee16").lines
    base = set(lines.loc[~lines["in_service"], "id"])
    steps = [base, *(set(states) for _, states in sorted(opened.items()))]
    assert sum(len(a ^ b) for a, b in itertools.pairwise(steps)) <= 2
