"""Every radial topology of a network, where there are few enough."""

from __future__ import annotations

import itertools

import numpy as np

from igdt_planner.search.network import Bools, Floats, Ints, RadialNetwork
from igdt_planner.search.tree import base_tree, closed_lines

LIMIT = 2_000_000


def radial_topologies(network: RadialNetwork, limit: int = LIMIT) -> Bools:
    """All radial topologies that the switchable lines allow, shape (topologies, lines).

    Lines in series have the same column of loops up to sign, and at most one of them is open: chains are combined, not
    lines.

    Raises
    ------
    ValueError
        When there are more than ``limit``.
    """
    tree = base_tree(network)
    movable = network.switchable[tree.open_lines]
    fixed = tree.open_lines[~movable]
    loops = tree.loops[movable] * network.switchable
    if not len(loops):
        return tree.line_on[None]
    # Cauchy and Binet: the sum of all squared determinants of the loops, each 1 for a radial topology and 0 otherwise.
    count = round(np.linalg.det(loops @ loops.T))
    if count > limit:
        raise ValueError(f"{count} radial topologies, more than {limit}")
    opened = np.concatenate([_one_of_each(chains) for chains in _chain_sets(loops)])
    line_on = closed_lines(opened, network.n_line)
    line_on[:, fixed] = False
    return line_on


def _chain_sets(loops: Floats) -> list[list[Ints]]:
    """Sets of chains that leave the network radial when one line of each is open."""
    lines = np.flatnonzero(loops.any(axis=0))
    first = (loops[:, lines] != 0.0).argmax(axis=0)
    columns = loops[:, lines] * loops[first, lines]
    _, heads, chain_of = np.unique(columns, axis=1, return_index=True, return_inverse=True)
    chains = [lines[chain_of == chain] for chain in range(len(heads))]
    sets = np.array(list(itertools.combinations(range(len(chains)), len(loops))), dtype=np.int64)
    cuts = np.linalg.slogdet(columns[:, heads[sets]].transpose(1, 0, 2))[0] != 0.0
    return [[chains[chain] for chain in members] for members in sets[cuts]]


def _one_of_each(chains: list[Ints]) -> Ints:
    """Every choice of one line from each chain, shape (choices, chains)."""
    grid = np.meshgrid(*chains, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(chains))
