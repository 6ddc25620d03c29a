"""Decode: propose many structures, refine them in the order of promise, keep what wins.

Stops as soon as one start has converged (residual <= ``CONVERGED``, in float64). What has not converged is returned
with ``converged = False`` and its residual, never dressed up as a result: :meth:`Decoded.require` refuses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from motifdesk.codec.codes import Codes
from motifdesk.codec.free import free_starts
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.lattice import block_to_cell
from motifdesk.codec.propose import Goal, Proposals, from_corpus, rank
from motifdesk.codec.refine import CONVERGED, LatticeTarget, refine
from motifdesk.codec.templates import template_index
from motifdesk.codec.threads import one_thread
from motifdesk.structures.arrays import AtomArrays, from_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

PROPOSALS = ("corpus", "free")
_PROMISING = 1e-4  # a residual below this in float32 is worth finishing in float64
_JITTER = 0.02  # Angstrom; at a symmetric start the derivative towards lower symmetry vanishes


@dataclass(frozen=True, repr=False)
class Decoded:
    """A structure decoded from a code.

    Attributes:
        structure: the best structure found, or ``None`` when no start could be made. Only a result if ``converged``.
        residual: mean squared difference of its geometry code to the target's (inf without a structure).
        converged: residual <= 1e-6, the documented certificate.
        source: what the winning start was made from ("mp_20/mp-149", "random, space group 62", ...).
        code: the target. seconds: wall time. tried: starts refined.
        distance: mean squared code difference of the best corpus proposal before refinement (nan without any).
    """

    structure: Structure | Molecule | None
    residual: float
    converged: bool
    source: str
    code: Codes
    seconds: float
    tried: int
    arrays: AtomArrays | None = None
    distance: float = float("nan")

    def __repr__(self) -> str:
        formula = "nothing" if self.arrays is None else f"{self.arrays.formula}, {len(self.arrays)} atoms"
        state = "converged" if self.converged else "NOT converged"
        return f"Decoded({formula}, {state}, residual {self.residual:.1e}, from {self.source}, {self.seconds:.2f} s)"

    def require(self) -> Structure | Molecule:
        """The structure, or a :class:`CodecError` when the decode has not converged."""
        if not self.converged or self.structure is None:
            raise CodecError(
                f"the decode has not converged (residual {self.residual:.1e} after {self.tried} starts)",
                where="decode",
                remedy="allow more time or attempts, or move to another point of the map",
            )
        return self.structure


@dataclass
class _Best:
    positions: np.ndarray | None = None
    cell: np.ndarray | None = None
    residual: float = float("inf")
    source: str = ""


def decode_one(
    code: Codes,
    arrays: EncoderArrays,
    version: str,
    *,
    proposals: Sequence[str] = PROPOSALS,
    exclude: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[dict[str, Any]], object] | None = None,
    max_proposals: int = 16,
    free_rounds: int = 8,
    max_seconds: float | None = 20.0,
    snap: float | None = None,
    device: torch.device | str = "cpu",
) -> Decoded:
    """Decode one code; parameters as :meth:`motifdesk.codec.Codec.decode`."""
    with one_thread():
        return _decode(
            code,
            arrays,
            version,
            proposals,
            exclude,
            seed,
            progress,
            max_proposals,
            free_rounds,
            max_seconds,
            snap,
            device,
        )


def _decode(
    code: Codes,
    arrays: EncoderArrays,
    version: str,
    proposals: Sequence[str],
    exclude: Sequence[str],
    seed: int,
    progress: Callable[[dict[str, Any]], object] | None,
    max_proposals: int,
    free_rounds: int,
    max_seconds: float | None,
    snap: float | None,
    device: torch.device | str,
) -> Decoded:
    started = time.perf_counter()
    goal = goal_of(code)
    search = _Search(goal, arrays, device, seed, started, max_seconds, progress)
    distance = float("nan")
    if "corpus" in proposals:
        found = from_corpus(
            goal,
            arrays,
            template_index(),
            version,
            exclude=frozenset(str(e) for e in exclude),
            keep=max_proposals,
            device=device,
        )
        distance = float(found.distance[0]) if len(found) else distance
        # the first two starts win most of the time: the others wait until these have failed
        search.run(found.take(slice(0, 2)), "corpus", steps=10)
        search.run(found.take(slice(2, 8)), "corpus", steps=10)
        search.run(found.take(slice(8, None)), "corpus", steps=10)
        for _ in range(2):
            search.exchange(arrays)
        search.finish_pending(keep=4, steps=30)
    if "free" in proposals:
        for k in range(free_rounds):
            if search.done:
                break
            search.run(free_starts(goal, arrays, seed=seed + 7919 * k, device=device), "free", steps=12)
            if k % 2:
                search.exchange(arrays)
                search.finish_pending(keep=3, steps=25)
        search.finish_pending(keep=3, steps=25)
    best = search.best
    if best.positions is None:
        return Decoded(None, float("inf"), False, "none", code, time.perf_counter() - started, search.tried)
    positions, cell, residual = best.positions, best.cell, best.residual
    if snap is not None and cell is not None and residual <= CONVERGED:
        positions, cell, residual = snapped(goal, arrays, positions, cell, residual, snap)
    if cell is not None:
        positions = positions - np.floor(positions @ np.linalg.inv(cell) + 1e-9) @ cell
    made = AtomArrays(goal.numbers, positions, cell)
    return Decoded(
        from_arrays(made),
        residual,
        residual <= CONVERGED,
        best.source,
        code,
        time.perf_counter() - started,
        search.tried,
        made,
        distance,
    )


def goal_of(code: Codes) -> Goal:
    """What to aim at, with the checks that a code needs before any work is done."""
    numbers = code.numbers(0)
    block = code.lattice[0].astype(np.float64)
    return Goal(numbers, block_to_cell(block, len(numbers)), block, code.geometry[0])


class _Search:
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
        self.quick = GeometryMap(arrays, goal.numbers, dtype=torch.float32, device=device)
        self.exact = GeometryMap(arrays, goal.numbers, dtype=torch.float64, device=device)
        self.target = torch.from_numpy(goal.geometry.astype(np.float64))
        self.lattice = None if goal.cell is None else LatticeTarget(goal.block)
        self.rng = np.random.default_rng(seed)
        self.best = _Best()
        self.tried = 0
        self.pending: list[tuple[float, np.ndarray, np.ndarray | None, str]] = []

    @property
    def done(self) -> bool:
        late = self.max_seconds is not None and time.perf_counter() - self.started > self.max_seconds
        return self.best.residual <= CONVERGED or late

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

    def finish_pending(self, keep: int, steps: int) -> None:
        """More steps, in float64, for the best of those that did not converge."""
        self.pending.sort(key=lambda item: item[0])
        for item in self.pending[:keep]:
            if self.done:
                break
            self._finish(item, steps)
            self._tell("finish")
        self.pending = []

    def _finish(self, item: tuple[float, np.ndarray, np.ndarray | None, str], steps: int) -> None:
        _, positions, cell, source = item
        made = refine(
            self.exact,
            torch.from_numpy(positions)[None],
            None if cell is None else torch.from_numpy(cell)[None],
            self.target,
            lattice=self.lattice,
            steps=steps,
            tolerance=1e-12,
        )
        self._offer(
            (
                float(made.residual[0]),
                made.positions[0].cpu().numpy(),
                None if made.cells is None else made.cells[0].cpu().numpy(),
                source,
            ),
            exact=True,
        )

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
                    "seconds": time.perf_counter() - self.started,
                }
            )


def snapped(
    goal: Goal, arrays: EncoderArrays, positions: np.ndarray, cell: np.ndarray, residual: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The declared symmetry snap: atoms and cell averaged over the operations found at ``tolerance`` (Angstrom).

    Kept only if no atom moves more than 0.3 A and the residual does not get worse (or stays below the certificate's
    threshold); otherwise the input comes back.
    """
    import moyopy

    fractional = positions @ np.linalg.inv(cell)
    try:
        found = moyopy.MoyoDataset(
            moyopy.Cell(basis=cell.tolist(), positions=fractional.tolist(), numbers=goal.numbers.tolist()),
            symprec=tolerance,
        )
    except Exception:  # moyopy raises its own error types when no group fits; then there is nothing to snap to
        return positions, cell, residual
    rotations = np.array(found.operations.rotations, dtype=np.float64)
    translations = np.array(found.operations.translations)
    metric = np.mean([w.T @ (cell @ cell.T) @ w for w in rotations], axis=0)
    total = np.zeros_like(fractional)
    for w, t in zip(rotations, translations, strict=True):
        images = fractional @ w.T + t
        difference = images[None] - fractional[:, None]
        difference -= np.rint(difference)
        length = np.linalg.norm(difference @ cell, axis=-1)
        length[goal.numbers[:, None] != goal.numbers[None, :]] = np.inf
        total += difference[np.arange(len(fractional)), length.argmin(1)]
    shift = total / len(rotations)
    # the new cell in the frame of the old one: L' = sqrt(G') R with the rotation of L = sqrt(G) R
    new_cell = _square_root(metric) @ np.linalg.inv(_square_root(cell @ cell.T)) @ cell
    new_positions = (fractional + shift) @ new_cell
    if np.linalg.norm(shift @ cell, axis=1).max() > 0.3:
        return positions, cell, residual
    geometry = GeometryMap(arrays, goal.numbers)
    code, _ = geometry(torch.from_numpy(new_positions)[None], torch.from_numpy(new_cell)[None])
    new_residual = float((code[0] - torch.from_numpy(goal.geometry.astype(np.float64))).square().mean())
    if new_residual <= max(residual, CONVERGED):
        return new_positions, new_cell, new_residual
    return positions, cell, residual


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T
