"""The levels of a structure, atoms to the whole, in sentences; and the card a notebook shows."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .lattices import components
from .layers import hybrid_net, told_fragments
from .net import Net
from .sharing import plural

if TYPE_CHECKING:
    from .graph import MotifGraph


@dataclass(frozen=True)
class Level:
    """One level of the hierarchy. name: "atoms", "motifs", "units", "net" or "structure". count: how many things it
    has in the cell. sentence: what they are, for people. items: one line each, where there is more to say."""

    name: str
    count: int
    sentence: str
    items: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Level({self.name}, {self.count}: {self.sentence})"


def levels_of(graph: MotifGraph) -> tuple[Level, ...]:
    """See :meth:`motifdesk.motifs.MotifGraph.levels`."""
    return (_atoms(graph), _motifs(graph), _units(graph), _net(graph), _structure(graph))


def _atoms(graph: MotifGraph) -> Level:
    counts = Counter(graph.element(k) for k in range(len(graph.structure)))
    told = ", ".join(f"{n} {s}" for s, n in counts.most_common())
    where = "in the cell" if graph.crystal else "in the molecule"
    charges = defaultdict(set)
    for k, q in enumerate(graph.oxidation):
        if q:
            charges[graph.element(k)].add(q)
    items = tuple(
        f"{s}: oxidation state {' or '.join(f'{q:+.3g}' for q in sorted(found))}"
        for s, found in sorted(charges.items())
    )
    return Level("atoms", len(graph.structure), f"{told} {where}", items)


def kinds_of_motif(graph: MotifGraph) -> str:
    """ "4 IrO6 octahedra, 8 LiO6 octahedra"; "6 CH" in molecules."""
    counts = Counter((m.formula, m.shape) for m in graph.motifs)
    parts = [f"{n} {told_kind(graph, formula, shape, n)}" for (formula, shape), n in counts.most_common(5)]
    return ", ".join(parts) + (f" and {len(counts) - 5} more kinds" if len(counts) > 5 else "")


def told_kind(graph: MotifGraph, formula: str, shape: str, count: int) -> str:
    motif = next(m for m in graph.motifs if (m.formula, m.shape) == (formula, shape))
    around = {graph.element(x.site) for x in motif.ligands}
    centre = graph.element(motif.centre)
    if shape == "isolated":
        return formula if graph.kind == "molecule" and len(graph.motifs) > 1 else f"isolated {formula}"
    if graph.kind == "molecule" and around <= {"H", "D", "T"} or shape in ("group", "single neighbor"):
        return formula
    if around == {centre}:  # "CuCu12" reads badly
        return f"{centre} with {len(motif.ligands)} neighbours ({shape})"
    return f"{formula} {shape if count == 1 else plural([shape])}"


def _motifs(graph: MotifGraph) -> Level:
    orbits = len(graph.orbits)
    told = kinds_of_motif(graph) or "none"
    if graph.crystal:
        told += f"; {orbits} kind{'s' if orbits != 1 else ''} by symmetry"
    items = []
    for orbit in graph.orbits[:24]:
        motif = graph.motifs[orbit[0]]
        items.append(f"{len(orbit)} \u00d7 {motif.formula} {motif.shape}{_shares(graph, orbit[0])}")
    return Level("motifs", len(graph.motifs), told, tuple(items))


def _shares(graph: MotifGraph, index: int) -> str:
    found = sorted(graph.sharing(index).items())
    return ": " + ", ".join(f"{n} {kind} {element}" for (kind, element), n in found) if found else ""


def _units(graph: MotifGraph) -> Level:
    counts = Counter(u.name for u in graph.units)
    items = [f"{n} \u00d7 {name}" if n > 1 else name for name, n in counts.items()]
    fragments = graph.fragments()
    if fragments and (graph.crystal or len(fragments) > 1) and not any(u.kind == "molecule" for u in graph.units):
        items.append(told_fragments(fragments))
    if not graph.crystal:
        for fragment in fragments:
            groups = Counter(g.name for g in fragment.groups if g.kind != "hydride" and g.name != "ring")
            items += [f"{n} \u00d7 {name}" if n > 1 else name for name, n in groups.items()]
    if not items:
        return Level("units", 0, "no larger unit: the motifs stand alone" if graph.motifs else "none")
    shown = "; ".join(items[:4]) + (f"; and {len(items) - 4} more kinds" if len(items) > 4 else "")
    return Level("units", max(len(graph.units), len(fragments) if not graph.units else 0), shown, tuple(items))


def _net(graph: MotifGraph) -> Level:
    net = level_net(graph)
    if net is None or not net.edges:
        molecular = graph.kind == "molecule" and graph.crystal
        what = "the molecules touch, no bond runs between them" if molecular else "nothing is linked"
        return Level("net", 0, f"no net: {what}")
    words = ("finite", "one-periodic", "two-periodic", "three-periodic")
    sentence = f"{net.symbol}, {words[net.dimensionality]}; {net.how}"
    if not net.dimensionality:
        sentence = f"finite: {len(net)} nodes, {len(net.edges)} links; {net.how}"
    items = []
    for members in net.kinds[:6]:
        sequence = ", ".join(map(str, net.coordination_sequence(members[0], 6)))
        items.append(f"{len(members)} \u00d7 {net.nodes[members[0]].label}: {sequence}; {net.point_symbol(members[0])}")
    if net.dimensionality and len(net) <= 40 and max(map(len, net.adjacency)) <= 6:
        rings = Counter(map(len, net.rings()))
        told = ", ".join(f"{n} {size}-rings" for size, n in sorted(rings.items()))
        items.append(f"smallest rings in the cell: {told or 'none'}")
    return Level("net", len(net), sentence, tuple(items))


def level_net(graph: MotifGraph) -> Net | None:
    """The net the card speaks of: nodes and linkers of a hybrid, else the default net; none of finite molecules in a
    crystal (a polymer has its chain)."""
    net = hybrid_net(graph) or graph.net()
    return None if graph.kind == "molecule" and graph.crystal and not net.dimensionality else net


def dimensionality(graph: MotifGraph) -> int:
    """0 (molecules), 1, 2 or 3: how far the bonds of a crystal run."""
    pairs, images = graph.bonds()
    edges = [(int(a), int(b), (int(i), int(j), int(k))) for (a, b), (i, j, k) in zip(pairs, images, strict=True)]
    return max((lattice.rank for _, lattice in components(range(len(graph.structure)), edges)), default=0)


def _structure(graph: MotifGraph) -> Level:
    formula = graph.formula
    if not graph.crystal:
        pairs, _ = graph.bonds()
        parts = components(range(len(graph.structure)), [(int(a), int(b), (0, 0, 0)) for a, b in pairs])
        name = next((f.name for f in graph.fragments() if len(parts) == 1), "")
        whole = "one molecule" if len(parts) == 1 else f"{len(parts)} separate pieces"
        return Level("structure", 1, f"{formula}: {whole}" + (f", {name}" if name and name != formula else ""))
    words = ("of finite molecules or ions", "of chains", "of layers", "bonded in three dimensions")
    rank = dimensionality(graph)
    what = words[rank] if len(graph.bonds()[0]) else "of single atoms, none bonded"
    extra = f", {told_fragments(graph.fragments())} in the cell" if graph.fragments() and rank != 3 else ""
    return Level("structure", 1, f"{formula}: a crystal {what}{extra}")


_STYLE = """<style>
.motif-card{font:13px/1.45 system-ui,sans-serif;max-width:760px;color:var(--jp-ui-font-color1,#23272e)}
.motif-card h4{margin:0 0 6px;font-size:15px}
.motif-card table{border-collapse:collapse;margin:8px 0;font-size:12.5px}
.motif-card th,.motif-card td{text-align:left!important;padding:2px 14px 2px 0;vertical-align:top;border:0}
.motif-card tr{background:none!important}
.motif-card th,.motif-card p{color:var(--jp-ui-font-color2,#6b7280)}
.motif-card th{font-weight:600}.motif-card td:first-child{white-space:nowrap}
.motif-card p{margin:6px 0}.motif-card details{margin:4px 0}
</style>"""


def card(graph: MotifGraph) -> str:
    """The HTML card of a graph: levels, orbits, units, picture. Every text from the structure is escaped."""
    formula = graph.formula
    levels = "".join(_row((level.name, str(level.count), level.sentence)) for level in graph.levels())
    rows = []
    for orbit in graph.orbits[:40]:
        motif = graph.motifs[orbit[0]]
        csm = "" if motif.csm is None else f"{motif.csm:.3f}"
        shares = _shares(graph, orbit[0])[2:] or "none"
        rows.append(_row((str(len(orbit)), motif.formula, motif.shape, csm, shares)))
    more = f"<p>and {len(graph.orbits) - 40} more orbits</p>" if len(graph.orbits) > 40 else ""
    titles = ("motifs", "formula", "shape", "symmetry measure", "shares, per motif")
    head = "".join(f"<th>{title}</th>" for title in titles)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in graph.notes)
    return (
        f'<div class="motif-card">{_STYLE}<h4>{html.escape(formula)}</h4>'
        f"<table><tbody>{levels}</tbody></table>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}{notes}"
        f"{_listed('units', _lines(graph, 'units'))}{_listed('net', _lines(graph, 'net'))}"
        f"{graph.picture(width=560)}</div>"
    )


def _lines(graph: MotifGraph, name: str) -> Sequence[str]:
    return next(level.items for level in graph.levels() if level.name == name)


def _listed(title: str, items: Iterable[str]) -> str:
    listed = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f"<details><summary>{title}</summary><ul>{listed}</ul></details>" if listed else ""


def _row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
