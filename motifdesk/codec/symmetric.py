"""Starts from the symmetry blueprint: random free coordinates, ranked by code, refined within that symmetry.

What the blueprint fixes need not be searched. The unknowns are the free Wyckoff coordinates alone, so hundreds of
starts can be tried in the time of a few refinements of all atoms. The winners are finished with all atoms and the cell
free: the blueprint holds within 0.03 Angstrom, the code is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from motifdesk.codec.blueprint import Blueprint, primitive_cell, read_blueprint
from motifdesk.codec.jacobian import EncoderArrays
from motifdesk.codec.lattice import niggli_cell
from motifdesk.codec.orbits import OrbitMap, Orbits, orbits_of
from motifdesk.codec.propose import Goal
from motifdesk.codec.radii import COVALENT_RADII

# free coordinates up to, starts drawn, starts refined
_EFFORT = ((1, 32, 4), (3, 96, 8), (9, 256, 16), (1000, 384, 24))
_GROUPS = 16  # of variations in a round, each with orbits of its own
_ENDS = 6  # ends that are varied
_TRIES = 6  # places tried for an orbit
_ROOM = 0.75  # of the sum of covalent radii: places of a random start with more room are all alike


class BlueprintSearch:
    """Crystals of one blueprint whose code comes near a goal's; ``None`` from :func:`blueprint_search` without one."""

    def __init__(
        self,
        blueprint: Blueprint,
        goal: Goal,
        arrays: EncoderArrays,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        assert goal.cell is not None
        self.blueprint = blueprint
        self.orbits: Orbits = orbits_of(blueprint)
        self.decoded, self.cell = primitive_cell(blueprint, goal.cell)
        self.map = OrbitMap(arrays, self.orbits, self.cell, device=device)
        self.target = torch.from_numpy(np.asarray(goal.geometry)).to(self.map.device, self.map.dtype)
        self.rng = np.random.default_rng([seed, 17])
        self.rounds = 0
        self.ends: list[tuple[float, np.ndarray]] = []  # of earlier rounds, best first

    @property
    def free(self) -> int:
        return self.orbits.free

    @property
    def multiple(self) -> int:
        """Primitive cells in the decoded cell."""
        return self.blueprint.multiple

    @property
    def source(self) -> str:
        """What is told about a decode that came from here."""
        return f"symmetry, space group {self.blueprint.number}"

    def start(self, trials: int, keep: int) -> np.ndarray:
        """The ``keep`` of ``trials`` starts whose codes are nearest: free coordinates float [<= keep, P]."""
        if not self.free:
            return np.zeros((1, 0))
        fresh = self.rounds % 2 == 0  # rounds of new starts and of variations of the best, in turn
        t = self._random(trials) if fresh else self._varied(trials)
        codes, _, cost, _ = self.map(torch.from_numpy(t).to(self.map.device, self.map.dtype))
        distance = ((codes - self.target).square().mean(-1).double() + cost).cpu().numpy()
        codes_np = codes.cpu().numpy()
        chosen: list[int] = []
        for k in np.argsort(np.where(np.isfinite(distance), distance, np.inf), kind="stable"):
            if all(np.square(codes_np[k] - codes_np[c]).mean() > 1e-4 for c in chosen):
                chosen.append(int(k))
                if len(chosen) == keep:
                    break
        going_on = (
            [] if fresh else [end for _, end in self.ends[:2]]
        )  # those that may not have been at the end of their way
        return np.concatenate([np.stack(going_on), t[chosen]]) if going_on else t[chosen]

    def _varied(self, trials: int) -> np.ndarray:
        """The best ends so far with one to three orbits placed anew, or the places of two elements exchanged [M, P]."""
        o = self.orbits
        loose = [c for c, span in enumerate(o.span) if span.stop > span.start]
        pairs = self._exchangeable(loose)
        made = []
        for _ in range(_GROUPS):
            base = self.ends[int(len(self.ends) * self.rng.random() ** 2)][1].copy()
            if pairs and self.rng.random() < 0.4:
                for k in self.rng.permutation(len(pairs))[: int(self.rng.integers(1, 3))]:
                    a, b = (o.span[c] for c in pairs[k])
                    base[a], base[b] = base[b].copy(), base[a].copy()
                made.append(base[None])
                if self.rng.random() < 0.5:
                    continue
            moving = self.rng.permutation(loose)[: int(self.rng.integers(1, 4))].tolist()
            made.append(self._random(trials // _GROUPS, base, moving))
        return np.concatenate(made)

    def _exchangeable(self, loose: list[int]) -> list[tuple[int, int]]:
        """Pairs of orbits whose free coordinates mean the same and that differ by element or letter.

        Exchanged, they are the same places with other species, or another stacking of the same layers.
        """
        o = self.orbits
        letters = [letter for _, letter, count in self.blueprint.sites for _ in range(count)]
        found = []
        for a, b in itertools.combinations(loose, 2):
            first, second = (o.linear[o.first[c]][:, o.span[c]] for c in (a, b))
            other = (letters[a], o.numbers[o.first[a]]) != (letters[b], o.numbers[o.first[b]])
            if other and first.shape == second.shape and np.allclose(first, second):
                found.append((a, b))
        return found

    def _random(self, trials: int, base: np.ndarray | None = None, moving: list[int] | None = None) -> np.ndarray:
        """Free coordinates [M, P], orbit by orbit where there is room (the best of six places).

        With ``base`` [P] only the orbits ``moving`` are placed, among the others as they are.
        """
        o, radii = self.orbits, COVALENT_RADII[self.orbits.numbers]
        t = np.zeros((trials, o.free)) if base is None else np.repeat(base[None], trials, axis=0)
        metric_cell, _ = niggli_cell(self.cell)
        change = self.cell @ np.linalg.inv(metric_cell)  # fractional coordinates in the reduced cell
        images = (np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ metric_cell).astype(np.float32)
        order = sorted(range(len(o.first)), key=lambda c: (o.span[c].stop > o.span[c].start, self.rng.random()))
        placed: list[int] = []
        if moving is not None:
            order = moving
            placed = np.flatnonzero(~np.isin(o.orbit, moving)).tolist()
        for c in order:
            rows = np.flatnonzero(o.orbit == c)
            span = o.span[c]
            if span.stop > span.start:
                options = self.rng.random((_TRIES, trials, span.stop - span.start))
                x = np.einsum("nkp,smp->smnk", o.linear[rows][:, :, span], options) + o.place[rows]
                others = np.einsum("nkp,mp->mnk", o.linear[placed], t) + o.place[placed]
                room = np.full((_TRIES, trials), np.inf)
                groups = [(np.broadcast_to(others, (_TRIES, *others.shape)), radii[placed])]
                groups.append((x[:, :, 1:], radii[rows[1:]]))
                for points, r in groups:
                    if points.shape[2]:
                        difference = (points - x[:, :, :1]) @ change
                        near = ((difference - np.rint(difference)) @ metric_cell).astype(np.float32)
                        squared = np.square(near).sum(-1)[..., None] + 2.0 * near @ images.T + np.square(images).sum(-1)
                        ratio = np.sqrt(squared.min(-1).clip(min=0.0)) / (r + radii[rows[0]])
                        room = np.minimum(room, ratio.min(-1))
                best = room.clip(max=_ROOM).argmax(0)  # the first with enough room, else the roomiest
                t[:, span] = options[best, np.arange(trials)]
            placed += rows.tolist()
        return t

    def refine(
        self, t: np.ndarray, steps: int = 14, tolerance: float = 1e-7, late: Callable[[], bool] = lambda: False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Levenberg-Marquardt over the free coordinates: (t [B, P], residual [B]), best first."""
        x = torch.from_numpy(t).to(self.map.device, torch.float64)
        code, slope, barrier, terms = self.map(x, jacobian=self.free > 0)
        if not self.free:
            return t, (code - self.target).square().mean(-1).double().cpu().numpy()
        state = self._normal(code, slope, barrier, terms)
        damp = torch.full((len(x),), 0.1, dtype=torch.float64, device=x.device)
        rejected = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for step in range(steps):
            residual, cost, hessian, gradient = state
            active = (residual > tolerance) & (rejected < 4) & torch.isfinite(cost)
            if step == 5 or step == 9:  # the worse half seldom catches up
                active &= cost <= cost[active].median() if bool(active.any()) else active
            index = active.nonzero()[:, 0]
            if not len(index) or bool((residual <= tolerance).any()) or late():
                break
            h, g = hessian[index], gradient[index]
            diagonal = h.diagonal(dim1=1, dim2=2)
            floor = diagonal.mean(-1, keepdim=True)
            weight = damp[index, None] * torch.maximum(diagonal, 0.1 * floor) + 1e-9 * floor + 1e-20
            factor, _ = torch.linalg.cholesky_ex(h + torch.diag_embed(weight))
            move = -torch.cholesky_solve(g[..., None], factor)[..., 0]
            move = torch.where(torch.isfinite(move), move, -g / (diagonal + floor + 1e-20))
            longest = self.map.step_length(move) / 0.25
            move = move / longest.clamp(min=1.0)[:, None]
            trial = x[index] + move
            new = self._normal(*self.map(trial, jacobian=True))
            accept = (new[1] < cost[index]) & torch.isfinite(new[1])
            predicted = -(2.0 * (g * move).sum(-1) + torch.einsum("bx,bxy,by->b", move, h, move))
            ratio = (cost[index] - new[1]) / predicted.clamp(min=1e-300)
            shrink = torch.where(ratio > 0.8, 0.2, torch.where(ratio < 0.3, 1.5, 0.5)).to(damp.dtype)
            damp[index] = torch.where(accept, damp[index] * shrink, 6.0 * damp[index]).clamp(1e-9, 1e6)
            rejected[index] = torch.where(accept, torch.zeros_like(rejected[index]), rejected[index] + 1)
            kept = index[accept]
            x[kept] = trial[accept]
            for store, value in zip(state, new, strict=True):
                store[kept] = value[accept]
        ends = state[0].cpu().numpy()
        order = np.argsort(np.where(np.isfinite(ends), ends, np.inf), kind="stable")
        return x.cpu().numpy()[order], ends[order]

    def _normal(
        self, code: Tensor, slope: Tensor | None, barrier: Tensor, terms: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        assert slope is not None and terms is not None
        difference = code - self.target
        width = difference.shape[-1]
        residual = difference.square().mean(-1).double()
        hessian = (slope.mT @ slope).double() / width + terms[..., :-1]
        gradient = (slope.mT @ difference[..., None])[..., 0].double() / width + terms[..., -1]
        return residual, residual + barrier, hessian, gradient

    def round(self, late: Callable[[], bool] = lambda: False) -> tuple[list[tuple[np.ndarray, float]], int]:
        """The ends (free coordinates, residual) of one round of starts, best first, and how many were refined.

        ``late`` is asked between steps; once it says so, the ends are taken as they are.
        """
        trials, keep = next((n, k) for most, n, k in _EFFORT if self.free <= most)
        # large crystals in smaller rounds: time is looked at between them
        size = len(self.orbits.first)
        starts = self.start(max(2 * _GROUPS, min(trials, 4000 // size)), max(4, min(keep, 240 // size)))
        ends, residual = self.refine(starts, late=late)
        self.rounds += 1
        made = [(t, float(r)) for t, r in zip(ends, residual, strict=True) if np.isfinite(r)]
        if self.free:
            self.ends = sorted(self.ends + [(r, t) for t, r in made[:4]], key=lambda item: item[0])[:_ENDS]
        return made, len(starts)

    def crystal(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions [n, 3], cell [3, 3]) at free coordinates [P], Cartesian, in the primitive cell as decoded."""
        return self.orbits.fractional(t) @ self.decoded, self.decoded

    def whole(self, positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions [N, 3] sorted by element, cell [3, 3]) of the decoded cell from a primitive one."""
        matrix = self.blueprint.matrix
        big = matrix @ cell
        shifts = _translations(matrix) @ cell
        everything = (positions[:, None] + shifts[None]).reshape(-1, 3)
        order = np.argsort(np.repeat(self.orbits.numbers, len(shifts)), kind="stable")
        return everything[order], big


def blueprint_search(
    goal: Goal, symmetry: np.ndarray, arrays: EncoderArrays, *, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[BlueprintSearch | None, str]:
    """The search of a code's symmetry block, or ``None`` and why not: "" when the block says nothing."""
    if goal.cell is None or not np.any(symmetry):
        return None, ""
    counts = np.bincount(goal.numbers, minlength=95)[1:95]
    blueprint = read_blueprint(symmetry, counts)
    if blueprint is None:
        return None, "the symmetry block is no blueprint of this composition and was not used"
    primitive, cell = primitive_cell(blueprint, goal.cell)
    strain = np.abs(np.linalg.svd(np.linalg.solve(primitive, cell), compute_uv=False) - 1.0).max()
    if not np.isfinite(strain) or strain > 0.1:
        return None, f"the symmetry block does not fit the cell (strain {strain:.2f}) and was not used"
    if blueprint.number == 1 and blueprint.multiple == 1:
        return None, ""  # says no more than that
    return BlueprintSearch(blueprint, goal, arrays, seed=seed, device=device), ""


def _translations(matrix: np.ndarray) -> np.ndarray:
    """Lattice translations of the small cell inside ``matrix @ cell``: int [det, 3]."""
    size = int(round(abs(np.linalg.det(matrix))))
    if size == 1:
        return np.zeros((1, 3), dtype=np.int64)
    inverse = np.linalg.inv(matrix)
    corners = np.array(list(itertools.product((0, 1), repeat=3))) @ matrix
    ranges = [range(int(lo) - 1, int(hi) + 2) for lo, hi in zip(corners.min(0), corners.max(0), strict=True)]
    points = np.array(list(itertools.product(*ranges)))
    fractional = points @ inverse
    inside = ((fractional > -1e-6) & (fractional < 1.0 - 1e-6)).all(axis=1)
    found = points[inside]
    if len(found) != size:
        raise AssertionError(f"{len(found)} translations in a cell of {size}")
    return found
