"""The corner of the uncertainty set: what justifies it, how far alpha goes, which vertices an adversary tries."""

from typing import Any

import pytest
from golden.studies import CASE, CONNECTED, MODEL, study

from igdt_planner.infogap.uncertainty import set_of
from igdt_planner.infogap.worst_case import ambiguity, corner_faults, horizon, justification
from igdt_planner.study import Study

LOSSES = {"term": "losses", "mode": "connected"}
DEVIATION = {"term": "voltage_deviation", "mode": "connected"}


def uncertain(*entries: dict[str, Any], **model: Any) -> Study:
    """The connected half of the tiny model with uncertain quantities."""
    own = {"modes": {"connected": CONNECTED}, "objective": [LOSSES], "uncertain": list(entries)}
    return study(CASE, MODEL | own | model)


DG: dict[str, Any] = {"quantity": "dg_availability"}
LOAD: dict[str, Any] = {"quantity": "load"}


def test_load_up_is_refused_where_voltages_have_a_price() -> None:
    (fault,) = corner_faults(uncertain(LOAD, objective=[LOSSES, DEVIATION]))
    assert fault.path == "/model/objective/1/term"
    assert "voltage_deviation" in fault.message
    assert corner_faults(uncertain(LOAD, objective=[LOSSES, DEVIATION | {"weight": 0.0}])) == []
    assert corner_faults(uncertain(DG, objective=[LOSSES, DEVIATION])) == []


def test_justification_says_no_more_of_a_quantity_than_is_proven() -> None:
    words = {
        name: justification(ambiguity(uncertain(*entries), "robust"), "robust")
        for name, entries in {
            "dg": [DG],
            "load": [LOAD],
            "both": [DG, LOAD],
            "weightless": [DG, LOAD | {"weight": 0}],
        }.items()
    }
    assert words["dg"].startswith("corner (DG down), justified: ")
    assert "voltage" not in words["dg"]
    assert "but for voltage limits" in words["load"]
    assert words["both"].startswith("corner (DG down, load up), justified: ")
    assert words["weightless"] == words["dg"]


@pytest.mark.parametrize(
    ("sense", "limit"),
    [("robust", 0.6 / 0.5), ("opportunity", 1.0 / 0.5)],
    ids=["load reaches its largest value first", "load reaches 0 first"],
)
def test_alpha_is_searched_up_to_the_range_of_the_first_quantity(sense: Any, limit: float) -> None:
    planned = uncertain(DG | {"weight": 0.4, "physical_max": 3.0}, LOAD | {"weight": 0.5, "physical_max": 1.6})
    asked = horizon(planned, sense, 1.0)
    assert asked.alpha_ub == pytest.approx(limit)


def test_points_stay_within_physical_ranges() -> None:
    planned = uncertain(DG | {"physical_max": 1.0}, LOAD | {"weight": 1.5, "physical_max": 3.0})
    uncertainty = set_of(planned)
    points = uncertainty.combined({quantity: shape.vertices() for quantity, shape in uncertainty.shapes.items()}, 10**6)
    assert points is not None
    realised = [uncertainty.realise(direction, 0.8) for direction, _ in points]
    seen = {(round(r.at("dg_availability", 3, 2), 9), round(r.at("load", 3, 2), 9)) for r in realised}
    assert seen == {(low, load) for low in (0.2, 1.0) for load in (0.0, 2.2)}
