"""Voronoi cells by the dual hull, for many sites at once.

Around one site, invert each neighbour D to p = 2 D / |D|^2: the convex hull of the p is the polar dual of the Voronoi
cell. Hull vertices are Voronoi neighbours, a hull facet n.x + o = 0 is the Voronoi vertex v = -n / o, and two facets
that share a hull edge are joined by an edge of the Voronoi cell. One small hull per site replaces a tessellation of
every atom within the cut-off, which is where pymatgen's VoronoiNN spends its time; everything around the hulls runs on
the concatenated arrays of all sites.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .neighbours import Near, NeighbourList

#: pymatgen's CrystalNN searches this far (Angstrom) and doubles the radius while the cell is open.
SEARCH_RADIUS = 7.0
_DOUBLINGS = 12
_FIRST, _SECOND = 36, 150  # neighbours in the first trials
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


@dataclass(frozen=True)
class Faces:
    """Faces of many Voronoi cells, one cell's after another's in the order of the sites asked for, nearest first.

    start: int64 [U + 1], faces of cell u are start[u] : start[u + 1] (none where a cell cannot be closed). sites: int64
    [F]. images: int64 [F, 3]. distances: float [F], Angstrom. solid_angle: float [F], sr. area: float [F], A^2.
    """

    start: np.ndarray
    sites: np.ndarray
    images: np.ndarray
    distances: np.ndarray
    solid_angle: np.ndarray
    area: np.ndarray

    @property
    def owner(self) -> np.ndarray:
        """int64 [F]: which of the sites asked for."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def voronoi_faces(neighbours: NeighbourList, chosen: np.ndarray, watch: Callable[[int], None] | None = None) -> Faces:
    """The Voronoi cells of the sites `chosen` (int [U]) as CrystalNN sees them: among the atoms within 7 Angstrom, or
    within twice that and so on while a cell stays open.

    A cell found among the nearest few is exact when twice its farthest vertex is no farther than the last of them;
    only where it is farther are more atoms tried. watch(cells done) is called before every hull and may raise.
    """
    chosen = np.asarray(chosen, dtype=np.int64)
    density = len(neighbours) / neighbours.volume
    first = min(SEARCH_RADIUS, 1.1 * (0.75 * _FIRST / (np.pi * density)) ** (1.0 / 3.0))
    trials: list[tuple[float, int | None]] = [(first, _FIRST), (SEARCH_RADIUS, _SECOND)]
    trials += [(SEARCH_RADIUS * 2.0**n, None) for n in range(_DOUBLINGS)]
    left, parts = np.arange(len(chosen)), []
    for radius, most in trials:
        near = neighbours.near(chosen[left], radius, most)
        done, index, solid, area = _cells(near, most is None, watch, len(chosen) - len(left))
        sites, local = near.sites[index], near.owner[index]
        images = neighbours.images(near.chosen[local], sites, near.steps[index])
        parts.append((left[local], sites, images, np.sqrt(near.squared[index]), solid, area))
        left = left[~done]
        if not len(left):
            break
    owner, *columns = (np.concatenate(x) for x in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]
    if len(parts) > 1:
        order = np.argsort(owner, kind="stable")
        owner, columns = owner[order], [x[order] for x in columns]
    return Faces(np.searchsorted(owner, np.arange(len(chosen) + 1)), *columns)


def _cells(
    near: Near, final: bool, watch: Callable[[int], None] | None, before: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which sites have a cell that is closed, and for certain unless `final` (bool [U]), and its faces: index of the
    neighbour int64 [F], solid angle and area float [F]."""
    from scipy.spatial import ConvexHull, QhullError

    dual = near.vectors * (2.0 / near.squared)[:, None]
    start = near.start.tolist()
    which, planes, simplices, adjacent, facets = [], [], [], [], 0
    for u, (begin, end) in enumerate(zip(start[:-1], start[1:], strict=True)):
        if watch is not None:
            watch(before + u)
        if end - begin < 4:
            continue
        try:
            hull = ConvexHull(dual[begin:end])
        except QhullError:  # all in a plane: the cell is open
            continue
        which.append(u)
        planes.append(hull.equations)
        simplices.append(hull.simplices + begin)
        adjacent.append(hull.neighbors + facets)
        facets += len(planes[-1])
    done = np.zeros(len(near.chosen), dtype=bool)
    if not which:
        return done, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    plane = np.concatenate(planes)
    sizes = np.array([len(x) for x in planes])
    begins = np.cumsum(sizes) - sizes
    closed = np.maximum.reduceat(plane[:, 3], begins) < -1e-10
    with np.errstate(divide="ignore", invalid="ignore"):
        vertices = -plane[:, :3] / plane[:, 3:]
    if not final:
        far = np.maximum.reduceat(np.einsum("ij,ij->i", vertices, vertices), begins)
        closed &= 2.0 * np.sqrt(far) <= near.reach[which]
    done[np.array(which)[closed]] = True
    keep = np.repeat(closed, sizes)
    return done, *_faces(np.concatenate(simplices), np.concatenate(adjacent), vertices, keep, len(dual))


def _faces(
    simplices: np.ndarray, adjacent: np.ndarray, vertices: np.ndarray, keep: np.ndarray, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces of the cells of the hull facets `keep` (bool [T]): simplices int [T, 3] of `points` neighbours, adjacent
    int [T, 3] facets opposite to each corner, vertices float [T, 3] of the cells."""
    # each hull edge (two corners, two facets) once: a Voronoi edge, on the faces of both its corners
    rows = np.repeat(np.arange(len(simplices)), 3)
    other = adjacent.ravel()
    once = np.flatnonzero((rows < other) & keep[rows])
    face = np.concatenate([simplices[:, _NEXT].ravel()[once], simplices[:, _LAST].ravel()[once]])
    weight = np.bincount(face, minlength=points)
    one, two = vertices[rows[once]].T, vertices[other[once]].T
    # an inner point of the (convex) face: the mean of its edges' ends
    middle = 0.5 * (one + two)
    inner = [np.bincount(face, np.concatenate([x, x]), minlength=points) for x in middle]
    m = (np.array(inner) / np.maximum(weight, 1))[:, face]
    both = [_cross(one, two), _dot(one, two), _length(one), _length(two)]
    across, along, la, lb = (np.concatenate([x, x], axis=-1) for x in both)
    a, b, lm = np.concatenate([one, one], axis=1), np.concatenate([two, two], axis=1), _length(m)
    area = 0.5 * _length(_cross(a - m, b - m))
    denominator = la * lb * lm + along * lm + _dot(a, m) * lb + _dot(b, m) * la
    angle = 2.0 * np.arctan2(np.abs(_dot(m, across)), denominator)  # Van Oosterom and Strackee
    index = np.flatnonzero(weight)
    solid, size = np.bincount(face, angle, minlength=points), np.bincount(face, area, minlength=points)
    return index, solid[index], size[index]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of columns: float [3, K]."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", a, b)


def _length(a: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->j", a, a))
