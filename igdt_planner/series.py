"""Lines in series: where every bus has to be fed, a tree opens at most one of the lines between two junctions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from igdt_planner.problem import Index, Switches


@dataclass(frozen=True)
class Segment:
    """Neighbouring columns of lines in series, of which none or one is open, and the columns in series with them."""

    columns: Index
    rest: Index


def segments(graph: Switches) -> list[Segment]:
    """Every series of lines, its halves, their halves, down to two lines; nothing where buses may stay unfed."""
    if not graph.feeds_all:
        return []
    found = []
    for chain in chains(graph.ends):
        pieces = [chain]
        for piece in pieces:
            if len(piece) > 1:
                rest = np.setdiff1d(chain, piece)
                found.append(Segment(graph.columns[piece], graph.columns[rest]))
                middle = len(piece) // 2
                pieces += [piece[:middle], piece[middle:]]
    return found


def chains(ends: Index) -> list[Index]:
    """Edges in series, in order: between two neighbours stands a node that has no other edge; the root is none such."""
    graph: Any = nx.MultiGraph([(i, j, number) for number, (i, j) in enumerate(ends.tolist())])
    inner = {node for node, degree in graph.degree() if degree == 2 and node >= 0}
    line: Any = nx.Graph()
    line.add_nodes_from(range(len(ends)))
    for node in inner:
        first, second = (number for _, _, number in graph.edges(node, keys=True))
        line.add_edge(first, second)
    out = []
    for members in nx.connected_components(line):
        if len(members) > 1:
            tips = [edge for edge in sorted(members) if line.degree(edge) == 1]
            out.append(np.array(list(nx.dfs_preorder_nodes(line, tips[0])), dtype=np.int64))
    return sorted(out, key=lambda chain: int(chain.min()))
