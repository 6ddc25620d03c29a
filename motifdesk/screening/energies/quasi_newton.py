"""A quasi-Newton relaxation of atoms and cell that knows how stiff bonds and cells are before the first step.

Unknowns are displacements u (Angstrom) and the symmetric strain times the number of atoms, n e, of the cell as it is:

    positions -> positions (1 + e) + u,   cell -> cell (1 + e),   dE/du = -f,   dE/d(n e) = V s / n.

That is the choice of E. B. Tadmor, G. S. Smith, N. Bernstein, E. Kaxiras, Phys. Rev. B 59, 235 (1999), which ASE's cell
filters make too, with the strain taken anew at every step: no logarithms of matrices. BFGS updates of the Hessian (J.
Nocedal, S. Wright, "Numerical optimization", eq. 6.19) start from one stiffness for atoms and one for the cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .calculators import well_shaped

BOND, CELL = 20.0, 1.5  # eV/A^2 of an atom, eV/A^3 (240 GPa) of a strain: chosen on 44 substituted crystals
STEP = 0.2  # Angstrom, longest step of an atom; of n e likewise
_RISE = 0.02  # eV/atom: a step that leads higher up than this taught the wrong curvature
_FLOOR = 0.05  # of the first stiffness: no eigenvalue of the Hessian is taken to be less


def quasi_newton(atoms: Any, fmax: float, steps: int, cell: bool = True) -> Iterator[tuple[float, float]]:
    """Relax `atoms` (ase.Atoms with a calculator) in place.

    Yields (eV, largest of the atoms' forces and of the rows of V s / n, eV/A) of the start and after each step, at most
    `steps`; ends when the second is at most `fmax`. Energies and forces that are not finite are yielded as they are and
    end it.
    """
    n = len(atoms)
    periodic = cell and bool(np.any(atoms.cell))
    stiffness = np.full(3 * n, BOND)
    if periodic:
        stiffness = np.r_[stiffness, np.full(9, CELL * atoms.get_volume() / n**2)]
    hessian = np.diag(stiffness)
    last: tuple[np.ndarray, np.ndarray, float] | None = None
    for k in range(steps + 1):
        energy, gradient = _slope(atoms, periodic)
        largest = float(np.linalg.norm(gradient.reshape(-1, 3), axis=1).max())
        yield energy, largest
        if largest <= fmax or k == steps or not np.isfinite(energy + largest):
            return
        if last is not None:
            moved, before, height = last
            if energy > height + _RISE * n:
                hessian = np.diag(3.0 * stiffness)
            else:
                hessian = _updated(hessian, moved, gradient - before)
        values, vectors = np.linalg.eigh(hessian)
        values = np.maximum(np.abs(values), _FLOOR * stiffness.min())
        step = -vectors @ ((vectors.T @ gradient) / values)
        step *= min(1.0, STEP / np.linalg.norm(step.reshape(-1, 3), axis=1).max())
        _move(atoms, step, periodic)
        last = step, gradient, energy


def _slope(atoms: Any, periodic: bool) -> tuple[float, np.ndarray]:
    energy = float(atoms.get_potential_energy())
    gradient = -np.asarray(atoms.get_forces())
    well_shaped(atoms)
    if not periodic:
        return energy, gradient.ravel()
    stress = np.asarray(atoms.get_stress(voigt=False)) * atoms.get_volume() / len(atoms)
    return energy, np.concatenate([gradient, 0.5 * (stress + stress.T)]).ravel()


def _updated(hessian: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """BFGS; along directions of negative curvature it is kept as it is."""
    along, through = float(s @ y), hessian @ s
    quadratic = float(s @ through)
    if along <= 1e-3 * quadratic or quadratic <= 1e-14:
        return hessian
    return hessian + np.outer(y, y) / along - np.outer(through, through) / quadratic


def _move(atoms: Any, step: np.ndarray, periodic: bool) -> None:
    n = len(atoms)
    shift, positions = step[: 3 * n].reshape(n, 3), atoms.get_positions()
    if periodic:
        strained = np.eye(3) + step[3 * n :].reshape(3, 3) / n
        atoms.set_cell(np.asarray(atoms.cell) @ strained)
        positions = positions @ strained
    atoms.set_positions(positions + shift)
