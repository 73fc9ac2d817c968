"""A study: one case under one model, resolved to per unit and ready to be formulated or searched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from igdt_planner.case import Case
from igdt_planner.errors import Finding, InputError
from igdt_planner.model import DgTechnology, EssTechnology, Fix, Mode, Model, Site, Uncertain
from igdt_planner.plan import FORECAST, Realisation
from igdt_planner.units import i_base_ka, z_base_ohm

SiteKey = tuple[int, str]
"""A bus and the name of a technology."""


@dataclass(frozen=True)
class Bus:
    """A bus in per unit: limits of the squared voltage, and what one MWh not served there weighs and costs."""

    id: int
    v_sq_lb: float
    v_sq_ub: float
    priority: float
    value_of_lost_load: float


@dataclass(frozen=True)
class Line:
    """A line in per unit from bus ``i`` to bus ``j``; ``i_sq_ub`` is infinite where no rating is given."""

    id: int
    i: int
    j: int
    r: float
    x: float
    i_sq_ub: float
    switchable: bool
    closed: bool


@dataclass(frozen=True)
class Period:
    """A period: length in hours, available share of every DG rating, price and emissions of bought energy."""

    id: int
    hours: float
    dg_share: float
    price_per_mwh: float
    emissions_t_per_mwh: float


@dataclass(frozen=True)
class StudyMode:
    """One operating mode with its sources (squared voltage by substation; none when islanded) and its loads by bus and period."""

    name: str
    settings: Mode
    islanded: bool
    sources: Mapping[int, float]
    p_load: Mapping[tuple[int, int], float]
    q_load: Mapping[tuple[int, int], float]

    @property
    def shedding(self) -> bool:
        """Whether load may be shed in this mode."""
        return self.islanded or self.settings.shedding


@dataclass(frozen=True)
class Horizon:
    """The info-gap question put to the formulation.

    ``sense``: ``robust`` maximises alpha at the worst corner, ``opportunity`` minimises it at the best. ``deviation`` is the signed
    change of each uncertain quantity per unit of alpha, as a share of its forecast; ``alpha_ub`` its physical limit; ``budget`` the
    cost that must not be exceeded, in the model's unit.
    """

    sense: Literal["robust", "opportunity"]
    budget: float
    alpha_ub: float
    deviation: Mapping[str, float]


@dataclass(frozen=True)
class Study:
    """Everything the formulation needs, in per unit on ``base_mva``.

    ``dg`` and ``ess`` map candidate sites (bus, technology name) to technologies. ``realisation`` scales the forecasts, ``dg_factor`` does so for
    DG at single buses and periods where it names them; ``horizon`` is set for info-gap problems only.
    """

    case: Case
    model: Model
    base_mva: float
    buses: Mapping[int, Bus]
    lines: Mapping[int, Line]
    periods: Mapping[int, Period]
    modes: Mapping[str, StudyMode]
    dg: Mapping[SiteKey, DgTechnology]
    ess: Mapping[SiteKey, EssTechnology]
    realisation: Realisation = FORECAST
    horizon: Horizon | None = None
    dg_factor: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def substations(self) -> frozenset[int]:
        """Buses that feed the network when it is connected."""
        return frozenset(int(bus) for bus in self.case.substations["bus"])

    def realise(self, realisation: Realisation) -> Study:
        """The same study with the uncertain quantities at ``realisation`` instead of the forecast."""
        return dataclasses.replace(self, realisation=realisation, horizon=None)

    def ask(self, horizon: Horizon) -> Study:
        """The same study with an info-gap question in place of the cost objective."""
        return dataclasses.replace(self, realisation=FORECAST, horizon=horizon)

    def decide(self, fix: Fix) -> Study:
        """The same study with decisions fixed and the AC-tight loss model, ready for re-dispatch."""
        return dataclasses.replace(self, model=self.model.model_copy(update={"fix": fix, "losses": "balance"}))

    def uncertain(self, quantity: str) -> Uncertain | None:
        """The model's entry for an uncertain quantity, or None where it is certain."""
        return next((entry for entry in self.model.uncertain if entry.quantity == quantity), None)


def resolve(case: Case, model: Model) -> Study:
    """Resolve a case under a model.

    Raises
    ------
    InputError
        With every mismatch between the two: unknown buses, lines, modes or technologies, and limits that contradict each other.
    """
    findings = _mismatches(case, model)
    if findings:
        raise InputError(findings)
    peak = int(case.profile.loc[case.profile["load"].idxmax(), "period"])
    profile = case.profile[case.profile["period"] == peak] if model.periods == "peak" else case.profile
    base_kv = dict(zip(case.buses["id"], case.buses["vn_kv"], strict=True))
    sites = [int(bus) for bus in case.buses["id"] if bus not in set(case.substations["bus"])]
    dg_buses, ess_buses = model.dg.buses or sites, model.ess.buses or sites
    return Study(
        case=case,
        model=model,
        base_mva=case.base_mva,
        buses={
            int(b.id): Bus(int(b.id), b.vm_min_pu**2, b.vm_max_pu**2, b.priority, b.value_of_lost_load_per_mwh)
            for b in case.buses.itertuples()
        },
        lines={int(row.id): _line(row, float(base_kv[row.from_bus]), case.base_mva) for row in case.lines.itertuples()},
        periods={
            int(p.period): Period(int(p.period), p.duration_h, p.dg, p.price_per_mwh, p.emissions_t_per_mwh)
            for p in profile.itertuples()
        },
        modes={name: _mode(case, name, settings, profile) for name, settings in model.modes.items()},
        dg={(bus, tech.name): tech for bus in dg_buses for tech in model.dg.technologies if model.dg.max_units},
        ess={(bus, tech.name): tech for bus in ess_buses for tech in model.ess.technologies if model.ess.max_units},
    )


def _line(row, vn_kv: float, base_mva: float) -> Line:  # type: ignore[no-untyped-def]  # pandas row
    z_base = z_base_ohm(vn_kv, base_mva)
    rating = float(row.max_i_ka) / i_base_ka(vn_kv, base_mva)
    i_sq_ub = rating**2 if rating == rating else float("inf")
    return Line(
        id=int(row.id),
        i=int(row.from_bus),
        j=int(row.to_bus),
        r=row.r_ohm / z_base,
        x=row.x_ohm / z_base,
        i_sq_ub=i_sq_ub,
        switchable=bool(row.switchable),
        closed=bool(row.in_service),
    )


def _mode(case: Case, name: str, settings: Mode, profile) -> StudyMode:  # type: ignore[no-untyped-def]  # pandas frame
    islanded = name == "islanded"
    q_share = 1.0 if settings.reactive else 0.0
    pairs = [(bus, period) for bus in case.buses.itertuples() for period in profile.itertuples()]
    return StudyMode(
        name=name,
        settings=settings,
        islanded=islanded,
        sources={} if islanded else {int(s.bus): s.vm_pu**2 for s in case.substations.itertuples()},
        p_load={(int(b.id), int(t.period)): b.p_mw * t.load / case.base_mva for b, t in pairs},
        q_load={(int(b.id), int(t.period)): b.q_mvar * t.load * q_share / case.base_mva for b, t in pairs},
    )


def _mismatches(case: Case, model: Model) -> list[Finding]:
    buses, lines = {int(b) for b in case.buses["id"]}, {int(line) for line in case.lines["id"]}
    return [
        *_term_faults(model),
        *_choice_faults(model, buses),
        *_fix_faults(model, buses, lines),
        *_mode_faults(case, model),
    ]


def _term_faults(model: Model) -> list[Finding]:
    findings = []
    for number, term in enumerate(model.objective):
        path = f"/model/objective/{number}/mode"
        if term.term == "investment_cost":
            if term.mode is not None:
                findings.append(
                    Finding("objective term investment_cost belongs to the whole plan: leave mode out", path, term.mode)
                )
        elif term.mode not in model.modes:
            known = ", ".join(model.modes)
            findings.append(
                Finding(f"objective term {term.term} needs mode = one of: {known}; got {term.mode}", path, term.mode)
            )
        elif term.mode == "islanded" and term.term == "energy_cost":
            findings.append(
                Finding("objective term energy_cost: no energy is bought in islanded mode", path, term.mode)
            )
    return findings


def _choice_faults(model: Model, buses: set[int]) -> list[Finding]:
    findings = []
    for kind, choice in (("dg", model.dg), ("ess", model.ess)):
        for bus in sorted(set(choice.buses) - buses):
            findings.append(
                Finding(f"{kind}.buses names bus {bus}, which the case does not have", f"/model/{kind}/buses", bus)
            )
        if choice.max_units and not choice.technologies:
            message = f"{kind}.max_units is {choice.max_units} but {kind}.technologies is empty"
            findings.append(Finding(message, f"/model/{kind}/technologies"))
        names = [tech.name for tech in choice.technologies]
        for name in sorted({name for name in names if names.count(name) > 1}):
            findings.append(Finding(f"{kind}.technologies names {name} twice", f"/model/{kind}/technologies", name))
    quantities = [entry.quantity for entry in model.uncertain]
    for quantity in sorted({q for q in quantities if quantities.count(q) > 1}):
        findings.append(Finding(f"uncertain names quantity {quantity} twice", "/model/uncertain", quantity))
    return findings


def _fix_faults(model: Model, buses: set[int], lines: set[int]) -> list[Finding]:
    findings: list[Finding] = []
    chosen: tuple[tuple[str, tuple[Site, ...] | None, int, set[str]], ...] = (
        ("dg", model.fix.dg, model.dg.max_units, {t.name for t in model.dg.technologies}),
        ("ess", model.fix.ess, model.ess.max_units, {t.name for t in model.ess.technologies}),
    )
    for kind, sites, max_units, names in chosen:
        path = f"/model/fix/{kind}"
        for site in sites or ():
            if site.bus not in buses:
                findings.append(
                    Finding(f"fix.{kind} names bus {site.bus}, which the case does not have", path, site.bus)
                )
            if site.technology not in names:
                findings.append(
                    Finding(
                        f"fix.{kind} names technology {site.technology}; known: {', '.join(names)}",
                        path,
                        site.technology,
                    )
                )
        if len(sites or ()) > max_units:
            findings.append(
                Finding(f"fix.{kind} states {len(sites or ())} units; {kind}.max_units is {max_units}", path)
            )
    for mode, stated in model.fix.open_lines.items():
        path = f"/model/fix/open_lines/{mode}"
        if mode not in model.modes:
            findings.append(Finding(f"fix.open_lines names mode {mode}, which the model does not have", path, mode))
        named = (
            {line for lines_open in stated.values() for line in lines_open} if isinstance(stated, dict) else set(stated)
        )
        for line in sorted(named - lines):
            findings.append(
                Finding(f"fix.open_lines.{mode} names line {line}, which the case does not have", path, line)
            )
    return findings


def _mode_faults(case: Case, model: Model) -> list[Finding]:
    findings = []
    if not model.modes:
        findings.append(Finding("the model has no mode; name connected, islanded or both", "/model/modes"))
    if "connected" in model.modes and not model.modes["connected"].radial:
        findings.append(
            Finding(
                "modes.connected.radial = false is not supported: a connected network is run radial",
                "/model/modes/connected/radial",
                False,
            )
        )
    limits = case.buses.set_index("id")
    for row, substation in enumerate(case.substations.itertuples()):
        low, high = limits.at[substation.bus, "vm_min_pu"], limits.at[substation.bus, "vm_max_pu"]
        if not low <= substation.vm_pu <= high:
            message = f"substation at bus {substation.bus}: vm_pu {substation.vm_pu:g} lies outside its limits {low:g} to {high:g}"
            findings.append(Finding(message, f"/case/substations/{row}/vm_pu", substation.vm_pu))
    return findings
