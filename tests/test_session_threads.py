"""Edits from several threads at once: JupyterLab delivers widget messages beside running cells."""

import threading
import time
from functools import cache

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.engine import WORKERS
from motifdesk.session.workers import Draft, Worker
from motifdesk.structures.errors import SessionError


@cache
def rock_salt() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture
def session():
    return Session(rock_salt(), codec=None, atlas=None)


def is_whole(state):
    """A strained rock-salt cell is torn when positions and cell are not of the same instant."""
    fractional = state.arrays.positions @ np.linalg.inv(state.arrays.cell)
    quarter = fractional * 2
    return np.abs(quarter - np.round(quarter)).max() < 1e-9


def test_two_threads_edit_while_a_third_reads(session):
    seen, torn, failures = [], [], []
    session.observe(lambda change: seen.append(change))
    stop = threading.Event()

    def read():
        last = -1
        while not stop.is_set():
            state = session.state
            if not is_whole(state):
                torn.append(state)
            if state.version < last:
                torn.append((last, state.version))
            last = state.version

    def edit(factor):
        try:
            for k in range(40):
                session.strain(volume=factor)
                if k % 4 == 3:
                    session.undo()
        except Exception as error:  # reported by the main thread
            failures.append(error)

    reader = threading.Thread(target=read)
    other = threading.Thread(target=edit, args=(1.01,))
    reader.start()
    other.start()
    edit(1 / 1.01)
    other.join()
    stop.set()
    reader.join()
    assert not failures and not torn
    assert len(session.history) == 81  # no edit was lost
    versions = [c.state.version for c in seen]
    assert versions == sorted(set(versions))
    assert sum(c.edit is not None for c in seen) == 80
    assert all(c.previous is b.state for b, c in zip(seen, seen[1:], strict=False))
    for node in session.history:
        assert is_whole(node.state)
        if node.parent is not None:
            factor = node.edit.parameters["volume"]
            parent = session.history[node.parent].state
            assert node.state.arrays.volume == pytest.approx(factor * parent.arrays.volume)


def test_a_slider_and_a_cell_do_not_tear_each_other(session):
    shown = []
    session.observe(lambda change: shown.append(is_whole(change.state)))
    lost = []

    def slide():
        for _ in range(10):
            try:
                with session.gesture("strain") as gesture:
                    for volume in np.linspace(1.0, 1.1, 8):
                        gesture.update(volume=volume)
            except SessionError as error:  # overtaken by the cell: said, not silent
                lost.append(error)

    thread = threading.Thread(target=slide)
    thread.start()
    done = 0
    for _ in range(20):
        try:
            session.substitute([0], "K")
            session.undo()
            done += 1
        except SessionError as error:  # overtaken by the slider: the same
            assert "overtaken" in str(error)
        time.sleep(0.001)
    thread.join()
    assert all(shown) and done
    assert not session.state.preview
    strains = sum(n.edit.kind == "strain" for n in session.history)
    assert strains + len(lost) == 10


class Slow(Worker):
    """A worker that takes its time and counts what it really computed."""

    kind = "slow"
    quick = False
    started = threading.Event()
    computed: list = []

    def update(self, value, seconds=0.15):
        type(self).started.set()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.cancelled:
                raise SessionError("cancelled", where="slow")
            time.sleep(0.005)
        type(self).computed.append(value)
        return Draft(self.origin, f"slow {value}", {"value": value}, rebase=False)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setitem(WORKERS, "slow", Slow)
    Slow.started.clear()
    Slow.computed.clear()
    return Slow


def test_updates_that_pile_up_are_dropped_and_the_newest_wins(session, slow):
    gesture = session.gesture("slow")
    threads = []
    for value in range(6):
        threads.append(threading.Thread(target=gesture.update, args=(value,)))
        threads[-1].start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert slow.computed == [0, 5]
    assert session.state.label == "slow 5"
    assert gesture.commit().label == "slow 5"


def test_a_result_that_comes_after_an_undo_is_never_shown(session, slow):
    session.strain(volume=1.1)
    thread_errors = []

    def work():
        try:
            session._edit("slow", (1,), {})
        except SessionError as error:
            thread_errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert slow.started.wait(2)
    session.undo()
    assert not slow.computed  # undo did not wait for the slow work
    thread.join()
    assert session.history.current == 0 and session.state.label == "Open NaCl"
    assert len(thread_errors) == 1 and len(session.history) == 2


def test_reading_never_waits_for_a_computation(session, slow):
    thread = threading.Thread(target=lambda: session._edit("slow", (1, 0.5), {}))
    thread.start()
    assert slow.started.wait(2)
    assert session.state.formula == "NaCl" and session.history.current == 0  # while the work goes on
    assert not slow.computed
    thread.join()
    assert slow.computed == [1]


def test_many_edits_do_not_pile_up_caches(session):
    for k in range(60):
        session.strain(volume=1.01 if k % 2 else 1 / 1.01)
    assert len(session._warm) <= 6
    assert not session._pending
