"""MATPOWER case files to cases: base topology, loads and limits of the network, and one period at full load.

The statements of the file are executed, also those behind its tables that distribution cases carry (kW to MW, ohm to
per unit, power factors). What a case cannot represent is refused with its row; :data:`NOTES` says what is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from igdt_planner.case_schema import TABLES, Document
from igdt_planner.errors import Finding
from igdt_planner.interchange.matpower_tables import Branch, Bus, Gen, MatpowerTables, read_matpower_tables
from igdt_planner.units import line_current_ka, z_base_ohm

NOTES: Final = (
    "Every statement of the file was executed, also the conversions behind its tables. Then r and x were converted "
    "from per unit to ohm, on baseMVA and on baseKV of the from bus. Values are rounded to 14 significant digits.",
    "A line has the number of its row in mpc.branch; status 0 became in_service = false. MATPOWER does not say where "
    "the switches are: every line is switchable.",
    "rateA (MVA) became max_i_ka, the current that carries it at nominal voltage; rateA = 0 means unlimited.",
    "Every reference bus (type 3) is a substation at the voltage Vg of its generators; its angle is left out.",
    "Voltage limits are Vmin and Vmax of each bus. Where Pd or Qd is negative, load_may_be_negative is true.",
    "MATPOWER has no profile: there is one period of one hour at load 1, without prices and emissions.",
    "Left out: output and limits of generators at reference buses, generators out of service, gencost, areas, zones, "
    "rateB, rateC, angle limits, names, and the stored solution (Vm, Va).",
)
"""What is converted, assumed and left out, in words."""

PQ, PV, REF = 1, 2, 3
MAX_CURRENT_KA: Final = TABLES["lines"]["max_i_ka"].high
SIGNIFICANT_DIGITS: Final = 14
"""Kept of a value: 0.0922 ohm, divided and multiplied by the impedance base, is 0.0922 ohm again."""

Record = dict[str, object]


def read_matpower(path: Path) -> Document:
    """Read a MATPOWER case file without judging its values.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Document
        Values are numbers, ``file_rows`` are lines of the file, and ``findings`` name what a case cannot represent.

    Raises
    ------
    InputError
        When the file cannot be read or holds a statement that is not understood.
    """
    read = read_matpower_tables(path)
    sources = list(_sources(read))
    tables: dict[str, list[Record]] = {
        "buses": [_bus(bus) for bus in read.buses],
        "lines": [_line(number, branch, read) for number, branch in enumerate(read.branches, start=1)],
        "substations": [{"bus": _whole(bus.id), "vm_pu": gens[0].vg} for _, bus, gens in sources if gens],
        "profile": [{"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 1.0}],
    }
    file_rows = {
        "buses": read.lines["bus"],
        "lines": read.lines["branch"],
        "substations": [read.lines["bus"][index] for index, _, gens in sources if gens],
    }
    findings = tuple(replace(finding, file=path.name) for rule in _RULES for finding in rule(read))
    if not tables["substations"]:
        del tables["substations"]  # named by a rule, in words of the file
    head = {"name": read.name, "title": read.title, "base_mva": read.base_mva}
    return Document(head, tables, file_rows, findings=findings)


def _bus(bus: Bus) -> Record:
    return {
        "id": _whole(bus.id),
        "vn_kv": _tidy(bus.base_kv),
        "p_mw": _tidy(bus.pd),
        "q_mvar": _tidy(bus.qd),
        "vm_min_pu": bus.vmin,
        "vm_max_pu": bus.vmax,
        "load_may_be_negative": bus.pd < 0 or bus.qd < 0,
    }


def _line(number: int, branch: Branch, read: MatpowerTables) -> Record:
    vn_kv = read.base_kv(branch)
    # A base that is no positive number is a fault of its own; any other does here.
    z_base = z_base_ohm(vn_kv, read.base_mva) if read.base_mva > 0 else 1.0
    max_i_ka = _tidy(line_current_ka(branch.rate_a, vn_kv))
    return {
        "id": number,
        "from_bus": _whole(branch.from_bus),
        "to_bus": _whole(branch.to_bus),
        "r_ohm": _tidy(branch.r * z_base),
        "x_ohm": _tidy(branch.x * z_base),
        "max_i_ka": max_i_ka if 0 < max_i_ka <= MAX_CURRENT_KA else None,
        "in_service": branch.status != 0,
        "switchable": True,
    }


def _sources(read: MatpowerTables) -> Iterator[tuple[int, Bus, list[Gen]]]:
    """Reference buses with their positions, each with its generators in service."""
    for index, bus in enumerate(read.buses):
        if bus.type == REF:
            yield index, bus, [gen for gen in read.gens if gen.bus == bus.id and gen.status > 0]


def _whole(number: float) -> int | float:
    """The whole number that a float is; another one is left to the check of cells."""
    return int(number) if number.is_integer() else number


def _tidy(number: float) -> float:
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")


# Rules: what a case cannot represent


def _bus_types(read: MatpowerTables) -> Iterator[Finding]:
    for index, bus in enumerate(read.buses):
        if bus.type not in (PQ, PV, REF):
            hint = "delete it and its branches" if bus.type == 4 else ""
            yield read.finding("bus", index, f"type is {bus.type:g}, must be 1, 2 or 3: every bus is supplied", hint)


def _shunts(read: MatpowerTables) -> Iterator[Finding]:
    for index, bus in enumerate(read.buses):
        for column, value in (("Gs", bus.gs), ("Bs", bus.bs)):
            if value != 0:
                message = f"{column} is {value:g}, must be 0: a case has no shunts"
                yield read.finding("bus", index, message, "a capacitor may be counted as negative Qd")


def _reference_buses(read: MatpowerTables) -> Iterator[Finding]:
    sources = list(_sources(read))
    if not sources:
        yield Finding("no bus is a reference bus (type 3): there is no source", "/case/substations")
    for index, _, gens in sources:
        voltages = sorted({gen.vg for gen in gens})
        if not gens:
            yield read.finding("bus", index, "is a reference bus (type 3) without a generator in service")
        elif len(voltages) > 1:
            listed = ", ".join(f"{vm:g}" for vm in voltages)
            yield read.finding("bus", index, f"its generators hold different voltages Vg: {listed}")


def _generators(read: MatpowerTables) -> Iterator[Finding]:
    types = {bus.id: bus.type for bus in read.buses}
    hint = "set its status to 0, or count it as negative Pd and Qd"
    for index, gen in enumerate(read.gens):
        if not gen.status > 0 or types.get(gen.bus) == REF:
            continue
        if gen.bus not in types:
            yield read.finding("gen", index, "there is no such bus")
        elif gen.pg != 0 or gen.qg != 0:
            message = f"gives {gen.pg:g} MW and {gen.qg:g} Mvar, but a case has sources at reference buses only"
            yield read.finding("gen", index, message, hint)
        elif types[gen.bus] == PV:
            message = "holds the voltage of its bus (type 2), but a case has sources at reference buses only"
            yield read.finding("gen", index, message, hint)


def _transformers(read: MatpowerTables) -> Iterator[Finding]:
    for index, branch in enumerate(read.branches):
        if branch.ratio not in (0, 1):
            yield read.finding("branch", index, f"ratio is {branch.ratio:g}, must be 0: a case has no transformers")
        if branch.angle != 0:
            yield read.finding("branch", index, f"angle is {branch.angle:g}, must be 0: a case has no transformers")


def _charging(read: MatpowerTables) -> Iterator[Finding]:
    for index, branch in enumerate(read.branches):
        if branch.b != 0:
            message = f"b is {branch.b:g}, must be 0: a line of a case has no charging"
            yield read.finding("branch", index, message, "set it to 0 where it does not matter")


def _states_and_ratings(read: MatpowerTables) -> Iterator[Finding]:
    for index, branch in enumerate(read.branches):
        if branch.status not in (0, 1):
            yield read.finding("branch", index, f"status is {branch.status:g}, must be 0 or 1")
        i_ka = line_current_ka(branch.rate_a, read.base_kv(branch))
        if not 0 <= i_ka <= MAX_CURRENT_KA:
            message = f"rateA is {branch.rate_a:g} MVA, must be 0 to {MAX_CURRENT_KA:g} kA at nominal voltage"
            yield read.finding("branch", index, message, "0 means unlimited")


_RULES: Final[tuple[Callable[[MatpowerTables], Iterator[Finding]], ...]] = (
    _bus_types,
    _shunts,
    _reference_buses,
    _generators,
    _transformers,
    _charging,
    _states_and_ratings,
)
