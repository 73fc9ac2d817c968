"""Documents of results that are no plans: checked before they are read, every fault with its place; rows as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.errors import Finding, InputError, placed
from igdt_planner.plan import Plan
from igdt_planner.results.document import SCHEMA, plan_from_dict
from igdt_planner.results.document_schema import Number, Part, faults

DTYPES: dict[Any, str] = {int: "int64", float: "float64", Number: "float64"}
"""Type of a column of numbers by the annotation of its field."""


def require_result(document: Mapping[str, Any], kind: str, shape: type[Part]) -> None:
    """Refuse a document of another schema or kind, or one that has not the shape of its kind.

    Raises
    ------
    InputError
        With the JSON pointer of each fault.
    """
    if document.get("schema") != SCHEMA or document.get("kind") != kind:
        raise InputError.of(f"not a {kind} document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    if findings := [*faults(shape, document, kind)]:
        raise InputError(findings)


def plan_at(document: Mapping[str, Any], name: str) -> Plan:
    """The plan in a field of a document; its faults say where in the document they are."""
    with placed(f"/{name}"):
        return plan_from_dict(document[name])


def plans_at(document: Mapping[str, Any], name: str) -> dict[str, Plan]:
    """The plans in a field of a document by their names; faults of all at once."""
    plans: dict[str, Plan] = {}
    findings: list[Finding] = []
    for own, plan in document[name].items():
        try:
            with placed(f"/{name}/{own}"):
                plans[own] = plan_from_dict(plan)
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    return plans


def rows_as_table(rows: Sequence[Mapping[str, Any]], shape: type[Part]) -> pd.DataFrame:
    """Rows as a table with the columns of their shape; null is NaN in a column of numbers."""
    held = {name: field.annotation for name, field in shape.model_fields.items()}
    dtypes = {name: DTYPES[kind] for name, kind in held.items() if kind in DTYPES}
    return pd.DataFrame([dict(row) for row in rows], columns=list(held)).astype(dtypes)


def numbers(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    """Numbers of a document as an array; null is NaN."""
    return np.array(values, dtype=float)
