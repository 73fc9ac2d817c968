"""How alpha compares with past errors of the forecast: shares of days, and what it would have taken to hold more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, records
from igdt_planner.results.document_schema import Number, Part
from igdt_planner.results.result_document import require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SERIES_COLUMNS = ["day", "quantity", "component", "needed_alpha", "needed_alpha_worse"]
ERROR_COLUMNS = ["time", *SERIES_COLUMNS[:3], "error", *SERIES_COLUMNS[3:]]
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Shares of days for which the alpha that would have held on them is told."""


class Share(Part):
    """What lies inside alpha, of one quantity or of all."""

    quantity: str
    errors: int
    share_inside: Number
    times: int
    share_times_inside: Number
    days: int
    share_days_inside: Number
    share_days_held: Number
    days_beyond_all: int


class Needed(Part):
    """The alpha that held on a day; null where none does."""

    day: str
    needed_alpha: Number
    needed_alpha_worse: Number


@dataclass(frozen=True)
class Calibration(Saved):
    """How alpha compares with past errors of the forecast.

    Attributes
    ----------
    alpha : float or None
        Radius that is judged; None where none was given.
    table : DataFrame
        ``quantity, errors, share_inside, times, share_times_inside, days, share_days_inside, share_days_held,
        days_beyond_all``, by quantity and jointly; the last row is all quantities together. Shares that lie inside
        alpha: of single errors, of times and of days at which all of them are inside, and of days on which none is
        beyond alpha to the worse side. NaN without an alpha; shares of errors and times also where a shape binds the
        periods of a day together. Beyond all alphas are days with an error that the shape of a quantity does not have
        at any radius: to a side to which it does not deviate, or in more periods than it lets deviate.
    days : DataFrame
        ``day, needed_alpha, needed_alpha_worse``: the smallest alpha whose set contains all errors of a day, and the
        same where only errors to the worse side count; infinite where none does.
    missing : tuple of str
        Uncertain quantities of the model that the history does not tell of: they are left out of every number.
    errors : DataFrame
        ``time, day, quantity, component, error, needed_alpha, needed_alpha_worse``: relative error of every row, and
        its own smallest alphas. NaN where the shape of the quantity binds the periods of a day together: there no error
        has an alpha of its own.
    series : DataFrame
        ``day, quantity, component, needed_alpha, needed_alpha_worse``: the same for the errors of a component on a day.
        Errors and series are empty where the calibration was read from its document, which leaves them out; all else is
        there.
    """

    alpha: float | None
    table: pd.DataFrame
    days: pd.DataFrame
    missing: tuple[str, ...]
    errors: pd.DataFrame
    series: pd.DataFrame

    @property
    def alphas(self) -> pd.DataFrame:
        """``share_of_days, alpha, alpha_worse``: the smallest alpha that would have held on at least that share."""
        places = [math.ceil(share * len(self.days) - 1e-9) - 1 for share in SHARES]
        both = [np.sort(self.days[name].to_numpy(float))[places] for name in ("needed_alpha", "needed_alpha_worse")]
        return pd.DataFrame({"share_of_days": SHARES, "alpha": both[0], "alpha_worse": both[1]})

    @property
    def share_of_days_held(self) -> float | None:
        """Share of past days on which nothing was further off to the worse side than alpha."""
        return None if self.alpha is None else float(self.table["share_days_held"].iloc[-1])

    def plot(self) -> Figure:
        """Share of days that an alpha would have held, over alpha."""
        from igdt_planner.report.calibration import calibration_figure  # matplotlib is slow to load

        return calibration_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "calibration",
                "alpha": self.alpha,
                "share_of_days_held": self.share_of_days_held,
                "missing": list(self.missing),
                "shares": records(self.table),
                "alphas": records(self.alphas),
                "days": records(self.days),
            }
        )


class CalibrationDocument(Part):
    """What its document holds; all else in it follows from these."""

    alpha: Number
    missing: list[str]
    shares: Annotated[list[Share], Field(min_length=1)]
    days: Annotated[list[Needed], Field(min_length=1)]


def calibration_from_dict(document: Mapping[str, Any]) -> Calibration:
    """A calibration from its JSON document: all but the single errors and series.

    Raises
    ------
    InputError
        When the document is not one of this schema.
    """
    require_result(document, "calibration", CalibrationDocument)
    shares, days = rows_as_table(document["shares"], Share), rows_as_table(document["days"], Needed)
    nothing = (pd.DataFrame(columns=columns) for columns in (ERROR_COLUMNS, SERIES_COLUMNS))
    return Calibration(document["alpha"], shares, days.fillna(np.inf), tuple(document["missing"]), *nothing)
