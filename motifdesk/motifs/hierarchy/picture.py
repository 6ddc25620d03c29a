"""The picture of a motif graph: motifs or their orbits as nodes, what they share as lines, one SVG without scripts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.structures.errors import MotifError

from .drawing import FONT, STROKES, THEMES, element_colour, glyph, ink_on, layout, subscripts, text

if TYPE_CHECKING:
    from .graph import MotifGraph

_SINGLE = 5, 30  # motifs that are drawn one by one: in a crystal, in a molecule
_MOST = 60  # nodes a picture can hold
_KINDS = ("face", "edge", "corner", "bond")


@dataclass
class _Node:
    """label: formula. below: second line. number: atomic number of the centre. coordination: for the glyph."""

    label: str
    below: str
    number: int
    coordination: int
    members: tuple[int, ...]


def picture_of(graph: MotifGraph, width: int = 640, theme: str = "light", nodes: str = "auto") -> str:
    """See :meth:`motifdesk.motifs.MotifGraph.picture`."""
    if theme not in THEMES:
        raise MotifError(f"theme {theme!r}", where="graph.picture", remedy='choose "light" or "dark"')
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not 160 <= width <= 4000:
        raise MotifError(f"width {width!r}", where="graph.picture", remedy="choose 160 to 4000 pixels")
    if nodes not in ("auto", "motifs", "orbits"):
        raise MotifError(f"nodes {nodes!r}", where="graph.picture", remedy='choose "auto", "motifs" or "orbits"')
    drawn, single = _nodes(graph, nodes)
    lines = _lines(graph, drawn, single)
    return _Drawing(graph, drawn, lines, single, float(width), theme).svg()


def _nodes(graph: MotifGraph, choice: str) -> tuple[list[_Node], bool]:
    """The nodes, and whether each is a single motif. Too many motifs: orbits; too many orbits: kinds."""
    single = choice == "motifs" or (choice == "auto" and len(graph.motifs) <= _SINGLE[not graph.crystal])
    if single and len(graph.motifs) > _MOST:
        raise MotifError(
            f"{len(graph.motifs)} motifs are more than a picture holds ({_MOST})",
            where=repr(graph),
            remedy='ask for nodes="orbits"',
        )
    groups: list[tuple[int, ...]] = [(m.index,) for m in graph.motifs] if single else [*graph.orbits]
    if len(groups) > (_MOST if choice != "auto" else 24):
        kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
        for m in graph.motifs:
            kinds[m.formula, m.shape].append(m.index)
        groups = [tuple(x) for x in kinds.values()]
    if len(groups) > _MOST:
        elements: dict[str, list[int]] = defaultdict(list)
        for m in graph.motifs:
            elements[graph.element(m.centre)].append(m.index)
        groups = [tuple(x) for x in elements.values()]
    out = []
    for group in groups:
        motif = graph.motifs[group[0]]
        specie = graph.structure[motif.centre].specie
        number = int(getattr(specie, "Z", 0) or 0)
        symbol = graph.element(motif.centre)
        below = f"{symbol}{motif.centre}" if single else f"\u00d7 {len(group)}"
        shown = motif.formula
        if graph.kind == "elements" and len({graph.element(x.site) for x in motif.ligands} | {symbol}) == 1:
            shown = f"{len(motif.ligands)} neighbours" if motif.ligands else "alone"  # "CuCu12" reads badly
        out.append(_Node(shown, below, number, len(motif.ligands), group))
    order = sorted(range(len(out)), key=lambda k: (out[k].number, out[k].members))
    return [out[k] for k in order], single


@dataclass
class _Line:
    """Everything of one kind between two nodes. count: links per motif of `a` (orbits) or in all (single motifs).
    back: per motif of `b`. beyond: all of them lead to other cells."""

    a: int
    b: int
    kind: str
    count: int
    back: int
    beyond: bool


def _lines(graph: MotifGraph, drawn: list[_Node], single: bool) -> list[_Line]:
    at = {m: k for k, node in enumerate(drawn) for m in node.members}
    count: Counter[tuple[int, int, str]] = Counter()
    inside: set[tuple[int, int, str]] = set()
    for link in graph.links:
        a, b = sorted((at[link.a], at[link.b]))
        count[a, b, link.kind] += 1
        if not any(link.image):
            inside.add((a, b, link.kind))
    out = []
    for (a, b, kind), n in sorted(count.items(), key=lambda x: (x[0][:2], _KINDS.index(x[0][2]))):
        if single:
            ends = 2 * n if a == b else n  # a link to an own image counts at both ends
            out.append(_Line(a, b, kind, ends, ends, (a, b, kind) not in inside))
        else:
            per_a, per_b = (2 * n if a == b else n) / len(drawn[a].members), n / len(drawn[b].members)
            back = per_a if a == b else per_b
            out.append(_Line(a, b, kind, round(per_a), round(back), False))
    return out


class _Drawing:
    def __init__(
        self, graph: MotifGraph, nodes: list[_Node], lines: list[_Line], single: bool, width: float, theme: str
    ):
        self.graph, self.nodes, self.lines, self.single = graph, nodes, lines, single
        self.width, self.dark, self.colours = width, theme == "dark", THEMES[theme]
        n = len(nodes)
        plot = min(0.66 * width, max(170.0, 0.34 * width * math.sqrt(n)))
        self.r = max(9.0, min(26.0, 0.24 * math.sqrt(width * plot / max(n, 1)), 0.055 * width))
        self.small = max(8.5, min(12.5, 0.52 * self.r))
        pad_x, pad_y = self.r + 46, self.r * 2.3 + 14
        self.height = plot + 34
        aspect = (width - 2 * pad_x) / (plot - 2 * pad_y) if plot > 2.2 * pad_y else 3.0
        places = layout(n, {(x.a, x.b): 1.0 for x in lines}, max(aspect, 0.5)) if n else np.zeros((0, 2))
        room = np.array([max(width - 2 * pad_x, 1.0), max(plot - 2 * pad_y, 1.0)])
        self.xy = np.array([pad_x, pad_y]) + places * room

    def svg(self) -> str:
        import html

        about = repr(self.graph)
        lines, loops = self._links()
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family="{FONT}" '
            f'style="max-width:100%;height:auto">',
            f"<title>{html.escape(about)}</title>",
            f"<desc>{html.escape(self._described())}</desc>",
            f'<rect width="100%" height="100%" rx="8" fill="{self.colours["page"]}"/>',
            *loops,
            *lines,
            *self._glyphs(),
            *self.labels,
            *self._legend(),
            "</svg>",
        ]
        return "".join(parts)

    def _described(self) -> str:
        """The picture in words, for those who cannot see it."""
        told = []
        for line in self.lines:
            a, b = self.nodes[line.a], self.nodes[line.b]
            per = "" if self.single else f" per {a.label}"
            told.append(f"{a.label} {a.below} to {b.label} {b.below}: {line.count} {line.kind}{per}")
        return "; ".join(told[:80]) or "no links"

    def _glyphs(self) -> list[str]:
        out = []
        rim = self.colours["ink"] if self.dark else "#ffffff"
        for (x, y), node in zip(self.xy, self.nodes, strict=True):
            colour = element_colour(node.number, self.dark)
            out.append(glyph(x, y, self.r, node.coordination, colour, rim))
            symbol = self.graph.element(self.graph.motifs[node.members[0]].centre)
            lift = 0.12 * self.r if node.coordination == 3 else 0.0
            out.append(text(x, y + 0.28 * self.r + lift, symbol, ink_on(colour), 0.78 * self.r, weight=600))
            under = y + self.r + self.small + 4
            halo, ink, dim = self.colours["halo"], self.colours["ink"], self.colours["dim"]
            out.append(text(x, under, subscripts(node.label), ink, self.small + 0.5, weight=600, halo=halo))
            if len(self.nodes) <= 30:
                out.append(text(x, under + self.small + 1.5, node.below, dim, self.small - 0.5, halo=halo))
        return out

    def _links(self) -> tuple[list[str], list[str]]:
        self.labels: list[str] = []
        # what pills must not cover: nodes and the text under them
        self.taken: list[tuple[float, float, float, float]] = []
        for (x, y), node in zip(self.xy, self.nodes, strict=True):
            self.taken.append((x, y, 2 * self.r, 2 * self.r))
            wide = 0.66 * self.small * max(len(node.label), len(node.below))
            self.taken.append((x, y + self.r + 1.3 * self.small + 2, wide, 2.6 * self.small))
        between: dict[tuple[int, int], list[_Line]] = defaultdict(list)
        for line in self.lines:
            between[line.a, line.b].append(line)
        straight, loops = [], []
        for (a, b), group in between.items():
            if a == b:
                loops += self._loops(a, group)
            else:
                straight += self._curves(a, b, group)
        return straight, loops

    def _stroke(self, path: str, line: _Line) -> str:
        colour = STROKES[line.kind][int(self.dark)]
        page = self.colours["page"]
        dash = ' stroke-dasharray="6 4"' if line.beyond else ""
        base = f'<path d="{path}" fill="none" stroke-linecap="round"'
        if line.kind == "edge":  # a double line: two ligands
            return (
                f'{base} stroke="{colour}" stroke-width="4.6"{dash}/>{base} stroke="{page}" stroke-width="1.6"{dash}/>'
            )
        if line.kind == "face":  # a band: three or more
            return f'{base} stroke="{colour}" stroke-width="7" stroke-opacity="0.85"{dash}/>'
        return f'{base} stroke="{colour}" stroke-width="{1.8 if line.kind == "corner" else 2.2}"{dash}/>'

    def _curves(self, a: int, b: int, group: list[_Line]) -> list[str]:
        out = []
        start, end = self.xy[a], self.xy[b]
        along = end - start
        length = float(np.linalg.norm(along)) or 1.0
        normal = np.array([-along[1], along[0]]) / length
        # a straight line through a third node would say that it is linked
        bow = 0.0
        for k, other in enumerate(self.xy):
            if k not in (a, b):
                t = float(np.clip(np.dot(other - start, along) / length**2, 0, 1))
                gap = other - (start + t * along)
                if 0.05 < t < 0.95 and np.linalg.norm(gap) < 1.25 * self.r:
                    bow = (2.6 if np.dot(gap, normal) <= 0 else -2.6) * self.r
        for n, line in enumerate(group):
            bend = bow + (n - (len(group) - 1) / 2) * 20
            control = 0.5 * (start + end) + 1.0 * bend * normal
            path = f"M{start[0]:.1f},{start[1]:.1f} Q{control[0]:.1f},{control[1]:.1f} {end[0]:.1f},{end[1]:.1f}"
            out.append(self._stroke(path, line))
            spots = [
                (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
                for t in (0.5, 0.42, 0.58, 0.36, 0.64, 0.3, 0.7, 0.25, 0.75)
            ]
            self._count(spots, line, start[0] > end[0])
        return out

    def _loops(self, a: int, group: list[_Line]) -> list[str]:
        """Links of an orbit with itself, or of a motif with its own images: loops above, away from the middle."""
        out = []
        x, y = self.xy[a]
        for n, line in enumerate(group):
            angle = -math.pi / 2 + (n - (len(group) - 1) / 2) * 0.95
            reach = self.r * 3.1
            left, right = angle - 0.36, angle + 0.36
            c1 = (x + reach * math.cos(left), y + reach * math.sin(left))
            c2 = (x + reach * math.cos(right), y + reach * math.sin(right))
            path = f"M{x:.1f},{y:.1f} C{c1[0]:.1f},{c1[1]:.1f} {c2[0]:.1f},{c2[1]:.1f} {x:.1f},{y:.1f}"
            out.append(self._stroke(path, line))
            self._count([np.array([x + 0.76 * reach * math.cos(angle), y + 0.76 * reach * math.sin(angle)])], line)
        return out

    def _count(self, spots: list[np.ndarray], line: _Line, turned: bool = False) -> None:
        """How many, on a pill in the colour of the kind, at the first spot that covers nothing (else the first);
        seen from both ends where the ends differ, the left number for the left end (`turned`: that is b)."""
        if self.single and line.count == 1 or len(self.lines) > 140:
            return
        ends = (line.back, line.count) if turned else (line.count, line.back)
        words = str(line.count) if line.count == line.back else f"{ends[0]} : {ends[1]}"
        size = max(8.0, self.small - 1.5)
        wide, high = 0.62 * size * len(words) + 7, size + 4.5
        colour = STROKES[line.kind][int(self.dark)]
        x, y = next((p for p in spots if self._free(p, wide, high)), spots[0])
        self.taken.append((x, y, wide + 3, high + 3))
        self.labels.append(
            f'<rect x="{x - wide / 2:.1f}" y="{y - high / 2:.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'rx="{high / 2:.1f}" fill="{self.colours["page"]}" stroke="{colour}" stroke-width="1"/>'
        )
        self.labels.append(text(x, y + 0.35 * size, words, self.colours["ink"], size, weight=600))

    def _free(self, spot: np.ndarray, wide: float, high: float) -> bool:
        return all(abs(spot[0] - x) > (wide + w) / 2 or abs(spot[1] - y) > (high + h) / 2 for x, y, w, h in self.taken)

    def _legend(self) -> list[str]:
        kinds = [k for k in ("corner", "edge", "face", "bond") if any(x.kind == k for x in self.lines)]
        out = []
        x, y = 16.0, self.height - 16
        out.append(f'<path d="M0,{self.height - 33:.1f} H{self.width:g}" stroke="{self.colours["line"]}"/>')
        names = {"corner": "corner shared", "edge": "edge shared", "face": "face shared", "bond": "bond"}
        for kind in kinds:
            out.append(self._stroke(f"M{x:.1f},{y:.1f} h26", _Line(0, 0, kind, 0, 0, False)))
            out.append(text(x + 32, y + 4, names[kind], self.colours["dim"], 11.5, anchor="start"))
            x += 44 + 6.3 * len(names[kind])
        if self.single and any(line.beyond for line in self.lines):
            if self.width - x > 150:
                dim = self.colours["dim"]
                out.append(f'<path d="M{x:.1f},{y:.1f} h26" stroke="{dim}" stroke-width="1.8" stroke-dasharray="6 4"/>')
                out.append(text(x + 32, y + 4, "to another cell", dim, 11.5, anchor="start"))
        elif not self.single and kinds and self.width - x > 190:
            words = "numbers: per motif of either end"
            out.append(text(self.width - 14, y + 4, words, self.colours["dim"], 11.5, anchor="end"))
        if not kinds:
            out.append(text(x, y + 4, "no links", self.colours["dim"], 11.5, anchor="start"))
        return out
