"""Edits, previews, undo and redo, branches: what the document promises a designer."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.session import Session
from motifdesk.structures.errors import MotifDeskError, SessionError

_ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def rock_salt() -> Structure:
    return _ROCK_SALT.copy()


@pytest.fixture
def session():
    return Session(rock_salt(), codec=None, atlas=None)


def same(a, b):
    return (a.arrays.positions == b.arrays.positions).all() and (a.arrays.cell == b.arrays.cell).all()


def test_a_drag_of_many_previews_is_one_named_edit(session):
    with session.gesture("strain") as gesture:
        for factor in np.linspace(1.0, 1.1, 25):
            shown = gesture.update(volume=factor)
            assert shown.preview and shown.node == 0
    assert len(session.history) == 2
    assert session.history[1].edit.name == "Volume x 1.1"
    assert session.history[1].edit.parameters == {"volume": 1.1}
    assert not session.state.preview and session.state.node == 1
    assert session.state.arrays.volume == pytest.approx(1.1 * 5.64**3)


def test_cancel_returns_to_the_committed_state_exactly(session):
    before = session.state
    gesture = session.gesture("strain")
    gesture.update(volume=1.3)
    assert session.state.preview
    gesture.cancel()
    assert same(session.state, before) and not session.state.preview
    assert len(session.history) == 1
    gesture.cancel()  # cancelling twice is harmless


def test_leaving_a_gesture_by_an_exception_cancels_it(session):
    with pytest.raises(RuntimeError, match="elsewhere"):
        with session.gesture("strain") as gesture:
            gesture.update(volume=1.3)
            raise RuntimeError("elsewhere")
    assert len(session.history) == 1 and session.state.arrays.volume == pytest.approx(5.64**3)


def test_preview_commit_and_cancel_from_python(session):
    session.preview("strain", volume=1.1)
    session.preview("strain", volume=1.2)
    assert len(session.history) == 1
    session.commit()
    assert len(session.history) == 2 and session.state.arrays.volume == pytest.approx(1.2 * 5.64**3)
    session.preview("strain", volume=0.9)
    session.cancel()
    assert session.state.arrays.volume == pytest.approx(1.2 * 5.64**3)
    assert session.commit() is session.state and len(session.history) == 2


def test_undo_redo_goto_and_branches(session):
    session.strain(volume=1.1)
    session.substitute([0], "K")
    assert session.state.formula == "KNa3Cl4"
    session.undo()
    session.undo()
    assert same(session.state, session.history[0].state)
    with pytest.raises(SessionError, match="nothing to undo"):
        session.undo()
    session.redo()
    session.substitute({4: "Br"})  # a second branch from node 1
    assert session.history[1].children == (2, 3)
    assert [n.id for n in session.history.leaves()] == [2, 3]
    session.goto(2)
    assert "K" in session.state.formula and "Br" not in session.state.formula
    session.undo()
    session.redo()  # redo follows the branch that was left last
    assert session.history.current == 2
    session.goto(0)
    with pytest.raises(SessionError, match="no history node"):
        session.goto(17)
    assert session.history.current == 0


def test_versions_strictly_increase_and_observers_see_every_edit_in_order(session):
    seen = []
    stop = session.observe(seen.append)
    session.strain(volume=1.1)
    session.undo()
    session.redo()
    stop()
    session.undo()
    assert [c.action for c in seen] == ["edit", "undo", "redo"]
    assert [c.edit.name if c.edit else None for c in seen] == ["Volume x 1.1", None, None]
    versions = [c.state.version for c in seen]
    assert versions == sorted(set(versions))
    assert all(c.previous.version < c.state.version for c in seen)


def test_an_observer_may_edit_and_a_failing_one_does_not_stop_the_others(session, caplog):
    seen = []

    def failing(change):
        raise RuntimeError("broken pane")

    def editing(change):
        if change.edit is not None and change.edit.kind == "strain":
            session.substitute([0], "K")

    for observer in (failing, editing, seen.append):
        session.observe(observer)
    session.strain(volume=1.1)
    assert [c.edit.kind for c in seen] == ["strain", "substitute"]
    assert "broken pane" in caplog.text


def test_undo_discards_a_preview_and_nothing_else(session):
    session.strain(volume=1.1)
    session.preview("strain", volume=1.5)
    session.undo()
    assert session.history.current == 1 and session.state.arrays.volume == pytest.approx(1.1 * 5.64**3)


def test_the_newest_gesture_wins_and_the_older_one_says_so(session):
    old = session.gesture("strain")
    old.update(volume=1.5)
    session.substitute([0], "K")
    assert session.state.arrays.volume == pytest.approx(5.64**3)
    assert old.update(volume=1.6) is session.state  # too late: nothing shown
    with pytest.raises(SessionError, match="substitute"):
        old.commit()
    assert [n.edit.kind for n in session.history] == ["open", "substitute"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: s.strain(), "either"),
        (lambda s: s.strain(volume=float("nan")), "finite"),
        (lambda s: s.strain(volume=-1), "volume"),
        (lambda s: s.strain([[1, 2], [3, 4]]), "shape"),
        (lambda s: s.strain(np.diag([-0.9, 0, 0])), "strain"),
        (lambda s: s.substitute([99], "K"), "no site 99"),
        (lambda s: s.substitute([0], "Xx"), "Xx"),
        (lambda s: s.substitute([], "K"), "no sites"),
        (lambda s: s.symmetrize(-1.0), "tolerance"),
        (lambda s: s.set_structure("/nowhere/at/all.cif"), "all.cif"),
        (lambda s: s.distort([1, 2]), "mapping"),
        (lambda s: s.gesture("teleport"), "unknown gesture"),
        (lambda s: s.preview("strain", wrong=1), "strain failed"),
        (lambda s: s.select(motif=999), "no motif"),
        (lambda s: s.select(scope="universe"), "scope"),
        (lambda s: s.select(atoms=[99]), "atom"),
        (lambda s: s.drag_to((0, 0)), "no codec"),
        (lambda s: s.readouts("later"), "tier"),
    ],
)
def test_bad_input_is_one_clear_error_and_the_design_is_untouched(session, call, said):
    session.strain(volume=1.02)
    before = session.state
    with pytest.raises(MotifDeskError, match=said) as caught:
        call(session)
    assert "\n" not in str(caught.value)
    assert same(session.state, before) and len(session.history) == 2
    assert not session.state.preview
    session.undo()


def test_strain_deforms_rows_and_keeps_fractional_coordinates(session):
    before = session.state.arrays
    eta = np.array([[0.02, 0.01, 0.0], [0.01, -0.01, 0.0], [0.0, 0.0, 0.03]])
    after = session.strain(eta).arrays
    np.testing.assert_allclose(after.cell, before.cell @ (np.eye(3) + eta), atol=1e-12)
    np.testing.assert_allclose(after.fractional, before.fractional, atol=1e-12)


def test_a_molecule_can_be_designed_but_not_strained():
    water = Molecule(["O", "H", "H"], [[0, 0, 0], [0.757, 0.586, 0], [-0.757, 0.586, 0]])
    session = Session(water, codec=None, atlas=None)
    with pytest.raises(SessionError, match="molecule"):
        session.strain(volume=1.1)
    assert session.substitute([0], "S").formula == "H2S"
    assert isinstance(session.state.structure, Molecule)


def test_symmetrize_finds_the_way_back_to_the_space_group(session):
    from motifdesk.structures.symmetry import space_group

    rng = np.random.default_rng(3)
    shaken = rock_salt()
    for site in range(len(shaken)):
        shaken.translate_sites([site], rng.normal(scale=0.015, size=3), frac_coords=False)
    shaken = shaken.apply_strain([0.003, -0.002, 0.001], inplace=False)
    session.set_structure(shaken)
    assert space_group(session.state.arrays, 1e-4).number != 225
    state = session.symmetrize(0.1)
    assert space_group(state.arrays, 1e-4).number == 225
    assert np.abs(state.arrays.positions - session.history[1].state.arrays.positions).max() < 0.1
    assert "Fm-3m" in state.label


def test_the_state_cannot_be_changed_from_outside(session):
    structure = session.state.structure
    structure.translate_sites([0], [0.3, 0, 0])
    structure[1] = "K"
    assert session.state.formula == "NaCl"
    assert np.abs(session.state.structure.cart_coords - session.state.arrays.positions).max() == 0
    with pytest.raises(ValueError):
        session.state.arrays.positions[0] = 1.0
    with pytest.raises(AttributeError):
        session.state.version = 7
    with pytest.raises(TypeError):
        session.state.amplitudes["x"] = 1.0


def test_compare_names_the_edits_on_either_side(session):
    session.strain(volume=1.1)
    a = session.substitute([0], "K").node
    session.goto(1)
    b = session.strain(volume=1.2).node
    comparison = session.compare(a, b)
    assert comparison.common == 1
    assert [e.kind for e in comparison.edits_a] == ["substitute"]
    assert [e.kind for e in comparison.edits_b] == ["strain"]
    assert comparison.rms is None and "same atoms" in str(comparison)
    comparison = session.compare(0, b)
    assert comparison.rms == pytest.approx(0, abs=1e-12)  # a pure strain displaces nothing
    assert comparison.volume_ratio == pytest.approx(1.32)


def test_compare_measures_displacements_across_cell_faces(session):
    moved = rock_salt()
    moved.translate_sites([0], [-0.01, 0, 0], to_unit_cell=True)  # comes in again on the other side
    session.set_structure(moved)
    comparison = session.compare(0, 1)
    assert comparison.largest == pytest.approx(0.0564 * 7 / 8, rel=1e-6)
