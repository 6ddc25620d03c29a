"""Which ideal figure a motif resembles: the continuous symmetry measure.

S = 100 (1 - (tr Sigma)^2), with Sigma the singular values of p^T q, p and q the ligands and the matched ideal vertices,
both less the centroid *including the centre* and scaled to unit norm, which matters for 3- and 5-fold motifs: what
ChemEnv calls csm_wocs_ctwcc. (Its strategies print csm_wcs_ctwcc, which counts the centre as one more point; the two
are one where the centre is the centroid.) 0 is ideal; improper rotations are allowed, so the two hands of a figure are
one shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from .laying import Figure, Laid, lay, lay_at_once, lay_quickly, lay_thoroughly, normalised, prepare, turn
from .shape_table import ANGLES, SCRAMBLE, TABLE

# radians: figures that a quick search leaves farther behind the best than this are not searched thoroughly
_CLOSE = math.radians(6.0)


@dataclass(frozen=True)
class Match:
    """How an ideal figure lies on a motif.

    symbol, name: the figure. csm: the measure. permutation: ideal vertex of each ligand. rotation: float [3, 3],
    ``ligand ~ scale * rotation @ vertex`` up to the centroid; may be improper.
    """

    symbol: str
    name: str
    csm: float
    permutation: tuple[int, ...]
    rotation: np.ndarray


@cache
def vertices(symbol: str) -> np.ndarray:
    """float64 [k, 3]: vertices of an ideal figure, the centre at the origin, mean distance 1. KeyError if unknown."""
    points = np.array(TABLE[symbol][1], dtype=float).reshape(-1, 3)
    points /= np.linalg.norm(points, axis=1).mean()
    points.setflags(write=False)
    return points


@cache
def symbols_of(coordination: int) -> tuple[str, ...]:
    """Symbols of the figures with that many vertices."""
    return tuple(s for s, (_, points) in TABLE.items() if len(points) == 3 * coordination)


def shape_name(symbol: str) -> str:
    return TABLE[symbol][0]


@cache
def _figure(symbol: str) -> Figure:
    return prepare(vertices(symbol), math.radians(SCRAMBLE[symbol]))


def classify(ligands: np.ndarray) -> Match | None:
    """The nearest ideal figure of `ligands` float [k, 3] (Angstrom, relative to the centre); None if none is known.

    Figures are laid on the motif in the order of how well they can do at best until none left can beat the best found:
    `_bounds`, and the triangle inequality with those already laid (arccos(tr Sigma) is a distance between shapes).
    """
    ligands = np.asarray(ligands, dtype=float)
    symbols = symbols_of(len(ligands))
    if not len(ligands) or not symbols or np.einsum("ij,ij->i", ligands, ligands).min() < 1e-12:
        return None
    p = normalised(ligands)
    if len(symbols) == 1:
        return _match(ligands, p, symbols[0])
    usual = _usual(len(p))
    if usual is not None:
        at_once = lay_at_once(p, ligands, _figure(usual))
        if at_once is not None and at_once.value > _unrivalled(usual):
            return _made(usual, at_once)
    least = np.arccos(_bounds(p))  # angle that each figure is away at least
    laid: dict[int, Laid] = {}
    best, angle = -1, math.inf
    while True:
        n = int(least.argmin())
        if least[n] >= angle - 1e-9:
            break
        laid[n] = lay_quickly(p, ligands, _figure(symbols[n]))
        away = math.acos(min(1.0, laid[n].value))
        if away < angle:
            best, angle = n, away
        least = np.maximum(least, _angles(len(p))[n] - away)
        least[n] = math.inf
    chosen = laid[best]
    for n, quick in sorted(laid.items(), key=lambda item: -item[1].value):
        if not quick.certain and math.acos(min(1.0, quick.value)) < angle + _CLOSE:
            found = lay_thoroughly(p, _figure(symbols[n]), quick)
            if found.value > chosen.value + 1e-11 or n == best:
                best, chosen = n, found
    return _made(symbols[best], chosen)


@cache
def _usual(coordination: int) -> str | None:
    """The figure that most motifs of this coordination are, worth a first try."""
    return {3: "TL:3", 4: "T:4", 5: "S:5", 6: "O:6", 8: "C:8", 12: "C:12"}.get(coordination)


@cache
def _unrivalled(symbol: str) -> float:
    """Of a larger tr Sigma no other figure can be nearer: half way to the nearest."""
    symbols = symbols_of(len(vertices(symbol)))
    n = symbols.index(symbol)
    return math.cos(0.5 * float(np.delete(_angles(len(vertices(symbol)))[n], n).min()))


@cache
def _angles(coordination: int) -> np.ndarray:
    """float [figures, figures]: lower bounds of the angles between figures, radians."""
    count = len(symbols_of(coordination))
    out = np.zeros((count, count))
    out[np.triu_indices(count, 1)] = np.radians(ANGLES[coordination])
    return out + out.T


def _bounds(p: np.ndarray) -> np.ndarray:
    """Upper bounds float [figures] of t = tr Sigma.

    von Neumann: the sum of singular values of p^T q is at most that of the products of their own. And where p and q are
    aligned, e = p - q and a = p + q have a symmetric p^T q, so that
    2 |p p^T - q q^T|^2 = |a e^T|^2 + |p^T p - q^T q|^2 <= (|p|_2 + |q|_2)^2 (2 - 2 t) + h, with h from the squared
    singular values paired in opposite order; and the left side is no less than matching each sorted row of the one Gram
    matrix with its nearest in the other.
    """
    rows, widths = _invariants(p)
    ideal = _ideals(len(p))
    apart = ideal.norms + np.einsum("ij,ij->i", rows, rows) - 2.0 * (ideal.rows @ rows.T)
    squared = np.maximum(apart.min(axis=1).sum(axis=1), apart.min(axis=2).sum(axis=1))
    h = ideal.widths2 + widths @ widths - 2.0 * (ideal.widths @ widths[::-1])
    own = np.sqrt(widths)
    gram = 1.0 - np.maximum(squared, 2.0 * squared - h) / (2.0 * (ideal.roots[:, 2] + own[2]) ** 2)
    return np.minimum(np.minimum(gram, ideal.roots @ own), 1.0)


def _invariants(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of normalised points [k, 3]: rows of the Gram matrix, squared length first and the others sorted, float [k, k],
    and the squared singular values, ascending [3]."""
    rows = (p @ p.T)[_others(len(p))]
    rows[:, 1:].sort(axis=1)
    return rows, np.maximum(np.linalg.eigvalsh(p.T @ p), 0.0)


@cache
def _others(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Index of a square matrix with the diagonal moved to the first column."""
    columns = np.array([[i, *(j for j in range(k) if j != i)] for i in range(k)])
    return np.arange(k)[:, None], columns


@dataclass(frozen=True)
class _Ideals:
    """Invariants of all figures: rows [m, k, k], their squared norms [m, k, 1], widths [m, 3], the roots of these, and
    the squared norms of the widths [m]."""

    rows: np.ndarray
    norms: np.ndarray
    widths: np.ndarray
    roots: np.ndarray
    widths2: np.ndarray


@cache
def _ideals(coordination: int) -> _Ideals:
    found = [_invariants(normalised(vertices(s))) for s in symbols_of(coordination)]
    rows, widths = (np.array(x) for x in zip(*found, strict=True))
    return _Ideals(rows, (rows**2).sum(axis=2, keepdims=True), widths, np.sqrt(widths), (widths**2).sum(axis=1))


def csm(ligands: np.ndarray, symbol: str) -> float:
    """Continuous symmetry measure of `ligands` float [k, 3], relative to the centre, against one figure ("O:6")."""
    return match(ligands, symbol).csm


def match(ligands: np.ndarray, symbol: str) -> Match:
    """Lay the figure `symbol` on `ligands` float [k, 3] as well as possible. ValueError: wrong number of ligands."""
    ligands = np.asarray(ligands, dtype=float)
    if ligands.shape != vertices(symbol).shape:
        raise ValueError(f"{symbol} has {len(vertices(symbol))} vertices, the motif {len(ligands)} ligands")
    return _match(ligands, normalised(ligands), symbol)


def _match(ligands: np.ndarray, p: np.ndarray, symbol: str) -> Match:
    if len(p) == 1:
        return Match(symbol, shape_name(symbol), 0.0, (0,), turn(vertices(symbol)[0], ligands[0]))
    return _made(symbol, lay(p, ligands, _figure(symbol)))


def _made(symbol: str, laid: Laid) -> Match:
    turned = laid.rotation
    if _figure(symbol).flat and np.linalg.det(turned) < 0:
        # the axis across a flat figure is free: take the proper rotation
        turned = turned @ _across(symbol)
    measure = max(0.0, 100.0 * (1.0 - min(laid.value, 1.0) ** 2))
    return Match(symbol, shape_name(symbol), measure, tuple(laid.perm.tolist()), turned)


@cache
def _across(symbol: str) -> np.ndarray:
    """The mirror in the plane of a flat figure, float [3, 3]; of a line, in a plane that holds it."""
    normal = np.linalg.svd(_figure(symbol).q)[2][2]
    return np.eye(3) - 2.0 * np.outer(normal, normal)
