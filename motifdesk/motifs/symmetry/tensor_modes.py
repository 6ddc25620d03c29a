"""Distortion modes of any motif as tensor fields at its ligands: the form that equivariant networks use.

u(r) = sum c_lL [Y_l(r) (x) 1o]_L, evaluated at the ligands r relative to the centre, in units of their mean distance:
0e is breathing, 1o off-centring (l = 0), 1e the rigid turn, 2e every homogeneous strain (an octahedron's Jahn-Teller
modes and shears). No ideal figure is needed and nothing jumps as a motif changes shape. Y_l are the real *solid*
harmonics (degree l in r), so that 1e and 2e stay an exact rotation and an exact strain when bonds differ in length.

Conventions are e3nn's (Geiger and Smidt, arXiv:2207.09453): a vector's components are 1o = (x, y, z), orders run from
-l to l with y as the polar axis, couplings are its real Wigner 3j symbols; axes are those of the laboratory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from motifdesk.structures.errors import MotifError

#: What an independent field has at least, as a share of the field before the others were taken out of it.
_RANK = 0.1
#: The same for the fields that are taken only because nothing better spans the displacements.
_TRACE = 1e-5
#: The highest order that is tried to tell ligands apart.
_HIGHEST = 8
_STRAINS = ("zx", "xy", "2yy-zz-xx", "yz", "zz-xx")


@dataclass(frozen=True, eq=False)
class TensorCoordinate:
    """irrep ("2e"), degree l of the harmonic, component from 1 within the irrep (copies follow each other), note: in
    words, vectors float64 [k, 3] of unit norm."""

    irrep: str
    degree: int
    component: int
    note: str
    vectors: np.ndarray


def tensor_coordinates(ligands: np.ndarray, l_max: int | None = None) -> tuple[TensorCoordinate, ...]:
    """An orthonormal basis of the tensor fields up to l_max on ligands float [k, 3] (Angstrom, relative to the centre).

    The rigid turn comes first, then breathing, then by l and L. In each (l, L) what earlier fields span is taken out
    and the rest is made orthonormal with the least change (Loewdin), so a component keeps its meaning; of a set that is
    not independent on these ligands the components that keep most are taken, none of which keeps less than a tenth.
    l_max None: as far as needed to span all 3k displacements.

    Raises
    ------
    MotifError
        l_max below 1 or above 8, or a ligand on the centre.
    """
    points = np.asarray(ligands, dtype=float)
    if l_max is not None and (isinstance(l_max, bool) or int(l_max) != l_max or not 1 <= l_max <= _HIGHEST):
        raise MotifError(f"l_max {l_max!r}", where="tensor modes", remedy=f"choose 1 to {_HIGHEST}")
    lengths = np.linalg.norm(points, axis=1)
    if not len(points) or lengths.min() < 1e-3:
        raise MotifError("a ligand lies on the centre", where="tensor modes", remedy="pick another motif")
    points = points / lengths.mean()
    k = len(points)
    found = np.zeros((3 * k, 0))
    counts: dict[str, int] = {}
    out: list[TensorCoordinate] = []
    highest = _HIGHEST if l_max is None else int(l_max)
    rest = [(d, n) for d in range(highest + 1) for n in range(abs(d - 1), d + 2) if d + n > 1 or (d, n) == (0, 1)]
    order = [(1, 1), (1, 0), *(pair for pair in rest if pair not in ((1, 1), (1, 0)))]
    for least in (_RANK,) if l_max else (_RANK, _TRACE):  # what is nearly dependent comes last
        for degree, rank in order:
            if found.shape[1] == 3 * k:
                break
            irrep = f"{rank}{'e' if degree % 2 else 'o'}"
            fields = tensor_fields(points, degree, rank).reshape(3 * k, 2 * rank + 1)
            chosen, vectors = _independent(fields, found, least)
            for component, vector in zip(chosen, vectors.T, strict=True):
                shape = np.where(np.abs(vector) < 1e-12, 0.0, vector).reshape(k, 3)
                shape.setflags(write=False)
                counts[irrep] = counts.get(irrep, 0) + 1
                out.append(TensorCoordinate(irrep, degree, counts[irrep], _note(degree, rank, component), shape))
            found = np.concatenate([found, vectors], axis=1)
    return tuple(out)


def _independent(fields: np.ndarray, found: np.ndarray, least: float) -> tuple[list[int], np.ndarray]:
    """(which components, orthonormal [3k, r]): what fields [3k, n] add to orthonormal `found` [3k, f]."""
    size = np.linalg.norm(fields) / math.sqrt(fields.shape[1])
    if size < 1e-9:
        return [], fields[:, :0]
    rest = fields - found @ (found.T @ fields)
    rest -= found @ (found.T @ rest)
    chosen: list[int] = []
    basis = rest[:, :0]
    while True:
        left = rest - basis @ (basis.T @ rest)
        norms = np.linalg.norm(left, axis=0) / size
        norms[chosen] = 0.0
        # the first of those that are as good as the best: rounding must not choose
        best = int(np.argmax(norms > 0.9 * norms.max())) if norms.max() > least else -1
        if best < 0:
            break
        chosen.append(best)
        u, _, _ = np.linalg.svd(rest[:, chosen], full_matrices=False)
        basis = u
    chosen.sort()
    u, _, vt = np.linalg.svd(rest[:, chosen], full_matrices=False)
    return chosen, u @ vt


def _note(degree: int, rank: int, component: int) -> str:
    if (degree, rank) == (0, 1):
        return f"off-centring along {'xyz'[component]}"
    if (degree, rank) == (1, 0):
        return "breathing"
    if (degree, rank) == (1, 1):
        return f"tilt about {'xyz'[component]}"
    if (degree, rank) == (1, 2):
        return f"strain {_STRAINS[component]}"
    return f"[Y{degree} x 1o]{rank}, order {component - rank}"


def tensor_fields(points: np.ndarray, degree: int, rank: int) -> np.ndarray:
    """float64 [k, 3, 2 rank + 1]: [Y_degree (x) 1o]_rank at points [k, 3], components x, y, z."""
    return np.einsum("km,mxn->kxn", solid_harmonics(points, degree), wigner_3j(degree, 1, rank))


def solid_harmonics(points: np.ndarray, degree: int) -> np.ndarray:
    """float64 [k, 2 degree + 1]: real solid harmonics, e3nn's order; norm |r|^degree ("norm" normalisation)."""
    values = np.ones((len(points), 1))
    for n in range(degree):
        values = np.einsum("km,kx,mxn->kn", values, points, wigner_3j(n, 1, n + 1))
        # the fully aligned coupling of unit vectors: its norm is that of a 3j symbol with stretched l
        pole = np.zeros(2 * n + 1)
        pole[n] = 1.0
        values /= np.linalg.norm(np.einsum("m,x,mxn->n", pole, np.array([0.0, 1.0, 0.0]), wigner_3j(n, 1, n + 1)))
    return values


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """float64 [2 l1 + 1, 2 l2 + 1, 2 l3 + 1]: the real invariant of three irreps, unit norm, e3nn's signs."""
    complex_form = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(-l2, l2 + 1):
            if abs(m1 + m2) <= l3:
                complex_form[l1 + m1, l2 + m2, l3 + m1 + m2] = _clebsch_gordan(l1, m1, l2, m2, l3, m1 + m2)
    q1, q2, q3 = (_real_to_complex(n) for n in (l1, l2, l3))
    out = np.real(np.einsum("ij,kl,mn,ikn->jlm", q1, q2, np.conj(q3.T), complex_form))
    out /= np.linalg.norm(out)
    out.setflags(write=False)
    return out


def _real_to_complex(l: int) -> np.ndarray:  # noqa: E741
    """complex [2 l + 1, 2 l + 1]: complex orders (rows) of the real ones, with the phase that makes couplings real."""
    q = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    q[l, l] = 1.0
    for m in range(1, l + 1):
        q[l - m, l + m] = 2**-0.5
        q[l - m, l - m] = -1j * 2**-0.5
        q[l + m, l + m] = (-1) ** m * 2**-0.5
        q[l + m, l - m] = 1j * (-1) ** m * 2**-0.5
    return (-1j) ** l * q


def _clebsch_gordan(j1: int, m1: int, j2: int, m2: int, j: int, m: int) -> float:
    """Racah's formula for <j1 m1 j2 m2 | j m> of integers."""
    f = math.factorial
    front = (2 * j + 1) * f(j + j1 - j2) * f(j - j1 + j2) * f(j1 + j2 - j) / f(j1 + j2 + j + 1)
    front *= f(j + m) * f(j - m) * f(j1 - m1) * f(j1 + m1) * f(j2 - m2) * f(j2 + m2)
    total = 0.0
    for n in range(j1 + j2 - j + 1):
        parts = (n, j1 + j2 - j - n, j1 - m1 - n, j2 + m2 - n, j - j2 + m1 + n, j - j1 - m2 + n)
        if min(parts) >= 0:
            total += (-1) ** n / math.prod(f(part) for part in parts)
    return math.sqrt(front) * total
