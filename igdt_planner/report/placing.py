"""Where labels and badges stand so that they cover nothing: positions in the drawing's own units."""

from __future__ import annotations

import numpy as np

from igdt_planner.report.routes import Points

DIRECTIONS = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0))
SHARES = (0.5, 0.42, 0.58, 0.33, 0.67)
"""Where along a line its label may stand."""

ENOUGH = 0.55
"""More free space than this is not worth moving for."""


def place_badge(bus: Points, crowd: Points, reach: float) -> Points:
    """The place at distance ``reach`` from a bus with most free space around it, up and down preferred."""
    others = crowd[np.linalg.norm(crowd - bus, axis=1) > 0.3]
    ways = np.array(DIRECTIONS, dtype=float)
    places: Points = bus + reach * ways / np.linalg.norm(ways, axis=1)[:, None]
    space = _space(places, others) - 0.01 * np.arange(len(places))
    best: Points = places[int(space.argmax())]
    return best


def place_label(route: Points, crowd: Points, half_size: Points, gap: float) -> Points:
    """Centre of a label beside a route where most is free, the middle of the route preferred.

    Parameters
    ----------
    route, crowd : array, shape (points, 2)
        The labelled line, and points of everything else.
    half_size : array, shape (2,)
        Half the width and height of the label.
    gap : float
        Free space between label and route.
    """
    places = []
    for share in SHARES:
        at, way = _along(route, share)
        for side in (1.0, -1.0):
            normal = side * np.array([-way[1], way[0]])
            places.append(at + normal * (gap + float(np.abs(normal) @ half_size)))
    spots: Points = np.array(places)
    best: Points = spots[int((_space(spots, crowd) - 0.01 * np.arange(len(spots))).argmax())]
    return best


def dense(route: Points) -> Points:
    """Points along a route, close enough together to measure distances to it."""
    return np.linspace(route[0], route[1], 13) if len(route) == 2 else route


def _space(places: Points, crowd: Points) -> Points:
    """Distance from each place to the nearest point of the crowd, as far as it matters."""
    distance = np.linalg.norm(places[:, None] - crowd, axis=2)
    nearest: Points = np.minimum(distance.min(axis=1, initial=np.inf), ENOUGH)
    return nearest


def _along(route: Points, share: float) -> tuple[Points, Points]:
    """Point at a share of a route's length, and the direction there."""
    steps = np.linalg.norm(np.diff(route, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    piece = int(np.clip(np.searchsorted(reached, share * reached[-1]) - 1, 0, len(steps) - 1))
    way = (route[piece + 1] - route[piece]) / (steps[piece] or 1.0)
    place: Points = route[piece] + way * (share * reached[-1] - reached[piece])
    return place, way
