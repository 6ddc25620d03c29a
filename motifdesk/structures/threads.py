"""BLAS on one thread while small systems are solved.

The desk's matrices have tens of rows. Two BLAS threads gain nothing there, and each waits for the other by spinning: on
a machine whose other core draws the page, a frame of a drag took two and a half times the processor time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BRING_BLAS = ("numpy", "scipy.linalg", "torch")
_lock = threading.Lock()
_inside = 0
_limit: Any = None
_controller: Any = None
_scanned: tuple[bool, ...] = ()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS has one thread while any thread of the process is in such a block; then as many as before the first.

    The number belongs to the process: blocks of several threads that each restored what they had found would leave
    behind what another had set. One thread also gives the same bits everywhere.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            found = _found()
            _let_go()
            _limit = found.limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _let_go()
                _limit.restore_original_limits()
                _let_go()
                _limit = None


def _let_go() -> None:
    """threadpoolctl >= 3.7 obeys, for OpenBLAS, only the thread that was the first to ask: whoever comes last inside
    this module's lock must be able to give back what the first took."""
    import threadpoolctl

    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _found() -> Any:
    """The handle on the libraries loaded by now: looking for them takes milliseconds, so only after new ones may have
    come."""
    global _controller, _scanned
    loaded = tuple(name in sys.modules for name in _BRING_BLAS)
    if loaded != _scanned:
        from threadpoolctl import ThreadpoolController

        _controller, _scanned = ThreadpoolController(), loaded
    return _controller


__all__ = ["one_blas_thread"]
