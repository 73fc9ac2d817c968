"""A solver's word is not a proof: one small MILP by two solvers that share no code."""

from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from golden.studies import CASE, CORNER, GAS, MODEL, WIND, study

from igdt_planner.formulation import build
from igdt_planner.solver.highs import Options, to_highs
from igdt_planner.solver.problem import no_rows, worst_violation
from igdt_planner.solver.solve import compile_problem

BUS_4 = CASE["buses"][2] | {"id": 4, "p_mw": 1.0, "q_mvar": 0.5, "priority": 2.0}
LINES_TO_4 = [
    {"id": 4, "from_bus": 3, "to_bus": 4, "r_ohm": 0.2, "x_ohm": 0.1, "in_service": True, "switchable": True},
    {"id": 5, "from_bus": 2, "to_bus": 4, "r_ohm": 0.4, "x_ohm": 0.4, "in_service": False, "switchable": True},
]
MESH4 = CASE | {"name": "mesh4", "buses": [*CASE["buses"], BUS_4], "lines": [*CASE["lines"], *LINES_TO_4]}
WANTED = [
    {"term": "losses", "mode": "connected", "weight": 100.0},
    {"term": "energy_cost", "mode": "connected", "weight": 0.01},
    {"term": "ens", "mode": "islanded"},
]
STATIC = MODEL | {"losses": "objective", "objective": WANTED}
DYNAMIC = STATIC | {
    "modes": {name: mode | {"topology": "dynamic"} for name, mode in MODEL["modes"].items()},
    "dg": MODEL["dg"] | {"max_units": 2, "technologies": [GAS, WIND | {"must_take": True}]},
}

STUDIES = {
    "siting, switching and storage": study(MESH4, STATIC),
    "a topology each period, DG that must be taken": study(MESH4, DYNAMIC),
    "largest alpha": study(MESH4, STATIC).ask(replace(CORNER, budget=6.0)),
}


def highs_objective(formulation: Any) -> float:
    problem, _ = compile_problem(formulation)
    highs = to_highs(problem, no_rows(len(problem.cost)), Options(), integral=True)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert worst_violation(problem, np.array(highs.getSolution().col_value)) < 1e-6
    return float(highs.getInfo().objective_function_value)


def scip_objective(formulation: Any) -> float:
    solved = pyo.SolverFactory("scip_direct").solve(formulation.model)
    pyo.assert_optimal_termination(solved)
    return float(pyo.value(formulation.model.objective))


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_check_against_scip(name: str) -> None:
    pytest.importorskip("pyscipopt")
    formulation = build(STUDIES[name])
    assert highs_objective(formulation) == pytest.approx(scip_objective(formulation), rel=1e-6)
