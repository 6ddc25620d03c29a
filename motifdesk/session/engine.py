"""The machinery under a session: one state replaced whole under one lock, one live gesture, ordered news for
observers.

Lock order, outermost first: ``_edit_lock`` (one-shot edits wait for each other), a gesture's own lock (its updates),
``_lock`` (state, history and queue; held for microseconds). Observers run with none of them held.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from motifdesk.session.building import Build
from motifdesk.session.gesture import Gesture
from motifdesk.session.history import Edit, History, Node
from motifdesk.session.latent_workers import Along
from motifdesk.session.lean import Warm, shelved
from motifdesk.session.map_workers import Decode, Drag
from motifdesk.session.moving import MoveSites
from motifdesk.session.path_workers import MorphTo, Supercell
from motifdesk.session.picking import KEEP, choose
from motifdesk.session.relax_worker import Relax
from motifdesk.session.services import Services
from motifdesk.session.site_workers import AddSite, DeleteSites
from motifdesk.session.slab_worker import MakeSlab
from motifdesk.session.state import (
    Change,
    Selection,
    State,
    frozen_mapping,
)
from motifdesk.session.strain_worker import Strain
from motifdesk.session.workers import Distort, Draft, SetStructure, Substitute, Symmetrize, Worker
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.motifs import Motif

log = logging.getLogger("motifdesk.session")

WORKERS: dict[str, type[Worker]] = {
    w.kind: w
    for w in (
        Distort,
        Strain,
        Substitute,
        DeleteSites,
        AddSite,
        MoveSites,
        SetStructure,
        Symmetrize,
        Supercell,
        MakeSlab,
        MorphTo,
        Build,
        Relax,
        Drag,
        Decode,
        Along,
    )
}


class Engine:
    """State, history tree, gestures and observers; :class:`motifdesk.session.Session` adds the verbs of a designer."""

    name: str
    services: Services

    def _setup(self, name: str, history: History) -> None:
        self.name = name
        self._lock = threading.RLock()
        # one-shot edits wait for each other here, so that none is lost; never held while observers run
        self._edit_lock = threading.RLock()
        self._history = history
        self._state = history[history.current].state
        self._gesture: Gesture | None = None
        self._previewing: Gesture | None = None
        self._observers: dict[int, Callable[[Change], None]] = {}
        self._next_observer = 0
        self._pending: deque[Change] = deque()
        self._delivering = False
        self._warm = Warm()
        self._take(history)

    def _take(self, history: History) -> None:
        """This is the history now; base structures read again from its shelf are watched."""
        self._history = history
        history.nodes.shelf.restored = self._warm.watch
        self._warm.keep(self.committed.reference)

    @property
    def state(self) -> State:
        """The design as it is now, previews included."""
        return self._state

    @property
    def history(self) -> History:
        """Immutable snapshot of the tree of edits."""
        return self._history

    @property
    def codec(self) -> Any:
        """The codec (loaded on first use)."""
        return self.services.codec

    @property
    def atlas(self) -> Any:
        """The map (loaded on first use)."""
        return self.services.atlas

    @property
    def committed(self) -> State:
        """The state of the current history node: what cancel returns to."""
        history = self._history
        return history[history.current].state

    def __repr__(self) -> str:
        return f"Session({self.name!r}, {self._state!r}, {len(self._history)} nodes)"

    def observe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``callback(change)`` after every replacement of the state; returns a function that ends it.

        Changes arrive one at a time, in the order they were made, in the thread that edits (when two threads edit at
        once, one of them delivers for both). Previews that pile up behind a slow observer are merged into the newest.
        An exception in one observer is logged and does not stop the others. Observers may edit the session.
        """
        with self._lock:
            key = self._next_observer
            self._next_observer += 1
            self._observers[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._observers.pop(key, None)

        return unsubscribe

    def select(
        self,
        motif: int | Motif | None = KEEP,
        scope: str | None = None,
        atoms: Iterable[int] | None = None,
        *,
        pattern: str | None = None,
        symmetry: str | None = None,
    ) -> State:
        """Pick a motif (index, Motif or None), the scope, pattern and symmetry of its handles (see `Selection`), and
        atoms; what is not named stays. A pattern that a newly picked motif cannot have falls back to "uniform".
        """
        current = self._state
        selection = choose(current, motif, scope, atoms, pattern, symmetry)
        with self._lock:
            node = self._history[self._history.current]
            if self._state.reference is current.reference:
                if node.state.reference is current.reference:
                    self._history = self._history.with_state(node.id, replace(node.state, selection=selection))
                self._replace(replace(self._state, selection=selection), "select")
        self._deliver()
        return self._state

    def gesture(self, kind: str, **options: Any) -> Gesture:
        """Begin a live gesture ("distort", "strain", "drag", ...); ends a gesture that is still open."""
        gesture = self._begin(kind, options)
        self._deliver()
        return gesture

    def preview(self, kind: str, *args: Any, **parameters: Any) -> State:
        """Show a change without committing it; previews of one kind are one gesture until commit or cancel."""
        with self._lock:
            gesture = self._previewing
            if gesture is None or not gesture.live or gesture.kind != kind:
                gesture = self._previewing = self._begin(kind, {})
        self._deliver()
        return gesture.update(*args, **parameters)

    def commit(self) -> State:
        """Commit the open gesture as one edit; without one, nothing happens."""
        gesture = self._gesture
        return self._state if gesture is None else gesture.commit()

    def cancel(self) -> State:
        """Cancel the open gesture and return to the committed state; without one, nothing happens."""
        gesture = self._gesture
        return self._state if gesture is None else gesture.cancel()

    def undo(self) -> State:
        """Step back one edit. While a preview is shown, undo discards that preview and nothing else."""
        return self._travel("undo")

    def redo(self) -> State:
        """Step forward along the branch that undo left."""
        return self._travel("redo")

    def goto(self, node: int) -> State:
        """Make any node of the tree current."""
        return self._travel("goto", node)

    def _travel(self, action: str, node: int | None = None) -> State:
        with self._edit_lock, self._lock:
            previewed = self._state.preview
            self._end(action)
            if not (previewed and action == "undo"):
                history = self._history
                here = history[history.current]
                target = {"undo": here.parent, "redo": here.forward, "goto": node}[action]
                if target is None:
                    raise SessionError(
                        f"nothing to {action}", where=repr(self.name), remedy="this is the end of the branch of edits"
                    )
                there = history[target]
                self._history = history.moved(target)
                self._warm.keep(there.state.reference)
                self._replace(there.state, action)
        self._deliver()
        return self._state

    # ------------------------------------------------------------------------------------------------ inner workings

    def _worker(self, kind: str, origin: State, options: Mapping[str, Any]) -> Worker:
        try:
            make = WORKERS[kind]
        except KeyError:
            raise SessionError(
                f"unknown gesture {kind!r}", where="session", remedy=f"choose one of {', '.join(WORKERS)}"
            ) from None
        return make(self.services, origin, **options)

    def _begin(self, kind: str, options: Mapping[str, Any]) -> Gesture:
        with self._lock:
            origin = self.committed
            gesture = Gesture(self, self._worker(kind, origin, options))
            gesture.worker.history = self._history
            self._end(f"a newer gesture ({kind})")
            self._gesture = gesture
            return gesture

    def _end(self, reason: str) -> None:
        """End the open gesture, if any, and take its preview off the desk. Called under the lock."""
        gesture, self._gesture = self._gesture, None
        if gesture is not None and gesture.live:
            gesture.ended = reason
            gesture.worker.cancelled = True
        if self._state.preview:
            self._replace(replace(self.committed, selection=self._pick_for(self.committed)), "cancel")

    def _pick_for(self, state: State) -> Selection:
        """The pick as it is now if it still means the same on ``state``."""
        return self._state.selection if self._state.reference is state.reference else state.selection

    def _show(self, gesture: Gesture, draft: Draft) -> State:
        with self._lock:
            if self._gesture is gesture and gesture.draft is draft:
                pick = self._pick_for(draft.state)
                state = replace(draft.state, preview=True, selection=pick, label=draft.name)
                self._replace(state, "preview")
        self._deliver()
        return self._state

    def _commit(self, gesture: Gesture, quiet: bool = False) -> State:
        with gesture._work:
            if gesture.ended is not None:
                raise SessionError(
                    f"the {gesture.kind} gesture is over ({gesture.ended})",
                    where=repr(self.name),
                    remedy="nothing of it was kept beyond that; begin a new one",
                )
            draft = gesture.draft
            if draft is not None:
                draft = self._finished(gesture, draft)
            with self._lock:
                if self._gesture is not gesture:
                    raise SessionError(
                        f"the {gesture.kind} gesture was overtaken by {gesture.ended}",
                        where=repr(self.name),
                        remedy="the design is as that left it; repeat the gesture",
                    )
                self._gesture = None
                gesture.ended = "committed" if draft is not None else "cancelled"
                if draft is not None:
                    self._append(gesture, draft)
        if not quiet:
            self._deliver()
        return self._state

    def _finished(self, gesture: Gesture, draft: Draft) -> Draft:
        worker, now = gesture.worker, self._state
        if now.reference is worker.origin.reference:
            worker.origin = replace(worker.origin, selection=now.selection)  # what was picked meanwhile stays picked
        try:
            return worker.finish(draft)
        except MotifDeskError:
            raise
        except Exception as error:
            raise SessionError(
                f"{gesture.kind} could not be committed ({type(error).__name__}: {error})",
                where=repr(self.name),
                remedy="cancel the gesture, or go on with it",
            ) from error

    def _append(self, gesture: Gesture, draft: Draft) -> None:
        """Add the node of a committed draft. Called under the lock."""
        history = self._history
        number = history.next_id
        selection = draft.state.selection
        if not draft.rebase:
            selection = self._state.selection
        edit = Edit(
            draft.name,
            gesture.kind,
            frozen_mapping(draft.parameters),
            history.current,
            draft.seed,
            self.services.versions(gesture.kind),
        )
        state = replace(
            draft.state,
            preview=False,
            node=number,
            base=number if draft.rebase else draft.state.base,
            label=draft.name,
            selection=selection,
        )
        kept = shelved(state, history[history.current].state, edit)
        state = replace(state, arrays=kept.arrays)
        self._history = history.added(Node(number, history.current, edit, kept))
        self._warm.keep(state.reference)
        self._replace(state, "edit", edit)

    def _cancel(self, gesture: Gesture) -> State:
        with self._lock:
            gesture.worker.cancelled = True
            if gesture.ended is None:
                gesture.ended = "cancelled"
            if self._gesture is gesture:
                self._end("cancelled")
        self._deliver()
        return self._state

    def _edit(
        self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any] | None = None
    ) -> State:
        """One-shot form of a gesture: compute, commit, tell. Quick kinds wait for each other, slow ones for nobody."""
        try:
            with self._edit_lock if WORKERS[kind].quick else nullcontext():
                gesture = self._begin(kind, options or {})
                try:
                    gesture.compute(args, kwargs)
                    return self._commit(gesture, quiet=True)
                finally:
                    with self._lock:
                        if gesture.ended is None:
                            gesture.ended = "failed"
                        if self._gesture is gesture:
                            self._gesture = None
        finally:
            self._deliver()

    def _replace(self, state: State, action: str, edit: Edit | None = None) -> None:
        """Swap the state and queue the news. Called under the lock; nothing else writes ``_state`` after set-up."""
        previous = self._state
        self._state = replace(state, version=previous.version + 1)
        change = Change(previous, self._state, edit, action)
        last = self._pending[-1] if self._pending else None
        if last is not None and last.action == action == "preview":
            self._pending[-1] = replace(change, previous=last.previous)
        else:
            self._pending.append(change)

    def _deliver(self) -> None:
        """Tell the observers, in order, outside the lock; nested and concurrent calls leave it to the one at it."""
        while True:
            with self._lock:
                if self._delivering or not self._pending:
                    return
                self._delivering = True
                change = self._pending.popleft()
                observers = list(self._observers.values())
            try:
                for observer in observers:
                    try:
                        observer(change)
                    except Exception:
                        log.exception("an observer of %r failed", self.name)
            finally:
                with self._lock:
                    self._delivering = False
