"""Find the motifs of a structure: CrystalNN's neighbours on symmetry-unique sites, expanded, classified and linked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols, from_arrays, to_arrays
from motifdesk.structures.errors import MotifError

from ..hierarchy.graph import Ligand, MotifGraph
from ..hierarchy.layers import regrouped
from ..hierarchy.sharing import bond_links, shared_ligands, units
from .assembly import CLOSEST, assemble, refuse_overlap, symbol_of
from .clock import Clock
from .crystalnn import NeighbourSets, neighbour_sets
from .equivalence import carried, site_classes
from .molecules import molecule_motifs
from .neighbours import NeighbourList
from .oxidation import centre_sites, states_of

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
    _check_tolerance(tolerance)
    if not hasattr(structure, "sites"):  # ase.Atoms, AtomArrays
        structure = from_arrays(to_arrays(structure))
    if not hasattr(structure, "lattice"):
        arrays = to_arrays(structure)
        _check_size(arrays)
        return molecule_motifs(structure, arrays)
    near = crystal_neighbours(structure, tolerance, clock)
    symbols, notes = near.symbols, list(near.notes)
    sets = _ligands(near.sets)
    centres, kind = centre_sites(symbols, near.oxidation)
    source = near.orbit.tolist()
    motifs, orbits = assemble(near.arrays, symbols, centres, sets, source, clock)
    alone = [m.name for m in motifs if not m.ligands]
    if alone:
        many = "1 centre has" if len(alone) == 1 else f"{len(alone)} centres have"
        notes.append(f"{many} no neighbour in reach ({alone[0]})")
    clock.check("the links between motifs")
    links = bond_links(motifs, sets) if kind == "elements" else shared_ligands(motifs)
    clock.check("the units of motifs")
    groups = units(motifs, links, lambda site: symbols[site])
    graph = MotifGraph(structure, motifs, links, orbits, groups, sets, near.oxidation, kind, tolerance, tuple(notes))
    return regrouped(graph, near.arrays, source)


@dataclass(frozen=True)
class CrystalNeighbours:
    """The neighbour sets of a crystal and what they came from.

    symbols, oxidation: of every site. source: int64 [N], the site that each is a symmetry image of. orbit: int64 [N],
    the first site of its crystallographic orbit (of the crystal: a supercell that breaks an operation does not split
    it). sets: CrystalNN's neighbours of every site, heaviest first. notes: what was assumed.
    """

    arrays: AtomArrays
    symbols: list[str]
    oxidation: tuple[float, ...]
    source: np.ndarray
    orbit: np.ndarray
    sets: NeighbourSets
    notes: tuple[str, ...]


def crystal_neighbours(structure: Any, tolerance: float = 0.01, clock: Clock | None = None) -> CrystalNeighbours:
    """CrystalNN's neighbours of every site of a pymatgen Structure; parameters and errors as `find_motifs`."""
    clock = clock if clock is not None else Clock(math.inf)
    arrays, symbols, species = _read(structure)
    _check_size(arrays)
    clock.where = arrays
    notes = []
    oxidation = states_of(species, symbols)
    if not any(oxidation) and len(set(symbols)) > 1:
        notes.append("no neutral choice of oxidation states is known: covalent radii were used")
    assert arrays.cell is not None
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
    sets = carried(arrays, kinds, classes, unique, found)
    return CrystalNeighbours(arrays, symbols, oxidation, classes.source, classes.orbit, sets, tuple(notes))


def _read(structure: Any) -> tuple[AtomArrays, list[str], list[Any]]:
    """Arrays, chemical symbols and species of a pymatgen Structure in one pass over its sites, which are slow."""
    try:
        species = [site.specie for site in structure.sites]
        symbols = [specie.symbol for specie in species]
        numbers = [_NUMBERS[symbol] for symbol in symbols]
    except (AttributeError, KeyError):  # partly occupied sites, dummies, D and T: to_arrays knows or says what is wrong
        arrays = to_arrays(structure)
        return arrays, [symbol_of(site) for site in structure], [site.specie for site in structure]
    return AtomArrays(np.array(numbers), structure.cart_coords, structure.lattice.matrix), symbols, species


_NUMBERS = {symbol: z for z, symbol in enumerate(element_symbols()) if z}


def _check_tolerance(tolerance: Any) -> None:
    number = isinstance(tolerance, (int, float, np.integer, np.floating)) and not isinstance(tolerance, bool)
    if not number or not (math.isfinite(tolerance) and tolerance > 0):
        raise MotifError(
            f"a symmetry tolerance of {tolerance!r}", where="find_motifs", remedy="give Angstrom, such as 0.01"
        )


def _check_size(arrays: AtomArrays) -> None:
    if len(arrays) > _LARGEST:
        raise MotifError(
            f"{len(arrays)} atoms are more than {_LARGEST}", where=arrays.formula, remedy="use a smaller cell"
        )


def _ligands(sets: NeighbourSets) -> tuple[tuple[Ligand, ...], ...]:
    flat = [Ligand(s, (a, b, c)) for s, (a, b, c) in zip(sets.sites.tolist(), sets.images.tolist(), strict=True)]
    start = sets.start.tolist()
    return tuple(tuple(flat[a:b]) for a, b in zip(start[:-1], start[1:], strict=True))
