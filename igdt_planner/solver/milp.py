"""The MILP as plain arrays: HiGHS calls, loss tangents on demand, and the check that no row is broken.

Runs inside the solver process and knows nothing of networks: a problem is a matrix, bounds, integrality and loss cones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import highspy
import numpy as np
from scipy import sparse

from igdt_planner.solver.conic import relaxation
from igdt_planner.solver.highs import Options, set_option, to_highs
from igdt_planner.solver.output_tree import ENOUGH, Proof
from igdt_planner.solver.placement import Placement, nearest_topology
from igdt_planner.solver.problem import (
    Array,
    Index,
    Problem,
    Rows,
    hold,
    no_rows,
    require_numbers,
    stack,
    tangents,
)
from igdt_planner.solver.refine import FLOATING, TANGENT_TOLERANCE, Refined, floating, refine, relax, secants_of

Emit = Callable[[dict[str, Any]], None]

ROOT_SHARE, ROOT_GAP = 0.2, 5e-5
"""Share of the gap asked for (of this gap, if that is larger) that the cones may miss where branch and bound begins."""
ROOT_TIME = 0.5
"""Share of the time limit that the relaxation of the whole may take: cut there, it still bounds, only less well."""
TREE_SHARE = 0.2
"""Share of the time limit after which the site tree ends where cones float: decided plans need proofs of their own."""
PLACE_TIME, PLACED = 0.2, 3
"""Share of the time limit that units are placed in at one topology, and plans that are run of those ranked there."""
SLICE_S, RESCUE_S = 0.5, 5.0
"""Time that the lowest leaf gets before another may be lower, and a decided plan until it has a first dispatch."""
OWN_PROOF = 0.1
"""Share of the gap by which the relaxation may miss the cost of a plan without a proof of its own."""
BOUND_STEP = 1e-5
"""Rise of a bound that is worth an event, as a share."""
NOTHING_BELOW = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kObjectiveBound)
"""Status of a branch and bound that was given a cutoff and has no plan below it."""


@dataclass(frozen=True)
class Answer:
    """What a solve found. ``x`` is None without a plan; ``bound`` holds for the problem with its cones.

    Without a plan ``refused`` is the dispatch of least violation that was found, which AC power flow refuses.
    """

    status: Literal["optimal", "feasible", "infeasible", "no_plan"]
    x: Array | None
    value: float | None
    bound: float
    nodes: int
    tangents: int
    seconds: float
    refused: Array | None = None


def exclude(problem: Problem, columns: Index, values: Array) -> Problem:
    """The problem without one choice of binary columns: at least one of them is another."""
    sign = np.where(values > 0.5, -1.0, 1.0)
    row = sparse.csr_matrix((sign, (np.zeros(len(columns), dtype=int), columns)), shape=(1, len(problem.cost)))
    return replace(
        problem, rows=stack(problem.rows, Rows(row, np.array([1.0 - np.sum(values > 0.5)]), np.array([np.inf])))
    )


def branch(
    problem: Problem, cuts: Rows, start: Array | None, options: Options, deadline: float, emit: Emit
) -> tuple[Any, Array | None, float, int]:
    """One HiGHS branch and bound with the tangents known so far: status, integer columns, bound, nodes."""
    highs = to_highs(problem, cuts, options, integral=True)
    set_option(highs, "mip_rel_gap", options.gap / 2.0)
    set_option(highs, "time_limit", max(0.1, deadline - time.monotonic()))
    if options.nodes is not None:
        set_option(highs, "mip_max_nodes", options.nodes)
    columns = np.flatnonzero(problem.integer)
    if np.isfinite(options.cutoff):
        set_option(highs, "objective_bound", options.cutoff)
        set_option(highs, "mip_heuristic_effort", 0.0)
        set_option(highs, "mip_allow_restart", False)
    elif start is not None:
        highs.setSolution(len(columns), columns.astype(np.int32), start)
    listen(highs, options.cutoff, emit)
    highs.run()
    if np.isfinite(options.cutoff) and highs.getModelStatus() in NOTHING_BELOW:
        return highspy.HighsModelStatus.kObjectiveBound, None, options.cutoff, int(highs.getInfo().mip_node_count)
    info = highs.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    binaries = np.round(np.array(highs.getSolution().col_value)[columns]) if found else None
    bound = min(float(info.mip_dual_bound), options.cutoff)  # what lies above the cutoff was never looked at
    return highs.getModelStatus(), binaries, bound, int(info.mip_node_count)


def listen(highs: Any, cutoff: float, emit: Emit) -> None:
    """Pass the bounds of a running HiGHS on as events, up to its cutoff."""

    def on_bound(event: Any) -> None:
        emit({"kind": "bound", "bound": min(float(event.data_out.mip_dual_bound), cutoff)})

    highs.cbMipInterrupt.subscribe(on_bound)


Branch = Callable[[Problem, Rows, Array | None, Options, float, Emit], tuple[Any, Array | None, float, int]]
"""Status, integer columns, bound and nodes of one branch and bound; arguments as of :func:`branch`."""


def solve(
    problem: Problem,
    options: Options,
    known: Rows | None,
    emit: Emit,
    branch: Branch = branch,
    prove: Callable[[Search], None] | None = None,
) -> tuple[Answer, Rows]:
    """Plans from starts and the site tree, bounds from the relaxation, the rest from branch and bound.

    Parameters
    ----------
    problem : Problem
        What is solved; bound and value refer to it with its cones exact.
    options : Options
    known : Rows or None
        Tangents of an earlier solve over the same columns.
    emit : callable
        Receives progress events.
    branch : callable
        Branch and bound: HiGHS, or another solver with the same signature.
    prove : callable or None
        Finds plans and raises the bound of a search until its deadline; None where the bound does not matter.

    Returns
    -------
    Answer
    Rows
        Tangents worth keeping for the next solve over the same columns.
    """
    require_numbers(problem)
    search = Search(problem, options, known if known is not None else no_rows(len(problem.cost)), emit)
    if options.beyond is not None and prove is not None:
        prove(search)
        return search.answer(), search.cuts
    lower, upper = problem.lower[problem.integer], problem.upper[problem.integer]
    decided = bool(np.all(lower == upper))
    if decided and not options.seek:
        search.root()
        return search.answer(), search.cuts
    for start in [lower] if decided else options.starts:
        if time.monotonic() < search.deadline:
            search.propose(start)
    if prove is None and search.x is not None and decided:
        return search.answer(), search.cuts
    if prove is not None:
        search.place(search.known())
    search.root()
    if decided and (search.x is not None or search.leaves):
        if prove is not None:
            search.work_on_leaves(search.deadline)
            search.bound_with_leaves(np.inf if search.leaves else -np.inf)
        else:
            search.rescue()
        return search.answer(), search.cuts
    if prove is not None and not search.done():
        if search.point is not None:
            search.place(search.point)
        prove(search)
    if not search.proven_infeasible:
        search.branch_until_done(branch, prove=prove is not None)
    return search.answer(), search.cuts


def no_tree(_: Search) -> None:
    """A proof without a site tree: branch and bound, and the trees of decided plans."""


class Search:
    """Best plan, best bound and tangents of one solve."""

    def __init__(self, problem: Problem, options: Options, cuts: Rows, emit: Emit) -> None:
        self.problem, self.options, self.cuts, self.emit = problem, options, cuts, emit
        self.begun = time.monotonic()
        self.x: Array | None = None
        self.point: Array | None = None
        self.value, self.bound, self.nodes = np.inf, -np.inf, 0
        self.duals: Array = np.zeros(len(problem.rows.lower))
        self.proven_infeasible, self.told, self.floats = False, -np.inf, False
        self.leaves: dict[bytes, Proof] = {}
        self.placed: set[bytes] = set()
        self.rest, self.others, self.dropped = problem, -np.inf, np.inf

    def root(self) -> None:
        """Bound the problem by its relaxation, and take the tangents there."""
        until = time.monotonic() + ROOT_TIME * self.options.time_limit_s
        point, bound, self.duals = relaxation(self.problem, until)
        self.raise_bound(bound)
        self.floats = bool(np.isfinite(bound) and floating(self.problem, point) > FLOATING)
        if self.floats and time.monotonic() < until:
            forbidden = secants_of(self.problem)
            if len(forbidden.lower):
                self.problem = replace(self.problem, rows=stack(self.problem.rows, forbidden))
                self.rest = replace(self.rest, rows=stack(self.rest.rows, forbidden))
                point, bound, self.duals = relaxation(self.problem, until)
                self.raise_bound(bound)
        within = np.clip(np.nan_to_num(point), self.problem.lower, self.problem.upper)  # it runs off where nothing fits
        self.cuts = stack(self.cuts, tangents(self.problem, within, -np.inf))
        if time.monotonic() < until:
            self.point = within

    def known(self) -> Array:
        """The best plan, else what is to be tried last, else all closed that can be."""
        point = self.problem.upper.copy()
        if self.options.starts:
            point[self.problem.integer] = self.options.starts[-1]
        return point if self.x is None else self.x

    def place(self, point: Array) -> None:
        """Place units at the topology of a point where the gap leaves room for that, and run what ranks first.

        Where roots of islands depend on sites, that is left to the site tree.
        """
        problem, topology = self.problem, nearest_topology(self.problem, point)
        free = np.any(problem.lower[problem.sites] < problem.upper[problem.sites])
        trees = all(graph.feeds_all for graph in problem.switches)
        if problem.alpha >= 0 or not (self.options.seek and free and trees) or topology.tobytes() in self.placed:
            return
        until = min(self.deadline, time.monotonic() + PLACE_TIME * self.options.time_limit_s)
        placement = Placement(problem, topology, self.options, until)
        if placement.at(placement.stated(), more=True).cost < self.cutoff():
            sites = placement.greedy()
            self.run_ranked(placement)
            placement.swapped(sites)
            self.run_ranked(placement)
        if time.monotonic() < until:
            self.placed.add(topology.tobytes())

    def run_ranked(self, placement: Placement) -> None:
        """Run the placements that rank first until one costs what its rank promises."""
        for cost, binaries in islice(placement.ranked(), PLACED):
            if cost >= self.cutoff() or time.monotonic() > self.deadline:
                return
            found = self.propose(binaries)
            if found.value - cost <= self.options.gap * abs(cost):
                return

    def propose(self, binaries: Array) -> Refined:
        """Run a plan exactly, keep it if it is the best, and remember its tangents.

        One whose relaxation says less than what is true becomes a leaf, with a proof of its own.
        """
        found = refine(self.problem, self.cuts, binaries, self.options, max(self.deadline, time.monotonic() + 10.0))
        self.cuts = stack(self.cuts, found.tangents)
        near = found.x is not None and found.value - found.relaxed <= OWN_PROOF * self.options.gap * abs(found.value)
        if found.network is not None and not near:
            self.add_leaf(found)
        self.take(found.x, found.value)
        return found

    def take(self, x: Array | None, value: float) -> None:
        """Keep a plan if it is the best, and tell of it."""
        if x is not None and value < self.value:
            self.x, self.value = x, value
            self.emit({"kind": "incumbent", "objective": value, "bound": self.bound, "x": x})

    def add_leaf(self, found: Refined) -> None:
        """Keep the proof of a decided plan apart from the rest, unless it is known."""
        assert found.network is not None
        decisions = self.problem.decisions()
        choice = np.round(found.network.rest[decisions])
        if choice.tobytes() not in self.leaves:
            proof = Proof(found.network, list(found.dispatches), self.options, self.bound)
            self.leaves[choice.tobytes()] = proof
            self.rest = exclude(self.rest, decisions, choice)

    def drop(self, binaries: Array, bound: float) -> None:
        """Leave one choice of all integer columns out of what follows, whose tangents do not tell its cost apart.

        Its bound is what its relaxation says. One that cannot be run keeps the bound known so far: that it cannot is
        not proven.
        """
        self.rest = exclude(self.rest, np.flatnonzero(self.problem.integer), binaries)
        self.dropped = min(self.dropped, bound if np.isfinite(bound) else self.others)

    def work_on_leaves(self, deadline: float) -> None:
        """Work on the lowest leaf until all are above the cutoff, finished, or time is up."""
        while time.monotonic() < deadline:
            low = [leaf for leaf in self.leaves.values() if leaf.bound < self.cutoff() and not leaf.finished]
            if not low:
                return
            leaf = min(low, key=lambda leaf: leaf.bound)
            leaf.work(self.cutoff, self.options.gap, min(deadline, time.monotonic() + SLICE_S))
            if np.isfinite(leaf.value):
                self.take(leaf.x, leaf.value)

    def rescue(self) -> None:
        """Look for a first dispatch in the trees of the leaves, where the usual starts led to none."""
        until = min(self.deadline, time.monotonic() + RESCUE_S)
        while self.x is None and time.monotonic() < until and any(not leaf.finished for leaf in self.leaves.values()):
            self.work_on_leaves(time.monotonic() + SLICE_S)

    def bound_with_leaves(self, others: float) -> None:
        """Take in a bound of all plans but the leaves, together with theirs."""
        self.others = max(self.others, others)
        self.raise_bound(min(self.others, self.least_of_leaves()))

    def least_of_leaves(self) -> float:
        """What no plan that is left out of branch and bound costs less than."""
        return min([self.dropped, *(leaf.bound for leaf in self.leaves.values())])

    def raise_bound(self, bound: float) -> None:
        """Take in a bound proven elsewhere, and tell of it where it is a step."""
        step = np.isfinite(bound) and bound > self.told + BOUND_STEP * abs(bound)
        self.bound = max(self.bound, bound)
        self.proven_infeasible = self.x is None and bound == np.inf
        if step:
            self.told = bound
            self.emit({"kind": "bound", "bound": bound})

    @property
    def deadline(self) -> float:
        """When time is up: later where that is allowed as long as the gap is too large to rest on."""
        options = self.options
        return self.begun + (options.longest_s if self.gap() > options.rest_gap else options.time_limit_s)

    def gap(self) -> float:
        """Relative distance between the best plan and the bound."""
        return (self.value - self.bound) / max(abs(self.value), 1e-9) if np.isfinite(self.value) else np.inf

    def cutoff(self) -> float:
        """A bound that high is proof enough, with some of the gap to spare for rounding."""
        return self.value - ENOUGH * self.options.gap * abs(self.value) if np.isfinite(self.value) else np.inf

    def done(self) -> bool:
        """Whether the gap asked for is reached."""
        return self.gap() <= self.options.gap

    def branch_until_done(self, branch: Branch, *, prove: bool) -> None:
        """Branch and bound, refine what it finds, sharpen the cones there, repeat until proven or out of time.

        Plans that are leaves are excluded from branch and bound; they are proven apart.
        """
        if self.done():
            return
        self.sharpen(self.problem, ROOT_SHARE * max(self.options.gap, ROOT_GAP))
        columns = np.flatnonzero(self.problem.integer)
        seen: set[bytes] = set()
        most = np.inf if self.options.nodes is None else self.options.nodes
        while not self.done() and time.monotonic() < self.deadline and self.nodes < most:
            begun, leaves = time.monotonic(), len(self.leaves)
            start = self.x[columns] if self.x is not None and not leaves else None
            options = replace(self.options, cutoff=self.cutoff() - self.problem.offset)
            status, binaries, bound, nodes = branch(
                self.rest, self.cuts, start, options, self.deadline, self.emit_better
            )
            self.nodes += nodes
            nothing_left = status == highspy.HighsModelStatus.kInfeasible
            self.bound_with_leaves(np.inf if nothing_left else bound if np.isfinite(bound) else -np.inf)
            if binaries is None:
                break
            found = self.propose(binaries)
            known = binaries.tobytes() in seen
            seen.add(binaries.tobytes())
            if prove and self.leaves:  # as long as it took to find this plan
                self.work_on_leaves(min(self.deadline, 2.0 * time.monotonic() - begun))
            if known and not prove:
                break
            if known:
                self.drop(binaries, min(found.value, found.relaxed))
            elif len(self.leaves) == leaves:
                self.sharpen(hold(self.problem, columns, binaries), TANGENT_TOLERANCE)
        if prove:
            self.work_on_leaves(self.deadline)
        else:
            self.rescue()
        self.bound_with_leaves(self.others)

    def tree_deadline(self) -> float:
        """When the site tree ends: where cones float it does not bound well, and leaves need time of their own."""
        share = TREE_SHARE if self.floats or self.leaves else 1.0
        return self.begun + share * (self.deadline - self.begun)

    def sharpen(self, problem: Problem, tolerance: float) -> None:
        """Take in the tangents that the LP of a problem, the whole or one plan of it, asks for."""
        *_, added = relax(problem, self.cuts, self.options, self.deadline, tolerance)
        self.cuts = stack(self.cuts, added)

    def emit_better(self, event: dict[str, Any]) -> None:
        """Pass a bound of the plans that are not leaves on, if that of all is better than the one known."""
        bound = min(event["bound"], self.least_of_leaves())
        if bound > self.bound:
            self.emit({**event, "bound": bound})

    def answer(self) -> Answer:
        """What was found, in the words of a result."""
        found: Literal["optimal", "feasible", "infeasible", "no_plan"] = "feasible" if self.x is not None else "no_plan"
        if self.x is None and self.proven_infeasible:
            found = "infeasible"
        if self.x is not None and self.done():
            found = "optimal"
        value = self.value if self.x is not None else None
        bound = self.value if self.bound == np.inf else self.bound  # that it lies above the value must not go unseen
        seconds = time.monotonic() - self.begun
        refused = self.nearest() if self.x is None else None
        return Answer(found, self.x, value, bound, self.nodes, len(self.cuts.lower), seconds, refused)

    def nearest(self) -> Array | None:
        """Of all dispatches that break a limit the one that breaks it least."""
        leaf = min(self.leaves.values(), key=lambda leaf: leaf.violation, default=None)
        return leaf.x if leaf is not None else None
