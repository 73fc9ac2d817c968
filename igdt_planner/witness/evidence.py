"""Evidence that a robust plan holds: samples inside its uncertainty set, and rays through the point that ends alpha.

A robust plan promises that at every point of the set *some* dispatch by its stated recourse keeps the budget and all
limits: sites, topology and storage schedule are held; output, reactive power and shedding are chosen knowing the point.
So a sample is broken where none was found: neither by the rules of :mod:`igdt_planner.sampled` nor by an exact dispatch
(:mod:`igdt_planner.witness.redispatch`). AC power flow judges every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.ac.check import require_whole
from igdt_planner.budget import exceeds
from igdt_planner.errors import Finding, InputError
from igdt_planner.infogap.uncertainty import ALIKE, UncertaintySet, set_of
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.plan import Plan, Realisation
from igdt_planner.results.document import realisation_from_dict
from igdt_planner.results.evidence import STEPS, Evidence, Ray
from igdt_planner.sampled import Samples, availability, deviated, require_sampling
from igdt_planner.study import resolve
from igdt_planner.witness.redispatch import Answered, Redispatch

Floats = npt.NDArray[np.float64]
Deviations = dict[tuple[Quantity, int], Floats]
"""Series of deviations, as shares of the forecast, shape (samples, periods), by quantity and component."""

RADII = (0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
"""Radii of the rays, as multiples of the plan's alpha."""
RAYS = 1_000


def evidence(
    plan: Plan,
    samples: int = 10_000,
    seed: int = 0,
    *,
    rays: int = RAYS,
    radii: Sequence[float] = RADII,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Evidence:
    """Sample the uncertainty set of a robust plan, and run the plan in every sample by its recourse and AC power flow.

    Samples are drawn inside the set at the plan's alpha, shape by shape; of a box every value on its own, uniformly.
    They almost never come near its worst case, so rays do: the deviations of the point that ends alpha (where cost does
    the plan's worst case: a corner, or the costliest point that the adversary found), each times ``1 - s U`` with
    ``s = k / (n - 1)`` for ray ``k`` of ``n`` and ``U`` uniform between 0 and 1, scaled to the edge of the set. Ray 0
    passes through that point itself, the last ones far beside it.

    Rules run all samples at once; what they do not keep within limits and budget is dispatched exactly, one by one, up
    to a number that depends on the size of the case, or until some truly break. Beyond alpha, where nothing is claimed,
    ray 0 alone is, until it breaks: what has no dispatch breaks under every rule.

    Parameters
    ----------
    plan : Plan
        A robust plan with its dispatches.
    samples, rays : int
    seed : int
        The same seed gives the same evidence.
    radii : sequence of float
        Multiples of alpha at which the rays are looked at.
    on_event : callable, optional
        Receives progress events.

    Returns
    -------
    Evidence
        ``steps`` says how many samples were answered by which rule, and how many were dispatched exactly.

    Raises
    ------
    InputError
        The plan is not robust, has no alpha, or the numbers asked for make no sense.
    """
    require_robust(plan)
    require_numbers(samples, seed, rays, radii)
    rng, alpha = np.random.default_rng(seed), float(plan.robustness["alpha"])
    drawn, directions = within(plan, alpha, samples, rng), ray_directions(plan, rays, rng)
    with Redispatch(plan, on_event) as recourse:
        inside = recourse.inside(drawn)
        rows = []
        for radius in radii:
            run = recourse.inside if radius <= 1.0 else recourse.beyond
            rows.append(ray_row(plan, radius, run(along(plan, directions, radius))))
    return Evidence(
        plan,
        samples,
        seed,
        inside.objective,
        {kind: int(found.sum()) for kind, found in inside.breaks.items()},
        pd.DataFrame(rows, columns=list(Ray.model_fields)),
        inside.steps,
    )


def uncertainty_of(plan: Plan) -> UncertaintySet:
    """The uncertainty set of a plan's case and model."""
    return set_of(resolve(plan.case, plan.model))


def within(plan: Plan, alpha: float, samples: int, rng: np.random.Generator) -> Samples:
    """Random samples of the uncertainty set at a radius, within the physical range of every quantity."""
    drawn = uncertainty_of(plan).sample(rng, samples)
    return deviated(plan, {key: alpha * series for key, series in drawn.items()}).of(samples)


def ray_directions(plan: Plan, rays: int, rng: np.random.Generator) -> Deviations:
    """Rays near the point that ends alpha, as series of deviations on the edge of the set at the plan's own alpha."""
    end = ending_point(plan)
    uncertainty, alpha = uncertainty_of(plan), float(plan.robustness["alpha"])
    spread = np.linspace(0.0, 1.0, rays)[:, None] if rays > 1 else np.zeros((1, 1))
    found: Deviations = {}
    for quantity, component in touching(plan, uncertainty):
        worst = end.table(quantity, [component], uncertainty.periods)[:, 0] - 1.0
        found[quantity, component] = (1.0 - spread * rng.uniform(0.0, 1.0, (rays, len(worst)))) * worst
    gauges = [[uncertainty.shapes[key[0]].gauge(row) for row in series] for key, series in found.items()]
    edge = np.max(np.array(gauges, dtype=float), axis=0)
    scale = np.divide(alpha, edge, out=np.zeros(rays), where=edge > 0.0)[:, None]
    return {key: scale * series for key, series in found.items()}


def ending_point(plan: Plan) -> Realisation:
    """The point that ends alpha: where a limit does and it is told, that one, else the worst case of the cost."""
    assert plan.dispatch is not None
    ends = plan.robustness["worst_case"].get("ends") or {}
    if plan.robustness["alpha_limit"] in ("network", "limits") and "point" in ends:
        return realisation_from_dict(ends["point"])
    return plan.dispatch.realisation


def touching(plan: Plan, uncertainty: UncertaintySet) -> list[tuple[Quantity, int]]:
    """The series that matter to a plan: none of units that it does not build."""
    built = {(quantity, bus) for bus, quantity in availability(plan)}
    return [
        (quantity, component)
        for quantity, component in uncertainty.series()
        if quantity not in AVAILABILITY.values() or component == ALIKE or (quantity, component) in built
    ]


def along(plan: Plan, rays: Deviations, radius: float) -> Samples:
    """The points of rays at a multiple of alpha."""
    count = max(len(series) for series in rays.values())
    return deviated(plan, {key: radius * series for key, series in rays.items()}).of(count)


def ray_row(plan: Plan, radius: float, found: Answered) -> tuple[float | int, ...]:
    """The table's row of one radius."""
    over = exceeds(found.objective, float(plan.robustness["budget"]))
    alpha, broken = radius * float(plan.robustness["alpha"]), int(found.broken.sum())
    costliest = float(np.max(found.objective))
    steps = [found.steps[name] for name in STEPS]
    return radius, alpha, len(over), int(over.sum()), float(over.mean()), costliest, broken, *steps


def require_robust(plan: Plan) -> None:
    """Refuse a plan that claims no alpha, and one that is damaged."""
    if plan.kind != "robust":
        message = f"evidence is asked of a robust plan, this is a plan of kind {plan.kind}"
        raise InputError.of(message, path="/kind", got=plan.kind)
    if plan.refused:
        raise InputError.of(f"the plan has no alpha to be tried: {plan.explanation}", path="/status", got=plan.status)
    if plan.dispatch is None:
        raise InputError.of(f"the plan has no dispatch: {plan.explanation or plan.status}", path="/dispatch")
    if plan.robustness.get("alpha") is None:
        raise InputError.of("the plan has no alpha: nothing uncertain touches it", path="/alpha")
    if plan.robustness.get("budget") is None:
        raise InputError.of("the plan has no budget that samples could exceed", path="/budget")
    require_whole(plan)
    if plan.model.stages.storage == "wait_and_see" and len(plan.ess):
        message = "evidence runs storage by the plan's schedule; here it waits for what comes (stages.storage)"
        raise InputError.of(message, path="/model/stages/storage", got="wait_and_see")


def require_numbers(samples: int, seed: int, rays: int, radii: Sequence[float]) -> None:
    """Refuse numbers of samples, rays and radii that make no sense; all faults at once."""
    findings = require_sampling(samples, seed, rays=rays)
    for position, radius in enumerate(radii):
        if not 0.0 <= radius < np.inf:
            findings.append(Finding(f"radius {radius:g} must be 0 or more", f"/study/radii/{position}", radius))
    if findings:
        raise InputError(findings)
