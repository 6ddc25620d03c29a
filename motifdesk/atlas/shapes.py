"""Which shapes of motifs the structures of a map have: found once for the bundled map, shipped in a small file.

>>> shapes = shapes_of(atlas)
>>> shapes.names[shapes.main[index]]     # "octahedron": what most motifs of that structure are
>>> shapes.having("tetrahedron")         # bool [M]

Made by ``scripts/make_atlas_motifs.py`` with :func:`motifdesk.motifs.find_motifs`; molecules have none.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from motifdesk.data import path as data_path
from motifdesk.structures.errors import AtlasError

if TYPE_CHECKING:
    from motifdesk.atlas.atlas import Atlas

FILE: Path = data_path("atlas", "motifs.npz")
NONE = "no motifs"
_KNOWN: WeakKeyDictionary[Atlas, Shapes | None] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shapes of the motifs of M structures.

    Attributes
    ----------
    names : shapes, "no motifs" first, then the commoner ones first
    main : uint8 [M], index of the shape that most motifs of a structure have (of two equally many: the commoner)
    packed : uint8 [M, P], ``has`` in bits
    key : of the structures, see `key_of`
    """

    names: tuple[str, ...]
    main: np.ndarray
    packed: np.ndarray
    key: str

    @cached_property
    def has(self) -> np.ndarray:
        """bool [M, K]: whether a structure has a motif of this shape."""
        return np.unpackbits(self.packed, axis=1, count=len(self.names)).astype(bool)

    def having(self, shape: str) -> np.ndarray:
        """bool [M]: which structures have a motif of this shape, or of one whose name begins so. AtlasError names the
        shapes there are."""
        wanted = shape.strip().replace("_", " ").lower()
        chosen = [k for k, name in enumerate(self.names) if name == wanted]
        chosen = chosen or [k for k, name in enumerate(self.names) if name.startswith(wanted)]
        if not chosen or not wanted:
            raise AtlasError(
                f"no structure of this map has the motif {shape!r}",
                where="map search",
                remedy=f"the commonest are {', '.join(n.replace(' ', '_') for n in self.names[1:13])}",
            )
        return np.asarray(self.has[:, chosen].any(axis=1))

    @classmethod
    def counted(cls, atlas: Atlas, counts: Sequence[Mapping[str, int]]) -> Shapes:
        """From the number of motifs of each shape, one mapping a structure."""
        total: dict[str, int] = {}
        for found in counts:
            for name in found:
                total[name] = total.get(name, 0) + 1
        names = (NONE, *sorted(total, key=lambda n: (-total[n], n)))
        rank = {name: k for k, name in enumerate(names)}
        has = np.zeros((len(counts), len(names)), dtype=bool)
        main = np.zeros(len(counts), dtype=np.uint8)
        for i, found in enumerate(counts):
            for name in found:
                has[i, rank[name]] = True
            if found:
                main[i] = min((-n, rank[name]) for name, n in found.items())[1]
            has[i, 0] = not found
        return cls(names, main, np.packbits(has, axis=1), key_of(atlas))

    def save(self, path: Path) -> None:
        """Write the file (plain arrays, no pickle)."""
        np.savez_compressed(
            path, names=np.array(self.names), main=self.main, packed=self.packed, key=np.array(self.key)
        )

    @classmethod
    def load(cls, path: Path = FILE) -> Shapes:
        """Read the file; AtlasError if it is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as found:
                return cls(tuple(found["names"].tolist()), found["main"], found["packed"], str(found["key"]))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise AtlasError(
                f"the shapes of motifs cannot be read ({error})", where=path, remedy="reinstall motifdesk"
            ) from error

    def rows(self, rows: np.ndarray, key: str) -> Shapes:
        """Those of these structures."""
        return Shapes(self.names, self.main[rows], self.packed[rows], key)


def shapes_of(atlas: Atlas) -> Shapes | None:
    """The shapes of a map's structures (remembered); None for a map with structures that the bundled one lacks."""
    if atlas not in _KNOWN:
        found = Shapes.load() if FILE.exists() else None
        if found is not None and found.key != key_of(atlas):
            from motifdesk.atlas.file import AtlasData

            columns = AtlasData.load(data_path("atlas", "atlas.npz")).columns
            place = {name: row for row, name in enumerate(_names(columns))}
            rows = np.array([place.get(name, -1) for name in _names(atlas.columns)])
            found = found.rows(rows, key_of(atlas)) if len(rows) and rows.min() >= 0 else None
        _KNOWN[atlas] = found
    return _KNOWN[atlas]


def key_of(atlas: Atlas) -> str:
    """Identifies the structures of a map, in their order."""
    return hashlib.sha256("\n".join(_names(atlas.columns)).encode()).hexdigest()[:16]


def _names(columns: Mapping[str, np.ndarray]) -> list[str]:
    return [f"{s}/{i}" for s, i in zip(columns["source"].tolist(), columns["id"].tolist(), strict=True)]
