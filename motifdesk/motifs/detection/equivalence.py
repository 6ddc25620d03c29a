"""Which sites of a crystal its symmetry makes equal, and neighbour sets carried from one to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import StructureError
from motifdesk.structures.symmetry import dataset, odd_first, reordered

from .crystalnn import NeighbourSets

_CHUNK = 300_000  # pairs of positions compared at once
_MANY = 200  # sites of a kind among which a place is not looked for one by one
_CLOSE = 0.5  # Angstrom


@dataclass(frozen=True)
class SiteClasses:
    """source: int64 [N], for each site the representative it is an image of (itself for a representative).
    rotations int64 [N, 3, 3], translations float [N, 3]: W x_source + w is the site, up to a lattice translation.
    orbit: int64 [N], the first site of each site's orbit in the crystal, whatever its cell. note: why symmetry was not
    used; None when it was."""

    source: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    orbit: np.ndarray
    note: str | None = None


def site_classes(arrays: Any, kinds: np.ndarray, tolerance: float) -> SiteClasses:
    """Sites equal by the space group of the crystal with `kinds` (int [N], from 0: element and oxidation state) as its
    species, at `tolerance` Angstrom; every site for itself where no symmetry search converges."""
    n = len(kinds)
    source = np.arange(n)
    w, t = np.broadcast_to(np.eye(3, dtype=np.int64), (n, 3, 3)).copy(), np.zeros((n, 3))
    if kinds.max() + 1 == n and len(set(kinds.tolist())) == n:  # no two sites can be equal
        return SiteClasses(source, w, t, source)
    if kinds.max() + 1 > 118:
        return SiteClasses(
            source, w, t, source, "symmetry was not used: more than 118 kinds of element and oxidation state"
        )
    # charges may order atoms of one element: the symmetry is that of the decorated crystal
    marked = AtomArrays(kinds + 1, arrays.positions, arrays.cell)
    order = odd_first(marked)
    try:
        found = dataset(marked if order is None else reordered(marked, order), tolerance)
    except StructureError as error:
        return SiteClasses(source, w, t, source, f"symmetry was not used: {error}")
    rotations = np.array(found.operations.rotations, dtype=np.int64)
    translations = np.array(found.operations.translations)
    f, limit = arrays.fractional, max(3 * tolerance, 1e-3)
    orbit = np.array(found.orbits)
    if order is not None:
        label = np.empty_like(orbit)
        label[order] = orbit
        _, first, member = np.unique(label, return_index=True, return_inverse=True)
        orbit = first[member]
    turned = np.ascontiguousarray(np.swapaxes(rotations, 1, 2), dtype=float)
    rest, begin = np.flatnonzero(orbit != source), 0
    while len(rest) and begin < len(turned):
        # some of the operations at a time: a supercell has thousands, and the first few hundred reach every site
        end = begin + max(1, _CHUNK // len(rest))
        representatives, place = np.unique(orbit[rest], return_inverse=True)
        images = f[representatives] @ turned[begin:end] + translations[begin:end, None]
        delta = images[:, place] - f[rest]
        delta = (delta - np.rint(delta)) @ arrays.cell
        squared = np.einsum("gmx,gmx->gm", delta, delta)
        op = squared.argmin(axis=0)
        good = squared[op, np.arange(len(rest))] < limit * limit
        chosen, op = rest[good], op[good] + begin
        source[chosen], w[chosen], t[chosen] = orbit[chosen], rotations[op], translations[op]
        rest, begin = rest[~good], end
    return SiteClasses(source, w, t, orbit)


def carried(
    arrays: Any, kinds: np.ndarray, classes: SiteClasses, unique: np.ndarray, found: NeighbourSets
) -> NeighbourSets:
    """The neighbour sets of every site from those of the representatives `unique` (sorted)."""
    f, n = arrays.fractional, len(kinds)
    of = np.searchsorted(unique, classes.source)
    counts = np.diff(found.start)[of]
    start = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(n), counts)
    row = np.arange(start[-1]) - start[owner] + found.start[of[owner]]
    sites, images = found.sites[row].copy(), found.images[row].copy()
    moved = np.flatnonzero(classes.source[owner] != owner)
    if not len(moved):
        return NeighbourSets(start, sites, images)
    w, t = classes.rotations, classes.translations
    shift = np.rint(np.einsum("nij,nj->ni", w, f[classes.source]) + t - f) - t
    by = owner[moved]
    x = np.einsum("kij,kj->ki", w[by], f[sites[moved]] + images[moved]) - shift[by]
    sites[moved], images[moved] = _sites_at(arrays, kinds, x, kinds[sites[moved]])
    return NeighbourSets(start, sites, images)


def _sites_at(arrays: Any, kinds: np.ndarray, x: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The site of each `kind` (int [K]) nearest to the fractional places x [K, 3], and its image."""
    f = arrays.fractional
    sites, images = np.empty(len(x), dtype=np.int64), np.empty((len(x), 3), dtype=np.int64)
    # places that several motifs share, and images of one place, are looked up once
    for k in np.unique(kind):
        asked = np.flatnonzero(kind == k)
        same = np.flatnonzero(kinds == k)
        if len(same) == 1:
            sites[asked], images[asked] = same[0], np.rint(x[asked] - f[same[0]])
            continue
        if len(same) > _MANY:
            asked = asked[~_close_by(arrays, f, x, asked, same, sites, images)]
        rows = max(1, _CHUNK // len(same))
        for at in range(0, len(asked), rows):
            some = asked[at : at + rows]
            delta = x[some, None] - f[same]
            whole = np.rint(delta)
            delta = (delta - whole) @ arrays.cell
            nearest = np.einsum("kmx,kmx->km", delta, delta).argmin(axis=1)
            sites[some], images[some] = same[nearest], whole[np.arange(len(some)), nearest]
    return sites, images


def _close_by(
    arrays: Any,
    f: np.ndarray,
    x: np.ndarray,
    asked: np.ndarray,
    same: np.ndarray,
    sites: np.ndarray,
    images: np.ndarray,
) -> np.ndarray:
    """Fill in the `sites` and `images` of those `asked` places that have one of the sites `same` within `_CLOSE`; which
    they are. Only sites that near along one direction of the cell are looked at."""
    heights = 1.0 / np.sqrt((np.linalg.inv(arrays.cell) ** 2).sum(axis=0))
    axis = int(heights.argmax())
    reach = _CLOSE / float(heights[axis])
    there, place = f[same, axis] % 1.0, x[asked, axis] % 1.0
    order = np.argsort(there, kind="stable")
    round_ = np.concatenate([there[order] - 1.0, there[order], there[order] + 1.0])
    first = np.searchsorted(round_, place - reach, side="left")
    counts = np.searchsorted(round_, place + reach, side="right") - first
    done = np.zeros(len(asked), dtype=bool)
    rows = max(1, _CHUNK // max(int(counts.max(initial=1)), 1))
    for at in range(0, len(asked), rows):
        some = counts[at : at + rows]
        if not some.any():
            continue
        begin = np.cumsum(some) - some
        owner = np.repeat(np.arange(len(some)), some)
        step = np.arange(len(owner)) - begin[owner]
        site = same[order[(first[at + owner] + step) % len(same)]]
        delta = x[asked[at + owner]] - f[site]
        whole = np.rint(delta)
        delta = (delta - whole) @ arrays.cell
        squared = np.einsum("kx,kx->k", delta, delta)
        held = np.flatnonzero(some)
        best = np.minimum.reduceat(squared, begin[held])
        # the first of those that are as near as any
        row = np.flatnonzero(squared == np.repeat(best, some[held]))
        _, one = np.unique(owner[row], return_index=True)
        row = row[one]
        near = best <= _CLOSE * _CLOSE
        chosen = asked[at + held[near]]
        sites[chosen], images[chosen] = site[row[near]], whole[row[near]]
        done[at + held[near]] = True
    return done
