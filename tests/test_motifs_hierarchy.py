"""Units, layers, holes and levels: atoms to the whole, for every class of material, in any cell."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs import MotifGraph, find_motifs
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError
from tests.minerals import corundum, spinel

build = Structure.from_spacegroup
THIRD = [1 / 3, 2 / 3]


def diopside() -> Structure:  # Cameron et al., Am. Mineral. 58, 594 (1973)
    where = [[0, 0.3015, 0.25], [0, 0.9082, 0.25], [0.2862, 0.0933, 0.2293]]
    where += [[0.1156, 0.0873, 0.1422], [0.3611, 0.25, 0.318], [0.3505, 0.0176, 0.9953]]
    lattice = Lattice.monoclinic(9.746, 8.899, 5.251, 105.63)
    return build("C2/c", lattice, ["Ca", "Mg", "Si", "O", "O", "O"], where)


def forsterite() -> Structure:  # Fujino et al., Acta Cryst. B37, 513 (1981)
    where = [[0, 0, 0], [0.9915, 0.2774, 0.25], [0.4262, 0.094, 0.25]]
    where += [[0.7657, 0.0913, 0.25], [0.2215, 0.4474, 0.25], [0.2777, 0.1628, 0.0331]]
    lattice = Lattice.orthorhombic(4.756, 10.207, 5.98)
    return build("Pbnm", lattice, ["Mg", "Mg", "Si", "O", "O", "O"], where)


def cadmium_iodide() -> Structure:
    return build("P-3m1", Lattice.hexagonal(4.24, 6.84), ["Cd", "I"], [[0, 0, 0], [*THIRD, 0.249]])


def graphite() -> Structure:
    return build("P6_3/mmc", Lattice.hexagonal(2.46, 6.71), ["C", "C"], [[0, 0, 0.25], [*THIRD, 0.25]])


def benzene_crystal() -> Structure:  # Bacon, Curry and Wilson, Proc. R. Soc. A 279, 98 (1964)
    where = [[-0.0569, 0.1387, -0.0054], [-0.1335, 0.0460, 0.1264], [-0.0774, -0.0925, 0.1295]]
    where += [[-0.0976, 0.2447, -0.0177], [-0.2409, 0.0794, 0.2218], [-0.1371, -0.1631, 0.2312]]
    return build("Pbca", Lattice.orthorhombic(7.39, 9.42, 6.81), ["C", "C", "C", "H", "H", "H"], where)


def ice() -> Structure:  # ice XI, Leadbetter et al., J. Chem. Phys. 82, 424 (1985)
    where = [[0, 0.6648, 0.0631], [0.5, 0.8255, -0.0631], [0, 0.6636, 0.1963], [0, 0.5363, 0.0183]]
    where += [[0.6766, -0.2252, -0.0183]]
    return build("Cmc2_1", Lattice.orthorhombic(4.465, 7.858, 7.292), ["O", "O", "H", "H", "H"], where)


def dry_ice() -> Structure:
    return build("Pa-3", Lattice.cubic(5.624), ["C", "O"], [[0, 0, 0], [0.1185] * 3])


def portlandite() -> Structure:
    where = [[0, 0, 0], [*THIRD, 0.2341], [*THIRD, 0.4248]]
    return build("P-3m1", Lattice.hexagonal(3.589, 4.911), ["Ca", "O", "H"], where)


def methylammonium_lead_iodide() -> Structure:
    where = [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.382, 0.5, 0.5], [0.618, 0.5, 0.5], [0.32, 0.66, 0.5]]
    where += [[0.32, 0.42, 0.64], [0.32, 0.42, 0.36], [0.675, 0.35, 0.5], [0.675, 0.575, 0.63], [0.675, 0.575, 0.37]]
    return Structure(Lattice.cubic(6.29), ["Pb", "I", "I", "I", "C", "N", *"HHHHHH"], where)


def units(structure: Structure) -> Counter:
    return Counter((u.name, u.dimensionality) for u in find_motifs(structure).units)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: read("quartz-SiO2.cif"), {("framework of corner-sharing SiO4 tetrahedra", 3): 1}),
        (
            lambda: read("rutile-TiO2.cif"),
            {
                ("chain of edge-sharing TiO6 octahedra", 1): 2,
                ("framework of corner- and edge-sharing TiO6 octahedra", 3): 1,
            },
        ),
        (corundum, {("framework of corner-, edge- and face-sharing AlO6 octahedra", 3): 1}),
        (
            spinel,
            {("framework of edge-sharing AlO6 octahedra", 3): 1, ("isolated MgO4 tetrahedron", 0): 2},
        ),
        (cadmium_iodide, {("sheet of edge-sharing CdI6 octahedra", 2): 1}),
        (graphite, {("sheet of bonded C", 2): 2}),
        (lambda: read("Si.cif", cell="primitive"), {("framework of bonded Si", 3): 1}),
        (
            lambda: build("P3_121", Lattice.hexagonal(4.366, 4.954), ["Se"], [[0.2254, 0, 1 / 3]]),
            {("chain of bonded Se", 1): 1},
        ),
        (ice, {("water", 0): 8}),
        (benzene_crystal, {("benzene", 0): 4}),
        (dry_ice, {("carbon dioxide", 0): 4}),
    ],
    ids=["quartz", "rutile", "corundum", "spinel", "CdI2", "graphite", "Si", "Se", "ice", "benzene", "CO2"],
)
def test_units_are_named_with_their_dimensionality(make, expected):
    assert units(make()) == expected


def test_silicates_are_told_by_how_their_tetrahedra_hang_together():
    chains, isolated, rings = units(diopside()), units(forsterite()), units(read("beryl.cif", cell="primitive"))
    assert chains["chain of corner-sharing SiO4 tetrahedra", 1] == 4
    assert isolated["isolated SiO4 tetrahedron", 0] == 4
    assert rings["ring of 6 corner-sharing SiO4 tetrahedra", 0] == 2
    assert units(read("alpha-Li2IrO3.cif") * (1, 1, 2))["sheet of edge-sharing IrO6 octahedra", 2] == 2


@pytest.mark.parametrize("make", [diopside, cadmium_iodide, graphite, benzene_crystal], ids=lambda f: f.__name__)
def test_dimensionality_is_the_same_in_primitive_cells_supercells_and_skewed_cells(make):
    base = make()
    expected = {(u.name, u.dimensionality) for u in find_motifs(base).units}
    skew = np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]])
    skewed = Structure(Lattice(skew @ base.lattice.matrix), base.species, base.cart_coords, coords_are_cartesian=True)
    for other in (base.get_primitive_structure(), skewed, base * (1, 1, 2)):
        assert {(u.name, u.dimensionality) for u in find_motifs(other).units} == expected


def names(graph: MotifGraph) -> Counter:
    return Counter(m.formula for m in graph.motifs)


def test_molecular_crystals_have_the_motifs_of_their_molecules():
    graph = find_motifs(benzene_crystal())
    assert graph.kind == "molecule" and names(graph) == {"CH": 24}
    assert {link.kind for link in graph.links} == {"bond"} and len(graph.links) == 24
    assert [f.name for f in graph.fragments()] == ["benzene"] * 4
    assert all([len(r) for r in f.rings] == [6] for f in graph.fragments())
    assert len(graph.bonds()[0]) == 24 + 24 and any("covalent radii" in note for note in graph.notes)
    water = find_motifs(ice())
    assert names(water) == {"OH2": 8} and water.motifs[0].symbol == "A:2"
    assert [level.count for level in water.levels()] == [24, 8, 8, 0, 1]


def test_a_polymer_is_chains_of_its_groups():
    # polyethylene, Bunn, Trans. Faraday Soc. 35, 482 (1939); one of the two chains
    where = [[0.038, 0.066, 0.25], [-0.038, -0.066, 0.75], [0.18, 0.06, 0.25], [0.01, 0.28, 0.25]]
    where += [[-0.18, -0.06, 0.75], [-0.01, -0.28, 0.75]]
    graph = find_motifs(Structure(Lattice.orthorhombic(7.12, 4.85, 2.55), [*"CCHHHH"], where))
    assert names(graph) == {"CH2": 2} and [(u.name, u.dimensionality) for u in graph.units] == [("chain of CH2", 1)]
    assert graph.net().symbol == "simple chain"
    assert graph.levels()[-1].sentence.startswith("CH2: a crystal of chains")


def test_molecules_across_cell_faces_are_whole():
    base = benzene_crystal()
    for fragment in find_motifs(base).fragments():
        where = base.lattice.get_cartesian_coords(
            base.frac_coords[list(fragment.sites)] + np.array([a.image for a in fragment.atoms])
        )
        lengths = [np.linalg.norm(where[a] - where[b]) for a, b, image in fragment.bonds]
        assert len(lengths) == 12 and 0.9 < min(lengths) and max(lengths) < 1.5
        assert all(image == (0, 0, 0) for *_, image in fragment.bonds)


def test_metal_organic_crystal_has_three_layers():
    graph = find_motifs(read("Zn-oxalate-dihydrate.cif", cell="primitive"))
    layers = {layer.name: layer for layer in graph.layers()}
    assert set(layers) == {"polyhedra", "molecules", "net"}
    assert layers["polyhedra"].sentence == "2 ZnO6 octahedra"
    assert Counter(f.name for f in layers["molecules"].fragments) == {"oxalate": 2, "water": 4}
    assert layers["net"].net.symbol == "simple chain" and layers["net"].net.dimensionality == 1
    assert {m.name.split(" (")[0] for m in graph.motifs} == {
        "ZnO6 octahedron",
        "CO2C trigonal plane",
        "OH group",
    }
    formate = find_motifs(read("Mn-formate.cif", cell="primitive"))
    assert names(formate) == {"MnO6": 4, "CO2H": 8}
    net = formate.layers()[-1].net
    assert net.dimensionality == 3 and Counter(node.label for node in net.nodes) == {"Mn": 4, "formate": 8}
    assert {net.coordination(k) for k, node in enumerate(net.nodes) if node.label == "formate"} == {3}


def test_hybrid_perovskite_keeps_its_octahedra_and_names_its_cation():
    graph = find_motifs(methylammonium_lead_iodide())
    assert names(graph) == {"PbI6": 1, "CH3N": 1, "NH3C": 1} and graph.kind == "ionic"
    assert graph.sharing(graph.motif_at(0)) == {("corner", "Pb"): 6}
    (cation,) = graph.fragments()
    assert cation.name == "methylammonium"
    assert [g.name for g in cation.groups if g.kind == "hydride"] == ["CH3", "NH3"]
    assert graph.net().symbol == "pcu"


def test_hydroxides_keep_their_polyhedra_and_hydrogen_is_no_centre_of_them():
    graph = find_motifs(portlandite())
    assert graph.motif_at(0).name.startswith("CaO6 octahedron")
    assert graph.sharing(0)["edge", "Ca"] == 6
    assert [m.name for m in graph.motifs if graph.element(m.centre) == "H"] == ["OH group (H3)", "OH group (H4)"]
    assert graph.net().symbol == "kgd"  # CdI2's layer
    assert graph.levels()[1].sentence.startswith("2 OH, 1 CaO6 octahedron")
    lithium = find_motifs(build("Fm-3m", Lattice.cubic(4.084), ["Li", "H"], [[0, 0, 0], [0.5] * 3]))
    assert names(lithium) == {"LiH6": 4}  # a hydride ion is a ligand


def test_no_metal_is_coordinated_by_the_hydrogen_of_an_amide():
    # KNH2, P2_1/m: CrystalNN counts hydrogens near potassium as its neighbours
    lattice = Lattice.monoclinic(4.586, 3.904, 6.223, 95.8)
    where = [[0.228, 0.25, 0.295], [0.27, 0.25, 0.78], [0.36, 0.04, 0.84]]
    graph = find_motifs(build("P2_1/m", lattice, ["K", "N", "H"], where))
    assert any(graph.element(x.site) == "H" for x in graph.neighbours[0])
    assert names(graph) == {"KN6": 2, "NH": 4} and graph.net().symbol == "pcu"  # distorted rock salt
    assert Counter(f.name for f in graph.fragments()) == {"amide": 2}


def test_smallest_rings_are_counted_in_the_level_of_the_net():
    assert "smallest rings in the cell: 2 6-rings" in find_motifs(graphite()).levels()[3].items
    diamond = find_motifs(read("Si.cif", cell="primitive")).levels()[3]
    assert "smallest rings in the cell: 4 6-rings" in diamond.items


def test_every_atom_of_a_hybrid_is_in_a_motif():
    for name in ("Mn-formate.cif", "Zn-oxalate-dihydrate.cif"):
        graph = find_motifs(read(name, cell="primitive"))
        held = {m.centre for m in graph.motifs} | {x.site for m in graph.motifs for x in m.ligands}
        assert held == set(range(len(graph.structure)))


def test_carbonates_and_pyrite_have_their_ions_as_fragments_and_their_polyhedra_as_motifs():
    where = [[0, 0, 0], [0, 0, 0.25], [0.2568, 0, 0.25]]
    calcite = build("R-3c", Lattice.hexagonal(4.99, 17.06), ["Ca", "C", "O"], where)
    graph = find_motifs(calcite)
    assert names(graph) == {"CaO6": 6, "CO3": 6}
    assert Counter(f.name for f in graph.fragments()) == {"carbonate": 6}
    pyrite = find_motifs(build("Pa-3", Lattice.cubic(5.416), ["Fe", "S"], [[0, 0, 0], [0.3849] * 3]))
    assert names(pyrite) == {"FeS6": 4} and Counter(f.name for f in pyrite.fragments()) == {"disulfide": 4}


@pytest.mark.parametrize(
    ("make", "per_atom"),
    [
        (
            lambda: build("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]]),
            {("octahedral", 1.8075): 1, ("tetrahedral", 1.5653): 2},
        ),
        (
            lambda: Structure(Lattice([[0, 1.8, 1.8], [1.8, 3.6, 5.4], [1.8, 1.8, 0]]), ["Cu"], [[0.3, 0.2, 0.1]]),
            {("octahedral", 1.8): 1, ("tetrahedral", 1.5588): 2},
        ),
        (
            lambda: build("P6_3/mmc", Lattice.hexagonal(3.2, 3.2 * np.sqrt(8 / 3)), ["Mg"], [[*THIRD, 0.25]]),
            {("octahedral", 2.2627): 1, ("tetrahedral", 1.9596): 2},
        ),
        (
            lambda: build("Im-3m", Lattice.cubic(2.87), ["Fe"], [[0, 0, 0]]),
            {("tetrahedral", 1.6044): 6},
        ),
        (lambda: Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]]), {("cubic", 2.9012): 1}),
    ],
    ids=["fcc", "fcc skewed", "hcp", "bcc", "sc"],
)
def test_holes_of_the_metals(make, per_atom):
    structure = make()
    found = Counter((h.name, round(h.radius, 4)) for h in find_motifs(structure).holes())
    assert found == {key: n * len(structure) for key, n in per_atom.items()}


def test_a_hole_is_where_its_atoms_say():
    structure = spinel()
    graph = find_motifs(structure)
    for hole in graph.holes("O"):
        centre = np.array(hole.position) @ structure.lattice.matrix
        assert all(0 <= x < 1 + 1e-9 for x in hole.position)
        for atom in hole.atoms:
            assert graph.element(atom.site) == "O"
            there = (structure.frac_coords[atom.site] + atom.image) @ structure.lattice.matrix
            assert np.linalg.norm(there - centre) == pytest.approx(hole.radius, abs=0.06)
    # eight oxygens close-packed: eight octahedral holes (four hold Al), sixteen tetrahedral ones (two hold Mg)
    assert Counter(h.name for h in graph.holes("O")) == {"octahedral": 8, "tetrahedral": 16}


def test_holes_of_what_has_none_are_refused():
    with pytest.raises(MotifDeskError, match="molecule has no holes"):
        find_motifs(Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]])).holes()
    with pytest.raises(MotifDeskError, match="Choose among O, Si"):
        find_motifs(read("quartz-SiO2.cif")).holes("Al")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: build("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]]), {"Cu": "cuboctahedron"}),
        (
            lambda: build("P6_3/mmc", Lattice.hexagonal(3.2, 5.21), ["Mg"], [[*THIRD, 0.25]]),
            {"Mg": "anticuboctahedron"},
        ),
        (
            lambda: build("Im-3m", Lattice.cubic(2.87), ["Fe"], [[0, 0, 0]]),
            {"Fe": "rhombic dodecahedron (8 + 6)"},
        ),
        (  # A15
            lambda: build("Pm-3n", Lattice.cubic(4.56), ["Si", "Cr"], [[0, 0, 0], [0.25, 0, 0.5]]),
            {"Si": "icosahedron (Frank-Kasper Z12)", "Cr": "Frank-Kasper Z14"},
        ),
        (  # C14 Laves phase
            lambda: build(
                "P6_3/mmc",
                Lattice.hexagonal(5.22, 8.57),
                ["Mg", "Zn", "Zn"],
                [[*THIRD, 0.062], [0, 0, 0], [0.8305, 0.661, 0.25]],
            ),
            {"Mg": "Frank-Kasper Z16", "Zn": "icosahedron (Frank-Kasper Z12)"},
        ),
    ],
    ids=["fcc", "hcp", "bcc", "A15", "C14"],
)
def test_figures_of_metals_and_intermetallics_are_named(make, expected):
    graph = find_motifs(make())
    assert {graph.element(m.centre): graph.figure(m) for m in graph.motifs} == expected


@pytest.mark.parametrize(
    "structure",
    [
        read("beta-Li2IrO3.cif", cell="primitive"),
        read("Zn-oxalate-dihydrate.cif", cell="primitive"),
        benzene_crystal(),
        graphite(),
        Structure(Lattice.cubic(60.0), ["Ar"], [[0.1, 0.2, 0.3]]),
        Molecule(["O", "H", "H"], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]),
    ],
    ids=["iridate", "metal-organic", "molecular", "graphite", "argon", "water"],
)
def test_levels_go_from_atoms_to_the_whole(structure):
    graph = find_motifs(structure)
    levels = graph.levels()
    assert [level.name for level in levels] == ["atoms", "motifs", "units", "net", "structure"]
    assert levels[0].count == len(structure) and levels[1].count == len(graph.motifs)
    assert all(level.sentence and "\n" not in level.sentence for level in levels)
    assert graph.levels() is levels


def test_levels_speak_of_nets_and_dimensions():
    told = {level.name: level.sentence for level in find_motifs(read("beta-Li2IrO3.cif", cell="primitive")).levels()}
    assert told["net"].startswith("ths, three-periodic") and "framework of edge-sharing IrO6" in told["units"]
    assert told["structure"] == "Li2IrO3: a crystal bonded in three dimensions"
    layers = find_motifs(cadmium_iodide()).levels()
    assert layers[-1].sentence == "CdI2: a crystal of layers" and layers[3].sentence.startswith("kgd, two-periodic")
    assert "none bonded" in find_motifs(Structure(Lattice.cubic(60.0), ["Ar"], [[0, 0, 0]])).levels()[-1].sentence


def test_repr_is_one_line_of_what_is_there():
    graph = find_motifs(read("rutile-TiO2.cif"))
    assert repr(graph) == "MotifGraph(TiO2: 2 TiO6 octahedron; links: 2 edge, 8 corner)"
