"""Rules on what is built, which hold for the plan as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pandas as pd

from igdt_planner.ac.violations import TOLERANCE_MW
from igdt_planner.model import DgChoice, EssChoice, Site
from igdt_planner.plan import Plan, Violation

Kind = Literal["dg", "ess"]
NAMES: dict[Kind, str] = {"dg": "DG", "ess": "storage"}
RATINGS: dict[Kind, list[str]] = {"dg": ["p_mw", "q_min_mvar", "q_max_mvar"], "ess": ["p_mw", "energy_mwh"]}


def unit_count(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """No more units than the model allows."""
    built, allowed = len(_units(plan, kind)), _choice(plan, kind).max_units
    if _fix(plan, kind) is None and built > allowed:
        text = f"{built} {NAMES[kind]} units are built, more than the {allowed} allowed"
        yield _fault("unit_count", kind, 0, text, built, allowed, "units")


def allowed_buses(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """Units stand at buses that the model names; where it names none, anywhere but at substations."""
    if _fix(plan, kind) is not None:
        return
    everywhere = set(plan.case.buses["id"]) - set(plan.case.substations["bus"])
    allowed = set(_choice(plan, kind).buses) or everywhere
    for bus in _units(plan, kind)["bus"]:
        if bus not in allowed:
            yield _fault("allowed_buses", kind, bus, f"{NAMES[kind]} at bus {bus} stands where none may be built")


def known_buses(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """Units stand at buses of the case."""
    units = _units(plan, kind)
    for bus in units.loc[~units["bus"].isin(plan.case.buses["id"]), "bus"]:
        yield _fault("known_buses", kind, bus, f"{NAMES[kind]} at bus {bus}: the case has no such bus")


def one_per_bus(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """At most one DG and one storage unit a bus."""
    units = _units(plan, kind)
    for bus in units.loc[units["bus"].duplicated(), "bus"].unique():
        yield _fault("one_per_bus", kind, bus, f"bus {bus} holds more than one {NAMES[kind]} unit", 2.0, 1.0, "units")


def known_technology(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """Units are of a technology of the model and have its ratings."""
    technologies: Mapping[str, Any] = {technology.name: technology for technology in _choice(plan, kind).technologies}
    for unit in _units(plan, kind).to_dict("records"):
        technology = technologies.get(unit["technology"])
        who = f"{NAMES[kind]} at bus {unit['bus']}"
        if technology is None:
            text = f"{who} is of technology {unit['technology']!r}, which the model does not have"
            yield _fault("known_technology", kind, unit["bus"], text)
            continue
        for rating in RATINGS[kind]:
            value, due = float(unit[rating]), float(getattr(technology, rating))
            if not abs(value - due) <= TOLERANCE_MW:
                text = f"{who} has {rating} {value:g}, its technology {technology.name!r} has {due:g}"
                yield _fault("known_technology", kind, unit["bus"], text, value, due)


def prescribed_sites(plan: Plan, kind: Kind) -> Iterator[Violation]:
    """Units stated in the model's ``fix`` are built, and no others."""
    fix = _fix(plan, kind)
    if fix is None:
        return
    units = _units(plan, kind)
    built = set(zip(units["bus"].tolist(), units["technology"].tolist(), strict=True))
    stated = {(site.bus, site.technology) for site in fix}
    for bus, technology in sorted(built ^ stated):
        state = "built but not" if (bus, technology) in built else "not built but"
        text = f"{NAMES[kind]} {technology!r} at bus {bus} is {state} prescribed by the model"
        yield _fault("prescribed_sites", kind, bus, text)


def _choice(plan: Plan, kind: Kind) -> DgChoice | EssChoice:
    return plan.model.dg if kind == "dg" else plan.model.ess


def _fix(plan: Plan, kind: Kind) -> tuple[Site, ...] | None:
    return plan.model.fix.dg if kind == "dg" else plan.model.fix.ess


def _units(plan: Plan, kind: Kind) -> pd.DataFrame:
    return plan.dg if kind == "dg" else plan.ess


def _fault(
    rule: str, kind: Kind, bus: int, text: str, value: float = 0.0, limit: float = 0.0, unit: str = ""
) -> Violation:
    return Violation(rule, "", 0, kind, int(bus), float(value), float(limit), unit, text)
