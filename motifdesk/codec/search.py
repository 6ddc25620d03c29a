"""The state of one decode: what has been tried, the best structure so far, the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from motifdesk.codec.clock import now
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.lattice import cell_to_block, log_metric
from motifdesk.codec.molecular import MolecularSearch
from motifdesk.codec.propose import Goal, Proposals, rank
from motifdesk.codec.refine import CONVERGED, LatticeTarget, refine
from motifdesk.codec.symmetric import BlueprintSearch

_PROMISING = 1e-4  # a residual below this in float32 is worth finishing in float64
_ALMOST = 1e-5  # below, what is left to find is a sign of a distortion of hundredths of an Angstrom
_SETTLE = 3  # attempts at it
_NEAR = 3e-3  # a symmetric crystal's residual below this may come from a distortion that its blueprint leaves out
_SAME_CELL = 0.01  # largest difference of a lattice block from the code's
_MOLECULES = 6  # of a round of molecular starts that are refined to the end
_REMEMBERED = 40  # minima of molecules that are bent into new starts
_JITTER = 0.02  # Angstrom; at a symmetric start the derivative towards lower symmetry vanishes


@dataclass
class _Best:
    positions: np.ndarray | None = None
    cell: np.ndarray | None = None
    residual: float = float("inf")
    source: str = ""


class Search:
    """The state of one decode: the best structure so far, those worth more steps, the budget."""

    def __init__(
        self,
        goal: Goal,
        arrays: EncoderArrays,
        device: torch.device | str,
        seed: int,
        started: float,
        max_seconds: float | None,
        progress: Callable[[dict[str, Any]], object] | None,
    ) -> None:
        self.goal, self.device, self.started, self.max_seconds, self.progress = (
            goal,
            device,
            started,
            max_seconds,
            progress,
        )
        self.arrays = arrays
        self.quick = GeometryMap(arrays, goal.numbers, dtype=torch.float32, device=device)
        self.exact = GeometryMap(arrays, goal.numbers, dtype=torch.float64, device=device)
        self.target = torch.from_numpy(goal.geometry.astype(np.float64))
        self.lattice = None if goal.cell is None else LatticeTarget(goal.block)
        self.rng = np.random.default_rng(seed)
        self.best = _Best()
        self.tried = 0
        self.pending: list[tuple[float, np.ndarray, np.ndarray | None, str]] = []

    @property
    def late(self) -> bool:
        """The time is up."""
        return self.max_seconds is not None and now() - self.started > self.max_seconds

    @property
    def done(self) -> bool:
        return self.best.residual <= CONVERGED or self.late

    def run(self, starts: Proposals, stage: str, steps: int) -> None:
        """Refine a batch of starts for a few steps; finish what looks promising, remember the rest."""
        if self.done or not len(starts):
            return
        positions = starts.positions + self.rng.normal(scale=_JITTER, size=starts.positions.shape)
        cells = None if starts.cells is None else torch.from_numpy(starts.cells)
        made = refine(
            self.quick,
            torch.from_numpy(positions),
            cells,
            self.target,
            lattice=self.lattice,
            steps=steps,
            tolerance=1e-7,
        )
        self.tried += len(starts)
        batch = []
        for k in range(len(starts)):
            residual = float(made.residual[k])
            if np.isfinite(residual):
                cell = None if made.cells is None else made.cells[k].double().cpu().numpy()
                batch.append((residual, made.positions[k].double().cpu().numpy(), cell, starts.sources[k]))
        batch.sort(key=lambda item: item[0])
        self.pending += batch
        for item in batch:
            self._offer(item)
        for item in batch[:4]:
            if item[0] < _PROMISING and not self.done:
                self._finish(item, 15)
        self._tell(stage)

    def molecular(self, molecule: MolecularSearch) -> None:
        """One round of starts that have the molecule's bonds: a few steps for all, more for the best."""
        if self.done:
            return
        starts = molecule.round([(item[0], item[1]) for item in self.pending])
        made = refine(self.quick, torch.from_numpy(starts.positions), None, self.target, steps=6, tolerance=1e-7)
        self.tried += len(starts)
        if not self.late:
            best = torch.argsort(torch.nan_to_num(made.residual, nan=torch.inf))[:_MOLECULES]
            made = refine(self.quick, made.positions[best], None, self.target, steps=20, tolerance=1e-7)
        residual, positions = made.residual.cpu().numpy(), made.positions.double().cpu().numpy()
        for k in np.argsort(residual, kind="stable"):
            if np.isfinite(residual[k]):
                item = (float(residual[k]), positions[k], None, starts.sources[0])
                self.pending.append(item)
                self._offer(item)
                if residual[k] < _PROMISING and self.best.residual > CONVERGED:  # so near, the time may be up
                    self._finish(item, 15)
        self.pending = sorted(self.pending, key=lambda item: item[0])[:_REMEMBERED]
        self._tell("bonds")

    def exchange(self, arrays: EncoderArrays, best: int = 2, keep: int = 6) -> None:
        """Local minima with the right sites and the wrong species: exchange two atoms of the best, refine what looks
        better; with them, the best shaken by a third of an Angstrom."""
        if self.done or not self.pending:
            return
        self.pending.sort(key=lambda item: item[0])
        numbers = self.goal.numbers
        first, second = np.nonzero(np.triu(numbers[:, None] != numbers[None, :]))
        if len(first) > 120:
            chosen = np.sort(self.rng.choice(len(first), 120, replace=False))
            first, second = first[chosen], second[chosen]
        places, sources = [], []
        for _, positions, cell, source in self.pending[:best]:
            laid = positions if cell is None else positions @ np.linalg.inv(cell) @ self.goal.cell
            for i, j in zip(first, second, strict=True):
                made = laid.copy()
                made[[i, j]] = laid[[j, i]]
                places.append(made)
                sources.append(source)
        if places:
            self.run(rank(np.stack(places), self.goal, sources, arrays, keep=keep, device=self.device), "exchange", 12)
        if not self.done:
            _, positions, cell, source = self.pending[0]
            laid = positions if cell is None else positions @ np.linalg.inv(cell) @ self.goal.cell
            shaken = [laid + self.rng.normal(scale=0.2, size=laid.shape) for _ in range(3)]
            cells = None if cell is None else np.repeat(np.asarray(self.goal.cell)[None], 3, axis=0)
            self.run(Proposals(np.stack(shaken), cells, (source,) * 3, np.zeros(3)), "exchange", 12)

    def symmetric(self, blueprint: BlueprintSearch, finish: int = 3) -> None:
        """One round of starts that keep the blueprint; the best are finished with all atoms and the cell free."""
        if self.done:
            return
        made, tried = blueprint.round(lambda: self.late)
        self.tried += tried
        source = blueprint.source
        for t, residual in made[:finish]:
            if self.done or (residual > _NEAR and blueprint.free):
                break
            self._finish_symmetric(blueprint, t, residual, source)
        for t, residual in made[:2]:
            if not self.done:
                positions, cell = blueprint.whole(*blueprint.crystal(t))
                item = (residual, positions, cell, source)
                self.pending.append(item)
                self._offer(item)
        self._tell("symmetry")

    def _finish_symmetric(self, blueprint: BlueprintSearch, t: np.ndarray, residual: float, source: str) -> None:
        positions, cell = blueprint.crystal(t)
        if residual > 1e-6:  # a distortion is left: its derivative vanishes where the symmetry is exact
            positions = positions + self.rng.normal(scale=0.5 * _JITTER, size=positions.shape)
        if blueprint.multiple == 1:
            self._finish((residual, *blueprint.whole(positions, cell), source), 15, tolerance=1e-10)
            return
        # of a cell that is not primitive only the primitive part is refined
        small = GeometryMap(self.arrays, blueprint.orbits.numbers, dtype=torch.float64, device=self.device)
        block = np.concatenate([self.goal.block[:2], log_metric(cell)])
        made = refine(
            small,
            torch.from_numpy(positions)[None],
            torch.from_numpy(cell)[None],
            self.target,
            lattice=LatticeTarget(block),
            steps=15,
            tolerance=1e-10,
        )
        assert made.cells is not None
        whole = blueprint.whole(made.positions[0].cpu().numpy(), made.cells[0].cpu().numpy())
        self._finish((float(made.residual[0]), *whole, source), 1 if float(made.residual[0]) <= CONVERGED else 10)

    def finish_pending(self, keep: int, steps: int) -> None:
        """More steps, in float64, for the best of those that did not converge."""
        self.pending.sort(key=lambda item: item[0])
        for item in self.pending[:keep]:
            if self.done:
                break
            self._finish(item, steps)
            self._tell("finish")
        self.pending = []

    def _finish(
        self, item: tuple[float, np.ndarray, np.ndarray | None, str], steps: int, tolerance: float = 1e-12
    ) -> None:
        _, positions, cell, source = item
        residual, positions, cell = self._refined(positions, cell, self.lattice, steps, tolerance)
        if CONVERGED < residual < _NEAR and cell is not None:
            # in a lattice that is nearly more symmetric than it is, a crystal lies well in several settings, and the
            # shape asked of the wrong one holds it a little off: the code alone knows the shape
            free = LatticeTarget(self.goal.block, shape=0.0)
            other, moved, bent = self._refined(positions, cell, free, 30, tolerance)
            block = cell_to_block(bent, len(moved)) if other < residual else None
            if block is not None and np.abs(block - self.goal.block).max() < _SAME_CELL:
                residual, positions, cell = other, moved, bent
        elif CONVERGED < residual < _PROMISING:
            residual, positions, cell = self._refined(positions, cell, self.lattice, 30, tolerance)
        for _ in range(_SETTLE):
            if not CONVERGED < residual < _ALMOST or self.late:
                break
            # within a few hundredths of an Angstrom of a distortion there is a minimum for each of its signs
            shaken = positions + self.rng.normal(scale=_JITTER, size=positions.shape)
            other, moved, bent = self._refined(shaken, cell, self.lattice, 20, 1e-12)
            if other < residual:
                residual, positions, cell = other, moved, bent
        self._offer((residual, positions, cell, source), exact=True)

    def _refined(
        self,
        positions: np.ndarray,
        cell: np.ndarray | None,
        lattice: LatticeTarget | None,
        steps: int,
        tolerance: float,
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        made = refine(
            self.exact,
            torch.from_numpy(positions)[None],
            None if cell is None else torch.from_numpy(cell)[None],
            self.target,
            lattice=lattice,
            steps=steps,
            tolerance=tolerance,
        )
        end = None if made.cells is None else made.cells[0].cpu().numpy()
        return float(made.residual[0]), made.positions[0].cpu().numpy(), end

    def _offer(self, item: tuple[float, np.ndarray, np.ndarray | None, str], exact: bool = False) -> None:
        # a float32 residual is no certificate: it may come close but never counts as converged
        residual = item[0] if exact else max(item[0], 2.0 * CONVERGED)
        if residual < self.best.residual:
            self.best = _Best(item[1], item[2], residual, item[3])

    def _tell(self, stage: str) -> None:
        if self.progress is not None:
            self.progress(
                {
                    "stage": stage,
                    "tried": self.tried,
                    "residual": self.best.residual,
                    "converged": self.best.residual <= CONVERGED,
                    "seconds": now() - self.started,
                }
            )
