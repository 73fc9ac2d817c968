"""A case file of another format made a case folder, with a word on what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from igdt_planner.ac.powerflow import AcSolution, power_flow
from igdt_planner.case import Case, case_to_dict, load_case
from igdt_planner.case_cells import show
from igdt_planner.errors import InputError
from igdt_planner.interchange.csv_folder import require_empty, write_csv_folder
from igdt_planner.interchange.matpower import NOTES
from igdt_planner.network import base_open_lines

TOLERANCE_PU: Final = 1e-6
"""A source held at its own limit does not break it."""


@dataclass(frozen=True)
class Imported:
    """What an imported case is, and the AC state of its base topology at the forecast of its first period.

    Attributes
    ----------
    name, folder : str
    buses, lines, substations : int
    open_lines : tuple of int
    unlimited_lines : int
        Lines without a current limit.
    p_mw, q_mvar : float
        Total load.
    losses_kw : float or None
        None where the base topology has no AC solution, then the voltages too.
    vm_min_pu, vm_min_bus : float, int or None
        Lowest voltage, and its bus.
    buses_outside_limits : int or None
        Buses whose voltage breaks their own limits before any switching; they do not keep a case from loading.
    """

    name: str
    folder: str
    buses: int
    lines: int
    substations: int
    open_lines: tuple[int, ...]
    unlimited_lines: int
    p_mw: float
    q_mvar: float
    losses_kw: float | None
    vm_min_pu: float | None
    vm_min_bus: int | None
    buses_outside_limits: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    def summary(self) -> str:
        """One paragraph for people."""
        opened = ", ".join(map(str, self.open_lines)) or "none"
        text = (
            f"{self.name}: {_counted(self.buses, 'bus', 'buses')}, {_counted(self.lines, 'line', 'lines')} "
            f"(open: {opened}; without a current limit: {self.unlimited_lines}), "
            f"{_counted(self.substations, 'substation', 'substations')}, "
            f"load {self.p_mw:g} MW and {self.q_mvar:g} Mvar; "
        )
        if self.losses_kw is None:
            return f"{text}the base topology has no AC solution. Written to {self.folder}"
        text += (
            f"AC losses of the base topology {self.losses_kw:.3f} kW, lowest voltage {self.vm_min_pu:.4f} pu at bus "
            f"{self.vm_min_bus}"
        )
        if self.buses_outside_limits:
            text += f", {_counted(self.buses_outside_limits, 'bus', 'buses')} outside their own voltage limits"
        return f"{text}. Written to {self.folder}"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def import_case(file: Path, folder: Path) -> Imported:
    """Read a case file of another format and write it as a case folder.

    Parameters
    ----------
    file : Path
        MATPOWER case file, ``*.m``.
    folder : Path
        A new or empty folder.

    Returns
    -------
    Imported

    Raises
    ------
    InputError
        When the file is no sound case, with every fault, or when the folder is not empty; nothing is written then.
    OSError
        When the folder cannot be written.
    """
    if file.suffix.lower() != ".m" or file.is_dir():
        raise InputError.of(f"import: {show(str(file))} is no MATPOWER case file (.m)", got=str(file))
    require_empty(folder)
    case = load_case(file)
    imported = _described(case, folder)
    write_csv_folder(case_to_dict(case), folder, _source(case, file))
    return imported


def _source(case: Case, file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    notes = "\n".join(f"- {note}" for note in NOTES)
    return (
        f"# {case.name}\n\n{case.title or 'No title.'}\n\nImported by igdt-planner from the MATPOWER case file "
        f"`{file.name}` (SHA-256 `{digest}`), which says where its data come from.\n\n{notes}\n"
    )


def _described(case: Case, folder: Path) -> Imported:
    facts: dict[str, Any] = {
        "name": case.name,
        "folder": str(folder),
        "buses": len(case.buses),
        "lines": len(case.lines),
        "substations": len(case.substations),
        "open_lines": base_open_lines(case),
        "unlimited_lines": int(case.lines["max_i_ka"].isna().sum()),
        "p_mw": round(float(case.buses["p_mw"].sum()), 9),
        "q_mvar": round(float(case.buses["q_mvar"].sum()), 9),
    }
    return Imported(**facts, **_base_state(case))


def _base_state(case: Case) -> dict[str, Any]:
    flow = _base_flow(case)
    if not flow.converged[0]:
        return dict.fromkeys(("losses_kw", "vm_min_pu", "vm_min_bus", "buses_outside_limits"))
    vm_pu, lowest = flow.vm_pu[0], int(np.argmin(flow.vm_pu[0]))
    low, high = (case.buses[column].to_numpy(float) for column in ("vm_min_pu", "vm_max_pu"))
    return {
        "losses_kw": float(1e3 * flow.loss_mw[0].sum()),
        "vm_min_pu": float(vm_pu[lowest]),
        "vm_min_bus": int(case.buses["id"].iloc[lowest]),
        "buses_outside_limits": int(np.sum((vm_pu < low - TOLERANCE_PU) | (vm_pu > high + TOLERANCE_PU))),
    }


def _base_flow(case: Case) -> AcSolution:
    load = case.profile["load"].iloc[0]
    p_mw, q_mvar = (-load * case.buses[column].to_numpy(float)[None] for column in ("p_mw", "q_mvar"))
    source_vm_pu = case.buses["id"].map(case.substations.set_index("bus")["vm_pu"]).to_numpy(float)[None]
    return power_flow(case, case.lines["in_service"].to_numpy(bool)[None], p_mw, q_mvar, source_vm_pu)
