"""Autosave: what the hand designs is kept next to the notebook, and offered again when the cell is run again.

What cells do, cells do again: saving begins with the first step made by hand on a desk that a page shows. A desk in a
notebook test, which no page shows, writes nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from motifdesk.desk.lives import a_page_is_there, notebook_name
from motifdesk.desk.parts import Part
from motifdesk.desk.workers import Latest
from motifdesk.session.keeping import Keeper, Kept, keeper_of
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session import Change, Session

log = logging.getLogger("motifdesk.desk")

_REST_S = 1.0  # of the design before it is written
_LONGEST_S = 10.0  # ... and at the latest after this, while edits go on
_SHARE = 0.04  # of the time spent on writing, at most: a long history is written less often
# messages of the page that look, pick or write elsewhere; all others are a hand on the design
_PASSIVE = frozenset(
    (
        "ready pick scope pattern symmetry net changes against images families members kind repeat colour "
        "composition export download dismiss measure arrows colouring shot find lasso missing compare resume anew "
        "autosave window undo redo goto"
    ).split()
)
_WORTH = frozenset(("edit", "undo", "redo", "goto", "name", "ties", "adopt"))


class Autosave(Part):
    """Saves a desk's session by itself and offers what was saved before. ``show(**traits)`` publishes, ``say(text,
    level)`` puts a message on the desk."""

    def __init__(
        self,
        session: Session,
        show: Callable[..., None],
        say: Callable[[str, str], None],
        wanted: bool | str | os.PathLike[str] = True,
    ) -> None:
        self.session = session
        self._show = show
        self._say = say
        named = None if isinstance(wanted, bool) else os.fspath(wanted)
        self.on = bool(wanted)
        self.keeper: Keeper = keeper_of(session, named, notebook_name())
        self._ready = named is not None or a_page_is_there()
        self._begun = named is not None  # a file that was asked for by name is written whoever edits
        self._dirty_since: float | None = None
        self._status: dict[str, Any] = {"on": self.on, "text": "", "title": "", "level": "", "offers": []}
        self._offers: list[Kept] = []
        self._cost = 0.0
        self._told = ""
        self._lock = threading.RLock()
        self.closed = False
        self._looked = False
        self._to_look = False
        self._loop = Latest(self._work, "motifdesk-autosave")
        self._publish()
        atexit.register(_at_exit, weakref.ref(self))

    # ------------------------------------------------------------------------------------------- what the desk calls

    def operations(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """Messages: continue a saved session, start anew, switch autosave."""
        return {
            "resume": lambda m: self.resume(int(m.get("which", 0))),
            "anew": lambda m: self._drop_offers(),
            "autosave": lambda m: self.switch(bool(m["on"])),
        }

    def heard(self, message: Mapping[str, Any]) -> None:
        """The page says something: the first time, look for what was saved; a hand on the design begins the saving."""
        if not self._looked:
            self._looked = True
            if self.on and self._ready:
                self._to_look = True
                self._loop.put(None)
        if message.get("op") not in _PASSIVE or (message.get("op") == "find" and "open" in message):
            self._begun = self._begun or self._ready

    def changed(self, change: Change) -> None:
        """A committed change is to be saved soon."""
        if change.action in _WORTH and _something(self.session):
            with self._lock:
                if self._dirty_since is None:
                    self._dirty_since = time.monotonic()
                if self.on and self._begun:
                    self._loop.put(None)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until what has to be written is written."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """Write what is not written yet; end the thread."""
        self._loop.close()
        self.flush()
        self.closed = True

    # ------------------------------------------------------------------------------------------------ what it does

    def flush(self) -> None:
        """Write now what is not written yet, in this thread."""
        if self.on and self._begun and self._dirty_since is not None:
            self._save()

    def switch(self, on: bool) -> None:
        """Turn autosave on (and save at the next step) or off; the file written so far stays."""
        self.on = on
        self._begun = self._begun or on
        self._publish(on=on, text="" if on else "not saved", level="")
        if on and _something(self.session):
            with self._lock:
                self._dirty_since = self._dirty_since or time.monotonic()
            self._loop.put(None)

    def resume_if_any(self) -> None:
        """Go on with the newest saved session of this input, if there is one."""
        self._looked = True
        if self.keeper.found():
            self.resume()
        self._warn()

    def resume(self, which: int = 0) -> None:
        """Go on with the ``which``-th saved session on offer (0: the newest); steps made meanwhile are saved first."""
        offers = self._offers or self.keeper.found()
        if not 0 <= which < len(offers):
            raise SessionError("nothing saved to continue", where="desk", remedy="go on with the design as it is")
        chosen = offers[which]
        self.flush()
        loaded = self.keeper.take(chosen.path)
        self.session.adopt(loaded)
        self._begun = True
        with self._lock:
            self._dirty_since = None
        self._drop_offers()
        steps = f"{chosen.steps} step" + ("" if chosen.steps == 1 else "s")
        self._publish(text=f"continued, {steps}", title=str(chosen.path), level="good")
        self.compare_versions()

    def compare_versions(self) -> None:
        """Say so when other versions made the steps than are here now."""
        other = self.session.other_versions
        if other:
            changed = ", ".join(f"{name} {then} (now {now})" for name, (then, now) in other.items())
            self._say(
                f"Steps of this session were made with {changed}. They are shown as stored; desk.session.replay() "
                "computes them again and compares.",
                "note",
            )

    def _drop_offers(self) -> None:
        self._offers = []
        self._publish(offers=[])

    def _work(self, _: Any) -> None:
        if self._to_look:
            self._to_look = False
            self._look()
        with self._lock:
            since = self._dirty_since
        if since is None or not self._begun:
            return
        rest = max(_REST_S, self._cost / _SHARE)
        rested = self._loop.sleep(rest)
        if not rested and time.monotonic() - since < max(_LONGEST_S, rest):
            return  # edits go on
        if self.on:
            self._save()

    def _look(self) -> None:
        self._offers = self.keeper.found()
        self._warn()
        if self._offers:
            self._publish(offers=[[k.path.name, _words(k)] for k in self._offers[:9]])

    def _warn(self) -> None:
        while self.keeper.warnings:
            self._say(self.keeper.warnings.pop(0), "warn")

    def _save(self) -> None:
        with self._lock:
            self._dirty_since = None
        began = time.monotonic()
        try:
            path = self.keeper.save()
        except Exception as error:
            if not isinstance(error, MotifDeskError):
                log.exception("autosave failed")
            with self._lock:
                self._dirty_since = self._dirty_since or began
            text = str(error)
            self._publish(text="not saved", title=text, level="bad")
            if text != self._told:  # once, not at every step
                self._told = text
                self._say(f"The design is not saved: {text}", "error")
            return
        self._told = ""
        self._cost = time.monotonic() - began
        self._warn()
        self._publish(text=f"saved {datetime.now():%H:%M}", title=str(path), level="good")

    def _publish(self, **news: Any) -> None:
        with self._lock:
            self._status = {**self._status, **news}
            self._show(kept=self._status)


def _something(session: Session) -> bool:
    """Whether there is more than the structure as opened."""
    return len(session.history) > 1 or bool(session.history.ties)


def _words(kept: Kept) -> str:
    steps = f"{kept.steps} step" + ("" if kept.steps == 1 else "s")
    day = "today" if kept.saved.date() == datetime.now().date() else f"{kept.saved:%d %B %Y}"
    return f"{steps}, last “{kept.last}”, {day} {kept.saved:%H:%M}"


def _at_exit(reference: weakref.ref[Autosave]) -> None:
    """The kernel ends: what is not written yet is written."""
    found = reference()
    if found is not None and not found.closed:
        found.flush()


__all__ = ["Autosave"]
