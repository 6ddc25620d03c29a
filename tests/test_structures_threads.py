"""BLAS has one thread inside, and afterwards what it had, however the blocks of several threads overlap."""

from __future__ import annotations

import threading

import pytest
import scipy.linalg  # noqa: F401  brings a BLAS of its own
from threadpoolctl import ThreadpoolController

from motifdesk.structures.threads import one_blas_thread


def threads() -> list[int]:
    return [i["num_threads"] for i in ThreadpoolController().info() if i["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        yield


def test_one_thread_inside_and_as_many_as_before_after_it():
    before = threads()
    assert max(before) == 2
    with one_blas_thread(), one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_blocks_of_two_threads_that_overlap_leave_what_was_there():
    before = threads()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        entered.wait(10)
    assert set(threads()) == {1}, "the other is still inside"
    leave.set()
    thread.join(10)
    assert threads() == before


def test_a_failure_inside_gives_the_threads_back():
    before = threads()
    with pytest.raises(ValueError, match="inside"), one_blas_thread():
        raise ValueError("inside")
    assert threads() == before
