"""Sweeps as jobs: done in this process or by an executor, kept in a store, and put together to curves."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from functools import partial
from typing import Any

from igdt_planner.case import Case
from igdt_planner.errors import InputError
from igdt_planner.infogap.proof import tightened
from igdt_planner.infogap.worst_case import Sense, horizon
from igdt_planner.jobs import (
    Job,
    baseline_job,
    failed_plan,
    perform,
    plan_of,
    question_job,
    request_of,
    rival_job,
    run_job,
    session_of,
)
from igdt_planner.model import Model
from igdt_planner.plan import Plan
from igdt_planner.results.curve import Curve
from igdt_planner.session import OnEvent, Session
from igdt_planner.store import Result, Store, key_of
from igdt_planner.study import resolve


class Desk:
    """Where jobs are done: looked up in the store, else solved here one by one, or handed to an executor.

    After an interrupt nothing more is begun.
    """

    def __init__(self, store: Store | None, on_event: OnEvent | None) -> None:
        self.store, self.listener = store, on_event
        self.interrupted = False
        self.session: Session | None = None
        self.shared: Job = {}

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        if self.session is not None:
            self.session.solver.close()

    def results(self, jobs: Sequence[Job], executor: Executor | None = None) -> list[Result | None]:
        """The result of every job; None of those that an interrupt left undone."""
        found: list[Result | None] = [None] * len(jobs)
        try:
            for number, result in self.here(jobs) if executor is None else self.there(jobs, executor):
                found[number] = result
        except KeyboardInterrupt:
            self.interrupted = True
        return found

    def here(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Result]]:
        """Jobs done one after the other."""
        for number, job in enumerate(jobs):
            if self.interrupted:
                return
            kept = self.kept(job)
            yield number, kept if kept is not None else self.tried(job, partial(self.solved, job))

    def there(self, jobs: Sequence[Job], executor: Executor) -> Iterator[tuple[int, Result]]:
        """Jobs handed to an executor, in the order in which they are done."""
        waiting: dict[Future[Result], int] = {}
        try:
            for number, job in enumerate(jobs):
                kept = self.kept(job)
                if kept is None:
                    waiting[submitted(executor, job)] = number
                else:
                    yield number, kept
            for future in as_completed(waiting):
                number = waiting[future]
                result = self.tried(jobs[number], future.result)
                self.tell(jobs[number], result)
                yield number, result
        finally:
            for future in waiting:
                future.cancel()

    def kept(self, job: Job) -> Result | None:
        """What the store holds of a job; a failure is none, so that it is tried again."""
        result = self.store.get(key_of(request_of(job))) if self.store is not None else None
        if result is None or "failed" in result:
            return None
        self.tell(job, result)
        return result

    def solved(self, job: Job) -> Result:
        """A job done here, in the session of the job before where the two can share it."""
        shared = {name: job[name] for name in ("case", "model", "options")}
        if self.session is None or self.shared != shared:
            self.__exit__()
            self.session, self.shared = session_of(job, partial(self.pass_on, job)), shared
        result = perform(self.session, job)
        self.interrupted = self.session.solver.worker.interrupted
        return result

    def tried(self, job: Job, solve: Callable[[], Result]) -> Result:
        """A new result, kept unless an interrupt cut it short. What goes wrong is a result, so that others go on."""
        begun = time.monotonic()
        try:
            result = solve()
        except InputError:
            raise
        except Exception as error:
            result = {"failed": f"{type(error).__name__}: {error}", "seconds": [time.monotonic() - begun]}
        cut = self.interrupted or ("plan" in result and result["plan"]["status"] == "cancelled")
        if self.store is not None and not cut:
            about = {"verb": job["verb"], "model_name": job["model"]["name"], "beta": job.get("beta")}
            self.store.put(key_of(request_of(job)), result, **about)
        return result

    def tell(self, job: Job, result: Result) -> None:
        """Tell listeners of a result that did not come about before their eyes."""
        plan = result.get("plan", {})
        found = {name: plan.get(name) for name in ("objective", "alpha", "bound", "gap")}
        if job["verb"] != "solve":
            del found["objective"]
        self.pass_on(job, {"kind": "finished" if plan else "failed", "beta": job.get("beta"), **found})

    def pass_on(self, job: Job, event: dict[str, Any]) -> None:
        """Pass an event on with the model it belongs to."""
        if self.listener is not None:
            self.listener({**event, "model": job["model"]["name"]})


def submitted(executor: Executor, job: Job) -> Future[Result]:
    """A job handed to an executor; where it takes no more, a future that says so."""
    try:
        return executor.submit(run_job, job)
    except RuntimeError as error:
        refused: Future[Result] = Future()
        refused.set_exception(error)
        return refused


def curves(
    case: Case,
    models: Sequence[Model],
    betas: Sequence[float],
    *,
    time_limit_s: float | None,
    gap: float | None,
    executor: Executor | None,
    folder: str | os.PathLike[str] | None,
    resume: bool,
    on_event: OnEvent | None,
    sense: Sense,
    alpha_gap: float | None,
) -> list[Curve]:
    """Robust plans of every model over a grid of betas, in three rounds of jobs that depend on earlier rounds alone.

    First all baselines, in this process; then every beta from its baseline; then, where a plan of a smaller beta
    promises more than the own one, the two are compared. So no result hangs on the order in which others came. An
    interrupt leaves out what is not done; a model without a baseline has no curve.

    Raises
    ------
    InputError
        A model whose question is refused, or a store that holds results which are not to be resumed.
    """
    for model in models:
        horizon(resolve(case, model), sense, 1.0)
    store = Store(folder) if folder is not None else None
    first = [baseline_job(case, model, time_limit_s, gap) for model in models]
    if store is not None and not resume and any(store.get(key_of(request_of(job))) is not None for job in first):
        raise store.error("holds results of this sweep already; resume it, or name another folder")
    with Desk(store, on_event) as desk:
        baselines = desk.results(first)
        grids = [
            [question_job(job, baseline, beta, sense, alpha_gap) for beta in sorted(betas)]
            if baseline and usable(baseline)
            else []
            for job, baseline in zip(first, baselines, strict=True)
        ]
        own = split(desk.results([job for grid in grids for job in grid], executor), grids)
        contests = [
            (row, column, rival_job(grids[row][column], found, rivals))
            for row, results in enumerate(own)
            for column, found in enumerate(results)
            if sense == "robust" and found is not None and (rivals := rivals_of(found, results[:column]))
        ]
        winners = desk.results([job for *_, job in contests], executor)
        for (row, column, _), best in zip(contests, winners, strict=True):
            own[row][column] = best if best is not None and "plan" in best else own[row][column]
    return [
        curve_of(case, model, baseline, grid, results, asked_gap(model, gap, alpha_gap))
        for model, baseline, grid, results in zip(models, baselines, grids, own, strict=True)
        if baseline is not None
    ]


def asked_gap(model: Model, gap: float | None, alpha_gap: float | None) -> float:
    """The gap of alpha that counts as optimal."""
    stated = gap if alpha_gap is None else alpha_gap
    return model.solver.gap if stated is None else stated


def usable(baseline: Result) -> bool:
    """Whether a baseline has an objective that budgets can refer to, or is refused, so that every answer says so."""
    plan = baseline.get("plan")
    if plan is None or plan["status"] == "cancelled":
        return False
    return plan["objective"] is not None or plan["status"] == "refused"


def split(results: list[Result | None], grids: Sequence[Sequence[Job]]) -> list[list[Result | None]]:
    """Results in a row, by the grid that each belongs to."""
    rest = iter(results)
    return [[next(rest) for _ in grid] for grid in grids]


def rivals_of(own: Result, smaller: Sequence[Result | None]) -> list[Result]:
    """Plans of smaller betas, other than the own one, that may survive more at its budget; each once."""
    plan = own.get("plan")
    if plan is None or plan["status"] == "infeasible" or plan["alpha_limit"] in ("physical", "unbounded"):
        return []
    rivals: dict[str, Result] = {}
    for other in smaller:
        if other is None or "plan" not in other or not other["plan"]["alpha"]:
            continue
        if decisions(other) != decisions(own) and promise(other["plan"], plan["budget"]) > (plan["alpha"] or 0.0):
            rivals[decisions(other)] = other
    return list(rivals.values())


def decisions(result: Result) -> str:
    """What tells the decisions of plans apart."""
    return repr([result["plan"][name] for name in ("dg", "ess", "open_lines")])


def promise(plan: Mapping[str, Any], budget: float) -> float:
    """The most alpha that a plan can reach at a larger budget.

    With decisions fixed, the cost of the worst case is convex in alpha: more budget brings less and less.
    """
    alpha, at_forecast, own = plan["alpha"], plan["objective_forecast"], plan["budget"]
    if at_forecast is None or own <= at_forecast:
        return math.inf
    return float(alpha * (budget - at_forecast) / (own - at_forecast))


def curve_of(
    case: Case, model: Model, baseline: Result, grid: Sequence[Job], results: Sequence[Result | None], gap: float
) -> Curve:
    """The curve of a model: each plan under the least bound of those at larger betas."""

    def plan(result: Result, kind: str, beta: float | None) -> Plan:
        return plan_of(result) if "plan" in result else failed_plan(case, model, kind, beta, result["failed"])

    plans = [
        plan(result, job["verb"], job["beta"]) for job, result in zip(grid, results, strict=True) if result is not None
    ]
    failed = [one for one in plans if one.status == "failed"]
    sound = tightened((one for one in plans if one.status != "failed"), gap)
    return Curve(
        plan(baseline, "solve", None), tuple(sorted([*sound, *failed], key=lambda one: one.robustness["beta"]))
    )
