"""The radial functions of the convolution, in scaled distance ``d = r / s``.

Radial part: spherical Bessel functions of order zero under a polynomial envelope (Gasteiger et al., DimeNet, ICLR 2020,
eqs. 7 and 8, with ``p = 6``), so that value, slope and curvature vanish at the cutoff. Angular part: real spherical
harmonics in e3nn's order and "component" normalisation (``sum_m Y_lm**2 = 2l + 1``), taken from e3nn in
:mod:`motifdesk.networks.encoder`.
"""

from __future__ import annotations

import math

import torch


def envelope(x: torch.Tensor, power: int = 6) -> torch.Tensor:
    """Polynomial cutoff of ``x = d / cutoff``: 1 at 0; 0 with two vanishing derivatives at 1; 0 beyond."""
    p = float(power)
    value = (
        1.0
        - (p + 1.0) * (p + 2.0) / 2.0 * x**power
        + p * (p + 2.0) * x ** (power + 1)
        - p * (p + 1.0) / 2.0 * x ** (power + 2)
    )
    return torch.where(x < 1.0, value, torch.zeros_like(x))


def radial_basis(d: torch.Tensor, cutoff: float, count: int = 8, power: int = 6) -> torch.Tensor:
    """``R_n(d) = sqrt(2/c) sin(n pi d/c)/d * envelope(d/c)``, ``n = 1..count``: ``[E] -> [E, count]``; ``d > 0``."""
    n = torch.arange(1, count + 1, dtype=d.dtype, device=d.device)
    x = d / cutoff
    prefactor = math.sqrt(2.0 / cutoff) * envelope(x, power) / d
    return prefactor.unsqueeze(-1) * torch.sin(math.pi * x.unsqueeze(-1) * n)
