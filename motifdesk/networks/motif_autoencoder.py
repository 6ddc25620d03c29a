"""The motif autoencoder: a coordination shell or small fragment to tensors at one point, and back.

The code of a cluster, in e3nn's layout (standardised by fixed means and spreads)::

    1x0e      number of neighbours
    7x0e      the cluster's own length  s = sqrt(mean |r|^2), Angstrom: u = log s, sin and cos of 2u, 4u, 8u
    Dx0e      sum of the neighbours' element labels (learned table [94, D])
    Sx0e + Kx1o + Kx2e + ... + Kx6e     the reduction of the offsets r/s with the elements' channels

Count, length and labels are read out on their own; one number for the length would be the weakest part of a disturbed
code, hence the waves (Fourier features, Tancik et al., NeurIPS 2020), slow enough to be blended. The directions are
found by :class:`motifdesk.networks.create.Create`. Odd and even degrees together tell a cluster from its mirror image,
and l = 6 is the lowest that sees the orientation of an icosahedron. With spreads common to a multiplet the code turns
by Wigner matrices exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.checkpoint import digest, load_verified, match, save_tensors
from motifdesk.networks.clusters import ELEMENTS, Clusters
from motifdesk.networks.compositions import read_compositions
from motifdesk.networks.create import Create
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.reduce import Reduce

FORMAT = "motifdesk-motifs-1"
FLOOR = 3e-4  # of the covariance, in units of the spread: noise that the filters must not amplify
WAVES = (2.0, 4.0, 8.0)
_TINY = 1e-3  # Angstrom; a cluster whose points all sit on the centre has no length of its own


@dataclass(frozen=True)
class MotifConfig:
    """Sizes: ``channels`` C of the elements in the reduction, ``labels`` D, ``scalars`` S, ``tensors`` K per degree."""

    channels: int = 16
    labels: int = 24
    scalars: int = 16
    tensors: int = 12
    l_max: int = 6
    radial: int = 16
    largest: int = 14

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> MotifConfig:
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise NetworkError(
                f"unknown settings {sorted(unknown)}",
                where="motif autoencoder configuration",
                remedy="The weights come from another version of motifdesk; use matching ones.",
            )
        return cls(**values)


@dataclass(frozen=True)
class Restored:
    """Clusters read from codes; ``misfit [B]``: mean squared difference of the tensors, in units of their spread."""

    clusters: Clusters
    misfit: torch.Tensor


class MotifAutoencoder(nn.Module):
    """Clusters to codes and back. ``irreps``: of the code; ``width``: its numbers.

    Weights: ``channels [95, C]`` and ``labels [94, D]`` by element (row 0 of ``channels`` is padding), ``reduce``;
    buffers ``mean``, ``spread [width]``, and ``filter_l [K_l, K_l]``, the matched filters of the creation.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, config: MotifConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or MotifConfig()
        tensors = [(c.tensors, (degree, (-1) ** degree)) for degree in range(1, c.l_max + 1)]
        self.irreps_reduced = o3.Irreps([(c.scalars, (0, 1)), *tensors])
        self.part_length = slice(1, 2 + 2 * len(WAVES))
        self.part_labels = slice(self.part_length.stop, self.part_length.stop + c.labels)
        self.head = self.part_labels.stop
        self.irreps = o3.Irreps([(self.head + c.scalars, (0, 1)), *tensors])
        self.channels = nn.Parameter(torch.randn(ELEMENTS + 1, c.channels))
        self.labels = nn.Parameter(nn.functional.normalize(torch.randn(ELEMENTS, c.labels), dim=1))
        self.reduce = Reduce(f"{c.channels}x0e", self.irreps_reduced, l_max=c.l_max, radial=c.radial)
        with torch.no_grad():
            self.channels[0] = 0.0
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("spread", torch.ones(self.width))
        for multiplicity, ir in self.irreps_reduced:
            self.register_buffer(f"filter_{ir.l}", torch.eye(multiplicity))

    @property
    def width(self) -> int:
        return self.irreps.dim

    # -- reduce --------------------------------------------------------------------------------------------------

    def raw(self, clusters: Clusters) -> torch.Tensor:
        """Codes before standardisation ``[B, width]``, in the precision of the offsets; differentiable."""
        present = clusters.present
        x = clusters.offsets
        length = cluster_length(clusters)
        graph, slot = present.nonzero(as_tuple=True)
        z = clusters.numbers[graph, slot]
        scaled = x[graph, slot] / length[graph].unsqueeze(-1)
        tensors = self.reduce(self.channels[z].to(x.dtype), scaled, graph, len(clusters))
        labels = x.new_zeros(len(clusters), self.config.labels).index_add(0, graph, self.labels[z - 1].to(x.dtype))
        count = present.sum(1, keepdim=True).to(x.dtype)
        return torch.cat([count, length_numbers(length.log())[0], labels, tensors], dim=1)

    def encode(self, clusters: Clusters) -> torch.Tensor:
        """Codes ``[B, width]`` of clusters; rotates by ``irreps`` when the clusters rotate."""
        if clusters.numbers.shape[1] > self.config.largest and bool(clusters.present[:, self.config.largest :].any()):
            raise NetworkError(
                f"more than {self.config.largest} neighbours", where="encode", remedy="Keep the nearest ones."
            )
        return (self.raw(clusters) - self.mean) / self.spread

    forward = encode

    @torch.no_grad()
    def standardise(self, clusters: Clusters, batch: int = 2048) -> None:
        """Set ``mean`` and ``spread`` to those of a sample (per number for scalars, per multiplet for tensors), and the
        filters to the inverse roots of the covariance of its tensors."""
        parts = [self.raw(clusters[k : k + batch].to(dtype=self.mean.dtype)) for k in range(0, len(clusters), batch)]
        raw = torch.cat(parts)
        mean, spread = moments(raw, self.irreps)
        self.mean.copy_(mean)
        self.spread.copy_(spread)
        for degree, covariance in enumerate(covariances((raw / spread)[:, self.head :].double(), self.irreps_reduced)):
            values, vectors = torch.linalg.eigh(covariance)
            root = (vectors * (values + FLOOR) ** -0.5) @ vectors.T
            self.get_buffer(f"filter_{degree}").copy_(root)

    # -- create --------------------------------------------------------------------------------------------------

    def creator(self, dtype: torch.dtype = torch.float64) -> Create:
        """The inverse of the reduction, with the present weights."""
        filters = [self.get_buffer(f"filter_{degree}") for degree in range(self.config.l_max + 1)]
        with torch.no_grad():
            return Create(self.reduce, self.channels, self.spread[self.head :], filters, dtype)

    @torch.no_grad()
    def read(
        self, codes: torch.Tensor, elements: Sequence[int] | np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The exact part of codes: ``counts int64 [B]``, lengths ``[B]`` in Angstrom, ``numbers [B, K]`` (0: none)."""
        c = codes.double() * self.spread.double() + self.mean.double()
        count = c[:, 0].round().clamp(0, self.config.largest).long()
        length = read_length(c[:, self.part_length], self.spread[self.part_length].double())
        allowed = torch.arange(1, ELEMENTS + 1) if elements is None else torch.as_tensor(np.asarray(elements))
        found, _ = read_compositions(c[:, self.part_labels], count, self.labels.double()[allowed - 1])
        numbers = torch.zeros(len(codes), int(count.max()) if len(codes) else 0, dtype=torch.int64)
        for b in range(len(codes)):
            z = torch.repeat_interleave(allowed, found[b].cpu())
            numbers[b, : len(z)] = z
        return count, length, numbers.to(codes.device)

    @torch.no_grad()
    def decode(
        self,
        codes: torch.Tensor,
        *,
        elements: Sequence[int] | np.ndarray | None = None,
        tolerance: float = 1e-8,
        rounds: int = 12,
        batch: int = 256,
    ) -> Restored:
        """Clusters of codes ``[B, width]``. ``elements``: the only ones that come into question, all by default.
        ``tolerance``, ``rounds``: see :meth:`Create.__call__`.

        Raises :class:`NetworkError` for codes of another width or with NaN.
        """
        if codes.ndim != 2 or codes.shape[1] != self.width:
            raise NetworkError(
                f"codes have shape {tuple(codes.shape)}, expected [B, {self.width}]",
                where="decode",
                remedy="Use codes of this autoencoder.",
            )
        if not torch.isfinite(codes).all():
            raise NetworkError("codes hold NaN or infinity", where="decode", remedy="Encode the clusters again.")
        count, length, numbers = self.read(codes, elements)
        create = self.creator()
        offsets = torch.zeros(*numbers.shape, 3, dtype=torch.float64, device=codes.device)
        misfit = torch.zeros(len(codes), dtype=torch.float64, device=codes.device)
        target = codes[:, self.head :].double() + (self.mean / self.spread)[self.head :].double()
        for n in sorted(set(count.tolist())):
            members = (count == n).nonzero()[:, 0]
            for rows in members.split(batch):
                made = create(target[rows], numbers[rows, :n], tolerance=tolerance, rounds=rounds)
                numbers[rows, :n] = made.numbers
                offsets[rows, :n] = made.positions * length[rows, None, None]
                misfit[rows] = made.misfit
        return Restored(Clusters(numbers, offsets), misfit)


def cluster_length(clusters: Clusters) -> torch.Tensor:
    """Root mean square distance of the neighbours, Angstrom ``[B]``; 1 for an empty cluster."""
    count = clusters.present.sum(1).clamp(min=1)
    square = clusters.offsets.square().sum((1, 2)) / count
    return torch.where(square > _TINY**2, square, torch.ones_like(square)).sqrt()


def length_numbers(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``u = log s [B]`` as ``[u, sin 2u, cos 2u, ...] [B, 7]``, and the derivative."""
    values, slopes = [u], [torch.ones_like(u)]
    for k in WAVES:
        values += [torch.sin(k * u), torch.cos(k * u)]
        slopes += [k * torch.cos(k * u), -k * torch.sin(k * u)]
    return torch.stack(values, -1), torch.stack(slopes, -1)


def read_length(numbers: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """The length ``[B]`` (Angstrom) whose numbers are nearest to these ``[B, 7]``, in units of their ``spread``."""
    grid = torch.linspace(-3.0, 4.0, 1401, dtype=numbers.dtype, device=numbers.device)
    table = length_numbers(grid)[0] / spread
    u = grid[(table.square().sum(1) - 2.0 * (numbers / spread) @ table.T).argmin(1)]
    for _ in range(4):
        value, slope = length_numbers(u)
        slope = slope / spread
        u = u + (slope * (numbers - value) / spread).sum(1) / slope.square().sum(1)
    return u.exp()


def moments(raw: torch.Tensor, irreps: o3.Irreps) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (scalars; tensors: 0) and spread (per scalar; per multiplet, root mean square) of codes ``[B, width]``."""
    mean, spread, start = [], [], 0
    for multiplicity, ir in irreps:
        block = raw[:, start : start + multiplicity * ir.dim].view(len(raw), multiplicity, ir.dim)
        if ir.l == 0:
            mean.append(block.mean((0, 2)))
            spread.append(block[:, :, 0].std(0, unbiased=False))
        else:
            mean.append(torch.zeros_like(block[0]).flatten())
            spread.append(block.square().mean((0, 2)).sqrt().repeat_interleave(ir.dim))
        start += multiplicity * ir.dim
    return torch.cat(mean), torch.cat(spread).clamp(min=1e-6)


def covariances(codes: torch.Tensor, irreps: o3.Irreps) -> list[torch.Tensor]:
    """Second moments ``[K_l, K_l]`` of the multiplets of each degree, averaged over m and the codes ``[B, dim]``."""
    out, start = [], 0
    for multiplicity, ir in irreps:
        block = codes[:, start : start + multiplicity * ir.dim].view(len(codes), multiplicity, ir.dim)
        out.append(torch.einsum("bkm,bjm->kj", block, block) / (len(codes) * ir.dim))
        start += multiplicity * ir.dim
    return out


def save_motif_weights(path: Path | str, model: MotifAutoencoder, training: dict) -> str:
    """Write the shipped file; returns the sha256 of its tensors."""
    tensors = dict(model.state_dict())
    sha = digest(tensors)
    save_tensors(
        path, tensors, {"format": FORMAT, "config": model.config.to_dict(), "training": training, "sha256": sha}
    )
    return sha


def load_motif_weights(path: Path | str, device: torch.device | str = "cpu") -> tuple[MotifAutoencoder, str]:
    """The autoencoder of a ``motifs.safetensors`` and the sha256 of its tensors; all verified."""
    tensors, metadata = load_verified(path, FORMAT, "Give motifs.safetensors.")
    with torch.random.fork_rng(devices=[]):
        model = MotifAutoencoder(MotifConfig.from_dict(metadata["config"]))
    match(model, tensors, str(path))
    return model.to(device).eval().requires_grad_(False), metadata["sha256"]
