"""Past forecasts and outcomes: one CSV table, read as strictly as a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from igdt_planner.case_cells import CellError, read_cell, show
from igdt_planner.case_schema import Column
from igdt_planner.errors import Finding, InputError, nearest
from igdt_planner.interchange.csv_folder import FileError, read_file, read_table
from igdt_planner.model import AVAILABILITY

COLUMNS: Final = ("time", "quantity", "component", "forecast", "outcome")
NEEDED: Final = ("time", "quantity", "forecast", "outcome")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?", re.ASCII)
_NUMBERS: Final = re.compile(r"[\d.:T-]+")
MANY: Final = 5
"""Rows with a fault of one sort that are told as one."""
_TEXT, _NUMBER = Column("text"), Column("number")
_AVAILABLE, _RATING = Column("number", low=0.0), Column("number", positive=True)
_LOAD = Column("number", low=0.0, hint="negative ones need a case that allows them: load_may_be_negative at a bus")
_VALUES: Final = (
    dict.fromkeys(("load", "active_load", "reactive_load"), _LOAD)
    | dict.fromkeys(AVAILABILITY.values(), _AVAILABLE)
    | {"line_rating": _RATING}
)
"""What a forecast or an outcome of each quantity may be; of a price, any number."""


def read_history(path: Path, quantities: Sequence[str], *, negative_loads: bool = False) -> pd.DataFrame:
    """Read a history of forecasts and outcomes.

    Parameters
    ----------
    path : Path
        CSV: ``time`` (``2026-11-21`` or ``2026-11-21T18:00``, without a zone), ``quantity``, ``component`` (any text,
        may be left out), ``forecast``, ``outcome`` (in the same unit, whichever it is). Rows stand in order of time.
        A forecast of 0 needs an outcome of 0 (the sun at night): there is no relative error else.
    quantities : sequence of str
        Those that may occur.
    negative_loads : bool
        Whether loads may be below 0; what is available never is, and a rating is above 0.

    Returns
    -------
    DataFrame
        ``time, quantity, component, forecast, outcome``, and ``row``, where it stands in the file.

    Raises
    ------
    InputError
        With every fault: columns, cells, values that their quantity cannot have, a forecast of 0 that did not come
        true, times out of order or twice, unknown quantities.
    """
    name = path.name
    try:
        rows, places, findings = read_table(name, read_file(path, name))
    except FileError as fault:
        raise InputError([Finding(fault.finding.message, "/history", file=name, row=fault.finding.row)]) from None
    header = set().union(*rows) if rows else set()
    findings = [_at(name, finding.row, finding.message, finding.hint) for finding in findings]
    if not rows:
        findings.append(_at(name, None, "has no rows"))
    elif not findings and (absent := [column for column in NEEDED if column not in header]):
        findings.append(_at(name, 1, f"column {', '.join(absent)} is missing", f"columns: {', '.join(COLUMNS)}"))
    findings += [
        _at(name, 1, f"column {show(column)} is unknown", nearest(str(column), COLUMNS))
        for column in sorted(header - set(COLUMNS))
    ]
    if findings:
        raise InputError(findings)
    typed = []
    for row, place in zip(rows, places, strict=True):
        values, faults = _typed(row, quantities, negative_loads)
        findings += [_at(name, place, message, hint) for message, hint in faults]
        typed.append(values)
    findings += [_at(name, place, message) for place, message in _order(typed, places)]
    if findings:
        raise InputError(_gathered(findings))
    return pd.DataFrame(typed, columns=list(COLUMNS)).assign(row=places)


def _typed(
    row: dict[str, Any], quantities: Sequence[str], negative_loads: bool
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Values of a row, None where they cannot be read, and its faults."""
    values: dict[str, Any] = {"component": row.get("component", "")}
    faults: list[tuple[str, str]] = []
    number = _VALUES.get(row["quantity"], _NUMBER)
    if negative_loads and number is _LOAD:
        number = _NUMBER
    for column, kind in (("time", _TEXT), ("quantity", _TEXT), ("forecast", number), ("outcome", number)):
        try:
            values[column] = read_cell(kind, row[column], is_text=True)
        except CellError as fault:
            values[column] = None
            faults.append((f"{column} {fault.message}", fault.hint))
    if values["time"] is not None and (reason := _no_time(values["time"])):
        values["time"] = None
        faults.append((f"time {reason}", "2026-11-21 or 2026-11-21T18:00, without a zone"))
    if values["quantity"] is not None and values["quantity"] not in quantities:
        known = nearest(values["quantity"], list(quantities))
        faults.append((f"quantity {show(values['quantity'])} is not uncertain in the model", known))
    if values["forecast"] == 0.0 and values["outcome"] not in (0.0, None):
        faults.append(("forecast is 0 and outcome is not: no relative error exists", "leave the row or the day out"))
    return values, faults


def _no_time(text: str) -> str:
    """Why a text is no time; empty where it is one."""
    if not _TIME.fullmatch(text):
        return f"must be a date or a date and time, got {show(text)}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return f"does not exist: {show(text)}"
    return ""


def _order(rows: list[dict[str, Any]], places: list[int]) -> list[tuple[int, str]]:
    """Rows that stand before an earlier one in time, and values that stand twice."""
    faults: list[tuple[int, str]] = []
    last, last_place = "", 0
    seen: dict[tuple[Any, ...], int] = {}
    for row, place in zip(rows, places, strict=True):
        if row["time"] is None:
            continue
        time = datetime.fromisoformat(row["time"]).isoformat()
        if time < last:
            faults.append((place, f"time {row['time']} is earlier than that of row {last_place}: sort by time"))
        else:
            last, last_place = time, place
        key = time, row["quantity"], row["component"]
        if row["quantity"] is not None and key in seen:
            what = " ".join(filter(None, [row["quantity"], row["component"]]))
            faults.append((place, f"{what} at {row['time']} stands in row {seen[key]} already"))
        seen.setdefault(key, place)
    return faults


def _gathered(findings: list[Finding]) -> list[Finding]:
    """Faults of one sort in many rows as one, that of the first row."""
    sorts: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        sorts.setdefault((_NUMBERS.sub("", finding.message), finding.hint), []).append(finding)
    gathered: list[Finding] = []
    for same in sorts.values():
        first, more = same[0], len(same) - 1
        gathered += [replace(first, message=f"{first.message} (and {more} more rows)")] if more >= MANY else same
    return sorted(gathered, key=lambda finding: finding.row or 0)


def _at(name: str, row: int | None, message: str, hint: str = "") -> Finding:
    return Finding(message, "/history", file=name, row=row, hint=hint)
