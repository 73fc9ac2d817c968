"""Search for the radial topology of least losses: iterated local search by branch exchange, judged by AC power flow.

The best topology is shaken by a few random exchanges, descends again by those that the closed form recommends, and is
judged by AC power flow where it ends. A better topology is settled: exchanged further as AC power flow decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from igdt_planner.search.branch_exchange import descend, frozen_currents, loss_changes
from igdt_planner.search.network import Bools, Complexes, Floats, Ints, RadialNetwork
from igdt_planner.search.radial_flow import RadialFlow, radial_power_flow
from igdt_planner.search.tree import Tree, base_tree, closed_lines, exchanges, shake

EVALUATIONS = 20_000
CANDIDATES = 16
"""Candidates of a round, judged in one batch."""

MARGIN = 0.005
"""Error of the closed form, as a share of the losses: exchanges that seem worse by no more are judged by AC too."""

GAIN = 1e-9
"""Least improvement of the losses that counts, as a share: less is rounding."""

VIOLATION = 1e-9
"""Violation of limits, pu, that is rounding."""

MAX_SWEEPS = 40
"""Sweeps for a candidate: one that takes more has a voltage below 0.65 pu."""


@dataclass(frozen=True)
class Reconfiguration:
    """The best topology found.

    Attributes
    ----------
    line_on : array of bool, shape (lines,)
    loss_mw : array, shape (periods,)
        NaN when no topology with an AC solution was found.
    loss_mwh : float
        Losses over all hours: what is minimised.
    violation : float
        Sum over periods of what voltages exceed their limits by, pu, and currents as a share of theirs; infinite when
        no topology with an AC solution was found.
    evaluations : int
        AC power flows used.
    """

    line_on: Bools
    loss_mw: Floats
    loss_mwh: float
    violation: float
    evaluations: int


def least_losses(
    network: RadialNetwork,
    loads: Complexes,
    hours: Floats,
    seed: int,
    evaluations: int = EVALUATIONS,
    on_better: Callable[[Reconfiguration], object] | None = None,
) -> Reconfiguration:
    """Search for one radial topology, kept over all periods, of least losses within the limits.

    A topology within the limits is better than any outside, and outside the smaller violation is better. The search
    ends after twice as many rounds without a better topology as there are loops, or when the evaluations are used.

    Parameters
    ----------
    network : RadialNetwork
    loads : array of complex, shape (periods, buses)
        Constant power drawn, pu, less what is generated at the bus.
    hours : array, shape (periods,)
        Weight of every period.
    seed : int
        The same seed gives the same topology.
    evaluations : int
        Limit on AC power flows, one for each topology and period; checked between rounds.
    on_better : callable, optional
        Is told of the first topology and of every better one as soon as it is found.

    Raises
    ------
    ValueError
        Loads of a shape other than stated, or lines without a switch that form a loop or cut buses off.
    """
    search = _Search(network, loads, hours, on_better)
    rng = np.random.default_rng(seed)
    tree = base_tree(network)
    tree, verdict = search.settle(tree, search.judge(tree.open_lines[None]))
    idle = 0
    while idle < 2 * len(tree.open_lines) and search.evaluations < evaluations:
        idle += 1
        ends = [descend(network, start, verdict.frozen) for start in _starts(network, tree, rng)]
        if not (ends := search.unseen(ends)):
            continue
        found = search.judge(np.array([end.open_lines for end in ends]))
        if found.beats(verdict):
            (tree, verdict), idle = search.settle(ends[found.index], found), 0
    return search.result(tree, verdict)


def _starts(network: RadialNetwork, tree: Tree, rng: np.random.Generator) -> list[Tree]:
    """Topologies two or more random exchanges away; with many loops, more of them have to change together."""
    steps = rng.integers(2, 2 + len(tree.open_lines) // 3, size=CANDIDATES, endpoint=True)
    return [shake(network, tree, rng, count) for count in steps.tolist()]


@dataclass(frozen=True)
class _Verdict:
    """The best of some topologies: its place among them, its AC losses, and its currents frozen."""

    index: int
    violation: float
    loss_mwh: float
    loss_mw: Floats
    frozen: Floats

    def beats(self, other: _Verdict) -> bool:
        """Whether it is better by more than rounding."""
        return (self.violation, self.loss_mwh) < (other.violation, other.loss_mwh * (1.0 - GAIN))


class _Search:
    """What the rounds share: the question, what it has cost so far, and which topologies were met."""

    def __init__(
        self,
        network: RadialNetwork,
        loads: Complexes,
        hours: Floats,
        on_better: Callable[[Reconfiguration], object] | None,
    ) -> None:
        if loads.shape != (len(hours), network.n_bus):
            raise ValueError(f"loads of shape {loads.shape}, expected ({len(hours)}, {network.n_bus})")
        self.network, self.loads, self.hours, self.on_better = network, loads, hours, on_better
        self.evaluations = 0
        self.seen: set[frozenset[int]] = set()

    def judge(self, open_lines: Ints) -> _Verdict:
        """The best of some topologies by AC power flow; open lines of shape (plans, loops)."""
        line_on = closed_lines(open_lines, self.network.n_line)
        flow = radial_power_flow(self.network, line_on, self.loads, max_sweeps=MAX_SWEEPS)
        self.evaluations += flow.converged.size
        solved = flow.converged.all(axis=1)
        violation = np.where(solved, violations(self.network, flow), np.inf)
        loss_mwh = np.where(solved, flow.loss_mw @ self.hours, np.inf)
        best = int(np.lexsort((loss_mwh, violation))[0])
        v = np.where(flow.converged[best, :, None], flow.v[best], 1.0)
        frozen = frozen_currents(self.network, np.conj(self.loads / v), self.hours)
        return _Verdict(best, float(violation[best]), float(loss_mwh[best]), flow.loss_mw[best], frozen)

    def settle(self, tree: Tree, verdict: _Verdict) -> tuple[Tree, _Verdict]:
        """The topology reached by the best exchange by AC power flow, until there is none."""
        self.announce(tree, verdict)
        while len(exchange := self.promising(tree, verdict)):
            open_lines = np.repeat(tree.open_lines[None], len(exchange), axis=0)
            np.put_along_axis(open_lines, exchange[:, :1], exchange[:, 1:], axis=1)
            found = self.judge(open_lines)
            if not found.beats(verdict):
                break
            tree, verdict = tree.exchange(*exchange[found.index].tolist()), found
            self.announce(tree, verdict)
        self.unseen([tree])
        return tree, verdict

    def promising(self, tree: Tree, verdict: _Verdict) -> Ints:
        """Exchanges, as loop and line, that may reduce the losses; all of them while limits are violated."""
        possible = exchanges(self.network, tree)
        if verdict.violation == 0.0:
            changes_mwh = self.network.base_mva * loss_changes(self.network, tree, verdict.frozen)
            possible &= changes_mwh < MARGIN * verdict.loss_mwh
        return np.argwhere(possible)

    def announce(self, tree: Tree, verdict: _Verdict) -> None:
        if self.on_better:
            self.on_better(self.result(tree, verdict))

    def result(self, tree: Tree, verdict: _Verdict) -> Reconfiguration:
        """The topology and what is known of it."""
        loss_mwh = float(self.hours @ verdict.loss_mw)
        return Reconfiguration(tree.line_on, verdict.loss_mw, loss_mwh, verdict.violation, self.evaluations)

    def unseen(self, trees: list[Tree]) -> list[Tree]:
        """Topologies that were not here before, each once."""
        fresh = []
        for tree in trees:
            key = frozenset(tree.open_lines.tolist())
            if key not in self.seen:
                self.seen.add(key)
                fresh.append(tree)
        return fresh


def violations(network: RadialNetwork, flow: RadialFlow) -> Floats:
    """By how much every plan exceeds its limits, shape (plans,): see ``Reconfiguration.violation``."""
    vm = np.abs(flow.v)
    total = np.maximum(network.v_min - vm, 0.0) + np.maximum(vm - network.v_max, 0.0)
    violation = total.sum(axis=(1, 2))
    rated = np.isfinite(network.i_max)
    overload = np.abs(flow.current[..., rated]) / network.i_max[rated] - 1.0
    violation += np.maximum(overload, 0.0).sum(axis=(1, 2))
    return np.where(violation > VIOLATION, violation, 0.0)
