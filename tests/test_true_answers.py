"""Feeders where power flows back, prices are negative or limits bind: right values found without this package.

``tests/prove/known.json`` holds cases, models and optima: from an own backward/forward sweep with root finding, from
SLSQP over enumerated sites and topologies, and by hand.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import igdt_planner as ip

KNOWN = json.loads((Path(__file__).parent / "prove" / "known.json").read_text(encoding="utf-8"))
BY_NAME = {entry["name"]: entry for entry in KNOWN}
GAP = {"negative_price_battery": 0.005}
"""The gap that must be reached; 0.1 % where none is named."""


@pytest.mark.parametrize("name", BY_NAME)
def test_plan_is_the_optimum_and_proven(name: str) -> None:
    entry = BY_NAME[name]
    plan = ip.solve(entry["case"], entry["model"], time_limit_s=20.0)
    assert (plan.status, plan.ac.verdict if plan.ac else None) == ("optimal", "feasible"), plan.explanation
    assert plan.objective == pytest.approx(entry["optimum"], rel=1e-4)
    assert plan.bound is not None and plan.objective is not None and plan.gap is not None
    assert plan.bound <= plan.objective
    assert plan.gap <= GAP.get(name, 0.001)


def test_curtailed_output_and_the_voltage_that_asks_for_it() -> None:
    entry = BY_NAME["pv_curtailment"]
    plan = ip.solve(entry["case"], entry["model"])
    assert plan.dispatch is not None and plan.ac is not None
    given = dict(zip(plan.dispatch.dg["period"], plan.dispatch.dg["p_mw"], strict=True))
    assert [given[t] for t in (1, 2, 3, 4)] == pytest.approx([1.8, 3.65592, 3.0, 0.0], abs=1e-4)
    assert plan.ac.buses["vm_pu"].max() == pytest.approx(1.03, abs=1e-6)


@pytest.mark.parametrize("at_most", [0.15, 0.1])
def test_limit_on_the_deviation_of_voltages_that_binds(at_most: float) -> None:
    """The AC voltages themselves add up to the limit, though the rows of the MILP lie below each."""
    entry = BY_NAME["pv_curtailment"]
    limited = entry["model"] | {"limits": [{"term": "voltage_deviation", "at_most": at_most}]}
    plan = ip.solve(entry["case"], limited, time_limit_s=20.0)
    assert plan.ac is not None and plan.ac.verdict == "feasible", plan.explanation
    assert (plan.ac.buses["vm_pu"] - 1.0).abs().sum() == pytest.approx(at_most, rel=2e-5)
    assert plan.gap is not None and plan.gap <= 0.001


def test_robust_alpha_where_the_baseline_is_curtailed() -> None:
    """7 (1 - alpha) MW are left at the alpha whose cost is 1.1 times 249.811 USD: 0.38495 by root finding."""
    entry = BY_NAME["robust_on_refused_baseline"]
    plan = ip.robust(entry["case"], entry["model"], 0.1, time_limit_s=20.0)
    assert plan.robustness["budget"] == pytest.approx(274.79, abs=0.01)
    assert plan.robustness["alpha"] == pytest.approx(0.38495, abs=1e-4)
    assert plan.robustness["alpha_bound"] == pytest.approx(plan.robustness["alpha"], rel=1e-3)


def four_mw_on_33_buses(buses: list[int], fixed: bool) -> tuple[Any, dict[str, Any]]:
    """``ieee33`` with 1.03 pu as upper limit, four prices and a unit of 4 MW that may be curtailed."""
    case = ip.case_to_dict(ip.load_case("ieee33"))
    for bus in case["buses"]:
        bus["vm_max_pu"] = 1.03
    for row, price in zip(case["profile"], (40.0, 60.0, 80.0, 60.0), strict=True):
        row["price_per_mwh"] = price
    model: dict[str, Any] = {
        "name": "four_mw",
        "unit": case["currency"],
        "objective": [{"term": "energy_cost", "mode": "connected"}],
        "modes": {"connected": {"weight": 1.0, "topology": "fixed"}},
        "dg": {"max_units": 1, "buses": buses, "technologies": [{"name": "pv", "p_mw": 4.0}]},
    }
    return case, model | ({"fix": {"dg": [{"bus": buses[0], "technology": "pv"}]}} if fixed else {})


def test_four_mw_at_the_end_of_33_buses() -> None:
    """1.0727, 1.3312, 1.7317 and 1.3312 MW keep bus 18 at 1.03 pu: 372.776 USD, by LPs on the AC equations."""
    plan = ip.solve(*four_mw_on_33_buses([18], fixed=True), time_limit_s=20.0)
    assert plan.objective == pytest.approx(372.776, abs=0.01)
    assert plan.gap is not None and plan.gap <= 0.001
    assert plan.dispatch is not None
    assert sorted(plan.dispatch.dg["p_mw"]) == pytest.approx([1.0727, 1.3312, 1.3312, 1.7317], abs=1e-3)


@pytest.mark.slow
def test_four_mw_at_the_best_of_three_buses() -> None:
    """The plan with a free site is the best of the plans with each site stated."""
    each = [ip.solve(*four_mw_on_33_buses([bus], fixed=True)).objective for bus in (3, 18, 25)]
    plan = ip.solve(*four_mw_on_33_buses([3, 18, 25], fixed=False), time_limit_s=60.0)
    assert plan.objective == pytest.approx(min(value for value in each if value is not None), rel=0.005)
