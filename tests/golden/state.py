"""AC states of trees, computed by a small backward and forward sweep, put into the rows of a formulation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyomo.environ as pyo

from igdt_planner.formulation import Formulation
from igdt_planner.formulation.infogap import load_factor
from igdt_planner.solver.problem import loss_shortfall, tangents, worst_violation
from igdt_planner.solver.solve import compile_problem
from igdt_planner.study import Line, SiteKey, Study, StudyMode


@dataclass(frozen=True)
class Operation:
    """How a mode runs: voltages of the roots, closed lines, share of load served, units that are not roots.

    ``dg`` maps sites to power in pu at full load; all follow the load. ``ess`` maps sites to (charging, discharging) by
    period, ``reactive`` maps some of them to the reactive power that they give all the time.
    """

    roots: Mapping[int, float]
    closed: Collection[int]
    served: float = 1.0
    dg: Mapping[SiteKey, complex] = field(default_factory=dict)
    ess: Mapping[SiteKey, Mapping[int, tuple[float, float]]] = field(default_factory=dict)
    reactive: Mapping[SiteKey, float] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """Complex voltages by bus, currents by line from parent to child, and the tree: child to (parent, line)."""

    voltage: dict[int, complex]
    current: dict[int, complex]
    parents: dict[int, tuple[int, int]]


def grow(study: Study, operation: Operation) -> dict[int, tuple[int, int]]:
    """Child to (parent, line), parents before their children."""
    parents: dict[int, tuple[int, int]] = {}
    reached = list(operation.roots)
    for bus in reached:
        for line in (study.lines[number] for number in operation.closed):
            child = {line.i: line.j, line.j: line.i}.get(bus)
            if child is not None and child not in parents and child not in operation.roots:
                parents[child] = (bus, line.id)
                reached.append(child)
    return parents


def sweep(study: Study, operation: Operation, load: Mapping[int, complex]) -> State:
    """AC state of the trees that hang from the roots, with constant-power loads.

    Raises
    ------
    ArithmeticError
        The sweeps do not settle.
    """
    parents = grow(study, operation)
    voltage = {bus: complex(magnitude) for bus, magnitude in operation.roots.items()}
    voltage |= dict.fromkeys(parents, 1.0 + 0.0j)
    current: dict[int, complex] = {}
    for _ in range(200):
        before = dict(voltage)
        drawn = {bus: (load[bus] / voltage[bus]).conjugate() for bus in voltage}
        for child, (parent, line) in reversed(parents.items()):
            current[line] = drawn[child]
            drawn[parent] += drawn[child]
        for child, (parent, line) in parents.items():
            voltage[child] = voltage[parent] - complex(study.lines[line].r, study.lines[line].x) * current[line]
        if max(abs(voltage[bus] - before[bus]) for bus in voltage) < 1e-14:
            return State(voltage, current, parents)
    raise ArithmeticError("no AC state found")


def put(formulation: Formulation, operations: Mapping[str, Operation], alpha: float = 0.0) -> None:
    """Set every variable of a formulation to the AC state of its modes; units of all operations are built."""
    model, study = formulation.model, formulation.study
    for variable in model.component_data_objects(pyo.Var):
        variable.set_value(0.0, skip_validation=True)
    forming = [key for key in study.dg for operation in operations.values() if key[0] in operation.roots]
    for key in {*forming, *(key for operation in operations.values() for key in operation.dg)}:
        model.build_dg[key] = 1.0
    for key in {key for operation in operations.values() for key in operation.ess}:
        model.build_ess[key] = 1.0
    if study.horizon is not None:
        model.alpha = alpha
        for key in model.alpha_built:
            model.alpha_built[key] = alpha * model.build_dg[key].value
    for name, operation in operations.items():
        put_topology(model.mode[name], study, operation)
        for t in study.periods:
            put_period(
                model.mode[name],
                study,
                study.modes[name],
                operation,
                t,
                pyo.value(load_factor(model.mode[name], "active", next(iter(study.buses)), t)),
            )
        put_energy(model.mode[name], study, operation)


def put_topology(b: Any, study: Study, operation: Operation) -> None:
    """Set switches, parent arcs, commodity, roots and energised buses."""
    parents = grow(study, operation)
    size = dict.fromkeys([*operation.roots, *parents], 1.0)
    for child, (parent, _) in reversed(parents.items()):
        size[parent] += size[child]
    for k in b.topologies:
        for line in operation.closed:
            b.line_on[line, k] = 1.0
        for child, (_, line) in parents.items():
            b.arc[line, child, k] = 1.0
            b.commodity[line, child, k] = size[child]
        if b.mode.islanded:
            for bus in size:
                b.energised[bus, k] = 1.0
            for bus in operation.roots:
                b.root[bus, k] = 1.0


def put_period(b: Any, study: Study, mode: StudyMode, operation: Operation, t: int, factor: float) -> None:
    """Set injections, voltages, flows and currents of one period."""
    demand = {bus: factor * complex(mode.p_load[bus, t], mode.q_load[bus, t]) for bus in study.buses}
    live = {*operation.roots, *grow(study, operation)}
    share = {bus: operation.served if bus in live else 0.0 for bus in study.buses}
    net = {bus: share[bus] * demand[bus] for bus in study.buses}
    level = sum(abs(load) for load in demand.values()) / factor / peak(study, mode)
    for key, power in operation.dg.items():
        b.p_dg[*key, t], b.q_dg[*key, t] = level * power.real, level * power.imag
        net[key[0]] -= level * power
    for key, schedule in operation.ess.items():
        b.p_charge[*key, t], b.p_discharge[*key, t] = schedule.get(t, (0.0, 0.0))
        net[key[0]] += b.p_charge[*key, t].value - b.p_discharge[*key, t].value
    for key, q in operation.reactive.items():
        b.q_ess[*key, t] = q
        net[key[0]] -= 1j * q
    state = sweep(study, operation, net)
    for bus in study.buses:
        b.v_sq[bus, t] = abs(state.voltage.get(bus, 1.0)) ** 2
        if mode.shedding:
            b.p_shed[bus, t] = (1.0 - share[bus]) * demand[bus].real
    supplied = dict(net)
    for child, (parent, number) in state.parents.items():
        put_branch(b, study.lines[number], child, t, state)
        supplied[parent] += state.voltage[parent] * state.current[number].conjugate()
    if not b.by_line:
        b.v_highest[t] = max(b.v_sq[bus, t].value for bus in state.parents)
    for root in operation.roots:
        put_source(b, study, root, t, supplied[root])


def put_branch(b: Any, line: Line, child: int, t: int, state: State) -> None:
    """Set flow and current of a closed line: at its beginning where flows are by line, else at the parent."""
    at = (line.id, line.j if b.by_line else child, t)
    sending = line.j if at[1] == line.i else line.i
    current = state.current[line.id] if child != sending else -state.current[line.id]
    power = state.voltage[sending] * current.conjugate()
    b.i_sq[at] = abs(current) ** 2
    if b.by_line:
        b.p_flow[at], b.q_flow[at] = power.real, power.imag
        return
    b.v_arc[at] = abs(state.voltage[sending]) ** 2
    for name, flow in (("p", power.real), ("q", power.imag)):
        b.size[name, at], b.back[name, at] = abs(flow), max(0.0, -flow)


def put_source(b: Any, study: Study, root: int, t: int, power: complex) -> None:
    """Set what a substation, or the grid-forming DG of an island, delivers."""
    if root in b.mode.sources:
        b.p_source[root, t], b.q_source[root, t] = power.real, power.imag
        return
    (key,) = [site for site in study.dg if site[0] == root]
    b.p_dg[*key, t], b.q_dg[*key, t] = power.real, power.imag


def put_energy(b: Any, study: Study, operation: Operation) -> None:
    """Set stored energy by the recursion."""
    for key in operation.ess:
        ess, stored = study.ess[key], study.ess[key].energy_start_mwh / study.base_mva
        for t, period in study.periods.items():
            charged = ess.eta_charge * b.p_charge[*key, t].value
            stored += period.hours * (charged - b.p_discharge[*key, t].value / ess.eta_discharge)
            b.energy[*key, t] = stored


def peak(study: Study, mode: StudyMode) -> float:
    """Sum of apparent loads in the period where it is largest."""
    return max(sum(abs(complex(mode.p_load[i, t], mode.q_load[i, t])) for i in study.buses) for t in study.periods)


def assert_rows_hold(formulation: Formulation) -> float:
    """Check rows, bounds, cones and random tangents at the values of the variables; return the objective."""
    problem, columns = compile_problem(formulation)
    x = np.array([variable.value for variable in columns])
    assert worst_violation(problem, x) < 1e-9
    assert np.abs(loss_shortfall(problem, x)[1]).max() < 1e-9
    random, seen = np.random.default_rng(0), 0
    for spread in (0.01, 0.5, 5.0):
        elsewhere = np.clip(x * random.normal(1.0, spread, len(x)), problem.lower, problem.upper)
        cuts = tangents(problem, elsewhere, -np.inf)
        seen += len(cuts.lower)
        assert (cuts.matrix @ x - cuts.lower).min(initial=0.0) > -1e-9
    assert seen > 0
    return float(problem.cost @ x + problem.offset)
