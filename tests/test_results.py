"""Results come back from their documents, damaged ones are refused in words, and ``report`` says and draws them."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hand import hand, uncertain

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.drivers import TERMS, Drivers
from igdt_planner.plan import Plan
from igdt_planner.report.drivers import drivers_figure
from igdt_planner.saved import KINDS

BOTH = hand("islanded", uncertain("dg_availability", "load"))


@pytest.fixture(scope="module")
def robust() -> Plan:
    return ip.robust("feeder4", hand("connected"), 0.5)


MAKE: dict[str, Callable[[Plan], Any]] = {
    "tradeoff": lambda plan: ip.tradeoff("feeder4", BOTH, 0.28, points=2),
    "drivers": ip.drivers,
    "worth": lambda plan: ip.worth_of_one_more("feeder4", hand("islanded"), 0.28),
}
"""One of each kind that no other file asks to come back; curves do in test_comparison.py."""


@pytest.fixture(scope="module")
def made(robust: Plan) -> dict[str, Any]:
    return {kind: make(robust) for kind, make in MAKE.items()}


def test_every_kind_is_asked_to_come_back() -> None:
    assert set(MAKE) == set(KINDS) - {"sweep", "robustness", "comparison"}


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


@pytest.mark.parametrize("kind", MAKE)
def test_report_says_and_draws_a_saved_result(
    kind: str,
    made: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same files come of a report of one of them, and the text stands above their names."""
    first = made[kind].save(tmp_path / "result.json")
    written: list[dict[str, bytes]] = []
    for number, source in enumerate((first, tmp_path / "0" / f"{kind}.json")):
        folder = tmp_path / str(number)
        monkeypatch.setattr(sys, "argv", ["igdt-planner", "report", str(source), "--out", str(folder)])
        main_ends()
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert {f"{kind}.json", f"{kind}.csv"} <= set(written[0])
    shown = capsys.readouterr().out.splitlines()
    assert SAYS[kind] in shown
    assert shown[-1].startswith(str(tmp_path / "1")) and shown[-1].split("/")[-1] in written[1]


SAYS = {
    "tradeoff": "Trade-off between two uncertainties of feeder4, model hand_islanded",
    "drivers": "each uncertain quantity alone, costs in MWh",
    "worth": "What one more buys in alpha, feeder4, model hand_islanded",
}


def main_ends() -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


# ------------------------------------------------------------------ what the pictures and tables say


def words_on(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


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


def test_trade_off_is_drawn_with_the_alpha_of_both(made: dict[str, Any]) -> None:
    words = words_on(made["tradeoff"].plot(together=0.02))
    assert "feeder4, hand_islanded: 28 % of extra cost" in words and "both alike: alpha 0.02" in words


def test_a_term_of_no_mode_is_drawn_by_its_name(made: dict[str, Any]) -> None:
    drivers: Drivers = made["drivers"]
    rows = [("losses", "connected", "MWh", 1.0, 1.0, 2.0, 1.0), ("investment_cost", None, "USD", 1.0, 3.0, 3.0, 0.0)]
    figure = drivers_figure(drivers.quantities, pd.DataFrame(rows, columns=TERMS))
    assert {"losses, connected", "investment_cost"} <= set(words_on(figure))


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
    ("worth", put("runs", {}), "/runs"),
    ("worth", put("runs/as it is", 7), "/runs/as it is"),
    ("worth", put("runs/one more DG/kind", "solve"), "/runs/one more DG/kind"),
    ("worth", put("runs/one more DG/dg/0/bus", "two"), "/runs/one more DG/dg/0/bus"),
]


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
