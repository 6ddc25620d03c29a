"""Handles of the whole crystal (molecule): one slider a mode, grouped by wavevector (kind) and orbit; supercells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.desk.sliders import amplitude
from motifdesk.session.crystal import LARGEST
from motifdesk.session.reach import full_range

if TYPE_CHECKING:
    from motifdesk.session import State
    from motifdesk.session.crystal import CrystalHandle

_PLANE = re.compile(r"in the (\w+) plane")
_OPEN = 24  # sliders that are shown without opening a group

# what perovskites, rutiles, spinels and layered oxides are usually distorted in
_CELLS: tuple[tuple[str, Any], ...] = (
    ("2 × 1 × 1", (2, 1, 1)),
    ("1 × 2 × 1", (1, 2, 1)),
    ("1 × 1 × 2", (1, 1, 2)),
    ("2 × 2 × 1", (2, 2, 1)),
    ("2 × 2 × 2", (2, 2, 2)),
    ("√2 × √2 × 1", ((1, 1, 0), (-1, 1, 0), (0, 0, 1))),
    ("√2 × √2 × 2", ((1, 1, 0), (-1, 1, 0), (0, 0, 2))),
    ("3 × 1 × 1", (3, 1, 1)),
    ("1 × 1 × 3", (1, 1, 3)),
)


def crystal_groups(state: State) -> list[dict[str, Any]]:
    """The groups of sliders of the scope "crystal": one a wavevector, of a molecule a kind, and orbit, in the order of
    the modes."""
    members: dict[tuple[str, str], list[CrystalHandle]] = {}
    for mode in state.modes:
        members.setdefault((mode.place, mode.orbit), []).append(mode)
    shown = 0
    groups = []
    for (place, orbit), modes in members.items():
        moved = any(state.amplitudes.get(m.key) for m in modes)
        groups.append(
            {
                "name": f"{place} {orbit}",
                "title": f"{place} · {orbit} ({len(modes)})",
                "open": shown < _OPEN or moved,
                "sliders": [_slider(m, state.amplitudes.get(m.key, 0.0)) for m in modes],
            }
        )
        shown += len(modes)
    return groups


def _slider(mode: CrystalHandle, value: float) -> dict[str, Any]:
    reach = max(full_range(mode), abs(value))
    # what it does comes first: a long name is cut at its end
    words = _PLANE.sub(r"in \1", mode.words)
    which = f"{mode.component} of {mode.dimension}" if mode.dimension > 1 else ""
    arm = mode.arm if mode.arm and mode.arm not in mode.place else ""
    return amplitude(
        value,
        reach,
        key=mode.key,
        label=", ".join(x for x in (words, which, arm) if x),
        spoken=mode.label,  # "1 of 3" alone would tell a listener nothing
        irrep=mode.irrep,
        hint=f"{mode.label}: amplitude in Å, the root of the summed squares of all displacements",
    )


def crystal_hint(state: State) -> str:
    """Why there are no handles, in one sentence; "" where there are some."""
    return str(state.reference.crystal.why)


def supercells(state: State) -> list[list[Any]]:
    """[words, matrix] of the supercells that would still have handles."""
    if not state.arrays.is_crystal:
        return []
    count = len(state.arrays.numbers)
    out = []
    for words, given in _CELLS:
        matrix = np.diag(given) if np.ndim(given) == 1 else np.array(given)
        atoms = count * round(float(np.linalg.det(matrix)))
        if atoms <= LARGEST:
            out.append([f"{words} ({atoms} atoms)", matrix.tolist()])
    return out
