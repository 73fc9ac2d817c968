"""Annealing on single coordinates (Kirkpatrick et al., Science 220, 1983, doi:10.1126/science.220.4598.671)."""

from __future__ import annotations

import numpy as np

from igdt_planner.search.run import Run

HEAT, CHILL = 0.1, 1e-4
"""First and last temperature, as shares of the objective at the beginning."""


def annealing(run: Run) -> None:
    """Change a coordinate at a time, worse ones less and less often, until the evaluations are used."""
    rng, size = run.rng, run.encoding.size
    place = rng.uniform(size=size)
    worth = float(run.fitness(place[None])[0])
    scale, total = abs(worth), run.left
    while run.left:
        temperature = HEAT * (CHILL / HEAT) ** (1.0 - run.left / total) * scale
        tried = place.copy()
        tried[rng.integers(size)] = rng.uniform()
        found = float(run.fitness(tried[None])[0])
        if found <= worth or rng.uniform() < np.exp(-(found - worth) / max(temperature, 1e-12)):
            place, worth = tried, found
            scale = min(scale, abs(worth))
