"""Biopyriboles: pyroxenes, amphiboles, wide-chain silicates and micas by a word in P and M.

J. B. Thompson (Am. Mineral. 63, 239 (1978)) reads them as stackings of two slabs along b: P is a slab of pyroxene, M
one of mica (talc). The word "P" is pyroxene, with single chains of corner-sharing tetrahedra; "MP" amphibole, with
double chains; "MMP" jimthompsonite, with triple ones; "MPMMP" chesterite; "M" talc, with sheets. Each letter starts
in the middle of a chain (x along it, y across, z from sheet to sheet) and says how it goes on to the next:

* 'M' shares the outer basal corners: the next chain is half a repeat on. The octahedra between the sheets go on too,
  and hydroxyls sit in the middle of the rings.
* 'P' ends the strip: the next one lies half a layer higher, its basal corners completing the octahedra of this one.

With tetrahedron edge e the chain repeats after 2 e and chains are sqrt(3) e apart; apices and hydroxyls make a
triangular net of spacing 2 e / sqrt(3), which is the edge of regular octahedra: everything fits, and the layers of
tetrahedra and octahedra take turns with the height sqrt(2/3) of their edges. Only the cations at a strip's margins
(M2 of pyroxene, M4 of amphibole) have no regular octahedron.
"""

from __future__ import annotations

import numpy as np

from ..grammar import Grammar, Letter
from ..templates import Template

LETTERS = "MP"
_HYDROXYL = 0.96  # Angstrom, O-H


def grammar(
    bond: float, centre: str, ligand: str, filler: str, margin: str, anion: str, *, stagger: float = 2 / 3
) -> Grammar:
    """`bond`: distance in the tetrahedra, Angstrom. `centre` Si, `ligand` O, `filler` in the octahedra, `margin` at the
    strips' margins, `anion` in the rings ("OH" or an element). `stagger`: how far the next strip is moved along the
    chain, in tetrahedron edges; 2/3 continues the close packing, 1/2 opens eight places around a large margin cation.
    """
    edge = bond * np.sqrt(8 / 3)
    net = 2 * edge / np.sqrt(3)
    tall, flat = edge * np.sqrt(2 / 3), net * np.sqrt(2 / 3)  # heights of tetrahedra and octahedra
    apart = np.sqrt(3) * edge
    middle = tall + flat / 2
    # the strip's twofold axis along y, at x = edge / 3 in the middle of the octahedra, makes its upper half
    turn = np.diag([-1.0, 1.0, -1.0])

    def up(point: tuple[float, float, float]) -> np.ndarray:
        return turn @ np.array(point) + np.array([2 * edge / 3, 0.0, 2 * middle])

    outward = edge / np.sqrt(3)
    corners = np.array(
        [
            [0, 0, 3 * tall / 4],
            [0, outward, -tall / 4],
            [edge / 2, -outward / 2, -tall / 4],
            [-edge / 2, -outward / 2, -tall / 4],
        ]
    )
    tetrahedron = Template(f"{centre}{ligand}4 tetrahedron", centre, (ligand,) * 4, corners, "T:4")
    back = np.diag([-1.0, -1.0, 1.0])
    low = (((0.0, outward / 2, tall / 4), np.eye(3)), ((edge, -outward / 2, tall / 4), back))
    chain = [(tetrahedron, np.array(x), r) for x, r in low] + [(tetrahedron, up(x), turn @ r) for x, r in low]

    ring = "O" if anion == "OH" else anion
    triangle = np.array([[2 / 3 * edge, 0], [-edge / 3, net / 2], [-edge / 3, -net / 2]])
    points = np.vstack([np.c_[triangle, np.full(3, -flat / 2)], np.c_[-triangle, np.full(3, flat / 2)]])

    def octahedron(hydroxyls: tuple[int, ...]) -> Template:
        kinds = tuple(ring if i in hydroxyls else ligand for i in range(6))
        return Template(f"{filler}{ligand}6 octahedron", filler, kinds, points, "O:6")

    # inner rows, at a quarter of the net to both sides; their outer vertices are where rings have their anions
    right, left = np.array([4 * edge / 3, net / 4, middle]), np.array([edge / 3, -net / 4, middle])
    margin_right = np.array([edge / 3, 3 * net / 4, middle])
    margin_left = np.array([4 * edge / 3, -3 * net / 4, middle])
    p_step = np.array([stagger * edge, apart, tall + flat])
    m_step = np.array([edge, apart, 0.0])
    hydroxyls = ((edge, apart / 2, tall), up((edge, apart / 2, tall)))
    atoms: tuple = ((filler, right), (filler, left))
    protons: tuple = ()
    if anion == "OH":
        protons = tuple(("H", np.array(x) + (0, 0, s * _HYDROXYL)) for x, s in zip(hydroxyls, (-1.0, 1.0), strict=True))
    joint = (octahedron(_at(points, margin_right, hydroxyls, edge)), margin_right, None)
    letters = {
        "M": Letter((*chain, joint), m_step, (*atoms, *protons)),
        "P": Letter(tuple(chain), p_step, (*atoms, (margin, margin_right), (margin, p_step + margin_left))),
    }
    return Grammar(letters, np.array([[2 * edge, 0, 0], [2 * stagger * edge, 0, 2 * (tall + flat)]]))


def _at(points: np.ndarray, centre: np.ndarray, places: tuple, edge: float) -> tuple[int, ...]:
    """Which vertices of a figure about `centre` lie on `places` (repeated by 2 `edge` along x)."""
    delta = (points + centre)[:, None] - np.array([np.array(p) for p in places])[None]
    delta[..., 0] -= 2 * edge * np.rint(delta[..., 0] / (2 * edge))
    return tuple(int(i) for i in np.flatnonzero(np.linalg.norm(delta, axis=2).min(axis=1) < 1e-6))
