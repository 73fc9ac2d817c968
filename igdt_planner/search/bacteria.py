"""Bacterial foraging (Passino, IEEE Control Syst. Mag. 22(3), 2002, doi:10.1109/MCS.2002.1004010), as in paper 004.

Bacteria tumble into a random direction and swim on while it gets better; the better half of them divides, and some are
washed away to a random place.
"""

from __future__ import annotations

import numpy as np

from igdt_planner.search.run import POPULATION, Run

SWIMS, LIFE, WASHED = 7, 15, 0.5
"""Longest swim, tumbles of a life, and the chance to be washed away at the end of two lives."""
STEP = 0.1


def bacteria(run: Run) -> None:
    """Forage until the evaluations are used."""
    rng, size = run.rng, run.encoding.size
    places = rng.uniform(size=(POPULATION, size))
    worth = run.fitness(places)
    lives = 0
    while run.left:
        health = np.zeros(POPULATION)
        for _ in range(LIFE):
            direction = rng.normal(size=places.shape)
            direction *= STEP / np.linalg.norm(direction, axis=1, keepdims=True)
            swimming = np.arange(POPULATION)
            for _ in range(SWIMS):
                tried = np.clip(places[swimming] + direction[swimming], 0.0, 1.0)
                found = run.fitness(tried)
                better = found < worth[swimming]
                first = found < np.inf if len(swimming) == POPULATION else better
                places[swimming[first]], worth[swimming[first]] = tried[first], found[first]
                swimming = swimming[better]
                if not len(swimming):
                    break
            health += worth
        lives += 1
        best = np.argsort(health, kind="stable")[: POPULATION // 2]
        places, worth = np.repeat(places[best], 2, axis=0), np.repeat(worth[best], 2)
        if lives % 2 == 0:
            washed = np.flatnonzero(rng.uniform(size=POPULATION) < WASHED)
            places[washed] = rng.uniform(size=(len(washed), size))
            worth[washed] = run.fitness(places[washed])
