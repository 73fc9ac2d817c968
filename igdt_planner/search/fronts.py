"""Fronts by search: our own under limits on all objectives but one, NSGA-II, and the swarm of beetles (MTTA).

Whatever is judged goes into the archive of the run; an algorithm only decides where to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from igdt_planner.epsilon import trace
from igdt_planner.search.archive import Archive
from igdt_planner.search.beetle import beetle_swarm
from igdt_planner.search.evolution import nsga2
from igdt_planner.search.hybrid import hybrid
from igdt_planner.search.network import Floats
from igdt_planner.search.problem import Choice, Judged, SearchProblem
from igdt_planner.search.run import POPULATION, Run
from igdt_planner.search.tree import base_tree

OTHERS = 1e-3
"""Weight of the other objectives, each by its size, where one is minimised: of equal plans the better one is wanted."""


def search_front(
    problem: SearchProblem, sums: Floats, method: str, points: int, evaluations: int, seed: int
) -> tuple[list[Judged], int]:
    """Plans that no other plan found dominates, and the AC power flows used.

    Parameters
    ----------
    problem : SearchProblem
        Its weights do not matter.
    sums : array, shape (objectives, terms)
        The objectives, as sums of terms.
    method : str
        A name of :data:`FRONTS`.
    points : int
        Limits of every objective but the first (``hybrid``).
    evaluations, seed : int
    """
    archive = Archive(sums)
    run = Run(problem, evaluations, np.random.default_rng(seed), archive=archive)
    FRONTS[method](run, points)
    return sorted(archive.plans, key=lambda one: tuple(one.sums(sums))), run.used


def under_limits(run: Run, points: int) -> None:
    """Our own search under a grid of limits; every search gets an equal share of the evaluations."""
    assert isinstance(run.archive, Archive)
    sums = run.archive.sums
    sizes = sizes_of(run)
    searches = len(sums) + points ** (len(sums) - 1)
    share = max(len(run.problem.hours), run.evaluations // searches)

    def least(number: int, limits: Floats | None) -> Floats | None:
        """Objectives of the plan of one least objective under limits on all but the first, if there is one."""
        weights = sums[number] + OTHERS * sizes[number] * (sums / sizes[:, None]).sum(axis=0)
        problem = replace(run.problem, weights=weights)
        if limits is not None:
            limited, at_most = np.vstack([problem.limited, sums[1:]]), np.append(problem.at_most, limits)
            problem = replace(problem, limited=limited, at_most=at_most)
        own = Run(problem, min(share, run.evaluations - run.used), run.rng, archive=run.archive)
        hybrid(own)
        run.used += own.used
        return own.best.sums(sums) if own.best is not None and own.best.violation == 0.0 else None

    payoff = [least(number, None) for number in range(len(sums))]
    known = [point for point in payoff if point is not None]
    if len(known) == len(sums):
        trace(np.array(known), points, lambda limits: least(0, limits))


def beetles(run: Run, _points: int) -> None:
    """The swarm, every beetle with weights of its own between the objectives."""
    assert isinstance(run.archive, Archive)
    sums = run.archive.sums
    shares = run.rng.dirichlet(np.ones(len(sums)), POPULATION)
    run.aims = shares[np.lexsort(shares.T)] @ (sums / sizes_of(run)[:, None])
    beetle_swarm(run)


def sizes_of(run: Run) -> Floats:
    """Size of every objective at the base topology without generators; 1 where that has none."""
    assert isinstance(run.archive, Archive)
    nothing = Choice(base_tree(run.problem.network), np.empty(0, dtype=np.int64))
    (base,) = run.judge_dispatched([nothing], [np.zeros((len(run.problem.hours), 0), dtype=complex)])
    sizes = np.abs(base.sums(run.archive.sums))
    return np.where(np.isfinite(sizes) & (sizes > 0.0), sizes, 1.0)


FRONTS: dict[str, Callable[[Run, int], None]] = {
    "hybrid": under_limits,
    "nsga2": nsga2,
    "mtta": beetles,
}
"""``hybrid`` is ours."""
