"""Whole-crystal modes, supercells, decomposition and morphing as edits of a session: exact, undone, replayed, saved."""

import json
import re

import numpy as np
import pytest
from ase.build import molecule
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs import crystal_modes, decompose, molecule_point_group
from motifdesk.session import Session
from motifdesk.session.crystal import LARGEST, PREFIX
from motifdesk.structures import read, space_group
from motifdesk.structures.errors import MotifDeskError


def opened(structure) -> Session:
    return Session(structure, codec=None, atlas=None, name="design")


def titanate(*repeat) -> Structure:
    """Cubic BaTiO3 with titanium at the origin, where Howard and Stokes put it."""
    cell = Structure(
        Lattice.cubic(4.0), ["Ba", "Ti", "O", "O", "O"], [[0.5] * 3, [0] * 3, [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    )
    return cell * repeat if repeat else cell


def handle(session, place: str, irrep: str, component: int = 1, copy: str = ""):
    return next(
        m
        for m in session.state.modes
        if m.place.startswith(place) and m.irrep == irrep and m.component == component and copy in m.words
    )


@pytest.fixture
def doubled() -> Session:
    session = opened(titanate())
    session.supercell((2, 2, 2))
    session.select(scope="crystal")
    return session


def back_again(session, path) -> Session:
    """Saved, loaded and replayed: exact, with the same structure."""
    loaded = Session.load(session.save(path), codec=None, atlas=None)
    assert np.array_equal(loaded.state.arrays.positions, session.state.arrays.positions)
    replayed = loaded.replay()
    assert replayed.exact, replayed
    assert max(replayed.deviations.values()) <= 1e-6
    assert dict(replayed.session.state.amplitudes) == dict(session.state.amplitudes)
    return loaded


# handles --------------------------------------------------------------------------------------------------------------


def test_handles_are_the_crystal_modes_of_the_cell_with_keys_of_their_own():
    session = opened(titanate())
    session.select(scope="crystal")
    modes = crystal_modes(titanate(), (1, 1, 1))
    assert [m.key for m in session.state.modes] == [PREFIX + m.key for m in modes]
    for mine, theirs in zip(session.state.modes, modes, strict=True):
        assert np.array_equal(mine.vectors, theirs.vectors)
    assert session.state.selection.motif is None
    vectors = np.array([m.vectors.ravel() for m in session.state.modes])
    assert np.allclose(vectors @ vectors.T, np.eye(15), atol=1e-10)


def test_wavevectors_are_named_after_the_parent_where_the_cell_is_a_supercell(doubled):
    places = dict.fromkeys(m.place for m in doubled.state.modes)
    assert list(places) == ["GM (zone centre)", "X (0,1/2,0)", "M (1/2,1/2,0)", "R (1/2,1/2,1/2)"]
    assert {m.arm for m in doubled.state.modes if m.place.startswith("X")} == {"(0,1/2,0)", "(1/2,0,0)", "(0,0,1/2)"}
    tall = opened(titanate() * [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    tall.select(scope="crystal")
    found = {m.place for m in tall.state.modes}
    assert found == {"GM (zone centre)", "X (0,0,1/2)", "M (1/2,1/2,0)", "R (1/2,1/2,1/2)"}


@pytest.mark.parametrize(("place", "irrep", "group"), [("R", "T1g", "I4/mcm"), ("M", "A2g", "P4/mbm")])
def test_tilts_of_a_perovskite_lead_where_howard_and_stokes_say(doubled, place, irrep, group):
    tilt = handle(doubled, place, irrep)
    assert tilt.orbit == "O 3d" and tilt.words == "TiO6 tilt about z"
    assert doubled.leads_to(tilt).symbol == group
    doubled.distort({tilt: 0.4})
    assert space_group(doubled.state.arrays, 0.01).symbol == group


def test_words_tell_what_the_octahedra_do(doubled):
    told = {(m.place[0], m.irrep, m.component): m.words for m in doubled.state.modes if m.orbit == "O 3d"}
    assert {told["R", "T1g", n] for n in (1, 2, 3)} == {f"TiO6 tilt about {axis}" for axis in "xyz"}
    assert told["R", "A1g", 1] == "TiO6 stretch"  # breathing
    shifts = {m.words for m in doubled.state.modes if m.orbit == "Ti 1a" and m.place.startswith("GM")}
    assert shifts == {"shift along x", "shift along y", "shift along z"}


def test_amplitudes_are_displacements_of_the_base_and_add_up(doubled):
    base = doubled.state.arrays
    one, two = handle(doubled, "R", "T1g", 1), handle(doubled, "M", "A2g", 2)
    state = doubled.distort({one: 0.3, two.key: -0.2})
    assert np.allclose(state.arrays.positions, base.positions + 0.3 * one.vectors - 0.2 * two.vectors, atol=1e-12)
    assert np.array_equal(state.arrays.cell, base.cell)
    assert dict(state.achieved) == {one.key: 0.3, two.key: -0.2} and state.keep == "free"
    doubled.distort({two: 0.0})
    assert np.allclose(doubled.state.arrays.positions, base.positions + 0.3 * one.vectors, atol=1e-12)
    assert doubled.history[doubled.history.current].edit.name.startswith("M (")


def test_what_is_on_already_counts_in_where_a_handle_leads(doubled):
    z = handle(doubled, "R", "T1g", 1)
    others = [handle(doubled, "R", "T1g", n) for n in (2, 3)]
    doubled.distort({z: -0.3})
    assert doubled.leads_to(z).symbol == "I4/mcm"  # more of it, not back to the cube
    assert {doubled.leads_to(m).number for m in others} != {140}
    for mode in others:
        doubled.distort({mode: 0.2})
        assert space_group(doubled.state.arrays, 0.01).number <= doubled.leads_to(mode).number
        doubled.undo()


def test_motifs_and_crystal_modes_may_be_on_together(doubled):
    doubled.select(next(m for m in doubled.state.graph.motifs if m.formula == "TiO6"), scope="orbit")
    stretch = next(m for m in doubled.state.modes if m.block == "stretch" and m.irrep == "Eg")
    alone = doubled.distort({stretch: 0.2}).arrays
    doubled.select(scope="crystal")
    tilt = handle(doubled, "R", "T1g")
    both = doubled.distort({tilt: 0.3})
    strain = np.linalg.inv(doubled.history[both.base].state.arrays.cell) @ alone.cell
    assert np.allclose(both.arrays.positions - alone.positions, 0.3 * tilt.vectors @ strain, atol=1e-10)
    assert np.array_equal(both.arrays.cell, alone.cell)
    assert set(both.amplitudes) == {stretch.key, tilt.key}
    assert doubled.leads_to(tilt) is not None
    assert doubled.readouts("release").rows


def test_undo_redo_cancel_and_preview_bring_amplitudes_back(doubled):
    mode = handle(doubled, "R", "T1g")
    before = doubled.state.arrays
    with pytest.raises(RuntimeError), doubled.gesture("distort") as gesture:
        for value in (0.1, 0.2):
            assert gesture.update({mode.key: value}, quick=True).preview
        raise RuntimeError
    assert doubled.state.arrays is before and not doubled.state.amplitudes
    doubled.distort({mode: 0.2})
    doubled.distort({mode: 0.4})
    assert doubled.undo().amplitudes == {mode.key: 0.2}
    assert doubled.undo().arrays is before
    assert doubled.redo().amplitudes == {mode.key: 0.2} and doubled.redo().amplitudes == {mode.key: 0.4}
    assert doubled.state.selection.scope == "crystal"


def test_saved_loaded_and_replayed_exactly(doubled, tmp_path):
    doubled.distort({handle(doubled, "R", "T1g", 3): 0.3, handle(doubled, "M", "A2g", 1): 0.2})
    doubled.strain(volume=1.02)
    doubled.select(scope="crystal")
    doubled.distort({doubled.state.modes[-1]: 0.1})
    loaded = back_again(doubled, tmp_path / "s.json")
    assert loaded.state.selection.scope == "crystal"
    json.dumps([dict(n.edit.parameters) for n in loaded.history])


@pytest.mark.parametrize(
    ("structure", "words"),
    [
        (Molecule(["He"], [[0, 0, 0]]), "nothing to distort"),
        (Molecule(["C"] * 65, [[1.4 * k, 0, 0] for k in range(65)]), f"65 atoms.*{LARGEST} at most"),
        (titanate(4, 4, 1), f"80 atoms.*{LARGEST} at most"),
        (Structure(Lattice.cubic(2.9), ["Po"], [[0, 0, 0]]), "shifts the whole crystal"),
    ],
)
def test_where_there_are_no_handles_one_sentence_says_why(structure, words):
    session = opened(structure)
    before = session.state.arrays
    session.select(scope="crystal")
    assert session.state.modes == ()
    assert re.search(words, session.state.reference.crystal.why)
    with pytest.raises(MotifDeskError, match="no whole-crystal mode|molecule has no mode"):
        session.distort({"crystal:GM[0,0,0]:O3c:T1u:1:1": 0.1})
    assert session.state.arrays is before


@pytest.mark.parametrize("bad", [{"crystal:nothing": 0.1}, {"crystal:nothing": 0.0}, {"crystal:": float("nan")}])
def test_unknown_keys_and_numbers_that_are_none_are_refused(doubled, bad):
    before = doubled.state
    with pytest.raises(MotifDeskError):
        doubled.distort(bad)
    assert doubled.state is before


def test_a_molecule_has_handles_by_kind_and_orbit_and_says_the_point_group_they_lead_to(tmp_path):
    session = opened("benzene.xyz")
    session.select(scope="crystal")
    modes = session.state.modes
    assert len(modes) == 3 * 12 - 6
    assert {(m.place, m.orbit) for m in modes} == {("Frame", "6 C"), ("Stretch", "6 H"), ("Bend", "6 H")}
    chair = next(m for m in modes if m.words == "out of plane, alternating")
    assert chair.label.startswith("B2g, 6 C frame") and session.leads_to(chair).symbol == "D3d"
    before = session.state.arrays.positions
    session.distort({chair: 0.6})
    np.testing.assert_allclose(session.state.arrays.positions - before, 0.6 * chair.vectors, atol=1e-12)
    assert session.readouts("release")["point_group"].value == "D3d"
    # what is on already counts
    ring = next(m for m in modes if m.words == "bonds alternate")
    assert session.leads_to(ring).symbol == "D3"
    reach = session.reach(chair)
    assert reach.low < -0.3 and reach.high >= 0.5
    # motifs first, the molecule's own on top
    stretch = session.state.reference.modes(0, "motif")[0]
    session.distort({stretch: 0.05})
    assert {k.startswith(PREFIX) for k in session.state.amplitudes} == {True, False}
    assert session.leads_to(stretch).symbol == "Cs"
    back_again(session, tmp_path / "benzene.json")
    session.undo(), session.undo()
    np.testing.assert_array_equal(session.state.arrays.positions, before)
    assert session.readouts("release")["point_group"].value == "D6h"


def test_a_molecule_snaps_to_its_point_group_and_stays_where_it_is(tmp_path):
    exact = molecule("C6H6")
    shaken = exact.copy()
    shaken.positions += np.random.default_rng(3).normal(scale=0.02, size=(12, 3)) + [1.0, 2.0, 3.0]
    session = opened(shaken)
    assert molecule_point_group(session.state.arrays, 0.001).symbol == "C1"
    session.symmetrize(0.15)
    arrays = session.state.arrays
    assert molecule_point_group(arrays, 1e-6).symbol == "D6h"
    np.testing.assert_allclose(arrays.positions.mean(0), shaken.positions.mean(0), atol=1e-9)
    assert np.abs(arrays.positions - shaken.positions).max() < 0.08
    assert session.history.path()[-1].edit.name == "Snap to D6h (0.15 Å)"
    back_again(session, tmp_path / "snap.json")


# supercells -----------------------------------------------------------------------------------------------------------


def test_a_supercell_is_the_same_crystal_with_its_labels_and_pick(tmp_path):
    start = titanate()
    start.add_site_property("magmom", [0.0, 1.0, 0.5, 0.25, 0.125])
    session = opened(start)
    session.select(next(m for m in session.state.graph.motifs if m.formula == "TiO6"), scope="orbit")
    state = session.supercell([[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    assert len(state.arrays.numbers) == 20 and state.label == "Supercell 1 1 0; -1 1 0; 0 0 2"
    assert state.arrays.volume == pytest.approx(4 * 64.0)
    assert space_group(state.arrays, 0.01).number == 221
    assert state.structure.site_properties["magmom"] == [m for m in (0.0, 1.0, 0.5, 0.25, 0.125) for _ in range(4)]
    assert state.graph.motifs[state.selection.motif].formula == "TiO6"
    assert back_again(session, tmp_path / "s.json").state.structure.site_properties == state.structure.site_properties
    assert len(session.undo().arrays.numbers) == 5


@pytest.mark.parametrize("matrix", [(1, 1, 1), (0, 1, 1), (2, 2), "2x2x2", (1.5, 1, 1), (9, 9, 9), [[1, 0, 0]] * 3])
def test_what_is_no_supercell_is_refused(matrix):
    session = opened(titanate())
    before = session.state
    with pytest.raises(MotifDeskError):
        session.supercell(matrix)
    assert session.state is before
    with pytest.raises(MotifDeskError, match="molecule"):
        opened("benzene.xyz").supercell((2, 1, 1))


# decomposition and morphing -------------------------------------------------------------------------------------------


def test_the_design_is_decomposed_against_start_node_or_file(doubled):
    tilt = handle(doubled, "R", "T1g")
    doubled.distort({tilt: 0.4})
    start, node = doubled.decomposition(), doubled.decomposition(1)
    row = start.rows[0]
    assert row.irrep == "R T1g" and row.subgroup.symbol == "I4/mcm" and len(start.rows) == 1
    assert row.Ap == pytest.approx(0.4 / np.sqrt(8), abs=1e-6)
    assert node.rows[0].irrep == "R T1g"
    ferro = opened("BaTiO3-tetragonal.cif").decomposition("BaTiO3-cubic.cif")
    assert ferro.rows[0].Ap == pytest.approx(
        decompose(read("BaTiO3-cubic.cif"), read("BaTiO3-tetragonal.cif")).rows[0].Ap
    )


@pytest.mark.parametrize("parent", [7, None, True, "no-such-file.cif", "benzene.xyz", "NaCl.cif"])
def test_a_parent_that_does_not_fit_is_refused_in_one_sentence(parent):
    with pytest.raises(MotifDeskError):
        opened(titanate()).decomposition(parent)


def test_a_morph_is_previewed_committed_undone_and_replayed(tmp_path):
    session = opened("BaTiO3-cubic.cif")
    target = read("BaTiO3-orthorhombic.cif")  # another cell: ten atoms in common
    with session.gesture("morph") as gesture:
        for t in (0.2, 0.7, 0.4):
            state = gesture.update(target, t, "Amm2")
            assert state.preview and len(state.arrays.numbers) == 10
    assert session.state.label == "Morph 40 % towards Amm2"
    assert space_group(session.state.arrays, 0.001).symbol == "Amm2"
    session.morph("BaTiO3-orthorhombic.cif")
    assert decompose(target, session.state.structure).Ap < 1e-6
    session.morph("start", 0.5)
    assert "step 0" in session.state.label
    back_again(session, tmp_path / "s.json")
    for _ in range(3):
        session.undo()
    assert len(session.state.arrays.numbers) == 5


def test_a_morph_within_the_cell_keeps_atoms_pick_and_labels():
    session = opened("BaTiO3-cubic.cif")
    before = session.state.arrays
    session.select(next(m for m in session.state.graph.motifs if m.formula == "TiO6"), scope="orbit")
    session.distort({session.state.modes[0]: 0.1})
    half = session.morph(0, 0.5)
    assert np.array_equal(half.arrays.numbers, before.numbers) and half.selection.motif is not None
    assert session.morph(0).arrays.volume == pytest.approx(before.volume)


def test_a_supercell_keeps_its_atoms_on_the_way_to_a_smaller_cell(doubled, tmp_path):
    tilt = handle(doubled, "R", "T1g")
    cubic = doubled.state.arrays
    whole = doubled.distort({tilt: 0.4}).arrays
    half = doubled.morph("start", 0.5).arrays
    assert np.array_equal(half.numbers, whole.numbers) and np.allclose(half.cell, cubic.cell, atol=1e-9)
    assert np.allclose(half.positions - whole.positions, 0.5 * (cubic.positions - whole.positions), atol=1e-6)
    assert np.allclose(doubled.images("start", 3)[0].cart_coords, half.positions, atol=1e-9)
    back_again(doubled, tmp_path / "s.json")


@pytest.mark.parametrize("n", [1, 2.5, True])
def test_a_number_of_images_that_is_none_is_refused(n):
    with pytest.raises(MotifDeskError, match="images"):
        opened("BaTiO3-cubic.cif").images("BaTiO3-tetragonal.cif", n)


def test_images_go_from_one_end_to_the_other_and_are_written(tmp_path):
    session = opened("BaTiO3-cubic.cif")
    nodes = len(session.history)
    made = session.images("BaTiO3-tetragonal.cif", 5)
    assert [space_group(m, 0.01).symbol for m in made] == ["Pm-3m"] + ["P4mm"] * 4
    paths = session.export_images("BaTiO3-tetragonal.cif", tmp_path / "way", 3, format="poscar")
    assert [p.name for p in paths] == ["image-00.vasp", "image-01.vasp", "image-02.vasp"]
    assert np.allclose(read(paths[1]).lattice.matrix, session.images("BaTiO3-tetragonal.cif", 3)[1].lattice.matrix)
    with pytest.raises(MotifDeskError, match="exists"):
        session.export_images("BaTiO3-tetragonal.cif", tmp_path / "way", 3, format="poscar")
    assert (
        len(session.export_images("BaTiO3-tetragonal.cif", tmp_path / "way", 3, format="poscar", overwrite=True)) == 3
    )
    assert len(session.history) == nodes


@pytest.mark.parametrize(("to", "t"), [(0, 1.5), (0, float("nan")), ("NaCl.cif", 0.5), ("benzene.xyz", 0.5), (9, 0.5)])
def test_a_morph_that_cannot_be_is_refused_and_changes_nothing(to, t):
    session = opened("BaTiO3-cubic.cif")
    before = session.state
    with pytest.raises(MotifDeskError):
        session.morph(to, t)
    assert session.state is before


def test_molecules_morph_too(tmp_path):
    session = opened("benzene.xyz")
    session.select(0, scope="all")
    session.distort({session.state.modes[0]: 0.1})
    state = session.morph("start", 0.5)
    assert state.arrays.cell is None and len(state.arrays.numbers) == 12
    back_again(session, tmp_path / "s.json")
