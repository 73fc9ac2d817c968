"""The MILP as plain arrays: HiGHS calls, loss tangents on demand, and the check that no row is broken.

Runs inside the solver process and knows nothing of networks: a problem is a matrix, bounds, integrality and loss cones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import highspy
import numpy as np
from scipy import sparse

from igdt_planner.solver.conic import relaxation
from igdt_planner.solver.decided import Network, decided_network, reach, switched_network
from igdt_planner.solver.exact import Dispatch, exact_dispatch
from igdt_planner.solver.highs import ASTRAY, Options, append, set_option, solve_lp, to_highs
from igdt_planner.solver.output_tree import Proof
from igdt_planner.solver.problem import (
    CIRCLE_TOLERANCE,
    ON_CIRCLE,
    Array,
    Index,
    Problem,
    Rows,
    circle_tangents,
    excess,
    hold,
    loss_shortfall,
    no_rows,
    require_numbers,
    stack,
    tangents,
    with_tokens,
    worst_violation,
)
from igdt_planner.solver.ranges import narrowed, secants

Emit = Callable[[dict[str, Any]], None]

TANGENT_TOLERANCE = 1e-8
"""Loss that all cones together may miss at a decided plan, relative to the objective."""
LEAST_TOLERANCE = 1e-11
"""Shortfall of one cone, in units of the objective, that is never worth a tangent."""
LP_TOLERANCE = 1e-7
"""Violation of a row above which an optimal LP is solved again."""
ROOT_SHARE, ROOT_GAP = 0.2, 5e-5
"""Share of the gap asked for (of this gap, if that is larger) that the cones may miss where branch and bound begins."""
ROOT_TIME = 0.3
"""Share of the time limit that the relaxation of the whole may take: cut there, it still bounds, only less well."""
ROUNDS = 60
"""Most rounds of tangents at one LP."""
BROKEN = 1e-6
"""Violation of a row above which a plan of a large program, asked for its cost alone, is dropped."""
PATIENCE, PROGRESS = 4, 0.5
"""Rounds of tangents, and the share that the loss still missed has to fall to within them."""
ENOUGH = 0.9
"""Share of the gap that a proof may leave."""
TREE_SHARE = 0.2
"""Share of the time limit after which the site tree ends where cones float: decided plans need proofs of their own."""
SLICE_S = 0.5
"""Time that the lowest leaf gets before another may be lower, s."""
OWN_PROOF = 0.1
"""Share of the gap by which the relaxation may miss the cost of a plan without a proof of its own."""
BOUND_STEP = 1e-5
"""Rise of a bound that is worth an event, as a share."""
NEARLY = 1e-2
"""Violation of a row above which a point is no place for tangents: an interior point method ran astray."""
ROUNDING = 1e-5
"""Loss missed by all cones together, relative to the objective, that may be left to rounding."""
FLOATING = 1e-7
"""Power or squared voltage, per unit, that currents above what flows cause may move: more, and AC would not confirm."""
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


def relax(
    problem: Problem, cuts: Rows, options: Options, deadline: float, tolerance: float
) -> tuple[Any, Array | None, float, Rows]:
    """Solve the LP relaxation, adding tangents until the cones hold to a share of the value, and circles hold.

    Returns the model status, the last point, its value, which no plan can undercut, and the tangents added.
    """
    added = no_rows(len(problem.cost))
    highs = to_highs(problem, cuts, options, integral=False)
    set_option(highs, "primal_feasibility_tolerance", 1e-9)
    set_option(highs, "dual_feasibility_tolerance", 1e-9)
    status, point, bound = highspy.HighsModelStatus.kNotset, None, -np.inf
    missing: list[float] = []
    values: list[float] = []
    for _ in range(ROUNDS):
        status, x, value = solve_lp(highs, deadline)
        if x is not None and worst_violation(problem, x, integral=False) > LP_TOLERANCE:
            highs.clearSolver()  # a warm start that HiGHS itself finds without fault
            status, x, value = solve_lp(highs, deadline)
        if x is None and status in ASTRAY:  # too fine a tolerance for its numbers: HiGHS's own one
            highs = to_highs(problem, stack(cuts, added), options, integral=False)
            status, x, value = solve_lp(highs, deadline)
        if x is None:
            break
        point, bound = x, value
        least = tolerance * abs(value) / max(1, len(problem.cones.weight))
        fresh, rounding = (
            tangents(problem, x, max(least, LEAST_TOLERANCE)),
            circle_tangents(problem.circles, x, len(x), CIRCLE_TOLERANCE),
        )
        values.append(value)
        missing.append(float(np.clip(loss_shortfall(problem, x)[1] * problem.cones.weight, 0.0, None).sum()))
        enough = stalled(missing, values) and not len(rounding.lower) if options.exact else settled(values)
        fresh = stack(fresh, rounding)
        if not len(fresh.lower) or enough or time.monotonic() > deadline:
            break
        append(highs, fresh)
        added = stack(added, fresh)
    return status, point, bound, added


def settled(values: list[float]) -> bool:
    """Whether the last tangents did not raise the value any more."""
    return len(values) > 1 and values[-1] - values[-2] <= TANGENT_TOLERANCE * abs(values[-1])


def stalled(missing: list[float], values: list[float]) -> bool:
    """Whether neither the little loss that cones miss came down for some rounds nor the value rose: it is rounding."""
    if len(missing) <= PATIENCE or values[-1] - values[-1 - PATIENCE] > TANGENT_TOLERANCE * abs(values[-1]):
        return False
    if min(missing[-PATIENCE:]) > ROUNDING * abs(values[-1]):
        return False
    return min(missing[-PATIENCE:]) > PROGRESS * min(missing[:-PATIENCE])


@dataclass(frozen=True)
class Refined:
    """A plan whose integer columns are decided, as it runs.

    ``x`` is None where it cannot be run, ``value`` its cost, ``tangents`` those at its point. Where a cone floated
    there is its ``network`` with a dispatch of each of its parts (None where none was found); ``relaxed`` is what its
    relaxation says of the cost.
    """

    x: Array | None
    value: float
    tangents: Rows
    network: Network | None = None
    dispatches: tuple[Dispatch | None, ...] = ()
    relaxed: float = np.inf


def refine(problem: Problem, cuts: Rows, binaries: Array, options: Options, deadline: float) -> Refined:
    """Run a plan whose integer columns are decided: an LP with tangents until the cones are exact.

    Where losses cost nothing they would float above their cones, and AC would not confirm the point; a token price
    holds them down, and another one keeps storage from charging and discharging at once. Where they float all the same,
    because that is of use to the relaxation, the plan is dispatched exactly.
    """
    priced = with_tokens(problem.cost, problem.cones.i_sq, problem.cones.weight, problem.charging)
    integer = np.flatnonzero(problem.integer)
    whole = np.clip(np.round(binaries), problem.lower[integer], problem.upper[integer])
    held = hold(replace(problem, cost=priced), integer, whole)
    near, bound, _ = relaxation(held, deadline)
    if bound != np.inf and worst_violation(held, near, integral=False) < NEARLY:
        cuts = tangents(held, near, -np.inf)
    status, x, _, added = relax(held, cuts, options, deadline, TANGENT_TOLERANCE)
    if x is None or status != highspy.HighsModelStatus.kOptimal:
        return Refined(None, np.inf, added)
    if not options.exact and worst_violation(held, x) > BROKEN:
        return Refined(None, np.inf, added)
    if options.exact and (problem.meshed or floating(held, x) > FLOATING):
        return dispatched(problem, x, added, options, deadline)
    return Refined(x, float(problem.cost @ x + problem.offset), touching(problem, x))


def touching(problem: Problem, x: Array) -> Rows:
    """Tangents of all cones at a point, and of the circles that it lies on."""
    return stack(tangents(problem, x, -np.inf), circle_tangents(problem.circles, x, len(x), -ON_CIRCLE))


def dispatched(problem: Problem, x: Array, added: Rows, options: Options, deadline: float) -> Refined:
    """A plan dispatched exactly, part by part, from a point of its relaxation where cones float."""
    decisions = problem.decisions()
    network = decided_network(hold(problem, decisions, np.round(x[decisions])), x)
    start, parts = network.own(x), network.parts()
    found: list[Dispatch | None] = []
    for columns in parts:
        part = network.part(columns).working(start[columns])
        starts = (start[columns], *other_starts(part, options, deadline))
        found.append(exact_dispatch(part, starts, options, deadline))
    relaxed = float(problem.cost @ x + problem.offset)
    out = Refined(None, np.inf, added, network, tuple(found), relaxed)
    if any(one is None or not one.feasible for one in found):
        return out
    point = np.zeros(len(network.columns))
    for columns, one in zip(parts, found, strict=True):
        assert one is not None
        point[columns] = one.x
    exact = network.point(point)
    value = float(problem.cost @ exact + problem.offset)
    return replace(out, x=exact, value=value, tangents=touching(problem, exact))


def floating(problem: Problem, x: Array) -> float:
    """What currents above those that flows cause move at a point, in powers and squared voltages."""
    return float(np.clip(excess(problem, x) * reach(problem.rows, problem.cones.i_sq), 0.0, None).sum())


def secants_of(problem: Problem) -> Rows:
    """Secants of the loss equation over all that sites, sizes and outputs leave to the flows of closed lines.

    In the columns of the whole problem; none where ranges contradict, which the relaxation finds out itself.
    """
    network = switched_network(problem)
    if not len(network.lines.p):
        return no_rows(len(problem.cost))
    ranges = narrowed(network, network.program.lower, network.program.upper)
    if ranges is None:
        return no_rows(len(problem.cost))
    return network.rows(secants(network.lines, *ranges, len(network.columns)))


def other_starts(network: Network, options: Options, deadline: float) -> Iterator[Array]:
    """Further points to start an exact dispatch from: least losses with every unit free to rest, nothing lost at all.

    The first is where all is curtailed that can be. In a tree without losses voltages are upper estimates where
    r, x >= 0 and power runs back (Gan, Li, Topcu and Low 2015), so that its optimum is a restriction there.
    """
    program, lines = network.program, network.lines
    resting = np.zeros(len(program.cost))
    resting[program.outputs] = 1.0
    lossless = program.upper.copy()
    lossless[lines.i_sq] = np.maximum(program.lower[lines.i_sq], 0.0)
    for cost, upper in ((program.cost, lossless), (resting, program.upper)):
        highs = to_highs(replace(program, cost=cost, upper=upper), no_rows(len(cost)), options, integral=False)
        _, x, _ = solve_lp(highs, deadline)
        if x is not None:
            yield x


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
        Finds plans and raises the bound of a search until its deadline.

    Returns
    -------
    Answer
    Rows
        Tangents worth keeping for the next solve over the same columns.
    """
    require_numbers(problem)
    search = Search(problem, options, known if known is not None else no_rows(len(problem.cost)), emit)
    lower, upper = problem.lower[problem.integer], problem.upper[problem.integer]
    for start in options.starts if np.any(lower < upper) else [lower]:
        if time.monotonic() < search.deadline:
            search.propose(start)
    search.root()
    if np.all(lower == upper) and (search.x is not None or search.leaves):
        if prove is not None:
            search.others = np.inf
            search.work_on_leaves(search.deadline)
            search.bound_with_leaves(np.inf if search.leaves else -np.inf)
        return search.answer(), search.cuts
    if prove is not None and not search.done():
        prove(search)
    if not search.proven_infeasible:
        search.branch_until_done(branch, prove=prove is not None)
    return search.answer(), search.cuts


class Search:
    """Best plan, best bound and tangents of one solve."""

    def __init__(self, problem: Problem, options: Options, cuts: Rows, emit: Emit) -> None:
        self.problem, self.options, self.cuts, self.emit = problem, options, cuts, emit
        self.begun = time.monotonic()
        self.deadline = self.begun + options.time_limit_s
        self.x: Array | None = None
        self.value, self.bound, self.nodes = np.inf, -np.inf, 0
        self.duals: Array = np.zeros(len(problem.rows.lower))
        self.proven_infeasible, self.told, self.floats = False, -np.inf, False
        self.leaves: dict[bytes, Proof] = {}
        self.rest, self.others, self.dropped = problem, -np.inf, np.inf

    def root(self) -> None:
        """Bound the problem by its relaxation, and take the tangents there."""
        until = self.begun + ROOT_TIME * self.options.time_limit_s
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

    def propose(self, binaries: Array) -> float:
        """Run a plan exactly, keep it if it is the best, and remember its tangents.

        One whose relaxation says less than what is true becomes a leaf, with a proof of its own.
        """
        found = refine(self.problem, self.cuts, binaries, self.options, max(self.deadline, time.monotonic() + 10.0))
        self.cuts = stack(self.cuts, found.tangents)
        near = found.x is not None and found.value - found.relaxed <= OWN_PROOF * self.options.gap * abs(found.value)
        if found.network is not None and not near:
            self.add_leaf(found)
        self.take(found.x, found.value)
        return found.value

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

    def drop(self, binaries: Array, value: float) -> None:
        """Leave one choice of all integer columns out of what follows, whose tangents do not tell its cost apart.

        Its bound is its value. One that cannot be run keeps the bound known so far: that it cannot is not proven.
        """
        self.rest = exclude(self.rest, np.flatnonzero(self.problem.integer), binaries)
        self.dropped = min(self.dropped, value if np.isfinite(value) else self.others)

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
            value = self.propose(binaries)
            known = binaries.tobytes() in seen
            seen.add(binaries.tobytes())
            if prove and self.leaves:  # as long as it took to find this plan
                self.work_on_leaves(min(self.deadline, 2.0 * time.monotonic() - begun))
            if known and not prove:
                break
            if known:
                self.drop(binaries, value)
            elif len(self.leaves) == leaves:
                self.sharpen(hold(self.problem, columns, binaries), TANGENT_TOLERANCE)
        if prove:
            self.work_on_leaves(self.deadline)
        self.bound_with_leaves(self.others)

    def tree_deadline(self) -> float:
        """When the site tree ends: where cones float it does not bound well, and leaves need time of their own."""
        share = TREE_SHARE if self.floats or self.leaves else 1.0
        return self.begun + share * self.options.time_limit_s

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
        bound = min(self.bound, self.value)
        seconds = time.monotonic() - self.begun
        refused = self.nearest() if self.x is None else None
        return Answer(found, self.x, value, bound, self.nodes, len(self.cuts.lower), seconds, refused)

    def nearest(self) -> Array | None:
        """Of all dispatches that break a limit the one that breaks it least."""
        leaf = min(self.leaves.values(), key=lambda leaf: leaf.violation, default=None)
        return leaf.x if leaf is not None else None
