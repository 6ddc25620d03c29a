"""Metals, elements and intermetallics: holes between atoms, and coordination figures of 12 to 16 vertices by name.

Both come from the Delaunay tessellation of the crystal: a
*hole* is a sphere that touches four or more atoms and has none inside. Where more than four atoms lie on one sphere
(octahedral holes) the tessellation splits it at random; cells with one centre are put together again, so a hole is what
geometry says, not what rounding says.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.structures.errors import MotifError

from .graph import Ligand

if TYPE_CHECKING:
    from .graph import Motif, MotifGraph

_SAME = 0.02  # holes whose centres are nearer than this times their radius are one hole
_MOST = 400  # atoms of a cell whose holes are looked for


@dataclass(frozen=True)
class Hole:
    """An empty sphere between atoms.

    name: "tetrahedral", "octahedral", "cubic", ... from the figure its atoms make. position: fractional. radius:
    Angstrom, from the centre to the atoms' centres. room: radius minus the largest (metallic or covalent) radius of its
    atoms: what fits in without pushing. atoms: the atoms on it. csm: continuous symmetry measure of the figure.
    """

    name: str
    position: tuple[float, float, float]
    radius: float
    room: float
    atoms: tuple[Ligand, ...]
    csm: float | None

    def __repr__(self) -> str:
        x, y, z = self.position
        return f"Hole({self.name}, {self.radius:.3f} A, at {x:.3f} {y:.3f} {z:.3f}, {len(self.atoms)} atoms)"


_NAMES = {
    "T:4": "tetrahedral", "O:6": "octahedral", "T:6": "trigonal-prismatic", "C:8": "cubic",
    "S:5": "square-pyramidal", "T:5": "trigonal-bipyramidal", "C:12": "cuboctahedral", "AC:12": "anticuboctahedral",
    "I:12": "icosahedral", "SA:8": "square-antiprismatic", "DD:8": "dodecahedral",
}  # fmt: skip


def holes_of(graph: MotifGraph, of: Iterable[str] | str | None = None) -> tuple[Hole, ...]:
    """See :meth:`motifdesk.motifs.MotifGraph.holes`."""
    from pymatgen.core import Element

    from motifdesk.structures.arrays import to_arrays

    from ..detection.assembly import figure
    from ..detection.covalent import NON_METALS
    from ..detection.crystalnn import default_radius

    arrays = to_arrays(graph.structure)
    if arrays.cell is None:
        raise MotifError("a molecule has no holes", where=repr(graph), remedy="ask for the holes of a crystal")
    symbols = [graph.element(k) for k in range(len(arrays))]
    chosen = _chosen(symbols, of, repr(graph))
    spheres = _spheres(arrays.cell, arrays.fractional, chosen, repr(graph))
    inverse = np.linalg.inv(arrays.cell)
    radius = {symbol: default_radius(symbol) for symbol in set(symbols)}
    for symbol in set(symbols) - NON_METALS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen warns where it has none
            radius[symbol] = float(Element(symbol).metallic_radius or radius[symbol])
    out = []
    for centre, reach, atoms in spheres:
        points = np.array([arrays.positions[s] + np.array(i) @ arrays.cell for s, i in atoms]) - centre
        shape, symbol, measure = figure(points)
        name = _NAMES.get(symbol, f"{len(atoms)}-atom")
        position = centre @ inverse
        position[np.abs(position) < 2e-6] = 0.0
        place = (float(position[0]), float(position[1]), float(position[2]))
        room = reach - max(radius[symbols[s]] for s, _ in atoms)
        out.append(Hole(name, place, float(reach), float(room), atoms, measure))
    return tuple(sorted(out, key=lambda h: (-round(h.radius, 4), h.name, tuple(round(x, 4) for x in h.position))))


def _chosen(symbols: list[str], of: Iterable[str] | str | None, where: str) -> np.ndarray:
    if of is None:
        return np.arange(len(symbols))
    wanted = {of} if isinstance(of, str) else set(of)
    chosen = np.array([k for k, s in enumerate(symbols) if s in wanted], dtype=np.int64)
    if not wanted <= set(symbols) or not len(chosen):
        known = ", ".join(sorted(set(symbols)))
        raise MotifError(f"no atoms of {sorted(map(str, wanted))}", where=where, remedy=f"choose among {known}")
    return chosen


def _spheres(
    cell: np.ndarray, fractional: np.ndarray, chosen: np.ndarray, where: str
) -> list[tuple[np.ndarray, float, tuple[Ligand, ...]]]:
    """(centre, radius, atoms) of every empty sphere whose centre is in the cell.

    The Delaunay cells of a finite block of the crystal are those of the crystal wherever their sphere fits well inside
    the block; the block grows until every centre of the home cell is like that.
    """
    from scipy.spatial import Delaunay, QhullError

    if len(chosen) > _MOST:
        raise MotifError(f"holes between {len(chosen)} atoms", where=where, remedy=f"use a cell of up to {_MOST}")
    # a compact description of the same lattice: skewed cells would need huge blocks
    from pymatgen.core import Lattice

    reduced = np.asarray(Lattice(cell).get_lll_reduced_lattice().matrix)
    home = fractional[chosen] - np.floor(fractional[chosen])
    base = home @ cell
    shift = -np.floor(base @ np.linalg.inv(reduced) + 1e-9)
    base = base + shift @ reduced
    heights = abs(np.linalg.det(reduced)) / np.linalg.norm(np.cross(reduced[[1, 2, 0]], reduced[[2, 0, 1]]), axis=1)
    margin = 1.2 * (abs(np.linalg.det(reduced)) / len(chosen)) ** (1 / 3)
    for _ in range(6):
        spans = [range(-n, n + 1) for n in np.ceil(margin / heights).astype(int)]
        block = np.array(list(product(*spans)), dtype=np.int64)
        points = (base[:, None] + block[None] @ reduced).reshape(-1, 3)
        if len(points) > 60_000:
            break
        try:
            cells = Delaunay(points, qhull_options="Qbb Qc Qz Q12").simplices
        except QhullError:
            break
        centre, radius = _circumspheres(points[cells])
        place = centre @ np.linalg.inv(reduced)
        inside = ((place > -1e-6) & (place < 1 - 1e-6)).all(axis=1) & np.isfinite(radius)
        reach = radius[inside].max(initial=0.0)
        if inside.any() and reach <= margin and np.isfinite(reach):
            return _merged(
                points, cells[inside], centre[inside], radius[inside], block, shift, chosen, cell, reduced, fractional
            )
        margin = max(1.5 * margin, min(1.05 * reach, 3 * margin))
    raise MotifError(
        "the holes of this crystal are too large to be looked for",
        where=where,
        remedy="remove the vacuum from the cell",
    )


def _circumspheres(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of tetrahedra [n, 4, 3]; NaN for flat ones."""
    edge = corners[:, 1:] - corners[:, :1]
    volume = np.abs(np.linalg.det(edge))
    size = np.linalg.norm(edge, axis=2).max(axis=1)
    good = volume > 1e-4 * size**3
    centre = np.full((len(corners), 3), np.nan)
    half = 0.5 * np.einsum("nij,nij->ni", edge[good], edge[good])
    centre[good] = corners[good, 0] + np.linalg.solve(edge[good], half[..., None])[..., 0]
    return centre, np.linalg.norm(centre - corners[:, 0], axis=1)


def _merged(
    points: np.ndarray, cells: np.ndarray, centre: np.ndarray, radius: np.ndarray, block: np.ndarray, shift: np.ndarray,
    chosen: np.ndarray, cell: np.ndarray, reduced: np.ndarray, fractional: np.ndarray,
) -> list[tuple[np.ndarray, float, tuple[Ligand, ...]]]:  # fmt: skip
    """One entry per centre; centres on a face of the cell are there once."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    change = reduced @ np.linalg.inv(cell)  # lattice vectors of the compact cell in the given one: whole numbers
    translation = np.rint(change).astype(np.int64)
    start = np.floor(fractional[chosen]).astype(np.int64)
    out: list[tuple[np.ndarray, float, tuple[Ligand, ...]]] = []
    inverse = np.linalg.inv(cell)
    taken: list[np.ndarray] = []
    for n in np.argsort(-np.round(radius, 4), kind="stable"):
        x, r = centre[n], radius[n]
        if taken:
            delta = (np.array(taken) - x) @ inverse
            delta -= np.rint(delta)
            if (np.linalg.norm(delta @ cell, axis=1) < max(_SAME * r, 0.02)).any():
                continue
        taken.append(x)
        near = tree.query_ball_point(x, r + max(_SAME * r, 0.02) / 2)
        wrap = np.floor(x @ inverse + 1e-6).astype(np.int64)
        atoms = []
        for p in sorted(near):
            k, b = divmod(p, len(block))
            image = (block[b] + shift[k].astype(np.int64)) @ translation - wrap - start[k]
            atoms.append(Ligand(int(chosen[k]), (int(image[0]), int(image[1]), int(image[2]))))
        out.append((x - wrap @ cell, float(r), tuple(sorted(atoms))))
    return out


def touching(graph: MotifGraph) -> dict[int, dict[Ligand, int]]:
    """Voronoi neighbours of every site of a crystal, with how many corners their common face has (three or more).

    Two atoms are neighbours where three or more holes touch both: faces that shrink to an edge or a point (opposite
    corners of an octahedral hole) do not count.
    """
    count: dict[tuple[int, Ligand], int] = Counter()
    for hole in graph.holes():
        for a, b in combinations(hole.atoms, 2):
            for one, other in ((a, b), (b, a)):
                image = tuple(y - x for x, y in zip(one.image, other.image, strict=True))
                count[one.site, Ligand(other.site, image)] += 1  # type: ignore[arg-type]
    out: dict[int, dict[Ligand, int]] = defaultdict(dict)
    for (site, other), n in count.items():
        if n >= 3:
            out[site][other] = n
    return out


#: Frank-Kasper figures: vertices -> how many of them six edges meet in (five in the others), F. C. Frank and
#: J. S. Kasper, Acta Cryst. 11, 184 (1958).
_FRANK_KASPER = {12: 0, 14: 2, 15: 3, 16: 4}


def figure_of(graph: MotifGraph, motif: Motif) -> str:
    """See :meth:`motifdesk.motifs.MotifGraph.figure`."""
    from motifdesk.structures.arrays import to_arrays

    from ..detection.assembly import figure

    near = graph._touching.get(motif.centre, {})
    if not near:
        return motif.shape
    arrays = to_arrays(graph.structure)
    points = np.array([arrays.positions[x.site] + np.array(x.image) @ arrays.cell for x in near])
    shape, symbol, measure = figure(points - arrays.positions[motif.centre])
    degrees = Counter(near.values())
    k = len(near)
    sixes = _FRANK_KASPER.get(k)
    if sixes is not None and degrees == Counter({5: k - sixes, **({6: sixes} if sixes else {})}):
        return "icosahedron (Frank-Kasper Z12)" if k == 12 else f"Frank-Kasper Z{k}"
    if k == 14 and degrees == Counter({6: 8, 4: 6}):
        return "rhombic dodecahedron (8 + 6)"
    if k > 20:
        return f"{k}-vertex figure"
    if measure is None or measure > 15:
        faces = ", ".join(f"{n} of {d}" for d, n in sorted(degrees.items()))
        return f"{k}-vertex figure (edges at a vertex: {faces})"
    return shape
