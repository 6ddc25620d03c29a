"""Distortion modes of a motif, its symmetry orbit, or all motifs of its kind.

The modes are symmetry coordinates of the ideal figure the motif resembles (van Vleck's Q's for an octahedron), laid on
the motif by the best match, or, for motifs like no figure, tensor fields at its ligands (`tensor_modes`). An amplitude
Q, in Angstrom, is the projection of the ligands' displacements relative to the centre on the unit-norm vectors: all six
bonds of an octahedron longer by d is Q(A1g) = sqrt(6) d.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import symmetry_operations

from ..detection.finding import find_motifs
from ..figures.molecular_group import molecular_group
from ..figures.shapes import Match, match
from ..hierarchy.graph import Motif, MotifGraph
from .irreps import Coordinate, Figure, figure_of, ideal_figure
from .tensor_modes import tensor_coordinates

SCOPES = ("motif", "orbit", "all")
BASES = ("point-group", "tensor")
_KEY = re.compile(r"m(\d+):(motif|orbit|all)(?:\[([+-]+)\])?:(stretch|bend|rotation|tensor):([^:]+):(\d+)")
_Carrier = tuple[int, np.ndarray, np.ndarray]
# a generic direction: which of several equivalent ways to lay a figure on a motif is taken must not hang on rounding
_TILT = np.array([[1.0, 0.002, -0.003], [-0.001, 1.001, 0.004], [0.005, -0.002, 1.003]])


@dataclass(frozen=True)
class Mode:
    """A distortion mode.

    key: stable name, enough to find the mode again ("m3:orbit:stretch:Eg:1", "m3:motif:tensor:2e:4"). label: for
    people. irrep, block ("stretch", "bend", "rotation"; of the tensor basis "tensor", and "rotation" for the rigid turn
    1e), component (from 1). motif: index of the picked motif. scope: "motif", "orbit" or
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
    basis: str = "point-group",
    l_max: int | None = None,
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
    basis
        "point-group": irreps of the ideal figure (Mulliken symbols), in the figure's axes. "tensor": the fields
        [Y_l (x) 1o]_L of equivariant networks, in the axes of the laboratory; for misshapen motifs. In scope "all" a
        motif of another orbit gets the fields of its own ligands in the same axes.
    l_max
        the highest l of the tensor basis; None as far as needed to span all 3k displacements.

    Raises
    ------
    MotifError
        an unknown motif, scope or basis, a motif without ligands, a character of the wrong length.
    """
    graph = graph if graph is not None else find_motifs(structure)
    if not isinstance(graph, MotifGraph):
        raise MotifError(f"a {type(graph).__name__} is no motif graph", where="distortion_modes", remedy="leave it out")
    picked = graph.motifs[graph.index_of(motif)]
    if scope not in SCOPES:
        raise MotifError(f"scope {scope!r}", where="distortion_modes", remedy=f"choose one of {', '.join(SCOPES)}")
    if not picked.ligands:
        raise MotifError(f"{picked.name} has no ligands to move", where="distortion_modes", remedy="pick another motif")
    if basis not in BASES:
        raise MotifError(f"basis {basis!r}", where="distortion_modes", remedy=f"choose one of {', '.join(BASES)}")
    tensor = basis == "tensor"
    if tensor:
        rotation, vertex = np.eye(3), np.arange(len(picked.ligands))
    else:
        figure, rotation, vertex = lay(graph, picked)
    carried, unlike = _carriers(graph, picked, scope, rotation, vertex, tensor)
    count = len(carried) + len(unlike)
    given = [1] * count if character is None else list(character) if isinstance(character, Iterable) else [character]
    if len(given) != count or not all(isinstance(x, Real) and x in (1, -1) for x in given):
        raise MotifError(
            f"a character of {len(given)} values ({character!r}) for {count} motifs",
            where=f"distortion_modes({picked.name}, {scope!r})",
            remedy="give +1 or -1 for each motif of the scope",
        )
    signs = np.array(given, dtype=int)
    pattern = "" if character is None else "[" + "".join("+" if s > 0 else "-" for s in signs) + "]"
    stem = f"m{picked.index}:{scope}{pattern}"
    if tensor:
        return _tensor_modes(graph, picked, stem, scope, l_max, carried, unlike, signs)
    counts: dict[tuple[str, str], int] = {}
    for c in figure.coordinates:
        counts[c.block, c.irrep] = max(counts.get((c.block, c.irrep), 0), c.component)
    modes = []
    for c in figure.coordinates:
        targets = _carry(c.vectors, carried, signs)
        key = f"{stem}:{c.block}:{c.irrep}:{c.component}"
        label = _label(c, counts[c.block, c.irrep]) + (f" {pattern}" if pattern else "")
        modes.append(Mode(key, label, c.irrep, c.block, c.component, picked.index, scope, targets[0][1], targets))
    return tuple(modes)


def _carry(vectors: np.ndarray, carried: list[_Carrier], signs: np.ndarray) -> tuple[tuple[int, np.ndarray], ...]:
    return tuple(
        (index, _frozen(sign * vectors[order] @ turn.T))
        for sign, (index, turn, order) in zip(signs, carried, strict=False)
    )


def _tensor_modes(
    graph: MotifGraph,
    picked: Motif,
    stem: str,
    scope: str,
    l_max: int | None,
    carried: list[_Carrier],
    unlike: list[int],
    signs: np.ndarray,
) -> tuple[Mode, ...]:
    """Tensor fields of the picked motif, carried; those motifs that no operation reaches have fields of their own."""
    pattern = stem.partition("[")[1] + stem.partition("[")[2]
    own = {}
    for index in unlike:
        found = tensor_coordinates(relative_positions(graph, graph.motifs[index]), l_max)
        own[index] = {(c.irrep, c.component): c.vectors for c in found}
    modes = []
    for c in tensor_coordinates(relative_positions(graph, picked), l_max):
        targets = _carry(c.vectors, carried, signs)
        for sign, index in zip(signs[len(carried) :], unlike, strict=True):
            vectors = own[index].get((c.irrep, c.component))
            targets += () if vectors is None else ((index, _frozen(sign * vectors)),)
        block = "rotation" if (c.degree, c.irrep) == (1, "1e") else "tensor"
        label = f"{c.irrep} ({c.component}) - {c.note}" + (f" {pattern}" if pattern else "")
        key = f"{stem}:tensor:{c.irrep}:{c.component}"
        modes.append(Mode(key, label, c.irrep, block, c.component, picked.index, scope, targets[0][1], targets))
    return tuple(modes)


def relative_positions(graph: MotifGraph, motif: Motif) -> np.ndarray:
    """float64 [k, 3]: the ligands of a motif relative to its centre, Angstrom."""
    positions = motif.positions(graph.placed)
    return positions[1:] - positions[0]


def mode_by_key(graph: MotifGraph, key: str) -> Mode:
    """The mode a key names, derived anew. MotifError when the key is malformed or the graph has no such mode."""
    found = _KEY.fullmatch(str(key))
    if not found:
        raise MotifError(f"{key!r} is no mode key", remedy='keys look like "m3:orbit:stretch:Eg:1"')
    character = None if found[3] is None else [1 if c == "+" else -1 for c in found[3]]
    basis = "tensor" if found[4] == "tensor" else "point-group"
    modes = distortion_modes(graph.structure, int(found[1]), found[2], graph=graph, character=character, basis=basis)
    for mode in modes:
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
    ligands = relative_positions(graph, motif)
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
    graph: MotifGraph, picked: Motif, scope: str, rotation: np.ndarray, vertex: np.ndarray, tensor: bool
) -> tuple[list[_Carrier], list[int]]:
    """(motif, rotation, ideal vertex of each ligand) of every target, the picked motif first; for the tensor basis
    also the targets that no operation of the crystal reaches."""
    out = [(picked.index, rotation, vertex)]
    unlike: list[int] = []
    if scope == "motif":
        return out, unlike
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
        elif tensor:
            unlike.append(index)
        else:
            _, turn, order = lay(graph, graph.motifs[index], rotation)
            out.append((index, turn, order))
    return out, unlike


def _symmetry_carriers(graph: MotifGraph, picked: Motif, orbit: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """motif -> (Cartesian rotation of the operation that takes the picked motif there, for each of its ligands the
    picked motif's ligand that lands on it). The operation nearest to a pure translation is taken."""
    arrays = to_arrays(graph.structure)
    if arrays.cell is None:
        return _molecule_carriers(graph, picked, orbit)
    try:
        rotations, translations = symmetry_operations(arrays, graph.tolerance)
    except StructureError:
        return {}
    cell, f = arrays.cell, arrays.fractional
    start = picked.positions(arrays)
    vectors = start[1:] - start[0]
    centre = rotations @ f[picked.centre] + translations
    # a lattice that is symmetric within the tolerance only makes almost a rotation
    u, _, vt = np.linalg.svd(cell.T @ rotations @ np.linalg.inv(cell.T))
    cartesian = u @ vt
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


def _molecule_carriers(graph: MotifGraph, picked: Motif, orbit: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The same in a molecule, by its point group; rotations before reflections, the smallest first."""
    try:
        group = molecular_group(graph.structure)
    except StructureError:
        return {}
    rank = np.linalg.det(group.matrices) + np.trace(group.matrices, axis1=1, axis2=2) / 10
    order = np.argsort(-np.round(rank, 6), kind="stable")
    place = {x.site: n for n, x in enumerate(picked.ligands)}
    out = {}
    for index in orbit:
        motif = graph.motifs[index]
        for g in order:
            to = group.permutations[g]
            back = {int(to[site]): n for site, n in place.items()}
            if to[picked.centre] == motif.centre and all(x.site in back for x in motif.ligands):
                out[index] = group.matrices[g], np.array([back[x.site] for x in motif.ligands])
                break
    return out
