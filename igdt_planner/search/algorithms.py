"""The algorithms by name, and one run of one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from igdt_planner.errors import Finding, InputError, nearest
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
    require(problem, algorithm, evaluations, seed)
    run = Run(problem, evaluations, np.random.default_rng(seed), on_better=on_better)
    ALGORITHMS[algorithm](run)
    return run


def require(problem: SearchProblem, algorithm: str, evaluations: int, seed: int) -> None:
    """Refuse an algorithm that is not there, evaluations that are not enough for one plan, and a negative seed."""
    findings = []
    if algorithm not in ALGORITHMS:
        message = f"there is no algorithm {algorithm!r}; known are {', '.join(ALGORITHMS)}"
        findings.append(Finding(message, "/study/algorithm", algorithm, hint=nearest(algorithm, tuple(ALGORITHMS))))
    if evaluations < len(problem.hours):
        findings.append(too_few(problem, evaluations))
    if seed < 0:
        findings.append(Finding(f"seed {seed} must be 0 or more", "/options/seed", seed))
    if findings:
        raise InputError(findings)


def require_evaluations(problem: SearchProblem, evaluations: int) -> None:
    """Refuse evaluations that are not enough for one plan."""
    if evaluations < len(problem.hours):
        raise InputError([too_few(problem, evaluations)])


def too_few(problem: SearchProblem, evaluations: int) -> Finding:
    """What is wrong with a number of evaluations."""
    message = f"evaluations {evaluations}: one plan takes {len(problem.hours)}, one for each period"
    return Finding(message, "/study/evaluations", evaluations)
