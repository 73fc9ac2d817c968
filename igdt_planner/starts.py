"""The plan to start from: what the search finds where it has a say, else the untouched network."""

from __future__ import annotations

from collections.abc import Mapping

from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions
from igdt_planner.search.problem import SearchProblem, problem_of
from igdt_planner.search.reconfiguration import least_losses
from igdt_planner.search.tree import Tree, nearest_tree
from igdt_planner.searched import NO_SITES, decisions_of, found_by
from igdt_planner.study import Line, Study

EVALUATIONS = 400
"""AC power flows that the search for a plan to start from may use."""


def untouched(study: Study) -> dict[str, float]:
    """Integer variables by name: nothing built, connected lines as they are, islands dead. A plan, if a poor one."""
    connected = [name for name, mode in study.modes.items() if not mode.islanded]
    return {
        f"mode[{name}].line_on[{line.id},{t}]": float(line.closed)
        for name in connected
        for line in study.lines.values()
        for t in study.periods
    }


def as_stated(study: Study) -> Decisions:
    """Nothing built and nothing switched but what the user states or what has no switch; islands are dead elsewhere."""
    fix = study.model.fix
    open_lines = {
        name: {
            t: tuple(line.id for line in study.lines.values() if opened(study, name, line, t)) for t in study.periods
        }
        for name in study.modes
    }
    return Decisions(fix.dg or (), fix.ess or (), open_lines, untouched(study))


def opened(study: Study, name: str, line: Line, t: int) -> bool:
    """Whether a line is open in a mode and period where nothing is switched."""
    mode = study.modes[name]
    stated = study.model.fix.open_lines.get(mode.name)
    stated = stated.get(t) if isinstance(stated, dict) else stated
    if stated is not None:
        return line.id in stated
    return not line.closed or (mode.islanded and line.switchable and mode.settings.topology != "fixed")


def starts_of(study: Study, found: Mapping[str, float] | None) -> list[Mapping[str, float]]:
    """What is known, if anything, and the untouched network, each point once."""
    points = [found, untouched(study)] if found else [untouched(study)]
    distinct = {frozenset(name for name, value in point.items() if value > 0.5): point for point in points}
    return list(distinct.values())


def searched(study: Study, evaluations: int = EVALUATIONS) -> Decisions | None:
    """What the search decides; None where it has no say, or finds nothing that keeps all limits."""
    try:
        problem = problem_of(study, dynamic=True)
    except InputError:
        return None
    settings, seed = study.modes["connected"].settings, study.model.solver.seed
    if problem.least_losses and not problem.units.count and settings.max_switching_operations is None:
        trees = trees_of_least_losses(problem, seed, dynamic=settings.topology == "dynamic")
        return decisions_of(study, trees, NO_SITES)
    found, _ = found_by(study, problem, "hybrid", evaluations, seed)
    return decisions_of(study, found.trees, found.sites) if found.trees and found.within else None


def trees_of_least_losses(problem: SearchProblem, seed: int, *, dynamic: bool) -> list[Tree]:
    """The topology of least AC losses of all periods, or of each."""
    periods = range(len(problem.hours))
    spans = [[t] for t in periods] if dynamic else [list(periods)]
    return [
        nearest_tree(problem.network, least_losses(problem.network, problem.loads[s], problem.hours[s], seed).line_on)
        for s in spans
    ]


def hard_to_beat(study: Study) -> bool:
    """Whether the search minimises just what the study does, so that there is hardly a better plan to be found."""
    model, switched = study.model, study.modes["connected"].settings.max_switching_operations is not None
    losses = all(entry.term == "losses" for entry in model.objective)
    return losses and not (switched or model.limits or study.dg or study.ess)
