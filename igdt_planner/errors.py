"""Errors that speak the user's language: every fault names what, where, the value and the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TypeGuard


@dataclass(frozen=True)
class Finding:
    """One fault of an input.

    Attributes
    ----------
    message : str
        The sentence a user reads, naming component, id, field, value and limit.
    path : str
        JSON pointer of the faulty value, for example ``/case/lines/3/r_ohm``.
    got : object
        The offending value, or None where something is missing.
    file, row : str, int or None
        File and 1-based row (the header is row 1) when the input came from a file.
    hint : str
        What would mend it, or empty.
    """

    message: str
    path: str = ""
    got: object = None
    file: str = ""
    row: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = self.file + (f" row {self.row}" if self.row is not None else "")
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class PlannerError(Exception):
    """Base of every error that igdt_planner raises on purpose."""

    code = "failed"


class InputError(PlannerError):
    """Bad input: all faults at once.

    Parameters
    ----------
    findings : sequence of Finding
        Every fault that was found, in reading order.
    """

    code = "bad_input"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Finding, ...]]]:
        """So that it arrives whole from another process."""
        return type(self), (self.findings,)

    @classmethod
    def of(cls, message: str, *, path: str = "", got: object = None, hint: str = "") -> InputError:
        """One fault as an error."""
        return cls([Finding(message, path=path, got=got, hint=hint)])


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Within it, faults of a part of a request (a plan, for instance) say where in the request that part stands.

    Raises
    ------
    InputError
        Faults that name the study or its options stay as they are.
    """
    try:
        yield
    except InputError as error:
        own = ("/study/", "/options/")
        moved = [f if f.path.startswith(own) else replace(f, path=where + f.path) for f in error.findings]
        raise InputError(moved) from None


class SolverError(PlannerError):
    """The solver process crashed, answered nonsense, or its answer failed the independent check."""

    code = "solver_failed"


def nearest(word: str, known: Sequence[str]) -> str:
    """Hint naming the known words closest to a misspelt one, or all of them when none is close."""
    import difflib

    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    return f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}"


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number, of Python or of numpy; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, of Python or of numpy; true and false are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)
