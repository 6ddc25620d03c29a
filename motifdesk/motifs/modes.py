"""Distortion modes of a motif, its symmetry orbit, or all motifs of its kind.

The modes are symmetry coordinates of the ideal figure the motif resembles (van Vleck's Q's for an octahedron), laid on
the motif by the best match. An amplitude Q, in Angstrom, is the projection of the ligands' displacements relative to
the centre on the unit-norm vectors: all six bonds of an octahedron longer by d is Q(A1g) = sqrt(6) d.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import symmetry_operations

from .finding import find_motifs
from .graph import Motif, MotifGraph
from .irreps import Coordinate, Figure, figure_of, ideal_figure
from .shapes import Match, match

SCOPES = ("motif", "orbit", "all")
_KEY = re.compile(r"m(\d+):(motif|orbit|all)(?:\[([+-]+)\])?:(stretch|bend|rotation):([^:]+):(\d+)")
# a generic direction: which of several equivalent ways to lay a figure on a motif is taken must not hang on rounding
_TILT = np.array([[1.0, 0.002, -0.003], [-0.001, 1.001, 0.004], [0.005, -0.002, 1.003]])


@dataclass(frozen=True)
class Mode:
    """A distortion mode.

    key: stable name, enough to find the mode again ("m3:orbit:stretch:Eg:1"). label: for people. irrep, block
    ("stretch", "bend", "rotation"), component (from 1). motif: index of the picked motif. scope: "motif", "orbit" or
    "all". vectors: float64 [k, 3], displacements of the picked motif's ligands relative to its centre, unit norm,
    Cartesian. targets: (motif index, vectors) of every motif the mode acts on, the picked one first.
    """

    key: str
    label: str
    irrep: str
    block: str
    component: int
    motif: int
    scope: str
    vectors: np.ndarray = field(compare=False, repr=False)
    targets: tuple[tuple[int, np.ndarray], ...] = field(compare=False, repr=False, default=())

    def __str__(self) -> str:
        return self.label


def distortion_modes(
    structure: Any,
    motif: Motif | int,
    scope: str = "motif",
    *,
    graph: MotifGraph | None = None,
    character: Sequence[int] | None = None,
) -> tuple[Mode, ...]:
    """Every distortion mode of a motif: 3k of them for k ligands, as stretch, bend and rotation blocks.

    Parameters
    ----------
    structure
        the structure the motif belongs to.
    motif
        a `Motif` of its graph or an index.
    scope
        "motif": this one. "orbit": its symmetry-equivalent motifs, the mode carried to each by the space-group
        operation that turns it least. "all": every motif of the same formula and figure.
    graph
        the structure's motif graph, if it is at hand.
    character
        +1 or -1 for each target in the order of `Mode.targets` of the plain mode (the picked motif first, then by
        index): antiferro patterns.

    Raises
    ------
    MotifError
        an unknown motif or scope, a motif without ligands, a character of the wrong length.
    """
    graph = graph if graph is not None else find_motifs(structure)
    picked = graph.motifs[graph.index_of(motif)]
    if scope not in SCOPES:
        raise MotifError(f"scope {scope!r}", where="distortion_modes", remedy=f"choose one of {', '.join(SCOPES)}")
    if not picked.ligands:
        raise MotifError(f"{picked.name} has no ligands to move", where="distortion_modes", remedy="pick another motif")
    figure, rotation, vertex = lay(graph, picked)
    carried = _carriers(graph, picked, scope, rotation, vertex)
    signs = np.ones(len(carried), dtype=int) if character is None else np.asarray(character, dtype=int)
    if len(signs) != len(carried) or not np.isin(signs, (1, -1)).all():
        raise MotifError(
            f"a character of {len(signs)} values for {len(carried)} motifs",
            where=f"distortion_modes({picked.name}, {scope!r})",
            remedy="give +1 or -1 for each motif of the scope",
        )
    pattern = "" if character is None else "[" + "".join("+" if s > 0 else "-" for s in signs) + "]"
    counts: dict[tuple[str, str], int] = {}
    for c in figure.coordinates:
        counts[c.block, c.irrep] = max(counts.get((c.block, c.irrep), 0), c.component)
    modes = []
    for c in figure.coordinates:
        targets = tuple(
            (index, _frozen(sign * c.vectors[order] @ turn.T))
            for sign, (index, turn, order) in zip(signs, carried, strict=True)
        )
        key = f"m{picked.index}:{scope}{pattern}:{c.block}:{c.irrep}:{c.component}"
        label = _label(c, counts[c.block, c.irrep]) + (f" {pattern}" if pattern else "")
        modes.append(Mode(key, label, c.irrep, c.block, c.component, picked.index, scope, targets[0][1], targets))
    return tuple(modes)


def mode_by_key(graph: MotifGraph, key: str) -> Mode:
    """The mode a key names, derived anew. MotifError when the key is malformed or the graph has no such mode."""
    found = _KEY.fullmatch(str(key))
    if not found:
        raise MotifError(f"{key!r} is no mode key", remedy='keys look like "m3:orbit:stretch:Eg:1"')
    character = None if found[3] is None else [1 if c == "+" else -1 for c in found[3]]
    for mode in distortion_modes(graph.structure, int(found[1]), found[2], graph=graph, character=character):
        if mode.key == key:
            return mode
    raise MotifError(f"there is no mode {key!r}", where=repr(graph), remedy="list them with distortion_modes")


def _label(c: Coordinate, count: int) -> str:
    number = f" ({c.component})" if count > 1 else ""
    return f"{c.irrep} {c.block}{number} - {c.note}"


def _frozen(vectors: np.ndarray) -> np.ndarray:
    out = np.ascontiguousarray(vectors)
    out.setflags(write=False)
    return out


def lay(graph: MotifGraph, motif: Motif, towards: np.ndarray | None = None) -> tuple[Figure, np.ndarray, np.ndarray]:
    """The figure of a motif, the rotation [3, 3] that lays it on the motif and the ideal vertex of each ligand [k].

    Of the equivalent ways the one nearest to `towards` (default: figure axes along Cartesian axes). A motif without
    an ideal figure is its own: its modes follow from the point group it has within 5 %.
    """
    positions = motif.positions(graph.structure)
    ligands = positions[1:] - positions[0]
    if motif.symbol.startswith("?"):
        return figure_of(ligands, 0.05), np.eye(3), np.arange(len(ligands))
    figure = ideal_figure(motif.symbol)
    return (figure, *nearest_frame(match(ligands, motif.symbol), figure, towards))


def nearest_frame(found: Match, figure: Figure, towards: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Of the equivalent ways to lay a figure as `found` does, the one whose axes are nearest to `towards` [3, 3].

    Returns the rotation [3, 3] and the ideal vertex of each ligand int [k]: ``ligand ~ scale * rotation @ vertex``.
    """
    goal = _TILT if towards is None else towards @ _TILT
    turned = found.rotation @ figure.group.matrices
    proper = np.linalg.det(turned) > 0
    score = np.einsum("ij,gij->g", goal, turned) + 10.0 * proper
    choice = int(np.argmax(np.round(score, 9)))
    back = np.argsort(figure.group.permutations[choice])  # where g^-1 takes each vertex
    return turned[choice], back[np.array(found.permutation, dtype=np.int64)]


def _carriers(
    graph: MotifGraph, picked: Motif, scope: str, rotation: np.ndarray, vertex: np.ndarray
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(motif, rotation, ideal vertex of each ligand) of every target, the picked motif first."""
    out = [(picked.index, rotation, vertex)]
    if scope == "motif":
        return out
    orbit = [i for i in graph.orbits[picked.orbit] if i != picked.index]
    others = orbit
    if scope == "all":
        others = [m.index for m in graph.motifs if (m.formula, m.symbol) == (picked.formula, picked.symbol)]
    by_symmetry = _symmetry_carriers(graph, picked, orbit) if orbit else {}
    for index in others:
        if index == picked.index:
            continue
        if index in by_symmetry:
            turn, ligand = by_symmetry[index]
            out.append((index, turn @ rotation, vertex[ligand]))
        else:
            _, turn, order = lay(graph, graph.motifs[index], rotation)
            out.append((index, turn, order))
    return out


def _symmetry_carriers(graph: MotifGraph, picked: Motif, orbit: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """motif -> (Cartesian rotation of the operation that takes the picked motif there, for each of its ligands the
    picked motif's ligand that lands on it). The operation nearest to a pure translation is taken."""
    arrays = to_arrays(graph.structure)
    if arrays.cell is None:
        return {}
    try:
        rotations, translations = symmetry_operations(arrays, graph.tolerance)
    except StructureError:
        return {}
    cell, f = arrays.cell, arrays.fractional
    start = picked.positions(arrays)
    vectors = start[1:] - start[0]
    centre = rotations @ f[picked.centre] + translations
    cartesian = cell.T @ rotations @ np.linalg.inv(cell.T)
    preference = np.argsort(-np.round(np.trace(cartesian, axis1=1, axis2=2), 6), kind="stable")
    limit = max(5 * graph.tolerance, 0.02)
    out = {}
    for index in orbit:
        motif = graph.motifs[index]
        there = motif.positions(arrays)
        goal = there[1:] - there[0]
        for g in preference:
            delta = centre[g] - f[motif.centre]
            if np.linalg.norm((delta - np.rint(delta)) @ cell) > limit:
                continue
            distance = np.linalg.norm(goal[:, None] - (vectors @ cartesian[g].T)[None], axis=2)
            ligand = distance.argmin(axis=1)
            if distance.min(axis=1).max() < 5 * limit and len(set(ligand)) == len(goal):
                out[index] = cartesian[g], ligand
                break
    return out
