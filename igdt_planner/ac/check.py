"""The independent judge of a plan: AC power flow and every rule, from the case, the model and the dispatch alone.

It shares nothing with the formulation that found the plan. A plan is feasible if and only if no rule finds a violation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from igdt_planner.ac import limits, rows, sites, topology, units
from igdt_planner.ac.operation import AcState, Operation, operate, state
from igdt_planner.ac.supply import supplied, supply
from igdt_planner.ac.terms import limits_kept, term_values
from igdt_planner.ac.violations import TOLERANCE_MW, TOLERANCE_PU
from igdt_planner.errors import Finding, InputError
from igdt_planner.plan import AcVerdict, Dispatch, Plan, Violation

SITE_RULES: tuple[Callable[[Plan, sites.Kind], Iterable[Violation]], ...] = (
    sites.unit_count,
    sites.allowed_buses,
    sites.known_buses,
    sites.one_per_bus,
    sites.known_technology,
    sites.prescribed_sites,
)
ROW_RULES: tuple[Callable[[Plan, Dispatch], Iterable[Violation]], ...] = (
    rows.foreign_rows,
    rows.repeated_rows,
    rows.not_numbers,
    rows.unit_rows,
    rows.substation_rows,
)
OPERATION_RULES: tuple[Callable[[Operation], Iterable[Violation]], ...] = (
    topology.stated_topology,
    topology.locked_lines,
    topology.static_topology,
    topology.prescribed_topology,
    topology.spanning_forest,
    topology.acyclic,
    topology.switching_operations,
    limits.solved,
    limits.voltages,
    limits.currents,
    limits.dead_load,
    limits.dead_units,
    units.one_source,
    units.forming_unit,
    units.set_point,
    units.dg_power,
    units.dg_reactive,
    units.ess_power,
    units.ess_one_way,
    units.ess_energy,
    units.ess_balance,
    units.ess_end,
    units.ess_follows_schedule,
    units.ess_reactive,
    units.shed_allowed,
    units.shed_range,
    units.shed_power_factor,
)

FORM = {
    **dict.fromkeys(("known_buses", "one_per_bus", "known_technology"), ""),
    **dict.fromkeys(("foreign_rows", "repeated_rows", "not_numbers", "unit_rows", "substation_rows"), "/dispatch"),
    **dict.fromkeys(("topology_missing", "unknown_line"), "/open_lines"),
}
"""Violations that leave open what a plan decides or how it runs, and where in its document they stand."""


def require_whole(plan: Plan) -> None:
    """Refuse a plan that leaves open what it decides or how it runs, or speaks of what its case does not have.

    Raises
    ------
    InputError
        With every such fault. That a plan breaks limits is none: it can be run all the same.
    """
    dispatches = [dispatch for dispatch in (plan.dispatch, plan.dispatch_forecast) if dispatch is not None]
    violations = [found for dispatch in dispatches for found in check_dispatch(plan, dispatch).violations]
    faults = {found.message: FORM[found.kind] or f"/{found.component}" for found in violations if found.kind in FORM}
    if faults:
        raise InputError([Finding(f"the plan is damaged: {message}", path) for message, path in faults.items()])


def check(plan: Plan) -> Plan:
    """The plan with ``ac`` and ``ac_forecast`` judged anew; None where there is no dispatch to judge.

    Parameters
    ----------
    plan : Plan
        Neither its proof nor an earlier verdict is read, nor is its ``objective`` changed.

    Returns
    -------
    Plan
        A copy; the argument stays as it is.
    """
    ac = None if plan.dispatch is None else check_dispatch(plan, plan.dispatch)
    if plan.dispatch_forecast is plan.dispatch:
        forecast = ac
    else:
        forecast = None if plan.dispatch_forecast is None else check_dispatch(plan, plan.dispatch_forecast)
    return dataclasses.replace(plan, ac=ac, ac_forecast=forecast)


def check_dispatch(plan: Plan, dispatch: Dispatch) -> AcVerdict:
    """Judge how a plan runs at one realisation of the uncertain quantities.

    Parameters
    ----------
    plan : Plan
        Its case, model, open lines, DG and storage.
    dispatch : Dispatch
        Tables in SI; need not be the plan's own.

    Returns
    -------
    AcVerdict
        ``feasible`` if and only if there are no violations. Voltages may miss their limits by 1e-6 pu, currents by 1e-6
        of the rating, powers by 1 W and energies by 1 Wh. Without an AC solution in every mode and period there is no
        objective and there are no terms.
    """
    operations = operate(plan, dispatch)
    ac = state(operations)
    violations = tuple(_violations(plan, dispatch, operations))
    if ac.converged:
        violations += tuple(limits_kept(plan, operations))
    terms = term_values(plan, operations) if ac.converged else ()
    objective = sum(term.value * term.weight for term in terms) if ac.converged else None
    buses = supplied(ac.buses, operations)
    worst = _worst_voltage(buses[~buses["idle"]])
    return AcVerdict(
        verdict="violated" if violations else "feasible",
        objective=objective,
        terms=terms,
        vm_min_pu=worst and worst[0],
        vm_min_mode=worst and worst[1],
        vm_min_bus=worst and worst[2],
        vm_min_period=worst and worst[3],
        violations=violations,
        tolerance_pu=TOLERANCE_PU,
        tolerance_mw=TOLERANCE_MW,
        buses=buses,
        lines=ac.lines,
        sources=ac.sources,
        supply=tuple(map(supply, operations)),
    )


def ac_state(plan: Plan, dispatch: Dispatch) -> AcState:
    """AC state of a dispatch without judging it, as re-dispatch needs it.

    Parameters
    ----------
    plan : Plan
    dispatch : Dispatch

    Returns
    -------
    AcState
        ``buses``, ``lines`` and ``sources`` as in :class:`igdt_planner.plan.AcVerdict`, without what is served. At a
        grid-forming bus ``sources`` holds what all units at the bus together must deliver.
    """
    return state(operate(plan, dispatch))


def _violations(plan: Plan, dispatch: Dispatch, operations: tuple[Operation, ...]) -> Iterator[Violation]:
    for site_rule, kind in product(SITE_RULES, get_args(sites.Kind)):
        yield from site_rule(plan, kind)
    for row_rule in ROW_RULES:
        yield from row_rule(plan, dispatch)
    for operation, rule in product(operations, OPERATION_RULES):
        yield from rule(operation)


def _worst_voltage(buses: pd.DataFrame) -> tuple[float, str, int, int] | None:
    """Lowest voltage with mode, bus and period; None where no bus has one."""
    vm_pu = buses["vm_pu"].to_numpy(float)
    if np.isnan(vm_pu).all():
        return None
    row = buses.iloc[int(np.nanargmin(vm_pu))]
    return float(row["vm_pu"]), str(row["mode"]), int(row["bus"]), int(row["period"])
