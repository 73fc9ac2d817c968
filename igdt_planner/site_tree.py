"""Bounds by branching on sites: how many units stand in which zone, topology relaxed inside, branch and bound at leaves.

Works on arrays alone. A node of the tree says how many units each of some zones holds; zones are nested, so that a node
is split by saying how the units of one zone share its two halves. Modes are independent parts but for what is built
besides (ESS), of which each part takes its own copy; that only lowers the bound. No value is taken from the solver: a
bound is computed from row duals and column bounds, so that duals that are a little wrong make it a little lower and never
wrong.
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
    Array,
    Index,
    Options,
    Problem,
    Rows,
    Search,
    append,
    entries,
    hold,
    no_rows,
    select,
    set_option,
    stack,
    tangents,
    to_highs,
)
from igdt_planner.scout import parts

ROOT_ROUNDS, ROUNDS = 12, 2
"""Rounds of tangents of a part with free sites, and at a node."""
TANGENT_SHARE = 1e-4
"""Loss that the cones of a part may miss, as a share of the cutoff."""
TANGENTS_KEPT, TANGENTS_MOST = 1200, 2000
"""Tangents that a part keeps when it holds too many: those tight last."""
TIGHTEST = 0.3
"""Share of the tangents that counts as tight at a point."""
LEAF_NODES = 400
"""Nodes of the branch and bound of one part at one site set."""
UNBOUNDED = 1e6
"""Limit of a column that no row limits either, far above any per-unit value."""


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
    """Units by zone, and the bound of every part at every radius. ``step``: 0 new, 1 bounded by LP, 2 by MILP.

    The root names no zone: any number of units anywhere.
    """

    units: tuple[tuple[int, int], ...]
    values: Array
    step: int = 0

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


def only_over(problem: Problem, columns: Index) -> Rows:
    """Rows that have entries in some columns and in no others."""
    own = np.diff(entries(problem.rows, columns).indptr)
    total = np.diff(problem.rows.matrix.indptr)
    return select(problem.rows, (own == total) & (total > 0))


def limited(problem: Problem) -> Problem:
    """The problem with finite column bounds, taken from its rows where it states none."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for _ in range(3):
        tighten(problem.rows, lower, upper)
    return replace(problem, lower=np.maximum(lower, -UNBOUNDED), upper=np.minimum(upper, UNBOUNDED))


def tighten(rows: Rows, lower: Array, upper: Array) -> None:
    """Bound columns that have no bound by the rows in which all others have one."""
    matrix = rows.matrix.tocoo()
    row, column, value = matrix.row, matrix.col, matrix.data
    least = np.where(value > 0, value * lower[column], value * upper[column])
    most = np.where(value > 0, value * upper[column], value * lower[column])
    for activity, limit, sign in ((least, rows.upper, 1.0), (most, rows.lower, -1.0)):
        unbounded = ~np.isfinite(activity)
        count = np.bincount(row, weights=unbounded, minlength=len(limit))
        rest = np.bincount(row, weights=np.where(unbounded, 0.0, activity), minlength=len(limit))
        usable = unbounded & (count[row] == 1) & np.isfinite(limit[row])
        bound = (limit[row] - rest[row])[usable] / value[usable]
        above = sign * value[usable] > 0
        np.minimum.at(upper, column[usable][above], bound[above])
        np.maximum.at(lower, column[usable][~above], bound[~above])


class PartLp:
    """The relaxation of one part, with tangents shared by all nodes."""

    def __init__(self, part: Problem, zones: Zones, radius: Radius | None, tolerance: float, options: Options) -> None:
        self.zones, self.radius, self.options = zones, radius, options
        self.sites = part.decisive
        self.stated = part.lower[self.sites].copy(), part.upper[self.sites].copy()
        rows = [part.rows, zone_rows(zones, self.sites, len(part.cost))]
        if radius is not None:
            rows.append(product_rows(radius, self.sites, len(part.cost)))
            part = hold(part, np.array([radius.alpha]), np.array([radius.at[0]]))
        self.first_zone = len(part.rows.lower)
        for more in rows[1:]:
            part = replace(part, rows=stack(part.rows, more))
        self.part = limited(part)
        self.tolerance = tolerance / max(1, len(part.cones.weight))
        self.cuts = no_rows(len(part.cost))
        self.tight_at: Array = np.empty(0)
        self.calls = 0
        self.highs = self.load()

    def load(self) -> Any:
        """HiGHS with the part and its tangents: interior point, whose duals need no vertex."""
        highs = to_highs(self.part, self.cuts, self.options, integral=False)
        set_option(highs, "parallel", "off")
        set_option(highs, "solver", "ipm")
        set_option(highs, "run_crossover", "off")
        return highs

    def enter(self, node: Node) -> None:
        """Hold the sites to a node."""
        at_most = np.full(len(self.sites), 0.0 if node.units else 1.0)
        at_least = np.zeros(len(self.sites))
        lower = np.full(len(self.zones.joins), -np.inf)
        upper = np.full(len(self.zones.joins), np.inf)
        for zone, count in node.units:
            at_most[self.zones.members[zone]] = 1.0
            if zone < self.zones.count:
                at_least[zone] = count
            else:
                lower[zone - self.zones.count] = upper[zone - self.zones.count] = count
        at_least, at_most = np.maximum(at_least, self.stated[0]), np.minimum(at_most, self.stated[1])
        self.part.lower[self.sites], self.part.upper[self.sites] = at_least, at_most
        rows = np.arange(self.first_zone, self.first_zone + len(lower))
        self.part.rows.lower[rows], self.part.rows.upper[rows] = lower, upper
        self.highs.changeColsBounds(len(self.sites), self.sites.astype(np.int32), at_least, at_most)
        self.highs.changeRowsBounds(len(rows), rows.astype(np.int32), lower, upper)

    def at(self, node: Node, enough: float, rounds: int) -> Array:
        """Lower bounds of the part at a node, one a radius."""
        self.enter(node)
        best = np.full(len(self.radius.at) if self.radius else 1, -np.inf)
        for _ in range(rounds):
            self.highs.clearSolver()
            self.highs.run()
            solution = self.highs.getSolution()
            x, duals = np.array(solution.col_value), np.array(solution.row_dual)
            if self.highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
                return np.full_like(best, np.inf)
            if len(duals) != len(self.part.rows.lower) + len(self.cuts.lower):
                return best
            best = np.maximum(best, self.bounds(duals))
            if best[0] >= enough:
                break
            fresh = tangents(self.part, x, self.tolerance)
            self.forget(x)
            self.add(fresh)
            if not len(fresh.lower):
                break
        return best

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
        return float(np.minimum(reduced * lower, reduced * upper).sum())

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

    def leaf(self, node: Node, enough: float, deadline: float) -> tuple[float, Array | None]:
        """Branch and bound at a site set until the bound is enough: the bound, and a point found."""
        self.enter(node)
        highs = to_highs(self.part, self.cuts, self.options, integral=True)
        for name, value in (
            ("parallel", "off"),
            ("mip_max_nodes", LEAF_NODES),
            ("mip_heuristic_effort", 0.01),
            ("mip_rel_gap", 1e-3),
            ("objective_bound", enough),
            ("time_limit", max(0.1, deadline - time.monotonic())),
        ):
            set_option(highs, name, value)
        highs.run()
        if highs.getModelStatus() in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kObjectiveBound):
            return enough, None
        info = highs.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return min(float(info.mip_dual_bound), enough), None
        x = np.array(highs.getSolution().col_value)
        self.add(tangents(self.part, x, self.tolerance))
        return min(float(info.mip_dual_bound), enough), x


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


Propose = Callable[[Array], float]
"""Runs integer columns of the whole problem exactly and returns their value."""


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
        tolerance = TANGENT_SHARE * abs(cutoff)

        def lp(part: Problem, columns: Index) -> PartLp:
            cost = part.cost.copy()
            cost[np.isin(columns, problem.sites)] = share
            own = Rows(sparse.csr_matrix(rules.matrix[:, columns]), rules.lower, rules.upper)
            inside = replace(radius, **places(radius, columns)) if radius else None
            whole = replace(part, cost=cost, rows=stack(part.rows, own))
            return PartLp(whole, self.zones, inside, tolerance, options)

        self.lanes = [[lp(part, columns) for part, columns in split] for _ in range(max(1, options.threads))]
        radii = len(radius.at) if radius else 1
        nothing = np.full((len(split), radii), -np.inf)
        self.most = most_units(rules, problem)
        self.open = [Node((), nothing)]
        self.settled: list[Node] = []

    def search(self, deadline: float, propose: Propose | None = None) -> None:
        """Bound the lowest nodes by LPs, split them, run branch and bound at leaves, until all reach the cutoff."""
        with ThreadPoolExecutor(len(self.lanes)) as pool:
            while time.monotonic() < deadline:
                self.open.sort(key=lambda node: (node.total(), node.units))
                chosen = [node for node in self.open[: len(self.lanes)] if node.total() < self.cutoff]
                if not chosen:
                    return
                jobs = [pool.submit(self.work, lane, node, deadline) for lane, node in zip(self.lanes, chosen)]
                for node, job in zip(chosen, jobs, strict=True):
                    points = job.result()
                    self.settle(node)
                    for x in self.plans(points) if propose is not None else ():
                        propose(x)

    def work(self, lane: list[PartLp], node: Node, deadline: float) -> dict[int, Array]:
        """Bound a node part by part, the smaller one first, until its bound is enough; points found at a leaf."""
        points: dict[int, Array] = {}
        size = [len(columns) for columns in self.columns]
        rounds = ROUNDS if node.units else ROOT_ROUNDS
        for number in sorted(range(len(size)), key=lambda n: size[n] * (1 if node.step == 0 else -1)):
            enough = self.cutoff - (node.total() - node.values[number, 0]) if np.isfinite(node.total()) else np.inf
            if node.step == 0:
                value = lane[number].at(node, enough, rounds)
            else:
                value = np.full(node.values.shape[1], -np.inf)
                value[0], x = lane[number].leaf(node, enough, deadline)
                if x is not None:
                    points[number] = x
            node.values = node.values.copy()
            node.values[number] = np.maximum(node.values[number], value)
            if node.total() >= self.cutoff:
                break
        node.step += 1
        return points

    def settle(self, node: Node) -> None:
        """Replace a node by its children, unless it is at the cutoff or a leaf with work left."""
        self.open.remove(node)
        if node.total() >= self.cutoff or node.step == 2:
            self.settled.append(node)
            return
        if not node.units:
            whole = self.zones.whole
            self.open += [Node(((whole, count),), node.values.copy()) for count in range(1, self.most + 1)]
            self.open.append(Node(((whole, 0),), node.values.copy()))
            return
        wide = [(len(self.zones.members[zone]), zone, count) for zone, count in node.units if zone >= self.zones.count]
        if not wide:
            self.open.append(node)
            return
        _, zone, count = max(wide)
        left, right = self.zones.joins[zone - self.zones.count]
        rest = tuple(unit for unit in node.units if unit[0] != zone)
        for share in range(count + 1):
            halves = [(int(half), n) for half, n in ((left, share), (right, count - share)) if n]
            if all(n <= len(self.zones.members[half]) for half, n in halves):
                self.open.append(Node((*rest, *halves), node.values.copy()))

    def plans(self, points: dict[int, Array]) -> list[Array]:
        """Whole plans put together from the parts' points, one for each part's own choice of the other sites."""
        if len(points) < len(self.columns):
            return []
        out = []
        for leader in points:
            x = self.problem.lower.copy()
            for number in [n for n in points if n != leader] + [leader]:
                x[self.columns[number]] = points[number]
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


def places(radius: Radius, columns: Index) -> dict[str, Any]:
    """Columns of a radius within a part."""
    where = {int(column): position for position, column in enumerate(columns)}
    return {
        "alpha": where[radius.alpha],
        "built": np.array([where[int(column)] for column in radius.built], dtype=np.int64),
    }


def most_units(rules: Rows, problem: Problem) -> int:
    """Most decisive sites that the rules allow together: the first count rule over all of them, or their number."""
    matrix = rules.matrix[:, problem.decisive]
    over_all = np.flatnonzero((matrix.getnnz(axis=1) == len(problem.decisive)) & (matrix.min(axis=1).toarray().ravel() == 1.0))
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
    free = problem.lower[problem.decisive] < problem.upper[problem.decisive]
    if free.sum() < 2 or not np.isfinite(search.value):
        return
    if problem.alpha < 0:
        tree = SiteTree(problem, None, search.value * (1.0 - options.gap) - problem.offset, options)
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
    beyond = [gap * step for step in (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0)]
    return tuple(reached * (1.0 + step if largest else max(0.0, 1.0 - step)) for step in beyond)
