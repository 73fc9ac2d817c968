"""Plans to start from: the untouched network, or, where nothing is to be built, what the search over trees finds."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from igdt_planner.search.network import Bools, Complexes, Floats, RadialNetwork, loads_of, network_of
from igdt_planner.search.radial_flow import radial_power_flow
from igdt_planner.search.reconfiguration import least_losses
from igdt_planner.search.tree import exchanges, nearest_tree
from igdt_planner.study import Study

NEIGHBOURS = 24
"""Topologies near the best that are tried too: the losses there are what a proof has to know."""


def first_plans(study: Study) -> list[dict[str, float]]:
    """Integer variables of plans to try first, by name; what is not named is 0."""
    return searched_starts(study) or [untouched(study)]


def untouched(study: Study) -> dict[str, float]:
    """Nothing is built, connected lines stay as they are, and islands are dead: a plan, if a poor one, at once."""
    connected = [name for name, mode in study.modes.items() if not mode.islanded]
    return {
        f"mode[{name}].line_on[{line.id},{t}]": float(line.closed)
        for name in connected
        for line in study.lines.values()
        for t in study.periods
    }


def searched_starts(study: Study) -> list[dict[str, float]]:
    """Switch states of low AC losses by variable name, the best first; none where the search has no say."""
    mode = study.modes.get("connected")
    if mode is None or len(study.modes) > 1 or study.dg or study.ess:
        return []
    settings, stated = mode.settings, study.model.fix.open_lines
    if settings.topology == "fixed" or settings.max_switching_operations is not None or "connected" in stated:
        return []
    network, (loads, hours) = network_of(study), loads_of(study)
    periods, seed = list(study.periods), study.model.solver.seed
    spans = [[t] for t in range(len(periods))] if settings.topology == "dynamic" else [list(range(len(periods)))]
    found = [best_and_neighbours(network, loads[span], hours[span], seed) for span in spans]
    starts: list[dict[str, float]] = []
    for together in zip_longest(*found):
        start: dict[str, float] = {}
        for span, plans, line_on in zip(spans, found, together, strict=True):
            states = line_on if line_on is not None else plans[0]
            names = (f"mode[connected].line_on[{line},{periods[span[0]]}]" for line in study.lines)
            start |= dict(zip(names, states.astype(float).tolist(), strict=True))
        starts.append(start)
    return starts


def best_and_neighbours(network: RadialNetwork, loads: Complexes, hours: Floats, seed: int) -> list[Bools]:
    """The topology of least losses that the search finds, and the best of those one or two exchanges away."""
    best = least_losses(network, loads, hours, seed).line_on
    near = ring(network, loads, hours, [best])
    around = near + ring(network, loads, hours, near)
    fresh = {states.tobytes(): states for states in around if not np.array_equal(states, best)}
    return [best, *ranked(network, loads, hours, list(fresh.values()))]


def ring(network: RadialNetwork, loads: Complexes, hours: Floats, plans: list[Bools]) -> list[Bools]:
    """The best topologies one exchange away from some."""
    trees = [nearest_tree(network, line_on) for line_on in plans]
    around = [
        tree.exchange(int(loop), int(line)).line_on
        for tree in trees
        for loop, line in np.argwhere(exchanges(network, tree))
    ]
    return ranked(network, loads, hours, list({states.tobytes(): states for states in around}.values()))


def ranked(network: RadialNetwork, loads: Complexes, hours: Floats, plans: list[Bools]) -> list[Bools]:
    """The topologies of least AC losses, as many as are tried."""
    if not plans:
        return []
    flow = radial_power_flow(network, np.array(plans), loads)
    losses = np.where(flow.converged.all(axis=1), flow.loss_mw @ hours, np.inf)
    return [plans[k] for k in np.argsort(losses, kind="stable")[:NEIGHBOURS] if np.isfinite(losses[k])]
