"""Plans as vectors: a coordinate for every loop says which of its lines is open, one for every generator where it is.

This is the usual encoding of radial networks by fundamental loops. What it describes need not be radial: then the
nearest radial topology is meant, so that no vector is wasted.
"""

from __future__ import annotations

import networkx as nx
import numpy as np

from igdt_planner.search.network import Floats, Ints, RadialNetwork
from igdt_planner.search.problem import Choice, SearchProblem
from igdt_planner.search.tree import Tree, base_tree, nearest_tree


class Encoding:
    """Vectors between 0 and 1 for the choices of a problem.

    Attributes
    ----------
    loops : list of array of int
        Lines of every loop of the base topology that have a switch, in order along the loop.
    size : int
        Length of a vector.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self.network, self.units = problem.network, problem.units
        tree = base_tree(self.network)
        lines = [along(self.network, tree, loop) for loop in range(len(tree.open_lines))]
        self.loops = [own[self.network.switchable[own]] for own in lines]
        self.loops = [own for own in self.loops if len(own)]
        self.size = len(self.loops) + self.units.count

    def decode(self, vector: Floats) -> Choice:
        """The choice that a vector describes, or the nearest one."""
        line_on = np.ones(self.network.n_line, dtype=bool)
        for own, value in zip(self.loops, vector, strict=False):
            line_on[own[place(value, len(own))]] = False
        free = self.units.buses
        sites = []
        for value in vector[len(self.loops) :]:
            sites.append(int(free[place(value, len(free))]))
            free = free[free != sites[-1]]
        return Choice(nearest_tree(self.network, line_on), np.array(sorted(sites), dtype=np.int64))

    def lengths(self) -> Ints:
        """Number of values that each coordinate tells apart."""
        return np.array([len(own) for own in self.loops] + [len(self.units.buses)] * self.units.count, dtype=np.int64)


def place(value: float, count: int) -> int:
    """The place among ``count`` that a value between 0 and 1 stands for."""
    return min(int(value * count), count - 1)


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
