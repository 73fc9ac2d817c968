"""AC power flow and the independent judge of a plan; knows nothing of how the plan was found."""

from igdt_planner.ac.check import ac_state, check, check_dispatch
from igdt_planner.ac.operation import AcState
from igdt_planner.ac.powerflow import AcSolution, power_flow

__all__ = ["AcSolution", "AcState", "ac_state", "check", "check_dispatch", "power_flow"]
