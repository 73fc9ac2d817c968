"""Prices that deviate: alpha by hand, its bound, what progress tells of it, and where nothing can be sold.

Feeder4 takes 5 MWh at 50 and 10 MWh at 100: 1250 in all, and 0.1 % more with its losses.
"""

from typing import Any

import pytest
from hand import hand, inline, uncertain

import igdt_planner as ip
from igdt_planner.infogap.worst_case import ambiguity, horizon
from igdt_planner.solver.solve import Solver
from igdt_planner.study import Study, resolve

LOSSES = 5e-3


def engine(p_mw: float, **fields: Any) -> dict[str, Any]:
    """The settings that allow one unit."""
    unit = {"name": "engine", "p_mw": p_mw, "q_min_mvar": 0.0, "q_max_mvar": 0.0} | fields
    return {"dg": {"max_units": 1, "technologies": [unit]}}


def model(*quantities: str, **settings: Any) -> ip.Model:
    terms = [{"term": term, "mode": "connected"} for term in ("energy_cost", "generation_cost")]
    asked = {"unit": "money", "losses": "balance", "objective": terms, "dg": {}}
    return hand("connected", asked | settings | uncertain(*quantities))


def dear() -> ip.Case:
    case = inline()
    for row, price in zip(case["profile"], (50.0, 100.0), strict=True):
        row["price_per_mwh"] = price
    return ip.load_case(case)


def study(*quantities: str, **settings: Any) -> Study:
    return resolve(dear(), model(*quantities, **settings))


@pytest.mark.parametrize(
    ("quantities", "alpha"),
    [
        (("price",), 103.0 / 950.0),
        (("price", "load"), (300.0 + (300.0**2 + 4.0 * 1250.0 * 1053.0) ** 0.5) / 2500.0 - 1.0),
    ],
)
def test_alpha_of_prices_by_hand(quantities: tuple[str, ...], alpha: float) -> None:
    """An engine of 2 MW at 20 per MWh runs all the time: 3 MWh at 50 and 8 MWh at 100 are bought, 1030 in all.

    No plan buys for less than 950, so that the closed form ``(budget - base) / 950`` is met with equality. With the
    load ``1 + a`` times as high too, ``(1250 (1 + a) - 300) (1 + a) + 80 = 1133``: its positive root.
    """
    told: list[dict[str, Any]] = []
    asked = model(*quantities, **engine(2.0, generation_cost_per_mwh=20.0))
    fields = ip.robust(dear(), asked, 0.1, on_event=told.append).robustness
    assert fields["alpha"] == pytest.approx(alpha, rel=LOSSES)
    assert fields["alpha"] <= fields["alpha_bound"] <= fields["alpha"] * 1.001
    assert fields["worst_case"]["method"] == "corner" and not fields["worst_case"]["broken"]
    alphas = [event["alpha"] for event in told if event.get("alpha") is not None]
    assert max(alphas) <= fields["alpha"] * (1.0 + 1e-9)


def test_tree_bounds_alpha_with_exact_products() -> None:
    """Beyond an alpha that is known, without a plan: the envelope alone would leave it open."""
    alpha = 0.108
    asked = study("price", **engine(2.0, generation_cost_per_mwh=20.0))
    question = horizon(asked, "robust", 1133.0)
    solver = Solver(asked.model.solver)
    try:
        solved = solver.solve(asked.ask(question), gap=1e-3, beyond=alpha)
    finally:
        solver.close()
    assert solved.answer.x is None
    assert alpha <= abs(solved.answer.bound) <= alpha * 1.021


@pytest.mark.parametrize(
    ("quantities", "p_mw", "most"),
    [
        (("price", "load"), 2.0, 0.6),  # 2 = 5 (1 - a)
        (("price", "load", "dg_availability"), 2.0, 3.0 / 7.0),  # 2 (1 + a) = 5 (1 - a)
        (("price",), 2.0, None),  # 2 < 5 whatever alpha
    ],
)
def test_alpha_up_to_which_nothing_is_sold(quantities: tuple[str, ...], p_mw: float, most: float | None) -> None:
    found = ambiguity(study(*quantities, **engine(p_mw)), "opportunity")
    assert found.corner
    assert found.most == pytest.approx(float("inf") if most is None else most)


def test_robust_corner_does_not_sell_what_less_load_would_leave() -> None:
    """More load and less of the engine are worse, and there nothing is left to sell; 6 MW are more than 5 MW."""
    everything = ("price", "load", "dg_availability")
    assert ambiguity(study(*everything, **engine(4.9)), "robust").corner
    assert not ambiguity(study(*everything, **engine(6.0)), "robust").corner


def test_opportunity_of_load_and_price_by_hand() -> None:
    """Cost falls as ``(1 - a)(1 - a)``, so that 10 % less need ``1 - sqrt(0.9)``, where nothing can be sold."""
    plan = ip.opportunity(dear(), model("price", "load"), 0.1)
    fields = plan.robustness
    assert fields["alpha"] == pytest.approx(1.0 - 0.9**0.5, rel=LOSSES)
    assert fields["alpha_bound"] <= fields["alpha"] <= fields["alpha_bound"] * 1.001


def test_opportunity_beyond_the_known_corner_is_told_in_words() -> None:
    """Nothing is sold up to 4.5 = 5 (1 - a), and a tenth less of load and price is too little for a cost of half."""
    plan = ip.opportunity(dear(), model("price", "load", **engine(4.5, generation_cost_per_mwh=500.0)), 0.5)
    assert plan.status == "no_plan" and plan.dispatch is None
    assert "up to alpha 0.1; beyond, power may flow back" in plan.explanation
