"""What the pictures show, as plain tables: one data layer for every renderer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.case import Case
from igdt_planner.errors import InputError
from igdt_planner.network import edges, feeding_tree, substation_buses
from igdt_planner.plan import AcVerdict, Plan, Realisation, Supply
from igdt_planner.report.layout import feeder_layout
from igdt_planner.report.routes import Points, line_routes

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeederView:
    """One state of a feeder: a mode and period of an AC verdict, on the drawing of its case.

    Attributes
    ----------
    title, mode : str
    period : int
    buses : DataFrame
        Index bus; ``x``, ``y`` in units of the median line, ``vm_pu`` (NaN where dead; so is an island in which nothing
        moves), ``vm_min_pu``, ``vm_max_pu``, ``distance_ohm`` along the closed lines from the nearest source (NaN where
        dead), ``demand_mw``, ``served_mw`` and ``share``, the share that is served (0 where dead, 1 without demand).
    lines : DataFrame
        Index line; ``from_bus``, ``to_bus``, ``in_service`` (in the base topology), ``closed``, ``live`` (both
        ends have a voltage), ``i_ka`` and ``loading``.
    routes : dict
        Points of every line.
    substations, dg, ess, forming : tuple of int
        Buses of substations and of units, and the buses where a unit forms the grid of an island.
    served : Supply or None
        What of its demand the mode serves; None in verdicts saved before it was told.
    """

    title: str
    mode: str
    period: int
    buses: pd.DataFrame
    lines: pd.DataFrame
    routes: dict[int, Points]
    substations: tuple[int, ...]
    dg: tuple[int, ...]
    ess: tuple[int, ...]
    forming: tuple[int, ...]
    served: Supply | None


@dataclass(frozen=True)
class DispatchView:
    """How one mode of a plan runs over time, in MW.

    Attributes
    ----------
    mode : str
    start_h, duration_h : array
        Periods.
    supply : dict of array
        What covers the load, by name; storage only where it discharges.
    charge, load, energy_mwh : array
        Power that storage takes (positive), load before shedding, and energy stored at the end of each period.
    capacity_mwh, energy_start_mwh : float
    served : Supply or None
        What of its demand the mode serves; None in verdicts saved before it was told.
    """

    mode: str
    start_h: Values
    duration_h: Values
    supply: dict[str, Values]
    charge: Values
    load: Values
    energy_mwh: Values
    capacity_mwh: float
    energy_start_mwh: float
    served: Supply | None


def before_view(case: Case, verdict: AcVerdict, period: int | None = None) -> FeederView:
    """The case as it is: base topology and no units."""
    mode = str(verdict.buses["mode"].iloc[0])
    shown = shown_period(case, verdict, mode) if period is None else period
    open_lines = case.lines.loc[~case.lines["in_service"], "id"].tolist()
    return _view(case, verdict, mode, shown, open_lines, "Before", ((), ()))


def plan_view(plan: Plan, mode: str, period: int | None = None) -> FeederView:
    """One mode of a plan at the realisation its objective refers to.

    Raises
    ------
    InputError
        Where the plan has no AC verdict to draw.
    """
    if plan.ac is None:
        raise InputError.of(f"the plan has status {plan.status} and no AC state to draw", path="/plan/ac")
    shown = shown_period(plan.case, plan.ac, mode) if period is None else period
    open_lines = plan.open_lines.get(mode, {}).get(shown)
    if open_lines is None:
        open_lines = tuple(plan.case.lines.loc[~plan.case.lines["in_service"], "id"].tolist())
    units = (tuple(plan.dg["bus"].tolist()), tuple(plan.ess["bus"].tolist()))
    return _view(plan.case, plan.ac, mode, shown, open_lines, f"Plan, {mode}", units)


def shown_period(case: Case, verdict: AcVerdict, mode: str) -> int:
    """The period of the largest load among those judged in a mode; the first of equals."""
    judged = set(verdict.buses.loc[verdict.buses["mode"] == mode, "period"])
    profile = case.profile[case.profile["period"].isin(judged)]
    if profile.empty:
        raise InputError.of(f"the AC verdict has no mode {mode}", path="/plan/ac", got=mode)
    return int(profile["period"].iloc[int(profile["load"].to_numpy(float).argmax())])


def _view(
    case: Case,
    verdict: AcVerdict,
    mode: str,
    period: int,
    open_lines: tuple[int, ...] | list[int],
    title: str,
    units: tuple[tuple[int, ...], tuple[int, ...]],
) -> FeederView:
    layout = feeder_layout(case)
    routes = line_routes(case, layout)
    unit = _median_length(routes)
    lines = case.lines.set_index("id")[["from_bus", "to_bus", "in_service"]].copy()
    lines["closed"] = ~lines.index.isin(list(open_lines))
    flows = _rows(verdict.lines, mode, period).set_index("line")
    lines[["i_ka", "loading"]] = flows[["i_ka", "loading"]].reindex(lines.index)
    state = _rows(verdict.buses, mode, period).set_index("bus").reindex(layout.index)
    live = state["vm_pu"].notna() & state["idle"].eq(False)
    sources = tuple(bus for bus in _rows(verdict.sources, mode, period)["bus"].tolist() if live[bus])
    buses = layout / unit
    buses["vm_pu"] = state["vm_pu"].where(live)
    buses[["demand_mw", "served_mw"]] = state[["demand_mw", "served_mw"]]
    share = (buses["served_mw"] / buses["demand_mw"]).where(buses["demand_mw"] > 0.0, 1.0)
    buses["share"] = share.where(live, 0.0)
    lines["live"] = lines[["from_bus", "to_bus"]].isin(buses.index[buses["vm_pu"].notna()]).all(axis=1)
    buses[["vm_min_pu", "vm_max_pu"]] = case.buses.set_index("id")[["vm_min_pu", "vm_max_pu"]]
    buses["distance_ohm"] = _distance_ohm(case, lines, sources).reindex(buses.index)
    return FeederView(
        title=title,
        mode=mode,
        period=period,
        buses=buses,
        lines=lines,
        routes={line: route / unit for line, route in routes.items()},
        substations=tuple(sorted(substation_buses(case))),
        dg=units[0],
        ess=units[1],
        forming=sources if mode == "islanded" else (),
        served=_served(verdict, mode),
    )


def _served(verdict: AcVerdict, mode: str) -> Supply | None:
    return next((supply for supply in verdict.supply if supply.mode == mode), None)


def _rows(table: pd.DataFrame, mode: str, period: int) -> pd.DataFrame:
    return table[(table["mode"] == mode) & (table["period"] == period)]


def _median_length(routes: dict[int, Points]) -> float:
    """Median distance between the ends of a line; 1 where nothing has a length."""
    lengths = [float(np.linalg.norm(route[-1] - route[0])) for route in routes.values()]
    return (float(np.median(lengths)) if lengths else 0.0) or 1.0


def _distance_ohm(case: Case, lines: pd.DataFrame, sources: tuple[int, ...]) -> pd.Series[float]:
    """Impedance between every live bus and the source that feeds it."""
    closed = set(lines.index[lines["closed"]])
    ohm = {line: math.hypot(r, x) for line, r, x in case.lines[["id", "r_ohm", "x_ohm"]].itertuples(index=False)}
    distance = dict.fromkeys(sources, 0.0)
    for bus, (parent, line) in feeding_tree([edge for edge in edges(case) if edge[0] in closed], sources).items():
        distance[bus] = distance[parent] + ohm[line]
    return pd.Series(distance, dtype=float)


def dispatch_view(plan: Plan, mode: str) -> DispatchView:
    """How one mode of a plan runs at the realisation its objective refers to.

    Raises
    ------
    InputError
        Where the plan has no dispatch.
    """
    dispatch, ac = plan.dispatch, plan.ac
    if dispatch is None or ac is None:
        raise InputError.of(f"the plan has status {plan.status} and no dispatch to draw", path="/plan/dispatch")
    judged = ac.buses.loc[ac.buses["mode"] == mode, "period"].unique()
    profile = plan.case.profile[plan.case.profile["period"].isin(judged)].set_index("period")

    def total(table: pd.DataFrame, column: str) -> Values:
        rows = table[table["mode"] == mode]
        return rows.groupby("period")[column].sum().reindex(profile.index, fill_value=0.0).to_numpy(float)

    bought = ac.sources[ac.sources["bus"].isin(sorted(substation_buses(plan.case)))]
    supply = {
        "DG": total(dispatch.dg, "p_mw"),
        "storage discharging": total(dispatch.ess, "p_discharge_mw"),
        "substation": total(bought, "p_mw") if mode == "connected" else np.zeros(len(profile)),
        "load not served": total(dispatch.shed, "p_mw"),
    }
    start = {tech.name: tech.energy_start_mwh for tech in plan.model.ess.technologies}
    return DispatchView(
        mode=mode,
        start_h=profile["start_h"].to_numpy(float),
        duration_h=profile["duration_h"].to_numpy(float),
        supply=supply,
        charge=total(dispatch.ess, "p_charge_mw"),
        load=demand(plan, profile["load"], dispatch.realisation),
        energy_mwh=total(dispatch.ess, "energy_mwh"),
        capacity_mwh=float(plan.ess["energy_mwh"].sum()),
        energy_start_mwh=float(sum(start.get(name, 0.0) for name in plan.ess["technology"])),
        served=_served(ac, mode),
    )


def demand(plan: Plan, profile: pd.Series, realisation: Realisation) -> npt.NDArray[np.float64]:
    """Active load of all buses at a realisation, MW, shape (periods,); ``profile`` is the load factor by period."""
    buses, periods = plan.case.buses["id"].tolist(), profile.index.tolist()
    factor = realisation.table("load", buses, periods) * realisation.table("active_load", buses, periods)
    return np.asarray(profile.to_numpy(float) * (factor @ plan.case.buses["p_mw"].to_numpy(float)), dtype=float)


def curve_view(table: pd.DataFrame) -> pd.DataFrame:
    """Points of a curve, sorted by budget, that have a budget and an alpha or a bound on it.

    Returns
    -------
    DataFrame
        ``beta``, ``budget``, ``alpha``, ``alpha_bound``, ``low`` and ``high`` (the ends of the interval between plan
        and bound; a missing end falls on the other), and ``feasible`` (whether AC confirmed the plan).
    """
    columns = ["beta", "budget", "alpha", "alpha_bound"]
    points = table[columns].apply(pd.to_numeric, errors="coerce").astype(float)
    points["feasible"] = table["verdict"].eq("feasible")
    ends = points[["alpha", "alpha_bound"]].where(np.isfinite(points[["alpha", "alpha_bound"]]))
    points["low"], points["high"] = ends.min(axis=1), ends.max(axis=1)
    shown: pd.DataFrame = points[points["budget"].notna() & points["low"].notna()]
    return shown.sort_values("budget", ignore_index=True)


def unanswered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a curve with a budget and neither alpha nor bound: ``budget, unlimited`` (nothing uncertain matters)."""
    limits = table.get("alpha_limit", pd.Series(index=table.index, dtype=object))
    rows = pd.DataFrame({"budget": pd.to_numeric(table["budget"]), "unlimited": limits.eq("unbounded")})
    known = np.isfinite(table[["alpha", "alpha_bound"]].apply(pd.to_numeric, errors="coerce").astype(float)).any(axis=1)
    shown: pd.DataFrame = rows[rows["budget"].notna() & ~known]
    return shown
