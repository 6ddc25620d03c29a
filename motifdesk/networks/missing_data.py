"""Holes to learn from: structures with one atom removed, as graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from motifdesk.networks.batch import GraphBatch, Structure, collate, length_scale
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import Holes


@dataclass(frozen=True, eq=False)
class Molecules:
    """Structures as ``(numbers, positions, cell or None)``, each with an id."""

    structures: list[Structure]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.structures)

    def take(self, rows: Sequence[int] | np.ndarray) -> Molecules:
        return Molecules([self.structures[int(k)] for k in rows], [self.ids[int(k)] for k in rows])

    @property
    def sizes(self) -> np.ndarray:
        return np.array([len(z) for z, _, _ in self.structures], dtype=np.int64)

    def digest(self) -> str:
        h = hashlib.sha256()
        for name, (z, x, _) in zip(self.ids, self.structures, strict=True):
            h.update(name.encode() + z.tobytes() + np.round(x * 1e5).astype(np.int64).tobytes())
        return h.hexdigest()[:16]


def molecules(arrays: Mapping[str, Any]) -> Molecules:
    """Molecules of a QM9-like file: ``natoms``, ``gdb_id``, ``Z``, ``pos_1e5A`` (see ``data/SOURCES.md``)."""
    for name in ("natoms", "gdb_id", "Z", "pos_1e5A"):
        if name not in arrays:
            raise NetworkError(
                f"there is no array {name!r}",
                where="molecules",
                remedy="Give a file with natoms, gdb_id, Z and pos_1e5A (Cartesian coordinates times 1e5, Angstrom).",
            )
    natoms = np.asarray(arrays["natoms"]).astype(int)
    numbers, positions = np.asarray(arrays["Z"]).astype(np.int64), np.asarray(arrays["pos_1e5A"]) / 1e5
    if natoms.sum() != len(numbers) or positions.shape != (len(numbers), 3):
        raise NetworkError(
            f"{natoms.sum()} atoms are announced, {len(numbers)} numbers and {len(positions)} positions given",
            where="molecules",
        )
    ends = np.cumsum(natoms)
    rows = [slice(end - n, end) for n, end in zip(natoms, ends, strict=True)]
    names = [str(x) for x in np.asarray(arrays["gdb_id"])]
    return Molecules([(numbers[r], positions[r], None) for r in rows], names)


def by_hash(ids: Sequence[str]) -> np.ndarray:
    """A fixed shuffle: rows in the order of sha1 of their ids."""
    return np.array(sorted(range(len(ids)), key=lambda k: hashlib.sha1(str(ids[k]).encode()).hexdigest()))


def offsets(positions: np.ndarray, hole: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """From each position to the nearest image of the hole, Angstrom, float [N, 3]."""
    delta = hole - positions
    if cell is None:
        return delta
    from itertools import product

    fractional = delta @ np.linalg.inv(cell)
    delta = (fractional - np.rint(fractional)) @ cell
    around = np.array(list(product((-1, 0, 1), repeat=3))) @ cell
    images = delta[:, None] + around[None]
    best = np.argmin((images**2).sum(-1), axis=1)
    return images[np.arange(len(delta)), best]


def remove(structure: Structure, atom: int) -> tuple[Structure, np.ndarray, int, float]:
    """A structure without one atom: the rest, the offsets to the hole (scaled), what was there, and the scale."""
    z, x, cell = structure
    rest = np.arange(len(z)) != atom
    left: Structure = (z[rest], x[rest], cell)
    scale = length_scale(left[0], cell)
    return left, offsets(x[rest], x[atom], cell) / scale, int(z[atom]), scale


def hole_batch(
    structures: Sequence[Structure],
    atoms: Sequence[int] | np.ndarray,
    *,
    cutoff: float,
    device: torch.device | str = "cpu",
) -> tuple[GraphBatch, Holes]:
    """Graphs of structures that each lack one atom, and what they lack."""
    parts = [remove(s, a) for s, a in zip(structures, atoms, strict=True)]
    graphs = collate([p[0] for p in parts], cutoff=cutoff, device=device)
    offset = torch.from_numpy(np.concatenate([p[1] for p in parts])).float().to(device)
    return graphs, Holes(offset, torch.tensor([p[2] for p in parts], device=device))


def hole_list(data: Molecules, least: int = 2) -> np.ndarray:
    """int [H, 2]: every (structure, atom) whose removal leaves at least ``least - 1`` atoms."""
    rows = [(k, a) for k, n in enumerate(data.sizes) if n >= least for a in range(n)]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def hole_batches(holes: np.ndarray, size: int, rng: np.random.Generator | None) -> Iterator[np.ndarray]:
    """``holes`` in batches of ``size``, shuffled by ``rng``."""
    order = np.arange(len(holes)) if rng is None else rng.permutation(len(holes))
    for start in range(0, len(order), size):
        yield holes[order[start : start + size]]
