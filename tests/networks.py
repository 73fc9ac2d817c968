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
