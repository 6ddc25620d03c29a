"""The Gauss-Newton step of the network problem written down in all unknowns, without sparse matrices.

Ten times slower than `motifs.solving` on 200 atoms. It stands here so that tests and benchmarks can hold the fast
solver to it on any structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .network import (
    Coordinate,
    Network,
    NetworkState,
    cross_matrices,
    cross_sum,
    rotation_matrices,
    solve_symmetric,
)

_Point: TypeAlias = tuple[NetworkState, np.ndarray, np.ndarray, bool]


class DenseSolver:
    """The interface of `motifs.solving.Solver`: displacements and strain in one dense matrix, the rotations of the
    motifs (3 x 3 blocks) eliminated, the asked coordinates as heavy rows."""

    def __init__(self, net: Network, weights: np.ndarray, coordinates: Sequence[Coordinate]) -> None:
        self.net, self.weights, self.coordinates = net, weights, tuple(coordinates)
        self._matrix = self._normal_matrix()

    def linearise(self, state: NetworkState, shape: np.ndarray, asked: np.ndarray, *, damped: bool = False) -> _Point:
        return state, shape, asked, damped

    def advance(self, at: _Point, stiff: float, *, proximal: bool) -> tuple[NetworkState, float]:
        """As `motifs.solving.Solver.advance`."""
        net, state = self.net, at[0]
        sites = net.sites
        matrix, right, inverse, coupling, force = self.system(at, stiff, proximal=proximal)
        solution = solve_symmetric(matrix, right)
        turns = np.einsum("mij,mj->mi", inverse, force - (coupling @ solution))
        after = NetworkState(
            state.displacements + solution[: 3 * sites].reshape(-1, 3),
            state.strain + (solution[3 * sites :] if net.periodic else 0.0),
            rotation_matrices(turns) @ state.rotations,
        )
        return after, float(np.abs(solution).max(initial=0.0)) if len(net.start) else 0.0

    def system(self, at: _Point, stiff: float, *, proximal: bool) -> tuple[np.ndarray, ...]:
        """Matrix [3N + 6, 3N + 6] and right-hand side in displacements and strain, the inverse blocks [m, 3, 3] of the
        rotations, their coupling [m, 3, 3N + 6] and right-hand side [m, 3]."""
        net, (state, shape, amplitudes, damped) = self.net, at
        sites, motifs, w2 = net.sites, len(net.sizes), self.weights**2
        size, columns = 3 * sites + 6, np.arange(3)
        now = net.vectors(state)
        aim = np.einsum("bij,bj->bi", state.rotations[net.motif], shape)
        residual = aim - now
        right = self._pull(residual)
        # d(bond) - w x aim = residual: the rotations act as -(w x aim) = aim x w
        cross = cross_matrices(aim)
        block, force = np.zeros((motifs, 3, 3)), np.zeros((motifs, 3))
        np.add.at(block, net.motif, w2[:, None, None] * np.einsum("bki,bkj->bij", cross, cross))
        np.add.at(force, net.motif, w2[:, None] * np.einsum("bki,bk->bi", cross, residual))
        coupling = np.zeros((motifs, 3, size))
        weighted = w2[:, None, None] * np.swapaxes(cross, 1, 2)  # [B, 3 (w), 3 (xyz)]
        m, lig, cen = net.motif[:, None, None], net.ligand[:, None, None] * 3, net.centre[:, None, None] * 3
        np.add.at(coupling, (m, columns[None, :, None], lig + columns), weighted)
        np.add.at(coupling, (m, columns[None, :, None], cen + columns), -weighted)
        if net.periodic:
            np.add.at(coupling, (m, columns[None, :, None], 3 * sites + np.arange(6)), weighted @ net.strained)
        stacked = np.zeros((len(self.coordinates), size))
        for number, asked in enumerate(self.coordinates):
            row, turn, value = np.zeros(size), np.zeros(3), 0.0
            share, weight = 1.0 / len(asked.parts), min(asked.weight, stiff)
            for index, rows, vectors in asked.parts:
                along = share * (vectors if asked.laboratory else vectors @ state.rotations[index].T)
                value += float((now[rows] * along).sum() - share * (net.start[rows] * vectors).sum())
                np.add.at(row, (net.ligand[rows, None] * 3 + columns), along)
                np.add.at(row, (net.centre[rows, None] * 3 + columns), -along)
                if net.periodic:
                    row[3 * sites :] += np.einsum("bk,bks->s", along, net.strained[rows])
                if not asked.laboratory:
                    turn = -cross_sum(now[rows], along)
            off, s2 = amplitudes[number] - value, weight**2
            stacked[number] = weight * row
            right += s2 * off * row
            if not asked.laboratory:  # always one motif: the rotation blocks stay 3 x 3
                index = asked.parts[0].motif
                coupling[index] += s2 * turn[:, None] * row
                block[index] += s2 * turn[:, None] * turn
                force[index] += s2 * off * turn
        matrix = self._matrix + stacked.T @ stacked
        diagonal = np.einsum("ii->i", matrix)
        diagonal[: 3 * sites] += net.site_penalty
        diagonal[3 * sites :] += net.strain_penalty if net.periodic else 1.0
        if not proximal:
            right[: 3 * sites] -= net.site_penalty * state.displacements.ravel()
            right[3 * sites :] -= net.strain_penalty * state.strain
        trace = np.maximum(np.trace(block, axis1=1, axis2=2), 1e-6)
        block += (1e-9 * trace)[:, None, None] * np.eye(3)  # motifs on a line do not care about their own axis
        if damped:
            block += net.left_out(aim, residual, w2)[:, None, None] * np.eye(3)
        inverse = np.linalg.inv(block)
        flat = coupling.reshape(3 * motifs, size)
        reduced = (inverse @ coupling).reshape(3 * motifs, size)
        matrix -= flat.T @ reduced
        right -= reduced.T @ force.ravel()
        return matrix, right, inverse, coupling, force

    def _normal_matrix(self) -> np.ndarray:
        """float64 [3N + 6, 3N + 6]: normal matrix of the bond rows in displacements and strain."""
        net, w2, sites = self.net, self.weights**2, self.net.sites
        laplacian = np.zeros((sites, sites))
        np.add.at(laplacian, (net.ligand, net.ligand), w2)
        np.add.at(laplacian, (net.centre, net.centre), w2)
        np.add.at(laplacian, (net.ligand, net.centre), -w2)
        np.add.at(laplacian, (net.centre, net.ligand), -w2)
        matrix = np.zeros((3 * sites + 6, 3 * sites + 6))
        for x in range(3):
            matrix[x : 3 * sites : 3, x : 3 * sites : 3] = laplacian
        if net.periodic:
            strained = w2[:, None, None] * net.strained
            mixed = np.zeros((sites, 3, 6))
            np.add.at(mixed, net.ligand, strained)
            np.add.at(mixed, net.centre, -strained)
            matrix[: 3 * sites, 3 * sites :] = mixed.reshape(3 * sites, 6)
            matrix[3 * sites :, : 3 * sites] = mixed.reshape(3 * sites, 6).T
            matrix[3 * sites :, 3 * sites :] = np.einsum("bks,bkt->st", strained, net.strained)
        return matrix

    def _pull(self, residual: np.ndarray) -> np.ndarray:
        """float64 [3N + 6]: right-hand side of the bond rows."""
        net = self.net
        weighted = self.weights[:, None] ** 2 * residual
        pull = np.zeros((net.sites, 3))
        np.add.at(pull, net.ligand, weighted)
        np.add.at(pull, net.centre, -weighted)
        strain = np.einsum("bks,bk->s", net.strained, weighted) if net.periodic else np.zeros(6)
        return np.concatenate([pull.ravel(), strain])
