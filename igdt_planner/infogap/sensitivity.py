"""What drives the alpha of a plan, and what one more unit or switch would buy: computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from igdt_planner.case import Case, case_to_dict, load_case
from igdt_planner.errors import Finding, InputError
from igdt_planner.infogap.fixed_plan import alone, decisions_in, fixed_curve, held_in
from igdt_planner.infogap.recourse import Recourse
from igdt_planner.infogap.worst_case import ambiguity, at_rest
from igdt_planner.model import Model
from igdt_planner.plan import Plan
from igdt_planner.results.drivers import QUANTITIES, TERMS, Drivers
from igdt_planner.session import Session
from igdt_planner.study import resolve


def drivers_of(plan: Plan) -> Drivers:
    """What drives the alpha of a robust plan, its sites, topology and storage schedule as they are.

    Raises
    ------
    InputError
        When the plan is no robust plan with an alpha above 0.
    """
    alpha, budget = plan.robustness.get("alpha"), plan.robustness.get("budget")
    if plan.kind != "robust" or not alpha or not budget or plan.ac is None or plan.ac_forecast is None:
        raise InputError.of(
            "drivers are those of a robust plan with an alpha above 0", path="/study/plan", got=plan.kind
        )
    rows = []
    still = at_rest(resolve(plan.case, plan.model))
    for quantity in [entry.quantity for entry in plan.model.uncertain]:
        if quantity in still:
            rows.append((quantity, math.nan, plan.ac_forecast.objective, 0.0))
            continue
        single = alone(plan, quantity)
        reached = fixed_curve(single, [0.0], budget, "robust", None).table["alpha"].iloc[0]
        with Session(single.case, single.model, None, None, None) as session:
            found, decisions = ambiguity(session.study, "robust"), decisions_in(session.study, single)
            recourse = Recourse(session, decisions, found, held_in(session.study, single))
            (forecast,), _ = recourse.costs([found.first], 0.0)
            cost = recourse.worst(alpha).cost
        rows.append((quantity, reached, cost, cost - forecast))
    quantities = pd.DataFrame(rows, columns=QUANTITIES).sort_values("rise_alone", ascending=False, ignore_index=True)
    pairs = zip(plan.ac_forecast.terms, plan.ac.terms, strict=True)
    terms = [
        (now.term, now.mode, now.unit, now.weight, now.value, then.value, now.weight * (then.value - now.value))
        for now, then in pairs
    ]
    return Drivers(plan, quantities, pd.DataFrame(terms, columns=TERMS))


def one_more(case: Case, model: Model, lines: Sequence[int]) -> dict[str, tuple[Case, Model]]:
    """The study with one more DG, one more ESS, or a switch in one of some lines, by name; at first as it is.

    Raises
    ------
    InputError
        Lines that the case does not have, or that have a switch.
    """
    found: dict[str, tuple[Case, Model]] = {"as it is": (case, model)}
    for kind, choice in (("DG", model.dg), ("ESS", model.ess)):
        if choice.technologies:
            larger = choice.model_copy(update={"max_units": choice.max_units + 1})
            found[f"one more {kind}"] = case, model.model_copy(update={kind.lower(): larger})
    switchable: Mapping[int, bool] = dict(zip(case.lines["id"], case.lines["switchable"], strict=True))
    faults = []
    for position, line in enumerate(lines):
        if switchable.get(line, True):
            why = "has a switch already" if line in switchable else "is not in the case"
            faults.append(Finding(f"line {line} {why}", f"/study/lines/{position}", line))
    if faults:
        raise InputError(faults)
    for line in lines:
        found[f"a switch in line {line}"] = with_switch(case, line), model
    return found


def with_switch(case: Case, line: int) -> Case:
    """The case with a switch in a line."""
    document: dict[str, Any] = case_to_dict(case)
    document["lines"] = [row | {"switchable": row["switchable"] or row["id"] == line} for row in document["lines"]]
    return load_case(document)
