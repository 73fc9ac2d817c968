"""Probabilistic power flow: against closed forms on four buses, and inputs that are refused."""

import numpy as np
import pytest
from hand import hand
from test_ac_check import dispatch_of, plan_of, switching_plan

import igdt_planner as ip
from igdt_planner.plan import Plan
from igdt_planner.report.figures import probabilistic_figure
from igdt_planner.sampled import forecast, operate_samples

LOAD = ip.Stochastic("load", ip.NormalLoad(1.0, 0.1))


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A DG of 5 MW at bus 3, run for the losses of the hand calculation."""
    rows = [("connected", 1, 3, 2.5, 1.25), ("connected", 2, 3, 5.0, 2.5)]
    dispatch = dispatch_of(dg=rows, sources=[("connected", period, 1, 1.0) for period in (1, 2)])
    topology = {"connected": {1: (2,), 2: (2,)}}
    plan = plan_of(ip.load_case("feeder4"), hand("connected"), topology, dispatch, [(3, "dg_5mw", 5.0, 0.0, 2.5)])
    return ip.check(plan)


@pytest.fixture(scope="module")
def found() -> ip.Probabilistic:
    """The network as it stands, without DG."""
    return ip.probabilistic(switching_plan("feeder4"), [LOAD], 2_000, seed=1, budget=0.03)


def test_losses_grow_with_the_square_of_the_load(found: ip.Probabilistic) -> None:
    """At voltages of almost 1 pu: the mean of ``(1 + s z)^2`` is ``1 + s^2``."""
    still = operate_samples(found.plan, forecast(found.plan)).objective[0]
    row = found.table.set_index(["term", "mode"]).loc[("losses", "connected")]
    assert row["mean"] == pytest.approx(1.01 * still, rel=1e-3)
    assert found.share_over_budget == (found.objective > 0.03 * (1 + 1e-6)).mean()


def test_quantiles_by_rank(found: ip.Probabilistic) -> None:
    row = found.table.iloc[0]
    assert row["q0.05"] == pytest.approx(np.quantile(found.objective, 0.05))
    assert row["mean"] == pytest.approx(found.objective.mean())


def test_voltages_by_bus(found: ip.Probabilistic) -> None:
    table = found.voltages.set_index("bus")
    assert table.loc[1, "vm_min_q0.5_pu"] == pytest.approx(1.0, abs=1e-8)
    assert (table["vm_min_q0.01_pu"] <= table["vm_min_q0.99_pu"]).all()
    assert (table["share_outside"] == 0.0).all() and found.share_outside_voltage_limits == 0.0


def test_certain_inputs_give_the_plan_itself(plan: Plan) -> None:
    still = ip.probabilistic(plan, [ip.Stochastic("load", ip.NormalLoad(1.0, 0.0))], 3)
    assert plan.ac is not None
    assert still.objective.tolist() == pytest.approx([plan.ac.objective] * 3, rel=1e-9)
    assert still.broken == 0 and still.share_over_budget is None


def test_wind_replaces_the_profile_of_its_bus(plan: Plan) -> None:
    """A calm that never ends is a plan without its DG."""
    (bus,) = plan.dg["bus"].tolist()
    calm = ip.WindPower(ip.WindSpeed(2.0, 0.01), ip.Turbine(5.0))
    found = ip.probabilistic(plan, [ip.Stochastic("dg", calm, bus)], 4, independent_periods=False)
    assert found.objective.tolist() == pytest.approx([found.objective[0]] * 4)
    assert plan.ac is not None and plan.ac.objective is not None
    assert found.objective[0] > 2 * plan.ac.objective


def test_correlated_inputs_and_seed(plan: Plan) -> None:
    inputs = [LOAD, ip.Stochastic("price", ip.LogNormalPrice(60.0, 20.0))]
    runs = [ip.probabilistic(plan, inputs, 50, seed=seed, correlation=[[1, 0.9], [0.9, 1]]) for seed in (0, 0, 1)]
    documents = [str(run.to_dict()) for run in runs]
    assert documents[0] == documents[1] != documents[2]


def test_inputs_that_the_plan_does_not_have(plan: Plan) -> None:
    model = ip.NormalLoad(1.0, 0.1)
    inputs = [
        LOAD,
        LOAD,
        ip.Stochastic("load", model, 99),
        ip.Stochastic("dg", model, 1),
        ip.Stochastic("price", model, 1),
        ip.Stochastic("sun", model),  # type: ignore[arg-type]
    ]
    with pytest.raises(ip.InputError) as refused:
        ip.probabilistic(plan, inputs, 0, -1)
    assert [str(finding) for finding in refused.value.findings] == [
        "samples is 0, must be a whole number between 1 and 1000000",
        "seed is -1, must be a whole number of 0 or more",
        "load stands twice",
        "load at bus 99: the case has no such bus",
        "dg at bus 1: the plan has no DG there",
        "price at bus 1: a price belongs to no bus",
        "there is no quantity 'sun' (known: load, dg, price)",
    ]
    with pytest.raises(ip.InputError, match="inputs is empty"):
        ip.probabilistic(plan, [])


def test_distribution_is_drawn(found: ip.Probabilistic) -> None:
    cost, voltage = probabilistic_figure(found).axes
    assert cost.get_lines()[0].get_xdata().tolist() == sorted(found.objective.tolist())
    assert voltage.get_lines()[0].get_ydata().tolist() == found.voltages["vm_min_q0.5_pu"].tolist()
