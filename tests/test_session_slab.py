"""A slab is one edit: cut as asked, undone, saved and replayed, with labels and picks; a bad one changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import motifdesk as md
from motifdesk.structures.errors import MotifDeskError


@pytest.fixture
def session() -> md.Session:
    return md.Session("rutile-TiO2.cif", codec=None, atlas=None)


def test_a_slab_has_the_area_the_layers_and_the_vacuum_asked_for(session):
    before = session.state.structure
    state = session.slab("110", layers=2, vacuum=12)
    cell = state.arrays.cell
    assert state.label == "Slab (1 1 0), 2 layers, 12 Å vacuum" and len(state.arrays.numbers) == 12
    height = cell[2] @ np.cross(cell[0], cell[1]) / np.linalg.norm(np.cross(cell[0], cell[1]))
    assert height == pytest.approx(2 * before.lattice.d_hkl((1, 1, 0)) + 12)
    normal = cell[2] / np.linalg.norm(cell[2])
    along = np.sort(state.arrays.positions @ normal)
    assert along[0] >= 6.0 and along[-1] <= height - 6.0, "the vacuum is half below and half above"
    assert np.diff(np.append(along, along[0] + height)).max() > 12.0


def test_without_vacuum_it_is_the_same_crystal_and_the_same_group(session):
    group = session.state.structure.get_space_group_info()
    density = session.state.structure.density
    session.slab((1, 1, 0), layers=1, vacuum=0)
    assert session.state.structure.density == pytest.approx(density)
    assert session.state.structure.get_space_group_info() == group


def test_it_is_undone_saved_and_replayed_with_its_labels(session, tmp_path):
    session.select(atoms=[3])
    session.slab((1, 0, 0), layers=3, vacuum=10)
    assert session.state.selection.atoms == (9,), "the same atom, in the lowest layer"
    labels = [site.label for site in session.state.structure]
    again = md.Session.load(session.save(tmp_path / "s.json"), codec=None, atlas=None)
    assert again.state.label == "Slab (1 0 0), 3 layers, 10 Å vacuum" and again.replay().exact
    np.testing.assert_allclose(again.state.arrays.positions, session.state.arrays.positions, atol=1e-12)
    assert [site.label for site in again.state.structure] == labels
    session.undo()
    assert len(session.state.arrays.numbers) == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("0 0 0",), "Miller"), (((1, 0, 0), 0), "layers"), (((1, 0, 0), 3, -5), "vacuum"), (((1, 0, 0), 40), None)],
)
def test_a_bad_slab_is_one_sentence_and_changes_nothing(arguments, words):
    session = md.Session("beta-Li2IrO3.cif", codec=None, atlas=None)
    before = session.state
    with pytest.raises(MotifDeskError, match=words or "more than 500"):
        session.slab(*arguments)
    assert session.state is before and len(session.history) == 1


def test_rutile_110_ends_in_bridging_oxygen_as_its_measured_surface_does(session):
    # the cut that breaks the fewest bonds: one five-fold and one six-fold Ti a face (Diebold, Surf. Sci. Rep. 48, 53)
    state = session.slab((1, 1, 0), layers=2, vacuum=15)
    height = state.arrays.positions @ state.arrays.cell[2]
    outer = np.argsort(height)[[0, -1]]
    assert set(state.arrays.numbers[outer]) == {8}
    counts = sorted(len(m.ligands) for m in state.graph.motifs if state.arrays.numbers[m.centre] == 22)
    assert counts == [5, 5, 6, 6]


def test_another_termination_is_asked_for_by_its_shift(session):
    usual = session.slab((1, 1, 0), layers=2, vacuum=15)
    session.undo()
    other = session.slab((1, 1, 0), layers=2, vacuum=15, shift=0.2)
    assert session.history.path()[-1].edit.parameters["shift"] == 0.2
    assert not np.allclose(np.sort(usual.arrays.positions, 0), np.sort(other.arrays.positions, 0), atol=0.1)


def test_a_molecule_has_no_slab():
    session = md.Session("benzene.xyz", codec=None, atlas=None)
    with pytest.raises(MotifDeskError, match="molecule"):
        session.slab((0, 0, 1))
