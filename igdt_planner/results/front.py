"""A front: plans between which only the planner can choose, each better than every other in some objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from igdt_planner.dominance import Floats, dominated, hypervolume
from igdt_planner.errors import InputError
from igdt_planner.model import TERM_UNITS
from igdt_planner.plan import Plan, Status
from igdt_planner.results.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.unserved import not_served_mwh

OBJECTIVES = (*TERM_UNITS, "cost")
"""What may be an objective of a front: every term, and ``cost``, the sum of the money terms."""
COLUMNS = ["bound", "gap", "verdict", "dg", "ess", "open_lines"]
NONE_THERE, REFUSED = "there is none", "AC power flow refused"
"""How a text ends that says of plans that none exists; what stands in one that says of plans that AC refused them."""
SAME = 1e-6
"""Share of a value that AC power flow and solvers leave open: no reason to keep a plan."""
MARGIN = 0.1
"""Share of the range of all fronts by which the reference of a hypervolume lies beyond their worst values."""


@dataclass(frozen=True)
class Front:
    """Plans of a front, by the first objective.

    Attributes
    ----------
    objectives : tuple of str
        Names of terms, or ``cost``; all are minimised.
    method : str
        ``milp`` (proven points), or the search that found it.
    plans : tuple of Plan
        Each confirmed by AC power flow, and dominated by no other.
    missed : tuple of str
        What was asked for and not found, in words.
    """

    objectives: tuple[str, ...]
    method: str
    plans: tuple[Plan, ...]
    missed: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """``feasible`` where there are plans, else why there are none."""
        if self.plans:
            return "feasible"
        if any(REFUSED in text for text in self.missed):
            return "refused"
        return "infeasible" if all(text.endswith(NONE_THERE) for text in self.missed) else "no_plan"

    @property
    def points(self) -> Floats:
        """AC-verified objectives, shape (plans, objectives)."""
        values = [[value_of(plan, name) for name in self.objectives] for plan in self.plans]
        return np.array(values, dtype=float).reshape(-1, len(self.objectives))

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of every objective."""
        return tuple(TERM_UNITS.get(name, "money") for name in self.objectives)

    @property
    def table(self) -> pd.DataFrame:
        """One row a plan: objectives by AC, bound of the first, gap, verdict, what is built, open and not served."""
        rows = [row(plan, point, self.objectives) for plan, point in zip(self.plans, self.points, strict=True)]
        unserved = [name for plan in self.plans[:1] for name in not_served_mwh(plan)]
        return pd.DataFrame(rows, columns=[*self.objectives, *COLUMNS, *unserved])

    def to_dict(self) -> dict[str, Any]:
        """One JSON document; the runs are plan documents."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "pareto",
                "method": self.method,
                "objectives": list(self.objectives),
                "units": list(self.units),
                "points": self.points.tolist(),
                "missed": list(self.missed),
                "runs": [plan_to_dict(plan) for plan in self.plans],
            }
        )


def front_of(objectives: tuple[str, ...], method: str, plans: Sequence[Plan], missed: Sequence[str] = ()) -> Front:
    """The front of some plans: those that AC power flow confirms and no other dominates, each once."""
    refused = [plan for plan in plans if plan.ac is None or plan.ac.verdict != "feasible"]
    sound = [plan for plan in plans if plan.ac is not None and plan.ac.verdict == "feasible"]
    points = Front(objectives, method, tuple(sound)).points
    lost = dominated(points, points, SAME)
    chosen: dict[tuple[float, ...], Plan] = {}
    for plan, point, out in zip(sound, points, lost, strict=True):
        if not out:
            chosen.setdefault(tuple(float(f"{value:.8g}") for value in point), plan)
    if refused:
        missed = [*missed, f"{REFUSED} {len(refused)} of {len(plans)} plans"]
    return Front(objectives, method, tuple(chosen[key] for key in sorted(chosen)), tuple(missed))


def value_of(plan: Plan, name: str) -> float:
    """An objective of a plan by AC power flow: its modes together, each by its weight."""
    modes, found = plan.model.modes, {}
    for term in plan.ac.terms if plan.ac is not None else ():
        found[term.term, term.mode] = term.value
    parts = plan.model.summands(name)
    return sum((1.0 if mode is None else modes[mode].weight) * found[term, mode] for term, mode in parts)


def row(plan: Plan, point: Floats, objectives: tuple[str, ...]) -> dict[str, Any]:
    """The table's row of one plan."""
    opened = {mode: sorted(set().union(*by_period.values())) for mode, by_period in plan.open_lines.items()}
    return {
        **dict(zip(objectives, point.tolist(), strict=True)),
        "bound": plan.bound,
        "gap": plan.gap,
        "verdict": plan.ac.verdict if plan.ac else "not_checked",
        "dg": plan.dg["bus"].tolist(),
        "ess": plan.ess["bus"].tolist(),
        "open_lines": opened,
        **not_served_mwh(plan),
    }


def compare_fronts(fronts: Sequence[Front]) -> pd.DataFrame:
    """Fronts of the same objectives beside each other.

    Returns
    -------
    DataFrame
        ``method, points, hypervolume, dominated, dominates``: the hypervolume as a share of the box between the best
        values of all fronts and a tenth of the range beyond their worst; how many of its points the others dominate,
        and how many of theirs it dominates.

    Raises
    ------
    InputError
        The fronts have different objectives, or none has a point.
    """
    if len({front.objectives for front in fronts}) != 1:
        raise InputError.of("only fronts of the same objectives can be compared", path="/study/objectives")
    points = [front.points for front in fronts]
    every = np.concatenate(points)
    if not len(every):
        raise InputError.of("no front has a point to compare", path="/study/objectives")
    best, span = every.min(axis=0), np.ptp(every, axis=0)
    span = np.where(span > 0.0, span, np.maximum(np.abs(best), 1.0))
    reference = np.full(len(best), 1.0 + MARGIN)
    rows = []
    for number, (front, own) in enumerate(zip(fronts, points, strict=True)):
        others = np.concatenate([np.empty((0, len(best))), *(each for k, each in enumerate(points) if k != number)])
        volume = hypervolume((own - best) / span, reference) / (1.0 + MARGIN) ** len(best)
        lost, won = int(dominated(own, others).sum()), int(dominated(others, own).sum())
        rows.append((front.method, len(own), volume, lost, won))
    return pd.DataFrame(rows, columns=["method", "points", "hypervolume", "dominated", "dominates"])


def front_from_dict(document: Mapping[str, Any]) -> Front:
    """A front from its JSON document.

    Raises
    ------
    InputError
        When the document is not a front of this schema.
    """
    objectives: Any = document.get("objectives")
    runs: Any = document.get("runs")
    missed: Any = document.get("missed")
    right = document.get("schema") == SCHEMA and document.get("kind") == "pareto"
    if not right or not all(isinstance(part, list) for part in (objectives, runs, missed)):
        raise InputError.of(f"not a front document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    if len(objectives) < 2 or any(name not in OBJECTIVES for name in objectives):
        raise InputError.of("front document: objectives must be two or more terms", path="/objectives", got=objectives)
    plans = tuple(plan_from_dict(run) for run in runs)
    for number, plan in enumerate(plans):
        known = {(term.term, term.mode) for term in plan.ac.terms} if plan.ac is not None else set()
        if not all(set(plan.model.summands(name)) <= known for name in objectives):
            raise InputError.of("front document: a plan without values of the objectives", path=f"/runs/{number}/terms")
    return Front(tuple(objectives), str(document.get("method", "")), plans, tuple(map(str, missed)))


def fronts_from_dict(document: Mapping[str, Any]) -> list[Front]:
    """Several fronts from one JSON document.

    Raises
    ------
    InputError
        When one is not a front of this schema.
    """
    fronts = document.get("fronts")
    if not isinstance(fronts, list) or not all(isinstance(front, Mapping) for front in fronts):
        raise InputError.of("fronts document: fronts must be a list of fronts", path="/fronts")
    return [front_from_dict(front) for front in fronts]
