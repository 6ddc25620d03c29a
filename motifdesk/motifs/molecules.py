"""The motifs of a molecule: heavy atoms with their hydrogens, and the rings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .assembly import CLOSEST, assemble, refuse_overlap, symbol_of
from .crystalnn import default_radius
from .graph import Image, Ligand, MotifGraph
from .sharing import bond_links, rings


def molecule_motifs(structure: Any, arrays: Any) -> MotifGraph:
    symbols = [symbol_of(site) for site in structure]
    vectors = arrays.positions[None] - arrays.positions[:, None]
    distance = np.linalg.norm(vectors, axis=2)
    close = np.argwhere(np.triu(distance < CLOSEST, 1))
    if len(close):
        refuse_overlap(arrays, symbols, int(close[0, 0]), int(close[0, 1]), float(distance[tuple(close[0])]))
    radii = np.array([default_radius(s) for s in symbols])
    bonded = np.triu(distance < radii[:, None] + radii[None] + 0.4, 1)
    pairs = np.argwhere(bonded)
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
    motifs, orbits = assemble(arrays, symbols, centres, tuple(map(tuple, held)), list(range(len(symbols))))
    frozen = tuple(tuple(x) for x in sets)
    links = bond_links(motifs, frozen)

    def ring_formula(atoms: tuple[int, ...]) -> str:
        return "".join(f"{s}{n if n > 1 else ''}" for s, n in sorted(Counter(symbols[a] for a in atoms).items()))

    found = rings(pairs, ring_formula) if len(pairs) >= 3 else ()
    return MotifGraph(structure, motifs, links, orbits, found, frozen, (0.0,) * len(symbols), "molecule", 0.0, ())
