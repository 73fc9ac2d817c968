"""A problem as plain arrays: a matrix, bounds, integrality and loss cones; it knows nothing of networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

LOSS_PRICE = 1e-6
"""Price of a loss that costs nothing, as a share of what it can cost."""
CHARGE_PRICE = 1e-4
"""Price of charging, as a share of the dearest loss: where energy is free, storage need not burn it."""
CENTRE = 1e-9
"""Distance from the centre of a capability circle, in per unit, below which a point has no direction."""
CIRCLE_TOLERANCE = 1e-9
"""Distance in per unit by which a point may leave a capability circle."""
ON_CIRCLE = 1e-6
"""Distance in per unit within which a point counts as on a capability circle."""
LIVE = 0.01
"""Squared voltage above which a bus is alive, and its deviation is that of its voltage."""


@dataclass(frozen=True)
class Cones:
    """Loss cones ``i_sq * w >= P^2 + Q^2`` by column; ``v_sq`` is -1 where the voltage is taken as 1.

    ``switched`` says that the rows themselves hold ``v_sq`` below ``v_sq_ub on``. Where ``p_flow`` and ``q_flow`` are
    sizes, ``p_back`` and ``q_back`` are the parts of them that run back: the flow is the size less twice that part.
    ``r`` and ``x`` are the impedance of the line, ``ends`` the bus where its flow is counted and the other one.
    """

    i_sq: Index
    p_flow: Index
    q_flow: Index
    on: Index
    v_sq: Index
    v_sq_ub: Array
    switched: npt.NDArray[np.bool_]
    weight: Array
    p_back: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    q_back: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    r: Array = field(default_factory=lambda: np.empty(0))
    x: Array = field(default_factory=lambda: np.empty(0))
    ends: Index = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    def signed(self, side: Literal["p", "q"], x: Array) -> Array:
        """Flows of a point as they are: a size less twice the part that runs back."""
        sizes, backs = (self.p_flow if side == "p" else self.q_flow), self.backs(side)
        return np.asarray(x[sizes] - 2.0 * np.where(backs >= 0, x[backs], 0.0))

    def backs(self, side: Literal["p", "q"]) -> Index:
        """Column of the part of each flow that runs back, -1 where the flow is a column of its own."""
        known = self.p_back if side == "p" else self.q_back
        return known if len(known) else np.full(len(self.i_sq), -1)


@dataclass(frozen=True)
class Circles:
    """Capability circles ``(discharge - charge)^2 + q^2 <= (radius on)^2`` of inverters by column.

    ``on`` is -1 where it is known to be 1.
    """

    discharge: Index
    charge: Index
    q: Index
    on: Index
    radius: Array

    def over(self, place: Index) -> Circles:
        """Those whose reactive power has a place among other columns, by these; ``place[-1]`` is -1.

        Where a unit is built has no place of its own once that is known.
        """
        there = np.flatnonzero(place[self.q] >= 0)
        discharge, charge, q, on = (place[column[there]] for column in (self.discharge, self.charge, self.q, self.on))
        return Circles(discharge, charge, q, on, self.radius[there])

    def missed(self, x: Array) -> float:
        """By how much, per unit, a point leaves all circles together."""
        radius = self.radius * np.where(self.on < 0, 1.0, x[self.on])
        beyond = np.hypot(x[self.discharge] - x[self.charge], x[self.q]) - radius
        return float(np.clip(beyond, 0.0, None).sum())


def no_circles() -> Circles:
    """No capability circle."""
    none = np.empty(0, dtype=np.int64)
    return Circles(none, none, none, none, np.empty(0))


@dataclass(frozen=True)
class Rows:
    """Rows ``lower <= matrix x <= upper``."""

    matrix: sparse.csr_matrix
    lower: Array
    upper: Array


@dataclass(frozen=True)
class Deviations:
    """Pairs of columns: a squared voltage, and the deviation ``|sqrt(v_sq) - 1|`` that rows keep from below."""

    v_sq: Index
    deviation: Index

    def over(self, place: Index) -> Deviations:
        """Those whose two columns have a place among other columns, by these."""
        there = np.flatnonzero((place[self.v_sq] >= 0) & (place[self.deviation] >= 0))
        return Deviations(place[self.v_sq[there]], place[self.deviation[there]])

    def of(self, x: Array) -> Array:
        """What deviations are at a point; of a dead bus what the point says."""
        v_sq = x[self.v_sq]
        return np.where(v_sq > LIVE, np.abs(np.sqrt(np.maximum(v_sq, LIVE)) - 1.0), x[self.deviation])

    def true(self, x: Array) -> Array:
        """A point with its deviations as they are, where it has them lower."""
        point = x.copy()
        point[self.deviation] = np.maximum(x[self.deviation], self.of(x))
        return point

    def short(self, x: Array) -> Array:
        """By how much, per unit, each deviation of a point is below what it is."""
        return np.clip(self.of(x) - x[self.deviation], 0.0, None)

    def chords(self, lower: Array, upper: Array, columns: int) -> Rows:
        """Rows ``dv >= chord of sqrt(v) over its range - 1``: above 1 pu what no deviation is below."""
        low, high = np.sqrt(np.maximum(lower[self.v_sq], 0.0)), np.sqrt(np.maximum(upper[self.v_sq], 0.0))
        some = np.flatnonzero((low + high > LIVE) & np.isfinite(high))
        number, slope = np.arange(len(some)), 1.0 / (low + high)[some]
        row, column = np.tile(number, 2), np.concatenate([self.deviation[some], self.v_sq[some]])
        value = np.concatenate([np.ones(len(some)), -slope])
        matrix = sparse.csr_matrix((value, (row, column)), shape=(len(some), columns))
        return Rows(matrix, (low * high)[some] * slope - 1.0, np.full(len(some), np.inf))

    def tangents(self, x: Array, columns: int) -> Rows:
        """Rows that hold every deviation near a point.

        ``dv >= 1 - s / 2 - v / (2 s)`` and ``dv >= s / 2 + v / (2 s) - 1`` where ``s = sqrt(v)`` at the point.
        The first touches a convex function from below, so that it is exact at the point only; the second touches a
        concave one from above, so that it is a restriction (convex-concave procedure; Yuille and Rangarajan 2003).
        """
        alive = np.flatnonzero(x[self.v_sq] > LIVE)
        root, number = np.sqrt(x[self.v_sq[alive]]), np.arange(len(alive))
        ones = np.ones(len(alive))
        row = np.concatenate([number, number, number + len(alive), number + len(alive)])
        column = np.tile(np.concatenate([self.deviation[alive], self.v_sq[alive]]), 2)
        value = np.concatenate([ones, 0.5 / root, ones, -0.5 / root])
        matrix = sparse.csr_matrix((value, (row, column)), shape=(2 * len(alive), columns))
        lower = np.concatenate([1.0 - 0.5 * root, 0.5 * root - 1.0])
        return Rows(matrix, lower, np.full(2 * len(alive), np.inf))


def no_deviations() -> Deviations:
    """No deviation of a voltage."""
    none = np.empty(0, dtype=np.int64)
    return Deviations(none, none)


@dataclass(frozen=True)
class Switches:
    """Integer columns of one topology that close the edges of a graph, and the two nodes of each edge.

    Node -1 is the root of all trees; ``feeds_all`` says that every node has to be joined to it.
    """

    columns: Index
    ends: Index
    feeds_all: bool


@dataclass(frozen=True)
class Problem:
    """Minimise ``cost x + offset`` over rows, column bounds, integrality, loss cones and capability circles.

    ``sites`` are the binary columns decided once for all modes: they link parts that are otherwise independent;
    ``decisive`` are those among them that are branched on first, ``zones`` the pairs of zones that nest them (site k is
    zone k, each pair makes the next zone). ``switches`` are the topologies, in which radial plans are trees,
    ``charging`` and ``discharging`` the columns of power into and out of storage, ``ways`` the binary columns that
    allow the one or the other (-1: none), in the same order. An info-gap question names its ``budget_row``, the column
    of ``alpha``, and the columns of its ``products`` with other columns, the ``factors``: sites, and bought power.

    ``follows`` are columns that follow from decided integer columns (arcs, what lives), ``relaxing`` the rows that say
    nothing once these are decided and the loss equation holds. ``outputs`` are the columns that units decide,
    ``moment`` numbers the mode, scenario and period of each column (-1: none), ``highest`` pairs each voltage with the
    column that is above all, ``voltages`` are the squared voltages. ``meshed`` says that closed lines may form loops.
    ``circles`` and ``deviations`` are what rows keep from outside alone.
    """

    cost: Array
    offset: float
    rows: Rows
    lower: Array
    upper: Array
    integer: npt.NDArray[np.bool_]
    cones: Cones
    sites: Index
    decisive: Index
    zones: Index
    switches: tuple[Switches, ...] = ()
    charging: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    discharging: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ways: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    alpha: int = -1
    products: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    factors: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    budget_row: int = -1
    follows: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    relaxing: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    outputs: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    moment: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    highest: Index = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    voltages: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    meshed: bool = False
    circles: Circles = field(default_factory=no_circles)
    deviations: Deviations = field(default_factory=no_deviations)

    def decisions(self) -> Index:
        """Integer columns that decide sites and switches, without those that say how storage works in a period."""
        timed = self.moment >= 0 if len(self.moment) else np.zeros(len(self.cost), dtype=bool)
        return np.flatnonzero(self.integer & ~timed)


def no_rows(columns: int) -> Rows:
    """An empty set of rows."""
    return Rows(sparse.csr_matrix((0, columns)), np.empty(0), np.empty(0))


def stack(first: Rows, second: Rows) -> Rows:
    """Rows of both."""
    matrix = sparse.vstack([first.matrix, second.matrix], format="csr")
    return Rows(matrix, np.concatenate([first.lower, second.lower]), np.concatenate([first.upper, second.upper]))


def select(rows: Rows, keep: npt.NDArray[np.bool_]) -> Rows:
    """The rows that a mask keeps."""
    return Rows(rows.matrix[keep], rows.lower[keep], rows.upper[keep])


def entries(rows: Rows, columns: Index) -> sparse.csr_matrix:
    """Ones where the rows have an entry in some columns."""
    part = sparse.csr_matrix(rows.matrix[:, columns])
    return sparse.csr_matrix((np.ones(part.nnz), part.indices, part.indptr), shape=part.shape)


def only_over(problem: Problem, columns: Index) -> Rows:
    """Rows that have entries in some columns and in no others."""
    own = np.diff(entries(problem.rows, columns).indptr)
    total = np.diff(problem.rows.matrix.indptr)
    return select(problem.rows, (own == total) & (total > 0))


def loss_shortfall(problem: Problem, x: Array) -> tuple[Array, Array]:
    """Width ``w`` of every cone at a point, and the current that its ``i_sq`` misses there."""
    cones = problem.cones
    width = cones.v_sq_ub * np.clip(x[cones.on], 0.0, 1.0)
    has_v = cones.v_sq >= 0
    # a relaxation may hand no voltage down an arc that carries power: a tangent at a tenth of it holds there too
    width[has_v] = np.minimum(width[has_v], np.maximum(x[cones.v_sq[has_v]], 0.1 * width[has_v]))
    square = x[cones.p_flow] ** 2 + x[cones.q_flow] ** 2
    needed = np.divide(square, width, out=np.zeros_like(square), where=width > 1e-7)
    return width, needed - x[cones.i_sq]


def excess(problem: Problem, x: Array) -> Array:
    """Squared current of every cone above what its flow causes."""
    cones = problem.cones
    width, _ = loss_shortfall(problem, x)
    square = cones.signed("p", x) ** 2 + cones.signed("q", x) ** 2
    return x[cones.i_sq] - np.divide(square, width, out=np.zeros_like(square), where=width > 1e-7)


def require_numbers(problem: Problem) -> None:
    """Refuse a problem that holds NaN, which HiGHS would take for infeasible, or worse, solve."""
    whole = (
        problem.cost,
        np.array([problem.offset]),
        problem.rows.matrix.data,
        problem.cones.weight,
        problem.cones.v_sq_ub,
    )
    limits = (problem.lower, problem.upper, problem.rows.lower, problem.rows.upper)
    if not all(np.isfinite(values).all() for values in whole) or any(np.isnan(values).any() for values in limits):
        raise ValueError("the problem holds values that are not numbers")


def tangents(problem: Problem, x: Array, tolerance: float) -> Rows:
    """Tangent rows (L2) at every cone that a point breaks by more than ``tolerance`` in weighted loss."""
    cones = problem.cones
    width, shortfall = loss_shortfall(problem, x)
    chosen = np.flatnonzero((shortfall * cones.weight > tolerance) & (width > 1e-7))
    p0, q0, w0 = x[cones.p_flow[chosen]], x[cones.q_flow[chosen]], width[chosen]
    k_w = (p0**2 + q0**2) / w0**2
    by_voltage = (cones.v_sq[chosen] >= 0) & (w0 < cones.v_sq_ub[chosen] * x[cones.on[chosen]])
    w_column = np.where(by_voltage, cones.v_sq[chosen], cones.on[chosen])
    w_factor = np.where(by_voltage, 1.0, cones.v_sq_ub[chosen])
    columns = np.stack([cones.i_sq[chosen], cones.p_flow[chosen], cones.q_flow[chosen], w_column], axis=1)
    values = np.stack([np.ones_like(w0), -2.0 * p0 / w0, -2.0 * q0 / w0, k_w * w_factor], axis=1)
    starts = np.arange(0, 4 * len(chosen) + 1, 4)
    matrix = sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(len(chosen), len(problem.cost)))
    matrix.sort_indices()
    return Rows(matrix, np.zeros(len(chosen)), np.full(len(chosen), np.inf))


def circle_tangents(circles: Circles, x: Array, columns: int, tolerance: float) -> Rows:
    """Tangent rows at every capability circle (B8) that a point leaves by more than ``tolerance`` in per unit.

    The cone ``|(p, q)| <= radius on`` lies on one side of each, so no true state is lost, whatever is built.
    """
    p, q, known = x[circles.discharge] - x[circles.charge], x[circles.q], circles.on < 0
    size = np.hypot(p, q)
    beyond = size - circles.radius * np.where(known, 1.0, x[circles.on])
    chosen = np.flatnonzero((size > CENTRE) & (beyond > tolerance))
    cosine, sine = p[chosen] / size[chosen], q[chosen] / size[chosen]
    number, switched = np.arange(len(chosen)), ~known[chosen]
    entries = (
        (number, circles.discharge[chosen], -cosine),
        (number, circles.charge[chosen], cosine),
        (number, circles.q[chosen], -sine),
        (number[switched], circles.on[chosen][switched], circles.radius[chosen][switched]),
    )
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.csr_matrix((value, (row, column)), shape=(len(chosen), columns))
    return Rows(matrix, np.where(switched, 0.0, -circles.radius[chosen]), np.full(len(chosen), np.inf))


def with_tokens(cost: Array, i_sq: Index, weight: Array, charging: Index) -> Array:
    """A cost with token prices: of losses that cost nothing, and of charging, so that no ESS does both at once."""
    priced = cost.copy()
    priced[i_sq] += LOSS_PRICE * weight
    priced[charging] += CHARGE_PRICE * weight.max(initial=0.0)
    return priced


def worst_violation(problem: Problem, x: Array, *, integral: bool = True) -> float:
    """Largest violation of any row, bound or integrality at a point: the check that does not ask the solver."""
    if not np.isfinite(x).all():
        return np.inf
    activity = problem.rows.matrix @ x
    scale = 1.0 + abs(problem.rows.matrix) @ np.abs(x)
    rows = np.maximum(problem.rows.lower - activity, activity - problem.rows.upper) / scale
    columns = np.maximum(problem.lower - x, x - problem.upper)
    fractions = np.abs(x - np.round(x))[problem.integer & integral]
    return float(max(rows.max(initial=0.0), columns.max(initial=0.0), fractions.max(initial=0.0)))


def hold(problem: Problem, columns: Index, values: Array) -> Problem:
    """The problem with some columns held at values."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[columns] = upper[columns] = values
    return replace(problem, lower=lower, upper=upper)
