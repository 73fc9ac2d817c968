"""Commands that say what alpha is worth: evidence, calibrate, alternatives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from igdt_planner.cli.exits import DONE, NOT_AS_ASKED, exit_of_plan
from igdt_planner.cli.options import (
    CaseArgument,
    Json,
    ModelArgument,
    Out,
    RequiredBeta,
    Set,
    TimeLimit,
    parse_settings,
    require_folder,
)
from igdt_planner.model import load_model, override
from igdt_planner.progress import Progress
from igdt_planner.report.evidence_text import calibration_summary, evidence_summary
from igdt_planner.report.results import report_alternatives, report_calibration, report_table
from igdt_planner.report.robustness_text import alternatives_summary
from igdt_planner.results.document import load_plan, to_json
from igdt_planner.witness.alternatives import alternatives
from igdt_planner.witness.calibration import calibrate
from igdt_planner.witness.evidence import evidence


def evidence_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="JSON of a robust plan")],
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="samples inside alpha")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="the same seed gives the same evidence")] = 0,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """A robust plan under samples inside alpha, and on rays beyond it, by AC power flow."""
    require_folder(out)
    with Progress(sys.stderr) as progress:
        found = evidence(load_plan(plan), samples, seed, on_event=progress)
    if out is not None:
        report_table(found, out, "evidence")
    sys.stdout.write(to_json(found.to_dict()) if as_json else evidence_summary(found))
    raise typer.Exit(DONE if found.holds else NOT_AS_ASKED)


def calibrate_command(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="CSV of past forecasts and outcomes")],
    plan_or_model: Annotated[
        str, typer.Argument(metavar="PLAN_OR_MODEL", help="JSON of a plan, or a shipped model name or TOML file")
    ],
    case: Annotated[
        str | None, typer.Option("--case", metavar="CASE", help="whose periods a day has, beside a model")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", metavar="A", help="radius to judge, if not the plan's own")
    ] = None,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """What alpha means: the share of past days on which no forecast was further off.

    HISTORY has the columns time, quantity, forecast, outcome and component, in order of time. Unless the shape
    of the uncertainty set is the same range in every period, a day has one time for each period of the plan,
    or of the case that is named beside a model.
    """
    require_folder(out)
    source = load_plan(plan_or_model) if plan_or_model.endswith(".json") else load_model(plan_or_model)
    found = calibrate(history, source, alpha, case=case)
    if out is not None:
        report_calibration(found, out)
    sys.stdout.write(to_json(found.to_dict()) if as_json else calibration_summary(found))


def alternatives_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: RequiredBeta,
    radius: Annotated[
        float | None, typer.Option("--radius", metavar="A", help="where costs are compared, if not at the plan's alpha")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="samples inside the radius")] = 10_000,
    scenarios: Annotated[
        int, typer.Option("--scenarios", metavar="N", help="samples whose mean cost the stochastic plan minimises")
    ] = 10,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="the same seed draws the same samples")] = 0,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    set_: Set = None,
) -> None:
    """A robust plan beside a deterministic, a stochastic and a static robust one, in the same samples."""
    require_folder(out)
    chosen = override(load_model(model), parse_settings(set_))
    asked: dict[str, Any] = {"radius": radius, "samples": samples, "scenarios": scenarios, "seed": seed}
    with Progress(sys.stderr) as progress:
        found = alternatives(case, chosen, beta, **asked, time_limit_s=time_limit, on_event=progress)
    if out is not None:
        report_alternatives(found, out)
    sys.stdout.write(to_json(found.to_dict()) if as_json else alternatives_summary(found))
    unsolved = [plan for plan in found.plans.values() if plan.status not in ("optimal", "feasible")]
    raise typer.Exit(max(map(exit_of_plan, unsolved), default=DONE))
