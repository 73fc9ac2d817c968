"""Our own format: a folder with ``case.toml`` and one CSV table each for buses, lines, substations and profile."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from igdt_planner.case_cells import show
from igdt_planner.case_schema import HEAD, REQUIRED, SCHEMA, TABLES, Column, Document
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
    except FileError as fault:
        raise InputError([fault.finding]) from None
    tables: dict[str, list[dict[str, object]]] = {}
    file_rows: dict[str, list[int]] = {}
    findings: list[Finding] = []
    for table in TABLES:
        try:
            tables[table], file_rows[table], faults = read_table(f"{table}.csv", _read_text(folder, f"{table}.csv"))
            findings += faults
        except FileError as fault:
            findings.append(fault.finding)
    return Document(head, tables, file_rows, head_rows, is_text=True, findings=tuple(findings))


def write_csv_folder(case: Mapping[str, Any], folder: Path, source: str) -> None:
    """Write a case as a folder; reading it gives the same case, but for blanks around a name.

    Parameters
    ----------
    case : mapping
        The inline form, as :func:`igdt_planner.case.case_to_dict` gives it.
    folder : Path
        A new or empty folder.
    source : str
        Text of ``SOURCE.md``: where the case comes from.

    Raises
    ------
    InputError
        When the folder holds anything already.
    OSError
        When it cannot be written; nothing is left in it then.
    """
    require_empty(folder)
    texts = {"case.toml": _head_text(case), "SOURCE.md": source}
    texts |= {f"{table}.csv": _table_text(table, case[table]) for table in TABLES}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
    except OSError:
        for name in texts:
            (folder / name).unlink(missing_ok=True)
        raise


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds something, or a file in its place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds something already" if folder.is_dir() else "is a file"
        raise InputError.of(f"case folder {show(str(folder))} {what}", got=str(folder), hint="name a new folder")


def _head_text(case: Mapping[str, Any]) -> str:
    head = {"schema": SCHEMA} | {key: case[key] for key in HEAD if key in case} | {"periods": len(case["profile"])}
    # A JSON text is a TOML text too, and so are numbers and booleans, of which a case has finite ones only.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in head.items())


def _table_text(table: str, records: Sequence[Mapping[str, Any]]) -> str:
    """CSV of a table without optional columns in which nothing stands but the default."""
    columns = [name for name, column in TABLES[table].items() if _is_needed(column, [row[name] for row in records])]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in records)
    return text.getvalue()


def _is_needed(column: Column, values: list[Any]) -> bool:
    default = None if column.may_be_empty else column.default
    return column.default is REQUIRED or any(value != default for value in values)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class FileError(Exception):
    """A file that cannot be read as a whole; ``finding`` says why."""

    def __init__(self, name: str, message: str, row: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(message, _pointer(name), file=name, row=row, hint=hint)


def _pointer(name: str) -> str:
    return f"/case/{name.removesuffix('.csv')}" if name.endswith(".csv") else "/case"


def _read_head(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    text = _read_text(folder, "case.toml")
    try:
        head = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError("case.toml", f"is not valid TOML: {error}") from None
    except (ValueError, RecursionError):
        raise FileError("case.toml", "holds a number too long or tables nested too deep to be read") from None
    keys = ((_TOML_KEY.match(line), row) for row, line in enumerate(text.splitlines(), start=1))
    return head, {match[1]: row for match, row in keys if match}


def _read_text(folder: Path, name: str) -> str:
    """Read one file that lies in the folder itself."""
    path = folder / name
    try:
        if not path.exists():
            raise FileError(name, f"there is no such file in the case folder {show(str(folder))}")
        if path.resolve().parent != folder.resolve():
            raise FileError(name, "is a link that leaves the case folder", hint="copy the file instead")
    except OSError as error:
        raise FileError(name, f"cannot be read: {error.strerror}") from None
    return read_file(path, name)


def read_file(path: Path, name: str) -> str:
    """Text of a file without its byte order mark.

    Parameters
    ----------
    path : Path
    name : str
        What to call it in a fault.

    Raises
    ------
    FileError
        When it is no file, too large, empty, or no text.
    """
    try:
        if not path.is_file():
            raise FileError(
                name, "is a directory or device, must be a file" if path.exists() else "there is no such file"
            )
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise FileError(name, f"has {size} bytes, at most {MAX_FILE_BYTES} are read")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(name, f"is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
    except OSError as error:
        raise FileError(name, f"cannot be read: {error.strerror}") from None
    if not text.strip():
        raise FileError(name, "is empty")
    return text


def read_table(name: str, text: str) -> tuple[list[dict[str, object]], list[int], list[Finding]]:
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
        raise FileError(name, f"is not valid CSV: {error}", row=reader.line_num) from None
    return records, rows, findings


def _header(name: str, cells: list[str]) -> list[str]:
    header = [cell.strip(" ") for cell in cells]
    separator = next((sign for sign in _SEPARATORS if len(header) == 1 and sign in header[0]), None)
    if separator:
        raise FileError(name, f"has columns separated by {_SEPARATORS[separator]}, must be commas", row=1)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise FileError(name, f"has column {', '.join(map(show, twice))} twice", row=1)
    return header


def _ragged(name: str, row: int, got: int, wanted: int) -> Finding:
    hint = "a decimal comma? the decimal sign is a point" if got > wanted else ""
    return Finding(f"has {got} cells, the header has {wanted}", _pointer(name), file=name, row=row, hint=hint)
