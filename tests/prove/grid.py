"""A case and a model as plain numbers in per unit, read from their JSON forms and from nothing else.

The base of power is chosen so that powers are near 1, whatever ``base_mva`` the case states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

SOURCES = ("dg", "pv", "wind")
AVAILABILITY = {"dg": "dg_availability", "pv": "pv", "wind": "wind"}
"""The quantity that says what units of a source have available."""
EVERY = -1
"""The component of a factor that counts for all."""
Factors = Mapping[tuple[str, int], float]
"""What quantities turn out to be as shares of their forecasts, by quantity and component: bus or line."""


@dataclass(frozen=True)
class Bus:
    """Forecast load at factor 1 (pu), limits of the voltage (pu), and what a MWh not served weighs and costs."""

    id: int
    p: float
    q: float
    v_min: float
    v_max: float
    priority: float
    lost_load: float


@dataclass(frozen=True)
class Line:
    """A line from bus ``i`` to bus ``j`` in per unit; ``i_max`` is infinite where there is no rating."""

    id: int
    i: int
    j: int
    r: float
    x: float
    i_max: float
    closed: bool
    switchable: bool


@dataclass(frozen=True)
class Period:
    """Hours, factor on loads, available share by source, and what a bought MWh costs and emits."""

    id: int
    hours: float
    load: float
    share: Mapping[str, float]
    price: float
    emissions: float


@dataclass(frozen=True)
class Dg:
    """A size of DG: rating and reactive range in pu, cost and emissions of a MWh, money a year."""

    name: str
    source: str
    p: float
    q_min: float
    q_max: float
    cost: float
    emissions: float
    must_take: bool
    forming: bool
    annual: float


@dataclass(frozen=True)
class Ess:
    """A size of storage: power in pu, energies in pu h, money a year; without ``sn`` it gives no reactive power."""

    name: str
    p: float
    sn: float | None
    energy: float
    eta_charge: float
    eta_discharge: float
    start: float
    end: str
    forming: bool
    annual: float


@dataclass(frozen=True)
class Mode:
    """How the network runs in a mode: its weight, how it may be switched, whether load may be shed.

    ``vm`` is the voltage that the grid-forming bus of an island holds; None: any within its limits.
    """

    name: str
    weight: float
    topology: str
    reactive: bool
    shedding: bool
    vm: float | None

    @property
    def islanded(self) -> bool:
        """Whether the substations are lost."""
        return self.name == "islanded"


@dataclass(frozen=True)
class Choice:
    """Which units may be built, or, in ``stated``, which are."""

    max_units: int
    buses: tuple[int, ...]
    technologies: tuple[Any, ...]
    stated: tuple[tuple[int, str], ...] | None


@dataclass(frozen=True)
class Held:
    """What a storage unit does where its schedule stands: power (pu), and energy before it (pu h)."""

    charge: float
    discharge: float
    before: float


@dataclass(frozen=True)
class Grid:
    """Everything the reference needs; ``weights`` holds the weight of each term by mode (None: the whole plan).

    ``factors`` say by position of the period what deviates from the forecast; none where nothing does. ``held`` says by
    bus what storage does where its schedule stands, in a grid of one period (:meth:`at`).
    """

    s_mva: float
    buses: Mapping[int, Bus]
    lines: Mapping[int, Line]
    sources: Mapping[int, float]
    periods: tuple[Period, ...]
    modes: Mapping[str, Mode]
    weights: Mapping[tuple[str, str | None], float]
    dg: Choice
    ess: Choice
    open_lines: Mapping[str, tuple[int, ...]]
    factors: tuple[Factors, ...] = ()
    held: Mapping[int, Held] | None = None

    def at(self, t: int, factors: Factors, held: Mapping[int, Held] | None = None) -> Grid:
        """One period of the grid where quantities turn out otherwise."""
        return replace(self, periods=(self.periods[t],), factors=(factors,), held=held)

    def realised(self, factors: Sequence[Factors]) -> Grid:
        """The grid where quantities turn out otherwise."""
        return replace(self, factors=tuple(factors))

    def factor(self, quantity: str, component: int, t: int) -> float:
        """What a quantity of a bus or line is, as a share of its forecast."""
        if not self.factors:
            return 1.0
        known = self.factors[t]
        return known.get((quantity, component), known.get((quantity, EVERY), 1.0))

    def load(self, bus: int, t: int) -> tuple[float, float]:
        """Active and reactive load, pu."""
        factor = self.periods[t].load * self.factor("load", bus, t)
        return self.buses[bus].p * factor, self.buses[bus].q * factor

    def capacity(self, bus: int, unit: Dg, t: int) -> float:
        """What a DG can do, reactive power included, as a share of its forecast."""
        return self.factor(AVAILABILITY[unit.source], bus, t)

    def available(self, bus: int, unit: Dg, t: int) -> float:
        """Active power that a DG has available, pu."""
        return unit.p * self.periods[t].share[unit.source] * self.capacity(bus, unit, t)

    def price(self, t: int) -> float:
        """Price of bought energy, money/MWh."""
        return self.periods[t].price * self.factor("price", EVERY, t)

    def rating(self, line: int, t: int) -> float:
        """Largest current of a line, pu."""
        return self.lines[line].i_max * self.factor("line_rating", line, t)

    def weight(self, term: str, mode: Mode) -> float:
        """Weight of one unit of a term of a mode in the objective, the weight of the mode included."""
        return self.weights.get((term, mode.name), 0.0) * mode.weight

    def keeps_reserve(self, mode: Mode) -> bool:
        """Whether storage that forms a grid must hold a hundredth of its energy (rule I13): others may rely on it."""
        choices = [choice for choice in (self.dg, self.ess) if choice.max_units]
        all_form = all(unit.forming for choice in choices for unit in choice.technologies)
        return not all_form or mode.vm is not None


def read(case: Mapping[str, Any], model: Mapping[str, Any]) -> Grid:
    """A case and a model in their JSON forms as numbers.

    Parameters
    ----------
    case, model : mapping
        As ``igdt_planner.load_case`` and ``load_model`` take them, with losses in the balance, all periods, radial
        modes, no limits on terms, no limit on switching operations, and terms among those of :data:`TERMS`.
    """
    kv = {bus["id"]: bus["vn_kv"] for bus in case["buses"]}
    load_mva = sum(math.hypot(bus["p_mw"], bus["q_mvar"]) for bus in case["buses"])
    units = [unit["p_mw"] for kind in ("dg", "ess") for unit in model.get(kind, {}).get("technologies", [])]
    s_mva = max([load_mva, *units])
    return Grid(
        s_mva=s_mva,
        buses={row["id"]: _bus(row, s_mva) for row in case["buses"]},
        lines={row["id"]: _line(row, kv[row["from_bus"]], s_mva) for row in case["lines"]},
        sources={row["bus"]: row["vm_pu"] for row in case["substations"]},
        periods=tuple(_period(row) for row in case["profile"]),
        modes={name: _mode(name, fields) for name, fields in model["modes"].items()},
        weights={(term["term"], term.get("mode")): term.get("weight", 1.0) for term in model["objective"]},
        dg=_choice(case, model, "dg", s_mva),
        ess=_choice(case, model, "ess", s_mva),
        open_lines={mode: tuple(ids) for mode, ids in model.get("fix", {}).get("open_lines", {}).items()},
    )


TERMS = ("losses", "ens", "lost_load_cost", "energy_cost", "generation_cost", "emissions", "investment_cost")


def _bus(row: Mapping[str, Any], s_mva: float) -> Bus:
    return Bus(
        row["id"],
        row["p_mw"] / s_mva,
        row["q_mvar"] / s_mva,
        row["vm_min_pu"],
        row["vm_max_pu"],
        row.get("priority", 1.0),
        row.get("value_of_lost_load_per_mwh", 0.0),
    )


def _line(row: Mapping[str, Any], kv: float, s_mva: float) -> Line:
    ohm, ampere = kv**2 / s_mva, s_mva / (math.sqrt(3.0) * kv)
    rating = row.get("max_i_ka")
    return Line(
        row["id"],
        row["from_bus"],
        row["to_bus"],
        row["r_ohm"] / ohm,
        row["x_ohm"] / ohm,
        math.inf if rating is None else rating / ampere,
        row["in_service"],
        row["switchable"],
    )


def _period(row: Mapping[str, Any]) -> Period:
    return Period(
        row["period"],
        row["duration_h"],
        row["load"],
        {source: row.get(source, 1.0) for source in SOURCES},
        row.get("price_per_mwh", 0.0),
        row.get("emissions_t_per_mwh", 0.0),
    )


def _mode(name: str, fields: Mapping[str, Any]) -> Mode:
    shedding = name == "islanded" or fields.get("shedding", False)
    return Mode(
        name,
        fields["weight"],
        fields.get("topology", "static"),
        fields.get("reactive", True),
        shedding,
        fields.get("vm_pu"),
    )


def _choice(case: Mapping[str, Any], model: Mapping[str, Any], kind: str, s_mva: float) -> Choice:
    fields = model.get(kind, {})
    feeding = {row["bus"] for row in case["substations"]}
    buses = fields.get("buses") or [row["id"] for row in case["buses"] if row["id"] not in feeding]
    stated = model.get("fix", {}).get(kind)
    unit = _dg if kind == "dg" else _ess
    return Choice(
        fields.get("max_units", 0),
        tuple(sorted(buses)),
        tuple(unit(row, s_mva) for row in fields.get("technologies", [])),
        None if stated is None else tuple((row["bus"], row["technology"]) for row in stated),
    )


def _dg(row: Mapping[str, Any], s_mva: float) -> Dg:
    return Dg(
        row["name"],
        row.get("source", "dg"),
        row["p_mw"] / s_mva,
        row.get("q_min_mvar", 0.0) / s_mva,
        row.get("q_max_mvar", 0.0) / s_mva,
        row.get("generation_cost_per_mwh", 0.0),
        row.get("emissions_t_per_mwh", 0.0),
        row.get("must_take", False),
        row.get("grid_forming", True),
        _annual(row),
    )


def _ess(row: Mapping[str, Any], s_mva: float) -> Ess:
    return Ess(
        row["name"],
        row["p_mw"] / s_mva,
        row["sn_mva"] / s_mva if row.get("sn_mva") is not None else None,
        row["energy_mwh"] / s_mva,
        row.get("eta_charge", 0.95),
        row.get("eta_discharge", 0.95),
        row.get("energy_start_mwh", 0.0) / s_mva,
        row.get("energy_end", "free"),
        row.get("grid_forming", True),
        _annual(row),
    )


def _annual(row: Mapping[str, Any]) -> float:
    """Purchase as an annuity over the life of the unit, and upkeep."""
    rate, years = row.get("discount_rate", 0.05), row.get("lifetime_years", 20.0)
    factor = 1.0 / years if rate == 0.0 else rate / (1.0 - (1.0 + rate) ** -years)
    return float(row.get("investment_cost", 0.0) * factor + row.get("maintenance_cost_per_year", 0.0))
