"""What rests on little is said: nothing built though the bound lies lower, a budget that refers to such a baseline."""

import dataclasses

import pytest
from hand import hand

import igdt_planner as ip
from igdt_planner.loose import loose_budget, unplaced
from igdt_planner.plan import Plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ip.solve("feeder4", hand("connected"))


def without_units(plan: Plan, gap: float) -> Plan:
    return dataclasses.replace(plan, dg=plan.dg.iloc[:0], ess=plan.ess.iloc[:0], gap=gap, status="feasible")


def test_no_unit_placed_is_said_where_the_gap_is_open(plan: Plan) -> None:
    most = plan.model.dg.max_units + plan.model.ess.max_units
    may = f"{most} may be" if most > 1 else "one may be"
    assert unplaced(without_units(plan, 0.084)) == (f"no unit placed although {may}; the bound is 8.4 % lower",)
    assert unplaced(without_units(plan, 0.005)) == ()
    assert unplaced(dataclasses.replace(plan, gap=0.084, status="feasible")) == ()


@pytest.mark.parametrize(
    ("beta", "gap", "asked_gap", "loose"),
    [
        (0.1, 0.06, 0.01, True),
        (0.1, 0.04, 0.01, False),
        (0.1, 0.06, 0.07, False),
        (0.0, 0.06, 0.01, False),
        (None, 0.06, 0.01, False),
        (0.1, None, 0.01, False),
    ],
)
def test_budget_is_loose_above_half_of_beta(
    beta: float | None, gap: float | None, asked_gap: float, loose: bool
) -> None:
    facts = {"beta": beta, "base_objective": 1.0, "base_bound": 0.9, "base_gap": gap}
    assert loose_budget(facts, asked_gap) is loose
