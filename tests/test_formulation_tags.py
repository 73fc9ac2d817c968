"""The written statement in models/README.md and the functions of the formulation name the same equations."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATEMENT = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
TREES = {path.name: ast.parse(path.read_text("utf-8")) for path in (ROOT / "igdt_planner" / "formulation").glob("*.py")}
ADDED_BY_THE_SOLVE = [ROOT / "igdt_planner" / "solver" / name for name in ("ranges.py", "cycles.py")]
"""Where rows of the loss equation are written that hold of decided lines only."""
ALL_TREES = [*TREES.values(), *(ast.parse(path.read_text("utf-8")) for path in ADDED_BY_THE_SOLVE)]
FUNCTIONS = [node for tree in ALL_TREES for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

TAG = re.compile(r"\(([A-Z]\d+)\)")
STATED = re.compile(r"^- \*\*\(([A-Z]\d+)\)\*\* `(\w+)`, ", re.MULTILINE)
RULED = {"Constraint", "Objective", "Expression"}


def tags(node: ast.FunctionDef) -> list[str]:
    return TAG.findall(ast.get_docstring(node) or "")


TAGGED = {tag: node.name for node in FUNCTIONS for tag in tags(node)}


def rules() -> Iterator[str]:
    """Names of the functions given as ``rule`` to a Pyomo component that holds equations."""
    for tree in TREES.values():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in RULED:
                for keyword in call.keywords:
                    if keyword.arg == "rule" and isinstance(keyword.value, ast.Name):
                        yield keyword.value.id


def test_each_tag_stands_once_in_the_code() -> None:
    counts = Counter(tag for node in FUNCTIONS for tag in tags(node))
    assert {tag: count for tag, count in counts.items() if count > 1} == {}
    everywhere = Counter(TAG.findall(" ".join(ast.unparse(tree) for tree in ALL_TREES)))
    assert everywhere == counts, "a tag stands outside the docstring of a function"


def test_each_tag_stands_once_in_the_text() -> None:
    counts = Counter(TAG.findall(STATEMENT))
    assert {tag: count for tag, count in counts.items() if count > 1} == {}


def test_text_and_code_name_the_same_functions_by_the_same_tags() -> None:
    assert dict(STATED.findall(STATEMENT)) == TAGGED
    assert set(TAG.findall(STATEMENT)) == set(TAGGED)


def test_tags_of_a_family_are_numbered_without_gaps() -> None:
    for family in {tag[0] for tag in TAGGED}:
        numbers = sorted(int(tag[1:]) for tag in TAGGED if tag[0] == family)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("name", sorted(set(rules())))
def test_rule_has_exactly_one_tag_and_says_where_it_is_enforced(name: str) -> None:
    (function,) = [node for node in FUNCTIONS if node.name == name]
    text = ast.get_docstring(function) or ""
    assert len(tags(function)) == 1
    assert text.startswith(f"({tags(function)[0]}) ")
    assert "Enforced o" in text


def test_no_constraint_hides_in_an_expression_or_a_lambda() -> None:
    """Every Pyomo constraint is written with ``rule=<named function>``; otherwise it would need no tag."""
    for name, tree in TREES.items():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "Constraint":
                ruled = [keyword for keyword in call.keywords if keyword.arg == "rule"]
                assert [type(keyword.value) for keyword in ruled] == [ast.Name], f"{name} line {call.lineno}"


def test_statement_names_every_shipped_model() -> None:
    shipped = {path.stem for path in (ROOT / "models").glob("*.toml")}
    table = STATEMENT.split("## Shipped models")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == shipped
