"""The only place where kV, ohm, kA and MW become per unit and back.

Three-phase quantities: ``vn_kv`` is the line-to-line voltage, ``base_mva`` the three-phase power base.
"""

from __future__ import annotations

import math


def z_base_ohm(vn_kv: float, base_mva: float) -> float:
    """Impedance base in ohm: an impedance in ohm divided by it is in per unit."""
    return vn_kv**2 / base_mva


def i_base_ka(vn_kv: float, base_mva: float) -> float:
    """Current base in kA: a line current in kA divided by it is in per unit."""
    return base_mva / (math.sqrt(3.0) * vn_kv)


def apparent_power_mva(i_ka: float, vn_kv: float) -> float:
    """Three-phase apparent power in MVA that a line current in kA carries at nominal voltage."""
    return math.sqrt(3.0) * vn_kv * i_ka


def line_current_ka(s_mva: float, vn_kv: float) -> float:
    """Line current in kA that carries a three-phase apparent power in MVA at nominal voltage."""
    return s_mva / (math.sqrt(3.0) * vn_kv)


def voltage_drop_pu(r_ohm: float, x_ohm: float, p_mw: float, q_mvar: float, vn_kv: float) -> float:
    """Voltage drop in per unit along a line that carries P + jQ at nominal voltage, to first order."""
    return (r_ohm * p_mw + x_ohm * q_mvar) / vn_kv**2


def loss_mw(r_ohm: float, p_mw: float, q_mvar: float, vn_kv: float) -> float:
    """Loss in MW of a line that carries P + jQ at nominal voltage."""
    return r_ohm * (p_mw**2 + q_mvar**2) / vn_kv**2
