"""Loops of closed lines, around which voltage angles add up to nothing: what a branch flow model alone does not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from igdt_planner.solver.decided import Network
from igdt_planner.solver.problem import Array, Index, Rows


@dataclass(frozen=True)
class Loop:
    """Lines along a loop, and 1 where the loop runs along a line, -1 where it runs against it."""

    lines: Index
    signs: Array


class Cycles:
    """The loops of a decided network, as equations of its flows and voltages."""

    def __init__(self, network: Network) -> None:
        self.network = network
        lines = network.lines
        moment = network.program.moment[lines.i_sq]
        self.loops: list[Loop] = []
        for number in np.unique(moment):
            there = np.flatnonzero(moment == number)
            self.loops += [Loop(there[loop.lines], loop.signs) for loop in loops(lines.ends[there])]

    @property
    def touched(self) -> npt.NDArray[np.bool_]:
        """Whether each line is part of a loop."""
        found = np.zeros(len(self.network.lines.p), dtype=bool)
        for loop in self.loops:
            found[loop.lines] = True
        return found

    def angles(self, x: Array) -> Array:
        """Angle that every line turns the voltage by, rad: ``atan((xP - rQ) / (v - rP - xQ))``."""
        across, along = self.turned(x)
        return np.arctan2(across, along)

    def turned(self, x: Array) -> tuple[Array, Array]:
        """``xP - rQ`` and ``v - rP - xQ`` of every line."""
        k = self.network.lines
        return k.x * x[k.p] - k.r * x[k.q], k.width(x) - k.r * x[k.p] - k.x * x[k.q]

    def missed(self, x: Array) -> float:
        """What the angles around all loops miss of nothing, rad."""
        angle = self.angles(x)
        return float(sum(abs(loop.signs @ angle[loop.lines]) for loop in self.loops))

    def loop_equations(self, x: Array, columns: int) -> Rows:
        """(L5) ``sum +-atan2(xP - rQ, v - rP - xQ) = 0`` around all loops, to first order at a point."""
        k, angle = self.network.lines, self.angles(x)
        across, along = self.turned(x)
        square = across**2 + along**2
        by_p = (along * k.x + across * k.r) / square
        by_q = (-along * k.r + across * k.x) / square
        by_v = np.where(k.v_sq >= 0, -across / square, 0.0)
        matrix, side = sparse.lil_matrix((len(self.loops), columns)), np.zeros(len(self.loops))
        for row, loop in enumerate(self.loops):
            for line, sign in zip(loop.lines.tolist(), loop.signs.tolist(), strict=True):
                side[row] -= sign * angle[line]
                for column, slope in ((k.p[line], by_p[line]), (k.q[line], by_q[line]), (k.v_sq[line], by_v[line])):
                    if column >= 0:
                        matrix[row, column] += sign * slope
                        side[row] += sign * slope * x[column]
        return Rows(sparse.csr_matrix(matrix), side, side)


def loops(ends: Index) -> list[Loop]:
    """A basis of the loops of a graph, whose edges are given by their two nodes; parallel edges are a loop."""
    parent: dict[int, tuple[int, int, float]] = {}
    neighbours: dict[int, list[tuple[int, int, float]]] = {}
    for line, (i, j) in enumerate(ends.tolist()):
        neighbours.setdefault(i, []).append((j, line, 1.0))
        neighbours.setdefault(j, []).append((i, line, -1.0))
    depth: dict[int, int] = {}
    used: set[int] = set()
    for root in neighbours:
        if root in depth:
            continue
        depth[root], waiting = 0, [root]
        for bus in waiting:
            for other, line, sign in neighbours[bus]:
                if other not in depth:
                    depth[other], parent[other] = depth[bus] + 1, (bus, line, sign)
                    used.add(line)
                    waiting.append(other)
    found = []
    for line, (i, j) in enumerate(ends.tolist()):
        if line in used:
            continue
        steps = [(line, 1.0)]  # along the line from i to j, then back from j to i in the tree
        while i != j:
            if depth[j] >= depth[i]:
                j, by, sign = parent[j]
                steps.append((by, -sign))
            else:
                i, by, sign = parent[i]
                steps.append((by, sign))
        found.append(Loop(np.array([k for k, _ in steps]), np.array([sign for _, sign in steps])))
    return found
