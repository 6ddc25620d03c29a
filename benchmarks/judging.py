"""How a decoded structure is judged: StructureMatcher at two tolerances, the validity gate, molecules superposed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

LOOSE = {"stol": 0.5, "angle_tol": 10, "ltol": 0.3}  # of CDVAE (Xie et al., ICLR 2022) and all that compare with it
STRICT = {"stol": 0.2, "angle_tol": 5, "ltol": 0.1}


def compare(truth: Any, made: Any) -> dict[str, Any]:
    """Match at both tolerances, and the RMS distance of the loose one over (V/N)^(1/3) (None without a match)."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    loose = StructureMatcher(**LOOSE).get_rms_dist(truth, made)
    strict = None if loose is None else StructureMatcher(**STRICT).get_rms_dist(truth, made)
    return {
        "match": loose is not None,
        "rms": None if loose is None else float(loose[0]),
        "strict": strict is not None,
    }


# -- the gate ----------------------------------------------------------------------------------------------------------


def valid(structure: Any) -> bool:
    """CDVAE's validity of a decoded crystal: no pair nearer than 0.5 A, a volume of at least 0.1 A^3, `smact_valid`."""
    distances = structure.distance_matrix + 10.0 * np.eye(len(structure))
    if distances.min() < 0.5 or structure.volume < 0.1 or min(structure.lattice.abc) < 0.5:
        return False
    z, counts = np.unique(structure.atomic_numbers, return_counts=True)
    counts = counts // np.gcd.reduce(counts)
    return smact_valid(tuple(z.tolist()), tuple(counts.tolist()))


def gate_rule() -> str:
    """Whose composition rule `valid` applies: "smact VERSION, smact14", or pymatgen's tables where it is missing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"smact {version('smact')}, smact14"
    except PackageNotFoundError:
        return "pymatgen oxidation states (smact is not installed)"


@lru_cache(maxsize=65536)
def smact_valid(numbers: tuple[int, ...], counts: tuple[int, ...]) -> bool:
    """SMACT's `smact_validity` as CDVAE's script calls it: Pauling test, metals among themselves pass.

    CDVAE (Xie et al., ICLR 2022) used SMACT 2, whose oxidation states SMACT 4 calls "smact14": with them the true
    crystals of MP-20, Perov-5 and Carbon-24 pass as often as published (about 90, 98.6 and 100 %); SMACT 4's own
    default, icsd24, is another gate. Without smact (extra ``screen``): `neutral`.
    """
    if len(numbers) == 1:
        return True
    try:
        from smact.screening import smact_validity
    except ImportError:
        return neutral(numbers, counts)
    from pymatgen.core import Composition, Element

    composition = Composition({Element.from_Z(z).symbol: n for z, n in zip(numbers, counts, strict=True)})
    return bool(smact_validity(composition, oxidation_states_set="smact14"))


@lru_cache(maxsize=65536)
def neutral(numbers: tuple[int, ...], counts: tuple[int, ...]) -> bool:
    """Whether oxidation states exist that are neutral and give the more electronegative elements the negative ones.

    The composition test of SMACT (Davies et al., Chem 1, 617, 2016) as CDVAE's script applies it: one element, or
    metals alone, pass; an element without an electronegativity passes the Pauling test. The oxidation states are
    pymatgen's (`Element.oxidation_states`) and so are the electronegativities: the substitute where smact is missing.
    Its table differs for some elements: 84 % of MP-20 pass, 88 % with smact's.
    """
    from pymatgen.core import Element

    if len(numbers) == 1:
        return True
    elements = [Element.from_Z(z) for z in numbers]
    if all(e.is_metal for e in elements):
        return True
    negativity = [_electronegativity(e.symbol) for e in elements]
    for states in itertools.product(*(e.oxidation_states for e in elements)):
        if sum(c * s for c, s in zip(counts, states, strict=True)) == 0 and _pauling(states, negativity):
            return True
    return False


def _electronegativity(symbol: str) -> float | None:
    import warnings

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have none
        value = float(Element(symbol).X)
    return value if np.isfinite(value) and value > 0 else None


def _pauling(states: Sequence[float], negativity: Sequence[float | None]) -> bool:
    if any(x is None for x in negativity):
        return True
    pairs = list(zip(states, negativity, strict=True))
    return all(not (a > 0 > b and x >= y) for (a, x), (b, y) in itertools.permutations(pairs, 2))


# -- molecules ---------------------------------------------------------------------------------------------------------


def molecule_fit(truth: Any, made: Any) -> dict[str, Any]:
    """The best superposition over rotations, reflections (codes do not see handedness) and exchanges of like atoms.

    ``rmsd`` (Angstrom; inf where the compositions differ), ``atoms_right``: share of atoms with one of their own
    element within 0.1 A, ``types_right``: share of atoms with one of their own element at their place when the
    superposed atoms are paired by distance alone.
    """
    z, w = np.array(truth.atomic_numbers), np.array(made.atomic_numbers)
    if sorted(z) != sorted(w):
        return {"rmsd": float("inf"), "atoms_right": 0.0, "types_right": 0.0}
    from scipy.optimize import linear_sum_assignment

    x = truth.cart_coords - truth.cart_coords.mean(0)
    y = made.cart_coords - made.cart_coords.mean(0)
    matrix, order = _superpose(z, x, w, y)
    moved = y @ matrix
    distance = np.linalg.norm(x - moved[order], axis=-1)
    _, nearest = linear_sum_assignment(np.square(x[:, None] - moved[None]).sum(-1))
    return {
        "rmsd": float(np.sqrt(np.square(distance).mean())),
        "atoms_right": float((distance <= 0.1).mean()),
        "types_right": float((z == w[nearest]).mean()),
    }


def molecule_rmsd(truth: Any, made: Any) -> float:
    """Smallest RMSD (Angstrom); see `molecule_fit`."""
    return molecule_fit(truth, made)["rmsd"]


def _superpose(z: np.ndarray, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthogonal matrix and order: ``x ~ (y @ matrix)[order]`` (inertia frames and random turns, Hungarian, Kabsch)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.transform import Rotation

    frames = [np.linalg.eigh(p.T @ p)[1] for p in (x, y)]
    starts = [frames[1] @ np.diag(s) @ frames[0].T for s in np.array(np.meshgrid(*[[1, -1]] * 3)).reshape(3, -1).T]
    turns = Rotation.random(24, random_state=0).as_matrix()
    starts += [t * sign for t in turns for sign in (1, -1)]
    forbidden = np.where(z[:, None] == w[None, :], 0.0, 1e6)
    best, found = np.inf, (np.eye(3), np.arange(len(z)))
    for matrix in starts:
        for _ in range(12):
            cost = np.square(x[:, None] - (y @ matrix)[None]).sum(-1)
            _, order = linear_sum_assignment(cost + forbidden)
            u, _, vt = np.linalg.svd(y[order].T @ x)
            mirror = np.sign(np.linalg.det(matrix)) * np.sign(np.linalg.det(u @ vt))
            new = u @ np.diag([1, 1, mirror]) @ vt
            if np.allclose(new, matrix, atol=1e-6):
                break
            matrix = new
        rms = float(np.sqrt(np.square(x - (y @ matrix)[order]).sum(-1).mean()))
        if rms < best:
            best, found = rms, (matrix, order)
        if best < 1e-3:
            break
    return found
