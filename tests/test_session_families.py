"""Members of families as edits of a session: named, undoable, replayable; the design knows where it comes from."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.session import Session
from motifdesk.structures.errors import SessionError, TopologyError
from motifdesk.structures.symmetry import space_group


@pytest.fixture
def session():
    return Session(md.read("NaCl.cif", cell="primitive"), codec=None, atlas=None)


def kinds(session):
    return [n.edit.kind for n in session.history.path()]


def test_a_member_replaces_the_design_as_one_named_step(session):
    state = session.build("harmonic-honeycomb", word="++--")
    assert kinds(session) == ["open", "build"] and session.history[1].edit.name == "Build Harmonic honeycomb ++--"
    assert state.formula == "Li2IrO3" and space_group(state.arrays, 1e-3).symbol == "Cccm"
    assert state.built.recipe["word"] == "++--" and state.built.recipe["a"] == 4.2
    there = md.build("harmonic-honeycomb", word="++--")
    assert (state.arrays.numbers == [s.specie.Z for s in there]).all()
    session.undo()
    assert session.state.formula == "NaCl" and session.state.built is None


def test_parameters_that_are_not_named_stay(session):
    session.build("harmonic-honeycomb", word="++--", a=4.4, filler="Na")
    session.build(word="+-")
    assert session.state.built.parameters == {"word": "+-", "a": 4.4, "centre": "Ir", "ligand": "O", "filler": "Na"}
    assert session.history[2].edit.name == "Harmonic honeycomb: word +-"
    session.build("harmonic-honeycomb")
    assert session.state.built.parameters["a"] == 4.2, "a family by its name begins with its defaults"
    with pytest.raises(SessionError, match="no family"):
        Session(md.read("NaCl.cif"), codec=None, atlas=None).build(a=4.0)


def test_a_slider_previews_with_the_atoms_moving_in_place(session):
    session.build("perovskite")
    base = session.state
    before = base.arrays.positions
    with session.gesture("build") as gesture:
        for angle in np.linspace(9.0, 14.0, 11):
            shown = gesture.update(angle_1=float(angle))
            assert shown.preview and shown.reference is base.reference, "bonds and motifs must stay on show"
            assert np.abs(shown.arrays.positions - before).max() < 0.15, "an atom jumped through the cell"
            before = shown.arrays.positions
    assert kinds(session) == ["open", "build", "build"]
    assert session.history[2].edit.name == "Perovskite: angle 1 14°"
    assert session.state.reference is not base.reference and session.state.base == 2
    assert session.state.graph.motifs and session.state.built.holds(session.state.arrays)


def test_another_word_of_the_same_length_has_its_own_bonds(session):
    session.build("harmonic-honeycomb", word="+++-")
    gesture = session.gesture("build")
    shown = gesture.update(word="++--")
    assert (shown.arrays.numbers == session.committed.arrays.numbers).all()
    assert shown.reference is not session.committed.reference
    gesture.cancel()
    assert session.state.built.parameters["word"] == "+++-"


def test_what_cannot_be_built_is_one_error_and_the_design_stays(session):
    session.build("harmonic-honeycomb")
    before = session.state
    for wrong, said in (
        ({"word": "+x"}, "holds 'x'"),
        ({"word": "+-" * 40}, "80 letters"),
        ({"a": 99.0}, "between 2 and 12"),
        ({"centre": "Qq"}, "no element"),
        ({"centre": "Na"}, "neutral"),
        ({"height": 3}, "no parameter height"),
    ):
        with pytest.raises((TopologyError, SessionError), match=said):
            session.build(**wrong)
        assert session.state.arrays is before.arrays and len(session.history) == 2
    with pytest.raises(TopologyError, match="no family"):
        session.build("honeycomb")
    session.build(centre="Na", neutral=False)
    assert session.state.formula == "Na3O3" or "Na" in session.state.formula
    assert session.history[2].edit.parameters["neutral"] is False


def test_the_design_remembers_its_family_until_it_is_edited(session, tmp_path):
    session.build("harmonic-honeycomb")
    built = session.state.built
    assert built.holds(session.state.arrays)
    assert session.state.structure.properties["motifdesk"]["recipe"]["word"] == "+-"
    assert session.provenance()["family"] == {**built.recipe, "unchanged since": True}
    motif = next(m for m in session.state.graph.motifs if m.formula == "IrO6")
    session.select(motif)
    mode = session.state.modes[1]
    session.distort({mode: 0.1})
    assert session.state.built is built and not built.holds(session.state.arrays)
    assert session.provenance()["family"]["unchanged since"] is False
    assert "recipe" not in session.state.structure.properties.get("motifdesk", {})
    text = session.export(tmp_path / "left.cif").read_text()
    assert "harmonic-honeycomb" in text and "unchanged since" in text
    session.distort({mode: 0.0})
    assert built.holds(session.state.arrays), "released, it is the member again"
    session.set_structure(md.read("Si.cif"))
    assert session.state.built is None


def test_a_structure_made_by_build_is_recognised_when_opened():
    made = md.build("tunnel", width=2, height=1)
    assert Session(made, codec=None, atlas=None).state.built.parameters["height"] == 1
    moved = made.copy()
    moved.translate_sites([0], [0.01, 0.0, 0.0])
    assert Session(moved, codec=None, atlas=None).state.built is None, "the recipe is no longer true"


def test_saved_and_replayed_a_family_comes_back_the_same(session, tmp_path):
    session.build("perovskite", tilts="a0a0c+")
    with session.gesture("build") as gesture:
        gesture.update(angle_1=12.0)
        gesture.update(angle_1=13.0)
    session.strain(volume=1.02)
    session.build(a=4.0)
    session.undo()
    session.save(tmp_path / "story.json")
    loaded = Session.load(tmp_path / "story.json", codec=None, atlas=None)
    assert loaded.state.built.parameters == session.state.built.parameters
    assert not loaded.state.built.holds(loaded.state.arrays)
    loaded.undo()
    assert loaded.state.built.holds(loaded.state.arrays)
    again = loaded.replay()
    assert again.exact and max(again.deviations.values()) < 1e-6
    assert again.session.history[4].state.built.parameters["a"] == 4.0


def test_every_family_builds_and_moves_by_each_of_its_numbers(session):
    for name, family in md.families().items():
        session.build(name)
        assert session.state.built.family == name
        for p in family.parameters:
            if not p.is_number or p.whole:
                continue
            step = (p.high - p.low) / 400
            value = p.default + step if p.default + step <= p.high else p.default - step
            shown = session.preview("build", **{p.name: value})
            apart = np.abs(shown.arrays.positions - session.committed.arrays.positions).max()
            assert apart < 1.5, f"{name}: an atom jumped when {p.name} moved a little"
            session.cancel()
