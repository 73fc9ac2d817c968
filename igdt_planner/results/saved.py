"""Results of every kind from their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from igdt_planner.errors import InputError
from igdt_planner.results.alternatives import Alternatives, alternatives_from_dict
from igdt_planner.results.calibration import Calibration, calibration_from_dict
from igdt_planner.results.comparison import Comparison, comparison_from_dict
from igdt_planner.results.curve import Curve, curve_from_dict
from igdt_planner.results.document import load_document
from igdt_planner.results.drivers import Drivers, drivers_from_dict
from igdt_planner.results.evidence import Evidence, evidence_from_dict
from igdt_planner.results.fixed import FixedCurve, fixed_from_dict
from igdt_planner.results.probabilistic import Probabilistic, probabilistic_from_dict
from igdt_planner.results.tradeoff import Tradeoff, tradeoff_from_dict
from igdt_planner.results.worth import Worth, worth_from_dict

Result = (
    Curve | FixedCurve | Comparison | Tradeoff | Drivers | Worth | Evidence | Calibration | Alternatives | Probabilistic
)

KINDS: dict[str, Callable[[Mapping[str, Any]], Result]] = {
    "sweep": curve_from_dict,
    "robustness": fixed_from_dict,
    "comparison": comparison_from_dict,
    "tradeoff": tradeoff_from_dict,
    "drivers": drivers_from_dict,
    "worth": worth_from_dict,
    "evidence": evidence_from_dict,
    "calibration": calibration_from_dict,
    "alternatives": alternatives_from_dict,
    "probabilistic": probabilistic_from_dict,
}
"""How the document of each kind is read."""


def load_result(path: str | os.PathLike[str]) -> Result:
    """A result that is no single plan, as its ``save`` wrote it to a ``.json`` file: curves, trade-offs, drivers, ...

    Raises
    ------
    InputError
        When the file cannot be read, or holds no such result.
    """
    document = load_document(path)
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        message = f"{os.fspath(path)}: its kind must be one of {', '.join(KINDS)}"
        hint = "ip.load_plan reads plans" if "open_lines" in document else ""
        raise InputError.of(message, path="/kind", got=kind, hint=hint)
    return KINDS[kind](document)
