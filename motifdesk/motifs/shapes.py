"""Which ideal figure a motif resembles: the continuous symmetry measure.

S = 100 (1 - (tr Sigma)^2), with Sigma the singular values of p^T q, p and q the ligands and the matched ideal vertices,
both less the centroid *including the centre* and scaled to unit norm: ChemEnv's default convention, which matters for
3- and 5-fold motifs. 0 is ideal; improper rotations are allowed, so the two hands of a figure are one shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from .shape_table import SEPARATION, TABLE

# starts that are assigned, and how many of the best are refined
_STARTS, _REFINED = 32, 4
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


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


def _normalised(ligands: np.ndarray) -> np.ndarray:
    """Ligands [k, 3] relative to the centre -> less the centroid including the centre, unit norm."""
    p = ligands - ligands.sum(axis=0) / (len(ligands) + 1)
    return p / np.sqrt((p * p).sum())


def classify(ligands: np.ndarray) -> Match | None:
    """The nearest ideal figure of `ligands` float [k, 3] (Angstrom, relative to the centre); None if none is known.

    Figures are tried in the order of how well their sorted Gram matrices agree. arccos(tr Sigma) is a distance between
    shapes, so a figure nearer than half way to its nearest neighbour among the figures needs no rival.
    """
    ligands = np.asarray(ligands, dtype=float)
    if not len(ligands) or not symbols_of(len(ligands)) or np.linalg.norm(ligands, axis=1).min() < 1e-6:
        return None
    p = _normalised(ligands)
    mine, spread = _invariants(p)
    candidates = []
    for symbol in symbols_of(len(ligands)):
        gram, widths = _ideal_invariants(symbol)
        candidates.append((float(((gram - mine) ** 2).sum()), float(min(1.0, widths @ spread)), symbol))
    best: Match | None = None
    for _, bound, symbol in sorted(candidates):
        # von Neumann: the sum of singular values of p^T q is at most that of their paired singular values
        if best is not None and 100.0 * (1.0 - bound**2) > best.csm:
            continue
        found = match(ligands, symbol)
        if best is None or found.csm < best.csm - 1e-9:
            best = found
        if math.asin(math.sqrt(min(best.csm, 100.0)) / 10.0) < 0.5 * math.radians(SEPARATION.get(best.symbol, 0.0)):
            break
    return best


def _invariants(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted entries of the Gram matrix, and the three singular values, of normalised points."""
    return np.sort(p @ p.T, axis=None), np.sqrt(np.maximum(np.linalg.eigvalsh(p.T @ p), 0.0))


@cache
def _ideal_invariants(symbol: str) -> tuple[np.ndarray, np.ndarray]:
    return _invariants(_normalised(vertices(symbol)))


def csm(ligands: np.ndarray, symbol: str) -> float:
    """Continuous symmetry measure of `ligands` float [k, 3], relative to the centre, against one figure ("O:6")."""
    return match(ligands, symbol).csm


def match(ligands: np.ndarray, symbol: str) -> Match:
    """Lay the figure `symbol` on `ligands` float [k, 3] as well as possible. ValueError: wrong number of ligands."""
    ligands = np.asarray(ligands, dtype=float)
    ideal = vertices(symbol)
    if ligands.shape != ideal.shape:
        raise ValueError(f"{symbol} has {len(ideal)} vertices, the motif {len(ligands)} ligands")
    p, q = _normalised(ligands), _normalised(ideal)
    k = len(p)
    if k == 1:
        return Match(symbol, shape_name(symbol), 0.0, (0,), _turn(ideal[0], ligands[0]))
    perm, value = _permutation(ligands, ideal, p, q)
    u, _, vt = np.linalg.svd(p.T @ q[perm])
    rotation = u @ vt
    if _flat(symbol) and np.linalg.det(rotation) < 0:
        # flat figures: the axis across is free, take the proper rotation
        rotation = u @ np.diag([1.0, 1.0, -1.0]) @ vt
    measure = max(0.0, 100.0 * (1.0 - min(value, 1.0) ** 2))
    return Match(symbol, shape_name(symbol), measure, tuple(int(i) for i in perm), rotation)


@cache
def _flat(symbol: str) -> bool:
    """Whether a figure with its centre lies in a plane."""
    return bool(np.linalg.matrix_rank(_normalised(vertices(symbol)), tol=1e-6) < 3)


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _frames(b[None], _across(b)[None])[0] @ _frames(a[None], _across(a)[None])[0].T


def _across(a: np.ndarray) -> np.ndarray:
    return np.eye(3)[int(np.argmin(np.abs(a)))]


def _frames(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Right-handed frames [..., 3, 3] (columns) with x along a and y in the half plane of b."""
    x = a / np.linalg.norm(a, axis=-1, keepdims=True)
    y = b - (b * x).sum(-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    z = x[..., _NEXT] * y[..., _LAST] - x[..., _LAST] * y[..., _NEXT]  # np.cross is slow on few rows
    return np.stack([x, y, z], axis=-1)


@cache
def _ideal_frames(symbol_points: bytes, k: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Frames on ordered pairs of not collinear vertices, one of each set that the figure's rotations make equivalent;
    the cosine between the two vertices; whether the figure is its own mirror image."""
    ideal = np.frombuffer(symbol_points).reshape(k, 3)
    unit = ideal / np.linalg.norm(ideal, axis=1, keepdims=True)
    i, j = (x.ravel() for x in np.meshgrid(np.arange(k), np.arange(k), indexing="ij"))
    cosine = (unit[i] * unit[j]).sum(1)
    keep = (i != j) & (np.abs(cosine) < 0.98)
    frames = _frames(ideal[i[keep]], ideal[j[keep]])
    if not len(frames):
        return frames, cosine[keep], True
    cosine = cosine[keep]
    # pairs in one half plane have one frame, but not one angle
    keys = [(_signature(ideal @ frame), round(float(c), 3)) for frame, c in zip(frames, cosine, strict=True)]
    chosen = sorted({key: n for n, key in reversed(list(enumerate(keys)))}.values())
    mirrored = _signature(ideal @ frames[0] @ np.diag([1.0, 1.0, -1.0]))
    return frames[chosen], cosine[chosen], any(signature == mirrored for signature, _ in keys)


def _signature(points: np.ndarray) -> bytes:
    """The same for the same set of points in any order."""
    rounded = np.round(points, 3) + 0.0
    return rounded[np.lexsort(rounded.T)].tobytes()


def _permutation(ligands: np.ndarray, ideal: np.ndarray, p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, float]:
    """Ideal vertex of each ligand that maximises the sum of singular values of p^T q, and that sum.

    Starts: the frame of one or two ligand pairs laid on every similar pair of ideal vertices; the best starts are
    refined by turns of assignment (Hungarian) and rotation (Kabsch) until nothing changes.
    """
    from scipy.linalg.lapack import dgesdd
    from scipy.optimize import linear_sum_assignment

    k = len(p)
    unit = ligands / np.linalg.norm(ligands, axis=1, keepdims=True)
    frames, cosine, achiral = _ideal_frames(ideal.tobytes(), k)
    turns = []
    if len(frames):
        across = np.abs(unit @ unit.T)
        np.fill_diagonal(across, 2.0)
        for a in (0, k // 2) if k > 3 else range(k):
            b = int(np.argmin(across[a]))
            if across[a, b] > 0.99:
                continue
            near = np.abs(cosine - unit[a] @ unit[b]) < 0.55
            turns.append(_frames(ligands[a], ligands[b]) @ np.swapaxes(frames[near], 1, 2))
    rotations = np.concatenate(turns) if turns else np.zeros((0, 3, 3))
    if not len(rotations):  # collinear figures, or a motif unlike any
        rotations = np.stack([_turn(v, ligands[0]) for v in ideal])
    if not achiral:
        rotations = np.concatenate([rotations, rotations @ np.diag([1.0, 1.0, -1.0])])
    overlap = (p @ rotations) @ q.T
    bound = np.minimum(overlap.max(axis=2).sum(axis=1), overlap.max(axis=1).sum(axis=1))
    order = np.argsort(-bound, kind="stable")
    starts: dict[bytes, np.ndarray] = {}
    for n in order[:_STARTS]:
        perm = linear_sum_assignment(overlap[n], maximize=True)[1]
        starts.setdefault(perm.tobytes(), perm)
    perms = np.array(list(starts.values()))
    values = np.linalg.svd(p.T @ q[perms], compute_uv=False).sum(axis=1)
    best, best_value = perms[0], -1.0
    for n in np.argsort(-values, kind="stable")[:_REFINED]:
        perm, value = perms[n], -1.0
        for _ in range(20):
            u, s, vt, _info = dgesdd(p.T @ q[perm])
            if s.sum() <= value + 1e-12:
                break
            value = float(s.sum())
            if value > best_value + 1e-12:
                best, best_value = perm, value
            perm = linear_sum_assignment(p @ (u @ vt) @ q.T, maximize=True)[1]
        if 1.0 - best_value < 1e-9:
            break
    return best, best_value
