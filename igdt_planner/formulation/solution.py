"""Reading a point of the formulation back into the words of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import pandas as pd

from igdt_planner.formulation.build import Formulation
from igdt_planner.model import Fix, Site
from igdt_planner.plan import Dispatch, Realisation, Topology
from igdt_planner.study import Study

DUST_MW = 1e-9
"""Powers below this are rounding of the solver and read as zero."""


@dataclass(frozen=True)
class Decisions:
    """First-stage decisions: sites, and open lines by mode and period."""

    dg: tuple[Site, ...]
    ess: tuple[Site, ...]
    open_lines: Topology

    def as_fix(self, study: Study) -> Fix:
        """The same decisions as a model's ``fix``."""
        stated: dict[Any, Any] = {}
        for mode, by_period in self.open_lines.items():
            dynamic = study.modes[mode].settings.topology == "dynamic"
            stated[mode] = by_period if dynamic else next(iter(by_period.values()))
        return Fix(dg=self.dg, ess=self.ess, open_lines=stated)


def read_decisions(formulation: Formulation, values: dict[str, float]) -> Decisions:
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
    return Decisions(built(m.build_dg, study.dg), built(m.build_ess, study.ess), open_lines)


def read_dispatch(
    formulation: Formulation, values: dict[str, float], decisions: Decisions, realisation: Realisation
) -> Dispatch:
    """Tables of a point in SI; the grid-forming bus of each island is chosen here."""
    study, m = formulation.study, formulation.model
    base = study.base_mva

    def mw(variable: Any) -> float:
        power = values.get(variable.name, 0.0) * base
        return 0.0 if abs(power) < DUST_MW else power

    dg, ess, shed, sources = [], [], [], []
    for name, mode in study.modes.items():
        b = m.mode[name]
        for t in study.periods:
            for s in decisions.dg:
                dg.append((name, t, s.bus, mw(b.p_dg[s.bus, s.technology, t]), mw(b.q_dg[s.bus, s.technology, t])))
            for s in decisions.ess:
                key = (s.bus, s.technology, t)
                ess.append((name, t, s.bus, *one_way(mw(b.p_charge[key]), mw(b.p_discharge[key])), mw(b.energy[key])))
            for i in study.buses if mode.shedding else ():
                if (p := mw(b.p_shed[i, t])) > 0.0:
                    shed.append((name, t, i, p, p * mode.q_load[i, t] / mode.p_load[i, t]))
            for i in grid_forming(study, name, decisions, t, dg, ess) if mode.islanded else mode.sources:
                sources.append((name, t, i, max(0.0, values[b.v_sq[i, t].name]) ** 0.5))
    return Dispatch(
        realisation=realisation,
        dg=pd.DataFrame(dg, columns=["mode", "period", "bus", "p_mw", "q_mvar"]),
        ess=pd.DataFrame(ess, columns=["mode", "period", "bus", "p_charge_mw", "p_discharge_mw", "energy_mwh"]),
        shed=pd.DataFrame(shed, columns=["mode", "period", "bus", "p_mw", "q_mvar"]),
        sources=pd.DataFrame(sources, columns=["mode", "period", "bus", "vm_pu"]),
    )


def one_way(charge: float, discharge: float) -> tuple[float, float]:
    """Charging and discharging without the dust of the other."""
    return (charge, 0.0) if discharge < 1e-7 else (0.0, discharge) if charge < 1e-7 else (charge, discharge)


def grid_forming(study: Study, mode: str, decisions: Decisions, t: int, dg: list[Any], ess: list[Any]) -> list[int]:
    """One bus per island that a unit energises: the DG with the largest rating, else the ESS that delivers most."""
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    graph.add_nodes_from(study.buses)
    opened = set(decisions.open_lines[mode][t])
    graph.add_edges_from((line.i, line.j) for line in study.lines.values() if line.id not in opened)
    rating = {
        s.bus: study.dg[s.bus, s.technology].p_mw for s in decisions.dg if study.dg[s.bus, s.technology].grid_forming
    }
    forming = {s.bus for s in decisions.ess if study.ess[s.bus, s.technology].grid_forming}
    delivers = {row[2]: row[4] for row in ess if row[0] == mode and row[1] == t and row[2] in forming and row[4] > 0.0}
    chosen = []
    for island in nx.connected_components(graph):
        units = {bus: p for bus, p in rating.items() if bus in island} or {
            bus: p for bus, p in delivers.items() if bus in island
        }
        if units:
            chosen.append(min(units, key=lambda bus: (-units[bus], bus)))
    return sorted(chosen)
