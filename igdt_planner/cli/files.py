"""Commands about files and documents: report, import, cases, models, run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from igdt_planner import contract
from igdt_planner.case import list_cases, load_case
from igdt_planner.cli.exits import exit_of_response
from igdt_planner.cli.options import Json
from igdt_planner.errors import InputError
from igdt_planner.interchange.importing import import_case
from igdt_planner.model import list_models, load_model
from igdt_planner.progress import Progress
from igdt_planner.report.documents import report_document
from igdt_planner.results.document import load_document, read_json, to_json

Events = Annotated[bool, typer.Option("--events", help="progress events as NDJSON on standard error")]


def report_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="JSON of a plan or of any other result")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path("out"),
    as_json: Json = False,
) -> None:
    """What a saved result says, and its pictures and tables."""
    text, written = report_document(load_document(result), out)
    if as_json:
        print(to_json({"written": [str(path) for path in written]}))
    else:
        print(text, *written, sep="\n")


def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MATPOWER case file (.m)")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="new or empty folder")],
    as_json: Json = False,
) -> None:
    """MATPOWER case file to a case folder."""
    imported = import_case(file, folder)
    print(to_json(imported.to_dict()) if as_json else imported.summary())


def cases_command(as_json: Json = False) -> None:
    """Shipped cases."""
    listed = {name: load_case(name).title for name in list_cases()}
    print(to_json(listed) if as_json else "\n".join(f"{name:16} {title}" for name, title in listed.items()))


def models_command(as_json: Json = False) -> None:
    """Shipped models."""
    listed = {name: load_model(name).title for name in list_models()}
    print(to_json(listed) if as_json else "\n".join(f"{name:16} {title}" for name, title in listed.items()))


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
