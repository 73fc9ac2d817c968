"""Every big-M and variable bound of the formulation, derived from the study and never typed in."""

from __future__ import annotations

import math
from collections.abc import Mapping

from igdt_planner.model import AVAILABILITY, Quantity
from igdt_planner.plan import Factors
from igdt_planner.study import Line, Study, StudyMode


def largest_factor(study: Study, quantity: Quantity) -> float:
    """Largest factor that a quantity can reach on its forecast within the physical limit of alpha."""
    entry = study.uncertain(quantity)
    if entry is not None and any(key[0] == quantity for key in study.deviating):
        return entry.physical_max
    realised = max(largest(getattr(at, quantity), 1.0) for at in study.samples or (study.realisation,))
    if study.horizon is None:
        return realised
    steepest = max(largest(scenario.get(quantity, 0.0), 0.0) for scenario in study.horizon.scenarios)
    return realised + max(0.0, steepest) * study.horizon.alpha_ub


def largest(values: Factors, default: float) -> float:
    """The largest of numbers by component and period, where those not named have a default, or the one for all."""
    return float(values) if isinstance(values, float | int) else max([default, *values.values()])


def load_factor_ub(study: Study) -> float:
    """Largest factor on any load."""
    common = largest_factor(study, "load")
    return common * max(largest_factor(study, "active_load"), largest_factor(study, "reactive_load"))


def load_current(study: Study, mode: StudyMode) -> float:
    """Sum of load and storage currents at the lowest permitted voltage, in the period where it is largest."""
    factor = load_factor_ub(study)
    peak = max(sum(math.hypot(mode.p_load[bus, t], mode.q_load[bus, t]) for bus in study.buses) for t in study.periods)
    return (factor * peak + storage_power(study)) / v_min(study)


def storage_power(study: Study) -> float:
    """Most apparent power that all ESS together give or take."""
    largest = max((tech.p_mw if tech.sn_mva is None else tech.sn_mva for tech in study.ess.values()), default=0.0)
    return study.model.ess.max_units * largest / study.base_mva


def source_current(study: Study) -> float:
    """Sum of the currents that DG and ESS can deliver at the lowest permitted voltage."""
    factor = dg_factor_ub(study)
    dg = max((math.hypot(t.p_mw, max(t.q_max_mvar, -t.q_min_mvar)) for t in study.dg.values()), default=0.0)
    return (study.model.dg.max_units * dg * factor / study.base_mva + storage_power(study)) / v_min(study)


def dg_factor_ub(study: Study) -> float:
    """Largest factor on the rating of any DG."""
    return max((largest_factor(study, AVAILABILITY[tech.source]) for tech in study.dg.values()), default=1.0)


def v_min(study: Study) -> float:
    """Lowest permitted voltage of any bus."""
    return math.sqrt(min(bus.v_sq_lb for bus in study.buses.values()))


def i_sq_limit(study: Study, mode: StudyMode, line: int) -> float:
    """Squared current that a line never exceeds in a radial network.

    The current of a line is the sum of the injection currents on one side of it: at most all loads and all sources
    together. In a radial island without negative loads, active and reactive power enter a line from one side only and
    are at most what the sources there deliver, because loads and losses take their share.
    """
    current = source_current(study)
    if not mode.islanded or not mode.settings.radial or lowest_load(mode) < 0.0:
        current += load_current(study, mode)
    rating = study.lines[line].i_sq_ub * largest_factor(study, "line_rating") ** 2
    return float(min(current**2, rating))


def flow_limit(study: Study, mode: StudyMode, line_id: int) -> float:
    """Power that may be sent into a line from either end: what its largest current carries."""
    line = study.lines[line_id]
    v_sq_ub = max(voltage_limits(study, mode, bus)[1] for bus in (line.i, line.j))
    return math.sqrt(v_sq_ub * i_sq_limit(study, mode, line_id))


def source_limits(study: Study, mode: StudyMode, bus: int) -> tuple[float, float]:
    """Least and most power that a substation delivers: what its lines carry and its own load takes."""
    carried = sum(flow_limit(study, mode, line.id) for line in study.lines.values() if bus in (line.i, line.j))
    own = load_factor_ub(study) * max(abs(mode.p_load[bus, t]) for t in study.periods)
    return (0.0 if one_way(study, mode) else -carried - own), carried + own


def power_given(study: Study, mode: StudyMode) -> tuple[float, float]:
    """Most active and reactive power that DG, ESS and negative loads can give together, in any period.

    No more runs back to a parent, because loads and losses on the side of the child take their share.
    """
    factor = dg_factor_ub(study)
    dg = study.dg.values()
    p_dg = max((tech.p_mw for tech in dg), default=0.0) * factor * study.model.dg.max_units
    q_dg = max((tech.q_max_mvar for tech in dg), default=0.0) * factor * study.model.dg.max_units
    p_ess = max((tech.p_mw for tech in study.ess.values()), default=0.0) * study.model.ess.max_units
    q_ess = max((tech.sn_mva or 0.0 for tech in study.ess.values()), default=0.0) * study.model.ess.max_units
    return (
        (p_dg + p_ess) / study.base_mva + negative_load(study, mode.p_load),
        (max(0.0, q_dg) + q_ess) / study.base_mva + negative_load(study, mode.q_load),
    )


def negative_load(study: Study, load: Mapping[tuple[int, int], float]) -> float:
    """Most that negative loads give together, in any period."""
    given = max(sum(max(0.0, -load[bus, t]) for bus in study.buses) for t in study.periods)
    return load_factor_ub(study) * given


def voltage_drop_slack(study: Study, mode: StudyMode, line: Line) -> tuple[float, float]:
    """Big-M of the voltage drop on an open line: largest ``v_j - v_i`` and largest ``v_i - v_j``."""
    (i_lb, i_ub), (j_lb, j_ub) = voltage_limits(study, mode, line.i), voltage_limits(study, mode, line.j)
    return j_ub - i_lb, i_ub - j_lb


def one_way(study: Study, mode: StudyMode) -> bool:
    """Whether power can only flow away from the substations: nothing but loads, none of them negative."""
    return not mode.islanded and not study.dg and not study.ess and lowest_load(mode) >= 0.0


def lowest_load(mode: StudyMode) -> float:
    """The smallest active or reactive load of any bus and period."""
    return min([*mode.p_load.values(), *mode.q_load.values()])


def voltage_limits(study: Study, mode: StudyMode, bus: int) -> tuple[float, float]:
    """Limits of the squared voltage of a bus: a source holds its own; where power flows one way none exceeds them."""
    if bus in mode.sources:
        return mode.sources[bus], mode.sources[bus]
    limits = study.buses[bus]
    highest = max(mode.sources.values()) if one_way(study, mode) else limits.v_sq_ub
    return limits.v_sq_lb, min(limits.v_sq_ub, highest)
