"""Plans and curves as CSV tables for spreadsheets and other programs."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from igdt_planner.errors import InputError
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Supply
from igdt_planner.report.files import write_whole
from igdt_planner.results.document import to_json

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell."""

TERM_COLUMNS = ["term", "mode", "value", "unit", "weight"]
SUPPLY_COLUMNS = [field.name for field in fields(Supply)]
VIOLATION_COLUMNS = ["kind", "mode", "period", "component", "id", "value", "limit", "unit", "message"]


def write_csv(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as CSV, whole or not at all.

    Text that a spreadsheet would run as a formula is led by an apostrophe. Numbers stay numbers;
    missing values are empty.
    """
    return write_whole(path, csv_text(table).encode("utf-8"))


class Tabled(Protocol):
    """A result with a JSON document and a table."""

    @property
    def table(self) -> pd.DataFrame:
        """The result in rows."""

    def to_dict(self) -> dict[str, Any]:
        """The result as one JSON document."""


class Saved:
    """What results with a document and a table have in common: how they are written to a file."""

    def save(self: Tabled, path: str | os.PathLike[str]) -> Path:
        """Write the document (``.json``) or the table (``.csv``), whole or not at all.

        Raises
        ------
        InputError
            When the name ends in neither.
        """
        target = Path(path)
        if target.suffix not in (".json", ".csv"):
            message = f"{target.name}: a name ends in .json (the whole result) or .csv (its table)"
            raise InputError.of(message, path="/path", got=target.suffix)
        if target.suffix == ".csv":
            return write_csv(self.table, target)
        return write_whole(target, to_json(self.to_dict()).encode())


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV text, lines ended by a line feed."""
    safe = table.rename(columns=_harmless)
    for place, (_, column) in enumerate(safe.items()):
        if not pd.api.types.is_numeric_dtype(column):
            safe.isetitem(place, column.map(_harmless).to_numpy(object))
    return safe.to_csv(index=False, lineterminator="\n")


def plan_tables(plan: Plan) -> dict[str, pd.DataFrame]:
    """Every table of a plan by name.

    Returns
    -------
    dict
        ``dg``, ``ess``, ``open_lines`` and, where there is a dispatch or an AC verdict, ``dispatch_*`` and ``ac_*``.
        Robust and opportunity plans hold the same at the forecast under names that end in ``_forecast``.
    """
    opened = [
        (mode, period, line)
        for mode, periods in plan.open_lines.items()
        for period, lines in periods.items()
        for line in lines
    ]
    tables = {"dg": plan.dg, "ess": plan.ess, "open_lines": pd.DataFrame(opened, columns=["mode", "period", "line"])}
    tables |= _dispatch_tables(plan.dispatch, "") | _verdict_tables(plan.ac, "")
    if plan.robustness:
        tables |= _dispatch_tables(plan.dispatch_forecast, "_forecast") | _verdict_tables(plan.ac_forecast, "_forecast")
    return tables


def write_plan_tables(plan: Plan, folder: str | Path) -> list[Path]:
    """Write every table of a plan as ``<name>.csv`` into a folder."""
    return [write_csv(table, Path(folder) / f"{name}.csv") for name, table in plan_tables(plan).items()]


def _dispatch_tables(dispatch: Dispatch | None, suffix: str) -> dict[str, pd.DataFrame]:
    if dispatch is None:
        return {}
    return {f"dispatch_{name}{suffix}": getattr(dispatch, name) for name in ("dg", "ess", "shed", "sources")}


def _verdict_tables(verdict: AcVerdict | None, suffix: str) -> dict[str, pd.DataFrame]:
    if verdict is None:
        return {}
    tables = {
        "terms": pd.DataFrame([asdict(term) for term in verdict.terms], columns=TERM_COLUMNS),
        "supply": pd.DataFrame([asdict(mode) for mode in verdict.supply], columns=SUPPLY_COLUMNS),
        "violations": pd.DataFrame([asdict(found) for found in verdict.violations], columns=VIOLATION_COLUMNS),
    } | {name: getattr(verdict, name) for name in ("buses", "lines", "sources")}
    return {f"ac_{name}{suffix}": table for name, table in tables.items()}


def _harmless(cell: Any) -> Any:
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
