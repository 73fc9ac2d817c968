"""Curves that decide: plans as they stand, where they cross, what drives alpha, and documents that come back."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand import REFERENCE, hand, inline, uncertain
from test_igdt import stated

import igdt_planner as ip
from igdt_planner.infogap.fixed_plan import rising
from igdt_planner.model import Model, override
from igdt_planner.plan import Plan
from igdt_planner.results.comparison import crossings

SUMS = [23.0, 26.0, 27.0, 30.5]
"""Budgets as sums of P^2, which are 17 at the forecast (SOURCE.md)."""
S = REFERENCE["hand_connected"]["losses_mwh"] / 17.0
BETAS = [s / 17.0 - 1.0 for s in SUMS]
BY_HAND = {
    "line 2 open": [(-20.0 + (400.0 + 200.0 * (s - 17.0)) ** 0.5) / 100.0 for s in SUMS],
    "line 3 open": [((s - 22.5) / 50.0) ** 0.5 for s in SUMS],
}
"""SOURCE.md (c): ``17 + 20 alpha + 50 alpha^2`` with line 2 open, ``22.5 + 50 alpha^2`` with line 3 open."""


def curve_of(betas: list[float], alphas: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"beta": betas, "budget": [10.0 * (1.0 + beta) for beta in betas], "alpha": alphas})
    return table.assign(alpha_limit="budget")


def test_crossing_of_two_tables_by_hand() -> None:
    """``a = 0.4 beta`` and ``b = 0.1 + 0.2 beta`` meet at beta 0.5, alpha 0.2."""
    first, second = curve_of([0.0, 1.0], [0.0, 0.4]), curve_of([0.0, 1.0], [0.1, 0.3])
    ((beta, budget, alpha, below, above, words),) = crossings("a", first, "b", second)
    assert (beta, budget, alpha) == (pytest.approx(0.5), pytest.approx(15.0), pytest.approx(0.2))
    assert (below, above) == ("b", "a")
    assert "between 0 and 100 % of extra cost (by a straight line at 50 % and alpha = 0.2)" in words
    assert "who accepts less is safer with b, who accepts more with a" in words


def test_curves_that_meet_on_the_grid_cross_once_and_those_that_only_touch_never() -> None:
    rising = curve_of([0.0, 1.0, 2.0], [0.0, 0.2, 0.4])
    assert len(crossings("a", rising, "b", curve_of([0.0, 1.0, 2.0], [0.1, 0.2, 0.3]))) == 1
    assert crossings("a", rising, "b", curve_of([0.0, 1.0, 2.0], [0.0, 0.2, 0.3])) == []
    assert crossings("a", rising, "a again", rising) == []


def test_a_plan_over_its_budget_survives_less_than_any_other() -> None:
    late = curve_of([0.0, 1.0], [np.nan, 0.9])
    ((_, _, _, below, above, _),) = crossings("cheap", curve_of([0.0, 1.0], [0.1, 0.3]), "dear", late)
    assert (below, above) == ("cheap", "dear")


def test_a_plan_that_nothing_touches_survives_more_than_any_other() -> None:
    untouched = curve_of([0.0, 1.0], [np.nan, np.nan]).assign(alpha_limit="unbounded")
    assert crossings("a", curve_of([0.0, 1.0], [0.1, 0.3]), "untouched", untouched) == []


@pytest.fixture(scope="module")
def envelope() -> ip.Curve:
    """The baseline has line 2 open; the plan that survives most at the largest budget has line 3 open."""
    return ip.sweep("feeder4", hand("connected"), BETAS[-1:])


@pytest.fixture(scope="module")
def compared(envelope: ip.Curve) -> ip.Comparison:
    plans = {f"line {plan.open_lines['connected'][1][0]} open": plan for plan in (envelope.baseline, *envelope.plans)}
    return ip.compare(plans, BETAS, envelope=envelope)


def test_two_plans_of_the_feeder_survive_what_the_hand_calculation_says(compared: ip.Comparison) -> None:
    table = compared.table
    for name, alphas in BY_HAND.items():
        assert table[name].tolist() == pytest.approx(alphas, rel=0.03)
    assert table["best"].tolist() == ["line 2 open", "line 2 open", "line 3 open", "line 3 open"]


def test_they_cross_where_the_hand_calculation_says(compared: ip.Comparison) -> None:
    """SOURCE.md (c): at alpha 0.275 and a budget of 26.28125, a reversal of preference."""
    (crossing,) = compared.crossings.to_dict("records")
    assert (crossing["below"], crossing["above"]) == ("line 2 open", "line 3 open")
    assert crossing["alpha"] == pytest.approx(0.275, rel=0.03)
    assert crossing["budget"] == pytest.approx(26.28125 * S, rel=0.02)
    assert crossing["meaning"].startswith("preference reversal")


def test_more_budget_never_buys_less(compared: ip.Comparison) -> None:
    for curve in compared.curves.values():
        assert curve.table["alpha"].is_monotonic_increasing
        assert (curve.table["alpha"] <= curve.table["alpha_bound"] * (1.0 + 1e-6)).all()
        assert (curve.table["objective"] <= curve.table["budget"] * (1.0 + 1e-9)).all()
        assert (curve.table["verdict"] == "feasible").all()


def test_a_plan_fixed_by_the_model_is_the_same_plan(compared: ip.Comparison) -> None:
    """Solved anew with its sites and lines stated, a plan survives what it survived, whatever it was found for."""
    found = compared.curves["line 3 open"]
    again = ip.solve("feeder4", override(hand("connected"), stated(found.plan)))
    curve = ip.robustness(again, BETAS[-1:], base_objective=found.base_objective)
    assert curve.table["alpha"][0] == pytest.approx(found.table["alpha"].iloc[-1], rel=1e-3)


def test_a_robust_plan_reaches_its_own_alpha_and_no_plan_more_than_one_chosen_anew(
    envelope: ip.Curve, compared: ip.Comparison
) -> None:
    last, (anew,) = compared.table.iloc[-1], envelope.table.to_dict("records")
    assert all(curve.base_objective == envelope.baseline.objective for curve in compared.curves.values())
    assert last["re-optimised"] == anew["alpha"] and np.isnan(compared.table["re-optimised"][0])
    assert last["line 3 open"] == pytest.approx(anew["alpha"], rel=1e-3)
    assert last["line 2 open"] < anew["alpha"]
    assert last["line 3 open"] <= anew["alpha_bound"]


def test_price_of_robustness_by_hand(envelope: ip.Curve) -> None:
    """SOURCE.md (c): 22.5 with line 3 open, 17 with line 2 open."""
    (price,) = envelope.table["price_of_robustness"]
    assert price == pytest.approx(22.5 / 17.0 - 1.0, rel=0.01)


@pytest.fixture(scope="module")
def results(envelope: ip.Curve, compared: ip.Comparison) -> dict[str, Any]:
    return {"curve": envelope, "fixed": compared.curves["line 3 open"], "comparison": compared}


KINDS = ("curve", "fixed", "comparison")


@pytest.mark.parametrize("kind", KINDS)
def test_curves_come_back_from_their_files(kind: str, results: dict[str, Any], tmp_path: Path) -> None:
    result = results[kind]
    back = ip.load_result(result.save(tmp_path / "curve.json"))
    assert type(back) is type(result)
    pd.testing.assert_frame_equal(back.table, result.table, check_dtype=False)
    assert back.to_dict() == result.to_dict()
    table = pd.read_csv(result.save(tmp_path / "curve.csv"))
    assert table.columns.tolist() == result.table.columns.tolist() and len(table) == len(result.table)


@pytest.mark.parametrize("kind", KINDS)
def test_curves_are_drawn(kind: str, results: dict[str, Any]) -> None:
    words = [text.get_text() for text in results[kind].plot().findobj(lambda artist: hasattr(artist, "get_text"))]
    assert any("feeder4, hand_connected" in text for text in words)
    assert any("below it line 2 open is safer" in text for text in words) == (kind == "comparison")


def test_only_documents_and_tables_are_written(envelope: ip.Curve, tmp_path: Path) -> None:
    with pytest.raises(ip.InputError, match=r"ends in .json .* or .csv"):
        envelope.save(tmp_path / "curve.xlsx")
    assert list(tmp_path.iterdir()) == []


def broken(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def changed(document: dict[str, Any]) -> dict[str, Any]:
        change(document)
        return document

    return changed


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a plan": (
        lambda document: document["curves"][0]["curve"]["plan"],
        r"its kind must be one of .*ip\.load_plan reads",
    ),
    "a list": (lambda document: [document], "not a JSON object"),
    "another schema": (lambda document: document | {"schema": "x/9"}, "not a comparison document"),
    "no curves": (lambda document: document | {"curves": []}, "not a comparison document"),
    "a curve that is none": (lambda document: document | {"curves": [7]}, "has a name and a curve"),
    "a name twice": (lambda document: document | {"curves": document["curves"][:1] * 2}, "stands twice"),
    "a plan alone in place of a curve": (
        broken(lambda document: document["curves"][0].update(curve=document["curves"][0]["curve"]["plan"])),
        "not a robustness document",
    ),
    "a budget in words": (
        broken(lambda document: document["curves"][1]["curve"]["points"][0].update(budget="much")),
        "budget must be a number",
    ),
    "a column too few": (
        broken(lambda document: document["curves"][1]["curve"]["points"][2].pop("verdict")),
        "a point has beta, budget",
    ),
    "no base": (broken(lambda d: d["curves"][0]["curve"].update(base_objective=None)), "base_objective a number"),
    "an unknown sense": (broken(lambda d: d["curves"][0]["curve"].update(sense="bold")), "sense is robust"),
    "other betas": (broken(lambda d: d["curves"][0]["curve"]["points"].pop()), "different betas"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_documents_are_refused_in_words(name: str, results: dict[str, Any], tmp_path: Path) -> None:
    change, words = WRONG[name]
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(change(results["comparison"].to_dict())), encoding="utf-8")
    with pytest.raises(ip.InputError, match=words):
        ip.load_result(path)


misspelt: Any = "robus"
BAD: dict[str, tuple[Callable[[Plan], object], str]] = {
    "no beta": (lambda plan: ip.robustness(plan, []), "betas is empty"),
    "a negative beta": (lambda plan: ip.robustness(plan, [0.1, -0.1]), "beta -0.1 must be a number of 0 or more"),
    "a base of nothing": (lambda plan: ip.robustness(plan, [0.1], base_objective=0.0), "base objective is 0"),
    "a negative base": (lambda plan: ip.robustness(plan, [0.1], base_objective=-1.0), "base objective is -1"),
    "a misspelt sense": (lambda plan: ip.robustness(plan, [0.1], sense=misspelt), "neither robust nor opportunity"),
    "an opportunity for nothing": (
        lambda plan: ip.robustness(plan, [1.0], sense="opportunity"),
        "leaves no positive cost",
    ),
    "no plan": (lambda plan: ip.compare([], [0.1]), "at least one plan"),
    "a plan without dispatch": (
        lambda plan: ip.compare([dataclasses.replace(plan, dispatch=None)], [0.1]),
        "no dispatch that could be judged",
    ),
    "several without a dispatch": (
        lambda plan: ip.compare({"a": dataclasses.replace(plan, dispatch=None), "b": plan}, [0.1]),
        "a has no dispatch that could be judged",
    ),
    "drivers of a baseline": (lambda plan: ip.drivers(plan), "drivers are those of a robust plan"),
    "an unknown line": (
        lambda plan: ip.worth_of_one_more("feeder4", plan.model, 0.1, lines=[99]),
        "line 99 is not in the case",
    ),
    "a line with a switch": (
        lambda plan: ip.worth_of_one_more("feeder4", plan.model, 0.1, lines=[1]),
        "line 1 has a switch already",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_in_words(name: str, compared: ip.Comparison) -> None:
    ask, words = BAD[name]
    with pytest.raises(ip.InputError, match=words):
        ask(compared.curves["line 2 open"].plan)


OTHER_ENVELOPES: dict[str, tuple[Callable[[ip.Curve], object], list[str]]] = {
    "of another case": (
        lambda curve: beside(curve, case=dataclasses.replace(curve.baseline.case, name="feeder5")),
        ["different cases"],
    ),
    "of another model": (
        lambda curve: beside(curve, model=hand("islanded", uncertain("load"))),
        ["different objectives", "different uncertain quantities"],
    ),
    "without a baseline": (lambda curve: beside(curve, objective=None), ["no baseline"]),
    "with a base that is not its own": (
        lambda curve: ip.compare([curve.baseline], [0.1], base_objective=0.5, envelope=curve),
        ["the base objective is 0.5, that of the envelope is 0.0"],
    ),
    "of opportunities": (
        lambda curve: beside(curve, plans=[dataclasses.replace(plan, kind="opportunity") for plan in curve.plans]),
        ["a curve of opportunities"],
    ),
}


def beside(curve: ip.Curve, plans: Any = None, **changes: Any) -> ip.Comparison:
    """Its baseline compared beside the curve, of which something has been changed."""
    changed = ip.Curve(dataclasses.replace(curve.baseline, **changes), tuple(plans or curve.plans))
    return ip.compare([curve.baseline], [0.1], envelope=changed)


@pytest.mark.parametrize("name", OTHER_ENVELOPES)
def test_an_envelope_that_answers_another_question_is_refused(name: str, envelope: ip.Curve) -> None:
    ask, words = OTHER_ENVELOPES[name]
    with pytest.raises(ip.InputError) as refused:
        ask(envelope)
    assert len(refused.value.findings) == len(words)
    assert all(word in finding.message for word, finding in zip(words, refused.value.findings, strict=True))


BOTH = hand("islanded", uncertain("dg_availability", "load"))


@pytest.mark.slow
def test_drivers_by_hand() -> None:
    """SOURCE.md (d) with storage as the worst case has it: charged by ``2 - 12 a``, ``1.8 + 7.2 a`` at the forecast.

    DG alone takes ``7 a`` from the second hour, load alone adds ``10 a``. Of the budget ``1.8 + 24.2 a`` DG alone
    reaches ``7 x + (7 x - 12 a) = 17 a`` (in the first hour it sheds, too, once the charge is not covered), load
    ``10 x = 17 a``.
    """
    plan = ip.robust("feeder4", BOTH, 0.242)
    found, alpha = ip.drivers(plan), plan.robustness["alpha"]
    assert found.quantities["quantity"].tolist() == ["load", "dg_availability"]
    assert found.quantities["rise_alone"].tolist() == pytest.approx([10.0 * alpha, 7.0 * alpha], rel=0.01)
    assert found.quantities["alpha_alone"].tolist() == pytest.approx([1.7 * alpha, 29.0 / 14.0 * alpha], rel=0.01)
    assert plan.objective is not None
    rise = plan.objective - plan.robustness["objective_forecast"]
    assert found.terms["rise"].sum() == pytest.approx(rise, rel=1e-6)


def test_what_is_survived_for_less_is_survived_for_more() -> None:
    points = [
        {"beta": n, "alpha": alpha, "alpha_limit": "budget"}
        | dict.fromkeys(("objective", "model_objective", "verdict"), n)
        for n, alpha in enumerate((None, 0.2, 0.1, 0.3))
    ]
    assert [point["alpha"] for point in rising(points, "robust")] == [None, 0.2, 0.2, 0.3]
    assert [point["objective"] for point in rising(points, "robust")] == [0, 1, 1, 3]
    assert rising(points, "opportunity") == points


@pytest.mark.parametrize(("quantity", "rise"), [("load", 10.0), ("dg_availability", 7.0)])
def test_opportunity_of_a_fixed_plan_by_hand(quantity: str, rise: float) -> None:
    """Islanded feeder4: 5 % of 1.802 MWh are won by 10 MWh less load, or by 7 MWh more DG, for each unit of alpha."""
    plan = ip.solve("feeder4", hand("islanded", uncertain(quantity)))
    table = ip.robustness(plan, [0.0, 0.05], sense="opportunity").table
    assert table["alpha"].tolist() == pytest.approx([0.0, 0.05 * 1.802 / rise], rel=5e-3)
    assert table["verdict"].tolist() == ["feasible"] * 2


def test_trade_off_by_hand_ends_at_the_alphas_of_each_alone() -> None:
    """SOURCE.md (e): ``11.2 x`` for DG and ``13 y`` for load share the 0.504 MWh that the budget leaves."""
    front = ip.tradeoff("feeder4", BOTH, 0.28, points=3).table
    load = 0.504 / 13.0 * np.array([0.0, 0.5, 1.0])
    assert front["alpha_load"].tolist() == pytest.approx(load.tolist(), rel=0.01)
    by_hand = ((0.504 - 13.0 * load) / 11.2).tolist()
    assert front["alpha_dg_availability"].tolist() == pytest.approx(by_hand, rel=0.01, abs=2e-4)
    assert front["objective"].tolist() == pytest.approx([1.28 * 1.802] * 3, rel=2e-3)
    assert (front["alpha_dg_availability"] <= front["bound_dg_availability"] + 1e-9).all()
    assert front["verdict"].tolist() == ["feasible"] * 3


FEW = hand("islanded", uncertain("dg_availability", "load", shape="budgeted", gamma=1))
UNWANTED = hand("connected", uncertain("dg_availability", "load") | {"dg.technologies.0.must_take": True})


@pytest.mark.slow
@pytest.mark.parametrize("model", [FEW, UNWANTED], ids=["budgeted", "must take"])
def test_points_of_a_trade_off_without_a_corner_are_questions_with_weights(model: Model) -> None:
    """What survives ``x`` of DG beside ``y`` of load reaches alpha 1 where ``x`` and ``y`` are the weights."""
    found = ip.tradeoff("feeder4", model, 0.28, points=3)
    assert found.table["verdict"].tolist() == ["feasible"] * 3
    assert found.table["objective"].tolist() == pytest.approx([found.budget] * 3, rel=2e-3)
    x, bound, y = (
        found.table.loc[1, name] for name in ("alpha_dg_availability", "bound_dg_availability", "alpha_load")
    )
    weights = {"uncertain.0.weight": x, "uncertain.1.weight": y}
    plan = ip.robust("feeder4", override(model, weights), budget=found.budget)
    assert plan.robustness["worst_case"]["method"] == "column_and_constraint_generation"
    assert plan.robustness["alpha"] == pytest.approx(1.0, rel=2e-3)
    assert 0.0 < x <= bound <= 1.01 * x


@pytest.mark.slow
def test_trade_off_of_a_quantity_that_does_no_harm_has_no_limit() -> None:
    """More DG takes nothing away, however much of the load deviates."""
    up, few = {"quantity": "dg_availability", "direction": "up"}, {"quantity": "load", "shape": "budgeted", "gamma": 1}
    found = ip.tradeoff("feeder4", hand("islanded", {"uncertain": [up, few]}), 0.28, points=3).table
    assert found[["alpha_dg_availability", "bound_dg_availability"]].isna().all(axis=None)
    assert found["verdict"].tolist() == ["feasible"] * 3 and found["alpha_load"].iloc[-1] > 0.05
    base, last = found["objective"].iloc[[0, -1]]
    assert found["objective"].notna().all() and last == pytest.approx(1.28 * base, rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [{}, {"shape": "budgeted", "gamma": 1}], ids=["corner", "no corner"])
def test_trade_off_with_what_the_network_ends(shape: dict[str, Any]) -> None:
    """A rating costs nothing until it binds: beside any price it goes as far, to the last point, and prices cost."""
    case = inline()
    case["profile"] = [row | {"price_per_mwh": price} for row, price in zip(case["profile"], (40.0, 60.0), strict=True)]
    cost = {"objective": [{"term": "energy_cost", "mode": "connected"}], "unit": "USD", "losses": "balance"}
    two = {"uncertain": [{"quantity": "line_rating"}, {"quantity": "price"} | shape]}
    found = ip.tradeoff(case, hand("connected", two | cost), 0.3, points=3)
    assert found.table["alpha_line_rating"].tolist() == pytest.approx([0.80627] * 3, rel=2e-3)
    base = found.baseline.objective or 0.0
    assert found.table["objective"].tolist() == pytest.approx([base, 1.15 * base, 1.3 * base], rel=2e-3)


def test_trade_off_needs_a_cost_and_whole_points() -> None:
    with pytest.raises(ip.InputError, match=r"2 to 1000 points, got 2\.5"):
        ip.tradeoff("feeder4", BOTH, 0.28, points=2.5)  # type: ignore[arg-type]
    case = inline()
    case["profile"] = [row | {"price_per_mwh": 40.0} for row in case["profile"]]
    cost = {"objective": [{"term": "energy_cost", "mode": "connected"}], "dg.technologies.0.p_mw": 9.0, "unit": "USD"}
    with pytest.raises(ip.InputError, match="a relative budget needs a positive one"):
        ip.tradeoff(case, hand("connected", uncertain("price", "dg_availability") | cost), 0.1, points=2)


@pytest.mark.parametrize(
    "verb", [ip.check, ip.drivers, lambda plan: ip.robustness(plan, [0.1]), lambda plan: ip.compare([plan], [0.1])]
)
def test_name_of_a_file_is_no_plan(verb: Callable[[Any], object]) -> None:
    with pytest.raises(ip.InputError, match=r"a plan is needed, got str.*ip\.load_plan"):
        verb("plan.json")
