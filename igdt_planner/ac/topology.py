"""Rules on switches: which lines may be open, and which networks may result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from igdt_planner.ac.operation import Operation
from igdt_planner.ac.powerflow import Ints
from igdt_planner.ac.violations import found, where
from igdt_planner.plan import Violation


def stated_topology(operation: Operation) -> Iterator[Violation]:
    """The plan states the open lines of every period, and only lines of the case."""
    stated = operation.plan.open_lines.get(operation.mode, {})
    for row, period in enumerate(operation.periods.tolist()):
        if period not in stated:
            text = "the plan does not state the open lines; the base topology was judged"
            yield found(operation, "topology_missing", row, "mode", 0, text)
        for line in sorted(set(stated.get(period, ())) - set(operation.line_ids.tolist())):
            yield found(operation, "unknown_line", row, "line", line, f"line {line} is open but not in the case")


def locked_lines(operation: Operation) -> Iterator[Violation]:
    """A line without a switch stays as the case has it."""
    lines = operation.case.lines
    base = lines["in_service"].to_numpy(bool)
    locked = ~lines["switchable"].to_numpy(bool)
    for row, column in where((operation.line_on != base) & locked):
        line = int(operation.line_ids[column])
        did, state = ("opened", "in") if base[column] else ("closed", "out of")
        text = f"line {line} was {did} but has no switch and is {state} service in the case"
        yield found(operation, "locked_line", row, "line", line, text)


def static_topology(operation: Operation) -> Iterator[Violation]:
    """A static or fixed topology is the same in every period."""
    if operation.setting.topology == "dynamic":
        return
    for row, column in where(operation.line_on != operation.line_on[0]):
        line = int(operation.line_ids[column])
        text = f"line {line} changes its state but the topology is {operation.setting.topology}"
        yield found(operation, "static_topology", row, "line", line, text)


def prescribed_topology(operation: Operation) -> Iterator[Violation]:
    """Open lines stated in the model's ``fix`` are followed; a fixed topology without them is the base topology."""
    lines = operation.case.lines
    base = operation.line_ids[~lines["in_service"].to_numpy(bool)].tolist()
    fix = operation.plan.model.fix.open_lines.get(operation.mode)
    for row, period in enumerate(operation.periods.tolist()):
        stated = fix.get(period) if isinstance(fix, dict) else fix
        if stated is None and operation.setting.topology == "fixed":
            stated = tuple(base)
        if stated is None:
            continue
        is_open = set(operation.line_ids[~operation.line_on[row]].tolist())
        for line in sorted(is_open ^ set(stated)):
            text = f"line {line} is {'open' if line in is_open else 'closed'} against the prescribed topology"
            yield found(operation, "prescribed_topology", row, "line", line, text)


def spanning_forest(operation: Operation) -> Iterator[Violation]:
    """Connected: every bus is fed by exactly one substation."""
    if operation.islanded:
        return
    for row, island in enumerate(operation.islands):
        sources = np.bincount(island, weights=operation.is_source[row])
        for number in np.flatnonzero(sources != 1).tolist():
            members = operation.bus_ids[island == number]
            feeders = operation.bus_ids[(island == number) & operation.is_source[row]].tolist()
            text = f"substations {listed(feeders)} are joined by closed lines"
            if not feeders:
                text = f"no closed line leads from a substation to {_buses(members)}"
            yield found(operation, "not_radial", row, "bus", members[0], text, sources[number], 1.0, "substations")


def acyclic(operation: Operation) -> Iterator[Violation]:
    """Connected, and islanded where the model says radial: closed lines form no loop."""
    if not operation.setting.radial and operation.islanded:
        return
    for row, island in enumerate(operation.islands):
        lines = np.bincount(island[operation.line_ends[0]], weights=operation.line_on[row], minlength=island.max() + 1)
        buses = np.bincount(island)
        for number in np.flatnonzero(lines > buses - 1).tolist():
            members = operation.bus_ids[island == number]
            text = f"{int(lines[number])} closed lines make a loop among {_buses(members)}"
            limit = float(buses[number] - 1)
            yield found(operation, "not_radial", row, "bus", members[0], text, lines[number], limit, "lines")


def switching_operations(operation: Operation) -> Iterator[Violation]:
    """No more switching operations than the model allows."""
    allowed, done = operation.setting.max_switching_operations, count_switching(operation)
    if allowed is not None and done > allowed:
        text = f"{done} switching operations up to here are more than the {allowed} allowed"
        last = len(operation.periods) - 1
        yield found(operation, "switching_operations", last, "mode", 0, text, done, allowed, "operations")


def count_switching(operation: Operation) -> int:
    """Switches that differ from the base topology at the start, and from the period before afterwards."""
    lines = operation.case.lines
    before = np.vstack([lines["in_service"].to_numpy(bool), operation.line_on[:-1]])
    return int(np.sum((operation.line_on != before) & lines["switchable"].to_numpy(bool)))


def _buses(members: Ints) -> str:
    ids = members.tolist()
    return f"bus {ids[0]}" if len(ids) == 1 else f"buses {listed(ids)}"


def listed(ids: list[int]) -> str:
    """The first few numbers of a list, in words."""
    shown = ", ".join(str(number) for number in ids[:8])
    return shown if len(ids) <= 8 else f"{shown} and {len(ids) - 8} more"
