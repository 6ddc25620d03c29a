"""The same crystal in its primitive or conventional cell, without turning or idealising it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import AtomArrays
from .errors import StructureError
from .symmetry import dataset

if TYPE_CHECKING:
    from pymatgen.core import Structure


def primitive_cell(structure: Structure, tolerance: float = 0.01) -> Structure:
    """The standard primitive cell (ITA choice of axes), atoms where they were.

    Unlike spglib's and pymatgen's standardisation nothing is rotated, shifted or symmetrised: every atom of the result
    lies on an atom of the crystal given, to the last digit.

    Raises
    ------
    StructureError
        no symmetry search converges at `tolerance` (Angstrom), or atoms cannot be told apart in the smaller cell.
    """
    return in_cell(structure, np.array(dataset(structure, tolerance).prim_std_linear), tolerance)


def is_primitive(structure: Structure | AtomArrays, tolerance: float = 0.01) -> bool:
    """Whether no smaller cell describes the crystal; errors as `primitive_cell`, whose work it spares."""
    found = dataset(structure, tolerance)
    return abs(float(np.linalg.det(np.array(found.prim_std_linear)))) > 1.0 - 1e-6


def right_handed(arrays: AtomArrays) -> AtomArrays:
    """The same crystal, atoms where they were, in a right-handed cell: the lattice vectors change sign where they were
    left-handed, which some programs (VASP, CHGNet's stress) do not take."""
    if arrays.cell is None or np.linalg.det(arrays.cell) > 0:
        return arrays
    return AtomArrays(arrays.numbers, arrays.positions, -arrays.cell)


def conventional_cell(structure: Structure, tolerance: float = 0.01) -> Structure:
    """The conventional (Bravais) cell; everything else as `primitive_cell`."""
    return in_cell(structure, np.array(dataset(structure, tolerance).std_linear), tolerance)


def in_cell(structure: Structure, linear: np.ndarray, tolerance: float = 0.01) -> Structure:
    """The crystal described in the cell whose basis vectors are ``(a', b', c') = (a, b, c) @ linear`` (columns).

    `linear` is float [3, 3], rational for a cell of the same crystal. Of atoms that fall together within `tolerance`
    Angstrom modulo the new lattice the first is kept, with its species, label and site properties.
    """
    from pymatgen.core import Lattice, Structure

    old = structure.lattice.matrix
    new = linear.T @ old
    expected = len(structure) * abs(float(np.linalg.det(linear)))
    natoms = round(expected)
    if natoms < 1 or abs(expected - natoms) > 1e-3:
        raise StructureError(f"the cell asked for would hold {expected:.3f} atoms", where=structure.formula)
    # every translation of the old lattice that can put an atom into the new cell
    to_old = new @ np.linalg.inv(old)  # rows: new vectors in old fractional coordinates
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ to_old
    low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 1
    shifts = np.stack(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    shifts = shifts.reshape(-1, 3)
    inside = structure.frac_coords - np.floor(structure.frac_coords)
    candidates = (inside[:, None, :] + shifts[None, :, :]) @ np.linalg.inv(to_old)  # [N, S, 3] in the new cell
    numbers = np.array([site.specie.Z for site in structure])
    chosen: list[int] = []
    fractional = np.empty((0, 3))
    kept_numbers: np.ndarray = np.empty(0, dtype=int)
    for k in range(len(structure)):
        wrapped = candidates[k] - np.floor(candidates[k] + 1e-9)
        wrapped = wrapped[np.unique(np.round(wrapped, 6) % 1.0, axis=0, return_index=True)[1]]
        for point in wrapped:
            difference = fractional - point
            difference -= np.round(difference)
            near = np.linalg.norm(difference @ new, axis=1) < 2 * tolerance
            if not (near & (kept_numbers == numbers[k])).any():
                chosen.append(k)
                fractional = np.vstack([fractional, point])
                kept_numbers = np.append(kept_numbers, numbers[k])
    if len(chosen) != natoms:
        raise StructureError(
            f"{len(chosen)} atoms instead of {natoms} in the cell asked for",
            where=structure.formula,
            remedy='try a smaller tolerance, or cell="as-given"',
        )
    return Structure(
        Lattice(new),
        [structure[k].species for k in chosen],
        fractional,
        site_properties={name: [values[k] for k in chosen] for name, values in structure.site_properties.items()},
        labels=[structure[k].label for k in chosen],
        properties=dict(structure.properties),
    )
