"""Nonpolar parents of a polar crystal: a climb through its pseudo-symmetry.

From the crystal, one more operation at a time is taken into its group (see `pseudosymmetry`) and the crystal averaged:
the supergroups of the group are reached along chains, as by PSEUDO (E. Kroumova et al., J. Appl. Cryst. 34, 783
(2001)). A step may shrink the primitive cell, so that rotations that the crystal's own cell does not show are found on
the next. How far atoms move is counted from the crystal itself all along.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskWarning, TopologyError
from motifdesk.structures.symmetry import SpaceGroup, space_group

from .climbing import TOLERANCE, State, climb, starting

#: Space groups whose point group has a unique direction: 1, m, 2, mm2, 4, 4mm, 3, 3m, 6, 6mm.
POLAR = frozenset(
    [1, *range(3, 10), *range(25, 47), *range(75, 81), *range(99, 111), *range(143, 147), *range(156, 162)]
    + [*range(168, 174), *range(183, 187)]
) - {2}


@dataclass(frozen=True, eq=False)
class Parent:
    """A more symmetric structure near a crystal.

    structure: primitive cell of the parent. group: its space group. largest: the furthest an atom is from its place in
    the parent, Angstrom, drift removed, in the crystal's metric; rms: the root mean square of it. strain: the largest
    principal logarithmic strain from parent to crystal. polar: whether the parent is polar too. index: primitive cells
    of the parent in one of the crystal. reference: the parent in the crystal's primitive cell, crystal: the crystal in
    it, atom by atom in the same order, so that ``crystal.frac_coords - reference.frac_coords`` are the displacements.
    """

    structure: Any = field(repr=False)
    group: SpaceGroup
    largest: float
    strain: float
    polar: bool
    rms: float = 0.0
    index: int = 1
    reference: Any = field(default=None, repr=False)
    crystal: Any = field(default=None, repr=False)

    @cached_property
    def displacements(self) -> np.ndarray:
        """float64 [N, 3], Cartesian, Angstrom: from `reference` to `crystal`, in the crystal's frame and metric."""
        return (self.crystal.frac_coords - self.reference.frac_coords) @ self.crystal.lattice.matrix


def nonpolar_parents(
    structure: Any,
    *,
    largest: float = 1.0,
    strain: float = 0.08,
    each: int = 1,
    seconds: float = 60.0,
    polar_too: bool = False,
) -> tuple[Parent, ...]:
    """Nonpolar structures from which a polar crystal follows by small displacements, the nearest first.

    Nearest by tenths of an Angstrom of the largest displacement; among those alike the most symmetric comes first. The
    free coordinates and the cell of a parent are the average that the crystal gives; a relaxed parent's differ.

    Parameters
    ----------
    structure
        a crystal; its own symmetry is found first.
    largest, strain
        atoms may move so far (Angstrom), the cell may strain so much (principal, logarithmic).
    each
        of one space group and cell size give so many, the nearest: atoms may be paired in more than one way.
    seconds
        stop the search after this time, with what was found.
    polar_too
        give polar supergroups as well.

    Raises
    ------
    TopologyError
        a molecule, or a crystal that is not polar (then it is its own parent); limits that are not positive; more than
        400 atoms in the primitive cell.
    """
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise TopologyError("a molecule has no space group", where=arrays.formula, remedy="give a crystal")
    for name, value in (("largest", largest), ("strain", strain), ("seconds", seconds)):
        if not (math.isfinite(value) and value > 0):
            raise TopologyError(f"{name} is {value!r}", where="nonpolar_parents", remedy="give a positive number")
    if isinstance(each, bool) or int(each) != each or each < 1:
        raise TopologyError(f"each is {each!r}", where="nonpolar_parents", remedy="give a whole number from 1")
    own = space_group(arrays, TOLERANCE)
    if own.number not in POLAR:
        raise TopologyError(
            f"{own.symbol} is not polar", where=arrays.formula, remedy="give a polar crystal, or use md.crystal_modes"
        )
    start, end = starting(arrays), time.monotonic() + seconds
    found = climb(start, largest, strain, end, int(each))
    if time.monotonic() > end:
        warnings.warn(
            f"{arrays.formula}: the search for parents stopped after {seconds:g} s; what was found is given",
            MotifDeskWarning,
            stacklevel=2,
        )
    kept = [s for s in found if polar_too or s.number not in POLAR]
    parents = [_parent(start, s) for s in kept]
    return tuple(sorted(parents, key=_order))


def _order(parent: Parent) -> tuple:
    # a parent and its own supergroups often move the farthest atom alike: of these the most symmetric is the answer
    return (round(parent.largest, 1), -parent.group.number, round(parent.largest, 4), parent.strain)


def _parent(start: State, state: State) -> Parent:
    cell = np.linalg.cholesky(state.metric)
    full = np.linalg.inv(state.basis) @ cell
    short = np.linalg.cholesky(start.start_metric)
    return Parent(
        structure=from_arrays(AtomArrays(state.numbers, state.fractional @ cell, cell)),
        group=SpaceGroup(state.number, state.symbol, TOLERANCE),
        largest=state.largest,
        strain=state.strain,
        polar=state.number in POLAR,
        rms=state.rms,
        index=round(len(start.numbers) / len(state.numbers)),
        reference=from_arrays(AtomArrays(start.numbers, state.moved @ full, full)),
        crystal=from_arrays(AtomArrays(start.numbers, start.fractional @ short, short)),
    )
