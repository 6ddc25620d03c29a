"""Holes between the ligands of an assembly, and counter-ions in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

#: Angstrom; circumcentres of Delaunay tetrahedra nearer than this belong to one hole (an octahedron holds four).
_SAME = 0.35
#: How far around the cell points are looked at, times the cube root of the volume of one: holes are far smaller.
_REACH = 1.6


@dataclass(frozen=True, eq=False)
class Hole:
    """A hole: position float64 [3] and radius (to its nearest atoms' centres), Angstrom; coordination: how many atoms
    surround it within 1.15 of the radius."""

    position: np.ndarray
    radius: float
    coordination: int


def holes(cell: np.ndarray, positions: np.ndarray) -> tuple[Hole, ...]:
    """The holes between points of a periodic set: centres of empty spheres (vertices of their Voronoi diagram).

    cell float [3, 3] rows, positions float [N, 3], Angstrom. Centres that (nearly) coincide are one hole, with the
    coordination of all their points: 4 tetrahedral, 6 octahedral, 8 cubic, ... Ascending coordination. Spheres wider
    than 1.6 times the cube root of the volume of one point are open space. Coarser and some ten times
    faster than `MotifGraph.holes`, which tells holes of real crystals apart: families are nearly ideal, and are built
    by the hundred.
    """
    from scipy.spatial import Delaunay, cKDTree

    from motifdesk.motifs.detection.neighbours import reduce_cell

    cell, _ = reduce_cell(np.asarray(cell, dtype=float))
    inverse = np.linalg.inv(cell)
    margin = _REACH * float(abs(np.linalg.det(cell)) / len(positions)) ** (1 / 3)
    # every point within the margin of the cell: all that can touch an empty sphere of that radius centred in it
    aside = margin * np.linalg.norm(inverse, axis=0)
    images = np.ceil(aside).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in images), indexing="ij"), axis=-1).reshape(-1, 3)
    cloud = ((positions @ inverse) % 1.0 + grid[:, None]).reshape(-1, 3)
    cloud = cloud[((cloud > -aside - 1e-6) & (cloud < 1 + aside + 1e-6)).all(axis=1)] @ cell
    # a deterministic shake far below any tolerance: exactly cospherical points make Qhull's simplices degenerate
    shaken = cloud + 1e-7 * np.random.default_rng(0).standard_normal(cloud.shape)
    corners = shaken[Delaunay(shaken).simplices]
    edges = corners[:, 1:] - corners[:, :1]
    volume = np.abs(np.linalg.det(edges))
    good = volume > 1e-3
    right = 0.5 * np.einsum("sij,sij->si", edges[good], edges[good])
    centres = corners[good, 0] + np.linalg.solve(edges[good], right[..., None])[..., 0]
    fractional = centres @ inverse
    inside = ((fractional > -1e-6) & (fractional < 1 - 1e-6)).all(axis=1)
    found: list[Hole] = []
    tree = cKDTree(cloud)
    candidates = centres[inside]
    radii, _ = tree.query(candidates) if len(candidates) else (np.zeros(0), None)
    kept = np.zeros((0, 3))
    for point, radius in zip(candidates, radii, strict=True):
        if radius > margin:
            continue  # open space (a slab's vacuum): no cage
        if len(kept):
            delta = (kept - point) @ inverse
            if np.linalg.norm((delta - np.rint(delta)) @ cell, axis=1).min() < _SAME:
                continue
        kept = np.vstack([kept, point])
        found.append(Hole(point, float(radius), len(tree.query_ball_point(point, 1.15 * radius))))
    return tuple(sorted(found, key=lambda h: (h.coordination, *np.round(h.position @ inverse, 4))))


def neutral_charges(composition: Mapping[str, int], fixed: Mapping[str, float] | None = None) -> dict[str, float]:
    """Oxidation states that make a composition neutral, the most usual ones first.

    Unusual states (pymatgen's `oxidation_states`) are tried for transition metals, lanthanoids and actinoids alone: no
    Mg+. `fixed`: species -> charge that is given. TopologyError, with the sum, where none of the known states does.
    """
    from itertools import product

    from pymatgen.core import Element

    fixed = dict(fixed or {})
    species = list(composition)
    choices: list[tuple[float, ...]] = []
    for name in species:
        if name in fixed:
            choices.append((float(fixed[name]),))
            continue
        element = Element(name)
        usual = [float(q) for q in element.common_oxidation_states]
        rare = [float(q) for q in element.oxidation_states if q not in element.common_oxidation_states and q != 0]
        if not (element.is_transition_metal or element.is_lanthanoid or element.is_actinoid):
            rare = []
        choices.append(tuple(usual + rare) or (0.0,))
    nearest: tuple[float, dict[str, float]] | None = None
    for rank in sorted(product(*(range(len(c)) for c in choices)), key=lambda r: (sum(r), r)):
        tried = {s: c[k] for s, c, k in zip(species, choices, rank, strict=True)}
        total = sum(q * composition[s] for s, q in tried.items())
        if abs(total) < 1e-6:
            return tried
        if nearest is None or abs(total) < abs(nearest[0]) - 1e-6:
            nearest = total, tried
    assert nearest is not None
    total, tried = nearest
    raise TopologyError(
        f"no known oxidation states make it neutral (the nearest, {', '.join(f'{s} {q:+g}' for s, q in tried.items())},"
        f" leave a charge of {total:+g})",
        where=" ".join(f"{s}{n}" for s, n in composition.items()),
        remedy=f"choose another centre, ligand or filler{_mixed(composition, tried, total, fixed)}",
    )


def _mixed(composition: Mapping[str, int], tried: Mapping[str, float], total: float, fixed: Mapping[str, float]) -> str:
    """The mean state of a transition metal that would do, as the end of a remedy."""
    from pymatgen.core import Element

    for name in composition:
        element = Element(name)
        mean = tried[name] - total / composition[name]
        if name not in fixed and element.is_transition_metal and 0 < mean <= max(element.oxidation_states, default=0):
            return f', or say that {name} is mixed: charges={{"{name}": {mean:.4g}}}'
    return ", or give charges={...}"


def fill(cell: np.ndarray, ligands: np.ndarray, taken: Any, coordination: int) -> np.ndarray:
    """Positions float64 [n, 3] of the empty holes of a coordination between `ligands`; `taken` float [m, 3] are the
    occupied ones."""
    inverse = np.linalg.inv(cell)
    out = []
    for hole in holes(cell, ligands):
        if hole.coordination != coordination:
            continue
        delta = (np.asarray(taken).reshape(-1, 3) - hole.position) @ inverse
        gap = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=1)
        if not len(gap) or gap.min() > 0.8:
            out.append(hole.position)
    return np.array(out).reshape(-1, 3)
