"""Picks, sliders, history, errors and export, as messages of the page."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

import motifdesk as md
from motifdesk.desk import channels
from motifdesk.session import Session


def test_picks_of_polyhedra_atoms_and_nothing(opened, rutile):
    page = opened(rutile)
    index = page.pick("TiO6", "orbit")
    related = [
        m.index for m in page.session.state.graph.motifs if m.orbit == page.session.state.graph.motifs[index].orbit
    ]
    assert page.out.highlight == {"picked": index, "related": related, "atoms": [], "movable": True}
    assert page.out.handles["scope"] == "orbit" and len(page.out.handles["groups"]) == 3
    oxygen = int(np.flatnonzero(page.session.state.arrays.numbers == 8)[0])
    page.send("pick", kind="atom", site=oxygen, motif=index, shift=True)
    page.send("pick", kind="atom", site=0, motif=index, shift=True)
    assert page.out.highlight["picked"] == index and page.out.highlight["atoms"] == [oxygen, 0]
    page.send("pick", kind="atom", site=oxygen, motif=index, shift=True)
    assert page.out.highlight["atoms"] == [0]
    page.send("pick", kind="none", shift=False)
    assert (
        page.out.highlight == {"picked": None, "related": [], "atoms": [], "movable": False}
        and page.out.handles["groups"] == []
    )
    assert page.edits() == ["open"], "a click is no step of the history"
    assert page.desk.messages == ()


# ------------------------------------------------------------------------------------------------ sliders, history


def test_live_values_and_release_make_one_step(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    before = page.shown()[0].copy()
    key = page.slider("breathing")["key"]
    frames = []
    for value in (0.02, 0.05, 0.08):
        page.slide(key, value)
        assert page.session.state.preview and page.shows(page.session.state)
        assert page.out.ack == page.sent
        frames.append(page.out.frame)
    assert page.edits() == ["open"]
    assert frames == sorted(set(frames))
    assert np.abs(page.shown()[0] - before).max() > 0.02
    page.send("release", what="distort")
    assert page.edits() == ["open", "distort"]
    assert not page.session.state.preview and page.shows(page.session.state)
    assert page.session.state.amplitudes == {key: 0.08}
    assert page.slider("breathing")["value"] == pytest.approx(0.08)
    assert page.out.handles["moved"] and page.out.header["can_undo"]
    page.send("release", what="distort")
    assert page.edits() == ["open", "distort"], "a second release has nothing to add"
    assert page.desk.messages == ()


def test_undo_redo_and_goto_show_what_they_say(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6")
    states = [page.session.state]
    for words in ("breathing", "Q3"):
        page.slide(page.slider(words)["key"], 0.05).send("release", what="distort")
        states.append(page.session.state)
    assert len(states[2].amplitudes) == 2, "the second slider adds to the first"
    for op, expected in (("undo", 1), ("undo", 0), ("redo", 1), ("redo", 2)):
        page.send(op)
        assert np.array_equal(page.session.state.arrays.positions, states[expected].arrays.positions)
        assert page.shows(states[expected])
        current = [n["id"] for n in page.out.history["nodes"] if n.get("current")]
        assert current == [states[expected].node]
    assert not page.out.header["can_redo"]
    page.send("goto", node=0)
    assert page.shows(states[0]) and not page.out.header["can_undo"]
    assert page.slider("breathing")["value"] == 0.0
    page.send("redo").send("reset")
    assert page.edits() == ["open", "distort", "distort", "distort"]
    assert np.abs(page.shown()[0] - states[0].arrays.positions).max() < 1e-5
    assert page.desk.messages == ()


def test_undo_at_the_start_is_a_message(opened, rutile):
    page = opened(rutile)
    page.send("undo")
    assert len(page.desk.messages) == 1 and "undo" in page.desk.messages[0]
    assert page.out.ack == page.sent
    page.send("dismiss", id=page.out.messages[0]["id"])
    assert page.desk.messages == ()


def test_escape_puts_a_held_slider_back(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6")
    before = page.shown()[0].copy()
    page.slide(page.slider("breathing")["key"], 0.05, 0.1)
    assert np.abs(page.shown()[0] - before).max() > 0.01
    page.send("cancel", what="distort")
    assert np.array_equal(page.shown()[0], before) and page.edits() == ["open"]
    assert page.slider("breathing")["value"] == 0.0
    assert not page.session.state.preview
    page.send("release", what="distort")
    assert page.edits() == ["open"]


def test_python_edits_show_on_every_desk_of_the_session(opened, rutile):
    session = Session(rutile, codec=None, atlas=None)
    first, second = opened(session), opened(session)
    first.pick("TiO6")
    assert second.out.highlight == first.out.highlight
    session.distort({session.state.modes[0]: 0.06})
    assert first.shows(session.state) and second.shows(session.state)
    first.desk.close()
    session.undo()
    assert second.shows(session.state)
    assert second.out.history["nodes"][0]["current"]


def test_substituted_atoms_are_drawn_anew(opened, rutile):
    page = opened(rutile)
    scene = page.out.scene["id"]
    page.session.substitute({0: "Sn"})
    assert page.out.scene["id"] > scene
    assert "Sn" in page.out.scene["symbol"] and page.shows(page.session.state)


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("op", "content"),
    [
        ("distort", {"key": "m0:motif:stretch:nonsense:9", "value": 0.1}),
        ("distort", {"value": float("nan")}),
        ("pick", {"kind": "motif", "motif": 99}),
        ("goto", {"node": 17}),
        ("scope", {"scope": "everything"}),
        ("strain", {"key": "volume", "value": 1.0}),
        ("repeat", {"repeat": ["many", 1, 1]}),
        ("goto", {}),
    ],
)
def test_what_cannot_be_done_is_a_message_and_changes_nothing(opened, rutile, op, content, caplog):
    page = opened(rutile)
    page.pick("TiO6")
    if op == "distort":
        content = {"key": page.slider("breathing")["key"], "scope": "motif", "motif": 0, **content}
        content["motif"] = page.session.state.selection.motif
    state, shown = page.session.state, page.out.positions
    page.send(op, **content)
    assert len(page.desk.messages) == 1
    assert page.out.ack == page.sent, "a page that waits for an answer would stand still"
    assert page.out.positions == shown and page.edits() == ["open"]
    assert page.session.state.selection == state.selection and not page.session.state.preview
    page.slide(page.slider("breathing")["key"], 0.05).send("release", what="distort")
    assert page.edits() == ["open", "distort"], "the desk goes on"
    caplog.clear()  # malformed messages are logged with their trace


def test_a_gesture_that_fails_inside_is_a_message(opened, rutile, monkeypatch):
    from motifdesk.motifs import Distorter

    page = opened(rutile)
    page.pick("TiO6")
    shown = page.out.positions

    def fail(self, amplitudes):
        raise ZeroDivisionError("by zero")

    with monkeypatch.context() as patched:
        patched.setattr(Distorter, "solve", fail)
        page.slide(page.slider("breathing")["key"], 0.05).send("release", what="distort")
    assert len(page.desk.messages) == 1 and "by zero" in page.desk.messages[0]
    assert page.out.positions == shown and page.edits() == ["open"]


def test_a_slider_of_an_earlier_pick_moves_nothing(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6")
    key = page.slider("breathing")["key"]
    page.send("scope", scope="orbit")
    page.send("distort", scope="motif", motif=page.session.state.selection.motif, key=key, value=0.2)
    assert page.edits() == ["open"] and not page.session.state.preview and page.out.ack == page.sent


def test_unknown_messages_are_ignored(opened, rutile):
    page = opened(rutile)
    page.send("explode").send("map_click", index=3, x=0.0, y=0.0)
    assert page.edits() == ["open"] and page.desk.messages == ()


# ------------------------------------------------------------------------------------------------ export


def test_export_writes_the_design_and_reports_the_path(opened, rutile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = opened(rutile)
    page.pick("TiO6")
    page.slide(page.slider("Q3")["key"], 0.1).send("release", what="distort")
    page.send("export", name="design.cif", format="cif", overwrite=False)
    assert page.out.export["level"] == "good" and "design.cif" in page.out.export["text"]
    back = md.read(tmp_path / "design.cif")
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    assert matcher.get_rms_dist(back, page.session.state.structure)[0] < 1e-4

    content = (tmp_path / "design.cif").read_bytes()
    state = page.session.state
    page.send("export", name="design.cif", format="cif", overwrite=False)
    assert page.out.export["level"] == "bad" and "design.cif" in page.out.export["text"]
    assert (tmp_path / "design.cif").read_bytes() == content
    assert page.session.state is state and page.edits() == ["open", "distort"]
    page.send("undo").send("export", name="design.cif", format="cif", overwrite=True)
    assert page.out.export["level"] == "good" and (tmp_path / "design.cif").read_bytes() != content
    for name in ("", "no-such-folder/design.cif"):
        page.send("export", name=name, format="cif", overwrite=False)
        assert page.out.export["level"] == "bad" and page.out.export["text"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["design.cif"]


def test_export_keeps_what_a_held_slider_shows(opened, rutile, tmp_path):
    """What is on screen is what is written: the held value becomes a step first."""
    page = opened(rutile)
    page.pick("TiO6")
    page.slide(page.slider("breathing")["key"], 0.1)
    page.send("export", name=str(tmp_path / "held.cif"), format="cif", overwrite=False)
    assert page.edits() == ["open", "distort"]
    back = md.read(tmp_path / "held.cif")
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    assert matcher.get_rms_dist(back, page.session.state.structure)[0] < 1e-4
    assert matcher.get_rms_dist(back, rutile)[0] > 1e-3


def test_download_is_the_file_of_the_export(opened, rutile, tmp_path):
    page = opened(rutile)
    page.send("download", name="../../rutile.vasp", format="poscar")
    assert page.out.download["name"] == "rutile.vasp"
    path = tmp_path / "rutile.vasp"
    path.write_text(page.out.download["text"], encoding="utf-8")
    assert np.abs(md.read(path).lattice.matrix - rutile.lattice.matrix).max() < 1e-6


def test_a_file_name_with_markup_stays_text(opened, rutile, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    path = tmp_path / f"{name}.cif"
    md.write(rutile, path)
    page = opened(path)
    assert name in page.out.header["facts"] or name in page.out.history["nodes"][0]["name"]
    page.send("export", name=f"{tmp_path}/{name}/x.cif", format="cif", overwrite=False)
    assert page.out.export["level"] == "bad" and name in page.out.export["text"]
    assert "<" not in page.out.export["name"], "a name to write is proposed without markup"
    # nothing that the page runs can turn text into markup
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval("):
        assert way not in channels.script()
