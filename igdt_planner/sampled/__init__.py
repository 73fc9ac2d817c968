"""A plan under many realisations at once: re-dispatch that never sees the future, AC power flow, cost."""

from igdt_planner.sampled.outcome import Outcome, operate_samples
from igdt_planner.sampled.realisations import Samples, forecast, realised

__all__ = ["Outcome", "Samples", "forecast", "operate_samples", "realised"]
