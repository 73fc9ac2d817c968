"""Plan documents: exact round trips, same bytes for the same question, damaged ones refused with their place."""

import copy
import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hand import hand, inline

import igdt_planner as ip
from igdt_planner.plan import AcVerdict, Dispatch, Plan
from igdt_planner.results.document import read_json, to_json


def two_topologies() -> Plan:
    case = inline()
    case["profile"][0] |= {"load": 0.6, "dg": 0.0}
    return ip.solve(case, hand("connected", {"modes.connected.topology": "dynamic"}))


def unlimited_lines() -> Plan:
    case = inline()
    case["lines"] = [line | {"max_i_ka": None} for line in case["lines"]]
    return ip.solve(case, hand("switching"))


PLANS: dict[str, Callable[[], Plan]] = {
    "baseline": lambda: ip.solve("feeder4", hand("switching")),
    "a topology each period": two_topologies,
    "lines without rating": unlimited_lines,
    "robust, with storage": lambda: ip.robust("feeder4", hand("islanded"), 0.1),
    "opportunity": lambda: ip.opportunity("feeder4", hand("connected"), 0.05),
    "infeasible": lambda: ip.robust("feeder4", hand("islanded"), budget=1.0),
    "no plan": lambda: ip.solve("feeder4", "dual_mode", time_limit_s=1e-6),
}


@cache
def plan_called(name: str) -> Plan:
    return PLANS[name]()


def frames(part: Dispatch | AcVerdict | None) -> dict[str, pd.DataFrame]:
    """Tables of a dispatch or a verdict by name."""
    fields = dataclasses.fields(part) if part else ()
    values = {field.name: getattr(part, field.name) for field in fields}
    return {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}


@pytest.mark.parametrize("name", PLANS)
def test_round_trip_is_exact(name: str, tmp_path: Path) -> None:
    plan = plan_called(name)
    path = ip.save_plan(plan, tmp_path / "plan.json")
    loaded = ip.load_plan(path)
    assert ip.plan_to_dict(loaded) == ip.plan_to_dict(plan)
    assert ip.save_plan(loaded, tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert (loaded.open_lines, loaded.robustness, loaded.status) == (plan.open_lines, plan.robustness, plan.status)
    assert (loaded.steps, loaded.decided_by) == (plan.steps, plan.decided_by)
    for part in ("dispatch", "dispatch_forecast", "ac", "ac_forecast"):
        ours, theirs = frames(getattr(plan, part)), frames(getattr(loaded, part))
        assert ours.keys() == theirs.keys()
        for table in ours:
            pd.testing.assert_frame_equal(ours[table], theirs[table], check_dtype=False)


@pytest.mark.parametrize("name", PLANS)
def test_document_is_strict_json(name: str) -> None:
    text = to_json(ip.plan_to_dict(plan_called(name)))
    assert read_json("plan", text) == ip.plan_to_dict(plan_called(name))


def test_what_a_document_says() -> None:
    by_period = ip.plan_to_dict(plan_called("a topology each period"))
    assert by_period["open_lines"] == {"connected": {"1": [3], "2": [2]}}
    unlimited = ip.plan_to_dict(plan_called("lines without rating"))
    assert {row["loading"] for row in unlimited["ac"]["lines"]} == {None}
    assert unlimited["schema"] == "igdt-planner/1"
    assert "alpha" not in unlimited
    assert ip.plan_to_dict(plan_called("robust, with storage"))["beta"] == 0.1
    assert ip.plan_to_dict(plan_called("no plan"))["ac"] == {"verdict": "not_checked"}
    assert ip.plan_to_dict(plan_called("no plan"))["steps"] == []
    robust = ip.plan_to_dict(plan_called("robust, with storage"))
    assert [step["step"] for step in robust["steps"]] == ["milp", "redispatch"]
    assert robust["steps"][-1] | {"seconds": 0.0} == {
        "step": "redispatch",
        "verdict": "feasible",
        "objective": robust["objective"],
        "model_objective": robust["model_objective"],
        "alpha": robust["alpha"],
        "model_alpha": pytest.approx(robust["alpha"], rel=0.05),
        "seconds": 0.0,
        "violation": 0.0,
        "message": "",
    }


@pytest.mark.parametrize("name", ["baseline", "robust, with storage", "opportunity"])
def test_loaded_plan_is_judged_as_before(name: str) -> None:
    plan = plan_called(name)
    again = ip.check(ip.plan_from_dict(ip.plan_to_dict(plan)))
    assert ip.plan_to_dict(again) == ip.plan_to_dict(plan)


def canonical(plan: Plan) -> str:
    """A document without the times that things took."""
    whole = ip.plan_to_dict(plan)
    return to_json(whole | {"seconds": None, "steps": [step | {"seconds": None} for step in whole["steps"]]})


@pytest.mark.parametrize("name", ["baseline", "a topology each period", "robust, with storage", "opportunity"])
def test_same_question_gives_the_same_bytes(name: str) -> None:
    assert canonical(PLANS[name]()) == canonical(plan_called(name))


def document() -> dict[str, Any]:
    return copy.deepcopy(ip.plan_to_dict(plan_called("robust, with storage")))


def test_keys_of_later_versions_are_ignored() -> None:
    later = document() | {"carbon": 1.0}
    later["dispatch"]["dg"][0]["ramp"] = 2.0
    later["ac"]["harmonics"] = []
    later["steps"][0]["nodes"] = 7
    assert ip.plan_to_dict(ip.plan_from_dict(later)) == document()


def test_storage_of_earlier_versions_exchanges_no_reactive_power() -> None:
    earlier = document()
    for dispatch in (earlier["dispatch"], earlier["dispatch_forecast"]):
        dispatch["ess"] = [{key: value for key, value in row.items() if key != "q_mvar"} for row in dispatch["ess"]]
    for mode in earlier["model"]["modes"].values():
        del mode["vm_pu"]
    for technology in earlier["model"]["ess"]["technologies"]:
        del technology["sn_mva"]
    plan = ip.plan_from_dict(earlier)
    assert plan.dispatch is not None and set(plan.dispatch.ess["q_mvar"]) == {0.0}
    assert ip.plan_to_dict(ip.check(plan)) == document()


DAMAGED: dict[str, tuple[str, object, str]] = {
    # place, value (or ... for a missing key), path of the fault
    "another schema": ("schema", "igdt-planner/2", "/schema"),
    "no schema": ("schema", ..., "/schema"),
    "no dispatch": ("dispatch", ..., "/dispatch"),
    "unknown kind": ("kind", "guess", "/kind"),
    "unknown status": ("status", "great", "/status"),
    "text for a number": ("objective", "1.8", "/objective"),
    "text for alpha": ("alpha", "large", "/alpha"),
    "lines that are no list": ("open_lines", 3, "/open_lines"),
    "text in a table": ("dispatch/sources/0/vm_pu", "high", "/dispatch/sources/0/vm_pu"),
    "a row cut short": ("dispatch/dg/0/p_mw", ..., "/dispatch/dg/0/p_mw"),
    "a bus that is no number": ("ess/0/bus", "three", "/ess/0/bus"),
    "a factor that is text": ("dispatch/realisation/load", "x", "/dispatch/realisation/load"),
    "a verdict of its own": ("ac/verdict", "fine", "/ac/verdict"),
    "a verdict without tables": ("ac/lines", ..., "/ac/lines"),
    "text for what is served": ("ac/supply/0/served_mwh", "most", "/ac/supply/0/served_mwh"),
    "a bus that is idle in words": ("ac/buses/0/idle", "yes", "/ac/buses/0/idle"),
    "a step that nobody takes": ("steps/0/step", "guess", "/steps/0/step"),
    "a step without its time": ("steps/1/seconds", ..., "/steps/1/seconds"),
    "text for what AC left": ("steps/1/alpha", "most", "/steps/1/alpha"),
    "decided by nobody": ("decided_by", "chance", "/decided_by"),
    "no case": ("case", None, "/case"),
    "a case that does not hold": ("case/base_mva", -1.0, "/case/base_mva"),
    "a model that does not hold": ("model/losses", "some", "/model/losses"),
    "a key the model does not know": ("model/losess", "none", "/model/losess"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_document_names_the_place(name: str) -> None:
    place, value, path = DAMAGED[name]
    damaged = document()
    *parents, last = place.split("/")
    target: Any = damaged
    for parent in parents:
        target = target[int(parent)] if isinstance(target, list) else target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    with pytest.raises(ip.InputError) as caught:
        ip.plan_from_dict(damaged)
    assert path in [fault.path for fault in caught.value.findings]


@pytest.mark.parametrize("value", [None, [], "plan", 5, {}], ids=str)
def test_what_is_no_document_at_all(value: Any) -> None:
    with pytest.raises(ip.InputError, match="not a plan document"):
        ip.plan_from_dict(value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1e999}', "1e999 is not a JSON number"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", "not JSON"),
        ("", "not JSON"),
        ("{'a': 1}", "not JSON"),
    ],
)
def test_strict_json(text: str, word: str) -> None:
    with pytest.raises(ip.InputError, match=word):
        read_json("request", text)


def test_damaged_files(tmp_path: Path) -> None:
    whole = to_json(document()).encode()
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "binary": b"\xff\xfe\x00"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ip.InputError, match=name):
            ip.load_plan(tmp_path / name)
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + whole)
    assert ip.plan_to_dict(ip.load_plan(tmp_path / "marked")) == json.loads(whole)
