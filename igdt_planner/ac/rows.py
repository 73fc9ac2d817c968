"""Rules on the tables of a dispatch: every row speaks of this plan, once, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from igdt_planner.ac.operation import judged_periods
from igdt_planner.ac.violations import TOLERANCE_PU
from igdt_planner.plan import Dispatch, Plan, Violation

KEY = ["mode", "period", "bus"]
TABLES = ("dg", "ess", "shed", "sources")


def foreign_rows(plan: Plan, dispatch: Dispatch) -> Iterator[Violation]:
    """No row speaks of a mode or period that is not judged, or of a bus that the case does not have."""
    known = {
        "mode": set(plan.model.modes),
        "period": set(judged_periods(plan)["period"]),
        "bus": set(plan.case.buses["id"]),
    }
    for name in TABLES:
        table: pd.DataFrame = getattr(dispatch, name)
        for column, values in known.items():
            for value in table.loc[~table[column].isin(values), column].unique().tolist():
                text = f"dispatch table {name} has rows for {column} {value}, which the plan does not have"
                yield Violation("foreign_rows", "", 0, name, 0, 0.0, 0.0, "", text)


def repeated_rows(plan: Plan, dispatch: Dispatch) -> Iterator[Violation]:
    """No mode, period and bus has two rows."""
    for name in TABLES:
        table: pd.DataFrame = getattr(dispatch, name)
        for key in _keys(table[table.duplicated(KEY)]):
            yield _row_fault("repeated_rows", name, key, "has two rows for bus {bus}")


def not_numbers(plan: Plan, dispatch: Dispatch) -> Iterator[Violation]:
    """Every quantity is a finite number, and no factor on a forecast is negative."""
    for name, factors in vars(dispatch.realisation).items():
        for factor in [factors] if isinstance(factors, float | int) else factors.values():
            if not 0.0 <= factor < np.inf:
                text = f"{name} is realised at {factor:g} times its forecast, which is no finite number from 0 up"
                yield Violation("not_numbers", "", 0, "realisation", 0, factor, 0.0, "", text)
    for name in TABLES:
        table: pd.DataFrame = getattr(dispatch, name)
        values = table.drop(columns=KEY).to_numpy(float)
        for key in _keys(table[~np.isfinite(values).all(axis=1)]):
            yield _row_fault("not_numbers", name, key, "holds something that is no finite number at bus {bus}")


def unit_rows(plan: Plan, dispatch: Dispatch) -> Iterator[Violation]:
    """Every built unit has a row in every mode and period, and what is not built has none."""
    periods = judged_periods(plan)["period"]
    for name in ("dg", "ess"):
        rows = set(_keys(getattr(dispatch, name)))
        built = set(getattr(plan, name)["bus"])
        due = {(str(mode), int(period), int(bus)) for mode in plan.model.modes for period in periods for bus in built}
        for key in sorted(due - rows):
            yield _row_fault("unit_rows", name, key, "has no row for the unit at bus {bus}")
        for key in sorted(key for key in rows if key[2] not in built):
            yield _row_fault("unit_rows", name, key, "has a row for bus {bus}, where nothing is built")


def substation_rows(plan: Plan, dispatch: Dispatch) -> Iterator[Violation]:
    """Connected, the sources are the substations at their voltage."""
    if "connected" not in plan.model.modes:
        return
    substations = dict(zip(plan.case.substations["bus"], plan.case.substations["vm_pu"], strict=True))
    rows = dispatch.sources[dispatch.sources["mode"] == "connected"]
    stated = dict(zip(_keys(rows), rows["vm_pu"], strict=True))
    due = {
        ("connected", int(period), int(bus)): float(vm_pu)
        for period in judged_periods(plan)["period"]
        for bus, vm_pu in substations.items()
    }
    for key in sorted(due.keys() - stated.keys()):
        yield _row_fault("substation_rows", "sources", key, "has no row for the substation at bus {bus}")
    for key, vm_pu in stated.items():
        if key[2] not in substations:
            yield _row_fault("substation_rows", "sources", key, "names bus {bus}, which is no substation")
        elif not abs(vm_pu - substations[key[2]]) <= TOLERANCE_PU:
            text = f"holds substation {{bus}} at {vm_pu:.4f} pu, the case at {substations[key[2]]:.4f} pu"
            yield _row_fault("substation_rows", "sources", key, text)


def _keys(table: pd.DataFrame) -> list[tuple[str, int, int]]:
    columns = (table[column] for column in KEY)
    return [(str(mode), int(period), int(bus)) for mode, period, bus in zip(*columns, strict=True)]


def _row_fault(kind: str, name: str, key: tuple[str, int, int], text: str) -> Violation:
    mode, period, bus = key
    message = f"dispatch table {name} {text.format(bus=bus)} ({mode}, period {period})"
    return Violation(kind, mode, period, name, bus, 0.0, 0.0, "", message)
