"""What rests on little: nothing built though the bound lies lower, a budget that refers to such a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from igdt_planner.model import Model
from igdt_planner.plan import Plan

LOOSE_SHARE = 0.5
"""Share of beta that the gap of a baseline may be: alpha may be that of a poor baseline otherwise."""
OPEN_GAP = 0.01
"""Gap of a plan without units above which that is worth a warning."""


def unplaced(plan: Plan) -> tuple[str, ...]:
    """That a plan places no unit though some may be and the gap is open, above the one asked for."""
    most = most_units(plan.model)
    if plan.objective is None or not most or len(plan.dg) + len(plan.ess) or plan.status == "optimal":
        return ()
    said = f"no unit placed although {most if most > 1 else 'one'} may be"
    if plan.bound is None:
        return (f"{said}; no bound is known",)
    if plan.gap is None or plan.gap <= OPEN_GAP:
        return ()
    return (f"{said}; the bound is {100.0 * plan.gap:.1f} % lower",)


def most_units(model: Model) -> int:
    """How many units may be built where the user states none."""
    pairs = ((model.dg, model.fix.dg), (model.ess, model.fix.ess))
    return sum(choice.max_units for choice, stated in pairs if stated is None and choice.technologies)


def loose_budget(facts: Mapping[str, Any], asked_gap: float) -> bool:
    """Whether the budget of an answer refers to a baseline whose gap is too large for beta, and for the gap asked."""
    beta, base, bound, gap = (facts.get(name) for name in ("beta", "base_objective", "base_bound", "base_gap"))
    if not beta or base is None:
        return False
    return bound is None or (gap is not None and gap > max(LOOSE_SHARE * beta, asked_gap))


def loose_words(answer: Plan, base: Plan) -> tuple[str, ...]:
    """What to know of an answer whose budget refers to a loose baseline."""
    if not loose_budget(answer.robustness, answer.model.solver.gap):
        return ()
    known = "without a bound" if base.gap is None else f"with a gap of {100.0 * base.gap:.2g} %"
    why = "; ".join((*unplaced(base), "alpha may be that of a poor one", "a longer time limit may find a better one"))
    return (f"the budget refers to a baseline {known}: {why}",)
