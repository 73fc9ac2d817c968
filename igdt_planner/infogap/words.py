"""What a robust plan survives and what ends it, what an opportunity needs, or why there is no answer, in a sentence."""

from __future__ import annotations

from typing import Any

from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.survival import SPENT
from igdt_planner.infogap.uncertainty import UncertaintySet
from igdt_planner.infogap.worst_case import SHORT, Sense
from igdt_planner.study import Horizon


def in_words(sense: Sense, fields: dict[str, Any], uncertainty: UncertaintySet) -> str:
    """The sentence of an info-gap answer."""
    alpha, how_far = fields["alpha"], extent(uncertainty, fields["alpha"] or 0.0)
    if alpha is None:
        return "Nothing uncertain touches this plan."
    if sense == "opportunity":
        return f"The budget is met where the forecast is off by as little as {how_far}, to the better side."
    ends = (fields["worst_case"].get("ends") or {}).get("message") or "the budget is spent"
    ends = f"{'; what ends it: ' if alpha else ': '}{ends}."
    if not alpha and budget_left(fields):
        bound = f"{fields['alpha_bound']:.3g}"
        return f"No plan was found that survives a deviation; up to alpha {bound} none is disproven."
    if not alpha:
        return f"The plan survives no deviation{ends}"
    if fields["same_as_baseline"]:
        return (
            f"Same sites and lines as the baseline: what you gain is the knowledge that it holds up to {how_far}{ends}"
        )
    return f"The plan holds up to {how_far}{ends}"


def budget_left(fields: dict[str, Any]) -> bool:
    """Whether the plan at the forecast leaves some of the budget, and the bound some alpha: then nothing has ended."""
    cost, budget, bound = fields["objective_forecast"], fields["budget"], fields["alpha_bound"]
    return cost is not None and bound is not None and bound > 0.0 and budget - cost > SPENT * abs(budget)


def extent(uncertainty: UncertaintySet, alpha: float) -> str:
    """How far each quantity may deviate, as shares of its forecast: the most in any period."""
    words = []
    for quantity, shape in uncertainty.shapes.items():
        radius = uncertainty.held.get(quantity, alpha)
        down, up = (100.0 * radius * float(reach.max(initial=0.0)) for reach in shape.reach())
        down, up = min(down, 100.0), min(up, 100.0 * (shape.entry.physical_max - 1.0))
        name = SHORT.get(quantity, quantity.replace("_", " "))
        sides = [f"{sign}{most:.3g} %" for sign, most in (("-", down), ("+", up)) if most > 0.0]
        words.append(f"{name} {' and '.join(sides)}" if sides else f"{name} as forecast")
    return ", ".join(words)


def same_decisions(one: Decisions, other: Decisions | None) -> bool:
    """Whether two plans have the same sites and the same open lines."""
    return other is not None and decided(one) == decided(other)


def decided(decisions: Decisions) -> tuple[Any, ...]:
    """Sites and open lines, in an order of their own."""
    lines = {(mode, t): sorted(opened) for mode, of in decisions.open_lines.items() for t, opened in of.items()}
    return sorted(map(str, decisions.dg)), sorted(map(str, decisions.ess)), lines


def out_of_reach(asked: Horizon) -> str:
    """Why an info-gap question has no answer."""
    physical = f"up to the physical limit {asked.alpha_ub:g} of alpha"
    where = "not even at the forecast" if asked.sense == "robust" else physical
    return f"proven infeasible: no plan meets the budget {asked.budget:g}, {where}"


def beyond_corner(asked: Horizon) -> str:
    """Why an opportunity has no answer where its best corner is known up to some alpha alone."""
    return (
        f"no plan meets the budget {asked.budget:g} up to alpha {asked.alpha_ub:g}; beyond, power may flow back, "
        "and a lower price earns less then, so that no corner is known to be the best point"
    )
