"""The network problem in the displacements that a symmetry group leaves free: exact in symmetry, and much smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .network import (
    STRAINS,
    Coordinate,
    Network,
    NetworkState,
    Part,
    cross_matrices,
    cross_sum,
    rotation_matrices,
    solve_symmetric,
)
from .subgroups import Action

_START = 5e6  # operations that cost no time to speak of


def invariant_vectors(sites: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Orthonormal basis float64 [n, 3, d] of the vector fields on n points that a group leaves as they are.

    sites: int [G, n], where each point goes; turns: [G, 3, 3], what happens to a vector there.
    """
    count = sites.shape[1]
    first = sites.min(axis=0) if len(sites) else np.arange(count)
    blocks = []
    for start in np.unique(first):
        stays = sites[:, start] == start
        values, vectors = np.linalg.eigh(_symmetric(turns[stays].mean(axis=0)))
        free = vectors[:, values > 0.5]
        if not free.shape[1]:
            continue
        members = np.flatnonzero(first == start)
        block = np.zeros((count, 3, free.shape[1]))
        for member in members:
            block[member] = turns[np.flatnonzero(sites[:, start] == member)[0]] @ free
        blocks.append(block / np.sqrt(len(members)))
    return np.concatenate(blocks, axis=2) if blocks else np.zeros((count, 3, 0))


def invariant_strains(turns: np.ndarray) -> np.ndarray:
    """Orthonormal basis float64 [6, d] of the strains that a point group [G, 3, 3] leaves as they are."""
    carried = turns[:, None] @ STRAINS @ np.swapaxes(turns, 1, 2)[:, None]  # [G, 6, 3, 3]
    mean = np.einsum("sij,gtij->st", STRAINS, carried) / len(turns)
    values, vectors = np.linalg.eigh(_symmetric(mean))
    return vectors[:, values > 0.5]


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2


def _joined(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Bonds and vectors of a mean over parts."""
    rows = np.concatenate([np.arange(p.rows.start, p.rows.stop) for p in parts])
    return rows, np.concatenate([p.vectors for p in parts]) / len(parts)


@dataclass(frozen=True, eq=False)
class Point:
    state: NetworkState
    matrix: np.ndarray
    force: np.ndarray
    levers: np.ndarray  # [c, d]
    off: np.ndarray  # [c]


class InvariantSolver:
    """The interface of `motifs.solving.Solver`, for a request that the group of `action` keeps."""

    def __init__(self, net: Network, weights: np.ndarray, coordinates: Sequence[Coordinate], action: Action) -> None:
        self.net = net
        self.move = invariant_vectors(action.operations.sites, action.turns)  # [N, 3, du]
        handed = np.linalg.det(action.turns)[:, None, None] * action.turns  # rotation vectors are axial
        self.turn = invariant_vectors(action.motifs, handed)  # [m, 3, dw]
        self.strain = invariant_strains(action.turns) if net.periodic else np.zeros((6, 0))
        orbit = action.motif_orbits()
        size = np.bincount(orbit, minlength=len(orbit))
        # one motif of each orbit stands for all
        bonds = np.flatnonzero(orbit[net.motif] == net.motif)
        self._bonds, self._motif = bonds, net.motif[bonds]
        self._all_w2 = weights**2
        self._w2 = weights[bonds] ** 2 * size[self._motif]
        fixed = np.concatenate(
            [self.move[net.ligand[bonds]] - self.move[net.centre[bonds]], net.strained[bonds] @ self.strain], axis=2
        )
        # bonds are linear in displacements and strain: their part of the normal matrix is the same in every state
        self._fixed = (self._w2[:, None, None] * fixed).reshape(3 * len(bonds), fixed.shape[2])
        self._still = self._fixed.T @ fixed.reshape(self._fixed.shape)
        self._moves, self._turns = (a.reshape(3 * len(a), a.shape[2]) for a in (self.move, self.turn))
        chosen, times = [], []
        for k, c in enumerate(coordinates):
            motif = c.parts[0].motif
            if len(c.parts) > 1 or orbit[motif] == motif:
                chosen.append(k)
                times.append(1.0 if len(c.parts) > 1 else float(size[motif]))
        self._chosen = np.array(chosen, dtype=np.int64)
        self.limits = np.array([coordinates[k].weight for k in chosen])
        self._times = np.array(times)
        self._laboratory = np.array([coordinates[k].laboratory for k in chosen], dtype=bool)
        self._parts = [(coordinates[k].parts[0].motif, *_joined(coordinates[k].parts)) for k in chosen]
        self._levers = np.array([self._lever(rows, along) for _, rows, along in self._parts])
        self._levers = self._levers.reshape(len(chosen), self.unknowns)
        self._at_rest = np.array([float((net.start[rows] * along).sum()) for _, rows, along in self._parts])

    def _lever(self, rows: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Gradient of ``sum of bond . along`` in displacements and strain, with room for the rotations."""
        net, moves = self.net, self.move.shape[2]
        out = np.zeros(self.unknowns)
        spread = self.move[net.ligand[rows]] - self.move[net.centre[rows]]
        out[:moves] = np.tensordot(along, spread, axes=((0, 1), (0, 1)))
        strained = np.tensordot(along, net.strained[rows], axes=((0, 1), (0, 1)))
        out[moves : moves + self.strain.shape[1]] = strained @ self.strain
        return out

    @property
    def rows(self) -> int:
        return 3 * len(self._bonds)

    @property
    def unknowns(self) -> int:
        return self.move.shape[2] + self.turn.shape[2] + self.strain.shape[1]

    def linearise(self, state: NetworkState, shape: np.ndarray, asked: np.ndarray, *, damped: bool = False) -> Point:
        net, bonds, size = self.net, self._bonds, self.unknowns
        fixed = self._fixed.shape[1]
        now = net.vectors(state)
        rotation = state.rotations[self._motif]
        aim = (rotation @ shape[bonds][:, :, None])[:, :, 0]
        turning = cross_matrices(aim) @ self.turn[self._motif]
        weighted = (self._w2[:, None, None] * turning).reshape(3 * len(bonds), size - fixed)
        off_aim = (aim - now[bonds]).ravel()
        matrix, force = np.empty((size, size)), np.empty(size)
        matrix[:fixed, :fixed] = self._still
        matrix[fixed:, :fixed] = turning.reshape(weighted.shape).T @ self._fixed
        matrix[:fixed, fixed:] = matrix[fixed:, :fixed].T
        matrix[fixed:, fixed:] = weighted.T @ turning.reshape(weighted.shape)
        force[:fixed], force[fixed:] = off_aim @ self._fixed, off_aim @ weighted
        own = matrix[fixed:, fixed:]
        own[np.diag_indices_from(own)] += 1e-9 * max(float(np.trace(own)), 1e-6)
        if damped:
            every = (state.rotations[net.motif] @ shape[:, :, None])[:, :, 0]
            hold = net.left_out(every, every - now, self._all_w2)
            own += np.einsum("mis,m,mit->st", self.turn, hold, self.turn)
        levers, off = self._levers.copy(), asked[self._chosen] + self._at_rest
        for n, (motif, rows, vectors) in enumerate(self._parts):
            along = vectors
            if not self._laboratory[n]:
                along = vectors @ state.rotations[motif].T
                levers[n] = self._lever(rows, along)
                levers[n, fixed:] = -cross_sum(now[rows], along) @ self.turn[motif]
            off[n] -= (now[rows] * along).sum()
        return Point(state, matrix, force, levers, off)

    def advance(self, at: Point, stiff: float, *, proximal: bool) -> tuple[NetworkState, float]:
        """As `motifs.solving.Solver.advance`."""
        net, state = self.net, at.state
        moves, strains = self.move.shape[2], self.strain.shape[1]
        matrix, force = at.matrix.copy(), at.force.copy()
        diagonal = np.einsum("ii->i", matrix)
        diagonal[:moves] += net.site_penalty
        diagonal[moves : moves + strains] += net.strain_penalty
        if not proximal:
            force[:moves] -= net.site_penalty * (state.displacements.ravel() @ self._moves)
            force[moves : moves + strains] -= net.strain_penalty * state.strain @ self.strain
        heavy = self._times * np.minimum(self.limits, stiff) ** 2
        matrix += (heavy[:, None] * at.levers).T @ at.levers
        force += (heavy * at.off) @ at.levers
        answer = solve_symmetric(matrix, force)
        moved = (self._moves @ answer[:moves]).reshape(-1, 3)
        strain = self.strain @ answer[moves : moves + strains]
        turns = (self._turns @ answer[moves + strains :]).reshape(-1, 3)
        largest = float(max(np.abs(moved).max(initial=0.0), np.abs(strain).max(initial=0.0)))
        after = NetworkState(
            state.displacements + moved, state.strain + strain, rotation_matrices(turns) @ state.rotations
        )
        return after, largest if len(net.start) else 0.0


class ProjectedSolver:
    """A full solver whose steps are cleaned of what the group forbids: for groups too small to save unknowns."""

    def __init__(self, full: Any, invariant: InvariantSolver) -> None:
        self.full, self._move, self._strain = full, invariant.move, invariant.strain
        self.linearise = full.linearise

    def advance(self, at: Any, stiff: float, *, proximal: bool) -> tuple[NetworkState, float]:
        after, step = self.full.advance(at, stiff, proximal=proximal)
        share = np.tensordot(after.displacements, self._move, axes=((0, 1), (0, 1)))
        strain = self._strain @ (after.strain @ self._strain)
        return NetworkState(self._move @ share, strain, after.rotations), step


def invariant_solver(
    net: Network, weights: np.ndarray, coordinates: Sequence[Coordinate], action: Action, solver: Any
) -> Any:
    """The smaller of the two ways to solve a request in a group; `solver` makes the full one."""
    small = InvariantSolver(net, weights, coordinates, action)
    unknowns, whole = float(small.unknowns), 3.0 * (len(net.sizes) + len(coordinates))
    # floating-point operations of a step: normal equations of all rows, against a factorisation and its assembly
    if 2.0 * small.rows * unknowns**2 + unknowns**3 / 3.0 <= 0.8 * whole**3 + _START:
        return small
    return ProjectedSolver(solver(net, weights, coordinates), small)
