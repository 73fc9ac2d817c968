"""Results of many seeds in one file of JSON lines, to be resumed, and their summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.record import markdown

Row = dict[str, Any]


@dataclass(frozen=True)
class Kinds:
    """Kinds of findings with their meaning, of feeders by their seed, and shares of all that findings may reach."""

    findings: Mapping[str, str]
    of: Callable[[int], str]
    allowed: Mapping[str, float] = field(default_factory=lambda: {"global_gap": 0.05})


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


def summary(store: Store, seeds: Iterable[int], kinds: Kinds) -> tuple[str, bool]:
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
    columns = list(dict.fromkeys(kinds.of(seed) for seed in wanted))
    table, met = [], len(rows) == len(wanted)
    for name, words in kinds.findings.items():
        found = Counter(kinds.of(row["seed"]) for row in rows if has(row, name))
        most, total = int(kinds.allowed.get(name, 0.0) * exists), sum(found.values())
        met = met and total <= most
        counts = [str(number) for number in (*(found[kind] for kind in columns), total, most)]
        table.append([words, *counts, "" if total <= most else "**MISS**"])
    listed = [
        [str(row["seed"]), kinds.of(row["seed"]), name, words.strip().splitlines()[-1]]
        for row in rows
        for name, words in row["judged"]["findings"]
    ]
    asked = Counter(kinds.of(row["seed"]) for row in rows)
    feeders = ["feeders", *(str(asked[kind]) for kind in columns), str(len(rows)), "", ""]
    parts = [
        "# Random feeders beside a global reference\n",
        head,
        markdown(["finding", *columns, "all", "allowed", ""], [feeders, *table]),
        markdown(["seed", "kind", "finding", "what"], listed) if listed else "",
    ]
    return "\n".join(parts), met


def has(row: Row, name: str) -> bool:
    """Whether a plan has a finding."""
    return any(found[0] == name for found in row["judged"]["findings"])
