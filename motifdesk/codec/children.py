"""The children of a root: one code per motif, at the motif's centre, which together cover every atom.

Frames. Crystals: the standard frame of the root's lattice block, that is the Niggli cell with its first vector along x
and the second in the xy plane (:func:`motifdesk.codec.lattice.block_to_cell`); centres are fractional in that cell. The
code of a turned crystal is therefore the same code. Molecules: the frame of the input, with the mean of the atoms as
origin, Angstrom; the tensors of a turned molecule are turned by Wigner matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from motifdesk.codec.lattice import block_to_cell, cell_to_block, niggli_cell
from motifdesk.codec.shells import Shell, shells_of
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from motifdesk.motifs.hierarchy.graph import MotifGraph
    from motifdesk.networks.motif_autoencoder import MotifAutoencoder

FRAMES = ("niggli", "input")
LARGEST_NUMBER = 94


@dataclass(frozen=True, repr=False)
class Children:
    """Codes of the motifs of one structure.

    Attributes:
        numbers: int64 [m], species of the centres.
        centres: float32 [m, 3], fractional in the Niggli cell (crystal) or Angstrom from the mean of the atoms.
        tensors: float32 [m, W], the motif autoencoder's codes of their shells, in the frame.
        frame: "niggli" (crystal) or "input" (molecule).
        version: start of the sha256 of the autoencoder's weights.
    """

    numbers: NDArray[np.int64]
    centres: NDArray[np.float32]
    tensors: NDArray[np.float32]
    frame: str
    version: str = ""

    def __post_init__(self) -> None:
        numbers = np.asarray(self.numbers, dtype=np.int64).reshape(-1)
        centres = np.asarray(self.centres, dtype=np.float32)
        tensors = np.asarray(self.tensors, dtype=np.float32)
        if centres.shape != (len(numbers), 3) or tensors.ndim != 2 or len(tensors) != len(numbers):
            raise CodecError(
                f"{len(numbers)} species, centres {centres.shape} and tensors {tensors.shape} do not fit together",
                where="children",
                remedy="pass the children of Codec.encode",
            )
        if self.frame not in FRAMES:
            raise CodecError(f"there is no frame {self.frame!r}", where="children", remedy='use "niggli" or "input"')
        if len(numbers) and (numbers.min() < 1 or numbers.max() > LARGEST_NUMBER):
            raise CodecError("a centre is no element from 1 to 94", where="children", remedy="encode it again")
        if not (np.isfinite(centres).all() and np.isfinite(tensors).all()):
            raise CodecError("the codes hold NaN or infinity", where="children", remedy="encode the structure again")
        for name, value in (("numbers", numbers), ("centres", centres), ("tensors", tensors)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"Children({len(self)} motifs, {self.tensors.shape[1]} numbers each, {self.frame} frame)"


def save_arrays(children: Sequence[Children]) -> dict[str, np.ndarray]:
    """Flat arrays of several structures' children, for a safetensors file."""
    width = max((c.tensors.shape[1] for c in children), default=0)
    return {
        "child_counts": np.array([len(c) for c in children], dtype=np.int64),
        "child_numbers": np.concatenate([c.numbers for c in children]),
        "child_centres": np.concatenate([c.centres for c in children]),
        "child_tensors": np.concatenate([c.tensors.reshape(len(c), width) for c in children]),
        "child_frames": np.array([FRAMES.index(c.frame) for c in children], dtype=np.int64),
    }


def load_arrays(arrays: dict[str, np.ndarray], version: str) -> tuple[Children, ...]:
    """The inverse of :func:`save_arrays`."""
    ends = np.cumsum(arrays["child_counts"])[:-1]
    columns = [np.split(arrays[f"child_{name}"], ends) for name in ("numbers", "centres", "tensors")]
    frames = [FRAMES[int(k)] for k in arrays["child_frames"]]
    return tuple(Children(z, x, t, f, version) for z, x, t, f in zip(*columns, frames, strict=True))


@lru_cache(maxsize=1)
def motif_autoencoder() -> tuple[MotifAutoencoder, str]:
    """The bundled motif autoencoder (on the CPU) and its version. :class:`CodecError` when the weights are damaged."""
    from motifdesk.data import path
    from motifdesk.networks.errors import NetworkError
    from motifdesk.networks.motif_autoencoder import load_motif_weights

    try:
        model, sha = load_motif_weights(path("weights", "motifs.safetensors"))
    except NetworkError as error:
        raise CodecError(error.what, where=error.where, remedy=error.remedy) from error
    return model, sha[:16]


def standard_frame(arrays: AtomArrays) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The frame of the children: ``(origin [3], cell [3, 3] or None, turn [3, 3])``.

    ``(x - origin) @ turn`` are coordinates in the frame; ``cell`` is the Niggli cell there, the one that the root's
    lattice block decodes to.
    """
    if arrays.cell is None:
        return arrays.positions.mean(axis=0), None, np.eye(3)
    reduced, _ = niggli_cell(arrays.cell)
    standard = block_to_cell(cell_to_block(arrays.cell, len(arrays)), len(arrays))
    assert standard is not None
    return np.zeros(3), standard, np.linalg.inv(reduced) @ standard


def children_of(structure: Any, graph: MotifGraph | None = None) -> Children:
    """The children of a structure: what :meth:`motifdesk.codec.Codec.encode` stores with ``motifs=True``."""
    arrays = to_arrays(structure)
    return encode_shells(arrays, shells_of(structure, graph))


def encode_shells(arrays: AtomArrays, shells: Sequence[Shell]) -> Children:
    """The children made of these shells of ``arrays``."""
    import torch

    from motifdesk.codec.threads import one_thread
    from motifdesk.networks.clusters import pack
    from motifdesk.networks.errors import NetworkError

    model, version = motif_autoencoder()
    origin, cell, turn = standard_frame(arrays)
    try:
        with torch.no_grad(), one_thread():
            tensors = model.encode(pack([(s.numbers, s.offsets @ turn) for s in shells], model.config.largest)).numpy()
    except NetworkError as error:
        raise CodecError(error.what, where=f"{arrays.formula}, {error.where}", remedy=error.remedy) from error
    sites = np.array([s.centre for s in shells], dtype=np.int64)
    centres = (arrays.positions[sites] - origin) @ turn
    if cell is not None:
        centres = centres @ np.linalg.inv(cell)
        centres = centres - np.floor(centres)
    return Children(arrays.numbers[sites], centres, tensors, "input" if cell is None else "niggli", version)
