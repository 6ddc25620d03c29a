"""Molecules from their bonds: conformers by distance geometry, batched (Crippen and Havel, 1988).

Bond lengths come from covalent radii that shrink with the number of neighbours, angles from the number of neighbours
and the smallest ring; every other pair may lie anywhere between a contact and the length of the path between the two.
Distances are drawn between the bounds, embedded by the largest eigenvectors of their metric matrix, and relaxed to the
bounds, first in four dimensions, where mirror images of a part pass through each other. Only starts: the refinement to
the code finds lengths and angles as they are.
"""

from __future__ import annotations

import numpy as np

from motifdesk.codec.bonds import Bonds
from motifdesk.codec.radii import COVALENT_RADII

# radius (Angstrom) by atomic number and neighbours where it differs much from the single bond's
_RADII = {
    (1, 1): 0.33,
    (6, 3): 0.71,
    (6, 2): 0.64,
    (6, 1): 0.60,
    (7, 2): 0.65,
    (7, 1): 0.52,
    (8, 1): 0.52,
    (9, 1): 0.60,
}
_LENGTH_TOLERANCE = 0.03
_RING_ANGLES = {4: (88.0, 3.0), 5: (105.0, 4.0)}  # degrees and tolerance
_ANGLES = {4: (109.5, 6.0), 3: (118.0, 6.0), 2: (110.0, 8.0)}
_CONTACT = {0: 2.5, 1: 2.2, 2: 1.9}  # by the number of hydrogens of a pair three bonds or more apart


def conformers(bonds: Bonds, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random conformers float64 [count, N, 3] (Angstrom), atoms in the order of ``bonds.numbers``."""
    lower, upper = bounds(bonds)
    n = len(bonds.numbers)
    if n == 1:
        return np.zeros((count, 1, 3))
    share = rng.random((count, n, n))
    share = np.triu(share, 1) + np.triu(share, 1).transpose(0, 2, 1)
    # of far pairs the short distances are more common than the stretched ones
    drawn = lower + np.minimum(upper - lower, 4.0) * share
    squares = np.square(drawn)
    centred = squares - squares.mean(1, keepdims=True)
    gram = -0.5 * (centred - centred.mean(2, keepdims=True))
    values, vectors = np.linalg.eigh(gram)
    width = min(4, n)
    x: np.ndarray = np.zeros((count, n, 4))
    x[..., :width] = vectors[..., -width:] * np.sqrt(np.maximum(values[:, None, -width:], 1e-3))
    x = x[..., ::-1].copy()  # the fourth coordinate is the least of them
    x = relaxed(x, lower, upper, steps=80, flat=0.0)
    x = relaxed(x, lower, upper, steps=120, flat=0.3)
    return relaxed(x[..., :3].copy(), lower, upper, steps=60, flat=0.0)


def bounds(bonds: Bonds) -> tuple[np.ndarray, np.ndarray]:
    """Shortest and longest distances [N, N] (Angstrom) of all pairs that the bonds allow."""
    z, n = bonds.numbers, len(bonds.numbers)
    bonded = np.zeros((n, n), dtype=bool)
    bonded[bonds.pairs[:, 0], bonds.pairs[:, 1]] = bonded[bonds.pairs[:, 1], bonds.pairs[:, 0]] = True
    degree = bonded.sum(1)
    radii = np.array([_RADII.get((int(a), int(d)), COVALENT_RADII[a]) for a, d in zip(z, degree, strict=True)])
    length = radii[:, None] + radii[None]
    lower = np.vectorize(_CONTACT.__getitem__)((z == 1).astype(int)[:, None] + (z == 1).astype(int)[None])
    lower = np.maximum(lower, 0.8 * length)
    upper = np.full((n, n), np.inf)
    lower[bonded] = length[bonded] - _LENGTH_TOLERANCE
    upper[bonded] = length[bonded] + _LENGTH_TOLERANCE
    hops = _hops(bonded)
    near = [np.flatnonzero(row) for row in bonded]
    fixed = bonded.copy()
    for j in range(n):
        for a, i in enumerate(near[j]):
            for k in near[j][a + 1 :]:
                if bonded[i, k]:
                    continue
                ring = _ring(int(i), j, int(k), near)
                angle, slack = _angle(int(z[j]), int(degree[j]), ring, j, near)
                reach = []
                for value in (angle - slack, angle + slack):
                    cosine = np.cos(np.radians(min(value, 180.0)))
                    reach.append(
                        np.sqrt(length[i, j] ** 2 + length[k, j] ** 2 - 2 * length[i, j] * length[k, j] * cosine)
                    )
                if fixed[i, k]:  # two ways round: a four-ring, or two of them
                    reach = [min(reach[0], lower[i, k]), max(reach[1], upper[i, k])]
                lower[i, k] = lower[k, i] = reach[0]
                upper[i, k] = upper[k, i] = reach[1]
                fixed[i, k] = fixed[k, i] = True
    for k in range(n):
        upper = np.minimum(upper, upper[:, k, None] + upper[None, k])
    upper[~np.isfinite(upper)] = 6.0 + 0.5 * n  # fragments lie somewhere near each other
    np.fill_diagonal(upper, 0.0)
    np.fill_diagonal(lower, 0.0)
    # across small rings the way round leaves less than a contact
    close = (hops == 3) & ~fixed
    lower[close] = np.minimum(lower[close], np.where(((z == 1)[:, None] | (z == 1)[None])[close], 2.1, 2.2))
    return np.minimum(lower, upper), upper


def _hops(bonded: np.ndarray) -> np.ndarray:
    """Bonds on the shortest path between two atoms [N, N]; N where there is none."""
    n = len(bonded)
    hops = np.where(bonded, 1, n)
    np.fill_diagonal(hops, 0)
    for k in range(n):
        hops = np.minimum(hops, hops[:, k, None] + hops[None, k])
    return hops


def _ring(i: int, j: int, k: int, near: list[np.ndarray]) -> int:
    """Size of the smallest ring through i - j - k, up to six; 0: none so small."""
    seen, frontier = {i, j}, {i}
    for size in range(3, 7):
        frontier = {int(b) for a in frontier for b in near[a]} - seen
        if k in frontier:
            return size
        seen |= frontier
    return 0


def _angle(z: int, degree: int, ring: int, centre: int, near: list[np.ndarray]) -> tuple[float, float]:
    """Angle at a centre and how far it may be off, degrees."""
    if ring in _RING_ANGLES:
        return _RING_ANGLES[ring]
    if degree == 2 and z == 6:
        return 178.0, 6.0
    if degree > 4:
        return 110.0, 45.0
    # outside a small ring the angles open
    strained = any(
        _ring(int(a), centre, int(b), near) in (3, 4) or b in near[a]
        for s, a in enumerate(near[centre])
        for b in near[centre][s + 1 :]
    )
    angle, slack = _ANGLES[degree]
    if z == 7 and degree == 3:
        angle, slack = 114.0, 8.0
    return (angle + 8.0, slack + 6.0) if strained else (angle, slack)


def relaxed(x: np.ndarray, lower: np.ndarray, upper: np.ndarray, steps: int, flat: float) -> np.ndarray:
    """Atoms float64 [B, N, D] moved into the bounds by damped dynamics; ``flat`` weighs the fourth coordinate."""
    # single precision: these are starts
    x, lower, upper = x.astype(np.float32), lower.astype(np.float32), upper.astype(np.float32)
    velocity = np.zeros_like(x)
    tight = np.where(upper - lower < 0.2, 1.0, 0.5).astype(np.float32)
    for step in range(steps):
        squares = np.einsum("bnd,bnd->bn", x, x)
        gram = x @ x.transpose(0, 2, 1)
        distance = np.sqrt(np.maximum(squares[:, :, None] + squares[:, None] - 2.0 * gram, 1e-6))
        off = tight * (np.maximum(distance - upper, 0.0) - np.maximum(lower - distance, 0.0)) / distance
        force = off @ x - off.sum(2, keepdims=True) * x  # sum_j off_ij (x_j - x_i)
        if flat:
            force[..., 3] -= flat * (1.0 + step / 20.0) * x[..., 3]
        velocity = 0.8 * velocity + 0.12 * force
        longest = np.abs(velocity).max(axis=(1, 2), keepdims=True)
        velocity *= np.minimum(1.0, 0.3 / (longest + 1e-12))
        x = x + velocity
    return x.astype(np.float64)
