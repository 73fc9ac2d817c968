"""Reading a point back: which unit forms the grid of an island, and that dead units rest."""

import pyomo.environ as pyo
import pytest
from golden.studies import BATTERY, CASE, GAS, ISLANDED, MODEL, WIND, study

from igdt_planner.formulation import build
from igdt_planner.formulation.solution import Decisions, grid_forming, read_decisions, read_dispatch
from igdt_planner.model import Site
from igdt_planner.plan import FORECAST
from igdt_planner.study import Study

SMALL = GAS | {"name": "small", "p_mw": 1.0}
FOLLOWING = BATTERY | {"name": "following", "grid_forming": False}


def island() -> Study:
    """The tiny case as an island, every technology at every bus but the substation's."""
    model = {
        "modes": {"islanded": ISLANDED | {"reactive": False}},
        "objective": [{"term": "ens", "mode": "islanded"}],
        "losses": "none",
        "dg": {"max_units": 2, "technologies": [GAS, SMALL, WIND]},
        "ess": {"max_units": 2, "technologies": [BATTERY, FOLLOWING]},
    }
    return study(CASE, MODEL | model)


UNITS: dict[str, tuple[dict[int, str], dict[int, str], dict[int, tuple[float, float]], tuple[int, ...], list[int]]] = {
    # DG, ESS, what each ESS delivers and held before, open lines, grid-forming buses
    "largest DG": ({2: "small", 3: "gas"}, {}, {}, (3,), [3]),
    "smallest bus of equals": ({2: "gas", 3: "gas"}, {}, {}, (3,), [2]),
    "DG before storage": ({2: "small"}, {3: "battery"}, {3: (1.0, 3.0)}, (3,), [2]),
    "storage that delivers": ({3: "wind"}, {2: "battery", 3: "battery"}, {2: (0.0, 3.0), 3: (0.1, 1.0)}, (3,), [3]),
    "storage that is charged but holds energy": ({3: "wind"}, {2: "battery"}, {2: (0.0, 0.5)}, (3,), [2]),
    "empty storage": ({3: "wind"}, {2: "battery"}, {2: (0.0, 0.0)}, (3,), []),
    "storage that follows": ({}, {2: "following"}, {2: (1.0, 3.0)}, (3,), []),
    "one an island": ({2: "gas"}, {3: "battery"}, {3: (0.0, 1.0)}, (2, 3), [2, 3]),
}


def sites(units: dict[int, str]) -> tuple[Site, ...]:
    return tuple(Site(bus=bus, technology=name) for bus, name in units.items())


@pytest.mark.parametrize(("dg", "ess", "strength", "opened", "chosen"), UNITS.values(), ids=UNITS)
def test_unit_that_forms_the_grid(
    dg: dict[int, str],
    ess: dict[int, str],
    strength: dict[int, tuple[float, float]],
    opened: tuple[int, ...],
    chosen: list[int],
) -> None:
    decisions = Decisions(sites(dg), sites(ess), {})
    assert grid_forming(island(), decisions, (1, 2, 3), opened, strength) == chosen
    assert grid_forming(island(), decisions, (), opened, strength) == []


@pytest.mark.parametrize("live", [False, True])
def test_dg_at_a_dead_bus_is_read_as_resting(live: bool) -> None:
    formulation = build(island())
    variables = [v.name for v in formulation.model.component_data_objects(pyo.Var)]
    stated = {"build_dg[2,gas]": 1.0} | {
        f"mode[islanded].{name}": value
        for name, value in {
            "line_on[1,1]": 1.0,
            "energised[2,1]": float(live),
            "p_dg[2,gas,1]": 0.02,
            "q_dg[2,gas,1]": -0.01,
            "v_sq[2,1]": 1.0,
        }.items()
    }
    assert stated.keys() <= set(variables)
    values = dict.fromkeys(variables, 0.0) | stated
    dispatch = read_dispatch(formulation, values, read_decisions(formulation, values, {}), FORECAST)
    first = dispatch.dg[dispatch.dg["period"] == 1]
    assert first[["p_mw", "q_mvar"]].to_numpy().tolist() == [[0.2, -0.1] if live else [0.0, 0.0]]
    assert dispatch.sources["bus"].tolist() == ([2, 2] if live else [])
