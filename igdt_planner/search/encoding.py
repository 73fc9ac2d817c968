"""Plans as vectors: a coordinate for every loop says which of its lines is open, one for every generator where it is.

This is the usual encoding of radial networks by fundamental loops. What it describes need not be radial: then the
nearest radial topology is meant, so that no vector is wasted.
"""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np

from igdt_planner.search.network import Floats, Ints, RadialNetwork
from igdt_planner.search.problem import Choice, SearchProblem
from igdt_planner.search.tree import Tree, base_tree, openings


class Encoding:
    """Vectors between 0 and 1 for the choices of a problem.

    Attributes
    ----------
    loops : list of list of int
        Lines of every loop of the base topology that have a switch, in order along the loop.
    size : int
        Length of a vector.
    left : array of int, shape (size,)
        Values that each coordinate tells apart: lines, or sites at buses that generators before have left free; where
        generators may be missing, the last value says so.
    always_open, switchable : list of int
        Lines that are open without a switch, and those that have one.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self.network, self.units = problem.network, problem.units
        tree = base_tree(self.network)
        lines = [along(self.network, tree, loop) for loop in range(len(tree.open_lines))]
        self.loops = [own[self.network.switchable[own]].tolist() for own in lines]
        self.loops = [own for own in self.loops if own]
        self.size = len(self.loops) + self.units.count
        taken = np.concatenate([np.zeros(len(self.loops), dtype=np.int64), np.arange(self.units.count)])
        self.left = self.lengths() - taken * len(self.units.price)
        self.always_open = np.flatnonzero(~self.network.switchable & ~self.network.closed).tolist()
        self.switchable = np.flatnonzero(self.network.switchable).tolist()

    def places(self, vectors: Floats) -> Ints:
        """The value that every coordinate tells, shape of the vectors: a line of its loop, or a bus that is free."""
        return np.asarray(np.minimum((vectors * self.left).astype(np.int64), self.left - 1))

    def decode(self, places: Ints) -> Choice:
        """The choice that a vector's places describe, or the nearest one (as :func:`nearest_tree` finds it)."""
        values = places.tolist()
        wanted = {own[value] for own, value in zip(self.loops, values, strict=False)}
        opened = openings(self.network, itertools.chain(self.always_open, sorted(wanted), self.switchable))
        free, kinds, sites = self.units.buses.tolist(), len(self.units.price), []
        for value, left in zip(values[len(self.loops) :], self.left[len(self.loops) :].tolist(), strict=True):
            if not (self.units.optional and value == left - 1):
                sites.append(free.pop(value // kinds) + value % kinds * self.units.n_bus)
        tree = Tree(self.network, np.array(sorted(opened), dtype=np.int64))
        return Choice(tree, np.array(sorted(sites), dtype=np.int64))

    def lengths(self) -> Ints:
        """Number of values that each coordinate tells apart."""
        sites = len(self.units.sites) + self.units.optional
        return np.array([len(own) for own in self.loops] + [sites] * self.units.count, dtype=np.int64)


def along(network: RadialNetwork, tree: Tree, loop: int) -> Ints:
    """Lines of a loop in order, from the open line round to it; roots count as one bus."""
    lines = np.flatnonzero(tree.loops[loop]).tolist()
    roots = set(network.root.tolist())
    ends = {line: (int(network.from_bus[line]), int(network.to_bus[line])) for line in lines}
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    for line, (i, j) in ends.items():
        graph.add_edge(-1 if i in roots else i, -1 if j in roots else j, key=line)
    start = ends[int(tree.open_lines[loop])][0]
    start = -1 if start in roots else start
    return np.array([line for _, _, line in nx.eulerian_circuit(graph, start, keys=True)], dtype=np.int64)
