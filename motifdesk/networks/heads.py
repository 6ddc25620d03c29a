"""What is read from codes: properties from the root, and (while training) the motif hierarchy from every level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from motifdesk.networks.batch import MAX_NUMBER, GraphBatch
from motifdesk.networks.encoder import Encoder

GROUPS = 6


def element_groups() -> torch.Tensor:
    """Chemical family of each element, ``[119]``: electropositive, d metals, p metals and metalloids, H C N P,
    chalcogens, halogens and noble gases."""
    group = torch.ones(MAX_NUMBER + 1, dtype=torch.long)
    electropositive = [3, 4, 11, 12, 19, 20, 21, 37, 38, 39, 55, 56, *range(57, 72), 87, 88, *range(89, 104)]
    families = (
        electropositive,
        None,
        [5, 13, 14, 31, 32, 33, 49, 50, 51, 81, 82, 83, 84, *range(113, 117)],
        [1, 6, 7, 15],
        [8, 16, 34, 52],
        [2, 9, 10, 17, 18, 35, 36, 53, 54, 85, 86, 117, 118],
    )
    for k, members in enumerate(families):
        if members is not None:
            group[members] = k
    return group


class PropertyHeads(nn.Module):
    """Scalar properties from the root: an additive composition term plus an MLP on the root's blocks.

    Input: ``geometry [B, width]`` (standardised code), ``fractions [B, 118]`` (element counts over their sum),
    ``log_volume [B]`` (``3 log s``, i.e. ``log(V/N)`` for crystals). Output: name -> ``[B]`` in the property's unit.
    Properties are those of relaxed crystals at the level of theory of the corpora; for a molecule they mean nothing.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, names: Sequence[str], width: int, hidden: int = 192, dropout: float = 0.1) -> None:
        super().__init__()
        self.names = tuple(names)
        self.hidden = hidden
        self.mlp = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(width + MAX_NUMBER + 1, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
                )
                for name in self.names
            }
        )
        self.composition = nn.ModuleDict({name: nn.Linear(MAX_NUMBER, 1) for name in self.names})
        self.register_buffer("mean", torch.zeros(len(self.names)))
        self.register_buffer("std", torch.ones(len(self.names)))

    def normalised(self, geometry: torch.Tensor, fractions: torch.Tensor, log_volume: torch.Tensor) -> torch.Tensor:
        """Predictions in units of each property's spread, ``[B, names]``."""
        x = torch.cat([geometry, fractions * 3.0, log_volume.unsqueeze(-1) - 2.7], dim=1)
        return torch.cat([self.mlp[n](x) + self.composition[n](fractions) for n in self.names], dim=1)

    def forward(
        self, geometry: torch.Tensor, fractions: torch.Tensor, log_volume: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if not self.names:
            return {}
        values = self.normalised(geometry, fractions, log_volume) * self.std + self.mean
        return dict(zip(self.names, values.unbind(dim=1), strict=True))

    def predict(self, geometry: torch.Tensor, batch: GraphBatch) -> dict[str, torch.Tensor]:
        """Properties of encoded graphs."""
        return self(geometry, fractions_of(batch), 3.0 * batch.scale.log())

    @torch.no_grad()
    def follow_standardisation(
        self, old: tuple[torch.Tensor, torch.Tensor], new: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        """Keep predictions when the code's (mean, std) change from ``old`` to ``new``."""
        for name in self.names:
            mlp: Any = self.mlp[name]
            _refit(mlp[0], old, new)


@torch.no_grad()
def _refit(layer: Any, old: tuple[torch.Tensor, torch.Tensor], new: tuple[torch.Tensor, torch.Tensor]) -> None:
    width = len(old[0])
    weight = layer.weight[:, :width].clone()
    layer.bias.add_(weight @ ((new[0] - old[0]) / old[1]))
    layer.weight[:, :width] = weight * (new[1] / old[1])


def fractions_of(batch: GraphBatch) -> torch.Tensor:
    """Element fractions ``[B, 118]``."""
    counts = batch.counts(MAX_NUMBER)
    return counts / counts.sum(dim=1, keepdim=True)


# -- what a point must remember: targets and the heads that recall them ------------------------------------------------


@torch.no_grad()
def shell_power(density: torch.Tensor) -> torch.Tensor:
    """Radial and angular distribution around atoms from the blind density ``[N, radial, lm]``: ``[N, 8 + 36 l_max]``.

    Radial densities (l = 0) as they are; for l >= 1 the power spectrum ``sum_m A_n A_n' / (2l+1)``, n <= n'.
    """
    n, radial, harmonics = density.shape
    parts, start, degree = [density[:, :, 0]], 1, 1
    upper = torch.triu_indices(radial, radial, device=density.device)
    while start < harmonics:
        block = density[:, :, start : start + 2 * degree + 1]
        gram = torch.bmm(block, block.transpose(1, 2)) / (2 * degree + 1)
        parts.append(gram[:, upper[0], upper[1]])
        start, degree = start + 2 * degree + 1, degree + 1
    return torch.cat(parts, dim=1)


@torch.no_grad()
def family_shells(basis: torch.Tensor, batch: GraphBatch, family: torch.Tensor, norm: float) -> torch.Tensor:
    """Radial density of each chemical family around atoms, ``[N, GROUPS, radial]``."""
    centre, neighbour = batch.edge_index
    row = centre * GROUPS + family[batch.numbers[neighbour]]
    out = basis.new_zeros(batch.num_atoms * GROUPS, basis.shape[1])
    return out.index_add(0, row, basis[:, :, 0] / norm).view(batch.num_atoms, GROUPS, -1)


def graph_mean(values: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """Mean over the atoms of each graph, ``[N, ...] -> [B, ...]``."""
    out = values.new_zeros(batch.num_graphs, *values.shape[1:]).index_add(0, batch.batch, values)
    return out / batch.natoms.view(-1, *[1] * (values.dim() - 1)).to(values.dtype)


@torch.no_grad()
def recall_targets(
    basis: torch.Tensor, blind_density: torch.Tensor, batch: GraphBatch, family: torch.Tensor, norm: float
) -> dict[str, torch.Tensor]:
    """Everything the codes should give back.

    ``atom_shell [N, 116]``: :func:`shell_power`; ``atom_family [N, 48]``: :func:`family_shells`;
    ``root_shell [B, 232]``: mean and spread over atoms of ``atom_shell``; ``root_pairs [B, 168]``: the partial radial
    distribution of each pair of chemical families.
    """
    shell = shell_power(blind_density)
    shells = family_shells(basis, batch, family, norm)
    mean = graph_mean(shell, batch)
    spread = graph_mean((shell - mean[batch.batch]).square(), batch).sqrt()
    pairs = shells.new_zeros(batch.num_graphs * GROUPS, GROUPS * shells.shape[2])
    pairs = pairs.index_add(0, batch.batch * GROUPS + family[batch.numbers], shells.flatten(1))
    pairs = pairs.view(batch.num_graphs, GROUPS, GROUPS, -1) / batch.natoms.view(-1, 1, 1, 1).to(shells.dtype)
    upper = torch.triu_indices(GROUPS, GROUPS, device=family.device)
    return {
        "atom_shell": shell,
        "atom_family": shells.flatten(1),
        "root_shell": torch.cat([mean, spread], dim=1),
        "root_pairs": pairs[:, upper[0], upper[1]].flatten(1),
    }


class RecallHeads(nn.Module):
    """Small decoders used while training: atoms' codes give back their shells, roots their structure's statistics."""

    family: torch.Tensor

    def __init__(self, encoder: Encoder, hidden: int = 256) -> None:
        super().__init__()
        c = encoder.config
        shell = c.radial + c.l_max * c.radial * (c.radial + 1) // 2
        family, pairs = GROUPS * c.radial, GROUPS * (GROUPS + 1) // 2 * c.radial
        self.sizes = {"atom_shell": shell, "atom_family": family, "root_shell": 2 * shell, "root_pairs": pairs}
        self.atom_blind = self._mlp(c.out_blind, hidden, shell)
        self.atom_aware = self._mlp(c.out_aware, hidden, shell + family)
        self.own_element = nn.Linear(c.out_aware, MAX_NUMBER + 1)
        self.root_blind = self._mlp(2 * c.out_blind, hidden, 2 * shell)
        self.root_aware = self._mlp(2 * c.out_aware, hidden, pairs)
        self.composition = nn.Linear(2 * c.out_aware, MAX_NUMBER)
        self.log_gain = nn.Parameter(torch.zeros(2))  # code distance per scaled displacement, aware and blind
        for name, size in self.sizes.items():
            self.register_buffer(f"mean_{name}", torch.zeros(size))
            self.register_buffer(f"std_{name}", torch.ones(size))
        self.register_buffer("family", element_groups())

    @staticmethod
    def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))

    @torch.no_grad()
    def calibrate(self, batches: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Fix the scale of every target from a sample."""
        for name in self.sizes:
            values = torch.cat([b[name] for b in batches])
            getattr(self, f"mean_{name}").copy_(values.mean(0))
            getattr(self, f"std_{name}").copy_(values.std(0).clamp_min(1e-3 * values.std().item() + 1e-8))

    @torch.no_grad()
    def follow_standardisation(
        self, old: tuple[torch.Tensor, torch.Tensor], new: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        """Keep what the root gives back when the code's (mean, std) change from ``old`` to ``new``."""
        split = self.composition.in_features
        for layer, part in (
            (self.root_aware[0], slice(None, split)),
            (self.composition, slice(None, split)),
            (self.root_blind[0], slice(split, None)),
        ):
            _refit(layer, (old[0][part], old[1][part]), (new[0][part], new[1][part]))

    def target(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return ((value - getattr(self, f"mean_{name}")) / getattr(self, f"std_{name}")).clamp(-6.0, 6.0)

    def forward(
        self,
        atoms: Mapping[str, torch.Tensor],
        root: torch.Tensor,
        batch: GraphBatch,
        targets: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Losses: mean square error in units of each target's variance (1 = knows nothing), and cross entropies."""
        t = {name: self.target(name, targets[name]) for name in self.sizes}
        split = 2 * self.own_element.in_features
        shell = self.atom_aware(atoms["aware"])
        blind = self.atom_blind(atoms["blind"])
        mse = nn.functional.mse_loss
        log_fractions = self.composition(root[:, :split]).log_softmax(dim=1)
        return {
            "atom_blind": mse(blind, t["atom_shell"]),
            "atom_aware": mse(shell, torch.cat([t["atom_shell"], t["atom_family"]], dim=1)),
            "own_element": nn.functional.cross_entropy(self.own_element(atoms["aware"]), batch.numbers),
            "root_blind": mse(self.root_blind(root[:, split:]), t["root_shell"]),
            "root_aware": mse(self.root_aware(root[:, :split]), t["root_pairs"]),
            "composition": -(fractions_of(batch) * log_fractions).sum(dim=1).mean(),
        }
