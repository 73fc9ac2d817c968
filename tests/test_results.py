"""Results come back from their documents, damaged ones are refused in words, and ``report`` says and draws them."""

import copy
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand import hand, uncertain

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.plan import Plan
from igdt_planner.report.documents import REPORTS
from igdt_planner.report.drivers import drivers_figure
from igdt_planner.report.figures import save_png
from igdt_planner.results.drivers import TERMS, Drivers
from igdt_planner.results.saved import KINDS

LOAD = ip.Stochastic("load", ip.NormalLoad(1.0, 0.1))
BOTH = hand("islanded", uncertain("dg_availability", "load"))


@pytest.fixture(scope="module")
def robust() -> Plan:
    return ip.robust("feeder4", hand("connected"), 0.5)


HISTORY = """time,quantity,forecast,outcome
2026-11-01,dg_availability,2.0,1.9
2026-11-02,dg_availability,2.0,2.1
2026-11-03,dg_availability,2.0,1.2
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history.csv"
    path.write_text(HISTORY, encoding="utf-8")
    return path


MAKE: dict[str, Callable[[Plan, Path], Any]] = {
    "tradeoff": lambda plan, history: ip.tradeoff("feeder4", BOTH, 0.28, points=2),
    "drivers": lambda plan, history: ip.drivers(plan),
    "worth": lambda plan, history: ip.worth_of_one_more("feeder4", hand("islanded"), 0.28),
    "evidence": lambda plan, history: ip.evidence(plan, 30, seed=2, rays=5),
    "calibration": lambda plan, history: ip.calibrate(history, plan),
    "alternatives": lambda plan, history: ip.alternatives("feeder4", hand("islanded"), 0.3, samples=20, scenarios=2),
    "probabilistic": lambda plan, history: ip.probabilistic(plan, [LOAD], 40, seed=3),
}
"""One of each kind that no other file asks to come back; curves do in test_comparison.py."""


@pytest.fixture(scope="module")
def made(robust: Plan, history: Path) -> dict[str, Any]:
    return {kind: make(robust, history) for kind, make in MAKE.items()}


def test_every_kind_is_asked_to_come_back() -> None:
    assert set(MAKE) == set(KINDS) - {"sweep", "robustness", "comparison"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKE)
def test_results_come_back_from_their_files(kind: str, made: dict[str, Any], tmp_path: Path) -> None:
    result = made[kind]
    back = ip.load_result(result.save(tmp_path / "result.json"))
    assert type(back) is type(result)
    pd.testing.assert_frame_equal(back.table, result.table)
    assert back.to_dict() == result.to_dict()
    assert (result.to_dict()["schema"], result.to_dict()["kind"]) == ("igdt-planner/1", kind)
    table = pd.read_csv(result.save(tmp_path / "result.csv"))
    assert table.columns.tolist() == result.table.columns.tolist() and len(table) == len(result.table)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKE)
def test_report_says_and_draws_a_saved_result(
    kind: str,
    made: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is said of it when it was just computed stands above the files, and the same files come of one of them."""
    first = made[kind].save(tmp_path / "result.json")
    written: list[dict[str, bytes]] = []
    for number, source in enumerate((first, tmp_path / "0" / f"{kind}.json")):
        folder = tmp_path / str(number)
        monkeypatch.setattr(sys, "argv", ["igdt-planner", "report", str(source), "--out", str(folder)])
        main_ends()
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert {f"{kind}.json", f"{kind}.csv"} <= set(written[0])
    first_shown, second_shown = capsys.readouterr().out.split(str(tmp_path / "0" / f"{kind}.json"))
    assert first_shown == REPORTS[kind].tell(made[kind]) + "\n"
    assert REPORTS[kind].tell(made[kind]) in second_shown and str(tmp_path / "1" / f"{kind}.csv") in second_shown


def main_ends() -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


# ------------------------------------------------------------------ what the pictures and tables say


def words_on(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.slow
def test_worth_by_hand(made: dict[str, Any]) -> None:
    """SOURCE.md (d): 0.504 MWh are left for 11.2 MWh per unit of alpha; storage is not what is short."""
    worth = made["worth"]
    table = worth.table.set_index("change")
    assert table.loc["as it is", "alpha"] == pytest.approx(0.504 / 11.2, rel=0.01)
    assert table.loc["one more ESS", "gain"] == pytest.approx(0.0, abs=2e-4)
    assert (table["alpha"] <= table["alpha_bound"] + 1e-9).all()
    assert len(worth.plans["one more DG"].dg) == 2 and len(worth.as_it_is.dg) == 1
    words = words_on(worth.plot())
    assert "one more DG" in words and f"{table.loc['one more DG', 'alpha']:.4f}   " in " ".join(words)


def test_a_study_without_a_plan_has_no_worth_and_is_drawn_all_the_same() -> None:
    plan = ip.robust("feeder4", hand("islanded"), budget=1.0)
    worth = ip.Worth({"as it is": plan, "one more DG": plan})
    assert worth.table["alpha"].isna().all() and worth.table["verdict"].tolist() == ["not_checked"] * 2
    assert words_on(worth.plot()).count("no alpha") == 2


@pytest.mark.slow
def test_trade_off_is_drawn_with_the_alpha_of_both(made: dict[str, Any]) -> None:
    words = words_on(made["tradeoff"].plot(together=0.02))
    assert "feeder4, hand_islanded: 28 % of extra cost" in words and "both alike: alpha 0.02" in words


@pytest.mark.slow
def test_a_term_of_no_mode_is_drawn_by_its_name(made: dict[str, Any]) -> None:
    drivers: Drivers = made["drivers"]
    rows = [("losses", "connected", "MWh", 1.0, 1.0, 2.0, 1.0), ("investment_cost", None, "USD", 1.0, 3.0, 3.0, 0.0)]
    figure = drivers_figure(drivers.quantities, pd.DataFrame(rows, columns=TERMS))
    assert {"losses, connected", "investment_cost"} <= set(words_on(figure))


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(MAKE))
def test_the_picture_of_a_loaded_result_is_the_same(kind: str, made: dict[str, Any], tmp_path: Path) -> None:
    back = ip.load_result(made[kind].save(tmp_path / "result.json"))
    one, other = (save_png(own.plot(), tmp_path / f"{n}.png") for n, own in enumerate((made[kind], back)))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_loaded_evidence_finds_what_it_found(made: dict[str, Any], robust: Plan, tmp_path: Path) -> None:
    """Also what has no AC solution, for which JSON has no number."""
    found = made["evidence"]
    lost = dataclasses.replace(found, objective=np.array([np.nan, *found.objective[1:]]))
    back = ip.load_result(lost.save(tmp_path / "evidence.json"))
    assert isinstance(back, ip.Evidence) and back.plan.objective == robust.objective
    assert back.findings == lost.findings == ("1 of 30 samples inside alpha exceed the budget",)
    assert np.isnan(back.worst_objective) and not back.holds


def test_an_alpha_that_never_held_comes_back_as_none(history: Path, tmp_path: Path) -> None:
    """Deviations to one side only never hold a day that deviated to the other."""
    found = ip.calibrate(history, hand("islanded", uncertain("dg_availability", direction="down")), 0.5)
    back = ip.load_result(found.save(tmp_path / "calibration.json"))
    assert isinstance(back, ip.Calibration) and back.share_of_days_held == found.share_of_days_held == 2 / 3
    assert back.alphas["alpha"].tolist() == found.alphas["alpha"].tolist()
    assert np.isinf(back.alphas["alpha"].iloc[-1])
    assert len(found.errors) == 3 and back.errors.empty and back.days.equals(found.days)


# ------------------------------------------------------------------ damaged documents


def put(place: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Put a value at a place such as ``points/0/verdict``."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = [int(step) if step.isdigit() else step for step in place.split("/")]
        target: Any = document
        for parent in parents:
            target = target[parent]
        target[last] = value

    return change


DAMAGED: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    # kind, damage, path of the fault
    ("tradeoff", put("schema", "x/9"), "/kind"),
    ("tradeoff", put("beta", "much"), "/beta"),
    ("tradeoff", put("points", 7), "/points"),
    ("tradeoff", put("points/1/alpha_load", "far"), "/points/1/alpha_load"),
    ("tradeoff", lambda document: document["points"][0].pop("verdict"), "/points/0/verdict"),
    ("tradeoff", put("baseline/status", "great"), "/baseline/status"),
    ("tradeoff", put("baseline/objective", None), "/baseline"),
    ("drivers", lambda document: document.pop("terms"), "/terms"),
    ("drivers", put("quantities/0/rise_alone", "steep"), "/quantities/0/rise_alone"),
    ("drivers", put("terms/0/mode", 3), "/terms/0/mode"),
    ("drivers", put("plan/alpha", None), "/plan/alpha"),
    ("evidence", put("rays/0/broken", 0.5), "/rays/0/broken"),
    ("evidence", lambda document: document["objective"].pop(), "/objective"),
    ("evidence", put("plan/budget", None), "/plan/budget"),
    ("evidence", put("breaks", [1]), "/breaks"),
    ("calibration", put("shares", []), "/shares"),
    ("calibration", put("days/0/needed_alpha", "wide"), "/days/0/needed_alpha"),
    ("calibration", put("days", []), "/days"),
    ("alternatives", put("rows/0/q0.95", True), "/rows/0/q0.95"),
    ("alternatives", lambda document: document["rows"].pop(), "/rows"),
    ("alternatives", put("runs/info-gap/gap", "small"), "/runs/info-gap/gap"),
    ("probabilistic", put("distributions/0/q0.5", "half"), "/distributions/0/q0.5"),
    ("probabilistic", lambda document: document["voltages"][1].pop("bus"), "/voltages/1/bus"),
    ("probabilistic", put("breaks", {}), "/breaks/voltage"),
    ("probabilistic", put("samples", 41), "/objective"),
    ("worth", put("runs", {}), "/runs"),
    ("worth", put("runs/as it is", 7), "/runs/as it is"),
    ("worth", put("runs/one more DG/kind", "solve"), "/runs/one more DG/kind"),
    ("worth", put("runs/one more DG/dg/0/bus", "two"), "/runs/one more DG/dg/0/bus"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "damage", "path"), DAMAGED, ids=[f"{kind} {path}" for kind, _, path in DAMAGED])
def test_damaged_documents_name_the_field(
    kind: str, damage: Callable[[dict[str, Any]], object], path: str, made: dict[str, Any], tmp_path: Path
) -> None:
    document = copy.deepcopy(made[kind].to_dict())
    damage(document)
    (tmp_path / "damaged.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ip.InputError) as refused:
        ip.load_result(tmp_path / "damaged.json")
    assert [finding.path for finding in refused.value.findings] == [path]


@pytest.mark.slow
def test_all_faults_at_once(made: dict[str, Any], tmp_path: Path) -> None:
    document = copy.deepcopy(made["tradeoff"].to_dict())
    put("points/0/objective", "dear")(document)
    put("points/1/verdict", "good")(document)
    (tmp_path / "damaged.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ip.InputError) as refused:
        ip.load_result(tmp_path / "damaged.json")
    assert [finding.path for finding in refused.value.findings] == ["/points/0/objective", "/points/1/verdict"]


def test_load_curve_is_the_same_by_its_first_name() -> None:
    assert ip.load_curve is ip.load_result


@pytest.mark.parametrize("kind", [[], {}, None, 3])
def test_kind_that_is_no_text(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"schema": "igdt-planner/1", "kind": kind}), encoding="utf-8")
    with pytest.raises(ip.InputError, match="kind must be one of"):
        ip.load_result(path)


@pytest.mark.slow
def test_drivers_of_a_quantity_that_rests() -> None:
    at_rest = {"quantity": "load", "weight": 0.0, "physical_max": 1.5}
    moving = {"quantity": "dg_availability", "physical_max": 1.5}
    plan = ip.robust("feeder4", hand("islanded", {"uncertain": [moving, at_rest]}), 0.2)
    rows = ip.drivers(plan).quantities.set_index("quantity")
    assert rows.loc["load", "rise_alone"] == 0.0 and np.isnan(rows.loc["load", "alpha_alone"])
    assert rows.loc["dg_availability", "alpha_alone"] == pytest.approx(plan.robustness["alpha"], rel=2e-3)
    with pytest.raises(ip.InputError, match="here 1 may: dg_availability"):
        ip.tradeoff("feeder4", plan.model, 0.2)
