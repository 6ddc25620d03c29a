"""Real spherical harmonics as polynomials, so that their gradients are products of matrices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

LMAX = 3
BLOCKS = [slice(degree * degree, (degree + 1) * (degree + 1)) for degree in range(LMAX + 1)]
POWERS = [
    (a, b, degree - a - b)
    for degree in range(LMAX + 1)
    for a in range(degree, -1, -1)
    for b in range(degree - a, -1, -1)
]


@lru_cache(maxsize=1)
def harmonic_coefficients() -> tuple[np.ndarray, np.ndarray]:
    """Real spherical harmonics (e3nn order, "component" norm) as homogeneous polynomials of x, y, z.

    Returns:
        coefficients [20 monomials, 16] and those of the gradient, [20 monomials, 3 * 16], both float64, obtained
        by solving for e3nn's own values, so that no convention is copied by hand.
    """
    from e3nn import o3

    points = np.random.default_rng(0).normal(size=(200, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    values = o3.spherical_harmonics(list(range(LMAX + 1)), torch.from_numpy(points), False, "component").numpy()
    powers = np.array(POWERS)
    monomials = np.prod(points[:, None, :] ** powers, axis=-1)
    degrees = powers.sum(1)
    coefficients = np.zeros((len(powers), (LMAX + 1) ** 2))
    for degree, block in enumerate(BLOCKS):
        rows = np.flatnonzero(degrees == degree)
        solution = np.linalg.lstsq(monomials[:, rows], values[:, block], rcond=None)[0]
        coefficients[np.ix_(rows, np.arange(block.start, block.stop))] = np.where(
            np.abs(solution) > 1e-9, solution, 0.0
        )
    index: dict[tuple[int, ...], int] = {power: k for k, power in enumerate(POWERS)}
    gradient = np.zeros((len(powers), 3, (LMAX + 1) ** 2))
    for k, power in enumerate(POWERS):
        for axis in range(3):
            if power[axis]:
                lower = list(power)
                lower[axis] -= 1
                gradient[index[tuple(lower)], axis] += power[axis] * coefficients[k]
    return coefficients, gradient.reshape(len(powers), -1)
