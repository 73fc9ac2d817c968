"""Shapes of the uncertainty set: what they hold, their extreme points, and a polytope around every ball."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igdt_planner.errors import InputError
from igdt_planner.infogap.shapes import Floats, Shape
from igdt_planner.model import Model, Uncertain

HOURS = np.array([1.0, 2.0, 0.5])
SHAPES: dict[str, dict[str, Any]] = {
    "fractional": {},
    "envelope": {"shape": "envelope", "psi": (1.0, 0.0, 0.5)},
    "interval": {"shape": "interval", "down": 0.5, "up": 2.0},
    "slope": {"shape": "slope"},
    "energy": {"shape": "energy"},
    "norm 1": {"shape": "minkowski", "norm": 1},
    "norm 2": {"shape": "minkowski", "norm": 2},
    "norm infinity": {"shape": "minkowski", "norm": "infinity"},
    "budgeted": {"shape": "budgeted", "gamma": 2},
}


def shape(name: str, direction: str = "both", weight: float = 0.4, hours: Floats = HOURS) -> Shape:
    entry = Uncertain.model_validate(
        {"quantity": "load", "weight": weight, "direction": direction, "physical_max": 3.0} | SHAPES[name]
    )
    return Shape(entry, hours)


numbers = st.floats(-1.0, 1.0, allow_nan=False).map(lambda value: round(value, 6))
gradients = st.tuples(numbers, numbers, numbers).map(np.array)
each = pytest.mark.parametrize("name", SHAPES)
sided = pytest.mark.parametrize("direction", ["down", "up", "both"])


@each
@sided
def test_samples_lie_inside_and_on_the_allowed_side(name: str, direction: str) -> None:
    own = shape(name, direction)
    for series in own.sample(np.random.default_rng(0), 50):
        assert own.gauge(series) <= 1.0 + 1e-9
        assert direction != "down" or (series <= 0.0).all()
        assert direction != "up" or (series >= 0.0).all()


@each
@sided
@given(gradient=gradients)
@settings(max_examples=15, deadline=None)
def test_nothing_goes_farther_than_the_extreme_point(name: str, direction: str, gradient: Floats) -> None:
    own = shape(name, direction)
    extreme = own.extreme(gradient)
    assert own.gauge(extreme) <= 1.0 + 1e-6
    samples = own.sample(np.random.default_rng(1), 40)
    assert (samples @ gradient).max() <= float(extreme @ gradient) + 1e-9


@each
@given(gradient=gradients)
@settings(max_examples=15, deadline=None)
def test_points_to_one_side_hold_all_that_counts_there(name: str, gradient: Floats) -> None:
    """Inner points lie in the set; the hull of the outer ones goes at least as far as the set along any slope up."""
    own, up = shape(name), np.abs(gradient)
    pairs = own.farthest(1.0)
    assert pairs is not None
    assert all(own.gauge(inner) <= 1.0 + 1e-9 for inner, _ in pairs)
    farthest = float(own.extreme(up) @ up)
    assert max(float(inner @ up) for inner, _ in pairs) <= farthest + 1e-9
    assert max(float(outer @ up) for _, outer in pairs) >= farthest - 1e-9


@each
@sided
@given(gradient=gradients)
@settings(max_examples=15, deadline=None)
def test_vertices_go_as_far_as_the_set(name: str, direction: str, gradient: Floats) -> None:
    """Along slopes of mixed sign too: to a side that is barred, 0 is the farthest."""
    own = shape(name, direction)
    pairs = own.vertices()
    if pairs is None:
        assert (own.curved and direction == "both") or (name == "slope" and direction != "both")
        return
    farthest = float(own.extreme(gradient) @ gradient)
    assert max(float(point @ gradient) for point, _ in pairs) <= farthest + 1e-9
    assert max(float(outer @ gradient) for _, outer in pairs) >= farthest - 1e-9
    assert all(own.gauge(point) <= 1.0 + 1e-9 for point, _ in pairs)


@each
def test_gauge_is_the_alpha_whose_set_just_holds_a_series(name: str) -> None:
    own = shape(name)
    extreme = own.extreme(np.array([1.0, 0.0, 0.6]))
    for size in (0.2, 1.0, 3.0):
        assert own.gauge(size * extreme) == pytest.approx(size, rel=1e-6)
    assert own.gauge(np.zeros(3)) == 0.0


def test_reach_by_hand() -> None:
    by_hand = {
        "fractional": [0.4, 0.4, 0.4],
        "envelope": [0.4, 0.0, 0.2],
        "slope": [0.4, 1.2, 1.4],
        "energy": [0.4, 0.4 / 2**0.5, 0.4 * 2**0.5],
        "norm 1": [0.4, 0.4, 0.4],
        "budgeted": [0.4, 0.4, 0.4],
    }
    for name, reach in by_hand.items():
        assert shape(name).reach()[1].tolist() == pytest.approx(reach), name
    down, up = shape("interval").reach()
    assert (down.tolist(), up.tolist()) == (pytest.approx([0.2] * 3), pytest.approx([0.8] * 3))


def test_what_lies_outside() -> None:
    assert shape("fractional", "down").gauge(np.array([0.1, 0.0, 0.0])) == np.inf
    assert shape("budgeted").gauge(np.array([0.1, 0.1, 0.1])) == np.inf
    assert shape("envelope").gauge(np.array([0.0, 0.1, 0.0])) == np.inf
    assert shape("norm 1").gauge(np.array([0.2, -0.2, 0.4])) == pytest.approx(2.0)
    assert shape("norm 2").gauge(np.array([0.0, -0.24, 0.32])) == pytest.approx(1.0)


def test_a_ball_of_many_periods_has_no_polytope() -> None:
    assert shape("norm 2", hours=np.ones(7)).farthest(1.0) is None


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a parameter of another shape": ({"shape": "slope", "gamma": 1}, "takes no gamma"),
    "no envelope": ({"shape": "envelope"}, "needs psi"),
    "no budget of periods": ({"shape": "budgeted"}, "needs gamma"),
    "no norm": ({"shape": "minkowski"}, "needs norm"),
    "a norm of 3": ({"shape": "minkowski", "norm": 3}, "norm"),
    "an unknown shape": ({"shape": "elipsoid"}, "shape"),
    "an unknown quantity": ({"quantity": "lod"}, "quantity"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_in_words(name: str) -> None:
    from igdt_planner.model import load_model

    entry, word = FAULTS[name]
    document = {
        "name": "m",
        "unit": "MWh",
        "modes": {"connected": {"weight": 1.0}},
        "objective": [{"term": "losses", "mode": "connected"}],
        "uncertain": [{"quantity": "load"} | entry],
    }
    with pytest.raises(InputError, match=word):
        load_model(document)
    assert Model.model_validate(document | {"uncertain": []}).uncertain == ()
