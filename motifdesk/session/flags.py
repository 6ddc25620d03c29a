"""Whose neighbours have probably changed, told while a hand moves something: a cheap guess, never the answer.

The answer is CrystalNN's and comes when the hand lets go (:mod:`motifdesk.session.network_readouts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from motifdesk.session.state import State
from motifdesk.structures.errors import MotifDeskError


@dataclass(frozen=True)
class Flag:
    """A motif (index) that has probably lost or gained ligands; `text` for people: "Ir8 may lose a ligand"."""

    motif: int
    lost: int
    gained: int
    text: str


def flags(state: State) -> tuple[Flag, ...]:
    """Motifs of the base structure whose neighbours have probably changed in ``state``."""
    graph = state.graph
    if graph is None or state.arrays is state.reference.arrays:
        return ()
    from motifdesk.motifs.detection.preview import distance_neighbours

    try:
        found = distance_neighbours(state.arrays, graph)
    except MotifDeskError:
        return ()
    out = []
    for index in found.motifs:
        site = graph.motifs[index].centre
        lost, gained = len(found.lost.get(index, ())), len(found.gained.get(index, ()))
        out.append(Flag(index, lost, gained, _told(f"{graph.element(site)}{site}", lost, gained)))
    return tuple(out)


def _told(name: str, lost: int, gained: int) -> str:
    def many(n: int) -> str:
        return "a ligand" if n == 1 else f"{n} ligands"

    if lost and gained:
        return f"{name} may exchange {many(max(lost, gained))}"
    return f"{name} may lose {many(lost)}" if lost else f"{name} may gain {many(gained)}"
