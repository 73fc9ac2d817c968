"""What alpha means: the share of past days on which the forecast was not further off than alpha."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.document import SCHEMA, clean, records, to_json
from igdt_planner.errors import Finding, InputError
from igdt_planner.igdt import WORSE, corner_faults
from igdt_planner.interchange.history import read_history
from igdt_planner.model import Model, Quantity, Uncertain, load_model
from igdt_planner.plan import Plan
from igdt_planner.report.files import write_whole
from igdt_planner.shapes import Shape
from igdt_planner.study import resolve

Floats = npt.NDArray[np.float64]

ERROR_COLUMNS = ["time", "day", "quantity", "component", "error", "needed_alpha", "needed_alpha_worse"]
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Shares of days for which the alpha that would have held on them is told."""
INSIDE = 1e-9
"""By how much rounding may carry an error at the very edge beyond alpha."""


@dataclass(frozen=True)
class Calibration:
    """How alpha compares with past errors of the forecast.

    Attributes
    ----------
    alpha : float or None
        Radius that is judged; None where none was given.
    errors : DataFrame
        ``time, day, quantity, component, error, needed_alpha, needed_alpha_worse``: relative error of every row, the
        smallest alpha whose set contains it, and the same where only errors to the worse side count.
    missing : tuple of str
        Uncertain quantities of the model that the history does not tell of: they are left out of every number.
    """

    alpha: float | None
    errors: pd.DataFrame
    missing: tuple[str, ...]

    @property
    def days(self) -> pd.DataFrame:
        """``day, needed_alpha, needed_alpha_worse``: the smallest alpha that held all day, for all quantities."""
        return self._largest("day")

    @property
    def table(self) -> pd.DataFrame:
        """Shares that lie inside alpha, by quantity and jointly; the last row is all quantities together.

        ``quantity, errors, share_inside, times, share_times_inside, days, share_days_inside, share_days_held``: of
        single errors, of times and of days at which all of them are inside, and of days on which none is beyond alpha
        to the worse side.
        """
        names = list(dict.fromkeys(self.errors["quantity"]))
        rows = [self._row(name, self.errors[self.errors["quantity"] == name]) for name in names]
        return pd.DataFrame([*rows, self._row("all", self.errors)])

    @property
    def alphas(self) -> pd.DataFrame:
        """``share_of_days, alpha, alpha_worse``: the smallest alpha that would have held on at least that share."""
        days, rows = self.days, []
        for share in SHARES:
            place = math.ceil(share * len(days) - 1e-9) - 1
            least = [np.sort(days[name].to_numpy(float))[place] for name in ("needed_alpha", "needed_alpha_worse")]
            rows.append((share, *map(float, least)))
        return pd.DataFrame(rows, columns=["share_of_days", "alpha", "alpha_worse"])

    @property
    def share_of_days_held(self) -> float | None:
        """Share of past days on which nothing was further off to the worse side than alpha."""
        return None if self.alpha is None else _share(self.days["needed_alpha_worse"], self.alpha)

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
            }
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the document as JSON, whole or not at all."""
        return write_whole(Path(path), to_json(self.to_dict()).encode())

    def _largest(self, by: str, errors: pd.DataFrame | None = None) -> pd.DataFrame:
        """Largest needed alpha of every time or day."""
        chosen = self.errors if errors is None else errors
        return chosen.groupby(by, as_index=False)[["needed_alpha", "needed_alpha_worse"]].max()

    def _row(self, name: str, errors: pd.DataFrame) -> dict[str, Any]:
        times, days = self._largest("time", errors), self._largest("day", errors)
        inside = [
            math.nan if self.alpha is None else _share(part["needed_alpha"], self.alpha)
            for part in (errors, times, days)
        ]
        return {
            "quantity": name,
            "errors": len(errors),
            "share_inside": inside[0],
            "times": len(times),
            "share_times_inside": inside[1],
            "days": len(days),
            "share_days_inside": inside[2],
            "share_days_held": _share(days["needed_alpha_worse"], self.alpha),
        }


def calibrate(
    history: str | os.PathLike[str],
    model_or_plan: str | os.PathLike[str] | Mapping[str, Any] | Model | Plan,
    alpha: float | None = None,
) -> Calibration:
    """Hold past errors of forecasts against an uncertainty set.

    The error of a row is ``outcome / forecast - 1``; it lies inside alpha where it is at most ``alpha * weight`` of its
    quantity. A day lies inside where all of its errors do, of all quantities at once.

    Parameters
    ----------
    history : path
        CSV with the columns ``time, quantity, forecast, outcome`` and, if a quantity has several, ``component``: see
        :func:`igdt_planner.interchange.history.read_history`.
    model_or_plan : str, path, mapping, Model or Plan
        Names the uncertain quantities and their weights. A robust plan also says which side is the worse one: an error
        to the other side does it no harm. Of a model both sides count as worse.
    alpha : float, optional
        Of a robust plan its own, unless given.

    Raises
    ------
    InputError
        With every fault of the history, by file and row.
    """
    plan = model_or_plan if isinstance(model_or_plan, Plan) else None
    model = plan.model if plan is not None else load_model(model_or_plan)  # type: ignore[arg-type]
    if not model.uncertain:
        raise InputError.of(f"model {model.name} names no uncertain quantity", path="/model/uncertain")
    require_single(model)
    if alpha is None and plan is not None:
        alpha = plan.robustness.get("alpha")
    if alpha is not None and not 0.0 <= alpha < math.inf:
        raise InputError.of(f"alpha {alpha:g} must be 0 or more", path="/alpha", got=alpha)
    entries = {entry.quantity: entry for entry in model.uncertain}
    errors = read_history(Path(history), list(entries))
    error = np.asarray(errors["outcome"] / errors["forecast"] - 1.0, dtype=float)
    needed, harmless = np.zeros(len(errors)), np.zeros(len(errors), dtype=bool)
    sides = worse_sides(plan)
    for name, entry in entries.items():
        own = (errors["quantity"] == name).to_numpy()
        needed[own] = needed_alpha(entry, error[own])
        harmless[own] = error[own] * sides.get(name, 0.0) < 0.0
    errors = errors.assign(
        day=errors["time"].str[:10],
        error=error,
        needed_alpha=needed,
        needed_alpha_worse=np.where(harmless, 0.0, needed),
    )
    told = set(errors["quantity"])
    return Calibration(alpha, errors[ERROR_COLUMNS], tuple(name for name in entries if name not in told))


def require_single(model: Model) -> None:
    """Refuse shapes that hold whole series of deviations: a single error says nothing of them."""
    findings = [
        Finding(
            f"calibration judges single errors, and shape {entry.shape} holds whole series", f"/model/uncertain/{n}"
        )
        for n, entry in enumerate(model.uncertain)
        if entry.shape not in ("fractional", "interval")
    ]
    if findings:
        raise InputError(findings)


def needed_alpha(entry: Uncertain, error: Floats) -> Floats:
    """The smallest radius whose interval contains each error; infinite where the quantity does not deviate so."""
    down, up = Shape(entry, np.ones(1)).reach()
    size, reach = np.abs(error), np.where(error < 0.0, down, up)
    return np.divide(size, reach, out=np.where(size > 0.0, np.inf, 0.0), where=reach > 0.0)


def worse_sides(plan: Plan | None) -> dict[Quantity, float]:
    """By quantity 1 where more of it is worse for a plan and -1 where less is; empty where both may be."""
    if plan is None or plan.kind != "robust" or corner_faults(resolve(plan.case, plan.model)):
        return {}
    return WORSE


def _share(needed: pd.Series[float], alpha: float | None) -> float:
    """Share of needed alphas that an alpha covers; NaN without an alpha."""
    if alpha is None:
        return math.nan
    return float((needed <= alpha * (1.0 + INSIDE) + INSIDE).mean())
