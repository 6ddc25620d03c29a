"""How two designs of one history differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motifdesk.session.history import Edit, History
from motifdesk.session.state import State
from motifdesk.structures.arrays import AtomArrays


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two nodes side by side.

    ``edits_a``, ``edits_b``: the edits on either side of their last ``common`` node. ``displacements`` [N, 3]
    (Angstrom, from a to b, in the mean cell, drift removed), ``rms`` and ``largest`` displacement, or None with the
    ``reason`` when the atoms are not the same; ``volume_ratio`` b to a (None for molecules).
    """

    a: State
    b: State
    common: int
    edits_a: tuple[Edit, ...]
    edits_b: tuple[Edit, ...]
    displacements: np.ndarray | None
    rms: float | None
    largest: float | None
    volume_ratio: float | None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"<Comparison {self}>"

    def __str__(self) -> str:
        def names(edits: tuple[Edit, ...]) -> str:
            return ", ".join(e.name for e in edits) or "nothing"

        text = f"since node {self.common}: {names(self.edits_a)} | {names(self.edits_b)}"
        if self.rms is None:
            return f"{text}; {self.reason}"
        text += f"; RMS displacement {self.rms:.4f} Å, largest {self.largest:.4f} Å"
        return text if self.volume_ratio is None else f"{text}, volume x {self.volume_ratio:.4f}"


def displacements(a: AtomArrays, b: AtomArrays) -> np.ndarray | None:
    """Shortest vectors [N, 3] (Angstrom) that take the atoms of ``a`` to ``b``, without the common drift; None when
    the atoms differ.

    Crystals: fractional differences modulo the lattice, in the mean of the two cells, so that a pure strain displaces
    nothing.
    """
    if len(a) != len(b) or (a.numbers != b.numbers).any() or a.is_crystal != b.is_crystal:
        return None
    if a.cell is None or b.cell is None:
        moved = b.positions - a.positions
    else:
        delta = b.fractional - a.fractional
        delta -= np.round(delta)
        # take out the drift before wrapping again: atoms near half a cell must not be torn apart by it
        drift = delta.mean(axis=0)
        delta -= drift
        delta -= np.round(delta)
        moved = delta @ (0.5 * (a.cell + b.cell))
    return moved - moved.mean(axis=0)


def compare(history: History, a: int, b: int) -> Comparison:
    """Compare two nodes of a history."""
    first, second = history[a].state, history[b].state
    common = history.common(a, b)
    shared = set(history.nodes.up(common))
    moved = displacements(first.arrays, second.arrays)
    lengths = None if moved is None else np.linalg.norm(moved, axis=1)
    ratio = None
    if first.arrays.is_crystal and second.arrays.is_crystal:
        ratio = second.arrays.volume / first.arrays.volume
    return Comparison(
        a=first,
        b=second,
        common=common,
        edits_a=tuple(n.edit for n in history.path(a) if n.id not in shared),
        edits_b=tuple(n.edit for n in history.path(b) if n.id not in shared),
        displacements=moved,
        rms=None if lengths is None else float(np.sqrt((lengths**2).mean())),
        largest=None if lengths is None else float(lengths.max()),
        volume_ratio=ratio,
        reason=None
        if moved is not None
        else f"{first.formula} ({len(first.arrays)} atoms) and {second.formula} "
        f"({len(second.arrays)} atoms) do not have the same atoms",
    )
