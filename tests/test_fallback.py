"""When AC says no: a case for every step by which a plan is mended, and what the relaxation would have claimed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hand import hand, inline

import igdt_planner as ip
from igdt_planner.model import Model, load_model, override
from igdt_planner.session import Session

RECONFIGURATION = load_model("reconfiguration")
LINEAR = override(RECONFIGURATION, {"losses": "objective"})


def accepted(plan: ip.Plan) -> None:
    """AC confirms a plan: its own power flow, and once more from the document alone."""
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert ip.check(plan).ac.verdict == "feasible"  # type: ignore[union-attr]


def raised(case: str, vm_min_pu: float) -> ip.Case:
    """A shipped case with a higher voltage limit."""
    given = ip.load_case(case)
    return dataclasses.replace(given, buses=given.buses.assign(vm_min_pu=vm_min_pu))


def test_exact_losses_need_no_mending() -> None:
    plan = ip.solve("ieee16", RECONFIGURATION)
    accepted(plan)
    assert plan.decided_by == "milp" and not plan.redispatched


def test_redispatch_of_a_plan_without_losses() -> None:
    """Linear losses shed too little in an island; dispatched anew, the sources keep within their ratings."""
    plan = ip.solve("feeder4", hand("islanded", {"losses": "objective"}))
    accepted(plan)
    assert plan.decided_by == "redispatch" and plan.redispatched
    assert plan.objective is not None and plan.model_objective is not None


def test_switched_anew_where_ac_refuses_the_topology() -> None:
    """Least losses of ieee33 leave 0.9378 pu; without losses in the voltage drop it seems to be more than 0.9385."""
    plan = ip.solve(raised("ieee33", 0.9385), LINEAR, time_limit_s=60)
    accepted(plan)
    assert plan.decided_by == "topology"
    assert plan.ac is not None and plan.ac.vm_min_pu is not None and plan.ac.vm_min_pu >= 0.9385 - 1e-6
    assert plan.objective == pytest.approx(0.139978, rel=2e-3)


def two_branches() -> dict[str, Any]:
    """1-2 with 1 MW and hardly any room for its voltage, 1-3 with 1.5 MW and room enough; no switch anywhere."""
    case = inline()
    bus, line = case["buses"][0], case["lines"][0]
    limits = {1: (0.9, 0.0), 2: (0.98992, 1.0), 3: (0.9, 1.5)}
    case["buses"] = [bus | {"id": i, "vm_min_pu": v, "p_mw": p, "q_mvar": 0.0} for i, (v, p) in limits.items()]
    ohm = 0.01 * bus["vn_kv"] ** 2
    wire = line | {"r_ohm": ohm, "x_ohm": 0.0, "max_i_ka": None, "switchable": False, "in_service": True}
    case["lines"] = [wire | {"id": k, "from_bus": 1, "to_bus": k + 1} for k in (1, 2)]
    return case


def one_dg(losses: str) -> Model:
    technology = {"name": "dg", "p_mw": 0.3, "q_max_mvar": 0.0}
    return override(
        RECONFIGURATION,
        {"losses": losses, "dg.max_units": 1, "dg.technologies": [technology], "modes.connected.topology": "fixed"},
    )


def test_sited_anew_where_ac_refuses_the_sites() -> None:
    """By r P / V^2 alone bus 2 keeps its limit (0.98995 pu) and DG lowers most losses at bus 3; by AC it is 0.98990."""
    plan = ip.solve(two_branches(), one_dg("objective"))
    accepted(plan)
    assert plan.decided_by == "sites"
    assert plan.dg["bus"].tolist() == [2]


def paid_to_consume(price_per_mwh: float) -> tuple[dict[str, Any], Model]:
    """1 MW behind a line of 0.05 pu, and a price for what the substation delivers."""
    case = inline()
    bus, line = case["buses"][0], case["lines"][0]
    case["buses"] = [bus | {"id": i, "vm_min_pu": 0.8, "p_mw": p, "q_mvar": 0.0} for i, p in ((1, 0.0), (2, 1.0))]
    ohm = 0.05 * bus["vn_kv"] ** 2
    wire = {"id": 1, "from_bus": 1, "to_bus": 2, "r_ohm": ohm, "x_ohm": 0.0, "max_i_ka": None, "switchable": False}
    case["lines"] = [line | wire]
    case["profile"] = [period | {"price_per_mwh": price_per_mwh} for period in case["profile"]]
    model = {"objective": [{"term": "energy_cost", "mode": "connected"}], "unit": "money"}
    return case, override(RECONFIGURATION, model | {"modes.connected.topology": "fixed"})


@pytest.mark.parametrize("price_per_mwh", [50.0, -50.0])
def test_losses_that_do_not_flow_are_not_believed(price_per_mwh: float) -> None:
    """At a negative price the relaxation burns power for money; by AC v (1 - v) = 0.05, and the current is 1 / v."""
    plan = ip.solve(*paid_to_consume(price_per_mwh))
    accepted(plan)
    v = (1.0 + np.sqrt(1.0 - 4.0 * 0.05)) / 2.0
    assert plan.objective == pytest.approx(price_per_mwh * (1.0 + 0.05 / v**2), rel=1e-5)
    assert plan.model_objective == pytest.approx(plan.objective, rel=1e-5)
    assert plan.bound is not None and plan.objective is not None and plan.bound <= plan.objective
    assert plan.decided_by == "milp"


def test_robust_plan_switched_anew_where_ac_leaves_little_of_alpha() -> None:
    """With 0.93 pu to be kept, linear losses promise alpha 0.18; with exact ones it is 0.1311, at another topology."""
    plan = ip.robust(raised("ieee33", 0.93), LINEAR, beta=0.3, time_limit_s=12.0)
    accepted(plan)
    assert plan.decided_by == "topology" and plan.bound_of == "linear" and plan.status == "feasible"
    assert plan.open_lines == {"connected": {3: (7, 9, 14, 28, 32)}}
    assert plan.robustness["alpha"] == pytest.approx(0.13107, rel=1e-3)


def test_search_takes_over_where_the_milp_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same 0.9385 pu, and no steps before the search."""
    monkeypatch.setattr(Session, "freed", lambda self, whole: {})
    plan = ip.solve(raised("ieee33", 0.9385), LINEAR, time_limit_s=5.0)
    accepted(plan)
    assert plan.decided_by == "search" and plan.status == "feasible"
    assert plan.objective == pytest.approx(0.139978, rel=1e-4)
