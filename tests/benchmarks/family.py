"""Rows of the search family: how often, and how close, at equal numbers of AC power flows."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context

import numpy as np

import igdt_planner as ip
from igdt_planner.case import Case, list_cases, load_case
from igdt_planner.model import load_model, override
from igdt_planner.search import radial_power_flow, radial_topologies
from igdt_planner.search.algorithms import ALGORITHMS, search
from igdt_planner.search.problem import SearchProblem, problem_of
from igdt_planner.study import resolve
from tests.benchmarks.measure import RESULTS, Measure, at_least, at_most, stated
from tests.benchmarks.record import digest, read, write

SUCCESS_SEEDS, SUCCESS_EVALUATIONS = 100, 2_000
TOLERANCE_KW = 1e-3
NO_PLAN_KW = 1e9
MEDIAN_SEEDS, MEDIAN_EVALUATIONS, MEDIAN_CASES = 30, (1_000, 10_000, 100_000), ("ieee33", "ieee69", "case118zh")
WIND_BUS, PV_BUS, RENEWABLE_MW = 15, 30, 0.5
"""Of the paper of MTTA, at rated output."""
SITED_KW = {"ieee33": (79.7, 59.95, 50.75), "ieee69": (46.4, 38.7, 35.2)}
"""Required with 1, 2, 3 DG of any size at unity power factor."""
PAPER_MWH = {"any two buses": ((), 0.0568), "buses 8 and 25": ((8, 25), 0.0721)}
"""The main paper's connected problem without storage: required at free sites, and at its own."""


def reconfiguration_of(case: Case) -> SearchProblem:
    """Least losses of a case by switching alone, at the peak."""
    return problem_of(resolve(case, load_model("reconfiguration")))


def losses_kw(problem: SearchProblem, algorithm: str, evaluations: int, seed: int) -> float:
    """What one run ends at; more than anything where it finds no plan within the limits."""
    best = search(problem, algorithm, evaluations, seed).best
    return 1e3 * best.objective if best is not None and best.violation == 0.0 else NO_PLAN_KW


def with_renewables(problem: SearchProblem) -> SearchProblem:
    """The problem with the wind turbine and the PV plant of the paper of MTTA."""
    loads = problem.loads.copy()
    loads[:, [WIND_BUS - 1, PV_BUS - 1]] -= RENEWABLE_MW / problem.network.base_mva
    return replace(problem, loads=loads)


def best_of_all_kw(problem: SearchProblem) -> float:
    """Least losses of all radial topologies."""
    parts = np.array_split(radial_topologies(problem.network), 30)
    return 1e3 * min(
        float(np.nanmin(radial_power_flow(problem.network, part, problem.loads).loss_mw)) for part in parts
    )


def family_success(share: float) -> list[Measure]:
    """Seeds that end at the best of all topologies of 33 buses, by algorithm (the paper of MTTA claims 98.7 %)."""
    return success(reconfiguration_of(load_case("ieee33")), share)


def family_success_wind(share: float) -> list[Measure]:
    """The same with the paper's wind turbine at bus 15 and PV plant at bus 30."""
    return success(with_renewables(reconfiguration_of(load_case("ieee33"))), share)


def success(problem: SearchProblem, share: float) -> list[Measure]:
    """Seeds of every algorithm that end at the best of all topologies."""
    optimum, seeds = best_of_all_kw(problem), range(max(2, round(share * SUCCESS_SEEDS)))
    measures = []
    for algorithm in ALGORITHMS:
        begun = time.perf_counter()
        found = [losses_kw(problem, algorithm, SUCCESS_EVALUATIONS, seed) for seed in seeds]
        seconds = (time.perf_counter() - begun) / len(found)
        hits = sum(loss <= optimum + TOLERANCE_KW for loss in found)
        name = f"{algorithm}: seeds at {optimum:.3f} kW after {SUCCESS_EVALUATIONS} flows"
        unit = f"of {len(found)}"
        measures += [
            at_least(name, hits, len(found), unit) if algorithm == "hybrid" else stated(name, hits, unit),
            stated(f"{algorithm}: median losses", statistics.median(found), "kW"),
            stated(f"{algorithm}: seconds a seed", seconds, "s"),
        ]
    return measures


def family_sites(share: float) -> list[Measure]:
    """Sites and topology together: DG of any size, and the main paper's connected problem."""
    measures = []
    for case, required in SITED_KW.items():
        for units, most in enumerate(required, start=1):
            technology = {"name": "dg", "p_mw": 10.0, "q_max_mvar": 0.0}
            model = override(load_model("reconfiguration"), {"dg.max_units": units, "dg.technologies": [technology]})
            plan = ip.search(case, model)
            losses = None if plan.objective is None else 1e3 * plan.objective
            measures.append(at_most(f"{case}, {units} DG: losses by AC", losses, most, "kW"))
    for name, (buses, most) in PAPER_MWH.items():
        document = load_model("dual_mode").model_dump(mode="json", exclude_unset=True)
        connected = {"connected": {**document["modes"]["connected"], "weight": 1.0}}
        lost = [{"term": "losses", "mode": "connected"}]
        alone = {**document, "modes": connected, "objective": lost, "ess": {"max_units": 0}, "uncertain": []}
        plan = ip.search("ieee33", override(load_model(alone), {"dg.buses": list(buses)}))
        measures.append(at_most(f"main paper, connected, {name}: losses by AC", plan.objective, most, "MWh"))
    return measures


@cache
def median_problem(name: str) -> SearchProblem:
    """The feeder of a row of medians."""
    from tests.benchmarks.rows import matpower_feeder  # rows imports this module

    return reconfiguration_of(load_case(name) if name in list_cases() else matpower_feeder(name))


def median_losses_kw(name: str, algorithm: str, evaluations: int, seed: int) -> float:
    """What one seed of a row of medians ends at."""
    return losses_kw(median_problem(name), algorithm, evaluations, seed)


def losses_of_seeds(name: str, evaluations: int, seeds: range) -> dict[str, list[float]]:
    """What every seed of every algorithm ends at, kW, on all cores.

    Rows of all seeds take hours, so that each seed is stored when it is through; what was stored with this very search
    is not run again.
    """
    path, search_digest = RESULTS / f"medians_{name}_{evaluations}_seeds.json", digest("igdt_planner/search", "cases")
    known, whole = read(path), len(seeds) == MEDIAN_SEEDS
    found: dict[str, list[float]] = dict(known["losses_kw"]) if whole and known.get("search") == search_digest else {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for algorithm in ALGORITHMS:
            losses = found.setdefault(algorithm, [])
            for loss in pool.map(partial(median_losses_kw, name, algorithm, evaluations), seeds[len(losses) :]):
                losses.append(loss)
                if whole:
                    write(path, {"search": search_digest, "losses_kw": found})
    return found


def family_medians(name: str, evaluations: int, share: float) -> list[Measure]:
    """Best and median losses of a feeder by algorithm: ours is never worse at the median."""
    found = losses_of_seeds(name, evaluations, range(max(3, round(share * MEDIAN_SEEDS))))
    medians = {algorithm: statistics.median(losses) for algorithm, losses in found.items()}
    others = min(loss for algorithm, loss in medians.items() if algorithm != "hybrid")
    measures = [at_most("hybrid, median", medians["hybrid"], others * (1.0 + 1e-6), "kW")]
    measures += [losses_of(f"{one}, median", loss) for one, loss in medians.items() if one != "hybrid"]
    return measures + [losses_of(f"{one}, best", min(losses)) for one, losses in found.items()]


def losses_of(what: str, loss_kw: float) -> Measure:
    """Losses as a table states them, with a word where no plan was within the limits."""
    return stated(what, loss_kw, "kW") if loss_kw < NO_PLAN_KW else stated(what, "no plan")


MEDIANS = {
    f"medians_{name}_{evaluations}": partial(family_medians, name, evaluations)
    for name in MEDIAN_CASES
    for evaluations in MEDIAN_EVALUATIONS
}
"""Rows of medians by name."""
