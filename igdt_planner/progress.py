"""Progress for people (plain lines) and for programs (NDJSON), from the same stream of events."""

from __future__ import annotations

import json
import math
import time
from typing import Any, TextIO


class Progress:
    """Writes a line per incumbent and, every few seconds, per bound; called with events."""

    def __init__(self, stream: TextIO, every_s: float = 5.0) -> None:
        self.stream, self.every_s = stream, every_s
        self.begun = time.monotonic()
        self.last = -math.inf
        self.number = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.flush()

    def __call__(self, event: dict[str, Any]) -> None:
        """Show an event, unless a bound was shown a moment ago."""
        now = time.monotonic()
        if event["kind"] in ("bound", "samples") and now - self.last < self.every_s:
            return
        self.last = now
        words = [
            f"{name} {event[name]:.6g}"
            for name in ("objective", "alpha", "bound", "done")
            if number(event.get(name)) is not None
        ]
        beta = f"beta {event['beta']:g}  " if event.get("beta") is not None else ""
        model = f"{event['model']}  " if "model" in event else ""
        print(
            f"{now - self.begun:6.1f} s  {model}{beta}{event['kind']:10} {'  '.join(words)}",
            file=self.stream,
            flush=True,
        )

    def as_ndjson(self, event: dict[str, Any]) -> None:
        """Write an event as one line of JSON."""
        self.number += 1
        line = {
            "seq": self.number,
            "t": round(time.monotonic() - self.begun, 3),
            "beta": event.get("beta"),
            "kind": event["kind"],
        }
        line |= {name: number(event.get(name)) for name in ("objective", "alpha", "bound", "gap")}
        print(json.dumps(line), file=self.stream, flush=True)


def number(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
