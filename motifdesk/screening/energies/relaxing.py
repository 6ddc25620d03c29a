"""Energies with forces and stress, and relaxation with an end: steps, seconds, energies that are numbers, cells that
stay cells.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays

from ..errors import ScreeningError
from .calculators import Calculator, to_ase, well_shaped
from .quasi_newton import quasi_newton

OPTIMISERS = ("bfgs", "fire")
_GROWTH = 3.0  # a cell that grows or shrinks by more is flying apart or collapsing
_DIAGONAL = {6: [0, 1, 2], 9: [0, 4, 8]}  # of a stress in Voigt's order, and of a matrix
GPA = 160.21766208
"""GPa in one eV/A^3."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a calculator says of one structure.

    per_atom: eV/atom. forces: [N, 3] eV/A. stress: [3, 3] eV/A^3, positive where the cell is stretched (ASE's sign);
    None for molecules and for calculators that have none. calculator: its name with the version of the model.
    """

    per_atom: float
    forces: np.ndarray
    stress: np.ndarray | None
    calculator: str

    @property
    def largest_force(self) -> float:
        """eV/A, of any atom."""
        return float(np.linalg.norm(self.forces, axis=1).max(initial=0.0))

    @property
    def pressure(self) -> float | None:
        """GPa; positive: the crystal would expand."""
        return None if self.stress is None else -GPA * float(np.trace(self.stress)) / 3.0

    def __str__(self) -> str:
        pressed = "" if self.pressure is None else f", pressure {self.pressure:.2f} GPa"
        return f"{self.per_atom:.4f} eV/atom, largest force {self.largest_force:.3f} eV/Å{pressed} ({self.calculator})"


@dataclass(frozen=True, eq=False)
class Frame:
    """One step of a relaxation: the structure after `step` steps (0: the start) and what was found there.

    per_atom: eV/atom. force: eV/A, the largest, the cell's generalised force included (what `fmax` is compared with).
    pressure: GPa, None without a cell or a stress.
    """

    step: int
    arrays: AtomArrays
    per_atom: float
    force: float
    pressure: float | None = None

    def __str__(self) -> str:
        return f"step {self.step}: {self.per_atom:.4f} eV/atom, largest force {self.force:.3f} eV/Å"


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


def evaluate(calculator: Calculator, arrays: AtomArrays) -> Evaluation:
    """Energy, forces and stress of one structure.

    Raises
    ------
    ScreeningError
        the energy or a force is not a number. Whatever else the calculator raises passes through.
    """
    atoms = to_ase(arrays)
    atoms.calc = calculator.ase()
    energy = float(atoms.get_potential_energy()) / len(atoms)
    forces = np.asarray(atoms.get_forces(), dtype=float)
    well_shaped(atoms)
    stress = _stress(atoms)
    if not math.isfinite(energy) or not np.isfinite(forces).all():
        raise ScreeningError("the calculator returned NaN or infinity", where=f"{calculator.name} on {arrays.formula}")
    return Evaluation(energy, forces, stress, calculator.name)


def relax(
    calculator: Calculator,
    arrays: AtomArrays,
    *,
    fmax: float = 0.1,
    steps: int = 200,
    cell: bool = True,
    seconds: float | None = None,
    optimiser: str = "bfgs",
    watch: Callable[[Frame], bool] | None = None,
) -> Relaxed:
    """Relax atoms, and the cell with them.

    Parameters
    ----------
    fmax : eV/A, where it stops
    steps, seconds : where it stops unconverged
    cell : whether the cell relaxes too (a molecule has none)
    optimiser : "bfgs", `quasi_newton`, or "fire", ASE's FIRE (E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006))
        with its FrechetCellFilter, three times the steps
    watch : called with every frame, the start among them; False ends the relaxation there

    Raises
    ------
    ScreeningError
        the energy or a force is not a number, the cell grew or shrank threefold, or the cell is to relax by a
        calculator without stresses.
    """
    if optimiser not in OPTIMISERS:
        raise ScreeningError(f"there is no optimiser {optimiser!r}", where="[energy]", remedy='"bfgs" or "fire"')
    cell = cell and arrays.cell is not None
    atoms = to_ase(arrays)
    atoms.calc = calculator.ase()
    began, volume = time.monotonic(), arrays.volume if cell else 1.0
    taken, per_atom, force = -1, math.nan, math.inf
    try:
        for energy, force in (
            quasi_newton(atoms, fmax, steps, cell) if optimiser == "bfgs" else _fire(atoms, fmax, steps, cell)
        ):
            taken += 1
            per_atom = energy / len(atoms)
            if not (math.isfinite(energy) and math.isfinite(force)):
                raise ScreeningError("the calculator returned NaN or infinity", where=arrays.formula)
            ratio = atoms.get_volume() / volume if cell else 1.0
            if not 1 / _GROWTH < ratio < _GROWTH:
                raise ScreeningError(
                    f"the cell changed its volume by a factor {ratio:.2f} after {taken} steps", where=arrays.formula
                )
            if watch is not None and not watch(_frame(atoms, arrays, cell, taken, per_atom, force)):
                break
            if seconds is not None and time.monotonic() - began > seconds:
                break
    except NotImplementedError as error:
        if not cell:
            raise
        raise ScreeningError(
            f"{calculator.name} has no stresses", where=arrays.formula, remedy="relax with the cell fixed"
        ) from error
    return Relaxed(_now(atoms, arrays, cell), per_atom, force <= fmax, force, taken)


def _fire(atoms: Any, fmax: float, steps: int, cell: bool) -> Iterator[tuple[float, float]]:
    """As `quasi_newton`, by ASE's FIRE and its FrechetCellFilter."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE

    moving = FrechetCellFilter(atoms) if cell else atoms
    atoms.get_forces()
    well_shaped(atoms)
    for _ in FIRE(moving, logfile=None).irun(fmax=fmax, steps=steps):
        forces = np.asarray(moving.get_forces())
        yield float(atoms.get_potential_energy()), float(np.sqrt(np.square(forces).sum(axis=1)).max())


def _now(atoms: Any, start: AtomArrays, cell: bool) -> AtomArrays:
    return AtomArrays(start.numbers, atoms.get_positions(), np.asarray(atoms.cell) if cell else start.cell)


def _stress(atoms: Any) -> np.ndarray | None:
    if not atoms.pbc.all():
        return None
    try:
        found = np.asarray(atoms.get_stress(voigt=False), dtype=float)
    except NotImplementedError:
        return None
    return found if np.isfinite(found).all() else None


def _frame(atoms: Any, start: AtomArrays, cell: bool, step: int, per_atom: float, force: float) -> Frame:
    # as it comes with the forces: a calculator that would have to compute it anew is not asked
    stress = getattr(atoms.calc, "results", {}).get("stress") if atoms.pbc.all() else None
    pressure = None if stress is None else -GPA * float(np.sum(np.ravel(stress)[_DIAGONAL[np.size(stress)]])) / 3.0
    return Frame(step, _now(atoms, start, cell), per_atom, force, pressure)


def shaken(arrays: AtomArrays, amount: float, seed: int) -> AtomArrays:
    """Positions moved at random (normal, standard deviation `amount` in Angstrom): off a saddle point, where symmetry
    makes every force zero."""
    if amount == 0.0:
        return arrays
    noise = np.random.default_rng(seed).normal(scale=amount, size=arrays.positions.shape)
    return replace(arrays, positions=arrays.positions + noise - noise.mean(axis=0))
