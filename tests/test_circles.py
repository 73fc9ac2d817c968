"""Circles of inverters in a linear program: polygons around them, and tangents where a point leaves them."""

import numpy as np
import pytest

from igdt_planner.formulation import polygon
from igdt_planner.solver.problem import Circles, circle_tangents


def test_sides_along_the_axes_are_exact() -> None:
    """A rounded zero once proved a plan infeasible: bounds are derived by dividing by what is not 0."""
    assert [polygon.side(number, 32) for number in (0, 8, 16, 24)] == [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]


CIRCLES = Circles(*(np.array([column, column]) for column in (0, 1, 2)), np.array([3, -1]), np.array([0.5, 0.25]))
"""The same powers in two inverters: one of 0.5 pu where column 3 says that it is built, one of 0.25 pu."""


@pytest.mark.parametrize(
    ("point", "broken"),
    [
        ((0.0, 0.1, 0.2, 1.0), []),
        ((0.3, 0.0, -0.3, 1.0), [1]),
        ((0.0, 0.4, 0.4, 1.0), [0, 1]),
        ((0.0, 0.1, 0.0, 0.1), [0]),
        ((0.0, 0.0, 0.0, 0.0), []),
    ],
    ids=["inside both", "beyond the small one", "charging beyond both", "built in part", "nothing"],
)
def test_a_circle_gets_a_tangent_where_it_is_left(point: tuple[float, ...], broken: list[int]) -> None:
    x = np.array(point)
    rows = circle_tangents(CIRCLES, x, 4, 1e-9)
    assert len(rows.lower) == len(broken)
    assert np.all(rows.matrix @ x < rows.lower)  # it cuts the point off
    for angle in np.linspace(0.0, 2.0 * np.pi, 7):  # and no point of the circle
        for n, (radius, row) in enumerate(zip(CIRCLES.radius[broken], rows.matrix.toarray(), strict=True)):
            on = np.array([radius * np.cos(angle), 0.0, radius * np.sin(angle), 1.0])
            assert row @ on >= rows.lower[n] - 1e-12
