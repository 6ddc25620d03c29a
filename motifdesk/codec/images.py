"""Neighbour search over periodic images, vectorised over a batch of structures with the same number of atoms.

Own code because a refinement needs the list of many small, changing cells at once, on any device, and the usual
libraries build one list per call on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 20_000_000  # distances held at once (about 0.5 GB with their temporaries)


@dataclass
class Edges:
    """Directed edges ``j -> i`` of B structures with N atoms; r_ij = x_j + shift @ cell - x_i, |r_ij| < reach.

    Attributes:
        graph, centre, neighbour: int64 [E], structure and atoms (0..N-1), sorted by structure, then centre.
        shift: float [E, 3], lattice translations of the neighbour (zeros for molecules).
    """

    graph: Tensor
    centre: Tensor
    neighbour: Tensor
    shift: Tensor

    def vectors(self, positions: Tensor, cells: Tensor | None) -> Tensor:
        """Edge vectors, Angstrom, [E, 3], of ``positions`` [B, N, 3] and ``cells`` [B, 3, 3] (rows)."""
        n = positions.shape[1]
        flat = positions.reshape(-1, 3)
        base = self.graph * n
        vectors = flat[base + self.neighbour] - flat[base + self.centre]
        if cells is not None:
            vectors = vectors + torch.einsum("ek,ekc->ec", self.shift, cells[self.graph])
        return vectors


def find_edges(positions: Tensor, cells: Tensor | None, reach: Tensor) -> Edges:
    """All pairs closer than ``reach`` (Angstrom, [B]) with all periodic images; an atom is no neighbour of itself.

    Args:
        positions: float [B, N, 3] Cartesian, Angstrom; need not lie inside the cell.
        cells: float [B, 3, 3], rows; ``None`` for molecules.
    """
    b, n, _ = positions.shape
    device, dtype = positions.device, positions.dtype
    if cells is None:
        vectors = positions[:, None, :, :] - positions[:, :, None, :]
        close = (vectors.square().sum(-1) < reach.square()[:, None, None]) & ~torch.eye(
            n, dtype=torch.bool, device=device
        )
        graph, centre, neighbour = close.nonzero(as_tuple=True)
        return Edges(graph, centre, neighbour, torch.zeros(len(graph), 3, dtype=dtype, device=device))

    inverse = torch.linalg.inv(cells)
    fractional = positions @ inverse
    wrapped = torch.floor(fractional)
    inside = (fractional - wrapped) @ cells
    # a sphere of radius reach around a point crosses ceil(reach / height) cells beyond the neighbour's own in each
    # direction; the columns of the inverse have length 1 / height
    heights = inverse.norm(dim=1).reciprocal()
    span = torch.ceil(reach[:, None] / heights).amax(0).to(torch.int64).tolist()
    axes = [torch.arange(-k, k + 1, device=device, dtype=dtype) for k in span]
    shifts = torch.cartesian_prod(*axes)
    step = max(1, _BLOCK // max(1, n * n * len(shifts)))
    parts = []
    for start in range(0, b, step):
        stop = min(b, start + step)
        # shells of cells that no atom of this block can reach are dropped before the pairs are formed
        offsets = shifts @ cells[start:stop]  # [b, K, 3]
        pairs = inside[start:stop, None, :, :] - inside[start:stop, :, None, :]  # [b, i, j, 3]
        limit = reach[start:stop]
        longest = pairs.square().sum(-1).amax((1, 2)).sqrt()
        kept = (offsets.square().sum(-1).sqrt() < (limit + longest)[:, None]).any(0).nonzero()[:, 0]
        offsets = offsets[:, kept]
        # |p + t|^2 = |p|^2 + 2 p.t + |t|^2: one product instead of a [b, i, j, K, 3] array
        flat = pairs.reshape(stop - start, n * n, 3)
        squared = flat.square().sum(-1)[..., None] + offsets.square().sum(-1)[:, None, :] + 2.0 * flat @ offsets.mT
        squared = squared.reshape(stop - start, n, n, -1)
        close = squared < limit.square()[:, None, None, None]
        zero = (shifts[kept] == 0).all(-1).nonzero()
        if len(zero):  # the atom itself; its images are neighbours
            diagonal = torch.arange(n, device=device)
            close[:, diagonal, diagonal, zero[0, 0]] = False
        graph, centre, neighbour, image = close.nonzero(as_tuple=True)
        graph = graph + start
        shift = shifts[kept][image] - wrapped[graph, neighbour] + wrapped[graph, centre]
        parts.append((graph, centre, neighbour, shift))
    return Edges(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
