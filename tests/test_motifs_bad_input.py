"""Odd and bad input through the public doors: one clear error or a stated answer, no NaN, no hang."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

import motifdesk as md


def nacl() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])


def two(lattice: Lattice, second=(0.5, 0.5, 0.5), species=("Na", "Cl")) -> Structure:
    return Structure(lattice, list(species), [[0, 0, 0], list(second)])


@pytest.fixture(scope="module")
def salt():
    structure = nacl().get_primitive_structure()
    return structure, md.find_motifs(structure)


KEY = "m0:motif:stretch:A1g:1"


def through_every_door(structure):
    """read, find, modes, distort: the graph, or the one error of the first door that refuses."""
    structure = md.read(structure)
    graph = md.find_motifs(structure)
    assert all(m.csm is None or (np.isfinite(m.csm) and 0 <= m.csm <= 100) for m in graph.motifs)
    assert "nan" not in repr(graph).lower() and "nan" not in graph._repr_html_().lower()
    able = [m for m in graph.motifs if m.ligands]
    for motif in able[:2]:
        modes = md.distortion_modes(structure, motif, "orbit", graph=graph)
        assert len(modes) == 3 * len(motif.ligands)
        made = md.distort(structure, {modes[0]: 0.05}, graph=graph)
        assert np.isfinite(made.cart_coords).all()
        assert not hasattr(made, "lattice") or np.isfinite(made.lattice.matrix).all()
    return graph


# stated answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "structure",
    [
        Structure(Lattice.cubic(40), ["Ar"], [[0, 0, 0]]),
        Molecule(["He"], [[0, 0, 0]]),
        two(Lattice.cubic(60)),
    ],
    ids=["argon in a box", "helium", "salt in a box"],
)
def test_isolated_atoms_are_motifs_without_ligands_and_are_named(structure):
    graph = through_every_door(structure)
    assert graph.motifs and all(not m.ligands and m.shape == "isolated" for m in graph.motifs)
    assert not graph.links
    if hasattr(structure, "lattice"):
        assert any("no neighbour" in note for note in graph.notes)
    with pytest.raises(md.MotifDeskError, match=r"no ligands to move.*[Pp]ick another"):
        md.distortion_modes(structure, 0, graph=graph)


def test_one_isolated_atom_among_bonded_ones_is_noted_and_the_rest_works():
    structure = Structure(Lattice.cubic(60), ["Na", "Cl", "He"], [[0, 0, 0], [0.04, 0, 0], [0.5] * 3])
    graph = through_every_door(structure)
    assert [m.coordination for m in graph.motifs] == [1, 1, 0]
    assert any("He" in note for note in graph.notes)


@pytest.mark.parametrize("length", [3.35, 2.0, 1.0])
def test_one_atom_cells_are_coordinated_by_their_own_images(length):
    graph = through_every_door(Structure(Lattice.cubic(length), ["Po"], [[0.1, 0.7, 0]]))
    assert [(m.symbol, {x.site for x in m.ligands}) for m in graph.motifs] == [("O:6", {0})]
    assert {tuple(np.abs(x.image)) for x in graph.motifs[0].ligands} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


def test_five_hundred_atoms_symmetric_and_shaken_are_answered():
    perfect = nacl() * (4, 4, 4)
    positions = perfect.cart_coords + 0.05 * np.random.default_rng(0).standard_normal((512, 3))
    shaken = Structure(perfect.lattice, perfect.species, positions, coords_are_cartesian=True)
    for structure in (perfect, shaken):
        graph = md.find_motifs(structure)
        assert len(graph.motifs) == 256 and {m.symbol for m in graph.motifs} == {"O:6"}
    made = md.distort(shaken, {KEY: 0.05}, graph=graph)
    assert np.isfinite(made.cart_coords).all()


@pytest.mark.parametrize("angle", [5.0, 3.0])
def test_cells_with_a_sharp_angle_are_answered_as_their_reduced_cell_is(angle):
    sharp = two(Lattice.from_parameters(30, 30, 5, 90, 90, angle))
    reduced = sharp.get_reduced_structure()
    answers = [
        sorted((m.formula, m.symbol, round(m.csm, 4)) for m in through_every_door(s).motifs) for s in (sharp, reduced)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("shear", [9, 40])
def test_a_very_skew_cell_of_rock_salt_is_rock_salt(shear):
    base = nacl().get_primitive_structure()
    skew = np.array([[1, 0, 0], [shear, 1, 0], [-shear, shear, 1]]) @ base.lattice.matrix
    graph = md.find_motifs(Structure(Lattice(skew), base.species, base.cart_coords, coords_are_cartesian=True))
    assert [m.symbol for m in graph.motifs] == ["O:6"]
    assert graph.sharing(0) == {("edge", "Na"): 6 * 2, ("corner", "Na"): 6}


@pytest.mark.parametrize(
    ("structure", "coordination"),
    [
        (two(Lattice.tetragonal(4, 300), (0.5, 0.5, 0)), 4),
        (two(Lattice.orthorhombic(400, 400, 5), (0, 0, 0.5)), 2),
        (Structure(Lattice.cubic(800), ["O", "H", "H"], [[0, 0, 0], [0.0012, 0, 0], [0, 0.0012, 0]]), None),
    ],
    ids=["sheet", "chain", "molecule in a box"],
)
def test_huge_vacuum_changes_nothing_about_the_neighbours(structure, coordination):
    graph = through_every_door(structure)
    if coordination is None:
        bonded, _ = graph.bonds()
        assert {tuple(sorted(map(int, pair))) for pair in bonded} == {(0, 1), (0, 2)}
    else:
        assert {m.coordination for m in graph.motifs} == {coordination}


def test_disordered_sites_are_refused_unless_simplified_aloud():
    disordered = Structure(Lattice.cubic(4), [{"Na": 0.6, "K": 0.4}, "Cl"], [[0, 0, 0], [0.5] * 3])
    for door in (md.read, md.find_motifs):
        with pytest.raises(md.MotifDeskError, match=r"partial|partly"):
            door(disordered)
    with pytest.warns(md.MotifDeskWarning, match="most frequent"):
        ordered = md.read(disordered, disorder="majority")
    assert [m.formula for m in md.find_motifs(ordered).motifs] == ["NaCl8"]


# errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: two(Lattice.cubic(4), (0, 0, 0)), "apart"),
        (lambda: two(Lattice.cubic(4), (1, 0, 0), ("Na", "Na")), "apart"),
        (lambda: Molecule(["C", "C"], [[0, 0, 0], [0, 0, 1e-9]]), "apart"),
        (lambda: two(Lattice.cubic(4), (np.nan, 0, 0)), "atom 1|site 1"),
        (lambda: Molecule(["Na", "Cl"], [[0, 0, 0], [np.inf, 0, 0]]), "atom 1|site 1"),
        (lambda: Structure(Lattice([[1, 0, 0], [0, 1, 0], [1, 1, 0]]), ["Na"], [[0, 0, 0]]), "volume|flat"),
        (lambda: Structure(Lattice([[np.nan, 0, 0], [0, 4, 0], [0, 0, 4]]), ["Na"], [[0, 0, 0]]), "NaN|finite"),
        (lambda: two(Lattice.cubic(4), species=(DummySpecies("X"), "Cl")), "dummy"),
        (lambda: Structure(Lattice.cubic(4), [], []), "no atom"),
    ],
    ids=[
        "same place",
        "same place by an image",
        "molecule",
        "NaN",
        "infinite",
        "no volume",
        "NaN cell",
        "dummy",
        "empty",
    ],
)
def test_structures_that_are_none_are_refused_by_read_and_by_find(make, says):
    for door in (md.read, md.find_motifs):
        with pytest.raises(md.MotifDeskError, match=says):
            door(make())


@pytest.mark.parametrize(
    "thing", [None, 3, [1], {}, np.zeros((3, 3)), b"data", object()], ids=lambda x: type(x).__name__
)
def test_what_is_no_structure_is_refused_by_its_type(thing):
    for door in (md.read, md.find_motifs, lambda x: md.distort(x, {KEY: 0.1}), lambda x: md.distortion_modes(x, 0)):
        with pytest.raises(md.MotifDeskError, match=type(thing).__name__):
            door(thing)


@pytest.mark.parametrize("tolerance", ["a", None])
def test_a_tolerance_that_is_no_number_is_refused(tolerance):
    with pytest.raises(md.MotifDeskError, match="tolerance"):
        md.find_motifs(nacl(), tolerance=tolerance)


@pytest.mark.parametrize("motif", [None, "Na", True, 0.5, float("nan"), -1, 99])
def test_motifs_that_do_not_exist_are_refused(salt, motif):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match=r"no motif .*\. Choose 0 to 0\."):
        md.distortion_modes(structure, motif, graph=graph)


def test_motifs_of_another_structure_are_refused(salt):
    structure, graph = salt
    rutile = md.find_motifs(md.read("rutile-TiO2.cif"))
    for motif in rutile.motifs[:2]:
        with pytest.raises(md.MotifDeskError, match=r"another structure|no motif"):
            md.distortion_modes(structure, motif, graph=graph)


@pytest.mark.parametrize("scope", [None, "", "everything", ["orbit"], 3])
def test_scopes_that_do_not_exist_are_refused(salt, scope):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match="choose one of|Choose one of"):
        md.distortion_modes(structure, 0, scope, graph=graph)


@pytest.mark.parametrize("character", [[2], [0], [], [1, -1]])
def test_characters_other_than_a_sign_for_each_motif_are_refused(salt, character):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match="character"):
        md.distortion_modes(structure, 0, "orbit", graph=graph, character=character)


@pytest.mark.parametrize("character", ["+", [float("nan")], 3, [1.5]], ids=repr)
def test_characters_of_wrong_types_are_refused(salt, character):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match="character"):
        md.distortion_modes(structure, 0, "orbit", graph=graph, character=character)


def test_a_graph_that_is_none_is_refused(salt):
    with pytest.raises(md.MotifDeskError):
        md.distortion_modes(salt[0], 0, graph="graph")


@pytest.mark.parametrize(
    "key",
    ["breathing", "", None, 3, "m0:motif:stretch:A1g:9", "m0:motif:stretch:Zz:1", f"m{10**20}:motif:stretch:A1g:1"],
)
def test_unknown_mode_keys_are_refused(salt, key):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match=r"mode|motif"):
        md.distort(structure, {key: 0.1}, graph=graph)


@pytest.mark.parametrize("amplitude", [float("inf"), -float("inf"), float("nan")])
def test_amplitudes_that_are_not_finite_are_refused(salt, amplitude):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError, match=r"stretch:A1g.*amplitude.*finite"):
        md.distort(structure, {KEY: amplitude}, graph=graph)


@pytest.mark.parametrize("amplitudes", [{KEY: "a"}, {KEY: None}, {KEY: 1j}, {KEY: [0.1]}, None, [], "x"], ids=repr)
def test_amplitudes_of_wrong_types_are_refused(salt, amplitudes):
    structure, graph = salt
    with pytest.raises(md.MotifDeskError):
        md.distort(structure, amplitudes, graph=graph)


def test_no_amplitude_and_the_smallest_one_change_nothing(salt):
    structure, graph = salt
    for amplitudes in ({}, {KEY: 0.0}, {KEY: 1e-300}):
        made = md.distort(structure, amplitudes, graph=graph)
        assert np.abs(made.cart_coords - structure.cart_coords).max() < 1e-9
        assert np.abs(made.lattice.matrix - structure.lattice.matrix).max() < 1e-9


def test_graphs_of_other_structures_are_refused(salt):
    with pytest.raises(md.MotifDeskError, match="5 atoms"):
        md.distort(md.read("SrTiO3.cif"), {KEY: 0.1}, graph=salt[1])


def test_a_graph_of_another_structure_of_as_many_atoms_is_refused(salt):
    with pytest.raises(md.MotifDeskError):
        md.distort(two(Lattice.cubic(4.57), species=("Cs", "I")), {KEY: 0.1}, graph=salt[1])


def test_a_mode_of_another_structure_is_refused():
    quartz, rutile = md.read("quartz-SiO2.cif"), md.read("rutile-TiO2.cif")
    foreign = md.distortion_modes(rutile, 0)[0]
    with pytest.raises(md.MotifDeskError):
        md.distort(quartz, {foreign: 0.1})


def test_an_amplitude_far_beyond_any_bond_is_refused():
    structure = md.read("rutile-TiO2.cif")
    mode = md.distortion_modes(structure, 0)[0]
    with pytest.raises(md.MotifDeskError, match="1e\\+06 A.*[Ss]tay within 100 A"):
        md.distort(structure, {mode: 1e6})
