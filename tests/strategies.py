"""Random structures and the ways of writing one crystal down differently, for property tests.

A `Change` turns, shifts, reorders, re-cells and repeats a crystal and keeps the book on which site came from which, so
that an answer about the one can be compared with the answer about the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from motifdesk.structures import corpus, read

_SALTS = (("Na", "Cl"), ("Mg", "O"), ("Ti", "O"), ("Ca", "F"), ("Zn", "S"), ("Sr", "Ti", "O"), ("Li", "Ir", "O"))
_EXAMPLES = (
    "CaTiO3",
    "KCuF3",
    "NaIrO3",
    "NaCl",
    "Si",
    "SrTiO3",
    "anatase-TiO2",
    "quartz-SiO2",
    "rutile-TiO2",
    "alpha-Li2IrO3",
)
_OTHERS = (("Si",), ("C",), ("Cu", "Au"), ("Al", "Ni"), ("Ga", "As"))


@dataclass(frozen=True)
class Change:
    """``x' = x @ turn.T + shift`` on Cartesian rows; cell rows ``whole @ cell @ turn.T``; `order` a seed.

    whole: int [3, 3]; determinant +-1 is another cell of the same lattice, more is a supercell.
    """

    turn: np.ndarray
    shift: np.ndarray
    whole: np.ndarray
    order: int | None = None

    @property
    def multiplicity(self) -> int:
        return abs(round(float(np.linalg.det(self.whole))))

    def __call__(self, structure: Structure) -> tuple[Structure, np.ndarray]:
        """The changed crystal and, int [N'], the site of `structure` behind each of its sites."""
        cell = np.asarray(structure.lattice.matrix)
        big = self.whole @ cell
        steps = _cosets(self.whole)
        source = np.repeat(np.arange(len(structure)), len(steps))
        places = structure.cart_coords[source] + np.tile(steps @ cell, (len(structure), 1))
        if self.order is not None:
            chosen = np.random.default_rng(self.order).permutation(len(source))
            source, places = source[chosen], places[chosen]
        species = [structure[int(k)].specie for k in source]
        made = Structure(
            Lattice(big @ self.turn.T), species, places @ self.turn.T + self.shift, coords_are_cartesian=True
        )
        return made, source


def _cosets(whole: np.ndarray) -> np.ndarray:
    """int [n, 3]: lattice translations of the small cell that lie in the big one, one of each class."""
    n = abs(round(float(np.linalg.det(whole))))
    reach = np.abs(whole).sum(axis=0) + 1
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    inside = grid @ np.linalg.inv(whole)
    kept = grid[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    assert len(kept) == n
    return kept


def rotation(seed: int, *, mirror: bool = False) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if (np.linalg.det(q) > 0) != mirror else -q


def unimodular(seed: int, shears: int = 3) -> np.ndarray:
    """int [3, 3] of determinant +-1: a few shears and a change of axes; cells get skew but not endless."""
    rng = np.random.default_rng(seed)
    out = np.eye(3, dtype=int)[rng.permutation(3)] * rng.choice([-1, 1], 3)[:, None]
    for _ in range(shears):
        i, j = rng.choice(3, 2, replace=False)
        out[i] += int(rng.choice([-1, 1])) * out[j]
    return out


_seeds = st.integers(0, 2**31 - 1)


@st.composite
def changes(
    draw: st.DrawFn,
    *,
    turn: bool = True,
    mirror: bool = True,
    shift: bool = True,
    reorder: bool = True,
    cell: bool = True,
    supercell: int = 1,
) -> Change:
    """One change of each kind that is allowed; `supercell` is the largest multiplicity."""
    whole = np.eye(3, dtype=int)
    if supercell > 1:
        for axis, factor in enumerate(draw(st.sampled_from(_factors(supercell)))):
            whole[axis, axis] = factor
    if cell:
        whole = unimodular(draw(_seeds)) @ whole
    return Change(
        rotation(draw(_seeds), mirror=mirror and draw(st.booleans())) if turn else np.eye(3),
        np.random.default_rng(draw(_seeds)).uniform(-9, 9, 3) if shift else np.zeros(3),
        whole,
        draw(_seeds) if reorder else None,
    )


def _factors(largest: int) -> list[tuple[int, int, int]]:
    sizes = range(1, largest + 1)
    return [(a, b, c) for a in sizes for b in sizes for c in sizes if 1 < a * b * c <= largest]


@st.composite
def random_crystals(draw: st.DrawFn, *, most: int = 6) -> Structure:
    """A crystal without symmetry: 1 to `most` atoms at least 1.75 A apart in a random, possibly skew cell."""
    count = draw(st.integers(1, most))
    elements = draw(st.sampled_from(_SALTS + _OTHERS))
    rng = np.random.default_rng(draw(_seeds))
    volume = rng.uniform(11.0, 20.0) * count
    lengths = rng.uniform(0.7, 1.4, 3)
    angles = rng.uniform(55, 125, 3)
    while angles.sum() > 330 or angles.max() > 0.9 * (angles.sum() - angles.max()):
        angles = rng.uniform(55, 125, 3)
    lattice = Lattice.from_parameters(*lengths, *angles).scale(volume)
    if draw(st.booleans()):
        lattice = Lattice(unimodular(draw(_seeds), 2) @ lattice.matrix)
    # as even as `count` allows, so that salts are often neutral
    species = [elements[k % len(elements)] if k < 2 * len(elements) else elements[-1] for k in range(count)]
    places = np.zeros((0, 3))
    for _ in range(400):
        trial = rng.random((1, 3))
        if not len(places) or lattice.get_all_distances(places, trial).min() > 1.75:
            places = np.vstack([places, trial])
            if len(places) == count:
                break
    return Structure(lattice, species[: len(places)], places)


@st.composite
def real_crystals(draw: st.DrawFn, *, most: int = 12) -> Structure:
    """A bundled example or an entry of the bundled corpora with at most `most` atoms."""
    if draw(st.integers(0, 3)) == 0:
        return read(f"{draw(st.sampled_from(_EXAMPLES))}.cif", cell="primitive")
    source = corpus(draw(st.sampled_from(("mp_20", "mp_20", "perov_5"))))
    small = np.flatnonzero(np.asarray(source.natoms) <= most)
    return source.structure(int(small[draw(st.integers(0, len(small) - 1))]))


def crystals(*, most: int = 6) -> st.SearchStrategy[Structure]:
    return st.one_of(random_crystals(most=most), real_crystals(most=2 * most))
