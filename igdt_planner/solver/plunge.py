"""Plans from relaxations: fractions rounded up a few at a time, then open branches moved along loops while that pays.

Works on arrays alone. Every trial is valued by the same conic relaxation that bounds the nodes of the site tree; with
all integer columns decided it is the cost of the plan.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from igdt_planner.solver.part_bound import WHOLE, Held, Leaf, PartBound, Units
from igdt_planner.solver.problem import Array, Index, Problem, Switches

LIKELY = 0.6
"""Fractions above are rounded up together; where there is none, the largest is."""
BETTER = 2e-5
"""Improvement that is more than the tolerance of the values compared, as a share of the cost."""


@dataclass(frozen=True)
class Trial:
    """Sites by zone, integer columns (in an array over all columns of the problem) and the cost of every part."""

    units: Units
    x: Array
    values: tuple[float, ...]

    @property
    def total(self) -> float:
        """Cost of the plan."""
        return sum(self.values)


class Plunge:
    """Makes trials of nodes.

    Parameters
    ----------
    problem : Problem
    parts : sequence of PartBound
    columns : sequence of array
        Columns of the problem in each part.
    level : int
        Of the radius at which plans are valued.
    pool : ThreadPoolExecutor
        Values trials side by side.
    deadline : float
        Nothing is begun after it.
    """

    def __init__(
        self,
        problem: Problem,
        parts: Sequence[PartBound],
        columns: Sequence[Index],
        level: int,
        pool: ThreadPoolExecutor,
        deadline: float,
    ) -> None:
        self.problem, self.parts, self.level, self.pool = problem, parts, level, pool
        self.deadline = deadline
        self.integers = [columns[number][part.integers] for number, part in enumerate(parts)]

    def sites(self, leaves: Sequence[Leaf]) -> Units:
        """Decisive sites by rounding up the likeliest, one after the other, from the relaxations of all parts."""
        place = {int(column): site for site, column in enumerate(self.problem.decisive)}
        chosen: list[int] = []
        numbers = range(len(self.parts))
        while True:
            share = np.zeros(len(place))
            for number, leaf in enumerate(leaves):
                if leaf.point is None:
                    return tuple((site, 1) for site in chosen)
                for column, value in zip(self.integers[number].tolist(), leaf.point, strict=True):
                    if column in place:
                        share[place[column]] += value / len(leaves)
            share[chosen] = 0.0
            if share.sum() < LIKELY:
                return tuple((site, 1) for site in chosen)
            chosen.append(int(np.argmax(share)))
            held = [self.problem.decisive[site] for site in chosen]
            wanted = [self.holding(number, held) for number in numbers]
            leaves = list(self.pool.map(self.at, numbers, [()] * len(numbers), wanted))

    def holding(self, number: int, columns: Sequence[int]) -> Held:
        """Columns of the problem held at 1 within a part."""
        part = self.parts[number]
        wanted = {int(column) for column in columns}
        inside = zip(part.integers.tolist(), self.integers[number].tolist(), strict=True)
        return tuple((own, 1.0) for own, column in inside if column in wanted)

    def dive(self, units: Units, leaves: Sequence[Leaf], leader: int) -> Trial | None:
        """Round one part after the other, the leader first; what is built besides is what the leader builds.

        The leader starts at its leaf, the others where sites are decided alone.
        """
        x = self.problem.lower.copy()
        values = np.zeros(len(self.parts))
        known: dict[int, float] = {}
        linking = set(self.problem.sites.tolist())
        for number in sorted(range(len(self.parts)), key=lambda n: (n != leader, n)):
            columns = self.integers[number].tolist()
            inside = zip(self.parts[number].integers.tolist(), columns, strict=True)
            held = tuple((own, known[column]) for own, column in inside if column in known)
            held = leaves[number].held if number == leader else held
            leaf = self.round_up(number, units, held)
            if leaf.point is None:
                return None
            x[columns], values[number] = np.round(leaf.point), leaf.values[self.level]
            known |= {column: float(x[column]) for column in columns if column in linking}
        return Trial(units, x, tuple(values.tolist()))

    def round_up(self, number: int, units: Units, held: Held) -> Leaf:
        """Hold more and more columns of a part until none is fractional; without a point where that fails.

        The likely ones are held at 1 together; where they cannot be, the likeliest alone; where it cannot be, at 0.
        """
        part = self.parts[number]
        leaf = self.at(number, units, held)
        while leaf.point is not None and time.monotonic() < self.deadline:
            fraction = np.minimum(leaf.point, 1.0 - leaf.point)
            fraction[np.isin(part.integers, [column for column, _ in leaf.held])] = 0.0
            places = np.flatnonzero(fraction > WHOLE)
            if not len(places):
                return leaf
            first = places[[np.argmax(leaf.point[places])]]
            likely = places[leaf.point[places] > LIKELY]
            for chosen, value in ((likely if len(likely) else first, 1.0), (first, 1.0), (first, 0.0)):
                more = tuple((int(part.integers[place]), value) for place in chosen)
                tried = self.at(number, units, (*leaf.held, *more))
                if tried.point is not None:
                    break
            leaf = tried
        return replace(leaf, point=None)

    def at(self, number: int, units: Units, held: Held) -> Leaf:
        """The leaf of a part with columns held."""
        part = self.parts[number]
        return part.at(units, Leaf(np.full(part.radii, -np.inf), held), self.level, self.deadline)

    def improve(self, trial: Trial) -> Trial:
        """Move the open edge of every loop, one graph after the other, until no move pays."""
        for graph in self.problem.switches:
            number = next(n for n, columns in enumerate(self.integers) if np.isin(graph.columns, columns).any())
            idle, edge = 0, 0
            while idle < len(graph.columns) and time.monotonic() < self.deadline:
                better = self.moved(trial, number, graph, edge)
                idle = idle + 1 if better is None else 0
                trial, edge = better or trial, (edge + 1) % len(graph.columns)
        return trial

    def moved(self, trial: Trial, number: int, graph: Switches, edge: int) -> Trial | None:
        """The trial after an open edge has moved along the loop that it closes; None where no move pays.

        Losses fall towards one place of a loop and rise beyond: wide steps both ways at first, then narrower ones.
        """
        closed = trial.x[graph.columns] > 0.5
        if closed[edge] or not self.may_close(number, trial.units, int(graph.columns[edge])):
            return None
        loop = [edge, *path(graph.ends, closed, *graph.ends[edge].tolist())]
        best, at, step = trial, 0, len(loop) // 4 or 1
        while step and len(loop) > 1:
            places = [place % len(loop) for place in (at - step, at + step)]
            found = self.pool.map(lambda place: self.with_exchange(trial, number, graph, edge, loop[place]), places)
            better, place = min(zip(found, places, strict=True), key=lambda one: (one[0].total, one[1]))
            if better.total < best.total - BETTER * abs(trial.total):
                best, at = better, place
            else:
                step //= 2
        return None if best is trial else best

    def may_close(self, number: int, units: Units, column: int) -> bool:
        """Whether a column of the problem can be 1 in a part at all, where these units are built."""
        return self.parts[number].held(units, self.holding(number, [column]), self.level)[1]

    def with_exchange(self, trial: Trial, number: int, graph: Switches, closed: int, opened: int) -> Trial:
        """The trial with an edge closed and another one opened, at the cost of that."""
        x = trial.x.copy()
        x[graph.columns[closed]], x[graph.columns[opened]] = 1.0, 0.0
        part = self.parts[number]
        held = tuple(zip(part.integers.tolist(), x[self.integers[number]].tolist(), strict=True))
        cost = float(self.at(number, trial.units, held).values[self.level])
        return replace(trial, x=x, values=(*trial.values[:number], cost, *trial.values[number + 1 :]))


def path(ends: Index, closed: np.ndarray, start: int, end: int) -> list[int]:
    """Closed edges between two nodes, in order; nothing where there is no way."""
    at: dict[int, list[tuple[int, int]]] = {}
    for edge in np.flatnonzero(closed).tolist():
        i, j = ends[edge].tolist()
        at.setdefault(i, []).append((edge, j))
        at.setdefault(j, []).append((edge, i))
    came: dict[int, tuple[int, int]] = {start: (-1, start)}
    queue = [start]
    for node in queue:
        for edge, other in at.get(node, []):
            if other not in came:
                came[other] = (edge, node)
                queue.append(other)
    out: list[int] = []
    while end in came and end != start:
        edge, end = came[end]
        out.append(edge)
    return out
