"""Where the work is done: in this process, in child processes of this machine, or on any Dask cluster.

Each executor takes a stream of tasks and yields results in the order they come; it holds a few tasks at a time, so a
stream of any length needs no memory. A result is {"candidate": ...}, {"phase": ...},
{"stable": ...} or {"lost": [task, why]}: every unit of every task comes back exactly once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, NoReturn, Protocol

from .errors import ScreeningError
from .hands import RESULTS, Hand, News, remaining, split, work_alone
from .work import Workshop

Task = Mapping[str, Any]
Result = dict[str, Any]

PATIENCE = "20s"  # for a Dask scheduler to answer
_LOOK = 0.02  # seconds between two looks at whether something has come, or all is to stop


class Executor(Protocol):
    """`run` yields the results of tasks until all are there or `stop` is set."""

    def run(self, tasks: Iterable[Task], stop: threading.Event) -> Iterator[Result]: ...

    def close(self) -> None: ...


class Inline:
    """In this process, one after the other: for live objects and for debugging. No time limit reaches into a
    calculator that hangs."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def run(self, tasks: Iterable[Task], stop: threading.Event) -> Iterator[Result]:
        for task in tasks:
            self._shop.fit()
            for unit in split(task):
                if stop.is_set():
                    return
                found: list[Result] = []
                self._shop.do(unit, found.append)
                yield from (f for f in found if f)

    def close(self) -> None:
        """Nothing to close."""


class Local:
    """`workers` child processes. One that is silent for `seconds` is killed and replaced, one that dies is replaced;
    what it had not finished is tried once more, alone, and then given up with the reason."""

    def __init__(self, spec: Mapping[str, Any], workers: int, seconds: float) -> None:
        self._spec, self._workers, self._seconds = spec, workers, seconds
        self._news: queue.Queue[News] = queue.Queue()
        self._hands: list[Hand] = []
        self._results: list[Result] = []

    @property
    def pids(self) -> list[int]:
        """Of the children."""
        return [h.pid for h in self._hands]

    def run(self, tasks: Iterable[Task], stop: threading.Event) -> Iterator[Result]:
        stream = iter(tasks)
        again: list[tuple[Task, int]] = []  # (task, times it was tried)
        working: dict[Hand, tuple[Task, int, list[Result]]] = {}
        number, early = 0, 0
        exhausted = False
        while not stop.is_set():
            while len(self._hands) < self._workers:
                self._hands.append(Hand(self._spec, self._news, self._seconds))
            for hand in self._hands:
                if hand in working or not hand.ready:
                    continue
                if again:
                    task, tried = again.pop(0)
                elif not exhausted:
                    found = next(stream, None)
                    if found is None:
                        exhausted = True
                        continue
                    task, tried = found, 0
                else:
                    continue
                number += 1
                working[hand] = (task, tried, [])
                hand.give(number, task)
            if exhausted and not working and not again:
                return
            for hand, why in self._heard(working):
                if why is None:
                    continue
                task, tried, done = working.pop(hand, ({}, 0, []))
                self._replace(hand)
                if not task:
                    early += 1
                    if early > 2 * self._workers:
                        raise ScreeningError(f"worker processes do not start: {why}", where="workers")
                    continue
                units = split(remaining(task, done))
                if len(units) > 1 or (units and tried == 0 and "died" in why):
                    again += [(u, tried + 1) for u in units]
                else:
                    yield from ({"lost": [u, why]} for u in units)
            ready, self._results = self._results, []
            yield from ready

    def _heard(self, working: dict[Hand, tuple[Task, int, list[Result]]]) -> list[tuple[Hand, str | None]]:
        """Collect messages for a moment; (hand, why it must go) of those that died or hang."""
        gone: list[tuple[Hand, str | None]] = []
        try:
            news = [self._news.get(timeout=0.2)]
            while not self._news.empty():
                news.append(self._news.get_nowait())
        except queue.Empty:
            news = []
        for hand, message in news:
            if hand not in self._hands:
                continue  # of one that was replaced
            hand.heard = time.monotonic()
            if message is not None and "unfit" in message:
                raise ScreeningError(**message["unfit"])
            if message is None:
                gone.append((hand, "the worker process died"))
            elif message.get("ready"):
                hand.ready = True
            elif message.get("end"):
                hand.task = None
                task, tried, done = working.pop(hand)
                if message.get("failed"):
                    self._results += [{"lost": [u, message["failed"]]} for u in split(remaining(task, done))]
            elif any(name in message for name in RESULTS):
                result = {k: v for k, v in message.items() if k != "task"}
                working[hand][2].append(result)
                self._results.append(result)
        dead = {hand for hand, _ in gone}
        limit = f"over the time limit of {self._seconds:g} s"
        return gone + [(h, limit) for h in self._hands if h not in dead and h.overdue]

    def _replace(self, hand: Hand) -> None:
        hand.kill()
        self._hands.remove(hand)

    def close(self) -> None:
        """End every child."""
        for hand in self._hands:
            hand.kill()
        self._hands.clear()


class OnDask:
    """Any Dask cluster: the address of a scheduler, or a `distributed.Client`.

    Each Dask thread keeps one child process of its own, so hanging and dying calculators harm nothing else. A task
    whose worker is lost is done again elsewhere by Dask; its results come once. The package must be installed on the
    workers.
    """

    def __init__(self, spec: Mapping[str, Any], scheduler: Any, seconds: float) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ScreeningError(
                f"Dask is not installed: {error}", where="scheduler", remedy='pip install "motifdesk[screen]"'
            ) from error
        self._own = isinstance(scheduler, str)
        self._where = scheduler if self._own else "scheduler"
        try:
            self._client = Client(scheduler, timeout=PATIENCE, set_as_default=False) if self._own else scheduler
        except (OSError, TimeoutError, ValueError) as error:
            raise ScreeningError(
                f"no Dask scheduler answers: {error}", where=scheduler, remedy='an address such as "tcp://host:8786"'
            ) from error
        self._spec, self._seconds = dict(spec), seconds

    def run(self, tasks: Iterable[Task], stop: threading.Event) -> Iterator[Result]:
        from distributed import as_completed

        stream = iter(tasks)
        held: dict[Any, Task] = {}
        waiting = as_completed(loop=self._client.loop, with_results=False, raise_errors=False)

        def submit(task: Task) -> None:
            future = self._client.submit(work_alone, self._spec, dict(task), self._seconds, pure=False, retries=3)
            held[future.key] = task
            waiting.add(future)

        def fill() -> None:
            most = 2 * max(1, sum(self._client.nthreads().values()))
            while len(held) < most and (task := next(stream, None)) is not None:
                submit(task)

        fill()
        while held and not stop.is_set():
            if not waiting.has_ready():  # not `next`, which would wait for workers that may never come
                stop.wait(_LOOK)
                continue
            future = next(waiting)
            task = held.pop(future.key)
            if future.status == "finished":
                try:
                    found = future.result()
                except (CancelledError, OSError):
                    self._lost()
                yield from found
            elif future.status in ("cancelled", "lost"):
                self._lost()
            elif isinstance(error := future.exception(), ScreeningError):  # a calculator that does not start there
                raise error
            else:
                units = split(task)
                if len(units) > 1:  # find the one that takes the workers down
                    for unit in units:
                        submit(unit)
                else:
                    yield {"lost": [units[0], f"{type(error).__name__}: {error}"[:250]]}
            future.release()
            fill()
        for future in list(waiting.futures):
            future.cancel()

    def _lost(self) -> NoReturn:
        raise ScreeningError(
            "the Dask scheduler is gone; what came before is safe",
            where=self._where,
            remedy="start it and run the same plan again, it goes on where it stopped",
        ) from None

    def close(self) -> None:
        """Leave the cluster as it was found; a client of our own is closed."""
        if self._own:
            self._client.close()


def make_executor(spec: Mapping[str, Any], shop: Callable[[], Workshop], where: Any, seconds: float) -> Executor:
    """`where`: 0 for this process, a number of child processes, a scheduler's address or a Dask client."""
    if where == 0:
        return Inline(shop())
    if isinstance(where, int):
        return Local(spec, where, seconds)
    return OnDask(spec, where, seconds)
