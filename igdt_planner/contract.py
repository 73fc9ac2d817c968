"""The JSON contract for other programs: one request in, one response out, never a traceback."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from igdt_planner.case import Case, list_cases, load_case
from igdt_planner.errors import Finding, InputError, PlannerError, placed
from igdt_planner.model import Model, list_models, load_model, override
from igdt_planner.outcome import blank_plan
from igdt_planner.pareto import plain
from igdt_planner.plan import Plan
from igdt_planner.planner import (
    check,
    compare,
    drivers,
    opportunity,
    pareto,
    robust,
    robustness,
    search,
    solve,
    sweep,
    tradeoff,
    worth_of_one_more,
)
from igdt_planner.request import TAKES, Request, identity, parse, printable, require_plain
from igdt_planner.results.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.study import resolve
from igdt_planner.witness.evidence import evidence

VERSION = importlib.metadata.version("igdt-planner")


def run(request: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """Answer one request.

    Parameters
    ----------
    request : mapping
        ``{schema, id?, case, model, study: {kind, beta, betas, budget, plan, ...}, options: {time_limit_s, gap,
        threads, seed}}``.
    on_event : callable, optional
        Receives progress events.

    Returns
    -------
    dict
        ``{schema, id, version, status, request, runs, result, warnings, error}``. Bad input is an answer with status
        ``failed`` and an ``error`` that names every field, never an exception.
    """
    response: dict[str, Any] = {
        "schema": SCHEMA,
        "id": identity(request),
        "version": VERSION,
        "status": "failed",
        "request": None,
        "runs": [],
        "result": None,
        "warnings": [],
        "error": None,
    }
    try:
        require_plain(request)
        parsed = parse(request)
        response["request"] = parsed.model_dump(mode="json", by_alias=True)
        plans, result = ANSWERS[parsed.study.kind](parsed, on_event)
    except PlannerError as error:
        return response | {"error": error_of(error)}
    runs = [plan_to_dict(plan) for plan in plans]
    warnings = list(dict.fromkeys(warning for plan in plans for warning in plan.warnings))
    status = overall([plan.status for plan in plans])
    return clean(response | {"status": status, "runs": runs, "result": result, "warnings": warnings})


def error_of(error: PlannerError) -> dict[str, Any]:
    """The error of a response."""
    findings = error.findings if isinstance(error, InputError) else ()
    fields = [{"path": f.path, "message": str(f), "got": printable(f.got)} for f in findings]
    hint = next((f.hint for f in findings if f.hint), None)
    return {"code": error.code, "message": str(error), "fields": fields, "hint": hint}


def overall(statuses: list[str]) -> str:
    """One status for all runs: the one that asks for most attention."""
    order = ["failed", "cancelled", "refused", "no_plan", "infeasible", "feasible", "optimal"]
    return min(statuses, key=order.index, default="no_plan")


def sources(request: Request) -> tuple[Case, Model]:
    """Case and model of a request, the model with the request's threads and seed; faults of both at once."""
    if request.case is None or request.model is None:
        missing = [name for name in ("case", "model") if getattr(request, name) is None]
        raise InputError([Finding(f"study.kind {request.study.kind} needs a {name}", f"/{name}") for name in missing])
    findings: list[Finding] = []
    loaded: list[Any] = []
    for what, source, load, shipped in (
        ("case", request.case, load_case, list_cases()),
        ("model", request.model, load_model, list_models()),
    ):
        try:
            loaded.append(load(source.value(what, shipped)))
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    case, model = loaded
    wanted = {"solver.threads": request.options.threads, "solver.seed": request.options.seed}
    return case, override(model, {key: value for key, value in wanted.items() if value is not None})


def limits(request: Request, on_event: Any) -> dict[str, Any]:
    """Keyword arguments that every verb takes."""
    return {"time_limit_s": request.options.time_limit_s, "gap": request.options.gap, "on_event": on_event}


class Answer(NamedTuple):
    """Plans found or asked about, and the document of what was found out about them where it is more than they are."""

    plans: list[Plan]
    result: dict[str, Any] | None = None


def answer_solve(request: Request, on_event: Any) -> Answer:
    """Kind ``solve``."""
    return Answer([solve(*sources(request), **limits(request, on_event))])


def answer_robust(request: Request, on_event: Any) -> Answer:
    """Kind ``robust``."""
    case, model = sources(request)
    return Answer([robust(case, model, request.study.beta, budget=request.study.budget, **limits(request, on_event))])


def answer_opportunity(request: Request, on_event: Any) -> Answer:
    """Kind ``opportunity``."""
    case, model = sources(request)
    asked: dict[str, Any] = {"budget": request.study.budget, **limits(request, on_event)}
    return Answer([opportunity(case, model, request.study.beta, **asked)])


def answer_sweep(request: Request, on_event: Any) -> Answer:
    """Kind ``sweep``: one run a beta."""
    case, model = sources(request)
    asked = given(request, "sense", "alpha_gap")
    curve = sweep(case, model, request.study.betas or [], **asked, **limits(request, on_event))
    return Answer(list(curve.plans) or [curve.baseline])


def answer_search(request: Request, on_event: Any) -> Answer:
    """Kind ``search``."""
    case, model = sources(request)
    asked = given(request, *TAKES["search"])
    return Answer([search(case, model, **asked, seed=model.solver.seed, on_event=on_event)])


def answer_pareto(request: Request, on_event: Any) -> Answer:
    """Kind ``pareto``: one run a point, what was not found among the warnings; without points one run without plan."""
    case, model = sources(request)
    asked = given(request, "method", "points", "evaluations")
    names = request.study.objectives or []
    found = pareto(case, model, names, **asked, seed=model.solver.seed, **limits(request, on_event))
    if not found.plans:
        blank = blank_plan(resolve(case, plain(model, names, {})), "pareto", None)
        return Answer([replace(blank, status=found.status, explanation="; ".join(found.missed))])
    first, *others = found.plans
    return Answer([replace(first, warnings=(*first.warnings, *found.missed)), *others])


def answer_check(request: Request, on_event: Any) -> Answer:
    """Kind ``check``: the plan document judged anew."""
    return Answer([check(plan_of(request))])


def answer_robustness(request: Request, on_event: Any) -> Answer:
    """Kind ``robustness``: the plans as they were given, and the curve of the one or the comparison of several."""
    study = request.study
    asked: dict[str, Any] = {"base_objective": study.base_objective, "on_event": on_event}
    if study.plans is None:
        plan = plan_of(request)
        with placed("/study/plan"):
            curve = robustness(plan, study.betas or [], **asked, **given(request, "sense"))
        return Answer([curve.plan], curve.to_dict())
    if study.plan is not None:
        raise InputError.of("study.plan and study.plans exclude each other", path="/study/plan")
    if study.sense == "opportunity":
        message = "plans are compared by what they survive: study.sense is robust, or asked of one plan"
        raise InputError.of(message, path="/study/sense", got=study.sense)
    found = compare(plans_from(study.plans), study.betas or [], **asked)
    return Answer([curve.plan for curve in found.curves.values()], found.to_dict())


def answer_evidence(request: Request, on_event: Any) -> Answer:
    """Kind ``evidence``: the plan as it was given, and what became of it under samples."""
    plan, seed = plan_of(request), request.options.seed or 0
    with placed("/study/plan"):
        found = evidence(plan, **given(request, "samples"), seed=seed, on_event=on_event)
    return Answer([plan], found.to_dict())


def answer_drivers(request: Request, on_event: Any) -> Answer:
    """Kind ``drivers``: the plan as it was given, and what drives its alpha."""
    plan = plan_of(request)
    return Answer([plan], drivers(plan).to_dict())


def answer_tradeoff(request: Request, on_event: Any) -> Answer:
    """Kind ``tradeoff``: the baseline, and the front of two alphas."""
    case, model = sources(request)
    found = tradeoff(case, model, beta_of(request), **given(request, "points"), **limits(request, on_event))
    return Answer([found.baseline], found.to_dict())


def answer_worth(request: Request, on_event: Any) -> Answer:
    """Kind ``worth``: the robust plan of each change, and what it gains in alpha."""
    case, model = sources(request)
    found = worth_of_one_more(case, model, beta_of(request), **given(request, "lines"), **limits(request, on_event))
    return Answer(list(found.plans.values()), found.to_dict())


def beta_of(request: Request) -> float:
    """The beta of a study that takes no budget."""
    if request.study.beta is None:
        raise InputError.of(f"study.kind {request.study.kind} needs study.beta", path="/study/beta")
    return request.study.beta


def given(request: Request, *names: str) -> dict[str, Any]:
    """Fields of the study that are stated; what is absent comes from the verb."""
    asked = {name: getattr(request.study, name) for name in names}
    return {name: value for name, value in asked.items() if value is not None}


def plan_of(request: Request) -> Plan:
    """The plan that a study is about."""
    kind, document = request.study.kind, request.study.plan
    if document is None:
        several = ", or several in study.plans" if "plans" in TAKES[kind] else ""
        raise InputError.of(f"study.kind {kind} needs study.plan, a plan document{several}", path="/study/plan")
    with placed("/study/plan"):
        return plan_from_dict(document)


def plans_from(documents: list[dict[str, Any]]) -> list[Plan]:
    """Several plans from their documents; faults of all at once."""
    plans: list[Plan] = []
    findings: list[Finding] = []
    for number, document in enumerate(documents):
        try:
            with placed(f"/study/plans/{number}"):
                plans.append(plan_from_dict(document))
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    return plans


ANSWERS: dict[str, Callable[[Request, Any], Answer]] = {
    "solve": answer_solve,
    "robust": answer_robust,
    "opportunity": answer_opportunity,
    "sweep": answer_sweep,
    "search": answer_search,
    "pareto": answer_pareto,
    "check": answer_check,
    "robustness": answer_robustness,
    "evidence": answer_evidence,
    "drivers": answer_drivers,
    "tradeoff": answer_tradeoff,
    "worth": answer_worth,
}
