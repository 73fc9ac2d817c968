"""Which MILP solvers are there."""

from __future__ import annotations

import pyomo.environ as pyo

from igdt_planner.errors import InputError

USUAL = ("highs", "scip_direct", "cbc", "glpk", "gurobi", "cplex", "scip")
"""MILP solvers that a message offers where they are available; every other one that Pyomo knows by name may be used."""


def require_solver(name: str) -> None:
    """Refuse a solver that Pyomo does not know or does not find.

    Raises
    ------
    InputError
        Naming the usual MILP solvers that are available.
    """
    if name != "highs" and not is_available(name):
        why = "is not available" if name in pyo.SolverFactory else "is no solver that Pyomo knows"
        raise InputError.of(
            f"solver.name: {name!r} {why}",
            path="/model/solver/name",
            got=name,
            hint=f"available: {', '.join(solver for solver in USUAL if is_available(solver))}",
        )


def is_available(name: str) -> bool:
    """Whether Pyomo knows a solver and finds it installed."""
    return name in pyo.SolverFactory and bool(pyo.SolverFactory(name).available(exception_flag=False))
