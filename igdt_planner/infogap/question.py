"""An info-gap question: how far may the forecast be wrong within a budget, and what of the answer survives AC."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.infogap.best_point import at_best_point, sought
from igdt_planner.infogap.closing import attained, modelled, narrowed
from igdt_planner.infogap.convexity import is_convex
from igdt_planner.infogap.generation import generated
from igdt_planner.infogap.price_bound import asked_by_cost, by_cost
from igdt_planner.infogap.proof import alpha_gap, question_status
from igdt_planner.infogap.recourse import Attack, Recourse
from igdt_planner.infogap.stated import farthest, is_stated
from igdt_planner.infogap.survival import BUDGET_TOLERANCE, Limit, excess_of, limit_of, survive
from igdt_planner.infogap.unbroken import end_of, unbroken
from igdt_planner.infogap.words import beyond_corner, in_words, out_of_reach, same_decisions
from igdt_planner.infogap.worst_case import Ambiguity, Sense, ambiguity, justification, matters, question_of
from igdt_planner.loose import loose_words
from igdt_planner.meaning_checks import beta_doubts
from igdt_planner.model import Losses, Quantity
from igdt_planner.outcome import CANNOT_BE_RUN, blank_plan, bound_of, dg_table, ess_table, plan_of, refused, settled
from igdt_planner.plan import Plan, Realisation, Step, StepTried, Violation, warned
from igdt_planner.repair import decided, decided_anew, freed, tried_at
from igdt_planner.results.document import ROBUST_FIELDS
from igdt_planner.session import Candidate, Run, Session
from igdt_planner.solver.solve import Solved
from igdt_planner.starved import starved
from igdt_planner.study import Direction, Horizon, Study
from igdt_planner.unserved import nothing_served

ATTACK_TOLERANCE = 1e-6
"""Share of the budget above which an attack counts as a break."""
SEARCHED, SEARCHED_CORNER = 0.6, 0.9
"""Share of the time of a robust question in which a plan is sought, without and with a corner: the rest is attack."""
KNOWN = 4
"""Decisions whose recourse is kept."""
GENERATED = "column_and_constraint_generation"
REDISPATCH: Step = "redispatch"
KEPT_ALPHA, LITTLE_ALPHA = 0.98, 1e-3
"""Share of the MILP's alpha that AC must leave, less a little, else topology and sites are decided anew."""
Left = tuple[Decisions, float, Run, Step]
"""What AC leaves of an answer: decisions, alpha, their dispatch there, and the step that decided."""
OVER_BUDGET = "by AC power flow neither the plan found nor the baseline meets the budget; of others nothing is proven"
NOT_AT_FORECAST = "refused: no dispatch of these sites and this topology at the forecast keeps every limit"
CUT = "the time limit cut the attack on this plan after {} points: what ends alpha is sampled; more time tries more"
NO_BUDGET = (
    "the baseline is refused by AC power flow, so no budget can be derived from it; "
    "give robust or opportunity a budget in units (--budget)"
)


def answer(
    session: Session,
    sense: Sense,
    beta: float | None,
    budget: float | None,
    base: Candidate,
    pool: Iterable[Candidate],
    share: float,
    held: Mapping[Quantity, float] | None = None,
    fallback: Candidate | None = None,
) -> Candidate:
    """Answer a question in a share of the time limit, from the baseline and plans of other betas.

    Quantities that are ``held`` deviate within that radius, whatever alpha is. Where no alpha above 0 survives,
    ``fallback`` is what does at 0, judged there already: the baseline unless given. Where AC refuses the baseline,
    there is no budget relative to it, and the answer is refused too.

    Raises
    ------
    InputError
        A budget relative to a baseline that costs nothing, or what :func:`~igdt_planner.infogap.worst_case.ambiguity`
        refuses.
    """
    session.beta = beta
    if beta is not None:
        if base.plan.status == "refused":
            return Candidate(unasked(base.plan, sense, beta), None)
        budget = (1.0 + beta if sense == "robust" else 1.0 - beta) * positive(base.plan)
    assert budget is not None
    found = ambiguity(session.study, sense, held)
    question = Question(session, question_of(session.study, found, sense, budget), found, beta, base)
    question.fallback = fallback or base
    return question.answer(pool, share)


def positive(base: Plan) -> float:
    """The objective of a baseline that budgets refer to.

    Raises
    ------
    InputError
        There is none, or it is not positive.
    """
    if base.objective is None or base.objective <= 0.0:
        message = f"the baseline objective is {base.objective}: a relative budget needs a positive one"
        raise InputError.of(message, path="/study/beta", got=base.objective)
    return base.objective


def without_budget(base: Plan) -> Plan:
    """A baseline that AC refuses, with the words that no budget can be derived from it."""
    return dataclasses.replace(base, explanation=f"{NO_BUDGET}\n{base.explanation}")


def unasked(base: Plan, sense: Sense, beta: float) -> Plan:
    """The answer to a question whose budget would refer to a baseline that AC refuses: that baseline, and why."""
    facts = dict.fromkeys(ROBUST_FIELDS) | {"beta": beta, "base_bound": base.bound, "worst_case": {}}
    return dataclasses.replace(without_budget(base), kind=sense, model_objective=None, bound=None, robustness=facts)


class Question:
    """One info-gap question to a session's study, against its baseline."""

    def __init__(self, session: Session, asked: Horizon, found: Ambiguity, beta: float | None, base: Candidate) -> None:
        self.session, self.asked, self.beta, self.base = session, asked, beta, base
        self.study = session.study.warn(beta_doubts(beta))
        self.fallback = base
        self.found, self.direction = found, found.first
        self.limiting: Direction | None = None
        self.schedule: Mapping[str, float] | None = None
        self.scenarios, self.bound, self.exact = 1, math.inf, False
        self.attack: Attack | None = None
        self.broken = False
        self.known: list[tuple[tuple[Decisions, Mapping[str, float] | None, Losses], Recourse]] = []
        self.reached, self.deadline = 0.0, math.inf
        self.tried: list[StepTried] = []
        self.closest: tuple[Decisions, Run] | None = None

    def point(self, alpha: float) -> Realisation:
        """The worst point known at a radius (for an opportunity the best)."""
        return self.found.uncertainty.realise(self.direction, alpha, self.study.realisation)

    def answer(self, pool: Iterable[Candidate], share: float) -> Candidate:
        """The plan that answers it, found in a share of the time limit from the baseline and plans of other betas."""
        begun = time.monotonic()
        session, asked, base = self.session, self.asked, self.base
        session.on_event({"kind": "started"})
        starts = [candidate.decisions.binaries for candidate in (base, *pool) if candidate.decisions]
        limit_s, scenarios = session.limit(share), [self.found.first]
        self.deadline = begun + limit_s
        searched = SEARCHED_CORNER if self.found.corner else SEARCHED
        deadline = begun + searched * limit_s if asked.sense == "robust" else self.deadline
        if asked.sense == "robust" and is_stated(self.study) and bound_of(self.study) == "ac":
            solved, left = farthest(self, deadline)
        elif self.found.corner:
            solved = self.solve(asked, starts, deadline)
            left = self.surviving(solved)
            self.reached = attained(self, solved, left)
            if left is not None and not solved.cancelled and self.relaxed and not self.exact:
                left = narrowed(self, left, deadline)
        elif asked.sense == "opportunity":
            solved, alpha = sought(self, self.study, starts, deadline)
            left = at_best_point(self, solved, alpha)
        else:
            solved, left = generated(self, starts, deadline, scenarios)
        if asked.sense == "robust" and left is not None and not solved.cancelled:
            solved, left = unbroken(self, solved, left, starts, deadline, scenarios)
        if left is None:
            plan = dataclasses.replace(self.unanswered(solved, deadline), seconds=time.monotonic() - begun)
            return Candidate(plan, None)
        decisions, alpha, run, step = left
        plan = settled(decided(self.answered(decisions, alpha, run, solved), step, tuple(self.tried)))
        plan = dataclasses.replace(plan, seconds=time.monotonic() - begun)
        session.finished(plan)
        return Candidate(plan, decisions)

    def unanswered(self, solved: Solved, deadline: float) -> Plan:
        """Why there is no alpha: proven, out of time, over the budget by AC, or refused by AC whatever was tried."""
        if solved.answer.x is None and solved.values:
            decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
            self.tried.append(self.as_promised(decisions, solved.values["alpha"], solved))
        blank, fields = blank_plan(self.study, self.asked.sense, solved), self.fields(None)
        plan = dataclasses.replace(blank, robustness=fields, bound=fields["alpha_bound"], steps=tuple(self.tried))
        if plan.status == "infeasible" and self.asked.alpha_ub == self.found.most:
            return dataclasses.replace(plan, status="no_plan", explanation=beyond_corner(self.asked))
        if plan.status == "infeasible":
            return dataclasses.replace(plan, explanation=out_of_reach(self.asked))
        if solved.cancelled:
            return plan
        if self.closest is not None and self.closest[1].verdict.excess > 0.0:
            return self.as_refused(plan, *self.closest)
        if solved.values:
            return dataclasses.replace(plan, status="no_plan", explanation=OVER_BUDGET)
        in_time = time.monotonic() < deadline
        return dataclasses.replace(plan, status="refused", explanation=CANNOT_BE_RUN) if in_time else plan

    def as_refused(self, blank: Plan, decisions: Decisions, run: Run) -> Plan:
        """What AC refuses least of all that was tried, as the answer."""
        plan = dataclasses.replace(
            blank,
            open_lines=decisions.open_lines,
            dg=dg_table(self.study, decisions),
            ess=ess_table(self.study, decisions),
            dispatch=run.dispatch,
            ac=run.verdict,
            redispatched=True,
        )
        return settled(plan)

    def note(self, decisions: Decisions, run: Run | None) -> None:
        """Keep the dispatch that breaks its limits least."""
        if run is not None and (self.closest is None or run.verdict.excess < self.closest[1].verdict.excess):
            self.closest = decisions, run

    def solve(
        self,
        asked: Horizon,
        starts: list[Mapping[str, float]],
        deadline: float,
        study: Study | None = None,
        *,
        seek: bool = True,
    ) -> Solved:
        """Ask the MILP, keep its tangents for the next question of the kind, and take in its bound."""
        session, alone = self.session, len(asked.scenarios) == 1
        if asked_by_cost(self, asked):
            exact = by_cost(self, asked, starts, deadline, study or self.study)
            self.exact = exact is not None
            if exact is not None:
                return exact
        if self.relaxed and asked.sense == "robust" and self.bound >= asked.alpha_lb:
            asked = dataclasses.replace(asked, alpha_ub=min(asked.alpha_ub, self.bound))  # a closer envelope
        solved = session.solver.solve(
            self.posed(asked, study or self.study),
            time_limit_s=max(1.0, deadline - time.monotonic()),
            gap=session.gap,
            starts=[repeated(start, len(asked.scenarios)) for start in starts],
            tangents=session.tangents[asked.sense] if alone else None,
            explore=alone,
            seek=seek,
            bounds_only=self.relaxed or not self.found.corner,
        )
        if alone:
            session.tangents[asked.sense] = solved.tangents or session.tangents[asked.sense]
        self.take_bound(asked, solved)
        return solved

    def posed(self, asked: Horizon, study: Study) -> Study:
        """The study that asks a question; what has a radius of its own is realised there in every scenario."""
        uncertainty = self.found.uncertainty
        if not uncertainty.held:
            return study.ask(asked)
        points = tuple(uncertainty.realise(scenario, 0.0, study.realisation) for scenario in asked.scenarios)
        moving = tuple(uncertainty.moving(scenario) for scenario in asked.scenarios)
        return dataclasses.replace(study, samples=points).ask(dataclasses.replace(asked, scenarios=moving))

    def take_bound(self, asked: Horizon, solved: Solved) -> None:
        """Take in what a question over a range of alpha says of all alphas: the sets are nested."""
        found, robust = abs(solved.answer.bound), self.asked.sense == "robust"
        if solved.answer.status == "infeasible":
            if robust and asked.alpha_lb > 0.0:
                self.bound = min(self.bound, asked.alpha_lb)
            elif not robust and asked.alpha_ub < self.asked.alpha_ub:
                self.bound = asked.alpha_ub
        elif math.isfinite(found) and robust:
            most = max(found, asked.alpha_lb)
            if most < asked.alpha_ub or asked.alpha_ub >= self.asked.alpha_ub:
                self.bound = min(self.bound, most)
        elif math.isfinite(found) and (found > asked.alpha_lb or asked.alpha_lb <= self.asked.alpha_lb):
            self.bound = found if math.isinf(self.bound) else max(self.bound, found)

    @property
    def relaxed(self) -> bool:
        """Whether the MILP relaxes what alpha does to a quantity: bought power at a price, a squared rating."""
        return bool({"price", "line_rating"} & set(self.found.uncertainty.shapes))

    def held(self, schedule: Mapping[str, float]) -> Mapping[str, float] | None:
        """The schedule of storage, where it stands before the uncertain values are known."""
        return schedule if self.study.ess and self.study.model.stages.storage == "here_and_now" else None

    def surviving(self, solved: Solved | None) -> Left | None:
        """The alpha whose AC cost meets the budget at the decisions found; else the fallback at 0, if it does."""
        if solved is not None and solved.answer.x is not None:
            found = self.mended(solved)
            if found is not None:
                return found
        base, plan = self.fallback, self.fallback.plan
        if base.decisions is not None and plan.dispatch is not None and plan.ac is not None:
            self.note(base.decisions, Run(plan.dispatch, plan.ac, plan.objective, {}))
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

    def mended(self, solved: Solved) -> Left | None:
        """The largest alpha that survives AC: at the decisions found, or with topology or sites decided anew.

        Anew where AC leaves little of the alpha that the MILP promised; then with exact losses, so that AC agrees.
        """
        asked, decisions = self.asked, read_decisions(solved.formulation, solved.values, solved.binaries)
        promised = abs(solved.answer.value or 0.0)
        self.tried.append(self.as_promised(decisions, promised, solved))
        if self.relaxed:
            promised = modelled(self, solved) or 0.0
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
        run = self.session.judged(solved, decisions, self.study.realise(self.point(alpha)))
        self.note(decisions, run)
        survived = alpha if excess_of(run, self.asked) <= 0.0 else None
        own = tried_at("milp", run, solved.answer.seconds, survived, alpha)
        return dataclasses.replace(own, model_objective=None)

    def kept(self, step: Step, decisions: Decisions, promised: float, begun: float) -> Left | None:
        """What survives AC of the decisions of a step, and its record."""
        survived = self.survive(self.asked, decisions, promised)
        alpha, run = survived or (None, None)
        self.tried.append(tried_at(step, run, time.monotonic() - begun, alpha, promised))
        return (decisions, *survived, step) if survived is not None else None

    def survive(
        self, asked: Horizon, decisions: Decisions, alpha: float, slope: float | None = None
    ) -> tuple[float, Run] | None:
        """What of an alpha survives AC at decisions, with its dispatch; None where none does."""
        if slope is None:
            slope = max(abs(asked.budget - (self.base.plan.objective or 0.0)), 1e-6) / max(alpha, 1e-6)
        return survive(partial(self.run_at, decisions), asked, alpha, slope)

    def run_at(self, decisions: Decisions, alpha: float, study: Study | None = None) -> Run | None:
        """The dispatch of decisions at the worst point known at a radius."""
        run = self.session.dispatch(decisions, (study or self.study).realise(self.point(alpha)), self.schedule)
        self.note(decisions, run)
        return run

    def recourse(
        self, decisions: Decisions, schedule: Mapping[str, float] | None, losses: Losses = "balance"
    ) -> Recourse:
        """What decisions cost over the uncertainty set; the last ones asked for are kept."""
        asked = decisions, schedule, losses
        for known, recourse in self.known:
            if known == asked:
                return recourse
        fresh = Recourse(self.session, decisions, self.found, schedule, losses, self.deadline)
        self.known = [(asked, fresh), *self.known][:KNOWN]
        return self.known[0][1]

    def breaks(self, attack: Attack) -> bool:
        """Whether a plan leaves a limit or its budget under an attack."""
        return attack.cost > self.asked.budget * (1.0 + ATTACK_TOLERANCE)

    def limit(self, decisions: Decisions, alpha: float, run: Run) -> tuple[Limit, Violation | None]:
        """What ends the alpha of decisions, which run like this there; asked where the network ends it, if it may."""
        without = self.study.model.model_copy(update={"limits": ()})
        unlimited = partial(self.run_at, decisions, study=dataclasses.replace(self.study, model=without))
        costliest, self.direction = self.direction, self.limiting or self.direction
        found = limit_of(partial(self.run_at, decisions), unlimited, self.asked, alpha, run)
        self.direction = costliest
        return found

    def answered(self, decisions: Decisions, alpha: float, run: Run, solved: Solved) -> Plan:
        """The plan of the answer: dispatch at the corner and at the forecast, attacked at vertices."""
        asked = self.asked
        forecast = self.session.dispatch(decisions, self.study, self.held(run.schedule))
        plan = plan_of(self.study, solved, decisions, run.dispatch, run.verdict, self.session.asked_gap)
        plan = dataclasses.replace(plan, kind=asked.sense)
        touched = self.broken or matters(self.study, decisions.dg, self.found)
        fields = self.fields(alpha if touched else None)
        fields["objective_forecast"] = forecast.verdict.objective if forecast else None
        if fields["alpha"] is None:
            fields["alpha_limit"], fields["alpha_bound"] = "unbounded", None
        else:
            fields["alpha_limit"], broken = self.limit(decisions, alpha, run)
            if asked.sense == "robust" and alpha > 0.0:
                fields["alpha_floor"] = self.floor(decisions, alpha)
                fields["worst_case"] = self.tried_by(self.attack) | {
                    "ends": end_of(self, decisions, alpha, fields["alpha_limit"], broken)
                }
                points = self.recourse(decisions, self.schedule).limits
                if fields["worst_case"]["all_vertices"] and is_convex(points, decisions, alpha):
                    fields["worst_case"]["proof"] = "convex"
        warnings: list[str] = []
        fields["same_as_baseline"] = same_decisions(decisions, self.base.decisions)
        fields["in_words"] = in_words(asked.sense, fields, self.found.uncertainty)
        if self.attack is not None and self.attack.cut:
            warnings.append(CUT.format(self.attack.points))
        if fields["worst_case"]["broken"]:
            warnings.append("THE ROBUST PLAN BREAKS inside alpha and no smaller alpha was found; please report this")
        gap = alpha_gap(fields["alpha"], fields["alpha_bound"], self.reached)
        plan = dataclasses.replace(
            plan,
            status=question_status(plan, fields, gap, self.session.asked_gap),
            dispatch_forecast=forecast.dispatch if forecast else None,
            ac_forecast=forecast.verdict if forecast else None,
            model_objective=run.cost,
            bound=fields["alpha_bound"],
            gap=gap,
            redispatched=True,
            robustness=fields,
        )
        plan = warned(plan, (*loose_words(plan, self.base.plan), *warnings, *starved(plan), *nothing_served(plan)))
        return plan if forecast else refused(plan, NOT_AT_FORECAST)

    def fields(self, alpha: float | None) -> dict[str, Any]:
        """The fields that an info-gap answer adds to a plan."""
        asked, base = self.asked, self.base.plan
        bound = self.bound if math.isfinite(self.bound) else None
        if asked.sense == "robust" and (bound is not None or alpha is not None):  # no set is larger than alpha_ub
            bound = min(self.bound, asked.alpha_ub)
        return {
            "alpha": alpha,
            "alpha_bound": bound,
            "alpha_floor": None,
            "alpha_limit": "budget",
            "beta": self.beta,
            "base_objective": base.objective,
            "base_bound": base.bound,
            "base_gap": base.gap,
            "budget": asked.budget,
            "objective_forecast": None,
            "same_as_baseline": None,
            "in_words": None,
            "worst_case": self.tried_by(None),
        }

    def tried_by(self, attack: Attack | None) -> dict[str, Any]:
        """How the worst case is known, and what the adversary made of it."""
        return {
            "corner": justification(self.found, self.asked.sense),
            "method": method_of(self.found, self.asked.sense) if self.scenarios == 1 else GENERATED,
            "scenarios": self.scenarios,
            "vertices_attacked": attack.points if attack else 0,
            "all_vertices": attack is not None and attack.proven,
            "costliest_attack": attack.cost if attack and math.isfinite(attack.cost) else None,
            "broken": attack is not None and self.breaks(attack),
            "proof": ("vertices" if attack.proven else "sampled") if attack else None,
            "ends": None,
        }

    def floor(self, decisions: Decisions, alpha: float) -> float | None:
        """What the plan reaches at ``(1 + beta)`` times the bound of the baseline.

        None where that is out of reach, or would have to be looked for after the time is up.
        """
        base, asked = self.base.plan, self.asked
        if base.bound is None or base.objective is None or base.bound_of != "ac":
            return None
        budget = asked.budget * base.bound / base.objective if self.beta is not None else None
        if budget is None:
            return alpha
        smaller = dataclasses.replace(asked, budget=budget)
        recourse = self.recourse(decisions, self.schedule)
        along = self.found.corner and self.scenarios == 1
        if not along and recourse.late:
            return None
        reached = recourse.along(self.direction, budget, alpha) if along else recourse.reach(budget, alpha).alpha
        survived = self.survive(smaller, decisions, reached) if reached >= 0.0 else None
        return survived[0] if survived else None


def method_of(found: Ambiguity, sense: Sense) -> str:
    """How the worst case, or the best one, is found."""
    if found.corner:
        return "corner"
    return GENERATED if sense == "robust" else "decided_with_the_plan"


def repeated(start: Mapping[str, float], scenarios: int) -> dict[str, float]:
    """A start for every scenario alike."""
    first = {name: value for name, value in start.items() if not name.startswith("further[")}
    again = {
        f"further[{s}].{name}": value
        for s in range(1, scenarios)
        for name, value in first.items()
        if name.startswith("mode[")
    }
    return first | again


def enough(asked: Horizon, promised: float, survived: float | None) -> bool:
    """Whether AC leaves so much of the promised alpha that it is not worth while to decide anew."""
    if asked.sense != "robust":
        return survived is not None
    return (survived or 0.0) >= KEPT_ALPHA * promised - LITTLE_ALPHA
