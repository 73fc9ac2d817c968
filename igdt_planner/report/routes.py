"""How the lines of a feeder are drawn: straight, or bent around what stands in the way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.case import Case
from igdt_planner.network import Edge, edges

Points = npt.NDArray[np.float64]

BULGES = (0.0, 0.12, -0.12, 0.25, -0.25, 0.4, -0.4, 0.6, -0.6)
"""How far a tie may bend, as a share of its length."""

CLEARANCE = 0.3
"""Free space a line keeps to buses, as a share of the median length of a line."""


def line_routes(case: Case, layout: pd.DataFrame) -> dict[int, Points]:
    """Points of every line, shape (points, 2), good for every topology of the case.

    Lines of the base topology are straight. Ties bend as little as keeps them clear of buses and other lines.
    """
    buses = layout[["x", "y"]].to_numpy(float)
    place = dict(zip(layout.index.tolist(), buses, strict=True))
    routes = {line: np.array([place[i], place[j]]) for line, i, j in lines_of(case, in_service=True)}
    for line, i, j in lines_of(case, in_service=False):
        chord = np.array([place[i], place[j]])
        drawn = np.concatenate([segments(route) for route in routes.values()] or [chord[None]])
        routes[line] = _bend(chord, buses, drawn)
    return routes


def lines_of(case: Case, *, in_service: bool) -> list[Edge]:
    """Lines that are closed, or open, in the base topology."""
    chosen = set(case.lines.loc[case.lines["in_service"] == in_service, "id"])
    return [edge for edge in edges(case) if edge[0] in chosen]


def _bend(ends: Points, buses: Points, others: Points) -> Points:
    """The arc between two buses that meets the fewest lines and buses; of equally good ones the straightest."""
    reach = CLEARANCE * float(np.median(np.linalg.norm(others[:, 1] - others[:, 0], axis=1)))
    arcs = [_arc(ends, bulge) for bulge in BULGES]
    return min(arcs, key=lambda arc: 3 * _buses_near(arc, ends, buses, reach) + crossings(segments(arc), others))


def _arc(ends: Points, bulge: float) -> Points:
    """Quadratic curve whose middle stands off the chord by ``bulge`` of its length."""
    start, end = ends
    if not bulge:
        return ends
    normal = np.array([start[1] - end[1], end[0] - start[0]])
    control = (start + end) / 2 + 2 * bulge * normal
    t = np.linspace(0.0, 1.0, 24)[:, None]  # 23 pieces never end on a line of the grid
    arc: Points = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return arc


def segments(route: Points) -> Points:
    """Straight pieces of a route, shape (pieces, 2 ends, 2)."""
    return np.stack([route[:-1], route[1:]], axis=1)


def _buses_near(route: Points, ends: Points, buses: Points, clearance: float) -> int:
    """How many buses, other than its own ends, a route passes within ``clearance``."""
    others = buses[~(buses[:, None] == ends).all(axis=2).any(axis=1)]
    start, way = route[:-1], np.diff(route, axis=0)
    length_sq = np.maximum((way**2).sum(axis=1), 1e-12)
    along = np.clip(((others[:, None] - start) * way).sum(axis=2) / length_sq, 0.0, 1.0)
    distance = np.linalg.norm(others[:, None] - (start + along[..., None] * way), axis=2)
    return int((distance.min(axis=1, initial=np.inf) < clearance).sum())


def crossings(first: Points, second: Points) -> int:
    """How often pieces of one set cross pieces of another; a shared end is no crossing."""

    def side(origin: Points, to: Points, points: Points) -> Points:
        way, off = to - origin, points - origin
        cross = way[..., 0] * off[..., 1] - way[..., 1] * off[..., 0]
        return np.where(np.abs(cross) < 1e-9, 0.0, np.sign(cross))

    if not len(first) or not len(second):
        return 0
    a, b, c, d = first[:, None, 0], first[:, None, 1], second[None, :, 0], second[None, :, 1]
    return int(((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)).sum())
