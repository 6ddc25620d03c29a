"""What a decode measures its seconds with: the wall's, or, where a benchmark asks for it, the processor's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CLOCK: ContextVar[Callable[[], float]] = ContextVar("clock", default=time.perf_counter)


def now() -> float:
    """Seconds on the present clock."""
    return _CLOCK.get()()


@contextmanager
def processor_time() -> Iterator[None]:
    """Inside, limits and figures of decodes are the processor's seconds: what others do on the machine counts less.

    On the CPU a decode is one thread, so that on a quiet machine both clocks agree.
    """
    token = _CLOCK.set(time.process_time)
    try:
        yield
    finally:
        _CLOCK.reset(token)
