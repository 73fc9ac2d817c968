"""The independent checker: a sound plan passes, and every way to break it is named."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igdt_planner.ac import ac_state, check, check_dispatch
from igdt_planner.ac.check import OPERATION_RULES, ROW_RULES, SITE_RULES
from igdt_planner.ac.operation import operate
from igdt_planner.case import Case, load_case
from igdt_planner.model import Model
from igdt_planner.plan import FORECAST, Dispatch, Plan, Realisation

COLUMNS = {
    "dg": ["mode", "period", "bus", "p_mw", "q_mvar"],
    "ess": ["mode", "period", "bus", "p_charge_mw", "p_discharge_mw", "energy_mwh", "q_mvar"],
    "shed": ["mode", "period", "bus", "p_mw", "q_mvar"],
    "sources": ["mode", "period", "bus", "vm_pu"],
}
UNITS = {
    "dg": ["bus", "technology", "p_mw", "q_min_mvar", "q_max_mvar"],
    "ess": ["bus", "technology", "p_mw", "energy_mwh"],
}


def dispatch_of(realisation: Realisation = FORECAST, **rows: list[tuple[Any, ...]]) -> Dispatch:
    rows["ess"] = [(*row, 0.0)[:7] for row in rows.get("ess", [])]  # no reactive power unless stated
    tables = {name: pd.DataFrame(rows.get(name, []), columns=columns) for name, columns in COLUMNS.items()}
    return Dispatch(realisation, **tables)


def plan_of(case: Case, model: Model, open_lines: Any, dispatch: Dispatch | None, dg: Any = (), ess: Any = ()) -> Plan:
    return Plan(
        kind="solve",
        case=case,
        model=model,
        status="feasible",
        open_lines=open_lines,
        dg=pd.DataFrame(list(dg), columns=UNITS["dg"]),
        ess=pd.DataFrame(list(ess), columns=UNITS["ess"]),
        dispatch=dispatch,
        dispatch_forecast=dispatch,
        objective=None,
        model_objective=None,
        bound=None,
        bound_of="ac",
        gap=None,
        ac=None,
        ac_forecast=None,
        redispatched=False,
        seconds=0.0,
    )


# ------------------------------------------------------------------ shipped cases, nothing built


def switching_plan(name: str, open_lines: tuple[int, ...] | None = None, **model: Any) -> Plan:
    """A plan of switching alone, in the base topology or another."""
    case = load_case(name)
    settings: dict[str, Any] = {
        "name": "losses",
        "unit": "MWh",
        "modes": {"connected": {"weight": 1.0}},
        "objective": [{"term": "losses", "mode": "connected"}],
    }
    periods = case.profile["period"].tolist()
    if model.get("periods") == "peak":
        periods = [case.profile["period"][case.profile["load"].argmax()]]
    stated = open_lines or tuple(case.lines.loc[~case.lines["in_service"], "id"].tolist())
    rows = list(zip(case.substations["bus"], case.substations["vm_pu"], strict=True))
    sources = [("connected", period, *row) for period, row in product(periods, rows)]
    topology = {"connected": dict.fromkeys(periods, stated)}
    return plan_of(case, Model(**(settings | model)), topology, dispatch_of(sources=sources))


def test_base_topology_of_33_buses():
    verdict = check(switching_plan("ieee33")).ac
    assert verdict.verdict == "feasible" and verdict.violations == ()
    losses = verdict.lines.groupby("period")["loss_mw"].sum() * 1e3
    assert losses.tolist() == pytest.approx([47.07, 94.91, 202.677, 94.91], abs=0.0051)
    assert verdict.objective == pytest.approx(losses.sum() / 1e3)
    worst = verdict.vm_min_pu, verdict.vm_min_mode, verdict.vm_min_bus, verdict.vm_min_period
    assert worst == (pytest.approx(0.91309, abs=5e-6), "connected", 18, 3)


def test_peak_judges_the_period_of_largest_load_alone():
    verdict = check(switching_plan("ieee33", periods="peak")).ac
    assert verdict.verdict == "feasible" and set(verdict.lines["period"]) == {3}
    assert verdict.objective == pytest.approx(0.202677, abs=5e-7)


@pytest.mark.parametrize(
    ("name", "open_lines", "kwh"),
    [
        ("ieee33", (7, 9, 14, 32, 37), 139.5513),
        ("ieee69", None, 224.99),
        ("ieee16", None, 511.44),
    ],
)
def test_published_losses(name: str, open_lines: tuple[int, ...] | None, kwh: float):
    verdict = check(switching_plan(name, open_lines, periods="peak")).ac
    assert verdict.verdict == "feasible", verdict.violations
    assert verdict.objective * 1e3 == pytest.approx(kwh, abs=0.0051)


# ------------------------------------------------------------------ a small plan that uses every rule


@cache
def small_case() -> Case:
    bus_columns = ("id", "vn_kv", "p_mw", "q_mvar", "vm_min_pu", "vm_max_pu", "priority", "value_of_lost_load_per_mwh")
    line_columns = ("id", "from_bus", "to_bus", "r_ohm", "x_ohm", "max_i_ka", "in_service", "switchable")
    period_columns = ("period", "start_h", "duration_h", "load", "dg", "price_per_mwh", "emissions_t_per_mwh")
    buses = [
        (1, 10.0, 0.0, 0.0, 0.9, 1.1, 1.0, 0.0),
        (2, 10.0, 0.4, 0.2, 0.9, 1.1, 1.0, 100.0),
        (3, 10.0, 0.3, 0.1, 0.9, 1.1, 2.0, 1000.0),
        (4, 10.0, 0.2, 0.1, 0.9, 1.1, 1.0, 100.0),
    ]
    lines = [
        (1, 1, 2, 0.5, 0.4, 0.2, True, True),
        (2, 2, 3, 0.5, 0.4, 0.2, True, False),
        (3, 3, 4, 0.5, 0.4, None, True, True),
        (4, 1, 4, 0.5, 0.4, None, False, True),
    ]
    profile = [(1, 0, 1, 0.5, 1.0, 50, 0.4), (2, 1, 2, 1.0, 0.8, 100, 0.5), (3, 3, 1, 0.8, 0.9, 80, 0.4)]
    document = {
        "name": "small",
        "title": "four buses in a row",
        "base_mva": 1.0,
        "currency": "EUR",
        "buses": [dict(zip(bus_columns, row, strict=True)) for row in buses],
        "lines": [dict(zip(line_columns, row, strict=True)) for row in lines],
        "substations": [{"bus": 1, "vm_pu": 1.0}],
        "profile": [dict(zip(period_columns, row, strict=True)) for row in profile],
    }
    return load_case(document)


GAS = {
    "name": "gas",
    "p_mw": 1.0,
    "q_min_mvar": -0.5,
    "q_max_mvar": 0.5,
    "generation_cost_per_mwh": 60.0,
    "emissions_t_per_mwh": 0.2,
    "investment_cost": 1000.0,
    "lifetime_years": 10.0,
    "discount_rate": 0.0,
}
SUN = {"name": "sun", "p_mw": 0.2, "must_take": True, "grid_forming": False, "maintenance_cost_per_year": 7.0}
BATTERY = {
    "name": "battery",
    "p_mw": 0.2,
    "energy_mwh": 0.4,
    "eta_charge": 0.9,
    "eta_discharge": 0.8,
    "energy_start_mwh": 0.1,
    "energy_end": "at_least_start",
    "maintenance_cost_per_year": 5.0,
}


def small_model(**changes: Any) -> Model:
    settings: dict[str, Any] = {
        "name": "everything",
        "unit": "mixed",
        "modes": {"connected": {"weight": 0.6}, "islanded": {"weight": 0.4}},
        "objective": [
            {"term": "losses", "mode": "connected"},
            {"term": "losses", "mode": "islanded"},
            {"term": "ens", "mode": "islanded", "weight": 3.0},
            {"term": "investment_cost", "weight": 2.0},
        ],
        "dg": {"max_units": 2, "buses": [2, 3], "technologies": [GAS, SUN]},
        "ess": {"max_units": 1, "technologies": [BATTERY]},
    }
    return Model(**(settings | changes))


def both(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(mode, *row) for mode in ("connected", "islanded") for row in rows]


def sound(case: Case | None = None, model: Model | None = None) -> Plan:
    """Gas at 2 forms the island of buses 2, 3, 4; sun at 3, battery at 4; a quarter of bus 3 is shed in period 2."""
    gas = [(1, 2, 0.1, 0.1), (2, 2, 0.2, 0.1), (3, 2, 0.3, 0.1)]
    sun = [(1, 3, 0.2, 0.0), (2, 3, 0.16, 0.0), (3, 3, 0.18, 0.0)]
    battery = [(1, 4, 0.1, 0.0, 0.19), (2, 4, 0.0, 0.05, 0.065), (3, 4, 0.1, 0.0, 0.155)]
    dispatch = dispatch_of(
        dg=both(gas + sun),
        ess=both(battery),
        shed=[("islanded", 2, 3, 0.075, 0.025)],
        sources=[("connected", t, 1, 1.0) for t in (1, 2, 3)] + [("islanded", t, 2, 1.02) for t in (1, 2, 3)],
    )
    return plan_of(
        case or small_case(),
        model or small_model(),
        {"connected": dict.fromkeys((1, 2, 3), (4,)), "islanded": dict.fromkeys((1, 2, 3), (1, 4))},
        dispatch,
        dg=[(2, "gas", 1.0, -0.5, 0.5), (3, "sun", 0.2, 0.0, 0.0)],
        ess=[(4, "battery", 0.2, 0.4)],
    )


def edit(plan: Plan, table: str, mode: str, period: int, bus: int, **values: float) -> Plan:
    """The plan with one row of its dispatch changed, or added where it is missing."""
    rows = getattr(plan.dispatch, table).to_dict("records")
    key = {"mode": mode, "period": period, "bus": bus}
    chosen = [row for row in rows if key.items() <= row.items()]
    if not chosen:
        chosen = [dict(key)]
        rows += chosen
    for row in chosen:
        row.update(values)
    return tabled(plan, **{table: pd.DataFrame(rows, columns=COLUMNS[table])})


def drop(plan: Plan, table: str, mode: str, period: int, bus: int) -> Plan:
    frame = getattr(plan.dispatch, table)
    row = (frame["mode"] == mode) & (frame["period"] == period) & (frame["bus"] == bus)
    return tabled(plan, **{table: frame[~row]})


def tabled(plan: Plan, **changes: Any) -> Plan:
    dispatch = replace(plan.dispatch, **changes)
    return replace(plan, dispatch=dispatch, dispatch_forecast=dispatch)


def switched(plan: Plan, mode: str, open_lines: dict[int, tuple[int, ...]]) -> Plan:
    return replace(plan, open_lines=plan.open_lines | {mode: plan.open_lines[mode] | open_lines})


def everywhere(plan: Plan, mode: str, open_lines: tuple[int, ...]) -> Plan:
    return switched(plan, mode, dict.fromkeys((1, 2, 3), open_lines))


def moded(mode: str, **changes: Any) -> Model:
    modes = {"connected": {"weight": 0.6}, "islanded": {"weight": 0.4}}
    return small_model(modes=modes | {mode: modes[mode] | changes})


def recased(table: str, row: int, **values: Any) -> Plan:
    case = small_case()
    frame = getattr(case, table).copy()
    for column, value in values.items():
        frame.loc[row, column] = value
    return sound(replace(case, **{table: frame}))


def built(plan: Plan, kind: str, *rows: tuple[Any, ...]) -> Plan:
    return replace(plan, **{kind: pd.DataFrame(rows, columns=UNITS[kind])})


def stored(plan: Plan, mode: str, energies: tuple[float, float, float]) -> Plan:
    for period, energy in enumerate(energies, start=1):
        plan = edit(plan, "ess", mode, period, 4, energy_mwh=energy)
    return plan


def test_the_sound_plan_is_feasible():
    judged = check(sound())
    assert judged.ac.violations == () and judged.ac.verdict == "feasible"
    assert judged.ac_forecast is judged.ac


GAS_ROW, SUN_ROW, BATTERY_ROW = (2, "gas", 1.0, -0.5, 0.5), (3, "sun", 0.2, 0.0, 0.0), (4, "battery", 0.2, 0.4)

Mutation = tuple[str, Callable[[], Plan], set[str], str]
MUTATIONS: list[Mutation] = [
    # limits
    (
        "voltage too low",
        lambda: recased("buses", 3, vm_min_pu=1.0),
        {"voltage"},
        r"^bus 4 at 0\.99\d\d pu is below 1\.0000 pu \(connected, period 2\)$",
    ),
    (
        "voltage too high by little",
        lambda: recased("buses", 1, vm_max_pu=1.02 - 2e-6),
        {"voltage"},
        r"^bus 2 at 1\.020000 pu is above 1\.019998 pu \(islanded, period 1\)$",
    ),
    (
        "island held above the limit",
        lambda: edit(sound(), "sources", "islanded", 3, 2, vm_pu=1.11),
        {"voltage"},
        r"^bus 2 at 1\.1100 pu is above 1\.1000 pu \(islanded, period 3\)$",
    ),
    (
        "line overloaded",
        lambda: recased("lines", 1, max_i_ka=0.015),
        {"rating"},
        r"^line 2 carrying 0\.0\d+ kA is above 0\.0150 kA \(connected, period 2\)$",
    ),
    (
        "no AC solution",
        lambda: edit(sound(), "sources", "islanded", 2, 2, vm_pu=0.01),
        {"no_ac_solution"},
        r"no solution, so limits and objective cannot be judged \(islanded, period 2\)",
    ),
    (
        "dead load served",
        lambda: drop(sound(), "sources", "islanded", 1, 2),
        {"dead_load", "dead_unit"},
        r"bus 2 has no source but only 0\.0000 of its 0\.2000 MW load",
    ),
    (
        "dead unit runs",
        lambda: switched(
            edit(edit(sound(), "shed", "islanded", 1, 4, p_mw=0.1, q_mvar=0.05), "sources", "islanded", 1, 2),
            "islanded",
            {1: (1, 3, 4)},
        ),
        {"dead_unit", "static_topology"},
        r"storage at bus 4 runs with 0\.1000 MVA but no unit forms a grid there \(islanded, period 1\)",
    ),
    # topology
    (
        "open lines not stated",
        lambda: replace(
            sound(), open_lines={"connected": {1: (4,), 2: (4,)}, "islanded": sound().open_lines["islanded"]}
        ),
        {"topology_missing"},
        r"does not state the open lines.*\(connected, period 3\)",
    ),
    (
        "unknown line",
        lambda: everywhere(sound(), "connected", (4, 99)),
        {"unknown_line"},
        r"line 99 is open but not in the case",
    ),
    (
        "line without a switch",
        lambda: everywhere(sound(), "connected", (2,)),
        {"locked_line"},
        r"line 2 was opened but has no switch and is in service",
    ),
    (
        "topology moves",
        lambda: switched(sound(), "connected", {2: (3,)}),
        {"static_topology"},
        r"line 3 changes its state but the topology is static \(connected, period 2\)",
    ),
    (
        "fixed topology left",
        lambda: everywhere(sound(model=moded("connected", topology="fixed")), "connected", (3,)),
        {"prescribed_topology"},
        r"line 3 is open against the prescribed topology",
    ),
    (
        "fix of the model not followed",
        lambda: sound(model=small_model(fix={"open_lines": {"connected": {2: (1,)}}})),
        {"prescribed_topology"},
        r"line 1 is closed against the prescribed topology \(connected, period 2\)",
    ),
    (
        "loop when connected",
        lambda: everywhere(sound(), "connected", ()),
        {"not_radial"},
        r"^4 closed lines make a loop among buses 1, 2, 3, 4 \(connected, period 1\)$",
    ),
    (
        "loop when islanded",
        lambda: everywhere(sound(), "islanded", ()),
        {"not_radial"},
        r"loop among buses 1, 2, 3, 4 \(islanded, period 1\)",
    ),
    (
        "bus not fed",
        lambda: everywhere(sound(), "connected", (3, 4)),
        {"not_radial", "dead_load", "dead_unit"},
        r"^no closed line leads from a substation to bus 4 \(connected, period 1\)$",
    ),
    (
        "two substations joined",
        lambda: edit_substations(),
        {"not_radial"},
        r"substations 1, 4 are joined by closed lines",
    ),
    (
        "too many switching operations",
        lambda: everywhere(sound(model=moded("islanded", max_switching_operations=0)), "islanded", (1, 4)),
        {"switching_operations"},
        r"^1 switching operations up to here are more than the 0 allowed \(islanded, period 3\)$",
    ),
    # sources
    (
        "two units form one grid",
        lambda: edit(sound(), "sources", "islanded", 3, 4, vm_pu=1.0),
        {"one_source", "ess_follows_schedule", "ess_reactive", "dg_power", "dg_reactive"},
        r"buses 2, 4 form the grid of the same island \(islanded, period 3\)",
    ),
    (
        "bus without a unit forms the grid",
        lambda: edit(drop(sound(), "sources", "islanded", 1, 2), "sources", "islanded", 1, 3, vm_pu=1.0),
        {"forming_unit"},
        r"bus 3 forms a grid but holds no DG able to",
    ),
    (
        "empty storage forms the grid",
        lambda: empty_storage(),
        {"forming_unit", "ess_follows_schedule", "ess_reactive"},
        r"bus 4 forms a grid but holds no DG able to, and no storage able to with energy left",
    ),
    (
        "source off its set point",
        lambda: edit(sound(model=moded("islanded", vm_pu=1.02)), "sources", "islanded", 2, 2, vm_pu=1.019),
        {"set_point"},
        r"^bus 2 forms the grid at 1\.0190 pu is below 1\.0200 pu \(islanded, period 2\)$",
    ),
    # DG
    (
        "too much DG",
        lambda: edit(sound(), "dg", "connected", 2, 2, p_mw=0.9),
        {"dg_power"},
        r"^DG at bus 2 giving 0\.9000 MW is above 0\.8000 MW \(connected, period 2\)$",
    ),
    (
        "negative DG",
        lambda: edit(sound(), "dg", "connected", 2, 2, p_mw=-0.1),
        {"dg_power"},
        r"DG at bus 2 giving -0\.1000 MW is below 0\.0000 MW",
    ),
    (
        "must-take DG curtailed",
        lambda: edit(sound(), "dg", "connected", 1, 3, p_mw=0.1),
        {"dg_power"},
        r"DG at bus 3 giving 0\.1000 MW is below 0\.2000 MW",
    ),
    (
        "slack beyond what is available",
        lambda: recased("profile", 1, dg=0.5),
        {"dg_power"},
        r"DG at bus 2 giving 0\.6\d+ MW is above 0\.5000 MW \(islanded, period 2\)",
    ),
    (
        "slack beyond its reactive range",
        lambda: recased("buses", 1, q_mvar=0.5),
        {"dg_reactive"},
        r"DG at bus 2 giving 0\.\d+ Mvar is above 0\.5000 Mvar \(islanded, period 2\)",
    ),
    (
        "reactive power out of range",
        lambda: edit(sound(), "dg", "connected", 1, 2, q_mvar=-0.6),
        {"dg_reactive"},
        r"DG at bus 2 giving -0\.6000 Mvar is below -0\.5000 Mvar",
    ),
    # storage
    (
        "charging too fast",
        lambda: stored(edit(sound(), "ess", "connected", 1, 4, p_charge_mw=0.3), "connected", (0.37, 0.245, 0.335)),
        {"ess_power"},
        r"storage at bus 4 charging with 0\.3000 MW is above 0\.2000 MW",
    ),
    (
        "discharging below zero",
        lambda: stored(edit(sound(), "ess", "connected", 2, 4, p_discharge_mw=-0.04), "connected", (0.19, 0.29, 0.38)),
        {"ess_power"},
        r"storage at bus 4 discharging with -0\.0400 MW is below 0\.0000 MW",
    ),
    (
        "both ways at once",
        lambda: stored(edit(sound(), "ess", "connected", 1, 4, p_discharge_mw=0.04), "connected", (0.14, 0.015, 0.105)),
        {"ess_one_way"},
        r"storage at bus 4 charges and discharges at once",
    ),
    (
        "more than it holds",
        lambda: stored(
            edit(
                edit(sound(), "ess", "connected", 2, 4, p_discharge_mw=0.08), "ess", "connected", 3, 4, p_charge_mw=0.15
            ),
            "connected",
            (0.19, -0.01, 0.125),
        ),
        {"ess_energy"},
        r"storage at bus 4 holding -0\.0100 MWh is below 0\.0000 MWh \(connected, period 2\)",
    ),
    (
        "energy from nowhere",
        lambda: edit(sound(), "ess", "islanded", 3, 4, energy_mwh=0.2),
        {"ess_balance"},
        r"storage at bus 4 is said to hold 0\.2000 MWh but its powers leave 0\.1550 MWh",
    ),
    (
        "ends too empty",
        lambda: edit(sound(), "ess", "connected", 3, 4, p_charge_mw=0.02, energy_mwh=0.083),
        {"ess_energy_end"},
        r"storage at bus 4 holding at the end 0\.0830 MWh is below 0\.1000 MWh",
    ),
    (
        "forming storage leaves its schedule",
        lambda: edit(drop(sound(), "sources", "islanded", 1, 2), "sources", "islanded", 1, 4, vm_pu=1.0),
        {"ess_follows_schedule", "ess_reactive"},
        r"storage at bus 4 forms the grid and would deliver 0\.\d+ MW but its schedule says -0\.1000 MW",
    ),
    (
        "vars without an inverter for them",
        lambda: edit(sound(), "ess", "connected", 1, 4, q_mvar=0.02),
        {"ess_reactive"},
        r"storage without sn_mva at bus 4 giving 0\.0200 Mvar is above 0\.0000 Mvar \(connected, period 1\)",
    ),
    (
        "inverter beyond its rating",
        lambda: edit(inverter(0.125), "ess", "connected", 1, 4, q_mvar=-0.08),
        {"ess_reactive"},
        r"storage at bus 4 running with 0\.1281 MVA is above 0\.1250 MVA \(connected, period 1\)",
    ),
    (
        "vars of a dead bus",
        lambda: drop(edit(inverter(0.2), "ess", "islanded", 1, 4, q_mvar=0.05), "sources", "islanded", 1, 2),
        {"dead_unit", "dead_load"},
        r"storage at bus 4 runs with 0\.1118 MVA but no unit forms a grid there \(islanded, period 1\)",
    ),
    # shedding
    (
        "shedding not allowed",
        lambda: edit(sound(), "shed", "connected", 1, 4, p_mw=0.02, q_mvar=0.01),
        {"shed_allowed"},
        r"bus 4 sheds 0\.0224 MVA but the model allows no shedding \(connected, period 1\)",
    ),
    (
        "more shed than load",
        lambda: edit(sound(), "shed", "islanded", 1, 4, p_mw=0.12, q_mvar=0.06),
        {"shed"},
        r"bus 4 shedding 0\.1200 MW is above 0\.1000 MW",
    ),
    (
        "negative shedding",
        lambda: edit(sound(), "shed", "islanded", 1, 4, p_mw=-0.02, q_mvar=-0.01),
        {"shed"},
        r"bus 4 shedding -0\.0200 MW is below 0\.0000 MW",
    ),
    (
        "active load shed alone",
        lambda: edit(sound(), "shed", "islanded", 1, 4, p_mw=0.05, q_mvar=0.0),
        {"shed_power_factor"},
        r"bus 4 sheds 0\.0224 MVA off the power factor of its load",
    ),
    # tables
    (
        "row of another period",
        lambda: edit(sound(), "sources", "islanded", 4, 2, vm_pu=1.0),
        {"foreign_rows"},
        r"dispatch table sources has rows for period 4, which the plan does not have",
    ),
    (
        "two rows for one",
        lambda: tabled(sound(), shed=pd.concat([sound().dispatch.shed] * 2)),
        {"repeated_rows"},
        r"dispatch table shed has two rows for bus 3 \(islanded, period 2\)",
    ),
    (
        "not a number",
        lambda: edit(sound(), "dg", "connected", 1, 2, q_mvar=np.nan),
        {"not_numbers", "no_ac_solution", "dg_reactive"},
        r"dispatch table dg holds something that is no finite number at bus 2 \(connected, period 1\)",
    ),
    (
        "unit without a row",
        lambda: drop(sound(), "dg", "connected", 1, 2),
        {"unit_rows"},
        r"dispatch table dg has no row for the unit at bus 2 \(connected, period 1\)",
    ),
    (
        "row without a unit",
        lambda: edit(sound(), "dg", "connected", 1, 4, p_mw=0.1, q_mvar=0.0),
        {"unit_rows"},
        r"dispatch table dg has a row for bus 4, where nothing is built",
    ),
    (
        "substation held elsewhere",
        lambda: edit(sound(), "sources", "connected", 1, 1, vm_pu=1.05),
        {"substation_rows"},
        r"holds substation 1 at 1\.0500 pu, the case at 1\.0000 pu",
    ),
    (
        "substation forgotten",
        lambda: drop(sound(), "sources", "connected", 1, 1),
        {"substation_rows"},
        r"has no row for the substation at bus 1",
    ),
    (
        "substation invented",
        lambda: edit(sound(), "sources", "connected", 1, 4, vm_pu=1.0),
        {"substation_rows"},
        r"names bus 4, which is no substation",
    ),
    # sites
    (
        "too many units",
        lambda: sound(model=small_model(dg={"max_units": 1, "buses": [2, 3], "technologies": [GAS, SUN]})),
        {"unit_count"},
        r"^2 DG units are built, more than the 1 allowed$",
    ),
    (
        "bus not offered",
        lambda: sound(model=small_model(dg={"max_units": 2, "buses": [2], "technologies": [GAS, SUN]})),
        {"allowed_buses"},
        r"^DG at bus 3 stands where none may be built$",
    ),
    (
        "bus not in the case",
        lambda: built(sound(), "ess", BATTERY_ROW, (77, "battery", 0.2, 0.4)),
        {"known_buses", "unit_count", "allowed_buses", "unit_rows"},
        r"^storage at bus 77: the case has no such bus$",
    ),
    (
        "two units at a bus",
        lambda: built(
            sound(model=small_model(ess={"max_units": 2, "technologies": [BATTERY]})), "ess", *[BATTERY_ROW] * 2
        ),
        {"one_per_bus"},
        r"^bus 4 holds more than one storage unit$",
    ),
    (
        "unknown technology",
        lambda: built(sound(), "dg", GAS_ROW, (3, "moon", 0.2, 0.0, 0.0)),
        {"known_technology"},
        r"DG at bus 3 is of technology 'moon', which the model does not have",
    ),
    (
        "false rating",
        lambda: built(sound(), "ess", (4, "battery", 0.2, 0.8)),
        {"known_technology"},
        r"storage at bus 4 has energy_mwh 0\.8, its technology 'battery' has 0\.4",
    ),
    (
        "fixed site not built",
        lambda: sound(model=small_model(fix={"ess": [{"bus": 3, "technology": "battery"}]})),
        {"prescribed_sites"},
        r"storage 'battery' at bus 3 is not built but prescribed by the model",
    ),
    # the other half of rules that have two
    (
        "fix of the model for all periods not followed",
        lambda: sound(model=small_model(fix={"open_lines": {"connected": (1,)}})),
        {"prescribed_topology"},
        r"line 4 is open against the prescribed topology \(connected, period 3\)",
    ),
    (
        "dead storage discharges",
        lambda: edit(one_bus_islands(), "sources", "islanded", 2, 4, vm_pu=np.nan),
        {"not_numbers", "dead_load", "dead_unit", "ess_energy_end"},
        r"storage at bus 4 runs with 0\.0200 MVA but no unit forms a grid there",
    ),
    (
        "dead DG gives vars",
        lambda: edit(one_bus_islands(), "dg", "islanded", 2, 3, q_mvar=0.01),
        {"dead_unit", "ess_energy_end"},
        r"DG at bus 3 runs with 0\.0100 MVA but no unit forms a grid there",
    ),
    (
        "discharging too fast",
        lambda: stored(
            edit(
                edit(sound(), "ess", "connected", 3, 4, p_charge_mw=0.0), "ess", "connected", 3, 4, p_discharge_mw=0.25
            ),
            "connected",
            (0.19, 0.065, 0.065 - 0.25 / 0.8),
        ),
        {"ess_power", "ess_energy", "ess_energy_end"},
        r"storage at bus 4 discharging with 0\.2500 MW is above 0\.2000 MW",
    ),
    (
        "more than fits in, through a long period",
        lambda: stored(
            edit(
                edit(sound(), "ess", "connected", 2, 4, p_discharge_mw=0.0), "ess", "connected", 2, 4, p_charge_mw=0.15
            ),
            "connected",
            (0.19, 0.46, 0.55),
        ),
        {"ess_energy"},
        r"storage at bus 4 holding 0\.4600 MWh is above 0\.4000 MWh \(connected, period 2\)",
    ),
    (
        "storage that cannot form a grid",
        lambda: unable_storage(),
        {"forming_unit", "ess_energy_end"},
        r"bus 4 forms a grid but holds no DG able to",
    ),
    (
        "reactive load shed beyond itself",
        lambda: edit(recased("buses", 3, p_mw=0.0), "shed", "islanded", 2, 4, p_mw=0.0, q_mvar=0.15),
        {"shed"},
        r"bus 4 shedding 0\.1500 Mvar is above 0\.1000 Mvar \(islanded, period 2\)",
    ),
    (
        "DG at a substation",
        lambda: at_substation(),
        {"allowed_buses", "unit_rows", "dg_power"},
        r"DG at bus 1 stands where none may be built",
    ),
]


def edit_substations() -> Plan:
    """Bus 4 becomes a second substation and stays joined to the first."""
    case = replace(small_case(), substations=pd.DataFrame({"bus": [1, 4], "vm_pu": [1.0, 1.0]}))
    plan = sound(case, small_model(ess={"max_units": 1, "buses": [4], "technologies": [BATTERY]}))
    for period in (1, 2, 3):
        plan = edit(plan, "sources", "connected", period, 4, vm_pu=1.0)
    return plan


def inverter(sn_mva: float) -> Plan:
    """The sound plan with a battery that may give and take reactive power; it does neither yet."""
    return sound(model=small_model(ess={"max_units": 1, "technologies": [BATTERY | {"sn_mva": sn_mva}]}))


def unable_storage() -> Plan:
    """The battery carries its own bus although its technology cannot form a grid."""
    technology = BATTERY | {"grid_forming": False}
    model = one_bus_islands().model.model_copy(
        update={"ess": small_model(ess={"max_units": 1, "technologies": [technology]}).ess}
    )
    return replace(one_bus_islands(), model=model)


def at_substation() -> Plan:
    """The sun moves to the substation, which no list of buses names."""
    plan = sound(model=small_model(dg={"max_units": 2, "technologies": [GAS, SUN]}))
    return built(plan, "dg", GAS_ROW, (1, "sun", 0.2, 0.0, 0.0))


def empty_storage() -> Plan:
    """The battery starts empty and is asked to form the grid of period 1."""
    technology = BATTERY | {"energy_start_mwh": 0.0}
    plan = sound(model=small_model(ess={"max_units": 1, "technologies": [technology]}))
    for mode in ("connected", "islanded"):
        plan = edit(plan, "ess", mode, 1, 4, p_charge_mw=0.2, energy_mwh=0.18)
        plan = stored(plan, mode, (0.18, 0.055, 0.145))
    return edit(drop(plan, "sources", "islanded", 1, 2), "sources", "islanded", 1, 4, vm_pu=1.0)


@pytest.mark.parametrize(("make", "kinds", "text"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS])
def test_a_broken_plan_is_named(make: Callable[[], Plan], kinds: set[str], text: str):
    verdict = check(make()).ac
    assert verdict.verdict == "violated"
    messages = [violation.message for violation in verdict.violations]
    assert {violation.kind for violation in verdict.violations} == kinds, messages
    assert pd.Series(messages).str.contains(text).any(), messages


def test_every_rule_is_broken_by_a_mutation():
    sites, rows, operating = set(SITE_RULES), set(ROW_RULES), set(OPERATION_RULES)
    for _, make, _, _ in MUTATIONS:
        plan = make()
        operations = operate(plan, plan.dispatch)
        sites -= {rule for rule in sites for kind in ("dg", "ess") if list(rule(plan, kind))}
        rows -= {rule for rule in rows if list(rule(plan, plan.dispatch))}
        operating -= {rule for rule in operating for operation in operations if list(rule(operation))}
    assert not sites | rows | operating, "rules that no mutation breaks"


def off_by(step: float) -> dict[str, Plan]:
    """The sound plan pushed over one limit each by a step in MW, Mvar, MWh or pu."""
    battery = BATTERY | {"energy_end": "equal_start"}
    full = sound(model=small_model(ess={"max_units": 1, "technologies": [battery]}))
    full = edit(full, "ess", "connected", 3, 4, p_charge_mw=0.035 / 0.9, energy_mwh=0.1 + step)
    full = edit(full, "ess", "islanded", 3, 4, p_charge_mw=0.035 / 0.9, energy_mwh=0.1)
    return {
        "dg_power": edit(sound(), "dg", "connected", 1, 3, p_mw=0.2 + step),
        "dg_reactive": edit(sound(), "dg", "connected", 1, 3, q_mvar=-step),
        "ess_balance": edit(sound(), "ess", "islanded", 3, 4, energy_mwh=0.155 - step),
        "ess_energy_end": full,
        "shed": edit(sound(), "shed", "islanded", 1, 4, p_mw=-step, q_mvar=0.0),
        "shed_allowed": edit(sound(), "shed", "connected", 1, 4, p_mw=step, q_mvar=0.0),
        "shed_power_factor": edit(sound(), "shed", "islanded", 1, 2, p_mw=0.0, q_mvar=1.1 * step),
        "voltage": edit(sound(), "sources", "islanded", 2, 2, vm_pu=1.1 + step),
        "substation_rows": edit(sound(), "sources", "connected", 2, 1, vm_pu=1.0 - step),
        "known_technology": built(sound(), "ess", (4, "battery", 0.2 + step, 0.4)),
    }


@pytest.mark.parametrize("kind", off_by(0.0))
def test_tolerances_forgive_what_they_say_and_no_more(kind: str):
    inside, outside = check(off_by(9e-7)[kind]).ac, check(off_by(1.2e-6)[kind]).ac
    assert inside.verdict == "feasible", inside.violations
    assert kind in {violation.kind for violation in outside.violations}


# ------------------------------------------------------------------ AC values, islands and terms by hand


def two_bus(v1: float, r: float, x: float, p: float, q: float) -> tuple[float, float]:
    """Receiving voltage in kV and loss in MW of one line."""
    half = v1**2 / 2 - (r * p + x * q)
    v_sq = half + np.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    return np.sqrt(v_sq), r * (p**2 + q**2) / v_sq


def pair(objective: list[dict[str, Any]], **model: Any) -> Plan:
    """Substation 1 and bus 2 with 1 MW + 0.5 Mvar; gas at bus 2 gives a quarter MW when connected, forms the island."""
    case = small_case()
    buses, lines = case.buses.iloc[:2].copy(), case.lines.iloc[:1].copy()
    buses.loc[1, ["p_mw", "q_mvar"]] = 1.0, 0.5
    case = replace(case, buses=buses, lines=lines, profile=case.profile.iloc[[1]].assign(period=1, load=1.0, dg=1.0))
    dispatch = dispatch_of(
        dg=[("connected", 1, 2, 0.25, 0.1), ("islanded", 1, 2, 0.0, 0.0)],
        shed=[("islanded", 1, 2, 0.2, 0.1)],
        sources=[("connected", 1, 1, 1.0), ("islanded", 1, 2, 1.0)],
    )
    settings = small_model(objective=objective, **model)
    topology = {"connected": {1: ()}, "islanded": {1: (1,)}}
    return plan_of(case, settings, topology, dispatch, dg=[GAS_ROW])


ALL_TERMS = [
    {"term": name, "mode": mode, "weight": 2.0}
    for name in (
        "losses",
        "ens",
        "lost_load_cost",
        "energy_cost",
        "generation_cost",
        "emissions",
        "voltage_deviation",
        "switching",
    )
    for mode in ("connected", "islanded")
] + [{"term": "investment_cost"}, {"term": "ens"}]


def test_every_term_by_hand():
    verdict = check(pair(ALL_TERMS)).ac
    assert verdict.verdict == "feasible", verdict.violations
    v2, loss = two_bus(10.0, 0.5, 0.4, 0.75, 0.4)
    hours, bought = 2.0, 0.75 + loss
    by_hand = {
        ("losses", "connected"): loss * hours,
        ("losses", "islanded"): 0.0,
        ("ens", "connected"): 0.0,
        ("ens", "islanded"): 0.2 * hours,
        ("ens", None): 0.2 * hours,
        ("lost_load_cost", "connected"): 0.0,
        ("lost_load_cost", "islanded"): 0.2 * hours * 100.0,
        ("energy_cost", "connected"): bought * hours * 100.0,
        ("energy_cost", "islanded"): 0.0,
        ("generation_cost", "connected"): 0.25 * hours * 60.0,
        ("generation_cost", "islanded"): 0.8 * hours * 60.0,
        ("emissions", "connected"): bought * hours * 0.5 + 0.25 * hours * 0.2,
        ("emissions", "islanded"): 0.8 * hours * 0.2,
        ("voltage_deviation", "connected"): 1.0 - v2 / 10.0,
        ("voltage_deviation", "islanded"): 0.0,
        ("switching", "connected"): 0.0,
        ("switching", "islanded"): 1.0,
        ("investment_cost", None): 100.0,
    }
    values = {(term.term, term.mode): term.value for term in verdict.terms}
    assert values == pytest.approx(by_hand, abs=1e-7)
    mode_weight = {"connected": 0.6, "islanded": 0.4, None: 0.5}
    weights = {(term.term, term.mode): term.weight for term in verdict.terms}
    assert weights == {key: 2.0 * mode_weight[key[1]] for key in by_hand}
    assert verdict.objective == pytest.approx(sum(value * weights[key] for key, value in by_hand.items()), abs=1e-5)


def test_priority_weighs_energy_not_served():
    verdict = check(sound(model=small_model(objective=[{"term": "ens", "mode": "islanded"}]))).ac
    assert verdict.terms[0].value == pytest.approx(2.0 * 0.075 * 2.0)
    assert verdict.terms[0].unit == "MWh"


def test_switching_counts_the_start_and_every_change():
    model = moded("connected", topology="dynamic").model_copy(
        update={"objective": small_model(objective=[{"term": "switching", "mode": "connected"}]).objective}
    )
    plan = switched(sound(model=model), "connected", {1: (3,), 2: (3,), 3: (1,)})
    verdict = check(plan).ac
    assert verdict.verdict == "feasible", verdict.violations
    assert verdict.terms[0].value == 4.0


def test_island_with_dg_as_slack():
    """Gas at bus 1 of two buses forms the island; its AC output covers load and loss."""
    plan = pair([{"term": "losses", "mode": "islanded"}])
    case = replace(plan.case, substations=pd.DataFrame({"bus": [2], "vm_pu": [1.0]}))
    model = small_model(
        modes={"islanded": {"weight": 1.0}},
        objective=[{"term": "losses", "mode": "islanded"}],
        dg={"max_units": 1, "technologies": [GAS]},
    )
    dispatch = dispatch_of(
        dg=[("islanded", 1, 1, 0.8, 0.4)],
        shed=[("islanded", 1, 2, 0.2, 0.1)],
        sources=[("islanded", 1, 1, 1.05)],
    )
    island = plan_of(case, model, {"islanded": {1: ()}}, dispatch, dg=[(1, "gas", 1.0, -0.5, 0.5)])
    verdict = check(island).ac
    v2, loss = two_bus(10.5, 0.5, 0.4, 0.8, 0.4)
    assert verdict.verdict == "feasible", verdict.violations
    assert verdict.objective == pytest.approx(loss * 2.0, rel=1e-7)
    assert verdict.buses["vm_pu"].tolist() == pytest.approx([1.05, v2 / 10.0], abs=1e-8)
    assert verdict.sources.to_dict("records") == [
        {
            "mode": "islanded",
            "period": 1,
            "bus": 1,
            "p_mw": pytest.approx(0.8 + loss, rel=1e-7),
            "q_mvar": pytest.approx(0.4 + 0.8 * loss, rel=1e-7),
        }
    ]


def one_bus_islands() -> Plan:
    """All lines open: gas and battery each carry their own bus without reactive load, bus 3 is dead and shed whole."""
    modes = {"connected": {"weight": 0.6}, "islanded": {"weight": 0.4, "reactive": False}}
    lines = small_case().lines.assign(switchable=True)
    plan = sound(replace(small_case(), lines=lines), small_model(modes=modes))
    plan = everywhere(plan, "islanded", (1, 2, 3, 4))
    load, discharge, energy = {1: 0.5, 2: 1.0, 3: 0.8}, {1: 0.02, 2: 0.02, 3: 0.0}, {1: 0.075, 2: 0.025, 3: 0.025}
    for period in (1, 2, 3):
        plan = edit(plan, "dg", "islanded", period, 3, p_mw=0.0, q_mvar=0.0)
        plan = edit(plan, "shed", "islanded", period, 3, p_mw=0.3 * load[period], q_mvar=0.0)
        served = discharge[period]
        plan = edit(plan, "shed", "islanded", period, 4, p_mw=0.2 * load[period] - served, q_mvar=0.0)
        state = {"p_charge_mw": 0.0, "p_discharge_mw": served, "energy_mwh": energy[period]}
        plan = edit(plan, "ess", "islanded", period, 4, **state)
        plan = edit(plan, "sources", "islanded", period, 4, vm_pu=1.0)
    return plan


def test_storage_forms_an_island_while_it_has_energy():
    free = BATTERY | {"energy_end": "free"}
    plan = one_bus_islands()
    plan = replace(
        plan, model=plan.model.model_copy(update={"ess": small_model(ess={"max_units": 1, "technologies": [free]}).ess})
    )
    verdict = check(plan).ac
    assert verdict.verdict == "feasible", verdict.violations
    dead = verdict.buses[(verdict.buses["mode"] == "islanded") & ~verdict.buses["energised"]]
    assert set(dead["bus"]) == {1, 3} and dead["vm_pu"].isna().all()
    battery = verdict.sources[(verdict.sources["mode"] == "islanded") & (verdict.sources["bus"] == 4)]
    assert battery["p_mw"].tolist() == pytest.approx([0.02, 0.02, 0.0], abs=1e-9)


def test_reactive_load_counts_unless_the_mode_says_not():
    plan = one_bus_islands()
    with_q = plan.model.model_copy(update={"modes": small_model().modes})
    kinds = {violation.kind for violation in check(replace(plan, model=with_q)).ac.violations}
    assert {"ess_reactive", "shed_power_factor", "dead_load"} <= kinds


def test_dead_load_counts_as_not_served_even_if_the_dispatch_forgets_it():
    honest = check_dispatch(one_bus_islands(), one_bus_islands().dispatch)
    lying = one_bus_islands()
    lying = tabled(lying, shed=lying.dispatch.shed[lying.dispatch.shed["bus"] != 3])
    verdict = check(lying).ac
    assert verdict.objective == pytest.approx(honest.objective)
    assert "dead_load" in {violation.kind for violation in verdict.violations}


def test_dg_and_storage_may_share_the_grid_forming_bus():
    model = small_model(ess={"max_units": 1, "buses": [2], "technologies": [BATTERY]})
    plan = sound(model=model)
    ess = plan.dispatch.ess.assign(bus=2)
    shared = built(tabled(plan, ess=ess), "ess", (2, "battery", 0.2, 0.4))
    verdict = check(shared).ac
    assert verdict.verdict == "feasible", verdict.violations
    gas = operate(shared, shared.dispatch)[1].dg_p[:, 1]
    source = verdict.sources.loc[verdict.sources["mode"] == "islanded", "p_mw"].to_numpy()
    assert gas == pytest.approx(source + np.array([0.1, -0.05, 0.1]))


def test_loops_in_islands_where_the_model_allows_them():
    plan = everywhere(sound(model=moded("islanded", radial=False)), "islanded", ())
    verdict = check(plan).ac
    assert verdict.verdict == "feasible", verdict.violations
    assert verdict.buses.loc[verdict.buses["mode"] == "islanded", "energised"].all(), (
        "the lost substation is a plain bus"
    )


def test_realisation_scales_load_and_what_dg_can_give():
    weak = replace(sound().dispatch, realisation=Realisation(load=1.0, dg_availability=0.7))
    kinds = {(violation.kind, violation.id) for violation in check_dispatch(sound(), weak).violations}
    assert ("dg_power", 3) in kinds, "the sun gives more than is there"
    lean = Realisation(load=1.0, dg_availability=0.15)
    messages = [v.message for v in check_dispatch(sound(), replace(weak, realisation=lean)).violations]
    assert "DG at bus 2 giving 0.1000 Mvar is above 0.0750 Mvar (connected, period 1)" in messages
    heavy = check_dispatch(sound(), replace(weak, realisation=Realisation(load=1.1)))
    base = check(sound()).ac
    more = heavy.sources["p_mw"].sum() - base.sources["p_mw"].sum()
    losses = heavy.lines["loss_mw"].sum() - base.lines["loss_mw"].sum()
    assert more == pytest.approx(0.1 * 2 * 0.9 * (0.5 + 1.0 + 0.8) + losses, abs=1e-9)


def test_without_ac_solution_there_is_no_objective():
    plan = edit(sound(), "sources", "islanded", 2, 2, vm_pu=0.01)
    verdict = check(plan).ac
    assert verdict.objective is None and verdict.terms == () and verdict.verdict == "violated"
    assert verdict.vm_min_pu is not None, "the other periods are still judged"
    assert not ac_state(plan, plan.dispatch).converged


def test_nothing_energised_has_no_worst_voltage():
    plan = one_bus_islands()
    model = plan.model.model_copy(update={"modes": {"islanded": plan.model.modes["islanded"]}})
    model = model.model_copy(
        update={"objective": small_model(objective=[{"term": "ens", "mode": "islanded"}]).objective}
    )
    dark = built(built(replace(plan, model=model), "dg"), "ess")
    shed = pd.DataFrame(
        [
            ("islanded", t, bus, p * load, 0.0)
            for t, load in ((1, 0.5), (2, 1.0), (3, 0.8))
            for bus, p in ((2, 0.4), (3, 0.3), (4, 0.2))
        ],
        columns=COLUMNS["shed"],
    )
    dark = replace(dark, dispatch=replace(dispatch_of(), shed=shed))
    verdict = check(dark).ac
    assert verdict.verdict == "feasible", verdict.violations
    assert (verdict.vm_min_pu, verdict.vm_min_mode, verdict.vm_min_bus, verdict.vm_min_period) == (None,) * 4
    assert verdict.terms[0].value == pytest.approx((0.4 + 2 * 0.3 + 0.2) * (0.5 + 2.0 + 0.8))


def test_a_plan_without_dispatch_is_not_judged():
    judged = check(replace(sound(), dispatch=None, dispatch_forecast=None))
    assert judged.ac is None and judged.ac_forecast is None


def test_both_dispatches_are_judged():
    plan = sound()
    judged = check(replace(plan, dispatch_forecast=edit(plan, "dg", "connected", 2, 2, p_mw=0.9).dispatch))
    assert judged.ac.verdict == "feasible" and judged.ac_forecast.verdict == "violated"
    assert plan.ac is None, "the plan that was given stays as it is"


def test_tables_of_the_verdict():
    plan = sound()
    verdict, state = check(plan).ac, ac_state(plan, plan.dispatch)
    supply = ["demand_mw", "served_mw", "idle"]
    assert list(verdict.buses) == ["mode", "period", "bus", "vm_pu", "energised", *supply]
    assert list(verdict.lines) == ["mode", "period", "line", "p_mw", "q_mvar", "i_ka", "loading", "loss_mw"]
    assert list(verdict.sources) == ["mode", "period", "bus", "p_mw", "q_mvar"]
    assert (len(verdict.buses), len(verdict.lines), len(verdict.sources)) == (24, 24, 6)
    for name in ("buses", "lines", "sources"):
        pd.testing.assert_frame_equal(
            getattr(verdict, name).drop(columns=supply, errors="ignore"), getattr(state, name)
        )
    rated = verdict.lines["line"].isin([1, 2])
    assert verdict.lines.loc[rated, "loading"].to_numpy() == pytest.approx(verdict.lines.loc[rated, "i_ka"] / 0.2)
    assert verdict.lines.loc[~rated, "loading"].isna().all()


def test_factors_of_the_realisation_are_numbers():
    for factor in (np.nan, -0.1):
        dispatch = replace(sound().dispatch, realisation=Realisation(dg_availability=factor))
        assert "not_numbers" in {violation.kind for violation in check_dispatch(sound(), dispatch).violations}


def test_generation_that_is_lost_is_not_energy_not_served():
    """A negative load at a dead bus is disconnected whole, and earns nothing."""
    plan = one_bus_islands()
    buses = plan.case.buses.copy()
    buses.loc[2, "p_mw"] = -0.3
    plan = replace(plan, case=replace(plan.case, buses=buses))
    for period, load in ((1, 0.5), (2, 1.0), (3, 0.8)):
        plan = edit(plan, "shed", "islanded", period, 3, p_mw=-0.3 * load)
    verdict = check(plan).ac
    kinds = {violation.kind for violation in verdict.violations}
    assert kinds == {"ess_energy_end"}, verdict.violations
    ens = next(term.value for term in verdict.terms if term.term == "ens")
    assert ens == pytest.approx(0.2 * (0.5 + 2.0 + 0.8) - 0.02 * 3.0)


def test_model_may_allow_shedding_and_switching():
    plan = sound(model=moded("connected", shedding=True))
    assert check(edit(plan, "shed", "connected", 1, 4, p_mw=0.02, q_mvar=0.01)).ac.verdict == "feasible"
    assert check(sound(model=moded("islanded", max_switching_operations=1))).ac.verdict == "feasible"


def test_a_line_without_a_switch_is_no_switching_operation():
    objective = [{"term": "switching", "mode": "connected"}]
    verdict = check(everywhere(sound(model=small_model(objective=objective)), "connected", (2,))).ac
    assert verdict.terms[0].value == 1.0, "line 4 closes; line 2 was never free to open"


def test_what_the_user_fixes_is_not_limited_by_the_choice():
    fix = {
        "dg": [{"bus": 2, "technology": "gas"}, {"bus": 3, "technology": "sun"}],
        "ess": [{"bus": 4, "technology": "battery"}],
        "open_lines": {"connected": (4,)},
    }
    narrow = small_model(dg={"max_units": 1, "buses": [4], "technologies": [GAS, SUN]}, fix=fix)
    verdict = check(sound(model=narrow)).ac
    assert verdict.verdict == "feasible", verdict.violations


def test_lower_reactive_range_follows_availability():
    plan = edit(sound(), "dg", "connected", 1, 2, q_mvar=-0.4)
    weak = replace(plan.dispatch, realisation=Realisation(dg_availability=0.7))
    messages = [violation.message for violation in check_dispatch(plan, weak).violations]
    assert "DG at bus 2 giving -0.4000 Mvar is below -0.3500 Mvar (connected, period 1)" in messages


def test_storage_forms_the_grid_beside_a_dg_that_cannot():
    """Bus 4 alone: 0.1 MW + 0.05 Mvar of load, a helper that gives all vars and 0.06 MW, the battery the rest."""
    helper = {"name": "helper", "p_mw": 0.2, "q_max_mvar": 0.2, "grid_forming": False}
    model = small_model(
        modes={"islanded": {"weight": 1.0}},
        objective=[{"term": "ens", "mode": "islanded"}],
        dg={"max_units": 1, "technologies": [helper]},
        ess={"max_units": 1, "technologies": [BATTERY | {"energy_end": "free"}]},
    )
    case = replace(small_case(), profile=small_case().profile.iloc[:1])
    dispatch = dispatch_of(
        dg=[("islanded", 1, 4, 0.06, 0.05)],
        ess=[("islanded", 1, 4, 0.0, 0.04, 0.05)],
        shed=[("islanded", 1, 2, 0.2, 0.1), ("islanded", 1, 3, 0.15, 0.05)],
        sources=[("islanded", 1, 4, 1.0)],
    )
    case = replace(case, lines=case.lines.assign(switchable=True))
    plan = plan_of(
        case,
        model,
        {"islanded": {1: (1, 2, 3, 4)}},
        dispatch,
        [(4, "helper", 0.2, 0.0, 0.2)],
        [(4, "battery", 0.2, 0.4)],
    )
    verdict = check(plan).ac
    assert verdict.verdict == "feasible", verdict.violations
    idle = check(edit(plan, "dg", "islanded", 1, 4, q_mvar=0.03)).ac
    assert [violation.message for violation in idle.violations] == [
        "storage without sn_mva at bus 4 giving 0.0200 Mvar is above 0.0000 Mvar (islanded, period 1)"
    ]
