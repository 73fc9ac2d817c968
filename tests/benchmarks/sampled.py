"""Rows of plans under samples: evidence for a robust plan, and a robust plan beside its alternatives."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import igdt_planner as ip
from igdt_planner.report.figures import evidence_figure
from igdt_planner.report.style import save_png, save_svg
from tests.benchmarks.measure import RESULTS, Measure, at_least, at_most, stated

ROBUST_LIMIT_S, ALTERNATIVES_LIMIT_S, BETA = 240.0, 400.0, 0.1
LEAST_LIMIT_S = 60.0
"""What a trial gets all the same: in less time there is no alpha to be judged."""
SAMPLES = 10_000


def evidence(share: float) -> list[Measure]:
    """Samples inside alpha of ``dual_mode`` at beta 0.1, and rays through its worst face; a trial draws elsewhere."""
    plan = ip.robust("ieee33", "dual_mode", BETA, time_limit_s=max(LEAST_LIMIT_S, ROBUST_LIMIT_S * share))
    begun = time.perf_counter()
    found = ip.evidence(plan, max(1, int(SAMPLES * share)))
    seconds = time.perf_counter() - begun
    folder = RESULTS if share == 1.0 else Path(tempfile.mkdtemp(prefix="evidence_"))
    figure = evidence_figure(found, f"Evidence: dual_mode on ieee33, beta {BETA:g}")
    save_svg(figure, folder / "evidence_dual_mode.svg")
    save_png(figure, folder / "evidence_dual_mode.png", dpi=90)
    rays = found.rays.set_index("radius")
    within = rays[rays.index <= 1.0]
    return [
        stated("alpha", found.alpha),
        at_most(f"samples over budget, of {found.samples:,}", found.over_budget, 0),
        at_most("samples that leave a limit", sum(found.breaks.values()), 0),
        at_most("costliest sample", found.worst_objective, found.budget, "MWh"),
        at_most(f"rays over budget up to alpha, of {int(within['rays'].sum()):,}", int(within["over_budget"].sum()), 0),
        at_most("rays that leave a limit up to alpha", int(within["broken"].sum()), 0),
        *(
            at_least(f"rays over budget at {radius:g} alpha", float(rays.loc[radius, "share_over_budget"]), 0.01)
            for radius in rays.index
            if radius > 1.0
        ),
        stated("seconds of evidence", seconds, "s"),
    ]


def alternatives(share: float) -> list[Measure]:
    """Deterministic, stochastic, static robust and info-gap plans of ``dual_mode`` in the same samples."""
    samples = max(1, int(SAMPLES * share))
    limit_s = max(LEAST_LIMIT_S, ALTERNATIVES_LIMIT_S * share)
    found = ip.alternatives("ieee33", "dual_mode", BETA, samples=samples, time_limit_s=limit_s)
    measures = [stated("radius", found.radius), stated("budget", found.budget, "MWh")]
    for row in found.table.to_dict("records"):
        name = row["approach"]
        measures.append(stated(f"{name}, status", row["status"]))
        measures += [
            stated(f"{name}, {key}", None if math.isnan(row[key]) else row[key], unit)
            for key, unit in (
                ("objective_forecast", "MWh"),
                ("objective_worst", "MWh"),
                ("mean", "MWh"),
                ("objective_expected", "MWh"),
                ("q0.95", "MWh"),
                ("share_over_budget", ""),
                ("share_broken", ""),
                ("solve_s", "s"),
            )
        ]
    igdt = found.table.set_index("approach").loc["info-gap"]
    return [*measures, at_most("samples over the budget of the info-gap plan", float(igdt["share_over_budget"]), 0.0)]
