"""What a plan of the package is worth beside the reference."""

from __future__ import annotations

import hashlib
import json
import math
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

import igdt_planner as ip
from igdt_planner.plan import Plan
from tests.prove.choices import Sites
from tests.prove.dispatch import Quantity, Schedule
from tests.prove.feeders import feeder
from tests.prove.flow import Outcome, run
from tests.prove.grid import Grid, read
from tests.prove.reference import Bounds, Enumeration, Reference, finite, from_document, investment, size_of

TIME_LIMIT_S, GAP = 10.0, 1e-3
"""What the planner is asked for."""
NEAR, ROUNDING = 1e-7, 1e-6
"""Shares of what all energy would cost: differences below which plans are alike (where income and expense nearly
cancel, a share of what is left says nothing), and that tolerances of solvers explain."""
VIOLATION = 5e-6
"""Largest violation of a plan in the own power flow: the judge of the package allows 1 W, which is more in per unit."""
FINDINGS = {
    "error": "an error is raised, or the process dies",
    "wrong": "plan or status are untrue",
    "bound_wrong": "the bound lies above the optimum",
    "not_found": "no plan is found where one exists",
    "own_gap": "the plan is not within 0.1 % of the optimum of its own sites and topology",
    "global_gap": "the plan is not within 0.1 % of the optimum",
}


def digest(seed: int) -> str:
    """A digest of case and model of a seed."""
    return hashlib.sha256(json.dumps(feeder(seed), sort_keys=True).encode()).hexdigest()[:16]


def refer(seed: int) -> dict[str, Any]:
    """The reference of a seed as a document."""
    return Enumeration(read(*feeder(seed))).reference().document()


def judge(seed: int, reference: Mapping[str, Any], time_limit_s: float = TIME_LIMIT_S) -> dict[str, Any]:
    """Plan a feeder and compare.

    Returns
    -------
    dict
        ``plan`` (what was answered), ``gaps`` (relative to own and global optimum) and ``findings``: pairs of a key of
        :data:`FINDINGS` and words; empty where all is well.
    """
    case, model = feeder(seed)
    grid = read(case, model)
    begun = time.monotonic()
    try:
        plan = ip.solve(case, model, time_limit_s=time_limit_s, gap=GAP)
    except Exception:
        words = traceback.format_exc(limit=-3)
        return {"plan": None, "gaps": {}, "findings": [["error", words]], "seconds": time.monotonic() - begun}
    compared = Comparison(grid, from_document(grid, reference), plan)
    return {
        "plan": answered(plan),
        "gaps": compared.gaps(),
        "findings": [list(found) for found in compared.findings()],
        "seconds": round(time.monotonic() - begun, 2),
    }


def answered(plan: Plan) -> dict[str, Any]:
    """The answer in short."""
    return {
        "status": plan.status,
        "verdict": plan.ac.verdict if plan.ac is not None else None,
        "objective": plan.objective,
        "bound": plan.bound,
        "gap": plan.gap,
        "decided_by": plan.decided_by,
        "dg": sites_of(plan.dg),
        "ess": sites_of(plan.ess),
        "open_lines": open_lines(plan),
        "explanation": plan.explanation,
    }


def sites_of(units: pd.DataFrame) -> list[list[Any]]:
    """Bus and technology of units, sorted."""
    return sorted([int(bus), str(name)] for bus, name in zip(units["bus"], units["technology"], strict=True))


def open_lines(plan: Plan) -> dict[str, list[int]]:
    """Open lines by mode: one list, for no topology here changes with the period."""
    return {mode: sorted(next(iter(periods.values()))) for mode, periods in plan.open_lines.items() if periods}


class Comparison:
    """A plan beside the reference."""

    def __init__(self, grid: Grid, reference: Reference, plan: Plan) -> None:
        self.grid, self.reference, self.plan = grid, reference, plan
        self.best, self.near, self.rounding = reference.best, NEAR * size_of(grid), ROUNDING * size_of(grid)
        self.sites = Sites(*(tuple((bus, name) for bus, name in sites_of(units)) for units in (plan.dg, plan.ess)))
        opened = {mode: tuple(lines) for mode, lines in open_lines(plan).items()}
        self.own = reference.of(self.sites, opened) if plan.objective is not None else None

    def gaps(self) -> dict[str, float | None]:
        """How far the plan is above the optimum of its own sites and topology, and above the global one, as shares."""
        if self.plan.objective is None:
            return {}
        known = {"own": self.own, "global": self.best}
        return {name: self.above(bounds) for name, bounds in known.items() if bounds is not None}

    def above(self, bounds: Bounds) -> float | None:
        """Cost above a known optimum as a share of it."""
        objective = self.plan.objective or 0.0
        return finite((objective - bounds.primal) / max(abs(bounds.primal), self.near / GAP, 1e-12))

    def findings(self) -> Iterator[tuple[str, str]]:
        """Everything that is not as it should be."""
        yield from self.bound()
        if self.plan.objective is None:
            yield from self.without_plan()
        else:
            yield from self.untrue()
            yield from self.too_dear()

    def bound(self) -> Iterator[tuple[str, str]]:
        """A bound above the optimum."""
        bound, optimum = self.plan.bound, self.best.primal
        if bound is not None and bound > optimum + self.rounding + 1e-5 * abs(optimum):
            yield "bound_wrong", f"bound {bound:.9g} above the optimum {optimum:.9g}"

    def without_plan(self) -> Iterator[tuple[str, str]]:
        """No plan, though there is one; or "infeasible", which only a proof allows."""
        exists, status = self.best.primal < math.inf, self.plan.status
        if exists:
            yield "not_found", f"status {status}, but a plan of {self.best.primal:.9g} exists"
        if status == "infeasible" and exists:
            yield "wrong", f"called infeasible, but a plan of {self.best.primal:.9g} exists"
        if status in ("optimal", "feasible"):
            yield "wrong", f"status {status} without an objective"

    def untrue(self) -> Iterator[tuple[str, str]]:
        """A plan that AC refuses, costs something else than it says, or cannot be; a status that is not earned."""
        plan, objective = self.plan, self.plan.objective or 0.0
        if plan.ac is None or plan.ac.verdict != "feasible":
            words = [violation.message for violation in plan.ac.violations[:2]] if plan.ac is not None else []
            yield "wrong", f"status {plan.status} and objective {objective:.9g}, but AC refuses it: {'; '.join(words)}"
            return
        again = outcome(self.grid, plan, self.sites)
        if again.worst > VIOLATION:
            yield "wrong", f"violated by {again.worst:.3g} in the own power flow: {again.fault}"
        if abs(again.cost - objective) > self.rounding + 1e-5 * abs(objective):
            yield "wrong", f"costs {again.cost:.9g} by the own power flow, not {objective:.9g}"
        if self.own is None:
            yield "wrong", "sites or topology are not among the choices"
        elif objective < self.own.dual - self.rounding - 1e-4 * abs(self.own.dual):
            yield "wrong", f"costs {objective:.9g}, less than the bound {self.own.dual:.9g} of its sites and topology"
        if plan.status == "optimal" and objective > self.best.primal + 2.0 * GAP * abs(objective) + self.rounding:
            yield "wrong", f"called optimal at {objective:.9g}, but {self.best.primal:.9g} exists"

    def too_dear(self) -> Iterator[tuple[str, str]]:
        """Plans that are not within 0.1 % of what is known to exist."""
        objective = self.plan.objective or 0.0
        for name, known in (("own_gap", self.own), ("global_gap", self.best)):
            if known is not None and objective > known.primal + GAP * abs(known.primal) + self.near:
                share, stated = self.above(known), self.plan.gap
                yield name, f"costs {objective:.9g}, {known.primal:.9g} exists ({share:.3%}); stated gap {stated}"


def outcome(grid: Grid, plan: Plan, sites: Sites) -> Outcome:
    """Cost and violations of a plan by the own power flow."""
    cost, worst, fault = investment(grid, sites), 0.0, ""
    for name, mode in grid.modes.items():
        closed = frozenset(grid.lines) - set(open_lines(plan)[name])
        found = run(grid, mode, sites, closed, schedule(grid, plan, name))
        cost += found.cost
        if not found.worst <= worst:
            worst, fault = found.worst, f"{name}: {found.fault}"
    return Outcome(cost, worst, fault)


def schedule(grid: Grid, plan: Plan, mode: str) -> Schedule:
    """The dispatch of a plan in a mode."""
    assert plan.dispatch is not None
    position = {period.id: number for number, period in enumerate(grid.periods)}

    def column(table: pd.DataFrame, name: str, unit: float = grid.s_mva) -> Quantity:
        rows = table[table["mode"] == mode]
        keys = zip(rows["bus"], rows["period"], strict=True)
        return {
            (int(bus), position[int(t)]): float(value) / unit for (bus, t), value in zip(keys, rows[name], strict=True)
        }

    tables = plan.dispatch
    return Schedule(
        column(tables.dg, "p_mw"),
        column(tables.dg, "q_mvar"),
        column(tables.ess, "p_charge_mw"),
        column(tables.ess, "p_discharge_mw"),
        column(tables.ess, "q_mvar") if "q_mvar" in tables.ess else {},
        column(tables.shed, "p_mw"),
        column(tables.sources, "vm_pu", 1.0) if mode == "islanded" else {},
    )
