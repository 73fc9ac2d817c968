"""What a case and a model must agree on before they make a study. Each check returns findings; all are told at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from igdt_planner.case import Case
from igdt_planner.errors import Finding
from igdt_planner.model import AVAILABILITY, DgChoice, EssChoice, Mode, Model, ModeName, Site, possible
from igdt_planner.network import cycle_among, cycle_of, edges, substation_buses, unsupplied

T = TypeVar("T", int, str)

NEVER_NEGATIVE = (
    "losses",
    "ens",
    "lost_load_cost",
    "generation_cost",
    "investment_cost",
    "voltage_deviation",
    "switching",
)


def mismatches(case: Case, model: Model, periods: Collection[int]) -> list[Finding]:
    """Every mismatch between a case and a model that plans ``periods``, in the order of the model."""
    choices: tuple[tuple[str, DgChoice | EssChoice, tuple[Site, ...] | None], ...] = (
        ("dg", model.dg, model.fix.dg),
        ("ess", model.ess, model.fix.ess),
    )
    return [
        *mode_faults(model),
        *set_point_faults(case, model),
        *shedding_faults(case, model),
        *term_faults(model),
        *limit_faults(model),
        *(finding for kind, choice, _ in choices for finding in choice_faults(case, kind, choice)),
        *uncertain_faults(case, model, len(periods)),
        *(finding for kind, choice, sites in choices for finding in site_faults(case, kind, choice, sites or ())),
        *open_line_faults(case, model, periods),
    ]


def candidate_buses(case: Case, allowed: Collection[int]) -> list[int]:
    """Buses at which a unit may be built: those allowed, or all but the substations."""
    buses: list[int] = case.buses["id"].tolist()
    return list(allowed) or [bus for bus in buses if bus not in substation_buses(case)]


def mode_faults(model: Model) -> list[Finding]:
    """Modes that are missing or cannot be run as asked."""
    if not model.modes:
        return [Finding("the model has no mode; name connected, islanded or both", "/model/modes")]
    if "connected" not in model.modes or model.modes["connected"].radial:
        return []
    message = "modes.connected.radial = false is not supported: a connected network is run radial"
    return [Finding(message, "/model/modes/connected/radial", False)]


def set_point_faults(case: Case, model: Model) -> list[Finding]:
    """Set points of voltage outside islands, or beyond the limits of a bus that may form the grid of one."""
    findings = []
    if "connected" in model.modes and (vm_pu := model.modes["connected"].vm_pu) is not None:
        message = "modes.connected.vm_pu is not supported: connected, substations hold the voltage that the case states"
        findings.append(Finding(message, "/model/modes/connected/vm_pu", vm_pu))
    held = model.modes["islanded"].vm_pu if "islanded" in model.modes else None
    if held is None:
        return findings
    choices: tuple[DgChoice | EssChoice, ...] = (model.dg, model.ess)
    forming = {
        bus
        for choice in choices
        if choice.max_units and any(technology.grid_forming for technology in choice.technologies)
        for bus in candidate_buses(case, choice.buses)
    }
    beyond = [
        bus
        for bus in case.buses.to_dict("records")
        if bus["id"] in forming and not bus["vm_min_pu"] <= held <= bus["vm_max_pu"]
    ]
    if beyond:
        first, more = beyond[0], f" and of {len(beyond) - 1} more" if len(beyond) > 1 else ""
        limits = f"{first['vm_min_pu']:g} to {first['vm_max_pu']:g} pu of bus {first['id']}{more}"
        message = f"modes.islanded.vm_pu {held:g} lies outside the limits {limits}, where a unit may form a grid"
        findings.append(Finding(message, "/model/modes/islanded/vm_pu", held))
    return findings


def shedding_faults(case: Case, model: Model) -> list[Finding]:
    """Loads that cannot be shed at a constant power factor, in modes that may have to shed them."""
    findings = []
    for name in sorted(model.modes):
        if name != "islanded" and not model.modes[name].shedding:
            continue
        for row, bus in enumerate(case.buses.to_dict("records")):
            p_mw, q_mvar = float(bus["p_mw"]), float(bus["q_mvar"]) if model.modes[name].reactive else 0.0
            if p_mw > 0.0 or p_mw == q_mvar == 0.0:
                continue
            column = "p_mw" if p_mw < 0.0 else "q_mvar"
            message = (
                f"bus {bus['id']}: a load of p_mw {p_mw:g} and q_mvar {q_mvar:g} cannot be shed at a constant power "
                f"factor, which mode {name} may need"
            )
            hint = (
                f"modes.{name}.reactive = false leaves reactive load out" if p_mw == 0.0 else "state generation as DG"
            )
            findings.append(Finding(message, f"/case/buses/{row}/{column}", bus[column], hint=hint))
    return findings


def term_faults(model: Model) -> list[Finding]:
    """Objective terms without the mode that they need, or with one that they cannot have."""
    findings = []
    for number, term in enumerate(model.objective):
        message = ""
        if term.term == "investment_cost" and term.mode is not None:
            message = "objective term investment_cost belongs to the whole plan: leave mode out"
        elif term.term != "investment_cost" and term.mode not in model.modes:
            known = ", ".join(sorted(model.modes))
            message = f"objective term {term.term} needs mode = one of: {known}; got {term.mode}"
        elif term.term == "energy_cost" and term.mode == "islanded":
            message = "objective term energy_cost: no energy is bought in islanded mode"
        if message:
            findings.append(Finding(message, f"/model/objective/{number}/mode", term.mode))
    return findings


def limit_faults(model: Model) -> list[Finding]:
    """Limits on terms of modes that the model does not have, or that do not have the term."""
    findings = []
    for number, limit in enumerate(model.limits):
        message = ""
        if limit.mode is not None and limit.mode not in model.modes:
            known = ", ".join(sorted(model.modes))
            message = f"limit on {limit.term} names mode {limit.mode}, which the model does not have; known: {known}"
        elif limit.mode is not None and limit.term != "cost" and not possible(limit.term, limit.mode):
            message = f"limit on {limit.term}: mode {limit.mode} has no such term; leave mode out"
        elif not any(limit.mode in (None, mode) for _, mode in model.summands(limit.term)):
            message = f"limit on {limit.term}: no mode of the model has such a term"
        elif limit.at_most < 0.0 and limit.term in NEVER_NEGATIVE:
            findings.append(
                Finding(f"limit on {limit.term} of {limit.at_most:g}: it is never below 0", f"/model/limits/{number}")
            )
        if message:
            findings.append(Finding(message, f"/model/limits/{number}/mode", limit.mode))
    return findings


def choice_faults(case: Case, kind: str, choice: DgChoice | EssChoice) -> list[Finding]:
    """Unknown candidate buses, and technologies that are missing or named twice."""
    findings = []
    for bus in sorted(set(choice.buses) - set(case.buses["id"].tolist())):
        message = f"{kind}.buses names bus {bus}, which the case does not have"
        findings.append(Finding(message, f"/model/{kind}/buses", bus))
    if choice.max_units and not choice.technologies:
        message = f"{kind}.max_units is {choice.max_units} but {kind}.technologies is empty"
        findings.append(Finding(message, f"/model/{kind}/technologies"))
    for name in repeated(tech.name for tech in choice.technologies):
        findings.append(Finding(f"{kind}.technologies names {name} twice", f"/model/{kind}/technologies", name))
    return findings


def uncertain_faults(case: Case, model: Model, periods: int) -> list[Finding]:
    """Uncertain quantities named twice, that the case or the model does not have, or of a shape that does not fit."""
    findings = [
        Finding(f"uncertain names quantity {quantity} twice", "/model/uncertain", quantity)
        for quantity in repeated(entry.quantity for entry in model.uncertain)
    ]
    named = {entry.quantity for entry in model.uncertain}
    for number, entry in enumerate(model.uncertain):
        path = f"/model/uncertain/{number}"
        if missing := not_there(case, model, entry.quantity):
            findings.append(Finding(f"uncertain: {missing}", f"{path}/quantity", entry.quantity))
        if entry.psi is not None and len(entry.psi) != periods:
            message = f"uncertain {entry.quantity}: psi has {len(entry.psi)} values, the plan has {periods} periods"
            findings.append(Finding(message, f"{path}/psi", len(entry.psi)))
        if entry.gamma is not None and entry.gamma > periods:
            message = f"uncertain {entry.quantity}: gamma {entry.gamma} exceeds the {periods} periods of the plan"
            findings.append(Finding(message, f"{path}/gamma", entry.gamma))
    apart = named & {"active_load", "reactive_load"}
    for quantity in sorted(apart if "load" in named else ()):
        message = f"uncertain names both load and {quantity}, which is a part of it"
        findings.append(Finding(message, "/model/uncertain", quantity))
    shedding = [name for name, mode in model.modes.items() if name == "islanded" or mode.shedding]
    for quantity in sorted(apart if shedding else ()):
        message = f"{quantity} cannot deviate on its own in mode {shedding[0]}, where load is shed at its power factor"
        findings.append(Finding(message, "/model/uncertain", quantity, hint="let load deviate as a whole"))
    return findings + relaxed_faults(model, named)


def not_there(case: Case, model: Model, quantity: str) -> str:
    """Why a study has no such quantity; empty where it has."""
    if quantity in AVAILABILITY.values():
        sources = {tech.source for tech in model.dg.technologies}
        wanted = next(source for source, name in AVAILABILITY.items() if name == quantity)
        return "" if wanted in sources else f"no technology of DG has source = {wanted}, so {quantity} is no quantity"
    columns = {"load": ["p_mw", "q_mvar"], "active_load": ["p_mw"], "reactive_load": ["q_mvar"]}
    if quantity in columns:
        return "" if case.buses[columns[quantity]].to_numpy().any() else f"no bus of the case has a load for {quantity}"
    if quantity == "price":
        bought = any(term.term == "energy_cost" and term.weight for term in model.objective)
        priced = bool(case.profile["price_per_mwh"].to_numpy().any())
        if not bought:
            return "the objective has no energy_cost, so a price is no quantity"
        return "" if priced else "the profile of the case has no price_per_mwh"
    return "" if case.lines["max_i_ka"].notna().any() else "no line of the case has a rating (max_i_ka)"


def relaxed_faults(model: Model, named: Collection[str]) -> list[Finding]:
    """Quantities that the formulation takes only in some models."""
    findings = []
    if "line_rating" in named and model.losses != "balance":
        message = 'an uncertain line_rating needs losses = "balance", which knows currents'
        findings.append(Finding(message, "/model/losses", model.losses))
    for number, limit in enumerate(model.limits):
        if "price" in named and limit.term in ("cost", "energy_cost"):
            message = f"a limit on {limit.term} is not kept under an uncertain price"
            findings.append(Finding(message, f"/model/limits/{number}/term", limit.term))
    return findings


def site_faults(case: Case, kind: str, choice: DgChoice | EssChoice, sites: tuple[Site, ...]) -> list[Finding]:
    """Stated units that the model could not build."""
    buses, candidates = set(case.buses["id"].tolist()), set(candidate_buses(case, choice.buses))
    known = {tech.name for tech in choice.technologies}
    faults: list[tuple[str, object]] = []
    for bus in sorted({site.bus for site in sites} - candidates):
        why = f"is not among {kind}.buses" if choice.buses else "is a substation"
        faults.append((f"names bus {bus}, which {why if bus in buses else 'the case does not have'}", bus))
    for name in sorted({site.technology for site in sites} - known):
        faults.append((f"names technology {name}; known: {', '.join(sorted(known))}", name))
    for bus in repeated(site.bus for site in sites):
        faults.append((f"names bus {bus} twice; a bus takes one unit", bus))
    if len(sites) > choice.max_units:
        faults.append((f"states {len(sites)} units; {kind}.max_units is {choice.max_units}", len(sites)))
    return [Finding(f"fix.{kind} {message}", f"/model/fix/{kind}", got) for message, got in faults]


def open_line_faults(case: Case, model: Model, periods: Collection[int]) -> list[Finding]:
    """Stated topologies that the model could not run."""
    findings: list[Finding] = []
    for name in sorted(model.fix.open_lines):
        stated, mode, path = model.fix.open_lines[name], model.modes.get(name), f"/model/fix/open_lines/{name}"
        field = f"fix.open_lines.{name}"
        if mode is None:
            findings.append(Finding(f"fix.open_lines names mode {name}, which the model does not have", path, name))
        elif not isinstance(stated, dict):
            findings += topology_faults(case, name, mode, stated, field, path)
        elif mode.topology != "dynamic":
            message = f"{field} states lines by period, but modes.{name}.topology is {mode.topology}: state one list"
            findings.append(Finding(message, path, sorted(stated)))
        else:
            for period in sorted(set(stated) - set(periods)):
                planned = ", ".join(map(str, sorted(periods)))
                findings.append(Finding(f"{field} names period {period}; planned: {planned}", path, period))
            for period in sorted(set(stated) & set(periods)):
                where = f"{field}.{period}", f"{path}/{period}"
                findings += topology_faults(case, name, mode, stated[period], *where)
    return findings


def topology_faults(
    case: Case, name: ModeName, mode: Mode, opened: tuple[int, ...], field: str, path: str
) -> list[Finding]:
    """The first kind of fault that there is: unknown lines, lines without a switch, a network that is not radial."""
    lines = case.lines.to_dict("records")
    unknown = sorted(set(opened) - {int(line["id"]) for line in lines})
    if unknown:
        return [Finding(f"{field} names line {line}, which the case does not have", path, line) for line in unknown]
    locked = [line for line in lines if not line["switchable"] and line["in_service"] == (line["id"] in opened)]
    if locked:
        does = {
            True: "opens line {}, which has no switch",
            False: "leaves out line {}, open and without a switch",
        }
        messages = [(does[bool(line["in_service"])].format(line["id"]), int(line["id"])) for line in locked]
        return [Finding(f"{field} {message}", path, line) for message, line in messages]
    return [
        Finding(f"{field} leaves {message}", path, list(opened)) for message in forest_faults(case, name, mode, opened)
    ]


def forest_faults(case: Case, name: ModeName, mode: Mode, opened: tuple[int, ...]) -> list[str]:
    """What keeps a topology from being radial, in words: a cycle, or buses without supply where connected."""
    closed = [edge for edge in edges(case) if edge[0] not in opened]
    loop = cycle_among(closed) if mode.radial or name == "connected" else ()
    joined = cycle_of(case, opened) if name == "connected" and not loop else ()
    unfed = unsupplied(case, opened) if name == "connected" else ()
    faults = []
    if loop:
        faults.append(f"a cycle of lines {', '.join(map(str, loop))}")
    if joined:
        faults.append(f"two substations joined by lines {', '.join(map(str, joined))}")
    if unfed:
        faults.append(f"{'bus' if len(unfed) == 1 else 'buses'} {', '.join(map(str, unfed))} without supply")
    return faults


def repeated(names: Iterable[T]) -> list[T]:
    """Names that stand more than once, sorted."""
    seen = list(names)
    return sorted({name for name in seen if seen.count(name) > 1})
