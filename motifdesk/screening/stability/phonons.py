"""Phonons by finite displacements: does every small displacement cost energy?

Forces of any ASE calculator on the displaced supercells that phonopy asks for (A. Togo, L. Chaput, T. Tadano, I.
Tanaka, J. Phys. Condens. Matter 35, 353001 (2023)), force constants with the acoustic sum rule and permutation
symmetry imposed. The verdict looks at the wave vectors commensurate with the supercell, where finite displacements are
exact; a denser mesh in between is interpolated and given as a figure of its own. Long-range polar forces (LO-TO
splitting) are not added: they only raise frequencies.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays

from ..energies.calculators import to_ase
from ..errors import ScreeningError
from .common import Alive, Watch, ase_of, crystal, finite, silent

LENGTH = 10.0  # Angstrom
MAX_ATOMS = 216  # 6 x 6 x 6 of one atom, the densest metals at 10 Angstrom
# Angstrom. Larger than the customary 0.01: graph networks with cut-offs are not smooth near symmetric places. CHGNet's
# transverse optical mode of NaCl at the zone centre is -0.8, 3.4, 3.8 THz at 0.01, 0.03, 0.05
DISPLACEMENT = 0.05
THRESHOLD = 0.3  # THz: noise of forces makes acoustic modes a little imaginary
_BETWEEN = 1.0  # THz: interpolation itself errs by some tenths; more is said in the note of what counts as stable
_RESIDUAL = 0.05  # eV/Angstrom left on an atom: said in the note


@dataclass(frozen=True, eq=False)
class Phonons:
    """What `phonons` found. Frequencies in THz, imaginary ones negative.

    supercell: repeats of the cell. atoms: of the supercell. calls: of the calculator. qpoints [Q, 3]: commensurate with
    the supercell, fractions of the reciprocal cell. frequencies [Q, 3N]. lowest, at: the lowest of them and its wave
    vector. interpolated: the lowest on a denser mesh, Fourier-interpolated. stable: nothing below -`threshold` among
    `frequencies`. imaginary: how many are. residual: eV/Angstrom, the largest force before displacing; note: what to
    keep in mind, "" for nothing.
    """

    supercell: tuple[int, int, int]
    atoms: int
    calls: int
    qpoints: np.ndarray
    frequencies: np.ndarray
    lowest: float
    at: tuple[float, float, float]
    interpolated: float
    stable: bool
    imaginary: int
    threshold: float
    residual: float
    note: str = ""


def phonons(
    structure: Any,
    calculator: Any,
    *,
    length: float = LENGTH,
    max_atoms: int = MAX_ATOMS,
    supercell: tuple[int, int, int] | None = None,
    displacement: float = DISPLACEMENT,
    threshold: float = THRESHOLD,
    symprec: float = 1e-3,
    seconds: float | None = None,
    alive: Alive = silent,
) -> Phonons:
    """Phonon frequencies of a relaxed crystal.

    Parameters
    ----------
    structure : anything `to_arrays` takes, relaxed; its cell is used as it is (a primitive one is the cheapest)
    calculator : a `motifdesk.screening` calculator or any ASE calculator
    length : Angstrom, the supercell is at least as wide between its faces, unless
    max_atoms : it would hold more atoms; then it is narrower, and the note says so
    supercell : repeats of the cell instead; a multiple of 3 holds the corners K of hexagonal zones
    displacement : Angstrom
    threshold : THz; modes below minus this are imaginary
    symprec : Angstrom, of the symmetry that saves displacements
    seconds, alive : ScreeningError after so many seconds; called after each call of the calculator

    Raises
    ------
    ScreeningError
        no crystal, forces that are not numbers, over the time, phonopy not installed or at a loss.
    """
    arrays = crystal(structure, "phonons")
    repeats, cut = (supercell, False) if supercell else supercell_of(arrays, length, max_atoms)
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise ScreeningError(
            f"phonopy is not installed: {error}", where="phonons", remedy='pip install "motifdesk[screen]"'
        ) from error
    unit = PhonopyAtoms(numbers=arrays.numbers.tolist(), cell=arrays.cell, scaled_positions=arrays.fractional)
    watch, engine = Watch(seconds, alive, arrays.formula), ase_of(calculator)

    def forces(cell: Any) -> np.ndarray:
        atoms = to_ase(AtomArrays(np.asarray(cell.numbers), np.asarray(cell.positions), np.asarray(cell.cell)))
        atoms.calc = engine
        found = finite(atoms.get_forces(), "forces", arrays.formula)
        watch.tick()
        return found

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work = Phonopy(unit, np.diag(repeats), primitive_matrix=np.eye(3), symprec=symprec, log_level=0)
            work.generate_displacements(distance=displacement)
            at_rest = forces(work.supercell)
            displaced = [forces(c) - at_rest for c in work.supercells_with_displacements or () if c is not None]
            work.forces = displaced
            work.produce_force_constants()
            work.symmetrize_force_constants()
            points = np.array([np.array(q) / repeats for q in product(*(range(n) for n in repeats))])
            work.run_qpoints(points)
            found = finite(work.get_qpoints_dict()["frequencies"], "frequencies", arrays.formula)
            work.run_mesh([2 * n for n in repeats], is_gamma_center=True)
            mesh: Any = work.get_mesh_dict()
            between = float(np.min(mesh["frequencies"]))
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        raise ScreeningError(f"phonopy: {error}", where=arrays.formula) from error
    where = np.unravel_index(int(found.argmin()), found.shape)
    residual = float(np.linalg.norm(at_rest, axis=1).max())
    notes = [f"supercell held to {max_atoms} atoms"] if cut else []
    if residual > _RESIDUAL:
        notes.append(f"forces up to {residual:.2f} eV/A before displacing: relax it further")
    if between < -max(_BETWEEN, threshold) and found.min() > -threshold:
        notes.append(f"{between:.1f} THz interpolated between its wave vectors: a longer supercell decides")
    q = points[where[0]]
    return Phonons(
        repeats,
        len(arrays) * int(np.prod(repeats)),
        1 + len(displaced),
        points,
        found,
        float(found.min()),
        (float(q[0]), float(q[1]), float(q[2])),
        between,
        bool(found.min() > -threshold),
        int((found <= -threshold).sum()),
        threshold,
        residual,
        "; ".join(notes),
    )


def supercell_of(arrays: AtomArrays, length: float, max_atoms: int) -> tuple[tuple[int, int, int], bool]:
    """Repeats that make a cell at least `length` wide between its faces, within `max_atoms`; whether it was cut.

    Even ones, or 1: the zone's boundary, where octahedra tilt and cells double, is among the wave vectors then.
    """
    assert arrays.cell is not None
    widths = 1.0 / np.linalg.norm(np.linalg.inv(arrays.cell), axis=0)
    cut = False
    while True:  # a shorter length, rather than fewer repeats of one direction: equal directions stay equal
        repeats = np.maximum(1, np.ceil(length / widths - 1e-6)).astype(int)
        repeats += (repeats > 1) & (repeats % 2 == 1)
        if len(arrays) * repeats.prod() <= max_atoms or repeats.max() == 1:
            break
        length, cut = 0.99 * length, True
    return (int(repeats[0]), int(repeats[1]), int(repeats[2])), cut
