"""Search over radial topologies: the batched AC power flow against power-grid-model, plans against enumeration."""

import collections
import dataclasses
import importlib
from functools import cache

import numpy as np
import pytest

from igdt_planner.ac import power_flow
from igdt_planner.case import Case, load_case
from igdt_planner.model import load_model
from igdt_planner.network import count_radial_topologies, is_radial
from igdt_planner.search import (
    RadialNetwork,
    base_tree,
    least_losses,
    loads_of,
    nearest_tree,
    network_of,
    radial_power_flow,
    radial_topologies,
    random_tree,
    shake,
)
from igdt_planner.search.branch_exchange import frozen_currents, loss_changes
from igdt_planner.study import resolve

PEAK = np.ones(1)


@cache
def feeder(name: str) -> tuple[Case, RadialNetwork, np.ndarray]:
    """A shipped case, its network, and its loads at the peak."""
    study = resolve(load_case(name), load_model("reconfiguration"))
    return study.case, network_of(study), loads_of(study)[0]


@cache
def all_flows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every radial topology of 33 buses at the peak: lines, losses in kW, lowest voltage, currents."""
    _, network, load = feeder("ieee33")
    line_on = radial_topologies(network)
    flow = radial_power_flow(network, line_on, load)
    return line_on, 1e3 * flow.loss_mw[:, 0], np.abs(flow.v[:, 0]).min(axis=1), np.abs(flow.current[:, 0])


def small(ends: str, **changes: object) -> RadialNetwork:
    """Lines written as ``01 12``: from bus 0 to bus 1, ...; bus 0 is the root, and every line 0.03 + j0.04 pu."""
    i, j = (np.array([int(word[k]) for word in ends.split()]) for k in (0, 1))
    lines, buses = np.ones(len(i)), np.ones(max(*i, *j) + 1)
    network = RadialNetwork(
        base_mva=10.0,
        from_bus=i,
        to_bus=j,
        r=0.03 * lines,
        x=0.04 * lines,
        switchable=lines > 0.0,
        closed=lines > 0.0,
        i_max=np.inf * lines,
        v_min=0.9 * buses,
        v_max=1.1 * buses,
        root=np.array([0]),
        v_root=np.array([1.0]),
    )
    return dataclasses.replace(network, **changes)


def open_ids(case: Case, line_on: np.ndarray) -> list[int]:
    return case.lines["id"].to_numpy()[~line_on].tolist()


def test_two_buses_by_hand() -> None:
    network = small("01")
    load = 0.8 + 0.6j
    flow = radial_power_flow(network, np.array([[True]]), np.array([[0.0, load]]))
    rp_xq = 0.03 * 0.8 + 0.04 * 0.6
    v_sq = (1 - 2 * rp_xq) / 2 + np.sqrt((1 - 2 * rp_xq) ** 2 / 4 - 0.05**2)
    assert flow.loss_mw[0, 0] == pytest.approx(10.0 * 0.03 / v_sq, rel=1e-9)
    assert np.abs(flow.v[0, 0]) == pytest.approx([1.0, np.sqrt(v_sq)], rel=1e-9)
    assert flow.current[0, 0, 0] == pytest.approx(np.conj(load / flow.v[0, 0, 1]))


def random_plans(network: RadialNetwork, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    trees = [random_tree(network, rng)]
    while len(trees) < count:
        trees.append(shake(network, trees[-1], rng, 3))
    return np.array([tree.line_on for tree in trees])


def with_generation(network: RadialNetwork, load: np.ndarray, plans: int, seed: int) -> np.ndarray:
    """Loads of every plan, less three DG of up to 10 % of the load each, at any power factor."""
    rng = np.random.default_rng(seed)
    net = np.repeat(load[None], plans, axis=0)
    for _ in range(3):
        size = load.real.sum() * 0.1 * rng.uniform(size=plans) * np.exp(1j * rng.uniform(-1.0, 1.0, plans))
        net[np.arange(plans), 0, rng.integers(network.n_bus, size=plans)] -= size
    return net


def judge(case: Case, line_on: np.ndarray, load: np.ndarray, network: RadialNetwork) -> np.ndarray:
    """Losses in MW by power-grid-model; one row of loads in pu for each plan."""
    source = np.full((len(line_on), network.n_bus), np.nan)
    source[:, network.root] = network.v_root
    s_mva = load * network.base_mva
    return power_flow(case, line_on, -s_mva.real, -s_mva.imag, source).loss_mw.sum(axis=1)


@pytest.mark.parametrize("name", ["ieee33", "ieee69", "ieee16"])
def test_losses_against_power_grid_model(name: str) -> None:
    case, network, load = feeder(name)
    plans = random_plans(network, 300, seed=1)
    loads = with_generation(network, load, len(plans), seed=2)
    flow = radial_power_flow(network, plans, loads)
    sound = np.abs(flow.v[:, 0]).min(axis=1) > 0.7
    assert sound.sum() > 150
    expected = judge(case, plans[sound], loads[sound, 0], network)
    assert flow.loss_mw[sound, 0] == pytest.approx(expected, rel=1e-7)


def test_substations_at_different_voltages_against_power_grid_model() -> None:
    case, network, load = feeder("ieee16")
    network = dataclasses.replace(network, v_root=np.array([1.0, 1.03, 0.98]))
    plans = radial_topologies(network)
    expected = judge(case, plans, np.repeat(load, len(plans), axis=0), network)
    assert radial_power_flow(network, plans, load).loss_mw[:, 0] == pytest.approx(expected, rel=1e-7)


def test_one_topology_agrees_with_itself_among_others() -> None:
    _, network, load = feeder("ieee33")
    plans = random_plans(network, 40, seed=3)
    loads = load * np.linspace(0.2, 0.6, 5)[:, None]
    together = radial_power_flow(network, plans, loads)
    alone = [radial_power_flow(network, plan[None], loads) for plan in plans]
    assert together.loss_mw == pytest.approx(np.concatenate([flow.loss_mw for flow in alone]), rel=1e-9)
    assert together.v == pytest.approx(np.concatenate([flow.v for flow in alone]), abs=1e-9)
    assert together.current == pytest.approx(np.concatenate([flow.current for flow in alone]), abs=1e-8)


def test_no_solution_is_no_number() -> None:
    _, network, load = feeder("ieee33")
    flow = radial_power_flow(network, network.closed[None], np.concatenate([load, 10.0 * load]))
    assert flow.converged.tolist() == [[True, False]]
    assert np.isnan(flow.loss_mw).tolist() == [[False, True]]
    assert np.isnan(flow.v[0, 1]).all() and np.isnan(flow.current[0, 1]).all()


@pytest.mark.parametrize("name", ["ieee16", "ieee33", "ieee69"])
def test_few_plans_and_many_are_the_same_flows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product with the impedance matrix of each plan, and sweeps line by line over all of them."""
    _, network, load = feeder(name)
    rng = np.random.default_rng(0)
    line_on = np.array([random_tree(network, rng).line_on for _ in range(20)] + [np.ones(network.n_line, dtype=bool)])
    loads = np.concatenate([load, 0.5 * load])
    flows = []
    for few in (0, 10**9):
        monkeypatch.setattr(importlib.import_module("igdt_planner.search.radial_flow"), "FEW", few)
        flows.append(radial_power_flow(network, line_on, loads))
    assert np.array_equal(flows[0].converged, flows[1].converged) and not flows[0].converged[-1].any()
    for part in ("loss_mw", "v", "current"):
        assert getattr(flows[0], part) == pytest.approx(getattr(flows[1], part), rel=1e-8, abs=1e-8, nan_ok=True)


def test_what_is_not_radial_is_no_number() -> None:
    network = small("01 12 23 13")
    loads = np.full((1, 4), 0.1 + 0j)
    plans = np.array([[True, True, True, False], [True, True, True, True], [False, True, True, True]])
    assert radial_power_flow(network, plans, loads).converged[:, 0].tolist() == [True, False, False]
    assert [radial_power_flow(network, plan[None], loads).converged.item() for plan in plans] == [True, False, False]


def test_wrong_shapes_are_refused() -> None:
    network = small("01 12")
    with pytest.raises(ValueError, match="do not fit"):
        radial_power_flow(network, np.ones((1, 3), dtype=bool), np.zeros((1, 3), dtype=complex))
    with pytest.raises(ValueError, match="do not fit"):
        radial_power_flow(network, np.ones((1, 2), dtype=bool), np.zeros((1, 2), dtype=complex))
    with pytest.raises(ValueError, match="shape"):
        least_losses(network, np.zeros((2, 3), dtype=complex), PEAK, seed=1)


def test_bus_without_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match="2 buses have no path"):
        small("01 23")


@pytest.mark.parametrize("name", ["ieee33", "ieee33_14sw", "ieee69", "ieee16"])
def test_enumeration_finds_every_radial_topology_once(name: str) -> None:
    case, network, _ = feeder(name)
    plans = radial_topologies(network)
    assert len(np.unique(np.packbits(plans, axis=1), axis=0)) == len(plans) == count_radial_topologies(case)
    sample = plans[np.random.default_rng(0).integers(len(plans), size=20)]
    assert all(is_radial(case, open_ids(case, plan)) for plan in sample)


def test_enumeration_of_small_networks() -> None:
    assert len(radial_topologies(small("01 12"))) == 1
    assert len(radial_topologies(small("01 01 12 12 12"))) == 2 * 3
    fixed = small("01 01 12 12 12", switchable=np.array([False, True, True, True, True]))
    assert len(radial_topologies(fixed)) == 3
    with pytest.raises(ValueError, match="6 radial topologies, more than 5"):
        radial_topologies(small("01 01 12 12 12"), limit=5)


def test_losses_of_all_topologies_of_33_buses() -> None:
    line_on, loss_kw, _, _ = all_flows()
    best = np.argsort(loss_kw)[:3]
    assert loss_kw[best] == pytest.approx([139.5513, 139.9782, 140.2790], abs=1e-3)
    assert open_ids(feeder("ieee33")[0], line_on[best[0]]) == [7, 9, 14, 32, 37]
    assert np.isnan(loss_kw).sum() == pytest.approx(6070, abs=5)


@pytest.mark.parametrize("seed", range(10))
def test_search_finds_the_optimum_of_33_buses(seed: int) -> None:
    case, network, load = feeder("ieee33")
    found = least_losses(network, load, PEAK, seed)
    assert open_ids(case, found.line_on) == [7, 9, 14, 32, 37]
    assert 1e3 * found.loss_mwh == pytest.approx(139.5513, abs=1e-4)
    assert found.violation == 0.0


def test_search_switches_three_substations() -> None:
    case, network, load = feeder("ieee16")
    found = least_losses(network, load, PEAK, seed=1)
    ends = case.lines.loc[~found.line_on, ["from_bus", "to_bus"]]
    assert {tuple(sorted(pair)) for pair in ends.to_numpy().tolist()} == {(8, 10), (9, 11), (7, 16)}
    assert 1e3 * found.loss_mwh == pytest.approx(466.13, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_search_finds_the_optimum_of_69_buses(seed: int) -> None:
    _, network, load = feeder("ieee69")
    found = least_losses(network, load, PEAK, seed)
    assert 1e3 * found.loss_mwh == pytest.approx(98.6055, abs=1e-4), "least of all 407,924 topologies"


def test_search_is_as_good_as_enumeration_of_14_switches() -> None:
    _, network, load = feeder("ieee33_14sw")
    loss_mw = radial_power_flow(network, radial_topologies(network), load).loss_mw
    assert least_losses(network, load, PEAK, seed=1).loss_mwh == pytest.approx(np.nanmin(loss_mw), rel=1e-9)


def test_one_topology_for_several_periods() -> None:
    _, network, load = feeder("ieee33")
    levels = np.array([0.5, 0.7, 1.0, 0.7])[:, None]
    found = least_losses(network, levels * load, np.ones(4), seed=1)
    assert found.loss_mwh == pytest.approx(0.3057, abs=5e-5)
    doubled = least_losses(network, levels[:2] * load, np.array([3.0, 2.0]), seed=1)
    assert doubled.loss_mwh == pytest.approx(np.array([3.0, 2.0]) @ doubled.loss_mw)


@pytest.mark.parametrize("v_min", [0.938, 0.9405])
def test_voltage_limits_come_before_losses(v_min: float) -> None:
    _, network, load = feeder("ieee33")
    _, loss_kw, lowest, _ = all_flows()
    found = least_losses(dataclasses.replace(network, v_min=np.full(33, v_min)), load, PEAK, seed=1)
    assert found.violation == 0.0
    assert 1e3 * found.loss_mwh == pytest.approx(loss_kw[lowest >= v_min].min(), rel=1e-9)


def test_current_limits_come_before_losses() -> None:
    _, network, load = feeder("ieee33")
    _, loss_kw, _, current = all_flows()
    rng = np.random.default_rng(4)
    model = np.flatnonzero(loss_kw < 180.0)[100]
    i_max = np.where(rng.uniform(size=37) < 0.6, np.maximum(1.1 * current[model], 0.02), np.inf)
    within = (current <= i_max).all(axis=1)
    assert loss_kw[within].min() > 140.0
    found = least_losses(dataclasses.replace(network, i_max=i_max), load, PEAK, seed=1)
    assert found.violation == 0.0
    assert 1e3 * found.loss_mwh == pytest.approx(loss_kw[within].min(), rel=1e-9)


def test_least_violation_where_limits_cannot_be_kept() -> None:
    _, network, load = feeder("ieee33")
    _, _, lowest, _ = all_flows()
    v_min = np.full(33, 0.9)
    v_min[17] = 1.0
    found = least_losses(dataclasses.replace(network, v_min=v_min), load, PEAK, seed=1)
    assert 0.0 < found.violation < 0.06
    assert found.violation == pytest.approx(
        least_losses(dataclasses.replace(network, v_min=v_min), load, PEAK, 2).violation
    )
    assert np.nanmax(lowest) < 1.0


def test_search_without_a_solution_says_so() -> None:
    _, network, load = feeder("ieee33")
    found = least_losses(network, 10.0 * load, PEAK, seed=1, evaluations=500)
    assert found.violation == np.inf and np.isnan(found.loss_mwh)


def test_search_leaves_a_base_topology_without_solution() -> None:
    _, network, load = feeder("ieee33")
    line_on, loss_kw, _, _ = all_flows()
    hopeless = dataclasses.replace(network, closed=line_on[np.isnan(loss_kw)][7])
    assert 1e3 * least_losses(hopeless, load, PEAK, seed=1).loss_mwh == pytest.approx(139.5513, abs=1e-4)


def test_same_seed_same_plan_and_limit_on_evaluations() -> None:
    _, network, load = feeder("ieee69")
    runs = [least_losses(network, load, PEAK, seed=5) for _ in range(2)]
    assert runs[0].evaluations == runs[1].evaluations and (runs[0].line_on == runs[1].line_on).all()
    assert least_losses(network, load, PEAK, seed=5, evaluations=10).evaluations < runs[0].evaluations


def test_every_better_topology_is_announced() -> None:
    _, network, load = feeder("ieee33")
    met = []
    found = least_losses(network, load, PEAK, seed=1, on_better=met.append)
    assert (met[0].line_on == network.closed).all() and met[0].evaluations == 1
    losses = [better.loss_mwh for better in met]
    assert losses == sorted(losses, reverse=True) and losses[-1] == found.loss_mwh


def test_lines_without_a_switch_keep_their_state() -> None:
    _, network, load = feeder("ieee33")
    fixed = np.isin(np.arange(37), [6, 8, 33, 36])
    network = dataclasses.replace(network, switchable=~fixed)
    found = least_losses(network, load, PEAK, seed=1)
    plans = radial_topologies(network)
    assert (found.line_on[fixed] == network.closed[fixed]).all()
    assert found.loss_mwh == pytest.approx(np.nanmin(radial_power_flow(network, plans, load).loss_mw), rel=1e-9)


def test_network_without_a_choice() -> None:
    network = small("01 12")
    found = least_losses(network, np.full((1, 3), 0.1 + 0j), PEAK, seed=1)
    assert found.line_on.all() and found.evaluations == 1


def test_lines_that_force_a_loop_are_refused() -> None:
    network = small("01 12 02", switchable=np.zeros(3, dtype=bool))
    with pytest.raises(ValueError, match="form a loop"):
        base_tree(network)


def test_nearest_tree_is_the_topology_asked_for() -> None:
    _, network, _ = feeder("ieee69")
    plans = random_plans(network, 10, seed=6)
    assert all((nearest_tree(network, plan).line_on == plan).all() for plan in plans)
    meshed = nearest_tree(network, np.ones(network.n_line, dtype=bool))
    assert np.count_nonzero(~meshed.line_on) == 5


def test_long_walks_end_everywhere_alike() -> None:
    network = small("01 12 23 30 02")
    rng = np.random.default_rng(0)
    tree, counts = base_tree(network), collections.Counter()
    for _ in range(4000):
        tree = shake(network, tree, rng, 2)
        counts[frozenset(tree.open_lines.tolist())] += 1
    assert len(counts) == len(radial_topologies(network)) == 8
    assert min(counts.values()) > 400 and max(counts.values()) < 600


def test_closed_form_is_exact_while_currents_stand_still() -> None:
    _, network, load = feeder("ieee33")
    draw = np.conj(np.concatenate([load, 0.5 * load]))
    frozen = frozen_currents(network, draw, np.array([1.0, 3.0]))
    tree = random_tree(network, np.random.default_rng(1))

    def losses(lines: np.ndarray, loops: np.ndarray) -> float:
        return float(network.r @ ((frozen - frozen[:, lines] @ loops) ** 2).sum(axis=0))

    changes = loss_changes(network, tree, frozen)
    loop, line = np.argwhere((tree.loops != 0.0) & ~np.isin(np.arange(37), tree.open_lines))[11]
    after = tree.exchange(int(loop), int(line))
    expected = losses(after.open_lines, after.loops) - losses(tree.open_lines, tree.loops)
    assert changes[loop, line] == pytest.approx(expected, rel=1e-9)
    assert (changes[tree.loops == 0.0] >= 0.0).all()
