"""Deleting and adding atoms: named edits that undo, save, load and replay; proposals for what is missing."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.codec import Proposal, propose_missing
from motifdesk.session import Session
from motifdesk.structures.errors import CodecError, SessionError


@pytest.fixture
def benzene():
    return Session("benzene.xyz", codec=None, atlas=None)


@pytest.fixture
def perovskite():
    return Session("SrTiO3.cif", codec=None, atlas=None)


def test_a_deleted_atom_is_gone_and_undo_brings_it_back(benzene):
    before = benzene.state.arrays
    state = benzene.delete_sites([7, 0])
    keep = [k for k in range(12) if k not in (0, 7)]
    assert state.formula == "C5H5" and state.label == "Delete C0, H7"
    np.testing.assert_array_equal(state.arrays.positions, before.positions[keep])
    assert benzene.undo().arrays is before
    assert benzene.redo().formula == "C5H5"


def test_an_added_atom_is_the_last_site_and_picked(perovskite):
    place = [0.3, 0.4, 2.0]
    state = perovskite.add_site("Li", place)
    assert state.label == "Add Li5" and state.selection.atoms == (5,)
    np.testing.assert_allclose(state.arrays.positions[-1], place)
    assert state.structure[5].specie.symbol == "Li" and len(state.structure) == 6
    assert perovskite.undo().formula == "SrTiO3"


def test_what_was_picked_stays_picked_under_its_new_number(perovskite):
    graph = perovskite.state.graph
    octahedron = next(m.index for m in graph.motifs if m.formula == "TiO6")
    perovskite.select(motif=octahedron, atoms=[0, 3])
    state = perovskite.delete_sites(0)
    centre = state.graph.motifs[state.selection.motif].centre
    assert state.arrays.numbers[centre] == 22
    assert state.selection.atoms == (2,)
    assert perovskite.delete_sites(centre).selection.motif is None


def test_labels_and_properties_follow_through_deleting_adding_saving_and_replaying(tmp_path):
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    salt.add_site_property("charge", list(range(8)))
    session = Session(salt, codec=None, atlas=None)
    session.delete_sites([1, 5])
    session.add_site("K", [1.0, 1.0, 1.0])
    session.substitute(0, "Rb")
    session.undo()
    made = session.state.structure
    assert made.site_properties["charge"] == [0, 2, 3, 4, 6, 7, None]
    assert str(made[0].specie) == "Na+"
    loaded = Session.load(session.save(tmp_path / "design.json"), codec=None, atlas=None)
    assert loaded.state.structure.site_properties["charge"] == made.site_properties["charge"]
    assert str(loaded.state.structure[0].specie) == "Na+"
    np.testing.assert_array_equal(loaded.state.arrays.positions, session.state.arrays.positions)
    again = loaded.replay()
    assert again.exact, again
    assert [n.edit.kind for n in again.session.history] == ["open", "delete_sites", "add_site", "substitute"]


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        ([], "no sites given"),
        ([12], "there is no site 12"),
        (-1, "there is no site -1"),
        (range(12), "nothing would be left"),
        ("all", "are no sites"),
        ([True], "are no sites"),
        (None, "are no sites"),
    ],
)
def test_sites_that_cannot_be_deleted_are_named(benzene, sites, told):
    before = benzene.state
    with pytest.raises(SessionError, match=told):
        benzene.delete_sites(sites)
    assert benzene.state is before and len(benzene.history) == 1


@pytest.mark.parametrize(
    ("species", "position", "told"),
    [
        ("Xx", [0, 0, 5], "no element"),
        (0, [0, 0, 5], "no element"),
        ("O", [0, 0], "shape"),
        ("O", [0, 0, float("nan")], "finite"),
        ("O", "here", "numbers"),
    ],
)
def test_atoms_that_cannot_be_added_are_named(benzene, species, position, told):
    with pytest.raises(SessionError, match=told):
        benzene.add_site(species, position)
    assert len(benzene.history) == 1


def test_no_atom_goes_where_one_is_even_through_a_face_of_the_cell(perovskite):
    with pytest.raises(SessionError, match=r"an atom is 0\.17 Å from there"):
        perovskite.add_site("O", perovskite.state.arrays.cell.sum(axis=0) - 0.1)


@pytest.mark.parametrize("atom", [2, 8], ids=["carbon", "hydrogen"])
def test_benzene_is_made_whole_again(benzene, atom):
    where = benzene.state.arrays.positions[atom]
    kind = int(benzene.state.arrays.numbers[atom])
    benzene.delete_sites(atom)
    found = benzene.propose_missing()
    assert found[0].number == kind and found[0].confidence > 0.5
    assert [p.confidence for p in found] == sorted((p.confidence for p in found), reverse=True)
    assert sum(p.confidence for p in found) <= 1.0 + 1e-6
    assert np.linalg.norm(np.array(found[0].position) - where) < 0.1
    state = benzene.accept(found[0])
    assert state.formula == "C6H6" and benzene.history[benzene.history.current].edit.kind == "add_site"


def test_an_oxygen_of_a_perovskite_is_found_again(perovskite):
    arrays = perovskite.state.arrays
    where = arrays.positions[3]
    perovskite.delete_sites(3)
    found = perovskite.propose_missing(3)
    assert found[0].element == "O"
    delta = (np.array(found[0].position) - where) @ np.linalg.inv(arrays.cell)
    assert np.linalg.norm((delta - np.rint(delta)) @ arrays.cell) < 0.3


def test_what_no_network_can_answer_is_told():
    with pytest.raises(CodecError, match="one atom alone"):
        propose_missing(Molecule(["C"], [[0, 0, 0]]))
    with pytest.raises(CodecError, match="has not seen F"):
        propose_missing(Molecule(["C", "F"], [[0, 0, 0], [1.4, 0, 0]]))
    with pytest.raises(CodecError, match="has not seen Og"):
        propose_missing(Structure(Lattice.cubic(4), ["Og", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    for n in (0, True, 1.5):
        with pytest.raises(CodecError, match="proposals"):
            propose_missing(Molecule(["C", "O"], [[0, 0, 0], [1.2, 0, 0]]), n)


def test_a_proposal_tells_what_it_is():
    assert repr(Proposal("O", 8, (0.0, 1.0, 2.5), 0.83, 0.1)) == "<O at (0.000, 1.000, 2.500) Å, 83 %>"
