"""A fixed model of springs between sites: what tells copies of one irrep apart, softest first.

Not a force field: every pair of sites is joined by a spring along the line between them, w(d) = exp(-(d / d0)^2), with
d0 the cube root of the volume per site. It has the symmetry of the crystal, does not depend on how the crystal is
written down, and puts motions that keep distances (turns of polyhedra) before those that change them.
"""

from __future__ import annotations

import numpy as np

from .supercells import Supercell, coded

_REACH = 3.5  # in units of d0; springs end there smoothly, so that rounding does not choose among equals


def springs(cell: Supercell) -> tuple[np.ndarray, np.ndarray]:
    """The stiffness of a supercell's sites, float64 [N, 3, N, 3], and of each against still surroundings [N, 3, 3];
    d0 = (V / N)^(1/3), dimensionless."""
    parent = cell.ideal
    lattice = parent.cell
    assert lattice is not None
    unit = (parent.volume / len(parent)) ** (1 / 3)
    reach = _REACH * unit
    heights = abs(np.linalg.det(lattice)) / np.linalg.norm(np.cross(lattice[[1, 2, 0]], lattice[[2, 0, 1]]), axis=1)
    inside = parent.fractional - np.floor(parent.fractional)
    span = [np.arange(-int(np.ceil(reach / h)) - 1, int(np.ceil(reach / h)) + 2) for h in heights]
    images = np.stack(np.meshgrid(*span, indexing="ij"), axis=-1).reshape(-1, 3)
    wrap = np.floor(parent.fractional).astype(int)
    count, n = len(cell.steps), len(parent)
    out = np.zeros((n * count, n * count, 3, 3))
    still = np.zeros((n * count, 3, 3))
    book, order = cell.book
    for a in range(n):
        delta = (inside[None] + images[:, None] - inside[a]) @ lattice  # [images, n, 3]
        distance = np.linalg.norm(delta, axis=2)
        place, b = np.nonzero((distance < reach) & (distance > 1e-6))
        d = distance[place, b]
        unit_vectors = delta[place, b] / d[:, None]
        strength = np.exp(-((d / unit) ** 2)) * (1 - (d / reach) ** 2) ** 2
        block = strength[:, None, None] * unit_vectors[:, :, None] * unit_vectors[:, None, :]
        steps = images[place] - wrap[b] + wrap[a]
        own = block.sum(axis=0)
        still[a * count : (a + 1) * count] = own
        for t, step in enumerate(cell.steps):
            i = a * count + t
            j = b * count + order[np.searchsorted(book, coded(steps + step, cell.matrix))]
            out[i, i] += own
            np.subtract.at(out[i], j, block)
    return out.transpose(0, 2, 1, 3), still
