"""The MILP as plain arrays: HiGHS calls, loss tangents on demand, and the check that no row is broken.

Runs inside the solver process and knows nothing of networks: a problem is a matrix, bounds, integrality and loss cones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import highspy
import numpy as np

from igdt_planner.solver.conic import relaxation
from igdt_planner.solver.problem import (
    CIRCLE_TOLERANCE,
    ON_CIRCLE,
    Array,
    Problem,
    Rows,
    circle_tangents,
    hold,
    loss_shortfall,
    no_rows,
    require_numbers,
    stack,
    tangents,
    worst_violation,
)

Emit = Callable[[dict[str, Any]], None]

TANGENT_TOLERANCE = 1e-8
"""Loss that all cones together may miss at a decided plan, relative to the objective."""
LEAST_TOLERANCE = 1e-11
"""Shortfall of one cone, in units of the objective, that is never worth a tangent."""
LP_TOLERANCE = 1e-7
"""Violation of a row above which an optimal LP is solved again."""
LOSS_PRICE = 1e-6
"""Price of a loss that costs nothing, as a share of what it can cost."""
CHARGE_PRICE = 1e-4
"""Price of charging, as a share of the dearest loss: where energy is free, storage need not burn it."""
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
BOUND_STEP = 1e-5
"""Rise of a bound that is worth an event, as a share."""
NEARLY = 1e-2
"""Violation of a row above which a point is no place for tangents: an interior point method ran astray."""
ROUNDING = 1e-5
"""Loss missed by all cones together, relative to the objective, that may be left to rounding."""
FLOATING, SMALL_COST = 1e-5, 1e-3
"""Loss above what flows cause, relative to the objective (to this, if that is smaller), that AC would not confirm."""
ASTRAY = (
    highspy.HighsModelStatus.kUnknown,
    highspy.HighsModelStatus.kIterationLimit,
    highspy.HighsModelStatus.kSolveError,
)
"""Status of an LP that is neither solved nor proven anything."""
NOTHING_BELOW = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kObjectiveBound)
"""Status of a branch and bound that was given a cutoff and has no plan below it."""


@dataclass(frozen=True)
class Options:
    """Limits of one solve.

    ``starts`` are values of the integer columns to try first, ``seek`` says whether to look for other plans while the
    bound is raised; branch and bound may stop where nothing below ``cutoff`` is left, and after ``nodes`` in all. A
    plan that is not ``exact`` has its cost right, but not every loss that costs nothing.
    """

    time_limit_s: float = 60.0
    gap: float = 1e-3
    threads: int = 1
    seed: int = 0
    presolve: bool = True
    starts: tuple[Array, ...] = ()
    seek: bool = True
    exact: bool = True
    cutoff: float = np.inf
    nodes: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a solve found. ``x`` is None without a plan; ``bound`` holds for the problem with its cones."""

    status: Literal["optimal", "feasible", "infeasible", "no_plan"]
    x: Array | None
    value: float | None
    bound: float
    nodes: int
    tangents: int
    seconds: float


def to_highs(problem: Problem, cuts: Rows, options: Options, *, integral: bool) -> Any:
    """A HiGHS object that holds the problem and its tangents."""
    rows = stack(problem.rows, cuts)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(problem.cost), len(rows.lower)
    lp.col_cost_, lp.offset_ = problem.cost, problem.offset
    lp.col_lower_, lp.col_upper_ = problem.lower, problem.upper
    lp.row_lower_, lp.row_upper_ = rows.lower, rows.upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = (
        rows.matrix.indptr,
        rows.matrix.indices,
        rows.matrix.data,
    )
    if integral:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in problem.integer]
    highs = highspy.Highs()
    set_option(highs, "log_to_console", False)
    set_option(highs, "threads", options.threads)
    set_option(highs, "parallel", "on" if options.threads > 1 else "off")
    set_option(highs, "random_seed", options.seed)
    if not options.presolve:
        set_option(highs, "presolve", "off")
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refused the model")
    return highs


def set_option(highs: Any, name: str, value: object) -> None:
    """Set a HiGHS option; a name or value that HiGHS does not take is an error, not silence."""
    if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
        raise ValueError(f"HiGHS does not take option {name} = {value}")


def append(highs: Any, rows: Rows) -> None:
    """Append rows to a loaded model."""
    matrix = rows.matrix
    content = (matrix.nnz, matrix.indptr[:-1], matrix.indices, matrix.data)
    if highs.addRows(len(rows.lower), rows.lower, rows.upper, *content) == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refused rows")


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


def solve_lp(highs: Any, deadline: float) -> tuple[Any, Array | None, float]:
    """Run an LP from the last basis: status, point if optimal, value."""
    set_option(highs, "time_limit", highs.getRunTime() + max(1.0, deadline - time.monotonic()))
    highs.run()
    if highs.getModelStatus() in ASTRAY:  # a warm start that leads nowhere: start afresh
        highs.clearSolver()
        highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        return status, None, -np.inf
    return status, np.array(highs.getSolution().col_value), float(highs.getInfo().objective_function_value)


def refine(
    problem: Problem, cuts: Rows, binaries: Array, options: Options, deadline: float
) -> tuple[Array | None, float, Rows]:
    """Run a plan whose integer columns are decided: an LP with tangents until the cones are exact.

    Where losses cost nothing they would float above their cones, and AC would not confirm the point; a token price
    holds them down, and another one keeps storage from charging and discharging at once. Where they float all the same,
    because that is of use to the relaxation, the cones are linearised instead. Returns the point (None where the
    decisions cannot be run), its value and one tangent per cone at it, or the tangents that show why it cannot.
    """
    priced = problem.cost.copy()
    priced[problem.cones.i_sq] += LOSS_PRICE * problem.cones.weight
    priced[problem.charging] += CHARGE_PRICE * problem.cones.weight.max(initial=0.0)
    integer = np.flatnonzero(problem.integer)
    held = hold(
        replace(problem, cost=priced),
        integer,
        np.clip(np.round(binaries), problem.lower[integer], problem.upper[integer]),
    )
    near, bound, _ = relaxation(held, deadline)
    if bound != np.inf and worst_violation(held, near, integral=False) < NEARLY:
        cuts = tangents(held, near, -np.inf)
    status, x, _, added = relax(held, cuts, options, deadline, TANGENT_TOLERANCE)
    if x is None or status != highspy.HighsModelStatus.kOptimal:
        return None, np.inf, added
    if not options.exact and worst_violation(held, x) > BROKEN:
        return None, np.inf, added
    if options.exact and floating(held, x) > FLOATING * max(abs(float(held.cost @ x)), SMALL_COST):
        x = linearised(held, x, options, deadline)
        if x is None:
            return None, np.inf, added
    kept = stack(tangents(problem, x, -np.inf), circle_tangents(problem.circles, x, len(x), -ON_CIRCLE))
    return x, float(problem.cost @ x + problem.offset), kept


def floating(problem: Problem, x: Array) -> float:
    """Loss that cones hold above what their flows cause, in units of the objective."""
    return float(np.clip(-loss_shortfall(problem, x)[1] * problem.cones.weight, 0.0, None).sum())


def linearised(problem: Problem, x: Array, options: Options, deadline: float) -> Array | None:
    """A point on all cones by successive linearisation: LPs in which every loss equals its tangent, until it is one.

    None where an LP has no solution or the points do not settle.
    """
    for _ in range(ROUNDS):
        on_tangents = tangents(problem, x, -np.inf)
        equal = Rows(on_tangents.matrix, on_tangents.lower, np.zeros(len(on_tangents.lower)))
        highs = to_highs(problem, equal, options, integral=False)
        set_option(highs, "primal_feasibility_tolerance", 1e-9)
        _, found, _ = solve_lp(highs, deadline)
        if found is None or time.monotonic() > deadline:
            return None
        x = found
        missing = float(np.abs(loss_shortfall(problem, x)[1] * problem.cones.weight).sum())
        if missing <= FLOATING * max(abs(float(problem.cost @ x)), SMALL_COST):
            return x
    return None


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
    if search.x is not None and np.all(lower == upper):
        return search.answer(), search.cuts
    if prove is not None and not search.done():
        prove(search)
    if not search.proven_infeasible:
        search.branch_until_done(branch)
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
        self.proven_infeasible, self.told = False, -np.inf

    def root(self) -> None:
        """Bound the problem by its relaxation, and take the tangents there."""
        point, bound, self.duals = relaxation(self.problem, self.begun + ROOT_TIME * self.options.time_limit_s)
        self.raise_bound(bound)
        within = np.clip(np.nan_to_num(point), self.problem.lower, self.problem.upper)  # it runs off where nothing fits
        self.cuts = stack(self.cuts, tangents(self.problem, within, -np.inf))

    def propose(self, binaries: Array) -> float:
        """Run a plan exactly, keep it if it is the best, and remember its tangents."""
        x, value, exact = refine(
            self.problem, self.cuts, binaries, self.options, max(self.deadline, time.monotonic() + 10.0)
        )
        self.cuts = stack(self.cuts, exact)
        if x is not None and value < self.value:
            self.x, self.value = x, value
            self.emit({"kind": "incumbent", "objective": value, "bound": self.bound, "x": x})
        return value

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

    def branch_until_done(self, branch: Branch) -> None:
        """Branch and bound, refine what it finds, sharpen the cones there, repeat until proven or out of time."""
        if self.done():
            return
        self.sharpen(self.problem, ROOT_SHARE * max(self.options.gap, ROOT_GAP))
        columns = np.flatnonzero(self.problem.integer)
        seen: set[bytes] = set()
        most = np.inf if self.options.nodes is None else self.options.nodes
        while not self.done() and time.monotonic() < self.deadline and self.nodes < most:
            start = self.x[columns] if self.x is not None else None
            options = replace(self.options, cutoff=self.cutoff() - self.problem.offset)
            status, binaries, bound, nodes = branch(
                self.problem, self.cuts, start, options, self.deadline, self.emit_better
            )
            self.nodes += nodes
            self.bound = max(self.bound, bound) if np.isfinite(bound) else self.bound
            if status == highspy.HighsModelStatus.kInfeasible:
                self.proven_infeasible = self.x is None
                return
            if binaries is None:
                return
            self.propose(binaries)
            if binaries.tobytes() in seen:
                return
            seen.add(binaries.tobytes())
            self.sharpen(hold(self.problem, columns, binaries), TANGENT_TOLERANCE)

    def sharpen(self, problem: Problem, tolerance: float) -> None:
        """Take in the tangents that the LP of a problem, the whole or one plan of it, asks for."""
        *_, added = relax(problem, self.cuts, self.options, self.deadline, tolerance)
        self.cuts = stack(self.cuts, added)

    def emit_better(self, event: dict[str, Any]) -> None:
        """Pass a bound on if it is better than the one known."""
        if event["bound"] > self.bound:
            self.emit(event)

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
        return Answer(found, self.x, value, bound, self.nodes, len(self.cuts.lower), seconds)
