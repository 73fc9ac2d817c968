"""The uncertainty set of a study: one shape a quantity, all under the same alpha."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from igdt_planner.infogap.shapes import Floats, Pair, Shape
from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.plan import FORECAST, Factors, Realisation, value_at
from igdt_planner.study import Direction, Study

Ray = tuple[Direction, Direction]
"""A direction of the set, and one that may lie a little outside: the hull of all of the latter holds the set."""
ALIKE = -1
"""The component of deviations that all buses or units share."""
LOADS: tuple[Quantity, ...] = ("load", "active_load", "reactive_load")


@dataclass(frozen=True)
class UncertaintySet:
    """The deviations that a study's quantities may have per unit of alpha.

    Attributes
    ----------
    periods : tuple of int
        Numbers of the periods, in order.
    shapes : mapping
        Shape by quantity.
    components : mapping
        By quantity the buses or lines that deviate on their own; ``(-1,)`` where all deviate alike.
    held : mapping
        By quantity a radius that is its own; alpha is that of the others.
    """

    periods: tuple[int, ...]
    shapes: Mapping[Quantity, Shape]
    components: Mapping[Quantity, tuple[int, ...]]
    held: Mapping[Quantity, float] = field(default_factory=dict)

    def series(self) -> list[tuple[Quantity, int]]:
        """Every series that deviates on its own: quantity and component."""
        return [(quantity, component) for quantity in self.shapes for component in self.components[quantity]]

    def gauge(self, direction: Direction) -> float:
        """The smallest alpha whose set holds a deviation."""
        found = [self.shapes[q].gauge(self.deviations(direction, q, c)) for q, c in self.series()]
        return max(found, default=0.0)

    def deviations(self, direction: Direction, quantity: Quantity, component: int) -> Floats:
        """The series of a component in a direction, shape (periods,)."""
        values = direction.get(quantity, 0.0)
        return np.array([value_at(values, component, t, 0.0) for t in self.periods])

    def direction(self, points: Mapping[tuple[Quantity, int], Floats]) -> Direction:
        """The direction made of one series each."""
        found: dict[str, Factors] = {}
        for quantity, components in self.components.items():
            by_component = {c: points[quantity, c].tolist() for c in components if (quantity, c) in points}
            if not by_component:
                continue
            values: dict[int | tuple[int, int], float] = {}
            for c, series in by_component.items():
                for t, value in zip(self.periods, series, strict=True):
                    values[t if c == ALIKE else (c, t)] = value
            found[quantity] = shortened(values)
        return found

    def combined(self, lists: Mapping[Quantity, list[Pair] | None], most: int) -> list[Ray] | None:
        """Every combination of points by quantity, all components alike to the same side or each on its own.

        Quantities that are not among the lists stay at their forecast. None where a quantity's list is None, or there
        are more than ``most`` combinations.
        """
        series = [(quantity, component) for quantity, component in self.series() if quantity in lists]
        found = [lists[quantity] for quantity, _ in series]
        if any(points is None for points in found) or np.prod([float(len(points or ())) for points in found]) > most:
            return None
        rays = []
        for pairs in product(*(points or [] for points in found)):
            inner, outer = ({key: pair[n] for key, pair in zip(series, pairs, strict=True)} for n in (0, 1))
            rays.append((self.direction(inner), self.direction(outer)))
        return rays

    def sample(self, rng: np.random.Generator, count: int) -> dict[tuple[Quantity, int], Floats]:
        """Random deviations inside the set by series, each of shape (count, periods)."""
        return {(q, c): self.shapes[q].sample(rng, count) for q, c in self.series()}

    def draw(self, rng: np.random.Generator, count: int) -> list[Direction]:
        """Random directions inside the set."""
        series = self.sample(rng, count)
        return [self.direction({key: rows[n] for key, rows in series.items()}) for n in range(count)]

    def moving(self, direction: Direction) -> Direction:
        """What of a direction goes on with alpha."""
        return {quantity: values for quantity, values in direction.items() if quantity not in self.held}

    def realise(self, direction: Direction, alpha: float, at: Realisation = FORECAST) -> Realisation:
        """The point at ``alpha`` along a direction; what would leave its physical range stands at the end of it.

        Quantities that the set does not have stay where they are.
        """
        factors: dict[str, Factors] = {}
        for quantity, shape in self.shapes.items():
            most, values = shape.entry.physical_max, direction.get(quantity, 0.0)
            radius = self.held.get(quantity, alpha)
            if isinstance(values, float | int):
                factors[quantity] = float(min(max(0.0, 1.0 + values * radius), most))
            else:
                factors[quantity] = shortened(
                    {k: float(min(max(0.0, 1.0 + v * radius), most)) for k, v in values.items()}
                )
        return dataclasses.replace(at, **factors)


def shortened(values: Mapping[int | tuple[int, int], float]) -> Factors:
    """One number where all are alike, else the numbers."""
    alike = set(values.values())
    return alike.pop() if len(alike) == 1 else values


def set_of(study: Study) -> UncertaintySet:
    """The uncertainty set that a study's model states."""
    hours = np.array([period.hours for period in study.periods.values()])
    shapes = {entry.quantity: Shape(entry, hours) for entry in study.model.uncertain}
    components = {quantity: components_of(study, quantity, shape) for quantity, shape in shapes.items()}
    return UncertaintySet(tuple(study.periods), shapes, components)


def components_of(study: Study, quantity: Quantity, shape: Shape) -> tuple[int, ...]:
    """What deviates on its own; a price is one for all."""
    return (ALIKE,) if shape.common or quantity == "price" else members(study, quantity)


def members(study: Study, quantity: Quantity) -> tuple[int, ...]:
    """What a quantity is a quantity of: buses with load, buses where a unit may stand, rated lines."""
    if quantity == "line_rating":
        return tuple(line.id for line in study.lines.values() if np.isfinite(line.i_sq_ub))
    if quantity in LOADS:
        loaded = {bus for mode in study.modes.values() for (bus, _), p in mode.p_load.items() if p}
        loaded |= {bus for mode in study.modes.values() for (bus, _), q in mode.q_load.items() if q}
        return tuple(sorted(loaded))
    return tuple(sorted({bus for (bus, _), tech in study.dg.items() if AVAILABILITY[tech.source] == quantity}))
