"""Curves of every kind from their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from igdt_planner.comparison import Comparison, comparison_from_dict
from igdt_planner.curve import Curve, curve_from_dict
from igdt_planner.document import load_document
from igdt_planner.errors import InputError
from igdt_planner.fixed import FixedCurve, fixed_from_dict

KINDS: dict[str, Callable[[Mapping[str, Any]], Curve | FixedCurve | Comparison]] = {
    "sweep": curve_from_dict,
    "robustness": fixed_from_dict,
    "comparison": comparison_from_dict,
}
"""How the document of each kind is read."""


def load_curve(path: str | os.PathLike[str]) -> Curve | FixedCurve | Comparison:
    """A curve of plans chosen anew, of one plan, or of several, as its ``save`` wrote it to a ``.json`` file.

    Raises
    ------
    InputError
        When the file cannot be read, or holds no curve.
    """
    document = load_document(path)
    kind = document.get("kind")
    if kind not in KINDS:
        message = f"{os.fspath(path)}: not a curve; its kind must be one of {', '.join(KINDS)}"
        raise InputError.of(message, path="/kind", got=kind)
    return KINDS[kind](document)
