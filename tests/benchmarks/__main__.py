"""``python -m tests.benchmarks [ROW ...]``: measure, print a table, write one JSON file a row."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import sys
import time

from tests.benchmarks.rows import RESULTS, ROWS, Measure


def main(names: list[str]) -> int:
    """Run the rows named, or all; the exit status says whether each requirement was met."""
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        print(f"unknown rows: {', '.join(unknown)}; known: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    met = True
    for name in names or ROWS:
        begun = time.perf_counter()
        measures = ROWS[name]()
        seconds = time.perf_counter() - begun
        show(name, measures, seconds)
        write(name, measures, seconds)
        met = met and all(measure.passed for measure in measures)
    return 0 if met else 1


def show(name: str, measures: list[Measure], seconds: float) -> None:
    """Print one row as a table."""
    print(f"\n{name} ({seconds:.1f} s)")
    for measure in measures:
        reached = f"{measure.reached:.6g}" if isinstance(measure.reached, float) else str(measure.reached)
        print(f"  {'ok  ' if measure.passed else 'MISS'} {measure.what:38} {reached:>24}   required {measure.required}")
    sys.stdout.flush()


def write(name: str, measures: list[Measure], seconds: float) -> None:
    """Write one row with the versions and the machine's size."""
    packages = ("igdt-planner", "pyomo", "highspy", "numpy", "scipy", "pandas", "power-grid-model")
    document = {
        "row": name,
        "seconds": round(seconds, 1),
        "measures": [dataclasses.asdict(measure) for measure in measures],
        "versions": {package: importlib.metadata.version(package) for package in packages},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
