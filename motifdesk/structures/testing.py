"""Assertions for users of reading and writing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.read import read
from motifdesk.structures.write import write

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure


def assert_roundtrip(
    structure: Structure | Molecule, *, formats: Iterable[str] | None = None, tolerance: float = 1e-6
) -> None:
    """Assert that `structure`, written and read again, has the same species in the same order, positions and cell.

    Parameters
    ----------
    formats
        suffixes without the dot; default: cif, vasp, extxyz, json for a crystal, xyz, extxyz, json for a molecule.
    tolerance
        Angstrom. A CIF keeps lengths and angles but not how the cell lies in space, so interatomic vectors are compared
        through the metric: fractional coordinates and cell lengths and angles.
    """
    arrays = to_arrays(structure)
    crystal = arrays.cell is not None
    for suffix in formats or (("cif", "vasp", "extxyz", "json") if crystal else ("xyz", "extxyz", "json")):
        with tempfile.TemporaryDirectory() as folder:
            again = to_arrays(read(write(structure, Path(folder) / f"roundtrip.{suffix}")))
        assert np.array_equal(arrays.numbers, again.numbers), f"{suffix}: the species or their order changed"
        assert (again.cell is None) == (not crystal), f"{suffix}: the cell was lost or made up"
        if arrays.cell is None or again.cell is None:
            error = np.abs(arrays.positions - again.positions).max()
        else:
            metrics = [c @ c.T for c in (arrays.cell, again.cell)]
            length = np.sqrt(np.trace(metrics[0]))
            fractions = [arrays.positions @ np.linalg.inv(arrays.cell), again.positions @ np.linalg.inv(again.cell)]
            shift = fractions[0] - fractions[1]
            shift -= np.round(shift)
            error = max(np.abs(metrics[0] - metrics[1]).max() / length, np.abs(shift @ arrays.cell).max())
        assert error <= tolerance, f"{suffix}: off by {error:.2e} Angstrom"
