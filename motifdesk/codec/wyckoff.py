"""Wyckoff positions in primitive standard cells: which places a space group offers, and what is free about them.

A position is an orbit of affine subspaces. Of one atom of the orbit: fractional ``x = directions @ t + place`` with
0 to 3 free numbers ``t``; the other atoms are its images. Standard settings (ITA; second origin, unique axis b,
hexagonal axes), in the *primitive* standard cell of moyopy. Letters and representatives: spglib's table, see
``motifdesk/data/symmetry/wyckoff.txt``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from motifdesk.data import path

LETTERS = "abcdefghijklmnopqrstuvwxyzA"


@dataclass(frozen=True)
class Wyckoff:
    """One Wyckoff position of a space group, in fractional coordinates of the primitive standard cell.

    Attributes:
        letter: as in the International Tables. free: 0 to 3.
        directions: float [m, 3, free]; place: float [m, 3]: atom k lies at ``directions[k] @ t + place[k]``; m atoms in
            the primitive cell.
    """

    letter: str
    directions: np.ndarray
    place: np.ndarray

    @property
    def multiplicity(self) -> int:
        """Atoms in the primitive cell."""
        return len(self.place)

    @property
    def free(self) -> int:
        return self.directions.shape[2]


@dataclass(frozen=True)
class GroupTable:
    """A space group in its primitive standard cell.

    Attributes:
        number: ITA number; rotations: int [G, 3, 3]; translations: float [G, 3] (x' = W x + w).
        positions: Wyckoff positions by letter. centring: lattice points in the conventional cell.
    """

    number: int
    rotations: np.ndarray
    translations: np.ndarray
    positions: dict[str, Wyckoff]
    centring: int


@lru_cache(maxsize=1)
def _rows() -> dict[int, tuple[int, list[tuple[str, int, str]]]]:
    rows = {}
    for line in path("symmetry", "wyckoff.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            number, hall, *entries = line.split()
            parts = [entry.split(":") for entry in entries]
            rows[int(number)] = (int(hall), [(letter, int(m), xyz) for letter, m, xyz in parts])
    return rows


@lru_cache(maxsize=64)
def group_table(number: int) -> GroupTable:
    """The table of space group ``number`` (1 to 230); a ``KeyError`` for other numbers."""
    import moyopy

    hall, entries = _rows()[number]
    made = moyopy.operations_from_number(number, setting=moyopy.Setting.hall_number(hall), primitive=True)
    rotations = np.array(made.rotations, dtype=np.int64)
    translations = np.array(made.translations, dtype=np.float64)
    centring = moyopy.HallSymbolEntry(hall).centering
    basis = np.array(centring.linear, dtype=np.float64)  # conventional vectors = primitive vectors @ basis
    positions = {}
    for letter, multiplicity, text in entries:
        linear, shift = _parse(text)
        # the columns of the free parameters that occur
        used = linear.any(axis=0)
        orbit = _orbit(basis @ linear[:, used], basis @ shift, rotations, translations)
        if len(orbit[1]) * int(centring.order) != multiplicity:
            raise AssertionError(f"Wyckoff position {number}{letter}: the table and the operations disagree")
        positions[letter] = Wyckoff(letter, *orbit)
    return GroupTable(number, rotations, translations, positions, int(centring.order))


def _orbit(
    directions: np.ndarray, place: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images of the subspace that are distinct at a generic point."""
    generic = np.array([0.1357, 0.2849, 0.4371])[: directions.shape[1]]
    point = directions @ generic + place
    images = (rotations @ point + translations) % 1.0
    difference = images[:, None] - images[None]
    same = (np.abs(difference - np.rint(difference)) < 1e-6).all(-1)
    first = same.argmax(axis=1) == np.arange(len(images))
    turned = rotations[first] @ directions
    moved = rotations[first] @ place + translations[first]
    return turned.astype(np.float64), moved


def _parse(text: str) -> tuple[np.ndarray, np.ndarray]:
    """``"x,-x+1/2,1/4"`` -> (linear [3, 3], shift [3])."""
    linear, shift = np.zeros((3, 3)), np.zeros(3)
    for row, part in enumerate(text.split(",")):
        for sign, factor, axis, number in re.findall(r"([+-]?)(?:(\d*)([xyz])|(\d+(?:/\d+)?))", part):
            value = -1.0 if sign == "-" else 1.0
            if axis:
                linear[row, "xyz".index(axis)] += value * float(factor or 1)
            else:
                shift[row] += value * float(Fraction(number))
    return linear, shift
