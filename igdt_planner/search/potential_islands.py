"""Feasible topologies as seed paper 002 finds them: one open line a loop, unless that cuts a potential island off.

Between its switches a network falls into blocks. A potential island is a block, or several that hang together, without
a root; it is cut off when all switches around it are open. Where one of these lies in a single loop only, opening one
line a loop leaves it fed (type 2); where all are common to several loops, choices that open them all must be excluded
(type 1).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import networkx as nx
import numpy as np

from igdt_planner.search.network import Bools, Ints, RadialNetwork
from igdt_planner.search.tree import closed_lines

MOST_BLOCKS = 16
"""Blocks of which all unions are looked at."""


@dataclass(frozen=True)
class PotentialIsland:
    """Buses that hang together between switches, the switchable lines around them, and whether all are common."""

    buses: tuple[int, ...]
    lines: tuple[int, ...]
    type_1: bool


def simplified_loops(network: RadialNetwork) -> list[Ints]:
    """Switchable lines of every loop of a set of independent loops that is as short as possible."""
    graph: nx.Graph[int] = nx.Graph()
    roots = set(network.root.tolist())
    for line, ends in enumerate(zip(network.from_bus.tolist(), network.to_bus.tolist(), strict=True)):
        for bus in ends:  # lines are nodes too, so that parallel ones stay apart; roots are one bus
            graph.add_edge(network.n_bus + line, -1 if bus in roots else bus)
    loops = []
    for cycle in nx.minimum_cycle_basis(graph):
        lines = np.array(sorted(node - network.n_bus for node in cycle if node >= network.n_bus), dtype=np.int64)
        loops.append(lines[network.switchable[lines]])
    return loops


def common_lines(loops: list[Ints]) -> set[int]:
    """Lines that lie in more than one loop."""
    lines, counts = np.unique(np.concatenate(loops), return_counts=True)
    return set(lines[counts > 1].tolist())


def potential_islands(network: RadialNetwork) -> list[PotentialIsland]:
    """Type 1: every union of blocks of which all lines around are common. Type 2: the other single blocks.

    Raises
    ------
    ValueError
        When there are more than 16 blocks: with as many switches, enumerate the topologies instead.
    """
    ends = list(zip(network.from_bus.tolist(), network.to_bus.tolist(), strict=True))
    joined: nx.Graph[int] = nx.Graph()
    joined.add_nodes_from(range(network.n_bus))
    joined.add_edges_from(ends[line] for line in np.flatnonzero(~network.switchable & network.closed).tolist())
    roots = set(network.root.tolist())
    blocks = [sorted(block) for block in nx.connected_components(joined) if not block & roots]
    if len(blocks) > MOST_BLOCKS:
        raise ValueError(f"{len(blocks)} blocks between switches, more than {MOST_BLOCKS}")
    common = common_lines(simplified_loops(network))
    switches = np.flatnonzero(network.switchable).tolist()
    found = []
    for size in range(1, len(blocks) + 1):
        for union in itertools.combinations(blocks, size):
            buses = {bus for block in union for bus in block}
            around = tuple(line for line in switches if len({*ends[line]} & buses) == 1)
            inner: nx.Graph[int] = joined.subgraph(buses).copy()
            inner.add_edges_from(ends[line] for line in switches if {*ends[line]} <= buses)
            type_1 = set(around) <= common
            if nx.is_connected(inner) and (type_1 or size == 1):
                found.append(PotentialIsland(tuple(sorted(buses)), around, type_1))
    return found


def feasible_topologies(network: RadialNetwork) -> Bools:
    """Topologies with one open line a loop and no potential island of type 1 cut off, shape (topologies, lines)."""
    loops = simplified_loops(network)
    cut = [set(island.lines) for island in potential_islands(network) if island.type_1]
    choices = {frozenset(lines) for lines in itertools.product(*(loop.tolist() for loop in loops))}
    kept = [
        sorted(lines) for lines in choices if len(lines) == len(loops) and not any(around <= lines for around in cut)
    ]
    return closed_lines(np.array(sorted(kept), dtype=np.int64).reshape(-1, len(loops)), network.n_line)
