"""What every structure must satisfy before the desk works on it, and the stated simplifications."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MotifDeskWarning, SessionError, StructureError, one_line

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from .arrays import AtomArrays

MAX_ATOMS = 5000
# Two atoms nearer than this share one site. The shortest bond there is, H-H, has 0.74 A; the X-ray positions of H in
# downloaded files come down to about 0.6 A from their neighbour.
SAME_SITE = 0.4
LEAST_VOLUME = 1.0
"""Cubic Angstrom per atom below which a crystal has collapsed: diamond has 5.7, hydrogen at 400 GPa some 1.2."""


def check_count(natoms: int, max_atoms: int, where: object) -> None:
    """StructureError when `natoms` is zero or above `max_atoms`; called before parsing wherever the count is known."""
    if natoms < 1:
        raise StructureError("it holds no atom", where=where, remedy="give a structure with at least one atom")
    if natoms > max_atoms:
        raise StructureError(
            f"{natoms:,} atoms are more than the {max_atoms:,} that MotifDesk designs with",
            where=where,
            remedy="give the primitive cell or cut out a smaller piece; read(..., max_atoms=...) lifts the limit",
        )


def check_structure(structure: Structure | Molecule, where: object, max_atoms: int = MAX_ATOMS) -> None:
    """Raise one StructureError if `structure` cannot be designed with.

    Checked in this order: number of atoms, lattice (finite, with volume), finite coordinates, dummy species, partial
    occupancy, two atoms on one site (nearer than 0.4 A, periodic images included).
    """
    check_count(len(structure), max_atoms, where)
    lattice = getattr(structure, "lattice", None)
    if lattice is not None:
        check_lattice(lattice.matrix, where)
    check_finite(structure.cart_coords, where)
    for k, site in enumerate(structure):
        for specie in site.species:
            if type(specie).__name__.startswith("Dummy") or not 1 <= int(specie.Z) <= 118:
                raise StructureError(
                    f"site {k} holds the dummy species {specie}",
                    where=where,
                    remedy="replace it by a chemical element, or remove the site",
                )
    partial = [k for k, site in enumerate(structure) if not site.is_ordered]
    if partial:
        shown = ", ".join(f"{k} ({structure[k].species_string})" for k in partial[:4])
        more = f" and {len(partial) - 4} more" if len(partial) > 4 else ""
        raise StructureError(
            f"partial occupancy on site{'s' if len(partial) > 1 else ''} {shown}{more}",
            where=where,
            remedy='read(..., disorder="majority") keeps the most frequent occupant of each site and says so',
        )
    pairs, distances = close_pairs(structure.cart_coords, None if lattice is None else lattice.matrix, SAME_SITE)
    if len(pairs):
        worst = int(np.argmin(distances))
        i, j = (int(k) for k in pairs[worst])
        names = f"{structure[i].species_string} (site {i}) and {structure[j].species_string} (site {j})"
        others = f", and {len(pairs) - 1} more such pairs" if len(pairs) > 1 else ""
        raise StructureError(
            f"{names} lie on one site, {distances[worst]:.3f} A apart{others}",
            where=where,
            remedy="remove the duplicates; split positions of a disordered crystal need one choice each",
        )


def check_lattice(matrix: np.ndarray, where: object) -> None:
    """StructureError unless the three row vectors are finite and span a volume."""
    matrix = np.asarray(matrix, dtype=float)
    if not np.isfinite(matrix).all():
        raise StructureError("the lattice holds NaN or infinite numbers", where=where, remedy="repair the cell")
    lengths = np.linalg.norm(matrix, axis=1)
    volume = abs(float(np.linalg.det(matrix)))
    if lengths.min() < SAME_SITE or volume < 1e-3 * float(lengths.prod()):
        raise StructureError(
            f"the cell is flat or has a vector of no length (lengths {', '.join(f'{x:.3g}' for x in lengths)} A, "
            f"volume {volume:.3g} A^3)",
            where=where,
            remedy="give three independent lattice vectors; for a molecule leave the cell out",
        )


def refuse_collapse(arrays: AtomArrays, where: object) -> None:
    """SessionError when a crystal has less than `LEAST_VOLUME` for each atom.

    Whatever looks for neighbours within some Angstrom finds millions of images there, and takes all memory.
    """
    if arrays.cell is None:
        return
    volume = abs(float(np.linalg.det(arrays.cell))) / len(arrays.numbers)
    if not volume >= LEAST_VOLUME:
        raise SessionError(
            f"the cell would collapse to {volume:.2g} A^3 per atom", where=where, remedy="ask for a smaller change"
        )


def check_finite(positions: np.ndarray, where: object) -> None:
    """StructureError naming the first site with a coordinate that is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(np.asarray(positions, dtype=float)).all(axis=1))
    if len(bad):
        raise StructureError(
            f"site {bad[0]} has a coordinate that is not a number ({len(bad)} such site{'s' * (len(bad) > 1)})",
            where=where,
            remedy="repair the coordinates in the source; nothing was changed here",
        )


def close_pairs(positions: np.ndarray, cell: np.ndarray | None, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of *different* sites nearer than `cutoff` Angstrom, through periodic images.

    Returns int64 [P, 2] (i < j, each pair once) and float64 [P] distances. Memory grows with N, not N^2: only the
    images within `cutoff` of the cell's faces are added. `cutoff` must be below half the cell's smallest height.
    """
    from scipy.spatial import cKDTree

    owners = np.arange(len(positions))
    points = np.asarray(positions, dtype=float)
    if cell is not None:
        inverse = np.linalg.inv(cell)
        fractional = points @ inverse
        fractional = fractional - np.floor(fractional)
        margin = cutoff * np.linalg.norm(inverse, axis=0)  # cutoff / height of the cell along each axis
        for axis in range(3):  # one axis at a time: corners and edges follow from the images added before
            low, high = fractional[:, axis] < margin[axis], fractional[:, axis] > 1 - margin[axis]
            step = np.eye(3)[axis]
            fractional = np.concatenate([fractional, fractional[low] + step, fractional[high] - step])
            owners = np.concatenate([owners, owners[low], owners[high]])
        points = fractional @ cell
    found = cKDTree(points).query_pairs(cutoff, output_type="ndarray")
    i, j = owners[found].T if len(found) else (np.empty(0, int), np.empty(0, int))
    distances = np.linalg.norm(points[found[:, 0]] - points[found[:, 1]], axis=1) if len(found) else np.empty(0)
    keep = i != j
    pairs = np.sort(np.stack([i, j], axis=1), axis=1)[keep]
    unique, first = np.unique(pairs, axis=0, return_index=True) if len(pairs) else (pairs, np.empty(0, int))
    return unique.astype(np.int64), distances[keep][first]


def majority(structure: Structure, where: object, stacklevel: int = 3) -> Structure:
    """An ordered structure: on each partly occupied site its most frequent occupant, an empty site counting as one.

    Of split positions (partly occupied, nearer to each other than 1.1 A for one element, 0.7 A for two) the most
    occupied is kept. The composition may change: the `MotifDeskWarning` says how, and
    ``properties["motifdesk"]["simplified"]`` keeps the sentence.
    """
    before = structure.composition
    order = sorted(range(len(structure)), key=lambda k: -structure[k].species.num_atoms)
    kept: dict[int, Any] = {}
    partial = 0
    matrix = structure.distance_matrix if len(structure) <= 1500 else None
    for k in order:
        site = structure[k]
        partial += not site.is_ordered
        specie, share = max(site.species.items(), key=lambda item: (item[1], str(item[0])))
        if share < 1 - site.species.num_atoms - 1e-6:  # the site is empty more often than not
            continue
        others = [j for j in kept if not structure[j].is_ordered] if not site.is_ordered else []
        if others:
            distances = matrix[k, others] if matrix is not None else [site.distance(structure[j]) for j in others]
            limits = [1.1 if kept[j] == specie else 0.7 for j in others]
            if (np.asarray(distances) < limits).any():
                continue
        kept[k] = specie
    if not partial:
        return structure
    if not kept:
        raise StructureError(
            "every site is empty more often than not", where=where, remedy="order the structure by hand"
        )
    ordered = structure.copy()
    ordered.remove_sites([k for k in range(len(structure)) if k not in kept])
    for new, old in enumerate(sorted(kept)):
        ordered.replace(new, kept[old], properties=structure[old].properties, label=structure[old].label)
    dropped = len(structure) - len(ordered)
    many = "1 partly occupied site" if partial == 1 else f"{partial} partly occupied sites"
    lost = f", {dropped} site{'s' * (dropped != 1)} dropped" if dropped else ""
    said = (
        f"{many} simplified to the most frequent occupant{lost}: {before.formula} became {ordered.composition.formula}"
    )
    note(ordered, simplified=said)
    warnings.warn(f"{one_line(where)}: {said}", MotifDeskWarning, stacklevel=stacklevel)
    return ordered


def note(structure: Structure | Molecule, **entries: Any) -> None:
    """Add `entries` to ``structure.properties["motifdesk"]`` (made anew, so that copies do not share it)."""
    known = structure.properties.get("motifdesk")
    structure.properties["motifdesk"] = {**(known if isinstance(known, dict) else {}), **entries}
