"""Tunnel oxides MX2: ribbons of edge-sharing octahedra that meet at corners (pyrolusite to todorokite).

A chain of octahedra along z shares trans edges; its repeat is c = sqrt(2) d for a metal-ligand distance d. Chains half
a repeat apart share edges sideways: a ribbon. Seen along z, an octahedron is a rhombus with two apical ligands at d
along p and two pairs of equatorial ones at d / sqrt(2) along q; the next chain of the ribbon is at d p + d q / sqrt(2).
At each end a ribbon has an apical and an equatorial ligand left. The rule of all tunnel oxides: an apical ligand of one
ribbon is an equatorial ligand of the other kind of ribbon, and the other way round, so that every ligand has three
metals. As ribbons have inversion centres, four such joins fix the lattice, whatever the angle between the ribbons: the
walls fold like an umbrella, rigid octahedra and all, and `fold` is that angle's difference from the one of the most
symmetric member.

Two ribbons turned by a quarter make tunnels as wide as one ribbon and as high as the other: 2 x 2 hollandite, 2 x 3
romanechite, 3 x 3 todorokite. Ribbons mirrored instead of turned stack close-packed, with tunnels 1 wide: 1 x 1
pyrolusite (rutile), 1 x 2 ramsdellite. (S. Turner, P. R. Buseck, Science 212, 1024 (1981); J. E. Post, Proc. Natl.
Acad. Sci. USA 96, 3447 (1999).)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motifdesk.structures.errors import TopologyError

from ..assembly import Assembly, Placement
from ..recombining import lattice
from ..templates import Template

#: Angle between a ribbon and the apical direction p of its octahedra, radians.
_LEAN = float(np.arctan(np.sqrt(0.5)))


@dataclass(frozen=True, eq=False)
class _Ribbon:
    """Centres float64 [n, 3] about the ribbon's middle, vertices [6, 3], and the free ligands by end (+1, -1)."""

    centres: np.ndarray
    vertices: np.ndarray
    apical: dict[int, np.ndarray]
    equatorial: dict[int, np.ndarray]


def _ribbon(count: int, direction: float, hand: int, bond: float) -> _Ribbon:
    """`count` chains side by side along `direction` (radians in the xy plane); `hand` +1 or -1: to which side the
    octahedra lean."""
    up = np.array([0.0, 0.0, bond / np.sqrt(2)])  # half a repeat
    toward = direction - hand * _LEAN
    p = bond * np.array([np.cos(toward), np.sin(toward), 0.0])
    aside = toward + hand * np.pi / 2
    q = bond / np.sqrt(2) * np.array([np.cos(aside), np.sin(aside), 0.0])
    centres = np.array([(k - (count - 1) / 2) * (p + q) + (k % 2) * up for k in range(count)])
    return _Ribbon(
        centres,
        np.array([p, -p, q + up, q - up, -q + up, -q - up]),
        {1: centres[-1] + p, -1: centres[0] - p},
        {1: centres[-1] + q + up, -1: centres[0] - q + up},
    )


def assembly(bond: float, centre: str, ligand: str, width: int, height: int, fold: float, filler: str = "") -> Assembly:
    """`bond`: metal-ligand distance, Angstrom. `width`, `height`: of the tunnel, in octahedra. `fold`, degrees: added
    to the angle between the ribbons. `filler`: cation in the middle of every tunnel, one for each octahedron of the
    chain; "" for none.

    TopologyError where the joins leave no lattice (folded flat), or the tunnels no room for the cation."""
    narrow = min(width, height) == 1
    if narrow:
        first = _ribbon(max(width, height), 0.0, 1, bond)
        second = _ribbon(max(width, height), np.radians(fold) + np.pi / 2 - 2 * _LEAN, -1, bond)
        end, other = -1, -1
    else:
        first = _ribbon(width, 0.0, 1, bond)
        second = _ribbon(height, np.radians(fold) + np.pi / 2, 1, bond)
        end, other = 1, -1
    # where the second ribbon's middle lies, from each of the four joins
    seen = np.array(
        [
            first.apical[1] - second.equatorial[end],
            first.apical[-1] - second.equatorial[-end],
            first.equatorial[other] - second.apical[1],
            first.equatorial[-other] - second.apical[-1],
        ]
    )
    repeat = np.array([[0.0, 0.0, bond * np.sqrt(2)]])
    cell = lattice(np.vstack([seen[0] - seen[1:], repeat]))
    if cell is None:
        raise TopologyError(
            "the four corner joins of the ribbons leave no lattice",
            where=f"tunnel {width} x {height}, fold {fold:g}",
            remedy="choose a fold nearer to 0",
        )
    name = f"{centre}{ligand}6 octahedron"
    placements = [
        Placement(Template(name, centre, (ligand,) * 6, ribbon.vertices, "O:6"), middle + x)
        for ribbon, middle in ((first, np.zeros(3)), (second, seen[0]))
        for x in ribbon.centres
    ]
    framework = Assembly(cell, tuple(placements))
    if not filler:
        return framework
    if narrow:
        raise TopologyError(
            f"tunnels one octahedron wide have no room for {filler} in their middle",
            where=f"tunnel {width} x {height}",
            remedy="leave the filler empty, or choose wider tunnels",
        )
    # ribbons turn into themselves about their middles, and so does the whole about every half of a lattice vector;
    # where ribbons of even and odd width meet, these points lie between two half-filled places of the minerals
    middle = np.array([0.0, 0.0, (len(first.centres) % 2 == 0) * bond / np.sqrt(8)])
    halves = np.stack(np.meshgrid(*[[0, 0.5]] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell + middle
    taken = np.vstack([framework.merged.positions, [p.position for p in placements]])
    delta = (taken[None] - halves[:, None]) @ np.linalg.inv(cell)
    room = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=-1).min(axis=1)
    x, y, z = halves[int(np.argmax(np.round(room, 3)))]
    return Assembly(cell, framework.placements, ((filler, (float(x), float(y), float(z))),))


def check(assembly: Assembly) -> None:
    """Every ligand belongs to three octahedra, and no two chains share more than an edge.

    TopologyError says which rule is broken."""
    octahedra, ligands = len(assembly.placements), len(assembly.merged.species)
    if ligands != 2 * octahedra:
        raise TopologyError(
            f"{ligands} ligands for {octahedra} octahedra: a ligand of a tunnel oxide belongs to exactly three",
            where="tunnel",
            remedy="choose a fold nearer to 0",
        )
    if any(join.kind == "face" for join in assembly.joins):
        raise TopologyError("octahedra of different ribbons share a face", where="tunnel", remedy="change the fold")
