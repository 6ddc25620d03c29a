"""Atomic structures as graphs: periodic neighbour search and batching, on arrays alone.

Conventions, the same everywhere in this room:

- ``cell`` has the lattice vectors as *rows*, in Angstrom; ``None`` means a molecule.
- The edge ``i <- j`` has ``edge_index[0] = i`` (the centre, which receives) and ``edge_index[1] = j`` (the neighbour),
  ``edge_vec = r_j + edge_shift @ cell - r_i`` in Angstrom. Edges are sorted by ``i``.
- Lengths become scale free by the structure's own length ``s``: ``(V / N) ** (1/3)`` for crystals, 2 A for molecules.
  The cutoff is given in these units, so every crystal has about ``4/3 pi cutoff**3`` neighbours per atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from motifdesk.networks.errors import NetworkError

MOLECULE_SCALE = 2.0  # Angstrom; a crystal of 8 A^3 per atom has the same, the middle of organic solids
MAX_NUMBER = 118
_PAIRS_AT_ONCE = 4_000_000  # bounds the memory of the brute-force search to some 100 MB
_COINCIDENT = 1e-4  # Angstrom; Y_lm of a zero vector has no direction

Structure = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]


class Neighbours(NamedTuple):
    """Directed pairs within a cutoff: ``pairs [2, E]`` (centre, neighbour), ``shift [E, 3]`` lattice translations."""

    pairs: np.ndarray
    shift: np.ndarray


def length_scale(numbers: np.ndarray, cell: np.ndarray | None) -> float:
    """The length ``s`` in Angstrom that makes a structure scale free: ``(V/N)**(1/3)``, or 2 A without a cell."""
    if cell is None:
        return MOLECULE_SCALE
    return float(abs(np.linalg.det(cell)) / len(numbers)) ** (1.0 / 3.0)


def check_structure(numbers: object, positions: object, cell: object, where: str = "structure") -> Structure:
    """Arrays of the right shapes and types, or a ``NetworkError`` that names the structure and the fault."""
    z = np.asarray(numbers, dtype=np.int64).reshape(-1)
    x = np.asarray(positions, dtype=np.float64)
    if len(z) == 0:
        raise NetworkError("has no atoms", where=where, remedy="Give at least one atom.")
    if x.shape != (len(z), 3):
        raise NetworkError(f"positions have shape {x.shape}, expected ({len(z)}, 3)", where=where)
    if not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise NetworkError(f"position of atom {bad} is not finite", where=where, remedy="Check the coordinates.")
    if z.min() < 1 or z.max() > MAX_NUMBER:
        bad = int(np.flatnonzero((z < 1) | (z > MAX_NUMBER))[0])
        raise NetworkError(
            f"atomic number {z[bad]} of atom {bad} is outside 1..{MAX_NUMBER}",
            where=where,
            remedy="Replace dummy species by elements.",
        )
    if cell is None:
        return z, x, None
    c = np.asarray(cell, dtype=np.float64)
    if c.shape != (3, 3) or not np.isfinite(c).all():
        raise NetworkError(f"cell must be a finite 3 x 3 matrix of row vectors, got shape {c.shape}", where=where)
    if abs(np.linalg.det(c)) < 1e-6 * max(np.abs(c).max(), 1e-12) ** 3:
        raise NetworkError("cell vectors are (nearly) coplanar", where=where, remedy="Give three independent vectors.")
    return z, x, c


def neighbours(positions: np.ndarray, cell: np.ndarray | None, cutoff: float, where: str = "structure") -> Neighbours:
    """All pairs closer than ``cutoff`` (Angstrom), periodic images included, by brute force.

    Correct for any cell, however skewed or small (an atom may be its own neighbour through a translation), and for
    positions outside the cell. Edges are sorted by centre. Work is O(N * images), in chunks of bounded memory.
    """
    x = np.asarray(positions, dtype=np.float64)
    n = len(x)
    if cell is None:
        points: np.ndarray = x
        atom: np.ndarray = np.arange(n)
        shift: np.ndarray = np.zeros((n, 3), dtype=np.int64)
        wrapped = x
        offset: np.ndarray = np.zeros((n, 3), dtype=np.int64)
    else:
        inverse = np.linalg.inv(cell)
        fractional = x @ inverse
        offset = np.floor(fractional).astype(np.int64)
        wrapped = (fractional - offset) @ cell
        # Lattice planes k are 1 / |column k of the inverse| apart; wrapped atoms differ by less than one cell.
        reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0)).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
        points = (wrapped[None] + (grid @ cell)[:, None]).reshape(-1, 3)
        atom = np.tile(np.arange(n), len(grid))
        shift = np.repeat(grid, n, axis=0)
        low, high = wrapped.min(axis=0) - cutoff, wrapped.max(axis=0) + cutoff
        near = ((points >= low) & (points <= high)).all(axis=1)
        points, atom, shift = points[near], atom[near], shift[near]
    chunk = max(1, _PAIRS_AT_ONCE // max(1, len(points)))
    found_i, found_j, found_s = [], [], []
    for start in range(0, n, chunk):
        difference = points[None] - wrapped[start : start + chunk, None]
        squared = np.einsum("ijk,ijk->ij", difference, difference)
        i, p = np.nonzero(squared <= cutoff * cutoff)
        i = i + start
        itself = (atom[p] == i) & (shift[p] == 0).all(axis=1)
        i, p = i[~itself], p[~itself]
        close = squared[i - start, p] < _COINCIDENT**2
        if close.any():
            a, b = int(i[close][0]), int(atom[p[close][0]])
            raise NetworkError(f"atoms {a} and {b} sit on one site", where=where, remedy="Remove the duplicate atom.")
        found_i.append(i)
        found_j.append(atom[p])
        # back from wrapped to given positions: r_j + S cell - r_i with S = shift - offset_j + offset_i
        found_s.append(shift[p] - offset[atom[p]] + offset[i])
    return Neighbours(np.stack([np.concatenate(found_i), np.concatenate(found_j)]), np.concatenate(found_s))


@dataclass(frozen=True)
class GraphBatch:
    """Several structures as one disconnected graph. B structures, N atoms, E edges.

    ``numbers [N]`` atomic numbers; ``edge_index [2, E]``, ``edge_vec [E, 3]`` (Angstrom, ``r_j - r_i`` with the image
    applied), ``edge_shift [E, 3]`` integer lattice translations; ``scale [B]`` Angstrom; ``batch [N]`` the structure of
    each atom; ``natoms [B]``; ``crystal [B]`` bool.
    """

    numbers: torch.Tensor
    edge_index: torch.Tensor
    edge_vec: torch.Tensor
    edge_shift: torch.Tensor
    scale: torch.Tensor
    batch: torch.Tensor
    natoms: torch.Tensor
    crystal: torch.Tensor

    @property
    def num_graphs(self) -> int:
        return int(self.natoms.shape[0])

    @property
    def num_atoms(self) -> int:
        return int(self.numbers.shape[0])

    @property
    def num_edges(self) -> int:
        return int(self.edge_vec.shape[0])

    @property
    def edge_scaled(self) -> torch.Tensor:
        """Edge vectors in units of the structure's own length, ``[E, 3]``."""
        return self.edge_vec / self.scale[self.batch[self.edge_index[0]]].unsqueeze(-1)

    def counts(self, elements: int = 94) -> torch.Tensor:
        """Number of atoms of each element, ``[B, elements]``; column 0 is hydrogen. Heavier elements are dropped."""
        out = self.scale.new_zeros(self.num_graphs, MAX_NUMBER)
        out.index_put_((self.batch, self.numbers - 1), self.scale.new_ones(()), accumulate=True)
        return out[:, :elements]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> GraphBatch:
        """A copy on ``device``, its real fields in ``dtype``."""
        moved = {name: getattr(self, name).to(device=device) for name in self.__dataclass_fields__}
        for name in ("edge_vec", "scale"):
            moved[name] = moved[name].to(dtype=dtype)
        return replace(self, **moved)

    def __repr__(self) -> str:
        return (
            f"GraphBatch({self.num_graphs} structures, {self.num_atoms} atoms, {self.num_edges} edges, "
            f"{self.edge_vec.dtype}, {self.edge_vec.device})"
        )


def collate(
    structures: Iterable[Sequence],
    *,
    cutoff: float = 2.6,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> GraphBatch:
    """Neighbour search and batching of ``(numbers, positions, cell or None)`` triples.

    ``cutoff`` is in units of each structure's :func:`length_scale`. The search runs in float64 on the CPU.
    """
    graphs = []
    for k, (numbers, positions, cell) in enumerate(structures):
        z, x, c = check_structure(numbers, positions, cell, where=f"structure {k}")
        s = length_scale(z, c)
        found = neighbours(x, c, cutoff * s, where=f"structure {k}")
        graphs.append(((z, x, c), s, found.pairs, found.shift))
    if not graphs:
        raise NetworkError("no structures to collate", remedy="Give at least one structure.")
    return batch_of(graphs).to(device=device, dtype=dtype)


def batch_of(graphs: Sequence[tuple]) -> GraphBatch:
    """One batch, float64, of at least one checked ``((numbers, positions, cell or None), scale, pairs, shift)``: nodes,
    their length, ``pairs [2, E]`` (centre, neighbour) and the neighbours' lattice images ``shift [E, 3]``."""
    index, vectors, start = [], [], 0
    for (z, x, cell), _, pairs, shift in graphs:
        i, j = pairs
        vectors.append(x[j] - x[i] if cell is None else x[j] - x[i] + shift @ cell)
        index.append(pairs + start)
        start += len(z)
    counts = torch.tensor([len(nodes[0]) for nodes, *_ in graphs])
    return GraphBatch(
        numbers=torch.from_numpy(np.concatenate([nodes[0] for nodes, *_ in graphs])),
        edge_index=torch.from_numpy(np.concatenate(index, axis=1)),
        edge_vec=torch.from_numpy(np.concatenate(vectors)),
        edge_shift=torch.from_numpy(np.concatenate([shift for *_, shift in graphs])),
        scale=torch.tensor([scale for _, scale, *_ in graphs], dtype=torch.float64),
        batch=torch.repeat_interleave(torch.arange(len(graphs)), counts),
        natoms=counts,
        crystal=torch.tensor([nodes[2] is not None for nodes, *_ in graphs]),
    )
