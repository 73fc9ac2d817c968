"""Islands that starve for reactive power: said in words, because the plan that serves nothing there is optimal."""

from __future__ import annotations

from collections.abc import Sequence

from igdt_planner.model import DgTechnology, EssTechnology, Model
from igdt_planner.network import islands
from igdt_planner.plan import Plan

Technology = DgTechnology | EssTechnology

SHOWN_BUSES = 8


def starved(plan: Plan) -> tuple[str, ...]:
    """Warnings of load that no island serves because no unit there gives reactive power.

    Loads ask for it, and so do lines with a reactance. Nothing is said where a load has a leading power factor: it
    gives some.
    """
    mode, buses = plan.model.modes.get("islanded"), plan.case.buses
    if mode is None or plan.dispatch is None:
        return ()
    by_loads = bool(mode.reactive and buses["q_mvar"].any())
    if by_loads and (buses["q_mvar"] < 0.0).any():
        return ()
    if not by_loads and not plan.case.lines["x_ohm"].any():
        return ()
    possible, hungry = possible_units(plan.model), unserved(plan, by_loads=by_loads)
    if hungry and possible and not any(map(gives, possible)):
        return (complaint("islanded", possible, by_loads=by_loads),)
    return tuple(
        complaint(f"islanded, island of {listed(sorted(island))}", units, by_loads=by_loads)
        for island, units in islands_with_units(plan)
        if island & hungry and not any(map(gives, units))
    )


def unserved(plan: Plan, *, by_loads: bool) -> set[int]:
    """Buses that islands do not serve whole: with reactive load, or where only lines ask for vars, without a unit."""
    assert plan.dispatch is not None
    shed, buses = plan.dispatch.shed, plan.case.buses
    short = set(shed.loc[shed["mode"] == "islanded", "bus"])
    if by_loads:
        return short & set(buses.loc[buses["q_mvar"] > 0.0, "id"])
    return short - set(plan.dg["bus"]) - set(plan.ess["bus"])


def gives(technology: Technology) -> bool:
    """Whether a technology can give reactive power."""
    return technology.q_max_mvar > 0.0 if isinstance(technology, DgTechnology) else technology.sn_mva is not None


def possible_units(model: Model) -> list[Technology]:
    """Technologies that may be built: the stated ones, else all of which the model allows a unit."""
    found: list[Technology] = []
    for choice, fixed in ((model.dg, model.fix.dg), (model.ess, model.fix.ess)):
        stated = None if fixed is None else {site.technology for site in fixed}
        found += [t for t in choice.technologies if choice.max_units and (stated is None or t.name in stated)]
    return found


def islands_with_units(plan: Plan) -> list[tuple[frozenset[int], list[Technology]]]:
    """Islands of any period that hold units, each once, with the technologies of these."""
    pairs = ((plan.dg, plan.model.dg.technologies), (plan.ess, plan.model.ess.technologies))
    at: list[tuple[int, Technology]] = []
    for table, technologies in pairs:
        known: dict[str, Technology] = {technology.name: technology for technology in technologies}
        at += [(int(bus), known[name]) for bus, name in zip(table["bus"], table["technology"], strict=True)]
    topologies = dict.fromkeys(plan.open_lines["islanded"].values())
    found = dict.fromkeys(island for opened in topologies for island in islands(plan.case, opened))
    units = {island: [technology for bus, technology in at if bus in island] for island in found}
    return [(island, own) for island, own in units.items() if own]


def listed(buses: Sequence[int]) -> str:
    """Some buses in words."""
    shown = ", ".join(map(str, buses[:SHOWN_BUSES]))
    more = f" and {len(buses) - SHOWN_BUSES} more" if len(buses) > SHOWN_BUSES else ""
    return f"bus{'es' if len(buses) > 1 else ''} {shown}{more}"


def complaint(where: str, units: Sequence[Technology], *, by_loads: bool) -> str:
    """What is not served, why, and what to do about it."""
    what, way_out = "no load that asks for reactive power is served", ", or set modes.islanded.reactive = false"
    if not by_loads:
        what, way_out = "no unit serves more than its own bus, for lines ask for reactive power (x_ohm)", ""
    reasons = dict.fromkeys(
        f"DG {unit.name} (q_max_mvar is {unit.q_max_mvar:g})"
        if isinstance(unit, DgTechnology)
        else f"storage {unit.name} (sn_mva is empty)"
        for unit in units
    )
    keys = dict.fromkeys("q_max_mvar" if isinstance(unit, DgTechnology) else "sn_mva" for unit in units)
    return f"{where}: {what}: none comes from {', '.join(reasons)}. State {' or '.join(keys)}{way_out}"
