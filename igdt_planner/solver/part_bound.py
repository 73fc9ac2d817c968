"""Bounds of one part of a problem where units stand in zones and integer columns are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from igdt_planner.solver.conic import (
    CONTRADICTION,
    Multipliers,
    cone_rows,
    decided,
    lagrangian,
    least,
    limited,
    relaxed,
)
from igdt_planner.solver.problem import Array, Index, Problem, Rows, no_rows, stack
from igdt_planner.solver.series import Segment

Units = tuple[tuple[int, int], ...]
"""Zones and how many units each holds; a site in no zone named holds none. No zone at all: any number anywhere."""
Held = tuple[tuple[int, float], ...]
"""Handles of a part and the values they are held at: integer columns, and beyond the columns open lines by segment."""
WHOLE = 1e-4
"""Distance from an integer that counts as integer."""
STEPS = (2.0, 1.0, 0.5, 0.25, 0.15, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01)
"""Shares by which a radius is proven to be out of reach, one after the other."""


@dataclass(frozen=True)
class Radius:
    """Columns of alpha and of its products with other columns, the factors, and the radii at which bounds are taken.

    One of them is held when a part is solved, which makes the products exact; at the others its multipliers still
    bound.
    """

    alpha: int
    products: Index
    factors: Index
    at: tuple[float, ...]

    def shared(self, sites: Index) -> Index:
        """Columns that every part has besides sites: alpha, and its products with sites."""
        return np.append(self.products[np.isin(self.factors, sites)], self.alpha)


@dataclass(frozen=True)
class Leaf:
    """What is held of one part at decided sites: integer columns, the bounds of that, one a radius, and its point.

    ``point`` are the integer columns of the relaxation, None where it was never solved or has none; ``split`` the place
    among them and the change of the column that was held last. ``level`` is that of the radius it was solved at.
    """

    values: Array
    held: Held = ()
    point: Array | None = None
    level: int = 0
    split: tuple[int, float] | None = None

    def holding(self, column: tuple[int, float], place: int) -> Leaf:
        """The leaf with one more column held, whose place among the integer columns is given; solved if it was so."""
        agrees = self.point is not None and abs(self.point[place] - column[1]) < WHOLE
        return replace(self, held=(*self.held, column), point=self.point if agrees else None, split=None)


@dataclass(frozen=True)
class Zones:
    """Nested zones of ``count`` sites: zone k < count is a site, zone count + m joins the pair ``joins[m]``."""

    count: int
    joins: Index
    members: tuple[Index, ...] = field(init=False)

    def __post_init__(self) -> None:
        members = [np.array([site], dtype=np.int64) for site in range(self.count)]
        for left, right in self.joins:
            members.append(np.concatenate([members[left], members[right]]))
        object.__setattr__(self, "members", tuple(members))

    @property
    def whole(self) -> int:
        """The zone of all sites."""
        return len(self.members) - 1


class PartBound:
    """Bounds of one part at nodes of the tree.

    Column bounds, and the columns of which nothing is left to decide, are found with alpha free: for every radius.
    """

    def __init__(self, part: Problem, zones: Zones, radius: Radius | None, segments: Sequence[Segment] = ()) -> None:
        self.zones, self.radius, self.segments, self.scale = zones, radius, segments, 0.0
        self.radii = len(radius.at) if radius else 1
        self.sites, self.integers = part.decisive, np.flatnonzero(part.integer)
        self.lower, self.upper = limited(part.rows, part.lower, part.upper)
        self.first_zone, many = len(part.rows.lower), len(part.cost)
        self.first_segment = self.first_zone + len(zones.joins)
        counted = stack(zone_rows(zones, self.sites, many), segment_rows(segments, many))
        self.rows = stack(part.rows, counted)
        self.handles = np.concatenate([self.integers, many + np.arange(len(segments))])
        self.cones = cone_rows(part)
        products = [product_rows(radius, alpha, many) for alpha in radius.at] if radius else [no_rows(many)]
        self.matrices = [stack(self.rows, rows).matrix for rows in products]
        self.part = replace(part, rows=stack(self.rows, products[0]))

    def at(self, units: Units, leaf: Leaf, level: int, deadline: float) -> Leaf:
        """The leaf bounded where units stand in zones, with the radius of a level held."""
        part, feasible = self.held(units, leaf.held, level)
        if not feasible:
            return replace(leaf, values=np.full_like(leaf.values, np.inf), point=None)
        point, multipliers, infeasible = relaxed(part, self.cones, self.scale, deadline)
        if infeasible:
            costless = replace(part, cost=np.zeros_like(part.cost))
            nothing = self.bounds(costless, multipliers, level) > CONTRADICTION
            if nothing[level]:
                return replace(leaf, values=np.where(nothing, np.inf, leaf.values), point=None)
        values = np.maximum(leaf.values, self.bounds(part, multipliers, level))
        return replace(leaf, values=values, point=point[self.integers], level=level)

    def held(self, units: Units, columns: Held, level: int) -> tuple[Problem, bool]:
        """The part with units in zones and integer columns held, and whether that can be."""
        lower, upper = self.lower.copy(), self.upper.copy()
        at_least, at_most = np.zeros(len(self.sites)), np.full(len(self.sites), 0.0 if units else 1.0)
        limits = self.part.rows.lower.copy(), self.part.rows.upper.copy()
        for zone, count in units:
            at_most[self.zones.members[zone]] = float(count > 0)
            if zone < self.zones.count:
                at_least[zone] = count
            else:
                row = self.first_zone + zone - self.zones.count
                limits[0][row] = limits[1][row] = count
        lower[self.sites] = np.maximum(at_least, lower[self.sites])
        upper[self.sites] = np.minimum(at_most, upper[self.sites])
        for handle, value in columns:
            if handle < len(lower):
                lower[handle], upper[handle] = max(lower[handle], value), min(upper[handle], value)
                continue
            segment, row = self.segments[handle - len(lower)], self.first_segment + handle - len(lower)
            limits[0][row] = limits[1][row] = len(segment.columns) - value
            lower[segment.rest if value else segment.columns] = 1.0
        few = len(self.rows.lower)
        lower, upper, feasible = decided(Rows(self.rows.matrix, limits[0][:few], limits[1][:few]), lower, upper)
        if self.radius is not None:
            lower[self.radius.alpha] = upper[self.radius.alpha] = self.radius.at[level]
        rows = Rows(self.matrices[level], *limits)
        return replace(self.part, lower=lower, upper=upper, rows=rows), feasible

    def fractions(self, leaf: Leaf) -> Array:
        """Values of the handles at a leaf's point, between 0 and 1."""
        assert leaf.point is not None
        whole = np.zeros(len(self.part.cost))
        whole[self.integers] = leaf.point
        open_lines = [len(segment.columns) - whole[segment.columns].sum() for segment in self.segments]
        return np.asarray(np.clip(np.concatenate([leaf.point, open_lines]), 0.0, 1.0))

    def bounds(self, part: Problem, multipliers: Multipliers, level: int) -> Array:
        """Bounds of a part held at a level by its multipliers, one a radius."""
        constant, reduced, mended = lagrangian(part.rows, self.cones, part.cost, multipliers)
        if self.radius is None:
            return np.array([constant + least(reduced, part.lower, part.upper)])
        first, many = len(self.rows.lower), len(self.radius.products)
        lower, upper = part.lower.copy(), part.upper.copy()
        out = []
        for alpha in self.radius.at:
            moved = reduced.copy()  # another radius stands in the products
            moved[self.radius.factors] += (alpha - self.radius.at[level]) * mended.rows[first : first + many]
            lower[self.radius.alpha] = upper[self.radius.alpha] = alpha
            out.append(constant + least(moved, lower, upper))
        return np.array(out)


def zone_rows(zones: Zones, sites: Index, columns: int) -> Rows:
    """A free row for every zone of more than one site, that counts its units."""
    joined = zones.members[zones.count :]
    matrix = sparse.lil_matrix((len(joined), columns))
    for number, members in enumerate(joined):
        matrix[number, sites[members]] = 1.0
    return Rows(sparse.csr_matrix(matrix), np.full(len(joined), -np.inf), np.full(len(joined), np.inf))


def segment_rows(segments: Sequence[Segment], columns: int) -> Rows:
    """A row for every segment that counts its closed lines: at most one of them is open."""
    matrix = sparse.lil_matrix((len(segments), columns))
    for number, segment in enumerate(segments):
        matrix[number, segment.columns] = 1.0
    sizes = np.array([float(len(segment.columns)) for segment in segments])
    return Rows(sparse.csr_matrix(matrix), sizes - 1.0, sizes)


def product_rows(radius: Radius, alpha: float, columns: int) -> Rows:
    """Rows ``product - alpha factor = 0`` at a radius."""
    count = len(radius.products)
    number = np.arange(count)
    matrix = sparse.csr_matrix(
        (
            np.concatenate([np.ones(count), np.full(count, -alpha)]),
            (np.concatenate([number, number]), np.concatenate([radius.products, radius.factors])),
        ),
        shape=(count, columns),
    )
    return Rows(matrix, np.zeros(count), np.zeros(count))


def places(radius: Radius, columns: Index) -> dict[str, Any]:
    """Columns of a radius within a part, and of those products that the part has."""
    where = {int(column): position for position, column in enumerate(columns)}
    pairs = zip(radius.products.tolist(), radius.factors.tolist(), strict=True)
    inside = np.array([(where[z], where[x]) for z, x in pairs if z in where], dtype=np.int64).reshape(-1, 2)
    return {"alpha": where[radius.alpha], "products": inside[:, 0], "factors": inside[:, 1]}


def radii(reached: float, gap: float, *, largest: bool) -> tuple[float, ...]:
    """Radii at which bounds are taken, from far to near: down to the gap asked for beyond the one reached, and that."""
    beyond = [*(step for step in STEPS if step > gap), 0.9 * gap, 0.0]
    return tuple(reached * (1.0 + step if largest else max(0.0, 1.0 - step)) for step in beyond)
