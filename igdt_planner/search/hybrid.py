"""Our own search: a portfolio of moves, of which those that have paid are chosen more often.

Every move throws the present plan somewhere; closed forms then bring it down (branch exchange at frozen currents, the
best bus for every generator), and AC power flow judges where it ends. A plan better than all before is settled: all
exchanges and sites around it are judged, each with generators re-sited. Worse plans are accepted now and then, less and
less often; a search that finds nothing for a while begins anew elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from igdt_planner.search.branch_exchange import descend, frozen_currents
from igdt_planner.search.network import Complexes, Ints
from igdt_planner.search.problem import Choice, Judged
from igdt_planner.search.run import Run
from igdt_planner.search.tree import Tree, base_tree, exchanges, nearest_tree, random_tree, shake
from igdt_planner.search.units import best_sites

CANDIDATES = 16
"""Plans of a round, judged in one batch."""
NEIGHBOURS = 24
"""Neighbours of a settled plan that are judged, the most promising by closed form; all where not losses are asked."""
DESCENTS = 4
"""How often lines and sites are brought down in turn."""
PATIENCE = 2
"""Rounds without a better plan, a loop or generator, before the search begins elsewhere."""
STALE = 4
"""Rounds in a row that lead to plans met before, before the search begins elsewhere."""
RESTARTS = 6
"""Beginnings without a better plan after which the search ends; one that meets no new plan counts as half of them."""
HEAT = 0.02
"""Share of the objective by which a plan may be worse and still be accepted one time in e, at first."""
MEMORY = 0.7
"""Weight of what a move has brought before against what it brought last."""
LEAST_CHANCE = 0.1
"""Share of rounds that every move gets whatever it brought, all moves together."""

SOLVES, FREE_LOOPS = 8, 2
"""Neighbourhoods that a search may have solved, and the loops of the present tree whose lines are free in each."""

Move = Callable[["Hybrid", Judged], Choice]


def hybrid(run: Run) -> None:
    """Search until the evaluations are used, the target is reached, or new beginnings bring nothing better."""
    Hybrid(run).search()


class Hybrid:
    """State of the search: the plan it stands at, what the moves have brought, and which plans were met."""

    def __init__(self, run: Run) -> None:
        self.run, self.problem, self.rng = run, run.problem, run.rng
        self.network, self.units = run.problem.network, run.problem.units
        self.moves: list[Move] = [shake_lines, towards_best]
        if self.units.count:
            self.moves += [shake_sites, shake_both]
        if run.neighbourhood is not None and len(self.network.loops):
            self.moves.append(solve_loops)
        self.reward = np.ones(len(self.moves))
        self.seen: set[object] = set()

    def search(self) -> None:
        """Begin at the base topology, then anywhere."""
        present = self.begin(base_tree(self.network))
        barren = 0
        while present is not None and self.run.left and barren < RESTARTS:
            before, met = self.run.best, len(self.seen)
            self.wander(present)
            barren = 0 if self.run.best is not before else barren + (1 if len(self.seen) > met else RESTARTS // 2)
            present = self.begin(random_tree(self.network, self.rng))
        self.run.polish()

    def begin(self, tree: Tree) -> Judged | None:
        """A tree with its best sites, brought down and judged; as it is too where not losses alone are asked for."""
        start = Choice(tree, np.empty(0, dtype=np.int64))
        drafts = [self.down(start, self.run.v)]
        if not self.problem.least_losses:
            sites = best_sites(self.problem.quadratic(tree, self.run.v), self.units, start.sites)
            drafts.append(Choice(tree, np.sort(sites)))
        found = self.run.judge(drafts)
        return self.settle(min(found, key=lambda one: (one.violation, one.objective))) if found else None

    def wander(self, present: Judged) -> None:
        """Rounds of moves from a plan until nothing better is found for a while."""
        size = len(present.choice.tree.open_lines) + self.units.count
        best, idle, stale = present, 0, 0
        while idle < PATIENCE * size and stale < STALE and self.run.left:
            number = self.choose()
            found = self.run.judge(self.fresh(self.drafts(self.moves[number], present)))
            stale = 0 if found else stale + 1
            found.sort(key=lambda one: (one.violation, one.objective))
            better = bool(found) and found[0].beats(best)
            self.learn(number, best.objective, found)
            idle = 0 if better else idle + 1
            if better:
                best = present = self.settle(found[0])
            elif found and self.accepts(found[0], present, 1.0 - idle / (PATIENCE * size)):
                present = found[0]
            elif idle % size == 0:
                present = best

    def drafts(self, move: Move, present: Judged) -> list[Choice]:
        """What a move makes of a plan: some random throws brought down, or the one best plan around."""
        if move is solve_loops:
            return [move(self, present)]
        return [self.down(move(self, present), present.v) for _ in range(CANDIDATES)]

    def choose(self) -> int:
        """A move, drawn by what moves have brought of late; neighbourhoods are solved so often and no more."""
        chance = self.reward / self.reward.sum() * (1.0 - LEAST_CHANCE) + LEAST_CHANCE / len(self.reward)
        if self.run.solved >= SOLVES:
            chance = chance * [move is not solve_loops for move in self.moves]
        return int(self.rng.choice(len(self.moves), p=chance / chance.sum()))

    def learn(self, number: int, least: float, found: list[Judged]) -> None:
        """Remember what a move brought: 1 for a plan as good as the best, less for one further from it."""
        brought = 0.0
        if found and np.isfinite(found[0].objective) and found[0].violation == 0.0 and np.isfinite(least):
            worse = max(0.0, found[0].objective - least) / max(abs(least), 1e-12)
            brought = float(np.exp(-worse / HEAT))
        self.reward[number] = max(1e-3, MEMORY * self.reward[number] + (1.0 - MEMORY) * brought)

    def accepts(self, found: Judged, present: Judged, heat: float) -> bool:
        """Whether to go on from a plan that is not better (simulated annealing)."""
        if found.violation > present.violation or not np.isfinite(found.objective):
            return False
        worse = found.objective - present.objective
        return worse <= 0.0 or self.rng.uniform() < np.exp(-worse / max(HEAT * heat * abs(present.objective), 1e-12))

    def fresh(self, drafts: list[Choice]) -> list[Choice]:
        """Choices not judged before, each once."""
        out = []
        for draft in drafts:
            if draft.key not in self.seen:
                self.seen.add(draft.key)
                out.append(draft)
        return out

    def down(self, choice: Choice, v: Complexes) -> Choice:
        """Lines and sites brought down in turn at voltages that stand still."""
        tree, sites = choice.tree, choice.sites
        for _ in range(DESCENTS):
            before = tree
            if self.units.count:
                sites = best_sites(self.problem.quadratic(tree, v), self.units, sites)
            net = self.net_draw(Choice(tree, sites), v)
            tree = descend(self.network, tree, frozen_currents(self.network, net, self.problem.hours))
            if np.array_equal(tree.open_lines, before.open_lines):
                break
        return Choice(tree, np.sort(sites))

    def net_draw(self, choice: Choice, v: Complexes) -> Complexes:
        """Currents drawn less those that generators deliver, pu."""
        net = np.conj(self.problem.loads / v)
        buses = self.units.bus(choice.sites)
        net[:, buses] -= np.conj(self.problem.power(choice, v) / v[:, buses])
        return net

    def settle(self, judged: Judged) -> Judged:
        """The plan reached by the best neighbour by AC power flow, until there is none."""
        while neighbours := self.fresh(self.neighbours(judged)):
            found = self.run.judge(neighbours)
            best = min(found, key=lambda one: (one.violation, one.objective), default=judged)
            if not best.beats(judged):
                break
            judged = best
        return judged

    def neighbours(self, judged: Judged) -> list[Choice]:
        """The most promising plans one exchange away, generators re-sited in each."""
        tree, sites, v = judged.choice.tree, judged.choice.sites, judged.v
        around = [tree.exchange(int(loop), int(line)) for loop, line in np.argwhere(exchanges(self.network, tree))]
        losses = [self.problem.quadratic(other, v) for other in around]
        left = [each.total() - float(each.best(self.units, sites[None])[0][0]) for each in losses]
        most = NEIGHBOURS if self.problem.least_losses else len(left)
        return [
            Choice(around[k], np.sort(best_sites(losses[k], self.units, sites)))
            for k in np.argsort(left, kind="stable")[:most].tolist()
        ]


def shake_lines(search: Hybrid, present: Judged) -> Choice:
    """A few random exchanges."""
    tree = present.choice.tree
    return Choice(shake(search.network, tree, search.rng, steps(search, tree)), present.choice.sites)


def shake_sites(search: Hybrid, present: Judged) -> Choice:
    """Some generators anywhere."""
    return Choice(present.choice.tree, thrown(search, present.choice.sites))


def shake_both(search: Hybrid, present: Judged) -> Choice:
    """A few random exchanges, and some generators anywhere."""
    return Choice(shake_lines(search, present).tree, thrown(search, present.choice.sites))


def towards_best(search: Hybrid, present: Judged) -> Choice:
    """Part of the way to the best plan, as a whale to its prey, then a random exchange."""
    best = search.run.best.choice if search.run.best is not None else present.choice
    opened = present.choice.tree.open_lines
    keep = search.rng.uniform(size=len(opened)) < 0.5
    line_on = np.ones(search.network.n_line, dtype=bool)
    line_on[opened[keep]] = line_on[best.tree.open_lines[~keep]] = False
    tree = shake(search.network, nearest_tree(search.network, line_on), search.rng, 1)
    pool = np.union1d(best.sites, present.choice.sites)
    count = min(search.units.count, len(pool))
    return Choice(tree, search.units.apart(search.rng.choice(pool, count, replace=False)) if count else pool)


def solve_loops(search: Hybrid, present: Judged) -> Choice:
    """The best plan by MILP in which the lines of a few loops, and the sites, may change."""
    assert search.run.neighbourhood is not None
    loops = present.choice.tree.loops
    some = search.rng.choice(len(loops), min(FREE_LOOPS, len(loops)), replace=False)
    search.run.solved += 1
    return search.run.neighbourhood(present.choice, (loops[some] != 0.0).any(axis=0)) or present.choice


def steps(search: Hybrid, tree: Tree) -> int:
    """How many exchanges shake a tree; with many loops, more of them have to change together."""
    return int(search.rng.integers(2, 2 + len(tree.open_lines) // 3, endpoint=True))


def thrown(search: Hybrid, sites: Ints) -> Ints:
    """Sites of which at least one has moved to a random bus."""
    if not len(sites):
        return search.rng.choice(search.units.sites, 1)
    count = int(search.rng.integers(1, len(sites), endpoint=True))
    kept = search.rng.permutation(sites)[count:]
    free = search.units.sites[~np.isin(search.units.bus(search.units.sites), search.units.bus(kept))]
    return search.units.apart(np.concatenate([kept, search.rng.choice(free, count, replace=False)]))
