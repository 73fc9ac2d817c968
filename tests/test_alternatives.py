"""A robust plan beside its alternatives: who is best at what, on four buses."""

import pytest
from hand import hand

import igdt_planner as ip


@pytest.fixture(scope="module")
def found() -> ip.Alternatives:
    return ip.alternatives("feeder4", hand("connected"), 1.0, samples=50)


def test_each_is_best_at_what_it_asks_for(found: ip.Alternatives) -> None:
    table = found.table.set_index("approach")
    assert table["objective_forecast"].idxmin() == "deterministic"
    worst = table["objective_worst"]
    assert worst["static robust"] <= worst.min() * (1 + 1e-3)
    assert worst["info-gap"] <= found.budget * (1 + 1e-6) < worst["deterministic"]


def test_samples_are_inside_the_radius(found: ip.Alternatives) -> None:
    table = found.table.set_index("approach")
    assert found.radius == found.plans["info-gap"].robustness["alpha"]
    assert table.loc["info-gap", "share_over_budget"] == 0.0 and (table["share_broken"] == 0.0).all()
    assert (table["mean"] <= table["q0.95"]).all() and (table["q0.95"] <= table["objective_worst"]).all()


def test_document_holds_the_plans(found: ip.Alternatives) -> None:
    runs = found.to_dict()["runs"]
    again = ip.plan_from_dict(runs["static robust"])
    assert again.dg.to_dict("records") == found.plans["static robust"].dg.to_dict("records")
    judged = ip.check(again).ac
    assert judged is not None and again.ac is not None and judged.objective == again.ac.objective


def test_bad_numbers_at_once() -> None:
    with pytest.raises(ip.InputError) as refused:
        ip.alternatives("feeder4", hand("connected"), -0.1, radius=-1.0, samples=0)
    assert [finding.path for finding in refused.value.findings] == ["/study/samples", "/study/beta", "/study/radius"]
