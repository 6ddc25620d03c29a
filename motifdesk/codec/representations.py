"""The codec's own ways to write a structure down, for :func:`motifdesk.structures.representations.compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import StructureError
from motifdesk.structures.representations import Representation

if TYPE_CHECKING:
    from motifdesk.codec.codec import Codec


def root_code(codec: Codec, *, seconds: float = 20.0) -> Representation:
    """The codec's root: invariants of the whole structure, decoded without looking it up in a corpus."""

    def read(written: np.ndarray) -> AtomArrays:
        made = codec.decode(written, proposals=("free",), seed=0, max_seconds=seconds)[0]
        if not made.converged or made.structure is None:
            raise StructureError(f"the decode has not converged (residual {made.residual:.1e})", where="root code")
        return to_arrays(made.structure)

    return Representation("root code", lambda atoms: codec.encode([atoms]).root[0], read)


def point_of_tensors(model: Any) -> Representation:
    """A molecule reduced to tensors at its middle by the motif autoencoder ``model`` and the hierarchy over it."""
    import torch

    from motifdesk.networks.errors import NetworkError
    from motifdesk.networks.hierarchy import Hierarchy, Node, grow
    from motifdesk.networks.polynomials import turning

    hierarchy, depth = Hierarchy(model), 1

    def write(atoms: AtomArrays) -> np.ndarray:
        if atoms.cell is not None:
            raise StructureError("a crystal has no end, and this is for a finite cluster", where=repr(atoms))
        if len(atoms) > model.config.largest:
            raise StructureError(f"has more than {model.config.largest} atoms", where=repr(atoms))
        try:
            node = grow([Node(int(z), x) for z, x in zip(atoms.numbers, atoms.positions, strict=True)])
            return hierarchy.reduce(node, depth).detach().numpy()
        except NetworkError as error:
            raise StructureError(error.what, where=error.where, remedy=error.remedy) from error

    def read(written: np.ndarray) -> AtomArrays:
        made = list(hierarchy.create(torch.from_numpy(written), depth).atoms())
        return AtomArrays(np.array([z for z, _ in made]), np.array([x for _, x in made]))

    def turn(written: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        return turning(hierarchy.irreps(depth), torch.from_numpy(rotation)).numpy() @ written

    return Representation("tensors at one point", write, read, turn)
