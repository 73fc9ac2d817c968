"""What AC power flow leaves of an alpha that a model promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from igdt_planner.plan import Violation
from igdt_planner.session import Run
from igdt_planner.study import Horizon

BUDGET_TOLERANCE = 1e-9
"""Share of the budget by which rounding may exceed it."""
CORRECTIONS = 10
"""How often alpha is corrected until its AC cost meets the budget, and then again until it is the largest."""
ALPHA_TOLERANCE, CHORD = 1e-3, 0.98
"""How near to the largest alpha the one that survives must come, as a share; how much of a chord is gone at once."""
LEAST_STEP = 1e-6
"""Of alpha, where AC refuses; what is nearer than that is the same."""

SPENT = 1e-6
"""Share of the budget that is left where it counts as spent."""

Limit = Literal["budget", "limits", "network", "physical", "unbounded"]
"""What ends alpha; unbounded where nothing uncertain touches a plan."""

RunAt = Callable[[float], Run | None]
"""The dispatch of decisions at an alpha, with its AC verdict."""


def survive(run_at: RunAt, asked: Horizon, alpha: float, slope: float) -> tuple[float, Run] | None:
    """The largest alpha (opportunity: the least) whose AC cost keeps the budget, with its dispatch.

    From a given alpha on, by the excess of the cost, or in ever longer steps where AC refuses; then back again, up
    to ``ALPHA_TOLERANCE``. None where no alpha survives.

    Parameters
    ----------
    run_at : callable
    asked : Horizon
    alpha : float
        The one to begin with, as the model promises it.
    slope : float
        First guess of how much the cost changes per unit of alpha.
    """
    towards = -1.0 if asked.sense == "robust" else 1.0
    lost: tuple[float, float] | None = None
    refusals = 0
    for _ in range(CORRECTIONS):
        run = run_at(alpha)
        excess = excess_of(run, asked)
        if run is not None and excess <= 0.0:
            return closer(run_at, asked, (alpha, run), lost) if lost is not None else (alpha, run)
        if math.isfinite(excess):
            if lost is not None and excess < lost[1] < math.inf:
                slope = (lost[1] - excess) / abs(alpha - lost[0])
            step = 1.02 * excess / slope + 1e-9
        else:
            step = 0.01 * 2**refusals * alpha + LEAST_STEP
            refusals += 1
        lost = alpha, excess
        alpha = min(asked.alpha_ub, max(0.0, alpha + towards * step))
        if alpha == lost[0]:
            return None
    return None


def closer(run_at: RunAt, asked: Horizon, kept: tuple[float, Run], lost: tuple[float, float]) -> tuple[float, Run]:
    """From an alpha that survives towards one that does not: along the chord of their costs, else half-way."""
    for _ in range(CORRECTIONS):
        slack = -excess_of(kept[1], asked)
        share = CHORD * slack / (slack + lost[1]) if math.isfinite(lost[1]) else 0.5
        alpha = kept[0] + share * (lost[0] - kept[0])
        if abs(alpha - kept[0]) <= 0.5 * (ALPHA_TOLERANCE * lost[0] + LEAST_STEP):
            break
        run = run_at(alpha)
        excess = excess_of(run, asked)
        if run is not None and excess <= 0.0:
            kept = alpha, run
        else:
            lost = alpha, excess
    return kept


def limit_of(
    run_at: RunAt, unlimited_at: RunAt, asked: Horizon, alpha: float, run: Run
) -> tuple[Limit, Violation | None]:
    """What keeps a robust alpha, at which decisions run like this, from being larger, and the limit that does.

    The network, where cost is left and yet no dispatch a little further on keeps voltages and ratings; the model's own
    limits on terms, where one would but for these, as ``unlimited_at`` says.
    """
    if alpha >= asked.alpha_ub * (1.0 - 1e-9):
        return "physical", None
    if asked.sense == "opportunity" or -excess_of(run, asked) <= SPENT * asked.budget:
        return "budget", None
    further = beyond(asked, alpha)
    there = run_at(further)
    if math.isfinite(excess_of(there, asked)):
        return "budget", None
    free = unlimited_at(further)
    kinds = {violation.kind for violation in free.verdict.violations} if free is not None else set()
    return "limits" if kinds == {"term_limit"} else "network", there.verdict.worst if there is not None else None


def beyond(asked: Horizon, alpha: float) -> float:
    """An alpha a little farther than one that survives, at which what ends it is seen."""
    return min(asked.alpha_ub, (1.0 + 2.0 * ALPHA_TOLERANCE) * alpha + 2.0 * LEAST_STEP)


def excess_of(run: Run | None, asked: Horizon) -> float:
    """AC cost above the budget; infinite where AC refuses the dispatch, or there is none."""
    if run is None or run.verdict.objective is None or run.verdict.verdict != "feasible":
        return math.inf
    return run.verdict.objective - asked.budget * (1.0 + BUDGET_TOLERANCE)
