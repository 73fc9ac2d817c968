"""Fronts: the epsilon-constraint method on the MILP, whose points are proven, and searches judged by AC power flow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from igdt_planner.dominance import Floats
from igdt_planner.epsilon import trace
from igdt_planner.errors import Finding, InputError, nearest
from igdt_planner.front import OBJECTIVES, Front, front_of, value_of
from igdt_planner.model import TERM_UNITS, Model, Term, TermLimit
from igdt_planner.outcome import relative_gap
from igdt_planner.plan import Plan
from igdt_planner.search.fronts import FRONTS, search_front
from igdt_planner.search.problem import Judged, SearchProblem, problem_of
from igdt_planner.searched import decisions_of, judged_plan
from igdt_planner.session import Session
from igdt_planner.study import resolve

METHODS = ("milp", *FRONTS)
"""``milp`` gives proven points; the others are searches."""
OTHERS = 1e-3
"""Weight of the other objectives, each by its size, where one is minimised: of equal plans the better one is wanted."""
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
    """The front of a session's study.

    Raises
    ------
    InputError
        Misspelt or repeated objectives, an unknown method, too few points or evaluations, or a model that the search
        does not decide.
    """
    require(objectives, method, points, evaluations)
    names = tuple(objectives)
    case, model = session.study.case, session.study.model
    session.study = resolve(case, measuring(model, names, [1.0] * len(names), {}))
    if method == "milp":
        return Proven(session, model, names, points).front()
    session.on_event({"kind": "started"})
    problem = problem_of(session.study)
    found = search_front(problem, sums_of(session, problem, names), method, points, evaluations, seed)
    facts = {"algorithm": method, "seed": seed, "evaluations": evaluations}
    plans = [judged_plan(session.study, judged, facts) for judged in found]
    return front_of(names, method, plans, () if plans else ("the search found no plan within all limits",))


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

    def __init__(self, session: Session, model: Model, objectives: tuple[str, ...], points: int) -> None:
        self.session, self.model, self.objectives, self.points = session, model, objectives, points
        self.plans: list[Plan] = []
        self.missed: list[str] = []
        self.sizes = np.ones(len(objectives))
        self.scouted: list[Judged] = []
        self.sums = np.empty((0, 0))

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
        """The range of the front by a search, whose plans the MILP starts from; None where it has no say."""
        session = self.session
        try:
            problem = problem_of(session.study)
        except InputError:
            return None
        self.sums = sums_of(session, problem, self.objectives)
        seed = self.model.solver.seed
        self.scouted = search_front(problem, self.sums, "hybrid", self.points, SCOUTED, seed)
        if not self.scouted:
            return None
        values = np.array([judged.sums(self.sums) for judged in self.scouted])
        payoff = values[values.argmin(axis=0)]
        self.sizes = sizes_of(payoff)
        return np.asarray(payoff)

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
        """The plan of one least objective under limits on all but the first: its objectives by AC, if there is one."""
        weights = OTHERS * self.sizes[number] / self.sizes
        weights[number] = 1.0
        bounds = {} if limits is None else dict(zip(self.objectives[1:], limits.tolist(), strict=True))
        order = [number, *(k for k in range(len(weights)) if k != number)]
        names = [self.objectives[k] for k in order]
        model = measuring(self.model, names, weights[order].tolist(), bounds)
        self.session.study = resolve(self.session.study.case, model)
        plan = self.session.baseline(start=self.start(limits)).plan
        if plan.status == "cancelled":
            raise KeyboardInterrupt
        if plan.ac is None or plan.ac.verdict != "feasible":
            within = ", ".join(f"{name} <= {most:.6g}" for name, most in bounds.items())
            proven = f"{names[0]} is at least {plan.bound:.6g} there" if plan.bound is not None else "nothing is proven"
            proven = "there is none" if plan.status == "infeasible" else proven
            self.missed.append(f"no plan with {within or 'least ' + names[0]}: {proven}")
            return None
        values = np.array([value_of(plan, name) for name in self.objectives])
        self.plans.append(self.bounded(plan, values, weights, limits))
        return values

    def bounded(self, plan: Plan, values: Floats, weights: Floats, limits: Floats | None) -> Plan:
        """The plan with the bound of the first objective alone: the others weigh at most their limits there."""
        if plan.bound is None or limits is None or plan.bound_of != "ac":
            return dataclasses.replace(plan, bound=None, gap=None)
        bound = plan.bound - float(weights[1:] @ limits)
        return dataclasses.replace(plan, bound=bound, gap=relative_gap(float(values[0]), bound))

    def start(self, limits: Floats | None) -> Mapping[str, float] | None:
        """The plan of the search of least first objective that keeps limits."""
        most = np.full(len(self.objectives) - 1, np.inf) if limits is None else limits
        within = [judged for judged in self.scouted if (judged.sums(self.sums)[1:] <= most * (1.0 + 1e-9)).all()]
        if not within:
            return None
        best = min(within, key=lambda judged: float(judged.sums(self.sums)[0]))
        return decisions_of(self.session.study, [best.choice.tree], best.choice.sites).binaries


def sizes_of(payoff: Floats) -> Floats:
    """Size of every objective: its largest absolute value, 1 where that is 0."""
    sizes = np.abs(payoff).max(axis=0)
    return np.where(sizes > 0.0, sizes, 1.0)


def require(objectives: Sequence[str], method: str, points: int, evaluations: int) -> None:
    """Refuse objectives, methods and numbers that mean nothing; all faults at once."""
    findings = []
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
    if points < 2 or points ** max(1, len(objectives) - 1) > MOST_POINTS:
        message = f"points {points}: at least 2 a limited objective, and at most {MOST_POINTS} limits in all"
        findings.append(Finding(message, "/study/points", points))
    if evaluations < 1:
        message = f"evaluations {evaluations}: at least one AC power flow is needed"
        findings.append(Finding(message, "/study/evaluations", evaluations))
    if findings:
        raise InputError(findings)
