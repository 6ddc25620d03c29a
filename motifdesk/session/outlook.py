"""What a handle will do before it is moved: the space group that turning its mode on leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from motifdesk.session.state import State
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.motifs import Mode
    from motifdesk.structures.symmetry import SpaceGroup

TRIAL = 0.15
"""Angstrom added to a mode's amplitude: each atom then moves by several times the tolerance."""
TOLERANCE = 0.01
_MOST = 500


def leads_to(state: State, mode: str | Mode) -> SpaceGroup | None:
    """The space group (within 0.01 Angstrom) of ``state`` with a little more of one mode, everything else as it is.

    The same solver as for the handle itself, so that what the network does to a request counts: a tilt that shared
    corners forbid leads nowhere. None for molecules, and where there is no answer. Remembered with the base structure
    of the state, for each set of amplitudes.
    """
    if not state.arrays.is_crystal:
        return None
    key = mode if isinstance(mode, str) else mode.key
    keep = state.selection.symmetry
    memory = state.reference.scratch.setdefault("outlook", {})
    name = (key, keep, tuple(sorted(state.amplitudes.items())))
    if name not in memory:
        if len(memory) > _MOST:
            memory.clear()
        memory[name] = _tried(state, key, keep)
    return memory[name]


def known(state: State, key: str) -> SpaceGroup | None:
    """The answer of :func:`leads_to` if it is there already."""
    memory = state.reference.scratch.get("outlook", {})
    return memory.get((key, state.selection.symmetry, tuple(sorted(state.amplitudes.items()))))


def _tried(state: State, key: str, keep: str) -> SpaceGroup | None:
    from motifdesk.structures.symmetry import space_group

    wanted = {**state.amplitudes, key: state.amplitudes.get(key, 0.0) + TRIAL}
    try:
        solved = state.reference.distorter_that(keep).solve(wanted)
        return space_group(AtomArrays(state.arrays.numbers, solved.positions, solved.cell), TOLERANCE)
    except MotifDeskError:
        return None
