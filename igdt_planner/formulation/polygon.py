"""Polygons that stand for circles in a linear program."""

from __future__ import annotations

import math

DIGITS = 15


def side(number: int, sides: int) -> tuple[float, float]:
    """Cosine and sine of the direction in which a side faces; the first one faces along the first axis.

    Rounded, so that a side along an axis has an exact 0: bounds are derived by dividing by what is not 0.
    """
    angle = 2.0 * math.pi * number / sides
    return round(math.cos(angle), DIGITS), round(math.sin(angle), DIGITS)
