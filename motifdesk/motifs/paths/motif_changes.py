"""What a distortion does to each motif, in the motif's own modes: stretches, bends and rotations before and after."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifError

from ..detection.finding import find_motifs
from ..hierarchy.graph import Motif, MotifGraph
from ..symmetry.modes import distortion_modes, lay
from .matching import StructureMatch, match_structures


@dataclass(frozen=True)
class ModeChange:
    """Amplitude of one mode of one motif, Angstrom, in the parent and in the child.

    The zero is the ideal figure, laid on the parent's motif with the parent's mean bond length (a motif without an
    ideal figure: the parent's motif itself). label, irrep, block ("stretch", "bend", "rotation") and component as in
    `Mode`: for an octahedron stretch A1g is Q1, Eg (1) is Q3, Eg (2) is Q2 of van Vleck.
    """

    label: str
    irrep: str
    block: str
    component: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, eq=False)
class MotifChange:
    """One motif and all its modes. motif: of the graph of `MotifChanges`. rest: root of the summed squares of what the
    modes do not hold, Angstrom (0 but for rounding, for a motif with 3 k modes)."""

    motif: Motif
    modes: tuple[ModeChange, ...]
    rest: float

    def total(self, block: str | None = None, irrep: str | None = None) -> float:
        """Root of the summed squared changes, Angstrom, of a block and an irrep, or of all."""
        chosen = [m.change for m in self.modes if block in (None, m.block) and irrep in (None, m.irrep)]
        return float(np.linalg.norm(chosen))

    def __str__(self) -> str:
        ranked = sorted(self.modes, key=lambda m: -abs(m.change))
        told = ", ".join(f"{m.label} {m.before:+.3f} -> {m.after:+.3f}" for m in ranked[:3] if abs(m.change) > 5e-4)
        return f"{self.motif.formula} (site {self.motif.centre}): {told or 'unchanged'}"


class MotifChanges(Sequence[MotifChange]):
    """Every motif of the parent's supercell, largest change first. graph: the motif graph of ``match.reference``."""

    def __init__(self, match: StructureMatch, graph: MotifGraph, changes: list[MotifChange]) -> None:
        self.match, self.graph = match, graph
        self._changes = tuple(sorted(changes, key=lambda c: (-round(c.total(), 6), c.motif.index)))

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[MotifChange]:
        return iter(self._changes)

    def __getitem__(self, index: Any) -> Any:
        return self._changes[index]

    def __repr__(self) -> str:
        more = f"\nand {len(self) - 8} more" if len(self) > 8 else ""
        return f"MotifChanges of {len(self)} motifs (Angstrom)\n" + "\n".join(str(c) for c in self._changes[:8]) + more

    def _repr_html_(self) -> str:
        rows = []
        for change in self._changes[:40]:
            sums = [f"{change.total(block):.3f}" for block in ("stretch", "bend", "rotation")]
            cells = [f"{change.motif.formula}, site {change.motif.centre}", *sums, str(change).split(": ", 1)[1]]
            rows.append("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in cells) + "</tr>")
        heads = ("motif", "stretch (A)", "bend (A)", "rotation (A)", "largest modes, before and after")
        titles = "".join(f"<th>{title}</th>" for title in heads)
        return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def motif_amplitudes(parent: Any, child: Any = None, **options: Any) -> MotifChanges:
    """Every motif of the parent, its modes before (parent) and after (child).

    Parameters
    ----------
    parent
        the parent crystal, its `MotifGraph`, or a `StructureMatch` (then `child` is left out).
    child
        the child crystal; any cell, origin and atom order.
    options
        for `match_structures`.

    Raises
    ------
    MotifError
        as `match_structures` and `find_motifs`; a match and a child, or no child.
    """
    if isinstance(parent, StructureMatch):
        if child is not None:
            raise MotifError("a match and a child", where="motif_amplitudes", remedy="give one of the two")
        match = parent
    else:
        if child is None:
            raise MotifError("there is no child", where="motif_amplitudes", remedy="give the distorted crystal as well")
        whole = parent.structure if isinstance(parent, MotifGraph) else parent
        match = match_structures(whole, child, **options)
    reference, distorted = match.reference, match.distorted
    graph = find_motifs(reference)
    numbers = np.array([site.specie.Z for site in reference], dtype=np.int64)
    after = AtomArrays(numbers, distorted.cart_coords, distorted.lattice.matrix)
    changes = []
    for motif in graph.motifs:
        if motif.ligands:
            changes.append(_change(graph, motif, after))
    return MotifChanges(match, graph, changes)


def _change(graph: MotifGraph, motif: Motif, after: AtomArrays) -> MotifChange:
    """Ligands keep their images: `after` holds the same sites, displaced, in the strained cell."""
    here, there = motif.positions(graph.structure), motif.positions(after)
    first, second = here[1:] - here[0], there[1:] - there[0]
    figure, rotation, vertex = lay(graph, motif)
    if motif.symbol.startswith("?"):
        ideal = first
    else:
        points = figure.group.vertices
        length = np.linalg.norm(first, axis=1).mean() / np.linalg.norm(points, axis=1).mean()
        ideal = length * (points @ rotation.T)[vertex]
    modes = distortion_modes(graph.structure, motif, graph=graph)
    rows = tuple(
        ModeChange(
            mode.label,
            mode.irrep,
            mode.block,
            mode.component,
            float((mode.vectors * (first - ideal)).sum()),
            float((mode.vectors * (second - ideal)).sum()),
        )
        for mode in modes
    )
    held = sum(row.change**2 for row in rows)
    return MotifChange(motif, rows, float(np.sqrt(max(0.0, float(((second - first) ** 2).sum()) - held))))
