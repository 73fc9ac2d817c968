"""Rules about a case's network as a whole; they take sound ids and line ends for granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from igdt_planner.case_cells import Row, Tables
from igdt_planner.errors import Finding
from igdt_planner.network import Edge, components, cycle_among, feeding_tree, merge_sources, subtree_sums
from igdt_planner.units import voltage_drop_pu, z_base_ohm

MAX_DROP_PU: Final = 0.5
MIN_DROP_PU: Final = 1e-3
PLAUSIBLE_DROP_PU: Final = 1e-2
SHORT_LINE_OHM: Final = 1e-2
MAX_IDS_IN_MESSAGE: Final = 12


def buses_without_path(tables: Tables) -> list[Finding]:
    """Find islands of buses that no line, open or closed, joins to a source."""
    return [
        Finding(f"{_listed(island)} no path to a source", "/case/buses", sorted(island), tables.file_of("buses"))
        for island in _unfed(tables, _usable(tables))
    ]


def base_topology_fed(tables: Tables) -> list[Finding]:
    """Find buses that the base topology leaves without supply, though a line could be closed."""
    lost = frozenset().union(*_unfed(tables, _usable(tables)))
    return [
        Finding(
            f"{_listed(island - lost)} no supply in the base topology",
            "/case/lines",
            sorted(island - lost),
            tables.file_of("lines"),
            hint="set in_service of a line that joins them to a source",
        )
        for island in _unfed(tables, _closed(tables))
        if island - lost
    ]


def base_topology_cycles(tables: Tables) -> list[Finding]:
    """Find cycles of the base topology, and paths that join two sources."""
    by_id = {row.values["id"]: row for row in tables.rows["lines"]}
    remaining = {edge[0]: edge for edge in _edges(_closed(tables))}
    found = []
    while cycle := cycle_among(merge_sources(remaining.values(), _sources(tables))):
        what = "form a cycle" if cycle_among(remaining[line] for line in cycle) else "join two sources"
        message = f"is true, but lines {', '.join(map(str, cycle))} {what}: the base topology must be radial"
        found.append(by_id[cycle[0]].finding("in_service", message, "set in_service of one of them to false"))
        del remaining[cycle[0]]
    return found


def excessive_drop(tables: Tables) -> list[Finding]:
    """Find a voltage drop that no feeder has: loads in kW taken for MW, or impedances in milliohm for ohm."""
    drop, bus = _worst_drop(tables)
    if tables.head["accept_implausible"] or drop <= MAX_DROP_PU:
        return []
    message = (
        f"at the peak the voltage at bus {bus} drops by {drop:.3g} pu, {drop / MAX_DROP_PU:.3g} times the largest "
        f"plausible {MAX_DROP_PU:g} pu"
    )
    return [_unit_finding("/case/buses", message, "p_mw is in MW (not kW), r_ohm and x_ohm in ohm, vn_kv in kV")]


def vanishing_drop(tables: Tables) -> list[Finding]:
    """Find impedances that look like per unit: tiny, and with a usual voltage drop once multiplied by the base."""
    drop, _ = _worst_drop(tables)
    z_ohm = sorted(math.hypot(row.number("r_ohm"), row.number("x_ohm")) for row in tables.rows["lines"])
    base = z_base_ohm(max(row.number("vn_kv") for row in tables.rows["buses"]), tables.head["base_mva"])
    tiny = drop < MIN_DROP_PU and z_ohm[len(z_ohm) // 2] < SHORT_LINE_OHM if z_ohm else False
    if tables.head["accept_implausible"] or not tiny or drop * base < PLAUSIBLE_DROP_PU:
        return []
    message = (
        f"at the peak the voltage drops by {drop:.3g} pu at most, and half of the lines have less than "
        f"{SHORT_LINE_OHM:g} ohm; read as per unit they would have {base:.4g} times as much"
    )
    return [_unit_finding("/case/lines", message, "r_ohm and x_ohm are in ohm (not per unit)")]


def _unit_finding(path: str, message: str, hint: str) -> Finding:
    return Finding(f"case: {message}", path, hint=f"{hint}; accept_implausible = true waives this check")


def _worst_drop(tables: Tables) -> tuple[float, int]:
    """Largest voltage drop in per unit, to first order, at the highest load in the base topology; and its bus."""
    peak = max(row.number("load") for row in tables.rows["profile"])
    buses = {row.values["id"]: row for row in tables.rows["buses"]}
    lines = {row.values["id"]: row for row in tables.rows["lines"]}
    sources = sorted(_sources(tables))
    tree = feeding_tree(_edges(_closed(tables)), sources)
    p_mw = subtree_sums(tree, {bus: row.number("p_mw") * peak for bus, row in buses.items()})
    q_mvar = subtree_sums(tree, {bus: row.number("q_mvar") * peak for bus, row in buses.items()})
    drop = dict.fromkeys(sources, 0.0)
    for bus, (parent, line) in tree.items():
        r_ohm, x_ohm = lines[line].number("r_ohm"), lines[line].number("x_ohm")
        drop[bus] = drop[parent] + voltage_drop_pu(r_ohm, x_ohm, p_mw[bus], q_mvar[bus], buses[bus].number("vn_kv"))
    worst = max(drop, key=lambda bus: drop[bus])
    return drop[worst], worst


def _sources(tables: Tables) -> set[int]:
    return {row.values["bus"] for row in tables.rows["substations"]}


def _closed(tables: Tables) -> list[Row]:
    return [row for row in tables.rows["lines"] if row.values["in_service"]]


def _usable(tables: Tables) -> list[Row]:
    return [row for row in tables.rows["lines"] if row.values["in_service"] or row.values["switchable"]]


def _edges(lines: Iterable[Row]) -> list[Edge]:
    return [(row.values["id"], row.values["from_bus"], row.values["to_bus"]) for row in lines]


def _unfed(tables: Tables, lines: Iterable[Row]) -> list[frozenset[int]]:
    buses = [row.values["id"] for row in tables.rows["buses"]]
    sources = _sources(tables)
    return [island for island in components(buses, _edges(lines)) if not island & sources]


def _listed(buses: Iterable[int]) -> str:
    """Write buses as the subject of a sentence with its verb: ``bus 3 has``, ``buses 3, 4 have``."""
    ordered = sorted(buses)
    if len(ordered) == 1:
        return f"bus {ordered[0]} has"
    more = len(ordered) - MAX_IDS_IN_MESSAGE
    return f"buses {', '.join(map(str, ordered[:MAX_IDS_IN_MESSAGE]))}{f' and {more} more' if more > 0 else ''} have"


NETWORK_RULES: Final[tuple[Callable[[Tables], list[Finding]], ...]] = (
    buses_without_path,
    base_topology_fed,
    base_topology_cycles,
)
UNIT_RULES: Final[tuple[Callable[[Tables], list[Finding]], ...]] = (excessive_drop, vanishing_drop)
