"""Information gap: which points of the uncertainty set are the worst, and why the structure of a model says so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.infogap.export import alpha_without_export, flows_back
from igdt_planner.infogap.uncertainty import LOADS, Ray, UncertaintySet, set_of
from igdt_planner.model import AVAILABILITY, Quantity, Site
from igdt_planner.plan import Realisation
from igdt_planner.study import Direction, Horizon, Study

Sense = Literal["robust", "opportunity"]
WORSE: dict[Quantity, float] = {
    "load": 1.0,
    "active_load": 1.0,
    "reactive_load": 1.0,
    "dg_availability": -1.0,
    "pv": -1.0,
    "wind": -1.0,
    "price": 1.0,
    "line_rating": -1.0,
}
"""Sign of the deviation that costs more, by quantity, where the structure of the model justifies it."""
MOST_RAYS = 1024
"""More combinations of vertices are not listed: there the worst case is searched."""


@dataclass(frozen=True)
class Ambiguity:
    """Where the worst case of a study has to be looked for.

    Attributes
    ----------
    uncertainty : UncertaintySet
    doubts : tuple of Finding
        Why a deviation to the worse side need not be worse; empty where the structure of the model says that it is.
    doubted : frozenset of str
        The quantities that these doubts are about.
    priced : bool
        Whether the worst prices are searched: the cost is concave in prices, so they need be no vertex.
    rays : list of Ray or None
        Directions, of all but searched prices, one of which is the worst: at any alpha no other point of the set costs
        more. None where they are too many to list.
    first : Direction
        The first guess of the worst: the corner, where there is one.
    most : float
        The alpha up to which that is so.
    """

    uncertainty: UncertaintySet
    doubts: tuple[Finding, ...]
    doubted: frozenset[Quantity]
    priced: bool
    rays: list[Ray] | None
    first: Direction
    most: float = math.inf

    @property
    def corner(self) -> bool:
        """Whether one point of the set is known to be the worst."""
        return not self.doubts and not self.priced and self.rays is not None and len(self.rays) == 1


def ambiguity(study: Study, sense: Sense, held: Mapping[Quantity, float] | None = None) -> Ambiguity:
    """The uncertainty set of a study and its worst directions (for an opportunity its best ones).

    Quantities that are ``held`` have that radius, whatever alpha is.

    Raises
    ------
    InputError
        When the model has no uncertain quantity, or asks for what is not answered.
    """
    if not study.model.uncertain:
        raise InputError.of(
            "the model names no uncertain quantity: add [[uncertain]] with quantity = dg_availability, load, ...",
            path="/model/uncertain",
        )
    if not any(entry.weight for entry in study.model.uncertain):
        message = "the weights of all uncertain quantities are 0: nothing may deviate"
        raise InputError.of(message, path="/model/uncertain/0/weight", got=0.0)
    uncertainty = dataclasses.replace(set_of(study), held=held or {})
    power = power_faults(study)
    doubted: set[Quantity] = {q for q in uncertainty.shapes if power and q != "price"}
    most = no_export(uncertainty, study, sense, doubted)
    price = [FLOWS_BACK] if most < 0.0 else []
    if len(at_rest(study)) == len(uncertainty.shapes):
        message = "the uncertainty set is a point: psi, down and up of all quantities are 0, so nothing may deviate"
        raise InputError.of(message, path="/model/uncertain/0")
    side = 1.0 if sense == "robust" else -1.0
    doubted.update(["price"] if price else ())
    extreme = {
        (q, c): uncertainty.shapes[q].extreme(np.full(len(study.periods), side * WORSE[q]))
        for q, c in uncertainty.series()
    }
    priced = sense == "robust" and "price" in uncertainty.shapes
    priced = priced and ("price" in doubted or not uncertainty.shapes["price"].of_boxes)
    lists = {
        q: shape.vertices() if q in doubted else shape.farthest(side * WORSE[q])
        for q, shape in uncertainty.shapes.items()
        if q != "price" or not priced
    }
    rays = uncertainty.combined(lists, MOST_RAYS)
    doubts = (*power, *price)
    found = Ambiguity(
        uncertainty,
        doubts,
        frozenset(doubted),
        priced,
        rays,
        uncertainty.direction(extreme),
        math.inf if price else most,
    )
    if not found.corner and sense == "opportunity":
        multiplied = [q for q in uncertainty.shapes if q in ("price", "line_rating")]
        if multiplied:
            raise InputError([*doubts, no_corner(multiplied[0])])
    return found


def at_rest(study: Study) -> list[Quantity]:
    """Uncertain quantities that cannot deviate: their weight, or all that their shape allows, is 0."""
    shapes = set_of(study).shapes
    return [quantity for quantity, shape in shapes.items() if not any(reach.any() for reach in shape.reach())]


def no_corner(quantity: Quantity) -> Finding:
    """Why an opportunity whose best point is decided with the plan is not answered."""
    message = (
        f"an opportunity with an uncertain {quantity} is answered where one corner of the set is the best point; "
        "here none is known to be"
    )
    return Finding(message, "/model/uncertain", quantity)


def horizon(study: Study, sense: Sense, budget: float) -> Horizon:
    """The info-gap question of a study at its corner, or at the first guess of the worst.

    Raises
    ------
    InputError
        As :func:`ambiguity`.
    """
    return question_of(study, ambiguity(study, sense), sense, budget)


def question_of(study: Study, found: Ambiguity, sense: Sense, budget: float) -> Horizon:
    """The question at the first guess of the worst."""
    return Horizon(sense, budget, min(found.most, alpha_limit(found.uncertainty, sense, found.doubted)), (found.first,))


def alpha_limit(uncertainty: UncertaintySet, sense: Sense, doubted: Collection[Quantity]) -> float:
    """Alpha at which the first quantity stands at its physical range: 0 or ``physical_max``, times the forecast.

    Beyond it that quantity would stay and only the others would go on. Such an alpha is not searched: where this limit
    is reached, ``alpha_limit`` is ``physical`` although other quantities may be short of theirs. Where a corner
    decides, the side to which it does not lie does not limit alpha, unless a robust question has no other: a limit of
    the network may be there, which the adversary looks for.
    """
    limits: list[float] = []
    harmless: list[float] = []
    side = 1.0 if sense == "robust" else -1.0
    for quantity, shape in uncertainty.shapes.items():
        if quantity in uncertainty.held:
            continue
        down, up = (float(reach.max(initial=0.0)) for reach in shape.reach())
        towards = 0.0 if quantity in doubted else side * WORSE[quantity]
        if down:
            (limits if towards <= 0.0 else harmless).append(1.0 / down)
        if up:
            (limits if towards >= 0.0 else harmless).append((shape.entry.physical_max - 1.0) / up)
    return min(limits or (harmless if sense == "robust" else ()), default=0.0)


def corner_faults(study: Study) -> list[Finding]:
    """Why "less DG, more load, higher price" need not be the worst of this study; empty where it is."""
    power = power_faults(study)
    uncertainty = set_of(study)
    doubted = [q for q in uncertainty.shapes if power and q != "price"]
    return [*power, FLOWS_BACK] if no_export(uncertainty, study, "robust", doubted) < 0.0 else power


def power_faults(study: Study) -> list[Finding]:
    """Why "less DG, more load" need not be the worst; empty where it is."""
    findings = []
    for name in sorted({tech.name for tech in study.dg.values() if tech.must_take}):
        message = f"the worst case is not a corner with must-take DG ({name}): more power can cost more"
        findings.append(Finding(message, "/model/dg/technologies", name, hint="set must_take = false"))
    if any(entry.quantity in LOADS for entry in study.model.uncertain):
        findings += load_faults(study)
    return findings


FLOWS_BACK = Finding(
    "price up is not the worst corner where power may flow back: there a higher price earns more",
    "/model/uncertain",
    "price",
)


def no_export(uncertainty: UncertaintySet, study: Study, sense: Sense, doubted: Collection[Quantity]) -> float:
    """The alpha up to which nothing can be sold at the points that matter; below 0 where there is none.

    Those of an opportunity lie at any alpha up to the one that is found. Those of a robust question have no more DG and
    no less load than the forecast; where that is doubted, they are all up to the physical range.
    """
    if "price" not in uncertainty.shapes:
        return math.inf
    limit = alpha_limit(uncertainty, sense, doubted)
    if sense == "opportunity":
        most = alpha_without_export(study, uncertainty, limit)
        return most if most < limit else math.inf
    at = uncertainty if doubted else dataclasses.replace(uncertainty, held={})
    return -1.0 if flows_back(study, at, limit if doubted else 0.0) else math.inf


def load_faults(study: Study) -> list[Finding]:
    """Why more load need not cost more in this study; empty where it does."""
    findings = []
    for row, bus in enumerate(study.case.buses.to_dict("records")):
        if bus["p_mw"] < 0.0 or bus["q_mvar"] < 0.0:
            load = f"p_mw {bus['p_mw']:g}, q_mvar {bus['q_mvar']:g}"
            message = f"load up is not the worst corner where a load is negative: bus {bus['id']} has {load}"
            findings.append(Finding(message, f"/case/buses/{row}/p_mw", bus["p_mw"]))
    for period in study.periods.values():
        if period.price_per_mwh < 0.0:
            message = f"load up is not the worst corner where a price is negative: period {period.id} has "
            findings.append(Finding(f"{message}{period.price_per_mwh:g}", "/case/profile", period.price_per_mwh))
    weighed = [("objective", n, term.term) for n, term in enumerate(study.model.objective) if term.weight > 0.0]
    limited = [("limits", n, limit.term) for n, limit in enumerate(study.model.limits)]
    for field, number, term in weighed + limited:
        if term == "voltage_deviation":
            message = (
                "load up is not the worst corner of voltage_deviation: more load may bring a voltage closer to 1 pu"
            )
            findings.append(Finding(message, f"/model/{field}/{number}/term", term))
    return findings


def corner(found: Ambiguity, alpha: float) -> Realisation:
    """The corner of the uncertainty set at a radius."""
    return found.uncertainty.realise(found.first, alpha)


MORE_LOAD = (
    "non-negative loads and prices; proven to first order of losses, but for voltage limits and for storage whose "
    "schedule stands before the load is known"
)
REASONS: dict[Quantity, str] = {
    "dg_availability": "curtailable DG: less of it only takes choices away",
    "pv": "curtailable PV: less of it only takes choices away",
    "wind": "curtailable wind: less of it only takes choices away",
    "load": MORE_LOAD,
    "active_load": MORE_LOAD,
    "reactive_load": MORE_LOAD,
    "price": "nothing can be sold",
    "line_rating": "a lower rating only takes choices away",
}
GAINS: dict[Quantity, str] = {
    "dg_availability": "curtailable DG: more of it only adds choices",
    "pv": "curtailable PV: more of it only adds choices",
    "wind": "curtailable wind: more of it only adds choices",
    "line_rating": "a higher rating only adds choices",
}
"""Reasons in the words of an opportunity, where they differ."""
SHORT: dict[Quantity, str] = {
    "dg_availability": "DG",
    "pv": "PV",
    "active_load": "active load",
    "reactive_load": "reactive load",
    "line_rating": "line rating",
}


def justification(found: Ambiguity, sense: Sense) -> str:
    """How the worst (or best) case is known, in words: the corner used and why it may be, or what takes its place."""
    side = 1.0 if sense == "robust" else -1.0
    moved: list[Quantity] = []
    for quantity, shape in found.uncertainty.shapes.items():
        down, up = shape.reach()
        if (up if side * WORSE[quantity] > 0.0 else down).any() or (quantity in found.doubted and (down + up).any()):
            moved.append(quantity)
    words = [f"{SHORT.get(q, q)} {'up' if side * WORSE[q] > 0.0 else 'down'}" for q in moved]
    if not moved:
        return f"no quantity deviates to the side that costs {'more' if sense == 'robust' else 'less'}"
    why = REASONS if sense == "robust" else REASONS | GAINS
    reasons = "; ".join(dict.fromkeys(why[quantity] for quantity in moved))
    if found.corner:
        return f"corner ({', '.join(words)}), justified: {reasons}"
    if sense == "opportunity":
        doubt = found.doubts[0].message if found.doubts else f"{', '.join(words)}: {reasons}"
        return f"the best point is decided with the plan: {doubt}"
    listed = "too many vertices to list" if found.rays is None else f"{len(found.rays)} extreme points"
    if found.priced:
        alone = len(found.uncertainty.shapes) == 1
        listed = "prices by cutting planes" if alone else f"{listed}, prices by cutting planes"
    if found.doubts:
        return f"column-and-constraint generation, {listed}: {found.doubts[0].message}"
    return f"column-and-constraint generation, {listed} ({', '.join(words)}: {reasons})"


def matters(study: Study, built: Iterable[Site], found: Ambiguity) -> bool:
    """Whether any uncertain quantity touches a plan, with DG at these sites, at all."""
    available = {AVAILABILITY[study.dg[site.bus, site.technology].source] for site in built}
    loads = any(load for mode in study.modes.values() for load in mode.p_load.values())
    reactive = any(load for mode in study.modes.values() for load in mode.q_load.values())
    bought = any(term.term == "energy_cost" and term.weight for term in study.model.objective)
    touches: dict[Quantity, bool] = {
        "load": loads or reactive,
        "active_load": loads,
        "reactive_load": reactive,
        "dg_availability": "dg_availability" in available,
        "pv": "pv" in available,
        "wind": "wind" in available,
        "price": bought and any(period.price_per_mwh for period in study.periods.values()),
        "line_rating": any(np.isfinite(line.i_sq_ub) for line in study.lines.values()),
    }
    uncertainty = found.uncertainty
    moving = {
        q for q, c in uncertainty.series() if q in found.doubted or uncertainty.deviations(found.first, q, c).any()
    }
    return any(touches[quantity] for quantity in moving - uncertainty.held.keys())
