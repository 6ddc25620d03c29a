"""A long history stays small and exact: shared arrays, no solver behind a step, cold motif graphs forgotten."""

import gc
import weakref

import numpy as np
import pytest

from motifdesk.session import Session
from motifdesk.session.differences import differences, movers
from motifdesk.structures import read
from motifdesk.structures.arrays import AtomArrays


@pytest.fixture
def session():
    made = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    made.select(0, scope="orbit")
    return made


def key_of(session, words="breathing"):
    return next(m.key for m in session.state.modes if words in m.label)


def test_steps_keep_arrays_and_recipe_and_undo_is_exact(session):
    key = key_of(session)
    wanted = []
    for k in range(6):
        session.distort({key: 0.01 * (k + 1)})
        wanted.append(session.state.arrays.positions.copy())
    answer = weakref.ref(session.history[1].state.arrays)
    assert session.state.response is not None, "the design as it is knows how it came about"
    for k in range(6, 0, -1):
        assert session.history[k].state.response is None
        assert (session.state.arrays.positions == wanted[k - 1]).all()
        assert session.state.amplitudes == {key: pytest.approx(0.01 * k)}
        session.undo()
    assert answer() is not None
    first = session.history[0].state.arrays
    assert all(n.state.arrays.numbers is first.numbers for n in session.history)
    assert session.history[3].edit.versions is session.history[4].edit.versions


def test_readouts_of_a_step_gone_back_to_are_those_it_had(session):
    session.distort({key_of(session, "off-centring along z"): 0.3})
    before = session.readouts("release").rows
    session.undo()
    session.redo()
    assert session.readouts("release").rows == before


def test_looking_at_cold_steps_does_not_keep_their_motifs(session):
    for k in range(30):
        session.strain(volume=1.01 if k % 2 else 1 / 1.01)
    for node in session.history:
        assert node.state.graph is not None
    session.strain(volume=1.001)
    warm = [n.id for n in session.history if n.state.reference.known_graph is not None]
    assert len(warm) <= 7
    found = session.compare(3, 20)
    rows, _, _ = differences(found, session.services)
    assert rows[0].key == "formula"
    assert [n.id for n in session.history if n.state.reference.known_graph is not None] == warm


def test_responses_are_collected(session):
    key = key_of(session)
    session.distort({key: 0.05})
    solved = weakref.ref(session.state.response)
    session.distort({key: 0.06})
    session.undo()
    gc.collect()
    assert solved() is None


def test_arrays_nobody_can_write_to_are_shared_and_others_copied():
    mine = np.array([[0.0, 0.0, 0.0]])
    one = AtomArrays(np.array([1]), mine, None)
    mine[0, 0] = 5.0
    assert one.positions[0, 0] == 0.0
    two = AtomArrays(one.numbers, one.positions + 1.0, None)
    assert two.numbers is one.numbers
    view = np.array([[1.0, 2.0, 3.0]])[:]
    view.setflags(write=False)
    assert AtomArrays(one.numbers, view, None).positions is not view


def test_differences_are_signed_and_name_the_atoms_that_moved(session):
    session.distort({key_of(session): 0.1})
    session.undo()
    session.strain(volume=1.02)
    rows, a, b = differences(session.compare(1, 2), session.services)
    table = {row.key: row for row in rows}
    assert table["formula"].same
    assert float(table["cell_c"].change) == pytest.approx(float(table["cell_c"].b) - float(table["cell_c"].a), abs=2e-4)
    volume = table["volume"]
    assert float(volume.change) == pytest.approx(float(volume.b) - float(volume.a), abs=0.02) and volume.unit == "Å³"
    assert a["volume"].number != b["volume"].number
    moved = movers(session.compare(0, 1))
    assert moved and moved[0][0].startswith("O") and moved == sorted(moved, key=lambda m: -m[1])
    session.substitute([0], "Sn")
    assert movers(session.compare(0, session.history.current)) == []


def test_differences_of_figures_with_words_keep_their_digits_and_energies_their_composition(session):
    from motifdesk.session.live_energy import load_live

    assert load_live()
    session.move_sites([2], [0.0, 0.0, 0.15])
    rows, a, b = differences(session.compare(0, 1), session.services)
    table = {row.key: row for row in rows}
    for key, digits in (("live_force", 2), ("contact", 3), ("live_energy", 3)):
        assert table[key].change == f"{b[key].number - a[key].number:+.{digits}f}", key
    session.substitute([0], "Sn")
    rows, *_ = differences(session.compare(0, session.history.current), session.services)
    table = {row.key: row for row in rows}
    assert table["live_energy"].a and table["live_energy"].b and table["live_energy"].change == ""


def test_the_verdict_counts_the_other_sites_in_words():
    crystal = Session(read("CaTiO3.cif"), codec=None, atlas=None)
    crystal.substitute([1, 2], "Sr")
    assert "(1 more site is off by over 0.5)" in str(crystal.readouts("release").verdict)
