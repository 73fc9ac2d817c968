"""The house rules of the architecture: who may import whom, and what nobody may use."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "igdt_planner"
MODULES = sorted(PACKAGE.rglob("*.py"))

VERBS = ("planner", "contract", "cli")
DOWNSTREAM = ("study", "formulation", "solver", "plan", "infogap", "search", "ac", "report", *VERBS)
FINDERS = ("formulation", "solver", "search", "ac", "pyomo", *VERBS)
"""What finds results: what a result is, how it is read, and what it means do not depend on it."""

MUST_NOT_IMPORT = {
    "case": DOWNSTREAM,
    "case_schema": DOWNSTREAM,
    "case_checks": DOWNSTREAM,
    "interchange": ("formulation", "solver"),
    "network": ("pyomo",),
    "study": ("pyomo",),
    "formulation": ("solver", "ac", "search"),
    "solver": ("ac", "search"),
    "plan": ("pyomo",),
    "infogap": VERBS,
    "search": ("formulation", "pyomo"),
    "ac": ("formulation", "solver", "pyomo"),
    "report": ("solver",),
    "results": FINDERS,
    "sampled": ("formulation", "solver", "search", "pyomo"),
    "witness": VERBS,
    "witness/calibration": FINDERS,
    "witness/probabilistic": ("formulation", "solver", "search", "pyomo"),
    "witness/stochastic": ("case", "plan", "study", "formulation", "solver", "search", "ac"),
    "request": ("planner", "contract", "cli"),
    "question_checks": ("planner", "contract", "cli"),
    "planner": ("contract", "cli"),
    "contract": ("cli",),
}

UNSAFE_MODULES = {"yaml", "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "read_pickle", "to_pickle"}
TRANSPORT = PACKAGE / "solver" / "worker.py"
"""Speaks only with processes of our own, for which the standard library's transport is fine."""

BIG = 1e4


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in MODULES}


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all that a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, path)
            names.update({base} | {f"{base}.{alias.name}" for alias in node.names})
    return frozenset(names)


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """Name of the module that a from-import reads, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    home = path.relative_to(ROOT).parts[:-1]
    return ".".join([*home[: len(home) - node.level + 1], *filter(None, [node.module])])


def reach(path: Path) -> frozenset[str]:
    """All that a file imports itself or through other modules of the package.

    The package's own ``__init__`` is left out: it gathers the verbs, and every import of a room passes through it.
    """
    seen: set[str] = set()
    waiting = set(imports(path))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in FILES and name != "igdt_planner":
            waiting |= imports(FILES[name]) - seen
    return frozenset(seen)


def rooms_entered(names: frozenset[str]) -> set[str]:
    """Rooms of the package, and foreign packages, that a set of module names belongs to."""
    split = [name.split(".") for name in names]
    return {parts[1] if parts[0] == "igdt_planner" and len(parts) > 1 else parts[0] for parts in split}


def files_of(room: str) -> list[Path]:
    """Modules of a room: a file, a folder, or a file of a folder."""
    found = [path for path in MODULES if f"{path.relative_to(PACKAGE).with_suffix('')}/".startswith(f"{room}/")]
    assert found, room
    return found


@pytest.mark.parametrize("room", MUST_NOT_IMPORT)
def test_room_does_not_import(room: str) -> None:
    forbidden = set(MUST_NOT_IMPORT[room])
    broken = {path.name: rooms_entered(reach(path)) & forbidden for path in files_of(room)}
    assert not {name: rooms for name, rooms in broken.items() if rooms}


def unsafe(path: Path) -> Iterator[str]:
    roots = {name.split(".")[0] for name in imports(path)}
    yield from sorted(roots & UNSAFE_MODULES)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in UNSAFE_CALLS:
                yield f"{name}() at line {node.lineno}"


@pytest.mark.parametrize("path", [path for path in MODULES if path != TRANSPORT], ids=module_name)
def test_nothing_reads_pickle_or_yaml_or_evaluates_text(path: Path) -> None:
    assert list(unsafe(path)) == []


@pytest.mark.parametrize("path", files_of("formulation"), ids=module_name)
def test_formulation_has_no_literal_big_m(path: Path) -> None:
    numbers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    literal = [node for node in numbers if isinstance(node.value, int | float) and abs(node.value) >= BIG]
    assert [f"{node.value} at line {node.lineno}" for node in literal] == []


def test_rules_name_rooms_of_the_house() -> None:
    """A renamed room must not slip out of its rule unseen."""
    assert not {room for room in MUST_NOT_IMPORT if not files_of(room)}


def test_rules_catch_what_they_are_made_for(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import pickle\nfrom yaml import load\neval('1')\n", encoding="utf-8")
    assert list(unsafe(sample)) == ["pickle", "yaml", "eval() at line 3"]
