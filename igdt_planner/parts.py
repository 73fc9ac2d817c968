"""Parts of a problem that are independent once what links them (sites, alpha) is known."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from igdt_planner.problem import Array, Cones, Index, Problem, Rows, entries, select


def parts(problem: Problem, linking: Index | None = None) -> list[tuple[Problem, Index]]:
    """Independent parts of a problem once the held columns (or the linking ones) are known, with their columns."""
    held = problem.lower == problem.upper
    apart = held.copy()
    if linking is not None:
        apart[:] = False
        apart[linking] = True
    free = np.flatnonzero(~apart)
    pattern = entries(problem.rows, free)
    count, label = csgraph.connected_components(pattern.T @ pattern, directed=False)
    out = []
    for number in range(count):
        own = free[label == number]
        columns = with_cones(problem, own) if linking is None else np.concatenate([own, linking])
        out.append((part_of(problem, own, columns, linking is None), columns))
    return out


def with_cones(problem: Problem, own: Index) -> Index:
    """A part's own columns, and the held ones (lines without a switch) that its loss cones refer to."""
    cones = problem.cones
    mine = np.isin(cones.i_sq, own)
    named = np.concatenate([cones.p_flow[mine], cones.q_flow[mine], cones.on[mine], cones.v_sq[mine]])
    return np.union1d(own, named[named >= 0])


def part_of(problem: Problem, own: Index, columns: Index, drop_held: bool) -> Problem:
    """The rows and cones over one part's own columns; held columns outside it move to the right-hand side."""
    rows = select(problem.rows, np.diff(entries(problem.rows, own).indptr) > 0)
    shift: Array = np.zeros(len(rows.lower))
    if drop_held:
        rest = np.setdiff1d(np.arange(len(problem.cost)), columns)
        values = np.where(problem.lower[rest] == problem.upper[rest], problem.lower[rest], 0.0)
        shift = np.asarray(rows.matrix[:, rest] @ values).ravel()
    position = np.full(len(problem.cost) + 1, -1)
    position[columns] = np.arange(len(columns))
    cones = problem.cones
    mine = np.isin(cones.i_sq, own)
    return Problem(
        cost=np.where(np.isin(columns, own), problem.cost[columns], 0.0),
        offset=0.0,
        rows=Rows(sparse.csr_matrix(rows.matrix[:, columns]), rows.lower - shift, rows.upper - shift),
        lower=problem.lower[columns],
        upper=problem.upper[columns],
        integer=problem.integer[columns],
        cones=Cones(
            i_sq=position[cones.i_sq[mine]],
            p_flow=position[cones.p_flow[mine]],
            q_flow=position[cones.q_flow[mine]],
            on=position[cones.on[mine]],
            v_sq=position[cones.v_sq[mine]],
            v_sq_ub=cones.v_sq_ub[mine],
            switched=cones.switched[mine],
            weight=cones.weight[mine],
        ),
        sites=np.flatnonzero(np.isin(columns, problem.sites)),
        decisive=np.flatnonzero(np.isin(columns, problem.decisive)),
        zones=problem.zones,
    )
