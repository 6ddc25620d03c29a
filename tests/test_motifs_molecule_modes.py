"""Point groups of molecules and their symmetry coordinates, against published vibrational representations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from motifdesk import read
from motifdesk.motifs import molecule_modes, molecule_point_group
from motifdesk.structures import StructureError

# G. Herzberg, Molecular Spectra and Molecular Structure II (1945); C60: F. Negri, G. Orlandi, F. Zerbetto, Chem. Phys.
# Lett. 144, 31 (1988)
VIBRATIONS = {
    "H2O": ("C2v", "2A1 1B1"),
    "NH3": ("C3v", "2A1 2E"),
    "CH4": ("Td", "1A1 1E 2T2"),
    "CO2": ("D*h", "1Sigma_g 1Sigma_u 1Pi_u"),
    "HCN": ("C*v", "2Sigma 1Pi"),
    "C2H4": ("D2h", "3Ag 1Au 2B1g 1B1u 1B2g 2B2u 2B3u"),
    "C2H6": ("D3d", "3A1g 1A1u 2A2u 3Eg 3Eu"),
    "BF3": ("D3h", "1A1' 1A2'' 2E'"),
    "C6H6": ("D6h", "2A1g 1A2g 1A2u 2B1u 2B2g 2B2u 1E1g 3E1u 4E2g 2E2u"),
    "C60": ("Ih", "2Ag 3T1g 4T2g 6Gg 8Hg 1Au 4T1u 5T2u 6Gu 7Hu"),
}
MOLECULES = [
    "H2O",
    "NH3",
    "CH4",
    "C2H6",
    "C6H6",
    "CH3CHO",
    "butadiene",
    "cyclobutene",
    "C3H4_D2d",
    "CO2",
    "C5H8",
    "H2O2",
]


def turned(atoms: Atoms, seed: int) -> Atoms:
    out = atoms.copy()
    out.positions = out.positions @ Rotation.random(random_state=seed).as_matrix().T + [1.0, -2.0, 0.5]
    return out


@pytest.mark.parametrize("name", VIBRATIONS)
def test_the_vibrations_of_textbooks(name):
    symbol, published = VIBRATIONS[name]
    modes = molecule_modes(turned(molecule(name), 3))
    assert modes.group.symbol == symbol
    found = Counter(m.irrep for m in modes if m.component == 1)
    wanted = Counter({part.lstrip("0123456789"): int(part[0]) for part in published.split()})
    if name == "C2H4":  # which of B1, B2, B3 is which hangs on the axes: a convention
        assert sorted(found.values()) == sorted(wanted.values()) and found["Ag"] == 3 and found["Au"] == 1
    elif name == "H2O":
        assert found["A1"] == 2 and found.total() == 3
    else:
        assert found == wanted


@pytest.mark.parametrize("name", MOLECULES)
def test_modes_and_rigid_motions_together_are_all_displacements(name):
    atoms = turned(molecule(name), 5)
    modes = molecule_modes(atoms)
    n = len(atoms)
    lines = modes.group.symbol.endswith(("*h", "*v"))
    assert len(modes) == 3 * n - (5 if lines else 6)
    assert len({m.key for m in modes}) == len(modes)
    points = atoms.positions - atoms.positions.mean(axis=0)
    rigid = [np.tile(axis, (n, 1)).ravel() for axis in np.eye(3)] + [np.cross(a, points).ravel() for a in np.eye(3)]
    every = np.array([m.vectors.ravel() for m in modes] + rigid)
    assert np.linalg.matrix_rank(every, tol=1e-6) == 3 * n
    for m in modes:
        assert np.linalg.norm(m.vectors[list(m.atoms)]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", MOLECULES)
def test_the_group_a_mode_leaves_is_that_of_the_moved_molecule(name):
    atoms = turned(molecule(name), 7)
    modes = molecule_modes(atoms)
    for m in modes:
        moved = atoms.copy()
        moved.positions = moved.positions + modes.displacements({m.key: 0.4})
        assert molecule_point_group(moved, 0.01).symbol == modes.subgroup({m.key: 0.4}).symbol, m.label


def test_point_groups_are_those_pymatgen_finds_in_exact_geometries():
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import PointGroupAnalyzer

    names = [*MOLECULES, "HCN", "SiH4", "PH3", "CH3OH", "C2H2", "CF4", "P2", "SF6"]
    for name in names:
        atoms = (
            molecule(name) if name != "SF6" else Atoms("SF6", [[0, 0, 0], *(1.56 * np.vstack([np.eye(3), -np.eye(3)]))])
        )
        theirs = PointGroupAnalyzer(AseAtomsAdaptor.get_molecule(atoms), tolerance=0.05).sch_symbol
        assert molecule_point_group(atoms).symbol == theirs, name
    # pymatgen's search misses the axis of these flat ones
    assert {molecule_point_group(molecule(name)).symbol for name in ("C4H4NH", "C5H5N", "COF2")} == {"C2v"}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["C6H6", "CH4", "BF3", "butadiene", "C2H6"]))
def test_noise_turns_and_order_change_neither_group_nor_names(seed, name):
    rng = np.random.default_rng(seed)
    atoms = molecule(name)
    other = turned(atoms, seed)[rng.permutation(len(atoms))]
    other.positions += rng.normal(scale=0.002, size=other.positions.shape)
    mine, theirs = molecule_modes(atoms), molecule_modes(other)
    assert mine.group.symbol == theirs.group.symbol
    assert Counter(
        (m.kind, m.irrep, m.copy, m.words.split()[0] if m.words else "") for m in mine if m.dimension == 1
    ) == (Counter((m.kind, m.irrep, m.copy, m.words.split()[0] if m.words else "") for m in theirs if m.dimension == 1))


def test_benzene_s_ring_breathes_alternates_and_folds_with_its_hydrogens_along():
    benzene = read("benzene.xyz")
    modes = molecule_modes(benzene)
    told = {m.words: m for m in modes if m.kind == "frame" and m.dimension == 1}
    assert told["breathing"].irrep == "A1g" and told["bonds alternate"].irrep == "B2u"
    shown = modes._repr_html_()
    assert "D6h: 30 modes" in shown and shown.count("<tr>") == 1 + 20 and "bonds alternate" in shown
    chair = told["out of plane, alternating"]
    assert modes.subgroup({chair: 1.0}).symbol == "D3d" and chair.irrep == "B2g"
    # a riding hydrogen goes where its carbon goes
    carbon, hydrogen = np.flatnonzero(modes.arrays.numbers == 6), np.flatnonzero(modes.arrays.numbers == 1)
    points = modes.arrays.positions
    for h in hydrogen:
        c = carbon[np.argmin(np.linalg.norm(points[carbon] - points[h], axis=1))]
        np.testing.assert_array_equal(chair.vectors[h], chair.vectors[c])


def test_equivalent_atoms_and_motifs_of_a_molecule_are_those_of_its_point_group():
    from motifdesk.motifs import distort, distortion_modes, equivalent_atoms, find_motifs

    atoms = turned(molecule("C2H6"), 9)
    assert len(set(equivalent_atoms(atoms))) == 2
    graph = find_motifs(atoms)
    assert [len(o) for o in graph.orbits] == [2]
    for mode in distortion_modes(atoms, 0, "orbit", graph=graph):
        moved = distort(atoms, {mode: 0.1}, graph=graph)
        symbol = molecule_point_group(moved, 0.005).symbol
        assert symbol != "C1", mode.label


def test_crystals_single_atoms_and_odd_tolerances_are_refused():
    with pytest.raises(StructureError, match="space group"):
        molecule_modes(read("rutile-TiO2.cif"))
    with pytest.raises(StructureError, match="1 atoms"):
        molecule_point_group(Atoms("He"))
    with pytest.raises(StructureError, match="tolerance"):
        molecule_point_group(molecule("H2O"), -1.0)
    assert molecule_point_group(molecule("HCOOH")).symbol == "Cs"
