"""Text of a MATLAB file to statements of tokens. Nothing is judged here but what belongs together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
      (?P<blank>    [ \t\r\f\v]+ | \.\.\.[^\n]*(?:\n|\Z) | %[^\n]* )
    | (?P<newline>  \n )
    | (?P<number>   (?:\d+(?:\.(?![*/^'])\d*)?|\.\d+)(?:[eEdD][+-]?\d+)? )
    | (?P<name>     [A-Za-z]\w* )
    | (?P<text>     '(?:[^'\n]|'')*' | "(?:[^"\n]|"")*" )
    | (?P<sign>     \.[*/^'] | [=~<>]= | [-+*/^=(),;:\[\]{}.~] )
    | (?P<other>    . )
    """,
    re.VERBOSE | re.ASCII,
)


class Token(NamedTuple):
    """A word of the language.

    Attributes
    ----------
    kind : str
        ``newline``, ``number``, ``name``, ``text``, ``sign`` or ``other``.
    text : str
    line : int
        Line of the file, from 1.
    spaced : bool
        Whether a blank stands before it; inside brackets that may begin a new element.
    """

    kind: str
    text: str
    line: int
    spaced: bool


Statement = tuple[Token, ...]


def statements(text: str) -> Iterator[Statement]:
    """Cut a text into its statements; a matrix is one statement however many lines it has.

    A bracket left open does not swallow the file: it ends at the next assignment, a parenthesis at the end of its line.
    """
    statement: list[Token] = []
    opened: list[str] = []
    line_begin = 0
    for token in _tokens(_without_comment_blocks(text)):
        if token.text == "=" and opened and line_begin:
            yield tuple(statement[:line_begin])
            statement, opened, line_begin = statement[line_begin:], [], 0
        if token.kind == "newline" or token.text in (";", ","):
            if not opened or (token.kind == "newline" and "(" in opened):
                if statement:
                    yield tuple(statement)
                statement, opened, line_begin = [], [], 0
                continue
        elif token.kind == "sign" and token.text in "([{":
            opened.append(token.text)
        elif token.kind == "sign" and token.text in ")]}":
            del opened[-1:]
        statement.append(token)
        line_begin = len(statement) if token.kind == "newline" else line_begin
    if statement:
        yield tuple(statement)


def _without_comment_blocks(text: str) -> str:
    """Empty the lines from ``%{`` to ``%}``."""
    kept, deep = [], 0
    for line in text.split("\n"):
        mark = line.strip()
        deep += mark == "%{"
        kept.append("" if deep else line)
        deep -= mark == "%}" and deep > 0
    return "\n".join(kept)


def _tokens(text: str) -> Iterator[Token]:
    line, spaced = 1, False
    for match in _TOKEN.finditer(text):
        kind, word = str(match.lastgroup), match[0]
        if kind != "blank":
            yield Token(kind, word, line, spaced)
        line += word.count("\n")
        spaced = kind == "blank"
