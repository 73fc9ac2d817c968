"""The shipped cases and models are found in every kind of installation, and no stray top-level package is."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "igdt_planner", "cases", "models")
TOP_LEVEL = {
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "constraints.txt"),
    *(".ci", ".gitignore", ".pre-commit-config.yaml", "igdt_planner", "models", "cases", "tests", "notebooks"),
}

PROBE = """
import importlib.resources, importlib.util, json
from pathlib import Path

def found(package):
    root = Path(str(importlib.resources.files(package)))
    paths = [path for path in root.rglob("*") if path.suffix in (".toml", ".csv", ".md")]
    return [f"{package}/{path.relative_to(root).as_posix()}" for path in paths]

import igdt_planner
print(json.dumps({
    "package": igdt_planner.__path__[0],
    "data": found("igdt_planner.cases") + found("igdt_planner.models"),
    "stray": [name for name in ("cases", "models", "report", "formulation") if importlib.util.find_spec(name)],
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_sources(target: Path) -> Path:
    target.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, target / name)
    return target


def new_environment(target: Path) -> Path:
    """A virtual environment that borrows the packages of this one, but not its editable installations."""
    venv.create(target, with_pip=False, symlinks=os.name != "nt")
    scheme = {"base": str(target), "platbase": str(target)}
    purelib = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (purelib / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", vars=scheme)) / ("python" + sysconfig.get_config_var("EXE"))


def what_to_install(kind: str, sources: Path) -> tuple[str | Path, ...]:
    if kind == "editable":
        return ("--editable", sources)
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", "dist", ".", cwd=sources)
    return tuple((sources / "dist").iterdir())


def shipped() -> list[str]:
    """Data files of the source tree, named by the package they are installed in."""
    return sorted(
        f"igdt_planner.{path.relative_to(ROOT).as_posix()}"
        for folder in ("cases", "models")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".toml", ".csv", ".md")
    )


@pytest.mark.parametrize("kind", ["editable", "wheel", "sdist"])
@pytest.mark.slow
def test_installation_finds_cases_and_models_but_no_stray_package(kind: str, tmp_path: Path) -> None:
    sources = copy_sources(tmp_path / "sources")
    python = new_environment(tmp_path / "env")
    target = what_to_install(kind, sources)
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed")
    run(python, "-m", "pip", "install", "--quiet", *offline, *target, cwd=tmp_path)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    answer = json.loads(run(python, "-c", PROBE, cwd=elsewhere))

    home = sources if kind == "editable" else tmp_path / "env"
    assert Path(answer["package"]).resolve().is_relative_to(home.resolve())
    assert sorted(answer["data"]) == shipped()
    assert answer["stray"] == []


def test_every_package_folder_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "igdt_planner").rglob("*.py")}
    assert set(listed) == {".".join(folder.parts) for folder in folders} | {"igdt_planner.cases", "igdt_planner.models"}


def test_top_level_holds_only_what_the_architecture_names() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    assert {Path(name).parts[0] for name in tracked if name} <= TOP_LEVEL
