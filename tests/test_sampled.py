"""Plans under samples: the two ends of the policy, the judge's word on each sample, and no look into the future."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand import hand, uncertain

import igdt_planner as ip
from igdt_planner.ac import check_dispatch
from igdt_planner.ac.operation import operate
from igdt_planner.plan import Dispatch, Plan, Realisation
from igdt_planner.sampled import Samples, forecast, operate_samples, outcome, realised
from igdt_planner.sampled.flow import flow
from igdt_planner.sampled.policy import ModePolicy, progress
from igdt_planner.sampled.realisations import worst

BOTH = uncertain("dg_availability", "load")


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {
        "islanded": ip.robust("feeder4", hand("islanded", BOTH), 0.242),
        "dual": ip.robust("feeder4", "dual_mode", 0.2, time_limit_s=20),
        "baseline": ip.solve("feeder4", hand("connected")),
    }


def policies_of(plan: Plan) -> list[ModePolicy]:
    assert plan.dispatch is not None and plan.dispatch_forecast is not None
    pairs = zip(operate(plan, plan.dispatch_forecast), operate(plan, plan.dispatch), strict=True)
    return [ModePolicy(*pair, worst(plan)) for pair in pairs]


def joined(*samples: Samples) -> Samples:
    return Samples(*(np.concatenate(fields) for fields in zip(*(vars(s).values() for s in samples), strict=True)))


def dispatch_of(plan: Plan, realisation: Realisation) -> Dispatch:
    """What the policy does at a realisation, as the tables that the judge reads."""
    rows: dict[str, list[tuple[object, ...]]] = {"dg": [], "shed": [], "sources": []}
    for policy in policies_of(plan):
        done = flow(policy, policy.dispatch(realised(plan, realisation))).dispatched
        mode, first = policy.forecast.mode, policy.forecast
        for t, period in enumerate(first.periods.tolist()):
            for b, bus in enumerate(first.bus_ids.tolist()):
                if bus in plan.dg["bus"].tolist():
                    rows["dg"].append((mode, period, bus, done.dg_p[0, t, b], done.dg_q[0, t, b]))
                lost = 1.0 - done.served[0, t, b]
                if lost > 0.0:
                    shed = lost * done.load_p[0, t, b], lost * done.load_q[0, t, b]
                    rows["shed"].append((mode, period, bus, *shed))
                if np.isfinite(done.source_vm_pu[0, t, b]):
                    rows["sources"].append((mode, period, bus, done.source_vm_pu[0, t, b]))
    assert plan.dispatch_forecast is not None
    tables = {name: pd.DataFrame(rows[name], columns=getattr(plan.dispatch_forecast, name).columns) for name in rows}
    return Dispatch(realisation, ess=plan.dispatch_forecast.ess, **tables)


@pytest.mark.parametrize("name", ["islanded", "dual", "baseline"])
def test_ends_of_the_policy_are_the_plan_s_own_dispatches(plans: dict[str, Plan], name: str) -> None:
    plan = plans[name]
    found = operate_samples(plan, joined(forecast(plan), worst(plan)))
    at_forecast = plan.robustness.get("objective_forecast", plan.objective)
    assert found.objective.tolist() == pytest.approx([at_forecast, plan.objective], rel=1e-6)
    assert not found.broken.any()


@pytest.mark.parametrize("name", ["islanded", "dual"])
def test_every_sample_against_the_judge(plans: dict[str, Plan], name: str) -> None:
    plan = plans[name]
    points = [Realisation(load, dg) for load in (0.98, 1.0, 1.01, 1.2) for dg in (0.6, 0.99, 1.0, 1.1)]
    found = operate_samples(plan, joined(*(realised(plan, point) for point in points)))
    judged = [check_dispatch(plan, dispatch_of(plan, point)) for point in points]
    assert found.objective.tolist() == pytest.approx([verdict.objective for verdict in judged], rel=1e-9)
    assert found.broken.tolist() == [verdict.verdict != "feasible" for verdict in judged]
    for kind, broken in found.breaks.items():
        assert broken.tolist() == [kind in {v.kind for v in verdict.violations} for verdict in judged], kind


@pytest.mark.parametrize("name", ["islanded", "dual"])
def test_no_period_knows_what_comes_after_it(plans: dict[str, Plan], name: str) -> None:
    plan = plans[name]
    rng = np.random.default_rng(0)
    one = forecast(plan)
    first = replace(one, dg=rng.uniform(0.7, 1.1, (4, *one.dg.shape[1:])))
    other = replace(first, dg=np.concatenate([first.dg[:, :1], rng.uniform(0.7, 1.1, first.dg[:, 1:].shape)], axis=1))
    for policy in policies_of(plan):
        done, again = (flow(policy, policy.dispatch(samples)).dispatched for samples in (first, other))
        for field, values in vars(done).items():
            assert np.array_equal(values[:, 0], vars(again)[field][:, 0], equal_nan=True), field


def test_chunks_change_nothing(plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plans["dual"]
    one = forecast(plan)
    samples = replace(one, dg=np.random.default_rng(1).uniform(0.8, 1.1, (7, *one.dg.shape[1:])))
    at_once = operate_samples(plan, samples)
    monkeypatch.setattr(outcome, "CHUNK_VALUES", 1)
    events: list[dict[str, object]] = []
    one_by_one = operate_samples(plan, samples, events.append)
    assert at_once.objective.tobytes() == one_by_one.objective.tobytes()
    assert [event["done"] for event in events] == [1, 2, 3, 4, 5, 6, 7]


def test_less_of_everything_never_costs_less(plans: dict[str, Plan]) -> None:
    plan = plans["islanded"]
    points = [realised(plan, Realisation(1.0, dg)) for dg in (1.1, 1.0, 0.99, 0.95, 0.8, 0.4, 0.0)]
    objective = operate_samples(plan, joined(*points)).objective
    assert (np.diff(objective) >= -1e-9).all() and objective[-1] > objective[0]


def test_progress_by_hand() -> None:
    assert progress(np.array([1.1, 1.0, 0.95, 0.9, 0.5]), np.array(0.9)).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert progress(np.array([0.5, 1.5]), np.array(1.0)).tolist() == [0.0, 0.0]


def test_plan_without_dispatch_is_refused(plans: dict[str, Plan]) -> None:
    blank = replace(plans["baseline"], dispatch=None, status="no_plan", explanation="stopped early")
    with pytest.raises(ip.InputError, match=r"no dispatch .*stopped early"):
        operate_samples(blank, forecast(blank))
