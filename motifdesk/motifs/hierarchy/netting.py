"""From a motif graph to its net: which centres are nodes, and what links them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from motifdesk.structures.errors import MotifError

from ..detection.covalent import NON_METALS
from .graph import Image, Motif
from .net import Net, Node, make_net

if TYPE_CHECKING:
    from .graph import MotifGraph

_KINDS = ("corner", "edge", "face", "bond")


def net_of(graph: MotifGraph, centre: str | Iterable[str] | None = None, via: str | Iterable[str] | None = None) -> Net:
    """See :meth:`motifdesk.motifs.MotifGraph.net`."""
    from .layers import hybrid_net

    bonded = all(link.kind == "bond" for link in graph.links) and not (graph.kind == "ionic" and graph.links)
    kinds = _via(via, bonded)
    if centre is not None:
        return _build(graph, _chosen(graph, centre), kinds)
    if bonded or graph.kind != "ionic":
        return _build(graph, list(graph.motifs), kinds)
    if via is None and (hybrid := hybrid_net(graph)) is not None:
        return hybrid
    # hydrogen and the carbon of linkers are no centres of a framework
    plain = [m for m in graph.motifs if graph.element(m.centre) != "H" and not (graph.bonded and _of_linker(graph, m))]
    net = Net((), ())
    # the strongest bonds first (charge over coordination, Pauling), until the net runs through the crystal
    strength = {e: _strength(graph, e) for e in {graph.element(m.centre) for m in plain}}
    for level in sorted(set(strength.values()), reverse=True):
        elements = {e for e, s in strength.items() if s >= level}
        net = _build(graph, [m for m in plain if graph.element(m.centre) in elements], kinds)
        if net.dimensionality:
            break
    return net


def _of_linker(graph: MotifGraph, motif: Motif) -> bool:
    element = graph.element(motif.centre)
    return element == "C" or (element in NON_METALS and any(graph.element(x.site) == "H" for x in motif.ligands))


def _via(via: str | Iterable[str] | None, bonded: bool) -> tuple[str, ...]:
    if via is None:
        return ("bond",) if bonded else ("ligands",)
    kinds = (via,) if isinstance(via, str) else tuple(via)
    if kinds == ("any",):
        return _KINDS
    if not kinds or any(k not in (*_KINDS, "ligands") for k in kinds) or ("ligands" in kinds and len(kinds) > 1):
        raise MotifError(
            f"a net via {via!r}",
            where="graph.net",
            remedy='via is "ligands", "any", or some of "corner", "edge", "face" and "bond"',
        )
    return kinds


def _chosen(graph: MotifGraph, centre: str | Iterable[str]) -> list[Motif]:
    names = {centre} if isinstance(centre, str) else set(centre)
    motifs = [m for m in graph.motifs if graph.element(m.centre) in names or m.formula in names]
    known = sorted({graph.element(m.centre) for m in graph.motifs} | {m.formula for m in graph.motifs})
    if missing := sorted(str(n) for n in names if n not in known):
        raise MotifError(
            f"no motif is centred on {', '.join(missing)}", where=repr(graph), remedy=f"choose among {', '.join(known)}"
        )
    return motifs


def _strength(graph: MotifGraph, element: str) -> float:
    """Mean Pauling bond strength of the motifs of an element, rounded so that near ties are ties."""
    values = [
        graph.oxidation[m.centre] / len(m.ligands)
        for m in graph.motifs
        if m.ligands and graph.oxidation and graph.element(m.centre) == element
    ]
    return round(sum(values) / len(values), 1) if values else 0.0


def _build(graph: MotifGraph, motifs: Sequence[Motif], kinds: tuple[str, ...]) -> Net:
    place = {m.index: k for k, m in enumerate(motifs)}
    nodes = [Node(graph.element(m.centre), m.centre, m.index, m.orbit) for m in motifs]
    who = " and ".join(sorted({m.formula for m in motifs})[:3]) or "no motif"
    if kinds != ("ligands",):
        edges = [
            (place[x.a], place[x.b], x.image) for x in graph.links if x.kind in kinds and x.a in place and x.b in place
        ]
        how = "bonds" if kinds == ("bond",) else f"shared {', '.join(k for k in kinds if k != 'bond')}"
        return make_net(nodes, edges, f"nodes: {who}; links: {how}")
    holders: dict[int, set[tuple[int, Image]]] = defaultdict(set)
    for m in motifs:
        for site, (i, j, k) in m.ligands:
            holders[site].add((place[m.index], (-i, -j, -k)))  # the motif's cell, seen from the ligand at home
    edges, bridges = [], set()
    for site, around in sorted(holders.items()):
        if len(around) == 2:
            (a, at_a), (b, at_b) = sorted(around)
            edges.append((a, b, (at_b[0] - at_a[0], at_b[1] - at_a[1], at_b[2] - at_a[2])))
        elif len(around) > 2:
            nodes.append(Node(graph.element(site), site))
            bridges.add(graph.element(site))
            edges += [(len(nodes) - 1, a, image) for a, image in sorted(around)]
    also = f" and {', '.join(sorted(bridges))} shared by three or more of them" if bridges else ""
    return make_net(nodes, edges, f"nodes: {who}{also}; links: a shared ligand, or the bond to it")
