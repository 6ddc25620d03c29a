"""Molecules: CHn groups, rings, cages, functional groups, and what has no bond."""

from collections import Counter

import networkx
import numpy as np
import pytest
from ase.build import molecule as build
from pymatgen.core import Molecule

from motifdesk.motifs import MotifGraph, find_motifs
from motifdesk.motifs.hierarchy.cycles import cycle_basis
from motifdesk.structures import corpus, read

# PubChem CID 2244, conformer
ASPIRIN = """21

O 1.2333 0.5540 0.7792
O -0.6952 -2.7148 -0.7502
O 0.7958 -2.1843 0.8685
O 1.7813 0.8105 -1.4821
C -0.0857 0.6088 0.4403
C -0.7927 -0.5515 0.1244
C -0.7288 1.8464 0.4133
C -2.1426 -0.4741 -0.2184
C -2.0787 1.9238 0.0706
C -2.7855 0.7636 -0.2453
C -0.1409 -1.8536 0.1477
C 2.1094 0.6715 -0.3113
C 3.5305 0.5996 0.1635
H -0.1851 2.7545 0.6593
H -2.7247 -1.3605 -0.4564
H -2.5797 2.8872 0.0506
H -3.8374 0.8238 -0.5090
H 3.7290 1.4184 0.8593
H 4.2045 0.6969 -0.6924
H 3.7105 -0.3659 0.6426
H -0.2555 -3.5916 -0.7337"""


def graph_of(name: str) -> MotifGraph:
    atoms = build(name)
    return find_motifs(Molecule(atoms.get_chemical_symbols(), atoms.positions))


def groups(graph: MotifGraph, kind: str) -> list[str]:
    return sorted(g.name for f in graph.fragments() for g in f.groups if g.kind == kind)


def test_benzene_is_six_ch_and_one_six_ring():
    graph = find_motifs(read("benzene.xyz"))
    assert Counter(m.formula for m in graph.motifs) == {"CH": 6}
    assert [(u.kind, len(u.sites)) for u in graph.units] == [("ring", 6)]
    (fragment,) = graph.fragments()
    assert fragment.name == "benzene" and fragment.formula == "C6H6" and len(fragment.rings) == 1
    assert groups(graph, "functional") == ["benzene ring"]


@pytest.mark.parametrize(
    ("name", "hydrides", "functional"),
    [
        ("CH3CH2OH", ["CH2", "CH3", "OH"], ["alcohol"]),
        ("CH3COOH", ["CH3", "OH"], ["carboxylic acid"]),
        ("HCOOCH3", ["CH", "CH3"], ["ester"]),
        ("CH3CONH2", ["CH3", "NH2"], ["amide"]),
        ("CH3CHO", ["CH", "CH3"], ["aldehyde"]),
        ("CH3CN", ["CH3"], ["nitrile"]),
        ("CH3NO2", ["CH3"], ["nitro group"]),
        ("CH3SH", ["CH3", "SH"], ["thiol"]),
        ("CH3Cl", ["CH3"], ["Cl-C halide"]),
        ("C2H4", ["CH2", "CH2"], ["alkene"]),
        ("C2H2", ["CH", "CH"], ["alkyne"]),
        ("C5H5N", ["CH"] * 5, ["heteroaromatic ring"]),
        ("trans-butane", ["CH2", "CH2", "CH3", "CH3"], []),
        ("H2O", ["OH2"], []),
    ],
)
def test_groups_are_those_an_organic_chemist_names(name, hydrides, functional):
    graph = graph_of(name)
    assert groups(graph, "hydride") == hydrides
    assert groups(graph, "functional") == functional


def test_aspirin_has_an_acid_an_ester_a_benzene_ring_and_two_chains():
    graph = find_motifs(Molecule.from_str(ASPIRIN, "xyz"))
    assert groups(graph, "functional") == ["benzene ring", "carboxylic acid", "ester"]
    assert Counter(m.formula for m in graph.motifs) == {"C": 4, "CH": 4, "CH3": 1, "O": 3, "OH": 1}
    assert groups(graph, "backbone")[-1] == "ring"
    assert "carboxylic acid" in graph.levels()[2].sentence


def test_c60_has_twelve_pentagons_and_twenty_hexagons_around_a_cage():
    graph = graph_of("C60")
    rings = [u for u in graph.units if u.kind == "ring"]
    assert Counter(len(u.sites) for u in rings) == {5: 12, 6: 20}
    (cage,) = [u for u in graph.units if u.kind == "cage"]
    assert len(cage.sites) == 60 and cage.name == "cage of 12 5-rings and 20 6-rings"
    assert graph.fragments()[0].name == "buckminsterfullerene"
    assert graph.net().vertex_symbol(0) in ("5.6.6",) and graph.net().dimensionality == 0


def test_cubane_closes_and_bicyclobutane_does_not():
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    cubane = find_motifs(Molecule(["C"] * 8 + ["H"] * 8, np.vstack([0.785 * corners, 1.41 * corners])))
    assert Counter((u.kind, len(u.sites)) for u in cubane.units) == {("ring", 4): 6, ("cage", 8): 1}
    assert Counter((u.kind, len(u.sites)) for u in graph_of("bicyclobutane").units) == {("ring", 3): 2}


def test_smallest_molecules_and_unbonded_ones_get_a_stated_answer():
    hydrogen = graph_of("H2")
    assert len(hydrogen.motifs) == 2 and hydrogen.fragments()[0].name == "hydrogen"
    atom = find_motifs(Molecule(["He"], [[0, 0, 0]]))
    assert atom.fragments() == () and atom.notes == ("no two atoms are bonded: every atom stands alone",)
    pair = find_motifs(Molecule(["Na", "Cl"], [[0, 0, 0], [0, 0, 5.0]]))
    assert [m.shape for m in pair.motifs] == ["isolated"] * 2 and pair.links == () and pair.notes
    assert "2 separate pieces" in pair.levels()[-1].sentence
    bonded = graph_of("NaCl")
    assert len(bonded.links) == 1 and not bonded.notes


def test_cycle_basis_is_minimum_on_random_molecules():
    source = corpus("qm9")
    checked = 0
    for k in np.random.default_rng(3).permutation(len(source))[:40]:
        molecule = source.structure(int(k))
        graph = find_motifs(molecule)
        pairs, _ = graph.bonds()
        bonds = [(int(a), int(b)) for a, b in pairs]
        theirs = networkx.minimum_cycle_basis(networkx.Graph(bonds))
        ours = cycle_basis(bonds)
        assert sorted(map(len, ours)) == sorted(map(len, theirs))
        checked += len(ours)
    assert checked > 20


def test_cycle_basis_of_odd_graphs():
    assert cycle_basis([]) == () and cycle_basis([(0, 1), (1, 2)]) == ()
    assert cycle_basis([(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 3)]) == ((0, 1, 2), (3, 4, 5))
    spiro = [(0, 1), (1, 2), (2, 0), (0, 3), (3, 4), (4, 0)]
    assert cycle_basis(spiro) == ((0, 1, 2), (0, 3, 4))


def test_groups_do_not_depend_on_the_order_of_atoms_or_the_frame():
    base = Molecule.from_str(ASPIRIN, "xyz")
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    order = rng.permutation(len(base))
    other = Molecule([base.species[k] for k in order], base.cart_coords[order] @ turn + 3.0)
    kinds = [Counter((g.kind, g.name) for f in find_motifs(m).fragments() for g in f.groups) for m in (base, other)]
    assert kinds[0] == kinds[1]
