"""Genetic algorithm and particle swarm of pymoo (Blank, Deb, IEEE Access 8, 2020, doi:10.1109/ACCESS.2020.2990567)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from igdt_planner.errors import InputError
from igdt_planner.search.archive import Archive
from igdt_planner.search.run import NO_SOLUTION, POPULATION, Run


def genetic(run: Run) -> None:
    """Genetic algorithm with pymoo's own operators."""
    evolve(run, pymoo("algorithms.soo.nonconvex.ga").GA(pop_size=POPULATION))


def particle_swarm(run: Run) -> None:
    """Adaptive particle swarm."""
    evolve(run, pymoo("algorithms.soo.nonconvex.pso").PSO(pop_size=POPULATION))


def evolve(run: Run, algorithm: Any) -> None:
    """Ask, judge and tell until the evaluations are used."""
    size = run.encoding.size
    problem = pymoo("core.problem").Problem(n_var=size, n_obj=1, xl=np.zeros(size), xu=np.ones(size))
    algorithm.setup(problem, termination=("n_gen", 10**9), seed=int(run.rng.integers(2**31)))
    while run.left and algorithm.has_next():
        asked = algorithm.ask()
        asked.set("F", np.minimum(run.fitness(asked.get("X")), NO_SOLUTION)[:, None])
        algorithm.tell(infills=asked)


def nsga2(run: Run, _points: int) -> None:
    """NSGA-II (Deb et al., IEEE Trans. Evol. Comput. 6(2), 2002, doi:10.1109/4235.996017) of pymoo.

    Vectors that describe the same plan count as the same: else the population is one plan before long.
    """
    assert isinstance(run.archive, Archive)
    sums, size = run.archive.sums, run.encoding.size
    problem = pymoo("core.problem").Problem(
        n_var=size, n_obj=len(sums), n_ieq_constr=1, xl=np.zeros(size), xu=np.ones(size)
    )
    lengths = run.encoding.lengths()
    same = pymoo("core.duplicate").DefaultDuplicateElimination(func=lambda all_: np.floor(all_.get("X") * lengths))
    algorithm = pymoo("algorithms.moo.nsga2").NSGA2(pop_size=POPULATION, eliminate_duplicates=same)
    algorithm.setup(problem, termination=("n_gen", 10**9), seed=int(run.rng.integers(2**31)))
    while run.left and algorithm.has_next():
        asked = algorithm.ask()
        if asked is None or not len(asked):  # no plan is left that the population does not hold
            return
        judged = run.judge_vectors(asked.get("X"))
        if len(judged) < len(asked):
            return
        values = np.array([one.sums(sums) for one in judged])
        asked.set("F", np.minimum(values, NO_SOLUTION))
        asked.set("G", np.minimum(np.array([[one.violation] for one in judged]), NO_SOLUTION))
        algorithm.tell(infills=asked)


def pymoo(module: str) -> Any:
    """A module of pymoo.

    Raises
    ------
    InputError
        pymoo is not installed.
    """
    try:
        return importlib.import_module(f"pymoo.{module}")
    except ModuleNotFoundError:
        message = "this algorithm needs pymoo: pip install 'igdt-planner[pareto]'"
        raise InputError.of(message, path="/study/algorithm") from None
