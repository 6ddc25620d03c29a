"""One torch thread for small work.

A refinement step is hundreds of operations of some ten microseconds. Two OpenMP threads gain little there, and when
another process (a browser, a training run) holds a core, their barriers make a step ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from motifdesk.structures.threads import one_blas_thread


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block with one intra-operation thread (of the calling thread) and one BLAS thread, then restore both."""
    with one_blas_thread():
        before = torch.get_num_threads()
        if before == 1:
            yield
            return
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
