"""What losses, voltages, energy not served and cost of a plan come to, and how likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from igdt_planner.budget import exceeds
from igdt_planner.errors import InputError
from igdt_planner.model import ModeName
from igdt_planner.plan import Plan
from igdt_planner.report.tables import Saved
from igdt_planner.results.document import SCHEMA, clean, plan_to_dict, records
from igdt_planner.results.document_schema import Number, Part, shape_of
from igdt_planner.results.result_document import numbers, plan_at, require_result, rows_as_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)
Distribution = shape_of(
    "Distribution",
    dict.fromkeys(("term", "mode", "unit"), str)
    | dict.fromkeys(("mean", "std", *(f"q{share:g}" for share in QUANTILES)), Number),
)
"""The row of one quantity."""
Voltage = shape_of(
    "Voltage",
    {"mode": str, "bus": int}
    | dict.fromkeys([f"vm_{end}_q{share:g}_pu" for end in ("min", "max") for share in QUANTILES], float)
    | {"share_outside": float},
)
"""The row of one bus."""


@dataclass(frozen=True)
class Probabilistic(Saved):
    """Distributions over all samples.

    Attributes
    ----------
    plan : Plan
    samples, seed : int
    budget : float or None
        In the model's unit.
    objective : array, shape (samples,)
        NaN where AC power flow has no solution.
    table : DataFrame
        ``term, mode, unit, mean, std, q0.01, ..., q0.99`` of the objective and of every term: one row each.
    voltages : DataFrame
        By mode and bus ``vm_min_q0.01_pu, ..., vm_max_q0.99_pu, share_outside``: quantiles of the lowest and highest
        voltage of the day, and the share of samples outside the limits.
    breaks : mapping of str to int
        Samples that leave a limit, by kind.
    broken : int
        Samples that leave any.
    terms : mapping of (term, mode) to array, shape (samples,)
    vm_min_pu, vm_max_pu : mapping of mode to array, shape (samples, buses)
        Lowest and highest voltage over the periods. These and the terms are empty where the result was read from its
        document, which leaves them out; all else is there.
    """

    plan: Plan
    samples: int
    seed: int
    budget: float | None
    objective: Floats
    table: pd.DataFrame
    voltages: pd.DataFrame
    breaks: Mapping[str, int]
    broken: int
    terms: Mapping[tuple[str, ModeName], Floats] = field(default_factory=dict)
    vm_min_pu: Mapping[ModeName, Floats] = field(default_factory=dict)
    vm_max_pu: Mapping[ModeName, Floats] = field(default_factory=dict)

    @property
    def share_over_budget(self) -> float | None:
        """Probability of costing more than the budget, or of having no AC solution; None without a budget."""
        return None if self.budget is None else float(exceeds(self.objective, self.budget).mean())

    @property
    def share_outside_voltage_limits(self) -> float:
        """Probability that some bus leaves its voltage limits in some period."""
        return self.breaks["voltage"] / self.samples

    def plot(self) -> Figure:
        """Distribution of the cost, and the band of voltages along the feeder."""
        from igdt_planner.report.probabilistic import probabilistic_figure  # matplotlib is slow to load

        return probabilistic_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """One JSON document, the plan and the cost of every sample included."""
        return clean(
            {
                "schema": SCHEMA,
                "kind": "probabilistic",
                "case": self.plan.case.name,
                "model": self.plan.model.name,
                "samples": self.samples,
                "seed": self.seed,
                "budget": self.budget,
                "share_over_budget": self.share_over_budget,
                "share_outside_voltage_limits": self.share_outside_voltage_limits,
                "broken": self.broken,
                "share_broken": self.broken / self.samples,
                "breaks": dict(self.breaks),
                "distributions": records(self.table),
                "voltages": records(self.voltages),
                "objective": self.objective.tolist(),
                "plan": plan_to_dict(self.plan),
            }
        )


class ProbabilisticDocument(Part):
    """What its document holds; all else in it follows from these."""

    plan: dict[str, Any]
    samples: int
    seed: int
    budget: Number
    objective: list[Number]
    distributions: list[Distribution]  # type: ignore[valid-type]
    voltages: list[Voltage]  # type: ignore[valid-type]
    breaks: dict[str, int]
    broken: int


def probabilistic_from_dict(document: Mapping[str, Any]) -> Probabilistic:
    """A probabilistic power flow from its JSON document: all but the terms and voltages of the single samples.

    Raises
    ------
    InputError
        When the document is not one of this schema, or has not as many costs as samples.
    """
    require_result(document, "probabilistic", ProbabilisticDocument)
    objective, samples = numbers(document["objective"]), document["samples"]
    if len(objective) != samples or not samples:
        message = f"probabilistic document: there are {len(objective)} costs of {samples} samples"
        raise InputError.of(message, path="/objective", got=len(objective))
    if "voltage" not in document["breaks"]:
        raise InputError.of("probabilistic document: breaks count those of voltage", path="/breaks/voltage")
    return Probabilistic(
        plan_at(document, "plan"),
        samples,
        document["seed"],
        document["budget"],
        objective,
        rows_as_table(document["distributions"], Distribution),
        rows_as_table(document["voltages"], Voltage),
        dict(document["breaks"]),
        document["broken"],
    )
