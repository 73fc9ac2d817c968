"""Results of many seeds in one file of JSON lines, to be resumed, and their summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.record import markdown
from tests.prove.feeders import KINDS
from tests.prove.judge import FINDINGS

Row = dict[str, Any]
CLOSE_SHARE = 0.95
"""Share of plans that must be within 0.1 % of the global optimum."""


class Store:
    """One line a reference and one a plan; of several lines of a seed the last one counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.references: dict[int, Row] = {}
        self.plans: dict[int, Row] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self.take(json.loads(line))

    def take(self, row: Row) -> None:
        """Keep a row in memory."""
        (self.references if "reference" in row else self.plans)[row["seed"]] = row

    def add(self, row: Row) -> None:
        """Keep a row and append it to the file."""
        self.take(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")


def summary(store: Store, seeds: Iterable[int]) -> tuple[str, bool]:
    """What the plans of some seeds are worth, as Markdown, and whether every requirement is met."""
    wanted = list(seeds)
    rows = [store.plans[seed] for seed in wanted if seed in store.plans]
    references = [store.references[row["seed"]]["reference"] for row in rows]
    exists = sum(reference["best"][0] is not None for reference in references)
    none = sum(reference["best"][1] is None for reference in references)
    spent = sum(reference["seconds"] for reference in references), sum(row["judged"]["seconds"] for row in rows)
    head = (
        f"{len(rows)} feeders: {exists} have a plan, {none} have none by proof, {len(rows) - exists - none} are open; "
        f"{spent[0]:.0f} s of reference and {spent[1]:.0f} s of planning; {len(wanted) - len(rows)} are missing.\n"
    )
    required = requirements(rows, exists)
    table = [
        [words, *(str(number) for number in counted(rows, name)), most, "" if met else "**MISS**"]
        for name, words, most, met in required
    ]
    listed = [
        [str(row["seed"]), kind_of(row), name, words.strip().splitlines()[-1]]
        for row in rows
        for name, words in row["judged"]["findings"]
    ]
    parts = [
        "# Random feeders beside a global reference\n",
        head,
        markdown(["finding", *dict.fromkeys(KINDS), "all", "allowed", ""], table),
        markdown(["seed", "modes", "finding", "what"], listed) if listed else "",
    ]
    return "\n".join(parts), len(rows) == len(wanted) and all(met for *_, met in required)


def requirements(rows: list[Row], exists: int) -> list[tuple[str, str, str, bool]]:
    """Each kind of finding, its meaning, how many are allowed, and whether there are no more."""
    required = []
    for name, words in FINDINGS.items():
        most = int((1.0 - CLOSE_SHARE) * exists) if name == "global_gap" else 0
        required.append((name, words, str(most), counted(rows, name)[-1] <= most))
    return required


def counted(rows: list[Row], name: str) -> list[int]:
    """Feeders with a finding, by kind, and all."""
    kinds = Counter(kind_of(row) for row in rows if any(found[0] == name for found in row["judged"]["findings"]))
    return [*(kinds[kind] for kind in dict.fromkeys(KINDS)), sum(kinds.values())]


def kind_of(row: Row) -> str:
    """Modes of a feeder."""
    return KINDS[row["seed"] % len(KINDS)]
