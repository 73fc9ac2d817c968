"""Plans under samples: the two ends of the policy, the judge's word on each sample, and no look into the future."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand import hand, uncertain
from typer.testing import CliRunner

import igdt_planner as ip
from igdt_planner.ac import check_dispatch
from igdt_planner.ac.operation import operate
from igdt_planner.cli import app
from igdt_planner.model import load_model, override
from igdt_planner.plan import Dispatch, Plan, Realisation
from igdt_planner.report.figures import evidence_figure
from igdt_planner.sampled import Samples, forecast, operate_samples, outcome, realised
from igdt_planner.sampled.flow import flow
from igdt_planner.sampled.policy import ModePolicy, progress
from igdt_planner.sampled.realisations import worst
from igdt_planner.witness.evidence import ray_directions, uncertainty_of, within

SETTINGS = uncertain("dg_availability", "load") | {
    "fix.dg": [{"bus": 3, "technology": "dg_1mw"}, {"bus": 4, "technology": "dg_1mw"}],
    "fix.ess": [{"bus": 3, "technology": "ess_100kw"}],
    "fix.open_lines": {"connected": [3], "islanded": [2, 3]},
}
"""Two islands, one of a DG alone; two quantities."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ip.robust("feeder4", override(load_model("dual_mode"), SETTINGS), 0.2, time_limit_s=20)


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


def test_ends_of_the_policy_are_the_plan_s_own_dispatches(plan: Plan) -> None:
    found = operate_samples(plan, joined(forecast(plan), worst(plan)))
    assert found.objective.tolist() == pytest.approx([plan.robustness["objective_forecast"], plan.objective], rel=1e-6)
    assert not found.broken.any()


def test_baseline_has_its_forecast_for_a_worst_case(plan: Plan) -> None:
    baseline = replace(plan, kind="solve", dispatch=plan.dispatch_forecast)
    found = operate_samples(baseline, joined(forecast(plan), realised(plan, Realisation(dg_availability=0.5))))
    assert found.objective[0] == pytest.approx(plan.robustness["objective_forecast"], rel=1e-6)
    assert found.objective[1] > found.objective[0]


def test_every_sample_against_the_judge(plan: Plan) -> None:
    pairs = ((0.9, 1.0), (1.0, 0.97), (1.0, 0.3), (1.05, 1.1), (1.3, 0.6))
    points = [Realisation(load=load, dg_availability=dg) for load, dg in pairs]
    uneven = {(2, 1): 0.8, (3, 1): 1.2, (4, 1): 1.1, (2, 2): 1.3, (3, 2): 0.7, (4, 2): 1.0}
    points.append(Realisation(load=uneven, reactive_load=1.1, dg_availability={(3, 1): 0.5, (4, 1): 1.1, (4, 2): 0.9}))
    found = operate_samples(plan, joined(*(realised(plan, point) for point in points)))
    judged = [check_dispatch(plan, dispatch_of(plan, point)) for point in points]
    assert found.objective.tolist() == pytest.approx([verdict.objective for verdict in judged], rel=1e-9)
    assert found.broken.tolist() == [verdict.verdict != "feasible" for verdict in judged]
    for kind, broken in found.breaks.items():
        assert broken.tolist() == [kind in {v.kind for v in verdict.violations} for verdict in judged], kind


def test_no_period_knows_what_comes_after_it(plan: Plan) -> None:
    rng = np.random.default_rng(0)
    one = forecast(plan)
    first = replace(one, dg=rng.uniform(0.7, 1.1, (4, *one.dg.shape[1:])))
    other = replace(first, dg=np.concatenate([first.dg[:, :1], rng.uniform(0.7, 1.1, first.dg[:, 1:].shape)], axis=1))
    for policy in policies_of(plan):
        done, again = (flow(policy, policy.dispatch(samples)).dispatched for samples in (first, other))
        for field, values in vars(done).items():
            assert np.array_equal(values[:, 0], vars(again)[field][:, 0], equal_nan=True), field


def test_chunks_change_nothing(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    one = forecast(plan)
    samples = replace(one, dg=np.random.default_rng(1).uniform(0.8, 1.1, (7, *one.dg.shape[1:])))
    at_once = operate_samples(plan, samples)
    monkeypatch.setattr(outcome, "CHUNK_VALUES", 1)
    events: list[dict[str, object]] = []
    one_by_one = operate_samples(plan, samples, events.append)
    assert at_once.objective.tobytes() == one_by_one.objective.tobytes()
    assert [event["done"] for event in events] == [1, 2, 3, 4, 5, 6, 7]


def test_less_of_everything_never_costs_less(plan: Plan) -> None:
    points = [realised(plan, Realisation(dg_availability=dg)) for dg in (1.1, 1.0, 0.99, 0.95, 0.8, 0.4, 0.0)]
    objective = operate_samples(plan, joined(*points)).objective
    assert (np.diff(objective) >= -1e-9).all() and objective[-1] > objective[0]


def test_progress_by_hand() -> None:
    assert progress(np.array([1.1, 1.0, 0.95, 0.9, 0.5]), np.array(0.9)).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert progress(np.array([0.5, 1.5]), np.array(1.0)).tolist() == [0.0, 0.0]


def test_plan_without_dispatch_is_refused(plan: Plan) -> None:
    blank = replace(plan, dispatch=None, status="no_plan", explanation="stopped early")
    with pytest.raises(ip.InputError, match=r"no dispatch .*stopped early"):
        operate_samples(blank, forecast(blank))


def test_island_goes_back_to_the_forecast_as_far_as_its_unit_has_room() -> None:
    """By hand: 7 MW, 5 and 10 MW of load, a charge of ``2 - x``. With ``a`` MW less in an hour ``max(0, a - x)`` and
    ``3 - 0.6 (2 - x) + a`` MW are not served: nothing in the first until ``a = x``, whatever the worst case sheds."""
    plan = ip.robust("feeder4", hand("islanded", uncertain("dg_availability", shape="energy")), 0.28)
    charge = plan.dispatch.ess["p_charge_mw"].iloc[0]  # type: ignore[union-attr]
    x, worst_a = 2.0 - charge, 7.0 * (1.0 - plan.dispatch.realisation.at("dg_availability", 3, 1))  # type: ignore[union-attr]
    assert 0.1 < x < worst_a
    for a in (0.5 * x, 0.9 * x, x + 0.5 * (worst_a - x)):
        found = operate_samples(plan, realised(plan, Realisation(dg_availability={1: 1.0 - a / 7.0})))
        (unserved,) = found.terms["ens", "islanded"].tolist()
        assert unserved == pytest.approx(3.0 - 0.6 * charge + max(0.0, a - x), rel=5e-3)
        assert not found.broken.any()


# ------------------------------------------------------------------ evidence


@pytest.fixture(scope="module")
def found(plan: Plan) -> ip.Evidence:
    return ip.evidence(plan, 200, rays=50)


def test_nothing_inside_alpha_exceeds_the_budget_and_beyond_it_something_does(found: ip.Evidence) -> None:
    assert found.holds and found.over_budget == 0 and not any(found.breaks.values())
    inside = found.rays["radius"] <= 1.0
    assert (found.rays.loc[inside, ["over_budget", "broken"]] == 0).all(axis=None)
    assert (found.rays.loc[~inside, "over_budget"] > 0).all()
    assert found.rays["share_over_budget"].is_monotonic_increasing


def test_corner_ray_costs_the_plan_s_objective(found: ip.Evidence) -> None:
    at_alpha = found.rays.set_index("radius").loc[1.0]
    assert at_alpha["worst_objective"] == pytest.approx(found.plan.objective, rel=1e-6)
    assert found.worst_objective < at_alpha["worst_objective"]


SHAPES: list[dict[str, Any]] = [
    {"direction": "down"},
    {"shape": "interval", "down": 0.5, "up": 2.0},
    {"shape": "envelope", "psi": [0.5, 2.0]},
    {"shape": "slope"},
    {"shape": "energy", "weight": 2.0},
    {"shape": "minkowski", "norm": 1},
    {"shape": "budgeted", "gamma": 2},
]


@pytest.mark.parametrize("fields", SHAPES, ids=lambda fields: fields.get("shape", "fractional"))
def test_samples_lie_inside_every_shape_and_rays_on_its_edge(plan: Plan, fields: dict[str, Any]) -> None:
    shaped = replace(plan, model=override(plan.model, uncertain("dg_availability", **fields)))
    rng, uncertainty = np.random.default_rng(0), uncertainty_of(shaped)
    rays = ray_directions(shaped, 20, rng)
    gauges = [[uncertainty.shapes[q].gauge(row) for row in series] for (q, _), series in rays.items()]
    assert np.max(gauges, axis=0).tolist() == pytest.approx([plan.robustness["alpha"]] * 20)
    units = within(shaped, 0.1, 50, rng).dg - 1.0
    for unit in range(units.shape[2]):
        gauge = [uncertainty.shapes["dg_availability"].gauge(series) for series in units[:, :, unit]]
        assert max(gauge) <= 0.1 + 1e-12


def test_what_exceeds_the_budget_is_said_aloud(plan: Plan) -> None:
    """A plan that claims more than it can: its budget lowered to what it costs at the forecast."""
    boasting = replace(plan, robustness=plan.robustness | {"budget": plan.robustness["objective_forecast"]})
    found = ip.evidence(boasting, 50, rays=5, radii=[1.0])
    assert not found.holds and found.over_budget > 15
    assert found.findings[0] == f"{found.over_budget} of 50 samples inside alpha exceed the budget"
    assert found.findings[-1] == "5 rays at or below alpha exceed the budget"
    assert found.to_dict()["share_over_budget"] == found.over_budget / 50


def test_same_seed_same_bytes(found: ip.Evidence, plan: Plan, tmp_path: Path) -> None:
    again = ip.evidence(plan, 200, rays=50).save(tmp_path / "again.json")
    assert found.save(tmp_path / "first.json").read_bytes() == again.read_bytes()
    assert json.loads(again.read_text())["kind"] == "evidence"
    assert ip.evidence(plan, 200, seed=1, rays=1, radii=[]).worst_objective != found.worst_objective


def test_evidence_is_drawn(found: ip.Evidence) -> None:
    inside, edge = evidence_figure(found).axes
    assert sum(bar.get_height() for bar in inside.patches) == found.samples
    assert edge.get_lines()[0].get_ydata().tolist() == found.rays["share_over_budget"].tolist()


def test_evidence_of_what_is_not_robust_is_refused(plan: Plan) -> None:
    with pytest.raises(ip.InputError, match="asked of a robust plan, this is a plan of kind solve"):
        ip.evidence(replace(plan, kind="solve"))
    with pytest.raises(ip.InputError, match="no alpha: nothing uncertain touches it"):
        ip.evidence(replace(plan, robustness=plan.robustness | {"alpha": None}))
    with pytest.raises(ip.InputError) as refused:
        ip.evidence(plan, 0, -1, rays=0, radii=[-0.5])
    paths = [finding.path for finding in refused.value.findings]
    assert paths == ["/study/samples", "/study/rays", "/options/seed", "/study/radii/0"]


@pytest.mark.slow
def test_evidence_on_the_command_line(plan: Plan, tmp_path: Path) -> None:
    def run(saved: Plan, *options: str) -> Any:
        ip.save_plan(saved, tmp_path / "robust.json")
        return CliRunner().invoke(app, ["evidence", str(tmp_path / "robust.json"), "--samples", "50", *options])

    holds = run(plan, "--out", str(tmp_path))
    assert holds.exit_code == 0 and "0 of 50 samples inside alpha" in holds.stdout and "holds: " in holds.stdout
    written = {path.name for path in tmp_path.iterdir()}
    assert {"evidence.json", "evidence.csv", "evidence.png"} <= written
    broken = run(replace(plan, robustness=plan.robustness | {"budget": 0.1}), "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["findings"][0] == "50 of 50 samples inside alpha exceed the budget"
