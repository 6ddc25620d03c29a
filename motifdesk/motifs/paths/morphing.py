"""A continuous path between two structures of one composition, whatever their cells, origins and atom orders.

>>> path = morph(cubic, tetragonal)
>>> [str(g) for g in path.space_groups(5)]
>>> frames = path.images(20)

Crystals: the two are matched (`match_structures`), then the cell goes along the logarithmic strain, ``cell(t) = cell(0)
exp(t ln U)``, so equal steps are equal relative stretches and the cell keeps its volume where both ends have the same;
fractional coordinates go straight along the nearest-image displacements. The frame is that of the first structure: the
second end is reached up to a rotation, a shift of the origin and the order of the atoms. Molecules: like atoms are
paired (keeping bonds where both have the same), laid on each other without mirroring, and go straight.
"""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskWarning, MotifError
from motifdesk.structures.symmetry import SpaceGroup, space_group

from ..figures.measure import Contact, shortest_contact
from .lattice_maps import Deadline
from .matching import StructureMatch, match_structures
from .molecule_pairing import MoleculeMatch, match_molecules

#: A path whose shortest distance falls below this share of the shorter end's is warned about.
CLOSE = 0.75


class Morph:
    """A path from `a` (t = 0) to `b` (t = 1). N atoms, in the order of `a` where `a` is one cell of the path.

    match: the `StructureMatch` of crystals, else None. order: int64 [N], the site of `b` behind each atom. sites: int64
    [N], the site of `a`. displacements: float64 [N, 3], Cartesian, Angstrom, `a`'s frame and metric. strain: float64
    [3, 3], Biot's strain at t = 1 (zeros for molecules). bonded: molecules only: every bond of `a` is one of `b`.
    """

    def __init__(self, a: Any, b: Any, found: StructureMatch | MoleculeMatch) -> None:
        self.a, self.b = a, b
        self.match = found if isinstance(found, StructureMatch) else None
        self.bonded: bool | None = None
        self._cell: np.ndarray | None = None
        if isinstance(found, StructureMatch):
            self._crystal(found)
        else:
            arrays = to_arrays(a)
            self.bonded = found.bonded
            self.sites, self.order = np.arange(len(arrays)), found.order
            self._numbers, self._start = arrays.numbers, np.asarray(arrays.positions)
            self._step = found.positions - self._start
            self.displacements = self._step
            self._stretch = np.eye(3)

    def _crystal(self, match: StructureMatch) -> None:
        given = to_arrays(self.a)
        assert given.cell is not None
        cells = np.asarray(given.cell) @ np.linalg.inv(match.parent.lattice.matrix)  # a's cell in the primitive one
        change = cells @ np.linalg.inv(match.matrix)
        same = len(match) == len(given) and np.allclose(change, np.rint(change), atol=1e-6)
        # the common cell in a's own vectors where it is that cell
        change = np.rint(change) if same else np.eye(3)
        back = np.linalg.inv(change)
        start, step = match.positions @ back, match.fractional @ back
        self._cell = np.asarray(given.cell) if same else match.cell
        rows = np.arange(len(match))
        if same:
            rows, off = _as_given(given, start)
            start, step = given.fractional, step[rows] + off
        else:
            rows = np.lexsort((np.arange(len(match)), match.given_sites))
            start, step = start[rows], step[rows]
        self.sites = np.arange(len(given)) if same else match.given_sites[rows]
        self.order = match.child_sites[rows]
        self._start, self._step = start, step
        self._numbers = given.numbers[self.sites]
        self._stretch = match.stretch
        self.displacements = self._step @ self._cell

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        name = to_arrays(self.a).formula
        if self.match is None:
            return f"Morph({name}, {len(self)} atoms; largest displacement {self.largest:.4f} A)"
        strains = ", ".join(f"{100 * s:+.2f} %" for s in np.linalg.eigvalsh(self.strain))
        return (
            f"Morph({name}, {len(self)} atoms; largest displacement {self.largest:.4f} A, principal strains {strains})"
        )

    @property
    def strain(self) -> np.ndarray:
        return self._stretch - np.eye(3)

    @property
    def largest(self) -> float:
        """Largest displacement of an atom, Angstrom, in `a`'s metric."""
        return float(np.linalg.norm(self.displacements, axis=1).max())

    @cached_property
    def _log(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self._stretch)
        return np.log(values), vectors

    def at(self, t: float) -> Any:
        """The Structure (or Molecule) at t from 0 to 1; a little beyond is extrapolated. MotifError outside -1 to 2."""
        if not (math.isfinite(t) and -1.0 <= t <= 2.0):
            raise MotifError(f"t = {t}", where="Morph.at", remedy="give a number from 0 (the first) to 1 (the second)")
        return from_arrays(self._arrays(float(t)))

    def _arrays(self, t: float) -> AtomArrays:
        if self._cell is None:
            return AtomArrays(self._numbers, self._start + t * self._step)
        values, vectors = self._log
        cell = self._cell @ (vectors * np.exp(t * values)) @ vectors.T
        return AtomArrays(self._numbers, (self._start + t * self._step) @ cell, cell)

    def images(self, n: int) -> list[Any]:
        """`n` structures, evenly spaced from 0 to 1, both ends among them."""
        return [self.at(t) for t in self._times(n)]

    def _times(self, n: int) -> np.ndarray:
        if isinstance(n, bool) or int(n) != n or n < 2:
            raise MotifError(f"{n} images", where="Morph", remedy="give a whole number from 2")
        return np.linspace(0.0, 1.0, int(n))

    def space_groups(self, n: int = 5, tolerance: float = 0.01) -> list[SpaceGroup]:
        """The space group of each of `n` images. MotifError for molecules."""
        if self._cell is None:
            raise MotifError("a molecule has no space group", where=repr(self))
        return [space_group(self._arrays(t), tolerance) for t in self._times(n)]

    def closest(self, n: int = 11) -> tuple[float, Contact | None]:
        """(t, the shortest distance anywhere on the path), from `n` images; None for a single atom without images."""
        best: tuple[float, Contact | None] = (0.0, None)
        for t in self._times(n):
            contact = shortest_contact(self.at(float(t)))
            if contact is not None and (best[1] is None or contact.distance < best[1].distance):
                best = (float(t), contact)
        return best


def _as_given(given: AtomArrays, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(atom of the match at each site of `given`, how far it lies from it: fractional, of the order of the tolerance to
    which the primitive cell holds)."""
    fractional = given.fractional
    rows = np.empty(len(given), dtype=np.int64)
    off = np.empty((len(given), 3))
    free = np.ones(len(given), dtype=bool)
    for k in range(len(given)):
        delta = start - fractional[k]
        delta -= np.rint(delta)
        distance = np.linalg.norm(delta @ np.asarray(given.cell), axis=1)
        rows[k] = int(np.argmin(np.where(free, distance, np.inf)))
        free[rows[k]] = False
        off[k] = delta[rows[k]]
    return rows, off


def morph(
    a: Any,
    b: Any,
    *,
    max_strain: float = 0.7,
    too_close: float | None = None,
    tolerance: float = 1e-3,
    seconds: float = 60.0,
) -> Morph:
    """A continuous path from `a` to `b`: two crystals, or two molecules, of one composition.

    Parameters
    ----------
    a, b
        ordered structures; cells, origins, orientations and atom orders are free. A chiral crystal or molecule is not
        turned into its mirror image by relabelling.
    max_strain
        largest principal logarithmic strain between the cells.
    too_close
        Angstrom: warn when two atoms come nearer than this on the way. Default: three quarters of the shortest distance
        at the ends.
    tolerance
        Angstrom, for the primitive cells and symmetry that the search uses.
    seconds
        time limit of the search; the best pairing so far is used when it runs out, with a warning.

    Raises
    ------
    MotifError
        different compositions, a molecule and a crystal, no common cell. StructureError: partial occupancy.
    """
    first, second = to_arrays(a), to_arrays(b)
    if first.is_crystal != second.is_crystal:
        kinds = [f"{x.formula} is a {'crystal' if x.is_crystal else 'molecule'}" for x in (first, second)]
        raise MotifError(" and ".join(kinds), where="morph", remedy="give two crystals or two molecules")
    if first.is_crystal:
        out = Morph(a, b, match_structures(a, b, max_strain=max_strain, tolerance=tolerance, seconds=seconds))
    else:
        if not np.array_equal(np.sort(first.numbers), np.sort(second.numbers)):
            raise MotifError(
                f"different compositions: {first.formula} and {second.formula}",
                where="morph",
                remedy="give two molecules of the same atoms",
            )
        out = Morph(a, b, match_molecules(first, second, Deadline(seconds)))
    _warn_of_contacts(out, too_close)
    return out


def _warn_of_contacts(path: Morph, too_close: float | None) -> None:
    t, contact = path.closest()
    if contact is None:
        return
    limit = too_close
    if limit is None:
        ends = [shortest_contact(path.at(end)) for end in (0.0, 1.0)]
        limit = CLOSE * min(x.distance for x in ends if x is not None)
    if contact.distance < limit:
        shown = path.at(t)
        names = [f"{shown[k].specie.symbol} (atom {k})" for k in (contact.a, contact.b)]
        warnings.warn(
            f"{names[0]} and {names[1]} pass {contact.distance:.2f} A apart at t = {t:.2f}, nearer than {limit:.2f} A: "
            "the straight path is no likely mechanism",
            MotifDeskWarning,
            stacklevel=3,
        )
