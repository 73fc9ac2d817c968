"""The command line: one subcommand per stage, result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from igdt_planner import contract
from igdt_planner.calibration import calibrate
from igdt_planner.case import list_cases, load_case
from igdt_planner.curve import Curve, curve_from_dict, curves_from_dict
from igdt_planner.document import (
    SCHEMA,
    clean,
    load_document,
    load_plan,
    plan_from_dict,
    plan_to_dict,
    read_json,
    save_plan,
    to_json,
)
from igdt_planner.errors import InputError, PlannerError
from igdt_planner.evidence import evidence
from igdt_planner.front import NONE_THERE, OBJECTIVES, Front, compare_fronts, front_from_dict, fronts_from_dict
from igdt_planner.igdt import Sense
from igdt_planner.interchange.importing import import_case
from igdt_planner.model import Model, list_models, load_model, override
from igdt_planner.pareto import METHODS
from igdt_planner.pareto import require as require_front
from igdt_planner.plan import Plan
from igdt_planner.planner import (
    MOST_BETAS,
    check,
    compare,
    drivers,
    opportunity,
    pareto,
    robust,
    robustness,
    search,
    solve,
    sweep,
    sweep_models,
    tradeoff,
)
from igdt_planner.pool import process_pool
from igdt_planner.progress import Progress
from igdt_planner.report.evidence_text import calibration_summary, evidence_summary
from igdt_planner.report.files import write_whole
from igdt_planner.report.results import pictured, report_curve, report_evidence, report_fronts, report_plan
from igdt_planner.report.robustness_text import comparison_summary, drivers_summary, fixed_summary, table_text
from igdt_planner.report.text import comparison, curve_summary, front_summary, summary
from igdt_planner.search.algorithms import ALGORITHMS

DONE, NOT_AS_ASKED, BAD_INPUT, NO_PLAN = 0, 1, 2, 3

app = typer.Typer(
    help="Which plan still holds when the forecast is wrong, and how wrong may it be?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="shipped case name, case folder or MATPOWER file")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="shipped model name or TOML file")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="write plan JSON, tables and pictures here")]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="S", help="seconds of search; the baseline of a question or sweep has its share in it"
    ),
]
Gap = Annotated[float | None, typer.Option("--gap", metavar="G", help="relative gap that is good enough")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override a model field, e.g. modes.islanded.reactive=false"),
]
Beta = Annotated[float | None, typer.Option("--beta", metavar="B", help="allowed deviation of cost from the baseline")]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="COST", help="the budget itself, in the model's unit, instead of --beta"),
]
Events = Annotated[bool, typer.Option("--events", help="progress events as NDJSON on standard error")]


@app.command("solve")
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


@app.command("robust")
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


@app.command("opportunity")
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


@app.command("sweep")
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


@app.command("search")
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


@app.command("pareto")
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


@app.command("check")
def check_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="plan JSON")], as_json: Json = False, out: Out = None
) -> None:
    """AC verdict of a saved plan."""
    show_plan(check(load_plan(plan)), as_json, out)


@app.command("robustness")
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
    with Progress(sys.stderr) as progress:
        if len(loaded) == 1:
            (plan,) = loaded.values()
            curve = robustness(plan, grid, base_objective=base, sense=asked, on_event=progress)
            document, text = curve.to_dict(), fixed_summary(curve)
        elif asked == "opportunity":
            raise InputError.of("plans are compared by what they survive: --sense robust", got=sense, path="/sense")
        else:
            found = compare(loaded, grid, base_objective=base, on_event=progress)
            document, text = found.to_dict(), comparison_summary(found)
    if out is not None:
        write_whole(out / "robustness.json", to_json(document).encode())
    sys.stdout.write(to_json(document) if as_json else text)


@app.command("drivers")
def drivers_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="JSON of a robust plan")], as_json: Json = False
) -> None:
    """Which uncertain quantity and which term of the cost drive the alpha of a robust plan."""
    found = drivers(load_plan(plan))
    document = {"quantities": found.quantities.to_dict("records"), "terms": found.terms.to_dict("records")}
    sys.stdout.write(to_json(clean(document)) if as_json else drivers_summary(found))


@app.command("tradeoff")
def tradeoff_command(
    case: CaseArgument,
    model: ModelArgument,
    beta: Annotated[float, typer.Option("--beta", metavar="B", help="allowed deviation of cost from the baseline")],
    points: Annotated[int, typer.Option("--points", metavar="N", help="points of the front")] = 5,
    as_json: Json = False,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    set_: Set = None,
) -> None:
    """Two uncertain quantities: how much of one is survived beside how much of the other."""
    chosen = override(load_model(model), parse_settings(set_))
    with Progress(sys.stderr) as progress:
        table = tradeoff(case, chosen, beta, points=points, time_limit_s=time_limit, gap=gap, on_event=progress)
    document = clean({"points": table.to_dict("records")})
    sys.stdout.write(to_json(document) if as_json else table_text(table) + "\n")


@app.command("evidence")
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
        report_evidence(found, out)
    sys.stdout.write(to_json(found.to_dict()) if as_json else evidence_summary(found))
    raise typer.Exit(DONE if found.holds else NOT_AS_ASKED)


@app.command("calibrate")
def calibrate_command(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="CSV of past forecasts and outcomes")],
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="JSON of a plan")],
    alpha: Annotated[
        float | None, typer.Option("--alpha", metavar="A", help="radius to judge instead of the plan's own")
    ] = None,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """What alpha means: the share of past days on which no forecast was further off.

    HISTORY has the columns time, quantity, forecast, outcome and component, in order of time. Unless the shape
    of the uncertainty set is the same range in every period, a day has one time for each period of the plan.
    """
    require_folder(out)
    found = calibrate(history, load_plan(plan), alpha)
    if out is not None:
        found.save(out / "calibration.json")
    sys.stdout.write(to_json(found.to_dict()) if as_json else calibration_summary(found))


@app.command("report")
def report_command(
    plan_or_curve: Annotated[Path, typer.Argument(metavar="PLAN_OR_CURVE", help="JSON of a plan or of a curve")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path("out"),
    as_json: Json = False,
) -> None:
    """Pictures and tables of a saved plan or curve."""
    document = load_document(plan_or_curve)
    if document.get("kind") == "sweep":
        written = report_curve(curve_from_dict(document), out)
    elif document.get("kind") == "sweeps":
        written = [
            path for name, curve in curves_from_dict(document).items() for path in report_curve(curve, out / name)
        ]
    elif document.get("kind") == "pareto":
        written = report_fronts([front_from_dict(document)], out)
    elif document.get("kind") == "fronts":
        written = report_fronts(fronts_from_dict(document), out)
    else:
        written = report_plan(plan_from_dict(document), out)
    print(to_json({"written": [str(path) for path in written]}) if as_json else "\n".join(map(str, written)))


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MATPOWER case file (.m)")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="new or empty folder")],
    as_json: Json = False,
) -> None:
    """MATPOWER case file to a case folder."""
    imported = import_case(file, folder)
    print(to_json(imported.to_dict()) if as_json else imported.summary())


@app.command("cases")
def cases_command(as_json: Json = False) -> None:
    """Shipped cases."""
    listed = {name: load_case(name).title for name in list_cases()}
    print(to_json(listed) if as_json else "\n".join(f"{name:16} {title}" for name, title in listed.items()))


@app.command("models")
def models_command(as_json: Json = False) -> None:
    """Shipped models."""
    listed = {name: load_model(name).title for name in list_models()}
    print(to_json(listed) if as_json else "\n".join(f"{name:16} {title}" for name, title in listed.items()))


@app.command("run")
def run_command(events: Events = False, as_json: Json = True) -> None:
    """Answer a JSON request from standard input on standard output."""
    # The answer is JSON in any case; --json is taken because every command takes it.
    try:
        request = read_json("request", sys.stdin.buffer.read().decode("utf-8-sig"))
    except (InputError, UnicodeDecodeError) as error:
        fault = error if isinstance(error, InputError) else InputError.of("request: is not UTF-8 text")
        response = contract.run({}) | {"error": contract.error_of(fault)}
    else:
        response = contract.run(request, Progress(sys.stderr).as_ndjson if events else None)
    sys.stdout.write(to_json(response))
    raise typer.Exit(exit_of_response(response))


@app.command("demo")
def demo_command(out: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path("out")) -> None:
    """The main job: baseline, robust plans and curve of ieee33 under dual_mode, in at most 6 minutes."""
    begun = time.monotonic()
    with Progress(sys.stderr) as progress:
        curve = sweep("ieee33", "dual_mode", [0.0, 0.05, 0.10, 0.20], time_limit_s=DEMO_LIMIT_S, on_event=progress)
    show_curves({"dual_mode": curve}, False, out)
    print(f"\ncomputed in {time.monotonic() - begun:.0f} s; plans, tables and pictures are in {out}")


DEMO_LIMIT_S = 100.0
"""Limit of each solve of the demo; the robust ones end far sooner because they start from the baseline's plan."""


def answer_plan(
    verb: Callable[[Model, Any], Plan], model: str, settings: list[str] | None, as_json: bool, out: Path | None
) -> None:
    """Run a verb with progress on standard error, then show its plan."""
    require_folder(out)
    chosen = override(load_model(model), parse_settings(settings))
    with Progress(sys.stderr) as progress:
        plan = verb(chosen, progress)
    show_plan(plan, as_json, out)


def require_folder(out: Path | None) -> None:
    """Refuse a folder that cannot be written before the work, so that no work is lost for want of it."""
    if out is None:
        return
    standing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK):
        raise InputError.of(f"--out {out}: {standing} is not a folder that can be written", got=str(out))


def show_plan(plan: Plan, as_json: bool, out: Path | None) -> None:
    """Print a plan, write its files, and exit with its status."""
    if out is not None:
        save_plan(plan, out / f"{plan.kind}.json")
        report_plan(plan, out)
    sys.stdout.write(to_json(plan_to_dict(plan)) if as_json else summary(plan).rstrip() + "\n")
    raise typer.Exit(exit_of_plan(plan))


def parse_sense(text: str) -> Sense:
    """Robust or opportunity."""
    if text not in ("robust", "opportunity"):
        raise InputError.of(f"--sense {text}: is robust or opportunity", got=text, path="/sense")
    return "opportunity" if text == "opportunity" else "robust"


def show_curves(curves: Mapping[str, Curve], as_json: bool, out: Path | None) -> None:
    """Print the curve of each model, write their files, and exit with the worst status where that is not success.

    Of several models each has a folder of its name, and the JSON document is a list of curves.
    """
    if out is not None:
        for name, curve in curves.items():
            report_curve(curve, out / name if len(curves) > 1 else out)
    if as_json:
        documents = [curve.to_dict() for curve in curves.values()]
        several = {"schema": SCHEMA, "kind": "sweeps", "curves": documents}
        sys.stdout.write(to_json(documents[0] if len(documents) == 1 else several))
    else:
        print("\n\n".join(text.rstrip() for curve in curves.values() for text in shown(curve)))
    plans = [plan for curve in curves.values() for plan in curve.plans or (curve.baseline,)]
    worst = max((exit_of_plan(plan) for plan in plans), default=DONE)
    if worst:
        raise typer.Exit(worst)


def shown(curve: Curve) -> list[str]:
    """A curve in words: its baseline, the plan worth a picture, and the table."""
    if not curve.plans:
        return [summary(curve.baseline)]
    return [summary(curve.baseline), summary(pictured(curve)), curve_summary(curve.table)]


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
        shown = [front_summary(front) for front in fronts]
        if some and len(fronts) > 1:
            shown.append(comparison(compare_fronts(fronts)))
        print("\n".join(shown).rstrip())
    if not some:
        none = all(text.endswith(NONE_THERE) for front in fronts for text in front.missed)
        raise typer.Exit(NOT_AS_ASKED if none else NO_PLAN)


def exit_of_plan(plan: Plan) -> int:
    """0 done; 1 solved but infeasible, refused by AC or broken by the adversary; 3 stopped with no plan."""
    if plan.status in ("infeasible", "failed"):
        return NOT_AS_ASKED
    if plan.dispatch is None:
        return NO_PLAN
    broken = plan.robustness.get("worst_case", {}).get("broken", False)
    return DONE if plan.ac is not None and plan.ac.verdict == "feasible" and not broken else NOT_AS_ASKED


def exit_of_response(response: dict[str, Any]) -> int:
    """Exit status of a JSON response."""
    if response["error"] is not None:
        return BAD_INPUT if response["error"]["code"] == "bad_input" else NOT_AS_ASKED
    if response["status"] == "infeasible" or any(run["ac"]["verdict"] == "violated" for run in response["runs"]):
        return NOT_AS_ASKED
    return (
        NO_PLAN
        if response["status"] in ("no_plan", "cancelled") and not any(run["dispatch"] for run in response["runs"])
        else DONE
    )


def parse_settings(settings: list[str] | None) -> dict[str, Any]:
    """``--set`` values: JSON where they read as JSON, else text."""
    parsed: dict[str, Any] = {}
    for setting in settings or []:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise InputError.of(f"--set {setting}: write KEY=VALUE", got=setting)
        try:
            parsed[key] = json.loads(text)
        except ValueError:
            parsed[key] = text
    return parsed


def parse_grid(text: str) -> list[float]:
    """Betas written as ``from:to:step`` (both ends included) or as numbers with commas."""
    try:
        if ":" not in text:
            return [float(part) for part in text.split(",") if part.strip()]
        low, high, step = (float(part) for part in text.split(":"))
        if not step > 0.0 or not high >= low:
            raise ValueError
        count = min(int((high - low) / step + 1.5e-9) + 1, MOST_BETAS + 1)
        return [round(low + number * step, 12) for number in range(count)]
    except (ValueError, OverflowError):
        raise InputError.of(
            f"--betas {text}: write from:to:step or numbers with commas", got=text, path="/study/betas"
        ) from None


def main() -> None:
    """Entry point: bad input is one message and exit status 2, never a traceback."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except PlannerError as error:
        print(f"failed: {error}", file=sys.stderr)
        sys.exit(NOT_AS_ASKED)
    except OSError as error:
        print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        sys.exit(NO_PLAN)
