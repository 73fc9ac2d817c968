"""What the unit of a model says: what it counts, in which currency, over which span of time."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MONEY: Final = "money"
SUM: Final = "u"
YEAR_H: Final = 8760.0
SPANS_H: Final = {
    **dict.fromkeys(("hour", "h"), 1.0),
    **dict.fromkeys(("day", "d"), 24.0),
    "week": 168.0,
    "month": YEAR_H / 12.0,
    **dict.fromkeys(("year", "yr", "y", "a", "annum"), YEAR_H),
}
"""Hours of the spans that a unit may name after a slash or ``per``."""
SCALED: Final[dict[str, tuple[str, float]]] = {
    "wh": ("MWh", 1e6),
    "kwh": ("MWh", 1e3),
    "mwh": ("MWh", 1.0),
    "gwh": ("MWh", 1e-3),
    "tco2": ("tCO2", 1.0),
    "kgco2": ("tCO2", 1e3),
    "pu": ("pu", 1.0),
    "operations": ("operations", 1.0),
}
"""Units of quantities in small letters: the unit that terms come in, and how many of this one make one of it."""
UNDERSTOOD: Final = (
    "write an energy (MWh, kWh), money (an ISO code such as EUR or kEUR, or money), tCO2, pu, operations, "
    f"or {SUM} for a weighted sum of different things; a span may follow, as in EUR/year"
)

PATTERN: Final = re.compile(r"(.*?)(?:\s*(?:/|\bper\b|\ban?\b)\s*([a-z]+))?(?:\s*[x*]\s*[\d.]+)?", re.IGNORECASE)
CURRENCY: Final = re.compile(r"([kM]?)([A-Z]{3})")
PREFIXES: Final = {"": 1.0, "k": 1e-3, "M": 1e-6}


class Unit(NamedTuple):
    """The unit of a model.

    Attributes
    ----------
    name : str
        Without its span.
    kind : str
        The unit of terms that count as they come: ``MWh``, ``money``, ``tCO2``, ``pu`` or ``operations``; ``u`` for a
        weighted sum without a unit of its own.
    scale : float
        How many of the unit make one of ``kind``: 1000 of kWh.
    currency : str
        ISO code of money that is not written as the case writes its own; else empty.
    span_h : float or None
        Hours of the span that it is counted over, where it names one.
    """

    name: str
    kind: str
    scale: float = 1.0
    currency: str = ""
    span_h: float | None = None


def unit_of(text: str, currency: str) -> Unit | None:
    """Read the unit of a model; None where it cannot be understood.

    Parameters
    ----------
    text : str
        For example ``MWh``, ``kEUR/year``, ``USD per day`` or ``money x 365``.
    currency : str
        That of the case, which may be any text.
    """
    match = PATTERN.fullmatch(text.strip())
    name, span = (match[1].strip(), match[2]) if match else (text, None)
    span_h = SPANS_H.get(span.lower()) if span else None
    code = CURRENCY.fullmatch(name)
    if not match or (span and span_h is None):
        return None
    if name == SUM:
        return Unit(name, SUM, span_h=span_h)
    if name.lower() in (MONEY, currency.lower()):
        return Unit(name, MONEY, span_h=span_h)
    if name.lower() in SCALED:
        return Unit(name, *SCALED[name.lower()], span_h=span_h)
    return Unit(name, MONEY, PREFIXES[code[1]], code[2], span_h) if code else None
