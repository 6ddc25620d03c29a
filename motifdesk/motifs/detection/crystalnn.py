"""CrystalNN neighbour sets: N. E. R. Zimmermann and A. Jain, RSC Adv. 10, 6063 (2020).

The same weights, cut-offs and choice of the coordination number as ``pymatgen.analysis.local_env.CrystalNN`` with its
default parameters, on Voronoi cells from `voronoi.voronoi_faces`, all sites at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .neighbours import NeighbourList
from .voronoi import Faces, voronoi_faces

_X_DIFF_WEIGHT = 3.0
_LOW, _HIGH = 0.5, 1.0  # Angstrom beyond the sum of the radii


@lru_cache(maxsize=4096)
def radius(symbol: str, oxidation: float) -> float:
    """CrystalNN's radius (Angstrom) of an element in an oxidation state; 0.0 where its tables have none."""
    from pymatgen.core import Element

    if oxidation == 0:
        return default_radius(symbol)
    element = Element(symbol)
    radii = {float(q): float(r) for q, r in element.ionic_radii.items()}
    if oxidation in radii:
        return float(radii[oxidation])
    low, high = math.floor(oxidation), math.ceil(oxidation)
    if low in radii and high in radii:
        part = oxidation - low
        return float((1 - part) * radii[low] + part * radii[high])
    if oxidation > 0 and element.average_cationic_radius > 0:
        return float(element.average_cationic_radius)
    if oxidation < 0 and element.average_anionic_radius > 0:
        return float(element.average_anionic_radius)
    return 0.0


@lru_cache(maxsize=256)
def default_radius(symbol: str) -> float:
    """Covalent radius (Angstrom), or pymatgen's atomic radius where there is none."""
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
    from pymatgen.core import Element

    found = CovalentRadius.radius.get(symbol) or Element(symbol).atomic_radius
    return float(found) if found else 1.5


@lru_cache(maxsize=256)
def electronegativity(symbol: str) -> float:
    """Pauling electronegativity; NaN where none is known (noble gases)."""
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(Element(symbol).X)


@lru_cache(maxsize=8192)
def _pair(a: tuple[str, float], b: tuple[str, float]) -> tuple[float, float]:
    """(sum of the radii in Angstrom, factor for unlike electronegativities) of two elements in oxidation states."""
    ra, rb, xa, xb = radius(*a), radius(*b), electronegativity(a[0]), electronegativity(b[0])
    diameter = ra + rb if ra > 0 and rb > 0 else default_radius(a[0]) + default_radius(b[0])
    if math.isnan(xa) or math.isnan(xb):
        return diameter, 1.0
    return diameter, 1.0 + _X_DIFF_WEIGHT * math.sqrt(abs(xb - xa) / 3.3)


@dataclass(frozen=True)
class NeighbourSets:
    """Neighbours of the sites asked for, one site's after another's, heaviest first.

    start: int64 [U + 1], those of site u are start[u] : start[u + 1]. sites: int64 [K]. images: int64 [K, 3].
    """

    start: np.ndarray
    sites: np.ndarray
    images: np.ndarray


def neighbour_sets(
    neighbours: NeighbourList,
    symbols: Sequence[str],
    oxidation: Sequence[float],
    chosen: Sequence[int] | np.ndarray,
    watch: Callable[[int], None] | None = None,
) -> NeighbourSets:
    """CrystalNN's neighbours of each site of `chosen`.

    symbols, oxidation: of every site. watch(sites done) is called before each Voronoi cell and may raise.
    """
    faces = voronoi_faces(neighbours, np.asarray(chosen, dtype=np.int64), watch)
    kinds: dict[tuple[str, float], int] = {}
    kind = np.array([kinds.setdefault(pair, len(kinds)) for pair in zip(symbols, oxidation, strict=True)])
    table = np.array([[_pair(a, b) for b in kinds] for a in kinds])
    near = table[kind[np.asarray(chosen)][faces.owner], kind[faces.sites]]
    picked, start = choose(faces, near[:, 0], near[:, 1])
    return NeighbourSets(start, faces.sites[picked], faces.images[picked])


def choose(faces: Faces, diameter: np.ndarray, unlike: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the faces of every cell those of CrystalNN's neighbours, heaviest first (``CrystalNN.get_nn_data``).

    diameter, unlike: float [F], sum of the radii and electronegativity factor of each face's two atoms. Returns the
    indices int64 [K] of the chosen faces, cell after cell, and where each cell's begin, int64 [U + 1].
    """
    begin, owner, cells = faces.start[:-1], faces.owner, len(faces.start) - 1
    if not len(owner):
        return np.zeros(0, dtype=np.int64), np.zeros(cells + 1, dtype=np.int64)
    filled = np.flatnonzero(np.diff(faces.start))
    # pymatgen divides by the largest solid angle first; the later normalisation makes that immaterial
    weight = np.divide(
        faces.solid_angle**2 * unlike, faces.area, out=np.zeros_like(faces.area), where=faces.area > 1e-14
    )
    largest = np.zeros(cells)
    largest[filled] = np.maximum.reduceat(weight, begin[filled])
    weight /= np.where(largest > 0, largest, 1.0)[owner]
    past = np.clip((faces.distances - diameter - _LOW) / (_HIGH - _LOW), 0.0, 1.0)
    weight = np.round(weight * 0.5 * (1.0 + np.cos(np.pi * past)), 3)
    order = np.flatnonzero(weight > 0)
    order = order[np.lexsort((-weight[order], owner[order]))]
    if not len(order):
        return order, np.zeros(cells + 1, dtype=np.int64)
    weight, owner = weight[order], owner[order]
    # bins: faces of one cell with one weight
    new = np.ones(len(order), dtype=bool)
    new[1:] = (weight[1:] != weight[:-1]) | (owner[1:] != owner[:-1])
    x, of = np.minimum(weight[new], 1.0), owner[new]
    # probability of each bin: the area of the unit quarter circle between successive weights
    area = (x * np.sqrt(1.0 - x * x) + np.arcsin(x)) * (2.0 / np.pi)
    last = np.append(of[1:] != of[:-1], True)
    likelihood = area - np.where(last, 0.0, np.append(area[1:], 0.0))
    first = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
    best = np.full(cells, np.inf)
    best[of[first]] = np.maximum.reduceat(likelihood, first)
    # the lowest weight taken: that of the first bin with the largest probability; none if "no neighbour" is likelier
    at = np.flatnonzero(likelihood == best[of])[::-1]
    lowest = np.full(cells, np.inf)
    lowest[of[at]] = x[at]
    nothing = np.zeros(cells, dtype=bool)
    nothing[of[first]] = 1.0 - area[first] > best[of[first]]
    taken = (weight >= lowest[owner]) & ~nothing[owner]
    counts = np.bincount(owner[taken], minlength=cells)
    return order[taken], np.concatenate([[0], np.cumsum(counts)])
