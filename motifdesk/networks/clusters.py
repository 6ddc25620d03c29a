"""Clusters of neighbours around a point, as padded arrays: what the motif autoencoder reads and makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from motifdesk.networks.errors import NetworkError

ELEMENTS = 94
_COINCIDENT = 0.05  # Angstrom


@dataclass(frozen=True)
class Clusters:
    """B clusters of at most K neighbours.

    ``numbers int64 [B, K]``: atomic numbers, 0 where there is no neighbour (padding comes last); ``offsets [B, K, 3]``:
    neighbour minus centre, Angstrom, 0 in the padding.
    """

    numbers: torch.Tensor
    offsets: torch.Tensor

    @property
    def present(self) -> torch.Tensor:
        """bool ``[B, K]``."""
        return self.numbers > 0

    @property
    def counts(self) -> torch.Tensor:
        """int64 ``[B]``."""
        return self.present.sum(1)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: slice | torch.Tensor | np.ndarray) -> Clusters:
        return Clusters(self.numbers[key], self.offsets[key])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Clusters:
        return Clusters(self.numbers.to(device=device), self.offsets.to(device=device, dtype=dtype))

    def turned(self, matrix: torch.Tensor) -> Clusters:
        """Offsets ``x -> matrix @ x``; ``matrix [3, 3]`` or ``[B, 3, 3]``."""
        return Clusters(self.numbers, self.offsets @ matrix.to(self.offsets).mT)

    def split(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """``(numbers [k], offsets [k, 3])`` of each cluster, without padding."""
        out = []
        for z, x in zip(self.numbers.cpu().numpy(), self.offsets.double().cpu().numpy(), strict=True):
            out.append((z[z > 0], x[z > 0]))
        return out


def pack(clusters: Iterable[Sequence], largest: int = 14, dtype: torch.dtype = torch.float32) -> Clusters:
    """Padded arrays of ``(numbers [k], offsets [k, 3])`` pairs, ``0 <= k <= largest``.

    Raises :class:`NetworkError` for too many neighbours, unknown elements, coordinates that are not finite, two
    neighbours on one place.
    """
    rows = []
    for index, (numbers, offsets) in enumerate(clusters):
        z = np.asarray(numbers, dtype=np.int64).reshape(-1)
        x = np.asarray(offsets, dtype=np.float64).reshape(-1, 3)
        where = f"cluster {index}"
        if len(z) != len(x):
            raise NetworkError(f"has {len(z)} species for {len(x)} neighbours", where=where)
        if len(z) > largest:
            raise NetworkError(
                f"has {len(z)} neighbours, at most {largest} fit", where=where, remedy="Keep the nearest ones."
            )
        if len(z) and (z.min() < 1 or z.max() > ELEMENTS):
            bad = int(np.flatnonzero((z < 1) | (z > ELEMENTS))[0])
            raise NetworkError(
                f"atomic number {z[bad]} of neighbour {bad} is outside 1..{ELEMENTS}",
                where=where,
                remedy="Replace it by an element that the autoencoder knows.",
            )
        if not np.isfinite(x).all():
            raise NetworkError("has coordinates that are not finite", where=where, remedy="Check the coordinates.")
        if len(z) > 1:
            gap = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.eye(len(x)) * 1e9
            if gap.min() < _COINCIDENT:
                i, j = np.unravel_index(int(gap.argmin()), gap.shape)
                raise NetworkError(
                    f"neighbours {i} and {j} are {gap.min():.3f} A apart", where=where, remedy="Remove the duplicate."
                )
        rows.append((z, x))
    width = max((len(z) for z, _ in rows), default=0)
    packed_z, packed_x = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width, 3))
    for k, (z, x) in enumerate(rows):
        packed_z[k, : len(z)] = z
        packed_x[k, : len(z)] = x
    return Clusters(torch.from_numpy(packed_z), torch.from_numpy(packed_x).to(dtype))


def from_flat(counts: np.ndarray, numbers: np.ndarray, offsets: np.ndarray, largest: int = 14) -> Clusters:
    """Padded arrays of flat columns ``counts [S]``, ``numbers [sum]``, ``offsets [sum, 3]``, unchecked."""
    count = np.asarray(counts, dtype=np.int64)
    slot = np.arange(largest)
    real = slot < count[:, None]
    z, x = np.zeros(real.shape, np.int64), np.zeros((*real.shape, 3), np.float32)
    z[real], x[real] = numbers, offsets
    return Clusters(torch.from_numpy(z), torch.from_numpy(x))
