"""Layered perovskites by a word: how each sheet of corner-sharing octahedra goes on to the next.

'P' shares the apical ligand (perovskite), with a cation A in the cage. 'R' is a rock-salt double layer: the next sheet
is shifted by half a cell diagonal (S. N. Ruddlesden, P. Popper, Acta Cryst. 11, 54 (1958)). 'D' is one layer of cations
between sheets that stand above each other (Dion and Jacobson), 'B' a fluorite-like Bi2O2 layer between shifted sheets
(Aurivillius). The word "PPR" is the n = 3 Ruddlesden-Popper phase: n - 1 letters P, then what ends the slab; words of
different slabs ("RPR") are their intergrowths.
"""

from __future__ import annotations

import numpy as np

from ..grammar import Grammar, Letter
from ..templates import Template

LETTERS = "PRDB"


def grammar(
    a: float,
    centre: str,
    ligand: str,
    filler: str,
    *,
    gap: float | None = None,
    spacer: str = "Cs",
    dion: float | None = None,
) -> Grammar:
    """`a`: edge of the perovskite square, Angstrom. `gap`: A layer to A layer across the rock-salt part (0.62 a by
    default). `spacer`, `dion`: cation of 'D' and the distance of the apical ligands across it (0.85 a)."""
    gap = 0.62 * a if gap is None else gap
    dion = 0.85 * a if dion is None else dion
    octahedron = Template.ideal("O:6", centre, ligand, a / 2)
    here = ((octahedron, (0, 0, 0), None),)
    half = np.array([a / 2, a / 2, 0.0])
    up = np.array([0, 0, a / 2])
    fluorite = 0.295 * a  # Bi to the plane of the layer's own anions
    letters = {
        "P": Letter(here, (0, 0, a), ((filler, half + up),)),
        "R": Letter(here, half + (0, 0, a + gap), ((filler, half + up), (filler, up + (0, 0, gap)))),
        "D": Letter(here, (0, 0, a + dion), ((spacer, half + up + (0, 0, dion / 2)),)),
        "B": Letter(
            here,
            half + (0, 0, a + 4 * fluorite),
            (
                ("Bi", half + up + (0, 0, fluorite)),
                (ligand, np.array([a / 2, 0, 0]) + up + (0, 0, 2 * fluorite)),
                (ligand, np.array([0, a / 2, 0]) + up + (0, 0, 2 * fluorite)),
                ("Bi", up + (0, 0, 3 * fluorite)),
            ),
        ),
    }
    return Grammar(letters, a * np.array([[1.0, 0, 0], [0, 1.0, 0]]))
