"""The plans of a search that no other plan of it dominates."""

from __future__ import annotations

import numpy as np

from igdt_planner.dominance import crowding, dominated
from igdt_planner.search.network import Floats
from igdt_planner.search.problem import Judged

MOST = 100
"""Plans kept: where there are more, those that crowd others go."""


class Archive:
    """Plans within limits that none dominates.

    Attributes
    ----------
    sums : array, shape (objectives, terms)
        The objectives, as sums of terms.
    plans : list of Judged
    """

    def __init__(self, sums: Floats) -> None:
        self.sums = sums
        self.plans: list[Judged] = []

    @property
    def points(self) -> Floats:
        """Objectives of the plans, shape (plans, objectives)."""
        return np.array([plan.sums(self.sums) for plan in self.plans]).reshape(-1, len(self.sums))

    def add(self, judged: Judged) -> None:
        """Take in a plan if it is within limits and none dominates or equals it."""
        if judged.violation or not np.isfinite(judged.objective):
            return
        point, points = judged.sums(self.sums), self.points
        if dominated(point[None], points)[0] or np.isclose(points, point, rtol=1e-9).all(axis=1).any():
            return
        self.plans = [plan for plan, lost in zip(self.plans, dominated(points, point[None]), strict=True) if not lost]
        self.plans.append(judged)
        if len(self.plans) > MOST:
            self.plans.pop(int(crowding(self.points).argmin()))
