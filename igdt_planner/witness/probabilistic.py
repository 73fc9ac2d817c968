"""Probabilistic AC power flow of a plan: what losses, voltages, energy not served and cost come to, and how likely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.ac.operation import judged_periods
from igdt_planner.ac.violations import TOLERANCE_PU
from igdt_planner.errors import Finding, InputError, nearest
from igdt_planner.model import TERM_UNITS
from igdt_planner.plan import Plan
from igdt_planner.results.probabilistic import QUANTILES, Probabilistic
from igdt_planner.sampled import Outcome, Samples, forecast, operate_samples, require_sampling
from igdt_planner.witness.stochastic import latin_hypercube

Floats = npt.NDArray[np.float64]
Quantity = Literal["load", "dg", "price"]
QUANTITIES: tuple[str, ...] = get_args(Quantity)

SHOWN = ("losses", "ens", "lost_load_cost", "energy_cost", "generation_cost", "emissions")
"""Terms whose distribution is shown, where they ever differ from 0."""


class Model(Protocol):
    """A stochastic model of a factor: on the forecast of a load or a price, or the available share of a DG rating."""

    def factor(self, share: Floats) -> Floats:
        """The factor at a quantile."""
        ...


@dataclass(frozen=True)
class Stochastic:
    """A quantity and its stochastic model.

    Attributes
    ----------
    quantity : "load", "dg" or "price"
        ``load``: a factor on the load, active and reactive alike. ``dg``: the share of its rating that a DG has
        available, in place of the profile's. ``price``: a factor on the price.
    model : object with ``factor(share)``
        As those of :mod:`igdt_planner.witness.stochastic`.
    bus : int, optional
        Of one bus; without it one number stands for all buses.
    """

    quantity: Quantity
    model: Model
    bus: int | None = None

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.quantity if self.bus is None else f"{self.quantity} at bus {self.bus}"


def probabilistic(
    plan: Plan,
    inputs: Sequence[Stochastic],
    samples: int = 10_000,
    seed: int = 0,
    *,
    correlation: npt.ArrayLike | None = None,
    independent_periods: bool = True,
    budget: float | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Probabilistic:
    """AC power flow of a plan under correlated Latin hypercube samples of stochastic models.

    Parameters
    ----------
    plan : Plan
        Of any kind, with a dispatch; run in every sample by the policy of :mod:`igdt_planner.sampled.policy`.
    inputs : sequence of Stochastic
    samples, seed : int
    correlation : array, shape (inputs, inputs), optional
        Of the normal scores of the inputs, in the same period.
    independent_periods : bool
        Whether every period is drawn anew; else one number holds all day.
    budget : float, optional
        In the model's unit; of a robust plan its own, unless given.
    on_event : callable, optional
        Receives progress events.

    Raises
    ------
    InputError
        With every fault of the inputs, or of the correlation matrix.
    """
    require_inputs(plan, inputs, samples, seed)
    periods = len(judged_periods(plan)) if independent_periods else 1
    drawn = latin_hypercube(samples * periods, len(inputs), correlation=correlation, seed=seed)
    given = factors(plan, inputs, drawn.reshape(samples, periods, len(inputs)))
    outcome = operate_samples(plan, given, on_event)
    return Probabilistic(
        plan,
        samples,
        seed,
        plan.robustness.get("budget") if budget is None else budget,
        outcome.objective,
        distributions(plan, outcome),
        voltages(plan, outcome),
        {kind: int(found.sum()) for kind, found in outcome.breaks.items()},
        int(outcome.broken.sum()),
        outcome.terms,
        outcome.vm_min_pu,
        outcome.vm_max_pu,
    )


def factors(plan: Plan, inputs: Sequence[Stochastic], drawn: Floats) -> Samples:
    """Quantiles of the inputs, shape (samples, periods, inputs), as factors on the forecast."""
    one, samples = forecast(plan), len(drawn)
    load = np.repeat(one.active_load, samples, axis=0)
    dg, price = np.repeat(one.dg, samples, axis=0), np.repeat(one.price, samples, axis=0)
    buses, units = plan.case.buses["id"].to_numpy(), plan.dg["bus"].to_numpy()
    sources = {technology.name: technology.source for technology in plan.model.dg.technologies}
    profile = judged_periods(plan)[[sources[name] for name in plan.dg["technology"]]].to_numpy(float)
    for column, entry in enumerate(inputs):
        value = entry.model.factor(drawn[:, :, column])[:, :, None]
        if entry.quantity == "load":
            load *= np.where((buses == entry.bus) | (entry.bus is None), value, 1.0)
        elif entry.quantity == "dg":
            share = np.divide(value, profile, out=np.zeros((samples, *profile.shape)), where=profile > 0.0)
            dg = np.where((units == entry.bus) | (entry.bus is None), share, dg)
        else:
            price = price * value
    return Samples(load, load, dg, price, one.line_rating)


def distributions(plan: Plan, outcome: Outcome) -> pd.DataFrame:
    """Mean, deviation and quantiles of the objective and of every term that is shown: one row each."""
    rows = [distribution("objective", "", plan.model.unit, outcome.objective)]
    for (term, mode), values in outcome.terms.items():
        if term in SHOWN and np.nanmax(np.abs(values), initial=0.0) > 0.0:
            rows.append(distribution(term, mode, TERM_UNITS[term], values))
    return pd.DataFrame(rows)


def voltages(plan: Plan, outcome: Outcome) -> pd.DataFrame:
    """By mode and bus: quantiles of the lowest and highest voltage of the day, and share outside the limits."""
    tables, buses = [], plan.case.buses
    low, high = buses["vm_min_pu"].to_numpy(float), buses["vm_max_pu"].to_numpy(float)
    for mode, lowest in outcome.vm_min_pu.items():
        highest = outcome.vm_max_pu[mode]
        outside = (lowest < low - TOLERANCE_PU) | (highest > high + TOLERANCE_PU)
        live = np.isfinite(lowest).any(axis=0)
        columns: dict[str, Any] = {"mode": mode, "bus": buses["id"].to_numpy()[live]}
        for share in QUANTILES:
            columns[f"vm_min_q{share:g}_pu"] = np.nanquantile(lowest[:, live], share, axis=0)
        for share in QUANTILES:
            columns[f"vm_max_q{share:g}_pu"] = np.nanquantile(highest[:, live], share, axis=0)
        tables.append(pd.DataFrame({**columns, "share_outside": outside.mean(axis=0)[live]}))
    return pd.concat(tables, ignore_index=True)


def distribution(name: str, mode: str, unit: str, values: Floats) -> dict[str, Any]:
    """Mean, deviation and quantiles of values, those without a number left out."""
    known = values[np.isfinite(values)]
    numbers = {"mean": known.mean(), "std": known.std()} if len(known) else {"mean": np.nan, "std": np.nan}
    for share in QUANTILES:
        numbers[f"q{share:g}"] = np.quantile(known, share) if len(known) else np.nan
    return {"term": name, "mode": mode, "unit": unit, **{key: float(value) for key, value in numbers.items()}}


def require_inputs(plan: Plan, inputs: Sequence[Stochastic], samples: int, seed: int) -> None:
    """Refuse inputs that the plan does not have, twice the same, and no samples; all faults at once."""
    findings = [] if inputs else [Finding("inputs is empty: name at least one stochastic quantity", "/inputs")]
    findings += require_sampling(samples, seed)
    places = {"load": set(plan.case.buses["id"].tolist()), "dg": set(plan.dg["bus"].tolist()), "price": set()}
    for position, entry in enumerate(inputs):
        path = f"/inputs/{position}"
        if entry.quantity not in QUANTITIES:
            hint = nearest(str(entry.quantity), QUANTITIES)
            findings.append(Finding(f"there is no quantity {entry.quantity!r}", path, entry.quantity, hint=hint))
        elif entry.bus is not None and entry.bus not in places[entry.quantity]:
            what = {"dg": "the plan has no DG there", "price": "a price belongs to no bus"}
            reason = what.get(entry.quantity, "the case has no such bus")
            findings.append(Finding(f"{entry.label}: {reason}", path, entry.bus))
        elif any((entry.quantity, entry.bus) == (other.quantity, other.bus) for other in inputs[:position]):
            findings.append(Finding(f"{entry.label} stands twice", path, entry.label))
    if findings:
        raise InputError(findings)
