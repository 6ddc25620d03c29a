"""Symmetry-adapted displacements of a figure: stretch, bend and rotation blocks split into irreps, without tables.

In each block a random symmetric matrix averaged over the group has one eigenvalue per irrep (Schur): its eigenspaces
are the irreps, their characters give the names, and partners inside one are aligned along the group's own axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .pointgroup import PointGroup, point_group
from .shapes import vertices

BLOCKS = ("stretch", "bend", "rotation")


@dataclass(frozen=True, eq=False)
class Coordinate:
    """One symmetry coordinate of a figure: vectors float64 [k, 3] of unit norm, component counted from 1 within block
    and irrep, note: what it does, in words."""

    block: str
    irrep: str
    component: int
    note: str
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Figure:
    """An ideal figure (or a motif's own geometry), its group and its coordinates."""

    group: PointGroup
    coordinates: tuple[Coordinate, ...]

    def summary(self, block: str) -> dict[str, int]:
        """irrep -> how often it occurs in a block."""
        out: dict[str, int] = {}
        for c in self.coordinates:
            if c.block == block:
                out[c.irrep] = out.get(c.irrep, 0) + 1
        return {name: n // _dimension(name) for name, n in out.items()}


def _dimension(name: str) -> int:
    return {"E": 2, "T": 3, "G": 4, "H": 5, "P": 2}.get(name[0], 1)


@cache
def ideal_figure(symbol: str) -> Figure:
    """Coordinates of a ChemEnv figure ("O:6"), cached."""
    return figure_of(vertices(symbol))


def figure_of(points: np.ndarray, tolerance: float = 0.01) -> Figure:
    """Symmetry coordinates of vertices float [k, 3] around the origin, under the figure's own point group."""
    group = point_group(points, tolerance)
    action = group.displacements()
    out: list[Coordinate] = []
    for block, basis in zip(BLOCKS, _blocks(group.vertices), strict=True):
        if basis.shape[1]:
            out += _split(group, action, block, basis)
    return Figure(group, tuple(out))


def _blocks(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal bases [3k, b] of stretch (radial), bend (the rest) and rotation."""
    k = len(points)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    radial = np.zeros((3 * k, k))
    for j in range(k):
        radial[3 * j : 3 * j + 3, j] = unit[j]
    turns = np.stack([np.cross(np.eye(3)[x], points).ravel() for x in range(3)], axis=1)
    u, s, _ = np.linalg.svd(turns, full_matrices=False)
    rotation = u[:, s > 1e-6 * s[0]]
    both = np.concatenate([radial, rotation], axis=1)
    u, s, _ = np.linalg.svd(both, full_matrices=True)
    rank = int((s > 1e-8).sum())
    return radial, u[:, rank:], rotation


def _split(group: PointGroup, action: np.ndarray, block: str, basis: np.ndarray) -> list[Coordinate]:
    size = basis.shape[1]
    reduced = np.einsum("ia,gij,jb->gab", basis, action, basis, optimize=True)
    noise = np.random.default_rng(20).standard_normal((size, size))
    noise = noise + noise.T
    average = np.einsum("gab,bc,gdc->ad", reduced, noise, reduced, optimize=True) / len(group)
    values, modes = np.linalg.eigh((average + average.T) / 2)
    edges = np.flatnonzero(np.diff(values) > 1e-6 * max(1.0, np.abs(values).max())) + 1
    spaces = np.split(modes, edges, axis=1)
    named = []
    for space in spaces:
        characters = np.einsum("ia,gij,ja->g", space, reduced, space, optimize=True)
        named.append((space.shape[1], group.name(characters), space))
    named.sort(key=lambda item: (item[0], item[1]))
    counts: dict[str, int] = {}
    out = []
    for _, name, space in named:
        for vector in _aligned(group, reduced, space, basis).T:
            vectors = _signed(vector.reshape(-1, 3), group, block)
            vectors[np.abs(vectors) < 1e-12] = 0.0
            vectors.setflags(write=False)
            counts[name] = counts.get(name, 0) + 1
            out.append(Coordinate(block, name, counts[name], _note(group, block, vectors), vectors))
    return out


def _aligned(group: PointGroup, reduced: np.ndarray, space: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Partners [3k, d] of one irrep: eigenvectors of the principal rotation's symmetric part, ties split by the
    two-fold axis (or mirror) along x: for an octahedron's Eg that is (Q3, Q2)."""
    if space.shape[1] == 1:
        return basis @ space
    _, _, _, principal, second = group.frame
    turn = space.T @ reduced[principal] @ space
    operator = turn + turn.T
    if second is not None:
        half = space.T @ reduced[second] @ space
        operator = operator + 0.3 * (half + half.T)
    _, inner = np.linalg.eigh(-operator)
    return basis @ space @ inner


def _signed(vectors: np.ndarray, group: PointGroup, block: str) -> np.ndarray:
    """Sign convention: the ligand that moves most moves outwards (stretch); else the first large component, ligands
    ordered along x, y, z, is positive."""
    z, x = group.frame[:2]
    frame = np.stack([x, np.cross(z, x), z])
    order = np.lexsort(np.round(group.vertices @ frame.T, 3).T[::-1])[::-1]
    if block == "stretch":
        unit = group.vertices / np.linalg.norm(group.vertices, axis=1, keepdims=True)
        values = (vectors * unit).sum(axis=1)[order]
    else:
        values = (vectors[order] @ frame.T).ravel()
    first = int(np.argmax(np.abs(values) > np.abs(values).max() - 1e-6))
    return vectors * (1.0 if values[first] > 0 else -1.0)


def _note(group: PointGroup, block: str, vectors: np.ndarray) -> str:
    k = len(vectors)
    z, x = group.frame[:2]
    frame = {"x": x, "y": np.cross(z, x), "z": z}
    shift = vectors.sum(axis=0) / np.sqrt(k)
    if block == "rotation":
        turn = np.cross(group.vertices, vectors).sum(axis=0)
        return f"tilt{_along(turn, frame, ' about ')}"
    unit = group.vertices / np.linalg.norm(group.vertices, axis=1, keepdims=True)
    radial = (vectors * unit).sum(axis=1)
    if block == "stretch" and radial.min() > 1e-6:
        return "breathing"
    if np.linalg.norm(shift) > 0.3:
        return f"off-centring{_along(shift, frame, ' along ')}"
    if block == "stretch" and k == 6 and len(group) == 48:
        return "Jahn-Teller elongation (Q3)" if np.abs(radial).max() > 0.55 else "Jahn-Teller in-plane (Q2)"
    if block == "stretch":
        return "unequal bonds"
    even = group.inversion is not None and _parity(group, vectors) > 0
    return "shear" if even else "twist"


def _parity(group: PointGroup, vectors: np.ndarray) -> float:
    perm = group.permutations[group.inversion]
    return float(-(vectors[perm] * vectors).sum())


def _along(vector: np.ndarray, frame: dict[str, np.ndarray], word: str) -> str:
    size = np.linalg.norm(vector)
    for name, axis in frame.items():
        if size > 1e-9 and abs(vector @ axis) / size > 0.98:
            return word + name
    return ""
