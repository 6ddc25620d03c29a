"""From nonpolar to polar: the distortion path, its symmetry modes, and the polarisation that point charges give.

Polarisation is a property of a *path*: P(t) - P(0) = (e / V) sum_i Z_i (r_i(t) - r_i(0)), with every atom followed
continuously, so that the quantum of polarisation never enters (R. D. King-Smith, D. Vanderbilt, Phys. Rev. B 47, 1651
(1993)). With formal charges Z it is a rough figure (for titanates and niobates about 1.6 times too small); give Born
effective charges where you have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.motifs.paths.decomposing import Decomposition, decompose
from motifdesk.motifs.paths.morphing import Morph, morph
from motifdesk.structures.arrays import element_symbols, to_arrays
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import SpaceGroup

from .filling import neutral_charges
from .parents import POLAR

#: e / A^2 in microcoulomb / cm^2.
_UNIT = 1602.176634


class PolarPath:
    """A path from a nonpolar structure (t = 0) to a polar one (t = 1).

    path: the `Morph` behind it. charges: float64 [N] or [N, 3, 3], in units of e; None where no oxidation states are
    known that make the crystal neutral. caveat: what the polarisation is worth, in one sentence.
    """

    def __init__(self, path: Morph, charges: np.ndarray | None, caveat: str) -> None:
        self.path, self.charges, self.caveat = path, charges, caveat

    def __len__(self) -> int:
        return len(self.path)

    def __repr__(self) -> str:
        first, last = self.space_groups(2)
        told = self.caveat
        if self.charges is not None:
            told = f"{float(np.linalg.norm(self.polarisation(1.0))):.1f} uC/cm^2 by {self.caveat}"
        return (
            f"PolarPath({to_arrays(self.path.a).formula}, {first.symbol} -> {last.symbol}, largest displacement "
            f"{self.largest:.4f} A, {told})"
        )

    @property
    def largest(self) -> float:
        """Largest displacement of an atom, Angstrom, drift removed, in the child's metric (as Bilbao gives it)."""
        return self.path.match.largest if self.path.match is not None else self.path.largest

    @property
    def arrows(self) -> np.ndarray:
        """float64 [N, 3]: displacement of each atom from parent to child, Cartesian, Angstrom, parent frame."""
        return self.path.displacements

    def at(self, t: float) -> Any:
        """The Structure at t; between -1 (the opposite domain) and 2."""
        return self.path.at(t)

    def images(self, n: int) -> list[Any]:
        """`n` structures from nonpolar to polar."""
        return self.path.images(n)

    def space_groups(self, n: int = 5, tolerance: float = 1e-3) -> list[SpaceGroup]:
        """The space group of each of `n` images."""
        return self.path.space_groups(n, tolerance)

    @cached_property
    def modes(self) -> Decomposition:
        """Amplitudes of the parent's symmetry modes, with the space group that each leads to."""
        return decompose(self.path.a, self.path.b)

    def polarisation(self, t: float = 1.0) -> np.ndarray:
        """float64 [3], microcoulomb / cm^2: P(t) - P(0), Cartesian, in the frame of the path.

        TopologyError where no charges are known.
        """
        if self.charges is None:
            raise TopologyError(
                self.caveat, where=to_arrays(self.path.a).formula, remedy="give charges={element: charge} to polar_path"
            )
        structure = self.path.at(t)
        start = self.path.at(0.0)
        cell = structure.lattice.matrix
        delta = structure.frac_coords - start.frac_coords
        delta = (delta - np.rint(delta)) @ cell
        moved = (
            delta * self.charges[:, None] if self.charges.ndim == 1 else np.einsum("nij,nj->ni", self.charges, delta)
        )
        return _UNIT * moved.sum(axis=0) / structure.volume


def polar_path(
    parent: Any,
    child: Any,
    *,
    charges: Mapping[str, float] | Sequence | np.ndarray | None = None,
    seconds: float = 60.0,
) -> PolarPath:
    """The path from a nonpolar parent to a polar child, whatever their cells, origins and atom orders.

    Parameters
    ----------
    charges
        element -> formal charge; or Born effective charges float [N, 3, 3] in the order of ``morph(parent, child)``'s
        atoms (units of e; they must add up to zero). Default: the usual oxidation states; a crystal that none make
        neutral has a path without polarisation.

    Raises
    ------
    TopologyError
        a child that is not polar, charges that do not add up to zero or have another shape. MotifError where the two
        cannot be laid on each other.
    """
    path = morph(parent, child, seconds=seconds)
    last = path.space_groups(2, 1e-3)[-1]
    if last.number not in POLAR:
        raise TopologyError(
            f"the second structure is {last.symbol}, which is not polar", where="polar_path", remedy="swap the two?"
        )
    table = element_symbols()
    symbols = [table[z] for z in to_arrays(path.at(0.0)).numbers]
    caveat = "formal charges (often 1.5 to 2 times too small: give Born charges)"
    if charges is None or isinstance(charges, Mapping):
        composition = {s: symbols.count(s) for s in dict.fromkeys(symbols)}
        try:
            found = neutral_charges(composition, dict(charges) if charges else None)
        except TopologyError:
            if charges:
                raise
            return PolarPath(path, None, "no formal charges are known")
        values = np.array([found[s] for s in symbols])
    else:
        values = np.asarray(charges, dtype=float)
        caveat = "the charges given"
        if values.shape not in ((len(symbols),), (len(symbols), 3, 3)) or not np.isfinite(values).all():
            raise TopologyError(
                f"charges of shape {values.shape} for {len(symbols)} atoms",
                where="polar_path",
                remedy="give {element: charge}, or finite numbers of shape [N] or [N, 3, 3]",
            )
    if np.abs(values.sum(axis=0)).max() > 1e-3 * len(symbols):
        raise TopologyError(
            f"the charges add up to {np.round(values.sum(axis=0), 3).tolist()}",
            where="polar_path",
            remedy="apply the acoustic sum rule first: the polarisation would depend on the origin",
        )
    return PolarPath(path, values, caveat)
