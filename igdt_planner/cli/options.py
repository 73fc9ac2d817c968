"""Arguments and options that several commands take, and how their text is read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from igdt_planner.errors import InputError
from igdt_planner.infogap.worst_case import Sense
from igdt_planner.meaning_checks import share_hint
from igdt_planner.question_checks import MOST_BETAS

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


def parse_beta(text: str) -> float:
    """A share of the baseline's cost, as a number."""
    try:
        return float(text)
    except ValueError:
        message = f"--beta {text}: write a share of the baseline's cost as a number"
        raise InputError.of(message, path="/study/beta", got=text, hint=share_hint(text)) from None


BETA_OPTION = typer.Option(
    "--beta", metavar="B", parser=parse_beta, help="allowed deviation of cost from the baseline: 0.1 is 10 %"
)
Beta = Annotated[float | None, BETA_OPTION]
RequiredBeta = Annotated[float, BETA_OPTION]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="COST", help="the budget itself, in the model's unit, instead of --beta"),
]


def require_folder(out: Path | None) -> None:
    """Refuse a folder that cannot be written before the work, so that no work is lost for want of it."""
    if out is None:
        return
    standing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK):
        raise InputError.of(f"--out {out}: {standing} is not a folder that can be written", got=str(out))


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
        hint = share_hint(text.split(",")[0]) if "%" in text else ""
        message = f"--betas {text}: write from:to:step or numbers with commas"
        raise InputError.of(message, path="/study/betas", got=text, hint=hint) from None


def parse_sense(text: str) -> Sense:
    """Robust or opportunity."""
    if text not in ("robust", "opportunity"):
        raise InputError.of(f"--sense {text}: is robust or opportunity", got=text, path="/sense")
    return "opportunity" if text == "opportunity" else "robust"
