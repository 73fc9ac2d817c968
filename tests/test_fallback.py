"""When AC says no: a case for every step by which a plan is mended, and what the relaxation would have claimed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hand import hand, inline
from networks import chain

import igdt_planner as ip
from igdt_planner import repair
from igdt_planner.model import Model, load_model, override

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


def verdicts(plan: ip.Plan) -> dict[str, str]:
    """What AC said of every step, in the order in which they were tried."""
    return {step.step: step.verdict for step in plan.steps}


REDISPATCHED = {"milp": "violated", "redispatch": "feasible"}


def test_exact_losses_need_no_mending() -> None:
    plan = ip.solve("ieee16", RECONFIGURATION)
    accepted(plan)
    assert plan.decided_by == "milp" and not plan.redispatched
    assert verdicts(plan) == {"milp": "feasible"}


def test_redispatch_of_a_plan_without_losses() -> None:
    """Linear losses shed too little in an island; dispatched anew, the sources keep within their ratings."""
    plan = ip.solve("feeder4", hand("islanded", {"losses": "objective"}))
    accepted(plan)
    assert plan.decided_by == "redispatch" and plan.redispatched
    assert verdicts(plan) == REDISPATCHED
    own, anew = plan.steps
    assert own.model_objective == plan.model_objective == pytest.approx(1.8)
    assert anew.objective == plan.objective == pytest.approx(anew.model_objective) and plan.objective > 1.8


def bought(generation_cost_per_mwh: float) -> Model:
    """Energy bought at the substation or generated at the last bus, with linear losses."""
    technology = {"name": "dg", "p_mw": 3.0, "generation_cost_per_mwh": generation_cost_per_mwh}
    terms = [{"term": term, "mode": "connected"} for term in ("energy_cost", "generation_cost")]
    dg = {"dg.max_units": 1, "dg.technologies": [technology]}
    return override(LINEAR, {"objective": terms, "unit": "money", "modes.connected.topology": "fixed"} | dg)


def test_long_feeder_dispatched_anew() -> None:
    """Five times 0.2 MW over 0.01 pu each: dear DG at the end lifts it to 0.975 pu, by AC a little more of it.

    Without losses ``v^2 = 1 - 0.02 (15 * 0.2 - 5 g) = 0.975^2``, so g = 0.10625 MW.
    """
    case = chain([(0.0, 0.0)] + [(0.2, 0.0)] * 5, 0.01, 0.0, 0.975)
    plan = ip.solve(case, override(bought(200.0), {"dg.buses": [6]}))
    accepted(plan)
    assert plan.decided_by == "redispatch" and verdicts(plan) == REDISPATCHED
    assert plan.model_objective == pytest.approx(50.0 * (1.0 - 0.10625) + 200.0 * 0.10625)
    assert plan.dispatch is not None and plan.dispatch.dg["p_mw"].item() > 0.11
    assert plan.ac is not None and plan.ac.vm_min_pu == pytest.approx(0.975, abs=1e-6)


def test_reverse_flow_of_a_large_dg_is_curtailed() -> None:
    """Cheap DG sells over a line of 1 pu: at a source of 0.95 pu that carries 0.95 MW to it, not 1 MW as at 1 pu.

    Losses only lower voltages, so that neglecting them never hides one that is too high; the current gives it away.
    """
    case = chain([(0.0, 0.0), (0.1, 0.0)], 0.02, 0.0)
    case["substations"][0]["vm_pu"] = 0.95
    case["lines"][0]["max_i_ka"] = 1.0 / (np.sqrt(3.0) * 10.0)
    plan = ip.solve(case, bought(10.0))
    accepted(plan)
    assert plan.decided_by == "redispatch" and verdicts(plan) == REDISPATCHED
    assert plan.model_objective == pytest.approx(10.0 * 1.1 - 50.0)
    assert plan.dispatch is not None and plan.dispatch.dg["p_mw"].item() == pytest.approx(0.1 + 0.95 + 0.02, abs=1e-5)


def test_island_short_of_reactive_power_sheds_more() -> None:
    """The grid-forming DG can give the 0.4 Mvar of the load, but not what the line takes besides."""
    technology = {"name": "dg", "p_mw": 2.0, "q_max_mvar": 0.4}
    island = {"modes": {"islanded": {"weight": 1.0}}, "objective": [{"term": "ens", "mode": "islanded"}]}
    dg = {"dg.max_units": 1, "dg.buses": [2], "dg.technologies": [technology]}
    plan = ip.solve(chain([(0.0, 0.0), (0.0, 0.0), (0.8, 0.4)], 0.01, 0.05), override(LINEAR, island | dg))
    accepted(plan)
    assert plan.decided_by == "redispatch" and verdicts(plan) == REDISPATCHED
    assert plan.model_objective == pytest.approx(0.0, abs=1e-9)
    assert plan.ac is not None and plan.objective is not None
    served, v = 1.0 - plan.objective / 0.8, plan.ac.buses.set_index("bus")["vm_pu"]
    assert 0.4 * served + 0.05 * 0.8 * served**2 / v[3] ** 2 == pytest.approx(0.4, abs=1e-5)
    assert plan.ac.sources["q_mvar"].item() == pytest.approx(0.4, abs=1e-5)


@pytest.mark.slow
def test_switched_anew_where_ac_refuses_the_topology() -> None:
    """Least losses of ieee33 leave 0.9378 pu; without losses in the voltage drop it seems to be more than 0.9385."""
    plan = ip.solve(raised("ieee33", 0.9385), LINEAR, time_limit_s=60)
    accepted(plan)
    assert plan.decided_by == "topology"
    assert verdicts(plan) == {"milp": "violated", "redispatch": "not_checked", "topology": "feasible"}
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
    assert verdicts(plan) == {"milp": "violated", "redispatch": "not_checked", "sites": "feasible"}


def test_where_nothing_is_left_to_decide_the_plan_stays_refused() -> None:
    """Bus 2 without DG: 0.98990 pu by AC; steps that free no line and no site are not tried."""
    plan = ip.solve(two_branches(), override(one_dg("objective"), {"dg": {"max_units": 0}}))
    assert plan.decided_by == "none" and plan.ac is not None and plan.ac.verdict == "violated"
    assert verdicts(plan) == {"milp": "violated", "redispatch": "not_checked"}


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


def ring(p_mw: float, r_pu: tuple[float, float, float], vm_min_pu: float) -> dict[str, Any]:
    """1-2, 2-3 and 1-3, all with switches, 2-3 open; 1 MW and a voltage limit at bus 2, another load at bus 3."""
    case = chain([(0.0, 0.0), (1.0, 0.0), (p_mw, 0.0)], 0.0, 0.0, 0.7)
    case["buses"][1] |= {"vm_min_pu": vm_min_pu}
    wire, ohm = case["lines"][0] | {"switchable": True}, case["buses"][0]["vn_kv"] ** 2
    ends = zip(((1, 2), (2, 3), (1, 3)), r_pu, strict=True)
    case["lines"] = [
        wire | {"id": k, "from_bus": i, "to_bus": j, "r_ohm": r * ohm, "in_service": k != 2}
        for k, ((i, j), r) in enumerate(ends, 1)
    ]
    return case


def test_search_takes_over_where_the_milp_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bus 2 is to keep 0.9425 pu: on its own line ``v^2 = 1 - 2 * 0.055`` seems enough, ``v (1 - v) = 0.055`` is not.

    Over bus 3 it does; no steps but the search may find that.
    """
    monkeypatch.setattr(repair, "freed", lambda session, decisions: {})
    plan = ip.solve(ring(1.0, (0.055, 0.01, 0.02), 0.9425), LINEAR)
    accepted(plan)
    assert plan.decided_by == "search" and plan.status == "feasible"
    assert verdicts(plan) == {"milp": "violated", "redispatch": "not_checked", "search": "feasible"}
    assert plan.open_lines == {"connected": {1: (1,)}}


def test_robust_plan_switched_anew_where_ac_leaves_little_of_alpha() -> None:
    """Linear losses promise alpha 0.8 where bus 2 has its own line, AC leaves 0.6: less than over bus 3.

    There two operations leave so much of the budget that ``0.0221 (1 + alpha)^2`` of losses allow 0.75, by AC 0.687.
    """
    operation = (0.5 - 0.0221 * 1.75**2) / 2.0
    terms = [{"term": "losses", "mode": "connected"}, {"term": "switching", "mode": "connected", "weight": operation}]
    plan = ip.robust(ring(0.1, (0.1, 0.01, 0.01), 0.8), override(LINEAR, {"objective": terms, "unit": "u"}), budget=0.5)
    accepted(plan)
    assert plan.decided_by == "topology" and plan.bound_of == "linear" and plan.status == "feasible"
    assert plan.open_lines == {"connected": {1: (1,)}}
    assert plan.robustness["alpha"] == pytest.approx(0.687, abs=1e-3)
    assert plan.objective == pytest.approx(0.5, rel=1e-4)
    assert [(step.step, step.verdict) for step in plan.steps] == [
        ("milp", "violated"),
        ("redispatch", "feasible"),
        ("topology", "feasible"),
    ]
    assert plan.steps[1].alpha == pytest.approx(0.6, rel=1e-3)


def test_alpha_that_ac_refuses_is_approached_again_from_below() -> None:
    """``r P`` is 0.1 and 0.8 pu are to be kept: alpha 0.8 without losses, by ``v (1 - v) = 0.1 (1 + alpha)`` it is 0.6.

    Steps of 1, 2, 4, 8 and 16 % from 0.8 on go down to 0.576, past the 0.6 that survives.
    """
    model = override(LINEAR, {"modes.connected.topology": "fixed"})
    plan = ip.robust(chain([(0.0, 0.0), (1.0, 0.0)], 0.1, 0.0, 0.8), model, budget=1.0)
    accepted(plan)
    steps = {step.step: step for step in plan.steps}
    assert steps["milp"].verdict == "violated" and steps["milp"].alpha is None
    assert steps["redispatch"].model_alpha == pytest.approx(0.8, rel=1e-6)
    assert steps["redispatch"].alpha == pytest.approx(0.6, rel=1e-3) and (steps["redispatch"].alpha or 1.0) <= 0.6
    assert plan.robustness["alpha"] == pytest.approx(0.6, rel=1e-3)
