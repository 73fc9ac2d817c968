"""Information gap: the corner of the uncertainty set, why it is the worst, and an adversary who doubts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.plan import Realisation
from igdt_planner.study import Horizon, Study

Sense = Literal["robust", "opportunity"]
WORSE = {"dg_availability": -1.0, "load": 1.0}
"""Sign of the deviation that costs more, by quantity."""


def horizon(study: Study, sense: Sense, budget: float) -> Horizon:
    """The info-gap question of a study: signed deviations at the corner, and the physical limit of alpha.

    Raises
    ------
    InputError
        When the model has no uncertain quantity, or its structure does not justify the corner.
    """
    if not study.model.uncertain:
        raise InputError.of(
            "the model names no uncertain quantity: add [[uncertain]] with quantity = dg_availability or load",
            path="/model/uncertain",
        )
    findings = corner_faults(study)
    if findings:
        raise InputError(findings)
    side = 1.0 if sense == "robust" else -1.0
    deviation: dict[str, float] = {
        entry.quantity: side * WORSE[entry.quantity] * entry.weight for entry in study.model.uncertain
    }
    return Horizon(sense, budget, alpha_limit(study, deviation), deviation)


def alpha_limit(study: Study, deviation: dict[str, float]) -> float:
    """Alpha at which the first quantity stands at its physical range: 0 or ``physical_max``, times the forecast.

    Beyond it that quantity would stay and only the others would go on. Such an alpha is not searched: where this limit
    is reached, ``alpha_limit`` is ``physical`` although other quantities may be short of theirs.
    """
    limits = []
    for entry in study.model.uncertain:
        slope = deviation[entry.quantity]
        if slope:
            limits.append((1.0 if slope < 0.0 else entry.physical_max - 1.0) / abs(slope))
    return min(limits, default=0.0)


def corner_faults(study: Study) -> list[Finding]:
    """Why "DG down, load up" need not be the worst corner of this study; empty where it is."""
    findings = []
    for name in sorted({tech.name for tech in study.dg.values() if tech.must_take}):
        message = f"the worst case is not a corner with must-take DG ({name}): more power can cost more"
        findings.append(Finding(message, "/model/dg/technologies", name, hint="set must_take = false"))
    return findings if study.uncertain("load") is None else findings + load_faults(study)


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


def corner(question: Horizon, alpha: float) -> Realisation:
    """The corner of the uncertainty set at a radius."""
    factors = {quantity: max(0.0, 1.0 + slope * alpha) for quantity, slope in question.deviation.items()}
    return Realisation(**factors)


def justification(question: Horizon) -> str:
    """The corner used, in words, with the reason why it may be used."""
    reasons = {
        "dg_availability": "less of curtailable DG only takes choices away",
        "load": "non-negative loads and prices; proven to first order of losses and but for voltage limits",
    }
    moved = {quantity: slope for quantity, slope in question.deviation.items() if slope}
    words = [f"{quantity} {'up' if slope > 0.0 else 'down'}" for quantity, slope in moved.items()]
    return f"corner ({', '.join(words)}), justified: {'; '.join(reasons[quantity] for quantity in moved)}"


def matters(study: Study, dg_built: int, question: Horizon) -> bool:
    """Whether any uncertain quantity touches a plan at all."""
    loads = any(load for mode in study.modes.values() for load in mode.p_load.values())
    touches = {"dg_availability": dg_built > 0, "load": loads}
    return any(touches[quantity] for quantity, slope in question.deviation.items() if slope)


def vertices(study: Study, question: Horizon, alpha: float, count: int, seed: int) -> Iterator[Study]:
    """Studies at random vertices of the uncertainty set: every bus and period deviates on its own, up or down.

    A value that would leave its physical range stands at the end of it.
    """
    rng = np.random.default_rng(seed)
    keys = [(bus, t) for bus in study.buses for t in study.periods]

    def factors(quantity: str) -> dict[tuple[int, int], float]:
        entry, reach = study.uncertain(quantity), abs(question.deviation.get(quantity, 0.0)) * alpha
        deviated = 1.0 + reach * rng.choice([-1.0, 1.0], len(keys))
        within = np.clip(deviated, 0.0, entry.physical_max if entry is not None else 1.0)
        return dict(zip(keys, within.tolist(), strict=True))

    for _ in range(count):
        load_factor, dg_factor = factors("load"), factors("dg_availability")
        modes = {
            name: dataclasses.replace(
                mode,
                p_load={key: value * load_factor[key] for key, value in mode.p_load.items()},
                q_load={key: value * load_factor[key] for key, value in mode.q_load.items()},
            )
            for name, mode in study.modes.items()
        }
        yield dataclasses.replace(study, modes=modes, dg_factor=dg_factor, horizon=None)
