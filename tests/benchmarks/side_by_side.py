"""Reconfiguration of 33 buses by everyone, in one run on one machine, and the figure that shows it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from igdt_planner.case import load_case
from igdt_planner.model import load_model
from igdt_planner.planner import solve
from igdt_planner.report.style import CYCLE, INK, MUTED, headline, new_figure, save_png, save_svg, styled
from igdt_planner.solver.solve import Solver
from igdt_planner.study import resolve
from tests.benchmarks.measure import RESULTS, Measure, close, stated
from tests.benchmarks.opponents import Trace, traces
from tests.benchmarks.record import stamp, write

SEEDS = (0, 1, 2)
EVALUATIONS = 20_000
"""AC power flows that a method without an end of its own may use."""
MILP_LIMIT_S = 120.0
OPTIMUM_KW, OPTIMUM_TOLERANCE_KW = 139.551, 1e-3
PLAIN, PLANNER = "straightforward MILP", "planner"
Steps = list[tuple[float, float]]
"""Seconds and kW."""


@dataclass(frozen=True)
class Race:
    """Best losses over time by method, one trace a seed, and bounds over time."""

    losses: dict[str, list[Steps]]
    bounds: dict[str, Steps]
    evaluations: dict[str, float]


def race(share: float) -> list[Measure]:
    """Let everyone run, draw the figure and store what it shows; a trial leaves the stored ones alone."""
    run = everyone(share)
    folder = RESULTS if share == 1.0 else Path(tempfile.mkdtemp(prefix="side_by_side_"))
    stored = {"losses_kw": run.losses, "bounds_kw": run.bounds, "seeds": list(SEEDS), **stamp()}
    write(folder / "side_by_side_traces.json", stored)
    figure = race_figure(run)
    save_svg(figure, folder / "side_by_side.svg")
    save_png(figure, folder / "side_by_side.png", dpi=90)
    return [measure for method in run.losses for measure in summary(run, method)] + ends(run)


def everyone(share: float) -> Race:
    """Metaheuristics, our search and enumeration for every seed; the two MILPs, which have none, once."""
    by_seed = [traces(seed, max(200, round(share * EVALUATIONS))) for seed in SEEDS]
    losses = {method: [steps(run[method]) for run in by_seed] for method in by_seed[0]}
    used = {method: float(statistics.median(run[method][-1][1] for run in by_seed)) for method in by_seed[0]}
    plain = Listener()
    straightforward(plain, MILP_LIMIT_S * share)
    planner = Listener()
    ours(planner, MILP_LIMIT_S * share)
    losses |= {PLAIN: [plain.losses], PLANNER: [planner.losses]}
    return Race(losses, {PLAIN: plain.bounds, PLANNER: planner.bounds}, used)


def steps(trace: Trace) -> Steps:
    """Seconds and kW of a trace."""
    return [(seconds, loss_kw) for seconds, _, loss_kw in trace]


class Listener:
    """Notes what a solve tells, in kW (the peak lasts an hour), with the seconds since it began."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.losses: Steps = []
        self.bounds: Steps = []

    def __call__(self, event: dict[str, Any]) -> None:
        """Take in an event: losses only where they become less, bounds only where they become more."""
        seconds = time.perf_counter() - self.begun
        loss, bound = event.get("objective"), event.get("bound")
        if loss is not None and (not self.losses or 1e3 * loss < self.losses[-1][1]):
            self.losses.append((seconds, 1e3 * loss))
        if bound is not None and bound > 0.0 and (not self.bounds or 1e3 * bound > self.bounds[-1][1]):
            self.bounds.append((seconds, 1e3 * bound))

    def close(self, loss: float | None, bound: float | None) -> None:
        """Take in the end, and hold what stands until then."""
        seconds = time.perf_counter() - self.begun
        self({"objective": loss, "bound": bound})
        self.losses += [(seconds, self.losses[-1][1])] if self.losses else []
        self.bounds += [(seconds, self.bounds[-1][1])] if self.bounds else []


def straightforward(listener: Listener, limit_s: float) -> None:
    """Our MILP handed to HiGHS as it is: no search beforehand, no bounds by sites.

    Its losses are the MILP's own, which AC power flow confirms; they are told when a run of HiGHS is done.
    """
    study = resolve(load_case("ieee33"), load_model("reconfiguration"))
    listener.begun = time.perf_counter()
    solver = Solver(study.model.solver, listener)
    try:
        solved = solver.solve(study, explore=False, time_limit_s=limit_s)
        listener.close(solved.answer.value, solved.answer.bound)
    finally:
        solver.close()


def ours(listener: Listener, limit_s: float) -> None:
    """The planner as a user calls it."""
    case, model = load_case("ieee33"), load_model("reconfiguration")
    listener.begun = time.perf_counter()
    plan = solve(case, model, time_limit_s=limit_s, on_event=listener)
    listener.close(plan.objective, plan.bound)


def summary(run: Race, method: str) -> list[Measure]:
    """What a method reached, over the seeds."""
    done = [trace for trace in run.losses[method] if trace]
    if not done:
        return [stated(f"{method}: losses", None, "kW")]
    best = [trace[-1][1] for trace in done]
    first = [min(seconds for seconds, loss in trace if loss <= trace[-1][1]) for trace in done]
    hits = sum(loss <= OPTIMUM_KW + OPTIMUM_TOLERANCE_KW for loss in best)
    measures = [
        stated(f"{method}: losses", statistics.median(best), "kW"),
        stated(f"{method}: time to its best", statistics.median(first), "s"),
        stated(f"{method}: runs at {OPTIMUM_KW} kW", f"{hits} of {len(run.losses[method])}"),
    ]
    if method in run.evaluations:
        measures.append(stated(f"{method}: power flows", run.evaluations[method]))
    return measures


def ends(run: Race) -> list[Measure]:
    """The planner's plan and its bound."""
    losses, bounds = run.losses[PLANNER][0], run.bounds[PLANNER]
    loss = losses[-1][1] if losses else None
    return [
        close("plan of the planner", loss, OPTIMUM_KW, OPTIMUM_TOLERANCE_KW, "kW"),
        stated("bound of the planner", bounds[-1][1] if bounds else None, "kW"),
        stated("planner: until plan and bound stand", losses[-1][0] if losses else None, "s"),
    ]


@styled
def race_figure(run: Race) -> Figure:
    """Best losses against time, with our bound below."""
    figure = new_figure(7.6, 4.6)
    axes = figure.add_axes((0.095, 0.12, 0.60, 0.72))
    for colour, (method, all_steps) in zip(CYCLE, run.losses.items(), strict=False):
        draw_losses(axes, method, all_steps, INK if method == PLANNER else colour)
    draw_bounds(axes, run)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axes.set_ylim(0.975 * OPTIMUM_KW, 1.11 * OPTIMUM_KW)
    axes.set_xlabel("seconds after import and reading the case")
    axes.set_ylabel("best losses by AC power flow, kW")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
    headline(figure, "Reconfiguration of 33 buses, side by side", f"seeds {', '.join(map(str, SEEDS))}; same evaluator")
    return figure


def draw_losses(axes: Axes, method: str, all_steps: Sequence[Steps], colour: str) -> None:
    """A step line a seed, named once; a dot where the best was found."""
    for number, trace in enumerate(trace for trace in all_steps if trace):
        seconds, losses = zip(*trace, strict=True)
        label = method if number == 0 else None
        axes.step(seconds, losses, where="post", color=colour, lw=1.4, alpha=0.85, label=label)
        first = min(at for at, loss in trace if loss <= losses[-1])
        axes.plot([first], [losses[-1]], "o", ms=4, color=colour, mec="white", mew=0.5, zorder=3)


def draw_bounds(axes: Axes, run: Race) -> None:
    """Our bound, and that of the straightforward MILP, with what nobody can reach shaded."""
    for method, colour in ((PLANNER, INK), (PLAIN, MUTED)):
        if run.bounds[method]:
            seconds, bounds = zip(*run.bounds[method], strict=True)
            axes.step(seconds, bounds, where="post", color=colour, ls="--", lw=1.6, label=f"bound, {method}")
    if run.bounds[PLANNER]:
        seconds, bounds = zip(*run.bounds[PLANNER], strict=True)
        axes.fill_between(seconds, bounds, 0.0, step="post", color=INK, alpha=0.07, lw=0)
