"""Reading a point of the formulation back into the words of a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from igdt_planner.formulation.build import Formulation
from igdt_planner.model import Fix, Site
from igdt_planner.network import components
from igdt_planner.plan import Dispatch, Realisation, Topology
from igdt_planner.study import SiteKey, Study

DUST_MW = 1e-9
"""Powers below this are rounding of the solver and read as zero."""
STORAGE = ("p_charge_mw", "p_discharge_mw", "energy_mwh", "q_mvar")
EMPTY = 1e-6
"""An ESS that holds no more (MWh) and delivers no more (MW) forms no grid."""


@dataclass(frozen=True)
class Decisions:
    """First-stage decisions: sites, and open lines by mode and period.

    ``binaries`` are the integer variables by name that they were read from: a point to start from when they are run.
    """

    dg: tuple[Site, ...]
    ess: tuple[Site, ...]
    open_lines: Topology
    binaries: Mapping[str, float] = field(default_factory=dict)

    def as_fix(self, study: Study) -> Fix:
        """The same decisions as a model's ``fix``."""
        stated: dict[Any, Any] = {}
        for mode, by_period in self.open_lines.items():
            dynamic = study.modes[mode].settings.topology == "dynamic"
            stated[mode] = by_period if dynamic else next(iter(by_period.values()))
        return Fix(dg=self.dg, ess=self.ess, open_lines=stated)


def read_decisions(formulation: Formulation, values: Mapping[str, float], binaries: Mapping[str, float]) -> Decisions:
    """Sites and open lines of a point given by variable name."""
    m, study = formulation.model, formulation.study

    def built(build: Any, sites: Any) -> tuple[Site, ...]:
        chosen = [key for key in sites if values.get(build[key].name, 0.0) > 0.5]
        return tuple(Site(bus=bus, technology=tech) for bus, tech in sorted(chosen))

    open_lines: Topology = {}
    for name in study.modes:
        b = m.mode[name]
        open_lines[name] = {
            t: tuple(line for line in study.lines if values[b.line_on[line, b.topology_of[t]].name] < 0.5)
            for t in study.periods
        }
    return Decisions(built(m.build_dg, study.dg), built(m.build_ess, study.ess), open_lines, binaries)


def read_dispatch(
    formulation: Formulation, values: dict[str, float], decisions: Decisions, realisation: Realisation
) -> Dispatch:
    """Tables of a point in SI; the grid-forming bus of each island is chosen here, and units at dead buses rest."""
    study, m = formulation.study, formulation.model
    base = study.base_mva

    def mw(variable: Any) -> float:
        power = values.get(variable.name, 0.0) * base
        return 0.0 if abs(power) < DUST_MW else power

    dg, ess, shed, sources = [], [], [], []
    for name, mode in study.modes.items():
        b = m.mode[name]
        stored = {s.bus: study.ess[s.bus, s.technology].energy_start_mwh for s in decisions.ess}
        for t in study.periods:
            live = live_buses(b, values, t)
            for s in decisions.dg:
                key = (s.bus, s.technology, t)
                output = (mw(b.p_dg[key]), mw(b.q_dg[key])) if s.bus in live else (0.0, 0.0)
                dg.append((name, t, s.bus, *output))
            powers = {s.bus: ess_powers(b, (s.bus, s.technology), t, mw) for s in decisions.ess}
            strength = {bus: (discharge, stored[bus]) for bus, (_, discharge, _) in powers.items()}
            opened, held = decisions.open_lines[name][t], mode.settings.vm_pu
            hosts = live if held is None else roots(b, values, t)
            forming = grid_forming(study, decisions, hosts, opened, strength) if mode.islanded else list(mode.sources)
            fed = joined_to(study, forming, opened)
            for s in decisions.ess:
                charge, discharge, q = powers[s.bus]
                stored[s.bus] = mw(b.energy[s.bus, s.technology, t])
                ess.append((name, t, s.bus, charge, discharge, stored[s.bus], q if s.bus in fed else 0.0))
            for i in study.buses if mode.shedding else ():
                if (p := mw(b.p_shed[i, t])) > 0.0:
                    shed.append((name, t, i, p, p * mode.q_load[i, t] / mode.p_load[i, t]))
            for i in forming:
                sources.append((name, t, i, held or max(0.0, voltage(b.v_sq[i, t], values)) ** 0.5))
    return Dispatch(
        realisation=realisation,
        dg=pd.DataFrame(dg, columns=["mode", "period", "bus", "p_mw", "q_mvar"]),
        ess=pd.DataFrame(ess, columns=["mode", "period", "bus", *STORAGE]),
        shed=pd.DataFrame(shed, columns=["mode", "period", "bus", "p_mw", "q_mvar"]),
        sources=pd.DataFrame(sources, columns=["mode", "period", "bus", "vm_pu"]),
    )


def voltage(v_sq: Any, values: Mapping[str, float]) -> float:
    """A squared voltage; where no row holds it, as at a bus without lines, the permitted one nearest to 1 pu."""
    return values.get(v_sq.name, min(max(1.0, v_sq.lb), v_sq.ub))


def live_buses(b: Any, values: Mapping[str, float], t: int) -> set[int]:
    """Buses that are energised in a period."""
    return {i for i in b.study.buses if not b.mode.islanded or values[b.energised[i, b.topology_of[t]].name] > 0.5}


def roots(b: Any, values: Mapping[str, float], t: int) -> set[int]:
    """Buses that form the grid of an island in a period by the point itself."""
    return {i for i in b.study.buses if values[b.root[i, b.topology_of[t]].name] > 0.5}


def joined_to(study: Study, sources: Collection[int], opened: Collection[int]) -> set[int]:
    """Buses that closed lines join to any of some sources."""
    closed = [(line.id, line.i, line.j) for line in study.lines.values() if line.id not in opened]
    return {bus for island in components(study.buses, closed) if not island.isdisjoint(sources) for bus in island}


def ess_powers(b: Any, key: SiteKey, t: int, mw: Callable[[Any], float]) -> tuple[float, float, float]:
    """Charging, discharging and reactive power of an ESS in SI."""
    exchanged = one_way(mw(b.p_charge[key, t]), mw(b.p_discharge[key, t]))
    return *exchanged, mw(b.q_ess[key, t]) if b.study.ess[key].sn_mva is not None else 0.0


def one_way(charge: float, discharge: float) -> tuple[float, float]:
    """Charging and discharging without the dust of the other."""
    return (charge, 0.0) if discharge < 1e-7 else (0.0, discharge) if charge < 1e-7 else (charge, discharge)


def grid_forming(
    study: Study,
    decisions: Decisions,
    hosts: Collection[int],
    opened: Collection[int],
    strength: Mapping[int, tuple[float, float]],
) -> list[int]:
    """One host per island that a unit can energise: the DG with the largest rating, else the strongest ESS.

    ``strength`` says what the ESS at a bus delivers (MW) and held before (MWh).
    """
    techs = {s.bus: study.dg[s.bus, s.technology] for s in decisions.dg}
    dg = {bus: (tech.p_mw, 0.0) for bus, tech in techs.items() if tech.grid_forming}
    able = {s.bus for s in decisions.ess if study.ess[s.bus, s.technology].grid_forming}
    ess = {bus: strength[bus] for bus in able if max(strength[bus]) > EMPTY}
    closed = [(line.id, line.i, line.j) for line in study.lines.values() if line.id not in opened]
    chosen: list[int] = []
    for island in components(study.buses, closed):
        units = dg if island & dg.keys() & set(hosts) else ess
        chosen += sorted(island & units.keys() & set(hosts), key=lambda bus: (*units[bus], -bus))[-1:]
    return sorted(chosen)
