"""What a handle will do before it is moved: the space group, of a molecule the point group, that its mode leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from motifdesk.session.crystal import split
from motifdesk.session.distorting import distorted
from motifdesk.session.state import State
from motifdesk.session.ties import NONE, Ties
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.motifs import Mode, MolecularGroup
    from motifdesk.session.crystal import CrystalHandle
    from motifdesk.structures.arrays import AtomArrays
    from motifdesk.structures.symmetry import SpaceGroup

TRIAL = 0.15
"""Angstrom added to a mode's amplitude: each atom then moves by several times the tolerance."""
TOLERANCE = 0.01
_MOST = 500


def leads_to(state: State, mode: str | Mode | CrystalHandle, ties: Ties = NONE) -> SpaceGroup | MolecularGroup | None:
    """The space group (within 0.01 Angstrom; a molecule's point group within 0.03) of ``state`` with a little more of
    one mode, everything else as it is.

    The same solver as for the handle itself, so that what the network does to a request counts: a tilt that shared
    corners forbid leads nowhere. Where only whole-crystal modes are on, the group is that of the operations that keep
    the displacements, at any amplitude. None for locked handles, and where there is no answer. Remembered with the base
    structure of the state, for each set of amplitudes. What is tied to the mode comes along.
    """
    key = mode if isinstance(mode, str) else mode.key
    if key in ties.locked:
        return None
    keep = state.selection.symmetry
    memory = state.reference.scratch.setdefault("outlook", {})
    name = (key, keep, tuple(sorted(state.amplitudes.items())), tuple(sorted(_with(ties, key).items())))
    if name not in memory:
        if len(memory) > _MOST:
            memory.clear()
        memory[name] = _tried(state, key, keep, _with(ties, key))
    return memory[name]


def _with(ties: Ties, key: str) -> dict[str, float]:
    """{key: ratio to the handle moved} of what goes with it."""
    group = ties.group_of(key)
    return {k: r / group[key] for k, r in group.items() if k != key and k not in ties.locked}


def _tried(state: State, key: str, keep: str, tied: dict[str, float]) -> SpaceGroup | MolecularGroup | None:
    now = state.amplitudes.get(key, 0.0)
    more = now + (TRIAL if now >= 0.0 else -TRIAL)  # more of it, never less
    wanted = {**state.amplitudes, key: more, **{k: r * more for k, r in tied.items()}}
    try:
        motifs, crystal = split(wanted)
        if crystal and not motifs:  # nothing to solve: the operations that keep the displacements tell
            return state.reference.crystal.leads_to(crystal)
        return group_of(distorted(state.reference, wanted, keep if state.arrays.is_crystal else "free").arrays)
    except MotifDeskError:
        return None


def group_of(arrays: AtomArrays, tolerance: float | None = None) -> SpaceGroup | MolecularGroup | None:
    """The group of a structure: a crystal's space group (None: within 0.01 Angstrom), a molecule's point group (None:
    within 0.03). None where no search converges, and for a single atom."""
    try:
        if arrays.is_crystal:
            from motifdesk.structures.symmetry import space_group

            return space_group(arrays, TOLERANCE if tolerance is None else tolerance)
        from motifdesk.motifs import molecule_point_group

        return molecule_point_group(arrays) if tolerance is None else molecule_point_group(arrays, tolerance)
    except MotifDeskError:
        return None
