"""Desks that are closed after each test, and the watch that nothing of them is left."""

import logging
import threading

import pytest
from pymatgen.core import Structure

import motifdesk as md
from motifdesk.desk import Desk
from motifdesk.desk import desk as desk_module
from motifdesk.session import Session

from .page import Page, our_threads, ours


@pytest.fixture(autouse=True)
def nothing_leaks(caplog):
    """After each test: no thread, no widget of a desk, and nothing that the desk caught and could only log."""
    # another file's tests may have left desks open in this process
    threads, widgets = set(threading.enumerate()), {id(w) for w in ours()}
    with caplog.at_level(logging.ERROR, logger="motifdesk"):
        yield
    assert our_threads(but=threads) == []
    assert [w for w in ours() if id(w) not in widgets] == []
    assert [r.getMessage() for r in caplog.records if r.name.startswith("motifdesk")] == []


@pytest.fixture(autouse=True)
def short_rest(monkeypatch):
    monkeypatch.setattr(desk_module, "_IDLE_S", 0.01)


@pytest.fixture
def opened():
    """Opens desks and closes them after the test."""
    desks = []

    def open_desk(design, **services) -> "Page":
        desk = Desk(design, **{"codec": None, "atlas": None, **services} if not isinstance(design, Session) else {})
        desks.append(desk)
        return Page(desk)

    yield open_desk
    for desk in desks:
        desk.close()


@pytest.fixture(scope="module")
def rutile() -> Structure:
    return md.read("rutile-TiO2.cif", cell="primitive")


@pytest.fixture(scope="module")
def codec():
    return md.load_codec(device="cpu")


@pytest.fixture(scope="module")
def atlas():
    return md.load_atlas()
