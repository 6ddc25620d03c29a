"""Arrows of the forces on the atoms: a calculator's where it was asked about exactly this design, else the bundled
potential's, which follow the design while it moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.energy import same_arrays
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.live_energy import MOST_MOVING, force_error, live_energy, live_refusal, load_live
from motifdesk.session.motif_readouts import named

if TYPE_CHECKING:
    from motifdesk.desk.energy import EnergyPart
    from motifdesk.desk.stagetools import StageTools
    from motifdesk.session import Change, Session, State
    from motifdesk.structures import AtomArrays

SMALLEST_FORCE = 0.01
"""eV/Angstrom: smaller forces get no arrow (the page compares with the same number as for displacements in A)."""
LONGEST = 2.0
"""Angstrom that the longest arrow is drawn with at most; at least 0.4 of that, the steps of the scale being 1, 2, 5."""


@dataclass(frozen=True, eq=False)
class Forces:
    """Forces [N, 3] in eV/A on the atoms of ``arrays``, and whose they are; None and why there are none."""

    arrays: AtomArrays
    vectors: np.ndarray | None
    words: str


class ForceArrows(Part):
    """Finds the forces of the design on a thread of its own, while the stage is asked to show them."""

    def __init__(self, session: Session, tools: StageTools, energy: EnergyPart) -> None:
        self.session, self._tools, self._energy = session, tools, energy
        self._found: Forces | None = None
        # a gesture's frames are paced as the numbers are: they must not take the processor from the drag
        self._worker = Latest(self._find, "motifdesk-forces", paced=bool)
        tools.forces = self
        energy.when_found = self.ask

    def changed(self, change: Change) -> None:
        """Another shape has other forces."""
        if change.action not in ("select", "locate"):
            self.ask(change.state.preview)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the forces asked for are shown."""
        return self._worker.settle(timeout)

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    def ask(self, moving: bool = False) -> None:
        """Find the forces of the design as it is now, if they are looked at; returns at once."""
        if self._tools.arrows and self._tools.arrows_of == "forces":
            self._worker.put(moving)

    def shown(self, state: State) -> tuple[bytes, dict[str, Any]]:
        """What the page draws for ``state``: float32 [N, 3] in eV/A, and the words and the scale (A per eV/A).

        ``stale``: newer ones are on their way, and these are of the frame before.
        """
        found = self._found
        if found is None or not np.array_equal(found.arrays.numbers, state.arrays.numbers):
            return b"", {"arrow_note": "forces: computing …", "scale": 0.0, "stale": True}
        stale = not same_arrays(found.arrays, state.arrays)
        if found.vectors is None:
            return b"", {"arrow_note": found.words, "scale": 0.0, "stale": stale}
        sizes = np.linalg.norm(found.vectors, axis=1)
        note = f"forces by {found.words}: "
        unit = 1.0
        if len(sizes) and sizes.max() >= SMALLEST_FORCE:
            unit = force_unit(float(sizes.max()))
            where = named(state, int(sizes.argmax()))
            note += f"largest {sizes.max():.2f} eV/Å on {where}; 1 Å drawn is {unit:g} eV/Å"
        else:
            note += f"none above {SMALLEST_FORCE:g} eV/Å"
        if stale and state.preview and len(sizes) > MOST_MOVING:
            note += "; new ones when the hand rests"
        return found.vectors.astype("<f4").tobytes(), {"arrow_note": note, "scale": 1.0 / unit, "stale": stale}

    def _find(self, _: bool) -> None:
        state = self.session.state
        if state.preview and len(state.arrays.numbers) > MOST_MOVING:
            return
        known = self._energy.known(state.arrays)
        self._found = _live(state) if known is None else Forces(state.arrays, known.forces, known.calculator)
        with self._tools.output.gate:
            self._tools.output.publish(**self._tools.traits(self.session.state))


def force_unit(largest: float) -> float:
    """eV/A that 1 Angstrom of arrow stands for: the smallest 1, 2 or 5 times a power of ten with which the ``largest``
    force (eV/A) is at most `LONGEST` long. A round number, so that arrows keep their scale while forces change a
    little."""
    least = largest / LONGEST
    power = 10.0 ** math.floor(math.log10(least))
    return float(next(f"{m * power:.3g}" for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9)))


def _live(state: State) -> Forces:
    """By the bundled potential, which this thread loads if nobody has."""
    why = "" if load_live() else "the bundled potential cannot be loaded"
    why = why or live_refusal(state)
    found = None if why else live_energy(state)
    if found is not None and np.isfinite(found.forces).all():
        return Forces(state.arrays, found.forces, f"distilled CHGNet (mean error {force_error():.2f} eV/Å)")
    why = why or "two atoms are on one site"
    remedy = "press Energy in the Energy tab"
    if state.arrays.cell is None:
        remedy += " with a calculator for molecules"
    return Forces(state.arrays, None, f"no live forces: {why}; {remedy}")
