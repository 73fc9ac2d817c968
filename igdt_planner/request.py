"""A request: its shape, and the refusal of whatever has another; every fault at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from igdt_planner.errors import Finding, InputError, nearest
from igdt_planner.infogap.worst_case import Sense
from igdt_planner.meaning_checks import share_hint

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
    elif place[:2] in (["study", "beta"], ["study", "betas"]) and isinstance(fault["input"], str):
        message, hint = "must be a number, a share of the baseline's cost", share_hint(fault["input"])
    where = ".".join(place) or "request"
    got = None if fault["type"] == "missing" else fault["input"]
    return Finding(f"{where}: {message}", "/" + "/".join(map(escaped, place)), got, hint=hint)


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
