"""What the tables of a case contain: columns, units, ranges, and the strict grammar of a cell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final, Literal

from igdt_planner.errors import Finding, nearest

SCHEMA: Final = "igdt-planner/case/1"
REQUIRED: Final = object()
MAX_ID: Final = 2**31 - 1
MAX_CELL_CHARACTERS: Final = 200
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,12}", re.ASCII)

Kind = Literal["whole", "number", "flag", "text"]


@dataclass(frozen=True)
class Column:
    """One column of a table, or one key of ``case.toml``.

    Attributes
    ----------
    kind : str
        ``whole``, ``number``, ``flag`` or ``text``.
    default : object
        Taken where the column is left out altogether; ``REQUIRED`` where it may not be.
    low, high : float
        Smallest and largest value allowed.
    positive : bool
        Whether the value must also exceed 0.
    empty : str
        What an empty cell means ("unlimited"); empty cells are refused where this is blank.
    """

    kind: Kind
    default: object = REQUIRED
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    empty: str = ""


_ID = Column("whole", low=0, high=MAX_ID)
_ANY = Column("number")
_POSITIVE = Column("number", positive=True)
_NOT_NEGATIVE = Column("number", low=0.0)
_COORDINATE = Column("number", default=math.nan, empty="not given")

HEAD: Final[dict[str, Column]] = {
    "schema": Column("text"),
    "name": Column("text"),
    "title": Column("text", default=""),
    "base_mva": _POSITIVE,
    "currency": Column("text", default="USD"),
    "periods": Column("whole", default=None, low=1),
    "step_h": Column("number", default=None, positive=True),
    "accept_implausible": Column("flag", default=False),
}

TABLES: Final[dict[str, dict[str, Column]]] = {
    "buses": {
        "id": _ID,
        "name": Column("text", default=""),
        "vn_kv": _POSITIVE,
        "p_mw": _ANY,
        "q_mvar": _ANY,
        "vm_min_pu": _POSITIVE,
        "vm_max_pu": Column("number", positive=True, high=2.0),
        "priority": Column("number", default=1.0, low=0.0),
        "value_of_lost_load_per_mwh": Column("number", default=0.0, low=0.0),
        "load_may_be_negative": Column("flag", default=False),
        "x": _COORDINATE,
        "y": _COORDINATE,
    },
    "lines": {
        "id": _ID,
        "from_bus": _ID,
        "to_bus": _ID,
        "r_ohm": _NOT_NEGATIVE,
        "x_ohm": _NOT_NEGATIVE,
        "max_i_ka": Column("number", default=math.nan, positive=True, empty="unlimited"),
        "in_service": Column("flag"),
        "switchable": Column("flag"),
    },
    "substations": {"bus": _ID, "vm_pu": Column("number", positive=True, high=2.0)},
    "profile": {
        "period": Column("whole", low=1, high=MAX_ID),
        "start_h": _ANY,
        "duration_h": _POSITIVE,
        "load": _NOT_NEGATIVE,
        "dg": Column("number", default=1.0, low=0.0, high=1.0),
        "price_per_mwh": Column("number", default=0.0),
        "emissions_t_per_mwh": Column("number", default=0.0, low=0.0),
    },
}

COMPONENT: Final = {"buses": "bus", "lines": "line", "substations": "substation at bus", "profile": "period"}
KEY: Final = {"buses": "id", "lines": "id", "substations": "bus", "profile": "period"}


@dataclass(frozen=True)
class Document:
    """A case as it was read, before anything in it is believed.

    Attributes
    ----------
    head : mapping
        Keys of ``case.toml``, or of the inline form without its tables.
    tables : mapping
        Table name to its records; a table that could not be read is absent.
    rows : mapping
        Table name to the file row of each record; empty for the inline form.
    text : bool
        Whether cells are text from a file (True) or JSON values (False).
    findings : tuple of Finding
        Faults met while reading.
    """

    head: Mapping[str, object]
    tables: Mapping[str, list[dict[str, object]]]
    rows: Mapping[str, list[int]] = field(default_factory=dict)
    text: bool = False
    findings: tuple[Finding, ...] = ()


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
        """The component and its id, ``line 3``; by position where the id is unreadable."""
        key = self.values.get(KEY[self.table])
        return f"{COMPONENT[self.table]} {key}" if key is not None else f"{self.table} record {self.index + 1}"

    def number(self, column: str) -> float:
        """The value as a float; NaN where it could not be read, so that every comparison with it is false."""
        value = self.values.get(column)
        return math.nan if value is None else float(value)

    def finding(self, column: str, message: str, hint: str = "") -> Finding:
        """A fault of this record: ``<component> <id>: <column> <message>``."""
        return Finding(
            f"{self.label}: {column} {message}",
            path=f"/case/{self.table}/{self.index}/{pointer(column)}",
            got=self.raw.get(column),
            file=f"{self.table}.csv" if self.file_row is not None else "",
            row=self.file_row,
            hint=hint,
        )


@dataclass(frozen=True)
class Tables:
    """A typed case under check: head values and rows by table, with the faults found so far."""

    head: Mapping[str, Any]
    rows: Mapping[str, list[Row]]
    findings: tuple[Finding, ...]

    def readable(self, table: str, *columns: str) -> bool:
        """Whether the table was read and every cell of these columns is usable."""
        return table in self.rows and all(row.values[column] is not None for row in self.rows[table] for column in columns)


class CellError(ValueError):
    """A cell that breaks the grammar or the range of its column."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def show(value: object) -> str:
    """A value for a message: quoted, control characters and non-ASCII escaped, shortened."""
    if isinstance(value, int) and abs(value) > MAX_ID:
        return "a whole number beyond 2147483647"
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def pointer(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def read_cell(column: Column, raw: object, text: bool) -> Any:
    """Value of one cell under the strict grammar.

    Parameters
    ----------
    column : Column
    raw : object
        Text from a file, or a JSON value.
    text : bool
        Which of the two it is.

    Returns
    -------
    int, float, bool or str

    Raises
    ------
    CellError
        With the sentence a user reads, without component and column.
    """
    if column.kind == "text":
        return _text(raw)
    if raw is None or raw == "":
        if column.empty:
            return math.nan
        raise CellError("is missing")
    if column.kind == "flag":
        return _flag(raw, text)
    value = _number(column, raw, text)
    _check_range(column, value)
    return value


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise CellError(f"must be text, got {show(raw)}")
    if len(raw) > MAX_CELL_CHARACTERS:
        raise CellError(f"has {len(raw)} characters, at most {MAX_CELL_CHARACTERS} are allowed")
    if not raw.isprintable():
        raise CellError(f"holds a control character: {show(raw)}")
    return raw


def _flag(raw: object, text: bool) -> bool:
    if not text and isinstance(raw, bool):
        return raw
    if text and isinstance(raw, str) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise CellError(f"must be true or false, got {show(raw)}")


def _number(column: Column, raw: object, text: bool) -> int | float:
    whole = column.kind == "whole"
    wanted = "a whole number" if whole else "a number"
    if text:
        grammar = _WHOLE if whole else _NUMBER
        if not isinstance(raw, str) or len(raw) > MAX_CELL_CHARACTERS or not grammar.fullmatch(raw):
            raise CellError(f"must be {wanted}, got {show(raw)}", _grammar_hint(raw))
        return int(raw) if whole else _finite(float(raw), raw)
    if isinstance(raw, bool) or not isinstance(raw, Integral if whole else Real):
        raise CellError(f"must be {wanted}, got {show(raw)}")
    try:
        return int(raw) if isinstance(raw, Integral) and whole else _finite(float(raw), raw)
    except OverflowError:
        raise CellError(f"must be finite, got {show(raw)}") from None


def _finite(value: float, raw: object) -> float:
    if not math.isfinite(value):
        raise CellError(f"must be finite, got {show(raw)}")
    return value


def _grammar_hint(raw: object) -> str:
    if isinstance(raw, str) and re.fullmatch(r"[+-]?\d+,\d+", raw, re.ASCII):
        return "the decimal sign is a point"
    return "digits 0-9 with a decimal point, nothing else" if isinstance(raw, str) and re.search(r"\d", raw) else ""


def _check_range(column: Column, value: float) -> None:
    if column.positive and value <= 0:
        raise CellError(f"is {value:g}, must be greater than 0", _unlimited_hint(column))
    if value < column.low:
        raise CellError(f"is {value:g}, must be at least {column.low:g}")
    if value > column.high:
        raise CellError(f"is {value:g}, must be at most {column.high:g}")


def _unlimited_hint(column: Column) -> str:
    return f"leave the cell empty for {column.empty}" if column.empty else ""


def read_tables(document: Document) -> Tables:
    """Every cell of a document typed, defaults filled in, with every fault of grammar and range.

    Parameters
    ----------
    document : Document

    Returns
    -------
    Tables
        Unusable cells are None in the rows and named in ``findings``.
    """
    findings = list(document.findings)
    head = _read_head(document, findings)
    rows: dict[str, list[Row]] = {}
    for table, columns in TABLES.items():
        if table not in document.tables:
            continue
        records = document.tables[table]
        file_rows: list[int] = document.rows.get(table, [])
        findings += _column_faults(table, columns, records, document.text)
        rows[table] = [
            _read_row(table, index, record, file_rows[index] if file_rows else None, document.text, findings)
            for index, record in enumerate(records)
        ]
    return Tables(head, rows, tuple(findings))


def _read_head(document: Document, findings: list[Finding]) -> dict[str, Any]:
    file = "case.toml" if document.text else ""
    head: dict[str, Any] = {}
    for key, column in HEAD.items():
        head[key] = None if column.default is REQUIRED else column.default
        required = column.default is REQUIRED and not (key == "schema" and not document.text)
        if key not in document.head and not required:
            continue
        try:
            head[key] = read_cell(column, document.head.get(key), text=False)
        except CellError as fault:
            got = document.head.get(key)
            findings.append(Finding(f"case: {key} {fault.message}", f"/case/{key}", got, file, hint=fault.hint))
    for key in document.head.keys() - HEAD.keys():
        known = nearest(key, list(HEAD))
        findings.append(Finding(f"case: unknown key {show(key)}", f"/case/{pointer(key)}", file=file, hint=known))
    return head


def _column_faults(
    table: str, columns: Mapping[str, Column], records: list[dict[str, object]], text: bool
) -> list[Finding]:
    if text:
        records = records[:1]
    found = []
    for index, record in enumerate(records):
        for key in record.keys() - columns.keys():
            path = f"/case/{table}/{pointer(key)}" if text else f"/case/{table}/{index}/{pointer(key)}"
            file, row = (f"{table}.csv", 1) if text else ("", None)
            message = f"{table}: unknown column {show(key)}"
            found.append(Finding(message, path, None, file, row, nearest(key, list(columns))))
    return found


def _read_row(
    table: str, index: int, raw: Mapping[str, object], file_row: int | None, text: bool, findings: list[Finding]
) -> Row:
    values: dict[str, Any] = {}
    faults: list[tuple[str, CellError]] = []
    for name, column in TABLES[table].items():
        if name not in raw and column.default is not REQUIRED:
            values[name] = column.default
            continue
        try:
            values[name] = read_cell(column, raw.get(name), text)
        except CellError as fault:
            values[name] = None
            faults.append((name, fault))
    row = Row(table, index, values, raw, file_row)
    findings.extend(row.finding(name, fault.message, fault.hint) for name, fault in faults)
    return row
