"""A case: what the network is. Frozen tables in SI units, checked at load."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from igdt_planner.case_cells import Row, read_tables, show
from igdt_planner.case_checks import check_case
from igdt_planner.case_schema import TABLES, Column, Document
from igdt_planner.errors import Finding, InputError, nearest
from igdt_planner.interchange.csv_folder import read_csv_folder
from igdt_planner.interchange.matpower import read_matpower

_DTYPES: Final = {"whole": "int64", "number": "float64", "flag": "bool", "text": "str"}
_HEAD_FIELDS: Final = ("name", "title", "base_mva", "currency", "accept_implausible")


@dataclass(frozen=True)
class Case:
    """A distribution network with its profile.

    Attributes
    ----------
    name, title : str
    base_mva : float
        Power base of the per-unit system used inside.
    currency : str
        Unit of all money in the case.
    buses : pandas.DataFrame
        Columns ``id`` (int), ``name`` (str), ``vn_kv``, ``p_mw``, ``q_mvar`` (load at profile value 1), ``vm_min_pu``,
        ``vm_max_pu``, ``priority`` (weight of its energy not served, default 1), ``value_of_lost_load_per_mwh``
        (money, default 0), ``load_may_be_negative`` (bool), ``x``, ``y`` (drawing coordinates, NaN where not given).
    lines : pandas.DataFrame
        Columns ``id`` (int), ``from_bus``, ``to_bus``, ``r_ohm``, ``x_ohm``, ``max_i_ka`` (NaN means unlimited),
        ``in_service`` (bool, closed in the base topology), ``switchable`` (bool).
    substations : pandas.DataFrame
        Columns ``bus`` (int), ``vm_pu``.
    profile : pandas.DataFrame
        One row a period: ``period`` (1..n), ``start_h``, ``duration_h``, ``load`` (factor on every load), ``dg``
        (available share of the rating of every DG, 0..1), ``price_per_mwh`` (money), ``emissions_t_per_mwh`` (of bought
        energy).
    accept_implausible : bool
        Whether the check for mistaken units is waived.
    """

    name: str
    title: str
    base_mva: float
    currency: str
    buses: pd.DataFrame
    lines: pd.DataFrame
    substations: pd.DataFrame
    profile: pd.DataFrame
    accept_implausible: bool = False


def load_case(source: str | os.PathLike[str] | Mapping[str, Any] | Case) -> Case:
    """Load and check a case.

    Parameters
    ----------
    source : str, path, mapping or Case
        Name of a shipped case, a folder with ``case.toml`` and its tables (always meant by a Path), a MATPOWER file
        ``*.m`` (converted as :data:`igdt_planner.interchange.matpower.NOTES` says), or the inline form
        ``{name, title, base_mva, currency, buses, lines, substations, profile}`` whose tables are lists of records
        with the columns documented in :class:`Case`. A Case is returned as it is.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        With every fault that was found.
    """
    if isinstance(source, Case):
        return source
    matpower = _matpower_file(source)
    tables = read_tables(read_matpower(matpower) if matpower else _read(source))
    findings = check_case(tables)
    if findings:
        raise InputError([replace(finding, file=matpower.name) for finding in findings] if matpower else findings)
    values: dict[str, Any] = {field: tables.head[field] for field in _HEAD_FIELDS}
    values |= {table: _frame(columns, tables.rows[table]) for table, columns in TABLES.items()}
    return Case(**values)


def case_to_dict(case: Case) -> dict[str, Any]:
    """Write a case in the inline form of the JSON contract: plain values only, None for NaN.

    The exact inverse of :func:`load_case`.
    """
    head: dict[str, Any] = {field: getattr(case, field) for field in _HEAD_FIELDS}
    if not case.accept_implausible:
        del head["accept_implausible"]
    return head | {table: _records(getattr(case, table)) for table in TABLES}


def list_cases() -> list[str]:
    """Names of the shipped cases, sorted.

    Raises
    ------
    InputError
        When the package was not installed, so that its data cannot be found.
    """
    return sorted(path.name for path in _shipped().iterdir() if (path / "case.toml").is_file())


def _shipped() -> Path:
    try:
        return Path(str(importlib.resources.files("igdt_planner.cases")))
    except ModuleNotFoundError:
        raise InputError.of("the shipped cases are not installed", path="/case", hint="pip install .") from None


def _matpower_file(source: object) -> Path | None:
    """Path of a MATPOWER file; None for every other source, also for a folder whose name ends in .m."""
    if not isinstance(source, str | os.PathLike) or Path(source).suffix.lower() != ".m":
        return None
    try:
        return None if Path(source).is_dir() else Path(source)
    except (OSError, ValueError):
        return None


def _read(source: object) -> Document:
    if type(source).__name__ == "pandapowerNet":
        raise InputError.of("case: pandapower nets are not read yet", path="/case", hint="give a case folder")
    if isinstance(source, Mapping):
        return _inline(source)
    if isinstance(source, str | os.PathLike):
        return read_csv_folder(_folder(source))
    raise InputError.of(f"case: must be a name, a folder or a mapping, got {show(type(source).__name__)}", path="/case")


def _folder(source: str | os.PathLike[str]) -> Path:
    """Folder of a case; a plain name means the shipped case, ``./name`` the folder."""
    path, text = Path(source), os.fspath(source)
    shipped = list_cases() if isinstance(source, str) else []
    if text in shipped:
        return _shipped() / text
    try:
        if path.is_dir():
            return path
        exists = path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        exists = False
    if exists:
        message, hint = f"{show(text)} is a file, must be a case folder", ""
    else:
        message = f"there is no shipped case and no folder {show(text)}"
        hint = nearest(text, shipped) if shipped else ""
    raise InputError.of(f"case: {message}", path="/case", got=text, hint=hint)


def _inline(source: Mapping[Any, Any]) -> Document:
    head = {str(key): value for key, value in source.items() if key not in TABLES}
    tables: dict[str, list[dict[str, object]]] = {}
    findings = []
    for table in TABLES:
        records = source.get(table)
        if isinstance(records, list) and all(isinstance(record, Mapping) for record in records):
            tables[table] = [{str(key): value for key, value in record.items()} for record in records]
        else:
            got = "a list with other values" if isinstance(records, list) else type(records).__name__
            message = f"case: {table} must be a list of records, got {got}"
            findings.append(Finding(message if table in source else f"case: {table} is missing", f"/case/{table}"))
    return Document(head, tables, findings=tuple(findings))


def _frame(columns: Mapping[str, Column], rows: list[Row]) -> pd.DataFrame:
    series = {
        name: pd.Series([row.values[name] for row in rows], dtype=_DTYPES[column.kind])
        for name, column in columns.items()
    }
    return pd.DataFrame(series)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
