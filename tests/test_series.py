"""Lines in series: found on graphs drawn by hand, and never two of them open in any radial topology."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hand import hand

from igdt_planner.case import load_case
from igdt_planner.model import load_model
from igdt_planner.search import network_of, radial_topologies
from igdt_planner.solver.part_bound import Leaf
from igdt_planner.solver.problem import Switches
from igdt_planner.solver.series import chains, segments
from igdt_planner.solver.site_tree import SiteTree
from igdt_planner.solver.solve import compiled
from igdt_planner.starts import hard_to_beat, searched, untouched
from igdt_planner.study import resolve


def drawn(edges: str) -> np.ndarray:
    """Edges from text: ``-1.0 0.1`` are the edges from the root to 0 and from 0 to 1."""
    return np.array([[int(node) for node in edge.split(".")] for edge in edges.split()])


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ("-1.0 0.1 1.2", [[0, 1, 2]]),
        ("-1.0 0.1 1.2 2.-1", [[0, 1, 2, 3]]),
        ("-1.0 0.1 1.2 2.0", [[1, 2, 3]]),
        ("-1.0 0.1 0.2", []),
        ("0.1 2.1 -1.0 0.3 3.2 3.4", [[0, 1, 4]]),
        ("-1.0 0.1 0.1", [[1, 2]]),
    ],
    ids=[
        "a feeder without branches",
        "a ring through the root",
        "a ring on a stalk",
        "a fork",
        "a loop with a branch",
        "parallel",
    ],
)
def test_chains(edges: str, expected: list[list[int]]) -> None:
    """Only the order is free: a chain may be read from either end."""
    found = {min(tuple(chain), tuple(chain[::-1])) for chain in chains(drawn(edges))}
    assert found == {min(tuple(chain), tuple(chain[::-1])) for chain in expected}


def test_segments_are_halved_down_to_two_lines() -> None:
    graph = Switches(np.arange(10, 15), drawn("-1.0 0.1 1.2 2.3 3.-1"), feeds_all=True)
    found = [(segment.columns.tolist(), segment.rest.tolist()) for segment in segments(graph)]
    assert found == [
        ([10, 11, 12, 13, 14], []),
        ([10, 11], [12, 13, 14]),
        ([12, 13, 14], [10, 11]),
        ([13, 14], [10, 11, 12]),
    ]


def test_islands_have_no_segments() -> None:
    """A bus between two open lines is dead there, which is allowed."""
    assert segments(Switches(np.arange(3), drawn("-1.0 0.1 1.-1"), feeds_all=False)) == []


@pytest.mark.parametrize("case", ["feeder4", "ieee16", "ieee33_14sw", "ieee33"])
def test_no_radial_topology_opens_two_lines_in_series(case: str) -> None:
    study = resolve(load_case(case), load_model("reconfiguration"))
    problem = compiled(study).problem
    (graph,) = problem.switches
    is_open = np.zeros((len(topologies := radial_topologies(network_of(study))), len(problem.cost)), dtype=bool)
    is_open[:, graph.columns] = ~topologies
    for segment in segments(graph):
        inside = is_open[:, segment.columns].sum(axis=1)
        assert inside.max() <= 1
        assert not is_open[inside == 1][:, segment.rest].any()


def test_a_segment_held_bounds_the_topologies_that_it_leaves() -> None:
    """Against the losses of all 190 or so topologies of ieee16 one by one, dispatched exactly."""
    study = resolve(load_case("ieee16"), load_model("reconfiguration"))
    problem = compiled(study).problem
    tree = SiteTree(problem, None, np.inf, np.inf, 1, time.monotonic() + 60.0)
    (part,), (columns,) = tree.parts, tree.columns
    (graph,) = problem.switches
    place = {int(column): number for number, column in enumerate(columns)}
    topologies = radial_topologies(network_of(study))
    nothing = Leaf(np.array([-np.inf]))

    def bound(held: tuple[tuple[int, float], ...]) -> float:
        return float(part.at((), Leaf(nothing.values, held), 0, time.monotonic() + 60.0).values[0])

    costs = {
        line_on.tobytes(): bound(
            tuple((place[int(column)], float(on)) for column, on in zip(graph.columns, line_on, strict=True))
        )
        for line_on in topologies
    }
    for number, segment in enumerate(part.segments):
        lines = [int(np.flatnonzero(graph.columns == columns[column])[0]) for column in segment.columns]
        opened = (~topologies[:, lines]).sum(axis=1)
        for value in (0.0, 1.0):
            left = [costs[line_on.tobytes()] for line_on in topologies[opened == value]]
            held = bound(((len(columns) + number, value),))
            assert held <= min(left, default=np.inf) * (1.0 + 1e-6)
            assert np.isinf(held) or left
            assert held >= bound(()) * (1.0 - 1e-6)


def test_a_point_gives_the_open_lines_of_its_segments() -> None:
    study = resolve(load_case("ieee16"), load_model("reconfiguration"))
    tree = SiteTree(compiled(study).problem, None, np.inf, np.inf, 1, time.monotonic() + 60.0)
    (part,) = tree.parts
    leaf = part.at((), Leaf(np.array([-np.inf])), 0, time.monotonic() + 60.0)
    assert leaf.point is not None
    fractions = part.fractions(leaf)
    assert len(fractions) == len(part.handles)
    value = dict(zip(part.integers.tolist(), leaf.point.tolist(), strict=True))
    for number, segment in enumerate(part.segments):
        opened = sum(1.0 - value[int(column)] for column in segment.columns)
        assert fractions[len(part.integers) + number] == pytest.approx(np.clip(opened, 0.0, 1.0), abs=1e-12)


def test_untouched_network_closes_what_is_closed_and_builds_nothing() -> None:
    start = untouched(resolve(load_case("ieee16"), load_model("reconfiguration")))
    case = load_case("ieee16")
    assert len(start) == len(case.lines)
    for line in case.lines.to_dict("records"):
        assert start[f"mode[connected].line_on[{line['id']},1]"] == float(line["in_service"])


def test_search_has_a_say_where_the_network_is_connected_alone() -> None:
    pure, sited = (
        resolve(load_case("ieee16"), load_model("reconfiguration")),
        resolve(load_case("feeder4"), hand("connected")),
    )
    assert searched(pure) and hard_to_beat(pure)
    assert searched(sited) and not hard_to_beat(sited)
    assert searched(resolve(load_case("feeder4"), hand("islanded"))) is None
