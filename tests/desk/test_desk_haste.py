"""A hand that is faster than the desk: what it does next must find what it has just done."""

import threading

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

import motifdesk as md
from motifdesk.session import Session

from .page import Gate, Page

matcher = StructureMatcher(primitive_cell=False, scale=False)

# the drag worker keeps one slot for all of a drag, and undo and export do not wait for it


def on_the_map(opened, rutile, codec, atlas) -> tuple[Page, float, float]:
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    return page, *page.session.state.latent.xy


def release_while_a_frame_is_computed(page: Page, gate: Gate, x: float, y: float) -> None:
    page.send("probe", x=x, y=y)
    gate.wait()
    page.send("release", what="probe")
    threading.Timer(0.2, gate.open).start()


def grab_again(page: Page, gate: Gate, how: str, first: tuple[float, float], second: tuple[float, float]) -> None:
    """A second drag begins before the end of the first one has been worked off."""
    page.send("probe", x=first[0], y=first[1])
    gate.wait()
    page.send(how, what="probe")
    page.send("probe", x=second[0], y=second[1])
    gate.open()
    page.send("release", what="probe")
    assert page.desk.settle() and page.out.ack == page.sent


def test_two_quick_drags_are_two_steps(opened, rutile, codec, atlas, monkeypatch):
    page, x, y = on_the_map(opened, rutile, codec, atlas)
    grab_again(page, Gate(monkeypatch), "release", (x + 0.05, y), (x + 0.1, y))
    assert page.edits() == ["open", "drag", "drag"]


def test_a_cancelled_drag_is_no_part_of_the_next(opened, rutile, codec, atlas, monkeypatch):
    page, x, y = on_the_map(opened, rutile, codec, atlas)
    grab_again(page, Gate(monkeypatch), "cancel", (x + 0.5, y), (x + 0.1, y))
    assert page.edits() == ["open", "drag"]
    assert np.allclose(page.session.history[1].edit.parameters["waypoints"], [[x + 0.1, y]])


def test_undo_right_after_the_release_undoes_the_drag(opened, rutile, codec, atlas, monkeypatch):
    page, x, y = on_the_map(opened, rutile, codec, atlas)
    release_while_a_frame_is_computed(page, Gate(monkeypatch), x + 0.3, y)
    page.send("undo")
    assert page.desk.settle() and page.desk.messages == ()
    assert page.edits() == ["open", "drag"] and page.session.history.current == 0
    assert page.out.header["can_redo"]


@pytest.mark.parametrize("released", [True, False], ids=["released", "held"])
def test_export_writes_what_the_probe_shows(opened, rutile, codec, atlas, monkeypatch, tmp_path, released):
    page, x, y = on_the_map(opened, rutile, codec, atlas)
    if released:
        release_while_a_frame_is_computed(page, Gate(monkeypatch), x + 1.0, y + 1.0)
    else:
        page.send("probe", x=x + 1.0, y=y + 1.0)
        assert page.desk._drag.settle()
    page.send("export", name=str(tmp_path / "dragged.cif"), format="cif", overwrite=False)
    assert page.desk.settle() and page.edits() == ["open", "drag"]
    back = md.read(tmp_path / "dragged.cif")
    assert matcher.get_rms_dist(back, page.session.state.structure)[0] < 1e-4
    assert matcher.get_rms_dist(back, rutile)[0] > 1e-3


def test_a_pick_during_a_drag_stays(opened, rutile, codec, atlas):
    page, x, y = on_the_map(opened, rutile, codec, atlas)
    page.send("probe", x=x + 0.05, y=y)
    assert page.desk._drag.settle()
    index = page.pick("TiO6")
    page.send("release", what="probe")
    assert page.desk.settle() and page.edits() == ["open", "drag"]
    assert page.out.handles["motif"] == index and page.out.handles["groups"]


def test_two_desks_drag_one_design(opened, rutile, codec, atlas):
    session = Session(rutile, codec=codec, atlas=atlas)
    first, second = opened(session).open_map(), opened(session).open_map()
    x, y = session.state.latent.xy
    for page, step in ((first, 0.1), (second, -0.1)):
        page.send("probe", x=x + step, y=y)
        assert page.desk._drag.settle()
    for page in (first, second):
        page.send("release", what="probe")
        assert page.desk.settle()
    assert first.edits() == ["open", "drag"], "the newer drag ended the older one"
    assert first.shows(session.state) and second.shows(session.state)
    assert first.desk.messages == second.desk.messages == ()


def test_another_structure_brings_its_own_panels(opened, rutile, codec, atlas):
    page, _, _ = on_the_map(opened, rutile, codec, atlas)
    page.pick("TiO6")
    fit = page.out.fit
    page.session.set_structure("benzene.xyz")
    assert page.desk.settle() and page.shows(page.session.state)
    assert page.out.fit > fit and page.out.handles["groups"] == [] and page.out.handles["cell"] == []
    assert page.out.export["formats"][0][0] == "xyz"
    page.send("undo")
    assert page.desk.settle() and page.shows(page.session.state)
    assert page.out.export["formats"][0][0] == "cif"


def test_read_outs_are_fresh_again_at_rest(opened, rutile, codec, atlas):
    page, _, _ = on_the_map(opened, rutile, codec, atlas)
    page.pick("TiO6")
    page.slide(page.slider("breathing")["key"], 0.05)
    assert page.out.stale
    for op in ("release", "undo", "redo"):
        page.send(op, what="distort")
        assert page.desk.settle()
        assert not page.out.stale and not page.out.overlay["stale"]
        assert [row for row in page.out.readouts["rows"] if row["stale"]] == []
        assert page.out.readouts["version"] == page.session.state.version


@pytest.mark.parametrize(
    ("op", "name"),
    [
        ("export", "/"),
        ("export", ".."),
        ("export", "no\0name.cif"),
        ("export", 300 * "x" + ".cif"),
        ("download", "/"),
        ("download", ".."),
        ("download", 300 * "x" + ".cif"),
    ],
    ids=["export root", "export up", "export NUL", "export long", "download root", "download up", "download long"],
)
def test_impossible_file_names_are_said(opened, rutile, tmp_path, monkeypatch, op, name):
    monkeypatch.chdir(tmp_path)
    page = opened(rutile)
    page.send(op, name=name, format="cif", overwrite=False)
    if op == "export":
        assert page.out.export["level"] == "bad" and page.out.export["text"]
        assert name != ".." or "folder" in page.out.export["text"]
    else:
        assert page.desk.messages or page.out.download["name"]
    assert list(tmp_path.iterdir()) == [] and page.edits() == ["open"]


def test_the_view_is_fitted_at_the_end_of_a_gesture_that_led_to_other_atoms(opened, rutile):
    page = opened(rutile, codec=None, atlas=None)
    session = page.desk.session
    page.desk.settle()
    fit = page.out.fit
    session.preview("set_structure", "NaCl.cif")
    assert page.out.fit == fit  # never while something is held
    session.commit()
    page.desk.settle()
    assert page.out.fit > fit
    fit = page.out.fit
    session.preview("strain", volume=1.1)
    session.commit()
    page.desk.settle()
    assert page.out.fit == fit
