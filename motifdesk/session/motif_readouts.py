"""Read-outs of the picked motif and of the bonds: lengths, shape, valence. Quick enough for every pointer move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.session.state import State
from motifdesk.structures.arrays import element_symbols

if TYPE_CHECKING:
    from motifdesk.motifs import Motif, MotifGraph

_MOST_GRAPHS = 3
VALENCE_OFF = 0.5
"""Valence units by which a bond-valence sum may miss the oxidation state before the verdict mentions it."""


@dataclass(frozen=True)
class Row:
    """One line of the read-outs. ``number``: the bare value, if any; ``warn``: the verdict objects to it."""

    key: str
    label: str
    value: str
    unit: str
    tier: str
    number: float | None = None
    warn: bool = False


class Sheet:
    """Collects rows and objections; what is not a finite number is left out."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reasons: list[str] = []

    def text(self, key: str, label: str, value: str, tier: str, warn: bool = False) -> None:
        self.rows.append(Row(key, label, value, "", tier, None, warn))

    def number(
        self, key: str, label: str, value: float | None, digits: int, unit: str, tier: str, warn: bool = False
    ) -> None:
        if value is not None and math.isfinite(value):
            self.rows.append(Row(key, label, f"{value:.{digits}f}", unit, tier, float(value), warn))

    def object(self, reason: str) -> None:
        self.reasons.append(reason)


def picked(state: State) -> Motif | None:
    """The picked motif of the base structure, or None."""
    index = state.selection.motif
    graph = state.graph if index is not None else None
    return None if graph is None or index is None or index >= len(graph.motifs) else graph.motifs[index]


def shape_measure(state: State, motif: Motif, vectors: np.ndarray) -> float | None:
    """Continuous symmetry measure against the motif's figure, with the vertex assignment of the base structure.

    While a slider moves the assignment does not change, so one 3 x 3 singular value decomposition is enough.
    """
    from motifdesk.motifs.figures.measure import relative
    from motifdesk.motifs.figures.shapes import match, vertices

    cache = state.reference.scratch
    key = ("assignment", motif.index)
    if key not in cache:
        rest = relative(state.reference.arrays, motif)
        try:
            ideal = vertices(motif.symbol)
            cache[key] = ideal[list(match(rest, motif.symbol).permutation)]
        except (KeyError, ValueError):
            cache[key] = None
    ideal = cache[key]
    if ideal is None or len(ideal) < 2:
        return None
    p, q = (_normalised(points) for points in (vectors, ideal))
    overlap = float(np.linalg.svd(p.T @ q, compute_uv=False).sum())
    return max(0.0, 100.0 * (1.0 - min(overlap, 1.0) ** 2))


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Less the centroid including the centre (ChemEnv's convention), unit norm."""
    p = vectors - vectors.sum(axis=0) / (len(vectors) + 1)
    return p / np.sqrt((p * p).sum())


def motif_rows(sheet: Sheet, state: State) -> None:
    """Tier "move": lengths, their distortion and the shape measure of the picked motif."""
    motif = picked(state)
    if motif is None:
        return
    sheet.text("motif", "Motif", motif.name, "move")
    if not motif.ligands:
        return
    from motifdesk.motifs.figures.measure import bond_length_distortion, relative

    vectors = relative(state.arrays, motif)
    lengths = np.linalg.norm(vectors, axis=1)
    mean = float(lengths.mean())
    span = f"{lengths.min():.3f} - {lengths.max():.3f} (mean {mean:.3f})"
    sheet.rows.append(Row("bond_lengths", "Bond lengths", span, "Å", "move", mean))
    sheet.number("baur", "Bond-length distortion (Baur)", bond_length_distortion(vectors), 4, "", "move")
    measure = shape_measure(state, motif, vectors) if mean > 0 else None
    picked_valence(sheet, state, motif, lengths)
    sheet.number("csm", f"Distance from ideal {motif.shape} (CSM)", measure, 3, "", "move")


def shape_rows(sheet: Sheet, state: State) -> None:
    """Tier "release": nearest figure and coordination as they are now, by a new search for neighbours."""
    motif = picked(state)
    if motif is None:
        return
    from motifdesk.motifs.figures.measure import measure_motif, relative
    from motifdesk.motifs.figures.shapes import classify

    measured = measure_motif(state.arrays, motif)
    if measured is not None:
        sheet.number("angle_variance", "Bond-angle variance", measured.bond_angle_variance, 2, "deg²", "release")
        sheet.number("elongation", "Quadratic elongation", measured.quadratic_elongation, 4, "", "release")
        sheet.number("motif_volume", "Volume of the motif", measured.volume, 3, "Å³", "release")
    now = current_graph(state)
    there = None if now is None else now.motif_at(motif.centre)
    if there is not None:
        found = classify(relative(state.arrays, there))
        shape = there.shape if found is None else found.name
        changed = there.coordination != motif.coordination
        sheet.text("shape", "Shape", shape, "release", warn=changed)
        sheet.rows.append(
            Row("coordination", "Coordination", str(there.coordination), "", "release", there.coordination, changed)
        )
        if changed:
            sheet.object(
                f"the bonds of {motif.name} changed from {motif.coordination} to {there.coordination} neighbours"
            )


def current_graph(state: State) -> MotifGraph | None:
    """The motif graph of the state itself (its base's when nothing is distorted); None when none can be found."""
    if state.arrays is state.reference.arrays:
        return state.graph
    from motifdesk.motifs import find_motifs

    memory = state.reference.scratch.setdefault("graphs", {})
    known = memory.get(id(state.arrays))
    if known is None or known[0] is not state.arrays:
        try:
            found = find_motifs(state.structure)
        except Exception:  # a read-out must not take the desk down; the contacts tell what is wrong
            found = None
        while len(memory) >= _MOST_GRAPHS:
            memory.pop(next(iter(memory)))
        known = memory[id(state.arrays)] = (state.arrays, found)  # the arrays too: an id is a name while they live
    return known[1]


def known_graph(state: State) -> MotifGraph | None:
    """:func:`current_graph` where it is at hand already, else None: what an earlier step needs no search for."""
    if state.arrays is state.reference.arrays:
        return state.reference.known_graph
    known = state.reference.scratch.get("graphs", {}).get(id(state.arrays))
    return known[1] if known is not None and known[0] is state.arrays else None


def named(state: State, site: int) -> str:
    """Symbol and index of a site: "Ir8"."""
    return f"{element_symbols()[state.arrays.numbers[site]]}{site}"


def picked_valence(sheet: Sheet, state: State, motif: Motif, lengths: np.ndarray) -> None:
    """Tier "move": bond-valence sum of the picked motif's centre over its own bonds, with their ``lengths`` [k]."""
    from motifdesk.motifs.figures.valence import bond_valence

    graph = state.graph
    if graph is None or graph.kind == "molecule" or not any(graph.oxidation):
        return
    centre = motif.centre
    key = "sites that are ligands"
    if key not in state.reference.scratch:
        state.reference.scratch[key] = {x.site for m in graph.motifs for x in m.ligands}
    if centre in state.reference.scratch[key]:
        return  # its bonds belong to other motifs too; the sums of the "release" tier count them all
    total = 0.0
    for ligand, length in zip(motif.ligands, lengths, strict=True):
        if graph.oxidation[centre] * graph.oxidation[ligand.site] < 0:
            names = graph.element(centre), graph.element(ligand.site)
            one = bond_valence(names[0], graph.oxidation[centre], names[1], float(length))
            if one is None:
                return
            total += one
    expected = abs(graph.oxidation[centre])
    label = f"Bond valence of {named(state, centre)} (expected {expected:g})"
    sheet.number("valence", label, total, 2, "v.u.", "move", abs(total - expected) > VALENCE_OFF)


def valence_rows(sheet: Sheet, state: State) -> None:
    """Tier "release": how far bond-valence sums are from the oxidation states, the global instability index and the
    worst."""
    from motifdesk.motifs import bond_valence_sums

    graph = state.graph
    if graph is None or graph.kind == "molecule":  # covalent bonds are no measure of guessed oxidation states
        return
    sums = bond_valence_sums(state.arrays, graph)
    if not sums:
        return
    off = {site: total - abs(graph.oxidation[site]) for site, total in sums.items()}
    index = math.sqrt(sum(d * d for d in off.values()) / len(off))
    sheet.number("instability", "Global instability index", index, 2, "v.u.", "release", index > VALENCE_OFF)
    worst = max(off, key=lambda site: abs(off[site]))
    if abs(off[worst]) > VALENCE_OFF:
        many = sum(abs(d) > VALENCE_OFF for d in off.values())
        others = "1 more site is" if many == 2 else f"{many - 1} more sites are"
        more = f" ({others} off by over {VALENCE_OFF})" if many > 1 else ""
        expected = abs(graph.oxidation[worst])
        sheet.object(f"the bond valence of {named(state, worst)} is {sums[worst]:.2f}, {expected:g} expected{more}")
