"""A case: what the network is. Frozen tables in SI units, checked at load."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Case:
    """A distribution network with its profile.

    Attributes
    ----------
    name, title : str
    base_mva : float
        Power base of the per-unit system used inside.
    currency : str
        Unit of all money in the case.
    buses : pandas.DataFrame
        Columns ``id`` (int), ``name`` (str), ``vn_kv``, ``p_mw``, ``q_mvar`` (load at profile value 1), ``vm_min_pu``,
        ``vm_max_pu``, ``priority`` (weight of its energy not served, default 1), ``value_of_lost_load_per_mwh``
        (money, default 0), ``load_may_be_negative`` (bool), ``x``, ``y`` (drawing coordinates, NaN where not given).
    lines : pandas.DataFrame
        Columns ``id`` (int), ``from_bus``, ``to_bus``, ``r_ohm``, ``x_ohm``, ``max_i_ka`` (NaN means unlimited),
        ``in_service`` (bool, closed in the base topology), ``switchable`` (bool).
    substations : pandas.DataFrame
        Columns ``bus`` (int), ``vm_pu``.
    profile : pandas.DataFrame
        One row a period: ``period`` (1..n), ``start_h``, ``duration_h``, ``load`` (factor on every load), ``dg`` (available
        share of the rating of every DG, 0..1), ``price_per_mwh`` (money), ``emissions_t_per_mwh`` (of bought energy).
    """

    name: str
    title: str
    base_mva: float
    currency: str
    buses: pd.DataFrame
    lines: pd.DataFrame
    substations: pd.DataFrame
    profile: pd.DataFrame
