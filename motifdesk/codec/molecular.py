"""Starts for a molecule whose bonds the code tells: conformers, and the best minima so far bent anew."""

from __future__ import annotations

import numpy as np
import torch

from motifdesk.codec.bonds import Bonds, read_bonds
from motifdesk.codec.conformers import bounds, conformers, relaxed
from motifdesk.codec.jacobian import EncoderArrays
from motifdesk.codec.propose import Goal, Proposals, rank

_DRAWN = {12: 48, 20: 72, 999: 96}  # conformers drawn a round, by the number of atoms
_KEPT = 16  # of these, refined
_BEST = 5  # minima that are bent
_BENT = 12  # times each
_ALIKE = 1e-4  # residuals nearer than this are one minimum


class MolecularSearch:
    """Rounds of starts: first conformers, then by turns the best minima bent and conformers again."""

    def __init__(
        self, bonds: Bonds, goal: Goal, arrays: EncoderArrays, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.bonds, self.goal, self.arrays, self.device = bonds, goal, arrays, device
        self.order = np.argsort(bonds.numbers, kind="stable")
        self.lower, self.upper = bounds(bonds)
        self.rng = np.random.default_rng([seed, 31])
        self.rounds = 0
        self.sides = _sides(bonds.pairs, len(bonds.numbers))

    def round(self, minima: list[tuple[float, np.ndarray]]) -> Proposals:
        """Starts of one round, the most promising first; ``minima``: (residual, positions [N, 3]) known so far."""
        drawn = next(n for most, n in _DRAWN.items() if len(self.order) <= most)
        if self.rounds % 3 and minima:
            made = self._bent(minima)
            source = "bonds, bent"
        else:
            made = conformers(self.bonds, drawn, self.rng)[:, self.order]
            source = "bonds"
        self.rounds += 1
        return rank(made, self.goal, [source] * len(made), self.arrays, keep=_KEPT, device=self.device)

    def _bent(self, minima: list[tuple[float, np.ndarray]]) -> np.ndarray:
        """The best different minima with bonds turned, or with a region folded through a fourth dimension."""
        chosen: list[tuple[float, np.ndarray]] = []
        for residual, positions in sorted(minima, key=lambda item: item[0]):
            if all(abs(residual - other) > _ALIKE for other, _ in chosen):
                chosen.append((residual, positions))
            if len(chosen) == _BEST:
                break
        back = np.argsort(self.order)
        places = []
        for _, positions in chosen:
            for k in range(_BENT):
                x = positions[back].copy()
                if self.sides and k % 2:
                    for _ in range(int(self.rng.integers(1, 3))):
                        x = self._turned(x)
                    places.append(np.pad(x, ((0, 0), (0, 1))))
                    continue
                # atoms of one region get a fourth coordinate: flattened again, they may lie on the other side
                centre = x[int(self.rng.integers(len(x)))]
                inside = np.linalg.norm(x - centre, axis=1) < self.rng.uniform(1.6, 3.5)
                x = np.pad(x + self.rng.normal(scale=0.15, size=x.shape), ((0, 0), (0, 1)))
                x[inside, :3] += self.rng.normal(scale=0.4, size=(int(inside.sum()), 3))
                x[inside, 3] = self.rng.normal(scale=1.0, size=int(inside.sum()))
                places.append(x)
        made = relaxed(np.stack(places), self.lower, self.upper, steps=60, flat=0.3)
        return relaxed(made[..., :3].copy(), self.lower, self.upper, steps=40, flat=0.0)[:, self.order]

    def _turned(self, x: np.ndarray) -> np.ndarray:
        """One side of a bond that is in no ring, turned about it by any angle."""
        i, j, side = self.sides[int(self.rng.integers(len(self.sides)))]
        axis = x[j] - x[i]
        axis = axis / (np.linalg.norm(axis) + 1e-9)
        angle = self.rng.uniform(0.0, 2.0 * np.pi)
        v = x[side] - x[i]
        along = (v @ axis)[:, None] * axis
        x = x.copy()
        x[side] = x[i] + along + (v - along) * np.cos(angle) + np.cross(axis, v) * np.sin(angle)
        return x


def _sides(pairs: np.ndarray, n: int) -> list[tuple[int, int, np.ndarray]]:
    """(i, j, atoms on j's side) of the bonds that are in no ring and have more than one atom on either side."""
    near: list[set[int]] = [set() for _ in range(n)]
    for i, j in pairs.tolist():
        near[i].add(j)
        near[j].add(i)
    found = []
    for i, j in pairs.tolist():
        seen, frontier = {j}, [j]
        while frontier:
            a = frontier.pop()
            for b in near[a] - seen:
                if (a, b) != (j, i):
                    seen.add(b)
                    frontier.append(b)
        if i not in seen and 1 < len(seen) < n - 1 and len(near[i]) > 1:
            found.append((i, j, np.array(sorted(seen))))
    return found


def molecular_search(
    goal: Goal, block: np.ndarray, arrays: EncoderArrays, *, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[MolecularSearch | None, str]:
    """The search of a molecule's symmetry block, or ``None`` and why not: "" when the block says nothing."""
    if not np.any(block):
        return None, ""
    bonds = read_bonds(block, np.bincount(goal.numbers, minlength=95)[1:95])
    if bonds is None:
        return None, "the bonds in the symmetry block are not of this composition and were not used"
    return MolecularSearch(bonds, goal, arrays, seed, device), ""
