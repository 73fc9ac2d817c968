"""When AC says no: the MILP's plan is dispatched, switched and sited anew, in that order; then others step in."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass

from igdt_planner.formulation.solution import Decisions, read_decisions
from igdt_planner.model import Fix
from igdt_planner.plan import Plan, Step, StepTried
from igdt_planner.session import Run, Session
from igdt_planner.solver.solve import Solved
from igdt_planner.starts import as_stated, searched
from igdt_planner.study import Horizon, Study

RESCUE_EVALUATIONS = 4_000
"""AC power flows of the search that takes over where AC refuses all that the MILP finds."""
REPAIR_SHARE = 0.25
"""Share of the time limit that each step of a repair gets."""
GRACE_S = 10.0
"""Time that a dispatch gets however short the limit is; no step begins so long after the steps have used all of it."""


@dataclass(frozen=True)
class Kept:
    """What is left of a plan after AC: decisions, their dispatch, the step that decided, and all steps tried."""

    decisions: Decisions
    run: Run
    step: Step
    steps: tuple[StepTried, ...]


def accept(session: Session, solved: Solved, decisions: Decisions) -> Kept:
    """The first plan that AC confirms: the MILP's own, or one with less held of it.

    What is held is given up in steps: first the dispatch is solved anew with exact losses, then the topology is free
    too, then the sites; then the search by AC power flow takes over, and at last nothing is built. What frees nothing
    is left out, and so is what would begin too late. Where AC confirms none, the dispatch that breaks its limits least
    comes back with its violations.
    """
    until = time.monotonic() + session.limit(1.0) + GRACE_S
    own = session.judged(solved, decisions, session.study)
    tried, closest = [tried_at("milp", own, solved.answer.seconds)], (decisions, own)
    if own.verdict.verdict == "feasible" and session.study.model.losses == "balance":
        return Kept(decisions, own, "milp", tuple(tried))
    others: tuple[Step, ...] = ("search", "untouched") if any(undecided(session.study)) else ()
    after: tuple[Step, ...] = ("redispatch", *freed(session, decisions), *others)
    for step in after[:1] if solved.cancelled else after:
        begun = time.monotonic()
        if begun > until:
            break
        found, run = anew(session, step, decisions)
        tried.append(tried_at(step, run, time.monotonic() - begun))
        if found is None or run is None:
            continue
        if run.verdict.verdict == "feasible":
            return Kept(found, run, step, tuple(tried))
        if run.verdict.excess < closest[1].verdict.excess:
            closest = found, run
    return Kept(*closest, "none", tuple(tried))


def anew(session: Session, step: Step, decisions: Decisions) -> tuple[Decisions | None, Run | None]:
    """What a step makes of decisions, and its dispatch at the forecast; None where it finds nothing."""
    if step in ("redispatch", "search", "untouched"):
        chosen: Decisions | None = decisions
        if step != "redispatch":
            chosen = searched(session.study, RESCUE_EVALUATIONS) if step == "search" else as_stated(session.study)
        limit_s = max(GRACE_S, session.limit(REPAIR_SHARE))
        return chosen, session.dispatch(chosen, session.study, time_limit_s=limit_s) if chosen is not None else None
    solved = decided_anew(session, freed(session, decisions)[step], decisions)
    if not solved.values:
        return None, None
    found = read_decisions(solved.formulation, solved.values, solved.binaries)
    return found, session.judged(solved, found, session.study)


def freed(session: Session, decisions: Decisions) -> dict[Step, Fix]:
    """What is held of a plan where its topology is decided anew, and then its sites, as far as they are not stated."""
    whole, (lines, sites) = decisions.as_fix(session.study), undecided(session.study)
    steps: dict[Step, Fix] = {"topology": Fix(dg=whole.dg, ess=whole.ess)} if lines else {}
    return steps | {"sites": Fix()} if sites else steps


def undecided(study: Study) -> tuple[bool, bool]:
    """Whether any line is left to be switched, and any unit to be placed."""
    fix = study.model.fix
    lines = any(
        mode.settings.topology != "fixed" and mode.name not in fix.open_lines for mode in study.modes.values()
    ) and any(line.switchable for line in study.lines.values())
    return lines, bool((study.dg and fix.dg is None) or (study.ess and fix.ess is None))


def decided_anew(session: Session, fix: Fix, decisions: Decisions, asked: Horizon | None = None) -> Solved:
    """The study, or a question to it, solved with exact losses and with what is held of a plan."""
    study = session.study.decide(stated(fix, session.study.model.fix))
    return session.solver.solve(
        study if asked is None else study.ask(asked),
        time_limit_s=session.limit(REPAIR_SHARE),
        gap=session.asked_gap,
        starts=[decisions.binaries],
        quiet=True,
    )


def stated(held: Fix, by_user: Fix) -> Fix:
    """What is held of a plan, and what the user states anyway."""
    return Fix(
        dg=held.dg if held.dg is not None else by_user.dg,
        ess=held.ess if held.ess is not None else by_user.ess,
        open_lines={**by_user.open_lines, **held.open_lines},
    )


def decided(plan: Plan, step: Step, steps: tuple[StepTried, ...]) -> Plan:
    """A plan with the step that decided it; a proof of the linear problem says nothing of a plan decided anew."""
    other = (
        step in ("topology", "sites", "search", "untouched") and plan.bound_of == "linear" and plan.status == "optimal"
    )
    return dataclasses.replace(plan, decided_by=step, steps=steps, status="feasible" if other else plan.status)


def tried_at(
    step: Step, run: Run | None, seconds: float, alpha: float | None = None, promised: float | None = None
) -> StepTried:
    """The record of a step by the dispatch that it led to, and of a question by alpha too."""
    if run is None:
        return StepTried(step, "not_checked", None, None, alpha, promised, seconds)
    verdict, worst = run.verdict, run.verdict.worst
    excess, message = verdict.excess if math.isfinite(verdict.excess) else None, worst.message if worst else ""
    return StepTried(step, verdict.verdict, verdict.objective, run.cost, alpha, promised, seconds, excess, message)
