"""The missing atom: every atom votes what belongs into a hole of its structure, and where.

The experiment of N. Thomas et al., Tensor field networks, arXiv:1802.08219, section 5.3: one atom of a molecule is
removed; each of the N - 1 others returns a displacement to where it thinks the atom was, a confidence, and scores for
the element. Here the votes are the components of a Gaussian mixture, so that one loss, its negative log likelihood,
teaches all three: ``-log sum_a softmax(c)_a N(r; r_a + d_a, s_a) p_a(Z)``. Crystals differ in nothing but periodic
images: a vote counts at the image nearest to the atom asked about.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.batch import MAX_NUMBER, GraphBatch
from motifdesk.networks.convolution import Convolution, Edges
from motifdesk.networks.errors import NetworkError


@dataclass(frozen=True)
class MissingConfig:
    """Sizes of :class:`MissingAtom`; cutoff in units of the structure's own length (2 Angstrom for molecules)."""

    cutoff: float = 2.2
    layers: int = 3
    multiplicities: tuple[int, ...] = (32, 16, 8)
    radial: int = 8
    hidden: int = 32
    norm: float = 3.5
    elements: tuple[int, ...] = (1, 6, 7, 8)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> MissingConfig:
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise NetworkError(
                f"unknown settings {sorted(unknown)}",
                where="configuration of the missing-atom network",
                remedy="The weights come from another version of motifdesk; use matching ones.",
            )
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)


class Votes(NamedTuple):
    """One vote per atom: ``displacement [N, 3]`` in scaled units, ``confidence [N]`` logits, ``log_width [N]``
    (scaled), ``types [N, elements]`` log probabilities over ``config.elements``."""

    displacement: torch.Tensor
    confidence: torch.Tensor
    log_width: torch.Tensor
    types: torch.Tensor


class MissingAtom(nn.Module):
    """Tensor field network of ``config.layers`` gated convolutions; ``forward(batch) -> Votes``."""

    def __init__(self, config: MissingConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or MissingConfig()
        scalars = c.multiplicities[0]
        index = torch.full((MAX_NUMBER + 1,), -1)
        index[list(c.elements)] = torch.arange(len(c.elements))
        self.register_buffer("index", index, persistent=False)
        self.index: torch.Tensor
        self.species = nn.Parameter(torch.randn(len(c.elements), scalars))
        irreps = o3.Irreps([(scalars, "0e")])
        layers = []
        for _ in range(c.layers):
            layer = Convolution(
                irreps,
                c.multiplicities,
                l_max=len(c.multiplicities) - 1,
                radial=c.radial,
                hidden=c.hidden,
                norm=c.norm,
            )
            layers.append(layer)
            irreps = layer.irreps_out
        self.layers = nn.ModuleList(layers)
        self.irreps = irreps
        self.vector = o3.Linear(irreps, o3.Irreps("1x1o"))
        self.reach = nn.Sequential(nn.Linear(2 * scalars, scalars), nn.SiLU(), nn.Linear(scalars, 1))
        self.head = nn.Sequential(
            nn.Linear(2 * scalars, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, len(c.elements) + 2)
        )

    def check(self, numbers: torch.Tensor) -> torch.Tensor:
        """Indices of the species ``[N]``; a ``NetworkError`` for elements the weights do not know."""
        index = self.index[numbers]
        if (index < 0).any():
            bad = sorted(set(numbers[index < 0].tolist()))
            raise NetworkError(
                f"atomic numbers {bad} are unknown to these weights",
                where="missing atom",
                remedy="Use weights trained with these elements.",
            )
        return index

    def forward(self, batch: GraphBatch) -> Votes:
        c = self.config
        embedded = self.species[self.check(batch.numbers)]
        edges = Edges(batch.edge_scaled, batch.edge_index, len(c.multiplicities) - 1, c.cutoff, c.radial)
        h = embedded
        for layer in self.layers:
            h = layer(h, edges)
        scalars = torch.cat([h[:, : c.multiplicities[0]], embedded], dim=1)
        # a direction with a length of its own: bond lengths are learned as scalars, not as sizes of a sum of vectors
        direction = self.vector(h)
        direction = direction / torch.sqrt(direction.square().sum(-1, keepdim=True) + 1e-4)
        reach = torch.nn.functional.softplus(self.reach(scalars))
        out = self.head(scalars)
        width = math.log(0.01) + 5.0 * torch.sigmoid(out[:, 1])  # 0.01 to 1.5 in scaled units
        return Votes(direction * reach, out[:, 0], width, out[:, 2:].log_softmax(-1))


class Holes(NamedTuple):
    """What was removed: ``offset [N, 3]``, from each atom to the hole (nearest image, scaled); ``species [B]``."""

    offset: torch.Tensor
    species: torch.Tensor


def negative_log_likelihood(votes: Votes, holes: Holes, batch: GraphBatch, index: torch.Tensor) -> torch.Tensor:
    """``[B]``: the loss of the module's docstring. ``index [118 + 1]``: place of an element among the types."""
    weight = graph_log_softmax(votes.confidence, batch)
    miss = (holes.offset - votes.displacement).square().sum(-1)
    width = votes.log_width
    gauss = -0.5 * miss * torch.exp(-2 * width) - 3.0 * width - 1.5 * math.log(2 * math.pi)
    asked = index[holes.species][batch.batch]
    kind = votes.types.gather(1, asked.unsqueeze(1)).squeeze(1)
    return -graph_logsumexp(weight + gauss + kind, batch)


def graph_logsumexp(values: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """``[N] -> [B]``."""
    top = values.new_full((batch.num_graphs,), -torch.inf).scatter_reduce(0, batch.batch, values.detach(), "amax")
    total = values.new_zeros(batch.num_graphs).index_add(0, batch.batch, torch.exp(values - top[batch.batch]))
    return top + torch.log(total)


def graph_log_softmax(values: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """``[N] -> [N]``, normalised within each structure."""
    return values - graph_logsumexp(values, batch)[batch.batch]


class Proposal(NamedTuple):
    """An answer: ``position [3]`` (the frame of the votes), ``species [elements]`` probabilities, ``confidence`` the
    share of the vote that agrees with it (0 to 1), ``spread`` the weighted root mean square distance of those votes."""

    position: torch.Tensor
    species: torch.Tensor
    confidence: float
    spread: float


def count_votes(
    places: torch.Tensor, weight: torch.Tensor, width: torch.Tensor, types: torch.Tensor, reach: float
) -> Proposal:
    """Peak of the mixture: start at the vote with the highest mixture density, then average the votes within ``reach``.

    ``places [N, 3]``, ``weight [N]`` (sum 1), ``width [N]``, ``types [N, elements]`` log probabilities. Averages are
    weighted with ``weight / width**2``, so that votes that know the place better count more.
    """
    squared = (places[:, None] - places[None]).square().sum(-1)
    density = torch.logsumexp(
        torch.log(weight)[None] - 3.0 * torch.log(width)[None] - 0.5 * squared / width[None] ** 2, 1
    )
    centre = places[int(density.argmax())]
    for _ in range(5):
        near = (places - centre).square().sum(-1) <= reach * reach
        precise = torch.where(near, weight / width**2, torch.zeros_like(weight))
        centre = (precise[:, None] * places).sum(0) / precise.sum()
    near = (places - centre).square().sum(-1) <= reach * reach
    share = torch.where(near, weight, torch.zeros_like(weight))
    total = share.sum()
    species = (share[:, None] * types.exp()).sum(0) / total
    spread = torch.sqrt((share * (places - centre).square().sum(-1)).sum() / total)
    return Proposal(centre, species, float(total), float(spread))
