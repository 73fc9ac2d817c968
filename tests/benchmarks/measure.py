"""One figure that was reached, what is required of it and what is aimed at."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Value = float | int | str | None
RESULTS = Path(__file__).parent / "results"
MISS = "MISS"


@dataclass(frozen=True)
class Limit:
    """What a figure must keep: at most or at least a value, or the value itself within a tolerance."""

    kind: Literal["<=", ">=", "="]
    value: float | str
    tolerance: float = 0.0

    def met(self, reached: Value) -> bool:
        """Whether a figure keeps the limit; nothing keeps none."""
        if isinstance(self.value, str) or not isinstance(reached, int | float):
            return reached is not None and reached == self.value
        if self.kind == "=":
            return abs(reached - self.value) <= self.tolerance
        return reached <= self.value if self.kind == "<=" else reached >= self.value

    def words(self, unit: str) -> str:
        """The limit as a table shows it."""
        if isinstance(self.value, str):
            return self.value
        value = f"{self.value:.10g} {unit}".strip()
        if self.kind != "=":
            return f"{self.kind} {value}"
        return f"{self.value:.10g} ± {self.tolerance:g} {unit}".strip() if self.tolerance else value


@dataclass(frozen=True)
class Measure:
    """One figure. ``runs`` holds that of every run where there were several; ``reached`` is their median then."""

    what: str
    reached: Value
    unit: str = ""
    required: Limit | None = None
    aim: Limit | None = None
    runs: tuple[Value, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the requirement is met; a figure without one must only be there."""
        return self.reached is not None if self.required is None else self.required.met(self.reached)

    @property
    def verdict(self) -> str:
        """``MISS``, ``ok``, or ``aim`` where even that is reached; empty for a figure that is only stated."""
        if not self.passed:
            return MISS
        if self.aim is not None and self.aim.met(self.reached):
            return "aim"
        return "ok" if self.required is not None else ""

    def as_document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "what": self.what,
            "reached": plain(self.reached),
            "unit": self.unit,
            "required": self.required.words(self.unit) if self.required else None,
            "aim": self.aim.words(self.unit) if self.aim else None,
            "passed": self.passed,
            "verdict": self.verdict,
            "runs": [plain(value) for value in self.runs],
        }


def plain(value: Value) -> Value:
    """A value that JSON knows: a number that is none becomes text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def at_most(what: str, reached: Value, limit: float, unit: str = "", aim: float | None = None) -> Measure:
    """A figure that must not exceed a limit."""
    return Measure(what, reached, unit, Limit("<=", limit), Limit("<=", aim) if aim is not None else None)


def at_least(what: str, reached: Value, limit: float, unit: str = "", aim: float | None = None) -> Measure:
    """A figure that must reach a limit."""
    return Measure(what, reached, unit, Limit(">=", limit), Limit(">=", aim) if aim is not None else None)


def close(what: str, reached: Value, value: float, tolerance: float, unit: str = "") -> Measure:
    """A figure that must equal a value."""
    return Measure(what, reached, unit, Limit("=", value, tolerance))


def equal(what: str, reached: Value, value: str) -> Measure:
    """A word that must be this one."""
    return Measure(what, reached, "", Limit("=", value))


def stated(what: str, reached: Value, unit: str = "") -> Measure:
    """A figure that must be stated."""
    return Measure(what, reached, unit)


def percent(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else 100.0 * share


def median_of(runs: Sequence[Sequence[Measure]]) -> list[Measure]:
    """One list of measures from several runs of a row: medians of numbers, and words only where all runs agree."""
    if len(runs) == 1:
        return list(runs[0])
    by_name = [{measure.what: measure.reached for measure in run} for run in runs]
    out = []
    for measure in runs[0]:
        values = tuple(run.get(measure.what) for run in by_name)
        out.append(replace(measure, reached=middle(values), runs=values))
    return out


def middle(values: Sequence[Value]) -> Value:
    """The median of numbers, the word that all agree on, else every word; None where a run has nothing."""
    if any(value is None for value in values):
        return None
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        return statistics.median(numbers)
    return " / ".join(dict.fromkeys(str(value) for value in values))
