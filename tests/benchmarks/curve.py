"""The row of the whole robustness curve: risk-averse, baseline and risk-seeking plans of the source paper's problem."""

from __future__ import annotations

import json
import tempfile
import time

import pandas as pd

import igdt_planner as ip
from igdt_planner.model import override
from igdt_planner.pool import process_pool
from igdt_planner.report.files import write_whole
from igdt_planner.results.document import clean, to_json
from tests.benchmarks.measure import RESULTS, Measure, at_most, equal, percent, stated

BETAS = tuple(round(0.05 * step, 2) for step in range(11))
LIMIT_S, ALPHA_GAP, WORKERS = 1500.0, 0.045, 2
"""Time limit of the baseline (which ends by its gap); each beta gets 0.16 of it, and ends at this gap of alpha."""
TABLE = RESULTS / "curve_dual_mode_table.json"
CROSSING_LIMIT_S = 60.0
DECIDED = {
    "dg": [{"bus": bus, "technology": "dg_1mw"} for bus in (8, 29)],
    "ess": [{"bus": bus, "technology": "ess_100kw"} for bus in (25, 30, 32)],
    "open_lines": {"connected": [5, 11, 13, 28, 33], "islanded": [13, 18, 23, 25, 35]},
}
"""Sites and open lines of a robust plan found for beta 0.1."""


def curve_dual_mode(share: float) -> list[Measure]:
    """Both senses of ``dual_mode`` over 11 betas, on two processes, and all their plans as they stand."""
    begun = time.perf_counter()
    options = {"time_limit_s": LIMIT_S * share, "alpha_gap": ALPHA_GAP, "resume": True}
    with tempfile.TemporaryDirectory() as folder, process_pool(WORKERS) as pool:
        averse = ip.sweep("ieee33", "dual_mode", BETAS, executor=pool, store=folder, **options)
        seeking = ip.sweep("ieee33", "dual_mode", BETAS, sense="opportunity", executor=pool, store=folder, **options)
    seconds = time.perf_counter() - begun
    if share == 1.0:
        keep(averse.baseline.model.unit, robust=averse.table, opportunity=seeking.table)
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
    return measures


def crossing_dual_mode(share: float) -> list[Measure]:
    """Two plans of the same sites and lines, with the storage schedules for beta 0 and 0.5."""
    model = override(ip.load_model("dual_mode"), {"fix": DECIDED})
    near = ip.solve("ieee33", model, time_limit_s=CROSSING_LIMIT_S * share)
    assert near.objective is not None
    far = ip.robust("ieee33", model, budget=1.5 * near.objective, time_limit_s=CROSSING_LIMIT_S * share)
    plans = {"schedule for beta 0": near, "schedule for beta 0.5": far}
    found = ip.compare(plans, BETAS, base_objective=near.objective)
    if share == 1.0:
        keep(model.unit, fixed=found.table, turns=found.crossings)
    (turn,) = found.crossings.to_dict("records")
    return [
        stated("beta at which they cross", 100 * turn["beta"], "%"),
        stated("alpha at which they cross", turn["alpha"]),
        equal("safer below", turn["below"], "schedule for beta 0"),
    ]


def keep(unit: str, **tables: pd.DataFrame) -> None:
    """Keep tables beside the result of the row, for the notebook; others there stay."""
    known = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
    own = {name: table.to_dict("records") for name, table in tables.items()}
    write_whole(TABLE, to_json(clean({**known, "unit": unit, **own})).encode())
