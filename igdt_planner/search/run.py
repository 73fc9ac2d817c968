"""One run of an algorithm: what it may spend, what it found, and how it got there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from igdt_planner.search.archive import Archive, Pool
from igdt_planner.search.encoding import Encoding
from igdt_planner.search.network import Bools, Complexes, Floats
from igdt_planner.search.problem import Choice, Judged, SearchProblem, Verdict

POPULATION = 50
"""Individuals of the algorithms that have a population."""
OUTSIDE, NO_SOLUTION = 1e6, 1e9
"""Fitness of plans outside their limits, to which the violation is added, and of those without an AC solution."""

Neighbourhood = Callable[[Choice, Bools], Choice | None]
"""Solves the neighbourhood of a choice in which the lines given, and all sites, are free."""


@dataclass(eq=False)
class Run:
    """A search in progress.

    Attributes
    ----------
    problem : SearchProblem
    evaluations : int
        AC power flows that may be used, one for each plan and period.
    rng : Generator
        The only source of chance.
    target : float
        The search may end at an objective that low.
    on_better : callable, optional
        Is told of every better plan.
    archive : Archive or Pool, optional
        Takes in every plan that is judged.
    neighbourhood : callable, optional
        Solves the neighbourhood of a choice in which the lines given, and all sites, are free.
    solved : int
        Neighbourhoods solved.
    aims : array, shape (individuals, terms), optional
        Weights of the terms, where every individual of a population has its own objective.
    known : dict
        Verdicts on vectors and choices met before.
    used : int
    best : Judged or None
    history : list of (int, float)
        Evaluations used and objective at every better plan within limits.
    """

    problem: SearchProblem
    evaluations: int
    rng: np.random.Generator
    target: float = -np.inf
    on_better: Callable[[Judged], object] | None = None
    archive: Archive | Pool | None = None
    neighbourhood: Neighbourhood | None = None
    solved: int = 0
    aims: Floats | None = None
    known: dict[object, Verdict] = field(default_factory=dict)
    used: int = 0
    best: Judged | None = None
    history: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.encoding = Encoding(self.problem)

    @property
    def left(self) -> int:
        """Plans that may still be judged; none once the target is reached."""
        if self.best is not None and self.best.violation == 0.0 and self.best.objective <= self.target:
            return 0
        return max(0, (self.evaluations - self.used) // len(self.problem.hours))

    @property
    def v(self) -> Complexes:
        """Voltages around which generators are dispatched: those of the best plan."""
        return self.problem.flat if self.best is None else self.best.v

    def judge(self, choices: Sequence[Choice]) -> list[Judged]:
        """AC power flow of as many choices as may still be judged, each with the powers that lose least."""
        choices = choices[: self.left]
        return self.judge_dispatched(choices, [self.problem.power(choice, self.v) for choice in choices])

    def judge_dispatched(self, choices: Sequence[Choice], powers: Sequence[Complexes]) -> list[Judged]:
        """AC power flow of choices with given powers."""
        judged = self.problem.judge(choices, powers)
        self.take(judged, len(judged))
        return judged

    def take(self, judged: Sequence[Judged], count: int) -> None:
        """Count plans as judged, and keep what is worth keeping of those that were not met before."""
        self.used += count * len(self.problem.hours)
        for one in judged:
            if self.archive is not None:
                self.archive.add(one)
            if self.best is None or one.beats(self.best):
                self.best = one
                if one.violation == 0.0:
                    self.history.append((self.used, one.objective))
                if self.on_better is not None:
                    self.on_better(one)

    def judge_vectors(self, vectors: Floats) -> list[Verdict]:
        """Verdicts on the choices that vectors describe, as many as may still be judged.

        A choice met before counts, but is not judged again as long as its generators would be run as they were.
        """
        places = self.encoding.places(np.clip(vectors[: self.left], 0.0, 1.0))
        keys: list[object] = [row.tobytes() for row in places]
        met = {key: self.encoding.decode(row) for key, row in zip(keys, places, strict=True) if key not in self.known}
        fresh = {choice.key: choice for choice in met.values() if choice.key not in self.known}
        judged = self.problem.judge(list(fresh.values()), [self.problem.power(one, self.v) for one in fresh.values()])
        for key, one in zip(fresh, judged, strict=True):
            self.known[key] = Verdict(one.objective, one.violation, one.values)
        self.known |= {key: self.known[choice.key] for key, choice in met.items()}
        verdicts = [self.known[key] for key in keys]
        before = self.best
        self.take(judged, len(keys))
        if self.problem.units.count and self.best is not before:
            self.known.clear()
        return verdicts

    def fitness(self, vectors: Floats) -> Floats:
        """What vectors are worth, the less the better, shape (vectors,); infinite where no more may be judged."""
        judged = self.judge_vectors(vectors)
        worth = np.full(len(vectors), np.inf)
        worth[: len(judged)] = [fitness(one, self.objective(one, number)) for number, one in enumerate(judged)]
        return worth

    def objective(self, judged: Verdict, number: int) -> float:
        """What a plan is worth to an individual, by its place in the population."""
        return judged.objective if self.aims is None else float(judged.sums(self.aims[number % len(self.aims)]))

    def polish(self) -> None:
        """Dispatch the best plan around its own voltages, as long as that pays."""
        while self.best is not None and self.problem.units.count and self.left:
            before = self.best
            self.judge([before.choice])
            if self.best is before:
                return


def fitness(judged: Verdict, objective: float) -> float:
    """One number for a judged plan: the objective within limits, more than any objective outside."""
    if not np.isfinite(judged.objective):
        return NO_SOLUTION
    return objective if judged.violation == 0.0 else OUTSIDE * (1.0 + judged.violation)
