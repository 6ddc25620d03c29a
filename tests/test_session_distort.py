"""Sliders through the document: amplitudes are absolute, undo brings them back with the pick, replay finds the
modes again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motifdesk.session import Session
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, SessionError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def structure():
    return read("beta-Li2IrO3.cif", cell="primitive")


@pytest.fixture
def session(structure):
    session = Session(structure, codec=None, atlas=None, name="beta")
    octahedron = next(m for m in session.state.graph.motifs if m.formula == "IrO6")
    session.select(octahedron, scope="orbit")
    return session


def stretches(session):
    return [m for m in session.state.modes if m.block == "stretch"]


def positions(session):
    return session.state.arrays.positions


def test_picking_a_motif_gives_its_modes_and_no_step_of_history(session):
    assert len(session.history) == 1
    modes = session.state.modes
    assert len(modes) >= 6 and len({m.key for m in modes}) == len(modes)
    session.select(scope="motif")
    assert session.state.selection.scope == "motif"
    assert {m.key for m in session.state.modes} != {m.key for m in modes}
    session.select(None)
    assert session.state.modes == ()


def test_amplitudes_are_absolute_relative_to_the_base(session):
    a, b = stretches(session)[1:3]
    session.distort({a: 0.05})
    session.distort({a: 0.08, b.key: -0.03})
    assert session.state.base == 0
    assert dict(session.state.amplitudes) == {a.key: 0.08, b.key: -0.03}
    straight = Session(session.history[0].state.structure, codec=None, atlas=None)
    straight.select(session.state.selection.motif, scope="orbit")
    straight.distort({a.key: 0.08, b.key: -0.03})
    np.testing.assert_allclose(positions(session), positions(straight), atol=1e-6)
    assert np.abs(positions(session) - session.history[0].state.arrays.positions).max() > 0.01
    session.distort({a: 0.0, b: 0.0})
    assert (positions(session) == session.history[0].state.arrays.positions).all()


def test_a_slider_drag_is_one_edit_named_after_the_mode(session):
    mode = stretches(session)[1]
    for amplitude in np.linspace(0, 0.06, 7):
        shown = session.preview("distort", {mode.key: float(amplitude)})
        assert shown.preview
    assert len(session.history) == 1
    session.commit()
    assert len(session.history) == 2
    edit = session.history[1].edit
    assert mode.label in edit.name and "0.060" in edit.name
    assert edit.parameters == {"amplitudes": {mode.key: pytest.approx(0.06)}}


def test_undo_brings_back_amplitudes_and_the_pick_they_belong_to(session):
    mode = stretches(session)[1]
    pick = session.state.selection
    session.distort({mode: 0.05})
    session.distort({mode: 0.09})
    other = next(m for m in session.state.graph.motifs if m.formula == "LiO6")
    session.select(other, scope="motif")
    session.undo()
    assert session.state.selection == pick and session.state.amplitudes[mode.key] == 0.05
    session.undo()
    assert session.state.selection == pick and not session.state.amplitudes
    session.redo()
    session.redo()
    assert session.state.selection.motif == other.index and session.state.amplitudes[mode.key] == 0.09


def test_handles_of_two_motifs_add_up(session):
    first = stretches(session)[1]
    session.distort({first: 0.05})
    other = next(m for m in session.state.graph.motifs if m.formula == "LiO6")
    session.select(other, scope="motif")
    second = stretches(session)[0]
    session.distort({second: 0.02})
    assert dict(session.state.amplitudes) == {first.key: 0.05, second.key: 0.02}


def test_another_kind_of_edit_makes_a_new_base(session):
    mode = stretches(session)[1]
    session.distort({mode: 0.05})
    distorted = session.state.arrays.fractional
    state = session.strain(volume=1.05)
    assert state.base == state.node and not state.amplitudes
    np.testing.assert_allclose(state.arrays.fractional, distorted, atol=1e-9)
    assert state.selection.motif is not None  # the pick is carried over by its centre
    session.undo()
    assert session.state.base == 0 and session.state.amplitudes == {mode.key: 0.05}


def test_the_achieved_amplitude_is_the_asked_one_or_said(session):
    for mode in stretches(session)[:3]:
        state = session.distort({**{k: 0.0 for k in session.state.amplitudes}, mode.key: 0.05})
        achieved = state.achieved[mode.key]
        assert abs(achieved - 0.05) < 0.011 or any(mode.label in note for note in state.notes)


@pytest.mark.parametrize(
    "amplitudes",
    [{"m999:orbit:stretch:Eg:1": 0.1}, {"nonsense": 0.0}, {None: 1.0}, {"m0": float("nan")}, {"m0": "far"}],
)
def test_a_mode_that_is_none_leaves_the_design_untouched(session, amplitudes):
    mode = stretches(session)[1]
    session.distort({mode: 0.05})
    before = session.state
    with pytest.raises(MotifDeskError) as caught:
        session.distort(amplitudes)
    assert "\n" not in str(caught.value)
    assert session.state.arrays is before.arrays and len(session.history) == 2


def test_distortions_replay_in_a_new_process(session, tmp_path):
    a, b = stretches(session)[1:3]
    session.distort({a: 0.07})
    session.strain(volume=1.02)
    again = next(m for m in session.state.modes if m.block == "bend")
    session.distort({again: 0.03})
    session.undo()
    session.undo()
    session.distort({b: -0.04})
    path = session.save(tmp_path / "beta.json")
    script = (
        "import sys\n"
        "from motifdesk.session import Session\n"
        "replay = Session.load(sys.argv[1], codec=None, atlas=None).replay()\n"
        "assert replay.exact, replay\n"
        "import json\n"
        "print(json.dumps([n.state.arrays.positions.tolist() for n in replay.session.history]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    for node, found in zip(session.history, json.loads(done.stdout), strict=True):
        assert np.abs(node.state.arrays.positions - np.array(found)).max() <= 1e-6
    loaded = Session.load(path, codec=None, atlas=None)
    assert loaded.state.amplitudes == {a.key: 0.07, b.key: -0.04} and b.key in {m.key for m in loaded.state.modes}


def test_releasing_warm_caches_changes_nothing(session):
    mode = stretches(session)[1]
    before = session.distort({mode: 0.05}).arrays.positions
    session.state.reference.release()
    session.distort({mode: 0.0})
    after = session.distort({mode: 0.05}).arrays.positions
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_molecule_is_distorted_saved_and_replayed(tmp_path):
    session = Session("benzene.xyz", codec=None, atlas=None)
    session.select(0)
    mode = session.state.modes[0]
    before = session.state.arrays
    after = session.distort({mode: 0.05}).arrays
    assert after.cell is None and np.abs(after.positions - before.positions).max() > 0.01
    again = Session.load(session.save(tmp_path / "benzene.json"), codec=None, atlas=None)
    assert (again.state.arrays.positions == after.positions).all()
    assert again.replay().exact


def test_a_distortion_shown_by_one_thread_is_read_whole_by_another(session):
    """Positions and cell of every state seen belong to the amplitude it carries."""
    import threading

    mode = stretches(session)[1]
    known = {0.0: session.state.arrays}
    for amplitude in (0.02, 0.04, 0.06):
        known[amplitude] = session.distort({mode: amplitude}).arrays
    stop, torn = threading.Event(), []

    def watch():
        while not stop.is_set():
            state = session.state
            want = known[state.amplitudes.get(mode.key, 0.0)]
            if np.abs(state.arrays.positions - want.positions).max() > 1e-9:
                torn.append(state)
            if np.abs(state.arrays.cell - want.cell).max() > 1e-9:
                torn.append(state)

    def edit():
        for amplitude in (0.02, 0.06, 0.04, 0.0) * 3:
            session.distort({mode: amplitude})

    watcher, editor = threading.Thread(target=watch), threading.Thread(target=edit)
    watcher.start()
    editor.start()
    for _ in range(12):
        session.distort({mode: 0.04})
        session.undo()
    editor.join()
    stop.set()
    watcher.join()
    assert not torn


def test_a_request_that_collapses_the_cell_is_refused_and_changes_nothing():
    """5 A typed for 0.5 A left a cell of 0.0003 A^3, whose neighbours took all memory of the machine."""
    session = Session(read("BaTiO3-orthorhombic.cif", cell="primitive"), codec=None, atlas=None)
    session.select(next(m for m in session.state.graph.motifs if m.formula == "TiO6"))
    breathing = next(m for m in session.state.modes if "breathing" in m.label)
    before = session.state
    for preview in (session.preview, lambda kind, *args: session.distort(*args)):
        with pytest.raises(SessionError, match="collapse to .* A\\^3 per atom"):
            preview("distort", {breathing.key: -5.0})
    session.cancel()
    session.strain(volume=0.1)
    with pytest.raises(SessionError, match="collapse"):
        session.strain(volume=0.1)
    session.undo()
    assert session.state.arrays is before.arrays and len(session.history) == 2
