"""Integer row lattices: rank and index of the translations a periodic graph's cycles make, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowLattice:
    """rank: 0 to 3. index: how many times the lattice is thinner than all integer vectors in its own span (1: all of
    them). basis: int64 [rank, 3], echelon form (Hermite)."""

    rank: int
    index: int
    basis: np.ndarray


def row_lattice(vectors: Sequence[Sequence[int]] | np.ndarray) -> RowLattice:
    """The lattice that integer vectors [n, 3] span. Gauss with division with remainder: no rounding anywhere."""
    rows = [list(map(int, v)) for v in {tuple(map(int, v)) for v in vectors} if any(v)]
    basis: list[list[int]] = []
    for column in range(3):
        live = [r for r in rows if r[column]]
        rest = [r for r in rows if not r[column]]
        while len(live) > 1:
            pivot = min(live, key=lambda r: abs(r[column]))
            turned = [pivot]
            for row in live:
                if row is pivot:
                    continue
                factor = row[column] // pivot[column]
                row = [x - factor * y for x, y in zip(row, pivot, strict=True)]
                if row[column]:
                    turned.append(row)
                elif any(row):
                    rest.append(row)
            live = turned
        basis += live
        rows = rest
    rank = len(basis)
    return RowLattice(rank, _index(basis), np.array(basis, dtype=np.int64).reshape(rank, 3))


def _index(basis: list[list[int]]) -> int:
    """Greatest common divisor of the largest minors: the index in the integer vectors of the span."""
    from math import gcd

    if not basis:
        return 1
    if len(basis) == 1:
        return gcd(*basis[0])
    a, b = basis[0], basis[1]
    cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    if len(basis) == 2:
        return gcd(*cross)
    return abs(sum(x * y for x, y in zip(cross, basis[2], strict=True)))


def components(
    members: Sequence[int], edges: Sequence[tuple[int, int, tuple[int, int, int]]]
) -> list[tuple[list[int], RowLattice]]:
    """Connected components of a quotient graph, each with the lattice of the translations its cycles make.

    edges: (a, b, image). The rank of the lattice is the dimensionality of the component (0 to 3), its index the number
    of separate copies of it that run through the crystal side by side.
    """
    step: dict[int, list[tuple[int, tuple[int, int, int]]]] = {m: [] for m in members}
    for a, b, (i, j, k) in edges:
        if a in step and b in step:
            step[a].append((b, (i, j, k)))
            step[b].append((a, (-i, -j, -k)))
    place: dict[int, tuple[int, int, int]] = {}
    out = []
    for start in members:
        if start in place:
            continue
        place[start], queue, group, cycles = (0, 0, 0), [start], [start], set()
        while queue:
            a = queue.pop()
            x, y, z = place[a]
            for b, (i, j, k) in step[a]:
                there = (x + i, y + j, z + k)
                if b not in place:
                    place[b] = there
                    queue.append(b)
                    group.append(b)
                elif there != place[b]:
                    p = place[b]
                    cycles.add((there[0] - p[0], there[1] - p[1], there[2] - p[2]))
        out.append((sorted(group), row_lattice(list(cycles))))
    return out
