"""Layered metal-organic chalcogenolates [M(EPh)]: a metal chalcogenide sheet with phenyls on both sides.

The known members are silver benzeneselenolate (mithrene), benzenethiolate (thiorene) and benzenetellurolate (tethrene):
H. G. Cuthbert et al., J. Chem. Soc. Dalton Trans. 2563 (2002); E. A. Schriber et al., Nature 601, 360 (2022). What is
built here is their *prototype*, not a refined structure: the sheet of anti-PbO, edge-sharing tetrahedra about the metal
with the chalcogen in turn above and below each square of four metals, in a rectangular cell of two by two metals; each
chalcogen is the one port of a phenyl that looks away from the sheet. `zigzag` moves the rows of metals to and fro, by
which the square net of metals becomes the trigonal one reported for mithrene and tethrene (three near neighbours); the
chalcogens follow along a, by zigzag b/a, so that all four bonds stay equal. Phenyls stand in herringbone: the two on
one side are turned oppositely (glide), the sides are each other's inversion.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly, Placement
from ..templates import Template

#: Angstrom: carbon ring (as in benzene) and C-H; chalcogen-carbon bonds as in diphenyl chalcogenides.
_RING, _HYDROGEN = 1.390, 1.083
_TO_CARBON = {"O": 1.39, "S": 1.77, "Se": 1.92, "Te": 2.12}
_TOUCH = 1.7
CHALCOGENS = tuple(_TO_CARBON)


def phenyl(chalcogen: str) -> Template:
    """Phenyl with its chalcogen: vertex 0, at the origin, is the port; the ring lies in the xz plane, its axis along z.

    TopologyError for anything but O, S, Se, Te."""
    if chalcogen not in _TO_CARBON:
        raise TopologyError(
            f"{chalcogen} is no chalcogen that binds a phenyl", where="phenyl", remedy=f"choose {', '.join(CHALCOGENS)}"
        )
    middle = np.array([0.0, 0.0, _TO_CARBON[chalcogen] + _RING])
    angles = np.pi + np.pi / 3 * np.arange(6)  # the first carbon looks down at the chalcogen
    out = np.c_[np.sin(angles), np.zeros(6), np.cos(angles)]
    carbon, hydrogen = middle + _RING * out, middle + (_RING + _HYDROGEN) * out[1:]
    points = np.vstack([np.zeros((1, 3)), carbon, hydrogen])
    return Template(f"{chalcogen}-phenyl", None, (chalcogen, *"CCCCCC", *"HHHHH"), points)


def assembly(
    a: float,
    b: float,
    centre: str,
    ligand: str,
    bond: float,
    zigzag: float,
    spacing: float,
    slip: float,
    twist: float,
    lean: float,
) -> Assembly:
    """`a`, `b`: rectangular cell of the sheet (two by two metals), Angstrom. `bond`: metal-chalcogen distance.
    `zigzag`: shift of the metals along b, Angstrom. `spacing`: sheet to sheet, `slip`: of the next sheet along a, in a.
    `twist`: of the phenyls about their axis, `lean`: of that axis towards a, degrees.

    TopologyError where the bond is too short to span the squares."""
    follow = zigzag * b / a
    room = bond**2 - (a / 4 + follow) ** 2 - (b / 4 - zigzag) ** 2
    if room <= 0.05:
        raise TopologyError(
            f"bonds of {bond:g} A do not span squares of {a / 2:.2f} x {b / 2:.2f} A",
            where="chalcogenolate",
            remedy="use a longer bond or a smaller a and b",
        )

    def over(i: int, j: int) -> np.ndarray:
        """Where the chalcogen of the square between metals (i, j) and (i + 1, j + 1) is."""
        side = _side(i, j)
        return np.array([(i + 0.5) * a / 2 + side * follow, (j + 0.5) * b / 2, side * np.sqrt(room)])

    name = f"{centre}{ligand}4 tetrahedron"
    placements = []
    for i, j in product(range(2), repeat=2):
        at = np.array([i * a / 2, j * b / 2 + _side(i, j) * zigzag, 0.0])
        corners = np.array([over(i + di, j + dj) for di, dj in product((-1, 0), repeat=2)])
        placements.append(Placement(Template(name, centre, (ligand,) * 4, corners - at, "T:4"), at))
    group = phenyl(ligand)
    for i, j in product(range(2), repeat=2):
        rotation = _about(1, lean) @ _about(2, twist if i == 0 else -twist)
        placements.append(Placement(group, over(i, j), _side(i, j) * rotation))
    return Assembly(np.array([[a, 0, 0], [0, b, 0], [slip * a, 0, spacing]]), tuple(placements))


def check(assembly: Assembly) -> None:
    """Phenyls keep apart. TopologyError with the nearest contact where two come nearer than 1.7 Angstrom."""
    groups = [p.vertices[1:] for p in assembly.placements if p.template.centre is None]
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ assembly.cell
    nearest = np.inf
    for m, one in enumerate(groups):
        for n, other in enumerate(groups[m:], start=m):
            gaps = np.linalg.norm(one[:, None, None] - other[None, :, None] - images, axis=-1).min(axis=(0, 1))
            if n == m:
                gaps[len(images) // 2] = np.inf  # itself
            nearest = min(nearest, float(gaps.min()))
    if nearest < _TOUCH:
        raise TopologyError(
            f"two phenyls would come within {nearest:.2f} A of each other",
            where="chalcogenolate",
            remedy="use a larger spacing or cell, or another slip, twist or lean",
        )


def _side(i: int, j: int) -> int:
    """Whether the square at (i, j) has its chalcogen above (+1) or below; the way its metal goes in its zigzag."""
    return 1 if (i + j) % 2 == 0 else -1


def _about(axis: int, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    out = np.eye(3)
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out
