"""Plans beside each other: whose robustness is larger at which budget, and where the preference turns round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from igdt_planner.dominance import Floats
from igdt_planner.errors import InputError
from igdt_planner.report.tables import Saved
from igdt_planner.results.curve import Curve, curve_from_dict
from igdt_planner.results.document import SCHEMA, clean
from igdt_planner.results.fixed import FixedCurve, fixed_from_dict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESERVED = ("beta", "budget", "re-optimised", "best")
"""Columns of the table that are no plans."""
CROSSINGS = ["beta", "budget", "alpha", "below", "above", "meaning"]


@dataclass(frozen=True)
class Comparison(Saved):
    """Curves of fixed plans over the same budgets, by name, and the curve of plans chosen anew where it is known."""

    curves: Mapping[str, FixedCurve]
    envelope: Curve | None = None

    @property
    def table(self) -> pd.DataFrame:
        """One row a beta: ``beta``, ``budget``, alpha of each plan by name, of plans chosen anew, and who is best.

        Who survives the same as the best, to 0.1 %, is named beside it; nobody where all are over the budget.
        """
        first = next(iter(self.curves.values())).table
        table = first[["beta", "budget"]].copy()
        for name, curve in self.curves.items():
            table[name] = survived(curve.table)
        names = list(self.curves)
        if self.envelope is not None:
            known = self.envelope.table.set_index("beta")["alpha"].astype(float)
            table["re-optimised"] = known.reindex(table["beta"]).to_numpy(float)
        known_alpha = np.nan_to_num(table[names].to_numpy(float), nan=-1.0)
        table["best"] = [safest(names, row) for row in known_alpha]
        return table

    @property
    def crossings(self) -> pd.DataFrame:
        """Where two curves cross: ``beta, budget, alpha`` interpolated, who is better below and above, in words."""
        rows = [
            crossing
            for one, other in combinations(self.curves, 2)
            for crossing in crossings(one, self.curves[one].table, other, self.curves[other].table)
        ]
        return pd.DataFrame(rows, columns=CROSSINGS).sort_values("beta", ignore_index=True)

    def plot(self) -> Figure:
        """Every curve under its name, the crossings numbered and told in words, plans chosen anew in grey."""
        from igdt_planner.report.curve import curve_figure  # matplotlib is slow to load

        plan = next(iter(self.curves.values())).plan
        return curve_figure(
            self.envelope.table if self.envelope is not None else None,
            fixed={name: curve.table for name, curve in self.curves.items()},
            crossings=self.crossings,
            unit=plan.model.unit,
            title="Plans as they stand",
            subtitle=f"{plan.case.name}, {plan.model.name}: what each survives for which acceptable cost",
        )

    def to_dict(self) -> dict[str, Any]:
        """One JSON document."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "comparison",
                "curves": [{"name": name, "curve": curve.to_dict()} for name, curve in self.curves.items()],
                "crossings": self.crossings.to_dict("records"),
                "envelope": self.envelope.to_dict() if self.envelope is not None else None,
            }
        )


def comparison_from_dict(document: Mapping[str, Any]) -> Comparison:
    """A comparison from its JSON document.

    Raises
    ------
    InputError
        When the document is not one of this schema.
    """
    curves, envelope = document.get("curves"), document.get("envelope")
    right = document.get("schema") == SCHEMA and document.get("kind") == "comparison"
    if not right or not isinstance(curves, list) or not curves:
        raise InputError.of(f"not a comparison document of schema {SCHEMA}", path="/kind", got=document.get("kind"))
    found: dict[str, FixedCurve] = {}
    for number, entry in enumerate(curves):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("curve"), Mapping):
            raise InputError.of("comparison document: a curve has a name and a curve", path=f"/curves/{number}")
        name = str(entry.get("name"))
        if name in found:
            raise InputError.of(f"comparison document: the name {name} stands twice", path=f"/curves/{number}/name")
        found[name] = fixed_from_dict(entry["curve"])
    if len({tuple(curve.table["beta"]) for curve in found.values()}) > 1:
        raise InputError.of("comparison document: the curves have different betas", path="/curves")
    return Comparison(found, curve_from_dict(envelope) if isinstance(envelope, Mapping) else None)


def crossings(one: str, first: pd.DataFrame, other: str, second: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Crossings of two curves over the same betas, linear in between; half-way where one has no alpha yet."""
    beta, budget = (first[name].to_numpy(float) for name in ("beta", "budget"))
    one_alpha, other_alpha = survived(first), survived(second)
    known = np.isfinite(one_alpha) & np.isfinite(other_alpha)
    a, b = (np.nan_to_num(alpha, nan=-1e-9, posinf=1e9) for alpha in (one_alpha, other_alpha))
    ahead = np.where(np.abs(a - b) <= SAME * np.maximum(a, b), 0.0, np.sign(a - b))
    found: list[tuple[Any, ...]] = []
    for n, m in pairwise(np.flatnonzero(ahead)):
        if ahead[n] == ahead[m]:
            continue
        below, above = (one, other) if ahead[n] > 0.0 else (other, one)
        if not (known[n] and known[m]):
            at = [0.5 * float(values[n] + values[m]) for values in (beta, budget)]
            found.append((*at, np.nan, below, above, somewhere(beta[n], beta[m], below, above)))
            continue
        share = abs(a[n] - b[n]) / (abs(a[n] - b[n]) + abs(a[m] - b[m]))
        at = [float(values[n] + share * (values[m] - values[n])) for values in (beta, budget, a)]
        found.append((*at, below, above, meaning(at, beta[n], beta[m], below, above)))
    return found


def survived(table: pd.DataFrame) -> Floats:
    """Alpha by row; infinite where nothing uncertain touches the plan, NaN where it is over the budget."""
    alpha = table["alpha"].to_numpy(float)
    return np.where(table["alpha_limit"].eq("unbounded").to_numpy(), np.inf, alpha)


SAME = 1e-3
"""Share by which two alphas may differ and count as the same."""


def somewhere(least: float, most: float, below: str, above: str) -> str:
    """A crossing in words of which only the neighbouring betas are known: one plan is over the budget at the first."""
    return (
        f"preference reversal between {100.0 * least:.3g} and {100.0 * most:.3g} % of extra cost: {below} is safer "
        f"below, {above} above, which is over the budget at first"
    )


def meaning(at: Sequence[float], least: float, most: float, below: str, above: str) -> str:
    """A crossing in words: between which betas asked it lies, and where by a straight line between them."""
    between = f"between {100.0 * least:.3g} and {100.0 * most:.3g} % of extra cost"
    where = f"{100.0 * at[0]:.3g} % and alpha = {max(at[2], 0.0):.3g}"
    return (
        f"preference reversal {between} (by a straight line at {where}): "
        f"who accepts less is safer with {below}, who accepts more with {above}"
    )


def safest(names: Sequence[str], alphas: Floats) -> str:
    """Who survives most, and who as much; empty where nobody keeps the budget (below 0)."""
    most = float(alphas.max())
    return ", ".join(n for n, alpha in zip(names, alphas, strict=True) if most >= 0.0 and alpha >= most * (1.0 - SAME))
