"""The tables of a MATPOWER case file (format version 2), after its statements were executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from igdt_planner.errors import Finding, InputError
from igdt_planner.interchange.csv_folder import FileError, read_file
from igdt_planner.interchange.matlab import execute
from igdt_planner.interchange.matlab_expression import Workspace

_BUS: Final = (
    "PQ PV REF NONE BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN LAM_P LAM_Q MU_VMAX MU_VMIN"
)
_BRANCH: Final = (
    "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS PF QF PT QT MU_SF MU_ST ANGMIN ANGMAX "
    "MU_ANGMIN MU_ANGMAX"
)
_GEN: Final = (
    "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN MU_PMAX MU_PMIN MU_QMAX MU_QMIN "
    "PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF"
)


def _numbered(names: str, *values: int) -> dict[str, float]:
    return dict(zip(names.split(), map(float, values), strict=True))


CONSTANTS: Final = {
    "idx_bus": _numbered(_BUS, 1, 2, 3, 4, *range(1, 18)),
    "idx_brch": _numbered(_BRANCH, *range(1, 12), *range(14, 20), 12, 13, 20, 21),
    "idx_gen": _numbered(_GEN, *range(1, 11), *range(22, 26), *range(11, 22)),
}
"""MATPOWER's functions that number the types of bus and the columns, with their values in the order returned."""

IGNORED: Final = ("version", "gencost", "areas", "bus_name", "gentype", "genfuel")
"""Fields that change no power flow of a case."""

MAX_FAULTS: Final = 20
"""Statements named at most, for a file that is something else altogether."""

MAX_SHOWN: Final = 100
"""Characters of a statement that are shown."""


class Bus(NamedTuple):
    """The columns of ``mpc.bus`` that must be there."""

    id: float
    type: float
    pd: float
    qd: float
    gs: float
    bs: float
    area: float
    vm: float
    va: float
    base_kv: float
    zone: float
    vmax: float
    vmin: float


class Gen(NamedTuple):
    """The columns of ``mpc.gen`` that must be there."""

    bus: float
    pg: float
    qg: float
    qmax: float
    qmin: float
    vg: float
    mbase: float
    status: float


class Branch(NamedTuple):
    """The columns of ``mpc.branch`` that must be there."""

    from_bus: float
    to_bus: float
    r: float
    x: float
    b: float
    rate_a: float
    rate_b: float
    rate_c: float
    ratio: float
    angle: float
    status: float


WIDTHS: Final = {"bus": len(Bus._fields), "gen": len(Gen._fields), "branch": len(Branch._fields)}


@dataclass(frozen=True)
class MatpowerTables:
    """A MATPOWER case in the units of its format.

    Attributes
    ----------
    name, title : str
    base_mva : float
    buses, gens, branches : list
    lines : dict
        ``bus``, ``gen``, ``branch`` to the line of the file of each row.
    """

    name: str
    title: str
    base_mva: float
    buses: list[Bus]
    gens: list[Gen]
    branches: list[Branch]
    lines: dict[str, list[int]]

    @cached_property
    def _base_kv(self) -> dict[float, float]:
        return {bus.id: bus.base_kv for bus in self.buses if bus.base_kv > 0}

    def base_kv(self, branch: Branch) -> float:
        """Voltage base of a branch: that of its from bus, and 1 where that is unknown or unusable."""
        return self._base_kv.get(branch.from_bus, 1.0)

    def finding(self, table: Literal["bus", "gen", "branch"], index: int, message: str, hint: str = "") -> Finding:
        """Make a fault of one row: ``bus 3: Gs is 1, must be 0``."""
        if table == "bus":
            label, path = f"bus {self.buses[index].id:.10g}", f"/case/buses/{index}"
        elif table == "branch":
            label, path = f"line {index + 1}", f"/case/lines/{index}"
        else:
            label, path = f"generator {index + 1} at bus {self.gens[index].bus:.10g}", "/case/substations"
        return Finding(f"{label}: {message}", path, row=self.lines[table][index], hint=hint)


def read_matpower_tables(path: Path) -> MatpowerTables:
    """Execute a MATPOWER case file.

    Raises
    ------
    InputError
        When it cannot be read, lacks a table, or holds a statement or a field that is not understood: the numbers of
        the others would mean nothing then.
    """
    try:
        text = read_file(path, path.name)
    except FileError as fault:
        raise InputError([fault.finding]) from None
    workspace = execute(text, CONSTANTS, everything="define_constants")
    findings = list(_not_understood(workspace, text, path.name)) or list(_unusable(workspace, path.name))
    if findings:
        raise InputError(findings)
    name = workspace.name or path.stem
    return MatpowerTables(
        name=name,
        title=_title(text, name),
        base_mva=float(np.asarray(workspace.fields["baseMVA"]).item()),
        buses=[Bus(*row) for row in _rows(workspace, "bus")],
        gens=[Gen(*row) for row in _rows(workspace, "gen")],
        branches=[Branch(*row) for row in _rows(workspace, "branch")],
        lines={table: workspace.rows[table] for table in WIDTHS},
    )


def _rows(workspace: Workspace, table: str) -> list[list[float]]:
    matrix = workspace.fields[table]
    return matrix[:, : WIDTHS[table]].tolist() if isinstance(matrix, np.ndarray) else []


def _not_understood(workspace: Workspace, text: str, file: str) -> Iterator[Finding]:
    lines = text.split("\n")
    for fault in workspace.faults[:MAX_FAULTS]:
        statement = lines[fault.line - 1].split("%")[0].strip()
        shown = ascii(statement) if len(statement) <= MAX_SHOWN else f"{statement[:MAX_SHOWN]!a}..."
        yield Finding(f"statement {shown} is not understood", "/case", statement, file, fault.line, fault.reason)
    if (more := len(workspace.faults) - MAX_FAULTS) > 0:
        yield Finding(f"{more} more statements are not understood", "/case", file=file)


def _unusable(workspace: Workspace, file: str) -> Iterator[Finding]:
    """Fields of the struct that are missing, of the wrong kind, or unknown."""
    struct, fields, lines = workspace.output, workspace.fields, workspace.lines
    version = fields.get("version", "2")
    if not isinstance(version, str | float) or version not in ("2", 2.0):
        yield Finding(f"{struct}.version must be '2'", "/case", None, file, lines["version"])
    for name in ("baseMVA", *WIDTHS):
        if name not in fields:
            yield Finding(f"{struct}.{name} is missing", "/case", file=file)
        elif message := _wrong_kind(name, fields[name]):
            yield Finding(f"{struct}.{name} {message}", "/case", None, file, lines[name])
    for name in sorted(fields.keys() - {"baseMVA", *WIDTHS, *IGNORED}):
        if not isinstance(value := fields[name], np.ndarray) or value.size:
            message = f"{struct}.{name} is not read, and a case without it may be another one"
            yield Finding(message, "/case", None, file, lines[name], "delete it where it does not matter")


def _wrong_kind(name: str, value: object) -> str:
    """What is wrong with the value of a field; empty when nothing is."""
    if name == "baseMVA":
        return "" if isinstance(value, float) else "must be one number"
    if not isinstance(value, np.ndarray):
        return "must be a matrix"
    few = len(value) > 0 and value.shape[1] < WIDTHS[name]
    return f"has {value.shape[1]} columns, must have at least {WIDTHS[name]}" if few else ""


def _title(text: str, name: str) -> str:
    """First line of comment, which begins with the name of the case in capitals."""
    comment = re.search(r"^[ \t]*%+[ \t]*(\S.*)$", text, re.MULTILINE)
    title = comment[1].strip() if comment else ""
    if title.lower().startswith(name.lower()):
        title = title[len(name) :].strip()
    return title if title.isprintable() and len(title) <= 200 else ""
