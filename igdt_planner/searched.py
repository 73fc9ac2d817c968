"""What a search finds, in the words of the case: decisions, the dispatch that it judged, and the plan of both."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from igdt_planner.ac.check import check_dispatch
from igdt_planner.formulation.solution import Decisions
from igdt_planner.model import Site
from igdt_planner.outcome import blank_plan, settled
from igdt_planner.plan import AcVerdict, Dispatch, Plan
from igdt_planner.results.document import DISPATCH_COLUMNS
from igdt_planner.search.algorithms import ALGORITHMS, require
from igdt_planner.search.dynamic import Series, search_series
from igdt_planner.search.network import Ints
from igdt_planner.search.problem import Judged, SearchProblem, problem_of
from igdt_planner.search.run import Neighbourhood, Run
from igdt_planner.search.tree import Tree
from igdt_planner.session import Session
from igdt_planner.study import Study

NO_SITES = np.empty(0, dtype=np.int64)
NOTHING_WITHIN = "the search found no plan that keeps every limit of the case and the model; nothing is proven"


def search_plan(
    session: Session, algorithm: str, evaluations: int, seed: int, neighbourhood: Neighbourhood | None = None
) -> Plan:
    """The plan that a search finds, dispatched exactly and judged."""
    begun = time.monotonic()
    study, problem = session.study, problem_of(session.study, dynamic=True)
    require(problem, algorithm, evaluations, seed)
    session.on_event({"kind": "started"})

    def better(found: Judged) -> None:
        if found.violation == 0.0:
            session.on_event({"kind": "incumbent", "objective": found.objective, "bound": None})

    series, run = found_by(study, problem, algorithm, evaluations, seed, better, neighbourhood)
    history = [list(point) for point in run.history]
    facts = {"algorithm": algorithm, "seed": seed, "evaluations": run.used, "history": history}
    facts |= {"neighbourhoods": run.solved} if neighbourhood is not None else {}
    decisions = decisions_of(study, series.trees, series.sites) if series.trees else None
    found = session.dispatch(decisions, study) if decisions is not None else None
    if found is not None and decisions is not None:
        plan = plan_of_search(study, decisions, found.dispatch, found.verdict, found.cost, facts)
    elif run.best is not None:
        plan = judged_plan(study, run.best, facts)
    else:
        plan = blank_plan(study, "search", None, decisions)
        plan = dataclasses.replace(plan, explanation=NOTHING_WITHIN, search=facts)
    plan = dataclasses.replace(plan, seconds=time.monotonic() - begun)
    session.finished(plan)
    return plan


def found_by(
    study: Study,
    problem: SearchProblem,
    algorithm: str,
    evaluations: int,
    seed: int,
    on_better: Callable[[Judged], object] | None = None,
    neighbourhood: Neighbourhood | None = None,
) -> tuple[Series, Run]:
    """What an algorithm finds, and its run: a topology for every period where the model asks for it, else one."""
    settings, rng = study.modes["connected"].settings, np.random.default_rng(seed)
    if settings.topology == "dynamic":
        limit = settings.max_switching_operations
        return search_series(problem, ALGORITHMS[algorithm], evaluations, rng, limit, on_better)
    run = Run(problem, evaluations, rng, on_better=on_better, neighbourhood=neighbourhood)
    ALGORITHMS[algorithm](run)
    if run.best is None:
        return Series([], NO_SITES, within=False), run
    return Series([run.best.choice.tree], run.best.choice.sites, run.best.violation == 0.0), run


def decisions_of(study: Study, trees: Sequence[Tree], sites: Ints) -> Decisions:
    """What a search decided, by the numbers of the case: a topology a period, or one for all of them, and sites."""
    buses, lines = list(study.buses), list(study.lines)
    names = [technology.name for technology in study.model.dg.technologies]
    placed = sorted((site % len(buses), site // len(buses)) for site in sites.tolist())
    dg = tuple(Site(bus=buses[k], technology=names[kind]) for k, kind in placed)
    states = list(trees) * (len(study.periods) // len(trees))
    by_period = {
        t: tuple(sorted(lines[k] for k in tree.open_lines.tolist()))
        for t, tree in zip(study.periods, states, strict=True)
    }
    built = {f"build_dg[{site.bus},{site.technology}]": 1.0 for site in dg}
    closed = {
        f"mode[connected].line_on[{line},{t}]": 1.0
        for t, opened in by_period.items()
        for line in lines
        if line not in opened
    }
    return Decisions(dg, (), {"connected": by_period}, built | closed)


def dispatch_of(study: Study, judged: Judged) -> Dispatch:
    """What the generators of a judged choice deliver, in SI."""
    buses = list(study.buses)
    power = judged.power * study.base_mva
    dg = [
        ("connected", t, buses[site % len(buses)], float(power[row, column].real), float(power[row, column].imag))
        for row, t in enumerate(study.periods)
        for column, site in enumerate(judged.choice.sites.tolist())
    ]
    fed = study.modes["connected"].sources
    sources = [("connected", t, bus, v_sq**0.5) for t in study.periods for bus, v_sq in fed.items()]
    rows: dict[str, list[Any]] = {"dg": dg, "ess": [], "shed": [], "sources": sources}
    tables = {name: pd.DataFrame(rows[name], columns=columns) for name, columns in DISPATCH_COLUMNS.items()}
    return Dispatch(study.realisation, **tables)


def plan_of_search(
    study: Study,
    decisions: Decisions,
    dispatch: Dispatch,
    verdict: AcVerdict,
    model_objective: float | None,
    facts: Mapping[str, Any],
) -> Plan:
    """The plan of a search: without bound, judged by AC power flow like any plan."""
    plan = dataclasses.replace(
        blank_plan(study, "search", None, decisions),
        status="feasible",
        dispatch=dispatch,
        dispatch_forecast=dispatch,
        objective=verdict.objective,
        model_objective=model_objective,
        ac=verdict,
        ac_forecast=verdict,
        redispatched=True,
        decided_by="redispatch",
        explanation="",
        search=dict(facts),
    )
    return settled(plan)


def judged_plan(study: Study, judged: Judged, facts: Mapping[str, Any]) -> Plan:
    """The plan of a choice as the search dispatched it."""
    decisions, dispatch = decisions_of(study, [judged.choice.tree], judged.choice.sites), dispatch_of(study, judged)
    verdict = check_dispatch(blank_plan(study, "search", None, decisions), dispatch)
    plan = plan_of_search(study, decisions, dispatch, verdict, judged.objective, facts)
    return dataclasses.replace(plan, redispatched=False, decided_by="search")
