"""Antiferro patterns: which motifs of an orbit carry a mode as it is and which with the opposite sign."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.symmetry import symmetry_operations

from ..detection.finding import find_motifs
from ..hierarchy.graph import Motif, MotifGraph
from .modes import distortion_modes

#: Wavevectors of the types named by Wollan and Koehler (Phys. Rev. 100, 545 (1955)): F all alike; A alternating along
#: c; C alternating in the ab plane, alike along c; G alternating to every neighbour.
TYPES: dict[str, tuple[float, float, float]] = {
    "F": (0.0, 0.0, 0.0),
    "A": (0.0, 0.0, 0.5),
    "C": (0.5, 0.5, 0.0),
    "G": (0.5, 0.5, 0.5),
}


def characters(
    structure: Any,
    graph: MotifGraph | None,
    motif: Motif | int,
    scope: str = "orbit",
    wavevector: Sequence[float] | str = "C",
) -> tuple[int, ...]:
    """+1 or -1 for each target of the motif's modes, as `distortion_modes(..., character=)` takes them.

    Parameters
    ----------
    structure, graph
        the (super)cell to distort and its motif graph; None: found.
    motif, scope
        as for `distortion_modes`.
    wavevector
        halves, in units of the reciprocal vectors of the repeating cell, which is the given cell divided along its own
        axes as often as the structure's translations allow (a 2 x 2 x 2 perovskite: the cubic cell). Or a type: "A",
        "C", "G", "F" (`TYPES`). Motifs of one repeating cell share their sign.

    Raises
    ------
    MotifError
        a wavevector that is not made of halves; a cell too small for the pattern, with the supercell that holds it; a
        molecule.
    """
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise MotifError("a molecule has no wavevectors", where="characters", remedy="give the character as +1 and -1")
    graph = graph if graph is not None else find_motifs(structure)
    k = _halves(wavevector)
    repeats = repeating_cells(arrays, graph.tolerance)
    needed = [int((x / 2 * n).denominator) for x, n in zip(k, repeats, strict=True)]
    if max(needed) > 1:
        raise MotifError(
            f"the pattern {_told(wavevector)} does not fit into {' x '.join(map(str, repeats))} repeating cells",
            where=arrays.formula,
            remedy=f"make the supercell first: structure * ({', '.join(map(str, needed))})",
        )
    targets = distortion_modes(structure, motif, scope, graph=graph)[0].targets
    centres = arrays.fractional[[graph.motifs[index].centre for index, _ in targets]] * np.array(repeats)
    cells = np.floor(centres + 1e-3 - np.floor(centres[0] + 1e-3)).astype(int)
    twice = np.array([int(x) for x in k])
    return tuple(int(s) for s in (-1) ** ((cells @ twice) % 2))


def repeating_cells(structure: Any, tolerance: float = 0.01) -> tuple[int, int, int]:
    """How often the structure repeats along each axis of its given cell: (2, 2, 2) for a doubled primitive cell."""
    arrays = to_arrays(structure)
    rotations, translations = symmetry_operations(arrays, tolerance)
    pure = translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
    pure = pure - np.rint(pure)
    out = []
    for axis in range(3):
        others = np.delete(pure, axis, axis=1)
        steps = np.abs(pure[(np.abs(others) < 1e-3).all(axis=1), axis])
        steps = steps[steps > 1e-3]
        out.append(round(1.0 / steps.min()) if len(steps) else 1)
    return out[0], out[1], out[2]


def _halves(wavevector: Sequence[float] | str) -> list[Fraction]:
    """Twice the wavevector, as integers."""
    if isinstance(wavevector, str):
        if wavevector not in TYPES:
            raise MotifError(
                f"no pattern is called {wavevector!r}", where="characters", remedy=f"choose one of {', '.join(TYPES)}"
            )
        wavevector = TYPES[wavevector]
    try:
        twice = 2 * np.array(wavevector, dtype=float)
    except (TypeError, ValueError):
        twice = np.zeros(0)
    if twice.shape != (3,) or not np.isfinite(twice).all() or np.abs(twice - np.rint(twice)).max() > 1e-6:
        raise MotifError(
            f"the wavevector {wavevector!r}",
            where="characters",
            remedy="give three halves such as (0.5, 0.5, 0): only these alternate between +1 and -1",
        )
    return [Fraction(int(x)) for x in np.rint(twice)]


def _told(wavevector: Sequence[float] | str) -> str:
    return wavevector if isinstance(wavevector, str) else "(" + ", ".join(f"{float(x):g}" for x in wavevector) + ")"
