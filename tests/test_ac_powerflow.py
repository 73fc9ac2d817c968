"""AC power flow against hand calculation, published values and an independent backward/forward sweep."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igdt_planner.ac import AcSolution, power_flow
from igdt_planner.case import Case, load_case


def network(lines: list[tuple[int, int, float, float]], buses: int, vn_kv: float = 10.0) -> Case:
    """A bare network: only what AC power flow reads. Buses are numbered 10, 20, ... to tell ids from positions."""
    table = pd.DataFrame(lines, columns=["from_bus", "to_bus", "r_ohm", "x_ohm"])
    table[["from_bus", "to_bus"]] *= 10
    ids = pd.DataFrame({"id": 10 * np.arange(1, buses + 1), "vn_kv": vn_kv})
    return Case("test", "", 1.0, "EUR", ids, table, pd.DataFrame(), pd.DataFrame())


def flow(
    case: Case, p_mw: list[float], q_mvar: list[float], sources: dict[int, float], open_: Collection[int] = ()
) -> AcSolution:
    """One scenario; sources by position of the bus, open lines by position."""
    vm_pu = np.full((1, len(case.buses)), np.nan)
    for position, value in sources.items():
        vm_pu[0, position] = value
    line_on = np.array([[position not in open_ for position in range(len(case.lines))]])
    return power_flow(case, line_on, np.array([p_mw]), np.array([q_mvar]), vm_pu)


def shipped(name: str, load: float = 1.0, open_lines: tuple[int, ...] | None = None) -> AcSolution:
    """A shipped case fed by its substations."""
    case = load_case(name)
    on = case.lines["in_service"] if open_lines is None else ~case.lines["id"].isin(open_lines)
    vm_pu = case.substations.set_index("bus")["vm_pu"].reindex(case.buses["id"]).to_numpy()
    p_mw, q_mvar = (-load * case.buses[column].to_numpy() for column in ("p_mw", "q_mvar"))
    return power_flow(case, on.to_numpy()[None], p_mw[None], q_mvar[None], vm_pu[None])


def two_bus(v1: float, r: float, x: float, p: float, q: float) -> tuple[float, float]:
    """Receiving voltage in kV and loss in MW of one line: the larger root of the quadratic in V2 squared."""
    half = v1**2 / 2 - (r * p + x * q)
    v_sq = half + np.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    return np.sqrt(v_sq), r * (p**2 + q**2) / v_sq


def test_two_buses_by_hand():
    case = network([(1, 2, 2.0, 1.5)], 2)
    solution = flow(case, [0.0, -1.5], [0.0, -0.7], {0: 1.02})
    v2, loss = two_bus(10.2, 2.0, 1.5, 1.5, 0.7)
    assert solution.converged.all() and solution.energised.all()
    assert solution.vm_pu[0] == pytest.approx([1.02, v2 / 10], abs=1e-9)
    assert solution.loss_mw[0, 0] == pytest.approx(loss, rel=1e-8)
    assert solution.p_mw[0, 0] == pytest.approx(1.5 + loss, rel=1e-8)
    assert solution.q_mvar[0, 0] == pytest.approx(0.7 + loss * 0.75, rel=1e-8)
    assert solution.i_ka[0, 0] == pytest.approx(np.hypot(1.5, 0.7) / (np.sqrt(3) * v2), rel=1e-8)
    assert solution.source_p_mw[0] == pytest.approx([1.5 + loss, 0.0], rel=1e-8)


def test_source_may_stand_at_the_far_end_and_export():
    case = network([(1, 2, 2.0, 1.5)], 2)
    solution = flow(case, [0.5, 0.0], [0.0, 0.0], {1: 1.0})
    v1, loss = two_bus(10.0, 2.0, 1.5, -0.5, 0.0)
    assert solution.vm_pu[0] == pytest.approx([v1 / 10, 1.0], abs=1e-9)
    assert solution.p_mw[0, 0] == pytest.approx(0.5, rel=1e-8)
    assert solution.source_p_mw[0, 1] == pytest.approx(loss - 0.5, rel=1e-8)


def test_injection_at_the_source_bus_is_served_by_the_source_alone():
    solution = flow(network([(1, 2, 2.0, 1.5)], 2), [-0.3, 0.0], [-0.1, 0.0], {0: 1.0})
    assert solution.source_p_mw[0, 0] == pytest.approx(0.3) and solution.source_q_mvar[0, 0] == pytest.approx(0.1)


def test_parallel_lines_share_the_load():
    single = flow(network([(1, 2, 1.0, 0.5)], 2), [0, -1.0], [0, -0.5], {0: 1.0})
    double = flow(network([(1, 2, 2.0, 1.0), (2, 1, 2.0, 1.0)], 2), [0, -1.0], [0, -0.5], {0: 1.0})
    assert double.vm_pu == pytest.approx(single.vm_pu, abs=1e-9)
    assert double.loss_mw.sum() == pytest.approx(single.loss_mw.sum(), rel=1e-8)
    assert double.p_mw[0, 0] == pytest.approx(single.p_mw[0, 0] / 2, rel=1e-8)
    assert double.p_mw[0, 1] == pytest.approx(-0.5, rel=1e-8), "power into the line at from_bus, which is the far end"
    one_open = flow(network([(1, 2, 2.0, 1.0), (2, 1, 2.0, 1.0)], 2), [0, -1.0], [0, -0.5], {0: 1.0}, {0})
    assert one_open.p_mw[0, 0] == 0.0 and one_open.i_ka[0, 0] == 0.0 and one_open.loss_mw[0, 0] == 0.0
    assert one_open.p_mw[0, 1] == pytest.approx(-1.0, rel=1e-8)


def test_symmetric_ring_carries_nothing_on_its_far_side():
    ring = network([(1, 2, 1.0, 1.0), (1, 3, 1.0, 1.0), (2, 3, 1.0, 1.0)], 3)
    solution = flow(ring, [0, -1.0, -1.0], [0, -0.2, -0.2], {0: 1.0})
    v2, loss = two_bus(10.0, 1.0, 1.0, 1.0, 0.2)
    assert solution.vm_pu[0] == pytest.approx([1.0, v2 / 10, v2 / 10], abs=1e-9)
    assert solution.loss_mw[0] == pytest.approx([loss, loss, 0.0], abs=1e-9)


def test_without_any_source_everything_is_dead():
    solution = flow(network([(1, 2, 1.0, 1.0)], 2), [0, -1.0], [0, 0], {})
    assert solution.converged.all() and not solution.energised.any()
    assert np.isnan(solution.vm_pu).all() and not solution.p_mw.any() and not solution.source_p_mw.any()


def test_islands_live_and_die_each_for_itself():
    chain = network([(1, 2, 1.0, 1.0), (2, 3, 1.0, 1.0), (3, 4, 1.0, 1.0), (4, 5, 1.0, 1.0)], 5)
    solution = flow(chain, [0, -0.5, -9e9, 0, -0.5], [0] * 5, {0: 1.0, 4: 1.05}, {1, 2})
    assert solution.converged.all()
    assert solution.energised[0].tolist() == [True, True, False, True, True]
    assert np.isnan(solution.vm_pu[0, 2]) and solution.vm_pu[0, 4] == pytest.approx(1.05)
    assert solution.source_p_mw[0, 4] == pytest.approx(0.5)
    assert not solution.p_mw[0, 1:3].any()


def test_scenario_without_solution_is_told_and_harms_no_other():
    case = network([(1, 2, 2.0, 1.5)], 2)
    on, vm_pu = np.ones((4, 1), dtype=bool), np.tile([1.0, np.nan], (4, 1))
    p_mw = np.array([[0, -1.0], [0, -1e3], [0, np.nan], [0, -1.0]])
    solution = power_flow(case, on, p_mw, np.zeros((4, 2)), vm_pu)
    assert solution.converged.tolist() == [True, False, False, True]
    assert not solution.energised[1:3].any()
    for table in ("vm_pu", "p_mw", "q_mvar", "i_ka", "loss_mw", "source_p_mw", "source_q_mvar"):
        assert np.isnan(getattr(solution, table)[1:3]).all()
        assert np.array_equal(getattr(solution, table)[0], getattr(solution, table)[3], equal_nan=True)


def test_shapes_are_required():
    case = network([(1, 2, 1.0, 1.0)], 2)
    with pytest.raises(ValueError, match="shape"):
        power_flow(case, np.ones((1, 1), dtype=bool), np.zeros((1, 3)), np.zeros((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize(
    ("name", "load", "kw"),
    [
        ("ieee33", 0.5, 47.07),
        ("ieee33", 0.7, 94.91),
        ("ieee33", 1.0, 202.677),
        ("ieee69", 1.0, 224.99),
        ("ieee16", 1.0, 511.44),
    ],
)
def test_published_base_losses(name: str, load: float, kw: float):
    solution = shipped(name, load)
    assert solution.converged.all()
    assert solution.loss_mw.sum() * 1e3 == pytest.approx(kw, abs=0.0051)


def test_published_voltage_and_best_topologies():
    assert np.min(shipped("ieee33").vm_pu) == pytest.approx(0.91309, abs=5e-6)
    assert shipped("ieee33", open_lines=(7, 9, 14, 32, 37)).loss_mw.sum() * 1e3 == pytest.approx(139.5513, abs=5e-5)
    assert shipped("ieee33", open_lines=(7, 9, 14, 28, 32)).loss_mw.sum() * 1e3 == pytest.approx(139.9782, abs=5e-5)


def test_three_substations_share_nothing():
    """16 buses (Civanlar 1988): the best topology moves three ties."""
    case = load_case("ieee16")
    ends = [{8, 10}, {9, 11}, {7, 16}]
    rows = zip(case.lines["id"], case.lines["from_bus"], case.lines["to_bus"], strict=True)
    best = tuple(number for number, a, b in rows if {a, b} in ends)
    solution = shipped("ieee16", open_lines=best)
    assert solution.loss_mw.sum() * 1e3 == pytest.approx(466.13, abs=0.0051)
    assert (solution.source_p_mw[0, :3] > 1.0).all()


def sweep(parent: list[int], z: np.ndarray, s: np.ndarray, v0: float) -> tuple[np.ndarray, float]:
    """Backward/forward sweep of a tree whose bus k hangs on ``parent[k - 1] < k``: |V| in kV and loss in MW."""
    v = np.full(len(s), v0, dtype=complex)
    for _ in range(200):
        current = np.conj(-s / v)
        for bus in range(len(s) - 1, 0, -1):
            current[parent[bus - 1]] += current[bus]
        for bus in range(1, len(s)):
            v[bus] = v[parent[bus - 1]] - z[bus - 1] * current[bus]
    return np.abs(v), float(np.sum(z.real * np.abs(current[1:]) ** 2))


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int], np.ndarray, np.ndarray, float]:
    buses = draw(st.integers(2, 12))
    parent = [draw(st.integers(0, bus - 1)) for bus in range(1, buses)]
    impedance = st.floats(0.001, 0.5)
    z = np.array([complex(draw(impedance), draw(impedance)) for _ in parent])
    s = np.array([complex(draw(st.floats(-0.3, 0.3)), draw(st.floats(-0.2, 0.2))) for _ in range(buses)])
    return parent, z, s, draw(st.floats(0.95, 1.05))


@settings(max_examples=60, deadline=None)
@given(trees())
def test_against_a_backward_forward_sweep(tree: tuple[list[int], np.ndarray, np.ndarray, float]):
    parent, z, s, vm_pu = tree
    lines = [(up + 1, bus + 1, z[bus - 1].real, z[bus - 1].imag) for bus, up in enumerate(parent, start=1)]
    solution = flow(network(lines, len(s)), list(s.real), list(s.imag), {0: vm_pu})
    voltage, loss = sweep(parent, z, s, 10.0 * vm_pu)
    assert solution.converged.all()
    assert solution.vm_pu[0] * 10.0 == pytest.approx(voltage, abs=1e-6)
    assert solution.loss_mw.sum() == pytest.approx(loss, rel=1e-6, abs=1e-9)
    assert solution.source_p_mw.sum() + s.real.sum() == pytest.approx(loss, abs=1e-8)


def test_renumbering_buses_and_turning_lines_changes_nothing():
    case = load_case("ieee33")
    lines = case.lines.rename(columns={"from_bus": "to_bus", "to_bus": "from_bus"})
    lines[["from_bus", "to_bus"]] += 100
    turned = replace(case, buses=case.buses.assign(id=case.buses["id"] + 100), lines=lines)
    on = case.lines["in_service"].to_numpy()[None]
    p_mw, q_mvar = -case.buses[["p_mw"]].to_numpy().T, -case.buses[["q_mvar"]].to_numpy().T
    vm_pu = np.where(case.buses["id"].to_numpy()[None] == 1, 1.0, np.nan)
    there, back = (power_flow(each, on, p_mw, q_mvar, vm_pu) for each in (case, turned))
    assert there.vm_pu == pytest.approx(back.vm_pu, abs=1e-12)
    assert there.p_mw - there.loss_mw == pytest.approx(-back.p_mw, abs=1e-9)
