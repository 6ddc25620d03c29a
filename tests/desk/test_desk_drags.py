"""Map drags, messages on another thread, and the end of a desk."""

import threading

import numpy as np
import pytest
from ipywidgets import Layout
from ipywidgets.widgets.widget import _instances
from pymatgen.core import Lattice, Structure

from motifdesk.desk import Desk

from .page import Gate, Page, our_threads, ours


def overlay_is(page: Page, state) -> bool:
    overlay, latent = page.out.overlay, state.latent
    return overlay["landed"] == pytest.approx(latent.xy) and overlay["target"] == pytest.approx(latent.target_xy)


def test_a_probe_drag_is_one_step_and_lands_where_the_map_says(opened, rutile, codec, atlas):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    start, before = page.session.state, page.shown()[0].copy()
    x, y = start.latent.xy
    for k in range(1, 4):
        page.send("probe", x=x + 0.05 * k, y=y)
        assert page.desk._drag.settle()
        assert page.out.ack == page.sent
        assert page.session.state.preview and page.shows(page.session.state)
        assert overlay_is(page, page.session.state)
    assert page.edits() == ["open"]
    assert np.abs(page.shown()[0] - before).max() > 1e-3
    page.send("release", what="probe")
    assert page.desk.settle()
    state = page.session.state
    assert page.out.ack == page.sent and page.edits() == ["open", "drag"]
    assert not state.preview and page.shows(state) and overlay_is(page, state)
    real = atlas.project(codec.encode([state.arrays]))[0]
    assert page.out.overlay["landed"] == pytest.approx(real.tolist(), abs=1e-4)
    assert page.out.overlay["target"] == pytest.approx([x + 0.15, y])
    assert len(page.out.overlay["trail"]) == 2
    assert {"residual", "off_target"} <= {row["key"] for row in page.out.readouts["rows"]}
    page.send("undo")
    assert page.shows(start) and page.out.overlay["landed"] == pytest.approx([x, y])
    assert page.desk.messages == ()


def test_a_cancelled_drag_leaves_no_trace(opened, rutile, codec, atlas):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    before, overlay = page.out.positions, dict(page.out.overlay)
    x, y = page.session.state.latent.xy
    page.send("probe", x=x + 0.2, y=y)
    assert page.desk._drag.settle() and page.out.positions != before
    page.send("cancel", what="probe")
    assert page.desk.settle()
    assert page.out.positions == before and page.out.overlay == overlay and page.edits() == ["open"]
    assert page.out.ack == page.sent and not page.session.state.preview


def test_the_newest_pointer_wins_and_every_message_is_answered(opened, rutile, codec, atlas, monkeypatch):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    x, y = page.session.state.latent.xy
    gate = Gate(monkeypatch)
    page.send("probe", x=x, y=y)
    gate.wait()
    for k in range(1, 21):
        page.send("probe", x=x + 0.01 * k, y=y)
    page.send("release", what="probe")
    gate.open()
    assert page.desk.settle()
    assert page.out.ack == page.sent
    waypoints = page.session.history[1].edit.parameters["waypoints"]
    assert np.allclose(waypoints, [[x, y], [x + 0.2, y]]), "moves that were overtaken are dropped, the last one is not"
    assert page.edits() == ["open", "drag"]


def test_an_edit_during_a_drag_ends_it(opened, rutile, codec, atlas):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    x, y = page.session.state.latent.xy
    page.send("probe", x=x + 0.1, y=y)
    assert page.desk._drag.settle()
    page.session.strain(volume=1.02)
    page.send("release", what="probe")
    assert page.desk.settle()
    assert page.edits() == ["open", "strain"] and page.shows(page.session.state) and page.out.ack == page.sent


def test_a_drag_that_fails_is_a_message(opened, rutile, codec, atlas, monkeypatch):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    before = page.out.positions
    page.send("probe", x=float("nan"), y=0.0)
    assert page.desk.settle()
    assert len(page.desk.messages) == 1 and page.out.ack == page.sent
    assert page.out.positions == before and page.edits() == ["open"] and not page.session.state.preview


def test_the_composition_switch_reaches_the_drag(opened, rutile, codec, atlas):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    page.send("composition", value="follow")
    assert page.out.mapbar["composition"] == "follow"
    x, y = page.session.state.latent.xy
    page.send("probe", x=x + 0.02, y=y).send("release", what="probe")
    assert page.desk.settle()
    assert page.session.history[1].edit.parameters["composition"] == "follow"
    assert page.shows(page.session.state)


def test_the_map_changes_colour(opened, rutile, codec, atlas):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    for by, _ in page.out.mapbar["options"]:
        page.send("colour", by=by)
        assert page.out.mapbar["by"] == by
    assert page.desk.messages == ()


# ------------------------------------------------------------------------------------------------ threads, end


def test_callbacks_of_another_thread_while_a_cell_edits(opened):
    """JupyterLab delivers the page's messages on a thread of its own, also while a cell runs."""
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    page = opened(salt)
    frames, torn = [], []

    def check(change):
        positions, cell = page.shown()
        halves = 2 * positions @ np.linalg.inv(cell)
        if np.abs(halves - np.round(halves)).max() > 1e-4:
            torn.append(change)

    page.out.observe(check, "frame")
    page.out.observe(lambda change: frames.append(change["new"]), "frame")
    failures = []

    def mouse():
        try:
            for k in range(60):
                page.send("strain", scope="motif", motif=None, key="volume", value=100.0 + 0.1 * (k % 50))
                if k % 6 == 5:
                    page.send("release", what="strain")
                if k % 10 == 9:
                    page.send("undo")
                if k % 15 == 14:
                    page.send("repeat", repeat=[1 + k % 2, 1, 1])
            page.send("release", what="strain")
        except Exception as error:  # reported below
            failures.append(error)

    hand = threading.Thread(target=mouse)
    hand.start()
    for k in range(60):
        page.session.strain(volume=1.0 + 0.001 * (k % 7))
        if k % 5 == 4:
            page.session.undo()
    hand.join(60)
    assert not hand.is_alive() and not failures and page.desk.settle()
    assert torn == []
    assert frames == sorted(frames)
    assert not page.session.state.preview
    assert page.shows(page.session.state), "the last thing shown is the last thing done"
    current = [n["id"] for n in page.out.history["nodes"] if n.get("current")]
    assert current == [page.session.history.current] == [page.session.state.node]
    # overtaken gestures may say so; nothing else may have happened
    assert all("overtaken" in m or "is over" in m or "nothing to undo" in m for m in page.desk.messages)


def test_close_disposes_and_the_session_lives_on(rutile):
    desk = Desk(rutile, codec=None, atlas=None)
    page = Page(desk).send("ready")
    page.pick("TiO6")
    page.slide(page.slider("breathing")["key"], 0.1)
    assert our_threads() and ours()
    desk.close()
    assert our_threads() == [] and ours() == []
    session = desk.session
    assert not session.state.preview, "a preview does not outlive its desk"
    frame = page.out.frame
    session.strain(volume=1.01)
    assert [n.edit.kind for n in session.history] == ["open", "strain"] and page.out.frame == frame
    page.send("undo")  # a message that was under way
    desk._on_message(None, {"op": "undo", "n": 99})
    assert len(session.history) == 2 and session.history.current == 1
    assert desk.viewer.widget.comm is None and desk.map.figure.comm is None
    desk.close()


def test_closing_in_the_middle_of_a_drag(opened, rutile, codec, atlas, monkeypatch):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    x, y = page.session.state.latent.xy
    gate = Gate(monkeypatch)
    page.send("probe", x=x + 0.1, y=y)
    gate.wait()
    threading.Timer(0.2, gate.open).start()
    page.desk.close()
    assert our_threads() == []
    assert page.edits() == ["open"] and not page.session.state.preview


def test_close_gives_back_what_the_libraries_took(rutile):
    """nglview starts threads that poll for ever and, like every widget, brings layouts and styles with it."""
    Desk(rutile, codec=None, atlas=None).close()  # what the libraries make once
    widgets, threads = set(_instances), set(threading.enumerate())
    Desk(rutile, codec=None, atlas=None).close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(1)
    left = {type(_instances[k]).__name__ for k in set(_instances) - widgets}
    assert left - {Layout.__name__} == set()
    assert set(threading.enumerate()) - threads == set()
