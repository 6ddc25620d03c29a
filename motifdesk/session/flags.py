"""Whose neighbours have probably changed, told while a hand moves something: a cheap guess, never the answer.

The answer is CrystalNN's and comes when the hand lets go (:mod:`motifdesk.session.network_readouts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.session.state import State

_REACH = 1.6  # times the longest bond of a motif: how far neighbours to be are looked for
_FEWEST = 0.02  # relative gap between ligands and the rest below which distances cannot tell them apart


@dataclass(frozen=True)
class Flag:
    """A motif (index) that has probably lost or gained ligands; `text` for people: "Ir8 may lose a ligand"."""

    motif: int
    lost: int
    gained: int
    text: str


@dataclass(frozen=True, eq=False)
class _Watch:
    """Every centre's neighbours worth watching: flat arrays over pairs, and the distance that separates ligands from
    the rest in the base structure."""

    motif: np.ndarray
    centre: np.ndarray
    site: np.ndarray
    image: np.ndarray
    bonded: np.ndarray
    cut: np.ndarray
    volume: float


def flags(state: State) -> tuple[Flag, ...]:
    """Motifs of the base structure whose neighbours have probably changed in ``state``."""
    graph = state.graph
    if graph is None or state.arrays is state.reference.arrays or not graph.motifs:
        return ()
    memory = state.reference.scratch
    if "watch" not in memory:
        memory["watch"] = _watch(state)
    watch = memory["watch"]
    positions, cell = state.arrays.positions, state.arrays.cell
    vectors = positions[watch.site] - positions[watch.centre]
    scale = 1.0
    if cell is not None:
        vectors = vectors + watch.image @ cell
        scale = (state.arrays.volume / watch.volume) ** (1.0 / 3.0)
    near = (vectors * vectors).sum(axis=1) <= (scale * watch.cut) ** 2
    count = len(graph.motifs)
    lost = np.bincount(watch.motif[watch.bonded & ~near], minlength=count)
    gained = np.bincount(watch.motif[~watch.bonded & near], minlength=count)
    out = []
    for index in np.flatnonzero(lost + gained):
        site = graph.motifs[index].centre
        name = f"{graph.element(site)}{site}"
        out.append(Flag(int(index), int(lost[index]), int(gained[index]), _told(name, lost[index], gained[index])))
    return tuple(out)


def _told(name: str, lost: int, gained: int) -> str:
    def many(n: int) -> str:
        return "a ligand" if n == 1 else f"{n} ligands"

    if lost and gained:
        return f"{name} may exchange {many(max(lost, gained))}"
    return f"{name} may lose {many(lost)}" if lost else f"{name} may gain {many(gained)}"


def _watch(state: State) -> _Watch:
    from motifdesk.motifs.measure import relative

    graph, arrays = state.reference.require_graph(), state.reference.arrays
    able = [m for m in graph.motifs if m.ligands]
    longest = {m.index: float(np.linalg.norm(relative(arrays, m), axis=1).max()) for m in able}
    around = _around(arrays, [m.centre for m in able], _REACH * max(longest.values(), default=0.0))
    rows: list[tuple[Any, ...]] = []
    for motif in able:
        far, bonded = longest[motif.index], set(motif.ligands)
        others = [x for x in around[motif.centre] if x[:2] not in bonded and x[2] < _REACH * far]
        nearest = min((x[2] for x in others), default=_REACH * far)
        if nearest < far * (1.0 + _FEWEST):
            continue  # a farther atom is a ligand and a nearer one is not: distances say nothing
        cut = float(np.sqrt(far * nearest))
        rows += [(motif.index, motif.centre, x.site, x.image, True, cut) for x in motif.ligands]
        rows += [(motif.index, motif.centre, site, image, False, cut) for site, image, _ in others]
    columns = list(zip(*rows, strict=True)) or [()] * 6
    return _Watch(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.int64),
        np.array(columns[3], dtype=float).reshape(-1, 3),
        np.array(columns[4], dtype=bool),
        np.array(columns[5], dtype=float),
        arrays.volume,
    )


def _around(arrays: Any, centres: list[int], reach: float) -> dict[int, list[tuple[int, tuple[int, ...], float]]]:
    """centre -> (site, image, Angstrom) of every atom within reach."""
    out: dict[int, list[tuple[int, tuple[int, ...], float]]] = {c: [] for c in centres}
    if not centres:
        return out
    if arrays.cell is None:
        distance = np.linalg.norm(arrays.positions[centres, None] - arrays.positions[None], axis=2)
        for centre, row in zip(centres, distance, strict=True):
            out[centre] = [(int(s), (0, 0, 0), float(row[s])) for s in np.flatnonzero(row < reach) if s != centre]
        return out
    from motifdesk.motifs.neighbours import NeighbourList

    neighbours = NeighbourList(arrays.cell, arrays.fractional)
    near = neighbours.near(np.array(centres), reach)
    images = neighbours.images(near.chosen[near.owner], near.sites, near.steps)
    for owner, site, image, squared in zip(near.owner, near.sites, images, near.squared, strict=True):
        out[centres[owner]].append((int(site), tuple(int(i) for i in image), float(np.sqrt(squared))))
    return out
