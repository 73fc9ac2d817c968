"""One case under one model with one solver process: baseline, info-gap questions, and the plan that survives AC."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from igdt_planner.ac.check import check_dispatch
from igdt_planner.case import Case
from igdt_planner.errors import Finding, InputError
from igdt_planner.formulation.solution import Decisions, read_decisions, read_dispatch
from igdt_planner.igdt import Sense
from igdt_planner.infeasible import explain
from igdt_planner.model import Fix, Model
from igdt_planner.outcome import blank_plan, plan_of
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Step
from igdt_planner.problem import Rows
from igdt_planner.search.algorithms import ALGORITHMS, require, search
from igdt_planner.search.dynamic import search_series
from igdt_planner.search.problem import Judged, problem_of
from igdt_planner.searched import decisions_of, plan_of_search
from igdt_planner.solve import Solved, Solver
from igdt_planner.starts import hard_to_beat, searched, untouched
from igdt_planner.study import Study, resolve

OnEvent = Callable[[dict[str, Any]], None]

DISPATCH_S, DISPATCH_GAP = 60.0, 1e-6
"""Time limit and gap of a dispatch at decided sites and topology."""
RESCUE_EVALUATIONS = 4_000
"""AC power flows of the search that takes over where AC refuses all that the MILP finds."""
REPAIR_SHARE = 0.25
"""Share of the time limit that a repair gets, once with the topology free and once with the sites free too."""
NO_SITES = np.empty(0, dtype=np.int64)
CANNOT_BE_RUN = "what the relaxation allows cannot be run by AC power flow; of other plans nothing is proven"
NOTHING_WITHIN = "the search found no plan that keeps every limit of the case and the model; nothing is proven"


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


def stated(held: Fix, by_user: Fix) -> Fix:
    """What is held of a plan, and what the user states anyway."""
    return Fix(
        dg=held.dg if held.dg is not None else by_user.dg,
        ess=held.ess if held.ess is not None else by_user.ess,
        open_lines={**by_user.open_lines, **held.open_lines},
    )


def decided(plan: Plan, step: Step) -> Plan:
    """A plan with the step that decided it; a proof of the linear problem says nothing of a plan decided anew."""
    other = step in ("topology", "sites", "search") and plan.bound_of == "linear" and plan.status == "optimal"
    return dataclasses.replace(plan, decided_by=step, status="feasible" if other else plan.status)


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
