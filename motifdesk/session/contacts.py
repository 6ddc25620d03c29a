"""Interatomic contacts of a design, judged by covalent radii."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols

TOO_SHORT = 0.6
"""Contacts below this fraction of the sum of covalent radii are called too short: shorter than any known bond (that of
Cr2 has 0.66)."""
TOO_SHORT_NON_METALS = 0.7
"""The same between two non-metals, whose shortest bond for its radii is that of N2, 0.77."""
_NON_METALS = (1, 2, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 34, 35, 36, 53, 54)
_MOST_IMAGES = 100_000


@lru_cache(maxsize=1)
def covalent_radii() -> np.ndarray:
    """Covalent radii in Angstrom by atomic number, float64 [119] (Cordero et al. 2008, as tabulated in ase.data; 1.6
    where
    unknown)."""
    from ase.data import covalent_radii as table

    radii = np.full(119, 1.6)
    known = min(len(table), 119)
    radii[:known] = table[:known]
    # ase marks elements without a measured radius by 0.2
    radii[radii <= 0.2] = 1.6
    return radii


@dataclass(frozen=True)
class Contact:
    """The shortest contact: sites, length in Angstrom, and the length as a fraction of the sum of covalent radii;
    limit: the fraction below which it is too short."""

    a: int
    b: int
    length: float
    fraction: float
    limit: float
    names: tuple[str, str]

    @property
    def name(self) -> str:
        """Species and sites: "Ir0-O5"."""
        return f"{self.names[0]}{self.a}-{self.names[1]}{self.b}"


@dataclass(frozen=True)
class Contacts:
    """Shortest contact by length, tightest relative to the radii (None for a lone atom), pairs that are too short."""

    shortest: Contact | None
    tightest: Contact | None
    too_short: int


def contacts(arrays: AtomArrays, reach: float = 3.2) -> Contacts:
    """Contacts within ``reach`` Angstrom (doubled until one is found), periodic images included."""
    first, second, length = pairs(arrays, reach)
    while not len(length) and reach < 20.0 and (arrays.is_crystal or len(arrays) > 1):
        reach *= 2.0
        first, second, length = pairs(arrays, reach)
    if not len(length):
        return Contacts(None, None, 0)
    radii = covalent_radii()[arrays.numbers]
    fraction = length / (radii[first] + radii[second])
    symbols = element_symbols()
    light = np.isin(arrays.numbers, _NON_METALS)
    limit = np.where(light[first] & light[second], TOO_SHORT_NON_METALS, TOO_SHORT)
    close = np.stack([np.minimum(first, second), np.maximum(first, second)])[:, fraction < limit]
    short = len(np.unique(close, axis=1).T)

    def contact(k: int) -> Contact:
        a, b = sorted((int(first[k]), int(second[k])))
        names = (symbols[arrays.numbers[a]], symbols[arrays.numbers[b]])
        return Contact(a, b, float(length[k]), float(fraction[k]), float(limit[k]), names)

    return Contacts(contact(int(length.argmin())), contact(int((fraction / limit).argmin())), short)


def pairs(arrays: AtomArrays, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First site, second site, distance of every contact within ``reach`` Angstrom (pairs of two sites come twice).

    A cell that has collapsed has millions of images within any reach: there the reach is halved until they can be
    counted, and the contacts found are the short ones that matter."""
    from scipy.spatial import cKDTree

    points, sites = arrays.positions, np.arange(len(arrays))
    home = points
    if arrays.cell is not None:
        # home cell and the images that come within reach of it; a plane distance is 1 / |reciprocal vector|
        inverse = np.linalg.inv(arrays.cell)
        margin = reach * np.linalg.norm(inverse, axis=0)
        while (
            np.prod(2.0 * np.ceil(margin) + 1.0) * len(points) > max(_MOST_IMAGES, 64 * len(points))
            and margin.max() > 2.0
        ):
            reach, margin = 0.5 * reach, 0.5 * margin
        frac = points @ inverse
        frac -= np.floor(frac)
        home = frac @ arrays.cell
        spans = [np.arange(-int(np.ceil(m)), int(np.ceil(m)) + 1) for m in margin]
        shifts = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        images = frac + shifts
        near = ((images >= -margin) & (images <= 1.0 + margin)).all(axis=-1)
        points = images[near] @ arrays.cell
        sites = np.broadcast_to(sites, near.shape)[near]
    found = cKDTree(home).sparse_distance_matrix(cKDTree(points), reach, output_type="ndarray")
    first, second, length = found["i"], sites[found["j"]], found["v"]
    itself = (first == second) & (length < 1e-9)
    return first[~itself], second[~itself], length[~itself]
