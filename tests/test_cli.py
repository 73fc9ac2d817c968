"""The command line: every command, what it prints and writes, how it ends, and that bad input gets words alone."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hand import FOLDER

import igdt_planner as ip
from igdt_planner.cli import main
from igdt_planner.cli.options import parse_grid
from igdt_planner.results.curve import curves_from_dict

SWITCHING, CONNECTED, ISLANDED = (str(FOLDER / f"hand_{name}.toml") for name in ("switching", "connected", "islanded"))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: object
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; an exception other than SystemExit would be a traceback, and fails the test."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["igdt-planner", *map(str, arguments)])
        capsys.readouterr()
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        return Ended(status, *capsys.readouterr())

    return run


def test_help_names_every_command(cli: Cli) -> None:
    ended = cli("--help")
    assert ended.status == 0
    commands = ["solve", "robust", "opportunity", "sweep", "check", "report", "cases", "models", "run", "demo"]
    assert all(command in ended.out for command in commands)


@pytest.mark.parametrize(("command", "names"), [("cases", ip.list_cases()), ("models", ip.list_models())])
def test_lists(cli: Cli, command: str, names: list[str]) -> None:
    assert list(cli(command, "--json").document) == names
    assert [line.split()[0] for line in cli(command).out.splitlines()] == names


def test_solve_prints_a_summary_and_tells_progress_apart(cli: Cli) -> None:
    ended = cli("solve", "feeder4", SWITCHING)
    assert ended.status == 0
    assert "0.01064 MWh" in ended.out and "AC: feasible" in ended.out
    assert "incumbent" in ended.err and "incumbent" not in ended.out


def test_solve_as_json_is_one_plan_document(cli: Cli) -> None:
    ended = cli("solve", "feeder4", SWITCHING, "--json")
    assert ended.status == 0
    assert ip.plan_from_dict(ended.document).open_lines == {"connected": {1: (3,), 2: (3,)}}


def test_folder_of_a_case_and_settings(cli: Cli) -> None:
    """Text, numbers, lists and places inside lists."""
    settings = [
        "losses=balance",
        "dg.technologies.0.p_mw=3",
        'fix.open_lines={"connected": [2]}',
        "modes.connected.topology=static",
    ]
    plan = cli("solve", FOLDER, CONNECTED, "--json", *(word for setting in settings for word in ("--set", setting)))
    assert plan.status == 0
    assert plan.document["bound_of"] == "ac"
    assert plan.document["open_lines"] == {"connected": [2]}
    assert plan.document["dg"][0]["p_mw"] == 3.0
    assert plan.document["model"]["dg"]["technologies"][0]["p_mw"] == 3.0


@pytest.mark.slow
@pytest.mark.parametrize(("command", "budget"), [("robust", 0.002875), ("opportunity", 0.0019375)])
def test_questions(cli: Cli, command: str, budget: float) -> None:
    by_budget = cli(command, "feeder4", CONNECTED, "--budget", budget, "--json")
    assert by_budget.status == 0
    assert by_budget.document["kind"] == command
    assert by_budget.document["budget"] == budget
    by_beta = cli(command, "feeder4", CONNECTED, "--beta", 0.05)
    assert by_beta.status == 0
    assert "alpha" in by_beta.out and "budget" in by_beta.out


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``sweep --out`` leaves it."""
    folder = tmp_path_factory.mktemp("curve")
    with pytest.MonkeyPatch.context() as patch:
        grid = ["--betas", "0:0.1:0.1", "--out", str(folder)]
        patch.setattr(sys, "argv", ["igdt-planner", "sweep", "feeder4", CONNECTED, *grid])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder


def test_sweep_leaves_plans_tables_and_pictures(saved: Path) -> None:
    plans = {name: ip.load_plan(saved / f"{name}.json") for name in ("baseline", "robust_beta_0", "robust_beta_0.1")}
    assert [plan.kind for plan in plans.values()] == ["solve", "robust", "robust"]
    table = pd.read_csv(saved / "curve.csv")
    assert table["beta"].tolist() == [0.0, 0.1]
    assert table["alpha"].tolist() == [plan.robustness["alpha"] for plan in list(plans.values())[1:]]
    pictures = ["curve", *(f"{plan}_{what}" for plan in ("baseline", "robust") for what in ("feeder", "voltage"))]
    for picture in pictures:
        assert (saved / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(saved / "baseline_tables" / "ac_buses.csv")) == 8
    assert not [path for path in saved.rglob("*") if path.suffix not in (".json", ".csv", ".png", "")]


def test_sweep_as_json_is_one_curve_document(cli: Cli) -> None:
    ended = cli("sweep", "feeder4", ISLANDED, "--betas", "0.1,0", "--json")
    assert ended.status == 0
    assert [run["beta"] for run in ended.document["runs"]] == [0.0, 0.1]
    assert ended.document["baseline"]["kind"] == "solve"


@pytest.mark.slow
def test_sweep_of_several_models_is_one_document_and_resumed_when_told(cli: Cli, tmp_path: Path) -> None:
    command = ["sweep", "feeder4", CONNECTED, ISLANDED, "--betas", "0.1", "--store", tmp_path / "store", "--json"]
    ended = cli(*command)
    assert ended.status == 0
    assert ended.document["kind"] == "sweeps"
    curves = curves_from_dict(ended.document)
    assert list(curves) == ["hand_connected", "hand_islanded"]
    assert [plan.robustness["beta"] for curve in curves.values() for plan in curve.plans] == [0.1, 0.1]
    again = cli(*command)
    assert again.status == 2 and "holds results of this sweep already; resume it" in again.err
    assert cli(*command, "--resume").out == ended.out


def test_check_judges_a_saved_plan(cli: Cli, saved: Path) -> None:
    path = saved / "robust_beta_0.1.json"
    assert "AC: feasible" in cli("check", path).out
    ended = cli("check", path, "--json")
    assert ended.status == 0
    assert ended.out == path.read_text(encoding="utf-8")


def test_check_finds_what_is_wrong_with_a_plan(cli: Cli, saved: Path, tmp_path: Path) -> None:
    document = json.loads((saved / "baseline.json").read_text(encoding="utf-8"))
    document["open_lines"] = {"connected": []}
    (tmp_path / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    ended = cli("check", tmp_path / "plan.json")
    assert ended.status == 1
    assert "AC: VIOLATED" in ended.out


@pytest.mark.parametrize("name", ["baseline", "robust_beta_0.1", "curve"])
def test_report_draws_saved_results(cli: Cli, saved: Path, tmp_path: Path, name: str) -> None:
    ended = cli("report", saved / f"{name}.json", "--out", tmp_path / "drawn", "--json")
    assert ended.status == 0
    written = [Path(path) for path in ended.document["written"]]
    assert sorted(written) == sorted(path for path in (tmp_path / "drawn").rglob("*") if path.is_file())
    assert any(path.suffix == ".png" for path in written)


@pytest.mark.parametrize("names", [["baseline"], ["baseline", "robust_beta_0.1"]], ids=["one plan", "two plans"])
def test_robustness_leaves_what_report_draws_again(cli: Cli, saved: Path, tmp_path: Path, names: list[str]) -> None:
    plans = [saved / f"{name}.json" for name in names]
    ended = cli("robustness", *plans, "--betas", "0:1:0.5", "--out", tmp_path / "first", "--json")
    assert ended.status == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert set(first) - {"crossings.csv"} == {"robustness.json", "robustness.csv", "robustness.png"}
    assert first["robustness.json"].decode() == ended.out
    assert ("crossings.csv" in first) == (ended.document["kind"] == "comparison") == (len(names) == 2)
    assert cli("report", tmp_path / "first" / "robustness.json", "--out", tmp_path / "again").status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


TWO = json.dumps([{"quantity": name, "physical_max": 1.5} for name in ("dg_availability", "load")])
RESULTS: dict[str, tuple[list[str], set[str]]] = {
    "drivers": (["{saved}/robust_beta_0.1.json"], {"drivers_terms.csv"}),
    "tradeoff": (["feeder4", ISLANDED, "--beta", "0.28", "--points", "2", "--set", f"uncertain={TWO}"], set()),
    "worth": (["feeder4", CONNECTED, "--beta", "0.5"], {"as_it_is.json", "one_more_DG.json"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", RESULTS)
def test_results_leave_what_report_leaves_again(cli: Cli, saved: Path, tmp_path: Path, command: str) -> None:
    arguments, others = RESULTS[command]
    words = [text.replace("{saved}", str(saved)) for text in arguments]
    ended = cli(command, *words, "--json", "--out", tmp_path / "first")
    assert ended.status == 0 and ended.document["kind"] == command
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert set(first) == others | {f"{command}{end}" for end in (".json", ".csv", ".png")}
    assert first[f"{command}.json"].decode() == ended.out
    assert cli("report", tmp_path / "first" / f"{command}.json", "--out", tmp_path / "again").status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


def test_worth_of_lines_that_can_get_no_switch_is_refused(cli: Cli) -> None:
    ended = cli("worth", "feeder4", CONNECTED, "--beta", 0.5, "--line", 1, "--line", 99)
    assert ended.status == 2
    assert "line 1 has a switch already" in ended.err and "line 99 is not in the case" in ended.err


@pytest.mark.slow
def test_alternatives_as_table_document_and_files(cli: Cli, tmp_path: Path) -> None:
    command = ["alternatives", "feeder4", CONNECTED, "--beta", 1.0, "--samples", 20, "--scenarios", 2, "--seed", 3]
    shown = cli(*command, "--out", tmp_path)
    assert shown.status == 0
    approaches = ["deterministic", "stochastic", "static robust", "info-gap"]
    assert all(f"\n{name} " in shown.out for name in approaches) and "costs in MWh, radius 0.4" in shown.out
    table = pd.read_csv(tmp_path / "alternatives.csv")
    assert table["approach"].tolist() == approaches
    plans = [ip.load_plan(tmp_path / f"{name.replace(' ', '_')}.json") for name in approaches]
    document = json.loads((tmp_path / "alternatives.json").read_text(encoding="utf-8"))
    assert [plan.open_lines for plan in plans] == [
        ip.plan_from_dict(run).open_lines for run in document["runs"].values()
    ]
    again = cli(*command, "--radius", 0.1, "--json").document
    assert (again["kind"], again["radius"], again["samples"], again["seed"]) == ("alternatives", 0.1, 20, 3)


def test_time_limit_without_a_plan_ends_with_3(cli: Cli, tmp_path: Path) -> None:
    ended = cli("solve", "feeder4", "dual_mode", "--time-limit", 1e-6, "--out", tmp_path)
    assert ended.status == 3
    assert "no_plan" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["solve.json"]
    assert json.loads((tmp_path / "solve.json").read_text(encoding="utf-8"))["status"] == "no_plan"


def test_infeasible_ends_with_1_and_says_why(cli: Cli) -> None:
    ended = cli("robust", "feeder4", ISLANDED, "--budget", 1)
    assert ended.status == 1
    assert "infeasible" in ended.out and "budget" in ended.out


def test_interrupt_keeps_the_plan_found() -> None:
    code = "from igdt_planner.cli import main; main()"
    command = [sys.executable, "-c", code, "solve", "ieee33", "reconfiguration", "--json", "--gap", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("incumbent" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert document["status"] == "cancelled"
    assert document["ac"]["verdict"] == "feasible"
    assert process.returncode == 0


BAD_INPUT: dict[str, tuple[list[str], str]] = {
    "unknown case": (["solve", "ieee34", SWITCHING], "did you mean ieee33"),
    "unknown model": (["solve", "feeder4", "dual-mode"], "did you mean dual_mode"),
    "missing case folder": (["solve", "no/such/folder", SWITCHING], "no folder"),
    "case folder without tables": (["solve", "{dir}", SWITCHING], "case.toml"),
    "file in place of a case": (["solve", "{file}", SWITCHING], "must be a case folder"),
    "missing model file": (["solve", "feeder4", "no_such.toml"], "no_such.toml: cannot be read: No such file"),
    "directory in place of a model": (["solve", "feeder4", "{dir}.toml"], "Is a directory"),
    "bad TOML": (["solve", "feeder4", "{bad}.toml"], "is not TOML"),
    "empty TOML": (["solve", "feeder4", "{empty}.toml"], "name: Field required"),
    "TOML that is not UTF-8": (["solve", "feeder4", "{binary}.toml"], "is not UTF-8"),
    "setting without value": (["solve", "feeder4", SWITCHING, "--set", "losses"], "write KEY=VALUE"),
    "unknown setting": (["solve", "feeder4", SWITCHING, "--set", "losess=none"], "did you mean losses"),
    "setting of a bad value": (["solve", "feeder4", SWITCHING, "--set", "losses=some"], "'balance'"),
    "setting inside a number": (["solve", "feeder4", SWITCHING, "--set", "solver.gap.x=1"], "solver.gap.x"),
    "setting beyond a list": (["solve", "feeder4", CONNECTED, "--set", "dg.technologies.9.p_mw=1"], "no field"),
    "no time": (["solve", "feeder4", SWITCHING, "--time-limit", "0"], "time_limit_s 0 must be positive"),
    "negative gap": (["solve", "feeder4", SWITCHING, "--gap", "-1"], "gap -1 must be 0 or more"),
    "gap of nan": (["solve", "feeder4", SWITCHING, "--gap", "nan"], "gap nan must be 0 or more"),
    "no question": (["robust", "feeder4", CONNECTED], "either beta or a budget"),
    "two questions": (["robust", "feeder4", CONNECTED, "--beta", "0.1", "--budget", "1"], "either beta or a budget"),
    "negative beta": (["robust", "feeder4", CONNECTED, "--beta", "-0.1"], "beta -0.1 must be a number of 0 or more"),
    "opportunity for nothing": (["opportunity", "feeder4", CONNECTED, "--beta", "1"], "must lie below 1"),
    "grid of nothing": (["sweep", "feeder4", CONNECTED, "--betas", ","], "betas is empty"),
    "grid of words": (["sweep", "feeder4", CONNECTED, "--betas", "a:b:c"], "from:to:step"),
    "grid backwards": (["sweep", "feeder4", CONNECTED, "--betas", "1:0:0.1"], "from:to:step"),
    "grid without step": (["sweep", "feeder4", CONNECTED, "--betas", "0:1:0"], "from:to:step"),
    "grid without end": (["sweep", "feeder4", CONNECTED, "--betas", "0:inf:1"], "from:to:step"),
    "grid of a billion": (["sweep", "feeder4", CONNECTED, "--betas", "0:1:1e-9"], "more than 1000 betas"),
    "grid with a duplicate": (["sweep", "feeder4", CONNECTED, "--betas", "0.1,0.1"], "beta 0.1 stands twice"),
    "resume without a store": (["sweep", "feeder4", CONNECTED, "--betas", "0", "--resume"], "resume needs a store"),
    "no workers": (["sweep", "feeder4", CONNECTED, "--betas", "0", "--workers", "0"], "--workers 0: needs at least 1"),
    "two models of one name": (["sweep", "feeder4", CONNECTED, CONNECTED, "--betas", "0"], "are named hand_connected"),
    "file in place of a store": (
        ["sweep", "feeder4", CONNECTED, "--betas", "0", "--store", "{file}"],
        "cannot be used",
    ),
    "other folder as a store": (["sweep", "feeder4", CONNECTED, "--betas", "0", "--store", "{dir}/.."], "no store"),
    "store for nothing uncertain": (["sweep", "feeder4", SWITCHING, "--betas", "0", "--store", "{dir}"], "uncertain"),
    "alternatives of nothing": (
        ["alternatives", "feeder4", CONNECTED, "--beta", "0.1", "--samples", "0", "--scenarios", "0"],
        "samples is 0",
    ),
    "nothing uncertain": (["robust", "feeder4", SWITCHING, "--beta", "0.1"], "no uncertain quantity"),
    "missing plan": (["check", "no_such.json"], "no_such.json: cannot be read"),
    "directory in place of a plan": (["check", "{dir}"], "Is a directory"),
    "bad plan": (["check", "{bad}.toml"], "not JSON"),
    "empty plan": (["report", "{empty}.toml"], "not JSON"),
    "document that cannot be drawn": (["report", "{weather}.json"], "a document of kind weather cannot be drawn"),
    "binary plan": (["report", "{binary}.toml"], "is not UTF-8"),
    "list in place of a plan": (["report", "{list}.json"], "not a JSON object"),
    "file in place of a results folder": (["solve", "feeder4", SWITCHING, "--out", "{file}"], "not a folder"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_message_and_status_2(cli: Cli, tmp_path: Path, name: str) -> None:
    places = {what: str(tmp_path / what) for what in ("dir", "file", "bad", "empty", "binary", "list", "weather")}
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir.toml").mkdir()
    for file, content in {"file": b"", "bad.toml": b"name = ", "empty.toml": b"", "binary.toml": b"\xff"}.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "list.json").write_bytes(b"[]")
    (tmp_path / "weather.json").write_bytes(b'{"schema": "igdt-planner/1", "kind": "weather"}')
    arguments, word = BAD_INPUT[name]
    before = sorted(tmp_path.rglob("*"))
    out = [] if "--out" in arguments or arguments[0] == "check" else ["--out", str(tmp_path / "out")]
    ended = cli(*(argument.format(**places) for argument in arguments), *out)
    assert ended.status == 2
    assert ended.out == ""
    message = ended.err[ended.err.index("error:") :]
    assert word in message
    assert "Traceback" not in ended.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["nonsense"], ["solve"], ["solve", "feeder4", "x", "--nonsense"]])
def test_wrong_use_is_status_2(cli: Cli, arguments: list[str]) -> None:
    ended = cli(*arguments)
    assert ended.status == 2
    assert ended.out == "" and "Error" in ended.err


@pytest.mark.parametrize(
    ("text", "betas"),
    [("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]), ("0.1", [0.1]), ("0.2,0", [0.2, 0.0]), ("0:0.25:0.1", [0.0, 0.1, 0.2])],
)
def test_grids(text: str, betas: list[float]) -> None:
    assert parse_grid(text) == betas
