"""Bounds by branching on sites outside: how many units stand in which zone, and only then on switches.

Works on arrays alone. A node of the tree says how many units each of some zones holds; zones are nested, so that a node
is split by saying how the units of one zone share its two halves. Once all sites are known it is split by the state
of one switch in one part, chosen by what such splits have brought before. Modes are independent parts but for what is
built besides (ESS), of which each part takes its own copy; that only lowers the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from igdt_planner.conic import Multipliers, cone_rows, decided, lagrangian, least, limited, relaxed
from igdt_planner.milp import Array, Index, Options, Problem, Rows, Search, only_over, select, stack
from igdt_planner.scout import parts

WHOLE = 1e-4
"""Distance from an integer that counts as integer."""


@dataclass(frozen=True)
class Radius:
    """Columns of alpha and of its products with the decisive sites, and the radii at which bounds are taken.

    The first radius is the one that the LPs hold; at the others their duals still bound.
    """

    alpha: int
    built: Index
    at: tuple[float, ...]


@dataclass(frozen=True)
class Leaf:
    """What is held of one part at decided sites: integer columns, the bounds of that, one a radius, and its point.

    ``point`` are the integer columns of the relaxation, empty where it was never solved or has none; ``split`` the
    place among them and the change of the column that was held last.
    """

    values: Array
    held: tuple[tuple[int, float], ...] = ()
    point: Array = field(default_factory=lambda: np.empty(0))
    split: tuple[int, float] | None = None


class Node:
    """Units by zone, and for every part the leaves of its own tree: once sites are decided parts are independent.

    The root names no zone: any number of units anywhere.
    """

    def __init__(self, units: tuple[tuple[int, int], ...], parts: list[list[Leaf]]) -> None:
        self.units, self.parts = units, parts
        self.update()

    def update(self) -> None:
        """Find the lowest leaf of every part, which bounds it, and the bounds at every radius."""
        self.lowest = [min(leaves, key=lambda leaf: (leaf.values[0], leaf.held)) for leaves in self.parts]
        values = [np.min([leaf.values for leaf in leaves], axis=0) for leaves in self.parts]
        self.values: Array = np.sum(values, axis=0)
        self.total = float(self.values[0])

    def replace(self, part: int, old: Leaf, new: list[Leaf]) -> None:
        """Put other leaves in the place of one."""
        self.parts[part] = [leaf for leaf in self.parts[part] if leaf is not old] + new
        self.update()


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

    Columns are bounded, and those that nothing is left to decide of are found, with alpha free: they serve every radius.
    """

    def __init__(self, part: Problem, zones: Zones, radius: Radius | None, scale: float) -> None:
        self.zones, self.radius, self.scale = zones, radius, scale
        self.sites, self.integers = part.decisive, np.flatnonzero(part.integer)
        self.lower, self.upper = limited(part.rows, part.lower, part.upper)
        self.first_zone, many = len(part.rows.lower), len(part.cost)
        self.rows = stack(part.rows, zone_rows(zones, self.sites, many))
        self.cones = cone_rows(part)
        whole = self.rows if radius is None else stack(self.rows, product_rows(radius, self.sites, many))
        self.part = replace(part, rows=whole)

    def at(self, units: tuple[tuple[int, int], ...], leaf: Leaf) -> Leaf:
        """The leaf bounded where units stand in zones."""
        part, feasible = self.held(units, leaf.held)
        if feasible:
            point, multipliers, infeasible = relaxed(part, self.cones, self.scale)
            costless = replace(part, cost=np.zeros_like(part.cost))
            if not infeasible or self.bounds(costless, multipliers)[0] <= 0.0:
                values = np.maximum(leaf.values, self.bounds(part, multipliers))
                return replace(leaf, values=values, point=point[self.integers])
        return replace(leaf, values=np.full_like(leaf.values, np.inf), point=np.empty(0))

    def held(
        self, units: tuple[tuple[int, int], ...], columns: tuple[tuple[int, float], ...]
    ) -> tuple[Problem, bool]:
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
        for column, value in columns:
            lower[column] = upper[column] = value
        few = len(self.rows.lower)
        lower, upper, feasible = decided(Rows(self.rows.matrix, limits[0][:few], limits[1][:few]), lower, upper)
        if self.radius is not None:
            lower[self.radius.alpha] = upper[self.radius.alpha] = self.radius.at[0]
        return replace(self.part, lower=lower, upper=upper, rows=Rows(self.part.rows.matrix, *limits)), feasible

    def bounds(self, part: Problem, multipliers: Multipliers) -> Array:
        """Bounds of a held part by multipliers, one a radius."""
        constant, reduced, mended = lagrangian(part.rows, self.cones, part.cost, multipliers)
        if self.radius is None:
            return np.array([constant + least(reduced, part.lower, part.upper)])
        first, many = len(self.rows.lower), len(self.radius.built)
        lower, upper = part.lower.copy(), part.upper.copy()
        out = []
        for alpha in self.radius.at:
            moved = reduced.copy()  # another radius stands in the products ``built = alpha site``
            moved[self.sites[:many]] += (alpha - self.radius.at[0]) * mended.rows[first : first + many]
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


def product_rows(radius: Radius, sites: Index, columns: int) -> Rows:
    """Rows ``built - alpha site = 0`` at the radius held."""
    count = len(radius.built)
    number = np.arange(count)
    matrix = sparse.csr_matrix(
        (
            np.concatenate([np.ones(count), np.full(count, -radius.at[0])]),
            (np.concatenate([number, number]), np.concatenate([radius.built, sites[:count]])),
        ),
        shape=(count, columns),
    )
    return Rows(matrix, np.zeros(count), np.zeros(count))


Propose = Callable[[Array], object]
"""Takes in integer columns of the whole problem."""


class SiteTree:
    """Best-first search over units by zone.

    Parameters
    ----------
    problem : Problem
        The least-cost problem, of which ``decisive`` sites are branched on.
    radius : Radius or None
        Where the problem holds a radius.
    cutoff : float
        A node whose bound reaches it needs no more work.
    threads : int
        Nodes bounded side by side.
    """

    def __init__(self, problem: Problem, radius: Radius | None, cutoff: float, threads: int) -> None:
        self.problem, self.cutoff, self.threads = problem, cutoff, threads
        self.zones = Zones(len(problem.decisive), problem.zones)
        extra = np.array([radius.alpha, *radius.built], dtype=np.int64) if radius else np.empty(0, dtype=np.int64)
        split = parts(problem, np.union1d(problem.sites, extra))
        self.columns = [columns for _, columns in split]
        rules = only_over(problem, problem.sites)
        share = problem.cost[problem.sites] / len(split)

        def part_bound(part: Problem, columns: Index) -> PartBound:
            cost = part.cost.copy()
            cost[np.isin(columns, problem.sites)] = share
            own = Rows(sparse.csr_matrix(rules.matrix[:, columns]), rules.lower, rules.upper)
            inside = replace(radius, **places(radius, columns)) if radius else None
            return PartBound(replace(part, cost=cost, rows=stack(part.rows, own)), self.zones, inside, cutoff)

        self.parts = [part_bound(*one) for one in split]
        self.order = sorted(range(len(split)), key=lambda number: len(self.columns[number]))
        nothing = Leaf(np.full(len(radius.at) if radius else 1, -np.inf))
        self.most = most_units(rules, problem)
        self.open = [Node((), [[nothing] for _ in split])]
        self.settled: list[Node] = []
        self.gains = Gains([np.isin(columns[part.integer], problem.sites) for part, columns in split])

    def search(self, deadline: float, propose: Propose | None = None) -> None:
        """Work on the lowest nodes until all reach the cutoff or time is up."""
        with ThreadPoolExecutor(self.threads) as pool:
            while time.monotonic() < deadline:
                self.open.sort(key=lambda node: (node.total, node.units))
                chosen = [node for node in self.open[: self.threads] if node.total < self.cutoff]
                if not chosen:
                    return
                tasks = [(node, part, leaf) for node in chosen for part, leaf in self.unbounded(node)]
                bounded = pool.map(lambda task: self.parts[task[1]].at(task[0].units, task[2]), tasks)
                for (node, part, leaf), found in zip(tasks, bounded, strict=True):
                    self.gains.learn(part, leaf, found)
                    node.replace(part, leaf, [found])
                for node in chosen:
                    if not self.unbounded(node):
                        self.split(node, propose)

    def unbounded(self, node: Node) -> list[tuple[int, Leaf]]:
        """The lowest leaves of the smallest part that has one never solved there; none where the node is closed."""
        if node.total >= self.cutoff:
            return []
        for part in self.order:
            lowest = node.lowest[part].values[0]
            leaves = [leaf for leaf in node.parts[part] if not len(leaf.point) and leaf.values[0] <= lowest]
            if leaves:
                return [(part, leaf) for leaf in leaves]
        return []

    def wide(self, node: Node) -> list[tuple[int, int, int]]:
        """Zones of a node that hold units on more than one site: size, zone, units."""
        return [
            (len(self.zones.members[zone]), zone, count)
            for zone, count in node.units
            if count and zone >= self.zones.count
        ]

    def split(self, node: Node, propose: Propose | None) -> None:
        """Split a node, or a leaf of it once its sites are decided; settle it when nothing is left to split."""
        if node.total >= self.cutoff:
            self.settle(node)
            return
        children = self.children(node)
        if children:
            self.open.remove(node)
            self.open += children
            return
        choice = self.gains.choose(node.lowest)
        if choice is None:
            self.settle(node)
            if propose is not None:
                for x in self.plans(node):
                    propose(x)
            return
        part, place, fraction = choice
        leaf, column = node.lowest[part], int(self.parts[part].integers[place])
        node.replace(
            part,
            leaf,
            [
                Leaf(leaf.values, (*leaf.held, (column, value)), split=(place, change))
                for value, change in ((0.0, -fraction), (1.0, 1.0 - fraction))
            ],
        )

    def settle(self, node: Node) -> None:
        """Close a node."""
        self.open.remove(node)
        self.settled.append(node)

    def children(self, node: Node) -> list[Node]:
        """What a node is split into by its widest zone; nothing where no zone has more than a site."""

        def child(units: tuple[tuple[int, int], ...]) -> Node:
            return Node(units, [[Leaf(leaf.values)] for leaf in node.lowest])

        if not node.units:
            return [child(((self.zones.whole, count),)) for count in range(self.most + 1)]
        wide = self.wide(node)
        if not wide:
            return []
        _, zone, count = max(wide)
        left, right = self.zones.joins[zone - self.zones.count]
        rest = tuple(unit for unit in node.units if unit[0] != zone)
        out = []
        for share in range(count + 1):
            halves = [(int(half), n) for half, n in ((left, share), (right, count - share)) if n]
            if all(n <= len(self.zones.members[half]) for half, n in halves):
                out.append(child((*rest, *halves)))
        return out

    def plans(self, node: Node) -> list[Array]:
        """Whole plans put together from the parts' points, one for each part's own choice of the other sites."""
        out = []
        many = len(self.parts)
        for leader in range(many):
            x = self.problem.lower.copy()
            for number in [n for n in range(many) if n != leader] + [leader]:
                x[self.columns[number][self.parts[number].integers]] = node.lowest[number].point
            out.append(np.round(x[self.problem.integer]))
        return out

    def bound(self) -> float:
        """No plan costs less."""
        return min(node.total for node in (*self.open, *self.settled))

    def radius_bound(self, radius: Radius, budget: float) -> float | None:
        """The first radius at which every node is over the budget; None where some node is at all of them.

        Costs rise with the radius, so a node that was over the budget at the radius held is so beyond it.
        """
        nodes = [node for node in (*self.open, *self.settled) if node.total < budget]
        for number, alpha in enumerate(radius.at):
            if all(node.values[number] >= budget for node in nodes):
                return alpha
        return None


class Gains:
    """What splits have brought: bound gained per unit of fraction, by part, column and direction.

    Sites and switches are kinds of their own: what is not known of a column is what is known of its kind.
    """

    def __init__(self, sites: list[npt.NDArray[np.bool_]]) -> None:
        self.kinds = [(of_sites, ~of_sites) for of_sites in sites]
        self.sums = [np.zeros((2, len(of_sites))) for of_sites in sites]
        self.counts = [np.zeros((2, len(of_sites))) for of_sites in sites]

    def learn(self, part: int, before: Leaf, after: Leaf) -> None:
        """Take in what a split has brought."""
        if before.split is None:
            return
        place, change = before.split
        gain = max(0.0, float(after.values[0] - before.values[0]))
        if np.isfinite(gain):
            self.sums[part][int(change > 0), place] += gain / abs(change)
            self.counts[part][int(change > 0), place] += 1

    def choose(self, lowest: list[Leaf]) -> tuple[int, int, float] | None:
        """The part, place among its integer columns and fraction from which most is expected; None if all are whole."""
        best: tuple[float, int, int, float] | None = None
        for part, leaf in enumerate(lowest):
            fraction = np.clip(leaf.point, 0.0, 1.0)
            expected = self.expected(part)
            score = np.maximum(fraction * expected[0], 1e-9) * np.maximum((1.0 - fraction) * expected[1], 1e-9)
            score[np.minimum(fraction, 1.0 - fraction) < WHOLE] = 0.0
            place = int(np.argmax(score))
            if score[place] > 0.0 and (best is None or score[place] > best[0]):
                best = (float(score[place]), part, place, float(fraction[place]))
        return best[1:] if best else None

    def expected(self, part: int) -> Array:
        """Gain per unit of fraction, down and up; of a column that was not tried, the mean of its kind."""
        sums, counts = self.sums[part], self.counts[part]
        mean = np.ones_like(sums)
        for kind in self.kinds[part]:
            for direction in (0, 1):
                if counts[direction, kind].any():
                    mean[direction, kind] = sums[direction, kind].sum() / counts[direction, kind].sum()
        return np.asarray((sums + mean) / (counts + 1.0))


def places(radius: Radius, columns: Index) -> dict[str, Any]:
    """Columns of a radius within a part."""
    where = {int(column): position for position, column in enumerate(columns)}
    return {
        "alpha": where[radius.alpha],
        "built": np.array([where[int(column)] for column in radius.built], dtype=np.int64),
    }


def most_units(rules: Rows, problem: Problem) -> int:
    """Most decisive sites that the rules allow together: the first count rule over all of them, or their number."""
    over_all = np.flatnonzero((rules.matrix[:, problem.decisive].toarray() == 1.0).all(axis=1))
    return min([len(problem.decisive), *(int(rules.upper[row] + 1e-9) for row in over_all)])


def cost_problem(problem: Problem) -> tuple[Problem, float]:
    """The least-cost problem behind an info-gap question, with alpha as a column, and the budget."""
    rows, row = problem.rows, problem.budget_row
    cost = np.asarray(rows.matrix[row].todense()).ravel()
    keep = np.arange(len(rows.lower)) != row
    budget = float(rows.upper[row])
    weight = problem.cones.weight * abs(budget)
    cones = replace(problem.cones, weight=weight)
    return replace(problem, cost=cost, offset=0.0, rows=select(rows, keep), cones=cones), budget


def prove(search: Search, deadline: float) -> None:
    """Raise the bound of a search by its site tree; plans found at leaves are proposed."""
    problem, options = search.problem, search.options
    if not np.isfinite(search.value) or np.all(problem.lower[problem.decisive] == problem.upper[problem.decisive]):
        return
    if problem.alpha < 0:
        tree = SiteTree(problem, None, search.cutoff() - problem.offset, options.threads)
        tree.search(deadline, search.propose)
        search.raise_bound(tree.bound() + problem.offset)
        return
    reached, largest = abs(search.value), search.value <= 0.0
    if reached < 1e-6:
        return
    costs, budget = cost_problem(problem)
    radius = Radius(problem.alpha, problem.built, radii(reached, options.gap, largest=largest))
    tree = SiteTree(costs, radius, budget, options.threads)
    tree.search(deadline, search.propose)
    proven = tree.radius_bound(radius, budget)
    if proven is not None:
        search.raise_bound(-proven if largest else proven)


def radii(reached: float, gap: float, *, largest: bool) -> tuple[float, ...]:
    """Radii at which bounds are taken: the gap asked for beyond the one reached, and further out."""
    beyond = [gap * step for step in (0.9, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0)]
    return tuple(reached * (1.0 + step if largest else max(0.0, 1.0 - step)) for step in beyond)
