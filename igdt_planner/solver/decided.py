"""A problem whose sites and switches are decided: the flows of closed lines, what units decide, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from igdt_planner.solver.conic import FIXED, decided, limited
from igdt_planner.solver.problem import LIVE, Array, Cones, Index, Problem, Rows, entries

BOTH = 1e-8
"""Power, per unit, with which storage may charge and discharge at once: rounding."""
NEAR = 1e-5
"""Distance from a whole number at which what follows from decisions is that number."""
NO_LINES: Index = np.empty(0, dtype=np.int64)
NO_CONES = Cones(*(NO_LINES,) * 5, np.empty(0), np.empty(0, dtype=bool), np.empty(0))


@dataclass(frozen=True)
class Lines:
    """Closed lines, each in one mode, scenario and period: ``i_sq w = p^2 + q^2`` is what AC power flow says of them.

    ``w`` is the squared voltage ``v_sq``, or ``nominal`` where ``v_sq`` is -1. Flows are signed. ``weight`` is what a
    unit of squared current can cost, ``reach`` the most that one moves a power or a squared voltage.
    """

    i_sq: Index
    p: Index
    q: Index
    v_sq: Index
    nominal: Array
    weight: Array
    reach: Array
    r: Array
    x: Array
    ends: Index

    def width(self, x: Array) -> Array:
        """``w`` of every line at a point."""
        return np.where(self.v_sq >= 0, x[self.v_sq], self.nominal)

    def current(self, x: Array) -> Array:
        """Squared current that the flows of a point cause."""
        return np.asarray((x[self.p] ** 2 + x[self.q] ** 2) / np.maximum(self.width(x), 1e-6))

    def select(self, keep: Index) -> Lines:
        """Some of the lines."""
        return Lines(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Network:
    """A decided problem.

    ``program`` is its linear part, over few columns; ``columns`` are their places in the whole problem, ``rest`` is a
    point of the whole problem that holds all that is decided.
    """

    whole: Problem
    program: Problem
    lines: Lines
    columns: Index
    rest: Array

    def part(self, columns: Index) -> Network:
        """The network over some of its columns, that share no row or line with the others."""
        program, place = self.program, np.full(len(self.program.cost) + 1, -1)
        place[columns] = np.arange(len(columns))
        mine = np.flatnonzero(np.diff(entries(program.rows, columns).indptr) > 0)

        def places(old: Index) -> Index:
            found = place[old]
            return found[found >= 0]

        stored = place[program.charging] >= 0
        lines = self.lines.select(np.flatnonzero(place[self.lines.i_sq] >= 0))
        lines = replace(lines, **{name: place[getattr(lines, name)] for name in ("i_sq", "p", "q", "v_sq")})
        own = replace(
            program,
            cost=program.cost[columns],
            offset=0.0,
            rows=Rows(program.rows.matrix[mine][:, columns], program.rows.lower[mine], program.rows.upper[mine]),
            lower=program.lower[columns],
            upper=program.upper[columns],
            integer=program.integer[columns],
            charging=place[program.charging[stored]],
            discharging=place[program.discharging[stored]],
            ways=place[program.ways[stored]],
            alpha=int(place[program.alpha]),
            outputs=places(program.outputs),
            moment=program.moment[columns],
            voltages=places(program.voltages),
            circles=program.circles.over(place),
            deviations=program.deviations.over(place),
        )
        return Network(self.whole, own, lines, self.columns[columns], self.rest)

    def parts(self) -> list[Index]:
        """Columns of the independent parts: moments that no storage, limit or question joins."""
        lines = self.lines
        links = [entries(self.program.rows, np.arange(len(self.program.cost)))]
        for column in (lines.p, lines.q, lines.v_sq):
            there = np.flatnonzero(column >= 0)
            pair = np.concatenate([lines.i_sq[there], column[there]])
            row = np.concatenate([there, there])
            links.append(sparse.csr_matrix((np.ones(len(pair)), (row, pair)), shape=(len(lines.p), len(self.columns))))
        pattern = sparse.vstack(links, format="csr")
        count, label = csgraph.connected_components(pattern.T @ pattern, directed=False)
        return [np.flatnonzero(label == number) for number in range(count)]

    def working(self, x: Array) -> Network:
        """The network with every column that is still to be a whole number held at its nearest at a point."""
        lower, upper, whole = self.program.lower.copy(), self.program.upper.copy(), np.flatnonzero(self.program.integer)
        lower[whole] = upper[whole] = np.clip(np.round(x[whole]), lower[whole], upper[whole])
        return replace(self, program=replace(self.program, lower=lower, upper=upper))

    def within(self, lower: Array, upper: Array) -> Network:
        """The network with the ranges of a node for all that has to be a whole number."""
        own, whole = self.program, self.program.integer
        lower, upper = np.where(whole, lower, own.lower), np.where(whole, upper, own.upper)
        return replace(self, program=replace(own, lower=lower, upper=upper))

    def one_way(self, x: Array) -> Network | None:
        """The network with storage that only charges or only discharges, as it does on balance.

        None where a point does so already, and all that has to be a whole number is one.
        """
        program, whole = self.program, np.flatnonzero(self.program.integer)
        charging, discharging = program.charging, program.discharging
        both = np.any(np.minimum(x[charging], x[discharging]) > BOTH)
        if not both and np.all(np.abs(x[whole] - np.round(x[whole])) < NEAR):
            return None
        charges = x[charging] >= x[discharging]
        lower, upper = program.lower.copy(), program.upper.copy()
        upper[np.where(charges, discharging, charging)] = 0.0
        stated = program.ways >= 0
        lower[program.ways[stated]] = upper[program.ways[stated]] = charges[stated]
        return replace(self, program=replace(program, lower=np.minimum(lower, upper), upper=upper))

    def point(self, x: Array) -> Array:
        """A point of the whole problem: a signed flow is a size and the part of it that runs back."""
        point, cones = self.rest.copy(), self.whole.cones
        point[self.columns] = x
        for side, sizes in (("p", cones.p_flow), ("q", cones.q_flow)):
            backs = cones.backs("p" if side == "p" else "q")
            sized = np.flatnonzero(backs >= 0)
            flow = point[sizes[sized]]
            point[sizes[sized]], point[backs[sized]] = np.abs(flow), np.maximum(0.0, -flow)
        voltages, highest = self.whole.highest.T
        point[highest] = 0.0
        np.maximum.at(point, highest, point[voltages])
        return point

    def rows(self, own: Rows) -> Rows:
        """Rows over the columns of the network as rows of the whole problem."""
        cones, many = self.whole.cones, len(self.rest)
        spread = sparse.csr_matrix(
            (np.ones(len(self.columns)), (np.arange(len(self.columns)), self.columns)), shape=(len(self.columns), many)
        )
        signed = sparse.identity(many, format="lil")
        for sizes, backs in ((cones.p_flow, cones.backs("p")), (cones.q_flow, cones.backs("q"))):
            sized = np.flatnonzero(backs >= 0)
            signed[sizes[sized], backs[sized]] = -2.0
        return Rows(sparse.csr_matrix(own.matrix @ spread @ signed.tocsr()), own.lower, own.upper)

    def own(self, point: Array) -> Array:
        """The columns of the network at a point of the whole problem, with signed flows."""
        cones, signed = self.whole.cones, point.copy()
        for sizes, backs in ((cones.p_flow, cones.backs("p")), (cones.q_flow, cones.backs("q"))):
            sized = np.flatnonzero(backs >= 0)
            signed[sizes[sized]] -= 2.0 * point[backs[sized]]
        return np.clip(signed[self.columns], self.program.lower, self.program.upper)


def decided_network(problem: Problem, point: Array) -> Network:
    """The network of a problem whose decisions are held, at a point of its relaxation.

    The point says which arcs are used and what lives: that follows from the decisions. Integer columns that are not
    held stay.
    """
    follows, near = problem.follows, np.round(point[problem.follows])
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[follows] = upper[follows] = np.where(np.abs(point[follows] - near) < NEAR, near, point[follows])
    return network_between(problem, lower, upper)


def switched_network(problem: Problem) -> Network:
    """The network of the lines that are known to be closed, or open, with all else still to be decided."""
    lower, upper = limited(problem.rows, problem.lower, problem.upper)
    for _ in range(len(problem.cones.i_sq)):
        known = int(np.sum(upper - lower <= FIXED))
        lower, upper, feasible = decided(problem.rows, lower, upper)
        if not feasible or int(np.sum(upper - lower <= FIXED)) == known:
            break
    whole = np.isin(np.arange(len(lower)), problem.follows) | problem.integer
    lower[~whole], upper[~whole] = problem.lower[~whole], problem.upper[~whole]
    return network_between(problem, lower, upper)


def network_between(problem: Problem, lower: Array, upper: Array) -> Network:
    """The network of a problem between column bounds, which say what is closed and what is open.

    Lines of which they do not say it keep their columns, but have no loss equation. On closed lines sizes of flows
    become signed flows.
    """
    cones = problem.cones
    is_open, closed = upper[cones.on] < 0.5, lower[cones.on] > 0.5
    for sizes, backs in ((cones.p_flow, cones.backs("p")), (cones.q_flow, cones.backs("q"))):
        sized = backs >= 0
        upper[backs[sized & (closed | is_open)]] = 0.0
        lower[sizes[sized & closed]] = -upper[sizes[sized & closed]]
    handed = is_open & cones.switched & (cones.v_sq >= 0)
    flows = (cones.i_sq, cones.p_flow, cones.q_flow)
    for dead in (*(columns[is_open] for columns in flows), cones.v_sq[handed]):
        lower[dead] = upper[dead] = 0.0
    in_use = np.zeros(len(lower), dtype=bool)
    in_use[np.concatenate([cones.i_sq[closed], cones.p_flow[closed], cones.q_flow[closed]])] = True
    in_use[cones.v_sq[closed & (cones.v_sq >= 0)]] = True
    in_use[np.concatenate([problem.circles.discharge, problem.circles.charge, problem.circles.q])] = True
    in_use[problem.deviations.v_sq[lower[problem.deviations.v_sq] > LIVE]] = True
    above_all = np.isin(np.arange(len(lower)), problem.highest[:, 1])
    free = np.flatnonzero(((upper - lower > FIXED) | in_use) & ~above_all)
    rest = np.where(upper - lower > FIXED, 0.0, lower)
    rest[free] = 0.0
    program = reduced(problem, free, rest, lower, upper)
    place = np.full(len(lower) + 1, -1)
    place[free] = np.arange(len(free))
    program = replace(program, circles=problem.circles.over(place), deviations=problem.deviations.over(place))
    lines = Lines(
        i_sq=place[cones.i_sq[closed]],
        p=place[cones.p_flow[closed]],
        q=place[cones.q_flow[closed]],
        v_sq=place[cones.v_sq[closed]],
        nominal=cones.v_sq_ub[closed],
        weight=cones.weight[closed],
        reach=reach(program.rows, place[cones.i_sq[closed]]),
        r=cones.r[closed],
        x=cones.x[closed],
        ends=cones.ends[closed],
    )
    return Network(problem, program, lines, free, rest)


def reach(rows: Rows, currents: Index) -> Array:
    """The most that a unit of each squared current moves in any balance or voltage drop."""
    equations = rows.matrix[rows.lower == rows.upper][:, currents]
    if not equations.nnz:
        return np.zeros(len(currents))
    return np.asarray(abs(sparse.csr_matrix(equations)).max(axis=0).todense()).ravel()


def reduced(problem: Problem, free: Index, rest: Array, lower: Array, upper: Array) -> Problem:
    """The rows of a problem over its free columns, without those that only relax the rest."""
    keep = np.ones(len(problem.rows.lower), dtype=bool)
    keep[problem.relaxing] = False
    matrix, shift = sparse.csr_matrix(problem.rows.matrix[:, free]), problem.rows.matrix @ rest
    keep &= np.diff(matrix.indptr) > 0
    place = np.full(len(lower) + 1, -1)
    place[free] = np.arange(len(free))
    outputs, voltages = place[problem.outputs], place[problem.voltages]
    stored = (place[problem.charging] >= 0) & (place[problem.discharging] >= 0)
    return Problem(
        cost=problem.cost[free],
        offset=problem.offset + float(problem.cost @ rest),
        rows=Rows(matrix[keep], (problem.rows.lower - shift)[keep], (problem.rows.upper - shift)[keep]),
        lower=lower[free],
        upper=upper[free],
        integer=problem.integer[free],
        cones=NO_CONES,
        sites=NO_LINES,
        decisive=NO_LINES,
        zones=np.empty((0, 2), dtype=np.int64),
        charging=place[problem.charging[stored]],
        discharging=place[problem.discharging[stored]],
        ways=place[problem.ways[stored]],
        alpha=int(place[problem.alpha]),
        outputs=outputs[outputs >= 0],
        moment=problem.moment[free],
        voltages=voltages[voltages >= 0],
    )
