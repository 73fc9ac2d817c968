"""Plans and curves as plain text that a planner can read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Literal

import pandas as pd

from igdt_planner.plan import AcVerdict, Dispatch, Plan, StepTried, Supply, TermValue
from igdt_planner.results.front import Front

SHOWN_VIOLATIONS = 5
LABEL_WIDTH = 18
LOST = re.compile("not_served_(.*)_mwh")
LEAST = 1e-6
"""MW and MWh that count as none: one watt, one watt-hour."""

KIND_WORDS = {
    "solve": "Baseline plan",
    "robust": "Robust plan",
    "opportunity": "Opportunity plan",
    "search": "Searched plan",
}
STATUS_WORDS = {
    "optimal": "proven within the gap asked for",
    "feasible": "a plan, not proven within the gap asked for",
    "refused": "a plan was found, but AC power flow refuses it",
    "infeasible": "no plan can meet what was asked",
    "no_plan": "stopped by its limit before a plan was found",
    "cancelled": "stopped by the user",
    "failed": "the solver failed, or a bound contradicts its plan",
}
LIMIT_WORDS = {
    "limits": "limits: cost is left, but a little further on the model's limits on terms are left",
    "network": "network: cost is left, but a little further on no dispatch keeps voltages and ratings",
    "physical": "physical: a quantity stands at its physical range",
    "unbounded": "unbounded: nothing uncertain touches this plan",
}
STEP_WORDS = {
    "redispatch": "dispatched anew with exact losses",
    "topology": "refused by AC at its topology: switched anew",
    "sites": "refused by AC at its sites: sited and switched anew",
    "search": "refused by AC: the search by AC power flow took over",
    "untouched": "refused by AC: nothing is built or switched instead",
    "none": "refused by AC, and no plan decided anew was confirmed; its violations stand below",
}
"""What became of the MILP's plan, by the step that decided."""
BOUND_WORDS = {"ac": "no plan of the AC problem costs less", "linear": "no plan of the linear-loss model costs less"}
VERDICT_WORDS = {"feasible": "AC: feasible", "violated": "AC: VIOLATED", "not_checked": "AC: not checked"}
COMPARISON_WORDS = """
hypervolume  share of the box from the best values of all fronts to a tenth of the range beyond their worst
dominated    own points that a plan of another front beats    dominates  points of others that own plans beat
"""
CURVE_WORDS = {
    "robust": """
alpha      uncertainty the plan survives     bound     no plan survives more
floor      survived even if the base objective were as low as its bound
objective  at the worst case within alpha    forecast  objective at the forecast
A sweep shares one baseline, its plans and its bounds among all betas; alone, a beta may end at another alpha.
""",
    "opportunity": """
alpha      deviation the plan needs          bound     no plan needs less
objective  at the best case within alpha     forecast  objective at the forecast
A sweep shares one baseline, its plans and its bounds among all betas; alone, a beta may end at another alpha.
""",
}


def summary(plan: Plan) -> str:
    """Everything a planner asks of a plan first, in a screen of text.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    str
        Lines without colour codes, the last one ended. Every objective and every alpha stands beside its AC verdict.
    """
    parts: list[Iterable[str]] = [_head(plan)]
    if plan.robustness:
        parts.append(_uncertainty(plan))
    parts += [_cost(plan), _decisions(plan), _supply(plan), _state(plan), _notes(plan)]
    return "\n".join(line for part in parts for line in part) + "\n"


def curve_summary(table: pd.DataFrame, *, kind: Literal["robust", "opportunity"] = "robust") -> str:
    """A curve as a table of text, one row per beta, with the meaning of its columns.

    Parameters
    ----------
    table : DataFrame
        ``beta, budget, alpha, alpha_bound, alpha_floor, objective, objective_forecast, gap, verdict, status``.
    kind : "robust" or "opportunity"

    Returns
    -------
    str
    """
    titles = ("beta", "budget", "alpha", "bound", "floor", "objective", "forecast", "gap", "AC", "status")
    costs = ("budget", "alpha", "alpha_bound", "alpha_floor", "objective", "objective_forecast")
    lost = _lost(table)
    rows = [
        (
            percent(row["beta"]),
            *(decimals(row[name]) for name in costs),
            percent(row["gap"]),
            plain(row["verdict"]),
            plain(row["status"]),
            *(decimals(row[name]) for name in lost),
        )
        for _, row in table.iterrows()
    ]
    return grid([(*titles, *lost.values()), *rows], left=(8, 9)) + CURVE_WORDS[kind]


def _lost(table: pd.DataFrame) -> dict[str, str]:
    """Columns of energy not served that say more than 0, with their titles."""
    titles = {name: LOST.fullmatch(name) for name in map(str, table)}
    return {
        name: f"not served {found[1]}, MWh"
        for name, found in titles.items()
        if found and pd.to_numeric(table[name]).gt(LEAST).any()
    }


def front_summary(front: Front) -> str:
    """A front as a table of text: objectives by AC, what is proven, what is built and open."""
    head = f"Front of {len(front.plans)} plans, {front.method}: {' against '.join(front.objectives)}"
    named = zip(front.objectives, front.units, strict=True)
    titles = (
        *(f"{name}, {unit}" for name, unit in named),
        "bound of the first",
        "gap",
        "AC",
        "DG",
        "ESS",
        "open lines",
    )
    rows, table = [], front.table
    lost = _lost(table)
    for _, row in table.iterrows():
        opened = "; ".join(f"{mode}: {' '.join(map(str, lines))}" for mode, lines in row["open_lines"].items())
        sites = (" ".join(map(str, row[kind])) or "-" for kind in ("dg", "ess"))
        proof = decimals(row["bound"]), percent(row["gap"]), plain(row["verdict"])
        unserved = (decimals(row[name]) for name in lost)
        rows.append((*(number(row[name]) for name in front.objectives), *proof, *sites, opened, *unserved))
    count = len(front.objectives)
    shown = grid([(*titles, *lost.values()), *rows], left=tuple(range(count + 2, count + 6)))
    missed = "".join(f"\nnot found: {text}" for text in front.missed)
    return f"{head}\n{'-' * len(head)}\n{shown}{missed}\n{warnings_of(*front.plans)}"


def comparison(table: pd.DataFrame) -> str:
    """Fronts beside each other as a table of text."""
    titles = ("method", "points", "hypervolume", "dominated", "dominates")
    rows = [
        (row["method"], str(row["points"]), f"{row['hypervolume']:.4f}", str(row["dominated"]), str(row["dominates"]))
        for _, row in table.iterrows()
    ]
    return grid([titles, *rows], left=(0,)) + COMPARISON_WORDS


def _head(plan: Plan) -> Iterable[str]:
    title = f"{KIND_WORDS.get(plan.kind, plan.kind)} of {plain(plan.case.name)}, model {plain(plan.model.name)}"
    yield title
    yield "-" * len(title)
    yield _line("status", f"{plan.status}: {STATUS_WORDS.get(plan.status, '')}".rstrip(": "))
    if plan.explanation:
        yield from _labelled("because", plain_lines(plan.explanation))


def _uncertainty(plan: Plan) -> Iterable[str]:
    """What is survived, or needed, and how well that is proven."""
    facts, unit = plan.robustness, plan.model.unit
    proof = "no plan survives more" if plan.kind == "robust" else "no plan needs less"
    proof += " in the model without AC losses" if plan.bound_of == "linear" else ""
    untouched = facts.get("alpha_limit") == "unbounded"
    alpha = "unlimited: nothing uncertain touches this plan" if untouched else decimals(facts.get("alpha"))
    yield _line("alpha", _refusal(plan) if plan.status == "refused" else f"{alpha}   {_verdict(plan.ac)}")
    yield from _labelled("that is", _meaning(plan))
    if facts.get("in_words"):
        yield from _labelled("in words", plain_lines(facts["in_words"]))
    yield _line("alpha bound", f"{decimals(facts.get('alpha_bound'))}   {proof}; gap {percent(plan.gap)}")
    if facts.get("alpha_floor") is not None:
        words = "survived even if the base objective were as low as its bound"
        yield _line("alpha floor", f"{decimals(facts['alpha_floor'])}   {words}")
    if facts.get("alpha_limit") not in (None, "budget"):
        yield _line("alpha limit", LIMIT_WORDS.get(facts["alpha_limit"], plain(facts["alpha_limit"])))
    budget = f"{number(facts['budget'])} {unit}" if facts.get("budget") is not None else "none"
    if facts.get("beta") is not None and facts.get("base_objective") is not None:
        sign = "+" if plan.kind == "robust" else "-"
        budget += f" = {number(facts['base_objective'])} {unit} {sign} {percent(facts['beta'])}"
    yield _line("budget", budget)
    if corner := (facts.get("worst_case") or {}).get("corner"):
        yield from _labelled("worst case" if plan.kind == "robust" else "best case", plain_lines(corner))


def _meaning(plan: Plan) -> list[str]:
    """How far every uncertain quantity may go at once, in shares of its forecast."""
    if plan.dispatch is None or not plan.robustness.get("alpha"):
        return []
    words, case = [], "worst" if plan.kind == "robust" else "best"
    for entry in plan.model.uncertain:
        factors = getattr(plan.dispatch.realisation, entry.quantity)
        values = [factors] if isinstance(factors, int | float) else list(factors.values())
        least, most = (f"{100.0 * value:.1f}" for value in (min(values), max(values)))
        share = f"{least} %" if least == most else f"{least} to {most} %"
        words.append(f"{entry.quantity.replace('_', ' ')} at {share} of the forecast in the {case} case")
    return words


def _cost(plan: Plan) -> Iterable[str]:
    """Objectives, each beside its verdict, the bound and what it belongs to, and the terms."""
    unit = plan.model.unit
    where = {"robust": " at the worst case", "opportunity": " at the best case"}.get(plan.kind, "")
    objective = f"{number(plan.objective)} {unit}{where}   {_verdict(plan.ac)}"
    yield _line("objective", _refusal(plan) if plan.status == "refused" else objective)
    forecast = plan.robustness.get("objective_forecast")
    if forecast is not None:
        yield _line("", f"{number(forecast)} {unit} at the forecast   {_verdict(plan.ac_forecast)}")
    if plan.kind == "solve":
        words = f"{BOUND_WORDS[plan.bound_of]}; gap {percent(plan.gap)}"
        yield _line("lower bound", f"{number(plan.bound)} {unit}   {words}")
    if plan.search:
        used = f"{plan.search['evaluations']} AC power flows, seed {plan.search['seed']}"
        yield _line("search", f"{plan.search['algorithm']}: {used}; it proves no bound")
    if plan.model_objective is not None and plan.kind != "search":
        refused = plan.decided_by != "none" or (plan.ac is not None and plan.ac.verdict == "violated")
        words = f"   {STEP_WORDS[plan.decided_by]}" if plan.decided_by in STEP_WORDS and refused else ""
        yield _line("MILP's own value", f"{number(plan.model_objective)} {unit}{words}")
    yield from _labelled("steps tried", _steps(plan))
    if plan.ac is not None:
        yield from _labelled("terms, by AC", [_term(term) for term in plan.ac.terms])


def _steps(plan: Plan) -> list[str]:
    """What came of every step on the way to a plan that AC confirms; nothing where the first one did."""
    return [_step(step, plan.model.unit) for step in plan.steps] if len(plan.steps) > 1 else []


def _step(step: StepTried, unit: str) -> str:
    found = "no plan"
    if step.verdict != "not_checked":
        asked = step.alpha is not None or step.model_alpha is not None
        ours, model = (step.alpha, step.model_alpha) if asked else (step.objective, step.model_objective)
        what = f"alpha {decimals(ours)}" if asked else f"{number(ours)} {unit}"
        found = f"{what}, by the model {decimals(model) if asked else number(model)}   {VERDICT_WORDS[step.verdict]}"
        found += f" by {100.0 * step.violation:.2g} %" if step.violation else ""
    return f"{step.step}, {step.seconds:.1f} s: {found}"


def _decisions(plan: Plan) -> Iterable[str]:
    """What to build and which lines to open."""
    for mode, periods in plan.open_lines.items():
        yield from _labelled(f"open, {mode}", _open_lines(periods))
    if plan.dispatch is None:
        return
    dg = [f"bus {row.bus}: {plain(row.technology)}, {row.p_mw:g} MW" for row in plan.dg.itertuples()]
    ess = [
        f"bus {row.bus}: {plain(row.technology)}, {row.p_mw:g} MW, {row.energy_mwh:g} MWh"
        for row in plan.ess.itertuples()
    ]
    yield from _labelled("DG", dg or ["none"])
    yield from _labelled("storage", ess or ["none"])
    yield from _labelled("island voltage", _island_voltage(plan, plan.dispatch))


def _island_voltage(plan: Plan, dispatch: Dispatch) -> list[str]:
    """What the sources of islands hold, and whether the model states it; nothing where there are none."""
    held = dispatch.sources.loc[dispatch.sources["mode"] == "islanded", "vm_pu"]
    if held.empty:
        return []
    if plan.model.modes["islanded"].vm_pu is not None:
        return [f"{held.max():.4f} pu at the grid-forming bus, as modes.islanded.vm_pu states"]
    spread = f"{held.min():.4f} to {held.max():.4f} pu" if held.max() - held.min() > 5e-5 else f"{held.max():.4f} pu"
    return [f"{spread} at grid-forming buses, free within their limits"]


def _supply(plan: Plan) -> Iterable[str]:
    """What is served and what is not, a line a mode; of a question at both its ends."""
    case = {"robust": ", worst case", "opportunity": ", best case"}.get(plan.kind, "")
    ends = [(plan.ac, case), (plan.ac_forecast, ", forecast")][: 2 if case else 1]
    yield from _labelled("served", [_served(row, end) for verdict, end in ends if verdict for row in verdict.supply])


def _served(supply: Supply, case: str) -> str:
    """How much of the demand of a mode is served, over all periods and at its peak."""
    return f"{supply.mode}{case}: {_of_demand(supply)}"


def _of_demand(supply: Supply) -> str:
    served, lost, asked = supply.served_mwh, supply.not_served_mwh, supply.demand_mwh
    at_peak, lost_at_peak, peak = supply.peak_served_mw, supply.peak_not_served_mw, supply.peak_demand_mw
    if served is None or lost is None or at_peak is None or lost_at_peak is None:
        return f"not known of {amount(asked)} MWh, as AC power flow has no solution"
    if asked <= LEAST:
        return "nothing is asked for"
    if lost <= LEAST:
        return f"all of {amount(asked)} MWh; at the peak {amount(peak)} MW"
    if served <= LEAST:
        return f"nothing of {amount(asked)} MWh; at the peak {amount(peak)} MW not served"
    energy = f"{share_of(served, asked, 'MWh')} ({_share(served / asked)}), {amount(lost, asked)} MWh not served"
    return f"{energy}; at the peak {share_of(at_peak, peak, 'MW')}, {amount(lost_at_peak, peak)} MW not served"


def share_of(part: float, whole: float, unit: str) -> str:
    """A part of a whole in words."""
    return f"{amount(part, whole)} of {amount(whole)} {unit}"


def amount(value: float, whole: float | None = None) -> str:
    """Power or energy with the decimals that the whole needs; what is there is never shown as 0."""
    digits = 2 if (value if whole is None else whole) >= 0.1 else 4
    return f"{value:.1g}" if LEAST < value < 0.5 * 10**-digits else f"{value:.{digits}f}"


def _share(share: float) -> str:
    """A share in whole percent that calls neither a little nothing nor nearly all all."""
    return "<1 %" if share < 0.005 else ">99 %" if share > 0.995 else f"{100 * share:.0f} %"


def _state(plan: Plan) -> Iterable[str]:
    """Worst voltage and what AC power flow objects to."""
    ac = plan.ac
    if ac is None:
        return
    if ac.vm_min_pu is not None:
        place = f"bus {ac.vm_min_bus}, period {ac.vm_min_period}, {ac.vm_min_mode}"
        yield _line("worst voltage", f"{ac.vm_min_pu:.4f} pu at {place}")
    found = [
        ("" if violation in ac.violations else "at the forecast: ") + plain(violation.message)
        for violation in plan.violations
    ]
    more = [f"and {len(found) - SHOWN_VIOLATIONS} more"] * (len(found) > SHOWN_VIOLATIONS)
    yield from _labelled("AC violations", found[:SHOWN_VIOLATIONS] + more)


def _notes(plan: Plan) -> Iterable[str]:
    yield from _labelled("warnings", [plain(warning) for warning in plan.warnings])
    yield _line("computed in", f"{plan.seconds:.1f} s")


def warnings_of(*plans: Plan) -> str:
    """Warnings of plans, each once on a line of its own; empty where there are none."""
    found = dict.fromkeys(warning for plan in plans for warning in plan.warnings)
    return "".join(f"warning: {plain(warning)}\n" for warning in found)


def _term(term: TermValue) -> str:
    name = term.term.replace("_", " ") + (f", {term.mode}" if term.mode else "")
    return f"{name}: {number(term.value)} {term.unit} x {term.weight:g}"


def _open_lines(periods: dict[int, tuple[int, ...]]) -> list[str]:
    """One line where all periods agree, else one per period."""
    words = {period: ", ".join(map(str, sorted(lines))) or "none" for period, lines in sorted(periods.items())}
    if len(set(words.values())) <= 1:
        return list(words.values())[:1]
    return [f"period {period}: {lines}" for period, lines in words.items()]


def _refusal(plan: Plan) -> str:
    """What stands in place of a number that a plan would have if AC power flow did not refuse it."""
    words = VERDICT_WORDS["violated" if plan.least_violation is not None else "not_checked"]
    at_forecast = plan.ac is not None and plan.ac.verdict == "feasible"
    return f"none   {words}{' at the forecast' if at_forecast else ''}"


def _verdict(verdict: AcVerdict | None) -> str:
    return VERDICT_WORDS["not_checked" if verdict is None else verdict.verdict]


def _labelled(label: str, lines: Sequence[str]) -> Iterable[str]:
    for k, line in enumerate(lines):
        yield _line("" if k else label, line)


def _line(label: str, text: str) -> str:
    return f"  {label:<{LABEL_WIDTH}}{text}"


def grid(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Rows as columns of even width, numbers to the right and the columns of ``left`` to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]

    def aligned(row: Sequence[str]) -> str:
        cells = enumerate(zip(row, widths, strict=True))
        return "  ".join(cell.ljust(width) if k in left else cell.rjust(width) for k, (cell, width) in cells).rstrip()

    head, *body = map(aligned, rows)
    return "\n".join([head, "  ".join("-" * width for width in widths), *body]) + "\n"


def table_text(table: pd.DataFrame, left: Sequence[int] = ()) -> str:
    """A table with its numbers shortened."""
    rows = [
        tuple(decimals(value) if isinstance(value, float) else plain(value) for value in row)
        for row in table.itertuples(index=False)
    ]
    return grid([tuple(str(name) for name in table.columns), *rows], left=tuple(left))


def number(value: object) -> str:
    """A number with four decimals, with four digits where it is small; a dash for what is missing."""
    if isinstance(value, Real) and 0.0 < abs(float(value)) < 0.1:
        return f"{float(value):.4g}"
    return decimals(value)


def decimals(value: object) -> str:
    """A number with four decimals, for columns and for alpha; a dash for what is missing."""
    if not isinstance(value, Real) or math.isnan(value):
        return "-"
    return f"{float(value):.4f}" if math.isfinite(value) else "unlimited"


def percent(value: object) -> str:
    """A share in percent with two decimals; a dash for what is missing."""
    if not isinstance(value, Real) or not math.isfinite(value):
        return "-"
    return f"{100 * float(value):.2f} %"


def plain(value: object) -> str:
    """Text of any origin without control characters, so that it cannot steer a terminal."""
    text = "-" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def plain_lines(text: str) -> list[str]:
    """Lines of a text, each without control characters."""
    return [plain(line) for line in text.splitlines()]
