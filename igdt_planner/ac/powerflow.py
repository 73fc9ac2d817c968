"""AC power flow of a case on power-grid-model: SI in, SI out, many scenarios in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from power_grid_model import CalculationMethod, ComponentType, DatasetType, PowerGridModel, initialize_array

from igdt_planner.case import Case

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

SHORT_CIRCUIT_VA = 1e17
"""Short-circuit power of a source: holds 10 MW to 1e-10 pu. The default 1e10 adds 0.1 kW to the losses of 33 buses."""

ERROR_TOLERANCE = 1e-9
"""Last Newton step, pu. The error left is its square; rounding alone exceeds 1e-12 on 400 buses and 1e-11 on 2000."""

MAX_ITERATIONS = 30
LOAD_CONSTANT_POWER = 0


@dataclass(frozen=True)
class AcSolution:
    """AC state of every scenario; rows are scenarios, columns are buses or lines in the order of the case.

    Attributes
    ----------
    converged : array of bool, shape (scenarios,)
        False where no solution was found or the input was not finite: every other value of that row is NaN or False.
    vm_pu, energised : array, shape (scenarios, buses)
        Voltage magnitude, NaN at buses without a source, and whether the bus has one.
    p_mw, q_mvar, i_ka, loss_mw : array, shape (scenarios, lines)
        Power into the line at ``from_bus``, current, and active loss; 0 where open or dead.
    source_p_mw, source_q_mvar : array, shape (scenarios, buses)
        Power delivered by the source at the bus, 0 where there is none.
    """

    converged: Bools
    vm_pu: Floats
    energised: Bools
    p_mw: Floats
    q_mvar: Floats
    i_ka: Floats
    loss_mw: Floats
    source_p_mw: Floats
    source_q_mvar: Floats


def power_flow(case: Case, line_on: Bools, p_mw: Floats, q_mvar: Floats, source_vm_pu: Floats) -> AcSolution:
    """AC power flow with constant-power injections, one row per scenario.

    Parameters
    ----------
    case : Case
        Only ``buses`` and ``lines`` are read. Lines join buses of equal ``vn_kv``.
    line_on : array of bool, shape (scenarios, lines)
        Whether each line is closed.
    p_mw, q_mvar : array, shape (scenarios, buses)
        Net injection: generation minus load.
    source_vm_pu : array, shape (scenarios, buses)
        Voltage held by the source at the bus; NaN where there is none. Every source has angle 0.

    Returns
    -------
    AcSolution
        A scenario without a solution has ``converged`` False; this is not an error.

    Raises
    ------
    ValueError
        Arrays of a shape other than stated.
    power_grid_model.errors.PowerGridError
        A network that power-grid-model refuses, such as a line of zero impedance.

    Notes
    -----
    Newton-Raphson of power-grid-model (Xiang et al., CIRED 2023, doi:10.1049/icp.2023.0633), last step below 1e-9 pu.
    """
    _require_shapes(case, line_on, p_mw, q_mvar, source_vm_pu)
    usable: Bools = np.all(np.isfinite(p_mw) & np.isfinite(q_mvar) & ~np.isinf(source_vm_pu), axis=1)
    sources: Ints = np.flatnonzero(np.isfinite(source_vm_pu).any(axis=0))
    if len(sources) == 0 or not usable.any():
        return _dead(case, usable)
    update = _scenarios(case, line_on, np.nan_to_num(p_mw), np.nan_to_num(q_mvar), source_vm_pu[:, sources])
    output, failed = _calculate(_network(case, sources), update)
    usable[failed] = False
    return _solution(output, usable, sources)


def _require_shapes(case: Case, line_on: Bools, *per_bus: Floats) -> None:
    expected = [(len(line_on), len(case.lines))] + [(len(line_on), len(case.buses))] * len(per_bus)
    shapes = [array.shape for array in (line_on, *per_bus)]
    if shapes != expected:
        raise ValueError(f"arrays of shape {shapes}, expected {expected}")


def _ids(case: Case) -> dict[ComponentType, int]:
    """First power-grid-model id of each kind of component."""
    buses, lines = len(case.buses), len(case.lines)
    return {
        ComponentType.node: 0,
        ComponentType.line: buses,
        ComponentType.sym_load: buses + lines,
        ComponentType.source: 2 * buses + lines,
    }


def _network(case: Case, sources: Ints) -> PowerGridModel:
    """Every bus, every line, one constant-power component per bus and one source per bus that ever has one."""
    first, buses, lines = _ids(case), len(case.buses), len(case.lines)
    node = initialize_array(DatasetType.input, ComponentType.node, buses)
    node["id"] = np.arange(buses)
    node["u_rated"] = case.buses["vn_kv"].to_numpy(float) * 1e3
    line = initialize_array(DatasetType.input, ComponentType.line, lines)
    line["id"] = first[ComponentType.line] + np.arange(lines)
    position = pd.Index(case.buses["id"])
    line["from_node"] = position.get_indexer(pd.Index(case.lines["from_bus"]))
    line["to_node"] = position.get_indexer(pd.Index(case.lines["to_bus"]))
    line["from_status"] = line["to_status"] = 1
    line["r1"], line["x1"] = case.lines["r_ohm"].to_numpy(float), case.lines["x_ohm"].to_numpy(float)
    line["c1"] = line["tan1"] = 0.0
    load = initialize_array(DatasetType.input, ComponentType.sym_load, buses)
    load["id"] = first[ComponentType.sym_load] + np.arange(buses)
    load["node"], load["status"], load["type"] = np.arange(buses), 1, LOAD_CONSTANT_POWER
    load["p_specified"] = load["q_specified"] = 0.0
    source = initialize_array(DatasetType.input, ComponentType.source, len(sources))
    source["id"] = first[ComponentType.source] + np.arange(len(sources))
    source["node"], source["status"], source["u_ref"], source["sk"] = sources, 1, 1.0, SHORT_CIRCUIT_VA
    return PowerGridModel(
        {
            ComponentType.node: node,
            ComponentType.line: line,
            ComponentType.sym_load: load,
            ComponentType.source: source,
        }
    )


def _scenarios(
    case: Case, line_on: Bools, p_mw: Floats, q_mvar: Floats, source_vm_pu: Floats
) -> dict[ComponentType, npt.NDArray[np.void]]:
    """Switch states, injections and source voltages of every scenario."""
    first = _ids(case)
    line = initialize_array(DatasetType.update, ComponentType.line, line_on.shape)
    line["id"] = first[ComponentType.line] + np.arange(line_on.shape[1])
    line["from_status"] = line["to_status"] = line_on
    load = initialize_array(DatasetType.update, ComponentType.sym_load, p_mw.shape)
    load["id"] = first[ComponentType.sym_load] + np.arange(p_mw.shape[1])
    load["p_specified"], load["q_specified"] = -1e6 * p_mw, -1e6 * q_mvar
    source = initialize_array(DatasetType.update, ComponentType.source, source_vm_pu.shape)
    source["id"] = first[ComponentType.source] + np.arange(source_vm_pu.shape[1])
    source["status"] = np.isfinite(source_vm_pu)
    source["u_ref"] = np.where(np.isfinite(source_vm_pu), source_vm_pu, 1.0)
    return {ComponentType.line: line, ComponentType.sym_load: load, ComponentType.source: source}


def _calculate(
    network: PowerGridModel, update: dict[ComponentType, npt.NDArray[np.void]]
) -> tuple[dict[ComponentType, npt.NDArray[np.void]], Ints]:
    """Output tables and the positions of the scenarios that failed (their rows hold uninitialised memory)."""
    output = network.calculate_power_flow(
        calculation_method=CalculationMethod.newton_raphson,
        error_tolerance=ERROR_TOLERANCE,
        max_iterations=MAX_ITERATIONS,
        update_data=update,
        continue_on_batch_error=True,
        output_component_types=[ComponentType.node, ComponentType.line, ComponentType.source],
    )
    no_line = initialize_array(DatasetType.sym_output, ComponentType.line, update[ComponentType.line].shape)
    output.setdefault(ComponentType.line, no_line)  # a network without lines has no output of them
    error = network.batch_error
    return output, np.asarray([] if error is None else error.failed_scenarios, dtype=np.int64)


def _solution(output: dict[ComponentType, npt.NDArray[np.void]], converged: Bools, sources: Ints) -> AcSolution:
    node, line, source = (output[kind] for kind in (ComponentType.node, ComponentType.line, ComponentType.source))
    row = converged[:, None]
    energised = row & (node["energized"] == 1)

    def on_lines(values: Floats) -> Floats:
        return np.where(row, values, np.nan)

    def on_sources(values: Floats) -> Floats:
        spread = np.zeros(energised.shape)
        spread[:, sources] = values / 1e6
        return np.where(row, spread, np.nan)

    return AcSolution(
        converged=converged,
        vm_pu=np.where(energised, node["u_pu"], np.nan),
        energised=energised,
        p_mw=on_lines(line["p_from"] / 1e6),
        q_mvar=on_lines(line["q_from"] / 1e6),
        i_ka=on_lines(line["i_from"] / 1e3),
        loss_mw=on_lines((line["p_from"] + line["p_to"]) / 1e6),
        source_p_mw=on_sources(source["p"]),
        source_q_mvar=on_sources(source["q"]),
    )


def _dead(case: Case, converged: Bools) -> AcSolution:
    """The state without any source: nothing is energised, nothing flows."""
    scenarios = len(converged)
    per_bus, per_line = (scenarios, len(case.buses)), (scenarios, len(case.lines))

    def zeros(shape: tuple[int, int]) -> Floats:
        return np.where(converged[:, None], np.zeros(shape), np.nan)

    return AcSolution(
        converged=converged,
        vm_pu=np.full(per_bus, np.nan),
        energised=np.zeros(per_bus, dtype=bool),
        p_mw=zeros(per_line),
        q_mvar=zeros(per_line),
        i_ka=zeros(per_line),
        loss_mw=zeros(per_line),
        source_p_mw=zeros(per_bus),
        source_q_mvar=zeros(per_bus),
    )
