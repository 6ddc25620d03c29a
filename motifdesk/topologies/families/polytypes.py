"""Tetrahedral polytypes (SiC, ZnS, ...) by a word of layer steps.

Each double layer sits over one of the three places A, B, C of a triangular net; '+' goes A -> B -> C -> A, '-' back
(Hagg's notation). '+' is 3C (zinc blende), '+-' 2H (wurtzite), '++--' 4H, '+++---' 6H, '++-' 9R. The layer spacing is
a sqrt(2/3) for regular tetrahedra.
"""

from __future__ import annotations

import numpy as np

from ..grammar import Grammar, Letter
from ..templates import Template

LETTERS = "+-"


def grammar(a: float, centre: str, ligand: str) -> Grammar:
    """`a`: edge of the triangular net, Angstrom; bonds are a sqrt(3/8)."""
    h = a * np.sqrt(2 / 3)
    lateral = a * np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0]])
    shift = (2 * lateral[0] + lateral[1]) / 3  # from A to B
    letters = {}
    for name, sign in (("+", 1), ("-", -1)):
        # the centre has one ligand above and, h / 4 below, three of the layer it was stepped from
        down = [
            -sign * (turn @ shift) + np.array([0, 0, -h / 4])
            for turn in (_about_z(2 * np.pi * k / 3) for k in range(3))
        ]
        points = np.array([[0, 0, 0.75 * h], *down])
        tetrahedron = Template(f"{centre}{ligand}4 tetrahedron", centre, (ligand,) * 4, points, "T:4")
        step = sign * shift + np.array([0, 0, h])
        letters[name] = Letter(motifs=((tetrahedron, step, None),), step=step)
    return Grammar(letters, lateral)


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
