"""Assertions for users of the motifs: a distortion must move atoms without tearing the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from motifdesk.motifs.finding import find_motifs

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.motifs.graph import MotifGraph


def assert_corners_shared(
    before: Structure | Molecule,
    after: Structure | Molecule,
    *,
    graph: MotifGraph | None = None,
    stretch: float = 0.25,
) -> None:
    """Assert that every motif of `before` still has its ligands in `after`, so that what was shared is shared.

    Parameters
    ----------
    before, after
        The same sites in the same order; positions and cell may differ.
    graph
        Motifs of `before`; found if not given.
    stretch
        Largest relative change of a bond length that still counts as a bond (0.25: a quarter longer or shorter).

    Raises
    ------
    AssertionError
        naming the worst bond, or the first site whose species differs.
    """
    assert len(before) == len(after), f"{len(before)} sites before, {len(after)} after"
    for k, (a, b) in enumerate(zip(before, after, strict=True)):
        assert a.species == b.species, f"site {k} is {a.species_string} before and {b.species_string} after"
    worst, name = 0.0, ""
    for motif in (find_motifs(before) if graph is None else graph).motifs:
        old, new = (np.asarray(motif.positions(s)) for s in (before, after))
        lengths = [np.linalg.norm(p[1:] - p[0], axis=1) for p in (old, new)]
        for ligand, length, now in zip(motif.ligands, *lengths, strict=True):
            if abs(now / length - 1.0) > worst:
                worst = abs(now / length - 1.0)
                centre = f"{before[motif.centre].species_string}{motif.centre}"
                end = f"{before[ligand.site].species_string}{ligand.site}"
                name = f"{motif.formula}: {centre}-{end} {length:.3f} -> {now:.3f} Angstrom"
    assert worst <= stretch, f"torn: {name}"
