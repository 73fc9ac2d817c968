"""Robustness of given plans, what drives it and what it is traded for, as plain text."""

from __future__ import annotations

from igdt_planner.report.text import decimals, grid, number, percent, plain, plain_lines, table_text, warnings_of
from igdt_planner.results.alternatives import Alternatives
from igdt_planner.results.comparison import Comparison
from igdt_planner.results.drivers import Drivers
from igdt_planner.results.fixed import FixedCurve
from igdt_planner.results.tradeoff import Tradeoff
from igdt_planner.results.worth import Worth

FIXED_WORDS = {
    "robust": """
alpha      what the plan survives as it stands, confirmed by AC power flow; empty where it is over the budget at the
           forecast already
""",
    "opportunity": """
alpha      what the plan needs as it stands, confirmed by AC power flow; empty where no deviation within physical ranges
           brings its cost down to the budget
""",
}
MEASURES = ("objective_forecast", "objective_worst", "objective_expected", "mean", "q0.95")
ALTERNATIVES_WORDS = """
worst      at the worst point of the radius                expected      mean over the points of the stochastic
over       samples that cost more than the budget                        program, each dispatched at least cost
broken     samples that leave a limit                      mean, 95 %    of samples inside the radius, run by a rule
"""


def fixed_summary(curve: FixedCurve) -> str:
    """The curve of one plan as it stands."""
    unit = curve.plan.model.unit
    title = f"{curve.sense} curve of one plan of {plain(curve.plan.case.name)}, model {plain(curve.plan.model.name)}"
    case = "refused" if curve.plan.refused else "worst case" if curve.sense == "robust" else "best case"
    head = [title, "-" * len(title), *(f"{case}: {line}" for line in plain_lines(curve.worst_case))]
    if curve.base_objective is not None:
        head.append(f"base objective {number(curve.base_objective)} {unit}")
    titles = ("beta", f"budget, {unit}", "alpha", "limited by", f"cost there, {unit}", "AC")
    rows = [
        (
            f"{row.beta:g}",
            number(row.budget),
            decimals(row.alpha),
            plain(row.alpha_limit),
            number(row.objective),
            plain(row.verdict),
        )
        for row in curve.table.itertuples()
    ]
    return (
        "\n".join(head)
        + "\n\n"
        + grid([titles, *rows], left=(3, 5))
        + FIXED_WORDS[curve.sense]
        + warnings_of(curve.plan)
    )


def comparison_summary(found: Comparison) -> str:
    """Several plans beside each other, and where the preference turns round."""
    table = found.table
    names = [name for name in table.columns if name not in ("beta", "budget", "best")]
    titles = ("beta", "budget", *names, "safest")
    rows = [
        (f"{row['beta']:g}", number(row["budget"]), *(decimals(row[name]) for name in names), plain(row["best"]))
        for _, row in table.iterrows()
    ]
    turns = [f"at beta {row.beta:.4g}: {plain(row.meaning)}" for row in found.crossings.itertuples()]
    refused = {name: curve.worst_case for name, curve in found.curves.items() if curve.plan.refused}
    words = [f"{plain(name)}: {line}" for name in refused for line in plain_lines(refused[name])]
    words += turns or ["no two of these plans cross: one is at least as safe as the other at every budget shown"]
    words.append("-: over the budget at the forecast already; several names: they survive the same, to 0.1 %")
    notes = warnings_of(*(curve.plan for curve in found.curves.values()))
    return grid([titles, *rows], left=(len(titles) - 1,)) + "\n\n" + "\n".join(words) + "\n" + notes


def alternatives_summary(found: Alternatives) -> str:
    """Plans of different approaches beside each other: what each costs when the forecast is right, wrong and worst."""
    unit = found.unit
    budget = f"budget {number(found.budget)} {unit}"
    title = f"Plans of four approaches: costs in {unit}, radius {decimals(found.radius)}, {budget}"
    titles = ("approach", "forecast", "worst", "expected", "mean", "95 %", "over", "broken", "seconds", "status")
    rows = [
        (
            plain(row["approach"]),
            *(number(row[name]) for name in MEASURES),
            percent(row["share_over_budget"]),
            percent(row["share_broken"]),
            f"{row['solve_s']:.1f}",
            plain(row["status"]),
        )
        for _, row in found.table.iterrows()
    ]
    refused = {name: plan.explanation for name, plan in found.plans.items() if plan.refused}
    head = [title, "-" * len(title), *(f"{name}: {line}" for name in refused for line in plain_lines(refused[name]))]
    table = grid([titles, *rows], left=(0, 9))
    return "\n".join(head) + f"\n\n{table}{ALTERNATIVES_WORDS}" + warnings_of(*found.plans.values())


def drivers_summary(found: Drivers) -> str:
    """Which quantity and which term drive the alpha of a plan."""
    unit = found.plan.model.unit
    return (
        "\n\n".join(
            [
                f"each uncertain quantity alone, costs in {unit}",
                table_text(found.quantities, left=(0,)),
                f"each term at the forecast and at the worst point; rise in {unit}",
                table_text(found.terms, left=(0, 1, 2)),
            ]
        )
        + "\n"
        + warnings_of(found.plan)
    )


def tradeoff_summary(found: Tradeoff) -> str:
    """How much of one uncertainty is survived beside how much of another."""
    plan = found.baseline
    title = f"Trade-off between two uncertainties of {plain(plan.case.name)}, model {plain(plan.model.name)}"
    head = [title, "-" * len(title)]
    if found.budget is None:
        return "\n".join([*head, *plain_lines(plan.explanation)]) + "\n"
    head.append(f"budget {number(found.budget)} {plan.model.unit}, {percent(found.beta)} above the baseline")
    return "\n".join(head) + "\n\n" + table_text(found.table, left=(3,)) + warnings_of(plan)


def worth_summary(found: Worth) -> str:
    """What one more unit or switch buys in alpha."""
    plan = found.as_it_is
    title = f"What one more buys in alpha, {plain(plan.case.name)}, model {plain(plan.model.name)}"
    head = [title, "-" * len(title)]
    if plan.refused:
        head += plain_lines(plan.explanation)
    else:
        head.append(f"budget {number(plan.robustness.get('budget'))} {plan.model.unit}")
    return "\n".join(head) + "\n\n" + table_text(found.table, left=(0, 4)) + warnings_of(*found.plans.values())
