"""The algorithms by name, and one run of one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.search.annealing import annealing
from igdt_planner.search.bacteria import bacteria
from igdt_planner.search.beetle import annealed_antennae, antennae, beetle_swarm
from igdt_planner.search.binary_swarm import binary_swarm
from igdt_planner.search.evolution import genetic, particle_swarm
from igdt_planner.search.hybrid import hybrid
from igdt_planner.search.problem import Judged, SearchProblem
from igdt_planner.search.run import Run
from igdt_planner.search.whale import whale

ALGORITHMS: dict[str, Callable[[Run], None]] = {
    "hybrid": hybrid,
    "woa": whale,
    "bas": antennae,
    "sa_bas": annealed_antennae,
    "mtta": beetle_swarm,
    "ga": genetic,
    "pso": particle_swarm,
    "bpso": binary_swarm,
    "sa": annealing,
    "bfoa": bacteria,
}
"""``hybrid`` is ours; the others are those of the source papers and their opponents."""


def search(
    problem: SearchProblem,
    algorithm: str,
    evaluations: int,
    seed: int,
    on_better: Callable[[Judged], object] | None = None,
) -> Run:
    """Run an algorithm; the same seed gives the same plan.

    Parameters
    ----------
    problem : SearchProblem
    algorithm : str
        A name of :data:`ALGORITHMS`.
    evaluations : int
        AC power flows that may be used, one for each plan and period.
    seed : int
    on_better : callable, optional
        Is told of every better plan.

    Raises
    ------
    InputError
        Unknown algorithm, or fewer evaluations than one plan takes.
    """
    require(problem, algorithm, evaluations)
    run = Run(problem, evaluations, np.random.default_rng(seed), on_better=on_better)
    ALGORITHMS[algorithm](run)
    return run


def require(problem: SearchProblem, algorithm: str, evaluations: int) -> None:
    """Refuse an algorithm that is not there, and evaluations that are not enough for one plan."""
    findings = []
    if algorithm not in ALGORITHMS:
        message = f"there is no algorithm {algorithm!r}; known are {', '.join(ALGORITHMS)}"
        findings.append(Finding(message, "/study/algorithm", algorithm))
    if evaluations < len(problem.hours):
        message = f"evaluations {evaluations}: one plan takes {len(problem.hours)}, one for each period"
        findings.append(Finding(message, "/study/evaluations", evaluations))
    if findings:
        raise InputError(findings)
