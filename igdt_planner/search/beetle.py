"""Beetle antennae search and what seed paper 004 makes of it: with annealing (SA-BAS), and a swarm of those (MTTA).

A beetle smells left and right along a random direction and steps towards the better side (paper 004, formulas 10-14);
with annealing it may refuse the step (15, 16); in a swarm it also flies towards its own best place and that of all, as
particles do, and all begin where a logistic map puts them (17).
"""

from __future__ import annotations

import numpy as np

from igdt_planner.search.network import Floats
from igdt_planner.search.run import POPULATION, Run

STEP, ANTENNA = 0.5, 0.5
"""First step, in units of the range of a coordinate, and the distance of an antenna as a share of the step."""
LEAST_STEP = 0.01
HEAT, CHILL = 0.05, 1e-3
"""First and last temperature, as shares of the objective at the beginning."""
INERTIA, OWN, ALL = 0.7, 1.5, 1.5
"""Weights of a flight: as before, towards the own best place, towards the best of all."""
FLIGHT = 0.6
"""Share of a move that is flight; the rest is the step that the antennae advise."""
CHAOS = 4.0
"""Parameter of the logistic map."""
NEAR = 3
"""How far away in the order of aims a beetle may be that draws another one."""
STRAYS = 0.1
"""Share of the beetles, the worst, that the logistic map throws elsewhere in every round."""


def antennae(run: Run) -> None:
    """One beetle, which takes every step (BAS)."""
    walk(run, annealed=False)


def annealed_antennae(run: Run) -> None:
    """One beetle, which takes worse steps less and less often (SA-BAS)."""
    walk(run, annealed=True)


def walk(run: Run, *, annealed: bool) -> None:
    """Steps of one beetle, shorter from step to step, until the evaluations are used."""
    rng, size = run.rng, run.encoding.size
    place = rng.uniform(size=(1, size))
    worth = run.fitness(place)
    scale, total = abs(float(worth[0])), run.left
    while run.left:
        share = run.left / total
        step = max(LEAST_STEP, STEP * share)
        advised = np.clip(place + advice(run, place, step), 0.0, 1.0)
        found = run.fitness(advised)
        if not annealed or accepted(found, worth, HEAT * (CHILL / HEAT) ** (1.0 - share) * scale, rng)[0]:
            place, worth = advised, found
            scale = min(scale, abs(float(worth[0])))


def advice(run: Run, places: Floats, step: float) -> Floats:
    """The step that antennae advise at every place: two evaluations each."""
    direction = run.rng.normal(size=places.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = ANTENNA * step * direction
    smelled = run.fitness(np.concatenate([places - reach, places + reach]))
    left, right = smelled[: len(places), None], smelled[len(places) :, None]
    return np.asarray(np.where(left < right, -step, step) * direction)


def accepted(found: Floats, worth: Floats, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """Which steps are taken (Metropolis)."""
    with np.errstate(over="ignore", invalid="ignore"):
        chance = np.exp(-np.maximum(found - worth, 0.0) / max(temperature, 1e-12))
    return np.isfinite(found) & (rng.uniform(size=len(found)) <= np.nan_to_num(chance))


def beetle_swarm(run: Run) -> None:
    """The swarm (MTTA)."""
    rng, size = run.rng, run.encoding.size
    chaos = rng.uniform(0.1, 0.9, (POPULATION, size))
    for _ in range(20):
        chaos = CHAOS * chaos * (1.0 - chaos)
    places, flight = chaos.copy(), np.zeros((POPULATION, size))
    worth = run.fitness(places)
    own, own_worth = places.copy(), worth.copy()
    scale, total = abs(float(worth.min())), run.left
    while run.left:
        share = run.left / total
        pull = OWN * rng.uniform(size=places.shape) * (own - places)
        pull += ALL * rng.uniform(size=places.shape) * (leaders(run, own, own_worth) - places)
        flight = INERTIA * flight + pull
        step = advice(run, places, max(LEAST_STEP, STEP * share))
        moved = np.clip(places + FLIGHT * flight + (1.0 - FLIGHT) * step, 0.0, 1.0)
        chaos = CHAOS * chaos * (1.0 - chaos)
        strays = np.argsort(worth)[len(worth) - int(STRAYS * len(worth)) :]
        moved[strays] = chaos[strays]
        found = run.fitness(moved)
        take = accepted(found, worth, HEAT * (CHILL / HEAT) ** (1.0 - share) * scale, rng)
        places[take], worth[take] = moved[take], found[take]
        better = worth < own_worth
        own[better], own_worth[better] = places[better], worth[better]
        scale = min(scale, abs(float(worth.min())))


def leaders(run: Run, own: Floats, own_worth: Floats) -> Floats:
    """Where the others draw beetles: to the best place of all, or of a neighbour where every beetle has its own aim."""
    if run.aims is None:
        return np.asarray(own[own_worth.argmin()])
    near = np.arange(len(own)) + run.rng.integers(-NEAR, NEAR, len(own), endpoint=True)
    return np.asarray(own[np.clip(near, 0, len(own) - 1)])
