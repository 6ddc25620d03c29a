"""Periodic neighbour lists and Voronoi cells by the dual hull.

Around one site, invert each neighbour D to p = 2 D / |D|^2: the convex hull of the p is the polar dual of the Voronoi
cell. Hull vertices are Voronoi neighbours, a hull facet n.x + o = 0 is the Voronoi vertex v = -n / o, and two facets
that share a hull edge are joined by an edge of the Voronoi cell. One small hull per site replaces a tessellation of
every atom within the cut-off, which is where pymatgen's VoronoiNN spends its time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motifdesk.structures.errors import MotifError

#: pymatgen's CrystalNN searches this far (Angstrom) and doubles the radius while the cell is open.
SEARCH_RADIUS = 7.0
_FIRST = 40
_MAX_POINTS = 4_000_000


@dataclass(frozen=True)
class Shell:
    """Neighbours of one site by distance: sites int64 [K], images int64 [K, 3], vectors float64 [K, 3] (Angstrom,
    neighbour minus centre), distances float64 [K], ascending."""

    sites: np.ndarray
    images: np.ndarray
    vectors: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class VoronoiFaces:
    """Faces of one Voronoi cell: index into the shell int64 [F], solid angle (sr) and area (A^2) float64 [F]."""

    index: np.ndarray
    solid_angle: np.ndarray
    area: np.ndarray


def reduce_cell(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A short basis of the same lattice and the integer matrix T with ``short = T @ cell`` (rows are vectors).

    Repeated Gauss steps; ends because every step shortens a vector.
    """
    short, transform = np.array(cell, dtype=float), np.eye(3, dtype=np.int64)
    for _ in range(200):
        changed = False
        for i in np.argsort(-np.einsum("ij,ij->i", short, short), kind="stable"):
            others = [j for j in range(3) if j != i]
            best, step = short[i] @ short[i], None
            gram = short[others] @ short[others].T
            if abs(np.linalg.det(gram)) > 1e-12:
                guess = np.rint(np.linalg.solve(gram, short[others] @ short[i])).astype(np.int64)
                for da in (-1, 0, 1):
                    for db in (-1, 0, 1):
                        m = guess + (da, db)
                        trial = short[i] - m @ short[others]
                        if trial @ trial < best * (1 - 1e-9):
                            best, step = trial @ trial, m
            if step is not None:
                short[i] -= step @ short[others]
                transform[i] -= step @ transform[others]
                changed = True
        if not changed:
            break
    return short, transform


class NeighbourList:
    """Neighbour shells of a periodic structure.

    Parameters
    ----------
    cell
        float [3, 3], rows are lattice vectors, Angstrom. Any shape: the search runs on a reduced basis.
    fractional
        float [N, 3]; images returned refer to these coordinates as given, wrapped or not.
    """

    def __init__(self, cell: np.ndarray, fractional: np.ndarray) -> None:
        self.cell = np.asarray(cell, dtype=float)
        self.fractional = np.asarray(fractional, dtype=float)
        self._short, self._transform = reduce_cell(self.cell)
        reduced = self.fractional @ np.linalg.inv(self._transform.astype(float))
        self._wrap = np.floor(reduced).astype(np.int64)
        self._reduced = reduced - self._wrap
        inverse = np.linalg.inv(self._short)
        self._heights = 1.0 / np.linalg.norm(inverse, axis=0)
        self._cache: dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def _cloud(self, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if radius not in self._cache:
            reach = np.floor(radius / self._heights).astype(int) + 1
            count = int(np.prod(2 * reach + 1)) * len(self._reduced)
            if count > _MAX_POINTS:
                raise MotifError(
                    f"{count} atoms within {radius:.0f} A of the cell are too many to search",
                    remedy="use a smaller structure, or one with less vacuum",
                )
            grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
            points = ((self._reduced[None] + grid[:, None]) @ self._short).reshape(-1, 3)
            images = ((grid[:, None] - self._wrap[None]).reshape(-1, 3)) @ self._transform
            sites = np.tile(np.arange(len(self._reduced)), len(grid))
            # atoms beyond the radius of every atom in the cell are of no use
            centre, half = (self._reduced @ self._short).mean(axis=0), 0.0
            half = float(np.linalg.norm(self._reduced @ self._short - centre, axis=1).max())
            keep = np.linalg.norm(points - centre, axis=1) <= radius + half + 1e-6
            self._cache[radius] = points[keep], images[keep], sites[keep]
        return self._cache[radius]

    def closer_than(self, radius: float) -> list[tuple[int, int, float]]:
        """The first pair of sites (a, b, Angstrom) nearer than `radius`, which must be far below the lattice vectors'
        lengths; empty when there is none."""
        for start in range(0, len(self._reduced), 256):
            delta = self._reduced[start : start + 256, None] - self._reduced[None]
            delta = (delta - np.rint(delta)) @ self._short
            squared = np.einsum("abx,abx->ab", delta, delta)
            rows = np.arange(len(squared))
            squared[rows, rows + start] = np.inf
            a, b = np.unravel_index(int(np.argmin(squared)), squared.shape)
            if squared[a, b] < radius * radius:
                return [(int(a) + start, int(b), float(np.sqrt(squared[a, b])))]
        return []

    def shell(self, site: int, radius: float) -> Shell:
        """Every neighbour of `site` within `radius` Angstrom, nearest first; the site itself is left out."""
        points, images, sites = self._cloud(radius)
        vectors = points - self._reduced[site] @ self._short
        squared = np.einsum("ij,ij->i", vectors, vectors)
        found = np.flatnonzero((squared <= radius * radius) & (squared > 1e-8))
        found = found[np.argsort(squared[found], kind="stable")]
        home = self._wrap[site] @ self._transform
        return Shell(sites[found], images[found] + home, vectors[found], np.sqrt(squared[found]))


def voronoi_faces(vectors: np.ndarray, distances: np.ndarray) -> VoronoiFaces | None:
    """The Voronoi cell at the origin among neighbours `vectors` [K, 3] sorted by `distances` [K] (Angstrom).

    None when the neighbours do not close the cell.
    """
    from scipy.spatial import ConvexHull, QhullError

    total, k = len(vectors), min(_FIRST, len(vectors))
    while True:
        if k < 4:
            return None
        points = 2.0 * vectors[:k] / (distances[:k] ** 2)[:, None]
        try:
            hull = ConvexHull(points)
        except QhullError:
            hull = None
        if hull is not None:
            normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
            if offsets.max() < -1e-10:
                vertices = -normals / offsets[:, None]
                reach = 2.0 * np.sqrt(np.einsum("ij,ij->i", vertices, vertices).max())
                if reach <= distances[k - 1] or k == total:
                    break
            elif k == total:
                return None
        elif k == total:
            return None
        k = min(2 * k, total)
    simplices, adjacent = hull.simplices, hull.neighbors
    # each hull edge (two vertices, two facets) once: a Voronoi edge, on the faces of both its hull vertices
    rows = np.repeat(np.arange(len(simplices)), 3)
    other = adjacent.ravel()
    once = rows < other
    first = np.roll(simplices, -1, axis=1).ravel()[once]
    second = np.roll(simplices, -2, axis=1).ravel()[once]
    ends = vertices[rows[once]], vertices[other[once]]
    face = np.concatenate([first, second])
    a, b = np.concatenate([ends[0]] * 2), np.concatenate([ends[1]] * 2)
    weight = np.bincount(face, minlength=k)
    # an inner point of the (convex) face: the mean of its edges' ends
    centre = np.stack([np.bincount(face, 0.5 * (a[:, x] + b[:, x]), minlength=k) for x in range(3)], axis=1)
    centre = centre / np.maximum(weight, 1)[:, None]
    m = centre[face]
    area = 0.5 * np.linalg.norm(np.cross(a - m, b - m), axis=1)
    la, lb, lm = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1), np.linalg.norm(m, axis=1)
    triple = np.abs(np.einsum("ij,ij->i", m, np.cross(a, b)))
    denominator = (
        la * lb * lm
        + np.einsum("ij,ij->i", a, b) * lm
        + np.einsum("ij,ij->i", a, m) * lb
        + np.einsum("ij,ij->i", b, m) * la
    )
    angle = 2.0 * np.arctan2(triple, denominator)  # Van Oosterom and Strackee
    index = np.flatnonzero(weight)
    solid, size = np.bincount(face, angle, minlength=k), np.bincount(face, area, minlength=k)
    return VoronoiFaces(index, solid[index], size[index])
