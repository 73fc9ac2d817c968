"""From a formulation to numbers: compile, solve in a process of its own, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from igdt_planner.errors import SolverError
from igdt_planner.formulation import Formulation, build
from igdt_planner.model import ModeName, SolverChoice
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import Answer
from igdt_planner.solver.milp import solve as solve_problem
from igdt_planner.solver.other_solver import pyomo_branch
from igdt_planner.solver.problem import Circles, Cones, Deviations, Index, Problem, Rows, Switches, worst_violation
from igdt_planner.solver.problem import hold as hold_columns
from igdt_planner.solver.worker import Job, Worker
from igdt_planner.study import Study

SITES = ("build_dg", "build_ess")
FOLLOWS = ("arc", "commodity", "energised", "dg_led", "switched")
"""Columns that follow from sites, switches and roots."""
RELAXING = ("back_within", "below_highest", "highest_rise", "current_open", "loss_tangent")
"""Rows that say nothing once switches are decided and the loss equation holds."""
OUTPUTS = ("p_dg", "q_dg", "q_ess", "p_charge", "p_discharge", "p_shed")
"""Columns that units and loads decide."""
TIMED = (
    *OUTPUTS,
    "charging",
    "i_sq",
    "size",
    "p_flow",
    "q_flow",
    "v_sq",
    "v_arc",
    "v_deviation",
    "p_source",
    "q_source",
)
"""Columns whose last index is the period."""
PRODUCTS = {"alpha_built": "build_dg", "alpha_bought": "p_source"}
"""Products with alpha, and what alpha is multiplied by in each."""
ROOT = -1
"""The node at which every tree of a topology begins; no bus has this id."""
ROW_TOLERANCE = 1e-6
"""Largest violation of a row, relative to its terms, that an answer may have."""


def compile_problem(formulation: Formulation) -> tuple[Problem, list[Any]]:
    """Arrays of a formulation and the Pyomo variable behind each column."""
    form = LinearStandardFormCompiler().write(formulation.model, mixed_form=True)
    columns = list(form.columns)
    kinds = np.array([row.bound_type for row in form.rows])
    rhs = np.asarray(form.rhs, dtype=float)
    lower = np.where(kinds <= 0, rhs, -np.inf)
    upper = np.where(kinds >= 0, rhs, np.inf)
    bounds = np.array([(-np.inf if v.lb is None else v.lb, np.inf if v.ub is None else v.ub) for v in columns])
    position = {id(variable): index for index, variable in enumerate(columns)}
    names = [v.parent_component().local_name for v in columns]
    decisive = [i for i, name in enumerate(names) if name == SITES["build_dg" not in names]]
    charging = np.array([i for i, name in enumerate(names) if name == "p_charge"], dtype=np.int64)
    multiplied = [
        (i, position[id(beside(columns[i], PRODUCTS[name]))]) for i, name in enumerate(names) if name in PRODUCTS
    ]
    problem = Problem(
        cost=np.asarray(form.c.todense()).ravel(),
        offset=float(form.c_offset[0]),
        rows=Rows(sparse.csr_matrix(form.A), lower, upper),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        integer=np.array([not v.is_continuous() for v in columns]),
        cones=compile_cones(formulation, position),
        circles=compile_circles(formulation, position),
        deviations=deviations(columns, names, position),
        sites=np.array([i for i, name in enumerate(names) if name in SITES], dtype=np.int64),
        decisive=np.array(decisive, dtype=np.int64),
        zones=zones(formulation.study, [columns[i].index()[0] for i in decisive]),
        charging=charging,
        discharging=np.array([position[id(beside(columns[i], "p_discharge"))] for i in charging], dtype=np.int64),
        ways=np.array([position.get(id(beside(columns[i], "charging")), -1) for i in charging], dtype=np.int64),
        switches=switches(formulation.study, columns),
        alpha=next((i for i, name in enumerate(names) if name == "alpha"), -1),
        products=np.array([product for product, _ in multiplied], dtype=np.int64),
        factors=np.array([factor for _, factor in multiplied], dtype=np.int64),
        budget_row=next((r for r, row in enumerate(form.rows) if row.constraint.local_name == "within_budget"), -1),
        follows=np.array([i for i, name in enumerate(names) if name in FOLLOWS], dtype=np.int64),
        relaxing=np.array([r for r, row in enumerate(form.rows) if family(row.constraint) in RELAXING], dtype=np.int64),
        outputs=np.array([i for i, name in enumerate(names) if name in OUTPUTS], dtype=np.int64),
        moment=moments(columns, names),
        highest=highest(columns, names, position),
        meshed=any(mode.islanded and not mode.settings.radial for mode in formulation.study.modes.values()),
        voltages=np.array([i for i, name in enumerate(names) if name in ("v_sq", "v_arc")], dtype=np.int64),
    )
    return problem, columns


def beside(column: Any, name: str) -> Any:
    """Another variable of the same block at the same index; None where there is none."""
    variable = column.parent_block().component(name)
    return None if variable is None else variable[column.index()]


def family(constraint: Any) -> str:
    """Name of the constraint that a row belongs to."""
    return str(constraint.parent_component().local_name)


def highest(columns: list[Any], names: list[str], position: dict[int, int]) -> Index:
    """Every voltage below a highest one, as pairs of columns."""
    found = [
        (position[id(block.v_sq[bus, t])], column)
        for column, (variable, name) in enumerate(zip(columns, names, strict=True))
        if name == "v_highest"
        for block, t in [(variable.parent_block(), variable.index())]
        for bus in block.buses
        if bus not in block.mode.sources
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def deviations(columns: list[Any], names: list[str], position: dict[int, int]) -> Deviations:
    """Every deviation of a voltage, with that voltage."""
    found = np.array([column for column, name in enumerate(names) if name == "v_deviation"], dtype=np.int64)
    v_sq = [position[id(columns[column].parent_block().v_sq[columns[column].index()])] for column in found]
    return Deviations(np.array(v_sq, dtype=np.int64), found)


def moments(columns: list[Any], names: list[str]) -> Index:
    """Number of the mode, scenario and period of every column that has a period; -1 for the others."""
    numbers: dict[tuple[int, Any], int] = {}
    found = np.full(len(columns), -1)
    for position, (column, name) in enumerate(zip(columns, names, strict=True)):
        if name in TIMED:
            index = column.index()
            key = (id(column.parent_block()), index[-1] if isinstance(index, tuple) else index)
            found[position] = numbers.setdefault(key, len(numbers))
    return found


def switches(study: Study, columns: list[Any]) -> tuple[Switches, ...]:
    """Lines of every mode and topology as edges between buses, and roots of islands as edges to a node of their own.

    All sources of a connected mode are one node: it too stands where an island has its root.
    """
    found: dict[tuple[ModeName, int], list[tuple[int, int, int]]] = {}
    for column, variable in enumerate(columns):
        name, block = variable.parent_component().local_name, variable.parent_block()
        if name not in ("line_on", "root"):
            continue
        number, topology = variable.index()
        line = study.lines.get(number) if name == "line_on" else None
        ends = (line.i, line.j) if line is not None else (number, ROOT)
        at = [ROOT if bus in block.mode.sources else bus for bus in ends]
        found.setdefault((block.mode.name, topology), []).append((column, at[0], at[1]))
    tables = {key: np.array(edges, dtype=np.int64) for key, edges in found.items()}
    return tuple(
        Switches(columns=table[:, 0], ends=table[:, 1:], feeds_all=not study.modes[mode].islanded)
        for (mode, _), table in tables.items()
    )


def zones(study: Study, buses: Sequence[int]) -> Index:
    """Nested zones of sites by the resistance between their buses with all lines closed: pairs of zones to join."""
    if len(buses) < 2:
        return np.empty((0, 2), dtype=np.int64)
    position = {bus: row for row, bus in enumerate(study.buses)}
    laplacian = np.zeros((len(position), len(position)))
    for line in study.lines.values():
        i, j, conductance = position[line.i], position[line.j], 1.0 / np.hypot(line.r, line.x)
        laplacian[[i, j, i, j], [i, j, j, i]] += np.array([1.0, 1.0, -1.0, -1.0]) * conductance
    potential = np.linalg.pinv(laplacian)
    own = np.diag(potential)
    distance = own[:, None] + own[None, :] - 2.0 * potential
    at = np.array([position[bus] for bus in buses])
    between = np.clip(distance[np.ix_(at, at)], 0.0, None)
    np.fill_diagonal(between, 0.0)
    return linkage(squareform(between, checks=False), "average")[:, :2].astype(np.int64)


def compile_cones(formulation: Formulation, position: dict[int, int]) -> Cones:
    """Loss cones by column."""

    def column(name: str) -> Any:
        return np.array([position.get(id(getattr(cone, name)), -1) for cone in formulation.cones], dtype=np.int64)

    return Cones(
        i_sq=column("i_sq"),
        p_flow=column("p_flow"),
        q_flow=column("q_flow"),
        on=column("on"),
        v_sq=column("v_sq"),
        v_sq_ub=np.array([cone.v_sq_ub for cone in formulation.cones], dtype=float),
        switched=np.array([cone.switched for cone in formulation.cones], dtype=bool),
        weight=np.array([cone.weight for cone in formulation.cones], dtype=float),
        p_back=column("p_back"),
        q_back=column("q_back"),
        r=np.array([cone.line.r for cone in formulation.cones], dtype=float),
        x=np.array([cone.line.x for cone in formulation.cones], dtype=float),
        ends=np.array([cone.ends for cone in formulation.cones], dtype=np.int64).reshape(-1, 2),
    )


def compile_circles(formulation: Formulation, position: dict[int, int]) -> Circles:
    """Capability circles of inverters by column."""

    def column(name: str) -> Any:
        return np.array([position[id(getattr(circle, name))] for circle in formulation.circles], dtype=np.int64)

    return Circles(
        discharge=column("discharge"),
        charge=column("charge"),
        q=column("q"),
        on=column("on"),
        radius=np.array([circle.radius for circle in formulation.circles], dtype=float),
    )


@dataclass(frozen=True)
class Solved:
    """A solved study: the answer, the values by variable name, and what the next solve may start from.

    Without a plan the values are those of the dispatch that AC power flow refuses least, and empty where there is none.
    """

    formulation: Formulation
    answer: Answer
    values: dict[str, float]
    binaries: dict[str, float]
    tangents: Rows | None
    cancelled: bool


@dataclass(frozen=True)
class Compiled:
    """A formulation as arrays with the name of each column."""

    formulation: Formulation
    problem: Problem
    names: list[str]

    def integers(self) -> list[str]:
        """Names of the integer columns."""
        return [name for name, integer in zip(self.names, self.problem.integer, strict=True) if integer]


def compiled(study: Study) -> Compiled:
    """Formulate and compile a study."""
    formulation = build(study)
    problem, columns = compile_problem(formulation)
    return Compiled(formulation, problem, [column.name for column in columns])


class Solver:
    """Solves studies in a process of its own, one after the other; close it when done.

    Parameters
    ----------
    choice : SolverChoice
        ``highs``, or a Pyomo solver by name (which then does the branch and bound, in this process).
    on_event : callable, optional
        Receives ``{"kind": "bound" | "incumbent", "objective" or "alpha", "bound"}`` in the units of the study.
    """

    def __init__(self, choice: SolverChoice, on_event: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.choice = choice
        self.on_event = on_event or ignore
        self.worker = Worker()

    def close(self) -> None:
        """End the solver process."""
        self.worker.close()

    def solve(
        self,
        study: Study,
        *,
        time_limit_s: float | None = None,
        gap: float | None = None,
        nodes: int | None = None,
        starts: Sequence[Mapping[str, float]] = (),
        hold: Mapping[str, float] | None = None,
        tangents: Rows | None = None,
        explore: bool = True,
        bounded: bool = True,
        seek: bool = True,
        exact: bool = True,
        beyond: float | None = None,
        quiet: bool = False,
        bounds_only: bool = False,
        rest_gap: float = np.inf,
        latest_s: float = 0.0,
    ) -> Solved:
        """Solve a study and check every row, bound and integrality of the answer.

        Parameters
        ----------
        study : Study
        time_limit_s, gap : float, optional
            Instead of the model's.
        nodes : int, optional
            Limit on branch and bound: unlike a time limit it ends at the same plan on every machine.
        starts : sequence of mappings
            Values of integer variables by name, tried first.
        hold : mapping, optional
            Variables held at values, by name.
        tangents : Rows, optional
            Of an earlier solve of the same study under another budget.
        explore : bool
            Whether to look for plans and bounds by a site tree before branch and bound.
        bounded : bool
            Whether the bound matters, so that decided plans whose cones float are proven too.
        seek : bool
            Whether the site tree, or a solve with nothing left to decide, looks for plans too, or for bounds alone.
        exact : bool
            Whether the dispatch of a plan is wanted, or its decisions and cost alone.
        beyond : float, optional
            An alpha known to be reached: bounds beyond it are all that is wanted of a question.
        quiet, bounds_only : bool
            Whether to keep events of this solve to itself: all, or those of its plans.
        rest_gap, latest_s : float
            Time limit, if longer, of a solve as long as its gap is above this one.

        Raises
        ------
        SolverError
            The solver died without a plan, or its answer breaks a row.
        """
        main = compiled(study)
        problem = held(main, hold or {})
        options = Options(
            time_limit_s=time_limit_s or self.choice.time_limit_s,
            gap=self.choice.gap if gap is None else gap,
            threads=self.choice.threads,
            seed=self.choice.seed,
            seek=seek,
            exact=exact,
            nodes=nodes,
            beyond=None if beyond is None else sign_of(study) * beyond,
            rest_gap=rest_gap,
            latest_s=latest_s,
            starts=tuple(np.array([start.get(name, 0.0) for name in main.integers()]) for start in starts),
        )
        report = ignore if quiet else translated(study, self.on_event, bounds_only=bounds_only)
        if self.choice.name == "highs":
            job = Job(problem, explore, bounded, options, tangents)
            answer, kept, cancelled = self.worker.run(job, report)
        else:
            branch = pyomo_branch(self.choice.name)
            (answer, kept), cancelled = solve_problem(problem, options, tangents, report, branch), False
        verify(problem, answer)
        point = answer.x if answer.x is not None else answer.refused
        x = point if point is not None else np.empty(0)
        values = dict(zip(main.names, x.tolist(), strict=False))
        binaries = {name: values[name] for name in main.integers()} if values else {}
        return Solved(main.formulation, answer, values, binaries, kept, cancelled)


def sign_of(study: Study) -> float:
    """The sign with which a question's problem minimises alpha."""
    return -1.0 if study.horizon is not None and study.horizon.sense == "robust" else 1.0


def translated(
    study: Study, on_event: Callable[[dict[str, Any]], None], *, bounds_only: bool
) -> Callable[[dict[str, Any]], None]:
    """Events in the words of the study: an info-gap question moves alpha (which the problem minimises with a sign)."""
    if study.horizon is None:
        return on_event
    sign = sign_of(study)

    def tell(event: dict[str, Any]) -> None:
        if bounds_only and event["kind"] == "incumbent":
            return
        found = {"alpha": sign * event["objective"]} if "objective" in event else {}
        on_event({"kind": event["kind"], **found, "bound": sign * event["bound"]})

    return tell


def ignore(event: dict[str, Any]) -> None:
    """Drop an event."""


def held(main: Compiled, values: Mapping[str, float]) -> Problem:
    """The problem with variables held by name."""
    index = [position for position, name in enumerate(main.names) if name in values]
    return hold_columns(main.problem, np.array(index, dtype=np.int64), np.array([values[main.names[i]] for i in index]))


def verify(problem: Problem, answer: Answer) -> None:
    """Refuse an answer that breaks a row, a bound or integrality, whatever the solver said of it."""
    if answer.x is None:
        return
    worst = worst_violation(problem, answer.x)
    if worst > ROW_TOLERANCE:
        raise SolverError(f"the solver's answer breaks a row by {worst:.2g} (tolerance {ROW_TOLERANCE:g})")
    value = float(problem.cost @ answer.x + problem.offset)
    if answer.value is not None and abs(value - answer.value) > ROW_TOLERANCE * max(1.0, abs(value)):
        raise SolverError(f"the solver reports objective {answer.value:.9g}; its own point gives {value:.9g}")
