"""A plan under many realisations at once: re-dispatch that never sees the future, AC power flow, cost."""

from igdt_planner.sampled.outcome import RULES, Outcome, operate_samples
from igdt_planner.sampled.realisations import (
    Samples,
    availability,
    deviated,
    forecast,
    realisation_of,
    realised,
    require_sampling,
)

__all__ = [
    "RULES",
    "Outcome",
    "Samples",
    "availability",
    "deviated",
    "forecast",
    "operate_samples",
    "realisation_of",
    "realised",
    "require_sampling",
]
