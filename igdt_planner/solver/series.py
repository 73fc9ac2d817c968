"""Lines in series: where every bus has to be fed, a tree opens at most one of the lines between two junctions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from igdt_planner.solver.problem import Index, Switches


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
    nodes, degree = np.unique(ends, return_counts=True)
    inner = nodes[(degree == 2) & (nodes >= 0)]
    pairs = np.array([np.flatnonzero((ends == node).any(axis=1)) for node in inner], dtype=np.int64).reshape(-1, 2)
    links = sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(ends), len(ends)))
    count, label = csgraph.connected_components(links, directed=False)
    out: list[Index] = []
    for members in (np.flatnonzero(label == number) for number in range(count)):
        if len(members) > 1:
            tip = next(edge for edge in members.tolist() if (pairs == edge).sum() == 1)
            order = csgraph.depth_first_order(links, tip, directed=False, return_predecessors=False)
            out.append(order.astype(np.int64))
    return sorted(out, key=lambda chain: int(chain.min()))
