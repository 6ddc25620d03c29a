"""Links between motifs (shared ligands), orbits' larger units and rings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .graph import Ligand, Link, Motif, Unit, _canonical
from .lattices import components

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
    """The larger units that motifs make, with their dimensionality.

    Where ligands are shared, per centre element: components through edges and faces (kind "edge": rutile's chains of
    octahedra), components through any sharing when corners join more of them (kind "corner": the chains, sheets, rings
    and frameworks of silicates), and motifs that share nothing with their like (kind "isolated": olivine's SiO4).
    Where links are bonds: the bonded components (kind "bond": graphite's sheets, S8 molecules, a metal's framework).
    """
    at = {m.index: m for m in motifs}
    if links and all(x.kind == "bond" for x in links):
        return tuple(_bonded(at, links, element))
    out: list[Unit] = []
    for symbol in sorted({element(m.centre) for m in motifs}):
        members = [m.index for m in motifs if m.ligands and element(m.centre) == symbol]
        inside = set(members)
        own = [x for x in links if x.a in inside and x.b in inside and x.kind != "bond"]
        strong = [x for x in own if x.kind != "corner"]
        firm = _parts(members, strong)
        found = [Unit("edge", _named(at, g, strong, d), tuple(g), d) for g, d in firm if len(g) > 1 or d]
        for group, dimension in _parts(members, own):
            if len(group) == 1 and not dimension:
                found.append(Unit("isolated", _named(at, group, (), 0), tuple(group), 0))
            elif (group, dimension) not in firm:
                found.append(Unit("corner", _named(at, group, own, dimension), tuple(group), dimension))
            else:  # corners join nothing more: one unit, told with everything it shares
                k = next(k for k, unit in enumerate(found) if unit.motifs == tuple(group))
                found[k] = Unit("edge", _named(at, group, own, dimension), tuple(group), dimension)
        out += found
    return tuple(out)


def _parts(members: Sequence[int], links: Sequence[Link]) -> list[tuple[list[int], int]]:
    return [(group, lattice.rank) for group, lattice in components(members, [(x.a, x.b, x.image) for x in links])]


def _bonded(motifs: Mapping[int, Motif], links: Sequence[Link], element: Any) -> Iterator[Unit]:
    for group, dimension in _parts(list(motifs), links):
        if len(group) == 1 and not dimension:
            continue
        counts = Counter(element(motifs[m].centre) for m in group)
        if dimension:
            about = f"{WORDS[dimension]} of bonded {' and '.join(sorted(counts))}"
        else:
            degree = Counter(end for x in links if x.a in set(group) for end in (x.a, x.b))
            ring = len(group) > 2 and all(degree[m] == 2 for m in group)
            formula = "".join(f"{s}{n if n > 1 else ''}" for s, n in sorted(counts.items()))
            about = f"{formula} {'ring' if ring else 'molecule' if len(group) > 2 else 'pair'}"
        yield Unit("bond", about, tuple(group), dimension)


#: What a unit of each dimensionality is called.
WORDS = ("cluster", "chain", "sheet", "framework")


def _named(motifs: Mapping[int, Motif], group: Sequence[int], links: Sequence[Link], dimension: int) -> str:
    """ "sheet of edge-sharing IrO6 octahedra", "ring of 6 corner-sharing SiO4 tetrahedra", "isolated SiO4 ..."."""
    formulas = list(dict.fromkeys(motifs[m].formula for m in group))
    shapes = {motifs[m].shape for m in group}
    what = " and ".join(formulas[:3]) if len(formulas) <= 3 else f"{formulas[0]} and {len(formulas) - 1} other"
    if len(group) == 1 and not dimension:
        return f"isolated {what} {motifs[group[0]].shape}"
    inside = set(group)
    own = [x for x in links if x.a in inside]
    kinds = [k for k in ("corner", "edge", "face") if any(x.kind == k for x in own)]
    how = f"{'-, '.join(kinds[:-1])}- and {kinds[-1]}-sharing" if len(kinds) > 1 else f"{kinds[0]}-sharing"
    word = f"{WORDS[dimension]} of"
    if not dimension:
        ends = Counter(end for x in own for end in (x.a, x.b))
        ring = len(group) > 2 and len(own) == len(group) and all(ends[m] == 2 for m in group)
        word = f"ring of {len(group)}" if ring else "pair of" if len(group) == 2 else f"cluster of {len(group)}"
    return f"{word} {how} {what} {plural(shapes)}"


def plural(shapes: Iterable[str]) -> str:
    """ "octahedra" for {"octahedron"}; "polyhedra" where shapes differ or have no name."""
    names = set(shapes)
    shape = names.pop() if len(names) == 1 else "polyhedron"
    if shape.endswith("-fold") or shape == "isolated":
        return "groups"
    if shape in ("angular", "linear", "t-shaped", "triangular non-coplanar", "square non-coplanar"):
        return f"{shape} groups"
    shape = shape.partition(" - ")[0]  # ChemEnv's variants: "dodecahedron with triangular faces - p2345 plane ..."
    head, joint, tail = shape.partition(" with ") if " with " in shape else shape.partition(" (")
    head = head[:-2] + "a" if head.endswith("hedron") else head + "s"
    return head + joint + tail
