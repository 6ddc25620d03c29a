"""A basis of an irrep along directions of high symmetry, the same for every copy of the irrep.

A direction of the order parameter is special when some operations leave it alone: its isotropy subgroup. The basis is
made of directions that are each kept by as many operations as can be, chosen by which operations those are and never
by coordinates, so that two copies of one irrep (on other atoms, in another setting) get partners that transform alike.
"""

from __future__ import annotations

import numpy as np

_NEAR = 1e-6
_MOST = 400  # subspaces followed; larger order parameters keep what was found until then
# a symmetric tensor without symmetry: prefers z, then x, then y, then domains by the sign of their shear
_PROBE = np.array([[0.0, 0.05, 0.11], [0.05, 0.3, 0.17], [0.11, 0.17, 1.0]])


def special_directions(matrices: np.ndarray) -> np.ndarray:
    """float64 [n, d]: the unit vectors, up to sign, that are the only ones some subgroup leaves alone.

    matrices: float64 [G, d, d], orthogonal, a group (repeats are allowed).
    """
    d = matrices.shape[1]
    if d == 1:
        return np.ones((1, 1))
    spaces = _fixed(matrices)
    lines = {key: p for key, p in spaces.items() if round(np.trace(p)) == 1}
    wide = sorted((p for p in spaces.values() if round(np.trace(p)) > 1), key=np.trace)
    seen = set(spaces)
    front = wide  # narrow spaces first: they are nearest to lines
    while front and len(seen) < _MOST:
        fresh = []
        for p in front:
            for key, q in _meet(p, np.array(wide)).items():
                if key in seen or len(seen) >= _MOST:
                    continue
                seen.add(key)
                if round(np.trace(q)) == 1:
                    lines[key] = q
                else:
                    fresh.append(q)
        front = sorted(fresh, key=np.trace)
        wide = sorted(wide + fresh, key=np.trace)
    out = [p[:, int(np.argmax(np.diag(p)))] for p in lines.values()]
    return np.array([v / np.linalg.norm(v) for v in out]).reshape(-1, d)


def _fixed(matrices: np.ndarray) -> dict[bytes, np.ndarray]:
    """Projectors on the fixed spaces of single elements, distinct ones, leaving out nothing and everything."""
    values, vectors = np.linalg.eigh((matrices + matrices.transpose(0, 2, 1)) / 2)
    kept = vectors * (values > 1 - _NEAR)[:, None, :]
    projectors = kept @ kept.transpose(0, 2, 1)
    return _distinct(projectors)


def _meet(p: np.ndarray, others: np.ndarray) -> dict[bytes, np.ndarray]:
    values, vectors = np.linalg.eigh(p[None] + others)
    kept = vectors * (values > 2 - _NEAR)[:, None, :]
    return _distinct(kept @ kept.transpose(0, 2, 1))


def _distinct(projectors: np.ndarray) -> dict[bytes, np.ndarray]:
    d = projectors.shape[1]
    out: dict[bytes, np.ndarray] = {}
    for p in projectors:
        rank = round(float(np.trace(p)))
        if 0 < rank < d:
            out.setdefault((np.round(p, 4) + 0.0).tobytes(), p)
    return out


def keepers(matrices: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """bool [G]: which elements leave a vector [d] alone."""
    return np.abs(matrices @ vector - vector).max(axis=1) < 10 * _NEAR


def aligned(matrices: np.ndarray, turns: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """float64 [d, d], columns: an orthonormal basis of high-symmetry directions.

    matrices: float64 [G, d, d], the irrep. turns: float64 [G, 3, 3], the rotations behind them in standard axes, for
    the choice among equivalent directions. probe: float64 [d, d], symmetric, decides where symmetry leaves a choice.
    """
    d = matrices.shape[1]
    if d == 1:
        return np.ones((1, 1))
    candidates = special_directions(matrices)
    chosen: list[np.ndarray] = []
    ranks = [_rank(matrices, turns, v) for v in candidates]
    order = sorted(range(len(candidates)), key=lambda n: ranks[n])
    for n in order:
        v = candidates[n]
        if all(abs(v @ w) < 1e-4 for w in chosen):
            chosen.append(v)
    basis: np.ndarray = np.array(chosen).reshape(-1, d).T
    while basis.shape[1] < d:
        basis = np.column_stack([basis, _next(matrices, turns, probe, basis)])
    u, _, vt = np.linalg.svd(basis)
    basis = u @ vt  # directions are found to about 1e-9
    for c in range(1, d):  # the sign of each partner follows from the first one
        shares = basis[:, c] @ matrices @ basis[:, 0]
        linked = np.flatnonzero(np.abs(shares) > 1e-3)
        if len(linked) and shares[linked[0]] < 0:
            basis[:, c] *= -1
    return basis


def _next(matrices: np.ndarray, turns: np.ndarray, probe: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The best vector across those chosen: special within what is left, else decided by the probe."""
    d = matrices.shape[1]
    u, _, _ = np.linalg.svd(basis, full_matrices=True) if basis.shape[1] else (np.eye(d), None, None)
    left = u[:, basis.shape[1] :]
    if left.shape[1] == 1:
        return left[:, 0]
    across = np.eye(d) - basis @ basis.T
    inside = _meet(across, np.array(list(_fixed(matrices).values()) or [np.zeros((d, d))]))
    best: tuple | None = None
    for p in inside.values():
        values, vectors = np.linalg.eigh(p @ probe @ p)
        v = vectors[:, -1] if values[-1] > -values[0] else vectors[:, 0]
        rank = _rank(matrices, turns, v)
        if best is None or rank < best[0]:
            best = (rank, v)
    if best is not None and best[0][0] < -1:
        v = across @ best[1]
        return v / np.linalg.norm(v)
    values, vectors = np.linalg.eigh(left.T @ probe @ left)
    return left @ vectors[:, -1]


def _rank(matrices: np.ndarray, turns: np.ndarray, vector: np.ndarray) -> tuple:
    kept = keepers(matrices, vector)
    mean = np.einsum("gij,jk,glk->il", turns[kept], _PROBE, turns[kept]) / max(1, int(kept.sum()))
    score = round(float((mean * _PROBE).sum()), 4)
    return -int(kept.sum()), -score, tuple(np.flatnonzero(kept))
