"""Distances, angles and dihedrals: against known geometry, across cell faces, and what cannot be measured."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

import motifdesk as md
from motifdesk.session.measuring import measure, parse
from motifdesk.structures.errors import SessionError


@pytest.fixture(scope="module")
def perovskite():
    """Cubic, 4 Angstrom: B at the origin, anions 2 Angstrom away on three axes."""
    sites = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return md.Session(Structure(Lattice.cubic(4.0), ["Ca", "Ti", "O", "O", "O"], sites), codec=None, atlas=None).state


def test_bonds_and_angles_take_the_nearest_images(perovskite):
    assert measure(perovskite, [1, 2]).value == pytest.approx(2.0)
    assert measure(perovskite, [2, 1, 3]).value == pytest.approx(90.0)
    found = measure(perovskite, [(2, 0, 0, 0), (1, 0, 0, 0), (2, -1, 0, 0)])
    assert found.value == pytest.approx(180.0) and found.unit == "°" and found.labels == ("O2", "Ti1", "O2'")
    assert measure(perovskite, [1, 1]).value == pytest.approx(4.0), "the nearest other copy of the same site"


def test_the_nearest_image_is_the_nearest_in_a_skew_cell():
    lattice = Lattice.from_parameters(4, 4.2, 9, 35, 50, 40)
    rng = np.random.default_rng(3)
    crystal = Structure(lattice, ["Si", "O"], rng.random((2, 3)))
    state = md.Session(crystal, codec=None, atlas=None).state
    assert measure(state, [0, 1]).value == pytest.approx(state.structure.get_distance(0, 1), abs=1e-9)


def test_dihedral_has_the_sign_of_the_convention():
    # looking along the middle bond (z), the far bond is turned clockwise by 60 degrees: positive
    turned = [np.cos(np.pi / 3), -np.sin(np.pi / 3), 0]
    chain = [[1, 0, 0], [0, 0, 0], [0, 0, -1.5], [turned[0], turned[1], -1.5]]
    value = measure(md.Session(Molecule(["C"] * 4, chain), codec=None, atlas=None).state, [0, 1, 2, 3]).value
    mirrored = [[x, -y, z] for x, y, z in chain]
    other = measure(md.Session(Molecule(["C"] * 4, mirrored), codec=None, atlas=None).state, [0, 1, 2, 3]).value
    assert abs(value) == pytest.approx(60.0) and other == pytest.approx(-value)
    import ase

    assert ase.Atoms("C4", positions=chain).get_dihedral(0, 1, 2, 3) == pytest.approx(value % 360)


@pytest.mark.parametrize("points", [[1], [0, 1, 2, 3, 4], [0, 99], [1, 2, 2]])
def test_what_has_no_figure_says_so(perovskite, points):
    if points == [1, 2, 2]:
        points = [(1, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)]
    with pytest.raises(SessionError, match="cannot be measured|no atom|not defined"):
        measure(perovskite, points)


def test_sites_are_read_from_words(perovskite):
    assert parse(perovskite, "Ti1 O2, 3") == [1, 2, 3]
    assert parse(perovskite, "o4–ti1") == [4, 1]
    for wrong in ("Fe1", "O99", "Ti1 O2; <img>", "Ti"):
        with pytest.raises(SessionError, match="there is no atom"):
            parse(perovskite, wrong)
