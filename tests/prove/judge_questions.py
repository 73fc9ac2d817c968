"""What the answer of the package to a question is worth beside the reference."""

from __future__ import annotations

import hashlib
import json
import math
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import igdt_planner as ip
from igdt_planner.plan import Plan
from tests.prove.best_alpha import WORSE, known_of
from tests.prove.choices import Sites
from tests.prove.grid import EVERY, Grid, read
from tests.prove.judge import VIOLATION, open_lines, outcome, schedule, sites_of
from tests.prove.questions import question
from tests.prove.radius import Costs, Decisions, Radius, Robust
from tests.prove.reference import finite, size_of
from tests.prove.sets import Uncertainty

TIME_LIMIT_S = 20.0
ABOVE, BELOW = 1e-4, 0.01
"""By how much alpha may be above what its own decisions keep, and by which share below."""
NOTHING = 1e-4
"""An alpha below counts as none."""
COST = 1e-5
"""Share of the budget by which costs may differ."""
FINDINGS = {
    "error": "an error is raised, or the process dies",
    "wrong": "status, point or cost are untrue",
    "above": f"alpha is more than {ABOVE:g} above what its own decisions keep",
    "below": f"alpha is more than {BELOW:.0%} below what its own decisions keep",
    "bound_wrong": "alpha_bound contradicts an alpha that is reached",
    "not_found": "no alpha is found where one exists",
    "refused": "an opportunity is refused",
    "flagged": "the own adversary of the package calls the plan broken",
    "other": f"other decisions are more than {BELOW:.0%} better",
}
ALLOWED = {"other": 0.05, "refused": 0.15}
"""Share of all questions that may have a finding."""


def digest(seed: int) -> str:
    """A digest of the question of a seed, as it is first drawn."""
    return hashlib.sha256(json.dumps(question(seed, 0), sort_keys=True).encode()).hexdigest()[:16]


def judge(seed: int, reference: Mapping[str, Any], time_limit_s: float = TIME_LIMIT_S) -> dict[str, Any]:
    """Ask the question of a seed and compare; findings are empty where all is well."""
    case, model, sense = question(seed, reference["attempt"])
    begun = time.monotonic()
    ask = ip.robust if sense == "robust" else ip.opportunity
    try:
        plan = ask(case, model, budget=reference["budget"], time_limit_s=time_limit_s)
    except ip.InputError as refused:
        found = ["refused" if sense == "opportunity" else "error", str(refused)]
        return {"plan": {"status": "not asked"}, "findings": [found], "seconds": time.monotonic() - begun}
    except Exception:
        words = traceback.format_exc(limit=-3)
        return {"plan": None, "findings": [["error", words]], "seconds": time.monotonic() - begun}
    seconds = time.monotonic() - begun
    judged = Judgement(read(case, model), model["uncertain"], reference, plan, seed)
    findings = [list(found) for found in judged.findings()]
    return {"plan": judged.answered(), "findings": findings, "seconds": round(seconds, 2)}


class Judgement:
    """An answer beside the reference."""

    def __init__(self, grid: Grid, entries: Any, reference: Mapping[str, Any], plan: Plan, seed: int) -> None:
        self.grid, self.reference, self.plan, self.seed = grid, reference, plan, seed
        self.robust, self.budget = plan.kind == "robust", reference["budget"]
        self.alpha, self.bound = plan.robustness.get("alpha"), plan.robustness.get("alpha_bound")
        self.limit = plan.robustness.get("alpha_limit")
        self.sites = Sites(*(tuple((bus, name) for bus, name in sites_of(units)) for units in (plan.dg, plan.ess)))
        self.uncertainty = Uncertainty(grid, entries, self.sites)
        self.lines = {mode: tuple(lines) for mode, lines in open_lines(plan).items()}
        self.known = [known_of(row) for row in reference["alphas"]]
        self.stands = plan.objective is not None and plan.dispatch is not None
        claims = self.alpha is not None or self.limit == "unbounded"
        self.own = self.of_decisions() if self.stands and self.robust and claims else None

    @property
    def best(self) -> float | None:
        """The best alpha known to be reached by some decisions."""
        reached = [each.held for each in self.known if math.isfinite(each.held)]
        return (max(reached) if self.robust else min(reached)) if reached else None

    def of_decisions(self) -> Radius:
        """What the plan's own decisions keep; known already where there is no storage that has a schedule."""
        if not self.sites.ess:
            for each in self.known:
                if (each.sites, each.open_lines) == (self.sites, self.lines) and each.limit != WORSE:
                    return Radius(each.held, each.broken, (), each.limit)
        closed = {mode: frozenset(self.grid.lines) - set(lines) for mode, lines in self.lines.items()}
        schedules = {mode: schedule(self.grid, self.plan, mode) for mode in self.grid.modes} if self.sites.ess else {}
        decisions = Decisions(self.sites, closed, schedules)
        return Robust(Costs(self.grid, decisions), self.uncertainty, self.budget, self.seed).radius()

    def answered(self) -> dict[str, Any]:
        """The answer in short, beside what its own decisions keep and the best that is known."""
        plan, own = self.plan, self.own
        worst = plan.robustness.get("worst_case") or {}
        return {
            "status": plan.status,
            "verdict": plan.ac.verdict if plan.ac is not None else None,
            "alpha": self.alpha,
            "alpha_bound": self.bound,
            "alpha_limit": self.limit,
            "method": worst.get("method"),
            "broken": worst.get("broken"),
            "objective": plan.objective,
            "dg": sites_of(plan.dg),
            "ess": sites_of(plan.ess),
            "open_lines": open_lines(plan),
            "own": [finite(own.held), finite(own.broken), own.limit] if own is not None else None,
            "best": self.best,
            "explanation": plan.explanation,
        }

    def findings(self) -> Iterator[tuple[str, str]]:
        """Everything that is not as it should be."""
        if self.bound is not None and self.best is not None and self.beyond(self.bound, self.best):
            yield "bound_wrong", f"alpha_bound {self.bound:.6g}, but {self.best:.6g} is reached"
        if not self.stands or self.alpha is None:
            yield from self.without_alpha()
            return
        yield from self.at_own_point()
        if self.own is not None:
            yield from self.beside_own(self.own)
        if self.plan.robustness["worst_case"].get("broken"):
            yield "flagged", "; ".join(self.plan.warnings)[:300]
        if self.best is not None and self.limit != "physical" and self.beyond(self.alpha, self.best, BELOW):
            yield "other", f"alpha {self.alpha:.6g}, but others reach {self.best:.6g}"

    def beyond(self, stated: float, reached: float, share: float = 1e-4) -> bool:
        """Whether an alpha that is reached is better than one that is stated."""
        if self.robust:
            return stated < reached * (1.0 - share) - 0.2 * ABOVE
        return stated > reached * (1.0 + share) + 0.2 * ABOVE

    def without_alpha(self) -> Iterator[tuple[str, str]]:
        """No alpha, though there is one."""
        status, best = self.plan.status, self.best
        if self.limit == "unbounded":
            if self.own is not None and math.isfinite(self.own.broken):
                yield "above", f"nothing uncertain is said to touch it, but it breaks at {self.own.broken:.6g}"
            return
        if best is not None and (not self.robust or best > NOTHING):
            yield "not_found", f"status {status}, but alpha {best:.6g} is reached: {self.plan.explanation[:200]}"
            if status == "infeasible":
                yield "wrong", f"called infeasible, but alpha {best:.6g} is reached"

    def beside_own(self, own: Radius) -> Iterator[tuple[str, str]]:
        """An alpha that is not what the decisions keep."""
        if self.alpha > own.broken + ABOVE:
            where = [{f"{name} {part}": round(d, 3) for (name, part), d in at.items()} for at in own.point]
            yield "above", f"alpha {self.alpha:.6g}, broken at {own.broken:.6g} by {own.limit} at {where}"
        if self.limit != "physical" and own.held > NOTHING and self.alpha < own.held * (1.0 - BELOW):
            yield "below", f"alpha {self.alpha:.6g} ({self.limit}), but its decisions keep {own.held:.6g}"

    def at_own_point(self) -> Iterator[tuple[str, str]]:
        """The plan at the point that it states: in the set, within limits and budget, at the cost stated."""
        realisation = self.plan.dispatch.realisation
        factors = []
        for period in self.grid.periods:
            at = {}
            for q in self.uncertainty.quantities:
                for part in q.parts:
                    at[q.name, part] = realisation.at(q.name, -1 if part == EVERY else part, period.id)
            factors.append(at)
        needed = self.uncertainty.gauge(factors)
        if needed > self.alpha * (1.0 + 1e-6) + 1e-7:
            yield "wrong", f"its point needs alpha {needed:.6g}, not {self.alpha:.6g}"
        again = outcome(self.grid.realised(factors), self.plan, self.sites)
        allowed = COST * max(abs(self.budget), 0.1 * size_of(self.grid))
        if again.worst > VIOLATION:
            yield "wrong", f"violated by {again.worst:.3g} at its own point: {again.fault}"
        if abs(again.cost - self.plan.objective) > allowed:
            yield "wrong", f"costs {again.cost:.9g} at its own point, not {self.plan.objective:.9g}"
        if again.cost > self.budget + allowed:
            yield "wrong", f"costs {again.cost:.9g} at its own point, above the budget {self.budget:.9g}"
