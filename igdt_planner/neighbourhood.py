"""Large neighbourhoods of a plan, solved by MILP: the search hands down a plan and the lines that may change."""

from __future__ import annotations

import numpy as np

from igdt_planner.errors import InputError
from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.model import Fix
from igdt_planner.search.network import Bools, network_of
from igdt_planner.search.problem import Choice
from igdt_planner.search.run import Neighbourhood
from igdt_planner.search.tree import Tree
from igdt_planner.searched import decisions_of
from igdt_planner.solver.solve import Solver
from igdt_planner.study import Study

GAP = 0.01
"""Gap at which a neighbourhood counts as solved: what is worth less is found by other moves."""
NODES, LIMIT_S = 20, 600.0
"""Nodes and time of one neighbourhood: the time lies far above what so few nodes take, so that no clock decides."""


def neighbourhood_of(study: Study, solver: Solver, algorithm: str) -> Neighbourhood:
    """What solves a neighbourhood: all sites and some lines of a choice are free, its other lines are held.

    Raises
    ------
    InputError
        The study has a topology for every period, or the algorithm is not ours.
    """
    if algorithm != "hybrid":
        message = f"neighbourhoods are a move of hybrid; {algorithm} has none"
        raise InputError.of(message, path="/study/neighbourhoods", got=True)
    if study.modes["connected"].settings.topology == "dynamic":
        message = "neighbourhoods are solved with one topology for all periods"
        raise InputError.of(message, path="/model/modes/connected/topology", got="dynamic")
    free_study = study.decide(Fix())

    def solve(choice: Choice, free: Bools) -> Choice | None:
        """The plan found where all sites and the free lines may change; None where none is."""
        start = decisions_of(study, [choice.tree], choice.sites).binaries
        held = {
            f"mode[connected].line_on[{line},{t}]": float(on)
            for line, on, changes in zip(study.lines, choice.tree.line_on.tolist(), free.tolist(), strict=True)
            for t in study.periods
            if not changes
        }
        solved = solver.solve(
            free_study,
            time_limit_s=LIMIT_S,
            gap=GAP,
            nodes=NODES,
            starts=[start],
            hold=held,
            explore=False,
            bounded=False,
            quiet=True,
        )
        if solved.answer.x is None:
            return None
        return choice_of(study, read_decisions(solved.formulation, solved.values, solved.binaries))

    return solve


def choice_of(study: Study, decisions: Decisions) -> Choice:
    """Decisions by the numbers of the search."""
    lines, buses = list(study.lines), list(study.buses)
    opened = next(iter(decisions.open_lines["connected"].values()))
    tree = Tree(network_of(study), np.array([lines.index(line) for line in opened], dtype=np.int64))
    names = [technology.name for technology in study.model.dg.technologies]
    sites = [buses.index(site.bus) + names.index(site.technology) * len(buses) for site in decisions.dg]
    return Choice(tree, np.array(sorted(sites), dtype=np.int64))
