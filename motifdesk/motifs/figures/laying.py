"""Lay one set of points on another: the permutation and rotation that bring them closest.

For normalised point sets p and q the agreement of a permutation P is the sum of the singular values of p^T P q (the
best rotation, improper ones included); its arccos is an angle between shapes. Starts come from laying one pair of p's
points on every similar pair of q's vertices; each start is refined by turns of assignment (Hungarian) and rotation
(Kabsch) until nothing changes.

When is the best found for certain? If P is found at the angle d and a better P' existed that is no symmetry of q, then
q and its scrambled self were less than 2 d apart. `shape_table.SCRAMBLE` bounds that angle from below, so half of it
ends the search: the first start does for all but badly misshapen motifs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

# a larger sum of singular values (an angle below 12 degrees) that the starts of two pairs agree on is taken for the
# best: in 1,768 motifs, real and distorted figures, a thorough search found nothing better
_AGREED = math.cos(math.radians(12.0))
_QUICK = 2  # starts of each pair that a quick search refines
_STARTS, _REFINED = 20, 4  # starts of each pair that are assigned, and how many of the best are refined
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


@dataclass(frozen=True)
class Figure:
    """An ideal figure made ready to be laid on motifs.

    points: float [k, 3], the vertices around the centre. q: the same less the centroid including the centre, unit norm.
    frames: float [n, 3, 3], transposed frames on ordered pairs of not collinear vertices, one of each set that the
    figure's rotations make equivalent; cosine: float [n], between the two. achiral: whether it is its own mirror image.
    flat: with its centre it lies in a plane. sure: a larger sum of singular values is the largest there is, see above.
    """

    points: np.ndarray
    q: np.ndarray
    frames: np.ndarray
    cosine: np.ndarray
    achiral: bool
    flat: bool
    sure: float


def normalised(points: np.ndarray) -> np.ndarray:
    """Points [k, 3] relative to the centre -> less the centroid including the centre, unit norm."""
    p = points - points.sum(axis=0) / (len(points) + 1)
    return p / math.sqrt(float(np.vdot(p, p)))


def prepare(points: np.ndarray, scramble: float) -> Figure:
    """A `Figure` of vertices float [k, 3] around the centre at the origin. scramble: radians."""
    q, k = normalised(points), len(points)
    sure = math.cos(0.5 * scramble) if scramble < math.pi - 1e-9 else -1.0
    flat = bool(np.linalg.eigvalsh(q.T @ q)[0] < 1e-12)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = unit @ unit.T
    i, j = np.nonzero((np.abs(cosines) < 0.98) & ~np.eye(k, dtype=bool))
    cosine, frames = cosines[i, j], _frames(points[i], points[j])
    if not len(frames):
        return Figure(points, q, frames, cosine, True, flat, sure)
    views = points @ frames
    keys = _signatures(views)
    mirrored = _signatures(views[:1] * np.array([1.0, 1.0, -1.0]))
    achiral = bool((keys == mirrored).all(axis=1).any())
    # pairs in one half plane have one frame, but not one angle
    rounded = np.rint(1e3 * cosine).tolist()
    chosen = list(
        {(key.tobytes(), c): n for n, (key, c) in reversed(list(enumerate(zip(keys, rounded, strict=True))))}.values()
    )
    turned = np.ascontiguousarray(np.swapaxes(frames[sorted(chosen)], 1, 2))
    return Figure(points, q, turned, cosine[sorted(chosen)], achiral, flat, sure)


@dataclass(frozen=True)
class Laid:
    """perm: vertex of the figure for each point, int64 [k]. value: the sum of singular values. rotation: float [3, 3],
    p ~ q[perm] @ rotation.T, may be improper. certain: no thorough search is needed. starts: overlaps float [n, k, k],
    for a thorough search."""

    perm: np.ndarray
    value: float
    rotation: np.ndarray
    certain: bool
    starts: list[np.ndarray]


def lay(p: np.ndarray, points: np.ndarray, figure: Figure) -> Laid:
    """`figure` on the points (float [k, 3], p the same normalised) with the largest sum of singular values."""
    quick = lay_quickly(p, points, figure)
    return quick if quick.certain else lay_thoroughly(p, figure, quick)


def lay_at_once(p: np.ndarray, points: np.ndarray, figure: Figure) -> Laid | None:
    """The single likeliest start, when it gives the best for certain; else None."""
    for rotations in _starts(points, figure):
        overlap = (p @ rotations) @ figure.q.T
        n = int(overlap.max(axis=2).sum(axis=1).argmax())
        found = _refined(p, figure.q, _assigned(overlap[n]))
        return Laid(*found, True, []) if found[1] > figure.sure else None
    return None


def lay_quickly(p: np.ndarray, points: np.ndarray, figure: Figure) -> Laid:
    """The best of a few starts."""
    best, seen, tried, ends = _NOTHING, set(), [], []
    for rotations in _starts(points, figure):
        end = -1.0
        overlap = (p @ rotations) @ figure.q.T
        bound = np.minimum(overlap.max(axis=2).sum(axis=1), overlap.max(axis=1).sum(axis=1))
        order = (-bound).argsort(kind="stable")[:_STARTS]
        for n in order[:_QUICK].tolist():
            start = _assigned(overlap[n])
            key = start.tobytes()
            if key in seen:
                continue
            seen.add(key)
            found = _refined(p, figure.q, start)
            end = max(end, found[1])
            best = max(best, found, key=_value)
            if best[1] > figure.sure:
                return Laid(*best, True, [])
        tried.append(overlap[order])
        ends.append(end)
    agreed = len(ends) == 2 and abs(ends[0] - ends[1]) < 1e-9 and best[1] > _AGREED
    return Laid(*best, agreed, tried)


def lay_thoroughly(p: np.ndarray, figure: Figure, quick: Laid) -> Laid:
    """The best of all starts of a quick search."""
    starts = np.concatenate(quick.starts)
    nearest = starts.argmax(axis=2)
    whole = (np.sort(nearest, axis=1) == np.arange(len(p))).all(axis=1)
    solve = _solvers()[1]
    perms: dict[bytes, np.ndarray] = {}
    for n, done in enumerate(whole.tolist()):
        perm = nearest[n] if done else solve(starts[n], True)[1]
        perms.setdefault(perm.tobytes(), perm)
    every = np.array(list(perms.values()))
    values = np.linalg.svd(p.T @ figure.q[every], compute_uv=False).sum(axis=1)
    best = quick.perm, quick.value, quick.rotation
    for n in (-values).argsort(kind="stable")[:_REFINED]:
        found = _refined(p, figure.q, every[n])
        if found[1] > best[1] + 1e-12:
            best = found
        if best[1] > figure.sure:
            break
    return Laid(*best, best[1] > figure.sure, [])


_Found = tuple[np.ndarray, float, np.ndarray]
_NOTHING: _Found = np.zeros(0, dtype=np.int64), -1.0, np.eye(3)


def _value(found: _Found) -> float:
    return found[1]


@cache
def _solvers() -> tuple[Callable, Callable]:
    """LAPACK's SVD and the Hungarian algorithm, without the checks of their front doors."""
    from scipy.linalg.lapack import dgesdd
    from scipy.optimize import linear_sum_assignment

    return dgesdd, linear_sum_assignment


def _refined(p: np.ndarray, q: np.ndarray, perm: np.ndarray) -> _Found:
    """Turns of rotation and assignment until nothing changes."""
    svd = _solvers()[0]
    best, value, turned = perm, -1.0, _NOTHING[2]
    for _ in range(20):
        u, s, vt, _info = svd(p.T @ q[perm])
        total = float(s[0] + s[1] + s[2])
        if total <= value + 1e-12:
            break
        best, value, turned = perm, total, u @ vt
        perm = _assigned(p @ turned @ q.T)
        if perm.tobytes() == best.tobytes():
            break
    return best, value, turned


def _assigned(overlap: np.ndarray) -> np.ndarray:
    """The assignment int64 [k] of rows to columns with the largest sum."""
    nearest = overlap.argmax(axis=1)
    if len(set(nearest.tolist())) == len(nearest):  # every row's own best: nothing can be better
        return nearest
    return _solvers()[1](overlap, True)[1]


def _starts(points: np.ndarray, figure: Figure) -> Iterator[np.ndarray]:
    """Rotations float [n, 3, 3] that lay a vertex pair of the figure on a pair of the points, pair by pair."""
    k, found = len(points), False
    if len(figure.frames):
        unit = points / np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
        cosines = unit @ unit.T
        for a in (0, k // 2) if k > 3 else range(k):
            across = np.abs(cosines[a])
            across[a] = 2.0
            b = int(across.argmin())
            if across[b] > 0.99:
                continue
            near = np.abs(figure.cosine - cosines[a, b]) < 0.55
            if near.any():
                found = True
                yield _handed(frame(points[a], points[b]) @ figure.frames[near], figure.achiral)
    if not found:  # collinear figures, or a motif unlike any
        yield _handed(np.stack([turn(v, points[0]) for v in figure.points]), figure.achiral)


def _handed(rotations: np.ndarray, achiral: bool) -> np.ndarray:
    if achiral:
        return rotations
    return np.concatenate([rotations, rotations @ np.diag([1.0, 1.0, -1.0])])


def frame(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Right-handed frame [3, 3] (columns) with x along a and y in the half plane of b, which must not be along a."""
    ax, ay, az = (a / math.sqrt(float(a @ a))).tolist()
    bx, by, bz = b.tolist()
    along = ax * bx + ay * by + az * bz
    bx, by, bz = bx - along * ax, by - along * ay, bz - along * az
    length = math.sqrt(bx * bx + by * by + bz * bz)
    bx, by, bz = bx / length, by / length, bz / length
    return np.array([[ax, bx, ay * bz - az * by], [ay, by, az * bx - ax * bz], [az, bz, ax * by - ay * bx]])


def turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A rotation that takes the direction of a to that of b."""
    return frame(b, _across(b)) @ frame(a, _across(a)).T


def _across(a: np.ndarray) -> np.ndarray:
    return np.eye(3)[int(np.argmin(np.abs(a)))]


def _frames(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x = a / np.linalg.norm(a, axis=-1, keepdims=True)
    y = b - (b * x).sum(-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    z = x[..., _NEXT] * y[..., _LAST] - x[..., _LAST] * y[..., _NEXT]
    return np.stack([x, y, z], axis=-1)


def _signatures(points: np.ndarray) -> np.ndarray:
    """int64 [n, k]: the same for the same set of points [n, k, 3] in any order."""
    whole = np.rint(1e3 * points).astype(np.int64) + 10_000
    return np.sort((whole[..., 0] * 20_001 + whole[..., 1]) * 20_001 + whole[..., 2], axis=1)
