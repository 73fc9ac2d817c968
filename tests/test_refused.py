"""What AC power flow refuses: a status of its own, no objective and no budget, in every verb and every document."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hand import hand
from networks import chain, too_long

import igdt_planner as ip
from igdt_planner import repair
from igdt_planner.ac.check import check_dispatch
from igdt_planner.cli import main
from igdt_planner.formulation.solution import Decisions
from igdt_planner.interchange.csv_folder import write_csv_folder
from igdt_planner.model import Model, load_model, override
from igdt_planner.outcome import blank_plan, settled
from igdt_planner.plan import Plan, Step, Violation
from igdt_planner.report.documents import report_document
from igdt_planner.report.text import summary
from igdt_planner.results.document import to_json
from igdt_planner.session import Run, Session
from igdt_planner.starts import as_stated, starts_of, untouched
from igdt_planner.study import resolve

LINEAR = override(
    load_model("reconfiguration"),
    {
        "losses": "objective",
        "uncertain": [{"quantity": name, "physical_max": 1.5} for name in ("active_load", "reactive_load")],
    },
)
"""Losses as at nominal voltage, and none in voltages: it believes that the feeder which is too long can be run."""
V_BY_AC = (1.0 + math.sqrt(0.6)) / 2.0
BROKEN = "bus 2 at 0.8873 pu is below 0.8900 pu (connected, period 1)"
TRIED = "milp, redispatch, topology, search, untouched"
NO_BUDGET = "the baseline is refused by AC power flow, so no budget can be derived from it; give"


@cache
def refused() -> Plan:
    return ip.solve(too_long(), LINEAR)


@cache
def answers() -> dict[str, Any]:
    """What every verb makes of a baseline that is refused, where its budget would refer to it."""
    asked = too_long(), LINEAR
    return {
        "sweep": ip.sweep(*asked, [0.0, 0.1]),
        "tradeoff": ip.tradeoff(*asked, 0.1, points=2),
        "worth": ip.worth_of_one_more(*asked, 0.1),
        "alternatives": ip.alternatives(*asked, 0.1, samples=10),
        "robustness": ip.robustness(refused(), [0.0, 0.1]),
        "comparison": ip.compare([refused(), refused()], [0.0, 0.1]),
    }


def require_refused(plan: Plan) -> None:
    """None of the numbers that a plan has, but the dispatch and what is broken."""
    assert plan.status == "refused" and plan.refused
    assert plan.objective is None and plan.gap is None and plan.robustness.get("alpha") is None
    assert plan.dispatch is not None and plan.ac is not None and plan.ac.verdict == "violated"
    assert plan.least_violation is not None and plan.least_violation.message == BROKEN


def test_a_refused_plan_says_what_is_broken_and_what_was_tried() -> None:
    plan = refused()
    require_refused(plan)
    assert plan.bound == pytest.approx(0.1) and plan.model_objective == pytest.approx(0.1)
    assert ", ".join(step.step for step in plan.steps) == TRIED and plan.decided_by == "none"
    told = f"refused by AC power flow: {BROKEN}; tried: {TRIED}; the least violation found is 0.3 % of that limit"
    assert plan.explanation == told
    assert plan.least_violation is not None
    assert plan.least_violation.excess == pytest.approx((0.89 - V_BY_AC) / 0.89)
    first, second, *_ = plan.steps
    assert first.violation == plan.least_violation.excess and first.message == BROKEN
    assert second.verdict == "not_checked" and second.violation is None and second.message == ""


def test_generation_that_must_be_taken_lifts_its_voltage_too_far() -> None:
    """2 MW back over 0.02 pu: ``v (v - 1) = 0.04``, v = 1.03852; losses that do not exist would pull it to 1.0384."""
    case = chain([(0.0, 0.0), (0.0, 0.0)], 0.02, 0.0)
    case["buses"][1] |= {"vm_max_pu": 1.0384}
    pv = {"name": "pv", "p_mw": 2.0, "must_take": True, "q_max_mvar": 0.0}
    sites = {"dg.max_units": 1, "dg.technologies": [pv], "fix.dg": [{"bus": 2, "technology": "pv"}]}
    plan = ip.solve(case, override(LINEAR, {"losses": "balance", "uncertain": [], **sites}))
    assert plan.status in ("refused", "infeasible"), "infeasible where the relaxation is tight enough to prove it"
    assert plan.objective is None and plan.gap is None
    if plan.least_violation is not None:
        assert plan.least_violation.value == pytest.approx((1.0 + math.sqrt(1.16)) / 2.0)


@pytest.mark.parametrize(
    ("value", "limit", "excess"),
    [
        (1.0350, 1.03, 0.005 / 1.03),
        (0.44, 0.4, 0.1),
        (0.5, 0.0, 500.0),
        (0.0, 0.0, math.inf),
        (math.nan, 1.0, math.inf),
    ],
    ids=["voltage", "current", "limit of 0", "rule without a measure", "no number"],
)
def test_excess_is_a_share_of_the_limit(value: float, limit: float, excess: float) -> None:
    violation = Violation("kind", "connected", 1, "bus", 2, value, limit, "pu", "words")
    assert violation.excess == pytest.approx(excess)


def test_of_all_steps_the_dispatch_of_least_violation_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DG at the end gives 10, 20 and 5 kW in three steps; 0.89 pu need 21: ``v (1 - v) = 0.1 (1 - p)``."""
    unit = {"name": "dg", "p_mw": 1.0, "q_max_mvar": 0.0, "generation_cost_per_mwh": 500.0}
    dear = {
        "objective": [{"term": term, "mode": "connected"} for term in ("energy_cost", "generation_cost")],
        "unit": too_long()["currency"],
        "dg": {"max_units": 1, "technologies": [unit]},
        "fix.dg": [{"bus": 2, "technology": "dg"}],
    }
    outputs: dict[Step, float] = {"redispatch": 0.01, "topology": 0.02, "sites": 0.005}
    with Session(ip.load_case(too_long()), override(LINEAR, dear), None, None, None) as session:
        solved = session.solver.solve(session.study)
        decisions = as_stated(session.study)
        own = session.judged(solved, decisions, session.study)

        def given(_: Session, step: Step, __: Decisions) -> tuple[Decisions, Run | None]:
            if step not in outputs:
                return decisions, None
            dispatch = dataclasses.replace(own.dispatch, dg=own.dispatch.dg.assign(p_mw=outputs[step]))
            verdict = check_dispatch(blank_plan(session.study, "solve", None, decisions), dispatch)
            return decisions, Run(dispatch, verdict, None, {})

        monkeypatch.setattr(repair, "anew", given)
        kept = repair.accept(session, solved, decisions)
    assert kept.step == "none" and kept.run.dispatch.dg["p_mw"].item() == 0.02
    v = (1.0 + math.sqrt(1.0 - 0.4 * 0.98)) / 2.0
    assert [step.violation for step in kept.steps][2] == pytest.approx((0.89 - v) / 0.89, abs=1e-8)
    assert kept.run.verdict.excess == min(step.violation for step in kept.steps if step.violation is not None)


def test_nothing_built_is_a_plan_of_its_own() -> None:
    """Sites and lines stay as the user states them; without switch a line stays, in an island all others open."""
    study = resolve(ip.load_case("feeder4"), hand("islanded"))
    decisions = as_stated(study)
    switched = tuple(line.id for line in study.lines.values() if line.switchable or not line.closed)
    assert decisions.dg == decisions.ess == ()
    assert decisions.open_lines == {"islanded": dict.fromkeys(study.periods, switched)}
    stated = hand("switching", {"fix.open_lines": {"connected": [2]}})
    assert as_stated(resolve(ip.load_case("feeder4"), stated)).open_lines == {"connected": {1: (2,), 2: (2,)}}


def test_a_solve_starts_from_what_is_known_and_from_nothing_built() -> None:
    study = resolve(ip.load_case("feeder4"), hand("switching"))
    nothing = untouched(study)
    other = {**nothing, "mode[connected].line_on[1,1]": 0.0}
    assert starts_of(study, None) == [nothing]
    assert starts_of(study, other) == [other, nothing]
    assert starts_of(study, {name: 1.0 for name, value in nothing.items() if value}) == [nothing]


@pytest.mark.parametrize("ask", [ip.robust, ip.opportunity])
def test_no_budget_is_derived_from_a_refused_baseline(ask: Callable[..., Plan]) -> None:
    plan = ask(too_long(), LINEAR, 0.1)
    require_refused(plan)
    assert plan.kind == ask.__name__ and plan.explanation.startswith(NO_BUDGET) and BROKEN in plan.explanation
    fields = plan.robustness
    assert fields["beta"] == 0.1 and fields["budget"] is None and fields["base_objective"] is None
    assert fields["base_bound"] == pytest.approx(0.1) and plan.bound is None, "a bound of a cost is none of alpha"


def test_a_budget_in_units_is_asked_for_though_the_baseline_is_refused() -> None:
    """``0.1 (1 + alpha)^2 <= 0.2`` and, without losses, ``1 - 0.2 (1 + alpha) >= 0.89^2``: alpha 0.0395, by the model.

    By AC not even the forecast can be run, though it comes nearer to the limit.
    """
    plan = ip.robust(too_long(), LINEAR, budget=0.2)
    require_refused(plan)
    assert plan.robustness["budget"] == 0.2 and plan.robustness["base_objective"] is None
    assert plan.robustness["alpha_bound"] == pytest.approx((1.0 - 0.89**2) / 0.2 - 1.0, rel=1e-3)
    assert [step.step for step in plan.steps] == ["milp", "redispatch", "topology"]
    assert plan.steps[0].model_alpha == pytest.approx(0.0395, rel=1e-3) and plan.steps[0].alpha is None
    assert plan.steps[0].violation is not None and plan.least_violation is not None
    assert plan.steps[0].violation > plan.least_violation.excess
    assert "no budget" not in plan.explanation


def test_an_opportunity_that_cannot_be_run_at_the_forecast_is_refused() -> None:
    """At 0.7071 of the load the losses fall to half and the voltage holds; the forecast stays what it is."""
    plan = ip.opportunity(too_long(), LINEAR, budget=0.05)
    assert plan.status == "refused" and "at the forecast" in plan.explanation
    assert plan.ac is not None and plan.ac.verdict == "feasible"
    assert plan.objective is None and plan.robustness["alpha"] is None


def test_every_answer_to_a_refused_baseline_is_a_result() -> None:
    found = answers()
    for plan in (*found["sweep"].plans, found["tradeoff"].baseline, found["worth"].as_it_is):
        require_refused(plan)
        assert plan.explanation.startswith(NO_BUDGET)
    assert found["sweep"].table["status"].tolist() == ["refused", "refused"]
    assert found["tradeoff"].table.empty and found["tradeoff"].budget is None
    assert list(found["worth"].plans) == ["as it is"]
    assert found["alternatives"].table["status"].tolist() == ["refused"] and found["alternatives"].budget is None
    for curve in (found["robustness"], *found["comparison"].curves.values()):
        assert curve.base_objective is None and curve.table["verdict"].eq("violated").all()
        assert curve.table[["alpha", "budget"]].isna().all(axis=None)


@pytest.mark.parametrize("name", ["sweep", "tradeoff", "worth", "alternatives", "robustness", "comparison"])
def test_documents_texts_and_pictures_say_that_it_is_refused(name: str, tmp_path: Path) -> None:
    found = answers()[name]
    document = json.loads(to_json(found.to_dict()))
    text, written = report_document(document, tmp_path)
    assert BROKEN in text and NO_BUDGET in text
    assert written and all(path.stat().st_size for path in written)
    path = found.save(tmp_path / "result.json")
    assert to_json(ip.load_result(path).to_dict()) == to_json(found.to_dict())
    if name != "comparison":
        assert title_of(found.plot()).endswith(", refused by AC")


def title_of(figure: Any) -> str:
    """The headline of a picture: its first text."""
    return str(figure.texts[0].get_text())


def test_pictures_and_text_of_a_refused_plan() -> None:
    from igdt_planner.report import figures

    plan = refused()
    for figure in (figures.feeder_figure(plan), figures.voltage_figure(plan), figures.dispatch_figure(plan)):
        assert title_of(figure).endswith(", refused by AC")
    text = summary(plan)
    for words in (
        "refused: a plan was found, but AC power flow refuses it",
        "objective         none   AC: VIOLATED",
        "AC: VIOLATED by 0.3 %",
        f"AC violations     {BROKEN}",
    ):
        assert words in text


def test_a_saved_refused_plan_comes_back_and_stays_refused(tmp_path: Path) -> None:
    path = ip.save_plan(refused(), tmp_path / "refused.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["status"] == "refused" and document["objective"] is None and document["gap"] is None
    assert document["least_violation"]["message"] == BROKEN
    assert document["least_violation"]["excess"] == pytest.approx((0.89 - V_BY_AC) / 0.89)
    again = ip.check(ip.load_plan(path))
    require_refused(again)
    assert again.explanation == refused().explanation
    assert to_json(ip.plan_to_dict(again)) == to_json(document)


def test_steps_of_earlier_documents_have_no_violation() -> None:
    document = json.loads(to_json(ip.plan_to_dict(refused())))
    for step in document["steps"]:
        del step["violation"], step["message"]
    plan = ip.plan_from_dict(document)
    assert {step.violation for step in plan.steps} == {None} and {step.message for step in plan.steps} == {""}


def test_a_plan_that_the_judge_refuses_later_is_refused() -> None:
    """A plan of feeder4 in a feeder whose lower limit was raised after it was made."""
    plan = ip.solve("feeder4", hand("switching", {"losses": "balance"}))
    assert plan.status == "optimal" and plan.ac is not None and plan.ac.vm_min_pu is not None
    raised = plan.case.buses.assign(vm_min_pu=plan.ac.vm_min_pu + 1e-3)
    later = ip.check(dataclasses.replace(plan, case=dataclasses.replace(plan.case, buses=raised)))
    assert later.status == "refused" and later.objective is None and later.gap is None
    assert later.explanation.startswith("refused by AC power flow: bus ")


def test_what_survives_is_not_asked_of_a_refused_plan() -> None:
    plan = ip.robust(too_long(), LINEAR, budget=0.2)
    with pytest.raises(ip.InputError, match="no alpha to be tried: refused by AC power flow"):
        ip.evidence(plan, 10)


def test_a_search_that_finds_nothing_within_limits_shows_the_nearest() -> None:
    plan = ip.search(too_long(), override(LINEAR, {"uncertain": []}), evaluations=20)
    require_refused(plan)
    assert plan.decided_by == "search" and plan.search["evaluations"] > 0


def test_a_front_of_refused_plans_is_refused() -> None:
    front = ip.pareto(too_long(), override(LINEAR, {"uncertain": []}), ["losses", "switching"], points=2)
    assert not front.plans and front.status == "refused"
    assert all("AC power flow refused the plan found" in text for text in front.missed)


COMMANDS: dict[str, tuple[str, list[str]]] = {
    "solve": ("solve", []),
    "search": ("search", ["--evaluations", "20"]),
    "robust": ("robust", ["--beta", "0.1"]),
    "robust with a budget": ("robust", ["--budget", "0.2"]),
    "opportunity": ("opportunity", ["--beta", "0.1"]),
    "sweep": ("sweep", ["--betas", "0,0.1"]),
    "tradeoff": ("tradeoff", ["--beta", "0.1"]),
    "worth": ("worth", ["--beta", "0.1"]),
    "alternatives": ("alternatives", ["--beta", "0.1", "--samples", "10"]),
    "pareto": ("pareto", ["--objectives", "losses,switching", "--points", "2"]),
}


SELDOM = ("search", "robust with a budget", "opportunity", "worth", "alternatives")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SELDOM)) for name in COMMANDS])
def test_exit_status_of_what_is_refused_is_1(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command, options = COMMANDS[name]
    write_csv_folder(ip.case_to_dict(ip.load_case(too_long())), tmp_path / "case", "")
    text = toml_of(LINEAR, uncertain=command not in ("search", "pareto"))
    (tmp_path / "model.toml").write_text(text, encoding="utf-8")
    arguments = [command, str(tmp_path / "case"), str(tmp_path / "model.toml"), *options]
    monkeypatch.setattr(sys, "argv", ["igdt-planner", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "refused" in capfd.readouterr().out


def toml_of(model: Model, *, uncertain: bool) -> str:
    """The shared model as a file."""
    text = f'name = "linear"\nunit = "{model.unit}"\nlosses = "objective"\n'
    text += (
        'objective = [{ term = "losses", mode = "connected" }]\n[modes.connected]\ntopology = "static"\nweight = 1.0\n'
    )
    quantities = [entry.quantity for entry in model.uncertain] if uncertain else []
    return text + "".join(f'[[uncertain]]\nquantity = "{name}"\nphysical_max = 1.5\n' for name in quantities)


def with_bound(plan: Plan, bound: float) -> Plan:
    """A plan with another bound, as a solver that errs might state it."""
    fields = plan.robustness | {"alpha_bound": bound} if plan.robustness else {}
    return settled(dataclasses.replace(plan, bound=bound, robustness=fields))


@cache
def sound(kind: str) -> Plan:
    model = hand("connected", {"losses": "balance"})
    if kind == "solve":
        return ip.solve("feeder4", model)
    return ip.robust("feeder4", model, 0.1) if kind == "robust" else ip.opportunity("feeder4", model, 0.1)


@pytest.mark.parametrize(("kind", "side"), [("solve", 1.0), ("robust", -1.0), ("opportunity", 1.0)])
def test_a_bound_within_tolerance_is_printed_no_better_than_its_plan(kind: str, side: float) -> None:
    """AC accepts 1e-6 pu of a range of 0.05 pu: 2e-5 of what flows."""
    plan = sound(kind)
    own = plan.objective if kind == "solve" else plan.robustness["alpha"]
    assert plan.status == "optimal" and own is not None and plan.bound is not None
    assert side * plan.bound <= side * own
    nearly = with_bound(plan, own * (1.0 + side * 1e-5))
    assert nearly.bound == own and nearly.gap == 0.0 and nearly.status == "optimal" and not nearly.warnings
    assert kind == "solve" or nearly.robustness["alpha_bound"] == own


@pytest.mark.parametrize(
    ("kind", "side", "words"),
    [
        ("solve", 1.0, "THE BOUND LIES ABOVE THE OBJECTIVE"),
        ("robust", -1.0, "THE BOUND LIES BELOW THE ALPHA"),
        ("opportunity", 1.0, "THE BOUND LIES ABOVE THE ALPHA"),
    ],
)
def test_a_bound_that_contradicts_its_plan_is_said_loudly(kind: str, side: float, words: str) -> None:
    plan = sound(kind)
    own = plan.objective if kind == "solve" else plan.robustness["alpha"]
    assert own is not None
    wrong = with_bound(plan, own * (1.0 + side * 0.01))
    assert wrong.status == "failed" and wrong.gap is None
    (warning,) = wrong.warnings
    assert warning.startswith(words) and warning.endswith("please report this")
    assert settled(wrong) == wrong or settled(wrong).warnings == wrong.warnings, "said once"
    assert "failed" in summary(wrong) and words in summary(wrong)


def test_a_linear_bound_is_not_compared_with_ac() -> None:
    plan = ip.solve("feeder4", hand("connected", {"losses": "objective"}))
    assert plan.bound_of == "linear" and plan.objective is not None
    assert with_bound(plan, 2.0 * plan.objective).status == plan.status
