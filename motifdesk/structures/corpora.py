"""The bundled corpora: thousands of real crystals and molecules as arrays, and the split that keeps benchmarks honest.

>>> mp = corpus("mp_20")
>>> mp[0], mp.ids[0], mp.labels["band_gap"][0]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.data import path

from .arrays import AtomArrays, from_arrays
from .errors import StructureError

if TYPE_CHECKING:
    from os import PathLike

    from pymatgen.core import Molecule, Structure

# crystals first: the map's columns and the decoder's proposals go through them in this order
_NAMES = ("mp_20", "mpts_52", "perov_5", "carbon_24", "qm9")


def corpora() -> tuple[str, ...]:
    """Names of the bundled corpora, in their fixed order."""
    return _NAMES


@cache
def corpus(name: str) -> Corpus:
    """The bundled corpus `name`, loaded once. Unknown names raise a StructureError that lists the known ones."""
    if name not in _NAMES:
        raise StructureError(f"there is no corpus {name!r}", remedy=f"choose one of {', '.join(_NAMES)}")
    return Corpus.load(path("corpora", f"{name}.npz"), name=name)


def development_split(ids: Iterable[str]) -> np.ndarray:
    """bool [M]: True for the development part, about 5 %, that is never trained on and never proposed in a benchmark.

    ``sha1(id) mod 100 < 5`` depends on the id alone: a structure stays on its side whatever else is in the corpus.
    """
    return np.array([int(hashlib.sha1(str(i).encode()).hexdigest(), 16) % 100 < 5 for i in ids], dtype=bool)


class Corpus:
    """An ordered collection of structures: ``len(c)``, ``c[k] -> AtomArrays``, iteration, ``c.ids``, ``c.labels``.

    Attributes
    ----------
    name : str
    ids : str array [M], unique
    natoms : int64 [M]
    labels : dict of float64 [M]; NaN where a value is unknown (``formation_energy_per_atom`` eV/atom, ``band_gap`` eV,
        ``energy_above_hull`` eV/atom, ``spacegroup_number``, ``heat_all`` eV/atom, ``energy_per_atom`` eV)
    """

    def __init__(
        self,
        name: str,
        ids: np.ndarray,
        natoms: np.ndarray,
        numbers: np.ndarray,
        coordinates: np.ndarray,
        cells: np.ndarray | None,
        labels: dict[str, np.ndarray],
    ) -> None:
        self.name = name
        self.ids = ids
        self.natoms = natoms.astype(np.int64)
        self.labels = labels
        self._numbers = numbers
        self._coordinates = coordinates
        self._cells = cells
        self._starts = np.concatenate([[0], np.cumsum(self.natoms)])
        wrong = (
            self._starts[-1] != len(numbers)
            or len(numbers) != len(coordinates)
            or len(ids) != len(natoms)
            or (cells is not None and len(cells) != len(natoms))
        )
        if wrong:
            raise StructureError("its columns have different lengths", where=name, remedy="copy the file again")

    @classmethod
    def load(cls, file: str | PathLike[str], name: str | None = None) -> Corpus:
        """A corpus from an ``.npz`` in the layout of ``motifdesk/data/SOURCES.md``.

        Raises
        ------
        StructureError
            the file is missing, is no such archive, or lacks a column.
        """
        from pathlib import Path

        file = Path(file)
        try:
            with np.load(file, allow_pickle=False) as archive:
                columns = {key: archive[key] for key in archive.files}
        except FileNotFoundError:
            raise StructureError("no such corpus file", where=file, remedy="check the path") from None
        except (OSError, ValueError, EOFError) as error:
            raise StructureError(f"not a corpus: {error}", where=file, remedy="copy the file again") from error
        except Exception as error:  # zipfile.BadZipFile and zlib.error of damaged archives
            raise StructureError(f"it is damaged: {error}", where=file, remedy="copy the file again") from error
        try:
            if "pos_1e5A" in columns:
                ids = np.array([f"gdb-{k}" for k in columns.pop("gdb_id")])
                coordinates, cells = columns.pop("pos_1e5A") / 1e5, None
            else:
                ids = columns.pop("material_id")
                coordinates, cells = columns.pop("frac_1e6") / 1e6, columns.pop("lattice").astype(np.float64)
            natoms, numbers = columns.pop("natoms"), columns.pop("Z").astype(np.int64)
        except KeyError as error:
            remedy = "see the layout in motifdesk/data/SOURCES.md"
            raise StructureError(f"column {error} is missing", where=file, remedy=remedy) from error
        labelled = {k: v for k, v in columns.items() if v.dtype.kind in "fiu" and v.shape == natoms.shape}
        labels = {k: v.astype(np.float64) for k, v in labelled.items()}
        return cls(name or file.stem, ids, natoms, numbers, coordinates, cells, labels)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kind = "crystals" if self.is_crystal else "molecules"
        return f"Corpus({self.name}: {len(self)} {kind}, {self.natoms.min()}-{self.natoms.max()} atoms)"

    @property
    def is_crystal(self) -> bool:
        return self._cells is not None

    def numbers(self, k: int) -> np.ndarray:
        """int64 [n], atomic numbers of structure k; cheaper than ``corpus[k]``."""
        k = self._index(k)
        return self._numbers[self._starts[k] : self._starts[k + 1]]

    def __getitem__(self, k: int) -> AtomArrays:
        k = self._index(k)
        rows = slice(self._starts[k], self._starts[k + 1])
        if self._cells is None:
            return AtomArrays(self._numbers[rows], self._coordinates[rows])
        return AtomArrays(self._numbers[rows], self._coordinates[rows] @ self._cells[k], self._cells[k])

    def __iter__(self) -> Iterator[AtomArrays]:
        return (self[k] for k in range(len(self)))

    def structure(self, k: int) -> Structure | Molecule:
        """Structure k for the public doors; ``properties["motifdesk"]`` names corpus and id."""
        made = from_arrays(self[k])
        made.properties["motifdesk"] = {"source": f"{self.name}/{self.ids[self._index(k)]}"}
        return made

    def index(self, identifier: str) -> int:
        """Position of the structure with this id; a StructureError if there is none."""
        try:
            return self._by_id[identifier]
        except KeyError:
            raise StructureError(f"no structure with the id {identifier!r}", where=f"corpus {self.name}") from None

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {str(i): k for k, i in enumerate(self.ids)}

    @cached_property
    def development(self) -> np.ndarray:
        """bool [M], `development_split` of the ids."""
        return development_split(self.ids)

    def _index(self, k: int) -> int:
        if not -len(self) <= k < len(self):
            raise IndexError(f"structure {k} of corpus {self.name} with {len(self)} structures")
        return int(k) % len(self)
