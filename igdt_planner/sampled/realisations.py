"""Realisations of the uncertain quantities as arrays: one factor on the forecast for each component and period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from igdt_planner.ac.operation import judged_periods
from igdt_planner.errors import Finding, InputError, is_whole
from igdt_planner.infogap.uncertainty import ALIKE
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.plan import FORECAST, Plan, Realisation

Floats = npt.NDArray[np.float64]

MOST_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Samples:
    """Factors on the forecast, one row a sample; every axis but the first may have length 1 and counts for all.

    Attributes
    ----------
    active_load, reactive_load : array, shape (samples, periods, buses)
    dg : array, shape (samples, periods, units)
        Availability of the built DG in the order of ``plan.dg``, whatever drives it.
    price : array, shape (samples, periods, 1)
    line_rating : array, shape (samples, periods, lines)
    """

    active_load: Floats
    reactive_load: Floats
    dg: Floats
    price: Floats
    line_rating: Floats

    def __len__(self) -> int:
        return max(len(getattr(self, field.name)) for field in fields(self))

    def parts(self, size: int) -> Iterator[Samples]:
        """The same samples in parts of at most ``size``."""
        for begin in range(0, len(self), size):
            yield Samples(*(_part(getattr(self, field.name), begin, begin + size) for field in fields(self)))

    def at(self, places: npt.NDArray[np.int64]) -> Samples:
        """Some of the samples."""
        picked = {field.name: getattr(self, field.name) for field in fields(self)}
        return Samples(**{name: v if len(v) == 1 else v[places] for name, v in picked.items()}).of(len(places))

    def of(self, count: int) -> Samples:
        """The same samples with a row for each of ``count``, where all fields hold for all of them."""
        dg = np.broadcast_to(self.dg, (count, *self.dg.shape[1:]))
        return replace(self, dg=dg)


def _part(values: Floats, begin: int, end: int) -> Floats:
    return values if len(values) == 1 else values[begin:end]


def require_sampling(samples: int, seed: int, **others: int) -> list[Finding]:
    """Faults of the number of samples, of other numbers like it, and of the seed."""
    findings = [
        Finding(f"{name} is {value}, must be a whole number between 1 and {MOST_SAMPLES}", f"/study/{name}", value)
        for name, value in {"samples": samples, **others}.items()
        if not is_whole(value) or not 1 <= value <= MOST_SAMPLES
    ]
    if not is_whole(seed) or seed < 0:
        findings.append(Finding(f"seed is {seed}, must be a whole number of 0 or more", "/options/seed", seed))
    return findings


def forecast(plan: Plan) -> Samples:
    """The forecast as one sample, with every axis in full length."""
    return realised(plan, FORECAST)


def realised(plan: Plan, realisation: Realisation) -> Samples:
    """A realisation of the uncertain quantities as one sample."""
    periods = judged_periods(plan)["period"].tolist()
    buses, lines = plan.case.buses["id"].tolist(), plan.case.lines["id"].tolist()
    load = realisation.table("load", buses, periods)
    units = [realisation.table(quantity, [bus], periods) for bus, quantity in availability(plan)]
    return Samples(
        active_load=(load * realisation.table("active_load", buses, periods))[None],
        reactive_load=(load * realisation.table("reactive_load", buses, periods))[None],
        dg=np.hstack([np.empty((len(periods), 0)), *units])[None],
        price=realisation.table("price", [ALIKE], periods)[None],
        line_rating=realisation.table("line_rating", lines, periods)[None],
    )


def realisation_of(plan: Plan, samples: Samples, place: int) -> Realisation:
    """One of the samples as a realisation: what :func:`realised` undoes."""
    periods = judged_periods(plan)["period"].tolist()
    places: dict[str, list[int]] = {
        "active_load": plan.case.buses["id"].tolist(),
        "reactive_load": plan.case.buses["id"].tolist(),
        "line_rating": plan.case.lines["id"].tolist(),
    }

    def table(name: str) -> Floats:
        """Factors of a field, shape (periods, components)."""
        values = getattr(samples, name)
        return np.asarray(values[place if len(values) > 1 else 0], dtype=float)

    factors: dict[str, dict[int | tuple[int, int], float]] = {
        name: {(c, t): float(row[n]) for t, row in zip(periods, table(name), strict=True) for n, c in enumerate(own)}
        for name, own in places.items()
    }
    factors["price"] = {t: float(value) for t, value in zip(periods, table("price")[:, 0], strict=True)}
    for n, (bus, quantity) in enumerate(availability(plan)):
        own = zip(periods, table("dg")[:, n], strict=True)
        factors.setdefault(quantity, {}).update({(bus, t): float(value) for t, value in own})
    return Realisation(**factors)


def availability(plan: Plan) -> list[tuple[int, Quantity]]:
    """Bus of every built DG, and the quantity that says what it has available."""
    known = {technology.name: AVAILABILITY[technology.source] for technology in plan.model.dg.technologies}
    return [(int(bus), known[name]) for bus, name in zip(plan.dg["bus"], plan.dg["technology"], strict=True)]


def deviated(plan: Plan, deviations: Mapping[tuple[Quantity, int], Floats]) -> Samples:
    """Samples from series of deviations, as shares of the forecast.

    Parameters
    ----------
    plan : Plan
    deviations : mapping of (quantity, component) to array, shape (samples, periods)
        The component is a bus or a line, or :data:`igdt_planner.infogap.uncertainty.ALIKE` where all deviate alike.
        What would leave its physical range stands at the end of it.
    """
    fields = dict(vars(forecast(plan)))
    buses, lines = plan.case.buses["id"].to_numpy(), plan.case.lines["id"].to_numpy()
    units, drivers = plan.dg["bus"].to_numpy(), np.array([quantity for _, quantity in availability(plan)])
    most = {entry.quantity: entry.physical_max for entry in plan.model.uncertain}
    for (quantity, component), series in deviations.items():
        factor = np.clip(1.0 + series, 0.0, most[quantity])[:, :, None]
        places: dict[str, npt.NDArray[np.bool_]] = {
            "active_load": (buses == component) & (quantity in ("load", "active_load")),
            "reactive_load": (buses == component) & (quantity in ("load", "reactive_load")),
            "dg": (units == component) & (drivers == quantity),
            "price": np.array([quantity == "price"]),
            "line_rating": (lines == component) & (quantity == "line_rating"),
        }
        if component == ALIKE:
            every = {"active_load": quantity in ("load", "active_load")}
            every |= {"reactive_load": quantity in ("load", "reactive_load"), "line_rating": quantity == "line_rating"}
            places |= {name: np.full(fields[name].shape[2], value) for name, value in every.items()}
            places["dg"] = drivers == quantity
        for name, place in places.items():
            if place.any():
                fields[name] = fields[name] * np.where(place, factor, 1.0)
    return Samples(**fields)


def worst(plan: Plan) -> Samples:
    """The realisation that a plan's own dispatch is made for: its worst case; of a baseline the forecast.

    Raises
    ------
    InputError
        The plan has no dispatch to start from.
    """
    if plan.dispatch is None or plan.dispatch_forecast is None:
        raise InputError.of(
            f"this {plan.kind} plan has no dispatch at the forecast and at its worst case to go between",
            path="/dispatch",
            hint=plan.explanation or plan.status,
        )
    return realised(plan, plan.dispatch.realisation)
