"""Radial topologies and the moves between them.

A topology is known by its open lines and by the loop that each of them would close. To exchange an open line for
another line of its loop is a pivot on the loops, as in the simplex method; no tree is ever built.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from igdt_planner.search.network import Bools, Floats, Ints, RadialNetwork


class Tree:
    """A radial topology: every bus is fed by exactly one root over exactly one path.

    Attributes
    ----------
    network : RadialNetwork
    open_lines : array of int, shape (loops,)
    """

    def __init__(self, network: RadialNetwork, open_lines: Ints, loops: Floats | None = None) -> None:
        self.network, self.open_lines = network, open_lines
        if loops is not None:
            self.loops = loops

    @cached_property
    def loops(self) -> Floats:
        """The loop that each open line would close, along that line: 1, -1 against the direction of a line, or 0.

        Shape (loops, lines).
        """
        loops = self.network.loops
        return np.asarray(np.rint(np.linalg.solve(loops[:, self.open_lines], loops)))

    @property
    def line_on(self) -> Bools:
        """Whether each line is closed, shape (lines,)."""
        return closed_lines(self.open_lines, self.network.n_line)

    def exchange(self, loop: int, line: int) -> Tree:
        """Close the open line of a loop and open another line of that loop."""
        pivot = self.loops[loop] * self.loops[loop, line]
        loops = self.loops - self.loops[:, line, None] * pivot
        loops[loop] = pivot
        open_lines = self.open_lines.copy()
        open_lines[loop] = line
        return Tree(self.network, open_lines, loops)


def closed_lines(open_lines: Ints, n_line: int) -> Bools:
    """Whether each line is closed, shape (..., lines), from the open lines, shape (..., loops)."""
    line_on = np.ones((*open_lines.shape[:-1], n_line), dtype=bool)
    np.put_along_axis(line_on, open_lines, False, axis=-1)
    return line_on


def base_tree(network: RadialNetwork) -> Tree:
    """The base topology, or one near it where the base topology is not radial."""
    return nearest_tree(network, network.closed)


def nearest_tree(network: RadialNetwork, line_on: Bools) -> Tree:
    """A radial topology that opens as many as possible of the lines that are off: all, where those leave it radial.

    Parameters
    ----------
    network : RadialNetwork
    line_on : array of bool, shape (lines,)

    Raises
    ------
    ValueError
        When lines that cannot be switched form a loop or cut buses off.
    """
    fixed_open, fixed_closed = ~network.switchable & ~network.closed, ~network.switchable & network.closed
    order = np.select([fixed_open, fixed_closed, ~line_on], [0, 3, 1], default=2)
    tree = Tree(network, network.frame.line[network.n_bus - len(network.root) :], network.loops)
    free = list(range(len(tree.open_lines)))
    for line in openings(network, np.argsort(order, kind="stable").tolist()):
        loop = next(loop for loop in free if tree.loops[loop, line])
        tree = tree.exchange(loop, line)
        free.remove(loop)
    if fixed_closed[tree.open_lines].any() or tree.line_on[fixed_open].any():
        raise ValueError("lines that cannot be switched form a loop or cut buses off")
    return tree


def openings(network: RadialNetwork, order: Iterable[int]) -> list[int]:
    """The lines that are open in the end where lines are opened in an order, each unless that would cut buses off.

    A line cuts buses off once its loops are a sum, modulo 2, of the loops of lines opened before.
    """
    opened: list[int] = []
    known: dict[int, int] = {}
    size = len(network.loops)
    for line in order:
        if len(opened) == size:
            break
        loops = network.loop_bits[line]
        while loops and (highest := loops.bit_length()) in known:
            loops ^= known[highest]
        if loops:
            known[highest] = loops
            opened.append(line)
    return opened


def exchanges(network: RadialNetwork, tree: Tree) -> Bools:
    """Exchanges that the switches allow, shape (loops, lines): lines that may be opened in place of the open one."""
    allowed: Bools = (tree.loops != 0.0) & network.switchable & network.switchable[tree.open_lines, None]
    allowed[:, tree.open_lines] = False
    return allowed


def shake(network: RadialNetwork, tree: Tree, rng: np.random.Generator, steps: int) -> Tree:
    """A random walk of exchanges.

    Every step draws a loop, and the line of that loop that is open from then on. The step back is as likely as the
    step, so that a long walk ends at every radial topology with the same probability.
    """
    movable = np.flatnonzero(network.switchable[tree.open_lines])
    for _ in range(steps if len(movable) else 0):
        loop = movable[rng.integers(len(movable))]
        lines = np.flatnonzero((tree.loops[loop] != 0.0) & network.switchable)
        tree = tree.exchange(loop, lines[rng.integers(len(lines))])
    return tree


def random_tree(network: RadialNetwork, rng: np.random.Generator) -> Tree:
    """A random radial topology, each about equally likely."""
    tree = base_tree(network)
    return shake(network, tree, rng, steps=4 * len(tree.open_lines))
