"""Checks of the bare geometry: number of atoms, shortest contact, density, symmetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.codec.radii import COVALENT_RADII
from motifdesk.motifs.detection.neighbours import NeighbourList
from motifdesk.structures.arrays import element_symbols

from ..candidate import Verdict
from ..options import Option

if TYPE_CHECKING:
    from .judging import Look

_AMU = 1.66053906660  # g/cm^3 per u/A^3 (CODATA 2018)

SIZE = {"max_atoms": Option(200, "atoms in the cell at most", 1, 5000)}
CONTACTS = {
    "shortest": Option(0.65, "shortest distance over the sum of covalent radii (Cordero 2008)", 0.1, 1.5),
    "absolute": Option(0.5, "Angstrom: nearer than this is invalid whatever the elements (CDVAE's criterion)", 0.1, 3),
}
DENSITY = {
    "low": Option(0.1, "g/cm^3", 0, 100),
    "high": Option(30.0, "g/cm^3", 0, 100),
    "packing": Option([0.08, 1.6], "share of the cell filled by spheres of covalent radii, from and to"),
}
SYMMETRY = {
    "at_least": Option(1, "space group number at least", 1, 230),
    "groups": Option([], "space group numbers allowed; default: all"),
}


def size(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Number of atoms, and that it is a crystal."""
    n = len(look.arrays)
    if not look.arrays.is_crystal:
        return Verdict("size", False, "a molecule, not a crystal", n)
    ok = n <= options["max_atoms"]
    return Verdict("size", ok, "" if ok else f"{n} atoms, more than {options['max_atoms']}", n)


def contacts(look: Look, options: Mapping[str, Any]) -> Verdict:
    """The contact that is shortest in units of the sum of covalent radii. value: that ratio."""
    a = look.arrays
    radii = COVALENT_RADII[np.minimum(a.numbers, len(COVALENT_RADII) - 1)]
    reach = max(float(2 * radii.max() * options["shortest"]), options["absolute"]) + 0.05
    near = NeighbourList(a.cell, a.fractional).near(np.arange(len(a)), reach)  # type: ignore[arg-type]
    if not len(near.sites):
        return Verdict("contacts", True, "", None)
    i, j = near.chosen[near.owner], near.sites
    distance = np.sqrt(near.squared)
    ratio = distance / (radii[i] + radii[j])
    k = int(ratio.argmin())
    shortest = float(distance.min())
    symbols = element_symbols()
    look.figures["shortest_contact"] = shortest
    if shortest < options["absolute"]:
        return Verdict("contacts", False, f"two atoms {shortest:.2f} A apart", float(ratio[k]))
    if ratio[k] < options["shortest"]:
        pair = f"{symbols[a.numbers[i[k]]]} and {symbols[a.numbers[j[k]]]}"
        said = f"{pair} {distance[k]:.2f} A apart, {ratio[k]:.2f} of their radii"
        return Verdict("contacts", False, said, float(ratio[k]))
    return Verdict("contacts", True, "", float(ratio[k]))


def density(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Mass density (value, g/cm^3) and packing fraction of covalent spheres."""
    from motifdesk.structures.errors import StructureError

    a = look.arrays
    packing = options["packing"]
    if len(packing) != 2:
        raise StructureError("packing needs two numbers", where="[checks.density]")
    rho = mass_density(look.structure)
    radii = COVALENT_RADII[np.minimum(a.numbers, len(COVALENT_RADII) - 1)]
    filled = float(4 / 3 * np.pi * (radii**3).sum() / a.volume)
    look.figures.update(density=rho, volume_per_atom=a.volume / len(a), packing=filled)
    if not options["low"] <= rho <= options["high"]:
        return Verdict("density", False, f"{rho:.2f} g/cm^3", rho)
    if not packing[0] <= filled <= packing[1]:
        return Verdict("density", False, f"packing fraction {filled:.2f}", rho)
    return Verdict("density", True, "", rho)


def mass_density(structure: Any) -> float:
    """g/cm^3 of a crystal."""
    return float(structure.composition.weight) / float(structure.volume) * _AMU


def symmetry(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Space group number (value) within the tolerance."""
    number = look.group
    look.figures["spacegroup"] = number
    if number == 0:
        return Verdict("symmetry", None, "the symmetry search gave no group")
    if number < options["at_least"]:
        return Verdict("symmetry", False, f"space group {number} is below {options['at_least']}", number)
    if options["groups"] and number not in options["groups"]:
        return Verdict("symmetry", False, f"space group {number} is not among those asked for", number)
    return Verdict("symmetry", True, "", number)
