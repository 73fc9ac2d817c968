"""Fronts: the epsilon-constraint method on the MILP, whose points are proven, and searches judged by AC power flow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from igdt_planner.ac.check import check
from igdt_planner.baseline import baseline
from igdt_planner.dominance import Floats
from igdt_planner.epsilon import keeps, trace
from igdt_planner.errors import Finding, InputError, SolverError, is_whole, nearest
from igdt_planner.model import TERM_UNITS, Model, Term, TermLimit
from igdt_planner.outcome import relative_gap, settled
from igdt_planner.plan import Plan, Status
from igdt_planner.results.front import NONE_THERE, OBJECTIVES, REFUSED, Front, front_of, value_of
from igdt_planner.search.algorithms import require_evaluations
from igdt_planner.search.evolution import pymoo
from igdt_planner.search.fronts import FRONTS, OTHERS, search_front
from igdt_planner.search.problem import Judged, SearchProblem, problem_of
from igdt_planner.searched import decisions_of, judged_plan
from igdt_planner.session import Session

METHODS = ("milp", *FRONTS)
"""``milp`` gives proven points; the others are searches."""
SCOUTED = 2_000
"""AC power flows of the search that finds the range of a front, and plans for the MILP to start from."""
MOST_POINTS = 1000
"""Most limits on a front: each is a solve."""


def measuring(model: Model, objectives: Sequence[str], weights: Sequence[float], limits: Mapping[str, float]) -> Model:
    """The model with weighted objectives instead of its own, and further limits on them."""
    total: dict[tuple[str, str | None], float] = {}
    for name, weight in zip(objectives, weights, strict=True):
        for part in model.summands(name):
            total[part] = total.get(part, 0.0) + weight
    terms = tuple(Term.model_validate({"term": k[0], "mode": k[1], "weight": w}) for k, w in total.items())
    added = tuple(TermLimit.model_validate({"term": name, "at_most": most}) for name, most in limits.items())
    unit = TERM_UNITS.get(objectives[0], "money")
    return model.model_copy(update={"objective": terms, "limits": (*model.limits, *added), "unit": unit})


def front(session: Session, objectives: Sequence[str], method: str, points: int, evaluations: int, seed: int) -> Front:
    """The front of a session's study, whose model is :func:`plain` of the objectives.

    Raises
    ------
    InputError
        Too few evaluations, or a model that the search does not decide.
    """
    names = tuple(objectives)
    if method == "milp":
        return Proven(session, names, points, seed).front()
    problem = problem_of(session.study)
    require_evaluations(problem, evaluations)
    session.on_event({"kind": "started"})
    found, used = search_front(problem, sums_of(session, problem, names), method, points, evaluations, seed)
    facts = {"algorithm": method, "seed": seed, "evaluations": used}
    plans = [judged_plan(session.study, judged, facts) for judged in found]
    return front_of(names, method, plans, () if plans else ("the search found no plan within all limits",))


def plain(model: Model, objectives: Sequence[str], limits: Mapping[str, float]) -> Model:
    """The model that minimises the first objective and measures the others."""
    return measuring(model, objectives, [1.0] + [0.0] * (len(objectives) - 1), limits)


def sums_of(session: Session, problem: SearchProblem, objectives: Sequence[str]) -> Floats:
    """Objectives as sums of the problem's terms, shape (objectives, terms)."""
    study = session.study
    sums = np.zeros((len(objectives), len(problem.terms)))
    for row, name in zip(sums, objectives, strict=True):
        for term, mode in study.model.summands(name):
            row[problem.terms.index(term)] += 1.0 if mode is None else study.modes[mode].settings.weight
    return sums


class Proven:
    """The epsilon-constraint method: the MILP at least first objective under limits on the others."""

    def __init__(self, session: Session, objectives: tuple[str, ...], points: int, seed: int) -> None:
        self.session, self.model, self.objectives, self.points = session, session.study.model, objectives, points
        self.plans: list[Plan] = []
        self.missed: list[str] = []
        self.sizes: Floats | None = None
        self.scouted: list[Judged] = []
        self.sums = np.empty((0, 0))
        self.seed = seed

    def front(self) -> Front:
        """All points; an interrupt ends it with those found."""
        try:
            payoff = self.scout()
            if payoff is None:
                payoff = self.extremes()
            if payoff is not None:
                trace(payoff, self.points, lambda limits: self.least(0, limits))
        except KeyboardInterrupt:
            self.missed.append("interrupted: the rest was not looked for")
        return front_of(self.objectives, "milp", self.plans, self.missed)

    def scout(self) -> Floats | None:
        """Plans of a search for the MILP to start from, and the range of the front by them.

        None where the search has no say, or where it searches less than the MILP: it runs DG for least
        losses.
        """
        try:
            problem = problem_of(self.session.study)
        except InputError:
            return None
        self.sums = sums_of(self.session, problem, self.objectives)
        self.scouted, _ = search_front(problem, self.sums, "hybrid", self.points, SCOUTED, self.seed)
        if not self.scouted or problem.units.count:
            return None
        values = np.array([judged.sums(self.sums) for judged in self.scouted])
        payoff: Floats = values[values.argmin(axis=0)]
        self.sizes = sizes_of(payoff)
        return payoff

    def extremes(self) -> Floats | None:
        """Every objective minimised alone; None where one has no plan."""
        rows: list[Floats] = []
        for number in range(len(self.objectives)):
            found = self.least(number, None)
            if found is None:
                return None
            rows.append(found)
            self.sizes = sizes_of(np.array(rows))
        return np.array(rows)

    def least(self, number: int, limits: Floats | None) -> Floats | None:
        """The plan of one least objective under limits on all but the first: its objectives by AC, if there is one.

        The others weigh a little, by their sizes, as soon as those are known.
        """
        weights = np.zeros(len(self.objectives)) if self.sizes is None else OTHERS * self.sizes[number] / self.sizes
        weights[number] = 1.0
        bounds = {} if limits is None else dict(zip(self.objectives[1:], limits.tolist(), strict=True))
        weighed = measuring(self.model, self.objectives, weights.tolist(), bounds)
        self.session.study = dataclasses.replace(self.session.study, model=weighed)
        try:
            plan = baseline(self.session, start=self.start(limits)).plan
        except SolverError as error:
            self.missed.append(f"{asked(self.objectives[number], bounds)}: {error}")
            return None
        bound = self.bound_of_first(plan, weights, limits)
        values = None
        if plan.ac is not None and not plan.refused:
            values = np.array([value_of(plan, name) for name in self.objectives])
            self.plans.append(self.alone(plan, float(values[0]), bound, bounds))
        else:
            proven = f"{self.objectives[0]} is at least {bound:.6g} there" if bound is not None else "nothing is proven"
            proven = NONE_THERE if plan.status == "infeasible" else proven
            none = f"{REFUSED} the plan found" if plan.refused else "no plan"
            self.missed.append(f"{asked(self.objectives[number], bounds)}: {none}; {proven}")
        if plan.status == "cancelled":
            raise KeyboardInterrupt
        return values

    def bound_of_first(self, plan: Plan, weights: Floats, limits: Floats | None) -> float | None:
        """Bound of the first objective alone: in the sum that was bounded the others weigh at most their limits."""
        if plan.bound is None or plan.bound_of != "ac":
            return None
        if limits is None:
            return plan.bound if not weights[1:].any() else None
        return plan.bound - float(weights[1:] @ limits)

    def alone(self, plan: Plan, first: float, bound: float | None, limits: Mapping[str, float]) -> Plan:
        """The plan as one of least first objective, judged once more by AC under that model."""
        gap = relative_gap(first, bound) if bound is not None else None
        proven = gap is not None and gap <= self.session.asked_gap
        status: Status = "cancelled" if plan.status == "cancelled" else "optimal" if proven else "feasible"
        own = dataclasses.replace(
            plan,
            model=plain(self.model, self.objectives, limits),
            status=status,
            objective=first,
            model_objective=None,
            steps=tuple(dataclasses.replace(step, objective=None, model_objective=None) for step in plan.steps),
            bound=bound,
            gap=gap,
        )
        return settled(check(own))

    def start(self, limits: Floats | None) -> Mapping[str, float] | None:
        """The plan of the search of least first objective that keeps limits."""
        most = np.full(len(self.objectives) - 1, np.inf) if limits is None else limits
        within = [one for one in self.scouted if keeps(one.sums(self.sums)[1:], most)]
        if not within:
            return None
        best = min(within, key=lambda judged: float(judged.sums(self.sums)[0]))
        return decisions_of(self.session.study, [best.choice.tree], best.choice.sites).binaries


def asked(name: str, limits: Mapping[str, float]) -> str:
    """What was asked for, in words."""
    within = ", ".join(f"{other} <= {most:.6g}" for other, most in limits.items())
    return f"least {name}" + (f" with {within}" if within else "")


def sizes_of(payoff: Floats) -> Floats:
    """Size of every objective: its largest absolute value, 1 where that is 0."""
    sizes = np.abs(payoff).max(axis=0)
    return np.where(sizes > 0.0, sizes, 1.0)


def require(objectives: Sequence[str], method: str, points: int, evaluations: int, seed: int) -> None:
    """Refuse objectives, methods and numbers that mean nothing; all faults at once.

    Raises
    ------
    InputError
        Misspelt or repeated objectives, an unknown method, too few points or evaluations.
    """
    findings = []
    if isinstance(objectives, str):
        raise InputError.of("objectives is a text: give a list of names", path="/study/objectives", got=objectives)
    if len(objectives) < 2:
        findings.append(Finding("objectives: a front needs at least two", "/study/objectives", list(objectives)))
    for number, name in enumerate(objectives):
        path = f"/study/objectives/{number}"
        if name not in OBJECTIVES:
            hint = nearest(name, OBJECTIVES)
            known = ", ".join(OBJECTIVES)
            findings.append(Finding(f"there is no objective {name!r}; known are {known}", path, name, hint=hint))
        elif name in objectives[:number]:
            findings.append(Finding(f"objective {name} stands twice", path, name))
    if method not in METHODS:
        message = f"there is no method {method!r}; known are {', '.join(METHODS)}"
        findings.append(Finding(message, "/study/method", method, hint=nearest(method, METHODS)))
    if not is_whole(points) or points < 2 or points ** max(1, len(objectives) - 1) > MOST_POINTS:
        message = f"points {points}: at least 2 a limited objective, and at most {MOST_POINTS} limits in all"
        findings.append(Finding(message, "/study/points", points))
    if not is_whole(evaluations) or evaluations < 1:
        message = f"evaluations {evaluations}: at least one AC power flow is needed"
        findings.append(Finding(message, "/study/evaluations", evaluations))
    if not is_whole(seed) or seed < 0:
        findings.append(Finding(f"seed {seed} must be a whole number of 0 or more", "/options/seed", seed))
    if findings:
        raise InputError(findings)
    if method == "nsga2":
        pymoo("algorithms.moo.nsga2")
