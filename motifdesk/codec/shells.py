"""The shells that a code tree is made of: every motif as a centre with its neighbours, every atom covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, to_arrays

if TYPE_CHECKING:
    from motifdesk.motifs.hierarchy.graph import MotifGraph

MAX_NEIGHBOURS = 14  # a larger shell keeps its nearest; what that leaves uncovered becomes a motif of its own


@dataclass(frozen=True)
class Shell:
    """A centre and its neighbours.

    Attributes:
        centre: site. sites: int [k], neighbours. images: int [k, 3], lattice translations of the neighbours.
        numbers: int [k], their atomic numbers. offsets: float64 [k, 3], Angstrom, neighbour minus centre.
        motif: index in the graph's motifs; -1 for an atom that is in no motif.
    """

    centre: int
    sites: np.ndarray
    images: np.ndarray
    numbers: np.ndarray
    offsets: np.ndarray
    motif: int = -1

    def __len__(self) -> int:
        return len(self.sites)


def shells_of(structure: Any, graph: MotifGraph | None = None) -> list[Shell]:
    """The shells of all motifs of ``structure``, in the graph's order, then one empty shell per atom not yet covered.

    Crystals: a motif's ligands. Molecules: the heavy atoms with everything bonded to them, hydrogen or not. At most
    ``MAX_NEIGHBOURS``, the nearest (the order of the sites breaks ties).

    Parameters
    ----------
    structure
        Structure, Molecule, ase.Atoms or AtomArrays.
    graph
        its motifs; found when not given.

    Raises
    ------
    MotifDeskError: what :func:`motifdesk.motifs.find_motifs` raises.
    """
    if graph is None:
        from motifdesk.motifs import find_motifs

        graph = find_motifs(structure)
    arrays = to_arrays(structure)
    covered = np.zeros(len(arrays), dtype=bool)
    out = []
    for motif in graph.motifs:
        ligands = graph.neighbours[motif.centre] if graph.kind == "molecule" else motif.ligands
        shell = _shell(arrays, motif.centre, ligands, motif.index)
        covered[motif.centre] = True
        covered[shell.sites] = True
        out.append(shell)
    out += [_shell(arrays, int(site), (), -1) for site in np.flatnonzero(~covered)]
    return out


def _shell(arrays: AtomArrays, centre: int, ligands: Any, motif: int) -> Shell:
    sites: np.ndarray = np.array([x.site for x in ligands], dtype=np.int64)
    images: np.ndarray = np.array([x.image for x in ligands], dtype=np.int64).reshape(-1, 3)
    offsets = arrays.positions[sites] - arrays.positions[centre]
    if arrays.cell is not None:
        offsets = offsets + images @ arrays.cell
    if len(sites) > MAX_NEIGHBOURS:
        near = np.argsort(np.round(np.linalg.norm(offsets, axis=1), 4), kind="stable")[:MAX_NEIGHBOURS]
        sites, images, offsets = sites[near], images[near], offsets[near]
    return Shell(centre, sites, images, arrays.numbers[sites], offsets, motif)
