"""Parts of a problem that are independent once what links them (sites, alpha) is known."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from igdt_planner.solver.problem import Cones, Index, Problem, Rows, entries, select


def parts(problem: Problem, linking: Index) -> list[tuple[Problem, Index]]:
    """Independent parts of a problem once the linking columns are known, each with its columns and the linking ones."""
    free = np.setdiff1d(np.arange(len(problem.cost)), linking)
    pattern = sparse.vstack([entries(problem.rows, free), joined(problem)[:, free]])
    count, label = csgraph.connected_components(pattern.T @ pattern, directed=False)
    out = []
    for number in range(count):
        own = free[label == number]
        columns = np.concatenate([own, linking])
        out.append((part_of(problem, own, columns), columns))
    return out


def joined(problem: Problem) -> sparse.csr_matrix:
    """Ones in the columns of every cone: where a line can carry nothing no row joins its current and its flows."""
    cones = problem.cones
    columns = np.stack([cones.i_sq, cones.p_flow, cones.q_flow, cones.on, cones.v_sq], axis=1)
    number, place = np.nonzero(columns >= 0)
    ones = np.ones(len(number))
    return sparse.csr_matrix((ones, (number, columns[number, place])), shape=(len(columns), len(problem.cost)))


def part_of(problem: Problem, own: Index, columns: Index) -> Problem:
    """The rows and cones over one part's own columns."""
    rows = select(problem.rows, np.diff(entries(problem.rows, own).indptr) > 0)
    position = np.full(len(problem.cost) + 1, -1)
    position[columns] = np.arange(len(columns))
    cones = problem.cones
    mine = np.isin(cones.i_sq, own)
    return Problem(
        cost=np.where(np.isin(columns, own), problem.cost[columns], 0.0),
        offset=0.0,
        rows=Rows(sparse.csr_matrix(rows.matrix[:, columns]), rows.lower, rows.upper),
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
            p_back=position[cones.backs("p")[mine]],
            q_back=position[cones.backs("q")[mine]],
        ),
        sites=np.flatnonzero(np.isin(columns, problem.sites)),
        decisive=np.flatnonzero(np.isin(columns, problem.decisive)),
        zones=problem.zones,
    )
