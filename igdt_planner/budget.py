"""Whether a cost keeps a budget."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OVER = 1e-6
"""Share of the budget above which a sample counts as over it, as for the adversary of a robust solve."""


def exceeds(objective: npt.NDArray[np.float64], budget: float) -> npt.NDArray[np.bool_]:
    """Where a cost lies above a budget, or is none."""
    return ~(objective <= budget + OVER * abs(budget))
