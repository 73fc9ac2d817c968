"""What a plan document must look like, checked before it is read: every fault with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

from igdt_planner.errors import Finding, InputError
from igdt_planner.plan import Status, Step

Number = float | None
Verdict = Literal["feasible", "violated", "not_checked"]


class Part(BaseModel):
    """A part of a document: keys of later versions are ignored, no text passes for a number."""

    model_config = ConfigDict(extra="ignore", strict=True)


def shape_of(name: str, fields: Mapping[str, Any]) -> type[Part]:
    """A part by the type of each of its fields, where their names are no names of Python or known only then."""
    typed: Any = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=Part, **typed)


class DgUnit(Part):
    """A built DG."""

    bus: int
    technology: str
    p_mw: float
    q_min_mvar: float
    q_max_mvar: float


class EssUnit(Part):
    """A built ESS."""

    bus: int
    technology: str
    p_mw: float
    energy_mwh: float


class AtBus(Part):
    """A row of a table by mode, period and bus."""

    mode: str
    period: int
    bus: int


class Power(AtBus):
    """What a bus gives or takes."""

    p_mw: Number
    q_mvar: Number


class Storage(AtBus):
    """How an ESS runs."""

    p_charge_mw: Number
    p_discharge_mw: Number
    q_mvar: Number = 0.0
    energy_mwh: Number


class Source(AtBus):
    """A voltage that is held."""

    vm_pu: Number


class BusState(Source):
    """A bus by AC power flow; what it is served is missing in older documents."""

    energised: bool
    demand_mw: Number = None
    served_mw: Number = None
    idle: bool = False


class LineState(Part):
    """A line by AC power flow."""

    mode: str
    period: int
    line: int
    p_mw: Number
    q_mvar: Number
    i_ka: Number
    loading: Number
    loss_mw: Number


class Factor(Part):
    """The factor on the forecast of a component, or of all, in a period."""

    component: int | None
    period: int
    factor: float


def _factors(value: object) -> object:
    """Accept a number, or rows by component and period."""
    if isinstance(value, list):
        for row in value:
            Factor.model_validate(row)
    elif isinstance(value, bool) or not isinstance(value, float | int):
        raise ValueError("must be a number, or rows of component, period and factor")
    return value


Factors = Annotated[Any, AfterValidator(_factors)]


class Realisation(Part):
    """Factors on the forecasts: one for all, or by component and period."""

    load: Factors = 1.0
    active_load: Factors = 1.0
    reactive_load: Factors = 1.0
    dg_availability: Factors = 1.0
    pv: Factors = 1.0
    wind: Factors = 1.0
    price: Factors = 1.0
    line_rating: Factors = 1.0


class Dispatch(Part):
    """Tables of a dispatch."""

    realisation: Realisation
    dg: list[Power]
    ess: list[Storage]
    shed: list[Power]
    sources: list[Source]


class Term(Part):
    """A term of the objective."""

    term: str
    mode: str | None
    value: float
    unit: str
    weight: float


class Supply(Part):
    """What of the demand a mode serves."""

    mode: str
    demand_mwh: float
    served_mwh: Number
    not_served_mwh: Number
    peak_period: int
    peak_demand_mw: float
    peak_served_mw: Number
    peak_not_served_mw: Number


class Violation(Part):
    """A broken limit."""

    kind: str
    mode: str
    period: int
    component: str
    id: int
    value: Number
    limit: Number
    unit: str
    message: str


class Judged(Part):
    """An AC verdict."""

    verdict: Verdict
    objective: Number
    terms: list[Term]
    supply: list[Supply] = []
    vm_min_pu: Number
    vm_min_mode: str | None
    vm_min_bus: int | None
    vm_min_period: int | None
    violations: list[Violation]
    tolerance_pu: float
    tolerance_mw: float
    buses: list[BusState]
    lines: list[LineState]
    sources: list[Power]


class NotJudged(Part):
    """No AC verdict."""

    verdict: Verdict


class StepTried(Part):
    """A step on the way to a plan that AC confirms."""

    step: Step
    verdict: Verdict
    objective: Number
    model_objective: Number
    alpha: Number
    model_alpha: Number
    seconds: float
    violation: Number = None
    message: str = ""


class PlanDocument(Part):
    """A plan; case, model and AC verdicts are checked on their own."""

    kind: Literal["solve", "robust", "opportunity", "search"]
    status: Status
    objective: Number
    model_objective: Number
    bound: Number
    bound_of: Literal["ac", "linear"]
    gap: Number
    open_lines: dict[str, list[int] | dict[str, list[int]]]
    dg: list[DgUnit]
    ess: list[EssUnit]
    ac: dict[str, Any]
    ac_forecast: dict[str, Any]
    redispatched: bool
    decided_by: Step = "none"
    steps: list[StepTried] = []
    seconds: float
    dispatch: Dispatch | None
    dispatch_forecast: Dispatch | None
    warnings: list[str]
    explanation: str
    case: dict[str, Any]
    model: dict[str, Any]
    alpha: Number = None
    alpha_bound: Number = None
    alpha_floor: Number = None
    alpha_limit: Literal["budget", "limits", "network", "physical", "unbounded"] | None = None
    beta: Number = None
    base_objective: Number = None
    base_bound: Number = None
    base_gap: Number = None
    budget: Number = None
    objective_forecast: Number = None
    same_as_baseline: bool | None = None
    in_words: str | None = None
    worst_case: dict[str, Any] | None = None


def require_plan_document(document: Mapping[str, Any]) -> None:
    """Refuse a document that is not a plan, naming every fault.

    Raises
    ------
    InputError
        With the JSON pointer of each fault.
    """
    findings = [*faults(PlanDocument, document, "plan")]
    for name in ("ac", "ac_forecast"):
        part = document.get(name)
        if isinstance(part, Mapping):
            findings += faults(Judged if "objective" in part else NotJudged, part, "plan", f"/{name}")
    if findings:
        raise InputError(findings)


def faults(shape: type[Part], document: Mapping[str, Any], kind: str, where: str = "") -> Iterator[Finding]:
    """What keeps a document of a kind, or its part at a JSON pointer, from having a shape."""
    try:
        shape.model_validate(document)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            path = where + "".join(f"/{step}" for step in fault["loc"])
            got = fault["input"] if isinstance(fault["input"], str | int | float | bool) else None
            yield Finding(f"{kind} document: {path}: {fault['msg']}", path, got)
