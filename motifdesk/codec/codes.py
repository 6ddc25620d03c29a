"""Codes: structures reduced to points, one fixed-size root vector each and one vector per motif.

Root layout (float32, 544 numbers)::

    0:94     counts    atoms of each element, H first (exact, hard-wired)
    94:102   lattice   see :mod:`motifdesk.codec.lattice` (exact, hard-wired)
    102:486  geometry  mean and standard deviation over atoms of the encoder's invariants:
                       aware mean 128, aware std 128, blind mean 64, blind std 64
    486:544  symmetry  of a crystal see :mod:`motifdesk.codec.blueprint`, of a molecule (its bonds)
                       :mod:`motifdesk.codec.bonds` (whole numbers, hard-wired; zeros: unknown)

Roots of 486 numbers, from before the symmetry block, are read as roots whose symmetry is unknown.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motifdesk.codec.children import Children, load_arrays, save_arrays
from motifdesk.codec.lattice import LATTICE_WIDTH
from motifdesk.structures.errors import CodecError

N_ELEMENTS = 94
GEOMETRY_WIDTH = 384
BLIND_WIDTH = 128  # the last numbers of the geometry: the tower that does not see the species
MOTIF_WIDTH = 192
COUNTS = slice(0, N_ELEMENTS)
LATTICE = slice(N_ELEMENTS, N_ELEMENTS + LATTICE_WIDTH)
GEOMETRY = slice(LATTICE.stop, LATTICE.stop + GEOMETRY_WIDTH)
SYMMETRY_WIDTH = 58
SYMMETRY = slice(GEOMETRY.stop, GEOMETRY.stop + SYMMETRY_WIDTH)
ROOT_WIDTH = SYMMETRY.stop
_OLD_WIDTH = GEOMETRY.stop  # roots of files and sessions from before the symmetry block


@dataclass(frozen=True)
class Codes:
    """Codes of B structures.

    Attributes:
        root: float32 [B, 544].
        motifs: per structure float32 [m_b, 192], the encoder's invariants at its motif centres; empty arrays when
            the codes were made without motifs.
        version: identifies the weights that made the codes; other weights cannot decode them.
        children: per structure the codes of its motifs, from which it can be decoded; empty when the codes were made
            without motifs.
    """

    root: NDArray[np.float32]
    motifs: tuple[NDArray[np.float32], ...] = ()
    version: str = ""
    children: tuple[Children, ...] = ()

    def __post_init__(self) -> None:
        root = np.ascontiguousarray(self.root, dtype=np.float32)
        if root.ndim == 1:
            root = root[None]
        if root.ndim == 2 and root.shape[1] == _OLD_WIDTH:
            root = np.pad(root, ((0, 0), (0, SYMMETRY_WIDTH)))
        if root.ndim != 2 or root.shape[1] != ROOT_WIDTH:
            raise CodecError(
                f"a root code has {ROOT_WIDTH} numbers ({_OLD_WIDTH} without symmetry), "
                f"these have shape {list(np.shape(self.root))}",
                where="Codes",
                remedy="pass the root of Codec.encode",
            )
        bad = np.flatnonzero(~np.isfinite(root).all(axis=1))
        if bad.size:
            raise CodecError("the code holds NaN or infinity", where=f"code {int(bad[0])}", remedy="encode it again")
        motifs = tuple(self.motifs) or tuple(np.zeros((0, MOTIF_WIDTH), np.float32) for _ in root)
        if len(motifs) != len(root):
            raise CodecError(f"{len(motifs)} sets of motif codes for {len(root)} roots", where="Codes")
        if self.children and len(self.children) != len(root):
            raise CodecError(f"{len(self.children)} sets of children for {len(root)} roots", where="Codes")
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "motifs", motifs)

    @property
    def counts(self) -> NDArray[np.float32]:
        """Atoms of each element, [B, 94] view (column 0 is hydrogen)."""
        return self.root[:, COUNTS]

    @property
    def lattice(self) -> NDArray[np.float32]:
        """Lattice blocks, [B, 8] view."""
        return self.root[:, LATTICE]

    @property
    def geometry(self) -> NDArray[np.float32]:
        """Learned invariants, [B, 384] view."""
        return self.root[:, GEOMETRY]

    @property
    def symmetry(self) -> NDArray[np.float32]:
        """Symmetry blueprints of crystals, bonds of molecules, [B, 58] view; rows of zeros where unknown."""
        return self.root[:, SYMMETRY]

    @property
    def natoms(self) -> NDArray[np.int64]:
        """Atoms per structure, int [B]."""
        return np.rint(self.counts).astype(np.int64).clip(min=0).sum(axis=1)

    @property
    def is_crystal(self) -> NDArray[np.bool_]:
        return self.lattice[:, 0] >= 0.5

    def numbers(self, k: int = 0) -> NDArray[np.int64]:
        """Atomic numbers of structure ``k``, sorted (int [N])."""
        counts = np.rint(self.counts[k]).astype(np.int64)
        if (counts < 0).any() or counts.sum() == 0:
            raise CodecError("the counts block holds no atoms", where=f"code {k}", remedy="use a code of Codec.encode")
        return np.repeat(np.arange(1, N_ELEMENTS + 1), counts)

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, key: int | slice | Sequence[int] | NDArray) -> Codes:
        if isinstance(key, (int, np.integer)):
            if not -len(self) <= key < len(self):
                raise IndexError(f"code {key} of {len(self)}")
            key = [int(key) % len(self)]
        index = np.arange(len(self))[key]
        children = tuple(self.children[i] for i in index) if self.children else ()
        return Codes(self.root[index], tuple(self.motifs[i] for i in index), self.version, children)

    def __iter__(self) -> Iterator[Codes]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"Codes({len(self)} structures, {ROOT_WIDTH} numbers each, weights {self.version or 'unknown'})"

    def check_version(self, version: str) -> None:
        """Raise :class:`CodecError` when these codes were made by other weights than ``version``."""
        if self.version and version and self.version != version:
            raise CodecError(
                f"the codes were made by weights {self.version}, this codec has {version}",
                where="Codes",
                remedy="encode the structures again with this codec, or load the codec that made them",
            )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a safetensors file (atomic: a temporary file is renamed)."""
        from safetensors.numpy import save

        path = Path(path)
        sizes = np.array([len(m) for m in self.motifs], dtype=np.int64)
        tensors = {
            "root": self.root,
            "motifs": np.concatenate([*self.motifs, np.zeros((0, MOTIF_WIDTH), np.float32)]),
            "motif_counts": sizes,
        }
        metadata = {"format": "motifdesk-codes-1", "weights": self.version}
        if self.children:
            tensors |= save_arrays(self.children)
            metadata["motif_weights"] = self.children[0].version
        data = save(tensors, metadata=metadata)
        try:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CodecError(
                f"cannot write the codes ({error.strerror})",
                where=str(path),
                remedy="choose a folder that exists and can be written to",
            ) from error
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Codes:
        """Read a file written by :meth:`save`."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(os.fspath(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != "motifdesk-codes-1":
                    raise CodecError("not a file of codes", where=str(path), remedy="use a file written by Codes.save")
                sizes, flat = file.get_tensor("motif_counts"), file.get_tensor("motifs")
                parts = tuple(np.split(flat, np.cumsum(sizes)[:-1]))
                children: tuple[Children, ...] = ()
                if "child_counts" in file.keys():
                    flat = {name: file.get_tensor(name) for name in file.keys() if name.startswith("child_")}
                    children = load_arrays(flat, metadata.get("motif_weights", ""))
                return cls(file.get_tensor("root"), parts, metadata.get("weights", ""), children)
        except (OSError, SafetensorError) as error:
            raise CodecError(
                f"cannot read the codes ({error})", where=str(path), remedy="use a file written by Codes.save"
            ) from error


def concatenate(codes: Sequence[Codes]) -> Codes:
    """One :class:`Codes` out of several of the same weights."""
    if not codes:
        raise CodecError("no codes to join", where="concatenate")
    for code in codes[1:]:
        code.check_version(codes[0].version)
    children = tuple(child for c in codes for child in c.children) if all(c.children for c in codes) else ()
    root = np.concatenate([c.root for c in codes])
    return Codes(root, tuple(m for c in codes for m in c.motifs), codes[0].version, children)
