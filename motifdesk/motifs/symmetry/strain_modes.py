"""A homogeneous strain as the symmetry components of a parent's point group."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..figures.pointgroup import PointGroup

_PLACES = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class StrainMode:
    """One symmetry component of a strain at the zone centre.

    label: irrep (Mulliken), component and what it does ("Eg (1 of 2), 2zz - xx - yy"). value: its amplitude, without
    unit: the projection on `tensor`, float64 [3, 3], symmetric, unit Frobenius norm; the squares of all values add up
    to the squared Frobenius norm of the strain.
    """

    label: str
    irrep: str
    component: int
    dimension: int
    value: float
    tensor: np.ndarray = field(compare=False, repr=False)


def strain_basis() -> np.ndarray:
    """float64 [6, 3, 3]: xx, yy, zz, yz, xz, xy, unit Frobenius norm."""
    out = np.zeros((6, 3, 3))
    for n, (i, j) in enumerate(_PLACES):
        out[n, i, j] = out[n, j, i] = 1.0 if i == j else 2.0**-0.5
    return out


def strain_modes(strain: np.ndarray, turns: np.ndarray) -> tuple[StrainMode, ...]:
    """The components of a symmetric strain [3, 3] under Cartesian rotations [G, 3, 3], a point group.

    Copies of one irrep are told apart as far as possible: the volume first, then normal before shear strains.
    """
    basis = strain_basis()
    action = np.einsum("aij,gik,gjl,bkl->gab", basis, turns, turns, basis)
    noise = np.random.default_rng(6).standard_normal((6, 6))
    volume = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) / np.sqrt(3.0)
    # xx and yy weigh alike, so that a pair of normal strains comes out as 2zz - xx - yy and xx - yy
    probe = np.diag([1.0, 1.0, 2.0, 4.0, 5.0, 6.0])

    def averaged(operator: np.ndarray) -> np.ndarray:
        return np.einsum("gab,bc,gdc->ad", action, operator, action) / len(action)

    generic = averaged(noise + noise.T)
    spaces = [volume[:, None]]
    rest = np.eye(6) - np.outer(volume, volume)
    for part in _split(averaged(probe), np.linalg.svd(rest)[0][:, :5]):
        spaces += _split(generic, part)
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    group = PointGroup(corners, turns, np.zeros((len(turns), 6), dtype=int))
    values = np.einsum("aij,ij->a", basis, (strain + strain.T) / 2.0)
    out = []
    for space in spaces:
        irrep = group.name(np.einsum("ak,gab,bk->g", space, action, space))
        _, own = np.linalg.eigh(space.T @ probe @ space)
        aligned = space @ own[:, ::-1] if space[:3].any() and np.abs(space[3:]).max() < 1e-9 else space @ own
        for n, vector in enumerate(aligned.T, start=1):
            vector = np.where(np.abs(vector) < 1e-12, 0.0, vector)
            lead = int(np.argmax(np.round(np.abs(vector), 9)))
            vector = vector if vector[lead] > 0 else -vector
            which = f" ({n} of {space.shape[1]})" if space.shape[1] > 1 else ""
            tensor = np.einsum("a,aij->ij", vector, basis)
            out.append(
                StrainMode(
                    f"GM {irrep}{which}, {_written(vector)}",
                    f"GM {irrep}",
                    n,
                    space.shape[1],
                    float(vector @ values),
                    tensor,
                )
            )
    return tuple(out)


def _split(operator: np.ndarray, space: np.ndarray) -> list[np.ndarray]:
    values, vectors = np.linalg.eigh(space.T @ operator @ space)
    edges = np.flatnonzero(np.diff(values) > 1e-7 * max(1e-9, float(np.abs(values).max()))) + 1
    return [space @ part for part in np.split(vectors, edges, axis=1)]


def _written(vector: np.ndarray) -> str:
    """ "2zz - xx - yy" and the like: whole-number ratios where there are any, else two digits."""
    names = ("xx", "yy", "zz", "yz", "xz", "xy")
    if np.allclose(vector[:3], vector[0]) and np.abs(vector[3:]).max() < 1e-9:
        return "volume"
    used = [(abs(v), v, n) for v, n in zip(vector, names, strict=True) if abs(v) > 1e-6]
    least = min(size for size, _, _ in used)
    terms = []
    for size, value, name in sorted(used, key=lambda t: -round(t[0], 6)):
        ratio = size / least
        factor = "" if abs(ratio - 1) < 1e-6 else f"{ratio:.0f}" if abs(ratio - round(ratio)) < 1e-6 else f"{ratio:.2f}"
        terms.append(("- " if value < 0 else "+ ") + factor + name)
    text = " ".join(terms)
    return text[2:] if text.startswith("+ ") else "-" + text[2:]
