"""Robust network plans: which plan still holds when the forecast is wrong, and how wrong may it be."""

from igdt_planner.case import Case, case_to_dict, list_cases, load_case
from igdt_planner.contract import run
from igdt_planner.errors import Finding, InputError, PlannerError, SolverError
from igdt_planner.model import Model, list_models, load_model
from igdt_planner.plan import Plan
from igdt_planner.planner import (
    check,
    compare,
    drivers,
    opportunity,
    pareto,
    robust,
    robustness,
    search,
    solve,
    sweep,
    sweep_models,
    tradeoff,
    worth_of_one_more,
)
from igdt_planner.results.alternatives import Alternatives
from igdt_planner.results.calibration import Calibration
from igdt_planner.results.comparison import Comparison
from igdt_planner.results.curve import Curve
from igdt_planner.results.document import load_plan, plan_from_dict, plan_to_dict, save_plan
from igdt_planner.results.drivers import Drivers
from igdt_planner.results.evidence import Evidence
from igdt_planner.results.fixed import FixedCurve
from igdt_planner.results.front import Front, compare_fronts
from igdt_planner.results.probabilistic import Probabilistic
from igdt_planner.results.saved import load_result
from igdt_planner.results.tradeoff import Tradeoff
from igdt_planner.results.worth import Worth
from igdt_planner.witness.alternatives import alternatives
from igdt_planner.witness.calibration import calibrate
from igdt_planner.witness.evidence import evidence
from igdt_planner.witness.probabilistic import Stochastic, probabilistic
from igdt_planner.witness.stochastic import (
    Irradiance,
    LogNormalPrice,
    NormalLoad,
    PvPlant,
    PvPower,
    Turbine,
    WindPower,
    WindSpeed,
)

load_curve = load_result
"""Its first name, from when there were curves alone."""

__all__ = [
    "Alternatives",
    "Calibration",
    "Case",
    "Comparison",
    "Curve",
    "Drivers",
    "Evidence",
    "Finding",
    "FixedCurve",
    "Front",
    "InputError",
    "Irradiance",
    "LogNormalPrice",
    "Model",
    "NormalLoad",
    "Plan",
    "PlannerError",
    "Probabilistic",
    "PvPlant",
    "PvPower",
    "SolverError",
    "Stochastic",
    "Tradeoff",
    "Turbine",
    "WindPower",
    "WindSpeed",
    "Worth",
    "alternatives",
    "calibrate",
    "case_to_dict",
    "check",
    "compare",
    "compare_fronts",
    "drivers",
    "evidence",
    "list_cases",
    "list_models",
    "load_case",
    "load_curve",
    "load_model",
    "load_plan",
    "load_result",
    "opportunity",
    "pareto",
    "plan_from_dict",
    "plan_to_dict",
    "probabilistic",
    "robust",
    "robustness",
    "run",
    "save_plan",
    "search",
    "solve",
    "sweep",
    "sweep_models",
    "tradeoff",
    "worth_of_one_more",
]
