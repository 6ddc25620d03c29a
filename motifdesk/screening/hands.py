"""Child processes from the campaign's side: start, give work, kill when they hang, replace when they die."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import ScreeningError

#: what a task other than {"generator", "indices"} lists -> the name of its results
UNITS = {"phases": "phase", "stability": "stable"}
RESULTS = ("candidate", *UNITS.values())
STARTING = 180.0  # seconds to import and load a model on a busy machine

#: what a hand puts into its queue: (hand, message); None: it is gone
News = tuple["Hand", dict[str, Any] | None]


class Hand:
    """One child process (`motifdesk.screening.hand`).

    spec: `Plan.spec`. news: where its answers go. seconds: longest silence within a task.
    """

    def __init__(self, spec: Mapping[str, Any], news: queue.Queue[News], seconds: float) -> None:
        self.seconds = seconds
        self.task: int | None = None
        self.ready = False
        self.heard = time.monotonic()
        paths = [p for p in sys.path if p]
        threads = {k: "1" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join([*spec.get("paths", ()), *paths])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "motifdesk.screening.hand"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=self._listen, args=(news,), daemon=True).start()
        self._send({"spec": spec})

    def give(self, number: int, work: Mapping[str, Any]) -> None:
        """Start a task; its answers come through the queue."""
        self.task, self.heard = number, time.monotonic()
        self._send({"task": number, "work": work})

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it died; the listener tells
            pass

    def _listen(self, news: queue.Queue[News]) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                news.put((self, json.loads(line)))
        except (ValueError, OSError):  # closed by `kill`, or half a line of a killed process
            pass
        news.put((self, None))

    @property
    def overdue(self) -> bool:
        """Whether it has been silent for too long."""
        limit = self.seconds if self.ready else STARTING
        return (self.task is not None or not self.ready) and time.monotonic() - self.heard > limit

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End it now, and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except (OSError, ValueError):
                pass


def work_alone(spec: Mapping[str, Any], work: Mapping[str, Any], seconds: float) -> list[dict[str, Any]]:
    """One task in a child process that is kept for this thread: every result, failures among them.

    What Dask runs. A child that hangs is killed; what it had not finished is tried one by one, and what then still
    hangs or dies comes back as {"lost": [unit, why]}.
    """
    return list(_attempts(spec, work, seconds))


_KEPT = threading.local()


def _attempts(spec: Mapping[str, Any], work: Mapping[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
    pieces = [dict(work)]
    while pieces:
        piece = pieces.pop(0)
        done, why = _run(spec, piece, seconds)
        yield from done
        if why:
            left = remaining(piece, done)
            units = split(left)
            if len(units) > 1:
                pieces = units + pieces
            elif units:
                yield {"lost": [units[0], why]}


def _run(spec: Mapping[str, Any], work: Mapping[str, Any], seconds: float) -> tuple[list[dict[str, Any]], str]:
    key = json.dumps(spec, sort_keys=True)
    hand: Hand | None = getattr(_KEPT, "hand", None)
    if hand is None or getattr(_KEPT, "key", "") != key:
        if hand is not None:
            hand.kill()
        _KEPT.news = queue.Queue()
        hand = Hand(spec, _KEPT.news, seconds)
        _KEPT.hand, _KEPT.key = hand, key
    hand.give(0, work)
    done: list[dict[str, Any]] = []
    while True:
        try:
            _, message = _KEPT.news.get(timeout=0.2)
        except queue.Empty:
            if hand.overdue:
                hand.kill()
                _KEPT.hand = None
                return done, f"over the time limit of {seconds:g} s"
            continue
        hand.heard = time.monotonic()
        if message is not None and "unfit" in message:
            hand.kill()
            _KEPT.hand = None
            raise ScreeningError(**message["unfit"])
        if message is None:
            hand.kill()
            _KEPT.hand = None
            return done, "the worker process died"
        if message.get("ready"):
            hand.ready = True
        elif message.get("end"):
            hand.task = None
            return done, message.get("failed", "")
        elif any(name in message for name in RESULTS):
            done.append({k: v for k, v in message.items() if k != "task"})


def remaining(work: Mapping[str, Any], done: list[dict[str, Any]]) -> dict[str, Any]:
    """The part of a task whose results are not among `done`."""
    for units, result in UNITS.items():
        if units in work:
            got = {d[result][0] for d in done if result in d}
            return {**work, units: [p for p in work[units] if p[0] not in got]}
    indices = {d["candidate"]["index"] for d in done if "candidate" in d}
    return {**work, "indices": [k for k in work["indices"] if k not in indices]}


def split(work: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A task as tasks of one result each."""
    for units in UNITS:
        if units in work:
            return [{**work, units: [p]} for p in work[units]]
    if "indices" not in work:
        raise ScreeningError(f"a task without indices or phases: {sorted(work)}")
    return [{**work, "indices": [k]} for k in work["indices"]]
