"""The corner of the uncertainty set: what justifies it, how far alpha goes, which vertices an adversary tries."""

from typing import Any

import pytest
from golden.studies import CASE, CONNECTED, MODEL, study

from igdt_planner.igdt import alpha_limit, corner_faults, horizon, justification, vertices
from igdt_planner.model import Model
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
        name: justification(horizon(uncertain(*entries), "robust", 1.0))
        for name, entries in {
            "dg": [DG],
            "load": [LOAD],
            "both": [DG, LOAD],
            "weightless": [DG, LOAD | {"weight": 0}],
        }.items()
    }
    assert words["dg"].startswith("corner (dg_availability down), justified: ")
    assert "voltage" not in words["dg"]
    assert "but for voltage limits" in words["load"]
    assert words["both"].startswith("corner (dg_availability down, load up), justified: ")
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
    assert alpha_limit(planned, dict.fromkeys(asked.deviation, 0.0)) == 0.0


def test_vertices_stay_within_physical_ranges() -> None:
    planned = uncertain(DG | {"physical_max": 1.0}, LOAD | {"weight": 1.5, "physical_max": 3.0})
    asked = horizon(planned, "robust", 1.0)
    seen: set[tuple[float, float]] = set()
    for vertex in vertices(planned, asked, alpha=0.8, count=20, seed=1):
        loads = vertex.modes["connected"].p_load[3, 2] / planned.modes["connected"].p_load[3, 2]
        seen.add((round(vertex.dg_factor[3, 2], 9), round(loads, 9)))
    assert seen == {(low, load) for low in (0.2, 1.0) for load in (0.0, 2.2)}


def test_vertices_move_only_what_is_uncertain() -> None:
    planned = uncertain(DG)
    (vertex,) = vertices(planned, horizon(planned, "robust", 1.0), alpha=0.1, count=1, seed=0)
    assert vertex.modes["connected"].p_load == planned.modes["connected"].p_load
    assert Model.model_validate(planned.model.model_dump()) == planned.model
