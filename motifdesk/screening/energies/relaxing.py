"""Relaxation with an end: steps, seconds, energies that are numbers, cells that stay cells."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays

from ..errors import ScreeningError
from .calculators import Calculator, to_ase

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
) -> Relaxed:
    """Relax atoms, and the cell with them (ASE's FrechetCellFilter), by FIRE.

    Parameters
    ----------
    fmax : eV/A, where it stops
    steps, seconds : where it stops unconverged
    cell : whether the cell relaxes too

    Raises
    ------
    ScreeningError
        the energy or a force is not a number, or the cell grew or shrank threefold.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE

    atoms = to_ase(arrays)
    atoms.calc = calculator.ase()
    moving = FrechetCellFilter(atoms) if cell else atoms
    optimiser = FIRE(moving, logfile=None)
    began, volume = time.monotonic(), atoms.get_volume()
    force = math.inf
    taken = 0
    for _ in optimiser.irun(fmax=fmax, steps=steps):
        force = _largest(moving, atoms, arrays.formula)
        taken = optimiser.nsteps
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


def _largest(moving: Any, atoms: Any, formula: str) -> float:
    energy, forces = float(atoms.get_potential_energy()), np.asarray(moving.get_forces())
    if not math.isfinite(energy) or not np.isfinite(forces).all():
        raise ScreeningError("the calculator returned NaN or infinity", where=formula)
    return float(np.sqrt(np.square(forces).sum(axis=1)).max())
