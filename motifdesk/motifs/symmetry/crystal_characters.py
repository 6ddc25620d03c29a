"""What a crystal mode does to the motifs of a parent: how much of it turns, stretches or bends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from motifdesk.structures.errors import MotifError

from ..detection.finding import find_motifs
from ..hierarchy.graph import Motif, MotifGraph
from .crystal_modes import CrystalMode, CrystalModes
from .irreps import BLOCKS, blocks


@dataclass(frozen=True, eq=False)
class MotifShare:
    """Shares of the squared displacements of a motif's ligands relative to its centre, over the motif's orbit.

    stretch, bend, rotation: 0 to 1, together 1 (all 0 where the mode leaves the motifs as they are). size: root of the
    sum of those squares over the supercell, for a mode of unit norm. turns: float64 [m, 3], the rotation vector of the
    picked motif in each parent cell of the supercell, radians for each Angstrom of amplitude.
    """

    stretch: float
    bend: float
    rotation: float
    size: float
    turns: np.ndarray


def motif_shares(
    modes: CrystalModes,
    motif: Motif | int,
    *,
    graph: MotifGraph | None = None,
    only: Iterable[CrystalMode] | None = None,
) -> Mapping[str, MotifShare]:
    """Mode key -> what the mode does to a motif's orbit. Tilts of an octahedron are the modes with rotation ~ 1.

    Parameters
    ----------
    modes
        modes of a supercell; displacements are those of the sites they hold.
    motif
        a motif of the parent's graph or its index.
    graph
        the motif graph of ``modes.parent``, if it is at hand.
    only
        the modes to answer for; all by default.

    Raises
    ------
    MotifError
        the graph belongs to another structure, or the motif has no ligands.
    """
    graph = graph if graph is not None else find_motifs(modes.parent)
    cell = modes.operations
    if len(graph.structure) != len(cell.parent):
        raise MotifError(
            f"a motif graph of {len(graph.structure)} sites and a parent of {len(cell.parent)}",
            where="motif_shares",
            remedy="find the motifs of the parent itself",
        )
    picked = graph.motifs[graph.index_of(motif)]
    if not picked.ligands:
        raise MotifError(f"{picked.name} has no ligands", where="motif_shares", remedy="pick another motif")
    orbit = [picked.index, *(i for i in graph.orbits[picked.orbit] if i != picked.index)]
    parts = []
    for index in orbit:
        member = graph.motifs[index]
        places = member.positions(graph.placed)
        bonds = places[1:] - places[0]
        images = np.array([x.image for x in member.ligands])
        ligands = np.array([cell.places(x.site, image) for x, image in zip(member.ligands, images, strict=True)])
        parts.append((bonds, cell.places(member.centre, np.zeros(3, dtype=int)), ligands))
    out = {}
    bases = [blocks(bonds) for bonds, _, _ in parts]
    for mode in modes if only is None else only:
        sums = np.zeros(len(BLOCKS))
        turns = np.zeros((len(cell.steps), 3))
        for n, ((bonds, centre, ligands), basis) in enumerate(zip(parts, bases, strict=True)):
            moved = mode.vectors[ligands] - mode.vectors[centre][None]  # [k, m, 3]
            flat = moved.transpose(0, 2, 1).reshape(-1, len(cell.steps))
            sums += [float(((b.T @ flat) ** 2).sum()) for b in basis]
            if n == 0:
                inertia = (bonds**2).sum() * np.eye(3) - bonds.T @ bonds
                turns = np.cross(bonds[:, None], moved).sum(axis=0) @ np.linalg.pinv(inertia)
        whole = float(sums.sum())
        shares = sums / whole if whole > 1e-12 else np.zeros(len(BLOCKS))
        stretch, bend, rotation = (float(s) for s in shares)
        out[mode.key] = MotifShare(stretch, bend, rotation, float(np.sqrt(whole)), turns)
    return out
