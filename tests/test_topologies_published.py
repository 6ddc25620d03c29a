"""Members of the families against the published crystals: group, Wyckoff positions, atoms' distances, nets."""

from collections import Counter

import numpy as np
import pytest
from minerals import corundum, spinel
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

import motifdesk as md
from motifdesk.structures import corpus
from motifdesk.structures.symmetry import space_group
from motifdesk.topologies import build, families, member

PUBLISHED = [(f.name, p.name, p.parameters, p.group) for f in families().values() for p in f.published]


@pytest.mark.parametrize(
    ("family", "name", "parameters", "group"), PUBLISHED, ids=[f"{f}-{n}" for f, n, *_ in PUBLISHED]
)
def test_a_known_member_has_its_group_and_neutral_charges(family, name, parameters, group):
    built = member(family, **parameters)
    assert space_group(built.structure, 1e-3).symbol == group
    content = built.structure.composition.get_el_amt_dict()
    assert sum(built.charges[x] * n for x, n in content.items()) == pytest.approx(0.0, abs=1e-9)


def test_every_family_has_known_members():
    assert all(family.published for family in families().values())


def _corpus(name: str, material: str) -> Structure:
    bundled = corpus(name)
    return bundled.structure(bundled.index(material))


def _example(name: str) -> Structure:
    structure = md.read(name, cell="primitive")
    structure.remove_oxidation_states()
    return structure


def _of(group: str, lattice: Lattice, species: str, coordinates: list) -> Structure:
    return Structure.from_spacegroup(group, lattice, species.split(), coordinates).get_primitive_structure()


def pyrolusite() -> Structure:
    """W. H. Baur, Acta Cryst. B 32, 2200 (1976)."""
    return _of("P4_2/mnm", Lattice.tetragonal(4.3983, 2.873), "Mn O", [[0, 0, 0], [0.3046, 0.3046, 0]])


def ramsdellite() -> Structure:
    """A. M. Bystrom, Acta Chem. Scand. 3, 163 (1949)."""
    places = [[0.022, 0.136, 0.25], [0.17, -0.23, 0.25], [-0.21, -0.033, 0.25]]
    return _of("Pbnm", Lattice.orthorhombic(4.533, 9.27, 2.866), "Mn O O", places)


def hollandite() -> Structure:
    """Framework of alpha-MnO2: A. Bystrom, A. M. Bystrom, Acta Cryst. 3, 146 (1950), in the cell of Kondrashev."""
    places = [[0.348, 0.167, 0], [0.153, 0.180, 0], [0.542, 0.167, 0]]
    return _of("I4/m", Lattice.tetragonal(9.815, 2.847), "Mn O O", places)


def diopside() -> Structure:
    """M. Cameron, S. Sueno, C. T. Prewitt, J. J. Papike, Am. Mineral. 58, 594 (1973)."""
    places = [[0, 0.9082, 0.25], [0, 0.3015, 0.25], [0.2862, 0.0933, 0.2293]]
    places += [[0.1156, 0.0873, 0.1422], [0.3611, 0.2500, 0.3180], [0.3505, 0.0176, 0.9953]]
    return _of("C2/c", Lattice.monoclinic(9.746, 8.899, 5.251, 105.63), "Mg Ca Si O O O", places)


def tremolite() -> Structure:
    """F. C. Hawthorne, H. D. Grundy, Can. Mineral. 14, 334 (1976)."""
    places = [[0.2802, 0.0840, 0.2971], [0.2884, 0.1712, 0.8050]]
    places += [[0, 0.0879, 0.5], [0, 0.1765, 0], [0, 0, 0], [0, 0.2777, 0.5]]
    places += [[0.1117, 0.0858, 0.2175], [0.1186, 0.1711, 0.7242], [0.1083, 0, 0.7156], [0.3653, 0.2480, 0.7933]]
    places += [[0.3464, 0.1343, 0.0998], [0.3441, 0.1185, 0.5907], [0.3379, 0, 0.2925], [0.205, 0, 0.765]]
    cell = Lattice.monoclinic(9.863, 18.048, 5.285, 104.79)
    return _of("C2/m", cell, "Si Si Mg Mg Mg Ca O O O O O O O H", places)


def benitoite() -> Structure:
    """K. Fischer, Z. Kristallogr. 129, 222 (1969)."""
    places = [
        [2 / 3, 1 / 3, 0],
        [1 / 3, 2 / 3, 0],
        [0.0709, 0.2900, 0.25],
        [0.2550, 0.1930, 0.25],
        [0.0880, 0.4300, 0.1120],
    ]
    return _of("P-6c2", Lattice.hexagonal(6.641, 9.7597), "Ba Ti Si O O", places)


def forsterite() -> Structure:
    """K. Fujino, S. Sasaki, Y. Takeuchi, R. Sadanaga, Acta Cryst. B 37, 513 (1981)."""
    places = [[0, 0, 0], [0.9915, 0.2774, 0.25], [0.4262, 0.0940, 0.25]]
    places += [[0.7657, 0.0913, 0.25], [0.2215, 0.4474, 0.25], [0.2777, 0.1628, 0.0331]]
    return _of("Pbnm", Lattice.orthorhombic(4.756, 10.207, 5.980), "Mg Mg Si O O O", places)


def nickel_arsenide() -> Structure:
    return _of("P6_3/mmc", Lattice.hexagonal(3.619, 5.034), "Ni As", [[0, 0, 0], [1 / 3, 2 / 3, 0.25]])


def fluorite() -> Structure:
    return _of("Fm-3m", Lattice.cubic(5.463), "Ca F", [[0, 0, 0], [0.25, 0.25, 0.25]])


LITERATURE = [  # family, parameters, published crystal, largest rms distance in mean atom spacings
    ("harmonic-honeycomb", {"word": "+"}, lambda: _example("alpha-Li2IrO3.cif"), 0.08),
    ("harmonic-honeycomb", {"word": "+-"}, lambda: _example("beta-Li2IrO3.cif"), 0.03),
    ("polytype", {"word": "+"}, lambda: _corpus("mp_20", "mp-8062"), 1e-3),
    ("polytype", {"word": "+++---"}, lambda: _corpus("mp_20", "mp-7631"), 2e-3),
    ("polytype", {"word": "+-", "centre": "Zn", "ligand": "S", "a": 3.8}, lambda: _corpus("mp_20", "mp-560588"), 2e-3),
    ("layered-perovskite", {"word": "R"}, lambda: _corpus("mp_20", "mp-5532"), 0.03),
    ("layered-perovskite", {"word": "PB", "centre": "Ta"}, lambda: _corpus("mpts_52", "mp-554675"), 0.04),
    ("perovskite", {"tilts": "a+b-b-", "filler": "Ca"}, lambda: _example("CaTiO3.cif"), 0.04),
    ("perovskite", {"tilts": "a0a0a0"}, lambda: _example("SrTiO3.cif"), 1e-6),
    ("close-packing", {"centre": "Na", "ligand": "Cl", "a": 3.99}, lambda: _example("NaCl.cif"), 1e-6),
    ("close-packing", {"word": "+-", "centre": "Ni", "ligand": "As", "a": 3.6}, nickel_arsenide, 0.06),
    ("close-packing", {"word": "+-", "pattern": "corundum", "centre": "Al"}, corundum, 0.1),
    ("close-packing", {"word": "+", "pattern": "layered", "ligand": "Cl"}, lambda: _corpus("mp_20", "mp-23210"), 0.08),
    (
        "close-packing",
        {"word": "+-", "pattern": "layered", "ligand": "Cl"},
        lambda: _corpus("mp_20", "mp-570259"),
        0.08,
    ),
    ("spinel", {}, spinel, 0.07),
    ("fluorite", {}, fluorite, 1e-6),
    ("tunnel", {"width": 1, "height": 1}, pyrolusite, 0.03),
    ("tunnel", {"width": 1, "height": 2}, ramsdellite, 0.07),
    ("tunnel", {}, hollandite, 0.04),
    ("tunnel", {}, lambda: _corpus("mp_20", "mp-19395"), 0.06),
    ("tunnel", {"centre": "Ti", "filler": "K", "neutral": False}, lambda: _corpus("mp_20", "mp-1211178"), 0.05),
    ("biopyribole", {"word": "P", "second_filler": "Ca", "stagger": 0.5}, diopside, 0.12),
    ("biopyribole", {"word": "P"}, lambda: _corpus("mp_20", "mp-603930"), 0.12),
    ("biopyribole", {"word": "MP", "second_filler": "Ca", "stagger": 0.5}, tremolite, 0.12),
    ("ring-silicate", {"ring": "3", "octahedron": 1.94}, benitoite, 0.03),
    ("ring-silicate", {"ring": "6"}, lambda: _example("beryl.cif"), 0.1),
    ("olivine", {}, forsterite, 0.12),
    ("tetrahedral-chain", {}, lambda: _corpus("mp_20", "mp-510421"), 0.03),
]


@pytest.mark.parametrize(("family", "parameters", "crystal", "rms"), LITERATURE)
def test_a_known_member_matches_the_measured_crystal(family, parameters, crystal, rms):
    built, measured = build(family, **parameters), crystal()
    found = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=12).get_rms_dist(built, measured)
    assert found is not None and found[0] < rms
    assert space_group(built, 1e-3).number == space_group(measured, 0.02).number
    assert _positions(built) == _positions(measured)


def _positions(structure: Structure) -> Counter:
    """(element, multiplicity in the primitive cell, site symmetry) of the occupied Wyckoff positions."""
    from moyopy import MoyoDataset
    from moyopy.interface import MoyoAdapter

    primitive = structure.get_primitive_structure(0.02)
    found = MoyoDataset(MoyoAdapter.from_structure(primitive), symprec=0.02)
    orbits = Counter(found.orbits)
    return Counter(
        (primitive[first].specie.symbol, count, found.site_symmetry_symbols[first].replace(".", ""))
        for first, count in orbits.items()
    )


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("pyrolusite", (4.398, 4.398, 2.873, 90.0)),
        ("romanechite", (13.929, 2.846, 9.678, 92.39)),  # S. Turner, J. E. Post, Am. Mineral. 73, 1155 (1988)
        ("todorokite", (9.551, 2.842, 9.764, 94.06)),  # J. E. Post, D. L. Bish, Am. Mineral. 73, 861 (1988)
    ],
)
def test_tunnel_cells_are_near_the_measured_ones(name, cell):
    """Within 6 %: measured octahedra are longer along the chain (2.85 A against 1.92 sqrt(2) = 2.72)."""
    (known,) = [p for p in families()["tunnel"].published if p.name == name]
    built = build("tunnel", **known.parameters, bond=1.92)
    conventional = SpacegroupAnalyzer(built, 1e-3).get_conventional_standard_structure().lattice
    assert conventional.abc == pytest.approx(cell[:3], rel=0.06)
    assert conventional.beta == pytest.approx(cell[3], abs=1.0)


@pytest.mark.parametrize("crystal", [pyrolusite, ramsdellite, hollandite, forsterite, benitoite])
def test_octahedra_and_tetrahedra_share_what_they_share_in_the_measured_crystal(crystal):
    own = {
        pyrolusite: ("tunnel", {"width": 1, "height": 1}),
        ramsdellite: ("tunnel", {"width": 1, "height": 2}),
        hollandite: ("tunnel", {}),
        forsterite: ("olivine", {}),
        benitoite: ("ring-silicate", {"ring": "3"}),
    }
    family, parameters = own[crystal]

    def told(structure: Structure) -> Counter:
        graph = md.find_motifs(structure)
        frame = [m for m in graph.motifs if m.coordination in (4, 6)]
        both = {"Mn", "Mg", "Si", "Ti"}
        return Counter(
            (m.formula, tuple(sorted((k, n) for k, n in graph.sharing(m).items() if k[1] in both))) for m in frame
        )

    assert told(build(family, **parameters)) == told(crystal().get_primitive_structure())


@pytest.mark.parametrize(
    ("word", "dimensionality", "sequences"),
    [
        ("P", 1, {(2, 2, 2, 2)}),  # single chain
        ("MP", 1, {(2, 4, 5, 4), (3, 4, 4, 4)}),  # double chain of six-rings
        ("MMP", 1, None),
        ("M", 2, {(3, 6, 9, 12)}),  # sheet of six-rings: hcb
    ],
)
def test_words_in_slabs_make_chains_and_sheets_of_tetrahedra(word, dimensionality, sequences):
    graph = md.find_motifs(build("biopyribole", word=word))
    net = graph.net(centre="Si", via="corner")
    assert net.dimensionality == dimensionality
    found = {net.coordination_sequence(m, shells=4) for m in graph.motifs if m.formula == "SiO4"}
    if sequences is not None:
        assert found == sequences
    else:
        assert {s[0] for s in found} == {2, 3}


@pytest.mark.parametrize("word", ["U", "UD", "UUD", "UUDD", "UUDUD", "UUDUDUD"])
def test_chains_have_the_period_of_their_word(word):
    """Einer, zweier, dreier (wollastonite), vierer, fuenfer (rhodonite), siebener (pyroxmangite)."""
    assembly = member("tetrahedral-chain", word=word).assembly
    net = assembly.net()
    assert net.dimensionality == 1 and net.symbol == "simple chain"
    assert all(dict(assembly.sharing(m)) == {"corner": 2} for m in range(len(word)))
    primitive = assembly.structure().get_primitive_structure()
    assert primitive.composition.get_el_amt_dict() == {"Cr": len(word), "O": 3 * len(word)}


@pytest.mark.parametrize("count", [3, 6])
def test_rings_close_after_their_number_of_tetrahedra(count):
    graph = md.find_motifs(build("ring-silicate", ring=str(count)))
    net = graph.net(centre="Si", via="corner")
    silicon = [m for m in graph.motifs if m.formula == "SiO4"]
    assert net.dimensionality == 0 and {net.ring_sizes(m) for m in silicon} == {(count,)}
    assert all(m.csm < 1e-6 for m in silicon)


def test_tunnel_walls_are_as_many_octahedra_wide_as_asked_for():
    """Single chains share two edges, ends of a ribbon four, its inner chains six; corners go the other way."""
    for width, height in ((1, 1), (1, 3), (2, 2), (2, 3), (3, 4), (5, 6)):
        assembly = member("tunnel", width=width, height=height).assembly
        found = Counter(assembly.sharing(m)["edge"] for m in range(len(assembly.placements)))
        expected: Counter = Counter()
        for ribbon in (max(width, height), max(width, height)) if min(width, height) == 1 else (width, height):
            expected.update({2: 1} if ribbon == 1 else {4: 2, 6: ribbon - 2})
        assert +found == +expected


def test_a_tunnel_folds_without_straining_an_octahedron():
    for fold in (-12.0, 5.0, 20.0):
        folded = member("tunnel", width=2, height=2, fold=fold)
        assert folded.assembly.residual < 1e-9
        assert space_group(folded.structure, 1e-3).symbol == "C2/m"


def test_a_cation_in_the_tunnel_sits_between_eight_ligands():
    built = build("tunnel", filler="K", charges={"Mn": 3.75})
    (potassium,) = [site for site in built if site.specie.symbol == "K"]
    near = sorted(n.nn_distance for n in built.get_neighbors(potassium, 3.0) if n.specie.symbol == "O")
    assert len(near) == 8 and near[0] == pytest.approx(near[-1], abs=1e-6)


def test_a_cation_fits_into_the_middle_of_tunnels_of_any_size():
    for width in range(2, 7):
        for height in range(width, 7):
            built = build("tunnel", width=width, height=height, filler="Ba", neutral=False)
            (barium,) = [i for i, site in enumerate(built) if site.specie.symbol == "Ba"]
            assert space_group(built, 1e-3).number > 1
            assert min(n.nn_distance for n in built.get_neighbors(built[barium], 12.0) if n.index != barium) > 2.6


def test_the_chalcogenolate_prototype_has_the_reported_coordination():
    """Mithrene as reported: AgSe4, Se bound to four Ag and a phenyl, three near Ag about each Ag, in one plane."""
    built = build("chalcogenolate")
    shells = {x: [i for i, s in enumerate(built) if s.specie.symbol == x] for x in ("Ag", "Se", "C", "H")}
    for i in shells["Ag"]:
        near = Counter(n.specie.symbol for n in built.get_neighbors(built[i], 3.1))
        assert (near["Se"], near["Ag"]) == (4, 3)
    for i in shells["Se"]:
        near = Counter(n.specie.symbol for n in built.get_neighbors(built[i], 2.75))
        assert near == {"Ag": 4, "C": 1}
    for i in shells["C"]:
        near = Counter(n.specie.symbol for n in built.get_neighbors(built[i], 1.95))
        assert near in ({"C": 2, "H": 1}, {"C": 2, "Se": 1})
    names = [u.name for u in md.find_motifs(built).units if u.dimensionality == 2]
    assert names == ["sheet of corner- and edge-sharing AgSe4 tetrahedra"]
    # no two phenyls nearer than hydrogens' van der Waals radii allow
    distances = built.distance_matrix[np.ix_(shells["H"], shells["H"])]
    assert distances[distances > 0].min() > 2.2
    square = build("chalcogenolate", a=6.5, b=6.5, zigzag=0.0, slip=0.0, lean=0.0, twist=0.0, spacing=15.5)
    square.remove_species(["C", "H"])
    assert space_group(square, 1e-3).symbol == "P4/nmm"  # anti-PbO
