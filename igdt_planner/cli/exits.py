"""How a command ends: the exit status of a plan, and of an answer to a JSON request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from igdt_planner.loose import loose_budget
from igdt_planner.plan import Plan

DONE, NOT_AS_ASKED, BAD_INPUT, NO_PLAN = 0, 1, 2, 3


def exit_of_plan(plan: Plan) -> int:
    """0 done; 1 solved but infeasible, refused by AC, broken, failed or against a loose baseline; 3 without a plan."""
    if plan.status in ("infeasible", "failed") or plan.refused:
        return NOT_AS_ASKED
    if loose_budget(plan.robustness, plan.model.solver.gap):
        return NOT_AS_ASKED
    if plan.dispatch is None:
        return NO_PLAN
    broken = (plan.robustness.get("worst_case") or {}).get("broken", False)
    return DONE if plan.ac is not None and not broken else NOT_AS_ASKED


def exit_of_given(plans: Iterable[Plan]) -> int:
    """1 where AC refuses one of the plans that a result rests on, else 0."""
    return NOT_AS_ASKED if any(plan.refused for plan in plans) else DONE


def exit_of_response(response: dict[str, Any]) -> int:
    """Exit status of a JSON response."""
    if response["error"] is not None:
        return BAD_INPUT if response["error"]["code"] == "bad_input" else NOT_AS_ASKED
    broken = response["result"] is not None and response["result"].get("holds") is False
    violated = any(run["ac"]["verdict"] == "violated" for run in response["runs"])
    loose = any(loose_budget(run, run["model"]["solver"]["gap"]) for run in response["runs"])
    if response["status"] in ("infeasible", "refused", "failed") or violated or broken or loose:
        return NOT_AS_ASKED
    return (
        NO_PLAN
        if response["status"] in ("no_plan", "cancelled") and not any(run["dispatch"] for run in response["runs"])
        else DONE
    )
