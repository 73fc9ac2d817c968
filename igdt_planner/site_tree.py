"""Bounds by branching on sites outside: how many units stand in which zone, and only then on switches.

Works on arrays alone. A node of the tree says how many units each of some zones holds; zones are nested, so that a node
is split by saying how the units of one zone share its two halves. Once all sites are known it is split by the state
of one switch in one part, chosen by what such splits have brought before. Modes are independent parts but for what is
built besides (ESS), of which each part takes its own copy; that only lowers the bound. A bound is computed from row
duals and column bounds, so that duals that are a little wrong make it a little lower and never wrong; that a node is
infeasible is the one thing the solver is believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from igdt_planner.milp import (
    INTERIOR_STEPS,
    LARGE_LP_ROWS,
    Array,
    Index,
    Options,
    Problem,
    Rows,
    Search,
    append,
    hold,
    no_rows,
    only_over,
    select,
    set_option,
    stack,
    tangents,
    to_highs,
)
from igdt_planner.scout import parts

ROOT_ROUNDS, ROUNDS = 12, 3
"""Rounds of tangents of a part with free sites, and at a node whose sites are known."""
TANGENT_SHARE = 1e-4
"""Loss that the cones of a part may miss, as a share of the cutoff (or a tenth of the gap, if that is less)."""
TANGENTS_KEPT, TANGENTS_MOST = 1300, 2000
"""Tangents that a part keeps when it holds too many: those tight last."""
TIGHTEST = 0.3
"""Share of the tangents that counts as tight at a point."""
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


@dataclass
class Node:
    """Units by zone, integer columns held in parts, and the bound of every part at every radius.

    The root names no zone: any number of units anywhere. ``points`` are the integer columns of the parts' last points,
    ``split`` the part, place among its integer columns and change of that column by which the node came about.
    """

    units: tuple[tuple[int, int], ...]
    values: Array
    held: tuple[tuple[int, int, float], ...] = ()
    points: tuple[Array, ...] = ()
    split: tuple[int, int, float] | None = None

    def total(self) -> float:
        """Bound of the node at the radius held."""
        return float(self.values[:, 0].sum())


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


def limited(problem: Problem) -> Problem:
    """The problem with column bounds taken from its rows where it states none."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for _ in range(3):
        tighten(problem.rows, lower, upper)
    return replace(problem, lower=lower, upper=upper)


def tighten(rows: Rows, lower: Array, upper: Array) -> None:
    """Bound columns that have no bound by the rows in which all others have one on the side that counts."""
    matrix = rows.matrix.tocoo()
    row, column, value = matrix.row, matrix.col, matrix.data
    least = np.where(value > 0, value * lower[column], value * upper[column])
    most = np.where(value > 0, value * upper[column], value * lower[column])
    found_lower, found_upper = lower.copy(), upper.copy()
    for activity, limit, sign in ((least, rows.upper, 1.0), (most, rows.lower, -1.0)):
        open_ended = ~np.isfinite(activity)
        known = np.where(open_ended, 0.0, activity)
        others_open = np.bincount(row, weights=open_ended, minlength=len(limit))[row] - open_ended
        rest = np.bincount(row, weights=known, minlength=len(limit))[row] - known
        usable = (others_open == 0) & np.isfinite(limit[row])
        bound = (limit[row] - rest)[usable] / value[usable]
        bound_from_above = sign * value[usable] > 0
        np.minimum.at(found_upper, column[usable][bound_from_above], bound[bound_from_above])
        np.maximum.at(found_lower, column[usable][~bound_from_above], bound[~bound_from_above])
    upper[:] = np.where(np.isfinite(upper), upper, found_upper)
    lower[:] = np.where(np.isfinite(lower), lower, found_lower)


class PartLp:
    """The relaxation of one part, with tangents shared by all nodes."""

    def __init__(
        self, number: int, part: Problem, zones: Zones, radius: Radius | None, tolerance: float, options: Options
    ) -> None:
        self.number, self.zones, self.radius, self.options = number, zones, radius, options
        part = limited(part)  # before the radius is held: its column bounds serve every radius
        self.sites, self.first_zone = part.decisive, len(part.rows.lower)
        part = replace(part, rows=stack(part.rows, zone_rows(zones, self.sites, len(part.cost))))
        if radius is not None:
            part = hold(part, np.array([radius.alpha]), np.array([radius.at[0]]))
            part = replace(part, rows=stack(part.rows, product_rows(radius, self.sites, len(part.cost))))
        self.part = part
        self.stated = self.part.lower.copy(), self.part.upper.copy()
        self.integers = np.flatnonzero(part.integer)
        self.large = len(part.rows.lower) >= LARGE_LP_ROWS
        self.tolerance = tolerance / max(1, len(part.cones.weight))
        self.cuts = no_rows(len(part.cost))
        self.fresh = self.cuts
        self.tight_at: Array = np.empty(0)
        self.calls = 0
        self.highs = self.load()

    def load(self) -> Any:
        """HiGHS with the part and its tangents: interior point where it is large, else simplex from the last basis."""
        highs = to_highs(self.part, self.cuts, self.options, integral=False)
        set_option(highs, "parallel", "off")
        if self.large:
            set_option(highs, "solver", "ipm")
            set_option(highs, "run_crossover", "off")
            set_option(highs, "ipm_optimality_tolerance", 1e-6)
            set_option(highs, "ipm_iteration_limit", INTERIOR_STEPS)
        return highs

    def enter(self, node: Node) -> None:
        """Hold sites and switches to a node."""
        at_most = np.full(len(self.sites), 0.0 if node.units else 1.0)
        at_least = np.zeros(len(self.sites))
        lower = np.full(len(self.zones.joins), -np.inf)
        upper = np.full(len(self.zones.joins), np.inf)
        for zone, count in node.units:
            at_most[self.zones.members[zone]] = float(count > 0)
            if zone < self.zones.count:
                at_least[zone] = count
            else:
                lower[zone - self.zones.count] = upper[zone - self.zones.count] = count
        lows, highs = self.stated[0].copy(), self.stated[1].copy()
        lows[self.sites] = np.maximum(at_least, lows[self.sites])
        highs[self.sites] = np.minimum(at_most, highs[self.sites])
        for part, column, value in node.held:
            if part == self.number:
                lows[column] = highs[column] = value
        integers = self.integers
        self.part.lower[integers], self.part.upper[integers] = lows[integers], highs[integers]
        rows = np.arange(self.first_zone, self.first_zone + len(lower))
        self.part.rows.lower[rows], self.part.rows.upper[rows] = lower, upper
        self.highs.changeColsBounds(len(integers), integers.astype(np.int32), lows[integers], highs[integers])
        self.highs.changeRowsBounds(len(rows), rows.astype(np.int32), lower, upper)

    def at(self, node: Node, enough: float, rounds: int) -> tuple[Array, Array]:
        """Lower bounds of the part at a node, one a radius, and the integer columns of the last point."""
        self.enter(node)
        best = np.full(len(self.radius.at) if self.radius else 1, -np.inf)
        for _ in range(rounds):
            x, duals = self.solve()
            if duals is None:
                return np.full_like(best, np.inf), np.empty(0)
            best = np.maximum(best, self.bounds(duals))
            if best[0] >= enough:
                break
            fresh = tangents(self.part, x, self.tolerance)
            self.forget(x)
            self.add(fresh)
            self.fresh = stack(self.fresh, fresh)
            if not len(fresh.lower):
                break
        return best, x[self.integers]

    def solve(self) -> tuple[Array, Array | None]:
        """A point and row duals of the LP, which need not be exact; no duals where it is infeasible.

        Presolve comes second because it gives poorer duals back.
        """
        for presolve in ("off", "choose"):
            set_option(self.highs, "presolve", presolve)
            if self.large or presolve == "choose":
                self.highs.clearSolver()
            self.highs.run()
            if self.highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
                return np.empty(0), None
            solution = self.highs.getSolution()
            x, duals = np.array(solution.col_value), np.array(solution.row_dual)
            if solution.dual_valid and np.isfinite(duals).all() and np.isfinite(x).all():
                return x, duals
        return np.zeros(len(self.part.cost)), np.zeros(len(self.part.rows.lower) + len(self.cuts.lower))

    def bounds(self, duals: Array) -> Array:
        """Lagrangian bounds of row duals over the column bounds, one a radius."""
        rows = stack(self.part.rows, self.cuts)
        duals = np.where(np.isfinite(rows.lower), duals, np.minimum(duals, 0.0))
        duals = np.where(np.isfinite(rows.upper), duals, np.maximum(duals, 0.0))
        side = np.where(duals > 0, rows.lower, rows.upper)
        value = float(duals[duals != 0] @ side[duals != 0])
        reduced = self.part.cost - rows.matrix.T @ duals
        if self.radius is None:
            return np.array([value + self.least(reduced)])
        return np.array([value + self.least(self.moved(reduced, duals, alpha), alpha) for alpha in self.radius.at])

    def moved(self, reduced: Array, duals: Array, alpha: float) -> Array:
        """Reduced costs where another radius stands in the products ``built = alpha site``."""
        assert self.radius is not None
        first = self.first_zone + len(self.zones.joins)
        out = reduced.copy()
        many = len(self.radius.built)
        out[self.sites[:many]] += (alpha - self.radius.at[0]) * duals[first : first + many]
        return out

    def least(self, reduced: Array, alpha: float | None = None) -> float:
        """Smallest value of reduced costs over the column bounds."""
        lower, upper = self.part.lower.copy(), self.part.upper.copy()
        if alpha is not None and self.radius is not None:
            lower[self.radius.alpha] = upper[self.radius.alpha] = alpha
        priced = reduced != 0.0
        return float(np.minimum(reduced[priced] * lower[priced], reduced[priced] * upper[priced]).sum())

    def add(self, fresh: Rows) -> None:
        """Take in tangents."""
        append(self.highs, fresh)
        self.cuts = stack(self.cuts, fresh)
        self.tight_at = np.concatenate([self.tight_at, np.full(len(fresh.lower), self.calls)])

    def forget(self, x: Array) -> None:
        """Drop the tangents that have not been tight for longest when there are too many."""
        self.calls += 1
        slack = self.cuts.matrix @ x - self.cuts.lower
        self.tight_at[slack < np.quantile(slack, TIGHTEST) if len(slack) else ()] = self.calls
        if len(self.cuts.lower) > TANGENTS_MOST:
            keep = np.zeros(len(slack), dtype=bool)
            keep[np.argsort(-self.tight_at, kind="stable")[:TANGENTS_KEPT]] = True
            self.cuts, self.tight_at = select(self.cuts, keep), self.tight_at[keep]
            self.highs = self.load()


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
    """Best-first search over units by zone; ``threads`` lanes work side by side, each with its own LPs.

    Parameters
    ----------
    problem : Problem
        The least-cost problem, of which ``decisive`` sites are branched on.
    radius : Radius or None
        Where the problem holds a radius.
    cutoff : float
        A node whose bound reaches it needs no more work.
    options : Options
    """

    def __init__(self, problem: Problem, radius: Radius | None, cutoff: float, options: Options) -> None:
        self.problem, self.cutoff = problem, cutoff
        self.zones = Zones(len(problem.decisive), problem.zones)
        extra = np.array([radius.alpha, *radius.built], dtype=np.int64) if radius else np.empty(0, dtype=np.int64)
        split = parts(problem, np.union1d(problem.sites, extra))
        self.columns = [columns for _, columns in split]
        rules = only_over(problem, problem.sites)
        share = problem.cost[problem.sites] / len(split)
        tolerance = min(TANGENT_SHARE, 0.1 * options.gap) * abs(cutoff)

        def lp(number: int, part: Problem, columns: Index) -> PartLp:
            cost = part.cost.copy()
            cost[np.isin(columns, problem.sites)] = share
            own = Rows(sparse.csr_matrix(rules.matrix[:, columns]), rules.lower, rules.upper)
            inside = replace(radius, **places(radius, columns)) if radius else None
            whole = replace(part, cost=cost, rows=stack(part.rows, own))
            return PartLp(number, whole, self.zones, inside, tolerance, options)

        self.lanes = [[lp(n, *one) for n, one in enumerate(split)] for _ in range(max(1, options.threads))]
        radii = len(radius.at) if radius else 1
        nothing = np.full((len(split), radii), -np.inf)
        self.most = most_units(rules, problem)
        self.open = [Node((), nothing)]
        self.settled: list[Node] = []
        self.gains = Gains([int(part.integer.sum()) for part, _ in split])

    def search(self, deadline: float, propose: Propose | None = None) -> None:
        """Bound the lowest nodes and split them until all reach the cutoff or time is up."""
        with ThreadPoolExecutor(len(self.lanes)) as pool:
            while time.monotonic() < deadline:
                self.open.sort(key=lambda node: (node.total(), node.units, node.held))
                chosen = [node for node in self.open[: len(self.lanes)] if node.total() < self.cutoff]
                if not chosen:
                    return
                lanes = self.lanes[: len(chosen)]
                jobs = [pool.submit(self.work, lane, node) for lane, node in zip(lanes, chosen, strict=True)]
                for node, job in zip(chosen, jobs, strict=True):
                    before = node.values
                    node.values, node.points = job.result()
                    self.gains.learn(node, before)
                    self.settle(node, propose)
                self.share()

    def share(self) -> None:
        """Give the tangents that a lane found to the others."""
        for number in range(len(self.columns)):
            found = [lane[number].fresh for lane in self.lanes]
            for mine, lane in enumerate(self.lanes):
                lane[number].fresh = no_rows(found[mine].matrix.shape[1])
                for other, rows in enumerate(found):
                    if other != mine and len(rows.lower):
                        lane[number].add(rows)

    def work(self, lane: list[PartLp], node: Node) -> tuple[Array, tuple[Array, ...]]:
        """Bounds of a node and points of its parts, the smaller part first, until its bound is enough."""
        values, points = node.values.copy(), list(node.points) or [np.empty(0)] * len(lane)
        size = [len(columns) for columns in self.columns]
        touched = range(len(size)) if node.split is None else [node.split[0]]
        for number in sorted(touched, key=lambda n: size[n]):
            total = float(values[:, 0].sum())
            enough = self.cutoff - total + values[number, 0] if np.isfinite(total) else np.inf
            bounds, points[number] = lane[number].at(node, enough, self.rounds(node))
            values[number] = np.maximum(values[number], bounds)
            if float(values[:, 0].sum()) >= self.cutoff:
                break
        return values, tuple(points)

    def rounds(self, node: Node) -> int:
        """Rounds of tangents: many at the root, where all begins, one where zones are still to be split."""
        if not node.units and not node.held:
            return ROOT_ROUNDS
        small = not any(lp.large for lp in self.lanes[0])
        return ROOT_ROUNDS if small else 1 if self.wide(node) else ROUNDS

    def wide(self, node: Node) -> list[tuple[int, int, int]]:
        """Zones of a node that hold units on more than one site: size, zone, units."""
        return [
            (len(self.zones.members[zone]), zone, count)
            for zone, count in node.units
            if count and zone >= self.zones.count
        ]

    def settle(self, node: Node, propose: Propose | None) -> None:
        """Replace a node by its children, unless it is at the cutoff or leaves nothing to decide."""
        self.open.remove(node)
        if node.total() >= self.cutoff:
            self.settled.append(node)
            return
        children = self.children(node)
        if children:
            self.open += children
            return
        self.settled.append(node)
        if propose is not None:
            for x in self.plans(node):
                propose(x)

    def children(self, node: Node) -> list[Node]:
        """What a node is split into: by the widest zone while one has more than a site, then by a switch."""
        if not node.units and self.zones.count:
            return [Node(((self.zones.whole, count),), node.values) for count in range(self.most + 1)]
        wide = self.wide(node)
        if not wide:
            return self.switched(node)
        _, zone, count = max(wide)
        left, right = self.zones.joins[zone - self.zones.count]
        rest = tuple(unit for unit in node.units if unit[0] != zone)
        out = []
        for share in range(count + 1):
            halves = [(int(half), n) for half, n in ((left, share), (right, count - share)) if n]
            if all(n <= len(self.zones.members[half]) for half, n in halves):
                out.append(Node((*rest, *halves), node.values, points=node.points))
        return out

    def switched(self, node: Node) -> list[Node]:
        """Two children that hold one fractional integer column of one part, down and up."""
        chosen = self.gains.choose(node, self.lanes[0])
        if chosen is None:
            return []
        part, place, fraction = chosen
        column = int(self.lanes[0][part].integers[place])
        out = []
        for value in (0.0, 1.0):
            held = (*node.held, (part, column, value))
            change = -fraction if value == 0.0 else 1.0 - fraction
            out.append(Node(node.units, node.values, held, node.points, (part, place, change)))
        return out

    def plans(self, node: Node) -> list[Array]:
        """Whole plans put together from the parts' points, one for each part's own choice of the other sites."""
        if not all(len(point) for point in node.points):
            return []
        out = []
        for leader in range(len(node.points)):
            x = self.problem.lower.copy()
            for number in [n for n in range(len(node.points)) if n != leader] + [leader]:
                x[self.columns[number][self.lanes[0][number].integers]] = node.points[number]
            out.append(np.round(x[self.problem.integer]))
        return out

    def bound(self) -> float:
        """No plan costs less."""
        return min(node.total() for node in (*self.open, *self.settled))

    def radius_bound(self, radius: Radius, budget: float) -> float | None:
        """The first radius at which every node is over the budget; None where some node is at all of them.

        Costs rise with the radius, so a node that was over the budget at the radius held is so beyond it.
        """
        nodes = [node for node in (*self.open, *self.settled) if node.total() < budget]
        for number, alpha in enumerate(radius.at):
            if all(node.values[:, number].sum() >= budget for node in nodes):
                return alpha
        return None


class Gains:
    """What splits on a switch have brought: bound gained per unit of fraction, by part, column and direction."""

    def __init__(self, counts: list[int]) -> None:
        self.sums = [np.zeros((2, count)) for count in counts]
        self.counts = [np.zeros((2, count)) for count in counts]

    def learn(self, node: Node, before: Array) -> None:
        """Take in what a split has brought."""
        if node.split is None:
            return
        part, place, change = node.split
        gain = max(0.0, float(node.values[part, 0] - before[part, 0]))
        if np.isfinite(gain):
            self.sums[part][int(change > 0), place] += gain / abs(change)
            self.counts[part][int(change > 0), place] += 1

    def choose(self, node: Node, lane: list[PartLp]) -> tuple[int, int, float] | None:
        """The part, place among its integer columns and fraction from which most is expected; None if all are whole."""
        best: tuple[float, int, int, float] | None = None
        for part, point in enumerate(node.points):
            if not len(point):
                continue
            fraction = np.clip(point, 0.0, 1.0)
            expected = self.expected(part)
            score = np.maximum(fraction * expected[0], 1e-9) * np.maximum((1.0 - fraction) * expected[1], 1e-9)
            score[np.minimum(fraction, 1.0 - fraction) < WHOLE] = 0.0
            place = int(np.argmax(score))
            if score[place] > 0.0 and (best is None or score[place] > best[0]):
                best = (float(score[place]), part, place, float(fraction[place]))
        return best[1:] if best else None

    def expected(self, part: int) -> Array:
        """Gain per unit of fraction of every column, down and up; the mean of the known ones where nothing is known."""
        sums, counts = self.sums[part], self.counts[part]
        mean = sums.sum() / counts.sum() if counts.sum() else 1.0
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
        tree = SiteTree(problem, None, search.cutoff() - problem.offset, options)
        tree.search(deadline, search.propose)
        search.raise_bound(tree.bound() + problem.offset)
        return
    reached, largest = abs(search.value), search.value <= 0.0
    if reached < 1e-6:
        return
    costs, budget = cost_problem(problem)
    radius = Radius(problem.alpha, problem.built, radii(reached, options.gap, largest=largest))
    tree = SiteTree(costs, radius, budget, options)
    tree.search(deadline, search.propose)
    proven = tree.radius_bound(radius, budget)
    if proven is not None:
        search.raise_bound(-proven if largest else proven)


def radii(reached: float, gap: float, *, largest: bool) -> tuple[float, ...]:
    """Radii at which bounds are taken: the gap asked for beyond the one reached, and further out."""
    beyond = [gap * step for step in (0.9, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0)]
    return tuple(reached * (1.0 + step if largest else max(0.0, 1.0 - step)) for step in beyond)
