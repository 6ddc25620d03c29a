"""How a node votes: from its scalars, vectors and quadrupoles to pairs of mirror images.

Everything happens at one node, on what the convolutions left there: cheap beside them. Invariants (scalars, and inner
products of vectors and of quadrupoles) go through a perceptron; what comes out are coefficients of the node's own
vectors, so that the votes turn with the structure. Cross products give the axial vectors of the pairs, triple products
the pseudoscalars that tell left from right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from e3nn import o3
from torch import nn


class Votes(NamedTuple):
    """``V`` votes a node: ``displacement [N, V, 3]`` in scaled units, ``confidence [N, V]`` logits, ``log_width
    [N, V]`` (scaled), ``types [N, V, elements]`` log probabilities over ``config.elements``."""

    displacement: torch.Tensor
    confidence: torch.Tensor
    log_width: torch.Tensor
    types: torch.Tensor


def _unit(vector: torch.Tensor, least: float = 1e-4) -> torch.Tensor:
    return vector / torch.sqrt(vector.square().sum(-1, keepdim=True) + least)


class VoteHead(nn.Module):
    """``multiplicities``: channels of degree 0, 1, 2; ``kinds``: number of elements; ``pairs`` of votes a node;
    ``wide``: width of the perceptron."""

    AXIAL = 12

    def __init__(self, multiplicities: tuple[int, int, int], kinds: int, pairs: int, wide: int) -> None:
        super().__init__()
        scalars, vectors, tensors = multiplicities
        self.sizes = (scalars, 3 * vectors, 5 * tensors)
        self.pairs, self.kinds = pairs, kinds
        count = vectors + tensors  # the vectors, and one that each quadrupole makes of them
        self.seen = nn.Parameter(torch.randn(tensors, vectors) / math.sqrt(vectors))
        self.mixed = nn.Parameter(torch.randn(3, self.AXIAL, count) / math.sqrt(count))
        self.register_buffer("triangle", torch.triu_indices(count, count), persistent=False)
        self.register_buffer("square", torch.triu_indices(tensors, tensors), persistent=False)
        self.register_buffer("basis", o3.wigner_3j(1, 1, 2).float(), persistent=False)
        self.triangle: torch.Tensor
        self.square: torch.Tensor
        self.basis: torch.Tensor
        invariants = 2 * scalars + self.triangle.shape[1] + self.square.shape[1]
        self.share = (count, self.AXIAL, self.AXIAL, 5, kinds)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(invariants),
            nn.Linear(invariants, wide),
            nn.SiLU(),
            nn.Linear(wide, wide),
            nn.SiLU(),
            nn.Linear(wide, pairs * sum(self.share)),
        )

    def forward(self, h: torch.Tensor, embedded: torch.Tensor) -> Votes:
        """``h [N, irreps]``: what the convolutions know; ``embedded [N, scalars]``: the species."""
        n, pairs = len(h), self.pairs
        scalars, vectors, tensors = h.split(self.sizes, dim=1)
        v = vectors.view(n, -1, 3)
        q = tensors.view(n, -1, 5)
        turned = torch.einsum("nqm,ijm,qv,nvj->nqi", q, self.basis.to(h.dtype), self.seen, v)
        v = torch.cat([v, turned], dim=1)
        inner, outer = v @ v.transpose(1, 2), q @ q.transpose(1, 2)
        features = [scalars, embedded, inner[:, self.triangle[0], self.triangle[1]]]
        features.append(outer[:, self.square[0], self.square[1]])
        out = self.perceptron(torch.cat(features, dim=1)).view(n, pairs, -1)
        along, across, side, rest, types = out.split(self.share, dim=-1)
        a, b, c = (self.mixed.unsqueeze(1) @ v).unbind(0)  # [N, 12, 3] each
        axial = torch.linalg.cross(a, b, dim=-1)
        polar = _unit(along @ v)
        normal = _unit(across @ _unit(axial, 1e-3))
        # a polar times an axial vector is a pseudoscalar: it tells the two of a pair apart
        handed = (_unit(axial, 1e-3) * _unit(c, 1e-3)).sum(-1)
        left = (side * handed.unsqueeze(1)).sum(-1)
        # directions with lengths of their own: bond lengths are learned as scalars, not as sizes of a sum of vectors
        reach = torch.nn.functional.softplus(rest[..., 0:1])
        one, other = torch.cos(rest[..., 1:2]) * reach * polar, torch.sin(rest[..., 1:2]) * reach * normal
        displacement = torch.stack([one + other, one - other], dim=2)
        confidence = torch.stack([rest[..., 2] + left, rest[..., 2] - left], dim=2)
        width = math.log(0.01) + 5.0 * torch.sigmoid(rest[..., 3])  # 0.01 to 1.5
        return Votes(
            displacement.flatten(1, 2),
            confidence.flatten(1),
            width.unsqueeze(2).expand_as(confidence).flatten(1),
            types.log_softmax(-1).unsqueeze(2).expand(n, pairs, 2, -1).flatten(1, 2),
        )
