"""``python -m tests.benchmarks [ROW ...]``: measure, write one JSON file a row, print and write the table of all."""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import MISS, RESULTS, Measure, equal, median_of
from tests.benchmarks.process import run
from tests.benchmarks.record import markdown, origin, read, same, short, stamp, write
from tests.benchmarks.rows import ROWS, Row

SHORT_S, SHORT_RUNS = 60.0, 3
"""Rows below this time are run this often, and medians are taken."""
HEADER = ["row", "measured", "reached", "required", "aim", ""]


def main(arguments: Sequence[str]) -> int:
    """Run the rows named, or all; the exit status says whether each requirement was met."""
    asked = options(arguments)
    if asked.child is not None:
        return child(asked.rows[0], asked.share, asked.child)
    if unknown := sorted(set(asked.rows) - set(ROWS)):
        print(f"unknown rows: {', '.join(unknown)}; known: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    chosen = asked.rows or list(ROWS)
    try:
        documents = stored(chosen) if asked.table else [measure(name, ROWS[name], asked) for name in chosen]
    finally:
        text = table()
        if asked.share == 1.0:
            (RESULTS / "table.md").write_text(text, encoding="utf-8")
            print(f"\n{text}")
    return 1 if any(missed(document) for document in documents) else 0


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=f"Rows: {', '.join(ROWS)}.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to run; all where none is named")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="skip rows measured on these sources of package, cases and models, with these versions of packages",
    )
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table of what is stored")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="share of every time limit and count, below 1 to see that rows start: one run each, nothing is stored",
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def child(name: str, share: float, target: Path) -> int:
    """Measure one row once in this process, for the parent to read."""
    target.write_bytes(pickle.dumps(ROWS[name].measure(share)))
    return 0


def measure(name: str, row: Row, asked: argparse.Namespace) -> dict[str, Any]:
    """The result of a row: run, shown and stored, unless it may be taken from the store."""
    path, before = RESULTS / f"{name}.json", stamp()
    known = read(path)
    if asked.resume and same(known, before):
        print(f"{name}: measured already")
        return known
    print(f"\n{name} ...", flush=True)
    begun, runs, failed = time.monotonic(), [], ""
    while not failed:
        failed, seconds, measures = once(name, row, asked.share)
        runs.append(measures)
        if seconds >= SHORT_S or len(runs) == SHORT_RUNS or asked.share < 1.0:
            break
    measures = runs[-1] if failed else median_of(runs)
    document = {
        "row": name,
        "seconds": round(time.monotonic() - begun, 1),
        "runs": len(runs),
        "seeds": list(row.seeds),
        "failed": failed,
        "measures": [measure.as_document() for measure in measures],
        **before,
    }
    if stamp()["source"] != before["source"]:
        document["source"] = "changed while it ran"
    show(document)
    if asked.share == 1.0:
        write(path, document)
    return document


def once(name: str, row: Row, share: float) -> tuple[str, float, list[Measure]]:
    """One run of a row in a process of its own: why it failed, its seconds, and what it measured."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "measures"
        command = [sys.executable, "-m", "tests.benchmarks", "--child", str(target), "--share", str(share), name]
        ended = run(command, row.timeout_s, row.environment)
        if ended.failed or not target.exists():
            failed = ended.failed or "it measured nothing"
            return failed, ended.seconds, [equal("the row runs", failed, "to its end")]
        return "", ended.seconds, pickle.loads(target.read_bytes())


def show(document: Mapping[str, Any]) -> None:
    """Print one row as a table."""
    print(f"{document['row']} ({document['seconds']:.1f} s, runs: {document['runs']})")
    for entry in document["measures"]:
        reached = short(entry["reached"], entry["unit"])
        limits = f"required {entry['required']}" if entry["required"] else ""
        limits += f", aim {entry['aim']}" if entry["aim"] else ""
        print(f"  {entry['verdict']:4} {entry['what']:48} {reached:>24}   {limits}".rstrip())
    sys.stdout.flush()


def stored(names: Sequence[str]) -> list[dict[str, Any]]:
    """Results of rows, in order; those without a record of what they were measured on are left out."""
    documents = [read(RESULTS / f"{name}.json") for name in names]
    return [document for document in documents if document.get("source")]


def missed(document: Mapping[str, Any]) -> bool:
    """Whether a stored row misses a requirement."""
    return any(not entry["passed"] for entry in document["measures"])


def table() -> str:
    """Everything that is stored, as one table, with where it comes from."""
    documents = stored(list(ROWS))
    absent = [name for name in ROWS if name not in {document["row"] for document in documents}]
    body = [line for document in documents for line in lines(document)]
    text = markdown(HEADER, body)
    if documents:
        text += f"\nMedians where a row took less than {SHORT_S:g} s: {SHORT_RUNS} runs. {origin(documents)}"
    if absent:
        text += f"\nNot measured: {', '.join(absent)}.\n"
    return text


def lines(document: Mapping[str, Any]) -> list[list[str]]:
    """Lines of the table for one row; its name stands in the first."""
    body = []
    for number, entry in enumerate(document["measures"]):
        name = f"`{document['row']}`" if number == 0 else ""
        reached = short(entry["reached"], entry["unit"])
        verdict = f"**{MISS}**" if entry["verdict"] == MISS else entry["verdict"]
        body.append([name, entry["what"], reached, entry["required"] or "", entry["aim"] or "", verdict])
    return body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
