"""CrystalNN neighbour sets: N. E. R. Zimmermann and A. Jain, RSC Adv. 10, 6063 (2020).

The same weights, cut-offs and choice of the coordination number as ``pymatgen.analysis.local_env.CrystalNN`` with its
default parameters, on Voronoi cells from `voronoi.voronoi_faces`.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import numpy as np

from .voronoi import SEARCH_RADIUS, NeighbourList, Shell, VoronoiFaces, voronoi_faces

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


def neighbour_sets(
    neighbours: NeighbourList, symbols: list[str], oxidation: list[float], sites: list[int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """CrystalNN's neighbours of each site of `sites`: (sites int64 [k], images int64 [k, 3]), heaviest first."""
    x = np.array([electronegativity(s) for s in symbols])
    ionic = np.array([radius(s, o) for s, o in zip(symbols, oxidation, strict=True)])
    covalent = np.array([default_radius(s) for s in symbols])
    out = {}
    for site in sites:
        shell, faces = _cell(neighbours, site)
        if faces is None:
            out[site] = np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.int64)
            continue
        near = shell.sites[faces.index]
        diameter = np.where(
            (ionic[site] > 0) & (ionic[near] > 0), ionic[site] + ionic[near], covalent[site] + covalent[near]
        )
        chosen = faces.index[choose(faces, shell.distances[faces.index], x[site], x[near], diameter)]
        out[site] = shell.sites[chosen], shell.images[chosen]
    return out


def _cell(neighbours: NeighbourList, site: int) -> tuple[Shell, VoronoiFaces | None]:
    reach = SEARCH_RADIUS
    for _ in range(12):
        shell = neighbours.shell(site, reach)
        faces = voronoi_faces(shell.vectors, shell.distances)
        if faces is not None:
            return shell, faces
        reach *= 2.0
    return Shell(*(np.zeros(s) for s in ((0,), (0, 3), (0, 3), (0,)))), None


def choose(
    faces: VoronoiFaces, distances: np.ndarray, x_centre: float, x_near: np.ndarray, diameter: np.ndarray
) -> np.ndarray:
    """Indices into the faces of the chosen neighbours, heaviest first (CrystalNN.get_nn_data)."""
    # pymatgen divides by the largest solid angle first; the later normalisation makes that immaterial
    weight = faces.solid_angle * np.divide(
        faces.solid_angle, faces.area, out=np.zeros_like(faces.area), where=faces.area > 1e-14
    )
    if not math.isnan(x_centre):
        weight = weight * (1.0 + _X_DIFF_WEIGHT * np.sqrt(np.nan_to_num(np.abs(x_near - x_centre)) / 3.3))
    if weight.max() <= 0:
        return np.zeros(0, dtype=np.int64)
    weight = weight / weight.max()
    past = np.clip((distances - diameter - _LOW) / (_HIGH - _LOW), 0.0, 1.0)
    weight = np.round(weight * 0.5 * (1.0 + np.cos(np.pi * past)), 3)
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > 0]
    if not len(order):
        return order
    bins = np.append(np.unique(weight[order])[::-1], 0.0)
    # probability of each bin: the area of the unit quarter circle between successive weights
    x = np.minimum(bins, 1.0)
    area = 0.5 * (x * np.sqrt(1.0 - x * x) + np.arcsin(x))
    likelihood = (area[:-1] - area[1:]) / (0.25 * np.pi)
    best = int(np.argmax(likelihood))
    if 1.0 - likelihood.sum() > likelihood[best]:
        return order[:0]
    return order[weight[order] >= bins[best]]
