"""An info-gap question: how far may the forecast be wrong within a budget, and what of the answer survives AC."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.igdt import Sense, corner, horizon, justification, matters, vertices
from igdt_planner.outcome import blank_plan, plan_of
from igdt_planner.plan import Plan, Status, Step, StepTried
from igdt_planner.repair import decided, decided_anew, freed, tried_at
from igdt_planner.session import Candidate, Run, Session
from igdt_planner.solve import Solved
from igdt_planner.study import Horizon

BUDGET_TOLERANCE = 1e-9
"""Share of the budget by which rounding may exceed it."""
ATTACK_TOLERANCE = 1e-6
"""Share of the budget above which an attack counts as a break."""
VERTICES_ATTACKED = 4
"""Random vertices of the uncertainty set at which every robust plan is attacked."""
REDISPATCH: Step = "redispatch"
KEPT_ALPHA, LITTLE_ALPHA = 0.98, 1e-3
"""Share of the MILP's alpha that AC must leave, less a little, else topology and sites are decided anew."""
CORRECTIONS = 10
"""How often alpha is corrected until its AC cost meets the budget, and then again until it is the largest."""
ALPHA_TOLERANCE, CHORD = 1e-3, 0.98
"""How near to the largest alpha the one that survives must come, as a share; how much of a chord is gone at once."""
LEAST_STEP = 1e-6
"""Of alpha, where AC refuses; what is nearer than that is the same."""
REFUSED_BY_AC = "by AC power flow neither the plan found nor the baseline meets the budget; of others nothing is proven"


def answer(
    session: Session,
    sense: Sense,
    beta: float | None,
    budget: float | None,
    base: Candidate,
    pool: Iterable[Candidate],
    share: float,
) -> Candidate:
    """Answer a question in a share of the time limit, from the baseline and plans of other betas.

    Raises
    ------
    InputError
        A budget relative to a baseline that costs nothing, or a study whose structure does not justify the corner.
    """
    objective = base.plan.objective
    if objective is None or (beta is not None and objective <= 0.0):
        raise InputError.of(
            f"the baseline objective is {objective}: a relative budget needs a positive one",
            path="/study/beta",
            got=objective,
        )
    if beta is not None:
        budget = (1.0 + beta if sense == "robust" else 1.0 - beta) * objective
    assert budget is not None
    session.beta = beta
    return Question(session, horizon(session.study, sense, budget), beta, base).answer(pool, share)


class Question:
    """One info-gap question to a session's study, against its baseline."""

    def __init__(self, session: Session, asked: Horizon, beta: float | None, base: Candidate) -> None:
        self.session, self.study, self.asked, self.beta, self.base = session, session.study, asked, beta, base
        self.tried: list[StepTried] = []

    def answer(self, pool: Iterable[Candidate], share: float) -> Candidate:
        """The plan that answers it, found in a share of the time limit from the baseline and plans of other betas."""
        begun = time.monotonic()
        session, asked, base = self.session, self.asked, self.base
        session.on_event({"kind": "started"})
        starts = [candidate.decisions.binaries for candidate in (base, *pool) if candidate.decisions]
        solved = session.solver.solve(
            self.study.ask(asked),
            time_limit_s=session.limit(share),
            gap=session.gap,
            starts=starts,
            tangents=session.tangents[asked.sense],
        )
        session.tangents[asked.sense] = solved.tangents or session.tangents[asked.sense]
        found = self.surviving(solved)
        if found is None:
            blank = blank_plan(self.study, asked.sense, solved)
            plan = dataclasses.replace(blank, robustness=self.fields(None, solved), steps=tuple(self.tried))
            if solved.answer.x is not None and not solved.cancelled:
                plan = dataclasses.replace(plan, status="no_plan", explanation=REFUSED_BY_AC)
            elif plan.status == "infeasible":
                plan = dataclasses.replace(plan, explanation=out_of_reach(asked))
            return Candidate(dataclasses.replace(plan, seconds=time.monotonic() - begun), None)
        decisions, alpha, run, step = found
        plan = decided(self.answered(decisions, alpha, run, solved), step, tuple(self.tried))
        plan = dataclasses.replace(plan, seconds=time.monotonic() - begun)
        session.finished(plan)
        return Candidate(plan, decisions)

    def surviving(self, solved: Solved) -> tuple[Decisions, float, Run, Step] | None:
        """The alpha whose AC cost meets the budget at the decisions found; else the baseline at 0, if it does."""
        if solved.answer.x is not None:
            found = self.mended(solved)
            if found is not None:
                return found
        base, plan = self.base, self.base.plan
        meets = plan.objective is not None and plan.objective <= self.asked.budget * (1.0 + BUDGET_TOLERANCE)
        if (
            not meets
            or base.decisions is None
            or plan.dispatch is None
            or plan.ac is None
            or plan.ac.verdict != "feasible"
        ):
            return None
        run = self.session.dispatch(base.decisions, self.study)
        own = Run(plan.dispatch, plan.ac, plan.objective or 0.0, run.values if run else {})
        row = tried_at(plan.decided_by, own, 0.0, alpha=0.0)
        self.tried.append(dataclasses.replace(row, model_objective=plan.model_objective))
        return base.decisions, 0.0, own, plan.decided_by

    def mended(self, solved: Solved) -> tuple[Decisions, float, Run, Step] | None:
        """The largest alpha that survives AC: at the decisions found, or with topology or sites decided anew.

        Anew where AC leaves little of the alpha that the MILP promised; then with exact losses, so that AC agrees.
        """
        asked, decisions = self.asked, read_decisions(solved.formulation, solved.values, solved.binaries)
        promised = abs(solved.answer.value or 0.0)
        self.tried.append(self.as_promised(decisions, promised, solved))
        best = self.kept(REDISPATCH, decisions, promised, time.monotonic())
        for step, fix in freed(self.session, decisions).items():
            if solved.cancelled or enough(asked, promised, best[1] if best is not None else None):
                break
            begun = time.monotonic()
            again = decided_anew(self.session, fix, decisions, asked)
            if again.answer.x is None:
                self.tried.append(tried_at(step, None, time.monotonic() - begun))
                continue
            found = read_decisions(again.formulation, again.values, again.binaries)
            own = self.kept(step, found, abs(again.answer.value or 0.0), begun)
            if own is not None and (best is None or own[1] > best[1]):
                best = own
        return best

    def as_promised(self, decisions: Decisions, alpha: float, solved: Solved) -> StepTried:
        """What AC says of the MILP's own dispatch at the alpha that it promises."""
        run = self.session.judged(solved, decisions, self.study.realise(corner(self.asked, alpha)))
        survived = alpha if excess_of(run, self.asked) <= 0.0 else None
        own = tried_at("milp", run, solved.answer.seconds, survived, alpha)
        return dataclasses.replace(own, model_objective=None)

    def kept(
        self, step: Step, decisions: Decisions, promised: float, begun: float
    ) -> tuple[Decisions, float, Run, Step] | None:
        """What survives AC of the decisions of a step, and its record."""
        survived = self.survive(self.asked, decisions, promised)
        alpha, run = survived or (None, None)
        self.tried.append(tried_at(step, run, time.monotonic() - begun, alpha, promised))
        return (decisions, *survived, step) if survived is not None else None

    def survive(self, asked: Horizon, decisions: Decisions, alpha: float) -> tuple[float, Run] | None:
        """The largest alpha (opportunity: the least) at decisions whose AC cost at its corner keeps the budget.

        From a given alpha on, by the excess of the cost, or in ever longer steps where AC refuses; then back again, up
        to ``ALPHA_TOLERANCE``. None where no alpha survives.
        """
        towards = -1.0 if asked.sense == "robust" else 1.0
        slope = max(abs(asked.budget - (self.base.plan.objective or 0.0)), 1e-6) / max(alpha, 1e-6)
        lost: tuple[float, float] | None = None
        refusals = 0
        for _ in range(CORRECTIONS):
            run = self.session.dispatch(decisions, self.study.realise(corner(asked, alpha)))
            excess = excess_of(run, asked)
            if run is not None and excess <= 0.0:
                return self.closer(asked, decisions, (alpha, run), lost) if lost is not None else (alpha, run)
            if math.isfinite(excess):
                if lost is not None and excess < lost[1] < math.inf:
                    slope = (lost[1] - excess) / abs(alpha - lost[0])
                step = 1.02 * excess / slope + 1e-9
            else:
                step = 0.01 * 2**refusals * alpha + LEAST_STEP
                refusals += 1
            lost = alpha, excess
            alpha = min(asked.alpha_ub, max(0.0, alpha + towards * step))
            if alpha == lost[0]:
                return None
        return None

    def closer(
        self, asked: Horizon, decisions: Decisions, kept: tuple[float, Run], lost: tuple[float, float]
    ) -> tuple[float, Run]:
        """From an alpha that survives towards one that does not: along the chord of their costs, else half-way."""
        for _ in range(CORRECTIONS):
            slack = -excess_of(kept[1], asked)
            share = CHORD * slack / (slack + lost[1]) if math.isfinite(lost[1]) else 0.5
            alpha = kept[0] + share * (lost[0] - kept[0])
            if abs(alpha - kept[0]) <= 0.5 * (ALPHA_TOLERANCE * lost[0] + LEAST_STEP):
                break
            run = self.session.dispatch(decisions, self.study.realise(corner(asked, alpha)))
            excess = excess_of(run, asked)
            if run is not None and excess <= 0.0:
                kept = alpha, run
            else:
                lost = alpha, excess
        return kept

    def answered(self, decisions: Decisions, alpha: float, run: Run, solved: Solved) -> Plan:
        """The plan of the answer: dispatch at the corner and at the forecast, attacked at vertices."""
        asked = self.asked
        forecast = self.session.dispatch(decisions, self.study, run.schedule)
        plan = plan_of(self.study, solved, decisions, run.dispatch, run.verdict, self.session.asked_gap)
        fields = self.fields(alpha if matters(self.study, len(decisions.dg), asked) else None, solved)
        fields["objective_forecast"] = forecast.verdict.objective if forecast else None
        if fields["alpha"] is None:
            fields["alpha_limit"], fields["alpha_bound"] = "unbounded", None
        elif asked.sense == "robust" and alpha > 0.0:
            fields["alpha_floor"] = self.floor(decisions, alpha)
        warnings = (
            []
            if run.verdict.verdict == "feasible"
            else ["AC power flow does not accept the dispatch at the worst case"]
        )
        if asked.sense == "robust" and fields["alpha"]:
            fields["worst_case"], broken = self.attack(alpha, decisions, run.schedule)
            warnings += broken
        gap = alpha_gap(fields["alpha"], fields["alpha_bound"], abs(solved.answer.value or 0.0), plan.bound_of)
        return dataclasses.replace(
            plan,
            kind=asked.sense,
            status=question_status(plan, fields, gap, self.session.asked_gap),
            dispatch_forecast=forecast.dispatch if forecast else None,
            ac_forecast=forecast.verdict if forecast else None,
            model_objective=run.cost,
            bound=fields["alpha_bound"],
            gap=gap,
            redispatched=True,
            robustness=fields,
            warnings=tuple(warnings),
        )

    def fields(self, alpha: float | None, solved: Solved) -> dict[str, Any]:
        """The fields that an info-gap answer adds to a plan."""
        asked, base = self.asked, self.base.plan
        bound = abs(solved.answer.bound) if math.isfinite(solved.answer.bound) else None
        if asked.sense == "robust" and bound is not None:
            bound = min(bound, asked.alpha_ub)
        physical = alpha is not None and alpha >= asked.alpha_ub * (1.0 - 1e-9)
        return {
            "alpha": alpha,
            "alpha_bound": bound,
            "alpha_floor": None,
            "alpha_limit": "physical" if physical else "budget",
            "beta": self.beta,
            "base_objective": base.objective,
            "base_bound": base.bound,
            "budget": asked.budget,
            "objective_forecast": None,
            "worst_case": {
                "corner": justification(asked),
                "vertices_attacked": 0,
                "costliest_attack": None,
                "broken": False,
            },
        }

    def floor(self, decisions: Decisions, alpha: float) -> float | None:
        """What the plan reaches at ``(1 + beta)`` times the bound of the baseline; None where that is out of reach."""
        base, asked = self.base.plan, self.asked
        if base.bound is None or base.objective is None or base.bound_of != "ac":
            return None
        budget = asked.budget * base.bound / base.objective if self.beta is not None else None
        if budget is None:
            return alpha
        smaller = dataclasses.replace(asked, budget=budget)
        solved = self.session.decided(decisions, self.study.ask(smaller))
        if solved.answer.x is None:
            return None
        survived = self.survive(smaller, decisions, abs(solved.answer.value or 0.0))
        return survived[0] if survived else None

    def attack(
        self, alpha: float, decisions: Decisions, schedule: Mapping[str, float]
    ) -> tuple[dict[str, Any], list[str]]:
        """Try to break a plan at vertices of the uncertainty set; sites, topology and storage schedule stay."""
        asked = self.asked
        costs = []
        for vertex in vertices(self.study, asked, alpha, VERTICES_ATTACKED, self.study.model.solver.seed):
            solved = self.session.decided(decisions, vertex, schedule)
            if solved.answer.value is not None or solved.answer.status == "infeasible":
                costs.append(math.inf if solved.answer.value is None else solved.answer.value)
        costliest = max(costs, default=math.nan)
        broken = costliest > asked.budget * (1.0 + ATTACK_TOLERANCE)
        found = {
            "corner": justification(asked),
            "vertices_attacked": len(costs),
            "costliest_attack": costliest,
            "broken": broken,
        }
        text = f"THE ROBUST PLAN BREAKS: inside alpha it costs {costliest:g}, over {asked.budget:g}; please report this"
        return found, [text] if broken else []


def excess_of(run: Run | None, asked: Horizon) -> float:
    """AC cost above the budget; infinite where AC refuses the dispatch, or there is none."""
    if run is None or run.verdict.objective is None or run.verdict.verdict != "feasible":
        return math.inf
    return run.verdict.objective - asked.budget * (1.0 + BUDGET_TOLERANCE)


def enough(asked: Horizon, promised: float, survived: float | None) -> bool:
    """Whether AC leaves so much of the promised alpha that it is not worth while to decide anew."""
    if asked.sense != "robust":
        return survived is not None
    return (survived or 0.0) >= KEPT_ALPHA * promised - LITTLE_ALPHA


def out_of_reach(asked: Horizon) -> str:
    """Why an info-gap question has no answer."""
    physical = f"up to the physical limit {asked.alpha_ub:g} of alpha"
    where = "not even at the forecast" if asked.sense == "robust" else physical
    return f"proven infeasible: no plan meets the budget {asked.budget:g}, {where}"


def alpha_gap(alpha: float | None, bound: float | None, model_alpha: float, of: str) -> float | None:
    """Relative distance between alpha and its bound, of the same problem; None at 0 and where alpha is unbounded."""
    reached = alpha if of == "ac" else model_alpha
    if not alpha or bound is None or not reached or reached < 1e-9:
        return None
    return abs(bound - reached) / reached


def tightened(plans: Iterable[Plan], asked_gap: float) -> list[Plan]:
    """Robust plans by increasing budget, each under the least bound of those after it: more budget bounds less."""
    out: list[Plan] = []
    for plan in reversed(list(plans)):
        after, own = (out[-1].bound if out else None), plan.bound
        if after is not None and own is not None and after < own:
            reached = own / (1.0 + plan.gap) if plan.gap is not None else 0.0
            gap = max(0.0, after - reached) / reached if reached else None
            fields = {**plan.robustness, "alpha_bound": after}
            status = question_status(plan, fields, gap, asked_gap)
            plan = dataclasses.replace(plan, robustness=fields, bound=after, gap=gap, status=status)
        out.append(plan)
    return out[::-1]


def question_status(plan: Plan, fields: dict[str, Any], gap: float | None, asked_gap: float) -> Status:
    """Status of an info-gap answer."""
    if plan.status == "cancelled":
        return "cancelled"
    if plan.ac is None or plan.ac.verdict != "feasible":
        return "feasible"
    proven = fields["alpha"] is None or fields["alpha_limit"] == "physical" or (gap is not None and gap <= asked_gap)
    return "optimal" if proven else "feasible"
