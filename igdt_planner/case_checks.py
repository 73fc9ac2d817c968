"""Rules that a case must keep. Each is one short function that returns findings; all findings are raised together.

Rules see values that may be unusable (None, or NaN as a number); comparisons with those are false, so that each fault
is told once.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from igdt_planner.case_cells import Row, Tables, show
from igdt_planner.case_network_checks import NETWORK_RULES, UNIT_RULES
from igdt_planner.case_schema import KEY, SCHEMA, TABLES
from igdt_planner.errors import Finding

Rule = Callable[[Tables], list[Finding]]

MIN_IMPEDANCE_OHM: Final = 1e-5
MAX_ELEMENT_PERIODS: Final = 1_000_000
BYTES_PER_ELEMENT_PERIOD: Final = 20_000
"""Memory that a model takes for one bus or line in one period; measured order of magnitude."""
TIME_TOLERANCE_H: Final = 1e-9


def check_case(tables: Tables) -> list[Finding]:
    """Find every fault of a case, in reading order.

    Parameters
    ----------
    tables : Tables
        Typed tables with the faults of their cells.

    Returns
    -------
    list of Finding
        Empty for a sound case. Rules about the network as a whole run only where ids and line ends are sound.
    """
    structural = [finding for rule in STRUCTURE_RULES for finding in rule(tables)]
    found = [*tables.findings, *structural, *(finding for rule in VALUE_RULES for finding in rule(tables))]
    if not structural and _has_structure(tables):
        found += [finding for rule in NETWORK_RULES for finding in rule(tables)]
    if not found:
        found = [finding for rule in UNIT_RULES for finding in rule(tables)]
    return sorted(found, key=_reading_order)


def _reading_order(finding: Finding) -> tuple[int, int]:
    steps = finding.path.split("/")
    table = list(TABLES).index(steps[2]) if len(steps) > 2 and steps[2] in TABLES else -1
    return table, int(steps[3]) if len(steps) > 3 and steps[3].isdecimal() else -1


def _has_structure(tables: Tables) -> bool:
    return (
        tables.readable("buses", "id")
        and tables.readable("substations", "bus")
        and tables.readable("lines", "id", "from_bus", "to_bus", "in_service", "switchable")
    )


# Structure: ids and line ends


def empty_tables(tables: Tables) -> list[Finding]:
    """Find tables without records; without substations there is no source."""
    said = {"substations": "has no records: there is no source", "profile": "has no records: there is no period"}
    return [
        Finding(f"{table}: {said.get(table, 'has no records')}", f"/case/{table}", file=tables.file_of(table))
        for table, rows in tables.rows.items()
        if not rows and table != "lines"
    ]


def duplicate_keys(tables: Tables) -> list[Finding]:
    """Find ids, source buses and periods that stand twice."""
    found = []
    for table, rows in tables.rows.items():
        first: dict[int, Row] = {}
        for row in rows:
            key = row.values[KEY[table]]
            if key is None:
                continue
            if key in first:
                found.append(row.finding(KEY[table], f"stands in {first[key].place} and again in {row.place}"))
            first.setdefault(key, row)
    return found


def unknown_buses(tables: Tables) -> list[Finding]:
    """Find line ends and sources at buses that do not exist."""
    if not tables.readable("buses", "id"):
        return []
    ids = {row.values["id"] for row in tables.rows["buses"]}
    ends = [(row, column) for row in tables.rows.get("lines", []) for column in ("from_bus", "to_bus")]
    ends += [(row, "bus") for row in tables.rows.get("substations", [])]
    return [
        row.finding(column, f"is {row.values[column]}, but there is no such bus", _nearest_ids(row.values[column], ids))
        for row, column in ends
        if row.values[column] is not None and row.values[column] not in ids
    ]


def self_loops(tables: Tables) -> list[Finding]:
    """Find lines that begin and end at the same bus."""
    return [
        row.finding("to_bus", f"is {row.values['to_bus']}, the same as from_bus: a line must join two buses")
        for row in tables.rows.get("lines", [])
        if row.values["to_bus"] is not None and row.values["to_bus"] == row.values["from_bus"]
    ]


# Values: one record or one table at a time


def schema_version(tables: Tables) -> list[Finding]:
    """Find a case written for another version of this format."""
    got = tables.head["schema"]
    if got is None or got == SCHEMA:
        return []
    return [tables.head_finding("schema", f"is {show(got)}, this version reads {show(SCHEMA)}")]


def name_twins(tables: Tables) -> list[Finding]:
    """Find bus names that look the same but are written with different Unicode characters."""
    found = []
    first: dict[str, Row] = {}
    for row in tables.rows.get("buses", []):
        name = row.values["name"]
        twin = first.setdefault(unicodedata.normalize("NFC", name), row) if name else row
        if twin.values["name"] != name:
            found.append(
                row.finding("name", f"is {show(name)}, which looks like {show(twin.values['name'])} of {twin.label}")
            )
    return found


def voltage_limits(tables: Tables) -> list[Finding]:
    """Find lower voltage limits above the upper ones."""
    return [
        row.finding("vm_min_pu", f"is {row.number('vm_min_pu'):g}, above vm_max_pu {row.number('vm_max_pu'):g}")
        for row in tables.rows.get("buses", [])
        if row.number("vm_min_pu") > row.number("vm_max_pu")
    ]


def negative_loads(tables: Tables) -> list[Finding]:
    """Find negative loads at buses that are not flagged for them."""
    return [
        row.finding(
            column,
            f"is {row.number(column):g}, must be at least 0",
            "set load_may_be_negative for a capacitor or a generator counted as load",
        )
        for row in tables.rows.get("buses", [])
        for column in ("p_mw", "q_mvar")
        if row.number(column) < 0 and row.values["load_may_be_negative"] is False
    ]


def impedance_floor(tables: Tables) -> list[Finding]:
    """Find lines whose impedance is too small to compute with."""
    found = []
    for row in tables.rows.get("lines", []):
        z_ohm = math.hypot(row.number("r_ohm"), row.number("x_ohm"))
        if z_ohm < MIN_IMPEDANCE_OHM:
            message = f"and x_ohm give an impedance of {z_ohm:g} ohm, must be at least {MIN_IMPEDANCE_OHM:g} ohm"
            found.append(row.finding("r_ohm", message, "merge the two buses, or give the switch a small impedance"))
    return found


def voltage_levels(tables: Tables) -> list[Finding]:
    """Find lines that join buses of different nominal voltage."""
    vn_kv = {row.values["id"]: row.number("vn_kv") for row in tables.rows.get("buses", [])}
    found = []
    for row in tables.rows.get("lines", []):
        start, end = (vn_kv.get(row.values[column], math.nan) for column in ("from_bus", "to_bus"))
        if start < end or start > end:
            found.append(
                row.finding("to_bus", f"has {end:g} kV, from_bus has {start:g} kV: a line joins equal voltages")
            )
    return found


def source_voltages(tables: Tables) -> list[Finding]:
    """Find sources whose voltage breaks the limits of their own bus."""
    buses = {row.values["id"]: row for row in tables.rows.get("buses", [])}
    found = []
    for row in tables.rows.get("substations", []):
        bus = buses.get(row.values["bus"])
        if bus is None:
            continue
        vm, low, high = row.number("vm_pu"), bus.number("vm_min_pu"), bus.number("vm_max_pu")
        if vm < low or vm > high:
            found.append(row.finding("vm_pu", f"is {vm:g}, outside the limits {low:g} to {high:g} of its bus"))
    return found


def profile_length(tables: Tables) -> list[Finding]:
    """Find a profile with another number of periods than announced."""
    wanted = tables.head["periods"]
    if wanted is None or "profile" not in tables.rows or len(tables.rows["profile"]) == wanted:
        return []
    message = f"profile: has {len(tables.rows['profile'])} periods, periods announces {wanted}"
    return [Finding(message, "/case/profile", len(tables.rows["profile"]), tables.file_of("profile"))]


def profile_order(tables: Tables) -> list[Finding]:
    """Find the first period out of number, and every period that does not start where the one before it ends."""
    rows = tables.rows.get("profile", [])
    numbers = [row.values["period"] for row in rows]
    found = []
    misplaced = next((k for k, number in enumerate(numbers) if number not in (k + 1, None)), None)
    if misplaced is not None and len(set(numbers)) == len(numbers):
        message = f"must be {misplaced + 1}: periods are numbered 1, 2, 3 in order of time"
        found.append(rows[misplaced].finding("period", message))
    for before, row in itertools.pairwise(rows):
        start, end = row.number("start_h"), before.number("start_h") + before.number("duration_h")
        if abs(start - end) > TIME_TOLERANCE_H:
            found.append(row.finding("start_h", f"is {start:g}, must be {end:g}, where {before.label} ends"))
    return found


def profile_step(tables: Tables) -> list[Finding]:
    """Find periods whose length differs from the step that the case announces."""
    step = tables.head["step_h"]
    if step is None:
        return []
    return [
        row.finding("duration_h", f"is {row.number('duration_h'):g}, must be {step:g}, the step_h of the case")
        for row in tables.rows.get("profile", [])
        if abs(row.number("duration_h") - step) > TIME_TOLERANCE_H
    ]


def size(tables: Tables) -> list[Finding]:
    """Find a case too large for any model of it to fit into memory."""
    elements = len(tables.rows.get("buses", [])) + len(tables.rows.get("lines", []))
    periods = len(tables.rows.get("profile", []))
    if elements * periods <= MAX_ELEMENT_PERIODS:
        return []
    message = (
        f"case: {elements} buses and lines times {periods} periods make {elements * periods}, at most "
        f"{MAX_ELEMENT_PERIODS} are accepted; a model would need about "
        f"{elements * periods * BYTES_PER_ELEMENT_PERIOD / 1e9:.2g} GB"
    )
    return [Finding(message, "/case", hint="use representative periods")]


def _nearest_ids(wanted: int, known: Iterable[int]) -> str:
    close = sorted(known, key=lambda number: (abs(number - wanted), number))[:3]
    return f"nearest ids: {', '.join(map(str, close))}" if close else ""


STRUCTURE_RULES: Final[tuple[Rule, ...]] = (empty_tables, duplicate_keys, unknown_buses, self_loops)
VALUE_RULES: Final[tuple[Rule, ...]] = (
    schema_version,
    name_twins,
    voltage_limits,
    negative_loads,
    impedance_floor,
    voltage_levels,
    source_voltages,
    profile_length,
    profile_order,
    profile_step,
    size,
)
