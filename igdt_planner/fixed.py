"""Plans as they stand: sites, topology and storage schedule stay, and alpha is what they survive within a budget."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import pandas as pd

from igdt_planner.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions
from igdt_planner.igdt import Sense, ambiguity, justification, matters, question_of
from igdt_planner.model import Site
from igdt_planner.plan import Plan
from igdt_planner.question import Question
from igdt_planner.recourse import Recourse
from igdt_planner.report.tables import write_result
from igdt_planner.session import Candidate, OnEvent, Session
from igdt_planner.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = [
    "beta",
    "budget",
    "alpha",
    "alpha_bound",
    "alpha_limit",
    "objective",
    "model_objective",
    "verdict",
    "all_vertices",
]
NUMBERS = ["beta", "budget", "alpha", "alpha_bound", "objective", "model_objective"]


@dataclass(frozen=True)
class FixedCurve:
    """How much uncertainty one plan survives for which budget.

    Attributes
    ----------
    plan : Plan
        As it was given.
    sense : "robust" or "opportunity"
    base_objective : float
        Cost that beta refers to, in the model's unit.
    worst_case : str
        How the worst case is known.
    table : DataFrame
        ``beta, budget, alpha, alpha_bound, alpha_limit, objective, model_objective, verdict, all_vertices``: the alpha
        that AC power flow confirms (NaN where the plan is over the budget at the forecast already), the one of the
        relaxation, which this plan does not exceed where all vertices were tried, and the cost at the worst point.
    """

    plan: Plan
    sense: Sense
    base_objective: float
    worst_case: str
    table: pd.DataFrame

    def plot(self) -> Figure:
        """Alpha over the acceptable cost, with the interval up to what the relaxation of this plan's dispatch gives."""
        from igdt_planner.report.curve import curve_figure  # matplotlib is slow to load

        robust = self.sense == "robust"
        title = "Robustness of one plan as it stands" if robust else "Opportuneness of one plan as it stands"
        tables = (self.table, None) if robust else (None, self.table)
        words = f"{self.plan.case.name}, {self.plan.model.name}; worst case: {self.worst_case}"
        return curve_figure(*tables, unit=self.plan.model.unit, title=title, subtitle=words)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the document (``.json``) or the table (``.csv``), whole or not at all.

        Raises
        ------
        InputError
            When the name ends in neither.
        """
        return write_result(self.to_dict(), self.table, path)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "robustness",
                "sense": self.sense,
                "base_objective": self.base_objective,
                "worst_case": self.worst_case,
                "plan": plan_to_dict(self.plan),
                "points": self.table.to_dict("records"),
            }
        )


def fixed_from_dict(document: Mapping[str, Any]) -> FixedCurve:
    """A curve of a fixed plan from its JSON document.

    Raises
    ------
    InputError
        When the document is not one of this schema.
    """
    points, plan, base = (document.get(name) for name in ("points", "plan", "base_objective"))
    right = document.get("schema") == SCHEMA and document.get("kind") == "robustness"
    if not right or not isinstance(points, list) or not isinstance(plan, Mapping):
        raise InputError.of(f"not a robustness document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    for number, point in enumerate(points):
        if not isinstance(point, Mapping) or set(point) != set(COLUMNS):
            raise InputError.of(f"robustness document: a point has {', '.join(COLUMNS)}", path=f"/points/{number}")
        for name in NUMBERS:
            if not (is_number(point[name]) or (point[name] is None and name not in ("beta", "budget"))):
                raise InputError.of(f"robustness document: {name} must be a number", path=f"/points/{number}/{name}")
    sense: Any = document.get("sense")
    if sense not in ("robust", "opportunity") or not is_number(base):
        raise InputError.of(
            "robustness document: sense is robust or opportunity, base_objective a number", path="/sense"
        )
    return FixedCurve(plan_from_dict(plan), sense, float(base), str(document.get("worst_case", "")), table_of(points))


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a document is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def table_of(points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points as a table; what is not there is NaN."""
    return pd.DataFrame(list(points), columns=COLUMNS).astype(dict.fromkeys(NUMBERS, "float64"))


def fixed_curve(
    plan: Plan, betas: Sequence[float], base_objective: float | None, sense: Sense, on_event: OnEvent | None
) -> FixedCurve:
    """The curve of one plan; ``base_objective`` is the one of its own question, or its own cost, unless stated.

    Raises
    ------
    InputError
        The plan has no dispatch, or costs nothing, or its model has no uncertain quantity.
    """
    if sense not in ("robust", "opportunity"):
        raise InputError.of(f"sense {sense} is neither robust nor opportunity", path="/study/sense", got=sense)
    if plan.dispatch is None or plan.objective is None:
        raise InputError.of(f"the plan has no dispatch that could be judged (status {plan.status})", path="/plan")
    base = base_objective if base_objective is not None else plan.robustness.get("base_objective", plan.objective)
    if not 0.0 < base < math.inf:
        raise InputError.of(f"the base objective is {base:g}: a relative budget needs a positive one", path="/study")
    with Session(plan.case, plan.model, None, None, on_event) as session:
        found = ambiguity(session.study, sense)
        decisions, schedule = decisions_in(session.study, plan), schedule_in(session.study, plan)
        held = schedule if session.study.model.stages.storage == "here_and_now" else None
        recourse = Recourse(session, decisions, found, held)
        if not recourse.runs:
            message = "the sites, topology and storage schedule of the plan cannot be run at the forecast"
            raise InputError.of(message, path="/plan")
        candidate = Candidate(plan, decisions)
        points = []
        for beta in sorted(betas):
            budget = (1.0 + beta if sense == "robust" else 1.0 - beta) * base
            asked = Question(session, question_of(session.study, found, sense, budget), found, beta, candidate)
            asked.schedule = held
            points.append(point_of(asked, decisions, recourse))
            session.on_event({"kind": "finished", "alpha": points[-1]["alpha"], "bound": points[-1]["alpha_bound"]})
    return FixedCurve(plan, sense, base, justification(found, sense), table_of(points))


def point_of(asked: Question, decisions: Decisions, recourse: Recourse) -> dict[str, Any]:
    """One point: what the adversary leaves of alpha, and then AC power flow."""
    horizon, found = asked.asked, asked.found
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"beta": asked.beta, "budget": horizon.budget, "alpha_limit": "budget", "verdict": "not_checked"}
    row["all_vertices"] = proven = found.corner or (found.rays is not None and "price" not in found.first)
    if not matters(asked.study, len(decisions.dg), found):
        return row | {"alpha_limit": "unbounded"}
    if horizon.sense == "robust":
        reached, attack = recourse.reach(horizon.budget, horizon.alpha_ub)
        asked.direction = attack.direction if attack is not None else found.first
    else:
        reached = recourse.needed(found.first, horizon.budget, horizon.alpha_ub)
    if reached < 0.0:
        return row
    survived = asked.survive(horizon, decisions, reached)
    row["alpha_bound"] = reached if proven else None
    if survived is None:
        return row | {"verdict": "violated"}
    alpha, run = survived
    physical = alpha >= horizon.alpha_ub * (1.0 - 1e-9)
    return row | {
        "alpha": alpha,
        "alpha_limit": "physical" if physical else "budget",
        "objective": run.verdict.objective,
        "model_objective": run.cost,
        "verdict": run.verdict.verdict,
    }


def decisions_in(study: Study, plan: Plan) -> Decisions:
    """What a plan decides, as a solve would have it."""
    dg, ess = (
        tuple(Site(bus=int(bus), technology=str(name)) for bus, name in zip(t["bus"], t["technology"], strict=True))
        for t in (plan.dg, plan.ess)
    )
    binaries = {f"build_dg[{site.bus},{site.technology}]": 1.0 for site in dg}
    binaries |= {f"build_ess[{site.bus},{site.technology}]": 1.0 for site in ess}
    binaries |= {
        f"mode[{mode}].line_on[{line},{t}]": 1.0
        for mode, by_period in plan.open_lines.items()
        for t, opened in by_period.items()
        for line in study.lines
        if line not in opened
    }
    return Decisions(dg, ess, plan.open_lines, binaries)


def schedule_in(study: Study, plan: Plan) -> dict[str, float]:
    """Charging and discharging of a plan's storage, per unit, by the names of the formulation."""
    assert plan.dispatch is not None
    technology = dict(zip(plan.ess["bus"], plan.ess["technology"], strict=True))
    return {
        f"mode[{row['mode']}].{way}[{row['bus']},{technology[row['bus']]},{row['period']}]": max(0.0, row[f"{way}_mw"])
        / study.base_mva
        for row in plan.dispatch.ess.to_dict("records")
        for way in ("p_charge", "p_discharge")
    }


def alone(plan: Plan, quantity: str) -> Plan:
    """The plan with one uncertain quantity of its model alone."""
    kept = tuple(entry for entry in plan.model.uncertain if entry.quantity == quantity)
    return dataclasses.replace(plan, model=plan.model.model_copy(update={"uncertain": kept}))
