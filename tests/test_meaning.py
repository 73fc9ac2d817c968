"""No meaningless number: units, currencies, hours of a year, missing data and beta, by every verb and the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hand import hand, inline, uncertain, with_cells

import igdt_planner as ip
from igdt_planner.case import Case
from igdt_planner.cli import main
from igdt_planner.meaning_checks import beta_doubts, share_hint
from igdt_planner.model import Model, load_model, override
from igdt_planner.objective_unit import unit_of
from igdt_planner.study import resolve


def priced(*, buses: dict[str, Any] | None = None, **profile: Any) -> Case:
    """feeder4, two hours, with a price."""
    case = inline()
    case["profile"] = [row | {"price_per_mwh": 50.0} | profile for row in case["profile"]]
    case["buses"] = [row | (buses or {}) for row in case["buses"]]
    return ip.load_case(case)


def terms(*names: str, mode: str = "connected", **fields: Any) -> list[dict[str, Any]]:
    return [{"term": name} | ({} if name == "investment_cost" else {"mode": mode}) | fields for name in names]


def money(*names: str, unit: str = "USD", weight: float = 1.0, **fields: Any) -> Model:
    """The model of feeder4 with one DG, whose money counts."""
    chosen = {"unit": unit, "objective": terms(*names), "modes.connected.weight": weight}
    return hand("connected", chosen | fields)


def day(case: str, hours: int = 24) -> Case:
    """A shipped case whose first period makes a day of hours."""
    table = inline(case)
    first = table["profile"][0]
    table["profile"] = [first | {"period": t + 1, "start_h": float(t)} for t in range(hours)]
    return ip.load_case(table)


BUYING, BUILDING = ("energy_cost",), ("investment_cost", "energy_cost")
YEAR_OF_TWO_HOURS = 4380.0
BOTH_MODES = {"modes": {"connected": {"weight": 4370.0}, "islanded": {"weight": 10.0}}}


# The unit


UNITS = {
    # text, kind, scale, span in hours
    "MWh": ("MWh", 1.0, None),
    "kWh": ("MWh", 1e3, None),
    "GWh per year": ("MWh", 1e-3, 8760.0),
    "money": ("money", 1.0, None),
    "money x 365": ("money", 1.0, None),
    "USD": ("money", 1.0, None),
    "usd/day": ("money", 1.0, 24.0),
    "USD/year": ("money", 1.0, 8760.0),
    "USD / a": ("money", 1.0, 8760.0),
    "USD a year": ("money", 1.0, 8760.0),
    "EUR per week": ("money", 1.0, 168.0),
    "kEUR/month": ("money", 1e-3, 730.0),
    "MEUR": ("money", 1e-6, None),
    "tCO2": ("tCO2", 1.0, None),
    "kgCO2/year": ("tCO2", 1e3, 8760.0),
    "pu": ("pu", 1.0, None),
    "operations": ("operations", 1.0, None),
    "u": ("u", 1.0, None),
}


@pytest.mark.parametrize("text", UNITS)
def test_units_that_are_understood(text: str) -> None:
    unit = unit_of(text, "USD")
    assert unit is not None and (unit.kind, unit.scale, unit.span_h) == UNITS[text]


@pytest.mark.parametrize("text", ["bananas", "", "EUR/MWh", "MWh/fortnight", "MW", "per year", "Euro"])
def test_units_that_are_not(text: str) -> None:
    assert unit_of(text, "USD") is None


def test_currency_of_the_case_may_be_any_text() -> None:
    unit = unit_of("Euro/year", "Euro")
    assert unit is not None and (unit.kind, unit.span_h) == ("money", 8760.0)


# What would mean nothing


FAULTS: dict[str, tuple[Any, Model, str, str]] = {
    "no unit": ("feeder4", hand("connected", {"unit": "bananas"}), "/model/unit", "MWh, kWh.*EUR.*tCO2.*EUR/year"),
    "another currency": (
        priced(),
        money(*BUYING, unit="EUR/day"),
        "/model/unit",
        "in EUR, the money of case feeder4 in USD",
    ),
    "money as energy": (
        priced(),
        hand("connected", {"objective": terms("losses", "energy_cost")}),
        "/model/objective/1/term",
        "comes in money, which cannot be summed up as MWh",
    ),
    "operations as energy": (
        "feeder4",
        hand("connected", {"objective": terms("losses") + terms("switching", weight=0.1)}),
        "/model/objective/1/term",
        "comes in operations",
    ),
    "energy as emissions": (
        with_cells("feeder4", "profile", emissions_t_per_mwh=0.4),
        money("emissions", "losses", unit="tCO2"),
        "/model/objective/1/term",
        "comes in MWh, which cannot be summed up as tCO2",
    ),
    "six years a year": (
        day("ieee33"),
        load_model("cost"),
        "/model/modes/connected/weight",
        r"count 52,560 h .*connected 52,454.9 h, weight 2185.62.*a year has 8,760 h "
        r".*modes.connected.weight = 364.27 and modes.islanded.weight = 0.73\)",
    ),
    "two hours a year": (
        priced(),
        money(*BUILDING, unit="USD/year"),
        "/model/modes/connected/weight",
        "count 2 h .*set modes.connected.weight = 4380",
    ),
    "energy a year": (
        "feeder4",
        hand("connected", {"unit": "MWh/year"}),
        "/model/modes/connected/weight",
        "count 2 h",
    ),
    "more than a year of islands": (
        "feeder4",
        hand("islanded", {"unit": "MWh/year", "modes.islanded.weight": 5000.0}),
        "/model/modes/islanded/weight",
        "count 10,000 h",
    ),
    "peak as a year": (
        priced(),
        money(*BUYING, unit="USD/year", weight=YEAR_OF_TWO_HOURS, periods="peak"),
        "/model/modes/connected/weight",
        'count 4,380 h .*set periods = "all"',
    ),
    "MWh called kWh": (
        "feeder4",
        hand("connected", {"unit": "kWh"}),
        "/model/objective/0/weight",
        "comes in MWh and has weight 1, so that 1 MWh counts as 1 kWh .*a weight of 1000 makes kWh of it",
    ),
    "USD called kUSD": (
        priced(),
        money(*BUYING, unit="kUSD"),
        "/model/objective/0/weight",
        "a weight of 0.001 makes kUSD of it",
    ),
    "no price": ("feeder4", money(*BUYING), "/case/profile", "energy_cost .*is 0 in every plan .*price_per_mwh"),
    "no price beside what units cost": (
        "feeder4",
        money("investment_cost", "energy_cost", "generation_cost"),
        "/case/profile",
        "price_per_mwh",
    ),
    "no value of lost load": (
        "feeder4",
        hand("islanded", {"unit": "USD", "objective": terms("lost_load_cost", mode="islanded")}),
        "/case/buses",
        "value_of_lost_load_per_mwh",
    ),
    "no emissions": ("feeder4", money("emissions", unit="tCO2"), "/case/profile", "emissions_t_per_mwh"),
    "no weight": (
        "feeder4",
        hand("connected", {"objective": terms("losses", weight=0.0)}),
        "/model/objective",
        "no term of the objective has a weight above 0",
    ),
    "no weight of the mode": (
        "feeder4",
        hand("connected", {"modes.connected.weight": 0.0}),
        "/model/objective",
        "no term of the objective has a weight above 0",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_would_mean_nothing_is_refused(name: str) -> None:
    case, model, path, words = FAULTS[name]
    with pytest.raises(ip.InputError, match=words) as caught:
        resolve(ip.load_case(case), model)
    assert [finding.path for finding in caught.value.findings] == [path]


def test_all_faults_are_told_at_once() -> None:
    """What ails model ``cost`` on feeder4, and two faults of the model besides."""
    model = override(load_model("cost"), {"unit": "EUR/year", "dg.buses": [99]})
    with pytest.raises(ip.InputError) as caught:
        resolve(ip.load_case("feeder4"), model)
    paths = ["/model/dg/buses", "/model/unit", "/model/modes/connected/weight", "/case/profile", "/case/buses"]
    assert [finding.path for finding in caught.value.findings] == paths


KINDS: dict[str, dict[str, Any]] = {
    "solve": {},
    "robust": {"beta": 0.1},
    "opportunity": {"budget": 10.0},
    "sweep": {"betas": [0.1]},
    "search": {},
    "tradeoff": {"beta": 0.1},
    "worth": {"beta": 0.1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_request_is_refused_with_the_place(kind: str) -> None:
    model = money(*BUYING, unit="EUR").model_dump(mode="json") | uncertain("load", "dg_availability")
    request = {"schema": "igdt-planner/1", "case": {"name": "feeder4"}, "model": {"inline": model}}
    answer = ip.run(request | {"study": {"kind": kind, **KINDS[kind]}})
    assert answer["status"] == "failed" and answer["error"]["code"] == "bad_input"
    assert [field["path"] for field in answer["error"]["fields"]] == ["/model/unit", "/case/profile"]


def test_objective_of_a_front_without_data_is_refused() -> None:
    request = {"schema": "igdt-planner/1", "case": {"name": "feeder4"}, "model": {"name": "reconfiguration"}}
    answer = ip.run(request | {"study": {"kind": "pareto", "objectives": ["losses", "emissions"]}})
    assert [field["path"] for field in answer["error"]["fields"]] == ["/study/objectives/1"]
    assert "emissions_t_per_mwh" in answer["error"]["message"]


def test_front_does_not_care_for_the_objective_that_it_replaces() -> None:
    front = ip.pareto("feeder4", money(*BUYING, dg={}, uncertain=[]), ["losses", "switching"], points=2)
    assert front.plans and front.units == ("MWh", "operations")


def test_plan_of_a_meaningless_model_is_judged_with_a_warning_and_asked_no_more() -> None:
    """AC power flow does not hang on units; questions of cost do."""
    document = json.loads(json.dumps(ip.run(solving(hand("connected")))["runs"][0]))
    document["model"]["unit"] = "bananas"
    about = {"schema": "igdt-planner/1", "study": {"kind": "check", "plan": document}}
    judged = ip.run(about)
    assert judged["runs"][0]["ac"]["verdict"] == "feasible"
    assert "'bananas' is not understood" in judged["warnings"][0]
    asked = ip.run(about | {"study": {"kind": "robustness", "plan": document, "betas": [0.1]}})
    assert [field["path"] for field in asked["error"]["fields"]] == ["/study/plan/model/unit"]


# What means something else than it may seem


def solving(model: Model, case: Any = "feeder4") -> dict[str, Any]:
    own = {"name": case} if isinstance(case, str) else {"inline": ip.case_to_dict(case)}
    return {
        "schema": "igdt-planner/1",
        "case": own,
        "model": {"inline": model.model_dump(mode="json")},
        "study": {"kind": "solve"},
    }


DOUBTS: dict[str, tuple[Any, Model, str]] = {
    "energy at no price": (
        priced(),
        money("energy_cost", "losses"),
        "comes in MWh and has weight 1, so that 1 MWh counts as 1 USD",
    ),
    "investment beside two hours": (
        priced(),
        money(*BUILDING),
        "investment_cost is money a year, weight 1, beside 8,760 h of operation; the weights of modes count 2 h",
    ),
    "investment of a day beside two hours": (
        priced(),
        money(*BUILDING, objective=terms("investment_cost", weight=1.0 / 365.0) + terms(*BUYING)),
        "beside 24 h of operation; .* count 2 h .*set modes.connected.weight = 12$",
    ),
    "six years of money": (
        priced(),
        money(*BUYING, weight=6 * YEAR_OF_TWO_HOURS),
        "count 52,560 h .*, 6 years: the unit 'USD' names no span; .* set modes.connected.weight = 4380$",
    ),
    "six years in two modes": (
        priced(buses={"value_of_lost_load_per_mwh": 100.0}),
        money(
            objective=terms(*BUYING) + terms("lost_load_cost", mode="islanded"),
            modes={"connected": {"weight": 26000.0}, "islanded": {"weight": 280.0}},
        ),
        "count 52,560 h .*, 6 years: the unit 'USD' names no span",
    ),
    "what doing costs alone": (
        priced(),
        money("generation_cost", "investment_cost", weight=YEAR_OF_TWO_HOURS, unit="USD/year"),
        r"\(generation_cost, investment_cost\) is 0 where nothing is built, run or switched",
    ),
    "peak": (
        priced(),
        money(*BUYING, periods="peak"),
        "that of period 2, of highest load; of 2 h of the profile 1 h count$",
    ),
    "peak as a year": (
        priced(),
        money(*BUYING, unit="USD/year", weight=8760.0, periods="peak"),
        "1 h count, and stand for the whole year",
    ),
    "no price beside losses": (
        "feeder4",
        money("energy_cost", objective=terms("energy_cost") + terms("losses", weight=50.0)),
        "energy_cost .connected. is 0 in every plan: column price_per_mwh of the profile",
    ),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_may_mean_something_else_is_a_warning(name: str) -> None:
    case, model, words = DOUBTS[name]
    (warning,) = resolve(ip.load_case(case), model).warnings
    with pytest.raises(ValueError, match=words):
        raise ValueError(warning)


SILENT: dict[str, tuple[Any, Model]] = {
    "year": (priced(), money(*BUILDING, unit="USD/year", weight=YEAR_OF_TWO_HOURS)),
    "year of 52 weeks": (priced(), money(*BUILDING, unit="USD/year", weight=52 * 168 / 2)),
    "year in two modes": (
        priced(buses={"value_of_lost_load_per_mwh": 100.0}),
        money(unit="USD/year", objective=terms(*BUILDING) + terms("lost_load_cost", mode="islanded"), **BOTH_MODES),
    ),
    "hours of a year in an island": ("feeder4", hand("islanded", {"unit": "MWh/year", "modes.islanded.weight": 4.0})),
    "investment of a day": (
        priced(),
        money(unit="USD/day", weight=12.0, objective=terms("investment_cost", weight=1.0 / 365.0) + terms(*BUYING)),
    ),
    "money of two hours": (priced(), money(*BUYING)),
    "money of a day without investment": (priced(), money(*BUYING, unit="USD/day", weight=365.0)),
    "priced energy": (priced(), money(objective=terms(*BUYING) + terms("losses", weight=50.0))),
    "losses that are shown only": (priced(), money(objective=terms(*BUYING) + terms("losses", weight=0.0))),
    "negative prices": (priced(price_per_mwh=-5.0), money(*BUYING)),
    "weighted sum": (priced(), money("losses", "voltage_deviation", "switching", *BUYING, unit="u")),
    "kWh": ("feeder4", hand("connected", {"unit": "kWh", "objective": terms("losses", weight=1000.0)})),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_means_what_it_says_gives_no_warning(name: str) -> None:
    case, model = SILENT[name]
    assert resolve(ip.load_case(case), model).warnings == ()


@pytest.mark.parametrize("model", ip.list_models())
@pytest.mark.parametrize("case", ip.list_cases())
def test_shipped_models_are_silent_on_shipped_cases(case: str, model: str) -> None:
    """But for model ``cost`` on cases without prices."""
    network = ip.load_case(case)
    if model == "cost" and not network.profile["price_per_mwh"].any():
        with pytest.raises(ip.InputError, match="price_per_mwh"):
            resolve(network, load_model(model))
    else:
        assert resolve(network, load_model(model)).warnings == ()


ASKED = money(*BUYING, periods="peak", dg={}, **uncertain("load"))
PEAK = 'periods = "peak": the money is that of period 2'


def test_warning_stands_in_every_answer() -> None:
    answer = ip.run(solving(ASKED, priced()))
    assert answer["warnings"] == answer["runs"][0]["warnings"]
    assert answer["warnings"][0].startswith(PEAK)


VERBS: dict[str, Callable[[Case], list[ip.Plan]]] = {
    "robust": lambda case: [ip.robust(case, ASKED, 0.1)],
    "opportunity": lambda case: [ip.opportunity(case, ASKED, 0.1)],
    "search": lambda case: [ip.search(case, ASKED, evaluations=100)],
    "out of reach": lambda case: [ip.robust(case, ASKED, budget=1e-3)],
}


@pytest.mark.parametrize("verb", VERBS)
def test_warning_stands_in_the_plans_of_every_verb(verb: str) -> None:
    for plan in VERBS[verb](priced()):
        assert [warning[: len(PEAK)] for warning in plan.warnings] == [PEAK]


def test_warning_stands_in_every_plan_of_a_curve() -> None:
    curve = ip.sweep(priced(), ASKED, [0.1, 0.2])
    assert [[warning[: len(PEAK)] for warning in plan.warnings] for plan in (curve.baseline, *curve.plans)] == [
        [PEAK]
    ] * 3


# Beta


def test_beta_above_one() -> None:
    assert beta_doubts(1.0) == beta_doubts(None) == ()
    assert beta_doubts(10.0) == ("beta 10 allows 1,000 % more than the baseline costs; 10 % is written 0.1",)


@pytest.mark.slow
def test_beta_above_one_is_a_warning_of_the_plan() -> None:
    curve = ip.sweep("feeder4", hand("connected"), [0.5, 10.0])
    assert [one.warnings for one in curve.plans] == [(), beta_doubts(10.0)]
    assert ip.robustness(curve.baseline, [10.0]).plan.warnings == beta_doubts(10.0)


@pytest.mark.parametrize(
    ("text", "hint"), [("10%", "10 % is written 0.1"), (" 5 %", "5 % is written 0.05"), ("ten", "")]
)
def test_share_in_percent(text: str, hint: str) -> None:
    assert share_hint(text) == hint


@pytest.mark.parametrize(
    "command",
    [
        ["robust", "--beta"],
        ["tradeoff", "--beta"],
        ["worth", "--beta"],
        ["alternatives", "--beta"],
        ["sweep", "--betas"],
    ],
)
def test_percent_on_the_command_line(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, option = command
    monkeypatch.setattr("sys.argv", ["igdt-planner", verb, "feeder4", "dual_mode", option, "10%"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"error: {option} 10%: write") and "(10 % is written 0.1)" in said


@pytest.mark.parametrize(
    ("field", "value", "path"), [("beta", "10%", "/study/beta"), ("betas", ["10%"], "/study/betas/0")]
)
def test_percent_in_a_request(field: str, value: object, path: str) -> None:
    kind = "robust" if field == "beta" else "sweep"
    request = solving(hand("connected")) | {"study": {"kind": kind, field: value}}
    (fault,) = ip.run(request)["error"]["fields"]
    assert fault["path"] == path
    assert "a share of the baseline's cost (10 % is written 0.1)" in fault["message"]


def test_percent_in_python() -> None:
    with pytest.raises(ip.InputError, match=r"beta '10%' is no number \(10 % is written 0\.1\)"):
        ip.robust("feeder4", hand("connected"), "10%")  # type: ignore[arg-type]
