"""A plan under many realisations at once: re-dispatch that never sees the future, AC power flow, cost."""

from igdt_planner.sampled.outcome import Outcome, operate_samples
from igdt_planner.sampled.realisations import Samples, availability, deviated, forecast, realised, require_sampling

__all__ = [
    "Outcome",
    "Samples",
    "availability",
    "deviated",
    "forecast",
    "operate_samples",
    "realised",
    "require_sampling",
]
