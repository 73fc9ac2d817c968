"""The JSON contract: stored requests keep their answers, bad ones get words, and nothing but JSON comes out."""

import copy
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hand import hand, inline

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.request import TAKES

REQUESTS = sorted(Path(__file__).with_name("requests").glob("*.json"))
FIELDS = {"schema", "id", "version", "status", "request", "runs", "result", "warnings", "error"}
MODEL = hand("switching").model_dump(mode="json")
GOOD: dict[str, Any] = {
    "schema": "igdt-planner/1",
    "id": "mine",
    "case": {"name": "feeder4"},
    "model": {"inline": MODEL},
    "study": {"kind": "solve"},
}


def answered(request: Any) -> dict[str, Any]:
    """An answer, which must survive strict JSON."""
    response = ip.run(request)
    assert set(response) == FIELDS
    assert json.loads(json.dumps(response, allow_nan=False)) == response
    return response


def stored(name: str) -> dict[str, Any]:
    """A stored request."""
    found: dict[str, Any] = json.loads((REQUESTS[0].parent / f"{name}.json").read_text(encoding="utf-8"))["request"]
    return found


def faults(request: Any) -> dict[str, str]:
    """Messages of a refused request by path."""
    response = answered(request)
    assert response["status"] == "failed"
    assert response["runs"] == []
    assert response["error"]["code"] == "bad_input"
    fields = response["error"]["fields"]
    assert all(set(field) == {"path", "message", "got"} for field in fields)
    return {field["path"]: field["message"] for field in fields}


def changed(place: str, value: object) -> dict[str, Any]:
    """The good request with one value put at a place such as ``study/kind``."""
    request = copy.deepcopy(GOOD)
    *parents, last = place.split("/")
    target: Any = request
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return request


def require_contains(answer: Any, wanted: Any, where: str = "") -> None:
    """All that is wanted stands in an answer; figures within a hundredth, lists item by item."""
    if isinstance(wanted, Mapping):
        for key, value in wanted.items():
            require_contains(answer[key], value, f"{where}/{key}")
    elif isinstance(wanted, list):
        assert len(answer) == len(wanted), where
        for position, value in enumerate(wanted):
            require_contains(answer[position], value, f"{where}/{position}")
    elif isinstance(wanted, float):
        assert answer == pytest.approx(wanted, rel=0.01, abs=1e-3 if wanted == 0 else 0), where
    else:
        assert answer == wanted, where


SLOW = ("comparison", "tradeoff", "worth", "sweep")
STORED = [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else []) for path in REQUESTS]


@pytest.mark.parametrize("path", STORED)
def test_stored_requests_keep_their_answers(path: Path) -> None:
    kept = json.loads(path.read_text(encoding="utf-8"))
    require_contains(answered(kept["request"]), kept["answer"])


def test_every_kind_is_stored() -> None:
    kept = [stored(path.stem) for path in REQUESTS]
    searched = {"search", "pareto"}  # asked in test_search_family.py and test_pareto.py
    assert {request["study"]["kind"] for request in kept} == set(TAKES) - searched


def test_defaults_are_filled_in_and_the_request_is_echoed() -> None:
    response = answered(GOOD)
    assert response["id"] == "mine"
    assert response["version"]
    echoed = response["request"]
    assert echoed["case"] == {"name": "feeder4", "path": None, "inline": None}
    assert echoed["options"] == {"time_limit_s": None, "gap": None, "threads": None, "seed": None}
    assert answered(echoed)["runs"][0]["objective"] == response["runs"][0]["objective"]


@pytest.mark.parametrize("identity", [None, 7, "7"])
def test_id_comes_back(identity: object) -> None:
    assert answered(changed("id", identity))["id"] == identity
    assert answered(changed("id", identity) | {"study": {}})["id"] == identity


def test_seed_and_threads_reach_the_model() -> None:
    run = answered(changed("options", {"seed": 5, "threads": 2, "gap": 0.01}))["runs"][0]
    assert run["model"]["solver"]["seed"] == 5
    assert run["model"]["solver"]["threads"] == 2


UNKNOWN_KEYS = {
    "studdy": "study",
    "study/betta": "beta",
    "case/nam": "name",
    "model/inlin": "inline",
    "options/time_limit": "time_limit_s",
    "model/inline/losess": "losses",
}


@pytest.mark.parametrize(("place", "meant"), UNKNOWN_KEYS.items(), ids=UNKNOWN_KEYS)
def test_unknown_key_is_refused_with_the_nearest_one(place: str, meant: str) -> None:
    ((path, message),) = faults(changed(place, 1)).items()
    assert path == "/" + place.replace("model/inline", "model")
    assert "unknown key" in message and meant in message


VALUES: list[tuple[str, object, str, str]] = [
    # place, value, path of the fault, word of its message
    ("schema", "igdt-planner/2", "/schema", "igdt-planner/1"),
    ("schema", None, "/schema", "igdt-planner/1"),
    ("id", [1], "/id", "whole number or null"),
    ("id", 1.5, "/id", "whole number or null"),
    ("study", 5, "/study", "must be an object"),
    ("study/kind", "solv", "/study/kind", "'solve'"),
    ("study/kind", None, "/study/kind", "'solve'"),
    ("study", {"kind": "robust"}, "/study/beta", "either beta or a budget"),
    ("study", {"kind": "robust", "beta": 0.1, "budget": 1.0}, "/study/beta", "either beta or a budget"),
    ("study", {"kind": "robust", "beta": -0.1}, "/study/beta", "0 or more"),
    ("study", {"kind": "robust", "beta": "0.1"}, "/study/beta", "number"),
    ("study", {"kind": "robust", "beta": True}, "/study/beta", "number"),
    ("study", {"kind": "robust", "beta": 0.1, "betas": [0.1]}, "/study/betas", "does not belong to kind robust"),
    ("study", {"kind": "solve", "beta": 0.1}, "/study/beta", "does not belong to kind solve"),
    ("study", {"kind": "sweep"}, "/study/betas", "empty"),
    ("study", {"kind": "sweep", "betas": [0.1, 0.1]}, "/study/betas/1", "stands twice"),
    ("study", {"kind": "check"}, "/study/plan", "plan document"),
    ("study", {"kind": "check", "plan": {"schema": "igdt-planner/0"}}, "/study/plan/schema", "not a plan document"),
    ("case", None, "/case", "needs a case"),
    ("case", {}, "/case", "exactly one"),
    ("case", {"name": "feeder4", "path": "x"}, "/case", "exactly one"),
    ("case", {"name": "feeder5"}, "/case/name", "did you mean feeder4"),
    ("case", {"name": "../cases/feeder4"}, "/case/name", "no shipped case"),
    ("case", {"path": "/nowhere"}, "/case", "no folder"),
    ("case", {"path": "\0"}, "/case", "no folder"),
    ("case", {"inline": {}}, "/case/buses", "missing"),
    ("case", {"inline": inline() | {"base_mva": 0}}, "/case/base_mva", "base_mva"),
    ("model", {"name": "dual-mode"}, "/model/name", "did you mean dual_mode"),
    ("model", {"path": "/nowhere.toml"}, "/model", "cannot be read"),
    ("model", {"path": "\0"}, "/model", "cannot be read"),
    ("model", {"path": "/"}, "/model", "cannot be read"),
    ("model", {"inline": {}}, "/model/objective", "required"),
    ("model", {"inline": MODEL | {"losses": "some"}}, "/model/losses", "'balance'"),
    ("options/time_limit_s", 0, "/options/time_limit_s", "greater than 0"),
    ("options/gap", -1, "/options/gap", "greater than or equal to 0"),
    ("options/threads", 0, "/options/threads", "greater than or equal to 1"),
    ("options/threads", 1.5, "/options/threads", "integer"),
    ("options/seed", -1, "/options/seed", "greater than or equal to 0"),
    ("options/seed", 10**12, "/options/seed", "less than or equal to"),
]


@pytest.mark.parametrize(("place", "value", "path", "word"), VALUES, ids=lambda v: str(v)[:30])
def test_bad_values_name_their_place(place: str, value: object, path: str, word: str) -> None:
    found = faults(changed(place, value))
    assert word in found[path]


def test_all_faults_at_once() -> None:
    request = changed("model/inline/losess", 1) | {"case": {"name": "feeder5"}}
    assert set(faults(request)) == {"/case/name", "/model/losess"}
    assert set(faults({"schema": "x", "options": {"gap": -1}})) == {"/schema", "/study", "/options/gap"}


def nested(levels: int) -> dict[str, Any]:
    outer: dict[str, Any] = {}
    inner = outer
    for _ in range(levels):
        inner["deeper"] = {}
        inner = inner["deeper"]
    return outer


STRANGE: dict[str, tuple[object, str]] = {
    "not a number": (math.nan, "must be a number between"),
    "infinite": (-math.inf, "must be a number between"),
    "5,000 digits": (10**5000, "must be a number between"),
    "an object of Python": (object(), "must be a JSON value, is object"),
    "bytes": (b"x", "must be a JSON value, is bytes"),
    "half a surrogate pair": ("\ud800", "is not text"),
    "nested deeply": (nested(10_000), "nested more than 100 levels"),
    "a key that is a number": ({1: 2}, "key 1 is not text"),
}


@pytest.mark.parametrize("place", ["id", "study/beta", "case/inline", "model/inline", "options/gap", "study/plan"])
@pytest.mark.parametrize("name", STRANGE)
def test_what_json_cannot_hold_is_refused_wherever_it_stands(name: str, place: str) -> None:
    value, word = STRANGE[name]
    assert any(word in message for message in faults(changed(place, value)).values())


@pytest.mark.parametrize("request_", [None, [], "solve", 5, {}], ids=str)
def test_what_is_no_request_at_all(request_: object) -> None:
    assert faults(request_)


def test_trade_off_of_one_quantity_is_bad_input() -> None:
    request = stored("tradeoff")
    del request["model"]["inline"]["uncertain"][1]
    assert "between two uncertain quantities" in faults(request)["/model/uncertain"]


def test_sweep_of_opportunities() -> None:
    study = {"kind": "sweep", "betas": [0.05], "sense": "opportunity", "alpha_gap": 0.01}
    (run,) = answered(GOOD | {"model": stored("opportunity")["model"], "study": study})["runs"]
    assert run["kind"] == "opportunity" and run["beta"] == 0.05


def test_robustness_of_one_plan_is_what_the_verb_says_of_it() -> None:
    request = stored("robustness")
    request["study"] |= {"base_objective": 0.002, "sense": "opportunity", "betas": [0.01]}
    response = answered(request)
    curve = ip.robustness(
        ip.plan_from_dict(request["study"]["plan"]), [0.01], base_objective=0.002, sense="opportunity"
    )
    assert response["result"] == curve.to_dict()
    assert response["runs"] == [curve.to_dict()["plan"]]


ROBUSTNESS: list[tuple[dict[str, Any], dict[str, str]]] = [
    # changes of the stored study of one plan (null takes a field away), faults by path
    ({"plan": None}, {"/study/plan": "needs study.plan, a plan document, or several in study.plans"}),
    ({"plans": []}, {"/study/plan": "exclude each other"}),
    ({"plan": None, "plans": []}, {"/study/plans": "at least one plan"}),
    ({"plan": None, "plans": [{}, 7]}, {"/study/plans/1": "must be an object"}),
    ({"plan": None, "plans": [{}, {"schema": 1}]}, {f"/study/plans/{n}/schema": "not a plan" for n in (0, 1)}),
    ({"betas": None}, {"/study/betas": "empty"}),
    ({"betas": [-0.1]}, {"/study/betas/0": "0 or more"}),
    ({"betas": [1.0], "sense": "opportunity"}, {"/study/beta": "must lie below 1"}),
    ({"sense": "bold"}, {"/study/sense": "'robust' or 'opportunity'"}),
    ({"base_objective": 0.0}, {"/study/base_objective": "needs a positive one"}),
    ({"samples": 5}, {"/study/samples": "does not belong to kind robustness"}),
]


@pytest.mark.parametrize(("changes", "wanted"), ROBUSTNESS, ids=lambda v: str(v)[:40])
def test_faults_of_robustness_name_their_place(changes: dict[str, Any], wanted: dict[str, str]) -> None:
    request = stored("robustness")
    request["study"] |= changes
    found = faults(request)
    assert set(found) == set(wanted)
    assert all(word in found[path] for path, word in wanted.items())


def test_faults_of_a_plan_stand_below_it() -> None:
    request = stored("robustness")
    request["study"]["plan"] |= {"dispatch": None}
    assert "no dispatch that could be judged" in faults(request)["/study/plan/dispatch"]
    request = stored("robustness")
    request["study"]["plan"]["model"]["uncertain"] = []
    assert "no uncertain quantity" in faults(request)["/study/plan/model/uncertain"]
    request = stored("comparison")
    request["study"]["plans"][1] |= {"dispatch": None}
    request["study"]["plans"][1]["case"]["name"] = "feeder5"
    found = faults(request)
    assert "plan 2 has no dispatch" in found["/study/plans/1/dispatch"]
    assert "different cases" in found["/study/plans/1"]
    request = stored("comparison")
    request["study"]["sense"] = "opportunity"
    assert "compared by what they survive" in faults(request)["/study/sense"]


def first_unit(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda plan: plan["dg"][0].update(changes)


DAMAGED: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    # change of the plan, path of the fault below it, word of its message
    "a bus too many": (first_unit(bus=99), "/dg", "the case has no such bus"),
    "another technology": (first_unit(technology="x"), "/dg", "which the model does not have"),
    "a unit without dispatch": (lambda plan: plan["dispatch"].update(dg=[]), "/dispatch", "has no row for the unit"),
    "a dispatch without unit": (lambda plan: plan.update(dg=[]), "/dispatch", "where nothing is built"),
    "no topology": (lambda plan: plan.update(open_lines={}), "/open_lines", "does not state the open lines"),
    "a line too many": (lambda plan: plan["open_lines"].update(connected=[99]), "/open_lines", "line 99 is open but"),
}


@pytest.mark.parametrize("kind", ["robustness", "evidence"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_plan_is_refused_in_words(name: str, kind: str) -> None:
    damage, path, word = DAMAGED[name]
    request = stored("evidence")
    damage(request["study"]["plan"])
    if kind == "robustness":
        request |= {"study": {"kind": kind, "plan": request["study"]["plan"], "betas": [0.1]}, "options": {}}
    assert word in faults(request)[f"/study/plan{path}"]


def test_what_a_robust_plan_refers_to_may_be_missing() -> None:
    request = stored("evidence")
    plan = request["study"]["plan"]
    plan |= {"base_objective": None, "budget": None}
    assert "no budget" in faults(request)["/study/plan/budget"]
    response = answered(request | {"study": {"kind": "robustness", "plan": plan, "betas": [0.1]}, "options": {}})
    assert response["result"]["base_objective"] == plan["objective"]


def test_faults_of_evidence_name_their_place() -> None:
    request = stored("evidence")
    request["study"]["samples"] = 0
    request["options"] = {}
    assert set(faults(request)) == {"/study/samples"}
    request["options"] = {"time_limit_s": 5.0, "gap": 0.1}
    assert set(faults(request)) == {"/options/time_limit_s", "/options/gap"}
    request = stored("evidence")
    request["study"]["plan"] = stored("robustness")["study"]["plan"]
    assert "asked of a robust plan" in faults(request)["/study/plan/kind"]


def test_evidence_that_breaks_a_plan_ends_with_1(piped: "Piped") -> None:
    request = stored("evidence")
    request["study"]["plan"]["budget"] = 0.0025
    code, response = piped(json.dumps(request).encode())
    assert code == 1 and response["result"]["holds"] is False and response["result"]["over_budget"] > 0


def test_a_process_answers_on_stdout_and_tells_events_on_stderr() -> None:
    command = [sys.executable, "-c", "from igdt_planner.cli import main; main()", "run", "--events"]
    done = subprocess.run(command, input=json.dumps(GOOD).encode(), capture_output=True, check=False, timeout=120)
    assert done.returncode == 0
    response = json.loads(done.stdout)
    assert response["id"] == "mine" and response["status"] == "optimal"
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"started", "incumbent", "finished"} <= {event["kind"] for event in events}
    assert all(set(event) == {"seq", "t", "beta", "kind", "objective", "alpha", "bound", "gap"} for event in events)


Piped = Callable[[bytes], tuple[object, dict[str, Any]]]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Piped:
    """``igdt-planner run`` in this process: exit status and answer to a text on standard input."""

    def run(text: bytes) -> tuple[object, dict[str, Any]]:
        (tmp_path / "request.json").write_bytes(text)
        monkeypatch.setattr(sys, "argv", ["igdt-planner", "run"])
        with (tmp_path / "request.json").open(encoding="utf-8") as stream, pytest.raises(SystemExit) as ended:
            monkeypatch.setattr(sys, "stdin", stream)
            main()
        out, err = capfd.readouterr()
        assert err == ""
        return ended.value.code, json.loads(out)

    return run


@pytest.mark.parametrize(
    ("name", "status"),
    {"solve": 0, "check_violated": 1, "refused": 1, "infeasible": 1, "bad_input": 2, "no_plan": 3}.items(),
)
def test_exit_status_says_how_it_ended(piped: Piped, name: str, status: int) -> None:
    (kept,) = (json.loads(path.read_text(encoding="utf-8")) for path in REQUESTS if path.stem == name)
    code, response = piped(json.dumps(kept["request"]).encode())
    assert code == status
    assert response["status"] == kept["answer"]["status"]


BAD_TEXT: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "not JSON": (b"solve it", "not JSON"),
    "cut short": (json.dumps(GOOD).encode()[:-5], "not JSON"),
    "NaN": (b'{"id": NaN}', "NaN is not a JSON number"),
    "1e400": (b'{"id": 1e400}', "1e400 is not a JSON number"),
    "duplicate keys": (b'{"id": 1, "id": 2}', "key 'id' stands twice"),
    "nesting of 10,000": (b"[" * 10_000 + b"]" * 10_000, "nested too deeply"),
    "5,000 digits": (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
    "not UTF-8": (b'{"id": "\xff"}', "not UTF-8"),
    "half a surrogate pair": (b'{"id": "\\ud800"}', "is not text"),
}


@pytest.mark.parametrize("name", BAD_TEXT)
def test_bad_text_gets_an_answer(piped: Piped, name: str) -> None:
    text, word = BAD_TEXT[name]
    code, response = piped(text)
    assert code == 2
    assert response["status"] == "failed" and response["error"]["code"] == "bad_input"
    assert word in response["error"]["message"]
