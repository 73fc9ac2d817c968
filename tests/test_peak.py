"""The highest point of a concave function over a convex set, by hand and by brute force."""

from itertools import product

import numpy as np
import pytest

from igdt_planner.infogap.peak import peak
from igdt_planner.infogap.shapes import Floats, Shape
from igdt_planner.model import Uncertain


def shape(**fields: object) -> Shape:
    return Shape(Uncertain.model_validate({"quantity": "price", "physical_max": 2.0} | fields), np.ones(2))


def least_of(*planes: tuple[float, float, float]):  # type: ignore[no-untyped-def]
    """The function ``min (c + g . d)`` with its slope."""
    levels, slopes = np.array([p[0] for p in planes]), np.array([p[1:] for p in planes])

    def ask(point: Floats) -> tuple[float, Floats]:
        values = levels + slopes @ point
        n = int(np.argmin(values))
        return float(values[n]), slopes[n]

    return ask


@pytest.mark.parametrize(
    ("fields", "highest"),
    [
        ({"shape": "fractional"}, 4.0),
        ({"shape": "minkowski", "norm": 1}, 3.0),
        ({"shape": "minkowski", "norm": 2}, 2.0 + 2.0**0.5),
    ],
    ids=["box", "cross", "circle"],
)
def test_peak_by_hand(fields: dict[str, object], highest: float) -> None:
    """``min (2 + 2 x, 2 + 2 y)`` is highest where both deviate alike: at no vertex of the cross."""
    box = shape(**fields)
    found = peak(least_of((2.0, 2.0, 0.0), (2.0, 0.0, 2.0)), box.extreme, np.zeros(2), 1e-7)
    assert found.value == pytest.approx(highest, rel=1e-6)
    assert found.value <= found.bound <= highest * (1.0 + 1e-6)
    assert found.point[0] == pytest.approx(found.point[1], abs=1e-5)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("norm", [1, 2, "infinity"])
def test_peak_against_a_fine_grid(norm: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ask = least_of(*[(10.0 + rng.random(), *rng.standard_normal(2)) for _ in range(6)])
    ball = shape(shape="minkowski", norm=norm)
    found = peak(ask, ball.extreme, np.zeros(2), 1e-7)
    grid = [np.array(point) for point in product(np.linspace(-1.0, 1.0, 33), repeat=2)]
    most = max(ask(point)[0] for point in grid if ball.gauge(point) <= 1.0)
    assert most * (1.0 - 1e-9) <= found.value <= most + 0.2
    assert found.bound - found.value <= 1e-6 * found.value
    assert ball.gauge(found.point) <= 1.0 + 1e-9


def test_peak_ends_where_the_value_is_infinite() -> None:
    found = peak(lambda d: (np.inf, np.zeros(2)), shape().extreme, np.zeros(2), 1e-7)
    assert found.value == found.bound == np.inf and found.asked == 1
