"""Symmetry-adapted displacements of one orbit of sites in a supercell, wavevector by wavevector.

For each star of wavevectors the little group of one arm acts on the Bloch waves of the orbit (3 per primitive-cell
site; cosine and sine waves where k and -k differ). A random symmetric matrix averaged over that group has one
eigenvalue per irrep (Schur). Copies of one irrep are told apart by fixed operators instead of by chance: first a
uniform shift of the orbit, then each site's own springs to its surroundings (which separates the irreps of the site
symmetry group, as ISODISTORT does), then springs between the orbit's sites too, softest first. The other arms follow by
the operations that turn the first one into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..figures.pointgroup import PointGroup
from .alignment import aligned, keepers
from .supercells import Supercell
from .wavevectors import bravais, commensurate, letter, table_arm, tidied, written

_SEED = 20


@dataclass(frozen=True, eq=False)
class Star:
    """A star of wavevectors of the supercell.

    arms: float64 [s, 3], one of each pair k, -k, the tables' one first. real: k and -k are equivalent. name: letter or
    None. little: operations that keep the first arm up to sign. movers: int64 [s], the operation that makes each arm.
    book: what naming its irreps needs, once it is known.
    """

    arms: np.ndarray
    real: bool
    name: str | None
    little: np.ndarray
    movers: np.ndarray
    book: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def point(self) -> str:
        return self.name if self.name else "k"

    @property
    def at_zero(self) -> bool:
        return self.name == "GM"

    def phases(self, supercell: Supercell) -> np.ndarray:
        """The distinct phases k . t (modulo 1) of the crystal's translations."""
        return np.unique(np.round((supercell.translations @ self.arms[0]) % 1.0, 6) % 1.0)


@dataclass(frozen=True, eq=False)
class Species:
    """One copy of an irrep on an orbit. vectors: float64 [s * d, N, 3], component after component, unit norm. arm:
    int [s * d]. shift: the copy that moves the whole orbit. polar: bool, as many: whether the component alone gives
    a polar direction the parent has not."""

    star: Star
    irrep: str
    copy: int
    shift: bool
    vectors: np.ndarray
    arm: np.ndarray
    polar: tuple[bool, ...]


def stars(supercell: Supercell) -> list[Star]:
    """Every star of the supercell's wavevectors, the zone centre first, then by length and letter."""
    everything = commensurate(supercell.matrix, supercell.primitive)
    kind = bravais(supercell.group.number, supercell.group.symbol)
    inverse = np.rint(np.linalg.inv(supercell.rotations)).astype(int)
    whole = np.rint(np.linalg.inv(supercell.whole_point_group)).astype(int)

    def code(k: np.ndarray) -> tuple:
        return tuple(np.round(np.round(supercell.primitive @ k, 5) % 1.0, 4) % 1.0)

    left = {code(k): k for k in everything}
    out = []
    while left:
        k = next(iter(left.values()))
        arms: dict[tuple, np.ndarray] = {}
        for turn in inverse:
            moved = k @ turn
            if code(moved) not in arms and code(-moved) not in arms:
                moved = tidied(moved, supercell.primitive)
                arms[code(moved)] = moved
        for arm in arms.values():
            left.pop(code(arm), None)
            left.pop(code(-arm), None)
        real = code(k) == code(-k)
        star = np.array(list(arms.values()))
        name = letter(np.concatenate([k @ whole, -k @ whole]) @ supercell.standard, kind)
        size = np.round(np.abs(star).sum(axis=1), 6)
        star = star[np.lexsort((-star[:, 2], -star[:, 1], -star[:, 0], (star < 0).sum(axis=1), size))]
        first = table_arm(star @ supercell.standard, kind, name) or 0
        star = np.concatenate([star[first : first + 1], np.delete(star, first, axis=0)])
        images = [code(star[0] @ turn) for turn in inverse]
        signs = [{code(arm), code(-arm)} for arm in star]
        little = np.array([g for g, c in enumerate(images) if c in signs[0]])
        movers = np.array([next(g for g, c in enumerate(images) if c in pair) for pair in signs])
        out.append(Star(star, real, name, little, movers))
    length = [float(np.linalg.norm(np.linalg.inv(supercell.parent_cell) @ s.arms[0])) for s in out]
    order = sorted(range(len(out)), key=lambda n: (round(length[n], 5), out[n].point, written(out[n].arms[0])))
    return [out[n] for n in order]


class Waves:
    """The displacements of one orbit with the wavevector +-k of a star's first arm: coordinates (wave, x)."""

    def __init__(self, supercell: Supercell, star: Star, sites: np.ndarray) -> None:
        """sites: parent sites of the orbit."""
        self.supercell, self.star = supercell, star
        moves, count = supercell.translation_permutations, len(supercell.steps)
        phase = 2 * np.pi * (supercell.translations @ star.arms[0])
        shapes = [np.cos(phase)] if star.real else [np.cos(phase), np.sin(phase)]
        columns: list[np.ndarray] = []
        done: set[int] = set()
        for site in sites:
            first = int(site) * count
            if first in done:
                continue
            there = moves[:, first]
            done.update(int(j) for j in there)
            for shape in shapes:
                wave = np.zeros(len(supercell))
                wave[there] = shape
                columns.append(wave / np.linalg.norm(wave))
        self.waves = np.array(columns).T  # [N, w]
        self.actions = []
        for g in star.little:
            moved = np.empty_like(self.waves)
            moved[supercell.permutations[g]] = self.waves
            self.actions.append(self.waves.T @ moved)
        self.turns = supercell.turns[star.little]

    @property
    def size(self) -> int:
        return 3 * self.waves.shape[1]

    def quarter(self, space: np.ndarray) -> np.ndarray:
        """A shift by a quarter of the wavelength (cosine to sine, sine to minus cosine) of vectors [u, ...]."""
        pairs = space.reshape(-1, 2, 3, *space.shape[1:])
        return np.stack([-pairs[:, 1], pairs[:, 0]], axis=1).reshape(space.shape)

    def act(self, n: int, space: np.ndarray) -> np.ndarray:
        """Operation ``star.little[n]`` on vectors [u, d]."""
        w, d = self.waves.shape[1], space.shape[1]
        moved = np.einsum("xy,wyd->wxd", self.turns[n], space.reshape(w, 3, d))
        return (self.actions[n] @ moved.reshape(w, 3 * d)).reshape(3 * w, d)

    def averaged(self, operator: np.ndarray) -> np.ndarray:
        """The part of a symmetric operator [u, u] that commutes with the little group and the translations."""
        if not self.star.real:
            other = self.quarter(self.quarter(operator).T).T
            operator = (operator + other) / 2
        total = np.zeros_like(operator)
        for n in range(len(self.actions)):
            total += self.act(n, self.act(n, operator).T).T
        total /= len(self.actions)
        return (total + total.T) / 2

    def lifted(self, space: np.ndarray) -> np.ndarray:
        """Vectors [u, d] as displacements [N, 3, d]."""
        w, d = self.waves.shape[1], space.shape[1]
        return np.einsum("nw,wxd->nxd", self.waves, space.reshape(w, 3, d))

    def lowered(self, operator: np.ndarray) -> np.ndarray:
        """An operator [N, 3, N, 3] on displacements in the coordinates of the waves."""
        half = np.einsum("nw,nxmy->wxmy", self.waves, operator, optimize=True)
        return np.einsum("wxmy,mv->wxvy", half, self.waves, optimize=True).reshape(self.size, self.size)

    def matrices(self, space: np.ndarray) -> np.ndarray:
        """float64 [L, d, d] on an invariant space [u, d]."""
        return np.array([space.T @ self.act(n, space) for n in range(len(self.actions))])


def species(
    supercell: Supercell, star: Star, sites: np.ndarray, stiffness: tuple[np.ndarray, np.ndarray]
) -> Iterator[Species]:
    """Every irrep of a star on an orbit (parent sites), copy by copy. stiffness: what `springs` gives."""
    waves = Waves(supercell, star, sites)
    noise = np.random.default_rng(_SEED).standard_normal((waves.size, waves.size))
    generic = waves.averaged(noise + noise.T)
    operators = _operators(waves, stiffness, generic)
    kinds: dict[tuple, list[np.ndarray]] = {}
    for space in _eigenspaces(generic, np.eye(waves.size), 1e-7):
        kinds.setdefault(_characters(waves, space), []).append(space)
    for character, spaces in sorted(kinds.items(), key=lambda item: (item[1][0].shape[1], [-c for c in item[0]])):
        d = spaces[0].shape[1]
        name = f"{star.point} {_name(supercell, star, character, d)}"
        together = np.concatenate(spaces, axis=1)
        for copy, space in enumerate(_copies(together, d, operators), start=1):
            yield _one(waves, space, name, copy)


def _operators(waves: Waves, stiffness: tuple[np.ndarray, np.ndarray], generic: np.ndarray) -> list[np.ndarray]:
    whole, still = stiffness
    own = np.einsum("nw,nxy,nv->wxvy", waves.waves, still, waves.waves, optimize=True).reshape(waves.size, waves.size)
    out = [waves.averaged(own), waves.averaged(waves.lowered(whole)), generic]
    if waves.star.at_zero:
        shift = _shifts(waves)
        out.insert(0, waves.averaged(-shift @ shift.T))
    return out


def _shifts(waves: Waves) -> np.ndarray:
    shift = np.einsum("w,xy->wxy", np.abs(waves.waves).sum(axis=0), np.eye(3)).reshape(-1, 3)
    return shift / np.linalg.norm(shift, axis=0)


def _eigenspaces(operator: np.ndarray, space: np.ndarray, tolerance: float) -> list[np.ndarray]:
    values, vectors = np.linalg.eigh(space.T @ operator @ space)
    edges = np.flatnonzero(np.diff(values) > tolerance * max(1e-9, float(np.abs(values).max()))) + 1
    return [space @ part for part in np.split(vectors, edges, axis=1)]


def _copies(space: np.ndarray, d: int, operators: list[np.ndarray]) -> list[np.ndarray]:
    if space.shape[1] == d or not operators:
        return [space]
    out: list[np.ndarray] = []
    for part in _eigenspaces(operators[0], space, 1e-4 if len(operators) > 1 else 1e-9):
        out += _copies(part, d, operators[1:])
    return out


def _characters(waves: Waves, space: np.ndarray) -> tuple:
    values = [float((space * waves.act(n, space)).sum()) for n in range(len(waves.actions))]
    if not waves.star.real:
        turned = waves.quarter(space)
        values += [float((turned * waves.act(n, space)).sum()) for n in range(len(waves.actions))]
    return tuple(np.round(values, 3) + 0.0)


def _one(waves: Waves, space: np.ndarray, name: str, copy: int) -> Species:
    supercell, star = waves.supercell, waves.star
    d = space.shape[1]
    matrices = waves.matrices(space)
    phases = 2 * np.pi * star.phases(supercell)
    if star.real:
        elements = np.concatenate([np.cos(p) * matrices for p in phases])
    else:
        turn = space.T @ waves.quarter(space)
        elements = np.concatenate([(np.cos(p) * np.eye(d) + np.sin(p) * turn) @ matrices for p in phases])
    turns = np.concatenate([supercell.standard_turns[star.little]] * len(phases))
    weights = np.diag(1.0 + 0.1 * np.arange(waves.waves.shape[1]) / waves.waves.shape[1])
    probe = np.kron(weights, supercell.axes.T @ np.diag([0.3, 0.0, 1.0]) @ supercell.axes)
    basis = space @ aligned(elements, turns, space.T @ probe @ space)
    first = waves.lifted(basis)  # [N, 3, d]
    first *= _sign(supercell, first[:, :, 0])
    arms = []
    for mover in star.movers:
        moved = np.empty_like(first)
        moved[supercell.permutations[mover]] = np.einsum("xy,nyd->nxd", supercell.turns[mover], first)
        arms.append(moved)
    vectors = np.concatenate(arms, axis=2).transpose(2, 0, 1)
    vectors = np.where(np.abs(vectors) < 1e-12, 0.0, vectors)
    shift = bool(star.at_zero and np.linalg.norm(_shifts(waves).T @ basis) > 0.999 * np.sqrt(d))
    polar = []
    for c in range(d):
        reached = turns[keepers(elements, space.T @ basis[:, c])]
        polar.append(_polar_rank(reached) > _polar_rank(supercell.standard_turns))
    return Species(
        star, name, copy, shift, vectors, np.repeat(np.arange(len(star.arms)), d), tuple(polar) * len(star.arms)
    )


def _polar_rank(turns: np.ndarray) -> int:
    """Dimension of the vectors that rotations [G, 3, 3], a group, leave alone."""
    return round(float(np.trace(turns.mean(axis=0))))


def _sign(supercell: Supercell, vectors: np.ndarray) -> float:
    """+1 or -1: the first of the largest components, sites by their place in the conventional cell, is positive."""
    place = np.round(supercell.positions @ np.linalg.inv(supercell.parent_cell), 3)
    order = np.lexsort(place.T)
    values = vectors[order][:, [2, 0, 1]].ravel()
    return 1.0 if values[int(np.argmax(np.abs(values) > np.abs(values).max() - 1e-6))] > 0 else -1.0


def _name(supercell: Supercell, star: Star, character: tuple, d: int) -> str:
    """Mulliken symbol in the little co-group where the little group is symmorphic, else a number in the list of the
    little group's irreps (by dimension, then by falling characters)."""
    little = star.little
    shifts = supercell.about[little] @ np.linalg.inv(supercell.primitive)
    if star.at_zero or (star.real and np.abs(shifts - np.rint(shifts)).max() < 1e-3):
        if "group" not in star.book:
            turns = supercell.standard_turns[little]
            corners = np.concatenate([np.eye(3), -np.eye(3)])
            star.book["group"] = PointGroup(corners, turns, np.zeros((len(turns), 6), dtype=int))
        group: PointGroup = star.book["group"]
        return group.name(np.array(character) * np.cos(2 * np.pi * (supercell.about[little] @ star.arms[0])))
    if "irreps" not in star.book:
        star.book["irreps"] = _numbered(supercell, star)
    irreps: list[tuple] = star.book["irreps"]
    return f"#{irreps.index(character) + 1}" if character in irreps else "#?"


def _numbered(supercell: Supercell, star: Star) -> list[tuple]:
    """Characters of every irrep of a little group, from its regular representation, in a standard order."""
    little, k = star.little, star.arms[0]
    rotations, shifts = supercell.rotations[little], supercell.shifts[little]
    index = {w.tobytes(): n for n, w in enumerate(rotations)}
    size, width = len(little), 1 if star.real else 2
    matrices = np.zeros((size, size, width, size, width))
    for a in range(size):
        for b in range(size):
            c = index[(rotations[a] @ rotations[b]).tobytes()]
            step = shifts[a] + rotations[a] @ shifts[b] - shifts[c]
            phase = 2 * np.pi * float(k @ np.linalg.inv(rotations[c]) @ step)
            turn = np.array([[np.cos(phase), -np.sin(phase)], [np.sin(phase), np.cos(phase)]])
            matrices[a, c, :, b, :] = turn[:width, :width]
    regular = matrices.reshape(size, size * width, size * width)
    noise = np.random.default_rng(_SEED).standard_normal((size * width, size * width))
    noise = noise + noise.T
    quarter = None
    if not star.real:
        delta = np.array([supercell.primitive @ (k @ np.linalg.inv(w) - k) for w in rotations])
        along = np.where(np.abs(delta - np.rint(delta)).max(axis=1) < 1e-6, 1.0, -1.0)  # k stays, or turns into -k
        quarter = np.kron(np.diag(along), np.array([[0.0, -1.0], [1.0, 0.0]]))
        noise = (noise + quarter @ noise @ quarter.T) / 2
    operator = np.einsum("gij,jk,glk->il", regular, noise, regular, optimize=True) / size
    out = set()
    for space in _eigenspaces((operator + operator.T) / 2, np.eye(size * width), 1e-7):
        values = list(np.einsum("id,gij,jd->g", space, regular, space, optimize=True))
        if quarter is not None:
            values += list(np.einsum("ji,jd,gik,kd->g", quarter.T, space, regular, space, optimize=True))
        out.add((space.shape[1], tuple(-(np.round(values, 3) + 0.0) + 0.0)))
    return [tuple(-np.array(values) + 0.0) for _, values in sorted(out)]
