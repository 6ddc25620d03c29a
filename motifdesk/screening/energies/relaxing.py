"""Relaxation with an end: steps, seconds, energies that are numbers, cells that stay cells."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays

from ..errors import ScreeningError
from .calculators import Calculator, to_ase
from .quasi_newton import quasi_newton

OPTIMISERS = ("bfgs", "fire")
_GROWTH = 3.0  # a cell that grows or shrinks by more is flying apart or collapsing


@dataclass(frozen=True)
class Relaxed:
    """Where a relaxation ended.

    arrays: the structure. per_atom: eV/atom. converged: largest force and stress below the limit. fmax: eV/A, the
    largest force left, the cell's generalised force included. steps: taken.
    """

    arrays: AtomArrays
    per_atom: float
    converged: bool
    fmax: float
    steps: int


def relax(
    calculator: Calculator,
    arrays: AtomArrays,
    *,
    fmax: float = 0.1,
    steps: int = 200,
    cell: bool = True,
    seconds: float | None = None,
    optimiser: str = "bfgs",
) -> Relaxed:
    """Relax atoms, and the cell with them.

    Parameters
    ----------
    fmax : eV/A, where it stops
    steps, seconds : where it stops unconverged
    cell : whether the cell relaxes too
    optimiser : "bfgs", `quasi_newton`, or "fire", ASE's FIRE (E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006))
        with its FrechetCellFilter, three times the steps

    Raises
    ------
    ScreeningError
        the energy or a force is not a number, or the cell grew or shrank threefold.
    """
    if optimiser not in OPTIMISERS:
        raise ScreeningError(f"there is no optimiser {optimiser!r}", where="[energy]", remedy='"bfgs" or "fire"')
    atoms = to_ase(arrays)
    atoms.calc = calculator.ase()
    began, volume = time.monotonic(), atoms.get_volume()
    force = math.inf
    taken = -1
    for energy, force in (
        quasi_newton(atoms, fmax, steps, cell) if optimiser == "bfgs" else _fire(atoms, fmax, steps, cell)
    ):
        taken += 1
        if not (math.isfinite(energy) and math.isfinite(force)):
            raise ScreeningError("the calculator returned NaN or infinity", where=arrays.formula)
        ratio = atoms.get_volume() / volume
        if not 1 / _GROWTH < ratio < _GROWTH:
            raise ScreeningError(
                f"the cell changed its volume by a factor {ratio:.2f} after {taken} steps", where=arrays.formula
            )
        if seconds is not None and time.monotonic() - began > seconds:
            break
    energy = float(atoms.get_potential_energy()) / len(atoms)
    if not math.isfinite(energy):
        raise ScreeningError(f"the energy is {energy}", where=f"{calculator.name} on {arrays.formula}")
    found = AtomArrays(arrays.numbers, atoms.get_positions(), np.asarray(atoms.cell) if cell else arrays.cell)
    return Relaxed(found, energy, force <= fmax, force, taken)


def _fire(atoms: Any, fmax: float, steps: int, cell: bool) -> Iterator[tuple[float, float]]:
    """As `quasi_newton`, by ASE's FIRE and its FrechetCellFilter."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE

    moving = FrechetCellFilter(atoms) if cell else atoms
    for _ in FIRE(moving, logfile=None).irun(fmax=fmax, steps=steps):
        forces = np.asarray(moving.get_forces())
        yield float(atoms.get_potential_energy()), float(np.sqrt(np.square(forces).sum(axis=1)).max())
