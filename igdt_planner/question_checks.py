"""Checks of what a verb is asked, before anything is solved: betas and budgets, plans that can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized

from igdt_planner.errors import Finding, InputError, is_number
from igdt_planner.meaning_checks import share_hint
from igdt_planner.plan import Plan
from igdt_planner.results.comparison import RESERVED
from igdt_planner.results.curve import Curve

MOST_BETAS = 1000
"""Longest grid of a sweep: each beta is a solve."""


def require_plan(plan: object) -> None:
    """Refuse what is no plan, such as the name of its file."""
    if not isinstance(plan, Plan):
        hint = "load it with ip.load_plan(path)"
        raise InputError.of(f"a plan is needed, got {type(plan).__name__}", path="/study/plan", hint=hint)


def require_question(sense: str, beta: float | None, budget: float | None) -> None:
    """Refuse a question without exactly one of beta and budget, or with an impossible one."""
    if (beta is None) == (budget is None):
        given = "neither" if beta is None else "both"
        raise InputError.of(f"{sense} needs either beta or a budget, got {given}", path="/study/beta")
    if beta is not None:
        require_grid([beta], single=True)
        if sense == "opportunity" and beta >= 1.0:
            raise InputError.of(
                f"beta {beta:g} leaves no positive cost for an opportunity; it must lie below 1",
                path="/study/beta",
                got=beta,
            )
    if budget is not None and not 0.0 < budget < float("inf"):
        raise InputError.of(f"budget {budget:g} must be positive", path="/study/budget", got=budget)


def require_names(names: Sequence[str]) -> None:
    """Refuse no model at all, and two of one name: their curves could not be told apart."""
    if not names:
        raise InputError.of("name at least one model", path="/model")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.of(f"several models are named {', '.join(twice)}", path="/model", got=twice[0])


def require_comparable(plans: Mapping[str, Plan]) -> None:
    """Refuse no plan, names of the comparison's own columns, and plans that answer different questions."""
    if not plans:
        raise InputError.of("compare needs at least one plan", path="/study/plans", got=0)
    findings = [
        Finding(f"a plan cannot be called {name}, which is a column of the comparison", "/study/plans", name)
        for name in plans
        if name in RESERVED
    ]
    name, first = next(iter(plans.items()))
    for number, (other, plan) in enumerate(plans.items()):
        path = f"/study/plans/{number}"
        if plan.dispatch is None:
            message = f"{other} has no dispatch that could be judged (status {plan.status})"
            findings.append(Finding(message, f"{path}/dispatch"))
        words = [f"plans {name} and {other} have different {what}" for what in differences(first, plan)]
        findings += [Finding(word, path, other) for word in words]
    if findings:
        raise InputError(findings)


def require_envelope(envelope: Curve, beside: tuple[str, Plan], base_objective: float | None) -> None:
    """Refuse an envelope that answers another question than the plan of that name, or refers to another cost."""
    name, plan = beside
    base, path = envelope.baseline.objective, "/study/envelope"
    words = [f"the envelope and {name} have different {what}" for what in differences(envelope.baseline, plan)]
    if any(own.kind != "robust" for own in envelope.plans):
        words.append("the envelope is a curve of opportunities: plans are compared by what they survive")
    if base is None:
        why = ": AC power flow refuses it" if envelope.baseline.refused else ""
        words.append(f"the envelope has no baseline that budgets could refer to{why}")
    elif base_objective is not None and not math.isclose(base, base_objective, rel_tol=1e-9):
        words.append(f"the base objective is {base_objective:g}, that of the envelope is {base:g}")
    if words:
        raise InputError([Finding(word, path) for word in words])


def differences(one: Plan, other: Plan) -> list[str]:
    """What keeps the costs and alphas of two plans from being compared, in words."""
    compared = {
        "cases": (one.case.name, other.case.name),
        "objectives": (one.model.objective, other.model.objective),
        "uncertain quantities": (one.model.uncertain, other.model.uncertain),
    }
    return [what for what, (own, its) in compared.items() if own != its]


def require_grid(betas: Sequence[float], *, single: bool = False) -> None:
    """Refuse an empty grid, a duplicate, and any beta that is negative or no number; all faults at once."""
    if not isinstance(betas, Sized):
        raise InputError.of(f"betas must be a list of numbers, got {betas!r}", path="/study/betas", got=betas)
    if len(betas) > MOST_BETAS:
        raise InputError.of(f"more than {MOST_BETAS} betas, each a solve of its own", path="/study/betas")
    findings = [] if len(betas) else [Finding("betas is empty: name at least one", "/study/betas", [])]
    for position, beta in enumerate(betas):
        path = "/study/beta" if single else f"/study/betas/{position}"
        if not is_number(beta):
            findings.append(Finding(f"beta {beta!r} is no number", path, beta, hint=share_hint(str(beta))))
        elif not 0.0 <= beta < float("inf"):
            findings.append(Finding(f"beta {beta:g} must be a number of 0 or more", path, beta))
        elif beta in betas[:position]:
            findings.append(Finding(f"beta {beta:g} stands twice", path, beta))
    if findings:
        raise InputError(findings)
