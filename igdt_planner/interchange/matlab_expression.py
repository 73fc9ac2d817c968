"""Expressions of the part of MATLAB that case files are written in, evaluated as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from igdt_planner.interchange.matlab_text import Statement, Token

Matrix = npt.NDArray[np.float64]
"""Two-dimensional; one number is a float instead."""

MAX_ELEMENTS: Final = 20_000_000
MAX_DEPTH: Final = 40
MAX_REASON: Final = 120

_CONSTANTS: Final[dict[str, Value]] = {"pi": np.pi, "Inf": np.inf, "inf": np.inf, "NaN": np.nan, "nan": np.nan}
_FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    ".*": np.multiply,
    "/": np.divide,
    "./": np.divide,
    "^": np.power,
    ".^": np.power,
}
_SUMS, _PRODUCTS, _POWERS = ("+", "-"), ("*", ".*", "/", "./"), ("^", ".^")


class Cells:
    """A cell array; its content is not read."""


Value = float | Matrix | str | Cells


@dataclass(frozen=True)
class Fault:
    """Why a statement was not understood, and on which line."""

    line: int
    reason: str


class NotUnderstood(ValueError):  # noqa: N818
    """A statement outside the language."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*(fault.reason for fault in faults))
        self.faults = faults


@dataclass
class Workspace:
    """What a file has computed.

    Attributes
    ----------
    name : str
        Name of the function that the file defines, or empty.
    output : str
        Name of the struct that it returns.
    variables : dict
    fields : dict
        Fields of the struct.
    lines : dict
        Field to the line of its last assignment as a whole.
    rows : dict
        Field to the line of each of its rows.
    faults : list of Fault
        Statements that were not understood, and skipped.
    """

    name: str = ""
    output: str = "mpc"
    variables: dict[str, Value] = field(default_factory=dict)
    fields: dict[str, Value] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class Reader:
    """Recursive descent over the tokens of one statement, evaluating as it goes.

    ``row_lines`` is the line of each row of the last matrix that was written out.
    """

    def __init__(self, statement: Statement, workspace: Workspace) -> None:
        self._tokens, self._workspace = statement, workspace
        self._position = 0
        self._depth = 0
        self._in_brackets = False
        self.row_lines: list[int] = []

    # Tokens

    @property
    def _token(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def peek(self) -> str:
        """Text of the next token; empty at the end and for a quoted text, which is never a sign."""
        token = self._token
        return token.text if token and token.kind != "text" else ""

    def _take(self) -> Token:
        if self._token is None:
            raise self.fault("something is missing at its end")
        self._position += 1
        return self._tokens[self._position - 1]

    def expect(self, text: str) -> None:
        """Take the sign that must stand here."""
        if self.peek() != text:
            raise self.fault(f"{text!r} was expected here")
        self._take()

    def end(self) -> None:
        """Require that nothing is left."""
        if self._token is not None:
            raise self.fault(f"{self._token.text!r} was not expected here")

    def fault(self, reason: str) -> NotUnderstood:
        """What is wrong, on the line of the token ahead."""
        near = self._tokens[min(self._position, len(self._tokens) - 1)]
        return NotUnderstood(Fault(near.line, reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."))

    # Expressions

    def sum(self) -> Value:
        """An expression: its lowest level, sums and differences."""
        value = self._product()
        while self.peek() in _SUMS and not self._begins_element():
            sign = self._take().text
            value = self._apply(sign, value, self._product())
        return value

    def _begins_element(self) -> bool:
        """Whether the sign ahead begins a new element, as in ``[1 -2]``, and not in ``[1 - 2]`` and ``[1-2]``."""
        if not self._in_brackets or self._position + 1 >= len(self._tokens):
            return False
        return self._tokens[self._position].spaced and not self._tokens[self._position + 1].spaced

    def _product(self) -> Value:
        value = self._signed()
        while self.peek() in _PRODUCTS:
            sign = self._take().text
            value = self._apply(sign, value, self._signed())
        return value

    def _signed(self) -> Value:
        sign = self._sign()
        value = self._power()
        return self._apply("*", sign, value) if sign < 0 else value

    def _sign(self) -> float:
        sign = 1.0
        while self.peek() in _SUMS:
            sign *= -1.0 if self._take().text == "-" else 1.0
        return sign

    def _power(self) -> Value:
        value = self._operand()
        while self.peek() in _POWERS:
            operator = self._take().text
            sign = self._sign()
            exponent = self._operand()
            value = self._apply(operator, value, self._apply("*", sign, exponent))
        return value

    def _operand(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.fault(f"it is nested more than {MAX_DEPTH} deep")
        token = self._take()
        if token.kind == "number":
            value: Value = float(token.text.lower().replace("d", "e"))
        elif token.kind == "text":
            value = token.text[1:-1]
        elif token.kind == "name":
            value = self._named(token)
        elif token.text == "(":
            value = self._parenthesis()
        elif token.text == "[":
            value = self._matrix(token)
        elif token.text == "{":
            value = self._cells()
        else:
            self._position -= 1
            raise self.fault(f"{token.text!r} was not expected here")
        self._depth -= 1
        return value

    def _parenthesis(self) -> Value:
        outside, self._in_brackets = self._in_brackets, False
        value = self.sum()
        self.expect(")")
        self._in_brackets = outside
        return value

    def _named(self, token: Token) -> Value:
        """A variable, a field of the struct, some rows and columns of either, a constant, or a function's value."""
        self._position -= 1
        known = token.text in self._workspace.variables or token.text == self._workspace.output
        if not known and token.text in _FUNCTIONS:
            return self._called()
        home, name = self.target() if known else (_CONSTANTS, self._take().text)
        if name not in home:
            self._position -= 1
            raise self.fault(f"{name} is not known")
        ahead = self._token
        if ahead is None or ahead.text != "(" or (self._in_brackets and ahead.spaced):
            return home[name]
        rows, columns = self.indices(name, home[name])
        return self._table(home[name])[np.ix_(rows, columns)]

    def _called(self) -> Value:
        function = _FUNCTIONS[self._take().text]
        self.expect("(")
        argument = self._numeric(self._parenthesis())
        return self._computed(lambda: function(argument))

    def target(self) -> tuple[dict[str, Value], str]:
        """Where a name lives: the variables, or the fields of the struct."""
        name = self._take().text
        if name != self._workspace.output:
            return self._workspace.variables, name
        self.expect(".")
        token = self._take()
        if token.kind != "name":
            raise self.fault(f"the name of a field of {name} was expected")
        return self._workspace.fields, token.text

    # Matrices

    def _matrix(self, opening: Token) -> Value:
        outside, self._in_brackets = self._in_brackets, True
        rows, lines = [], []
        while self.peek() != "]":
            if self._token is None:
                raise NotUnderstood(Fault(opening.line, "its '[' is not closed"))
            line = self._token.line
            if row := list(self._elements()):
                rows.append(row)
                lines.append(line)
        self._take()
        self._in_brackets = outside
        self.row_lines = lines
        return self._joined(rows, lines)

    def _elements(self) -> Iterator[Value]:
        """Elements of one row, up to the semicolon or line end behind it."""
        separated = True
        while (token := self._token) is not None and token.text != "]":
            if token.text == ";" or token.kind == "newline":
                self._take()
                return
            if token.text == "," and not separated:
                self._take()
                separated = True
            elif separated or token.spaced:
                yield self.sum()
                separated = False
            else:
                raise self.fault(f"{token.text!r} was not expected here")

    def _joined(self, rows: list[list[Value]], lines: list[int]) -> Value:
        """One matrix from the elements of its rows; every row that is longer or shorter than the first is named."""
        numbers = [[self._numeric(element) for element in row] for row in rows]
        if not numbers:
            return np.zeros((0, 0))
        if all(isinstance(element, float) for row in numbers for element in row):
            widths = [len(row) for row in numbers]
            self._require_equal(widths, lines)
            return np.array(numbers, dtype=float)
        self._require_size(sum(np.size(element) for row in numbers for element in row))
        try:
            blocks = [np.hstack([np.atleast_2d(element) for element in row]) for row in numbers]
        except ValueError:
            raise self.fault("it joins matrices of different height") from None
        self._require_equal([block.shape[1] for block in blocks], lines)
        return np.vstack(blocks)

    def _require_equal(self, widths: list[int], lines: list[int]) -> None:
        uneven = [(width, line) for width, line in zip(widths, lines, strict=True) if width != widths[0]]
        if uneven:
            said = "this row of a matrix has {} values, its first row has {}"
            raise NotUnderstood(*(Fault(line, said.format(width, widths[0])) for width, line in uneven))

    def _cells(self) -> Value:
        deep = 1
        while deep:
            token = self._take()
            if token.kind == "sign":
                deep += {"{": 1, "}": -1}.get(token.text, 0)
        return Cells()

    # Rows and columns

    def indices(self, name: str, value: Value | None) -> tuple[list[int], list[int]]:
        """Positions that ``(rows, columns)`` names, from 0."""
        if value is None:
            raise self.fault(f"{name} is not known")
        table = self._table(value)
        outside, self._in_brackets = self._in_brackets, False
        self.expect("(")
        rows = self._index(table.shape[0], "rows")
        if self.peek() != ",":
            raise self.fault("rows and columns were expected, as in mpc.bus(:, 3)")
        self._take()
        columns = self._index(table.shape[1], "columns")
        self.expect(")")
        self._in_brackets = outside
        self._require_size(len(rows) * len(columns))
        return rows, columns

    def _index(self, size: int, what: str) -> list[int]:
        if self.peek() == ":":
            self._take()
            return list(range(size))
        first = np.ravel(self._numeric(self.sum())).tolist()
        if self.peek() != ":":
            return [self._whole(number, size, what) for number in first]
        self._take()
        last = np.ravel(self._numeric(self.sum())).tolist()
        if len(first) != 1 or len(last) != 1:
            raise self.fault("a range goes from one number to one number")
        return list(range(self._whole(first[0], size, what), self._whole(last[0], size, what) + 1))

    def _whole(self, number: float, size: int, what: str) -> int:
        if not (number.is_integer() and 1 <= number <= size):
            raise self.fault(f"there are {what} 1 to {size}, but no {number:g}")
        return int(number) - 1

    def _table(self, value: Value) -> Matrix:
        return np.atleast_2d(np.asarray(self._numeric(value), dtype=float))

    def replaced(self, old: Value, where: tuple[list[int], list[int]], value: Value) -> Matrix:
        """A copy with other values at some rows and columns."""
        table, new = self._table(old).copy(), self._numeric(value)
        wanted = (len(where[0]), len(where[1]))
        if isinstance(new, np.ndarray) and new.shape != wanted:
            raise self.fault(f"the right side is {_size(new.shape)}, the left side {_size(wanted)}")
        table[np.ix_(*where)] = new
        return table

    # Arithmetic

    def _apply(self, operator: str, left: Value, right: Value) -> Value:
        a, b = self._numeric(left), self._numeric(right)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            if not operator.startswith(".") and operator not in _SUMS:
                raise self.fault(f"{operator} of two matrices is not computed; .{operator} works element by element")
            if a.shape != b.shape:
                raise self.fault(f"{operator} of matrices {_size(a.shape)} and {_size(b.shape)}")
        elif (operator == "/" and isinstance(b, np.ndarray)) or (operator == "^" and not isinstance(a, float)):
            raise self.fault(f"{operator} of a matrix is not computed; .{operator} works element by element")
        elif operator == "^" and isinstance(b, np.ndarray):
            raise self.fault("^ of a matrix is not computed; .^ works element by element")
        return self._computed(lambda: _OPERATORS[operator](a, b))

    def _computed(self, calculation: Callable[[], Any]) -> float | Matrix:
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                value = calculation()
        except FloatingPointError:
            raise self.fault("it has no finite real value") from None
        return value if isinstance(value, np.ndarray) else float(value)

    def _numeric(self, value: Value) -> float | Matrix:
        if isinstance(value, float):
            return value
        if isinstance(value, np.ndarray):
            return float(value[0, 0]) if value.size == 1 else value
        raise self.fault("a number or a matrix was expected")

    def _require_size(self, size: int) -> None:
        if size > MAX_ELEMENTS:
            raise self.fault(f"it makes {size} numbers, at most {MAX_ELEMENTS} are taken")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
