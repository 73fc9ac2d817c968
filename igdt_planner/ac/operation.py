"""One mode of a plan as arrays of what was decided, and the AC state that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from igdt_planner.ac.powerflow import AcSolution, Bools, Floats, Ints, power_flow
from igdt_planner.case import Case
from igdt_planner.model import AVAILABILITY, DgTechnology, EssTechnology, Mode, ModeName
from igdt_planner.plan import Dispatch, Plan


@dataclass(frozen=True)
class AcState:
    """AC state of a dispatch in the tables of :class:`igdt_planner.plan.AcVerdict`.

    ``converged`` is False where any mode and period has no AC solution; its rows in the tables hold NaN.
    """

    converged: bool
    buses: pd.DataFrame
    lines: pd.DataFrame
    sources: pd.DataFrame


@dataclass(frozen=True)
class Schedule:
    """What a dispatch says of one mode: arrays in MW, Mvar, MWh and pu; rows are periods, columns are buses.

    ``source_vm_pu`` is NaN where there is no source: substations of the case when connected, rows of the dispatch
    otherwise.
    """

    dg_p: Floats
    dg_q: Floats
    charge: Floats
    discharge: Floats
    energy: Floats
    ess_q: Floats
    shed_p: Floats
    shed_q: Floats
    source_vm_pu: Floats


@dataclass(frozen=True)
class Operation:
    """One mode of a plan under a dispatch, with its AC solution.

    Attributes
    ----------
    plan, dispatch, mode
        What is judged.
    profile : DataFrame
        Rows of the case's profile that the model asks for.
    line_on : array of bool, shape (periods, lines)
        The base topology where the plan states none.
    load_p, load_q : array, shape (periods, buses)
        Demand in MW and Mvar at the realisation.
    schedule : Schedule
    ac : AcSolution
    """

    plan: Plan
    dispatch: Dispatch
    mode: ModeName
    profile: pd.DataFrame
    line_on: Bools
    load_p: Floats
    load_q: Floats
    schedule: Schedule
    ac: AcSolution

    @property
    def case(self) -> Case:
        """The network."""
        return self.plan.case

    @property
    def setting(self) -> Mode:
        """The mode as the model describes it."""
        return self.plan.model.modes[self.mode]

    @property
    def islanded(self) -> bool:
        """Whether the substations are lost."""
        return self.mode == "islanded"

    @cached_property
    def periods(self) -> Ints:
        """Numbers of the judged periods."""
        return self.profile["period"].to_numpy(np.int64)

    @cached_property
    def hours(self) -> Floats:
        """Length of the periods as a column, to multiply tables of periods by buses or lines."""
        return self.profile["duration_h"].to_numpy(float)[:, None]

    @cached_property
    def bus_ids(self) -> Ints:
        """Bus numbers in the order of the columns."""
        return self.case.buses["id"].to_numpy(np.int64)

    @cached_property
    def line_ids(self) -> Ints:
        """Line numbers in the order of the columns."""
        return self.case.lines["id"].to_numpy(np.int64)

    @cached_property
    def line_ends(self) -> tuple[Ints, Ints]:
        """Column of the bus at either end of every line."""
        buses = pd.Index(self.bus_ids)
        from_bus, to_bus = (buses.get_indexer(pd.Index(self.case.lines[end])) for end in ("from_bus", "to_bus"))
        return np.asarray(from_bus, dtype=np.int64), np.asarray(to_bus, dtype=np.int64)

    @cached_property
    def islands(self) -> Ints:
        """Number of the island of every bus, from 0 up in every period, shape (periods, buses)."""
        return np.array([_islands(on, *self.line_ends, len(self.bus_ids)) for on in self.line_on], dtype=np.int64)

    @cached_property
    def is_source(self) -> Bools:
        """Where a bus holds its voltage, shape (periods, buses)."""
        return np.isfinite(self.schedule.source_vm_pu)

    @cached_property
    def dg(self) -> list[tuple[int, DgTechnology]]:
        """Built DG: column of its bus, and technology; units at unknown buses or of unknown technology are left out."""
        known = {technology.name: technology for technology in self.plan.model.dg.technologies}
        return [(column, known[name]) for column, name in _sites(self.case, self.plan.dg) if name in known]

    @cached_property
    def ess(self) -> list[tuple[int, EssTechnology]]:
        """Built storage, as :attr:`dg`."""
        known = {technology.name: technology for technology in self.plan.model.ess.technologies}
        return [(column, known[name]) for column, name in _sites(self.case, self.plan.ess) if name in known]

    @cached_property
    def dg_factor(self) -> Floats:
        """Factor on the forecast availability of every built DG, shape (periods, DG)."""
        realisation = self.dispatch.realisation
        tables = [
            realisation.table(AVAILABILITY[technology.source], [int(self.bus_ids[column])], self.periods.tolist())
            for column, technology in self.dg
        ]
        return np.hstack([np.empty((len(self.periods), 0)), *tables])

    @cached_property
    def dg_is_slack(self) -> Bools:
        """Where a DG forms the grid of an island and so delivers what AC power flow says, shape (periods, buses)."""
        forming = _columns(self.case, [column for column, technology in self.dg if technology.grid_forming])
        return self.islanded & self.is_source & self.ac.converged[:, None] & forming

    @cached_property
    def ess_is_slack(self) -> Bools:
        """Where storage forms the grid of an island: it does so only where no DG at its bus does."""
        forming = _columns(self.case, [column for column, technology in self.ess if technology.grid_forming])
        return self.islanded & self.is_source & self.ac.converged[:, None] & forming & ~self.dg_is_slack

    @cached_property
    def dg_p(self) -> Floats:
        """Active power of DG, MW: by AC where the DG forms the grid, as scheduled elsewhere."""
        storage = self.schedule.discharge - self.schedule.charge
        return np.where(self.dg_is_slack, self.ac.source_p_mw - storage, self.schedule.dg_p)

    @cached_property
    def dg_q(self) -> Floats:
        """Reactive power of DG, Mvar, as :attr:`dg_p`."""
        return np.where(self.dg_is_slack, self.ac.source_q_mvar - self.schedule.ess_q, self.schedule.dg_q)

    @cached_property
    def ess_q(self) -> Floats:
        """Reactive power of storage, Mvar: by AC where it forms the grid, as scheduled elsewhere."""
        return np.where(self.ess_is_slack, self.ac.source_q_mvar - self.schedule.dg_q, self.schedule.ess_q)

    @cached_property
    def dead(self) -> Bools:
        """Buses without a source, where AC power flow has a solution."""
        return self.ac.converged[:, None] & ~self.ac.energised

    @cached_property
    def unserved(self) -> Floats:
        """Load in MW that is not served: what is shed, and all of it at dead buses; generation lost does not count."""
        return np.maximum(np.where(self.dead, self.load_p, self.schedule.shed_p), 0.0)


def operate(plan: Plan, dispatch: Dispatch) -> tuple[Operation, ...]:
    """Every mode of the plan's model under a dispatch, solved by AC power flow."""
    return tuple(_operation(plan, dispatch, mode) for mode in plan.model.modes)


def _operation(plan: Plan, dispatch: Dispatch, mode: ModeName) -> Operation:
    case, setting = plan.case, plan.model.modes[mode]
    profile = judged_periods(plan)
    buses, periods = case.buses["id"].tolist(), profile["period"].tolist()
    both, active, reactive = (
        dispatch.realisation.table(quantity, buses, periods) for quantity in ("load", "active_load", "reactive_load")
    )
    factor = profile["load"].to_numpy(float)[:, None] * both
    load_p = factor * active * case.buses["p_mw"].to_numpy(float)
    load_q = factor * reactive * case.buses["q_mvar"].to_numpy(float) * setting.reactive
    line_on = _line_on(plan, mode, profile)
    schedule = _schedule(case, dispatch, mode, profile)
    p_mw = schedule.dg_p + schedule.discharge - schedule.charge
    q_mvar = schedule.dg_q + schedule.ess_q
    if mode == "islanded":  # the units at a grid-forming bus are the source itself
        elsewhere = ~np.isfinite(schedule.source_vm_pu)
        p_mw, q_mvar = np.where(elsewhere, p_mw, 0.0), np.where(elsewhere, q_mvar, 0.0)
    net_p, net_q = p_mw - (load_p - schedule.shed_p), q_mvar - (load_q - schedule.shed_q)
    ac = power_flow(case, line_on, net_p, net_q, schedule.source_vm_pu)
    return Operation(plan, dispatch, mode, profile, line_on, load_p, load_q, schedule, ac)


def judged_periods(plan: Plan) -> pd.DataFrame:
    """Rows of the profile that the model asks for: all, or the first one of the largest load."""
    profile = plan.case.profile.reset_index(drop=True)
    if plan.model.periods == "all":
        return profile
    peak = int(profile["load"].to_numpy(float).argmax())
    return profile.iloc[peak : peak + 1]


def _line_on(plan: Plan, mode: ModeName, profile: pd.DataFrame) -> Bools:
    lines = plan.case.lines
    base = lines["in_service"].to_numpy(bool)
    stated = plan.open_lines.get(mode, {})
    rows = [
        ~lines["id"].isin(stated[period]).to_numpy(bool) if period in stated else base for period in profile["period"]
    ]
    return np.array(rows, dtype=bool).reshape(len(profile), len(lines))


def _schedule(case: Case, dispatch: Dispatch, mode: ModeName, profile: pd.DataFrame) -> Schedule:
    dg_p, dg_q = _spread(case, dispatch.dg, mode, profile, ["p_mw", "q_mvar"])
    ess = ["p_charge_mw", "p_discharge_mw", "energy_mwh", "q_mvar"]
    charge, discharge, energy, ess_q = _spread(case, dispatch.ess, mode, profile, ess)
    shed_p, shed_q = _spread(case, dispatch.shed, mode, profile, ["p_mw", "q_mvar"])
    if mode == "connected":
        source_vm_pu = np.tile(_substation_vm_pu(case), (len(profile), 1))
    else:
        (source_vm_pu,) = _spread(case, dispatch.sources, mode, profile, ["vm_pu"], absent=np.nan)
    return Schedule(dg_p, dg_q, charge, discharge, energy, ess_q, shed_p, shed_q, source_vm_pu)


def _spread(
    case: Case, table: pd.DataFrame, mode: str, profile: pd.DataFrame, columns: list[str], absent: float = 0.0
) -> Floats:
    """Columns of a dispatch table, each as periods by buses; rows of other modes, periods or buses are left out."""
    rows = table[table["mode"] == mode]
    row = pd.Index(profile["period"]).get_indexer(pd.Index(rows["period"]))
    col = pd.Index(case.buses["id"]).get_indexer(pd.Index(rows["bus"]))
    known = (row >= 0) & (col >= 0)
    values = np.full((len(columns), len(profile), len(case.buses)), absent)
    values[:, row[known], col[known]] = rows[columns].to_numpy(float).T[:, known]
    return values


def _islands(line_on: Bools, from_bus: Ints, to_bus: Ints, buses: int) -> Ints:
    """Connected components over closed lines."""
    closed = np.ones(int(line_on.sum()))
    graph = coo_array((closed, (from_bus[line_on], to_bus[line_on])), shape=(buses, buses))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _substation_vm_pu(case: Case) -> Floats:
    vm_pu = case.substations.set_index("bus")["vm_pu"].reindex(case.buses["id"])
    return vm_pu.to_numpy(float)


def _sites(case: Case, units: pd.DataFrame) -> list[tuple[int, str]]:
    """Column of the bus and technology of every unit at a known bus."""
    columns = pd.Index(case.buses["id"]).get_indexer(pd.Index(units["bus"]))
    return [(int(column), str(name)) for column, name in zip(columns, units["technology"], strict=True) if column >= 0]


def _columns(case: Case, columns: list[int]) -> Bools:
    mask = np.zeros(len(case.buses), dtype=bool)
    mask[columns] = True
    return mask


def state(operations: tuple[Operation, ...]) -> AcState:
    """AC state of all modes as tables."""
    return AcState(
        converged=all(bool(operation.ac.converged.all()) for operation in operations),
        buses=pd.concat([_bus_table(operation) for operation in operations], ignore_index=True),
        lines=pd.concat([_line_table(operation) for operation in operations], ignore_index=True),
        sources=pd.concat([_source_table(operation) for operation in operations], ignore_index=True),
    )


def _bus_table(operation: Operation) -> pd.DataFrame:
    return _long(operation, "bus", operation.bus_ids, vm_pu=operation.ac.vm_pu, energised=operation.ac.energised)


def _line_table(operation: Operation) -> pd.DataFrame:
    ac = operation.ac
    loading = ac.i_ka / operation.case.lines["max_i_ka"].to_numpy(float)
    return _long(
        operation,
        "line",
        operation.line_ids,
        p_mw=ac.p_mw,
        q_mvar=ac.q_mvar,
        i_ka=ac.i_ka,
        loading=loading,
        loss_mw=ac.loss_mw,
    )


def _source_table(operation: Operation) -> pd.DataFrame:
    ac = operation.ac
    table = _long(operation, "bus", operation.bus_ids, p_mw=ac.source_p_mw, q_mvar=ac.source_q_mvar)
    return table[operation.is_source.ravel()]


def _long(operation: Operation, name: str, ids: Ints, **columns: Floats | Bools) -> pd.DataFrame:
    """Arrays of periods by components as one row per period and component."""
    head = {
        "mode": operation.mode,
        "period": np.repeat(operation.periods, len(ids)),
        name: np.tile(ids, len(operation.periods)),
    }
    return pd.DataFrame(head | {key: values.ravel() for key, values in columns.items()})
