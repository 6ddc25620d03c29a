"""A crystal's space group acting on the sites of a supercell, as permutations and rotations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import StructureError
from motifdesk.structures.symmetry import SpaceGroup, dataset, short_symbol

from .wavevectors import cosets, hermite

#: Sites of the largest supercell that is answered.
LARGEST = 256


@dataclass(frozen=True, eq=False)
class Supercell:
    """The operations of a parent crystal that keep a supercell's lattice, and what they do to its sites.

    parent: the given cell with n sites; ideal: the same with its symmetry exact. matrix: int64 [3, 3], rows are the
    supercell's vectors in those of the parent.
    steps: int64 [m, 3], the parent cells in the supercell; site ``s * m + t`` is parent site s moved by step t.
    group: the parent's space group. letters [n] and orbits int64 [n] (first site) of the parent's sites, multiplicity
    int64 [n] in the conventional cell. primitive: float64 [3, 3], the crystal's primitive vectors (rows, in units of
    the parent cell). rotations int64 [P, 3, 3], shifts float64 [P, 3]: one operation ``x' = W x + w`` (fractional,
    parent) of each class modulo translations, in a standard order. turns: float64 [P, 3, 3], the same Cartesian.
    axes: float64 [3, 3], rows are the conventional Cartesian axes (x along a, y in the ab plane). about: float64
    [P, 3], the shifts about the origin that parities refer to: the cell's own where that is an inversion centre, else
    that of the International Tables. permutations: int64 [P, n m], site j goes to permutations[g, j]. translations:
    float64 [T, 3], every crystal translation modulo the supercell; translation_permutations: int64 [T, n m]. standard:
    float64 [3, 3], columns are the conventional basis in the parent's. whole_point_group: int64 [Q, 3, 3], the parent's
    rotations, with those that the supercell breaks.
    """

    parent: AtomArrays
    ideal: AtomArrays
    matrix: np.ndarray
    steps: np.ndarray
    group: SpaceGroup
    letters: tuple[str, ...]
    orbits: np.ndarray
    multiplicity: np.ndarray
    primitive: np.ndarray
    rotations: np.ndarray
    shifts: np.ndarray
    turns: np.ndarray
    axes: np.ndarray
    about: np.ndarray
    permutations: np.ndarray
    translations: np.ndarray
    translation_permutations: np.ndarray
    standard: np.ndarray
    whole_point_group: np.ndarray

    def __len__(self) -> int:
        return len(self.parent) * len(self.steps)

    @property
    def source(self) -> np.ndarray:
        """int64 [N]: the parent site behind each site of the supercell."""
        return np.repeat(np.arange(len(self.parent)), len(self.steps))

    @cached_property
    def parent_cell(self) -> np.ndarray:
        """float64 [3, 3], Angstrom."""
        return np.asarray(self.parent.cell)

    @cached_property
    def cell(self) -> np.ndarray:
        """float64 [3, 3], Angstrom."""
        out: np.ndarray = self.matrix @ self.parent_cell
        return out

    @cached_property
    def standard_turns(self) -> np.ndarray:
        return self.axes @ self.turns @ self.axes.T

    @cached_property
    def positions(self) -> np.ndarray:
        """float64 [N, 3], Cartesian, Angstrom."""
        moved = self.parent.positions[:, None] + (self.steps @ self.parent_cell)[None]
        return moved.reshape(-1, 3)

    @cached_property
    def numbers(self) -> np.ndarray:
        return self.parent.numbers[self.source]

    def places(self, site: int, image: np.ndarray) -> np.ndarray:
        """int64 [m]: the supercell's sites that are parent site `site` in the cell `image`, seen from each step."""
        codes, order = self.book
        moved = coded(self.steps + np.rint(image).astype(np.int64), self.matrix)
        index: np.ndarray = int(site) * len(self.steps) + order[np.searchsorted(codes, moved)]
        return index

    @cached_property
    def book(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the steps, sorted, and the steps they belong to."""
        codes = coded(self.steps, self.matrix)
        order = np.argsort(codes)
        return codes[order], order

    def act(self, g: int, vectors: np.ndarray) -> np.ndarray:
        """What operation `g` makes of displacements float [N, ..., 3]."""
        out = np.empty_like(vectors)
        out[self.permutations[g]] = vectors @ self.turns[g].T
        return out

    def keepers(self, vectors: np.ndarray, tolerance: float = 1e-5) -> np.ndarray:
        """bool [P, T]: which operations (then translations) leave displacements [N, 3] as they are.

        `tolerance` is a share of the largest displacement.
        """
        limit = tolerance * max(float(np.abs(vectors).max()), 1e-12)
        out = np.zeros((len(self.turns), len(self.translations)), dtype=bool)
        shifted = np.stack([vectors[p] for p in self.translation_permutations])  # t^-1 v, seen at each site
        for g in range(len(self.turns)):
            out[g] = np.abs(shifted - self.act(g, vectors)).max(axis=(1, 2)) < limit
        return out

    @cached_property
    def even(self) -> tuple[Supercell, np.ndarray]:
        """A supercell whose lattice every operation of the parent keeps (this one, if it does; else the smallest
        n x n x n one that this one fills) and, int [N'], the site of this supercell behind each of its sites."""
        n = next(n for n in range(1, 1 + abs(round(float(np.linalg.det(self.matrix))))) if self._fits(n))
        if len(self.rotations) == len(self.whole_point_group) or n**3 * len(self.parent) > 8 * LARGEST:
            return self, np.arange(len(self))
        big = supercell_of(self.parent, (n, n, n), self.group.tolerance, 8 * LARGEST)
        codes, order = self.book
        index = order[np.searchsorted(codes, coded(big.steps, self.matrix))]
        return big, (np.arange(len(self.parent))[:, None] * len(self.steps) + index).ravel()

    def _fits(self, n: int) -> bool:
        inside = n * np.linalg.inv(self.matrix)
        return bool(np.abs(inside - np.rint(inside)).max() < 1e-6)

    def subgroup(self, kept: np.ndarray) -> SpaceGroup:
        """The space group of a subset bool [P, T] of the operations, from the operations themselves."""
        g, t = np.nonzero(kept)
        # (t, g): first the operation, then the translation
        return group_of_operations(
            self.rotations[g], self.shifts[g] + self.translations[t], self.matrix, self.cell, self.group.tolerance
        )


def group_of_operations(
    rotations: np.ndarray,
    shifts: np.ndarray,
    periods: np.ndarray,
    cell: np.ndarray,
    tolerance: float = 0.01,
) -> SpaceGroup:
    """The space group made of operations ``x' = W x + w`` (int [G, 3, 3], float [G, 3], fractional in some basis).

    periods: rows are vectors, in that basis, that are translations of the group beside those listed. cell: float
    [3, 3], the periods in Cartesian Angstrom. `tolerance` is only written into the answer.

    Raises
    ------
    StructureError
        the operations do not form a space group.
    """
    import moyopy

    pure = (rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
    inverse = np.linalg.inv(periods)
    steps = shifts[pure] @ inverse  # in units of the periods
    count = max(1, int(pure.sum()))
    lattice = hermite(np.vstack([np.rint(steps * count).astype(int), count * np.eye(3, dtype=int)])) / count
    basis = lattice @ periods  # rows, in the basis of the operations
    _, first = np.unique(rotations.reshape(len(rotations), 9), axis=0, return_index=True)
    back = np.linalg.inv(basis.T)
    inner = np.rint(back @ rotations[first] @ basis.T).astype(int)
    moved = shifts[first] @ back.T
    try:
        found = moyopy.SpaceGroup(
            inner.tolist(),
            (moved - np.floor(moved)).tolist(),
            basis=(lattice @ cell).tolist(),
            setting=moyopy.Setting.standard(),
            epsilon=1e-2,
        )
    except Exception as error:
        raise StructureError(
            f"{len(rotations)} operations are no space group ({error})", remedy="try a smaller symmetry tolerance"
        ) from error
    return SpaceGroup(int(found.number), short_symbol(found), float(tolerance))


def supercell_of(structure: Any, matrix: Any, tolerance: float, largest: int = LARGEST) -> Supercell:
    """The parent's operations on a supercell. StructureError: no crystal, a bad matrix, or too many sites."""
    arrays = to_arrays(structure)
    whole = _matrix(matrix)
    if arrays.cell is None:
        raise StructureError(
            "a molecule has no supercell", where=arrays.formula, remedy="use distortion_modes for a molecule's motifs"
        )
    count = abs(round(float(np.linalg.det(whole))))
    if len(arrays) * count > largest:
        raise StructureError(
            f"{len(arrays) * count} sites in the supercell, more than {largest}",
            where=arrays.formula,
            remedy="take a smaller supercell, or start from the primitive cell",
        )
    found = dataset(arrays, tolerance)
    rotations = np.array(found.operations.rotations, dtype=np.int64).reshape(-1, 3, 3)
    shifts = np.array(found.operations.translations, dtype=float).reshape(-1, 3)
    lattice = np.asarray(arrays.cell)
    pure = (rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
    share = int(pure.sum())  # a translation is a whole number of shares: exact, whatever the search found
    centrings = (np.rint(shifts[pure] * share).astype(np.int64) % share) / share
    centrings = centrings[np.lexsort(centrings.T[::-1])]
    primitive = hermite(np.vstack([np.rint(centrings * share).astype(int), share * np.eye(3, dtype=int)])) / share
    standard = np.array(found.std_linear, dtype=float)
    origin = np.array(found.std_origin_shift, dtype=float)
    middle = (rotations == -np.eye(3, dtype=int)).all(axis=(1, 2))
    if middle.any() and (np.abs(shifts[middle] - np.rint(shifts[middle])).max(axis=1) < 1e-3).any():
        origin = np.zeros(3)  # an inversion centre: parities are told about the cell's own origin
    back = np.linalg.inv(standard)
    inner = np.rint(back @ rotations @ standard).astype(np.int64)
    inner_shift = _wrapped((shifts + rotations @ origin - origin) @ back.T)
    order = np.lexsort(np.column_stack([np.round(inner_shift, 3), -inner.reshape(-1, 9)]).T[::-1])
    order = order[np.lexsort(np.column_stack([-inner.reshape(-1, 9)])[order].T[::-1])]
    chosen = []
    seen: set[bytes] = set()
    for n in order:
        if rotations[n].tobytes() not in seen:
            seen.add(rotations[n].tobytes())
            chosen.append(n)
    all_rotations = rotations[chosen]
    kept = [n for n in chosen if _keeps(rotations[n], whole)]
    # the representative whose shift is the simplest about the chosen origin
    exact = inner_shift @ standard.T + origin - rotations @ origin
    cell = _symmetrised(lattice, all_rotations)
    turns = cell.T @ rotations[kept] @ np.linalg.inv(cell.T)
    axes = _axes(standard.T @ cell)
    steps = cosets(whole)
    permutations = np.array(
        [_permutation(arrays, whole, steps, rotations[n], w) for n, w in zip(kept, exact[kept], strict=True)]
    )
    translations = (centrings[:, None] + steps[None]).reshape(-1, 3)
    moves = np.array([_permutation(arrays, whole, steps, np.eye(3, dtype=int), t) for t in translations])
    orbits = np.array(found.orbits, dtype=np.int64)
    conventional = abs(np.linalg.det(standard))
    sizes = np.bincount(orbits, minlength=len(arrays))[orbits]
    return Supercell(
        arrays,
        _ideal(arrays, cell, rotations, exact),
        whole,
        steps,
        SpaceGroup(int(found.number), short_symbol(found), float(tolerance)),
        tuple(found.wyckoffs),
        orbits,
        np.rint(sizes * conventional).astype(np.int64),
        primitive,
        rotations[kept],
        exact[kept],
        turns,
        axes,
        inner_shift[kept] @ standard.T,
        permutations,
        translations,
        moves,
        standard,
        all_rotations,
    )


def _matrix(given: Any) -> np.ndarray:
    try:
        out = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        out = np.zeros(0)
    if out.shape == (3,):
        out = np.diag(out)
    good = out.shape == (3, 3) and bool(np.isfinite(out).all()) and bool(np.all(out == np.rint(out)))
    if not good or abs(np.linalg.det(out)) < 0.5:
        raise StructureError(
            f"{given!r} is no supercell", remedy="give three whole numbers or a 3 x 3 integer matrix with a volume"
        )
    return np.rint(out).astype(np.int64)


def _wrapped(fractional: np.ndarray) -> np.ndarray:
    out = fractional - np.floor(fractional)
    # translations of a crystal are multiples of 1/24 (1/12 in the tables) or follow the sites; snap what is near
    near = np.rint(out * 24) / 24
    out = np.where(np.abs(out - near) < 2e-3, near, out)
    return np.where(out > 1 - 1e-6, 0.0, out)


def _keeps(rotation: np.ndarray, whole: np.ndarray) -> bool:
    inside = np.linalg.inv(whole.T) @ rotation @ whole.T
    return bool(np.abs(inside - np.rint(inside)).max() < 1e-6)


def _symmetrised(cell: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """The cell nearest to `cell` whose metric the rotations keep exactly: their Cartesian forms are then orthogonal."""
    metric = cell @ cell.T
    mean = np.mean([w.T @ metric @ w for w in rotations], axis=0)
    # cell' = cell F with F symmetric: F^2 = cell^-1 mean cell^-T
    inverse = np.linalg.inv(cell)
    values, vectors = np.linalg.eigh(inverse @ mean @ inverse.T)
    return cell @ (vectors * np.sqrt(values)) @ vectors.T


def _ideal(arrays: AtomArrays, cell: np.ndarray, rotations: np.ndarray, shifts: np.ndarray) -> AtomArrays:
    """The structure with its operations as exact symmetry: the mean of what they make of each site."""
    f = arrays.fractional
    total = np.zeros_like(f)
    for rotation, shift in zip(rotations, shifts, strict=True):
        image = f @ rotation.T + shift
        there, offset = _landing(arrays, image)
        total[there] += image - offset  # each site once: the operation permutes them
    return AtomArrays(arrays.numbers, (total / len(rotations)) @ cell, cell)


def _landing(arrays: AtomArrays, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which site each place [n, 3] (fractional) is, int64 [n], and the lattice vector to it, float64 [n, 3]."""
    delta = image[:, None] - arrays.fractional[None]
    offset = np.rint(delta)
    distance = np.linalg.norm((delta - offset) @ np.asarray(arrays.cell), axis=2)
    distance[arrays.numbers[:, None] != arrays.numbers[None]] = np.inf
    there = distance.argmin(axis=1)
    if len(set(there)) < len(there):
        raise StructureError(
            "a symmetry operation does not map the sites onto each other",
            where=arrays.formula,
            remedy="take a smaller symmetry tolerance",
        )
    return there, offset[np.arange(len(there)), there]


def _axes(basis: np.ndarray) -> np.ndarray:
    """float64 [3, 3], rows: Cartesian axes with the first basis vector along x and the second in the xy plane."""
    x = basis[0] / np.linalg.norm(basis[0])
    z = np.cross(basis[0], basis[1])
    z /= np.linalg.norm(z)
    if np.dot(z, basis[2]) < 0:
        z = -z
    return np.stack([x, np.cross(z, x), z])


def _permutation(
    arrays: AtomArrays, whole: np.ndarray, steps: np.ndarray, rotation: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """int64 [N]: where an operation of the parent takes each site of the supercell."""
    there, offset = _landing(arrays, arrays.fractional @ rotation.T + shift)
    cells = offset[:, None] + (steps @ rotation.T)[None]  # [n, m, 3]
    book = coded(steps, whole)
    order = np.argsort(book)
    index = order[np.searchsorted(book[order], coded(cells, whole))]
    return (there[:, None] * len(steps) + index).ravel()


def coded(vectors: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """One whole number for each class of integer vectors [..., 3] modulo the lattice of an integer matrix's rows."""
    count = abs(round(float(np.linalg.det(whole))))
    turns = np.rint(vectors @ np.linalg.inv(whole) * count).astype(np.int64) % count
    return (turns[..., 0] * count + turns[..., 1]) * count + turns[..., 2]
