"""Realisations of the uncertain quantities as arrays: one factor on the forecast for each component and period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from igdt_planner.ac.operation import judged_periods
from igdt_planner.errors import Finding, InputError
from igdt_planner.plan import Plan, Realisation

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

    def of(self, count: int) -> Samples:
        """The same samples with a row for each of ``count``, where all fields hold for all of them."""
        dg = np.broadcast_to(self.dg, (count, *self.dg.shape[1:]))
        return replace(self, dg=dg)


def _part(values: Floats, begin: int, end: int) -> Floats:
    return values if len(values) == 1 else values[begin:end]


def require_sampling(samples: int, seed: int, **others: int) -> list[Finding]:
    """Faults of the number of samples, of other numbers like it, and of the seed."""
    findings = [
        Finding(f"{name} is {value}, must lie between 1 and {MOST_SAMPLES}", f"/study/{name}", value)
        for name, value in {"samples": samples, **others}.items()
        if not 1 <= value <= MOST_SAMPLES
    ]
    if seed < 0:
        findings.append(Finding(f"seed is {seed}, must be 0 or more", "/options/seed", seed))
    return findings


def forecast(plan: Plan) -> Samples:
    """The forecast as one sample, with every axis in full length."""
    periods, lines = len(judged_periods(plan)), len(plan.case.lines)
    load = np.ones((1, periods, len(plan.case.buses)))
    dg = np.ones((1, periods, len(plan.dg)))
    return Samples(load, load, dg, np.ones((1, periods, 1)), np.ones((1, periods, lines)))


def realised(plan: Plan, realisation: Realisation) -> Samples:
    """A realisation of the uncertain quantities as one sample."""
    one = forecast(plan)
    load = one.active_load * realisation.load
    return Samples(load, load, one.dg * realisation.dg_availability, one.price, one.line_rating)


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
