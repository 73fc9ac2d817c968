"""The verbs, from solve to pareto and check: they orchestrate study, solver, AC judge, info-gap and search."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from igdt_planner.ac.check import check as judge
from igdt_planner.baseline import baseline, left_after
from igdt_planner.case import Case, load_case
from igdt_planner.errors import InputError, SolverError, placed
from igdt_planner.infogap.fixed_plan import base_of, fixed_curve
from igdt_planner.infogap.question import answer, without_budget
from igdt_planner.infogap.sensitivity import drivers_of, one_more
from igdt_planner.infogap.tradeoff import require_two, table_of, tradeoff_of
from igdt_planner.infogap.worst_case import Sense, horizon
from igdt_planner.meaning_checks import beta_doubts, meaning_doubts, meaning_faults, require_objectives
from igdt_planner.model import Model, load_model
from igdt_planner.neighbourhood import neighbourhood_of
from igdt_planner.outcome import settled
from igdt_planner.pareto import front, plain, require
from igdt_planner.plan import Plan, warned
from igdt_planner.question_checks import (
    require_comparable,
    require_envelope,
    require_grid,
    require_names,
    require_plan,
    require_question,
)
from igdt_planner.results.comparison import Comparison
from igdt_planner.results.curve import Curve
from igdt_planner.results.drivers import Drivers
from igdt_planner.results.fixed import FixedCurve
from igdt_planner.results.front import Front
from igdt_planner.results.tradeoff import Tradeoff
from igdt_planner.results.worth import Worth
from igdt_planner.searched import search_plan
from igdt_planner.session import OnEvent, Session, require_limits
from igdt_planner.study import planned_profile
from igdt_planner.sweeps import curves

BASELINE_SHARE = {"beta": 0.5, "budget": 0.2}
"""Share of the time limit that the baseline of one question gets: a budget in units does not depend on it."""

CaseSource = str | os.PathLike[str] | Mapping[str, Any] | Case
ModelSource = str | os.PathLike[str] | Mapping[str, Any] | Model


def solve(
    case: CaseSource,
    model: ModelSource,
    *,
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """The baseline plan (BC): least cost at the forecast, dispatched and judged by AC power flow.

    Parameters
    ----------
    case, model
        Whatever :func:`load_case` and :func:`load_model` take.
    time_limit_s, gap : float, optional
        Instead of the model's.
    on_event : callable, optional
        Receives progress events.

    Returns
    -------
    Plan
        Its status is ``refused``, ``no_plan`` or ``infeasible`` where there is none; its explanation says why.

    Raises
    ------
    InputError
        Bad input, every fault at once.
    SolverError
        The solver died without a plan or its answer failed the independent check.
    """
    with Session(load_case(case), load_model(model), time_limit_s, gap, on_event) as session:
        return baseline(session).plan


def robust(
    case: CaseSource,
    model: ModelSource,
    beta: float | None = None,
    *,
    budget: float | None = None,
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """The risk-averse plan (RA): the largest alpha at which the worst case still costs at most the budget.

    Parameters
    ----------
    beta : float, optional
        Budget as ``(1 + beta)`` times the AC-verified objective of the baseline plan; 0 or more. There is none where AC
        refuses the baseline; the status is ``refused`` then.
    budget : float, optional
        The budget itself, in the model's unit, instead of beta.
    case, model, time_limit_s, gap, on_event
        As for :func:`solve`; of the limit the baseline gets half where the budget depends on it (up to four fifths as
        long as its gap is above ``beta / 2``), else a fifth.
    """
    return _one(load_case(case), load_model(model), "robust", beta, budget, time_limit_s, gap, on_event)


def opportunity(
    case: CaseSource,
    model: ModelSource,
    beta: float | None = None,
    *,
    budget: float | None = None,
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """The risk-seeking plan (RS): the smallest alpha at which the best case costs ``(1 - beta)`` times the baseline.

    Parameters are those of :func:`robust`.
    """
    return _one(load_case(case), load_model(model), "opportunity", beta, budget, time_limit_s, gap, on_event)


def _one(
    case: Case,
    model: Model,
    sense: Sense,
    beta: float | None,
    budget: float | None,
    time_limit_s: float | None,
    gap: float | None,
    on_event: OnEvent | None,
) -> Plan:
    require_question(sense, beta, budget)
    with Session(case, model, time_limit_s, gap, on_event) as session:
        horizon(session.study, sense, 1.0)
        share = BASELINE_SHARE["budget" if beta is None else "beta"]
        base = baseline(session, share, beta=beta)
        if not asks_on(base.plan, beta):
            return dataclasses.replace(base.plan, kind=sense)
        return answer(session, sense, beta, budget, base, (), left_after(session, base.plan, share)).plan


def asks_on(base: Plan, beta: float | None) -> bool:
    """Whether a question can be put after its baseline: one with a budget in units, unless nothing is feasible."""
    if base.status in ("infeasible", "cancelled"):
        return base.objective is not None
    return beta is None or base.objective is not None or base.status == "refused"


def sweep(
    case: CaseSource,
    model: ModelSource,
    betas: Sequence[float],
    *,
    time_limit_s: float | None = None,
    gap: float | None = None,
    sense: Sense = "robust",
    alpha_gap: float | None = None,
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_event: OnEvent | None = None,
) -> Curve:
    """Plans over a grid of betas; a robust plan of one beta is tried at every larger one where it promises more.

    Parameters
    ----------
    betas : sequence of float
        0 or more, without duplicates, in any order. An interrupt ends the sweep with the plans found so far.
    sense : "robust" or "opportunity"
        Whether to ask :func:`robust` or :func:`opportunity` of every beta (which is below 1 then).
    alpha_gap : float, optional
        Gap of alpha that is good enough, where the baseline is to be proven better (or worse) than that.
    executor : concurrent.futures.Executor, optional
        Does the solves instead of this process: a process pool (started by ``spawn``), or ``Client.get_executor()`` of
        Dask. Solves that end by their gap and not by their time limit give the same plans as without it.
    store : path, optional
        A folder that keeps every result in a file of its own.
    resume : bool
        Take from the store what it holds, and solve what is missing or has failed.
    case, model, time_limit_s, gap, on_event
        As for :func:`solve`; the limit is that of the baseline, and every beta gets a sixth more.

    Raises
    ------
    InputError
        Bad input, a folder that is no store or cannot be written, or one to be resumed without saying so.
    SolverError
        The baseline failed. Where the solve of one beta fails, its plan in the curve has status ``failed``.
    """
    options: dict[str, Any] = {"time_limit_s": time_limit_s, "gap": gap, "on_event": on_event}
    spread: dict[str, Any] = {"executor": executor, "store": store, "resume": resume}
    asked: dict[str, Any] = {"sense": sense, "alpha_gap": alpha_gap}
    curve = next(iter(sweep_models(case, [model], betas, **options, **spread, **asked).values()))
    if curve.baseline.status == "failed" and curve.baseline.dispatch is None:
        raise SolverError(curve.baseline.explanation)
    return curve


def sweep_models(
    case: CaseSource,
    models: Sequence[ModelSource],
    betas: Sequence[float],
    *,
    time_limit_s: float | None = None,
    gap: float | None = None,
    sense: Sense = "robust",
    alpha_gap: float | None = None,
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_event: OnEvent | None = None,
) -> dict[str, Curve]:
    """The robustness curve of several models of one case, by the name of the model.

    Parameters are those of :func:`sweep`; the names of the models differ. A model whose baseline failed has a curve
    without plans, with a baseline of status ``failed``. After an interrupt, models without a baseline are left out.
    """
    require_grid(betas)
    for beta in betas:
        require_question(sense, beta, None)
    if resume and store is None:
        raise InputError.of("resume needs a store: name the folder that holds the results", path="/resume")
    loaded, network = [load_model(model) for model in models], load_case(case)
    require_names([model.name for model in loaded])
    require_limits(time_limit_s, gap, alpha_gap)
    found = curves(
        network,
        loaded,
        betas,
        time_limit_s=time_limit_s,
        gap=gap,
        executor=executor,
        folder=store,
        resume=resume,
        on_event=on_event,
        sense=sense,
        alpha_gap=alpha_gap,
    )
    if not found:
        raise KeyboardInterrupt
    return {curve.baseline.model.name: curve for curve in found}


def search(
    case: CaseSource,
    model: ModelSource,
    *,
    algorithm: str = "hybrid",
    evaluations: int = 20_000,
    seed: int = 0,
    neighbourhoods: bool = False,
    on_event: OnEvent | None = None,
) -> Plan:
    """The plan that a search over radial topologies and sites finds: often as good as a proven one, without the proof.

    As many DG are placed as the model allows, fewer only where investment weighs or is limited. With a topology for
    every period (``dynamic``) a pool of topologies is judged in every period on top of the evaluations.

    Parameters
    ----------
    case, model, on_event
        As for :func:`solve`; the model has the connected mode alone.
    algorithm : str
        ``hybrid`` (ours), or one of the source papers and their opponents: ``woa``, ``bas``, ``sa_bas``, ``mtta``,
        ``ga``, ``pso``, ``bpso``, ``sa``, ``bfoa``.
    evaluations : int
        AC power flows that may be used, one for each plan and period.
    seed : int
        The same seed gives the same plan.
    neighbourhoods : bool
        Whether ``hybrid`` may have neighbourhoods of a plan solved by MILP too: slower, and better where many lines and
        sites have to change together. ``plan.search["neighbourhoods"]`` says how many were.

    Returns
    -------
    Plan
        Without a bound. Its dispatch is solved exactly and judged by AC power flow like that of any plan.

    Raises
    ------
    InputError
        Bad input, an unknown algorithm, too few evaluations, or a model that asks for what the search does not decide.
    """
    with Session(load_case(case), load_model(model), None, None, on_event) as session:
        solve = neighbourhood_of(session.study, session.solver, algorithm) if neighbourhoods else None
        return search_plan(session, algorithm, evaluations, seed, solve)


def pareto(
    case: CaseSource,
    model: ModelSource,
    objectives: Sequence[str],
    *,
    method: str = "milp",
    points: int = 9,
    evaluations: int = 20_000,
    seed: int = 0,
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Front:
    """Plans between which no formula can choose: none is better in one objective without being worse in another.

    Parameters
    ----------
    case, model, on_event
        As for :func:`solve`; the objectives take the place of the model's own.
    objectives : sequence of str
        Two or more terms (``losses``, ``voltage_deviation``, ``energy_cost``, ``emissions``, ``switching``, ...) or
        ``cost``, the sum of all money terms. Over all modes, each by its weight; all are minimised.
    method : str
        ``milp``: least first objective under limits on the others, each point with its proven gap. ``hybrid`` (our
        search), ``nsga2`` (pymoo) and ``mtta`` search with AC power flow, without proof, where the model has the
        connected mode alone; they run DG for least losses.
    points : int
        Limits on every objective but the first (``milp`` and ``hybrid``).
    evaluations, seed : int
        AC power flows that a search may use, and its seed.
    time_limit_s, gap : float, optional
        Of every solve (``milp``).

    Returns
    -------
    Front

    Raises
    ------
    InputError
        Bad input: a misspelt objective or method, too few points, or a model that the search does not decide.
    """
    for name, value in (("time_limit_s", time_limit_s), ("gap", gap)):
        if method != "milp" and value is not None:
            message = f"{name} limits method milp alone; method {method} is limited by evaluations"
            raise InputError.of(message, path=f"/options/{name}", got=value)
    require(objectives, method, points, evaluations, seed)
    network, asked = load_case(case), plain(load_model(model), objectives, {})
    require_objectives(network, asked, objectives, planned_profile(network, asked))
    with Session(network, asked, time_limit_s, gap, on_event) as session:
        return front(session, objectives, method, points, evaluations, seed)


def robustness(
    plan: Plan,
    betas: Sequence[float],
    *,
    base_objective: float | None = None,
    sense: Sense = "robust",
    on_event: OnEvent | None = None,
) -> FixedCurve:
    """What a given plan survives: its sites, topology and storage schedule stay, only the dispatch follows.

    Parameters
    ----------
    plan : Plan
        Of any verb; its model says what is uncertain.
    betas : sequence of float
        0 or more (below 1 for an opportunity), without duplicates.
    base_objective : float, optional
        Cost that beta refers to, in the model's unit, instead of the plan's own (of a robust plan: its baseline's).
    sense : "robust" or "opportunity"
        Largest alpha whose worst case is within ``(1 + beta)`` times the base, or smallest whose best case is within
        ``(1 - beta)`` times it.

    Raises
    ------
    InputError
        A plan without dispatch, a bad grid, nothing uncertain, or an opportunity under prices or ratings
        without a corner.
    """
    require_plan(plan)
    require_grid(betas)
    for beta in betas:
        require_question(sense, beta, None)
    return fixed_curve(warned(plan, beta_doubts(max(betas))), betas, base_objective, sense, on_event)


def compare(
    plans: Sequence[Plan] | Mapping[str, Plan],
    betas: Sequence[float],
    *,
    base_objective: float | None = None,
    envelope: Curve | None = None,
    on_event: OnEvent | None = None,
) -> Comparison:
    """Robustness of several plans, each as it stands, over the same budgets: who is safer where, who overtakes whom.

    Parameters
    ----------
    plans : sequence or mapping of Plan
        Of one case and models with the same objective; named ``plan 1``, ``plan 2``, ... unless a mapping names them.
    betas : sequence of float
    base_objective : float, optional
        Cost that beta refers to; else of the envelope's baseline, else the least that any plan's own question refers
        to, as :func:`robustness` takes it.
    envelope : Curve, optional
        Of :func:`sweep`, to be shown beside them.

    Raises
    ------
    InputError
        No plan, a plan without dispatch, a bad grid, or plans and an envelope that answer different questions.
    """
    if isinstance(plans, Plan | str):
        raise InputError.of("plans must be a list of plans, or plans by name", path="/study/plans")
    named = dict(plans) if isinstance(plans, Mapping) else {f"plan {n}": plan for n, plan in enumerate(plans, 1)}
    for plan in named.values():
        require_plan(plan)
    require_comparable(named)
    if envelope is not None:
        require_envelope(envelope, next(iter(named.items())), base_objective)
    base = base_objective
    if base is None:
        base = envelope.baseline.objective if envelope is not None else min(map(base_of, named.values()))
        base = None if base is None or math.isinf(base) else base
    curves: dict[str, FixedCurve] = {}
    for number, (name, plan) in enumerate(named.items()):
        with placed(f"/study/plans/{number}"):
            curves[name] = robustness(plan, betas, base_objective=base, on_event=on_event)
    return Comparison(curves, envelope)


def drivers(plan: Plan) -> Drivers:
    """What drives the alpha of a robust plan: each uncertain quantity alone, and each term of the cost.

    Raises
    ------
    InputError
        When the plan is no robust plan with an alpha above 0.
    """
    require_plan(plan)
    return drivers_of(plan)


def worth_of_one_more(
    case: CaseSource,
    model: ModelSource,
    beta: float,
    *,
    lines: Sequence[int] = (),
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Worth:
    """What one more DG, one more ESS or one more switch buys in alpha, at the budget of the study as it is.

    Parameters
    ----------
    lines : sequence of int
        Lines without a switch, each of which would get one.
    case, model, beta, time_limit_s, gap, on_event
        As for :func:`robust`.

    Returns
    -------
    Worth
        The robust plan of each change, and the gain of its alpha on that of the study as it is; that one alone where
        it has no budget to keep.
    """
    studies = one_more(load_case(case), load_model(model), lines)
    limits: dict[str, Any] = {"time_limit_s": time_limit_s, "gap": gap, "on_event": on_event}
    plans: dict[str, Plan] = {}
    budget: float | None = None
    for change, (own_case, own_model) in studies.items():
        own_beta = beta if budget is None else None
        plans[change] = robust(own_case, own_model, own_beta, budget=budget, **limits)
        budget = plans[change].robustness.get("budget", budget)
        if budget is None and plans[change].status == "refused":
            break
    return Worth(plans)


def tradeoff(
    case: CaseSource,
    model: ModelSource,
    beta: float,
    *,
    points: int = 5,
    time_limit_s: float | None = None,
    gap: float | None = None,
    on_event: OnEvent | None = None,
) -> Tradeoff:
    """The front between the alphas of a model's two uncertain quantities, by the epsilon-constraint method.

    Parameters
    ----------
    points : int
        From the second quantity at its forecast to all that it may deviate when it is alone.
    case, model, beta, time_limit_s, gap, on_event
        As for :func:`robust`; of the limit the baseline gets half.

    Returns
    -------
    Tradeoff
        One point a row of its table; none where AC power flow refuses the baseline.
    """
    require_question("robust", beta, None)
    with Session(load_case(case), load_model(model), time_limit_s, gap, on_event) as session:
        require_two(session.study, points)
        session.study = session.study.warn(beta_doubts(beta))
        base = baseline(session, BASELINE_SHARE["beta"])
        if base.plan.status == "refused":
            return Tradeoff(without_budget(base.plan), beta, table_of(session.study, []))
        if base.plan.objective is None:
            raise InputError.of(f"there is no baseline: {base.plan.explanation}", path="/study/beta", got=beta)
        return Tradeoff(base.plan, beta, tradeoff_of(session, base, beta, points))


def check(plan: Plan) -> Plan:
    """The plan judged anew by AC power flow, from its own case, model and dispatch alone; it may be refused then.

    What its objective may mean other than a planner thinks, or why it means nothing, stands among its warnings.
    """
    require_plan(plan)
    study = plan.case, plan.model, planned_profile(plan.case, plan.model)
    doubts = [str(fault) for fault in meaning_faults(*study)] or meaning_doubts(*study)
    return warned(settled(judge(plan)), doubts)
