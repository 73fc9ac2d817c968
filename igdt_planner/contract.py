"""The JSON contract for other programs: one request in, one response out, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from igdt_planner.case import Case, load_case
from igdt_planner.document import SCHEMA, clean, plan_from_dict, plan_to_dict
from igdt_planner.errors import Finding, InputError, PlannerError, nearest
from igdt_planner.model import Model, load_model, override
from igdt_planner.plan import Plan
from igdt_planner.planner import check, opportunity, robust, solve, sweep

VERSION = "0.1.0"


class Part(BaseModel):
    """A part of a request: every unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """Where a case or a model comes from: exactly one of the three."""

    name: str | None = None
    path: str | None = None
    inline: dict[str, Any] | None = None

    def value(self, what: str) -> Any:
        """The one that was given."""
        given = [value for value in (self.name, self.path, self.inline) if value is not None]
        if len(given) != 1:
            raise InputError.of(f"{what} needs exactly one of name, path and inline", path=f"/{what}")
        return given[0]


class StudyRequest(Part):
    """What is asked. ``plan`` is the plan document of kind ``check``."""

    kind: Literal["solve", "robust", "opportunity", "sweep", "check"]
    beta: Annotated[float, Field(allow_inf_nan=False)] | None = None
    betas: list[Annotated[float, Field(allow_inf_nan=False)]] | None = None
    budget: Annotated[float, Field(allow_inf_nan=False)] | None = None
    plan: dict[str, Any] | None = None


class RunOptions(Part):
    """Limits; what is absent comes from the model."""

    time_limit_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    gap: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None


class Request(Part):
    """A request of schema ``igdt-planner/1``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Annotated[Literal["igdt-planner/1"], Field(alias="schema")]
    id: str | int | None = None
    case: Source | None = None
    model: Source | None = None
    study: StudyRequest
    options: RunOptions = RunOptions()


def run(request: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """Answer one request.

    Parameters
    ----------
    request : mapping
        ``{schema, id?, case, model, study: {kind, beta, betas, budget, plan}, options: {time_limit_s, gap, threads,
        seed}}``.
    on_event : callable, optional
        Receives progress events.

    Returns
    -------
    dict
        ``{schema, id, version, status, request, runs, warnings, error}``. Bad input is an answer with status ``failed``
        and an ``error`` that names every field, never an exception.
    """
    response: dict[str, Any] = {
        "schema": SCHEMA,
        "id": request.get("id") if isinstance(request, Mapping) else None,
        "version": VERSION,
        "status": "failed",
        "request": None,
        "runs": [],
        "warnings": [],
        "error": None,
    }
    try:
        parsed = parse(request)
        response["request"] = parsed.model_dump(mode="json", by_alias=True)
        plans = ANSWERS[parsed.study.kind](parsed, on_event)
    except PlannerError as error:
        return response | {"error": error_of(error)}
    runs = [plan_to_dict(plan) for plan in plans]
    warnings = [warning for plan in plans for warning in plan.warnings]
    return clean(response | {"status": overall([plan.status for plan in plans]), "runs": runs, "warnings": warnings})


def parse(request: Any) -> Request:
    """A request with its defaults filled in.

    Raises
    ------
    InputError
        With every fault, unknown keys with the nearest known one.
    """
    try:
        return Request.model_validate(request)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
    raise InputError([finding(fault) for fault in faults])


def finding(fault: Any) -> Finding:
    """One fault of a request in words."""
    place = [str(step) for step in fault["loc"]]
    owners: dict[str, type[BaseModel]] = {"case": Source, "model": Source, "study": StudyRequest, "options": RunOptions}
    message, hint = fault["msg"], ""
    if fault["type"] == "extra_forbidden":
        known = (owners.get(place[0], Request) if len(place) > 1 else Request).model_fields
        message, hint = "unknown key", nearest(place[-1], [name.rstrip("_") for name in known])
    where = ".".join(place) or "request"
    return Finding(f"{where}: {message}", "/" + "/".join(place), fault["input"], hint=hint)


def error_of(error: PlannerError) -> dict[str, Any]:
    """The error of a response."""
    findings = error.findings if isinstance(error, InputError) else ()
    fields = [{"path": f.path, "message": str(f), "got": printable(f.got)} for f in findings]
    hint = next((f.hint for f in findings if f.hint), None)
    return {"code": error.code, "message": str(error), "fields": fields, "hint": hint}


def printable(value: Any) -> Any:
    """A value as JSON can show it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return re.sub(r"\s+", " ", repr(value))[:200]


def overall(statuses: list[str]) -> str:
    """One status for all runs: the one that asks for most attention."""
    order = ["failed", "cancelled", "no_plan", "infeasible", "feasible", "optimal"]
    return min(statuses, key=order.index, default="no_plan")


def sources(request: Request) -> tuple[Case, Model]:
    """Case and model of a request, the model with the request's threads and seed."""
    if request.case is None or request.model is None:
        missing = [name for name in ("case", "model") if getattr(request, name) is None]
        raise InputError([Finding(f"study.kind {request.study.kind} needs a {name}", f"/{name}") for name in missing])
    model = load_model(request.model.value("model"))
    wanted = {"solver.threads": request.options.threads, "solver.seed": request.options.seed}
    return load_case(request.case.value("case")), override(model, {k: v for k, v in wanted.items() if v is not None})


def limits(request: Request, on_event: Any) -> dict[str, Any]:
    """Keyword arguments that every verb takes."""
    return {"time_limit_s": request.options.time_limit_s, "gap": request.options.gap, "on_event": on_event}


def answer_solve(request: Request, on_event: Any) -> list[Plan]:
    """Kind ``solve``."""
    return [solve(*sources(request), **limits(request, on_event))]


def answer_robust(request: Request, on_event: Any) -> list[Plan]:
    """Kind ``robust``."""
    case, model = sources(request)
    return [robust(case, model, request.study.beta, budget=request.study.budget, **limits(request, on_event))]


def answer_opportunity(request: Request, on_event: Any) -> list[Plan]:
    """Kind ``opportunity``."""
    case, model = sources(request)
    return [opportunity(case, model, request.study.beta, budget=request.study.budget, **limits(request, on_event))]


def answer_sweep(request: Request, on_event: Any) -> list[Plan]:
    """Kind ``sweep``: one run a beta."""
    curve = sweep(*sources(request), request.study.betas or [], **limits(request, on_event))
    return list(curve.plans) or [curve.baseline]


def answer_check(request: Request, on_event: Any) -> list[Plan]:
    """Kind ``check``: the plan document judged anew."""
    if request.study.plan is None:
        raise InputError.of("study.kind check needs study.plan, a plan document", path="/study/plan")
    return [check(plan_from_dict(request.study.plan))]


ANSWERS: dict[str, Callable[[Request, Any], list[Plan]]] = {
    "solve": answer_solve,
    "robust": answer_robust,
    "opportunity": answer_opportunity,
    "sweep": answer_sweep,
    "check": answer_check,
}
