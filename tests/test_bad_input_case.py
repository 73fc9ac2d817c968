"""Every fault of a case gives one clear message: component, id, field, value, limit, file and row; all at once."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igdt_planner.case import case_to_dict, load_case
from igdt_planner.errors import Finding, InputError

FEEDER4 = Path(str(resources.files("igdt_planner.cases"))) / "feeder4"
Edit = tuple[str, str, str]
"""File, text in it, and what to put in its place."""


def findings_of(source: Any) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        load_case(source)
    return caught.value.findings


def messages(source: Any) -> list[str]:
    return [str(finding) for finding in findings_of(source)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FEEDER4, tmp_path / "case"))


@pytest.fixture
def inline() -> dict[str, Any]:
    return case_to_dict(load_case("feeder4"))


def edit(folder: Path, *edits: Edit) -> Path:
    for name, old, new in edits:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


LINE_3 = "3,3,4,0.01,0.005,1.0,true,true"
BUS_3 = "3,10,4,2,0.9,1.1"

# One edit of the feeder4 folder, and the whole message that it must give.
FILE_FAULTS: dict[str, tuple[Edit, str]] = {
    # numbers
    "thousands sign": (
        ("buses.csv", BUS_3, "3,10,1_000,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw must be a number, got '1_000'",
    ),
    "quoted decimal comma": (
        ("buses.csv", BUS_3, '3,10,"1,5",2,0.9,1.1'),
        "buses.csv row 4: bus 3: p_mw must be a number, got '1,5' (the decimal sign is a point)",
    ),
    "bare decimal comma": (
        ("buses.csv", BUS_3, "3,10,1,5,2,0.9,1.1"),
        "buses.csv row 4: has 7 cells, the header has 6 (a decimal comma? the decimal sign is a point)",
    ),
    "overflow": (
        ("buses.csv", BUS_3, "3,10,1e400,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw must be finite, got '1e400'",
    ),
    "not a number": (
        ("buses.csv", BUS_3, "3,10,nan,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw must be a number, got 'nan'",
    ),
    "infinity": (
        ("lines.csv", LINE_3, "3,3,4,Infinity,0.005,1.0,true,true"),
        "lines.csv row 4: line 3: r_ohm must be a number, got 'Infinity'",
    ),
    "missing value": (
        ("buses.csv", BUS_3, "3,10,,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw is missing",
    ),
    "boolean for a number": (
        ("buses.csv", BUS_3, "3,10,true,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw must be a number, got 'true'",
    ),
    "number for a boolean": (
        ("lines.csv", LINE_3, "3,3,4,0.01,0.005,1.0,1,true"),
        "lines.csv row 4: line 3: in_service must be true or false, got '1'",
    ),
    "digits that are not ASCII": (
        ("buses.csv", BUS_3, "3,10,４,2,0.9,1.1"),
        "buses.csv row 4: bus 3: p_mw must be a number, got '\\uff14'",
    ),
    "fraction for an id": (
        ("lines.csv", LINE_3, "3.0,3,4,0.01,0.005,1.0,true,true"),
        "lines.csv row 4: lines record 3: id must be a whole number, got '3.0'",
    ),
    "id too large": (
        ("lines.csv", LINE_3, "3000000000,3,4,0.01,0.005,1.0,true,true"),
        "lines.csv row 4: lines record 3: id is 3000000000, must be at most 2147483647",
    ),
    # ranges
    "rating of zero": (
        ("lines.csv", LINE_3, "3,3,4,0.01,0.005,0,true,true"),
        "lines.csv row 4: line 3: max_i_ka is 0, must be greater than 0 "
        "(the unit is kA; leave the cell empty where there is no limit)",
    ),
    "rating in ampere": (
        ("lines.csv", LINE_3, "3,3,4,0.01,0.005,400,true,true"),
        "lines.csv row 4: line 3: max_i_ka is 400, must be at most 100 "
        "(the unit is kA; leave the cell empty where there is no limit)",
    ),
    "negative resistance": (
        ("lines.csv", LINE_3, "3,3,4,-0.01,0.005,1.0,true,true"),
        "lines.csv row 4: line 3: r_ohm is -0.01, must be at least 0",
    ),
    "negative reactance": (
        ("lines.csv", LINE_3, "3,3,4,0.01,-0.005,1.0,true,true"),
        "lines.csv row 4: line 3: x_ohm is -0.005, must be at least 0",
    ),
    "no impedance": (
        ("lines.csv", LINE_3, "3,3,4,0,0,1.0,true,true"),
        "lines.csv row 4: line 3: r_ohm and x_ohm give an impedance of 0 ohm, must be at least 1e-05 ohm "
        "(merge the two buses, or give the switch a small impedance)",
    ),
    "impedance below the floor": (
        ("lines.csv", LINE_3, "3,3,4,1e-6,0,1.0,true,true"),
        "lines.csv row 4: line 3: r_ohm and x_ohm give an impedance of 1e-06 ohm, must be at least 1e-05 ohm "
        "(merge the two buses, or give the switch a small impedance)",
    ),
    "no nominal voltage": (
        ("buses.csv", BUS_3, "3,0,4,2,0.9,1.1"),
        "buses.csv row 4: bus 3: vn_kv is 0, must be greater than 0 (the unit is kV)",
    ),
    "nominal voltage in volt": (
        ("buses.csv", BUS_3, "3,10000,4,2,0.9,1.1"),
        "buses.csv row 4: bus 3: vn_kv is 10000, must be at most 1000 (the unit is kV)",
    ),
    "power base of zero": (
        ("case.toml", "base_mva = 10.0", "base_mva = 0"),
        "case.toml row 4: case: base_mva is 0, must be greater than 0",
    ),
    "lower limit above upper": (
        ("buses.csv", BUS_3, "3,10,4,2,1.1,0.9"),
        "buses.csv row 4: bus 3: vm_min_pu is 1.1, above vm_max_pu 0.9",
    ),
    "negative load": (
        ("buses.csv", BUS_3, "3,10,4,-2,0.9,1.1"),
        "buses.csv row 4: bus 3: q_mvar is -2, must be at least 0 "
        "(set load_may_be_negative for a capacitor or a generator counted as load)",
    ),
    "source outside the limits of its bus": (
        ("substations.csv", "1,1.0", "1,1.2"),
        "substations.csv row 2: substation at bus 1: vm_pu is 1.2, outside the limits 0.9 to 1.1 of its bus",
    ),
    # ids and line ends
    "duplicate id": (
        ("lines.csv", LINE_3, "2,3,4,0.01,0.005,1.0,true,true"),
        "lines.csv row 4: line 2: id stands in row 3 and again in row 4",
    ),
    "source named twice": (
        ("substations.csv", "1,1.0", "1,1.0\n1,1.0"),
        "substations.csv row 3: substation at bus 1: bus stands in row 2 and again in row 3",
    ),
    "self-loop": (
        ("lines.csv", LINE_3, "3,3,3,0.01,0.005,1.0,true,true"),
        "lines.csv row 4: line 3: to_bus is 3, the same as from_bus: a line must join two buses",
    ),
    "unknown end bus": (
        ("lines.csv", LINE_3, "3,3,44,0.01,0.005,1.0,true,true"),
        "lines.csv row 4: line 3: to_bus is 44, but there is no such bus (nearest ids: 4, 3, 2)",
    ),
    "source at an unknown bus": (
        ("substations.csv", "1,1.0", "0,1.0"),
        "substations.csv row 2: substation at bus 0: bus is 0, but there is no such bus (nearest ids: 1, 2, 3)",
    ),
    "line across voltage levels": (
        ("buses.csv", "1,10,0,0", "1,20,0,0"),
        "lines.csv row 2: line 1: to_bus has 10 kV, from_bus has 20 kV: a line joins equal voltages",
    ),
    "no source": (
        ("substations.csv", "1,1.0\n", ""),
        "substations.csv: substations: has no records: there is no source",
    ),
    # network
    "bus without a path": (
        ("buses.csv", BUS_3, f"{BUS_3}\n9,10,0,0,0.9,1.1"),
        "buses.csv: bus 9 has no path to a source",
    ),
    "base topology leaves buses out": (
        ("lines.csv", "2,2,3,0.01,0.005,1.0,true,true", "2,2,3,0.01,0.005,1.0,false,true"),
        "lines.csv: buses 3, 4 have no supply in the base topology "
        "(set in_service of a line that joins them to a source)",
    ),
    "base topology with a cycle": (
        ("lines.csv", "4,1,4,0.01,0.005,1.0,false,true", "4,1,4,0.01,0.005,1.0,true,true"),
        "lines.csv row 5: line 4: in_service is true, but lines 4, 3, 2, 1 form a cycle: "
        "the base topology must be radial (set in_service of one of them to false)",
    ),
    "base topology joins two sources": (
        ("substations.csv", "1,1.0", "1,1.0\n4,1.0"),
        "lines.csv row 4: line 3: in_service is true, but lines 3, 1, 2 join two sources: "
        "the base topology must be radial (set in_service of one of them to false)",
    ),
    # profile
    "too few periods": (
        ("profile.csv", "2,1,1,1.0\n", ""),
        "profile.csv: profile: has 1 periods, periods announces 2",
    ),
    "gap in time": (
        ("profile.csv", "2,1,1,1.0", "2,5,1,1.0"),
        "profile.csv row 3: period 2: start_h is 5, must be 1, where period 1 ends",
    ),
    "the same time twice": (
        ("profile.csv", "2,1,1,1.0", "2,0,1,1.0"),
        "profile.csv row 3: period 2: start_h is 0, must be 1, where period 1 ends",
    ),
    "duplicate period": (
        ("profile.csv", "2,1,1,1.0", "1,1,1,1.0"),
        "profile.csv row 3: period 1: period stands in row 2 and again in row 3",
    ),
    "periods out of number": (
        ("profile.csv", "2,1,1,1.0", "3,1,1,1.0"),
        "profile.csv row 3: period 3: period must be 2: periods are numbered 1, 2, 3 in order of time",
    ),
    "another step": (
        ("profile.csv", "2,1,1,1.0", "2,1,0.5,1.0"),
        "profile.csv row 3: period 2: duration_h is 0.5, must be 1, the step_h of the case",
    ),
    "negative profile": (
        ("profile.csv", "2,1,1,1.0", "2,1,1,-1.0"),
        "profile.csv row 3: period 2: load is -1, must be at least 0",
    ),
    # columns and keys
    "unknown column": (
        ("lines.csv", "max_i_ka", "max_i_a"),
        "lines.csv row 1: lines: column 'max_i_a' is unknown (did you mean max_i_ka?)",
    ),
    "missing column": (
        ("lines.csv", ",switchable", ""),
        "lines.csv row 1: lines: column switchable is missing",
    ),
    "column named twice": (
        ("lines.csv", "x_ohm", "r_ohm"),
        "lines.csv row 1: has column 'r_ohm' twice",
    ),
    "unknown key": (
        ("case.toml", "base_mva", "base_mwa"),
        "case.toml row 4: case: 'base_mwa' is no key of a case (did you mean base_mva?)",
    ),
    "another version of the format": (
        ("case.toml", "igdt-planner/case/1", "igdt-planner/case/9"),
        "case.toml row 1: case: schema is 'igdt-planner/case/9', this version reads 'igdt-planner/case/1'",
    ),
    "no version of the format": (
        ("case.toml", 'schema = "igdt-planner/case/1"\n', ""),
        "case.toml: case: schema is missing",
    ),
    "name that leaves the output folder": (
        ("case.toml", '"feeder4"', '"../feeder4"'),
        "case.toml row 2: case: name must be a plain name without / and \\, got '../feeder4' "
        "(it stands in the names of result files)",
    ),
    "number of 5,000 digits": (
        ("case.toml", "periods = 2", f"periods = {'9' * 5000}"),
        "case.toml: holds a number too long or tables nested too deep to be read",
    ),
    # files
    "wrong delimiter": (
        ("substations.csv", "bus,vm_pu\n1,1.0", "bus;vm_pu\n1;1,0"),
        "substations.csv row 1: has columns separated by semicolons, must be commas",
    ),
    "unclosed quote": (
        ("substations.csv", "1,1.0", '1,"1.0'),
        "substations.csv row 2: is not valid CSV: unexpected end of data",
    ),
    "control character in a name": (
        ("case.toml", '"Four-bus', '"\\u001b[31mFour-bus'),
        "case.toml row 3: case: title holds a control character: "
        "'\\x1b[31mFour-bus ring that can be solved with a pencil'",
    ),
}


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_fault_in_a_folder(fault: str, folder: Path) -> None:
    change, wanted = FILE_FAULTS[fault]
    assert wanted in messages(edit(folder, change))


def test_one_fault_gives_one_message(folder: Path) -> None:
    """Faults that do not follow from each other only: a bad id does not make its lines dangle, and so on."""
    follow = {"unknown key", "missing column", "column named twice", "bare decimal comma"}
    follow |= {"line across voltage levels", "another step", "nominal voltage in volt"}
    for fault, (change, wanted) in FILE_FAULTS.items():
        if fault not in follow:
            copy = Path(shutil.copytree(folder, folder.parent / fault.replace(" ", "_")))
            assert messages(edit(copy, change)) == [wanted]


def test_all_faults_at_once_in_reading_order(folder: Path) -> None:
    edit(
        folder,
        ("case.toml", "base_mva = 10.0", "base_mva = -1"),
        ("buses.csv", "2,10,2,1,0.9,1.1", "2,10,2,1,1.9,1.1"),
        ("lines.csv", LINE_3, "3,3,44,-0.01,0.005,0,true,maybe"),
        ("profile.csv", "1,0,1,0.5", "1,0,1,half"),
    )
    assert messages(folder) == [
        "case.toml row 4: case: base_mva is -1, must be greater than 0",
        "buses.csv row 3: bus 2: vm_min_pu is 1.9, above vm_max_pu 1.1",
        "lines.csv row 4: line 3: r_ohm is -0.01, must be at least 0",
        "lines.csv row 4: line 3: max_i_ka is 0, must be greater than 0 "
        "(the unit is kA; leave the cell empty where there is no limit)",
        "lines.csv row 4: line 3: switchable must be true or false, got 'maybe'",
        "lines.csv row 4: line 3: to_bus is 44, but there is no such bus (nearest ids: 4, 3, 2)",
        "profile.csv row 2: period 1: load must be a number, got 'half'",
    ]


# Whole files


def test_byte_order_mark_is_stripped(folder: Path) -> None:
    for name in ("case.toml", "buses.csv"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert load_case(folder).buses["id"].tolist() == [1, 2, 3, 4]


def test_spaces_windows_line_ends_and_blank_lines_are_harmless(folder: Path) -> None:
    text = (folder / "substations.csv").read_text(encoding="utf-8").replace("1,1.0", " 1 , 1.0 ")
    (folder / "substations.csv").write_bytes(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert load_case(folder).substations["vm_pu"].tolist() == [1.0]


def test_rows_count_blank_lines(folder: Path) -> None:
    edit(folder, ("lines.csv", LINE_3, "\n3,3,4,-1,0.005,1.0,true,true"))
    assert messages(folder) == ["lines.csv row 5: line 3: r_ohm is -1, must be at least 0"]


def test_empty_file(folder: Path) -> None:
    (folder / "lines.csv").write_text("", encoding="utf-8")
    assert messages(folder) == ["lines.csv: is empty"]


def test_file_that_is_not_utf8(folder: Path) -> None:
    (folder / "lines.csv").write_bytes("id,Länge".encode("latin-1"))
    assert messages(folder) == ["lines.csv: is not UTF-8 at byte 4 (save it as UTF-8)"]


def test_directory_in_place_of_a_file(folder: Path) -> None:
    (folder / "lines.csv").unlink()
    (folder / "lines.csv").mkdir()
    assert messages(folder) == ["lines.csv: is a directory or device, must be a file"]


def test_missing_files_are_all_named(folder: Path) -> None:
    for name in ("lines.csv", "profile.csv"):
        (folder / name).unlink()
    found = messages(folder)
    assert [message.partition(" in the case folder")[0] for message in found] == [
        "lines.csv: there is no such file",
        "profile.csv: there is no such file",
    ]


def test_link_that_leaves_the_case_folder(folder: Path) -> None:
    (folder / "lines.csv").unlink()
    (folder / "lines.csv").symlink_to(FEEDER4 / "lines.csv")
    assert messages(folder) == ["lines.csv: is a link that leaves the case folder (copy the file instead)"]


def test_case_folder_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_case(tmp_path / "link").name == "feeder4"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(folder: Path) -> None:
    (folder / "lines.csv").chmod(0)
    assert messages(folder) == ["lines.csv: cannot be read: Permission denied"]


def test_file_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igdt_planner.interchange.csv_folder.MAX_FILE_BYTES", 180)
    assert "lines.csv: has 187 bytes, at most 180 are read" in messages(edit(folder))


def test_broken_toml(folder: Path) -> None:
    edit(folder, ("case.toml", "periods = 2", "periods = = 2"))
    assert messages(folder) == ["case.toml: is not valid TOML: Invalid value (at line 6, column 11)"]


# Names and sources


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("feeder5", "case: there is no shipped case and no folder 'feeder5' (did you mean feeder4?)"),
        ("case33bw.m", "case33bw.m: there is no such file"),
        (Path("no/such/folder"), "case: there is no shipped case and no folder 'no/such/folder'"),
        ("../ieee33\0", "case: there is no shipped case and no folder '../ieee33\\x00' (did you mean ieee33?)"),
        (None, "case: must be a name, a folder or a mapping, got 'NoneType'"),
        (b"ieee33", "case: must be a name, a folder or a mapping, got 'bytes'"),
    ],
)
def test_source_that_is_no_case(source: Any, wanted: str) -> None:
    assert messages(source) == [wanted]


def test_source_with_a_very_long_name() -> None:
    assert messages("x" * 10_000)[0].startswith("case: there is no shipped case and no folder 'xxxxx")


def test_file_in_place_of_a_folder(folder: Path) -> None:
    assert "is a file, must be a case folder" in messages(folder / "case.toml")[0]


def test_pandapower_net_is_refused() -> None:
    net = type("pandapowerNet", (dict,), {})()
    assert messages(net) == ["case: pandapower nets are not read yet (give a case folder)"]


def test_cases_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> None:
        raise ModuleNotFoundError(package)

    monkeypatch.setattr("importlib.resources.files", absent)
    assert messages("ieee33") == ["the shipped cases are not installed (pip install .)"]


# The inline form: a JSON pointer and the value, no file

Change = Callable[[dict[str, Any]], None]


def put(*path: Any, value: Any) -> Change:
    def change(case: dict[str, Any]) -> None:
        place: Any = case
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


INLINE_FAULTS: dict[str, tuple[Change, str, str, Any]] = {
    "boolean": (
        put("lines", 3, "r_ohm", value=True),
        "/case/lines/3/r_ohm",
        "line 4: r_ohm must be a number, got True",
        True,
    ),
    "text": (
        put("lines", 3, "r_ohm", value="0.1"),
        "/case/lines/3/r_ohm",
        "line 4: r_ohm must be a number, got '0.1'",
        "0.1",
    ),
    "null": (put("lines", 3, "r_ohm", value=None), "/case/lines/3/r_ohm", "line 4: r_ohm is missing", None),
    "list": (put("buses", 0, "p_mw", value=[1]), "/case/buses/0/p_mw", "bus 1: p_mw must be a number, got a list", [1]),
    "infinity": (
        put("buses", 0, "p_mw", value=float("inf")),
        "/case/buses/0/p_mw",
        "bus 1: p_mw must be finite, got inf",
        float("inf"),
    ),
    "huge whole number": (
        put("buses", 0, "p_mw", value=10**5000),
        "/case/buses/0/p_mw",
        "bus 1: p_mw must be finite, got a whole number of about 5000 digits",
        10**5000,
    ),
    "huge id": (
        put("lines", 3, "id", value=10**5000),
        "/case/lines/3/id",
        "lines record 4: id is a whole number of about 5000 digits, must be at most 2147483647",
        10**5000,
    ),
    "fraction for an id": (
        put("lines", 3, "id", value=4.0),
        "/case/lines/3/id",
        "lines record 4: id must be a whole number, got 4.0",
        4.0,
    ),
    "number for a boolean": (
        put("lines", 3, "switchable", value=1),
        "/case/lines/3/switchable",
        "line 4: switchable must be true or false, got 1",
        1,
    ),
    "number for a name": (put("buses", 0, "name", value=5), "/case/buses/0/name", "bus 1: name must be text, got 5", 5),
    "control character in a bus name": (
        put("buses", 0, "name", value="North\n\u202eStation"),
        "/case/buses/0/name",
        "bus 1: name holds a control character: 'North\\n\\u202eStation'",
        "North\n\u202eStation",
    ),
    "endless name": (
        put("buses", 0, "name", value="x" * 201),
        "/case/buses/0/name",
        "bus 1: name has 201 characters, at most 200 are allowed",
        "x" * 201,
    ),
    "duplicate id": (
        put("lines", 3, "id", value=1),
        "/case/lines/3/id",
        "line 1: id stands in record 0 and again in record 3",
        1,
    ),
    "unknown field": (
        put("lines", 3, "r/ohm", value=1),
        "/case/lines/3/r~1ohm",
        "lines: column 'r/ohm' is unknown",
        None,
    ),
    "unknown key": (put("busses", value=[]), "/case/busses", "case: 'busses' is no key of a case", []),
    "empty name": (
        put("name", value=""),
        "/case/name",
        "case: name must be a plain name without / and \\, got ''",
        "",
    ),
    "table that is no list": (
        put("lines", value={}),
        "/case/lines",
        "case: lines must be a list of records, got dict",
        None,
    ),
    "record that is no record": (
        put("lines", 3, value=5),
        "/case/lines",
        "case: lines must be a list of records, got a list with other values",
        None,
    ),
    "no buses": (put("buses", value=[]), "/case/buses", "buses: has no records", None),
}


@pytest.mark.parametrize("fault", INLINE_FAULTS)
def test_fault_in_the_inline_form(fault: str, inline: dict[str, Any]) -> None:
    change, path, message, got = INLINE_FAULTS[fault]
    change(inline)
    found = next(finding for finding in findings_of(inline) if finding.path == path)
    assert (found.message, found.got, found.file, found.row) == (message, got, "", None)


def test_missing_parts_of_the_inline_form_are_all_named() -> None:
    assert messages({}) == [
        "case: name is missing",
        "case: base_mva is missing",
        "case: buses is missing",
        "case: lines is missing",
        "case: substations is missing",
        "case: profile is missing",
    ]


def test_unicode_twins(inline: dict[str, Any]) -> None:
    composed, decomposed = "S\u00fcd", unicodedata.normalize("NFD", "S\u00fcd")
    inline["buses"][1]["name"], inline["buses"][3]["name"] = composed, decomposed
    assert messages(inline) == ["bus 4: name is 'Su\\u0308d', which looks like 'S\\xfcd' of bus 2"]


def test_the_same_name_twice_is_allowed(inline: dict[str, Any]) -> None:
    inline["buses"][1]["name"] = inline["buses"][3]["name"] = "S\u00fcd"
    assert load_case(inline).buses["name"].tolist() == ["", "S\u00fcd", "", "S\u00fcd"]


def test_parallel_lines_are_separate_switches(inline: dict[str, Any]) -> None:
    inline["lines"].append(inline["lines"][1] | {"id": 5, "in_service": False})
    assert load_case(inline).lines["id"].tolist() == [1, 2, 3, 4, 5]


def test_negative_load_that_is_flagged(inline: dict[str, Any]) -> None:
    inline["buses"][2] |= {"q_mvar": -1.0, "load_may_be_negative": True}
    assert load_case(inline).buses["q_mvar"].tolist() == [0.0, 1.0, -1.0, 2.0]


def test_empty_rating_means_unlimited(inline: dict[str, Any]) -> None:
    inline["lines"][0]["max_i_ka"] = None
    assert load_case(inline).lines["max_i_ka"].isna().tolist() == [True, False, False, False]


def test_long_lists_of_buses_are_cut(inline: dict[str, Any]) -> None:
    far = [inline["buses"][1] | {"id": bus} for bus in range(10, 40)]
    ties = [inline["lines"][0] | {"id": bus, "from_bus": bus, "to_bus": bus + 1} for bus in range(10, 39)]
    inline["buses"], inline["lines"] = inline["buses"] + far, inline["lines"] + ties
    wanted = "buses 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 18 more have no path to a source"
    assert messages(inline) == [wanted]


def test_every_cycle_is_named() -> None:
    case = case_to_dict(load_case("ieee33"))
    for line in case["lines"][-2:]:
        line["in_service"] = True
    assert [finding.path for finding in findings_of(case)] == ["/case/lines/35/in_service", "/case/lines/36/in_service"]


def test_too_large(inline: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igdt_planner.case_checks.MAX_ELEMENT_PERIODS", 15)
    monkeypatch.setattr("igdt_planner.case_checks.BYTES_PER_ELEMENT_PERIOD", 2_000_000_000)
    assert messages(inline) == [
        "case: 8 buses and lines times 2 periods make 16, at most 15 are accepted; a model would need about 32 GB "
        "(use representative periods)"
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.data())
def test_anything_anywhere_is_a_case_or_a_clear_error(value: Any, data: st.DataObject) -> None:
    case = case_to_dict(load_case("feeder4"))
    place: Any = case
    while isinstance(place, dict | list) and place:
        parent, step = (
            place,
            data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))),
        )
        place = parent[step]
        if data.draw(st.booleans()):
            break
    parent[step] = value
    try:
        loaded = load_case(case)
    except InputError as error:
        assert all(finding.message and finding.path.startswith("/case") for finding in error.findings)
    else:
        assert case_to_dict(load_case(case_to_dict(loaded))) == case_to_dict(loaded)


# Mistaken units


def scaled(case: dict[str, Any], table: str, columns: tuple[str, ...], factor: float) -> dict[str, Any]:
    records = [record | {column: record[column] * factor for column in columns} for record in case[table]]
    return case | {table: records}


def test_kilowatt_taken_for_megawatt() -> None:
    wrong = scaled(case_to_dict(load_case("ieee33")), "buses", ("p_mw", "q_mvar"), 1000)
    assert messages(wrong) == [
        "case: at the peak the voltage at bus 18 drops by 80.5 pu, 161 times the largest plausible 0.5 pu "
        "(p_mw is in MW (not kW), r_ohm and x_ohm in ohm, vn_kv in kV; accept_implausible = true waives this check)"
    ]


def test_per_unit_taken_for_ohm() -> None:
    wrong = scaled(case_to_dict(load_case("ieee33")), "lines", ("r_ohm", "x_ohm"), 1 / 160.2756)
    assert messages(wrong) == [
        "case: at the peak the voltage drops by 0.000502 pu at most, and half of the lines have less than 0.01 ohm; "
        "read as per unit they would have 160.3 times as much "
        "(r_ohm and x_ohm are in ohm (not per unit); accept_implausible = true waives this check)"
    ]


def test_implausible_values_may_be_accepted() -> None:
    wrong = scaled(case_to_dict(load_case("ieee33")), "buses", ("p_mw", "q_mvar"), 1000)
    assert load_case(wrong | {"accept_implausible": True}).buses["p_mw"].sum() == pytest.approx(3715)
