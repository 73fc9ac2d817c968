"""Evidence, calibration and probabilistic power flow as plain text that a planner can read."""

from __future__ import annotations

from igdt_planner.report.text import decimals, grid, number, percent, plain, table_text, warnings_of
from igdt_planner.results.calibration import Calibration
from igdt_planner.results.evidence import Evidence
from igdt_planner.results.probabilistic import Probabilistic

EVIDENCE_WORDS = """
radius     multiple of alpha at which the rays near the worst case are looked at
over       rays that cost more than the budget     broken    rays that leave a limit of the network or of a unit
by rules   rays among these that were not dispatched exactly and may have a dispatch; beyond alpha all but the first
"""
RECOURSE_WORDS = {
    "policy": "go between the plan's dispatches at the forecast and at the worst case",
    "corrected": "limits are then kept: by reactive power, by what DG gives, by shedding",
    "all_available": "limits are kept so from all that DG has available and all load served",
    "redispatched": "dispatched exactly, as none of these rules kept limits and budget",
    "not_redispatched": "no rule kept limits and budget, and not dispatched exactly: the plan may have a dispatch",
}
"""How samples were run, by the step that answered them."""
CALIBRATION_WORDS = """
errors, times, days    of the history; inside: those at which no forecast was further off than alpha
                       (-: its shape binds the periods of a day together, so that only days are inside or not)
held                   days on which none was further off to the side that is worse for the plan
"""


def evidence_summary(found: Evidence) -> str:
    """Evidence in a screen of text; what speaks against the plan stands first."""
    unit, count = found.plan.model.unit, f"{found.samples:,}"
    title = f"Evidence for a robust plan of {plain(found.plan.case.name)}, model {plain(found.plan.model.name)}"
    against = [f"BROKEN: {finding}" for finding in found.findings]
    verdict = against or ["holds: nothing inside alpha exceeds the budget or leaves a limit"]
    lines = [title, "-" * len(title), *verdict]
    lines.append(f"{found.over_budget} of {count} samples inside alpha {decimals(found.alpha)} exceed the budget")
    worst = f"{number(found.worst_objective)} {unit}"
    lines.append(f"costliest sample {worst}, budget {number(found.budget)} {unit}, seed {found.seed}")
    lines += ["", "sites, lines and storage schedule are held; the rest is dispatched knowing the sample:"]
    lines += [f"{count:>7,}  {RECOURSE_WORDS[step]}" for step, count in found.steps.items() if count]
    titles = ("radius", "alpha", "rays", "over", "share", "costliest", "broken", "by rules")
    rows = [
        (
            f"{row.radius:g}",
            decimals(row.alpha),
            str(row.rays),
            str(row.over_budget),
            percent(row.share_over_budget),
            decimals(row.worst_objective),
            str(row.broken),
            str(row.not_redispatched),
        )
        for row in found.rays.itertuples()
    ]
    return "\n".join(lines) + "\n\n" + grid([titles, *rows], left=()) + EVIDENCE_WORDS + warnings_of(found.plan)


def calibration_summary(found: Calibration) -> str:
    """What alpha held of the past, and what it would have taken to hold more."""
    days = int(found.table["days"].iloc[-1])
    head = f"Forecasts and outcomes of {days} day{'' if days == 1 else 's'}"
    lines = [head, "-" * len(head)]
    if found.alpha is not None:
        lines.append(f"alpha = {found.alpha:.4g} held on {percent(found.share_of_days_held)} of past days")
    lines += [f"not told of: {plain(name)}, left out of every number" for name in found.missing]
    single = found.table[found.table["quantity"] != "all"]
    for quantity, beyond, count in single[["quantity", "days_beyond_all", "days"]].itertuples(index=False):
        if beyond:
            why = "they are off to a side, or in more periods, than its shape has"
            lines.append(f"{plain(quantity)}: {beyond} of {count} days lie inside no alpha; {why}")
    titles = ("quantity", "errors", "inside", "times", "inside", "days", "inside", "held")
    rows = [
        (
            plain(row.quantity),
            str(row.errors),
            percent(row.share_inside),
            str(row.times),
            percent(row.share_times_inside),
            str(row.days),
            percent(row.share_days_inside),
            percent(row.share_days_held),
        )
        for row in found.table.itertuples()
    ]
    needed = [
        (percent(row.share_of_days), *(decimals(alpha).replace("unlimited", "none") for alpha in row[2:]))
        for row in found.alphas.itertuples()
    ]
    shares = grid([titles, *rows], left=(0,)) if found.alpha is not None else ""
    least = grid([("days", "alpha, both sides", "worse side alone"), *needed], left=())
    words = CALIBRATION_WORDS if found.alpha is not None else ""
    return (
        "\n".join(lines) + "\n\n" + shares + words + "\nsmallest alpha that would have held on so many days\n" + least
    )


def probabilistic_summary(found: Probabilistic) -> str:
    """What cost, terms and lowest voltages come to, and how likely limits are left."""
    plan = found.plan
    title = f"Probabilistic power flow of {plain(plan.case.name)}, model {plain(plan.model.name)}"
    lines = [title, "-" * len(title), f"{found.samples:,} samples, seed {found.seed}"]
    lines.append(f"outside voltage limits with a chance of {percent(found.share_outside_voltage_limits)}")
    lines.append(f"outside any limit with a chance of {percent(found.broken / found.samples)}")
    if found.budget is not None:
        budget = f"{number(found.budget)} {plan.model.unit}"
        lines.append(f"over the budget of {budget} with a chance of {percent(found.share_over_budget)}")
    return "\n".join(lines) + "\n\n" + table_text(found.table, left=(0, 1, 2))
