"""The row of the whole robustness curve: risk-averse, baseline and risk-seeking plans of the source paper's problem."""

from __future__ import annotations

import tempfile
import time

import igdt_planner as ip
from igdt_planner.document import clean, to_json
from igdt_planner.pool import process_pool
from igdt_planner.report.files import write_whole
from tests.benchmarks.measure import RESULTS, Measure, at_most, equal, percent, stated

BETAS = tuple(round(0.05 * step, 2) for step in range(11))
LIMIT_S, ALPHA_GAP, WORKERS = 1500.0, 0.045, 2
"""Time limit of the baseline (which ends by its gap); each beta gets 0.16 of it, and ends at this gap of alpha."""
TABLE = RESULTS / "curve_dual_mode_table.json"


def curve_dual_mode(share: float) -> list[Measure]:
    """Both senses of ``dual_mode`` over 11 betas, on two processes, and all their plans as they stand."""
    begun = time.perf_counter()
    options = {"time_limit_s": LIMIT_S * share, "alpha_gap": ALPHA_GAP, "resume": True}
    with tempfile.TemporaryDirectory() as folder, process_pool(WORKERS) as pool:
        averse = ip.sweep("ieee33", "dual_mode", BETAS, executor=pool, store=folder, **options)
        seeking = ip.sweep("ieee33", "dual_mode", BETAS, sense="opportunity", executor=pool, store=folder, **options)
    seconds = time.perf_counter() - begun
    plans = {f"beta {plan.robustness['beta']:g}": plan for plan in distinct([*averse.plans])}
    fixed = ip.compare(plans, BETAS, base_objective=averse.baseline.objective)
    if share == 1.0:
        tables = {"robust": averse.table, "opportunity": seeking.table, "fixed": fixed.table, "turns": fixed.crossings}
        document = {name: table.to_dict("records") for name, table in tables.items()}
        write_whole(TABLE, to_json(clean({"unit": averse.baseline.model.unit} | document)).encode())
    measures = [
        at_most("seconds of both curves", seconds, 1800.0, "s"),
        stated("gap of the baseline", percent(averse.baseline.gap), "%"),
    ]
    for name, curve in (("averse", averse), ("seeking", seeking)):
        verdicts = {row.verdict for row in curve.table.itertuples()}
        measures.append(equal(f"{name}: AC verdicts", ", ".join(sorted(verdicts)), "feasible"))
        for row in curve.table.itertuples():
            measures.append(stated(f"{name}: alpha at beta {row.beta:g}", row.alpha))
            if row.beta >= 0.1:
                wide = abs(row.alpha_bound - row.alpha) / row.alpha
                measures.append(at_most(f"{name}: width of the interval at beta {row.beta:g}", 100 * wide, 5.0, "%"))
    return [*measures, stated("plans that stand", len(plans)), stated("pairs of them that cross", len(fixed.crossings))]


def distinct(plans: list[ip.Plan]) -> list[ip.Plan]:
    """Plans of different sites or lines, the first of each."""
    found: dict[str, ip.Plan] = {}
    for plan in plans:
        if plan.dispatch is not None:
            found.setdefault(repr([plan.dg["bus"].tolist(), plan.ess["bus"].tolist(), plan.open_lines]), plan)
    return list(found.values())
