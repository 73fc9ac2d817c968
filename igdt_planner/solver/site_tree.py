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
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from igdt_planner.solver.conic import cone_rows, relaxed
from igdt_planner.solver.milp import Search
from igdt_planner.solver.part_bound import WHOLE, Leaf, PartBound, Radius, Units, Zones, places, product_rows, radii
from igdt_planner.solver.parts import parts
from igdt_planner.solver.plunge import Plunge, Trial
from igdt_planner.solver.problem import Array, Index, Problem, Rows, entries, hold, only_over, select, stack
from igdt_planner.solver.series import Segment, segments

PLUNGE_AFTER = 20
"""Leaves bounded, times the plunges made so far, between one plunge and the next: plans matter most at first."""
LEAST_RADIUS = 1e-6
"""Radius below which there is nothing to be proven beyond."""


class Node:
    """Units by zone, and for every part the leaves of its own tree: once sites are decided parts are independent.

    The root names no zone: any number of units anywhere.
    """

    def __init__(self, units: Units, parts: list[list[Leaf]], level: int) -> None:
        self.units, self.parts, self.level = units, parts, level
        self.update()

    def update(self) -> None:
        """Find the lowest leaf of every part at the level, which bounds it there, and the bounds at every radius."""
        self.lowest = [min(leaves, key=lambda leaf: (leaf.values[self.level], leaf.held)) for leaves in self.parts]
        values = [np.min([leaf.values for leaf in leaves], axis=0) for leaves in self.parts]
        self.values: Array = np.sum(values, axis=0)
        self.total = float(self.values[self.level])

    def replace(self, part: int, old: Leaf, new: list[Leaf]) -> None:
        """Put other leaves in the place of one."""
        self.parts[part] = [leaf for leaf in self.parts[part] if leaf is not old] + new
        self.update()


Propose = Callable[[Array], float]
"""Takes in integer columns of the whole problem; returns the cutoff from then on."""
Report = Callable[["SiteTree"], object]
"""Is shown the tree after every round."""


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
    best : float
        Plans are worth a proposal below it.
    threads : int
        Nodes bounded side by side.
    deadline : float
        Of all that is done here.
    duals : array, optional
        Multipliers of the rows of the problem's relaxation, where they are known.
    """

    def __init__(
        self,
        problem: Problem,
        radius: Radius | None,
        cutoff: float,
        best: float,
        threads: int,
        deadline: float,
        duals: Array | None = None,
    ) -> None:
        self.problem, self.cutoff, self.best, self.threads = problem, cutoff, best, threads
        self.deadline = deadline
        self.zones = Zones(len(problem.decisive), problem.zones)
        extra = radius.shared(problem.sites) if radius else np.empty(0, dtype=np.int64)
        self.priced = radius is not None and not np.all(np.isin(radius.factors, problem.sites))
        split = parts(problem, np.union1d(problem.sites, extra))
        self.columns = [columns for _, columns in split]
        rules = only_over(problem, problem.sites)
        linking = np.union1d(problem.sites, extra)
        if duals is None and len(split) > 1:
            duals = relaxed_duals(problem, radius, deadline)
        shares = shared_costs(problem, self.columns, linking, duals)

        # where many sites are bounded, few splits are made on the switches of each: single lines then bring more
        graphs = () if sites_free(problem) else problem.switches
        series = [segment for graph in graphs for segment in segments(graph)]

        def within(columns: Index) -> list[Segment]:
            place = np.full(len(problem.cost), -1)
            place[columns] = np.arange(len(columns))
            mine = [segment for segment in series if place[segment.columns[0]] >= 0]
            return [Segment(place[segment.columns], place[segment.rest]) for segment in mine]

        def part_bound(part: Problem, columns: Index, share: Array) -> PartBound:
            cost = part.cost.copy()
            cost[np.isin(columns, linking)] = share
            own = Rows(sparse.csr_matrix(rules.matrix[:, columns]), rules.lower, rules.upper)
            inside = replace(radius, **places(radius, columns)) if radius else None
            return PartBound(replace(part, cost=cost, rows=stack(part.rows, own)), self.zones, inside, within(columns))

        self.parts = [part_bound(*one, share) for one, share in zip(split, shares, strict=True)]
        self.order = sorted(range(len(split)), key=lambda number: len(self.columns[number]))
        nothing = Leaf(np.full(len(radius.at) if radius else 1, -np.inf))
        self.most = most_units(rules, problem)
        self.level = 0
        self.open = [Node((), [[nothing] for _ in split], self.level)]
        self.settled: list[Node] = []
        self.gains = Gains(self.parts, [np.isin(columns[part.integer], problem.sites) for part, columns in split])
        self.bounded, self.plunges, self.due = 0, 0, 0

    def search(self, propose: Propose | None = None, report: Report | None = None) -> None:
        """Work on the lowest nodes until all reach the cutoff or time is up; plans found are proposed."""
        with ThreadPoolExecutor(self.threads) as pool:
            plunge = Plunge(self.problem, self.parts, self.columns, self.parts[0].radii - 1, pool, self.deadline)
            while time.monotonic() < self.deadline:
                self.open.sort(key=lambda node: (node.total, node.units))
                chosen = [node for node in self.open[: self.threads] if node.total < self.cutoff]
                if not chosen:
                    if self.descend():
                        continue
                    return
                tasks = [(node, part, leaf) for node in chosen for part, leaf in self.unbounded(node)]

                def work(task: tuple[Node, int, Leaf]) -> Leaf:
                    return self.parts[task[1]].at(task[0].units, task[2], self.level, self.deadline)

                leaves = pool.map(work, tasks)
                for (node, part, leaf), found in zip(tasks, leaves, strict=True):
                    self.gains.learn(part, leaf, found, self.level)
                    node.replace(part, leaf, [found])
                self.bounded += len(tasks)
                for node in chosen:
                    if not self.unbounded(node):
                        if propose is not None:
                            self.plunge(node, plunge, propose)
                        self.split(node, propose)
                if report is not None:
                    report(self)

    def descend(self) -> bool:
        """Hold the next radius once all nodes are over the cutoff at this one; False where that is not so."""
        nodes = [*self.open, *self.settled]
        if self.level + 2 >= self.parts[0].radii or any(node.total < self.cutoff for node in nodes):
            return False
        self.level += 1
        for node in nodes:
            node.level = self.level
            node.update()
        self.open = [node for node in nodes if node.total < self.cutoff]
        self.settled = [node for node in nodes if node.total >= self.cutoff]
        return True

    def plunge(self, node: Node, plunge: Plunge, propose: Propose) -> None:
        """Make a plan of a node whose sites are decided, or of the root, when one is due.

        It is improved where it lies no further above the best plan than the bound lies below it.
        """
        if node.units and (self.wide(node) or node.total >= self.cutoff):
            return
        if self.bounded < self.due:
            return
        if not self.plunges:  # the root, whose cost is the scale of all that follows
            for part in self.parts:
                part.scale = abs(node.total)
        self.plunges += 1
        self.due = self.bounded + PLUNGE_AFTER * self.plunges
        units = node.units or plunge.sites(node.lowest)
        trials = plunge.pool.map(lambda leader: plunge.dive(units, node.lowest, leader), range(len(self.parts)))
        best = min((trial for trial in trials if trial is not None), key=lambda trial: trial.total, default=None)
        if best is None or best.total - self.best > self.best - self.bound():
            return
        self.take(best, propose)
        self.take(plunge.improve(best), propose)

    def take(self, trial: Trial, propose: Propose) -> None:
        """Propose a trial that is better than all before."""
        if trial.total < self.best:
            self.best = trial.total
            self.cutoff = min(self.cutoff, propose(trial.x[self.problem.integer]))

    def unbounded(self, node: Node) -> list[tuple[int, Leaf]]:
        """The lowest leaves of the smallest part that has one never solved there; none where the node is closed."""
        if node.total >= self.cutoff:
            return []
        for part in self.order:
            lowest = node.lowest[part].values[self.level]
            leaves = [leaf for leaf in node.parts[part] if leaf.point is None and leaf.values[self.level] <= lowest]
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
        if self.priced and self.solve_again(node):
            return
        children = self.children(node)
        if children:
            self.open.remove(node)
            self.open += children
            return
        choice = self.gains.choose(node.lowest)
        if choice is None:
            if not self.solve_again(node):
                self.unite(node, propose)
            return
        part, place, fraction = choice
        leaf, handle = node.lowest[part], int(self.parts[part].handles[place])
        node.replace(
            part,
            leaf,
            [
                Leaf(leaf.values, (*leaf.held, (handle, value)), split=(place, change))
                for value, change in ((0.0, -fraction), (1.0, 1.0 - fraction))
            ],
        )

    def solve_again(self, node: Node) -> bool:
        """Have leaves that were solved at another radius solved at this one, where it bounds more; whether any was."""
        stale = [part for part, leaf in enumerate(node.lowest) if leaf.level != self.level]
        for part in stale:
            node.replace(part, node.lowest[part], [replace(node.lowest[part], point=None)])
        return bool(stale)

    def unite(self, node: Node, propose: Propose | None) -> None:
        """Propose the plans of a node without fractions, and split it by what its parts would build differently."""
        if propose is not None:
            for x in self.plans(node):
                self.cutoff = min(self.cutoff, propose(x))
        column = self.disputed(node)
        if column is None or node.total >= self.cutoff:
            self.settle(node)
            return
        self.open.remove(node)
        for value in (0.0, 1.0):
            parts = []
            for number, leaves in enumerate(node.parts):
                place = int(np.flatnonzero(self.columns[number][self.parts[number].integers] == column)[0])
                held = (int(self.parts[number].integers[place]), value)
                parts.append([leaf.holding(held, place) for leaf in leaves])
            self.open.append(Node(node.units, parts, self.level))

    def disputed(self, node: Node) -> int | None:
        """A site that one part builds and another does not."""
        built = []
        for number, part in enumerate(self.parts):
            columns, point = self.columns[number][part.integers], node.lowest[number].point
            assert point is not None
            built.append({int(column) for column in columns[point > 0.5] if column in self.problem.sites})
        disputed = built[0].union(*built) - built[0].intersection(*built)
        return min(disputed, default=None)

    def settle(self, node: Node) -> None:
        """Close a node."""
        self.open.remove(node)
        self.settled.append(node)

    def children(self, node: Node) -> list[Node]:
        """What a node is split into by its widest zone; nothing where no zone has more than a site."""

        def child(units: Units) -> Node:
            return Node(units, [[Leaf(leaf.values)] for leaf in node.lowest], self.level)

        if not node.units and self.zones.count:
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
        """The nearest radius at which every node is over the budget; None where there is none."""
        lowest = np.min([node.values for node in (*self.open, *self.settled)], axis=0)
        over = [alpha for alpha, value in zip(radius.at, lowest, strict=True) if value >= budget]
        return over[-1] if over else None


class Gains:
    """What splits have brought: bound gained per unit of fraction, by part, handle and direction.

    Sites, switches and segments are kinds of their own: what is not known of a handle is what is known of its kind.
    """

    def __init__(self, parts: list[PartBound], sites: list[npt.NDArray[np.bool_]]) -> None:
        self.parts = parts
        many = [len(part.handles) for part in parts]
        self.kinds = []
        for part, of_sites in zip(parts, sites, strict=True):
            kind = np.concatenate([np.where(of_sites, 0, 1), np.full(len(part.segments), 2)])
            self.kinds.append([kind == one for one in range(3)])
        self.sums = [np.zeros((2, count)) for count in many]
        self.counts = [np.zeros((2, count)) for count in many]

    def learn(self, part: int, before: Leaf, after: Leaf, level: int) -> None:
        """Take in what a split has brought."""
        if before.split is None:
            return
        place, change = before.split
        low, high = float(before.values[level]), float(after.values[level])
        if np.isfinite(low) and np.isfinite(high):
            gain = max(0.0, high - low)
            self.sums[part][int(change > 0), place] += gain / abs(change)
            self.counts[part][int(change > 0), place] += 1

    def choose(self, lowest: list[Leaf]) -> tuple[int, int, float] | None:
        """The part, place among its handles and fraction from which most is expected; None if all are whole."""
        best: tuple[float, int, int, float] | None = None
        for part, leaf in enumerate(lowest):
            if leaf.point is None or not len(self.parts[part].handles):
                continue
            fraction = self.parts[part].fractions(leaf)
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


def relaxed_duals(problem: Problem, radius: Radius | None, deadline: float) -> Array:
    """Multipliers of the rows of the relaxation, at the nearest radius where there is one."""
    held = problem
    if radius is not None:
        rows = product_rows(radius, radius.at[-1], len(problem.cost))
        held = hold(
            replace(problem, rows=stack(problem.rows, rows)), np.array([radius.alpha]), np.array(radius.at[-1:])
        )
    return relaxed(held, cone_rows(held), 0.0, deadline)[1].rows[: len(problem.rows.lower)]


def shared_costs(problem: Problem, columns: list[Index], linking: Index, duals: Array | None) -> list[Array]:
    """What each part pays for the columns that link them; together they pay what these cost.

    The split at which the parts' bounds add up to that of the whole relaxation: a part gets what its rows would give
    for the column there, and what is left over is shared alike.
    """
    if duals is None:
        return [problem.cost[linking] / len(columns)] * len(columns)
    given = []
    for part in columns:
        inside = np.diff(entries(problem.rows, np.setdiff1d(part, linking)).indptr) > 0
        given.append(np.asarray(problem.rows.matrix[inside][:, linking].T @ duals[inside]))
    left = (problem.cost[linking] - sum(given)) / len(columns)
    return [one + left for one in given]


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


def prove(search: Search) -> None:
    """Find plans and raise the bound of a search by its site tree."""
    if search.problem.alpha < 0:
        prove_cost(search)
    else:
        while prove_radius(search):
            pass


def prove_cost(search: Search) -> None:
    """The site tree of a least cost."""
    problem, offset = search.problem, search.problem.offset

    def propose(binaries: Array) -> float:
        search.propose(binaries)
        return search.cutoff() - offset

    tree = SiteTree(
        problem,
        None,
        search.cutoff() - offset,
        search.value - offset,
        search.options.threads,
        search.deadline,
        search.duals,
    )

    def report(tree: SiteTree) -> None:
        search.raise_bound(tree.bound() + offset)
        tree.deadline = -np.inf if search.done() else search.tree_deadline()

    tree.search(propose if search.options.seek else None, report)


def prove_radius(search: Search) -> bool:
    """The site tree of an info-gap question, at radii beyond the one reached; whether a plan went beyond them."""
    problem, known = search.problem, search.options.beyond
    value = search.value if known is None else known
    reached, largest = abs(value), value <= 0.0
    if not np.isfinite(value) or reached < LEAST_RADIUS or not sites_free(problem):
        return False
    costs, budget = cost_problem(problem)
    at = radii(float(reached), search.options.gap, largest=largest)
    radius = Radius(problem.alpha, problem.products, problem.factors, at)

    def propose(binaries: Array) -> float:
        search.propose(binaries)
        beyond = abs(search.value) > radius.at[tree.level] if largest else abs(search.value) < radius.at[tree.level]
        return -np.inf if beyond else budget

    def report(tree: SiteTree) -> None:
        proven = tree.radius_bound(radius, budget)
        if proven is not None:
            search.raise_bound(-proven if largest else proven)
        tree.deadline = -np.inf if search.done() else search.tree_deadline()

    tree = SiteTree(costs, radius, budget, budget, search.options.threads, search.deadline)
    tree.search(propose if known is None else None, report)
    return tree.cutoff < budget and not search.done() and time.monotonic() < search.deadline


def sites_free(problem: Problem) -> bool:
    """Whether any decisive site is still to be decided."""
    return bool(np.any(problem.lower[problem.decisive] < problem.upper[problem.decisive]))
