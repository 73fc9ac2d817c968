"""Bounds and plans of a decided network by branching on what its units give: a spatial branch and bound.

Where a cone floats, the relaxation pays with losses that do not exist. Over intervals of the outputs every flow has a
range, and over ranges the loss equation has secants that forbid such losses; half an interval makes all ranges of its
moment smaller at once. Points of the relaxation are starts of the exact dispatch.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import highspy
import numpy as np
from scipy import sparse

from igdt_planner.solver.conic import CONTRADICTION, Multipliers, lagrangian, least
from igdt_planner.solver.decided import Network
from igdt_planner.solver.exact import FEASIBLE, Dispatch, better, exact_dispatch
from igdt_planner.solver.highs import Options, append, set_option, solve_lp, to_highs
from igdt_planner.solver.problem import CIRCLE_TOLERANCE, Array, Problem, Rows, circle_tangents, no_rows, stack
from igdt_planner.solver.ranges import line_tangents, narrowed, secants

ROUNDS = 10
"""Most rounds of tangents in one node."""
MISSED = 1e-8
"""Loss that a cone may miss in a node, as a share of the cost or, if that is more, per unit of power."""
THIN = 1e-7
"""Range, per unit, that is not split."""
INSIDE = 0.2
"""A range is split at the point of the relaxation where that lies so far inside, else in the middle."""
WHOLE = 1e-6
"""Distance from a whole number that counts as none."""
START_DEPTH, START_EVERY = 2, 32
"""Down to this depth every node is a start of the exact dispatch; below it at powers of two, and at every so many."""
ENOUGH = 0.9
"""Share of the gap that a proof may leave."""
HUGE = 1e30
"""Stands for what is not known where distances are compared."""


@dataclass(frozen=True)
class Node:
    """Ranges of all columns, what no dispatch within them costs less than, and how often they were split."""

    lower: Array
    upper: Array
    bound: float
    depth: int


class OutputTree:
    """Best-first search over the ranges of one part of a decided network.

    ``best`` is the best dispatch known, ``bound`` what none costs less than.
    """

    def __init__(self, network: Network, best: Dispatch | None, options: Options) -> None:
        self.network, self.best, self.options = network, best, options
        program = network.program
        self.open: list[tuple[float, int, Node]] = []
        self.tangents = no_rows(len(program.cost))
        self.settled = np.inf
        self.nodes = self.pushed = 0
        self.push(Node(program.lower, program.upper, -np.inf, 0))

    @property
    def value(self) -> float:
        """Cost of the best dispatch known; infinite without one."""
        return self.best.cost if self.best is not None and self.best.feasible else np.inf

    @property
    def bound(self) -> float:
        """No dispatch costs less."""
        least = min(self.open[0][0] if self.open else np.inf, self.settled)
        return self.value if least == np.inf else least

    @property
    def gap(self) -> float:
        """Distance from bound to value, as far as it is known."""
        return min(self.value, HUGE) - max(self.bound, -HUGE)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be split."""
        return not self.open or self.open[0][0] >= min(self.value, self.settled)

    def push(self, node: Node) -> None:
        """Keep a node for later."""
        self.pushed += 1
        heapq.heappush(self.open, (node.bound, self.pushed, node))

    def step(self, cutoff: float, deadline: float) -> None:
        """Bound the lowest node, and split it unless it reaches the cutoff."""
        _, _, node = heapq.heappop(self.open)
        self.nodes += 1
        ranges = narrowed(self.network, node.lower, node.upper)
        if self.holds_best(node.lower, node.upper) and (ranges is None or not self.holds_best(*ranges)):
            ranges = node.lower, node.upper  # rounding would cut off what is known to be true
        if ranges is None:
            return
        node = replace(node, lower=ranges[0], upper=ranges[1])
        found, x = self.relaxed(node, deadline)
        if found == np.inf and self.holds_best(node.lower, node.upper):
            found = -np.inf  # nor does a ray prove that what is known does not exist
        node = replace(node, bound=max(node.bound, found))
        if node.bound == np.inf:
            return
        if x is None or node.bound >= min(cutoff, self.value):
            self.settle(node, x, cutoff)
            return
        column = self.widest(node, x)
        early = node.depth <= START_DEPTH or self.nodes & (self.nodes - 1) == 0
        if early or self.nodes % START_EVERY == 0 or column is None:
            self.dispatch(node, x, deadline)
        self.split(node, x, column)

    def holds_best(self, lower: Array, upper: Array) -> bool:
        """Whether the best dispatch known, if it keeps all limits, lies between bounds."""
        if self.best is None or not self.best.feasible:
            return False
        x = self.best.x
        return bool(np.all(x >= lower - FEASIBLE) and np.all(x <= upper + FEASIBLE))

    def settle(self, node: Node, x: Array | None, cutoff: float) -> None:
        """Leave a node that reaches the cutoff for later: with other parts the cutoff moves.

        One without a point is split in the middle of its widest range.
        """
        if node.bound >= self.value:
            return
        if node.bound >= cutoff:
            self.push(node)
            return
        middle = x if x is not None else (node.lower + node.upper) / 2.0
        self.split(node, middle, self.widest(node, middle))

    def relaxed(self, node: Node, deadline: float) -> tuple[float, Array | None]:
        """A bound of a node from the multipliers of its linear program, and its point."""
        lines, program = self.network.lines, self.network.program
        columns = len(program.cost)
        chords = program.deviations.chords(node.lower, node.upper, columns)
        rows = stack(self.tangents, stack(secants(lines, node.lower, node.upper, columns), chords))
        held = replace(program, lower=node.lower, upper=node.upper)
        highs = to_highs(held, rows, self.options, integral=False)
        set_option(highs, "primal_feasibility_tolerance", 1e-9)
        set_option(highs, "dual_feasibility_tolerance", 1e-9)
        x: Array | None = None
        bound = -np.inf
        for _ in range(ROUNDS):
            status, found, value = solve_lp(highs, deadline)
            if found is None:
                if status == highspy.HighsModelStatus.kInfeasible and contradicts(highs, held, rows):
                    return np.inf, None
                break
            x = found
            multipliers = np.array(highs.getSolution().row_dual)
            bound = max(bound, proven(held, rows, multipliers))
            least_missed = MISSED * max(abs(value), 1e-3) / max(1, len(lines.p))
            short = (lines.current(x) - x[lines.i_sq]) * np.maximum(lines.weight, lines.reach)
            missing = np.flatnonzero(short > least_missed)
            rounding = circle_tangents(program.circles, x, columns, CIRCLE_TOLERANCE)
            if not len(missing) and not len(rounding.lower):
                break
            fresh = stack(line_tangents(lines, x, missing, columns, equal=False), rounding)
            append(highs, fresh)
            rows, self.tangents = stack(rows, fresh), stack(self.tangents, fresh)
        return bound, x

    def dispatch(self, node: Node, x: Array, deadline: float) -> None:
        """Keep the exact dispatch from a point of the relaxation, if it is better than what is known.

        Storage that works one way in the node does so in the dispatch: else it may burn energy, and end elsewhere.
        """
        found = exact_dispatch(self.network.within(node.lower, node.upper), [x], self.options, deadline)
        if found is not None and better(found, self.best):
            self.best = found

    def split(self, node: Node, x: Array, column: int | None) -> None:
        """Split the range of a column: two nodes that together hold all of it; without one the node stays as it is."""
        if column is None:
            self.settled = min(self.settled, node.bound)
            return
        low, high = node.lower[column], node.upper[column]
        if self.network.program.integer[column]:
            sides = ((low, np.floor((low + high) / 2.0)), (np.floor((low + high) / 2.0) + 1.0, high))
        else:
            inside = low + INSIDE * (high - low) < x[column] < high - INSIDE * (high - low)
            at = x[column] if inside else (low + high) / 2.0
            sides = ((low, at), (at, high))
        for side in sides:
            lower, upper = node.lower.copy(), node.upper.copy()
            lower[column], upper[column] = side
            self.push(Node(lower, upper, node.bound, node.depth + 1))

    def widest(self, node: Node, x: Array) -> int | None:
        """The column to split: a fractional whole number, else the output where cones and deviations miss most."""
        program, lines = self.network.program, self.network.lines
        width = node.upper - node.lower
        whole = np.flatnonzero(program.integer & (width > 0.5))
        fraction = np.abs(x[whole] - np.round(x[whole]))
        if len(whole) and fraction.max() > WHOLE:
            return int(whole[np.argmax(fraction)])
        floats = np.maximum(0.0, x[lines.i_sq] - lines.current(x)) * np.maximum(lines.weight, lines.reach)
        there = np.concatenate([program.moment[lines.i_sq], program.moment[program.deviations.v_sq]])
        missed = np.concatenate([floats, program.deviations.short(x)])
        by_moment = np.bincount(there, weights=missed, minlength=program.moment.max(initial=0) + 1)
        for columns in (program.outputs, program.voltages):
            wide = columns[width[columns] > THIN]
            if not len(wide):
                continue
            score = by_moment[program.moment[wide]] * width[wide]
            if score.max() > 0.0:
                return int(wide[np.argmax(score)])
        return None


def proven(program: Problem, rows: Rows, multipliers: Array) -> float:
    """What no point of a linear program costs less than, from multipliers that need not be right."""
    every = stack(program.rows, rows)
    if len(multipliers) != len(every.lower):
        return -np.inf
    none = sparse.csr_matrix((0, len(program.cost)))
    constant, reduced, _ = lagrangian(every, none, program.cost, Multipliers(multipliers, np.empty(0)))
    reduced[np.abs(reduced) < 1e-11] = 0.0
    return constant + least(reduced, program.lower, program.upper) + program.offset


def contradicts(highs: object, program: Problem, rows: Rows) -> bool:
    """Whether multipliers prove that a linear program has no point."""
    _, known, ray = highs.getDualRay()  # type: ignore[attr-defined]
    if not known:
        return False
    costless, multipliers = replace(program, cost=np.zeros_like(program.cost), offset=0.0), np.array(ray)
    multipliers /= max(float(np.abs(multipliers).max(initial=0.0)), 1e-300)
    return any(proven(costless, rows, sign * multipliers) > CONTRADICTION for sign in (1.0, -1.0))


class Proof:
    """The trees of all parts of a decided network: together its best dispatch and its bound."""

    def __init__(self, network: Network, known: list[Dispatch | None], options: Options, floor: float) -> None:
        self.network, self.parts, self.floor = network, network.parts(), floor
        self.trees = [
            OutputTree(network.part(columns), best, options) for columns, best in zip(self.parts, known, strict=True)
        ]

    @property
    def value(self) -> float:
        """Cost of the best dispatch known."""
        return sum(tree.value for tree in self.trees) + self.network.program.offset

    @property
    def bound(self) -> float:
        """No dispatch costs less; ``floor`` was known before."""
        return max(self.floor, sum(tree.bound for tree in self.trees) + self.network.program.offset)

    @property
    def violation(self) -> float:
        """By how much, per unit, the best dispatch breaks a limit; infinite where a part has none."""
        return max((np.inf if tree.best is None else tree.best.violation for tree in self.trees), default=0.0)

    @property
    def x(self) -> Array | None:
        """The best dispatch, or the one of least violation, in the columns of the whole problem; None without one."""
        if not np.isfinite(self.violation):
            return None
        x = np.zeros(len(self.network.columns))
        for columns, tree in zip(self.parts, self.trees, strict=True):
            assert tree.best is not None
            x[columns] = tree.best.x
        return self.network.point(x)

    @property
    def finished(self) -> bool:
        """Whether no part has anything left to split."""
        return all(tree.finished for tree in self.trees)

    def work(self, cutoff: Callable[[], float], gap: float, deadline: float) -> None:
        """Work on the part of the widest gap until the bound reaches the cutoff, the gap is closed, or time is up."""
        while not self.finished and time.monotonic() < deadline:
            target = min(cutoff(), self.value - ENOUGH * gap * abs(self.value)) if np.isfinite(self.value) else cutoff()
            if self.bound >= target:
                return
            tree = max((tree for tree in self.trees if not tree.finished), key=lambda tree: tree.gap)
            slack = max(0.0, self.value - target) / len(self.trees) if np.isfinite(self.value) else 0.0
            tree.step(tree.value - slack if tree.gap > slack else tree.value, deadline)
