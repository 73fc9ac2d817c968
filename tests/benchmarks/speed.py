"""Rows that time our own code: the search, the batched AC evaluator beside power-grid-model, importing and building."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from power_grid_model import CalculationMethod, ComponentType

import igdt_planner.ac.powerflow as judge
from igdt_planner.case import Case, load_case
from igdt_planner.formulation import build
from igdt_planner.model import load_model
from igdt_planner.search import (
    RadialNetwork,
    least_losses,
    loads_of,
    network_of,
    radial_power_flow,
    radial_topologies,
)
from igdt_planner.solver.solve import compile_problem
from igdt_planner.study import Study, resolve
from tests.benchmarks.measure import Measure, at_least, at_most, stated

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
Flow = Callable[[], Floats]
"""Solves all flows and returns their losses in MW."""

SEEDS = tuple(range(100))
OPTIMUM_KW, OPTIMUM_TOLERANCE_KW = 139.551, 1e-3
FLOWS, SAMPLE_SEED, REPEATS = 10_000, 0, 3
LOWEST_PU = 0.7
"""Lowest voltage of a sampled topology: closer to collapse power-grid-model does not always converge."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Keeps numpy to one thread, as power-grid-model is by default."""
METHODS = ((CalculationMethod.iterative_current, 1e-8), (CalculationMethod.newton_raphson, 1e-9))
"""Methods of power-grid-model that agree with ours in the losses; the faster one counts."""
BUILDS = (("ieee33", "reconfiguration"), ("ieee33", "dual_mode"), ("ieee69", "dual_mode"))


def study_33() -> Study:
    """Reconfiguration of 33 buses at the peak."""
    return resolve(load_case("ieee33"), load_model("reconfiguration"))


# The search


def search(share: float) -> list[Measure]:
    """Reconfiguration of 33 buses by the search alone: seconds from the study to the plan, after import."""
    study, seconds, found = study_33(), [], []
    for seed in SEEDS[: max(1, round(share * len(SEEDS)))]:
        begun = time.perf_counter()
        loads, hours = loads_of(study)
        found.append(1e3 * least_losses(network_of(study), loads, hours, seed).loss_mwh)
        seconds.append(time.perf_counter() - begun)
    hits = sum(abs(loss_kw - OPTIMUM_KW) <= OPTIMUM_TOLERANCE_KW for loss_kw in found)
    return [
        at_least(f"seeds that end at {OPTIMUM_KW} kW", hits, len(found), f"of {len(found)}"),
        stated("worst losses", max(found), "kW"),
        at_most("median", statistics.median(seconds), 0.2, "s", aim=0.05),
        stated("slowest seed", max(seconds), "s"),
    ]


# The batched AC evaluator


def batched_ac(share: float) -> list[Measure]:
    """Microseconds per 33-bus flow, ours beside power-grid-model, each on one thread.

    Of power-grid-model only the call itself is timed, of ours everything from topologies and loads on.
    """
    study = study_33()
    network, base_load = network_of(study), loads_of(study)[0][0]
    rng = np.random.default_rng(SAMPLE_SEED)
    count = max(64, round(share * FLOWS))
    line_on, draw = varied_topologies(network, base_load, count, rng)
    loads = base_load * rng.uniform(0.5, 1.2, (count, 1))
    return [
        *beside("loads vary", count, ours_by_load(network, loads), PgmLoads(study.case, network.closed, loads)),
        *beside("topologies vary", count, ours_by_plan(network, line_on, draw), PgmPlans(study.case, line_on, draw)),
    ]


def varied_topologies(
    network: RadialNetwork, base_load: Complexes, count: int, rng: np.random.Generator
) -> tuple[Bools, Complexes]:
    """Random radial topologies with three random DG each, and the load that is left at every bus."""
    plans = radial_topologies(network)
    line_on = plans[rng.permutation(len(plans))[: 3 * count // 2]]
    dg_mw, rows = np.zeros((len(line_on), network.n_bus)), np.arange(len(line_on))
    for _ in range(3):
        dg_mw[rows, rng.integers(1, network.n_bus, len(rows))] += rng.uniform(0.0, 1.0, len(rows))
    draw = base_load - dg_mw / network.base_mva
    flow = radial_power_flow(network, line_on, draw[:, None])
    chosen = np.flatnonzero(np.nan_to_num(np.abs(flow.v)).min(axis=-1)[:, 0] > LOWEST_PU)[:count]
    if len(chosen) < count:
        raise RuntimeError(f"only {len(chosen)} of {count} sampled topologies keep {LOWEST_PU} pu")
    return line_on[chosen], draw[chosen]


def ac_disputes(share: float) -> list[Measure]:
    """Who solves what near voltage collapse: random topologies with DG, whatever their lowest voltage."""
    study = study_33()
    network, base_load = network_of(study), loads_of(study)[0][0]
    rng, count = np.random.default_rng(SAMPLE_SEED), max(64, round(share * FLOWS))
    line_on = radial_topologies(network)
    line_on = line_on[rng.permutation(len(line_on))[:count]]
    draw = np.repeat(base_load[None], count, axis=0)
    rows = np.arange(count)
    for _ in range(3):
        draw[rows, rng.integers(1, network.n_bus, count)] -= rng.uniform(0.0, 1.0, count) / network.base_mva
    ours = radial_power_flow(network, line_on, draw[:, None])
    power, source_vm = -draw * network.base_mva, np.full(draw.shape, np.nan)
    source_vm[:, network.root] = network.v_root
    other = judge.power_flow(study.case, line_on, power.real, power.imag, source_vm)
    mine, theirs = ours.converged[:, 0], other.converged
    both = mine & theirs
    lowest = np.abs(ours.v[both, 0]).min(axis=1)
    losses = ours.loss_mw[both, 0]
    apart = np.abs(losses / other.loss_mw[both].sum(axis=1) - 1.0)
    sound = lowest > LOWEST_PU
    return [
        stated("plans", count, ""),
        at_most(f"losses differ by, lowest voltage above {LOWEST_PU} pu", float(apart[sound].max()), 1e-6),
        stated("plans above that voltage", int(sound.sum()), ""),
        stated("solved by both", int(both.sum()), ""),
        stated("refused by both", int((~mine & ~theirs).sum()), ""),
        stated("solved by ours alone", int((mine & ~theirs).sum()), ""),
        stated("solved by power-grid-model alone", int((theirs & ~mine).sum()), ""),
        stated("solved by both, losses more than 1e-6 apart", int((apart > 1e-6).sum()), ""),
    ]


def ours_by_load(network: RadialNetwork, loads: Complexes) -> Flow:
    """Our evaluator at the base topology under many loads."""
    return lambda: radial_power_flow(network, network.closed[None], loads).loss_mw[0]


def ours_by_plan(network: RadialNetwork, line_on: Bools, draw: Complexes) -> Flow:
    """Our evaluator at many topologies, each with loads of its own."""
    return lambda: radial_power_flow(network, line_on, draw[:, None]).loss_mw[:, 0]


class PgmPlans:
    """power-grid-model over the same flows: switches and loads are updated in every one."""

    kinds: tuple[ComponentType, ...] = (ComponentType.line, ComponentType.sym_load, ComponentType.source)

    def __init__(self, case: Case, line_on: Bools, draw: Complexes) -> None:
        power, source_vm = -draw * case.base_mva, np.ones((len(draw), 1))
        update = judge._scenarios(case, line_on, power.real, power.imag, source_vm)
        root = case.buses["id"].tolist().index(int(case.substations["bus"].iloc[0]))
        self.model = judge._network(case, np.array([root]))
        self.model.update(update_data={kind: rows[0] for kind, rows in update.items()})
        self.update = {kind: update[kind] for kind in self.kinds}

    def losses(self, method: CalculationMethod, tolerance: float, threading: int) -> Floats:
        """Losses of all flows, MW; ``threading`` is -1 for one thread and 0 for one a core."""
        output = self.model.calculate_power_flow(
            calculation_method=method,
            error_tolerance=tolerance,
            max_iterations=100,
            update_data=self.update,
            threading=threading,
            output_component_types=[ComponentType.line],
        )[ComponentType.line]
        return np.asarray((output["p_from"] + output["p_to"]).sum(axis=1) / 1e6)


class PgmLoads(PgmPlans):
    """power-grid-model over the same flows: the base topology is set once, and loads alone are updated."""

    kinds = (ComponentType.sym_load,)

    def __init__(self, case: Case, closed: Bools, loads: Complexes) -> None:
        super().__init__(case, np.repeat(closed[None], len(loads), axis=0), loads)


def beside(what: str, count: int, ours: Flow, other: PgmPlans) -> list[Measure]:
    """Our microseconds per flow and those of power-grid-model, and how far the losses differ."""
    our_us, our_loss = timed(ours, count)
    one = [timed(partial(other.losses, *method, -1), count) for method in METHODS]
    many_us = min(timed(partial(other.losses, *method, 0), count)[0] for method in METHODS)
    other_us = min(us for us, _ in one)
    apart = max(float(np.abs(loss / our_loss - 1.0).max()) for _, loss in one)
    return [
        stated(f"{what}: ours", our_us, "us"),
        stated(f"{what}: power-grid-model, one thread", other_us, "us"),
        stated(f"{what}: power-grid-model, a thread a core", many_us, "us"),
        at_least(f"{what}: times faster on one thread", other_us / our_us, 1.0, aim=3.0),
        at_most(f"{what}: losses differ by", apart, 1e-6),
    ]


def timed(flows: Flow, count: int) -> tuple[float, Floats]:
    """Median microseconds per flow, after one call that is not timed, and the losses."""
    losses, seconds = flows(), []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        flows()
        seconds.append(time.perf_counter() - begun)
    return 1e6 * statistics.median(seconds) / count, losses


# Importing and building


def import_and_build(share: float) -> list[Measure]:
    """Import time of the package in a fresh process, and build time per 10,000 rows of the MILP."""
    measures = [
        stated("python without the package", process_s("pass"), "s"),
        stated("python with the package imported", process_s("import igdt_planner"), "s"),
    ]
    for case, model in BUILDS:
        measures += building(case, model)
    return measures


def process_s(code: str) -> float:
    """Seconds of a fresh process, the median of several."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def building(case: str, model: str) -> list[Measure]:
    """Rows of a study's MILP, and seconds per 10,000 of them from the study to arrays."""
    study, seconds, rows = resolve(load_case(case), load_model(model)), [], 0
    for _ in range(REPEATS):
        begun = time.perf_counter()
        problem, _ = compile_problem(build(study))
        seconds.append(time.perf_counter() - begun)
        rows = len(problem.rows.lower)
    return [
        stated(f"{case} {model}: rows", rows),
        stated(f"{case} {model}: build per 10,000 rows", 1e4 * statistics.median(seconds) / rows, "s"),
    ]
