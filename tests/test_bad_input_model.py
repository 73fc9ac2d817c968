"""Bad models: every fault is named with its place and value, all at once, before anything is solved."""

import copy
import json
import math
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from golden.studies import CASE, MODEL

from igdt_planner.case import load_case
from igdt_planner.errors import Finding, InputError
from igdt_planner.formulation import build
from igdt_planner.model import Model, load_model
from igdt_planner.study import resolve

SHIPPED = ["cost", "dual_mode", "reconfiguration"]
GOOD: dict[str, Any] = json.loads(json.dumps(MODEL))


def changed(place: str, value: object) -> dict[str, Any]:
    """The good model with one value put at a place such as ``dg/technologies/0/p_mw``."""
    model: Any = copy.deepcopy(GOOD)
    *parents, last = place.split("/")
    target = model
    for parent in parents:
        target = target[int(parent)] if isinstance(target, list) else target.setdefault(parent, {})
    target[int(last) if isinstance(target, list) else last] = value
    return model


def faults(source: Any) -> tuple[Finding, ...]:
    """What loading a model finds wrong, or else what resolving it with the tiny case does."""
    with pytest.raises(InputError) as caught:
        resolve(load_case(CASE), load_model(source))
    assert caught.value.code == "bad_input"
    return caught.value.findings


def test_the_good_model_is_good() -> None:
    assert resolve(load_case(CASE), load_model(GOOD)).model == Model.model_validate(MODEL)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_load_by_name_and_by_path(name: str) -> None:
    path = Path(str(resources.files("igdt_planner.models"))) / f"{name}.toml"
    assert load_model(name) == load_model(path) == load_model(tomllib.loads(path.read_text("utf-8")))
    assert load_model(name).name == name


UNKNOWN_KEYS = {
    "losess": "losses",
    "modes/connected/topolgy": "topology",
    "objective/0/wieght": "weight",
    "dg/max_unit": "max_units",
    "dg/technologies/0/p_wm": "p_mw",
    "ess/technologies/0/energy_start": "energy_start_mwh",
    "fix/open_line": "open_lines",
    "solver/time_limit": "time_limit_s",
}


@pytest.mark.parametrize(("place", "meant"), UNKNOWN_KEYS.items(), ids=UNKNOWN_KEYS)
def test_unknown_key_is_refused_with_the_nearest_one(place: str, meant: str) -> None:
    (fault,) = faults(changed(place, 1))
    assert fault.path == f"/model/{place}"
    assert "unknown key" in fault.message
    assert meant in fault.hint


VALUES = [
    # place, value, word of the message
    ("losses", "some", "'balance'"),
    ("periods", "night", "'peak'"),
    ("name", 5, "string"),
    ("modes/connected/weight", "heavy", "number"),
    ("modes/connected/weight", -0.1, "greater than or equal to 0"),
    ("modes/connected/weight", math.nan, "finite"),
    ("modes/connected/weight", math.inf, "finite"),
    ("modes/connected/topology", "loose", "'dynamic'"),
    ("modes/connected/max_switching_operations", -1, "greater than or equal to 0"),
    ("objective", [], "at least 1"),
    ("objective/0/term", "loses", "'losses'"),
    ("objective/0/mode", "offgrid", "'islanded'"),
    ("dg/max_units", -1, "greater than or equal to 0"),
    ("dg/max_units", 1.5, "integer"),
    ("dg/technologies/0/p_mw", 0.0, "greater than 0"),
    ("dg/technologies/0/lifetime_years", 0.0, "greater than 0"),
    ("dg/technologies/0/discount_rate", -0.01, "greater than or equal to 0"),
    ("ess/technologies/0/eta_charge", 0.0, "greater than 0"),
    ("ess/technologies/0/eta_discharge", 1.01, "less than or equal to 1"),
    ("ess/technologies/0/energy_start_mwh", -1.0, "greater than or equal to 0"),
    ("ess/technologies/0/energy_end", "never", "'equal_start'"),
    ("ess/technologies/0/sn_mva", 0.0, "greater than 0"),
    ("modes/islanded/vm_pu", -1.0, "greater than 0"),
    ("solver/gap", -1.0, "greater than or equal to 0"),
    ("solver/time_limit_s", 0.0, "greater than 0"),
    ("solver/threads", 0, "greater than or equal to 1"),
]


@pytest.mark.parametrize(("place", "value", "word"), VALUES)
def test_value_that_does_not_fit_is_named_with_its_place(place: str, value: Any, word: str) -> None:
    (fault,) = faults(changed(place, value))
    assert fault.path == f"/model/{place}"
    assert word in fault.message
    assert place.replace("/", ".") in fault.message
    if isinstance(value, str | int | float):
        assert f"got {value!r}" in fault.message


@pytest.mark.parametrize("place", ["modes/connected/weight", "dg/max_units", "ess/technologies/0/p_mw"])
@pytest.mark.parametrize("value", [True, "1", "1_000"])
def test_text_and_booleans_are_no_numbers(place: str, value: object) -> None:
    assert [fault.path for fault in faults(changed(place, value))] == [f"/model/{place}"]


@pytest.mark.parametrize("place", ["modes/islanded/radial", "modes/connected/shedding", "dg/technologies/0/must_take"])
@pytest.mark.parametrize("value", [1, "yes", None])
def test_only_true_and_false_are_flags(place: str, value: object) -> None:
    assert [fault.path for fault in faults(changed(place, value))] == [f"/model/{place}"]


OPEN_LINES = [
    # what is stated, pointer, words
    ([True], "connected/0", "integer"),
    (["3"], "connected/0", "integer"),
    (3, "connected", "tuple"),
    ({"first": [3]}, "connected/first", "integer"),
    ({"1": [3.5]}, "connected/1/0", "integer"),
    ({"1": 3}, "connected/1", "tuple"),
]


@pytest.mark.parametrize(("stated", "pointer", "word"), OPEN_LINES)
def test_pointers_into_open_lines_hold_nothing_but_keys(stated: object, pointer: str, word: str) -> None:
    (fault,) = faults(changed("fix/open_lines/connected", stated))
    assert fault.path == f"/model/fix/open_lines/{pointer}"
    assert word in fault.message


def test_keys_are_escaped_in_pointers() -> None:
    (fault,) = faults(GOOD | {"a/b~c": 1})
    assert fault.path == "/model/a~1b~0c"


@pytest.mark.parametrize("place", ["name", "dg/technologies/0/name", "ess/technologies/0/name", "solver/name"])
@pytest.mark.parametrize("value", ["", " "])
def test_empty_name_is_refused(place: str, value: str) -> None:
    (fault,) = faults(changed(place, value))
    assert fault.path == f"/model/{place}"
    assert fault.message.endswith(f"must not be empty, got {value!r}")


def test_numbers_may_be_whole() -> None:
    assert load_model(changed("modes/connected/weight", 1)).modes["connected"].weight == 1.0


@pytest.mark.parametrize("key", ["name", "unit", "modes", "objective"])
def test_missing_key_is_named(key: str) -> None:
    (fault,) = faults({name: value for name, value in GOOD.items() if name != key})
    assert fault.path == f"/model/{key}"
    assert "required" in fault.message


WIND_AND = {"quantity": "load"}
CONTRADICTIONS = [
    # place, value, pointer, words of the message
    ("dg/technologies/0/q_max_mvar", -0.5, "dg/technologies/0", "q_min_mvar -1 to q_max_mvar -0.5 must contain 0"),
    ("ess/technologies/0/energy_start_mwh", 9.0, "ess/technologies/0", "energy_start_mwh 9 exceeds energy_mwh 3"),
    ("uncertain", [{"quantity": "gas"}], "uncertain/0/quantity", "'price' or 'line_rating'"),
    ("uncertain", [WIND_AND | {"physical_max": 0.5}], "uncertain/0/physical_max", "greater than or equal to 1"),
    ("uncertain", [WIND_AND, WIND_AND], "uncertain", "uncertain names quantity load twice"),
    ("objective/0", {"term": "losses"}, "objective/0/mode", "losses needs mode = one of: connected, islanded"),
    ("objective/5/mode", "connected", "objective/5/mode", "investment_cost belongs to the whole plan"),
    ("objective/1/mode", "islanded", "objective/1/mode", "no energy is bought in islanded mode"),
    ("modes/connected/radial", False, "modes/connected/radial", "a connected network is run radial"),
    ("modes/connected/vm_pu", 1.0, "modes/connected/vm_pu", "substations hold the voltage that the case states"),
    (
        "modes/islanded/vm_pu",
        1.2,
        "modes/islanded/vm_pu",
        "1.2 lies outside the limits 0.9 to 1.1 pu of bus 2 and of 1 more",
    ),
    ("dg/technologies", [], "dg/technologies", "dg.max_units is 1 but dg.technologies is empty"),
    ("dg/technologies/1/name", "gas", "dg/technologies", "dg.technologies names gas twice"),
    ("dg/buses", [2, 99], "dg/buses", "dg.buses names bus 99, which the case does not have"),
    ("ess/buses", [77], "ess/buses", "ess.buses names bus 77, which the case does not have"),
    ("fix/dg", [{"bus": 99, "technology": "gas"}], "fix/dg", "fix.dg names bus 99, which the case does not have"),
    ("fix/dg", [{"bus": 2, "technology": "gaz"}], "fix/dg", "fix.dg names technology gaz; known: "),
    ("fix/open_lines/connected", [9], "fix/open_lines/connected", "names line 9, which the case does not have"),
]


@pytest.mark.parametrize(("place", "value", "pointer", "words"), CONTRADICTIONS)
def test_contradiction_is_named_with_its_place(place: str, value: object, pointer: str, words: str) -> None:
    found = [fault for fault in faults(changed(place, value)) if words in fault.message]
    assert [fault.path for fault in found] == [f"/model/{pointer}"]


def test_a_set_point_concerns_the_buses_that_may_form_a_grid() -> None:
    narrow = CASE | {"buses": [bus | ({"vm_max_pu": 1.01} if bus["id"] != 3 else {}) for bus in CASE["buses"]]}
    resolve(load_case(narrow), load_model(changed("modes/islanded/vm_pu", 1.05) | {"dg": {}}))  # storage at bus 3 alone
    with pytest.raises(InputError, match=r"outside the limits 0\.9 to 1\.01 pu of bus 2, where a unit may form a grid"):
        resolve(load_case(narrow), load_model(changed("modes/islanded/vm_pu", 1.05)))


def test_more_units_stated_than_allowed() -> None:
    units = [{"bus": bus, "technology": "gas"} for bus in (2, 3)]
    (fault,) = faults(changed("fix/dg", units))
    assert (fault.path, fault.message) == ("/model/fix/dg", "fix.dg states 2 units; dg.max_units is 1")


def test_mode_that_the_model_lacks() -> None:
    model = GOOD | {"modes": {"connected": GOOD["modes"]["connected"]}, "fix": {"open_lines": {"islanded": [3]}}}
    found = {fault.path: fault.message for fault in faults(model)}
    assert set(found) == {"/model/objective/3/mode", "/model/objective/4/mode", "/model/fix/open_lines/islanded"}
    assert "needs mode = one of: connected; got islanded" in found["/model/objective/3/mode"]
    assert "which the model does not have" in found["/model/fix/open_lines/islanded"]


def test_a_model_without_modes() -> None:
    assert "/model/modes" in [fault.path for fault in faults(GOOD | {"modes": {}})]


@pytest.mark.parametrize(("place", "value"), [("modes/conected", {"weight": 1.0}), ("fix/open_lines/conected", [3])])
def test_mode_that_nobody_knows(place: str, value: object) -> None:
    (fault,) = faults(changed(place, value))
    assert fault.path == f"/model/{place}"
    assert "'connected' or 'islanded'" in fault.message
    assert fault.hint == "did you mean connected?"


def test_misspelt_word_is_answered_with_the_nearest_one() -> None:
    (fault,) = faults(changed("losses", "balanc"))
    assert fault.hint == "did you mean balance?"


def in_mode(mode: str, lines: object, **settings: object) -> dict[str, Any]:
    """The good model with open lines stated for one mode, which has other settings too."""
    model = changed(f"fix/open_lines/{mode}", lines)
    model["modes"][mode] |= settings
    return model


DYNAMIC: dict[str, Any] = {"topology": "dynamic"}
STATED_BUT_IMPOSSIBLE = {
    "site that is no candidate": (
        changed("fix/ess", [{"bus": 2, "technology": "battery"}]),
        {"fix/ess": "fix.ess names bus 2, which is not among ess.buses"},
    ),
    "site at a substation": (
        changed("fix/dg", [{"bus": 1, "technology": "gas"}]) | {"dg": GOOD["dg"] | {"buses": []}},
        {"fix/dg": "fix.dg names bus 1, which is a substation"},
    ),
    "two units at a bus": (
        changed("fix/dg", [{"bus": 2, "technology": "gas"}, {"bus": 2, "technology": "wind"}])
        | {"dg": GOOD["dg"] | {"max_units": 2}},
        {"fix/dg": "fix.dg names bus 2 twice; a bus takes one unit"},
    ),
    "period that the case lacks": (
        in_mode("connected", {"7": [3]}, **DYNAMIC),
        {"fix/open_lines/connected": "fix.open_lines.connected names period 7; planned: 1, 2"},
    ),
    "period that the model leaves out": (
        in_mode("connected", {"1": [3], "2": [3]}, **DYNAMIC) | {"periods": "peak"},
        {"fix/open_lines/connected": "fix.open_lines.connected names period 1; planned: 2"},
    ),
    "one topology, stated for a period": (
        in_mode("connected", {"1": [3]}),
        {"fix/open_lines/connected": "states lines by period, but modes.connected.topology is static: state one list"},
    ),
    "cycle": (
        in_mode("connected", []),
        {"fix/open_lines/connected": "fix.open_lines.connected leaves a cycle of lines 3, 2, 1"},
    ),
    "cycle in an island": (
        in_mode("islanded", []),
        {"fix/open_lines/islanded": "fix.open_lines.islanded leaves a cycle of lines 3, 2, 1"},
    ),
    "bus without supply": (
        in_mode("connected", [2, 3]),
        {"fix/open_lines/connected": "fix.open_lines.connected leaves bus 3 without supply"},
    ),
    "bus without supply for a period": (
        in_mode("connected", {"1": [3], "2": [2, 3]}, **DYNAMIC),
        {"fix/open_lines/connected/2": "fix.open_lines.connected.2 leaves bus 3 without supply"},
    ),
    "line without a switch": (
        in_mode("connected", [1]),
        {"fix/open_lines/connected": "fix.open_lines.connected opens line 1, which has no switch"},
    ),
}


@pytest.mark.parametrize(("model", "words"), STATED_BUT_IMPOSSIBLE.values(), ids=STATED_BUT_IMPOSSIBLE)
def test_statement_that_cannot_be_kept_is_refused(model: dict[str, Any], words: dict[str, str]) -> None:
    found = faults(model)
    assert [fault.path for fault in found] == [f"/model/{pointer}" for pointer in words]
    assert all(word in fault.message for fault, word in zip(found, words.values(), strict=True))


def with_case(model: dict[str, Any], **tables: object) -> tuple[Finding, ...]:
    """What resolving a model with a variant of the tiny case finds wrong."""
    with pytest.raises(InputError) as caught:
        resolve(load_case(CASE | tables), load_model(model))
    return caught.value.findings


def test_open_line_without_a_switch_cannot_be_closed_by_leaving_it_out() -> None:
    lines = [*CASE["lines"][:2], CASE["lines"][2] | {"switchable": False}]
    (fault,) = with_case(in_mode("connected", [2]), lines=lines)
    assert fault.message == "fix.open_lines.connected leaves out line 3, open and without a switch"


def test_stated_topology_that_joins_substations() -> None:
    substations = [{"bus": bus, "vm_pu": 1.0} for bus in (1, 3)]
    lines = [CASE["lines"][0], CASE["lines"][1] | {"in_service": False}, CASE["lines"][2]]
    (fault,) = with_case(in_mode("connected", [3]), lines=lines, substations=substations)
    assert fault.message == "fix.open_lines.connected leaves two substations joined by lines 2, 1"


def test_loops_and_dead_buses_may_be_stated_for_an_island() -> None:
    for model in (in_mode("islanded", [], radial=False), in_mode("islanded", [2, 3])):
        assert resolve(load_case(CASE), load_model(model)).model.fix.open_lines


def loaded(p_mw: float, q_mvar: float) -> list[dict[str, Any]]:
    """Buses of the tiny case with another load at bus 2."""
    load = {"p_mw": p_mw, "q_mvar": q_mvar, "load_may_be_negative": True}
    return [bus | (load if bus["id"] == 2 else {}) for bus in CASE["buses"]]


@pytest.mark.parametrize(("p_mw", "q_mvar", "column"), [(0.0, 1.0, "q_mvar"), (-1.0, 0.0, "p_mw"), (-1.0, 1.0, "p_mw")])
@pytest.mark.parametrize("mode", ["islanded", "connected"])
def test_load_that_cannot_be_shed_is_refused_where_it_may_have_to_be(
    p_mw: float, q_mvar: float, column: str, mode: str
) -> None:
    terms = [term for term in GOOD["objective"] if term.get("mode") in (mode, None)]
    model = GOOD | {"modes": {mode: GOOD["modes"][mode] | {"shedding": True}}, "objective": terms}
    (fault,) = with_case(model, buses=loaded(p_mw, q_mvar))
    assert fault.path == f"/case/buses/1/{column}"
    assert fault.message == (
        f"bus 2: a load of p_mw {p_mw:g} and q_mvar {q_mvar:g} cannot be shed at a constant power factor, "
        f"which mode {mode} may need"
    )


def test_load_that_cannot_be_shed_is_fine_where_it_need_not_be() -> None:
    terms = [term for term in GOOD["objective"] if term.get("mode") != "islanded"]
    connected = GOOD | {"modes": {"connected": GOOD["modes"]["connected"]}, "objective": terms}
    inductive = changed("modes/islanded/reactive", False)
    for model, load in (
        (connected, (-1.0, 0.0)),
        (connected, (0.0, 1.0)),
        (inductive, (0.0, 1.0)),
        (GOOD, (2.0, -1.0)),
    ):
        resolve(load_case(CASE | {"buses": loaded(*load)}), load_model(model))


def test_findings_stand_in_the_same_order_whatever_the_order_of_the_input() -> None:
    model = changed("dg/buses", [99, 2, 77, 3])
    other = changed("dg/buses", [3, 77, 2, 99])
    assert [str(fault) for fault in faults(model)] == [str(fault) for fault in faults(other)]


@pytest.mark.parametrize("name", ["hihgs", "no such solver"])
def test_unknown_solver_is_answered_with_those_that_are_there(name: str) -> None:
    with pytest.raises(InputError) as caught:
        build(resolve(load_case(CASE), load_model(changed("solver/name", name))))
    (fault,) = caught.value.findings
    assert fault.path == "/model/solver/name"
    assert repr(name) in fault.message
    assert "highs" in fault.hint


def test_all_faults_are_reported_at_once() -> None:
    model = changed("losess", "none") | {"periods": "night"}
    model["dg"] = model["dg"] | {"max_units": -1}
    assert {fault.path for fault in faults(model)} == {"/model/losess", "/model/periods", "/model/dg/max_units"}
    late = changed("dg/buses", [99]) | {"fix": {"open_lines": {"connected": [9]}}}
    assert {fault.path for fault in faults(late)} == {"/model/dg/buses", "/model/fix/open_lines/connected"}


# Files and names.


def write(folder: Path, content: bytes) -> Path:
    path = folder / "mine.toml"
    path.write_bytes(content)
    return path


FILES = {
    "empty": (b"", "required"),
    "not TOML": (b"name = reconfiguration\n", "is not TOML"),
    "key given twice": (b'name = "a"\nname = "b"\n', "is not TOML"),
    "nested too deep": (b"a = " + b"[" * 5000 + b"]" * 5000, "is not TOML"),
    "not UTF-8": ('title = "Größe"'.encode("latin-1"), "is not UTF-8"),
    "UTF-16": ('name = "a"'.encode("utf-16"), "is not UTF-8"),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES)
def test_file_that_is_no_model(tmp_path: Path, content: bytes, words: str) -> None:
    found = faults(write(tmp_path, content))
    assert words in found[0].message
    assert found[0].file.endswith("mine.toml")


def test_byte_order_mark_is_stripped(tmp_path: Path) -> None:
    content = (Path(str(resources.files("igdt_planner.models"))) / "reconfiguration.toml").read_bytes()
    assert load_model(write(tmp_path, b"\xef\xbb\xbf" + content)) == load_model("reconfiguration")


def test_fault_in_a_file_names_the_file(tmp_path: Path) -> None:
    content = (Path(str(resources.files("igdt_planner.models"))) / "reconfiguration.toml").read_bytes()
    (fault,) = faults(write(tmp_path, content.replace(b'losses = "balance"', b'losses = "some"')))
    assert str(fault).startswith("mine.toml: losses: ")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        (fault,) = faults(path)
        assert "cannot be read" in fault.message
        assert fault.file == str(path)


def test_unknown_name_is_answered_with_the_nearest_one() -> None:
    (fault,) = faults("dual_mod")
    assert "dual_mod" in fault.message
    assert "dual_mode" in fault.hint
