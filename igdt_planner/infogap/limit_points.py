"""Points of the uncertainty set at which limits of the network are nearest: guesses, which AC re-dispatch judges.

Each limit has its own worst points. The highest voltage of a bus is where injections are, the lowest where they are
not, each bus by the sign of ``R p + X q`` (so that leading power factors turn it); the largest current of a line is
where what lies behind it is large, or small. Only what must run counts: loads, must-take units and a storage schedule
that stands. All else answers, so that less of it only takes choices away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from igdt_planner.formulation.solution import Decisions
from igdt_planner.infogap.shapes import Floats
from igdt_planner.infogap.uncertainty import ALIKE, LOADS, UncertaintySet
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.study import Direction, Study, StudyMode

NEAR_PU, NEAR_LOADING = 0.03, 0.5
"""How far from a limit a voltage (pu) and a loading (share) may be estimated, so that its worst point is tried."""
MOST = 48
"""Most points that are tried: those estimated nearest to a limit, or farthest beyond."""
FAINT = 1e-6
"""Slope of what only takes choices away, beside those of what must run."""
LIMITS = ("v_sq_lb", "v_sq_ub")

Slopes = dict[tuple[Quantity, int], Floats]
"""How much a limit is strained by every series, per period."""


@dataclass(frozen=True)
class Fed:
    """The closed lines of a mode in a period as trees: which line lies on the way to which bus.

    Attributes
    ----------
    mode : StudyMode
    periods : list of int
        Positions of the periods that have this topology.
    on_way : array, shape (buses, lines)
        1 where a closed line lies between a bus and its root.
    root_sq : array, shape (buses,)
        Squared voltage of the root; 1 in islands, NaN at dead buses.
    """

    mode: StudyMode
    periods: list[int]
    on_way: Floats
    root_sq: Floats


class LimitPoints:
    """Worst points of the limits of decided sites, topology and storage schedule."""

    def __init__(
        self, study: Study, decisions: Decisions, uncertainty: UncertaintySet, schedule: Mapping[str, float] | None
    ) -> None:
        self.study, self.uncertainty = study, uncertainty
        self.buses, self.lines = list(study.buses), list(study.lines)
        self.place = {bus: n for n, bus in enumerate(self.buses)}
        self.r, self.x = (np.array([getattr(line, name) for line in study.lines.values()]) for name in ("r", "x"))
        self.rating = np.sqrt([line.i_sq_ub for line in study.lines.values()])
        self.built = {(site.bus, site.technology) for site in decisions.dg}
        self.forming = {site.bus for site in (*decisions.dg, *decisions.ess)}
        self.trees = [tree for mode in study.modes.values() for tree in self.fed(mode, decisions)]
        self.stored = self.scheduled(schedule or {})

    def fed(self, mode: StudyMode, decisions: Decisions) -> Iterator[Fed]:
        """The trees of a mode, one for every topology that it has."""
        by_topology: dict[tuple[int, ...], list[int]] = {}
        for n, t in enumerate(self.study.periods):
            by_topology.setdefault(decisions.open_lines[mode.name][t], []).append(n)
        for opened, periods in by_topology.items():
            on_way = np.zeros((len(self.buses), len(self.lines)))
            root_sq = np.full(len(self.buses), np.nan)
            roots = dict(mode.sources) if not mode.islanded else dict.fromkeys(sorted(self.forming), 1.0)
            self.walk(roots, set(opened), on_way, root_sq)
            yield Fed(mode, periods, on_way, root_sq)

    def walk(self, roots: Mapping[int, float], opened: set[int], on_way: Floats, root_sq: Floats) -> None:
        """Go from roots along closed lines, and note for each bus the way there."""
        neighbours: dict[int, list[tuple[int, int]]] = {bus: [] for bus in self.buses}
        for n, line in enumerate(self.study.lines.values()):
            if line.id not in opened:
                neighbours[line.i].append((line.j, n))
                neighbours[line.j].append((line.i, n))
        for root, v_sq in roots.items():
            if not np.isnan(root_sq[self.place[root]]):
                continue
            root_sq[self.place[root]] = v_sq
            reached = [root]
            for bus in reached:
                for other, n in neighbours[bus]:
                    if np.isnan(root_sq[self.place[other]]):
                        root_sq[self.place[other]] = v_sq
                        on_way[self.place[other]] = on_way[self.place[bus]]
                        on_way[self.place[other], n] = 1.0
                        reached.append(other)

    def scheduled(self, schedule: Mapping[str, float]) -> dict[str, Floats]:
        """Power of storage whose schedule stands by mode, shape (periods, buses), in per unit."""
        found = {name: np.zeros((len(self.study.periods), len(self.buses))) for name in self.study.modes}
        for name in self.study.modes:
            for bus, technology in self.study.ess:
                for n, t in enumerate(self.study.periods):
                    key = f"[{bus},{technology},{t}]"
                    given = schedule.get(f"mode[{name}].p_discharge{key}", 0.0)
                    found[name][n, self.place[bus]] += given - schedule.get(f"mode[{name}].p_charge{key}", 0.0)
        return found

    def effects(self, mode: StudyMode) -> dict[Quantity, tuple[Floats, Floats]]:
        """Change of what must run (P and Q) per unit of deviation of each quantity, each of shape (periods, buses)."""
        shape = len(self.study.periods), len(self.buses)
        p, q = (np.array([[load[b, t] for b in self.buses] for t in self.study.periods]).reshape(shape)
                for load in (mode.p_load, mode.q_load))  # fmt: skip
        none = np.zeros(shape)
        found: dict[Quantity, tuple[Floats, Floats]] = {
            "load": (-p, -q),
            "active_load": (-p, none),
            "reactive_load": (none, -q),
        }
        for source, quantity in AVAILABILITY.items():
            must = none.copy()
            for bus, name in self.built:
                tech = self.study.dg[bus, name]
                if tech.source == source and tech.must_take and not mode.islanded:
                    share = [period.share[source] for period in self.study.periods.values()]
                    must[:, self.place[bus]] += np.array(share) * tech.p_mw / self.study.base_mva
            found[quantity] = must, none
        return found

    def at(self, alpha: float) -> list[Direction]:
        """Directions whose points at a radius are the worst of some limit that is near, the nearest first."""
        found: dict[bytes, tuple[float, Direction]] = {}
        for tree in self.trees:
            effects = self.effects(tree.mode)
            resistance, reactance = ((tree.on_way * z) @ tree.on_way.T for z in (self.r, self.x))
            for slopes in self.strains(tree, effects, resistance, reactance):
                points = {key: self.uncertainty.shapes[key[0]].extreme(slope) for key, slope in slopes.items()}
                key = b"".join(np.round(series, 9).tobytes() for series in points.values())
                if key in found:
                    continue
                excess = self.excess(tree, effects, resistance, reactance, points, alpha)
                found[key] = excess, self.uncertainty.direction(points)
        ranked = sorted((item for item in found.values() if item[0] >= 0.0), key=lambda item: -item[0])
        return [direction for _, direction in ranked[:MOST]]

    def strains(
        self, tree: Fed, effects: Mapping[Quantity, tuple[Floats, Floats]], resistance: Floats, reactance: Floats
    ) -> Iterator[Slopes]:
        """Slopes of the highest and lowest voltage of every live bus, and of the current of every rated line."""
        live, seen = np.flatnonzero(~np.isnan(tree.root_sq)), set()
        quantities = {q: effects[q] for q in self.uncertainty.shapes if q in effects}
        for bus in live:
            lift = {q: p * resistance[bus] + r * reactance[bus] for q, (p, r) in quantities.items()}
            signature = b"".join(np.round(by_bus / max(np.abs(by_bus).max(), 1e-12), 2).tobytes()
                                 if not self.uncertainty.shapes[q].box else np.sign(by_bus).astype(np.int8).tobytes()
                                 for q, by_bus in lift.items())  # fmt: skip
            if signature not in seen:
                seen.add(signature)
                for side in (1.0, -1.0):
                    yield self.by_series({q: side * by_bus for q, by_bus in lift.items()})
        for line in np.flatnonzero(np.isfinite(self.rating) & tree.on_way.any(axis=0)):
            behind = tree.on_way[:, line]
            p, q = (power @ behind for power in self.run(tree.mode, effects))
            size = np.maximum(np.hypot(p, q), 1e-9)
            flow = {
                key: (by_p * (p / size)[:, None] + by_q * (q / size)[:, None]) * behind
                + FAINT * (by_p + by_q) * (1.0 - behind)
                for key, (by_p, by_q) in quantities.items()
            }
            for side in (1.0, -1.0):
                yield self.by_series({key: side * by_bus for key, by_bus in flow.items()})

    def run(self, mode: StudyMode, effects: Mapping[Quantity, tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """What must run at the forecast, P and Q in per unit, each of shape (periods, buses)."""
        p, q = effects["load"]
        return p + sum(effects[quantity][0] for quantity in AVAILABILITY.values()) + self.stored[mode.name], q

    def by_series(self, strain: Mapping[Quantity, Floats]) -> Slopes:
        """Slopes by series from slopes by bus; what is no load and need not run only takes choices away."""
        found: Slopes = {}
        for quantity, component in self.uncertainty.series():
            by_bus = strain.get(quantity)
            if by_bus is None or (quantity not in LOADS and not by_bus.any()):
                faint = 0.0 if quantity == "price" else -FAINT
                found[quantity, component] = np.full(len(self.study.periods), faint)
            else:
                found[quantity, component] = (
                    by_bus.sum(axis=1) if component == ALIKE else by_bus[:, self.place[component]]
                )
        return found

    def excess(
        self,
        tree: Fed,
        effects: Mapping[Quantity, tuple[Floats, Floats]],
        resistance: Floats,
        reactance: Floats,
        points: Mapping[tuple[Quantity, int], Floats],
        alpha: float,
    ) -> float:
        """How near what must run comes to a limit, or how far beyond: 0 where it counts as near, without losses."""
        p, q = (power.copy() for power in self.run(tree.mode, effects))
        for (quantity, component), series in points.items():
            if quantity not in effects:
                continue
            radius = self.uncertainty.held.get(quantity, alpha)
            for power, by_bus in ((p, effects[quantity][0]), (q, effects[quantity][1])):
                columns = slice(None) if component == ALIKE else [self.place[component]]
                power[:, columns] += radius * series[:, None] * by_bus[:, columns]
        p, q = p[tree.periods], q[tree.periods]
        live = ~np.isnan(tree.root_sq)
        v = np.sqrt(np.maximum(tree.root_sq + 2.0 * (p @ resistance + q @ reactance), 0.0))[:, live]
        low, high = (np.sqrt([getattr(bus, name) for bus in self.study.buses.values()])[live] for name in LIMITS)
        loading = np.hypot(p @ tree.on_way, q @ tree.on_way) / self.rating
        beyond = np.maximum(v - high, low - v).max(initial=-np.inf)
        return float(max(beyond + NEAR_PU, loading.max(initial=-np.inf) - NEAR_LOADING))
