"""AC-exact dispatch of a decided network: a local optimum of the AC problem itself, by successive linear programs.

Lines whose losses are a price paid keep their cones as tangents, which are right there. Where losses would be a gain
the cone floats, and the loss equation is linearised as an equation within a trust region; so are the lines of loops,
around which angles add up to nothing. One slack on all voltage and current limits, at a high price, lets the way lead
through points that break them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from igdt_planner.solver.cycles import Cycles
from igdt_planner.solver.decided import Lines, Network
from igdt_planner.solver.highs import Options, append, set_option, solve_lp, start_from, to_highs
from igdt_planner.solver.problem import (
    CIRCLE_TOLERANCE,
    Array,
    Index,
    Problem,
    Rows,
    circle_tangents,
    no_rows,
    select,
    stack,
    with_tokens,
)
from igdt_planner.solver.ranges import line_tangents, narrowed

PRICE, DEARER, RISES = 1e3, 30.0, 3
"""Price of a limit broken by one per unit, as a multiple of the dearest column; by what it rises, and how often."""
PROGRAMS = 80
"""Most linear programs at one price."""
WIDE, NARROW, GROW, SHRINK = 1.0, 1e-7, 2.0, 0.3
"""Trust region as a share of the ranges of flows: at first, at the end, after a good step, after a bad one."""
GOOD, POOR = 0.7, 0.1
"""Share of the improvement promised that makes a step good, and that it needs at least."""
STATIONARY = 1e-9
"""Improvement, as a share of the cost, below which a linear program promises nothing more: the KKT conditions hold."""
FEASIBLE = 2e-7
"""Violation, per unit, of a dispatch that counts as feasible: a fifth of what the AC judge tolerates."""
FLOATS = 1e-9
"""Current above what flows cause, times its reach, at which a cone counts as floating."""
TIGHT = 2e-8
"""What a point may miss, in all, so that it is a dispatch as it is."""
ROUNDS = 12
"""Most rounds of tangents in one linear program."""
LEAST_SPAN = 1e-2
"""Least range of a flow, as a share of the widest."""
LOWEST = 0.01
"""Least squared voltage on the way."""


@dataclass(frozen=True)
class Dispatch:
    """A point of a network on the loss equations, its cost, and by how much (per unit) it breaks limits."""

    x: Array
    cost: float
    violation: float

    @property
    def feasible(self) -> bool:
        """Whether it keeps every limit but for rounding."""
        return self.violation <= FEASIBLE


def exact_dispatch(network: Network, starts: Iterable[Array], options: Options, deadline: float) -> Dispatch | None:
    """The best of the local optima that are reached from some points; the least violation where none is feasible.

    Where storage burns energy, or it is open which way it works, it is dispatched once more, each ESS in the way it
    works on balance.

    Parameters
    ----------
    starts : iterable of array
        Tried one after the other until one leads to a feasible dispatch.
    """
    search = Successive(network, options, deadline)
    best: Dispatch | None = None
    for number, start in enumerate(starts):
        as_it_is = search.dispatch(np.append(start, 0.0))
        exact = not number and as_it_is.violation <= TIGHT and within(network.program, start)
        found = as_it_is if exact else search.run(start)
        if found is not None and (one_way := network.one_way(found.x)) is not None:
            found = Successive(one_way, options, deadline).run(found.x)
        if found is not None and (best is None or found.violation < best.violation):
            best = found
        if best is not None and best.feasible:
            return best
    return best


def within(program: Problem, x: Array) -> bool:
    """Whether a point keeps the column bounds of a program, which hold what is decided."""
    return bool(np.all(x >= program.lower - TIGHT) and np.all(x <= program.upper + TIGHT))


def better(found: Dispatch | None, best: Dispatch | None) -> bool:
    """Whether a dispatch is better than another: cheaper, or nearer to its limits where the other breaks some."""
    if found is None or best is None:
        return found is not None
    if not best.feasible:
        return found.violation < best.violation
    return found.feasible and found.cost < best.cost


class Successive:
    """Successive linear programs over one network."""

    def __init__(self, network: Network, options: Options, deadline: float) -> None:
        self.network, self.options, self.deadline = network, options, deadline
        program, lines = network.program, network.lines
        cost = with_tokens(program.cost, lines.i_sq, lines.weight, program.charging)
        self.cost, self.cycles = cost, Cycles(network)
        self.basis: Any = None
        self.known, self.circles = no_rows(len(cost) + 1), no_rows(len(cost) + 1)
        self.of_line: Index = np.empty(0, dtype=np.int64)
        self.program = elastic(program, lines)
        self.price = PRICE * max(float(np.abs(cost).max(initial=0.0)), 1e-9)

    @cached_property
    def ranges(self) -> tuple[Array, Array]:
        """What rows and loss equations leave to every column."""
        program = self.network.program
        found = narrowed(self.network, program.lower, program.upper)
        return found if found is not None else (program.lower, program.upper)

    @cached_property
    def span(self) -> Array:
        """Width of the range of every column; flows have a least one."""
        (lower, upper), lines = self.ranges, self.network.lines
        span = np.where(np.isfinite(upper - lower), upper - lower, 1.0)
        flows = np.concatenate([lines.p, lines.q]) if len(lines.p) else np.empty(0, dtype=np.int64)
        return np.asarray(np.maximum(span, LEAST_SPAN * span[flows].max(initial=1e-6)))

    def run(self, start: Array) -> Dispatch | None:
        """A local optimum from a start; a higher price on limits where one that is broken pays."""
        found = self.descend(start, self.price)
        price = self.price
        for _ in range(RISES):
            if found is None or found.feasible or time.monotonic() > self.deadline:
                break
            price *= DEARER
            again = self.descend(found.x, price)
            if again is None or again.violation > 0.5 * found.violation:
                break
            found = again
        return found

    def descend(self, start: Array, price: float) -> Dispatch | None:
        """Linear programs from a start until one promises nothing more."""
        at, merit, radius = np.append(np.clip(start[: len(self.cost)], *self.ranges), 0.0), np.inf, np.inf
        floats = self.cycles.touched
        for _ in range(PROGRAMS):
            if time.monotonic() > self.deadline and np.isfinite(merit):
                break
            found, floats = self.linearised(at, floats, radius, price)
            if found is None:
                if not np.isfinite(merit):
                    return None
                break
            promised = merit - self.value(found, price, exact=False)
            reached = self.value(found, price, exact=True)
            if np.isfinite(merit) and promised <= STATIONARY * max(abs(merit), STATIONARY):
                break
            if not np.isfinite(merit):
                at, merit, radius = found, reached, WIDE
            elif merit - reached >= POOR * promised:
                radius = min(WIDE, radius * (GROW if merit - reached >= GOOD * promised else 1.0))
                at, merit = found, reached
            else:  # within a region that does not bind the program would answer the same again
                radius = SHRINK * min(radius, self.moved(at, found, floats))
            if radius < NARROW:
                break
        return self.dispatch(at)

    def moved(self, at: Array, found: Array, floats: npt.NDArray[np.bool_]) -> float:
        """The longest way of a floating flow from one point to another, as a share of its range."""
        flows = np.concatenate([self.network.lines.p[floats], self.network.lines.q[floats]])
        return float((np.abs(found - at)[flows] / self.span[flows]).max(initial=0.0))

    def value(self, x: Array, price: float, *, exact: bool) -> float:
        """Merit of a point: cost and the price of broken limits, and of currents that are not what flows cause."""
        missed = self.missed(x) if exact else 0.0
        return float(self.cost @ x[:-1]) + price * (float(x[-1]) + missed)

    def missed(self, x: Array) -> float:
        """What currents miss of what their flows cause, times what they reach, angles around loops, and deviations."""
        lines = self.network.lines
        currents = float((np.abs(lines.current(x) - x[lines.i_sq]) * lines.reach).sum())
        return currents + self.cycles.missed(x) + float(self.program.deviations.short(x).sum())

    def linearised(
        self, at: Array, floats: npt.NDArray[np.bool_], radius: float, price: float
    ) -> tuple[Array | None, npt.NDArray[np.bool_]]:
        """The linear program at a point: its optimum, and the lines that float there or did so before."""
        lines, columns = self.network.lines, len(self.program.cost)
        while True:
            equations = line_tangents(lines, at, np.flatnonzero(floats), columns, equal=True)
            equations = stack(equations, self.cycles.loop_equations(at, columns))
            equations = stack(equations, self.program.deviations.tangents(at, columns))
            lower, upper = self.program.lower.copy(), self.program.upper.copy()
            for flow in (lines.p[floats], lines.q[floats]):
                lower[flow] = np.maximum(lower[flow], at[flow] - radius * self.span[flow])
                upper[flow] = np.minimum(upper[flow], at[flow] + radius * self.span[flow])
            cost = np.append(self.cost, price)
            held = replace(self.program, cost=cost, lower=np.minimum(lower, upper), upper=np.maximum(lower, upper))
            self.touch(at, np.flatnonzero(~floats))
            x = self.solved(held, equations, floats)
            if x is None:
                return None, floats
            gained = (x[lines.i_sq] - lines.current(x)) * lines.reach
            fresh = ~floats & (gained > FLOATS)
            if not fresh.any():
                return x, floats
            floats = floats | fresh

    def touch(self, x: Array, chosen: Index) -> Rows:
        """Tangents of the cones of some lines at a point, which are kept for all programs to come."""
        fresh = line_tangents(self.network.lines, x, chosen, len(self.program.cost), equal=False)
        self.known, self.of_line = stack(self.known, fresh), np.concatenate([self.of_line, chosen])
        return fresh

    def solved(self, program: Problem, equations: Rows, floats: npt.NDArray[np.bool_]) -> Array | None:
        """The optimum of a linear program, with tangents of the cones that are left as cones."""
        lines, coned = self.network.lines, np.flatnonzero(~floats)
        rows = stack(stack(equations, self.circles), select(self.known, ~floats[self.of_line]))
        highs = to_highs(program, rows, self.options, integral=False)
        set_option(highs, "primal_feasibility_tolerance", 1e-9)
        set_option(highs, "dual_feasibility_tolerance", 1e-9)
        start_from(highs, self.basis)
        x: Array | None = None
        for _ in range(ROUNDS):
            _, found, _ = solve_lp(highs, self.deadline)
            if found is None:
                return x
            x = found
            short = (lines.current(x) - x[lines.i_sq])[coned] * lines.reach[coned]
            missing = coned[short > 0.1 * FLOATS]
            rounding = circle_tangents(program.circles, x, len(x), CIRCLE_TOLERANCE)
            if not len(missing) and not len(rounding.lower):
                break
            self.circles = stack(self.circles, rounding)
            append(highs, stack(self.touch(x, missing), rounding))
        self.basis = highs.getBasis()
        return x

    def dispatch(self, x: Array) -> Dispatch:
        """A point as the result of the search."""
        program = self.network.program
        violation = float(x[-1]) + self.missed(x) + program.circles.missed(x)
        return Dispatch(x[:-1], float(program.cost @ x[:-1]) + program.offset, violation)


def elastic(program: Problem, lines: Lines) -> Problem:
    """The program with one slack, its last column, on all limits of voltages, currents, and what follows from them.

    A unit of slack is one per unit of voltage, the whole rating of a line, or one per unit of the column that moves
    another row most.
    """
    many, state = len(program.cost), np.zeros(len(program.cost), dtype=bool)
    state[program.moment >= 0] = True
    state[program.outputs] = False
    inequality = program.rows.lower != program.rows.upper
    touched = abs(program.rows.matrix) @ state.astype(float) > 0.0
    unit = np.where(inequality & touched, abs(program.rows.matrix).max(axis=1).todense().A1, 0.0)
    limited = np.unique(np.concatenate([program.voltages, lines.i_sq]))
    rated = np.isin(limited, lines.i_sq) & np.isfinite(program.upper[limited])
    size = np.where(rated, program.upper[limited], 1.0)
    own = sparse.csr_matrix((np.ones(len(limited)), (np.arange(len(limited)), limited)), shape=(len(limited), many))
    hard = padded(program.rows, unit == 0.0)
    soft = padded(program.rows, unit > 0.0)
    own_rows = Rows(
        sparse.csr_matrix(sparse.hstack([own, sparse.csr_matrix((len(limited), 1))])),
        np.where(np.isin(limited, lines.i_sq), -np.inf, program.lower[limited]),
        program.upper[limited],
    )
    rows = stack(hard, one_sided(stack(soft, own_rows), np.concatenate([unit[unit > 0.0], size])))
    lower, upper = np.append(program.lower, 0.0), np.append(program.upper, np.inf)
    lower[limited], upper[limited] = LOWEST, np.inf
    lower[lines.i_sq] = -np.inf  # the first-order part of a square may be negative
    return replace(
        program,
        cost=np.append(program.cost, 0.0),
        rows=rows,
        lower=lower,
        upper=upper,
        integer=np.append(program.integer, False),
    )


def padded(rows: Rows, keep: npt.NDArray[np.bool_]) -> Rows:
    """Some rows, with a last column in which they have no entry."""
    chosen = select(rows, keep)
    empty = sparse.csr_matrix((len(chosen.lower), 1))
    return Rows(sparse.csr_matrix(sparse.hstack([chosen.matrix, empty])), chosen.lower, chosen.upper)


def one_sided(rows: Rows, unit: Array) -> Rows:
    """Each finite side of rows in a row of its own, which the last column relaxes by a unit."""
    slack = sparse.csr_matrix(
        (unit, (np.arange(len(unit)), np.full(len(unit), rows.matrix.shape[1] - 1))), shape=rows.matrix.shape
    )
    none = np.full(len(unit), np.inf)
    above = select(Rows(rows.matrix - slack, -none, rows.upper), np.isfinite(rows.upper))
    below = select(Rows(rows.matrix + slack, rows.lower, none), np.isfinite(rows.lower))
    return stack(above, below)
