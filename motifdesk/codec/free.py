"""Starting structures that need no corpus: random atoms, and random atoms on the orbits of a random space group.

The code knows the cell, hence the lattice's symmetry, but not the space group of the crystal: groups of the lattice's
Bravais class (and random subgroups of them) are drawn, and atoms are put on orbits until every species has its count.
Orbits on special positions come from merging: the images of a random point that fall close together are replaced by
their mean, which lies on the symmetry element between them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from motifdesk.codec.jacobian import EncoderArrays
from motifdesk.codec.propose import Goal, Proposals, rank
from motifdesk.codec.radii import COVALENT_RADII


def free_starts(
    goal: Goal,
    arrays: EncoderArrays,
    *,
    seed: int = 0,
    trials: int = 60,
    keep: int = 8,
    device: torch.device | str = "cpu",
) -> Proposals:
    """The ``keep`` most promising of ``trials`` random starts (half of them symmetric, for crystals)."""
    rng = np.random.default_rng(seed)
    positions: list[np.ndarray] = []
    sources: list[str] = []
    if goal.cell is not None:
        groups = _lattice_groups(goal.cell)
        for _ in range(2 * trials):
            if len(positions) == trials // 2:
                break
            made = _symmetric(goal, groups, rng)
            if made is not None:
                positions.append(made[0])
                sources.append(f"random, space group {made[1]}")
    while len(positions) < trials:
        positions.append(_random_crystal(goal, rng) if goal.cell is not None else _random_molecule(goal, rng))
        sources.append("random")
    return rank(np.stack(positions), goal, sources, arrays, keep=keep, device=device)


def _image_offsets() -> np.ndarray:
    return np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 3)


_OFFSETS = _image_offsets()


def _images(difference: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 27 images [..., 27, 3] (Cartesian) of fractional differences [..., 3] near the origin, and lengths^2."""
    vectors = (difference - np.rint(difference)) @ cell
    vectors = vectors[..., None, :] + _OFFSETS @ cell
    return vectors, np.einsum("...k,...k->...", vectors, vectors)


def _distance(difference: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Lengths [...] of the shortest images in a reduced cell."""
    return np.sqrt(_images(difference, cell)[1].min(-1))


def _nearest(difference: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shortest images of fractional differences [G, 3] in a reduced cell: (Cartesian [G, 3], length [G])."""
    vectors, squared = _images(difference, cell)
    best = squared.argmin(-1)
    rows = np.arange(len(best))
    return vectors[rows, best], np.sqrt(squared[rows, best])


def _random_crystal(goal: Goal, rng: np.random.Generator) -> np.ndarray:
    """Atoms dropped one by one, each at the best of 12 random places (largest distance relative to radii)."""
    cell, radii = goal.cell, COVALENT_RADII[goal.numbers]
    assert cell is not None
    n = len(goal.numbers)
    placed = np.zeros((n, 3))
    order = rng.permutation(n)
    for count, atom in enumerate(order):
        candidates = rng.random((12, 3))
        if count:
            others = order[:count]
            length = _distance(candidates[:, None] - placed[None, others], cell)
            room = (length / (radii[others] + radii[atom])).min(1)
            # a random crystal is not a sphere packing: any place with enough room will do
            good = np.flatnonzero(room > 0.8)
            placed[atom] = candidates[good[0] if len(good) else room.argmax()]
        else:
            placed[atom] = candidates[0]
    return placed @ cell


def _random_molecule(goal: Goal, rng: np.random.Generator) -> np.ndarray:
    """A random tree of bonds: heavy atoms first, each bound to one that has room; hydrogens last."""
    radii = COVALENT_RADII[goal.numbers]
    order = np.concatenate(
        [rng.permutation(np.flatnonzero(goal.numbers > 1)), rng.permutation(np.flatnonzero(goal.numbers == 1))]
    )
    positions = np.zeros((len(order), 3))
    for count, atom in enumerate(order):
        if not count:
            continue
        placed = order[:count]
        anchors = placed[goal.numbers[placed] > 1] if (goal.numbers[placed] > 1).any() else placed
        best, room = positions[atom], -np.inf
        for _ in range(16):
            anchor = rng.choice(anchors)
            direction = rng.normal(size=3)
            place = positions[anchor] + direction / np.linalg.norm(direction) * (radii[anchor] + radii[atom])
            others = placed[placed != anchor]
            gap = np.inf
            if len(others):
                gap = (np.linalg.norm(positions[others] - place, axis=1) / (radii[others] + radii[atom])).min()
            if gap > room:
                best, room = place, gap
            if room > 1.4:
                break
        positions[atom] = best
    return positions


# ---------------------------------------------------------------------------------------------- space groups


@lru_cache(maxsize=1)
def _groups_by_bravais_class() -> dict[str, list[int]]:
    import moyopy

    table: dict[str, list[int]] = {}
    for number in range(1, 231):
        table.setdefault(str(moyopy.SpaceGroupType(number).bravais_class), []).append(number)
    return table


@lru_cache(maxsize=256)
def _operations(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations int [G, 3, 3] and translations [G, 3] of a space group in its standard primitive cell."""
    import moyopy

    made = moyopy.operations_from_number(number, primitive=True)
    return np.array(made.rotations, dtype=np.int64), np.array(made.translations, dtype=np.float64)


def _lattice_groups(cell: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """(matrix P, numbers): ``P @ cell`` is the standard primitive cell of the lattice; groups with that lattice."""
    import moyopy

    lattice = moyopy.MoyoDataset(
        moyopy.Cell(basis=cell.tolist(), positions=[[0.0, 0.0, 0.0]], numbers=[1]),
        symprec=1e-2 * abs(np.linalg.det(cell)) ** (1 / 3),
    )
    matrix = np.array(lattice.prim_std_linear).T
    return matrix, _groups_by_bravais_class()[str(moyopy.SpaceGroupType(lattice.number).bravais_class)]


def _subgroup(
    rotations: np.ndarray, translations: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The group generated by one to three random operations."""
    index = {r.tobytes(): k for k, r in enumerate(rotations)}
    members = {index[np.eye(3, dtype=np.int64).tobytes()]}
    frontier = set(
        rng.choice(len(rotations), size=min(len(rotations), int(rng.integers(1, 4))), replace=False).tolist()
    )
    while frontier:
        members |= frontier
        frontier = {index[(rotations[a] @ rotations[b]).tobytes()] for a in members for b in members} - members
    chosen = sorted(members)
    return rotations[chosen], translations[chosen]


def _orbit(
    point: np.ndarray, rotations: np.ndarray, translations: np.ndarray, cell: np.ndarray, merge: float
) -> np.ndarray:
    """Orbit of a point (fractional), the point first moved to the mean of its images within ``merge`` (Angstrom)."""
    inverse = np.linalg.inv(cell)
    for _ in range(3):
        images = np.einsum("gij,j->gi", rotations, point) + translations
        vectors, length = _nearest(images - point, cell)
        shift = vectors[length < merge].mean(0)
        point = point + shift @ inverse
        if np.abs(shift).max() < 1e-6:
            break
    images = np.einsum("gij,j->gi", rotations, point) + translations
    difference = images[:, None] - images[None]
    difference -= np.rint(difference)
    same = np.square(difference @ cell).sum(-1) < 1e-4
    return images[~(same & np.tri(len(images), k=-1, dtype=bool)).any(1)]


def _symmetric(
    goal: Goal, groups: tuple[np.ndarray, list[int]], rng: np.random.Generator
) -> tuple[np.ndarray, int] | None:
    """Atoms on orbits of a random group, or ``None`` when the counts could not be filled."""
    matrix, numbers = groups
    assert goal.cell is not None
    cell = matrix @ goal.cell
    number = int(rng.choice(numbers))
    rotations, translations = _operations(number)
    largest = int(np.unique(goal.numbers, return_counts=True)[1].max())
    # a group with far more operations than a species has atoms leaves special positions only
    if len(rotations) > 2 and rng.random() < (0.8 if len(rotations) > 2 * largest else 0.3):
        rotations, translations = _subgroup(rotations, translations, rng)
    length = abs(np.linalg.det(goal.cell) / len(goal.numbers)) ** (1 / 3)
    pool = []
    for _ in range(14):
        orbit = _orbit(rng.random(3), rotations, translations, cell, float(rng.choice([0.1, 0.5, 0.8, 1.2])) * length)
        if len(orbit) <= largest:
            pool.append(orbit)
    if not pool:
        return None
    radii = COVALENT_RADII
    kinds, counts = np.unique(goal.numbers, return_counts=True)
    for _ in range(4):
        chosen: dict[int, list[np.ndarray]] = {}
        used: list[tuple[np.ndarray, int]] = []
        free = list(rng.permutation(len(pool)))
        complete = True
        for s in np.argsort(-counts, kind="stable"):
            left, z = int(counts[s]), int(kinds[s])
            chosen[z] = []
            for k in list(free):
                orbit = pool[k]
                if len(orbit) > left:
                    continue
                if len(orbit) > 1:
                    gaps = _distance(orbit[1:] - orbit[0], cell)
                    if gaps.min() < 0.8 * 2 * radii[z]:
                        continue
                if any((_distance(orbit[0] - other, cell) < 0.75 * (radii[z] + radii[y])).any() for other, y in used):
                    continue
                chosen[z].append(orbit)
                used.append((orbit, z))
                free.remove(k)
                left -= len(orbit)
                if not left:
                    break
            if left:
                complete = False
                break
        if complete:
            fractional = np.concatenate([np.concatenate(chosen[int(z)]) for z in kinds])
            return fractional @ cell, number
    return None
