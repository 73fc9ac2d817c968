"""A study: one case under one model, resolved to per unit and ready to be formulated or searched."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from igdt_planner.case import Case
from igdt_planner.errors import InputError
from igdt_planner.meaning_checks import meaning_doubts, meaning_faults
from igdt_planner.model import (
    AVAILABILITY,
    DgTechnology,
    EssTechnology,
    Fix,
    Losses,
    Mode,
    Model,
    ModeName,
    Quantity,
    Source,
    Uncertain,
)
from igdt_planner.network import substation_buses
from igdt_planner.plan import FORECAST, Factors, Realisation
from igdt_planner.study_checks import candidate_buses, mismatches
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
    """A period: length in hours, available share of ratings by source, price and emissions of bought energy."""

    id: int
    hours: float
    share: Mapping[Source, float]
    price_per_mwh: float
    emissions_t_per_mwh: float


@dataclass(frozen=True)
class StudyMode:
    """One operating mode: sources (squared voltage by substation; none when islanded), loads by bus and period."""

    name: ModeName
    settings: Mode
    islanded: bool
    sources: Mapping[int, float]
    p_load: Mapping[tuple[int, int], float]
    q_load: Mapping[tuple[int, int], float]

    @property
    def shedding(self) -> bool:
        """Whether load may be shed in this mode."""
        return self.islanded or self.settings.shedding


Direction = Mapping[str, Factors]
"""Change of each uncertain quantity per unit of alpha, as a share of its forecast: a ray of the uncertainty set."""


Deviation = tuple[Quantity, int, int]
"""Quantity, component and period of a deviation that is a column of its own."""


class Within(NamedTuple):
    """A face of the uncertainty set: the deviations, each by its factor, add up to at most ``most`` times alpha."""

    factors: Mapping[Deviation, float]
    most: float


@dataclass(frozen=True)
class Horizon:
    """The info-gap question put to the formulation.

    ``sense``: ``robust`` maximises alpha, ``opportunity`` minimises it, between ``alpha_lb`` and ``alpha_ub``, such
    that in each of the ``scenarios`` the cost is at most ``budget``, in the model's unit. Where an opportunity decides
    the deviations too, they keep ``within`` faces of the set, and of the quantities ``in_few`` periods no more deviate.
    """

    sense: Literal["robust", "opportunity"]
    budget: float
    alpha_ub: float
    scenarios: tuple[Direction, ...]
    alpha_lb: float = 0.0
    within: tuple[Within, ...] = ()
    in_few: Mapping[Quantity, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """Everything the formulation needs, in per unit on ``base_mva``.

    ``dg`` and ``ess`` map candidate sites (bus, technology name) to technologies. ``realisation`` scales the forecasts;
    ``horizon`` is set for info-gap problems only. ``deviating`` names what a recourse problem is asked about, or an
    opportunity decides: quantity, component and period, whose deviation (of a rating, of its square) is a column of its
    own. Over ``samples`` the mean cost is minimised, each as likely as any other, or the largest where ``costliest``.
    ``warnings`` say what the objective may mean other than a planner thinks; every plan of the study carries them.
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
    deviating: frozenset[Deviation] = frozenset()
    samples: tuple[Realisation, ...] = ()
    costliest: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def substations(self) -> frozenset[int]:
        """Buses that feed the network when it is connected."""
        return substation_buses(self.case)

    def realise(self, realisation: Realisation) -> Study:
        """The same study with the uncertain quantities at ``realisation`` instead of the forecast."""
        return dataclasses.replace(self, realisation=realisation, horizon=None)

    def ask(self, horizon: Horizon) -> Study:
        """The same study with an info-gap question in place of the cost objective."""
        return dataclasses.replace(self, horizon=horizon)

    def switched_once(self) -> Study:
        """The same study with one topology for every scenario, whatever the model lets wait."""
        stages = self.model.stages.model_copy(update={"topology": "here_and_now"})
        return dataclasses.replace(self, model=self.model.model_copy(update={"stages": stages}))

    def deviate(self, keys: frozenset[Deviation]) -> Study:
        """The same study with columns for the deviations named; without a horizon its sites are decided."""
        return dataclasses.replace(self, deviating=keys)

    def expect(self, samples: Sequence[Realisation]) -> Study:
        """The same study over samples of the uncertain quantities: a two-stage stochastic program."""
        return dataclasses.replace(self, samples=tuple(samples), horizon=None)

    def withstand(self, samples: Sequence[Realisation]) -> Study:
        """The same study at the costliest of some points: what a static robust plan is asked for."""
        return dataclasses.replace(self, samples=tuple(samples), horizon=None, costliest=True)

    def decide(self, fix: Fix, losses: Losses = "balance") -> Study:
        """The same study with decisions fixed, ready for re-dispatch; with the AC-tight loss model unless stated.

        Where sites are stated, no others are left to be considered.
        """
        model = self.model.model_copy(update={"fix": fix, "losses": losses})
        dg = {(site.bus, site.technology) for site in fix.dg} if fix.dg is not None else set(self.dg)
        ess = {(site.bus, site.technology) for site in fix.ess} if fix.ess is not None else set(self.ess)
        return dataclasses.replace(
            self,
            model=model,
            dg={key: tech for key, tech in self.dg.items() if key in dg},
            ess={key: tech for key, tech in self.ess.items() if key in ess},
        )

    def warn(self, warnings: Sequence[str]) -> Study:
        """The same study, whose plans carry further warnings."""
        return dataclasses.replace(self, warnings=(*self.warnings, *warnings))

    def uncertain(self, quantity: str) -> Uncertain | None:
        """The model's entry for an uncertain quantity, or None where it is certain."""
        return next((entry for entry in self.model.uncertain if entry.quantity == quantity), None)


def resolve(case: Case, model: Model) -> Study:
    """Resolve a case under a model.

    Raises
    ------
    InputError
        With every mismatch between the two: unknown buses, lines, modes or technologies, statements that cannot be
        kept, loads that a mode cannot shed, and an objective that would mean nothing.
    """
    profile = planned_profile(case, model)
    findings = mismatches(case, model, {int(period["period"]) for period in profile})
    findings += meaning_faults(case, model, profile)
    if findings:
        raise InputError(findings)
    return dataclasses.replace(study_of(case, model), warnings=meaning_doubts(case, model, profile))


def study_of(case: Case, model: Model) -> Study:
    """The study of a case and a model that need no check, as those made from a checked study."""
    profile = planned_profile(case, model)
    buses, lines = case.buses.to_dict("records"), case.lines.to_dict("records")
    base_kv = {int(bus["id"]): float(bus["vn_kv"]) for bus in buses}
    dg_buses, ess_buses = (candidate_buses(case, choice.buses) for choice in (model.dg, model.ess))
    return Study(
        case=case,
        model=model,
        base_mva=case.base_mva,
        buses={int(bus["id"]): _bus(bus) for bus in buses},
        lines={int(line["id"]): _line(line, base_kv[line["from_bus"]], case.base_mva) for line in lines},
        periods={int(period["period"]): _period(period) for period in profile},
        modes={name: _mode(case, name, settings, profile) for name, settings in model.modes.items()},
        dg={(bus, tech.name): tech for bus in dg_buses for tech in model.dg.technologies if model.dg.max_units},
        ess={(bus, tech.name): tech for bus in ess_buses for tech in model.ess.technologies if model.ess.max_units},
    )


def planned_profile(case: Case, model: Model) -> list[dict[Any, Any]]:
    """Rows of the profile that the model asks for: all, or the first one of the largest load."""
    rows = case.profile.to_dict("records")
    return rows if model.periods == "all" else [max(rows, key=lambda row: float(row["load"]))]


def _bus(row: Mapping[Any, Any]) -> Bus:
    return Bus(
        id=int(row["id"]),
        v_sq_lb=float(row["vm_min_pu"]) ** 2,
        v_sq_ub=float(row["vm_max_pu"]) ** 2,
        priority=float(row["priority"]),
        value_of_lost_load=float(row["value_of_lost_load_per_mwh"]),
    )


def _line(row: Mapping[Any, Any], vn_kv: float, base_mva: float) -> Line:
    z_base = z_base_ohm(vn_kv, base_mva)
    rating = float(row["max_i_ka"]) / i_base_ka(vn_kv, base_mva)
    return Line(
        id=int(row["id"]),
        i=int(row["from_bus"]),
        j=int(row["to_bus"]),
        r=float(row["r_ohm"]) / z_base,
        x=float(row["x_ohm"]) / z_base,
        i_sq_ub=math.inf if math.isnan(rating) else rating**2,
        switchable=bool(row["switchable"]),
        closed=bool(row["in_service"]),
    )


def _period(row: Mapping[Any, Any]) -> Period:
    return Period(
        id=int(row["period"]),
        hours=float(row["duration_h"]),
        share={source: float(row[source]) for source in AVAILABILITY},
        price_per_mwh=float(row["price_per_mwh"]),
        emissions_t_per_mwh=float(row["emissions_t_per_mwh"]),
    )


def _mode(case: Case, name: ModeName, settings: Mode, profile: list[dict[Any, Any]]) -> StudyMode:
    islanded = name == "islanded"
    share = {"p_mw": 1.0 / case.base_mva, "q_mvar": (1.0 if settings.reactive else 0.0) / case.base_mva}
    substations = [] if islanded else case.substations.to_dict("records")

    def load(column: str) -> dict[tuple[int, int], float]:
        return {
            (int(bus["id"]), int(period["period"])): float(bus[column]) * float(period["load"]) * share[column]
            for bus in case.buses.to_dict("records")
            for period in profile
        }

    return StudyMode(
        name=name,
        settings=settings,
        islanded=islanded,
        sources={int(row["bus"]): float(row["vm_pu"]) ** 2 for row in substations},
        p_load=load("p_mw"),
        q_load=load("q_mvar"),
    )
