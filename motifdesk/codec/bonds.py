"""The symmetry block of a molecule: which atoms are bonded, and nothing else.

A molecule has no space group; what a crystal's occupied Wyckoff positions are to it, its bonds are: discrete, exact,
without a coordinate. Layout (58 whole numbers below 2^24, exact in float32)::

    0       minus the number of centres; centres are all atoms but the hydrogens that end a bond
    1:58    one slot a centre: 1024 m + 8 Z + h, atomic number Z, h ending hydrogens (0 to 7), m the bits of its
            neighbours among the 14 centres before it (bit k: the centre k + 1 places before)

Centres are in a canonical order (colour refinement with individualisation, then breadth first), so that the block does
not depend on the order of the atoms. Bond orders, angles, handedness and conformation are not told: those are what a
decoder must find. Two atoms are bonded below ``BONDED`` times the sum of their covalent radii.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motifdesk.codec.codes import SYMMETRY_WIDTH
from motifdesk.codec.radii import COVALENT_RADII

BONDED = 1.2  # C-C up to 1.82 A; the 1.87 A across bicyclo[1.1.1]pentane is no bond
_SLOTS = SYMMETRY_WIDTH - 1
_REACH = 14  # centres before a centre that its slot can point at
_LEAVES = 256  # orders compared; an octahedron of like atoms needs 48


@dataclass(frozen=True)
class Bonds:
    """The bonds of a molecule.

    Attributes:
        numbers: int [N] atomic numbers, the centres first, then their ending hydrogens.
        pairs: int [E, 2], bonded atoms.
    """

    numbers: np.ndarray
    pairs: np.ndarray


def bond_block(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Symmetry block float32 [58] of a molecule (positions in Angstrom); zeros where it has too many centres (57) or
    rings too wide for the slots."""
    block = np.zeros(SYMMETRY_WIDTH, dtype=np.float32)
    radii = COVALENT_RADII[numbers]
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    bonded = distance < BONDED * (radii[:, None] + radii[None, :])
    np.fill_diagonal(bonded, False)
    ending = (numbers == 1) & (bonded.sum(1) == 1) & (bonded & (numbers != 1)).any(1)
    centres = np.flatnonzero(~ending)
    hydrogens = bonded[centres][:, ending].sum(1)
    if len(centres) > _SLOTS or hydrogens.max(initial=0) > 7:
        return block
    slots = _canonical(numbers[centres], hydrogens, bonded[np.ix_(centres, centres)])
    if slots is None:
        return block
    block[0] = -len(slots)
    block[1 : 1 + len(slots)] = slots
    return block


def read_bonds(block: np.ndarray, counts: np.ndarray) -> Bonds | None:
    """The bonds in a symmetry block, or ``None`` when there are none, or not of these counts [94]."""
    values = np.asarray(block, dtype=np.float64)
    whole = np.rint(values)
    if values.shape != (SYMMETRY_WIDTH,) or not np.isfinite(values).all() or (values != whole).any():
        return None
    n = int(-whole[0])
    if not 1 <= n <= _SLOTS or (whole[1:] < 0).any() or (whole >= 2**24).any() or whole[1 + n :].any():
        return None
    slots = whole[1 : 1 + n].astype(np.int64)
    mask, z, h = slots >> 10, (slots >> 3) & 127, slots & 7
    numbers = np.concatenate([z, np.ones(int(h.sum()), dtype=np.int64)])
    if numbers.min() < 1 or numbers.max() > len(counts):
        return None
    if (np.bincount(numbers, minlength=len(counts) + 1)[1:] != np.rint(counts).astype(np.int64)).any():
        return None
    pairs = [(i, i - k - 1) for i in range(n) for k in range(_REACH) if mask[i] >> k & 1]
    if any(j < 0 for _, j in pairs):
        return None
    pairs += list(zip(np.repeat(np.arange(n), h).tolist(), range(n, len(numbers)), strict=True))
    return Bonds(numbers, np.array(pairs, dtype=np.int64).reshape(-1, 2))


def _canonical(numbers: np.ndarray, hydrogens: np.ndarray, bonded: np.ndarray) -> tuple[int, ...] | None:
    """The slots of the centres in the order whose slots sort first; None where a bond reaches too far back."""
    neighbours = [np.flatnonzero(row).tolist() for row in bonded]
    kinds = [8 * int(z) + int(h) for z, h in zip(numbers, hydrogens, strict=True)]
    best: tuple[int, ...] | None = None
    left = _LEAVES
    stack = [_refined(_ranks(kinds), neighbours)]
    while stack and left:
        colour = stack.pop()
        cells: dict[int, list[int]] = {}
        for i, c in enumerate(colour):
            cells.setdefault(c, []).append(i)
        tied = min((c for c, members in cells.items() if len(members) > 1), default=None)
        if tied is None:
            left -= 1
            slots = _slots(colour, kinds, neighbours)
            if slots is not None and (best is None or slots < best):
                best = slots
            continue
        for i in cells[tied]:
            stack.append(_refined([2 * c + (c == tied and k != i) for k, c in enumerate(colour)], neighbours))
    return best


def _ranks(keys: list) -> list[int]:
    place = {key: k for k, key in enumerate(sorted(set(keys)))}
    return [place[key] for key in keys]


def _refined(colour: list[int], neighbours: list[list[int]]) -> list[int]:
    """Colours told apart by their neighbours' colours until nothing changes; the order of colours is kept."""
    colour = _ranks(colour)
    while True:
        new = _ranks([(c, tuple(sorted(colour[j] for j in near))) for c, near in zip(colour, neighbours, strict=True)])
        if max(new, default=0) == max(colour, default=0):
            return new
        colour = new


def _slots(rank: list[int], kinds: list[int], neighbours: list[list[int]]) -> tuple[int, ...] | None:
    """Slots under a complete ranking: breadth first from the lowest rank of each fragment."""
    order: list[int] = []
    place: dict[int, int] = {}
    for start in sorted(range(len(rank)), key=rank.__getitem__):
        if start in place:
            continue
        place[start] = len(order)
        order.append(start)
        k = place[start]
        while k < len(order):
            for j in sorted(neighbours[order[k]], key=rank.__getitem__):
                if j not in place:
                    place[j] = len(order)
                    order.append(j)
            k += 1
    slots = []
    for i in order:
        back = [place[i] - place[j] for j in neighbours[i] if place[j] < place[i]]
        if max(back, default=1) > _REACH:
            return None
        slots.append(1024 * sum(1 << (b - 1) for b in back) + kinds[i])
    return tuple(slots)
