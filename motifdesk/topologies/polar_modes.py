"""Polar modes of any crystal, found by symmetry, and the polar structures that they lead to.

A mode is polar when the subgroup that it leaves has a direction that no operation turns round and that the parent does
not have. Every special direction of its order parameter that leads to a polar group is listed (the three ferroelectric
phases of BaTiO3 are those of one mode, GM T1u). Symmetry does not tell how the orbits of sites share in the
displacement; two answers are given: each orbit on its own, and the response to a uniform field in which each atom moves
with its formal charge, as if all were held by equal springs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.motifs.symmetry.crystal_modes import CrystalMode, CrystalModes, crystal_modes
from motifdesk.motifs.symmetry.isotropy import directions
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import SpaceGroup

from .filling import neutral_charges
from .parents import POLAR
from .polar import PolarPath, polar_path


@dataclass(frozen=True, eq=False)
class PolarMode:
    """A displacement pattern that takes a crystal to a polar structure.

    label: irrep, sites and direction ("GM T1u, Ti 1a, (a,0,0)"; "field" for all sites by their charges). group: the
    polar space group it leads to. weights: mode key -> share, the sum of squares is 1. vectors: float64 [N, 3],
    Cartesian, of unit norm, on the sites of ``modes.supercell``. driven: whether it is the response to a field.
    """

    label: str
    group: SpaceGroup
    weights: Mapping[str, float]
    vectors: np.ndarray = field(repr=False)
    driven: bool
    modes: CrystalModes = field(repr=False)

    def displaced(self, largest: float = 0.2) -> Any:
        """The polar Structure in which the atom that moves most moves by `largest` Angstrom (negative: the opposite
        domain). TopologyError for zero, NaN or more than 2 A."""
        if not (math.isfinite(largest) and 0 < abs(largest) <= 2.0):
            raise TopologyError(
                f"a largest displacement of {largest!r} A", where=self.label, remedy="give one up to 2 A, not zero"
            )
        factor = largest / float(np.linalg.norm(self.vectors, axis=1).max())
        return self.modes.apply({key: factor * w for key, w in self.weights.items()})

    def path(self, largest: float = 0.2, *, charges: Any = None, seconds: float = 60.0) -> PolarPath:
        """The `polar_path` from the crystal to `displaced`; charges as there."""
        return polar_path(self.modes.parent, self.displaced(largest), charges=charges, seconds=seconds)


def polar_modes(
    structure: Any, supercell: Any = (1, 1, 1), *, charges: Mapping[str, float] | None = None
) -> tuple[PolarMode, ...]:
    """The polar modes of a crystal in a supercell: those that answer a field first, then orbit by orbit.

    Parameters
    ----------
    structure, supercell
        as `crystal_modes` takes them; the cell itself holds every mode of the zone centre.
    charges
        element -> formal charge, for the field. Default: the usual oxidation states; where none make the crystal
        neutral the field's modes are left out.

    Raises
    ------
    TopologyError
        charges that do not make the crystal neutral. As `crystal_modes` for molecules and disorder. A crystal without
        polar modes gives an empty tuple.
    """
    modes = crystal_modes(structure, supercell)
    z = _formal(modes, charges)
    single: list[PolarMode] = []
    driven: dict[tuple, PolarMode] = {}
    for first in (m for m in modes if m.component == 1):
        partners = modes.partners(first)
        if not any(m.polar for m in partners):
            continue
        for d in directions(modes, first):
            if d.group.number not in POLAR:
                continue
            vectors = sum(w * modes.mode(key).vectors for key, w in d.weights.items())
            copy = f" copy {first.copy}" if first.copy > 1 else ""
            label = f"{first.irrep}{copy}, {first.orbit}, {d.written}"
            single.append(PolarMode(label, d.group, dict(d.weights), np.asarray(vectors), False, modes))
            if z is not None and (first.irrep, d.written) not in driven:
                answer = _driven(modes, first, np.asarray(vectors), z, d.written)
                if answer is not None:
                    driven[first.irrep, d.written] = answer
    return (*driven.values(), *single)


def _formal(modes: CrystalModes, charges: Mapping[str, float] | None) -> np.ndarray | None:
    """float64 [N]: the formal charges of the supercell's sites; None where none are known and none were given."""
    symbols = [site.specie.symbol for site in modes.supercell]
    composition = {s: symbols.count(s) for s in dict.fromkeys(symbols)}
    try:
        table = neutral_charges(composition, dict(charges) if charges else None)
    except TopologyError:
        if charges:
            raise
        return None
    return np.array([table[s] for s in symbols])


def _driven(
    modes: CrystalModes, mode: CrystalMode, vectors: np.ndarray, z: np.ndarray, written: str
) -> PolarMode | None:
    """The response to a field along the dipole of `vectors`; None where there is no dipole (an improper mode)."""
    dipole = z @ vectors
    if np.linalg.norm(dipole) < 1e-6 or np.abs(z).max() < 1e-9:
        return None
    moved = z[:, None] * (dipole / np.linalg.norm(dipole))
    moved /= np.linalg.norm(moved)
    weights = {key: a for key, a in modes.amplitudes(moved).items() if abs(a) > 1e-6}
    group = modes.space_group({key: 0.1 * a for key, a in weights.items()}, 1e-4)
    if group.number not in POLAR:
        return None
    return PolarMode(f"{mode.irrep}, field, {written}", group, weights, moved, True, modes)
