"""Our own format: a folder with ``case.toml`` and one CSV table each for buses, lines, substations and profile."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Final

from igdt_planner.case_schema import TABLES, Document, show
from igdt_planner.errors import Finding, InputError

MAX_FILE_BYTES: Final = 64_000_000


def read_csv_folder(folder: Path) -> Document:
    """Read a case folder without judging its values.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Document
        Cells are text; a table that could not be read is absent and named in ``findings``.

    Raises
    ------
    InputError
        When ``case.toml`` cannot be read, because then this is no case folder.
    """
    try:
        head = tomllib.loads(_read_text(folder, "case.toml"))
    except _Unreadable as fault:
        raise InputError([fault.finding]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError([Finding(f"is not valid TOML: {error}", "/case", file="case.toml")]) from None
    tables: dict[str, list[dict[str, object]]] = {}
    rows: dict[str, list[int]] = {}
    findings: list[Finding] = []
    for table in TABLES:
        try:
            tables[table], rows[table], faults = _read_table(table, _read_text(folder, f"{table}.csv"))
            findings += faults
        except _Unreadable as fault:
            findings.append(fault.finding)
    return Document(head, tables, rows, text=True, findings=tuple(findings))


class _Unreadable(Exception):
    """A file that cannot be read as a whole."""

    def __init__(self, name: str, message: str, row: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(message, f"/case/{name.removesuffix('.csv')}", file=name, row=row, hint=hint)


def _read_text(folder: Path, name: str) -> str:
    """Text of one file that lies in the folder itself, without its byte order mark."""
    path = folder / name
    try:
        if not path.exists():
            raise _Unreadable(name, f"there is no file {name} in the case folder {show(str(folder))}")
        if path.resolve().parent != folder.resolve():
            raise _Unreadable(name, "is a link out of the case folder")
        if not path.is_file():
            raise _Unreadable(name, "is a directory or device, must be a file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _Unreadable(name, f"has {path.stat().st_size} bytes, at most {MAX_FILE_BYTES} are read")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(name, f"is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
    except OSError as error:
        raise _Unreadable(name, f"cannot be read: {error.strerror}") from None
    if not text.strip():
        raise _Unreadable(name, "is empty")
    return text


def _read_table(table: str, text: str) -> tuple[list[dict[str, object]], list[int], list[Finding]]:
    name = f"{table}.csv"
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[dict[str, object]] = []
    rows: list[int] = []
    findings: list[Finding] = []
    try:
        header = _header(name, next(reader))
        for number, cells in enumerate(reader, start=2):
            if not any(cells):
                continue
            if len(cells) != len(header):
                findings.append(_ragged(name, number, len(cells), len(header)))
            rows.append(number)
            records.append({column: cell.strip() for column, cell in zip(header, cells, strict=False)})
    except csv.Error as error:
        raise _Unreadable(name, f"is not valid CSV: {error}", row=reader.line_num) from None
    return records, rows, findings


def _header(name: str, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if len(header) == 1:
        for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if sign in cells[0]:
                raise _Unreadable(name, f"has columns separated by {word}, must be commas", row=1)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise _Unreadable(name, f"names column {', '.join(map(show, twice))} twice", row=1)
    return header


def _ragged(name: str, row: int, got: int, wanted: int) -> Finding:
    return Finding(
        f"has {got} cells, the header has {wanted}",
        f"/case/{name.removesuffix('.csv')}/{row - 2}",
        file=name,
        row=row,
        hint="a decimal comma? the decimal sign is a point" if got > wanted else "",
    )
