"""Which supercells of one lattice another lattice can be: reduced bases, primitive translations, linear candidates.

Rows are lattice vectors. A *map* X, rational [3, 3], sends the child's lattice coordinates to the parent's: the child's
vector c (integers, row) is the parent's vector c X, stretched and turned. Two maps that differ by a symmetry of the
parent or of the child describe the same pair of crystals, so one of each class is enough.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import symmetry_operations

_NEAR = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=float)


@dataclass(frozen=True, eq=False)
class Reduced:
    """A crystal in a primitive, reduced, right-handed cell, not turned and not shifted.

    basis: float64 [3, 3], rows in units of the given cell. cell: float64 [3, 3], Angstrom. sites: int64 [n], the given
    site each atom is. fractional: float64 [n, 3], in `cell`. rotations: int64 [G, 3, 3], the point operations of the
    space group as they act on lattice vectors (rows, ``c' = c @ rotation``); signs: float64 [G], -1 improper.
    """

    numbers: np.ndarray
    basis: np.ndarray
    cell: np.ndarray
    sites: np.ndarray
    fractional: np.ndarray
    rotations: np.ndarray
    signs: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


class Deadline:
    """When a search shall stop and give what it has."""

    def __init__(self, seconds: float) -> None:
        self.seconds = float(seconds)
        self._end = time.monotonic() + self.seconds

    def over(self) -> bool:
        return time.monotonic() > self._end


def reduce_basis(cell: np.ndarray) -> np.ndarray:
    """int64 [3, 3] T: the rows of T @ cell are a short, right-handed basis of the same lattice (Semaev's reduction)."""
    basis = np.array(cell, dtype=float)
    change = np.eye(3, dtype=np.int64)
    for _ in range(1000):
        order = np.argsort((basis**2).sum(axis=1), kind="stable")
        basis, change = basis[order], change[order]
        x = round(float(basis[1] @ basis[0]) / float(basis[0] @ basis[0]))
        if x:
            basis[1] -= x * basis[0]
            change[1] -= x * change[0]
            if basis[1] @ basis[1] < basis[0] @ basis[0] * (1 - 1e-9):
                continue
        # the vector of the plane of the two shorter ones that is nearest to the third
        plane = basis[:2]
        found = np.rint(np.linalg.lstsq(plane.T, basis[2], rcond=None)[0])
        tries = found + _NEAR[(_NEAR[:, 2] == 0), :2]
        rest = basis[2] - tries @ plane
        squares = (rest**2).sum(axis=1)
        best = int(np.argmin(squares))
        if squares[best] < basis[2] @ basis[2] * (1 - 1e-9):
            basis[2] = rest[best]
            change[2] -= tries[best].astype(np.int64) @ change[:2]
            continue
        break
    return -change if np.linalg.det(basis) < 0 else change


def reduced(arrays: AtomArrays, tolerance: float) -> Reduced:
    """The primitive reduced cell of a crystal whose pure translations hold within `tolerance` Angstrom."""
    cell = np.asarray(arrays.cell)
    try:
        rotations, translations = symmetry_operations(arrays, tolerance)
    except StructureError:  # no symmetry search converges: then the crystal is taken as it is
        rotations, translations = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    pure = translations[(rotations == np.eye(3)).all(axis=(1, 2))]
    order = max(len(pure), 1)
    rows = np.concatenate([np.rint(pure * order).astype(np.int64), order * np.eye(3, dtype=np.int64)])
    basis = integer_lattice(rows) / order
    basis = reduce_basis(basis @ cell) @ basis
    primitive = basis @ cell
    fractional = arrays.positions @ np.linalg.inv(primitive)
    kept: list[int] = []
    for k in range(len(arrays)):
        same = [j for j in kept if arrays.numbers[j] == arrays.numbers[k]]
        gap = fractional[k] - fractional[same]
        if not same or np.linalg.norm((gap - np.rint(gap)) @ primitive, axis=1).min() > 4 * tolerance:
            kept.append(k)
    if len(kept) * order != len(arrays):  # translations that do not pair the atoms: not to be relied on
        kept, basis = list(range(len(arrays))), reduce_basis(cell).astype(float)
        primitive = basis @ cell
        fractional = arrays.positions @ np.linalg.inv(primitive)
    # x' = W x on fractional columns of the given cell; lattice vectors as rows in the primitive basis: c B W^T B^-1
    point = np.rint(basis @ np.unique(rotations, axis=0).transpose(0, 2, 1) @ np.linalg.inv(basis)).astype(np.int64)
    point = np.unique(point, axis=0)
    kept_sites = np.array(kept, dtype=np.int64)
    return Reduced(
        arrays.numbers[kept_sites],
        basis,
        primitive,
        kept_sites,
        fractional[kept_sites],
        point,
        np.rint(np.linalg.det(point)),
    )


def integer_lattice(rows: np.ndarray) -> np.ndarray:
    """int64 [3, 3]: a basis of the lattice that integer rows span (Hermite's form by Euclid's steps)."""
    work = [list(map(int, row)) for row in rows]
    out = []
    for column in range(3):
        while True:
            live = [r for r in work if r[column]]
            if len(live) <= 1:
                break
            pivot = min(live, key=lambda r: abs(r[column]))
            for r in live:
                if r is not pivot:
                    q = r[column] // pivot[column]
                    for k in range(3):
                        r[k] -= q * pivot[k]
        pivot = next(r for r in work if r[column])
        out.append(pivot)
        work = [r for r in work if r is not pivot]
    return np.array(out, dtype=np.int64)


def hermite_forms(index: int) -> Iterator[np.ndarray]:
    """Every sublattice of a given index once, as int64 [3, 3] in Hermite's form."""
    for a in range(1, index + 1):
        if index % a:
            continue
        for b in range(1, index // a + 1):
            if (index // a) % b:
                continue
            c = index // a // b
            for d, e, f in itertools.product(range(b), range(c), range(c)):
                yield np.array([[a, d, e], [0, b, f], [0, 0, c]], dtype=np.int64)


def stretch(parent: np.ndarray, child: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U, R with ``child = parent @ U @ R``: U symmetric [3, 3] in the parent's frame, R a rotation [3, 3].

    A left-handed pair would need a mirror: MotifError.
    """
    deformation = np.linalg.solve(parent, child)
    left, values, right = np.linalg.svd(deformation)
    if np.linalg.det(deformation) <= 0:
        raise MotifError("the two cells have opposite hands", remedy="give both as right-handed")
    return (left * values) @ left.T, left @ right


def lattice_maps(
    parent: Reduced, child: Reduced, multiples: int, low: float, high: float, deadline: Deadline
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(strain, X, H) of every class of maps whose largest principal log-strain lies in (low, high].

    H, int64 [3, 3]: the sublattice of the child, of index `multiples`, that is a supercell of the parent. strain is the
    Frobenius norm of ln U. Sorted by strain, then by X for a fixed answer.
    """
    size = len(child) * multiples // len(parent)
    seen: set[bytes] = set()
    out = []
    proper = [(w, s) for w, s in zip(child.rotations, child.signs, strict=True)]
    inverse = np.linalg.inv(parent.cell)
    for form in hermite_forms(multiples):
        rows = reduce_basis(form @ child.cell) @ form
        for matrix in _supercells(parent, rows @ child.cell, size, high, deadline):
            x = np.linalg.solve(rows.astype(float), matrix.astype(float))
            name = np.rint(x * multiples).astype(np.int64)
            if name.tobytes() in seen:
                continue
            for w, sign in proper:
                moved = np.rint(w @ name @ parent.rotations[parent.signs == sign]).astype(np.int64)
                seen.update(m.tobytes() for m in moved)
            values = np.linalg.svd(inverse @ np.linalg.solve(x, child.cell), compute_uv=False)
            logs = np.log(values)
            if low < np.abs(logs).max() <= high:
                out.append((float(np.linalg.norm(logs)), x, rows))
        if deadline.over():
            break
    return sorted(out, key=lambda c: (round(c[0], 6), tuple(np.round(c[1], 6).ravel())))


def _supercells(
    parent: Reduced, target: np.ndarray, size: int, window: float, deadline: Deadline
) -> Iterator[np.ndarray]:
    """int64 [3, 3] matrices of determinant `size` whose supercell is `target`, turned and stretched by at most
    exp(+-window) along any direction. The first vector stands for its images under the parent's rotations."""
    most, least = np.exp(window), np.exp(-window)
    lengths = np.linalg.norm(target, axis=1)
    vectors = _vectors_within(parent.cell, float(lengths.max()) * most * (1 + 1e-9))
    points = vectors @ parent.cell
    norms = np.linalg.norm(points, axis=1)
    lists = [
        np.flatnonzero((norms >= lengths[k] * least - 1e-9) & (norms <= lengths[k] * most + 1e-9)) for k in range(3)
    ]
    lists[0] = _representatives(lists[0], vectors, parent.rotations[parent.signs > 0])
    slack = max(most**2 - 1.0, 1.0 - least**2)

    def fits(i: int, j: int) -> np.ndarray:
        gram = points[lists[i]] @ points[lists[j]].T
        return np.abs(gram - target[i] @ target[j]) <= slack * np.outer(norms[lists[i]], norms[lists[j]]) + 1e-9

    if not all(len(x) for x in lists):
        return
    first_second, first_third, second_third = fits(0, 1), fits(0, 2), fits(1, 2)
    for a in range(len(lists[0])):
        seconds = np.flatnonzero(first_second[a])
        thirds = np.flatnonzero(first_third[a])
        if not len(seconds) or not len(thirds):
            continue
        one = vectors[lists[0][a]]
        p, q = np.nonzero(second_third[np.ix_(seconds, thirds)])
        two, three = vectors[lists[1][seconds[p]]], vectors[lists[2][thirds[q]]]
        right = np.rint(np.einsum("i,ni->n", one.astype(float), np.cross(two, three))) == size
        for m in np.flatnonzero(right):
            yield np.array([one, two[m], three[m]], dtype=np.int64)
        if deadline.over():
            return


def _vectors_within(cell: np.ndarray, radius: float) -> np.ndarray:
    """int64 [V, 3]: every lattice vector up to `radius` Angstrom, without zero."""
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9).astype(int)
    if np.prod(2.0 * reach + 1) > 2e7:
        raise MotifError(
            f"{np.prod(2.0 * reach + 1):.1e} lattice vectors would have to be tried",
            where="matching of cells",
            remedy="give the primitive cell of both structures",
        )
    grid = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), axis=-1).reshape(-1, 3)
    norms = np.linalg.norm(grid @ cell, axis=1)
    return grid[(norms <= radius) & (norms > 1e-9)]


def _representatives(rows: np.ndarray, vectors: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Of the vectors that rotations carry into each other, the first by rank."""
    seen: set[tuple] = set()
    out = []
    for row in rows:
        if tuple(vectors[row]) not in seen:
            out.append(row)
            seen.update(map(tuple, (vectors[row] @ rotations).tolist()))
    return np.array(out, dtype=np.int64)


def lattice_points(matrix: np.ndarray) -> np.ndarray:
    """int64 [|det|, 3]: one lattice vector of each class modulo the supercell whose rows are `matrix`."""
    matrix = np.rint(matrix).astype(np.int64)
    corners = np.array(list(itertools.product((0, 1), repeat=3))) @ matrix
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = np.stack(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(low, high, strict=True)], indexing="ij"), axis=-1)
    grid = grid.reshape(-1, 3)
    inside = grid @ np.linalg.inv(matrix)
    keep = ((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)
    return grid[keep]
