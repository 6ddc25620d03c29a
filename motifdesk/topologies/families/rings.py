"""Ring silicates: rings of corner-sharing tetrahedra in mirror planes, held together by octahedra (benitoite, beryl).

A ring of n tetrahedra shares the corners of a regular n-gon whose side is the tetrahedron's edge; each tetrahedron's
opposite edge stands upright outside, so that n corners look up and n look down. Rings lie above each other, at heights
0 and c/2 of a hexagonal cell and turned oppositely. Their free corners are tied by

* n = 3 (benitoite, BaTiSi3O9, P-6c2): octahedra between three rings above and three below; the other place of that
  kind holds a large cation;
* n = 6 (beryl, Be3Al2Si6O18, P6/mcc): such octahedra in both places, and tetrahedra between two rings and two.

Turn of the rings and cell follow from the joins. For n = 3 all pieces are regular: benitoite has no choice but to be
what it is. For n = 6 they cannot be: rings stay regular, and what ties them takes the corners that rings leave at the
bond lengths asked for, distorted as far as that needs. (W. L. Bragg, J. West, Proc. R. Soc. Lond. A 111, 691 (1926);
W. H. Zachariasen, Z. Kristallogr. 74, 139 (1930).)
"""

from __future__ import annotations

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly, Placement
from ..templates import Template

RINGS = ("3", "6")
#: What is usual in the octahedra and in the second kind of place.
USUAL = {"3": ("Ti", "Ba"), "6": ("Al", "Be")}


def assembly(
    bond: float, centre: str, ligand: str, ring: str, middle: str, second: str, middle_bond: float, second_bond: float
) -> Assembly:
    """`bond`, `middle_bond`, `second_bond`: lengths in the rings' tetrahedra, the octahedra and (rings of six) the
    tying tetrahedra, Angstrom. `ring`: "3" or "6". `middle`, `second`: species in the octahedra and in the second
    places, "" for the usual ones.

    TopologyError where octahedra or tetrahedra of that size do not fit between the rings."""
    count = int(ring)
    middle, second = middle or USUAL[ring][0], second or USUAL[ring][1]
    edge = bond * np.sqrt(8 / 3)
    h = edge * np.sqrt(1 / 8)
    corners = np.array([[-h, edge / 2, 0], [-h, -edge / 2, 0], [h, 0, edge / 2], [h, 0, -edge / 2]])
    tetrahedron = Template(f"{centre}{ligand}4 tetrahedron", centre, (ligand,) * 4, corners, "T:4")
    free = edge * (0.5 / np.tan(np.pi / count) + np.sqrt(1 / 2))  # radius of the free corners
    # how far above the corners the pieces between two rings have their middles: regular octahedra, or half way to
    # what regular tetrahedra would like
    rise = middle_bond / np.sqrt(3)
    if count == 6:
        rise = (rise + second_bond / np.sqrt(3)) / 2
    a, turn = _fitted(count, free, middle_bond, second_bond, rise)
    c = 4 * (edge / 2 + rise)
    cell = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, c]])
    placements = _ring(count, tetrahedron, edge, turn, 0.0) + _ring(count, tetrahedron, edge, np.pi / 3 - turn, c / 2)
    ligands = np.vstack([p.vertices[2:] for p in placements])
    thirds = [(2 * cell[0] + cell[1]) / 3, (cell[0] + 2 * cell[1]) / 3]
    halves = [cell[0] / 2, cell[1] / 2, (cell[0] + cell[1]) / 2]
    atoms: list[tuple[str, tuple[float, float, float]]] = []
    for z in (c / 4, 3 * c / 4):
        for x in thirds if count == 6 else thirds[:1]:
            placements.append(_between(f"{middle}{ligand}6 octahedron", middle, 6, x, z, ligands, ligand, cell))
        if count == 6:
            for x in halves:
                placements.append(_between(f"{second}{ligand}4 tetrahedron", second, 4, x, z, ligands, ligand, cell))
        else:
            atoms.append((second, (float(thirds[1][0]), float(thirds[1][1]), z)))
    return Assembly(cell, tuple(placements), tuple(atoms))


def _ring(count: int, template: Template, edge: float, turn: float, height: float) -> list[Placement]:
    """A ring about the z axis, its first tetrahedron at the angle `turn` (radians)."""
    placements = []
    for k in range(count):
        c, s = np.cos(turn + 2 * np.pi * k / count), np.sin(turn + 2 * np.pi * k / count)
        rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        out = edge * (0.5 / np.tan(np.pi / count) + np.sqrt(1 / 8))
        placements.append(Placement(template, rotation @ [out, 0, 0] + [0, 0, height], rotation))
    return placements


def _fitted(count: int, free: float, middle_bond: float, second_bond: float, rise: float) -> tuple[float, float]:
    """Cell edge (Angstrom) and turn of the rings (radians) for which free corners, at the radius `free` and `rise`
    below the middles of what ties them, have the distances asked for."""
    thirty = np.pi / 6
    face = np.sqrt(middle_bond**2 - rise**2) if middle_bond > rise else 0.0
    if count == 3:
        # a regular octahedron: its upper and lower corners turn by 30 degrees to either side of the way to the axis
        if face * np.sin(thirty) >= free:
            raise TopologyError("the octahedra are too large for the rings", where="rings of 3", remedy=_SMALLER)
        reach = face * np.cos(thirty) + np.sqrt(free**2 - (face * np.sin(thirty)) ** 2)
        return float(reach * np.sqrt(3)), float(thirty - np.arcsin(face * np.sin(thirty) / free))
    link = np.sqrt(second_bond**2 - rise**2) if second_bond > rise else 0.0

    def angles(a: float) -> tuple[float, float]:
        """Turn of the rings as the tetrahedra, and as the octahedra, ask for; not a number where they do not reach."""
        near, far = a / 2, a / np.sqrt(3)
        with np.errstate(invalid="ignore"):
            one = np.arccos((free**2 + near**2 - link**2) / (2 * free * near))
            other = thirty - np.arccos((free**2 + far**2 - face**2) / (2 * free * far))
        return float(one), float(other)

    edges = free * np.linspace(1.7, 3.2, 301)
    off = np.array([np.subtract(*angles(a)) for a in edges])
    crossing = [k for k in range(len(edges) - 1) if off[k] * off[k + 1] <= 0]  # false next to a nan
    if not crossing:
        raise TopologyError(
            f"octahedra of {middle_bond:.2f} A and tetrahedra of {second_bond:.2f} A do not both fit between the rings",
            where="rings of 6",
            remedy=_SMALLER,
        )
    from scipy.optimize import brentq

    a = brentq(lambda x: float(np.subtract(*angles(x))), edges[crossing[0]], edges[crossing[0] + 1], xtol=1e-13)
    return float(a), angles(a)[0]


_SMALLER = "choose other bond lengths"


def _between(
    name: str, centre: str, count: int, place: np.ndarray, z: float, ligands: np.ndarray, ligand: str, cell: np.ndarray
) -> Placement:
    """A motif about `place` at the height `z` with the nearest ligands for vertices."""
    position = np.array([place[0], place[1], z])
    delta = (ligands - position) @ np.linalg.inv(cell)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    around = ((delta - np.rint(delta))[:, None] + images[None]).reshape(-1, 3) @ cell
    nearest = around[np.argsort(np.linalg.norm(around, axis=1), kind="stable")[:count]]
    return Placement(Template(name, centre, (ligand,) * count, nearest, {4: "T:4", 6: "O:6"}[count]), position)
