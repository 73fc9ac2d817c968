"""Two uncertainties under one budget: how much of one may be survived beside how much of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from igdt_planner.errors import InputError, is_whole
from igdt_planner.infogap.question import answer, positive
from igdt_planner.infogap.survival import ALPHA_TOLERANCE
from igdt_planner.infogap.worst_case import ambiguity, at_rest, corner
from igdt_planner.model import Quantity, Uncertain
from igdt_planner.results.result_document import rows_as_table
from igdt_planner.results.tradeoff import point_of
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
    if not is_whole(points) or not 2 <= points <= MOST_POINTS:
        message = f"a trade-off has 2 to {MOST_POINTS} points, got {points}"
        raise InputError.of(message, path="/study/points", got=points)


def tradeoff_of(session: Session, base: Candidate, beta: float, points: int) -> pd.DataFrame:
    """The front between the alphas of a model's two quantities, by the epsilon-constraint method.

    The second quantity is held within an alpha, from 0 to a thousandth short of what it reaches alone, where the whole
    budget would hang on rounding; beside it the first one's alpha is made as large as the budget allows.

    Returns
    -------
    DataFrame
        ``alpha_<first>, bound_<first>, alpha_<second>, objective, verdict``.

    Raises
    ------
    InputError
        The baseline costs nothing, or the second quantity alone has no largest alpha.
    """
    study = session.study
    first, second = study.model.uncertain
    share = 1.0 / (points + 1)
    budget = (1.0 + beta) * positive(base.plan)
    alone = reached(session, second, {}, budget, base, share)
    if alone.plan.robustness["alpha"] is None:
        why = "never reaches the budget" if alone.plan.objective is not None else "has no plan that was found"
        message = f"{second.quantity} alone {why}: there is nothing to trade"
        raise InputError.of(message, path="/model/uncertain/1", got=second.quantity)
    most = (1.0 - ALPHA_TOLERANCE) * alone.plan.robustness["alpha"]
    rows = []
    for n in range(points):
        epsilon = most * n / (points - 1)
        held: Mapping[Quantity, float] = {second.quantity: epsilon} if epsilon else {}
        plan = reached(session, first, held, budget, base, share, alone if held else None).plan
        row = {
            f"alpha_{first.quantity}": plan.robustness["alpha"],
            f"bound_{first.quantity}": plan.robustness["alpha_bound"],
            "objective": plan.objective,
            "verdict": plan.ac.verdict if plan.ac is not None else "not_checked",
        }
        rows.append(row | {f"alpha_{second.quantity}": epsilon})
    return table_of(study, rows)


def table_of(study: Study, points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points of a study's trade-off as a table; there may be none."""
    first, second = study.model.uncertain
    return rows_as_table(points, point_of(first.quantity, second.quantity))


def reached(
    session: Session,
    asked: Uncertain,
    held: Mapping[Quantity, float],
    budget: float,
    base: Candidate,
    share: float,
    fallback: Candidate | None = None,
) -> Candidate:
    """The robust plan of one quantity, with the other one at the forecast or held within a radius.

    Where the worst point of both is a corner, the one held stands at its own, else anywhere within its own set. The
    fallback is a plan that survives what is held.
    """
    whole, within = session.study, None
    session.tangents["robust"] = None
    try:
        if held and not ambiguity(whole, "robust").corner:
            within = held
        else:
            for quantity, radius in held.items():
                session.study = whole.realise(corner(ambiguity(only(whole, quantity), "robust"), radius))
            session.study = only(session.study, asked.quantity)
        return answer(session, "robust", None, budget, base, (), share, within, fallback)
    finally:
        session.study = whole


def only(study: Study, quantity: Quantity) -> Study:
    """The study with one of its uncertain quantities alone."""
    kept = tuple(entry for entry in study.model.uncertain if entry.quantity == quantity)
    return dataclasses.replace(study, model=study.model.model_copy(update={"uncertain": kept}))
