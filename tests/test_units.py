import pytest

from igdt_planner import units


def test_impedance_base_of_the_33_bus_feeder() -> None:
    assert units.z_base_ohm(12.66, 10.0) == pytest.approx(16.02756)


def test_bases_belong_together() -> None:
    """One per unit of current through one per unit of impedance drops one per unit of (phase) voltage."""
    vn_kv, base_mva = 23.0, 100.0
    drop_kv = units.i_base_ka(vn_kv, base_mva) * units.z_base_ohm(vn_kv, base_mva)
    assert drop_kv == pytest.approx(vn_kv / 3**0.5)


def test_rated_current_carries_the_power_base() -> None:
    assert units.apparent_power_mva(units.i_base_ka(10.0, 25.0), 10.0) == pytest.approx(25.0)


def test_loss_and_drop_at_nominal_voltage() -> None:
    assert units.loss_mw(r_ohm=1.0, p_mw=3.0, q_mvar=4.0, vn_kv=10.0) == pytest.approx(0.25)
    assert units.voltage_drop_pu(r_ohm=1.0, x_ohm=0.5, p_mw=3.0, q_mvar=4.0, vn_kv=10.0) == pytest.approx(0.05)
