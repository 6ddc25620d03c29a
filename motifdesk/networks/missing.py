"""The missing atom: what belongs into the hole of a structure, and where, by the votes of its surroundings.

The experiment of N. Thomas et al., Tensor field networks, arXiv:1802.08219, section 5.3: one atom of a molecule is
removed; each of the N - 1 others returns a displacement to where it thinks the atom was, a confidence, and scores for
the element. Three things differ here.

- The votes are the components of a Gaussian mixture, so that one loss, its negative log likelihood, teaches
  displacement, confidence and element alike: ``-log sum_v softmax(c)_v N(r; r_v + d_v, s_v) p_v(Z)``.
- A vote is a pair of mirror images, ``d = reach (cos(t) u +- sin(t) n)``, with a polar unit vector ``u`` and an axial
  one ``n``. A single equivariant vector cannot say "above or below this plane": it would point between the two, where
  no atom ever is (a hydroxyl's hydrogen, the second one of an amine). A pseudoscalar tells which of the two is
  likelier.
- In crystals the middles of the voids (:mod:`motifdesk.networks.missing_voids`) listen and vote too: an atom on a
  centre of inversion can point nowhere. A vote counts through all periodic images of the hole.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.batch import MAX_NUMBER, GraphBatch
from motifdesk.networks.convolution import Edges, chain
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing_head import VoteHead, Votes


@dataclass(frozen=True)
class MissingConfig:
    """Sizes of :class:`MissingAtom`; lengths in units of the structure's own (2 Angstrom for molecules).

    ``multiplicities``: channels of degree 0, 1, 2. ``radial``, ``hidden``, ``norm``: see ``Convolution``. ``pairs``:
    pairs of votes a node; ``wide``: width of the head that casts them. ``voids``: whether the voids of a crystal
    vote too. ``present``: added, when a trained network is asked, to the logits of elements that are there already.
    """

    cutoff: float = 2.2
    layers: int = 3
    multiplicities: tuple[int, int, int] = (32, 16, 8)
    radial: int = 8
    hidden: int = 32
    norm: float = 3.5
    pairs: int = 2
    wide: int = 128
    voids: bool = False
    present: float = 0.0
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


class MissingAtom(nn.Module):
    """Tensor field network of ``config.layers`` gated convolutions and a head; ``forward(batch) -> Votes``.

    Nodes of atomic number 0 are voids: they listen to atoms and say nothing.
    """

    def __init__(self, config: MissingConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or MissingConfig()
        scalars, kinds = c.multiplicities[0], len(c.elements)
        index = torch.full((MAX_NUMBER + 1,), -1)
        index[list(c.elements)] = torch.arange(kinds)
        if c.voids:
            index[0] = kinds
        self.register_buffer("index", index, persistent=False)
        self.index: torch.Tensor
        self.species = nn.Parameter(torch.randn(kinds + int(c.voids), scalars))
        start = o3.Irreps([(scalars, "0e")])
        self.layers = chain(start, c.multiplicities, c.layers, radial=c.radial, hidden=c.hidden, norm=c.norm)
        self.votes = VoteHead(c.multiplicities, kinds, c.pairs, c.wide)

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

    def features(self, batch: GraphBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the convolutions know of each node, ``[N, 32x0e+16x1o+8x2e]``, and its species embedded, ``[N, 32]``."""
        c = self.config
        embedded = self.species[self.check(batch.numbers)]
        edges = Edges(batch.edge_scaled, batch.edge_index, len(c.multiplicities) - 1, c.cutoff, c.radial)
        h = embedded
        for layer in self.layers:
            h = layer(h, edges)
        return h, embedded

    def forward(self, batch: GraphBatch) -> Votes:
        votes = self.votes(*self.features(batch))
        if not self.config.present:
            return votes
        there = votes.types.new_zeros(batch.num_graphs, len(self.config.elements))
        atoms = batch.numbers > 0
        there[batch.batch[atoms], self.index[batch.numbers[atoms]]] = self.config.present
        return votes._replace(types=(votes.types + there[batch.batch].unsqueeze(1)).log_softmax(-1))


class Holes(NamedTuple):
    """What was removed: ``offset [N, M, 3]``, from each node to the M nearest images of the hole (scaled; M = 1 for
    molecules); ``species [B]``."""

    offset: torch.Tensor
    species: torch.Tensor


def negative_log_likelihood(votes: Votes, holes: Holes, member: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``[B]``: the loss of the module's docstring. ``member [N]``: the structure of each node; ``index [118 + 1]``:
    place of an element among the types."""
    count = len(holes.species)
    weight = votes.confidence - graph_logsumexp(votes.confidence.logsumexp(1), member, count)[member].unsqueeze(1)
    miss = (holes.offset.unsqueeze(1) - votes.displacement.unsqueeze(2)).square().sum(-1)  # [N, V, M]
    width = votes.log_width
    images = torch.logsumexp(-0.5 * miss * torch.exp(-2 * width).unsqueeze(2), dim=2)
    gauss = images - 3.0 * width - 1.5 * math.log(2 * math.pi)
    asked = index[holes.species][member].view(-1, 1, 1).expand(-1, width.shape[1], 1)
    kind = votes.types.gather(2, asked).squeeze(2)
    return -graph_logsumexp((weight + gauss + kind).logsumexp(1), member, count)


def graph_logsumexp(values: torch.Tensor, member: torch.Tensor, count: int) -> torch.Tensor:
    """``[N] -> [count]``."""
    top = values.new_full((count,), -torch.inf).scatter_reduce(0, member, values.detach(), "amax")
    total = values.new_zeros(count).index_add(0, member, torch.exp(values - top[member]))
    return top + torch.log(total)
