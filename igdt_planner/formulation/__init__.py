"""The planning problem as a Pyomo MILP; ``models/README.md`` is its written statement, tag by tag."""

from igdt_planner.formulation.build import Formulation, build

__all__ = ["Formulation", "build"]
