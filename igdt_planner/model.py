"""A planning model: what may be decided, what is wanted, what is uncertain. Read from TOML; no expression language."""

from __future__ import annotations

import difflib
import importlib.resources
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from igdt_planner.errors import Finding, InputError, nearest


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Finite, Field(gt=0.0, le=1.0)]
Positive = Annotated[Finite, Field(gt=0.0)]
NotNegative = Annotated[Finite, Field(ge=0.0)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[Whole, Field(ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, AfterValidator(_not_empty)]

Losses = Literal["none", "objective", "balance"]
ModeName = Literal["connected", "islanded"]
TermName = Literal[
    "losses",
    "ens",
    "lost_load_cost",
    "energy_cost",
    "generation_cost",
    "investment_cost",
    "emissions",
    "voltage_deviation",
    "switching",
]

Source = Literal["dg", "pv", "wind"]
Quantity = Literal[
    "load",
    "active_load",
    "reactive_load",
    "dg_availability",
    "pv",
    "wind",
    "price",
    "line_rating",
]
AVAILABILITY: dict[Source, Quantity] = {"dg": "dg_availability", "pv": "pv", "wind": "wind"}
"""The quantity that says what a unit has available, by its source."""
Shape = Literal["fractional", "envelope", "interval", "slope", "energy", "minkowski", "budgeted"]

TERM_UNITS: dict[str, str] = {
    "losses": "MWh",
    "ens": "MWh",
    "lost_load_cost": "money",
    "energy_cost": "money",
    "generation_cost": "money",
    "investment_cost": "money",
    "emissions": "tCO2",
    "voltage_deviation": "pu",
    "switching": "operations",
}


MONEY: tuple[TermName, ...] = ("lost_load_cost", "energy_cost", "generation_cost", "investment_cost")
"""The terms that ``cost`` sums up."""


class Strict(BaseModel):
    """Frozen, and every key that is not a field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Mode(Strict):
    """How the network runs in one mode.

    ``weight`` multiplies every term of the mode in the objective (a share, or repetitions of the profile per year).
    ``topology``: ``static`` (one for all periods), ``dynamic`` (one a period) or ``fixed`` (the case's base topology).
    ``radial`` may be false in islanded mode only. ``reactive`` false sets reactive loads to zero, in the AC check too.
    ``shedding`` allows load to be shed (always true in islanded mode). ``vm_pu``, in islanded mode only, is the voltage
    that the grid-forming bus of every island holds; without it that voltage is free within the limits of the bus.
    """

    weight: NotNegative
    topology: Literal["static", "dynamic", "fixed"] = "static"
    radial: Flag = True
    reactive: Flag = True
    shedding: Flag = False
    vm_pu: Positive | None = None
    max_switching_operations: Count | None = None


class Term(Strict):
    """One weighted term of the objective; ``mode`` is absent for terms of the whole plan (investment_cost)."""

    term: TermName
    mode: ModeName | None = None
    weight: NotNegative = 1.0


class TermLimit(Strict):
    """What a term, or ``cost`` (all money terms together), may come to at most, in its unit.

    Of one mode as it is; without ``mode`` of all modes, each by its weight.
    """

    term: TermName | Literal["cost"]
    mode: ModeName | None = None
    at_most: Finite


class Investment(Strict):
    """Money of one unit: purchase, annualised over its life at a discount rate, and yearly upkeep."""

    investment_cost: NotNegative = 0.0
    lifetime_years: Positive = 20.0
    discount_rate: NotNegative = 0.05
    maintenance_cost_per_year: NotNegative = 0.0

    @property
    def annual_cost(self) -> float:
        """Annualised cost of one unit, in money per year."""
        rate, years = self.discount_rate, self.lifetime_years
        annuity_factor = 1.0 / years if rate == 0.0 else rate / (1.0 - (1.0 + rate) ** -years)
        return self.investment_cost * annuity_factor + self.maintenance_cost_per_year


class DgTechnology(Investment):
    """A size of distributed generator that may be chosen.

    ``source`` names the column of the profile that says what share of ``p_mw`` is available; ``must_take`` forbids
    curtailment.
    """

    name: Name
    source: Source = "dg"
    p_mw: Positive
    q_min_mvar: Finite = 0.0
    q_max_mvar: Finite = 0.0
    generation_cost_per_mwh: NotNegative = 0.0
    emissions_t_per_mwh: NotNegative = 0.0
    must_take: Flag = False
    grid_forming: Flag = True

    @model_validator(mode="after")
    def _range(self) -> DgTechnology:
        if not self.q_min_mvar <= 0.0 <= self.q_max_mvar:
            raise ValueError(f"q_min_mvar {self.q_min_mvar:g} to q_max_mvar {self.q_max_mvar:g} must contain 0")
        return self


class EssTechnology(Investment):
    """A size of energy storage that may be chosen.

    ``sn_mva`` is the rating of its inverter: active and reactive power lie in a circle of this radius. Without it the
    storage exchanges no reactive power.
    """

    name: Name
    p_mw: Positive
    energy_mwh: Positive
    sn_mva: Positive | None = None
    eta_charge: Share = 0.95
    eta_discharge: Share = 0.95
    energy_start_mwh: NotNegative = 0.0
    energy_end: Literal["free", "at_least_start", "equal_start"] = "free"
    grid_forming: Flag = True

    @model_validator(mode="after")
    def _start(self) -> EssTechnology:
        if self.energy_start_mwh > self.energy_mwh:
            raise ValueError(f"energy_start_mwh {self.energy_start_mwh:g} exceeds energy_mwh {self.energy_mwh:g}")
        return self


class DgChoice(Strict):
    """Which DG may be built: at most ``max_units``, one a bus, at ``buses`` (empty: every bus but substations)."""

    max_units: Count = 0
    buses: tuple[Whole, ...] = ()
    technologies: tuple[DgTechnology, ...] = ()


class EssChoice(Strict):
    """Which storage may be built, by the same rules as :class:`DgChoice`."""

    max_units: Count = 0
    buses: tuple[Whole, ...] = ()
    technologies: tuple[EssTechnology, ...] = ()


LEAST_WEIGHT, MOST_WEIGHT = 1e-3, 100.0
"""Weights beyond would make alpha so large or so small that tolerances lose their meaning."""


class Uncertain(Strict):
    """One uncertain quantity and the shape of its set; ``d`` is a deviation from the forecast as a share of it.

    ``direction`` says to which side it may deviate. ``physical_max`` is the largest physical value as a multiple of the
    forecast; the smallest is 0. The shapes, per unit of alpha, over periods t of ``h_t`` hours, with weight ``w``:

    - ``fractional``: ``|d_t| <= w``; ``envelope``: ``|d_t| <= w psi_t``; ``interval``: ``-w down <= d_t <= w up``;
      ``slope``: ``|d_t - d_(t-1)| <= w h_t`` from 0 on. Every bus or unit deviates on its own.
    - ``energy``: ``sum h_t d_t^2 <= w^2``; ``minkowski``: ``(sum |d_t|^norm)^(1/norm) <= w``; ``budgeted``:
      ``|d_t| <= w`` and at most ``gamma`` periods deviate. All buses or units deviate alike.
    """

    quantity: Quantity
    weight: NotNegative = 1.0
    direction: Literal["down", "up", "both"] = "both"
    shape: Shape = "fractional"
    physical_max: Annotated[Finite, Field(ge=1.0)] = 2.0
    psi: tuple[NotNegative, ...] | None = None
    down: NotNegative | None = None
    up: NotNegative | None = None
    norm: Literal[1, 2, "infinity"] | None = None
    gamma: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _parameters(self) -> Uncertain:
        if self.weight and not LEAST_WEIGHT <= self.weight <= MOST_WEIGHT:
            raise ValueError(f"weight {self.weight:g} must be 0, or from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")
        for name in ("psi", "down", "up", "norm", "gamma"):
            value = getattr(self, name)
            if (value is not None) != (name in SHAPE_PARAMETERS.get(self.shape, ())):
                needs = "needs" if value is None else "takes no"
                raise ValueError(f"shape {self.shape} {needs} {name}")
        return self


SHAPE_PARAMETERS: dict[str, tuple[str, ...]] = {
    "envelope": ("psi",),
    "interval": ("down", "up"),
    "minkowski": ("norm",),
    "budgeted": ("gamma",),
}
"""What a shape must be told."""


class Stages(Strict):
    """Which decisions stand before the uncertain values are known (``here_and_now``); sites always do.

    What waits (``wait_and_see``) knows the values of all periods at once.
    """

    topology: Literal["here_and_now", "wait_and_see"] = "here_and_now"
    storage: Literal["here_and_now", "wait_and_see"] = "here_and_now"


class Site(Strict):
    """A unit stated by the user: which technology at which bus."""

    bus: Whole
    technology: str


LIST, BY_PERIOD = "[list]", "[by_period]"


def _kind_of_open_lines(value: object) -> str:
    return BY_PERIOD if isinstance(value, Mapping) else LIST


Lines = tuple[Whole, ...]
OpenLines = Annotated[
    Annotated[Lines, Tag(LIST)] | Annotated[dict[int, Lines], Tag(BY_PERIOD)], Discriminator(_kind_of_open_lines)
]
"""One list of open lines, or one a period (keys may be text, as in JSON)."""


class Fix(Strict):
    """Decisions stated by the user instead of optimised; what is absent stays free."""

    dg: tuple[Site, ...] | None = None
    ess: tuple[Site, ...] | None = None
    open_lines: dict[ModeName, OpenLines] = {}


class SolverChoice(Strict):
    """Solver and its tolerances.

    ``name`` is ``highs`` or any MILP solver that Pyomo knows by that name; :func:`igdt_planner.solvers.require_solver`
    refuses one that is not there.
    """

    name: Name = "highs"
    gap: NotNegative = 1e-3
    time_limit_s: Positive = 120.0
    threads: Annotated[Whole, Field(ge=1)] = 1
    seed: Count = 0


class Model(Strict):
    """A planning model; see ``models/README.md`` for the mathematics it selects from.

    ``unit`` is that of the objective, as :func:`igdt_planner.objective_unit.unit_of` reads it; it has to fit the terms.
    """

    name: Name
    title: str = ""
    unit: str
    periods: Literal["all", "peak"] = "all"
    losses: Losses = "balance"
    modes: dict[ModeName, Mode]
    objective: Annotated[tuple[Term, ...], Field(min_length=1)]
    limits: tuple[TermLimit, ...] = ()
    dg: DgChoice = DgChoice()
    ess: EssChoice = EssChoice()
    uncertain: tuple[Uncertain, ...] = ()
    stages: Stages = Stages()
    fix: Fix = Fix()
    solver: SolverChoice = SolverChoice()

    def summands(self, name: str) -> tuple[tuple[TermName, ModeName | None], ...]:
        """The terms, each with its mode, that a term over all modes, or ``cost``, consists of."""
        names: tuple[TermName, ...] = MONEY if name == "cost" else (cast(TermName, name),)
        by_mode = [(term, mode) for term in names for mode in self.modes if possible(term, mode)]
        return (*by_mode, *((term, None) for term in names if possible(term, None)))

    def limited(self, limit: TermLimit) -> tuple[tuple[TermName, ModeName | None, float], ...]:
        """What a limit sums up: terms, each with its mode and weight."""
        return tuple(
            (term, mode, self.modes[mode].weight if mode is not None and limit.mode is None else 1.0)
            for term, mode in self.summands(limit.term)
            if limit.mode in (None, mode)
        )

    def asks(self, term: TermName, mode: ModeName) -> bool:
        """Whether the objective or a limit asks for a term of a mode."""
        wanted = any(entry.term == term and entry.mode == mode for entry in self.objective)
        return wanted or any(limit.term == term and limit.mode in (None, mode) for limit in self.limits)


def possible(term: TermName, mode: ModeName | None) -> bool:
    """Whether a term exists in a mode: investment belongs to the whole plan, and no island buys energy."""
    if term == "investment_cost":
        return mode is None
    return mode is not None and not (term == "energy_cost" and mode == "islanded")


def load_model(source: str | os.PathLike[str] | Mapping[str, Any] | Model) -> Model:
    """Load and check a planning model.

    Parameters
    ----------
    source : str, path, mapping or Model
        Name of a shipped model, a TOML file (a path, or a text that ends in ``.toml``), or the same keys as a mapping.

    Raises
    ------
    InputError
        With every fault that was found, each with its JSON pointer ``/model/...``.
    """
    if isinstance(source, Model):
        return source
    file, document = ("", source) if isinstance(source, Mapping) else _read_toml(source)
    return _validated(document, file)


def override(model: Model, settings: Mapping[str, Any]) -> Model:
    """The model with fields replaced, named by dotted keys such as ``modes.islanded.reactive``.

    Raises
    ------
    InputError
        A key that the model does not have, or a value that does not fit it.
    """
    document = model.model_dump(mode="json", exclude_unset=True)
    for key, value in settings.items():
        target: Any = document
        *parents, last = key.split(".")
        for parent in parents:
            target = _step(target, parent, key)
        if not isinstance(target, dict):
            _step(target, last, key)
        target[int(last) if isinstance(target, list) else last] = value
    return _validated(document, "")


def list_models() -> list[str]:
    """Names of the shipped models, sorted."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def _step(target: Any, key: str, whole: str) -> Any:
    if isinstance(target, dict):
        return target.setdefault(key, {})
    if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
        return target[int(key)]
    raise InputError.of(f"the model has no field {whole}", path="/model/" + whole.replace(".", "/"), got=whole)


def _shipped() -> Path:
    try:
        return Path(str(importlib.resources.files("igdt_planner.models")))
    except ModuleNotFoundError:
        raise InputError.of("the shipped models are not installed", path="/model", hint="pip install .") from None


def _read_toml(source: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    path = Path(source)
    if isinstance(source, str) and path.suffix != ".toml":
        if source not in list_models():
            raise InputError.of(
                f"no model named {source!r}", path="/model/name", got=source, hint=nearest(source, list_models())
            )
        path = _shipped() / f"{source}.toml"
    try:
        return path.name, tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError([Finding(f"cannot be read: {error.strerror}", "/model", file=str(path))]) from None
    except UnicodeDecodeError:
        raise InputError([Finding("is not UTF-8 text", "/model", file=str(path))]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError([Finding(f"is not TOML: {error}", "/model", file=str(path))]) from None
    except ValueError as error:  # a NUL in the path, a whole number of thousands of digits
        raise InputError([Finding(f"cannot be read: {error}", "/model", file=str(path))]) from None


def _validated(document: Mapping[str, Any], file: str) -> Model:
    try:
        return Model.model_validate(document)
    except ValidationError as error:
        findings = [_finding(fault, file) for fault in error.errors(include_url=False, include_context=False)]
    raise InputError(findings)


def _finding(fault: Any, file: str) -> Finding:
    place = [str(step) for step in fault["loc"] if step not in ("[key]", LIST, BY_PERIOD)]
    where, got = ".".join(place), fault["input"]
    message, hint = fault["msg"].removeprefix("Value error, "), ""
    if fault["type"] == "extra_forbidden":
        message, hint = "unknown key", nearest(place[-1], _keys_beside(place))
    elif fault["type"] != "missing" and isinstance(got, str | int | float | bool):
        hint = _meant(str(got), re.findall(r"'([^']*)'", message)) if fault["type"] == "literal_error" else ""
        message = f"{message}, got {got!r}"
    pointer = "/".join(["/model", *(step.replace("~", "~0").replace("/", "~1") for step in place)])
    return Finding(f"{where}: {message}" if where else message, pointer, got, file, hint=hint)


def _meant(word: str, allowed: list[str]) -> str:
    """Hint naming the allowed word closest to a misspelt one; empty when none is close."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _keys_beside(place: list[str]) -> list[str]:
    """Keys that the model knows where an unknown one stands."""
    owners: dict[str, type[BaseModel]] = {
        "modes": Mode,
        "objective": Term,
        "limits": TermLimit,
        "dg": DgChoice,
        "ess": EssChoice,
        "uncertain": Uncertain,
        "stages": Stages,
        "fix": Fix,
        "solver": SolverChoice,
    }
    owner: type[BaseModel] = owners.get(place[0], Model) if len(place) > 1 else Model
    if "technologies" in place:
        owner = DgTechnology if place[0] == "dg" else EssTechnology
    elif place[0] == "fix" and len(place) > 2:
        owner = Site
    return list(owner.model_fields)
