"""What decided sites, topology and storage schedule cost over the uncertainty set, and an adversary who looks for more.

The cost is that of the least-cost dispatch at each point, which knows the point and nothing of the future beyond the
schedule. In loads, availabilities and ratings it is convex, so that a vertex of the set is its worst point; in prices
it is concave, so that cutting planes find its worst point, which need be no vertex. Where no dispatch keeps the limits
of the network the cost is infinite: each limit has worst points of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from igdt_planner.formulation.cost import mwh
from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.limit_points import LimitPoints
from igdt_planner.infogap.peak import Peak, peak
from igdt_planner.infogap.shapes import Floats, Pair
from igdt_planner.infogap.uncertainty import ALIKE, Ray, members
from igdt_planner.infogap.worst_case import Ambiguity
from igdt_planner.model import Losses, Quantity
from igdt_planner.session import Session
from igdt_planner.solver.highs import Options
from igdt_planner.solver.probe import Points
from igdt_planner.solver.problem import Index
from igdt_planner.solver.solve import compiled, held
from igdt_planner.study import Direction

Slopes = dict[tuple[Quantity, int], Floats]
"""How the cost changes with every series, per period."""

BREAK = 1e-7
"""Share of the budget above which a cost counts as over it."""
STEPS = 40
"""Most steps of a root search, of a climb, and of a search for the alpha that nothing breaks."""
STARTS, SAMPLES, LEAST_CLIMBS = 6, 24, 2
"""Random vertices from which the adversary climbs where vertices are too many to list, points that it samples, and
climbs, from the costliest of these and from the first guess, for which there is always time."""
LARGE, FINALISTS = 5000, 3
"""Columns above which climbs are led by the relaxation, and points, the costliest by it, that are dispatched then."""
FREE, YIELDED, LATE = 2, 1e-4, 2e-2
"""Attacks after which alpha gives way, by what share at first, doubled each time, and by what once time is up."""
MOST_VERTICES, MOST_VERTICES_PRICED = 256, 32
"""Vertices of the whole set, over what is built, up to which an attack takes all; fewer where each needs its prices."""
PEAK = 1e-7
"""Share of the cost by which the worst prices may be missed."""
DIGITS = 9
"""Digits of a price's deviation."""
NEAR_LIMIT, FARTHER = 1e-5, 8.0
"""Share of alpha to which it is known where a limit of the network ends it, and growth of steps that look for it."""
POINT_S, BATCH = 30.0, 8
"""Time limit of the dispatch at one point, and points that are asked together: in between the deadline is looked at."""
GAIN = 1e-9
"""Rise of the cost, as a share, below which a climb ends."""


@dataclass(frozen=True)
class Attack:
    """The costliest point that the adversary found.

    ``direction`` lies in the set; ``around`` is the one whose cost was taken, which may lie a little outside of a ball.
    ``violation`` is by how much, per unit, limits are broken there at least; the cost is infinite where any is.
    ``cut`` says that the deadline left points untried.
    """

    direction: Direction
    around: Direction
    cost: float
    points: int
    proven: bool
    violation: float = 0.0
    cut: bool = False

    @property
    def harm(self) -> tuple[float, float]:
        """What makes one attack worse than another: limits broken, then cost."""
        return self.violation, self.cost


class Reach(NamedTuple):
    """How far decisions go: alpha, the worst attack there, whether it holds alpha down, and whether it is proven."""

    alpha: float
    attack: Attack
    limited: bool
    proven: bool


class Recourse:
    """Least cost of decisions at any point of the uncertainty set, with exact losses unless stated.

    After the ``deadline``, a moment of :func:`time.monotonic`, the adversary begins nothing more: some points he tries
    whenever he is asked.
    """

    def __init__(
        self,
        session: Session,
        decisions: Decisions,
        found: Ambiguity,
        schedule: Mapping[str, float] | None,
        losses: Losses = "balance",
        deadline: float = np.inf,
    ) -> None:
        self.session, self.found, self.uncertainty, self.deadline = session, found, found.uncertainty, deadline
        fixed = session.study.decide(decisions.as_fix(session.study), losses)
        self.members: dict[Quantity, tuple[int, ...]] = {
            q: members(fixed, q) for q in self.uncertainty.shapes if q != "price"
        }
        every = [(q, c, t) for q, own in self.members.items() for c in own for t in fixed.periods]
        main = compiled(fixed.deviate(frozenset(every)))
        known, self.runs = decisions.binaries, True
        if not known.keys() >= set(main.integers()):
            run = session.decided(decisions, session.study, schedule)
            known, self.runs = run.binaries, run.answer.x is not None
        self.problem = held(main, {**known, **(schedule or {})})
        position = {name: n for n, name in enumerate(main.names)}
        column = {key: position.get("deviation[{},{},{}]".format(*key)) for key in every}  # none where nothing is asked
        self.keys = [key for key in every if column[key] is not None]
        self.columns = np.array([column[key] for key in self.keys], dtype=np.int64)
        choice = session.solver.choice
        threads = choice.threads if choice.name == "highs" else 1
        self.options = Options(time_limit_s=POINT_S, threads=threads, seed=choice.seed)
        self.limits = LimitPoints(session.study, decisions, self.uncertainty, schedule)
        self.priced, self.priced_t, self.price = self.prices(main.formulation.model, position)

    def prices(self, m: object, position: Mapping[str, int]) -> tuple[Index, list[int], Floats]:
        """Columns of bought power, their periods, and what a unit of them costs at the forecast price."""
        study = self.session.study
        columns, periods, costs = [], [], []
        if "price" in self.uncertainty.shapes and "connected" in study.modes:
            block = m.mode["connected"]  # type: ignore[attr-defined]
            weight = study.modes["connected"].settings.weight * sum(
                term.weight for term in study.model.objective if term.term == "energy_cost"
            )
            for i in block.mode.sources:
                for t, period in study.periods.items():
                    columns.append(position[block.p_source[i, t].name])
                    periods.append(t)
                    costs.append(weight * period.price_per_mwh * mwh(block, t))
        return np.array(columns, dtype=np.int64), periods, np.array(costs)

    @cached_property
    def rng(self) -> np.random.Generator:
        """The adversary's own numbers."""
        return np.random.default_rng(self.session.study.model.solver.seed)

    def costs(
        self, directions: Sequence[Direction], alpha: float, *, exact: bool = True
    ) -> tuple[Floats, list[Slopes]]:
        """Cost at ``alpha`` along every direction, and its slope by series and period per unit of deviation.

        Decisions that cannot be run at the forecast cost infinitely much everywhere. What is not ``exact`` is the
        relaxation's word where cones float. After the deadline only the first directions have an answer.
        """
        cost, slopes, _ = self.asked(directions, alpha, exact=exact)
        return cost, slopes

    def asked(
        self, directions: Sequence[Direction], alpha: float, *, exact: bool = True
    ) -> tuple[Floats, list[Slopes], Floats]:
        """As :meth:`costs`, and by how much, per unit, limits are broken at least."""
        if not self.runs:
            everywhere = np.full(len(directions), np.inf)
            none = self.by_series(np.zeros(len(self.keys)), 0.0 * self.price)
            return everywhere, [none] * len(directions), everywhere
        replies: list[tuple[Floats, list[Slopes], Floats]] = []
        for n in range(0, len(directions), BATCH):
            if replies and self.late:
                break
            replies.append(self.batch(directions[n : n + BATCH], alpha, exact=exact))
        cost, violation = (np.concatenate([reply[n] for reply in replies]) for n in (0, 2))
        return cost, [slopes for _, own, _ in replies for slopes in own], violation

    @property
    def late(self) -> bool:
        """Whether the deadline is over."""
        return time.monotonic() > self.deadline

    def batch(
        self, directions: Sequence[Direction], alpha: float, *, exact: bool
    ) -> tuple[Floats, list[Slopes], Floats]:
        """As :meth:`asked`, of a few directions at once."""
        realised = [self.uncertainty.realise(direction, alpha) for direction in directions]
        factors = np.array([[r.at(*key) for key in self.keys] for r in realised]).reshape(len(realised), -1)
        rating = np.array([q == "line_rating" for q, _, _ in self.keys], dtype=bool)
        values = np.where(rating, factors**2, factors) - 1.0
        dear = np.array([[r.at("price", ALIKE, t) - 1.0 for t in self.priced_t] for r in realised]).reshape(
            len(realised), -1
        )
        costs = self.problem.cost[self.priced] + dear * self.price
        points = Points(self.problem, self.options, self.columns, values, self.priced, costs, exact)
        reply = self.session.solver.worker.ask(points)
        slopes = np.where(rating, 2.0 * factors, 1.0) * reply.gradient
        by_series = [self.by_series(slopes[n], reply.bought[n]) for n in range(len(realised))]
        return reply.cost, by_series, reply.violation

    def by_series(self, slopes: Floats, bought: Floats) -> Slopes:
        """Slopes of the cost, summed up by series, each of shape (periods,)."""
        place = {t: n for n, t in enumerate(self.uncertainty.periods)}
        found: Slopes = {series: np.zeros(len(place)) for series in self.uncertainty.series()}
        for (q, c, t), value in zip(self.keys, slopes.tolist(), strict=True):
            found[q, c if (q, c) in found else ALIKE][place[t]] += value
        for t, value in zip(self.priced_t, (bought * self.price).tolist(), strict=True):
            found["price", ALIKE][place[t]] += value
        return found

    def worst(self, alpha: float) -> Attack:
        """The worst point at a radius: of each limit, else extreme points where they are listed, else by a climb.

        A limit that is broken is enough: then no other point is asked.
        """
        limiting = self.limiting(alpha)
        if limiting is not None and limiting.violation > 0.0:
            return replace(limiting, proven=False)
        rays = self.found.rays
        found = self.climbed(alpha) if rays is None else self.costliest(rays, alpha)
        return found if limiting is None or limiting.harm <= found.harm else replace(limiting, proven=found.proven)

    def limiting(self, alpha: float) -> Attack | None:
        """The worst of the points at which limits are nearest, prices as forecast; None where no limit is near."""
        directions = self.limits.at(alpha)
        if not directions:
            return None
        cost, _, violation = self.asked(directions, alpha)
        if "price" in self.uncertainty.shapes:  # the dearest prices beside them are not looked for
            cost = np.where(violation > 0.0, cost, -np.inf)
        n = max(range(len(cost)), key=lambda n: (violation[n], cost[n]))
        whole = len(cost) == len(directions)
        return Attack(directions[n], directions[n], float(cost[n]), len(cost), whole, float(violation[n]), not whole)

    def attacked(self, alpha: float) -> Attack:
        """As :meth:`worst`, but by vertices of the whole set, climbs and samples, whatever the structure promises."""
        shapes, own = self.uncertainty.shapes, self.members | {"price": (ALIKE,)}
        components = {q: all_ if all_ == (ALIKE,) else own[q] for q, all_ in self.uncertainty.components.items()}
        built = replace(self.uncertainty, components=components)
        priced = "price" in shapes
        lists: dict[Quantity, list[Pair] | None] = {q: s.vertices() for q, s in shapes.items() if q != "price"}
        rays = built.combined(lists, MOST_VERTICES_PRICED if priced else MOST_VERTICES)
        listed = self.costliest(rays, alpha) if rays is not None else None
        found = [attack for attack in (self.limiting(alpha), listed, self.climbed(alpha)) if attack is not None]
        worst, points = max(found, key=lambda attack: attack.harm), sum(attack.points for attack in found)
        proven, cut = listed is not None and listed.proven, any(attack.cut for attack in found)
        return replace(worst, points=points, proven=proven, cut=cut)

    def costliest(self, rays: Sequence[Ray], alpha: float) -> Attack:
        """The costliest of directions; where prices deviate, each with the prices that are the worst for it."""
        if "price" not in self.uncertainty.shapes or (rays and "price" in rays[0][0]):
            costs, _, violation = self.asked([around for _, around in rays], alpha)
            n, whole = max(range(len(costs)), key=lambda n: (violation[n], costs[n])), len(costs) == len(rays)
            return Attack(*rays[n], float(costs[n]), len(costs), whole, float(violation[n]), not whole)
        best, points, proven, cut = Attack(*rays[0], -np.inf, 0, proven=True), 0, True, False
        for inner, around in rays:
            if points and self.late:
                cut = True
                break
            prices, top = self.dearest(around, alpha)
            points, proven = points + top.asked, proven and top.closed
            if top.value > best.cost:
                best = Attack({**inner, **prices}, {**around, **prices}, top.value, 0, proven=True)
        return replace(best, points=points, proven=proven and not cut, cut=cut)

    def dearest(self, direction: Direction, alpha: float, *, exact: bool = True) -> tuple[Direction, Peak]:
        """The prices that cost most beside the rest of a direction, and how nearly they are known."""
        shape = self.uncertainty.shapes["price"]
        start = np.zeros(len(self.uncertainty.periods))

        def ask(point: Floats) -> tuple[float, Floats]:
            (cost,), (slopes,) = self.costs([{**direction, **self.price_direction(point)}], alpha, exact=exact)
            return float(cost), self.uncertainty.held.get("price", alpha) * slopes["price", ALIKE]

        def within(piece: npt.NDArray[np.bool_]) -> Peak:
            return peak(ask, lambda slope: shape.extreme(np.where(piece, slope, 0.0)), start, PEAK)

        pieces = shape.pieces()
        peaks = [within(piece) for piece in pieces or [np.ones(len(start), dtype=bool)]]
        top = max(peaks, key=lambda found: found.value)
        bound = max(found.bound for found in peaks) if pieces is not None else np.inf
        asked = sum(found.asked for found in peaks)
        return self.price_direction(top.point), replace(top, bound=bound, asked=asked)

    def price_direction(self, series: Floats) -> Direction:
        """A direction of prices alone; what cutting planes leave of rounding is taken away."""
        return self.uncertainty.direction({("price", ALIKE): np.round(series, DIGITS) + 0.0})

    def climbed(self, alpha: float) -> Attack:
        """The costliest point that climbs from several directions, and from the costliest sample, lead to.

        In a large problem the relaxation leads, and AC judges the points that are the costliest by it.
        """
        exact = len(self.problem.cost) <= LARGE
        samples = self.uncertainty.draw(self.rng, SAMPLES)
        values, _ = self.costs(samples, alpha, exact=exact)
        starts = [self.found.first, *(self.extreme(self.random_slopes()) for _ in range(STARTS))]
        starts = [samples[int(np.argmax(values))], *starts]
        climbs: list[tuple[Direction, float, int]] = []
        for start in starts:
            if len(climbs) >= LEAST_CLIMBS and self.late:
                break
            climbs.append(self.climb(start, alpha, exact))
        points = sum(used for *_, used in climbs) + len(values)
        ends = [(direction, cost) for direction, cost, _ in climbs]
        if not exact:
            ranked = sorted([*ends, *zip(samples, values, strict=False)], key=lambda end: -end[1])
            finalists = distinct([direction for direction, _ in ranked])[:FINALISTS]
            ends = list(zip(finalists, self.costs(finalists, alpha)[0].tolist(), strict=True))
        best, cost = max(ends, key=lambda end: end[1])
        cut = len(values) < len(samples) or len(climbs) < len(starts)
        return Attack(best, best, cost, points, False, 0.0 if np.isfinite(cost) else np.inf, cut)

    def random_slopes(self) -> Slopes:
        """Slopes that lead to a random vertex."""
        periods = len(self.uncertainty.periods)
        return {series: self.rng.standard_normal(periods) for series in self.uncertainty.series()}

    def extreme(self, slopes: Slopes) -> Direction:
        """The direction of the set that goes farthest along slopes."""
        shapes, series = self.uncertainty.shapes, self.uncertainty.series()
        return self.uncertainty.direction({(q, c): shapes[q].extreme(slopes[q, c]) for q, c in series})

    def climb(self, start: Direction, alpha: float, exact: bool) -> tuple[Direction, float, int]:
        """From a direction to costlier ones: to the extreme point that slopes show, prices to the worst beside it."""
        at, cost, slopes, points = self.with_prices(start, alpha, exact)
        for _ in range(STEPS):
            if not np.isfinite(cost):
                break
            towards, further, steeper, used = self.with_prices(self.extreme(slopes), alpha, exact)
            points += used
            if further <= cost + GAIN * abs(cost):
                break
            at, cost, slopes = towards, further, steeper
        return at, cost, points

    def with_prices(self, direction: Direction, alpha: float, exact: bool) -> tuple[Direction, float, Slopes, int]:
        """A direction with the worst prices beside the rest of it, its cost, its slopes, and the points asked."""
        points = 1
        if "price" in self.uncertainty.shapes:
            prices, top = self.dearest(direction, alpha, exact=exact)
            direction, points = {**direction, **prices}, points + top.asked
        (cost,), (slopes,) = self.costs([direction], alpha, exact=exact)
        return direction, float(cost), slopes, points

    def reach(self, budget: float, most: float) -> Reach:
        """The largest alpha up to ``most`` at which the adversary finds no point over the budget.

        Below 0, with an attack at ``most``, where not even alpha 0 is within the budget, or no end was found. Where he
        climbs, each time from other starts, he may find a point a little worse without end: then alpha gives way by
        more than that point asks for, after the deadline by much.
        """
        at_zero = self.worst(0.0).cost if self.uncertainty.held else self.costs([self.found.first], 0.0)[0][0]
        if at_zero > budget * (1.0 + BREAK):
            return Reach(-1.0, self.worst(most), limited=True, proven=True)
        alpha, attack = most, self.worst(most)
        if attack.cost <= budget * (1.0 + BREAK):
            return Reach(float(alpha), attack, limited=False, proven=attack.proven)
        yielded = 0.0
        for step in range(STEPS):
            alpha = (1.0 - yielded) * self.along(attack.around, budget, alpha)
            further = self.worst(alpha)
            if further.cost <= budget * (1.0 + BREAK):
                return Reach(float(alpha), attack, limited=True, proven=further.proven)
            attack = further
            if self.late or (self.found.rays is None and step >= FREE):
                yielded = max(LATE if self.late else YIELDED, 2.0 * yielded)
        return Reach(-1.0, attack, limited=True, proven=False)

    def along(self, direction: Direction, budget: float, most: float) -> float:
        """The largest alpha below ``most`` at which a direction is within the budget and the limits.

        By Newton steps on the cost, by secants of what limits are broken by; else by halves.
        """
        low, high, alpha = 0.0, most, most
        broken: tuple[float, float] | None = None
        near = NEAR_LIMIT
        for _ in range(STEPS):
            (cost,), (slopes,), (violation,) = self.asked([direction], alpha)
            over = cost - budget
            if over <= BREAK * abs(budget):
                low = alpha
                if over >= -BREAK * abs(budget):
                    return float(alpha)
            else:
                high = alpha
            slope = self.slope_along(direction, slopes)
            guess = alpha - over / slope if slope > 0.0 and np.isfinite(over) else np.nan
            if violation > 0.0:
                guess = without_violation(broken, (alpha, violation))
                broken, near = (alpha, violation), NEAR_LIMIT
            elif broken is not None:  # the limit lies just beyond, as the chord says; else farther and farther
                guess, near = low + 0.9 * near * high, FARTHER * near
            alpha = guess if low < guess < high else 0.5 * (low + high)
            enough = LATE if self.late else NEAR_LIMIT if broken is not None else BREAK
            if high - low <= enough * max(high, BREAK):
                break
        return float(low)

    def needed(self, direction: Direction, budget: float, most: float) -> float:
        """The smallest alpha up to ``most`` at which a direction comes within the budget; below 0 where none does.

        By Newton steps from the forecast, which a convex cost never takes beyond that alpha; then by halves.
        """
        low, high = 0.0, 0.0
        for _ in range(STEPS):
            (cost,), (slopes,) = self.costs([direction], high)
            if cost <= budget * (1.0 + BREAK):
                break
            slope = self.slope_along(direction, slopes)
            if not np.isfinite(cost) or slope >= 0.0 or high >= most:
                return -1.0
            low, high = high, float(min(most, high + 1.001 * (budget - cost) / slope))
        else:
            return -1.0
        while high - low > BREAK * max(high, BREAK):
            (cost,), _ = self.costs([direction], 0.5 * (low + high))
            low, high = (low, 0.5 * (low + high)) if cost <= budget else (0.5 * (low + high), high)
        return high

    def slope_along(self, direction: Direction, slopes: Slopes) -> float:
        """How the cost changes per unit of alpha along a direction."""
        deviations = self.uncertainty.deviations
        moving = [(q, c) for q, c in self.uncertainty.series() if q not in self.uncertainty.held]
        return sum(float(slopes[q, c] @ deviations(direction, q, c)) for q, c in moving)


def distinct(directions: Sequence[Direction]) -> list[Direction]:
    """Directions without those that stand before them already."""
    return [direction for n, direction in enumerate(directions) if direction not in directions[:n]]


def without_violation(before: tuple[float, float] | None, now: tuple[float, float]) -> float:
    """The alpha at which the chord of violations at two alphas ends; not a number where they do not say."""
    if before is None or not np.isfinite(before[1] + now[1]) or before[1] <= now[1]:
        return np.nan
    return now[0] - now[1] * (before[0] - now[0]) / (before[1] - now[1])
