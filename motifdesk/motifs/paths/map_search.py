"""The search for the best description of one crystal as a distorted supercell of another (see `matching`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from motifdesk.structures.errors import MotifError

from .lattice_maps import Deadline, Reduced, hermite_forms, lattice_maps, lattice_points
from .pairing import best_origin, kinds_of

#: largest principal log-strains tried one after the other
_WINDOWS = (0.015, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7)


@dataclass
class Found:
    """The best map so far; `shift` of the origin in the child's primitive fractional coordinates."""

    score: float = math.inf
    x: np.ndarray | None = None
    shift: np.ndarray | None = None
    complete: bool = True
    mirrored: bool = False


def search(p: Reduced, c: Reduced, multiples: int, max_strain: float, deadline: Deadline) -> Found:
    """The best map and origin; wider strain windows are opened until no map in a wider one could be better."""
    best = Found()
    spacing = (abs(np.linalg.det(p.cell)) / len(p) * abs(np.linalg.det(c.cell)) / len(c)) ** (1.0 / 6.0)
    weight = spacing**2
    low = -1.0
    for high in [*(w for w in _WINDOWS if w < max_strain), max_strain]:
        if best.score <= weight * max(low, 0.0) ** 2:
            break
        for strain, x, rows in lattice_maps(p, c, multiples, low, high, deadline):
            if weight * strain**2 >= best.score - 1e-9:
                break
            if deadline.over() and best.x is not None:
                break
            value, shift = place(p, c, x, rows, deadline)
            score = weight * strain**2 + value
            if score < best.score - 1e-7:
                best = Found(score, x, shift)
        low = high
        if deadline.over():
            best.complete = False
            break
    return best


def place(p: Reduced, c: Reduced, x: np.ndarray, rows: np.ndarray, deadline: Deadline) -> tuple[float, np.ndarray]:
    """Mean squared displacement and origin shift (child's primitive coordinates) of the best origin for a map."""
    matrix = np.rint(rows @ x).astype(np.int64)
    targets, numbers, home = filled(p, matrix)
    sources, theirs, _ = filled(c, rows)
    cell = rows @ c.cell
    value, _, _, shift = best_origin(targets, sources, kinds_of(theirs, numbers), cell, home, deadline.over)
    return value, shift @ rows


def filled(crystal: Reduced, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """fractional [N, 3] in the supercell, numbers [N], rows of the first cell."""
    points = lattice_points(matrix)
    fractional = (crystal.fractional[None] + points[:, None]).reshape(-1, 3) @ np.linalg.inv(matrix)
    return fractional, np.tile(crystal.numbers, len(points)), np.arange(len(crystal))


def domain(
    p: Reduced, c: Reduced, x: np.ndarray, shift: np.ndarray, given: np.ndarray, frame: np.ndarray, deadline: Deadline
) -> tuple[np.ndarray, np.ndarray]:
    """Of the maps that symmetry makes equal, the one whose matrix is most nearly positive and diagonal; the origin is
    searched anew for it."""
    moved = np.concatenate([w @ x @ p.rotations[p.signs == sign] for w, sign in zip(c.rotations, c.signs, strict=True)])
    matrices = np.round(given @ moved @ frame, 6) + 0.0
    keys = [*matrices.reshape(-1, 9).T[::-1] * -1.0, -np.trace(matrices, axis1=1, axis2=2).round(4)]
    best = moved[np.lexsort([*keys, np.abs(matrices).sum(axis=(1, 2)).round(4)])[0]]
    if deadline.over():
        return x, shift
    if np.allclose(best, x):
        return x, shift
    rows = _hermite_for(best, len(p), len(c))
    return best, place(p, c, best, rows, deadline)[1]


def _hermite_for(x: np.ndarray, ours: int, theirs: int) -> np.ndarray:
    """The child's sublattice that the map sends onto lattice vectors of the parent."""
    return common(x, largest=math.lcm(ours, theirs) // theirs)


def common(x: np.ndarray, largest: int = 64) -> np.ndarray:
    """int64 [3, 3]: the smallest sublattice C of the child with C @ x whole."""
    for index in range(1, largest + 1):
        for form in hermite_forms(index):
            if np.allclose(form @ x, np.rint(form @ x), atol=1e-6):
                return form
    raise MotifError("the two cells have no small common multiple", where="matching", remedy="give primitive cells")
