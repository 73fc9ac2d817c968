"""The hand-solved models of feeder4, with settings replaced where a test asks for it."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from igdt_planner.case import Case, case_to_dict, load_case
from igdt_planner.model import Model, load_model, override

FOLDER = Path(str(resources.files("igdt_planner.cases"))) / "feeder4"
REFERENCE: dict[str, Any] = tomllib.loads((FOLDER / "reference.toml").read_text(encoding="utf-8"))


def hand(name: str, settings: dict[str, Any] | None = None) -> Model:
    """Model ``hand_<name>.toml`` of feeder4."""
    return override(load_model(FOLDER / f"hand_{name}.toml"), settings or {})


def uncertain(*quantities: str, **fields: Any) -> dict[str, Any]:
    """The setting that makes these quantities uncertain."""
    return {"uncertain": [{"quantity": quantity, "physical_max": 1.5} | fields for quantity in quantities]}


def inline(name: str = "feeder4") -> dict[str, Any]:
    """A shipped case as plain values that a test may change."""
    return case_to_dict(load_case(name))


def with_cells(name: str, table: str, **cells: Any) -> Case:
    """A shipped case with whole columns of one table replaced by a value."""
    case = inline(name)
    case[table] = [row | cells for row in case[table]]
    return load_case(case)
