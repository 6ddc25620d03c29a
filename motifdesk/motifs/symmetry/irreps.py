"""Symmetry-adapted displacements of a figure: stretch, bend and rotation blocks split into irreps, without tables.

In each block a random symmetric matrix averaged over the group has one eigenvalue per irrep (Schur): its eigenspaces
are the irreps, their characters give the names, and partners inside one are aligned along the group's own axes. Where
an irrep occurs more than once in a block (2E' in the bend of a trigonal prism) its copies are those of a fixed model of
springs between the ligands, softest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..figures.pointgroup import PointGroup, point_group
from ..figures.shapes import vertices

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
    for block, basis in zip(BLOCKS, blocks(group.vertices), strict=True):
        if basis.shape[1]:
            out += _split(group, action, block, basis)
    return Figure(group, tuple(out))


def blocks(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal bases [3k, b] of stretch (radial), bend (the rest) and rotation."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    radial = spokes(unit)
    turns = np.stack([np.cross(np.eye(3)[x], points).ravel() for x in range(3)], axis=1)
    u, s, _ = np.linalg.svd(turns, full_matrices=False)
    rotation = u[:, s > 1e-6 * s[0]]
    both = np.concatenate([radial, rotation], axis=1)
    u, s, _ = np.linalg.svd(both, full_matrices=True)
    rank = int((s > 1e-8).sum())
    return radial, u[:, rank:], rotation


def spokes(unit: np.ndarray) -> np.ndarray:
    """float64 [3k, k]: each of k atoms along its unit vector, [k, 3]."""
    k = len(unit)
    out = np.zeros((3 * k, k))
    for j in range(k):
        out[3 * j : 3 * j + 3, j] = unit[j]
    return out


def _split(group: PointGroup, action: np.ndarray, block: str, basis: np.ndarray) -> list[Coordinate]:
    counts: dict[tuple[int, str], int] = {}
    out = []
    for name, _, partners in irreps_of(group, action, basis, basis.T @ _springs(group.vertices) @ basis):
        for vector in partners:
            vectors = _signed(vector.reshape(-1, 3), group, block)
            vectors[np.abs(vectors) < 1e-12] = 0.0
            vectors.setflags(write=False)
            key = len(partners), name
            counts[key] = counts.get(key, 0) + 1
            out.append(Coordinate(block, name, counts[key], _note(group, block, vectors), vectors))
    return out


def irreps_of(
    group: PointGroup, action: np.ndarray, basis: np.ndarray, stiffness: np.ndarray
) -> Iterator[tuple[str, int, np.ndarray]]:
    """(Mulliken symbol, copy from 1, partners [d, 3k]) of every irrep in a space of displacements.

    action: float64 [G, 3k, 3k]. basis: [3k, b], orthonormal columns, a space that the group keeps. stiffness: [b, b] in
    that basis, by which copies of one irrep are told apart, softest first.
    """
    size = basis.shape[1]
    reduced = np.einsum("ia,gij,jb->gab", basis, action, basis, optimize=True)
    noise = np.random.default_rng(20).standard_normal((size, size))
    generic = _commuting(reduced, noise + noise.T)
    kinds: dict[tuple[int, str], list[np.ndarray]] = {}
    for space in _eigenspaces(generic, np.eye(size), 1e-6):
        characters = np.einsum("ia,gij,ja->g", space, reduced, space, optimize=True)
        kinds.setdefault((space.shape[1], group.name(characters)), []).append(space)
    springs = _commuting(reduced, stiffness)
    for (dimension, name), spaces in sorted(kinds.items()):
        for copy, space in enumerate(_copies(np.concatenate(spaces, axis=1), dimension, springs, generic), start=1):
            yield name, copy, _aligned(group, reduced, space, basis).T


def _commuting(reduced: np.ndarray, operator: np.ndarray) -> np.ndarray:
    """The part of a symmetric operator [b, b] that commutes with the group [G, b, b]."""
    mean = np.einsum("gab,bc,gdc->ad", reduced, operator, reduced, optimize=True) / len(reduced)
    return (mean + mean.T) / 2


def _eigenspaces(operator: np.ndarray, space: np.ndarray, tolerance: float) -> list[np.ndarray]:
    values, modes = np.linalg.eigh(space.T @ operator @ space)
    edges = np.flatnonzero(np.diff(values) > tolerance * max(1.0, np.abs(values).max())) + 1
    return [space @ part for part in np.split(modes, edges, axis=1)]


def _copies(space: np.ndarray, dimension: int, springs: np.ndarray, generic: np.ndarray) -> list[np.ndarray]:
    """The copies of an irrep in a block, softest first under springs between the vertices: how an irrep that occurs
    twice divides is then the figure's own, not chance. What the springs do not tell apart a generic operator does."""
    out: list[np.ndarray] = []
    for part in _eigenspaces(springs, space, 1e-5):
        out += [part] if part.shape[1] == dimension else _eigenspaces(generic, part, 1e-9)
    return out


def _springs(points: np.ndarray) -> np.ndarray:
    """float64 [3k, 3k]: stiffness of springs between all vertices (Urey and Bradley's 1-3 springs), of strength
    exp(-(d / r)^2) with r the mean distance of the vertices from the centre."""
    k = len(points)
    r = np.linalg.norm(points, axis=1).mean()
    out = np.zeros((k, 3, k, 3))
    for i in range(k):
        for j in range(i):
            delta = points[i] - points[j]
            d = float(np.linalg.norm(delta))
            block = np.exp(-((d / r) ** 2)) * np.outer(delta, delta) / max(d * d, 1e-12)
            out[i, :, i, :] += block
            out[j, :, j, :] += block
            out[i, :, j, :] -= block
            out[j, :, i, :] -= block
    return out.reshape(3 * k, 3 * k)


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
