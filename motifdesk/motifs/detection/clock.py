"""A time limit on long computations that says how far they came."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from motifdesk.structures.errors import MotifError


class Clock:
    """Seconds left for one call; `check` and `watch` raise MotifError when there are none.

    where: what is being worked on, for the message (a string, or AtomArrays whose formula is told).
    """

    def __init__(self, seconds: float, where: Any = None) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
            raise MotifError(
                f"a time limit of {seconds!r} seconds", where="seconds", remedy="give a positive number, or math.inf"
            )
        self.seconds, self.where = float(seconds), where
        self._end = time.perf_counter() + self.seconds if math.isfinite(seconds) else math.inf

    def check(self, before: str) -> None:
        """Raise when the time is over; `before` names what would come next."""
        if time.perf_counter() > self._end:
            self._stop(f"before {before}")

    def watch(self, what: str, total: int) -> Callable[[int], None]:
        """A function of how many of `total` are done, which raises when the time is over."""
        return lambda done: (
            None if time.perf_counter() <= self._end else self._stop(f"{what} of {done} of {total} sites")
        )

    def _stop(self, reached: str) -> None:
        where = getattr(self.where, "formula", self.where)
        raise MotifError(
            f"finding motifs took longer than {self.seconds:g} s; it came to {reached}",
            where=None
            if where is None
            else f"{where} ({len(self.where)} atoms)"
            if hasattr(self.where, "formula")
            else where,
            remedy=f"give more time with find_motifs(structure, seconds={10 * self.seconds:g}), or use a smaller cell",
        )
