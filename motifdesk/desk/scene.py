"""What the structure pane draws, as plain data: drawn atoms, bonds and polyhedra, each vertex an atom plus an integer
image.

Nothing here moves. A *drawn atom* is a site with a lattice image (three integers); where it is follows from the
session's positions
and cell in the browser, ``position = positions[site] + image @ cell`` (row vectors), so one binary array moves
everything.

The first N drawn atoms are the N sites as the session has them. The rest are images that complete polyhedra and the
copies on
opposite faces of the cell: a polyhedron never looks cut, and a centre on a face shows on both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk import palette

if TYPE_CHECKING:
    from motifdesk.desk.pieces import Drawn
    from motifdesk.motifs import MotifGraph
    from motifdesk.structures.arrays import AtomArrays

# Cations that fill the space between the polyhedra a designer thinks in; drawn as plain atoms at first if there is
# anything else.
_FILLERS = frozenset({3, 11, 19, 37, 55, 20, 38, 56})
_FACE = 0.02  # fractional distance from a face of the cell within which a copy is drawn on the opposite face
MOST_POLYHEDRA = 400


def kinds(graph: MotifGraph | None) -> tuple[str, ...]:
    """Formulas of the motifs ("IrO6", "LiO6"), in order of first appearance."""
    return tuple(dict.fromkeys(m.formula for m in graph.motifs)) if graph is not None else ()


def default_kinds(arrays: AtomArrays, graph: MotifGraph | None) -> frozenset[str]:
    """Kinds whose polyhedra are shown at first: closed (4 or more ligands), not centred on each other, no space
    fillers if others exist.
    """
    if graph is None or arrays.cell is None:
        return frozenset()
    centres = {m.centre for m in graph.motifs}
    open_kinds = {m.formula for m in graph.motifs if len(m.ligands) < 4 or any(x.site in centres for x in m.ligands)}
    closed = {m.formula: int(arrays.numbers[m.centre]) for m in graph.motifs if m.formula not in open_kinds}
    chosen = [kind for kind, centre in closed.items() if centre not in _FILLERS]
    return frozenset(chosen or closed)


def build(
    arrays: AtomArrays,
    graph: MotifGraph | None,
    *,
    shown: Iterable[str] = (),
    picked: Iterable[int] = (),
    repeat: tuple[int, int, int] = (1, 1, 1),
    piece: Drawn | None = None,
) -> dict[str, Any]:
    """The scene of a structure.

    Parameters
    ----------
    arrays
        Numbers [N], Cartesian positions [N, 3] in Angstrom, cell [3, 3] (rows) or None.
    graph
        Its motif graph, or None: then atoms and cell alone.
    shown
        Motif formulas drawn as polyhedra.
    picked
        Motifs (indices) drawn as polyhedra whatever their kind.
    repeat
        How many cells are drawn along each lattice vector (a view; the structure stays one cell).
    piece
        What is drawn instead of whole cells (:mod:`motifdesk.desk.pieces`); its hidden sites have radius 0.

    Returns
    -------
    dict
        JSON-able: ``count`` N, ``site`` [D], ``image`` [3 D], ``colour`` [D], ``radius`` [D], ``label`` [D],
        ``bonds`` [2 B] (drawn atoms),
        ``polyhedra`` (each ``motif``, ``orbit``, ``kind``, ``colour``, ``centre``, ``tri`` [3 F], ``edge`` [2 E],
        ``members``), ``cell``, ``frame`` (the box drawn instead of the cell, see `pieces.Drawn`).
    """
    numbers = np.asarray(arrays.numbers)
    count = len(numbers)
    shifts: list[Any] = _copies(arrays, repeat) if piece is None else list(piece.images)
    inside = None if piece is None else piece.bounded
    homes: list[tuple[int, ...]] = [own[0] if piece is not None and own else (0, 0, 0) for own in shifts]
    drawn: dict[tuple[int, ...], int] = {(site, *home): site for site, home in enumerate(homes)}

    def place(site: int, image: Iterable[int]) -> int:
        return drawn.setdefault((int(site), *(int(i) for i in image)), len(drawn))

    shown, picked = frozenset(shown), frozenset(picked)
    polyhedra: list[dict[str, Any]] = []
    bonds: dict[tuple[int, int], None] = {}
    ligands: set[int] = set()
    crystal = arrays.cell is not None
    if piece is not None:
        for site, own in enumerate(shifts):
            for shift in own:
                place(site, shift)
    around_of = piece.centres if piece is not None else None
    if graph is not None:
        for motif in graph.motifs:
            ligands.update(x.site for x in motif.ligands)
        wanted = [m for m in graph.motifs if m.formula in shown or m.index in picked]
        for motif in wanted:
            for shift in shifts[motif.centre] if around_of is None else around_of.get(motif.index, ()):
                if len(polyhedra) >= MOST_POLYHEDRA and motif.index not in picked:
                    break
                ends: list[tuple[int, Any]] = [
                    (x.site, tuple(int(i) for i in np.add(x.image, shift))) for x in motif.ligands
                ]
                if inside is not None and not all(inside(*end) for end in ends):  # cut: bonds to what is left of it
                    cut = [place(*end) for end in ends if inside(*end)]
                    bonds.update({(place(motif.centre, shift), end): None for end in cut})
                    continue
                centre = place(motif.centre, shift)
                around = [place(*end) for end in ends]
                bonds.update({(centre, end): None for end in around})
                if crystal and len(around) >= 4:
                    polyhedra.append(_polyhedron(motif, graph, arrays, centre, around))
        for motif in graph.motifs:
            # bonds of what is not a polyhedron, and only where both ends are drawn anyway: no forest of image atoms
            if motif.formula in shown or motif.index in picked or (crystal and int(numbers[motif.centre]) in _FILLERS):
                continue
            for shift in shifts[motif.centre]:
                for x in motif.ligands:
                    a, b = (motif.centre, *shift), (x.site, *(int(i) for i in np.add(x.image, shift)))
                    if b in drawn or piece is None and sum(repeat) == 3 and _near(b, count):
                        bonds.setdefault((place(a[0], a[1:]), place(b[0], b[1:])), None)
    if graph is not None and not crystal:
        # a molecule's motifs are a heavy atom with its hydrogens; the bonds between them are the graph's links
        bonds.update({(int(a), int(b)): None for a, b in graph.bonds()[0]})
    if piece is not None:
        for fragment in piece.fragments:  # the bonds between the motifs of a molecule
            for p, q, image in fragment.bonds:
                a, b = fragment.atoms[p], fragment.atoms[q]
                for shift in shifts[a.site]:
                    other = (b.site, *(int(i) for i in np.add(np.subtract(b.image, a.image) + image, shift)))
                    if other in drawn:
                        bonds.setdefault((place(a.site, shift), drawn[other]), None)
    for site in range(count):
        for shift in shifts[site]:
            place(site, shift)
    order = list(drawn)
    z = numbers[[d[0] for d in order]]
    is_ligand = ligands - ({m.centre for m in graph.motifs} if graph is not None else set())
    unique = {tuple(sorted(pair)) for pair in bonds}
    return {
        "count": count,
        "site": [d[0] for d in order],
        "image": [i for d in order for i in d[1:]],
        "colour": [palette.colour(int(n)) for n in z],
        "radius": [
            palette.radius(int(n), ligand=d[0] in is_ligand) if piece is None or shifts[d[0]] else 0.0
            for n, d in zip(z, order, strict=True)
        ],
        "label": [f"{palette.symbol(int(n))}{d[0]}" for n, d in zip(z, order, strict=True)],
        "symbol": [palette.symbol(int(n)) for n in z],
        "bonds": [end for pair in sorted(unique) for end in pair],
        "polyhedra": polyhedra,
        "cell": crystal,
        "frame": None if piece is None or piece.frame is None else list(piece.frame),
    }


def _near(drawn: tuple[int, ...], count: int) -> bool:
    """A bond to an image one cell away is worth an extra atom only in small cells, where it would otherwise look
    broken.
    """
    return count <= 12 and max(abs(i) for i in drawn[1:]) <= 1


def _copies(arrays: AtomArrays, repeat: tuple[int, int, int]) -> list[list[tuple[int, ...]]]:
    """Per site, the lattice images drawn: the repeated cells, and the opposite faces for a site on a face."""
    count = len(arrays.numbers)
    if arrays.cell is None:
        return [[(0, 0, 0)]] * count
    frac = np.asarray(arrays.positions) @ np.linalg.inv(np.asarray(arrays.cell))
    result = []
    for f in frac:
        axes = []
        for value, times in zip(f, repeat, strict=True):
            images = list(range(times))
            if abs(value) < _FACE:
                images.append(times)
            elif abs(value - 1.0) < _FACE:
                images.insert(0, -1)
            axes.append(images)
        result.append(list(itertools.product(*axes)))
    return result


def _polyhedron(motif: Any, graph: MotifGraph, arrays: AtomArrays, centre: int, around: list[int]) -> dict[str, Any]:
    faces = np.asarray(motif.faces(graph.placed), dtype=int).reshape(-1, 3)
    points = motif_points(motif, arrays)
    faces = _outward(faces, points[1:])
    return {
        "motif": motif.index,
        "orbit": motif.orbit,
        "kind": motif.formula,
        "colour": palette.colour(int(arrays.numbers[motif.centre])),
        "centre": centre,
        "tri": [around[v] for face in faces for v in face],
        "edge": [around[v] for pair in _edges(faces, points[1:]) for v in pair],
        "members": [centre, *around],
    }


def motif_points(motif: Any, arrays: AtomArrays) -> np.ndarray:
    """Cartesian positions [k + 1, 3] of a motif, centre first, ligands with their images."""
    positions = np.asarray(arrays.positions)
    cell = np.zeros((3, 3)) if arrays.cell is None else np.asarray(arrays.cell)
    ligands = [positions[x.site] + np.asarray(x.image) @ cell for x in motif.ligands]
    return np.array([positions[motif.centre], *ligands])


def _outward(faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Triangles wound so that their normals point away from the middle of the points."""
    middle = points.mean(axis=0)
    result = faces.copy()
    for k, (a, b, c) in enumerate(faces):
        if np.dot(np.cross(points[b] - points[a], points[c] - points[a]), points[a] - middle) < 0:
            result[k] = a, c, b
    return result


def _edges(faces: np.ndarray, points: np.ndarray, flat: float = 0.9986) -> list[tuple[int, int]]:
    """Edges of the hull without the diagonals of flat faces (two triangles within 3 degrees of one plane)."""
    normals: dict[tuple[int, int], list[np.ndarray]] = {}
    for a, b, c in faces:
        normal = np.cross(points[b] - points[a], points[c] - points[a])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-12)
        for pair in ((a, b), (b, c), (c, a)):
            normals.setdefault((int(min(pair)), int(max(pair))), []).append(normal)
    return [pair for pair, n in sorted(normals.items()) if len(n) != 2 or float(n[0] @ n[1]) < flat]


def points(scene: dict[str, Any], positions: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Positions [D, 3] of the drawn atoms: what the browser computes, here for tests."""
    image = np.asarray(scene["image"], dtype=float).reshape(-1, 3)
    base = np.asarray(positions, dtype=float)[scene["site"]]
    return base if cell is None else base + image @ np.asarray(cell, dtype=float)
