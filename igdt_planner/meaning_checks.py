"""Whether the number that a model minimises means anything: its unit, the hours it counts, the data its terms need.

What would mean nothing is a fault; what means something else than a planner may think is a doubt, a warning of the
result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from igdt_planner.case import Case
from igdt_planner.errors import Finding, InputError
from igdt_planner.model import MONEY as MONEY_TERMS
from igdt_planner.model import TERM_UNITS, Model, ModeName, Term, TermName
from igdt_planner.objective_unit import CURRENCY, MONEY, SUM, UNDERSTOOD, YEAR_H, Unit, unit_of

Profile = Sequence[Mapping[Any, Any]]
"""The rows of a profile that are planned."""

YEAR_TOLERANCE = 0.05
"""Share by which the hours of a year may be missed: 52 weeks and 12 months of 30 days are years too."""
LIKELY_BETA = 1.0
"""A larger beta more than doubles the cost, and was most probably meant in percent."""
OF_DOING: tuple[TermName, ...] = ("investment_cost", "generation_cost", "switching")
"""Terms that are 0 where nothing is built, run or switched: alone they ask for nothing."""
COLUMNS: dict[TermName, tuple[str, str]] = {
    "energy_cost": ("profile", "price_per_mwh"),
    "emissions": ("profile", "emissions_t_per_mwh"),
    "lost_load_cost": ("buses", "value_of_lost_load_per_mwh"),
}
"""Table and column of a case that a term is computed from, where they may be left out."""


def meaning_faults(case: Case, model: Model, profile: Profile) -> list[Finding]:
    """What would make the objective mean nothing."""
    unit = unit_of(model.unit, case.currency)
    if unit is None:
        return [
            Finding(f"unit {model.unit!r} is not understood", "/model/unit", model.unit, hint=UNDERSTOOD),
            *data_faults(case, model, profile),
        ]
    return [
        *currency_faults(case, model, unit),
        *mixed_faults(model, unit),
        *scale_faults(model, unit),
        *year_faults(model, unit, profile),
        *data_faults(case, model, profile),
    ]


def meaning_doubts(case: Case, model: Model, profile: Profile) -> tuple[str, ...]:
    """Warnings of a study without faults."""
    unit = unit_of(model.unit, case.currency)
    if unit is None:
        return ()
    return (
        *weight_doubts(model, unit),
        *investment_doubts(model, unit, profile),
        *years_doubts(model, unit, profile),
        *idle_doubts(model),
        *peak_doubts(case, model, unit, profile),
        *(f"{finding.message}: {finding.hint}" for finding in missing_data(case, model, profile)),
    )


def weighted(model: Model) -> Iterator[tuple[int, Term]]:
    """Terms of the objective that count, with their places."""
    for number, term in enumerate(model.objective):
        of_mode = 1.0 if term.mode is None else model.modes[term.mode].weight if term.mode in model.modes else 0.0
        if term.weight and of_mode:
            yield number, term


def named(term: Term) -> str:
    """A term of the objective in words."""
    return f"objective term {term.term}" + (f" ({term.mode})" if term.mode else "")


# The unit


def currency_faults(case: Case, model: Model, unit: Unit) -> list[Finding]:
    """Money of the model in another currency than that of the case."""
    if unit.currency in ("", case.currency) or not CURRENCY.fullmatch(case.currency):
        return []
    message = f"unit {model.unit!r} is in {unit.currency}, the money of case {case.name} in {case.currency}"
    hint = f'write the unit in {case.currency}, or set currency = "{unit.currency}" in the case'
    return [Finding(message, "/model/unit", model.unit, hint=hint)]


def mixed_faults(model: Model, unit: Unit) -> list[Finding]:
    """Terms that no weight turns into the unit of the model; into money everything can be turned, by its price."""
    if unit.kind in (MONEY, SUM):
        return []
    hint = f'unit = "money" takes every term, its weight the price of one of its unit; "{SUM}" is a sum without a unit'
    return [
        Finding(
            f"{named(term)} comes in {TERM_UNITS[term.term]}, which cannot be summed up as {model.unit}",
            f"/model/objective/{number}/term",
            term.term,
            hint=hint,
        )
        for number, term in weighted(model)
        if TERM_UNITS[term.term] != unit.kind
    ]


def scale_faults(model: Model, unit: Unit) -> list[Finding]:
    """Terms that are called by a multiple of their unit, and count as they come."""
    return [
        Finding(
            f"{named(term)} comes in {unit.kind} and has weight 1, so that 1 {unit.kind} counts as 1 {unit.name}",
            f"/model/objective/{number}/weight",
            term.weight,
            hint=f"a weight of {unit.scale:g} makes {unit.name} of it",
        )
        for number, term in weighted(model)
        if TERM_UNITS[term.term] == unit.kind and unit.scale != 1.0 and term.weight == 1.0
    ]


def weight_doubts(model: Model, unit: Unit) -> Iterator[str]:
    """Terms of another kind that count as they come: their weight, a price, was most probably forgotten."""
    for _, term in weighted(model):
        own = TERM_UNITS[term.term]
        if unit.kind not in (SUM, own) and term.weight == 1.0:
            counts = f"so that 1 {own} counts as 1 {unit.name}"
            yield f"{named(term)} comes in {own} and has weight 1, {counts}: its weight is a price"


def idle_doubts(model: Model) -> Iterator[str]:
    """An objective of nothing but what doing costs, with no limit that asks for anything."""
    names = dict.fromkeys(term.term for _, term in weighted(model))
    if set(names) <= set(OF_DOING) and not model.limits:
        yield (
            f"the objective ({', '.join(names)}) is 0 where nothing is built, run or switched: unless the network asks "
            "for more, that is the plan; add what is to be saved (energy_cost, losses, ens), or [[limits]]"
        )


# The year


def hours_by_mode(model: Model, profile: Profile) -> dict[ModeName, float]:
    """Hours that the weights of modes with terms in the objective count."""
    asked = {term.mode for _, term in weighted(model)}
    hours = sum(float(period["duration_h"]) for period in profile)
    return {name: mode.weight * hours for name, mode in model.modes.items() if name in asked}


def is_year(counted: Mapping[ModeName, float], wanted_h: float = YEAR_H) -> bool:
    """Whether modes count the hours of a year; an island alone may be what happens in a few hours of it."""
    total = sum(counted.values())
    least = (1.0 - YEAR_TOLERANCE) * wanted_h if "connected" in counted else 0.0
    return least <= total <= (1.0 + YEAR_TOLERANCE) * wanted_h


def counted_words(model: Model, counted: Mapping[ModeName, float]) -> str:
    """The hours of modes in words."""
    parts = [f"{name} {hours:,.6g} h, weight {model.modes[name].weight:g}" for name, hours in counted.items()]
    return f"the weights of modes count {sum(counted.values()):,.6g} h ({'; '.join(parts)})"


def year_hint(model: Model, counted: Mapping[ModeName, float], wanted_h: float = YEAR_H) -> str:
    """What would count a year."""
    if model.periods == "peak":
        return 'periods = "peak" counts one period alone: set periods = "all"'
    share = wanted_h / sum(counted.values())
    return "for a year of this profile set " + " and ".join(
        f"modes.{name}.weight = {share * model.modes[name].weight:.6g}" for name in counted
    )


def year_faults(model: Model, unit: Unit, profile: Profile) -> list[Finding]:
    """A unit per year whose modes count another number of hours."""
    counted = hours_by_mode(model, profile)
    if unit.span_h != YEAR_H or not counted or is_year(counted):
        return []
    message = f"unit {model.unit!r}: {counted_words(model, counted)}, a year has {YEAR_H:,.0f} h"
    longest = max(counted, key=counted.__getitem__)
    path, got = f"/model/modes/{longest}/weight", model.modes[longest].weight
    return [Finding(message, path, got, hint=year_hint(model, counted))]


def investment_doubts(model: Model, unit: Unit, profile: Profile) -> Iterator[str]:
    """Money of a year for units, beside operation of another number of hours."""
    years = sum(term.weight for _, term in weighted(model) if term.term == "investment_cost")
    counted = hours_by_mode(model, profile)
    if not years or not counted or unit.kind != MONEY or unit.span_h == YEAR_H or is_year(counted, years * YEAR_H):
        return
    yield (
        f"objective term investment_cost is money a year, weight {years:g}, beside {years * YEAR_H:,.6g} h of "
        f"operation; {counted_words(model, counted)}: {year_hint(model, counted, years * YEAR_H)}"
    )


def years_doubts(model: Model, unit: Unit, profile: Profile) -> Iterator[str]:
    """Energy or money of more than a year, where no unit and no investment says of how many."""
    counted = hours_by_mode(model, profile)
    total, built = sum(counted.values()), any(term.term == "investment_cost" for _, term in weighted(model))
    if unit.kind in (SUM, "pu", "operations") or unit.span_h is not None or built:
        return
    if total > (1.0 + YEAR_TOLERANCE) * YEAR_H:
        yield (
            f"{counted_words(model, counted)}, {total / YEAR_H:.3g} years: the unit {model.unit!r} names no span; "
            f"{year_hint(model, counted)}"
        )


def peak_doubts(case: Case, model: Model, unit: Unit, profile: Profile) -> Iterator[str]:
    """Money of the period of highest load alone."""
    terms = {term.term for _, term in weighted(model)} - {"investment_cost"}
    if model.periods != "peak" or len(case.profile) == 1 or unit.kind != MONEY or not terms & set(MONEY_TERMS):
        return
    (peak,) = profile
    alone = f"of {case.profile['duration_h'].sum():g} h of the profile {peak['duration_h']:g} h count"
    year = ", and stand for the whole year" if unit.span_h == YEAR_H else ""
    yield f'periods = "peak": the money is that of period {peak["period"]}, of highest load; {alone}{year}'


# The data


def missing_data(case: Case, model: Model, profile: Profile) -> list[Finding]:
    """Terms that are 0 in every plan, for want of the column that they are computed from."""
    found = []
    for _, term in weighted(model):
        table, column = COLUMNS.get(term.term, ("", ""))
        if column and not has_data(case, model, term.term, profile):
            found.append(Finding(f"{named(term)} is 0 in every plan", f"/case/{table}", hint=empty(table, column)))
    return found


def has_data(case: Case, model: Model, term: TermName, profile: Profile) -> bool:
    """Whether a term has anything but zeros to be computed from."""
    table, column = COLUMNS.get(term, ("", ""))
    if not column:
        return True
    local = term == "emissions" and any(tech.emissions_t_per_mwh for tech in model.dg.technologies)
    return local or any(row[column] for row in (profile if table == "profile" else case.buses.to_dict("records")))


def empty(table: str, column: str) -> str:
    """A column without data, in words."""
    return f"column {column} of the {table} of the case is 0 everywhere, or not there"


def data_faults(case: Case, model: Model, profile: Profile) -> list[Finding]:
    """Missing data that leave nothing to be saved: what is left of the objective is 0 where nothing is done."""
    terms = list(weighted(model))
    if not terms:
        message = "no term of the objective has a weight above 0: every plan is as good as any other"
        return [Finding(message, "/model/objective", hint="give a term and its mode a weight")]
    if any(can_be_saved(case, model, term.term, term.mode, profile) for _, term in terms):
        return []
    return missing_data(case, model, profile)


def can_be_saved(case: Case, model: Model, term: TermName, mode: ModeName | None, profile: Profile) -> bool:
    """Whether a term of a mode may be above 0 where nothing is built, run or switched."""
    if term in OF_DOING:
        return False
    if term == "emissions":
        return mode != "islanded" and any(row["emissions_t_per_mwh"] for row in profile)
    if term in ("ens", "lost_load_cost") and mode == "connected" and not model.modes[mode].shedding:
        return False
    return has_data(case, model, term, profile)


def require_objectives(case: Case, model: Model, objectives: Sequence[str], profile: Profile) -> None:
    """Refuse objectives of a front that are 0 in every plan for want of data."""
    findings = []
    for number, name in enumerate(objectives):
        terms = {term for term, _ in model.summands(name)}
        if terms and not any(has_data(case, model, term, profile) for term in terms):
            path, hint = f"/study/objectives/{number}", empty(*COLUMNS[min(terms)])
            findings.append(Finding(f"objective {name} is 0 in every plan", path, name, hint=hint))
    if findings:
        raise InputError(findings)


# What is asked


def beta_doubts(beta: float | None) -> tuple[str, ...]:
    """A beta that was most probably meant in percent."""
    if beta is None or beta <= LIKELY_BETA:
        return ()
    return (f"beta {beta:g} allows {100.0 * beta:,.6g} % more than the baseline costs; {share_hint(f'{beta:g}')}",)


def share_hint(percent: str) -> str:
    """How a number of percent is written, where a text begins with one; else empty."""
    try:
        number = float(percent.strip().rstrip("%"))
    except ValueError:
        return ""
    return f"{number:g} % is written {number / 100.0:g}"
