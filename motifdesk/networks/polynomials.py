"""Real spherical harmonics as polynomials, with their gradients: what the inversion of a reduction differentiates.

``Y_lm`` on the unit sphere is a homogeneous polynomial of degree l. The coefficients are solved once, in float64, from
e3nn's own harmonics at random points ("component" normalisation, ``sum_m Y_lm**2 = 2l + 1``), so that order and sign of
the components are e3nn's. A hand-written gradient costs one matrix product; automatic differentiation of e3nn's
recursion costs some fifty.
"""

from __future__ import annotations

from functools import cache

import torch
from e3nn import o3


@cache
def _coefficients(l_max: int) -> tuple[torch.Tensor, torch.Tensor, tuple[tuple[int, int, int], ...]]:
    """``(values [P, (l_max+1)**2], gradient [3, P, (l_max+1)**2], powers)`` in the monomials ``x^i y^j z^k``."""
    powers = tuple(
        (i, j, degree - i - j)
        for degree in range(l_max + 1)
        for i in range(degree, -1, -1)
        for j in range(degree - i, -1, -1)
    )
    row = {p: k for k, p in enumerate(powers)}
    points = torch.nn.functional.normalize(
        torch.randn(400, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    values = torch.zeros(len(powers), (l_max + 1) ** 2, dtype=torch.float64)
    for degree in range(l_max + 1):
        own = [k for k, p in enumerate(powers) if sum(p) == degree]
        monomials = torch.stack([points[:, 0] ** i * points[:, 1] ** j * points[:, 2] ** k for i, j, k in powers], 1)
        harmonics = o3.spherical_harmonics(degree, points, False, "component")
        solved = torch.linalg.lstsq(monomials[:, own], harmonics).solution
        solved[solved.abs() < 1e-12] = 0.0
        values[own, degree**2 : (degree + 1) ** 2] = solved
    gradient = torch.zeros(3, *values.shape, dtype=torch.float64)
    for p, k in row.items():
        for axis in range(3):
            if p[axis]:
                lower = list(p)
                lower[axis] -= 1
                gradient[axis, row[(lower[0], lower[1], lower[2])]] += p[axis] * values[k]
    return values, gradient, powers


def harmonics(unit: torch.Tensor, l_max: int) -> torch.Tensor:
    """``Y [..., (l_max+1)**2]`` of unit vectors ``[..., 3]``; a zero vector gives ``(1, 0, 0, ...)``."""
    values, _, powers = _coefficients(l_max)
    return _monomials(unit, powers, l_max) @ values.to(unit)


def harmonics_and_gradient(unit: torch.Tensor, l_max: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``Y [..., M]`` and its derivative along the sphere ``[..., 3, M]`` (multiply by 1/r for the derivative by r)."""
    values, gradient, powers = _coefficients(l_max)
    monomials = _monomials(unit, powers, l_max)
    y = monomials @ values.to(unit)
    slope = torch.einsum("...p,apm->...am", monomials, gradient.to(unit))
    degree = torch.tensor([n for n in range(l_max + 1) for _ in range(2 * n + 1)], dtype=unit.dtype, device=unit.device)
    return y, slope - unit[..., :, None] * (degree * y)[..., None, :]


def turning(irreps: o3.Irreps, matrix: torch.Tensor) -> torch.Tensor:
    """Block-diagonal ``D [dim, dim]``, float64, by which features turn (``x -> D @ x``) under a rotation or
    rotoinversion ``matrix [3, 3]``; pseudotensors included. Exact to rounding; e3nn's way through Euler
    angles is not."""
    matrix = matrix.double()
    improper = bool(torch.linalg.det(matrix) < 0)
    proper = -matrix if improper else matrix
    points = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    points = torch.nn.functional.normalize(points, dim=-1)
    blocks: dict[int, torch.Tensor] = {}
    out = []
    for multiplicity, ir in irreps:
        if ir.l not in blocks:
            before, after = (o3.spherical_harmonics(ir.l, p, True, "component") for p in (points, points @ proper.T))
            blocks[ir.l] = torch.linalg.lstsq(before, after).solution.T
        out += [blocks[ir.l] * (ir.p if improper else 1)] * multiplicity
    return torch.block_diag(*out)


def _monomials(unit: torch.Tensor, powers: tuple[tuple[int, int, int], ...], l_max: int) -> torch.Tensor:
    x, y, z = unit.unbind(-1)
    one = torch.ones_like(x)
    table = []
    for t in (x, y, z):
        column = [one]
        for _ in range(l_max):
            column.append(column[-1] * t)
        table.append(column)
    return torch.stack([table[0][i] * table[1][j] * table[2][k] for i, j, k in powers], dim=-1)
