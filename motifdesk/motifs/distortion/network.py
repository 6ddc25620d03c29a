"""The least-squares problem behind `distort`: motifs that keep their shapes, joined at shared sites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from motifdesk.structures.arrays import AtomArrays

from ..hierarchy.graph import MotifGraph

#: Voigt-like basis of symmetric strains: xx, yy, zz, yz, xz, xy; unit Frobenius norm.
STRAINS = np.zeros((6, 3, 3))
for _n, (_i, _j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
    STRAINS[_n, _i, _j] = STRAINS[_n, _j, _i] = 1.0 if _i == _j else 2.0**-0.5


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

    @property
    def bonds(self) -> range:
        return range(self.rows.start, self.rows.stop)


@dataclass(frozen=True, eq=False)
class Coordinate:
    """What is asked of one motif or several: the mean over the parts of the projection on their vectors, in Angstrom.

    laboratory: measured in the laboratory's frame (rotations), else in the frame that turns with the motif; then there
    is one part. weight: against one bond of a stiff motif.
    """

    laboratory: bool
    parts: tuple[Part, ...]
    weight: float


class Network:
    """Bonds (centre to ligand) of every motif and the matrices that do not change while solving.

    start: float64 [B, 3], bond vectors of the undistorted structure, motif after motif. weights: float64 [B].
    """

    def __init__(self, arrays: AtomArrays, graph: MotifGraph, *, site_weight: float, strain_share: float) -> None:
        self.arrays, self.graph = arrays, graph
        self.periodic = arrays.cell is not None
        cell = np.asarray(arrays.cell) if self.periodic else np.zeros((3, 3))
        stars = [_star(graph, motif) for motif in graph.motifs]
        sizes = np.array([len(s) for s in stars], dtype=np.int64)
        self.sizes = sizes
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.motif = np.repeat(np.arange(len(stars)), sizes)
        self.centres = np.array([m.centre for m in graph.motifs], dtype=np.int64)
        self.centre = np.repeat(self.centres, sizes)
        self.ligand = np.array([x.site for star in stars for x in star], dtype=np.int64)
        self.images = np.array([x.image for star in stars for x in star], dtype=float).reshape(-1, 3)
        positions = np.asarray(arrays.positions)
        self.start = positions[self.ligand] + self.images @ cell - positions[self.centre]
        strength = motif_strength(graph)
        self.weights = np.repeat(strength, sizes)
        self.stiffest = 1.0
        self.sites = len(arrays)
        self.strained = np.einsum("bi,sij->bjs", self.start, STRAINS)  # [B, 3, 6]: d(bond) / d(strain)
        own = float(((self.weights[:, None, None] * self.strained) ** 2).sum()) / 6.0
        self.site_penalty = site_weight**2
        self.strain_penalty = max(strain_share * own, 1e-6)

    @cached_property
    def difference(self) -> Any:
        """csr [B, N]: ligand minus centre of every bond."""
        from scipy.sparse import csr_matrix

        bonds = np.arange(len(self.start))
        where = (np.concatenate([bonds, bonds]), np.concatenate([self.ligand, self.centre]))
        signs = np.repeat([1.0, -1.0], len(bonds))
        return csr_matrix((signs, where), shape=(len(bonds), self.sites))

    def rest(self) -> NetworkState:
        return NetworkState(np.zeros((self.sites, 3)), np.zeros(6), np.tile(np.eye(3), (len(self.sizes), 1, 1)))

    def rows_of(self, motif: int, count: int) -> slice:
        """Rows of the first `count` bonds of a motif (its ligands come before other neighbours)."""
        return slice(int(self.first[motif]), int(self.first[motif]) + count)

    def vectors(self, state: NetworkState) -> np.ndarray:
        """float64 [B, 3]: bond vectors in a state."""
        u = state.displacements
        # start @ strain tensor is self.strained @ state.strain, in one product instead of one a bond
        strained = self.start @ np.tensordot(state.strain, STRAINS, axes=1)
        return self.start + strained + u.take(self.ligand, axis=0) - u.take(self.centre, axis=0)

    def turned(self, state: NetworkState) -> np.ndarray:
        """float64 [B, 3]: bond vectors in the frames that turn with the motifs."""
        return np.einsum("bji,bj->bi", state.rotations[self.motif], self.vectors(state))

    def positions(self, state: NetworkState) -> np.ndarray:
        deformation = np.eye(3) + np.einsum("s,sij->ij", state.strain, STRAINS)
        u = state.displacements
        moved = np.asarray(self.arrays.positions) @ deformation + u
        # neither strain nor the choice of the origin shall move the structure as a whole
        return moved - (moved - self.arrays.positions).mean(axis=0)

    def cell(self, state: NetworkState) -> np.ndarray | None:
        if not self.periodic:
            return None
        return np.asarray(self.arrays.cell) @ (np.eye(3) + np.einsum("s,sij->ij", state.strain, STRAINS))

    def principal_strains(self, state: NetworkState) -> np.ndarray:
        """float64 [3], ascending."""
        return np.linalg.eigvalsh(np.einsum("s,sij->ij", state.strain, STRAINS))

    def left_out(self, aim: np.ndarray, residual: np.ndarray, weights2: np.ndarray) -> np.ndarray:
        """float64 [m]: a bound on what Gauss-Newton leaves out of the curvature in each motif's rotation.

        The term is ``- sum w^2 ((r.a) 1 - sym(r a^T))`` for residuals r of wanted bonds a: nothing where the network
        can do what is asked; where it cannot, soft turns overshoot unless they are held back by this much.
        """
        outer = (weights2[:, None] * residual)[:, :, None] * aim[:, None, :]
        sums = np.zeros((len(self.sizes), 9))
        np.add.at(sums, self.motif, outer.reshape(-1, 9))
        moment = sums.reshape(-1, 3, 3)
        spin = np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        term = 0.5 * (moment + np.swapaxes(moment, 1, 2)) - spin
        size: np.ndarray = np.sqrt((term * term).sum(axis=(1, 2)))
        return size

    def cost(self, off: np.ndarray) -> np.ndarray:
        """float64 [m]: root mean square of `off` [B, 3] over the bonds of each motif; 0 for motifs without bonds."""
        squared = np.bincount(self.motif, (off * off).sum(axis=1), minlength=len(self.sizes))
        return np.sqrt(squared / np.maximum(self.sizes, 1))


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


def cross_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of the cross products of rows (np.cross is slow on few rows)."""
    m = a.T @ b
    return np.array([m[1, 2] - m[2, 1], m[2, 0] - m[0, 2], m[0, 1] - m[1, 0]])


def cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """[B, 3, 3] with out[b] @ w = vectors[b] x w."""
    out = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    out[:, 0, 1], out[:, 0, 2] = -z, y
    out[:, 1, 0], out[:, 1, 2] = z, -x
    out[:, 2, 0], out[:, 2, 1] = -y, x
    return out


def rotation_matrices(turns: np.ndarray) -> np.ndarray:
    """Rotation matrices [m, 3, 3] of rotation vectors [m, 3] (Rodrigues)."""
    angle = np.linalg.norm(turns, axis=1)[:, None, None]
    k = cross_matrices(turns)
    safe = np.where(angle > 1e-12, angle, 1.0)
    sine = np.where(angle > 1e-6, np.sin(angle) / safe, 1.0)
    cosine = np.where(angle > 1e-6, (1.0 - np.cos(angle)) / safe**2, 0.5)
    return np.eye(3) + sine * k + cosine * (k @ k)


def solve_symmetric(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The answer to ``matrix @ x = right``; of a matrix that is not positive definite the shortest of the nearest."""
    from scipy.linalg.lapack import dposv

    if not len(right):
        return right
    _, answer, failed = dposv(matrix, right)
    if failed:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]
    return np.asarray(answer)
