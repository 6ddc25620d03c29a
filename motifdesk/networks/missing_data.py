"""Holes to learn from: structures with one atom removed, as graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from motifdesk.networks.batch import GraphBatch, Structure, batch_of, check_structure, length_scale, neighbours
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import Holes, MissingConfig
from motifdesk.networks.missing_voids import voids
from motifdesk.networks.missing_votes import nearest_image

_FAR = 1e4  # scaled units


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


def molecules(arrays: Mapping[str, Any], where: str = "molecules") -> Molecules:
    """Molecules of a QM9-like file: ``natoms``, ``gdb_id``, ``Z``, ``pos_1e5A`` (see ``data/SOURCES.md``)."""
    remedy = "Give a file with natoms, gdb_id, Z and pos_1e5A (Cartesian coordinates times 1e5, Angstrom)."
    natoms, numbers, coordinates = _columns(arrays, "gdb_id", "pos_1e5A", where, remedy)
    positions = coordinates / 1e5
    return Molecules(
        [(numbers[r], positions[r], None) for r in _rows(natoms)], [str(x) for x in np.asarray(arrays["gdb_id"])]
    )


def crystals(arrays: Mapping[str, Any], where: str = "crystals") -> Molecules:
    """Crystals of a corpus file: ``natoms``, ``material_id``, ``Z``, ``frac_1e6``, ``lattice`` (see
    ``data/SOURCES.md``)."""
    remedy = "Give a file with natoms, material_id, Z, frac_1e6 and lattice (rows are vectors, Angstrom)."
    natoms, numbers, coordinates = _columns(arrays, "material_id", "frac_1e6", where, remedy)
    cells = np.asarray(arrays["lattice"], dtype=np.float64) if "lattice" in arrays else np.zeros(0)
    if cells.shape != (len(natoms), 3, 3):
        raise NetworkError(f"lattice has shape {cells.shape}, expected ({len(natoms)}, 3, 3)", where=where)
    fractional = coordinates / 1e6
    rows = _rows(natoms)
    return Molecules(
        [(numbers[r], fractional[r] @ cell, cell) for r, cell in zip(rows, cells, strict=True)],
        [str(x) for x in np.asarray(arrays["material_id"])],
    )


def _columns(
    arrays: Mapping[str, Any], ids: str, coordinates: str, where: str, remedy: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    for name in ("natoms", ids, "Z", coordinates):
        if name not in arrays:
            raise NetworkError(f"there is no array {name!r}", where=where, remedy=remedy)
    natoms = np.asarray(arrays["natoms"]).astype(int)
    numbers, found = np.asarray(arrays["Z"]).astype(np.int64), np.asarray(arrays[coordinates])
    if natoms.sum() != len(numbers) or found.shape != (len(numbers), 3):
        raise NetworkError(
            f"{natoms.sum()} atoms are announced, {len(numbers)} numbers and {len(found)} positions given", where=where
        )
    if len(np.asarray(arrays[ids])) != len(natoms):
        raise NetworkError(f"{len(natoms)} structures and {len(np.asarray(arrays[ids]))} ids", where=where)
    return natoms, numbers, found.astype(np.float64)


def _rows(natoms: np.ndarray) -> list[slice]:
    return [slice(end - n, end) for n, end in zip(natoms, np.cumsum(natoms), strict=True)]


def by_hash(ids: Sequence[str]) -> np.ndarray:
    """A fixed shuffle: rows in the order of sha1 of their ids."""
    return np.array(sorted(range(len(ids)), key=lambda k: hashlib.sha1(str(ids[k]).encode()).hexdigest()))


def offsets(positions: np.ndarray, hole: np.ndarray, cell: np.ndarray | None, images: int = 8) -> np.ndarray:
    """From each position to the nearest images of the hole, nearest first, Angstrom: float [N, M, 3]; M = 1 without a
    cell, else ``images``."""
    delta = hole - positions
    if cell is None:
        return delta[:, None]
    around = np.array(list(product((-1, 0, 1), repeat=3))) @ cell
    every = nearest_image(delta, cell)[:, None] + around[None]
    order = np.argsort(np.square(every).sum(-1), axis=1, kind="stable")[:, :images]
    return np.take_along_axis(every, order[..., None], axis=1)


def remove(structure: Structure, atom: int) -> tuple[Structure, np.ndarray, int]:
    """A structure without one atom: the rest, where the hole is, and what was there."""
    z, x, cell = structure
    rest = np.arange(len(z)) != atom
    return (z[rest], x[rest], cell), x[atom], int(z[atom])


def listeners(structure: Structure, cutoff: float, with_voids: bool) -> tuple[Structure, float, np.ndarray, np.ndarray]:
    """A structure with its voids as nodes of atomic number 0, its length, and its edges: ``pairs [2, E]`` (centre,
    neighbour; voids are never neighbours) and ``shift [E, 3]``."""
    z, x, cell = check_structure(*structure, where="missing atom")
    scale = length_scale(z, cell)
    if not with_voids or cell is None:
        found = neighbours(x, cell, cutoff * scale, where="missing atom")
        return (z, x, cell), scale, found.pairs, found.shift
    holes = voids(x, cell, scale)
    both = np.concatenate([x, holes])
    found = neighbours(both, cell, cutoff * scale, where="missing atom")
    heard = found.pairs[1] < len(z)
    z = np.concatenate([z, np.zeros(len(holes), dtype=np.int64)])
    return (z, both, cell), scale, found.pairs[:, heard], found.shift[heard]


def graphs_of(
    structures: Sequence[Structure],
    config: MissingConfig,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[GraphBatch, list[np.ndarray]]:
    """One batch of structures, voids included where ``config`` wants them, and the positions ``[n, 3]`` of the nodes
    of each (Angstrom)."""
    graphs = [listeners(structure, config.cutoff, config.voids) for structure in structures]
    if not graphs:
        raise NetworkError("no structures", where="missing atom", remedy="Give at least one structure.")
    return batch_of(graphs).to(device=device, dtype=dtype), [nodes[1] for nodes, *_ in graphs]


def hole_batch(
    structures: Sequence[Structure],
    atoms: Sequence[int] | np.ndarray,
    config: MissingConfig,
    *,
    device: torch.device | str = "cpu",
) -> tuple[GraphBatch, Holes]:
    """Graphs of structures that each lack one atom, and what they lack."""
    parts = [remove(s, a) for s, a in zip(structures, atoms, strict=True)]
    batch, places = graphs_of([p[0] for p in parts], config, device=device)
    scales = batch.scale.tolist()
    each = [offsets(x, hole, left[2]) / s for x, (left, hole, _), s in zip(places, parts, scales, strict=True)]
    images = max(o.shape[1] for o in each)  # a molecule's hole has one image; what is beyond is out of reach
    offset = np.concatenate([np.pad(o, ((0, 0), (0, images - o.shape[1]), (0, 0)), constant_values=_FAR) for o in each])
    species = torch.tensor([p[2] for p in parts], device=device)
    return batch, Holes(torch.from_numpy(offset).float().to(device), species)


def hole_list(data: Molecules, least: int = 2) -> np.ndarray:
    """int [H, 2]: every (structure, atom) whose removal leaves at least ``least - 1`` atoms."""
    rows = [(k, a) for k, n in enumerate(data.sizes) if n >= least for a in range(n)]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def one_hole_each(data: Molecules, rng: np.random.Generator, least: int = 2) -> np.ndarray:
    """int [H, 2]: of every structure with at least ``least`` atoms, one atom drawn at random."""
    able = np.flatnonzero(data.sizes >= least)
    return np.stack([able, (rng.random(len(able)) * data.sizes[able]).astype(np.int64)], axis=1)


def hole_batches(holes: np.ndarray, size: int, rng: np.random.Generator | None) -> Iterator[np.ndarray]:
    """``holes`` in batches of ``size``, shuffled by ``rng``."""
    order = np.arange(len(holes)) if rng is None else rng.permutation(len(holes))
    for start in range(0, len(order), size):
        yield holes[order[start : start + size]]
