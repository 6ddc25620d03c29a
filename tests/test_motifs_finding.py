"""Motifs found: CrystalNN's neighbour sets, shapes, sharing, on crystals, elements, molecules and odd input."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

from motifdesk.motifs import MotifGraph, find_motifs
from motifdesk.motifs.detection.clock import Clock
from motifdesk.motifs.detection.oxidation import guess, oxidation_states
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, MotifError
from tests.minerals import corundum, spinel


def fluorite() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.463), ["Ca", "F"], [[0, 0, 0], [0.25] * 3])


def test_hyperhoneycomb_iridate_is_octahedra_with_three_edge_sharing_iridium_neighbours():
    graph = find_motifs(read("beta-Li2IrO3.cif", cell="primitive"))
    assert len(graph.structure) == 24
    iridium = [m for m in graph.motifs if m.formula == "IrO6"]
    assert len(iridium) == 4
    assert {m.symbol for m in graph.motifs} == {"O:6"}
    for motif in iridium:
        sharing = graph.sharing(motif)
        assert sharing["edge", "Ir"] == 3 and sharing["edge", "Li"] == 9 and sharing["corner", "Li"] == 6
    assert len({m.orbit for m in iridium}) == 1
    assert [u.dimensionality for u in graph.units if "IrO6" in u.name] == [3]


@pytest.mark.parametrize(
    ("make", "element", "expected"),
    [
        (lambda: read("rutile-TiO2.cif"), "Ti", {("edge", "Ti"): 2, ("corner", "Ti"): 8}),
        (lambda: read("NaCl.cif"), "Na", {("edge", "Na"): 12, ("corner", "Na"): 6}),
        (fluorite, "Ca", {("edge", "Ca"): 12}),
        (corundum, "Al", {("face", "Al"): 1, ("edge", "Al"): 3, ("corner", "Al"): 9}),
        (spinel, "Al", {("edge", "Al"): 6, ("corner", "Mg"): 6}),
        (lambda: read("SrTiO3.cif"), "Ti", {("corner", "Ti"): 6, ("face", "Sr"): 8}),
        (lambda: read("quartz-SiO2.cif"), "Si", {("corner", "Si"): 4}),
        (lambda: read("Na2IrO3.cif"), "Ir", {("edge", "Ir"): 3, ("edge", "Na"): 9, ("corner", "Na"): 6}),
    ],
    ids=["rutile", "NaCl", "CaF2", "corundum", "spinel", "perovskite", "quartz", "Na2IrO3"],
)
def test_each_centre_shares_ligands_as_published(make, element, expected):
    graph = find_motifs(make())
    for motif in graph.motifs:
        if graph.element(motif.centre) == element:
            assert graph.sharing(motif) == expected


def test_link_counts_are_the_same_from_both_ends_and_in_a_supercell():
    structure = read("rutile-TiO2.cif")
    graph = find_motifs(structure)
    big = find_motifs(structure * (2, 1, 2))
    assert len(big.links) == 4 * len(graph.links)
    assert Counter(x.kind for x in big.links) == {k: 4 * n for k, n in Counter(x.kind for x in graph.links).items()}
    assert all(big.sharing(m) == graph.sharing(0) for m in big.motifs)
    assert len(big.orbits) == 1
    for link in graph.links:
        a, b = graph.motifs[link.a], graph.motifs[link.b]
        moved = {(x.site, tuple(np.add(x.image, link.image))) for x in b.ligands}
        assert {tuple(x) for x in link.shared} == {tuple(x) for x in a.ligands} & moved


def test_answer_does_not_depend_on_rotation_order_or_cell_choice():
    rng = np.random.default_rng(0)
    base = read("CaTiO3.cif")
    expected = sorted((m.formula, m.symbol, round(m.csm, 6)) for m in find_motifs(base).motifs)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    rotated = Structure(Lattice(base.lattice.matrix @ turn), base.species, base.frac_coords + rng.random(3))
    order = rng.permutation(len(base))
    shuffled = Structure.from_sites([base[int(k)] for k in order])
    skew = np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]])
    skewed = Structure(Lattice(skew @ base.lattice.matrix), base.species, base.cart_coords, coords_are_cartesian=True)
    for other in (rotated, shuffled, skewed):
        found = sorted((m.formula, m.symbol, round(m.csm, 6)) for m in find_motifs(other).motifs)
        assert [x[:2] for x in found] == [x[:2] for x in expected]
        np.testing.assert_allclose([x[2] for x in found], [x[2] for x in expected], atol=1e-5)


def test_elements_and_metals_have_every_atom_as_a_centre_and_bonds_as_links():
    silicon = find_motifs(read("Si.cif", cell="primitive"))
    assert silicon.kind == "elements" and {m.symbol for m in silicon.motifs} == {"T:4"}
    assert {x.kind for x in silicon.links} == {"bond"} and len(silicon.links) == 4
    copper = find_motifs(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]]))
    assert {m.symbol for m in copper.motifs} == {"C:12"} and len(copper.motifs) == 4
    alloy = find_motifs(Structure(Lattice.tetragonal(2.8, 3.7), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    assert alloy.kind == "elements" and len(alloy.motifs) == 2


def test_molecule_gives_heavy_atoms_with_their_hydrogens_and_rings():
    graph = find_motifs(read("benzene.xyz"))
    assert [m.formula for m in graph.motifs] == ["CH"] * 6
    assert [u.kind for u in graph.units] == ["ring"] and len(graph.units[0].sites) == 6
    assert len(graph.bonds()[0]) == 12
    water = find_motifs(Molecule(["O", "H", "H"], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]))
    assert [m.formula for m in water.motifs] == ["OH2"] and water.motifs[0].symbol == "A:2"


@pytest.mark.parametrize(
    ("structure", "shape"),
    [
        (Structure(Lattice.cubic(60.0), ["Ar"], [[0.1, 0.2, 0.3]]), "isolated"),
        (Structure(Lattice.cubic(200.0), ["Na"], [[0, 0, 0]]), "isolated"),
        (Structure(Lattice.cubic(200.0), ["O", "O"], [[0, 0, 0], [0, 0, 0.006]]), "single neighbor"),
        (Structure(Lattice.cubic(3.0), ["Po"], [[0, 0, 0]]), "octahedron"),
        (Structure(Lattice.orthorhombic(4, 4, 100), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0]]), "square plane"),
        (Structure(Lattice.from_parameters(6, 6, 6, 5, 5, 5), ["Na"], [[0, 0, 0]]), None),
        (Structure(Lattice.from_parameters(30, 40, 50, 5, 5, 5), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]), None),
        (Structure(Lattice.from_parameters(6, 7, 8, 5, 90, 90), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]), None),
        (Structure(Lattice.cubic(6.0), ["Xe", "He"], [[0, 0, 0], [0.5] * 3]), "isolated"),
        (Structure(Lattice.cubic(4.0), ["Cs", "Cl"], [[5, -7, 3], [5.5, -6.5, 3.5]]), "cube"),
        (Molecule(["He"], [[0, 0, 0]]), "isolated"),
        (Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]]), "single neighbor"),
    ],
    ids=[
        "isolated",
        "atom in 200 A",
        "dimer in 200 A",
        "one atom",
        "slab in 100 A",
        "5 degrees, one atom",
        "5 degrees",
        "one angle of 5 degrees",
        "noble gases",
        "far from home",
        "one-atom molecule",
        "hydrogen",
    ],
)
def test_odd_structures_get_a_stated_answer(structure, shape):
    graph = find_motifs(structure)
    assert isinstance(graph, MotifGraph) and len(graph.motifs) >= 1
    for motif in graph.motifs:
        assert shape is None or motif.shape == shape
        assert motif.csm is None or np.isfinite(motif.csm)
        assert motif.ligands or motif.shape == "isolated"
    if shape == "isolated" and hasattr(structure, "lattice"):
        assert any("no neighbour in reach" in note for note in graph.notes)
    assert repr(graph) and "<table>" in graph._repr_html_()


def test_bad_structures_give_one_clear_error():
    with pytest.raises(MotifDeskError, match="A apart"):
        find_motifs(Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0, 0, 0.001]]))
    with pytest.raises(MotifDeskError, match="A apart"):
        find_motifs(Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0, 0, 1.0]]))
    with pytest.raises(MotifDeskError, match="disorder|occup"):
        find_motifs(Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]]))
    with pytest.raises(MotifDeskError, match="occup"):
        find_motifs(Structure(Lattice.cubic(4), [{"Na": 0.5}, "Cl"], [[0, 0, 0], [0.5] * 3]))
    with pytest.raises(MotifDeskError, match="dummy"):
        find_motifs(Structure(Lattice.cubic(4), [DummySpecies("X"), "Cl"], [[0, 0, 0], [0.5] * 3]))
    with pytest.raises(MotifDeskError, match="finite|is \\[nan"):
        find_motifs(Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0.5, np.nan, 0.5]]))
    with pytest.raises(MotifDeskError, match="vacuum"):
        find_motifs(Structure(Lattice.orthorhombic(3, 3, 3000), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0]]))
    with pytest.raises(MotifDeskError, match="not a structure"):
        find_motifs("NaCl")
    graph = find_motifs(read("NaCl.cif", cell="primitive"))
    with pytest.raises(MotifDeskError, match="no motif 7"):
        graph.links_of(7)


def test_cells_of_500_atoms_are_found_ideal_and_rattled():
    ideal = find_motifs(read("NaCl.cif") * (4, 4, 4))
    assert len(ideal.motifs) == 256 and {m.symbol for m in ideal.motifs} == {"O:6"} and len(ideal.orbits) == 1
    quartz = read("quartz-SiO2.cif") * (4, 4, 4)
    moved = quartz.cart_coords + 0.03 * np.random.default_rng(1).standard_normal((len(quartz), 3))
    rattled = Structure(quartz.lattice, quartz.species, moved, coords_are_cartesian=True)
    graph = find_motifs(rattled)
    assert len(graph.motifs) == 192 == len(graph.orbits) and {m.symbol for m in graph.motifs} == {"T:4"}


def test_out_of_time_says_how_far_it_came_and_what_to_do():
    structure = read("quartz-SiO2.cif") * (3, 3, 3)
    with pytest.raises(MotifError, match=r"longer than 1e-06 s; it came to before .*seconds=") as caught:
        find_motifs(structure, seconds=1e-6)
    assert "O2Si (243 atoms)" in str(caught.value)
    watch = Clock(1e-9, where="x").watch("neighbours", 7)
    with pytest.raises(MotifError, match="neighbours of 3 of 7 sites"):
        watch(3)
    for wrong in (0, -1.0, float("nan"), "60", True, None):
        with pytest.raises(MotifError, match="time limit"):
            find_motifs(structure, seconds=wrong)
    assert len(find_motifs(structure, seconds=float("inf")).motifs) == 81


def test_more_charges_than_elements_are_found_without_symmetry():
    structure = read("NaCl.cif") * (3, 3, 3)
    structure.add_oxidation_state_by_site([(1.0 if k < 108 else -1.0) * (1.0 + 1e-3 * max(k, 1)) for k in range(216)])
    graph = find_motifs(structure)
    assert {m.symbol for m in graph.motifs} == {"O:6"} and any("symmetry was not used" in x for x in graph.notes)


def test_graph_lookup_bonds_and_geometry_agree():
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    graph = find_motifs(structure)
    assert graph.motif_at(graph.motifs[3].centre) is graph.motifs[3]
    assert all(graph.motif_at(k) is None for k, site in enumerate(structure) if site.specie.symbol == "O")
    pairs, images = graph.bonds()
    assert len(pairs) == 6 * 12
    ends = structure.frac_coords[pairs[:, 1]] + images - structure.frac_coords[pairs[:, 0]]
    lengths = np.linalg.norm(ends @ structure.lattice.matrix, axis=1)
    assert lengths.min() > 1.9 and lengths.max() < 2.3
    motif = graph.motifs[-1]
    points = motif.positions(structure)
    faces = motif.faces(structure)
    assert points.shape == (7, 3) and faces.shape == (8, 3)
    corners = points[1:][faces] - points[0]
    assert (np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0).all()


def test_html_of_a_graph_is_escaped():
    structure = read("NaCl.cif", cell="primitive")
    graph = find_motifs(structure)
    object.__setattr__(graph.motifs[0], "shape", "<script>alert(1)</script>")
    assert "<script>" not in graph._repr_html_()


def test_oxidation_states_are_pymatgens_guess_and_own_decoration_is_kept():
    assert guess("Li2IrO3") == {"Li": 1.0, "Ir": 4.0, "O": -2.0}
    assert guess("Fe3O4")["Fe"] == pytest.approx(8 / 3)
    assert guess("CuAu") == {}
    structure = read("SrTiO3.cif")
    structure.add_oxidation_state_by_element({"Sr": 2, "Ti": 3, "O": -5 / 3})
    assert oxidation_states(structure)[1] == 3.0
