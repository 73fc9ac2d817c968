"""The network as it is: the state that plans are compared with."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from igdt_planner.ac.check import check_dispatch
from igdt_planner.case import Case
from igdt_planner.model import Mode, Model, Term
from igdt_planner.network import base_open_lines
from igdt_planner.plan import FORECAST, AcVerdict, Dispatch, Plan, Realisation

COLUMNS = {
    "dg": ("mode", "period", "bus", "p_mw", "q_mvar"),
    "ess": ("mode", "period", "bus", "p_charge_mw", "p_discharge_mw", "energy_mwh", "q_mvar"),
    "built_dg": ("bus", "technology", "p_mw", "q_min_mvar", "q_max_mvar"),
    "built_ess": ("bus", "technology", "p_mw", "energy_mwh"),
    "shed": ("mode", "period", "bus", "p_mw", "q_mvar"),
}


def base_state(
    case: Case,
    *,
    realisation: Realisation = FORECAST,
    periods: Literal["all", "peak"] = "all",
    reactive: bool = True,
) -> AcVerdict:
    """AC state of a case without any plan: base topology, connected, nothing built.

    Parameters
    ----------
    case : Case
    realisation : Realisation
        Factors on the forecasts; give those of a plan to compare like with like.
    periods : "all" or "peak"
        As in the model that the state is compared with.
    reactive : bool
        Whether loads draw reactive power.

    Returns
    -------
    AcVerdict
        Its objective is the energy lost in the lines, MWh.
    """
    model = Model(
        name="base",
        unit="MWh",
        periods=periods,
        modes={"connected": Mode(weight=1.0, topology="fixed", reactive=reactive)},
        objective=(Term(term="losses", mode="connected"),),
    )
    profile = case.profile
    if periods == "peak":
        peak = int(profile["load"].to_numpy(float).argmax())
        profile = profile.iloc[peak : peak + 1]
    sources = case.substations[["bus", "vm_pu"]].merge(profile[["period"]], how="cross").assign(mode="connected")
    dispatch = Dispatch(realisation, _empty("dg"), _empty("ess"), _empty("shed"), sources)
    return check_dispatch(_nothing_built(case, model, dispatch), dispatch)


def _nothing_built(case: Case, model: Model, dispatch: Dispatch) -> Plan:
    return Plan(
        kind="solve",
        case=case,
        model=model,
        status="feasible",
        open_lines={"connected": dict.fromkeys(case.profile["period"].tolist(), base_open_lines(case))},
        dg=_empty("built_dg"),
        ess=_empty("built_ess"),
        dispatch=dispatch,
        dispatch_forecast=None,
        objective=None,
        model_objective=None,
        bound=None,
        bound_of="ac",
        gap=None,
        ac=None,
        ac_forecast=None,
        redispatched=False,
        seconds=0.0,
    )


def _empty(name: str) -> pd.DataFrame:
    return pd.DataFrame(columns=pd.Index(COLUMNS[name]))
