"""The least-squares problem behind `distort`: motifs that keep their shapes, joined at shared sites."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from motifdesk.structures.arrays import AtomArrays

from .graph import MotifGraph

#: Voigt-like basis of symmetric strains: xx, yy, zz, yz, xz, xy; unit Frobenius norm.
_STRAINS = np.zeros((6, 3, 3))
for _n, (_i, _j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
    _STRAINS[_n, _i, _j] = _STRAINS[_n, _j, _i] = 1.0 if _i == _j else 2.0**-0.5


@dataclass(frozen=True, eq=False)
class NetworkState:
    """displacements [N, 3], strain [6] in the basis above, rotations [m, 3, 3] of the motifs."""

    displacements: np.ndarray
    strain: np.ndarray
    rotations: np.ndarray


class Part(NamedTuple):
    """A motif's share of an asked coordinate: its bonds and unit vectors float64 [k, 3]."""

    motif: int
    rows: slice
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Coordinate:
    """An asked amplitude (Angstrom), the mean over its parts of the projection on their vectors.

    laboratory: measured in the laboratory's frame (rotations), else in the frame that turns with the motif; then there
    is one part. weight: against one bond of a stiff motif.
    """

    laboratory: bool
    parts: tuple[Part, ...]
    amplitude: float
    weight: float


class Network:
    """Bonds (centre to ligand) of every motif and the matrices that do not change while solving.

    start: float64 [B, 3], bond vectors of the undistorted structure, motif after motif. weights: float64 [B].
    """

    def __init__(self, arrays: AtomArrays, graph: MotifGraph, *, site_weight: float, strain_share: float) -> None:
        self.arrays = arrays
        self.periodic = arrays.cell is not None
        cell = np.asarray(arrays.cell) if self.periodic else np.zeros((3, 3))
        stars = [_star(graph, motif) for motif in graph.motifs]
        sizes = np.array([len(s) for s in stars], dtype=np.int64)
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.motif = np.repeat(np.arange(len(stars)), sizes)
        self.centre = np.repeat(np.array([m.centre for m in graph.motifs], dtype=np.int64), sizes)
        self.ligand = np.array([x.site for star in stars for x in star], dtype=np.int64)
        images = np.array([x.image for star in stars for x in star], dtype=float).reshape(-1, 3)
        positions = np.asarray(arrays.positions)
        self.start = positions[self.ligand] + images @ cell - positions[self.centre]
        strength = motif_strength(graph)
        self.weights = np.repeat(strength, sizes)
        self.stiffest = 1.0
        self._site = site_weight
        self._sites, self._motifs = len(arrays), len(stars)
        self._strained = np.einsum("bi,sij->bjs", self.start, _STRAINS)  # [B, 3, 6]: d(bond) / d(strain)
        own = float(((self.weights[:, None, None] * self._strained) ** 2).sum()) / 6.0
        self._strain = np.sqrt(max(strain_share * own, 1e-6))

    def rest(self) -> NetworkState:
        return NetworkState(np.zeros((self._sites, 3)), np.zeros(6), np.tile(np.eye(3), (self._motifs, 1, 1)))

    def rows_of(self, motif: int, count: int) -> slice:
        """Rows of the first `count` bonds of a motif (its ligands come before other neighbours)."""
        return slice(int(self.first[motif]), int(self.first[motif]) + count)

    def vectors(self, state: NetworkState) -> np.ndarray:
        """float64 [B, 3]: bond vectors in a state."""
        u = state.displacements
        return self.start + self._strained @ state.strain + u[self.ligand] - u[self.centre]

    def turned(self, state: NetworkState) -> np.ndarray:
        """float64 [B, 3]: bond vectors in the frames that turn with the motifs."""
        return np.einsum("bji,bj->bi", state.rotations[self.motif], self.vectors(state))

    def positions(self, state: NetworkState) -> np.ndarray:
        deformation = np.eye(3) + np.einsum("s,sij->ij", state.strain, _STRAINS)
        u = state.displacements
        moved = np.asarray(self.arrays.positions) @ deformation + u
        # neither strain nor the choice of the origin shall move the structure as a whole
        return moved - (moved - self.arrays.positions).mean(axis=0)

    def cell(self, state: NetworkState) -> np.ndarray | None:
        if not self.periodic:
            return None
        return np.asarray(self.arrays.cell) @ (np.eye(3) + np.einsum("s,sij->ij", state.strain, _STRAINS))

    def principal_strains(self, state: NetworkState) -> np.ndarray:
        """float64 [3], ascending."""
        return np.linalg.eigvalsh(np.einsum("s,sij->ij", state.strain, _STRAINS))

    def cost(self, off: np.ndarray) -> np.ndarray:
        """float64 [m]: root mean square of `off` [B, 3] over the bonds of each motif; 0 for motifs without bonds."""
        squared = np.bincount(self.motif, (off * off).sum(axis=1), minlength=self._motifs)
        return np.sqrt(squared / np.maximum(np.diff(self.first), 1))

    def step(
        self,
        state: NetworkState,
        matrix: np.ndarray,
        shape: np.ndarray,
        weights: np.ndarray,
        coordinates: list[Coordinate],
        *,
        proximal: bool,
    ) -> tuple[NetworkState, float]:
        """One Gauss-Newton step towards bond vectors ``R_m @ shape`` and the asked coordinates.

        `matrix` is `normal_matrix(weights)`. Returns the new state and the largest displacement of the step (Angstrom).
        `proximal` penalises the step instead of the distance from the undistorted structure.

        The motif rotations w enter one 3x3 block each: they are eliminated first (Schur complement), which leaves a
        dense symmetric system of 3N + 6 unknowns.
        """
        sites, motifs, bonds = self._sites, self._motifs, len(self.start)
        size = 3 * sites + 6
        now = self.vectors(state)
        rotation = state.rotations[self.motif]
        aim = np.einsum("bij,bj->bi", rotation, shape)
        residual = aim - now
        w2 = weights * weights
        right = self._pull(w2, residual)
        # motif rotations: d(bond) - w x aim = residual  ->  J_w = [aim]_x acting as -(w x aim) = aim x w
        cross = _cross_matrices(aim)
        block = np.zeros((motifs, 3, 3))
        np.add.at(block, self.motif, w2[:, None, None] * np.einsum("bki,bkj->bij", cross, cross))
        force = np.zeros((motifs, 3))
        np.add.at(force, self.motif, w2[:, None] * np.einsum("bki,bk->bi", cross, residual))
        coupling = np.zeros((motifs, 3, size))
        weighted = w2[:, None, None] * np.swapaxes(cross, 1, 2)  # [B, 3 (w), 3 (xyz)]
        columns = np.arange(3)
        m, lig, cen = self.motif[:, None, None], self.ligand[:, None, None] * 3, self.centre[:, None, None] * 3
        np.add.at(coupling, (m, columns[None, :, None], lig + columns), weighted)
        np.add.at(coupling, (m, columns[None, :, None], cen + columns), -weighted)
        if self.periodic:
            np.add.at(
                coupling,
                (self.motif[:, None, None], columns[None, :, None], 3 * sites + np.arange(6)),
                weighted @ self._strained,
            )
        # rows of the asked coordinates
        stacked = np.zeros((len(coordinates), size))
        for number, asked in enumerate(coordinates):
            row, turn, value = np.zeros(size), np.zeros((len(asked.parts), 3)), 0.0
            share = 1.0 / len(asked.parts)
            for n, (index, rows, vectors) in enumerate(asked.parts):
                along = share * (vectors if asked.laboratory else vectors @ state.rotations[index].T)
                value += float((now[rows] * along).sum() - share * (self.start[rows] * vectors).sum())
                np.add.at(row, (self.ligand[rows, None] * 3 + columns), along)
                np.add.at(row, (self.centre[rows, None] * 3 + columns), -along)
                if self.periodic:
                    row[3 * sites :] += np.einsum("bk,bks->s", along, self._strained[rows])
                if not asked.laboratory:
                    turn[n] = -_cross_sum(now[rows], along)
            off, s2 = asked.amplitude - value, asked.weight**2
            stacked[number] = asked.weight * row
            right += s2 * off * row
            if not asked.laboratory:  # always one motif: the rotation blocks stay 3 x 3
                index = asked.parts[0].motif
                coupling[index] += s2 * turn[0][:, None] * row
                block[index] += s2 * turn[0][:, None] * turn[0]
                force[index] += s2 * off * turn[0]
        matrix = matrix + stacked.T @ stacked
        # penalties
        diagonal = np.einsum("ii->i", matrix)
        diagonal[: 3 * sites] += self._site**2
        diagonal[3 * sites :] += self._strain**2 if self.periodic else 1.0
        if not proximal:
            right[: 3 * sites] -= self._site**2 * state.displacements.ravel()
            right[3 * sites :] -= self._strain**2 * state.strain
        trace = np.maximum(np.trace(block, axis1=1, axis2=2), 1e-6)
        block += (1e-9 * trace)[:, None, None] * np.eye(3)  # motifs on a line do not care about their own axis
        inverse = np.linalg.inv(block)
        flat = coupling.reshape(3 * motifs, size)
        reduced = (inverse @ coupling).reshape(3 * motifs, size)
        matrix -= flat.T @ reduced
        right -= reduced.T @ force.ravel()
        solution = _solve_symmetric(matrix, right)
        turns = np.einsum("mij,mj->mi", inverse, force - (coupling @ solution))
        u = state.displacements + solution[: 3 * sites].reshape(-1, 3)
        strain = state.strain + (solution[3 * sites :] if self.periodic else 0.0)
        moved = float(np.abs(solution).max(initial=0.0))
        return NetworkState(u, strain, _rotations(turns) @ state.rotations), moved if bonds else 0.0

    def normal_matrix(self, weights: np.ndarray) -> np.ndarray:
        """float64 [3N + 6, 3N + 6]: normal matrix of the bond rows in displacements and strain."""
        sites, w2 = self._sites, weights * weights
        size = 3 * sites + 6
        laplacian = np.zeros((sites, sites))
        np.add.at(laplacian, (self.ligand, self.ligand), w2)
        np.add.at(laplacian, (self.centre, self.centre), w2)
        np.add.at(laplacian, (self.ligand, self.centre), -w2)
        np.add.at(laplacian, (self.centre, self.ligand), -w2)
        matrix = np.zeros((size, size))
        for x in range(3):
            matrix[x : 3 * sites : 3, x : 3 * sites : 3] = laplacian
        if self.periodic:
            strained = w2[:, None, None] * self._strained
            mixed = np.zeros((sites, 3, 6))
            np.add.at(mixed, self.ligand, strained)
            np.add.at(mixed, self.centre, -strained)
            flat = mixed.reshape(3 * sites, 6)
            matrix[: 3 * sites, 3 * sites :] = flat
            matrix[3 * sites :, : 3 * sites] = flat.T
            matrix[3 * sites :, 3 * sites :] = np.einsum("bks,bkt->st", strained, self._strained)
        return matrix

    def _pull(self, w2: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """float64 [3N + 6]: right-hand side of the bond rows."""
        sites = self._sites
        weighted = w2[:, None] * residual
        pull = np.zeros((sites, 3))
        np.add.at(pull, self.ligand, weighted)
        np.add.at(pull, self.centre, -weighted)
        strain = np.einsum("bks,bk->s", self._strained, weighted) if self.periodic else np.zeros(6)
        return np.concatenate([pull.ravel(), strain])


def motif_strength(graph: MotifGraph) -> np.ndarray:
    """float64 [m], 0.03 to 1: how stiff each motif is against the stiffest one.

    Pauling's bond strength (oxidation state over coordination), squared: an octahedron around Ti4+ keeps its shape
    while the twelve weak bonds of Sr2+ give way. 1 everywhere when no oxidation states are known.
    """
    strength = np.array(
        [max(graph.oxidation[m.centre], 0.0) / max(len(m.ligands), 1) if graph.oxidation else 0.0 for m in graph.motifs]
    )
    if graph.kind != "ionic" or strength.max(initial=0.0) <= 0:
        return np.ones(len(graph.motifs))
    return np.maximum((strength / strength.max()) ** 2, 0.03)


def _star(graph: MotifGraph, motif: Any) -> list[Any]:
    """The motif's ligands, then its other neighbours (a molecule's CH group hangs on carbon neighbours)."""
    own = list(motif.ligands)
    return own + [x for x in graph.neighbours[motif.centre] if x not in set(own)]


def _cross_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of the cross products of rows (np.cross is slow on few rows)."""
    m = a.T @ b
    return np.array([m[1, 2] - m[2, 1], m[2, 0] - m[0, 2], m[0, 1] - m[1, 0]])


def _cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """[B, 3, 3] with out[b] @ w = vectors[b] x w."""
    out = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    out[:, 0, 1], out[:, 0, 2] = -z, y
    out[:, 1, 0], out[:, 1, 2] = z, -x
    out[:, 2, 0], out[:, 2, 1] = -y, x
    return out


def _rotations(turns: np.ndarray) -> np.ndarray:
    """Rotation matrices [m, 3, 3] of rotation vectors [m, 3] (Rodrigues)."""
    angle = np.linalg.norm(turns, axis=1)[:, None, None]
    k = _cross_matrices(turns)
    safe = np.where(angle > 1e-12, angle, 1.0)
    sine = np.where(angle > 1e-6, np.sin(angle) / safe, 1.0)
    cosine = np.where(angle > 1e-6, (1.0 - np.cos(angle)) / safe**2, 0.5)
    return np.eye(3) + sine * k + cosine * (k @ k)


@cache
def _blas() -> Any:
    """A handle on the BLAS threads, or None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def one_thread() -> Any:
    """A context with BLAS on one thread.

    The systems are small: on a busy machine waiting threads cost a hundred times what they save, and one thread gives
    the same bits everywhere.
    """
    return nullcontext() if _blas() is None else _blas().limit(limits=1, user_api="blas")


def _solve_symmetric(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    try:
        return cho_solve(cho_factor(matrix, check_finite=False), right, check_finite=False)
    except LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]
