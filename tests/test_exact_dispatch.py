"""AC-exact dispatch on arrays: ranges and secants hold for true states, loops close, optima are stationary."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import igdt_planner as ip
from igdt_planner.case import load_case
from igdt_planner.model import load_model
from igdt_planner.solver.cycles import Cycles, loops
from igdt_planner.solver.decided import Lines, Network, decided_network
from igdt_planner.solver.exact import FEASIBLE, exact_dispatch
from igdt_planner.solver.highs import Options
from igdt_planner.solver.output_tree import Proof
from igdt_planner.solver.problem import Array, hold, no_rows
from igdt_planner.solver.ranges import line_tangents, narrowed, secants
from igdt_planner.solver.refine import relax
from igdt_planner.solver.solve import compiled
from igdt_planner.study import resolve
from tests.prove.feeders import feeder

BUS = {"vn_kv": 20.0, "p_mw": 0.4, "q_mvar": 0.12, "vm_min_pu": 0.95, "vm_max_pu": 1.03}
LINE = {"r_ohm": 1.2, "x_ohm": 1.1, "in_service": True, "switchable": False}


def row_of_buses(price: float, p_mw: float, must_take: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """Four buses in a row behind a substation, one period, and a unit at the end of 1 to 8 MW with reactive power."""
    case = {
        "name": "row",
        "base_mva": 1.0,
        "currency": "USD",
        "buses": [BUS | {"id": 1, "p_mw": 0.0, "q_mvar": 0.0, "vm_max_pu": 1.05}]
        + [BUS | {"id": i} for i in range(2, 6)],
        "lines": [LINE | {"id": i, "from_bus": i, "to_bus": i + 1} for i in range(1, 5)],
        "substations": [{"bus": 1, "vm_pu": 1.0}],
        "profile": [{"period": 1, "start_h": 0.0, "duration_h": 1.0, "load": 1.0, "price_per_mwh": price}],
    }
    unit = {"name": "g", "p_mw": p_mw, "q_min_mvar": -0.5, "q_max_mvar": 0.5, "must_take": must_take}
    model = {
        "name": "row",
        "unit": "USD",
        "objective": [{"term": "energy_cost", "mode": "connected"}],
        "modes": {"connected": {"weight": 1.0, "topology": "fixed"}},
        "dg": {"max_units": 1, "buses": [5], "technologies": [unit]},
        "fix": {"dg": [{"bus": 5, "technology": "g"}]},
    }
    return case, model


def soon() -> float:
    """A deadline that is never met."""
    return time.monotonic() + 60.0


def network_of(case: dict[str, Any], model: dict[str, Any]) -> tuple[Network, Array]:
    """The decided network of a study without decisions, and the point of its relaxation there."""
    problem = compiled(resolve(load_case(case), load_model(model))).problem
    decisions = problem.decisions()
    held = hold(problem, decisions, problem.lower[decisions])
    _, x, _, _ = relax(held, no_rows(len(problem.cost)), Options(), soon(), 1e-8)
    assert x is not None
    network = decided_network(held, x)
    return network, network.own(x)


@given(st.floats(-100.0, 100.0).filter(bool), st.floats(1.0, 8.0))
@settings(max_examples=15, deadline=None)
def test_secants_keep_every_true_state(price: float, p_mw: float) -> None:
    """A dispatch on the loss equations lies within all ranges, and below all secants, whatever it was optimal for."""
    network, start = network_of(*row_of_buses(price, p_mw))
    found = exact_dispatch(network, [start], Options(), soon())
    assert found is not None and found.feasible
    ranges = narrowed(network, network.program.lower, network.program.upper)
    assert ranges is not None
    assert np.all(found.x >= ranges[0] - 1e-8) and np.all(found.x <= ranges[1] + 1e-8)
    rows = secants(network.lines, *ranges, len(found.x))
    assert np.all(rows.matrix @ found.x <= rows.upper + 1e-8)


def test_secants_forbid_the_losses_of_the_relaxation() -> None:
    network, start = network_of(*row_of_buses(35.0, 6.0))
    ranges = narrowed(network, network.program.lower, network.program.upper)
    assert ranges is not None
    rows = secants(network.lines, *ranges, len(start))
    assert np.max(rows.matrix @ start - rows.upper) > 1e-3


@pytest.mark.parametrize("price", [35.0, -35.0])
def test_dispatch_is_stationary(price: float) -> None:
    """No allowed change of the unit's powers by 0.5 %, dispatched again with these held, costs less."""
    network, start = network_of(*row_of_buses(price, 6.0))
    options = Options()
    best = exact_dispatch(network, [start], options, soon())
    assert best is not None and best.feasible
    program = network.program
    for column in program.outputs:
        for factor in (0.995, 1.005):
            value = best.x[column] * factor
            held = hold(program, np.array([column]), np.array([value]))
            changed = Network(network.whole, held, network.lines, network.columns, network.rest)
            other = exact_dispatch(changed, [best.x], options, soon())
            assert other is None or not other.feasible or other.cost >= best.cost - 1e-6 * abs(best.cost)


def test_what_ac_cannot_run_is_not_called_feasible() -> None:
    """4.6 MW that must be taken lift bus 5 above its limit; the relaxation burns power to hold it down."""
    network, start = network_of(*row_of_buses(35.0, 4.6, must_take=True))
    found = exact_dispatch(network, [start], Options(), soon())
    assert found is None or found.violation > FEASIBLE


def test_tree_of_outputs_proves_what_enumeration_finds() -> None:
    """At 13 outputs from none to all, each with 5 reactive powers, none that keeps the limits costs less."""
    network, start = network_of(*row_of_buses(35.0, 6.0))
    known = exact_dispatch(network, [start], Options(), soon())
    proof = Proof(network, [known], Options(), -np.inf)
    assert proof.bound == -np.inf  # a plan alone proves nothing
    proof.work(lambda: np.inf, 1e-4, soon())
    assert proof.bound <= proof.value <= proof.bound + 1.1e-4 * abs(proof.value)
    costs = []
    p_column, q_column = network.program.outputs
    for p in np.linspace(0.0, 6.0, 13):
        for q in np.linspace(-0.5, 0.5, 5):
            held = hold(network.program, np.array([p_column, q_column]), np.array([p, q]))
            at = Network(network.whole, held, network.lines, network.columns, network.rest)
            found = exact_dispatch(at, [start], Options(), soon())
            if found is not None and found.feasible:
                costs.append(found.cost)
    assert costs and min(costs) >= proof.bound


def test_storage_in_a_node_works_one_way() -> None:
    """Where energy is paid to be taken, a dispatch free to burn it in storage misses the 305 USD that trading earns.

    The feeder of ``make prove`` with seed 458, line 4 open; reference by SCIP: -304.8166.
    """
    case, model = feeder(458)
    for line in case["lines"]:
        line |= {"switchable": False, "in_service": line["id"] != 4}
    plan = ip.solve(case, model, time_limit_s=20.0)
    assert plan.objective == pytest.approx(-304.8166, rel=1e-3)


def test_loops_of_a_graph() -> None:
    """A triangle with a tail, and two lines side by side: one loop of three and one of two."""
    found = loops(np.array([[1, 2], [2, 3], [1, 3], [3, 4], [4, 5], [5, 4]]))
    assert sorted(sorted(loop.lines.tolist()) for loop in found) == [[0, 1, 2], [4, 5]]
    triangle = next(loop for loop in found if len(loop.lines) == 3)
    along = dict(zip(triangle.lines.tolist(), triangle.signs.tolist(), strict=True))
    assert along[0] == along[1] == -along[2]


def test_angles_around_a_loop_close_in_a_plan() -> None:
    """An island with a loop of unlike lines: the judge, whose power flow knows angles, confirms the dispatch."""
    case = ip.case_to_dict(ip.load_case("feeder4"))
    for row, ratio in zip(case["lines"], (0.3, 1.0, 3.0, 0.7), strict=False):
        row["x_ohm"] *= ratio
    model = ip.load_model("dual_mode").model_dump(mode="json", exclude_unset=True)
    model["modes"]["islanded"]["radial"] = False
    plan = ip.solve(case, model, time_limit_s=20.0)
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert plan.decided_by == "milp"


def test_cycles_of_a_tree_are_none() -> None:
    network, _ = network_of(*row_of_buses(35.0, 1.0))
    assert Cycles(network).loops == []


I_SQ, P, Q, V_SQ = range(4)


def one_line(r: float = 0.1, x: float = 0.2) -> Lines:
    """A line whose current, flows and sending voltage are columns 0 to 3."""
    one = [np.array([column]) for column in (I_SQ, P, Q, V_SQ)]
    return Lines(*one, np.ones(1), np.ones(1), np.ones(1), np.array([r]), np.array([x]), np.array([[1, 2]]))


def test_secants_by_hand() -> None:
    """P from -3 to 1, Q from 0 to 2, l from 0 to 13 and v from 0.81 to 1.21, at P = -1, Q = 1, v = 1, l = 2.

    From below: ``0.81 l + 0 v <= -2 P + 2 Q + 3``. From above: ``1.21 l + 13 v - 15.73 <= -2 P + 2 Q + 3``.
    """
    low, high = np.array([0.0, -3.0, 0.0, 0.81]), np.array([13.0, 1.0, 2.0, 1.21])
    rows = secants(one_line(), low, high, 4)
    assert rows.matrix.toarray() == pytest.approx(np.array([[0.81, 2.0, -2.0, 0.0], [1.21, 2.0, -2.0, 13.0]]))
    assert rows.upper == pytest.approx([3.0, 3.0 + 15.73])
    true_state = np.array([2.0, -1.0, 1.0, 1.0])
    assert np.all(rows.matrix @ true_state <= rows.upper)


def test_loss_equation_by_hand() -> None:
    """At P = 3, Q = 4, v = 1 the current squared is 25: ``l = 6 P + 8 Q - 25 v`` to first order."""
    at = np.array([25.0, 3.0, 4.0, 1.0])
    rows = line_tangents(one_line(), at, np.array([0]), 4, equal=True)
    assert rows.matrix.toarray() == pytest.approx(np.array([[1.0, -6.0, -8.0, 25.0]]))
    assert rows.lower == rows.upper == pytest.approx([0.0])
    assert np.all(np.isinf(line_tangents(one_line(), at, np.array([0]), 4, equal=False).upper))


def test_loop_equation_is_the_slope_of_its_angles() -> None:
    """Two parallel lines of unlike impedance: the equation agrees with differences of the angles."""
    both = Lines(
        *(np.array([column, column + 4]) for column in (I_SQ, P, Q, V_SQ)),
        np.ones(2), np.ones(2), np.ones(2), np.array([0.1, 0.3]), np.array([0.2, 0.2]), np.array([[1, 2], [1, 2]]),
    )  # fmt: skip
    network, _ = network_of(*row_of_buses(35.0, 1.0))
    program = hold(network.program, np.empty(0, dtype=np.int64), np.empty(0))
    cycles = Cycles(Network(network.whole, program, both, network.columns, network.rest))
    (loop,) = cycles.loops
    x = np.array([0.2, 0.3, 0.1, 1.0, 0.1, 0.2, 0.05, 1.0])
    row = cycles.loop_equations(x, 8)

    def around(at: Array) -> float:
        return float(loop.signs @ cycles.angles(at)[loop.lines])

    slopes = [(around(x + step) - around(x - step)) / 2e-6 for step in 1e-6 * np.eye(8)]
    assert row.matrix.toarray()[0] == pytest.approx(slopes, abs=1e-8)
    assert float((row.matrix @ x)[0] - row.lower[0]) == pytest.approx(around(x))
