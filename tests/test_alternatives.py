"""A robust plan beside its alternatives: who is best at what, on four buses."""

import pytest
from hand import hand, uncertain

import igdt_planner as ip
from igdt_planner.model import Model
from igdt_planner.plan import Realisation
from igdt_planner.session import Session
from igdt_planner.witness.two_stage import two_stage


@pytest.fixture(scope="module")
def found() -> ip.Alternatives:
    return ip.alternatives("feeder4", hand("connected"), 1.0, samples=50)


@pytest.mark.slow
def test_each_is_best_at_what_it_asks_for(found: ip.Alternatives) -> None:
    table = found.table.set_index("approach")
    assert table["objective_forecast"].idxmin() == "deterministic"
    assert table["objective_expected"].min() >= table.loc["stochastic", "objective_expected"] * (1 - 1e-4)
    assert (table["objective_expected"] <= table["mean"] * (1 + 2e-2)).all()
    worst = table["objective_worst"]
    assert worst["static robust"] <= worst.min() * (1 + 1e-3)
    assert worst["info-gap"] <= found.budget * (1 + 1e-6) < worst["deterministic"]


@pytest.mark.slow
def test_stochastic_plan_is_the_best_on_average_in_islands() -> None:
    found = ip.alternatives("feeder4", hand("islanded"), 0.3, samples=50)
    expected = found.table.set_index("approach")["objective_expected"]
    assert expected["stochastic"] <= expected.min() * (1 + 1e-4)
    assert expected["stochastic"] < expected["static robust"] * (1 - 1e-3)


def test_two_stage_plan_by_hand() -> None:
    """Charge c before, ``max(0, c - 2 - 7 d) + 3 - 7 d - 0.6 c`` not served after: least on average at c = 2."""
    points = [Realisation(dg_availability=1.0 + d) for d in (-0.1, 0.0, 0.1)]
    with Session(ip.load_case("feeder4"), hand("islanded"), None, None, None) as session:
        plan = two_stage(session, points, [], 1.0).plan
    assert plan.model_objective == pytest.approx((3.2 + 1.8 + 1.1) / 3, rel=1e-3)
    assert plan.dispatch is not None and plan.dispatch.ess["p_charge_mw"].iloc[0] == pytest.approx(2.0, rel=1e-3)


@pytest.mark.slow
def test_samples_are_inside_the_radius(found: ip.Alternatives) -> None:
    table = found.table.set_index("approach")
    assert found.radius == found.plans["info-gap"].robustness["alpha"]
    assert table.loc["info-gap", "share_over_budget"] == 0.0 and (table["share_broken"] == 0.0).all()
    assert (table["mean"] <= table["q0.95"]).all() and (table["q0.95"] <= table["objective_worst"]).all()


@pytest.mark.slow
def test_document_holds_the_plans(found: ip.Alternatives) -> None:
    runs = found.to_dict()["runs"]
    again = ip.plan_from_dict(runs["static robust"])
    assert again.dg.to_dict("records") == found.plans["static robust"].dg.to_dict("records")
    judged = ip.check(again).ac
    assert judged is not None and again.ac is not None and judged.objective == again.ac.objective


@pytest.mark.slow
def test_plans_stand_where_their_numbers_say() -> None:
    """At another radius than alpha each plan's objective is that of its dispatch there, and says so."""
    found = ip.alternatives("feeder4", hand("islanded"), 0.2, radius=0.1, samples=20, scenarios=2)
    for plan in found.plans.values():
        assert plan.ac is not None and plan.objective == plan.ac.objective
        assert plan.bound is None and "worst point of radius 0.1" in plan.warnings[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        hand("islanded", uncertain("dg_availability", "load", shape="budgeted", gamma=1)),
        hand("connected", uncertain("dg_availability") | {"dg.technologies.0.must_take": True}),
    ],
    ids=["budgeted", "must take"],
)
def test_without_a_corner_the_costliest_point_takes_its_place(model: Model) -> None:
    """At a radius of alpha the least cost at the worst point is the budget, which the info-gap plan just keeps."""
    found = ip.alternatives("feeder4", model, 0.2, samples=50, scenarios=2)
    table = found.table.set_index("approach")
    assert found.plans["info-gap"].robustness["worst_case"]["method"] == "column_and_constraint_generation"
    worst = table["objective_worst"]
    assert worst["static robust"] == pytest.approx(found.budget, rel=2e-3)
    assert worst["info-gap"] <= found.budget * (1 + 1e-6)
    assert worst["deterministic"] >= found.budget * (1 - 2e-3)
    assert (table["q0.95"] <= worst * (1 + 1e-2)).all()


@pytest.mark.slow
def test_no_alpha_to_compare_at() -> None:
    harmless = hand("islanded", uncertain("dg_availability", direction="up"))
    with pytest.raises(ip.InputError, match=r"nothing uncertain touches it\): state a radius"):
        ip.alternatives("feeder4", harmless, 0.2, samples=20, scenarios=2)


def test_bad_numbers_at_once() -> None:
    with pytest.raises(ip.InputError) as refused:
        ip.alternatives("feeder4", hand("connected"), -0.1, radius=-1.0, samples=0)
    assert [finding.path for finding in refused.value.findings] == ["/study/samples", "/study/beta", "/study/radius"]
    with pytest.raises(ip.InputError) as refused:
        ip.alternatives("feeder4", hand("connected"), "x", samples=1.5, scenarios=True)  # type: ignore[arg-type]
    assert [finding.path for finding in refused.value.findings] == ["/study/samples", "/study/beta", "/study/scenarios"]
