"""Elastic constants from stresses under small strains: does every small strain cost energy?

C_ij = d sigma_i / d epsilon_j (Voigt order xx, yy, zz, yz, xz, xy; engineering shears) by central differences, atoms
relaxed in the strained cell; made symmetric, and averaged over the crystal's point group. Stable by Born's criteria in
their general form: every eigenvalue of C positive (F. Mouhat, F.-X. Coudert, Phys. Rev. B 90, 224104 (2014)). Moduli:
averages of Voigt's and Reuss's bounds (R. Hill, Proc. Phys. Soc. A 65, 349 (1952)).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays, from_arrays

from ..energies.calculators import to_ase
from ..errors import ScreeningError
from .common import Alive, Watch, ase_of, crystal, finite, silent

STRAIN = 0.01  # as with phonons: smaller ones meet the kinks of graph networks with cut-offs
_STRESS = 0.5  # GPa left on the cell: said in the note, Born's criteria are for a cell at rest
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class Elastic:
    """What `elastic` found; GPa.

    constants [6, 6]: of the orientation the cell is given in. lowest: eigenvalue of it. stable: it is positive. bulk,
    shear: Voigt-Reuss-Hill averages (Voigt's alone where C cannot be inverted or is unstable). asymmetry: largest
    difference between C_ij and C_ji as computed, a measure of the numerical error. stress: largest component left on
    the cell before straining. unconverged: strained cells, of 12, whose atoms did not come to rest. calls: of the
    calculator. note: what to keep in mind.
    """

    constants: np.ndarray
    lowest: float
    stable: bool
    bulk: float
    shear: float
    asymmetry: float
    stress: float
    unconverged: int
    calls: int
    note: str = ""


def elastic(
    structure: Any,
    calculator: Any,
    *,
    strain: float = STRAIN,
    relax_atoms: bool = True,
    fmax: float = 0.02,
    steps: int = 100,
    symprec: float = 1e-2,
    seconds: float | None = None,
    alive: Alive = silent,
) -> Elastic:
    """Elastic constants of a relaxed crystal.

    Parameters
    ----------
    structure : anything `to_arrays` takes, relaxed with its cell
    calculator : a `motifdesk.screening` calculator or any ASE calculator with stresses
    strain : of each of the six, both signs
    relax_atoms, fmax (eV/Angstrom), steps : atoms come to rest in each strained cell (LBFGS)
    symprec : Angstrom, of the point group that C is averaged over
    seconds, alive : ScreeningError after so many seconds; called after each call of the calculator

    Raises
    ------
    ScreeningError
        no crystal, stresses that are not numbers, no stresses at all, over the time.
    """
    arrays = crystal(structure, "elastic constants")
    if not 0 < strain <= 0.05:
        raise ScreeningError(f"strain = {strain}", where="elastic", remedy="a number up to 0.05, such as 0.005")
    watch, engine = Watch(seconds, alive, arrays.formula), ase_of(calculator)
    calls, unconverged = 0, 0

    def stress(deformation: np.ndarray) -> np.ndarray:
        nonlocal calls, unconverged
        assert arrays.cell is not None
        cell = arrays.cell @ (np.eye(3) + deformation)
        atoms = to_ase(AtomArrays(arrays.numbers, arrays.fractional @ cell, cell))
        atoms.calc = engine
        if relax_atoms and len(arrays) > 1:
            from ase.optimize import LBFGS

            run = LBFGS(atoms, logfile=None)  # type: ignore[arg-type]  # None is silence
            resting = False
            for resting in run.irun(fmax=fmax, steps=steps):  # noqa: B007  the last one is what counts
                finite(atoms.get_forces(), "forces", arrays.formula)
                calls += 1
                watch.tick()
            unconverged += not resting
        try:
            found = atoms.get_stress(voigt=True)
        except NotImplementedError as error:
            raise ScreeningError("the calculator has no stresses", where="elastic constants") from error
        calls += 1
        watch.tick()
        return finite(found, "stresses", arrays.formula) * _gpa()

    rest = stress(np.zeros((3, 3)))
    raw = np.empty((6, 6))
    for j, (a, b) in enumerate(_VOIGT):
        tensor = np.zeros((3, 3))
        tensor[a, b] = tensor[b, a] = strain if a == b else 0.5 * strain
        raw[:, j] = (stress(tensor) - stress(-tensor)) / (2.0 * strain)
    asymmetry = float(np.abs(raw - raw.T).max())
    constants = _of_the_point_group(0.5 * (raw + raw.T), arrays, symprec)
    lowest = float(np.linalg.eigvalsh(constants).min())
    bulk, shear = moduli(constants)
    left = float(np.abs(rest).max())
    notes = []
    if left > _STRESS:
        notes.append(f"stress up to {left:.1f} GPa before straining: relax it further")
    if unconverged:
        notes.append(f"atoms not at rest in {unconverged} strained cells")
    return Elastic(constants, lowest, lowest > 0, bulk, shear, asymmetry, left, unconverged, calls, "; ".join(notes))


def moduli(constants: np.ndarray) -> tuple[float, float]:
    """Bulk and shear modulus of a polycrystal, Voigt-Reuss-Hill; Voigt's bound alone for a C that is not positive."""
    c = np.asarray(constants, dtype=float)
    diagonal, off = np.trace(c[:3, :3]), c[0, 1] + c[0, 2] + c[1, 2]
    bulk = (diagonal + 2 * off) / 9
    shear = (diagonal - off + 3 * np.trace(c[3:, 3:])) / 15
    if np.linalg.eigvalsh(c).min() <= 1e-9:
        return float(bulk), float(shear)
    s = np.linalg.inv(c)
    diagonal, off = np.trace(s[:3, :3]), s[0, 1] + s[0, 2] + s[1, 2]
    reuss_bulk = 1 / (diagonal + 2 * off)
    reuss_shear = 15 / (4 * diagonal - 4 * off + 3 * np.trace(s[3:, 3:]))
    return float(bulk + reuss_bulk) / 2, float(shear + reuss_shear) / 2


def _of_the_point_group(constants: np.ndarray, arrays: AtomArrays, symprec: float) -> np.ndarray:
    from pymatgen.analysis.elasticity import ElasticTensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole = ElasticTensor.from_voigt(constants)
            return np.asarray(whole.fit_to_structure(_structure(arrays), symprec).voigt, dtype=float)
        except (ValueError, TypeError):  # no symmetry found: as computed
            return constants


def _structure(arrays: AtomArrays) -> Any:
    return from_arrays(arrays)


def _gpa() -> float:
    from ase.units import GPa

    return 1.0 / GPa
