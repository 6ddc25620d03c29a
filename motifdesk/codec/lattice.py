"""The lattice block of a code: a Niggli-reduced cell as eight numbers, and back.

``[kind, log(V/N), xx, yy, zz, sqrt2 yz, sqrt2 xz, sqrt2 xy]``: the last six are the matrix logarithm of the
unit-volume metric tensor ``G / V^(2/3)``, ``G = L L^T`` with the lattice vectors as rows of ``L`` (Angstrom). The
off-diagonal factors make the Euclidean distance of two blocks the Frobenius distance of the logarithms, and *every*
vector of six numbers is a valid cell: interpolated codes decode to cells as well.

A molecule has kind 0, the logarithm of the cube of the fixed length unit of the encoder, and zeros.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from motifdesk.structures.errors import CodecError

LATTICE_WIDTH = 8
MOLECULE_SCALE = 2.0  # Angstrom: length unit of the encoder for systems without a cell

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_WEIGHT = np.array([1.0, 1.0, 1.0, np.sqrt(2.0), np.sqrt(2.0), np.sqrt(2.0)])


def niggli_cell(cell: NDArray, positions: NDArray | None = None) -> tuple[NDArray, NDArray]:
    """Niggli-reduced, right-handed basis of the lattice spanned by the rows of ``cell``.

    Args:
        cell: float [3, 3], rows are lattice vectors in Angstrom.

    Returns:
        ``(reduced [3, 3], transformation [3, 3])`` with integer ``reduced = transformation @ cell``. Cartesian
        positions need no change.
    """
    import moyopy

    cell = np.asarray(cell, dtype=np.float64)
    if cell.shape != (3, 3) or not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
        raise CodecError(
            "the cell is not three finite, linearly independent vectors",
            where=f"lattice {np.round(cell, 4).tolist()}",
            remedy="give a 3 x 3 matrix of row vectors in Angstrom",
        )
    _, transformation = moyopy.niggli_reduce(cell.tolist())
    matrix = np.rint(np.array(transformation, dtype=np.float64)).T
    matrix = _settle_signs(matrix, matrix @ cell)
    # the integer matrix applied to the input keeps full precision; the returned basis is only used through it
    return matrix @ cell, matrix


def _settle_signs(matrix: NDArray, reduced: NDArray) -> NDArray:
    """All angles acute where one of them is a right angle.

    With a right angle the reduced form leaves the signs of the other two products to rounding (types I and II of the
    Niggli form touch there): the block would jump under noise of 1e-8.
    """
    lengths = np.linalg.norm(reduced, axis=1)
    cosines = reduced @ reduced.T / np.outer(lengths, lengths)
    pairs = ((1, 2), (0, 2), (0, 1))
    values = np.array([cosines[p] for p in pairs])
    small = np.abs(values) < 1e-3
    if not small.any():
        return matrix
    best = max(
        itertools.product((1, -1), repeat=3),
        key=lambda s: (
            sum(v * s[i] * s[j] > 0 for v, flat, (i, j) in zip(values, small, pairs, strict=True) if not flat),
            s,
        ),
    )
    signs = np.array(best, dtype=np.float64)
    if np.prod(signs) < 0:  # inverting all three changes no angle and restores the handedness
        signs = -signs
    return signs[:, None] * matrix


def cell_to_block(cell: NDArray | None, natoms: int) -> NDArray:
    """Lattice block (float64 [8]) of a cell (rows, Angstrom; ``None``: a molecule) with ``natoms`` atoms."""
    if cell is None:
        return np.array([0.0, 3.0 * np.log(MOLECULE_SCALE), 0, 0, 0, 0, 0, 0])
    reduced, _ = niggli_cell(cell)
    return np.concatenate([[1.0, np.log(abs(np.linalg.det(reduced)) / natoms)], log_metric(reduced)])


def log_metric(cell: NDArray) -> NDArray:
    """Matrix logarithm of the unit-volume metric of ``cell`` [3, 3] *as given* (not reduced): float64 [6]."""
    volume = abs(np.linalg.det(cell))
    values, vectors = np.linalg.eigh(cell @ cell.T / volume ** (2.0 / 3.0))
    logarithm = (vectors * np.log(values)) @ vectors.T
    return np.array([logarithm[i, j] for i, j in _VOIGT]) * _WEIGHT


def block_to_cell(block: NDArray, natoms: int) -> NDArray | None:
    """Cell (float64 [3, 3], rows, Angstrom, a along x and b in the xy plane) of a lattice block, or ``None``.

    ``None`` for a molecule (kind below one half). Raises :class:`CodecError` when the block holds NaN or describes
    a cell that no crystal has (a volume per atom outside 1..1000 cubic Angstrom).
    """
    block = np.asarray(block, dtype=np.float64)
    if block.shape != (LATTICE_WIDTH,) or not np.isfinite(block).all():
        raise CodecError(
            "the lattice block is not eight finite numbers", where="code", remedy="encode a structure again"
        )
    if block[0] < 0.5:
        return None
    if not 0.0 <= block[1] <= np.log(1000.0):
        raise CodecError(
            f"the code asks for a volume of {np.exp(np.clip(block[1], -50, 50)):.3g} cubic Angstrom per atom",
            where="lattice block",
            remedy="use a code made by Codec.encode or a point between such codes",
        )
    logarithm = np.zeros((3, 3))
    for (i, j), value in zip(_VOIGT, block[2:] / _WEIGHT, strict=True):
        logarithm[i, j] = logarithm[j, i] = value
    values, vectors = np.linalg.eigh(logarithm)
    values = values - values.mean()  # unit determinant, also after float32 rounding
    metric = (vectors * np.exp(values)) @ vectors.T
    volume = natoms * np.exp(block[1])
    return np.linalg.cholesky(metric * volume ** (2.0 / 3.0))


def shape_distance(a: NDArray, b: NDArray) -> NDArray:
    """Distance of the six shape numbers of lattice blocks ``a`` [..., 8] and ``b`` [..., 8] (broadcasting)."""
    return np.linalg.norm(np.asarray(a)[..., 2:] - np.asarray(b)[..., 2:], axis=-1)


@lru_cache(maxsize=1)
def _unimodular() -> NDArray:
    """All 3 x 3 matrices of -1, 0, 1 with determinant +1: int [3480, 3, 3]."""
    matrices = np.array(list(itertools.product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    return matrices[np.rint(np.linalg.det(matrices)).astype(int) == 1]


def metric_symmetries(cell: NDArray, tolerance: float = 2e-3) -> NDArray:
    """Rotations of the lattice of a *reduced* ``cell`` [3, 3]: int [k, 3, 3], ``m @ cell`` has the metric of ``cell``.

    ``tolerance``: largest difference in the unit-volume metric.
    """
    metric = cell @ cell.T / abs(np.linalg.det(cell)) ** (2.0 / 3.0)
    vectors = _short_vectors()
    reach = vectors @ metric
    lengths = (reach * vectors).sum(axis=1)
    images = [vectors[np.abs(lengths - metric[k, k]) < tolerance] for k in range(3)]
    products = [images[i] @ metric @ images[j].T - metric[i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    near = [np.abs(product) < tolerance for product in products]
    i, j, k = np.nonzero(near[0][:, :, None] & near[1][:, None, :] & near[2][None, :, :])
    found = np.stack([images[0][i], images[1][j], images[2][k]], axis=1)
    return found[np.rint(np.linalg.det(found)) == 1]


@lru_cache(maxsize=1)
def _short_vectors() -> NDArray:
    return np.array(list(itertools.product((-1, 0, 1), repeat=3)))[np.r_[0:13, 14:27]]


def matching_bases(cell: NDArray, target: NDArray, count: int = 1, tolerance: float = 0.3) -> list[NDArray]:
    """Other bases of the lattice ``cell`` whose metric resembles that of ``target``, the most similar first.

    A Niggli-reduced basis is unique only up to ties that noise breaks either way (and up to the lattice's own
    symmetry, which relabels axes); a template is laid into the decoded cell in each basis that fits.

    Args:
        cell: float [3, 3] rows, the template's (reduced) cell.
        target: float [3, 3] rows.
        count: at most so many bases.
        tolerance: bases further than this (Frobenius, unit-volume metric) from the best are dropped.

    Returns:
        integer matrices [3, 3]; ``matrix @ cell`` is the basis.
    """
    matrices = _unimodular()
    unit = cell / abs(np.linalg.det(cell)) ** (1.0 / 3.0)
    goal = target / abs(np.linalg.det(target)) ** (1.0 / 3.0)
    metric = unit @ unit.T
    metrics = matrices @ metric @ matrices.transpose(0, 2, 1)
    distance = np.linalg.norm(metrics - goal @ goal.T, axis=(1, 2))
    # the identity wins ties, so that a template in the target's own setting stays as it is
    distance = distance - 1e-9 * (matrices == np.eye(3, dtype=int)).all(axis=(1, 2))
    order = np.argsort(distance, kind="stable")[:count]
    return [matrices[k] for k in order if distance[k] <= distance[order[0]] + tolerance]
