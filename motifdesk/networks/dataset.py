"""Training structures as flat arrays with cached neighbour lists, read from the project's ``.npz`` layout.

Layout of a crystal file: ``natoms [M]``, ``Z [sum n]``, ``frac_1e6 [sum n, 3]``, ``lattice [M, 3, 3]`` (rows,
Angstrom), ``material_id [M]``, and label columns ``[M]``; of a molecule file: ``natoms``, ``Z``, ``pos_1e5A``,
``gdb_id``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from motifdesk.networks.batch import MAX_NUMBER, length_scale, neighbours
from motifdesk.networks.errors import NetworkError

#: Label columns that become property heads, with their units.
PROPERTIES = {
    "formation_energy_per_atom": "eV/atom",
    "band_gap": "eV",
    "heat_all": "eV/atom",
    "energy_per_atom": "eV/atom",
}
DEVELOPMENT_PERCENT = 5
SKIN = 1.12  # cached lists reach this factor beyond the cutoff: room for jitter and strain before the envelope's foot


def development_split(ids: Iterable) -> np.ndarray:
    """True for structures that are never trained on: ``sha1(id) % 100 < 5``, the same rule in every room."""
    digest = (hashlib.sha1(str(i).encode()).hexdigest() for i in ids)
    return np.fromiter((int(d, 16) % 100 < DEVELOPMENT_PERCENT for d in digest), dtype=bool)


@dataclass
class Dataset:
    """M structures. ``first [M+1]`` delimits atoms, ``first_edge [M+1]`` cached pairs (local atom indices)."""

    numbers: np.ndarray  # int64 [N]
    positions: np.ndarray  # float64 [N, 3], Angstrom
    cells: np.ndarray  # float64 [M, 3, 3], rows; zeros for molecules
    crystal: np.ndarray  # bool [M]
    first: np.ndarray
    ids: np.ndarray
    source: np.ndarray  # the file each structure comes from
    labels: dict[str, np.ndarray]  # NaN where unknown
    scale: np.ndarray  # float64 [M], Angstrom
    first_edge: np.ndarray | None = None
    edges: np.ndarray | None = None  # int16 [2, E]
    shifts: np.ndarray | None = None  # int8 [E, 3]

    def __len__(self) -> int:
        return len(self.crystal)

    @property
    def natoms(self) -> np.ndarray:
        return np.diff(self.first)

    def triple(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """``(numbers, positions, cell or None)`` of structure k."""
        rows = slice(self.first[k], self.first[k + 1])
        return self.numbers[rows], self.positions[rows], self.cells[k] if self.crystal[k] else None

    def fractions(self) -> np.ndarray:
        """Composition, ``[M, 118]``, rows sum to one."""
        out = np.zeros((len(self), MAX_NUMBER))
        np.add.at(out, (np.repeat(np.arange(len(self)), self.natoms), self.numbers - 1), 1.0)
        return out / self.natoms[:, None]

    def find_neighbours(self, cutoff: float, progress: bool = False) -> None:
        """Cache all pairs within ``cutoff * SKIN`` scaled lengths."""
        edges, shifts, count = [], [], [0]
        for k in tqdm(range(len(self)), desc="neighbours", disable=not progress, leave=False):
            _, x, cell = self.triple(k)
            found = neighbours(x, cell, cutoff * SKIN * self.scale[k], where=f"{self.source[k]} {self.ids[k]}")
            edges.append(found.pairs.astype(np.int16))
            shifts.append(found.shift.astype(np.int8))
            count.append(found.pairs.shape[1])
        self.edges, self.shifts = np.concatenate(edges, axis=1), np.concatenate(shifts)
        self.first_edge = np.cumsum(count)

    def cached(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cached pairs of the structures ``index``: local ``[2, E]``, shifts ``[E, 3]``, number of each."""
        if self.edges is None or self.shifts is None or self.first_edge is None:
            raise NetworkError("has no neighbour lists", where="dataset", remedy="Call find_neighbours first.")
        ranges = [slice(self.first_edge[k], self.first_edge[k + 1]) for k in index]
        return (
            np.concatenate([self.edges[:, r] for r in ranges], axis=1),
            np.concatenate([self.shifts[r] for r in ranges]),
            np.array([r.stop - r.start for r in ranges]),
        )

    def digest(self) -> str:
        """sha256 of what is trained on: species, geometry and labels."""
        h = hashlib.sha256()
        for array in (self.numbers, self.positions, self.cells, self.first, *(self.labels[p] for p in PROPERTIES)):
            h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()


def _read(name: str, source: Mapping[str, np.ndarray] | str | Path) -> dict[str, np.ndarray]:
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise NetworkError("no such file", where=str(path), remedy="Give an existing .npz corpus.")
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except (ValueError, OSError, EOFError) as error:
            raise NetworkError(f"cannot be read as an .npz archive ({error})", where=str(path)) from error
    return {key: np.asarray(source[key]) for key in source}


def load_arrays(arrays: Mapping[str, Mapping | str | Path], limit: int | None = None) -> Dataset:
    """Join corpora ``{name: arrays or path}``; ``limit`` keeps the first so many structures of each."""
    numbers, positions, cells, crystal, natoms, ids, sources = [], [], [], [], [], [], []
    labels: dict[str, list] = {name: [] for name in PROPERTIES}
    for name, given in arrays.items():
        data = _read(name, given)
        missing = {"natoms", "Z"} - set(data)
        if missing or not {"frac_1e6", "pos_1e5A"} & set(data):
            raise NetworkError(
                f"lacks {sorted(missing) or 'frac_1e6 or pos_1e5A'}",
                where=name,
                remedy="See motifdesk.networks.dataset for the layout.",
            )
        count = data["natoms"].astype(np.int64)[:limit]
        m, total = len(count), int(count.sum())
        z = data["Z"][:total].astype(np.int64)
        if "frac_1e6" in data:
            cell = data["lattice"][:m].astype(np.float64)
            x = np.einsum("ni,nij->nj", data["frac_1e6"][:total] / 1e6, np.repeat(cell, count, axis=0))
            crystal.append(np.ones(m, dtype=bool))
        else:
            cell, x = np.zeros((m, 3, 3)), data["pos_1e5A"][:total] / 1e5
            crystal.append(np.zeros(m, dtype=bool))
        if len(z) != total or len(x) != total:
            raise NetworkError(f"has {len(z)} species and {len(x)} positions for {total} atoms", where=name)
        key = "material_id" if "material_id" in data else "gdb_id"
        numbers.append(z)
        positions.append(x)
        cells.append(cell)
        natoms.append(count)
        ids.append(data[key][:m].astype(str))
        sources.append(np.full(m, name))
        for prop in PROPERTIES:
            values = data[prop][:m].astype(np.float64) if prop in data else np.full(m, np.nan)
            labels[prop].append(values)
    if not natoms:
        raise NetworkError("no training data", remedy="Give at least one corpus.")
    first = np.concatenate([[0], np.cumsum(np.concatenate(natoms))])
    out = Dataset(
        numbers=np.concatenate(numbers),
        positions=np.concatenate(positions),
        cells=np.concatenate(cells),
        crystal=np.concatenate(crystal),
        first=first,
        ids=np.concatenate(ids),
        source=np.concatenate(sources),
        labels={k: np.concatenate(v) for k, v in labels.items()},
        scale=np.zeros(0),
    )
    out.scale = np.array([length_scale(*out.triple(k)[::2]) for k in range(len(out))])
    return out
