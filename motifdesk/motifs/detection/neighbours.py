"""Periodic neighbours of many sites at once, in a cell of any shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from motifdesk.structures.errors import MotifError

_MAX_POINTS = 4_000_000
_CHUNK = 400_000  # vectors held at once


def reduce_cell(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Minkowski-reduced basis of the same lattice and the integer matrix T with ``short = T @ cell`` (rows are
    vectors)."""
    import moyopy

    cell = np.asarray(cell, dtype=float)
    try:
        _, columns = moyopy.minkowski_reduce(cell.tolist())
    except (ValueError, AttributeError):  # absent from old releases
        return _gauss(cell)
    transform = np.array(columns, dtype=np.int64).T
    return transform @ cell, transform


def _gauss(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeated Gauss steps; ends because every step shortens a vector."""
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


@lru_cache(maxsize=64)
def _steps(sides: tuple[int, int, int]) -> np.ndarray:
    """int64 [n, 3]: every step of a grid with these sides, from zero."""
    grid = np.indices(sides).reshape(3, -1).T
    grid.setflags(write=False)
    return grid


@dataclass(frozen=True)
class Near:
    """Neighbours of the sites `chosen`, one site's after another's, nearest first.

    start: int64 [U + 1], those of chosen[u] are start[u] : start[u + 1]; owner: int64 [K], u. sites: int64 [K]. steps:
    int64 [K, 3], translations in the reduced basis. vectors: float [K, 3], neighbour minus centre, Angstrom. squared:
    float [K], A^2. reach: float [U], Angstrom: every atom nearer than that is among them.
    """

    chosen: np.ndarray
    start: np.ndarray
    owner: np.ndarray
    sites: np.ndarray
    steps: np.ndarray
    vectors: np.ndarray
    squared: np.ndarray
    reach: np.ndarray


class NeighbourList:
    """Neighbours of the sites of a periodic structure.

    Parameters
    ----------
    cell
        float [3, 3], rows are lattice vectors, Angstrom. Any shape: the search runs on a reduced basis.
    fractional
        float [N, 3]; images returned refer to these coordinates as given, wrapped or not.
    """

    def __init__(self, cell: np.ndarray, fractional: np.ndarray) -> None:
        self.fractional = np.asarray(fractional, dtype=float)
        self._short, self._transform = reduce_cell(cell)
        reduced = self.fractional @ np.linalg.inv(self._transform.astype(float))
        wrap = np.floor(reduced).astype(np.int64)
        self._reduced = reduced - wrap
        self._home = wrap @ self._transform
        inverse = np.linalg.inv(self._short)
        self._heights = 1.0 / np.sqrt((inverse**2).sum(axis=0))
        self.volume = float(1.0 / abs(np.linalg.det(inverse)))

    def __len__(self) -> int:
        return len(self._reduced)

    def images(self, home: np.ndarray, sites: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """int64 [K, 3]: the lattice translations of the cell as given that bring `sites` next to the sites `home`."""
        return steps @ self._transform - self._home[sites] + self._home[home]

    def _cloud(self, chosen: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every image that may lie within `radius` of one of the sites: positions, sites, steps."""
        f = self._reduced
        low, high = f[chosen].min(axis=0) - radius / self._heights, f[chosen].max(axis=0) + radius / self._heights
        first = np.ceil(low - f.max(axis=0) - 1e-9).astype(np.int64)
        sides = np.floor(high - f.min(axis=0) + 1e-9).astype(np.int64) - first + 1
        count = float(np.prod(sides.astype(float))) * len(f)
        if count > _MAX_POINTS:
            raise MotifError(
                f"{count:.0f} atoms within {radius:.0f} A of the cell are too many to search",
                remedy="use a smaller structure, or one with less vacuum",
            )
        grid = _steps(tuple(sides.tolist())) + first
        points = (f[None] + grid[:, None]).reshape(-1, 3)
        inside = np.flatnonzero((np.abs(points - 0.5 * (low + high)) <= 0.5 * (high - low) + 1e-9).all(axis=1))
        cells, sites = np.divmod(inside, len(f))
        return points[inside] @ self._short, sites, grid[cells]

    def near(self, chosen: np.ndarray, radius: float, most: int | None = None) -> Near:
        """The neighbours of each site of `chosen` (int [U]) within `radius` Angstrom, at most `most` of each. The site
        itself is left out, its images are not. MotifError: too many atoms in reach."""
        points, sites, steps = self._cloud(chosen, radius)
        rows = max(1, _CHUNK // max(len(points), 1))
        parts = [self._nearest(chosen[k : k + rows], points, radius, most) for k in range(0, len(chosen), rows)]
        counts, index, vectors, squared = (
            (np.concatenate(x) for x in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]
        )
        start = np.concatenate([[0], np.cumsum(counts)])
        reach = np.full(len(chosen), radius)
        if most is not None:  # what was left out is no nearer than the last one kept
            full = np.flatnonzero(counts == most)
            reach[full] = np.sqrt(squared[start[full + 1] - 1])
        owner = np.repeat(np.arange(len(chosen)), counts)
        return Near(chosen, start, owner, sites[index], steps[index], vectors, squared, reach)

    def _nearest(
        self, chosen: np.ndarray, points: np.ndarray, radius: float, most: int | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        centres = self._reduced[chosen] @ self._short
        if most is not None and most + 1 < len(points):
            # up to a constant and rounding: enough to pick, with the site itself among them
            rough = np.einsum("mx,mx->m", points, points) - 2.0 * (centres @ points.T)
            index = np.argpartition(rough, most, axis=1)[:, : most + 1]
            index.sort(axis=1)  # among equals the first of the cloud comes first
        else:
            index = np.broadcast_to(np.arange(len(points)), (len(chosen), len(points)))
        vectors = points[index] - centres[:, None]
        squared = np.einsum("umx,umx->um", vectors, vectors)
        squared[(squared > radius * radius) | (squared <= 1e-8)] = np.inf
        order = squared.argsort(axis=1, kind="stable")
        if most is not None:
            order = order[:, :most]
        rows = np.arange(len(chosen))[:, None]
        squared = squared[rows, order]
        kept = squared < np.inf
        return kept.sum(axis=1), index[rows, order][kept], vectors[rows, order][kept], squared[kept]

    def closer_than(self, radius: float) -> tuple[int, int, float] | None:
        """A pair of sites (a, b, Angstrom) nearer than `radius`, which must be far below the lattice vectors' lengths;
        None when there is none."""
        f = self._reduced
        found: tuple[int, int, float] | None = None
        # along one direction only what is nearer than the radius can be a neighbour: take the one that sorts out most
        ahead = [self._ahead(f[:, axis], radius / float(self._heights[axis])) for axis in range(3)]
        order, counts = min(ahead, key=lambda one: int(one[1].sum()))
        for begin in range(0, len(f), 1024):
            some = counts[begin : begin + 1024]
            first = np.repeat(np.arange(begin, begin + len(some)), some)
            step = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some) + 1
            a, b = order[first], order[(first + step) % len(f)]
            delta = f[a] - f[b]
            delta = (delta - np.rint(delta)) @ self._short
            squared = np.einsum("kx,kx->k", delta, delta)
            best = int(squared.argmin()) if len(squared) else -1
            if best >= 0 and squared[best] < min(radius, np.inf if found is None else found[2]) ** 2:
                low, high = sorted((int(a[best]), int(b[best])))
                found = low, high, float(np.sqrt(squared[best]))
        return found

    @staticmethod
    def _ahead(places: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """The sites in order of a fractional coordinate, and how many of those that follow are within `reach` of
        each, round the end."""
        order = np.argsort(places, kind="stable")
        there = places[order]
        twice = np.concatenate([there, there + 1.0])
        counts = np.searchsorted(twice, there + reach, side="right") - np.arange(len(there)) - 1
        return order, np.minimum(counts, len(there) - 1)
