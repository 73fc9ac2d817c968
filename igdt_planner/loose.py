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
    none = plan.dispatch is not None and most and plan.dg.empty and plan.ess.empty
    if not none or plan.gap is None or plan.status == "optimal" or plan.gap <= OPEN_GAP:
        return ()
    may = f"{most} may be" if most > 1 else "one may be"
    return (f"no unit placed although {may}; the bound is {100.0 * plan.gap:.1f} % lower",)


def most_units(model: Model) -> int:
    """How many units may be built where the user states none."""
    pairs = ((model.dg, model.fix.dg), (model.ess, model.fix.ess))
    return sum(choice.max_units for choice, stated in pairs if stated is None and choice.technologies)


def loose_budget(facts: Mapping[str, Any], asked_gap: float) -> bool:
    """Whether the budget of an answer refers to a baseline whose gap is too large for beta, and for the gap asked."""
    beta, gap = facts.get("beta"), facts.get("base_gap")
    return gap is not None and bool(beta and gap > max(LOOSE_SHARE * beta, asked_gap))


def loose_words(answer: Plan, base: Plan) -> tuple[str, ...]:
    """What to know of an answer whose budget refers to a loose baseline."""
    if not loose_budget(answer.robustness, answer.model.solver.gap):
        return ()
    gap, poor = 100.0 * answer.robustness["base_gap"], "alpha may be that of a poor one"
    why = "; ".join((*unplaced(base), poor, "a longer time limit may find a better one"))
    return (f"the budget refers to a baseline with a gap of {gap:.2g} %: {why}",)
