"""Plans whose integer columns are decided, as they run: a linear program with tangents, else the exact dispatch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import highspy
import numpy as np

from igdt_planner.solver.conic import relaxation
from igdt_planner.solver.decided import BOTH, Network, decided_network, reach, switched_network
from igdt_planner.solver.exact import Dispatch, better, exact_dispatch
from igdt_planner.solver.highs import ASTRAY, Options, append, set_option, solve_lp, to_highs
from igdt_planner.solver.problem import (
    CIRCLE_TOLERANCE,
    ON_CIRCLE,
    Array,
    Problem,
    Rows,
    circle_tangents,
    excess,
    hold,
    loss_shortfall,
    no_rows,
    stack,
    tangents,
    with_tokens,
    worst_violation,
)
from igdt_planner.solver.ranges import narrowed, secants

TANGENT_TOLERANCE = 1e-8
"""Loss that all cones together may miss at a decided plan, relative to the objective."""
LEAST_TOLERANCE = 1e-11
"""Shortfall of one cone, in units of the objective, that is never worth a tangent."""
LP_TOLERANCE = 1e-7
"""Violation of a row above which an optimal LP is solved again."""
ROUNDS = 60
"""Most rounds of tangents at one LP."""
BROKEN = 1e-6
"""Violation of a row above which a plan of a large program, asked for its cost alone, is dropped."""
PATIENCE, PROGRESS = 4, 0.5
"""Rounds of tangents, and the share that the loss still missed has to fall to within them."""
NEARLY = 1e-2
"""Violation of a row above which a point is no place for tangents: an interior point method ran astray."""
ROUNDING = 1e-5
"""Loss missed by all cones together, relative to the objective, that may be left to rounding."""
FLOATING = 1e-7
"""Power or squared voltage, per unit, that currents above what flows cause may move: more, and AC would not confirm."""


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
    if options.exact and (problem.meshed or not runs_as_it_is(held, x)):
        return dispatched(problem, x, added, options, deadline)
    return Refined(x, float(problem.cost @ x + problem.offset), touching(problem, x))


def runs_as_it_is(problem: Problem, x: Array) -> bool:
    """Whether a point of a decided relaxation is a dispatch, but for loops: no cone floats, nothing is burned."""
    return not (floating(problem, x) > FLOATING or burns(problem, x) or exceeds(problem, x))


def exceeds(problem: Problem, x: Array) -> bool:
    """Whether a point with its deviations of voltages as they are breaks a row: a limit on them, or a budget."""
    known = len(problem.deviations.v_sq) > 0
    return known and worst_violation(problem, problem.deviations.true(x)) > LP_TOLERANCE


def burns(problem: Problem, x: Array) -> bool:
    """Whether any storage charges and discharges at once."""
    return bool(np.any(np.minimum(x[problem.charging], x[problem.discharging]) > BOTH))


def touching(problem: Problem, x: Array) -> Rows:
    """Tangents of all cones at a point, and of the circles that it lies on."""
    return stack(tangents(problem, x, -np.inf), circle_tangents(problem.circles, x, len(x), -ON_CIRCLE))


def dispatched(problem: Problem, x: Array, added: Rows, options: Options, deadline: float) -> Refined:
    """A plan dispatched exactly, part by part, from a point of its relaxation where cones float."""
    decisions = problem.decisions()
    network = decided_network(hold(problem, decisions, np.round(x[decisions])), x)
    start, parts = network.own(x), network.parts()
    found = [dispatched_part(network.part(columns), start[columns], options, deadline) for columns in parts]
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


def dispatched_part(part: Network, start: Array, options: Options, deadline: float) -> Dispatch | None:
    """A part of a plan dispatched exactly from a point; where that fails, storage as stated, and from others too."""
    best = exact_dispatch(part, [start], options, deadline)
    if best is None or not best.feasible:
        stated = part.working(start)
        other = exact_dispatch(stated, chain([start], other_starts(stated, options, deadline)), options, deadline)
        best = other if better(other, best) else best
    return best


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
