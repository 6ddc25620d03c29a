"""Find the motifs of a structure: CrystalNN's neighbours on symmetry-unique sites, expanded, classified and linked."""

from __future__ import annotations

from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import symmetry_operations

from .assembly import CLOSEST, assemble, refuse_overlap, symbol_of
from .crystalnn import neighbour_sets
from .graph import Image, Ligand, MotifGraph
from .molecules import molecule_motifs
from .oxidation import centre_sites, oxidation_states
from .sharing import bond_links, shared_ligands, units
from .voronoi import NeighbourList

_LARGEST = 5000


def find_motifs(structure: Any, *, tolerance: float = 0.01) -> MotifGraph:
    """The motifs of a crystal or molecule and how they share ligands.

    Crystals: CrystalNN's neighbour sets (default parameters) after oxidation states are decorated; computed once per
    symmetry orbit and carried over by the space group. Centres are the cations; in metals, alloys and elements every
    atom. Molecules: every heavy atom with its hydrogens, and the rings.

    Parameters
    ----------
    structure
        pymatgen Structure or Molecule (ordered), or anything `motifdesk.read` returns. An own decoration with oxidation
        states is used as it is.
    tolerance
        Angstrom, for the symmetry search.

    Raises
    ------
    StructureError
        partial occupancy, dummy species, NaN. MotifError: two atoms on one place, or more than 5,000 atoms.
    """
    if not hasattr(structure, "composition"):  # ase.Atoms, AtomArrays
        from motifdesk.structures.arrays import from_arrays

        structure = from_arrays(to_arrays(structure))
    arrays = to_arrays(structure)
    if len(arrays) > _LARGEST:
        raise MotifError(
            f"{len(arrays)} atoms are more than {_LARGEST}", where=arrays.formula, remedy="use a smaller cell"
        )
    return _crystal(structure, arrays, tolerance) if arrays.is_crystal else molecule_motifs(structure, arrays)


def _crystal(structure: Any, arrays: Any, tolerance: float) -> MotifGraph:
    notes: list[str] = []
    neighbours = NeighbourList(arrays.cell, arrays.fractional)
    symbols = [symbol_of(site) for site in structure]
    oxidation = oxidation_states(structure)
    if not any(oxidation) and len(set(symbols)) > 1:
        notes.append("no neutral choice of oxidation states is known: covalent radii were used")
    _refuse_overlap(neighbours, arrays, symbols)
    classes = _classes(arrays, tolerance, oxidation, notes)
    unique = sorted({int(c[0]) for c in classes})
    found = neighbour_sets(neighbours, symbols, list(oxidation), unique)
    sets = tuple(_carried(arrays, found, site, *classes[site]) for site in range(len(arrays)))
    centres, kind = centre_sites(structure, oxidation)
    motifs, orbits = assemble(arrays, symbols, centres, sets, [int(c[0]) for c in classes])
    alone = [m.name for m in motifs if not m.ligands]
    if alone:
        notes.append(f"{len(alone)} centres have no neighbour in reach ({alone[0]})")
    links = bond_links(motifs, sets) if kind == "elements" else shared_ligands(motifs)
    groups = units(motifs, links, lambda site: symbols[site])
    return MotifGraph(structure, motifs, links, orbits, groups, sets, oxidation, kind, tolerance, tuple(notes))


def _refuse_overlap(neighbours: NeighbourList, arrays: Any, symbols: list[str]) -> None:
    for a, b, distance in neighbours.closer_than(CLOSEST):
        refuse_overlap(arrays, symbols, a, b, distance)


def _classes(arrays: Any, tolerance: float, oxidation: tuple[float, ...], notes: list[str]) -> list[tuple]:
    """For each site (representative, rotation, translation, permutation-free): the operation takes the representative
    to the site up to a lattice translation. The site itself with the identity where no symmetry relates it."""
    identity = np.eye(3, dtype=np.int64), np.zeros(3)
    out: list[tuple | None] = [None] * len(arrays)
    try:
        rotations, translations = symmetry_operations(arrays, tolerance)
    except StructureError as error:
        notes.append(f"symmetry was not used: {error}")
        return [(site, *identity) for site in range(len(arrays))]
    f = arrays.fractional
    limit = max(3 * tolerance, 1e-3)
    numbers = arrays.numbers
    for site in range(len(arrays)):
        if out[site] is not None:
            continue
        out[site] = (site, *identity)
        images = rotations @ f[site] + translations
        same = np.flatnonzero((numbers == numbers[site]) & (np.array(oxidation) == oxidation[site]))
        delta = images[:, None] - f[same][None]
        delta -= np.rint(delta)
        distance = np.linalg.norm(delta @ arrays.cell, axis=2)
        for column, other in enumerate(same):
            if out[other] is None:
                g = int(np.argmin(distance[:, column]))
                if distance[g, column] < limit:
                    out[other] = (site, rotations[g], translations[g])
    return out  # type: ignore[return-value]


def _carried(arrays: Any, found: dict, site: int, source: int, w: np.ndarray, t: np.ndarray) -> tuple[Ligand, ...]:
    """The neighbours of `source`, carried to `site` by x' = W x + t."""
    sites, images = found[source]
    if site == source:
        return tuple(Ligand(int(s), _image(i)) for s, i in zip(sites, images, strict=True))
    f = arrays.fractional
    shift = np.rint(w @ f[source] + t - f[site])
    moved = (f[sites] + images) @ w.T + t - shift
    out = []
    for k, x in enumerate(moved):
        same = np.flatnonzero(arrays.numbers == arrays.numbers[sites[k]])
        delta = x - f[same]
        whole = np.rint(delta)
        n = int(np.argmin(np.linalg.norm((delta - whole) @ arrays.cell, axis=1)))
        out.append(Ligand(int(same[n]), _image(whole[n])))
    return tuple(out)


def _image(row: Any) -> Image:
    return (int(row[0]), int(row[1]), int(row[2]))
