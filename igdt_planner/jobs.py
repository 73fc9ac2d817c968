"""The solves of a sweep as jobs of their own: plain values in, plain values out, wherever they run.

A job depends on nothing but what it holds, so its result is the same in this process, in a pool or on another machine,
unless its time limit ends it. Baselines use the threads that their model states; all else uses one, so that as many can
be done side by side as there are cores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from igdt_planner.baseline import baseline
from igdt_planner.case import Case, case_to_dict, load_case
from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.proof import alpha_gap, question_status
from igdt_planner.infogap.question import Question, answer
from igdt_planner.infogap.worst_case import Sense, ambiguity, question_of
from igdt_planner.model import Model, Site, load_model
from igdt_planner.outcome import blank_plan, settled
from igdt_planner.plan import Plan
from igdt_planner.repair import decided
from igdt_planner.results.document import ROBUST_FIELDS, plan_from_dict, plan_to_dict
from igdt_planner.session import Candidate, OnEvent, Session
from igdt_planner.store import Result, canonical, digest
from igdt_planner.study import resolve

SWEEP_SHARE = 0.16
"""Time that each beta of a sweep gets, as a share of the baseline's."""

Job = dict[str, Any]


def baseline_job(case: Case, model: Model, time_limit_s: float | None, gap: float | None) -> Job:
    """The least-cost plan that the budgets of a sweep refer to."""
    return {
        "verb": "solve",
        "case": case_to_dict(case),
        "model": model.model_dump(mode="json"),
        "options": {"time_limit_s": time_limit_s, "gap": gap},
    }


def question_job(
    first: Job, baseline: Result, beta: float, sense: Sense = "robust", alpha_gap: float | None = None
) -> Job:
    """The robust plan of one beta, or the opportunity, from the baseline alone; a gap of its own, if one is stated."""
    options = first["options"] if alpha_gap is None else {**first["options"], "gap": alpha_gap}
    return {**first, "options": options, "verb": sense, "beta": beta, "baseline": canonical(baseline)}


def rival_job(job: Job, own: Result, rivals: Iterable[Result]) -> Job:
    """The best of one beta's own plan and plans of smaller betas."""
    return {**job, "verb": "rival", "own": canonical(own), "rivals": [canonical(rival) for rival in rivals]}


def request_of(job: Job) -> dict[str, Any]:
    """What identifies a job: itself, with other jobs' results by their digests."""
    request = {name: value for name, value in job.items() if name not in ("baseline", "own", "rivals")}
    digests = {name: digest(job[name]) for name in ("baseline", "own", "rivals") if name in job}
    return {**request, "digests": digests}


def session_of(job: Job, on_event: OnEvent | None = None) -> Session:
    """The session that a job runs in; jobs of the same case, model and options can share one."""
    return Session(load_case(job["case"]), load_model(job["model"]), **job["options"], on_event=on_event)


def run_job(job: Job) -> Result:
    """Do a job in a session of its own: what an executor runs."""
    with session_of(job) as session:
        return perform(session, job)


def perform(session: Session, job: Job) -> Result:
    """Do a job. What goes wrong in it is a result too; only bad input is an error."""
    session.tangents = dict.fromkeys(session.tangents)  # those of another job would make this one depend on it
    session.use_threads(session.study.model.solver.threads if job["verb"] == "solve" else 1)
    verbs = {"solve": solve, "robust": asked, "opportunity": asked, "rival": outdone}
    candidate = verbs[job["verb"]](session, job)
    document = plan_to_dict(candidate.plan)
    seconds = [part.pop("seconds") for part in (document, *document["steps"])]
    binaries = candidate.decisions.binaries if candidate.decisions else {}
    start = sorted(name for name, value in binaries.items() if value > 0.5)
    return {"plan": document, "start": start, "seconds": seconds}


def solve(session: Session, job: Job) -> Candidate:
    """The baseline."""
    session.beta = None
    return baseline(session)


def asked(session: Session, job: Job) -> Candidate:
    """The robust plan, or the opportunity, of one beta."""
    return answer(session, job["verb"], job["beta"], None, candidate_of(job["baseline"]), (), SWEEP_SHARE)


def outdone(session: Session, job: Job) -> Candidate:
    """The own plan of a beta, or that of a smaller one where it survives more at this budget.

    Where the worst case is no corner, the own plan stays.
    """
    session.beta = job["beta"]
    own = best = candidate_of(job["own"])
    found = ambiguity(session.study, "robust")
    if not found.corner:
        return own
    horizon = question_of(session.study, found, "robust", own.plan.robustness["budget"])
    question = Question(session, horizon, found, job["beta"], candidate_of(job["baseline"]))
    for rival in map(candidate_of, job["rivals"]):
        assert rival.decisions is not None
        solved = session.decided(rival.decisions, session.study.ask(question.asked))
        reached = best.plan.robustness["alpha"] or 0.0
        if solved.answer.x is None or abs(solved.answer.value or 0.0) <= reached:
            continue
        survived = question.survive(question.asked, rival.decisions, abs(solved.answer.value or 0.0))
        if survived is not None and survived[0] > reached:
            plan = decided(question.answered(rival.decisions, *survived, solved), "redispatch", own.plan.steps)
            best = Candidate(under(plan, own.plan, session.asked_gap), rival.decisions)
    return best


def under(plan: Plan, own: Plan, asked_gap: float) -> Plan:
    """A fixed plan under the bound of all plans; a linear bound is not compared with what it reaches by AC."""
    fields = {**plan.robustness, "alpha_bound": own.bound}
    reached = fields["alpha"] if plan.bound_of == "ac" else 0.0
    gap = alpha_gap(fields["alpha"], own.bound, reached)
    status = question_status(plan, fields, gap, asked_gap)
    return settled(dataclasses.replace(plan, robustness=fields, bound=own.bound, gap=gap, status=status))


def plan_of(result: Mapping[str, Any]) -> Plan:
    """The plan of a result."""
    document = result["plan"]
    own, *of_steps = result.get("seconds") or [0.0] * (1 + len(document["steps"]))
    steps = [{**step, "seconds": seconds} for step, seconds in zip(document["steps"], of_steps, strict=True)]
    return plan_from_dict({**document, "seconds": own, "steps": steps})


def candidate_of(result: Mapping[str, Any]) -> Candidate:
    """The plan of a result, with its decisions for a solve to start from."""
    plan = plan_of(result)
    if plan.dispatch is None:
        return Candidate(plan, None)
    dg, ess = (
        tuple(Site(bus=site["bus"], technology=site["technology"]) for site in result["plan"][kind])
        for kind in ("dg", "ess")
    )
    return Candidate(plan, Decisions(dg, ess, plan.open_lines, dict.fromkeys(result["start"], 1.0)))


def failed_plan(case: Case, model: Model, kind: str, beta: float | None, why: str) -> Plan:
    """What stands in a curve where a job failed."""
    plan = blank_plan(resolve(case, model), kind, None)
    fields = dict.fromkeys(ROBUST_FIELDS) | {"beta": beta} if beta is not None else {}
    return dataclasses.replace(plan, status="failed", explanation=f"failed: {why}", robustness=fields)
