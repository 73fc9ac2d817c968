"""Evidence runs a plan by its stated recourse: two buses behind a substation, PV at the end held at 1.03 pu.

By hand: load is active alone. At noon PV is turned down until bus 3 stands at its limit, which fixes what bus 3 gives
on balance. So a load that falls there is followed by PV, watt by watt, at the same cost; a policy that leaves PV where
it is leaves the limit. Cost rises with load, so that alpha ends by the budget with all loads up.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import igdt_planner as ip
from igdt_planner.ac.operation import operate
from igdt_planner.plan import Plan, Realisation
from igdt_planner.results.document import realisation_to_dict
from igdt_planner.sampled import operate_samples, realisation_of, realised
from igdt_planner.sampled.corrected import corrected, shared
from igdt_planner.sampled.flow import flow
from igdt_planner.sampled.policy import ModePolicy
from igdt_planner.sampled.realisations import worst
from igdt_planner.witness import redispatch
from igdt_planner.witness.evidence import ray_directions, within
from tests.prove.feeders import feeder

PROFILE = [
    {"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 0.6, "pv": 1.0, "price_per_mwh": 40.0},
    {"period": 2, "start_h": 1.0, "duration_h": 1.0, "load": 1.0, "pv": 0.3, "price_per_mwh": 80.0},
]
CASE: dict[str, Any] = {
    "name": "sun3",
    "base_mva": 10.0,
    "currency": "USD",
    "buses": [
        {"id": bus, "vn_kv": 20.0, "p_mw": p_mw, "q_mvar": 0.0, "vm_min_pu": 0.95, "vm_max_pu": 1.03}
        for bus, p_mw in ((1, 0.0), (2, 2.0), (3, 2.0))
    ],
    "lines": [
        {"id": line, "from_bus": line, "to_bus": line + 1, "r_ohm": 3.0, "x_ohm": 2.0, "max_i_ka": 0.4}
        | {"in_service": True, "switchable": False}
        for line in (1, 2)
    ],
    "substations": [{"bus": 1, "vm_pu": 1.0}],
    "profile": PROFILE,
}
UNIT = {"name": "plant", "source": "pv", "p_mw": 8.0, "grid_forming": False}


def model(**unit: float) -> dict[str, Any]:
    return {
        "name": "sun",
        "unit": "USD",
        "losses": "balance",
        "objective": [{"term": "energy_cost", "mode": "connected"}],
        "modes": {"connected": {"weight": 1.0, "topology": "fixed"}},
        "dg": {"max_units": 1, "buses": [3], "technologies": [UNIT | unit]},
        "fix": {"dg": [{"bus": 3, "technology": "plant"}]},
        "uncertain": [{"quantity": "load"}],
    }


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ip.robust(ip.load_case(CASE), model(), 0.1, time_limit_s=30)


def samples_of(plan: Plan) -> Any:
    return within(plan, float(plan.robustness["alpha"]), 500, np.random.default_rng(0))


def test_policy_alone_leaves_the_limit_and_the_recourse_does_not(plan: Plan) -> None:
    assert operate_samples(plan, samples_of(plan)).breaks["voltage"].mean() > 0.5
    found = ip.evidence(plan, 500, rays=40)
    assert found.holds and found.steps["corrected"] > 250 and sum(found.steps.values()) == 500
    assert found.to_dict()["steps"] == found.steps


def test_ray_that_ends_alpha_breaks_a_little_beyond_it_when_dispatched_exactly(plan: Plan) -> None:
    rays = ip.evidence(plan, 1, rays=1, radii=[1.0, 1.05]).rays
    assert rays["over_budget"].tolist() == [0, 1]
    assert rays["redispatched"].tolist() == [0, 1] and rays["not_redispatched"].tolist() == [0, 0]


def test_pv_follows_the_load_beside_it_watt_by_watt(plan: Plan) -> None:
    lower = realised(plan, Realisation(load={(3, 1): 0.9}))
    assert operate_samples(plan, lower).broken.tolist() == [True]
    found = operate_samples(plan, lower, rule="corrected")
    assert found.broken.tolist() == [False]
    assert found.objective[0] == pytest.approx(plan.robustness["objective_forecast"], rel=1e-5)
    assert found.vm_max_pu["connected"][0, 2] == pytest.approx(1.03, abs=1e-6)


def test_island_curtails_and_sheds_where_the_policy_asks_too_much_of_its_source() -> None:
    case, stated = feeder(7)
    stated |= {"uncertain": [{"quantity": "load"}, {"quantity": "pv"}]}
    plan = ip.robust(ip.load_case(case), stated, 0.1, time_limit_s=30)
    assert operate_samples(plan, samples_of(plan)).breaks["dg_power"].mean() > 0.5
    found = ip.evidence(plan, 100, rays=20, radii=[1.0])
    assert found.holds and found.steps["corrected"] > 50


def test_reactive_power_comes_first() -> None:
    """The best plan takes 0.5 Mvar at noon; without them its PV breaks the limit, which vars alone then keep."""
    plan = ip.solve(ip.load_case(CASE), model(q_min_mvar=-0.5), time_limit_s=30)
    assert plan.dispatch is not None
    (best,) = operate(plan, plan.dispatch)
    policy, forecast = ModePolicy(best, best, worst(plan)), worst(plan)
    given = policy.dispatch(forecast)
    before = flow(policy, replace(given, dg_p=0.999 * given.dg_p, dg_q=0.0 * given.dg_q))
    after = corrected(policy, before, forecast)
    assert before.ac.vm_pu[0, 2] > 1.034 and after.ac.vm_pu[0, 2] == pytest.approx(1.03, abs=1e-6)
    assert after.dispatched.dg_p.tolist() == before.dispatched.dg_p.tolist()
    assert -0.5 <= after.dispatched.dg_q[0, 0, 2] < -0.45 and after.dispatched.dg_q[0, 1, 2] == 0.0


def test_what_rules_do_not_keep_is_dispatched_exactly(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispatch, "RULES", ("policy",))
    found = ip.evidence(plan, 4, rays=1, radii=[])
    assert found.holds and 0 < found.steps["redispatched"] <= 4
    assert found.worst_objective <= found.budget
    monkeypatch.setattr(redispatch, "MOST", 0)
    left = ip.evidence(plan, 4, rays=1, radii=[])
    assert left.steps["not_redispatched"] == found.steps["redispatched"] == left.breaks["voltage"]
    assert "were not re-dispatched: the plan may have a dispatch there" in left.findings[-1]


def test_rays_go_through_the_point_at_which_a_limit_ends_alpha(plan: Plan) -> None:
    alpha = float(plan.robustness["alpha"])
    point = Realisation(load={(2, 1): 1.0 - alpha, (3, 1): 1.0 + 0.5 * alpha})
    ends = plan.robustness["worst_case"] | {"ends": {"kind": "voltage", "point": realisation_to_dict(point)}}
    moved = replace(plan, robustness=plan.robustness | {"alpha_limit": "network", "worst_case": ends})
    rays = ray_directions(moved, 5, np.random.default_rng(0))
    assert rays["load", 2][0].tolist() == pytest.approx([-alpha, 0.0])
    assert rays["load", 3][0].tolist() == pytest.approx([0.5 * alpha, 0.0])


def test_realisation_of_a_sample_is_the_sample(plan: Plan) -> None:
    drawn = samples_of(plan)
    again = realised(plan, realisation_of(plan, drawn, 7))
    assert again.active_load.tolist() == [drawn.active_load[7].tolist()]
    assert again.dg.tolist() == [np.broadcast_to(drawn.dg, (500, 2, 1))[7].tolist()]


def test_steps_share_an_effect_by_hand() -> None:
    """Effects 1 and 2, rooms 10 and 1: the second is full at once, the first gives the other 3 of 5."""
    size, room = np.array([[1.0, 2.0]] * 3), np.array([[10.0, 1.0]] * 3)
    steps = shared(size, room, np.array([5.0, 1.0, 20.0]))
    assert steps.tolist() == [pytest.approx([3.0, 1.0]), pytest.approx([0.2, 0.4]), [10.0, 1.0]]
