"""Slabs: which atoms of a crystal lie in a piece cut along lattice planes, as sites with lattice images.

Conventions: Miller indices h k l are of the cell given; a lattice vector ``n`` (integers [3], rows) lies in the planes
when ``h n1 + k n2 + l n3 = 0``. The surface vectors u and v are the shortest primitive pair in the plane, w the lattice
vector to the next plane with the smallest part in it, and u, v, w are right-handed. One layer is one w: the repeat of
the crystal along the normal, d(hkl) thick, with every site of a primitive cell once (as pymatgen's "unit planes").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import StructureError

MOST_INDEX = 9
MOST_LAYERS = 40


@dataclass(frozen=True)
class Slab:
    """A cut of a crystal.

    hkl: Miller indices without a common factor. surface: int64 [3, 3], rows u, v, w in the vectors of the cell.
    image: int64 [N, L, 3], the lattice translation that puts each site into each of L layers. origin: float64 [3], the
    corner of the box, and box: float64 [3, 3], its rows, both in fractional coordinates of the cell: u and v, and along
    the normal the layers with half of the vacuum below and above them (without vacuum: L times w). spacing: d(hkl) in
    Angstrom. shift: where the cut lies, in layers above the origin, in [0, 1).
    """

    hkl: tuple[int, int, int]
    surface: np.ndarray
    image: np.ndarray
    origin: np.ndarray
    box: np.ndarray
    spacing: float
    shift: float

    @property
    def layers(self) -> int:
        return int(self.image.shape[1])


def miller(given: Any) -> tuple[int, int, int]:
    """Three whole numbers ("1 1 0", "1-10", (1, 1, 0)) without their common factor; else StructureError."""
    values = given
    if isinstance(given, str):
        found = [p for p in given.replace(",", " ").split() if p]
        if len(found) == 1:  # "110", "1-10"
            found, sign = [], ""
            for letter in given.strip():
                if letter == "-" and not sign:
                    sign = "-"
                else:
                    found.append(sign + letter)
                    sign = ""
        values = found
    try:
        whole = [int(x) if isinstance(x, str) else x for x in values]
        good = len(whole) == 3 and all(float(x) == int(x) for x in whole)
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good or not any(whole) or max(abs(int(x)) for x in whole) > MOST_INDEX:
        raise StructureError(
            f"{given!r} are no Miller indices",
            where="slab",
            remedy=f"give three whole numbers from -{MOST_INDEX} to {MOST_INDEX}, not all zero, such as (1, 1, 0)",
        )
    h, k, l = (int(x) for x in whole)  # noqa: E741  the letter crystallography uses
    common = math.gcd(h, k, l)
    return h // common, k // common, l // common


def surface_vectors(hkl: tuple[int, int, int], cell: np.ndarray) -> np.ndarray:
    """int64 [3, 3], rows u, v, w of the planes ``hkl`` (without a common factor) of ``cell`` (rows, Angstrom)."""
    reach = np.arange(-max(map(abs, hkl)) - 1, max(map(abs, hkl)) + 2)
    every = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), -1).reshape(-1, 3)
    height = every @ np.array(hkl)
    flat = every[(height == 0) & every.any(1)]
    flat = flat[np.argsort(np.linalg.norm(flat @ cell, axis=1), kind="stable")]
    u = flat[0]
    v = next(n for n in flat[1:] if abs(np.cross(u, n)).max() and _primitive(np.cross(u, n)))
    u, v = _reduced(u, v, cell)
    if np.cross(u, v) @ np.array(hkl) < 0:
        v = -v
    normal = np.cross(u @ cell, v @ cell)
    steps = every[height == 1]
    beside = steps @ cell - np.outer(steps @ cell @ normal, normal) / (normal @ normal)
    # take whole surface vectors off what lies beside the normal: the search above need not have reached the nearest
    flat_basis = np.array([u, v]) @ cell
    best, shortest = steps[0], np.inf
    for step, part in zip(steps, beside, strict=True):
        off = np.rint(np.linalg.lstsq(flat_basis.T, part, rcond=None)[0]).astype(int)
        length = float(np.linalg.norm(part - off @ flat_basis))
        if length < shortest - 1e-9:
            best, shortest = step - off[0] * u - off[1] * v, length
    return np.array([u, v, best], dtype=np.int64)


def cut(
    positions: np.ndarray,
    cell: np.ndarray,
    hkl: Any,
    layers: int = 3,
    vacuum: float = 15.0,
    *,
    shift: float | None = None,
    bonds: tuple[np.ndarray, np.ndarray] | None = None,
) -> Slab:
    """The slab of ``layers`` layers along ``hkl`` with ``vacuum`` Angstrom.

    positions: float [N, 3]; cell: float [3, 3] (rows), Angstrom. It is cut at ``shift`` (in layers); None: between two
    planes of atoms where the fewest ``bonds`` (sites [B, 2], images of the second [B, 3]) are broken, and of such
    places where the gap is widest. StructureError names what is no slab.
    """
    indices = miller(hkl)
    if isinstance(layers, bool) or not isinstance(layers, int | np.integer) or not 1 <= layers <= MOST_LAYERS:
        raise StructureError(
            f"{layers!r} layers", where="slab", remedy=f"ask for a whole number of layers from 1 to {MOST_LAYERS}"
        )
    try:
        gap = float(vacuum)
    except (TypeError, ValueError):
        gap = math.nan
    if not 0.0 <= gap <= 100.0:
        raise StructureError(f"a vacuum of {vacuum!r}", where="slab", remedy="ask for 0 to 100 Angstrom")
    surface = surface_vectors(indices, cell)
    u, v, w = surface @ cell
    normal = np.cross(u, v) / np.linalg.norm(np.cross(u, v))
    spacing = float(w @ normal)
    height = positions @ normal / spacing  # in layers
    bottom = _best_cut(height, bonds, cell @ normal / spacing) if shift is None else _shift(shift)
    lifts = np.ceil(bottom - height - 1e-9).astype(int)[:, None] + np.arange(layers)  # [N, L]
    placed = positions[:, None] + lifts[..., None] * w  # [N, L, 3]
    corner = bottom * spacing * normal
    basis = np.array([u, v, normal])
    inside = (placed - corner) @ np.linalg.inv(basis)
    wraps = -np.floor(inside[..., :2] + 1e-6).astype(int)
    image = wraps @ surface[:2] + lifts[..., None] * surface[2]
    third = layers * w if gap == 0.0 else (layers * spacing + gap) * normal
    to_fractional = np.linalg.inv(cell)
    origin = (corner - 0.5 * gap * normal) @ to_fractional
    return Slab(indices, surface, image, origin, np.array([u, v, third]) @ to_fractional, spacing, bottom)


def _shift(given: Any) -> float:
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise StructureError(f"a shift of {given!r}", where="slab", remedy="give a number from 0 to 1, in layers")
    return value % 1.0


def _best_cut(height: np.ndarray, bonds: tuple[np.ndarray, np.ndarray] | None, steps: np.ndarray) -> float:
    """The middle of a gap between planes of atoms, in [0, 1); ``steps``: heights of the three cell vectors. All heights
    are in layers. Of equal ones the lowest, whatever the rounding."""
    order = np.sort(height % 1.0)
    gaps = np.diff(np.append(order, order[0] + 1.0))
    middles = (order + 0.5 * gaps) % 1.0
    wide = gaps > 1e-3 if (gaps > 1e-3).any() else gaps >= gaps.max()
    broken = np.zeros(len(middles))
    if bonds is not None and len(bonds[0]):
        pairs, images = (np.asarray(b) for b in bonds)
        ends = height[pairs[:, 0]], height[pairs[:, 1]] + images @ steps
        broken = np.array([np.abs(np.floor(ends[0] - m) - np.floor(ends[1] - m)).sum() for m in middles])
    scores = [(b, -round(g, 6), round(m, 6)) for b, g, m in zip(broken, gaps, middles, strict=True)]
    return float(middles[min(np.flatnonzero(wide), key=lambda k: scores[k])])


def _primitive(cross: np.ndarray) -> bool:
    return math.gcd(*(int(x) for x in cross)) == 1


def _reduced(u: np.ndarray, v: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's reduction: the shortest pair of the same plane lattice, the angle between them not acute beyond 90."""
    while True:
        a, b = u @ cell, v @ cell
        v = v - round(float(a @ b) / float(a @ a)) * u
        if np.linalg.norm(v @ cell) >= np.linalg.norm(u @ cell) - 1e-9:
            return u, v
        u, v = v, u


__all__ = ["MOST_INDEX", "MOST_LAYERS", "Slab", "cut", "miller", "surface_vectors"]
