"""The calculators of a session: child processes lent out one at a time, one kept warm, energies remembered."""

from __future__ import annotations

import hashlib
import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from motifdesk.structures.arrays import AtomArrays

if TYPE_CHECKING:
    from motifdesk.screening.energies.process import CalculatorProcess
    from motifdesk.screening.energies.relaxing import Evaluation

IDLE_S = 600.0
"""Seconds after which a calculator that nobody asks is ended: a loaded CHGNet holds some 500 MB."""
_REMEMBERED = 128


class Calculators:
    """Lends `CalculatorProcess` and remembers what they said of structures.

    Nothing is started before it is asked for. The process used last stays for the next question; it ends with
    :meth:`close`, after `IDLE_S`, when the session is garbage, and with the kernel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, CalculatorProcess] = {}
        self._busy: set[CalculatorProcess] = set()
        self._timer: threading.Timer | None = None
        self._known: OrderedDict[tuple[str, bytes], Evaluation] = OrderedDict()
        weakref.finalize(self, _end, self._idle, self._busy)

    @contextmanager
    def lend(self, options: Mapping[str, Any], patience: float) -> Iterator[CalculatorProcess]:
        """A process for `calculator` and `arguments`: the warm one where it fits, else a new one."""
        from motifdesk.screening.energies.process import CalculatorProcess

        key = key_of(options)
        with self._lock:
            self._rest(None)
            process = self._idle.pop(key, None)
        if process is None:
            process = CalculatorProcess(options, patience)
        process.patience = float(patience)
        with self._lock:
            self._busy.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._busy.discard(process)
                gone = list(self._idle.values())
                self._idle.clear()
                if process.usable:
                    self._idle[key] = process
                    self._rest(IDLE_S)
                else:
                    gone.append(process)
            for other in gone:
                other.kill()

    def close(self) -> None:
        """End every process, those at work among them: what they were asked raises."""
        with self._lock:
            self._rest(None)
            gone = [*self._idle.values(), *self._busy]
            self._idle.clear()
        for process in gone:
            process.kill()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that are alive."""
        with self._lock:
            return tuple(p.pid for p in (*self._idle.values(), *self._busy))

    def remember(self, options: Mapping[str, Any], arrays: AtomArrays, found: Evaluation) -> None:
        """Keep what was found of a structure."""
        with self._lock:
            self._known[(key_of(options), _digest(arrays))] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def known(self, options: Mapping[str, Any], arrays: AtomArrays) -> Evaluation | None:
        """What was found of exactly this structure before."""
        with self._lock:
            return self._known.get((key_of(options), _digest(arrays)))

    def _rest(self, seconds: float | None) -> None:
        """Under the lock: end the idle process after `seconds`; None: not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = threading.Timer(seconds, _close_if_there, (weakref.ref(self),))
            self._timer.daemon = True
            self._timer.start()


def key_of(options: Mapping[str, Any]) -> str:
    """One name for a calculator with its arguments."""
    return json.dumps([options["calculator"], options.get("arguments") or {}], sort_keys=True)


def _digest(arrays: AtomArrays) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for part in (arrays.numbers, arrays.positions, arrays.cell):
        found.update(b"-" if part is None else part.tobytes())
    return found.digest()


def _close_if_there(reference: weakref.ref[Calculators]) -> None:
    calculators = reference()
    if calculators is not None:
        with calculators._lock:
            gone = list(calculators._idle.values())
            calculators._idle.clear()
        for process in gone:
            process.kill()


def _end(idle: dict[str, CalculatorProcess], busy: set[CalculatorProcess]) -> None:
    for process in (*idle.values(), *busy):
        process.kill()
