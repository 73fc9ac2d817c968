"""Where the buses of a feeder are drawn: trunk straight, laterals perpendicular and then parallel to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from igdt_planner.case import Case
from igdt_planner.network import feeding_tree, substation_buses
from igdt_planner.report.routes import crossings, lines_of

Place = tuple[int, int]
"""Column and row."""

Sides = dict[int, int]
"""Side of the trunk, 0 above and 1 below, of the lateral that begins at a bus."""

TREE_GAP = 2
"""Free rows between the trees of two substations."""

ROW_HEIGHT = 1.5
"""Height of a row in column widths, which leaves room for labels and ties."""

ROUNDS = 3
"""How often every lateral may change sides in search of fewer crossings."""


@dataclass(frozen=True)
class Tree:
    """A rooted tree of buses: children of each bus, those with the longest way down first."""

    root: int
    children: dict[int, list[int]]


@dataclass
class Block:
    """Places of a part of a tree relative to its own root, and the highest row taken in each column."""

    places: dict[int, Place] = field(default_factory=dict)
    skyline: dict[int, int] = field(default_factory=dict)

    def room(self, columns: dict[int, int], shift: int) -> int:
        """First row at which a block that fills ``columns``, moved right by ``shift``, stands free above this one."""
        return 1 + max(self.skyline.get(column + shift, 0) for column in columns)

    def put(self, other: Block, shift: int, row: int) -> None:
        """Add another block with its root at column ``shift`` and row ``row``."""
        self.places |= {bus: (column + shift, level + row) for bus, (column, level) in other.places.items()}
        self.skyline |= {column + shift: level + row for column, level in other.skyline.items()}


def feeder_layout(case: Case) -> pd.DataFrame:
    """Drawing coordinates of every bus, from the base topology alone.

    Coordinates in the case win. Buses that have none while others do are placed by the computed drawing, fitted to the
    coordinates that are given.

    Parameters
    ----------
    case : Case

    Returns
    -------
    DataFrame
        Index bus id, columns ``x`` and ``y``. In a computed drawing neighbours stand at least one unit apart, lines of
        the base topology never cross, and all are parallel to an axis unless one bus has more than two laterals.
    """
    buses = case.buses.set_index("id")
    given = pd.DataFrame({"x": buses["x"], "y": buses["y"]}, dtype=float)
    if given.notna().all(axis=None):
        return given
    places = _fewest_crossings(case, _trees(case))
    computed = pd.DataFrame.from_dict(places, orient="index", columns=["x", "y"], dtype=float).reindex(given.index)
    computed["y"] *= ROW_HEIGHT
    return pd.DataFrame({axis: _fit(computed[axis], given[axis]) for axis in ("x", "y")})


def _trees(case: Case) -> list[Tree]:
    """Trees of the base topology: one for each substation, then one for each part that no substation reaches."""
    closed = lines_of(case, in_service=True)
    roots = sorted(substation_buses(case))
    parent = {bus: up for bus, (up, _) in feeding_tree(closed, roots).items()}
    for bus in sorted(case.buses["id"].tolist()):
        if bus not in parent and bus not in roots:
            roots.append(bus)
            parent |= {child: up for child, (up, _) in feeding_tree(closed, [bus]).items()}
    children: dict[int, list[int]] = defaultdict(list)
    for bus, up in parent.items():
        children[up].append(bus)
    return [_tree(root, children) for root in roots]


def _tree(root: int, children: dict[int, list[int]]) -> Tree:
    """The tree below a root, children in order of depth."""
    order = [root]
    for bus in order:
        order += children.get(bus, [])
    depth: dict[int, int] = {}
    for bus in reversed(order):
        depth[bus] = 1 + max((depth[child] for child in children.get(bus, [])), default=0)
    by_depth = {bus: sorted(children.get(bus, []), key=lambda child: (-depth[child], child)) for bus in order}
    return Tree(root, by_depth)


def _trunk(tree: Tree, bus: int) -> list[int]:
    """Buses from ``bus`` down, always on to the deepest child."""
    trunk = [bus]
    while tree.children[trunk[-1]]:
        trunk.append(tree.children[trunk[-1]][0])
    return trunk


def _lateral(tree: Tree, bus: int) -> Block:
    """A lateral as a block: its trunk in row 0, laterals of its own above."""
    trunk = _trunk(tree, bus)
    block = Block(dict(zip(trunk, ((column, 0) for column in range(len(trunk))), strict=True)))
    block.skyline = dict.fromkeys(range(len(trunk)), 0)
    for column in reversed(range(len(trunk))):
        laterals = [_lateral(tree, child) for child in tree.children[trunk[column]][1:]]
        _add_laterals(block, laterals, column)
    return block


def _tree_places(tree: Tree, sides: Sides) -> dict[int, Place]:
    """Places of a whole tree: trunk in row 0, laterals on their ``sides`` of it, which are filled in where missing.

    Laterals are taken from the far end to the root. They reach only away from the root, so the way up to a row is free:
    what stands there already begins at its own bus or further out.
    """
    trunk = _trunk(tree, tree.root)
    halves = [Block({}, dict.fromkeys(range(len(trunk)), 0)) for _ in range(2)]
    for column in reversed(range(len(trunk))):
        laterals: tuple[list[Block], list[Block]] = ([], [])
        for child in tree.children[trunk[column]][1:]:
            block = _lateral(tree, child)
            rank = [(len(laterals[s]), halves[s].room(block.skyline, column), len(halves[s].places)) for s in (0, 1)]
            laterals[sides.setdefault(child, rank.index(min(rank)))].append(block)
        for half, chosen in zip(halves, laterals, strict=True):
            _add_laterals(half, chosen, column)
    above, below = (half.places for half in halves)
    row = {bus: (column, 0) for column, bus in enumerate(trunk)}
    return row | above | {bus: (column, -level) for bus, (column, level) in below.items()}


def _fewest_crossings(case: Case, trees: list[Tree]) -> dict[int, Place]:
    """Places of all trees; laterals change sides while that lowers the rows used plus the crossings of the ties."""
    sides: Sides = {}
    best = _stack([_tree_places(tree, sides) for tree in trees])
    cost = _untidiness(case, best)
    for lateral in list(sides) * ROUNDS:
        flipped = sides | {lateral: 1 - sides[lateral]}
        places = _stack([_tree_places(tree, flipped) for tree in trees])
        if (untidiness := _untidiness(case, places)) < cost:
            sides, best, cost = flipped, places, untidiness
    return best


def _untidiness(case: Case, places: dict[int, Place]) -> int:
    closed, ties = (
        np.array([[places[i], places[j]] for _, i, j in lines_of(case, in_service=state)], dtype=float)
        for state in (True, False)
    )
    rows = {row for _, row in places.values()}
    return crossings(ties, closed) + crossings(ties, ties) // 2 + len(rows)


def _add_laterals(block: Block, laterals: list[Block], column: int) -> None:
    """Add the laterals of the bus at ``column``: the longest straight up, any others fanned out under it."""
    for lateral in reversed(laterals[1:]):
        block.put(lateral, column + 1, block.room(lateral.skyline, column + 1))
    for lateral in laterals[:1]:
        block.put(lateral, column, block.room(lateral.skyline, column))


def _stack(trees: list[dict[int, Place]]) -> dict[int, Place]:
    """Place trees under each other."""
    placed: dict[int, Place] = {}
    floor = 0
    for places in trees:
        rows = [row for _, row in places.values()]
        shift = floor - max(rows)
        placed |= {bus: (column, row + shift) for bus, (column, row) in places.items()}
        floor = min(rows) + shift - TREE_GAP
    return placed


def _fit(computed: pd.Series[float], given: pd.Series[float]) -> pd.Series[float]:
    """Given coordinates, filled up with computed ones scaled and moved to match."""
    known = given.notna()
    if not known.any():
        return computed
    spread = float(np.ptp(computed[known].to_numpy()))
    scale = float(np.ptp(given[known].to_numpy())) / spread if spread else 1.0
    shift = float(given[known].mean() - scale * computed[known].mean())
    return given.fillna(scale * computed + shift)
