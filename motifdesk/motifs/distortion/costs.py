"""What a distortion costs each motif, in the language of modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from motifdesk.structures.errors import MotifError

from ..hierarchy.graph import MotifGraph
from ..symmetry.modes import distortion_modes

#: Angstrom (root mean square of the ligands) below which a motif has kept its shape.
KEPT = 1e-3


@dataclass(frozen=True, eq=False)
class MotifCost:
    """One motif's deviation from the shape it should have.

    motif: index. size: the length of the deviation over all its ligands, Angstrom. parts: (irrep and block such as
    "Eg stretch", amplitude in Angstrom, never negative), largest first; their squares add up to the square of `size`
    when the motif has found its best rotation. text: a sentence.
    """

    motif: int
    size: float
    parts: tuple[tuple[str, float], ...]
    text: str

    def __str__(self) -> str:
        return self.text


def motif_costs(graph: MotifGraph, cost: np.ndarray, off: np.ndarray) -> tuple[MotifCost, ...]:
    """Deviations `off` float64 [B, 3] (bonds of every motif, motif after motif, in the frame that turns with it)
    decomposed on each motif's own modes, for every motif whose `cost` [m] is above 0.001 Angstrom, the dearest first.
    """
    sizes = [len(set(m.ligands) | set(graph.neighbours[m.centre])) for m in graph.motifs]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    out = []
    for orbit in graph.orbits:
        paying = [i for i in orbit if cost[i] > KEPT and graph.motifs[i].ligands]
        modes = _own_modes(graph, orbit, paying)
        for index in paying:
            own = off[first[index] : first[index] + len(graph.motifs[index].ligands)]
            amounts: dict[str, float] = {}
            for name, vectors in modes.get(index, ()):
                amounts[name] = amounts.get(name, 0.0) + float((vectors * own).sum()) ** 2
            parts = tuple(sorted(((n, float(np.sqrt(a))) for n, a in amounts.items()), key=lambda part: -part[1]))
            size = float(np.linalg.norm(own))
            out.append(MotifCost(index, size, parts, _sentence(graph, index, size, parts)))
    return tuple(sorted(out, key=lambda c: -c.size))


def _own_modes(
    graph: MotifGraph, orbit: Sequence[int], paying: Sequence[int]
) -> dict[int, list[tuple[str, np.ndarray]]]:
    """motif -> (irrep and block, vectors) of its stretch and bend modes; many equivalent motifs are laid at once."""
    out: dict[int, list[tuple[str, np.ndarray]]] = {}
    together = len(paying) > 3
    for picked in orbit[:1] if together else paying:
        try:
            modes = distortion_modes(graph.structure, picked, "orbit" if together else "motif", graph=graph)
        except MotifError:  # a figure that has no modes
            continue
        for mode in modes:
            if mode.block == "rotation":  # turning costs nothing
                continue
            for index, vectors in mode.targets:
                out.setdefault(index, []).append((f"{mode.irrep} {mode.block}", vectors))
    return out


def _sentence(graph: MotifGraph, index: int, size: float, parts: tuple[tuple[str, float], ...]) -> str:
    motif = graph.motifs[index]
    text = f"{motif.formula} ({graph.element(motif.centre)}{motif.centre}) pays {size:.3f} A"
    if not parts or not size:
        return text
    name, amount = parts[0]
    share = amount**2 / size**2
    return f"{text}, {'all' if share > 0.98 else 'mostly' if share > 0.5 else 'above all'} {name}"
