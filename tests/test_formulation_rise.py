"""What may lift a voltage: power that runs back to a parent, bounded by what can be given, in AC states of trees."""

import dataclasses
import random
from functools import cache
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from golden.state import Operation, assert_rows_hold, put
from golden.studies import BATTERY, BEST_CORNER, CASE, CONNECTED, CORNER, FED_TWICE, GAS, MODEL, ROBUST, study, tiny
from hand import inline
from hypothesis import Phase, assume, given, reject, settings
from hypothesis import strategies as st

from igdt_planner.case import Case, load_case
from igdt_planner.formulation import Formulation, build
from igdt_planner.formulation.bounds import power_given
from igdt_planner.network import Edge, cycle_among, edges, merge_sources, substation_buses
from igdt_planner.plan import Realisation
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import solve
from igdt_planner.solver.problem import worst_violation
from igdt_planner.solver.solve import compile_problem
from igdt_planner.study import Study

LOAD = 0.3
"""Share of the loads in the AC states, so that DG outweighs them and trees of any shape carry them."""

LARGE = GAS | {"p_mw": 6.0, "q_min_mvar": -3.0, "q_max_mvar": 4.0}
STORE = BATTERY | {"p_mw": 0.5, "energy_start_mwh": 3.0, "energy_end": "free"}
LIFTED: dict[str, Any] = MODEL | {
    "modes": {"connected": CONNECTED},
    "objective": [{"term": "losses", "mode": "connected"}],
    "periods": "peak",
    "dg": {"max_units": 3, "technologies": [LARGE]},
    "ess": {"max_units": 1, "technologies": [STORE]},
}


def loosened(name: str, vm_pu: dict[int, float], given_mw: dict[int, complex]) -> Case:
    """A shipped case without ratings, with wide voltage limits, other source voltages and some negative loads."""
    case = inline(name)
    limits = {"vm_min_pu": 0.6, "vm_max_pu": 1.6}
    negative = {
        bus: {"p_mw": -power.real, "q_mvar": -power.imag, "load_may_be_negative": True}
        for bus, power in given_mw.items()
    }
    case["buses"] = [bus | limits | negative.get(bus["id"], {}) for bus in case["buses"]]
    case["lines"] = [line | {"max_i_ka": None, "switchable": True} for line in case["lines"]]
    case["substations"] = [{"bus": bus, "vm_pu": magnitude} for bus, magnitude in vm_pu.items()]
    return load_case(case)


CASES = {
    "ieee33": ({1: 1.02}, {24: 0.5 + 0.4j}),
    "ieee16": ({1: 0.97, 2: 1.0, 3: 1.05}, {12: 9.0 + 3.0j, 14: 2.0j}),
}
"""Voltages of the sources and what some buses give, by case."""


@cache
def lifted(name: str) -> Formulation:
    planned = study(loosened(name, *CASES[name]), LIFTED)
    return build(planned.realise(Realisation(load=LOAD)))


def random_tree(case: Case, order: random.Random) -> list[int]:
    """Closed lines of a random spanning forest of the sources."""
    lines = merge_sources(edges(case), substation_buses(case))
    order.shuffle(lines)
    forest: list[Edge] = []
    for line in lines:
        forest += [] if cycle_among([*forest, line]) else [line]
    return [line for line, _, _ in forest]


def slack(formulation: Formulation) -> float:
    """What (F16) leaves at the values of the variables, in the only period."""
    (row,) = formulation.model.mode["connected"].highest_rise.values()
    return float(pyo.value(row.upper) - pyo.value(row.body))


def values(variable: Any) -> list[float]:
    return [part.value for part in variable.values()]


PLACES = st.lists(st.integers(0, 1000), min_size=3, max_size=3, unique=True)
POWERS = st.lists(st.tuples(st.floats(0.4, 1.0), st.floats(-0.75, 1.0)), min_size=3, max_size=3)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})  # no tree is simple
@given(st.integers(0, 2**32), PLACES, POWERS, st.sampled_from([0.05, 0.2, 0.5]))
def test_ac_states_with_reverse_flow_rise_no_more_than_the_row_allows(
    name: str, seed: int, places: list[int], powers: list[tuple[float, float]], scale: float
) -> None:
    formulation = lifted(name)
    planned, b = formulation.study, formulation.model.mode["connected"]
    dg_sites, ess_sites, (period,) = list(planned.dg), list(planned.ess), planned.periods
    most = scale / planned.base_mva
    dg = {
        dg_sites[place % len(dg_sites)]: most * complex(p * LARGE["p_mw"], q * LARGE["q_max_mvar"])
        for place, (p, q) in zip(places, powers, strict=True)
    }
    ess = {ess_sites[places[0] % len(ess_sites)]: {period: (0.0, most * STORE["p_mw"])}}
    closed = random_tree(planned.case, random.Random(seed))
    try:
        put(formulation, {"connected": Operation(CASES[name][0], closed, dg=dg, ess=ess)})
    except ArithmeticError:
        reject()
    assume(all(variable.lb <= variable.value <= variable.ub for variable in b.v_sq.values()))
    assume(max(values(b.back)) > 0.0)
    assert_rows_hold(formulation)
    assert slack(formulation) > -1e-12


def chain(**load: float) -> Formulation:
    """Lines 1 and 2 of the tiny case in a row, DG at its end, load nowhere but at bus 2 and the substation."""
    buses = [bus | {"p_mw": 1.0 if bus["id"] == 1 else 0.0, "q_mvar": 0.0} for bus in CASE["buses"]]
    buses[1] |= load | {"load_may_be_negative": True}
    lines = [line | {"max_i_ka": None} for line in CASE["lines"]]
    planned = study(CASE | {"buses": buses, "lines": lines}, LIFTED | {"dg": {"max_units": 1, "technologies": [GAS]}})
    formulation = build(planned)
    put(formulation, {"connected": Operation({1: 1.0}, [1, 2], dg={(3, "gas"): 0.5 + 0.2j})})
    return formulation


@pytest.mark.parametrize("load", [{}, {"p_mw": -2.0, "q_mvar": -1.0}], ids=["DG alone", "DG and a negative load"])
def test_the_row_is_exact_where_all_power_runs_back_to_the_source(load: dict[str, float]) -> None:
    formulation = chain(**load)
    b = formulation.model.mode["connected"]
    assert_rows_hold(formulation)
    assert b.v_sq[3, 2].value > b.v_sq[2, 2].value > 1.0
    assert slack(formulation) == pytest.approx(0.0, abs=1e-12)


def test_the_row_leaves_room_where_power_arrives() -> None:
    formulation = chain(p_mw=8.0, q_mvar=4.0)
    assert_rows_hold(formulation)
    assert slack(formulation) > 1e-3


@pytest.mark.parametrize(
    "column", ["v_highest", "v_arc[2,3", "back[p,2,3", "back[q,1,2", "size[p,1,2", "size[q,2,3", "i_sq[1,2"]
)
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_rows_do_not_hold_for_reverse_flow_that_is_not_ac(column: str, factor: float) -> None:
    """The tests above can fail."""
    problem, columns = compile_problem(chain())
    x = np.array([variable.value for variable in columns])
    x[[column in variable.name for variable in columns].index(True)] *= factor
    assert worst_violation(problem, x) > 1e-5


# What can be given bounds what runs back.

NEGATIVE = CASE | {
    "buses": [
        bus | ({"p_mw": -2.0, "q_mvar": -1.0, "load_may_be_negative": True} if bus["id"] == 2 else {})
        for bus in CASE["buses"]
    ]
}
"""The tiny case with 2 MW and 1 Mvar given at bus 2, half of it in the first period."""
ONLY_CONNECTED = {"modes": {"connected": CONNECTED}, "objective": [{"term": "losses", "mode": "connected"}]}
GIVING, GIVING_TWICE = study(NEGATIVE, MODEL | ONLY_CONNECTED), study(NEGATIVE, ROBUST | ONLY_CONNECTED)

GIVEN: dict[str, tuple[Study, float, float]] = {
    "a DG and an ESS": (tiny("both"), 0.5 + 0.1, 0.2),
    "nothing": (tiny("one_way"), 0.0, 0.0),
    "two DG, less of them": (tiny("robust"), 2 * 0.5, 2 * 0.2),
    "two DG, more of them": (tiny("opportunity"), 1.5 * 2 * 0.5, 1.5 * 2 * 0.2),
    "a negative load": (GIVING, 0.6 + 0.2, 0.2 + 0.1),
    "less DG, more load": (GIVING_TWICE.ask(CORNER), 1.0 + 1.1 * 0.2, 0.4 + 1.1 * 0.1),
    "more DG": (GIVING_TWICE.ask(BEST_CORNER), 1.5 + 0.2, 0.6 + 0.1),
    "realised": (GIVING.realise(Realisation(load=0.5, dg_availability=0.8)), 0.4 + 0.1 + 0.1, 0.16 + 0.05),
    "unit by unit": (
        dataclasses.replace(tiny("both"), realisation=Realisation(dg_availability={(2, 1): 1.5, (3, 1): 0.5})),
        0.75 + 0.1,
        0.3,
    ),
}


@pytest.mark.parametrize(("planned", "p", "q"), GIVEN.values(), ids=GIVEN)
def test_what_can_be_given(planned: Study, p: float, q: float) -> None:
    assert power_given(planned, planned.modes["connected"]) == pytest.approx((p, q))


def test_nothing_runs_back_where_nothing_is_given() -> None:
    b = build(tiny("one_way")).model.mode["connected"]
    assert {variable.ub for variable in b.back.values()} == {0.0}
    assert not len(b.back_within)


# The row serves relaxations alone: without it the same plans cost the same.

PRICED = ONLY_CONNECTED | {
    "objective": [
        {"term": "losses", "mode": "connected", "weight": 100.0},
        {"term": "energy_cost", "mode": "connected", "weight": 0.01},
        {"term": "voltage_deviation", "mode": "connected"},
    ]
}
MUST_TAKE = MODEL | PRICED | {"dg": {"max_units": 2, "technologies": [LARGE | {"must_take": True}]}}
LINEAR = MODEL | PRICED | {"losses": "none", "dg": {"max_units": 2, "technologies": [LARGE]}}
TIGHT = CASE | {"buses": [bus | {"vm_max_pu": 1.003} for bus in CASE["buses"]]}

LIFTING: dict[str, Study] = {name: tiny(name) for name in ("both", "switching", "one_way")}
LIFTING |= {
    "a negative load": study(NEGATIVE, MUST_TAKE),
    "a negative load, no losses": study(NEGATIVE, LINEAR),
    "two substations": study(FED_TWICE, MUST_TAKE),
    "two substations, no losses": study(FED_TWICE, LINEAR),
    "voltages at their limit": study(TIGHT, MUST_TAKE),
    "voltages at their limit, no losses": study(TIGHT, LINEAR),
    "less DG, more load": tiny("robust").ask(dataclasses.replace(CORNER, budget=6.0)),
}


def least(planned: Study, *, unbounded_rise: bool = False) -> float:
    """Value of a study solved to what its tangents resolve."""
    formulation = build(planned)
    if unbounded_rise:
        for mode in formulation.model.mode.values():
            if not mode.by_line:
                mode.highest_rise.deactivate()
    problem, _ = compile_problem(formulation)
    answer, _ = solve(problem, Options(gap=1e-6), None, lambda event: None)
    assert answer.value is not None and answer.value - answer.bound < 1e-4 * abs(answer.value)
    return answer.value


@pytest.mark.parametrize("name", LIFTING)
def test_bound_on_the_rise_of_voltages_cuts_off_no_optimum(name: str) -> None:
    planned = LIFTING[name]
    assert least(planned) == pytest.approx(least(planned, unbounded_rise=True), rel=1e-6)
