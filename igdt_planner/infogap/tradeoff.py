"""Two uncertainties under one budget: how much of one may be survived beside how much of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from igdt_planner.errors import InputError
from igdt_planner.infogap.question import answer
from igdt_planner.infogap.worst_case import ambiguity, at_rest, corner
from igdt_planner.model import Quantity, Uncertain
from igdt_planner.session import Candidate, Session
from igdt_planner.study import Study

MOST_POINTS = 1000
"""Most points of a trade-off: each is a solve."""


def require_two(study: Study, points: int) -> None:
    """Refuse a model without two uncertain quantities that may deviate, and too few points.

    Raises
    ------
    InputError
    """
    moving = [entry.quantity for entry in study.model.uncertain if entry.quantity not in at_rest(study)]
    if len(moving) != 2 or len(study.model.uncertain) != 2:
        names = f": {', '.join(moving)}" if moving else ""
        message = f"a trade-off is one between two uncertain quantities that may deviate; here {len(moving)} may{names}"
        raise InputError.of(message, path="/model/uncertain", got=len(moving))
    if not 2 <= points <= MOST_POINTS:
        message = f"a trade-off has 2 to {MOST_POINTS} points, got {points}"
        raise InputError.of(message, path="/study/points", got=points)


def tradeoff_of(session: Session, base: Candidate, beta: float, points: int) -> pd.DataFrame:
    """The front between the alphas of a model's two quantities, by the epsilon-constraint method.

    The second quantity is held within an alpha, from 0 to what it reaches alone; beside it the first one's alpha is
    made as large as the budget allows.

    Returns
    -------
    DataFrame
        ``alpha_<first>, bound_<first>, alpha_<second>, objective, verdict``.

    Raises
    ------
    InputError
        The second quantity alone never reaches the budget.
    """
    study = session.study
    first, second = study.model.uncertain
    share = 1.0 / (points + 1)
    budget = (1.0 + beta) * (base.plan.objective or 0.0)
    alone = reached(session, second, {}, budget, base, share)
    most = alone["alpha"]
    if most is None:
        message = f"{second.quantity} alone never reaches the budget: there is nothing to trade"
        raise InputError.of(message, path="/model/uncertain/1", got=second.quantity)
    rows = []
    for n in range(points):
        epsilon = most * n / (points - 1)
        found = reached(session, first, {second.quantity: epsilon} if epsilon else {}, budget, base, share)
        if found["objective"] is None:  # the plan that takes the second quantity farthest is one
            cost = alone["objective"] if n == points - 1 else None
            found |= {"alpha": 0.0, "objective": cost, "verdict": alone["verdict"]}
        names = {"alpha": f"alpha_{first.quantity}", "bound": f"bound_{first.quantity}"}
        rows.append({names.get(k, k): v for k, v in found.items()} | {f"alpha_{second.quantity}": epsilon})
    return pd.DataFrame(rows).astype(dict.fromkeys(rows[0].keys() - {"verdict"}, "float64"))


def reached(
    session: Session, asked: Uncertain, held: Mapping[Quantity, float], budget: float, base: Candidate, share: float
) -> dict[str, Any]:
    """Alpha of one quantity, its bound, and the AC verdict, with the other one at the forecast or held within a radius.

    Where the worst point of both is a corner, the one held stands at its own, else anywhere within its own set.
    """
    whole, within = session.study, None
    session.tangents["robust"] = None
    try:
        if held:
            base = Candidate(dataclasses.replace(base.plan, dispatch=None), base.decisions)  # judged at the forecast
        if held and not ambiguity(whole, "robust").corner:
            within = held
        else:
            for quantity, radius in held.items():
                session.study = whole.realise(corner(ambiguity(only(whole, quantity), "robust"), radius))
            session.study = only(session.study, asked.quantity)
        plan = answer(session, "robust", None, budget, base, (), share, within).plan
    finally:
        session.study = whole
    verdict = plan.ac.verdict if plan.ac is not None else "not_checked"
    fields = plan.robustness
    return {"alpha": fields["alpha"], "bound": fields["alpha_bound"], "objective": plan.objective, "verdict": verdict}


def only(study: Study, quantity: Quantity) -> Study:
    """The study with one of its uncertain quantities alone."""
    kept = tuple(entry for entry in study.model.uncertain if entry.quantity == quantity)
    return dataclasses.replace(study, model=study.model.model_copy(update={"uncertain": kept}))
