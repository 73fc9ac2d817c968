"""Feeders with much PV: curtailable plants of 150 % of the peak load behind a limit of 1.05 pu, over one day.

``feeder`` makes them of ``ieee69`` and of ``case118zh``; the row asks how far load and PV may be wrong.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import igdt_planner as ip
from igdt_planner.case import Case
from igdt_planner.plan import Plan
from tests.benchmarks.measure import Measure, at_least, at_most, equal, stated

PLANTS = {
    "ieee69": (11, 18, 27, 49, 61, 65),
    "case118zh": (9, 27, 35, 43, 54, 62, 74, 85, 99, 113),
}
"""Buses of the plants, which are of equal size: most of them far out."""
PV_SHARE, VM_MAX_PU = 1.5, 1.05
"""Rated PV in all as a share of the peak load; highest voltage at every bus but the substation."""
LOAD = (
    *(0.42, 0.38, 0.36, 0.35, 0.36, 0.42, 0.55, 0.66, 0.70, 0.68, 0.66, 0.66),
    *(0.65, 0.62, 0.60, 0.62, 0.70, 0.84, 0.97, 1.00, 0.94, 0.80, 0.64, 0.50),
)
PV = (
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.10, 0.26, 0.46, 0.66, 0.82, 0.93),
    *(0.97, 0.95, 0.86, 0.70, 0.50, 0.29, 0.12, 0.02, 0.0, 0.0, 0.0, 0.0),
)
"""Shares of the peak load and of rated PV, by the hour."""
PRICE_PER_MWH = tuple(round(40.0 + 60.0 * load, 2) for load in LOAD)
WEIGHTS = {"load": 0.5, "pv": 1.0}
"""Deviation per unit of alpha, to both sides, of every bus and plant on its own."""
BETA, TIME_LIMIT_S, SAMPLES = 0.1, 240.0, 1_000


def feeder(name: str) -> tuple[Case, dict[str, Any]]:
    """Case and model of a feeder with PV."""
    from tests.benchmarks.rows import matpower_feeder  # rows imports this module

    case = ip.load_case(name) if name in ip.list_cases() else matpower_feeder(name)
    document = ip.case_to_dict(case)
    fed = {row["bus"] for row in document["substations"]}
    buses = [row if row["id"] in fed else row | {"vm_max_pu": VM_MAX_PU} for row in document["buses"]]
    variant = ip.load_case(document | {"name": f"{name}_pv", "buses": buses, "profile": day()})
    return variant, model(case, PLANTS[name])


def day() -> list[dict[str, float]]:
    """The profile of one day, in hours."""
    return [
        {"period": hour, "start_h": hour - 1.0, "duration_h": 1.0, "load": load, "pv": pv, "price_per_mwh": price}
        for hour, (load, pv, price) in enumerate(zip(LOAD, PV, PRICE_PER_MWH, strict=True), 1)
    ]


def model(case: Case, plants: tuple[int, ...]) -> dict[str, Any]:
    """Stated plants at unity power factor, which may be curtailed; least cost of energy at the base topology."""
    p_mw = round(PV_SHARE * float(case.buses["p_mw"].sum()) / len(plants), 4)
    return {
        "name": "pv_rich",
        "unit": "USD",
        "losses": "balance",
        "objective": [{"term": "energy_cost", "mode": "connected"}],
        "modes": {"connected": {"weight": 1.0, "topology": "fixed"}},
        "dg": {
            "max_units": len(plants),
            "buses": list(plants),
            "technologies": [{"name": "plant", "source": "pv", "p_mw": p_mw, "grid_forming": False}],
        },
        "fix": {"dg": [{"bus": bus, "technology": "plant"} for bus in plants]},
        "uncertain": [{"quantity": quantity, "weight": weight} for quantity, weight in WEIGHTS.items()],
    }


def pv_rich(name: str, share: float) -> list[Measure]:
    """A robust plan of a feeder with PV, its bound, and its evidence."""
    case, asked = feeder(name)
    begun = time.perf_counter()
    plan = ip.robust(case, asked, BETA, time_limit_s=TIME_LIMIT_S * share)
    seconds = time.perf_counter() - begun
    alpha, bound = plan.robustness.get("alpha"), plan.robustness.get("alpha_bound")
    return [
        at_least("AC-verified alpha", alpha, 1e-4),
        stated("alpha_bound", bound),
        stated("status", plan.status),
        stated("what ends alpha", plan.robustness.get("alpha_limit")),
        equal("AC verdict", plan.ac.verdict if plan.ac else "not_checked", "feasible"),
        equal("broken by the adversary", "yes" if plan.robustness["worst_case"].get("broken") else "no", "no"),
        at_most("seconds", seconds, 300.0, "s"),
        *clean(plan, max(1, int(SAMPLES * share))),
    ]


def clean(plan: Plan, samples: int) -> list[Measure]:
    """Samples of the plan that leave the budget or a limit."""
    if not plan.robustness.get("alpha"):
        return [equal("evidence", "no alpha to be tried", "clean")]
    found = ip.evidence(plan, samples)
    return [equal("evidence", "; ".join(found.findings) or "clean", "clean")]


FEEDERS = {name: partial(pv_rich, name) for name in PLANTS}
"""Rows by name of the feeder."""
