"""Commands that answer with curves and fronts: sweep, robustness, drivers, tradeoff, worth, pareto, demo."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from igdt_planner.cli.exits import DONE, NO_PLAN, NOT_AS_ASKED, exit_of_given, exit_of_plan
from igdt_planner.cli.options import (
    CaseArgument,
    Gap,
    Json,
    ModelArgument,
    Out,
    RequiredBeta,
    Set,
    TimeLimit,
    parse_grid,
    parse_sense,
    parse_settings,
    require_folder,
)
from igdt_planner.errors import InputError
from igdt_planner.model import load_model, override
from igdt_planner.pareto import METHODS
from igdt_planner.pareto import require as require_front
from igdt_planner.planner import (
    compare,
    drivers,
    pareto,
    robustness,
    sweep,
    sweep_models,
    tradeoff,
    worth_of_one_more,
)
from igdt_planner.pool import process_pool
from igdt_planner.progress import Progress
from igdt_planner.report.documents import curves_summary, fronts_summary
from igdt_planner.report.results import (
    report_curves,
    report_drivers,
    report_fronts,
    report_robustness,
    report_table,
    report_worth,
)
from igdt_planner.report.robustness_text import (
    comparison_summary,
    drivers_summary,
    fixed_summary,
    tradeoff_summary,
    worth_summary,
)
from igdt_planner.results.comparison import Comparison
from igdt_planner.results.curve import Curve
from igdt_planner.results.document import SCHEMA, load_plan, to_json
from igdt_planner.results.fixed import FixedCurve
from igdt_planner.results.front import OBJECTIVES, Front

DEMO_LIMIT_S = 100.0
"""Limit of each solve of the demo; the robust ones end far sooner because they start from the baseline's plan."""


def sweep_command(
    case: CaseArgument,
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="one or more shipped model names or TOML files, by their names")
    ],
    betas: Annotated[str, typer.Option("--betas", metavar="GRID", help="from:to:step, or numbers with commas")],
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="keep every result here, in a file of its own")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="take from the store what it holds; solve what is missing or has failed")
    ] = False,
    sense: Annotated[str, typer.Option("--sense", metavar="SENSE", help="robust or opportunity")] = "robust",
    alpha_gap: Annotated[
        float | None, typer.Option("--alpha-gap", metavar="G", help="gap of alpha that is good enough, if not --gap")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="processes that solve side by side, each on one thread")
    ] = 1,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Robustness curve: a robust plan (or an opportunity) for every beta of a grid, for one model or several."""
    grid = parse_grid(betas)
    require_folder(out)
    if workers < 1:
        raise InputError.of(f"--workers {workers}: needs at least 1", got=workers, path="/workers")
    asked = parse_sense(sense)
    chosen = [override(load_model(model), parse_settings(set_)) for model in models]
    with Progress(sys.stderr) as progress, process_pool(workers) if workers > 1 else nullcontext() as pool:
        options: dict[str, Any] = {"time_limit_s": time_limit, "gap": gap, "on_event": progress}
        spread: dict[str, Any] = {"executor": pool, "store": store, "resume": resume}
        spread |= {"sense": asked, "alpha_gap": alpha_gap}
        if len(chosen) == 1:
            curves = {chosen[0].name: sweep(case, chosen[0], grid, **options, **spread)}
        else:
            curves = sweep_models(case, chosen, grid, **options, **spread)
    show_curves(curves, as_json, out)


def robustness_command(
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN", help="JSON of one plan, or of several to be compared")],
    betas: Annotated[str, typer.Option("--betas", metavar="GRID", help="from:to:step, or numbers with commas")],
    base: Annotated[
        float | None, typer.Option("--base", metavar="COST", help="cost that beta refers to, in the model's unit")
    ] = None,
    sense: Annotated[str, typer.Option("--sense", metavar="SENSE", help="robust or opportunity")] = "robust",
    as_json: Json = False,
    out: Out = None,
) -> None:
    """What given plans survive as they stand, and at which budget one overtakes another."""
    grid, asked = parse_grid(betas), parse_sense(sense)
    require_folder(out)
    loaded = {path.stem if len({p.stem for p in plans}) == len(plans) else str(path): load_plan(path) for path in plans}
    found: FixedCurve | Comparison
    with Progress(sys.stderr) as progress:
        if len(loaded) == 1:
            (plan,) = loaded.values()
            found = robustness(plan, grid, base_objective=base, sense=asked, on_event=progress)
        elif asked == "opportunity":
            raise InputError.of("plans are compared by what they survive: --sense robust", got=sense, path="/sense")
        else:
            found = compare(loaded, grid, base_objective=base, on_event=progress)
    if out is not None:
        report_robustness(found, out)
    text = fixed_summary(found) if isinstance(found, FixedCurve) else comparison_summary(found)
    sys.stdout.write(to_json(found.to_dict()) if as_json else text)
    raise typer.Exit(exit_of_given(loaded.values()))


def drivers_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="JSON of a robust plan")],
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Which uncertain quantity and which term of the cost drive the alpha of a robust plan."""
    require_folder(out)
    found = drivers(load_plan(plan))
    if out is not None:
        report_drivers(found, out)
    sys.stdout.write(to_json(found.to_dict()) if as_json else drivers_summary(found))


def tradeoff_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: RequiredBeta,
    points: Annotated[int, typer.Option("--points", metavar="N", help="points of the front")] = 5,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Two uncertain quantities: how much of one is survived beside how much of the other."""
    require_folder(out)
    chosen = override(load_model(model), parse_settings(set_))
    with Progress(sys.stderr) as progress:
        found = tradeoff(case, chosen, beta, points=points, time_limit_s=time_limit, gap=gap, on_event=progress)
    if out is not None:
        report_table(found, out, "tradeoff")
    sys.stdout.write(to_json(found.to_dict()) if as_json else tradeoff_summary(found))
    raise typer.Exit(exit_of_given([found.baseline]))


def worth_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: RequiredBeta,
    lines: Annotated[
        list[int] | None,
        typer.Option("--line", metavar="N", help="a line that would get a switch; any number of times"),
    ] = None,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """What one more DG, storage unit or switch buys in alpha, at the budget of the study as it is."""
    require_folder(out)
    chosen = override(load_model(model), parse_settings(set_))
    limits: dict[str, Any] = {"time_limit_s": time_limit, "gap": gap}
    with Progress(sys.stderr) as progress:
        found = worth_of_one_more(case, chosen, beta, lines=lines or [], **limits, on_event=progress)
    if out is not None:
        report_worth(found, out)
    sys.stdout.write(to_json(found.to_dict()) if as_json else worth_summary(found))
    raise typer.Exit(max(map(exit_of_plan, found.plans.values())))


def pareto_command(
    case: CaseArgument,
    model: ModelArgument,
    objectives: Annotated[
        str, typer.Option("--objectives", metavar="NAMES", help="two or more of: " + ", ".join(OBJECTIVES))
    ],
    methods: Annotated[
        str, typer.Option("--method", metavar="NAMES", help="one or more of: " + ", ".join(METHODS))
    ] = "milp",
    points: Annotated[
        int, typer.Option("--points", metavar="N", help="limits on every objective but the first (milp, hybrid)")
    ] = 9,
    evaluations: Annotated[
        int, typer.Option("--evaluations", metavar="N", help="AC power flows that a search may use")
    ] = 20_000,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="the same seed gives the same front")] = 0,
    as_json: Json = False,
    out: Out = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Front: plans of which none is better in one objective without being worse in another."""
    require_folder(out)
    names = [name.strip() for name in objectives.split(",") if name.strip()]
    chosen = override(load_model(model), parse_settings(set_))
    wanted = [name.strip() for name in methods.split(",")]
    for method in wanted:
        require_front(names, method, points, evaluations, seed)
    found = []
    for method in wanted:
        proven = method == "milp" or "milp" not in wanted
        limits: dict[str, Any] = {"time_limit_s": time_limit, "gap": gap} if proven else {}
        asked: dict[str, Any] = {"method": method, "points": points, "evaluations": evaluations, "seed": seed}
        with Progress(sys.stderr) as progress:
            found.append(pareto(case, chosen, names, **asked, **limits, on_event=progress))
    show_fronts(found, as_json, out)


def demo_command(out: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path("out")) -> None:
    """The main job: baseline, robust plans and curve of ieee33 under dual_mode, in at most 6 minutes."""
    begun = time.monotonic()
    with Progress(sys.stderr) as progress:
        curve = sweep("ieee33", "dual_mode", [0.0, 0.05, 0.10, 0.20], time_limit_s=DEMO_LIMIT_S, on_event=progress)
    show_curves({"dual_mode": curve}, False, out)
    print(f"\ncomputed in {time.monotonic() - begun:.0f} s; plans, tables and pictures are in {out}")


def show_curves(curves: Mapping[str, Curve], as_json: bool, out: Path | None) -> None:
    """Print the curve of each model, write their files, and exit with the worst status where that is not success.

    Of several models each has a folder of its name, and the JSON document is a list of curves.
    """
    if out is not None:
        report_curves(curves, out)
    if as_json:
        documents = [curve.to_dict() for curve in curves.values()]
        several = {"schema": SCHEMA, "kind": "sweeps", "curves": documents}
        sys.stdout.write(to_json(documents[0] if len(documents) == 1 else several))
    else:
        sys.stdout.write(curves_summary(curves))
    plans = [plan for curve in curves.values() for plan in curve.plans or (curve.baseline,)]
    worst = max((exit_of_plan(plan) for plan in plans), default=DONE)
    if worst:
        raise typer.Exit(worst)


def show_fronts(fronts: list[Front], as_json: bool, out: Path | None) -> None:
    """Print fronts, write their files, and exit with 1 where none is proven to exist, with 3 where none was found."""
    if out is not None:
        report_fronts(fronts, out)
    some = any(front.plans for front in fronts)
    if as_json:
        documents = [front.to_dict() for front in fronts]
        sys.stdout.write(
            to_json(documents[0] if len(documents) == 1 else {"schema": SCHEMA, "kind": "fronts", "fronts": documents})
        )
    else:
        sys.stdout.write(fronts_summary(fronts))
    if not some:
        raise typer.Exit(min(NO_PLAN if front.status == "no_plan" else NOT_AS_ASKED for front in fronts))
