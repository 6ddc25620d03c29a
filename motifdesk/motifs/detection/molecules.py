"""The motifs of a molecule: heavy atoms with their hydrogens, and the rings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..figures.molecular_group import equivalent_atoms
from ..hierarchy.cycles import cycle_basis
from ..hierarchy.graph import Image, Ligand, Motif, MotifGraph, Unit
from ..hierarchy.sharing import bond_links
from .assembly import CLOSEST, assemble, refuse_overlap, symbol_of
from .crystalnn import default_radius


def molecule_motifs(structure: Any, arrays: Any) -> MotifGraph:
    symbols = [symbol_of(site) for site in structure]
    vectors = arrays.positions[None] - arrays.positions[:, None]
    distance = np.linalg.norm(vectors, axis=2)
    close = np.argwhere(np.triu(distance < CLOSEST, 1))
    if len(close):
        refuse_overlap(arrays, symbols, int(close[0, 0]), int(close[0, 1]), float(distance[tuple(close[0])]))
    pairs = bonded_pairs(distance, symbols)
    home: Image = (0, 0, 0)
    sets: list[list[Ligand]] = [[] for _ in symbols]
    for a, b in pairs:
        sets[a].append(Ligand(int(b), home))
        sets[b].append(Ligand(int(a), home))
    centres = [k for k, s in enumerate(symbols) if s != "H"] or list(range(len(symbols)))
    if len(centres) == len(symbols):  # no hydrogen among them, or nothing else: every atom with its neighbours
        held = sets
    else:
        held = [[x for x in near if symbols[x.site] == "H"] for near in sets]
    motifs, orbits = assemble(arrays, symbols, centres, tuple(map(tuple, held)), equivalent_atoms(arrays).tolist())
    motifs = tuple(named(m, symbols, bool(sets[m.centre])) for m in motifs)
    frozen = tuple(tuple(x) for x in sets)
    links = bond_links(motifs, frozen)
    notes = () if len(pairs) else ("no two atoms are bonded: every atom stands alone",)
    found = ring_units(pairs, symbols) if len(pairs) >= 3 else ()
    return MotifGraph(structure, motifs, links, orbits, found, frozen, (0.0,) * len(symbols), "molecule", 0.0, notes)


def bonded_pairs(distance: np.ndarray, symbols: Sequence[str]) -> np.ndarray:
    """int64 [B, 2], i < j: atoms nearer than the sum of their covalent radii + 0.4 A, from distances [N, N]."""
    radii = np.array([default_radius(s) for s in symbols])
    return np.argwhere(np.triu(distance < radii[:, None] + radii[None] + 0.4, 1))


def named(motif: Motif, symbols: Sequence[str], bonded: bool) -> Motif:
    """Heavy atoms with hydrogens as groups: "CH3 group (C0)" says more than the figure of three hydrogens.

    bonded: to whatever atom; the carbon of urea has no hydrogen, and is an atom of its molecule, not an isolated one.
    """
    if not motif.ligands and bonded:
        return replace(motif, name=f"{motif.formula} atom ({symbols[motif.centre]}{motif.centre})")
    if not motif.ligands or any(symbols[x.site] not in ("H", "D", "T") for x in motif.ligands):
        return motif
    if symbols[motif.centre] in ("H", "D", "T"):
        return motif
    return replace(motif, name=f"{motif.formula} group ({symbols[motif.centre]}{motif.centre})")


def ring_units(bonds: np.ndarray, symbols: Sequence[str]) -> tuple[Unit, ...]:
    """Rings, shortest first (minimum cycle basis), then closed cages.

    bonds: int [B, 2]. A basis leaves one face of every polyhedral cage out, the sum of the others; that face is a ring
    like any other to a chemist (the sixth square of cubane, the 32nd face of C60), so it is put back: where every bond
    of four or more rings that hang together is in two rings but for one cycle no longer than the longest of them.
    """
    rings = list(cycle_basis([(int(a), int(b)) for a, b in bonds]))
    near = {(int(a), int(b)) for a, b in bonds}
    cages = []
    for system in _systems(rings):
        open_bonds: set[tuple[int, int]] = set()
        for ring in system:
            open_bonds ^= _ring_bonds(ring, near)
        face = _single_cycle(open_bonds)
        if len(system) >= 3 and face is not None and len(face) <= max(map(len, system)) and face not in rings:
            rings.append(face)
            sizes = Counter(len(r) for r in (*system, face))
            told = " and ".join(f"{n} {size}-rings" for size, n in sorted(sizes.items()))
            cages.append(Unit("cage", f"cage of {told}", (), 0, tuple(sorted({a for r in system for a in r}))))
    rings.sort(key=lambda r: (len(r), r))
    out = [Unit("ring", f"{len(r)}-ring {_ring_formula(symbols, r)}", (), 0, r) for r in rings]
    return (*out, *cages)


def _ring_formula(symbols: Sequence[str], ring: Sequence[int]) -> str:
    return "".join(f"{s}{n if n > 1 else ''}" for s, n in sorted(Counter(symbols[a] for a in ring).items()))


def _ring_bonds(ring: Sequence[int], bonds: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The bonds of a ring without chords: those with both ends in it."""
    inside = set(ring)
    return {b for b in bonds if b[0] in inside and b[1] in inside}


def _systems(rings: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Rings grouped by common bonds (two atoms in common)."""
    from ..hierarchy.lattices import components

    joined = [(m, n, (0, 0, 0)) for m in range(len(rings)) for n in range(m) if len(set(rings[m]) & set(rings[n])) >= 2]
    return [[rings[k] for k in group] for group, _ in components(range(len(rings)), joined)]


def _single_cycle(bonds: set[tuple[int, int]]) -> tuple[int, ...] | None:
    """The atoms of `bonds` when they are one cycle."""
    near: dict[int, list[int]] = {}
    for a, b in bonds:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    if len(near) < 3 or any(len(x) != 2 for x in near.values()):
        return None
    start = min(near)
    path, before = [start], -1
    while True:
        following = [n for n in near[path[-1]] if n != before]
        before = path[-1]
        if following[0] == start or len(path) > len(near):
            break
        path.append(following[0])
    return tuple(sorted(path)) if len(path) == len(near) else None
