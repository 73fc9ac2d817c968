"""Evidence for robust plans whose worst case is no corner: found by column-and-constraint generation, not known."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hand import hand, uncertain

import igdt_planner as ip
from igdt_planner.budget import exceeds
from igdt_planner.infogap.fixed_plan import decisions_in, held_in
from igdt_planner.model import Model
from igdt_planner.plan import Plan, Realisation
from igdt_planner.sampled import Samples, deviated, operate_samples, realised
from igdt_planner.session import Session
from igdt_planner.witness.evidence import ray_directions, uncertainty_of

MUST_TAKE: dict[str, Any] = {"dg.technologies.0.must_take": True}
MODELS: dict[str, Model] = {
    "must-take DG": hand("connected", MUST_TAKE | uncertain("dg_availability")),
    "must-take DG and load": hand("connected", MUST_TAKE | uncertain("dg_availability", "load")),
    "a ball of availabilities": hand("islanded", uncertain("dg_availability", shape="energy")),
    "one hour deviates": hand("islanded", uncertain("dg_availability", shape="budgeted", gamma=1)),
}
SLOW = ("must-take DG and load",)


@cache
def solved(name: str) -> Plan:
    return ip.robust("feeder4", MODELS[name], 0.2, time_limit_s=30)


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in MODELS]
)
def plan(request: pytest.FixtureRequest) -> Plan:
    return solved(request.param)


def test_worst_case_is_generated(plan: Plan) -> None:
    assert plan.robustness["worst_case"]["method"] == "column_and_constraint_generation"
    assert plan.robustness["alpha"] > 0.02


def test_nothing_inside_is_over_budget_and_some_of_what_is_beyond(plan: Plan) -> None:
    found = ip.evidence(plan, 2_000, rays=200)
    assert found.holds and found.over_budget == 0 and found.worst_objective <= found.budget
    rays = found.rays.set_index("radius")
    assert (rays.loc[rays.index <= 1.0, ["over_budget", "broken"]] == 0).all(axis=None)
    assert (rays.loc[rays.index > 1.0, "over_budget"] > 0).all()
    assert rays.loc[1.0, "worst_objective"] == pytest.approx(plan.objective, rel=1e-6)


def test_first_ray_is_the_worst_case_that_the_adversary_found(plan: Plan) -> None:
    assert plan.dispatch is not None
    rays = ray_directions(plan, 20, np.random.default_rng(0))
    worst = plan.dispatch.realisation
    for (quantity, component), series in rays.items():
        factors = [worst.at(quantity, component, t) for t in (1, 2)]
        assert (1.0 + series[0]).tolist() == pytest.approx(factors)


def test_rays_reach_the_edge_with_what_is_built(plan: Plan) -> None:
    rays = ray_directions(plan, 20, np.random.default_rng(0))
    gauges = [[uncertainty_of(plan).shapes[q].gauge(row) for row in series] for (q, _), series in rays.items()]
    assert np.max(gauges, axis=0).tolist() == pytest.approx([plan.robustness["alpha"]] * 20)
    units = {component for quantity, component in rays if quantity == "dg_availability"}
    assert units <= {-1, *plan.dg["bus"].tolist()}


def test_no_extreme_point_of_the_set_is_over_budget(plan: Plan) -> None:
    """All vertices that combine what is built, not only the one that the plan is dispatched for."""
    uncertainty, alpha = uncertainty_of(plan), plan.robustness["alpha"]
    assert uncertainty.periods == (1, 2)
    rng = np.random.default_rng(0)
    slopes = {key: rng.standard_normal((200, 2)) for key in ray_directions(plan, 1, rng)}
    extreme = {
        key: alpha * np.array([uncertainty.shapes[key[0]].extreme(row) for row in rows]) for key, rows in slopes.items()
    }
    points: Samples = deviated(plan, extreme).of(200)
    found = operate_samples(plan, points)
    assert not exceeds(found.objective, plan.robustness["budget"]).any()
    assert not found.broken.any()


def test_rule_costs_what_the_best_dispatch_does_where_the_plan_has_no_dispatch_for() -> None:
    """One hour or the other is short; the plan is dispatched for one. Bus 2 is dark first, then bus 3 sheds."""
    plan = solved("one hour deviates")
    with Session(plan.case, plan.model, None, None, None) as session:
        decisions, schedule = decisions_in(session.study, plan), held_in(session.study, plan)
        for hour in (1, 2):
            short = Realisation(dg_availability={hour: 1.0 - plan.robustness["alpha"]})
            best = session.dispatch(decisions, session.study.realise(short), schedule)
            assert best is not None
            (cost,) = operate_samples(plan, realised(plan, short)).objective.tolist()
            assert cost == pytest.approx(best.verdict.objective, rel=1e-5)
