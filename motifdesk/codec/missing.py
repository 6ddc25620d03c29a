"""What is missing in a structure: the door to the missing-atom network.

>>> for found in propose_missing(molecule): print(found.element, found.position, found.confidence)
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.data import path
from motifdesk.structures.arrays import AtomArrays, element_symbols, to_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from motifdesk.networks.missing import MissingAtom

_LOCK = threading.Lock()
_FILES = {False: "missing_molecules.safetensors", True: "missing_crystals.safetensors"}


@dataclass(frozen=True)
class Proposal:
    """An atom that may be missing.

    ``element``: symbol; ``number``: atomic number; ``position``: Cartesian, Angstrom (crystals: inside the cell);
    ``confidence``: 0 to 1, the share of the network's vote for this element within 0.5 Angstrom of this place;
    ``spread``: Angstrom, how far these votes lie apart.
    """

    element: str
    number: int
    position: tuple[float, float, float]
    confidence: float
    spread: float

    def __repr__(self) -> str:
        place = ", ".join(f"{x:.3f}" for x in self.position)
        return f"<{self.element} at ({place}) Å, {100 * self.confidence:.0f} %>"


@cache
def _loaded(crystal: bool) -> tuple[MissingAtom, str]:
    from motifdesk.networks.errors import NetworkError
    from motifdesk.networks.missing_training import load_missing

    try:
        model, about = load_missing(path("weights", _FILES[crystal]))
    except NetworkError as error:
        raise CodecError(error.what, where=error.where or _FILES[crystal], remedy=error.remedy) from None
    model.requires_grad_(False)
    return model, str(about["digest"])[:12]


def network(crystal: bool) -> tuple[MissingAtom, str]:
    """The bundled network for crystals or for molecules, loaded once, and the digest of its weights."""
    with _LOCK:
        return _loaded(crystal)


def propose_missing(structure: Any, n: int = 5) -> list[Proposal]:
    """What a network that has seen many structures with one atom removed would put back into this one.

    Parameters
    ----------
    structure
        anything ``motifdesk.read`` accepts (path, pymatgen Structure or Molecule, ase.Atoms), or ``AtomArrays``.
        Molecules are answered by weights that know H, C, N and O; crystals by weights for the elements of the bundled
        corpora.
    n
        at most so many proposals, surest first; several may share a place and differ in the element.

    Returns
    -------
    list of Proposal
        confidences add up to at most one. The network always assumes that one atom *is* missing: for a whole structure
        the answer means nothing.

    Raises
    ------
    CodecError
        a molecule of one atom, an element that the weights do not know, atoms on one site.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise CodecError(f"{n!r} proposals", where="propose_missing", remedy="ask for a whole number, at least one")
    if not isinstance(structure, AtomArrays):
        from motifdesk.structures import read

        structure = to_arrays(read(structure))
    from motifdesk.codec.threads import one_thread
    from motifdesk.networks.errors import NetworkError
    from motifdesk.networks.missing_propose import propose

    model, _ = network(structure.is_crystal)
    symbols = element_symbols()
    unknown = sorted(set(structure.numbers.tolist()) - set(model.config.elements))
    if unknown:
        known = "H, C, N and O" if not structure.is_crystal else f"{len(model.config.elements)} elements"
        kind = "crystals" if structure.is_crystal else "molecules"
        raise CodecError(
            f"the missing-atom network for {kind} has not seen {', '.join(symbols[z] for z in unknown)}",
            where=structure.formula,
            remedy=f"it knows {known}; substitute the element first, or place the atom by hand",
        )
    try:
        with one_thread():
            found = propose(model, (structure.numbers, structure.positions, structure.cell), int(n))
    except NetworkError as error:
        raise CodecError(error.what, where=structure.formula, remedy=error.remedy) from None
    return [Proposal(symbols[g.number], g.number, _triple(g.position), g.confidence, g.spread) for g in found]


def _triple(position: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in position)
    return x, y, z
