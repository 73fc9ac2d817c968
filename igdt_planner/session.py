"""One case under one model with one solver process: limits, events, and decisions dispatched and judged by AC."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from igdt_planner.ac.check import check_dispatch
from igdt_planner.case import Case
from igdt_planner.errors import Finding, InputError
from igdt_planner.formulation.solution import Decisions, read_dispatch
from igdt_planner.infogap.worst_case import Sense
from igdt_planner.model import Model
from igdt_planner.outcome import blank_plan
from igdt_planner.plan import AcVerdict, Dispatch, Plan
from igdt_planner.solver.problem import Rows
from igdt_planner.solver.solve import Solved, Solver
from igdt_planner.study import Study, resolve

OnEvent = Callable[[dict[str, Any]], None]

DISPATCH_S, DISPATCH_GAP = 60.0, 1e-6
"""Time limit and gap of a dispatch at decided sites and topology."""


@dataclass(frozen=True)
class Run:
    """Decisions dispatched at one realisation: tables, AC verdict, the model's cost if known, variables by name."""

    dispatch: Dispatch
    verdict: AcVerdict
    cost: float | None
    values: Mapping[str, float]

    @property
    def schedule(self) -> dict[str, float]:
        """Charging and discharging of every ESS: what is decided before the uncertainty is known."""
        return schedule_of(self.values)


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

    def use_threads(self, threads: int) -> None:
        """Solve on so many threads from now on; HiGHS takes another number in a new process only."""
        if threads != self.solver.choice.threads:
            self.solver.close()
            self.solver.choice = self.solver.choice.model_copy(update={"threads": threads})

    def limit(self, share: float) -> float:
        """A share of the time limit, s."""
        return share * (self.time_limit_s or self.study.model.solver.time_limit_s)

    def finished(self, plan: Plan) -> None:
        """Tell listeners that a plan stands."""
        found = {"alpha": plan.robustness["alpha"]} if plan.robustness else {"objective": plan.objective}
        self.on_event({"kind": "finished", **found, "bound": plan.bound, "gap": plan.gap})

    def judged(self, solved: Solved, decisions: Decisions, study: Study) -> Run:
        """The dispatch of a solve with its AC verdict."""
        dispatch = read_dispatch(solved.formulation, solved.values, decisions, study.realisation)
        verdict = check_dispatch(blank_plan(self.study, "solve", None, decisions), dispatch)
        return Run(dispatch, verdict, solved.answer.value, solved.values)

    def decided(
        self,
        decisions: Decisions,
        study: Study,
        schedule: Mapping[str, float] | None = None,
        time_limit_s: float = DISPATCH_S,
    ) -> Solved:
        """A study solved at decided sites and topology, exact in its losses."""
        fixed = study.decide(decisions.as_fix(study))
        return self.solver.solve(
            fixed,
            time_limit_s=time_limit_s,
            gap=DISPATCH_GAP,
            starts=[decisions.binaries],
            hold=schedule,
            explore=False,
            bounded=False,
            quiet=True,
        )

    def dispatch(
        self,
        decisions: Decisions,
        study: Study,
        schedule: Mapping[str, float] | None = None,
        time_limit_s: float = DISPATCH_S,
    ) -> Run | None:
        """Least-cost dispatch of decisions at a study's realisation, else the one nearest to its limits, if any."""
        solved = self.decided(decisions, study, schedule, time_limit_s)
        return self.judged(solved, decisions, study) if solved.values else None


def schedule_of(values: Mapping[str, float]) -> dict[str, float]:
    """Charging and discharging in the first scenario of a question."""
    return {
        name: max(0.0, value)
        for name, value in values.items()
        if name.startswith("mode[") and (".p_charge[" in name or ".p_discharge[" in name)
    }


def require_limits(time_limit_s: float | None, gap: float | None, alpha_gap: float | None = None) -> None:
    """Refuse limits that mean nothing; all faults at once."""
    findings = []
    if time_limit_s is not None and not 0.0 < time_limit_s < math.inf:
        findings.append(
            Finding(f"time_limit_s {time_limit_s:g} must be positive", "/options/time_limit_s", time_limit_s)
        )
    for value, path in ((gap, "/options/gap"), (alpha_gap, "/study/alpha_gap")):
        if value is not None and not 0.0 <= value < 1.0:
            name = path.rpartition("/")[2]
            findings.append(Finding(f"{name} {value:g} must be 0 or more, and below 1", path, value))
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
