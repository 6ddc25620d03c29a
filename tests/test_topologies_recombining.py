"""Take loaded crystals apart, exchange their motifs, join them by other rules: which nets come out?"""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

import motifdesk as md
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import space_group
from motifdesk.topologies import (
    Assembly,
    Placement,
    Template,
    disassemble,
    embed,
    exchange,
    member,
    recombine,
    strained,
)

LOADED = {  # file -> motifs, single atoms, the motifs' net, sharing of the first
    "rutile-TiO2.cif": (2, 0, None, {"edge": 2, "corner": 8}),
    "anatase-TiO2.cif": (2, 0, None, {"edge": 4, "corner": 4}),
    "quartz-SiO2.cif": (3, 0, "qtz", {"corner": 4}),
    "chabazite.cif": (12, 0, "CHA", {"corner": 4}),
    "CaTiO3.cif": (4, 4, "pcu", {"corner": 6}),
    "beta-Li2IrO3.cif": (4, 8, "ths", {"edge": 3}),
    "beryl.cif": (12, 10, None, {"corner": 2}),
}


@pytest.mark.parametrize("file", LOADED)
def test_a_loaded_crystal_comes_apart_and_together_again(file):
    structure = md.read(file, cell="primitive")
    taken = disassemble(structure)
    motifs, single, net, sharing = LOADED[file]
    assert (len(taken.placements), len(taken.atoms)) == (motifs, single)
    assert dict(taken.sharing(0)) == sharing
    assert net is None or taken.net().name == net
    structure.remove_oxidation_states()
    assert taken.residual < 1e-8
    assert StructureMatcher().fit(taken.structure(), structure)


@pytest.mark.parametrize(
    ("file", "old", "new", "group", "length"),
    [
        # bonds: sums of Shannon radii; the longest lattice vector of the primitive cell in Angstrom, where it is known
        ("rutile-TiO2.cif", "Ti", ("O:6", "Sn", "O", 2.05), "P4_2/mnm", None),
        ("anatase-TiO2.cif", "Ti", ("O:6", "Sn", "O", 2.05), "I4_1/amd", None),
        ("quartz-SiO2.cif", "Si", ("T:4", "Ge", "O", 1.74), "P3_221", None),
        ("CaTiO3.cif", "Ti", ("O:6", "Zr", "O", 2.10), "Pnma", None),
        ("KCuF3.cif", "Cu", ("O:6", "Mn", "F", 2.095), "Pm-3m", np.sqrt(2) * 4.19),  # KMnF3 is cubic with a = 4.19
    ],
)
def test_a_motif_of_a_loaded_crystal_is_exchanged_for_another_of_the_same_ports(file, old, new, group, length):
    found = exchange(disassemble(md.read(file, cell="primitive")), old, Template.ideal(*new))
    assert found.converged and found.gap < 1e-6
    assert space_group(found.assembly.structure(), 1e-2).symbol == group
    if length is not None:
        assert max(found.assembly.structure().lattice.abc) == pytest.approx(length, abs=0.01)


def test_exchanging_one_kind_of_motif_among_others_tells_what_strains():
    """Spinel fits only tetrahedra and octahedra of matching size: a larger octahedron leaves gaps, told as modes."""
    good = member("spinel").assembly
    larger = exchange(good, "Al", Template.ideal("O:6", "In", "O", 2.17))
    assert 0.02 < larger.gap < 0.5
    told = dict(strained(larger))
    assert all(name.split()[1] in ("stretch", "bend", "rotation") for modes in told.values() for name, _ in modes)
    assert max(amount for modes in told.values() for _, amount in modes) > 0.02


def test_disassembling_takes_the_centres_that_are_named():
    structure = md.read("CaTiO3.cif", cell="primitive")
    cages = disassemble(structure, "Ca")
    assert {p.template.centre for p in cages.placements} == {"Ca"} and len(cages.atoms) == 4
    with pytest.raises(TopologyError, match="about Sr.*Choose from Ca, Ti"):
        disassemble(structure, "Sr")
    with pytest.raises(TopologyError, match="a molecule has no lattice"):
        disassemble(md.read("benzene.xyz"))


@pytest.mark.parametrize(
    ("file", "centre", "kind", "count", "nets"),
    [
        # corner-sharing octahedra made to share four edges: diamond (anatase's own edges) and face-centred cubic (NaCl)
        ("rutile-TiO2.cif", "Ti", "edge", 4, {"dia", "fcu"}),
        ("CaTiO3.cif", "Ti", "edge", 4, {"dia", "fcu"}),
        ("KCuF3.cif", "Cu", "edge", 4, {"dia", "fcu"}),
        # quartz's tetrahedron joined by inversion at every corner: cristobalite's net
        ("quartz-SiO2.cif", "Si", "vertex", 4, {"dia"}),
        # edge-sharing NaCl6 made to share corners: ReO3
        ("NaCl.cif", "Na", "vertex", 6, {"pcu"}),
    ],
)
def test_motifs_of_loaded_crystals_joined_by_another_rule_make_known_nets(file, centre, kind, count, nets):
    structure = md.read(file, cell="primitive")
    graph = md.find_motifs(structure)
    motif = next(m for m in graph.motifs if graph.element(m.centre) == centre)
    found = list(recombine(Template.of(structure, motif), kind, count, limit=6))
    assert nets <= {one.net.name for one in found}
    for one in found:
        assert one.sharing.get("corner" if kind == "vertex" else "edge", 0) >= count
        assert one.assembly.residual < 1e-3


def test_an_embedding_that_cannot_close_settles_where_gaps_are_least():
    """Octahedra too large for their neighbours: no step may make the gaps worse, and it ends."""
    good = member("tunnel", width=2, height=2).assembly
    mixed = Assembly(
        good.cell,
        tuple(
            Placement(Template(p.template.name, "Mn", p.template.ligands, 1.1 * p.template.vertices), p.position)
            if m == 0
            else p
            for m, p in enumerate(good.placements)
        ),
    )
    gaps: list[float] = []
    found = embed(mixed, good.joins, progress=lambda _, gap: gaps.append(gap))
    assert found.converged and found.steps < 60
    assert found.gap <= gaps[0] + 1e-9 and 0.01 < found.gap < 0.5


def test_exchanges_that_cannot_be_are_told():
    taken = disassemble(md.read("rutile-TiO2.cif", cell="primitive"))
    with pytest.raises(TopologyError, match="there is no motif 'Fe'"):
        exchange(taken, "Fe", Template.ideal("O:6", "Sn", "O", 2.05))
    with pytest.raises(TopologyError, match="has 4 vertices.*same ports"):
        exchange(taken, "Ti", Template.ideal("T:4", "Si", "O", 1.62))
    with pytest.raises(TopologyError, match="there is no figure 'O:99'"):
        Template.ideal("O:99", "Ti", "O", 2.0)
    with pytest.raises(TopologyError, match="a bond of -1"):
        Template.ideal("O:6", "Ti", "O", -1)
