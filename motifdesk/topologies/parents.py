"""Nonpolar parents of a polar crystal: a search for pseudo-symmetry.

An operation that maps a crystal nearly onto itself is kept as a rotation in the basis of the cell and a permutation of
the sites; products of such pairs are exact, so the group that some operations generate is found without a tolerance.
The crystal is then averaged over that group. Larger and larger groups are tried in the order of how far atoms have to
move, as in E. Kroumova et al., PSEUDO, J. Appl. Cryst. 34, 783 (2001).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, MotifDeskWarning, TopologyError
from motifdesk.structures.symmetry import SpaceGroup, dataset, space_group

#: Space groups whose point group has a unique direction: 1, m, 2, mm2, 4, 4mm, 3, 3m, 6, 6mm.
POLAR = frozenset(
    [1, *range(3, 10), *range(25, 47), *range(75, 81), *range(99, 111), *range(143, 147), *range(156, 162)]
    + [*range(168, 174), *range(183, 187)]
) - {2}
_ORDER = 192 * 8


@dataclass(frozen=True, eq=False)
class Parent:
    """A more symmetric structure near a crystal.

    structure: primitive cell of the parent. group: its space group. largest: the furthest an atom is from its place in
    the parent, strain: the largest principal strain from parent to crystal. polar: whether the parent is polar too.
    """

    structure: Any = field(repr=False)
    group: SpaceGroup
    largest: float
    strain: float
    polar: bool


def nonpolar_parents(
    structure: Any, *, largest: float = 1.0, strain: float = 0.08, seconds: float = 60.0, polar_too: bool = False
) -> tuple[Parent, ...]:
    """Nonpolar structures from which a polar crystal follows by small displacements, the nearest first.

    Parameters
    ----------
    structure
        a crystal; its own symmetry is found first.
    largest, strain
        atoms may move so far (Angstrom), the cell may strain so much.
    seconds
        stop the search after this time, with what was found.
    polar_too
        give polar supergroups as well.

    Raises
    ------
    TopologyError
        a molecule, or a crystal that is not polar (then it is its own parent).
    """
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise TopologyError("a molecule has no space group", where=arrays.formula, remedy="give a crystal")
    own = space_group(arrays, 1e-3)
    if own.number not in POLAR:
        raise TopologyError(
            f"{own.symbol} is not polar", where=arrays.formula, remedy="give a polar crystal, or use md.crystal_modes"
        )
    end = time.monotonic() + seconds
    found: dict[int, Parent] = {}
    # a parent's own lattice may be finer or more symmetric than the crystal's: climb on from the most symmetric ones
    frontier, climbed = [_primitive(arrays)], 0
    while frontier and climbed < 4:
        reached: list[Parent] = []
        for start in frontier:
            for step in _ladder(start, largest, strain, end):
                parent = step if climbed == 0 else _seen_from(structure, step, largest, strain)
                known = found.get(parent.group.number) if parent is not None else None
                if parent is None or (known is not None and known.largest <= parent.largest + 1e-6):
                    continue
                found[parent.group.number] = parent
                reached.append(parent)
        reached.sort(key=lambda p: (-p.group.number, p.largest))  # numbers grow along the crystal systems
        frontier, climbed = [to_arrays(p.structure) for p in reached[:2]], climbed + 1
    kept = [p for p in found.values() if polar_too or not p.polar]
    return tuple(sorted(kept, key=lambda p: (round(p.largest, 4), -p.group.number)))


def _seen_from(structure: Any, parent: Parent, largest: float, strain: float) -> Parent | None:
    """A parent's parent with its distance from the crystal itself; None where that is too far."""
    from motifdesk.motifs.paths.matching import match_structures

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MotifDeskWarning)  # the best mapping in that time is an upper bound: enough
            found = match_structures(parent.structure, structure, seconds=10.0)
    except MotifDeskError:
        return None
    stretch = float(np.abs(np.linalg.eigvalsh(found.strain)).max())
    if found.largest > largest or stretch > strain:
        return None
    return Parent(parent.structure, parent.group, found.largest, stretch, parent.polar)


def _primitive(arrays: AtomArrays) -> AtomArrays:
    found = dataset(arrays, 1e-3).prim_std_cell
    cell = np.array(found.basis)
    from motifdesk.motifs.detection.neighbours import reduce_cell

    short, _ = reduce_cell(cell)
    positions = np.array(found.positions) @ cell
    return AtomArrays(np.array(found.numbers, dtype=np.int64), positions, short)


def _ladder(arrays: AtomArrays, largest: float, strain: float, end: float) -> Iterator[Parent]:
    """Parents of growing symmetry: each operation is added to the groups that came before it."""
    operations = list(_near_operations(arrays, largest, strain))
    seen: set[frozenset] = set()
    groups: list[frozenset] = []
    for _, operation in operations:
        if time.monotonic() > end:
            return
        if any(operation in group for group in groups[-1:]):
            continue
        for base in [frozenset(), *groups[-3:]]:
            group = _closure(base | {operation})
            if group is None or group in seen:
                continue
            seen.add(group)
            parent = _averaged(arrays, group, largest, strain)
            if parent is None:
                continue
            groups.append(group)
            yield parent


def _near_operations(arrays: AtomArrays, largest: float, strain: float) -> Iterator[tuple[float, tuple]]:
    """((rotation as a tuple, permutation as a tuple)) that nearly map the crystal onto itself, the nearest first."""
    assert arrays.cell is not None
    metric = arrays.cell @ arrays.cell.T
    rows = np.array(list(product((-1, 0, 1), repeat=3)))
    # rows of candidate matrices keep a vector's length nearly
    lengths = np.einsum("ni,ij,nj->n", rows, metric, rows)
    near = [rows[np.abs(lengths / metric[k, k] - 1.0) < 4 * strain] for k in range(3)]
    frac, numbers = arrays.fractional, arrays.numbers
    kinds, counts = np.unique(numbers, return_counts=True)
    rare = np.flatnonzero(numbers == kinds[int(np.argmin(counts))])
    out: dict[tuple, float] = {}
    root = np.linalg.inv(np.linalg.cholesky(metric))
    for a, b, c in product(*near):
        m = np.array([a, b, c])  # new basis vectors in rows: m @ cell ~ cell @ rotation
        if abs(round(np.linalg.det(m))) != 1:
            continue
        changed = m @ metric @ m.T
        if np.abs(np.linalg.eigvalsh(root @ changed @ root.T) - 1.0).max() > 2 * strain:
            continue
        turned = frac @ m
        for j in rare:
            shift = frac[j] - turned[rare[0]]
            permutation, miss = _permuted(turned + shift, frac, numbers, arrays.cell)
            if permutation is None:
                continue
            drift = miss.mean(axis=0)
            distance = float(np.linalg.norm((miss - drift) @ arrays.cell, axis=1).max())
            if distance <= 2 * largest:
                key = (tuple(m.ravel().tolist()), tuple(permutation.tolist()))
                out[key] = min(distance, out.get(key, np.inf))
    yield from sorted(((d, k) for k, d in out.items()), key=lambda item: (round(item[0], 6), item[1]))


def _permuted(
    moved: np.ndarray, frac: np.ndarray, numbers: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Which site each moved site lands on (one to one, species by species), and by how much it misses (fractional)."""
    from scipy.optimize import linear_sum_assignment

    permutation = np.zeros(len(frac), dtype=np.int64)
    miss = np.zeros_like(frac)
    for kind in np.unique(numbers):
        rows = np.flatnonzero(numbers == kind)
        delta = frac[rows][None] - moved[rows][:, None]
        delta -= np.rint(delta)
        distance = np.linalg.norm(delta @ cell, axis=2)
        nearest = distance.argmin(axis=1)
        if len(set(nearest.tolist())) < len(rows):
            if distance.min(axis=1).max() > 2.5:
                return None, miss
            _, nearest = linear_sum_assignment(distance**2)
        permutation[rows] = rows[nearest]
        miss[rows] = delta[np.arange(len(rows)), nearest]
    return permutation, miss


def _closure(generators: frozenset) -> frozenset | None:
    """The group generated by (rotation, permutation) pairs; None where it grows beyond what a crystal can have."""
    elements = set(generators)
    frontier = list(generators)
    while frontier:
        fresh = []
        for x in frontier:
            for g in generators:
                y = _multiply(x, g)
                if y not in elements:
                    elements.add(y)
                    fresh.append(y)
                    if len(elements) > _ORDER:
                        return None
        frontier = fresh
    return frozenset(elements)


def _multiply(x: tuple, g: tuple) -> tuple:
    """x after g, in the row convention: fractional rows times g's matrix, then x's."""
    m = np.array(g[0]).reshape(3, 3) @ np.array(x[0]).reshape(3, 3)
    return tuple(m.ravel().tolist()), tuple(x[1][k] for k in g[1])


def _averaged(arrays: AtomArrays, group: frozenset, largest: float, strain: float) -> Parent | None:
    """The crystal averaged over a group; None where an atom moves, or the cell strains, more than allowed."""
    assert arrays.cell is not None
    frac, cell = arrays.fractional, arrays.cell
    metric = cell @ cell.T
    matrices = np.array([g[0] for g in group]).reshape(-1, 3, 3)
    permutations = np.array([g[1] for g in group])
    mean_metric = np.einsum("gij,jk,glk->il", matrices, metric, matrices) / len(matrices)
    # the symmetric strain that takes the metric to its mean
    root = np.linalg.cholesky(mean_metric)
    u, s, vt = np.linalg.svd(np.linalg.inv(root) @ cell)
    new_cell = root @ u @ vt
    stretch = float(np.abs(s - 1.0).max())
    if stretch > strain:
        return None
    total = np.zeros_like(frac)
    for m, p in zip(matrices, permutations, strict=True):
        moved = frac @ m
        delta = frac[p] - moved
        # the translation is the same for every site up to lattice vectors: unwrap around the first
        delta = delta[0] + (delta - delta[0]) - np.rint(delta - delta[0])
        image = moved + delta.mean(axis=0)
        off = image - frac[p]
        total[p] += off - np.rint(off)
    shift = total / len(matrices)
    averaged = frac + shift
    moves = shift - shift.mean(axis=0)
    far = float(np.linalg.norm(moves @ new_cell, axis=1).max())
    if far > largest:
        return None
    symmetric = AtomArrays(arrays.numbers, averaged @ new_cell, new_cell)
    try:
        found = space_group(symmetric, 1e-3)
        primitive = _primitive(symmetric)
    except Exception:
        return None
    return Parent(from_arrays(primitive), found, far, stretch, found.number in POLAR)
