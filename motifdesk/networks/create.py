"""Create points from a point: the inverse of :class:`motifdesk.networks.reduce.Reduce`.

The tensors at a point are a sum over unknown neighbours, ``c = sum_j phi(Z_j, r_j)``, with the learned functions
``phi`` of the reduction. Creation is a sparse deconvolution in two gears:

1. *propose*: the signal ``<c - c(placed), phi(Z, r)>`` of every species, radius and direction of a grid is the
   spherical-harmonic signal whose peaks are the neighbours (Smidt's peak picking), sharpened by the learned radial and
   species channels. The best peak becomes a point, is taken out of the signal, and the next is looked for (orthogonal
   matching pursuit). A peak is *chosen*, never averaged: six equal peaks of an octahedron become six points.
2. *refine*: Levenberg-Marquardt on the positions against the code itself. The remaining misfit is the certificate;
   where it stays large, points are taken back and looked for again.

Everything is deterministic. A code is turned by Wigner matrices when the cluster turns; the grid only starts the search
and leaves no trace in a converged answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from motifdesk.networks.polynomials import harmonics, harmonics_and_gradient
from motifdesk.networks.reduce import REACH, Reduce, directed, gaussians

_DIRECTIONS = 600
# in units of the cluster's own length: shells lie near 1; a group of a hierarchy may have a member near its middle,
# where few codes tell a point from noise: looked for only when the rest has failed
_RADII = tuple(0.36 * 1.085**k for k in range(25))
_INNER = (0.04, 0.11, 0.19, 0.27)
_CAP = 0.25  # longest move in one refinement step


@dataclass
class Created:
    """``positions [B, N, 3]`` (dimensionless), ``numbers [B, N]`` in the same order, ``misfit [B]`` (mean square)."""

    positions: Tensor
    numbers: Tensor
    misfit: Tensor


def _dulled(root: Tensor, floor: float = 0.02) -> Tensor:
    """``(C + floor)^-1/2`` from ``C^-1/2``."""
    values, vectors = torch.linalg.eigh(root)
    return (vectors * (values**-2 + floor) ** -0.5) @ vectors.T


class Create:
    """Clusters from the tensors of a :class:`Reduce` of scalar features.

    Parameters: ``reduce``; ``features [Z + 1, C]``, the features by species; ``spread [irreps_out.dim]``, by which the
    misfit of each number is measured; ``filters``, one ``[K_l, K_l]`` per degree, applied to both sides of the signal:
    with the inverse root of the codes' covariance the other neighbours interfere least (a matched filter).
    """

    def __init__(
        self,
        reduce: Reduce,
        features: Tensor,
        spread: Tensor,
        filters: Sequence[Tensor] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        radial, mixing = reduce.scalar_tables()
        self.l_max, self.count = reduce.l_max, reduce.radial
        self.dtype, device = dtype, features.device
        self.radial = radial.to(dtype)
        self.features = features.to(dtype)
        self.mixing, start = [], 0
        for (multiplicity, ir), mix in zip(reduce.irreps_out, mixing, strict=True):
            unit = spread[start : start + multiplicity * ir.dim].view(multiplicity, ir.dim)[:, 0]
            self.mixing.append((mix / unit).to(dtype))
            start += multiplicity * ir.dim
        self.width = start
        sharp = None if filters is None else [f.to(dtype) for f in filters]
        # sharp filters amplify what little noise a code has in directions that codes hardly use: dull ones do not
        self.filters = [sharp, sharp] if sharp is None else [sharp, [_dulled(f) for f in sharp]]
        self.blocks = [slice(n * n, (n + 1) ** 2) for n in range(self.l_max + 1)]
        golden = math.pi * (3.0 - math.sqrt(5.0))
        k = torch.arange(_DIRECTIONS, dtype=dtype, device=device)
        height = 1.0 - (2.0 * k + 1.0) / _DIRECTIONS
        ring = (1.0 - height * height).sqrt()
        # tilted, so that no grid point lies on a coordinate axis or plane
        self.grid = torch.stack([ring * torch.cos(golden * k + 0.4), ring * torch.sin(golden * k + 0.4), height], 1)
        self.signal = harmonics(self.grid, self.l_max).T.contiguous()
        self.radii = [torch.tensor(r, dtype=dtype, device=device) for r in (_RADII, (*_INNER, *_RADII))]

    # -- the reduction as arrays ---------------------------------------------------------------------------------

    def _channels(self, x: Tensor, numbers: Tensor, slope: bool) -> tuple[list[Tensor], list[Tensor]]:
        """``phi``'s radial part per l, ``[..., K_l]``, and its derivative by ``x``."""
        g = gaussians(x, self.count)
        e = self.features[numbers]
        fade = directed(x).unsqueeze(-1)
        step = REACH / (self.count - 1)
        centre = torch.linspace(0.0, REACH, self.count, dtype=x.dtype, device=x.device)
        dg = -g * (x.unsqueeze(-1) - centre) / step**2 if slope else g
        dfade = (2.0 * fade * (1.0 - fade) / x.unsqueeze(-1).clamp(min=1e-9)) if slope else fade
        values, slopes = [], []
        for n, mix in enumerate(self.mixing):
            rho = g @ self.radial[n]
            values.append((e * (rho if n == 0 else rho * fade)) @ mix)
            if slope:
                drho = dg @ self.radial[n]
                slopes.append((e * (drho if n == 0 else drho * fade + rho * dfade)) @ mix)
        return values, slopes

    def codes(self, positions: Tensor, numbers: Tensor, placed: Tensor) -> Tensor:
        """``[B, N, 3]``, ``[B, N]``, bool ``[B, N]`` -> codes ``[B, width]``."""
        x = positions.norm(dim=-1)
        y = harmonics(positions / x.unsqueeze(-1).clamp(min=1e-9), self.l_max) * placed.unsqueeze(-1).to(self.dtype)
        values, _ = self._channels(x, numbers, False)
        return torch.cat(
            [torch.einsum("bnk,bnm->bkm", v, y[..., b]).flatten(1) for v, b in zip(values, self.blocks, strict=True)], 1
        )

    def codes_and_jacobian(self, positions: Tensor, numbers: Tensor, placed: Tensor) -> tuple[Tensor, Tensor]:
        """Codes ``[B, width]`` and derivative ``[B, 3N, width]``; rows of points that are not placed are zero."""
        x = positions.norm(dim=-1)
        inverse = 1.0 / x.clamp(min=1e-9)
        unit = positions * inverse.unsqueeze(-1)
        y, along = harmonics_and_gradient(unit, self.l_max)
        values, slopes = self._channels(x, numbers, True)
        keep = placed.to(self.dtype)
        b, n = numbers.shape
        codes, rows = [], []
        for v, dv, block in zip(values, slopes, self.blocks, strict=True):
            v, dv = v * keep.unsqueeze(-1), dv * keep.unsqueeze(-1)
            codes.append(torch.einsum("bnk,bnm->bkm", v, y[..., block]).flatten(1))
            outward = unit.unsqueeze(-1) * y[..., None, block]
            across = along[..., block] * inverse[..., None, None]
            rows.append(
                (
                    dv[:, :, None, :, None] * outward[:, :, :, None, :]
                    + v[:, :, None, :, None] * across[:, :, :, None, :]
                )
                .flatten(3)
                .flatten(1, 2)
            )
        return torch.cat(codes, 1), torch.cat(rows, -1).view(b, 3 * n, self.width)

    # -- propose ---------------------------------------------------------------------------------------------------

    def _pick(self, rest: Tensor, numbers: Tensor, free: Tensor, search: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The best peak of ``rest [B, width]`` among the species of free slots: slot ``[B]``, position ``[B, 3]``.

        ``search``: which filters (sharp, dull), which radii (without, with the inner ones).
        """
        b, n = numbers.shape
        filters, radii = self.filters[search[0]], self.radii[search[1]]
        first = free.clone()  # one slot of each species is enough
        for j in range(1, n):
            same = (numbers[:, :j] == numbers[:, j : j + 1]) & free[:, :j]
            first[:, j] &= ~same.any(1)
        graph, slot = first.nonzero(as_tuple=True)
        z = numbers[graph, slot]
        kinds, kind = z.unique(return_inverse=True)
        values, _ = self._channels(radii.expand(len(kinds), -1), kinds.unsqueeze(1).expand(-1, len(radii)), False)
        start, signal, norm = 0, [], torch.zeros(len(kinds), len(radii), dtype=self.dtype, device=rest.device)
        for degree, v in enumerate(values):
            m, k = 2 * degree + 1, v.shape[-1]
            part = rest[:, start : start + k * m].view(b, k, m)
            if filters is not None:
                v = v @ filters[degree]
                part = filters[degree].T @ part
            signal.append(torch.bmm(v[kind], part[graph]))  # [pairs, R, m]
            norm += m * v.square().sum(-1)
            start += k * m
        gain = 2.0 * torch.cat(signal, -1) @ self.signal - norm[kind].unsqueeze(-1)  # [pairs, R, D]
        best, where = gain.flatten(1).max(1)
        table = torch.full((b, n), -torch.inf, dtype=self.dtype, device=rest.device)
        table[graph, slot] = best
        chosen = table.argmax(1)
        index = torch.zeros(b, n, dtype=torch.int64, device=rest.device)
        index[graph, slot] = where
        place = index.gather(1, chosen.unsqueeze(1)).squeeze(1)
        position = radii[place // _DIRECTIONS].unsqueeze(-1) * self.grid[place % _DIRECTIONS]
        return chosen, position

    def _fill(
        self, target: Tensor, positions: Tensor, numbers: Tensor, placed: Tensor, search: tuple[int, int]
    ) -> None:
        """Place all missing points, in place."""
        rows = torch.arange(len(target), device=target.device)
        for _ in range(int((~placed).sum(1).max())):
            todo = (~placed).any(1).nonzero()[:, 0]
            rest = target[todo] - self.codes(positions[todo], numbers[todo], placed[todo])
            slot, position = self._pick(rest, numbers[todo], ~placed[todo], search)
            positions[rows[todo], slot] = position
            placed[rows[todo], slot] = True
            positions[todo], _ = self.refine(target[todo], positions[todo], numbers[todo], placed[todo], 2)

    # -- refine ----------------------------------------------------------------------------------------------------

    def refine(
        self, target: Tensor, positions: Tensor, numbers: Tensor, placed: Tensor, steps: int, tolerance: float = 1e-14
    ) -> tuple[Tensor, Tensor]:
        """Levenberg-Marquardt on the placed points: positions ``[B, N, 3]`` and mean squared misfit ``[B]``."""
        b, n = numbers.shape
        positions = positions.clone()
        code, slope = self.codes_and_jacobian(positions, numbers, placed)
        difference = code - target
        misfit = difference.square().mean(-1)
        damp = torch.full((b,), 1e-2, dtype=self.dtype, device=target.device)
        for _ in range(steps):
            active = ((misfit > tolerance) & (damp < 1e6)).nonzero()[:, 0]
            if not len(active):
                break
            j = slope[active]
            hessian = j @ j.mT
            gradient = (j @ difference[active].unsqueeze(-1)).squeeze(-1)
            diagonal = hessian.diagonal(dim1=1, dim2=2)
            floor = diagonal.amax(-1, keepdim=True).clamp(min=1e-12)
            weight = damp[active, None] * (diagonal + 0.05 * floor) + 1e-9 * floor
            weight = torch.where(diagonal > 0, weight, floor)
            factor, _ = torch.linalg.cholesky_ex(hessian + torch.diag_embed(weight))
            move = -torch.cholesky_solve(gradient.unsqueeze(-1), factor).view(len(active), n, 3)
            move = torch.where(torch.isfinite(move), move, torch.zeros_like(move))
            longest = move.norm(dim=-1).amax(-1) / _CAP
            move = move / longest.clamp(min=1.0)[:, None, None]
            trial = positions[active] + move
            size = trial.norm(dim=-1, keepdim=True)  # beyond the reach of the radial functions there is no way back
            trial = trial * (0.95 * REACH / size.clamp(min=0.95 * REACH))
            new, new_slope = self.codes_and_jacobian(trial, numbers[active], placed[active])
            new_difference = new - target[active]
            value = new_difference.square().mean(-1)
            better = value < misfit[active]
            kept = active[better]
            stalled = better & (value > misfit[active] * (1.0 - 1e-9))
            positions[kept], slope[kept], difference[kept] = trial[better], new_slope[better], new_difference[better]
            misfit[kept] = value[better]
            damp[active] = torch.where(better, (damp[active] * 0.2).clamp(min=1e-9), damp[active] * 8.0)
            damp[active[stalled]] = 1e9
        return positions, misfit

    # -- all together ------------------------------------------------------------------------------------------------

    def __call__(
        self,
        target: Tensor,
        numbers: Tensor,
        *,
        tolerance: float = 1e-8,
        rounds: int = 12,
        steps: int = 25,
        patience: int = 6,
    ) -> Created:
        """Points of the species ``numbers [B, N]`` whose reduction is ``target [B, width]`` (in units of the spread).

        ``tolerance``: a misfit above it is worth ``rounds`` more attempts, in which points are taken back and looked
        for again, until ``patience`` of them in a row have not helped.
        """
        target = target.to(self.dtype)
        b, n = numbers.shape
        positions = torch.zeros(b, n, 3, dtype=self.dtype, device=target.device)
        placed = torch.zeros(b, n, dtype=torch.bool, device=target.device)
        numbers = numbers.clone()
        if n == 0:
            return Created(positions, numbers, target.square().mean(-1))
        self._fill(target, positions, numbers, placed, (0, 0))
        positions, misfit = self.refine(target, positions, numbers, placed, steps)
        idle = torch.zeros(b, dtype=torch.int64, device=target.device)
        for k in range(rounds):
            bad = ((misfit > tolerance) & (idle < patience)).nonzero()[:, 0]
            if not len(bad):
                break
            draw = torch.rand(len(bad), n, generator=torch.Generator().manual_seed(k)).to(target.device)
            drop = draw < (0.25 + 0.5 * (k % 3) / 2.0)
            drop[torch.arange(len(bad)), draw.argmin(1)] = True  # at least one
            keep = ~drop
            where, names = positions[bad].clone(), numbers[bad].clone()
            self._fill(target[bad], where, names, keep, ((k + 1) % 2, int(k % 4 == 2)))
            where, value = self.refine(target[bad], where, names, keep, steps)
            better = value < misfit[bad]
            kept = bad[better]
            helped = value < 0.99 * misfit[bad]
            positions[kept], misfit[kept] = where[better], value[better]
            idle[bad] = torch.where(helped, 0, idle[bad] + 1)
        return Created(positions, numbers, misfit)
