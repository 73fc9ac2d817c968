"""The formulation against what it must be: golden rows, invariance, and the relaxation property.

``UPDATE_GOLDEN=1 pytest tests/test_formulation.py`` writes the golden files anew; read each changed row against the
equation of its tag in ``models/README.md`` before you commit it.
"""

import dataclasses
import math
import os
import time
import tomllib
from collections.abc import Collection
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from golden.state import Operation, assert_rows_hold, put
from golden.studies import BATTERY, BUS, CASE, CORNER, GAS, ISLANDED, MODEL, NOTHING_TO_BUILD, WIND, study, tiny
from golden.studies import CONNECTED as CONNECTED_MODE
from golden.writer import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from igdt_planner.case import load_case
from igdt_planner.formulation import Formulation, build
from igdt_planner.formulation.bounds import i_sq_limit, load_current, source_current
from igdt_planner.formulation.build import burning_may_pay
from igdt_planner.formulation.losses import tangent
from igdt_planner.plan import Realisation
from igdt_planner.solver.conic import cone_rows, lagrangian, least, limited, relaxed
from igdt_planner.solver.highs import Options, to_highs
from igdt_planner.solver.problem import hold, loss_shortfall, no_rows, worst_violation
from igdt_planner.solver.solve import compile_problem
from igdt_planner.study import Horizon, Study

GOLDEN = Path(__file__).parent / "golden"
MODELS = resources.files("igdt_planner.models")

ROWS = {
    "S1": "dg_count both",
    "S2": "ess_count both",
    "S3": "dg_one_per_bus both",
    "S4": "ess_one_per_bus both",
    "R1": "one_parent both",
    "R2": "arc_switch both",
    "R3": "commodity_balance both",
    "R4": "commodity_upper both",
    "R5": "commodity_lower switching",
    "I1": "root_needs_source both meshed",
    "I2": "energised_tree both",
    "I3": "energised_mesh meshed",
    "I4": "island_commodity both",
    "I5": "island_commodity_root both",
    "I6": "commodity_upper_island both",
    "I7": "arc_switch_island both kept",
    "I8": "mesh_switch meshed",
    "I9": "energised_alike both",
    "I10": "dead_is_shed both robust",
    "I11": "dead_storage both",
    "I12": "must_take_live meshed",
    "I13": "root_keeps_energy both inverter",
    "I14": "live_line_is_arc kept",
    "I15": "dead_line_stays kept",
    "I16": "root_voltage_upper inverter",
    "I17": "root_voltage_lower inverter",
    "I18": "led_alike inverter",
    "I19": "led_by_storage inverter",
    "I20": "led_by_dg inverter",
    "F1": "balance_p both one_way two_sources robust",
    "F2": "balance_q both one_way two_sources meshed robust",
    "F3": "voltage_drop_upper both meshed",
    "F4": "voltage_drop_lower both meshed",
    "F5": "p_open_forward robust",
    "F6": "p_open_reverse robust",
    "F7": "q_open_forward robust",
    "F8": "q_open_reverse robust",
    "F9": "voltage_fed both one_way two_sources",
    "F10": "v_arc_open one_way two_sources robust",
    "F11": "v_arc_upper one_way two_sources robust",
    "F12": "v_arc_lower one_way two_sources robust",
    "F13": "size_open one_way two_sources robust",
    "F14": "back_within one_way two_sources robust",
    "F15": "below_highest both two_sources",
    "F16": "highest_rise both one_way two_sources robust",
    "L1": "current_open both one_way two_sources",
    "L2": "loss_tangent both one_way two_sources meshed",
    "D1": "dg_available both meshed robust",
    "D2": "dg_q_upper robust",
    "D3": "dg_q_lower robust",
    "D4": "shed_limit switching robust",
    "D5": "rating one_way meshed",
    "D6": "switched_on switching",
    "D7": "switched_off switching",
    "D8": "switching_limit switching",
    "D9": "voltage_below switching",
    "D10": "voltage_above switching",
    "D11": "rating_deviates scenarios",
    "B1": "charge_limit both",
    "B2": "discharge_limit both",
    "B3": "energy_limit both",
    "B4": "energy_recursion both",
    "B5": "energy_end both meshed",
    "B6": "charge_or meshed",
    "B7": "or_discharge meshed",
    "B8": "ess_capability inverter",
    "C0": "objective both switching",
    "C1": "losses both",
    "C2": "ens both",
    "C3": "lost_load_cost switching",
    "C4": "energy_cost both",
    "C5": "generation_cost both",
    "C6": "investment_cost both",
    "C7": "emissions both",
    "C8": "voltage_deviation switching",
    "C9": "switching switching",
    "C10": "p_injection both",
    "C11": "q_injection both inverter",
    "C12": "term_limit limited switching",
    "G1": "dg_capacity robust opportunity best_point",
    "G2": "alpha_built_upper robust",
    "G3": "alpha_built_alpha robust",
    "G4": "alpha_built_lower robust",
    "G5": "within_budget robust scenarios",
    "G6": "objective robust opportunity",
    "G7": "alpha_built_count robust",
    "G8": "same_topology scenarios",
    "G9": "same_schedule scenarios",
    "G10": "price_product scenarios",
    "G11": "deviation_within best_point",
    "G12": "deviation_where best_point",
    "G13": "few_deviate best_point",
    "G14": "deviation_product best_point",
    "G15": "below_costliest costliest",
}
"""Tag: component, and the tiny studies whose rows stand in its golden file."""


@cache
def written(name: str) -> Formulation:
    """A tiny study as a model."""
    return build(tiny(name))


@pytest.mark.parametrize("tag", ROWS)
def test_rows_are_the_golden_rows(tag: str) -> None:
    component, *names = ROWS[tag].split()
    lines = [f"\\ {tag} {component}"]
    for name in names:
        lines += ["", f"\\ study {name}", *rows(written(name), component)]
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{tag}.lp"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_constraint_of_the_tiny_studies_is_golden() -> None:
    golden = {entry.split()[0] for entry in ROWS.values()}
    names = (
        "both",
        "switching",
        "kept",
        "one_way",
        "meshed",
        "inverter",
        "two_sources",
        "robust",
        "opportunity",
        "best_point",
    )
    names += ("scenarios", "costliest")
    components = [part for name in names for part in written(name).model.component_objects(pyo.Constraint)]
    assert {part.local_name for part in components} <= golden
    assert {path.stem for path in GOLDEN.glob("*.lp")} == set(ROWS)


# Losses in the balance relax AC: every AC state satisfies every row and every tangent.

BEST_OPEN = (7, 9, 14, 32, 37)
BASE_OPEN = (33, 34, 35, 36, 37)


def shipped(case: str, model: str) -> Study:
    return study(load_case(case), tomllib.loads((MODELS / f"{model}.toml").read_text("utf-8")))


def closed(study: Study, opened: Collection[int]) -> list[int]:
    return [line for line in study.lines if line not in opened]


def turned_round(study: Study) -> Study:
    """The same study with every second line written from its other end."""
    turn = {line.id: dataclasses.replace(line, i=line.j, j=line.i) for line in study.lines.values() if line.id % 2}
    return dataclasses.replace(study, lines={**study.lines, **turn})


@pytest.mark.parametrize(("opened", "losses_mwh"), [(BASE_OPEN, 0.2026771), (BEST_OPEN, 0.1395513)])
@pytest.mark.parametrize("turn", [False, True], ids=["as given", "lines turned round"])
def test_ac_state_of_a_switched_feeder_satisfies_every_row(
    opened: Collection[int], losses_mwh: float, turn: bool
) -> None:
    planned = shipped("ieee33", "reconfiguration")
    formulation = build(turned_round(planned) if turn else planned)
    put(formulation, {"connected": Operation({1: 1.0}, closed(planned, opened))})
    assert assert_rows_hold(formulation) == pytest.approx(losses_mwh, abs=1e-7)


DG_25, DG_32, ESS_30 = (25, "dg_1mw"), (32, "dg_1mw"), (30, "ess_100kw")
STORED = {ESS_30: {1: (0.05, 0.0), 3: (0.0, 0.04)}}
CONNECTED = {"dg": {DG_25: 0.8 + 0.3j, DG_32: 0.7 + 0.4j}, "ess": STORED}
TWO_ISLANDS = [1, 2, 3, 5, 6, 8, 10, 11, 12, 13, 15, 16, 17, 19, 21, 22, 24, 25, 26, 28, 29, 30, 31, 32]
"""Lines that are closed when 24, 25 and 28 to 33 are islands; the others are dead, though fixed lines join them."""


@pytest.mark.parametrize("alpha", [None, 0.1])
def test_ac_state_of_a_planned_feeder_satisfies_every_row(alpha: float | None) -> None:
    planned = shipped("ieee33_14sw", "dual_mode")
    if alpha is not None:
        planned = planned.ask(
            Horizon("robust", budget=10.0, alpha_ub=0.5, scenarios=({"dg_availability": -1.0, "load": 0.1},))
        )
    formulation = build(planned)
    connected = Operation({1: 1.0}, closed(planned, BEST_OPEN), **CONNECTED)
    one_island = Operation({25: 1.02}, closed(planned, BASE_OPEN), served=0.25, dg={DG_32: 0.5 + 0.2j}, ess=STORED)
    two_islands = Operation({25: 1.0, 32: 1.05}, TWO_ISLANDS, served=0.35)
    for islanded in (one_island, two_islands):
        put(formulation, {"connected": connected, "islanded": islanded}, alpha or 0.0)
        assert_rows_hold(formulation)


def test_ac_state_with_reactive_power_of_storage_satisfies_every_row() -> None:
    model = tomllib.loads((MODELS / "dual_mode.toml").read_text("utf-8"))
    for technology in model["ess"]["technologies"]:
        technology["sn_mva"] = 0.13
    planned = study(load_case("ieee33_14sw"), model)
    formulation = build(planned)
    units: dict[str, Any] = {**CONNECTED, "reactive": {ESS_30: 0.12}}  # 0.05 and 0.12 are 0.13 together
    connected = Operation({1: 1.0}, closed(planned, BEST_OPEN), **units)
    absorbing = {"ess": STORED, "reactive": {ESS_30: -0.09}}
    island = Operation({25: 1.02}, closed(planned, BASE_OPEN), served=0.25, dg={DG_32: 0.5 + 0.2j}, **absorbing)
    put(formulation, {"connected": connected, "islanded": island})
    assert_rows_hold(formulation)
    problem, columns = compile_problem(formulation)
    x = np.array([variable.value for variable in columns])
    circles = problem.circles
    p, q = x[circles.discharge] - x[circles.charge], x[circles.q]
    assert np.max(np.hypot(p, q) - circles.radius * x[circles.on]) == pytest.approx(0.0, abs=1e-12)


def test_rows_do_not_hold_for_a_state_that_is_not_ac() -> None:
    """The test above can fail."""
    planned = shipped("ieee33", "reconfiguration")
    formulation = build(planned)
    put(formulation, {"connected": Operation({1: 1.0}, closed(planned, BASE_OPEN))})
    problem, columns = compile_problem(formulation)
    for column in (
        *("v_sq[18", "v_arc[18,1", "v_arc[5,6", "size[p,5,6", "size[q,5,6", "i_sq[9,10", "v_highest"),
        *("line_on[3", "arc[3,4", "commodity[4,5"),
    ):
        x = np.array([variable.value for variable in columns])
        x[[column in variable.name for variable in columns].index(True)] *= 0.9
        assert worst_violation(problem, x) > 1e-4 or loss_shortfall(problem, x)[1].max() > 1e-4, column


# Islands: what is dead rests, and costs no operations.

ISLANDED_MODE = ISLANDED | {"reactive": False}
FULL_ENS = 0.25 * (2.0 * (1.0 + 3.0 * 2.0) + 2.0 * (2.0 + 3.0 * 4.0))
"""Nothing served in the tiny case: weight of the mode, hours, load and priority of buses 2 and 3."""


def optimum(study: Study, wanted: str = "", **held: float) -> tuple[float, dict[str, float]]:
    """Value and point of a study with some variables held; infinite where infeasible.

    ``wanted`` puts the largest sum of the variables of that name in place of the objective.
    """
    problem, columns = compile_problem(build(study))
    names = [column.name.split(".")[-1] for column in columns]
    index = np.array([names.index(name) for name in held], dtype=np.int64)
    problem = hold(problem, index, np.array(list(held.values())))
    if wanted:
        problem = dataclasses.replace(problem, cost=-np.array([float(n.startswith(f"{wanted}[")) for n in names]))
    highs = to_highs(problem, no_rows(len(names)), Options(), integral=True)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return np.inf, {}
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return highs.getInfo().objective_function_value, dict(zip(names, highs.getSolution().col_value, strict=True))


def islanded(**model: Any) -> Study:
    """The tiny case as a lossless island without reactive loads, with least energy not served."""
    own: dict[str, Any] = {
        "modes": {"islanded": ISLANDED_MODE},
        "objective": [{"term": "ens", "mode": "islanded"}],
        "losses": "none",
        **NOTHING_TO_BUILD,
    }
    return study(CASE, MODEL | own | model)


def units(kind: str, technology: dict[str, Any]) -> dict[str, Any]:
    """One unit of a technology, at bus 3."""
    return {kind: {"max_units": 1, "buses": [3], "technologies": [technology]}}


def counted(limit: int) -> dict[str, Any]:
    """An island with a topology each period and a limited number of operations."""
    return {"modes": {"islanded": ISLANDED_MODE | {"topology": "dynamic", "max_switching_operations": limit}}}


def test_dead_lines_may_stay_closed_where_operations_count() -> None:
    value, point = optimum(islanded(**counted(0)))
    assert value == pytest.approx(FULL_ENS)
    assert [point[f"line_on[{line},{t}]"] for t in (1, 2) for line in (1, 2, 3)] == [1, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("built", [units("dg", GAS), {}], ids=["live", "dead"])
@pytest.mark.parametrize(
    "held", [{"line_on[3,1]": 1.0, "line_on[2,1]": 1.0}, {"line_on[3,2]": 1.0, "line_on[2,2]": 1.0}]
)
def test_neither_live_nor_dead_lines_form_a_loop(built: dict[str, Any], held: dict[str, float]) -> None:
    planned = islanded(**counted(9), **built)
    assert optimum(planned)[0] <= FULL_ENS
    assert optimum(planned, **held)[0] == np.inf


def test_units_at_dead_buses_rest() -> None:
    following = BATTERY | {"grid_forming": False}
    planned = islanded(**units("dg", WIND), **units("ess", following))
    assert optimum(planned)[0] == pytest.approx(FULL_ENS)
    assert optimum(planned, wanted="p_charge")[0] == pytest.approx(0.0)
    assert optimum(planned, wanted="p_discharge")[0] == pytest.approx(0.0)


def test_must_take_dg_rests_at_a_dead_bus_and_is_taken_at_a_live_one() -> None:
    must_take = WIND | {"must_take": True}
    assert optimum(islanded(**units("dg", must_take)), **{"build_dg[3,wind]": 1.0})[0] == pytest.approx(FULL_ENS)
    forming = islanded(**units("dg", GAS | {"must_take": True, "p_mw": 2.0}))
    live = {"build_dg[3,gas]": 1.0, "energised[3,1]": 1.0}
    assert optimum(forming, **live)[1]["p_dg[3,gas,1]"] == pytest.approx(0.16)  # 0.8 times 2 MW on 10 MVA
    assert optimum(forming, **live, **{"p_dg[3,gas,1]": 0.1})[0] == np.inf


@pytest.mark.parametrize(("start_mwh", "dark"), [(0.0, True), (0.02, True), (0.5, False)])
def test_storage_without_energy_forms_no_grid_for_others(start_mwh: float, dark: bool) -> None:
    battery = BATTERY | {"energy_start_mwh": start_mwh, "energy_end": "free"}
    value, point = optimum(islanded(**units("dg", WIND), **units("ess", battery)))
    assert (value == pytest.approx(FULL_ENS)) == dark
    assert point["energised[3,1]"] == (0.0 if dark else 1.0)


def test_storage_alone_may_form_a_grid_until_it_is_empty() -> None:
    """No other unit relies on it where every technology forms grids: nothing to keep."""
    battery = BATTERY | {"energy_start_mwh": 3.0, "energy_end": "free"}
    value, _ = optimum(islanded(**units("ess", battery)))
    assert value == pytest.approx(FULL_ENS - 0.25 * 3.0 * 0.8 * 3.0)  # priority 3, 0.8 of 3 MWh
    assert optimum(islanded(**units("dg", WIND), **units("ess", BATTERY | {"energy_end": "free"})))[0] < FULL_ENS


def loaded(**load: float) -> dict[str, Any]:
    """The tiny case with another load at bus 2."""
    buses = [bus | ({**load, "load_may_be_negative": True} if bus["id"] == 2 else {}) for bus in CASE["buses"]]
    return CASE | {"buses": buses}


def test_flow_of_an_island_is_bounded_by_its_sources_only_without_negative_loads() -> None:
    for q_mvar, larger in ((1.0, False), (-1.0, True)):
        planned = study(loaded(q_mvar=q_mvar), MODEL)
        mode = planned.modes["islanded"]
        sources = (math.hypot(0.5, 0.2) + 0.1) / 0.9
        assert i_sq_limit(planned, mode, 1) ** 0.5 == pytest.approx(
            sources + (load_current(planned, mode) if larger else 0.0)
        )


def test_bounds_follow_the_largest_factor_on_dg() -> None:
    planned = dataclasses.replace(tiny("both"), realisation=Realisation(dg_availability={(2, 1): 1.5, (3, 1): 0.5}))
    assert source_current(planned) == pytest.approx((1.5 * math.hypot(0.5, 0.2) + 0.1) / 0.9)
    fewer = dataclasses.replace(tiny("both"), realisation=Realisation(dg_availability={(2, 1): 0.5}))
    assert source_current(fewer) == pytest.approx(source_current(tiny("both")))


CONNECTED_ONLY = {"modes": {"connected": CONNECTED_MODE}, "objective": [{"term": "losses", "mode": "connected"}]}
PROFILE = [CASE["profile"][0], CASE["profile"][1] | {"price_per_mwh": -1.0}]
MUST_TAKE = {"dg": MODEL["dg"] | {"technologies": [GAS | {"must_take": True}]}}


@pytest.mark.parametrize(
    ("case", "model", "pays"),
    [
        (CASE, {}, False),
        (CASE, MUST_TAKE, True),
        (CASE | {"profile": PROFILE}, {}, True),
        (loaded(p_mw=-1.0), {}, True),
        (CASE, {"objective": [{"term": "voltage_deviation", "mode": "connected"}]}, True),
    ],
    ids=["no", "must-take DG", "negative price", "negative load", "voltage deviation"],
)
def test_burning_energy_may_pay(case: dict[str, Any], model: dict[str, Any], pays: bool) -> None:
    assert burning_may_pay(study(case, MODEL | CONNECTED_ONLY | model)) == pays


# What must not matter does not matter.


def test_a_substation_without_lines_does_not_matter() -> None:
    alone = {"buses": [*CASE["buses"], BUS | {"id": 4, "p_mw": 0.0, "q_mvar": 0.0}]}
    alone["substations"] = [*CASE["substations"], {"bus": 4, "vm_pu": 1.0}]
    for own in (CONNECTED_ONLY | {"losses": "objective"}, {"losses": "none"}):
        assert optimum(study(CASE | alone, MODEL | own))[0] == pytest.approx(optimum(study(CASE, MODEL | own))[0])


def conic_bound(study: Study) -> float:
    """Bound of the relaxation with exact cones, from multipliers over the column bounds."""
    problem, _ = compile_problem(build(study))
    rows_of_cones = cone_rows(problem)
    _, multipliers, infeasible = relaxed(problem, rows_of_cones, 0.0, time.monotonic() + 60.0)
    assert not infeasible
    constant, reduced, _ = lagrangian(problem.rows, rows_of_cones, problem.cost, multipliers)
    return constant + least(reduced, *limited(problem.rows, problem.lower, problem.upper)) + problem.offset


@cache
def plain_bound() -> float:
    return conic_bound(tiny("both"))


def renumbered(record: dict[str, Any], names: dict[int, int], *keys: str) -> dict[str, Any]:
    return record | {key: names[record[key]] for key in keys}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=3, unique=True), st.permutations(range(3)))
def test_numbers_and_order_of_buses_do_not_change_the_bound(numbers: list[int], order: list[int]) -> None:
    names = dict(zip((1, 2, 3), numbers, strict=True))
    case = CASE | {
        "buses": [renumbered(CASE["buses"][place], names, "id") for place in order],
        "lines": [renumbered(CASE["lines"][place], names, "from_bus", "to_bus") for place in order],
        "substations": [renumbered(record, names, "bus") for record in CASE["substations"]],
    }
    choices = {kind: MODEL[kind] | {"buses": [names[bus] for bus in MODEL[kind]["buses"]]} for kind in ("dg", "ess")}
    assert conic_bound(study(case, MODEL | choices)) == pytest.approx(plain_bound(), rel=1e-5)


@pytest.mark.parametrize("base_mva", [1.0, 100.0])
def test_the_power_base_does_not_change_the_bound(base_mva: float) -> None:
    assert conic_bound(study(CASE | {"base_mva": base_mva}, MODEL)) == pytest.approx(plain_bound(), rel=1e-5)


def test_the_unit_of_money_scales_the_bound() -> None:
    terms = [term | {"weight": 7.0 * term.get("weight", 1.0)} for term in MODEL["objective"]]
    assert conic_bound(study(CASE, MODEL | {"objective": terms})) == pytest.approx(7.0 * plain_bound(), rel=1e-5)


def test_impedances_change_the_bound() -> None:
    """The tests above can fail."""
    lossy = [line | {"r_ohm": 3.0 * line["r_ohm"]} for line in CASE["lines"]]
    assert conic_bound(study(CASE | {"lines": lossy}, MODEL)) > plain_bound() * (1.0 + 1e-4)


POWER, WIDTH = st.floats(-10.0, 10.0), st.floats(0.01, 2.0)


@given(POWER, POWER, WIDTH, POWER, POWER, WIDTH)
def test_tangent_lies_below_the_cone_and_touches_it(
    p0: float, q0: float, w0: float, p: float, q: float, w: float
) -> None:
    k_p, k_q, k_w = tangent(p0, q0, w0)
    square = (p * p + q * q) / w
    assert k_p * p + k_q * q - k_w * w <= square + 1e-9 * (1.0 + square + k_w * w)
    touched = (p0 * p0 + q0 * q0) / w0
    assert k_p * p0 + k_q * q0 - k_w * w0 == pytest.approx(touched, abs=1e-9)


def test_cones_are_weighed_in_the_unit_of_the_objective() -> None:
    """Tangents are added where a cone misses the tolerance of the objective; MWh against money would add none."""
    mode = {"connected": CONNECTED_MODE}
    weight = {
        name: build(study(CASE, MODEL | {"modes": mode, "objective": objective})).cones[0].weight
        for name, objective in {
            "losses": [{"term": "losses", "mode": "connected"}],
            "money": [{"term": "energy_cost", "mode": "connected"}, {"term": "generation_cost", "mode": "connected"}],
            "nothing": [{"term": "switching", "mode": "connected"}],
        }.items()
    }
    first = 0.01 * 2.0 * 10.0 * 0.75  # r dt base_mva weight
    assert weight == pytest.approx({"losses": first, "money": first * (60.0 + 50.0), "nothing": first})
    asked = study(CASE, MODEL | {"modes": mode, "objective": [{"term": "losses", "mode": "connected"}]}).ask(CORNER)
    assert build(asked).cones[0].weight == pytest.approx(first / CORNER.budget)
