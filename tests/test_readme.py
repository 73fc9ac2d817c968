"""What the README shows works as shown: on the four-bus feeder, so that it is quick."""

import importlib.util
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import igdt_planner as ip
from igdt_planner.cli import app, main
from igdt_planner.request import TAKES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)


def blocks(language):
    """Fenced code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def table(heading):
    """Rows of the table under a header row that starts with a word, as lists of cells."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    body = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


def codes(cell):
    """Everything between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def quick(text):
    """The same on the feeder of four buses, with fewer points of a curve and without more processes."""
    text = (
        text.replace("0:0.2:0.05", "0:0.2:0.1").replace("0:0.5:0.025", "0.1,0.5").replace("--workers 2", "--workers 1")
    )
    return re.sub("ieee33|ieee16", "feeder4", text)


def help_of(*command):
    """The help of a command with its line breaks undone."""
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    assert shown.exit_code == 0
    return shown.stdout


def options_of(*command):
    """Options that the help of a command lists."""
    found = re.findall(r"^\W*(--[a-z-]+)\s", help_of(*command), flags=re.MULTILINE)
    return set(found) - {"--help"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def response():
    (request,) = blocks("json")
    return ip.run(json.loads(request))


@pytest.mark.slow
def test_python_example_is_ten_lines_and_runs(here, capsys):
    code, _ = blocks("python")
    lines = [line for line in code.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 10
    exec(compile(quick(code), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].endswith("feasible") and printed.splitlines()[-1] == "feasible"
    assert (here / "robust.json").exists()


@pytest.mark.slow
def test_example_of_curves_runs(here, capsys):
    _, code = blocks("python")
    exec(compile(quick(code), "README.md", "exec"), {})
    assert "price_of_robustness" in capsys.readouterr().out
    assert isinstance(ip.load_result(here / "compared.json"), ip.Comparison) and (here / "compared.png").exists()


@pytest.mark.slow
def test_shell_examples_run(here, monkeypatch, capsys):
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("igdt-planner ")]
    assert len(commands) >= 5
    for command in commands:
        words, _, target = quick(command).partition(" > ")
        monkeypatch.setattr(sys, "argv", shlex.split(words))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, None), command
        shown = capsys.readouterr().out
        if target:
            assert json.loads(shown)["kind"] == "sweep"
    assert list((here / "pictures").glob("*.png")) and list((here / "out").glob("*.json"))


def test_every_command_and_option_is_listed_as_its_help_says():
    listed = {codes(row[0])[0].split()[0]: (row[1], set(codes(row[2]))) for row in table("command")}
    assert set(listed) == {command.name for command in app.registered_commands}
    for name, (words, options) in listed.items():
        shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", help_of(name)).split())
        assert words in shown, name
        assert options == options_of(name), name


def test_arguments_of_commands_are_those_of_the_help():
    for row in table("command"):
        name, *arguments = codes(row[0])[0].split()
        assert re.findall(r"\{(\w+)\}", help_of(name)) == arguments, name


def test_every_option_is_explained_with_its_placeholder():
    explained = {codes(row[0])[0] for row in table("option")}
    used = set().union(*(options_of(command.name) for command in app.registered_commands))
    assert {words.split()[0] for words in explained} == used
    everything = " ".join(help_of(command.name) for command in app.registered_commands)
    for words in explained:
        option, *placeholder = words.split()
        assert re.search(rf"{option}\s+{re.escape(placeholder[0]) if placeholder else '<bool>'}\s", everything), words


def test_json_request_is_answered_with_the_fields_listed(response):
    assert response["error"] is None and response["status"] == "optimal"
    listed = [field for row in table("field of the response") for field in codes(row[0])]
    assert sorted(listed) == sorted(response)
    assert response["id"] == "my-1" and response["runs"][0]["ac"]["verdict"] == "feasible"


def test_kinds_of_study_are_listed_with_what_they_take():
    listed = {kind: codes(row[1]) for row in table("kind") for kind in codes(row[0])}
    assert set(listed) == set(TAKES)
    assert all(set(TAKES[kind]) <= set(named) for kind, named in listed.items())


def test_fields_explained_stand_in_a_plan(response):
    (plan,) = response["runs"]
    for row in table("field"):
        for path in codes(row[0]):
            value = plan
            for key in path.split("."):
                assert key in value, path
                value = value[key]


def test_statuses_named_are_those_of_the_contract():
    row = next(row for row in table("field of the response") if codes(row[0]) == ["status"])
    assert set(codes(row[1])) == {"optimal", "feasible", "refused", "infeasible", "no_plan", "cancelled", "failed"}


def test_targets_paths_and_pictures_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+)", README.replace("`make`", "")):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for row in table("place"):
        for path in codes(row[0]):
            assert (ROOT / path).exists(), path
    for path in re.findall(r'\]\(([^)#:]+)\)|src="([^"]+)"', PROSE):
        assert (ROOT / "".join(path)).is_file(), path
    for path in re.findall(r"`(notebooks/[\w./]+|igdt_planner/[\w./]+|tests/[\w./]+)`", PROSE):
        assert (ROOT / path).exists(), path


def test_shipped_cases_and_models_are_named():
    for name in (*ip.list_cases(), *ip.list_models()):
        assert f"`{name}`" in README


def test_pictures_are_drawn_again_from_stored_results(tmp_path):
    figures = ROOT / "notebooks" / "figures"
    spec = importlib.util.spec_from_file_location("make_figures", ROOT / "notebooks" / "make_figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in module.STORED:
        shutil.copyfile(figures / name, tmp_path / name)
    module.FIGURES = tmp_path
    for picture in module.main():
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert (figures / picture.name).stat().st_size <= 300_000


def test_figures_of_the_stored_plan_are_those_in_the_text():
    plan = ip.load_plan(ROOT / "notebooks" / "figures" / "baseline.json")
    judged = ip.check(plan)
    assert judged.ac is not None and judged.ac.verdict == "feasible"
    assert judged.ac.objective == pytest.approx(plan.objective, abs=1e-9)
    assert plan.objective is not None and plan.bound is not None
    assert f"{plan.objective:.4f} MWh" in README and f"{plan.bound:.4f}" in README
