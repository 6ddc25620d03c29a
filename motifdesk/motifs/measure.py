"""How distorted a motif is: bond lengths, angles, volume, van Vleck amplitudes.

Every function takes `ligands`, float [k, 3]: ligand positions relative to the centre, Angstrom (`relative` makes them).
References: W. H. Baur, Acta Cryst. B30, 1195 (1974), bond-length distortion; K. Robinson, G. V. Gibbs, P. H. Ribbe,
Science 172, 567 (1971), quadratic elongation and bond-angle variance; R. Ketkaew et al., Dalton Trans. 50, 1086 (2021),
zeta, Delta, Sigma, Theta of octahedra.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .graph import Motif, hull_faces
from .irreps import ideal_figure
from .neighbours import NeighbourList
from .shapes import csm, match, vertices

__all__ = [
    "Contact",
    "Measures",
    "bond_angle_variance",
    "bond_length_distortion",
    "csm",
    "measure_motif",
    "octahedral_parameters",
    "polyhedron_volume",
    "quadratic_elongation",
    "relative",
    "shortest_contact",
    "van_vleck",
]


@dataclass(frozen=True)
class Measures:
    """Measures of one motif; None where a measure is not defined for its coordination or figure.

    mean_length, shortest, longest: Angstrom. bond_length_distortion: Baur, mean |l - <l>| / <l>. volume: A^3.
    quadratic_elongation: <(l / l0)^2>, l0 of the ideal figure of the same volume. bond_angle_variance: degrees^2.
    csm: 0 to 100. zeta (Angstrom), delta, sigma, theta (degrees): octahedra. q: van Vleck's Q1 to Q6, Angstrom.
    """

    mean_length: float
    shortest: float
    longest: float
    bond_length_distortion: float
    volume: float | None
    quadratic_elongation: float | None
    bond_angle_variance: float | None
    csm: float | None
    zeta: float | None
    delta: float | None
    sigma: float | None
    theta: float | None
    q: tuple[float, ...] | None


@dataclass(frozen=True)
class Contact:
    """The shortest distance of a structure: sites a, b, lattice translation of b, Angstrom."""

    a: int
    b: int
    image: tuple[int, int, int]
    distance: float


def relative(structure: Any, motif: Motif) -> np.ndarray:
    """float64 [k, 3]: the motif's ligands relative to its centre, Angstrom."""
    positions = motif.positions(structure)
    return positions[1:] - positions[0]


def measure_motif(structure: Any, motif: Motif) -> Measures | None:
    """Every measure that is defined for a motif; None for a motif without ligands."""
    ligands = relative(structure, motif)
    if not len(ligands):
        return None
    lengths = np.linalg.norm(ligands, axis=1)
    known = not motif.symbol.startswith("?") and lengths.min() > 1e-6
    zeta, delta, sigma, theta = octahedral_parameters(ligands) if motif.symbol == "O:6" else (None,) * 4
    return Measures(
        float(lengths.mean()),
        float(lengths.min()),
        float(lengths.max()),
        bond_length_distortion(ligands),
        polyhedron_volume(ligands),
        quadratic_elongation(ligands, motif.symbol) if known else None,
        bond_angle_variance(ligands, motif.symbol) if known else None,
        csm(ligands, motif.symbol) if known else None,
        zeta,
        delta,
        sigma,
        theta,
        van_vleck(ligands) if motif.symbol == "O:6" else None,
    )


def bond_length_distortion(ligands: np.ndarray) -> float:
    """Baur's index: mean |l - <l>| / <l>; 0 when all bonds are equal."""
    lengths = np.linalg.norm(ligands, axis=1)
    return float(np.abs(lengths - lengths.mean()).mean() / lengths.mean()) if lengths.mean() > 0 else 0.0


def polyhedron_volume(ligands: np.ndarray) -> float | None:
    """Volume (A^3) of the convex hull of the ligands; None for fewer than four or flat motifs."""
    points = np.asarray(ligands, dtype=float)
    if len(points) < 4:
        return None
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if spread[2] <= 0.05 * spread[0]:
        return None
    faces = points[hull_faces(points)]
    return float(abs(np.einsum("fi,fi->f", faces[:, 0], np.cross(faces[:, 1], faces[:, 2])).sum()) / 6.0)


@cache
def _ideal_volume(symbol: str) -> float | None:
    """Volume of an ideal figure whose vertices are all at distance 1; None if flat or if the distances differ."""
    points = vertices(symbol)
    if np.ptp(np.linalg.norm(points, axis=1)) > 1e-3:
        return None
    return polyhedron_volume(points)


def quadratic_elongation(ligands: np.ndarray, symbol: str) -> float | None:
    """lambda = <(l / l0)^2>, l0 the vertex distance of the ideal figure `symbol` of the same volume; 1 if regular.

    None for flat figures and those whose ideal bonds are not equal.
    """
    ideal, volume = _ideal_volume(symbol), polyhedron_volume(ligands)
    if ideal is None or volume is None:
        return None
    l0 = (volume / ideal) ** (1.0 / 3.0)
    return float((np.asarray(ligands) ** 2).sum(axis=1).mean() / l0**2)


@cache
def _edges(symbol: str) -> tuple[tuple[int, int, float], ...]:
    """Edges of an ideal figure (hull edges that are no face diagonals) and their angle at the centre, degrees."""
    points = vertices(symbol)
    faces = hull_faces(points)
    normals: dict[tuple[int, int], list[np.ndarray]] = {}
    for face in faces:
        normal = np.cross(points[face[1]] - points[face[0]], points[face[2]] - points[face[0]])
        normal /= np.linalg.norm(normal)
        for a, b in itertools.combinations(sorted(int(i) for i in face), 2):
            normals.setdefault((a, b), []).append(normal)
    out = []
    for (a, b), around in sorted(normals.items()):
        if len(around) == 2 and around[0] @ around[1] > 0.999:
            continue
        out.append((a, b, _angle(points[a], points[b])))
    return tuple(out)


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def bond_angle_variance(ligands: np.ndarray, symbol: str) -> float | None:
    """sigma^2 (degrees^2): sum over the figure's edges of (angle - ideal angle)^2, over their number less one."""
    if _ideal_volume(symbol) is None:
        return None
    edges = _edges(symbol)
    place = np.argsort(match(ligands, symbol).permutation)  # ligand on each ideal vertex
    total = sum((_angle(ligands[place[a]], ligands[place[b]]) - ideal) ** 2 for a, b, ideal in edges)
    return float(total / (len(edges) - 1))


def octahedral_parameters(ligands: np.ndarray) -> tuple[float, float, float, float]:
    """(zeta, Delta, Sigma, Theta) of an octahedron.

    zeta = sum |d - <d>| (Angstrom); Delta = mean ((d - <d>) / <d>)^2; Sigma = sum over the 12 cis angles |90 - phi|;
    Theta = sum |60 - theta| over the 24 angles between the two triangles of each pair of opposite faces, seen along the
    face normal (degrees; each pair from both sides, halved).
    """
    ligands = np.asarray(ligands, dtype=float)
    lengths = np.linalg.norm(ligands, axis=1)
    off = lengths - lengths.mean()
    place = np.argsort(match(ligands, "O:6").permutation)
    ideal = vertices("O:6")
    sigma = sum(
        abs(90.0 - _angle(ligands[place[a]], ligands[place[b]]))
        for a, b in itertools.combinations(range(6), 2)
        if abs(ideal[a] @ ideal[b]) < 0.5
    )
    theta = 0.0
    for face in itertools.combinations(range(6), 3):
        if max(abs(ideal[a] @ ideal[b]) for a, b in itertools.combinations(face, 2)) > 0.5:
            continue
        theta += _twist(ligands[place[list(face)]], ligands[place[[v for v in range(6) if v not in face]]])
    delta = float(((off / lengths.mean()) ** 2).mean())
    return float(np.abs(off).sum()), delta, float(sigma), theta / 2.0


def _twist(face: np.ndarray, opposite: np.ndarray) -> float:
    """Sum of |60 - theta| around the six directions of a face and its opposite, projected on the face's plane; the
    centre (the origin) is projected too."""
    normal = np.cross(face[1] - face[0], face[2] - face[0])
    normal /= np.linalg.norm(normal)
    points = np.concatenate([face, opposite])
    flat = points - np.outer(points @ normal, normal)
    x = flat[0] / np.linalg.norm(flat[0])
    azimuth = np.arctan2(flat @ np.cross(normal, x), flat @ x)
    order = np.argsort(azimuth)
    return float(sum(abs(60.0 - _angle(flat[a], flat[b])) for a, b in zip(order, np.roll(order, -1), strict=True)))


def van_vleck(ligands: np.ndarray) -> tuple[float, ...]:
    """(Q1, Q2, Q3, Q4, Q5, Q6) of an octahedron, Angstrom, against the regular one with the same mean bond length.

    Q1 is therefore about 0; Q2, Q3 are the Jahn-Teller coordinates (x - y, 2z - x - y), Q4 to Q6 the shears (T2g), in
    the octahedron's axes nearest to the Cartesian ones. Other authors differ in sign and by sqrt(2).
    """
    from .modes import nearest_frame

    ligands = np.asarray(ligands, dtype=float)
    figure = ideal_figure("O:6")
    rotation, vertex = nearest_frame(match(ligands, "O:6"), figure)
    regular = np.linalg.norm(ligands, axis=1).mean() * vertices("O:6")[vertex]
    off = ligands @ rotation - regular
    found: dict[tuple[str, int], float] = {}
    for c in figure.coordinates:
        if c.block != "rotation" and c.irrep in ("A1g", "Eg", "T2g"):
            found[c.irrep, c.component] = float((off * c.vectors[vertex]).sum())
    return (found["A1g", 1], found["Eg", 2], found["Eg", 1], *(found["T2g", n] for n in (1, 2, 3)))


def shortest_contact(structure: Any) -> Contact | None:
    """The two nearest atoms (in crystals with periodic images); None for a single atom without a cell."""
    from motifdesk.structures.arrays import to_arrays

    arrays = to_arrays(structure)
    if arrays.cell is None:
        if len(arrays) < 2:
            return None
        distance = np.linalg.norm(arrays.positions[None] - arrays.positions[:, None], axis=2)
        distance[np.tril_indices(len(arrays))] = np.inf
        a, b = np.unravel_index(int(np.argmin(distance)), distance.shape)
        return Contact(int(a), int(b), (0, 0, 0), float(distance[a, b]))
    neighbours = NeighbourList(arrays.cell, arrays.fractional)
    radius, sites = 3.0, np.arange(len(arrays))
    while True:
        near = neighbours.near(sites, radius, 1)
        if len(near.sites):
            k = int(np.argmin(near.squared))
            home, other = near.owner[k : k + 1], near.sites[k : k + 1]
            x, y, z = neighbours.images(home, other, near.steps[k : k + 1])[0].tolist()
            return Contact(int(home[0]), int(other[0]), (x, y, z), float(np.sqrt(near.squared[k])))
        radius *= 2.0
