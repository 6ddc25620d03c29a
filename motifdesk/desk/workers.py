"""Threads of a desk: one slot each, the newest request wins, nothing is left running after close."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motifdesk.session import Gesture, Session

log = logging.getLogger("motifdesk.desk")


class Latest:
    """Calls ``work(request)`` on its own thread with the newest request; older ones that have not begun are dropped."""

    def __init__(self, work: Callable[[Any], None], name: str) -> None:
        self._work = work
        self._condition = threading.Condition()
        self._slot: list[Any] = []
        self._closed = False
        self._working = False
        self._name = name
        self._thread: threading.Thread | None = None

    def put(self, request: Any) -> None:
        """Ask for `request`; returns at once."""
        with self._condition:
            if self._closed:
                return
            self._slot = [request]
            if self._thread is None:  # started on first use: a desk in a notebook test costs no thread
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def waiting(self) -> bool:
        """Whether a newer request than the one being worked on is there."""
        with self._condition:
            return bool(self._slot)

    def sleep(self, seconds: float) -> bool:
        """For use inside `work`: wait, cut short by a newer request or close. True if neither came."""
        with self._condition:
            return not self._condition.wait_for(lambda: self._closed or bool(self._slot), seconds)

    def settle(self, timeout: float = 30.0) -> bool:
        """Wait until nothing is asked for or being worked on."""
        with self._condition:
            return self._condition.wait_for(lambda: self._closed or not (self._slot or self._working), timeout)

    def close(self) -> None:
        """No more requests; the thread ends after the one it is at."""
        with self._condition:
            self._closed = True
            self._slot = []
            self._condition.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._working = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._closed or bool(self._slot))
                if self._closed:
                    return
                request = self._slot.pop()
                self._working = True
            try:
                self._work(request)
            except Exception:
                log.exception("%s failed", self._name)


class Dragger:
    """Map drags: moves go to the newest, the release waits for the last. One gesture of the session per drag."""

    def __init__(self, session: Session, done: Callable[[int], None], failed: Callable[[Exception], None]) -> None:
        self.session = session
        self._done = done
        self._failed = failed
        self._lock = threading.Lock()
        self._move: tuple[float, float] | None = None
        self._ending: str | None = None
        self._serial = 0
        self._composition = "keep"
        self._gesture: Gesture | None = None
        self._loop = Latest(self._step, "motifdesk-drag")

    @property
    def busy(self) -> bool:
        """Whether a drag is under way."""
        gesture = self._gesture
        return gesture is not None and gesture.live

    def move(self, xy: tuple[float, float], serial: int, composition: str) -> None:
        """The pointer is at `xy`; `serial` is acknowledged when a frame that includes it is out."""
        with self._lock:
            self._move, self._serial, self._composition, self._ending = xy, serial, composition, None
        self._loop.put(None)

    def end(self, how: str, serial: int) -> None:
        """Commit ("release") or drop ("cancel") the drag after the last move."""
        with self._lock:
            self._ending, self._serial = how, serial
            if how == "cancel":
                self._move = None
        self._loop.put(None)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the last request is done."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """Drop the open drag and end the thread."""
        self._loop.close()
        if self.busy and self._gesture is not None:
            self._gesture.cancel()

    def _step(self, _: Any) -> None:
        with self._lock:
            move, ending, serial = self._move, self._ending, self._serial
            self._move = self._ending = None
        try:
            if move is not None:
                if self._gesture is None or not self._gesture.live:
                    self._gesture = self.session.gesture("drag", composition=self._composition)
                self._gesture.update(move)
            if ending is not None:
                gesture, self._gesture = self._gesture, None
                if gesture is not None and gesture.live:
                    gesture.commit() if ending == "release" else gesture.cancel()
        except Exception as error:
            gesture, self._gesture = self._gesture, None
            if gesture is not None and gesture.live:
                gesture.cancel()
            self._failed(error)
        finally:
            self._done(serial)
