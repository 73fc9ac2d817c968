"""Rows of the search family: how often, and how close, at equal numbers of AC power flows."""

from __future__ import annotations

import statistics
import time

from igdt_planner.case import Case, load_case
from igdt_planner.model import load_model
from igdt_planner.search.algorithms import ALGORITHMS, search
from igdt_planner.search.problem import SearchProblem, problem_of
from igdt_planner.study import resolve
from tests.benchmarks.measure import Measure, at_least, at_most, stated

SUCCESS_SEEDS, SUCCESS_EVALUATIONS = 100, 2_000
OPTIMUM_KW, TOLERANCE_KW = 139.551, 1e-3
MEDIAN_SEEDS, MEDIAN_EVALUATIONS = 30, (1_000, 10_000)


def reconfiguration_of(case: Case) -> SearchProblem:
    """Least losses of a case by switching alone, at the peak."""
    return problem_of(resolve(case, load_model("reconfiguration")))


def losses_kw(problem: SearchProblem, algorithm: str, evaluations: int, seed: int) -> float:
    """What one run ends at; more than anything where it finds no plan within the limits."""
    best = search(problem, algorithm, evaluations, seed).best
    return 1e3 * best.objective if best is not None and best.violation == 0.0 else 1e9


def family_success(share: float) -> list[Measure]:
    """Seeds that end at the best of all topologies of 33 buses, by algorithm (the paper of MTTA claims 98.7 %)."""
    problem, seeds = reconfiguration_of(load_case("ieee33")), range(max(2, round(share * SUCCESS_SEEDS)))
    measures = []
    for algorithm in ALGORITHMS:
        begun = time.perf_counter()
        found = [losses_kw(problem, algorithm, SUCCESS_EVALUATIONS, seed) for seed in seeds]
        seconds = (time.perf_counter() - begun) / len(found)
        hits = sum(loss <= OPTIMUM_KW + TOLERANCE_KW for loss in found)
        name = f"{algorithm}: seeds at {OPTIMUM_KW} kW after {SUCCESS_EVALUATIONS} flows"
        unit = f"of {len(found)}"
        measures += [
            at_least(name, hits, len(found), unit) if algorithm == "hybrid" else stated(name, hits, unit),
            stated(f"{algorithm}: median losses", statistics.median(found), "kW"),
            stated(f"{algorithm}: seconds a seed", seconds, "s"),
        ]
    return measures


def family_medians(share: float) -> list[Measure]:
    """Median losses by algorithm, feeder and evaluations: ours is never worse."""
    from tests.benchmarks.rows import matpower_feeder  # rows imports this module

    cases = {"ieee33": load_case("ieee33"), "ieee69": load_case("ieee69"), "case118zh": matpower_feeder("case118zh")}
    measures = []
    for name, case in cases.items():
        problem = reconfiguration_of(case)
        for evaluations in MEDIAN_EVALUATIONS:
            seeds = range(max(3, round(share * MEDIAN_SEEDS)))
            medians = {
                algorithm: statistics.median(losses_kw(problem, algorithm, evaluations, seed) for seed in seeds)
                for algorithm in ALGORITHMS
            }
            label = f"{name}, {evaluations} flows"
            others = min(loss for algorithm, loss in medians.items() if algorithm != "hybrid")
            measures.append(at_most(f"{label}: hybrid", medians["hybrid"], others * (1.0 + 1e-6), "kW"))
            measures += [stated(f"{label}: {one}", loss, "kW") for one, loss in medians.items() if one != "hybrid"]
    return measures
