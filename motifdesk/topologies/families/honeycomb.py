"""Harmonic honeycomb iridates: edge-sharing octahedra with three neighbours, stacked by a word in + and -.

Rock salt in units of a/2: cations at even x + y + z, anions at odd. A zigzag chain of orientation s = +1 or -1 has a
metal A at p and B at p + (1, 0, s); A's second bond in the chain is (0, -1, -s), the chain's translation (1, 1, 2 s).
The third bond, to the next chain, is (1, -1, 0): whether the next chain keeps the orientation or flips it is the talk's
"two ways to connect", and a structure is a word. All share the lateral vectors (1, 1, 2) and (1, 1, -2). H<N> is
N + 1 letters "+" then N + 1 letters "-": "+" is alpha (C2/m), "+-" beta (Fddd), "++--" gamma (Cccm).
(K. A. Modic et al., Nat. Commun. 5, 4203 (2014).)
"""

from __future__ import annotations

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly
from ..grammar import Grammar, Letter
from ..templates import Template

LETTERS = "+-"


def grammar(a: float, centre: str, ligand: str) -> Grammar:
    """`a`: the rock-salt cell's edge, Angstrom (metal-ligand distance a/2)."""
    octahedron = Template.ideal("O:6", centre, ligand, a / 2)
    # vertices along x, y, z: rock salt's own axes
    letters = {}
    for name, s in (("+", 1), ("-", -1)):
        unit = a / 2
        letters[name] = Letter(
            motifs=((octahedron, (0, 0, 0), None), (octahedron, (unit, 0, s * unit), None)),
            step=unit * np.array([2, -1, s]),
        )
    return Grammar(letters, (a / 2) * np.array([[1, 1, 2], [1, 1, -2]]))


def check(assembly: Assembly) -> None:
    """Every octahedron shares exactly three edges, whose planes are at right angles to each other.

    TopologyError names the octahedron that does not."""
    normals: dict[int, list[np.ndarray]] = {m: [] for m in range(len(assembly.placements))}
    for join in assembly.joins:
        if join.kind != "edge":
            continue
        for m, port in ((join.a, join.of_a), (join.b, join.of_b)):
            v = assembly.placements[m].template.vertices[list(port)] @ assembly.placements[m].rotation.T
            n = np.cross(v[0], v[1])
            normals[m].append(n / np.linalg.norm(n))
    for m, found in normals.items():
        if len(found) != 3:
            raise TopologyError(f"octahedron {m} shares {len(found)} edges, a honeycomb asks for three")
        if abs(abs(np.linalg.det(np.array(found))) - 1.0) > 1e-6:
            raise TopologyError(f"the three shared edges of octahedron {m} are not in orthogonal planes")
