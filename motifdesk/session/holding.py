"""Locking and tying handles, and setting those of the cell: verbs of a session that are no steps of its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from motifdesk.session.cell_handles import cell_values
from motifdesk.session.distorting import label_of
from motifdesk.session.engine import Engine
from motifdesk.session.ties import CELL, VOLUME, Ties, home, ties_of
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.motifs import Mode
    from motifdesk.session.crystal import CrystalHandle
    from motifdesk.session.state import State


class Holding(Engine):
    """What keeps a handle where it is, and what moves with it. Part of :class:`motifdesk.session.Session`.

    A handle: a mode of ``state.modes`` (of motifs or of the whole crystal), its key or label; "exx", "eyy", "ezz",
    "eyz", "exz", "exy" or "volume". Locks and ties are saved with the session and hold for every later move, from the
    desk or from Python, until they are let go; undo and redo of moves keep them. Where the sites become others (another
    structure opened or decoded, atoms added or taken out, a supercell) the modes are other handles, and undo brings
    back what held before.
    """

    @property
    def ties(self) -> Ties:
        """Which handles are locked, and which move together, in the design as it is now."""
        return ties_of(self._history)

    def lock(self, handle: str | Mode | CrystalHandle) -> None:
        """Keep a handle where it is: a move of it is refused, Reset and the moves of others leave it."""
        key = self._handle(handle)
        self._hold(lambda ties: ties.lock(key))

    def unlock(self, handle: str | Mode | CrystalHandle) -> None:
        """Let go of a locked handle."""
        key = self._handle(handle, known=False)
        self._hold(lambda ties: ties.lock(key, False))

    def couple(self, a: str | Mode | CrystalHandle, b: str | Mode | CrystalHandle, ratio: float | None = None) -> None:
        """Let ``b`` move ``ratio`` times as far as ``a`` (amplitudes; percent of strains and volume), whichever is
        moved; what is tied to either already comes along. None: the ratio they have, or alike where one is at rest."""
        first, second = self._handle(a), self._handle(b)
        if ratio is None:
            x, y = self._value(first), self._value(second)
            ratio = y / x if min(abs(x), abs(y)) > 1e-6 else 1.0
        wanted = float(ratio)
        self._hold(lambda ties: ties.couple(first, second, wanted))

    def uncouple(self, handle: str | Mode | CrystalHandle) -> None:
        """Take a handle out of its group."""
        key = self._handle(handle, known=False)
        self._hold(lambda ties: ties.uncouple(key))

    def strain_to(self, **percent: float) -> State:
        """Set handles of the cell, as the sliders do, as one edit: ``strain_to(exx=1.0, volume=102.0)``.

        Percent against the structure as opened: components of the strain tensor, and the volume (100: as opened).
        Fractional coordinates stay. Locked handles stay and tied ones follow; with the volume locked, what is free of
        the strains xx, yy, zz makes it good.
        """
        return self._edit("strain", (), {"to": percent})

    def _hold(self, change: Callable[[Ties], Ties]) -> None:
        with self._lock:
            history = self._history
            ties = change(ties_of(history))
            if ties == ties_of(history):
                return
            self._history = history.tied(home(history).id, ties)
            self._replace(replace(self._state), "ties")
        self._deliver()

    def _handle(self, handle: Any, known: bool = True) -> str:
        state = self._state
        if isinstance(handle, str) and handle in CELL:
            if known and state.arrays.cell is None:
                raise SessionError("a molecule has no cell", where="handles", remedy="lock and tie modes")
            return handle
        for mode in state.modes:
            if handle in (mode.key, mode.label):
                return str(mode.key)
        key = getattr(handle, "key", handle)
        if not isinstance(key, str):
            raise SessionError(
                f"{str(handle)[:60]!r} is no handle", where="handles", remedy="use a mode of session.state.modes"
            )
        if known and key not in state.amplitudes:
            try:
                label_of(state.reference, key)
            except MotifDeskError:
                raise SessionError(
                    f"there is no handle {key[:60]!r} here",
                    where="handles",
                    remedy='use a key of session.state.modes of what is picked, "exx" ... "exy" or "volume"',
                ) from None
        return key

    def _value(self, key: str) -> float:
        """Departure from rest, as committed."""
        state = self.committed
        if key in CELL:
            return cell_values(self._history, state)[key] - 100.0 * (key == VOLUME)
        return float(state.amplitudes.get(key, 0.0))
