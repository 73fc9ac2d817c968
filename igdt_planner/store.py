"""A folder that keeps the results of a sweep: one immutable JSON file a key, so that what was solved stays solved."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from igdt_planner.errors import InputError
from igdt_planner.report.files import write_whole
from igdt_planner.results.document import SCHEMA, finite, load_document, to_json

MARK = "store.json"
"""The file by which a store is known; it names the schema of what lies beside it."""
VERSIONS = {name: importlib.metadata.version(name) for name in ("igdt-planner", "highspy", "clarabel", "pyomo")}
"""What a result depends on besides its request."""
TIMES = "seconds"
"""The one key of a result that no two runs share."""

Result = dict[str, Any]
"""What came of a job: ``plan``, ``start`` and ``seconds``, or ``failed`` and ``seconds``."""
State = Literal["proven", "unproven", "failed"]


def key_of(request: Mapping[str, Any]) -> str:
    """The key of a request: SHA-256 of its canonical JSON and of the versions of package and solvers."""
    return digest({"request": request, "versions": VERSIONS})


def digest(document: Any) -> str:
    """SHA-256 of canonical JSON: keys sorted, no spaces, null in place of what is no number."""
    text = json.dumps(finite(document), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(result: Mapping[str, Any]) -> Result:
    """A result without its times: the same whenever and wherever it is computed."""
    return {name: value for name, value in result.items() if name != TIMES}


def state_of(result: Mapping[str, Any]) -> State:
    """Whether a result is proven (within its gap, or infeasible), cut short or refused by AC, or a failure."""
    if "failed" in result:
        return "failed"
    return "proven" if result["plan"]["status"] in ("optimal", "infeasible") else "unproven"


class Store:
    """Results by key in a folder.

    Parameters
    ----------
    folder : path
        A store, or a new or empty folder that becomes one. What else lies in a store is left alone.

    Raises
    ------
    InputError
        The folder is a file, holds other things, cannot be written, or was made under another schema.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        mark = self.folder / MARK
        try:
            if not mark.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                others = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))
                if others and not mark.exists():
                    raise self.error(f"is not empty and no store: it holds {others[0]} and no {MARK}")
                self.write(MARK, {"schema": SCHEMA, "kind": "store"})
        except OSError as error:
            raise self.error(f"cannot be used: {error.strerror}") from None
        made_under = load_document(mark).get("schema")
        if made_under != SCHEMA:
            raise self.error(f"was made under schema {made_under}; this version reads {SCHEMA}")
        if not os.access(self.folder, os.W_OK):
            raise self.error("cannot be written")

    def error(self, what: str) -> InputError:
        """An error of this store."""
        return InputError.of(f"store {self.folder}: {what}", path="/store", got=str(self.folder))

    def get(self, key: str) -> Result | None:
        """The result of a key; None where there is none, or a file that is cut off or damaged."""
        try:
            document = load_document(self.folder / f"{key}.json")
        except InputError:
            return None
        result = document.get("result")
        whole = document.get("key") == key and isinstance(result, dict) and document.get("digest") == digest(result)
        return {**result, TIMES: document.get(TIMES)} if whole and isinstance(result, dict) else None

    def put(self, key: str, result: Mapping[str, Any], **about: Any) -> None:
        """Keep a result, whole or not at all; ``about`` says to people what it is the result of.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        kept = finite(canonical(result))
        self.write(
            f"{key}.json",
            {"schema": SCHEMA, "kind": "result", "key": key, **about}
            | {"state": state_of(result), "digest": digest(kept), "result": kept, TIMES: result[TIMES]},
        )

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a file of the store."""
        try:
            write_whole(self.folder / name, to_json(document).encode())
        except OSError as error:
            raise self.error(f"{name} cannot be written: {error.strerror}") from None
