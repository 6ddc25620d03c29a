"""How far a handle can be turned before atoms meet: the ends of its slider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.contacts import TOO_SHORT, contacts
from motifdesk.session.crystal import PREFIX
from motifdesk.session.distorting import distorted
from motifdesk.session.ties import NONE, Ties
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.motifs import Mode
    from motifdesk.session.crystal import CrystalHandle
    from motifdesk.session.state import State

FULL = {"stretch": 0.40, "bend": 0.40, "rotation": 0.60}
"""Angstrom, by block of a motif's mode; a strong Jahn-Teller distortion is 0.36."""
FULL_CRYSTAL = 0.5
"""Angstrom; the root of the summed squares of all displacements."""
STEP = 0.005

_SUSPECT = 0.75  # of the sum of the radii: no pair this far apart at the end has met on the way
_POINTS = (0.25, 0.5, 0.75, 1.0)
_HALVINGS = 5
_SQUEEZED = 0.9  # of the tightest contact there is already, where that is tighter than it should be
_COLLAPSED = 0.5  # of the volume there is
_MOST = 2000


@dataclass(frozen=True)
class Reach:
    """Amplitudes (Angstrom) between which no contact is shorter than 0.6 of the sum of the covalent radii, or, in a
    structure that has shorter ones, than 0.9 of its shortest. ``why``: what stops the two ends, "" where nothing
    does."""

    low: float
    high: float
    why: tuple[str, str] = ("", "")


def full_range(mode: Mode | CrystalHandle) -> float:
    """Angstrom: what a handle reaches where no atoms meet."""
    return FULL_CRYSTAL if mode.key.startswith(PREFIX) else FULL[getattr(mode, "block")]  # noqa: B009 - of modes only


class _Stopped(Exception):
    """Something more urgent has come."""


def reach(
    state: State, mode: Mode | CrystalHandle, ties: Ties = NONE, stop: Callable[[], bool] = lambda: False
) -> Reach:
    """The reach of a handle from ``state``, other handles as they are and what is tied to it along. Two to a dozen
    solutions of the network; remembered with the base structure for each set of amplitudes. Where ``stop`` comes true
    between them: the whole range."""
    group = ties.group_of(mode.key)
    tied = {k: r / group[mode.key] for k, r in group.items() if k != mode.key and k not in ties.locked}
    memory = state.reference.scratch.setdefault("reach", {})
    # "break" takes a tenth of a second a solution; held sliders show "free" as well
    keep = "free" if state.selection.symmetry == "break" else state.selection.symmetry
    name = (mode.key, keep, tuple(sorted(state.amplitudes.items())), tuple(sorted(tied.items())))
    if name not in memory:
        if len(memory) > _MOST:
            memory.clear()
        try:
            memory[name] = _searched(state, mode, keep, tied, stop)
        except _Stopped:
            return Reach(-full_range(mode), full_range(mode))
    found: Reach = memory[name]
    return found


def _searched(state: State, mode: Any, keep: str, tied: dict[str, float], stop: Callable[[], bool]) -> Reach:
    key, full = mode.key, full_range(mode)
    now = float(state.amplitudes.get(key, 0.0))
    crystal = state.arrays.is_crystal and not all(k.startswith(PREFIX) for k in (key, *tied, *state.amplitudes))

    def tightest(value: float) -> tuple[float, str]:
        if stop():
            raise _Stopped
        wanted = {**state.amplitudes, key: value, **{k: r * value for k, r in tied.items()}}
        try:
            made = distorted(state.reference, {k: v for k, v in wanted.items() if v}, keep if crystal else "free")
        except MotifDeskError:
            return 0.0, ""
        if not np.isfinite(made.arrays.positions).all():
            return 0.0, ""
        if made.arrays.cell is not None and made.arrays.volume < _COLLAPSED * state.arrays.volume:
            return 0.0, "the cell would collapse"
        found = contacts(made.arrays).tightest
        return (np.inf, "") if found is None else (found.fraction, f"{found.name} would be {found.length:.2f} Å apart")

    limit = min(TOO_SHORT, _SQUEEZED * tightest(now)[0])
    ends, why = [], []
    for far in (min(-full, now), max(full, now)):
        end, said = far, ""
        if far != now and tightest(far)[0] < _SUSPECT:
            good, bad = now, None
            for share in _POINTS:
                at = now + share * (far - now)
                fraction, words = tightest(at)
                if fraction < limit:
                    bad, said = at, words
                    break
                good = at
            if bad is not None:
                for _ in range(_HALVINGS):
                    middle = 0.5 * (good + bad)
                    fraction, words = tightest(middle)
                    good, bad, said = (middle, bad, said) if fraction >= limit else (good, middle, words)
                # a whole number of the slider's steps, and never past what was tried
                steps = np.floor(abs(good - now) / STEP + 1e-9)
                end = float(now + np.sign(far - now) * steps * STEP)
                while steps > 0 and tightest(end)[0] < limit:  # the network's answer may jump
                    steps -= 1
                    end = float(now + np.sign(far - now) * steps * STEP)
        ends.append(end)
        why.append(said)
    return Reach(ends[0], ends[1], (why[0], why[1]))
