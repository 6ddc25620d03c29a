"""Links between motifs (shared ligands), orbits' larger units and rings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import Ligand, Link, Motif, Unit, _add, _canonical

_KINDS = {1: "corner", 2: "edge"}


def shared_ligands(motifs: Sequence[Motif]) -> tuple[Link, ...]:
    """Every pair of motifs (with images) that has ligands in common, each pair once, sorted by (a, b, image)."""
    by_site: dict[int, list[tuple[int, Ligand]]] = defaultdict(list)
    for motif in motifs:
        for ligand in motif.ligands:
            by_site[ligand.site].append((motif.index, ligand))
    pairs: dict[tuple, list[Ligand]] = defaultdict(list)
    for holders in by_site.values():
        for n, (a, of_a) in enumerate(holders):
            for b, of_b in holders[n + 1 :]:
                # motif b moved by (image of a's ligand - image of b's) has this ligand where a has it
                image = tuple(x - y for x, y in zip(of_a.image, of_b.image, strict=True))
                if a == b and image == (0, 0, 0):
                    continue
                key = _canonical(a, b, image)  # type: ignore[arg-type]
                shared = of_a if key == (a, b, image) else Ligand(of_b.site, of_b.image)
                pairs[key].append(shared)
    return tuple(
        Link(a, b, image, tuple(sorted(set(shared))), _KINDS.get(len(set(shared)), "face"))
        for (a, b, image), shared in sorted(pairs.items())
    )


def bond_links(motifs: Sequence[Motif], neighbours: Sequence[Sequence[Ligand]]) -> tuple[Link, ...]:
    """Links of kind "bond" between motifs whose centres are neighbours."""
    index = {motif.centre: motif.index for motif in motifs}
    found = {
        _canonical(motif.index, index[ligand.site], ligand.image)
        for motif in motifs
        for ligand in neighbours[motif.centre]
        if ligand.site in index
    }
    return tuple(Link(a, b, image, (), "bond") for a, b, image in sorted(found))


def units(motifs: Sequence[Motif], links: Sequence[Link], element: Any) -> tuple[Unit, ...]:
    """Per centre element: connected components of its motifs through edges and faces, with their dimensionality."""
    out = []
    words = ("cluster", "chain", "sheet", "framework")
    for symbol in sorted({element(m.centre) for m in motifs}):
        members = [m.index for m in motifs if element(m.centre) == symbol]
        inside = set(members)
        strong = [x for x in links if x.kind in ("edge", "face") and x.a in inside and x.b in inside]
        for group, dimension in components(members, strong):
            if len(group) == 1 and dimension == 0:
                continue
            formula = motifs[group[0]].formula
            how = "/".join(sorted({x.kind for x in strong if x.a in group}))
            name = f"{how}-sharing {formula} {words[dimension]} ({len(group)} motifs in the cell)"
            out.append(Unit("edge", name, tuple(group), dimension))
    return tuple(out)


def components(members: Sequence[int], links: Sequence[Link]) -> list[tuple[list[int], int]]:
    """Connected components of a quotient graph and the rank of the translations its cycles make (0 to 3)."""
    step: dict[int, list[tuple[int, tuple[int, int, int]]]] = defaultdict(list)
    for link in links:
        back = (-link.image[0], -link.image[1], -link.image[2])
        step[link.a].append((link.b, link.image))
        step[link.b].append((link.a, back))
    place: dict[int, tuple[int, int, int]] = {}
    out = []
    for start in members:
        if start in place:
            continue
        place[start], queue, group, cycles = (0, 0, 0), [start], [start], []
        while queue:
            a = queue.pop()
            for b, image in step[a]:
                there = _add(place[a], image)
                if b not in place:
                    place[b] = there
                    queue.append(b)
                    group.append(b)
                elif there != place[b]:
                    cycles.append(np.subtract(there, place[b]))
        rank = int(np.linalg.matrix_rank(np.array(cycles))) if cycles else 0
        out.append((sorted(group), rank))
    return out


def rings(bonds: np.ndarray, formula_of: Any) -> tuple[Unit, ...]:
    """Rings of a molecule: the minimum cycle basis of its bond graph (int [B, 2]), networkx."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_edges_from((int(a), int(b)) for a, b in bonds)
    cycles = sorted(tuple(sorted(cycle)) for cycle in nx.minimum_cycle_basis(graph))
    return tuple(Unit("ring", f"{len(c)}-ring {formula_of(c)}", (), 0, c) for c in cycles)
