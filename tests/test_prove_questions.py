"""A dozen of the questions of ``make prove``, and their reference where the answer is known otherwise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.prove.best_alpha import Seeking
from tests.prove.choices import Sites
from tests.prove.dispatch import Schedule
from tests.prove.grid import read
from tests.prove.judge_questions import digest, judge
from tests.prove.radius import NEAR, Costs, Decisions, Radius, Robust
from tests.prove.sets import Uncertainty
from tests.prove.store import Store

STORED = Store(Path(__file__).parent / "prove" / "dozen_questions.jsonl").references
"""Written by ``python -m tests.prove --questions --reference-only --store tests/prove/dozen_questions.jsonl``."""
TIME_LIMIT_S = 10.0

LINE = {"id": 1, "from_bus": 1, "to_bus": 2, "r_ohm": 10.0, "x_ohm": 0.0, "in_service": True, "switchable": False}
ENDS = {"vn_kv": 10.0, "q_mvar": 0.0, "vm_min_pu": 0.88, "vm_max_pu": 1.1}
TWO_BUSES: dict[str, Any] = {
    "buses": [ENDS | {"id": 1, "p_mw": 0.0}, ENDS | {"id": 2, "p_mw": 1.0}],
    "lines": [LINE],
    "substations": [{"bus": 1, "vm_pu": 1.0}],
    "profile": [
        {"period": 1, "duration_h": 1.0, "load": 1.0, "price_per_mwh": 100.0},
        {"period": 2, "duration_h": 4.0, "load": 0.5, "price_per_mwh": 50.0},
    ],
}
BUYS: dict[str, Any] = {
    "modes": {"connected": {"weight": 1.0}},
    "objective": [{"term": "energy_cost", "mode": "connected"}],
}
STORE = {"name": "s", "p_mw": 0.2, "energy_mwh": 0.2, "eta_charge": 1.0, "eta_discharge": 1.0, "energy_start_mwh": 0.2}
GRID = read(TWO_BUSES, BUYS)
LOAD = {"quantity": "load", "direction": "both", "shape": "fractional"}


@pytest.fixture(autouse=True)
def few_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vertices are known to be the worst here."""
    monkeypatch.setattr("tests.prove.radius.BETWEEN", 4)


def bought(load: float) -> float:
    """Power at the substation, MW: on 1 MVA the line has 0.1 pu, ``v = 1 - 0.1 load / v``."""
    v = (1.0 + math.sqrt(1.0 - 0.4 * load)) / 2.0
    return load / v


def cost(first: float, second: float) -> float:
    """What both periods cost where the load is so many times the forecast."""
    return 100.0 * bought(first) + 200.0 * bought(0.5 * second)


def radius(entry: dict[str, Any], budget: float) -> Radius:
    pytest.importorskip("pyscipopt")
    decisions = Decisions(Sites(), {"connected": frozenset({1})}, {})
    return Robust(Costs(GRID, decisions), Uncertainty(GRID, [entry], Sites()), budget).radius()


@pytest.mark.parametrize(
    ("changed", "worst"),
    [
        ({}, (1.05, 1.05)),
        ({"shape": "interval", "down": 1.0, "up": 0.5}, (1.025, 1.025)),
        ({"shape": "envelope", "psi": [0.2, 1.0]}, (1.01, 1.05)),
        ({"shape": "budgeted", "gamma": 1}, (1.05, 1.0)),
        ({"shape": "minkowski", "norm": 1}, (1.05, 1.0)),
        ({"shape": "minkowski", "norm": "infinity", "weight": 0.5}, (1.025, 1.025)),
    ],
)
def test_alpha_that_the_budget_ends(changed: dict[str, Any], worst: tuple[float, float]) -> None:
    """The loads of both periods are worst at a vertex that is known: alpha is 0.05."""
    found = radius(LOAD | changed, cost(*worst))
    assert found.limit == "budget"
    assert found.held == pytest.approx(0.05, abs=1e-4)
    assert found.held < found.broken < found.held + 10.0 * NEAR


def test_alpha_that_a_ball_ends() -> None:
    """Hours times squared deviations sum to alpha squared: the best share between the periods by trial."""
    most = max(cost(1.0 + 0.05 * math.cos(a), 1.0 + 0.025 * math.sin(a)) for a in (n / 1000.0 for n in range(1571)))
    assert radius(LOAD | {"shape": "energy"}, most).held == pytest.approx(0.05, rel=5e-3)


def test_alpha_that_a_voltage_ends() -> None:
    """At 0.88 pu the load is ``(1 - v) v / 0.1 = 1.056`` MW; money is there for more."""
    found = radius(LOAD, 1000.0)
    assert found.limit == "network"
    assert found.held == pytest.approx(0.056, abs=5e-5) and found.broken == pytest.approx(0.056, abs=5e-5)


def test_storage_keeps_its_schedule() -> None:
    """A battery that gives 0.1 MW in the first period: the load may rise by that more before the voltage ends it."""
    pytest.importorskip("pyscipopt")
    grid = read(TWO_BUSES, BUYS | {"ess": {"max_units": 1, "technologies": [STORE]}})
    power = 0.1 / grid.s_mva
    still = dict.fromkeys([(2, 0), (2, 1)], 0.0)
    schedule = Schedule(charge=still, discharge=still | {(2, 0): power})
    sites = Sites(ess=((2, "s"),))
    decisions = Decisions(sites, {"connected": frozenset({1})}, {"connected": schedule})
    found = Robust(Costs(grid, decisions), Uncertainty(grid, [LOAD], sites), 1000.0).radius()
    assert found.held == pytest.approx(0.156, abs=1e-4)


def test_alpha_of_an_opportunity() -> None:
    """Least cost is where all loads are low."""
    pytest.importorskip("pyscipopt")
    seeking = Seeking(GRID, Sites(), {"connected": frozenset({1})}, Uncertainty(GRID, [LOAD], Sites()), cost(0.9, 0.9))
    assert seeking.radius(math.nan).held == pytest.approx(0.1, abs=1e-4)


def test_gauge() -> None:
    """The alpha that a point needs, by the shape."""
    point = [{("load", 2): 1.1}, {("load", 2): 0.8}]
    shapes: dict[str, dict[str, Any]] = {
        "fractional": {},
        "energy": {},
        "budgeted": {"gamma": 1},
        "minkowski": {"norm": 1},
        "interval": {"down": 0.5, "up": 1.0},
    }
    found = {
        shape: Uncertainty(GRID, [LOAD | {"shape": shape} | more], Sites()).gauge(point)
        for shape, more in shapes.items()
    }
    expected = {"fractional": 0.2, "energy": math.sqrt(0.01 + 4 * 0.04), "minkowski": 0.3, "interval": 0.4}
    assert found == pytest.approx(expected | {"budgeted": math.inf})
    assert Uncertainty(GRID, [LOAD | {"direction": "up"}], Sites()).gauge(point) == math.inf


@pytest.mark.parametrize("seed", STORED)
def test_a_dozen_questions(seed: int) -> None:
    """Alpha is what the plan's own decisions keep; its bound contradicts nothing that is reached."""
    assert digest(seed) == STORED[seed]["digest"]
    judged = judge(seed, STORED[seed]["reference"], TIME_LIMIT_S)
    assert [found for found in judged["findings"] if found[0] != "other"] == []
