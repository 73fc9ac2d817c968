"""A dozen of the random feeders of ``make prove``, and the reference itself where the answer is known otherwise."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from golden.studies import CASE, MODEL

import igdt_planner as ip
from igdt_planner.plan import Plan
from tests.prove.choices import Sites, count, topologies
from tests.prove.dispatch import Schedule
from tests.prove.feeders import MOST, feeder, kind_of
from tests.prove.flow import run
from tests.prove.grid import read
from tests.prove.judge import FINDINGS, Comparison, digest, judge
from tests.prove.reference import Bounds, Enumeration, Reference, from_document
from tests.prove.store import Kinds, Store, summary

PROVE = Path(__file__).parent / "prove"
KNOWN = {entry["name"]: entry for entry in json.loads((PROVE / "known.json").read_text(encoding="utf-8"))}
STORED = Store(PROVE / "dozen.jsonl").references
"""Written by ``python -m tests.prove --reference-only --store tests/prove/dozen.jsonl --seeds ...``."""
TIME_LIMIT_S = 4.0

LINE = {"id": 1, "from_bus": 1, "to_bus": 2, "r_ohm": 10.0, "x_ohm": 0.0, "in_service": True, "switchable": False}
ENDS = {"vn_kv": 10.0, "q_mvar": 0.0, "vm_min_pu": 0.85, "vm_max_pu": 1.1}
TWO_BUSES: dict[str, Any] = {
    "buses": [ENDS | {"id": 1, "p_mw": 0.0}, ENDS | {"id": 2, "p_mw": 1.0}],
    "lines": [LINE],
    "substations": [{"bus": 1, "vm_pu": 1.0}],
    "profile": [{"period": 1, "duration_h": 1.0, "load": 1.0, "price_per_mwh": 100.0}],
}
BUYS: dict[str, Any] = {
    "modes": {"connected": {"weight": 1.0}},
    "objective": [{"term": "energy_cost", "mode": "connected"}],
}
V_2 = (1.0 + math.sqrt(1.0 - 4.0 * 0.1)) / 2.0
"""On 1 MVA the line has 0.1 pu and the load 1 pu: ``v = 1 - 0.1 / v``."""


def reference(case: Any, model: Any) -> Reference:
    pytest.importorskip("pyscipopt")
    return Enumeration(read(case, model)).reference()


@pytest.fixture(scope="module")
def answered() -> tuple[Reference, Plan]:
    case, model = feeder(10)
    return reference(case, model), ip.solve(case, model, gap=1e-3)


def test_power_flow_by_hand() -> None:
    grid = read(TWO_BUSES, BUYS)
    outcome = run(grid, grid.modes["connected"], Sites(), frozenset({1}), Schedule())
    assert outcome.cost == pytest.approx(100.0 * (1.0 + 0.1 / V_2**2), rel=1e-9)
    assert outcome.worst == 0.0


def test_power_flow_finds_a_voltage_that_is_too_low() -> None:
    tight = TWO_BUSES | {"buses": [bus | {"vm_min_pu": 0.9} for bus in TWO_BUSES["buses"]]}
    grid = read(tight, BUYS)
    outcome = run(grid, grid.modes["connected"], Sites(), frozenset({1}), Schedule())
    assert (outcome.worst, outcome.fault) == (pytest.approx(0.9 - V_2, rel=1e-9), "bus 2, period 1")
    assert reference(tight, BUYS).best == Bounds(math.inf, math.inf)


@pytest.mark.parametrize("name", KNOWN)
def test_reference_at_known_optima(name: str) -> None:
    entry = KNOWN[name]
    best = reference(entry["case"], entry["model"]).best
    assert best.primal == pytest.approx(entry["optimum"], rel=1e-5)
    assert best.dual == pytest.approx(best.primal, rel=1e-4)


def test_choices_of_a_ring() -> None:
    """Line 1 has no switch: connected one of the others is open, an island may have both open."""
    grid = read(CASE, MODEL)
    closed = {name: set(topologies(grid, mode)) for name, mode in grid.modes.items()}
    assert closed["connected"] == {frozenset({1, 2}), frozenset({1, 3})}
    assert closed["islanded"] == closed["connected"] | {frozenset({1})}
    assert count(grid) == (1 + 2 * 2) * (1 + 1) * 2 * 3


def test_planner_and_reference_agree_on_a_ring() -> None:
    """Every term in the objective, DG that forms no grid beside storage that does."""
    plan, best = ip.solve(CASE, MODEL, gap=1e-6), reference(CASE, MODEL).best
    assert plan.objective == pytest.approx(best.primal, rel=1e-5)


@pytest.mark.parametrize("seed", STORED)
def test_feeder_of_a_seed(seed: int) -> None:
    """The same on every machine, for references are stored; few enough choices; accepted by the package."""
    assert digest(seed) == STORED[seed]["digest"]
    case, model = feeder(seed)
    assert count(read(case, model)) <= MOST
    ip.load_case(case)


@pytest.mark.parametrize("seed", STORED)
def test_planner_on_a_dozen_feeders(seed: int) -> None:
    """A plan wherever one exists, as good as its sites and topology allow; sites may be dearer than the best."""
    judged = judge(seed, STORED[seed]["reference"], TIME_LIMIT_S)
    assert [found for found in judged["findings"] if found[0] != "global_gap"] == []


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({}, None),
        ({"bound": -100.0}, "bound_wrong"),
        ({"objective": -760.0, "status": "feasible"}, "own_gap"),
        ({"objective": -762.0}, "wrong"),
        ({"objective": None, "status": "refused"}, "not_found"),
        ({"objective": None, "status": "infeasible"}, "wrong"),
        ({"ac": None}, "wrong"),
    ],
)
def test_judge_sees_what_is_not_true(
    answered: tuple[Reference, Plan], changed: dict[str, Any], finding: str | None
) -> None:
    """The optimum of seed 10 is -761.04 USD."""
    optimum, plan = answered[0], dataclasses.replace(answered[1], **changed)
    found = {name for name, _ in Comparison(optimum.grid, optimum, plan).findings()}
    assert finding in found if finding else found == set()


def test_store_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = Store(tmp_path / "prove.jsonl")
    store.add({"seed": 3, "digest": "a", "reference": {"best": [1.0, 1.0], "seconds": 1.0, "runs": []}})
    store.add({"seed": 3, "digest": "a", "judged": {"findings": [["not_found", "status no_plan"]], "seconds": 2.0}})
    text, met = summary(Store(store.path), [3, 4], Kinds(FINDINGS, kind_of))
    assert not met
    assert "1 feeders: 1 have a plan" in text and "| 3 | connected | not_found | status no_plan |" in text


@pytest.mark.slow
@pytest.mark.parametrize("seed", STORED)
def test_stored_references_by_scip(seed: int) -> None:
    again = reference(*feeder(seed))
    stored = from_document(again.grid, STORED[seed]["reference"])
    for now, before in zip(again.runs, stored.runs, strict=True):
        assert (now.mode, now.sites, now.open_lines) == (before.mode, before.sites, before.open_lines)
        assert now.bounds.primal == pytest.approx(before.bounds.primal, rel=1e-3)


@pytest.mark.slow
def test_reference_on_33_buses() -> None:
    """4 MW at bus 18 and a limit of 1.03: 372.776 USD by linear programs on the AC equations."""
    case = ip.case_to_dict(ip.load_case("ieee33"))
    case["buses"] = [bus | {"vm_max_pu": 1.03} for bus in case["buses"]]
    prices = (40.0, 60.0, 80.0, 60.0)
    case["profile"] = [row | {"price_per_mwh": price} for row, price in zip(case["profile"], prices, strict=True)]
    units = {"max_units": 1, "buses": [18], "technologies": [{"name": "dg", "p_mw": 4.0}]}
    modes = {"connected": {"weight": 1.0, "topology": "fixed"}}
    best = reference(case, BUYS | {"modes": modes, "dg": units, "fix": {"dg": [{"bus": 18, "technology": "dg"}]}}).best
    assert (best.primal, best.dual) == (pytest.approx(372.776, abs=1e-3), pytest.approx(372.776, abs=1e-3))
