"""From a formulation to numbers: compile, solve in a process of its own, check."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from igdt_planner.formulation import Formulation
from igdt_planner.milp import Cones, Problem, Rows


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
    problem = Problem(
        cost=np.asarray(form.c.todense()).ravel(),
        offset=float(form.c_offset[0]),
        rows=Rows(sparse.csr_matrix(form.A), lower, upper),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        integer=np.array([not v.is_continuous() for v in columns]),
        cones=compile_cones(formulation, position),
    )
    return problem, columns


def compile_cones(formulation: Formulation, position: dict[int, int]) -> Cones:
    """Loss cones by column."""

    def column(name: str) -> Any:
        return np.array([position.get(id(getattr(cone, name)), -1) for cone in formulation.cones], dtype=np.int64)

    return Cones(
        i_sq=column("i_sq"),
        p_flow=column("p_flow"),
        q_flow=column("q_flow"),
        line_on=column("line_on"),
        v_sq=column("v_sq"),
        v_sq_ub=np.array([cone.v_sq_ub for cone in formulation.cones], dtype=float),
        weight=np.array([cone.weight for cone in formulation.cones], dtype=float),
    )
