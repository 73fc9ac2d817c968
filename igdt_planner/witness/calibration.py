"""What alpha means: the share of past days on which the forecast was not further off than alpha."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.case import Case, load_case
from igdt_planner.errors import Finding, InputError
from igdt_planner.infogap.shapes import ZERO, Shape
from igdt_planner.infogap.worst_case import WORSE, corner_faults
from igdt_planner.interchange.history import read_history
from igdt_planner.model import Model, Quantity, Uncertain, load_model
from igdt_planner.plan import Plan
from igdt_planner.results.calibration import ERROR_COLUMNS, SERIES_COLUMNS, Calibration
from igdt_planner.study import resolve

Floats = npt.NDArray[np.float64]

Named = tuple[str, Quantity, str]
"""Day, quantity and component of a series of errors."""

INSIDE = 1e-9
"""By how much rounding may carry an error at the very edge beyond alpha."""


def calibrate(
    history: str | os.PathLike[str],
    model_or_plan: str | os.PathLike[str] | Mapping[str, Any] | Model | Plan,
    alpha: float | None = None,
    *,
    case: str | os.PathLike[str] | Mapping[str, Any] | Case | None = None,
) -> Calibration:
    """Hold past errors of forecasts against an uncertainty set.

    The error of a row is ``outcome / forecast - 1``. The errors of a component on a day are a series, and the smallest
    alpha whose set contains it is the gauge of the shape of its quantity; a day lies inside alpha where all of its
    series do, of all quantities and components at once. The times of a day are the periods of the plan, in order of
    time; only where every period may deviate as far as any other, whatever the others do (``fractional``, ``interval``,
    norm infinity), a day may have any number of times.

    Parameters
    ----------
    history : path
        CSV with the columns ``time, quantity, forecast, outcome`` and, if a quantity has several, ``component``: see
        :func:`igdt_planner.interchange.history.read_history`.
    model_or_plan : str, path, mapping, Model or Plan
        Names the uncertain quantities and the shapes of their deviations. A robust plan also says which side is the
        worse one: an error to the other side does it no harm and counts as none. Of a model both sides count as worse.
        A model alone has no periods: shapes that need their number or their hours ask for a plan, or for a case.
    alpha : float, optional
        Of a robust plan its own, unless given.
    case : str, path, mapping or Case, optional
        Beside a model: its periods, and whether loads may be negative. A plan brings its own.

    Raises
    ------
    InputError
        With every fault of the history, by file and row: also of a day with another number of times than periods. A
        case beside a plan.
    """
    plan = model_or_plan if isinstance(model_or_plan, Plan) else None
    if plan is not None and case is not None:
        raise InputError.of("a plan brings its own case: name a case beside a model only", path="/case")
    model = plan.model if plan is not None else load_model(model_or_plan)  # type: ignore[arg-type]
    network = plan.case if plan is not None else None if case is None else load_case(case)
    if not model.uncertain:
        raise InputError.of(f"model {model.name} names no uncertain quantity", path="/model/uncertain")
    if alpha is None and plan is not None:
        alpha = plan.robustness.get("alpha")
    if alpha is not None and not 0.0 <= alpha < math.inf:
        raise InputError.of(f"alpha {alpha:g} must be 0 or more", path="/alpha", got=alpha)
    days = days_of(model, network)
    negative_loads = network is not None and bool(network.buses["load_may_be_negative"].any())
    rows = read_history(Path(history), list(days), negative_loads=negative_loads)
    error = np.where(rows["forecast"] == rows["outcome"], 0.0, rows["outcome"] / rows["forecast"] - 1.0)
    rows = rows.assign(day=rows["time"].str[:10], error=error)
    require_whole_days(Path(history).name, rows, days)
    errors, series = held_against(rows, days, worse_sides(plan))
    told = set(rows["quantity"])
    missing = tuple(name for name in days if name not in told)
    return Calibration(alpha, shares_of(errors, series, alpha), largest(series, "day"), missing, errors, series)


def shares_of(errors: pd.DataFrame, series: pd.DataFrame, alpha: float | None) -> pd.DataFrame:
    """The table of a calibration: shares inside alpha, by quantity and of all together."""
    rows = []
    for name in dict.fromkeys(errors["quantity"]):
        own_errors, own_series = (part[part["quantity"] == name] for part in (errors, series))
        rows.append(shares_row(name, own_errors, own_series, alpha))
    return pd.DataFrame([*rows, shares_row("all", errors, series, alpha)])


def shares_row(name: str, errors: pd.DataFrame, series: pd.DataFrame, alpha: float | None) -> dict[str, Any]:
    """The table's row of one quantity, or of all."""
    times, days = largest(errors, "time"), largest(series, "day")
    alone = math.nan if alpha is None or errors["needed_alpha"].isna().any() else alpha
    return {
        "quantity": name,
        "errors": len(errors),
        "share_inside": covered(errors["needed_alpha"], alone),
        "times": len(times),
        "share_times_inside": covered(times["needed_alpha"], alone),
        "days": len(days),
        "share_days_inside": covered(days["needed_alpha"], alpha),
        "share_days_held": covered(days["needed_alpha_worse"], alpha),
        "days_beyond_all": int(np.isinf(days["needed_alpha"]).sum()),
    }


@dataclass(frozen=True)
class Day:
    """The shape of one quantity over a day; ``hours`` of its periods are None where any number of times will do."""

    entry: Uncertain
    hours: Floats | None

    def shape(self, times: int) -> Shape:
        """The shape over so many times."""
        return Shape(self.entry, np.ones(times) if self.hours is None else self.hours)


def days_of(model: Model, case: Case | None) -> dict[Quantity, Day]:
    """The day that each uncertain quantity of a model is judged by.

    Raises
    ------
    InputError
        Where periods are needed, and there is no case that has any.
    """
    hours = None if case is None else [period.hours for period in resolve(case, model).periods.values()]
    days: dict[Quantity, Day] = {}
    findings = []
    for n, entry in enumerate(model.uncertain):
        if entry.psi is not None:
            days[entry.quantity] = Day(entry, np.ones(len(entry.psi)))
        elif Shape(entry, np.ones(1)).box:
            days[entry.quantity] = Day(entry, None)
        elif hours is not None:
            days[entry.quantity] = Day(entry, np.array(hours))
        else:
            message = f"shape {entry.shape} binds the periods of a day together, and a model alone has none"
            findings.append(Finding(message, f"/model/uncertain/{n}", hint="calibrate a plan, or name a case"))
    if findings:
        raise InputError(findings)
    return days


def by_series(rows: pd.DataFrame) -> list[tuple[str, Quantity, str, pd.DataFrame]]:
    """The rows of every component on every day."""
    return [(*cast(Named, key), own) for key, own in rows.groupby(SERIES_COLUMNS[:3], sort=False)]


def require_whole_days(file: str, rows: pd.DataFrame, days: Mapping[Quantity, Day]) -> None:
    """Refuse days with more or fewer times than a shape has periods."""
    findings = []
    for day, quantity, component, own in by_series(rows):
        hours = days[quantity].hours
        if hours is not None and len(own) != len(hours):
            what = " ".join(filter(None, [quantity, component]))
            count = f"{len(own)} time{'' if len(own) == 1 else 's'}"
            message = f"{what} has {count} on {day}, shape {days[quantity].entry.shape} needs {len(hours)}"
            hint = "one for each period, in order of time"
            findings.append(Finding(message, "/history", file=file, row=int(own["row"].iloc[0]), hint=hint))
    if findings:
        raise InputError(sorted(findings, key=lambda finding: finding.row or 0))


def held_against(
    rows: pd.DataFrame, days: Mapping[Quantity, Day], sides: Mapping[Quantity, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The smallest alpha of every error, and of the errors of every component on every day."""
    single, series = np.full((len(rows), 2), np.nan), []
    for day, quantity, component, own in by_series(rows):
        error = own["error"].to_numpy(float)
        shape, side = days[quantity].shape(len(error)), sides.get(quantity, 0.0)
        both = error, np.where(error * side < 0.0, 0.0, error)
        series.append((day, quantity, component, *map(shape.gauge, both)))
        if shape.box:
            single[own.index] = np.column_stack([needed_alpha(shape, values) for values in both])
    errors = rows.assign(needed_alpha=single[:, 0], needed_alpha_worse=single[:, 1])
    return errors[ERROR_COLUMNS], pd.DataFrame(series, columns=SERIES_COLUMNS)


def needed_alpha(shape: Shape, errors: Floats) -> Floats:
    """The smallest radius whose box contains each error; infinite where the quantity does not deviate so."""
    down, up = shape.reach()
    size, reach = np.abs(errors), np.where(errors < 0.0, down, up)
    return np.divide(size, reach, out=np.where(size > ZERO, np.inf, 0.0), where=reach > 0.0)


def worse_sides(plan: Plan | None) -> dict[Quantity, float]:
    """By quantity 1 where more of it is worse for a plan and -1 where less is; empty where both may be."""
    if plan is None or plan.kind != "robust" or corner_faults(resolve(plan.case, plan.model)):
        return {}
    return WORSE


def largest(needed: pd.DataFrame, by: str) -> pd.DataFrame:
    """Largest needed alpha of every time or day."""
    return needed.groupby(by, as_index=False)[["needed_alpha", "needed_alpha_worse"]].max()


def covered(needed: pd.Series[float], alpha: float | None) -> float:
    """Share of needed alphas that an alpha covers; NaN without an alpha."""
    if alpha is None or math.isnan(alpha):
        return math.nan
    return float((needed <= alpha * (1.0 + INSIDE) + INSIDE).mean())
