"""Distances, angles and dihedrals between atoms of a design, lattice images told apart."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.session.state import State
    from motifdesk.structures.arrays import AtomArrays

Point = tuple[int, int, int, int]
"""Site and lattice image (three integers) of one atom."""

KINDS = {2: "distance", 3: "angle", 4: "dihedral"}


@dataclass(frozen=True)
class Measure:
    """A figure between 2, 3 or 4 atoms. ``value`` in ``unit``: Angstrom, or degrees. The angle is at the second atom;
    the dihedral is signed, -180 to 180, positive clockwise looking along the middle bond (IUPAC)."""

    kind: str
    value: float
    unit: str
    points: tuple[Point, ...]
    labels: tuple[str, ...]

    def __str__(self) -> str:
        digits = 3 if self.kind == "distance" else 1
        return f"{self.kind} {'–'.join(self.labels)}: {self.value:.{digits}f} {self.unit}"


def measure(state: State, points: Iterable[int | Sequence[int]]) -> Measure:
    """The distance of two atoms, the angle of three or the dihedral of four, as the design is now.

    Each of ``points`` is a site index (then its image nearest to the atom before is meant) or (site, i, j, k).
    Raises SessionError for other counts, unknown sites and atoms that coincide or lie on one line where a figure is
    not defined.
    """
    chain = located(state, points)
    if len(chain) not in KINDS:
        raise SessionError(
            f"{len(chain)} atoms cannot be measured",
            where="measure",
            remedy="give 2 (distance), 3 (angle) or 4 (dihedral)",
        )
    xyz = _positions(state.arrays, chain)
    kind = KINDS[len(chain)]
    value = {2: _distance, 3: _angle, 4: _dihedral}[len(chain)](xyz)
    if value is None:
        raise SessionError(
            f"the {kind} is not defined: atoms coincide or lie on one line", where="measure", remedy="pick other atoms"
        )
    unit = "Å" if kind == "distance" else "°"
    return Measure(kind, value, unit, tuple(chain), tuple(label(state, p) for p in chain))


def located(state: State, points: Iterable[int | Sequence[int]]) -> list[Point]:
    """(site, image) of each point; a bare site stands for its image nearest to the atom before it."""
    count = len(state.arrays.numbers)
    chain: list[Point] = []
    for point in points:
        given = [int(v) for v in point] if isinstance(point, Sequence | np.ndarray) else [int(point)]
        if len(given) not in (1, 4) or not 0 <= given[0] < count:
            raise SessionError(f"there is no atom {point!r}", where="measure", remedy=f"choose sites 0 ... {count - 1}")
        if len(given) == 4:
            chain.append((given[0], given[1], given[2], given[3]))
        elif not chain or state.arrays.cell is None:
            chain.append((given[0], 0, 0, 0))
        else:
            chain.append(_nearest(state.arrays, chain[-1], given[0]))
    return chain


def parse(state: State, text: str) -> list[int]:
    """Sites named in ``text``: "Ir8 O0", "8, 0" or "Ir8-O0-Ir9". Raises SessionError naming the word at fault."""
    table = element_symbols()
    symbols = [table[int(n)] for n in state.arrays.numbers]
    sites = []
    for word in re.split(r"[\s,;–-]+", text.strip()):
        if not word:
            continue
        found = re.fullmatch(r"([A-Za-z]{0,2})(\d{1,6})", word)
        site = int(found[2]) if found else -1
        if not found or site >= len(symbols) or (found[1] and found[1].capitalize() != symbols[site]):
            raise SessionError(
                f"there is no atom {word[:20]!r}", where="measure", remedy="name 2 to 4 sites, such as Ir8 O0 Ir9"
            )
        sites.append(site)
    return sites


def label(state: State, point: Point) -> str:
    """ "O0", or "O0'" for an atom of another cell."""
    return f"{element_symbols()[int(state.arrays.numbers[point[0]])]}{point[0]}{chr(39) if any(point[1:]) else ''}"


def _positions(arrays: AtomArrays, chain: Sequence[Point]) -> np.ndarray:
    xyz = np.asarray(arrays.positions, dtype=float)[[p[0] for p in chain]]
    if arrays.cell is None:
        return xyz
    return xyz + np.array([p[1:] for p in chain], dtype=float) @ np.asarray(arrays.cell, dtype=float)


def _nearest(arrays: AtomArrays, before: Point, site: int) -> Point:
    """The image of ``site`` nearest to ``before``; for the same site, the nearest other image."""
    cell = np.asarray(arrays.cell, dtype=float)
    start = _positions(arrays, [before])[0]
    offset = (start - np.asarray(arrays.positions, dtype=float)[site]) @ np.linalg.inv(cell)
    # within one cell of the rounded offset in a reduced cell; two serve for the skewest cells in use
    best: tuple[float, Point] | None = None
    for shift in itertools.product(range(-2, 3), repeat=3):
        image = np.rint(offset).astype(int) + shift
        point = (site, int(image[0]), int(image[1]), int(image[2]))
        far = float(np.linalg.norm(_positions(arrays, [point])[0] - start))
        if far > 1e-6 and (best is None or far < best[0] - 1e-9):
            best = (far, point)
    return best[1] if best is not None else (site, 0, 0, 0)


def _distance(xyz: np.ndarray) -> float | None:
    return float(np.linalg.norm(xyz[1] - xyz[0]))


def _angle(xyz: np.ndarray) -> float | None:
    a, b = xyz[0] - xyz[1], xyz[2] - xyz[1]
    if min(np.linalg.norm(a), np.linalg.norm(b)) < 1e-9:
        return None
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))


def _dihedral(xyz: np.ndarray) -> float | None:
    a, b, c = xyz[1] - xyz[0], xyz[2] - xyz[1], xyz[3] - xyz[2]
    n, m = np.cross(a, b), np.cross(b, c)
    if min(np.linalg.norm(n), np.linalg.norm(m)) < 1e-9:
        return None
    # sign by IUPAC: atan2(|b| a.(b x c), (a x b).(b x c))
    return math.degrees(math.atan2(float(np.linalg.norm(b)) * float(a @ m), float(n @ m)))
