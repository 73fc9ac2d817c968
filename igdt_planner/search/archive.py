"""What a search keeps of all that it judged: plans that none dominates, or the best topologies."""

from __future__ import annotations

import numpy as np

from igdt_planner.dominance import crowding, dominated
from igdt_planner.search.network import Floats
from igdt_planner.search.problem import Judged
from igdt_planner.search.tree import Tree

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


class Pool:
    """The best plans of a search, each topology once.

    Attributes
    ----------
    most : int
        Plans kept.
    plans : dict
        Plan by its open lines.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.plans: dict[frozenset[int], Judged] = {}

    def add(self, judged: Judged) -> None:
        """Take in a plan within limits; where there are too many, the worst goes."""
        if judged.violation or not np.isfinite(judged.objective):
            return
        key = lines_of(judged.choice.tree)
        if key not in self.plans or judged.objective < self.plans[key].objective:
            self.plans[key] = judged
        if len(self.plans) > self.most:
            del self.plans[max(self.plans, key=lambda one: self.plans[one].objective)]


def lines_of(tree: Tree) -> frozenset[int]:
    """The open lines of a topology."""
    return frozenset(tree.open_lines.tolist())
