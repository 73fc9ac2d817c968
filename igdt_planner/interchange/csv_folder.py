"""Our own format: a folder with ``case.toml`` and one CSV table each for buses, lines, substations and profile."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from igdt_planner.case_cells import show
from igdt_planner.case_schema import TABLES, Document
from igdt_planner.errors import Finding, InputError

MAX_FILE_BYTES: Final = 16_000_000
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
_TOML_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


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
        head, head_rows = _read_head(folder)
    except _FileError as fault:
        raise InputError([fault.finding]) from None
    tables: dict[str, list[dict[str, object]]] = {}
    file_rows: dict[str, list[int]] = {}
    findings: list[Finding] = []
    for table in TABLES:
        try:
            tables[table], file_rows[table], faults = _read_table(f"{table}.csv", _read_text(folder, f"{table}.csv"))
            findings += faults
        except _FileError as fault:
            findings.append(fault.finding)
    return Document(head, tables, file_rows, head_rows, is_text=True, findings=tuple(findings))


class _FileError(Exception):
    """A file that cannot be read as a whole."""

    def __init__(self, name: str, message: str, row: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(message, _pointer(name), file=name, row=row, hint=hint)


def _pointer(name: str) -> str:
    return "/case" if name == "case.toml" else f"/case/{name.removesuffix('.csv')}"


def _read_head(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    text = _read_text(folder, "case.toml")
    try:
        head = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _FileError("case.toml", f"is not valid TOML: {error}") from None
    except (ValueError, RecursionError):
        raise _FileError("case.toml", "holds a number too long or tables nested too deep to be read") from None
    keys = ((_TOML_KEY.match(line), row) for row, line in enumerate(text.splitlines(), start=1))
    return head, {match[1]: row for match, row in keys if match}


def _read_text(folder: Path, name: str) -> str:
    """Read one file that lies in the folder itself; its byte order mark is dropped."""
    path = folder / name
    try:
        if not path.exists():
            raise _FileError(name, f"there is no such file in the case folder {show(str(folder))}")
        if path.resolve().parent != folder.resolve():
            raise _FileError(name, "is a link that leaves the case folder", hint="copy the file instead")
        if not path.is_file():
            raise _FileError(name, "is a directory or device, must be a file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise _FileError(name, f"has {size} bytes, at most {MAX_FILE_BYTES} are read")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _FileError(name, f"is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
    except OSError as error:
        raise _FileError(name, f"cannot be read: {error.strerror}") from None
    if not text.strip():
        raise _FileError(name, "is empty")
    return text


def _read_table(name: str, text: str) -> tuple[list[dict[str, object]], list[int], list[Finding]]:
    """Records of a CSV text, the file row of each, and its ragged rows."""
    records: list[dict[str, object]] = []
    rows: list[int] = []
    findings: list[Finding] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(name, next(reader))
        for row, cells in enumerate(reader, start=2):
            if not any(cells):
                continue
            if len(cells) != len(header):
                findings.append(_ragged(name, row, len(cells), len(header)))
            rows.append(row)
            records.append({column: cell.strip(" ") for column, cell in zip(header, cells, strict=False)})
    except csv.Error as error:
        raise _FileError(name, f"is not valid CSV: {error}", row=reader.line_num) from None
    return records, rows, findings


def _header(name: str, cells: list[str]) -> list[str]:
    header = [cell.strip(" ") for cell in cells]
    separator = next((sign for sign in _SEPARATORS if len(header) == 1 and sign in header[0]), None)
    if separator:
        raise _FileError(name, f"has columns separated by {_SEPARATORS[separator]}, must be commas", row=1)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise _FileError(name, f"has column {', '.join(map(show, twice))} twice", row=1)
    return header


def _ragged(name: str, row: int, got: int, wanted: int) -> Finding:
    hint = "a decimal comma? the decimal sign is a point" if got > wanted else ""
    return Finding(f"has {got} cells, the header has {wanted}", _pointer(name), file=name, row=row, hint=hint)
