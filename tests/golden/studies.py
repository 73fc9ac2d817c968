"""Tiny studies whose every row can be read: three buses in a ring, numbers that are short in per unit.

On 10 MVA and 10 kV the impedance base is 10 ohm and the current base 0.57735 kA.
"""

import math
from typing import Any

from igdt_planner.case import Case, load_case
from igdt_planner.model import Model
from igdt_planner.plan import FORECAST, Realisation
from igdt_planner.study import Horizon, Study, Within, resolve

HALF_BASE_CURRENT_KA = 5.0 / (math.sqrt(3.0) * 10.0)

BUS = {"vn_kv": 10.0, "vm_min_pu": 0.9, "vm_max_pu": 1.1, "value_of_lost_load_per_mwh": 5000.0}

CASE: dict[str, Any] = {
    "name": "ring3",
    "base_mva": 10.0,
    "buses": [
        BUS | {"id": 1, "p_mw": 0.0, "q_mvar": 0.0},
        BUS | {"id": 2, "p_mw": 2.0, "q_mvar": 1.0},
        BUS | {"id": 3, "p_mw": 4.0, "q_mvar": 2.0, "priority": 3.0},
    ],
    "lines": [
        {"id": 1, "from_bus": 1, "to_bus": 2, "r_ohm": 0.1, "x_ohm": 0.2, "in_service": True, "switchable": False},
        {"id": 2, "from_bus": 2, "to_bus": 3, "r_ohm": 0.3, "x_ohm": 0.4, "in_service": True, "switchable": True}
        | {"max_i_ka": HALF_BASE_CURRENT_KA},
        {"id": 3, "from_bus": 1, "to_bus": 3, "r_ohm": 0.2, "x_ohm": 0.2, "in_service": False, "switchable": True},
    ],
    "substations": [{"bus": 1, "vm_pu": 1.0}],
    "profile": [
        {"period": 1, "start_h": 0.0, "duration_h": 2.0, "load": 0.5, "dg": 0.8}
        | {"price_per_mwh": 40.0, "emissions_t_per_mwh": 0.3},
        {"period": 2, "start_h": 2.0, "duration_h": 2.0, "load": 1.0, "dg": 1.0}
        | {"price_per_mwh": 60.0, "emissions_t_per_mwh": 0.4},
    ],
}

GAS = {"name": "gas", "p_mw": 5.0, "q_min_mvar": -1.0, "q_max_mvar": 2.0, "investment_cost": 100.0}
GAS |= {"lifetime_years": 10.0, "discount_rate": 0.0, "maintenance_cost_per_year": 2.0}
GAS |= {"generation_cost_per_mwh": 50.0, "emissions_t_per_mwh": 0.5}
WIND = {"name": "wind", "p_mw": 3.0, "grid_forming": False}
BATTERY = {"name": "battery", "p_mw": 1.0, "energy_mwh": 3.0, "eta_charge": 0.9, "eta_discharge": 0.8}
BATTERY |= {"energy_start_mwh": 0.5, "energy_end": "at_least_start"}

CONNECTED = {"weight": 0.75, "topology": "static"}
ISLANDED = {"weight": 0.25, "topology": "static"}
MODEL: dict[str, Any] = {
    "name": "tiny",
    "unit": "money",
    "modes": {"connected": CONNECTED, "islanded": ISLANDED},
    "objective": [
        {"term": "losses", "mode": "connected", "weight": 2.0},
        {"term": "energy_cost", "mode": "connected"},
        {"term": "emissions", "mode": "connected", "weight": 10.0},
        {"term": "ens", "mode": "islanded", "weight": 4.0},
        {"term": "generation_cost", "mode": "islanded"},
        {"term": "investment_cost"},
    ],
    "dg": {"max_units": 1, "buses": [2, 3], "technologies": [GAS, WIND]},
    "ess": {"max_units": 1, "buses": [3], "technologies": [BATTERY]},
}
"""Both modes, everything that may be built, losses in the balance."""

LIMITED = MODEL | {"limits": [{"term": "cost", "at_most": 300.0}]}
"""The same with a limit on all money."""

NOTHING_TO_BUILD: dict[str, Any] = {"dg": {}, "ess": {}}
SWITCHING = MODEL | {
    "modes": {"connected": CONNECTED | {"topology": "dynamic", "max_switching_operations": 2, "shedding": True}},
    "objective": [
        {"term": "switching", "mode": "connected"},
        {"term": "voltage_deviation", "mode": "connected"},
        {"term": "lost_load_cost", "mode": "connected"},
    ],
    "limits": [{"term": "voltage_deviation", "mode": "connected", "at_most": 0.2}],
    "losses": "none",
    **NOTHING_TO_BUILD,
}
"""A topology each period, limited and priced operations, no losses."""

KEPT = MODEL | {
    "modes": {"islanded": ISLANDED | {"topology": "dynamic", "max_switching_operations": 1}},
    "objective": [{"term": "ens", "mode": "islanded"}],
    "losses": "none",
    **NOTHING_TO_BUILD,
}
"""An island without any unit, a topology each period, limited operations."""

ONE_WAY = MODEL | {
    "modes": {"connected": CONNECTED},
    "objective": [{"term": "losses", "mode": "connected"}],
    "losses": "objective",
    "periods": "peak",
    **NOTHING_TO_BUILD,
}
"""Nothing but loads: power flows away from the substation; losses at nominal voltage."""

MESHED = MODEL | {
    "modes": {"islanded": ISLANDED | {"radial": False, "reactive": False}},
    "objective": [{"term": "lost_load_cost", "mode": "islanded"}],
    "losses": "objective",
    "periods": "peak",
    "dg": {"max_units": 1, "buses": [2], "technologies": [WIND | {"must_take": True}]},
    "ess": {"max_units": 1, "buses": [3], "technologies": [BATTERY | {"energy_end": "equal_start"}]},
}
"""Loops allowed in the island, DG that must be taken, storage that could gain by burning energy."""

INVERTER = MODEL | {
    "modes": {"islanded": ISLANDED | {"vm_pu": 1.02}},
    "objective": [{"term": "ens", "mode": "islanded"}],
    "losses": "none",
    "periods": "peak",
    "dg": {"max_units": 1, "buses": [2], "technologies": [GAS]},
    "ess": {"max_units": 1, "buses": [3], "technologies": [BATTERY | {"sn_mva": 1.25}]},
}
"""Islands at a stated voltage, with storage whose inverter gives reactive power."""

ROBUST = MODEL | {
    "objective": [{"term": "energy_cost", "mode": "connected"}, {"term": "ens", "mode": "islanded"}],
    "losses": "none",
    "periods": "peak",
    "dg": {"max_units": 2, "buses": [2, 3], "technologies": [GAS]},
    "ess": {},
}
"""Peak period only, up to two DG, less DG and more load the larger alpha."""

FED_TWICE = CASE | {
    "lines": [line | {"in_service": line["id"] == 1} for line in CASE["lines"]],
    "substations": [{"bus": 1, "vm_pu": 1.0}, {"bus": 3, "vm_pu": 1.05}],
}
"""Substations of different voltage at buses 1 and 3; line 3 joins them and can never be closed."""

TWO_SOURCES = MODEL | {
    "modes": {"connected": CONNECTED},
    "objective": [{"term": "losses", "mode": "connected"}],
    "periods": "peak",
    "dg": {"max_units": 1, "buses": [2], "technologies": [GAS]},
    "ess": {},
}
"""One fed bus between two substations, with DG that may lift its voltage."""

SCENARIOS = MODEL | {
    "modes": {"connected": CONNECTED},
    "objective": [{"term": "energy_cost", "mode": "connected"}],
    "periods": "peak",
    "dg": {},
    "uncertain": [{"quantity": "price"}, {"quantity": "line_rating"}],
}
"""Peak period only, storage, a price and a rating that deviate."""

BOTH_WAYS = Horizon(
    sense="robust",
    budget=100.0,
    alpha_lb=0.1,
    alpha_ub=0.5,
    scenarios=({"price": 1.0, "line_rating": -1.0}, {"price": {2: -1.0}, "line_rating": {(2, 2): -0.5}}),
)
"""A range of alpha and two scenarios: dear with low ratings, and cheap."""

CORNER = Horizon(sense="robust", budget=100.0, alpha_ub=0.5, scenarios=({"dg_availability": -1.0, "load": 0.2},))
BEST_CORNER = Horizon(sense="opportunity", budget=80.0, alpha_ub=0.5, scenarios=({"dg_availability": 1.0},))

DECIDED = ROBUST | {
    "uncertain": [
        {"quantity": "dg_availability", "physical_max": 1.25},
        {"quantity": "load", "physical_max": 1.5, "shape": "budgeted", "gamma": 1},
    ],
}
"""The same where availability and load deviate."""

BEST_POINT = Horizon(
    sense="opportunity",
    budget=80.0,
    alpha_ub=0.5,
    scenarios=({},),
    within=(
        Within({("load", 2, 2): 1.0}, 0.4),
        Within({("load", 2, 2): 1.0, ("load", 3, 2): -1.0}, 0.0),
        Within({("dg_availability", 3, 2): -1.0}, 0.2),
    ),
    in_few={"load": 1},
)
"""Deviations that are decided: of two loads, alike, and of the DG at bus 3."""

MODELS = {
    "both": MODEL,
    "limited": LIMITED,
    "switching": SWITCHING,
    "kept": KEPT,
    "one_way": ONE_WAY,
    "meshed": MESHED,
    "inverter": INVERTER,
    "two_sources": TWO_SOURCES,
    "robust": ROBUST,
}


def tiny(name: str) -> Study:
    """One of the tiny studies of ``MODELS``, or ``opportunity``, ``best_point``, ``scenarios`` or ``costliest``."""
    if name == "best_point":
        deviating = frozenset(key for face in BEST_POINT.within for key in face.factors)
        return study(CASE, DECIDED).deviate(deviating).ask(BEST_POINT)
    if name == "opportunity":
        return study(CASE, ROBUST).ask(BEST_CORNER)
    if name == "costliest":
        return study(CASE, SCENARIOS).withstand([FORECAST, Realisation(price=1.5)])
    if name == "scenarios":
        return study(CASE, SCENARIOS).ask(BOTH_WAYS)
    plain = study(FED_TWICE if name == "two_sources" else CASE, MODELS[name])
    return plain.ask(CORNER) if name == "robust" else plain


def study(case: dict[str, Any] | Case, model: dict[str, Any]) -> Study:
    """The study of a case and a model given as plain values."""
    return resolve(load_case(case), Model.model_validate(model))
