"""How far an info-gap answer is proven: its gap, its status, and the bounds that answers to other betas give it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from igdt_planner.outcome import settled
from igdt_planner.plan import Plan, Status

LEAST_ALPHA = 1e-6
"""An alpha below is none: no gap refers to it."""


def alpha_gap(alpha: float | None, bound: float | None, reached: float) -> float | None:
    """Relative distance of what is reached, in the terms of the bound, from it; None at 0 and where all is survived."""
    if not alpha or alpha < LEAST_ALPHA or bound is None or not LEAST_ALPHA <= reached < math.inf:
        return None
    return abs(bound - reached) / reached


def tightened(plans: Iterable[Plan], asked_gap: float) -> list[Plan]:
    """Plans of one sense by increasing beta, each under the best bound of all: more beta asks for more alpha.

    What no robust plan survives at a larger budget, none survives at a smaller one; what every opportunity needs for a
    smaller gain, each needs for a larger one.
    """
    rows = list(plans)
    seeking = any(plan.kind == "opportunity" for plan in rows)
    out: list[Plan] = []
    for plan in rows if seeking else reversed(rows):
        known, own = (out[-1].bound if out else None), plan.bound
        closer = known is not None and own is not None and (known > own if seeking else known < own)
        if closer and known is not None and plan.dispatch is not None:
            plan = bounded(plan, known, asked_gap)
        out.append(plan)
    return out if seeking else out[::-1]


def bounded(plan: Plan, bound: float, asked_gap: float) -> Plan:
    """A plan with a better bound of alpha, and the gap and status that follow from it."""
    own, side = plan.bound or 0.0, -1.0 if plan.kind == "opportunity" else 1.0
    reached = own / (1.0 + side * plan.gap) if plan.gap is not None and side * plan.gap > -1.0 else 0.0
    gap = max(0.0, side * (bound - reached)) / reached if reached else None
    fields = {**plan.robustness, "alpha_bound": bound}
    status = question_status(plan, fields, gap, asked_gap)
    return settled(dataclasses.replace(plan, robustness=fields, bound=bound, gap=gap, status=status))


def question_status(plan: Plan, fields: dict[str, Any], gap: float | None, asked_gap: float) -> Status:
    """Status of an info-gap answer."""
    if plan.status in ("refused", "cancelled"):
        return plan.status
    farthest = fields["alpha_bound"] if plan.kind == "robust" else fields["alpha"]
    none_there = farthest is not None and farthest <= LEAST_ALPHA
    at_end = plan.kind == "robust" and fields["alpha_limit"] == "physical"
    proven = fields["alpha"] is None or at_end or none_there or (gap is not None and gap <= asked_gap)
    if fields["worst_case"]["broken"]:
        return "feasible"
    return "optimal" if proven else "feasible"
