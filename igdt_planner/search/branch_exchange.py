"""Branch exchange in closed form.

As long as the currents drawn at the buses stand still, the losses of all exchanges are known at once (Civanlar et al.,
IEEE Trans. Power Deliv. 3(3), 1988, doi:10.1109/61.193906, there for one exchange and uniform voltage).
"""

from __future__ import annotations

import numpy as np

from igdt_planner.search.network import Complexes, Floats, RadialNetwork
from igdt_planner.search.tree import Tree

ROUNDING = 1e-12
"""Change of the losses that is rounding, as a share of their own size."""


def frozen_currents(network: RadialNetwork, draw: Complexes, hours: Floats) -> Floats:
    """Currents drawn at the buses, in the form that other functions here expect.

    Parameters
    ----------
    network : RadialNetwork
    draw : array of complex, shape (periods, buses)
        Current drawn, pu.
    hours : array, shape (periods,)

    Returns
    -------
    array, shape (2 * periods, lines)
        Real and imaginary currents that they cause in the frame, times the square root of the hours: their squares add
        up over the periods.
    """
    current = network.frame_currents(draw) * np.sqrt(hours)[:, None]
    return np.concatenate([current.real, current.imag])


def loss_changes(network: RadialNetwork, tree: Tree, frozen: Floats) -> Floats:
    """Change of the losses, pu times hours, by opening each line in place of the open line of each loop.

    Shape (loops, lines). Never negative where the line is not in the loop; infinite where a switch is missing. The
    current i of the line opened goes around the loop instead: the change is i² R - 2 i d, where R is the resistance
    of the loop and d the drop that the present currents cause around it.
    """
    current = frozen - frozen[:, tree.open_lines] @ tree.loops
    resistance = tree.loops * network.r
    drop = resistance @ current.T
    around = (resistance * tree.loops).sum(axis=1)
    changes: Floats = np.outer(around, (current**2).sum(axis=0)) - 2.0 * tree.loops * (drop @ current)
    changes[~network.switchable[tree.open_lines]] = np.inf
    changes[:, ~network.switchable] = np.inf
    return changes


def descend(network: RadialNetwork, tree: Tree, frozen: Floats) -> Tree:
    """The topology reached by the best exchange, again and again until none reduces the losses."""
    least = -ROUNDING * float(network.r @ (frozen**2).sum(axis=0))
    while len(tree.open_lines):
        changes = loss_changes(network, tree, frozen)
        loop, line = divmod(int(changes.argmin()), network.n_line)
        if not changes[loop, line] < least:
            break
        tree = tree.exchange(loop, line)
    return tree
