"""The point group of a molecule: orthogonal maps that put every atom on one of its element; Schoenflies symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import StructureError

from .pointgroup import PointGroup, best_map, point_group

TOLERANCE = 0.03
"""Angstrom by which a mapped atom may miss: relaxed molecules keep their symmetry to about 0.01."""
LARGEST = 200
_SHARPER = 6  # halvings of the tolerance until what is found is a group
_ROUNDS = 40


@dataclass(frozen=True)
class MolecularGroup:
    """A point group in Schoenflies' notation ("D6h", "C*v" for a line), its order (0: infinite), Angstrom."""

    symbol: str
    order: int
    tolerance: float

    @property
    def name(self) -> str:
        """The symbol, as `SpaceGroup.name` is symbol and number."""
        return self.symbol

    def __str__(self) -> str:
        return f"{self.name} within {self.tolerance:g} A"


def molecule_point_group(structure: Any, tolerance: float = TOLERANCE) -> MolecularGroup:
    """The point group of a molecule whose atoms may be `tolerance` Angstrom off their ideal places.

    Raises
    ------
    StructureError
        a crystal, a single atom, more than 200 atoms, or a tolerance that is not positive.
    """
    return named(molecular_group(structure, tolerance), tolerance)


def named(group: PointGroup, tolerance: float) -> MolecularGroup:
    """A group of matrices by its symbol."""
    return MolecularGroup(schoenflies(group), 0 if group.linear else len(group), tolerance)


def molecular_group(structure: Any, tolerance: float = TOLERANCE) -> PointGroup:
    """The point group about the centroid. `PointGroup.vertices` are the positions averaged over the group, which then
    keeps them exactly. Errors as `molecule_point_group`."""
    arrays = to_arrays(structure)
    if arrays.cell is not None:
        raise StructureError("a crystal has a space group", where=arrays.formula, remedy="ask space_group")
    if not 2 <= len(arrays) <= LARGEST:
        raise StructureError(
            f"{len(arrays)} atoms", where=arrays.formula, remedy=f"point groups are found for 2 to {LARGEST} atoms"
        )
    if not tolerance > 0:
        raise StructureError(
            f"a tolerance of {tolerance}", where="molecule_point_group", remedy="give Angstrom above 0"
        )
    points = _flattened(arrays.positions - arrays.positions.mean(axis=0), tolerance)
    size = float(np.linalg.norm(points, axis=1).mean())
    for halving in range(_SHARPER):
        # of a mapped vertex `point_group` forgives three times its tolerance, which is a share of the mean distance
        found = point_group(points, tolerance / 2**halving / (3.0 * max(size, 1e-9)))
        same = (arrays.numbers[found.permutations] == arrays.numbers).all(axis=1)
        group = PointGroup(points, found.matrices[same], found.permutations[same], found.linear)
        if _closed(group.permutations, group.matrices):
            return _exact(group)
    one = np.arange(len(points))[None]
    return PointGroup(points, np.eye(3)[None], one)  # no tolerance makes a group of what nearly maps


def equivalent_atoms(structure: Any, tolerance: float = TOLERANCE) -> np.ndarray:
    """int64 [N]: for each atom of a molecule the first one that its point group makes equal to it; each for itself
    where no group is looked for (a single atom, more than 200)."""
    arrays = to_arrays(structure)
    try:
        return np.asarray(molecular_group(arrays, tolerance).permutations.min(axis=0), dtype=np.int64)
    except StructureError:
        return np.arange(len(arrays))


def _flattened(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Points that lie in a plane or on a line within the tolerance exactly there: both ways to map a plane onto itself
    are then found."""
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    for kept in (1, 2):
        flat = points @ axes[:kept].T @ axes[:kept]
        if np.linalg.norm(points - flat, axis=1).max() < tolerance:
            return flat
    return points


def _closed(permutations: np.ndarray, matrices: np.ndarray) -> bool:
    """Whether the product of any two elements is one of them."""
    for matrix, permutation in zip(matrices, permutations, strict=True):
        products = matrix @ matrices
        off = np.abs(products[:, None] - matrices[None]).max(axis=(2, 3))
        nearest = off.argmin(axis=1)
        if off.min(axis=1).max() > 0.1 or (permutations[nearest] != permutation[permutations]).any():
            return False
    return len(matrices) > 0


def _exact(group: PointGroup) -> PointGroup:
    """The same group with positions that it keeps to rounding, and matrices that multiply to one another."""
    points, matrices, permutations = group.vertices, group.matrices, group.permutations
    flat = bool(np.linalg.matrix_rank(points, tol=1e-6 * max(1.0, float(np.abs(points).max()))) < 3)
    for _ in range(_ROUNDS):
        # g x_j lies at p(j): the mean of what lands on each place
        mean = np.zeros_like(points)
        for matrix, permutation in zip(matrices, permutations, strict=True):
            mean[permutation] += points @ matrix.T
        mean /= len(matrices)
        moved = float(np.abs(mean - points).max())
        points = mean
        if group.linear:
            break  # its matrices are exact about the axis
        matrices = np.array([best_map(points, p, m, flat) for m, p in zip(matrices, permutations, strict=True)])
        if moved < 1e-12:
            break
    return PointGroup(points, matrices, permutations, group.linear)


def schoenflies(group: PointGroup) -> str:
    """Schoenflies' symbol of a finite group of matrices; "D*h" and "C*v" where the figure lies on a line."""
    inverts = group.inversion is not None
    if group.linear:
        return "D*h" if inverts else "C*v"
    dets = np.linalg.det(group.matrices)
    proper, size = int((dets > 0).sum()), len(group)
    if group.family == "icosahedral":
        return "Ih" if inverts else "I"
    if group.family == "cubic":
        if proper == 24:
            return "Oh" if inverts else "O"
        return "T" if size == proper else ("Th" if inverts else "Td")
    z, _, n, _, _ = group.frame
    mirrors = group.matrices[(dets < 0) & (np.abs(np.trace(group.matrices, axis1=1, axis2=2) - 1.0) < 1e-3)]
    if n == 1:
        return "C1" if size == 1 else ("Cs" if len(mirrors) else "Ci")
    normal = np.abs(mirrors @ z + z).max(axis=1) < 1e-3 if len(mirrors) else np.zeros(0, dtype=bool)
    if proper == n:
        if size == n:
            return f"C{n}"
        return f"C{n}h" if normal.any() else (f"C{n}v" if len(mirrors) else f"S{2 * n}")
    if size == proper:
        return f"D{n}"
    return f"D{n}h" if normal.any() else f"D{n}d"
