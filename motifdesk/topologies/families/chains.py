"""Single chains of corner-sharing tetrahedra by a word in U and D: which side each tetrahedron stands on.

The shared corners lie on a line, an edge of every tetrahedron along it; the tetrahedron stands on that edge to one side
(U) or the other (D), leaning out of the plane by `lean`. The period of the chain is the length of its word, in
F. Liebau's names: "UD" zweier, as in pyroxenes, vanadates and CrO3; "UUD" dreier, wollastonite; "UUDD" vierer;
"UUDUD" fuenfer, rhodonite; "UUDUDUD" siebener, pyroxmangite (F. Liebau, Structural Chemistry of Silicates, Springer
1985, chapter 4). Chains lie above each other, and beside each other with `rise` and `shift` between neighbours.

What holds real chain silicates together, the cations between the chains, follows no rule as simple as this; with
pyroxenes and amphiboles it does, see `pyriboles`. The chains here are crystals where they are neutral by themselves.
"""

from __future__ import annotations

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly
from ..grammar import Grammar, Letter
from ..templates import Template

LETTERS = "UD"


def grammar(
    bond: float, centre: str, ligand: str, lean: float, beside: float, above: float, rise: float, shift: float
) -> Grammar:
    """`bond`: distance in the tetrahedra, Angstrom. `lean`: of the tetrahedra out of the plane of the chain, degrees.
    `beside`, `above`: distance of neighbouring chains in that plane and normal to it, Angstrom. `rise`: of the next
    chain beside, in `above`; `shift`: along the chain to it, in tetrahedra."""
    edge = bond * np.sqrt(8 / 3)
    h = edge / np.sqrt(8)  # edge to centre, and centre to the opposite edge
    letters = {}
    for name, side in (("U", 1.0), ("D", -1.0)):
        out = np.array([0.0, side * np.cos(np.radians(lean)), np.sin(np.radians(lean))])
        across = np.cross([1.0, 0, 0], out) * edge / 2
        along = np.array([edge / 2, 0, 0])
        corners = np.array([-along - h * out, along - h * out, across + h * out, -across + h * out])
        tetrahedron = Template(f"{centre}{ligand}4 tetrahedron", centre, (ligand,) * 4, corners, "T:4")
        letters[name] = Letter(((tetrahedron, along + h * out, None),), 2 * along)
    return Grammar(letters, np.array([[shift * edge, beside, rise * above], [0, 0, above]]))


def check(assembly: Assembly) -> None:
    """Every tetrahedron shares two corners. TopologyError where chains come so near that they would share more."""
    for m in range(len(assembly.placements)):
        shared = assembly.sharing(m)
        if dict(+shared) != {"corner": 2}:
            told = ", ".join(f"{n} {kind}s" for kind, n in sorted((+shared).items())) or "nothing"
            raise TopologyError(
                f"tetrahedron {m} would share {told}, in a single chain it is two corners",
                where="tetrahedral-chain",
                remedy="move the chains apart, or change rise or shift",
            )
