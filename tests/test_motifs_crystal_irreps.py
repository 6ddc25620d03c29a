"""Irreps of whole crystals' modes: the published ones, and space groups told two ways."""

import numpy as np
import pytest
from minerals import corundum, spinel
from parents import PARENTS, parent, zincblende_layers

from motifdesk.motifs.symmetry.crystal_modes import crystal_modes
from motifdesk.structures import read


@pytest.mark.parametrize("name", sorted(PARENTS))
def test_operations_that_keep_a_mode_and_the_displaced_structure_tell_one_space_group(name):
    make, supercell = PARENTS[name]
    modes = crystal_modes(make(), supercell)
    size = 3 * len(modes.supercell)
    assert modes.basis.shape == (size, size)
    np.testing.assert_allclose(modes.basis @ modes.basis.T, np.eye(size), atol=1e-8)
    for mode in list(modes)[:: max(1, len(modes) // 30)]:
        # a displacement of 0.05 A: too small to reach a higher symmetry by chance, far above the tolerance
        assert modes.space_group({mode: 0.05}, 1e-4).number == modes.subgroup(mode).number, mode.key


def test_wavevectors_of_hexagonal_and_tetragonal_parents_have_their_letters():
    assert {m.point for m in crystal_modes(zincblende_layers(), (2, 2, 2))} == {"GM", "M", "A", "L"}
    assert {m.point for m in crystal_modes(*parent("MoS2 root 3"))} == {"GM", "K"}
    assert {m.point for m in crystal_modes(*parent("Sr2TiO4"))} == {"GM", "M"}
    assert {m.point for m in crystal_modes(*parent("Sr2TiO4 root 2"))} == {"GM", "M", "X"}
    assert {m.point for m in crystal_modes(read("rutile-TiO2.cif"), (2, 2, 2))} == {"GM", "X", "M", "Z", "R", "A"}
    assert {m.point for m in crystal_modes(read("NaCl.cif"), (1, 1, 1))} == {"GM", "X"}
    assert {m.point for m in crystal_modes(read("NaCl.cif", cell="primitive"), (2, 2, 2))} == {"GM", "X", "L"}


def test_zone_centre_irreps_of_rutile_are_the_published_ones():
    # Porto, Fleury and Damen, Phys. Rev. 154, 522 (1967): A1g + A2g + A2u + B1g + B2g + 2B1u + Eg + 3Eu, and the
    # acoustic A2u + Eu
    count = {}
    for m in crystal_modes(read("rutile-TiO2.cif")):
        if m.component == 1:
            count[m.irrep.split()[1]] = count.get(m.irrep.split()[1], 0) + 1
    assert count == {"A1g": 1, "A2g": 1, "A2u": 2, "B1g": 1, "B2g": 1, "B1u": 2, "Eg": 1, "Eu": 4}


def test_zone_centre_irreps_of_quartz_are_the_published_ones():
    # Scott and Porto, Phys. Rev. 161, 903 (1967): 4A1 + 4A2 + 8E, and the acoustic A2 + E
    count = {}
    for m in crystal_modes(read("quartz-SiO2.cif", cell="primitive")):
        if m.component == 1:
            count[m.irrep.split()[1]] = count.get(m.irrep.split()[1], 0) + 1
    assert count == {"A1": 4, "A2": 5, "E": 9}


@pytest.mark.parametrize(
    ("make", "published"),
    [
        # White and De Angelis, Spectrochim. Acta A 23, 985 (1967), with the acoustic T1u
        (spinel, "A1g + Eg + T1g + 3T2g + 2A2u + 2Eu + 5T1u + 2T2u"),
        # Porto and Krishnan, J. Chem. Phys. 47, 1009 (1967), with the acoustic A2u + Eu
        (corundum, "2A1g + 2A1u + 3A2g + 3A2u + 5Eg + 5Eu"),
        (lambda: read("Si.cif", cell="primitive"), "T2g + T1u"),
        (lambda: read("anatase-TiO2.cif", cell="primitive"), "A1g + 2A2u + 2B1g + B2u + 3Eg + 3Eu"),
    ],
)
def test_zone_centre_irreps_of_other_minerals_are_the_published_ones(make, published):
    count = {}
    for m in crystal_modes(make(), tolerance=0.01):
        if m.component == 1 and m.point == "GM":  # a centred cell holds other points too
            count[m.irrep.split()[1]] = count.get(m.irrep.split()[1], 0) + 1
    expected = {}
    for term in published.split(" + "):
        expected[term.lstrip("0123456789")] = int(term[0]) if term[0].isdigit() else 1
    assert count == expected
