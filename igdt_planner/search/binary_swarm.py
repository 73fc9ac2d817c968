"""Binary particle swarm (Kennedy and Eberhart, IEEE SMC 1997, doi:10.1109/ICSMC.1997.637339), as paper 004 sets it.

Coordinates are written in bits; the velocity of a bit says how likely it is set.
"""

from __future__ import annotations

import numpy as np

from igdt_planner.search.network import Floats, Ints
from igdt_planner.search.run import POPULATION, Run

INERTIA, OWN, ALL, FASTEST = 0.9, 2.0, 2.0, 4.0


def binary_swarm(run: Run) -> None:
    """Fly until the evaluations are used."""
    rng, lengths = run.rng, run.encoding.lengths()
    widths = np.maximum(1, np.ceil(np.log2(np.maximum(2, lengths)))).astype(np.int64)
    bits = rng.integers(2, size=(POPULATION, int(widths.sum())))
    velocity = rng.uniform(-FASTEST, FASTEST, bits.shape)
    own, own_worth = bits.copy(), np.full(POPULATION, np.inf)
    while run.left:
        worth = run.fitness(values(bits, widths, lengths))
        better = worth < own_worth
        own[better], own_worth[better] = bits[better], worth[better]
        leader = own[own_worth.argmin()]
        pull = OWN * rng.uniform(size=bits.shape) * (own - bits) + ALL * rng.uniform(size=bits.shape) * (leader - bits)
        velocity = np.clip(INERTIA * velocity + pull, -FASTEST, FASTEST)
        bits = (rng.uniform(size=bits.shape) < 1.0 / (1.0 + np.exp(-velocity))).astype(np.int64)


def values(bits: Ints, widths: Ints, lengths: Ints) -> Floats:
    """Vectors between 0 and 1 of particles; what a coordinate's bits count beyond its length begins anew."""
    out = np.empty((len(bits), len(lengths)))
    first = 0
    for number, (width, length) in enumerate(zip(widths.tolist(), lengths.tolist(), strict=True)):
        counted = bits[:, first : first + width] @ (1 << np.arange(width))
        out[:, number] = (counted % length + 0.5) / length
        first += width
    return out
