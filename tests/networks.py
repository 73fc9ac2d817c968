"""Small networks that tests build in code, with impedances in per unit."""

from __future__ import annotations

from typing import Any

from hand import inline


def chain(loads: list[tuple[float, float]], r_pu: float, x_pu: float, vm_min_pu: float = 0.9) -> dict[str, Any]:
    """Buses 1, 2, 3, ... in a row, each with its load (MW, Mvar), 1 being the substation; per unit is 1 MVA, 10 kV."""
    case = inline()
    bus, line, ohm = case["buses"][0], case["lines"][0], case["buses"][0]["vn_kv"] ** 2
    case["buses"] = [
        bus | {"id": k, "p_mw": p, "q_mvar": q, "vm_min_pu": vm_min_pu} for k, (p, q) in enumerate(loads, 1)
    ]
    wire = line | {"r_ohm": r_pu * ohm, "x_ohm": x_pu * ohm, "max_i_ka": None, "switchable": False}
    case["lines"] = [wire | {"id": k, "from_bus": k, "to_bus": k + 1, "in_service": True} for k in range(1, len(loads))]
    case["profile"] = [case["profile"][0] | {"load": 1.0, "price_per_mwh": 50.0}]
    return case | {"base_mva": 1.0}


def too_long() -> dict[str, Any]:
    """A feeder that no plan can run: 1 MW behind 0.1 pu, and 0.89 pu to be kept. It has a switch, of no use.

    By AC ``v (1 - v) = 0.1``: v = (1 + sqrt(0.6)) / 2 = 0.88730. Without losses ``v^2 = 1 - 2 * 0.1``: v = 0.89443.
    """
    case = chain([(0.0, 0.1), (1.0, 0.0)], 0.1, 0.0, 0.89)
    case["lines"][0] |= {"switchable": True}
    return case | {"name": "too long"}


TOWN_LOADS_MW = (
    *(0.45, 0.3, 0.22, 0.38, 0.15, 0.5, 0.27, 0.33, 0.18, 0.41),
    *(0.25, 0.36, 0.2, 0.29, 0.47, 0.16, 0.31, 0.24, 0.35),
)
TOWN_LINES = (
    *((1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (4, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (13, 14), (14, 15), (12, 16), (16, 17), (17, 18), (18, 19), (19, 20)),
)
TOWN_TIES = ((7, 15), (10, 20), (6, 18))
TOWN_DAY = {
    "load": (
        *(0.52, 0.48, 0.46, 0.46, 0.49, 0.56, 0.68, 0.8, 0.86, 0.88, 0.9, 0.92),
        *(0.94, 0.92, 0.88, 0.86, 0.87, 0.92, 0.98, 1.0, 0.94, 0.82, 0.68, 0.58),
    ),
    "pv": (
        *(0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.1, 0.25, 0.45, 0.64, 0.8, 0.9),
        *(0.94, 0.92, 0.84, 0.7, 0.5, 0.28, 0.1, 0.02, 0.0, 0.0, 0.0, 0.0),
    ),
    "price_per_mwh": (
        *(72.0, 66.0, 62.0, 60.0, 64.0, 78.0, 98.0, 118.0, 112.0, 92.0, 74.0, 62.0),
        *(55.0, 52.0, 56.0, 68.0, 88.0, 116.0, 142.0, 158.0, 148.0, 122.0, 98.0, 82.0),
    ),
}


def town() -> tuple[dict[str, Any], dict[str, Any]]:
    """A town's feeder and the money that it costs a year: 20 buses at 20 kV with three ties, 24 hours.

    2 PV and 1 battery may be built, of two sizes each and at any bus but the substation.
    """
    case = inline()
    bus, line, hour = case["buses"][0], case["lines"][0], case["profile"][0]
    loads = (0.0, *TOWN_LOADS_MW)
    case["buses"] = [
        bus | {"id": k, "vn_kv": 20.0, "p_mw": p, "q_mvar": 0.3 * p, "vm_min_pu": 0.95, "vm_max_pu": 1.05}
        for k, p in enumerate(loads, 1)
    ]
    case["lines"] = [
        line
        | {"id": k, "from_bus": i, "to_bus": j, "r_ohm": 0.4 + 0.05 * (k % 5), "x_ohm": 0.35 + 0.03 * (k % 4)}
        | {"max_i_ka": 0.3, "switchable": True, "in_service": k <= len(TOWN_LINES)}
        for k, (i, j) in enumerate((*TOWN_LINES, *TOWN_TIES), 1)
    ]
    case["profile"] = [
        hour | {"period": t, "start_h": t - 1.0} | dict(zip(TOWN_DAY, values, strict=True))
        for t, values in enumerate(zip(*TOWN_DAY.values(), strict=True), 1)
    ]
    case |= {"name": "town", "base_mva": 10.0, "currency": "EUR", "substations": [{"bus": 1, "vm_pu": 1.01}]}
    pv = {"source": "pv", "q_min_mvar": 0.0, "q_max_mvar": 0.0, "lifetime_years": 25.0, "discount_rate": 0.05}
    cell = {"eta_charge": 0.95, "eta_discharge": 0.95, "energy_start_mwh": 0.0, "energy_end": "at_least_start"}
    life = {"lifetime_years": 12.0, "discount_rate": 0.05}
    model = {
        "name": "town_money",
        "unit": "EUR/year",
        "periods": "all",
        "losses": "balance",
        "objective": [
            {"term": "investment_cost"},
            {"term": "energy_cost", "mode": "connected"},
            {"term": "generation_cost", "mode": "connected"},
        ],
        "modes": {"connected": {"weight": 365.0, "topology": "static"}},
        "dg": {
            "max_units": 2,
            "technologies": [
                pv | {"name": "pv_300kw", "p_mw": 0.3, "investment_cost": 240e3, "generation_cost_per_mwh": 2.0},
                pv | {"name": "pv_1mw", "p_mw": 1.0, "investment_cost": 700e3, "generation_cost_per_mwh": 2.0},
            ],
        },
        "ess": {
            "max_units": 1,
            "technologies": [
                cell | life | {"name": "battery_250kw", "p_mw": 0.25, "energy_mwh": 0.5, "investment_cost": 110e3},
                cell | life | {"name": "battery_500kw", "p_mw": 0.5, "energy_mwh": 1.0, "investment_cost": 200e3},
            ],
        },
        "solver": {"gap": 0.001, "time_limit_s": 60.0},
    }
    return case, model
