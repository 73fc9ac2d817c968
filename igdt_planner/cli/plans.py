"""Commands that answer with one plan: solve, robust, opportunity, search, check."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from igdt_planner.cli.exits import exit_of_plan
from igdt_planner.cli.options import (
    Beta,
    Budget,
    CaseArgument,
    Gap,
    Json,
    ModelArgument,
    Out,
    Set,
    TimeLimit,
    parse_settings,
    require_folder,
)
from igdt_planner.model import Model, load_model, override
from igdt_planner.plan import Plan
from igdt_planner.planner import check, opportunity, robust, search, solve
from igdt_planner.progress import Progress
from igdt_planner.report.results import report_plan
from igdt_planner.report.text import summary
from igdt_planner.results.document import load_plan, plan_to_dict, save_plan, to_json
from igdt_planner.search.algorithms import ALGORITHMS


def solve_command(
    case: CaseArgument,
    model: ModelArgument,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Baseline plan: least cost at the forecast."""
    answer_plan(lambda m, on: solve(case, m, time_limit_s=time_limit, gap=gap, on_event=on), model, set_, as_json, out)


def robust_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: Beta = None,
    budget: Budget = None,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Risk-averse plan: the largest alpha within the budget."""
    answer_plan(
        lambda m, on: robust(case, m, beta, budget=budget, time_limit_s=time_limit, gap=gap, on_event=on),
        model,
        set_,
        as_json,
        out,
    )


def opportunity_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: Beta = None,
    budget: Budget = None,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Risk-seeking plan: the smallest alpha that lets the cost fall to the budget."""
    answer_plan(
        lambda m, on: opportunity(case, m, beta, budget=budget, time_limit_s=time_limit, gap=gap, on_event=on),
        model,
        set_,
        as_json,
        out,
    )


def search_command(
    case: CaseArgument,
    model: ModelArgument,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="NAME", help=f"one of {', '.join(ALGORITHMS)}")
    ] = "hybrid",
    evaluations: Annotated[
        int, typer.Option("--evaluations", metavar="N", help="AC power flows that may be used")
    ] = 20_000,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="the same seed gives the same plan")] = 0,
    neighbourhoods: Annotated[
        bool, typer.Option("--neighbourhoods", help="let hybrid solve neighbourhoods of a plan by MILP too")
    ] = False,
    as_json: Json = False,
    out: Out = None,
    set_: Set = None,
) -> None:
    """Plan found by a search over radial topologies and sites, without a proof."""
    answer_plan(
        lambda m, on: search(
            case,
            m,
            algorithm=algorithm,
            evaluations=evaluations,
            seed=seed,
            neighbourhoods=neighbourhoods,
            on_event=on,
        ),
        model,
        set_,
        as_json,
        out,
    )


def check_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="plan JSON")], as_json: Json = False, out: Out = None
) -> None:
    """AC verdict of a saved plan."""
    show_plan(check(load_plan(plan)), as_json, out)


def answer_plan(
    verb: Callable[[Model, Any], Plan], model: str, settings: list[str] | None, as_json: bool, out: Path | None
) -> None:
    """Run a verb with progress on standard error, then show its plan."""
    require_folder(out)
    chosen = override(load_model(model), parse_settings(settings))
    with Progress(sys.stderr) as progress:
        plan = verb(chosen, progress)
    show_plan(plan, as_json, out)


def show_plan(plan: Plan, as_json: bool, out: Path | None) -> None:
    """Print a plan, write its files, and exit with its status."""
    if out is not None:
        save_plan(plan, out / f"{plan.kind}.json")
        report_plan(plan, out)
    sys.stdout.write(to_json(plan_to_dict(plan)) if as_json else summary(plan).rstrip() + "\n")
    raise typer.Exit(exit_of_plan(plan))
