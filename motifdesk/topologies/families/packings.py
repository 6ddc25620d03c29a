"""Close packings with filled holes: a word of layer steps and a pattern of which holes hold a motif.

Ligand layers follow each other by '+' (A -> B -> C) or '-', as in `polytypes`: '+' is cubic, '+-' hexagonal close
packing. Between two layers every octahedral hole lies over the third place. Patterns name which of them are filled;
"all" octahedra gives NaCl ('+') and NiAs ('+-'), "gibbsite" (two of three, the empty one wandering) corundum ('+-').
Spinel and fluorite fill tetrahedral holes as well and are laid down on rock salt's own cubic grid; olivine, their
hexagonal relative, on the rows of hexagonal close packing.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly, Placement
from ..grammar import Grammar, Letter
from ..templates import Template
from .polytypes import _about_z

PATTERNS = ("all", "corundum", "ilmenite", "layered")


def octahedra(a: float, centres: tuple[str, ...], ligand: str, word: str, pattern: str) -> Assembly:
    """Octahedra between close-packed layers. `a`: distance of neighbouring ligands, Angstrom.

    patterns: "all"; "corundum": two of three, the empty place stepping on from layer to layer; "ilmenite": the same
    with the layers' centres taking turns; "layered": every other layer of holes empty (CdI2, CdCl2)."""
    if pattern not in PATTERNS:
        raise TopologyError(f"there is no pattern {pattern!r}", remedy=f"choose one of {', '.join(PATTERNS)}")
    h = a * np.sqrt(2 / 3)
    small = a * np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0]])
    shift = (2 * small[0] + small[1]) / 3
    thirds = pattern in ("corundum", "ilmenite")
    lateral = np.array([[1, -1], [1, 2]]) @ small if thirds else small
    period = {"all": 1, "layered": 2, "corundum": 3, "ilmenite": 6}[pattern]
    repeats = next(n for n in range(1, period + 1) if (n * len(word)) % period == 0)
    letters: dict[str, Letter] = {}
    long = word * repeats
    names = []
    for n, step in enumerate(Grammar({"+": _EMPTY, "-": _EMPTY}, small).check(long)):
        sign = 1 if step == "+" else -1
        # ligands of the lower layer at the origin's net, of the upper one at +shift; the hole over the third place
        points = [sign * (t @ shift) - (0, 0, h / 2) for t in _THREE] + [
            (0, 0, h / 2) - sign * (t @ shift) for t in _THREE
        ]
        centre = centres[n % len(centres)] if pattern == "ilmenite" else centres[0]
        shape = Template(f"{centre}{ligand}6 octahedron", centre, (ligand,) * 6, np.array(points), "O:6")
        base = -sign * shift + np.array([0, 0, h / 2])
        if thirds:
            places = [base + k * small[0] for k in range(3) if k != n % 3]
        else:
            places = [base]
        motifs = () if pattern == "layered" and n % 2 else tuple((shape, p, None) for p in places)
        key = chr(0x41 + n) if n < 26 else chr(0x100 + n)
        letters[key] = Letter(motifs, sign * shift + np.array([0, 0, h]))
        names.append(key)
    return Grammar(letters, lateral).assemble("".join(names))


_EMPTY = Letter((), (0, 0, 1))
_THREE = tuple(_about_z(2 * np.pi * k / 3) for k in range(3))


def spinel(a: float, centres: tuple[str, ...], ligand: str) -> Assembly:
    """AB2X4, primitive cell: A in tetrahedra (8a), B in octahedra (16d), ideal ligand parameter u = 1/4 (origin at
    -3m). `a`: cubic edge, Angstrom; `centres`: A, B."""
    if len(centres) != 2:
        raise TopologyError(f"{len(centres)} centres", where="spinel", remedy="give two: tetrahedral, octahedral")
    u = a / 8
    cell = a / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    octahedron = Template.ideal("O:6", centres[1], ligand, a / 4)
    four = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)], dtype=float)
    tetrahedron = Template(f"{centres[0]}{ligand}4 tetrahedron", centres[0], (ligand,) * 4, u * four, "T:4")
    inverted = Template(f"{centres[0]}{ligand}4 tetrahedron", centres[0], (ligand,) * 4, -u * four, "T:4")
    places = [(tetrahedron, u * np.array([1.0, 1, 1])), (inverted, u * np.array([7.0, 7, 7]))]
    places += [(octahedron, 2 * u * np.array(x, dtype=float)) for x in ((2, 2, 2), (2, 1, 1), (1, 2, 1), (1, 1, 2))]
    return Assembly(cell, tuple(Placement(t, x) for t, x in places))


def fluorite(a: float, centre: str, ligand: str) -> Assembly:
    """MX2, primitive cell: cubes that share edges. `a`: cubic edge, Angstrom."""
    corners = a / 4 * np.array(list(product((-1.0, 1.0), repeat=3)))
    cube = Template(f"{centre}{ligand}8 cube", centre, (ligand,) * 8, corners, "C:8")
    return Assembly(a / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), (Placement(cube, np.zeros(3)),))


def olivine(a: float, centres: tuple[str, ...], ligand: str) -> Assembly:
    """A2BX4, hexagonal close packing along x with half of the octahedra (A) in serrated chains and an eighth of the
    tetrahedra (B), Pbnm. `a`: distance of neighbouring ligands, Angstrom; `centres`: B (tetrahedra), A, or B and two A,
    for the places on inversion centres (M1) and mirror planes (M2)."""
    if len(centres) not in (2, 3):
        raise TopologyError(
            f"{len(centres)} centres", where="olivine", remedy="give two or three: tetrahedral, octahedral"
        )
    cell = a * np.diag([np.sqrt(8 / 3), np.sqrt(12.0), 2.0])
    # close-packed layers at x = 1/4 and 3/4, their rows along z: four ligands a cell and layer
    layer = np.array([(1 / 4, 5 / 12, 1 / 4), (1 / 4, 11 / 12, 1 / 4), (1 / 4, 1 / 6, 0), (1 / 4, 2 / 3, 0)])
    rows = np.vstack([layer, layer + (0, 0, 1 / 2)])
    packing = np.vstack([rows, (1, 1, 1) - rows])
    glides: tuple = (((1, 1, 1), (0, 0, 0)), ((-1, -1, 1), (0, 0, 1 / 2)), ((1, -1, -1), (1 / 2, 1 / 2, 0)))
    glides += (((-1, 1, -1), (1 / 2, 1 / 2, 1 / 2)),)
    kinds = ((centres[1], (0, 0, 0), 6), (centres[-1], (0, 1 / 4, 1 / 4), 6), (centres[0], (3 / 8, 1 / 12, 1 / 4), 4))
    placements = []
    for centre, at, count in kinds:
        for sign, shift in glides:
            place = (np.array(at) * sign + shift) % 1.0
            delta = packing - place
            nearest = (delta - np.rint(delta)) @ cell
            nearest = nearest[np.argsort(np.linalg.norm(nearest, axis=1), kind="stable")[:count]]
            name = f"{centre}{ligand}{count} {'octahedron' if count == 6 else 'tetrahedron'}"
            shape = Template(name, centre, (ligand,) * count, nearest, "O:6" if count == 6 else "T:4")
            placements.append(Placement(shape, place @ cell))
    return Assembly(cell, tuple(placements))
