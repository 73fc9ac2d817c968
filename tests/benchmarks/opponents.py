"""Reconfiguration of 33 buses by the usual metaheuristics, by enumeration and by our search, on the same AC evaluator.

The usual encoding: one integer for each loop of the base topology says which line of the loop, in order along it, is
open. Where that is not radial or has no AC solution, the objective is a penalty.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.core.algorithm import Algorithm
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from igdt_planner.case import load_case
from igdt_planner.model import load_model
from igdt_planner.network import base_open_lines, cycle_of
from igdt_planner.search import (
    Reconfiguration,
    least_losses,
    loads_of,
    network_of,
    radial_power_flow,
    radial_topologies,
)
from igdt_planner.search.tree import closed_lines
from igdt_planner.search.whale import swim
from igdt_planner.study import resolve

Floats = npt.NDArray[np.float64]
Trace = list[tuple[float, int, float]]
"""Seconds, evaluations of the objective, and best losses in kW: whenever these become less, and at the end."""

PENALTY_KW = 1000.0
POPULATION = 50
MAX_SWEEPS = 40
"""As in our own search: plans near voltage collapse are given up."""


class Race:
    """The objective of one run, which keeps the time and the score."""

    def __init__(self) -> None:
        study = resolve(load_case("ieee33"), load_model("reconfiguration"))
        self.network = network_of(study)
        self.loads, self.hours = loads_of(study)
        ties, position = base_open_lines(study.case), pd.Index(study.case.lines["id"])
        around = [cycle_of(study.case, set(ties) - {tie}) for tie in ties]
        self.choices = [position.get_indexer(pd.Index(lines)) for lines in around]
        self.largest = np.array([len(lines) - 1 for lines in self.choices])
        self.evaluations = 0
        self.trace: Trace = []
        self.begun = time.perf_counter()

    def losses_kw(self, positions: Floats) -> Floats:
        """Losses or penalty of positions, shape (plans, loops); they are rounded and clipped to lines."""
        index = np.clip(np.rint(positions), 0, self.largest).astype(int)
        opened = np.stack([lines[index[:, loop]] for loop, lines in enumerate(self.choices)], axis=1)
        return self.judge(closed_lines(opened, self.network.n_line))

    def judge(self, line_on: npt.NDArray[np.bool_]) -> Floats:
        """Losses or penalty of topologies."""
        loss_mw = radial_power_flow(self.network, line_on, self.loads, max_sweeps=MAX_SWEEPS).loss_mw[:, 0]
        loss_kw = np.nan_to_num(1e3 * loss_mw, nan=PENALTY_KW)
        self.evaluations += len(loss_kw)
        self.note(float(loss_kw.min()))
        return loss_kw

    def finish(self) -> Trace:
        """The trace, closed at the present time."""
        self.trace.append((time.perf_counter() - self.begun, self.evaluations, self.trace[-1][2]))
        return self.trace

    def note(self, loss_kw: float) -> None:
        """Write down losses that are less than before."""
        if not self.trace or loss_kw < self.trace[-1][2]:
            self.trace.append((time.perf_counter() - self.begun, self.evaluations, loss_kw))


class LoopChoice(Problem):
    """The race as a problem of pymoo."""

    def __init__(self, race: Race) -> None:
        super().__init__(n_var=len(race.largest), n_obj=1, xl=0, xu=race.largest, vtype=int)
        self.race = race

    def _evaluate(self, x: Floats, out: dict[str, Floats], *args: object, **kwargs: object) -> None:
        out["F"] = self.race.losses_kw(x)


def genetic(seed: int, evaluations: int) -> Trace:
    """Genetic algorithm of pymoo with its integer operators."""
    crossover = SBX(vtype=float, repair=RoundingRepair())
    mutation = PM(vtype=float, repair=RoundingRepair())
    return _pymoo(GA(POPULATION, IntegerRandomSampling(), crossover=crossover, mutation=mutation), seed, evaluations)


def particle_swarm(seed: int, evaluations: int) -> Trace:
    """Adaptive particle swarm of pymoo; positions are rounded when they are judged."""
    return _pymoo(PSO(pop_size=POPULATION), seed, evaluations)


def _pymoo(algorithm: Algorithm, seed: int, evaluations: int) -> Trace:
    race = Race()
    minimize(LoopChoice(race), algorithm, ("n_eval", evaluations), seed=seed)
    return race.finish()


def whale(seed: int, evaluations: int) -> Trace:
    """Whale optimisation, Mirjalili and Lewis (Adv. Eng. Softw. 95, 2016, doi:10.1016/j.advengsoft.2016.01.008)."""
    race, rng = Race(), np.random.default_rng(seed)
    whales = rng.uniform(0, race.largest, (POPULATION, len(race.largest)))
    losses = race.losses_kw(whales)
    best, least = whales[losses.argmin()], losses.min()
    rounds = evaluations // POPULATION - 1
    for number in range(rounds):
        whales = np.clip(swim(whales, best, 2.0 * (1.0 - number / rounds), rng), 0, race.largest)
        losses = race.losses_kw(whales)
        if losses.min() < least:
            best, least = whales[losses.argmin()], losses.min()
    return race.finish()


def exhaustive(seed: int, evaluations: int) -> Trace:
    """Every radial topology; neither seed nor limit matters."""
    race = Race()
    plans = radial_topologies(race.network)
    for begin in range(0, len(plans), 2048):
        race.judge(plans[begin : begin + 2048])
    return race.finish()


def ours(seed: int, evaluations: int) -> Trace:
    """Iterated local search of the planner."""
    race = Race()

    def better(found: Reconfiguration) -> None:
        race.evaluations = found.evaluations
        race.note(1e3 * found.loss_mwh)

    found = least_losses(race.network, race.loads, race.hours, seed, evaluations, better)
    race.evaluations = found.evaluations
    return race.finish()


METHODS: dict[str, Callable[[int, int], Trace]] = {
    "branch exchange (ours)": ours,
    "genetic algorithm": genetic,
    "particle swarm": particle_swarm,
    "whale optimisation": whale,
    "enumeration": exhaustive,
}


def traces(seed: int, evaluations: int = 5_000) -> dict[str, Trace]:
    """Best losses over time of every method for one seed; time starts after imports and reading the case.

    Parameters
    ----------
    seed : int
    evaluations : int
        Limit for the methods that have one.
    """
    return {name: method(seed, evaluations) for name, method in METHODS.items()}
