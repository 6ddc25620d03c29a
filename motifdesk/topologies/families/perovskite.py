"""Perovskites ABX3: corner-sharing octahedra with Glazer tilts and ordered cations.

Octahedra at the nodes (i, j, k) of a 2 x 2 x 2 cell turn about the cubic axes with the signs of A. M. Glazer, Acta
Cryst. B 28, 3384 (1972): '+' about x: (-1)^(j + k), '-' about x: (-1)^(i + j + k), and cyclically. The turned octahedra
are rigid; positions and cell follow from the joins (`embed`), so the cell shrinks as the corners ask for. The fifteen
systems and their space groups: C. J. Howard, H. T. Stokes, Acta Cryst. B 54, 782 (1998).
"""

from __future__ import annotations

import re
from itertools import product

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly, Join, Placement
from ..embedding import embed
from ..templates import Template

_SYSTEM = re.compile(r"([abc])([0+-])([abc])([0+-])([abc])([0+-])")
#: The fifteen systems of Howard and Stokes.
SYSTEMS = tuple(
    "a0a0a0 a0a0c+ a0b+b+ a+a+a+ a+b+c+ a+a+c- a0b+c- a+b-b- a+b-c- a0a0c- a0b-b- a-a-a- a0b-c- a-b-b- a-b-c-".split()
)
ORDERS = ("none", "rock-salt", "layered", "columnar")


def parse(tilts: str, angles: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    """("a-a-c+", (8, 5)) -> (("-", 8), ("-", 8), ("+", 5)), degrees about x, y, z. Equal letters, equal angles.

    TopologyError: not Glazer's notation, or as many angles as letters are missing."""
    found = _SYSTEM.fullmatch(tilts.replace(" ", ""))
    if not found:
        raise TopologyError(
            f"{tilts!r} is not a tilt system", remedy="write it as Glazer does: a-a-c+, a0a0c-, a+b-b-, ..."
        )
    letters, signs = found.groups()[0::2], found.groups()[1::2]
    turning = list(dict.fromkeys(x for x, s in zip(letters, signs, strict=True) if s != "0"))
    if len(angles) == 1:
        # one angle for all: systems with different letters need them to differ, as the letters say
        angles = tuple(angles[0] * (1.0, 0.7, 0.45)[k] for k in range(len(turning)))
    if len(angles) < len(turning):
        raise TopologyError(
            f"{len(turning)} different tilts, {len(angles)} angles", where=tilts, remedy="give one for each letter"
        )
    by_letter = dict(zip(turning, angles, strict=False))
    return tuple((s, 0.0 if s == "0" else float(by_letter[x])) for x, s in zip(letters, signs, strict=True))


def assembly(
    a: float,
    centres: tuple[str, ...],
    ligand: str,
    fillers: tuple[str, ...],
    tilts: str,
    angles: tuple[float, ...],
    order: str,
) -> Assembly:
    """The 2 x 2 x 2 cell, 40 atoms. `a`: the untilted cubic edge, Angstrom. `centres`: one B species, or two in the
    `order` "rock-salt", "layered" (planes normal to z) or "columnar" (rods along z)."""
    if order not in ORDERS or (order == "none") != (len(centres) == 1):
        raise TopologyError(
            f"{len(centres)} centres in the order {order!r}",
            where="perovskite",
            remedy=f"give two centres for an order, one for 'none'; orders: {', '.join(ORDERS)}",
        )
    turns = parse(tilts, angles)
    shapes = [Template.ideal("O:6", c, ligand, a / 2) for c in centres]
    placements = []
    for i, j, k in product(range(2), repeat=3):
        kind = {"none": 0, "rock-salt": (i + j + k) % 2, "layered": k % 2, "columnar": (i + j) % 2}[order]
        vector = []
        for axis, (sign, angle) in enumerate(turns):
            n = (i, j, k)
            power = sum(n) if sign == "-" else sum(n) - n[axis]
            vector.append(0.0 if sign == "0" else (-1) ** power * np.radians(angle))
        placements.append(Placement(shapes[kind], a * np.array([i, j, k], dtype=float), _turn(np.array(vector))))
    # every octahedron meets its neighbour at +x, +y, +z
    template = shapes[0]
    joins = []
    index = {n: m for m, n in enumerate(product(range(2), repeat=3))}
    for node, m in index.items():
        for axis in range(3):
            e = np.eye(3)[axis]
            (front,), (back,) = template.port_at("vertex", e), template.port_at("vertex", -e)
            i, j, k = ((node[d] + (d == axis)) % 2 for d in range(3))
            image = (int(node[0] == 1 and axis == 0), int(node[1] == 1 and axis == 1), int(node[2] == 1 and axis == 2))
            joins.append(Join(m, index[i, j, k], image, (front,), (back,)))
    atoms = tuple(
        (fillers[(i + j + k) % len(fillers)], (a * (i + 0.5), a * (j + 0.5), a * (k + 0.5)))
        for i, j, k in product(range(2), repeat=3)
    )
    start = Assembly(2 * a * np.eye(3), tuple(placements), atoms)
    found = embed(start, joins)
    turned = max(
        _angle(was.rotation, now.rotation) for was, now in zip(start.placements, found.assembly.placements, strict=True)
    )
    if found.gap > 1e-6 or turned > 0.35 * np.radians(max(angle for _, angle in turns)):
        # no rigid octahedra with these tilts (a+a+c-): keep the tilts, let the octahedra give a little instead
        found = embed(start, joins, fixed_turns=True)
    if found.gap > 0.3:
        raise TopologyError(
            f"octahedra cannot tilt so far: corners stay {found.gap:.2f} A apart",
            where=f"{tilts} {angles}",
            remedy="use smaller angles",
        )
    return found.assembly


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.arccos(np.clip((np.trace(a.T @ b) - 1.0) / 2.0, -1.0, 1.0)))


def _turn(vector: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vector).as_matrix()
