"""Atoms moved by hand, sites found by words, strains by component, handles tied together."""

import numpy as np
import pytest

from motifdesk.desk.cellhandles import cell_sliders
from motifdesk.session import Session
from motifdesk.session.ties import STRAINS
from motifdesk.structures import read, space_group
from motifdesk.structures.errors import MotifDeskError


@pytest.fixture
def rutile():
    return Session(read("rutile-TiO2.cif"), codec=None, atlas=None)


def test_a_moved_atom_moves_alone_and_is_one_named_step(rutile):
    before = np.array(rutile.state.arrays.positions)
    state = rutile.move_sites(2, [0.1, 0.0, 0.05])
    np.testing.assert_allclose(state.arrays.positions[2] - before[2], [0.1, 0.0, 0.05], atol=1e-12)
    rest = [k for k in range(len(before)) if k != 2]
    np.testing.assert_array_equal(state.arrays.positions[rest], before[rest])
    assert state.label == "Move O2 by 0.112 Å"
    np.testing.assert_allclose(rutile.undo().arrays.positions, before)


def test_with_symmetry_equivalents_follow_and_the_group_stays(rutile):
    number = space_group(rutile.state.arrays, 1e-4).number
    before = np.array(rutile.state.arrays.positions)
    state = rutile.move_sites([2], [0.11, 0.03, 0.2], keep="symmetry")
    moved = np.linalg.norm(state.arrays.positions - before, axis=1)
    assert space_group(state.arrays, 1e-4).number == number
    np.testing.assert_allclose(moved[2:], moved[2], atol=1e-9)
    np.testing.assert_allclose(moved[:2], 0.0, atol=1e-9)
    # O lies on m.2m: only the way along (1 1 0) is open to it
    x = state.arrays.positions[2] - before[2]
    assert abs(x[2]) < 1e-9
    assert moved[2] == pytest.approx(0.14 / np.sqrt(2), abs=1e-6) or moved[2] == pytest.approx(
        0.08 / np.sqrt(2), abs=1e-6
    )


def test_a_preview_leaves_topology_alone_and_a_replay_gives_the_same(rutile, tmp_path):
    gesture = rutile.gesture("move_sites")
    reference = rutile.state.reference
    for k in range(1, 5):
        state = gesture.update([0, 1], [0.0, 0.0, 0.02 * k], "free")
        assert state.preview
        assert state.reference is reference
    gesture.commit()
    rutile.move_sites({2: [0.1, 0, 0], 3: [0, 0.1, 0]})
    rutile.strain(deformation=[[1.01, 0.02, 0], [0, 1, 0], [0, 0, 0.99]])
    rutile.save(tmp_path / "s.json")
    again = Session.load(tmp_path / "s.json", codec=None, atlas=None)
    replayed = again.replay()
    assert not replayed.mismatches
    np.testing.assert_allclose(replayed.session.state.arrays.positions, rutile.state.arrays.positions, atol=1e-6)


@pytest.mark.parametrize(
    ("sites", "shift", "words"),
    [
        ([99], [0, 0, 0], "no site 99"),
        ([], [0, 0, 0], "no sites"),
        (["x"], [0, 0, 0], "no sites"),
        ([0], [0, 0], "shape"),
        ([0], [np.nan, 0, 0], "finite"),
        ([0], [1e5, 0, 0], "reach"),
    ],
)
def test_impossible_moves_are_refused_and_change_nothing(rutile, sites, shift, words):
    before = rutile.state
    with pytest.raises(MotifDeskError, match=words):
        rutile.move_sites(sites, shift)
    assert rutile.state is before


def test_molecules_move_too_but_have_no_space_group_to_keep():
    session = Session(read("benzene.xyz"), codec=None, atlas=None)
    session.move_sites([0], [0.0, 0.0, 0.2])
    with pytest.raises(MotifDeskError, match="molecule"):
        session.move_sites([0], [0.0, 0.0, 0.2], keep="symmetry")


def test_words_find_sites(rutile):
    assert rutile.find_sites("Ti") == [0, 1]
    assert rutile.find_sites("o 2-3") == [2, 3]
    assert rutile.find_sites("Ti, 5") == [0, 1, 5]
    assert rutile.find_sites("z>0.25") == [
        k for k, f in enumerate(rutile.state.structure.frac_coords) if 0.25 < f[2] % 1 < 0.999
    ]
    assert rutile.find_sites("cn=6") == [0, 1]
    assert rutile.find_sites("2a") == [0, 1] and rutile.find_sites("wyckoff=f") == [2, 3, 4, 5]
    assert rutile.find_sites("4a") == [] and rutile.find_sites("wyckoff=4f z>0.25") == rutile.find_sites("O z>0.25")
    assert rutile.find_sites("") == []
    rutile.select(atoms=[2])
    assert rutile.find_sites("orbit") == [2, 3, 4, 5]
    assert rutile.find_sites("not-picked") == [0, 1, 3, 4, 5]
    with pytest.raises(MotifDeskError, match="Xx"):
        rutile.find_sites("Ti Xx")


def test_each_strain_slider_sets_its_component_and_leaves_the_others(rutile):
    wanted = {"exx": 2.0, "eyy": -1.0, "ezz": 0.5, "exy": 3.0, "exz": -2.0, "eyz": 1.0}
    start = np.array(rutile.state.arrays.cell)
    for key, value in wanted.items():
        rutile.strain_to(**{key: value})
    shown = {s["key"]: s["value"] for s in cell_sliders(rutile.state, rutile)}
    for key, value in wanted.items():
        assert shown[key] == pytest.approx(value, abs=1e-9), key
    eta = np.zeros((3, 3))
    for key, (i, j) in STRAINS.items():
        eta[i, j] = eta[j, i] = wanted[key] / 100
    np.testing.assert_allclose(rutile.state.arrays.cell, start @ (np.eye(3) + eta), atol=1e-9)
