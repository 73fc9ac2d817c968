"""Trees, loops and islands, on networks that fit in one line of text."""

import itertools
import math

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igdt_planner import network
from igdt_planner.case import Case, load_case

RING = "1-2 2-3 3-4 1~4"


def grid(text: str, sources: tuple[int, ...] = (1,)) -> Case:
    """A case from lines numbered 1, 2, ...: ``1-2`` is a closed switch, ``1~2`` an open one, ``1=2`` has no switch."""
    lines = []
    for number, word in enumerate(text.split(), start=1):
        sign = next(sign for sign in "-~=" if sign in word)
        i, j = map(int, word.split(sign))
        ends = {"id": number, "from_bus": i, "to_bus": j, "r_ohm": 3.0, "x_ohm": 4.0}
        lines.append(ends | {"in_service": sign != "~", "switchable": sign != "="})
    buses = sorted({line[end] for line in lines for end in ("from_bus", "to_bus")})
    limits = {"vn_kv": 10.0, "p_mw": 0.01, "q_mvar": 0.0, "vm_min_pu": 0.9, "vm_max_pu": 1.1}
    return load_case(
        {
            "name": "grid",
            "base_mva": 1.0,
            "buses": [{"id": bus} | limits for bus in buses],
            "lines": lines,
            "substations": [{"bus": bus, "vm_pu": 1.0} for bus in sources],
            "profile": [{"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 1.0}],
        }
    )


def test_radial_means_one_path_to_one_source() -> None:
    case = grid(RING)
    assert [network.is_radial(case, [line]) for line in (1, 2, 3, 4)] == [True] * 4
    assert not network.is_radial(case, [])
    assert not network.is_radial(case, [1, 2])


def test_right_number_of_lines_is_not_enough() -> None:
    case = grid("1-2 1-3 4~5 5~6 6~4 3-4 4-5 5-6")
    assert len(case.lines) - 3 == len(case.buses) - 1
    assert not network.is_radial(case, [6, 7, 8])


def test_two_substations_feed_a_forest() -> None:
    case = grid("1-2 2~3 3-4", sources=(1, 4))
    assert network.is_radial(case, [2])
    assert network.cycle_of(case, []) == (3, 1, 2)
    assert network.islands(case, [2]) == [{1, 2}, {3, 4}]


def test_cycle_is_named_in_order_along_it() -> None:
    case = grid("1-2 2-3 3-4 4-5 2~5")
    assert network.cycle_of(case, []) == (5, 4, 3, 2)
    assert network.cycle_of(case, [3]) == ()


def test_parallel_lines_are_a_cycle_of_two() -> None:
    assert network.cycle_of(grid("1-2 1~2"), []) == (2, 1)


def test_islands_and_unsupplied_buses() -> None:
    case = grid(RING)
    assert network.islands(case, [2, 4]) == [{1, 2}, {3, 4}]
    assert network.unsupplied(case, [2, 4]) == (3, 4)
    assert network.unsupplied(case, [4]) == ()


def test_parents_come_before_children() -> None:
    tree = network.parents(grid(RING), [2])
    assert tree == {2: (1, 1), 4: (1, 4), 3: (4, 3)}
    assert list(tree) == [2, 4, 3]


def test_parents_of_a_loop_are_refused() -> None:
    with pytest.raises(ValueError, match="lines 4, 3, 2, 1 form a cycle"):
        network.parents(grid(RING), [])


def test_depth_adds_impedance_along_the_path() -> None:
    assert network.depth_ohm(grid(RING), [2]) == {1: 0.0, 2: 5.0, 4: 5.0, 3: 10.0}


def test_depth_leaves_unsupplied_buses_out() -> None:
    assert set(network.depth_ohm(grid(RING), [2, 4])) == {1, 2}


def test_subtree_sums() -> None:
    tree = network.parents(grid("1-2 2-3 2-4"), [])
    assert network.subtree_sums(tree, {1: 100.0, 2: 1.0, 3: 2.0, 4: 4.0}) == {2: 7.0, 3: 2.0, 4: 4.0}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (RING, 4),
        ("1-2 2=3 3-4 1~4", 3),
        ("1=2 2=3 3=4", 1),
        ("1-2 1~2 2-3", 2),
        ("1-2 2-3 3~1 2~4 3-4", 8),
    ],
    ids=["ring", "one line without switch", "nothing to switch", "parallel lines", "two loops"],
)
def test_count_by_hand(text: str, count: int) -> None:
    assert network.count_radial_topologies(grid(text)) == count


def test_count_with_two_substations() -> None:
    assert network.count_radial_topologies(grid("1-2 2-3 3~4", sources=(1, 4))) == 3


@pytest.mark.parametrize("name", ["feeder4", "ieee16", "ieee33_14sw"])
def test_count_agrees_with_trying_every_choice(name: str) -> None:
    case = load_case(name)
    switches = case.lines.loc[case.lines["switchable"], "id"].tolist()
    closed_count = len(case.buses) - len(case.substations)
    choices = itertools.combinations(switches, len(case.lines) - closed_count)
    assert network.count_radial_topologies(case) == sum(network.is_radial(case, choice) for choice in choices)


def test_count_of_the_33_bus_feeder_agrees_with_networkx() -> None:
    case = load_case("ieee33")
    graph = nx.Graph([(i, j) for _, i, j in network.edges(case)])
    assert network.count_radial_topologies(case) == round(nx.number_of_spanning_trees(graph)) == 50751


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.data())
def test_count_of_any_graph_agrees_with_networkx(size: int, data: st.DataObject) -> None:
    trunk = [f"{data.draw(st.integers(1, bus - 1))}-{bus}" for bus in range(2, size + 1)]
    pairs = st.tuples(st.integers(1, size), st.integers(1, size)).filter(lambda pair: pair[0] != pair[1])
    ties = [f"{i}~{j}" for i, j in data.draw(st.lists(pairs, max_size=6))]
    case = grid(" ".join(trunk + ties))
    graph: nx.MultiGraph = nx.MultiGraph([(i, j) for _, i, j in network.edges(case)])
    expected = nx.number_of_spanning_trees(graph)
    assert math.isclose(network.count_radial_topologies(case), expected, rel_tol=1e-9)
