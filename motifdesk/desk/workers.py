"""Threads of a desk: one slot each, the newest request wins, nothing is left running after close."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from motifdesk.structures.errors import MotifDeskError
from motifdesk.structures.threads import one_blas_thread

if TYPE_CHECKING:
    from motifdesk.session import Gesture, Session

log = logging.getLogger("motifdesk.desk")


class Latest:
    """Calls ``work(request)`` on its own thread with the newest request; older ones that have not begun are dropped.

    Requests of which ``paced(request)`` is true begin at least ``PACE_S`` after the last beginning: numbers that nobody
    could read faster must not take the processor from the frames of a drag.
    """

    PACE_S = 0.2

    def __init__(
        self, work: Callable[[Any], None], name: str, paced: Callable[[Any], bool] = lambda request: False
    ) -> None:
        self._work = work
        self._paced = paced
        self._began = -self.PACE_S
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
        """Whether the work at hand is overtaken: a newer request is there, or nobody asks any more."""
        with self._condition:
            return self._closed or bool(self._slot)

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
                while not self._closed and self._paced(self._slot[0]):
                    left = self._began + self.PACE_S - time.monotonic()
                    if left <= 0:
                        break
                    self._condition.wait(left)
                if self._closed:
                    return
                request = self._slot.pop()
                self._working = True
                self._began = time.monotonic()
            try:
                with one_blas_thread():
                    self._work(request)
            except Exception:
                log.exception("%s failed", self._name)


_FRAME_S = 0.08  # a frame of a drag that takes longer is followed by smaller ones
_REST_S = 0.15  # the pointer has stopped: the design may come nearer to where it points
_MOST_FRAMES = 12  # of that kind


class Dragger:
    """Map drags: moves go to the newest; releases and cancels keep their places among them. One gesture per drag.

    While the pointer moves, frames are bounded in time (`motifdesk.session.map_workers.Drag`); while it is held at
    rest, further frames go on towards the same point as long as they gain something.
    """

    def __init__(self, session: Session, done: Callable[[int], None], failed: Callable[[Exception], None]) -> None:
        self.session = session
        self._done = done
        self._failed = failed
        self._lock = threading.Lock()
        self._queue: list[tuple[str, Any, int]] = []  # ("move", (xy, composition), serial) or ("release"/"cancel", ...)
        self._gesture: Gesture | None = None
        self.serving = 0
        """The serial of the move that is being decoded, to be acknowledged with its frame; 0: none."""
        self._loop = Latest(self._step, "motifdesk-drag")

    @property
    def busy(self) -> bool:
        """Whether a drag is under way."""
        gesture = self._gesture
        return gesture is not None and gesture.live

    def move(self, xy: tuple[float, float], serial: int, composition: str) -> None:
        """The pointer is at `xy`; `serial` is acknowledged when a frame that includes it is out."""
        with self._lock:
            self._drop_move()
            self._queue.append(("move", (xy, composition), serial))
        self._loop.put(None)

    def end(self, how: str, serial: int) -> None:
        """Commit ("release") or drop ("cancel") the drag after the last move."""
        with self._lock:
            if how == "cancel":
                self._drop_move()
            self._queue.append((how, None, serial))
        self._loop.put(None)

    def finish(self, timeout: float = 30.0) -> None:
        """Commit what is held and wait for it: what comes next must see the design as the probe shows it."""
        with self._lock:
            idle = not self._queue and not self.busy
        if not idle:
            self.end("release", 0)
        self._loop.settle(timeout)  # a release that is being committed is neither waiting nor a live gesture

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until the last request is done."""
        return self._loop.settle(timeout)

    def close(self) -> None:
        """Drop the open drag and end the thread."""
        with self._lock:
            self._queue.clear()
        self._loop.close()
        if self.busy and self._gesture is not None:
            self._gesture.cancel()

    def _drop_move(self) -> None:
        """A move that nothing has come after is overtaken by the next request."""
        if self._queue and self._queue[-1][0] == "move":
            self._queue.pop()

    def _step(self, _: Any) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    return
                what, payload, serial = self._queue.pop(0)
                last = what == "move" and not self._queue
            try:
                if what == "move":
                    self.serving = serial
                    self._move(*payload)
                else:
                    gesture, self._gesture = self._gesture, None
                    if gesture is not None and gesture.live:
                        gesture.commit() if what == "release" else gesture.cancel()
            except Exception as error:
                gesture, self._gesture = self._gesture, None
                if gesture is not None and gesture.live:
                    gesture.cancel()
                self._failed(error)
            finally:
                self.serving = 0
                if serial:  # 0: asked for by the desk itself
                    self._done(serial)
            if last:
                self._rest(payload[0])

    def _rest(self, xy: tuple[float, float]) -> None:
        """More frames towards `xy`, until the next request, the target, or no more gain."""
        if not self._loop.sleep(_REST_S):
            return
        for _ in range(_MOST_FRAMES):
            gesture = self._gesture
            if gesture is None or not gesture.live or self._loop.waiting():
                return
            before = self.session.state.latent
            if before.converged or before.residual is None:
                return
            try:
                now = gesture.update(xy).latent
            except MotifDeskError as error:
                self._failed(error)
                return
            if now.residual is None or now.residual > 0.9 * before.residual:
                return

    def _move(self, xy: tuple[float, float], composition: str) -> None:
        if self._gesture is None or not self._gesture.live:
            self._gesture = self.session.gesture("drag", composition=composition, budget=_FRAME_S)
        self._gesture.update(xy)
