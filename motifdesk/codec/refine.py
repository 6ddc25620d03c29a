"""Inversion of the encoder: batched Levenberg-Marquardt on atoms and cell until the code is the target's.

Cost of a structure = mean squared difference of the compared geometry numbers (the *residual*, the decoder's
certificate: <= ``CONVERGED`` is accepted) + weighted squared difference of the lattice numbers + a barrier that keeps
atoms apart. Steps are capped; a step that raises the cost is taken back and tried shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from motifdesk.codec.images import find_edges
from motifdesk.codec.jacobian import VOIGT, GeometryMap
from motifdesk.codec.radii import CLOSEST, COVALENT_RADII

# mean squared code difference below which a decode counts as a result. Of 416 development decodes below 1e-6 one was no
# strict match, a CdI2 polytype at 2e-7; all others, every true match among them, ended below 1e-8
CONVERGED = 1e-8
_MANDEL = (1.0, 1.0, 1.0, 2.0**0.5, 2.0**0.5, 2.0**0.5)


@dataclass(frozen=True)
class LatticeTarget:
    """Where the cell should go: ``log(V/N)`` and the six shape numbers of a lattice block, with weights.

    Attributes:
        block: float [8] (see :mod:`motifdesk.codec.lattice`), valid for the basis in which the cells are given.
        volume, shape: weights of the squared differences in the cost; 0 leaves that part free.
    """

    block: np.ndarray
    volume: float = 1.0
    shape: float = 1.0


@dataclass
class Refined:
    """Result of :func:`refine`, B structures.

    Attributes:
        positions [B, N, 3] and cells [B, 3, 3] or None (Angstrom); residual [B]; cost [B] (residual and penalties);
        steps: evaluations made.
    """

    positions: Tensor
    cells: Tensor | None
    residual: Tensor
    cost: Tensor
    steps: int


def refine(
    geometry: GeometryMap,
    positions: Tensor,
    cells: Tensor | None,
    target: Tensor,
    *,
    lattice: LatticeTarget | None = None,
    steps: int = 12,
    tolerance: float = 1e-9,
    cap: float = 0.25,
    damping: float = 0.2,
    free_cell: bool = True,
    blind_only: bool = False,
    barrier: float = 1.0,
    patience: int = 5,
) -> Refined:
    """Move atoms (and cell) so that the geometry code becomes ``target``.

    Args:
        geometry: the encoder for this composition; its dtype is the precision of the codes.
        positions: [B, N, 3] Angstrom, order of ``geometry.numbers``; cells: [B, 3, 3] rows, or ``None``.
        target: [384] or [B, 384], standardised geometry code; the last 128 numbers count when ``blind_only``.
        lattice: pulls the cell to a lattice block.
        steps: at most so many evaluations; ``tolerance``: a structure whose residual is below stops.
        cap: longest move of an atom in one step, in length-scale units; the strain is capped to 0.4 of it.
        free_cell: with False only atoms move.
        barrier: weight of the closest-approach penalty; 0 switches it off.
        patience: a structure stops after so many rejected steps in a row.
    """
    b, n, _ = positions.shape
    device, dtype = geometry.device, geometry.dtype
    positions = positions.to(device, dtype).clone()
    cells = None if cells is None else cells.to(device, dtype).clone()
    target = target.to(device, dtype).expand(b, -1)
    if blind_only:
        target = target[:, -128:]
    free = 3 * n + (6 if cells is not None and free_cell else 0)

    def evaluate(x: Tensor, c: Tensor | None, goal: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        code, slope = geometry(x, c, jacobian=True, blind_only=blind_only)
        assert slope is not None
        scale = geometry.scale(c, len(x))
        slope = torch.cat([slope[..., : 3 * n] * scale[:, None, None], slope[..., 3 * n : free]], -1)
        difference = code - goal
        width = difference.shape[-1]
        residual = difference.square().mean(-1)
        # the normal equations are solved in float64 whatever the precision of the codes
        slope64 = slope.double() if dtype == torch.float64 else slope
        hessian = (slope64.mT @ slope64).double() / width
        gradient = (slope64.mT @ difference[..., None])[..., 0].double() / width
        cost = residual.double() + penalties(geometry, x, c, lattice, hessian, gradient, barrier)
        return residual.double(), cost, hessian, gradient

    best = evaluate(positions, cells, target)
    residual, cost, hessian, gradient = (t.clone() for t in best)
    damp = torch.full((b,), damping, dtype=torch.float64, device=device)
    rejected = torch.zeros(b, dtype=torch.int64, device=device)
    taken = 1
    for _ in range(steps - 1):
        active = ((residual > tolerance) & (rejected < patience) & torch.isfinite(cost)).nonzero()[:, 0]
        if not len(active):
            break
        h, g = hessian[active], gradient[active]
        diagonal = h.diagonal(dim1=1, dim2=2)
        floor = diagonal.mean(-1, keepdim=True)
        weight = damp[active, None] * torch.maximum(diagonal, 0.3 * floor) + 1e-12 * floor + 1e-30
        factor, failed = torch.linalg.cholesky_ex(h + torch.diag_embed(weight))
        move = -torch.cholesky_solve(g[..., None], factor)[..., 0]
        move = torch.where((failed[:, None] != 0) | ~torch.isfinite(move), -g / (diagonal + floor + 1e-30), move)
        longest = move[:, : 3 * n].unflatten(1, (n, 3)).norm(dim=-1).amax(-1) / cap
        if free > 3 * n:
            longest = torch.maximum(longest, move[:, 3 * n :].abs().amax(-1) / (0.4 * cap))
        move = move / longest.clamp(min=1.0)[:, None]
        x, c = apply_step(geometry, positions[active], None if cells is None else cells[active], move.to(dtype))
        new = evaluate(x, c, target[active])
        taken += 1
        predicted = -(2.0 * (g * move).sum(-1) + torch.einsum("bx,bxy,by->b", move, h, move))
        ratio = (cost[active] - new[1]) / predicted.clamp(min=1e-300)
        accept = (new[1] < cost[active]) & torch.isfinite(new[1])
        # the damping follows how well the quadratic model predicted the gain; starting damped and loosening slowly
        # brought back 100 % of 24 crystals from 0.25 A and 83 % from 0.6 A, Nielsen's rule 92 % and 71 %
        shrink = torch.where(ratio > 0.8, 0.25, torch.where(ratio < 0.3, 1.5, 0.5)).to(damp.dtype)
        damp[active] = torch.where(accept, damp[active] * shrink, 6.0 * damp[active]).clamp(1e-9, 1e6)
        rejected[active] = torch.where(accept, torch.zeros_like(rejected[active]), rejected[active] + 1)
        kept = active[accept]
        positions[kept] = x[accept]
        if cells is not None and c is not None:
            cells[kept] = c[accept]
        for store, value in zip((residual, cost, hessian, gradient), new, strict=True):
            store[kept] = value[accept]
    return Refined(positions, cells, residual, cost, taken)


def penalties(
    geometry: GeometryMap,
    positions: Tensor,
    cells: Tensor | None,
    lattice: LatticeTarget | None,
    hessian: Tensor | None = None,
    gradient: Tensor | None = None,
    barrier: float = 1.0,
) -> Tensor:
    """Cost [B] of the lattice block and of atoms too close; with ``hessian`` and ``gradient`` their Gauss-Newton terms
    are added to those in place."""
    n = positions.shape[1]
    cost = torch.zeros(len(positions), dtype=torch.float64, device=positions.device)
    if lattice is not None and cells is not None and (gradient is None or gradient.shape[1] > 3 * n):
        value, rows = _lattice_rows(cells, n, lattice)
        cost = cost + value.square().sum(-1)
        if hessian is not None and gradient is not None:
            hessian[:, 3 * n :, 3 * n :] += rows.mT @ rows
            gradient[:, 3 * n :] += (rows.mT @ value[..., None])[..., 0]
    if barrier:
        limits = closest_approach(geometry.numbers, positions.device, positions.dtype)
        scale = geometry.scale(cells, len(positions))
        cost = cost + _add_barrier(positions, cells, limits, scale, barrier, hessian, gradient)
    return cost


def apply_step(
    geometry: GeometryMap, positions: Tensor, cells: Tensor | None, move: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Atoms moved by ``move[:, :3N]`` (length-scale units), then atoms and cell strained by ``move[:, 3N:]``."""
    b, n, _ = positions.shape
    scale = geometry.scale(cells, b)
    positions = positions + move[:, : 3 * n].unflatten(1, (n, 3)) * scale[:, None, None]
    if cells is None or move.shape[1] == 3 * n:
        return positions, cells
    strain = torch.eye(3, dtype=move.dtype, device=move.device).repeat(b, 1, 1)
    for k, (i, j) in enumerate(VOIGT):
        strain[:, i, j] += move[:, 3 * n + k]
        if i != j:
            strain[:, j, i] += move[:, 3 * n + k]
    return positions @ strain, cells @ strain


def _lattice_rows(cells: Tensor, natoms: int, target: LatticeTarget) -> tuple[Tensor, Tensor]:
    """Weighted differences [B, 7] of the lattice numbers and their derivative [B, 7, 6] by the strain (float64).

    Only the first, the volume's, when the shape has no weight.
    """
    cells = cells.double()
    block = torch.as_tensor(target.block, dtype=torch.float64, device=cells.device)
    volume = torch.linalg.det(cells).abs()
    if target.shape == 0.0:  # a drag asks for the volume alone, many times a second
        value = target.volume**0.5 * ((volume / natoms).log() - block[1])
        trace = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64, device=cells.device)
        return value[:, None], (target.volume**0.5 * trace).expand(len(cells), 1, 6)
    unit = cells / volume[:, None, None] ** (1.0 / 3.0)
    metric = unit @ unit.mT
    values, vectors = torch.linalg.eigh(metric)
    logs = values.log()
    logarithm = (vectors * logs[:, None, :]) @ vectors.mT
    # Daleckii and Krein: in the eigenbasis the derivative of a matrix function is a table of divided differences
    gap = values[:, :, None] - values[:, None, :]
    near = gap.abs() < 1e-9
    table = torch.where(
        near,
        1.0 / values[:, :, None].expand_as(gap),
        (logs[:, :, None] - logs[:, None, :]) / torch.where(near, torch.ones_like(gap), gap),
    )
    differences = [target.volume**0.5 * ((volume / natoms).log() - block[1])]
    differences += [
        target.shape**0.5 * (_MANDEL[m] * logarithm[:, i, j] - block[2 + m]) for m, (i, j) in enumerate(VOIGT)
    ]
    rows = torch.zeros(len(cells), 7, 6, dtype=torch.float64, device=cells.device)
    for k, (i, j) in enumerate(VOIGT):
        strain = torch.zeros(3, 3, dtype=torch.float64, device=cells.device)
        strain[i, j] = strain[j, i] = 1.0
        change = 2.0 * unit @ strain @ unit.mT - (2.0 / 3.0) * strain.trace() * metric
        slope = vectors @ (table * (vectors.mT @ change @ vectors)) @ vectors.mT
        rows[:, 0, k] = target.volume**0.5 * strain.trace()
        for m, (p, q) in enumerate(VOIGT):
            rows[:, 1 + m, k] = target.shape**0.5 * _MANDEL[m] * slope[:, p, q]
    return torch.stack(differences, -1), rows


def closest_approach(numbers: np.ndarray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Distances [N, N] (Angstrom) below which the barrier acts: a fraction of the sum of covalent radii."""
    radii = torch.as_tensor(COVALENT_RADII[numbers], dtype=dtype, device=device)
    return CLOSEST * (radii[:, None] + radii[None, :])


def _add_barrier(
    positions: Tensor,
    cells: Tensor | None,
    limits: Tensor,
    scale: Tensor,
    weight: float,
    hessian: Tensor | None,
    gradient: Tensor | None,
) -> Tensor:
    """Penalty weight * sum (1 - d/limit)^2 over pairs too close; adds its Gauss-Newton terms in place: cost [B]."""
    b, n, _ = positions.shape
    cost = torch.zeros(b, dtype=torch.float64, device=positions.device)
    edges = find_edges(positions, cells, limits.max().expand(b))
    vectors = edges.vectors(positions, cells)
    distance = vectors.norm(dim=-1)
    limit = limits[edges.centre, edges.neighbour]
    close = ((distance < limit) & (edges.centre <= edges.neighbour)).nonzero()[:, 0]
    if not len(close):
        return cost
    # in float32 a start with many clashes is common; a hundred rows per structure tell it what it needs to know
    close = close[: 100 * b]
    graph, i, j = edges.graph[close], edges.centre[close], edges.neighbour[close]
    vector, distance, limit = vectors[close].double(), distance[close].double().clamp(min=1e-3), limit[close].double()
    factor = weight**0.5
    value = factor * (1.0 - distance / limit)
    cost.index_add_(0, graph, value.square())
    if hessian is None or gradient is None:
        return cost
    free = gradient.shape[1]
    direction = vector / distance[:, None]
    rows = torch.zeros(len(close), free, dtype=torch.float64, device=positions.device)
    pull = -(factor / limit * scale.double()[graph])[:, None] * direction
    index = torch.arange(len(close), device=positions.device)
    for axis in range(3):
        rows.index_put_((index, 3 * j + axis), pull[:, axis], accumulate=True)
        rows.index_put_((index, 3 * i + axis), -pull[:, axis], accumulate=True)
    if free > 3 * n:
        for k, (p, q) in enumerate(VOIGT):
            stretch = direction[:, p] * vector[:, q] * (1.0 if p == q else 2.0)
            rows[:, 3 * n + k] = -factor / limit * stretch
    hessian.index_add_(0, graph, rows[:, :, None] * rows[:, None, :])
    gradient.index_add_(0, graph, rows * value[:, None])
    return cost
