"""What plans leave unserved, for tables, and in words where it is all: an optimal plan may leave all in the dark."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from igdt_planner.plan import AcVerdict, Dispatch, Plan

LEAST_MWH = 1e-6
"""Energy that counts as none, one watt-hour."""

CASES = {"robust": " in the worst case", "opportunity": " in the best case"}


def not_served_mwh(plan: Plan) -> dict[str, float | None]:
    """Energy not served in each mode of a plan, MWh, by the name of its column; None where it is not known."""
    known = {supply.mode: supply.not_served_mwh for supply in (plan.ac.supply if plan.ac else ())}
    return {f"not_served_{mode}_mwh": known.get(mode) for mode in plan.model.modes}


def nothing_served(plan: Plan) -> tuple[str, ...]:
    """Every mode in which a plan serves nothing, with the reason where one is known; of a question at both its ends."""
    own = _words(plan, plan.ac, plan.dispatch, CASES.get(plan.kind, ""))
    if plan.kind not in CASES:
        return tuple(own)
    return (*own, *_words(plan, plan.ac_forecast, plan.dispatch_forecast, " at the forecast"))


def _words(plan: Plan, verdict: AcVerdict | None, dispatch: Dispatch | None, case: str) -> Iterator[str]:
    if verdict is None or dispatch is None:
        return
    for supply in verdict.supply:
        if supply.served_mwh is None or supply.served_mwh > LEAST_MWH or supply.demand_mwh <= LEAST_MWH:
            continue
        why = f": {_reason(plan, dispatch)}" if supply.mode == "islanded" else ""
        yield f"{supply.mode}: nothing of {supply.demand_mwh:.4g} MWh is served{case}{why}"


def _reason(plan: Plan, dispatch: Dispatch) -> str:
    """What the units of an island do that serves nothing."""
    if not len(plan.dg) and not len(plan.ess):
        return "no unit is built"
    choices = ((plan.dg, plan.model.dg.technologies), (plan.ess, plan.model.ess.technologies))
    known = [unit for built, offered in choices for unit in offered if unit.name in set(built["technology"])]
    if not any(unit.grid_forming for unit in known):
        return "no unit that is built can form a grid"
    dg, ess = (table[table["mode"] == "islanded"] for table in (dispatch.dg, dispatch.ess))
    reasons = [f"DG gives {_most_mw(dg['p_mw'])}"] if len(dg) else []
    if len(ess):
        empty = ess["energy_mwh"].max() <= LEAST_MWH
        reasons.append("storage is empty" if empty else f"storage gives {_most_mw(ess['p_discharge_mw'])}")
    return ", ".join(reasons)


def _most_mw(power: pd.Series) -> str:
    """The largest of some powers, to the watt."""
    most = max(0.0, round(float(power.max()), 6))
    return f"at most {most:.3g} MW" if most else "0 MW"
