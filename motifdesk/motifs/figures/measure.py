"""How distorted a motif is: bond lengths, angles, volume, van Vleck amplitudes.

Every function takes `ligands`, float [k, 3]: ligand positions relative to the centre, Angstrom (`relative` makes them).
References: W. H. Baur, Acta Cryst. B30, 1195 (1974), bond-length distortion; K. Robinson, G. V. Gibbs, P. H. Ribbe,
Science 172, 567 (1971), quadratic elongation and bond-angle variance; R. Ketkaew et al., Dalton Trans. 50, 1086 (2021),
zeta, Delta, Sigma, Theta of octahedra.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..detection.neighbours import NeighbourList
from ..hierarchy.graph import Motif, hull_faces
from ..symmetry.irreps import ideal_figure
from .shapes import Match, csm, match, vertices

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
    csm: 0 to 100. zeta: sum |l - <l>|, Angstrom. delta: mean ((l - <l>) / <l>)^2. sigma: sum over the figure's edges of
    |angle - ideal angle|, degrees. These and the first three for any coordination; elongation, variance and sigma where
    the ideal figure's bonds are equal; the following for octahedra alone. theta: degrees. q: van Vleck's Q1 to Q6,
    Angstrom.
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
    """Every measure that is defined for a motif; None for a motif without ligands. About 0.5 ms."""
    ligands = relative(structure, motif)
    if not len(ligands):
        return None
    lengths = np.linalg.norm(ligands, axis=1)
    known = not motif.symbol.startswith("?") and lengths.min() > 1e-6
    laid = match(ligands, motif.symbol) if known else None
    volume = polyhedron_volume(ligands)
    octahedron = laid is not None and laid.symbol == "O:6"
    return Measures(
        float(lengths.mean()),
        float(lengths.min()),
        float(lengths.max()),
        _baur(lengths),
        volume,
        _elongation(lengths, motif.symbol, volume) if known else None,
        _angle_variance(ligands, laid) if laid is not None else None,
        laid.csm if laid is not None else None,
        _zeta(lengths),
        _delta(lengths),
        _sigma(ligands, laid) if laid is not None else None,
        _theta(ligands, laid) if laid is not None and octahedron else None,
        _van_vleck(ligands, laid) if laid is not None and octahedron else None,
    )


def bond_length_distortion(ligands: np.ndarray) -> float:
    """Baur's index: mean |l - <l>| / <l>; 0 when all bonds are equal."""
    return _baur(np.linalg.norm(ligands, axis=1))


def _baur(lengths: np.ndarray) -> float:
    mean = lengths.mean()
    return float(np.abs(lengths - mean).mean() / mean) if mean > 0 else 0.0


def _zeta(lengths: np.ndarray) -> float:
    return float(np.abs(lengths - lengths.mean()).sum())


def _delta(lengths: np.ndarray) -> float:
    mean = lengths.mean()
    return float((((lengths - mean) / mean) ** 2).mean()) if mean > 0 else 0.0


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
    return polyhedron_volume(vertices(symbol)) if _equal_bonds(symbol) else None


def quadratic_elongation(ligands: np.ndarray, symbol: str) -> float | None:
    """lambda = <(l / l0)^2>, l0 the vertex distance of the ideal figure `symbol` of the same volume; 1 if regular.

    None for flat figures and those whose ideal bonds are not equal.
    """
    return _elongation(np.linalg.norm(ligands, axis=1), symbol, polyhedron_volume(ligands))


def _elongation(lengths: np.ndarray, symbol: str, volume: float | None) -> float | None:
    ideal = _ideal_volume(symbol)
    if ideal is None or volume is None:
        return None
    l0 = (volume / ideal) ** (1.0 / 3.0)
    return float((lengths**2).mean() / l0**2)


@cache
def _edges(symbol: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of an ideal figure (hull edges that are no face diagonals): their two vertices int64 [E] each, and their
    angle at the centre, degrees [E]. A flat figure's edges are its outline."""
    points = vertices(symbol)
    normals: dict[tuple[int, int], list[np.ndarray]] = {}
    for face in hull_faces(points):
        normal = np.cross(points[face[1]] - points[face[0]], points[face[2]] - points[face[0]])
        normal /= np.linalg.norm(normal)
        for a, b in itertools.combinations(sorted(int(i) for i in face), 2):
            normals.setdefault((a, b), []).append(normal)
    kept = [
        pair
        for pair, around in sorted(normals.items())
        if not (len(around) == 2 and around[0] @ around[1] > 0.999) and len(around) < 4
    ]
    pairs = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], _angles(points[pairs[:, 0]], points[pairs[:, 1]])


def _angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles between the rows of a and b [..., 3], degrees."""
    cosine = (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _edge_errors(ligands: np.ndarray, laid: Match) -> np.ndarray | None:
    """Angle of each edge less that of the ideal figure, degrees; None where the ideal bonds are not equal."""
    if not _equal_bonds(laid.symbol):
        return None
    a, b, ideal = _edges(laid.symbol)
    turned = ligands[np.argsort(laid.permutation)]  # the ligand on each ideal vertex
    return _angles(turned[a], turned[b]) - ideal


@cache
def _equal_bonds(symbol: str) -> bool:
    return bool(np.ptp(np.linalg.norm(vertices(symbol), axis=1)) <= 1e-3)


def bond_angle_variance(ligands: np.ndarray, symbol: str) -> float | None:
    """sigma^2 (degrees^2): sum over the figure's edges of (angle - ideal angle)^2, over their number less one."""
    ligands = np.asarray(ligands, dtype=float)
    return _angle_variance(ligands, match(ligands, symbol))


def _angle_variance(ligands: np.ndarray, laid: Match) -> float | None:
    errors = _edge_errors(ligands, laid)
    if errors is None or len(errors) < 2:
        return None
    return float((errors**2).sum() / (len(errors) - 1))


def _sigma(ligands: np.ndarray, laid: Match) -> float | None:
    errors = _edge_errors(ligands, laid)
    return None if errors is None or not len(errors) else float(np.abs(errors).sum())


def octahedral_parameters(ligands: np.ndarray) -> tuple[float, float, float, float]:
    """(zeta, Delta, Sigma, Theta) of an octahedron.

    zeta = sum |d - <d>| (Angstrom); Delta = mean ((d - <d>) / <d>)^2; Sigma = sum over the 12 cis angles |90 - phi|;
    Theta = sum |60 - theta| over the 24 angles between the two triangles of each pair of opposite faces, seen along the
    face normal (degrees; each pair from both sides, halved).
    """
    ligands = np.asarray(ligands, dtype=float)
    lengths, laid = np.linalg.norm(ligands, axis=1), match(ligands, "O:6")
    sigma = _sigma(ligands, laid)
    assert sigma is not None
    return _zeta(lengths), _delta(lengths), sigma, _theta(ligands, laid)


@cache
def _octahedron_faces() -> np.ndarray:
    """int64 [8, 6]: vertices of each face and of the opposite one."""
    ideal = vertices("O:6")
    faces = []
    for face in itertools.combinations(range(6), 3):
        if max(abs(ideal[a] @ ideal[b]) for a, b in itertools.combinations(face, 2)) < 0.5:
            faces.append([*face, *(v for v in range(6) if v not in face)])
    return np.array(faces)


def _theta(ligands: np.ndarray, laid: Match) -> float:
    """The six directions of every face and its opposite, projected with the centre on the face's plane."""
    points = ligands[np.argsort(laid.permutation)][_octahedron_faces()]
    a, b = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    normal = np.cross(a, b)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    flat = points - (points @ normal[:, :, None]) * normal[:, None]
    x = flat[:, 0] / np.linalg.norm(flat[:, 0], axis=1, keepdims=True)
    y = np.cross(normal, x)
    azimuth = np.arctan2((flat @ y[:, :, None])[..., 0], (flat @ x[:, :, None])[..., 0])
    around = np.take_along_axis(flat, np.argsort(azimuth, axis=1)[..., None], axis=1)
    return float(np.abs(60.0 - _angles(around, np.roll(around, -1, axis=1))).sum() / 2.0)


def van_vleck(ligands: np.ndarray) -> tuple[float, ...]:
    """(Q1, Q2, Q3, Q4, Q5, Q6) of an octahedron, Angstrom, against the regular one with the same mean bond length.

    Q1 is therefore about 0; Q2, Q3 are the Jahn-Teller coordinates (x - y, 2z - x - y), Q4 to Q6 the shears (T2g), in
    the octahedron's axes nearest to the Cartesian ones. Other authors differ in sign and by sqrt(2).
    """
    ligands = np.asarray(ligands, dtype=float)
    return _van_vleck(ligands, match(ligands, "O:6"))


def _van_vleck(ligands: np.ndarray, laid: Match) -> tuple[float, ...]:
    from ..symmetry.modes import nearest_frame

    figure = ideal_figure("O:6")
    rotation, vertex = nearest_frame(laid, figure)
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
