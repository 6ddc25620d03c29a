"""Structures as plain arrays, for everything that computes: `AtomArrays`, `to_arrays`, `from_arrays`.

Conventions: Cartesian positions in Angstrom; the *rows* of ``cell`` are the lattice vectors, so that
``positions = fractional @ cell``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import StructureError, one_line

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure


def _kept(values: Any, kind: type) -> np.ndarray:
    """A copy nobody else can write to; the array itself where it is one already, so that the steps of a history share
    what they have in common."""
    if type(values) is np.ndarray and values.dtype == kind and values.base is None and not values.flags.writeable:
        return values
    return np.array(values, dtype=kind)


@dataclass(frozen=True, eq=False)
class AtomArrays:
    """A crystal or a molecule as three read-only arrays.

    Parameters
    ----------
    numbers
        int64 [N], atomic numbers, 1 to 118.
    positions
        float64 [N, 3], Cartesian, Angstrom; not wrapped into the cell.
    cell
        float64 [3, 3], rows are lattice vectors in Angstrom; None for a molecule.

    Raises
    ------
    StructureError
        wrong shapes, no atom, a number outside 1 to 118, NaN or infinite values, a cell without volume.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None = None

    def __post_init__(self) -> None:
        numbers = _kept(self.numbers, np.int64)
        positions = _kept(self.positions, np.float64)
        cell = None if self.cell is None else _kept(self.cell, np.float64)
        if numbers.ndim != 1 or positions.shape != (len(numbers), 3):
            raise StructureError(
                f"numbers {numbers.shape} and positions {positions.shape} do not fit together",
                where="AtomArrays",
                remedy="give numbers [N] and positions [N, 3]",
            )
        if not len(numbers):
            raise StructureError("there is no atom", where="AtomArrays", remedy="give at least one atom")
        if numbers.min() < 1 or numbers.max() > 118:
            bad = int(np.flatnonzero((numbers < 1) | (numbers > 118))[0])
            raise StructureError(
                f"atom {bad} has the atomic number {numbers[bad]}",
                where="AtomArrays",
                remedy="use atomic numbers 1 to 118",
            )
        if not np.isfinite(positions).all():
            bad = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise StructureError(
                f"the position of atom {bad} is {one_line(positions[bad])}",
                where="AtomArrays",
                remedy="give finite coordinates",
            )
        if cell is not None and (cell.shape != (3, 3) or not np.isfinite(cell).all()):
            raise StructureError(
                f"the cell is not a finite 3 x 3 matrix, but {one_line(cell)}",
                where="AtomArrays",
                remedy="give the lattice vectors as rows, or None for a molecule",
            )
        if cell is not None and abs(np.linalg.det(cell)) < 1e-6:
            raise StructureError(
                f"the cell {one_line(cell.tolist())} has no volume",
                where="AtomArrays",
                remedy="give three independent lattice vectors",
            )
        for name, value in (("numbers", numbers), ("positions", positions), ("cell", cell)):
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        kind = "molecule" if self.cell is None else f"crystal, {self.volume:.2f} A^3"
        return f"AtomArrays({self.formula}, {len(self)} atoms, {kind})"

    @property
    def is_crystal(self) -> bool:
        return self.cell is not None

    @cached_property
    def volume(self) -> float:
        """Cell volume in A^3; 0.0 for a molecule."""
        return 0.0 if self.cell is None else float(abs(np.linalg.det(self.cell)))

    @cached_property
    def fractional(self) -> np.ndarray:
        """float64 [N, 3], fractional coordinates, not wrapped. A molecule has none: StructureError."""
        if self.cell is None:
            raise StructureError("a molecule has no fractional coordinates", where=repr(self))
        return self.positions @ np.linalg.inv(self.cell)

    @cached_property
    def formula(self) -> str:
        """Reduced for crystals, full for molecules; Hill order (C, H first where C is present, then alphabetical)."""
        symbols = element_symbols()
        values, counts = np.unique(self.numbers, return_counts=True)
        found = {symbols[z]: int(n) for z, n in zip(values, counts, strict=True)}
        divisor = int(np.gcd.reduce(counts)) if self.is_crystal else 1
        order = sorted(found, key=lambda s: (s != "C", s != "H", s) if "C" in found else (True, True, s))
        return "".join(f"{s}{found[s] // divisor if found[s] // divisor > 1 else ''}" for s in order)


def element_symbols() -> tuple[str, ...]:
    """Chemical symbols by atomic number; index 0 is "X"."""
    return _SYMBOLS


def to_arrays(structure: Any) -> AtomArrays:
    """The arrays of a ``Structure``, ``Molecule``, ``ase.Atoms`` or `AtomArrays`.

    Site order is kept; oxidation states, labels and site properties are left behind (`from_arrays` can put them back).

    Raises
    ------
    StructureError
        sites with partial occupancy, dummy species, NaN, or an object that is no structure.
    """
    if isinstance(structure, AtomArrays):
        return structure
    if hasattr(structure, "get_atomic_numbers"):  # ase.Atoms; periodic if any direction is
        cell = np.asarray(structure.cell) if np.any(structure.pbc) else None
        return AtomArrays(structure.get_atomic_numbers(), structure.get_positions(), cell)
    if not hasattr(structure, "sites") or not hasattr(structure, "cart_coords"):
        raise StructureError(
            f"a {type(structure).__name__} is not a structure",
            remedy="give a pymatgen Structure or Molecule, ase.Atoms, or read a file with motifdesk.read",
        )
    numbers = np.empty(len(structure), dtype=np.int64)
    for k, site in enumerate(structure):
        if not site.is_ordered:
            raise StructureError(
                f"site {k} ({site.species_string}) is partly occupied",
                where=one_line(structure.formula),
                remedy='read it with disorder="majority", or order it first',
            )
        numbers[k] = _number(site.specie, k, structure)
    lattice = getattr(structure, "lattice", None)
    return AtomArrays(numbers, structure.cart_coords, None if lattice is None else lattice.matrix)


def _number(specie: Any, k: int, structure: Any) -> int:
    if type(specie).__name__.startswith("Dummy"):
        raise StructureError(
            f"site {k} holds the dummy species {specie}",
            where=one_line(structure.formula),
            remedy="replace it by an element, or remove it",
        )
    return int(specie.Z)


def from_arrays(arrays: AtomArrays, like: Structure | Molecule | None = None) -> Structure | Molecule:
    """A ``Structure`` (with a cell) or ``Molecule`` (without) from arrays.

    Parameters
    ----------
    arrays
        what to convert; fractional coordinates are not wrapped.
    like
        a structure of the same atoms in the same order: its species (with oxidation states), labels, site
        properties and properties are carried over. Where an atomic number differs, that site gets the plain element.

    Raises
    ------
    StructureError
        `like` has another number of atoms.
    """
    from pymatgen.core import Element, Lattice, Molecule, Structure

    species: list[Any] = [Element.from_Z(int(z)) for z in arrays.numbers]
    labels = site_properties = properties = None
    if like is not None:
        if len(like) != len(arrays):
            raise StructureError(
                f"{len(arrays)} atoms cannot be dressed like a structure of {len(like)}",
                where="from_arrays",
                remedy="leave out like=, or give the structure that the arrays came from",
            )
        same = [site.is_ordered and site.specie.Z == int(z) for site, z in zip(like, arrays.numbers, strict=True)]
        species = [site.specie if keep else element for site, keep, element in zip(like, same, species, strict=True)]
        if all(same):
            labels = [site.label for site in like]
        site_properties = {name: list(values) for name, values in like.site_properties.items()}
        properties = dict(like.properties)
    if arrays.cell is None:
        return Molecule(
            species, arrays.positions, site_properties=site_properties, labels=labels, properties=properties
        )
    return Structure(
        Lattice(arrays.cell),
        species,
        arrays.positions,
        coords_are_cartesian=True,
        site_properties=site_properties,
        labels=labels,
        properties=properties,
    )


# fmt: off
_SYMBOLS = (
    "X", "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K",
    "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr",
    "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La",
    "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os",
    "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am",
    "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl",
    "Mc", "Lv", "Ts", "Og",
)
# fmt: on
