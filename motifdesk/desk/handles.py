"""The handles: which sliders there are for the picked motif, and what moving one does to the session."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from motifdesk.desk.cellhandles import cell_sliders
from motifdesk.desk.crystalhandles import crystal_groups, crystal_hint, supercells
from motifdesk.desk.sliders import amplitude
from motifdesk.desk.viewer import describe
from motifdesk.session.crystal import split
from motifdesk.session.reach import full_range
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.session import Gesture, Session, State
    from motifdesk.session.paths import Other

_TITLES = {"stretch": "Stretch", "bend": "Bend", "rotation": "Rotation"}


def describe_handles(state: State, session: Session) -> dict[str, Any]:
    """The handles panel: motifs to pick, scope, sliders grouped by stretch, bend and rotation, and the cell."""
    graph = state.graph
    pick = state.selection
    motifs = [] if graph is None else [[m.index, describe(m, graph)] for m in graph.motifs]
    groups: list[dict[str, Any]] = []
    notes = list(state.notes)
    hint = ""
    try:
        modes = state.modes
    except MotifDeskError as error:
        modes = ()
        notes.append(str(error))
    whole = pick.scope == "crystal"
    if whole:
        hint = crystal_hint(state)
        groups = crystal_groups(state)
        modes = ()
        if split(state.amplitudes)[0]:
            whole_of = "crystal" if state.arrays.is_crystal else "molecule"
            notes.append(f"Handles of motifs are on as well: those of the {whole_of} are added to what they make.")
    elif graph is None and state.reference.graph_error is not None:
        hint = str(state.reference.graph_error)
    elif not modes and graph is not None and pick.motif is not None and pick.motif < len(graph.motifs):
        hint = f"{describe(graph.motifs[pick.motif], graph)}: it has no ligands to move. Choose another motif above."
    for block in ("stretch", "bend", "rotation"):
        members = [m for m in modes if m.block == block]
        if members:
            sliders = [_slider(mode, state.amplitudes.get(mode.key, 0.0)) for mode in members]
            groups.append({"name": block, "title": f"{_TITLES[block]} ({len(members)})", "sliders": sliders})
    cell, ties = cell_sliders(state, session), session.ties
    for slider in (*cell, *(s for group in groups for s in group["sliders"])):
        key = slider["key"]
        ratio = ties.group_of(key).get(key, 1.0)
        slider |= {"locked": key in ties.locked, "tied": ties.number(key), "ratio": ratio}
    return {
        "motifs": motifs,
        "motif": pick.motif,
        "scope": pick.scope,
        "pattern": pick.pattern,
        "choices": state.arrays.is_crystal and not whole,
        "supercells": supercells(state) if whole else [],
        "patterns": pick.scope != "motif" and state.reference.character(pick.motif, pick.scope) is not None,
        "symmetry": pick.symmetry,
        "crystal": state.arrays.is_crystal,
        "groups": groups,
        "cell": cell,
        "moved": bool(state.amplitudes),
        "notes": notes,
        "hint": hint,
    }


def _slider(mode: Any, value: float) -> dict[str, Any]:
    reach = max(full_range(mode), abs(value))
    # the panel already says the block and the irrep: "Eg stretch (1) - Jahn-Teller elongation (Q3)" needs its last part
    # only
    label = mode.label.partition(" [")[0]  # the pattern stands above the sliders
    words = label.rpartition(" - ")[2]
    if words == label:
        words = f"{mode.irrep} {mode.component}"
    elif mode.component > 1 and not any(mark in words for mark in ("along", "about", "(Q", "in-plane")):
        words = f"{words} {mode.component}"
    return amplitude(
        value,
        reach,
        key=mode.key,
        label=words,
        irrep=mode.irrep,
        hint=f"{mode.label}: amplitude in Å",
    )


class Hands:
    """Turns live values into one open gesture of the session and its release into one named edit."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.RLock()
        self._gesture: Gesture | None = None
        self._what: tuple[str, str] | None = None
        self._last = 0.0
        self.towards: Other | None = None
        """What the morph slider leads to."""

    @property
    def busy(self) -> bool:
        """Whether a handle is held."""
        gesture = self._gesture
        return gesture is not None and gesture.live

    def move(self, op: str, key: str, value: float) -> None:
        """One live value of handle `key`; opens the gesture if need be."""
        if key in self.session.ties.locked:
            return  # the page did not know yet
        with self._lock:
            gesture = self._gesture
            if gesture is None or not gesture.live or self._what != (op, key):
                self.release()
                gesture = self._gesture = self.session.gesture(op)
                self._what = (op, key)
            try:
                self._last = float(value)
                if op == "distort":
                    gesture.update({key: float(value)}, quick=True)
                elif op == "morph":
                    if self.towards is not None:
                        gesture.update(self.towards.structure, float(value), self.towards.title)
                else:
                    gesture.update(to={key: float(value)})
            except MotifDeskError:
                if gesture.draft is None:  # nothing of it could be shown
                    self.cancel()
                raise

    def release(self) -> None:
        """Commit what is held; nothing if nothing is, or if something newer has ended it."""
        with self._lock:
            gesture, self._gesture, self._what = self._gesture, None, None
            if gesture is not None and gesture.live:
                # nought of the way is no step
                gesture.cancel() if gesture.kind == "morph" and self._last == 0.0 else gesture.commit()

    def cancel(self) -> None:
        """Let go without a trace."""
        with self._lock:
            gesture, self._gesture, self._what = self._gesture, None, None
            if gesture is not None and gesture.live:
                gesture.cancel()

    def reset(self) -> None:
        """All amplitudes that are not locked to zero, as one edit."""
        with self._lock:
            self.cancel()
            free = [key for key in self.session.state.amplitudes if key not in self.session.ties.locked]
            if free:
                self.session.distort({key: 0.0 for key in free})
