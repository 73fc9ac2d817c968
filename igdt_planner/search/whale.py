"""Whale optimisation (Mirjalili and Lewis, Adv. Eng. Softw. 95, 2016, doi:10.1016/j.advengsoft.2016.01.008).

Seed paper 002 reconfigures with it. Whales encircle the best of them, follow another one, or spiral towards the best.
"""

from __future__ import annotations

import numpy as np

from igdt_planner.search.network import Floats
from igdt_planner.search.run import POPULATION, Run


def whale(run: Run) -> None:
    """Swim until the evaluations are used; how far whales stray falls to zero by then."""
    size, rng = run.encoding.size, run.rng
    whales = rng.uniform(size=(POPULATION, size))
    worth = run.fitness(whales)
    best, least = whales[worth.argmin()].copy(), worth.min()
    total = run.left
    while run.left:
        whales = np.clip(swim(whales, best, 2.0 * run.left / total, rng), 0.0, 1.0)
        worth = run.fitness(whales)
        if worth.min() < least:
            best, least = whales[worth.argmin()].copy(), worth.min()


def swim(whales: Floats, best: Floats, reach: float, rng: np.random.Generator) -> Floats:
    """One step of all whales; half of them spiral."""
    many = len(whales)
    stray = reach * (2.0 * rng.uniform(size=(many, 1)) - 1.0)
    weight = 2.0 * rng.uniform(size=(many, 1))
    turn = rng.uniform(-1.0, 1.0, (many, 1))
    prey = np.where(np.abs(stray) < 1.0, best, whales[rng.integers(many, size=many)])
    encircled = prey - stray * np.abs(weight * prey - whales)
    spiralled = np.abs(best - whales) * np.exp(turn) * np.cos(2.0 * np.pi * turn) + best
    return np.where(rng.uniform(size=(many, 1)) < 0.5, encircled, spiralled)
