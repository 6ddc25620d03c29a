"""The encoder: one tensor field convolution, two towers, and the pooling that reduces a structure to one point.

For every atom ``i`` and its neighbours ``j`` (all periodic images within the cutoff, distances ``d`` scaled)::

    A_i[ch, n, lm] = sum_j e[Z_j, ch] R_n(d_ij) Y_lm(r_ij) / norm          convolution from scalars (learned tables e)
    M_i[l, k, m]   = o3.Linear(A_i)                                        learned radial functions: mixes (ch, n) per l
    P_i            = [M_i[0, k]] + [sqrt(sum_m M_i[l,k,m]^2/(2l+1) + delta) - sqrt(delta)]   for l = 1..l_max
    h_i            = MLP(P_i [, own species])

The *aware* tower has learned species channels; the *blind* tower has the single channel 1, so that it sees geometry
without chemistry. The structure's code is ``[mean_i h_aware, std_i h_aware, mean_i h_blind, std_i h_blind]`` with
``std = sqrt(var + eps)``, standardised by fixed means and deviations of the training set. Both ``delta`` and ``eps``
keep the code smooth at symmetric structures, where a norm or a spread would have a cusp.

Everything before the MLP is linear in the tensors, so ``h`` is invariant under rotation and inversion exactly, ``M``
rotates by Wigner matrices, and the mean does not see which cell was chosen.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.basis import radial_basis
from motifdesk.networks.batch import MAX_NUMBER, GraphBatch
from motifdesk.networks.errors import NetworkError

_PADDED_GROUPS = 4  # atoms are padded with others of like neighbour count


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and constants of :class:`Encoder`; lengths in units of the structure's own length."""

    cutoff: float = 2.6
    radial: int = 8
    envelope_power: int = 6
    l_max: int = 3
    channels: int = 8
    mix_aware: int = 48
    mix_blind: int = 16
    delta: float = 0.01
    norm: float = 3.0  # brings the l >= 1 parts of A near one; sqrt(mean neighbour count) is 8.6
    species_features: int = 16
    hidden_aware: int = 256
    out_aware: int = 128
    hidden_blind: int = 128
    out_blind: int = 64
    std_epsilon: float = 0.01

    @property
    def width(self) -> int:
        """Width of the pooled code."""
        return 2 * (self.out_aware + self.out_blind)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> EncoderConfig:
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise NetworkError(
                f"unknown settings {sorted(unknown)}",
                where="encoder configuration",
                remedy="The weights come from another version of motifdesk; use matching ones.",
            )
        return cls(**values)


def _periodic_table_features() -> torch.Tensor:
    """Smooth coordinates of the elements ``[119, 6]`` (period, group, block), so that neighbours start alike."""
    ends = [0, 2, 10, 18, 36, 54, 86, 118]
    out = torch.zeros(MAX_NUMBER + 1, 6, dtype=torch.float64)
    for z in range(1, MAX_NUMBER + 1):
        period = next(p for p in range(1, 8) if z <= ends[p])
        length = ends[period] - ends[period - 1]
        place = z - ends[period - 1]  # 1..length
        from_end = length - place  # 0 for noble gases
        f_block = length == 32 and 3 <= place <= 16
        p_block = from_end < 6 and length > 2
        group = place if place <= 2 else (3 if f_block else 18 - from_end)
        angle = 2 * math.pi * group / 18
        out[z] = torch.tensor(
            [
                period / 3.5 - 1,
                math.sin(angle),
                math.cos(angle),
                group / 9 - 1,
                1.0 if p_block else -0.3,
                1.0 + place / 16 if f_block else -0.2,
            ]
        )
    return out


class Encoder(nn.Module):
    """The equivariant encoder of the module's docstring.

    Weights by name: ``species [119, channels]`` (the table e), ``own [119, species_features]``, ``mix_aware`` and
    ``mix_blind`` (``o3.Linear``; as plain matrices: :meth:`mixing_matrices`), ``mlp_aware`` and ``mlp_blind``
    (``nn.Sequential(Linear, SiLU, Linear)``), buffers ``code_mean``, ``code_std [width]``.
    """

    code_mean: torch.Tensor
    code_std: torch.Tensor

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or EncoderConfig()
        degrees = range(c.l_max + 1)

        def blocks(multiplicity: int) -> o3.Irreps:
            return o3.Irreps([(multiplicity, (degree, (-1) ** degree)) for degree in degrees])

        self.irreps_input_aware = blocks(c.channels * c.radial)
        self.irreps_input_blind = blocks(c.radial)
        self.irreps_aware = blocks(c.mix_aware)
        self.irreps_blind = blocks(c.mix_blind)
        self.harmonics = o3.SphericalHarmonics(list(degrees), normalize=True, normalization="component")
        features = _periodic_table_features()
        self.species = nn.Parameter(self._table(features, c.channels))
        self.own = nn.Parameter(self._table(features, c.species_features))
        self.mix_aware = o3.Linear(self.irreps_input_aware, self.irreps_aware)
        self.mix_blind = o3.Linear(self.irreps_input_blind, self.irreps_blind)
        invariants = c.mix_aware * (c.l_max + 1)
        self.mlp_aware = nn.Sequential(
            nn.Linear(invariants + c.species_features, c.hidden_aware),
            nn.SiLU(),
            nn.Linear(c.hidden_aware, c.out_aware),
        )
        self.mlp_blind = nn.Sequential(
            nn.Linear(c.mix_blind * (c.l_max + 1), c.hidden_blind), nn.SiLU(), nn.Linear(c.hidden_blind, c.out_blind)
        )
        with torch.no_grad():  # atoms' codes start with spreads well above sqrt(std_epsilon)
            for mlp in (self.mlp_aware, self.mlp_blind):
                last: Any = mlp[2]
                last.weight.mul_(3.0)
        self.register_buffer("code_mean", torch.zeros(c.width))
        self.register_buffer("code_std", torch.ones(c.width))

    @staticmethod
    def _table(features: torch.Tensor, width: int) -> torch.Tensor:
        table = features @ torch.randn(features.shape[1], width, dtype=torch.float64) / math.sqrt(features.shape[1])
        table = table + 0.3 * torch.randn(len(table), width, dtype=torch.float64)
        return (table / table.std()).to(torch.get_default_dtype())

    # -- pieces, in the order in which they act ------------------------------------------------------------------------

    def edge_basis(self, batch: GraphBatch) -> torch.Tensor:
        """``R_n(d) Y_lm`` of every edge, ``[E, radial, (l_max+1)**2]``."""
        vector = batch.edge_scaled
        radial = radial_basis(vector.norm(dim=-1), self.config.cutoff, self.config.radial, self.config.envelope_power)
        return radial.unsqueeze(-1) * self.harmonics(vector).unsqueeze(-2)

    def convolve(self, batch: GraphBatch, basis: torch.Tensor | None = None) -> torch.Tensor:
        """``A [N, channels + 1, radial, (l_max+1)**2]``; the last channel is the blind one. ``basis``: of edge_basis.

        Edges are sorted by centre, so an atom's sum is one small matrix product over its neighbour list, and lists of
        like length are padded together: on a CPU several times faster than adding ``channels * radial * 16`` numbers
        per edge into place.
        """
        basis = self.edge_basis(batch) if basis is None else basis
        centre, neighbour = batch.edge_index
        n, shape = batch.num_atoms, basis.shape[1:]
        channel = torch.cat([self.species, torch.ones_like(self.species[:, :1])], dim=1).to(basis.dtype)
        if len(centre) == 0:
            return basis.new_zeros(n, channel.shape[1], *shape)
        flat, species = basis.flatten(1), batch.numbers[neighbour]
        degree = torch.bincount(centre, minlength=n)
        start = degree.cumsum(0) - degree
        order = degree.argsort(descending=True, stable=True)
        parts = []
        for rows in order.chunk(_PADDED_GROUPS):
            longest = int(degree[rows[0]])
            slot = torch.arange(longest, device=rows.device)
            real = slot < degree[rows].unsqueeze(1)
            place = torch.where(real, start[rows].unsqueeze(1) + slot, 0)
            weight = channel[species[place]] * real.unsqueeze(-1)
            parts.append(torch.bmm(weight.transpose(1, 2), flat[place]))
        summed = torch.cat(parts)
        summed = torch.zeros_like(summed).index_copy(0, order, summed) / self.config.norm
        return summed.view(n, channel.shape[1], *shape)

    def _degrees(self, tensor: torch.Tensor) -> torch.Tensor:
        """``[N, ch, n, lm]`` -> e3nn's layout, multiplicity (ch, n) outside m, degrees one after another."""
        parts, start = [], 0
        for degree in range(self.config.l_max + 1):
            width = 2 * degree + 1
            parts.append(tensor[..., start : start + width].reshape(tensor.shape[0], -1))
            start += width
        return torch.cat(parts, dim=1)

    def _invariants(self, mixed: torch.Tensor, count: int) -> torch.Tensor:
        """Signed scalars and smoothed norms of mixed tensors, ``[N, count * (l_max+1)]``."""
        delta = self.config.delta
        parts, start = [mixed[:, :count]], count
        for degree in range(1, self.config.l_max + 1):
            width = 2 * degree + 1
            block = mixed[:, start : start + count * width].view(-1, count, width)
            parts.append(torch.sqrt(block.square().sum(-1) / width + delta) - math.sqrt(delta))
            start += count * width
        return torch.cat(parts, dim=1)

    def from_density(self, density: torch.Tensor, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """Atom codes from ``A`` of :meth:`convolve`: keys as in :meth:`atoms`."""
        aware = self.mix_aware(self._degrees(density[:, :-1]))
        blind = self.mix_blind(self._degrees(density[:, -1:]))
        p_aware = torch.cat([self._invariants(aware, self.config.mix_aware), self.own[numbers]], dim=1)
        p_blind = self._invariants(blind, self.config.mix_blind)
        return {
            "aware": self.mlp_aware(p_aware),
            "blind": self.mlp_blind(p_blind),
            "tensors_aware": aware,
            "tensors_blind": blind,
        }

    def atoms(self, batch: GraphBatch) -> dict[str, torch.Tensor]:
        """Codes of atoms: ``aware [N, 128]``, ``blind [N, 64]``, and the tensors ``M`` they come from.

        ``tensors_aware`` has the irreps ``encoder.irreps_aware``, ``tensors_blind`` ``encoder.irreps_blind``.
        """
        return self.from_density(self.convolve(batch), batch.numbers)

    def pool_raw(self, atoms: dict[str, torch.Tensor], batch: GraphBatch) -> torch.Tensor:
        """``[mean, std]`` of aware, then of blind, before standardisation: ``[B, width]``."""
        count = batch.natoms.to(atoms["aware"].dtype).unsqueeze(-1)
        parts = []
        for name in ("aware", "blind"):
            h = atoms[name]
            mean = h.new_zeros(batch.num_graphs, h.shape[1]).index_add(0, batch.batch, h) / count
            # centred, not E[h^2] - E[h]^2, which loses the small spreads of nearly symmetric structures in float32
            centred = (h - mean[batch.batch]).square()
            variance = h.new_zeros(mean.shape).index_add(0, batch.batch, centred) / count
            parts += [mean, torch.sqrt(variance + self.config.std_epsilon)]
        return torch.cat(parts, dim=1)

    def standardise(self, raw: torch.Tensor) -> torch.Tensor:
        return (raw - self.code_mean) / self.code_std

    def pool(self, atoms: dict[str, torch.Tensor], batch: GraphBatch) -> torch.Tensor:
        """The structure's geometry code ``[B, 384]``: aware mean 128, aware std 128, blind mean 64, blind std 64."""
        return self.standardise(self.pool_raw(atoms, batch))

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        return self.pool(self.atoms(batch), batch)

    # -- for those who need the numbers -----------------------------------------------------------------------------

    def mixing_matrices(self) -> dict[str, list[torch.Tensor]]:
        """The maps of ``o3.Linear`` as matrices: ``M[l] = einsum("num,uk->nkm", A[l], W[l])``.

        ``"aware"``: one ``[channels * radial, mix_aware]`` per l, row ``u = channel * radial + n``;
        ``"blind"``: one ``[radial, mix_blind]`` per l. e3nn's path normalisation ``1/sqrt(rows)`` is included.
        """
        out: dict[str, list[torch.Tensor]] = {}
        for name, layer in (("aware", self.mix_aware), ("blind", self.mix_blind)):
            blocks = sorted(layer.weight_views(yield_instruction=True), key=lambda item: item[1].i_in)
            out[name] = [weight * instruction.path_weight for _, instruction, weight in blocks]
        return out
