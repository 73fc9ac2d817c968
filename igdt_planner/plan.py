"""A plan: what to build, how to switch and run it, what it costs and how well that is proven."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.case import Case
from igdt_planner.model import Model

Step = Literal["milp", "redispatch", "topology", "sites", "search", "untouched", "none"]
Status = Literal["optimal", "feasible", "refused", "infeasible", "no_plan", "cancelled", "failed"]
Topology = dict[str, dict[int, tuple[int, ...]]]
"""Open lines by mode and period."""


Factors = float | Mapping[int | tuple[int, int], float]
"""One number for all; or numbers by period, or by component and period, where what is not named is as forecast."""


@dataclass(frozen=True)
class Realisation:
    """The uncertain quantities at one point of the uncertainty set, as factors on their forecasts.

    Components are the buses of loads (``load`` scales both powers, ``active_load`` and ``reactive_load`` one) and of
    units (``dg_availability``, ``pv`` and ``wind``, by the source of the technology), and lines (``line_rating``); a
    ``price`` has none.
    """

    load: Factors = 1.0
    active_load: Factors = 1.0
    reactive_load: Factors = 1.0
    dg_availability: Factors = 1.0
    pv: Factors = 1.0
    wind: Factors = 1.0
    price: Factors = 1.0
    line_rating: Factors = 1.0

    def at(self, quantity: str, component: int, period: int) -> float:
        """The factor of a component in a period."""
        return value_at(getattr(self, quantity), component, period, 1.0)

    def table(self, quantity: str, components: Sequence[int], periods: Sequence[int]) -> npt.NDArray[np.float64]:
        """Factors of some components, shape (periods, components)."""
        return np.array([[self.at(quantity, c, t) for c in components] for t in periods]).reshape(
            len(periods), len(components)
        )


def value_at(values: Factors, component: int, period: int, default: float) -> float:
    """The value of a component in a period, of values that may be common to components or to all."""
    if isinstance(values, float | int):
        return float(values)
    return values.get((component, period), values.get(period, default))


FORECAST = Realisation()


@dataclass(frozen=True)
class Dispatch:
    """How a plan runs at one realisation of the uncertain quantities. Tables in SI, one row per mode, period and bus.

    Attributes
    ----------
    realisation : Realisation
    dg : DataFrame
        ``mode, period, bus, p_mw, q_mvar`` for every built DG (for the grid-forming unit of an island: its scheduled
        values).
    ess : DataFrame
        ``mode, period, bus, p_charge_mw, p_discharge_mw, energy_mwh, q_mvar`` (energy at the end of the period; for the
        grid-forming unit of an island: its scheduled reactive power).
    shed : DataFrame
        ``mode, period, bus, p_mw, q_mvar`` of load not served; buses without shedding are left out.
    sources : DataFrame
        ``mode, period, bus, vm_pu``: substations in connected mode, the grid-forming bus of each energised island
        otherwise.
    """

    realisation: Realisation
    dg: pd.DataFrame
    ess: pd.DataFrame
    shed: pd.DataFrame
    sources: pd.DataFrame


@dataclass(frozen=True)
class TermValue:
    """Raw value of one objective term, its unit, and the weight it has in the objective (mode weight included)."""

    term: str
    mode: str | None
    value: float
    unit: str
    weight: float


LEAST_LIMIT = 1e-3
"""In its own unit: what a limit counts as, at least, where an excess is a share of it."""


@dataclass(frozen=True)
class Violation:
    """One limit that AC power flow found broken."""

    kind: str
    mode: str
    period: int
    component: str
    id: int
    value: float
    limit: float
    unit: str
    message: str

    @property
    def excess(self) -> float:
        """How far the value lies beyond the limit, as a share of the limit; infinite where the rule has no measure."""
        beyond = abs(self.value - self.limit)
        return beyond / max(abs(self.limit), LEAST_LIMIT) if beyond > 0.0 else math.inf


@dataclass(frozen=True)
class Supply:
    """What of the demand one mode of a dispatch serves. Demand is positive load; None where AC has no solution.

    Attributes
    ----------
    mode : str
    demand_mwh, served_mwh, not_served_mwh : float
        Over all judged periods.
    peak_period : int
        The period of the largest demand.
    peak_demand_mw, peak_served_mw, peak_not_served_mw : float
        In that period.
    """

    mode: str
    demand_mwh: float
    served_mwh: float | None
    not_served_mwh: float | None
    peak_period: int
    peak_demand_mw: float
    peak_served_mw: float | None
    peak_not_served_mw: float | None


@dataclass(frozen=True)
class AcVerdict:
    """What AC power flow says of a dispatch.

    Attributes
    ----------
    verdict : "feasible", "violated" or "not_checked"
    objective : float or None
        Objective recomputed from the AC solution, in the model's unit; None where no AC solution exists.
    terms : tuple of TermValue
        Every objective term, recomputed.
    vm_min_pu, vm_min_mode, vm_min_bus, vm_min_period
        Worst voltage and where it stands; islands in which nothing moves are left out.
    violations : tuple of Violation
    tolerance_pu, tolerance_mw : float
        Tolerances used.
    buses, lines : DataFrame
        ``mode, period, bus, vm_pu, energised, demand_mw, served_mw, idle`` (an island is idle where a unit holds its
        voltage and nothing gives or takes power) and ``mode, period, line, p_mw, q_mvar, i_ka, loading, loss_mw``
        (sending end at ``from_bus``; loading is the share of ``max_i_ka``, NaN where unlimited).
    sources : DataFrame
        ``mode, period, bus, p_mw, q_mvar`` delivered by substations and grid-forming units.
    supply : tuple of Supply
        What is served, one a mode; empty in documents that were saved before it was told.
    """

    verdict: Literal["feasible", "violated", "not_checked"]
    objective: float | None
    terms: tuple[TermValue, ...]
    vm_min_pu: float | None
    vm_min_mode: str | None
    vm_min_bus: int | None
    vm_min_period: int | None
    violations: tuple[Violation, ...]
    tolerance_pu: float
    tolerance_mw: float
    buses: pd.DataFrame
    lines: pd.DataFrame
    sources: pd.DataFrame
    supply: tuple[Supply, ...] = ()

    @property
    def worst(self) -> Violation | None:
        """The violation of the largest excess; None where there is none."""
        return max(self.violations, key=lambda violation: violation.excess, default=None)

    @property
    def excess(self) -> float:
        """Largest excess over a limit; 0 where AC accepts the dispatch."""
        return self.worst.excess if self.worst is not None else 0.0


@dataclass(frozen=True)
class StepTried:
    """One step on the way to a plan that AC confirms, tried in this order until one did.

    Attributes
    ----------
    step : str
        As ``decided_by`` of a plan.
    verdict : "feasible", "violated" or "not_checked"
        Of AC on the dispatch that the step led to; ``not_checked`` where it led to none.
    objective, model_objective : float or None
        Of that dispatch by AC and by the model, in the model's unit.
    alpha, model_alpha : float or None
        Of an info-gap question: what of alpha AC left (None where nothing), and what the model promised.
    seconds : float
        What the step took, s.
    violation : float or None
        Largest excess of that dispatch over a limit, as a share of the limit: 0 where AC accepts it, None where there
        is no dispatch or no measure.
    message : str
        That violation in words.
    """

    step: Step
    verdict: Literal["feasible", "violated", "not_checked"]
    objective: float | None
    model_objective: float | None
    alpha: float | None
    model_alpha: float | None
    seconds: float
    violation: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Plan:
    """A plan of one case under one model, with its proof.

    Attributes
    ----------
    kind : "solve", "robust", "opportunity" or "search"
    status : str
        ``optimal`` (gap within what was asked), ``feasible``, ``refused`` (AC power flow refuses what was found: the
        dispatch that breaks its limits least stays, without objective, gap and alpha), ``infeasible``, ``no_plan``,
        ``cancelled``, or ``failed`` (the solver died, or a bound contradicts its plan).
    open_lines : Topology
        Open lines by mode and period, numbered as in the case.
    dg, ess : DataFrame
        ``bus, technology, p_mw, q_min_mvar, q_max_mvar`` and ``bus, technology, p_mw, energy_mwh``.
    dispatch, dispatch_forecast : Dispatch or None
        At the realisation the objective refers to (the worst one for a robust plan), and at the forecast.
    objective : float or None
        AC-verified, in the model's unit; None where AC power flow refuses the dispatch.
    model_objective : float or None
        The MILP's own value.
    bound, bound_of, gap
        Proven bound, the problem it belongs to (``ac`` or ``linear``) and the relative gap between like and like.
    ac, ac_forecast : AcVerdict or None
    decided_by : str
        The step that found a dispatch which AC confirms: ``milp`` (its own), ``redispatch`` (solved anew, with exact
        losses), ``topology`` (and lines switched anew), ``sites`` (and all sited anew), ``search`` (which took over),
        ``untouched`` (nothing built or switched but what the user states) or ``none``.
    steps : tuple of StepTried
        Every step that was tried, the MILP's own plan first; where a question falls back on its baseline, that one
        last. Empty where the MILP found none.
    redispatched : bool
        Whether the dispatch was solved anew, with exact losses, after the MILP.
    robustness : dict
        ``alpha, alpha_bound, alpha_floor, alpha_limit, beta, base_objective, base_bound, base_gap, budget,
        objective_forecast, same_as_baseline, in_words`` and ``worst_case``; empty for plans at the forecast.
    search : dict
        ``algorithm, seed, evaluations`` (AC power flows used) and ``history`` (pairs of evaluations and objective, one
        a better plan) of a plan that a search found; empty for others.
    """

    kind: str
    case: Case
    model: Model
    status: Status
    open_lines: Topology
    dg: pd.DataFrame
    ess: pd.DataFrame
    dispatch: Dispatch | None
    dispatch_forecast: Dispatch | None
    objective: float | None
    model_objective: float | None
    bound: float | None
    bound_of: Literal["ac", "linear"]
    gap: float | None
    ac: AcVerdict | None
    ac_forecast: AcVerdict | None
    redispatched: bool
    seconds: float
    robustness: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    decided_by: Step = "none"
    steps: tuple[StepTried, ...] = ()
    warnings: tuple[str, ...] = ()
    explanation: str = ""

    @property
    def refused(self) -> bool:
        """Whether AC power flow refuses what was found."""
        verdicts = [verdict.verdict for verdict in (self.ac, self.ac_forecast) if verdict is not None]
        return "violated" in verdicts or self.status == "refused"

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All that AC power flow objects to, where the objective refers to and at the forecast, each once."""
        found = [verdict.violations for verdict in (self.ac, self.ac_forecast) if verdict is not None]
        return tuple(dict.fromkeys(violation for own in found for violation in own))

    @property
    def least_violation(self) -> Violation | None:
        """What AC power flow objects to most in the dispatch kept, which of all tried breaks its limits least."""
        return max(self.violations, key=lambda violation: violation.excess, default=None)


def warned(plan: Plan, warnings: Iterable[str]) -> Plan:
    """The plan with further warnings, each once."""
    return replace(plan, warnings=tuple(dict.fromkeys((*plan.warnings, *warnings))))
