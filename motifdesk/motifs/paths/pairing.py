"""Which atom is which: assignments between two sets of atoms, periodic (given the cells' map) or free (molecules)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

_IMAGES = np.array(list(itertools.product((0, -1, 1), repeat=3)), dtype=float)
# Origins compared at least (all of one element are, at most), those of them that are settled by assignment, and atoms
# of each element that an origin is judged by before that.
_ORIGINS, _SETTLED, _SAMPLE = 48, 16, 24


def nearest_images(delta: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """`delta` [..., 3], fractional, moved by lattice vectors to the shortest vectors in `cell` (a reduced one)."""
    delta = delta - np.rint(delta)
    tries = delta[..., None, :] + _IMAGES
    squares = ((tries @ cell) ** 2).sum(axis=-1)
    # the plain image wins a tie, so that an atom half a cell away does not flip with rounding
    squares[..., 1:] += 1e-9
    return np.take_along_axis(tries, squares.argmin(axis=-1)[..., None, None], axis=-2)[..., 0, :]


def assign(
    targets: np.ndarray, sources: np.ndarray, kinds: list[tuple[np.ndarray, np.ndarray]], cell: Any
) -> np.ndarray:
    """int64 [N]: for each source atom its target, least sum of squared distances, like to like.

    targets, sources: float64 [N, 3], fractional in `cell`, or Cartesian when `cell` is None. kinds: per element the
    rows of sources and of targets.
    """
    from scipy.optimize import linear_sum_assignment

    out = np.empty(len(sources), dtype=np.int64)
    for rows, columns in kinds:
        delta = sources[rows][:, None] - targets[columns][None]
        if cell is not None:
            delta = (delta - np.rint(delta)) @ cell
        squares = np.einsum("abi,abi->ab", delta, delta)
        nearest = squares.argmin(axis=1)
        if len(np.unique(nearest)) == len(nearest):
            out[rows] = columns[nearest]
        else:
            i, j = linear_sum_assignment(squares)
            out[rows[i]] = columns[j]
    return out


def kinds_of(sources: np.ndarray, targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of sources and targets of each element, the rarest first. `numbers` int64 [N] of both."""
    values, counts = np.unique(sources, return_counts=True)
    order = np.lexsort((values, counts))
    return [(np.flatnonzero(sources == values[k]), np.flatnonzero(targets == values[k])) for k in order]


def settle(
    targets: np.ndarray, sources: np.ndarray, kinds: list[tuple[np.ndarray, np.ndarray]], cell: np.ndarray, shift: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Assignment [N], displacements [N, 3] (fractional, mean zero) and origin shift [3], from a first guess of it.

    ``sources = targets[assignment] + shift + displacements`` modulo the lattice, found in turn.
    """
    shift = np.array(shift, dtype=float)
    permutation = assign(targets, sources - shift, kinds, cell)
    for _ in range(6):
        delta = nearest_images(sources - shift - targets[permutation], cell)
        mean = delta.mean(axis=0)
        shift = shift + mean
        if np.abs(mean @ cell).max() < 1e-10:
            break
        again = assign(targets, sources - shift, kinds, cell)
        if np.array_equal(again, permutation):
            delta = delta - mean
            # an atom may now be nearer to another image; only then another round is needed
            if np.abs(nearest_images(delta, cell) - delta).max() < 1e-9:
                break
        permutation = again
    delta = nearest_images(sources - shift - targets[permutation], cell)
    return permutation, delta - delta.mean(axis=0), shift + delta.mean(axis=0)


def best_origin(
    targets: np.ndarray,
    sources: np.ndarray,
    kinds: list[tuple[np.ndarray, np.ndarray]],
    cell: np.ndarray,
    home: Any,
    over: Any,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """(cost, assignment, displacements, shift), the best over origins that lay one atom on a like one. The cost is the
    mean squared displacement plus a quarter of the largest one squared, A^2.

    home: int64, the targets of one primitive cell: the others give the same origins up to a translation of the parent.
    over(): whether the time is over; then the best so far is given.
    """
    shifts = _origins(targets, sources, kinds, home)
    estimates = [_estimate(targets, sources, kinds, cell, shift) for shift in shifts]
    best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
    for n in np.argsort(np.round(estimates, 6), kind="stable")[: _SETTLED if len(sources) <= 100 else _SETTLED // 2]:
        found = settle(targets, sources, kinds, cell, shifts[n])
        squares = ((found[1] @ cell) ** 2).sum(axis=1)
        value = float(squares.mean() + squares.max() / 4.0)
        if best is None or value < best[0] - 1e-9:
            best = (value, *found)
        if best[0] < 1e-10 or over():
            break
    assert best is not None  # there is at least one element
    return best


def _origins(
    targets: np.ndarray, sources: np.ndarray, kinds: list[tuple[np.ndarray, np.ndarray]], home: np.ndarray
) -> list[np.ndarray]:
    """Shifts that lay a source atom on a like target of one primitive cell, the rarest elements first."""
    out: list[np.ndarray] = []
    inside = np.isin(np.arange(len(targets)), home)
    for rows, columns in sorted(kinds, key=lambda kind: int(inside[kind[1]].sum())):
        for anchor in rows[:2] if len(sources) <= 100 else rows[:1]:
            out += [sources[anchor] - targets[k] for k in columns[inside[columns]]]
        if len(out) >= _ORIGINS:
            break
    return out


def _estimate(
    targets: np.ndarray, sources: np.ndarray, kinds: list[tuple[np.ndarray, np.ndarray]], cell: np.ndarray, shift: Any
) -> float:
    """Mean squared distance (A^2) of some atoms of each element from the nearest like target, shared or not."""
    total, count = 0.0, 0
    for rows, columns in kinds:
        some = rows[:: max(1, len(rows) // _SAMPLE)]
        delta = (sources[some] - shift)[:, None] - targets[columns][None]
        squares = (((delta - np.rint(delta)) @ cell) ** 2).sum(axis=2).min(axis=1)
        total, count = total + float(squares.sum()), count + len(some)
    return total / count
