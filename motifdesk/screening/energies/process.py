"""A calculator in a process of its own: it can hang, throw or die there, and be ended at any time.

Started by `subprocess`, not by a fork: a notebook's kernel has threads. JSON lines in, JSON lines out; the child
(`motifdesk.screening.energies.child`) ends itself when its standard input closes, so nothing outlives the kernel.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays

from ..candidate import arrays_to_dict
from ..errors import ScreeningError
from .relaxing import Evaluation, Frame, Relaxed

STARTING = 180.0
"""Seconds to import and load a model on a busy machine."""
PATIENCE = 300.0
"""Seconds of silence within one step after which a calculator is taken to hang."""
_MOST_THREADS = 4
_LOOK = 0.05  # seconds between two looks at whether the answer is still wanted
_STOPPING = 3.0  # seconds a calculator gets to finish its step before it is ended


class Abandoned(Exception):
    """What was asked for is no longer wanted."""


def threads() -> int:
    """Threads of the child: one core stays with the kernel, and more than four gain a graph network little."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_THREADS, cores - 1))


class CalculatorProcess:
    """One child process with one calculator.

    Parameters
    ----------
    options
        `calculator` and `arguments`, as `make_calculator` takes them.
    patience
        seconds of silence within a step after which it is ended.

    Attributes
    ----------
    name, versions
        of the calculator, and of the packages behind it; known once it has answered.

    Not for use by two threads at once. `kill` may come from any.
    """

    def __init__(self, options: Mapping[str, Any], patience: float = PATIENCE) -> None:
        if options["calculator"] == "chgnet" and find_spec("chgnet") is None:
            raise ScreeningError(
                "CHGNet is not installed", where="calculator", remedy='pip install "motifdesk[screen]"'
            )
        self.options = dict(options)
        self.patience = float(patience)
        self.name = ""
        self.versions: dict[str, str] = {}
        self.usable = True
        self._number = 0
        self._news: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        count = str(threads())
        environment = {
            **os.environ,
            **{k: count for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")},
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "motifdesk.screening.energies.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(
            target=_listen, args=(self._process.stdout, self._news), name="motifdesk-calculator", daemon=True
        ).start()
        self._send(self.options)

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    @property
    def behind(self) -> bool:
        """Whether more news has come than was read."""
        return not self._news.empty()

    def evaluate(self, arrays: AtomArrays, wanted: Callable[[], bool] = lambda: True) -> Evaluation:
        """Energy, forces and stress. `wanted` is looked at some twenty times a second; once False: Abandoned.

        Raises
        ------
        ScreeningError
            the calculator cannot be made, throws, returns NaN, hangs or dies.
        """
        for answer in self._ask({"do": "evaluate", "arrays": arrays_to_dict(arrays)}, wanted):
            stress = answer["stress"]
            return Evaluation(
                float(answer["per_atom"]),
                np.array(answer["forces"], dtype=float).reshape(-1, 3),
                None if stress is None else np.array(stress, dtype=float),
                self.name,
            )
        raise ScreeningError("it gave no answer", where=f"calculator {self.name}")

    def relax(
        self,
        arrays: AtomArrays,
        *,
        fmax: float,
        steps: int,
        cell: bool,
        optimiser: str = "bfgs",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Iterator[Frame | Relaxed]:
        """The frames of a relaxation as they come, then where it ended. Raises as `evaluate`; leaving the iterator
        early lets the calculator finish its step and no more."""
        options = {"fmax": fmax, "steps": steps, "cell": cell, "optimiser": optimiser}
        work = {"do": "relax", "arrays": arrays_to_dict(arrays), "options": options}
        last: AtomArrays = arrays
        for answer in self._ask(work, wanted):
            if "step" in answer:
                last = AtomArrays(arrays.numbers, answer["positions"], answer["cell"] if cell else arrays.cell)
                yield Frame(answer["step"], last, answer["per_atom"], answer["force"], answer["pressure"])
            else:
                yield Relaxed(last, answer["per_atom"], answer["converged"], answer["force"], answer["steps"])

    def kill(self) -> None:
        """End it now."""
        self.usable = False
        self._process.kill()
        self._process.wait()
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except (OSError, ValueError):
            pass

    # ------------------------------------------------------------------------------------------------ inner workings

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError, OSError):  # it died: the listener tells
            pass

    def _ask(self, work: Mapping[str, Any], wanted: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Answers to one piece of work, until its end."""
        self._number += 1
        number, over = self._number, False
        self._send({"task": number, **work})
        try:
            while True:
                answer = self._next(wanted)
                if answer.get("task") != number:
                    continue
                if answer.get("failed"):
                    over = True
                    raise ScreeningError(**answer["failed"])
                if answer.get("end"):
                    over = True
                    return
                yield answer
        finally:
            if not over and self.usable:
                self._stop(number)

    def _next(self, wanted: Callable[[], bool]) -> dict[str, Any]:
        heard = time.monotonic()
        while True:
            try:
                answer = self._news.get(timeout=_LOOK)
            except queue.Empty:
                if not wanted():
                    raise Abandoned from None
                limit = self.patience if self.name else max(STARTING, self.patience)
                if time.monotonic() - heard > limit:
                    self.kill()
                    raise ScreeningError(
                        f"it said nothing for {limit:g} s and was ended",
                        where=f"calculator {self.options['calculator']}",
                        remedy="try a smaller cell, or another calculator",
                    ) from None
                continue
            if answer is None:
                self.usable = False
                code = self._process.wait()
                raise ScreeningError(
                    f"its process died (exit code {code})",
                    where=f"calculator {self.options['calculator']}",
                    remedy="try again, a smaller cell, or another calculator",
                )
            if "ready" in answer:
                self.name, self.versions = answer["ready"], answer["versions"]
                heard = time.monotonic()
                continue
            if "unfit" in answer:
                self.kill()
                raise ScreeningError(**answer["unfit"])
            return answer

    def _stop(self, number: int) -> None:
        """Let it finish its step; end it when that takes long."""
        self._send({"stop": number})
        until = time.monotonic() + _STOPPING
        while time.monotonic() < until and self.name:
            try:
                answer = self._news.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if answer is None:
                break
            if answer.get("task") == number and answer.get("end"):
                return
        self.kill()


def _listen(pipe: Any, news: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with pipe:
        try:
            for line in pipe:
                news.put(json.loads(line))
        except (ValueError, OSError):  # half a line of a killed process
            pass
    news.put(None)
