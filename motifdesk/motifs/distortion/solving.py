"""Gauss-Newton steps of the network problem, with the displacements eliminated exactly.

The bond rows see the displacements through the graph's weighted Laplacian only, the same for x, y and z and the same in
every step. One N x N factorisation therefore removes all 3N displacements of a solve; what is left each step is a
system in the rotations of the motifs and the strain (3m + 6 unknowns), assembled from a sparse matrix of fixed pattern.
The asked coordinates enter as multipliers (a quasi-definite system), so that stiff requests cost no digits.

`motifs.dense` writes the same step down plainly, in all unknowns; tests and benchmarks hold this one to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .network import Coordinate, Network, NetworkState, cross_matrices, rotation_matrices

_SMALL = 40_000  # entries up to which an array of zeros is faster than a sparse matrix


@dataclass(frozen=True, eq=False)
class Linearised:
    """The factorised system around one state. z: rotations then strain [3m + 6]; c: asked coordinates."""

    state: NetworkState
    schur: Any
    coupling: np.ndarray  # [c, z]
    own: np.ndarray  # [c, c], what the displacements alone give the coordinates
    rows: Any  # csr [3 (m + c), N]: lever of every motif, gradient of every coordinate
    force_sites: np.ndarray  # [N, 3]
    force_rest: np.ndarray  # [z]
    off: np.ndarray  # [c]


class Solver:
    """Steps of one request: `weights` [B] of the bonds and the asked `coordinates`, whatever their amplitudes."""

    def __init__(self, net: Network, weights: np.ndarray, coordinates: Sequence[Coordinate]) -> None:
        from scipy.sparse import csr_matrix

        self.net, self.coordinates = net, tuple(coordinates)
        self.limits = np.array([c.weight for c in coordinates])
        self._w2 = w2 = weights * weights
        self._strains = 6 if net.periodic else 0
        entries = [(k, part, row) for k, c in enumerate(coordinates) for part in c.parts for row in part.bonds]
        count, bonds = len(coordinates), len(net.start)
        self._entry = np.array([k for k, _, _ in entries], dtype=np.int64)
        self._bond = np.array([row for _, _, row in entries], dtype=np.int64)
        base = [part.vectors / len(c.parts) for c in coordinates for part in c.parts]
        self._base = np.concatenate(base) if base else np.zeros((0, 3))
        self._turns = np.array([not c.laboratory for c in coordinates], dtype=bool)
        self._at_rest = np.bincount(self._entry, (self._base * net.start[self._bond]).sum(axis=1), minlength=count)
        owner = np.concatenate([net.motif, len(net.sizes) + self._entry])
        self._pattern = _Pattern(owner, np.concatenate([np.arange(bonds), self._bond]), net, len(net.sizes) + count)
        self._gather = _compact(
            csr_matrix((np.ones(bonds), (net.motif, np.arange(bonds))), shape=(len(net.sizes), bonds))
        )
        weighted = net.difference.multiply(w2[:, None]).tocsr()
        self._down = _compact(weighted.T.tocsr())  # sums weighted bond vectors to sites
        laplacian = (net.difference.T @ weighted).toarray()
        laplacian[np.diag_indices_from(laplacian)] += net.site_penalty
        # row by row in memory: a sparse matrix times it would copy it every time
        self._inverse = np.ascontiguousarray(_solve(_factor(laplacian), np.eye(len(laplacian))))
        if self._strains:
            self._pull = (self._down @ net.strained.reshape(bonds, 18)).reshape(-1, 3, 6)
            self._pulled = np.tensordot(self._inverse, self._pull, axes=(1, 0))
            strained = w2[:, None, None] * net.strained
            self._stiffness = np.tensordot(strained, net.strained, axes=((0, 1), (0, 1)))
            self._stiffness[np.diag_indices(6)] += net.strain_penalty
            self._stiffness -= np.tensordot(self._pull, self._pulled, axes=((0, 1), (0, 1)))

    def linearise(
        self, state: NetworkState, shape: np.ndarray, asked: np.ndarray, *, damped: bool = False
    ) -> Linearised:
        """The system around `state` for bond vectors wanted as ``R_m @ shape`` [B, 3] and amplitudes `asked` [c].

        damped: turns are held back by what Gauss-Newton leaves out of the curvature.
        """
        net, w2, motifs, strains = self.net, self._w2, len(self.net.sizes), self._strains
        count = len(self.coordinates)
        now = net.vectors(state)
        aim = (state.rotations[net.motif] @ shape[:, :, None])[:, :, 0]
        residual = aim - now
        along = self._base
        if count:
            turning = self._turns[self._entry]
            if turning.any():
                frame = state.rotations[net.motif[self._bond]]
                along = np.where(turning[:, None], (frame @ along[:, :, None])[:, :, 0], along)
        pulled = w2[:, None] * aim
        rows = self._pattern.fill(np.concatenate([pulled, along]))
        green = rows @ self._inverse  # [3 (m + c), N]
        lever = (rows @ green.T).reshape(motifs + count, 3, motifs + count, 3)
        # rotations: sum of w2 (|aim|^2 1 - aim aim^T), minus what the displacements take up
        size = 3 * motifs + strains
        schur = np.empty((size, size))
        turn = lever[:motifs, :, :motifs, :]
        step, item = schur.strides
        block = as_strided(schur, (motifs, 3, motifs, 3), (3 * step, step, 3 * item, item))
        block[...] = turn.transpose(0, 3, 2, 1)
        trace = np.einsum("axbx->ab", turn)
        for x in range(3):
            block[:, x, :, x] -= trace
        outer = (self._gather @ (pulled[:, :, None] * aim[:, None, :]).reshape(-1, 9)).reshape(-1, 3, 3)
        own = np.trace(outer, axis1=1, axis2=2)[:, None, None] * np.eye(3) - outer
        # motifs on a line do not care about their own axis
        own += (1e-9 * np.maximum(np.trace(own, axis1=1, axis2=2), 1e-6))[:, None, None] * np.eye(3)
        if damped:
            own += net.left_out(aim, residual, w2)[:, None, None] * np.eye(3)
        each = np.arange(motifs)
        block[each, :, each, :] += own
        force = np.empty(size)
        force[: 3 * motifs] = -(self._gather @ _cross(pulled, residual)).ravel()
        if strains:
            cross = cross_matrices(pulled)
            shear = (self._gather @ (np.swapaxes(cross, 1, 2) @ net.strained).reshape(-1, 18)).reshape(motifs, 3, 6)
            moment = (rows[: 3 * motifs] @ self._pulled.reshape(-1, 18)).reshape(motifs, 3, 3, 6)
            shear = shear + _axial(moment)
            schur[: 3 * motifs, 3 * motifs :] = shear.reshape(-1, 6)
            schur[3 * motifs :, : 3 * motifs] = shear.reshape(-1, 6).T
            schur[3 * motifs :, 3 * motifs :] = self._stiffness
            force[3 * motifs :] = np.tensordot(w2[:, None] * residual, net.strained, axes=((0, 1), (0, 1)))
        off: np.ndarray = np.zeros(count)
        coupling, own_c = np.zeros((count, size)), np.zeros((count, count))
        if count:
            reached = np.bincount(self._entry, (now[self._bond] * along).sum(axis=1), minlength=count)
            off = asked + self._at_rest - reached
            mixed = lever[:motifs, :, motifs:, :]  # lever of a motif against the gradient of a coordinate
            coupling[:, : 3 * motifs] = _axial(mixed.transpose(0, 1, 3, 2)).reshape(3 * motifs, count).T
            back = -_cross(now[self._bond], along)
            where = self._turns[self._entry]
            row, column = self._entry[where], 3 * net.motif[self._bond[where]]
            for x in range(3):
                np.add.at(coupling, (row, column + x), back[where, x])
            if strains:
                direct = np.einsum("ek,eks->es", along, net.strained[self._bond])
                for s in range(6):
                    coupling[:, 3 * motifs + s] = np.bincount(self._entry, direct[:, s], minlength=count)
                gradient = rows[3 * motifs :] @ self._pulled.reshape(-1, 18)
                coupling[:, 3 * motifs :] -= np.einsum("cxxs->cs", gradient.reshape(count, 3, 3, 6))
            own_c = np.einsum("axbx->ab", lever[motifs:, :, motifs:, :])
        sites = self._down @ residual
        return Linearised(state, _factor(schur), coupling, own_c, rows, sites, force, off)

    def advance(self, at: Linearised, stiff: float, *, proximal: bool) -> tuple[NetworkState, float]:
        """The next state and the largest displacement of the step (Angstrom).

        stiff: largest weight of an asked coordinate. proximal: the penalties hold the step, not the distance from rest.
        """
        net, state, motifs = self.net, at.state, len(self.net.sizes)
        sites, rest = at.force_sites, at.force_rest.copy()
        if not proximal:
            sites = sites - net.site_penalty * state.displacements
            if self._strains:
                rest[3 * motifs :] -= net.strain_penalty * state.strain
        free = self._inverse @ sites  # [N, 3] where the sites would go alone
        given = (at.rows @ free).reshape(-1, 3, 3)
        rest[: 3 * motifs] += _axial(given[:motifs, :, :, None]).reshape(-1)
        if self._strains:
            rest[3 * motifs :] -= np.tensordot(self._pull, free, axes=((0, 1), (0, 1)))
        answer = _solve(at.schur, rest)
        force = np.zeros(0)
        if len(at.off):
            weight = np.minimum(self.limits, stiff)
            gap = at.off - np.trace(given[motifs:], axis1=1, axis2=2)
            back = _solve(at.schur, at.coupling.T)
            core = at.own + at.coupling @ back
            core[np.diag_indices_from(core)] += 1.0 / weight**2
            force = _solve(_factor(core), at.coupling @ answer - gap)
            answer = answer - back @ force
        turns = answer[: 3 * motifs].reshape(-1, 3)
        # displacements: G (f - C^T turns - strain part - gradients^T force)
        levers = np.concatenate([cross_matrices(turns), force[:, None, None] * np.eye(3)]).reshape(-1, 3)
        taken = at.rows.T @ levers
        if self._strains:
            taken = taken + self._pull @ answer[3 * motifs :]
        moved = self._inverse @ (sites - taken)
        strain = state.strain + (answer[3 * motifs :] if self._strains else 0.0)
        largest = float(max(np.abs(moved).max(initial=0.0), np.abs(answer[3 * motifs :]).max(initial=0.0)))
        after = NetworkState(state.displacements + moved, strain, rotation_matrices(turns) @ state.rotations)
        return after, largest if len(net.start) else 0.0


class _Pattern:
    """Sparse rows of fixed pattern: row (owner, xyz), column site; entry e adds its vector at the ligand of its bond
    and takes it off at the centre."""

    def __init__(self, owner: np.ndarray, bond: np.ndarray, net: Network, owners: int) -> None:
        from scipy.sparse import csr_matrix

        sites, entries = net.sites, np.arange(len(owner))
        code = np.concatenate([owner * sites + net.ligand[bond], owner * sites + net.centre[bond]])
        pairs, which = np.unique(code, return_inverse=True)
        sign = np.concatenate([np.ones(len(owner)), -np.ones(len(owner))])
        self._sum = csr_matrix((sign, (which, np.tile(entries, 2))), shape=(len(pairs), len(owner)))
        count = np.bincount(pairs // sites, minlength=owners)
        first = np.concatenate([[0], np.cumsum(count)])[:-1]
        lengths = np.repeat(count, 3)
        self._indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        place = np.arange(self._indptr[-1]) - np.repeat(self._indptr[:-1], lengths)
        pair = np.repeat(np.repeat(first, 3), lengths) + place
        self._indices = (pairs % sites)[pair].astype(np.int32)
        self._flat = 3 * pair + np.repeat(np.tile(np.arange(3), owners), lengths)
        self._rows = np.repeat(np.arange(3 * owners), lengths)
        self._shape = (3 * owners, sites)
        self._make = csr_matrix

    def fill(self, vectors: np.ndarray) -> Any:
        values = (self._sum @ vectors).ravel()[self._flat]
        if self._shape[0] * self._shape[1] > _SMALL:
            return self._make((values, self._indices, self._indptr), shape=self._shape)
        out = np.zeros(self._shape)
        out[self._rows, self._indices] = values
        return out


def _compact(matrix: Any) -> Any:
    """A small sparse matrix as an array: scipy's bookkeeping would cost more than the zeros."""
    return matrix if matrix.shape[0] * matrix.shape[1] > _SMALL else matrix.toarray()


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of rows [B, 3] (np.cross is slow on few rows)."""
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def _axial(moment: np.ndarray) -> np.ndarray:
    """[m, 3, 3, ...] -> [m, 3, ...]: minus C G f for the moments ``sum of c_x (G f)_y`` (C^T is c x ., C is . x c)."""
    return np.stack(
        [
            moment[:, 1, 2] - moment[:, 2, 1],
            moment[:, 2, 0] - moment[:, 0, 2],
            moment[:, 0, 1] - moment[:, 1, 0],
        ],
        axis=1,
    )


class _Inverse(NamedTuple):
    inverse: np.ndarray


def _factor(matrix: np.ndarray) -> Any:
    """Cholesky factor of a symmetric matrix; its pseudo-inverse where it is not positive definite."""
    from scipy.linalg.lapack import dpotrf

    lower, info = dpotrf(matrix.T, lower=1, clean=0)
    return lower if info == 0 else _Inverse(np.linalg.pinv(matrix, hermitian=True))


def _solve(factor: Any, right: np.ndarray) -> np.ndarray:
    from scipy.linalg.lapack import dpotrs

    if isinstance(factor, _Inverse):
        return factor.inverse @ right
    return dpotrs(factor, right.reshape(len(right), -1), lower=1)[0].reshape(right.shape)
