"""Alpha of every shape and quantity by hand, the worst case where it is no corner, and what the adversary finds."""

import dataclasses
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hand import hand, inline, uncertain

import igdt_planner as ip
from igdt_planner.baseline import baseline
from igdt_planner.cli.exits import exit_of_plan
from igdt_planner.infogap.fixed_plan import decisions_in
from igdt_planner.infogap.question import answer
from igdt_planner.infogap.recourse import Recourse
from igdt_planner.infogap.worst_case import ambiguity
from igdt_planner.model import Model, Uncertain
from igdt_planner.plan import Plan, Realisation
from igdt_planner.session import Candidate, Session
from igdt_planner.study import resolve

BUDGET = 2.304
AC = 7e-3
"""AC losses, which the hand calculation leaves out, as a share of alpha."""

BY_HAND: dict[str, tuple[dict[str, Any], float]] = {
    "fractional": ({}, 0.504 / 11.2),
    "envelope": ({"shape": "envelope", "psi": [1.0, 0.5]}, 0.504 / 7.7),
    "interval": ({"shape": "interval", "down": 0.5, "up": 1.0}, 0.504 / 5.6),
    "slope": ({"shape": "slope"}, 0.504 / 18.2),
    "budgeted": ({"shape": "budgeted", "gamma": 1}, 0.504 / 7.0),
    "norm 1": ({"shape": "minkowski", "norm": 1}, 0.504 / 7.0),
    "norm 2": ({"shape": "minkowski", "norm": 2}, 0.504 / (7.0 * (1.0 + 0.6 * (2**0.5 - 1.0)))),
    "norm infinity": ({"shape": "minkowski", "norm": "infinity"}, 0.504 / 11.2),
    "energy": ({"shape": "energy"}, 0.504 / (7.0 * (1.0 + 0.6 * (2**0.5 - 1.0)))),
    "weight": ({"weight": 2.0}, 0.504 / 22.4),
}
"""Islanded feeder4 with 7 MW of DG and storage of 0.6 efficiency both ways (SOURCE.md). With ``a = 7 alpha`` MW
less in a period and a charge of ``2 - x`` in the first one, ``max(0, a d_1 - x) + 1.8 + 0.6 x + a d_2`` MWh are
not served. The least over x of the largest over a shape rises by ``1.6 a`` for the box, by ``a`` where one
period deviates or both by one together, and by ``(1 + 0.6 (sqrt(2) - 1)) a`` for the unit circle. The budget
leaves 0.504 MWh."""


@pytest.fixture(scope="module")
def islanded() -> Iterator[tuple[Session, Candidate]]:
    with Session(ip.load_case("feeder4"), hand("islanded"), None, None, None) as session:
        yield session, baseline(session)


def asked(session: Session, base: Candidate, entry: dict[str, Any], budget: float = BUDGET) -> Plan:
    """The answer with another uncertain quantity than the model's own."""
    own = Uncertain.model_validate({"quantity": "dg_availability", "physical_max": 1.5} | entry)
    session.tangents["robust"] = None
    study = session.study
    try:
        session.study = dataclasses.replace(study, model=study.model.model_copy(update={"uncertain": (own,)}))
        return answer(session, "robust", None, budget, base, (), 0.5).plan
    finally:
        session.study = study


@pytest.mark.parametrize("name", BY_HAND)
def test_alpha_of_every_shape_by_hand(islanded: tuple[Session, Candidate], name: str) -> None:
    entry, alpha = BY_HAND[name]
    plan = asked(*islanded, entry)
    fields = plan.robustness
    assert plan.gap is not None and plan.gap <= AC
    assert fields["alpha"] == pytest.approx(alpha, rel=AC)
    assert fields["alpha_bound"] == pytest.approx(alpha, rel=5e-4)
    assert fields["alpha"] <= fields["alpha_bound"]
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert not fields["worst_case"]["broken"]
    corner = name not in ("budgeted", "norm 1", "norm 2", "energy")
    assert fields["worst_case"]["method"] == ("corner" if corner else "column_and_constraint_generation")


@pytest.mark.parametrize("name", ["budgeted", "norm 1", "norm 2", "energy"])
def test_best_point_is_decided_where_there_is_no_corner(islanded: tuple[Session, Candidate], name: str) -> None:
    """Between the axes ``(cos v, sin v)`` no direction needs less alpha: the least of a scan of them."""
    session, base = islanded
    own = Uncertain.model_validate({"quantity": "dg_availability", "physical_max": 1.5} | BY_HAND[name][0])
    study, session.tangents["opportunity"] = session.study, None
    try:
        session.study = dataclasses.replace(study, model=study.model.model_copy(update={"uncertain": (own,)}))
        plan = answer(session, "opportunity", 0.1, None, base, (), 0.5).plan
        found = ambiguity(session.study, "opportunity")
        recourse = Recourse(session, decisions_in(session.study, plan), found, None)
        scan = [np.array([np.cos(v), np.sin(v)]) for v in np.linspace(0.0, np.pi / 2.0, 31)]
        sized = [(d, found.uncertainty.shapes["dg_availability"].gauge(d)) for d in scan]
        rays = [
            found.uncertainty.direction(dict.fromkeys(found.uncertainty.series(), d / g)) for d, g in sized if g < 9
        ]
        needed = [recourse.needed(ray, plan.robustness["budget"], 0.5) for ray in rays]
    finally:
        session.study = study
    assert plan.robustness["alpha"] == pytest.approx(min(alpha for alpha in needed if alpha >= 0.0), rel=2e-3)
    assert plan.status == "optimal" and plan.robustness["worst_case"]["method"] == "decided_with_the_plan"


@pytest.mark.slow
def test_best_point_of_must_take_dg(must_take: Plan) -> None:
    """More power where it is short, less where it is too much: no corner lets the cost fall as early."""
    plan = ip.opportunity(must_take.case, must_take.model, 0.1)
    fields = plan.robustness
    assert plan.status == "optimal" and plan.ac is not None and plan.ac.verdict == "feasible"
    assert fields["alpha_bound"] <= fields["alpha"] <= 1.05 * fields["alpha_bound"]
    with Session(plan.case, plan.model, None, None, None) as session:
        found = ambiguity(session.study, "opportunity")
        recourse = Recourse(session, decisions_in(session.study, plan), found, None)
        corners = [recourse.needed(ray, fields["budget"], 0.5) for ray, _ in found.rays or []]
    assert fields["alpha"] <= min(alpha for alpha in corners if alpha >= 0.0) * (1.0 + 1e-3)
    fixed = ip.robustness(plan, [0.1], base_objective=fields["base_objective"], sense="opportunity").table
    assert fixed["alpha"][0] == pytest.approx(fields["alpha"], rel=2e-3)


@pytest.mark.slow
def test_bound_of_a_best_point_is_one_at_any_gap() -> None:
    """A fixed plan needs the same deviation however loosely it is asked; the bound says how loosely that is."""
    loose, tight = (
        hand(
            "connected",
            {"dg.technologies.0.must_take": True, "solver.gap": gap} | uncertain("dg_availability", shape="energy"),
        )
        for gap in (0.2, 1e-4)
    )
    plan = ip.solve("feeder4", tight)
    (exact,) = ip.robustness(plan, [0.1], sense="opportunity").table.to_dict("records")
    asked = dataclasses.replace(plan, model=loose)
    (point,) = ip.robustness(asked, [0.1], sense="opportunity").table.to_dict("records")
    assert point["alpha_bound"] <= exact["alpha"] * (1.0 + 1e-3) and exact["alpha"] <= point["alpha"] * (1.0 + 1e-3)
    assert point["alpha_bound"] >= point["alpha"] * 0.7


def test_a_limit_on_a_term_is_not_the_network() -> None:
    base = ip.solve("feeder4", hand("switching", {"losses": "balance"})).objective
    assert base is not None
    limit = {"term": "losses", "mode": "connected", "at_most": 1.05 * base}
    plan = ip.robust("feeder4", hand("switching", {"losses": "balance", "limits": [limit]} | uncertain("load")), 0.2)
    assert plan.robustness["alpha_limit"] == "limits"
    assert ip.robustness(plan, [0.2]).table["alpha_limit"].tolist() == ["limits"]


def test_direction_that_does_no_harm(islanded: tuple[Session, Candidate]) -> None:
    plan = asked(*islanded, {"direction": "up"})
    assert plan.robustness["alpha_limit"] == "unbounded"


def test_budget_of_a_loose_baseline_is_said(islanded: tuple[Session, Candidate]) -> None:
    session, base = islanded
    for gap, loose in ((0.13, False), (0.75, True)):
        candidate = Candidate(dataclasses.replace(base.plan, gap=gap), base.decisions)
        plan = answer(session, "robust", 0.28, None, candidate, (), 0.5).plan
        assert any("baseline with a gap of 75 %" in warning for warning in plan.warnings) is loose
        assert exit_of_plan(plan) == int(loose)


def test_what_does_not_touch_a_plan_does_not_limit_it() -> None:
    """Wind may fall as it likes where the one unit built is PV."""
    units = [
        {"name": name, "source": name, "p_mw": p_mw, "q_min_mvar": 0.0, "q_max_mvar": 2.5}
        for name, p_mw in (("pv", 5.0), ("wind", 0.01))
    ]
    plan = ip.robust(
        "feeder4", hand("connected", {"dg": {"max_units": 1, "technologies": units}} | uncertain("wind")), 0.1
    )
    assert plan.dg["technology"].tolist() == ["pv"]
    assert plan.robustness["alpha"] is None and plan.robustness["alpha_limit"] == "unbounded"


def test_a_set_that_is_a_point_is_refused() -> None:
    flat = uncertain("load", shape="interval", down=0.0, up=0.0)
    with pytest.raises(ip.InputError, match="the uncertainty set is a point"):
        ip.robust("feeder4", hand("islanded", flat), 0.1)


MUST_TAKE = {"dg.technologies.0.must_take": True} | uncertain("dg_availability")


@pytest.fixture(scope="module")
def must_take() -> Plan:
    return ip.robust("feeder4", hand("connected", MUST_TAKE), 0.2)


def test_corner_is_refused_where_more_power_can_cost_more(must_take: Plan) -> None:
    worst = must_take.robustness["worst_case"]
    assert worst["method"] == "column_and_constraint_generation"
    assert "not a corner with must-take DG" in worst["corner"]
    assert worst["all_vertices"] is True
    assert not worst["broken"]
    assert must_take.gap is not None and must_take.gap <= 1e-3
    assert must_take.robustness["alpha"] <= must_take.robustness["alpha_bound"]


def test_generated_alpha_by_brute_force_over_vertices(must_take: Plan) -> None:
    """At alpha the costliest of all vertices just meets the budget, and it is not the corner with less DG."""
    alpha, budget = must_take.robustness["alpha"], must_take.robustness["budget"]
    (bus,) = must_take.dg["bus"].tolist()
    costs: dict[tuple[float, ...], float] = {}
    with Session(must_take.case, must_take.model, None, None, None) as session:
        decisions = decisions_in(session.study, must_take)
        for signs in product((-1.0, 1.0), repeat=2):
            factors = {(bus, t): 1.0 + sign * alpha for t, sign in zip((1, 2), signs, strict=True)}
            run = session.dispatch(decisions, session.study.realise(Realisation(dg_availability=factors)))
            assert run is not None and run.verdict.objective is not None
            costs[signs] = run.verdict.objective
    worst = max(costs, key=lambda signs: costs[signs])
    assert costs[worst] == pytest.approx(budget, rel=1e-4)
    assert worst != (-1.0, -1.0)
    assert costs[-1.0, -1.0] < budget * 0.98


def test_two_quantities_survive_less_than_either_alone() -> None:
    case, both = ip.load_case("feeder4"), hand("islanded", uncertain("dg_availability", "load"))
    with Session(case, both, None, None, None) as session:
        base = baseline(session)
        together = answer(session, "robust", 0.2, None, base, (), 0.5).plan.robustness["alpha"]
        budget = 1.2 * (base.plan.objective or 0.0)
        single = [
            asked(session, base, {"quantity": q}, budget).robustness["alpha"] for q in ("dg_availability", "load")
        ]
    assert 0.0 < together < min(single)


def priced(**model: Any) -> Model:
    return hand(
        "connected",
        {
            "unit": "money",
            "losses": "balance",
            "objective": [{"term": "energy_cost", "mode": "connected"}],
            "dg": {},
        }
        | model,
    )


def dear(price: tuple[float, float] = (50.0, 100.0)) -> dict[str, Any]:
    case = inline()
    for row, value in zip(case["profile"], price, strict=True):
        row["price_per_mwh"] = value
    return case


@pytest.mark.slow
def test_price_alone_by_hand() -> None:
    """Nothing can be sold and nothing shifted: the cost is proportional to the price, so alpha is beta."""
    plan = ip.robust(dear(), priced(**uncertain("price")), 0.1)
    assert plan.robustness["alpha"] == pytest.approx(0.1, rel=1e-3)
    assert plan.robustness["alpha_bound"] == pytest.approx(0.1, rel=2e-3)
    assert plan.robustness["worst_case"]["corner"].startswith("corner (price up), justified: nothing can be sold")
    assert plan.ac is not None and plan.ac.verdict == "feasible"


@pytest.mark.slow
@pytest.mark.parametrize("losses", ["none", "objective"])
def test_linear_losses_are_closed_too(losses: str) -> None:
    """The bound is that of the linear model, whose baseline is 1250: alpha is the AC budget over it, less 1."""
    plan = ip.robust(dear(), priced(**uncertain("price"), losses=losses), 0.1)
    fields = plan.robustness
    assert fields["alpha"] == pytest.approx(0.1, rel=1e-3)
    assert plan.bound_of == "linear" and plan.status == "optimal"
    assert fields["alpha_bound"] == pytest.approx(fields["budget"] / 1250.0 - 1.0, rel=2e-4)


@pytest.mark.parametrize("shape", ["budgeted", "energy"])
def test_shapes_under_linear_losses_by_hand(shape: str) -> None:
    with Session(ip.load_case("feeder4"), hand("islanded", {"losses": "none"}), None, None, None) as session:
        plan = asked(session, baseline(session), BY_HAND[shape][0])
    assert plan.robustness["alpha_bound"] == pytest.approx(BY_HAND[shape][1], rel=2e-4)
    assert plan.gap is not None and plan.gap <= 2e-4
    assert plan.robustness["alpha"] == pytest.approx(BY_HAND[shape][1], rel=AC)


@pytest.mark.slow
def test_price_of_an_opportunity_by_hand() -> None:
    """The cost is proportional to the price, so that a price lower by beta is needed, and proven to be."""
    fields = ip.opportunity(dear(), priced(**uncertain("price")), 0.1).robustness
    assert fields["alpha"] == pytest.approx(0.1, rel=1e-3)
    assert fields["alpha_bound"] == pytest.approx(0.1, rel=2e-3) and fields["alpha_bound"] <= fields["alpha"]


@pytest.mark.slow
def test_price_where_power_is_sold_by_hand() -> None:
    """PV of 7 MW sells 2 MW for 50 in the first period, 10 MW are bought for 100 in the second: 900 in all.

    The worst is less for what is sold and more for what is bought, which costs ``(100 + 1000) a`` more; a higher price
    in both would cost 900 a. A single plan as it stands survives as much.
    """
    case = dear()
    for row, sun in zip(case["profile"], (1.0, 0.0), strict=True):
        row["pv"] = sun
    panels = {"name": "pv", "source": "pv", "p_mw": 7.0, "q_min_mvar": 0.0, "q_max_mvar": 0.0}
    settings = {"dg": {"max_units": 1, "technologies": [panels]}} | uncertain("price")
    plan = ip.robust(case, priced(**settings), 0.1)
    fields = plan.robustness
    assert fields["alpha"] == pytest.approx(90.0 / 1100.0, rel=3e-3)
    assert plan.status == "optimal" and fields["alpha"] <= fields["alpha_bound"] <= fields["alpha"] * (1.0 + 1e-4)
    assert plan.dispatch is not None
    price = plan.dispatch.realisation.price
    assert price == pytest.approx({1: 1.0 - fields["alpha"], 2: 1.0 + fields["alpha"]})
    assert fields["worst_case"]["all_vertices"] and "flow back" in fields["worst_case"]["corner"]
    (point,) = ip.robustness(plan, [0.1]).table.to_dict("records")
    assert point["alpha"] == pytest.approx(fields["alpha"], rel=1e-3) and point["all_vertices"]


@pytest.mark.slow
def test_worst_prices_between_vertices_by_hand() -> None:
    """Storage that waits moves 3 MWh to where the price rises less: 5 and 10 MWh at one price of 100.

    With rises of ``x`` and ``y`` that add up to alpha, the cost rises by ``100 (5 x + 10 y - 3 |x - y|)``: by 750 alpha
    where both are alike, by 700 at the vertex. Budget: 150 more than 1500.
    """
    unit = {"name": "ess", "p_mw": 3.0, "energy_mwh": 3.0, "eta_charge": 1.0, "eta_discharge": 1.0}
    settings: dict[str, Any] = {"ess": {"max_units": 1, "technologies": [unit]}, "stages": {"storage": "wait_and_see"}}
    rising = uncertain("price", shape="minkowski", norm=1, direction="up")
    plan = ip.robust(dear((100.0, 100.0)), priced(**settings, **rising), 0.1)
    fields = plan.robustness
    assert fields["alpha"] == pytest.approx(150.0 / 750.0, rel=2e-3)
    assert plan.status == "optimal" and fields["alpha"] <= fields["alpha_bound"] <= fields["alpha"] * (1.0 + 1e-4)
    assert plan.dispatch is not None and isinstance(price := plan.dispatch.realisation.price, dict)
    assert price[1] == pytest.approx(price[2], abs=2e-3)


@pytest.mark.slow
def test_price_and_load_together() -> None:
    """Cost rises as ``(1 + a)(1 + a)`` to first order of the losses: ``a = sqrt(1.1) - 1``."""
    plan = ip.robust(dear(), priced(**uncertain("price", "load")), 0.1)
    assert plan.robustness["alpha"] == pytest.approx(1.1**0.5 - 1.0, rel=5e-3)
    assert plan.robustness["alpha_bound"] == pytest.approx(plan.robustness["alpha"], rel=5e-3)


@pytest.mark.slow
def test_rating_by_hand() -> None:
    """Half of the current in the busiest line is unused, so its rating may fall until the line is full."""
    case = inline()
    for row in case["lines"]:
        row["max_i_ka"] = 1.0
    plan = ip.robust(case, hand("switching", {"losses": "balance"} | uncertain("line_rating")), 1e-4)
    assert plan.ac is not None
    busiest = plan.ac_forecast.lines["i_ka"].max() if plan.ac_forecast is not None else np.nan
    assert plan.robustness["alpha"] == pytest.approx(1.0 - busiest, rel=2e-3)
    assert plan.robustness["alpha_bound"] == pytest.approx(plan.robustness["alpha"], rel=5e-3)
    assert plan.ac.lines["loading"].max() <= 1.0
    assert plan.robustness["alpha_limit"] == "network"
    limits = ip.robustness(plan, [0.01, 0.1]).table["alpha_limit"].tolist()
    assert limits == ["network", "network"]


@pytest.mark.parametrize("quantity", ["active_load", "reactive_load"])
@pytest.mark.slow
def test_one_of_both_powers(quantity: str) -> None:
    """Losses go with ``P^2 + Q^2``; with ``Q = P / 2`` one of them alone may deviate more than both."""
    model = hand("switching", {"losses": "balance"} | uncertain(quantity))
    both = hand("switching", {"losses": "balance"} | uncertain("load"))
    alone, together = (ip.robust("feeder4", m, 0.05).robustness["alpha"] for m in (model, both))
    share = 0.8 if quantity == "active_load" else 0.2
    assert together == pytest.approx(1.05**0.5 - 1.0, rel=5e-3)
    assert alone == pytest.approx((1.0 + 0.05 / share) ** 0.5 - 1.0, rel=1e-2)


def test_pv_follows_its_own_column_of_the_profile() -> None:
    case = inline()
    case["profile"][0] |= {"pv": 0.0, "dg": 1.0}
    case["profile"][1] |= {"pv": 0.5, "dg": 1.0}
    settings = {"dg.technologies.0.source": "pv"} | uncertain("pv")
    plan = ip.robust(case, hand("connected", settings), 0.1)
    assert plan.dispatch_forecast is not None
    given = plan.dispatch_forecast.dg["p_mw"].tolist()
    assert given[0] == 0.0 and 0.0 < given[1] <= 2.5 + 1e-6
    assert plan.dispatch is not None and plan.dispatch.realisation.pv == pytest.approx(1 - plan.robustness["alpha"])
    assert plan.robustness["alpha"] > 0.0
    judged = ip.check(plan).ac
    assert judged is not None and judged.verdict == "feasible"


@pytest.mark.slow
def test_adversary_climbs_where_vertices_are_too_many() -> None:
    """Loads of 13 buses, some negative: the climb finds what all up costs, which is the worst of many samples too."""
    case, model = ip.load_case("ieee16"), ip.load_model("reconfiguration")
    with Session(case, model, None, None, None) as session:
        base = baseline(session)
        found = ambiguity(session.study, "robust")
        assert found.doubts and found.rays is None and base.decisions is not None
        recourse = Recourse(session, base.decisions, found, None)
        attack = recourse.worst(0.1)
        samples, _ = recourse.costs(found.uncertainty.draw(recourse.rng, 20), 0.1)
        (at_forecast,), _ = recourse.costs([found.first], 0.0)
    assert not attack.proven
    assert attack.cost > samples.max() > at_forecast


def test_dispatch_at_a_point_that_takes_too_long_is_told_in_words(islanded: tuple[Session, Candidate]) -> None:
    session, base = islanded
    assert base.decisions is not None
    found = ambiguity(session.study, "robust")
    recourse = Recourse(session, base.decisions, found, None)
    at_leisure, recourse.options = recourse.options, dataclasses.replace(recourse.options, time_limit_s=0.0)
    with pytest.raises(ip.PlannerError) as overrun:
        recourse.costs([found.first], 0.01)
    words = "the dispatch at a point of the uncertainty set overran its time limit of 0 s"
    assert str(overrun.value) == f"no answer: {words}"
    recourse.options = at_leisure
    assert np.isfinite(recourse.costs([found.first], 0.01)[0]).all()


@pytest.mark.slow
def test_topology_that_waits() -> None:
    """It makes no difference where a corner decides; else one topology for all is safe and one for each bounds it."""
    waits: dict[str, Any] = {"stages": {"topology": "wait_and_see"}}
    alphas = [ip.robust("feeder4", hand("connected", own), 0.2).robustness["alpha"] for own in ({}, waits)]
    assert alphas[0] == pytest.approx(alphas[1], rel=1e-3)
    held, waiting = (ip.robust("feeder4", hand("connected", MUST_TAKE | own), 0.2).robustness for own in ({}, waits))
    assert waiting["alpha"] == pytest.approx(held["alpha"], rel=1e-3)
    assert waiting["alpha_bound"] >= held["alpha_bound"] * (1.0 - 1e-3)


def test_storage_that_waits_survives_more_where_one_period_deviates(islanded: tuple[Session, Candidate]) -> None:
    """With one period short, storage that knows which charges for it: ``0.6 a`` in the first, ``a`` in the second."""
    session, base = islanded
    waits = session.study.model.model_copy(
        update={"stages": hand("islanded", {"stages.storage": "wait_and_see"}).stages}
    )
    entry = {"shape": "energy"}
    study = session.study
    try:
        session.study = dataclasses.replace(study, model=waits)
        waiting = asked(session, base, entry)
    finally:
        session.study = study
    assert waiting.robustness["alpha"] == pytest.approx(0.504 / (7.0 * (1.0 + 0.36) ** 0.5), rel=AC)
    assert waiting.robustness["alpha"] > asked(session, base, entry).robustness["alpha"] * 1.05


FAULTS: dict[str, tuple[Any, Model, str]] = {
    "PV without PV": ("feeder4", hand("connected", uncertain("pv")), "no technology of DG has source = pv"),
    "price without prices": ("feeder4", priced(**uncertain("price")), "has no price_per_mwh"),
    "price without cost": (dear(), hand("connected", uncertain("price")), "no energy_cost"),
    "rating in a linear model": ("feeder4", hand("connected", uncertain("line_rating")), 'losses = "balance"'),
    "rating without ratings": (
        "ieee33",
        ip.load_model("reconfiguration").model_copy(update={"uncertain": (Uncertain(quantity="line_rating"),)}),
        "no line of the case has a rating",
    ),
    "envelope of one period": (
        "feeder4",
        hand("connected", uncertain("dg_availability", shape="envelope", psi=[1.0])),
        "psi has 1 values, the plan has 2 periods",
    ),
    "more deviating periods than there are": (
        "feeder4",
        hand("connected", uncertain("dg_availability", shape="budgeted", gamma=3)),
        "gamma 3 exceeds the 2 periods",
    ),
    "a part beside the whole": ("feeder4", hand("connected", uncertain("load", "active_load")), "a part of it"),
    "a part of what is shed whole": ("feeder4", hand("islanded", uncertain("active_load")), "at its power factor"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_in_words(name: str) -> None:
    case, model, word = FAULTS[name]
    with pytest.raises(ip.InputError, match=word):
        resolve(ip.load_case(case), model)


def test_nothing_survived_under_an_open_bound_is_not_proven() -> None:
    """Cut off before column-and-constraint generation has an answer, the baseline survives 0, and more may be there."""
    few = {"shape": "budgeted", "gamma": 1, "physical_max": 1.5}
    model = hand("islanded", {"uncertain": [few | {"quantity": name} for name in ("dg_availability", "load")]})
    with Session(ip.load_case("feeder4"), model, None, None, None) as session:
        base = baseline(session)
        session.time_limit_s = 0.01
        plan = answer(session, "robust", 0.2, None, base, (), 0.5).plan
    assert plan.robustness["alpha"] == 0.0 and plan.robustness["alpha_bound"] > 0.01
    assert plan.status == "feasible" and plan.gap is None


@pytest.mark.slow
def test_objective_is_the_worst_cost_where_the_network_ends_alpha() -> None:
    """Lower ratings end alpha and cost nothing; what costs most within it are prices, which end nothing."""
    case = inline()
    case["profile"] = [row | {"price_per_mwh": price} for row, price in zip(case["profile"], (40.0, 60.0), strict=True)]
    cost = {"objective": [{"term": "energy_cost", "mode": "connected"}], "unit": "USD", "losses": "balance"}
    few = {"quantity": "price", "shape": "budgeted", "gamma": 1, "weight": 0.1}
    model = hand("connected", {"uncertain": [{"quantity": "line_rating"}, few]} | cost)
    plan = ip.robust(case, model, 0.3)
    assert plan.robustness["alpha_limit"] == "network" and plan.objective is not None
    assert plan.objective == pytest.approx(plan.robustness["worst_case"]["costliest_attack"], rel=1e-4)
    fixed = ip.robustness(plan, [0.3]).table.iloc[0]
    assert fixed["alpha_limit"] == "network" and fixed["objective"] == pytest.approx(plan.objective, rel=1e-4)
    assert fixed["alpha"] == pytest.approx(plan.robustness["alpha"], rel=2e-3)
