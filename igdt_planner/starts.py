"""The plan to start from: the untouched network, or, where nothing is to be built, what the search over trees finds."""

from __future__ import annotations

from igdt_planner.search.network import loads_of, network_of
from igdt_planner.search.reconfiguration import least_losses
from igdt_planner.study import Study


def untouched(study: Study) -> dict[str, float]:
    """Integer variables by name: nothing built, connected lines as they are, islands dead. A plan, if a poor one."""
    connected = [name for name, mode in study.modes.items() if not mode.islanded]
    return {
        f"mode[{name}].line_on[{line.id},{t}]": float(line.closed)
        for name in connected
        for line in study.lines.values()
        for t in study.periods
    }


def searched(study: Study) -> dict[str, float]:
    """Switch states of least AC losses by variable name; empty where the search has no say."""
    mode = study.modes.get("connected")
    if mode is None or len(study.modes) > 1 or study.dg or study.ess:
        return {}
    settings, stated = mode.settings, study.model.fix.open_lines
    if settings.topology == "fixed" or settings.max_switching_operations is not None or "connected" in stated:
        return {}
    network, (loads, hours) = network_of(study), loads_of(study)
    periods, seed = list(study.periods), study.model.solver.seed
    spans = [[t] for t in range(len(periods))] if settings.topology == "dynamic" else [list(range(len(periods)))]
    start: dict[str, float] = {}
    for span in spans:
        states = least_losses(network, loads[span], hours[span], seed).line_on
        names = (f"mode[connected].line_on[{line},{periods[span[0]]}]" for line in study.lines)
        start |= dict(zip(names, states.astype(float).tolist(), strict=True))
    return start
