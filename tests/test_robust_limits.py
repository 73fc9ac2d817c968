"""Alpha that a limit of the network ends: every limit has worst points of its own, and no relaxation judges them."""

from typing import Any

import pytest

import igdt_planner as ip

OHM = {"r_ohm": 0.6, "x_ohm": 0.5, "in_service": True, "switchable": False}


def feeder(*loads: tuple[float, float], high: float = 1.02, low: float = 0.95, rating_ka: float | None = None) -> Any:
    """A feeder of 11 kV: a strong substation, then a bus for each load (MW, Mvar); the last one has other limits."""
    buses = [{"id": 1, "vn_kv": 11.0, "p_mw": 10.0, "q_mvar": 0.0, "vm_min_pu": 0.95, "vm_max_pu": 1.05}]
    for number, (p_mw, q_mvar) in enumerate(loads, 2):
        last = number == len(loads) + 1
        limits = {"vm_min_pu": low if last else 0.9, "vm_max_pu": high if last else 1.1}
        negative = {"load_may_be_negative": True} if min(p_mw, q_mvar) < 0.0 else {}
        buses.append({"id": number, "vn_kv": 11.0, "p_mw": p_mw, "q_mvar": q_mvar} | limits | negative)
    lines = [{"id": n, "from_bus": n, "to_bus": n + 1} | OHM for n in range(1, len(buses))]
    if rating_ka is not None:
        lines[-1]["max_i_ka"] = rating_ka
    return {
        "schema": "igdt-planner/case/1",
        "name": "prosumers",
        "base_mva": 1.0,
        "currency": "USD",
        "buses": buses,
        "lines": lines,
        "substations": [{"bus": 1, "vm_pu": 1.0}],
        "profile": [{"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 1.0, "price_per_mwh": 50.0}],
    }


def model(**more: Any) -> dict[str, Any]:
    """Energy bought, load uncertain to both sides, each bus on its own."""
    return {
        "name": "limits",
        "unit": "USD",
        "losses": "balance",
        "objective": [{"term": "energy_cost", "mode": "connected"}],
        "modes": {"connected": {"weight": 1.0, "topology": "fixed"}},
        "uncertain": [{"quantity": "load", "direction": "both"}],
        "solver": {"gap": 1e-4},
    } | more


def test_net_feed_in_that_lifts_a_voltage() -> None:
    """Bus 3 reaches 1.02 pu at 0.0742 (own sweep, bus 2 low and bus 3 high); cost alone would allow 0.1215."""
    plan = ip.robust(feeder((2.0, 0.5), (-3.0, 0.0)), model(), 0.2, time_limit_s=20.0)
    facts = plan.robustness
    assert facts["alpha"] == pytest.approx(0.07419, abs=3e-5) and facts["alpha_limit"] == "network"
    assert facts["alpha"] <= facts["alpha_bound"] <= 1.002 * facts["alpha"]
    ends = facts["worst_case"]["ends"]
    assert (ends["kind"], ends["component"], ends["id"], ends["period"]) == ("voltage", "bus", 3, 1)
    assert {row["component"]: row["factor"] > 1.0 for row in ends["point"]["load"]} == {1: False, 2: False, 3: True}
    assert facts["same_as_baseline"] and "bus 3" in facts["in_words"]
    assert facts["worst_case"]["proof"] == "vertices"
    evidence = ip.evidence(plan, 1000, rays=50, radii=(1.0, 1.05))
    assert not any(evidence.breaks.values())
    assert list(evidence.rays["broken"] > 0) == [False, True]


def test_load_that_lowers_a_voltage() -> None:
    """One bus with P = 2 MW: v falls below its limit where an own power flow says so; the budget is far."""
    limit = 0.9846
    plan = ip.robust(feeder((2.0, 0.5), low=limit), model(), 1.0, time_limit_s=20.0)
    assert plan.robustness["alpha_limit"] == "network"
    assert plan.robustness["alpha"] == pytest.approx(load_factor_at(limit, 2.0, 0.5) - 1.0, abs=2e-4)
    assert plan.robustness["worst_case"]["proof"] == "convex"  # nothing flows back


@pytest.mark.parametrize(
    ("p_mw", "q_max_mvar", "proof"), [(0.9, 0.2, "convex"), (1.2, 0.2, "vertices"), (0.9, 0.6, "vertices")]
)
def test_what_vertices_prove_depends_on_flow_back(p_mw: float, q_max_mvar: float, proof: str) -> None:
    """Load falls to 1.1 MW and 0.27 Mvar at alpha; behind it a unit gives less: power flows one way, or it may not."""
    unit = {"name": "g", "p_mw": p_mw, "q_min_mvar": 0.0, "q_max_mvar": q_max_mvar, "generation_cost_per_mwh": 60.0}
    sites = {"max_units": 1, "buses": [2], "technologies": [unit]}
    asked = model(
        dg=sites, fix={"dg": [{"bus": 2, "technology": "g"}]}, uncertain=[{"quantity": "load", "weight": 0.5}]
    )
    plan = ip.robust(feeder((2.0, 0.5), low=0.9), asked, 0.49, time_limit_s=20.0)
    assert 0.86 < plan.robustness["alpha"] < 0.92
    assert plan.robustness["worst_case"]["proof"] == proof


def test_feed_in_that_overloads_a_line() -> None:
    """3 MW of feed-in behind a line of 0.16 kA: alpha is what leaves the current there, not what the cost allows."""
    plan = ip.robust(feeder((2.0, 0.5), (-3.0, 0.0), high=1.05, rating_ka=0.16), model(), 0.9, time_limit_s=20.0)
    ends = plan.robustness["worst_case"]["ends"]
    assert plan.robustness["alpha_limit"] == "network"
    assert (ends["kind"], ends["component"], ends["id"]) == ("rating", "line", 2)
    assert plan.ac is not None and plan.ac.verdict == "feasible"


def load_factor_at(vm_pu: float, p_mw: float, q_mvar: float) -> float:
    """By which factor a load at the end of one line may grow until its voltage is at a limit: by bisection."""
    r, x = OHM["r_ohm"] / 121.0, OHM["x_ohm"] / 121.0
    low, high = 0.0, 3.0
    for _ in range(60):
        factor = 0.5 * (low + high)
        voltage = complex(1.0)
        for _ in range(100):
            voltage = 1.0 - complex(r, x) * (complex(p_mw, q_mvar) * factor / voltage).conjugate()
        low, high = (factor, high) if abs(voltage) >= vm_pu else (low, factor)
    return low
