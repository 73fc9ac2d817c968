"""The JSON contract for other programs: one request in, one response out, never a traceback."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from igdt_planner.case import Case, list_cases, load_case
from igdt_planner.errors import Finding, InputError, PlannerError, nearest, placed
from igdt_planner.infogap.worst_case import Sense
from igdt_planner.model import Model, list_models, load_model, override
from igdt_planner.outcome import blank_plan
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
from igdt_planner.results.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.study import resolve
from igdt_planner.witness.evidence import evidence

VERSION = importlib.metadata.version("igdt-planner")
MOST_THREADS, LARGEST_SEED = 1024, 2**31 - 1
"""Limits of HiGHS."""
DEEPEST, LARGEST, SHOWN = 100, 1e300, 200
"""Levels of a request, absolute value of a number in it, characters of a value shown in an error."""


class Part(BaseModel):
    """A part of a request: every unknown key is refused, and no text or flag passes for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(Part):
    """Where a case or a model comes from: exactly one of the three."""

    name: str | None = None
    path: str | None = None
    inline: dict[str, Any] | None = None

    def value(self, what: str, shipped: list[str]) -> Any:
        """The one that was given; a name is that of a shipped one, never a path."""
        given = [value for value in (self.name, self.path, self.inline) if value is not None]
        if len(given) != 1:
            raise InputError.of(f"{what} needs exactly one of name, path and inline", path=f"/{what}")
        if self.name is not None and self.name not in shipped:
            message, path = f"there is no shipped {what} {printable(self.name)!r}", f"/{what}/name"
            raise InputError.of(message, path=path, got=self.name, hint=nearest(self.name, shipped))
        return given[0] if self.path is None else Path(self.path)


class StudyRequest(Part):
    """What is asked. ``plan`` and ``plans`` are plan documents; a seed is an option."""

    kind: Literal[
        "solve",
        "robust",
        "opportunity",
        "sweep",
        "search",
        "pareto",
        "check",
        "robustness",
        "evidence",
        "drivers",
        "tradeoff",
        "worth",
    ]
    beta: Annotated[float, Field(allow_inf_nan=False)] | None = None
    betas: list[Annotated[float, Field(allow_inf_nan=False)]] | None = None
    budget: Annotated[float, Field(allow_inf_nan=False)] | None = None
    base_objective: Annotated[float, Field(allow_inf_nan=False)] | None = None
    sense: Sense | None = None
    alpha_gap: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    plan: dict[str, Any] | None = None
    plans: list[dict[str, Any]] | None = None
    samples: int | None = None
    algorithm: str | None = None
    objectives: list[str] | None = None
    method: str | None = None
    points: int | None = None
    lines: list[int] | None = None
    evaluations: int | None = None
    neighbourhoods: bool | None = None


class RunOptions(Part):
    """Limits; what is absent comes from the model."""

    time_limit_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    gap: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = None
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] | None = None


class Request(Part):
    """A request of schema ``igdt-planner/1``."""

    schema_: Annotated[Literal["igdt-planner/1"], Field(alias="schema")]
    id: str | int | None = None
    case: Source | None = None
    model: Source | None = None
    study: StudyRequest
    options: RunOptions = RunOptions()


TAKES: dict[str, tuple[str, ...]] = {
    "solve": (),
    "robust": ("beta", "budget"),
    "opportunity": ("beta", "budget"),
    "sweep": ("betas", "sense", "alpha_gap"),
    "search": ("algorithm", "evaluations", "neighbourhoods"),
    "pareto": ("objectives", "method", "points", "evaluations"),
    "check": ("plan",),
    "robustness": ("plan", "plans", "betas", "base_objective", "sense"),
    "evidence": ("plan", "samples"),
    "drivers": ("plan",),
    "tradeoff": ("beta", "points"),
    "worth": ("beta", "lines"),
}
"""What each kind of study takes."""
NO_OPTIONS: dict[str, dict[str, str]] = {
    "search": dict.fromkeys(("time_limit_s", "gap"), "use study.evaluations"),
    "robustness": dict.fromkeys(("time_limit_s", "gap", "threads", "seed"), "the plan's own model decides"),
    "drivers": dict.fromkeys(("time_limit_s", "gap", "threads", "seed"), "the plan's own model decides"),
    "evidence": dict.fromkeys(("time_limit_s", "gap", "threads"), "use study.samples"),
}
"""Options that a kind of study has no use for, each with a hint."""


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
    warnings = [warning for plan in plans for warning in plan.warnings]
    status = overall([plan.status for plan in plans])
    return clean(response | {"status": status, "runs": runs, "result": result, "warnings": warnings})


def identity(request: Any) -> str | int | None:
    """The id of a request, whatever else is wrong with it, so that its sender knows the answer."""
    given = request.get("id") if isinstance(request, Mapping) else None
    return given if isinstance(given, str | int) and not strange(given, 0) else None


def require_plain(request: Any) -> None:
    """Refuse what JSON cannot hold, so that whatever is echoed can be written: every fault at once."""
    findings: list[Finding] = []
    waiting: list[tuple[str, Any, int]] = [("", request, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        fault = strange(value, depth)
        if fault:
            findings.append(Finding(f"{path or 'request'}: {fault}", path, value))
        elif isinstance(value, Mapping):
            waiting += [(f"{path}/{escaped(key)}", item, depth + 1) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}/{position}", item, depth + 1) for position, item in enumerate(value)]
    if findings:
        raise InputError(sorted(findings, key=lambda fault: fault.path))


def strange(value: Any, depth: int) -> str:
    """Why one value has no place in a request; empty where it has."""
    if depth > DEEPEST:
        return f"nested more than {DEEPEST} levels deep"
    if isinstance(value, Mapping):
        keys = [key for key in value if not isinstance(key, str) or not writable(key)]
        return f"key {printable(keys[0])} is not text" if keys else ""
    if isinstance(value, str):
        return "" if writable(value) else "is not text: it holds half a surrogate pair"
    if isinstance(value, int | float):
        return "" if -LARGEST < value < LARGEST else f"must be a number between {-LARGEST:g} and {LARGEST:g}"
    return "" if value is None or isinstance(value, list) else f"must be a JSON value, is {type(value).__name__}"


def escaped(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def writable(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8") == text


def parse(request: Any) -> Request:
    """A request with its defaults filled in.

    Raises
    ------
    InputError
        With every fault, unknown keys with the nearest known one.
    """
    try:
        parsed = Request.model_validate(request)
        require_fitting(parsed)
        return parsed
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
    findings = [finding(fault) for fault in faults]
    raise InputError(list({(found.path, found.message): found for found in findings}.values()))


def require_fitting(request: Request) -> None:
    """Refuse what the kind of study would silently ignore; all faults at once."""
    study, options, kind = request.study, request.options, request.study.kind
    given = [name for name in sorted(StudyRequest.model_fields) if name != "kind" and getattr(study, name) is not None]
    takes = ", ".join(TAKES[kind]) or "none of them"
    findings = [
        Finding(f"study.{name} does not belong to kind {kind}", f"/study/{name}", hint=f"takes {takes}")
        for name in given
        if name not in TAKES[kind]
    ]
    findings += [
        Finding(f"options.{name} does not belong to kind {kind}", f"/options/{name}", getattr(options, name), hint=hint)
        for name, hint in NO_OPTIONS.get(kind, {}).items()
        if getattr(options, name) is not None
    ]
    if findings:
        raise InputError(findings)


def request_schema() -> dict[str, Any]:
    """The JSON Schema of a request, from the classes that check it; shipped as ``request.schema.json``."""
    return Request.model_json_schema(by_alias=True)


def finding(fault: Any) -> Finding:
    """One fault of a request in words."""
    place = [str(step) for step in fault["loc"]]
    owners: dict[str, type[BaseModel]] = {"case": Source, "model": Source, "study": StudyRequest, "options": RunOptions}
    message, hint = fault["msg"], ""
    if fault["type"] == "extra_forbidden":
        known = (owners.get(place[0], Request) if len(place) > 1 else Request).model_fields
        message, hint = "unknown key", nearest(place[-1], [name.rstrip("_") for name in known])
    elif place[:1] == ["id"]:
        place, message = ["id"], "must be a text, a whole number or null"
    elif fault["type"] in ("model_type", "dict_type"):
        message = "must be an object"
    where = ".".join(place) or "request"
    got = None if fault["type"] == "missing" else fault["input"]
    return Finding(f"{where}: {message}", "/" + "/".join(map(escaped, place)), got, hint=hint)


def error_of(error: PlannerError) -> dict[str, Any]:
    """The error of a response."""
    findings = error.findings if isinstance(error, InputError) else ()
    fields = [{"path": f.path, "message": str(f), "got": printable(f.got)} for f in findings]
    hint = next((f.hint for f in findings if f.hint), None)
    return {"code": error.code, "message": str(error), "fields": fields, "hint": hint}


def printable(value: Any) -> Any:
    """A value as JSON can show it, long ones shortened."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and -LARGEST < value < LARGEST:
        return value
    if isinstance(value, int):
        return f"a whole number of {value.bit_length()} bits"
    text = value if isinstance(value, str) else re.sub(r"\s+", " ", brief(value))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def brief(value: Any) -> str:
    """A value in a few words; containers by their size, for they may be deep."""
    if isinstance(value, Mapping | list) and len(value):
        return f"{type(value).__name__} of {len(value)}"
    return repr(value)


def overall(statuses: list[str]) -> str:
    """One status for all runs: the one that asks for most attention."""
    order = ["failed", "cancelled", "no_plan", "infeasible", "feasible", "optimal"]
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
        return Answer([replace(blank_plan(resolve(case, model), "pareto", None), explanation="; ".join(found.missed))])
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
        return Answer([plan], curve.to_dict())
    if study.plan is not None:
        raise InputError.of("study.plan and study.plans exclude each other", path="/study/plan")
    if study.sense == "opportunity":
        message = "plans are compared by what they survive: study.sense is robust, or asked of one plan"
        raise InputError.of(message, path="/study/sense", got=study.sense)
    plans = plans_from(study.plans)
    return Answer(plans, compare(plans, study.betas or [], **asked).to_dict())


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
