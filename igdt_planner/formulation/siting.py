"""Where DG and ESS are built: first-stage decisions shared by all modes."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from igdt_planner.model import Site
from igdt_planner.study import SiteKey, Study


def add_siting(m: Any, study: Study) -> None:
    """Declare ``build_dg`` and ``build_ess`` and their limits; stated sites become bounds."""
    m.dg_sites = pyo.Set(initialize=list(study.dg), dimen=2)
    m.ess_sites = pyo.Set(initialize=list(study.ess), dimen=2)
    m.build_dg = pyo.Var(m.dg_sites, domain=pyo.Binary)
    m.build_ess = pyo.Var(m.ess_sites, domain=pyo.Binary)
    state_sites(m.build_dg, study.model.fix.dg)
    state_sites(m.build_ess, study.model.fix.ess)
    if study.dg:
        m.dg_count = pyo.Constraint(rule=dg_count)
        m.dg_one_per_bus = pyo.Constraint(sorted({bus for bus, _ in study.dg}), rule=dg_one_per_bus)
    if study.ess:
        m.ess_count = pyo.Constraint(rule=ess_count)
        m.ess_one_per_bus = pyo.Constraint(sorted({bus for bus, _ in study.ess}), rule=ess_one_per_bus)


def state_sites(build: Any, sites: tuple[Site, ...] | None) -> None:
    """Turn sites stated by the user into bounds: 1 where stated, 0 elsewhere; None leaves all free."""
    if sites is None:
        return
    stated = {(site.bus, site.technology) for site in sites}
    for key in build:
        build[key].setlb(float(key in stated))
        build[key].setub(float(key in stated))


def dg_count(m: Any) -> Any:
    """(S1) At most N DG: ``sum build_dg <= N_dg``. Enforced once."""
    return sum(m.build_dg.values()) <= m.study.model.dg.max_units


def ess_count(m: Any) -> Any:
    """(S2) At most N ESS: ``sum build_ess <= N_ess``. Enforced once."""
    return sum(m.build_ess.values()) <= m.study.model.ess.max_units


def dg_one_per_bus(m: Any, bus: int) -> Any:
    """(S3) At most one DG a bus, of one technology: ``sum_k build_dg[i, k] <= 1``. Enforced over: DG buses."""
    return sum(m.build_dg[key] for key in sites_at(m.study.dg, bus)) <= 1


def ess_one_per_bus(m: Any, bus: int) -> Any:
    """(S4) At most one ESS a bus, of one technology: ``sum_k build_ess[i, k] <= 1``. Enforced over: ESS buses."""
    return sum(m.build_ess[key] for key in sites_at(m.study.ess, bus)) <= 1


def sites_at(sites: Any, bus: int) -> list[SiteKey]:
    """Candidate sites at one bus."""
    return [key for key in sites if key[0] == bus]
