"""Wavevectors a supercell can hold: which they are, their stars, and their letters in the usual tables.

Coordinates refer to the reciprocal basis of the *given* parent cell (k . a_i, without the 2 pi). Letters are those of
Cracknell, Davies, Miller and Love (Kronecker Product Tables, 1979), as the Bilbao Crystallographic Server and
ISODISTORT print them, looked up in the conventional basis of the International Tables. Where the letter of a point
depends on the shape of the cell, or the point lies on a line or plane, there is no letter.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

_H = Fraction(1, 2)
#: Bravais type -> letter -> conventional coordinates.
_POINTS: dict[str, dict[str, tuple]] = {
    "cP": {"X": (0, _H, 0), "M": (_H, _H, 0), "R": (_H, _H, _H)},
    "cF": {"X": (0, 1, 0), "L": (_H, _H, _H), "W": (_H, 1, 0)},
    "cI": {"H": (0, 1, 0), "N": (_H, _H, 0), "P": (_H, _H, _H)},
    "tP": {"Z": (0, 0, _H), "M": (_H, _H, 0), "X": (0, _H, 0), "A": (_H, _H, _H), "R": (0, _H, _H)},
    "tI": {"M": (0, 0, 1), "X": (_H, _H, 0), "P": (_H, _H, _H), "N": (_H, 0, _H)},
    "hP": {
        "A": (0, 0, _H),
        "M": (_H, 0, 0),
        "L": (_H, 0, _H),
        "K": (Fraction(1, 3), Fraction(1, 3), 0),
        "H": (Fraction(1, 3), Fraction(1, 3), _H),
    },
    "hR": {"T": (0, 0, Fraction(3, 2)), "L": (_H, 0, _H), "F": (0, _H, 1)},
    "oP": {
        "X": (_H, 0, 0),
        "Y": (0, _H, 0),
        "Z": (0, 0, _H),
        "S": (_H, _H, 0),
        "U": (_H, 0, _H),
        "T": (0, _H, _H),
        "R": (_H, _H, _H),
    },
    "oC": {"Y": (1, 0, 0), "Z": (0, 0, _H), "T": (1, 0, _H), "S": (_H, _H, 0), "R": (_H, _H, _H)},
    "oI": {"X": (0, 0, 1), "W": (_H, _H, _H)},
    "oF": {"L": (_H, _H, _H)},
}
_CENTRING: dict[str, list[tuple]] = {
    "P": [(0, 0, 0)],
    "F": [(0, _H, _H), (_H, 0, _H), (_H, _H, 0)],
    "I": [(_H, _H, _H)],
    "C": [(_H, _H, 0)],
    "R": [(Fraction(2, 3), Fraction(1, 3), Fraction(1, 3))],
}


_AROUND = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def bravais(number: int, symbol: str) -> str:
    """Bravais type ("cP", "hR", "oC") from a space group's number and Hermann-Mauguin symbol."""
    families = ((2, "a"), (15, "m"), (74, "o"), (142, "t"), (194, "h"), (230, "c"))
    family = next(letter for last, letter in families if number <= last)
    centring = symbol[0]
    return family + ("C" if family == "o" and centring == "A" else centring)


def letter(star: np.ndarray, bravais_type: str) -> str | None:
    """Letter of the point whose star has arms float [s, 3] in conventional coordinates; None where there is none."""
    if np.abs(star[0] - np.rint(star[0])).max() < 1e-6 and _equivalent(star[0], np.zeros(3), bravais_type[1]):
        return "GM"
    for name, point in _POINTS.get(bravais_type, {}).items():
        goal = np.array([float(x) for x in point])
        if any(_equivalent(arm, goal, bravais_type[1]) for arm in star):
            return name
    return None


def table_arm(star: np.ndarray, bravais_type: str, name: str | None) -> int | None:
    """Which arm of a star is the one printed in the tables."""
    if name is None or name == "GM":
        return 0
    goal = np.array([float(x) for x in _POINTS[bravais_type][name]])
    for n, arm in enumerate(star):
        if _equivalent(arm, goal, bravais_type[1]):
            return n
    return None


def tidied(k: np.ndarray, primitive: np.ndarray) -> np.ndarray:
    """k or -k, in its shortest form: the one with fewer negative coordinates, then the larger."""
    both = [shortest(primitive @ x, primitive) for x in (k, -k)]
    return min(both, key=lambda x: (int((x < -1e-6).sum()), tuple(np.round(-x, 6))))


def _equivalent(a: np.ndarray, b: np.ndarray, centring: str) -> bool:
    """Whether two vectors differ by one of the reciprocal lattice of a centred cell."""
    delta = a - b
    steps = [np.array([float(x) for x in t]) for t in _CENTRING.get(centring, _CENTRING["P"])]
    turns = [*delta, *(float(delta @ t) for t in steps)]
    return all(abs(x - round(x)) < 1e-4 for x in turns)


def commensurate(supercell: np.ndarray, primitive: np.ndarray) -> np.ndarray:
    """float64 [n, 3]: the wavevectors for which a supercell is periodic, one for each class modulo the crystal's
    reciprocal lattice.

    supercell int [3, 3], primitive float [3, 3]: rows are lattice vectors in units of the given parent cell.
    """
    whole = np.rint(supercell @ np.linalg.inv(primitive)).astype(int)  # the supercell in primitive vectors
    steps = cosets(whole.T) @ np.linalg.inv(whole).T  # k = whole^-1 n, in the primitive reciprocal basis
    found = np.array([shortest(k, primitive) for k in steps])
    return found[np.lexsort(np.round(found, 6).T[::-1])]


def shortest(k: np.ndarray, primitive: np.ndarray) -> np.ndarray:
    """The equivalent of a wavevector with the smallest coordinates (then the largest first ones), k float [3]
    in the primitive reciprocal basis -> in that of the parent cell."""
    trial = np.round((k - np.rint(k) + _AROUND) @ np.linalg.inv(primitive).T, 12) + 0.0
    size = np.round(np.abs(trial).sum(axis=1) + 0.1 * (trial**2).sum(axis=1), 6)
    return trial[np.lexsort((-trial[:, 2], -trial[:, 1], -trial[:, 0], (trial < -1e-9).sum(axis=1), size))[0]]


def cosets(whole: np.ndarray) -> np.ndarray:
    """int64 [n, 3]: one integer vector of each class modulo the lattice spanned by the rows of an integer matrix."""
    reduced = hermite(whole)
    axes = [np.arange(reduced[i, i]) for i in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def hermite(rows: np.ndarray) -> np.ndarray:
    """int64 [3, 3]: upper triangular basis, positive diagonal, of the lattice spanned by integer rows [n >= 3, 3]."""
    left = [[int(x) for x in row] for row in rows]
    basis: list[list[int]] = []
    for column in range(3):
        active = [row for row in left if row[column]]
        rest = [row for row in left if not row[column]]
        while len(active) > 1:
            active.sort(key=lambda row: abs(row[column]))
            pivot = active[0]
            kept = [pivot]
            for row in active[1:]:
                times = row[column] // pivot[column]
                row = [a - times * b for a, b in zip(row, pivot, strict=True)]
                (kept if row[column] else rest).append(row)
            active = kept
        pivot = active[0] if active[0][column] > 0 else [-a for a in active[0]]
        basis.append(pivot)
        left = [row for row in rest if any(row)]
    out = np.array(basis, dtype=np.int64)
    for n in (1, 2):  # entries above the diagonal between 0 and the pivot
        for m in range(n):
            out[m] -= (out[m, n] // out[n, n]) * out[n]
    return out


def written(k: np.ndarray) -> str:
    """ "1/2,1/2,0": coordinates as fractions, without blanks."""
    return ",".join(str(Fraction(float(x)).limit_denominator(24)) for x in np.round(k, 6) + 0.0)
