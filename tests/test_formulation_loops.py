"""What is nonlinear beside the loss cones: angles around loops, and circles of inverters."""

from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest
from golden.studies import BUS, CASE, ISLANDED, LOOPED, study

from igdt_planner.formulation import build, polygon
from igdt_planner.solver.milp import Options, to_highs
from igdt_planner.solver.problem import (
    Array,
    Circles,
    Problem,
    angle_equations,
    circle_tangents,
    entries,
    hold,
    no_rows,
    select,
    worst_violation,
)
from igdt_planner.solver.solve import compile_problem

GAS = {"name": "gas", "p_mw": 8.0, "q_min_mvar": -6.0, "q_max_mvar": 6.0}
RING: dict[str, Any] = CASE | {
    "buses": [BUS | {"id": n, "p_mw": p, "q_mvar": q} for n, p, q in ((1, 0.5, 0.1), (2, 2.0, 1.0), (3, 4.0, 2.0))],
    "lines": [line | {"switchable": True, "max_i_ka": None} for line in CASE["lines"]],
}
"""Three lines of unlike impedance: 0.01 + 0.02j, 0.03 + 0.04j and 0.02 + 0.02j pu."""
MODEL = LOOPED | {
    "modes": {"islanded": ISLANDED | {"radial": False}},
    "dg": {"max_units": 1, "buses": [2], "technologies": [GAS]},
    "ess": {},
}


def ring_state(held: complex) -> tuple[dict[int, complex], dict[int, complex]]:
    """Voltages of buses and currents of lines, from their first bus on, with bus 2 held and all loads served."""
    z = {1: 0.01 + 0.02j, 2: 0.03 + 0.04j, 3: 0.02 + 0.02j}
    ends = {1: (1, 2), 2: (2, 3), 3: (1, 3)}
    admittance = np.zeros((3, 3), dtype=complex)
    for line, (i, j) in ends.items():
        admittance[np.ix_([i - 1, j - 1], [i - 1, j - 1])] += np.array([[1, -1], [-1, 1]]) / z[line]
    load, free = np.array([0.05 + 0.01j, 0.4 + 0.2j]), [0, 2]
    v = np.full(3, held)
    for _ in range(100):
        drawn = np.conj(load / v[free])
        v[free] = np.linalg.solve(admittance[np.ix_(free, free)], -drawn - admittance[free, 1] * held)
    voltage = {n + 1: complex(v[n]) for n in range(3)}
    return voltage, {line: (voltage[i] - voltage[j]) / z[line] for line, (i, j) in ends.items()}


def looped() -> tuple[Problem, Array]:
    """The problem of the ring and its AC state, bus 2 at 1.02 pu and the reference of angles."""
    formulation = build(study(RING, MODEL))
    problem, columns = compile_problem(formulation)
    voltage, current = ring_state(1.02 + 0.0j)
    b, (t,) = formulation.model.mode["islanded"], list(formulation.study.periods)
    for variable in columns:
        variable.set_value(0.0, skip_validation=True)
    formulation.model.build_dg[2, "gas"] = 1.0
    for bus in (1, 2, 3):
        b.v_sq[bus, t], b.angle[bus, t] = abs(voltage[bus]) ** 2, np.angle(voltage[bus])
        b.energised[bus, b.topology_of[t]] = 1.0
    b.root[2, b.topology_of[t]] = 1.0
    for line, bus in ((1, 1), (2, 3)):
        b.arc[line, bus, b.topology_of[t]] = b.commodity[line, bus, b.topology_of[t]] = 1.0
    for line in formulation.study.lines.values():
        power = voltage[line.i] * current[line.id].conjugate()
        b.line_on[line.id, b.topology_of[t]] = 1.0
        b.p_flow[line.id, line.j, t], b.q_flow[line.id, line.j, t] = power.real, power.imag
        b.i_sq[line.id, line.j, t] = abs(current[line.id]) ** 2
    given = voltage[2] * (current[2] - current[1]).conjugate() + (0.2 + 0.1j)
    b.p_dg[2, "gas", t], b.q_dg[2, "gas", t] = given.real, given.imag
    return problem, np.array([variable.value for variable in columns])


def test_ac_state_of_a_loop_satisfies_every_row() -> None:
    problem, x = looped()
    assert worst_violation(problem, x) < 1e-9
    assert np.abs(problem.angles.closed(x).missed(x)).max() < 1e-12


def allowed(problem: Problem, x: Array) -> bool:
    """Whether any angles of buses allow the flows and voltages of a point, by the rows on angles alone."""
    angles = np.unique(np.concatenate([problem.angles.start, problem.angles.end]))
    on_angles = select(problem.rows, np.diff(entries(problem.rows, angles).indptr) > 0)
    rest = np.setdiff1d(np.arange(len(x)), angles)
    highs = to_highs(hold(replace(problem, rows=on_angles), rest, x[rest]), no_rows(len(x)), Options(), integral=False)
    highs.run()
    return bool(highs.getModelStatus() == highspy.HighsModelStatus.kOptimal)


def test_power_in_a_circle_closes_no_loop() -> None:
    """It keeps every balance, and its losses keep the voltages; only angles tell."""
    problem, x = looped()
    turned = x.copy()
    turned[problem.angles.p] += 0.6 * np.array([1.0, 1.0, -1.0])
    assert allowed(problem, x)
    assert not allowed(problem, turned)
    assert np.abs(problem.angles.closed(turned).missed(turned)).max() > 5e-3


def test_equations_of_angles_are_right_to_first_order() -> None:
    problem, x = looped()
    angles, rng = problem.angles.closed(x), np.random.default_rng(0)
    equations = angle_equations(angles, x, len(x))
    assert equations.matrix @ x - equations.lower == pytest.approx(np.zeros(3), abs=1e-12)
    step = rng.normal(size=len(x))
    for size in (1e-3, 1e-4):
        moved = x + size * step
        error = equations.matrix @ moved - equations.lower - angles.missed(moved)
        assert np.abs(error).max() < 10.0 * size**2


def test_an_open_line_says_nothing_of_angles() -> None:
    problem, x = looped()
    x[problem.angles.on[2]] = 0.0
    assert problem.angles.closed(x).p.tolist() == problem.angles.p[:2].tolist()


def test_sides_along_the_axes_are_exact() -> None:
    """A rounded zero once proved a plan infeasible: bounds are derived by dividing by what is not 0."""
    assert [polygon.side(number, 32) for number in (0, 8, 16, 24)] == [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]


CIRCLES = Circles(*(np.array([column, column]) for column in (0, 1, 2)), np.array([3, -1]), np.array([0.5, 0.25]))
"""The same powers in two inverters: one of 0.5 pu where column 3 says that it is built, one of 0.25 pu."""


@pytest.mark.parametrize(
    ("point", "broken"),
    [
        ((0.0, 0.1, 0.2, 1.0), []),
        ((0.3, 0.0, -0.3, 1.0), [1]),
        ((0.0, 0.4, 0.4, 1.0), [0, 1]),
        ((0.0, 0.1, 0.0, 0.1), [0]),
        ((0.0, 0.0, 0.0, 0.0), []),
    ],
    ids=["inside both", "beyond the small one", "charging beyond both", "built in part", "nothing"],
)
def test_a_circle_gets_a_tangent_where_it_is_left(point: tuple[float, ...], broken: list[int]) -> None:
    x = np.array(point)
    rows = circle_tangents(CIRCLES, x, 4, 1e-9)
    assert len(rows.lower) == len(broken)
    assert np.all(rows.matrix @ x < rows.lower)  # it cuts the point off
    for angle in np.linspace(0.0, 2.0 * np.pi, 7):  # and no point of the circle
        for n, (radius, row) in enumerate(zip(CIRCLES.radius[broken], rows.matrix.toarray(), strict=True)):
            on = np.array([radius * np.cos(angle), 0.0, radius * np.sin(angle), 1.0])
            assert row @ on >= rows.lower[n] - 1e-12
