"""Cells of a case to typed values, under a strict grammar that guesses nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Final

from igdt_planner.case_schema import (
    COMPONENT,
    HEAD,
    KEY,
    REQUIRED,
    REQUIRED_IN_FILE,
    TABLES,
    Column,
    Document,
)
from igdt_planner.errors import Finding, nearest

MAX_CELL_CHARACTERS: Final = 200
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One typed record; a value that could not be read is None."""

    table: str
    index: int
    values: Mapping[str, Any]
    raw: Mapping[str, object]
    file_row: int | None

    @property
    def label(self) -> str:
        """The component and its id, ``line 3``; its position where the id is unreadable."""
        key = self.values[KEY[self.table]]
        return f"{self.table} record {self.index + 1}" if key is None else f"{COMPONENT[self.table]} {key}"

    @property
    def place(self) -> str:
        """Where the record stands, for messages that name two."""
        return f"record {self.index}" if self.file_row is None else f"row {self.file_row}"

    def number(self, column: str) -> float:
        """Value as a float; NaN where it could not be read, so that every comparison with it is false."""
        value = self.values[column]
        return math.nan if value is None else float(value)

    def finding(self, column: str, message: str, hint: str = "") -> Finding:
        """Make a fault of this record: ``<component> <id>: <column> <message>``."""
        return Finding(
            f"{self.label}: {column} {message}",
            path=f"/case/{self.table}/{self.index}/{pointer(column)}",
            got=self.raw.get(column),
            file="" if self.file_row is None else f"{self.table}.csv",
            row=self.file_row,
            hint=hint,
        )


@dataclass(frozen=True)
class Tables:
    """A typed case under check: head values, rows by table, and the faults met so far."""

    head: Mapping[str, Any]
    rows: Mapping[str, list[Row]]
    document: Document
    findings: tuple[Finding, ...]

    def readable(self, table: str, *columns: str) -> bool:
        """Whether the table was read and every cell of these columns is usable."""
        return table in self.rows and all(
            row.values[column] is not None for row in self.rows[table] for column in columns
        )

    def file_of(self, table: str) -> str:
        """File of a table, or empty for the inline form."""
        return f"{table}.csv" if self.document.is_text else ""

    def head_finding(self, key: str, message: str, hint: str = "") -> Finding:
        """Make a fault of ``case.toml`` or of the head of the inline form."""
        return _head_finding(self.document, key, message, hint)


class CellError(ValueError):
    """A cell that breaks the grammar or the range of its column."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def show(value: object) -> str:
    """Write a value for a message: quoted, everything but printable ASCII escaped, shortened."""
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of about {value.bit_length() * 0.30103:.0f} digits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def pointer(key: str) -> str:
    """Escape a key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def read_tables(document: Document) -> Tables:
    """Type every cell of a document and fill in defaults.

    Parameters
    ----------
    document : Document

    Returns
    -------
    Tables
        Unusable cells are None in the rows and named in ``findings``, with every other fault of grammar and range.
    """
    findings = list(document.findings)
    head = _read_head(document, findings)
    rows: dict[str, list[Row]] = {}
    for table, records in document.tables.items():
        absent = _missing_columns(table, records)
        findings += [_column_finding(document, table, f"column {name} is missing") for name in absent]
        findings += _unknown_columns(document, table, records)
        places: list[int] = document.file_rows.get(table, [])
        rows[table] = [
            _read_row(
                Row(table, index, {}, record, places[index] if places else None), document.is_text, absent, findings
            )
            for index, record in enumerate(records)
        ]
    return Tables(head, rows, document, tuple(findings))


def read_cell(column: Column, raw: object, is_text: bool) -> Any:
    """Read one cell under the strict grammar.

    Parameters
    ----------
    column : Column
    raw : object
        Text from a file, or a JSON value.
    is_text : bool
        Which of the two it is.

    Returns
    -------
    int, float, bool or str

    Raises
    ------
    CellError
        With the sentence a user reads, without component and column.
    """
    if column.kind in ("text", "name"):
        return _read_text(raw, column.kind == "name")
    if raw is None or raw == "":
        if column.may_be_empty:
            return math.nan
        raise CellError("is missing")
    if column.kind == "flag":
        return _read_flag(raw, is_text)
    value = _read_text_number(raw, column.kind) if is_text else _read_json_number(raw, column.kind)
    _check_range(column, value)
    return value


def _read_text(raw: object, is_name: bool) -> str:
    if raw is None:
        raise CellError("is missing")
    if not isinstance(raw, str):
        raise CellError(f"must be text, got {show(raw)}")
    if len(raw) > MAX_CELL_CHARACTERS:
        raise CellError(f"has {len(raw)} characters, at most {MAX_CELL_CHARACTERS} are allowed")
    if not raw.isprintable():
        raise CellError(f"holds a control character: {show(raw)}")
    if is_name and (not raw.strip(" .") or "/" in raw or "\\" in raw):
        raise CellError(
            f"must be a plain name without / and \\, got {show(raw)}", "it stands in the names of result files"
        )
    return raw


def _read_flag(raw: object, is_text: bool) -> bool:
    if not is_text and isinstance(raw, bool):
        return raw
    if is_text and isinstance(raw, str) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise CellError(f"must be true or false, got {show(raw)}")


def _read_text_number(raw: object, kind: str) -> int | float:
    grammar, wanted = (_WHOLE, "a whole number") if kind == "whole" else (_NUMBER, "a number")
    if not isinstance(raw, str) or len(raw) > MAX_CELL_CHARACTERS or not grammar.fullmatch(raw):
        comma = isinstance(raw, str) and _DECIMAL_COMMA.fullmatch(raw)
        raise CellError(f"must be {wanted}, got {show(raw)}", "the decimal sign is a point" if comma else "")
    return int(raw) if kind == "whole" else _finite(float(raw), raw)


def _read_json_number(raw: object, kind: str) -> int | float:
    wanted, accepted = ("a whole number", Integral) if kind == "whole" else ("a number", Real)
    if isinstance(raw, bool) or not isinstance(raw, accepted):
        raise CellError(f"must be {wanted}, got {show(raw)}")
    if isinstance(raw, Integral) and kind == "whole":
        return int(raw)
    try:
        return _finite(float(raw), raw)
    except OverflowError:
        raise CellError(f"must be finite, got {show(raw)}") from None


def _finite(value: float, raw: object) -> float:
    if not math.isfinite(value):
        raise CellError(f"must be finite, got {show(raw)}")
    return value


def _check_range(column: Column, value: float) -> None:
    got = show(value) if isinstance(value, int) else f"{value:g}"
    if column.positive and value <= 0:
        raise CellError(f"is {got}, must be greater than 0", column.hint)
    if value < column.low:
        raise CellError(f"is {got}, must be at least {column.low:g}", column.hint)
    if value > column.high:
        raise CellError(f"is {got}, must be at most {column.high:.10g}", column.hint)


def _read_head(document: Document, findings: list[Finding]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    for key, column in HEAD.items():
        required = key in REQUIRED_IN_FILE if document.is_text else column.default is REQUIRED
        if key not in document.head and not required:
            head[key] = column.default
            continue
        try:
            head[key] = read_cell(column, document.head.get(key), is_text=False)
        except CellError as fault:
            head[key] = None
            findings.append(_head_finding(document, key, fault.message, fault.hint))
    for key in sorted(document.head.keys() - HEAD.keys()):
        findings.append(_head_finding(document, key, "is no key of a case", nearest(key, [*HEAD, *TABLES])))
    return head


def _head_finding(document: Document, key: str, message: str, hint: str = "") -> Finding:
    known = key if key in HEAD else show(key)
    file = "case.toml" if document.is_text else ""
    return Finding(
        f"case: {known} {message}",
        f"/case/{pointer(key)}",
        document.head.get(key),
        file,
        document.head_rows.get(key),
        hint,
    )


def _missing_columns(table: str, records: list[dict[str, object]]) -> set[str]:
    required = {name for name, column in TABLES[table].items() if column.default is REQUIRED}
    return {name for name in required if records and not any(name in record for record in records)}


def _unknown_columns(document: Document, table: str, records: list[dict[str, object]]) -> list[Finding]:
    unknown = sorted({key for record in records for key in record} - TABLES[table].keys())
    return [
        _column_finding(document, table, f"column {show(key)} is unknown", nearest(key, list(TABLES[table])), key)
        for key in unknown
    ]


def _column_finding(document: Document, table: str, message: str, hint: str = "", key: str = "") -> Finding:
    """Make a fault of a whole column: the header in a file, the first record that has the key in the inline form."""
    if document.is_text:
        return Finding(f"{table}: {message}", f"/case/{table}", file=f"{table}.csv", row=1, hint=hint)
    index = next((index for index, record in enumerate(document.tables[table]) if key in record), 0)
    path = f"/case/{table}/{index}/{pointer(key)}" if key else f"/case/{table}"
    return Finding(f"{table}: {message}", path, hint=hint)


def _read_row(row: Row, is_text: bool, absent: set[str], findings: list[Finding]) -> Row:
    values: dict[str, Any] = {}
    faults: list[tuple[str, CellError]] = []
    for name, column in TABLES[row.table].items():
        values[name] = None if column.default is REQUIRED else column.default
        if name in absent or (name not in row.raw and column.default is not REQUIRED):
            continue
        try:
            values[name] = read_cell(column, row.raw.get(name), is_text)
        except CellError as fault:
            values[name] = None
            faults.append((name, fault))
    typed = Row(row.table, row.index, values, row.raw, row.file_row)
    findings.extend(typed.finding(name, fault.message, fault.hint) for name, fault in faults)
    return typed
