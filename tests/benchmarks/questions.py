"""Robust plans of the random feeders of ``make prove`` under samples: nothing breaks them inside alpha."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import igdt_planner as ip
from igdt_planner.plan import Plan
from tests.benchmarks.measure import Measure, at_least, at_most, stated
from tests.prove.choices import count
from tests.prove.feeders import MOST
from tests.prove.grid import read
from tests.prove.questions import beta, question

PLANS, SAMPLES, MOST_SEEDS = 50, 10_000, 400
TIME_LIMIT_S = 20.0
LEAST_ALPHA = 1e-3
BEYOND = 1.05
"""Radius, as a multiple of alpha, at which a plan must break along the ray that ends its alpha."""


def answers() -> Iterator[tuple[int, Plan]]:
    """Seeds and their robust plans with an alpha; feeders whose optimum is no positive cost are left out."""
    for seed in range(MOST_SEEDS):
        draws = ((attempt, *question(seed, attempt)[:2]) for attempt in itertools.count())
        attempt, case, model = next(drawn for drawn in draws if count(read(*drawn[1:])) <= MOST)
        try:
            plan = ip.robust(case, model, beta(seed, attempt), time_limit_s=TIME_LIMIT_S)
        except ip.InputError:
            continue
        if (plan.robustness.get("alpha") or 0.0) >= LEAST_ALPHA:
            yield seed, plan


def questions_evidence(share: float) -> list[Measure]:
    """Plans that a sample or ray inside alpha breaks, and plans that hold where they must not."""
    begun, found = time.perf_counter(), list(itertools.islice(answers(), max(2, round(PLANS * share))))
    asked_s, broken, whole = time.perf_counter() - begun, [], []
    begun = time.perf_counter()
    for seed, plan in found:
        evidence = ip.evidence(plan, max(1, int(SAMPLES * share)))
        end = ip.evidence(plan, 1, rays=1, radii=(1.0, BEYOND)).rays.set_index("radius").loc[BEYOND]
        if not evidence.holds:
            broken.append(f"{seed}: {evidence.findings[0]}")
        if plan.robustness["alpha_limit"] != "physical" and not (end["over_budget"] or end["broken"]):
            whole.append(str(seed))
    plans, ended = len(found), sum(plan.robustness["alpha_limit"] != "physical" for _, plan in found)
    return [
        at_least("robust plans with an alpha", plans, max(2, round(PLANS * share))),
        at_most(f"plans that samples or rays inside alpha break, of {plans}", len(broken), 0),
        stated("which", "; ".join(broken) or "none"),
        at_most(f"plans that hold at {BEYOND:g} alpha along the ray that ends it, of {ended}", len(whole), 0),
        stated("seeds that do", ", ".join(whole) or "none"),
        stated("seconds of questions", asked_s, "s"),
        stated("seconds of evidence", time.perf_counter() - begun, "s"),
    ]
