"""What samples cost, and which limits they leave, as the AC judge would say of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from igdt_planner.ac.operation import operate
from igdt_planner.ac.powerflow import Bools, Floats
from igdt_planner.ac.terms import LEAST_LIMIT, TERM_TOLERANCE, investment_cost
from igdt_planner.ac.topology import count_switching
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU
from igdt_planner.model import ModeName
from igdt_planner.plan import Plan
from igdt_planner.sampled.corrected import corrected
from igdt_planner.sampled.flow import Flow, flow, reach_of
from igdt_planner.sampled.policy import ModePolicy
from igdt_planner.sampled.realisations import Samples, worst

CHUNK_VALUES = 2_000_000
"""Samples x periods x buses that are solved together: what they need stays below half a gigabyte."""

Rule = Literal["policy", "corrected", "all_available"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""How a plan is run, from the first answer to the one that tries hardest."""

OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """What came of every sample; NaN where AC power flow has no solution.

    Attributes
    ----------
    objective : array, shape (samples,)
        In the model's unit.
    terms : mapping of (term, mode) to array, shape (samples,)
        Every operating term in its own unit, in every mode.
    breaks : mapping of str to array of bool, shape (samples,)
        Samples that leave a limit, by kind as in :class:`igdt_planner.plan.Violation`.
    vm_min_pu, vm_max_pu : mapping of mode to array, shape (samples, buses)
        Lowest and highest voltage over the periods; NaN at buses without a source.
    """

    objective: Floats
    terms: Mapping[tuple[str, ModeName], Floats]
    breaks: Mapping[str, Bools]
    vm_min_pu: Mapping[ModeName, Floats]
    vm_max_pu: Mapping[ModeName, Floats]

    @property
    def broken(self) -> Bools:
        """Samples that leave any limit."""
        return np.asarray(np.any(list(self.breaks.values()), axis=0), dtype=bool)


def operate_samples(plan: Plan, samples: Samples, on_event: OnEvent | None = None, rule: Rule = "policy") -> Outcome:
    """Run a plan under samples by a rule.

    Parameters
    ----------
    plan : Plan
        With a dispatch at the forecast; its own dispatch is the end that the policy goes to.
    samples : Samples
        Solved in chunks, so that memory stays bounded.
    on_event : callable, optional
        Receives ``{"kind": "samples", "done": n}``.
    rule : str
        ``policy`` is that of :mod:`igdt_planner.sampled.policy`; with ``corrected`` limits are then kept as
        :mod:`igdt_planner.sampled.corrected` says; with ``all_available`` they are, from all that DG has and all load.

    Raises
    ------
    InputError
        The plan has no dispatch.
    """
    at_worst = worst(plan)
    assert plan.dispatch is not None and plan.dispatch_forecast is not None
    pairs = zip(operate(plan, plan.dispatch_forecast), operate(plan, plan.dispatch), strict=True)
    policies = [ModePolicy(first, second, at_worst) for first, second in pairs]
    size = max(1, CHUNK_VALUES // (len(policies[0].forecast.periods) * (len(plan.case.buses) + len(plan.case.lines))))
    parts, done = [], 0
    for part in samples.parts(size):
        parts.append(_outcome(plan, policies, part, rule))
        done += len(part)
        if on_event is not None:
            on_event({"kind": "samples", "done": done})
    return _joined(parts)


def _outcome(plan: Plan, policies: list[ModePolicy], samples: Samples, rule: Rule) -> Outcome:
    flows = {policy.forecast.mode: _flow(policy, samples, rule) for policy in policies}
    by_mode = {policy.forecast.mode: policy for policy in policies}
    terms = {
        (name, mode): np.broadcast_to(term(by_mode[mode], flows[mode], samples), len(samples))
        for mode in flows
        for name, term in TERMS.items()
    }
    breaks: dict[str, Bools] = {}
    for mode, policy in by_mode.items():
        for kind, found in _breaks(policy, flows[mode], samples).items():
            breaks[kind] = breaks.get(kind, np.zeros(len(samples), dtype=bool)) | found
    breaks |= {"term_limit": _limits_left(plan, terms, len(samples))}
    objective = sum(_weighted(plan, terms, len(samples)), np.zeros(len(samples)))
    shown = {mode: flows[mode].by_sample(flows[mode].ac.vm_pu) for mode in flows}
    return Outcome(
        objective=np.where(breaks["no_ac_solution"], np.nan, objective),
        terms=terms,
        breaks=breaks,
        vm_min_pu={mode: np.fmin.reduce(vm, axis=1) for mode, vm in shown.items()},
        vm_max_pu={mode: np.fmax.reduce(vm, axis=1) for mode, vm in shown.items()},
    )


def _flow(policy: ModePolicy, samples: Samples, rule: Rule) -> Flow:
    """One mode under samples by a rule."""
    dispatched = policy.dispatch(samples)
    if rule == "all_available":
        dg_p, served = dispatched.available_p * policy.alive, np.where(policy.alive, 1.0, dispatched.served)
        dispatched = dataclasses.replace(dispatched, dg_p=dg_p, served=served)
    found = flow(policy, dispatched, balancing=rule != "all_available")
    return found if rule == "policy" else corrected(policy, found, samples)


def _weighted(plan: Plan, terms: Mapping[tuple[str, ModeName], Floats], samples: int) -> list[Floats]:
    """Every term of the objective times its weight."""
    values = []
    for term in plan.model.objective:
        weight = term.weight * (1.0 if term.mode is None else plan.model.modes[term.mode].weight)
        values.append(weight * _raw(plan, terms, term.term, term.mode, samples))
    return values


def _raw(plan: Plan, terms: Mapping[tuple[str, ModeName], Floats], name: str, mode: str | None, samples: int) -> Floats:
    """A term of one mode, or of all of them."""
    if name == "investment_cost":
        return np.full(samples, investment_cost(plan))
    chosen = [values for (term, at), values in terms.items() if term == name and mode in (None, at)]
    return np.asarray(np.sum(chosen, axis=0, dtype=float) + np.zeros(samples), dtype=float)


def _limits_left(plan: Plan, terms: Mapping[tuple[str, ModeName], Floats], samples: int) -> Bools:
    """Samples that leave a limit of the model on a term."""
    left = np.zeros(samples, dtype=bool)
    for limit in plan.model.limits:
        parts = [weight * _raw(plan, terms, name, mode, samples) for name, mode, weight in plan.model.limited(limit)]
        size = np.maximum(max(abs(limit.at_most), LEAST_LIMIT), np.sum(np.abs(parts), axis=0))
        slack = TERM_TOLERANCE * size
        left |= ~(np.sum(parts, axis=0) <= limit.at_most + slack)
    return left


def _breaks(policy: ModePolicy, found: Flow, samples: Samples) -> dict[str, Bools]:
    """Samples of one mode that leave a limit, by kind."""
    case, ac, dispatched = policy.forecast.case, found.ac, found.dispatched
    vm, low, high = (
        found.by_sample(ac.vm_pu),
        *(case.buses[name].to_numpy(float) for name in ("vm_min_pu", "vm_max_pu")),
    )
    rating = case.lines["max_i_ka"].to_numpy(float) * samples.line_rating
    breaks = {
        "no_ac_solution": ~ac.converged.reshape(found.shape),
        "voltage": (vm < low - TOLERANCE_PU) | (vm > high + TOLERANCE_PU),
        "rating": found.by_sample(ac.i_ka) > rating * (1.0 + TOLERANCE_PU),
    }
    if policy.forecast.islanded:
        reach, source = reach_of(policy, dispatched), np.isfinite(dispatched.source_vm_pu)
        p, q = found.by_sample(ac.source_p_mw), found.by_sample(ac.source_q_mvar)
        beyond_p = source & ((p < reach.p_min - TOLERANCE_MW) | (p > reach.p_max + TOLERANCE_MW))
        beyond_q = source & ((q < reach.q_min - TOLERANCE_MW) | (q > reach.q_max + TOLERANCE_MW))
        by_dg = policy.worst.dg_is_slack
        breaks |= {
            "dg_power": beyond_p & by_dg,
            "dg_reactive": beyond_q & by_dg,
            "ess_follows_schedule": beyond_p & ~by_dg,
            "ess_reactive": source & _inverter_beyond(policy, q - dispatched.dg_q) & ~by_dg,
        }
    return {kind: np.asarray(values.reshape(len(values), -1).any(axis=1)) for kind, values in breaks.items()}


def _inverter_beyond(policy: ModePolicy, q_mvar: Floats) -> Bools:
    """Where storage that gives so many vars beside its schedule leaves the rating of its inverter."""
    rating = policy.storage_rating
    apparent = np.where(rating > 0.0, np.hypot(policy.storage, q_mvar), np.abs(q_mvar))
    return np.asarray(apparent > rating + TOLERANCE_MW, dtype=bool)


def _losses(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return _energy(policy, found.by_sample(found.ac.loss_mw))


def _unserved(found: Flow) -> Floats:
    """Load not served, MW; generation lost does not count."""
    dispatched = found.dispatched
    return np.maximum((1.0 - dispatched.served) * dispatched.load_p, 0.0)


def _ens(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return _energy(policy, policy.forecast.case.buses["priority"].to_numpy(float) * _unserved(found))


def _lost_load_cost(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    value = policy.forecast.case.buses["value_of_lost_load_per_mwh"].to_numpy(float)
    return _energy(policy, value * _unserved(found))


def _energy_cost(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return _bought(policy, found, "price_per_mwh", samples.price)


def _generation_cost(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return _by_dg(policy, found, "generation_cost_per_mwh")


def _emissions(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    bought = _bought(policy, found, "emissions_t_per_mwh", np.ones((1, 1, 1)))
    return bought + _by_dg(policy, found, "emissions_t_per_mwh")


def _voltage_deviation(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return np.asarray(np.nansum(np.abs(found.by_sample(found.ac.vm_pu) - 1.0), axis=(1, 2)), dtype=float)


def _switching(policy: ModePolicy, found: Flow, samples: Samples) -> Floats:
    return np.full(len(samples), float(count_switching(policy.forecast)))


def _energy(policy: ModePolicy, power_mw: Floats) -> Floats:
    """Energy over all periods and components, MWh, shape (samples,)."""
    return np.asarray((power_mw * policy.forecast.hours).sum(axis=(1, 2)), dtype=float)


def _bought(policy: ModePolicy, found: Flow, rate: str, factor: Floats) -> Floats:
    """Energy from substations times a rate of the profile."""
    if policy.forecast.islanded:
        return np.zeros(found.shape[0])
    per_mwh = policy.forecast.profile[rate].to_numpy(float)[:, None] * factor
    return _energy(policy, per_mwh * found.by_sample(found.ac.source_p_mw))


def _by_dg(policy: ModePolicy, found: Flow, rate: str) -> Floats:
    """Energy of DG times a rate of its technology."""
    forecast = policy.forecast
    delivered = found.by_sample(found.ac.source_p_mw) - policy.storage
    dg_p = np.where(policy.worst.dg_is_slack, delivered, found.dispatched.dg_p)
    rates = np.zeros(len(forecast.bus_ids))
    for column, technology in forecast.dg:
        rates[column] = getattr(technology, rate)
    return _energy(policy, dg_p * rates)


TERMS: dict[str, Callable[[ModePolicy, Flow, Samples], Floats]] = {
    "losses": _losses,
    "ens": _ens,
    "lost_load_cost": _lost_load_cost,
    "energy_cost": _energy_cost,
    "generation_cost": _generation_cost,
    "emissions": _emissions,
    "voltage_deviation": _voltage_deviation,
    "switching": _switching,
}
"""Every operating term of one mode, MWh, money, tCO2, pu or operations, shape (samples,)."""


def _joined(parts: list[Outcome]) -> Outcome:
    """Outcomes of chunks as one."""
    joined: dict[str, Any] = {"objective": np.concatenate([part.objective for part in parts])}
    for name in ("terms", "breaks", "vm_min_pu", "vm_max_pu"):
        first = getattr(parts[0], name)
        joined[name] = {key: np.concatenate([getattr(part, name)[key] for part in parts]) for key in first}
    return dataclasses.replace(parts[0], **joined)
