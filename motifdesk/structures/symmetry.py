"""Space groups, operations and equivalent sites at a stated tolerance.

Through moyopy: 0.2-4 ms a structure, the conventions and answers of spglib.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import AtomArrays, to_arrays
from .errors import StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure


# moyopy logs a note for every supercell; without a handler Python prints it to stderr, under each slider move
logging.getLogger("moyo").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class SpaceGroup:
    """A space-group type found at a tolerance: ITA number 1-230, Hermann-Mauguin symbol, tolerance in Angstrom."""

    number: int
    symbol: str
    tolerance: float

    @property
    def name(self) -> str:
        """ "P4mm (99)"."""
        return f"{self.symbol} ({self.number})"

    def __str__(self) -> str:
        return f"{self.name} within {self.tolerance:g} A"


def space_group(structure: Structure | AtomArrays, tolerance: float = 0.01) -> SpaceGroup:
    """The space group of a crystal when atoms may be `tolerance` Angstrom off their ideal places.

    Raises
    ------
    StructureError
        a molecule, a tolerance that is not positive, or a structure in which no symmetry search converges.
    """
    arrays = to_arrays(structure)
    found = dataset(arrays if (order := odd_first(arrays)) is None else reordered(arrays, order), tolerance)
    return SpaceGroup(int(found.number), short_symbol(found), float(tolerance))


def symmetry_operations(structure: Structure | AtomArrays, tolerance: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Rotations int64 [G, 3, 3] and translations float64 [G, 3] of the *given* cell.

    They act on fractional columns, x' = W x + w. A non-primitive cell's pure translations are among them.
    Errors as `space_group`.
    """
    operations = dataset(structure, tolerance).operations
    return np.array(operations.rotations, dtype=np.int64), np.array(operations.translations, dtype=np.float64)


def equivalent_sites(structure: Structure | AtomArrays, tolerance: float = 0.01) -> np.ndarray:
    """int64 [N]: for each site the first site of its crystallographic orbit (of the crystal, whatever its cell).

    Errors as `space_group`.
    """
    return np.array(dataset(structure, tolerance).orbits, dtype=np.int64)


def wyckoff_positions(structure: Structure | AtomArrays, tolerance: float = 0.01) -> list[str]:
    """The Wyckoff position of each site, multiplicity in the conventional cell and letter of the standard setting
    ("8f"; International Tables A).

    The letters of some positions depend on the choice of origin: another program may name 4a what this calls 4b. Errors
    as `space_group`.
    """
    found = dataset(structure, tolerance)
    counts = np.bincount(np.array(found.orbits, dtype=np.int64), minlength=len(found.orbits))
    cells = abs(float(np.linalg.det(np.array(found.std_linear))))  # conventional cells a given one makes, inverted
    return [
        f"{round(counts[orbit] * cells)}{letter}" for orbit, letter in zip(found.orbits, found.wyckoffs, strict=True)
    ]


def dataset(structure: Structure | AtomArrays, tolerance: float) -> Any:
    """moyopy's full answer (``MoyoDataset``) for this package's other rooms; errors as `space_group`."""
    import moyopy

    number = isinstance(tolerance, (int, float, np.integer, np.floating)) and not isinstance(tolerance, bool)
    if not (number and math.isfinite(tolerance) and tolerance > 0):
        raise StructureError(f"a symmetry tolerance of {tolerance!r} A", remedy="give a positive number such as 0.01")
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise StructureError(
            "a molecule has no space group", where=arrays.formula, remedy="give a crystal (a Structure with a cell)"
        )
    cell = moyopy.Cell(arrays.cell.tolist(), arrays.fractional.tolist(), arrays.numbers.tolist())
    try:
        return moyopy.MoyoDataset(cell, symprec=float(tolerance))
    except Exception as error:  # moyopy raises ValueError and, in some releases, its own type
        raise StructureError(
            f"no space group found within {tolerance:g} A ({error})",
            where=arrays.formula,
            remedy="try a smaller tolerance, or check for atoms that are nearly on one site",
        ) from error


_MANY = 300  # atoms from which their order matters to the time that a search takes
_NEAREST = 14  # neighbours by which sites are told apart, within so many Angstrom of the cell:
_PADDING = 4.0


def odd_first(arrays: AtomArrays) -> np.ndarray | None:
    """The order of the sites, int64 [N], in which a symmetry search is quick; None where it does not matter.

    The search for translations takes the first site of a kind to every other one and looks whether all others follow.
    In a large cell that is changed in one place nearly all do, each time: seconds in which nothing else runs. From a
    site that is itself out of place nearly none do. First therefore those that are further off the middle of their
    neighbours than their kind. The answer does not depend on the order.
    """
    if arrays.cell is None or len(arrays) < _MANY:
        return None
    from scipy.spatial import cKDTree

    cell = np.asarray(arrays.cell)
    wrapped = arrays.fractional % 1.0
    padding = _PADDING * np.sqrt((np.linalg.inv(cell) ** 2).sum(axis=0))
    if (padding > 1.0).any():  # a very thin cell
        return None
    cloud = wrapped
    for axis in range(3):
        low, high = cloud[cloud[:, axis] < padding[axis]], cloud[cloud[:, axis] > 1.0 - padding[axis]]
        step = np.eye(3)[axis]
        cloud = np.concatenate([cloud, low + step, high - step])
    points, sites = cloud @ cell, wrapped @ cell
    distances, near = cKDTree(points).query(sites, k=min(_NEAREST + 1, len(cloud)))
    # how far off the middle of its neighbours, which count less the further away they are
    weights = np.square(1.0 - distances / distances[:, -1:])[:, 1:]
    off = np.einsum("nk,nkx->nx", weights, points[near[:, 1:]] - sites[:, None]) / weights.sum(axis=1, keepdims=True)
    odd = np.zeros(len(arrays))
    for number in np.unique(arrays.numbers):
        rows = np.flatnonzero(arrays.numbers == number)
        odd[rows] = np.linalg.norm(off[rows] - np.median(off[rows], axis=0), axis=1)
    return np.argsort(-odd, kind="stable")


def reordered(arrays: AtomArrays, order: np.ndarray) -> AtomArrays:
    """The same structure with its sites in another order."""
    return AtomArrays(arrays.numbers[order], arrays.positions[order], arrays.cell)


def short_symbol(found: Any) -> str:
    """Short Hermann-Mauguin symbol without blanks, as printed in papers: "Fd-3m", "P2_1/c"."""
    import moyopy

    entry = moyopy.SpaceGroupType(int(found.number))
    return str(entry.hm_short).replace(" ", "")
