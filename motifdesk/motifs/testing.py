"""Assertions for users of the motifs: a distortion must move atoms without tearing the network, keep the symmetry it
was asked to keep, and leave rigid what is rigid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.motifs.detection.finding import find_motifs
from motifdesk.structures.arrays import to_arrays

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.motifs.hierarchy.graph import MotifGraph


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
    _assert_same_sites(before, after)
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


def assert_symmetry_kept(before: Structure, after: Structure, operations: Any, *, atol: float = 1e-5) -> None:
    """Assert that `after` has the given symmetry of `before`: same rotations in its own cell, up to a shift of origin.

    Parameters
    ----------
    before, after
        The same sites in the same order; positions and cell may differ.
    operations
        `motifdesk.motifs.distortion.subgroups.Operations` of `before` (of a request: ``Distorted.operations``).
    atol
        Largest distance of a site from where an operation wants it, and largest change of a lattice vector's length or
        of the distance between two of their ends, Angstrom.

    Raises
    ------
    AssertionError
        naming the operation and the site, or the operation that the cell does not have.
    """
    _assert_same_sites(before, after)
    arrays = to_arrays(after)
    assert arrays.cell is not None, "a molecule has no space group"
    assert operations.sites.shape[1] == len(arrays), f"operations on {operations.sites.shape[1]} sites"
    cell, f = np.asarray(arrays.cell), arrays.fractional
    edges = np.concatenate([np.eye(3), [[1, 1, 0], [1, 0, 1], [0, 1, 1]]])
    for w in np.unique(operations.rotations, axis=0):
        lengths = [np.linalg.norm(e @ cell, axis=1) for e in (edges, edges @ w.T)]
        off = np.abs(lengths[0] - lengths[1]).max()
        assert off <= atol, f"the cell is {off:.2g} Angstrom off the operation {w.tolist()}"
    # an operation {W|w} about another origin is {W|w + t - W t}: t is common to all
    wanted = operations.translations
    landed = f @ np.swapaxes(operations.rotations, 1, 2) - f[operations.sites]
    gaps = landed + wanted[:, None]
    gaps = gaps - np.rint(gaps[:, :1])
    gaps = gaps - np.rint(gaps - gaps[:, :1])
    mean = gaps.mean(axis=1)  # (1 - W) t, up to lattice translations
    lever = (np.eye(3) - operations.rotations).reshape(-1, 3)
    shift = np.linalg.lstsq(lever, -(mean - np.rint(mean)).ravel(), rcond=None)[0]
    for n, (w, gap) in enumerate(zip(operations.rotations, gaps, strict=True)):
        left = gap + shift - w @ shift
        left = left - np.rint(left)
        far = np.linalg.norm(left @ cell, axis=1)
        site = int(far.argmax())
        assert far[site] <= atol, (
            f"{after[site].species_string}{site} is {far[site]:.2g} Angstrom from where operation {n} "
            f"({w.tolist()}) wants it"
        )


def assert_motifs_rigid(graph: MotifGraph, distorted: Any, atol: float = 1e-4, *, motifs: Any = None) -> None:
    """Assert that motifs have kept their shape: all distances within each, turned and moved as it may be.

    Parameters
    ----------
    graph
        the undistorted structure's motifs.
    distorted
        the same sites in the same order, or a `Distorted`.
    atol
        Largest change of a distance between centre and ligand or two ligands, Angstrom.
    motifs
        Motifs or indices to look at; all by default.

    Raises
    ------
    AssertionError
        naming the motif and the distance that changed most.
    """
    chosen = graph.motifs if motifs is None else [graph.motifs[graph.index_of(m)] for m in motifs]
    for motif in chosen:
        old, new = (np.asarray(motif.positions(s)) for s in (graph.structure, distorted))
        before, after = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (old, new))
        change = np.abs(after - before)
        a, b = np.unravel_index(int(change.argmax()), change.shape)
        sites = [motif.centre, *(ligand.site for ligand in motif.ligands)]
        assert change[a, b] <= atol, (
            f"{motif.name} is not rigid: {graph.element(sites[a])}{sites[a]}-{graph.element(sites[b])}{sites[b]} "
            f"{before[a, b]:.4f} -> {after[a, b]:.4f} Angstrom"
        )


def _assert_same_sites(before: Structure | Molecule, after: Structure | Molecule) -> None:
    assert len(before) == len(after), f"{len(before)} sites before, {len(after)} after"
    for k, (a, b) in enumerate(zip(before, after, strict=True)):
        assert a.species == b.species, f"site {k} is {a.species_string} before and {b.species_string} after"
