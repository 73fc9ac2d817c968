"""Trees, loops and islands of a network. Lines are known by their id; parallel lines stay apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import networkx as nx
from networkx.utils import UnionFind

if TYPE_CHECKING:
    from igdt_planner.case import Case

Edge = tuple[int, int, int]
"""A line: id, from bus, to bus."""

SOURCE: Final = -1
"""The node that all substations are merged into; no bus has this id."""


def edges(case: Case) -> list[Edge]:
    """Every line of a case as an edge."""
    lines = case.lines
    return list(zip(lines["id"].tolist(), lines["from_bus"].tolist(), lines["to_bus"].tolist(), strict=True))


def base_open_lines(case: Case) -> tuple[int, ...]:
    """Lines that are open in the base topology."""
    return tuple(case.lines.loc[~case.lines["in_service"], "id"].tolist())


def substation_buses(case: Case) -> frozenset[int]:
    """Buses that feed the network."""
    return frozenset(case.substations["bus"].tolist())


def is_radial(case: Case, open_lines: Collection[int]) -> bool:
    """Whether every bus is fed by exactly one substation over exactly one path when ``open_lines`` are open."""
    closed = _closed(case, open_lines)
    fed = len(case.buses) - len(case.substations)
    return len(closed) == fed and not cycle_among(merge_sources(closed, substation_buses(case)))


def cycle_of(case: Case, open_lines: Collection[int]) -> tuple[int, ...]:
    """Lines of one cycle, in order along it, or empty when there is none.

    A path that joins two substations is a cycle too: it closes through the grid above them.
    """
    return cycle_among(merge_sources(_closed(case, open_lines), substation_buses(case)))


def islands(case: Case, open_lines: Collection[int]) -> list[frozenset[int]]:
    """Sets of buses that hang together when ``open_lines`` are open, ordered by their smallest bus."""
    return components(case.buses["id"].tolist(), _closed(case, open_lines))


def unsupplied(case: Case, open_lines: Collection[int]) -> tuple[int, ...]:
    """Buses in islands without a substation, sorted."""
    sources = substation_buses(case)
    return tuple(sorted(bus for island in islands(case, open_lines) if not island & sources for bus in island))


def parents(case: Case, open_lines: Collection[int]) -> dict[int, tuple[int, int]]:
    """Parent bus and connecting line of every supplied bus but the substations, parents before children.

    Raises
    ------
    ValueError
        When ``open_lines`` leave a cycle, because parents are not unique then.
    """
    if cycle := cycle_of(case, open_lines):
        raise ValueError(f"lines {', '.join(map(str, cycle))} form a cycle")
    return feeding_tree(_closed(case, open_lines), sorted(substation_buses(case)))


def depth_ohm(case: Case, open_lines: Collection[int]) -> dict[int, float]:
    """Impedance in ohm along the path from the source to every supplied bus of a radial topology.

    Raises
    ------
    ValueError
        When ``open_lines`` leave a cycle.
    """
    lines = case.lines
    z_ohm = {line: math.hypot(r, x) for line, r, x in zip(lines["id"], lines["r_ohm"], lines["x_ohm"], strict=True)}
    depth = dict.fromkeys(sorted(substation_buses(case)), 0.0)
    for bus, (parent, line) in parents(case, open_lines).items():
        depth[bus] = depth[parent] + z_ohm[line]
    return depth


def count_radial_topologies(case: Case) -> int:
    """Exact number of radial topologies that the switchable lines allow.

    Matrix-tree theorem: the determinant of the reduced Laplacian, in integers, of the network in which substations are
    one node, lines that cannot be opened are contracted, and lines that cannot be closed are left out.
    """
    lines = case.lines
    fixed = set(lines.loc[lines["in_service"] & ~lines["switchable"], "id"])
    free = set(lines.loc[lines["switchable"], "id"])
    merged = merge_sources(edges(case), substation_buses(case))
    contracted = [edge for edge in merged if edge[0] in fixed]
    if cycle_among(contracted):
        return 0
    nodes = {SOURCE} | set(case.buses["id"].tolist()) - substation_buses(case)
    group = {bus: min(part) for part in components(nodes, contracted) for bus in part}
    return _spanning_trees(set(group.values()), [(group[i], group[j]) for line, i, j in merged if line in free])


def merge_sources(lines: Iterable[Edge], sources: Collection[int]) -> list[Edge]:
    """Edges with every source bus replaced by ``SOURCE``."""
    return [(line, SOURCE if i in sources else i, SOURCE if j in sources else j) for line, i, j in lines]


def cycle_among(lines: Iterable[Edge]) -> tuple[int, ...]:
    """Line ids of the first cycle that appears when the edges are added one by one; empty when there is none."""
    forest: nx.Graph[int] = nx.Graph()
    joined: UnionFind[int] = UnionFind()
    for line, i, j in lines:
        if joined[i] == joined[j]:
            path = nx.shortest_path(forest, i, j) if i != j else []
            along = [int(forest.edges[hop]["line"]) for hop in itertools.pairwise(path)]
            return (line, *reversed(along))
        joined.union(i, j)
        forest.add_edge(i, j, line=line)
    return ()


def components(buses: Iterable[int], lines: Iterable[Edge]) -> list[frozenset[int]]:
    """Sets of buses that the edges connect, ordered by their smallest bus."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(buses)
    graph.add_edges_from((i, j) for _, i, j in lines)
    return sorted((frozenset(part) for part in nx.connected_components(graph)), key=min)


def feeding_tree(lines: Iterable[Edge], sources: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Parent bus and line of every bus that the sources reach over acyclic edges, parents before children."""
    neighbours: dict[int, list[tuple[int, int]]] = {}
    for line, i, j in lines:
        neighbours.setdefault(i, []).append((j, line))
        neighbours.setdefault(j, []).append((i, line))
    reached = list(sources)
    known = set(reached)
    tree: dict[int, tuple[int, int]] = {}
    for bus in reached:
        for child, line in neighbours.get(bus, []):
            if child not in known:
                known.add(child)
                tree[child] = (bus, line)
                reached.append(child)
    return tree


def subtree_sums(tree: Mapping[int, tuple[int, int]], values: Mapping[int, float]) -> dict[int, float]:
    """Sum of ``values`` over each bus of the tree and everything fed through it."""
    total = {bus: values.get(bus, 0.0) for bus in tree}
    for bus, (parent, _) in reversed(list(tree.items())):
        if parent in total:
            total[parent] += total[bus]
    return total


def _closed(case: Case, open_lines: Collection[int]) -> list[Edge]:
    opened = set(open_lines)
    return [edge for edge in edges(case) if edge[0] not in opened]


def _spanning_trees(nodes: Collection[int], links: Iterable[tuple[int, int]]) -> int:
    place = {node: k for k, node in enumerate(sorted(nodes))}
    laplacian = [[0] * len(place) for _ in place]
    for i, j in links:
        a, b = place[i], place[j]
        if a != b:
            laplacian[a][a] += 1
            laplacian[b][b] += 1
            laplacian[a][b] -= 1
            laplacian[b][a] -= 1
    return _determinant([row[1:] for row in laplacian[1:]])


def _determinant(matrix: list[list[int]]) -> int:
    """Exact determinant of a positive semidefinite integer matrix by Bareiss elimination, without fractions."""
    previous = 1
    size = len(matrix)
    for k in range(size - 1):
        pivot = matrix[k][k]
        if pivot == 0:
            return 0
        for i in range(k + 1, size):
            for j in range(k + 1, size):
                matrix[i][j] = (matrix[i][j] * pivot - matrix[i][k] * matrix[k][j]) // previous
        previous = pivot
    return matrix[-1][-1] if matrix else 1
