"""The part of MATLAB that case files are written in: assignments of numbers, matrices and arithmetic, and no more.

A small evaluator of its own, so that a file can do nothing but arithmetic: no names of the system, no loops, no calls
but of the functions named here, and no array larger than ``MAX_ELEMENTS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from igdt_planner.interchange.matlab_expression import Fault, NotUnderstood, Reader, Workspace
from igdt_planner.interchange.matlab_text import Statement, statements

_LAST: Final = ("end", "endfunction", "return")
_KEYWORDS: Final = ("if", "for", "while", "switch", "try", "global", "persistent", "clear", *_LAST)


def execute(text: str, constants: Mapping[str, Mapping[str, float]], everything: str) -> Workspace:
    """Execute the statements of a file.

    Parameters
    ----------
    text : str
    constants : mapping
        Functions that return named numbers, ``[A, B] = name``: function to its names and values, in order.
    everything : str
        Name of the command that defines the constants of all these functions.

    Returns
    -------
    Workspace
        Never an error: what was not understood is in ``faults``.
    """
    workspace = Workspace()
    listed = list(statements(text))
    while listed and len(listed[-1]) == 1 and listed[-1][0].text in _LAST:
        listed.pop()
    for number, statement in enumerate(listed):
        try:
            if statement[0].text == "function":
                _function(workspace, statement, first=number == 0)
            elif len(statement) == 1 and statement[0].text == everything:
                workspace.variables.update((name, x) for names in constants.values() for name, x in names.items())
            elif statement[0].text == "[":
                _assign_constants(workspace, statement, constants)
            else:
                _assign(workspace, statement)
        except NotUnderstood as error:
            workspace.faults += error.faults
    return workspace


def _function(workspace: Workspace, statement: Statement, first: bool) -> None:
    words = [token.text for token in statement]
    if words[-2:] == ["(", ")"]:
        del words[-2:]
    if not first:
        raise NotUnderstood(Fault(statement[0].line, "a case file is one function"))
    if len(words) != 4 or words[2] != "=" or statement[1].kind != "name" or statement[3].kind != "name":
        reason = "a case file is a function that takes nothing and returns one struct: function mpc = name"
        raise NotUnderstood(Fault(statement[0].line, reason))
    workspace.output, workspace.name = words[1], words[3]


def _assign_constants(workspace: Workspace, statement: Statement, constants: Mapping[str, Mapping[str, float]]) -> None:
    """Assign ``[A, B, ~] = name``: the values of a function that returns constants, by position."""
    words = [token.text for token in statement]
    if words[-2:] == ["(", ")"]:
        del words[-2:]
    if "]" not in words or words[words.index("]") + 1 :][:1] != ["="] or words[-1] not in constants:
        reason = f"names in brackets take the values of {', '.join(constants)} only"
        raise NotUnderstood(Fault(statement[0].line, reason))
    close = words.index("]")
    names = [token for token in statement[1:close] if token.text != "," and token.kind != "newline"]
    values = list(constants[words[-1]].values())
    if close != len(words) - 3 or len(names) > len(values) or any(t.kind != "name" and t.text != "~" for t in names):
        reason = f"{words[-1]} returns {len(values)} values, to be given one name each"
        raise NotUnderstood(Fault(statement[0].line, reason))
    workspace.variables.update((token.text, x) for token, x in zip(names, values, strict=False) if token.text != "~")


def _assign(workspace: Workspace, statement: Statement) -> None:
    """Assign ``name``, ``struct.field``, or some rows and columns of either."""
    reader = Reader(statement, workspace)
    first = statement[0]
    if first.kind != "name" or first.text in _KEYWORDS or "=" not in (token.text for token in statement):
        raise reader.fault("only assignments are understood")
    home, name = reader.target()
    where = reader.indices(name, home.get(name)) if reader.peek() == "(" else None
    reader.expect("=")
    value = reader.sum()
    reader.end()
    if where is not None:
        home[name] = reader.replaced(home[name], where, value)
        return
    home[name] = value = float(value.item()) if isinstance(value, np.ndarray) and value.size == 1 else value
    if home is workspace.fields:
        line, count = first.line, len(value) if isinstance(value, np.ndarray) else 0
        known = reader.row_lines or workspace.rows.get(name, [])
        workspace.lines[name] = line
        workspace.rows[name] = known if len(known) == count else [line] * count
