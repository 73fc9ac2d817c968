"""One case under one model with one solver process: baseline, info-gap questions, and the plan that survives AC."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from igdt_planner.ac.check import check_dispatch
from igdt_planner.case import Case
from igdt_planner.errors import Finding, InputError
from igdt_planner.formulation.solution import Decisions, read_decisions, read_dispatch
from igdt_planner.igdt import Sense, corner, horizon, justification, matters, vertices
from igdt_planner.infeasible import explain
from igdt_planner.model import Fix, Model
from igdt_planner.outcome import blank_plan, plan_of
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Status, Step
from igdt_planner.problem import Rows
from igdt_planner.search.algorithms import ALGORITHMS, require, search
from igdt_planner.search.dynamic import search_series
from igdt_planner.search.problem import Judged, problem_of
from igdt_planner.searched import decisions_of, plan_of_search
from igdt_planner.solve import Solved, Solver
from igdt_planner.starts import hard_to_beat, searched, untouched
from igdt_planner.study import Horizon, Study, resolve

OnEvent = Callable[[dict[str, Any]], None]

BUDGET_TOLERANCE = 1e-9
"""Share of the budget by which rounding may exceed it."""
ATTACK_TOLERANCE = 1e-6
"""Share of the budget above which an attack counts as a break."""
VERTICES_ATTACKED = 4
"""Random vertices of the uncertainty set at which every robust plan is attacked."""
DISPATCH_S, DISPATCH_GAP = 60.0, 1e-6
"""Time limit and gap of a dispatch at decided sites and topology."""
RESCUE_EVALUATIONS = 4_000
"""AC power flows of the search that takes over where AC refuses all that the MILP finds."""
REPAIR_SHARE = 0.25
"""Share of the time limit that a repair gets, once with the topology free and once with the sites free too."""
NO_SITES = np.empty(0, dtype=np.int64)
REDISPATCH: Step = "redispatch"
KEPT_ALPHA, LITTLE_ALPHA = 0.98, 1e-3
"""Share of the MILP's alpha that AC must leave, less a little, else topology and sites are decided anew."""
CORRECTIONS = 8
"""How often alpha is corrected until its AC cost meets the budget."""
CANNOT_BE_RUN = "what the relaxation allows cannot be run by AC power flow; of other plans nothing is proven"
NOTHING_WITHIN = "the search found no plan that keeps every limit of the case and the model; nothing is proven"
REFUSED_BY_AC = "by AC power flow neither the plan found nor the baseline meets the budget; of others nothing is proven"


@dataclass(frozen=True)
class Run:
    """Decisions dispatched at one realisation: tables, AC verdict, the model's cost, variables by name."""

    dispatch: Dispatch
    verdict: AcVerdict
    cost: float
    values: Mapping[str, float]

    @property
    def schedule(self) -> dict[str, float]:
        """Charging and discharging of every ESS: what is decided before the uncertainty is known."""
        return {
            name: max(0.0, value)
            for name, value in self.values.items()
            if ".p_charge[" in name or ".p_discharge[" in name
        }


@dataclass(frozen=True)
class Candidate:
    """A plan, and its decisions for later solves to start from."""

    plan: Plan
    decisions: Decisions | None


class Session:
    """Keeps a solver process, and the tangents of one info-gap question for the next."""

    def __init__(
        self, case: Case, model: Model, time_limit_s: float | None, gap: float | None, on_event: OnEvent | None
    ) -> None:
        require_limits(time_limit_s, gap)
        require_threads(model.solver.threads)
        self.study: Study = resolve(case, model)
        self.beta: float | None = None
        self.listener = on_event
        self.solver = Solver(model.solver, self.on_event)
        self.time_limit_s, self.gap = time_limit_s, gap
        self.tangents: dict[Sense, Rows | None] = {"robust": None, "opportunity": None}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.solver.close()

    def on_event(self, event: dict[str, Any]) -> None:
        """Pass an event on with the beta it belongs to."""
        if self.listener is not None:
            self.listener({**event, "beta": self.beta})

    @property
    def asked_gap(self) -> float:
        """The gap that counts as optimal."""
        return self.study.model.solver.gap if self.gap is None else self.gap

    def limit(self, share: float) -> float:
        """A share of the time limit, s."""
        return share * (self.time_limit_s or self.study.model.solver.time_limit_s)

    def baseline(self, share: float = 1.0, start: Mapping[str, float] | None = None) -> Candidate:
        """Solve at the forecast in a share of the time limit, from a start if one is known, dispatch and judge."""
        begun = time.monotonic()
        self.on_event({"kind": "started"})
        known = searched(self.study) if start is None else None
        found = start if known is None else known.binaries
        solved = self.solver.solve(
            self.study,
            time_limit_s=self.limit(share),
            gap=self.gap,
            starts=[found or untouched(self.study)],
            seek=not found or not hard_to_beat(self.study),
        )
        if solved.answer.x is None:
            plan = blank_plan(self.study, "solve", solved)
            if plan.status == "infeasible":
                plan = dataclasses.replace(plan, explanation=explain(self.study, self.solver))
            elif plan.status == "no_plan" and solved.answer.seconds < self.limit(share):
                plan = dataclasses.replace(plan, explanation=CANNOT_BE_RUN)
            return Candidate(plan, None)
        decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
        decisions, run, step = self.accept(solved, decisions)
        plan = plan_of(self.study, solved, decisions, run.dispatch, run.verdict, self.asked_gap)
        plan = decided(plan, step)
        plan = dataclasses.replace(plan, redispatched=step not in ("milp", "none"), seconds=time.monotonic() - begun)
        self.finished(plan)
        return Candidate(plan, decisions)

    def searched(self, algorithm: str, evaluations: int, seed: int) -> Plan:
        """The plan that a search finds, dispatched exactly and judged."""
        begun = time.monotonic()
        study, problem = self.study, problem_of(self.study, dynamic=True)
        require(problem, algorithm, evaluations, seed)
        self.on_event({"kind": "started"})
        settings = study.modes["connected"].settings

        def better(found: Judged) -> None:
            if found.violation == 0.0:
                self.on_event({"kind": "incumbent", "objective": found.objective, "bound": None})

        if settings.topology == "dynamic":
            rng, limit = np.random.default_rng(seed), settings.max_switching_operations
            series, run = search_series(problem, ALGORITHMS[algorithm], evaluations, rng, limit, better)
            trees, sites = series.trees, series.sites
        else:
            run = search(problem, algorithm, evaluations, seed, better)
            trees, sites = ([run.best.choice.tree], run.best.choice.sites) if run.best is not None else ([], NO_SITES)
        history = [list(point) for point in run.history]
        facts = {"algorithm": algorithm, "seed": seed, "evaluations": run.used, "history": history}
        decisions = decisions_of(study, trees, sites) if trees else None
        found = self.dispatch(decisions, study) if decisions is not None else None
        if found is None or decisions is None:
            plan = blank_plan(study, "search", None, decisions)
            plan = dataclasses.replace(plan, explanation=NOTHING_WITHIN, search=facts)
        else:
            plan = plan_of_search(study, decisions, found.dispatch, found.verdict, found.cost, facts)
        plan = dataclasses.replace(plan, seconds=time.monotonic() - begun)
        self.finished(plan)
        return plan

    def finished(self, plan: Plan) -> None:
        """Tell listeners that a plan stands."""
        found = {"alpha": plan.robustness["alpha"]} if plan.robustness else {"objective": plan.objective}
        self.on_event({"kind": "finished", **found, "bound": plan.bound, "gap": plan.gap})

    def accept(self, solved: Solved, decisions: Decisions) -> tuple[Decisions, Run, Step]:
        """The first plan that AC confirms, and the step that found it: the MILP's own, or one with less held of it.

        What is held is given up in steps: first the dispatch is solved anew with exact losses, then the topology is
        free too, then the sites; then the search by AC power flow takes over. Where AC confirms none, the MILP's own
        plan comes back with its violations.
        """
        own = self.judged(solved, decisions, self.study)
        if own.verdict.verdict == "feasible" and self.study.model.losses == "balance":
            return decisions, own, "milp"
        whole = decisions.as_fix(self.study)
        steps: dict[Step, Fix] = {"redispatch": whole, **self.freed(whole)}
        for step, fix in steps.items():
            if solved.cancelled and step != "redispatch":
                break
            study = self.study.decide(stated(fix, self.study.model.fix))
            limit = DISPATCH_S if step == "redispatch" else self.limit(REPAIR_SHARE)
            again = self.solver.solve(
                study,
                time_limit_s=limit,
                gap=DISPATCH_GAP if step == "redispatch" else self.asked_gap,
                starts=[decisions.binaries],
                explore=step != "redispatch",
                quiet=True,
            )
            if again.answer.x is None:
                continue
            found = read_decisions(again.formulation, again.values, again.binaries)
            run = self.judged(again, found, self.study)
            if run.verdict.verdict == "feasible":
                return found, run, step
        rescued = searched(self.study, RESCUE_EVALUATIONS) if not solved.cancelled else None
        last = self.dispatch(rescued, self.study) if rescued is not None else None
        if rescued is not None and last is not None and last.verdict.verdict == "feasible":
            return rescued, last, "search"
        return decisions, own, "none"

    def freed(self, whole: Fix) -> dict[Step, Fix]:
        """What is held of a plan where its topology is decided anew, and then its sites, if there are any."""
        steps: dict[Step, Fix] = {"topology": Fix(dg=whole.dg, ess=whole.ess)}
        return steps | {"sites": Fix()} if self.study.dg or self.study.ess else steps

    def judged(self, solved: Solved, decisions: Decisions, study: Study) -> Run:
        """The dispatch of a solve with its AC verdict."""
        dispatch = read_dispatch(solved.formulation, solved.values, decisions, study.realisation)
        verdict = check_dispatch(blank_plan(self.study, "solve", None, decisions), dispatch)
        return Run(dispatch, verdict, solved.answer.value or 0.0, solved.values)

    def decided(self, decisions: Decisions, study: Study, schedule: Mapping[str, float] | None = None) -> Solved:
        """A study solved at decided sites and topology, exact in its losses."""
        fixed = study.decide(decisions.as_fix(study))
        return self.solver.solve(
            fixed,
            time_limit_s=DISPATCH_S,
            gap=DISPATCH_GAP,
            starts=[decisions.binaries],
            hold=schedule,
            explore=False,
            quiet=True,
        )

    def dispatch(self, decisions: Decisions, study: Study, schedule: Mapping[str, float] | None = None) -> Run | None:
        """Least-cost dispatch of decisions at a study's realisation; None where they cannot be run."""
        solved = self.decided(decisions, study, schedule)
        return self.judged(solved, decisions, study) if solved.answer.x is not None else None

    def question(
        self,
        sense: Sense,
        beta: float | None,
        budget: float | None,
        base: Candidate,
        pool: Iterable[Candidate],
        share: float,
    ) -> Candidate:
        """Answer an info-gap question in a share of the time limit, from the baseline and plans of other betas."""
        begun = time.monotonic()
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
        self.beta = beta
        self.on_event({"kind": "started"})
        asked = horizon(self.study, sense, budget)
        starts = [candidate.decisions.binaries for candidate in (base, *pool) if candidate.decisions]
        solved = self.solver.solve(
            self.study.ask(asked),
            time_limit_s=self.limit(share),
            gap=self.gap,
            starts=starts,
            tangents=self.tangents[sense],
        )
        self.tangents[sense] = solved.tangents or self.tangents[sense]
        found = self.surviving(solved, asked, base)
        if found is None:
            plan = dataclasses.replace(
                blank_plan(self.study, sense, solved), robustness=self.fields(asked, beta, base.plan, None, solved)
            )
            if solved.answer.x is not None and not solved.cancelled:
                plan = dataclasses.replace(plan, status="no_plan", explanation=REFUSED_BY_AC)
            elif plan.status == "infeasible":
                plan = dataclasses.replace(plan, explanation=out_of_reach(asked))
            return Candidate(dataclasses.replace(plan, seconds=time.monotonic() - begun), None)
        decisions, alpha, run, step = found
        plan = self.answered(asked, beta, base.plan, decisions, alpha, run, solved)
        plan = dataclasses.replace(decided(plan, step), seconds=time.monotonic() - begun)
        self.finished(plan)
        return Candidate(plan, decisions)

    def surviving(self, solved: Solved, asked: Horizon, base: Candidate) -> tuple[Decisions, float, Run, Step] | None:
        """The alpha whose AC cost meets the budget at the decisions found; else the baseline at 0, if it does."""
        if solved.answer.x is not None:
            found = self.mended(solved, asked, base.plan.objective or 0.0)
            if found is not None:
                return found
        plan = base.plan
        meets = plan.objective is not None and plan.objective <= asked.budget * (1.0 + BUDGET_TOLERANCE)
        if (
            not meets
            or base.decisions is None
            or plan.dispatch is None
            or plan.ac is None
            or plan.ac.verdict != "feasible"
        ):
            return None
        run = self.dispatch(base.decisions, self.study)
        own = Run(plan.dispatch, plan.ac, plan.objective or 0.0, run.values if run else {})
        return base.decisions, 0.0, own, plan.decided_by

    def mended(
        self, solved: Solved, asked: Horizon, base_objective: float
    ) -> tuple[Decisions, float, Run, Step] | None:
        """The largest alpha that survives AC: at the decisions found, or with topology or sites decided anew.

        Anew where AC leaves little of the alpha that the MILP promised; then with exact losses, so that AC agrees.
        """
        decisions = read_decisions(solved.formulation, solved.values, solved.binaries)
        promised = abs(solved.answer.value or 0.0)
        survived = self.survive(decisions, asked, promised, base_objective)
        best = (decisions, *survived, REDISPATCH) if survived is not None else None
        whole = decisions.as_fix(self.study)
        for step, fix in self.freed(whole).items():
            if solved.cancelled or enough(asked, promised, best[1] if best is not None else None):
                break
            study = self.study.decide(stated(fix, self.study.model.fix))
            again = self.solver.solve(
                study.ask(asked),
                time_limit_s=self.limit(REPAIR_SHARE),
                gap=self.gap,
                starts=[decisions.binaries],
                quiet=True,
            )
            if again.answer.x is None:
                continue
            found = read_decisions(again.formulation, again.values, again.binaries)
            survived = self.survive(found, asked, abs(again.answer.value or 0.0), base_objective)
            if survived is not None and (best is None or survived[0] > best[1]):
                best = found, *survived, step
        return best

    def survive(
        self, decisions: Decisions, asked: Horizon, alpha: float, base_objective: float
    ) -> tuple[float, Run] | None:
        """Correct alpha until the AC cost at its corner meets the budget; None where it never does."""
        towards = -1.0 if asked.sense == "robust" else 1.0
        slope = max(abs(asked.budget - base_objective), 1e-6) / max(alpha, 1e-6)
        before: tuple[float, float] | None = None
        refusals = 0
        for _ in range(CORRECTIONS):
            run = self.dispatch(decisions, self.study.realise(corner(asked, alpha)))
            step = 0.01 * 2**refusals * alpha + 1e-6
            if run is not None and run.verdict.objective is not None and run.verdict.verdict == "feasible":
                excess = run.verdict.objective - asked.budget
                if excess <= BUDGET_TOLERANCE * asked.budget:
                    return alpha, run
                if before is not None and excess < before[1] and alpha != before[0]:
                    slope = (before[1] - excess) / abs(alpha - before[0])
                before = alpha, excess
                step = 1.02 * excess / slope + 1e-9
            else:
                refusals += 1
            alpha = min(asked.alpha_ub, alpha + towards * step)
            if alpha < 0.0:
                return None
        return None

    def answered(
        self,
        asked: Horizon,
        beta: float | None,
        base: Plan,
        decisions: Decisions,
        alpha: float,
        run: Run,
        solved: Solved,
    ) -> Plan:
        """The plan of an info-gap answer: dispatch at the corner and at the forecast, attacked at vertices."""
        forecast = self.dispatch(decisions, self.study, run.schedule)
        plan = plan_of(self.study, solved, decisions, run.dispatch, run.verdict, self.asked_gap)
        fields = self.fields(
            asked, beta, base, alpha if matters(self.study, len(decisions.dg), asked) else None, solved
        )
        fields["objective_forecast"] = forecast.verdict.objective if forecast else None
        if fields["alpha"] is None:
            fields["alpha_limit"], fields["alpha_bound"] = "unbounded", None
        elif asked.sense == "robust" and alpha > 0.0:
            fields["alpha_floor"] = self.floor(asked, beta, base, decisions, alpha)
        warnings = (
            []
            if run.verdict.verdict == "feasible"
            else ["AC power flow does not accept the dispatch at the worst case"]
        )
        if asked.sense == "robust" and fields["alpha"]:
            fields["worst_case"], broken = self.attack(asked, alpha, decisions, run.schedule)
            warnings += broken
        gap = alpha_gap(fields["alpha"], fields["alpha_bound"], abs(solved.answer.value or 0.0), plan.bound_of)
        return dataclasses.replace(
            plan,
            kind=asked.sense,
            status=question_status(plan, fields, gap, self.asked_gap),
            dispatch_forecast=forecast.dispatch if forecast else None,
            ac_forecast=forecast.verdict if forecast else None,
            model_objective=run.cost,
            bound=fields["alpha_bound"],
            gap=gap,
            redispatched=True,
            robustness=fields,
            warnings=tuple(warnings),
        )

    def fields(
        self, asked: Horizon, beta: float | None, base: Plan, alpha: float | None, solved: Solved
    ) -> dict[str, Any]:
        """The fields that an info-gap answer adds to a plan."""
        bound = abs(solved.answer.bound) if math.isfinite(solved.answer.bound) else None
        if asked.sense == "robust" and bound is not None:
            bound = min(bound, asked.alpha_ub)
        physical = alpha is not None and alpha >= asked.alpha_ub * (1.0 - 1e-9)
        return {
            "alpha": alpha,
            "alpha_bound": bound,
            "alpha_floor": None,
            "alpha_limit": "physical" if physical else "budget",
            "beta": beta,
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

    def floor(self, asked: Horizon, beta: float | None, base: Plan, decisions: Decisions, alpha: float) -> float | None:
        """What the plan reaches at ``(1 + beta)`` times the bound of the baseline; None where that is out of reach."""
        if base.bound is None or base.objective is None or base.bound_of != "ac":
            return None
        budget = asked.budget * base.bound / base.objective if beta is not None else None
        if budget is None:
            return alpha
        smaller = dataclasses.replace(asked, budget=budget)
        solved = self.decided(decisions, self.study.ask(smaller))
        if solved.answer.x is None:
            return None
        survived = self.survive(decisions, smaller, abs(solved.answer.value or 0.0), base.objective)
        return survived[0] if survived else None

    def attack(
        self, asked: Horizon, alpha: float, decisions: Decisions, schedule: Mapping[str, float]
    ) -> tuple[dict[str, Any], list[str]]:
        """Try to break a plan at vertices of the uncertainty set; sites, topology and storage schedule stay."""
        costs = []
        for vertex in vertices(self.study, asked, alpha, VERTICES_ATTACKED, self.study.model.solver.seed):
            solved = self.decided(decisions, vertex, schedule)
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


def stated(held: Fix, by_user: Fix) -> Fix:
    """What is held of a plan, and what the user states anyway."""
    return Fix(
        dg=held.dg if held.dg is not None else by_user.dg,
        ess=held.ess if held.ess is not None else by_user.ess,
        open_lines={**by_user.open_lines, **held.open_lines},
    )


def enough(asked: Horizon, promised: float, survived: float | None) -> bool:
    """Whether AC leaves so much of the promised alpha that it is not worth while to decide anew."""
    if asked.sense != "robust":
        return survived is not None
    return (survived or 0.0) >= KEPT_ALPHA * promised - LITTLE_ALPHA


def decided(plan: Plan, step: Step) -> Plan:
    """A plan with the step that decided it; a proof of the linear problem says nothing of a plan decided anew."""
    other = step in ("topology", "sites", "search") and plan.bound_of == "linear" and plan.status == "optimal"
    return dataclasses.replace(plan, decided_by=step, status="feasible" if other else plan.status)


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


def require_limits(time_limit_s: float | None, gap: float | None) -> None:
    """Refuse limits that mean nothing."""
    findings = []
    if time_limit_s is not None and not 0.0 < time_limit_s < math.inf:
        findings.append(
            Finding(f"time_limit_s {time_limit_s:g} must be positive", "/options/time_limit_s", time_limit_s)
        )
    if gap is not None and not 0.0 <= gap < 1.0:
        findings.append(Finding(f"gap {gap:g} must be 0 or more, and below 1", "/options/gap", gap))
    if findings:
        raise InputError(findings)


def require_threads(threads: int) -> None:
    """Refuse more threads than this process may use; two are always allowed, so that plans do not hang on the machine.

    Raises
    ------
    InputError
    """
    allowed = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if threads > allowed:
        message = f"{threads} threads are more than the {allowed} that this process may use"
        raise InputError.of(message, path="/model/solver/threads", got=threads)
