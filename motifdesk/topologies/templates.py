"""Motif templates: a centre, its ligands, the ports by which it joins others, and its point group.

A *port* is what two motifs can have in common: one vertex (corner sharing), an edge (two vertices) or a face (three or
more). Two ports of like size can be laid on each other in as many ways as the port's stabiliser has classes; a rule of
a topology names ports and one of those ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.motifs.figures.pointgroup import PointGroup, point_group
from motifdesk.motifs.figures.shapes import shape_name, symbols_of, vertices
from motifdesk.motifs.hierarchy.graph import Motif
from motifdesk.structures.errors import TopologyError

KINDS = ("vertex", "edge", "face")


@dataclass(frozen=True, eq=False)
class Template:
    """A rigid motif.

    name: for people. centre: species of the centre, None for an empty figure (a hole). ligands: species of each vertex.
    vertices: float64 [k, 3], Angstrom, relative to the centre. figure: ChemEnv symbol of the ideal figure ("O:6"), ""
    where there is none.
    """

    name: str
    centre: str | None
    ligands: tuple[str, ...]
    vertices: np.ndarray = field(repr=False)
    figure: str = ""

    def __post_init__(self) -> None:
        points = np.array(self.vertices, dtype=float).reshape(-1, 3)
        if len(points) != len(self.ligands):
            raise TopologyError(f"{len(points)} vertices for {len(self.ligands)} ligands", where=self.name)
        points.setflags(write=False)
        object.__setattr__(self, "vertices", points)

    @classmethod
    def ideal(cls, figure: str, centre: str | None, ligand: str, bond: float) -> Template:
        """An ideal figure by its ChemEnv symbol ("O:6" octahedron, "T:4" tetrahedron, ...), mean bond in Angstrom."""
        if not np.isfinite(bond) or bond <= 0:
            raise TopologyError(f"a bond of {bond} A", where=figure, remedy="give a positive length in Angstrom")
        try:
            points = vertices(figure)
        except KeyError:
            known = ", ".join(s for k in range(2, 13) for s in symbols_of(k))
            raise TopologyError(f"there is no figure {figure!r}", remedy=f"choose one of {known}") from None
        name = f"{centre or 'empty'}{ligand}{len(points)} {shape_name(figure)}"
        return cls(name, centre, (ligand,) * len(points), bond * points, figure)

    @classmethod
    def of(cls, structure: Any, motif: Motif) -> Template:
        """The motif of a loaded structure as it is there, distortions and all."""
        points = motif.positions(structure)
        kinds = tuple(_symbol(structure[x.site]) for x in motif.ligands)
        figure = "" if motif.symbol.startswith("?") else motif.symbol
        return cls(motif.name, _symbol(structure[motif.centre]), kinds, points[1:] - points[0], figure)

    @cached_property
    def group(self) -> PointGroup:
        """Every orthogonal map of the template onto itself (ligand species are not looked at)."""
        return point_group(self.vertices)

    @cached_property
    def ports(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """kind -> ports as sorted vertex indices: every vertex, every edge and every face of the convex hull."""
        k = len(self.vertices)
        faces, edges = _faces(self.vertices)
        return {"vertex": tuple((i,) for i in range(k)), "edge": edges, "face": faces}

    def stabiliser(self, port: tuple[int, ...]) -> tuple[int, ...]:
        """Elements of `group` that map the port onto itself."""
        wanted = set(port)
        return tuple(
            g for g, permutation in enumerate(self.group.permutations) if {int(permutation[i]) for i in port} == wanted
        )

    def port_at(self, kind: str, direction: Any) -> tuple[int, ...]:
        """The port of a kind whose middle lies nearest to a direction, float [3]."""
        if kind not in KINDS or not self.ports[kind]:
            raise TopologyError(f"{self.name} has no {kind} port", remedy=f"choose one of {', '.join(KINDS)}")
        d = np.asarray(direction, dtype=float)
        middles = np.array([self.vertices[list(port)].mean(axis=0) for port in self.ports[kind]])
        lengths = np.maximum(np.linalg.norm(middles, axis=1), 1e-9)
        return self.ports[kind][int(np.argmax(middles @ d / lengths))]


def _symbol(site: Any) -> str:
    specie = site.specie
    return str(getattr(specie, "symbol", None) or specie.element.symbol)


def _faces(points: np.ndarray) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Faces (coplanar triangles of the hull joined) and edges of the convex hull; none for flat figures' faces."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        order = _around(points)
        ring = tuple(tuple(sorted((order[i], order[(i + 1) % len(order)]))) for i in range(len(order)))
        return (), tuple(dict.fromkeys(ring)) if len(order) > 1 else ()
    planes: dict[tuple, set[int]] = {}
    for simplex, equation in zip(hull.simplices, hull.equations, strict=True):
        key = next((k for k in planes if np.allclose(k, equation, atol=1e-4)), tuple(equation))
        planes.setdefault(key, set()).update(int(i) for i in simplex)
    faces = tuple(sorted(tuple(sorted(face)) for face in planes.values()))
    edges = {
        tuple(sorted((i, j)))
        for n, f in enumerate(faces)
        for g in faces[n + 1 :]
        for shared in [sorted(set(f) & set(g))]
        if len(shared) == 2
        for i, j in [shared]
    }
    return faces, tuple(sorted(edges))


def _around(points: np.ndarray) -> list[int]:
    """Order of flat points around their middle."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    if len(points) < 3:
        return list(range(len(points)))
    return [int(i) for i in np.argsort(np.arctan2(centred @ axes[1], centred @ axes[0]), kind="stable")]
