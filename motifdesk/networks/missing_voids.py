"""Where a crystal has room: the middles of its voids, as places that can vote on a missing atom.

The voids are the local minima of the smooth crowding ``U(x) = sum_j exp(-|x - r_j|^2 / (2 w^2))`` over all atoms and
periodic images, found on a grid and polished by Newton's method, so that a void on a symmetry element lies on it
(within 1e-4 Angstrom) and moves with the crystal. Chemistry does not enter: that is the network's part.
"""

from __future__ import annotations

from itertools import product

import numpy as np

WIDTH = 0.45  # of the Gaussians, in units of the structure's own length
SPACING = 0.30  # of the grid
REACH = 5.0  # Gaussians end at so many widths
SAME = 0.20  # minima closer than this are one
MOST = 24


def voids(positions: np.ndarray, cell: np.ndarray, scale: float) -> np.ndarray:
    """Middles of the voids ``[K, 3]``, Angstrom, the roomiest first, at most ``MOST`` of them.

    ``positions [N, 3]`` and ``cell`` (rows) in Angstrom; ``scale``: the structure's own length. The answer does not
    depend on rotation or on the order of the atoms; a grid is tied to the cell, so that shallow voids may come and go
    with it.
    """
    inverse = np.linalg.inv(cell)
    cutoff = REACH * WIDTH * scale
    reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0)).astype(int)
    wrapped = (positions @ inverse) % 1.0
    shifts = np.array(list(product(*(range(-r, r + 1) for r in reach))), dtype=float)
    images = (wrapped[None] + shifts[:, None]).reshape(-1, 3)
    margin = cutoff * np.linalg.norm(inverse, axis=0)
    images = images[((images > -margin) & (images < 1 + margin)).all(axis=1)] @ cell
    counts = np.maximum(3, np.ceil(np.linalg.norm(cell, axis=1) / (SPACING * scale)).astype(int))
    axes = [np.arange(n) / n for n in counts]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ cell
    crowding = _crowding(points.reshape(-1, 3), images, WIDTH * scale).reshape(tuple(counts))
    lowest = np.ones(crowding.shape, dtype=bool)
    for step in product((-1, 0, 1), repeat=3):
        if step != (0, 0, 0):
            lowest &= crowding <= np.roll(crowding, step, axis=(0, 1, 2))
    starts = points[lowest]
    starts = starts[np.argsort(crowding[lowest], kind="stable")][: 3 * MOST]
    return _distinct(_polish(starts, images, WIDTH * scale), cell, SAME * scale)[:MOST]


def _crowding(points: np.ndarray, images: np.ndarray, width: float) -> np.ndarray:
    squared = (points**2).sum(1)[:, None] + (images**2).sum(1)[None] - 2.0 * points @ images.T
    return np.exp(-0.5 * squared / width**2).sum(axis=1)


def _polish(points: np.ndarray, images: np.ndarray, width: float, rounds: int = 12) -> np.ndarray:
    """Down to the minima of the logarithm of the crowding, by Newton steps of bounded length."""
    x = points.copy()
    for _ in range(rounds):
        delta = (x[:, None] - images[None]) / width
        part = np.exp(-0.5 * np.square(delta).sum(-1))
        part /= part.sum(axis=1, keepdims=True)
        gradient = -np.einsum("kj,kjx->kx", part, delta)
        second = np.einsum("kj,kjx,kjy->kxy", part, delta, delta)
        hessian = second - np.eye(3) - gradient[:, :, None] * gradient[:, None, :]
        value, vector = np.linalg.eigh(hessian)
        along = np.einsum("kxy,kx->ky", vector, gradient) / np.maximum(np.abs(value), 0.05)
        step = -np.einsum("kxy,ky->kx", vector, along)
        size = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1.0, 0.5 / np.maximum(size, 1e-12))
        x = x + step * width
        if size.max(initial=0.0) < 1e-9:
            break
    return x


def _distinct(points: np.ndarray, cell: np.ndarray, apart: float) -> np.ndarray:
    """The first of every group of points that coincide, periodic images included."""
    around = np.array(list(product((-1, 0, 1), repeat=3))) @ cell
    inverse = np.linalg.inv(cell)
    kept: list[np.ndarray] = []
    for point in points:
        delta = np.array(kept).reshape(-1, 3) - point
        fractional = delta @ inverse
        delta = (fractional - np.rint(fractional)) @ cell
        if not (np.square(delta[:, None] + around).sum(-1) < apart**2).any():
            kept.append(point)
    return np.array(kept).reshape(-1, 3)
