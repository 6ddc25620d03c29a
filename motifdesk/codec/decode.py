"""Decode: propose many structures, refine them in the order of promise, keep what wins.

The symmetry block comes first when it leaves few coordinates free, and for molecules; then the corpus, then more
symmetric rounds, then random starts. None is believed: a forged or outdated symmetry block costs time, what it proposes
fails the certificate.

Stops as soon as one start has converged (residual <= ``CONVERGED``, in float64). What has not converged is returned
with ``converged = False`` and its residual, never dressed up as a result: :meth:`Decoded.require` refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from motifdesk.codec.clock import now
from motifdesk.codec.codes import Codes
from motifdesk.codec.free import free_starts
from motifdesk.codec.jacobian import EncoderArrays
from motifdesk.codec.lattice import block_to_cell
from motifdesk.codec.molecular import molecular_search
from motifdesk.codec.propose import Goal, from_corpus
from motifdesk.codec.refine import CONVERGED
from motifdesk.codec.search import Search
from motifdesk.codec.snap import snapped as snapped
from motifdesk.codec.symmetric import blueprint_search
from motifdesk.codec.templates import template_index
from motifdesk.codec.threads import one_thread
from motifdesk.structures.arrays import AtomArrays, from_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

_ROUNDS = 24  # of symmetric starts
_FEW = 9  # free coordinates up to which the blueprint's starts come before the corpus
PROPOSALS = ("corpus", "symmetry", "free")


@dataclass(frozen=True, repr=False)
class Decoded:
    """A structure decoded from a code.

    Attributes:
        structure: the best structure found, or ``None`` when no start could be made. Only a result if ``converged``.
        residual: mean squared difference of its geometry code to the target's (inf without a structure).
        converged: residual <= 1e-8, the documented certificate.
        source: what the winning start was made from ("mp_20/mp-149", "random, space group 62", ...).
        code: the target. seconds: wall time. tried: starts refined.
        distance: mean squared code difference of the best corpus proposal before refinement (nan without any, and
            where the blueprint's starts made them needless).
        note: what the decoder did not take at its word, "" otherwise.
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
    note: str = ""

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
    started = now()
    goal = goal_of(code)
    search = Search(goal, arrays, device, seed, started, max_seconds, progress)
    distance = float("nan")
    blueprint, note = None, ""
    if "symmetry" in proposals or "free" in proposals:
        blueprint, note = blueprint_search(goal, code.symmetry[0], arrays, seed=seed, device=device)
    molecule = None
    if goal.cell is None and ("symmetry" in proposals or "free" in proposals):
        molecule, note = molecular_search(goal, code.symmetry[0], arrays, seed=seed, device=device)
    if molecule is not None:
        for _ in range(_ROUNDS):
            if search.done or (max_seconds is not None and now() - started > 0.9 * max_seconds):
                break
            search.molecular(molecule)
    if blueprint is not None and blueprint.free <= _FEW:
        search.symmetric(blueprint)
    if "corpus" in proposals and not search.done:
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
        search.finish_pending(keep=4, steps=30)
    if blueprint is not None:
        for _ in range(_ROUNDS if blueprint.free else 1):
            if max_seconds is not None and now() - started > 0.7 * max_seconds:
                break  # the rest of the time for those that it misleads
            search.symmetric(blueprint)
    if "corpus" in proposals:
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
        return Decoded(None, float("inf"), False, "none", code, now() - started, search.tried, note=note)
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
        now() - started,
        search.tried,
        made,
        distance,
        note,
    )


def goal_of(code: Codes) -> Goal:
    """What to aim at, with the checks that a code needs before any work is done."""
    numbers = code.numbers(0)
    block = code.lattice[0].astype(np.float64)
    return Goal(numbers, block_to_cell(block, len(numbers)), block, code.geometry[0])
