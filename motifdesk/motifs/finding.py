"""Find the motifs of a structure: CrystalNN's neighbours on symmetry-unique sites, expanded, classified and linked."""

from __future__ import annotations

from typing import Any

import numpy as np

from motifdesk.structures.arrays import from_arrays, to_arrays
from motifdesk.structures.errors import MotifError

from .assembly import CLOSEST, assemble, refuse_overlap, symbol_of
from .clock import Clock
from .crystalnn import neighbour_sets
from .equivalence import carried, site_classes
from .graph import Ligand, MotifGraph
from .layers import regrouped
from .molecules import molecule_motifs
from .neighbours import NeighbourList
from .oxidation import centre_sites, oxidation_states
from .sharing import bond_links, shared_ligands, units

_LARGEST = 5000


def find_motifs(structure: Any, *, tolerance: float = 0.01, seconds: float = 60.0) -> MotifGraph:
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
    seconds
        give up with a MotifError that says how far it came when finding takes longer.

    Raises
    ------
    StructureError
        partial occupancy, dummy species, NaN. MotifError: two atoms on one place, more than 5,000 atoms, or out of
        time.
    """
    clock = Clock(seconds)
    if not hasattr(structure, "sites"):  # ase.Atoms, AtomArrays
        structure = from_arrays(to_arrays(structure))
    arrays = to_arrays(structure)
    if len(arrays) > _LARGEST:
        raise MotifError(
            f"{len(arrays)} atoms are more than {_LARGEST}", where=arrays.formula, remedy="use a smaller cell"
        )
    clock.where = arrays
    return _crystal(structure, arrays, tolerance, clock) if arrays.is_crystal else molecule_motifs(structure, arrays)


def _crystal(structure: Any, arrays: Any, tolerance: float, clock: Clock) -> MotifGraph:
    notes: list[str] = []
    symbols = [symbol_of(site) for site in structure]
    oxidation = oxidation_states(structure)
    if not any(oxidation) and len(set(symbols)) > 1:
        notes.append("no neutral choice of oxidation states is known: covalent radii were used")
    neighbours = NeighbourList(arrays.cell, arrays.fractional)
    overlap = neighbours.closer_than(CLOSEST)
    if overlap is not None:
        refuse_overlap(arrays, symbols, *overlap)
    table: dict[tuple[str, float], int] = {}
    kinds = np.array([table.setdefault(pair, len(table)) for pair in zip(symbols, oxidation, strict=True)])
    clock.check("the symmetry search")
    classes = site_classes(arrays, kinds, tolerance)
    if classes.note:
        notes.append(classes.note)
    unique = np.unique(classes.source)
    found = neighbour_sets(neighbours, symbols, oxidation, unique, clock.watch("neighbours", len(unique)))
    sets = _ligands(carried(arrays, kinds, classes, unique, found))
    centres, kind = centre_sites(symbols, oxidation)
    motifs, orbits = assemble(arrays, symbols, centres, sets, classes.source.tolist(), clock)
    alone = [m.name for m in motifs if not m.ligands]
    if alone:
        many = "1 centre has" if len(alone) == 1 else f"{len(alone)} centres have"
        notes.append(f"{many} no neighbour in reach ({alone[0]})")
    clock.check("the links between motifs")
    links = bond_links(motifs, sets) if kind == "elements" else shared_ligands(motifs)
    clock.check("the units of motifs")
    groups = units(motifs, links, lambda site: symbols[site])
    graph = MotifGraph(structure, motifs, links, orbits, groups, sets, oxidation, kind, tolerance, tuple(notes))
    return regrouped(graph, arrays, classes.source.tolist())


def _ligands(sets: Any) -> tuple[tuple[Ligand, ...], ...]:
    flat = [Ligand(s, (a, b, c)) for s, (a, b, c) in zip(sets.sites.tolist(), sets.images.tolist(), strict=True)]
    start = sets.start.tolist()
    return tuple(tuple(flat[a:b]) for a, b in zip(start[:-1], start[1:], strict=True))
