"""Crystals with molecules in them: polyhedra, molecules and linkers, and the net of both, three layers at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..detection.assembly import assemble
from ..detection.covalent import NON_METALS, Fragment, covalent_sets, fragments_of
from ..detection.crystalnn import neighbour_sets
from ..detection.molecules import named
from ..detection.neighbours import NeighbourList
from .graph import Image, Ligand, Link, Motif, MotifGraph, Unit
from .lattices import components
from .net import Net, Node, make_net
from .sharing import bond_links, plural, shared_ligands, units

_NON_METAL_NUMBERS = frozenset((1, 5, 6, 7, 8, 9, 15, 16, 17, 34, 35, 53))

if TYPE_CHECKING:
    from motifdesk.structures.arrays import AtomArrays


@dataclass(frozen=True)
class Layer:
    """One way to look at a crystal. name: "polyhedra", "molecules" or "net". sentence: what is in it. motifs: indices
    of its motifs. fragments: its molecules, ions and linkers. net: the net of nodes and linkers."""

    name: str
    sentence: str
    motifs: tuple[int, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    net: Net | None = None


def plain(symbols: Sequence[str]) -> list[str]:
    """Deuterium and tritium are hydrogen."""
    return ["H" if s in ("D", "T") else s for s in symbols]


def regrouped(graph: MotifGraph, arrays: AtomArrays, source: Sequence[int]) -> MotifGraph:
    """The motifs a chemist sees where hydrogen is bonded covalently; any other crystal comes back as it is.

    Bonded hydrogen is no coordination centre. In a crystal made of molecules alone (benzene, ice) the motifs are heavy
    atoms with their hydrogens, linked by bonds, as in a molecule (kind "molecule"). Beside metals, heavy atoms of
    molecular ions and linkers that are no ligand of a metal are centres with everything they are bonded to (CHO2 of a
    formate, NH3C of methylammonium); a hydrogen on a metal's ligand is an OH (NH, ...) group.

    source: for each site the site it is a symmetry image of.
    """
    present = set(arrays.numbers.tolist())
    metals_or_mixed = not present <= _NON_METAL_NUMBERS
    if metals_or_mixed and 1 not in present and (6 not in present or graph.kind == "elements") or present <= {5, 6}:
        return graph  # the common case: nothing here is bonded to hydrogen or organic carbon
    symbols = plain([graph.element(k) for k in range(len(arrays))])
    sets = covalent_sets(graph.structure, symbols)
    bonded = [k for k, s in enumerate(symbols) if s == "H" and sets[k]]
    # hydride ions (LiBH4, alanates) are ligands of their centres already
    if bonded and all(graph.oxidation and graph.oxidation[k] < 0 for k in bonded):
        return graph
    inside = _inside(symbols, sets)
    if not inside:
        return _named_molecules(graph, arrays, symbols, sets)
    metals = [m.centre for m in graph.motifs if m.centre not in inside and symbols[m.centre] not in NON_METALS]
    if not metals and bonded:
        return _molecular(graph, arrays, symbols, sets, source)
    if not metals:
        return _named_molecules(graph, arrays, symbols, sets)
    kept = [m for m in graph.motifs if m.centre not in inside]
    if graph.kind == "elements":  # no oxidation states are known: the metals are the centres
        kept = [m for m in kept if m.centre in metals]
    protons = {k for k in bonded if graph.oxidation[k] > 0}
    held = {m.centre: m.ligands for m in kept}
    held |= _without(protons, [m.centre for m in kept if any(x.site in protons for x in m.ligands)], arrays, graph)
    ligands = {x.site for near in held.values() for x in near}
    for k in sorted(inside):
        if symbols[k] != "H" and k not in ligands:
            held[k] = sets[k]
        elif symbols[k] == "H" and k not in ligands and all(x.site in ligands for x in sets[k]):
            held[k] = sets[k]
    centres = sorted(held)
    chosen = tuple(held.get(k, ()) for k in range(len(symbols)))
    motifs, orbits = assemble(arrays, symbols, centres, chosen, list(source))
    motifs = tuple(_grouped(m, symbols) if m.centre in inside else m for m in motifs)
    organic = {m.index for m in motifs if m.centre in inside}
    shared = [x for x in shared_ligands(motifs) if not (x.a in organic and x.b in organic)]
    own = [m for m in motifs if m.index in organic]
    links = tuple(sorted(shared + list(bond_links(own, sets)), key=lambda x: (x.a, x.b, x.image)))
    whole = units([m for m in motifs if m.index not in organic], _within(links, organic), graph.element)
    bonds = tuple(sets[k] if k in inside else graph.neighbours[k] for k in range(len(symbols)))
    molecules = _molecules(symbols, sets, arrays, motifs)
    return replace(
        graph, motifs=motifs, orbits=orbits, links=links, units=whole + molecules, kind="ionic", bonded=bonds
    )


def _without(
    protons: set[int], centres: list[int], arrays: AtomArrays, graph: MotifGraph
) -> dict[int, tuple[Ligand, ...]]:
    """CrystalNN's neighbours of some centres with the hydrogens of OH, NH, ... left out of the crystal: near as they
    may be, a metal is coordinated by the atoms that carry them."""
    if not centres or arrays.cell is None:
        return {}
    rest = [k for k in range(len(arrays)) if k not in protons]
    place = {k: n for n, k in enumerate(rest)}
    found = neighbour_sets(
        NeighbourList(arrays.cell, arrays.fractional[rest]),
        [graph.element(k) for k in rest],
        [graph.oxidation[k] for k in rest],
        [place[k] for k in centres],
    )
    out = {}
    for n, centre in enumerate(centres):
        taken = range(found.start[n], found.start[n + 1])
        images = [found.images[t].tolist() for t in taken]
        out[centre] = tuple(Ligand(rest[found.sites[t]], (i, j, k)) for t, (i, j, k) in zip(taken, images, strict=True))
    return out


def _inside(symbols: Sequence[str], sets: Sequence[Sequence[Ligand]]) -> set[int]:
    """Sites of molecules and polymers that hold hydrogen or organic carbon (bonded to H, C, N or S)."""
    edges = [(m, x.site, x.image) for m, around in enumerate(sets) for x in around if m <= x.site]
    inside: set[int] = set()
    for group, lattice in components([m for m, around in enumerate(sets) if around], edges):
        if lattice.rank < 3 and (
            any(symbols[k] == "H" for k in group) or any(organic(k, symbols, sets) for k in group)
        ):
            inside.update(group)
    return inside


def organic(site: int, symbols: Sequence[str], sets: Sequence[Sequence[Ligand]]) -> bool:
    """Is this a carbon bonded to hydrogen, carbon, nitrogen or sulfur (not carbonate's, not carbon dioxide's)?"""
    return symbols[site] == "C" and any(symbols[x.site] in ("H", "C", "N", "S") for x in sets[site])


def _named_molecules(
    graph: MotifGraph, arrays: Any, symbols: list[str], sets: Sequence[Sequence[Ligand]]
) -> MotifGraph:
    """The motifs as they are; the units of a crystal of non-metals in finite pieces are its molecules (CO2)."""
    if not all(s in NON_METALS for s in symbols) or not all(sets):
        return graph
    molecules = _molecules(symbols, sets, arrays, graph.motifs)
    return replace(graph, units=molecules) if not any(u.dimensionality for u in molecules) else graph


def _within(links: Sequence[Link], organic: set[int]) -> list[Link]:
    return [x for x in links if x.a not in organic and x.b not in organic]


def _grouped(motif: Motif, symbols: Sequence[str]) -> Motif:
    """A motif of a molecule's atom, named for people: "OH group (H5)", "CHO2 trigonal plane (C3)"."""
    if symbols[motif.centre] != "H":
        return motif
    heavy = "".join(sorted({symbols[x.site] for x in motif.ligands}))
    return replace(motif, formula=f"{heavy}H", shape="group", name=f"{heavy}H group (H{motif.centre})")


def _molecular(
    graph: MotifGraph, arrays: Any, symbols: list[str], sets: tuple[tuple[Ligand, ...], ...], source: Sequence[int]
) -> MotifGraph:
    heavy = [k for k, s in enumerate(symbols) if s != "H"]
    centres = heavy or list(range(len(symbols)))
    held = tuple(tuple(x for x in near if symbols[x.site] == "H") for near in sets) if heavy else sets
    motifs, orbits = assemble(arrays, symbols, centres, held, list(source))
    motifs = tuple(named(m, symbols, bool(sets[m.centre])) for m in motifs)
    links = bond_links(motifs, sets)
    note = "made of molecules: bonds are nearer than the covalent radii + 0.4 A; `neighbours` are CrystalNN's"
    notes = (*(n for n in graph.notes if "no neighbour in reach" not in n), note)
    found = _molecules(symbols, sets, arrays, motifs)
    return replace(
        graph, motifs=motifs, orbits=orbits, links=links, units=found, kind="molecule", bonded=sets, notes=notes
    )


def _molecules(symbols: Sequence[str], sets: Sequence[Sequence[Ligand]], arrays: Any, motifs: Sequence[Motif]) -> tuple:
    """One Unit per molecule, ion or linker that holds hydrogen or carbon."""
    at = {m.centre: m.index for m in motifs}
    out = []
    for f in fragments_of(symbols, sets, arrays.positions, arrays.cell):
        own = tuple(at[k] for k in f.sites if k in at)
        if own:
            name = f"{f.name} molecule" if not f.dimensionality and f.name == f.formula else f.name
            out.append(Unit("molecule", name, own, f.dimensionality, f.sites))
    return tuple(out)


def crystal_fragments(graph: MotifGraph) -> tuple[Fragment, ...]:
    """The covalent fragments of a crystal or molecule, see :meth:`motifdesk.motifs.MotifGraph.fragments`."""
    from motifdesk.structures.arrays import to_arrays

    arrays = to_arrays(graph.structure)
    symbols = plain([graph.element(k) for k in range(len(arrays))])
    if arrays.cell is None:
        sets: Sequence[Sequence[Ligand]] = graph.neighbours
    else:
        sets = covalent_sets(graph.structure, symbols)
    return fragments_of(symbols, sets, arrays.positions, arrays.cell)


def layers_of(graph: MotifGraph) -> tuple[Layer, ...]:
    """See :meth:`motifdesk.motifs.MotifGraph.layers`."""
    fragments = graph.fragments()
    polyhedra = [m for m in graph.motifs if graph.element(m.centre) not in NON_METALS and m.ligands]
    out = []
    if polyhedra and graph.kind == "ionic":
        counts = Counter(m.formula for m in polyhedra)
        shapes: dict[str, set[str]] = defaultdict(set)
        for m in polyhedra:
            shapes[m.formula].add(m.shape)
        told = ", ".join(f"{n} {f} {plural(shapes[f])}" for f, n in counts.most_common(4))
        out.append(Layer("polyhedra", told, tuple(m.index for m in polyhedra)))
    if fragments:
        told = told_fragments(fragments)
        inside = {k for f in fragments for k in f.sites}
        own = tuple(m.index for m in graph.motifs if m.centre in inside)
        out.append(Layer("molecules", told, own, fragments))
    net = hybrid_net(graph)
    if net is None and graph.kind != "molecule":
        net = graph.net()
    if net is not None and net.edges:
        out.append(Layer("net", f"{net.symbol}: {net.how}", net=net))
    return tuple(out)


def told_fragments(fragments: Sequence[Fragment]) -> str:
    """ "4 formate, 2 water": fragments counted by name."""
    counts = Counter(f.name if f.name != f.formula else f"{f.formula} fragment" for f in fragments)
    parts = [f"{n} {name}" for name, n in counts.most_common(5)]
    return ", ".join(parts) + (f" and {len(counts) - 5} more kinds" if len(counts) > 5 else "")


def hybrid_net(graph: MotifGraph) -> Net | None:
    """Nodes and linkers of a metal-organic crystal, or None where no metal is held by a molecule with carbon.

    Nodes: metal centres, those that share ligands that are in no linker (oxide, hydroxide) taken together as clusters
    where these are finite. A fragment bonded to two nodes is a link, to three or more a node, to one nothing.
    """
    metals = [m for m in graph.motifs if graph.element(m.centre) not in NON_METALS]
    if not metals or graph.kind == "molecule":
        return None
    linkers = [f for f in graph.fragments() if not f.dimensionality and _is_linker(f, graph)]
    at: dict[int, tuple[int, Image]] = {a.site: (k, a.image) for k, f in enumerate(linkers) for a in f.atoms}
    if not any(x.site in at for m in metals for x in m.ligands):
        return None
    clusters, home = _clusters(graph, metals, at)
    nodes = [Node(name, site, motif) for name, site, motif in clusters]
    holds: dict[int, set[tuple[int, Image]]] = defaultdict(set)
    for m in metals:
        c, mine = home[m.index]
        for x in m.ligands:
            if x.site in at:
                k, image = at[x.site]
                # the linker's frame: its atom at `image` there is the ligand at x.image here
                shift = np.subtract(image, x.image) - np.array(mine)
                holds[k].add((c, (int(shift[0]), int(shift[1]), int(shift[2]))))
    edges = []
    labels = set()
    for k, ends in sorted(holds.items()):
        if len(ends) == 2:
            (a, i), (b, j) = sorted(ends)
            edges.append((a, b, (j[0] - i[0], j[1] - i[1], j[2] - i[2])))
        elif len(ends) > 2:
            nodes.append(Node(linkers[k].name, linkers[k].atoms[0].site))
            edges += [(len(nodes) - 1, c, image) for c, image in sorted(ends)]
        labels.add(linkers[k].name)
    who = " and ".join(dict.fromkeys(n.label for n in nodes[: len(clusters)]))
    return make_net(nodes, edges, f"nodes: {who}; linkers: {', '.join(sorted(labels))}")


def _is_linker(fragment: Fragment, graph: MotifGraph) -> bool:
    """Has it organic carbon?"""
    names = plain([graph.element(k) for k in fragment.sites])
    ends = [(names[a], names[b]) for a, b, _ in fragment.bonds]
    return any("C" in pair and set(pair) <= {"C", "H", "N", "S"} for pair in ends)


def _clusters(graph: MotifGraph, metals: Sequence[Motif], at: dict) -> tuple[list, dict[int, tuple[int, Image]]]:
    """Metal clusters, (label, site, motif) each, and for each metal's motif its cluster and its cell in it."""
    own = {m.index for m in metals}
    edges = [
        (x.a, x.b, x.image)
        for x in graph.links
        if x.a in own and x.b in own and x.shared and any(y.site not in at for y in x.shared)
    ]
    out: list[tuple[str, int, int]] = []
    home: dict[int, tuple[int, Image]] = {}
    for group, lattice in components(sorted(own), edges):
        if lattice.rank or len(group) == 1:  # rods and sheets have no finite node: each metal is one
            for m in group:
                home[m] = (len(out), (0, 0, 0))
                out.append((graph.element(graph.motifs[m].centre), graph.motifs[m].centre, m))
            continue
        place: dict[int, Image] = {group[0]: (0, 0, 0)}
        queue = [group[0]]
        for a in queue:
            for m, n, (i, j, k) in edges:
                for b, step in ((n, (i, j, k)), (m, (-i, -j, -k))):
                    if a == (m if b == n else n) and b not in place:
                        p = place[a]
                        place[b] = (p[0] + step[0], p[1] + step[1], p[2] + step[2])
                        queue.append(b)
        counts = Counter(graph.element(graph.motifs[m].centre) for m in group)
        for m in group:
            home[m] = (len(out), place[m])
        out.append(("".join(f"{s}{n}" for s, n in sorted(counts.items())), graph.motifs[group[0]].centre, -1))
    return out, home
